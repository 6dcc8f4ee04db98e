//! What a script needs of a library, so that it runs on any of them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::{BitOr, BitOrAssign};
use std::time::Duration;

/// One library under examination: a poll, its events, and the objects a script has opened.
///
/// Objects are named by the [`Id`] that they were given when they were opened.
pub(crate) trait Subject {
    fn listen(&mut self, address: SocketAddr) -> io::Result<Id>;
    fn address(&self, listener: Id) -> io::Result<SocketAddr>;
    fn connect(&mut self, address: SocketAddr) -> io::Result<Id>;
    fn accept(&mut self, listener: Id) -> io::Result<Id>;
    fn unix_pair(&mut self) -> io::Result<[Id; 2]>;
    /// The receiver, then the sender.
    fn pipe(&mut self) -> io::Result<[Id; 2]>;

    fn read(&mut self, id: Id, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, id: Id, bytes: &[u8]) -> io::Result<usize>;
    /// Runs an operation that the library does not see, within the object's `try_io`.
    fn try_io(
        &mut self,
        id: Id,
        operation: &mut dyn FnMut() -> io::Result<usize>,
    ) -> io::Result<usize>;
    fn shutdown_write(&mut self, id: Id) -> io::Result<()>;
    fn take_error(&mut self, id: Id) -> io::Result<Option<io::Error>>;
    /// Asks for the raw descriptor.
    fn expose(&mut self, id: Id);
    fn close(&mut self, id: Id);

    fn register(&mut self, id: Id, token: usize, wanted: Wanted) -> io::Result<()>;
    fn reregister(&mut self, id: Id, token: usize, wanted: Wanted) -> io::Result<()>;
    fn deregister(&mut self, id: Id) -> io::Result<()>;
    fn make_waker(&mut self, token: usize) -> io::Result<()>;
    fn wake(&mut self) -> io::Result<()>;
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Report>>;
}

/// An object of a subject: its place in the order of opening.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) usize);

/// One event.
pub(crate) type Report = (usize, Flags);

/// What a registration asks for; at least one of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) priority: bool,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set, flag| if set { flag } else { Flags::NONE };
        let flags = flag(self.readable, Flags::READABLE)
            | flag(self.writable, Flags::WRITABLE)
            | flag(self.priority, Flags::PRIORITY);
        flags.fmt(f)
    }
}

/// What an event says.
#[derive(Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(2);
    pub(crate) const PRIORITY: Self = Self(4);
    pub(crate) const ERROR: Self = Self(8);
    pub(crate) const READ_CLOSED: Self = Self(16);
    pub(crate) const WRITE_CLOSED: Self = Self(32);

    /// Each of them and its name.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::READABLE, "readable"),
        (Self::WRITABLE, "writable"),
        (Self::PRIORITY, "priority"),
        (Self::ERROR, "error"),
        (Self::READ_CLOSED, "read_closed"),
        (Self::WRITE_CLOSED, "write_closed"),
    ];

    /// Whether any of `other` is in here.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn when(self, condition: bool) -> Self {
        if condition {
            self
        } else {
            Self::NONE
        }
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Self::ALL
            .into_iter()
            .filter(|(flag, _)| self.has(*flag))
            .map(|(_, name)| name)
            .collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join("|"))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
