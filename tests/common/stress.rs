//! What the hard tests share: polls of one backend, threads that are known to sleep, signals for one
//! thread, and tests that have a process to themselves.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code)]
#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, mem, ptr};

use wakeful::{Backend, Events, Poll};

/// How long to wait for what must happen. Only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn poll_of(backend: Backend) -> Poll {
    Poll::builder().backend(backend).build().unwrap()
}

/// Runs the test on each backend that the system has, and names it on standard error.
pub(crate) fn on_each_backend(test: impl Fn(Backend)) {
    for &backend in Backend::available() {
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

/// Looks without waiting; the tokens of what was ready.
#[track_caller]
pub(crate) fn poll_now(poll: &mut Poll, events: &mut Events) -> Vec<usize> {
    poll.poll(events, Some(Duration::ZERO)).unwrap();
    tokens(events)
}

pub(crate) fn tokens(events: &Events) -> Vec<usize> {
    events.iter().map(|event| event.token().0).collect()
}

/// A thread whose number the system's tables know.
pub(crate) struct Numbered<T> {
    pub(crate) thread: JoinHandle<T>,
    pub(crate) number: libc::pid_t,
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
pub(crate) fn thread_number() -> libc::pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_number() -> libc::pid_t {
    0
}

/// Waits until the thread sleeps in the kernel, where that can be known. A test must not depend
/// on it to succeed, only to be a harder one.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn wait_until_asleep(number: libc::pid_t) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A thread that has ended sleeps too.
        let Ok(line) = fs::read_to_string(format!("/proc/self/task/{number}/stat")) else {
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
pub(crate) fn wait_until_asleep(_number: libc::pid_t) {
    for _ in 0..100 {
        thread::yield_now();
    }
}

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

/// Set in the process of an isolated test, to what it has to do there.
const ROLE: &str = "WAKEFUL_TEST_ROLE";

/// The role of this process, if it is one of `isolated` or `run_again`.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Runs `scenario` in a process that runs this test alone.
///
/// The tests of one file share a process otherwise, and with it its descriptors and limits: what
/// one opens, another would count.
///
/// `name` is the name of the test that calls.
#[track_caller]
pub(crate) fn isolated(name: &str, scenario: impl FnOnce()) {
    if role().is_some() {
        scenario();
        return;
    }
    let output = run_again(name, "alone");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs one test of this file as a process of its own.
pub(crate) fn run_again(name: &str, role: &str) -> Output {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() || said.contains("1 passed"),
        "there is no test `{name}`: {said}"
    );
    output
}
