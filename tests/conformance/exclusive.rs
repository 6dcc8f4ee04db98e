//! M7, M8: several polls that watch one source, of which not all are woken. Epoll can; every other
//! backend says that it cannot.

use std::io::ErrorKind;

use wakeful::event::Event;
use wakeful::{Backend, Events, Interest, Poll};

use crate::common::{assert_kind, expect_event};
use crate::stress::{on_each_backend, poll_now, poll_of};
use crate::subjects::{subjects, user_space_subjects};
use crate::{FIRST, SECOND};

/// That the source is still registered as it was, under FIRST in level mode, and ready.
#[track_caller]
pub(crate) fn assert_unchanged(poll: &mut Poll, events: &mut Events) {
    assert_eq!(poll_now(poll, events), [FIRST.0]);
    assert_eq!(poll_now(poll, events), [FIRST.0]);
}

#[test]
fn m8_exclusive_is_unsupported_on_other_backends_and_changes_nothing() {
    let exclusive = Interest::READABLE.exclusive();
    on_each_backend(|backend| {
        if backend == Backend::Epoll {
            return;
        }
        for mut subject in subjects() {
            eprintln!("source: {}", subject.name());
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            for interest in [exclusive, exclusive.level(), exclusive.oneshot()] {
                let outcome = registry.register(subject.source(), SECOND, interest);
                assert_kind(outcome, ErrorKind::Unsupported);
            }
            let level = Interest::READABLE.level();
            registry.register(subject.source(), FIRST, level).unwrap();
            subject.make_ready();
            expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
            for interest in [exclusive, exclusive.level(), exclusive.oneshot()] {
                let outcome = registry.reregister(subject.source(), SECOND, interest);
                assert_kind(outcome, ErrorKind::Unsupported);
                assert_unchanged(&mut poll, &mut events);
            }
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn m8_exclusive_is_unsupported_for_user_space_sources_and_changes_nothing() {
    let exclusive = Interest::READABLE.exclusive();
    on_each_backend(|backend| {
        for mut subject in user_space_subjects() {
            eprintln!("source: {}", subject.name());
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            let outcome = registry.register(subject.source(), SECOND, exclusive);
            assert_kind(outcome, ErrorKind::Unsupported);
            assert_kind(registry.deregister(subject.source()), ErrorKind::NotFound);

            let level = Interest::READABLE.level();
            registry.register(subject.source(), FIRST, level).unwrap();
            subject.make_ready();
            let outcome = registry.reregister(subject.source(), SECOND, exclusive);
            assert_kind(outcome, ErrorKind::Unsupported);
            assert_unchanged(&mut poll, &mut events);
        }
    });
}

/// Where there is epoll.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod on_epoll {
    use std::io::{Read, Write};
    use std::net;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{mpsc, Arc, Barrier};
    use std::thread;

    use wakeful::unix::SourceFd;
    use wakeful::{Token, Waker};

    use super::*;
    use crate::stress::{spawn_numbered, wait_until_asleep, PATIENCE};
    use crate::subjects::{loopback, read_all, tcp_pair};

    const POLLS: usize = 8;

    /// Several polls that watch one listener, each in a thread that sleeps; in each round one client
    /// comes, and the round ends when so many polls have reported it as are `awaited`. For each round,
    /// how many have.
    fn woken_by_a_client(interest: Interest, rounds: usize, awaited: usize) -> Vec<usize> {
        let listener = net::TcpListener::bind(loopback()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let raw = listener.as_raw_fd();
        // Nobody polls between the end of a round and the beginning of the next one.
        let barrier = Arc::new(Barrier::new(POLLS + 1));
        let begun = Arc::new(AtomicUsize::new(0));
        let (sender, reports) = mpsc::channel();

        let pollers: Vec<_> = (0..POLLS)
            .map(|_| {
                let mut poll = poll_of(Backend::Epoll);
                poll.registry()
                    .register(&mut SourceFd(&raw), FIRST, interest)
                    .unwrap();
                let end_of_round = Waker::new(poll.registry(), SECOND).unwrap();
                let (sender, barrier) = (sender.clone(), Arc::clone(&barrier));
                let begun = Arc::clone(&begun);
                let poller = spawn_numbered(move || {
                    let mut events = Events::with_capacity(8);
                    for _ in 0..rounds {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let mut is_reported = false;
                        loop {
                            poll.poll(&mut events, Some(PATIENCE)).unwrap();
                            assert!(!events.is_empty());
                            let has = |token| events.iter().any(|event| event.token() == token);
                            if has(FIRST) && !is_reported {
                                is_reported = true;
                                sender.send(()).unwrap();
                            }
                            if has(SECOND) {
                                break;
                            }
                        }
                        barrier.wait();
                        barrier.wait();
                    }
                    poll.registry().deregister(&mut SourceFd(&raw)).unwrap();
                });
                (poller, end_of_round)
            })
            .collect();

        let mut woken = Vec::new();
        for round in 1..=rounds {
            while begun.load(Ordering::SeqCst) < round * POLLS {
                thread::yield_now();
            }
            for (poller, _) in &pollers {
                wait_until_asleep(poller.number);
            }
            let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            for _ in 0..awaited {
                let report = reports.recv_timeout(PATIENCE);
                report.expect("too few polls reported the client");
            }
            for (_, end_of_round) in &pollers {
                end_of_round.wake().unwrap();
            }
            barrier.wait();
            woken.push(awaited + reports.try_iter().count());
            // Not before: a poll does not report what is not there any more.
            drop(listener.accept().unwrap());
            drop(client);
            barrier.wait();
        }
        pollers.into_iter().for_each(|(poller, _)| poller.join());
        woken
    }

    #[test]
    fn m7_exclusive_wakes_one_or_a_few_and_not_all() {
        const ROUNDS: usize = 20;

        for exclusive in [
            Interest::READABLE.exclusive(),
            Interest::READABLE.level().exclusive(),
        ] {
            let woken = woken_by_a_client(exclusive, ROUNDS, 1);
            let sum: usize = woken.iter().sum();
            assert!(
                sum < POLLS * ROUNDS,
                "{exclusive:?}: all were woken: {woken:?}"
            );
        }
    }

    #[test]
    fn m7_without_exclusive_all_are_woken() {
        let woken = woken_by_a_client(Interest::READABLE, 5, POLLS);
        assert_eq!(woken, [POLLS; 5]);
    }

    #[test]
    fn m8_exclusive_reports_as_the_mode_beside_it_says() {
        for interest in [Interest::READABLE, Interest::READABLE.level()] {
            let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
            let (mut stream, mut peer) = tcp_pair();
            poll.registry()
                .register(&mut stream, FIRST, interest.exclusive())
                .unwrap();
            for _ in 0..3 {
                peer.write_all(b"x").unwrap();
                expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
                let again = poll_now(&mut poll, &mut events);
                assert_eq!(
                    again,
                    if interest.is_level() {
                        vec![FIRST.0]
                    } else {
                        vec![]
                    }
                );
                read_all(&mut stream);
                assert_eq!(poll_now(&mut poll, &mut events), []);
            }
            // A half-close can be read, and is not called so.
            peer.shutdown(net::Shutdown::Write).unwrap();
            expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        }
    }

    #[test]
    fn m9_reregistration_goes_to_exclusive_and_back() {
        let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
        let (mut stream, mut peer) = tcp_pair();
        let registry = poll.registry().try_clone().unwrap();
        let edge = Interest::READABLE;
        registry.register(&mut stream, FIRST, edge).unwrap();
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);

        let steps = [
            edge.exclusive(),
            edge.exclusive(),
            edge.level().exclusive(),
            edge,
            edge.exclusive(),
            edge.oneshot(),
            edge.exclusive(),
            edge.level(),
        ];
        for (number, step) in steps.into_iter().enumerate() {
            let token = Token(number);
            registry.reregister(&mut stream, token, step).unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [token.0], "{step:?}");
        }
        read_all(&mut stream);
        assert_eq!(poll_now(&mut poll, &mut events), []);
        registry.deregister(&mut stream).unwrap();
        assert_kind(
            registry.reregister(&mut stream, FIRST, edge.exclusive()),
            ErrorKind::NotFound,
        );
    }

    #[test]
    fn m8_exclusive_is_refused_with_one_shot_and_priority_and_changes_nothing() {
        let exclusive = Interest::READABLE.exclusive();
        let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
        let registry = poll.registry().try_clone().unwrap();
        let (mut stream, mut peer) = tcp_pair();
        let refused = [exclusive.oneshot(), exclusive | Interest::PRIORITY];
        for interest in refused {
            assert_kind(
                registry.register(&mut stream, SECOND, interest),
                ErrorKind::InvalidInput,
            );
        }
        let level = Interest::READABLE.level();
        registry.register(&mut stream, FIRST, level).unwrap();
        peer.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, FIRST, Event::is_readable);
        for interest in refused {
            assert_kind(
                registry.reregister(&mut stream, SECOND, interest),
                ErrorKind::InvalidInput,
            );
            assert_unchanged(&mut poll, &mut events);
        }
    }

    /// The kernel does not do that; what was registered before stays.
    #[test]
    fn m8_a_poll_cannot_be_watched_exclusively() {
        let inner = poll_of(Backend::Epoll);
        let (mut poll, mut events) = (poll_of(Backend::Epoll), Events::with_capacity(8));
        let raw = inner.as_raw_fd();
        let registry = poll.registry().try_clone().unwrap();
        let exclusive = Interest::READABLE.exclusive();
        assert!(registry
            .register(&mut SourceFd(&raw), SECOND, exclusive)
            .is_err());

        let level = Interest::READABLE.level();
        registry
            .register(&mut SourceFd(&raw), FIRST, level)
            .unwrap();
        Waker::new(inner.registry(), Token(0))
            .unwrap()
            .wake()
            .unwrap();
        assert_unchanged(&mut poll, &mut events);
        assert!(registry
            .reregister(&mut SourceFd(&raw), SECOND, exclusive)
            .is_err());
        assert_unchanged(&mut poll, &mut events);
    }
}
