//! What becomes of a registration when its source is converted into something else.

#![cfg(all(any(unix, windows), feature = "os-poll", feature = "net"))]

mod common;

use std::io::{Read, Write};
#[cfg(unix)]
use std::os::fd::{FromRawFd, IntoRawFd};
#[cfg(windows)]
use std::os::windows::io::{FromRawSocket, IntoRawSocket};

use common::{expect_event, polls};
#[cfg(windows)]
use wakeful::net::TcpStream as Stream;
#[cfg(unix)]
use wakeful::net::UnixStream as Stream;
use wakeful::{Interest, Token};

const STREAM: Token = Token(4);

#[test]
fn a_source_that_was_converted_and_back_goes_on_reporting() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = pair();
        let interest = Interest::READABLE;
        poll.registry()
            .register(&mut stream, STREAM, interest)
            .unwrap();

        let mut stream = there_and_back(stream);
        for _ in 0..3 {
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, STREAM, |event| event.is_readable());
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        }
    }
}

#[cfg(unix)]
fn pair() -> (Stream, Stream) {
    Stream::pair().unwrap()
}

#[cfg(windows)]
fn pair() -> (Stream, Stream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let one = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    (one.try_into().unwrap(), other.try_into().unwrap())
}

#[cfg(unix)]
#[allow(unsafe_code)] // from_raw_fd
fn there_and_back(stream: Stream) -> Stream {
    // SAFETY: the descriptor was owned by the stream a moment ago, and by nobody now.
    unsafe { Stream::from_raw_fd(stream.into_raw_fd()) }
}

#[cfg(windows)]
#[allow(unsafe_code)] // from_raw_socket
fn there_and_back(stream: Stream) -> Stream {
    // SAFETY: the socket was owned by the stream a moment ago, and by nobody now.
    unsafe { Stream::from_raw_socket(stream.into_raw_socket()) }
}
