//! TCP connections with options, which are set before the attempt to connect begins.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::source::net::options::{named, whole_seconds, Keepalive, Options};
use crate::source::net::tcp_stream::TcpStream;
use crate::sys::socket::{self, Domain, Protocol, Type};

/// Builds a [`TcpStream`], see [`TcpStream::builder`].
///
/// A builder is a value: it can be kept, cloned, and used for many streams. What it has no method
/// for, and need not be set before the stream connects, is for
/// [`as_sockref`](TcpStream::as_sockref).
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::time::Duration;
/// use wakeful::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// let stream = TcpStream::builder()
///     .bind("127.0.0.1:0".parse().unwrap())
///     .nodelay(true)
///     .keepalive(Duration::from_secs(60))
///     .connect(listener.local_addr()?)?;
/// assert!(stream.nodelay()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct TcpStreamBuilder {
    options: Options,
    local: Option<SocketAddr>,
    nodelay: bool,
    keepalive: Option<Keepalive>,
    linger: Option<Duration>,
    fast_open: bool,
}

impl TcpStreamBuilder {
    pub(crate) fn new() -> Self {
        Self {
            options: Options::default(),
            local: None,
            nodelay: false,
            keepalive: None,
            linger: None,
            fast_open: false,
        }
    }

    /// Connects from this address; the system chooses one by default. Port 0 lets it choose the
    /// port.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder()
    ///     .bind("127.0.0.1:0".parse().unwrap())
    ///     .connect(address)?;
    /// assert_eq!(stream.local_addr()?.ip(), address.ip());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "source address")]
    pub fn bind(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Whether the local address can be bound while earlier connections linger in `TIME_WAIT`; no
    /// by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder()
    ///     .reuse_address(true)
    ///     .bind("127.0.0.1:0".parse().unwrap())
    ///     .connect(address)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_REUSEADDR")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.options.reuse_address = reuse;
        self
    }

    /// Whether several sockets can share the local port; no by default. See
    /// [`TcpListenerBuilder::reuse_port`](crate::net::TcpListenerBuilder::reuse_port).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder()
    ///     .reuse_port(true)
    ///     .bind("127.0.0.1:0".parse().unwrap())
    ///     .connect(address)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether small writes are sent at once, without waiting for what was sent before to be
    /// acknowledged (Nagle's algorithm, [RFC 896]); no by default.
    ///
    /// [RFC 896]: https://www.rfc-editor.org/rfc/rfc896
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder().nodelay(true).connect(address)?;
    /// assert!(stream.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "TCP_NODELAY")]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Probes the peer when the connection has been silent for `time`, in whole seconds, rounded
    /// up; off by default.
    ///
    /// How often and how many times follows from the system's defaults (75 s and 9 times on
    /// Linux), or [`keepalive_interval`](Self::keepalive_interval) and
    /// [`keepalive_retries`](Self::keepalive_retries).
    ///
    /// # Platforms
    ///
    /// Linux allows 1 s to 32,767 s. [`connect`](Self::connect) is
    /// [`Unsupported`](io::ErrorKind::Unsupported) on OpenBSD.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// // A peer that vanished is noticed after 60 + 3 * 10 seconds.
    /// let stream = TcpStream::builder()
    ///     .keepalive(Duration::from_secs(60))
    ///     .keepalive_interval(Duration::from_secs(10))
    ///     .keepalive_retries(3)
    ///     .connect(address)?;
    /// assert!(stream.as_sockref().keepalive()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_KEEPALIVE")]
    #[doc(alias = "TCP_KEEPIDLE")]
    pub fn keepalive(mut self, time: Duration) -> Self {
        self.keepalive.get_or_insert_with(Keepalive::default).time = Some(time);
        self
    }

