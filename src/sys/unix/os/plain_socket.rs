//! Sockets of systems that `socket2` does not know: Hermit, and WASI preview 1.
//!
//! What stands in for `socket2` here has its names, and as much of it as the sources use. WASI preview 1 has
//! no call that opens a socket: those that the host has opened can be taken, and accepted from.
//!
//! Hermit: <https://docs.rs/libc/latest/x86_64-unknown-hermit/libc/>;
//! WASI: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>

#![allow(unsafe_code)] // fcntl, poll, descriptors that are borrowed; on Hermit also socket, bind, connect, listen

use std::io;
use std::mem::ManuallyDrop;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::c_int;

use super::check;

#[cfg(target_os = "hermit")]
use self::calls_of_hermit as calls;
#[cfg(not(target_os = "hermit"))]
use self::no_calls as calls;

/// An address family.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    V4,
    V6,
}

impl Domain {
    pub(crate) const IPV6: Self = Self::V6;

    pub(crate) fn for_address(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    is_stream: bool,
}

impl Type {
    pub(crate) const STREAM: Self = Self { is_stream: true };
    pub(crate) const DGRAM: Self = Self { is_stream: false };
}

/// The type of a socket names its protocol already.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol;

impl Protocol {
    pub(crate) const TCP: Self = Self;
    pub(crate) const UDP: Self = Self;
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct SockAddr(SocketAddr);

impl SockAddr {
    #[allow(clippy::unnecessary_wraps)] // there are other addresses elsewhere
    pub(crate) fn as_socket(&self) -> Option<SocketAddr> {
        Some(self.0)
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

/// A socket that someone else owns.
#[derive(Copy, Clone, Debug)]
pub(crate) struct SockRef<'a>(BorrowedFd<'a>);

impl<'a, S: AsFd> From<&'a S> for SockRef<'a> {
    fn from(socket: &'a S) -> Self {
        Self(socket.as_fd())
    }
}

impl SockRef<'_> {
    pub(crate) fn only_v6(&self) -> io::Result<bool> {
        calls::only_v6(self.0)
    }
}

/// A socket before it becomes one of `std`; not connected, and non-blocking.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn bind(&self, address: &SockAddr) -> io::Result<()> {
        calls::bind(self.0.as_fd(), address.0)
    }

    pub(crate) fn set_only_v6(&self, only: bool) -> io::Result<()> {
        calls::set(self.0.as_fd(), calls::V6ONLY, only.into())
    }

    pub(crate) fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        calls::set(self.0.as_fd(), calls::RCVBUF, number(bytes))
    }

    pub(crate) fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        calls::set(self.0.as_fd(), calls::SNDBUF, number(bytes))
    }

    pub(crate) fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        calls::set(self.0.as_fd(), calls::BROADCAST, broadcast.into())
    }

    pub(crate) fn set_tcp_nodelay(&self, nodelay: bool) -> io::Result<()> {
        calls::set(self.0.as_fd(), calls::NODELAY, nodelay.into())
    }

    #[allow(clippy::unused_self)] // as in `socket2`
    pub(crate) fn set_linger(&self, _time: Option<Duration>) -> io::Result<()> {
        Err(unsupported("this system has no `SO_LINGER`"))
    }
}

impl From<Socket> for net::TcpListener {
    fn from(socket: Socket) -> Self {
        socket.0.into()
    }
}

impl From<Socket> for net::TcpStream {
    fn from(socket: Socket) -> Self {
        socket.0.into()
    }
}

impl From<Socket> for net::UdpSocket {
    fn from(socket: Socket) -> Self {
        socket.0.into()
    }
}

/// Opens a socket.
pub(crate) fn open(domain: Domain, kind: Type, _: Option<Protocol>) -> io::Result<Socket> {
    calls::socket(domain, kind).map(Socket)
}

/// Lets a socket have an address that connections of the past still occupy, where there is such an option.
pub(crate) fn reuse_address(socket: &Socket, _kind: Type) -> io::Result<()> {
    calls::set(socket.0.as_fd(), calls::REUSEADDR, 1)
}

pub(crate) fn reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(unsupported("this system has no `SO_REUSEPORT`"))
}

pub(crate) fn keepalive_time(_stream: &Socket, _time: Duration) -> io::Result<()> {
    Err(unsupported(NO_KEEPALIVE))
}

