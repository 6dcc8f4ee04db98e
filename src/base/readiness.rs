//! What a source is ready for: the small set of flags that every backend translates to.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

use crate::base::interest::Interest;
use crate::diagnostics::flags::Flags;

/// What a source is ready for: a small set of flags, the same on every system.
///
/// [`Event::readiness`] tells what an event reports, to be kept beside the source while the event
/// is gone; a [user source](crate::user) is told what to report.
///
/// [`Event::readiness`]: crate::event::Event::readiness
///
/// # Examples
///
/// ```
/// use wakeful::event::Readiness;
///
/// let mut known = Readiness::READABLE;
/// known |= Readiness::WRITABLE;
/// assert!(known.contains(Readiness::READABLE) && known.is_writable());
/// known = known - Readiness::READABLE;
/// assert_eq!(known, Readiness::WRITABLE);
/// assert_eq!(format!("{known:?}"), "WRITABLE");
/// ```
#[derive(Copy, Clone, Default, PartialEq, Eq, Hash)]
pub struct Readiness(u8);

impl Readiness {
    /// Ready for nothing.
    pub const EMPTY: Self = Self(0);
    /// Reading may make progress.
    pub const READABLE: Self = Self(1 << 0);
    /// Writing may make progress.
    pub const WRITABLE: Self = Self(1 << 1);
    /// There is urgent data.
    pub const PRIORITY: Self = Self(1 << 2);
    /// There is an error to be fetched.
    pub const ERROR: Self = Self(1 << 3);
    /// Nothing more will come after what can be read now.
    pub const READ_CLOSED: Self = Self(1 << 4);
    /// Nothing more can be written.
    pub const WRITE_CLOSED: Self = Self(1 << 5);
    /// An asynchronous operation has completed.
    pub const AIO: Self = Self(1 << 6);
    /// A list of asynchronous operations has completed.
    pub const LIO: Self = Self(1 << 7);

    /// What is reported whatever the interest.
    pub(crate) const UNASKED: Self =
        Self(Self::ERROR.0 | Self::READ_CLOSED.0 | Self::WRITE_CLOSED.0);

    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether reading may make progress.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.contains(Self::READABLE)
    }

    /// Whether writing may make progress.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.contains(Self::WRITABLE)
    }

    /// Whether there is urgent data.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.contains(Self::PRIORITY)
    }

    /// Whether there is an error to be fetched.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.contains(Self::ERROR)
    }

    /// Whether the reading half is closed.
    #[must_use]
    pub const fn is_read_closed(self) -> bool {
        self.contains(Self::READ_CLOSED)
    }

    /// Whether the writing half is closed.
    #[must_use]
    pub const fn is_write_closed(self) -> bool {
        self.contains(Self::WRITE_CLOSED)
    }

    /// These flags, and `flag` if it is `set`.
    pub(crate) const fn with(self, flag: Self, set: bool) -> Self {
        if set {
            Self(self.0 | flag.0)
        } else {
            self
        }
    }

    /// The directions that `interest` names.
    pub(crate) fn asked_for(interest: Interest) -> Self {
        let flag = |wanted, flag| if wanted { flag } else { Self::EMPTY };
        flag(interest.is_readable(), Self::READABLE)
            | flag(interest.is_writable(), Self::WRITABLE)
            | flag(interest.is_priority(), Self::PRIORITY)
            | flag(interest.is_aio(), Self::AIO)
            | flag(interest.is_lio(), Self::LIO)
    }
}

/// All flags of both.
impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The flags that both have.
impl BitAnd for Readiness {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The flags of the first that the second does not have.
impl Sub for Readiness {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
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
