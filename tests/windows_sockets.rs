//! What is the sockets' own on Windows: errors that are turned off and on, handles that are not inherited, requests that
//! end with their thread, with their socket, or with their poll.

#![cfg(all(windows, feature = "os-poll", feature = "net"))]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use wakeful::event::Event;
use wakeful::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixSocketAddr, UnixStream};
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

use common::{assert_kind, expect_event, poll_once, polls, when_ready};

const SOURCE: Token = Token(1);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A stream of ours, and its blocking peer.
fn connected() -> (TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(loopback()).unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (stream.try_into().unwrap(), peer)
}

#[test]
fn the_backend_is_the_completion_port() {
    assert_eq!(Backend::available(), [Backend::Iocp]);
    assert_eq!(Poll::new().unwrap().backend(), Backend::Iocp);
}

/// Left alone, Windows answers a receive with `WSAECONNRESET` when an earlier datagram found nobody.
#[test]
fn a_datagram_that_finds_nobody_does_not_end_a_receive_loop() {
    let from_std = || UdpSocket::try_from(net::UdpSocket::bind(loopback()).unwrap());
    for is_from_std in [false, true] {
        let (mut poll, mut events) = polls().next().unwrap();
        let mut socket = match is_from_std {
            false => UdpSocket::bind(loopback()).unwrap(),
            true => from_std().unwrap(),
        };
        poll.registry()
            .register(&mut socket, SOURCE, Interest::READABLE)
            .unwrap();
        let gone = net::UdpSocket::bind(loopback())
            .unwrap()
            .local_addr()
            .unwrap();
        let friend = net::UdpSocket::bind(loopback()).unwrap();
        for _ in 0..10 {
            socket.send_to(b"anybody?", gone).unwrap();
            friend
                .send_to(b"hello", socket.local_addr().unwrap())
                .unwrap();

            let received = when_ready(&mut poll, &mut events, SOURCE, Event::is_readable, || {
                socket.recv_from(&mut [0; 16])
            });
            assert_eq!(received.unwrap(), (5, friend.local_addr().unwrap()));
        }
    }
}

/// One that is connected has no others whom the error would concern.
#[test]
fn a_connected_socket_hears_that_nobody_is_there() {
    let gone = || net::UdpSocket::bind(loopback()).unwrap().local_addr();
    let connected_std = || {
        let socket = net::UdpSocket::bind(loopback()).unwrap();
        socket.connect(gone().unwrap()).unwrap();
        UdpSocket::try_from(socket).unwrap()
    };
    let connected = || {
        let socket = UdpSocket::bind(loopback()).unwrap();
        socket.connect(gone().unwrap()).unwrap();
        socket
    };
    for mut socket in [connected(), connected_std()] {
        let (mut poll, mut events) = polls().next().unwrap();
        poll.registry()
            .register(&mut socket, SOURCE, Interest::READABLE)
            .unwrap();
        socket.send(b"anybody?").unwrap();
        // Not for long: under Wine, where this fails, everybody would wait for it.
        let deadline = Instant::now() + Duration::from_secs(10);
        let received = loop {
            match socket.recv(&mut [0; 16]) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "nobody was told");
                    poll.poll_until(&mut events, deadline).unwrap();
                }
                outcome => break outcome,
            }
        };
        assert_kind(received, ErrorKind::ConnectionReset);
    }
}

/// Requests belong to the thread that made them, and may end with it.
#[test]
fn a_registration_outlives_the_thread_that_made_it() {
    for (mut poll, mut events) in polls() {
        for _ in 0..10 {
            let registry = poll.registry().try_clone().unwrap();
            let (mut stream, mut peer) = connected();
            let barrier = Arc::new(Barrier::new(2));
            let thread = thread::spawn({
                let barrier = Arc::clone(&barrier);
                move || {
                    barrier.wait();
                    let interest = Interest::READABLE;
                    registry.register(&mut stream, SOURCE, interest).unwrap();
                    stream
                }
            });
            barrier.wait();
            // Perhaps during this wait, so that it is the other thread that asks.
            poll_once(&mut poll, &mut events, Duration::from_millis(2));
            let mut stream = thread.join().unwrap();
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        }
    }
}

