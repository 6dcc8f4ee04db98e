//! Unix domain datagrams.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use crate::reactor::io_source::IoSource;
use crate::source::forward::forward_source;
use crate::source::net::{as_sockref, expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket::{self, Domain, Type};

/// A Unix domain socket that sends and receives datagrams.
///
/// One call sends or receives one datagram, whole; what does not fit into the buffer of a receiver is
/// lost. Nothing is lost or reordered on the way. After an event, go on until
/// [`WouldBlock`](io::ErrorKind::WouldBlock).
///
/// Conversions: [`from_std`](UnixDatagram::from_std) for a socket that is non-blocking already,
/// `TryFrom<std::os::unix::net::UnixDatagram>` for any, `Into` for the way back, which leaves it
/// non-blocking.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::UnixDatagram;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let (mut here, there) = UnixDatagram::pair()?;
/// poll.registry().register(&mut here, Token(0), Interest::READABLE)?;
///
/// there.send(b"hello")?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// let len = here.recv(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct UnixDatagram {
    inner: IoSource<net::UnixDatagram>,
}

impl UnixDatagram {
    /// Opens a socket that is bound to `path`, and makes the file that stands for it.
    ///
    /// The file stays when the socket is dropped; whoever binds there again has to remove it
    /// first.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): the path contains a NUL byte, or is longer
    ///   than an address can be (107 bytes on Linux).
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): the file exists.
    /// - [`NotFound`](io::ErrorKind::NotFound), [`PermissionDenied`](io::ErrorKind::PermissionDenied):
    ///   of its directory.
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use wakeful::net::UnixDatagram;
    ///
    /// let path = dir.path().join("log.sock");
    /// let socket = UnixDatagram::bind(&path)?;
    /// assert_eq!(socket.local_addr()?.as_pathname(), Some(path.as_path()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Opens a socket that is bound to `address`, which may be outside the file system.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](UnixDatagram::bind).
    ///
    /// # Platforms
    ///
    /// Linux and Android have *abstract* addresses: names that are no files, and vanish with the
    /// last socket that uses them. See [unix(7)].
    ///
    /// [unix(7)]: https://man7.org/linux/man-pages/man7/unix.7.html
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// use wakeful::net::UnixDatagram;
    ///
    /// let name = format!("wakeful datagram example {}", std::process::id());
    /// let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// assert_eq!(socket.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        let socket = socket::open(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&socket::unix_address(address)?)?;
        Ok(Self::wrap(socket.into()))
    }

    /// Wraps a socket that is non-blocking already.
    ///
    /// Nothing is set: a socket that blocks would stop the whole loop at the first
    /// [`recv`](UnixDatagram::recv). `UnixDatagram::try_from` makes it non-blocking first.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the socket blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UnixDatagram;
    ///
    /// let (here, there) = std::os::unix::net::UnixDatagram::pair()?;
    /// here.set_nonblocking(true)?;
    /// let here = UnixDatagram::from_std(here);
    ///
    /// // The same in one step.
    /// let there = UnixDatagram::try_from(there)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> UnixDatagram {
        expect_nonblocking(&socket);
        Self::wrap(socket)
    }

    fn wrap(socket: net::UnixDatagram) -> Self {
        let inner = IoSource::new(socket);
        Self { inner }
    }

    /// Fixes the other side: [`send`](UnixDatagram::send) sends to the socket at `path`, and
    /// datagrams from elsewhere are no longer received.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): the path contains a NUL byte, or is longer
    ///   than an address can be (107 bytes on Linux).
    /// - [`NotFound`](io::ErrorKind::NotFound): no such file.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): no socket is bound there.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): no write permission for the file.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log.sock");
    /// use wakeful::net::UnixDatagram;
    ///
    /// let receiver = UnixDatagram::bind(&path)?;
    /// let sender = UnixDatagram::unbound()?;
    /// sender.connect(&path)?;
    /// assert_eq!(sender.send(b"hello")?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.inner.connect(path)
    }

    /// Opens a socket without an address: it can send, and nobody can answer.
    ///
    /// # Errors
    ///
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UnixDatagram::unbound()?;
    /// assert!(socket.local_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        let socket = socket::open(Domain::UNIX, Type::DGRAM, None)?;
        Ok(Self::wrap(socket.into()))
    }

    /// Opens two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = wakeful::net::UnixDatagram::pair()?;
    /// there.send(b"hello")?;
    /// assert_eq!(here.recv(&mut [0; 16])?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = socket::pair(Type::DGRAM)?;
        Ok((Self::wrap(one.into()), Self::wrap(other.into())))
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log.sock");
    /// let socket = wakeful::net::UnixDatagram::bind(&path)?;
    /// assert_eq!(socket.local_addr()?.as_pathname(), Some(path.as_path()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The address that the socket was [connected](UnixDatagram::connect) to.
    ///
    /// # Errors
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): it was not.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let socket = wakeful::net::UnixDatagram::unbound()?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Receives one datagram: its length, and who sent it.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): none has arrived.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = wakeful::net::UnixDatagram::pair()?;
    /// there.send(b"hello")?;
    /// let (len, sender) = here.recv_from(&mut [0; 16])?;
    /// assert_eq!(len, 5);
    /// assert!(sender.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.read_with(|socket| socket.recv_from(buf))
    }

    /// Receives one datagram, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): none has arrived.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let (here, _there) = wakeful::net::UnixDatagram::pair()?;
    /// assert_eq!(here.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|socket| socket.recv(buf))
    }

    /// Sends one datagram to the socket at `path`, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): the send buffer, or the receiver's queue, is
    ///   full. An event tells of room in the buffer; of room in a receiver's queue only if this
    ///   socket is [connected](UnixDatagram::connect) to it.
    /// - `EMSGSIZE`: more than fits into one datagram.
    /// - Those of [`connect`](UnixDatagram::connect).
    ///
    /// # Platforms
    ///
    /// BSD and Apple's systems answer a full queue with `ENOBUFS` in place of `WouldBlock`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log.sock");
    /// use wakeful::net::UnixDatagram;
    ///
    /// let receiver = UnixDatagram::bind(&path)?;
    /// let sender = UnixDatagram::unbound()?;
    /// assert_eq!(sender.send_to(b"hello", &path)?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sendto")]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.inner.write_with(|socket| socket.send_to(buf, path))
    }

    /// Sends one datagram to the socket that this one is [connected](UnixDatagram::connect) to.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): the send buffer, or the receiver's queue, is
    ///   full; an event tells when to try again.
    /// - `EMSGSIZE`: more than fits into one datagram.
    /// - [`NotConnected`](io::ErrorKind::NotConnected): the socket is not connected.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused),
    ///   [`ConnectionReset`](io::ErrorKind::ConnectionReset): the other socket was closed.
    ///
    /// # Platforms
    ///
    /// BSD and Apple's systems answer a full queue with `ENOBUFS` in place of `WouldBlock`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, _there) = wakeful::net::UnixDatagram::pair()?;
    /// assert_eq!(here.send(b"hello")?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write_with(|socket| socket.send(buf))
    }

    /// Takes the error that is pending on the socket, if there is one.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked; the pending error is the `Ok` value.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, _there) = wakeful::net::UnixDatagram::pair()?;
    /// assert!(here.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Shuts down receiving, sending, or both.
    ///
    /// Who sends to a socket that does not receive is told so with
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ///
    /// # Errors
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): the socket is not connected.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use std::net::Shutdown;
    ///
    /// let (here, there) = wakeful::net::UnixDatagram::pair()?;
    /// here.shutdown(Shutdown::Read)?;
    /// assert_eq!(there.send(b"hello").unwrap_err().kind(), ErrorKind::BrokenPipe);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    /// Runs an operation on the socket that this type does not have, [sendmsg(2)] with descriptors
    /// to hand over for example.
    ///
    /// If `f` returns [`WouldBlock`](io::ErrorKind::WouldBlock), events for the socket go on as
    /// after any other operation that would block. So `f` must do its I/O on this socket, without
    /// blocking, and return that error only when the socket did.
    ///
    /// [sendmsg(2)]: https://man7.org/linux/man-pages/man2/sendmsg.2.html
    ///
    /// # Errors
    ///
    /// Those of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    /// use std::mem::MaybeUninit;
    ///
    /// let (here, _there) = wakeful::net::UnixDatagram::pair()?;
    /// let mut buf = [MaybeUninit::uninit(); 8];
    /// let outcome = here.try_io(|| socket2::SockRef::from(&here).recv(&mut buf));
    /// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(f)
    }
}

forward_source!(UnixDatagram);
std_conversions!(UnixDatagram, net::UnixDatagram);
conversions!(UnixDatagram, net::UnixDatagram);
as_sockref!(UnixDatagram);
