//! What user-space sources promise, on every backend: what was set is reported until it is cleared,
//! whoever sets it and whenever.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]

mod common;
#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/stress.rs"]
mod stress;

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;

use proptest::prelude::*;

use wakeful::event::Readiness;
use wakeful::user::{self, SetReadiness, Source};
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use common::assert_kind;
use stress::{
    on_each_backend, poll_now, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep,
    wait_until_readable, Dice, PATIENCE,
};

const FIRST: Token = Token(11);
const SECOND: Token = Token(22);
const READABLE: Readiness = Readiness::READABLE;
const WRITABLE: Readiness = Readiness::WRITABLE;

/// A source that is registered for reading under FIRST.
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
fn what_is_set_is_reported_once() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, Interest::READABLE);
        assert_eq!(look(&mut poll, &mut events), []);
        for _ in 0..3 {
            readiness.set(READABLE).unwrap();
            assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);
            assert_eq!(look(&mut poll, &mut events), []);
            assert_eq!(readiness.readiness(), READABLE);
        }
    });
}

#[test]
fn each_flag_is_reported_as_it_was_set() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let interest = both() | Interest::PRIORITY;
    // Nobody can ask for it elsewhere, so it is not told.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let interest = both();
    let flags = [
        READABLE,
        WRITABLE,
        Readiness::PRIORITY,
        Readiness::ERROR,
        Readiness::READ_CLOSED,
        Readiness::WRITE_CLOSED,
        READABLE | Readiness::READ_CLOSED,
        WRITABLE | Readiness::ERROR | Readiness::WRITE_CLOSED,
    ];
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, interest);
        for flag in flags {
            readiness.set(flag).unwrap();
            if flag == Readiness::PRIORITY && interest == both() {
                assert_eq!(look(&mut poll, &mut events), []);
            } else {
                assert_eq!(look(&mut poll, &mut events), [(FIRST, flag)]);
            }
            readiness.clear(flag);
            assert_eq!(look(&mut poll, &mut events), []);
        }
    });
}

#[test]
fn closing_and_errors_are_told_unasked() {
    on_each_backend(|backend| {
        for flag in [
            Readiness::READ_CLOSED,
            Readiness::WRITE_CLOSED,
            Readiness::ERROR,
        ] {
            for interest in [Interest::READABLE, Interest::WRITABLE] {
                let (mut poll, mut events) = room_for(8, backend);
                let (_source, readiness) = registered(&poll, interest);
                readiness.set(flag).unwrap();
                assert_eq!(look(&mut poll, &mut events), [(FIRST, flag)]);
            }
        }
    });
}

#[test]
fn level_reports_what_is_set_until_it_is_cleared() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (_source, readiness) = registered(&poll, both().level());
        readiness.set(READABLE | WRITABLE).unwrap();
        for _ in 0..5 {
            let event = (FIRST, READABLE | WRITABLE);
            assert_eq!(look(&mut poll, &mut events), [event]);
        }
        readiness.clear(READABLE);
        for _ in 0..5 {
            assert_eq!(look(&mut poll, &mut events), [(FIRST, WRITABLE)]);
        }
        readiness.clear(WRITABLE);
        for _ in 0..5 {
            assert_eq!(look(&mut poll, &mut events), []);
        }
    });
}

#[test]
fn reregistration_reports_what_is_set_under_the_new_token() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (mut source, readiness) = registered(&poll, both());
        let registry = poll.registry().try_clone().unwrap();
        // Queued under the old token and not reported yet: there is one event, under the new one.
        readiness.set(READABLE | WRITABLE).unwrap();
        registry
            .reregister(&mut source, SECOND, Interest::WRITABLE)
            .unwrap();
        assert_eq!(look(&mut poll, &mut events), [(SECOND, WRITABLE)]);
        assert_eq!(look(&mut poll, &mut events), []);

        // Reported already: anew.
        registry.reregister(&mut source, FIRST, both()).unwrap();
        let event = (FIRST, READABLE | WRITABLE);
        assert_eq!(look(&mut poll, &mut events), [event]);
        assert_eq!(look(&mut poll, &mut events), []);

        // Not set: nothing.
        readiness.clear(READABLE | WRITABLE);
        registry.reregister(&mut source, SECOND, both()).unwrap();
        assert_eq!(look(&mut poll, &mut events), []);
    });
}

