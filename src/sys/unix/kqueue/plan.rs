//! What to change in a queue, and what to make of the receipts.
//!
//! Every change asks for a receipt (`EV_RECEIPT`), so each has an answer of its own, and none is lost
//! because of another.
//!
//! # Why a registration is made anew instead of changed
//!
//! `EV_ADD` for a knote that exists changes "the parameters of the original event" (FreeBSD's manual).
//! Which those are it does not say: kernels take over `fflags`, `data` and `udata`, and leave `EV_CLEAR`
//! and `EV_DISPATCH` as they were. Nor does it say that what is ready is reported anew. Of a new
//! knote it does: "The filter is also run when an event is initially registered". So a change is `EV_DELETE`
//! and `EV_ADD`, in one call.
//!
//! # Answers that are no failures
//!
//! | change | code | means |
//! |---|---|---|
//! | delete, probe | `ENOENT` | closing the descriptor has deleted the knote, or the end of its pipe |
//! | add, for writing | `EPIPE` | a pipe whose other end is closed: an event, and no knote |
//! | the same on NetBSD | `EBADF` | likewise, if the descriptor is open |
//!
//! A change without a receipt has failed: it was made or not, and what counts on it must not go on.

use super::filter::{Filter, Filters};
use crate::base::interest::Interest;

/// How readiness is delivered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// `EV_CLEAR`
    Edge,
    Level,
    /// `EV_DISPATCH`: the kernel disables the knote when it is reported.
    Once,
}

impl Delivery {
    pub(crate) fn of(interest: Interest) -> Self {
        if interest.is_oneshot() {
            Self::Once
        } else if interest.is_level() {
            Self::Level
        } else {
            Self::Edge
        }
    }
}

/// What is done to a knote.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Add(Delivery),
    Delete,
    /// `EV_ENABLE`, for what is enabled: changes nothing, and fails if there is no knote. It runs the filter, so
    /// what is ready may be reported once more.
    ProbeEnabled,
    /// `EV_DISABLE`, for what is disabled: likewise, and reports nothing.
    ProbeDisabled,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) filter: Filter,
    pub(crate) action: Action,
}

/// The most changes of one call: every filter deleted and added.
pub(crate) const MOST: usize = 2 * Filter::OF_DESCRIPTORS.len();

/// Deletes some knotes of a descriptor, and adds others.
///
/// Where the filter for out-of-band data finds all that the one for reading finds (`except_is_read`), and nobody
/// asks for that, its knote has edges in every mode: it would spin as a level, and be spent as a shot, for
/// data that is not urgent.
pub(crate) fn replace(
    old: Filters,
    new: Filters,
    delivery: Delivery,
    except_is_read: bool,
) -> impl Iterator<Item = Change> {
    let is_alone = except_is_read && !new.has(Filters::of(Filter::Read));
    let delivery = move |filter| match filter {
        Filter::Except if is_alone => Delivery::Edge,
        _ => delivery,
    };
    delete(old).chain(new.iter().map(move |filter| Change {
        filter,
        action: Action::Add(delivery(filter)),
    }))
}

pub(crate) fn delete(old: Filters) -> impl Iterator<Item = Change> {
    old.iter().map(|filter| Change {
        filter,
        action: Action::Delete,
    })
}

/// Asks whether knotes are there, and leaves them as they are.
pub(crate) fn probe(knotes: Filters, is_spent: bool) -> impl Iterator<Item = Change> {
    let action = if is_spent {
        Action::ProbeDisabled
    } else {
        Action::ProbeEnabled
    };
    knotes.iter().map(move |filter| Change { filter, action })
}

/// What became of one change, with the code of an error.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// `ENOENT`
    Missing(i32),
    /// `EPIPE`, or what a system says instead.
    Broken(i32),
    Failed(i32),
}

/// What a code means that says of writing to a pipe that its other end is closed, and of everything
/// that it is not open itself.
pub(crate) fn broken_or_closed(
    code: i32,
    change: Change,
    is_open: impl FnOnce() -> bool,
) -> Answer {
    let adds = matches!(change.action, Action::Add(_));
    if adds && change.filter == Filter::Write && is_open() {
        Answer::Broken(code)
    } else {
        Answer::Failed(code)
    }
}

/// What became of the changes of one call.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The knotes that were added.
    pub(crate) added: Filters,
    /// Those that were there, to be deleted or probed.
    pub(crate) found: Filters,
    /// Writing goes to a pipe whose other end is closed, and has no knote.
    pub(crate) is_broken: bool,
    /// The code of the first change that failed.
    pub(crate) error: Option<i32>,
}

impl Outcome {
    /// Of changes and their receipts.
    pub(crate) fn of(answers: impl IntoIterator<Item = (Change, Answer)>) -> Self {
        let mut outcome = Self::default();
        for (change, answer) in answers {
            outcome.note(change, answer);
        }
        outcome
    }

