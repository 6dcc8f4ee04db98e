//! A poll inside of another loop: its descriptor tells when there is something to poll for.
//!
//! On poll(2) the descriptor speaks for wakers only, as documented; so what concerns sources runs
//! on the backends that have a descriptor of their own.

#![cfg(all(unix, feature = "os-poll", feature = "os-ext"))]

#[path = "common/stress.rs"]
mod stress;

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use wakeful::unix::{pipe, SourceFd};
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use stress::{
    becomes_readable, is_readable, on_each_backend, poll_now, poll_of, poll_some, spawn_numbered,
    tokens, wait_until_asleep, Dice, PATIENCE,
};

const WAKE: Token = Token(1);
const PIPE: Token = Token(2);
const INNER: Token = Token(9);

/// Whether sources make the descriptor readable too.
fn speaks_for_sources(backend: Backend) -> bool {
    !emulates_edges(backend)
}

fn emulates_edges(backend: Backend) -> bool {
    matches!(backend, Backend::Poll | Backend::EventPorts)
}

fn watch(outer: &Poll, inner: RawFd) {
    outer
        .registry()
        .register(&mut SourceFd(&inner), INNER, Interest::READABLE)
        .unwrap();
}

/// A pipe whose receiver is registered.
fn watched_pipe(poll: &Poll, token: Token) -> (pipe::Sender, pipe::Receiver) {
    let (sender, mut receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut receiver, token, Interest::READABLE)
        .unwrap();
    (sender, receiver)
}

/// Polls without waiting until there is nothing more, as whoever nests a poll does.
fn drain(poll: &mut Poll, events: &mut Events) -> Vec<usize> {
    let mut all = Vec::new();
    loop {
        let some = poll_now(poll, events);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// Every way to get the descriptor.
const WAYS: [fn(&Poll) -> RawFd; 4] = [
    |poll| poll.as_raw_fd(),
    |poll| poll.as_fd().as_raw_fd(),
    |poll| poll.registry().as_raw_fd(),
    |poll| poll.registry().as_fd().as_raw_fd(),
];

#[test]
fn descriptor_becomes_readable_on_a_wake_however_it_was_got() {
    on_each_backend(|backend| {
        for way in WAYS {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let fd = way(&poll);
            assert!(!is_readable(fd));

            waker.wake().unwrap();

            assert!(is_readable(fd));
            assert_eq!(drain(&mut poll, &mut events), [WAKE.0]);
            assert!(!is_readable(fd), "nothing is left, so a loop would spin");
        }
    });
}

#[test]
fn descriptor_of_a_cloned_registry_is_the_polls() {
    on_each_backend(|backend| {
        let poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let fd = poll.registry().try_clone().unwrap().as_raw_fd();

        waker.wake().unwrap();

        assert!(is_readable(fd));
    });
}

#[test]
fn wake_before_the_descriptor_was_asked_for_shows() {
    on_each_backend(|backend| {
        for way in WAYS {
            let poll = poll_of(backend);
            let waker = Waker::new(poll.registry(), WAKE).unwrap();

            waker.wake().unwrap();

            assert!(is_readable(way(&poll)));
        }
    });
}

#[test]
fn events_left_behind_before_the_descriptor_was_asked_for_show() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let wakers = [1, 2, 3].map(|n| Waker::new(poll.registry(), Token(n)).unwrap());
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        assert_eq!(poll_now(&mut poll, &mut events), [1]);

        let fd = poll.as_raw_fd();

        assert!(is_readable(fd));
        assert_eq!(drain(&mut poll, &mut events), [2, 3]);
    });
}

#[test]
fn each_wake_shows_anew() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let fd = poll.as_raw_fd();
        for _ in 0..1000 {
            waker.wake().unwrap();
            waker.wake().unwrap();
            assert!(is_readable(fd));
            assert_eq!(drain(&mut poll, &mut events), [WAKE.0]);
            assert!(!is_readable(fd));
        }
    });
}

