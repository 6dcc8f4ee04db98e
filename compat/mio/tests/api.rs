//! Every public item of mio 1.2.5 on Linux, used with its full type.
//!
//! The compiler is the judge: a missing item, another signature, a lost derive or auto trait does not build.
//! The file names nothing that mio lacks, so the very same text builds against the `mio` of crates.io, which is
//! how to check it: put it into the `tests/` of an empty crate that depends on `mio = "=1.2.5"` with all features.
//! What the items *do* is the business of the library's own tests and of the oracle.

#![cfg(unix)]

use std::fmt::Debug;
use std::hash::Hash;
use std::io::{self, Read, Write};
use std::net::{self as std_net, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as std_unix;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::Duration;

use mio::event::{self, Event, Iter, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use mio::unix::{pipe, SourceFd};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

// Documentation modules: it is enough that the paths exist.
#[allow(unused_imports)]
use mio::{features, guide};

type Work = fn() -> io::Result<u8>;

/// The auto traits that a caller may lean on, and `Debug`.
fn is_ordinary<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
fn is_source<T: Source + ?Sized>() {}
fn is_clone<T: Clone>() {}
fn is_copy<T: Copy>() {}
fn is_ordered<T: Ord + PartialOrd + Eq + PartialEq>() {}
fn is_hash<T: Hash>() {}
fn is_read<T: Read>() {}
fn is_write<T: Write>() {}
fn converts<From, To: std::convert::From<From>>() {}

/// The traits that every source with a descriptor of its own has.
fn owns_a_descriptor<T>()
where
    T: AsFd + AsRawFd + FromRawFd + IntoRawFd + From<OwnedFd>,
    OwnedFd: From<T>,
{
    is_same::<fn(&T) -> RawFd>(T::as_raw_fd);
    is_same::<unsafe fn(RawFd) -> T>(T::from_raw_fd);
    is_same::<fn(T) -> RawFd>(T::into_raw_fd);
}

/// `item` has just this type.
fn is_same<T>(_item: T) {}

#[test]
fn token_is_a_public_usize() {
    const SERVER: Token = Token(usize::MAX);
    let Token(number) = SERVER;
    assert_eq!(number, usize::from(SERVER));
    // Constants work as patterns, as in every event loop.
    assert!(matches!(Token(usize::MAX), SERVER));

    is_ordinary::<Token>();
    is_copy::<Token>();
    is_clone::<Token>();
    is_ordered::<Token>();
    is_hash::<Token>();
    converts::<Token, usize>();
    is_same::<fn(usize) -> Token>(Token);
}

#[test]
fn interest_is_a_set_of_constants() {
    const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
    const READABLE: Interest = Interest::READABLE;
    const IS: [bool; 5] = [
        BOTH.is_readable(),
        BOTH.is_writable(),
        BOTH.is_aio(),
        BOTH.is_lio(),
        BOTH.is_priority(),
    ];
    assert_eq!(IS, [true, true, false, false, false]);
    assert!(matches!(Interest::READABLE, READABLE));

    #[cfg(any(target_os = "linux", target_os = "android"))]
    is_same::<Interest>(Interest::PRIORITY);
    is_same::<fn(Interest, Interest) -> Interest>(Interest::add);
    is_same::<fn(Interest, Interest) -> Option<Interest>>(Interest::remove);
    is_same::<fn(Interest) -> bool>(Interest::is_readable);
    is_same::<fn(Interest) -> bool>(Interest::is_writable);
    is_same::<fn(Interest) -> bool>(Interest::is_aio);
    is_same::<fn(Interest) -> bool>(Interest::is_lio);
    is_same::<fn(Interest) -> bool>(Interest::is_priority);

    is_ordinary::<Interest>();
    is_copy::<Interest>();
    is_clone::<Interest>();
    is_ordered::<Interest>();
    is_same::<fn(Interest, Interest) -> Interest>(<Interest as BitOr>::bitor);
    is_same::<fn(&mut Interest, Interest)>(<Interest as BitOrAssign>::bitor_assign);
}

#[test]
fn event_answers_by_flag() {
    is_ordinary::<Event>();
    is_clone::<Event>();
    is_same::<fn(&Event) -> Token>(Event::token);
    is_same::<fn(&Event) -> bool>(Event::is_readable);
    is_same::<fn(&Event) -> bool>(Event::is_writable);
    is_same::<fn(&Event) -> bool>(Event::is_error);
    is_same::<fn(&Event) -> bool>(Event::is_read_closed);
    is_same::<fn(&Event) -> bool>(Event::is_write_closed);
    is_same::<fn(&Event) -> bool>(Event::is_priority);
    is_same::<fn(&Event) -> bool>(Event::is_aio);
    is_same::<fn(&Event) -> bool>(Event::is_lio);
}

#[test]
fn events_iterate_over_borrowed_events() {
    // One type under two paths.
    is_same::<fn(usize) -> event::Events>(Events::with_capacity);
    is_same::<fn(usize) -> Events>(event::Events::with_capacity);
    is_same::<fn(&Events) -> usize>(Events::capacity);
    is_same::<fn(&Events) -> bool>(Events::is_empty);
    is_same::<for<'a> fn(&'a Events) -> Iter<'a>>(Events::iter);
    is_same::<fn(&mut Events)>(Events::clear);
    is_ordinary::<Events>();

    fn borrows<'a>()
    where
        &'a Events: IntoIterator<Item = &'a Event, IntoIter = Iter<'a>>,
        Iter<'a>: Iterator<Item = &'a Event> + Clone,
    {
        is_ordinary::<Iter<'a>>();
        is_same::<fn(Iter<'a>) -> usize>(Iter::<'a>::count);
        is_same::<fn(&Iter<'a>) -> (usize, Option<usize>)>(Iter::<'a>::size_hint);
    }
    borrows();
    // An iterator outlives the reference it was made through, not the events.
    fn outlives<'a>(events: &&'a Events) -> Iter<'a> {
        events.iter()
    }
    is_same::<for<'a, 'b> fn(&'b &'a Events) -> Iter<'a>>(outlives);
}

