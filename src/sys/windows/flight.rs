//! What is under way for a registration, and what follows from it; decisions only.
//!
//! A registration has one request in flight at most. What it wants to know changes meanwhile, so three
//! questions have to be decided again and again: whether to ask, whether to take back
//! what was asked, and whether an answer is still good.
//!
//! No system call is made here, so it is tested on every system.

use crate::sys::levels::Levels;

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

#[cfg(test)]
mod tests {
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
