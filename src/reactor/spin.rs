//! Whether to spin before sleeping: as long as it pays.

use std::time::Duration;

use crate::base::wait::Wait;

/// Decides from how the last sleeps went.
///
/// A sleep that was longer than a spin means that spinning would have been in vain. Each one in a
/// row doubles the number of sleeps that are not preceded by a spin; a short one ends that.
#[derive(Debug)]
pub(crate) struct Spin {
    time: Duration,
    /// Sleeps to come before the next spin.
    pause: u32,
    next_pause: u32,
}

const LONGEST_PAUSE: u32 = 64;

impl Spin {
    /// For `time` each; zero is off.
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            time,
            pause: 0,
            next_pause: 1,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.time.is_zero()
    }

    /// How long to spin now, before a sleep of `wait`; `None` is not at all.
    pub(crate) fn time(&mut self, wait: Wait) -> Option<Duration> {
        if !self.is_on() {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        match wait {
            Wait::Forever => Some(self.time),
            Wait::AtMost(wait) => Some(self.time.min(wait)),
        }
    }

    pub(crate) fn has_paid(&mut self) {
        self.pause = 0;
        self.next_pause = 1;
    }

    /// A sleep took so long.
    pub(crate) fn has_slept(&mut self, asleep: Duration) {
        if !self.is_on() {
            return;
        }
        if asleep <= self.time {
            self.has_paid();
        } else if self.pause == 0 {
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: Duration = Duration::from_micros(50);
    const LONG: Duration = Duration::from_millis(5);

    fn spins_in(sleeps: usize, spin: &mut Spin, asleep: Duration) -> usize {
        (0..sleeps)
            .filter(|_| {
                let spins = spin.time(Wait::Forever).is_some();
                spin.has_slept(asleep);
                spins
            })
            .count()
    }

    #[test]
    fn off_is_off() {
        let mut spin = Spin::new(Duration::ZERO);
        assert_eq!(spin.time(Wait::Forever), None);
    }

    #[test]
    fn it_stops_when_sleeps_are_long() {
        let mut spin = Spin::new(SPIN);
        let spins = spins_in(1000, &mut spin, LONG);
        assert!(spins < 30, "{spins} spins in 1000 long sleeps");
    }

    #[test]
    fn a_short_sleep_takes_it_up_again() {
        let mut spin = Spin::new(SPIN);
        spins_in(1000, &mut spin, LONG);
        spin.has_slept(SPIN / 2);
        assert_eq!(spin.time(Wait::Forever), Some(SPIN));
    }

    #[test]
    fn it_never_spins_past_the_end_of_the_wait() {
        let mut spin = Spin::new(SPIN);
        let short = SPIN / 5;
        assert_eq!(spin.time(Wait::AtMost(short)), Some(short));
    }
}
