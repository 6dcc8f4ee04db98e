//! P: one thread polls, and others register, change, deregister and drop.

use std::io::Read;
use std::sync::{Arc, Barrier};
use std::thread;

use wakeful::event::Readiness;
use wakeful::net::UdpSocket;
use wakeful::time::Timer;
use wakeful::{user, Events, Interest, Token, Waker};

use crate::brief_thread::on_a_thread_that_ends;
use crate::modes::MODES;
use crate::poller::{Poller, WAKE};
use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_some, tokens, wait_until_asleep, Dice, PATIENCE,
};
use crate::subjects::{loopback, subjects, tcp_pair};
use crate::FIRST;

fn udp() -> UdpSocket {
    UdpSocket::bind(loopback()).unwrap()
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p1_what_is_registered_during_a_wait_is_reported() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        for token in 0..200 {
            let mut socket = udp();
            if token % 4 == 0 {
                wait_until_asleep(poller.thread.number);
            }
            poller
                .registry
                .register(&mut socket, Token(token), Interest::WRITABLE)
                .unwrap();
            assert_eq!(poller.next(), [token]);
        }
        poller.stop();
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p2_sources_may_be_dropped_while_they_are_being_reported() {
    on_each_backend(|backend| {
        for capacity in [1, 64] {
            let poller = Poller::start(backend, capacity);
            for round in 0..100 {
                let mut sockets: Vec<_> = (0..8).map(|_| udp()).collect();
                for socket in &mut sockets {
                    poller
                        .registry
                        .register(socket, Token(round), Interest::WRITABLE)
                        .unwrap();
                }
                drop(sockets);
                let mut reported = poller.until_woken();
                reported.retain(|&token| token != round);
                assert_eq!(reported, []);
                assert_eq!(poller.until_woken(), []);
            }
            poller.stop();
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p1_many_threads_register_with_registries_of_their_own() {
    const THREADS: usize = 6;
    const SOURCES: usize = 40;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(16));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let registry = poll.registry().try_clone().unwrap();
                thread::spawn(move || {
                    let mut dice = Dice::new(number as u64);
                    let mut sockets: Vec<_> = (0..SOURCES).map(|_| udp()).collect();
                    for (n, socket) in sockets.iter_mut().enumerate() {
                        let token = Token(number * SOURCES + n);
                        let other = Token(WAKE);
                        let registry = registry.try_clone().unwrap();
                        registry
                            .register(socket, other, Interest::READABLE)
                            .unwrap();
                        dice.dawdle();
                        registry.deregister(socket).unwrap();
                        dice.dawdle();
                        registry
                            .register(socket, token, Interest::WRITABLE)
                            .unwrap();
                    }
                    sockets
                })
            })
            .collect();

        let mut reported = vec![0; THREADS * SOURCES];
        while reported.contains(&0) {
            poll_some(&mut poll, &mut events);
            for token in tokens(&events) {
                assert_ne!(token, WAKE, "no socket has anything to read");
                reported[token] += 1;
            }
        }
        assert!(reported.iter().all(|&n| n == 1), "{reported:?}");
        threads
            .into_iter()
            .for_each(|thread| drop(thread.join().unwrap()));
    });
}

/// Whatever the kind of source: it comes, changes and goes while the poll waits.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p1_every_kind_of_source_comes_and_goes_during_a_wait() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 4);
        for mut subject in subjects() {
            eprintln!("source: {}", subject.name());
            for round in 0..10 {
                let (token, next) = (Token(2 * round), Token(2 * round + 1));
                poller
                    .registry
                    .register(subject.source(), token, Interest::READABLE)
                    .unwrap();
                if round % 2 == 0 {
                    wait_until_asleep(poller.thread.number);
                }
                subject.make_ready();
                assert!(poller.next().contains(&token.0));
                poller
                    .registry
                    .reregister(subject.source(), next, Interest::READABLE.oneshot())
                    .unwrap();
                while !poller.next().contains(&next.0) {}
                poller.registry.deregister(subject.source()).unwrap();
                subject.drain();
                poller.until_woken();
                assert_eq!(poller.until_woken(), []);
            }
        }
        poller.stop();
    });
}

