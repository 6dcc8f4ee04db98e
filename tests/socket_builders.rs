//! Sockets with options: each is read back from the system, and does what it is for.

#![cfg(all(unix, feature = "os-poll", feature = "net"))]

mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Duration;

use common::{assert_kind, assert_nonblocking_and_cloexec, expect_event, polls, when_ready};
use wakeful::event::Event;
use wakeful::net::{ConnectStatus, TcpListener, TcpStream, UdpSocket};
use wakeful::{Interest, Token};

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_listener_has_what_it_was_built_with() {
    let listener = TcpListener::builder()
        .reuse_address(false)
        .reuse_port(true)
        .backlog(7)
        .receive_buffer_size(50_000)
        .send_buffer_size(60_000)
        .bind(any_port())
        .unwrap();
    let socket = listener.as_sockref();
    assert!(!socket.reuse_address().unwrap() && socket.reuse_port().unwrap());
    assert!(socket.recv_buffer_size().unwrap() >= 50_000);
    assert!(socket.send_buffer_size().unwrap() >= 60_000);
    assert_nonblocking_and_cloexec(&listener);
}

#[test]
fn a_listener_that_asks_for_nothing_is_as_bind_makes_it() {
    let built = TcpListener::builder().bind(any_port()).unwrap();
    let bound = TcpListener::bind(any_port()).unwrap();
    for listener in [built, bound] {
        assert!(listener.as_sockref().reuse_address().unwrap());
        assert!(!listener.as_sockref().reuse_port().unwrap());
    }
}

#[test]
fn listeners_that_share_a_port_get_all_connections_between_them() {
    let listener = || TcpListener::builder().reuse_port(true);
    let first = listener().bind(any_port()).unwrap();
    let address = first.local_addr().unwrap();
    let second = listener().bind(address).unwrap();
    assert_kind(TcpListener::bind(address), ErrorKind::AddrInUse);

    let clients: Vec<_> = (0..32)
        .map(|_| net::TcpStream::connect(address).unwrap())
        .collect();
    let accepted = |listener: &TcpListener| std::iter::from_fn(|| listener.accept().ok()).count();
    assert_eq!(accepted(&first) + accepted(&second), clients.len());
}

#[test]
fn a_dual_stack_listener_takes_both_and_a_v6_only_one_refuses() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let Ok(both) = TcpListener::builder().only_v6(false).bind(any) else {
        eprintln!("skipped: this system has no IPv6");
        return;
    };
    let over_v4 = |listener: &TcpListener| {
        let port = listener.local_addr().unwrap().port();
        net::TcpStream::connect(("127.0.0.1", port))
    };
    over_v4(&both).unwrap();
    let only = TcpListener::builder().only_v6(true).bind(any).unwrap();
    assert_kind(over_v4(&only), ErrorKind::ConnectionRefused);
}

#[test]
fn v6_only_means_nothing_on_a_v4_address() {
    let listener = TcpListener::builder().only_v6(true).bind(any_port());
    assert_kind(listener, ErrorKind::InvalidInput);
    let socket = UdpSocket::builder().only_v6(false).bind(any_port());
    assert_kind(socket, ErrorKind::InvalidInput);
}

#[test]
fn a_stream_has_what_it_was_built_with() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let stream = TcpStream::builder()
        .bind("127.0.0.1:0".parse().unwrap())
        .reuse_address(true)
        .nodelay(true)
        .keepalive(Duration::from_secs(61))
        .keepalive_interval(Duration::from_secs(7))
        .keepalive_retries(3)
        .linger(Duration::ZERO)
        .receive_buffer_size(50_000)
        .send_buffer_size(60_000)
        .connect(listener.local_addr().unwrap())
        .unwrap();
    let socket = stream.as_sockref();
    assert!(stream.nodelay().unwrap() && socket.reuse_address().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
    assert!(socket.recv_buffer_size().unwrap() >= 50_000);
    assert!(socket.send_buffer_size().unwrap() >= 60_000);
    assert_nonblocking_and_cloexec(&stream);
}

