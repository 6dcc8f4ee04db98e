//! What a library owes about one registration: the reference model.
//!
//! For each flag of an event the model knows whether a report is *due*:
//!
//! - [`Due::Must`]: when it is so, it must be reported at the next poll.
//! - [`Due::May`]: it can be reported, if it is so.
//! - [`Due::No`]: it was reported, and nothing has happened since that would make it due again.
//!
//! | what happens | what becomes of it |
//! |---|---|
//! | (re)registration | every flag must be reported |
//! | a flag is reported | no more due |
//! | an operation would block, or moves less than asked | its direction must be reported, if now it is not ready; else may |
//! | the same | an error may be reported again, for it may be another one |
//! | an operation in `try_io` would block | the same, but an emulating backend may take its time |
//! | a poll finds the source not closed, or without error | closing or an error must be reported when it comes |
//!
//! An emulating backend may also take its time after an error or a hang-up was reported, as long as it
//! lasts.
//!
//! epoll reports more: everything that is so whenever anything happens. It is compared with mio, and
//! there these additions are equal; nobody may rely on them.

use std::ops::BitOr;

use crate::subject::{Flags, Wanted};

/// Whether a library keeps edges itself or leaves them to the kernel.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edges {
    /// The kernel's, and equal to mio's.
    Native,
    /// Made of levels: reported only when due, and then only what is so.
    Emulated,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Due {
    No,
    May,
    Must,
}

/// One direction of a stream, as operations see it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What is owed about one registration.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) token: usize,
    pub(crate) wanted: Wanted,
    due: [Due; 6],
    /// Flags for which emulated edges may take their time.
    late: Flags,
    /// Whether the library gave the descriptor away, so that it cannot know what is drained.
    exposed: bool,
}

const CLOSING: [Flags; 3] = [Flags::ERROR, Flags::READ_CLOSED, Flags::WRITE_CLOSED];

impl Promise {
    pub(crate) fn new(token: usize, wanted: Wanted, exposed: bool) -> Self {
        Self {
            token,
            wanted,
            due: [Due::Must; 6],
            late: Flags::NONE,
            exposed,
        }
    }

    /// From now on the library does not know what is drained.
    pub(crate) fn expose(&mut self) {
        self.exposed = true;
    }

    /// An operation would block, or moved less than it was asked to. `holds` is what is so now.
    pub(crate) fn ran_dry(&mut self, direction: Direction, holds: Flags) {
        for flag in flags_of(direction) {
            self.make_due(flag, holds);
            self.late = self.late.without(flag);
        }
        // Whoever blocks has found no error; one that is there now may be another.
        for flag in [Flags::ERROR, Flags::WRITE_CLOSED] {
            self.make_due(flag, holds);
        }
    }

    /// An operation that the library did not see read and would block.
    pub(crate) fn read_dry_unseen(&mut self, holds: Flags) {
        for flag in flags_of(Direction::Read) {
            if self.due(flag) != Due::Must {
                self.make_due(flag, holds);
                self.late |= flag;
            }
        }
        // For all the library knows it may have been a write.
        if self.due(Flags::WRITABLE) == Due::No {
            self.set(Flags::WRITABLE, Due::May);
        }
    }

    /// What must be reported by the next poll, in a situation where `holds` is so.
    pub(crate) fn owed(&self, holds: Flags, edges: Edges) -> Flags {
        let owed = self.owed_at_last(holds);
        match edges {
            Edges::Native => owed,
            Edges::Emulated if self.exposed || self.is_over(holds) => Flags::NONE,
            Edges::Emulated => owed.without(self.late),
        }
    }

    /// What must be reported by the next poll, or a later one if it takes its time.
    pub(crate) fn owed_at_last(&self, holds: Flags) -> Flags {
        let due = Flags::ALL.into_iter().filter_map(|(flag, _)| {
            (holds.has(flag) && self.due(flag) == Due::Must).then_some(flag)
        });
        due.fold(Flags::NONE, Flags::bitor)
    }

    /// Judges one report; `None` if nothing was reported.
    pub(crate) fn judge(
        &self,
        holds: Flags,
        reported: Option<Flags>,
        edges: Edges,
    ) -> Result<(), String> {
        let flags = reported.unwrap_or(Flags::NONE);
        let missing = self.owed_at_last(holds).without(flags);
        if !missing.is_none() {
            return Err(format!("owes {missing}"));
        }
        // An error alone closes writing, says epoll; with more it does not.
        let closed_by_error = Flags::WRITE_CLOSED.when(holds.has(Flags::ERROR));
        // The end of the stream can be read at once, though a pipe does not say so.
        let end = Flags::READABLE.when(holds.has(Flags::READ_CLOSED) && self.wanted.readable);
        let untrue = flags.without(holds | closed_by_error | end);
        if !untrue.is_none() {
            return Err(format!("reports {untrue}, which is not so"));
        }
        if (flags.has(Flags::READ_CLOSED) && holds.has(Flags::READABLE))
            && (self.due(Flags::READ_CLOSED) != Due::No && !flags.has(Flags::READABLE))
        {
            return Err("reports the end of the stream, but not that it can be read".into());
        }
        let is_founded = Flags::ALL
            .into_iter()
            .any(|(flag, _)| flags.has(flag) && self.due(flag) != Due::No);
        if reported.is_some() && edges == Edges::Emulated && !self.exposed && !is_founded {
            return Err(format!("reports {flags}, of which nothing is due"));
        }
        Ok(())
    }

