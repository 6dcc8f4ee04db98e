//! What a poll counts of its own work.

use std::time::Duration;

/// What a poll has done since it was made, see [`Poll::metrics`](crate::Poll::metrics).
///
/// The counters are always on: the polling thread adds to numbers of its own, and wakes are counted
/// by the atomic operation that they need anyway. Only [`asleep`](Metrics::asleep) reads the clock,
/// and has to be [asked for](crate::Builder::measure_sleep).
///
/// Counters wrap at the size of their type.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::{Events, Poll, Token, Waker};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let waker = Waker::new(poll.registry(), Token(0))?;
/// waker.wake()?;
/// waker.wake()?;
/// poll.poll(&mut events, None)?;
///
/// let metrics = poll.metrics();
/// assert_eq!((metrics.events, metrics.wakes, metrics.coalesced), (1, 2, 1));
/// assert_eq!(metrics.doorbells, 0); // it was awake
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Waits in the kernel, those included that only looked.
    pub waits: u64,
    /// Events reported, from the kernel and from user space.
    pub events: u64,
    /// Waits that ended without an event and before their time, because the doorbell rang for what
    /// had been taken already or the backend had to look after itself.
    pub empty_wakes: u64,
    /// Notifications by wakers, user sources and channels that were delivered, each of those
    /// counted that one event stands for. A channel makes one for all messages that its receiver has
    /// not been told of yet.
    pub wakes: u64,
    /// Those of them that found another one pending, and cost one atomic operation.
    pub coalesced: u64,
    /// Notifications that found the poll asleep, and made a system call to wake it.
    pub doorbells: u64,
    /// Sleeps that [spinning](crate::Builder::spin) saved.
    pub spin_hits: u64,
    /// Spins that ended in a sleep all the same.
    pub spin_misses: u64,
    /// The time spent asleep in the kernel; zero unless [asked for](crate::Builder::measure_sleep).
    pub asleep: Duration,
}
