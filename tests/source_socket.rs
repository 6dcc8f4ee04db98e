//! What `SourceSocket` promises: events may be spurious, and are never missing.

#![cfg(all(windows, feature = "os-ext"))]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::windows::io::{AsRawSocket, RawSocket};
use std::time::Duration;

use wakeful::event::Event;
use wakeful::windows::SourceSocket;
use wakeful::{Interest, Poll, Token};

use common::{assert_kind, assert_would_block, count_events, expect_event, poll_once, polls};

const SOURCE: Token = Token(1);

/// A stream that does not block and that the library knows nothing of, and its peer.
fn foreign_stream() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_nodelay(true).unwrap();
    (stream, peer)
}

#[track_caller]
fn register(poll: &Poll, socket: RawSocket, interest: Interest) {
    poll.registry()
        .register(&mut SourceSocket(&socket), SOURCE, interest)
        .unwrap();
}

#[track_caller]
fn deregister(poll: &Poll, socket: RawSocket) {
    poll.registry()
        .deregister(&mut SourceSocket(&socket))
        .unwrap();
}

#[test]
fn each_write_to_a_drained_stream_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = foreign_stream();
        register(&poll, stream.as_raw_socket(), Interest::READABLE);
        for round in 0..20 {
            peer.write_all(&[round]).unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            let mut buf = [0; 8];
            assert_eq!(stream.read(&mut buf).unwrap(), 1);
            assert_eq!(buf[0], round);
            assert_would_block(stream.read(&mut buf));
        }
        deregister(&poll, stream.as_raw_socket());
    }
}

#[test]
fn room_in_a_full_stream_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = foreign_stream();
        register(&poll, stream.as_raw_socket(), Interest::WRITABLE);
        for _ in 0..5 {
            let mut written = 0;
            while let Ok(n) = stream.write(&[7; 64 * 1024]) {
                written += n;
            }
            peer.read_exact(&mut vec![0; written]).unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_writable);
        }
        deregister(&poll, stream.as_raw_socket());
    }
}

#[test]
fn a_peer_that_closes_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut stream, peer) = foreign_stream();
        register(&poll, stream.as_raw_socket(), Interest::READABLE);
        drop(peer);
        expect_event(&mut poll, &mut events, SOURCE, Event::is_read_closed);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        deregister(&poll, stream.as_raw_socket());
    }
}

#[test]
fn a_write_between_two_polls_is_not_missed() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = foreign_stream();
        register(&poll, stream.as_raw_socket(), Interest::READABLE);
        // Ready, drained and ready again, without a poll that could have seen it.
        for _ in 0..10 {
            for byte in [b"x", b"y"] {
                peer.write_all(byte).unwrap();
                expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
                assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
            }
        }
        deregister(&poll, stream.as_raw_socket());
    }
}

#[test]
fn an_undrained_source_does_not_spin() {
    // 1 + 2 + 4 + ... + 128 ms: nine events fit, a loop that spins has thousands.
    const WINDOW: Duration = Duration::from_millis(300);
    for interest in [Interest::READABLE, Interest::READABLE | Interest::WRITABLE] {
        for (mut poll, mut events) in polls() {
            let (stream, mut peer) = foreign_stream();
            register(&poll, stream.as_raw_socket(), interest);
            peer.write_all(b"x").unwrap();

            let count = count_events(&mut poll, &mut events, SOURCE, WINDOW);
            assert!((1..=20).contains(&count), "{count} events");
            deregister(&poll, stream.as_raw_socket());
        }
    }
}

#[test]
fn a_source_that_is_not_ready_has_no_events() {
    for (mut poll, mut events) in polls() {
        let (stream, _peer) = foreign_stream();
        register(&poll, stream.as_raw_socket(), Interest::READABLE);
        poll_once(&mut poll, &mut events, Duration::from_millis(5));
        assert!(events.is_empty());
        deregister(&poll, stream.as_raw_socket());
    }
}

#[test]
fn datagrams_are_events() {
    for (mut poll, mut events) in polls() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        register(&poll, socket.as_raw_socket(), Interest::READABLE);
        for _ in 0..10 {
            peer.send_to(b"hello", socket.local_addr().unwrap())
                .unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 5);
        }
        deregister(&poll, socket.as_raw_socket());
    }
}

#[test]
fn reregistering_reports_what_is_ready_under_the_new_token() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = foreign_stream();
        let socket = stream.as_raw_socket();
        register(&poll, socket, Interest::READABLE);
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);

        poll.registry()
            .reregister(&mut SourceSocket(&socket), Token(2), Interest::READABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, Token(2), Event::is_readable);
        assert!(events.iter().all(|event| event.token() != SOURCE));
        deregister(&poll, socket);
    }
}

#[test]
fn a_deregistered_source_has_no_events() {
    for (mut poll, mut events) in polls() {
        let (stream, mut peer) = foreign_stream();
        let socket = stream.as_raw_socket();
        register(&poll, socket, Interest::READABLE);
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);

        deregister(&poll, socket);
        let count = count_events(&mut poll, &mut events, SOURCE, Duration::from_millis(20));
        assert_eq!(count, 0);
    }
}

#[test]
fn misuse_is_an_error_of_the_same_kind_as_elsewhere() {
    for (poll, _) in polls() {
        let (stream, _peer) = foreign_stream();
        let socket = stream.as_raw_socket();
        let registry = poll.registry();
        let readable = Interest::READABLE;

        let early = registry.reregister(&mut SourceSocket(&socket), SOURCE, readable);
        assert_kind(early, ErrorKind::NotFound);
        let early = registry.deregister(&mut SourceSocket(&socket));
        assert_kind(early, ErrorKind::NotFound);

        register(&poll, socket, readable);
        let twice = registry.register(&mut SourceSocket(&socket), SOURCE, readable);
        assert_kind(twice, ErrorKind::AlreadyExists);

        deregister(&poll, socket);
        let late = registry.deregister(&mut SourceSocket(&socket));
        assert_kind(late, ErrorKind::NotFound);
        register(&poll, socket, readable);
        deregister(&poll, socket);
    }
}

#[test]
fn what_is_no_socket_is_refused() {
    // `WSAENOTSOCK`, or `ERROR_INVALID_HANDLE` if nothing has that number.
    const CODES: [i32; 2] = [10038, 6];
    for (poll, _) in polls() {
        let number = 0x00ff_fff0;
        let outcome =
            poll.registry()
                .register(&mut SourceSocket(&number), SOURCE, Interest::READABLE);
        let code = outcome.unwrap_err().raw_os_error().unwrap();
        assert!(CODES.contains(&code), "{code}");
    }
}

/// Against the advice: but nothing may come of it that another socket could suffer from.
#[test]
fn the_number_of_a_closed_socket_can_be_registered_again() {
    for (mut poll, mut events) in polls() {
        let (stream, peer) = foreign_stream();
        let socket = stream.as_raw_socket();
        register(&poll, socket, Interest::READABLE);
        drop((stream, peer));
        poll_once(&mut poll, &mut events, Duration::ZERO);
        assert!(events.is_empty());

        // It has ended with the socket.
        let outcome = poll.registry().deregister(&mut SourceSocket(&socket));
        assert_kind(outcome, ErrorKind::NotFound);
    }
}

#[test]
fn debug_shows_the_socket() {
    assert_eq!(format!("{:?}", SourceSocket(&7)), "SourceSocket(7)");
}
