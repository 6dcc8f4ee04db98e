//! D: timers and their deadlines.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wakeful::time::Timer;
use wakeful::{Events, Interest, Token};

use crate::beat::{pass_until, past, Beat};
use crate::common::{assert_kind, polls};
use crate::of_timers::{next, register, HOUR, MILLISECOND};
use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_with_room, spawn_numbered, tokens, wait_until_asleep,
    Dice, PATIENCE,
};
use crate::{FIRST, SECOND};

const READABLE: Interest = Interest::READABLE;

#[test]
fn d1_a_timer_expires_once_and_not_early() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        for nanos in [0, 1, 999, 50_000, 1_000_001, 3_000_000] {
            let time = Duration::from_nanos(nanos);
            let start = Instant::now();
            let mut timer = Timer::after(time);
            let deadline = timer.deadline().unwrap();
            assert!(deadline >= start + time);
            register(poll.registry(), &mut timer, FIRST);
            assert_eq!(timer.deadline(), Some(deadline));

            poll.poll(&mut events, None).unwrap();
            assert!(Instant::now() >= deadline, "early");
            assert_eq!(tokens(&events), [FIRST.0]);
            assert_eq!(timer.deadline(), None);
            assert_eq!((timer.expirations(), timer.expirations()), (1, 0));
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
    });
}

#[test]
fn d2_thousands_of_timers_expire_in_order_and_never_early() {
    const TIMERS: usize = 3_000;

    on_each_backend(|backend| {
        for capacity in [1, 7, 64, TIMERS] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let mut dice = Dice::new(capacity as u64);
            let start = Instant::now();
            let mut timers: Vec<_> = (0..TIMERS)
                .map(|_| Timer::at(start + Duration::from_nanos(dice.below(40_000_000))))
                .collect();
            let deadlines: Vec<_> = timers.iter().map(|t| t.deadline().unwrap()).collect();
            for (n, timer) in timers.iter_mut().enumerate() {
                register(poll.registry(), timer, Token(n));
            }

            let mut reported = Vec::new();
            while reported.len() < TIMERS {
                let batch = next(&mut poll, &mut events);
                let now = Instant::now();
                assert!(batch.iter().all(|&n| deadlines[n] <= now), "early");
                reported.extend(batch);
            }

            let in_order = |pair: &[usize]| deadlines[pair[0]] <= deadlines[pair[1]];
            assert!(reported.windows(2).all(in_order), "out of order");
            let different: BTreeSet<_> = reported.iter().collect();
            assert_eq!(different.len(), TIMERS, "some expired twice");
            assert_eq!(poll_now(&mut poll, &mut events), []);
            assert!(timers.iter().all(|timer| timer.expirations() == 1));
        }
    });
}

#[test]
fn d3_a_timer_that_has_passed_expires_at_once() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let time = past();
        let mut timer = Timer::at(time);
        register(poll.registry(), &mut timer, FIRST);
        assert_eq!(timer.deadline(), Some(time));
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        for _ in 0..10 {
            timer.set_at(time);
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [FIRST.0]);
            timer.set_after(Duration::ZERO);
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [FIRST.0]);
        }
    });
}

#[test]
fn d2_timers_due_before_the_poll_was_made_keep_their_order() {
    on_each_backend(|backend| {
        let start = Instant::now();
        let mut timers: Vec<_> = (0..100u64)
            .map(|n| Timer::at(start + Duration::from_nanos(n * 37 % 100)))
            .collect();
        pass_until(start + Duration::from_micros(1));
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(100));
        for (n, timer) in timers.iter_mut().enumerate() {
            let deadline = timer.deadline();
            register(poll.registry(), timer, Token(n * 37 % 100));
            assert_eq!(timer.deadline(), deadline);
        }
        let expected: Vec<_> = (0..100).collect();
        assert_eq!(poll_now(&mut poll, &mut events), expected);
    });
}

#[test]
fn d4_a_beat_does_not_drift() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let period = Duration::from_micros(700);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        register(poll.registry(), &mut timer, FIRST);
        let mut dice = Dice::new(1);
        while beat.seen < 50 {
            let before = Instant::now();
            assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
            beat.check(&timer, before);
            // A handler that takes its time, which must not add up.
            pass_until(Instant::now() + Duration::from_micros(dice.below(500)));
        }
    });
}

