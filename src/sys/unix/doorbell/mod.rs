//! The doorbell: what makes a sleeping poller return, from any thread.
//!
//! It is rung only when the poller sleeps, and says nothing but "look at your lists". Whoever holds
//! a clone can ring it, also after the poll is gone.

#[cfg_attr(doorbell = "eventfd", path = "eventfd.rs")]
#[cfg_attr(doorbell = "pipe", path = "pipe.rs")]
mod system;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// A handle to the doorbell of one poll.
#[derive(Clone, Debug)]
pub(crate) struct Doorbell {
    bell: Arc<system::Bell>,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = Arc::new(system::Bell::new()?);
        Ok(Self { bell })
    }

    /// Makes the descriptor readable, with an edge each time. Async-signal-safe.
    pub(crate) fn ring(&self) -> io::Result<()> {
        self.bell.ring()
    }

    /// Makes the descriptor unreadable until the next ring.
    ///
    /// Only level-triggered backends need it; it never fails in a way that matters, since a bell
    /// that was not rung is silent.
    pub(crate) fn silence(&self) {
        self.bell.silence();
    }
}

/// What to watch for readability.
impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
