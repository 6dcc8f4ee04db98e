//! What Unix domain sockets promise, on every backend.

#![cfg(all(unix, feature = "os-poll", feature = "net"))]

mod common;

use std::ffi::OsStr;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use wakeful::event::Event;
use wakeful::net::{UnixDatagram, UnixListener, UnixStream};
use wakeful::{Interest, Poll, Token};

use common::{
    assert_kind, assert_nonblocking_and_cloexec, assert_would_block, expect_event, is_nonblocking,
    polls, tells_of_the_end, when_ready,
};

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A directory for sockets, removed at the end of the test.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A stream of ours, registered, and its blocking peer.
fn registered(poll: &Poll, interest: Interest) -> (UnixStream, net::UnixStream) {
    let (stream, peer) = net::UnixStream::pair().unwrap();
    let mut stream = UnixStream::try_from(stream).unwrap();
    poll.registry()
        .register(&mut stream, STREAM, interest)
        .unwrap();
    (stream, peer)
}

/// Paths that are no addresses: too long by one, and with a NUL byte inside.
fn impossible_paths() -> [PathBuf; 2] {
    let too_long = (1..)
        .map(|len| "x".repeat(len))
        .find(|path| SocketAddr::from_pathname(path).is_err())
        .unwrap();
    let with_nul = OsStr::from_bytes(b"before\0after");
    [too_long.into(), with_nul.into()]
}

mod listener {
    use super::*;

    #[test]
    fn is_readable_while_connections_wait() {
        for (mut poll, mut events) in polls() {
            let dir = Dir::new();
            let path = dir.path("listener");
            let mut listener = UnixListener::bind(&path).unwrap();
            poll.registry()
                .register(&mut listener, LISTENER, Interest::READABLE)
                .unwrap();
            assert_would_block(listener.accept());

            for _ in 0..2 {
                let clients: Vec<_> = (0..3)
                    .map(|_| UnixStream::connect(&path).unwrap())
                    .collect();
                for client in &clients {
                    assert_eq!(
                        client.peer_addr().unwrap().as_pathname(),
                        Some(path.as_path())
                    );
                    let (_, peer) =
                        when_ready(&mut poll, &mut events, LISTENER, Event::is_readable, || {
                            listener.accept()
                        })
                        .unwrap();
                    assert!(peer.is_unnamed());
                }
                assert_would_block(listener.accept());
            }
        }
    }

    #[test]
    fn accept_tells_the_path_of_a_client_that_has_one() {
        let dir = Dir::new();
        let (server, client) = (dir.path("server"), dir.path("client"));
        let listener = UnixListener::bind(&server).unwrap();
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&client).unwrap()).unwrap();
        socket.connect(&SockAddr::unix(&server).unwrap()).unwrap();

        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_pathname(), Some(client.as_path()));
    }

    #[test]
    fn tells_its_path_and_leaves_its_file() {
        let dir = Dir::new();
        let path = dir.path("listener");
        let listener = UnixListener::bind(&path).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_pathname(), Some(path.as_path()));
        assert!(listener.take_error().unwrap().is_none());

        assert_kind(UnixListener::bind(&path), ErrorKind::AddrInUse);
        drop(listener);
        assert_kind(UnixListener::bind(&path), ErrorKind::AddrInUse);
        std::fs::remove_file(&path).unwrap();
        UnixListener::bind_addr(&addr).unwrap();
    }

    #[test]
    fn refuses_impossible_paths() {
        for path in impossible_paths() {
            assert_kind(UnixListener::bind(&path), ErrorKind::InvalidInput);
        }
        let missing = Dir::new().path("missing/listener");
        assert_kind(UnixListener::bind(missing), ErrorKind::NotFound);
    }

    #[test]
    fn opens_and_accepts_with_the_flags_set() {
        let dir = Dir::new();
        let path = dir.path("listener");
        let listener = UnixListener::bind(&path).unwrap();
        assert_nonblocking_and_cloexec(&listener);
        let client = UnixStream::connect(&path).unwrap();
        assert_nonblocking_and_cloexec(&client);
        let (accepted, _) = listener.accept().unwrap();
        assert_nonblocking_and_cloexec(&accepted);
    }

    #[test]
    fn conversions_keep_the_socket() {
        let dir = Dir::new();
        let path = dir.path("listener");
        let listener = net::UnixListener::bind(&path).unwrap();
        let raw = listener.as_raw_fd();
        let listener = UnixListener::try_from(listener).unwrap();
        assert!(is_nonblocking(&listener));
        let listener = UnixListener::from(OwnedFd::from(listener));
        let listener = UnixListener::from_std(net::UnixListener::from(listener));
        assert_eq!(listener.as_raw_fd(), raw);
        assert_eq!(listener.as_fd().as_raw_fd(), raw);
        assert_would_block(listener.accept());
    }

    #[test]
    #[allow(unsafe_code)]
    fn raw_descriptors_go_out_and_come_back() {
        let dir = Dir::new();
        let raw = UnixListener::bind(dir.path("listener"))
            .unwrap()
            .into_raw_fd();
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let listener = unsafe { UnixListener::from_raw_fd(raw) };
        assert_would_block(listener.accept());
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_listener_that_blocks() {
        let dir = Dir::new();
        UnixListener::from_std(net::UnixListener::bind(dir.path("listener")).unwrap());
    }
}

