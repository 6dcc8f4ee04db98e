//! The system calls of event ports.
//!
//! Manual: [port_create(3C)](https://illumos.org/man/3C/port_create),
//! [port_associate(3C)](https://illumos.org/man/3C/port_associate),
//! [port_get(3C)](https://illumos.org/man/3C/port_get), [port_send(3C)](https://illumos.org/man/3C/port_send),
//! [port_alert(3C)](https://illumos.org/man/3C/port_alert)

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, port_event, uintptr_t};

use super::check;
use crate::base::wait::Wait;

/// A port, closed on exec: `port_create` sets that by itself.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes nothing.
    let fd = check(unsafe { libc::port_create() })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    let port = unsafe { OwnedFd::from_raw_fd(fd) };
    // Documented, and not left to it.
    // SAFETY: this command takes an integer; close-on-exec is the only flag that it knows.
    check(unsafe { libc::fcntl(port.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(port)
}

/// Makes the port report a descriptor, once, with `user`; replaces what was asked of it before.
///
/// `events` are those of poll(2).
pub(crate) fn associate(
    port: BorrowedFd<'_>,
    fd: RawFd,
    events: i16,
    user: usize,
) -> io::Result<()> {
    // SAFETY: `fd` and `user` are only numbers to the kernel.
    check(unsafe {
        libc::port_associate(
            port.as_raw_fd(),
            libc::PORT_SOURCE_FD,
            object(fd),
            c_int::from(events),
            user as *mut libc::c_void,
        )
    })
    .map(drop)
}

/// Ends that, and takes back an event that nobody has retrieved; fails with `ENOENT` if there is
/// nothing to end.
pub(crate) fn dissociate(port: BorrowedFd<'_>, fd: RawFd) -> io::Result<()> {
    // SAFETY: `fd` is only a number to the kernel.
    check(unsafe { libc::port_dissociate(port.as_raw_fd(), libc::PORT_SOURCE_FD, object(fd)) })
        .map(drop)
}

/// Posts an event of source `PORT_SOURCE_USER`. Async-signal-safe. Fails with `EAGAIN` if the port
/// has as many events and associations as it may (`process.max-port-events`), and with `ENOMEM`.
pub(crate) fn send(port: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::port_send(port.as_raw_fd(), 0, std::ptr::null_mut()) }).map(drop)
}

/// Whether [`associate`] or [`send`] has failed for want of something that is going to be there again.
pub(crate) fn is_full(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM))
}

/// Sets the port's alert, which allocates nothing: whoever waits, and whoever will, gets that and nothing else.
/// Async-signal-safe.
pub(crate) fn alert(port: BorrowedFd<'_>) -> io::Result<()> {
    set_alert(port, 1)
}

/// Takes the alert back, so that the port reports its events again.
pub(crate) fn end_alert(port: BorrowedFd<'_>) -> io::Result<()> {
    // "If the events argument is 0, the port exits alert mode", in the words of the kernel.
    set_alert(port, 0)
}

fn set_alert(port: BorrowedFd<'_>, events: c_int) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe {
        libc::port_alert(
            port.as_raw_fd(),
            libc::PORT_ALERT_SET,
            events,
            std::ptr::null_mut(),
        )
    })
    .map(drop)
}

/// Whether an error of [`associate`] says that the descriptor is not open.
pub(crate) fn is_closed(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::EBADFD | libc::EBADF))
}

/// An event of a descriptor.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) fd: RawFd,
    /// Those of poll(2).
    pub(crate) events: i16,
    pub(crate) user: usize,
}

/// Where the kernel puts its events.
#[derive(Default)]
pub(crate) struct List(Vec<port_event>);

// SAFETY: the one pointer in an event is `portev_user`, a number to us that nobody follows.
unsafe impl Send for List {}
// SAFETY: likewise.
unsafe impl Sync for List {}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Whether it holds the alert; then it holds nothing else.
    pub(crate) fn is_alert(&self) -> bool {
        let is_alert =
            |event: &port_event| c_int::from(event.portev_source) == libc::PORT_SOURCE_ALERT;
        self.0.first().is_some_and(is_alert)
    }

    /// The events of descriptors; the others are the doorbell's.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Fields> + '_ {
        let of_descriptors =
            |event: &&port_event| c_int::from(event.portev_source) == libc::PORT_SOURCE_FD;
        self.0.iter().filter(of_descriptors).map(|event| Fields {
            // They were such when they were associated.
            fd: RawFd::try_from(event.portev_object).unwrap_or(-1),
            events: event.portev_events as i16,
            user: event.portev_user as usize,
        })
    }
}

/// `port_getn`: replaces `list` by up to `room` events, at most [`MOST_EVENTS`].
///
/// A failed call may have retrieved events all the same: those of `ETIME` and `EINTR` are returned,
/// and the error only if there are none.
pub(crate) fn wait(
    port: BorrowedFd<'_>,
    list: &mut List,
    room: usize,
    wait: Wait,
) -> io::Result<()> {
    let list = &mut list.0;
    list.clear();
    let room = room.clamp(1, MOST_EVENTS);
    // No source has the number 0: what the kernel has not written can be told from what it has.
    // SAFETY: an event is plain numbers and a pointer, for which zeros are valid.
    let unwritten: port_event = unsafe { std::mem::zeroed() };
    list.resize(room, unwritten);
    let mut timeout = timespec(wait);
    let timeout = timeout.as_mut().map_or(std::ptr::null_mut(), |timeout| {
        timeout as *mut libc::timespec
    });
    let mut number = 1;
    // SAFETY: `list` has `room` entries and is not touched during the call; the timeout and the
    // number outlive it.
    let outcome = check(unsafe {
        libc::port_getn(
            port.as_raw_fd(),
            list.as_mut_ptr(),
            // At most `MOST_EVENTS`.
            room as libc::c_uint,
            &mut number,
            timeout,
        )
    });
    let retrieved = usize::try_from(number).unwrap_or(0).min(room);
    list.truncate(retrieved);
    // After an error the number may be that of the request.
    let written = list
        .iter()
        .take_while(|event| event.portev_source != 0)
        .count();
    list.truncate(written);
    match outcome {
        Err(err) if list.is_empty() && err.raw_os_error() != Some(libc::ETIME) => Err(err),
        _ => Ok(()),
    }
}

/// The most events of one call; the kernel takes no longer lists.
pub(crate) const MOST_EVENTS: usize = 1024;

/// Longer waits saturate; the caller continues them.
const MOST_SECONDS: u64 = 100_000_000;

/// `None` is "forever".
fn timespec(wait: Wait) -> Option<libc::timespec> {
    let (seconds, nanos) = wait.as_seconds_and_nanos(MOST_SECONDS)?;
    Some(libc::timespec {
        // At most `MOST_SECONDS`.
        tv_sec: seconds as libc::time_t,
        tv_nsec: nanos.into(),
    })
}

fn object(fd: RawFd) -> uintptr_t {
    // No descriptor, if negative: the kernel says so.
    uintptr_t::try_from(fd).unwrap_or(uintptr_t::MAX)
}
