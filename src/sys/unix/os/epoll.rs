//! The system calls of epoll(7).
//!
//! Manual: <https://man7.org/linux/man-pages/man7/epoll.7.html>

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;
use crate::base::busy_poll::BusyPoll;
use crate::base::wait::Wait;

pub(crate) use libc::epoll_event;

// Linux and bionic declare these as `int`, the field that holds them is `u32`.
pub(crate) const IN: u32 = libc::EPOLLIN as u32;
pub(crate) const OUT: u32 = libc::EPOLLOUT as u32;
pub(crate) const PRI: u32 = libc::EPOLLPRI as u32;
pub(crate) const ERR: u32 = libc::EPOLLERR as u32;
pub(crate) const HUP: u32 = libc::EPOLLHUP as u32;
pub(crate) const RDHUP: u32 = libc::EPOLLRDHUP as u32;
pub(crate) const ET: u32 = libc::EPOLLET as u32;
pub(crate) const ONESHOT: u32 = libc::EPOLLONESHOT as u32;
pub(crate) const EXCLUSIVE: u32 = libc::EPOLLEXCLUSIVE as u32;

/// epoll_create1(2), closed on exec.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `EPOLL_CTL_ADD`.
#[inline]
pub(crate) fn add(epoll: BorrowedFd<'_>, fd: RawFd, events: u32, data: u64) -> io::Result<()> {
    control(epoll, libc::EPOLL_CTL_ADD, fd, events, data)
}

/// `EPOLL_CTL_MOD`.
#[inline]
pub(crate) fn modify(epoll: BorrowedFd<'_>, fd: RawFd, events: u32, data: u64) -> io::Result<()> {
    control(epoll, libc::EPOLL_CTL_MOD, fd, events, data)
}

/// `EPOLL_CTL_DEL`.
#[inline]
pub(crate) fn delete(epoll: BorrowedFd<'_>, fd: RawFd) -> io::Result<()> {
    // Linux before 2.6.9 wanted an event here too; it costs nothing to give one.
    control(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0)
}

#[inline]
fn control(
    epoll: BorrowedFd<'_>,
    operation: libc::c_int,
    fd: RawFd,
    events: u32,
    data: u64,
) -> io::Result<()> {
    // SAFETY: plain numbers, for which zeros are valid; some systems have padding among them.
    let mut event: epoll_event = unsafe { std::mem::zeroed() };
    event.events = events;
    event.u64 = data;
    // SAFETY: the event lives until the call returns; `fd` is only a number to the kernel, which
    // answers EBADF if it is not open.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &mut event) }).map(drop)
}

/// `EPIOCSPARAMS` (Linux 6.9).
///
/// Manual: <https://man7.org/linux/man-pages/man2/ioctl_eventpoll.2.html>
pub(crate) fn set_busy_poll(epoll: BorrowedFd<'_>, parameters: &BusyPoll) -> io::Result<()> {
    /// `struct epoll_params` of <linux/eventpoll.h>.
    #[repr(C)]
    struct EpollParams {
        busy_poll_usecs: u32,
        busy_poll_budget: u16,
        prefer_busy_poll: u8,
        padding: u8,
    }
    let params = EpollParams {
        busy_poll_usecs: parameters.micros(),
        busy_poll_budget: parameters.budget,
        prefer_busy_poll: parameters.prefer.into(),
        padding: 0,
    };
    // SAFETY: the request reads a `struct epoll_params`, which outlives the call.
    let outcome = check(unsafe {
        libc::ioctl(
            epoll.as_raw_fd(),
            EPIOCSPARAMS as _,
            std::ptr::addr_of!(params),
        )
    });
    match outcome {
        Err(err) if matches!(err.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "busy polling of network devices needs Linux 6.9 or later with CONFIG_NET_RX_BUSY_POLL",
            ))
        }
        outcome => outcome.map(drop),
    }
}