#[test]
fn sources_make_the_descriptor_readable() {
    on_each_backend(|backend| {
        if !speaks_for_sources(backend) {
            return;
        }
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = watched_pipe(&poll, PIPE);
        let fd = poll.as_raw_fd();
        for _ in 0..100 {
            assert!(!is_readable(fd));
            sender.write_all(b"x").unwrap();
            assert!(is_readable(fd));
            assert_eq!(drain(&mut poll, &mut events), [PIPE.0]);
            receiver.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn what_did_not_fit_keeps_the_descriptor_readable() {
    on_each_backend(|backend| {
        for capacity in 1..4 {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let wakers = [1, 2, 3, 4, 5].map(|n| Waker::new(poll.registry(), Token(n)).unwrap());
            let fd = poll.as_raw_fd();
            for _ in 0..20 {
                wakers.iter().for_each(|waker| waker.wake().unwrap());
                let mut reported = Vec::new();
                while reported.len() < wakers.len() {
                    assert!(is_readable(fd), "after {reported:?} at capacity {capacity}");
                    reported.extend(poll_now(&mut poll, &mut events));
                }
                assert_eq!(reported, [1, 2, 3, 4, 5]);
                assert_eq!(drain(&mut poll, &mut events), []);
                assert!(!is_readable(fd));
            }
        }
    });
}

/// Whoever nests a poll goes back to his own loop when a poll finds nothing. What was ready then
/// would be lost to an edge-triggered loop.
#[test]
fn a_poll_that_finds_nothing_has_left_nothing() {
    on_each_backend(|backend| {
        for capacity in 1..5 {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let wakers = [11, 12, 13].map(|n| Waker::new(poll.registry(), Token(n)).unwrap());
            let mut pipes: Vec<_> = (0..3).map(|n| watched_pipe(&poll, Token(n))).collect();
            let _fd = poll.as_raw_fd();
            let mut dice = Dice::new(capacity as u64);
            for round in 0..500 {
                let mut expected: Vec<usize> = Vec::new();
                for _ in 0..dice.below(7) {
                    let number = dice.below(6) as usize;
                    let token = [11, 12, 13, 0, 1, 2][number];
                    if expected.contains(&token) {
                        continue;
                    }
                    expected.push(token);
                    match number {
                        0..=2 => wakers[number].wake().unwrap(),
                        _ => pipes[token].0.write_all(b"x").unwrap(),
                    }
                    // Sometimes all at once, sometimes with polls in between.
                    if dice.below(3) == 0 {
                        let reported = poll_now(&mut poll, &mut events);
                        read_all(&mut pipes, &reported);
                        expected.retain(|token| !reported.contains(token));
                    }
                }

                let mut reported = drain(&mut poll, &mut events);
                read_all(&mut pipes, &reported);

                reported.sort_unstable();
                expected.sort_unstable();
                let what = "what is still ready";
                assert_eq!(reported, expected, "{what}, round {round}, {capacity}");
            }
        }
    });
}

/// Empties the pipes among the tokens.
fn read_all(pipes: &mut [(pipe::Sender, pipe::Receiver)], tokens: &[usize]) {
    for &token in tokens.iter().filter(|&&token| token < 11) {
        let mut room = [0; 8];
        // Short, so the pipe is known to be empty.
        assert_eq!(pipes[token].1.read(&mut room).unwrap(), 1);
    }
}

#[test]
fn others_that_wait_for_the_descriptor_are_woken() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let (sender, rounds) = mpsc::channel();
        let waiting = spawn_numbered(move || {
            let fd = poll.as_raw_fd();
            for _ in 0..200 {
                sender.send(()).unwrap();
                assert!(becomes_readable(fd, PATIENCE));
                assert_eq!(drain(&mut poll, &mut events), [WAKE.0]);
            }
        });
        while rounds.recv().is_ok() {
            wait_until_asleep(waiting.number);
            waker.wake().unwrap();
        }
        waiting.join();
    });
}

/// Another thread asks for the descriptor while the poll sleeps, or gets up, or lies down.
#[test]
fn the_descriptor_may_be_asked_for_at_any_moment() {
    on_each_backend(|backend| {
        for round in 0..200 {
            let mut poll = poll_of(backend);
            let registry = poll.registry().try_clone().unwrap();
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let last = Waker::new(poll.registry(), Token(0)).unwrap();
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(1);
                let mut reported = 0;
                loop {
                    poll_some(&mut poll, &mut events);
                    if tokens(&events) == [0] {
                        // The poll itself notices later wakes, and so do those who watch it.
                        return (poll, reported);
                    }
                    reported += 1;
                }
            });
            let mut dice = Dice::new(round);
            dice.dawdle();
            waker.wake().unwrap();
            dice.dawdle();
            let fd = registry.as_raw_fd();
            waker.wake().unwrap();
            last.wake().unwrap();

            let (mut poll, reported) = poller.join();
            assert!(reported >= 1);
            assert_eq!(drain(&mut poll, &mut Events::with_capacity(1)), []);
            waker.wake().unwrap();
            assert!(is_readable(fd));
        }
    });
}

