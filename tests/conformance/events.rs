//! E: events, their room, and whose turn it is.

use std::io::Write;
use std::time::{Duration, Instant};

use wakeful::event::{Event, Readiness};
use wakeful::net::UdpSocket;
use wakeful::time::Timer;
use wakeful::{channel, user, Events, Interest, Poll, Token, Waker};

use crate::common::expect_event;
use crate::stress::{
    self, on_each_backend, poll_now, poll_of, poll_some, tokens, wait_until_readable, PATIENCE,
};
use crate::subjects::{subjects, tcp_pair};
use crate::{pipe, FIRST as WAKE, SECOND};

fn wakers(poll: &Poll, tokens: impl IntoIterator<Item = usize>) -> Vec<Waker> {
    tokens
        .into_iter()
        .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
        .collect()
}

/// A source whose other end has room, watched: registering it anew reports it anew.
fn always_ready(poll: &Poll, token: usize) -> (pipe::Sender, pipe::Receiver) {
    let (mut sender, receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut sender, Token(token), Interest::WRITABLE)
        .unwrap();
    (sender, receiver)
}

#[test]
fn e1_room_for_one_event_is_enough_for_all() {
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
fn e1_an_events_list_is_emptied_by_each_poll() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        Waker::new(poll.registry(), WAKE).unwrap().wake().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn e2_neither_wakers_nor_sources_starve() {
    const POLLS: usize = 600;

    on_each_backend(|backend| {
        for capacity in [1, 2, 3] {
            for (number_of_wakers, number_of_sources) in [(1, 1), (4, 1), (1, 4), (4, 4)] {
                let mut poll = poll_of(backend);
                let mut events = Events::with_capacity(capacity);
                let wakers = wakers(&poll, 0..number_of_wakers);
                let mut sources: Vec<_> = (0..number_of_sources)
                    .map(|n| always_ready(&poll, number_of_wakers + n))
                    .collect();
                wakers.iter().for_each(|waker| waker.wake().unwrap());

                // Whatever was reported is ready again at once.
                let mut reported = vec![0; number_of_wakers + number_of_sources];
                for _ in 0..POLLS {
                    poll_some(&mut poll, &mut events);
                    assert!(tokens(&events).len() <= capacity);
                    for token in tokens(&events) {
                        reported[token] += 1;
                        match token.checked_sub(number_of_wakers) {
                            None => wakers[token].wake().unwrap(),
                            Some(n) => poll
                                .registry()
                                .reregister(&mut sources[n].0, Token(token), Interest::WRITABLE)
                                .unwrap(),
                        }
                    }
                }

                // A quarter of the even share leaves room for any reasonable order.
                let share = POLLS / (number_of_wakers + number_of_sources) / 4;
                assert!(
                    reported.iter().all(|&n| n >= share),
                    "{reported:?} of {number_of_wakers} wakers and {number_of_sources} sources"
                );
            }
        }
    });
}

/// With room for one event, the sources that are ready all the time take turns.
#[test]
fn e2_level_sources_of_all_kinds_take_turns() {
    on_each_backend(|backend| {
        for capacity in [1, 2, 5] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let mut subjects = subjects();
            for (token, subject) in subjects.iter_mut().enumerate() {
                subject.make_ready();
                wait_until_readable(subject.source());
                let level = Interest::READABLE.level();
                poll.registry()
                    .register(subject.source(), Token(token), level)
                    .unwrap();
            }

            let mut reported = vec![0; subjects.len()];
            let (mut polls, start) = (0, Instant::now());
            // Ten even shares at least, halved for the two origins, and halved again for any order. A host of WASI may have to
            // run first, which the poll lets it do in a while.
            let has_all = |reported: &[u32]| reported.iter().all(|&times| times >= 2);
            let waits_for_host = |reported: &[u32]| {
                cfg!(target_family = "wasm") && !has_all(reported) && start.elapsed() < PATIENCE
            };
            while polls < subjects.len() * 10 || waits_for_host(&reported) {
                polls += 1;
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert!(!events.is_empty());
                for event in &events {
                    reported[event.token().0] += 1;
                }
            }
            assert!(has_all(&reported), "{reported:?}");
        }
    });
}