mod stream {
    use super::*;

    #[test]
    fn connects_at_once_and_is_writable() {
        for (mut poll, mut events) in polls() {
            let dir = Dir::new();
            let path = dir.path("listener");
            let listener = net::UnixListener::bind(&path).unwrap();
            let mut stream = UnixStream::connect(&path).unwrap();
            poll.registry()
                .register(&mut stream, STREAM, Interest::WRITABLE)
                .unwrap();
            expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
            stream.write_all(b"hello").unwrap();

            let mut buf = [0; 5];
            let (mut peer, _) = listener.accept().unwrap();
            peer.read_exact(&mut buf).unwrap();
            assert_eq!(&buf, b"hello");
        }
    }

    #[test]
    fn connecting_fails_for_a_reason() {
        for path in impossible_paths() {
            assert_kind(UnixStream::connect(&path), ErrorKind::InvalidInput);
        }
        let dir = Dir::new();
        let path = dir.path("listener");
        assert_kind(UnixStream::connect(&path), ErrorKind::NotFound);
        drop(UnixListener::bind(&path).unwrap());
        assert_kind(UnixStream::connect(&path), ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn connecting_to_a_full_queue_would_block() {
        let dir = Dir::new();
        let path = dir.path("listener");
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();

        let mut waiting = Vec::new();
        let full = loop {
            match UnixStream::connect(&path) {
                Ok(stream) if waiting.len() < 100 => waiting.push(stream),
                outcome => break outcome,
            }
        };
        assert_would_block(full);
    }

    #[test]
    fn the_next_bytes_after_would_block_are_an_event() {
        for (mut poll, mut events) in polls() {
            let (mut stream, mut peer) = registered(&poll, BOTH);
            for round in 0..10 {
                assert_would_block(stream.read(&mut [0; 8]));
                peer.write_all(&[round]).unwrap();
                expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
                let mut buf = [0; 1];
                stream.read_exact(&mut buf).unwrap();
                assert_eq!(buf, [round]);
            }
        }
    }

    #[test]
    fn the_next_bytes_after_a_short_read_are_an_event() {
        for (mut poll, mut events) in polls() {
            let (mut stream, mut peer) = registered(&poll, BOTH);
            for _ in 0..10 {
                peer.write_all(b"x").unwrap();
                expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
                assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
            }
        }
    }

    #[test]
    fn room_after_a_write_that_blocked_is_an_event() {
        for (mut poll, mut events) in polls() {
            let (stream, mut peer) = registered(&poll, BOTH);
            for _ in 0..3 {
                let mut written = 0;
                while let Ok(n) = (&stream).write(&[7; 4096]) {
                    written += n;
                }
                peer.read_exact(&mut vec![0; written]).unwrap();
                expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
                assert_eq!((&stream).write(b"x").unwrap(), 1);
                peer.read_exact(&mut [0]).unwrap();
            }
        }
    }

    #[test]
    fn vectored_io_keeps_the_order() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let bufs = [IoSlice::new(b"one "), IoSlice::new(b"two")];
        assert_eq!(here.write_vectored(&bufs).unwrap(), 7);
        assert_eq!((&here).write_vectored(&bufs).unwrap(), 7);
        here.flush().unwrap();

        let (mut one, mut two) = ([0; 8], [0; 8]);
        let bufs = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(there.read_vectored(bufs).unwrap(), 14);
        assert_eq!((&one, &two), (b"one twoo", b"ne two\0\0"));
        assert_would_block((&there).read_vectored(&mut [IoSliceMut::new(&mut one)]));
    }

    #[test]
    fn a_half_closed_stream_can_be_read_to_its_end_and_still_written() {
        for (mut poll, mut events) in polls() {
            let (mut stream, mut peer) = registered(&poll, BOTH);
            peer.write_all(b"the rest").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();

            let is_end = tells_of_the_end(poll.backend());
            let event = expect_event(&mut poll, &mut events, STREAM, is_end);
            assert!(event.is_readable());
            assert!(!event.is_write_closed());
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"the rest");
            stream.write_all(b"answer").unwrap();
            peer.read_exact(&mut [0; 6]).unwrap();
        }
    }

