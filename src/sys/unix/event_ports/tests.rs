//! The table over a model of a port.

use std::os::fd::RawFd as Raw;
use std::time::Duration;

use proptest::prelude::*;

use super::model::Reactor;
use crate::base::blocked::Blocked;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::sys::levels::Levels;

const FD: Raw = 7;
const IN: Levels = Levels::INPUT;
const OUT: Levels = Levels::OUTPUT;

fn both() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

/// One seen source, of a file of which this holds.
#[track_caller]
fn seen(levels: Levels, interest: Interest) -> Reactor {
    let mut reactor = Reactor::new();
    reactor.port.open(FD, levels);
    reactor.register(FD, 1, interest, true).unwrap();
    reactor
}

#[track_caller]
fn unseen(levels: Levels, interest: Interest) -> Reactor {
    let mut reactor = Reactor::new();
    reactor.port.open(FD, levels);
    reactor.register(FD, 1, interest, false).unwrap();
    reactor
}

#[test]
fn what_is_ready_is_one_event_and_reported_once() {
    let mut reactor = seen(IN | OUT, both());
    let events = reactor.select(64);
    assert_eq!(events.len(), 1);
    assert!(events[0].is_readable() && events[0].is_writable());
    assert!(reactor.tokens().is_empty());
}

/// What makes a loop spin: a wait that ends at once for what was reported before.
#[test]
fn a_source_that_nobody_drains_lets_the_poller_sleep() {
    let mut reactor = seen(IN | OUT, both());
    reactor.select(64);
    for _ in 0..3 {
        let mut events = Vec::new();
        assert_eq!(reactor.prepare(&mut events, 64), Wait::Forever);
        reactor.harvest(&mut events, 64);
        assert!(events.is_empty());
    }
    // After the event one question, and none while nothing changes.
    assert_eq!(reactor.port.calls, 2);
}

#[test]
fn a_read_that_blocks_brings_no_writable_event() {
    let mut reactor = seen(IN | OUT, both());
    reactor.select(64);
    reactor.port.set(FD, OUT);
    reactor.blocked(FD, Blocked::Read);
    assert!(reactor.tokens().is_empty());
    reactor.port.set(FD, IN | OUT);
    let events = reactor.select(64);
    assert!(
        events[0].is_readable() && !events[0].is_writable(),
        "{events:?}"
    );
}

#[test]
fn sources_with_the_same_token_have_an_event_each() {
    let mut reactor = seen(IN, both());
    reactor.port.open(8, OUT);
    reactor.register(8, 1, both(), true).unwrap();
    assert_eq!(reactor.tokens(), [1, 1]);
}

#[test]
fn levels_are_reported_while_they_last() {
    let mut reactor = seen(IN, both().level());
    assert_eq!(reactor.tokens(), [1]);
    assert_eq!(reactor.tokens(), [1]);
    reactor.port.set(FD, Levels::NONE);
    assert!(reactor.tokens().is_empty());
}

#[test]
fn one_shot_reports_once_and_not_even_closing() {
    let mut reactor = seen(IN, both().oneshot());
    assert_eq!(reactor.tokens(), [1]);
    reactor.port.set(FD, IN | OUT | Levels::HANGUP);
    assert!(reactor.tokens().is_empty());
    assert!(!reactor.port.is_associated(FD));
    reactor.reregister(FD, 2, both().oneshot());
    assert_eq!(reactor.tokens(), [2]);
}

#[test]
fn a_reregistration_reports_anew_and_nothing_of_before() {
    let mut reactor = seen(IN, both());
    let mut events = Vec::new();
    reactor.prepare(&mut events, 64);
    // Queued under the first token, not yet retrieved.
    reactor.reregister(FD, 2, both());
    assert_eq!(reactor.tokens(), [2]);
}

#[test]
fn an_answer_that_is_late_is_not_used_and_asked_for_again() {
    let mut reactor = seen(IN, both());
    let registration = reactor.table.registration(FD).unwrap();
    let late = reactor.table.answer(FD, usize::MAX, IN, reactor.now);
    assert!(late.is_none());
    assert_eq!(reactor.table.registration(FD), Some(registration));
    assert_eq!(reactor.tokens(), [1]);
}

#[test]
fn what_was_drained_after_it_was_queued_keeps_nobody_out() {
    let mut reactor = seen(Levels::NONE, both());
    reactor.port.open(8, Levels::NONE);
    reactor.register(8, 2, both(), true).unwrap();
    reactor.port.set(FD, IN);
    reactor.port.set(FD, Levels::NONE);
    reactor.blocked(FD, Blocked::Read);
    reactor.port.set(8, IN);
    let events = reactor.select(1);
    assert!(events.iter().map(Event::token).eq([Token(2)]), "{events:?}");
}

