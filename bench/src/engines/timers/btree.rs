//! The standard library's sorted map as a list of timers, without a lock: for the record.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};

use super::Timers;

pub struct Btree {
    epoch: Instant,
    /// By nanoseconds; the number tells apart what is due at the same time.
    map: BTreeMap<(u64, u32), ()>,
    deadlines: Vec<Option<u64>>,
}

impl Timers for Btree {
    type Deadline = u64;
    const IN_ORDER: bool = true;

    fn new(timers: usize) -> Result<Self> {
        Ok(Self {
            epoch: Instant::now(),
            map: BTreeMap::new(),
            deadlines: vec![None; timers],
        })
    }

    fn deadline(&self, time: Instant) -> u64 {
        (time - self.epoch).as_nanos() as u64
    }

    fn insert(&mut self, timer: usize, deadline: u64) -> Result<()> {
        self.map.insert((deadline, timer as u32), ());
        self.deadlines[timer] = Some(deadline);
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: u64) -> Result<()> {
        self.cancel(timer)?;
        self.insert(timer, deadline)
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        let deadline = self.deadlines[timer].take().context("it was not armed")?;
        let removed = self.map.remove(&(deadline, timer as u32));
        removed.context("it is not in the map")
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        let now = self.deadline(Instant::now());
        while let Some(first) = self.map.first_entry() {
            let &(deadline, timer) = first.key();
            if deadline > now {
                break;
            }
            first.remove();
            self.deadlines[timer as usize] = None;
            expired.push(timer as usize);
        }
        Ok(())
    }
}
