//! What TCP listeners and streams promise, on every backend.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

mod common;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use wakeful::event::Event;
use wakeful::net::{TcpListener, TcpStream};
use wakeful::{Events, Interest, Poll, Token};

use common::{
    assert_kind, assert_nonblocking_and_cloexec, assert_would_block, expect_event, polls,
    tells_of_the_end, when_ready,
};

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A stream of ours, and its blocking peer.
fn connected() -> (TcpStream, net::TcpStream) {
    let (stream, peer) = std_connected();
    (TcpStream::try_from(stream).unwrap(), peer)
}

fn std_connected() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(loopback()).unwrap();
    let stream = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

/// The same, registered.
fn registered(poll: &Poll, interest: Interest) -> (TcpStream, net::TcpStream) {
    let (mut stream, peer) = connected();
    poll.registry()
        .register(&mut stream, STREAM, interest)
        .unwrap();
    (stream, peer)
}

/// Writes until there is no room; tells how much there was.
#[track_caller]
fn fill(mut stream: &TcpStream) -> usize {
    let mut written = 0;
    loop {
        match stream.write(&[7; 64 * 1024]) {
            Ok(n) => written += n,
            Err(err) if err.kind() == ErrorKind::WouldBlock => return written,
            Err(err) => panic!("{err}"),
        }
    }
}

#[track_caller]
fn drain(peer: &mut net::TcpStream, amount: usize) {
    peer.read_exact(&mut vec![0; amount]).unwrap();
}

#[test]
fn a_listener_is_readable_while_connections_wait() {
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::bind(loopback()).unwrap();
        let addr = listener.local_addr().unwrap();
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        assert_would_block(listener.accept());

        // Twice: also after the first round has drained it.
        for _ in 0..2 {
            let clients: Vec<_> = (0..3)
                .map(|_| net::TcpStream::connect(addr).unwrap())
                .collect();
            for client in &clients {
                let (_, peer) =
                    when_ready(&mut poll, &mut events, LISTENER, Event::is_readable, || {
                        listener.accept()
                    })
                    .unwrap();
                assert_eq!(peer, client.local_addr().unwrap());
            }
            assert_would_block(listener.accept());
        }
    }
}

#[test]
fn a_connection_attempt_ends_with_a_writable_event() {
    for (mut poll, mut events) in polls() {
        let listener = net::TcpListener::bind(loopback()).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(addr).unwrap();
        poll.registry().register(&mut stream, STREAM, BOTH).unwrap();

        let peer = loop {
            expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
            assert!(stream.take_error().unwrap().is_none());
            match stream.peer_addr() {
                Err(err) if err.kind() == ErrorKind::NotConnected => {} // spurious
                outcome => break outcome.unwrap(),
            }
        };

        assert_eq!(peer, addr);
        let (mut accepted, client) = listener.accept().unwrap();
        assert_eq!(client, stream.local_addr().unwrap());
        accepted.write_all(b"hi").unwrap();
        let mut buf = [0; 8];
        let n = when_ready(&mut poll, &mut events, STREAM, Event::is_readable, || {
            (&stream).read(&mut buf)
        });
        assert_eq!(&buf[..n.unwrap()], b"hi");
    }
}

