//! TCP listeners with options, which are set before the listener is bound: most have to be.

use std::io;
use std::net::SocketAddr;

use crate::source::net::options::{named, Options};
use crate::source::net::tcp_listener::TcpListener;
use crate::sys::socket::{self, Domain, Protocol, Type};

/// Builds a [`TcpListener`], see [`TcpListener::builder`].
///
/// A builder is a value: it can be kept, cloned, and used for many listeners. What it has no
/// method for, and need not be set before the listener is bound, is for
/// [`as_sockref`](TcpListener::as_sockref).
///
/// # Examples
///
/// Two listeners that share a port, one for each of two threads:
///
/// ```
/// # #[cfg(unix)]
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
/// # #[cfg(not(unix))]
/// # fn main() {}
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
    /// `TIME_WAIT`; yes by default, as in `std`.
    ///
    /// Two listeners at a time cannot share a port by this; see [`reuse_port`](Self::reuse_port).
    ///
    /// # Platforms
    ///
    /// Without effect on Windows, where it is always so; the option of that name is another there.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// // Fails for a while after an earlier listener on the same port.
    /// let listener = TcpListener::builder()
    ///     .reuse_address(false)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///   addresses. Those that wait in the queue of a listener when it is closed are reset (Linux
    ///   5.14 can move them, with `net.ipv4.tcp_migrate_req`).
    /// - FreeBSD 12: the same, by the option `SO_REUSEPORT_LB`, which is what is set there:
    ///   `SO_REUSEPORT` alone balances nothing.
    /// - macOS, NetBSD, OpenBSD: they share the port, but the system balances nothing: one gets
    ///   all, mostly the last.
    /// - illumos, Solaris, Windows: [`bind`](Self::bind) is [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// // One listener for each thread, so that no two threads wait for one queue.
    /// let builder = TcpListener::builder().reuse_port(true);
    /// let first = builder.bind("127.0.0.1:0".parse().unwrap())?;
    /// let second = builder.bind(first.local_addr()?)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    #[doc(alias = "SO_REUSEPORT_LB")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// How many connections may wait to be accepted; as many as the system allows by default.
    ///
    /// The system cuts what exceeds its own limit (`/proc/sys/net/core/somaxconn` on Linux), and
    /// may let a few more in. What becomes of a connection for which there is no room is the
    /// system's choice: Linux lets the client try again, until its attempt times out.
    ///
    /// # Examples
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
    /// OpenBSD has no dual stack: [`bind`](Self::bind) fails there if it is asked for. The default
    /// is dual stack on Linux (`/proc/sys/net/ipv6/bindv6only`), macOS and illumos, and IPv6 alone
    /// on FreeBSD and NetBSD.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// // Everybody, over IPv4 and IPv6.
    /// let listener = TcpListener::builder()
    ///     .only_v6(false)
    ///     .bind("[::]:8080".parse().unwrap())?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.options.only_v6 = Some(only_v6);
        self
    }

    /// Takes data that arrives with the first packet of a connection ([RFC 7413]); up to `pending`
    /// such connections may be under way. Off by default, and with 0.
    ///
    /// Data may arrive twice by this, when the network doubles the packet. For requests for which
    /// that does no harm.
    ///
    /// # Platforms
    ///
    /// Linux 3.7 and Android, where the system has to allow it for servers
    /// (`/proc/sys/net/ipv4/tcp_fastopen`, bit 1: the value 2 or 3); if it does not, connections
    /// are made as without. [`bind`](Self::bind) is [`Unsupported`](io::ErrorKind::Unsupported)
    /// elsewhere.
    ///
    /// [RFC 7413]: https://www.rfc-editor.org/rfc/rfc7413
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let address = "127.0.0.1:0".parse().unwrap();
    /// let fast = TcpListener::builder().fast_open(16).bind(address);
    /// // Without it, where the system has no such thing.
    /// let listener = fast.or_else(|_| TcpListener::bind(address))?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "TCP_FASTOPEN")]
    pub fn fast_open(mut self, pending: u32) -> Self {
        self.fast_open = Some(pending);
        self
    }

    /// The size of the receive buffer in bytes, which accepted connections inherit.
    ///
    /// Linux doubles the number, for its own book-keeping, and cuts it at
    /// `/proc/sys/net/core/rmem_max`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = TcpListener::builder()
    ///     .receive_buffer_size(32 * 1024)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// // A system may double it.
    /// assert!(listener.as_sockref().recv_buffer_size()? >= 32 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_RCVBUF")]
    pub fn receive_buffer_size(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// The size of the send buffer in bytes, which accepted connections inherit.
    ///
    /// Linux doubles the number, for its own book-keeping, and cuts it at
    /// `/proc/sys/net/core/wmem_max`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpListener;
    ///
    /// let listener = TcpListener::builder()
    ///     .send_buffer_size(32 * 1024)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// // A system may double it.
    /// assert!(listener.as_sockref().send_buffer_size()? >= 32 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_SNDBUF")]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Opens the listener.
    ///
    /// # Errors
    ///
    /// - Those of [`TcpListener::bind`].
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
    /// use wakeful::net::TcpListener;
    ///
    /// let builder = TcpListener::builder().backlog(16);
    /// let (first, second) = (builder.bind("127.0.0.1:0".parse().unwrap())?, builder.bind("127.0.0.1:0".parse().unwrap())?);
    /// assert_ne!(first.local_addr()?, second.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let domain = Domain::for_address(addr);
        let listener = self.options.open(domain, Type::STREAM, Protocol::TCP)?;
        listener.bind(&addr.into())?;
        if let Some(pending) = self.fast_open {
            named("TCP_FASTOPEN", socket::accept_fast_open(&listener, pending))?;
        }
        socket::listen(&listener, self.backlog)?;
        Ok(TcpListener::wrap(listener.into()))
    }
}