#[test]
fn d4_a_beat_that_was_missed_is_made_up_for_by_count() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let period = Duration::from_micros(100);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        register(poll.registry(), &mut timer, FIRST);
        for _ in 0..5 {
            pass_until(Instant::now() + 20 * period);
            let before = Instant::now();
            // One event, however many there were.
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            beat.check(&timer, before);
        }
        assert!(beat.seen >= 100);
    });
}

#[test]
fn d5_expirations_that_nobody_asks_for_add_up() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let period = Duration::from_micros(200);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        register(poll.registry(), &mut timer, FIRST);
        let mut before = Instant::now();
        for _ in 0..10 {
            before = Instant::now();
            // Edge mode: each expiration is an edge.
            assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
        }
        beat.check(&timer, before);
        assert!(beat.seen >= 10);
    });
}

#[test]
fn d4_a_beat_that_began_before_the_poll_is_kept() {
    on_each_backend(|backend| {
        let period = Duration::from_micros(500);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        pass_until(beat.first + 5 * period);
        let (mut poll, mut events) = poll_with_room(backend);
        register(poll.registry(), &mut timer, FIRST);
        let before = Instant::now();
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        beat.check(&timer, before);
        assert!(beat.seen >= 6);
    });
}

#[test]
fn d3_a_time_beyond_the_clock_never_comes() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        for mut timer in [Timer::after(Duration::MAX), Timer::every(Duration::MAX)] {
            assert_eq!(timer.deadline(), None);
            register(poll.registry(), &mut timer, FIRST);
            assert_eq!(timer.deadline(), None);
            assert!(!timer.cancel());

            // It takes the place of what was set.
            for set in [Timer::set_after, Timer::set_every] {
                timer.set_after(Duration::ZERO);
                set(&timer, Duration::MAX);
                assert_eq!(poll_now(&mut poll, &mut events), []);
                assert!(!timer.cancel());
            }
        }
    });
}