#[test]
fn a_refused_connection_is_told_by_an_event() {
    for (mut poll, mut events) in polls() {
        // A port that nobody listens on, and that nobody else is given meanwhile.
        let unused =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        unused.bind(&loopback().into()).unwrap();
        let addr = unused.local_addr().unwrap().as_socket().unwrap();

        let reason = match TcpStream::connect(addr) {
            Err(reason) => reason,
            Ok(mut stream) => {
                poll.registry()
                    .register(&mut stream, STREAM, Interest::WRITABLE)
                    .unwrap();
                loop {
                    expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
                    if let Some(reason) = stream.take_error().unwrap() {
                        break reason;
                    }
                }
            }
        };
        assert_eq!(reason.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_refused_connection_is_told_by_a_write_too() {
    for (mut poll, mut events) in polls() {
        let unused =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        unused.bind(&loopback().into()).unwrap();
        let addr = unused.local_addr().unwrap().as_socket().unwrap();

        let outcome = TcpStream::connect(addr).and_then(|mut stream| {
            poll.registry()
                .register(&mut stream, STREAM, Interest::WRITABLE)
                .unwrap();
            when_ready(&mut poll, &mut events, STREAM, Event::is_writable, || {
                stream.write(b"anybody there?")
            })
        });
        let reason = outcome.unwrap_err();
        // Elsewhere a write says that there is no connection, and not why.
        assert!(
            reason.kind() == ErrorKind::ConnectionRefused || cfg!(not(unix)),
            "{reason}"
        );
    }
}

#[test]
fn what_arrives_is_peeked_and_then_read() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = registered(&poll, Interest::READABLE);
        assert_would_block(stream.peek(&mut [0; 8]));
        assert_would_block(stream.read(&mut [0; 8]));

        peer.write_all(b"hello").unwrap();
        expect_event(&mut poll, &mut events, STREAM, Event::is_readable);

        let mut buf = [0; 8];
        for _ in 0..2 {
            let n = stream.peek(&mut buf).unwrap();
            assert_eq!(&buf[..n], b"hello");
        }
        let n = stream.read(&mut buf).unwrap();
        assert_eq!(&buf[..n], b"hello");
        assert_would_block(stream.peek(&mut buf));
    }
}

#[test]
fn the_next_bytes_after_would_block_are_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = registered(&poll, BOTH);
        for round in 0..10 {
            peer.write_all(&[round]).unwrap();
            expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
            let mut buf = [0; 1];
            stream.read_exact(&mut buf).unwrap();
            assert_eq!(buf, [round]);
            assert_would_block(stream.read(&mut buf));
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
fn the_next_bytes_after_a_short_vectored_read_are_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = registered(&poll, BOTH);
        for _ in 0..10 {
            peer.write_all(b"abc").unwrap();
            expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
            // Those that came after the event was made are read along.
            let (mut one, mut two) = ([0; 2], [0; 2]);
            let bufs = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
            assert_eq!(stream.read_vectored(bufs).unwrap(), 3);
            assert_eq!((&one, &two), (b"ab", b"c\0"));
        }
    }
}

#[test]
fn vectored_writes_keep_their_order() {
    let (mut stream, mut peer) = connected();
    let bufs = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    assert_eq!(stream.write_vectored(&bufs).unwrap(), 7);
    assert_eq!((&stream).write_vectored(&bufs).unwrap(), 7);
    stream.flush().unwrap();

    let mut buf = [0; 14];
    peer.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"one twoone two");
}

#[test]
fn shared_references_read_and_write() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = registered(&poll, BOTH);
        (&stream).write_all(b"ping").unwrap();
        (&stream).flush().unwrap();
        drain(&mut peer, 4);
        peer.write_all(b"pong").unwrap();

        let mut buf = [0; 4];
        let n = when_ready(&mut poll, &mut events, STREAM, Event::is_readable, || {
            (&stream).read_vectored(&mut [IoSliceMut::new(&mut buf)])
        });
        assert_eq!(n.unwrap(), 4);
        assert_eq!(&buf, b"pong");
    }
}

#[test]
fn room_after_a_write_that_blocked_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = registered(&poll, BOTH);
        for _ in 0..3 {
            let written = fill(&stream);
            drain(&mut peer, written);
            expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
            assert_eq!((&stream).write(b"x").unwrap(), 1);
            drain(&mut peer, 1);
        }
    }
}

#[test]
fn room_after_a_short_write_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = registered(&poll, BOTH);
        // More than fits, so that the write is short, and none blocks.
        let much = vec![7; 64 * 1024 * 1024];
        let written = stream.write(&much).unwrap();
        assert!(written < much.len());
        expect_writable_after_drain(&mut poll, &mut events, &mut peer, written);

        let half = much.len() / 2;
        let bufs = [IoSlice::new(&much[..half]), IoSlice::new(&much[half..])];
        let written = stream.write_vectored(&bufs).unwrap();
        assert!(written < much.len());
        expect_writable_after_drain(&mut poll, &mut events, &mut peer, written);
    }
}