#[test]
fn a_source_that_is_deregistered_or_dropped_reports_nothing_that_was_queued() {
    on_each_backend(|backend| {
        for interest in [both(), both().level(), both().oneshot()] {
            let (mut poll, mut events) = room_for(8, backend);
            let (mut source, readiness) = registered(&poll, interest);
            readiness.set(READABLE).unwrap();
            poll.registry().deregister(&mut source).unwrap();
            assert_eq!(look(&mut poll, &mut events), []);
            readiness.set(READABLE).unwrap();
            assert_eq!(look(&mut poll, &mut events), []);

            poll.registry()
                .register(&mut source, SECOND, interest)
                .unwrap();
            drop(source);
            assert_eq!(look(&mut poll, &mut events), []);
            readiness.set(READABLE).unwrap();
            assert_eq!(look(&mut poll, &mut events), []);
        }
    });
}

/// Queued for the first registration and for the second: the first entry is stale, and there is one event.
#[test]
fn a_source_that_is_registered_anew_is_reported_once() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (mut source, readiness) = registered(&poll, Interest::READABLE);
        for _ in 0..10 {
            readiness.set(READABLE).unwrap();
            poll.registry().deregister(&mut source).unwrap();
            poll.registry()
                .register(&mut source, SECOND, Interest::READABLE)
                .unwrap();
        }
        assert_eq!(look(&mut poll, &mut events), [(SECOND, READABLE)]);
        assert_eq!(look(&mut poll, &mut events), []);
    });
}

#[test]
fn a_handle_outlives_its_source() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let (source, readiness) = registered(&poll, Interest::READABLE.level());
        let other = readiness.clone();
        drop(source);
        other.set(READABLE).unwrap();
        assert_eq!(readiness.readiness(), READABLE);
        assert_eq!(look(&mut poll, &mut events), []);
    });
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(8, backend);
        let other = poll_of(backend);
        let (mut source, readiness) = user::source();
        let interest = Interest::READABLE.level();
        let (ours, theirs) = (poll.registry().try_clone().unwrap(), other.registry());

        assert_kind(
            ours.reregister(&mut source, FIRST, interest),
            ErrorKind::NotFound,
        );
        assert_kind(ours.deregister(&mut source), ErrorKind::NotFound);

        ours.register(&mut source, FIRST, interest).unwrap();
        readiness.set(READABLE).unwrap();
        for registry in [&ours, theirs] {
            assert_kind(
                registry.register(&mut source, SECOND, both()),
                ErrorKind::AlreadyExists,
            );
            assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);
        }
        assert_kind(
            theirs.reregister(&mut source, SECOND, both()),
            ErrorKind::AlreadyExists,
        );
        assert_kind(theirs.deregister(&mut source), ErrorKind::AlreadyExists);
        assert_eq!(look(&mut poll, &mut events), [(FIRST, READABLE)]);

        ours.deregister(&mut source).unwrap();
        assert_kind(ours.deregister(&mut source), ErrorKind::NotFound);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn a_registration_of_what_is_set_ends_a_wait() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let (report, reported) = mpsc::channel();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            for _ in 0..2 {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                report.send(tokens(&events)).unwrap();
            }
        });
        let (mut source, readiness) = user::source();
        readiness.set(READABLE).unwrap();
        wait_until_asleep(poller.number);
        registry
            .register(&mut source, FIRST, Interest::READABLE)
            .unwrap();
        assert_eq!(reported.recv().unwrap(), [FIRST.0]);
        wait_until_asleep(poller.number);
        registry
            .reregister(&mut source, SECOND, Interest::READABLE)
            .unwrap();
        assert_eq!(reported.recv().unwrap(), [SECOND.0]);
        poller.join();
    });
}

