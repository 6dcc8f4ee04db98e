//! What becomes of a registration when its source is converted into something else.

#![cfg(all(unix, feature = "os-poll", feature = "net"))]

mod common;

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd};

use common::{expect_event, polls};
use wakeful::net::UnixStream;
use wakeful::{Interest, Token};

const STREAM: Token = Token(4);

#[test]
#[allow(unsafe_code)] // from_raw_fd
fn a_source_that_was_converted_and_back_goes_on_reporting() {
    for (mut poll, mut events) in polls() {
        let (mut stream, mut peer) = UnixStream::pair().unwrap();
        let interest = Interest::READABLE;
        poll.registry()
            .register(&mut stream, STREAM, interest)
            .unwrap();

        // SAFETY: the descriptor was owned by the stream a moment ago, and by nobody now.
        let mut stream = unsafe { UnixStream::from_raw_fd(stream.into_raw_fd()) };
        for _ in 0..3 {
            peer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, STREAM, |event| event.is_readable());
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        }
    }
}
