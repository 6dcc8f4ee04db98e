//! UDP sockets.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::reactor::io_source::IoSource;
use crate::source::forward::forward_source;
use crate::source::net::udp_builder::UdpSocketBuilder;
use crate::source::net::{as_sockref, expect_nonblocking, std_conversions};
use crate::sys::conversions;
use crate::sys::socket::{self, SockRef};

/// A UDP socket.
///
/// One call sends or receives one datagram, whole; what does not fit into the buffer of a receiver is
/// lost. After an event, go on until [`WouldBlock`](io::ErrorKind::WouldBlock).
///
/// Conversions: [`from_std`](UdpSocket::from_std) for a socket that is non-blocking already,
/// `TryFrom<std::net::UdpSocket>` for any, `Into<std::net::UdpSocket>` for the way back, which
/// leaves it non-blocking.
///
/// # Platforms
///
/// Windows, left alone, makes an error of a *receive* when an earlier datagram found nobody
/// (`WSAECONNRESET`), or came too far (`WSAENETRESET`): one peer that has gone would end the receive loop for
/// all others. So both are turned off (`SIO_UDP_CONNRESET`, `SIO_UDP_NETRESET`) on the sockets that are
/// opened here, and by `TryFrom` on those of `std`; `from_std` leaves a socket as it is. [`connect`](UdpSocket::connect) turns
/// the first one on again: that the one peer is not there is an error, as elsewhere. And a datagram that does not fit into
/// the buffer, which other systems cut, is the error `WSAEMSGSIZE` (10040) there; the buffer is filled.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::net::UdpSocket;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut server = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
/// poll.registry().register(&mut server, Token(0), Interest::READABLE)?;
///
/// let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", server.local_addr()?)?;
///
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 1500];
/// let (len, sender) = server.recv_from(&mut buf)?;
/// assert_eq!((&buf[..len], sender), (&b"hello"[..], client.local_addr()?));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
pub struct UdpSocket {
    inner: IoSource<net::UdpSocket>,
}