/// Whatever others do in between: when all is over, what is set is reported and what is cleared is not.
fn hammer(backend: Backend, interest: Interest, capacity: usize) {
    const THREADS: usize = 4;
    const STEPS: usize = 3_000;

    let (mut poll, mut events) = room_for(capacity, backend);
    let (_source, readiness) = registered(&poll, interest);
    let barrier = Arc::new(Barrier::new(THREADS));
    let finished = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(Waker::new(poll.registry(), SECOND).unwrap());
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let readiness = readiness.clone();
            let barrier = Arc::clone(&barrier);
            let finished = Arc::clone(&finished);
            let (ended, done) = (Arc::clone(&ended), Arc::clone(&done));
            thread::spawn(move || {
                let mut dice = Dice::new(number as u64);
                barrier.wait();
                for _ in 0..STEPS {
                    let flag = [READABLE, WRITABLE][dice.below(2) as usize];
                    if dice.below(2) == 0 {
                        readiness.set(flag).unwrap();
                    } else {
                        readiness.clear(flag);
                    }
                    dice.dawdle();
                }
                // The last one says what remains.
                if ended.fetch_add(1, Ordering::SeqCst) == THREADS - 1 {
                    readiness.clear(READABLE);
                    readiness.set(WRITABLE).unwrap();
                    finished.store(true, Ordering::SeqCst);
                    done.wake().unwrap();
                }
            })
        })
        .collect();

    let is_over = |events: &Events| events.iter().any(|event| event.token() == SECOND);
    // The final state was set before the final wake, so its event comes with that, before it, or,
    // if there is no room, after it.
    let mut last = Readiness::EMPTY;
    loop {
        poll_some(&mut poll, &mut events);
        for event in events.iter().filter(|event| event.token() == FIRST) {
            let flags = event.readiness();
            assert!(!flags.is_empty() && (READABLE | WRITABLE).contains(flags));
            last = flags;
        }
        if is_over(&events) {
            assert!(finished.load(Ordering::SeqCst));
            break;
        }
    }
    for (token, flags) in look(&mut poll, &mut events) {
        assert_eq!(token, FIRST);
        last = flags;
    }
    assert!(
        last.is_writable(),
        "the last set was not reported: {last:?}"
    );
    assert_eq!(readiness.readiness(), WRITABLE);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    if interest.is_level() {
        assert_eq!(look(&mut poll, &mut events), [(FIRST, WRITABLE)]);
        readiness.clear(WRITABLE);
    }
    assert_eq!(look(&mut poll, &mut events), []);
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn what_remains_after_many_threads_have_set_and_cleared_is_reported() {
    on_each_backend(|backend| {
        for interest in [both(), both().level()] {
            for capacity in [1, 8] {
                hammer(backend, interest, capacity);
            }
        }
    });
}

/// A thread moves the registration about while others set: no event is under a token that is gone.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn sets_may_race_with_registrations() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(4, backend);
        let registry = poll.registry().try_clone().unwrap();
        let (mut source, readiness) = registered(&poll, Interest::READABLE);
        let is_over = Arc::new(AtomicBool::new(false));
        let setter = thread::spawn({
            let (readiness, is_over) = (readiness.clone(), Arc::clone(&is_over));
            move || {
                let mut dice = Dice::new(1);
                while !is_over.load(Ordering::SeqCst) {
                    readiness.set(READABLE).unwrap();
                    dice.dawdle();
                    readiness.clear(READABLE);
                }
            }
        });
        let mut dice = Dice::new(2);
        for round in 0..2_000 {
            // Tokens grow, so an event of a registration that is gone shows.
            let token = Token(1000 + round);
            if dice.below(2) == 0 {
                registry.deregister(&mut source).unwrap();
                registry
                    .register(&mut source, token, Interest::READABLE)
                    .unwrap();
            } else {
                registry
                    .reregister(&mut source, token, Interest::READABLE)
                    .unwrap();
            }
            dice.dawdle();
            for (reported, _) in look(&mut poll, &mut events) {
                assert_eq!(reported, token);
            }
        }
        is_over.store(true, Ordering::SeqCst);
        setter.join().unwrap();
        look(&mut poll, &mut events);
        readiness.set(READABLE).unwrap();
        assert_eq!(look(&mut poll, &mut events).len(), 1);
    });
}