/// More than one opened driver serves.
#[test]
fn hundreds_of_sources_are_told_apart() {
    const SOURCES: usize = 300;
    for (mut poll, mut events) in polls() {
        let mut pairs: Vec<_> = (0..SOURCES).map(|_| connected()).collect();
        for (index, (stream, _)) in pairs.iter_mut().enumerate() {
            poll.registry()
                .register(stream, Token(index), Interest::READABLE)
                .unwrap();
        }
        for index in (0..SOURCES).rev().step_by(7) {
            pairs[index].1.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, Token(index), Event::is_readable);
            assert!(events.iter().all(|event| event.token() == Token(index)));
            assert_eq!(pairs[index].0.read(&mut [0; 8]).unwrap(), 1);
        }
        // Every second place is taken anew.
        for index in (0..SOURCES).step_by(2) {
            pairs[index] = connected();
            let stream = &mut pairs[index].0;
            poll.registry()
                .register(stream, Token(index), Interest::READABLE)
                .unwrap();
        }
        for (index, (stream, peer)) in pairs.iter_mut().enumerate() {
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, Token(index), Event::is_readable);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        }
    }
}

/// The driver holds on to a socket while it is asked about it.
#[test]
fn a_port_is_free_when_its_registered_listener_is_dropped() {
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            poll.registry()
                .register(&mut listener, SOURCE, Interest::READABLE)
                .unwrap();
            poll_once(&mut poll, &mut events, Duration::ZERO);
            drop(listener);
            listener = TcpListener::bind(address).unwrap();
        }
    }
}

#[test]
fn sources_outlive_their_poll_and_go_to_another() {
    let (mut stream, mut peer) = connected();
    for round in 0..5 {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(8);
        poll.registry()
            .register(&mut stream, Token(round), Interest::READABLE)
            .unwrap();
        poll_once(&mut poll, &mut events, Duration::ZERO);
        assert!(events.is_empty());
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, Token(round), Event::is_readable);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        // Asked about again, and dropped with the question in flight.
        poll_once(&mut poll, &mut events, Duration::ZERO);
    }
}

#[test]
fn a_waker_may_ring_at_a_port_that_nobody_listens_to() {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), SOURCE).unwrap();
    drop(poll);
    for _ in 0..10_000 {
        waker.wake().unwrap();
    }
}

/// What comes from `std` in the meantime is another socket, though it may have the same number.
#[test]
fn a_stream_that_was_given_away_while_registered_ends_with_its_socket() {
    for (mut poll, mut events) in polls() {
        for round in 0..20 {
            let (mut stream, mut peer) = connected();
            poll.registry()
                .register(&mut stream, Token(round), Interest::READABLE)
                .unwrap();
            poll_once(&mut poll, &mut events, Duration::ZERO);
            let stream = net::TcpStream::from(stream);
            drop(stream);
            // The peer may have noticed already.
            let _ = peer.write_all(b"x");
            poll_once(&mut poll, &mut events, Duration::ZERO);
            assert!(events.is_empty(), "{events:?}");
        }
    }
}

/// Where Windows has them; where it has not, every way to open one says so.
#[test]
fn unix_streams_are_there_or_unsupported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.sock");
    let mut listener = match UnixListener::bind(&path) {
        Err(err) if err.kind() == ErrorKind::Unsupported => {
            assert_kind(UnixStream::connect(&path), ErrorKind::Unsupported);
            assert_kind(UnixStream::pair(), ErrorKind::Unsupported);
            return;
        }
        outcome => outcome.unwrap(),
    };
    let (mut poll, mut events) = polls().next().unwrap();
    poll.registry()
        .register(&mut listener, SOURCE, Interest::READABLE)
        .unwrap();
    let address = UnixSocketAddr::from_pathname(&path).unwrap();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    let accepted = when_ready(&mut poll, &mut events, SOURCE, Event::is_readable, || {
        listener.accept()
    });
    let (mut server, peer) = accepted.unwrap();
    assert!(peer.is_unnamed());
    poll.registry()
        .register(&mut server, Token(2), Interest::READABLE)
        .unwrap();
    client.write_all(b"hello").unwrap();
    let mut buf = [0; 8];
    let received = when_ready(&mut poll, &mut events, Token(2), Event::is_readable, || {
        server.read(&mut buf)
    });
    assert_eq!(&buf[..received.unwrap()], b"hello");

    let (mut here, mut there) = UnixStream::pair().unwrap();
    there.write_all(b"x").unwrap();
    assert_eq!(here.read(&mut buf).unwrap(), 1);
}
