//! Registering, changing and removing: what is asked of the kernel, and what its answers mean.
//!
//! Written over a [`Kernel`], so that the order of calls and what follows from their answers can be
//! tested without one.

use std::io;
use std::os::fd::RawFd as Raw;

use super::filter::{Filter, Filters};
use super::plan::{self, Change, Delivery, Outcome};
use super::table::{Entry, Table};
use crate::base::interest::Interest;
use crate::base::token::Token;

/// What makes changes. Called with the table locked, so that it and the kernel change together.
pub(crate) trait Kernel {
    /// Whether the filter for out-of-band data finds all that the one for reading finds.
    fn except_is_read(&self) -> bool;

    /// Makes changes to the knotes of one descriptor, which carry this stamp from now on.
    ///
    /// # Errors
    ///
    /// When the call itself fails; what fails of the changes is in the outcome.
    fn control(
        &mut self,
        fd: Raw,
        stamp: usize,
        changes: impl Iterator<Item = Change>,
    ) -> io::Result<Outcome>;
}

/// Why a registration was not made, changed or removed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The descriptor is registered.
    AlreadyExists,
    /// It is not, or it was closed, and another file may have its number.
    NotFound,
    /// The code of a change.
    Change(i32),
    Call(io::Error),
}

impl From<io::Error> for Refused {
    fn from(err: io::Error) -> Self {
        Self::Call(err)
    }
}

/// Registers a descriptor; tells which registration it is.
pub(crate) fn register(
    table: &mut Table,
    kernel: &mut impl Kernel,
    fd: Raw,
    token: Token,
    interest: Interest,
    is_seen: bool,
) -> Result<u64, Refused> {
    if let Some(entry) = table.get(fd).cloned() {
        if stands(table, kernel, fd, &entry)? {
            return Err(Refused::AlreadyExists);
        }
        table.vacate(fd);
    }
    let stamp = table.new_stamp();
    let wanted = Filters::asked_for(interest);
    let delivery = Delivery::of(interest);
    let changes = plan::replace(Filters::NONE, wanted, delivery, kernel.except_is_read());
    let outcome = kernel.control(fd, stamp, changes)?;
    if let Some(code) = outcome.error {
        // Also what nobody has said that it was added.
        kernel.control(fd, stamp, plan::delete(wanted))?;
        return Err(Refused::Change(code));
    }
    Ok(table.occupy(fd, token, interest, is_seen, stamp, &outcome))
}

/// Whether an entry belongs to the file that has its number now.
fn stands(
    table: &mut Table,
    kernel: &mut impl Kernel,
    fd: Raw,
    entry: &Entry,
) -> Result<bool, Refused> {
    if entry.is_seen {
        return Ok(true);
    }
    if !entry.knotes.is_none() {
        let probe = plan::probe(entry.knotes, entry.is_spent);
        let outcome = kernel.control(fd, entry.stamp, probe)?;
        return match outcome.error {
            Some(code) if outcome.found.is_none() => Err(Refused::Change(code)),
            _ => Ok(!outcome.found.is_none()),
        };
    }
    // Of a pipe whose other end is closed: that takes no knote, now as then.
    let stamp = table.new_stamp();
    let write = Filters::of(Filter::Write);
    let trial = plan::replace(Filters::NONE, write, Delivery::Once, false);
    let outcome = kernel.control(fd, stamp, trial)?;
    kernel.control(fd, stamp, plan::delete(outcome.added))?;
    Ok(outcome.is_broken)
}

/// Gives the registration `old` of a descriptor another token and interest; what is ready is
/// reported anew.
pub(crate) fn reregister(
    table: &mut Table,
    kernel: &mut impl Kernel,
    fd: Raw,
    old: Option<Entry>,
    token: Token,
    interest: Interest,
) -> Result<(), Refused> {
    let old = old.ok_or(Refused::NotFound)?;
    let stamp = table.new_stamp();
    let wanted = Filters::asked_for(interest);
    let delivery = Delivery::of(interest);
    let changes = plan::replace(old.knotes, wanted, delivery, kernel.except_is_read());
    let outcome = kernel.control(fd, stamp, changes)?;
    if old.is_closed(&outcome) {
        table.vacate(fd);
        kernel.control(fd, stamp, plan::delete(outcome.added))?;
        return Err(Refused::NotFound);
    }
    if let Some(code) = outcome.error {
        kernel.control(fd, stamp, plan::delete(wanted))?;
        // Back to what it was; a one-shot that is spent reports nothing without its knotes too.
        let before = if old.is_spent {
            Filters::NONE
        } else {
            old.knotes
        };
        let except_is_read = kernel.except_is_read();
        let changes = plan::replace(Filters::NONE, before, old.delivery, except_is_read);
        let restored = kernel.control(fd, stamp, changes)?;
        table.restore(fd, stamp, &restored);
        return Err(Refused::Change(code));
    }
    table.reoccupy(fd, token, interest, stamp, &outcome);
    Ok(())
}

