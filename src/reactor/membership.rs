//! Which poll a source is registered with.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::base::poll_id::PollId;
use crate::reactor::registry::Registry;

/// A source's registration with a poll, from the source's side; and whether its descriptor was handed
/// out, so that I/O may pass us by.
///
/// Four bytes, as programs have many sources: the poll's number, and not a pointer that would have to
/// be counted. Whether that poll is still there is asked only when misuse is at hand: a source outlives its poll
/// without harm, and is then registered nowhere.
pub(crate) struct Membership(AtomicU32);

/// Beside the poll's number.
const EXPOSED: u32 = PollId::END;

impl Membership {
    pub(crate) const fn none() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The source is registered with this poll.
    pub(crate) fn enter(&mut self, registry: &Registry) {
        self.set_poll(registry.shared().id.get());
    }

    /// The source is registered nowhere.
    pub(crate) fn leave(&mut self) {
        self.set_poll(0);
    }

    /// Fails unless the source is registered nowhere.
    pub(crate) fn require_none(&self) -> io::Result<()> {
        if self.is_none() {
            return Ok(());
        }
        // The first words are mio's, as there are programs that look for them.
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "I/O source already registered with a `Registry`; \
             use `reregister` to change token or interest",
        ))
    }

    /// Fails unless the source is registered with this poll.
    pub(crate) fn require(&self, registry: &Registry) -> io::Result<()> {
        if self.poll() == registry.shared().id.get() {
            return Ok(());
        }
        Err(self.elsewhere())
    }

    #[cold]
    fn elsewhere(&self) -> io::Error {
        if self.is_none() {
            io::Error::new(
                io::ErrorKind::NotFound,
                "I/O source not registered with `Registry`; `register` it first",
            )
        } else {
            io::Error::new(
                io::ErrorKind::AlreadyExists,
                "I/O source already registered with a different `Registry`; deregister it there first",
            )
        }
    }

    /// Whether the source is registered nowhere, or its poll is gone.
    fn is_none(&self) -> bool {
        self.poll() == 0 || !PollId::is_alive(self.poll())
    }

    /// The poll's number, or zero.
    fn poll(&self) -> u32 {
        self.0.load(Relaxed) & !EXPOSED
    }

    fn set_poll(&mut self, poll: u32) {
        let word = self.0.get_mut();
        *word = *word & EXPOSED | poll;
    }
}

/// Of sources that have a descriptor.
#[cfg(any(feature = "net", feature = "os-ext"))]
impl Membership {
    /// The source's descriptor was handed out.
    pub(crate) fn expose(&self) {
        // Relaxed: read by who has the source to itself.
        self.0.fetch_or(EXPOSED, Relaxed);
    }

    pub(crate) fn is_exposed(&self) -> bool {
        self.0.load(Relaxed) & EXPOSED != 0
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
