//! What is under way for a registration, and what follows from it; decisions only.
//!
//! A registration has one request in flight at most. What it wants to know changes meanwhile, so four
//! questions have to be decided again and again: whether to ask, whether to take back
//! what was asked, whether an answer is still good, and what a refusal means.
//!
//! No system call is made here, so it is tested on every system.

use std::time::Instant;

use crate::sys::levels::Levels;
use crate::sys::rearm::Backoff;

/// What is in flight.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    Nothing,
    Asked {
        levels: Levels,
        /// The wait before which, or during which, it was asked.
        turn: u64,
    },
    /// Called back; the packet has not come yet.
    Cancelled,
}

/// What to do so that the right question is in flight.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Leave,
    CallBack,
    Ask(Levels),
}

/// What a registration wants to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// What is in doubt is looked at first; asking would bring back what is known.
    Look,
    Levels(Levels),
    /// Whether its socket was closed, since nobody else would tell.
    End,
    Nothing,
}

impl Flight {
    pub(crate) fn step(self, want: Want) -> Step {
        match (self, want) {
            // One after the other: the packet of the old question comes first.
            (Self::Cancelled, _) => Step::Leave,
            (Self::Asked { levels, .. }, Want::Levels(wanted)) => {
                // Too much does no harm: an answer is cut to what is wanted then.
                if (wanted & !levels).is_none() {
                    Step::Leave
                } else {
                    Step::CallBack
                }
            }
            (Self::Asked { .. }, _) => Step::Leave,
            (Self::Nothing, Want::Levels(wanted)) => Step::Ask(wanted),
            (Self::Nothing, Want::End) => Step::Ask(Levels::NONE),
            (Self::Nothing, Want::Look | Want::Nothing) => Step::Leave,
        }
    }

    /// What was asked, if an answer is to be believed that comes during the wait `turn`; otherwise one has
    /// to look again.
    ///
    /// `is_suspect`: the source was used or registered anew since it was asked. `is_exact`: what is
    /// reported must hold, though nobody has told that the source was used.
    pub(crate) fn believed(self, is_suspect: bool, is_exact: bool, turn: u64) -> Option<Levels> {
        match self {
            Self::Asked {
                levels,
                turn: asked,
            } if !is_suspect && (!is_exact || asked == turn) => Some(levels),
            _ => None,
        }
    }
}

/// Whether the driver refuses because the socket is not there any more, as its `NTSTATUS` says.
///
/// Every other refusal passes, however long it lasts: mostly the system is short of memory. Who took it
/// for the end of the socket would never report it again, and nobody would know.
pub(crate) fn is_gone(status: i32) -> bool {
    // As in `ntstatus.h`. Written out, so that the tests run on every system.
    const STATUS_INVALID_HANDLE: u32 = 0xC000_0008;
    const STATUS_OBJECT_TYPE_MISMATCH: u32 = 0xC000_0024;
    const STATUS_FILE_CLOSED: u32 = 0xC000_0128;
    matches!(
        status as u32,
        STATUS_INVALID_HANDLE | STATUS_OBJECT_TYPE_MISMATCH | STATUS_FILE_CLOSED
    )
}

/// How long to leave the driver alone that refuses: 1 ms, 2 ms, ... 128 ms, 128 ms, until it
/// answers. So nothing is missed, and nothing spins.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    until: Option<Instant>,
    /// How long the next one is.
    next: Backoff,
}

impl Pause {
    /// The driver answers.
    pub(crate) const NONE: Self = Self {
        until: None,
        next: Backoff::SHORTEST,
    };

    /// It has refused.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.until = Some(now + self.next.next());
    }

    /// It is asked again; if it refuses once more, the next pause is longer.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// When to ask again, if it is not to be asked now.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether it is to be left alone at this moment.
    pub(crate) fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const READ: Levels = Levels::INPUT;
    const WRITE: Levels = Levels::OUTPUT;

    fn asked(levels: Levels) -> Flight {
        Flight::Asked { levels, turn: 7 }
    }

    #[test]
    fn each_want_has_its_step() {
        let cases = [
            (Flight::Nothing, Want::Levels(READ), Step::Ask(READ)),
            (Flight::Nothing, Want::End, Step::Ask(Levels::NONE)),
            (Flight::Nothing, Want::Look, Step::Leave),
            (Flight::Nothing, Want::Nothing, Step::Leave),
            (asked(READ), Want::Levels(READ), Step::Leave),
            (asked(READ | WRITE), Want::Levels(READ), Step::Leave),
            (asked(READ), Want::Levels(READ | WRITE), Step::CallBack),
            (asked(READ), Want::Levels(WRITE), Step::CallBack),
            (asked(Levels::NONE), Want::Levels(READ), Step::CallBack),
            (asked(READ), Want::End, Step::Leave),
            (asked(READ), Want::Look, Step::Leave),
            (asked(READ), Want::Nothing, Step::Leave),
        ];
        for (flight, want, step) in cases {
            assert_eq!(flight.step(want), step, "{flight:?}, {want:?}");
        }
    }

    #[test]
    fn only_a_socket_that_is_not_there_is_gone() {
        for status in [0xC000_0008, 0xC000_0024, 0xC000_0128_u32] {
            assert!(is_gone(status as i32), "{status:#x}");
        }
        // No memory, a quota that is used up, no resources; access denied, cancelled, timeout, success.
        for status in [
            0xC000_0017,
            0xC000_0044,
            0xC000_009A,
            0xC000_0022,
            0xC000_0120,
            0x102,
            0_u32,
        ] {
            assert!(!is_gone(status as i32), "{status:#x}");
        }
    }

    #[test]
    fn pauses_grow_until_there_is_an_answer() {
        let mut now = Instant::now();
        let mut pause = Pause::NONE;
        let mut lengths = Vec::new();
        for _ in 0..10 {
            assert!(!pause.lasts(now));
            pause.end();
            pause.begin(now);
            assert!(pause.lasts(now));
            let until = pause.until().unwrap();
            lengths.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        pause = Pause::NONE;
        assert_eq!(pause.until(), None);
        pause.begin(now);
        assert_eq!(pause.until(), Some(now + Duration::from_millis(1)));
    }

    #[test]
    fn what_was_called_back_is_waited_for() {
        for want in [Want::Levels(READ), Want::End, Want::Look, Want::Nothing] {
            assert_eq!(Flight::Cancelled.step(want), Step::Leave, "{want:?}");
        }
    }

    #[test]
    fn answers_are_believed_while_nothing_has_happened() {
        let flight = asked(READ);
        // Edges may be spurious, so an old answer does.
        assert_eq!(flight.believed(false, false, 7), Some(READ));
        assert_eq!(flight.believed(false, false, 9), Some(READ));
        // Levels are what holds now.
        assert_eq!(flight.believed(false, true, 7), Some(READ));
        assert_eq!(flight.believed(false, true, 8), None);
        // It was drained meanwhile, or wants to know something else.
        assert_eq!(flight.believed(true, false, 7), None);
        assert_eq!(flight.believed(true, true, 7), None);
        for flight in [Flight::Nothing, Flight::Cancelled] {
            assert_eq!(flight.believed(false, false, 7), None);
        }
    }
}