#[test]
fn level_sources_and_pipes_take_turns_at_capacity_one() {
    const POLLS: usize = 400;

    on_each_backend(|backend| {
        for (users, pipes) in [(1, 1), (4, 1), (1, 4), (4, 4)] {
            let (mut poll, mut events) = room_for(1, backend);
            let level = Interest::READABLE.level();
            let mut sources: Vec<_> = (0..users).map(|_| user::source()).collect();
            let mut ends: Vec<_> = (0..pipes).map(|_| pipe::new().unwrap()).collect();
            for (n, (source, readiness)) in sources.iter_mut().enumerate() {
                poll.registry().register(source, Token(n), level).unwrap();
                readiness.set(READABLE).unwrap();
            }
            for (n, (sender, receiver)) in ends.iter_mut().enumerate() {
                let token = Token(users + n);
                sender.write_all(b"x").unwrap();
                wait_until_readable(receiver);
                poll.registry().register(receiver, token, level).unwrap();
            }

            let mut reported = vec![0; users + pipes];
            for _ in 0..POLLS {
                poll_some(&mut poll, &mut events);
                reported[tokens(&events)[0]] += 1;
            }
            let share = POLLS / (users + pipes) / 4;
            assert!(
                reported.iter().all(|&times| times >= share),
                "{reported:?} of {users} user sources and {pipes} pipes"
            );
        }
    });
}

/// A source whose readiness was taken back is still in the queue: it must not keep out what is ready.
#[test]
fn what_was_called_back_takes_no_turn() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(1, backend);
        let (_source, readiness) = registered(&poll, Interest::READABLE);
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let level = Interest::READABLE.level();
        poll.registry()
            .register(&mut receiver, SECOND, level)
            .unwrap();
        sender.write_all(b"x").unwrap();
        for _ in 0..10 {
            readiness.set(READABLE).unwrap();
            readiness.clear(READABLE);
            assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
        }
    });
}

/// A batch that has room left over is all there is.
#[test]
fn what_was_called_back_takes_no_room() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = room_for(2, backend);
        let (_source, readiness) = registered(&poll, Interest::READABLE);
        let mut pipes = [pipe::new().unwrap(), pipe::new().unwrap()];
        for (n, (sender, receiver)) in pipes.iter_mut().enumerate() {
            let level = Interest::READABLE.level();
            poll.registry().register(receiver, Token(n), level).unwrap();
            sender.write_all(b"x").unwrap();
        }
        for _ in 0..10 {
            readiness.set(READABLE).unwrap();
            readiness.clear(READABLE);
            assert_eq!(poll_now(&mut poll, &mut events).len(), 2);
        }
    });
}

#[test]
fn handles_and_sources_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Source>();
    is_send_and_sync::<SetReadiness>();
}

/// What a test may do to a source, in any order.
#[derive(Copy, Clone, Debug)]
enum Step {
    Set(u8),
    Clear(u8),
    Register(usize, Interest),
    Reregister(usize, Interest),
    Deregister,
    Look,
}

fn flags(number: u8) -> Readiness {
    let all = [READABLE, WRITABLE, Readiness::READ_CLOSED, Readiness::ERROR];
    (0..4)
        .filter(|bit| number & (1 << bit) != 0)
        .fold(Readiness::EMPTY, |flags, bit| flags | all[bit])
}

