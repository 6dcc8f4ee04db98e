//! libev's timers: a heap with four children to a node, of seconds as floating-point numbers, in C (`bench/c/libev.c`).
//!
//! A timer counts from the loop's own time, which stands still until the loop runs. Deadlines are whole microseconds here, so
//! that those in the same one may expire in any order: what a floating-point number of seconds tells apart depends on how large it is.
//!
//! Manual: <http://pod.tst.eu/http://cvs.schmorp.de/libev/ev.pod>

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::{Lateness, Timers};
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

type Note = extern "C" fn(*mut c_void, usize);

extern "C" {
    fn bench_libev_timers(number: usize) -> *mut c_void;
    fn bench_libev_now(timers: *mut c_void, update: c_int) -> f64;
    fn bench_libev_set(timers: *mut c_void, timer: usize, after: f64);
    fn bench_libev_cancel(timers: *mut c_void, timer: usize) -> c_int;
    fn bench_libev_expire(timers: *mut c_void, wait: c_int, context: *mut c_void, note: Note);
}

extern "C" fn note(expired: *mut c_void, timer: usize) {
    // SAFETY: that is what `expire` passes, and C holds no other reference.
    let expired = unsafe { &mut *expired.cast::<Vec<usize>>() };
    expired.push(timer);
}

pub struct Libev {
    timers: *mut c_void,
    epoch: Instant,
    /// The loop's time at the epoch, in seconds.
    start: f64,
}

impl Libev {
    fn run(&mut self, wait: bool, expired: &mut Vec<usize>) {
        let expired: *mut Vec<usize> = expired;
        // SAFETY: the timers live; the list lives as long as the call, and only `note` uses it meanwhile.
        unsafe { bench_libev_expire(self.timers, wait.into(), expired.cast(), note) };
    }
}

impl Timers for Libev {
    /// Microseconds from the epoch.
    type Deadline = u64;
    const IN_ORDER: bool = true;

    fn new(timers: usize) -> Result<Self> {
        // SAFETY: takes a number only.
        let timers = unsafe { bench_libev_timers(timers) };
        ensure!(!timers.is_null(), "libev made no timers");
        Ok(Self {
            timers,
            epoch: Instant::now(),
            // SAFETY: they live.
            start: unsafe { bench_libev_now(timers, 1) },
        })
    }

    fn deadline(&self, time: Instant) -> u64 {
        (time - self.epoch).as_nanos().div_ceil(1_000) as u64
    }

    fn insert(&mut self, timer: usize, deadline: u64) -> Result<()> {
        // SAFETY: they live.
        let now = unsafe { bench_libev_now(self.timers, 0) } - self.start;
        // SAFETY: they live, and there is one of that number.
        unsafe { bench_libev_set(self.timers, timer, deadline as f64 * 1e-6 - now) };
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: u64) -> Result<()> {
        self.insert(timer, deadline)
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        // SAFETY: they live, and there is one of that number.
        let was_armed = unsafe { bench_libev_cancel(self.timers, timer) };
        ensure!(was_armed != 0, "it was not armed");
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        self.run(false, expired);
        Ok(())
    }
}

pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let mut timers = Libev::new(1)?;
    let mut expired = Vec::new();
    Lateness::of_each(job, |time: Duration| {
        let deadline = Instant::now() + time;
        // SAFETY: they live.
        unsafe { bench_libev_now(timers.timers, 1) };
        // SAFETY: they live, and there is one.
        unsafe { bench_libev_set(timers.timers, 0, time.as_secs_f64()) };
        while expired.is_empty() {
            timers.run(true, &mut expired);
        }
        expired.clear();
        Ok(deadline)
    })
}
