//! Sockets: opened, accepted and paired non-blocking and close-on-exec, in one call where the
//! system can.
//!
//! `socket2` makes the calls and closes on every way out. Three things are added here: the flags (it
//! sets close-on-exec, not non-blocking), "in progress" as the success of a connection attempt,
//! and what Unix domain sockets need besides.
//!
//! Manual: [socket(2)](https://man7.org/linux/man-pages/man2/socket.2.html),
//! [accept4(2)](https://man7.org/linux/man-pages/man2/accept.2.html)

#![allow(unsafe_code)] // accept4, setsockopt, poll

use std::io;
use std::os::fd::{AsFd, AsRawFd};
#[cfg(capability = "flags_at_open")]
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use libc::c_int;
use socket2::SockAddr;
#[cfg(not(target_os = "openbsd"))]
use socket2::TcpKeepalive;
pub(crate) use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::check;
#[cfg(capability = "unix_streams")]
pub(crate) use super::unix_domain::{pair, peer_unix_address, unix_address};

/// As many waiting connections as the system allows.
///
/// A negative number says so to the systems named first (Linux reads it as a very large one and
/// cuts it to `/proc/sys/net/core/somaxconn`); others would read it as zero, and get the largest
/// number that their headers promise.
const BACKLOG: c_int = if cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "openbsd",
    target_vendor = "apple",
)) {
    -1
} else {
    SOMAXCONN
};

#[cfg(not(any(target_os = "wasi", target_os = "horizon")))]
use libc::SOMAXCONN;
/// WASI's headers name none; this is what its own library asks for.
#[cfg(target_os = "wasi")]
const SOMAXCONN: c_int = 128;
/// The same on the Nintendo 3DS, whose service refuses longer queues.
#[cfg(target_os = "horizon")]
const SOMAXCONN: c_int = 20;

/// Opens a socket.
#[cfg(capability = "flags_at_open")]
pub(crate) fn open(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
}

/// Opens a socket.
#[cfg(not(capability = "flags_at_open"))]
pub(crate) fn open(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    set_nonblocking(&socket)?;
    Ok(socket)
}

#[cfg(not(any(capability = "flags_at_open", target_os = "wasi")))]
fn set_nonblocking(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)
}

/// Sockets of WASI have no flags for fcntl(2) to get or set, which is how `socket2` does it.
#[cfg(target_os = "wasi")]
fn set_nonblocking(socket: &Socket) -> io::Result<()> {
    let mut yes: c_int = 1;
    // SAFETY: the descriptor is open, and the number is readable during the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONBIO, &mut yes) })?;
    Ok(())
}

/// Lets a socket have an address that connections of the past still occupy; datagram sockets also
/// one that others have.
pub(crate) fn reuse_address(socket: &Socket, _kind: Type) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Lets several sockets share a port, balanced where the system does that.
#[cfg(not(any(
    target_os = "cygwin",
    target_os = "freebsd",
    target_os = "illumos",
    target_os = "nuttx",
    target_os = "solaris",
    target_os = "wasi"
)))]
pub(crate) fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Lets several sockets share a port; this option balances, `SO_REUSEPORT` does not.
#[cfg(target_os = "freebsd")]
pub(crate) fn reuse_port(socket: &Socket) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT_LB, 1)
}

#[cfg(any(
    target_os = "cygwin",
    target_os = "illumos",
    target_os = "nuttx",
    target_os = "solaris",
    target_os = "wasi"
))]
pub(crate) fn reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(unsupported("this system has no `SO_REUSEPORT`"))
}

/// Probes the peer after so much silence, in whole seconds.
#[cfg(not(target_os = "openbsd"))]
pub(crate) fn keepalive_time(socket: &Socket, time: Duration) -> io::Result<()> {
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))
}

#[cfg(target_os = "openbsd")]
pub(crate) fn keepalive_time(_socket: &Socket, _time: Duration) -> io::Result<()> {
    Err(unsupported(FOR_ALL_SOCKETS))
}

/// Probes the peer at such distances, in whole seconds.
#[cfg(capability = "tcp_keepalive")]
pub(crate) fn keepalive_interval(socket: &Socket, interval: Duration) -> io::Result<()> {
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_interval(interval))
}

#[cfg(not(capability = "tcp_keepalive"))]
pub(crate) fn keepalive_interval(_socket: &Socket, _interval: Duration) -> io::Result<()> {
    Err(unsupported(FOR_ALL_SOCKETS))
}

/// Gives the peer up after so many probes.
#[cfg(capability = "tcp_keepalive")]
pub(crate) fn keepalive_retries(socket: &Socket, retries: u32) -> io::Result<()> {
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_retries(retries))
}

