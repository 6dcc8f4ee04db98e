//! What the hard tests share: polls of one backend, threads that are known to sleep, and where the
//! system has them, signals for one thread, and tests that have a process to themselves.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code)]
#![allow(unsafe_code, unused_imports)]

use std::io::ErrorKind;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wakeful::event::Source;
use wakeful::{Backend, Events, Interest, Poll, Token};

#[path = "patience.rs"]
mod patience;
pub(crate) use patience::PATIENCE;
#[cfg(not(target_family = "wasm"))]
#[path = "isolated.rs"]
mod isolated;
#[cfg(not(target_family = "wasm"))]
pub(crate) use isolated::*;
/// Where nothing can be started.
#[cfg(target_family = "wasm")]
pub(crate) fn undisturbed() {}
#[cfg(unix)]
#[path = "signals.rs"]
mod signals;
#[cfg(unix)]
pub(crate) use signals::*;

pub(crate) fn poll_of(backend: Backend) -> Poll {
    Poll::builder().backend(backend).build().unwrap()
}

/// The same, with room for eight events.
pub(crate) fn poll_with_room(backend: Backend) -> (Poll, Events) {
    (poll_of(backend), Events::with_capacity(8))
}

/// Runs the test on each backend that the system has, and names it on standard error.
pub(crate) fn on_each_backend(test: impl Fn(Backend)) {
    let _undisturbed = undisturbed();
    // Miri does not know poll(2).
    let known = |backend: &&Backend| !cfg!(miri) || **backend != Backend::Poll;
    for &backend in Backend::available().iter().filter(known) {
        eprintln!("backend: {backend}");
        test(backend);
    }
}

/// Polls until there are events.
#[track_caller]
pub(crate) fn poll_some(poll: &mut Poll, events: &mut Events) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match poll.poll_until(events, deadline) {
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome.unwrap(),
        }
        assert!(!events.is_empty(), "no event came");
        return;
    }
}

/// Waits until a source is readable, in a poll that has no other. What was sent may take a moment to arrive, and a host of
/// WASI notices that only while a poll sleeps: where other sources are always ready, none does.
#[track_caller]
pub(crate) fn wait_until_readable(source: &mut dyn Source) {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let level = Interest::READABLE.level();
    poll.registry().register(source, Token(0), level).unwrap();
    poll_some(&mut poll, &mut events);
    poll.registry().deregister(source).unwrap();
}

/// Without waiting. A host of WASI notices what has just become ready a moment later, on a thread of its own.
const NOW: Duration = if cfg!(target_family = "wasm") {
    Duration::from_millis(2)
} else {
    Duration::ZERO
};

/// Looks without waiting; the tokens of what was ready.
#[track_caller]
pub(crate) fn poll_now(poll: &mut Poll, events: &mut Events) -> Vec<usize> {
    if cfg!(target_family = "wasm") {
        // A pause, for hosts that say of no stream that it is ready before there was one (docs/platforms.md).
        thread::sleep(Duration::from_nanos(1));
    }
    poll.poll(events, Some(NOW)).unwrap();
    tokens(events)
}

pub(crate) fn tokens(events: &Events) -> Vec<usize> {
    events.iter().map(|event| event.token().0).collect()
}

/// A thread whose number the system's tables know.
pub(crate) struct Numbered<T> {
    pub(crate) thread: JoinHandle<T>,
    pub(crate) number: i32,
}

impl<T> Numbered<T> {
    #[track_caller]
    pub(crate) fn join(self) -> T {
        self.thread.join().expect("a thread of the test failed")
    }
}

pub(crate) fn spawn_numbered<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Numbered<T> {
    let (sender, number) = mpsc::channel();
    let thread = thread::spawn(move || {
        sender.send(thread_number()).unwrap();
        work()
    });
    let number = number.recv().unwrap();
    Numbered { thread, number }
}

#[cfg(target_os = "linux")]
pub(crate) fn thread_number() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_number() -> i32 {
    0
}

/// Waits until the thread sleeps in the kernel, where that can be known. A test must not depend
/// on it to succeed, only to be a harder one.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn wait_until_asleep(number: i32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A thread that has ended sleeps too.
        let Ok(line) = std::fs::read_to_string(format!("/proc/self/task/{number}/stat")) else {
            return;
        };
        let state = line.rsplit(')').next().unwrap().trim_start().chars().next();
        if state == Some('S') {
            return;
        }
        assert!(Instant::now() < deadline, "the thread does not sleep");
        thread::yield_now();
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_until_asleep(_number: i32) {
    for _ in 0..100 {
        thread::yield_now();
    }
}

/// Small numbers without a pattern, the same in each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// Gives others a chance to run, mostly none, sometimes many.
    pub(crate) fn dawdle(&mut self) {
        match self.below(64) {
            0 => thread::yield_now(),
            1 => (0..self.below(4)).for_each(|_| thread::yield_now()),
            2..=7 => (0..self.below(200)).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}
