//! The words of kqueue(2) that every system shares, without its numbers.
//!
//! A *knote* is what the kernel keeps for one pair of an identifier and a filter. A descriptor has
//! up to three: for reading, writing, and urgent data.

use std::ops::{BitOr, BitOrAssign, Sub};

use crate::base::interest::Interest;
use crate::base::readiness::Readiness;

/// What a knote watches.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    /// `EVFILT_READ`
    Read,
    /// `EVFILT_WRITE`
    Write,
    /// `EVFILT_EXCEPT` with `NOTE_OOB`; on some systems it finds all that reading does.
    Except,
    /// `EVFILT_USER`: the doorbell, since only we can add one.
    User,
    /// `EVFILT_AIO`
    Aio,
    /// `EVFILT_LIO`
    Lio,
    /// What somebody with the queue's descriptor has added by himself.
    Other,
}

impl Filter {
    /// Those that watch descriptors, in the order in which changes are made.
    pub(crate) const OF_DESCRIPTORS: [Self; 3] = [Self::Read, Self::Write, Self::Except];
}

/// A set of filters that watch one descriptor.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(u8);

impl Filters {
    pub(crate) const NONE: Self = Self(0);

    /// The set of one; nothing for a filter that watches no descriptors.
    pub(crate) const fn of(filter: Filter) -> Self {
        match filter {
            Filter::Read => Self(1 << 0),
            Filter::Write => Self(1 << 1),
            Filter::Except => Self(1 << 2),
            _ => Self::NONE,
        }
    }

    /// What an interest asks for. Asynchronous requests are not registered but ask to be reported.
    pub(crate) fn asked_for(interest: Interest) -> Self {
        let ask = |wanted, filter| if wanted { Self::of(filter) } else { Self::NONE };
        ask(interest.is_readable(), Filter::Read)
            | ask(interest.is_writable(), Filter::Write)
            | ask(interest.is_priority(), Filter::Except)
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Filter> {
        let mut filters = Filter::OF_DESCRIPTORS.into_iter();
        std::iter::from_fn(move || filters.find(|filter| self.has(Self::of(*filter))))
    }
}

impl BitOr for Filters {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Filters {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Sub for Filters {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// An event as the kernel reports it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) ident: usize,
    pub(crate) filter: Filter,
    /// What was given with the knote. Ours for descriptors, the user's token for requests.
    pub(crate) udata: usize,
    /// `EV_EOF`
    pub(crate) is_eof: bool,
    /// `EV_ERROR`
    pub(crate) is_error: bool,
    /// `EV_ONESHOT`, which we never ask for: the kernel has deleted the knote with this.
    pub(crate) is_last: bool,
    /// `NOTE_OOB`, of `EVFILT_EXCEPT`
    pub(crate) is_out_of_band: bool,
    /// The rest of `fflags`: with `EV_EOF` on a socket, the pending error.
    pub(crate) fflags: u32,
}

impl Notice {
    /// What users are told.
    ///
    /// | filter | flags | readiness |
    /// |---|---|---|
    /// | `EVFILT_READ` | | readable |
    /// | | `EV_EOF` | and read closed |
    /// | `EVFILT_WRITE` | | writable |
    /// | | `EV_EOF` | and write closed |
    /// | both | `EV_EOF`, `fflags` not 0 | and error, both closed |
    /// | `EVFILT_EXCEPT` | `NOTE_OOB` in `fflags` | readable, priority |
    /// | | `EV_EOF` | readable, read closed |
    /// | | neither | nothing: data that is not urgent |
    /// | all | `EV_ERROR` | and error |
    ///
    /// kqueue(2) of FreeBSD, on `EVFILT_READ` for sockets: "If the read direction of the socket has
    /// shutdown, then the filter also sets EV_EOF in flags, and returns the socket error (if any) in
    /// fflags." The other systems say the same, and of `EVFILT_WRITE` too. A stream that ended with an
    /// error (reset, refused, timed out) is disconnected, which ends both halves. Without `EV_EOF`,
    /// `fflags` is no error: there it tells what a filter has found.
    pub(crate) fn readiness(&self) -> Readiness {
        let (ready, closed) = match self.filter {
            Filter::Read => (Readiness::READABLE, Readiness::READ_CLOSED),
            Filter::Write => (Readiness::WRITABLE, Readiness::WRITE_CLOSED),
            Filter::Except => (
                Readiness::EMPTY
                    .with(Readiness::READABLE, self.is_out_of_band || self.is_eof)
                    .with(Readiness::PRIORITY, self.is_out_of_band),
                Readiness::READ_CLOSED,
            ),
            Filter::Aio => (Readiness::AIO, Readiness::EMPTY),
            Filter::Lio => (Readiness::LIO, Readiness::EMPTY),
            Filter::User | Filter::Other => (Readiness::EMPTY, Readiness::EMPTY),
        };
        let has_failed = self.is_disconnection();
        ready
            .with(closed, self.is_eof)
            .with(DISCONNECTED, has_failed)
            .with(Readiness::ERROR, self.is_error || has_failed)
    }

    /// Whether a stream has ended with an error. It stays so when the error was fetched, and
    /// `fflags` does not tell any more.
    pub(crate) fn is_disconnection(&self) -> bool {
        let is_descriptor = !Filters::of(self.filter).is_none();
        is_descriptor && self.is_eof && self.fflags != 0
    }

    /// Whether it tells of nothing that its filter was asked for: of data that is not urgent.
    pub(crate) fn is_idle(&self) -> bool {
        self.filter == Filter::Except && !self.is_out_of_band && !self.is_eof && !self.is_error
    }