#[cfg(not(capability = "tcp_keepalive"))]
pub(crate) fn keepalive_retries(_socket: &Socket, _retries: u32) -> io::Result<()> {
    Err(unsupported(FOR_ALL_SOCKETS))
}

#[cfg(not(capability = "tcp_keepalive"))]
const FOR_ALL_SOCKETS: &str = "this system has no such setting, or one for all sockets";

/// Takes data with the first packet of connections that come in.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn accept_fast_open(listener: &Socket, pending: u32) -> io::Result<()> {
    let pending = c_int::try_from(pending).unwrap_or(c_int::MAX);
    set_option(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, pending)
}

/// Sends data with the first packet of the connection (Linux 4.11).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn connect_fast_open(stream: &Socket) -> io::Result<()> {
    set_option(stream, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1).map_err(|err| {
        match err.raw_os_error() {
            Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP) => {
                unsupported("it needs Linux 4.11, and `net.ipv4.tcp_fastopen` with bit 0 set")
            }
            _ => err,
        }
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn accept_fast_open(_listener: &Socket, _pending: u32) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn connect_fast_open(_stream: &Socket) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

/// setsockopt(2), of an option that is an `int`.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn set_option(socket: &Socket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let value = std::ptr::addr_of!(value).cast();
    let length = std::mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the value is an `int`, of that length, and outlives the call.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) })?;
    Ok(())
}

#[allow(dead_code)] // on systems that have it all
fn unsupported(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Starts to listen, with a queue of so many connections, or the longest that the system allows.
pub(crate) fn listen(socket: &Socket, backlog: Option<u32>) -> io::Result<()> {
    let backlog = backlog.map_or(BACKLOG, |backlog| {
        c_int::try_from(backlog).unwrap_or(c_int::MAX)
    });
    socket.listen(backlog)
}

/// Where an attempt to connect stands that has no connection (yet).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    UnderWay,
    /// With fast open: it begins at the first write.
    Deferred,
    Over,
}

/// poll(2), without waiting, of a socket that has no peer.
///
/// While it connects there is nothing to report. When it has failed it is hung up, also after its
/// error was fetched; where the system does not say so (NetBSD), it can be written to, which is
/// the system's way to hand out an error. On Linux that is so with fast open, before it begins.
///
/// Never interrupted: "under way" would send the caller to wait for an event that was there.
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
    let over = libc::POLLHUP | libc::POLLERR;
    let can_defer = cfg!(any(target_os = "linux", target_os = "android"));
    Ok(match asked.revents {
        0 => Attempt::UnderWay,
        levels if levels & over == 0 && can_defer => Attempt::Deferred,
        _ => Attempt::Over,
    })
}

/// The outcome of a write. With fast open the first one may find that the handshake has to go
/// before it, and would have to wait like any other.
pub(crate) fn written(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Err(err) if err.raw_os_error() == Some(libc::EINPROGRESS) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        outcome => outcome,
    }
}

/// Starts to connect. An attempt that is under way is a success; its outcome arrives as write
/// readiness.
pub(crate) fn connect(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(err) if err.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        outcome => outcome,
    }
}

/// Takes the next connection from a listener's queue.
#[cfg(capability = "flags_at_open")]
pub(crate) fn accept(listener: SockRef<'_>) -> io::Result<(Socket, SockAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let accept = |storage: *mut _, length: *mut _| {
        let storage = storage as *mut libc::sockaddr;
        // SAFETY: `storage` is writable for `*length` bytes, and both outlive the call.
        let fd = check(unsafe { libc::accept4(listener.as_raw_fd(), storage, length, flags) })?;
        // SAFETY: `fd` was opened just now; nobody else knows of it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    // SAFETY: when `accept` succeeds, the system has written an address and its length.
    let (connection, peer) = unsafe { SockAddr::try_init(accept) }?;
    Ok((connection.into(), peer))
}

/// Takes the next connection from a listener's queue.
#[cfg(not(capability = "flags_at_open"))]
pub(crate) fn accept(listener: SockRef<'_>) -> io::Result<(Socket, SockAddr)> {
    let (connection, peer) = listener.accept()?;
    set_nonblocking(&connection)?;
    Ok((connection, peer))
}

/// Only Windows has to be told to make an error of a receive, because of a datagram that was sent, where the socket is
/// connected and nowhere else.
pub(crate) fn ignore_lost_datagrams<S>(_socket: &S) {}

/// See [`ignore_lost_datagrams`].
pub(crate) fn heed_lost_datagrams<S>(_socket: &S) {}

/// Whether operations on the socket return at once. A socket that cannot be asked counts as such:
/// its first operation will tell.
pub(crate) fn is_nonblocking(socket: SockRef<'_>) -> bool {
    socket.nonblocking().unwrap_or(true)
}
