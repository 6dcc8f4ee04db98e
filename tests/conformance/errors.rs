//! X: errors.

use std::io::ErrorKind;
use std::time::Duration;

use wakeful::{Backend, Interest, Poll};

use crate::common::{assert_kind, expect_event};
use crate::stress::{on_each_backend, poll_of};
use crate::subjects::for_each;
use crate::{FIRST, SECOND};

#[test]
fn x1_what_is_registered_already_exists() {
    for_each(|trial| {
        let interest = Interest::READABLE;
        let other = poll_of(trial.poll.backend());
        trial.register(FIRST, interest);
        let source = trial.subject.source();
        let outcome = trial.poll.registry().register(source, FIRST, interest);
        assert_kind(outcome, ErrorKind::AlreadyExists);
        // What is raw belongs to nobody, so nobody knows.
        if trial.subject.is_seen() {
            let source = trial.subject.source();
            let outcome = other.registry().register(source, FIRST, interest);
            assert_kind(outcome, ErrorKind::AlreadyExists);
        }
        trial.deregister();
    });
}

#[test]
fn x1_what_is_not_registered_is_not_found() {
    for_each(|trial| {
        for _ in 0..2 {
            let registry = trial.poll.registry();
            let source = trial.subject.source();
            let outcome = registry.reregister(source, FIRST, Interest::READABLE);
            assert_kind(outcome, ErrorKind::NotFound);
            let source = trial.subject.source();
            assert_kind(registry.deregister(source), ErrorKind::NotFound);
            trial.register(FIRST, Interest::READABLE);
            trial.deregister();
        }
    });
}

#[test]
fn x2_a_registration_that_fails_leaves_everything_as_it_was() {
    for_each(|trial| {
        trial.register(FIRST, Interest::READABLE.level());
        trial.subject.make_ready();
        expect_event(&mut trial.poll, &mut trial.events, FIRST, |_| true);
        let source = trial.subject.source();
        let once = Interest::READABLE.oneshot();
        let outcome = trial.poll.registry().register(source, SECOND, once);
        assert_kind(outcome, ErrorKind::AlreadyExists);
        for _ in 0..3 {
            trial.expect_now(FIRST);
        }
        trial.deregister();
    });
}

/// What the poll of another registers it does not change.
#[test]
fn x2_a_change_by_another_poll_fails_and_changes_nothing() {
    for_each(|trial| {
        if !trial.subject.is_seen() {
            return;
        }
        let other = poll_of(trial.poll.backend());
        trial.register(FIRST, Interest::READABLE.level());
        trial.subject.make_ready();
        expect_event(&mut trial.poll, &mut trial.events, FIRST, |_| true);
        let (registry, once) = (other.registry(), Interest::READABLE.oneshot());
        let outcome = registry.reregister(trial.subject.source(), SECOND, once);
        assert_kind(outcome, ErrorKind::AlreadyExists);
        let outcome = registry.deregister(trial.subject.source());
        assert_kind(outcome, ErrorKind::AlreadyExists);
        for _ in 0..3 {
            trial.expect_now(FIRST);
        }
    });
}

/// Where a process can be given few descriptors.
#[cfg(target_os = "linux")]
mod of_limits {
    use std::fs::File;
    use std::io;

    use wakeful::net::UdpSocket;
    use wakeful::{Events, Token, Waker};

    use super::*;
    use crate::stress::{isolated, poll_now};
    use crate::subjects::loopback;

    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    #[allow(unsafe_code)]
    fn x3_want_of_descriptors_is_an_error_that_loses_nothing_and_passes() {
        let name =
            "errors::of_limits::x3_want_of_descriptors_is_an_error_that_loses_nothing_and_passes";
        isolated(name, || {
            let limit = libc::rlimit {
                rlim_cur: 64,
                rlim_max: 64,
            };
            // SAFETY: the struct lives during the call.
            let outcome = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
            assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
            on_each_backend(|backend| {
                let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
                let waker = Waker::new(poll.registry(), FIRST).unwrap();
                let mut socket = UdpSocket::bind(loopback()).unwrap();
                let mut hogs = Vec::new();
                let shortage = loop {
                    match File::open("/dev/null") {
                        Ok(file) => hogs.push(file),
                        Err(err) => break err,
                    }
                };
                for _ in 0..3 {
                    let new_poll = Poll::builder().backend(backend).build();
                    let errors = [new_poll.err(), UdpSocket::bind(loopback()).err()];
                    for err in errors.map(Option::unwrap) {
                        assert_eq!(err.raw_os_error(), shortage.raw_os_error());
                    }
                }
                // The poll that there is notices nothing.
                poll.registry()
                    .register(&mut socket, SECOND, Interest::WRITABLE)
                    .unwrap();
                let other = Waker::new(poll.registry(), Token(3)).unwrap();
                waker.wake().unwrap();
                other.wake().unwrap();
                let mut reported = Vec::new();
                while reported.len() < 3 {
                    reported.extend(poll_now(&mut poll, &mut events));
                }
                reported.sort_unstable();
                assert_eq!(reported, [3, FIRST.0, SECOND.0]);

                drop(hogs);
                poll_of(backend);
            });
        });
    }
}

#[test]
fn x4_a_backend_that_was_asked_for_is_used_or_unsupported() {
    for backend in [
        Backend::Epoll,
        Backend::Kqueue,
        Backend::EventPorts,
        Backend::Poll,
        Backend::Iocp,
    ] {
        match Poll::builder().backend(backend).build() {
            Ok(poll) => {
                assert!(Backend::available().contains(&backend));
                assert_eq!(poll.backend(), backend);
            }
            Err(err) => {
                assert!(!Backend::available().contains(&backend));
                assert_eq!(err.kind(), ErrorKind::Unsupported);
            }
        }
    }
}

#[test]
fn x5_what_a_backend_cannot_do_is_unsupported() {
    on_each_backend(|backend| {
        let builder = Poll::builder().backend(backend);
        let outcome = builder
            .busy_poll(Duration::from_micros(50), 8, false)
            .build();
        // Kernels before 6.9 cannot either.
        if backend != Backend::Epoll || outcome.is_err() {
            assert_kind(outcome, ErrorKind::Unsupported);
        }
    });
    for_each(|trial| {
        let exclusive = Interest::READABLE.exclusive();
        let source = trial.subject.source();
        let outcome = trial.poll.registry().register(source, FIRST, exclusive);
        if trial.poll.backend() != Backend::Epoll || outcome.is_err() {
            assert_kind(outcome, ErrorKind::Unsupported);
        } else {
            trial.deregister();
        }
    });
}
