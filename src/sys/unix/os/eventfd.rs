//! eventfd(2): a counter that wakes whoever watches it.
//!
//! Manual: <https://man7.org/linux/man-pages/man2/eventfd.2.html>

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::check;

/// A counter at zero, non-blocking and closed on exec.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
