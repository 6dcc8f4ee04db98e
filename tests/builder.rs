//! What can be chosen when a poll is built, on every backend, and what it counts and reports: spinning,
//! interruptions, busy polling, metrics, events that grow.

#![cfg(all(target_os = "linux", feature = "os-poll", feature = "os-ext"))]

mod common;
#[path = "common/stress.rs"]
mod stress;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wakeful::event::{Event, Readiness};
use wakeful::time::Timer;
use wakeful::unix::pipe;
use wakeful::{user, Backend, Builder, Events, Interest, Metrics, Poll, Token, Waker};

use common::{assert_kind, expect_event};
use stress::{handle, on_each_backend, poll_now, poll_of, poll_some, tokens, Storm, PATIENCE};

const WAKE: Token = Token(7);
const PIPE: Token = Token(8);
const MILLISECOND: Duration = Duration::from_millis(1);

fn builder(backend: Backend) -> Builder {
    Poll::builder().backend(backend)
}

fn wakers(poll: &Poll, number: usize) -> Vec<Waker> {
    (0..number)
        .map(|n| Waker::new(poll.registry(), Token(n)).unwrap())
        .collect()
}

// Spinning

/// Both sides look for longer than any wait lasts, so nobody sleeps, and no wake is a system call.
#[test]
fn whoever_spins_is_found_awake() {
    const ROUNDS: usize = 200;

    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE).measure_sleep(true);
        let (mut here, mut there) = (spinning.clone().build().unwrap(), spinning.build().unwrap());
        let to_here = Waker::new(here.registry(), WAKE).unwrap();
        let to_there = Waker::new(there.registry(), WAKE).unwrap();
        let partner = thread::spawn(move || {
            let mut events = Events::with_capacity(8);
            for _ in 0..ROUNDS {
                poll_some(&mut there, &mut events);
                assert_eq!(tokens(&events), [WAKE.0]);
                to_here.wake().unwrap();
            }
            there.metrics()
        });
        let mut events = Events::with_capacity(8);
        for _ in 0..ROUNDS {
            to_there.wake().unwrap();
            poll_some(&mut here, &mut events);
            assert_eq!(tokens(&events), [WAKE.0]);
        }
        let both = [here.metrics(), partner.join().unwrap()];
        for metrics in both {
            assert_eq!(metrics.spin_misses, 0);
            assert_eq!(metrics.doorbells, 0);
            assert_eq!(metrics.asleep, Duration::ZERO);
            assert_eq!(metrics.wakes, ROUNDS as u64);
        }
        assert!(both[0].spin_hits + both[1].spin_hits > 0);
    });
}

#[test]
fn a_spin_finds_what_the_kernel_has() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE).measure_sleep(true);
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, PIPE, Interest::READABLE)
            .unwrap();
        let (go, ready) = mpsc::channel::<()>();
        let writer = thread::spawn(move || {
            for () in ready {
                sender.write_all(b"x").unwrap();
            }
        });
        for _ in 0..100 {
            go.send(()).unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [PIPE.0]);
            while receiver.read(&mut [0; 8]).is_ok() {}
        }
        drop(go);
        writer.join().unwrap();
        let metrics = poll.metrics();
        assert_eq!(metrics.asleep, Duration::ZERO);
        assert_eq!(metrics.spin_misses, 0);
    });
}

#[test]
fn a_spin_is_part_of_the_wait() {
    on_each_backend(|backend| {
        for spin in [PATIENCE, Duration::MAX] {
            let spinning = builder(backend).spin(spin).measure_sleep(true);
            let mut events = Events::with_capacity(8);
            let mut poll = spinning.clone().build().unwrap();
            let start = Instant::now();
            poll.poll(&mut events, Some(5 * MILLISECOND)).unwrap();
            assert!(events.is_empty() && start.elapsed() >= 5 * MILLISECOND);
            assert_eq!(poll.metrics().asleep, Duration::ZERO);

            // Another poll: the spin was in vain, and the next one would have to wait.
            let mut poll = spinning.build().unwrap();
            let mut timer = Timer::after(5 * MILLISECOND);
            let deadline = timer.deadline().unwrap();
            poll.registry()
                .register(&mut timer, WAKE, Interest::READABLE)
                .unwrap();
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
            assert!(Instant::now() >= deadline);
            // The spin lasted as long as the wait: there was nothing left to sleep.
            assert_eq!(poll.metrics().asleep, Duration::ZERO);
        }
    });
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

#[test]
fn spins_that_find_nothing_become_rare() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(Duration::from_micros(20));
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        for _ in 0..300 {
            let time = Duration::from_micros(300);
            poll.poll(&mut events, Some(time)).unwrap();
            assert!(events.is_empty());
        }
        // After 1, 2, 4, .. 64, 64, .. sleeps without one.
        let metrics = poll.metrics();
        assert!((1..=12).contains(&metrics.spin_misses), "{metrics:?}");
        assert_eq!(metrics.spin_hits, 0);
    });
}

