//! The names of the ways to ask an operating system for readiness.

use std::fmt;
#[cfg(feature = "os-poll")]
use std::io;
use std::str::FromStr;

/// A way to ask the operating system which sources are ready.
///
/// Chosen when a [`Poll`] is built; [`Backend::Auto`] takes the best of the system, or what the
/// environment variable `WAKEFUL_BACKEND` names. Every backend keeps the same promises, so the
/// second best is there for tests, and for sandboxes that forbid the best.
///
/// The names of [`Display`](fmt::Display) and [`FromStr`] are the variants' in lower case: `auto`,
/// `epoll`, `kqueue`, `event-ports`, `poll`, `iocp`.
///
/// [`Poll`]: crate::Poll
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::{Backend, Poll};
///
/// for &backend in Backend::available() {
///     let poll = Poll::builder().backend(backend).build()?;
///     assert_eq!(poll.backend(), backend);
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The best that the system has, unless `WAKEFUL_BACKEND` names another.
    #[default]
    Auto,
    /// [epoll(7)]: Linux, Android and Redox. Keeps all state in the kernel; the cost of a wait does
    /// not grow with the number of sources.
    ///
    /// [epoll(7)]: https://man7.org/linux/man-pages/man7/epoll.7.html
    #[doc(alias = "epoll_wait")]
    Epoll,
    /// [kqueue(2)]: Apple's systems and the BSDs. Keeps all state in the kernel; the cost of a wait
    /// does not grow with the number of sources.
    ///
    /// [kqueue(2)]: https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2
    #[doc(alias = "kevent")]
    Kqueue,
    /// [Event ports]: Solaris and illumos. Each event ends what the kernel knows of its source, so
    /// edges are emulated; the cost of a wait does not grow with the number of sources.
    ///
    /// [Event ports]: https://illumos.org/man/3C/port_associate
    #[doc(alias = "port_getn")]
    EventPorts,
    /// [poll(2)]: WASI, and every Unix but Apple's, where it does not tell a stream that is half closed
    /// from one that is closed. Knows only levels, so edges are emulated; the cost of a wait grows
    /// with the number of sources.
    ///
    /// [poll(2)]: https://man7.org/linux/man-pages/man2/poll.2.html
    #[doc(alias = "ppoll")]
    Poll,
    /// [I/O completion ports]: Windows. A port tells what has happened to requests, so sockets are
    /// asked about by one request each to the driver behind them; edges are emulated.
    ///
    /// [I/O completion ports]: https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports
    #[doc(alias = "GetQueuedCompletionStatusEx")]
    Iocp,
}

impl Backend {
    /// What this system has, best first; empty when the feature `os-poll` is off.
    ///
    /// ```
    /// use wakeful::Backend;
    ///
    /// assert!(!Backend::available().contains(&Backend::Auto));
    /// ```
    #[must_use]
    pub fn available() -> &'static [Backend] {
        AVAILABLE
    }

    /// An error, unless this is `offered`, what a selector is made for.
    #[cfg(feature = "os-poll")]
    pub(crate) fn require(self, offered: Backend) -> io::Result<()> {
        if self == offered && AVAILABLE.contains(&self) {
            return Ok(());
        }
        let available: Vec<_> = AVAILABLE.iter().map(Backend::to_string).collect();
        let message = format!(
            "the backend `{self}` does not exist on this system, which has {}",
            available.join(", ")
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    const ALL: &'static [Backend] = &[
        Backend::Auto,
        Backend::Epoll,
        Backend::Kqueue,
        Backend::EventPorts,
        Backend::Poll,
        Backend::Iocp,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Epoll => "epoll",
            Self::Kqueue => "kqueue",
            Self::EventPorts => "event-ports",
            Self::Poll => "poll",
            Self::Iocp => "iocp",
        }
    }
}

#[cfg(not(feature = "os-poll"))]
const AVAILABLE: &[Backend] = &[];
#[cfg(all(feature = "os-poll", selector = "epoll"))]
const AVAILABLE: &[Backend] = &[Backend::Epoll, Backend::Poll];
#[cfg(all(feature = "os-poll", selector = "kqueue", not(capability = "no_poll")))]
const AVAILABLE: &[Backend] = &[Backend::Kqueue, Backend::Poll];
#[cfg(all(feature = "os-poll", selector = "kqueue", capability = "no_poll"))]
const AVAILABLE: &[Backend] = &[Backend::Kqueue];
#[cfg(all(feature = "os-poll", selector = "event_ports"))]
const AVAILABLE: &[Backend] = &[Backend::EventPorts, Backend::Poll];
#[cfg(all(feature = "os-poll", selector = "poll"))]
const AVAILABLE: &[Backend] = &[Backend::Poll];
#[cfg(all(feature = "os-poll", selector = "iocp"))]
const AVAILABLE: &[Backend] = &[Backend::Iocp];

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No backend has that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBackend(String);

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no backend is called `{}`; there are", self.0)?;
        let mut separator = " ";
        for backend in Backend::ALL {
            write!(f, "{separator}{backend}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl std::error::Error for UnknownBackend {}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        Self::ALL
            .iter()
            .find(|backend| backend.name() == name)
            .copied()
            .ok_or_else(|| UnknownBackend(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(*backend));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "select".parse::<Backend>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no backend is called `select`; there are auto, epoll, kqueue, event-ports, poll, iocp"
        );
    }
}
