//! TCP connections.

use std::io::{self, IoSlice};
use std::net::{self, Shutdown, SocketAddr};

use crate::reactor::io_source::IoSource;
use crate::source::forward::{forward_read, forward_source, total};
use crate::source::net::tcp_stream_builder::TcpStreamBuilder;
use crate::source::net::{as_sockref, expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket;

/// A TCP connection, or an attempt to make one.
///
/// Reads and writes go through [`Read`](io::Read) and [`Write`](io::Write), on the stream or on a
/// shared reference to it. They never wait; [`WouldBlock`](io::ErrorKind::WouldBlock) means
/// that an event will tell when to try again.
///
/// Conversions: [`from_std`](TcpStream::from_std) for a stream that is non-blocking already,
/// `TryFrom<std::net::TcpStream>` for any, `Into<std::net::TcpStream>` for the way back, which
/// leaves it non-blocking.
///
/// # Examples
///
/// An attempt comes to its end at a writable event:
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::io::Write;
/// use wakeful::net::{ConnectStatus, TcpStream};
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut stream = TcpStream::connect(server.local_addr()?)?;
/// poll.registry().register(&mut stream, Token(0), Interest::WRITABLE)?;
///
/// // An error is why it failed: refused, unreachable, ...
/// while stream.connect_status()? == ConnectStatus::InProgress {
///     poll.poll(&mut events, None)?;
/// }
/// stream.write_all(b"hello")?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct TcpStream {
    inner: IoSource<net::TcpStream>,
}

/// Where an attempt to connect stands, see [`TcpStream::connect_status`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::{ConnectStatus, TcpStream};
///
/// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = server.local_addr()?;
/// let stream = TcpStream::connect(address)?;
/// match stream.connect_status()? {
///     ConnectStatus::Connected => println!("at once"),
///     ConnectStatus::InProgress => println!("wait for a writable event, and ask again"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConnectStatus {
    /// The connection is there.
    Connected,
    /// Neither connected nor failed yet; a writable event will tell.
    InProgress,
}

