//! What a user wants to hear about a source.

use std::fmt;
use std::num::NonZeroU8;
use std::ops::{BitOr, BitOrAssign};

use crate::diagnostics::flags::Flags;

const READABLE: u8 = 1 << 0;
const WRITABLE: u8 = 1 << 1;
const PRIORITY: u8 = 1 << 2;
const AIO: u8 = 1 << 3;
const LIO: u8 = 1 << 4;

/// What you want to hear about a source: reading, writing, or both.
///
/// Given to [`Registry::register`] and [`Registry::reregister`]. An interest is never empty: to
/// hear nothing, deregister.
///
/// Interests tell the system what to *watch*. What arrives in an [`Event`] may say more (that the
/// peer has closed, that an error is pending), and an event may come without its readiness: treat
/// it as a hint, try the operation, and expect [`WouldBlock`].
///
/// [`Registry::register`]: crate::Registry::register
/// [`Registry::reregister`]: crate::Registry::reregister
/// [`Event`]: crate::event::Event
/// [`WouldBlock`]: std::io::ErrorKind::WouldBlock
///
/// # Examples
///
/// ```
/// use wakeful::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interest(NonZeroU8);

impl Interest {
    /// Tell me when reading may make progress: data, a connection to accept, the end of the stream.
    pub const READABLE: Interest = Interest(bits(READABLE));

    /// Tell me when writing may make progress: room in the send buffer, a connection established.
    pub const WRITABLE: Interest = Interest(bits(WRITABLE));

    /// Tell me of urgent ("out of band") data and other exceptional conditions.
    ///
    /// # Platforms
    ///
    /// Linux and Android: `EPOLLPRI`, `POLLPRI`.
    #[cfg(capability = "interest_priority")]
    pub const PRIORITY: Interest = Interest(bits(PRIORITY));

    /// Tell me when an asynchronous I/O operation has completed.
    ///
    /// # Platforms
    ///
    /// DragonFly, FreeBSD and Apple's systems.
    #[cfg(capability = "interest_aio")]
    pub const AIO: Interest = Interest(bits(AIO));

    /// Tell me when a list of asynchronous I/O operations has completed.
    ///
    /// # Platforms
    ///
    /// FreeBSD.
    #[cfg(capability = "interest_lio")]
    pub const LIO: Interest = Interest(bits(LIO));

    /// This interest and `other` as well; the same as `|`, and usable in constants.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
    /// assert!(BOTH.is_writable());
    /// ```
    #[must_use = "an interest is a value: `add` returns the sum"]
    #[allow(clippy::should_implement_trait)] // mio's name; `|` is the operator
    pub const fn add(self, other: Interest) -> Interest {
        Interest(bits(self.0.get() | other.0.get()))
    }

    /// This interest without `other`; `None` when nothing is left.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// assert_eq!(Interest::READABLE.remove(Interest::READABLE), None);
    /// assert_eq!(Interest::READABLE.remove(Interest::WRITABLE), Some(Interest::READABLE));
    /// ```
    #[must_use = "an interest is a value: `remove` returns the rest"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        NonZeroU8::new(self.0.get() & !other.0.get()).map(Interest)
    }

    /// Whether reading is part of it.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.has(READABLE)
    }

    /// Whether writing is part of it.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.has(WRITABLE)
    }

    /// Whether asynchronous I/O is part of it; `false` on systems without it.
    #[must_use]
    pub const fn is_aio(self) -> bool {
        self.has(AIO)
    }

    /// Whether lists of asynchronous I/O are part of it; `false` on systems without it.
    #[must_use]
    pub const fn is_lio(self) -> bool {
        self.has(LIO)
    }

    /// Whether urgent data is part of it; `false` on systems without it.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.has(PRIORITY)
    }

    const fn has(self, bit: u8) -> bool {
        self.0.get() & bit != 0
    }
}

/// For constants: `Option::unwrap` is not `const` in our oldest compiler.
const fn bits(bits: u8) -> NonZeroU8 {
    match NonZeroU8::new(bits) {
        Some(bits) => bits,
        None => panic!("an interest is never empty"),
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: &[(u32, &str)] = &[
            (READABLE as u32, "READABLE"),
            (WRITABLE as u32, "WRITABLE"),
            (PRIORITY as u32, "PRIORITY"),
            (AIO as u32, "AIO"),
            (LIO as u32, "LIO"),
        ];
        Flags::new(self.0.get().into(), NAMES, " | ").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Interest;

    #[test]
    fn a_union_has_both_sides() {
        let mut interest = Interest::READABLE;
        interest |= Interest::WRITABLE;
        assert_eq!(interest, Interest::READABLE | Interest::WRITABLE);
        assert!(interest.is_readable() && interest.is_writable());
        assert!(!interest.is_aio() && !interest.is_lio() && !interest.is_priority());
    }

    #[test]
    fn removing_leaves_the_rest_or_nothing() {
        let both = Interest::READABLE | Interest::WRITABLE;
        assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
        assert_eq!(both.remove(both), None);
    }

    #[test]
    fn debug_names_what_is_watched() {
        assert_eq!(format!("{:?}", Interest::READABLE), "READABLE");
        assert_eq!(
            format!("{:?}", Interest::WRITABLE | Interest::READABLE),
            "READABLE | WRITABLE"
        );
    }

    #[test]
    fn an_absent_interest_costs_no_space() {
        assert_eq!(std::mem::size_of::<Option<Interest>>(), 1);
    }
}