#[test]
fn poll_waits_and_lends_its_registry() {
    is_same::<fn() -> io::Result<Poll>>(Poll::new);
    is_same::<for<'a> fn(&'a Poll) -> &'a Registry>(Poll::registry);
    is_same::<fn(&mut Poll, &mut Events, Option<Duration>) -> io::Result<()>>(Poll::poll);
    is_ordinary::<Poll>();
    is_same::<fn(&Poll) -> RawFd>(<Poll as AsRawFd>::as_raw_fd);
}

#[test]
fn registry_takes_any_source() {
    fn takes<S: Source + ?Sized>() {
        type Result = io::Result<()>;
        is_same::<fn(&Registry, &mut S, Token, Interest) -> Result>(Registry::register::<S>);
        is_same::<fn(&Registry, &mut S, Token, Interest) -> Result>(Registry::reregister::<S>);
        is_same::<fn(&Registry, &mut S) -> Result>(Registry::deregister::<S>);
    }
    takes::<TcpStream>();
    takes::<dyn Source>();
    is_same::<fn(&Registry) -> io::Result<Registry>>(Registry::try_clone);
    is_ordinary::<Registry>();
    is_same::<fn(&Registry) -> RawFd>(<Registry as AsRawFd>::as_raw_fd);
    fn lends<T: AsFd>() {}
    lends::<Registry>();
}

#[test]
fn waker_is_made_from_a_registry() {
    is_same::<fn(&Registry, Token) -> io::Result<Waker>>(Waker::new);
    is_same::<fn(&Waker) -> io::Result<()>>(Waker::wake);
    is_ordinary::<Waker>();
}

/// A source as other crates write them: just the three methods.
struct Foreign(UnixStream);

impl Source for Foreign {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.0.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        registry.reregister(&mut self.0, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        Source::deregister(&mut self.0, registry)
    }
}

#[test]
fn source_is_implemented_by_three_methods_and_works_boxed() {
    is_source::<Foreign>();
    is_source::<dyn Source>();
    is_source::<Box<Foreign>>();
    is_source::<Box<dyn Source>>();
    is_source::<Box<dyn Source + Send + Sync>>();
    is_source::<Box<Box<TcpListener>>>();
}