/// While a system call waits, the kernel holds on to the files that it was given: nobody notices
/// who only drops.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p2_what_is_dropped_during_a_wait_is_closed_at_once() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            for deregisters in [false, true] {
                let (mut stream, mut peer) = tcp_pair();
                let poller = Poller::start(backend, 8);
                poller.registry.register(&mut stream, FIRST, mode).unwrap();
                wait_until_asleep(poller.thread.number);
                if deregisters {
                    poller.registry.deregister(&mut stream).unwrap();
                }
                drop(stream);
                peer.set_read_timeout(Some(PATIENCE)).unwrap();
                assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
                assert_eq!(poller.until_woken(), []);
                poller.stop();
            }
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p3_timers_sources_and_wakers_are_used_by_many_threads_while_they_are_registered_anew() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 300;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(4));
        let registry = poll.registry().try_clone().unwrap();
        let waker = Arc::new(Waker::new(&registry, Token(0)).unwrap());
        let (mut source, readiness) = user::source();
        let mut timer = Timer::new();
        let over = Arc::new(Waker::new(&registry, Token(9)).unwrap());
        let interest = Interest::READABLE;
        registry.register(&mut source, Token(1), interest).unwrap();
        registry.register(&mut timer, Token(2), interest).unwrap();
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (waker, readiness) = (Arc::clone(&waker), readiness.clone());
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    let mut dice = Dice::new(number as u64);
                    barrier.wait();
                    for _ in 0..ROUNDS {
                        readiness.set(Readiness::READABLE).unwrap();
                        waker.wake().unwrap();
                        dice.dawdle();
                        readiness.clear(Readiness::READABLE);
                    }
                    readiness.set(Readiness::READABLE).unwrap();
                    waker.wake().unwrap();
                })
            })
            .collect();
        let changing = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    let mode = MODES[round % MODES.len()](interest);
                    registry.reregister(&mut source, Token(1), mode).unwrap();
                    registry.reregister(&mut timer, Token(2), mode).unwrap();
                    timer.set_after(std::time::Duration::from_nanos(round as u64));
                    if round % 7 == 0 {
                        registry.deregister(&mut source).unwrap();
                        registry.register(&mut source, Token(1), mode).unwrap();
                    }
                }
                threads
                    .into_iter()
                    .for_each(|thread| thread.join().unwrap());
                // All is over; what is ready now is reported.
                let level = interest.level();
                registry.reregister(&mut source, Token(1), level).unwrap();
                timer.cancel();
                timer.set_after(std::time::Duration::ZERO);
                registry.reregister(&mut timer, Token(2), level).unwrap();
                over.wake().unwrap();
                (source, timer)
            }
        });
        let mut is_over = false;
        while !is_over {
            poll_some(&mut poll, &mut events);
            is_over = tokens(&events).contains(&9);
        }
        let (_source, timer) = changing.join().unwrap();
        let mut reported = [false; 3];
        while !(reported[1] && reported[2]) {
            poll_some(&mut poll, &mut events);
            for token in tokens(&events) {
                reported[token] = true;
            }
        }
        assert!(timer.expirations() >= 1);
        waker.wake().unwrap();
        while !tokens(&events).contains(&0) {
            poll_some(&mut poll, &mut events);
        }
    });
}

/// On Windows the system calls back what a thread has asked for when that thread ends.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn p4_what_a_thread_has_begun_outlives_it() {
    on_each_backend(|backend| {
        for mode in MODES.map(|mode| mode(Interest::READABLE)) {
            for mut subject in subjects() {
                eprintln!("source: {}, mode: {mode:?}", subject.name());
                let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(4));
                let registry = poll.registry();
                on_a_thread_that_ends(|| {
                    registry.register(subject.source(), FIRST, mode).unwrap();
                });
                for round in 0..3 {
                    on_a_thread_that_ends(|| {
                        // Asks the system, and ends before the answer.
                        assert_eq!(poll_now(&mut poll, &mut events), [], "round {round}");
                    });
                    on_a_thread_that_ends(|| subject.make_ready());
                    poll_some(&mut poll, &mut events);
                    assert_eq!(tokens(&events), [FIRST.0]);
                    let registry = poll.registry();
                    on_a_thread_that_ends(|| {
                        subject.drain();
                        registry.reregister(subject.source(), FIRST, mode).unwrap();
                    });
                }
            }
        }
    });
}
