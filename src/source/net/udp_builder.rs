//! UDP sockets with options, which are set before the socket is bound: most have to be.

use std::io;
use std::net::SocketAddr;

use crate::source::net::options::{named, Options};
use crate::source::net::udp::UdpSocket;
use crate::sys::socket::{Domain, Protocol, Type};

/// Builds a [`UdpSocket`], see [`UdpSocket::builder`].
///
/// A builder is a value: it can be kept, cloned, and used for many sockets. What it has no method
/// for, and need not be set before the socket is bound, is for
/// [`as_sockref`](UdpSocket::as_sockref).
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
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let builder = UdpSocket::builder().reuse_address(true);
    /// let first = builder.bind("127.0.0.1:0".parse().unwrap())?;
    /// let second = builder.bind(first.local_addr()?)?;
    /// assert_eq!(first.local_addr()?, second.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
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
    /// [`TcpListenerBuilder::reuse_port`](crate::net::TcpListenerBuilder::reuse_port).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let builder = UdpSocket::builder().reuse_port(true);
    /// let first = builder.bind("127.0.0.1:0".parse().unwrap())?;
    /// let second = builder.bind(first.local_addr()?)?;
    /// assert_eq!(first.local_addr()?, second.local_addr()?);
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

    /// Whether a socket on an IPv6 address refuses IPv4; see [`TcpListenerBuilder::only_v6`](crate::net::TcpListenerBuilder::only_v6).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// // Datagrams over IPv4 and IPv6.
    /// let socket = UdpSocket::builder()
    ///     .only_v6(false)
    ///     .bind("[::]:7777".parse().unwrap())?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.options.only_v6 = Some(only_v6);
        self
    }

    /// Whether datagrams can be sent to broadcast addresses; no by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = UdpSocket::builder().broadcast(true).bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(socket.broadcast()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_BROADCAST")]
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// The size of the receive buffer in bytes; see [`TcpListenerBuilder::receive_buffer_size`](crate::net::TcpListenerBuilder::receive_buffer_size).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = UdpSocket::builder()
    ///     .receive_buffer_size(32 * 1024)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// // A system may double it.
    /// assert!(socket.as_sockref().recv_buffer_size()? >= 32 * 1024);
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
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = UdpSocket::builder()
    ///     .send_buffer_size(32 * 1024)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// // A system may double it.
    /// assert!(socket.as_sockref().send_buffer_size()? >= 32 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// - Those of [`UdpSocket::bind`].
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the system does not have one of the options.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput), and others: an option was refused. The
    ///   message names it, and the [source](std::error::Error::source) of the error is what the
    ///   system said.
    ///
    /// Nothing stays open.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let builder = UdpSocket::builder().send_buffer_size(64 * 1024);
    /// let (first, second) = (builder.bind("127.0.0.1:0".parse().unwrap())?, builder.bind("127.0.0.1:0".parse().unwrap())?);
    /// assert_ne!(first.local_addr()?, second.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self, addr: SocketAddr) -> io::Result<UdpSocket> {
        let domain = Domain::for_address(addr);
        let socket = self.options.open(domain, Type::DGRAM, Protocol::UDP)?;
        if self.broadcast {
            named("SO_BROADCAST", socket.set_broadcast(true))?;
        }
        socket.bind(&addr.into())?;
        Ok(UdpSocket::wrap(socket.into()))
    }
}