#[test]
fn nothing_is_left_of_what_is_deregistered() {
    let mut reactor = seen(IN, both());
    assert!(reactor.deregister(FD));
    assert!(!reactor.port.is_associated(FD));
    assert!(reactor.tokens().is_empty());
    assert!(!reactor.deregister(FD) && !reactor.reregister(FD, 1, both()));
}

#[test]
fn a_second_registration_is_refused() {
    let mut reactor = seen(IN, both());
    assert_eq!(reactor.register(FD, 2, both(), true), None);
    reactor.select(64);
    assert_eq!(reactor.register(FD, 2, both(), true), None);
}

#[test]
fn a_device_that_was_revoked_is_an_error_once_and_no_matter_to_others() {
    for interest in [both(), both().level(), both().oneshot()] {
        let mut reactor = seen(Levels::NONE, interest);
        reactor.port.open(8, IN);
        reactor.register(8, 2, both(), true).unwrap();
        reactor.port.revoked.push(FD);
        // To be asked about again.
        reactor.table.forgotten(FD);
        let events = reactor.select(1);
        assert!(events[0].token() == Token(1) && events[0].is_error());
        assert_eq!(reactor.tokens(), [2]);
        assert!(reactor.tokens().is_empty());
        reactor.blocked(FD, Blocked::Read);
        let calls = reactor.port.calls;
        assert!(reactor.tokens().is_empty());
        assert_eq!(reactor.port.calls, calls);
        assert!(reactor.deregister(FD));
    }
}

#[test]
fn a_closed_file_leaves_its_number_to_the_next_one() {
    let mut reactor = unseen(Levels::NONE, both());
    reactor.port.close(FD);
    reactor.port.open(FD, IN);
    reactor.register(FD, 2, both(), false).unwrap();
    assert_eq!(reactor.tokens(), [2]);
}

#[test]
fn a_drained_unseen_source_is_reported_at_the_next_edge() {
    let mut reactor = unseen(IN, Interest::READABLE);
    assert_eq!(reactor.tokens(), [1]);
    reactor.port.set(FD, Levels::NONE);
    let mut events = Vec::new();
    assert_eq!(reactor.prepare(&mut events, 64), Wait::Forever);
    reactor.port.set(FD, IN);
    reactor.harvest(&mut events, 64);
    assert!(events.iter().map(Event::token).eq([Token(1)]));
}

#[test]
fn an_unseen_source_that_nobody_drains_is_repeated_at_growing_distances() {
    let mut reactor = unseen(IN, Interest::READABLE);
    assert_eq!(reactor.tokens(), [1]);
    let mut distances = Vec::new();
    for _ in 0..9 {
        let before = reactor.now;
        assert_eq!(reactor.tokens(), [1]);
        distances.push(reactor.now - before);
    }
    assert!(distances[0] >= Duration::from_millis(1));
    assert!(distances[8] >= Duration::from_millis(128), "{distances:?}");
}

#[test]
fn a_lasting_hangup_does_not_spin() {
    let mut reactor = seen(IN | Levels::HANGUP, Interest::READABLE);
    assert_eq!(reactor.tokens(), [1]);
    for _ in 0..20 {
        let mut events = Vec::new();
        let wait = reactor.prepare(&mut events, 64);
        assert_ne!(wait, Wait::NONE);
        reactor.harvest(&mut events, 64);
        assert!(events.is_empty());
        if let Wait::AtMost(time) = wait {
            reactor.now += time;
        }
    }
}

#[test]
fn after_try_io_the_direction_that_blocked_is_found_out() {
    let mut reactor = seen(IN | OUT, both());
    reactor.select(64);
    reactor.port.set(FD, OUT);
    reactor.blocked(FD, Blocked::Either);
    let mut events = Vec::new();
    reactor.prepare(&mut events, 64);
    assert!(events.is_empty());
    reactor.port.set(FD, IN | OUT);
    reactor.harvest(&mut events, 64);
    assert!(events.iter().any(Event::is_readable), "{events:?}");
}

#[test]
fn with_room_for_one_all_have_their_turn() {
    let mut reactor = seen(IN, both().level());
    reactor.port.open(8, IN);
    reactor.register(8, 2, both().level(), true).unwrap();
    let mut seen = [0; 3];
    for _ in 0..8 {
        for event in reactor.select(1) {
            seen[event.token().0] += 1;
        }
    }
    assert_eq!(seen, [0, 4, 4]);
}