#[test]
fn an_outer_poll_reports_the_inner_one() {
    on_each_backend(|inner_backend| {
        on_each_backend(|outer_backend| {
            let (mut inner, mut outer) = (poll_of(inner_backend), poll_of(outer_backend));
            let (mut inner_events, mut outer_events) =
                (Events::with_capacity(4), Events::with_capacity(4));
            let waker = Waker::new(inner.registry(), WAKE).unwrap();
            let (mut sender, mut receiver) = watched_pipe(&inner, PIPE);
            watch(&outer, inner.as_raw_fd());

            // An outer poll that emulates edges cannot see that the inner poll was drained and takes its time.
            let rounds = if emulates_edges(outer_backend) { 5 } else { 50 };
            for _ in 0..rounds {
                waker.wake().unwrap();
                poll_some(&mut outer, &mut outer_events);
                assert_eq!(tokens(&outer_events), [INNER.0]);
                assert_eq!(drain(&mut inner, &mut inner_events), [WAKE.0]);

                if speaks_for_sources(inner_backend) {
                    sender.write_all(b"x").unwrap();
                    poll_some(&mut outer, &mut outer_events);
                    assert_eq!(tokens(&outer_events), [INNER.0]);
                    assert_eq!(drain(&mut inner, &mut inner_events), [PIPE.0]);
                    receiver.read_exact(&mut [0]).unwrap();
                }
            }
        });
    });
}

/// The outer loop is edge-triggered and drains the inner poll at each event, no more.
#[test]
fn no_wake_of_a_nested_poll_is_lost() {
    const THREADS: usize = 3;

    on_each_backend(|inner_backend| {
        on_each_backend(|outer_backend| {
            for capacity in [1, 8] {
                // An outer poll that emulates edges cannot see that the inner poll was drained and takes its time.
                let wakes = if emulates_edges(outer_backend) {
                    200
                } else {
                    3_000
                };
                let (mut inner, mut outer) = (poll_of(inner_backend), poll_of(outer_backend));
                let mut inner_events = Events::with_capacity(capacity);
                let mut outer_events = Events::with_capacity(capacity);
                watch(&outer, inner.as_raw_fd());
                let published: Arc<[AtomicUsize; THREADS]> = Arc::default();
                let threads: Vec<_> = (0..THREADS)
                    .map(|number| {
                        let waker = Waker::new(inner.registry(), Token(number)).unwrap();
                        let published = Arc::clone(&published);
                        thread::spawn(move || {
                            let mut dice = Dice::new(number as u64);
                            for n in 1..=wakes {
                                published[number].store(n, Ordering::Relaxed);
                                waker.wake().unwrap();
                                dice.dawdle();
                            }
                        })
                    })
                    .collect();

                let mut seen = [0; THREADS];
                while seen.iter().any(|&n| n < wakes) {
                    poll_some(&mut outer, &mut outer_events);
                    for number in drain(&mut inner, &mut inner_events) {
                        seen[number] = published[number].load(Ordering::Relaxed);
                    }
                }
                threads
                    .into_iter()
                    .for_each(|thread| thread.join().unwrap());
            }
        });
    });
}

#[test]
fn three_polls_deep_a_wake_reaches_the_outermost() {
    let chain = [Backend::Epoll; 3];
    if !chain
        .iter()
        .all(|backend| Backend::available().contains(backend))
    {
        return;
    }
    let [mut inner, mut middle, mut outer] = chain.map(poll_of);
    watch(&outer, middle.as_raw_fd());
    watch(&middle, inner.as_raw_fd());
    let waker = Waker::new(inner.registry(), WAKE).unwrap();
    let mut events = Events::with_capacity(1);
    for _ in 0..100 {
        waker.wake().unwrap();
        poll_some(&mut outer, &mut events);
        assert_eq!(drain(&mut middle, &mut events), [INNER.0]);
        assert_eq!(drain(&mut inner, &mut events), [WAKE.0]);
    }
}

#[test]
fn a_nested_poll_can_still_wait_by_itself() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let _fd = poll.as_raw_fd();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        // Stale rings of the bell do not end a wait without events.
        waker.wake().unwrap();
        assert_eq!(drain(&mut poll, &mut events), [WAKE.0]);
        let poller = spawn_numbered(move || {
            poll.poll(&mut events, Some(PATIENCE)).unwrap();
            tokens(&events)
        });
        wait_until_asleep(poller.number);
        waker.wake().unwrap();
        assert_eq!(poller.join(), [WAKE.0]);
    });
}

#[test]
fn waits_of_a_nested_poll_last_as_long_as_others() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let _fd = poll.as_raw_fd();
        let time = Duration::from_millis(3);
        let start = std::time::Instant::now();
        poll.poll(&mut events, Some(time)).unwrap();
        assert!(events.is_empty() && start.elapsed() >= time);
    });
}
