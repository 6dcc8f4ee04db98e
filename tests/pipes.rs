//! What pipes promise, on every backend.

#![cfg(all(unix, feature = "os-ext"))]

mod common;

use std::fs::File;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::process::{Command, Stdio};

use wakeful::event::Event;
use wakeful::unix::pipe::{self, Receiver, Sender};
use wakeful::{Backend, Interest, Poll, Token};

use common::{
    assert_kind, assert_nonblocking_and_cloexec, assert_would_block, expect_event, is_nonblocking,
    polls, when_ready,
};

const SENDER: Token = Token(1);
const RECEIVER: Token = Token(2);

fn registered(poll: &Poll) -> (Sender, Receiver) {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    let registry = poll.registry();
    registry
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    registry
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    (sender, receiver)
}

/// Writes until there is no room; tells how much there was.
#[track_caller]
fn fill(mut sender: &Sender) -> usize {
    let mut written = 0;
    loop {
        match sender.write(&[7; 4096]) {
            Ok(n) => written += n,
            Err(err) if err.kind() == ErrorKind::WouldBlock => return written,
            Err(err) => panic!("{err}"),
        }
    }
}

#[test]
fn what_is_sent_is_an_event_and_can_be_read() {
    for (mut poll, mut events) in polls() {
        let (mut sender, mut receiver) = registered(&poll);
        for round in 0..10 {
            expect_nothing_to_read(&receiver);
            sender.write_all(&[round; 3]).unwrap();
            sender.flush().unwrap();
            expect_event(&mut poll, &mut events, RECEIVER, Event::is_readable);
            let mut buf = [0; 3];
            receiver.read_exact(&mut buf).unwrap();
            assert_eq!(buf, [round; 3]);
        }
    }
}

#[track_caller]
fn expect_nothing_to_read(mut receiver: &Receiver) {
    assert_would_block(receiver.read(&mut [0; 8]));
}

#[test]
fn the_next_bytes_after_a_short_read_are_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut sender, mut receiver) = registered(&poll);
        for _ in 0..10 {
            sender.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, RECEIVER, Event::is_readable);
            assert_eq!(receiver.read(&mut [0; 8]).unwrap(), 1);
        }
    }
}

#[test]
fn room_after_a_write_that_blocked_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (sender, mut receiver) = registered(&poll);
        for _ in 0..3 {
            let written = fill(&sender);
            receiver.read_exact(&mut vec![0; written]).unwrap();
            expect_event(&mut poll, &mut events, SENDER, Event::is_writable);
            assert_eq!((&sender).write(b"x").unwrap(), 1);
            assert_eq!((&receiver).read(&mut [0; 8]).unwrap(), 1);
        }
    }
}

#[test]
fn vectored_io_keeps_the_order() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    let bufs = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    assert_eq!(sender.write_vectored(&bufs).unwrap(), 7);
    assert_eq!((&sender).write_vectored(&bufs).unwrap(), 7);

    let (mut one, mut two) = ([0; 8], [0; 8]);
    let bufs = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(receiver.read_vectored(bufs).unwrap(), 14);
    assert_eq!((&one, &two), (b"one twoo", b"ne two\0\0"));
    assert_would_block((&receiver).read_vectored(&mut [IoSliceMut::new(&mut one)]));
}

#[test]
fn a_sender_that_is_dropped_is_read_closed() {
    for (mut poll, mut events) in polls() {
        let (mut sender, mut receiver) = registered(&poll);
        sender.write_all(b"the rest").unwrap();
        drop(sender);

        expect_event(&mut poll, &mut events, RECEIVER, Event::is_read_closed);
        let mut rest = Vec::new();
        receiver.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"the rest");
    }
}