#[cfg(target_os = "linux")]
#[test]
fn probes_of_a_silent_peer_are_set_in_seconds() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let stream = TcpStream::builder()
        .keepalive(Duration::from_secs(61))
        .keepalive_interval(Duration::from_secs(7))
        .keepalive_retries(3)
        .connect(listener.local_addr().unwrap())
        .unwrap();
    let socket = stream.as_sockref();
    assert_eq!(
        socket.tcp_keepalive_time().unwrap(),
        Duration::from_secs(61)
    );
    assert_eq!(
        socket.tcp_keepalive_interval().unwrap(),
        Duration::from_secs(7)
    );
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
}

#[test]
fn a_stream_connects_from_the_address_it_was_bound_to() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    // A port that was free a moment ago.
    let local = {
        let probe = net::TcpListener::bind(any_port()).unwrap();
        probe.local_addr().unwrap()
    };
    let stream = TcpStream::builder()
        .bind(local)
        .connect(listener.local_addr().unwrap())
        .unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!((stream.local_addr().unwrap(), peer), (local, local));
}

#[test]
fn a_failure_leaves_nothing_open() {
    let taken = net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    for _ in 0..3 {
        let listener = TcpListener::builder().bind(address);
        assert_kind(listener, ErrorKind::AddrInUse);
        let stream = TcpStream::builder().bind(address).connect(address);
        assert_kind(stream, ErrorKind::AddrInUse);
    }
}

/// Works whether or not the system allows fast open: without it the handshake comes first.
#[cfg(target_os = "linux")]
#[test]
fn what_is_written_first_arrives_with_fast_open() {
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::builder()
            .fast_open(16)
            .bind(any_port())
            .unwrap();
        let address = listener.local_addr().unwrap();
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let mut stream = TcpStream::builder()
            .fast_open(true)
            .connect(address)
            .unwrap();
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();

        let written = when_ready(&mut poll, &mut events, STREAM, Event::is_writable, || {
            match stream.write(b"hello") {
                // The handshake goes first.
                Err(err) if err.raw_os_error() == Some(libc::EINPROGRESS) => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                outcome => outcome,
            }
        });
        assert_eq!(written.unwrap(), 5);
        let (mut accepted, _) =
            when_ready(&mut poll, &mut events, LISTENER, Event::is_readable, || {
                listener.accept()
            })
            .unwrap();
        poll.registry()
            .register(&mut accepted, Token(3), Interest::READABLE)
            .unwrap();
        let mut buffer = [0; 8];
        let read = when_ready(&mut poll, &mut events, Token(3), Event::is_readable, || {
            accepted.read(&mut buffer)
        });
        assert_eq!(&buffer[..read.unwrap()], b"hello");
        assert_eq!(stream.connect_status().unwrap(), ConnectStatus::Connected);
    }
}

#[test]
fn a_datagram_socket_has_what_it_was_built_with() {
    let build = || {
        UdpSocket::builder()
            .reuse_address(true)
            .reuse_port(true)
            .broadcast(true)
            .receive_buffer_size(50_000)
            .send_buffer_size(60_000)
    };
    let socket = build().bind(any_port()).unwrap();
    let other = build().bind(socket.local_addr().unwrap()).unwrap();
    assert_eq!(socket.local_addr().unwrap(), other.local_addr().unwrap());
    assert!(socket.broadcast().unwrap());
    assert!(socket.as_sockref().reuse_address().unwrap());
    assert!(socket.as_sockref().reuse_port().unwrap());
    assert!(socket.as_sockref().recv_buffer_size().unwrap() >= 50_000);
    assert!(socket.as_sockref().send_buffer_size().unwrap() >= 60_000);
    assert_nonblocking_and_cloexec(&socket);
}

#[test]
fn a_built_listener_reports_connections() {
    for (mut poll, mut events) in polls() {
        let mut listener = TcpListener::builder().backlog(4).bind(any_port()).unwrap();
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        expect_event(&mut poll, &mut events, LISTENER, Event::is_readable);
        listener.accept().unwrap();
    }
}
