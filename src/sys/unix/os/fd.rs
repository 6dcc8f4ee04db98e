//! What every descriptor can do: read and write.
//!
//! Manual: [read(2)](https://man7.org/linux/man-pages/man2/read.2.html),
//! [write(2)](https://man7.org/linux/man-pages/man2/write.2.html)

#![allow(unsafe_code)] // read, write

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Reads up to `buf.len()` bytes.
pub(crate) fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buf` is writable for its length.
    let n = unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Writes up to `buf.len()` bytes.
pub(crate) fn write(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: `buf` is readable for its length.
    let n = unsafe { libc::write(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
