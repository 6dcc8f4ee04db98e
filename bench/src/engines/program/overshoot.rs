//! How late a timer is in a loop that has only the timeout of its poll.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::api::{Events, Poll};

use crate::engines::timers::Lateness;
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

/// Waits for one deadline after the other; what such a loop does when a poll ends early.
pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    Lateness::of_each(job, |time| {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Ok(deadline);
            }
            super::poll(&mut poll, &mut events, Some(left))?;
            ensure!(events.is_empty(), "an event of nothing");
        }
    })
}
