//! Descriptors beyond what a process may have: kept open by threads with tables of their own.
//!
//! The limit of descriptors (`RLIMIT_NOFILE`) counts for each table, and Linux lets a thread have its own (unshare(2)). A thread that
//! takes a copy of the table keeps open what is in it, whatever the others close. What was registered with epoll(7) stays registered, since
//! that is the open file and not its number.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// Keeps descriptors open until it is dropped.
#[derive(Default)]
pub struct Parked {
    /// Nothing is ever sent: a keeper waits until its sender is dropped.
    keepers: Vec<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Parked {
    /// Keeps these open, out of the way of the calling thread, which closes its own: new descriptors get their numbers. All
    /// that the process has open is kept open with them.
    pub fn keep<T>(&mut self, descriptors: Vec<T>) -> io::Result<()> {
        let (end, ended) = mpsc::channel();
        let (told, outcome) = mpsc::channel();
        let keeper = thread::Builder::new().stack_size(64 << 10).spawn(move || {
            // SAFETY: takes a number only. What the thread has open is its own from here on, and it opens and closes
            // nothing before it ends.
            let unshared = match unsafe { libc::unshare(libc::CLONE_FILES) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            };
            // An error of either is that nobody waits any more.
            let _ = told.send(unshared);
            let _ = ended.recv();
        })?;
        self.keepers.push((end, keeper));
        outcome.recv().map_err(io::Error::other)??;
        drop(descriptors);
        Ok(())
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        for (end, keeper) in self.keepers.drain(..) {
            drop(end);
            // A keeper that has panicked keeps nothing, and that is all the same now.
            let _ = keeper.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_kept_stays_open_and_gives_its_number_away() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let number = there.as_raw_fd();
        let mut parked = Parked::default();

        parked.keep(vec![there]).unwrap();
        // SAFETY: takes numbers only.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        assert_eq!(flags, -1, "the number is still in use");
        let found = here.read(&mut [0]).map_err(|err| err.kind());
        assert_eq!(found, Err(ErrorKind::WouldBlock));

        // Waits, as a thread's table goes only after others may know of its end.
        here.set_nonblocking(false).unwrap();
        drop(parked);
        assert_eq!(here.read(&mut [0]).unwrap(), 0);
    }
}
