//! How long a poll waits: never less than it was told, and for ever only if nothing comes.

#![cfg(all(unix, feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/stress.rs"]
mod stress;

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wakeful::net::UdpSocket;
use wakeful::unix::pipe;
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use stress::{
    on_each_backend, poll_now, poll_of, spawn_numbered, tokens, wait_until_asleep, Dice, PATIENCE,
};

const WAKE: Token = Token(1);

/// Waits with nothing to wait for; never early.
#[track_caller]
fn expect_full_wait(poll: &mut Poll, events: &mut Events, time: Duration) {
    let start = Instant::now();
    poll.poll(events, Some(time)).unwrap();
    let waited = start.elapsed();
    assert!(events.is_empty());
    assert!(waited >= time, "{waited:?} instead of {time:?}");
}

#[test]
fn a_timeout_is_never_cut_short() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let nanos = [
            0, 1, 999, 1_000, 50_000, 999_999, 1_000_000, 1_000_001, 1_999_999, 3_000_000,
        ];
        for nanos in nanos {
            for _ in 0..20 {
                expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
            }
        }
        let mut dice = Dice::new(1);
        for _ in 0..200 {
            let nanos = dice.below(4_000_000);
            expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
        }
    });
}

#[test]
fn a_timeout_is_never_cut_short_by_registrations() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut quiet: Vec<_> = (0..20).map(|_| pipe::new().unwrap()).collect();
        for (n, (_, receiver)) in quiet.iter_mut().enumerate() {
            poll.registry()
                .register(receiver, Token(n), Interest::READABLE)
                .unwrap();
        }
        for nanos in [1, 50_000, 1_000_001, 2_500_000] {
            expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
        }
    });
}

/// With a clock alone it cannot be told from a slow machine; so many short waits are measured,
/// and the quickest counts.
#[test]
fn microseconds_are_not_rounded_to_milliseconds() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let time = Duration::from_micros(50);
        let quickest = (0..200).map(|_| {
            let start = Instant::now();
            poll.poll(&mut events, Some(time)).unwrap();
            start.elapsed()
        });
        let quickest = quickest.min().unwrap();
        // Linux before 5.11 has no such call for epoll.
        let is_exact = cfg!(target_os = "linux") && quickest < Duration::from_millis(1);
        eprintln!("50 us take {quickest:?} at best");
        assert!(is_exact || backend == Backend::Epoll, "{quickest:?}");
    });
}

#[test]
fn zero_only_looks() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        // A million years would be noticed.
        for _ in 0..1000 {
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        waker.wake().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
    });
}

#[test]
fn zero_finds_what_is_ready() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, Token(3), Interest::READABLE)
            .unwrap();
        sender.write_all(b"x").unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [3]);
    });
}

/// Waits that no test can wait for, each ended by a wake and by a source.
#[test]
fn huge_timeouts_are_waited_for_and_end_with_an_event() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let times = [
        DAY * 24,
        Duration::from_millis(i32::MAX as u64),
        Duration::from_millis(i32::MAX as u64 + 1),
        Duration::from_millis(u64::from(u32::MAX) + 7),
        DAY * 25,
        DAY * 400_000,
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    on_each_backend(|backend| {
        for time in times {
            let mut poll = poll_of(backend);
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let (mut sender, mut receiver) = pipe::new().unwrap();
            poll.registry()
                .register(&mut receiver, Token(2), Interest::READABLE)
                .unwrap();
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                poll.poll(&mut events, Some(time)).unwrap();
                let first = tokens(&events);
                poll.poll(&mut events, Some(time)).unwrap();
                (first, tokens(&events), receiver)
            });
            wait_until_asleep(poller.number);
            waker.wake().unwrap();
            wait_until_asleep(poller.number);
            sender.write_all(b"x").unwrap();
            let (mut first, second, _receiver) = poller.join();
            // Both at once if the thread was slow to lie down again.
            first.extend(second);
            assert_eq!(first, [WAKE.0, 2], "{time:?}");
        }
    });
}

#[test]
fn a_deadline_that_has_passed_only_looks() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let now = Instant::now();
        let past = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        for deadline in [past, now] {
            poll.poll_until(&mut events, deadline).unwrap();
            assert!(events.is_empty());
            waker.wake().unwrap();
            poll.poll_until(&mut events, deadline).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
        }
    });
}

