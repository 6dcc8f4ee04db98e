//! A stand-in for kqueue(2), made of epoll(7): for tests on Linux, see `ci/models.sh`.
//!
//! It has the interface of `kqueue.rs`, so that everything above runs with real sockets, pipes and threads
//! where there is no queue. A queue is an epoll instance that watches three others, one for each filter
//! of descriptors, and an eventfd for the user event: so a descriptor has a knote in each, with an edge,
//! a level or a shot of its own, and the whole becomes readable as a queue does. A knote carries its
//! descriptor and 32 bits of `udata`.
//!
//! It shows that the parts fit together, and nothing of what a real kernel does. Its descriptors
//! beside the first are closed when a queue with the same number is made.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, epoll_event};

use super::check;
use crate::base::wait::Wait;

pub(crate) const READ: i32 = -1;
pub(crate) const WRITE: i32 = -2;
pub(crate) const EXCEPT: Option<i32> = Some(-3);
pub(crate) const OUT_OF_BAND: u32 = 2;
/// As on Apple's systems.
pub(crate) const EXCEPT_IS_READ: bool = true;
pub(crate) const USER: Option<i32> = Some(USER_NUMBER);
pub(crate) const AIO: Option<i32> = None;
pub(crate) const LIO: Option<i32> = None;
const USER_NUMBER: i32 = -4;

pub(crate) const ADD: u32 = 0x1;
pub(crate) const DELETE: u32 = 0x2;
pub(crate) const ENABLE: u32 = 0x4;
pub(crate) const DISABLE: u32 = 0x8;
pub(crate) const ONESHOT: u32 = 0x10;
pub(crate) const CLEAR: u32 = 0x20;
pub(crate) const RECEIPT: u32 = 0x40;
pub(crate) const DISPATCH: u32 = 0x80;
pub(crate) const ERROR: u32 = 0x4000;
pub(crate) const EOF: u32 = 0x8000;

pub(crate) const MISSING: c_int = libc::ENOENT;
pub(crate) const BROKEN: c_int = libc::EPIPE;
/// As on NetBSD, of every second descriptor.
pub(crate) const BROKEN_OR_CLOSED: Option<c_int> = Some(libc::EBADF);
pub(crate) const UNKNOWN: c_int = libc::ENOSYS;

#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) ident: usize,
    pub(crate) filter: i32,
    pub(crate) flags: u32,
    pub(crate) fflags: u32,
    pub(crate) data: i64,
    pub(crate) udata: usize,
}

pub(crate) type Kevent = Fields;

impl From<&Fields> for Fields {
    fn from(fields: &Fields) -> Self {
        *fields
    }
}

const MOST_DESCRIPTORS: usize = 1 << 16;
const PARTS: usize = 4;
#[allow(clippy::declare_interior_mutable_const)] // to fill an array with
const NONE: AtomicI32 = AtomicI32::new(-1);

/// Of each queue, by its number: an epoll instance for each filter, and the eventfd.
static INNER: [AtomicI32; MOST_DESCRIPTORS * PARTS] = [NONE; MOST_DESCRIPTORS * PARTS];

const FILTERS: [(i32, c_int); 3] = [
    (READ, libc::EPOLLIN | libc::EPOLLRDHUP),
    (WRITE, libc::EPOLLOUT),
    (-3, libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI),
];

fn inner(queue: RawFd, part: usize) -> &'static AtomicI32 {
    &INNER[usize::try_from(queue).unwrap() * PARTS + part]
}

fn add(epoll: RawFd, operation: c_int, fd: RawFd, events: c_int, data: u64) -> io::Result<()> {
    let mut event = epoll_event {
        events: events as u32,
        u64: data,
    };
    // SAFETY: the event outlives the call.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) }).map(drop)
}

fn new_epoll() -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the descriptor is new.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn create() -> io::Result<OwnedFd> {
    let queue = new_epoll()?;
    for part in 0..PARTS {
        let fd = if part < FILTERS.len() {
            new_epoll()?
        } else {
            super::eventfd::create()?
        };
        add(
            queue.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            fd.as_raw_fd(),
            libc::EPOLLIN,
            part as u64,
        )?;
        let before = inner(queue.as_raw_fd(), part).swap(fd.into_raw_fd(), SeqCst);
        if before >= 0 {
            // SAFETY: it belonged to a queue whose number is ours now, so nobody uses it.
            drop(unsafe { OwnedFd::from_raw_fd(before) });
        }
    }
    Ok(queue)
}

pub(crate) fn change(ident: usize, filter: i32, flags: u32, fflags: u32, udata: usize) -> Kevent {
    Fields {
        ident,
        filter,
        flags,
        fflags,
        data: 0,
        udata,
    }
}

pub(crate) fn control(
    kqueue: BorrowedFd<'_>,
    changes: &[Kevent],
    receipts: &mut [Kevent],
) -> io::Result<usize> {
    for (change, receipt) in changes.iter().zip(&mut *receipts) {
        let code = apply(kqueue.as_raw_fd(), change).err();
        let code = code.and_then(|err| err.raw_os_error()).unwrap_or(0);
        *receipt = *change;
        receipt.flags |= ERROR;
        receipt.data = code.into();
    }
    Ok(changes.len())
}

