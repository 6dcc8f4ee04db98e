//! A stand-in for event ports, made of epoll(7): for tests on Linux, see `ci/models.sh`.
//!
//! It has the interface of `event_ports.rs`, so that everything above runs with real sockets, pipes
//! and threads where there is no port. A port is an epoll instance with an eventfd for what is sent to it; an
//! association is a registration that ends with the event that is retrieved. It carries its descriptor
//! and 32 bits of the user's value. Every second event that is sent finds the port full, as if that watched as
//! many descriptors as it may; an alert is a flag, and a ring for whoever waits.
//!
//! It shows that the parts fit together, and nothing of what a real kernel does. The eventfd is closed when
//! a port with the same number is made.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use libc::{c_int, epoll_event};

use super::check;
use crate::base::wait::Wait;

const MOST_DESCRIPTORS: usize = 1 << 16;
#[allow(clippy::declare_interior_mutable_const)] // to fill an array with
const NONE: AtomicI32 = AtomicI32::new(-1);

/// Of each port, by its number: the eventfd.
static BELLS: [AtomicI32; MOST_DESCRIPTORS] = [NONE; MOST_DESCRIPTORS];

#[allow(clippy::declare_interior_mutable_const)] // to fill an array with
const NO_ALERT: AtomicBool = AtomicBool::new(false);

/// Of each port, by its number: whether it is alerted.
static ALERTS: [AtomicBool; MOST_DESCRIPTORS] = [NO_ALERT; MOST_DESCRIPTORS];

/// To retrieve an event and to end its association is one step.
static STEP: Mutex<()> = Mutex::new(());

/// What the eventfd's events carry.
const BELL: u64 = u64::MAX;
/// What stands for an alert.
const ALERT: u64 = u64::MAX - 1;

fn bell(port: RawFd) -> &'static AtomicI32 {
    &BELLS[usize::try_from(port).unwrap()]
}

fn is_alerted(port: RawFd) -> &'static AtomicBool {
    &ALERTS[usize::try_from(port).unwrap()]
}

fn control(epoll: RawFd, operation: c_int, fd: RawFd, events: u32, data: u64) -> io::Result<()> {
    let mut event = epoll_event { events, u64: data };
    // SAFETY: the event outlives the call.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) }).map(drop)
}

pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the descriptor is new.
    let port = unsafe { OwnedFd::from_raw_fd(fd) };
    let eventfd = super::eventfd::create()?;
    let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
    control(fd, libc::EPOLL_CTL_ADD, eventfd.as_raw_fd(), events, BELL)?;
    let before = bell(fd).swap(eventfd.into_raw_fd(), SeqCst);
    if before >= 0 {
        // SAFETY: it belonged to a port whose number is ours now, so nobody uses it.
        drop(unsafe { OwnedFd::from_raw_fd(before) });
    }
    is_alerted(fd).store(false, SeqCst);
    Ok(port)
}

pub(crate) fn associate(
    port: BorrowedFd<'_>,
    fd: RawFd,
    events: i16,
    user: usize,
) -> io::Result<()> {
    let _step = STEP.lock().unwrap_or_else(PoisonError::into_inner);
    let port = port.as_raw_fd();
    // The numbers of poll(2) and epoll(7) are the same; a port does not ask what it reports unasked.
    let events = events as u16 as u32 | libc::EPOLLONESHOT as u32;
    let data = (fd as u64) << 32 | (user as u64 & 0xFFFF_FFFF);
    match control(port, libc::EPOLL_CTL_ADD, fd, events, data) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            control(port, libc::EPOLL_CTL_MOD, fd, events, data)
        }
        outcome => outcome,
    }
}

pub(crate) fn dissociate(port: BorrowedFd<'_>, fd: RawFd) -> io::Result<()> {
    let _step = STEP.lock().unwrap_or_else(PoisonError::into_inner);
    control(port.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, 0, 0)
}

pub(crate) fn send(port: BorrowedFd<'_>) -> io::Result<()> {
    static SENT: AtomicI32 = AtomicI32::new(0);

    if SENT.fetch_add(1, SeqCst) % 2 == 1 {
        return Err(io::Error::from_raw_os_error(libc::EAGAIN));
    }
    ring(port)
}

pub(crate) fn is_full(err: &io::Error) -> bool {
    err.raw_os_error() == Some(libc::EAGAIN)
}

pub(crate) fn alert(port: BorrowedFd<'_>) -> io::Result<()> {
    is_alerted(port.as_raw_fd()).store(true, SeqCst);
    ring(port)
}

pub(crate) fn end_alert(port: BorrowedFd<'_>) -> io::Result<()> {
    is_alerted(port.as_raw_fd()).store(false, SeqCst);
    Ok(())
}

fn ring(port: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the port is open, and with it its eventfd.
    let bell = unsafe { BorrowedFd::borrow_raw(bell(port.as_raw_fd()).load(SeqCst)) };
    super::fd::write(bell, &1_u64.to_ne_bytes()).map(drop)
}

pub(crate) fn is_closed(err: &io::Error) -> bool {
    err.raw_os_error() == Some(libc::EBADF)
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) fd: RawFd,
    pub(crate) events: i16,
    pub(crate) user: usize,
}

#[derive(Default)]
pub(crate) struct List(Vec<(u64, u32)>);

impl List {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn is_alert(&self) -> bool {
        self.0.first().is_some_and(|(data, _)| *data == ALERT)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fields> + '_ {
        let of_descriptors = |(data, _): &&(u64, u32)| *data != BELL;
        self.0
            .iter()
            .filter(of_descriptors)
            .map(|(data, events)| Fields {
                fd: (data >> 32) as RawFd,
                events: *events as i16,
                user: (data & 0xFFFF_FFFF) as usize,
            })
    }
}

pub(crate) fn wait(
    port: BorrowedFd<'_>,
    list: &mut List,
    room: usize,
    wait: Wait,
) -> io::Result<()> {
    list.0.clear();
    let port = port.as_raw_fd();
    let mut asked = [libc::pollfd {
        fd: port,
        events: libc::POLLIN,
        revents: 0,
    }];
    let is_alert = is_alerted(port);
    let wait = if is_alert.load(SeqCst) {
        Wait::NONE
    } else {
        wait
    };
    super::poll::poll(&mut asked, wait)?;
    if is_alert.load(SeqCst) {
        list.0.push((ALERT, 0));
        return Ok(());
    }
    let _step = STEP.lock().unwrap_or_else(PoisonError::into_inner);
    let mut events = vec![epoll_event { events: 0, u64: 0 }; room.clamp(1, MOST_EVENTS)];
    let most = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
    // SAFETY: there are `most` writable entries.
    let number = check(unsafe { libc::epoll_wait(port, events.as_mut_ptr(), most, 0) })?;
    for event in &events[..usize::try_from(number).unwrap_or(0)] {
        let (data, events) = (event.u64, event.events);
        list.0.push((data, events));
        if data != BELL {
            let fd = (data >> 32) as RawFd;
            // Closed in between, it has ended already.
            let _ = control(port, libc::EPOLL_CTL_DEL, fd, 0, 0);
        }
    }
    Ok(())
}

pub(crate) const MOST_EVENTS: usize = 1024;