/// Ends the registration `old` of a descriptor.
pub(crate) fn deregister(
    table: &mut Table,
    kernel: &mut impl Kernel,
    fd: Raw,
    old: Option<Entry>,
) -> Result<(), Refused> {
    let old = old.ok_or(Refused::NotFound)?;
    table.vacate(fd);
    let outcome = kernel.control(fd, old.stamp, plan::delete(old.knotes))?;
    if old.is_closed(&outcome) {
        return Err(Refused::NotFound);
    }
    outcome
        .error
        .map_or(Ok(()), |code| Err(Refused::Change(code)))
}

#[cfg(test)]
mod tests {
    use super::super::model::{Reactor, EINVAL, EPIPE};
    use super::*;
    use crate::base::event::Event;
    use crate::base::readiness::Readiness;
    use proptest::prelude::*;

    const FD: Raw = 7;
    const READ: Filters = Filters::of(Filter::Read);
    const WRITE: Filters = Filters::of(Filter::Write);

    fn both() -> Interest {
        Interest::READABLE | Interest::WRITABLE
    }

    /// One open file that is ready for these.
    fn reactor(ready: Filters) -> Reactor {
        let mut reactor = Reactor::default();
        reactor.kernel.open(FD).ready = ready;
        reactor
    }

    fn modes() -> [Interest; 3] {
        [both(), both().level(), both().oneshot()]
    }

    #[test]
    fn what_is_ready_is_reported_by_the_next_wait_and_as_one_event() {
        for interest in modes() {
            let mut reactor = reactor(READ | WRITE);
            reactor.register(FD, 1, interest).unwrap();
            let events = reactor.select(64);
            let [event] = events.as_slice() else {
                panic!("{events:?}");
            };
            let all = Readiness::READABLE | Readiness::WRITABLE;
            assert_eq!((event.token(), event.readiness()), (Token(1), all));
        }
    }

    #[test]
    fn sources_with_the_same_token_have_an_event_each() {
        let mut reactor = reactor(READ);
        reactor.kernel.open(8).ready = WRITE;
        reactor.register(FD, 1, both()).unwrap();
        reactor.register(8, 1, both()).unwrap();
        assert_eq!(reactor.tokens(), [1, 1]);
    }

    #[test]
    fn edges_are_reported_once() {
        let mut reactor = reactor(READ);
        reactor.register(FD, 1, both()).unwrap();
        assert_eq!(reactor.tokens(), [1]);
        assert!(reactor.tokens().is_empty());
        reactor.kernel.make_ready(FD, Filter::Read);
        assert_eq!(reactor.tokens(), [1]);
    }

    #[test]
    fn levels_are_reported_while_they_last() {
        let mut reactor = reactor(READ);
        reactor.register(FD, 1, both().level()).unwrap();
        assert_eq!(reactor.tokens(), [1]);
        assert_eq!(reactor.tokens(), [1]);
        reactor.kernel.drain(FD, Filter::Read);
        assert!(reactor.tokens().is_empty());
    }

    #[test]
    fn one_shot_covers_both_filters_also_if_there_is_room_for_one_only() {
        let mut reactor = reactor(READ | WRITE);
        reactor.register(FD, 1, both().oneshot()).unwrap();
        assert_eq!(reactor.select(1).len(), 1);
        assert!(reactor.tokens().is_empty());
        reactor.kernel.make_ready(FD, Filter::Read);
        reactor.kernel.make_ready(FD, Filter::Write);
        assert!(reactor.tokens().is_empty());

        reactor.reregister(FD, 2, both().oneshot()).unwrap();
        assert_eq!(reactor.tokens(), [2]);
        assert!(reactor.tokens().is_empty());
    }

