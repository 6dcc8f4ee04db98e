//! What can be chosen when a poll is built, on every backend, and what it counts and reports: spinning,
//! interruptions, busy polling, metrics, events that grow.

#![cfg(feature = "os-poll")]

mod common;
#[path = "common/stress.rs"]
mod stress;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use wakeful::{Backend, Builder, Events, Poll, Token, Waker};

use common::assert_kind;
use stress::{on_each_backend, poll_now, poll_of};

const WAKE: Token = Token(7);
/// Of Linux.
const EINVAL: i32 = 22;
const MILLISECOND: Duration = Duration::from_millis(1);

fn builder(backend: Backend) -> Builder {
    Poll::builder().backend(backend)
}

fn wakers(poll: &Poll, number: usize) -> Vec<Waker> {
    (0..number)
        .map(|n| Waker::new(poll.registry(), Token(n)).unwrap())
        .collect()
}

#[test]
fn a_wait_that_outlasts_its_spin_is_not_early() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(MILLISECOND).measure_sleep(true);
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        let start = Instant::now();
        poll.poll(&mut events, Some(3 * MILLISECOND)).unwrap();
        assert!(events.is_empty() && start.elapsed() >= 3 * MILLISECOND);
        assert_eq!(poll.metrics().spin_misses, 1);
    });
}

// Busy polling

#[test]
fn busy_polling_works_on_epoll_or_is_unsupported() {
    on_each_backend(|backend| {
        for (time, budget, prefer) in [
            (Duration::from_micros(50), 8, false),
            (Duration::ZERO, 0, false),
            (Duration::MAX, 64, true),
        ] {
            match builder(backend).busy_poll(time, budget, prefer).build() {
                Ok(mut poll) => {
                    assert_eq!(backend, Backend::Epoll);
                    let waker = Waker::new(poll.registry(), WAKE).unwrap();
                    waker.wake().unwrap();
                    let mut events = Events::with_capacity(8);
                    assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
                }
                // Kernels before 6.9, and everything but epoll.
                Err(err) => {
                    let says = (err.kind(), err.raw_os_error());
                    let is_too_long = backend == Backend::Epoll
                        && time == Duration::MAX
                        && says == (ErrorKind::InvalidInput, Some(EINVAL));
                    assert!(
                        err.kind() == ErrorKind::Unsupported || is_too_long,
                        "{err:?}"
                    );
                }
            }
        }
    });
}

#[test]
fn busy_polling_is_unsupported_but_on_epoll() {
    on_each_backend(|backend| {
        if backend != Backend::Epoll {
            let builder = builder(backend).busy_poll(MILLISECOND, 8, false);
            assert_kind(builder.build(), ErrorKind::Unsupported);
        }
    });
}

#[test]
fn a_wait_that_ends_with_its_time_is_one_wait_and_no_empty_wake() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        for n in 1..=20 {
            poll.poll(&mut events, Some(Duration::from_micros(100)))
                .unwrap();
            let metrics = poll.metrics();
            assert_eq!((metrics.waits, metrics.empty_wakes), (n, 0));
        }
    });
}

#[test]
fn adaptive_events_do_not_grow_while_there_is_room() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(3..=8));
        let wakers = wakers(&poll, 2);
        for _ in 0..5 {
            wakers.iter().for_each(|waker| waker.wake().unwrap());
            assert_eq!(poll_now(&mut poll, &mut events), [0, 1]);
            assert!(!events.is_saturated());
            assert_eq!(events.capacity(), 3);
        }
    });
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn odd_ranges_make_sense() {
    for (range, capacity) in [(0..=0, 1), (0..=4, 1), (5..=5, 5), (5..=2, 5)] {
        let mut events = Events::adaptive(range.clone());
        assert_eq!(events.capacity(), capacity, "{range:?}");
        let mut poll = Poll::new().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        assert!(!events.is_saturated());
    }
}

#[test]
fn events_of_a_fixed_capacity_never_grow() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let wakers = wakers(&poll, 5);
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        for n in 0..5 {
            assert_eq!(poll_now(&mut poll, &mut events), [n]);
            assert!(events.is_saturated());
            assert_eq!(events.capacity(), 1);
        }
        assert_eq!(poll_now(&mut poll, &mut events), []);
        assert!(!events.is_saturated());
    });
}

#[test]
fn a_builder_builds_as_often_as_it_is_cloned() {
    on_each_backend(|backend| {
        let builder = builder(backend).spin(MILLISECOND).retry_interrupted(true);
        let polls: Vec<_> = (0..3).map(|_| builder.clone().build().unwrap()).collect();
        assert!(polls.iter().all(|poll| poll.backend() == backend));
    });
}

/// Where a thread can be sent signals by a clock.
#[cfg(all(target_os = "linux", feature = "os-ext"))]
mod of_signals {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use wakeful::unix::pipe;
    use wakeful::Interest;

    use super::*;
    use crate::stress::{handle, tokens, Storm, PATIENCE};

    const PIPE: Token = Token(8);

    static SIGNALS: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn count(_signal: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the test in a thread that gets a signal at each interval. If it never ends, it fails.
    #[track_caller]
    fn under_signals(interval: Duration, test: impl FnOnce() + Send + 'static) {
        handle(libc::SIGUSR1, count);
        let (sender, end) = mpsc::channel();
        let thread = thread::spawn(move || {
            let storm = Storm::here(libc::SIGUSR1, interval);
            test();
            drop(storm);
            sender.send(()).unwrap();
        });
        // Disconnected: it has panicked.
        if end.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Timeout) {
            thread.join().unwrap();
            return;
        }
        panic!("the wait does not end");
    }

    fn retrying(backend: Backend) -> Poll {
        builder(backend).retry_interrupted(true).build().unwrap()
    }

