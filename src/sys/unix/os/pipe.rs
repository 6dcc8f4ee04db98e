//! Pipes: opened non-blocking and close-on-exec, in one call where the system can.
//!
//! Manual: [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe.2.html),
//! [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html)

#![allow(unsafe_code)] // pipe2, fcntl

use std::io;
#[cfg(not(capability = "flags_at_open"))]
use std::os::fd::AsFd;
#[cfg(any(feature = "os-ext", not(capability = "flags_at_open")))]
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::fd::{FromRawFd, OwnedFd};

use libc::c_int;

use super::check;

/// Opens a pipe: the end to read from, and the end to write to.
#[cfg(capability = "flags_at_open")]
pub(crate) fn create() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    Ok(owned(ends))
}

/// Opens a pipe: the end to read from, and the end to write to.
#[cfg(not(capability = "flags_at_open"))]
pub(crate) fn create() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    let (reader, writer) = owned(ends);
    for end in [reader.as_fd(), writer.as_fd()] {
        set_cloexec(end)?;
        set_nonblocking(end, true)?;
    }
    Ok((reader, writer))
}

/// Takes what a successful call has opened.
fn owned([reader, writer]: [c_int; 2]) -> (OwnedFd, OwnedFd) {
    // SAFETY: the call that precedes opened `reader`; nobody else knows of it.
    let reader = unsafe { OwnedFd::from_raw_fd(reader) };
    // SAFETY: the same holds for `writer`.
    let writer = unsafe { OwnedFd::from_raw_fd(writer) };
    (reader, writer)
}

/// Makes operations on this end return at once, or wait.
#[cfg(any(feature = "os-ext", not(capability = "flags_at_open")))]
pub(crate) fn set_nonblocking(end: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    // SAFETY: this command takes no argument and changes nothing.
    let flags = check(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_GETFL) })?;
    let wanted = if nonblocking {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: this command takes an integer.
    check(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, wanted) })?;
    Ok(())
}

/// Closes this end in programs that the process turns into.
#[cfg(not(capability = "flags_at_open"))]
fn set_cloexec(end: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: this command takes an integer; close-on-exec is the only flag that it knows.
    check(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(())
}