#[derive(Clone, Debug)]
enum Step {
    Open(Raw),
    Close(Raw),
    Ready(Raw, Levels),
    Drain(Raw, Blocked),
    Register(Raw, Interest),
    Reregister(Raw, Interest),
    Deregister(Raw),
    Select(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fd = || 3..7;
    let interest = || {
        let watched = prop_oneof![
            Just(Interest::READABLE),
            Just(Interest::WRITABLE),
            Just(both())
        ];
        (watched, 0..3).prop_map(|(watched, mode)| match mode {
            0 => watched,
            1 => watched.level(),
            _ => watched.oneshot(),
        })
    };
    let step = prop_oneof![
        fd().prop_map(Step::Open),
        fd().prop_map(Step::Close),
        (fd(), prop_oneof![Just(IN), Just(OUT)]).prop_map(|(fd, level)| Step::Ready(fd, level)),
        (fd(), prop_oneof![Just(Blocked::Read), Just(Blocked::Write)])
            .prop_map(|(fd, way)| Step::Drain(fd, way)),
        (fd(), interest()).prop_map(|(fd, interest)| Step::Register(fd, interest)),
        (fd(), interest()).prop_map(|(fd, interest)| Step::Reregister(fd, interest)),
        fd().prop_map(Step::Deregister),
        (1usize..5).prop_map(Step::Select),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What a user may expect of one registration.
#[derive(Debug)]
struct Expected {
    token: usize,
    interest: Interest,
    is_spent: bool,
    /// To be reported: became ready after it was drained, or was ready when it was registered.
    due: Levels,
}

proptest! {
    /// Seen sources, which drop out before they are closed.
    #[test]
    fn whatever_happens_nothing_is_missing_and_nothing_is_reported_to_nobody(steps in steps()) {
        let mut reactor = Reactor::new();
        let mut expected: Vec<Option<Expected>> = (0..8).map(|_| None).collect();
        let mut token = 0;
        for step in steps.into_iter().chain([Step::Select(64)]) {
            match step {
                Step::Open(fd) if !reactor.port.is_open(fd) => reactor.port.open(fd, Levels::NONE),
                Step::Open(_) => {}
                Step::Close(fd) => {
                    reactor.deregister(fd);
                    reactor.port.close(fd);
                    expected[fd as usize] = None;
                }
                Step::Ready(fd, level) => {
                    let is_news = !reactor.port.levels(fd).has(level);
                    reactor.port.set(fd, reactor.port.levels(fd) | level);
                    if let (Some(known), true) = (&mut expected[fd as usize], is_news) {
                        known.due |= level & Levels::asked_for(known.interest);
                    }
                }
                Step::Drain(fd, way) => {
                    let level = if way == Blocked::Read { IN } else { OUT };
                    reactor.port.set(fd, reactor.port.levels(fd) & !level);
                    reactor.blocked(fd, way);
                }
                Step::Register(fd, interest) | Step::Reregister(fd, interest) => {
                    token += 1;
                    let is_new = matches!(step, Step::Register(..));
                    let is_done = if is_new {
                        reactor.register(fd, token, interest, true).is_some()
                    } else {
                        reactor.reregister(fd, token, interest)
                    };
                    let is_known = expected[fd as usize].is_some();
                    let is_right = reactor.port.is_open(fd) && is_new != is_known;
                    prop_assert_eq!(is_done, is_right);
                    if is_right {
                        let due = reactor.port.levels(fd) & Levels::asked_for(interest);
                        let is_spent = false;
                        expected[fd as usize] = Some(Expected { token, interest, is_spent, due });
                    }
                }
                Step::Deregister(fd) => {
                    let known = expected[fd as usize].take();
                    prop_assert_eq!(reactor.deregister(fd), known.is_some());
                }
                Step::Select(room) => {
                    let events = reactor.select(room);
                    prop_assert!(events.len() <= room);
                    let is_full = events.len() == room;
                    for event in &events {
                        let of_event = |known: &&mut Expected| known.token == event.token().0;
                        let known = expected.iter_mut().flatten().find(of_event);
                        prop_assert!(known.is_some(), "{:?} is nobody's", event);
                        let known = known.unwrap();
                        prop_assert!(!known.is_spent, "{:?} after one shot", event);
                        known.is_spent = known.interest.is_oneshot();
                        let told = IN.when(event.is_readable()) | OUT.when(event.is_writable());
                        known.due = known.due & !told;
                    }
                    if is_full {
                        continue;
                    }
                    for (fd, known) in (0..).zip(&expected) {
                        let Some(known) = known else { continue };
                        let missing = known.due & reactor.port.levels(fd);
                        let is_missing = !known.is_spent && !missing.is_none();
                        prop_assert!(!is_missing, "{:?} is missing", known);
                    }
                    // In edge mode there is nothing to say a second time.
                    let levels = |event: &Event| {
                        let of_event = |known: &&Expected| known.token == event.token().0;
                        let known = expected.iter().flatten().find(of_event);
                        known.is_some_and(|known| known.interest.is_level())
                    };
                    prop_assert!(reactor.select(64).iter().all(levels));
                }
            }
        }
    }
}
