//! Sockets: opened and accepted non-blocking, and not inherited by child processes.
//!
//! `socket2` makes the calls, keeps children from inheriting, and closes on every way out. What
//! is added here: non-blocking mode, "in progress" as the success of a connection attempt, and UDP sockets
//! that survive the errors of single datagrams.
//!
//! Reference: [Winsock](https://learn.microsoft.com/windows/win32/api/winsock2/)

#![allow(unsafe_code)] // select, setsockopt, WSAIoctl

use std::io;
use std::mem;
use std::os::windows::io::{AsRawSocket, AsSocket};
use std::ptr;
use std::time::Duration;

pub(crate) use socket2::{Domain, Protocol, SockRef, Socket, Type};
use socket2::{SockAddr, TcpKeepalive};
use windows_sys::Win32::Networking::WinSock::{
    select, setsockopt, WSAIoctl, FD_SET, IPPROTO_TCP, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SOCKET,
    SOMAXCONN, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TIMEVAL, WSAEAFNOSUPPORT, WSAENOPROTOOPT,
    WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT,
};

use super::last_socket_error;
pub(crate) use super::unix::{pair, peer_unix_address, unix_address};

/// Opens a socket.
///
/// A UDP socket does not fail because of datagrams that it has sent to one of many: left alone, Windows makes an
/// error of the next *receive* when one could not be delivered.
pub(crate) fn open(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    if kind == Type::DGRAM {
        ignore_lost_datagrams(&socket);
    }
    Ok(socket)
}

/// No receive fails because of a datagram that was sent, unless the socket is connected.
pub(crate) fn ignore_lost_datagrams(socket: &impl AsSocket) {
    let is_connected = SockRef::from(socket).peer_addr().is_ok();
    // A provider that does not know the requests has no such errors to turn off.
    let _ = set(socket, SIO_UDP_CONNRESET, is_connected);
    let _ = set(socket, SIO_UDP_NETRESET, false);
}

/// The socket was connected: that its one peer is not there is an error of the next receive, as on other systems.
pub(crate) fn heed_lost_datagrams(socket: &impl AsSocket) {
    let _ = set(socket, SIO_UDP_CONNRESET, true);
}

/// Opens a socket that blocks.
pub(super) fn new(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind, protocol).map_err(|err| explain(domain, err))
}

/// Says so where the system has no Unix domain sockets. What other families lack has the system's code.
fn explain(domain: Domain, err: io::Error) -> io::Error {
    const MISSING: [i32; 3] = [WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT];
    match err.raw_os_error() {
        Some(code) if domain == Domain::UNIX && MISSING.contains(&code) => io::Error::new(
            io::ErrorKind::Unsupported,
            "this Windows has no Unix domain sockets; they came with version 10, 1803",
        ),
        _ => err,
    }
}

/// A request of `WSAIoctl` that takes a `BOOL`.
fn set(socket: &impl AsSocket, code: u32, on: bool) -> io::Result<()> {
    let on = windows_sys::core::BOOL::from(on);
    let mut length = 0;
    // SAFETY: what goes in outlives the call; nothing comes out; there is no `OVERLAPPED`, so the call
    // is over when it returns.
    let outcome = unsafe {
        WSAIoctl(
            socket.as_socket().as_raw_socket() as SOCKET,
            code,
            ptr::addr_of!(on).cast(),
            mem::size_of_val(&on) as u32,
            ptr::null_mut(),
            0,
            &mut length,
            ptr::null_mut(),
            None,
        )
    };
    if outcome != 0 {
        return Err(last_socket_error());
    }
    Ok(())
}

/// Lets datagram sockets have an address that others have.
///
/// Connections of the past never stand in the way on Windows; there the option would let two
/// servers have one port.
pub(crate) fn reuse_address(socket: &Socket, kind: Type) -> io::Result<()> {
    if kind == Type::STREAM {
        return Ok(());
    }
    socket.set_reuse_address(true)
}

/// Windows lets several sockets share a port with `SO_REUSEADDR`, and then gives what comes to any
/// of them: not what is asked for.
pub(crate) fn reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(unsupported("Windows has no `SO_REUSEPORT`"))
}

/// Probes the peer after so much silence, in whole seconds.
pub(crate) fn keepalive_time(socket: &Socket, time: Duration) -> io::Result<()> {
    /// What the system has for the distance of probes, unless it is told.
    const INTERVAL: Duration = Duration::from_secs(1);

    match set_keepalive(socket, TCP_KEEPIDLE, time.as_secs()) {
        // Before Windows 10, 1709, both are set by one request.
        Err(err) if err.kind() == io::ErrorKind::Unsupported => {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time).with_interval(INTERVAL))
        }
        outcome => outcome,
    }
}

