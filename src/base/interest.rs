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
const LEVEL: u8 = 1 << 5;
const ONESHOT: u8 = 1 << 6;
const EXCLUSIVE: u8 = 1 << 7;

/// What is watched; the other bits say how it is delivered.
const DIRECTIONS: u8 = READABLE | WRITABLE | PRIORITY | AIO | LIO;

/// What you want to hear about a source: reading, writing, or both.
///
/// Given to [`Registry::register`] and [`Registry::reregister`]. An interest is never empty: to
/// hear nothing, deregister.
///
/// Interests tell the system what to *watch*. What arrives in an [`Event`] may say more (that the
/// peer has closed, that an error is pending), and an event may come without its readiness: treat
/// it as a hint, try the operation, and expect [`WouldBlock`].
///
/// # Delivery modes
///
/// An interest also says *how* readiness is delivered. The mode works for every source, also for
/// those of other crates, and the same on every backend:
///
/// | mode | reports |
/// |---|---|
/// | edge, the default | when the source becomes ready; then not before it was found not ready |
/// | [`level`](Interest::level) | in every poll, for as long as it is ready |
/// | [`oneshot`](Interest::oneshot) | once; then nothing until it is reregistered |
/// | [`exclusive`](Interest::exclusive) | to one (or a few) of several polls that watch the same source |
///
/// Modes combine: `READABLE.level().oneshot()`. A union has the modes of both sides, and
/// [`remove`](Interest::remove) keeps them.
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
    /// Linux and Android (`EPOLLPRI`), Apple's systems, DragonFly and OpenBSD (`EVFILT_EXCEPT`).
    #[cfg(capability = "interest_priority")]
    pub const PRIORITY: Interest = Interest(bits(PRIORITY));

    /// Tell me when an asynchronous I/O operation has completed.
    ///
    /// A request is not registered with [`Registry::register`](crate::Registry::register), but names
    /// in its `sigevent` the descriptor of the poll (`SIGEV_KEVENT`) and the token (`sival_ptr`).
    /// Registering a descriptor for nothing but this is
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput).
    ///
    /// # Platforms
    ///
    /// DragonFly, FreeBSD and Apple's systems, with kqueue. Only on FreeBSD anything comes: the others have
    /// the number of the filter, and nothing behind it.
    #[cfg(capability = "interest_aio")]
    pub const AIO: Interest = Interest(bits(AIO));

    /// Tell me when a list of asynchronous I/O operations has completed; asked for as
    /// [`AIO`](Interest::AIO) is.
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

    /// This interest without what `other` watches; `None` when nothing is left to watch.
    ///
    /// The mode stays, whatever the mode of `other`; [`edge`](Interest::edge) takes it away.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// assert_eq!(Interest::READABLE.remove(Interest::READABLE), None);
    /// assert_eq!(Interest::READABLE.remove(Interest::WRITABLE), Some(Interest::READABLE));
    /// ```
    #[must_use = "an interest is a value: `remove` returns the rest"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let rest = self.0.get() & !(other.0.get() & DIRECTIONS);
        NonZeroU8::new(rest)
            .filter(|rest| rest.get() & DIRECTIONS != 0)
            .map(Interest)
    }

    /// Level-triggered: report in every poll for as long as the source is ready.
    ///
    /// For sources that one does not want to drain: a bounded read per event, or I/O that somebody
    /// else does. What nobody reads is reported again at once, so a loop that ignores an event
    /// spins.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// const LEVEL: Interest = Interest::READABLE.level();
    /// assert!(LEVEL.is_level() && LEVEL.is_readable());
    /// assert_eq!(format!("{LEVEL:?}"), "READABLE | LEVEL");
    /// ```
    #[must_use = "an interest is a value: `level` returns the changed one"]
    pub const fn level(self) -> Interest {
        self.add(Interest(bits(LEVEL)))
    }

    /// One-shot: report once, then be silent until [`reregister`](crate::Registry::reregister).
    ///
    /// What is ready at the time of the reregistration is reported at once. For sources that are
    /// handed to one of several threads: no second thread gets an event before the first is done.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// let interest = (Interest::READABLE | Interest::WRITABLE).oneshot();
    /// assert!(interest.is_oneshot() && !interest.is_level());
    /// ```
    #[doc(alias = "EPOLLONESHOT")]
    #[doc(alias = "EV_DISPATCH")]
    #[must_use = "an interest is a value: `oneshot` returns the changed one"]
    pub const fn oneshot(self) -> Interest {
        self.add(Interest(bits(ONESHOT)))
    }

    /// Exclusive: of several polls that watch the same source this way, wake one, or a few, not
    /// all.
    ///
    /// For a listener that every worker's poll watches. A wake may still reach more than one, so
    /// accept until it would block.
    ///
    /// # Platforms
    ///
    /// epoll on Linux 4.5 and later ([`EPOLLEXCLUSIVE`]). Registration is
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) elsewhere, and for user-space sources, of
    /// which no two polls share one. The kernel combines it with reading and writing in edge or
    /// level mode; together with one-shot or `Interest::PRIORITY` it is
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput). It does not report
    /// [`is_read_closed`](crate::event::Event::is_read_closed) for a half-close; a read does.
    ///
    /// [`EPOLLEXCLUSIVE`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// assert!(Interest::READABLE.exclusive().is_exclusive());
    /// ```
    #[doc(alias = "EPOLLEXCLUSIVE")]
    #[must_use = "an interest is a value: `exclusive` returns the changed one"]
    pub const fn exclusive(self) -> Interest {
        self.add(Interest(bits(EXCLUSIVE)))
    }

    /// Edge-triggered, the default: takes every other mode away.
    ///
    /// ```
    /// use wakeful::Interest;
    ///
    /// assert_eq!(Interest::READABLE.level().edge(), Interest::READABLE);
    /// ```
    #[must_use = "an interest is a value: `edge` returns the changed one"]
    pub const fn edge(self) -> Interest {
        Interest(bits(self.0.get() & DIRECTIONS))
    }

    /// Whether it is [level-triggered](Interest::level).
    #[must_use]
    pub const fn is_level(self) -> bool {
        self.has(LEVEL)
    }

    /// Whether it is [one-shot](Interest::oneshot).
    #[must_use]
    pub const fn is_oneshot(self) -> bool {
        self.has(ONESHOT)
    }

    /// Whether it is [exclusive](Interest::exclusive).
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        self.has(EXCLUSIVE)
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

    /// For tables.
    #[cfg_attr(not(all(feature = "os-poll", selector = "epoll")), allow(dead_code))]
    pub(crate) const fn as_bits(self) -> u8 {
        self.0.get()
    }

    /// The interest with these bits, of which at least one is set.
    #[cfg_attr(not(all(feature = "os-poll", selector = "epoll")), allow(dead_code))]
    pub(crate) const fn from_bits(set: u8) -> Self {
        Self(bits(set))
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
            (LEVEL as u32, "LEVEL"),
            (ONESHOT as u32, "ONESHOT"),
            (EXCLUSIVE as u32, "EXCLUSIVE"),
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
    fn modes_survive_unions_and_removals() {
        let interest = Interest::READABLE.level().oneshot() | Interest::WRITABLE;
        assert!(interest.is_level() && interest.is_oneshot() && !interest.is_exclusive());
        let rest = interest.remove(Interest::WRITABLE).unwrap();
        assert_eq!(rest, Interest::READABLE.level().oneshot());
        assert_eq!(rest.remove(Interest::READABLE), None);
        let same = interest.remove(Interest::WRITABLE.level()).unwrap();
        assert!(same.is_level());
    }

    #[test]
    fn a_mode_alone_is_no_interest() {
        assert_eq!(Interest::READABLE.level().remove(Interest::READABLE), None);
        assert_eq!(Interest::READABLE.exclusive().edge(), Interest::READABLE);
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
