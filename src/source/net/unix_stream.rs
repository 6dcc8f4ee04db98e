//! Unix domain connections.

use std::io;
use std::net::Shutdown;
use std::path::Path;

use crate::reactor::io_source::IoSource;
use crate::source::forward::{forward_read, forward_source, forward_write};
use crate::source::net::as_sockref;
#[cfg(handle = "fd")]
use crate::source::net::{expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket::{self, Domain, Type};
use crate::sys::unix_net::{self as net, SocketAddr};

/// A connection between processes of this machine, or within one.
///
/// Reads and writes go through [`Read`](io::Read) and [`Write`](io::Write), on the stream or on a
/// shared reference to it. They never wait; [`WouldBlock`](io::ErrorKind::WouldBlock) means
/// that an event will tell when to try again.
///
/// Conversions: `from_std` for a stream that is non-blocking already,
/// `TryFrom<std::os::unix::net::UnixStream>` for any, `Into` for the way back, which leaves it
/// non-blocking.
///
/// # Platforms
///
/// Windows has them since version 10, 1803, in the file system; before that every way to open one
/// is [`Unsupported`](io::ErrorKind::Unsupported). `std` has no type for them there, so addresses are of the type
/// `wakeful::net::UnixSocketAddr`, and the conversions are those of `OwnedSocket`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::io::{Read, Write};
/// use wakeful::net::UnixStream;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let (mut here, mut there) = UnixStream::pair()?;
/// poll.registry().register(&mut here, Token(0), Interest::READABLE)?;
///
/// there.write_all(b"hello")?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// let len = here.read(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct UnixStream {
    inner: IoSource<net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at `path`, and returns at once.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) (Linux): the queue of the listener is full.
    ///   Nothing is under way, and no event will come: try again later, with a new call.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): the path contains a NUL byte, or is longer
    ///   than an address can be (107 bytes on Linux).
    /// - [`NotFound`](io::ErrorKind::NotFound): no such file.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): nobody listens there.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): no write permission for the file.
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    ///
    /// # Platforms
    ///
    /// On Linux the stream is connected when the call returns. Elsewhere the attempt may be under
    /// way; proceed as with [`TcpStream::connect`](crate::net::TcpStream::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("server.sock");
    /// use wakeful::net::{UnixListener, UnixStream};
    ///
    /// let listener = UnixListener::bind(&path)?;
    /// let stream = UnixStream::connect(&path)?;
    /// assert_eq!(stream.peer_addr()?.as_pathname(), Some(path.as_path()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        Self::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the listener at `address`, which may be outside the file system.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](UnixStream::connect).
    ///
    /// # Platforms
    ///
    /// Linux and Android have *abstract* addresses, names that are no files. See [unix(7)].
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
    /// use wakeful::net::{UnixListener, UnixStream};
    ///
    /// let name = format!("wakeful example {}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let stream = UnixStream::connect_addr(&address)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let stream = socket::open(Domain::UNIX, Type::STREAM, None)?;
        socket::connect(&stream, &socket::unix_address(address)?)?;
        Ok(Self::wrap(stream.into()))
    }

    /// Wraps a stream that is non-blocking already.
    ///
    /// Nothing is set: a stream that blocks would stop the whole loop at the first read.
    /// `UnixStream::try_from` makes it non-blocking first.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the stream blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UnixStream;
    ///
    /// let (here, there) = std::os::unix::net::UnixStream::pair()?;
    /// here.set_nonblocking(true)?;
    /// let here = UnixStream::from_std(here);
    ///
    /// // The same in one step.
    /// let there = UnixStream::try_from(there)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(handle = "fd")]
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> UnixStream {
        expect_nonblocking(&stream);
        Self::wrap(stream)
    }

    pub(super) fn wrap(stream: net::UnixStream) -> Self {
        let inner = IoSource::new(stream);
        Self { inner }
    }

    /// Opens two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    ///
    /// # Platforms
    ///
    /// Windows has no socketpair(2): there a listener in the directory for temporary files connects
    /// the two, and is gone when this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::{Read, Write};
    /// use wakeful::net::UnixStream;
    ///
    /// let (mut here, mut there) = UnixStream::pair()?;
    /// there.write_all(b"hello")?;
    /// let mut buf = [0; 5];
    /// here.read_exact(&mut buf)?;
    /// assert_eq!(&buf, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = socket::pair(Type::STREAM)?;
        Ok((Self::wrap(one.into()), Self::wrap(other.into())))
    }

    /// The address of this side; [unnamed](SocketAddr::is_unnamed) for most clients.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, _there) = wakeful::net::UnixStream::pair()?;
    /// assert!(here.local_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): there is no connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (here, _there) = wakeful::net::UnixStream::pair()?;
    /// assert!(here.peer_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
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
    /// let (here, _there) = wakeful::net::UnixStream::pair()?;
    /// assert!(here.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Shuts down reading, writing, or both.
    ///
    /// After `Shutdown::Write` the peer reads what was sent, and then the end of the stream;
    /// this side can still read.
    ///
    /// # Errors
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): there is no connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::Read;
    /// use std::net::Shutdown;
    ///
    /// let (here, mut there) = wakeful::net::UnixStream::pair()?;
    /// here.shutdown(Shutdown::Write)?;
    /// assert_eq!(there.read(&mut [0; 8])?, 0);
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
    /// let (here, _there) = wakeful::net::UnixStream::pair()?;
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

forward_source!(UnixStream);
forward_read!(UnixStream);
forward_write!(UnixStream);
#[cfg(handle = "fd")]
std_conversions!(UnixStream, net::UnixStream);
conversions!(UnixStream, net::UnixStream);
as_sockref!(UnixStream);
