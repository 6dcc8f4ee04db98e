//! The client's side of `rtt`, whatever the engine: what is sent, what must come back, and how long it took.

use std::time::Instant;

use anyhow::{ensure, Result};
use hdrhistogram::Histogram;

use crate::workloads::rtt::{summary, Rtt};
use crate::workloads::Values;

pub const MESSAGE: usize = 64;

pub struct Trips<'a> {
    job: &'a Rtt,
    number: u64,
    start: Instant,
    histogram: Histogram<u64>,
}

impl<'a> Trips<'a> {
    pub fn new(job: &'a Rtt) -> Result<Self> {
        Ok(Self {
            job,
            number: 0,
            start: Instant::now(),
            histogram: Histogram::new(3)?,
        })
    }

    /// The next message; `None` behind the last. The clock runs.
    pub fn next(&mut self) -> Option<[u8; MESSAGE]> {
        if self.number == self.job.total() {
            return None;
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
        ensure!(self.number == self.job.total(), "answers are lost");
        Ok(summary(&self.histogram, self.job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Rtt = Rtt {
        warm_up: 2,
        trips: 10,
    };

    #[test]
    fn what_comes_back_is_compared_and_counted() {
        let mut trips = Trips::new(&JOB).unwrap();
        let mut sent = 0;
        while let Some(message) = trips.next() {
            trips.came(&message).unwrap();
            sent += 1;
        }
        assert_eq!(sent, 12);
        assert!(trips.close().unwrap().contains_key("p50"));
    }

    #[test]
    fn a_wrong_answer_and_a_lost_one_are_errors() {
        let mut trips = Trips::new(&JOB).unwrap();
        let mut message = trips.next().unwrap();
        message[63] ^= 1;
        assert!(trips.came(&message).is_err());
        assert!(trips.close().is_err());
    }
}
