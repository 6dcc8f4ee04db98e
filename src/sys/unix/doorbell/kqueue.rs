//! `EVFILT_USER`: an event of the queue itself. poll(2), which has no queue, gets a pipe.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::pipe;
use crate::sys::unix::os::kqueue;

#[derive(Debug)]
pub(crate) enum Bell {
    Pipe(pipe::Bell),
    /// The queue stays open as long as anybody may ring.
    Event(Arc<OwnedFd>),
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        pipe::Bell::new().map(Self::Pipe)
    }

    /// Of a queue that has its user event.
    pub(crate) fn on(queue: Arc<OwnedFd>) -> Self {
        Self::Event(queue)
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        match self {
            Self::Pipe(bell) => bell.ring(),
            Self::Event(queue) => kqueue::trigger(queue.as_fd()),
        }
    }

    pub(crate) fn silence(&self) {
        match self {
            Self::Pipe(bell) => bell.silence(),
            // `EV_CLEAR`: it is silent as soon as it is reported.
            Self::Event(_) => {}
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(bell) => bell.as_fd(),
            Self::Event(queue) => queue.as_fd(),
        }
    }
}
