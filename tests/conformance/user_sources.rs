//! U: sources whose readiness the program sets itself.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use wakeful::event::Readiness;
use wakeful::user::{self, SetReadiness, Source};
use wakeful::{Backend, Events, Interest, Poll, Token};

use crate::common::assert_kind;
use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep, Dice,
    PATIENCE,
};
use crate::{FIRST, SECOND};

const READABLE: Readiness = Readiness::READABLE;
const WRITABLE: Readiness = Readiness::WRITABLE;

/// A source that is registered under FIRST.
#[track_caller]
fn registered(poll: &Poll, interest: Interest) -> (Source, SetReadiness) {
    let (mut source, readiness) = user::source();
    poll.registry()
        .register(&mut source, FIRST, interest)
        .unwrap();
    (source, readiness)
}

/// What a poll that only looks reports, token by token.
#[track_caller]
fn look(poll: &mut Poll, events: &mut Events) -> Vec<(Token, Readiness)> {
    poll_now(poll, events);
    events
        .iter()
        .map(|event| (event.token(), event.readiness()))
        .collect()
}

fn both() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

fn room_for(capacity: usize, backend: Backend) -> (Poll, Events) {
    (poll_of(backend), Events::with_capacity(capacity))
}

#[test]
fn u5_what_nobody_asked_for_is_kept_until_somebody_does() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (mut source, readiness) = registered(&poll, Interest::READABLE);
        readiness.set(WRITABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events), []);
        assert_eq!(poll.metrics().wakes, 0);

        poll.registry()
            .reregister(&mut source, FIRST, both())
            .unwrap();
        assert_eq!(look(&mut poll, &mut events), [(FIRST, WRITABLE)]);
    });
}

#[test]
fn u2_sets_before_a_poll_are_one_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, both());
        for _ in 0..1000 {
            readiness.set(READABLE).unwrap();
            readiness.clone().set(WRITABLE).unwrap();
        }
        let event = (FIRST, READABLE | WRITABLE);
        assert_eq!(look(&mut poll, &mut events), [event]);
        assert_eq!(look(&mut poll, &mut events), []);
        let metrics = poll.metrics();
        assert_eq!((metrics.wakes, metrics.coalesced), (2000, 1999));
        assert_eq!(metrics.doorbells, 0);
    });
}

/// An edge is a set, not a change: nothing is missed by whoever did not clear.
#[test]
fn u2_what_is_set_again_is_reported_again_with_the_rest() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, both());
        readiness.set(READABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);
        readiness.set(WRITABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE | WRITABLE)]);
        readiness.set(READABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE | WRITABLE)]);
    });
}

#[test]
fn u3_what_is_cleared_before_the_poll_is_called_back() {
    on_each_backend(|backend| {
        for interest in [both(), both().level(), both().oneshot()] {
            let (mut poll, mut events) = room_for(8, backend);
            let (_source, readiness) = registered(&poll, interest);
            readiness.set(READABLE | WRITABLE).unwrap();
            readiness.clear(READABLE);
            assert_eq!(readiness.readiness(), WRITABLE);
            assert_eq!(look(&mut poll, &mut events), [(FIRST, WRITABLE)]);

            readiness.set(READABLE).unwrap();
            readiness.clear(READABLE | WRITABLE);
            assert_eq!(look(&mut poll, &mut events), []);
        }
    });
}

/// The one-shot is not spent by an event that nobody saw.
#[test]
fn m5_what_is_called_back_spends_no_one_shot() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, Interest::READABLE.oneshot());
        readiness.set(READABLE).unwrap();
        readiness.clear(READABLE);
        assert_eq!(look(&mut poll, &mut events), []);
        readiness.set(READABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);
    });
}

#[test]
fn u1_what_is_set_before_the_registration_is_reported_after_it() {
    on_each_backend(|backend| {
        for interest in [both(), both().level(), both().oneshot()] {
            let (mut poll, mut events) = room_for(8, backend);
            let (mut source, readiness) = user::source();
            readiness.set(READABLE | WRITABLE).unwrap();
            readiness.clear(WRITABLE);
            poll.registry()
                .register(&mut source, FIRST, interest)
                .unwrap();
            assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);
        }
    });
}