impl UdpSocket {
    /// Opens a socket that is bound to `addr`.
    ///
    /// Port 0 lets the system choose one; [`local_addr`](UdpSocket::local_addr) tells which.
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): another socket is bound there.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): no interface has that address.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): the port is privileged.
    /// - `EMFILE`, `ENFILE`: too many open files, in the process or in the system.
    /// - `EAFNOSUPPORT`: the system has no IPv6.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
        Self::builder().bind(addr)
    }

    /// A socket with options: a shared port, broadcast, buffer sizes.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = UdpSocket::builder()
    ///     .receive_buffer_size(1 << 20)
    ///     .bind("127.0.0.1:0".parse().unwrap())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> UdpSocketBuilder {
        UdpSocketBuilder::new()
    }

    /// Wraps a socket that is non-blocking already.
    ///
    /// Nothing is set: a socket that blocks would stop the whole loop at the first
    /// [`recv`](UdpSocket::recv). `UdpSocket::try_from` makes it non-blocking first.
    ///
    /// # Platforms
    ///
    /// On Windows a receive may be the error of an earlier datagram that found nobody (`WSAECONNRESET`), unless that
    /// was turned off; `try_from` does that, too, if the socket is not connected.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the socket blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::net::UdpSocket;
    ///
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let socket = UdpSocket::from_std(socket);
    ///
    /// // The same in one step.
    /// let socket = UdpSocket::try_from(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_std(socket: net::UdpSocket) -> UdpSocket {
        expect_nonblocking(&socket);
        Self::wrap(socket)
    }

    pub(super) fn wrap(socket: net::UdpSocket) -> Self {
        let inner = IoSource::new(socket);
        Self { inner }
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
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(socket.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The address that the socket was [connected](UdpSocket::connect) to.
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
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Sends one datagram to `target`, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): the send buffer is full; an event tells when
    ///   to try again.
    /// - `EMSGSIZE`: more than fits into one datagram.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): on a connected socket, an
    ///   earlier datagram found nobody. Not on Windows.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): a broadcast address without
    ///   [`set_broadcast`](UdpSocket::set_broadcast).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let receiver = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(socket.send_to(b"hello", receiver.local_addr()?)?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sendto")]
    pub fn send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.inner.write_with(|socket| socket.send_to(buf, target))
    }

    /// Receives one datagram: its length, and who sent it.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): none has arrived.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): on a connected socket, an
    ///   earlier datagram found nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// let outcome = socket.recv_from(&mut [0; 1500]);
    /// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.read_with(|socket| socket.recv_from(buf))
    }

    /// Like [`recv_from`](UdpSocket::recv_from), but the datagram stays to be received again.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](UdpSocket::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// let outcome = socket.peek_from(&mut [0; 1500]);
    /// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.read_with(|socket| socket.peek_from(buf))
    }

    /// Sends one datagram to the address that the socket was [connected](UdpSocket::connect) to.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](UdpSocket::send_to), and `EDESTADDRREQ` if the socket is not connected.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let receiver = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// socket.connect(receiver.local_addr()?)?;
    /// assert_eq!(socket.send(b"hello")?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write_with(|socket| socket.send(buf))
    }

    /// Receives one datagram, and returns its length.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](UdpSocket::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(socket.recv(&mut [0; 1500]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|socket| socket.recv(buf))
    }

    /// Like [`recv`](UdpSocket::recv), but the datagram stays to be received again.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](UdpSocket::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(socket.peek(&mut [0; 1500]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|socket| socket.peek(buf))
    }

    /// Fixes the other side: [`send`](UdpSocket::send) sends to `addr`, and datagrams from
    /// elsewhere are no longer received. Asks nobody, so it returns at once.
    ///
    /// # Errors
    ///
    /// - `ENETUNREACH`: there is no route.
    /// - `EAFNOSUPPORT`: `addr` is IPv6 and the socket IPv4.
    ///
    /// If nobody is there the next receive may say so, once a datagram was sent:
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), on Windows
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let receiver = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// socket.connect(receiver.local_addr()?)?;
    /// assert_eq!(socket.peer_addr()?, receiver.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self, addr: SocketAddr) -> io::Result<()> {
        self.inner.connect(addr)?;
        socket::heed_lost_datagrams(&*self.inner);
        Ok(())
    }

    /// Allows to send to a broadcast address. Off in a new socket.
    ///
    /// # Errors
    ///
    /// Those of [setsockopt(2)](https://man7.org/linux/man-pages/man2/setsockopt.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(!socket.broadcast()?);
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_BROADCAST")]
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.set_broadcast(on)
    }

    /// Whether broadcasts may be sent; see [`set_broadcast`](UdpSocket::set_broadcast).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "SO_BROADCAST")]
    pub fn broadcast(&self) -> io::Result<bool> {
        self.inner.broadcast()
    }

    /// Whether what is sent to an IPv4 group comes back to members on this machine. On in a new
    /// socket.
    ///
    /// # Errors
    ///
    /// Those of [setsockopt(2)](https://man7.org/linux/man-pages/man2/setsockopt.2.html).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert!(!socket.multicast_loop_v4()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.inner.set_multicast_loop_v4(on)
    }

    /// See [`set_multicast_loop_v4`](UdpSocket::set_multicast_loop_v4).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "IP_MULTICAST_LOOP")]
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.inner.multicast_loop_v4()
    }

    /// Sets how many routers a datagram to an IPv4 group may pass. 1 in a new socket: it stays in
    /// the local network.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): more than 255.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 1);
    /// socket.set_multicast_ttl_v4(7)?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_MULTICAST_TTL")]
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_multicast_ttl_v4(ttl)
    }

    /// See [`set_multicast_ttl_v4`](UdpSocket::set_multicast_ttl_v4).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "IP_MULTICAST_TTL")]
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.inner.multicast_ttl_v4()
    }

    /// Whether what is sent to an IPv6 group comes back to members on this machine. On in a new
    /// socket.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT` and the like, if the socket is not an IPv6 one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("[::1]:0".parse().unwrap())?;
    /// socket.set_multicast_loop_v6(false)?;
    /// assert!(!socket.multicast_loop_v6()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.inner.set_multicast_loop_v6(on)
    }

    /// See [`set_multicast_loop_v6`](UdpSocket::set_multicast_loop_v6).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.inner.multicast_loop_v6()
    }

    /// Sets how many routers a datagram may pass: the field `TTL` of IPv4.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): not in 1 to 255.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// socket.set_ttl(7)?;
    /// assert_eq!(socket.ttl()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_TTL")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// How many routers a datagram may pass; see [`set_ttl`](UdpSocket::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of [getsockopt(2)](https://man7.org/linux/man-pages/man2/getsockopt.2.html).
    #[doc(alias = "IP_TTL")]
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Joins an IPv4 group, on the interface that has the address `interface`, or on one that the
    /// system chooses ([`Ipv4Addr::UNSPECIFIED`]).
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): not the address of a group.
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): joined already.
    /// - `ENODEV`: no such interface, or none that does multicast.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// use std::net::Ipv4Addr;
    ///
    /// let socket = wakeful::net::UdpSocket::bind("0.0.0.0:5353".parse().unwrap())?;
    /// let mdns = Ipv4Addr::new(224, 0, 0, 251);
    /// socket.join_multicast_v4(&mdns, &Ipv4Addr::UNSPECIFIED)?;
    /// socket.leave_multicast_v4(&mdns, &Ipv4Addr::UNSPECIFIED)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    #[allow(clippy::trivially_copy_pass_by_ref)] // mio's signature
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.join_multicast_v4(multiaddr, interface)
    }

    /// Joins an IPv6 group, on the interface with the index `interface`, or on one that the
    /// system chooses (0).
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): not the address of a group.
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): joined already.
    /// - `ENODEV`: no such interface, or none that does multicast.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("[::]:5353".parse().unwrap())?;
    /// let mdns = "ff02::fb".parse().unwrap();
    /// socket.join_multicast_v6(&mdns, 0)?;
    /// socket.leave_multicast_v6(&mdns, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.join_multicast_v6(multiaddr, interface)
    }

    /// Leaves an IPv4 group; the arguments are those with which it was
    /// [joined](UdpSocket::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): not a member.
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    #[allow(clippy::trivially_copy_pass_by_ref)] // mio's signature
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.leave_multicast_v4(multiaddr, interface)
    }

    /// Leaves an IPv6 group; the arguments are those with which it was
    /// [joined](UdpSocket::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable): not a member.
    #[doc(alias = "IPV6_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.leave_multicast_v6(multiaddr, interface)
    }

    /// Whether an IPv6 socket is for IPv6 alone, or also exchanges datagrams with IPv4 hosts.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT` and the like, if the socket is not an IPv6 one.
    ///
    /// # Platforms
    ///
    /// What a new socket is depends on the system: on Linux on
    /// `/proc/sys/net/ipv6/bindv6only`; on Windows and OpenBSD it is for IPv6 alone.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let socket = wakeful::net::UdpSocket::bind("[::]:0".parse().unwrap())?;
    /// println!("IPv6 alone: {}", socket.only_v6()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(&self) -> io::Result<bool> {
        SockRef::from(&*self.inner).only_v6()
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
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// assert!(socket.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Runs an operation on the socket that this type does not have, [sendmmsg(2)] on its raw
    /// descriptor for example.
    ///
    /// If `f` returns [`WouldBlock`](io::ErrorKind::WouldBlock), events for the socket go on as
    /// after any other operation that would block. So `f` must do its I/O on this socket, without
    /// blocking, and return that error only when the socket did.
    ///
    /// [sendmmsg(2)]: https://man7.org/linux/man-pages/man2/sendmmsg.2.html
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
    /// let socket = wakeful::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
    /// let mut buf = [MaybeUninit::uninit(); 1500];
    /// let outcome = socket.try_io(|| socket2::SockRef::from(&socket).recv_from(&mut buf));
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

forward_source!(UdpSocket);
std_conversions!(UdpSocket, net::UdpSocket, socket::ignore_lost_datagrams);
conversions!(UdpSocket, net::UdpSocket);
as_sockref!(UdpSocket);