fn apply(queue: RawFd, change: &Kevent) -> io::Result<()> {
    assert!(change.flags & RECEIPT != 0, "every change has a receipt");
    let part = FILTERS
        .iter()
        .position(|(filter, _)| *filter == change.filter);
    let part = part.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    let epoll = inner(queue, part).load(SeqCst);
    let fd = RawFd::try_from(change.ident).unwrap_or(-1);
    let data = (change.ident as u64) << 32 | (change.udata as u64 & 0xFFFF_FFFF);
    match change.flags & (ADD | DELETE | ENABLE | DISABLE) {
        ADD => {
            if change.filter == WRITE && is_broken_pipe(fd) {
                let code = if fd % 2 == 0 { BROKEN } else { libc::EBADF };
                return Err(io::Error::from_raw_os_error(code));
            }
            let mut events = FILTERS[part].1;
            if change.flags & CLEAR != 0 {
                events |= libc::EPOLLET;
            }
            if change.flags & DISPATCH != 0 {
                events |= libc::EPOLLONESHOT;
            }
            add(epoll, libc::EPOLL_CTL_ADD, fd, events, data)?;
            known().insert((epoll, fd), events);
            Ok(())
        }
        // Runs the filter, which reports what is ready once more.
        ENABLE => match known().get(&(epoll, fd)) {
            Some(events) => add(epoll, libc::EPOLL_CTL_MOD, fd, *events, data),
            None => Err(io::Error::from_raw_os_error(MISSING)),
        },
        DELETE => add(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0),
        // Disables what is so already: does it exist?
        _ => match add(epoll, libc::EPOLL_CTL_ADD, fd, 0, 0) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(err) => Err(err),
            Ok(()) => {
                add(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0)?;
                Err(io::Error::from_raw_os_error(MISSING))
            }
        },
    }
}

/// The events of each knote, which outlive it: what the instance does not know is not there.
fn known() -> MutexGuard<'static, BTreeMap<(RawFd, RawFd), c_int>> {
    static KNOWN: Mutex<BTreeMap<(RawFd, RawFd), c_int>> = Mutex::new(BTreeMap::new());
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_pipe(fd: RawFd) -> bool {
    // SAFETY: a `stat` is plain numbers, for which zeros are valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is writable.
    let outcome = unsafe { libc::fstat(fd, &mut stat) };
    outcome == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFIFO
}

fn is_broken_pipe(fd: RawFd) -> bool {
    let mut asked = [libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    }];
    is_pipe(fd)
        && super::poll::poll(&mut asked, Wait::NONE).is_ok()
        && asked[0].revents & libc::POLLERR != 0
}

#[derive(Default)]
pub(crate) struct List(Vec<Kevent>);

impl List {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fields> + '_ {
        self.0.iter().copied()
    }
}

pub(crate) fn wait(
    kqueue: BorrowedFd<'_>,
    list: &mut List,
    room: usize,
    wait: Wait,
) -> io::Result<()> {
    /// Which filter is first.
    static TURN: AtomicI32 = AtomicI32::new(0);

    list.0.clear();
    let queue = kqueue.as_raw_fd();
    let mut asked = [libc::pollfd {
        fd: queue,
        events: libc::POLLIN,
        revents: 0,
    }];
    super::poll::poll(&mut asked, wait)?;
    let turn = TURN.fetch_add(1, SeqCst).unsigned_abs() as usize;
    for part in (0..PARTS).map(|part| (part + turn) % PARTS) {
        let room = room - list.0.len();
        if room == 0 {
            break;
        }
        let fd = inner(queue, part).load(SeqCst);
        match FILTERS.get(part) {
            Some((filter, _)) => take(fd, *filter, room, list)?,
            None => {
                // SAFETY: the queue is open, and with it its parts.
                let bell = unsafe { BorrowedFd::borrow_raw(fd) };
                if super::fd::read(bell, &mut [0; 8]).is_ok() {
                    list.0.push(change(0, USER_NUMBER, 0, 0, 0));
                }
            }
        }
    }
    Ok(())
}

fn take(epoll: RawFd, filter: i32, room: usize, list: &mut List) -> io::Result<()> {
    let mut events = vec![epoll_event { events: 0, u64: 0 }; room.min(1024)];
    let most = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
    // SAFETY: there are `most` writable entries.
    let number = check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), most, 0) })?;
    for event in &events[..usize::try_from(number).unwrap_or(0)] {
        let (data, bits) = (event.u64, event.events as c_int);
        let closed = match filter {
            WRITE => libc::EPOLLHUP | libc::EPOLLERR,
            _ => libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR,
        };
        let is_eof = bits & closed != 0;
        // A pipe that is broken has ended, without an error.
        let has_failed = bits & libc::EPOLLERR != 0 && !is_pipe((data >> 32) as RawFd);
        list.0.push(Fields {
            ident: (data >> 32) as usize,
            filter,
            flags: if is_eof { EOF } else { 0 },
            fflags: match filter {
                _ if has_failed => 1,
                READ | WRITE => 0,
                _ if bits & libc::EPOLLPRI != 0 => OUT_OF_BAND,
                _ => 0,
            },
            data: 0,
            udata: (data & 0xFFFF_FFFF) as usize,
        });
    }
    Ok(())
}

/// It is there already.
pub(crate) fn add_user_event(_kqueue: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn trigger(kqueue: BorrowedFd<'_>) -> io::Result<()> {
    let fd = inner(kqueue.as_raw_fd(), PARTS - 1).load(SeqCst);
    // SAFETY: the queue is open, and with it its parts.
    let bell = unsafe { BorrowedFd::borrow_raw(fd) };
    super::fd::write(bell, &1_u64.to_ne_bytes()).map(drop)
}