#[test]
fn tcp_listener_has_every_method() {
    is_same::<fn(SocketAddr) -> io::Result<TcpListener>>(TcpListener::bind);
    is_same::<fn(std_net::TcpListener) -> TcpListener>(TcpListener::from_std);
    is_same::<fn(&TcpListener) -> io::Result<(TcpStream, SocketAddr)>>(TcpListener::accept);
    is_same::<fn(&TcpListener) -> io::Result<SocketAddr>>(TcpListener::local_addr);
    is_same::<fn(&TcpListener, u32) -> io::Result<()>>(TcpListener::set_ttl);
    is_same::<fn(&TcpListener) -> io::Result<u32>>(TcpListener::ttl);
    is_same::<fn(&TcpListener) -> io::Result<Option<io::Error>>>(TcpListener::take_error);

    is_ordinary::<TcpListener>();
    is_source::<TcpListener>();
    owns_a_descriptor::<TcpListener>();
    converts::<TcpListener, std_net::TcpListener>();
}

#[test]
fn tcp_stream_has_every_method() {
    is_same::<fn(SocketAddr) -> io::Result<TcpStream>>(TcpStream::connect);
    is_same::<fn(std_net::TcpStream) -> TcpStream>(TcpStream::from_std);
    is_same::<fn(&TcpStream) -> io::Result<SocketAddr>>(TcpStream::local_addr);
    is_same::<fn(&TcpStream) -> io::Result<SocketAddr>>(TcpStream::peer_addr);
    is_same::<fn(&TcpStream) -> io::Result<bool>>(TcpStream::nodelay);
    is_same::<fn(&TcpStream, bool) -> io::Result<()>>(TcpStream::set_nodelay);
    is_same::<fn(&TcpStream) -> io::Result<u32>>(TcpStream::ttl);
    is_same::<fn(&TcpStream, u32) -> io::Result<()>>(TcpStream::set_ttl);
    is_same::<fn(&TcpStream, &mut [u8]) -> io::Result<usize>>(TcpStream::peek);
    is_same::<fn(&TcpStream, Shutdown) -> io::Result<()>>(TcpStream::shutdown);
    is_same::<fn(&TcpStream) -> io::Result<Option<io::Error>>>(TcpStream::take_error);
    is_same::<fn(&TcpStream, Work) -> io::Result<u8>>(TcpStream::try_io::<Work, u8>);

    is_ordinary::<TcpStream>();
    is_source::<TcpStream>();
    owns_a_descriptor::<TcpStream>();
    converts::<TcpStream, std_net::TcpStream>();
    is_read::<TcpStream>();
    is_read::<&TcpStream>();
    is_write::<TcpStream>();
    is_write::<&TcpStream>();
}