#[test]
fn a_receiver_that_is_dropped_is_write_closed() {
    for (mut poll, mut events) in polls() {
        let (mut sender, receiver) = registered(&poll);
        drop(receiver);

        let event = expect_event(&mut poll, &mut events, SENDER, Event::is_write_closed);
        // What else it is depends on the system.
        assert!(event.is_error() || poll.backend() != Backend::Epoll);
        assert_kind(sender.write(b"x"), ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_receiver_that_is_dropped_wakes_a_sender_that_blocked() {
    for (mut poll, mut events) in polls() {
        let (mut sender, receiver) = registered(&poll);
        fill(&sender);
        drop(receiver);
        let outcome = when_ready(
            &mut poll,
            &mut events,
            SENDER,
            Event::is_write_closed,
            || sender.write(b"x"),
        );
        assert_kind(outcome, ErrorKind::BrokenPipe);
    }
}

#[test]
fn try_io_arms_what_blocked() {
    for (mut poll, mut events) in polls() {
        let (mut sender, receiver) = registered(&poll);
        let mut duplicate = File::from(receiver.as_fd().try_clone_to_owned().unwrap());
        for _ in 0..3 {
            assert_would_block(receiver.try_io(|| duplicate.read(&mut [0; 8])));
            assert_eq!(sender.try_io(|| Ok(5)).unwrap(), 5);
            sender.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, RECEIVER, Event::is_readable);
            assert_eq!(receiver.try_io(|| duplicate.read(&mut [0; 8])).unwrap(), 1);
        }
    }
}

#[test]
fn both_ends_are_opened_with_their_flags() {
    let (sender, receiver) = pipe::new().unwrap();
    assert_nonblocking_and_cloexec(&sender);
    assert_nonblocking_and_cloexec(&receiver);
}

#[test]
fn blocking_is_set_and_unset() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    for nonblocking in [false, true] {
        sender.set_nonblocking(nonblocking).unwrap();
        receiver.set_nonblocking(nonblocking).unwrap();
        assert_eq!(is_nonblocking(&sender), nonblocking);
        assert_eq!(is_nonblocking(&receiver), nonblocking);
    }

    // A read that waits for what another thread writes.
    receiver.set_nonblocking(false).unwrap();
    let reader = std::thread::spawn(move || {
        let mut buf = [0; 5];
        receiver.read_exact(&mut buf).map(|()| buf)
    });
    sender.write_all(b"hello").unwrap();
    assert_eq!(&reader.join().unwrap().unwrap(), b"hello");
}

#[test]
fn a_child_is_fed_and_heard() {
    for (mut poll, mut events) in polls() {
        let mut child = Command::new("sh")
            .args(["-c", "cat; echo done >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = Sender::from(child.stdin.take().unwrap());
        let mut stdout = Receiver::from(child.stdout.take().unwrap());
        let mut stderr = Receiver::from(child.stderr.take().unwrap());
        // A conversion changes nothing.
        assert!(!is_nonblocking(&stdin));
        assert!(!is_nonblocking(&stdout));
        assert!(!is_nonblocking(&stderr));
        stdin.set_nonblocking(true).unwrap();
        stdout.set_nonblocking(true).unwrap();
        stderr.set_nonblocking(true).unwrap();

        let registry = poll.registry();
        registry
            .register(&mut stdin, SENDER, Interest::WRITABLE)
            .unwrap();
        registry
            .register(&mut stdout, RECEIVER, Interest::READABLE)
            .unwrap();
        registry
            .register(&mut stderr, Token(3), Interest::READABLE)
            .unwrap();

        expect_event(&mut poll, &mut events, SENDER, Event::is_writable);
        stdin.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        let n = when_ready(&mut poll, &mut events, RECEIVER, Event::is_readable, || {
            stdout.read(&mut heard)
        });
        assert_eq!(&heard[..n.unwrap()], b"hello");

        drop(stdin);
        let mut complaints = Vec::new();
        let readable_or_closed = |event: &Event| event.is_readable() || event.is_read_closed();
        when_ready(&mut poll, &mut events, Token(3), readable_or_closed, || {
            stderr.read_to_end(&mut complaints)
        })
        .unwrap();
        assert_eq!(complaints, b"done\n");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_child_inherits_no_pipe() {
    for (mut poll, mut events) in polls() {
        let (sender, mut receiver) = registered(&poll);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();

        // If the child had the sender, this would not be the last one. (What another test spawns
        // has it for a moment, until it executes its program.)
        drop(sender);
        let outcome = when_ready(
            &mut poll,
            &mut events,
            RECEIVER,
            Event::is_read_closed,
            || receiver.read(&mut [0; 8]),
        );
        assert_eq!(outcome.unwrap(), 0);

        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

#[test]
fn conversions_keep_the_pipe() {
    let (sender, receiver) = pipe::new().unwrap();
    let (raw_sender, raw_receiver) = (sender.as_raw_fd(), receiver.as_raw_fd());
    let mut sender = Sender::from(OwnedFd::from(sender));
    let mut receiver = Receiver::from(OwnedFd::from(receiver));
    assert_eq!(sender.as_raw_fd(), raw_sender);
    assert_eq!(sender.as_fd().as_raw_fd(), raw_sender);
    assert_eq!(receiver.as_raw_fd(), raw_receiver);
    assert_eq!(receiver.as_fd().as_raw_fd(), raw_receiver);

    sender.write_all(b"hello").unwrap();
    let mut buf = [0; 5];
    receiver.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"hello");
}

#[test]
#[allow(unsafe_code)]
fn raw_descriptors_go_out_and_come_back() {
    let (sender, receiver) = pipe::new().unwrap();
    let raw = sender.into_raw_fd();
    // SAFETY: `into_raw_fd` gave up the descriptor.
    let mut sender = unsafe { Sender::from_raw_fd(raw) };
    let raw = receiver.into_raw_fd();
    // SAFETY: as above.
    let mut receiver = unsafe { Receiver::from_raw_fd(raw) };

    sender.write_all(b"x").unwrap();
    assert_eq!(receiver.read(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn ends_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<Sender>();
    is_send_and_sync::<Receiver>();
}
