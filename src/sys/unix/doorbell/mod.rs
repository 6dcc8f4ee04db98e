//! The doorbell: what makes a sleeping poller return, from any thread.
//!
//! It is rung only when the poller sleeps, and says nothing but "look at your lists". Whoever holds
//! a clone can ring it, also after the poll is gone.

#[cfg_attr(doorbell = "eventfd", path = "eventfd.rs")]
#[cfg_attr(doorbell = "event_ports", path = "event_ports.rs")]
#[cfg_attr(doorbell = "kqueue", path = "kqueue.rs")]
#[cfg_attr(doorbell = "none", path = "none.rs")]
#[cfg_attr(doorbell = "pipe", path = "pipe.rs")]
mod system;

#[cfg(any(doorbell = "event_ports", doorbell = "kqueue"))]
mod pipe;

use std::io;
#[cfg(any(doorbell = "event_ports", doorbell = "kqueue"))]
use std::os::fd::OwnedFd;
#[cfg(not(doorbell = "none"))]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use crate::sys::unix::os::Raw;

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

    /// An event of the interface itself, which needs no descriptor of its own.
    #[cfg(any(doorbell = "event_ports", doorbell = "kqueue"))]
    pub(crate) fn on(queue: Arc<OwnedFd>) -> Self {
        let bell = Arc::new(system::Bell::on(queue));
        Self { bell }
    }

    /// What to watch for readability.
    #[cfg(not(doorbell = "none"))]
    pub(crate) fn raw(&self) -> Raw {
        self.bell.as_fd().as_raw_fd()
    }

    /// There is nothing to watch, which poll(2) ignores.
    #[cfg(doorbell = "none")]
    pub(crate) fn raw(&self) -> Raw {
        -1
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
#[cfg(not(doorbell = "none"))]
impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
