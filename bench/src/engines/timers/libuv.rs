//! libuv's timers: a binary heap of milliseconds, in C.
//!
//! Handles are of a size that the library tells. They and the loop live as long as the process, which measures and ends.
//!
//! A timer counts from the loop's own time, in whole milliseconds, rounded down: one that is set a little later expires
//! a little early. That is shown, not made up for.
//!
//! Manual: <https://docs.libuv.org/en/v1.x/timer.html>

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::{Lateness, Timers};
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

#[repr(C)]
struct Loop([u8; 0]);
#[repr(C)]
struct Handle([u8; 0]);

/// `UV_TIMER`.
const TIMER: c_int = 13;
/// `UV_RUN_ONCE`.
const ONCE: c_int = 1;
/// `UV_RUN_NOWAIT`.
const NO_WAIT: c_int = 2;

extern "C" {
    fn uv_default_loop() -> *mut Loop;
    fn uv_run(event_loop: *mut Loop, mode: c_int) -> c_int;
    fn uv_update_time(event_loop: *mut Loop);
    fn uv_now(event_loop: *const Loop) -> u64;
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_handle_get_data(handle: *const Handle) -> *mut c_void;
    fn uv_handle_set_data(handle: *mut Handle, data: *mut c_void);
    fn uv_timer_init(event_loop: *mut Loop, timer: *mut Handle) -> c_int;
    fn uv_timer_start(
        timer: *mut Handle,
        callback: extern "C" fn(*mut Handle),
        timeout: u64,
        repeat: u64,
    ) -> c_int;
    fn uv_timer_stop(timer: *mut Handle) -> c_int;
    fn uv_is_active(handle: *const Handle) -> c_int;
}

thread_local! {
    static EXPIRED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn note(timer: *mut Handle) {
    // SAFETY: libuv passes the timer that has expired.
    let number = unsafe { uv_handle_get_data(timer) } as usize;
    EXPIRED.with_borrow_mut(|expired| expired.push(number));
}

pub struct Libuv {
    event_loop: *mut Loop,
    epoch: Instant,
    /// The loop's time at the epoch.
    start: u64,
    timers: Vec<*mut Handle>,
}

impl Timers for Libuv {
    type Deadline = u64;
    const IN_ORDER: bool = true;

    fn new(timers: usize) -> Result<Self> {
        // SAFETY: takes a number only.
        let words = unsafe { uv_handle_size(TIMER) }.div_ceil(8);
        ensure!(words > 0, "libuv has no timers of that kind");
        let memory = vec![0_u64; words * timers].leak();
        // SAFETY: makes the loop on the first call.
        let event_loop = unsafe { uv_default_loop() };
        let mut handles = Vec::with_capacity(timers);
        for (number, timer) in memory.chunks_exact_mut(words).enumerate() {
            let timer: *mut Handle = timer.as_mut_ptr().cast();
            // SAFETY: it has the size of a timer, and is never moved or freed.
            let outcome = unsafe { uv_timer_init(event_loop, timer) };
            ensure!(outcome == 0, "uv_timer_init: {outcome}");
            // SAFETY: it is a handle now; the data are ours.
            unsafe { uv_handle_set_data(timer, number as *mut c_void) };
            handles.push(timer);
        }
        // SAFETY: the loop lives, and is not running.
        unsafe { uv_update_time(event_loop) };
        Ok(Self {
            event_loop,
            epoch: Instant::now(),
            // SAFETY: the loop lives.
            start: unsafe { uv_now(event_loop) },
            timers: handles,
        })
    }

    /// Relative to the epoch, so also to the loop's time, which stands still until it runs.
    fn deadline(&self, time: Instant) -> u64 {
        (time - self.epoch).as_nanos().div_ceil(1_000_000) as u64
    }

    fn insert(&mut self, timer: usize, deadline: u64) -> Result<()> {
        // SAFETY: the loop lives.
        let now = unsafe { uv_now(self.event_loop) } - self.start;
        let timeout = deadline.saturating_sub(now);
        // SAFETY: the timer was made, and lives.
        let outcome = unsafe { uv_timer_start(self.timers[timer], note, timeout, 0) };
        ensure!(outcome == 0, "uv_timer_start: {outcome}");
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: u64) -> Result<()> {
        self.insert(timer, deadline)
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        let timer = self.timers[timer];
        // SAFETY: the timer was made, and lives.
        let is_armed = unsafe { uv_is_active(timer) };
        ensure!(is_armed != 0, "it was not armed");
        // SAFETY: as above.
        unsafe { uv_timer_stop(timer) };
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        // SAFETY: the loop lives, and is not running.
        unsafe { uv_run(self.event_loop, NO_WAIT) };
        EXPIRED.with_borrow_mut(|noted| expired.append(noted));
        Ok(())
    }
}

pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let timers = Libuv::new(1)?;
    let (event_loop, timer) = (timers.event_loop, timers.timers[0]);
    Lateness::of_each(job, |time: Duration| {
        let deadline = Instant::now() + time;
        let timeout = time.as_nanos().div_ceil(1_000_000) as u64;
        // SAFETY: the loop lives, and is not running.
        unsafe { uv_update_time(event_loop) };
        // SAFETY: the timer was made, and lives.
        let outcome = unsafe { uv_timer_start(timer, note, timeout, 0) };
        ensure!(outcome == 0, "uv_timer_start: {outcome}");
        while EXPIRED.take().is_empty() {
            // SAFETY: as above.
            unsafe { uv_run(event_loop, ONCE) };
        }
        Ok(deadline)
    })
}