    #[test]
    fn what_a_spent_one_shot_still_has_to_say_keeps_nobody_out() {
        let mut reactor = Reactor::default();
        for fd in [FD, 8, 9] {
            reactor.kernel.open(fd);
            reactor.register(fd, 1, both().oneshot()).unwrap();
        }
        for filter in [Filter::Read, Filter::Write] {
            for fd in [FD, 8, 9] {
                reactor.kernel.make_ready(fd, filter);
            }
        }
        for _ in 0..3 {
            assert_eq!(reactor.select(1).len(), 1);
        }
        assert_eq!(reactor.kernel.pending(), 3);
        reactor.kernel.open(10).ready = READ;
        reactor.register(10, 2, both()).unwrap();
        let events = reactor.select(1);
        assert!(events.iter().map(Event::token).eq([Token(2)]), "{events:?}");
    }

    #[test]
    fn a_reregistration_reports_anew_from_every_mode_to_every_other() {
        for before in modes() {
            for after in modes() {
                let mut reactor = reactor(READ | WRITE);
                reactor.register(FD, 1, before).unwrap();
                assert_eq!(reactor.tokens(), [1]);
                reactor.reregister(FD, 2, after).unwrap();
                assert_eq!(reactor.tokens(), [2], "{before:?} to {after:?}");
                let again = usize::from(after.is_level());
                assert_eq!(reactor.tokens().len(), again, "{before:?} to {after:?}");
            }
        }
    }

    #[test]
    fn a_reduced_interest_hears_no_more_of_the_rest() {
        let mut reactor = reactor(Filters::NONE);
        reactor.register(FD, 1, both()).unwrap();
        reactor.reregister(FD, 1, Interest::READABLE).unwrap();
        reactor.kernel.make_ready(FD, Filter::Write);
        assert!(reactor.tokens().is_empty());
        assert_eq!(reactor.kernel.knotes(), 1);
        reactor.kernel.make_ready(FD, Filter::Read);
        assert_eq!(reactor.tokens(), [1]);
    }

    #[test]
    fn nothing_is_left_of_what_is_deregistered() {
        for interest in modes() {
            let mut reactor = reactor(READ | WRITE);
            reactor.register(FD, 1, interest).unwrap();
            reactor.tokens();
            reactor.deregister(FD).unwrap();
            assert_eq!(reactor.kernel.knotes(), 0);
            assert!(reactor.tokens().is_empty());
            reactor.register(FD, 2, interest).unwrap();
            assert_eq!(reactor.tokens(), [2]);
        }
    }

    #[test]
    fn a_second_registration_is_refused_and_changes_nothing() {
        for interest in modes() {
            let mut reactor = reactor(READ);
            reactor.register_seen(FD, 1, interest).unwrap();
            reactor.tokens();
            let second = reactor.register(FD, 2, both().level());
            assert!(matches!(second, Err(Refused::AlreadyExists)), "{second:?}");
            let expected: &[usize] = if interest.is_level() { &[1] } else { &[] };
            assert_eq!(reactor.tokens(), expected, "{interest:?}");
        }
    }

    /// A probe runs the filter, which may report what it finds once more.
    #[test]
    fn a_second_registration_of_what_is_unseen_is_refused_and_costs_an_event_at_most() {
        for interest in modes() {
            let mut reactor = reactor(READ);
            let first = reactor.register_seen(FD, 1, interest).unwrap();
            reactor.tokens();
            reactor.table.detach(FD, first);
            let second = reactor.register(FD, 2, both().level());
            assert!(matches!(second, Err(Refused::AlreadyExists)), "{second:?}");
            assert!(reactor.tokens().iter().all(|token| *token == 1));
            let is_again = !reactor.tokens().is_empty();
            assert_eq!(is_again, interest.is_level(), "{interest:?}");
        }
    }

    #[test]
    fn a_broken_pipe_without_a_knote_is_registered_once() {
        let mut reactor = reactor(Filters::NONE);
        reactor.kernel.open(FD).refuses = Some((Filter::Write, EPIPE));
        reactor.register(FD, 1, Interest::WRITABLE).unwrap();
        let second = reactor.register(FD, 2, Interest::READABLE);
        assert!(matches!(second, Err(Refused::AlreadyExists)), "{second:?}");
        assert_eq!(reactor.tokens(), [1]);
        assert_eq!(reactor.kernel.knotes(), 0);

        reactor.kernel.open(FD).ready = READ;
        reactor.register(FD, 3, Interest::READABLE).unwrap();
        assert_eq!(reactor.tokens(), [3]);
        assert_eq!(reactor.kernel.knotes(), 1);
    }

