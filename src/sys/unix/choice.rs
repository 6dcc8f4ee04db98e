//! Two backends, one chosen when a poll is made: the system's own, or poll(2).
//!
//! A branch that always goes the same way; nothing is boxed, and nobody above knows.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::base::backend::Backend;
use crate::base::blocked::Blocked;
use crate::base::busy_poll::BusyPoll;
use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::base::wait::Wait;
use crate::sys::unix::doorbell::Doorbell;
#[cfg(selector = "epoll")]
use crate::sys::unix::epoll as native;
#[cfg(selector = "event_ports")]
use crate::sys::unix::event_ports as native;
#[cfg(selector = "kqueue")]
use crate::sys::unix::kqueue as native;
use crate::sys::unix::os::Raw;
use crate::sys::unix::poll;

#[derive(Debug)]
pub(crate) enum Selector {
    Native(native::Selector),
    Poll(poll::Selector),
}

#[derive(Debug)]
pub(crate) enum Registration {
    Native(native::Registration),
    Poll(poll::Registration),
}

/// Room for either; the one that is not used allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    native: native::Buffer,
    poll: poll::Buffer,
}

impl Selector {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, Doorbell)> {
        match backend {
            Backend::Poll => {
                let (selector, doorbell) = poll::Selector::new(backend)?;
                Ok((Self::Poll(selector), doorbell))
            }
            native => {
                let (selector, doorbell) = native::Selector::new(native)?;
                Ok((Self::Native(selector), doorbell))
            }
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Native(selector) => selector.backend(),
            Self::Poll(selector) => selector.backend(),
        }
    }

    pub(crate) fn busy_poll(&self, parameters: &BusyPoll) -> io::Result<()> {
        match self {
            Self::Native(selector) => selector.busy_poll(parameters),
            Self::Poll(selector) => selector.busy_poll(parameters),
        }
    }

    #[inline]
    pub(crate) fn select(
        &self,
        buffer: &mut Buffer,
        events: &mut Vec<Event>,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        match self {
            Self::Native(selector) => selector.select(&mut buffer.native, events, room, wait),
            Self::Poll(selector) => selector.select(&mut buffer.poll, events, room, wait),
        }
    }

    #[inline]
    pub(crate) fn register(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<Registration>> {
        match self {
            Self::Native(selector) => selector
                .register(raw, token, interest)
                .map(|registration| registration.map(Registration::Native)),
            Self::Poll(selector) => selector
                .register(raw, token, interest)
                .map(|registration| registration.map(Registration::Poll)),
        }
    }

    #[inline]
    pub(crate) fn reregister(
        &self,
        raw: Raw,
        registration: &Registration,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match (self, registration) {
            (Self::Native(selector), Registration::Native(registration)) => {
                selector.reregister(raw, registration, token, interest)
            }
            (Self::Poll(selector), Registration::Poll(registration)) => {
                selector.reregister(raw, registration, token, interest)
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[inline]
    pub(crate) fn deregister(&self, raw: Raw, registration: &Registration) -> io::Result<()> {
        match (self, registration) {
            (Self::Native(selector), Registration::Native(registration)) => {
                selector.deregister(raw, registration)
            }
            (Self::Poll(selector), Registration::Poll(registration)) => {
                selector.deregister(raw, registration)
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[inline]
    pub(crate) fn register_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Native(selector) => selector.register_unseen(raw, token, interest),
            Self::Poll(selector) => selector.register_unseen(raw, token, interest),
        }
    }

    #[inline]
    pub(crate) fn reregister_unseen(
        &self,
        raw: Raw,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Native(selector) => selector.reregister_unseen(raw, token, interest),
            Self::Poll(selector) => selector.reregister_unseen(raw, token, interest),
        }
    }

    #[inline]
    pub(crate) fn deregister_unseen(&self, raw: Raw) -> io::Result<()> {
        match self {
            Self::Native(selector) => selector.deregister_unseen(raw),
            Self::Poll(selector) => selector.deregister_unseen(raw),
        }
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Native(selector) => selector.as_fd(),
            Self::Poll(selector) => selector.as_fd(),
        }
    }
}

impl Registration {
    pub(crate) fn detach(self) {
        match self {
            Self::Native(registration) => registration.detach(),
            Self::Poll(registration) => registration.detach(),
        }
    }

    pub(crate) fn exposed(&self) {
        match self {
            Self::Native(registration) => registration.exposed(),
            Self::Poll(registration) => registration.exposed(),
        }
    }

    pub(crate) fn fell_short(&self, way: Blocked) {
        match self {
            Self::Native(registration) => registration.fell_short(way),
            Self::Poll(registration) => registration.fell_short(way),
        }
    }

    pub(crate) fn blocked(&self, direction: Blocked) {
        match self {
            Self::Native(registration) => registration.blocked(direction),
            Self::Poll(registration) => registration.blocked(direction),
        }
    }
}
