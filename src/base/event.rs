//! One thing that happened: a token, and what its source is ready for.

use std::fmt;

use crate::base::readiness::Readiness;
use crate::base::token::Token;

/// What [`Poll::poll`] reports of one source: its token and what it is ready for.
///
/// The flags are hints. An event may be *spurious* (the operation then fails with [`WouldBlock`]),
/// and one event may stand for several causes. Flags you did not ask for can appear: whoever is
/// interested in reading is also told that the peer has closed.
///
/// # Platforms
///
/// Every backend reports reading and writing. The others are as good as the system makes them; none
/// of them replaces looking at the result of an operation.
///
/// | method | epoll(7) | kqueue(2) | poll(2), event ports |
/// |---|---|---|---|
/// | [`is_readable`] | `EPOLLIN` or `EPOLLPRI` | `EVFILT_READ` or `EVFILT_EXCEPT` | `POLLIN` or `POLLPRI` |
/// | [`is_writable`] | `EPOLLOUT` | `EVFILT_WRITE` | `POLLOUT` |
/// | [`is_error`] | `EPOLLERR` | `EV_ERROR`, or `EV_EOF` with an error in `fflags` | `POLLERR` |
/// | [`is_read_closed`] | `EPOLLHUP`, or `EPOLLIN` with `EPOLLRDHUP` | `EVFILT_READ` with `EV_EOF` | `POLLHUP` or `POLLRDHUP` |
/// | [`is_write_closed`] | `EPOLLHUP`, `EPOLLOUT` with `EPOLLERR`, or `EPOLLERR` alone | `EVFILT_WRITE` with `EV_EOF` | as epoll |
/// | [`is_priority`] | `EPOLLPRI` | `EVFILT_EXCEPT` with `NOTE_OOB` | `POLLPRI` |
/// | [`is_aio`], [`is_lio`] | | `EVFILT_AIO`, `EVFILT_LIO` | |
///
/// kqueue watches each direction by itself, and tells of the end of one only whoever asked for that one; an
/// end with an error closes both.
///
/// [`Poll::poll`]: crate::Poll::poll
/// [`WouldBlock`]: std::io::ErrorKind::WouldBlock
/// [`is_readable`]: Event::is_readable
/// [`is_writable`]: Event::is_writable
/// [`is_error`]: Event::is_error
/// [`is_read_closed`]: Event::is_read_closed
/// [`is_write_closed`]: Event::is_write_closed
/// [`is_priority`]: Event::is_priority
/// [`is_aio`]: Event::is_aio
/// [`is_lio`]: Event::is_lio
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::user;
/// use wakeful::event::Readiness;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let (mut source, readiness) = user::source();
/// let both = Interest::READABLE | Interest::WRITABLE;
/// poll.registry().register(&mut source, Token(7), both)?;
///
/// readiness.set(Readiness::WRITABLE)?;
/// poll.poll(&mut events, None)?;
/// for event in &events {
///     assert_eq!(event.token(), Token(7));
///     assert!(event.is_writable() && !event.is_readable());
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Event {
    token: Token,
    readiness: Readiness,
}

impl Event {
    pub(crate) const fn new(token: Token, readiness: Readiness) -> Self {
        Self { token, readiness }
    }

    /// The token under which the source was registered.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Everything the event says, in a value that can be kept.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::event::Readiness;
    /// use wakeful::{Events, Poll, Token, Waker};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(1);
    /// Waker::new(poll.registry(), Token(0))?.wake()?;
    /// poll.poll(&mut events, None)?;
    ///
    /// let mut known = Readiness::EMPTY;
    /// for event in &events {
    ///     known |= event.readiness();
    /// }
    /// assert!(known.is_readable());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// Reading may make progress: there is data, a connection, or the end of the stream.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readiness.contains(Readiness::READABLE)
    }

    /// Writing may make progress, or a connection attempt has come to its end.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITABLE)
    }

    /// The source is in an error state; the socket's `take_error` or the next operation tells
    /// which.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.readiness.contains(Readiness::ERROR)
    }

    /// No more data will come after what can be read now: the peer closed, or shut down its
    /// writing half, or our reading half is shut down.
    ///
    /// Best effort: a peer may close without this being reported before a read returns `Ok(0)`.
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.readiness.contains(Readiness::READ_CLOSED)
    }

    /// Nothing more can be written: the connection is gone, or our writing half is shut down.
    ///
    /// Best effort: a write may fail before this is reported.
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.readiness.contains(Readiness::WRITE_CLOSED)
    }

    /// Urgent data is there. Always `false` where `Interest::PRIORITY` does not exist.
    #[must_use]
    pub fn is_priority(&self) -> bool {
        self.readiness.contains(Readiness::PRIORITY)
    }

    /// An asynchronous operation completed. Always `false` where `Interest::AIO` does not exist.
    #[must_use]
    pub fn is_aio(&self) -> bool {
        self.readiness.contains(Readiness::AIO)
    }

    /// A list of asynchronous operations completed. Always `false` where `Interest::LIO` does not
    /// exist.
    #[must_use]
    pub fn is_lio(&self) -> bool {
        self.readiness.contains(Readiness::LIO)
    }
}

/// Shows the token and the flags that are set: `Event { token: Token(7), readiness: READABLE }`.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("token", &self.token)
            .field("readiness", &self.readiness)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_two_words() {
        assert!(std::mem::size_of::<Event>() <= 2 * std::mem::size_of::<usize>());
    }

    #[test]
    fn debug_shows_what_is_set_and_nothing_else() {
        let event = Event::new(Token(7), Readiness::READABLE | Readiness::READ_CLOSED);
        assert_eq!(
            format!("{event:?}"),
            "Event { token: Token(7), readiness: READABLE | READ_CLOSED }"
        );
    }
}