/// Probes the peer at such distances, in whole seconds (Windows 10, 1709).
pub(crate) fn keepalive_interval(socket: &Socket, interval: Duration) -> io::Result<()> {
    set_keepalive(socket, TCP_KEEPINTVL, interval.as_secs())
}

/// Gives the peer up after so many probes (Windows 10, 1703).
pub(crate) fn keepalive_retries(socket: &Socket, retries: u32) -> io::Result<()> {
    set_keepalive(socket, TCP_KEEPCNT, retries.into())
}

/// Turns probing on, and sets one of its numbers.
fn set_keepalive(socket: &Socket, option: i32, value: u64) -> io::Result<()> {
    socket.set_keepalive(true)?;
    let value = i32::try_from(value).unwrap_or(i32::MAX);
    // SAFETY: the value is an `int`, of that length, and outlives the call.
    let outcome = unsafe {
        setsockopt(
            socket.as_raw_socket() as SOCKET,
            IPPROTO_TCP,
            option,
            ptr::addr_of!(value).cast(),
            mem::size_of_val(&value) as i32,
        )
    };
    if outcome == 0 {
        return Ok(());
    }
    match last_socket_error() {
        err if err.raw_os_error() == Some(WSAENOPROTOOPT) => {
            Err(unsupported("it needs Windows 10, version 1709"))
        }
        err => Err(err),
    }
}

pub(crate) fn accept_fast_open(_listener: &Socket, _pending: u32) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

pub(crate) fn connect_fast_open(_stream: &Socket) -> io::Result<()> {
    Err(unsupported("TCP fast open is available on Linux only"))
}

fn unsupported(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Starts to listen, with a queue of so many connections, or the longest that the system allows.
pub(crate) fn listen(socket: &Socket, backlog: Option<u32>) -> io::Result<()> {
    let backlog = backlog.map_or(SOMAXCONN as i32, |backlog| {
        i32::try_from(backlog).unwrap_or(i32::MAX)
    });
    socket.listen(backlog)
}

/// Where an attempt to connect stands that has no connection (yet).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    UnderWay,
    /// With fast open, which is not for Windows.
    #[allow(dead_code)]
    Deferred,
    Over,
}

/// `select`, without waiting, of a socket that has no peer: writable when it is connected,
/// exceptional when it has failed.
pub(crate) fn attempt(socket: &impl AsSocket) -> io::Result<Attempt> {
    let socket = socket.as_socket();
    // An attempt to connect begins with an address; who has none has begun nothing.
    if SockRef::from(&socket).local_addr().is_err() {
        return Ok(Attempt::Over);
    }
    let mut fd_array = [0; 64];
    fd_array[0] = socket.as_raw_socket() as SOCKET;
    let mut writable = FD_SET {
        fd_count: 1,
        fd_array,
    };
    let mut exceptional = writable;
    let timeout = TIMEVAL {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: both sets hold one socket, and outlive the call.
    let ready = unsafe {
        select(
            0,
            ptr::null_mut(),
            &mut writable,
            &mut exceptional,
            &timeout,
        )
    };
    match ready {
        0 => Ok(Attempt::UnderWay),
        ready if ready < 0 => Err(last_socket_error()),
        _ => Ok(Attempt::Over),
    }
}

/// The outcome of a write, which is as it is.
pub(crate) fn written(outcome: io::Result<usize>) -> io::Result<usize> {
    outcome
}

/// Starts to connect. An attempt that is under way is a success; its outcome arrives as write
/// readiness.
pub(crate) fn connect(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(()),
        outcome => outcome,
    }
}

/// Takes the next connection from a listener's queue.
pub(crate) fn accept(listener: SockRef<'_>) -> io::Result<(Socket, SockAddr)> {
    let (connection, peer) = listener.accept()?;
    connection.set_nonblocking(true)?;
    Ok((connection, peer))
}

/// Whether operations on the socket return at once. Windows does not tell; its first operation
/// will.
pub(crate) fn is_nonblocking(_socket: SockRef<'_>) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Networking::WinSock::WSAEMFILE;

    use super::*;

    #[test]
    fn only_unix_sockets_are_said_to_be_missing() {
        for code in [WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT] {
            let err = || io::Error::from_raw_os_error(code);
            let explained = explain(Domain::UNIX, err());
            assert_eq!(explained.kind(), io::ErrorKind::Unsupported);
            // As IPv6 that is turned off.
            assert_eq!(explain(Domain::IPV6, err()).raw_os_error(), Some(code));
        }
        let err = io::Error::from_raw_os_error(WSAEMFILE);
        assert_eq!(explain(Domain::UNIX, err).raw_os_error(), Some(WSAEMFILE));
    }
}