    #[test]
    fn a_wait_that_is_retried_is_neither_interrupted_nor_early_and_ends() {
        on_each_backend(|backend| {
            under_signals(MILLISECOND, move || {
                let (mut poll, mut events) = (retrying(backend), Events::with_capacity(8));
                for millis in [1, 5, 20] {
                    let time = Duration::from_millis(millis);
                    let mut interruptions = 0;
                    // A thread that has to wait for the processor gets its signals before it waits for events.
                    while interruptions == 0 {
                        let before = SIGNALS.load(Ordering::Relaxed);
                        let start = Instant::now();
                        poll.poll(&mut events, Some(time)).unwrap();
                        assert!(events.is_empty() && start.elapsed() >= time);
                        let deadline = Instant::now() + time;
                        poll.poll_until(&mut events, deadline).unwrap();
                        assert!(events.is_empty() && Instant::now() >= deadline);
                        interruptions = SIGNALS.load(Ordering::Relaxed) - before;
                    }
                }
            });
        });
    }

    #[test]
    fn a_wait_that_is_retried_ends_with_an_event() {
        on_each_backend(|backend| {
            under_signals(MILLISECOND, move || {
                let (mut poll, mut events) = (retrying(backend), Events::with_capacity(8));
                let waker = Waker::new(poll.registry(), WAKE).unwrap();
                let start = SIGNALS.load(Ordering::Relaxed);
                let waking = thread::spawn(move || {
                    for round in 1..=10 {
                        while SIGNALS.load(Ordering::Relaxed) < start + 3 * round {
                            thread::yield_now();
                        }
                        waker.wake().unwrap();
                    }
                });
                let mut last = 0;
                while last < start + 30 {
                    poll.poll(&mut events, None).unwrap();
                    assert_eq!(tokens(&events), [WAKE.0]);
                    last = SIGNALS.load(Ordering::Relaxed);
                }
                waking.join().unwrap();
            });
        });
    }

    /// poll(2) says `EINTR` to those who only look, too.
    #[test]
    fn a_look_that_is_retried_finds_what_is_ready() {
        on_each_backend(|backend| {
            under_signals(Duration::from_micros(50), move || {
                let (mut poll, mut events) = (retrying(backend), Events::with_capacity(8));
                let waker = Waker::new(poll.registry(), WAKE).unwrap();
                let (mut sender, mut receiver) = pipe::new().unwrap();
                poll.registry()
                    .register(&mut receiver, PIPE, Interest::READABLE.level())
                    .unwrap();
                sender.write_all(b"x").unwrap();
                for _ in 0..10_000 {
                    assert_eq!(poll_now(&mut poll, &mut events), [PIPE.0]);
                }
                poll.registry().deregister(&mut receiver).unwrap();
                for _ in 0..10_000 {
                    waker.wake().unwrap();
                    assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
                }
            });
        });
    }

    #[test]
    fn a_spin_that_is_retried_is_not_early() {
        on_each_backend(|backend| {
            under_signals(Duration::from_micros(200), move || {
                let spinning = builder(backend).spin(PATIENCE).retry_interrupted(true);
                let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
                let start = Instant::now();
                poll.poll(&mut events, Some(5 * MILLISECOND)).unwrap();
                assert!(events.is_empty() && start.elapsed() >= 5 * MILLISECOND);
            });
        });
    }
}

/// Where a process can start another.
#[cfg(any(unix, windows))]
mod of_processes {
    use std::env;
    use std::ffi::OsStr;

    use super::*;
    use crate::stress::program::{output, program};

    /// Set in the child, to what `Poll::new` has to say there.
    const EXPECTED: &str = "WAKEFUL_TEST_EXPECTED";

    /// Makes a poll in a process that has the variable, or does not have it.
    #[track_caller]
    fn assert_made(value: Option<&OsStr>, expected: &str) {
        let mut child = program(env::current_exe().unwrap());
        child
            .args(["--exact", "of_processes::the_environment_names_the_backend"])
            .args(["--nocapture", "--test-threads=1"])
            .env(EXPECTED, expected)
            .env_remove("WAKEFUL_BACKEND");
        if let Some(value) = value {
            child.env("WAKEFUL_BACKEND", value);
        }
        let output = output(&mut child).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{value:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn what_was_made(builder: Builder) -> String {
        match builder.build() {
            Ok(poll) => poll.backend().to_string(),
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::InvalidInput);
                let message = err.to_string();
                assert!(message.contains("WAKEFUL_BACKEND"), "{message}");
                assert!(message.contains("auto, epoll, "), "{message}");
                String::from("refused")
            }
        }
    }

    #[test]
    fn the_environment_names_the_backend() {
        if let Ok(expected) = env::var(EXPECTED) {
            assert_eq!(what_was_made(Poll::builder()), expected);
            assert_eq!(
                what_was_made(Poll::builder().backend(Backend::Auto)),
                expected
            );
            // Whoever says which does not ask the environment.
            on_each_backend(|backend| assert_eq!(poll_of(backend).backend(), backend));
            return;
        }
        let best = Backend::available()[0].to_string();
        assert_made(None, &best);
        assert_made(Some(OsStr::new("")), &best);
        assert_made(Some(OsStr::new("auto")), &best);
        for backend in Backend::available() {
            let name = backend.to_string();
            assert_made(Some(OsStr::new(&name)), &name);
        }
        for wrong in ["select", "EPOLL", " poll", "epoll,poll"] {
            assert_made(Some(OsStr::new(wrong)), "refused");
        }
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let no_text = std::ffi::OsString::from_vec(vec![b'p', 0xff]);
            assert_made(Some(&no_text), "refused");
        }
    }
}
