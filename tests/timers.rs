//! What timers promise, on every backend: never early, in the order of their deadlines, never lost,
//! and armed without a system call.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/beat.rs"]
mod beat;
mod common;
#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/stress.rs"]
mod stress;
#[path = "common/timers.rs"]
mod timers;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use wakeful::event::Readiness;
use wakeful::time::Timer;
use wakeful::{user, Backend, Events, Interest, Token, Waker};

use beat::{pass_until, past, Beat};
use common::assert_kind;
use stress::{
    on_each_backend, poll_now, poll_of, poll_with_room, spawn_numbered, tokens, wait_until_asleep,
    wait_until_readable, Dice, PATIENCE,
};
use timers::{next, register, HOUR, MILLISECOND};

const FIRST: Token = Token(1);
const SECOND: Token = Token(2);
const READABLE: Interest = Interest::READABLE;

#[test]
fn an_expiration_is_a_readable_event_and_nothing_else() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::at(past());
        let both = READABLE | Interest::WRITABLE;
        poll.registry().register(&mut timer, FIRST, both).unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        let readiness = events.iter().next().unwrap().readiness();
        assert_eq!(readiness, Readiness::READABLE);
        // Nobody asked for reading: expirations are counted all the same.
        timer.set_at(past());
        poll.registry()
            .reregister(&mut timer, FIRST, Interest::WRITABLE)
            .unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        assert_eq!(timer.expirations(), 1);
    });
}

#[test]
fn a_beat_can_be_set_anew_and_stopped() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::every(HOUR);
        register(poll.registry(), &mut timer, FIRST);
        assert_eq!(poll_now(&mut poll, &mut events), []);

        timer.set_every(MILLISECOND);
        let mut beat = Beat::of(&timer, MILLISECOND);
        for _ in 0..5 {
            let before = Instant::now();
            assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
            beat.check(&timer, before);
        }

        // To a single deadline: the period is forgotten.
        timer.set_after(MILLISECOND);
        assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
        assert_eq!((timer.expirations(), timer.deadline()), (1, None));

        timer.set_every(MILLISECOND);
        assert!(timer.cancel());
        assert_eq!(timer.deadline(), None);
        poll.poll(&mut events, Some(3 * MILLISECOND)).unwrap();
        assert_eq!(tokens(&events), []);
    });
}

#[test]
fn a_beat_without_a_period_is_always_due_and_starves_nobody() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let mut timer = Timer::every(Duration::ZERO);
        register(poll.registry(), &mut timer, FIRST);
        let (mut sender, mut receiver) = pipe::new().unwrap();
        sender.write_all(b"x").unwrap();
        wait_until_readable(&mut receiver);
        poll.registry()
            .register(&mut receiver, SECOND, READABLE.level())
            .unwrap();
        let mut reported = [0; 3];
        for _ in 0..100 {
            for token in next(&mut poll, &mut events) {
                reported[token] += 1;
                if token == FIRST.0 {
                    assert!(timer.expirations() >= 1);
                }
            }
        }
        assert!(reported[FIRST.0] >= 25 && reported[SECOND.0] >= 25);
        assert!(timer.cancel());
    });
}

#[test]
fn a_time_that_is_very_far_off_is_waited_for_in_vain() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        // Weeks are too many milliseconds for the system, and centuries too many nanoseconds for us.
        let days = [24, 25, 50, 40_000, 200_000, 4_000_000];
        let mut far: Vec<_> = days
            .iter()
            .map(|days| Timer::after(Duration::from_secs(days * 86_400)))
            .collect();
        for timer in &mut far {
            register(poll.registry(), timer, FIRST);
        }
        poll.poll(&mut events, Some(MILLISECOND)).unwrap();
        assert_eq!(tokens(&events), []);

        let mut near = Timer::after(MILLISECOND);
        register(poll.registry(), &mut near, SECOND);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [SECOND.0]);
        assert!(far.iter().all(Timer::cancel));
    });
}

#[test]
fn a_timer_that_is_not_armed_reports_nothing() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::new();
        register(poll.registry(), &mut timer, FIRST);
        assert!(!timer.cancel());
        poll.poll(&mut events, Some(MILLISECOND)).unwrap();
        assert_eq!(tokens(&events), []);
        assert_eq!((timer.deadline(), timer.expirations()), (None, 0));
        timer.set_at(past());
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
    });
}