    #[test]
    fn a_peer_that_closes_is_closed_both_ways() {
        for (mut poll, mut events) in polls() {
            let (mut stream, peer) = registered(&poll, BOTH);
            drop(peer);
            let event = expect_event(&mut poll, &mut events, STREAM, Event::is_write_closed);
            assert!(event.is_read_closed());
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
            assert_kind(stream.write(b"x"), ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn shutting_down_ends_what_the_peer_reads() {
        let (here, mut there) = UnixStream::pair().unwrap();
        here.shutdown(Shutdown::Write).unwrap();
        assert_eq!(there.read(&mut [0; 8]).unwrap(), 0);
        assert_kind((&here).write(b"x"), ErrorKind::BrokenPipe);
    }

    #[test]
    fn try_io_arms_what_blocked() {
        for (mut poll, mut events) in polls() {
            let (stream, mut peer) = registered(&poll, Interest::READABLE);
            let mut duplicate = net::UnixStream::from(stream.as_fd().try_clone_to_owned().unwrap());
            for _ in 0..3 {
                assert_would_block(stream.try_io(|| duplicate.read(&mut [0; 8])));
                peer.write_all(b"x").unwrap();
                expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
                assert_eq!(stream.try_io(|| duplicate.read(&mut [0; 8])).unwrap(), 1);
            }
        }
    }

    #[test]
    fn a_pair_is_connected_and_has_its_flags() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        assert_nonblocking_and_cloexec(&here);
        assert_nonblocking_and_cloexec(&there);
        assert!(here.local_addr().unwrap().is_unnamed());
        assert!(here.peer_addr().unwrap().is_unnamed());
        assert!(here.take_error().unwrap().is_none());

        here.write_all(b"hello").unwrap();
        let mut buf = [0; 5];
        there.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"hello");
    }

    #[test]
    fn dropping_a_registered_stream_closes_it() {
        for (poll, _) in polls() {
            let (stream, mut peer) = registered(&poll, BOTH);
            drop(stream);
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        }
    }

    #[test]
    fn conversions_keep_the_socket() {
        let (stream, mut peer) = net::UnixStream::pair().unwrap();
        let raw = stream.as_raw_fd();
        let stream = UnixStream::try_from(stream).unwrap();
        assert!(is_nonblocking(&stream));
        let stream = UnixStream::from(OwnedFd::from(stream));
        let mut stream = UnixStream::from_std(net::UnixStream::from(stream));
        assert_eq!(stream.as_raw_fd(), raw);
        assert_eq!(stream.as_fd().as_raw_fd(), raw);
        stream.write_all(b"x").unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }

    #[test]
    #[allow(unsafe_code)]
    fn raw_descriptors_go_out_and_come_back() {
        let (here, _there) = UnixStream::pair().unwrap();
        let raw = here.into_raw_fd();
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let mut here = unsafe { UnixStream::from_raw_fd(raw) };
        assert_would_block(here.read(&mut [0; 8]));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_stream_that_blocks() {
        UnixStream::from_std(net::UnixStream::pair().unwrap().0);
    }
}

mod datagram {
    use super::*;

    const SOCKET: Token = Token(3);

    fn registered(poll: &Poll, path: &Path) -> UnixDatagram {
        let mut socket = UnixDatagram::bind(path).unwrap();
        poll.registry().register(&mut socket, SOCKET, BOTH).unwrap();
        socket
    }

    #[test]
    fn each_datagram_after_would_block_is_an_event() {
        for (mut poll, mut events) in polls() {
            let dir = Dir::new();
            let (here, there) = (dir.path("here"), dir.path("there"));
            let socket = registered(&poll, &here);
            let peer = UnixDatagram::bind(&there).unwrap();
            for round in 0..10 {
                assert_would_block(socket.recv_from(&mut [0; 8]));
                assert_eq!(peer.send_to(&[round; 3], &here).unwrap(), 3);
                expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
                let mut buf = [0; 8];
                let (n, sender) = socket.recv_from(&mut buf).unwrap();
                assert_eq!(buf[..n], [round; 3]);
                assert_eq!(sender.as_pathname(), Some(there.as_path()));
            }
        }
    }

    #[test]
    fn room_in_the_queue_of_a_peer_is_an_event() {
        for (mut poll, mut events) in polls() {
            let dir = Dir::new();
            let path = dir.path("peer");
            let peer = UnixDatagram::bind(&path).unwrap();
            let mut socket = UnixDatagram::unbound().unwrap();
            socket.connect(&path).unwrap();
            poll.registry().register(&mut socket, SOCKET, BOTH).unwrap();
            for _ in 0..3 {
                let full = loop {
                    if let Err(err) = socket.send(b"x") {
                        break err;
                    }
                };
                assert_eq!(full.kind(), ErrorKind::WouldBlock);
                while peer.recv(&mut [0; 8]).is_ok() {}
                expect_event(&mut poll, &mut events, SOCKET, Event::is_writable);
                socket.send(b"x").unwrap();
            }
        }
    }

    #[test]
    fn connected_sockets_send_and_receive() {
        let dir = Dir::new();
        let path = dir.path("peer");
        let peer = UnixDatagram::bind(&path).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        assert_kind(socket.peer_addr(), ErrorKind::NotConnected);
        assert_kind(socket.send(b"to whom?"), ErrorKind::NotConnected);

        socket.connect(&path).unwrap();
        assert_eq!(
            socket.peer_addr().unwrap().as_pathname(),
            Some(path.as_path())
        );
        assert_eq!(socket.send(b"hello").unwrap(), 5);
        let (n, sender) = peer.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(n, 5);
        assert!(sender.is_unnamed());
    }

    #[test]
    fn addresses_that_cannot_be_are_refused() {
        let socket = UnixDatagram::unbound().unwrap();
        for path in impossible_paths() {
            assert_kind(UnixDatagram::bind(&path), ErrorKind::InvalidInput);
            assert_kind(socket.connect(&path), ErrorKind::InvalidInput);
            assert_kind(socket.send_to(b"x", &path), ErrorKind::InvalidInput);
        }
        let dir = Dir::new();
        let path = dir.path("socket");
        assert_kind(socket.connect(&path), ErrorKind::NotFound);
        assert_kind(socket.send_to(b"x", &path), ErrorKind::NotFound);
        let _bound = UnixDatagram::bind(&path).unwrap();
        assert_kind(UnixDatagram::bind(&path), ErrorKind::AddrInUse);
    }

    #[test]
    fn a_pair_is_connected_and_has_its_flags() {
        let (here, there) = UnixDatagram::pair().unwrap();
        assert_nonblocking_and_cloexec(&here);
        assert_nonblocking_and_cloexec(&there);
        here.send(b"hello").unwrap();
        assert_eq!(there.recv(&mut [0; 8]).unwrap(), 5);
        assert_would_block(there.recv(&mut [0; 8]));
        assert!(here.take_error().unwrap().is_none());
    }

    #[test]
    fn shutting_down_ends_what_is_received_and_sent() {
        for (mut poll, mut events) in polls() {
            let (mut here, there) = UnixDatagram::pair().unwrap();
            poll.registry().register(&mut here, SOCKET, BOTH).unwrap();
            here.shutdown(Shutdown::Read).unwrap();
            expect_event(&mut poll, &mut events, SOCKET, Event::is_read_closed);
            assert_kind(there.send(b"x"), ErrorKind::BrokenPipe);

            here.shutdown(Shutdown::Write).unwrap();
            assert_kind(here.send(b"x"), ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn sockets_are_opened_with_their_flags() {
        let dir = Dir::new();
        let bound = UnixDatagram::bind(dir.path("socket")).unwrap();
        assert_nonblocking_and_cloexec(&bound);
        let unbound = UnixDatagram::unbound().unwrap();
        assert_nonblocking_and_cloexec(&unbound);
        assert!(unbound.local_addr().unwrap().is_unnamed());
    }

    #[test]
    fn try_io_arms_what_blocked() {
        for (mut poll, mut events) in polls() {
            let (mut here, there) = UnixDatagram::pair().unwrap();
            poll.registry().register(&mut here, SOCKET, BOTH).unwrap();
            let duplicate = net::UnixDatagram::from(here.as_fd().try_clone_to_owned().unwrap());
            for _ in 0..3 {
                assert_would_block(here.try_io(|| duplicate.recv(&mut [0; 8])));
                there.send(b"x").unwrap();
                expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
                assert_eq!(here.try_io(|| duplicate.recv(&mut [0; 8])).unwrap(), 1);
            }
        }
    }

    #[test]
    fn conversions_keep_the_socket() {
        let (socket, peer) = net::UnixDatagram::pair().unwrap();
        let raw = socket.as_raw_fd();
        let socket = UnixDatagram::try_from(socket).unwrap();
        assert!(is_nonblocking(&socket));
        let socket = UnixDatagram::from(OwnedFd::from(socket));
        let socket = UnixDatagram::from_std(net::UnixDatagram::from(socket));
        assert_eq!(socket.as_raw_fd(), raw);
        assert_eq!(socket.as_fd().as_raw_fd(), raw);
        socket.send(b"x").unwrap();
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    }

    #[test]
    #[allow(unsafe_code)]
    fn raw_descriptors_go_out_and_come_back() {
        let raw = UnixDatagram::unbound().unwrap().into_raw_fd();
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let socket = unsafe { UnixDatagram::from_raw_fd(raw) };
        assert_would_block(socket.recv(&mut [0; 8]));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_socket_that_blocks() {
        UnixDatagram::from_std(net::UnixDatagram::unbound().unwrap());
    }
}

#[cfg(target_os = "linux")]
mod abstract_addresses {
    use super::*;

    use std::os::linux::net::SocketAddrExt;

    /// A name that only this test of this process uses; with a NUL byte, which is allowed.
    fn name(test: &str) -> Vec<u8> {
        format!("wakeful\0{test}\0{}", std::process::id()).into_bytes()
    }

    #[test]
    fn connect_listeners_and_streams() {
        for (mut poll, mut events) in polls() {
            let name = name("streams");
            let addr = SocketAddr::from_abstract_name(&name).unwrap();
            let mut listener = UnixListener::bind_addr(&addr).unwrap();
            poll.registry()
                .register(&mut listener, LISTENER, Interest::READABLE)
                .unwrap();
            let local = listener.local_addr().unwrap();
            assert_eq!(local.as_abstract_name(), Some(&name[..]));

            let client = UnixStream::connect_addr(&addr).unwrap();
            let peer = client.peer_addr().unwrap();
            assert_eq!(peer.as_abstract_name(), Some(&name[..]));
            let (_, peer) =
                when_ready(&mut poll, &mut events, LISTENER, Event::is_readable, || {
                    listener.accept()
                })
                .unwrap();
            assert!(peer.is_unnamed());
        }
    }

    #[test]
    fn accept_tells_the_name_of_a_client_that_has_one() {
        let addr = SocketAddr::from_abstract_name(name("server")).unwrap();
        let listener = UnixListener::bind_addr(&addr).unwrap();

        let client_name = name("client");
        let notation = |name: &[u8]| {
            let path = [b"\0", name].concat();
            SockAddr::unix(OsStr::from_bytes(&path)).unwrap()
        };
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.bind(&notation(&client_name)).unwrap();
        client.connect(&notation(&name("server"))).unwrap();

        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_abstract_name(), Some(&client_name[..]));
    }

    #[test]
    fn receive_datagrams() {
        let name = name("datagrams");
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&addr).unwrap();
        let local = socket.local_addr().unwrap();
        assert_eq!(local.as_abstract_name(), Some(&name[..]));

        let peer = net::UnixDatagram::unbound().unwrap();
        peer.send_to_addr(b"hello", &addr).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 5);
        assert_kind(UnixDatagram::bind_addr(&addr), ErrorKind::AddrInUse);
    }

    #[test]
    fn vanish_with_their_socket() {
        let addr = SocketAddr::from_abstract_name(name("vanish")).unwrap();
        drop(UnixListener::bind_addr(&addr).unwrap());
        let outcome = UnixStream::connect_addr(&addr);
        assert_kind(outcome, ErrorKind::ConnectionRefused);
        UnixListener::bind_addr(&addr).unwrap();
    }

    #[test]
    fn are_chosen_by_the_system_for_an_address_without_a_name() {
        let unnamed = SocketAddr::from_pathname("").unwrap();
        assert!(unnamed.is_unnamed());
        let listener = UnixListener::bind_addr(&unnamed).unwrap();
        let addr = listener.local_addr().unwrap();
        assert!(addr.as_abstract_name().is_some());
        UnixStream::connect_addr(&addr).unwrap();
        assert_kind(UnixStream::connect_addr(&unnamed), ErrorKind::InvalidInput);
    }
}

#[test]
fn sockets_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<UnixListener>();
    is_send_and_sync::<UnixStream>();
    is_send_and_sync::<UnixDatagram>();
}
