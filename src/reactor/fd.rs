//! The descriptor of a poll, to be watched by another one.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::reactor::poll::Poll;
use crate::reactor::registry::Registry;

/// The descriptor becomes readable when a poll would report something.
///
/// From the first use on, every first wake costs a system call, as if the poller slept. Timers do
/// not make it readable: [`Poll::next_deadline`] tells when to come back for them.
///
/// # Platforms
///
/// epoll and kqueue: readable for everything else that is registered. poll(2) has no descriptor of its
/// own: there it becomes readable for wakers, user sources and channels only. So it does with event
/// ports, which are asked about other sources in a poll only.
impl AsFd for Registry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // From now on somebody may sleep without us. A ring can only fail where the
        // descriptor is readable already.
        let _ = self.shared().ready.watch();
        self.shared().selector.as_fd()
    }
}

/// See [`AsFd`](#impl-AsFd-for-Registry).
impl AsRawFd for Registry {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// See [`Registry`](Registry#impl-AsFd-for-Registry).
impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registry().as_fd()
    }
}

/// See [`Registry`](Registry#impl-AsFd-for-Registry).
impl AsRawFd for Poll {
    fn as_raw_fd(&self) -> RawFd {
        self.registry().as_raw_fd()
    }
}
