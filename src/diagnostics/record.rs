//! What a registered source was reported for, and what was done with it since.
//!
//! The polling thread [marks](Record::mark) a direction when it reports it; whoever does the I/O
//! [notes](Record::note) what came of it. Both only touch atomics, and nothing else is published by
//! them: a race between the two costs at most one report that could have been made.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
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
    /// The number of the stop at which writing had to wait for an event, or zero.
    waits_to_write: AtomicUsize,
    common: Arc<Common>,
}

/// What the records of a poll share.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// How often somebody began to wait for a writable event.
    stops: AtomicUsize,
    /// Something may be registered that has no record any more.
    escaped: AtomicBool,
}

impl Common {
    pub(crate) fn stops(&self) -> usize {
        self.stops.load(Relaxed)
    }

    pub(crate) fn has_escaped(&self) -> bool {
        self.escaped.load(Relaxed)
    }
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
    /// It is drained, or full: the operation would have blocked.
    Blocked,
    /// It is drained, or full: a stream moved less than it was asked to.
    Short,
    /// It is closed, broken, or was touched in a way that we cannot see through.
    Settled,
    /// It went on as far as it was asked to, and might go on; so many bytes were moved, where we know.
    Whole(Option<usize>),
    /// Nothing at all.
    Nothing,
}

impl Shown {
    /// By an operation that moves as much as there is, one piece at a time: a datagram, a connection.
    pub(crate) fn by<R>(outcome: &io::Result<R>) -> Self {
        match outcome {
            Ok(_) => Self::Whole(None),
            Err(err) => match err.kind() {
                io::ErrorKind::WouldBlock => Self::Blocked,
                io::ErrorKind::Interrupted => Self::Nothing,
                _ => Self::Settled,
            },
        }
    }

    /// By an operation that may have been anything.
    pub(crate) fn by_any<R>(outcome: &io::Result<R>) -> Self {
        match Self::by(outcome) {
            Self::Blocked => Self::Blocked,
            _ => Self::Settled,
        }
    }

    /// By an operation on a stream, which had room for `whole` bytes, or that many to move.
    pub(crate) fn by_stream(whole: usize, outcome: &io::Result<usize>) -> Self {
        match outcome {
            Ok(_) if whole == 0 => Self::Nothing,
            Ok(0) => Self::Settled,
            Ok(moved) if *moved < whole => Self::Short,
            Ok(moved) => Self::Whole(Some(*moved)),
            Err(_) => Self::by(outcome),
        }
    }
}

/// The observations of one direction.
#[derive(Debug, Default)]
struct Observed {
    state: AtomicU8,
    /// Since it was reported.
    operations: AtomicUsize,
    bytes: AtomicUsize,
}

/// Not reported, or settled since.
const SETTLED: u8 = 0;
/// Reported, and not settled since.
const REPORTED: u8 = 1;
/// The same, and the user was told.
const TOLD: u8 = 2;

impl Record {
    pub(crate) fn new(identity: Identity, interest: Interest, common: &Arc<Common>) -> Self {
        let record = Self {
            identity,
            interest,
            read: Observed::default(),
            write: Observed::default(),
            exposed: AtomicBool::new(false),
            waits_to_write: AtomicUsize::new(0),
            common: Arc::clone(common),
        };
        // It may be watched because it was full. If it is not, an event comes soon.
        record.wait_to_write();
        record
    }

    fn wait_to_write(&self) {
        if self.interest.is_writable() {
            let stop = self.common.stops.fetch_add(1, Relaxed) + 1;
            self.waits_to_write.store(stop, Relaxed);
        }
    }

    /// Whether writing has stopped since then, and waits for an event.
    pub(crate) fn waits_to_write_since(&self, stop: usize) -> bool {
        self.waits_to_write.load(Relaxed) > stop
    }

    /// An event says that it can be written to.
    pub(crate) fn can_write(&self) {
        self.waits_to_write.store(0, Relaxed);
    }

    /// The descriptor is in other hands: what is done with it is not seen, and what is registered may stay so
    /// when the source is gone.
    pub(crate) fn expose(&self) {
        self.exposed.store(true, Relaxed);
        self.common.escaped.store(true, Relaxed);
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
    pub(crate) fn operations(&self, direction: Direction) -> (usize, usize) {
        let observed = self.observed(direction);
        (
            observed.operations.load(Relaxed),
            observed.bytes.load(Relaxed),
        )
    }

    /// Notes what an operation has shown.
    #[cold]
    pub(crate) fn note(&self, way: Blocked, shown: Shown) {
        if matches!(shown, Shown::Blocked | Shown::Short) && way != Blocked::Read {
            self.wait_to_write();
        }
        let directions: &[_] = match way {
            Blocked::Read => &[Direction::Read],
            Blocked::Write => &[Direction::Write],
            Blocked::Either => &Direction::BOTH,
        };
        for &direction in directions {
            match shown {
                Shown::Blocked | Shown::Short | Shown::Settled => self.settle(direction),
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
        self.bytes.fetch_add(bytes.unwrap_or(0), Relaxed);
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
    fn whoever_met_a_full_source_waits_for_an_event() {
        let record = record(Interest::READABLE | Interest::WRITABLE);
        record.can_write();
        let now = record.common.stops();
        record.note(Blocked::Read, Shown::Blocked);
        assert!(!record.waits_to_write_since(now));
        record.note(Blocked::Write, Shown::Blocked);
        assert!(record.waits_to_write_since(now));
        record.can_write();
        assert!(!record.waits_to_write_since(now));
    }

    #[test]
    fn short_ends_and_failures_settle() {
        assert_eq!(Shown::by_stream(8, &Ok(8)), Shown::Whole(Some(8)));
        assert_eq!(Shown::by_stream(8, &Ok(7)), Shown::Short);
        assert_eq!(Shown::by_stream(8, &Ok(0)), Shown::Settled);
        assert_eq!(Shown::by_stream(0, &Ok(0)), Shown::Nothing);
        let failure = |kind: io::ErrorKind| Shown::by_stream(8, &Err(kind.into()));
        assert_eq!(failure(io::ErrorKind::WouldBlock), Shown::Blocked);
        assert_eq!(failure(io::ErrorKind::ConnectionReset), Shown::Settled);
        assert_eq!(failure(io::ErrorKind::Interrupted), Shown::Nothing);
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
