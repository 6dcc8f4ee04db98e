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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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
    registration: Option<Registration>,
    membership: Membership,
    /// Whether the descriptor was handed out, so that I/O may pass us by.
    exposed: AtomicBool,
    /// Whether anybody wants to know how operations went: a backend that emulates edges, or the
    /// diagnostics. All that an operation costs if not.
    is_followed: bool,
    /// What diagnostics know of it, if they are on.
    record: Option<Arc<Record>>,
    inner: T,
}

impl<T> IoSource<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self {
            registration: None,
            membership: Membership::NONE,
            exposed: AtomicBool::new(false),
            is_followed: false,
            record: None,
            inner,
        }
    }

    /// The object, for a user who asks for its descriptor: what is done with that is not seen.
    pub(crate) fn expose(&self) -> &T {
        // Relaxed: read by `register`, which has the source to itself.
        self.exposed.store(true, Relaxed);
        if let Some(registration) = &self.registration {
            registration.exposed();
        }
        if let Some(record) = &self.record {
            record.expose();
        }
        &self.inner
    }

    /// The object alone. If it is registered it stays so until it is closed, and nothing of what
    /// is done with it is seen any more.
    pub(crate) fn into_inner(self) -> T {
        if let Some(registration) = self.registration {
            registration.detach();
        }
        if let Some(record) = &self.record {
            record.expose();
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
    pub(crate) fn read_stream(
        &self,
        room: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.stream(Blocked::Read, room, operation)
    }

    /// Writes `length` bytes to a stream of bytes; a short write shows a full stream.
    pub(crate) fn write_stream(
        &self,
        length: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.stream(Blocked::Write, length, operation)
    }

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
        let outcome = operation(&self.inner);
        if self.is_followed {
            self.follow(way, shows(&outcome));
        }
        outcome
    }

    fn follow(&self, way: Blocked, shown: Shown) {
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

    fn registration_with(&self, registry: &Registry) -> io::Result<&Registration> {
        self.membership.require(registry)?;
        self.registration
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
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
        let record = observer.registered::<T>(descriptor, token, interest);
        if self.exposed.load(Relaxed) {
            record.expose();
        }
        record
    }
}

impl<T: AsRaw> Source for IoSource<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require_none()?;
        let selector = &registry.shared().selector;
        let registration = selector.register(sys::raw(&self.inner), token, interest)?;
        if self.exposed.load(Relaxed) {
            registration.exposed();
        }
        self.record = (registry.shared().observer.as_deref())
            .map(|observer| self.observed_by(observer, token, interest));
        self.is_followed = registration.follows_operations() || self.record.is_some();
        self.membership = Membership::of(registry);
        self.registration = Some(registration);
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let registration = self.registration_with(registry)?;
        let selector = &registry.shared().selector;
        selector.reregister(sys::raw(&self.inner), registration, token, interest)?;
        if let (Some(observer), Some(record)) = (&registry.shared().observer, &self.record) {
            self.record = Some(observer.reregistered(record, token, interest));
        }
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let registration = self.registration_with(registry)?;
        let selector = &registry.shared().selector;
        let outcome = selector.deregister(sys::raw(&self.inner), registration);
        self.membership = Membership::NONE;
        self.registration = None;
        self.record = None;
        self.is_followed = false;
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
