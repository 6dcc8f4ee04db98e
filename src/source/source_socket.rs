//! Raw sockets that somebody else owns.

use std::io;
use std::os::windows::io::RawSocket;

use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Source};
use crate::source::unseen;

/// Registers a raw socket: one that a library opened, or of a kind that has no type here.
///
/// It borrows the number and owns nothing; make one for each call. Two things are then up to you:
///
/// - the socket should be non-blocking;
/// - **deregister it before it is closed.** A number is given to the next socket that is opened, which
///   would be taken for the closed one.
///
/// To make your own type a source, forward to `SourceSocket`, as below.
///
/// # Platforms
///
/// Windows. With this type the I/O happens behind our back, and edges are emulated. So this is
/// what is promised:
///
/// - An event is **never missing**.
/// - An event may be **spurious**. While the socket stays ready, its event is repeated with a growing
///   delay, from 1 ms up to 128 ms, so the loop does not spin. The delay starts anew when the
///   socket was seen not ready, and when it is registered again.
///
/// Types of this crate ([`TcpStream`](crate::net::TcpStream), ...) have exact edges.
///
/// # Examples
///
/// A source that owns its socket:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io;
/// use std::net::UdpSocket;
/// use std::os::windows::io::AsRawSocket;
/// use wakeful::event::Source;
/// use wakeful::windows::SourceSocket;
/// use wakeful::{Events, Interest, Poll, Registry, Token};
///
/// struct Inbox(UdpSocket);
///
/// impl Source for Inbox {
///     fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         SourceSocket(&self.0.as_raw_socket()).register(registry, token, interest)
///     }
///
///     fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         SourceSocket(&self.0.as_raw_socket()).reregister(registry, token, interest)
///     }
///
///     fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
///         SourceSocket(&self.0.as_raw_socket()).deregister(registry)
///     }
/// }
///
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// socket.set_nonblocking(true)?;
/// let address = socket.local_addr()?;
/// let mut inbox = Inbox(socket);
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut inbox, Token(0), Interest::READABLE)?;
/// UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", address)?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// let len = inbox.0.recv(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
///
/// // Before it is closed.
/// poll.registry().deregister(&mut inbox)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SourceSocket<'a>(
    /// The socket.
    pub &'a RawSocket,
);

impl<'a> Source for SourceSocket<'a> {
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
