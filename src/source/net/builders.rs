//! Sockets with options: set before the socket is bound or connected, where many of them have to
//! be.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Type};

use crate::source::net::options::{Keepalive, Options};
use crate::source::net::tcp_listener::TcpListener;
use crate::source::net::tcp_stream::TcpStream;
use crate::source::net::udp::UdpSocket;
use crate::sys::unix::os::socket;

/// Builds a [`TcpListener`], see [`TcpListener::builder`].
///
/// # Examples
///
/// Two listeners that share a port, one for each of two threads:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::TcpListener;
///
/// let first = TcpListener::builder()
///     .reuse_port(true)
///     .backlog(64)
///     .bind("127.0.0.1:0".parse().unwrap())?;
/// let second = TcpListener::builder()
///     .reuse_port(true)
///     .bind(first.local_addr()?)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind` is called"]
pub struct TcpListenerBuilder {
    options: Options,
    backlog: Option<u32>,
    fast_open: Option<u32>,
}

impl TcpListenerBuilder {
    pub(crate) fn new() -> Self {
        let options = Options {
            reuse_address: true,
            ..Options::default()
        };
        Self {
            options,
            backlog: None,
            fast_open: None,
        }
    }

    /// Whether the port can be bound while connections of an earlier listener linger in
    /// `TIME_WAIT`; yes by default.
    #[doc(alias = "SO_REUSEADDR")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.options.reuse_address = reuse;
        self
    }

    /// Whether several listeners, all of them set so and of the same user, can share the port; no
    /// by default.
    ///
    /// # Platforms
    ///
    /// - Linux 3.9, Android, DragonFly: connections are spread over the listeners by a hash of the
    ///   addresses. What waits in the queue of one that is closed is lost.
    /// - FreeBSD 12: the same, by `SO_REUSEPORT_LB`.
    /// - macOS, NetBSD, OpenBSD: they share the port, but the system balances nothing: mostly the
    ///   last one gets all.
    /// - illumos, Solaris: [`bind`](Self::bind) is [`Unsupported`](io::ErrorKind::Unsupported).
    #[doc(alias = "SO_REUSEPORT")]
    #[doc(alias = "SO_REUSEPORT_LB")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// How many connections may wait to be accepted; as many as the system allows by default.
    ///
    /// The system cuts what exceeds its own limit (`/proc/sys/net/core/somaxconn` on Linux).
    #[doc(alias = "listen")]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = Some(connections);
        self
    }

    /// Whether a listener on an IPv6 address refuses IPv4; the system's default otherwise.
    ///
    /// `false` is *dual stack*: bound to `[::]` it takes both, and IPv4 peers have addresses
    /// such as `::ffff:192.0.2.1`. Given with an IPv4 address, [`bind`](Self::bind) is
    /// [`InvalidInput`](io::ErrorKind::InvalidInput).
    ///
    /// # Platforms
    ///
    /// OpenBSD has no dual stack.
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.options.only_v6 = Some(only_v6);
        self
    }

    /// Takes data that arrives with the first packet of a connection ([RFC 7413]); up to `pending`
    /// such connections may be under way.
    ///
    /// # Platforms
    ///
    /// Linux 3.7 and Android, where the system has to allow it for servers
    /// (`/proc/sys/net/ipv4/tcp_fastopen`, bit 2). [`bind`](Self::bind) is
    /// [`Unsupported`](io::ErrorKind::Unsupported) elsewhere.
    ///
    /// [RFC 7413]: https://www.rfc-editor.org/rfc/rfc7413
    #[doc(alias = "TCP_FASTOPEN")]
    pub fn fast_open(mut self, pending: u32) -> Self {
        self.fast_open = Some(pending);
        self
    }

    /// The size of the receive buffer in bytes, which accepted connections inherit.
    ///
    /// Linux doubles the number, for its own book-keeping, and cuts it at
    /// `/proc/sys/net/core/rmem_max`.
    #[doc(alias = "SO_RCVBUF")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes, which accepted connections inherit.
    ///
    /// Linux doubles the number, for its own book-keeping, and cuts it at
    /// `/proc/sys/net/core/wmem_max`.
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Opens the listener.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`], those of the options, and
    /// [`Unsupported`](io::ErrorKind::Unsupported) for options that the system does not have.
    /// Nothing stays open.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let domain = Domain::for_address(addr);
        let listener = self.options.open(domain, Type::STREAM, Protocol::TCP)?;
        listener.bind(&addr.into())?;
        if let Some(pending) = self.fast_open {
            socket::accept_fast_open(&listener, pending)?;
        }
        socket::listen(&listener, self.backlog)?;
        Ok(TcpListener::wrap(listener.into()))
    }
}

/// Builds a [`TcpStream`], see [`TcpStream::builder`].
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
    pub fn bind(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Whether the local address can be bound while earlier connections linger in `TIME_WAIT`; no
    /// by default.
    #[doc(alias = "SO_REUSEADDR")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.options.reuse_address = reuse;
        self
    }

    /// Whether several sockets can share the local port; no by default. See
    /// [`TcpListenerBuilder::reuse_port`].
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether small writes are sent at once, without waiting for what was sent before to be
    /// acknowledged (Nagle's algorithm, [RFC 896]); no by default.
    ///
    /// [RFC 896]: https://www.rfc-editor.org/rfc/rfc896
    #[doc(alias = "TCP_NODELAY")]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Probes the peer when the connection has been silent for `time`, counted in whole seconds;
    /// off by default.
    #[doc(alias = "SO_KEEPALIVE")]
    #[doc(alias = "TCP_KEEPIDLE")]
    pub fn keepalive(mut self, time: Duration) -> Self {
        self.keepalive.get_or_insert_with(Keepalive::default).time = Some(time);
        self
    }

    /// The time between two probes, counted in whole seconds; turns probing on.
    ///
    /// # Platforms
    ///
    /// [`connect`](Self::connect) is [`Unsupported`](io::ErrorKind::Unsupported) on OpenBSD and
    /// Solaris.
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
    /// [`connect`](Self::connect) is [`Unsupported`](io::ErrorKind::Unsupported) on OpenBSD and
    /// Solaris.
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
    /// A time other than zero can make closing wait, on some systems also for a socket that is
    /// non-blocking. Counted in whole seconds.
    #[doc(alias = "SO_LINGER")]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = Some(time);
        self
    }

    /// Sends what is written first together with the first packet of the connection ([RFC 7413]).
    ///
    /// The system then waits for the first write before it connects; until then the stream is
    /// writable, and [`connect_status`](TcpStream::connect_status) says that it is in progress.
    ///
    /// # Platforms
    ///
    /// Linux 4.11 and Android, where the system has to allow it for clients
    /// (`/proc/sys/net/ipv4/tcp_fastopen`, bit 1). [`connect`](Self::connect) is
    /// [`Unsupported`](io::ErrorKind::Unsupported) elsewhere.
    ///
    /// [RFC 7413]: https://www.rfc-editor.org/rfc/rfc7413
    #[doc(alias = "TCP_FASTOPEN_CONNECT")]
    pub fn fast_open(mut self, fast_open: bool) -> Self {
        self.fast_open = fast_open;
        self
    }

    /// The size of the receive buffer in bytes; see [`TcpListenerBuilder::receive_buffer_size`].
    #[doc(alias = "SO_RCVBUF")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes; see [`TcpListenerBuilder::send_buffer_size`].
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Starts to connect, and returns at once; see [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::connect`], those of the options, and
    /// [`Unsupported`](io::ErrorKind::Unsupported) for options that the system does not have.
    /// Nothing stays open.
    pub fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let domain = Domain::for_address(addr);
        let stream = self.options.open(domain, Type::STREAM, Protocol::TCP)?;
        if self.nodelay {
            stream.set_tcp_nodelay(true)?;
        }
        if let Some(keepalive) = &self.keepalive {
            socket::keepalive(
                &stream,
                keepalive.time,
                keepalive.interval,
                keepalive.retries,
            )?;
        }
        if self.linger.is_some() {
            stream.set_linger(self.linger)?;
        }
        if self.fast_open {
            socket::connect_fast_open(&stream)?;
        }
        if let Some(local) = self.local {
            stream.bind(&local.into())?;
        }
        socket::connect(&stream, &addr.into())?;
        Ok(TcpStream::wrap(stream.into()))
    }
}