pub(crate) fn keepalive_interval(_stream: &Socket, _interval: Duration) -> io::Result<()> {
    Err(unsupported(NO_KEEPALIVE))
}

pub(crate) fn keepalive_retries(_stream: &Socket, _retries: u32) -> io::Result<()> {
    Err(unsupported(NO_KEEPALIVE))
}

const NO_KEEPALIVE: &str = "this system has no settings of probes";

pub(crate) fn accept_fast_open(_listener: &Socket, _pending: u32) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

pub(crate) fn connect_fast_open(_stream: &Socket) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

/// Starts to listen, with a queue of so many connections, or one that is long enough for most.
pub(crate) fn listen(socket: &Socket, backlog: Option<u32>) -> io::Result<()> {
    let backlog = backlog.unwrap_or(128);
    calls::listen(socket.0.as_fd(), backlog.try_into().unwrap_or(c_int::MAX))
}

/// Starts to connect. An attempt that is under way is a success; its outcome arrives as write
/// readiness.
pub(crate) fn connect(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match calls::connect(socket.0.as_fd(), address.0) {
        Err(err) if err.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        outcome => outcome,
    }
}

/// Where an attempt to connect stands that has no connection (yet).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    UnderWay,
    /// With fast open, which there is none of.
    #[allow(dead_code)]
    Deferred,
    Over,
}

/// poll(2), without waiting, of a socket that has no peer: while it connects there is nothing to report.
pub(crate) fn attempt(socket: &impl AsFd) -> io::Result<Attempt> {
    let mut asked = libc::pollfd {
        fd: socket.as_fd().as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: there is one entry, readable and writable during the call.
    while let Err(err) = check(unsafe { libc::poll(&mut asked, 1, 0) }) {
        if err.kind() != io::ErrorKind::Interrupted {
            return Err(err);
        }
    }
    Ok(match asked.revents {
        0 => Attempt::UnderWay,
        _ => Attempt::Over,
    })
}

/// The outcome of a write.
pub(crate) fn written(outcome: io::Result<usize>) -> io::Result<usize> {
    outcome
}

/// Takes the next connection from a listener's queue.
pub(crate) fn accept(listener: SockRef<'_>) -> io::Result<(Socket, SockAddr)> {
    // SAFETY: the descriptor is open, and as the listener is never dropped it stays its owner's.
    let listener = unsafe { net::TcpListener::from_raw_fd(listener.0.as_raw_fd()) };
    let (connection, peer) = ManuallyDrop::new(listener).accept()?;
    connection.set_nonblocking(true)?;
    Ok((Socket(connection.into()), SockAddr(peer)))
}

/// Only Windows has to be told to make an error of a receive, because of a datagram that was sent, where the socket is
/// connected and nowhere else.
pub(crate) fn ignore_lost_datagrams<S>(_socket: &S) {}

/// See [`ignore_lost_datagrams`].
pub(crate) fn heed_lost_datagrams<S>(_socket: &S) {}

/// Whether operations on the socket return at once. A socket that cannot be asked counts as such:
/// its first operation will tell.
pub(crate) fn is_nonblocking(socket: SockRef<'_>) -> bool {
    // SAFETY: this command ignores its argument and changes nothing.
    let flags = check(unsafe { libc::fcntl(socket.0.as_raw_fd(), libc::F_GETFL, 0) });
    flags.map_or(true, |flags| flags & libc::O_NONBLOCK != 0)
}

fn number(bytes: usize) -> c_int {
    bytes.try_into().unwrap_or(c_int::MAX)
}

fn unsupported(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// The calls of Hermit's sockets.
#[cfg(target_os = "hermit")]
mod calls_of_hermit {
    use std::mem;
    use std::net::SocketAddr;
    use std::ptr;

    use super::*;

    /// Level, and number at that level.
    pub(super) type Name = (c_int, c_int);

    pub(super) const REUSEADDR: Name = (libc::SOL_SOCKET, libc::SO_REUSEADDR);
    pub(super) const RCVBUF: Name = (libc::SOL_SOCKET, libc::SO_RCVBUF);
    pub(super) const SNDBUF: Name = (libc::SOL_SOCKET, libc::SO_SNDBUF);
    pub(super) const BROADCAST: Name = (libc::SOL_SOCKET, libc::SO_BROADCAST);
    pub(super) const NODELAY: Name = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
    pub(super) const V6ONLY: Name = (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);

    pub(super) fn socket(domain: Domain, kind: Type) -> io::Result<OwnedFd> {
        let domain = match domain {
            Domain::V4 => libc::AF_INET,
            Domain::V6 => libc::AF_INET6,
        };
        let kind = match kind {
            Type::STREAM => libc::SOCK_STREAM,
            _ => libc::SOCK_DGRAM,
        };
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: takes numbers only.
        let fd = check(unsafe { libc::socket(domain, kind | flags, 0) })?;
        // SAFETY: `fd` was opened just now; nobody else knows of it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub(super) fn bind(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
        with(address, |address, length| {
            // SAFETY: `address` is readable for `length` bytes during the call.
            check(unsafe { libc::bind(socket.as_raw_fd(), address, length) })
        })
    }

    pub(super) fn connect(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
        with(address, |address, length| {
            // SAFETY: `address` is readable for `length` bytes during the call.
            check(unsafe { libc::connect(socket.as_raw_fd(), address, length) })
        })
    }

    pub(super) fn listen(socket: BorrowedFd<'_>, backlog: c_int) -> io::Result<()> {
        // SAFETY: takes numbers only.
        check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
    }

    pub(super) fn set(socket: BorrowedFd<'_>, name: Name, value: c_int) -> io::Result<()> {
        let (level, name) = name;
        let length = mem::size_of::<c_int>() as libc::socklen_t;
        let value = ptr::addr_of!(value).cast();
        // SAFETY: `value` is readable for `length` bytes during the call.
        check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, length) }).map(drop)
    }

    pub(super) fn only_v6(socket: BorrowedFd<'_>) -> io::Result<bool> {
        let (level, name) = V6ONLY;
        let mut value: c_int = 0;
        let mut length = mem::size_of::<c_int>() as libc::socklen_t;
        let room = ptr::addr_of_mut!(value).cast();
        // SAFETY: `room` is writable for `length` bytes during the call.
        check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, room, &mut length) })?;
        Ok(value != 0)
    }

    /// Hands an address over in the system's layout.
    fn with(
        address: SocketAddr,
        call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> io::Result<c_int>,
    ) -> io::Result<()> {
        match address {
            SocketAddr::V4(v4) => {
                let address = libc::sockaddr_in {
                    sin_len: mem::size_of::<libc::sockaddr_in>() as u8,
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(v4.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                let length = mem::size_of_val(&address) as libc::socklen_t;
                call(ptr::addr_of!(address).cast(), length)
            }
            SocketAddr::V6(v6) => {
                let address = libc::sockaddr_in6 {
                    sin6_len: mem::size_of::<libc::sockaddr_in6>() as u8,
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: v6.ip().octets(),
                    },
                    sin6_scope_id: v6.scope_id(),
                };
                let length = mem::size_of_val(&address) as libc::socklen_t;
                call(ptr::addr_of!(address).cast(), length)
            }
        }
        .map(drop)
    }
}