#[test]
fn udp_socket_has_every_method() {
    is_same::<fn(SocketAddr) -> io::Result<UdpSocket>>(UdpSocket::bind);
    is_same::<fn(std_net::UdpSocket) -> UdpSocket>(UdpSocket::from_std);
    is_same::<fn(&UdpSocket, SocketAddr) -> io::Result<()>>(UdpSocket::connect);
    is_same::<fn(&UdpSocket) -> io::Result<SocketAddr>>(UdpSocket::local_addr);
    is_same::<fn(&UdpSocket) -> io::Result<SocketAddr>>(UdpSocket::peer_addr);
    is_same::<fn(&UdpSocket, &[u8]) -> io::Result<usize>>(UdpSocket::send);
    is_same::<fn(&UdpSocket, &[u8], SocketAddr) -> io::Result<usize>>(UdpSocket::send_to);
    is_same::<fn(&UdpSocket, &mut [u8]) -> io::Result<usize>>(UdpSocket::recv);
    is_same::<fn(&UdpSocket, &mut [u8]) -> io::Result<usize>>(UdpSocket::peek);
    type From = io::Result<(usize, SocketAddr)>;
    is_same::<fn(&UdpSocket, &mut [u8]) -> From>(UdpSocket::recv_from);
    is_same::<fn(&UdpSocket, &mut [u8]) -> From>(UdpSocket::peek_from);
    is_same::<fn(&UdpSocket) -> io::Result<bool>>(UdpSocket::broadcast);
    is_same::<fn(&UdpSocket, bool) -> io::Result<()>>(UdpSocket::set_broadcast);
    type Group4 = fn(&UdpSocket, &Ipv4Addr, &Ipv4Addr) -> io::Result<()>;
    is_same::<Group4>(UdpSocket::join_multicast_v4);
    is_same::<Group4>(UdpSocket::leave_multicast_v4);
    type Group6 = fn(&UdpSocket, &Ipv6Addr, u32) -> io::Result<()>;
    is_same::<Group6>(UdpSocket::join_multicast_v6);
    is_same::<Group6>(UdpSocket::leave_multicast_v6);
    is_same::<fn(&UdpSocket) -> io::Result<bool>>(UdpSocket::multicast_loop_v4);
    is_same::<fn(&UdpSocket, bool) -> io::Result<()>>(UdpSocket::set_multicast_loop_v4);
    is_same::<fn(&UdpSocket) -> io::Result<bool>>(UdpSocket::multicast_loop_v6);
    is_same::<fn(&UdpSocket, bool) -> io::Result<()>>(UdpSocket::set_multicast_loop_v6);
    is_same::<fn(&UdpSocket) -> io::Result<u32>>(UdpSocket::multicast_ttl_v4);
    is_same::<fn(&UdpSocket, u32) -> io::Result<()>>(UdpSocket::set_multicast_ttl_v4);
    is_same::<fn(&UdpSocket) -> io::Result<bool>>(UdpSocket::only_v6);
    is_same::<fn(&UdpSocket) -> io::Result<u32>>(UdpSocket::ttl);
    is_same::<fn(&UdpSocket, u32) -> io::Result<()>>(UdpSocket::set_ttl);
    is_same::<fn(&UdpSocket) -> io::Result<Option<io::Error>>>(UdpSocket::take_error);
    is_same::<fn(&UdpSocket, Work) -> io::Result<u8>>(UdpSocket::try_io::<Work, u8>);

    is_ordinary::<UdpSocket>();
    is_source::<UdpSocket>();
    owns_a_descriptor::<UdpSocket>();
    converts::<UdpSocket, std_net::UdpSocket>();
}

#[test]
fn unix_listener_has_every_method() {
    type Accepted = io::Result<(UnixStream, std_unix::SocketAddr)>;
    is_same::<fn(PathBuf) -> io::Result<UnixListener>>(UnixListener::bind::<PathBuf>);
    is_same::<fn(&std_unix::SocketAddr) -> io::Result<UnixListener>>(UnixListener::bind_addr);
    is_same::<fn(std_unix::UnixListener) -> UnixListener>(UnixListener::from_std);
    is_same::<fn(&UnixListener) -> Accepted>(UnixListener::accept);
    is_same::<fn(&UnixListener) -> io::Result<std_unix::SocketAddr>>(UnixListener::local_addr);
    is_same::<fn(&UnixListener) -> io::Result<Option<io::Error>>>(UnixListener::take_error);

    is_ordinary::<UnixListener>();
    is_source::<UnixListener>();
    owns_a_descriptor::<UnixListener>();
    converts::<UnixListener, std_unix::UnixListener>();
}

#[test]
fn unix_stream_has_every_method() {
    is_same::<fn(PathBuf) -> io::Result<UnixStream>>(UnixStream::connect::<PathBuf>);
    is_same::<fn(&std_unix::SocketAddr) -> io::Result<UnixStream>>(UnixStream::connect_addr);
    is_same::<fn(std_unix::UnixStream) -> UnixStream>(UnixStream::from_std);
    is_same::<fn() -> io::Result<(UnixStream, UnixStream)>>(UnixStream::pair);
    is_same::<fn(&UnixStream) -> io::Result<std_unix::SocketAddr>>(UnixStream::local_addr);
    is_same::<fn(&UnixStream) -> io::Result<std_unix::SocketAddr>>(UnixStream::peer_addr);
    is_same::<fn(&UnixStream, Shutdown) -> io::Result<()>>(UnixStream::shutdown);
    is_same::<fn(&UnixStream) -> io::Result<Option<io::Error>>>(UnixStream::take_error);
    is_same::<fn(&UnixStream, Work) -> io::Result<u8>>(UnixStream::try_io::<Work, u8>);

    is_ordinary::<UnixStream>();
    is_source::<UnixStream>();
    owns_a_descriptor::<UnixStream>();
    converts::<UnixStream, std_unix::UnixStream>();
    is_read::<UnixStream>();
    is_read::<&UnixStream>();
    is_write::<UnixStream>();
    is_write::<&UnixStream>();
}

