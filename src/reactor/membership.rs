//! Which poll a source is registered with.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use crate::reactor::registry::{Registry, Shared};

/// A source's registration with a poll, from the source's side.
///
/// Held weakly: a source outlives its poll without harm, and is then registered nowhere.
pub(crate) struct Membership(Option<Weak<Shared>>);

impl Membership {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(registry: &Registry) -> Self {
        Self(Some(Arc::downgrade(registry.shared())))
    }

    /// Fails unless the source is registered nowhere.
    pub(crate) fn require_none(&self) -> io::Result<()> {
        if self.is_none() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the source is registered already; use `reregister` to change token or interest",
        ))
    }

    /// Fails unless the source is registered with this poll.
    pub(crate) fn require(&self, registry: &Registry) -> io::Result<()> {
        match self.poll() {
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the source is not registered",
            )),
            Some(poll) if !std::ptr::eq(Weak::as_ptr(poll), Arc::as_ptr(registry.shared())) => {
                Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the source is registered with another `Poll`; deregister it there first",
                ))
            }
            Some(_) => Ok(()),
        }
    }

    fn is_none(&self) -> bool {
        self.poll().is_none()
    }

    /// The poll, unless it is gone.
    fn poll(&self) -> Option<&Weak<Shared>> {
        self.0.as_ref().filter(|poll| poll.strong_count() > 0)
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() {
            "unregistered"
        } else {
            "registered"
        })
    }
}