#[track_caller]
fn expect_writable_after_drain(
    poll: &mut Poll,
    events: &mut Events,
    peer: &mut net::TcpStream,
    written: usize,
) {
    // What was writable before the write; gone when the stream is full.
    common::poll_once(poll, events, Duration::ZERO);
    drain(peer, written);
    expect_event(poll, events, STREAM, Event::is_writable);
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
        drain(&mut peer, 6);
    }
}

#[test]
fn a_peer_that_closes_is_read_closed_without_asking_for_reads() {
    for (mut poll, mut events) in polls() {
        let (mut stream, peer) = registered(&poll, Interest::READABLE);
        drop(peer);
        let is_end = tells_of_the_end(poll.backend());
        expect_event(&mut poll, &mut events, STREAM, is_end);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn a_reset_is_an_event_and_then_an_error() {
    for (mut poll, mut events) in polls() {
        let (mut stream, peer) = registered(&poll, BOTH);
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);

        let event = expect_event(&mut poll, &mut events, STREAM, Event::is_read_closed);
        assert!(event.is_readable());
        assert!(event.is_error() || event.is_write_closed(), "{event:?}");
        assert_kind(stream.read(&mut [0; 8]), ErrorKind::ConnectionReset);
    }
}

#[test]
fn shutting_down_both_ways_closes_both_ways() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = registered(&poll, BOTH);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        let err = stream.write(b"x").unwrap_err();
        // Windows has an error of its own for it, which has no kind.
        assert!(
            err.kind() == ErrorKind::BrokenPipe || cfg!(windows),
            "{err}"
        );

        stream.shutdown(Shutdown::Read).unwrap();
        // Others do not tell a program of what it did itself.
        if cfg!(unix) {
            let event = expect_event(&mut poll, &mut events, STREAM, Event::is_write_closed);
            assert!(event.is_read_closed());
        }
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a socket cannot be duplicated there")]
fn try_io_arms_what_blocked() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = std_connected();
        let mut duplicate = stream.try_clone().unwrap();
        let mut stream = TcpStream::try_from(stream).unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::READABLE)
            .unwrap();
        for _ in 0..3 {
            assert_would_block(stream.try_io(|| duplicate.read(&mut [0; 8])));
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, STREAM, Event::is_readable);
            assert_eq!(stream.try_io(|| duplicate.read(&mut [0; 8])).unwrap(), 1);
        }
    }
}

#[test]
fn dropping_a_registered_stream_closes_it_and_ends_its_events() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = registered(&poll, BOTH);
        drop(stream);
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);

        // The number of the closed descriptor is likely given to one of these.
        let (mut stream, mut peer) = connected();
        poll.registry()
            .register(&mut stream, Token(99), BOTH)
            .unwrap();
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, Token(99), |event| {
            event.is_readable()
        });
        assert!(events.iter().all(|event| event.token() != STREAM));
    }
}

#[test]
fn every_way_to_open_sets_the_flags() {
    let listener = TcpListener::bind(loopback()).unwrap();
    assert_nonblocking_and_cloexec(&listener);
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_nonblocking_and_cloexec(&client);

    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::bind(loopback()).unwrap();
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = when_ready(&mut poll, &mut events, LISTENER, Event::is_readable, || {
            listener.accept()
        });
        assert_nonblocking_and_cloexec(&accepted.unwrap().0);
    }
}

#[test]
fn a_listener_can_be_bound_again_while_old_connections_linger() {
    let listener = TcpListener::bind(loopback()).unwrap();
    // Where addresses linger. On Windows it would let two listeners share a port.
    let reuses = SockRef::from(&listener).reuse_address().unwrap();
    assert_eq!(reuses, cfg!(not(windows)));

    let addr = listener.local_addr().unwrap();
    let client = net::TcpStream::connect(addr).unwrap();
    let listener = net::TcpListener::from(listener);
    listener.set_nonblocking(false).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    drop(listener);
    // The side that closes first is the one that lingers.
    accepted.shutdown(Shutdown::Write).unwrap();
    drop(accepted);
    drop(client);

    TcpListener::bind(addr).unwrap();
}