#[test]
fn cancelling_after_the_expiration_changes_nothing_but_the_count() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::at(past());
        register(poll.registry(), &mut timer, FIRST);
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        assert!(!timer.cancel());
        assert_eq!(timer.expirations(), 0);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn a_timer_can_be_moved_both_ways() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::after(HOUR);
        register(poll.registry(), &mut timer, FIRST);
        timer.set_after(MILLISECOND);
        assert_eq!(next(&mut poll, &mut events), [FIRST.0]);

        timer.set_after(Duration::from_micros(100));
        timer.set_after(3 * MILLISECOND);
        let deadline = timer.deadline().unwrap();
        assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
        assert!(Instant::now() >= deadline);
        assert_eq!(timer.expirations(), 1);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn a_timer_registered_from_another_thread_wakes_the_poll() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            poll.poll(&mut events, Some(PATIENCE)).unwrap();
            tokens(&events)
        });
        wait_until_asleep(poller.number);
        let mut timer = Timer::after(Duration::from_micros(100));
        register(&registry, &mut timer, FIRST);
        assert_eq!(poller.join(), [FIRST.0]);
    });
}

#[test]
fn a_timeout_and_a_timer_end_the_wait_whichever_is_first() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::after(HOUR);
        register(poll.registry(), &mut timer, FIRST);
        let start = Instant::now();
        poll.poll(&mut events, Some(2 * MILLISECOND)).unwrap();
        assert_eq!(tokens(&events), []);
        assert!(start.elapsed() >= 2 * MILLISECOND);

        timer.set_after(MILLISECOND);
        poll.poll(&mut events, Some(PATIENCE)).unwrap();
        assert_eq!(tokens(&events), [FIRST.0]);
        assert!(start.elapsed() < PATIENCE);
    });
}

#[test]
fn expirations_of_a_registration_that_has_ended_can_be_asked_for() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::at(past());
        register(poll.registry(), &mut timer, FIRST);
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        poll.registry().deregister(&mut timer).unwrap();
        assert_eq!((timer.expirations(), timer.expirations()), (1, 0));
    });
}

#[test]
fn a_timer_that_is_dropped_or_deregistered_reports_nothing() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let start = past();
        let due = |n| Timer::at(start + Duration::from_nanos(n));
        let (mut first, mut second, mut third, mut fourth) = (due(0), due(1), due(2), due(3));
        register(poll.registry(), &mut first, Token(0));
        register(poll.registry(), &mut second, Token(1));
        register(poll.registry(), &mut third, Token(2));
        assert_eq!(poll_now(&mut poll, &mut events), [0]);
        // Expired and not delivered.
        drop(second);
        poll.registry().deregister(&mut third).unwrap();
        // Armed and dropped: its place is taken by others.
        drop(first);
        register(poll.registry(), &mut fourth, Token(3));
        drop(fourth);
        assert_eq!(poll_now(&mut poll, &mut events), []);

        let mut fifth = due(4);
        register(poll.registry(), &mut fifth, Token(4));
        assert_eq!(poll_now(&mut poll, &mut events), [4]);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn one_shot_reports_one_expiration_and_counts_all() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let period = Duration::from_micros(300);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        let once = READABLE.oneshot();
        poll.registry().register(&mut timer, FIRST, once).unwrap();
        assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
        pass_until(Instant::now() + 5 * period);
        let before = Instant::now();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        beat.check(&timer, before);
        assert!(beat.seen >= 5);

        // Expired, and nobody asked: reported at once.
        pass_until(timer.deadline().unwrap());
        assert_eq!(poll_now(&mut poll, &mut events), []);
        poll.registry()
            .reregister(&mut timer, SECOND, once)
            .unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [SECOND.0]);
    });
}