    /// What a pipe would report of its closed other end, if it took a knote for writing: its end, and no
    /// error, which pipes never have.
    pub(crate) fn of_broken_pipe(ident: usize, udata: usize) -> Self {
        Self {
            ident,
            filter: Filter::Write,
            udata,
            is_eof: true,
            is_error: false,
            is_last: false,
            is_out_of_band: false,
            fflags: 0,
        }
    }
}

/// Parts the `fflags` of `EVFILT_EXCEPT`: whether there is out-of-band data, and the error of an end.
///
/// They share a number, and codes of errors have the bit of `NOTE_OOB`: at an end it is that only if
/// it is all there is.
pub(crate) fn part_fflags(fflags: u32, is_eof: bool, out_of_band: u32) -> (bool, u32) {
    if is_eof && fflags != out_of_band {
        (false, fflags)
    } else {
        (fflags & out_of_band != 0, 0)
    }
}

/// Both halves are closed.
pub(crate) const DISCONNECTED: Readiness =
    Readiness::READ_CLOSED.with(Readiness::WRITE_CLOSED, true);

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(filter: Filter) -> Notice {
        Notice {
            ident: 7,
            filter,
            udata: 1,
            is_eof: false,
            is_error: false,
            is_last: false,
            is_out_of_band: false,
            fflags: 0,
        }
    }

    const RESET: u32 = 104;

    /// Every filter with every combination of flags, as the table above says.
    #[test]
    fn notices_become_readiness_as_the_manuals_say() {
        const R: Readiness = Readiness::READABLE;
        const W: Readiness = Readiness::WRITABLE;
        const E: Readiness = Readiness::ERROR;
        const RC: Readiness = Readiness::READ_CLOSED;
        const WC: Readiness = Readiness::WRITE_CLOSED;
        let none = Readiness::EMPTY;
        // Plain; EV_EOF; EV_EOF with an error in fflags.
        let table = [
            (Filter::Read, [R, R | RC, R | RC | WC | E]),
            (Filter::Write, [W, W | WC, W | RC | WC | E]),
            (Filter::Except, [none, R | RC, R | RC | WC | E]),
            (Filter::Aio, [Readiness::AIO; 3]),
            (Filter::Lio, [Readiness::LIO; 3]),
            (Filter::User, [none; 3]),
            (Filter::Other, [none; 3]),
        ];
        for (filter, [plain, at_end, failed]) in table {
            for is_error in [false, true] {
                let say = |is_eof, fflags| {
                    let notice = Notice {
                        is_eof,
                        fflags,
                        is_error,
                        ..notice(filter)
                    };
                    notice.readiness()
                };
                let told = |readiness: Readiness| readiness.with(E, is_error);
                assert_eq!(say(false, 0), told(plain), "{filter:?}");
                assert_eq!(say(false, RESET), told(plain), "{filter:?}");
                assert_eq!(say(true, 0), told(at_end), "{filter:?}");
                assert_eq!(say(true, RESET), told(failed), "{filter:?}");
            }
        }
    }

    #[test]
    fn priority_is_out_of_band_data_and_nothing_else() {
        let except = notice(Filter::Except);
        assert!(except.is_idle() && except.readiness() == Readiness::EMPTY);
        let urgent = Notice {
            is_out_of_band: true,
            ..except
        };
        let expected = Readiness::READABLE | Readiness::PRIORITY;
        assert!(!urgent.is_idle() && urgent.readiness() == expected);
        let at_end = Notice {
            is_eof: true,
            ..urgent
        };
        assert_eq!(at_end.readiness(), expected | Readiness::READ_CLOSED);
        assert!(!at_end.is_disconnection());
        assert!(!notice(Filter::Read).is_idle());
    }

    #[test]
    fn the_error_of_an_end_is_not_taken_for_out_of_band_data() {
        const OOB: u32 = 2;
        // ECONNRESET of the BSDs has that bit.
        let reset = 54;
        assert_ne!(reset & OOB, 0);
        let table = [
            ((0, false), (false, 0)),
            ((OOB, false), (true, 0)),
            ((0, true), (false, 0)),
            ((OOB, true), (true, 0)),
            ((reset, true), (false, reset)),
        ];
        for ((fflags, is_eof), parts) in table {
            assert_eq!(part_fflags(fflags, is_eof, OOB), parts, "{fflags}");
        }
    }

    #[test]
    fn a_broken_pipe_is_what_a_knote_says_of_it() {
        let of_a_knote = Notice {
            is_eof: true,
            ..notice(Filter::Write)
        };
        assert_eq!(
            Notice::of_broken_pipe(7, 1).readiness(),
            of_a_knote.readiness()
        );
    }

    #[test]
    fn each_direction_has_its_filter() {
        let read = Filters::of(Filter::Read);
        let write = Filters::of(Filter::Write);
        assert_eq!(Filters::asked_for(Interest::READABLE), read);
        assert_eq!(Filters::asked_for(Interest::WRITABLE), write);
        let both = Interest::READABLE | Interest::WRITABLE;
        assert_eq!(Filters::asked_for(both), read | write);
        assert_eq!(Filters::asked_for(both.level().oneshot()), read | write);
    }

    #[test]
    fn sets_hold_what_was_put_into_them() {
        let both = Filters::of(Filter::Write) | Filters::of(Filter::Read);
        assert!(both.iter().eq([Filter::Read, Filter::Write]));
        let rest = both - Filters::of(Filter::Read);
        assert!(rest.iter().eq([Filter::Write]));
        assert!((rest - rest).is_none() && !rest.has(Filters::of(Filter::Read)));
        assert!(Filters::of(Filter::User).is_none());
    }
}
