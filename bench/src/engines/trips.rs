//! Round trips, for engines with programs of their own: what is sent, what must come back, and how long it took.

use std::time::Instant;

use anyhow::{ensure, Context, Result};
use hdrhistogram::Histogram;

use crate::system::Usage;
use crate::workloads::rtt::{summary, Rtt};
use crate::workloads::Values;

pub const MESSAGE: usize = 64;

pub struct Trips<'a> {
    job: &'a Rtt,
    number: u64,
    start: Instant,
    histogram: Histogram<u64>,
    before: Option<Usage>,
}

/// How many trips there are in all.
pub fn number_of(job: &Rtt) -> u64 {
    job.warm_up + job.trips
}

impl<'a> Trips<'a> {
    pub fn new(job: &'a Rtt) -> Result<Self> {
        Ok(Self {
            job,
            number: 0,
            start: Instant::now(),
            histogram: Histogram::new(3)?,
            before: None,
        })
    }

    /// The next message; `None` behind the last. The clock runs.
    pub fn next(&mut self) -> Option<[u8; MESSAGE]> {
        if self.number == number_of(self.job) {
            return None;
        }
        if self.number == self.job.warm_up {
            self.before = Some(Usage::now());
        }
        self.start = Instant::now();
        Some(self.message())
    }

    fn message(&self) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        for (place, word) in message.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(self.number * 8 + place as u64).to_le_bytes());
        }
        message
    }

    /// The answer is there.
    pub fn came(&mut self, answer: &[u8]) -> Result<()> {
        let elapsed = self.start.elapsed();
        ensure!(answer == self.message(), "wrong bytes came back");
        if self.number >= self.job.warm_up {
            self.histogram.record(elapsed.as_nanos() as u64)?;
        }
        self.number += 1;
        Ok(())
    }

    pub fn close(self) -> Result<Values> {
        let before = self.before.context("nothing was measured")?;
        let cpu = Usage::now().nanos_since(before);
        Ok(summary(&self.histogram, cpu, self.job))
    }
}
