//! What every source with a descriptor of its own has in common.
//!
//! [`IoSource`] wraps the object that does the I/O and remembers where it is registered. Two things
//! follow from that, on every backend and in release builds:
//!
//! - misuse is noticed before the system is asked: registering twice, deregistering what is not
//!   registered, moving to another `Poll` without deregistering;
//! - a backend that emulates edges learns which direction blocked, and watches that one again.
//!
//! A source whose poll is gone may be registered with another one.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use crate::base::blocked::Blocked;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::diagnostics::observer::Observer;
use crate::diagnostics::record::{Record, Shown};
use crate::reactor::membership::Membership;
use crate::reactor::registry::{Registry, Source};
use crate::sys::{self, AsRaw, Registration};

/// An object that does I/O, and the registration it may have.
pub(crate) struct IoSource<T> {
    // Before `inner`: an emulating backend must forget the descriptor before it is closed.
    follower: Option<Box<Follower>>,
    membership: Membership,
    inner: T,
}

/// Who wants to know how operations went. Nobody, mostly: with epoll and without diagnostics an
/// operation costs one branch more, and a source two words.
struct Follower {
    registration: Option<Registration>,
    /// What diagnostics know of it, if they are on.
    record: Option<Arc<Record>>,
}

impl<T> IoSource<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self {
            follower: None,
            membership: Membership::none(),
            inner,
        }
    }

    /// The object, for a user who asks for its descriptor: what is done with that is not seen.
    pub(crate) fn expose(&self) -> &T {
        self.membership.expose();
        if let Some(follower) = &self.follower {
            follower.expose();
        }
        &self.inner
    }

    /// The object alone. If it is registered it stays so until it is closed, and nothing of what
    /// is done with it is seen any more.
    pub(crate) fn into_inner(self) -> T {
        if let Some(follower) = self.follower {
            follower.detach();
        }
        self.inner
    }

    /// Runs an operation that may read or write.
    pub(crate) fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.watched(Blocked::Either, |_| operation(), Shown::by_any)
    }

    /// Reads from a stream of bytes into `room` bytes.
    ///
    /// A short read shows a drained stream just as `WouldBlock` does: edge-triggered systems
    /// report the next byte, so emulated edges have to as well.
    #[inline]
    pub(crate) fn read_stream(
        &self,
        room: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.stream(Blocked::Read, room, operation)
    }

    /// Writes `length` bytes to a stream of bytes; a short write shows a full stream.
    #[inline]
    pub(crate) fn write_stream(
        &self,
        length: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.stream(Blocked::Write, length, operation)
    }

    #[inline]
    fn stream(
        &self,
        way: Blocked,
        whole: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.watched(way, operation, |outcome| Shown::by_stream(whole, outcome))
    }

    /// Runs an operation, and tells who wants to know what it shows of the source.
    #[inline]
    fn watched<R>(
        &self,
        way: Blocked,
        operation: impl FnOnce(&T) -> io::Result<R>,
        shows: impl FnOnce(&io::Result<R>) -> Shown,
    ) -> io::Result<R> {
        // Asked first, so that with epoll nothing has to be kept for afterwards.
        match &self.follower {
            None => operation(&self.inner),
            Some(follower) => follower.follow(way, || operation(&self.inner), shows),
        }
    }

    /// Lets them know from now on.
    fn follow(&mut self, registration: Option<Registration>, record: Option<Arc<Record>>) {
        let follower = Follower {
            registration,
            record,
        };
        if self.membership.is_exposed() {
            follower.expose();
        }
        self.follower = Some(Box::new(follower));
    }

    fn registration(&self) -> Option<&Registration> {
        self.follower.as_ref()?.registration.as_ref()
    }
}

impl Follower {
    #[inline(never)]
    fn follow<R>(
        &self,
        way: Blocked,
        operation: impl FnOnce() -> io::Result<R>,
        shows: impl FnOnce(&io::Result<R>) -> Shown,
    ) -> io::Result<R> {
        let outcome = operation();
        self.note(way, shows(&outcome));
        outcome
    }

    #[inline(never)]
    fn note(&self, way: Blocked, shown: Shown) {
        if let Some(registration) = &self.registration {
            match shown {
                Shown::Blocked => registration.blocked(way),
                Shown::Short => registration.fell_short(way),
                _ => {}
            }
        }
        if let Some(record) = &self.record {
            record.note(way, shown);
        }
    }

    fn expose(&self) {
        if let Some(registration) = &self.registration {
            registration.exposed();
        }
        if let Some(record) = &self.record {
            record.expose();
        }
    }

    fn detach(self) {
        if let Some(registration) = self.registration {
            registration.detach();
        }
        if let Some(record) = &self.record {
            record.expose();
        }
    }
}

/// What only sockets do: operations that move one thing at a time, a datagram or a connection.
#[cfg(feature = "net")]
impl<T> IoSource<T> {
    /// Runs an operation that reads. If it would block, read readiness is watched for again.
    pub(crate) fn read_with<R>(
        &self,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.watched(Blocked::Read, operation, Shown::by)
    }

    /// Runs an operation that writes. If it would block, write readiness is watched for again.
    pub(crate) fn write_with<R>(
        &self,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.watched(Blocked::Write, operation, Shown::by)
    }
}

impl<T: AsRaw> IoSource<T> {
    #[cold]
    fn observed_by(&self, observer: &Observer, token: Token, interest: Interest) -> Arc<Record> {
        let descriptor = sys::describe(sys::raw(&self.inner));
        observer.registered::<T>(descriptor, token, interest)
    }
}

impl<T: AsRaw> Source for IoSource<T> {
    #[inline]
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require_none()?;
        let selector = &registry.shared().selector;
        let registration = selector.register(sys::raw(&self.inner), token, interest)?;
        let observer = registry.shared().observer.as_deref();
        // With epoll and without diagnostics there is nobody.
        if registration.is_some() || observer.is_some() {
            let record = observer.map(|observer| self.observed_by(observer, token, interest));
            self.follow(registration, record);
        }
        self.membership.enter(registry);
        Ok(())
    }

    #[inline]
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require(registry)?;
        let (selector, raw) = (&registry.shared().selector, sys::raw(&self.inner));
        match self.registration() {
            Some(known) => selector.reregister(raw, known, token, interest)?,
            None => selector.reregister_unseen(raw, token, interest)?,
        }
        let record = (self.follower.as_mut()).and_then(|follower| follower.record.as_mut());
        if let (Some(observer), Some(record)) = (&registry.shared().observer, record) {
            *record = observer.reregistered(record, token, interest);
        }
        Ok(())
    }

    #[inline]
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.membership.require(registry)?;
        let (selector, raw) = (&registry.shared().selector, sys::raw(&self.inner));
        let outcome = match self.registration() {
            Some(known) => selector.deregister(raw, known),
            None => selector.deregister_unseen(raw),
        };
        self.membership.leave();
        self.follower = None;
        outcome
    }
}

impl<T> Deref for IoSource<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for IoSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// A source that nobody follows: programs hold a million of them.
    #[test]
    fn a_source_has_its_object_and_no_more_than_one_word_and_a_half() {
        assert_eq!(size_of::<IoSource<i32>>(), size_of::<usize>() + 8);
    }
}