    fn note(&mut self, change: Change, answer: Answer) {
        let knote = Filters::of(change.filter);
        let adds = matches!(change.action, Action::Add(_));
        match answer {
            Answer::Done if adds => self.added |= knote,
            Answer::Done => self.found |= knote,
            Answer::Missing(_) if !adds => {}
            Answer::Broken(_) if adds && change.filter == Filter::Write => self.is_broken = true,
            Answer::Missing(code) | Answer::Broken(code) | Answer::Failed(code) => {
                self.error.get_or_insert(code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Filters = Filters::of(Filter::Read);
    const WRITE: Filters = Filters::of(Filter::Write);
    const ENOENT: i32 = 2;
    const EBADF: i32 = 9;
    const EINVAL: i32 = 22;
    const EPIPE: i32 = 32;

    fn add(filter: Filter) -> Change {
        Change {
            filter,
            action: Action::Add(Delivery::Edge),
        }
    }

    fn remove(filter: Filter) -> Change {
        Change {
            filter,
            action: Action::Delete,
        }
    }

    #[test]
    fn every_mode_has_its_delivery() {
        let both = Interest::READABLE | Interest::WRITABLE;
        let table = [
            (both, Delivery::Edge),
            (both.level(), Delivery::Level),
            (both.oneshot(), Delivery::Once),
            (both.level().oneshot(), Delivery::Once),
            (both.level().edge(), Delivery::Edge),
        ];
        for (interest, delivery) in table {
            assert_eq!(Delivery::of(interest), delivery, "{interest:?}");
        }
    }

    /// From every set of filters to every other, in every mode.
    #[test]
    fn a_replacement_deletes_all_that_was_and_adds_all_that_is_wanted() {
        let sets = [READ, WRITE, READ | WRITE, Filters::NONE];
        let modes = [Delivery::Edge, Delivery::Level, Delivery::Once];
        for old in sets {
            for new in sets {
                for mode in modes {
                    let changes: Vec<_> = replace(old, new, mode, false).collect();
                    assert!(changes.len() <= MOST);
                    let (deleted, added): (Vec<Change>, Vec<Change>) = changes
                        .iter()
                        .copied()
                        .partition(|change| change.action == Action::Delete);
                    assert!(deleted.iter().map(|change| change.filter).eq(old.iter()));
                    assert!(added.iter().map(|change| change.filter).eq(new.iter()));
                    assert!(added
                        .iter()
                        .all(|change| change.action == Action::Add(mode)));
                    // A filter that stays is deleted first: only a new knote has a new mode, and
                    // reports what is ready.
                    let in_order: Vec<Change> = [deleted, added].concat();
                    assert_eq!(changes, in_order);
                }
            }
        }
    }

    #[test]
    fn a_probe_does_to_a_knote_what_was_done_already() {
        let enabled: Vec<_> = probe(READ | WRITE, false).collect();
        assert!(enabled
            .iter()
            .all(|change| change.action == Action::ProbeEnabled));
        let spent: Vec<_> = probe(READ, true).collect();
        assert!(spent
            .iter()
            .all(|change| change.action == Action::ProbeDisabled));
        assert_eq!((enabled.len(), spent.len()), (2, 1));
    }

    #[test]
    fn all_that_succeeds_is_noted() {
        let outcome = Outcome::of([
            (remove(Filter::Read), Answer::Done),
            (add(Filter::Read), Answer::Done),
            (add(Filter::Write), Answer::Done),
        ]);
        let expected = Outcome {
            added: READ | WRITE,
            found: READ,
            ..Outcome::default()
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn a_knote_that_is_gone_needs_no_deleting() {
        let outcome = Outcome::of([
            (remove(Filter::Read), Answer::Missing(ENOENT)),
            (remove(Filter::Write), Answer::Done),
        ]);
        assert_eq!((outcome.found, outcome.error), (WRITE, None));
    }

    #[test]
    fn a_broken_pipe_is_an_event_and_no_error() {
        let outcome = Outcome::of([(add(Filter::Write), Answer::Broken(EPIPE))]);
        assert!(outcome.is_broken && outcome.added.is_none());
        assert_eq!(outcome.error, None);
    }

    #[test]
    fn a_code_with_two_meanings_is_told_by_the_change_and_the_descriptor() {
        let say = |change, is_open| broken_or_closed(EBADF, change, || is_open);
        assert_eq!(say(add(Filter::Write), true), Answer::Broken(EBADF));
        assert_eq!(say(add(Filter::Write), false), Answer::Failed(EBADF));
        assert_eq!(say(add(Filter::Read), true), Answer::Failed(EBADF));
        assert_eq!(say(remove(Filter::Write), true), Answer::Failed(EBADF));
    }

    #[test]
    fn every_other_answer_is_an_error_and_the_first_one_counts() {
        let table = [
            ((add(Filter::Read), Answer::Broken(EPIPE)), EPIPE),
            ((remove(Filter::Write), Answer::Broken(EPIPE)), EPIPE),
            ((add(Filter::Write), Answer::Missing(ENOENT)), ENOENT),
            ((add(Filter::Except), Answer::Failed(EINVAL)), EINVAL),
            ((remove(Filter::Read), Answer::Failed(EBADF)), EBADF),
        ];
        for (answer, code) in table {
            let later = (add(Filter::Except), Answer::Failed(code + 1));
            let outcome = Outcome::of([answer, later]);
            assert_eq!(outcome.error, Some(code), "{answer:?}");
            assert!(outcome.added.is_none() && !outcome.is_broken);
        }
    }

    #[test]
    fn an_error_does_not_hide_what_was_added() {
        let outcome = Outcome::of([
            (add(Filter::Read), Answer::Done),
            (add(Filter::Write), Answer::Failed(EINVAL)),
        ]);
        assert_eq!((outcome.added, outcome.error), (READ, Some(EINVAL)));
    }
}
