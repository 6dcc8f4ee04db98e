//! Raw descriptors that somebody else owns.

use std::io;
use std::os::fd::RawFd;

use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Source};
use crate::source::unseen;

/// Registers a raw descriptor: a timerfd, an inotify instance, a device, a library's socket.
///
/// It borrows the number and owns nothing; make one for each call. Two things are then up to you:
///
/// - the descriptor should be non-blocking;
/// - **deregister it before it is closed.** A number is given to the next file that is opened; who
///   watches a closed one may find somebody else's events under its token. On epoll a
///   closed file even goes on reporting while a duplicate of its descriptor is open.
///
/// To make your own type a source, forward to `SourceFd`, as below.
///
/// # Platforms
///
/// With this type the I/O happens behind our back. epoll and kqueue do not care: their edges come from
/// the kernel. A backend that emulates edges (poll(2), event ports) cannot know when the descriptor was drained, so what it
/// promises is this:
///
/// - An event is **never missing**.
/// - An event may be **spurious**. While the descriptor stays ready, its event is repeated with a growing
///   delay, from 1 ms up to 128 ms, so the loop does not spin. The delay starts anew when the
///   descriptor was seen not ready, and when it is registered again.
///
/// Types of this crate ([`TcpStream`](crate::net::TcpStream), [`pipe`](crate::unix::pipe), ...) have
/// exact edges on every backend.
///
/// # Examples
///
/// A source that owns its descriptor:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io;
/// use std::io::{Read, Write};
/// use std::os::fd::AsRawFd;
/// use std::os::unix::net::UnixStream;
/// use wakeful::event::Source;
/// use wakeful::unix::SourceFd;
/// use wakeful::{Events, Interest, Poll, Registry, Token};
///
/// struct Channel(UnixStream);
///
/// impl Source for Channel {
///     fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         SourceFd(&self.0.as_raw_fd()).register(registry, token, interest)
///     }
///
///     fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interest)
///     }
///
///     fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
///         SourceFd(&self.0.as_raw_fd()).deregister(registry)
///     }
/// }
///
/// let (here, mut there) = UnixStream::pair()?;
/// here.set_nonblocking(true)?;
/// let mut channel = Channel(here);
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut channel, Token(0), Interest::READABLE)?;
/// there.write_all(b"hello")?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// let len = channel.0.read(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
///
/// // Before it is closed.
/// poll.registry().deregister(&mut channel)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SourceFd<'a>(
    /// The descriptor.
    pub &'a RawFd,
);

impl<'a> Source for SourceFd<'a> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        unseen::register(*self.0, registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        unseen::reregister(*self.0, registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        unseen::deregister(*self.0, registry)
    }
}