/// `_IOW(0x8A, 0x01, struct epoll_params)`. Some architectures number directions differently.
const EPIOCSPARAMS: u32 = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc64",
)) {
    0x8008_8A01
} else {
    0x4008_8A01
};

/// epoll_wait(2) or epoll_pwait2(2): replaces `list` by up to `room` events.
#[inline]
pub(crate) fn wait(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    room: usize,
    wait: Wait,
) -> io::Result<()> {
    list.clear();
    list.reserve(room);
    let room = libc::c_int::try_from(room.min(MOST_EVENTS)).unwrap_or(libc::c_int::MAX);
    let ready = match wait {
        Wait::Forever => wait_millis(epoll, list, room, FOREVER)?,
        Wait::AtMost(_) => wait_at_most(epoll, list, room, wait)?,
    };
    // `check` has seen that it is not negative.
    let ready = usize::try_from(ready).unwrap_or(0);
    // SAFETY: the kernel filled entries `..ready`, and `ready <= room <= capacity`.
    unsafe { list.set_len(ready) };
    Ok(())
}

/// `EP_MAX_EVENTS` of the kernel, beyond which a wait fails with `EINVAL`.
const MOST_EVENTS: usize = i32::MAX as usize / std::mem::size_of::<epoll_event>();

const FOREVER: libc::c_int = -1;

#[inline(never)]
fn wait_at_most(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    room: libc::c_int,
    wait: Wait,
) -> io::Result<libc::c_int> {
    match precise_wait(epoll, list, room, wait) {
        Some(outcome) => outcome,
        None => wait_millis(epoll, list, room, wait.as_millis()),
    }
}

#[inline]
fn wait_millis(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    room: libc::c_int,
    millis: libc::c_int,
) -> io::Result<libc::c_int> {
    // SAFETY: `list` owns `room` writable entries and is not touched during the call.
    check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), list.as_mut_ptr(), room, millis) })
}

/// Waits with nanoseconds, if that makes a difference and the kernel can.
#[cfg(all(capability = "epoll_pwait2", not(miri)))]
fn precise_wait(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    room: libc::c_int,
    wait: Wait,
) -> Option<io::Result<libc::c_int>> {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    /// Asked once: Linux before 5.11 says `ENOSYS`, and filters that do not know the call `EPERM`.
    static IS_MISSING: AtomicBool = AtomicBool::new(false);

    if !wait.needs_nanos() || IS_MISSING.load(Relaxed) {
        return None;
    }
    let timeout = KernelTimespec::from(wait)?;
    // SAFETY: `list` owns `room` writable entries and is not touched during the call; `timeout`
    // has the kernel's layout and outlives it; no signal mask is given.
    let ready = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            list.as_mut_ptr(),
            room,
            std::ptr::addr_of!(timeout),
            std::ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    let outcome = check(libc::c_int::try_from(ready).unwrap_or(-1));
    match &outcome {
        Err(err) if matches!(err.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            IS_MISSING.store(true, Relaxed);
            None
        }
        _ => Some(outcome),
    }
}

#[cfg(not(all(capability = "epoll_pwait2", not(miri))))]
fn precise_wait(
    _epoll: BorrowedFd<'_>,
    _list: &mut Vec<epoll_event>,
    _room: libc::c_int,
    _wait: Wait,
) -> Option<io::Result<libc::c_int>> {
    None
}

/// `struct __kernel_timespec`: 64 bits each on every architecture, unlike libc's.
#[cfg(all(capability = "epoll_pwait2", not(miri)))]
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanos: i64,
}

#[cfg(all(capability = "epoll_pwait2", not(miri)))]
impl KernelTimespec {
    /// `None` is "forever".
    fn from(wait: Wait) -> Option<Self> {
        let (seconds, nanos) = wait.as_seconds_and_nanos(i64::MAX as u64)?;
        Some(Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: nanos.into(),
        })
    }
}
