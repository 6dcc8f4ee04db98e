//! The system call of poll(2).
//!
//! Manual: <https://man7.org/linux/man-pages/man2/poll.2.html>

#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
#[cfg(any(target_os = "wasi", target_os = "horizon"))]
use std::time::Duration;

use super::check;
use crate::base::wait::Wait;

pub(crate) use libc::pollfd;

/// What is asked for, and what is answered.
#[cfg(not(target_os = "horizon"))]
pub(crate) type Bits = libc::c_short;
#[cfg(target_os = "horizon")]
pub(crate) type Bits = libc::c_int;

pub(crate) const IN: Bits = libc::POLLIN;
pub(crate) const OUT: Bits = libc::POLLOUT;
/// Nothing where the system has no such data.
#[cfg(not(target_os = "wasi"))]
pub(crate) const PRI: Bits = libc::POLLPRI;
#[cfg(target_os = "wasi")]
pub(crate) const PRI: Bits = 0;
#[cfg(not(target_os = "horizon"))]
pub(crate) const ERR: Bits = libc::POLLERR;
#[cfg(not(target_os = "horizon"))]
pub(crate) const HUP: Bits = libc::POLLHUP;
/// Nothing on the Nintendo 3DS, where nobody knows whether they are reported, and `libc` has the same bit for
/// `POLLERR` and `POLLOUT`. The operation tells.
#[cfg(target_os = "horizon")]
pub(crate) const ERR: Bits = 0;
#[cfg(target_os = "horizon")]
pub(crate) const HUP: Bits = 0;
#[cfg(not(target_os = "espidf"))]
pub(crate) const NVAL: Bits = libc::POLLNVAL;
/// ESP-IDF does not report it; this is a bit that it leaves free.
#[cfg(target_os = "espidf")]
pub(crate) const NVAL: Bits = 1 << 7;
/// Nothing where the system cannot tell: the peer's shutdown is then read as the end of the stream.
#[cfg(capability = "rdhup")]
pub(crate) const RDHUP: Bits = libc::POLLRDHUP;
#[cfg(not(capability = "rdhup"))]
pub(crate) const RDHUP: Bits = 0;

/// ppoll(2), or poll(2) where that is all there is: how many entries have `revents`.
#[cfg(not(any(target_os = "wasi", target_os = "horizon")))]
pub(crate) fn poll(list: &mut [pollfd], wait: Wait) -> io::Result<usize> {
    let ready = check(poll_for(list, wait))?;
    // `check` has seen that it is not negative.
    Ok(usize::try_from(ready).unwrap_or(0))
}

/// poll(2) of WASI and of the Nintendo 3DS, which takes no entry that is to be ignored and no list without entries.
///
/// With nothing to watch nobody is there to end the wait if there is one thread. So it sleeps until
/// its end, and a wait without end is `EDEADLK`.
#[cfg(any(target_os = "wasi", target_os = "horizon"))]
pub(crate) fn poll(list: &mut [pollfd], wait: Wait) -> io::Result<usize> {
    let wait = LONGEST.map_or(wait, |longest| wait.no_longer_than(longest));
    let mut watched: Vec<_> = list
        .iter()
        .copied()
        .filter(|entry| entry.fd >= 0 && entry.events != 0)
        .collect();
    list.iter_mut().for_each(|entry| entry.revents = 0);
    if watched.is_empty() {
        return match wait {
            Wait::Forever => Err(io::Error::from_raw_os_error(libc::EDEADLK)),
            Wait::AtMost(time) => {
                std::thread::sleep(time);
                Ok(0)
            }
        };
    }
    host::let_run();
    let ready = check(poll_for(&mut watched, wait))?;
    host::has_run_if(ready == 0 && !wait.is_none());
    let mut answers = watched.into_iter();
    let asked = list
        .iter_mut()
        .filter(|entry| entry.fd >= 0 && entry.events != 0);
    for (entry, answer) in asked.zip(&mut answers) {
        entry.revents = answer.revents;
    }
    Ok(usize::try_from(ready).unwrap_or(0))
}

/// Lets the host run once in a while, where polls that do not sleep follow each other.
///
/// A host may run the program as a task among its own. wasmtime does, on tokio, which says of each stream that it is not ready
/// once the task has asked 128 times without a pause; and it does not pause as long as anything else is ready. Then a source that
/// is ready all the time would starve all streams. A sleep is a pause, and takes a millisecond.
///
/// Reference: <https://docs.rs/tokio/latest/tokio/task/coop/index.html>
#[cfg(target_os = "wasi")]
mod host {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    /// So many polls without a sleep are asked about.
    const POLLS: u32 = 16;
    /// The least time between two pauses.
    const DISTANCE: Duration = Duration::from_millis(10);

