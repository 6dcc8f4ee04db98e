//! Unix domain servers.

use std::io;
use std::path::Path;

use crate::reactor::io_source::IoSource;
use crate::source::forward::forward_source;
use crate::source::net::as_sockref;
use crate::source::net::unix_stream::UnixStream;
#[cfg(handle = "fd")]
use crate::source::net::{expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket::{self, Domain, SockRef, Type};
use crate::sys::unix_net::{self as net, SocketAddr};

/// A Unix domain socket that takes connections.
///
/// Readable when a connection waits to be [accepted](UnixListener::accept).
///
/// Conversions: `from_std` for a listener that is non-blocking already,
/// `TryFrom<std::os::unix::net::UnixListener>` for any, `Into` for the way back, which leaves it
/// non-blocking.
///
/// # Platforms
///
/// On Windows as with [`UnixStream`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::{UnixListener, UnixStream};
/// use wakeful::{Events, Interest, Poll, Token};
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("server.sock");
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut listener = UnixListener::bind(&path)?;
/// poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
///
/// let client = UnixStream::connect(&path)?;
///
/// poll.poll(&mut events, None)?;
/// let (connection, peer) = listener.accept()?;
/// assert!(peer.is_unnamed());
///
/// // The file stays when the listener is dropped.
/// drop(listener);
/// std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct UnixListener {
    inner: IoSource<net::UnixListener>,
}

impl UnixListener {
    /// Opens a socket that listens at `path`, and makes the file that stands for it.
    ///
    /// The file stays when the listener is dropped; whoever binds there again has to remove it
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
    /// use wakeful::net::UnixListener;
    ///
    /// let path = dir.path().join("server.sock");
    /// let listener = UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_path()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "listen")]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Opens a socket that listens at `address`, which may be outside the file system.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](UnixListener::bind).
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
    /// use wakeful::net::UnixListener;
    ///
    /// let name = format!("wakeful example {}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(&name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// assert_eq!(listener.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let listener = socket::open(Domain::UNIX, Type::STREAM, None)?;
        listener.bind(&socket::unix_address(address)?)?;
        socket::listen(&listener, None)?;
        Ok(Self::wrap(listener.into()))
    }

    /// Wraps a listener that is non-blocking already.
    ///
    /// Nothing is set: a listener that blocks would stop the whole loop at the first
    /// [`accept`](UnixListener::accept). `UnixListener::try_from` makes it non-blocking first.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the listener blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("server.sock");
    /// use wakeful::net::UnixListener;
    ///
    /// let listener = std::os::unix::net::UnixListener::bind(path)?;
    /// listener.set_nonblocking(true)?;
    /// let listener = UnixListener::from_std(listener);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(handle = "fd")]
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> UnixListener {
        expect_nonblocking(&listener);
        Self::wrap(listener)
    }

    fn wrap(listener: net::UnixListener) -> Self {
        let inner = IoSource::new(listener);
        Self { inner }
    }

    /// Takes the next connection that waits, and tells who it comes from. Most clients have no
    /// address; one whose address cannot be told is taken to have none.
    ///
    /// The connection is non-blocking and close-on-exec. After an event, accept until
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): no connection waits.
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted): this one is gone, go on with the
    ///   next one.
    /// - `EMFILE`, `ENFILE`: too many open files. The connection still waits, and there is no
    ///   new event for it: try again when a descriptor was closed.
    ///
    /// # Platforms
    ///
    /// One system call where there is [accept4(2)]; elsewhere the flags are set after accept(2).
    ///
    /// [accept4(2)]: https://man7.org/linux/man-pages/man2/accept.2.html
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("server.sock");
    /// use std::io::ErrorKind;
    /// use wakeful::net::UnixListener;
    ///
    /// let listener = UnixListener::bind(path)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (connection, peer) = self
            .inner
            .read_with(|listener| socket::accept(SockRef::from(listener)))?;
        let peer = socket::peer_unix_address(&peer)?;
        Ok((UnixStream::wrap(connection.into()), peer))
    }

    /// The address that the listener is bound to.
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
    /// # let path = dir.path().join("server.sock");
    /// let listener = wakeful::net::UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_path()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Takes the error that is pending on the socket, if there is one.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked; the pending error is the `Ok` value.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }
}

forward_source!(UnixListener);
#[cfg(handle = "fd")]
std_conversions!(UnixListener, net::UnixListener);
conversions!(UnixListener, net::UnixListener);
as_sockref!(UnixListener);
