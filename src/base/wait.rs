//! How long a poller may sleep, and how that is said to interfaces with coarser clocks.
//!
//! Two rules: rounding is *upwards*, so nobody is woken early, and what does not fit saturates
//! instead of wrapping. A wait that was cut short by saturation is continued by the caller,
//! which holds a [`Limit`]: a deadline, not a duration.

use std::time::{Duration, Instant};

/// How long one call into the kernel may last.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Forever,
    AtMost(Duration),
}

impl Wait {
    pub(crate) const NONE: Self = Self::AtMost(Duration::ZERO);

    /// Whether the call returns at once.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// For interfaces that count milliseconds in an `int` and read `-1` as "forever".
    pub(crate) fn as_millis(&self) -> i32 {
        match self {
            Self::Forever => -1,
            Self::AtMost(time) => {
                i32::try_from(div_ceil(time.as_nanos(), NANOS_PER_MILLI)).unwrap_or(i32::MAX)
            }
        }
    }

    /// For interfaces that count seconds and nanoseconds; `None` is "forever".
    ///
    /// Seconds saturate at `most`, the largest value of the system's `time_t`.
    pub(crate) fn as_seconds_and_nanos(&self, most: u64) -> Option<(u64, u32)> {
        match self {
            Self::Forever => None,
            Self::AtMost(time) if time.as_secs() > most => Some((most, 0)),
            Self::AtMost(time) => Some((time.as_secs(), time.subsec_nanos())),
        }
    }

    /// Whether milliseconds would lengthen the wait.
    pub(crate) fn needs_nanos(&self) -> bool {
        match self {
            Self::Forever => false,
            Self::AtMost(time) => time.subsec_nanos() % (NANOS_PER_MILLI as u32) != 0,
        }
    }

    /// What is left of this wait after `time`.
    pub(crate) fn less(self, time: Duration) -> Self {
        match self {
            Self::Forever => self,
            Self::AtMost(wait) => Self::AtMost(wait.saturating_sub(time)),
        }
    }

    /// What to ask of a kernel that ends waits up to `slack` late: an end that is earlier by so much.
    pub(crate) fn allowing_for(self, slack: Duration) -> Self {
        match self {
            Self::AtMost(time) if !time.is_zero() && !slack.is_zero() => {
                Self::AtMost(time.saturating_sub(slack).max(SHORTEST_SLEEP))
            }
            _ => self,
        }
    }

    /// Whether the wait ends, `time` from now at the latest.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        matches!(self, Self::AtMost(wait) if *wait <= time)
    }

    /// The shorter of this wait and `time`.
    pub(crate) fn no_longer_than(self, time: Duration) -> Self {
        if self.ends_within(time) {
            self
        } else {
            Self::AtMost(time)
        }
    }
}

const NANOS_PER_MILLI: u128 = 1_000_000;

/// What has not passed yet when the kernel looks at it: it would not sleep at all, slack or not.
const SHORTEST_SLEEP: Duration = Duration::from_micros(1);

/// Divides, and rounds up; `u128::div_ceil` came with a later compiler than our oldest.
pub(crate) const fn div_ceil(dividend: u128, divisor: u128) -> u128 {
    dividend / divisor + (dividend % divisor != 0) as u128
}

/// Until when a call of `poll` may last, however often it has to look again; and what was left of
/// that at the last look at the clock, which not every wait needs.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Limit {
    left: Wait,
    /// None if the clock changes nothing.
    deadline: Option<Instant>,
}

impl Limit {
    pub(crate) const NEVER: Self = Self {
        left: Wait::Forever,
        deadline: None,
    };

