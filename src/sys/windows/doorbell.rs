//! The doorbell: a packet that is posted to the port where the poller sleeps.
//!
//! It says nothing but "look at your lists". Whoever holds a clone can ring it, also after the poll
//! is gone: the port lives for as long as anybody holds on to it.

use std::io;
use std::sync::Arc;

use crate::sys::windows::os::iocp::Port;

/// A handle to the doorbell of one poll.
#[derive(Clone, Debug)]
pub(crate) struct Doorbell {
    port: Arc<Port>,
}

impl Doorbell {
    pub(crate) fn new(port: Arc<Port>) -> Self {
        Self { port }
    }

    /// Makes the poller return. Rings coalesce: one packet at most is on its way.
    pub(crate) fn ring(&self) -> io::Result<()> {
        self.port.ring()
    }
}
