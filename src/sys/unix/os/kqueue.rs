//! The system calls of kqueue(2).
//!
//! The fields of `struct kevent` have other types on each system, and so have the constants: here
//! they become the same everywhere.
//!
//! Manual: [FreeBSD](https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2),
//! [NetBSD](https://man.netbsd.org/kqueue.2), [OpenBSD](https://man.openbsd.org/kqueue.2),
//! [DragonFly](https://man.dragonflybsd.org/?command=kqueue&section=2),
//! [Apple](https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/kqueue.2.html)

#![allow(unsafe_code)]
// The types that are cast from and to differ by system.
#![allow(clippy::unnecessary_cast, clippy::cast_lossless)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::c_int;

use super::check;
use crate::base::wait::Wait;

/// `struct kevent`.
pub(crate) use libc::kevent as Kevent;

pub(crate) const READ: i32 = libc::EVFILT_READ as i32;
pub(crate) const WRITE: i32 = libc::EVFILT_WRITE as i32;

/// `EVFILT_EXCEPT`, and its `NOTE_OOB`.
#[cfg(capability = "interest_priority")]
pub(crate) const EXCEPT: Option<i32> = Some(libc::EVFILT_EXCEPT as i32);
#[cfg(capability = "interest_priority")]
pub(crate) const OUT_OF_BAND: u32 = libc::NOTE_OOB as u32;
#[cfg(not(capability = "interest_priority"))]
pub(crate) const EXCEPT: Option<i32> = None;
#[cfg(not(capability = "interest_priority"))]
pub(crate) const OUT_OF_BAND: u32 = 0;

/// XNU has no filter for exceptions: `EVFILT_EXCEPT` runs that of reading, which is true of data and of the
/// end too, and tells of out-of-band data by `NOTE_OOB` in `fflags`.
pub(crate) const EXCEPT_IS_READ: bool = cfg!(target_vendor = "apple");

#[cfg(doorbell = "kqueue")]
pub(crate) const USER: Option<i32> = Some(libc::EVFILT_USER as i32);
#[cfg(not(doorbell = "kqueue"))]
pub(crate) const USER: Option<i32> = None;

#[cfg(capability = "interest_aio")]
pub(crate) const AIO: Option<i32> = Some(libc::EVFILT_AIO as i32);
#[cfg(not(capability = "interest_aio"))]
pub(crate) const AIO: Option<i32> = None;

#[cfg(capability = "interest_lio")]
pub(crate) const LIO: Option<i32> = Some(libc::EVFILT_LIO as i32);
#[cfg(not(capability = "interest_lio"))]
pub(crate) const LIO: Option<i32> = None;

pub(crate) const ADD: u32 = libc::EV_ADD as u32;
pub(crate) const DELETE: u32 = libc::EV_DELETE as u32;
pub(crate) const ENABLE: u32 = libc::EV_ENABLE as u32;
pub(crate) const DISABLE: u32 = libc::EV_DISABLE as u32;
/// Never asked for: in an event it says that the kernel has deleted the knote.
pub(crate) const ONESHOT: u32 = libc::EV_ONESHOT as u32;
pub(crate) const CLEAR: u32 = libc::EV_CLEAR as u32;
pub(crate) const DISPATCH: u32 = libc::EV_DISPATCH as u32;
pub(crate) const RECEIPT: u32 = libc::EV_RECEIPT as u32;
pub(crate) const EOF: u32 = libc::EV_EOF as u32;
pub(crate) const ERROR: u32 = libc::EV_ERROR as u32;

/// No such knote.
pub(crate) const MISSING: c_int = libc::ENOENT;
/// A pipe whose other end is closed takes no knote for writing.
pub(crate) const BROKEN: c_int = libc::EPIPE;
/// What says so where the same code says that the descriptor itself is not open: NetBSD's `pipe_kqfilter`.
#[cfg(target_os = "netbsd")]
pub(crate) const BROKEN_OR_CLOSED: Option<c_int> = Some(libc::EBADF);
#[cfg(not(target_os = "netbsd"))]
pub(crate) const BROKEN_OR_CLOSED: Option<c_int> = None;
/// For a change of which the system does not say what became of it: the code that is `Unsupported`.
pub(crate) const UNKNOWN: c_int = libc::ENOSYS;

/// A queue, closed on exec.
///
/// In two steps, which nobody can come between: no child of fork(2) inherits a queue.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes nothing.
    let fd = check(unsafe { libc::kqueue() })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    let queue = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: this command takes an integer; close-on-exec is the only flag that it knows.
    check(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(queue)
}

/// A change to be made.
pub(crate) fn change(ident: usize, filter: i32, flags: u32, fflags: u32, udata: usize) -> Kevent {
    // SAFETY: a kevent is plain numbers and a pointer, for which zeros are valid. What is not named
    // below is there on some systems only.
    let mut change: Kevent = unsafe { std::mem::zeroed() };
    change.ident = ident as _;
    change.filter = filter as _;
    change.flags = flags as _;
    change.fflags = fflags as _;
    // Only a number to the kernel, which hands it back.
    change.udata = udata as _;
    change
}

/// The fields of an event, with the same types on every system.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) ident: usize,
    pub(crate) filter: i32,
    pub(crate) flags: u32,
    pub(crate) fflags: u32,
    pub(crate) data: i64,
    pub(crate) udata: usize,
}

