//! Sockets with options: each is read back from the system, and does what it is for. WASI has few of them.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

mod common;

use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::io::{self, Read, Write};
use std::net::{self, IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{assert_kind, assert_nonblocking_and_cloexec, expect_event, polls, when_ready};
use wakeful::event::Event;
#[cfg(target_os = "linux")]
use wakeful::net::ConnectStatus;
use wakeful::net::{TcpListener, TcpStream, UdpSocket};
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
        .backlog(7)
        .receive_buffer_size(50_000)
        .send_buffer_size(60_000)
        .bind(any_port())
        .unwrap();
    let socket = listener.as_sockref();
    assert!(!socket.reuse_address().unwrap());
    assert!(socket.recv_buffer_size().unwrap() >= 50_000);
    assert!(socket.send_buffer_size().unwrap() >= 60_000);
    assert_nonblocking_and_cloexec(&listener);
}

#[test]
fn a_listener_that_asks_for_nothing_is_as_bind_makes_it() {
    let built = TcpListener::builder().bind(any_port()).unwrap();
    let bound = TcpListener::bind(any_port()).unwrap();
    for listener in [built, bound] {
        // On Windows it would let two listeners share a port.
        let reuses = listener.as_sockref().reuse_address().unwrap();
        assert_eq!(reuses, cfg!(not(windows)));
        #[cfg(all(unix, not(any(target_os = "illumos", target_os = "solaris"))))]
        assert!(!listener.as_sockref().reuse_port().unwrap());
    }
}

#[test]
#[cfg_attr(windows, ignore = "ports are not shared there")]
fn listeners_that_share_a_port_get_all_connections_between_them() {
    let listener = || TcpListener::builder().reuse_port(true);
    let first = listener().bind(any_port()).unwrap();
    let address = first.local_addr().unwrap();
    let second = listener().bind(address).unwrap();
    assert_kind(TcpListener::bind(address), ErrorKind::AddrInUse);

    let accepted = |listener: &TcpListener| std::iter::from_fn(|| listener.accept().ok()).count();
    let connect = || net::TcpStream::connect(address).unwrap();
    let clients: Vec<_> = (0..64).map(|_| connect()).collect();
    let (one, other) = (accepted(&first), accepted(&second));
    assert_eq!(one + other, clients.len());
    // The chance that the hash sends all of them to one is 1 in 2^63.
    if cfg!(target_os = "linux") {
        assert!(one > 0 && other > 0, "{one} and {other}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "ports are not shared there")]
fn a_port_is_shared_only_with_those_that_share_it() {
    let alone = TcpListener::bind(any_port()).unwrap();
    let address = alone.local_addr().unwrap();
    let second = TcpListener::builder().reuse_port(true).bind(address);
    assert_kind(second, ErrorKind::AddrInUse);
}

/// How many connections a listener takes before one stays in progress; at most `limit`.
#[cfg(target_os = "linux")]
fn room(listener: &TcpListener, limit: usize) -> usize {
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..limit)
        .map(|_| TcpStream::connect(address).unwrap())
        // On loopback the handshake is done when `connect` returns, unless the queue is full.
        .take_while(|stream| stream.connect_status().unwrap() == ConnectStatus::Connected)
        .collect();
    clients.len()
}

#[cfg(target_os = "linux")]
#[test]
fn no_more_connections_wait_than_the_backlog_says() {
    let build = TcpListener::builder();
    let short = build.clone().backlog(3).bind(any_port()).unwrap();
    // Linux lets one more in.
    assert_eq!(room(&short, 32), 4);
    let long = build.bind(any_port()).unwrap();
    assert_eq!(room(&long, 32), 32);
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
    assert!(!both.as_sockref().only_v6().unwrap());
    let _client = over_v4(&both).unwrap();
    let (_, peer) = both.accept().unwrap();
    assert!(
        matches!(peer.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped() == Some(Ipv4Addr::LOCALHOST))
    );

    let only = TcpListener::builder().only_v6(true).bind(any).unwrap();
    assert!(only.as_sockref().only_v6().unwrap());
    assert_kind(over_v4(&only), ErrorKind::ConnectionRefused);
}

#[test]
fn a_dual_stack_datagram_socket_receives_from_both() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let Ok(mut both) = UdpSocket::builder().only_v6(false).bind(any) else {
        eprintln!("skipped: this system has no IPv6");
        return;
    };
    let port = both.local_addr().unwrap().port();
    for (mut poll, mut events) in polls() {
        poll.registry()
            .register(&mut both, STREAM, Interest::READABLE)
            .unwrap();
        for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            let peer = net::UdpSocket::bind(from).unwrap();
            peer.send_to(b"hello", (to, port)).unwrap();
            let mut buffer = [0; 8];
            let received = when_ready(&mut poll, &mut events, STREAM, Event::is_readable, || {
                both.recv_from(&mut buffer)
            });
            let (length, sender) = received.unwrap();
            assert_eq!(
                (length, sender.port()),
                (5, peer.local_addr().unwrap().port())
            );
        }
        poll.registry().deregister(&mut both).unwrap();
    }
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
fn parts_of_seconds_count_as_whole_ones() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let stream = TcpStream::builder()
        .keepalive(Duration::from_millis(1))
        // Zero would reset the connection.
        .linger(Duration::from_millis(1))
        .connect(listener.local_addr().unwrap())
        .unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(stream.as_sockref().linger().unwrap(), Some(second));
    #[cfg(target_os = "linux")]
    assert_eq!(stream.as_sockref().tcp_keepalive_time().unwrap(), second);
    stream.as_sockref().set_linger(None).unwrap();
}