/// No socket can be opened, so nothing can be done before it is in use.
#[cfg(not(target_os = "hermit"))]
mod no_calls {
    use super::*;

    pub(super) const REUSEADDR: () = ();
    pub(super) const RCVBUF: () = ();
    pub(super) const SNDBUF: () = ();
    pub(super) const BROADCAST: () = ();
    pub(super) const NODELAY: () = ();
    pub(super) const V6ONLY: () = ();

    pub(super) fn socket(_: Domain, _: Type) -> io::Result<OwnedFd> {
        Err(none())
    }

    pub(super) fn bind(_: BorrowedFd<'_>, _: SocketAddr) -> io::Result<()> {
        Err(none())
    }

    pub(super) fn connect(_: BorrowedFd<'_>, _: SocketAddr) -> io::Result<()> {
        Err(none())
    }

    pub(super) fn listen(_: BorrowedFd<'_>, _: c_int) -> io::Result<()> {
        Err(none())
    }

    pub(super) fn set(_: BorrowedFd<'_>, _: (), _: c_int) -> io::Result<()> {
        Err(none())
    }

    pub(super) fn only_v6(_: BorrowedFd<'_>) -> io::Result<bool> {
        Err(none())
    }

    fn none() -> io::Error {
        unsupported(
            "a program in WASI preview 1 cannot open sockets: take one that the host has opened, by \
             `FromRawFd`",
        )
    }
}