/// Builds a [`UdpSocket`], see [`UdpSocket::builder`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::UdpSocket;
///
/// let socket = UdpSocket::builder()
///     .reuse_address(true)
///     .broadcast(true)
///     .bind("127.0.0.1:0".parse().unwrap())?;
/// assert!(socket.broadcast()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind` is called"]
pub struct UdpSocketBuilder {
    options: Options,
    broadcast: bool,
}

impl UdpSocketBuilder {
    pub(crate) fn new() -> Self {
        Self {
            options: Options::default(),
            broadcast: false,
        }
    }

    /// Whether several sockets, all of them set so, can be bound to the same address; no by
    /// default.
    ///
    /// For receivers of a multicast group, which all get every datagram. Of other datagrams one
    /// socket gets each, mostly the last.
    #[doc(alias = "SO_REUSEADDR")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.options.reuse_address = reuse;
        self
    }

    /// Whether several sockets, all of them set so and of the same user, can share the port; no by
    /// default.
    ///
    /// # Platforms
    ///
    /// Linux, Android, DragonFly and FreeBSD spread datagrams over the sockets by a hash of the
    /// addresses, so one peer's datagrams come to one socket; others balance nothing. See
    /// [`TcpListenerBuilder::reuse_port`].
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether a socket on an IPv6 address refuses IPv4; see [`TcpListenerBuilder::only_v6`].
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.options.only_v6 = Some(only_v6);
        self
    }

    /// Whether datagrams can be sent to broadcast addresses; no by default.
    #[doc(alias = "SO_BROADCAST")]
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// The size of the receive buffer in bytes; see [`TcpListenerBuilder::receive_buffer_size`].
    #[doc(alias = "SO_RCVBUF")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes; see [`TcpListenerBuilder::send_buffer_size`].
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::bind`], those of the options, and
    /// [`Unsupported`](io::ErrorKind::Unsupported) for options that the system does not have.
    /// Nothing stays open.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<UdpSocket> {
        let domain = Domain::for_address(addr);
        let socket = self.options.open(domain, Type::DGRAM, Protocol::UDP)?;
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        socket.bind(&addr.into())?;
        Ok(UdpSocket::wrap(socket.into()))
    }
}
