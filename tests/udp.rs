//! What UDP sockets promise, on every backend.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

mod common;

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::SockRef;
use wakeful::event::Event;
use wakeful::net::UdpSocket;
use wakeful::{Interest, Poll, Token};

use common::{
    assert_kind, assert_nonblocking_and_cloexec, assert_would_block, expect_event, polls,
};

const SOCKET: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What a socket is told that leaves a group it is not in.
const NOT_A_MEMBER: ErrorKind = if cfg!(windows) {
    ErrorKind::InvalidInput
} else {
    ErrorKind::AddrNotAvailable
};

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn registered(poll: &Poll, interest: Interest) -> (UdpSocket, SocketAddr) {
    let mut socket = UdpSocket::bind(loopback()).unwrap();
    let addr = socket.local_addr().unwrap();
    poll.registry()
        .register(&mut socket, SOCKET, interest)
        .unwrap();
    (socket, addr)
}

fn peer() -> (net::UdpSocket, SocketAddr) {
    let peer = net::UdpSocket::bind(loopback()).unwrap();
    let addr = peer.local_addr().unwrap();
    (peer, addr)
}

#[test]
fn each_datagram_after_would_block_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, BOTH);
        let (peer, peer_addr) = peer();
        for round in 0..10 {
            peer.send_to(&[round; 3], addr).unwrap();
            expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
            let mut buf = [0; 8];
            assert_eq!(socket.recv_from(&mut buf).unwrap(), (3, peer_addr));
            assert_eq!(buf[..3], [round; 3]);
            assert_would_block(socket.recv_from(&mut buf));
        }
    }
}

#[test]
fn a_peek_that_blocks_arms_like_a_read() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, Interest::READABLE);
        let (peer, _) = peer();
        peer.send_to(b"one", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 3);

        assert_would_block(socket.peek_from(&mut [0; 8]));
        peer.send_to(b"two", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 3);

        assert_would_block(socket.peek(&mut [0; 8]));
        peer.send_to(b"three", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
    }
}

#[test]
fn peeked_datagrams_stay() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, Interest::READABLE);
        let (peer, peer_addr) = peer();
        peer.send_to(b"hello", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);

        let mut buf = [0; 8];
        assert_eq!(socket.peek_from(&mut buf).unwrap(), (5, peer_addr));
        assert_eq!(socket.peek(&mut buf).unwrap(), 5);
        assert_eq!(socket.recv(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        assert_would_block(socket.recv(&mut buf));
    }
}

#[test]
fn a_new_socket_is_writable_and_sends() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, BOTH);
        let (peer, peer_addr) = peer();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_writable);
        assert_eq!(socket.send_to(b"hello", peer_addr).unwrap(), 5);

        let mut buf = [0; 8];
        assert_eq!(peer.recv_from(&mut buf).unwrap(), (5, addr));
    }
}

#[test]
fn an_empty_datagram_is_one() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, Interest::READABLE);
        let (peer, peer_addr) = peer();
        peer.send_to(b"", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
        assert_eq!(socket.recv_from(&mut [0; 8]).unwrap(), (0, peer_addr));
    }
}

#[test]
fn what_does_not_fit_is_cut() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, Interest::READABLE);
        let (peer, _) = peer();
        peer.send_to(b"too long", addr).unwrap();
        peer.send_to(b"next", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);

        let mut buf = [0; 3];
        let received = socket.recv(&mut buf);
        if cfg!(windows) {
            // WSAEMSGSIZE: the rest is lost there too, and the program is told.
            assert_eq!(received.unwrap_err().raw_os_error(), Some(10_040));
        } else {
            assert_eq!(received.unwrap(), 3);
        }
        assert_eq!(&buf, b"too");
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
    }
}

#[test]
fn a_connected_socket_talks_to_its_peer_alone() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, BOTH);
        let (peer, peer_addr) = peer();
        let (stranger, _) = self::peer();
        assert_kind(socket.peer_addr(), ErrorKind::NotConnected);
        assert!(socket.send(b"to whom?").is_err());

        socket.connect(peer_addr).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), peer_addr);
        assert_eq!(socket.send(b"hello").unwrap(), 5);
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (5, addr));

        stranger.send_to(b"me!", addr).unwrap();
        peer.send_to(b"hello", addr).unwrap();
        expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
        let mut buf = [0; 8];
        let n = socket.recv(&mut buf).unwrap();
        assert_eq!(&buf[..n], b"hello");
    }
}

/// A registered socket that is connected to an address where nobody is.
fn connected_to_nobody(poll: &Poll) -> UdpSocket {
    let (socket, _) = registered(poll, BOTH);
    let (nobody, addr) = peer();
    drop(nobody);
    socket.connect(addr).unwrap();
    socket
}

#[test]
#[cfg_attr(
    not(unix),
    ignore = "on Windows it is the error of a receive only (see windows_sockets.rs), on WASI there is none"
)]
fn nobody_there_is_an_event_and_an_error() {
    for (mut poll, mut events) in polls() {
        let socket = connected_to_nobody(&poll);
        socket.send(b"anybody there?").unwrap();

        expect_event(&mut poll, &mut events, SOCKET, Event::is_error);
        let reason = socket.take_error().unwrap().unwrap();
        assert_eq!(reason.kind(), ErrorKind::ConnectionRefused);
        assert!(socket.take_error().unwrap().is_none());
    }
}