#[test]
fn an_address_in_use_is_refused() {
    let listener = TcpListener::bind(loopback()).unwrap();
    let again = TcpListener::bind(listener.local_addr().unwrap());
    assert_kind(again, ErrorKind::AddrInUse);
}

#[test]
fn options_are_kept() {
    let listener = TcpListener::bind(loopback()).unwrap();
    listener.set_ttl(42).unwrap();
    assert_eq!(listener.ttl().unwrap(), 42);
    assert!(listener.take_error().unwrap().is_none());

    let (stream, peer) = connected();
    for nodelay in [true, false] {
        stream.set_nodelay(nodelay).unwrap();
        assert_eq!(stream.nodelay().unwrap(), nodelay);
    }
    stream.set_ttl(42).unwrap();
    assert_eq!(stream.ttl().unwrap(), 42);
    assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());
    assert_eq!(stream.local_addr().unwrap(), peer.peer_addr().unwrap());
}

#[test]
fn ipv6_works_where_there_is_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0".parse().unwrap()) else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    let addr = listener.local_addr().unwrap();
    for (mut poll, mut events) in polls() {
        let mut stream = TcpStream::connect(addr).unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, STREAM, |event| {
            event.is_writable() && stream.peer_addr().is_ok()
        });
        assert_eq!(stream.peer_addr().unwrap(), addr);
    }
}

#[test]
fn debug_shows_the_addresses() {
    let listener = TcpListener::bind(loopback()).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    assert!(format!("{listener:?}").contains(&port));
    let (stream, peer) = connected();
    let port = peer.local_addr().unwrap().port().to_string();
    assert!(format!("{stream:?}").contains(&port));
}

#[test]
fn types_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<TcpListener>();
    is_send_and_sync::<TcpStream>();
}

/// Where sockets are descriptors, and tell whether they block.
#[cfg(unix)]
mod descriptors {
    use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

    use super::*;
    use crate::common::is_nonblocking;

    #[test]
    fn conversions_keep_the_socket() {
        let listener = net::TcpListener::bind(loopback()).unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = TcpListener::try_from(listener).unwrap();
        assert!(is_nonblocking(&listener));
        let listener = TcpListener::from(OwnedFd::from(listener));
        let listener = TcpListener::from_std(net::TcpListener::from(listener));
        assert_eq!(listener.local_addr().unwrap(), addr);

        let stream = net::TcpStream::connect(addr).unwrap();
        let (raw, local) = (stream.as_raw_fd(), stream.local_addr().unwrap());
        let stream = TcpStream::try_from(stream).unwrap();
        assert!(is_nonblocking(&stream));
        let stream = TcpStream::from(OwnedFd::from(stream));
        let stream = TcpStream::from_std(net::TcpStream::from(stream));
        assert_eq!(stream.as_raw_fd(), raw);
        assert_eq!(stream.as_fd().as_raw_fd(), raw);
        assert_eq!(stream.local_addr().unwrap(), local);
    }

    #[test]
    #[allow(unsafe_code)]
    fn raw_descriptors_go_out_and_come_back() {
        let (stream, peer) = connected();
        let raw = stream.into_raw_fd();
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let stream = unsafe { TcpStream::from_raw_fd(raw) };
        assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());

        let raw = TcpListener::bind(loopback()).unwrap().into_raw_fd();
        // SAFETY: as above.
        let listener = unsafe { TcpListener::from_raw_fd(raw) };
        assert_would_block(listener.accept());
    }

    #[test]
    fn descriptors_are_taken_as_they_are() {
        let (stream, _peer) = connected();
        let stream = net::TcpStream::from(stream);
        stream.set_nonblocking(false).unwrap();
        let stream = TcpStream::from(OwnedFd::from(stream));
        assert!(!is_nonblocking(&stream));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_stream_that_blocks() {
        let (stream, _peer) = connected();
        let stream = net::TcpStream::from(stream);
        stream.set_nonblocking(false).unwrap();
        TcpStream::from_std(stream);
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_listener_that_blocks() {
        TcpListener::from_std(net::TcpListener::bind(loopback()).unwrap());
    }
}