    thread_local! {
        static AWAKE: Cell<u32> = const { Cell::new(0) };
        static LAST_PAUSE: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    pub(super) fn let_run() {
        let awake = AWAKE.with(Cell::get) + 1;
        AWAKE.with(|cell| cell.set(awake % POLLS));
        if awake < POLLS {
            return;
        }
        let is_due = |last: Instant| last.elapsed() >= DISTANCE;
        if LAST_PAUSE.with(Cell::get).map_or(true, is_due) {
            std::thread::sleep(Duration::from_nanos(1));
            LAST_PAUSE.with(|cell| cell.set(Some(Instant::now())));
        }
    }

    /// A wait that found nothing has slept.
    pub(super) fn has_run_if(has_slept: bool) {
        if has_slept {
            AWAKE.with(|cell| cell.set(0));
        }
    }
}

/// There is nobody to let run.
#[cfg(target_os = "horizon")]
mod host {
    pub(super) fn let_run() {}
    pub(super) fn has_run_if(_has_slept: bool) {}
}

/// Threads cannot end each other's waits here, so a wait is short where there are threads, and the
/// caller looks for what they did between two of them.
#[cfg(all(
    any(target_os = "wasi", target_os = "horizon"),
    not(capability = "one_thread")
))]
const LONGEST: Option<Duration> = Some(Duration::from_millis(10));
#[cfg(all(target_os = "wasi", capability = "one_thread"))]
const LONGEST: Option<Duration> = None;

#[cfg(all(capability = "ppoll", not(miri)))]
fn poll_for(list: &mut [pollfd], wait: Wait) -> libc::c_int {
    let timeout = timespec(wait);
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), |time| std::ptr::addr_of!(*time));
    // SAFETY: the entries are readable and writable for the given length, the timeout is null or
    // outlives the call, and no signal mask is given.
    unsafe { libc::ppoll(list.as_mut_ptr(), length(list), timeout, std::ptr::null()) }
}

#[cfg(not(all(capability = "ppoll", not(miri))))]
fn poll_for(list: &mut [pollfd], wait: Wait) -> libc::c_int {
    // SAFETY: the entries are readable and writable for the given length.
    unsafe { libc::poll(list.as_mut_ptr(), length(list), wait.as_millis()) }
}

fn length(list: &[pollfd]) -> libc::nfds_t {
    // No process has as many descriptors as `nfds_t` can count.
    libc::nfds_t::try_from(list.len()).unwrap_or(libc::nfds_t::MAX)
}

/// `None` is "forever". Where `time_t` has 32 bits, longer waits saturate.
#[cfg(all(capability = "ppoll", not(miri)))]
fn timespec(wait: Wait) -> Option<libc::timespec> {
    // `time_t`, which musl's libc calls deprecated because it is going to grow to 64 bits.
    #[allow(deprecated)]
    type Seconds = libc::time_t;
    let most = u64::try_from(Seconds::MAX).unwrap_or(u64::MAX);
    let (seconds, nanos) = wait.as_seconds_and_nanos(most)?;
    // SAFETY: a timespec of zeros is valid, on systems with padding in it too.
    let mut timespec: libc::timespec = unsafe { std::mem::zeroed() };
    timespec.tv_sec = Seconds::try_from(seconds).unwrap_or(Seconds::MAX);
    #[allow(clippy::unnecessary_fallible_conversions)] // `c_long` has 32 bits elsewhere
    let nanos = nanos.try_into().unwrap_or(0);
    timespec.tv_nsec = nanos;
    Some(timespec)
}

/// The codes that epoll(7) has for a second registration and a missing one.
pub(crate) const ALREADY_EXISTS: libc::c_int = libc::EEXIST;
pub(crate) const NOT_FOUND: libc::c_int = libc::ENOENT;

/// The code that epoll(7) has for a poll that would watch itself.
pub(crate) const INVALID: libc::c_int = libc::EINVAL;

/// Fails with `EBADF` for what is not open.
pub(crate) fn check_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: asks for flags, ignores its argument (Hermit wants one), and touches no memory of ours.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD, 0) }).map(drop)
}

/// Fails with `EPERM`, as `EPOLL_CTL_ADD` does, for an open descriptor that poll(2) does not take: some systems say
/// `POLLNVAL` of devices that have no readiness.
pub(crate) fn check_taken(fd: RawFd, events: Bits) -> io::Result<()> {
    let revents = 0;
    let mut list = [pollfd {
        fd,
        events,
        revents,
    }];
    // What else fails is said by the waits.
    if poll(&mut list, Wait::NONE).is_err() || list[0].revents & NVAL == 0 {
        return Ok(());
    }
    check_open(fd)?;
    Err(io::Error::from_raw_os_error(libc::EPERM))
}

/// Fails as `EPOLL_CTL_ADD` does: `EBADF` for what is not open, `EPERM` for files and directories,
/// whose readiness means nothing.
pub(crate) fn check_pollable(fd: RawFd) -> io::Result<()> {
    // SAFETY: a `stat` is plain numbers, for which zeros are valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is writable; `fd` is only a number to the kernel.
    check(unsafe { libc::fstat(fd, &mut stat) })?;
    // The types differ from system to system.
    #[allow(clippy::unnecessary_cast)]
    let kind = stat.st_mode as u32 & libc::S_IFMT as u32;
    #[allow(clippy::unnecessary_cast)]
    let is_file = kind == libc::S_IFREG as u32 || kind == libc::S_IFDIR as u32;
    if is_file {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}
