//! How the kernel polls network devices on behalf of a poll.

#[cfg(feature = "os-poll")]
use std::io;
use std::time::Duration;

use crate::base::wait::div_ceil;

/// The parameters of `EPIOCSPARAMS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusyPoll {
    pub(crate) time: Duration,
    pub(crate) budget: u16,
    pub(crate) prefer: bool,
}

const NANOS_PER_MICRO: u128 = 1_000;

impl BusyPoll {
    /// Microseconds, rounded up and saturated.
    pub(crate) fn micros(&self) -> u32 {
        u32::try_from(div_ceil(self.time.as_nanos(), NANOS_PER_MICRO)).unwrap_or(u32::MAX)
    }
}

/// What every backend says that cannot do it.
#[cfg(feature = "os-poll")]
pub(crate) fn needs_epoll() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "busy polling of network devices needs epoll(7)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micros_are_rounded_up_and_saturate() {
        let micros = |time| {
            BusyPoll {
                time,
                budget: 8,
                prefer: false,
            }
            .micros()
        };
        assert_eq!(micros(Duration::ZERO), 0);
        assert_eq!(micros(Duration::from_nanos(1)), 1);
        assert_eq!(micros(Duration::from_micros(64)), 64);
        assert_eq!(micros(Duration::MAX), u32::MAX);
    }
}