    /// The limit of a call that starts now. A deadline that no clock can tell never comes.
    #[inline]
    pub(crate) fn from_timeout(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::NEVER,
            Some(Duration::ZERO) => Self {
                left: Wait::NONE,
                deadline: None,
            },
            Some(time) => Self::from_time(time),
        }
    }

    #[inline(never)]
    fn from_time(time: Duration) -> Self {
        match Instant::now().checked_add(time) {
            None => Self::NEVER,
            Some(deadline) => Self {
                left: Wait::AtMost(time),
                deadline: Some(deadline),
            },
        }
    }

    pub(crate) fn at(deadline: Instant) -> Self {
        let mut limit = Self {
            left: Wait::NONE,
            deadline: Some(deadline),
        };
        limit.look_at_clock();
        limit
    }

    /// What is left to wait, as of the last look at the clock.
    pub(crate) fn left(&self) -> Wait {
        self.left
    }

    pub(crate) fn look_at_clock(&mut self) {
        if let Some(deadline) = self.deadline {
            self.left = Wait::AtMost(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `i32::MAX` milliseconds, about 24.9 days.
    const MOST_MILLIS: Duration = Duration::from_millis(i32::MAX as u64);

    fn millis(time: Duration) -> i32 {
        Wait::AtMost(time).as_millis()
    }

    #[test]
    fn forever_is_minus_one() {
        assert_eq!(Wait::Forever.as_millis(), -1);
        assert_eq!(Wait::Forever.as_seconds_and_nanos(u64::MAX), None);
    }

    #[test]
    fn nothing_stays_nothing_and_anything_is_at_least_one() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(50)), 1);
        assert_eq!(millis(Duration::from_nanos(1_000_001)), 2);
    }

    #[test]
    fn millis_saturate_after_24_9_days() {
        assert_eq!(millis(MOST_MILLIS), i32::MAX);
        assert_eq!(millis(MOST_MILLIS - Duration::from_nanos(1)), i32::MAX);
        assert_eq!(millis(MOST_MILLIS + Duration::from_nanos(1)), i32::MAX);
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }

    #[test]
    fn seconds_saturate_at_what_the_clock_can_hold() {
        let longest = Wait::AtMost(Duration::MAX);
        let most = i32::MAX as u64;
        assert_eq!(longest.as_seconds_and_nanos(most), Some((most, 0)));
        let fits = Wait::AtMost(Duration::new(most, 999_999_999));
        assert_eq!(fits.as_seconds_and_nanos(most), Some((most, 999_999_999)));
    }

    #[test]
    fn a_deadline_beyond_the_clock_never_comes() {
        let limit = Limit::from_timeout(Some(Duration::MAX));
        assert_eq!(limit.left(), Wait::Forever);
    }

    #[test]
    fn no_time_has_passed_at_once() {
        let limit = Limit::from_timeout(Some(Duration::ZERO));
        assert!(limit.left().is_none());
    }

    #[test]
    fn the_shorter_wait_wins() {
        let second = Duration::from_secs(1);
        assert_eq!(Wait::Forever.no_longer_than(second), Wait::AtMost(second));
        assert_eq!(Wait::NONE.no_longer_than(second), Wait::NONE);
    }

    const SLACK: Duration = Duration::from_micros(50);

    #[test]
    fn slack_is_allowed_for() {
        let second = Duration::from_secs(1);
        assert_eq!(
            Wait::AtMost(second).allowing_for(SLACK),
            Wait::AtMost(second - SLACK)
        );
    }

    #[test]
    fn a_wait_within_the_slack_is_a_sleep() {
        assert_eq!(
            Wait::AtMost(SLACK).allowing_for(SLACK),
            Wait::AtMost(SHORTEST_SLEEP)
        );
    }

    #[test]
    fn looks_and_waits_without_end_know_no_slack() {
        for wait in [Wait::NONE, Wait::Forever] {
            assert_eq!(wait.allowing_for(SLACK), wait);
        }
        let second = Wait::AtMost(Duration::from_secs(1));
        assert_eq!(second.allowing_for(Duration::ZERO), second);
    }

    #[test]
    fn what_is_left_is_what_the_last_look_at_the_clock_said() {
        let hour = Duration::from_secs(3600);
        let mut limit = Limit::from_timeout(Some(hour));
        assert_eq!(limit.left(), Wait::AtMost(hour));
        limit.look_at_clock();
        assert!(limit.left().ends_within(hour) && !limit.left().is_none());

        let mut passed = Limit::at(Instant::now());
        assert!(passed.left().is_none());
        passed.look_at_clock();
        assert!(passed.left().is_none());
    }

    proptest! {
        #[test]
        fn millis_never_cut_a_wait_short(time: Duration) {
            let rounded = Duration::from_millis(millis(time).try_into().unwrap());
            prop_assert!(rounded >= time.min(MOST_MILLIS));
        }

        #[test]
        fn millis_lengthen_a_wait_by_less_than_one(nanos in 0..=MOST_MILLIS.as_nanos() as u64) {
            let time = Duration::from_nanos(nanos);
            let rounded = Duration::from_millis(millis(time).try_into().unwrap());
            prop_assert!(rounded - time < Duration::from_millis(1));
        }

        #[test]
        fn millis_never_mean_forever(time: Duration) {
            prop_assert!(millis(time) >= 0);
        }

        #[test]
        fn nanos_are_kept_unless_saturated(time: Duration, most in 0..u64::MAX) {
            let (seconds, nanos) = Wait::AtMost(time).as_seconds_and_nanos(most).unwrap();
            prop_assert!(seconds <= most && nanos < 1_000_000_000);
            if time.as_secs() <= most {
                prop_assert_eq!(Duration::new(seconds, nanos), time);
            }
        }

        #[test]
        fn nanos_are_needed_just_when_millis_differ(nanos in 0..=MOST_MILLIS.as_nanos() as u64) {
            let time = Duration::from_nanos(nanos);
            let rounded = Duration::from_millis(millis(time).try_into().unwrap());
            prop_assert_eq!(Wait::AtMost(time).needs_nanos(), rounded != time);
        }
    }
}