#[test]
#[cfg_attr(
    not(unix),
    ignore = "on Windows it is the error of a receive only (see windows_sockets.rs), on WASI there is none"
)]
fn each_error_after_would_block_is_an_event() {
    for (mut poll, mut events) in polls() {
        let socket = connected_to_nobody(&poll);
        for _ in 0..3 {
            socket.send(b"anybody there?").unwrap();
            expect_event(&mut poll, &mut events, SOCKET, Event::is_error);
            assert_kind(socket.recv(&mut [0; 8]), ErrorKind::ConnectionRefused);
            assert_would_block(socket.recv(&mut [0; 8]));
        }
    }
}

#[test]
fn try_io_arms_what_blocked() {
    for (mut poll, mut events) in polls() {
        let (socket, addr) = registered(&poll, Interest::READABLE);
        let (peer, _) = peer();
        let mut buf = [MaybeUninit::uninit(); 8];
        let mut receive = || socket.try_io(|| SockRef::from(&socket).recv(&mut buf));
        for _ in 0..3 {
            assert_would_block(receive());
            peer.send_to(b"hello", addr).unwrap();
            expect_event(&mut poll, &mut events, SOCKET, Event::is_readable);
            assert_eq!(receive().unwrap(), 5);
        }
    }
}

#[test]
fn options_are_kept() {
    let socket = UdpSocket::bind(loopback()).unwrap();
    for on in [true, false] {
        socket.set_broadcast(on).unwrap();
        assert_eq!(socket.broadcast().unwrap(), on);
        socket.set_multicast_loop_v4(on).unwrap();
        assert_eq!(socket.multicast_loop_v4().unwrap(), on);
    }
    socket.set_ttl(42).unwrap();
    assert_eq!(socket.ttl().unwrap(), 42);
    socket.set_multicast_ttl_v4(43).unwrap();
    assert_eq!(socket.multicast_ttl_v4().unwrap(), 43);
    assert!(socket.take_error().unwrap().is_none());
}

#[test]
fn ipv6_options_are_kept_where_there_is_ipv6() {
    let Ok(socket) = UdpSocket::bind("[::1]:0".parse().unwrap()) else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    for on in [true, false] {
        socket.set_multicast_loop_v6(on).unwrap();
        assert_eq!(socket.multicast_loop_v6().unwrap(), on);
    }
    let only = SockRef::from(&socket).only_v6().unwrap();
    assert_eq!(socket.only_v6().unwrap(), only);
}

#[test]
fn a_group_is_joined_once_and_left_once() {
    let socket = UdpSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let (group, interface) = (Ipv4Addr::new(239, 255, 17, 71), Ipv4Addr::LOCALHOST);
    socket.join_multicast_v4(&group, &interface).unwrap();
    let again = socket.join_multicast_v4(&group, &interface);
    assert_kind(again, ErrorKind::AddrInUse);
    socket.leave_multicast_v4(&group, &interface).unwrap();
    let again = socket.leave_multicast_v4(&group, &interface);
    assert_kind(again, NOT_A_MEMBER);

    let no_group = socket.join_multicast_v4(&Ipv4Addr::LOCALHOST, &interface);
    assert_kind(no_group, ErrorKind::InvalidInput);
}

#[test]
fn an_ipv6_group_is_joined_once_and_left_once_where_there_is_ipv6() {
    const LOOPBACK: u32 = 1;
    // Of the scope of this machine: nothing leaves it.
    let group: Ipv6Addr = "ff01::1771".parse().unwrap();
    let socket = UdpSocket::bind("[::1]:0".parse().unwrap());
    let Ok(socket) = socket.and_then(|socket| {
        socket.join_multicast_v6(&group, LOOPBACK)?;
        Ok(socket)
    }) else {
        eprintln!("skipped: no IPv6 multicast here");
        return;
    };
    let again = socket.join_multicast_v6(&group, LOOPBACK);
    assert_kind(again, ErrorKind::AddrInUse);
    socket.leave_multicast_v6(&group, LOOPBACK).unwrap();
    let again = socket.leave_multicast_v6(&group, LOOPBACK);
    assert_kind(again, NOT_A_MEMBER);
}

#[test]
fn a_socket_is_opened_with_its_flags() {
    assert_nonblocking_and_cloexec(&UdpSocket::bind(loopback()).unwrap());
}

#[test]
fn an_address_in_use_is_refused() {
    let socket = UdpSocket::bind(loopback()).unwrap();
    let again = UdpSocket::bind(socket.local_addr().unwrap());
    assert_kind(again, ErrorKind::AddrInUse);
}

#[test]
fn sockets_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<UdpSocket>();
}

/// Where sockets are descriptors, and tell whether they block.
#[cfg(unix)]
mod descriptors {
    use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

    use super::*;
    use crate::common::is_nonblocking;

    #[test]
    fn conversions_keep_the_socket() {
        let (socket, addr) = peer();
        let raw = socket.as_raw_fd();
        let socket = UdpSocket::try_from(socket).unwrap();
        assert!(is_nonblocking(&socket));
        let socket = UdpSocket::from(OwnedFd::from(socket));
        let socket = UdpSocket::from_std(net::UdpSocket::from(socket));
        assert_eq!(socket.as_raw_fd(), raw);
        assert_eq!(socket.as_fd().as_raw_fd(), raw);
        assert_eq!(socket.local_addr().unwrap(), addr);
    }

    #[test]
    #[allow(unsafe_code)]
    fn raw_descriptors_go_out_and_come_back() {
        let raw = UdpSocket::bind(loopback()).unwrap().into_raw_fd();
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let socket = unsafe { UdpSocket::from_raw_fd(raw) };
        assert_would_block(socket.recv(&mut [0; 8]));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a socket that blocks")]
    fn from_std_notices_a_socket_that_blocks() {
        UdpSocket::from_std(peer().0);
    }
}
