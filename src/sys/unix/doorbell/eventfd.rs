//! An eventfd: one descriptor, and a counter that no number of rings fills in practice.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::unix::os::{eventfd, fd};

#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = eventfd::create()?;
        Ok(Self { fd })
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        loop {
            match fd::write(self.fd.as_fd(), &1_u64.to_ne_bytes()) {
                // The counter is full, after 2^64 - 2 rings: start anew, with an edge.
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => self.silence(),
                outcome => return outcome.map(drop),
            }
        }
    }

    pub(crate) fn silence(&self) {
        // Fails only with EAGAIN, when it was silent.
        let _ = fd::read(self.fd.as_fd(), &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(bell: &Bell) -> Option<u64> {
        let mut counter = [0; 8];
        fd::read(bell.as_fd(), &mut counter).ok()?;
        Some(u64::from_ne_bytes(counter))
    }

    #[test]
    fn a_full_counter_still_rings() {
        let bell = Bell::new().unwrap();
        fd::write(bell.as_fd(), &(u64::MAX - 1).to_ne_bytes()).unwrap();
        bell.ring().unwrap();
        assert_eq!(count(&bell), Some(1));
    }

    #[test]
    fn silence_lasts_until_the_next_ring() {
        let bell = Bell::new().unwrap();
        bell.ring().unwrap();
        bell.silence();
        bell.silence();
        assert_eq!(count(&bell), None);
    }
}