fn interests() -> impl Strategy<Value = Interest> {
    let directions = prop_oneof![
        Just(Interest::READABLE),
        Just(Interest::WRITABLE),
        Just(both())
    ];
    (directions, any::<bool>(), any::<bool>()).prop_map(|(interest, level, once)| {
        let interest = if level { interest.level() } else { interest };
        if once {
            interest.oneshot()
        } else {
            interest
        }
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..16).prop_map(Step::Set),
        3 => (0u8..16).prop_map(Step::Clear),
        1 => (0usize..9, interests()).prop_map(|(token, how)| Step::Register(token, how)),
        2 => (0usize..9, interests()).prop_map(|(token, how)| Step::Reregister(token, how)),
        1 => Just(Step::Deregister),
        5 => Just(Step::Look),
    ]
}

/// What the documentation says of one source, in the simplest words.
#[derive(Default)]
struct Model {
    readiness: Readiness,
    registration: Option<(usize, Interest)>,
    is_spent: bool,
    /// There was a set, or a registration, since it was reported.
    is_due: bool,
}

impl Model {
    fn reportable(&self) -> Readiness {
        let Some((_, interest)) = self.registration else {
            return Readiness::EMPTY;
        };
        let unasked = Readiness::ERROR | Readiness::READ_CLOSED | Readiness::WRITE_CLOSED;
        let mut wanted = unasked;
        if interest.is_readable() {
            wanted |= READABLE;
        }
        if interest.is_writable() {
            wanted |= WRITABLE;
        }
        self.readiness & wanted
    }

    fn note(&mut self) {
        self.is_due |= !self.is_spent && !self.reportable().is_empty();
    }

    fn look(&mut self) -> Vec<(Token, Readiness)> {
        let due = std::mem::take(&mut self.is_due);
        let flags = self.reportable();
        let Some((token, interest)) = self.registration else {
            return Vec::new();
        };
        if !due || self.is_spent || flags.is_empty() {
            return Vec::new();
        }
        self.is_spent = interest.is_oneshot();
        self.is_due = interest.is_level() && !interest.is_oneshot();
        vec![(Token(token), flags)]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_behaves_as_the_model_says(steps in proptest::collection::vec(steps(), 0..60)) {
        for &backend in Backend::available() {
            let (mut poll, mut events) = room_for(4, backend);
            let registry = poll.registry().try_clone().unwrap();
            let (mut source, readiness) = user::source();
            let mut model = Model::default();
            for &step in &steps {
                match step {
                    Step::Set(number) => {
                        readiness.set(flags(number)).unwrap();
                        model.readiness |= flags(number);
                        model.note();
                    }
                    Step::Clear(number) => {
                        readiness.clear(flags(number));
                        model.readiness = model.readiness - flags(number);
                    }
                    Step::Register(token, how) => {
                        let outcome = registry.register(&mut source, Token(token), how);
                        prop_assert_eq!(outcome.is_ok(), model.registration.is_none());
                        if outcome.is_ok() {
                            model.registration = Some((token, how));
                            model.is_spent = false;
                            model.is_due = false;
                            model.note();
                        }
                    }
                    Step::Reregister(token, how) => {
                        let outcome = registry.reregister(&mut source, Token(token), how);
                        prop_assert_eq!(outcome.is_ok(), model.registration.is_some());
                        if outcome.is_ok() {
                            model.registration = Some((token, how));
                            model.is_spent = false;
                            model.note();
                        }
                    }
                    Step::Deregister => {
                        let outcome = registry.deregister(&mut source);
                        prop_assert_eq!(outcome.is_ok(), model.registration.is_some());
                        model.registration = None;
                    }
                    Step::Look => {
                        prop_assert_eq!(look(&mut poll, &mut events), model.look());
                    }
                }
                prop_assert_eq!(readiness.readiness(), model.readiness);
            }
        }
    }
}