#[test]
fn unix_datagram_has_every_method() {
    type From = io::Result<(usize, std_unix::SocketAddr)>;
    is_same::<fn(PathBuf) -> io::Result<UnixDatagram>>(UnixDatagram::bind::<PathBuf>);
    is_same::<fn(&std_unix::SocketAddr) -> io::Result<UnixDatagram>>(UnixDatagram::bind_addr);
    is_same::<fn(std_unix::UnixDatagram) -> UnixDatagram>(UnixDatagram::from_std);
    is_same::<fn() -> io::Result<UnixDatagram>>(UnixDatagram::unbound);
    is_same::<fn() -> io::Result<(UnixDatagram, UnixDatagram)>>(UnixDatagram::pair);
    is_same::<fn(&UnixDatagram, PathBuf) -> io::Result<()>>(UnixDatagram::connect::<PathBuf>);
    is_same::<fn(&UnixDatagram) -> io::Result<std_unix::SocketAddr>>(UnixDatagram::local_addr);
    is_same::<fn(&UnixDatagram) -> io::Result<std_unix::SocketAddr>>(UnixDatagram::peer_addr);
    is_same::<fn(&UnixDatagram, &mut [u8]) -> io::Result<usize>>(UnixDatagram::recv);
    is_same::<fn(&UnixDatagram, &mut [u8]) -> From>(UnixDatagram::recv_from);
    is_same::<fn(&UnixDatagram, &[u8]) -> io::Result<usize>>(UnixDatagram::send);
    type SendTo = fn(&UnixDatagram, &[u8], PathBuf) -> io::Result<usize>;
    is_same::<SendTo>(UnixDatagram::send_to::<PathBuf>);
    is_same::<fn(&UnixDatagram, Shutdown) -> io::Result<()>>(UnixDatagram::shutdown);
    is_same::<fn(&UnixDatagram) -> io::Result<Option<io::Error>>>(UnixDatagram::take_error);
    is_same::<fn(&UnixDatagram, Work) -> io::Result<u8>>(UnixDatagram::try_io::<Work, u8>);

    is_ordinary::<UnixDatagram>();
    is_source::<UnixDatagram>();
    owns_a_descriptor::<UnixDatagram>();
    converts::<UnixDatagram, std_unix::UnixDatagram>();
}

#[test]
fn pipe_has_every_method() {
    use pipe::{Receiver, Sender};
    is_same::<fn() -> io::Result<(Sender, Receiver)>>(pipe::new);

    is_same::<fn(&Sender, bool) -> io::Result<()>>(Sender::set_nonblocking);
    is_same::<fn(&Sender, Work) -> io::Result<u8>>(Sender::try_io::<Work, u8>);
    is_ordinary::<Sender>();
    is_source::<Sender>();
    owns_a_descriptor::<Sender>();
    converts::<ChildStdin, Sender>();
    is_write::<Sender>();
    is_write::<&Sender>();

    is_same::<fn(&Receiver, bool) -> io::Result<()>>(Receiver::set_nonblocking);
    is_same::<fn(&Receiver, Work) -> io::Result<u8>>(Receiver::try_io::<Work, u8>);
    is_ordinary::<Receiver>();
    is_source::<Receiver>();
    owns_a_descriptor::<Receiver>();
    converts::<ChildStdout, Receiver>();
    converts::<ChildStderr, Receiver>();
    is_read::<Receiver>();
    is_read::<&Receiver>();
}

#[test]
fn source_fd_borrows_a_number() {
    fn borrows<'a>(fd: &'a RawFd) -> SourceFd<'a> {
        is_same::<fn(&'a RawFd) -> SourceFd<'a>>(SourceFd);
        is_same::<&'a RawFd>(SourceFd(fd).0);
        is_ordinary::<SourceFd<'a>>();
        is_source::<SourceFd<'a>>();
        is_source::<Box<SourceFd<'a>>>();
        SourceFd(fd)
    }
    assert_eq!(*borrows(&7).0, 7);
}
