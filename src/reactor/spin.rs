//! Whether to spin before sleeping: as long as it pays.

use std::time::Duration;

use crate::base::wait::Wait;

/// Decides from how the last spins went.
///
/// Each spin in vain, in a row, doubles the number of sleeps before the next one. How long those
/// sleeps take says nothing: a peer that shares our processor answers quickly just because we
/// sleep.
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

    /// Whether it is ever to be done.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.time.is_zero()
    }

    /// How long to spin now, before a sleep of `wait`; `None` is not at all.
    pub(crate) fn time(&mut self, wait: Wait) -> Option<Duration> {
        if !self.is_wanted() {
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

    /// A spin found something.
    pub(crate) fn has_paid(&mut self) {
        self.next_pause = 1;
    }

    /// A spin found nothing.
    pub(crate) fn was_in_vain(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: Duration = Duration::from_micros(50);

    /// How many of so many waits are spun, all in vain.
    fn spins_in_vain(waits: usize, spin: &mut Spin) -> usize {
        let in_vain = |_: &usize| {
            let spins = spin.time(Wait::Forever).is_some();
            if spins {
                spin.was_in_vain();
            }
            spins
        };
        (0..waits).filter(in_vain).count()
    }

    #[test]
    fn off_is_off() {
        let mut spin = Spin::new(Duration::ZERO);
        assert_eq!(spin.time(Wait::Forever), None);
    }

    #[test]
    fn it_stops_when_it_does_not_pay() {
        let mut spin = Spin::new(SPIN);
        let spins = spins_in_vain(1000, &mut spin);
        assert!(spins < 30, "{spins} spins in 1000 waits");
    }

    #[test]
    fn it_goes_on_when_it_pays() {
        let mut spin = Spin::new(SPIN);
        spins_in_vain(1000, &mut spin);
        let waits = (0..=LONGEST_PAUSE).position(|_| spin.time(Wait::Forever).is_some());
        assert!(waits.is_some(), "it never tries again");
        for _ in 0..10 {
            spin.has_paid();
            assert_eq!(spin.time(Wait::Forever), Some(SPIN));
        }
        // A single one in vain costs one sleep.
        spin.was_in_vain();
        assert_eq!(spin.time(Wait::Forever), None);
        assert_eq!(spin.time(Wait::Forever), Some(SPIN));
    }

    #[test]
    fn it_never_spins_past_the_end_of_the_wait() {
        let mut spin = Spin::new(SPIN);
        let short = SPIN / 5;
        assert_eq!(spin.time(Wait::AtMost(short)), Some(short));
    }
}
