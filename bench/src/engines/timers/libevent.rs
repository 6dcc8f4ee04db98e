//! libevent's timers: a binary heap of microseconds, in C.
//!
//! A timeout counts from when it is added, by a clock that the library reads for each and that may lag by a tick of the kernel
//! (`CLOCK_MONOTONIC_COARSE`): so timers of one burst need not expire in the order of their deadlines. Only in a callback does
//! it use a time that it has. Events are made before, and live as long as the process.
//!
//! Manual: <https://libevent.org/libevent-book/Ref4_event.html>

use std::cell::RefCell;
use std::ffi::{c_int, c_short, c_void};
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::{Lateness, Timers};
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

#[repr(C)]
struct Base([u8; 0]);
#[repr(C)]
struct Event([u8; 0]);
#[repr(C)]
struct Config([u8; 0]);

/// `EVENT_BASE_FLAG_NOLOCK`.
const NO_LOCK: c_int = 1;
/// `EVLOOP_ONCE`.
const ONCE: c_int = 1;
/// `EVLOOP_NONBLOCK`.
const NO_WAIT: c_int = 2;
/// `EV_TIMEOUT`.
const TIMEOUT: c_short = 1;

type Callback = extern "C" fn(c_int, c_short, *mut c_void);

extern "C" {
    fn event_config_new() -> *mut Config;
    fn event_config_set_flag(config: *mut Config, flag: c_int) -> c_int;
    fn event_config_free(config: *mut Config);
    fn event_base_new_with_config(config: *const Config) -> *mut Base;
    fn event_base_loop(base: *mut Base, flags: c_int) -> c_int;
    fn event_new(
        base: *mut Base,
        fd: c_int,
        events: c_short,
        callback: Callback,
        argument: *mut c_void,
    ) -> *mut Event;
    fn event_add(event: *mut Event, timeout: *const libc::timeval) -> c_int;
    fn event_del(event: *mut Event) -> c_int;
    fn event_pending(event: *const Event, events: c_short, time: *mut libc::timeval) -> c_int;
}

thread_local! {
    static EXPIRED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn note(_fd: c_int, _what: c_short, number: *mut c_void) {
    EXPIRED.with_borrow_mut(|expired| expired.push(number as usize));
}

pub struct Libevent {
    base: *mut Base,
    timers: Vec<*mut Event>,
}

/// Without locks, as there is one thread.
fn base() -> *mut Base {
    // SAFETY: takes nothing.
    let config = unsafe { event_config_new() };
    if config.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: it was made. Without the flag it is slower, and that is all.
    unsafe { event_config_set_flag(config, NO_LOCK) };
    // SAFETY: as above.
    let base = unsafe { event_base_new_with_config(config) };
    // SAFETY: as above; the base does not keep it.
    unsafe { event_config_free(config) };
    base
}

impl Timers for Libevent {
    /// How far off, in microseconds.
    type Deadline = u64;
    const IN_ORDER: bool = false;
    const IS_RELATIVE: bool = true;

    fn new(timers: usize) -> Result<Self> {
        let base = base();
        ensure!(!base.is_null(), "libevent made no base");
        let mut events = Vec::with_capacity(timers);
        for number in 0..timers {
            // SAFETY: the base lives; the number is passed on as it is.
            let event = unsafe { event_new(base, -1, 0, note, number as *mut c_void) };
            ensure!(!event.is_null(), "libevent made no event");
            events.push(event);
        }
        Ok(Self {
            base,
            timers: events,
        })
    }

    fn deadline(&self, time: Instant) -> u64 {
        let left = time.saturating_duration_since(Instant::now());
        left.as_nanos().div_ceil(1_000) as u64
    }

    fn insert(&mut self, timer: usize, deadline: u64) -> Result<()> {
        let timeout = libc::timeval {
            tv_sec: (deadline / 1_000_000) as libc::time_t,
            tv_usec: (deadline % 1_000_000) as libc::suseconds_t,
        };
        // SAFETY: the event lives, and the timeout as long as the call.
        let outcome = unsafe { event_add(self.timers[timer], &timeout) };
        ensure!(outcome == 0, "event_add: {outcome}");
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: u64) -> Result<()> {
        self.insert(timer, deadline)
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        let timer = self.timers[timer];
        // SAFETY: the event lives; no time is asked for.
        let is_armed = unsafe { event_pending(timer, TIMEOUT, std::ptr::null_mut()) };
        ensure!(is_armed != 0, "it was not armed");
        // SAFETY: the event lives.
        let outcome = unsafe { event_del(timer) };
        ensure!(outcome == 0, "event_del: {outcome}");
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        // SAFETY: the base lives, and is not running.
        unsafe { event_base_loop(self.base, NO_WAIT) };
        EXPIRED.with_borrow_mut(|noted| expired.append(noted));
        Ok(())
    }
}

pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let mut timers = Libevent::new(1)?;
    Lateness::of_each(job, |time: Duration| {
        let deadline = Instant::now() + time;
        timers.insert(0, time.as_nanos().div_ceil(1_000) as u64)?;
        while EXPIRED.take().is_empty() {
            // SAFETY: the base lives, and is not running.
            unsafe { event_base_loop(timers.base, ONCE) };
        }
        Ok(deadline)
    })
}