impl From<&Kevent> for Fields {
    fn from(event: &Kevent) -> Self {
        // Copied out: the struct is packed on some systems.
        let Kevent {
            ident,
            filter,
            flags,
            fflags,
            data,
            udata,
            ..
        } = *event;
        Self {
            ident: ident as usize,
            filter: filter as i32,
            flags: flags as u32,
            fflags: fflags as u32,
            data: data as i64,
            udata: udata as usize,
        }
    }
}

/// Makes changes, each with [`RECEIPT`], and puts one receipt for each into `receipts`; says how
/// many.
///
/// A receipt has [`ERROR`] in its flags and the error's code in its data, zero if all went well. As
/// they fill the list, no event is taken from the queue.
pub(crate) fn control(
    kqueue: BorrowedFd<'_>,
    changes: &[Kevent],
    receipts: &mut [Kevent],
) -> io::Result<usize> {
    debug_assert!(receipts.len() == changes.len(), "one receipt for each");
    let at_once = timespec(Wait::NONE);
    let length = changes.len().min(receipts.len());
    // SAFETY: both lists have `length` entries, of which the second is writable; the timeout
    // outlives the call. Descriptors in changes are only numbers to the kernel.
    let given = check(unsafe {
        libc::kevent(
            kqueue.as_raw_fd(),
            changes.as_ptr(),
            length as _,
            receipts.as_mut_ptr(),
            length as _,
            pointer(&at_once),
        )
    })?;
    // `check` has seen that it is not negative.
    Ok(usize::try_from(given).unwrap_or(0))
}

/// Where the kernel puts its events.
#[derive(Default)]
pub(crate) struct List(Vec<Kevent>);

// SAFETY: the one pointer in an event is `udata`, a number to us that nobody follows.
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fields> + '_ {
        self.0.iter().map(Fields::from)
    }
}

/// Waits: replaces `list` by up to `room` events.
pub(crate) fn wait(
    kqueue: BorrowedFd<'_>,
    list: &mut List,
    room: usize,
    wait: Wait,
) -> io::Result<()> {
    let list = &mut list.0;
    list.clear();
    list.reserve(room);
    let room = c_int::try_from(room).unwrap_or(c_int::MAX);
    let timeout = timespec(wait);
    // SAFETY: `list` owns `room` writable entries and is not touched during the call; the timeout
    // outlives it; there are no changes.
    let ready = check(unsafe {
        libc::kevent(
            kqueue.as_raw_fd(),
            std::ptr::null(),
            0,
            list.as_mut_ptr(),
            room as _,
            pointer(&timeout),
        )
    })?;
    // `check` has seen that it is not negative.
    let ready = usize::try_from(ready).unwrap_or(0);
    // SAFETY: the kernel filled entries `..ready`, and `ready <= room <= capacity`.
    unsafe { list.set_len(ready) };
    Ok(())
}

/// Adds the one `EVFILT_USER` of a queue, which is cleared when it is reported.
#[cfg(doorbell = "kqueue")]
pub(crate) fn add_user_event(kqueue: BorrowedFd<'_>) -> io::Result<()> {
    submit(kqueue, &change(0, USER_NUMBER, ADD | CLEAR, 0, 0))
}

/// `NOTE_TRIGGER`: makes the queue's user event happen. Async-signal-safe.
#[cfg(doorbell = "kqueue")]
pub(crate) fn trigger(kqueue: BorrowedFd<'_>) -> io::Result<()> {
    // Nothing is added, and no flag given: `EV_CLEAR` here would take the trigger back, on FreeBSD.
    submit(
        kqueue,
        &change(0, USER_NUMBER, 0, libc::NOTE_TRIGGER as u32, 0),
    )
}

#[cfg(doorbell = "kqueue")]
const USER_NUMBER: i32 = libc::EVFILT_USER as i32;

/// Makes one change, without a receipt: without room for one its error is the call's.
#[cfg(doorbell = "kqueue")]
fn submit(kqueue: BorrowedFd<'_>, change: &Kevent) -> io::Result<()> {
    // SAFETY: the change outlives the call, and there is no list of events.
    check(unsafe {
        libc::kevent(
            kqueue.as_raw_fd(),
            change,
            1,
            std::ptr::null_mut(),
            0,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// `None` is "forever".
///
/// Longer than this is `EINVAL` on Apple's systems and on older ones of the others; the caller
/// continues a wait that was cut short.
const MOST_SECONDS: u64 = 100_000_000;

fn timespec(wait: Wait) -> Option<libc::timespec> {
    let (seconds, nanos) = wait.as_seconds_and_nanos(MOST_SECONDS)?;
    // SAFETY: a timespec of zeros is valid, on systems with padding in it too.
    let mut timespec: libc::timespec = unsafe { std::mem::zeroed() };
    // At most `MOST_SECONDS`, which fits 32 bits.
    timespec.tv_sec = seconds as _;
    timespec.tv_nsec = nanos as _;
    Some(timespec)
}

fn pointer(timespec: &Option<libc::timespec>) -> *const libc::timespec {
    match timespec {
        Some(timespec) => timespec,
        None => std::ptr::null(),
    }
}
