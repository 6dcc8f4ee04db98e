//! What every source with a descriptor of its own has in common.
//!
//! [`IoSource`] wraps the object that does the I/O and remembers where it is registered. Two things
//! follow from that, on every backend and in release builds:
//!
//! - misuse is noticed before the system is asked: registering twice, deregistering what is not
//!   registered, moving to another `Poll` without deregistering;
//! - a backend that emulates edges learns which direction blocked, and watches that one again.
//!
//! The link holds the poll weakly: a source outlives its poll without harm, and may then be
//! registered with another one.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crate::base::blocked::Blocked;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::reactor::registry::{Registry, Shared, Source};
use crate::sys::{self, AsRaw, Registration};

/// An object that does I/O, and the registration it may have.
pub(crate) struct IoSource<T> {
    // Before `inner`: an emulating backend must forget the descriptor before it is closed.
    link: Option<Link>,
    /// Whether the descriptor was handed out, so that I/O may pass us by.
    exposed: AtomicBool,
    inner: T,
}

struct Link {
    poll: Weak<Shared>,
    registration: Registration,
}

impl<T> IoSource<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self {
            link: None,
            exposed: AtomicBool::new(false),
            inner,
        }
    }

    /// The object, for a user who asks for its descriptor: what is done with that is not seen.
    pub(crate) fn expose(&self) -> &T {
        // Relaxed: read by `register`, which has the source to itself.
        self.exposed.store(true, Relaxed);
        if let Some(link) = &self.link {
            link.registration.exposed();
        }
        &self.inner
    }

    /// The object alone; what is registered with the kernel stays so until it is closed.
    pub(crate) fn into_inner(self) -> T {
        self.inner
    }

    /// Runs an operation that reads. If it would block, read readiness is watched for again.
    pub(crate) fn read_with<R>(
        &self,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.watched(Blocked::Read, operation)
    }

    /// Runs an operation that writes. If it would block, write readiness is watched for again.
    pub(crate) fn write_with<R>(
        &self,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.watched(Blocked::Write, operation)
    }

    /// Runs an operation that may do either.
    pub(crate) fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.watched(Blocked::Either, |_| operation())
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
        let outcome = self.read_with(operation);
        self.note_short(Blocked::Read, room, &outcome);
        outcome
    }

    /// Writes `length` bytes to a stream of bytes; a short write shows a full stream.
    pub(crate) fn write_stream(
        &self,
        length: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let outcome = self.write_with(operation);
        self.note_short(Blocked::Write, length, &outcome);
        outcome
    }

    fn watched<R>(
        &self,
        blocked: Blocked,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let outcome = operation(&self.inner);
        if let (Some(link), Err(err)) = (&self.link, &outcome) {
            if err.kind() == io::ErrorKind::WouldBlock {
                link.registration.blocked(blocked);
            }
        }
        outcome
    }

    fn note_short(&self, blocked: Blocked, whole: usize, outcome: &io::Result<usize>) {
        if let (Some(link), Ok(moved)) = (&self.link, outcome) {
            if (1..whole).contains(moved) {
                link.registration.blocked(blocked);
            }
        }
    }

    /// The registration with `registry`, or what is wrong with asking for it.
    fn link_to(&self, registry: &Registry) -> io::Result<&Link> {
        match self.live_link() {
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the source is not registered",
            )),
            Some(link) if !registry.is(&link.poll) => Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the source is registered with another `Poll`; deregister it there first",
            )),
            Some(link) => Ok(link),
        }
    }

    /// The registration, unless its poll is gone.
    fn live_link(&self) -> Option<&Link> {
        self.link
            .as_ref()
            .filter(|link| link.poll.strong_count() > 0)
    }
}

impl<T: AsRaw> Source for IoSource<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if self.live_link().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the source is registered already; use `reregister` to change token or interest",
            ));
        }
        let selector = &registry.shared().selector;
        let registration = selector.register(sys::raw(&self.inner), token, interest)?;
        if self.exposed.load(Relaxed) {
            registration.exposed();
        }
        self.link = Some(Link {
            poll: Arc::downgrade(registry.shared()),
            registration,
        });
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let link = self.link_to(registry)?;
        let selector = &registry.shared().selector;
        selector.reregister(sys::raw(&self.inner), &link.registration, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let link = self.link_to(registry)?;
        let selector = &registry.shared().selector;
        let outcome = selector.deregister(sys::raw(&self.inner), &link.registration);
        self.link = None;
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