#[test]
fn nobody_spins_unasked() {
    on_each_backend(|backend| {
        for builder in [builder(backend), builder(backend).spin(Duration::ZERO)] {
            let (mut poll, mut events) = (builder.build().unwrap(), Events::with_capacity(8));
            for _ in 0..10 {
                let short = Some(Duration::from_micros(100));
                poll.poll(&mut events, short).unwrap();
            }
            let metrics = poll.metrics();
            assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
        }
    });
}

/// What is there, or was asked to look only, is no occasion to spin.
#[test]
fn nobody_spins_who_need_not_wait() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE);
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        waker.wake().unwrap();
        poll_some(&mut poll, &mut events);
        let metrics = poll.metrics();
        assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
        assert_eq!(metrics.waits, 2);
    });
}

// Interruptions

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
                        && says == (ErrorKind::InvalidInput, Some(libc::EINVAL));
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
fn busy_polling_is_unsupported_on_poll() {
    let builder = builder(Backend::Poll).busy_poll(MILLISECOND, 8, false);
    assert_kind(builder.build(), ErrorKind::Unsupported);
}

// Metrics

#[test]
fn a_new_poll_has_done_nothing() {
    on_each_backend(|backend| {
        assert_eq!(poll_of(backend).metrics(), Metrics::default());
    });
}

/// Each thing that one thread does adds what it says, and nothing else.
#[test]
fn what_one_thread_does_is_counted_exactly() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let wakers = wakers(&poll, 2);
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut source, readiness) = user::source();
        let mut timer = Timer::new();
        let registry = poll.registry().try_clone().unwrap();
        registry
            .register(&mut receiver, PIPE, Interest::READABLE)
            .unwrap();
        registry
            .register(&mut source, WAKE, Interest::READABLE)
            .unwrap();
        registry
            .register(&mut timer, Token(9), Interest::READABLE)
            .unwrap();
        let counts = |poll: &Poll| {
            let metrics = poll.metrics();
            assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
            assert_eq!((metrics.doorbells, metrics.asleep), (0, Duration::ZERO));
            assert_eq!(metrics.empty_wakes, 0);
            (
                metrics.waits,
                metrics.events,
                metrics.wakes,
                metrics.coalesced,
            )
        };

        assert_eq!(counts(&poll), (0, 0, 0, 0));
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (1, 0, 0, 0));
        for _ in 0..3 {
            wakers.iter().for_each(|waker| waker.wake().unwrap());
        }
        // They count when they are delivered.
        assert_eq!(counts(&poll), (1, 0, 0, 0));
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (2, 2, 6, 4));
        sender.write_all(b"x").unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(counts(&poll), (3, 3, 6, 4));
        readiness.set(Readiness::READABLE).unwrap();
        readiness.set(Readiness::READABLE).unwrap();
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (4, 4, 8, 5));
        // A timer is no wake.
        timer.set_after(Duration::ZERO);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(counts(&poll), (5, 5, 8, 5));
        // A set that nobody hears of is none either.
        readiness.clear(Readiness::READABLE);
        readiness.set(Readiness::WRITABLE).unwrap();
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (6, 5, 8, 5));
        // Reported again in level mode without being set again.
        readiness.set(Readiness::READABLE).unwrap();
        registry
            .reregister(&mut source, WAKE, Interest::READABLE.level())
            .unwrap();
        poll_now(&mut poll, &mut events);
        let (waits, reported, wakes, coalesced) = counts(&poll);
        for n in 1..=3 {
            poll_now(&mut poll, &mut events);
            let expected = (waits + n, reported + n, wakes, coalesced);
            assert_eq!(counts(&poll), expected);
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
fn each_ring_for_a_watched_descriptor_is_counted() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let _ = poll.as_raw_fd();
        for n in 1..=10 {
            waker.wake().unwrap();
            waker.wake().unwrap();
            assert_eq!(poll.metrics().doorbells, n);
            assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
            let metrics = poll.metrics();
            assert_eq!((metrics.wakes, metrics.coalesced), (2 * n, n));
        }
    });
}

#[test]
fn sleep_is_measured_if_asked_for() {
    on_each_backend(|backend| {
        for is_on in [false, true] {
            let builder = builder(backend).measure_sleep(is_on);
            let (mut poll, mut events) = (builder.build().unwrap(), Events::with_capacity(8));
            let start = Instant::now();
            for _ in 0..5 {
                poll.poll(&mut events, Some(2 * MILLISECOND)).unwrap();
                // Looking is not sleeping.
                poll_now(&mut poll, &mut events);
            }
            let elapsed = start.elapsed();
            let asleep = poll.metrics().asleep;
            if is_on {
                // The wait began a moment before the sleep did.
                assert!(asleep > MILLISECOND && asleep <= elapsed, "{asleep:?}");
            } else {
                assert_eq!(asleep, Duration::ZERO);
            }
        }
    });
}

// Events

