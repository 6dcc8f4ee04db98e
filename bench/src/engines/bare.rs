//! As much of the shared API as the programs use, on bare system calls: no checks, no state, no choice.
//!
//! The floor that a library on epoll can reach but not beat, unless it makes fewer calls. Also what the
//! clients use, whoever serves them.

use std::fs::File;
use std::io::{self, Write};
use std::ops::BitOr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, epoll_event};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub usize);

#[derive(Clone, Copy, Debug)]
pub struct Interest(c_int);

impl Interest {
    pub const READABLE: Self = Self(libc::EPOLLIN | libc::EPOLLRDHUP);
    pub const WRITABLE: Self = Self(libc::EPOLLOUT);

    /// For adapters.
    #[cfg(feature = "peers")]
    pub fn is_readable(self) -> bool {
        self.0 & libc::EPOLLIN != 0
    }

    #[cfg(feature = "peers")]
    pub fn is_writable(self) -> bool {
        self.0 & libc::EPOLLOUT != 0
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

pub struct Poll {
    registry: Registry,
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number only.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new, so nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            registry: Registry { epoll },
        })
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        let epoll = self.registry.epoll.as_raw_fd();
        let room = events.list.capacity() as c_int;
        let list = events.list.as_mut_ptr();
        let ready = match timeout {
            // SAFETY: `list` has room for `room` entries.
            None => check(unsafe { libc::epoll_wait(epoll, list, room, -1) })?,
            // SAFETY: as above.
            Some(Duration::ZERO) => check(unsafe { libc::epoll_wait(epoll, list, room, 0) })?,
            Some(timeout) => {
                // `struct __kernel_timespec`.
                let time = [timeout.as_secs() as i64, timeout.subsec_nanos().into()];
                let mask = ptr::null::<libc::sigset_t>();
                // SAFETY: `list` has room for `room` entries, `time` lives as long as the call.
                let ready = unsafe {
                    libc::syscall(
                        libc::SYS_epoll_pwait2,
                        epoll,
                        list,
                        room,
                        time.as_ptr(),
                        mask,
                        0_usize,
                    )
                };
                check(ready as c_int)?
            }
        };
        // SAFETY: the kernel filled that many, and no more than there is room for.
        unsafe { events.list.set_len(ready as usize) };
        Ok(())
    }
}

pub struct Registry {
    epoll: OwnedFd,
}

impl Registry {
    pub fn register(
        &self,
        source: &mut impl AsRawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source.as_raw_fd(), token, interest)
    }

    pub fn reregister(
        &self,
        source: &mut impl AsRawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source.as_raw_fd(), token, interest)
    }

    pub fn deregister(&self, source: &mut impl AsRawFd) -> io::Result<()> {
        self.control(
            libc::EPOLL_CTL_DEL,
            source.as_raw_fd(),
            Token(0),
            Interest(0),
        )
    }

    fn control(
        &self,
        operation: c_int,
        fd: c_int,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = epoll_event {
            events: (interest.0 | libc::EPOLLET) as u32,
            u64: token.0 as u64,
        };
        // SAFETY: `event` lives as long as the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })?;
        Ok(())
    }
}

pub struct Events {
    list: Vec<epoll_event>,
}

impl Events {
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().map(|&event| Event(event))
    }
}

pub struct Event(epoll_event);

impl Event {
    pub fn token(&self) -> Token {
        Token(self.0.u64 as usize)
    }

    pub fn is_read_closed(&self) -> bool {
        self.0.events & (libc::EPOLLRDHUP | libc::EPOLLHUP) as u32 != 0
    }
}

/// An eventfd, written to at every wake.
pub struct Waker {
    eventfd: File,
}

impl Waker {
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        // SAFETY: takes numbers only.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor is new, so nobody else owns it.
        let mut eventfd = unsafe { File::from_raw_fd(fd) };
        registry.register(&mut eventfd, token, Interest::READABLE)?;
        Ok(Self { eventfd })
    }

    pub fn wake(&self) -> io::Result<()> {
        (&self.eventfd).write_all(&1_u64.to_ne_bytes())
    }
}

pub mod unix {
    use std::os::fd::{AsRawFd, RawFd};

    pub struct SourceFd<'a>(pub &'a RawFd);

    impl AsRawFd for SourceFd<'_> {
        fn as_raw_fd(&self) -> RawFd {
            *self.0
        }
    }
}

pub mod net {
    use std::io::{self, Read, Write};
    use std::net::SocketAddr;
    use std::os::fd::{AsRawFd, RawFd};

    pub use std::net::TcpStream;

    /// The standard library's, but non-blocking, as pairs are elsewhere.
    pub struct UnixStream(std::os::unix::net::UnixStream);

    impl UnixStream {
        pub fn pair() -> io::Result<(Self, Self)> {
            let (one, other) = std::os::unix::net::UnixStream::pair()?;
            one.set_nonblocking(true)?;
            other.set_nonblocking(true)?;
            Ok((Self(one), Self(other)))
        }
    }

    impl Read for UnixStream {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for UnixStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl AsRawFd for UnixStream {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }

    pub struct TcpListener(std::net::TcpListener);

    impl TcpListener {
        pub fn bind(address: SocketAddr) -> io::Result<Self> {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Self(listener))
        }

        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }

        pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            let (stream, peer) = self.0.accept()?;
            stream.set_nonblocking(true)?;
            Ok((stream, peer))
        }
    }

    impl AsRawFd for TcpListener {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }
}

fn check(outcome: c_int) -> io::Result<c_int> {
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        outcome => Ok(outcome),
    }
}
