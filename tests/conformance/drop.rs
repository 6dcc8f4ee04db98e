//! L: what outlives what.

use std::io::Read;
use std::sync::{Arc, Barrier};
use std::thread;

use wakeful::event::Event;
use wakeful::net::UdpSocket;
use wakeful::{Events, Interest, Poll, Token, Waker};

use crate::common::expect_event;
use crate::modes::MODES;
use crate::stress::{on_each_backend, poll_now, poll_of};
use crate::subjects::{for_each, loopback, subjects, tcp_pair};
use crate::{FIRST, SECOND};

fn wakers(poll: &Poll, tokens: impl IntoIterator<Item = usize>) -> Vec<Waker> {
    tokens
        .into_iter()
        .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
        .collect()
}

#[test]
fn l1_what_is_dropped_is_silent_in_every_mode() {
    let edge = Interest::READABLE;
    for mode in [edge, edge.level(), edge.oneshot()] {
        for_each(|trial| {
            trial.register(FIRST, mode);
            trial.subject.make_ready();
            trial.expect(FIRST);
            if !trial.subject.is_seen() {
                // Its owner has to, before it is closed.
                trial.deregister();
            }
            trial.subject = subjects().remove(0);
            trial.expect_silence();
        });
    }
}

#[test]
fn l1_a_registered_stream_that_is_dropped_is_closed() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE | Interest::WRITABLE)) {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let (mut stream, mut peer) = tcp_pair();
            poll.registry().register(&mut stream, FIRST, mode).unwrap();
            expect_event(&mut poll, &mut events, FIRST, Event::is_writable);
            drop(stream);
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
    });
}

#[test]
fn l2_sources_outlive_their_poll_and_go_to_another() {
    on_each_backend(|backend| {
        for mut subject in subjects() {
            eprintln!("source: {}", subject.name());
            for round in 0..3 {
                let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
                let registry = poll.registry().try_clone().unwrap();
                registry
                    .register(subject.source(), Token(round), Interest::READABLE)
                    .unwrap();
                subject.make_ready();
                expect_event(&mut poll, &mut events, Token(round), Event::is_readable);
                if !subject.is_seen() {
                    registry.deregister(subject.source()).unwrap();
                }
                drop(poll);
                // Nobody hears of it.
                subject.drain();
                subject.make_ready();
                drop(registry);
                subject.drain();
            }
        }
    });
}

#[test]
fn l2_wakers_and_registries_outlive_their_poll() {
    on_each_backend(|backend| {
        let poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), FIRST).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        drop(poll);
        waker.wake().unwrap();
        let mut socket = UdpSocket::bind(loopback()).unwrap();
        registry
            .register(&mut socket, SECOND, Interest::WRITABLE)
            .unwrap();
        registry.deregister(&mut socket).unwrap();
        Waker::new(&registry, SECOND).unwrap().wake().unwrap();
    });
}

/// Nothing to assert but that no memory is touched after its end: for sanitizers and Miri's kin.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn l3_polls_and_wakers_may_be_dropped_while_others_use_them() {
    on_each_backend(|backend| {
        for round in 0..300 {
            let mut poll = poll_of(backend);
            let barrier = Arc::new(Barrier::new(4));
            let threads: Vec<_> = wakers(&poll, 0..3)
                .into_iter()
                .map(|waker| {
                    let barrier = Arc::clone(&barrier);
                    thread::spawn(move || {
                        barrier.wait();
                        for _ in 0..20 {
                            waker.wake().unwrap();
                        }
                    })
                })
                .collect();

            barrier.wait();
            if round % 2 == 0 {
                poll_now(&mut poll, &mut Events::with_capacity(1));
            }
            drop(poll);

            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

/// Where a process can count what it has open.
#[cfg(any(unix, windows))]
mod of_processes {
    use super::*;
    use crate::stress::isolated;

    /// What a scenario leaves open, in a process that does nothing else.
    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn l4_nothing_is_left_open() {
        isolated("drop::of_processes::l4_nothing_is_left_open", || {
            on_each_backend(|backend| {
                let scenario = || {
                    let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(64));
                    let registry = poll.registry().try_clone().unwrap();
                    let wakers = wakers(&poll, 0..10);
                    let mut all = subjects();
                    for (token, subject) in all.iter_mut().enumerate() {
                        registry
                            .register(subject.source(), Token(token), Interest::READABLE)
                            .unwrap();
                        subject.make_ready();
                        expect_event(&mut poll, &mut events, Token(token), Event::is_readable);
                    }
                    wakers[0].wake().unwrap();
                    for subject in &mut all {
                        if !subject.is_seen() {
                            registry.deregister(subject.source()).unwrap();
                        }
                    }
                    drop(poll);
                    drop(all);
                    wakers[1].wake().unwrap();
                };
                // What is opened once and for all is opened by now.
                scenario();
                let before = open_descriptors();
                for _ in 0..3 {
                    scenario();
                }
                assert_eq!(open_descriptors(), before);
            });
        });
    }

    #[cfg(unix)]
    fn open_descriptors() -> usize {
        let folder = if cfg!(target_os = "linux") {
            "/proc/self/fd"
        } else {
            "/dev/fd"
        };
        std::fs::read_dir(folder).unwrap().count()
    }

    #[cfg(windows)]
    #[allow(unsafe_code)]
    fn open_descriptors() -> usize {
        use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};
        let mut count = 0;
        // SAFETY: cannot fail.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the number lives during the call.
        let outcome = unsafe { GetProcessHandleCount(process, &mut count) };
        assert_ne!(outcome, 0);
        count as usize
    }
}
