//! The measured part of a server's life: from the last of the warm-up to the last that is measured.

use anyhow::{ensure, Context, Result};

use crate::system::Usage;
use crate::workloads::{values, Values};

/// Counts what is served (bytes, connections), and takes the time at two marks.
pub struct Window {
    so_far: u64,
    /// What makes the next mark.
    next: u64,
    end: u64,
    total: u64,
    marks: Vec<Usage>,
}

impl Window {
    /// Of `total` the first `warm_up` are not measured, then so many are.
    pub fn new(warm_up: u64, measured: u64, total: u64) -> Self {
        Self {
            so_far: 0,
            next: warm_up,
            end: warm_up + measured,
            total,
            marks: Vec::with_capacity(2),
        }
    }

    pub fn count(&mut self, number: u64) {
        self.so_far += number;
        while self.so_far >= self.next {
            self.mark();
        }
    }

    #[cold]
    fn mark(&mut self) {
        self.marks.push(Usage::now());
        self.next = if self.marks.len() == 1 {
            self.end
        } else {
            u64::MAX
        };
    }

    /// CPU time for each of so many operations.
    pub fn close(self, operations: u64) -> Result<Values> {
        ensure!(
            self.so_far == self.total,
            "served {}, not {}",
            self.so_far,
            self.total
        );
        let [start, end] = self.marks[..] else {
            return None.context("the measured part was not reached");
        };
        let cpu = end.nanos_since(start) / operations as f64;
        Ok(values([("cpu", cpu), ("operations", operations as f64)]))
    }
}
