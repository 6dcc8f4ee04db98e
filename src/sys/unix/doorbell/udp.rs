//! A UDP socket that sends to itself, for systems that have neither pipes nor eventfds.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

#[derive(Debug)]
pub(crate) struct Bell {
    socket: UdpSocket,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Connected, it takes datagrams of its own only.
        socket.connect(socket.local_addr()?)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    pub(crate) fn ring(&self) -> io::Result<()> {
        match self.socket.send(&[1]) {
            // Full: it is as readable as it can be.
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    pub(crate) fn silence(&self) {
        // Until it is empty: EAGAIN.
        while self.socket.recv(&mut [0; 8]).is_ok() {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_until_the_next_ring() {
        let bell = Bell::new().unwrap();
        for _ in 0..2 {
            bell.ring().unwrap();
            bell.ring().unwrap();
            bell.silence();
            assert!(bell.socket.recv(&mut [0; 8]).is_err());
        }
    }
}