    /// The time between two probes, in whole seconds, rounded up; turns probing on.
    ///
    /// # Platforms
    ///
    /// [`connect`](Self::connect) is [`Unsupported`](io::ErrorKind::Unsupported) on OpenBSD,
    /// on Solaris, and on Windows before version 10, 1709.
    #[doc(alias = "TCP_KEEPINTVL")]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive
            .get_or_insert_with(Keepalive::default)
            .interval = Some(interval);
        self
    }

    /// After how many probes without an answer the connection is given up; turns probing on.
    ///
    /// # Platforms
    ///
    /// [`connect`](Self::connect) is [`Unsupported`](io::ErrorKind::Unsupported) on OpenBSD,
    /// on Solaris, and on Windows before version 10, 1709.
    #[doc(alias = "TCP_KEEPCNT")]
    pub fn keepalive_retries(mut self, retries: u32) -> Self {
        self.keepalive
            .get_or_insert_with(Keepalive::default)
            .retries = Some(retries);
        self
    }

    /// What becomes of unsent data when the stream is closed: zero throws it away and resets the
    /// connection. By default it is sent in the background.
    ///
    /// A time other than zero, in whole seconds, rounded up, makes closing wait until the data is
    /// acknowledged, on some systems (Linux is one) also for a socket that is non-blocking. A loop
    /// has no use for that.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// // Dropping it resets the connection.
    /// let stream = TcpStream::builder().linger(Duration::ZERO).connect(address)?;
    /// assert_eq!(stream.as_sockref().linger()?, Some(Duration::ZERO));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_LINGER")]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = Some(time);
        self
    }

    /// Sends what is written first together with the first packet of the connection
    /// ([RFC 7413]), which saves a round trip; no by default.
    ///
    /// The system waits for the first write before it connects. Until then the stream is writable,
    /// and [`connect_status`](TcpStream::connect_status) says that it is in progress: write, do not
    /// wait for the connection. A first write that cannot go along, as when the server is new to
    /// the system, starts to connect and is [`WouldBlock`](io::ErrorKind::WouldBlock): write again
    /// at the next writable event. A peer that cannot be reached shows at the write, or after it.
    ///
    /// For protocols in which the client speaks first, and requests that do no harm when they
    /// arrive twice.
    ///
    /// # Platforms
    ///
    /// Linux 4.11 and Android, where the system has to allow it for clients
    /// (`/proc/sys/net/ipv4/tcp_fastopen`, bit 0: the value 1, which is the default, or 3).
    /// [`connect`](Self::connect) is [`Unsupported`](io::ErrorKind::Unsupported) where it does
    /// not, and elsewhere.
    ///
    /// [RFC 7413]: https://www.rfc-editor.org/rfc/rfc7413
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let fast = TcpStream::builder().fast_open(true).connect(address);
    /// // Without it, where the system has no such thing.
    /// let stream = fast.or_else(|_| TcpStream::connect(address))?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "TCP_FASTOPEN_CONNECT")]
    pub fn fast_open(mut self, fast_open: bool) -> Self {
        self.fast_open = fast_open;
        self
    }

    /// The size of the receive buffer in bytes; see [`TcpListenerBuilder::receive_buffer_size`](crate::net::TcpListenerBuilder::receive_buffer_size).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder()
    ///     .receive_buffer_size(32 * 1024)
    ///     .connect(address)?;
    /// // A system may double it.
    /// assert!(stream.as_sockref().recv_buffer_size()? >= 32 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_RCVBUF")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes; see [`TcpListenerBuilder::send_buffer_size`](crate::net::TcpListenerBuilder::send_buffer_size).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let stream = TcpStream::builder()
    ///     .send_buffer_size(32 * 1024)
    ///     .connect(address)?;
    /// // A system may double it.
    /// assert!(stream.as_sockref().send_buffer_size()? >= 32 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Starts to connect, and returns at once; see [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// - Those of [`TcpStream::connect`].
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse), [`AddrNotAvailable`], and others: those of bind(2),
    ///   if there is a local address.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the system does not have one of the options.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput), and others: an option was refused. The
    ///   message names it, and the [source](std::error::Error::source) of the error is what the
    ///   system said.
    ///
    /// Nothing stays open.
    ///
    /// [`AddrNotAvailable`]: io::ErrorKind::AddrNotAvailable
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let builder = TcpStream::builder().nodelay(true);
    /// let streams = [builder.connect(address)?, builder.connect(address)?];
    /// assert_ne!(streams[0].local_addr()?, streams[1].local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let domain = Domain::for_address(addr);
        let stream = self.options.open(domain, Type::STREAM, Protocol::TCP)?;
        if self.nodelay {
            named("TCP_NODELAY", stream.set_tcp_nodelay(true))?;
        }
        if let Some(keepalive) = &self.keepalive {
            keepalive.set(&stream)?;
        }
        if let Some(time) = self.linger {
            named("SO_LINGER", stream.set_linger(Some(whole_seconds(time))))?;
        }
        if self.fast_open {
            named("TCP_FASTOPEN_CONNECT", socket::connect_fast_open(&stream))?;
        }
        if let Some(local) = self.local {
            stream.bind(&local.into())?;
        }
        socket::connect(&stream, &addr.into())?;
        Ok(TcpStream::wrap(stream.into()))
    }
}
