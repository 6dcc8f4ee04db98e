//! `PORT_SOURCE_USER`: an event of the port itself. poll(2), which has no port, gets a pipe.

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
                // The queue is full: whoever waits returns anyway.
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(()),
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