#[test]
fn d6_a_cancelled_timer_does_not_expire() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let start = Instant::now();
        let mut timers: Vec<_> = (0..10)
            .map(|n| Timer::at(start + n * Duration::from_micros(300)))
            .collect();
        for (n, timer) in timers.iter_mut().enumerate() {
            register(poll.registry(), timer, Token(n));
        }
        for timer in timers.iter().step_by(2) {
            assert!(timer.cancel());
            assert!(!timer.cancel());
            assert_eq!(timer.deadline(), None);
        }
        let mut reported = Vec::new();
        while reported.len() < 5 {
            reported.extend(next(&mut poll, &mut events));
        }
        assert_eq!(reported, [1, 3, 5, 7, 9]);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn d6_an_expiration_that_is_not_delivered_can_be_called_back() {
    on_each_backend(|backend| {
        let calls: [fn(&Timer); 3] = [
            |timer| assert!(!timer.cancel(), "it has expired"),
            |timer| timer.set_after(HOUR),
            |timer| assert_eq!(timer.expirations(), 1),
        ];
        for call_back in calls {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
            let start = past();
            let mut first = Timer::at(start);
            let mut second = Timer::at(start + Duration::from_nanos(1));
            register(poll.registry(), &mut first, FIRST);
            register(poll.registry(), &mut second, SECOND);
            // There is room for the first one only.
            assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            assert_eq!(second.deadline(), None);
            call_back(&second);
            assert_eq!(poll_now(&mut poll, &mut events), []);
            assert_eq!(second.expirations(), 0);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn d7_an_earlier_deadline_from_another_thread_wakes_the_poll() {
    on_each_backend(|backend| {
        for round in 0..30 {
            let mut poll = poll_of(backend);
            let mut timer = Timer::after(HOUR);
            if round % 2 == 0 {
                timer.cancel();
            }
            register(poll.registry(), &mut timer, FIRST);
            let timer = Arc::new(timer);
            let ours = Arc::clone(&timer);
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                let now = Instant::now();
                assert_eq!(ours.expirations(), 1);
                (tokens(&events), now, poll.metrics().doorbells)
            });
            wait_until_asleep(poller.number);
            let deadline = Instant::now() + Duration::from_micros(round * 50);
            timer.set_at(deadline);
            let (tokens, now, doorbells) = poller.join();
            assert_eq!(tokens, [FIRST.0]);
            assert!(now >= deadline, "early");
            assert!(doorbells <= 1, "{doorbells} doorbells");
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn d7_a_later_deadline_or_none_lets_the_poll_sleep_on() {
    on_each_backend(|backend| {
        for cancels in [false, true] {
            let mut poll = poll_of(backend);
            let mut timer = Timer::after(20 * MILLISECOND);
            let deadline = timer.deadline().unwrap();
            register(poll.registry(), &mut timer, FIRST);
            let end = Instant::now() + 40 * MILLISECOND;
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                poll.poll_until(&mut events, end).unwrap();
                (tokens(&events), Instant::now())
            });
            wait_until_asleep(poller.number);
            if cancels {
                timer.cancel();
            } else {
                timer.set_after(HOUR);
            }
            let is_in_time = Instant::now() < deadline;
            let (tokens, now) = poller.join();
            // A machine that stood still for that long has let it expire before.
            if is_in_time {
                assert_eq!(tokens, []);
                assert!(now >= end, "early");
            }
        }
    });
}

#[test]
fn d9_an_armed_timer_moves_to_another_poll() {
    on_each_backend(|from| {
        on_each_backend(|to| {
            let (mut here, mut events) = poll_with_room(from);
            let mut there = poll_of(to);
            let mut timer = Timer::after(2 * MILLISECOND);
            let deadline = timer.deadline();
            register(here.registry(), &mut timer, FIRST);
            here.registry().deregister(&mut timer).unwrap();
            assert_eq!(timer.deadline(), deadline);
            register(there.registry(), &mut timer, SECOND);
            assert_eq!(timer.deadline(), deadline);

            assert_eq!(next(&mut there, &mut events), [SECOND.0]);
            assert!(Instant::now() >= deadline.unwrap());
            assert_eq!(poll_now(&mut here, &mut events), []);
        });
    });
}

#[test]
fn d9_a_beat_moves_to_another_poll_and_is_kept() {
    on_each_backend(|backend| {
        let mut events = Events::with_capacity(8);
        let period = Duration::from_micros(400);
        let mut timer = Timer::every(period);
        let mut beat = Beat::of(&timer, period);
        for _ in 0..5 {
            let mut poll = poll_of(backend);
            register(poll.registry(), &mut timer, FIRST);
            let before = Instant::now();
            assert_eq!(next(&mut poll, &mut events), [FIRST.0]);
            beat.check(&timer, before);
            poll.registry().deregister(&mut timer).unwrap();
            pass_until(Instant::now() + 3 * period);
        }
    });
}

#[test]
fn d9_an_expiration_that_was_not_delivered_moves_along() {
    on_each_backend(|backend| {
        let (mut here, mut events) = (poll_of(backend), Events::with_capacity(1));
        let mut there = poll_of(backend);
        let start = past();
        let mut first = Timer::at(start);
        let mut second = Timer::at(start + Duration::from_nanos(1));
        register(here.registry(), &mut first, FIRST);
        register(here.registry(), &mut second, SECOND);
        assert_eq!(poll_now(&mut here, &mut events), [FIRST.0]);

        here.registry().deregister(&mut second).unwrap();
        register(there.registry(), &mut second, SECOND);
        assert_eq!(poll_now(&mut here, &mut events), []);
        assert_eq!(poll_now(&mut there, &mut events), [SECOND.0]);
        assert_eq!(second.expirations(), 1);
    });
}

#[test]
fn l2_a_timer_outlives_its_poll() {
    on_each_backend(|backend| {
        let (poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::after(HOUR);
        let deadline = timer.deadline();
        register(poll.registry(), &mut timer, FIRST);
        drop(poll);

        assert_eq!(timer.deadline(), deadline);
        assert!(timer.cancel());
        timer.set_after(MILLISECOND);
        assert_eq!(timer.expirations(), 0);

        let mut poll = poll_of(backend);
        assert_kind(poll.registry().deregister(&mut timer), ErrorKind::NotFound);
        register(poll.registry(), &mut timer, SECOND);
        assert_eq!(next(&mut poll, &mut events), [SECOND.0]);
    });
}

#[test]
fn d10_level_reports_until_the_expirations_were_asked_for() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timer = Timer::at(past());
        poll.registry()
            .register(&mut timer, FIRST, READABLE.level())
            .unwrap();
        for _ in 0..3 {
            for _ in 0..3 {
                assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
            }
            assert_eq!(timer.expirations(), 1);
            assert_eq!(poll_now(&mut poll, &mut events), []);
            timer.set_at(past());
        }
        assert_eq!(poll_now(&mut poll, &mut events), [FIRST.0]);
        timer.cancel();
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

/// The strictest form: the poll sleeps each time, and nothing but the change of the deadline can end it.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn d7_no_change_of_a_deadline_is_lost() {
    const ROUNDS: usize = 2_000;

    on_each_backend(|backend| {
        let (mut here, mut there) = (poll_of(backend), poll_of(backend));
        let (mut ours, mut theirs) = (Timer::new(), Timer::new());
        register(here.registry(), &mut ours, FIRST);
        register(there.registry(), &mut theirs, SECOND);
        let (ours, theirs) = (Arc::new(ours), Arc::new(theirs));
        let partner = thread::spawn({
            let (ours, theirs) = (Arc::clone(&ours), Arc::clone(&theirs));
            move || {
                let mut events = Events::with_capacity(1);
                let mut dice = Dice::new(1);
                for _ in 0..ROUNDS {
                    assert_eq!(next(&mut there, &mut events), [SECOND.0]);
                    assert_eq!(theirs.expirations(), 1);
                    dice.dawdle();
                    ours.set_after(Duration::from_nanos(dice.below(2_000)));
                }
            }
        });
        let mut events = Events::with_capacity(1);
        let mut dice = Dice::new(2);
        for _ in 0..ROUNDS {
            theirs.set_after(Duration::from_nanos(dice.below(2_000)));
            dice.dawdle();
            assert_eq!(next(&mut here, &mut events), [FIRST.0]);
            assert_eq!(ours.expirations(), 1);
        }
        partner.join().unwrap();
    });
}

#[test]
fn d8_setting_timers_of_an_awake_poll_rings_no_doorbell() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = poll_with_room(backend);
        let mut timers: Vec<_> = (0..100).map(|_| Timer::new()).collect();
        for (n, timer) in timers.iter_mut().enumerate() {
            register(poll.registry(), timer, Token(n));
        }
        for round in 0..20 {
            // Each one sooner than all before.
            for (n, timer) in timers.iter().enumerate() {
                timer.set_after(HOUR - round * Duration::from_secs(1 + n as u64));
                timer.set_every(HOUR);
                timer.set_at(Instant::now() + HOUR);
            }
            timers.iter().for_each(|timer| assert!(timer.cancel()));
            assert_eq!(poll_now(&mut poll, &mut events), []);
            poll.poll(&mut events, Some(Duration::from_micros(10)))
                .unwrap();
        }
        let metrics = poll.metrics();
        assert_eq!(metrics.doorbells, 0);
        // A change of a deadline is no wake.
        assert_eq!((metrics.wakes, metrics.coalesced), (0, 0));
    });
}

#[test]
fn w8_the_next_deadline_is_told() {
    for (poll, _events) in polls() {
        assert_eq!(poll.next_deadline(), None);
        let now = Instant::now();
        let mut late = Timer::at(now + Duration::from_secs(60));
        let mut soon = Timer::at(now + Duration::from_secs(30));
        for timer in [&mut late, &mut soon] {
            poll.registry()
                .register(timer, Token(1), Interest::READABLE)
                .unwrap();
        }
        assert_eq!(poll.next_deadline(), soon.deadline());
        soon.cancel();
        assert_eq!(poll.next_deadline(), late.deadline());
    }
}