    /// Takes note of a poll.
    pub(crate) fn polled(&mut self, holds: Flags, reported: Flags) {
        for (flag, _) in Flags::ALL {
            // Urgent data is readable too, also where there is no other.
            let is_only_urgent = flag == Flags::READABLE && reported.has(Flags::PRIORITY);
            if reported.has(flag) {
                self.set(flag, if is_only_urgent { Due::May } else { Due::No });
            }
        }
        for flag in CLOSING {
            if !holds.has(flag) {
                self.set(flag, Due::Must);
            }
        }
    }

    /// Whether an error or a hang-up was reported and lasts. Where only levels are known, it hides what
    /// else happens, so that is looked for from time to time.
    fn is_over(&self, holds: Flags) -> bool {
        [Flags::ERROR, Flags::WRITE_CLOSED]
            .into_iter()
            .any(|flag| holds.has(flag) && self.due(flag) == Due::No)
    }

    fn make_due(&mut self, flag: Flags, holds: Flags) {
        if !holds.has(flag) {
            self.set(flag, Due::Must);
        } else if self.due(flag) == Due::No {
            self.set(flag, Due::May);
        }
    }

    fn due(&self, flag: Flags) -> Due {
        self.due[place(flag)]
    }

    fn set(&mut self, flag: Flags, due: Due) {
        self.due[place(flag)] = due;
    }
}

fn place(flag: Flags) -> usize {
    let mut all = Flags::ALL.into_iter();
    all.position(|(one, _)| one == flag).expect("one flag")
}

fn flags_of(direction: Direction) -> Vec<Flags> {
    match direction {
        Direction::Read => vec![Flags::READABLE, Flags::PRIORITY],
        Direction::Write => vec![Flags::WRITABLE],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Wanted = Wanted {
        readable: true,
        writable: true,
        priority: false,
    };

    fn promise() -> Promise {
        Promise::new(7, BOTH, false)
    }

    /// One that was polled while it was ready to be read and written.
    fn reported() -> Promise {
        let mut promise = promise();
        let ready = Flags::READABLE | Flags::WRITABLE;
        promise.judge(ready, Some(ready), Edges::Emulated).unwrap();
        promise.polled(ready, ready);
        promise
    }

    #[test]
    fn a_missing_flag_is_noticed() {
        for edges in [Edges::Native, Edges::Emulated] {
            promise().judge(Flags::WRITABLE, None, edges).unwrap_err();
            let ready = Flags::READABLE | Flags::WRITABLE;
            let half = Some(Flags::WRITABLE);
            promise().judge(ready, half, edges).unwrap_err();
        }
    }

    #[test]
    fn an_untrue_flag_is_noticed() {
        for edges in [Edges::Native, Edges::Emulated] {
            let said = Some(Flags::WRITABLE | Flags::READABLE);
            promise().judge(Flags::WRITABLE, said, edges).unwrap_err();
        }
    }

    #[test]
    fn emulated_edges_report_nothing_twice() {
        let again = Some(Flags::READABLE);
        let promise = reported();
        promise
            .judge(Flags::READABLE, again, Edges::Native)
            .unwrap();
        promise
            .judge(Flags::READABLE, again, Edges::Emulated)
            .unwrap_err();
    }

    #[test]
    fn only_the_direction_that_blocked_is_owed_again() {
        let mut promise = reported();
        promise.ran_dry(Direction::Read, Flags::WRITABLE);
        let ready = Flags::READABLE | Flags::WRITABLE;
        assert_eq!(promise.owed_at_last(ready), Flags::READABLE);
    }

    #[test]
    fn a_short_read_before_the_end_of_the_stream_owes_nothing() {
        let ended = Flags::READABLE | Flags::READ_CLOSED;
        let mut promise = promise();
        promise.polled(ended, ended);
        promise.ran_dry(Direction::Read, ended);
        assert_eq!(promise.owed_at_last(ended), Flags::NONE);
        promise
            .judge(ended, Some(Flags::READABLE), Edges::Emulated)
            .unwrap();
    }

    #[test]
    fn closing_is_owed_when_it_comes() {
        let closed = Flags::READABLE | Flags::READ_CLOSED;
        assert_eq!(reported().owed_at_last(closed), Flags::READ_CLOSED);
    }

    #[test]
    fn what_was_not_seen_to_block_may_come_late() {
        let mut promise = reported();
        promise.read_dry_unseen(Flags::NONE);
        assert_eq!(
            promise.owed(Flags::READABLE, Edges::Native),
            Flags::READABLE
        );
        assert_eq!(promise.owed(Flags::READABLE, Edges::Emulated), Flags::NONE);
        assert_eq!(promise.owed_at_last(Flags::READABLE), Flags::READABLE);
    }
}
