//! How an open descriptor behaves, for diagnostics.
//!
//! Manual: [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html),
//! [proc_pid_fd(5)](https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html)

#![allow(unsafe_code)] // fcntl, and a number that is taken for a descriptor

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::fs::FileTypeExt;

use super::{check, Raw};
use crate::diagnostics::descriptor::Descriptor;

/// What is known of a descriptor that has just been registered; nothing if it cannot be asked.
pub(crate) fn describe(raw: Raw) -> Descriptor {
    if raw < 0 {
        return Descriptor::default();
    }
    // SAFETY: the caller has just registered the descriptor, so it is open; should its owner close it at this
    // moment, the calls below fail or tell of another file, and do no harm to either.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    let Ok(flags) = flags(fd) else {
        return Descriptor::default();
    };
    let access = flags & libc::O_ACCMODE;
    Descriptor {
        blocks: flags & libc::O_NONBLOCK == 0 && is_for_operations(fd),
        is_terminal: fd.is_terminal(),
        is_readable: access != libc::O_WRONLY,
        is_writable: access != libc::O_RDONLY,
    }
}

/// `F_GETFL`.
fn flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: this command takes no argument and changes nothing.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })
}

/// Whether a descriptor is there to be read or written, and waits when it cannot.
///
/// An epoll instance or a process is only watched: whether it blocks means nothing.
fn is_for_operations(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the descriptor is open, and as the file is never dropped it stays its owner's.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd.as_raw_fd()) });
    let is_stream = file.metadata().is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_socket() || kind.is_fifo() || kind.is_char_device()
    });
    is_stream || is_counter(fd)
}

/// Descriptors of Linux that have no kind: those that are read.
fn is_counter(fd: BorrowedFd<'_>) -> bool {
    const READ: [&str; 4] = ["eventfd", "timerfd", "signalfd", "inotify"];
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    fs::read_link(link).is_ok_and(|target| {
        let target = target.to_string_lossy();
        let name = target.strip_prefix("anon_inode:");
        name.is_some_and(|name| READ.contains(&name.trim_matches(&['[', ']'][..])))
    })
}
