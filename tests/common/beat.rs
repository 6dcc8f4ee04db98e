//! Moments that have passed, and beats that must not drift: what the tests of timers share.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use wakeful::time::Timer;

/// Passes the time until then, awake.
pub(crate) fn pass_until(time: Instant) {
    while Instant::now() < time {
        std::hint::spin_loop();
    }
}

/// A moment that has passed. Not an hour ago: the clock may be younger.
pub(crate) fn past() -> Instant {
    let past = Instant::now();
    pass_until(past + Duration::from_micros(1));
    past
}

/// A beat, and what its expirations must be at any moment.
pub(crate) struct Beat {
    pub(crate) first: Instant,
    pub(crate) period: Duration,
    pub(crate) seen: u64,
}

impl Beat {
    pub(crate) fn of(timer: &Timer, period: Duration) -> Self {
        Self {
            first: timer.deadline().unwrap(),
            period,
            seen: 0,
        }
    }

    /// How many expirations are due at that time.
    pub(crate) fn due(&self, time: Instant) -> u64 {
        match time.checked_duration_since(self.first) {
            Some(since) => (since.as_nanos() / self.period.as_nanos()) as u64 + 1,
            None => 0,
        }
    }

    /// Checks what the timer says after a poll that began at `before`.
    #[track_caller]
    pub(crate) fn check(&mut self, timer: &Timer, before: Instant) {
        let expirations = timer.expirations();
        self.seen += expirations;
        let (least, most) = (self.due(before), self.due(Instant::now()));
        assert!(
            (least..=most).contains(&self.seen),
            "{} expirations, of {least} to {most}",
            self.seen
        );
        // No drift: the next one is a whole number of periods after the first.
        let next = timer.deadline().unwrap();
        let offset = (next - self.first).as_nanos();
        assert_eq!(offset % self.period.as_nanos(), 0, "the beat was moved");
        assert_eq!((offset / self.period.as_nanos()) as u64, self.seen);
    }
}
