//! `TcpStream::connect_status`: connected, in progress, or the error, at any time.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

mod common;

use std::io::{self, Read};
use std::net::{self, SocketAddr};
use std::time::Duration;

use common::{assert_kind, assert_would_block, expect_event, poll_once, polls, tells_of_the_end};
use socket2::{Domain, SockRef, Socket, Type};
use wakeful::event::Event;
use wakeful::net::{ConnectStatus, TcpStream};
use wakeful::{Interest, Token};

const STREAM: Token = Token(1);

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A listener whose queue is full, so that one more connection stays under way; and what fills it.
fn full_listener() -> (Socket, SocketAddr, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&any_port().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    loop {
        let stream = TcpStream::connect(address).unwrap();
        // On loopback the handshake is done when `connect` returns, unless the queue is full.
        let is_connected = stream.connect_status().unwrap() == ConnectStatus::Connected;
        filling.push(stream);
        if !is_connected {
            return (listener, address, filling);
        }
        assert!(filling.len() < 100, "the queue never fills");
    }
}

#[test]
fn a_connection_is_connected_and_stays_so() {
    for (mut poll, mut events) in polls() {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        while stream.connect_status().unwrap() == ConnectStatus::InProgress {
            expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
        }
        for _ in 0..3 {
            assert_eq!(stream.connect_status().unwrap(), ConnectStatus::Connected);
        }
        // Asking takes nothing away.
        assert_would_block(stream.read(&mut [0; 8]));
    }
}

#[test]
fn a_refused_connection_tells_why_and_then_that_there_is_none() {
    for (mut poll, mut events) in polls() {
        let address = {
            let listener = net::TcpListener::bind(any_port()).unwrap();
            listener.local_addr().unwrap()
        };
        let mut stream = TcpStream::connect(address).unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, STREAM, Event::is_writable);

        assert_kind(stream.connect_status(), io::ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
        }
    }
}

#[test]
fn an_attempt_under_way_is_in_progress_until_it_is_accepted() {
    for (mut poll, mut events) in polls() {
        let (listener, _, mut filling) = full_listener();
        let mut stream = filling.pop().unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        for _ in 0..3 {
            assert_eq!(stream.connect_status().unwrap(), ConnectStatus::InProgress);
            poll_once(&mut poll, &mut events, Duration::ZERO);
        }
        // Room in the queue: the system tries again, after a second.
        drop(listener.accept().unwrap());
        while stream.connect_status().unwrap() == ConnectStatus::InProgress {
            expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
        }
        assert_eq!(stream.connect_status().unwrap(), ConnectStatus::Connected);
    }
}

#[test]
fn a_socket_that_was_never_told_to_connect_is_not_connected() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let stream = TcpStream::try_from(net::TcpStream::from(socket)).unwrap();
    assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
    assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
}

#[test]
fn a_connection_that_was_reset_is_none_any_more() {
    for (mut poll, mut events) in polls() {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::READABLE)
            .unwrap();
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        expect_event(&mut poll, &mut events, STREAM, Event::is_error);

        // Windows does not keep the reason for whoever asks.
        if cfg!(not(windows)) {
            assert_kind(stream.connect_status(), io::ErrorKind::ConnectionReset);
        }
        assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
    }
}

#[test]
fn a_connection_that_both_sides_closed_is_none_any_more() {
    for (mut poll, mut events) in polls() {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::READABLE)
            .unwrap();
        drop(peer);
        let is_end = tells_of_the_end(poll.backend());
        expect_event(&mut poll, &mut events, STREAM, is_end);
        // The half that is left is still a connection.
        assert_eq!(stream.connect_status().unwrap(), ConnectStatus::Connected);

        stream.shutdown(net::Shutdown::Write).unwrap();
        while stream.connect_status().is_ok() {
            expect_event(&mut poll, &mut events, STREAM, Event::is_write_closed);
        }
        assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
    }
}

#[test]
fn the_reason_is_told_once_whoever_asks() {
    for (mut poll, mut events) in polls() {
        let address = {
            let listener = net::TcpListener::bind(any_port()).unwrap();
            listener.local_addr().unwrap()
        };
        let mut stream = TcpStream::connect(address).unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, STREAM, Event::is_writable);

        let reason = stream.take_error().unwrap().unwrap();
        assert_eq!(reason.kind(), io::ErrorKind::ConnectionRefused);
        assert_kind(stream.connect_status(), io::ErrorKind::NotConnected);
        assert!(stream.take_error().unwrap().is_none());
    }
}

/// No poll and no event: the answer is the socket's.
#[test]
fn a_stream_that_is_not_registered_can_be_asked() {
    let (_listener, _, filling) = full_listener();
    assert_eq!(
        filling.last().unwrap().connect_status().unwrap(),
        ConnectStatus::InProgress
    );
    let address = {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        listener.local_addr().unwrap()
    };
    let stream = TcpStream::connect(address).unwrap();
    let reason = loop {
        match stream.connect_status() {
            Ok(ConnectStatus::InProgress) => std::thread::yield_now(),
            outcome => break outcome,
        }
    };
    assert_kind(reason, io::ErrorKind::ConnectionRefused);
}

#[test]
fn asking_loses_no_event() {
    for (mut poll, mut events) in polls() {
        let (listener, _, mut filling) = full_listener();
        let mut stream = filling.pop().unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::READABLE | Interest::WRITABLE)
            .unwrap();
        for _ in 0..3 {
            assert_eq!(stream.connect_status().unwrap(), ConnectStatus::InProgress);
        }
        drop(listener.accept().unwrap());
        drop(filling);
        expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
        assert_eq!(stream.connect_status().unwrap(), ConnectStatus::Connected);
    }
}