#[test]
fn reregistration_keeps_the_deadline() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::after(MILLISECOND);
        let deadline = timer.deadline();
        register(poll.registry(), &mut timer, FIRST);
        poll.registry()
            .reregister(&mut timer, SECOND, READABLE.level())
            .unwrap();
        assert_eq!(timer.deadline(), deadline);
        assert_eq!(next(&mut poll, &mut events), [SECOND.0]);
        assert!(Instant::now() >= deadline.unwrap());
    });
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    on_each_backend(|backend| {
        let (poll, other) = (poll_of(backend), poll_of(backend));
        let (ours, theirs) = (poll.registry(), other.registry());
        let mut timer = Timer::after(HOUR);
        let deadline = timer.deadline();
        assert_kind(ours.deregister(&mut timer), ErrorKind::NotFound);
        assert_kind(
            ours.reregister(&mut timer, FIRST, READABLE),
            ErrorKind::NotFound,
        );
        register(ours, &mut timer, FIRST);
        for registry in [ours, theirs] {
            let again = registry.register(&mut timer, SECOND, READABLE);
            assert_kind(again, ErrorKind::AlreadyExists);
        }
        let outcome = theirs.reregister(&mut timer, SECOND, READABLE);
        assert_kind(outcome, ErrorKind::AlreadyExists);
        assert_kind(theirs.deregister(&mut timer), ErrorKind::AlreadyExists);
        assert_eq!(timer.deadline(), deadline);
        ours.deregister(&mut timer).unwrap();
        assert_eq!(timer.deadline(), deadline);
    });
}

#[test]
fn expired_timers_and_busy_sources_take_turns_at_capacity_one() {
    const TIMERS: usize = 50;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let start = past();
        let mut timers: Vec<_> = (0..TIMERS as u64)
            .map(|n| Timer::at(start + Duration::from_nanos(n)))
            .collect();
        for (n, timer) in timers.iter_mut().enumerate() {
            register(poll.registry(), timer, Token(n));
        }
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut source, readiness) = user::source();
        let (of_pipe, of_user) = (Token(TIMERS), Token(TIMERS + 1));
        sender.write_all(b"x").unwrap();
        wait_until_readable(&mut receiver);
        let registry = poll.registry();
        registry
            .register(&mut receiver, of_pipe, READABLE.level())
            .unwrap();
        registry
            .register(&mut source, of_user, READABLE.level())
            .unwrap();
        readiness.set(Readiness::READABLE).unwrap();

        let mut reported = vec![0; TIMERS + 2];
        let mut polls = 0;
        while reported[..TIMERS].contains(&0) {
            polls += 1;
            assert!(polls < 6 * TIMERS, "starved: {reported:?}");
            for token in next(&mut poll, &mut events) {
                reported[token] += 1;
            }
        }
        // Every second event is the kernel's.
        assert!(reported[of_pipe.0] >= polls / 4, "{reported:?}");
        assert!(reported[of_user.0] >= 1, "{reported:?}");
        assert!(reported[..TIMERS].iter().all(|&times| times == 1));
    });
}

/// Timers that expire all the time must not shut out whoever wakes the poll, nor the other way round.
#[test]
fn timers_and_wakers_take_turns_at_capacity_one() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let mut timers = [Timer::new(), Timer::new(), Timer::new()];
        for (n, timer) in timers.iter_mut().enumerate() {
            register(poll.registry(), timer, Token(n));
            timer.set_every(Duration::ZERO);
        }
        let waker = Waker::new(poll.registry(), Token(3)).unwrap();
        let mut reported = [0; 4];
        for _ in 0..400 {
            waker.wake().unwrap();
            for token in next(&mut poll, &mut events) {
                reported[token] += 1;
            }
        }
        assert!(reported.iter().all(|&times| times >= 25), "{reported:?}");
    });
}

/// Many threads set, move and cancel; afterwards each timer is armed, and each expires.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn timers_that_many_threads_set_all_expire() {
    const THREADS: usize = 4;
    const TIMERS: usize = 50;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(16));
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let registry = poll.registry().try_clone().unwrap();
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    let mut dice = Dice::new(number as u64);
                    let mut timers: Vec<_> = (0..TIMERS).map(|_| Timer::after(HOUR)).collect();
                    for (n, timer) in timers.iter_mut().enumerate() {
                        register(&registry, timer, Token(number * TIMERS + n));
                    }
                    barrier.wait();
                    for _ in 0..3_000 {
                        let timer = &timers[dice.below(TIMERS as u64) as usize];
                        match dice.below(3) {
                            0 => timer.set_after(HOUR - Duration::from_nanos(dice.below(999))),
                            1 => timer.set_every(HOUR),
                            _ => drop(timer.cancel()),
                        }
                        dice.dawdle();
                    }
                    // Soon, and the last one soonest.
                    for n in 0..TIMERS as u64 {
                        let time = Duration::from_micros(2_000 - 30 * n);
                        timers[n as usize].set_after(time);
                        dice.dawdle();
                    }
                    timers
                })
            })
            .collect();

        let mut missing: BTreeSet<_> = (0..THREADS * TIMERS).collect();
        while !missing.is_empty() {
            for token in next(&mut poll, &mut events) {
                assert!(missing.remove(&token), "{token} expired twice");
            }
        }
        for thread in threads {
            let timers = thread.join().unwrap();
            assert!(timers.iter().all(|timer| timer.expirations() == 1));
        }
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