impl TcpStream {
    /// Starts to connect to `addr`, and returns at once.
    ///
    /// The stream is writable when the attempt has come to an end, good or bad:
    ///
    /// 1. register with [`Interest::WRITABLE`](crate::Interest::WRITABLE);
    /// 2. at its event ask [`connect_status`](TcpStream::connect_status). An error is the reason of
    ///    the failure ([`ConnectionRefused`](io::ErrorKind::ConnectionRefused), for example);
    ///    [`InProgress`](ConnectStatus::InProgress) means that the event was spurious: go on
    ///    waiting.
    ///
    /// Code that is shared with mio asks [`take_error`](TcpStream::take_error) and then
    /// [`peer_addr`](TcpStream::peer_addr) instead, which fails with
    /// [`NotConnected`](io::ErrorKind::NotConnected) after a spurious event.
    ///
    /// # Errors
    ///
    /// What the system knows before it has asked the network:
    ///
    /// - `ENETUNREACH`: there is no route.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): no local port is free, or the
    ///   address is none that one can connect to.
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    /// - `EAFNOSUPPORT`: the system has no IPv6.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(stream.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "EINPROGRESS")]
    pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
        Self::builder().connect(addr)
    }

    /// A stream with options: a local address, no delay, probes of a silent peer.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::builder().nodelay(true).connect(listener.local_addr()?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> TcpStreamBuilder {
        TcpStreamBuilder::new()
    }

    /// Where the attempt to connect stands: connected, in progress, or failed.
    ///
    /// Ask it at a writable event, or at any other time. An event may be spurious: the answer is
    /// then [`InProgress`](ConnectStatus::InProgress), and another event will come.
    ///
    /// Asking as often as you like does no harm. What it takes from the socket is the error of a
    /// failed attempt, as [`take_error`](TcpStream::take_error) does; from then on the answer is
    /// `NotConnected`, never "in progress".
    ///
    /// # Errors
    ///
    /// - The reason for which the attempt failed, once: [`ConnectionRefused`], [`TimedOut`],
    ///   `EHOSTUNREACH`, ... The reason for which a connection was lost also counts:
    ///   [`ConnectionReset`].
    /// - [`NotConnected`]: there is no connection and no attempt under way, and the reason was
    ///   fetched before, or there is none: the stream was never told to connect, or both sides
    ///   have closed it.
    ///
    /// # Platforms
    ///
    /// One getpeername(2) when connected. Otherwise also poll(2) without waiting, and SO_ERROR.
    ///
    /// A socket that was bound to an address but never told to connect, which only
    /// [`from_std`](TcpStream::from_std) can bring here, counts as in progress on the BSDs and
    /// macOS: they do not tell the two apart.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::{ConnectStatus, TcpStream};
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = server.local_addr()?;
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let mut stream = TcpStream::connect(address)?;
    /// poll.registry().register(&mut stream, Token(0), Interest::WRITABLE)?;
    ///
    /// while stream.connect_status()? == ConnectStatus::InProgress {
    ///     poll.poll(&mut events, None)?;
    /// }
    /// assert_eq!(stream.peer_addr()?, address);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    ///
    /// [`ConnectionRefused`]: io::ErrorKind::ConnectionRefused
    /// [`ConnectionReset`]: io::ErrorKind::ConnectionReset
    /// [`NotConnected`]: io::ErrorKind::NotConnected
    /// [`TimedOut`]: io::ErrorKind::TimedOut
    #[doc(alias = "SO_ERROR")]
    #[doc(alias = "getpeername")]
    #[doc(alias = "EINPROGRESS")]
    pub fn connect_status(&self) -> io::Result<ConnectStatus> {
        // A peer is known just when the connection is there.
        if self.inner.peer_addr().is_ok() {
            return Ok(ConnectStatus::Connected);
        }
        let attempt = socket::attempt(&*self.inner)?;
        // It may have come about in the meantime.
        if self.inner.peer_addr().is_ok() {
            return Ok(ConnectStatus::Connected);
        }
        match attempt {
            socket::Attempt::UnderWay if self.has_local_port()? => {
                self.await_writable();
                Ok(ConnectStatus::InProgress)
            }
            socket::Attempt::Deferred => Ok(ConnectStatus::InProgress),
            socket::Attempt::UnderWay | socket::Attempt::Over => {
                let reason = self.inner.take_error()?;
                Err(reason.unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
            }
        }
    }

    /// An attempt to connect always comes from a port. Not every system tells an attempt from a
    /// socket that has nothing to do.
    fn has_local_port(&self) -> io::Result<bool> {
        Ok(self.inner.local_addr()?.port() != 0)
    }

    /// The stream was found not writable: after a spurious event, emulated edges watch it again.
    fn await_writable(&self) {
        let blocked = |_: &net::TcpStream| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into());
        // It fails by intention.
        let _ = self.inner.write_with(blocked);
    }

    /// Wraps a stream that is non-blocking already.
    ///
    /// Nothing is set: a stream that blocks would stop the whole loop at the first read.
    /// `TcpStream::try_from` makes it non-blocking first. The stream may be connected or
    /// connecting.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the stream blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let addr = server.local_addr()?;
    /// let stream = std::net::TcpStream::connect(addr)?;
    /// stream.set_nonblocking(true)?;
    /// let stream = TcpStream::from_std(stream);
    ///
    /// // The same in one step.
    /// let stream = TcpStream::try_from(std::net::TcpStream::connect(addr)?)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_std(stream: net::TcpStream) -> TcpStream {
        expect_nonblocking(&stream);
        Self::wrap(stream)
    }

    pub(super) fn wrap(stream: net::TcpStream) -> Self {
        let inner = IoSource::new(stream);
        Self { inner }
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): not connected yet, or no more.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::TcpStream;
    ///
    /// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::try_from(std::net::TcpStream::connect(server.local_addr()?)?)?;
    /// assert_eq!(stream.peer_addr()?, server.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = wakeful::net::TcpStream::connect(server.local_addr()?)?;
    /// assert_ne!(stream.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
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
    /// use wakeful::net::TcpStream;
    ///
    /// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::try_from(std::net::TcpStream::connect(server.local_addr()?)?)?;
    /// stream.shutdown(Shutdown::Write)?;
    ///
    /// let (mut peer, _) = server.accept()?;
    /// assert_eq!(peer.read(&mut [0; 8])?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    /// Sends small pieces at once (`true`), or waits a moment to send them together (`false`,
    /// Nagle's algorithm, the default).
    ///
    /// # Errors
    ///
    /// Those of [setsockopt(2)](https://man7.org/linux/man-pages/man2/setsockopt.2.html).
    ///
    /// # Platforms
    ///
    /// Set it when the stream is connected: Windows refuses it before.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(server.local_addr()?)?;
    /// let stream = wakeful::net::TcpStream::try_from(stream)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }

    /// Whether small pieces are sent at once; see [`set_nodelay`](TcpStream::set_nodelay).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "TCP_NODELAY")]
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.nodelay()
    }

    /// Sets how many routers a packet may pass: the field `TTL` of IPv4.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): not in 1 to 255.
    ///
    /// # Platforms
    ///
    /// Set it when the stream is connected: Windows refuses it before.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(server.local_addr()?)?;
    /// let stream = wakeful::net::TcpStream::try_from(stream)?;
    /// stream.set_ttl(7)?;
    /// assert_eq!(stream.ttl()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_TTL")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// How many routers a packet may pass; see [`set_ttl`](TcpStream::set_ttl).
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
    /// This is how the failure of an attempt to [connect](TcpStream::connect) is told.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked; the pending error is the `Ok` value.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = wakeful::net::TcpStream::connect(server.local_addr()?)?;
    /// assert!(stream.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Reads without taking: the next read finds the same bytes again.
    ///
    /// # Errors
    ///
    /// Those of a read; [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing has arrived.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(server.local_addr()?)?;
    /// let stream = wakeful::net::TcpStream::try_from(stream)?;
    /// assert_eq!(stream.peek(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|stream| stream.peek(buf))
    }

    /// Runs an operation on the socket that this type does not have, [readv(2)] or [sendmsg(2)]
    /// on its raw descriptor for example.
    ///
    /// If `f` returns [`WouldBlock`](io::ErrorKind::WouldBlock), events for the socket go on as
    /// after any other operation that would block. So `f` must do its I/O on this socket, without
    /// blocking, and return that error only when the socket did.
    ///
    /// [readv(2)]: https://man7.org/linux/man-pages/man2/readv.2.html
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
    /// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(server.local_addr()?)?;
    /// let stream = wakeful::net::TcpStream::try_from(stream)?;
    /// let mut buf = [MaybeUninit::uninit(); 8];
    /// let outcome = stream.try_io(|| socket2::SockRef::from(&stream).recv(&mut buf));
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

// Not forwarded as it is: with fast open a write may be the first packet, see `socket::written`.
impl io::Write for &TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner
            .write_stream(buf.len(), |mut stream| socket::written(stream.write(buf)))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_stream(total(bufs), |mut stream| {
            socket::written(stream.write_vectored(bufs))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

forward_source!(TcpStream);
forward_read!(TcpStream);
std_conversions!(TcpStream, net::TcpStream);
conversions!(TcpStream, net::TcpStream);
as_sockref!(TcpStream);
