//! What a registered source was reported for, and what was done with it since.
//!
//! The polling thread [marks](Record::mark) a direction when it reports it; whoever does the I/O
//! [notes](Record::note) what came of it. Both only touch atomics, and nothing else is published by
//! them: a race between the two costs at most one report that could have been made.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering::Relaxed};
use std::sync::Arc;

use crate::base::blocked::Blocked;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::diagnostics::place::Place;

/// A registration of a source whose I/O passes through us.
///
/// Immutable but for what is observed: a source that is registered anew has a new record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) identity: Identity,
    interest: Interest,
    read: Observed,
    write: Observed,
    /// The descriptor was handed out, so that I/O may pass us by.
    exposed: AtomicBool,
    /// Shared by all records of a poll, see [`Record::expose`].
    escaped: Arc<AtomicBool>,
}

/// How a source is called in a message.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Identity {
    /// Its type: `TcpStream`.
    pub(crate) kind: &'static str,
    pub(crate) token: Token,
    pub(crate) registered: Option<Place>,
    pub(crate) reregistered: Option<Place>,
}

/// One of the two ways that bytes go.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];
}

/// What an operation shows of the source.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Drained, closed, broken, or touched in a way that we cannot see through.
    Settled,
    /// It went on as far as it was asked to, and might go on; so many bytes were moved, where we know.
    Whole(Option<usize>),
    /// Nothing at all.
    Nothing,
}

/// The observations of one direction.
#[derive(Debug, Default)]
struct Observed {
    state: AtomicU8,
    /// Since it was reported.
    operations: AtomicU32,
    bytes: AtomicU64,
}

/// Not reported, or settled since.
const SETTLED: u8 = 0;
/// Reported, and not settled since.
const REPORTED: u8 = 1;
/// The same, and the user was told.
const TOLD: u8 = 2;

impl Record {
    pub(crate) fn new(identity: Identity, interest: Interest, escaped: &Arc<AtomicBool>) -> Self {
        Self {
            identity,
            interest,
            read: Observed::default(),
            write: Observed::default(),
            exposed: AtomicBool::new(false),
            escaped: Arc::clone(escaped),
        }
    }

    /// The descriptor is in other hands: what is done with it is not seen, and what is registered may stay so
    /// when the source is gone.
    pub(crate) fn expose(&self) {
        self.exposed.store(true, Relaxed);
        self.escaped.store(true, Relaxed);
    }

    /// Whether an event of this direction obliges the user to go on until the source blocks.
    ///
    /// A source that is watched for reading too may well be writable without anybody having
    /// something to write: nothing can be said of it.
    pub(crate) fn must_be_drained(&self, direction: Direction) -> bool {
        let interest = self.interest;
        let is_asked_for = match direction {
            Direction::Read => interest.is_readable(),
            Direction::Write => interest.is_writable() && !interest.is_readable(),
        };
        is_asked_for
            && !interest.is_level()
            && !interest.is_oneshot()
            && !self.exposed.load(Relaxed)
    }

    /// Notes that the direction is reported; whether it was settled before.
    pub(crate) fn mark(&self, direction: Direction) -> bool {
        let observed = self.observed(direction);
        if observed.state.load(Relaxed) != SETTLED {
            return false;
        }
        observed.operations.store(0, Relaxed);
        observed.bytes.store(0, Relaxed);
        observed.state.store(REPORTED, Relaxed);
        true
    }

    pub(crate) fn is_settled(&self, direction: Direction) -> bool {
        self.observed(direction).state.load(Relaxed) == SETTLED
    }

    pub(crate) fn settle(&self, direction: Direction) {
        self.observed(direction).state.store(SETTLED, Relaxed);
    }

    /// Notes that the user was told; whether that is news.
    pub(crate) fn tell(&self, direction: Direction) -> bool {
        let state = &self.observed(direction).state;
        state
            .compare_exchange(REPORTED, TOLD, Relaxed, Relaxed)
            .is_ok()
    }

    /// How many operations there were since the report, and how many bytes they moved.
    pub(crate) fn operations(&self, direction: Direction) -> (u32, u64) {
        let observed = self.observed(direction);
        (
            observed.operations.load(Relaxed),
            observed.bytes.load(Relaxed),
        )
    }

    /// Notes what an operation has shown.
    #[cold]
    pub(crate) fn note(&self, way: Blocked, shown: Shown) {
        let directions: &[_] = match way {
            Blocked::Read => &[Direction::Read],
            Blocked::Write => &[Direction::Write],
            Blocked::Either => &Direction::BOTH,
        };
        for &direction in directions {
            match shown {
                Shown::Settled => self.settle(direction),
                Shown::Whole(bytes) => self.observed(direction).count(bytes),
                Shown::Nothing => {}
            }
        }
    }

    fn observed(&self, direction: Direction) -> &Observed {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }
}

impl Observed {
    fn count(&self, bytes: Option<usize>) {
        self.operations.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes.unwrap_or(0) as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(interest: Interest) -> Record {
        let identity = Identity {
            kind: "TcpStream",
            token: Token(0),
            registered: None,
            reregistered: None,
        };
        Record::new(identity, interest, &Arc::default())
    }

    #[test]
    fn what_is_settled_is_not_told() {
        let record = record(Interest::READABLE);
        assert!(record.mark(Direction::Read));
        record.note(Blocked::Read, Shown::Settled);
        assert!(record.is_settled(Direction::Read));
        assert!(!record.tell(Direction::Read));
    }

    #[test]
    fn it_is_told_once_until_it_behaves() {
        let record = record(Interest::READABLE);
        for _ in 0..2 {
            assert!(record.mark(Direction::Read));
            record.note(Blocked::Read, Shown::Whole(Some(7)));
            assert!(record.tell(Direction::Read));
            assert!(!record.mark(Direction::Read));
            assert!(!record.tell(Direction::Read));
            assert_eq!(record.operations(Direction::Read), (1, 7));
            record.note(Blocked::Either, Shown::Settled);
        }
    }

    #[test]
    fn only_edges_must_be_drained() {
        let must = |interest, direction| record(interest).must_be_drained(direction);
        assert!(must(Interest::READABLE, Direction::Read));
        assert!(must(Interest::WRITABLE, Direction::Write));
        assert!(!must(Interest::READABLE.level(), Direction::Read));
        assert!(!must(Interest::READABLE.oneshot(), Direction::Read));
        let both = Interest::READABLE | Interest::WRITABLE;
        assert!(must(both, Direction::Read) && !must(both, Direction::Write));
    }

    #[test]
    fn what_was_handed_out_is_left_alone() {
        let record = record(Interest::READABLE);
        record.expose();
        assert!(!record.must_be_drained(Direction::Read));
    }
}
