//! What the kernel says of a descriptor, asked without the libraries' help.
//!
//! The libraries are never asked for a descriptor, since that may change how they treat a source.
//! The descriptors that an operation opened are found by comparing what was open before and after,
//! see [`opened`]; so there must be no other activity in the process, and [`exclusive`] sees to that.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::subject::{Flags, Wanted};

/// Longer than anything that a passing test waits for; short enough to make a failing script smaller.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps other threads from opening and closing descriptors, as long as all of them use this.
pub(crate) fn exclusive() -> MutexGuard<'static, ()> {
    static EXCLUSIVE: Mutex<()> = Mutex::new(());
    EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sockets, pipes, polls and eventfds that are open now.
///
/// Files do not count: the C library opens some for a moment whenever a thread begins to allocate, whatever
/// thread holds [`exclusive`].
pub(crate) fn descriptors() -> io::Result<BTreeSet<RawFd>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // `socket:[4711]`, `anon_inode:[eventfd]`; of a file the path. An error says that it is closed again.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        if target.is_relative() {
            let name = entry.file_name();
            found.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
        }
    }
    Ok(found)
}

/// Runs `operation`; also returns the descriptors that it opened, lowest first, which is the order
/// in which the kernel hands them out.
pub(crate) fn opened<T>(operation: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Vec<RawFd>)> {
    let before = descriptors()?;
    let outcome = operation()?;
    let after = descriptors()?;
    Ok((outcome, after.difference(&before).copied().collect()))
}

/// What an event about `fd` would say, if there were one: everything that holds now and that the
/// registration asks for, or that is always reported.
pub(crate) fn readiness(fd: RawFd, wanted: Wanted) -> Flags {
    let when = |condition, bits| if condition { bits } else { 0 };
    let asked = when(wanted.readable, libc::POLLIN | libc::POLLRDHUP)
        | when(wanted.writable, libc::POLLOUT)
        | when(wanted.priority, libc::POLLPRI);
    let bits = levels(fd, asked);
    let has = |bit| bits & bit != 0;
    let write_closed =
        has(libc::POLLHUP) || (has(libc::POLLOUT) && has(libc::POLLERR)) || bits == libc::POLLERR;
    let read_closed = has(libc::POLLHUP) || (has(libc::POLLIN) && has(libc::POLLRDHUP));
    Flags::READABLE.when(has(libc::POLLIN | libc::POLLPRI))
        | Flags::WRITABLE.when(has(libc::POLLOUT))
        | Flags::PRIORITY.when(has(libc::POLLPRI))
        | Flags::ERROR.when(has(libc::POLLERR))
        | Flags::READ_CLOSED.when(read_closed)
        | Flags::WRITE_CLOSED.when(write_closed)
}

/// Whether reading from `fd` would not block.
pub(crate) fn is_readable(fd: RawFd) -> bool {
    levels(fd, libc::POLLIN) & libc::POLLIN != 0
}

/// Whether urgent data can be seen on `fd`.
pub(crate) fn is_urgent(fd: RawFd) -> bool {
    levels(fd, libc::POLLPRI) & libc::POLLPRI != 0
}

fn levels(fd: RawFd, asked: i16) -> i16 {
    let mut polled = libc::pollfd {
        fd,
        events: asked,
        revents: 0,
    };
    // SAFETY: one entry, which outlives the call.
    let outcome = unsafe { libc::poll(&mut polled, 1, 0) };
    assert!(outcome >= 0, "poll(2): {}", io::Error::last_os_error());
    polled.revents
}

/// How many bytes wait to be read.
pub(crate) fn unread(fd: RawFd) -> usize {
    let mut number: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let outcome = unsafe { libc::ioctl(fd, libc::FIONREAD, &mut number) };
    assert_eq!(outcome, 0, "FIONREAD: {}", io::Error::last_os_error());
    usize::try_from(number).expect("a number of bytes")
}

/// Reads without the library's knowledge.
pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buffer` is as long as said, and ours for the time of the call.
    let outcome = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(outcome).map_err(|_| io::Error::last_os_error())
}

/// A part of `struct tcp_info`, see tcp(7).
#[repr(C)]
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct TcpInfo {
    pub(crate) state: u8,
    _eight_bits: [u8; 7],
    _before_unacked: [u32; 4],
    /// Of a listener: how many connections wait to be accepted.
    pub(crate) unacked: u32,
    _after_unacked: [u32; 19],
    _rates: [u64; 2],
    _bytes_acked: u64,
    /// Counts the end of the stream as one byte.
    pub(crate) bytes_received: u64,
}

pub(crate) const ESTABLISHED: u8 = 1;
pub(crate) const FIN_WAIT2: u8 = 5;
pub(crate) const CLOSE: u8 = 7;
pub(crate) const CLOSE_WAIT: u8 = 8;

/// The state of a TCP socket.
///
/// Of a stream it is asked under the lock that the kernel holds while it takes in a segment: what is
/// seen here has reached those who watch the socket.
pub(crate) fn tcp_info(fd: RawFd) -> TcpInfo {
    let mut info = TcpInfo::default();
    let whole = std::mem::size_of::<TcpInfo>();
    let mut length = whole as libc::socklen_t;
    let place = std::ptr::addr_of_mut!(info).cast();
    // SAFETY: the kernel writes at most `length` bytes, and any bytes make a `TcpInfo`.
    let outcome =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, place, &mut length) };
    assert_eq!(outcome, 0, "TCP_INFO: {}", io::Error::last_os_error());
    assert_eq!(length as usize, whole, "TCP_INFO: Linux 4.1 or later");
    info
}

/// Sends the acknowledgement that the kernel holds back for up to 40 ms.
pub(crate) fn acknowledge(fd: RawFd) {
    let on: libc::c_int = 1;
    let place = std::ptr::addr_of!(on).cast();
    let length = std::mem::size_of_val(&on) as libc::socklen_t;
    // SAFETY: the kernel reads one int. An error is of no matter: then there is nothing to send.
    unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_QUICKACK, place, length) };
}

fn borrow(fd: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: the caller's object owns `fd` and is not closed before the call it is borrowed for ends.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}

/// Makes the next close a reset.
pub(crate) fn reset_on_close(fd: RawFd) -> io::Result<()> {
    SockRef::from(&borrow(&fd)).set_linger(Some(Duration::ZERO))
}

/// Sends one urgent byte.
pub(crate) fn send_urgent(fd: RawFd) -> io::Result<usize> {
    SockRef::from(&borrow(&fd)).send_out_of_band(b"!")
}

/// A port of the loopback where nobody listens, and nobody can as long as it is held.
pub(crate) fn refusing_port() -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = socket.local_addr()?.as_socket().expect("an IPv4 address");
    Ok((socket, address))
}

/// Waits until `condition` holds, which the kernel brings about by itself.
pub(crate) fn settle(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > PATIENCE {
            return Err(format!("the kernel did not settle: {what}"));
        }
        thread::yield_now();
    }
    Ok(())
}
