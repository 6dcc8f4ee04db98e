//! `PORT_SOURCE_USER`: an event of the port itself. poll(2), which has no port, gets a pipe.
//!
//! A port may have no room for that event, and not because events wait in it: descriptors that it watches
//! take the same room (`port_alloc_event_local` of illumos counts both). Nor is there always memory. Then the
//! port is alerted, which needs neither; the poller ends that and looks again. An alert does not make the port's
//! own descriptor readable.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::pipe;
use crate::sys::unix::os::event_ports;

#[derive(Debug)]
pub(crate) enum Bell {
    Pipe(pipe::Bell),
    /// The port stays open as long as anybody may ring.
    Port(Arc<OwnedFd>),
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        pipe::Bell::new().map(Self::Pipe)
    }

    pub(crate) fn on(port: Arc<OwnedFd>) -> Self {
        Self::Port(port)
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        match self {
            Self::Pipe(bell) => bell.ring(),
            Self::Port(port) => match event_ports::send(port.as_fd()) {
                Err(err) if event_ports::is_full(&err) => event_ports::alert(port.as_fd()),
                outcome => outcome,
            },
        }
    }

    pub(crate) fn silence(&self) {
        match self {
            Self::Pipe(bell) => bell.silence(),
            // An event of a port is taken from it.
            Self::Port(_) => {}
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(bell) => bell.as_fd(),
            Self::Port(port) => port.as_fd(),
        }
    }
}
