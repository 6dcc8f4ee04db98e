//! What a system says of a descriptor at one moment, in the words that epoll(7), poll(2) and
//! their kin share.

use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

use crate::base::interest::Interest;
use crate::base::readiness::Readiness;

/// A set of conditions that hold now.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels(u8);

impl Levels {
    pub(crate) const NONE: Self = Self(0);
    // The numbers are those of epoll(7) and poll(2), as far as they fit; see `from_bits`.
    pub(crate) const INPUT: Self = Self(1 << 0);
    pub(crate) const PRIORITY: Self = Self(1 << 1);
    pub(crate) const OUTPUT: Self = Self(1 << 2);
    /// Always reported, asked for or not.
    pub(crate) const ERROR: Self = Self(1 << 3);
    /// Both halves are closed. Always reported, asked for or not.
    pub(crate) const HANGUP: Self = Self(1 << 4);
    /// The peer has shut down its writing half.
    pub(crate) const READ_HANGUP: Self = Self(1 << 5);

    /// What cannot be masked out.
    pub(crate) const ALWAYS: Self = Self(Self::ERROR.0 | Self::HANGUP.0);

    /// `self` if `wanted`, to build sets of.
    pub(crate) const fn when(self, wanted: bool) -> Self {
        if wanted {
            self
        } else {
            Self::NONE
        }
    }

    /// What an interest asks for. Whoever reads also wants to know that nothing more will come.
    pub(crate) const fn asked_for(interest: Interest) -> Self {
        Self(
            Self::INPUT.when(interest.is_readable()).0
                | Self::READ_HANGUP.when(interest.is_readable()).0
                | Self::OUTPUT.when(interest.is_writable()).0
                | Self::PRIORITY.when(interest.is_priority()).0,
        )
    }

    /// Whether any condition of `other` holds.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The set with these bits.
    #[cfg_attr(not(selector = "epoll"), allow(dead_code))]
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & ALL)
    }

    #[cfg_attr(not(selector = "epoll"), allow(dead_code))]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What users are told.
    pub(crate) const fn readiness(self) -> Readiness {
        READINESS[self.0 as usize]
    }

    /// The entry of the table.
    const fn to_readiness(self) -> Readiness {
        // A pipe whose reader is gone says "error", with "output" if there is room.
        let write_closed = self.has(Self::HANGUP)
            || (self.has(Self::OUTPUT) && self.has(Self::ERROR))
            || self.0 == Self::ERROR.0;
        let read_closed =
            self.has(Self::HANGUP) || (self.has(Self::INPUT) && self.has(Self::READ_HANGUP));
        let readable = self.has(Self::INPUT) || self.has(Self::PRIORITY);
        Readiness::EMPTY
            .with(Readiness::READABLE, readable)
            .with(Readiness::WRITABLE, self.has(Self::OUTPUT))
            .with(Readiness::PRIORITY, self.has(Self::PRIORITY))
            .with(Readiness::ERROR, self.has(Self::ERROR))
            .with(Readiness::READ_CLOSED, read_closed)
            .with(Readiness::WRITE_CLOSED, write_closed)
    }
}

const ALL: u8 = (1 << 6) - 1;

/// Of every set what users are told: an event costs one load.
const READINESS: [Readiness; ALL as usize + 1] = {
    let mut table = [Readiness::EMPTY; ALL as usize + 1];
    let mut bits = 0;
    while bits <= ALL {
        table[bits as usize] = Levels(bits).to_readiness();
        bits += 1;
    }
    table
};

impl BitOr for Levels {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Levels {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Levels {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Levels {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_told_apart() {
        assert_eq!(Levels::INPUT.readiness(), Readiness::READABLE);
        assert_eq!(Levels::OUTPUT.readiness(), Readiness::WRITABLE);
        assert_eq!(Levels::NONE.readiness(), Readiness::EMPTY);
    }

    #[test]
    fn priority_can_be_read() {
        assert_eq!(
            Levels::PRIORITY.readiness(),
            Readiness::READABLE | Readiness::PRIORITY
        );
    }

    #[test]
    fn a_half_close_closes_reading_only() {
        let half_closed = Levels::INPUT | Levels::OUTPUT | Levels::READ_HANGUP;
        assert_eq!(
            half_closed.readiness(),
            Readiness::READABLE | Readiness::WRITABLE | Readiness::READ_CLOSED
        );
    }

    #[test]
    fn a_hangup_closes_both_halves() {
        assert_eq!(
            Levels::HANGUP.readiness(),
            Readiness::READ_CLOSED | Readiness::WRITE_CLOSED
        );
    }

    #[test]
    fn an_error_closes_writing_unless_there_is_something_to_read() {
        let closes = |levels: Levels| levels.readiness().intersects(Readiness::WRITE_CLOSED);
        assert!(closes(Levels::ERROR));
        assert!(closes(Levels::ERROR | Levels::OUTPUT));
        assert!(!closes(Levels::ERROR | Levels::INPUT));
    }

    #[test]
    fn reading_asks_for_the_peers_shutdown_too() {
        assert_eq!(
            Levels::asked_for(Interest::READABLE),
            Levels::INPUT | Levels::READ_HANGUP
        );
        assert_eq!(Levels::asked_for(Interest::WRITABLE), Levels::OUTPUT);
    }
}