    #[test]
    fn what_is_not_registered_cannot_be_changed_or_removed() {
        let mut reactor = reactor(READ);
        let outcome = reactor.reregister(FD, 1, both());
        assert!(matches!(outcome, Err(Refused::NotFound)));
        assert!(matches!(reactor.deregister(FD), Err(Refused::NotFound)));
    }

    #[test]
    fn the_number_of_a_closed_file_can_be_registered_by_the_next_one() {
        for interest in modes() {
            let mut reactor = reactor(READ);
            reactor.register(FD, 1, interest).unwrap();
            reactor.tokens();
            reactor.kernel.open(FD).ready = WRITE;
            reactor.register(FD, 2, interest).unwrap();
            assert_eq!(reactor.tokens(), [2]);
        }
    }

    #[test]
    fn the_registration_of_a_closed_file_is_not_found_and_does_not_reach_the_next_one() {
        let mut reactor = reactor(READ);
        reactor.register(FD, 1, both()).unwrap();
        reactor.kernel.open(FD).ready = READ;
        let outcome = reactor.reregister(FD, 1, both());
        assert!(matches!(outcome, Err(Refused::NotFound)), "{outcome:?}");
        assert_eq!(reactor.kernel.knotes(), 0);

        reactor.register(FD, 2, both()).unwrap();
        reactor.kernel.open(FD);
        assert!(matches!(reactor.deregister(FD), Err(Refused::NotFound)));
    }

    #[test]
    fn a_refused_change_leaves_the_registration_as_it_was() {
        for interest in [Interest::READABLE, Interest::READABLE.level()] {
            let mut reactor = reactor(READ);
            reactor.kernel.open(FD).refuses = Some((Filter::Write, EINVAL));
            reactor.register(FD, 1, interest).unwrap();
            let outcome = reactor.reregister(FD, 2, both());
            assert!(matches!(outcome, Err(Refused::Change(EINVAL))));
            assert_eq!(reactor.kernel.knotes(), 1);
            reactor.kernel.make_ready(FD, Filter::Read);
            assert_eq!(reactor.tokens(), [1]);
        }
    }

    #[test]
    fn a_refused_change_leaves_a_broken_pipe_to_be_reported() {
        for interest in modes().map(|mode| mode.remove(Interest::READABLE).unwrap()) {
            let mut reactor = reactor(Filters::NONE);
            reactor.kernel.open(FD).refuses = Some((Filter::Write, EPIPE));
            reactor.register(FD, 1, interest).unwrap();
            reactor.kernel.file(FD).refuses = Some((Filter::Read, EINVAL));
            let outcome = reactor.reregister(FD, 2, both());
            assert!(matches!(outcome, Err(Refused::Change(EINVAL))));
            assert_eq!(reactor.tokens(), [1], "{interest:?}");
        }
    }

    #[test]
    fn a_refused_change_does_not_arm_a_spent_one_shot() {
        let mut reactor = reactor(READ);
        let file = reactor.kernel.open(FD);
        file.ready = READ;
        file.refuses = Some((Filter::Write, EINVAL));
        let interest = Interest::READABLE.oneshot();
        reactor.register(FD, 1, interest).unwrap();
        assert_eq!(reactor.tokens(), [1]);
        assert!(reactor.reregister(FD, 2, both()).is_err());
        assert!(reactor.tokens().is_empty());
        reactor.reregister(FD, 3, interest).unwrap();
        assert_eq!(reactor.tokens(), [3]);
        reactor.deregister(FD).unwrap();
    }

    #[test]
    fn a_refused_registration_leaves_nothing() {
        let mut reactor = reactor(READ);
        reactor.kernel.open(FD).refuses = Some((Filter::Write, EINVAL));
        let outcome = reactor.register(FD, 1, both());
        assert!(matches!(outcome, Err(Refused::Change(EINVAL))));
        assert_eq!(reactor.kernel.knotes(), 0);
        assert!(reactor.table.get(FD).is_none());
    }

    #[test]
    fn a_pipe_that_takes_no_knote_is_reported_as_the_mode_says() {
        for interest in modes() {
            let mut reactor = reactor(Filters::NONE);
            reactor.kernel.open(FD).refuses = Some((Filter::Write, EPIPE));
            reactor.register(FD, 1, interest).unwrap();
            let events = reactor.select(64);
            assert!(events[0].is_writable() && events[0].is_write_closed());
            assert_eq!(reactor.tokens().len(), usize::from(interest.is_level()));

            reactor.reregister(FD, 2, interest).unwrap();
            assert_eq!(reactor.tokens(), [2]);
            reactor.deregister(FD).unwrap();
            assert!(reactor.tokens().is_empty());
        }
    }