#[test]
fn buffers_that_are_too_large_are_cut() {
    let size = |bytes| {
        let build = UdpSocket::builder().receive_buffer_size(bytes);
        let socket = build.bind(any_port()).unwrap();
        socket.as_sockref().recv_buffer_size().unwrap()
    };
    // A size that an `int` holds for zero or less.
    if cfg!(target_os = "linux") {
        assert_eq!(size(usize::MAX), size(1 << 30));
        assert_eq!(size(usize::MAX / 2 + 1), size(1 << 30));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_error_of_an_option_names_it_and_keeps_the_code() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let builds = [
        ("TCP_KEEPIDLE", TcpStream::builder().keepalive(year)),
        (
            "TCP_KEEPINTVL",
            TcpStream::builder().keepalive_interval(year),
        ),
        (
            "TCP_KEEPCNT",
            TcpStream::builder().keepalive_retries(u32::MAX),
        ),
    ];
    for (option, build) in builds {
        let err = build.connect(address).unwrap_err();
        assert_eq!(err.kind(), ErrorKind::InvalidInput);
        assert!(err.to_string().contains(option), "{err}");
        let source = std::error::Error::source(&err).unwrap();
        let source: &io::Error = source.downcast_ref().unwrap();
        assert_eq!(source.raw_os_error(), Some(libc::EINVAL));
    }
}

#[test]
fn a_builder_can_be_used_again() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let build = TcpStream::builder().nodelay(true);
    let (one, other) = (
        build.connect(address).unwrap(),
        build.connect(address).unwrap(),
    );
    assert!(one.nodelay().unwrap() && other.nodelay().unwrap());
}

#[test]
fn a_failure_leaves_nothing_open() {
    let free = {
        let probe = net::TcpListener::bind(any_port()).unwrap();
        probe.local_addr().unwrap()
    };
    // Bound, and then nobody can be there: it is refused, or not even tried.
    let nowhere = "255.255.255.255:1".parse().unwrap();
    TcpStream::builder()
        .bind(free)
        .connect(nowhere)
        .unwrap_err();
    // What was left open would hold the address.
    let listener = TcpListener::builder().reuse_address(false).bind(free);
    assert_eq!(listener.unwrap().local_addr().unwrap(), free);
}

#[test]
fn an_address_that_is_taken_is_refused_to_all() {
    let taken = net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let listener = TcpListener::builder().bind(address);
    assert_kind(listener, ErrorKind::AddrInUse);
    let stream = TcpStream::builder().bind(address).connect(address);
    assert_kind(stream, ErrorKind::AddrInUse);
}

/// None where the system does not allow it.
#[cfg(target_os = "linux")]
#[track_caller]
fn connect_with_fast_open(address: SocketAddr) -> Option<TcpStream> {
    match TcpStream::builder().fast_open(true).connect(address) {
        Err(err) if err.kind() == ErrorKind::Unsupported => {
            eprintln!("skipped: {err}");
            None
        }
        outcome => Some(outcome.unwrap()),
    }
}

/// Works whether or not the server may: if it may not, the handshake comes first.
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
        let Some(mut stream) = connect_with_fast_open(address) else {
            return;
        };
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        // It waits for the first write, if the system allows fast open.
        let _ = stream.connect_status().unwrap();

        let written = when_ready(&mut poll, &mut events, STREAM, Event::is_writable, || {
            stream.write(b"hello")
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

/// Connecting begins with the write, and fails at or after it.
#[cfg(target_os = "linux")]
#[test]
fn a_refused_connection_is_told_with_fast_open() {
    for (mut poll, mut events) in polls() {
        let address = {
            let listener = net::TcpListener::bind(any_port()).unwrap();
            listener.local_addr().unwrap()
        };
        let Some(mut stream) = connect_with_fast_open(address) else {
            return;
        };
        poll.registry()
            .register(&mut stream, STREAM, Interest::WRITABLE)
            .unwrap();
        let written = when_ready(&mut poll, &mut events, STREAM, Event::is_writable, || {
            stream.write(b"hello")
        });
        // A write that went along with the first packet is a success; what follows tells.
        let refused = match written {
            Err(err) => Err(err),
            Ok(_) => loop {
                match stream.connect_status() {
                    Ok(ConnectStatus::InProgress) => {
                        expect_event(&mut poll, &mut events, STREAM, Event::is_writable);
                    }
                    outcome => break outcome.map(|_| 0),
                }
            },
        };
        assert_kind(refused, ErrorKind::ConnectionRefused);
        assert_kind(stream.connect_status(), ErrorKind::NotConnected);
    }
}

#[test]
fn a_datagram_socket_has_what_it_was_built_with() {
    let build = || {
        let build = UdpSocket::builder()
            .reuse_address(true)
            .broadcast(true)
            .receive_buffer_size(50_000)
            .send_buffer_size(60_000);
        #[cfg(unix)]
        let build = build.reuse_port(true);
        build
    };
    let socket = build().bind(any_port()).unwrap();
    let other = build().bind(socket.local_addr().unwrap()).unwrap();
    assert_eq!(socket.local_addr().unwrap(), other.local_addr().unwrap());
    assert!(socket.broadcast().unwrap());
    assert!(socket.as_sockref().reuse_address().unwrap());
    #[cfg(all(unix, not(any(target_os = "illumos", target_os = "solaris"))))]
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