#[test]
fn adaptive_events_double_when_they_were_full_up_to_their_most() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(1..=6));
        let wakers = wakers(&poll, 40);
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        let mut next = 0;
        for capacity in [1, 2, 4, 6, 6, 6, 6, 6] {
            let expected: Vec<_> = (next..(next + capacity).min(40)).collect();
            assert_eq!(poll_now(&mut poll, &mut events), expected);
            assert_eq!(events.capacity(), capacity);
            assert_eq!(events.is_saturated(), expected.len() == capacity);
            next += expected.len();
        }
        assert_eq!(poll_now(&mut poll, &mut events), [37, 38, 39]);
        assert!(!events.is_saturated());
        assert_eq!(poll_now(&mut poll, &mut events), []);
        // What it has grown to it keeps.
        assert_eq!(events.capacity(), 6);
    });
}

#[test]
fn adaptive_events_grow_with_what_the_kernel_reports() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(2..=64));
        let mut pipes: Vec<_> = (0..10).map(|_| pipe::new().unwrap()).collect();
        for (n, (sender, receiver)) in pipes.iter_mut().enumerate() {
            poll.registry()
                .register(receiver, Token(n), Interest::READABLE.level())
                .unwrap();
            sender.write_all(b"x").unwrap();
        }
        for capacity in [2, 4, 8] {
            assert_eq!(poll_now(&mut poll, &mut events).len(), capacity);
            assert!(events.is_saturated());
        }
        for _ in 0..2 {
            assert_eq!(poll_now(&mut poll, &mut events).len(), 10);
            assert!(!events.is_saturated());
            assert_eq!(events.capacity(), 16);
        }
    });
}

#[test]
fn adaptive_events_grow_also_if_they_were_cleared() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(1..=8));
        let wakers = wakers(&poll, 2);
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        assert_eq!(poll_now(&mut poll, &mut events), [0]);
        events.clear();
        assert_eq!(poll_now(&mut poll, &mut events), [1]);
        assert_eq!(events.capacity(), 2);
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
fn readiness_says_what_the_event_says() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut source, readiness) = user::source();
        let registry = poll.registry();
        registry
            .register(&mut sender, Token(1), Interest::WRITABLE)
            .unwrap();
        registry
            .register(&mut receiver, Token(2), Interest::READABLE)
            .unwrap();
        let all = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        registry.register(&mut source, Token(3), all).unwrap();
        readiness
            .set(Readiness::PRIORITY | Readiness::ERROR)
            .unwrap();
        sender.write_all(b"x").unwrap();
        let mut seen = 0;
        let mut check = |events: &Events| {
            for event in events {
                let flags = event.readiness();
                assert!(!flags.is_empty());
                assert_eq!(flags.is_readable(), event.is_readable());
                assert_eq!(flags.is_writable(), event.is_writable());
                assert_eq!(flags.is_priority(), event.is_priority());
                assert_eq!(flags.is_error(), event.is_error());
                assert_eq!(flags.is_read_closed(), event.is_read_closed());
                assert_eq!(flags.is_write_closed(), event.is_write_closed());
                assert!(format!("{event:?}").contains(&format!("{flags:?}")));
                seen += 1;
            }
        };
        poll_now(&mut poll, &mut events);
        check(&events);
        drop(sender);
        expect_event(&mut poll, &mut events, Token(2), Event::is_read_closed);
        check(&events);
        assert_eq!(seen, 4);
    });
}

// The choice of the backend

#[test]
fn a_backend_that_was_asked_for_is_used_or_unsupported() {
    for backend in [Backend::Epoll, Backend::Poll] {
        match builder(backend).build() {
            Ok(poll) => {
                assert!(Backend::available().contains(&backend));
                assert_eq!(poll.backend(), backend);
            }
            Err(err) => {
                assert!(!Backend::available().contains(&backend));
                assert_eq!(err.kind(), ErrorKind::Unsupported);
            }
        }
    }
}

#[test]
fn a_builder_builds_as_often_as_it_is_cloned() {
    on_each_backend(|backend| {
        let builder = builder(backend).spin(MILLISECOND).retry_interrupted(true);
        let polls: Vec<_> = (0..3).map(|_| builder.clone().build().unwrap()).collect();
        assert!(polls.iter().all(|poll| poll.backend() == backend));
    });
}

/// Set in the child, to what `Poll::new` has to say there.
const EXPECTED: &str = "WAKEFUL_TEST_EXPECTED";

/// Makes a poll in a process that has the variable, or does not have it.
#[track_caller]
fn assert_made(value: Option<&OsStr>, expected: &str) {
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", "the_environment_names_the_backend"])
        .args(["--nocapture", "--test-threads=1"])
        .env(EXPECTED, expected)
        .env_remove("WAKEFUL_BACKEND");
    if let Some(value) = value {
        child.env("WAKEFUL_BACKEND", value);
    }
    let output = child.output().unwrap();
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
            assert!(message.contains("auto, epoll, poll"), "{message}");
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
    assert_made(Some(&OsString::from_vec(vec![b'p', 0xff])), "refused");
}