    #[test]
    fn a_level_of_a_broken_pipe_and_one_of_the_kernel_take_turns() {
        let mut reactor = reactor(Filters::NONE);
        reactor.kernel.open(FD).refuses = Some((Filter::Write, EPIPE));
        reactor.kernel.open(8).ready = READ;
        reactor.register(FD, 1, Interest::WRITABLE.level()).unwrap();
        reactor.register(8, 2, Interest::READABLE.level()).unwrap();
        let mut seen = [0; 3];
        for _ in 0..8 {
            for event in reactor.select(1) {
                seen[event.token().0] += 1;
            }
        }
        assert!(seen[1] >= 2 && seen[2] >= 2, "{seen:?}");
    }

    #[test]
    fn a_knote_that_goes_with_the_end_it_reports_is_not_missed() {
        for interest in modes() {
            let mut reactor = reactor(Filters::NONE);
            reactor.kernel.open(FD).forgets_at_end = true;
            reactor.register(FD, 1, interest).unwrap();
            reactor.kernel.end(FD, Filter::Write);
            reactor.kernel.end(FD, Filter::Read);
            assert_eq!(reactor.tokens(), [1]);
            assert_eq!(reactor.kernel.knotes(), 0);
            for _ in 0..2 {
                let events = reactor.select(64);
                assert_eq!(events.len(), usize::from(interest.is_level()));
                assert!(events.iter().all(Event::is_write_closed));
            }
            reactor.reregister(FD, 2, interest).unwrap();
            assert_eq!(reactor.tokens(), [2]);
            reactor.deregister(FD).unwrap();
        }
    }

    #[test]
    fn a_reset_closes_both_halves_also_after_its_error_was_fetched() {
        for interest in modes().map(|mode| mode.remove(Interest::WRITABLE).unwrap()) {
            let mut reactor = reactor(Filters::NONE);
            reactor.register(FD, 1, interest).unwrap();
            reactor.kernel.reset(FD, 104);
            let closed = |event: &Event| event.is_read_closed() && event.is_write_closed();
            let events = reactor.select(64);
            assert!(closed(&events[0]) && events[0].is_error());
            reactor.kernel.take_error(FD);
            assert!(reactor.select(64).iter().all(closed));
            reactor.reregister(FD, 2, interest).unwrap();
            let events = reactor.select(64);
            assert!(closed(&events[0]) && !events[0].is_error());
        }
    }

    /// The filter finds all that reading does, and that must neither be reported nor spin.
    #[cfg(capability = "interest_priority")]
    #[test]
    fn data_that_is_not_urgent_is_nothing_to_whoever_waits_for_urgent_data() {
        let urgent = Interest::PRIORITY;
        for interest in [urgent, urgent.level(), urgent.oneshot()] {
            let mut reactor = reactor(READ);
            reactor.kernel.except_is_read = true;
            reactor.register(FD, 1, interest).unwrap();
            assert!(reactor.tokens().is_empty());
            reactor.kernel.make_ready(FD, Filter::Read);
            assert!(reactor.tokens().is_empty());
            assert_eq!(reactor.kernel.pending(), 0, "{interest:?} spins");

            reactor.kernel.make_ready(FD, Filter::Except);
            let events = reactor.select(64);
            assert!(events[0].is_priority() && events[0].is_readable());
            reactor.kernel.make_ready(FD, Filter::Read);
            let is_again = !reactor.tokens().is_empty();
            assert!(!(is_again && interest.is_oneshot()));
        }
    }

    #[cfg(capability = "interest_priority")]
    #[test]
    fn urgent_data_is_a_level_where_reading_is_one_too() {
        let interest = (Interest::READABLE | Interest::PRIORITY).level();
        let mut reactor = reactor(READ);
        reactor.kernel.except_is_read = true;
        reactor.register(FD, 1, interest).unwrap();
        assert!(!reactor.select(64)[0].is_priority());
        reactor.kernel.make_ready(FD, Filter::Except);
        for _ in 0..3 {
            assert!(reactor.select(64)[0].is_priority());
        }
    }

    #[test]
    fn a_half_close_closes_one_half() {
        let mut reactor = reactor(Filters::NONE);
        reactor.register(FD, 1, both()).unwrap();
        reactor.kernel.end(FD, Filter::Read);
        let events = reactor.select(64);
        assert!(events[0].is_read_closed() && !events[0].is_write_closed());
    }