/// How many rings the doorbell of the only poll in this process has not been read of.
#[cfg(target_os = "linux")]
fn doorbell_count() -> u64 {
    let entries = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let counters: Vec<_> = texts
        .filter_map(|text| {
            let mut lines = text.lines();
            let counter = lines.find_map(|line| line.strip_prefix("eventfd-count:"))?;
            Some(u64::from_str_radix(counter.trim(), 16).unwrap())
        })
        .collect();
    match counters[..] {
        [counter] => counter,
        _ => panic!("one doorbell was expected, not {counters:?}"),
    }
}

/// The eventfd's own counter tells whether somebody wrote to it. In a process of its own, where
/// there is no other eventfd.
#[cfg(target_os = "linux")]
#[test]
fn setting_timers_of_an_awake_poll_writes_to_no_descriptor() {
    let name = "setting_timers_of_an_awake_poll_writes_to_no_descriptor";
    stress::isolated(name, || {
        on_each_backend(|backend| {
            let (mut poll, mut events) = poll_with_room(backend);
            let start = doorbell_count();
            let mut timer = Timer::new();
            for n in 0..100 {
                register(poll.registry(), &mut timer, FIRST);
                timer.set_after(HOUR - Duration::from_secs(n));
                timer.set_every(MILLISECOND);
                timer.cancel();
                timer.set_at(past());
                assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
                timer.set_after(HOUR);
                poll.registry().deregister(&mut timer).unwrap();
                assert_eq!(doorbell_count(), start);
            }
        });
    });
}

/// Not timed here: that it works at all, and forgets nothing.
#[test]
fn a_million_timers_are_armed_moved_and_cancelled() {
    const TIMERS: usize = 1_000_000;

    // The heap is the same on every backend.
    let (mut poll, mut events) = (poll_of(Backend::available()[0]), Events::with_capacity(64));
    let mut dice = Dice::new(9);
    let mut random = || HOUR + Duration::from_nanos(dice.below(1 << 40));
    let mut timers: Vec<_> = (0..TIMERS).map(|_| Timer::after(random())).collect();
    for (n, timer) in timers.iter_mut().enumerate() {
        register(poll.registry(), timer, Token(n));
    }
    for timer in timers.iter().step_by(3) {
        timer.set_after(random());
    }
    // A few come to the front; the rest goes.
    let start = past();
    let due: Vec<_> = (0..100).map(|n| n * 9_973 + 1).collect();
    for (order, &n) in due.iter().enumerate() {
        timers[n].set_at(start + Duration::from_nanos(order as u64));
    }
    let mut reported = Vec::new();
    while reported.len() < due.len() {
        reported.extend(next(&mut poll, &mut events));
    }
    assert_eq!(reported, due);
    for (n, timer) in timers.iter().enumerate() {
        assert_eq!(timer.cancel(), due.binary_search(&n).is_err(), "timer {n}");
    }
    assert_eq!(poll_now(&mut poll, &mut events), []);
    timers[7].set_at(start);
    assert_eq!(poll_now(&mut poll, &mut events), [7]);
}

#[test]
fn timers_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Timer>();
}

const MODEL_TIMERS: usize = 6;

#[derive(Copy, Clone, Debug)]
enum Step {
    /// So many nanoseconds after the start, which has passed.
    SetPast(usize, u64),
    /// So many microseconds from now.
    SetSoon(usize, u64),
    SetFar(usize, u64),
    Cancel(usize),
    Ask(usize),
    Move(usize),
    /// Until all that is near has passed.
    Advance,
    Look,
}

