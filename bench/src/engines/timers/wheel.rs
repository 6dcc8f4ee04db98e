//! A hierarchical wheel without a lock: tokio-util's `DelayQueue`, for the record.

use std::future::poll_fn;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::runtime::{EnterGuard, Runtime};
use tokio_util::time::delay_queue::{DelayQueue, Key};

use super::Timers;

pub struct Wheel {
    runtime: &'static Runtime,
    _inside: EnterGuard<'static>,
    queue: DelayQueue<u32>,
    keys: Vec<Option<Key>>,
}

impl Timers for Wheel {
    type Deadline = tokio::time::Instant;
    const IN_ORDER: bool = false;

    fn new(timers: usize) -> Result<Self> {
        let runtime = super::tokio::runtime()?;
        Ok(Self {
            runtime,
            _inside: runtime.enter(),
            queue: DelayQueue::with_capacity(timers),
            keys: vec![None; timers],
        })
    }

    fn deadline(&self, time: Instant) -> Self::Deadline {
        time.into()
    }

    fn insert(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()> {
        self.keys[timer] = Some(self.queue.insert_at(timer as u32, deadline));
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()> {
        let key = self.keys[timer].as_ref().context("it was not armed")?;
        self.queue.reset_at(key, deadline);
        Ok(())
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        let key = self.keys[timer].take().context("it was not armed")?;
        self.queue.remove(&key);
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        let queue = &mut self.queue;
        self.runtime.block_on(async {
            while let Some(timer) = poll_fn(|context| queue.poll_expired(context)).await {
                expired.push(timer.into_inner() as usize);
            }
        });
        Ok(())
    }
}
