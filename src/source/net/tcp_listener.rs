//! TCP servers.

use std::io;
use std::net::{self, SocketAddr};

use crate::reactor::io_source::IoSource;
use crate::source::forward::forward_source;
use crate::source::net::tcp_listener_builder::TcpListenerBuilder;
use crate::source::net::tcp_stream::TcpStream;
use crate::source::net::{as_sockref, expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket::{self, SockRef};

/// A TCP socket that takes connections.
///
/// Readable when a connection waits to be [accepted](TcpListener::accept).
///
/// Conversions: [`from_std`](TcpListener::from_std) for a listener that is non-blocking already,
/// `TryFrom<std::net::TcpListener>` for any, `Into<std::net::TcpListener>` for the way back, which
/// leaves it non-blocking.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::io::ErrorKind;
/// use wakeful::net::TcpListener;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
///
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
///
/// poll.poll(&mut events, None)?;
/// let mut accepted = Vec::new();
/// loop {
///     match listener.accept() {
///         Ok((connection, peer)) => accepted.push((connection, peer)),
///         // All taken: the next one is reported by an event.
///         Err(err) if err.kind() == ErrorKind::WouldBlock => break,
///         Err(err) => return Err(err),
///     }
/// }
/// assert_eq!(accepted[0].1, client.local_addr()?);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct TcpListener {
    inner: IoSource<net::TcpListener>,
}

impl TcpListener {
    /// Opens a socket that listens on `addr`.
    ///
    /// Port 0 lets the system choose one; [`local_addr`](TcpListener::local_addr) tells which.
    /// The queue of connections that wait to be accepted is as long as the system allows
    /// (`/proc/sys/net/core/somaxconn` on Linux).
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): somebody listens there already.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): no interface has that address.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): the port is privileged.
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    /// - `EAFNOSUPPORT`: the system has no IPv6.
    ///
    /// # Platforms
    ///
    /// On Unix `SO_REUSEADDR` is set, so that a server can be restarted while connections of its
    /// predecessor linger. Not on Windows, where it would let two servers share a port.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "listen")]
    #[doc(alias = "SO_REUSEADDR")]
    pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
        Self::builder().bind(addr)
    }

    /// A listener with options: a shared port, a backlog, dual stack.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = TcpListener::builder()
    ///     .backlog(16)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder::new()
    }

    /// Wraps a listener that is non-blocking already.
    ///
    /// Nothing is set: a listener that blocks would stop the whole loop at the first
    /// [`accept`](TcpListener::accept). `TcpListener::try_from` makes it non-blocking first.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the listener blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// let listener = TcpListener::from_std(listener);
    ///
    /// // The same in one step.
    /// let listener = TcpListener::try_from(std::net::TcpListener::bind("127.0.0.1:0")?)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_std(listener: net::TcpListener) -> TcpListener {
        expect_nonblocking(&listener);
        Self::wrap(listener)
    }

    pub(super) fn wrap(listener: net::TcpListener) -> Self {
        let inner = IoSource::new(listener);
        Self { inner }
    }

    /// Takes the next connection that waits, and tells who it comes from.
    ///
    /// The connection is non-blocking and close-on-exec. After an event, accept until
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): no connection waits.
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), and on Linux any error that the
    ///   network has for the new connection (`EPROTO`, `EHOSTUNREACH`, ...): this one is gone, go
    ///   on with the next one.
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
    /// use std::io::ErrorKind;
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (connection, peer) = self
            .inner
            .read_with(|listener| socket::accept(SockRef::from(listener)))?;
        let peer = peer.as_socket().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer of a TCP connection has no IP address; is this a TCP listener?",
            )
        })?;
        Ok((TcpStream::wrap(connection.into()), peer))
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
    /// let listener = wakeful::net::TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Sets how many routers a packet may pass: the field `TTL` of IPv4, for this socket and the
    /// connections that it accepts.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): not in 1 to 255.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let listener = wakeful::net::TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// listener.set_ttl(7)?;
    /// assert_eq!(listener.ttl()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_TTL")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// How many routers a packet may pass; see [`set_ttl`](TcpListener::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "IP_TTL")]
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
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
    /// let listener = wakeful::net::TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(listener.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }
}

forward_source!(TcpListener);
std_conversions!(TcpListener, net::TcpListener);
conversions!(TcpListener, net::TcpListener);
as_sockref!(TcpListener);