    #[test]
    fn a_batch_that_is_merged_leaves_its_room_to_others() {
        let mut reactor = reactor(READ | WRITE);
        reactor.register(FD, 0, both()).unwrap();
        for n in 1..4 {
            reactor.kernel.open(FD + n).ready = READ | WRITE;
            reactor
                .register(FD + n, n.try_into().unwrap(), both())
                .unwrap();
        }
        let events = reactor.select(4);
        assert_eq!(events.len(), 4, "{events:?}");
    }

    #[test]
    fn levels_do_not_make_a_turn_endless() {
        let mut reactor = reactor(READ | WRITE);
        reactor.register(FD, 0, both().level()).unwrap();
        assert_eq!(reactor.select(2).len(), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(Raw),
        Close(Raw),
        Ready(Raw, Filter),
        Drain(Raw, Filter),
        Register(Raw, Interest),
        Reregister(Raw, Interest),
        Deregister(Raw),
        Select(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let fd = || 3..7;
        let filter = || prop_oneof![Just(Filter::Read), Just(Filter::Write)];
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
            (fd(), filter()).prop_map(|(fd, filter)| Step::Ready(fd, filter)),
            (fd(), filter()).prop_map(|(fd, filter)| Step::Drain(fd, filter)),
            (fd(), interest()).prop_map(|(fd, interest)| Step::Register(fd, interest)),
            (fd(), interest()).prop_map(|(fd, interest)| Step::Reregister(fd, interest)),
            fd().prop_map(Step::Deregister),
            (1usize..5).prop_map(Step::Select),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// What a user may expect of one registration.
    struct Expected {
        token: usize,
        interest: Interest,
        is_spent: bool,
        /// To be reported, since it became ready or was registered ready.
        is_due: bool,
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_missing_and_nothing_is_reported_to_nobody(
            steps in steps()
        ) {
            let mut reactor = Reactor::default();
            let mut expected: Vec<Option<Expected>> = (0..8).map(|_| None).collect();
            let mut token = 0;
            for step in steps.into_iter().chain([Step::Select(64)]) {
                match step {
                    Step::Open(fd) if !reactor.kernel.is_open(fd) => {
                        reactor.kernel.open(fd);
                    }
                    Step::Open(_) => {}
                    Step::Close(fd) => {
                        reactor.kernel.close(fd);
                        expected[fd as usize] = None;
                    }
                    Step::Ready(fd, filter) => {
                        reactor.kernel.make_ready(fd, filter);
                        if let Some(known) = &mut expected[fd as usize] {
                            let asked = Filters::asked_for(known.interest);
                            known.is_due |= asked.has(Filters::of(filter));
                        }
                    }
                    Step::Drain(fd, filter) => reactor.kernel.drain(fd, filter),
                    Step::Register(fd, interest) | Step::Reregister(fd, interest) => {
                        token += 1;
                        let is_new = matches!(step, Step::Register(..));
                        let outcome = if is_new {
                            reactor.register(fd, token, interest).map(drop)
                        } else {
                            reactor.reregister(fd, token, interest)
                        };
                        let is_known = expected[fd as usize].is_some();
                        let is_right = reactor.kernel.is_open(fd) && is_new != is_known;
                        prop_assert_eq!(outcome.is_ok(), is_right, "{:?}", outcome);
                        if is_right {
                            let asked = Filters::asked_for(interest);
                            let is_due = asked.iter().any(|f| reactor.kernel.is_ready(fd, f));
                            let is_spent = false;
                            expected[fd as usize] = Some(Expected { token, interest, is_spent, is_due });
                        }
                    }
                    Step::Deregister(fd) => {
                        let known = expected[fd as usize].take();
                        prop_assert_eq!(reactor.deregister(fd).is_ok(), known.is_some());
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
                            known.is_due = false;
                        }
                        let mut tokens: Vec<_> = events.iter().map(Event::token).collect();
                        tokens.sort_unstable();
                        tokens.dedup();
                        prop_assert_eq!(tokens.len(), events.len(), "one event for each");
                        for (fd, known) in (0..).zip(&expected) {
                            let Some(known) = known else { continue };
                            let asked = Filters::asked_for(known.interest);
                            let is_ready = asked.iter().any(|f| reactor.kernel.is_ready(fd, f));
                            let is_missing = known.is_due && !known.is_spent && is_ready;
                            prop_assert!(is_full || !is_missing, "{} is missing", known.token);
                        }
                    }
                }
            }
        }
    }
}
