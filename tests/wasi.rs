//! WASI: one thread, in which a wait that nothing can end is an error; and what of sockets there is.

#![cfg(all(
    target_os = "wasi",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wakeful::net::{TcpListener, TcpStream, UdpSocket};
use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Token, Waker};

#[path = "common/patience.rs"]
mod patience;
use patience::PATIENCE;

const TOKEN: Token = Token(7);

fn poll() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(8))
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[track_caller]
fn assert_deadlock(outcome: io::Result<()>) {
    let code = outcome.unwrap_err().raw_os_error();
    assert_eq!(code, Some(libc::EDEADLK));
}

#[test]
fn a_wait_that_nothing_can_end_is_an_error_and_changes_nothing() {
    let (mut poll, mut events) = poll();
    let waker = Waker::new(poll.registry(), TOKEN).unwrap();
    assert_deadlock(poll.poll(&mut events, None));
    waker.wake().unwrap();
    poll.poll(&mut events, None).unwrap();
    assert_eq!(events.iter().next().unwrap().token(), TOKEN);
    assert_deadlock(poll.poll(&mut events, None));
}

#[test]
fn a_timer_ends_a_wait_without_a_timeout() {
    let (mut poll, mut events) = poll();
    let mut timer = Timer::new();
    poll.registry()
        .register(&mut timer, TOKEN, Interest::READABLE)
        .unwrap();
    timer.set_after(Duration::from_millis(3));
    poll.poll(&mut events, None).unwrap();
    assert_eq!(events.iter().next().unwrap().token(), TOKEN);
}

/// wasmtime, on tokio, says of no stream that it is ready once it has been asked 128 times without a pause; a connection that
/// waits to be accepted is ready all the same.
#[cfg(not(target_env = "p1"))]
#[test]
fn what_is_always_ready_starves_no_stream() {
    const STREAM: Token = Token(8);
    let (mut poll, mut events) = poll();
    let mut listener = TcpListener::bind(loopback()).unwrap();
    let connect = || std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _waits) = (connect(), connect());
    let level = Interest::READABLE.level();
    poll.registry()
        .register(&mut listener, TOKEN, level)
        .unwrap();
    poll.poll(&mut events, None).unwrap();
    let mut stream = listener.accept().unwrap().0;
    poll.registry()
        .register(&mut stream, STREAM, level)
        .unwrap();
    peer.write_all(b"always").unwrap();

    // Many times as often as the host answers.
    let mut reported = 0;
    let deadline = Instant::now() + PATIENCE;
    while reported < 1_000 {
        assert!(Instant::now() < deadline, "reported {reported} times");
        poll.poll(&mut events, None).unwrap();
        let events = events.iter();
        reported += events.filter(|event| event.token() == STREAM).count();
    }
}

#[test]
fn a_wait_for_nothing_lasts_until_its_timeout() {
    let (mut poll, mut events) = poll();
    let time = Duration::from_micros(2_500);
    let start = Instant::now();
    poll.poll(&mut events, Some(time)).unwrap();
    assert!(start.elapsed() >= time);
    assert!(events.is_empty());
}

#[cfg(not(target_env = "p1"))]
#[test]
fn what_was_reported_and_not_drained_cannot_end_a_wait() {
    let (mut poll, mut events) = poll();
    let mut socket = UdpSocket::bind(loopback()).unwrap();
    poll.registry()
        .register(&mut socket, TOKEN, Interest::WRITABLE)
        .unwrap();
    poll.poll(&mut events, None).unwrap();
    assert_eq!(events.iter().next().unwrap().token(), TOKEN);
    assert_deadlock(poll.poll(&mut events, None));
}

#[cfg(target_env = "p1")]
#[test]
fn sockets_cannot_be_opened() {
    let kind = |outcome: io::Result<()>| outcome.unwrap_err().kind();
    assert_eq!(
        kind(TcpListener::bind(loopback()).map(drop)),
        ErrorKind::Unsupported
    );
    assert_eq!(
        kind(TcpStream::connect(loopback()).map(drop)),
        ErrorKind::Unsupported
    );
    assert_eq!(
        kind(UdpSocket::bind(loopback()).map(drop)),
        ErrorKind::Unsupported
    );
}

#[cfg(not(target_env = "p1"))]
#[test]
fn a_connection_is_made_without_waiting() {
    let (mut poll, mut events) = poll();
    let mut listener = TcpListener::bind(loopback()).unwrap();
    poll.registry()
        .register(&mut listener, TOKEN, Interest::READABLE)
        .unwrap();
    let nobody = listener.accept().unwrap_err().kind();
    assert_eq!(nobody, ErrorKind::WouldBlock);
    let _stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    poll.poll(&mut events, None).unwrap();
    assert_eq!(events.iter().next().unwrap().token(), TOKEN);
    listener.accept().unwrap();
}
