//! What `SourceFd` promises, on every backend: events may be spurious, and are never missing.
//!
//! With pipes, and what else only Unix has. On WASI tests/conformance shows it with sockets; Windows has a
//! `SourceSocket` instead.

#![cfg(all(unix, feature = "os-ext"))]

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use wakeful::event::Event;
use wakeful::unix::{pipe, SourceFd};
use wakeful::{Interest, Poll, Token};

use common::{assert_kind, assert_would_block, count_events, expect_event, poll_once, polls};

const SOURCE: Token = Token(1);

/// The ends of a pipe that the library knows nothing of.
fn foreign_pipe() -> (File, File) {
    let (sender, receiver) = pipe::new().unwrap();
    let (reader, writer) = (OwnedFd::from(receiver), OwnedFd::from(sender));
    (reader.into(), writer.into())
}

#[track_caller]
fn register(poll: &Poll, fd: RawFd, interest: Interest) {
    poll.registry()
        .register(&mut SourceFd(&fd), SOURCE, interest)
        .unwrap();
}

#[test]
fn each_write_to_a_drained_pipe_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut reader, mut writer) = foreign_pipe();
        register(&poll, reader.as_raw_fd(), Interest::READABLE);
        for round in 0..20 {
            writer.write_all(&[round]).unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            let mut buf = [0; 8];
            assert_eq!(reader.read(&mut buf).unwrap(), 1);
            assert_eq!(buf[0], round);
            assert_would_block(reader.read(&mut buf));
        }
        poll.registry()
            .deregister(&mut SourceFd(&reader.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn room_in_a_full_pipe_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut reader, mut writer) = foreign_pipe();
        register(&poll, writer.as_raw_fd(), Interest::WRITABLE);
        for _ in 0..5 {
            let mut written = 0;
            while let Ok(n) = writer.write(&[7; 4096]) {
                written += n;
            }
            reader.read_exact(&mut vec![0; written]).unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_writable);
        }
        poll.registry()
            .deregister(&mut SourceFd(&writer.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn a_closed_pipe_is_an_event() {
    for (mut poll, mut events) in polls() {
        let (mut reader, writer) = foreign_pipe();
        register(&poll, reader.as_raw_fd(), Interest::READABLE);
        drop(writer);
        expect_event(&mut poll, &mut events, SOURCE, Event::is_read_closed);
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
        poll.registry()
            .deregister(&mut SourceFd(&reader.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn a_write_between_two_polls_is_not_missed() {
    for (mut poll, mut events) in polls() {
        let (mut reader, mut writer) = foreign_pipe();
        register(&poll, reader.as_raw_fd(), Interest::READABLE);
        // Ready, drained and ready again, without a poll that could have seen it.
        for _ in 0..10 {
            writer.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), 1);
            writer.write_all(b"y").unwrap();
            expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), 1);
        }
        poll.registry()
            .deregister(&mut SourceFd(&reader.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn an_undrained_source_does_not_spin() {
    // 1 + 2 + 4 + ... + 128 ms: nine events fit, a loop that spins has thousands.
    const WINDOW: Duration = Duration::from_millis(300);
    for (mut poll, mut events) in polls() {
        let (reader, mut writer) = foreign_pipe();
        register(&poll, reader.as_raw_fd(), Interest::READABLE);
        writer.write_all(b"x").unwrap();

        let count = count_events(&mut poll, &mut events, SOURCE, WINDOW);
        assert!((1..=12).contains(&count), "{count} events");
        poll.registry()
            .deregister(&mut SourceFd(&reader.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn an_idle_writable_source_does_not_spin() {
    const WINDOW: Duration = Duration::from_millis(300);
    for (mut poll, mut events) in polls() {
        let (_reader, writer) = foreign_pipe();
        let both = Interest::READABLE | Interest::WRITABLE;
        register(&poll, writer.as_raw_fd(), both);

        let count = count_events(&mut poll, &mut events, SOURCE, WINDOW);
        assert!((1..=12).contains(&count), "{count} events");
        poll.registry()
            .deregister(&mut SourceFd(&writer.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn a_source_that_is_not_ready_has_no_events() {
    for (mut poll, mut events) in polls() {
        let (reader, _writer) = foreign_pipe();
        register(&poll, reader.as_raw_fd(), Interest::READABLE);
        poll_once(&mut poll, &mut events, Duration::from_millis(5));
        assert!(events.is_empty());
        poll.registry()
            .deregister(&mut SourceFd(&reader.as_raw_fd()))
            .unwrap();
    }
}

#[test]
fn reregistering_reports_what_is_ready_under_the_new_token() {
    for (mut poll, mut events) in polls() {
        let (reader, mut writer) = foreign_pipe();
        let fd = reader.as_raw_fd();
        register(&poll, fd, Interest::READABLE);
        writer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);

        poll.registry()
            .reregister(&mut SourceFd(&fd), Token(2), Interest::READABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, Token(2), Event::is_readable);
        assert!(events.iter().all(|event| event.token() != SOURCE));
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
    }
}

#[test]
fn a_deregistered_source_has_no_events() {
    for (mut poll, mut events) in polls() {
        let (reader, mut writer) = foreign_pipe();
        let fd = reader.as_raw_fd();
        register(&poll, fd, Interest::READABLE);
        writer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);

        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        let count = count_events(&mut poll, &mut events, SOURCE, Duration::from_millis(20));
        assert_eq!(count, 0);
    }
}

#[test]
fn misuse_is_an_error_of_the_same_kind_everywhere() {
    for (poll, _) in polls() {
        let (reader, _writer) = foreign_pipe();
        let fd = reader.as_raw_fd();
        let registry = poll.registry();
        let readable = Interest::READABLE;

        let early = registry.reregister(&mut SourceFd(&fd), SOURCE, readable);
        assert_kind(early, ErrorKind::NotFound);
        let early = registry.deregister(&mut SourceFd(&fd));
        assert_kind(early, ErrorKind::NotFound);

        register(&poll, fd, readable);
        let twice = registry.register(&mut SourceFd(&fd), SOURCE, readable);
        assert_kind(twice, ErrorKind::AlreadyExists);

        registry.deregister(&mut SourceFd(&fd)).unwrap();
        let late = registry.deregister(&mut SourceFd(&fd));
        assert_kind(late, ErrorKind::NotFound);
        register(&poll, fd, readable);
        registry.deregister(&mut SourceFd(&fd)).unwrap();
    }
}

#[test]
fn a_closed_descriptor_is_refused() {
    for (poll, _) in polls() {
        // A number far above what a process has.
        let fd = 1_000_000;
        let outcome = poll
            .registry()
            .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE);
        let code = outcome.unwrap_err().raw_os_error();
        assert_eq!(code, Some(rustix::io::Errno::BADF.raw_os_error()));
    }
}

#[test]
fn debug_shows_the_descriptor() {
    assert_eq!(format!("{:?}", SourceFd(&7)), "SourceFd(7)");
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    use std::os::fd::AsFd;

    use rustix::event::{eventfd, EventfdFlags};
    use rustix::time::{
        timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags,
        TimerfdTimerFlags, Timespec,
    };

    #[test]
    fn an_eventfd_reports_each_count() {
        for (mut poll, mut events) in polls() {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            let mut counter = File::from(eventfd(0, flags).unwrap());
            let fd = counter.as_raw_fd();
            register(&poll, fd, Interest::READABLE);
            for count in 1..=20_u64 {
                counter.write_all(&count.to_ne_bytes()).unwrap();
                expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
                let mut buf = [0; 8];
                counter.read_exact(&mut buf).unwrap();
                assert_eq!(u64::from_ne_bytes(buf), count);
            }
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        }
    }

    /// On epoll each write is an edge, drained or not; elsewhere the event comes again.
    #[test]
    fn an_eventfd_that_is_never_read_reports_each_count() {
        for (mut poll, mut events) in polls() {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            let mut counter = File::from(eventfd(0, flags).unwrap());
            let fd = counter.as_raw_fd();
            register(&poll, fd, Interest::READABLE);
            for _ in 0..5 {
                counter.write_all(&1_u64.to_ne_bytes()).unwrap();
                expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
            }
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        }
    }

    #[test]
    fn a_timerfd_reports_each_expiry() {
        for (mut poll, mut events) in polls() {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer: OwnedFd = timerfd_create(TimerfdClockId::Monotonic, flags).unwrap();
            let fd = timer.as_raw_fd();
            register(&poll, fd, Interest::READABLE);
            for _ in 0..5 {
                expire_soon(&timer);
                expect_event(&mut poll, &mut events, SOURCE, Event::is_readable);
                let mut expiries = [0; 8];
                rustix::io::read(&timer, &mut expiries).unwrap();
                assert_eq!(u64::from_ne_bytes(expiries), 1);
            }
            poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        }
    }

    /// Once, in a millisecond.
    fn expire_soon(timer: &impl AsFd) {
        let when = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let new = Itimerspec {
            it_interval: when(0),
            it_value: when(1_000_000),
        };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &new).unwrap();
    }
}