#[test]
fn u5_a_source_moves_to_another_poll_with_what_is_set() {
    on_each_backend(|from| {
        on_each_backend(|to| {
            let (mut here, mut events) = room_for(8, from);
            let mut there = poll_of(to);
            let (mut source, readiness) = registered(&here, Interest::READABLE.level());
            readiness.set(READABLE).unwrap();
            assert_eq!(look(&mut here, &mut events), [(FIRST, READABLE)]);

            here.registry().deregister(&mut source).unwrap();
            there
                .registry()
                .register(&mut source, SECOND, Interest::READABLE)
                .unwrap();

            assert_eq!(look(&mut here, &mut events), []);
            assert_eq!(look(&mut there, &mut events), [(SECOND, READABLE)]);
            readiness.set(READABLE).unwrap();
            assert_eq!(look(&mut here, &mut events), []);
            assert_eq!(look(&mut there, &mut events), [(SECOND, READABLE)]);
        });
    });
}

#[test]
fn l2_a_source_outlives_its_poll_and_can_be_registered_with_another() {
    on_each_backend(|backend| {
        let (poll, mut events) = room_for(8, backend);
        let (mut source, readiness) = registered(&poll, Interest::READABLE);
        readiness.set(READABLE).unwrap();
        drop(poll);

        // Sets nobody sees, and that go nowhere but into the source.
        readiness.set(WRITABLE).unwrap();
        readiness.clear(READABLE);
        assert_eq!(readiness.readiness(), WRITABLE);

        let mut poll = poll_of(backend);
        assert_kind(poll.registry().deregister(&mut source), ErrorKind::NotFound);
        poll.registry()
            .register(&mut source, SECOND, both())
            .unwrap();
        assert_eq!(look(&mut poll, &mut events), [(SECOND, WRITABLE)]);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn u1_a_set_from_another_thread_ends_a_wait() {
    on_each_backend(|backend| {
        for interest in [both(), both().level(), both().oneshot()] {
            for _ in 0..30 {
                let mut poll = poll_of(backend);
                let (source, readiness) = registered(&poll, interest);
                let poller = spawn_numbered(move || {
                    let mut events = Events::with_capacity(8);
                    poll.poll(&mut events, Some(PATIENCE)).unwrap();
                    drop(source);
                    (tokens(&events), poll.metrics().doorbells)
                });
                wait_until_asleep(poller.number);
                readiness.set(READABLE).unwrap();
                readiness.set(WRITABLE).unwrap();
                let (tokens, doorbells) = poller.join();
                assert_eq!(tokens, [FIRST.0]);
                assert!(doorbells <= 1, "{doorbells} doorbells");
            }
        }
    });
}

/// Another flag is set in the midst of the delivery of the first, more or less; then nobody sets until
/// the poll has reported it. Were it lost, both would wait for ever.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn u4_what_is_set_during_a_delivery_is_reported() {
    const ROUNDS: usize = 3_000;

    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, both());
        let seen = Arc::new(AtomicUsize::new(0));
        let setter = thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                let mut dice = Dice::new(3);
                for round in 1..=ROUNDS {
                    readiness.set(READABLE).unwrap();
                    // About as long as it takes until the poll delivers.
                    (0..dice.below(300)).for_each(|_| std::hint::spin_loop());
                    readiness.set(WRITABLE).unwrap();
                    while seen.load(Ordering::SeqCst) < round {
                        thread::yield_now();
                    }
                    readiness.clear(READABLE | WRITABLE);
                    seen.store(0, Ordering::SeqCst);
                }
            }
        });
        for round in 1..=ROUNDS {
            loop {
                poll_some(&mut poll, &mut events);
                let event = events.iter().next().unwrap();
                if event.is_writable() {
                    break;
                }
                assert!(event.is_readable());
            }
            seen.store(round, Ordering::SeqCst);
            // Cleared, so what comes next belongs to the next round.
            while round < ROUNDS && seen.load(Ordering::SeqCst) != 0 {
                thread::yield_now();
            }
        }
        setter.join().unwrap();
    });
}

#[test]
fn u4_what_is_set_in_the_end_is_reported_and_what_is_not_is_not() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, both().level());
        let mut dice = Dice::new(9);
        for _ in 0..500 {
            for _ in 0..dice.below(6) {
                let flag = [READABLE, WRITABLE][dice.below(2) as usize];
                match dice.below(2) {
                    0 => readiness.set(flag).unwrap(),
                    _ => readiness.clear(flag),
                }
            }
            let set = readiness.readiness();
            let expected = if set.is_empty() {
                vec![]
            } else {
                vec![(FIRST, set)]
            };
            assert_eq!(look(&mut poll, &mut events), expected);
        }
    });
}
