//! What a source is ready for: the small set of flags that every backend translates to.

use std::fmt;
use std::ops::BitOr;

use crate::diagnostics::flags::Flags;

/// A set of readiness flags, the same on every system.
#[derive(Copy, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const EMPTY: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1 << 0);
    pub(crate) const WRITABLE: Self = Self(1 << 1);
    pub(crate) const PRIORITY: Self = Self(1 << 2);
    pub(crate) const ERROR: Self = Self(1 << 3);
    pub(crate) const READ_CLOSED: Self = Self(1 << 4);
    pub(crate) const WRITE_CLOSED: Self = Self(1 << 5);
    pub(crate) const AIO: Self = Self(1 << 6);
    pub(crate) const LIO: Self = Self(1 << 7);

    /// Whether any flag of `other` is set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: &[(u32, &str)] = &[
            (Readiness::READABLE.0 as u32, "READABLE"),
            (Readiness::WRITABLE.0 as u32, "WRITABLE"),
            (Readiness::PRIORITY.0 as u32, "PRIORITY"),
            (Readiness::ERROR.0 as u32, "ERROR"),
            (Readiness::READ_CLOSED.0 as u32, "READ_CLOSED"),
            (Readiness::WRITE_CLOSED.0 as u32, "WRITE_CLOSED"),
            (Readiness::AIO.0 as u32, "AIO"),
            (Readiness::LIO.0 as u32, "LIO"),
        ];
        Flags::new(self.0.into(), NAMES, " | ").fmt(f)
    }
}
