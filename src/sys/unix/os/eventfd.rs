//! eventfd(2): a counter that wakes whoever watches it.
//!
//! Manual: <https://man7.org/linux/man-pages/man2/eventfd.2.html>

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::check;

/// A counter at zero, non-blocking and closed on exec.
#[cfg(not(target_os = "espidf"))]
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A counter at zero, non-blocking. The program has to register eventfds with the system first
/// (`esp_vfs_eventfd_register`). There is no flag for it, and no other program to close it in.
#[cfg(target_os = "espidf")]
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::eventfd(0, 0) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    let counter = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the descriptor is open, and the command takes an integer.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok(counter)
}