#[test]
fn a_deadline_is_never_missed_on_the_early_side() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut dice = Dice::new(2);
        for _ in 0..200 {
            let deadline = Instant::now() + Duration::from_nanos(dice.below(3_000_000));
            poll.poll_until(&mut events, deadline).unwrap();
            assert!(events.is_empty() && Instant::now() >= deadline);
        }
    });
}

#[test]
fn a_far_deadline_ends_with_an_event() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            let deadline = Instant::now() + Duration::from_secs(60 * 60 * 24 * 25);
            poll.poll_until(&mut events, deadline).unwrap();
            tokens(&events)
        });
        wait_until_asleep(poller.number);
        waker.wake().unwrap();
        assert_eq!(poller.join(), [WAKE.0]);
    });
}

/// Everything that makes the poller get up for nothing: registrations that change under it, and
/// rings of the doorbell for wakes that it has found already.
#[test]
fn a_poll_without_timeout_never_ends_without_events() {
    on_each_backend(|backend| {
        for capacity in [1, 16] {
            let mut poll = poll_of(backend);
            let registry = poll.registry().try_clone().unwrap();
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let over = Arc::clone(&is_over);
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(capacity);
                while !over.load(Ordering::Relaxed) {
                    poll.poll(&mut events, None).unwrap();
                    assert!(!events.is_empty(), "a poll without timeout found nothing");
                    assert!(tokens(&events).iter().all(|&token| token == WAKE.0));
                }
            });

            let mut dice = Dice::new(capacity as u64);
            let (_sender, mut receiver) = pipe::new().unwrap();
            for _ in 0..1_500 {
                // Never readable.
                registry
                    .register(&mut receiver, Token(5), Interest::READABLE)
                    .unwrap();
                dice.dawdle();
                registry
                    .reregister(&mut receiver, Token(6), Interest::READABLE)
                    .unwrap();
                if dice.below(2) == 0 {
                    waker.wake().unwrap();
                }
                dice.dawdle();
                registry.deregister(&mut receiver).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            waker.wake().unwrap();
            poller.join();
        }
    });
}

/// The same with a deadline: what makes the poller get up does not shorten its wait.
#[test]
fn registrations_that_change_neither_shorten_a_wait_nor_lengthen_it_for_ever() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let time = Duration::from_millis(100);
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            expect_full_wait(&mut poll, &mut events, time);
        });
        let (_sender, mut receiver) = pipe::new().unwrap();
        while !poller.thread.is_finished() {
            registry
                .register(&mut receiver, Token(5), Interest::READABLE)
                .unwrap();
            registry.deregister(&mut receiver).unwrap();
        }
        poller.join();
    });
}

#[test]
fn room_for_no_event_is_an_error_at_once() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let mut none = Events::with_capacity(0);
        waker.wake().unwrap();

        let past = Instant::now();
        let outcomes = [
            poll.poll(&mut none, None),
            poll.poll(&mut none, Some(Duration::ZERO)),
            poll.poll(&mut none, Some(PATIENCE)),
            poll.poll_until(&mut none, past),
        ];

        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        // And nothing was lost by it.
        assert_eq!(poll_now(&mut poll, &mut Events::with_capacity(1)), [WAKE.0]);
    });
}

#[test]
fn room_for_one_event_is_enough_for_all() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let wakers: Vec<_> = (100..120)
            .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
            .collect();
        let mut sockets: Vec<_> = (0..20)
            .map(|_| UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap())
            .collect();
        for (n, socket) in sockets.iter_mut().enumerate() {
            poll.registry()
                .register(socket, Token(n), Interest::WRITABLE)
                .unwrap();
        }
        wakers.iter().for_each(|waker| waker.wake().unwrap());

        let mut reported = Vec::new();
        while reported.len() < 40 {
            stress::poll_some(&mut poll, &mut events);
            assert_eq!(events.iter().count(), 1);
            reported.extend(tokens(&events));
        }

        reported.sort_unstable();
        let expected: Vec<usize> = (0..20).chain(100..120).collect();
        assert_eq!(reported, expected);
    });
}

#[test]
fn an_events_list_is_emptied_by_each_poll() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        Waker::new(poll.registry(), WAKE).unwrap().wake().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}