/// One source of each origin, all of them ready all the time.
#[test]
fn e2_sources_wakers_channels_and_timers_take_turns_at_capacity_one() {
    const POLLS: usize = 500;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let registry = poll.registry().try_clone().unwrap();
        let level = Interest::READABLE.level();
        let waker = Waker::new(&registry, Token(0)).unwrap();
        let (mut stream, _peer) = tcp_pair();
        registry
            .register(&mut stream, Token(1), Interest::WRITABLE.level())
            .unwrap();
        let (mut source, readiness) = user::source();
        registry.register(&mut source, Token(2), level).unwrap();
        readiness.set(Readiness::READABLE).unwrap();
        let (sender, mut receiver) = channel::channel();
        registry.register(&mut receiver, Token(3), level).unwrap();
        sender.send(()).unwrap();
        let mut timer = Timer::every(Duration::ZERO);
        registry.register(&mut timer, Token(4), level).unwrap();

        let mut reported = [0; 5];
        for _ in 0..POLLS {
            waker.wake().unwrap();
            poll_some(&mut poll, &mut events);
            let tokens = tokens(&events);
            assert_eq!(tokens.len(), 1);
            reported[tokens[0]] += 1;
        }
        // A quarter of the even share leaves room for any reasonable order.
        assert!(reported.iter().all(|&n| n >= POLLS / 5 / 4), "{reported:?}");
    });
}

/// Cleared, cancelled, deregistered: still in the queue perhaps, and in nobody's way.
#[test]
fn e3_what_was_called_back_takes_no_turn_and_no_room() {
    on_each_backend(|backend| {
        for capacity in [1, 2] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let registry = poll.registry().try_clone().unwrap();
            let (mut source, readiness) = user::source();
            let (mut gone, readiness_of_gone) = user::source();
            let mut timer = Timer::new();
            registry
                .register(&mut source, SECOND, Interest::READABLE)
                .unwrap();
            registry
                .register(&mut timer, SECOND, Interest::READABLE)
                .unwrap();
            let wakers = wakers(&poll, 0..capacity);
            for _ in 0..10 {
                registry
                    .register(&mut gone, SECOND, Interest::READABLE)
                    .unwrap();
                readiness_of_gone.set(Readiness::READABLE).unwrap();
                registry.deregister(&mut gone).unwrap();
                readiness.set(Readiness::READABLE).unwrap();
                readiness.clear(Readiness::READABLE);
                timer.set_at(Instant::now());
                timer.cancel();
                wakers.iter().for_each(|waker| waker.wake().unwrap());
                let expected: Vec<_> = (0..capacity).collect();
                assert_eq!(poll_now(&mut poll, &mut events), expected);
                assert_eq!(poll_now(&mut poll, &mut events), []);
            }
        }
    });
}

#[test]
fn e4_adaptive_events_double_when_they_were_full_up_to_their_most() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(1..=6));
        let wakers = wakers(&poll, 0..40);
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
fn e5_adaptive_events_grow_with_what_the_kernel_reports() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(2..=64));
        let mut pipes: Vec<_> = (0..10).map(|_| pipe::new().unwrap()).collect();
        for (n, (sender, receiver)) in pipes.iter_mut().enumerate() {
            poll.registry()
                .register(receiver, Token(n), Interest::READABLE.level())
                .unwrap();
            sender.write_all(b"x").unwrap();
        }
        // All of them have arrived, and stay.
        let mut others = Events::with_capacity(64);
        for n in 0..10 {
            expect_event(&mut poll, &mut others, Token(n), Event::is_readable);
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
fn e4_adaptive_events_grow_also_if_they_were_cleared() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::adaptive(1..=8));
        let wakers = wakers(&poll, 0..2);
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        assert_eq!(poll_now(&mut poll, &mut events), [0]);
        events.clear();
        assert_eq!(poll_now(&mut poll, &mut events), [1]);
        assert_eq!(events.capacity(), 2);
    });
}

#[test]
fn e5_events_tell_whether_they_were_filled() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(3));
        let wakers = wakers(&poll, 0..4);
        for (woken, is_saturated) in [(0, false), (2, false), (3, true), (4, true)] {
            wakers[..woken]
                .iter()
                .for_each(|waker| waker.wake().unwrap());
            poll_now(&mut poll, &mut events);
            assert_eq!(events.is_saturated(), is_saturated, "{woken}");
            while !poll_now(&mut poll, &mut events).is_empty() {}
        }
    });
}