fn steps() -> impl Strategy<Value = Step> {
    let timer = 0..MODEL_TIMERS;
    prop_oneof![
        3 => (timer.clone(), 0u64..1000).prop_map(|(n, time)| Step::SetPast(n, time)),
        3 => (timer.clone(), 0u64..200).prop_map(|(n, time)| Step::SetSoon(n, time)),
        2 => (timer.clone(), 0u64..1000).prop_map(|(n, time)| Step::SetFar(n, time)),
        2 => timer.clone().prop_map(Step::Cancel),
        2 => timer.clone().prop_map(Step::Ask),
        1 => timer.prop_map(Step::Move),
        2 => Just(Step::Advance),
        5 => Just(Step::Look),
    ]
}

/// What the documentation says of one timer, in the simplest words.
#[derive(Copy, Clone, Default)]
struct Model {
    deadline: Option<Instant>,
    expirations: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn they_behave_as_the_model_says(steps in proptest::collection::vec(steps(), 0..60)) {
        for &backend in Backend::available() {
            let start = Instant::now();
            pass_until(start + Duration::from_micros(1));
            let mut events = Events::with_capacity(MODEL_TIMERS);
            let mut polls = [poll_of(backend), poll_of(backend)];
            let mut timers: Vec<_> = (0..MODEL_TIMERS).map(|_| Timer::new()).collect();
            let mut models = [Model::default(); MODEL_TIMERS];
            let mut homes = [0; MODEL_TIMERS];
            for (n, timer) in timers.iter_mut().enumerate() {
                register(polls[0].registry(), timer, Token(n));
            }
            for &step in &steps {
                match step {
                    Step::SetPast(n, nanos) => {
                        let deadline = start + Duration::from_nanos(nanos);
                        timers[n].set_at(deadline);
                        models[n] = Model { deadline: Some(deadline), expirations: 0 };
                    }
                    Step::SetSoon(n, micros) => {
                        let deadline = Instant::now() + Duration::from_micros(micros);
                        timers[n].set_at(deadline);
                        models[n] = Model { deadline: Some(deadline), expirations: 0 };
                    }
                    Step::SetFar(n, seconds) => {
                        timers[n].set_after(HOUR + Duration::from_secs(seconds));
                        models[n] = Model { deadline: timers[n].deadline(), expirations: 0 };
                    }
                    Step::Cancel(n) => {
                        prop_assert_eq!(timers[n].cancel(), models[n].deadline.is_some());
                        models[n] = Model::default();
                    }
                    Step::Ask(n) => {
                        prop_assert_eq!(timers[n].expirations(), models[n].expirations);
                        models[n].expirations = 0;
                    }
                    Step::Move(n) => {
                        // What has expired and was not asked for is reported again by its new
                        // poll, so it is asked for before.
                        prop_assert_eq!(timers[n].expirations(), models[n].expirations);
                        models[n].expirations = 0;
                        polls[homes[n]].registry().deregister(&mut timers[n]).unwrap();
                        homes[n] = 1 - homes[n];
                        register(polls[homes[n]].registry(), &mut timers[n], Token(n));
                    }
                    Step::Advance => {
                        let soon = Instant::now() + Duration::from_secs(1);
                        let near = models.iter().filter_map(|model| model.deadline);
                        if let Some(last) = near.filter(|&deadline| deadline < soon).max() {
                            pass_until(last);
                        }
                    }
                    Step::Look => {
                        for (home, poll) in polls.iter_mut().enumerate() {
                            let before = Instant::now();
                            let reported = poll_now(poll, &mut events);
                            let after = Instant::now();
                            let deadlines: Vec<_> =
                                reported.iter().map(|&n| models[n].deadline).collect();
                            prop_assert!(deadlines.windows(2).all(|pair| pair[0] <= pair[1]));
                            for (n, model) in models.iter_mut().enumerate() {
                                let is_reported = reported.contains(&n);
                                let is_due = |time| {
                                    homes[n] == home
                                        && model.deadline.is_some_and(|deadline| deadline <= time)
                                };
                                prop_assert!(is_reported || !is_due(before), "{} is missing", n);
                                prop_assert!(!is_reported || is_due(after), "{} is early", n);
                                if is_reported {
                                    *model = Model { deadline: None, expirations: 1 };
                                }
                            }
                        }
                    }
                }
                for (timer, model) in timers.iter().zip(&models) {
                    prop_assert_eq!(timer.deadline(), model.deadline);
                }
            }
        }
    }
}
