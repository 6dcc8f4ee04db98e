//! Signals for one thread, and whether a descriptor is readable: what only Unix has.

#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::time::Duration;
use std::{mem, ptr};

#[cfg(target_os = "linux")]
use super::thread_number;

/// Whether the descriptor becomes readable within the time.
#[track_caller]
pub(crate) fn becomes_readable(fd: RawFd, time: Duration) -> bool {
    let mut entry = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        let millis = i32::try_from(time.as_millis()).unwrap();
        // SAFETY: one entry, which outlives the call.
        let ready = unsafe { libc::poll(&mut entry, 1, millis) };
        if ready >= 0 {
            return ready == 1 && entry.revents & libc::POLLIN != 0;
        }
        let err = io::Error::last_os_error();
        assert_eq!(err.kind(), ErrorKind::Interrupted, "{err}");
    }
}

pub(crate) fn is_readable(fd: RawFd) -> bool {
    becomes_readable(fd, Duration::ZERO)
}

/// Installs a signal handler, for the whole process and for good. Calls are interrupted, not
/// restarted.
pub(crate) fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zeroes are a valid value: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    // SAFETY: the action is initialised, and the handlers of the tests are async-signal-safe.
    let outcome = unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

/// Sends a signal to the thread that calls, which handles it before this returns.
pub(crate) fn raise(signal: libc::c_int) {
    // SAFETY: takes a number only.
    let outcome = unsafe { libc::raise(signal) };
    assert_eq!(outcome, 0);
}

/// A timer that sends a signal to one thread, again and again, until it is dropped.
#[cfg(target_os = "linux")]
pub(crate) struct Storm(libc::timer_t);

#[cfg(target_os = "linux")]
impl Storm {
    /// Signals for the thread that calls, so that tests which run beside it are left alone.
    pub(crate) fn here(signal: libc::c_int, interval: Duration) -> Self {
        // SAFETY: all zeroes are a valid value.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = thread_number();
        let mut timer = ptr::null_mut();
        // SAFETY: both live during the call.
        let outcome = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
        assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: interval.subsec_nanos() as libc::c_long,
        };
        let times = libc::itimerspec {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: the timer was made above; the times live during the call.
        let outcome = unsafe { libc::timer_settime(timer, 0, &times, ptr::null_mut()) };
        assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
        Self(timer)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: made by `here`, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}
