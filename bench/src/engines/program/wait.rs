//! How long a short wait really takes.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::api::{Events, Poll};

use crate::stats::{median, percentile};
use crate::system::Usage;
use crate::workloads::wait::Wait;
use crate::workloads::{values, Values};

/// Waits for nothing, many times.
pub fn wait(job: &Wait) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let timeout = Duration::from_micros(job.micros);
    let mut taken = Vec::with_capacity(job.waits as usize);

    Usage::now();
    for _ in 0..job.waits {
        let start = Instant::now();
        super::poll(&mut poll, &mut events, Some(timeout))?;
        let elapsed = start.elapsed();
        ensure!(events.is_empty(), "an event of nothing");
        ensure!(
            elapsed >= timeout,
            "a wait of {timeout:?} ended after {elapsed:?}"
        );
        taken.push(elapsed.as_nanos() as f64 / 1000.0);
    }
    Usage::now();
    Ok(values([
        ("time", median(&taken)),
        ("p99", percentile(&taken, 0.99)),
        ("operations", job.waits as f64),
    ]))
}
