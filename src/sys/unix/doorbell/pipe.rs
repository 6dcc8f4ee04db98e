//! A pipe: two descriptors, on every Unix.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::unix::os::{fd, pipe};

#[derive(Debug)]
pub(crate) struct Bell {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe::create()?;
        Ok(Self { reader, writer })
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        match fd::write(self.writer.as_fd(), &[1]) {
            // Full: it is as readable as it can be.
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    pub(crate) fn silence(&self) {
        // Until it is empty: a short read or EAGAIN.
        let mut rings = [0; 64];
        while matches!(fd::read(self.reader.as_fd(), &mut rings), Ok(n) if n == rings.len()) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
