//! Wakes a poll from another thread, or from a signal handler.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::base::token::Token;
use crate::reactor::ready::Ready;
use crate::reactor::ready_list::{Entry, Owner};
use crate::reactor::registry::Registry;
use crate::reactor::report::Report;

/// Wakes a [`Poll`](crate::Poll): makes it report a readable event under the waker's token.
///
/// A poll can have any number of wakers, each with a token of its own (or the same). Share one
/// between threads in an [`Arc`].
///
/// Wakes *coalesce*: those that come before the poll reports the first one are one event. A wake
/// is never lost: when it comes before the poll, the poll returns at once; and what was written
/// before the wake is visible to whoever sees the event.
///
/// # Cost
///
/// While the polling thread is awake a wake is one or two atomic operations and no system call.
/// Only the first one that finds it asleep makes one (a write to an eventfd on Linux).
///
/// # Lifetime
///
/// A wake that was sent is delivered, even if the waker is dropped before the next poll. A waker
/// may outlive its poll; it then wakes nobody.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::sync::mpsc;
/// use std::thread;
/// use wakeful::{Events, Poll, Token, Waker};
///
/// const RESULTS: Token = Token(10);
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let waker = Waker::new(poll.registry(), RESULTS)?;
///
/// let (sender, results) = mpsc::channel();
/// let worker = thread::spawn(move || {
///     sender.send(6 * 7).unwrap();
///     waker.wake()
/// });
///
/// poll.poll(&mut events, None)?;
/// let event = events.iter().next().unwrap();
/// assert!(event.token() == RESULTS && event.is_readable());
/// assert_eq!(results.try_recv(), Ok(42));
/// # worker.join().unwrap()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct Waker {
    entry: Owner,
    ready: Arc<Ready>,
}

impl Waker {
    /// A waker of the poll that `registry` belongs to.
    ///
    /// # Errors
    ///
    /// None today: a waker needs no descriptor of its own. The signature is mio's.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::sync::Arc;
    /// use wakeful::{Poll, Token, Waker};
    ///
    /// let poll = Poll::new()?;
    /// let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
    ///
    /// let elsewhere = Arc::clone(&waker);
    /// std::thread::spawn(move || elsewhere.wake()).join().unwrap()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        let ready = Arc::clone(&registry.shared().ready);
        ready.expect_notifications();
        Ok(Self {
            entry: Entry::new(Report::waker(token)),
            ready,
        })
    }

    /// Makes the poll report an event with this waker's token, and ends its wait if it waits.
    ///
    /// Async-signal-safe: no lock, no allocation, at most one `write(2)`. Like every such
    /// call it may change `errno`, which a signal handler has to preserve.
    ///
    /// # Errors
    ///
    /// What the system says to a write to the doorbell; none is known to occur.
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
    /// let waker = Waker::new(poll.registry(), Token(1))?;
    ///
    /// waker.wake()?;
    /// waker.wake()?;
    /// poll.poll(&mut events, None)?;
    /// assert_eq!(events.iter().count(), 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn wake(&self) -> io::Result<()> {
        self.ready.notify(&self.entry)
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}
