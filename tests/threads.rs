//! One thread polls while others register, change, deregister and drop.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/poller.rs"]
mod poller;
#[path = "common/stress.rs"]
mod stress;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;

use wakeful::net::{TcpListener, TcpStream, UdpSocket};
use wakeful::{Events, Interest, Poll, Token, Waker};

use poller::{Poller, WAKE};
use stress::{on_each_backend, poll_of, poll_some, tokens, wait_until_asleep, Dice};

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[cfg(unix)]
#[test]
fn raw_descriptors_registered_during_a_wait_are_reported() {
    use std::os::fd::AsRawFd;
    use wakeful::unix::SourceFd;

    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        for token in 0..100 {
            let (mut sender, receiver) = pipe::new().unwrap();
            let fd = receiver.as_raw_fd();
            poller
                .registry
                .register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
                .unwrap();
            wait_until_asleep(poller.thread.number);
            sender.write_all(b"x").unwrap();
            assert_eq!(poller.next(), [token]);
            poller.registry.deregister(&mut SourceFd(&fd)).unwrap();
            // It was never drained, so it may have been reported again meanwhile.
            assert!(poller.until_woken().iter().all(|&other| other == token));
        }
        poller.stop();
    });
}

/// Event ports forget a descriptor when they report it, which is not to be taken for its end.
#[cfg(unix)]
#[test]
fn a_second_registration_is_refused_also_while_the_first_is_reported() {
    use std::io::ErrorKind;
    use std::os::fd::AsRawFd;
    use wakeful::unix::SourceFd;

    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let fd = receiver.as_raw_fd();
        let register = |token| {
            let mut source = SourceFd(&fd);
            let registry = &poller.registry;
            registry.register(&mut source, Token(token), Interest::READABLE)
        };
        register(1).unwrap();
        for _ in 0..500 {
            sender.write_all(b"x").unwrap();
            let second = register(2).unwrap_err();
            assert_eq!(second.kind(), ErrorKind::AlreadyExists);
            receiver.read_exact(&mut [0]).unwrap();
        }
        assert!(poller.until_woken().iter().all(|&token| token == 1));
        poller.stop();
    });
}

/// Some kernels take no knote for such a pipe, so nothing of theirs ends the wait.
#[cfg(unix)]
#[test]
fn a_pipe_without_a_reader_that_is_registered_during_a_wait_is_reported() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        for round in 0..20 {
            let (mut sender, receiver) = pipe::new().unwrap();
            drop(receiver);
            wait_until_asleep(poller.thread.number);
            let (first, second) = (2 * round, 2 * round + 1);
            poller
                .registry
                .register(&mut sender, Token(first), Interest::WRITABLE)
                .unwrap();
            assert_eq!(poller.next(), [first]);
            wait_until_asleep(poller.thread.number);
            poller
                .registry
                .reregister(&mut sender, Token(second), Interest::WRITABLE)
                .unwrap();
            assert_eq!(poller.next(), [second]);
            poller.registry.deregister(&mut sender).unwrap();
        }
        poller.stop();
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn new_token_and_interest_hold_during_a_wait() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = pipe::pair().unwrap();
        poller
            .registry
            .register(&mut here, Token(0), Interest::READABLE)
            .unwrap();
        for round in 1..200 {
            if round % 4 == 0 {
                wait_until_asleep(poller.thread.number);
            }
            // Not readable, but writable.
            poller
                .registry
                .reregister(&mut here, Token(2 * round), Interest::WRITABLE)
                .unwrap();
            assert_eq!(poller.next(), [2 * round]);
            // And the other way round: silent until there is something to read.
            poller
                .registry
                .reregister(&mut here, Token(2 * round + 1), Interest::READABLE)
                .unwrap();
            assert_eq!(poller.until_woken(), []);
            there.write_all(b"x").unwrap();
            assert_eq!(poller.next(), [2 * round + 1]);
            here.read_exact(&mut [0]).unwrap();
        }
        poller.stop();
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn what_is_ready_at_reregistration_is_reported_anew() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = pipe::pair().unwrap();
        there.write_all(b"x").unwrap();
        poller
            .registry
            .register(&mut here, Token(0), Interest::READABLE)
            .unwrap();
        assert_eq!(poller.next(), [0]);
        for token in 1..200 {
            poller
                .registry
                .reregister(&mut here, Token(token), Interest::READABLE)
                .unwrap();
            assert_eq!(poller.next(), [token]);
        }
        poller.stop();
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn what_is_deregistered_is_not_reported_afterwards() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = pipe::pair().unwrap();
        for token in 0..500 {
            poller
                .registry
                .register(&mut here, Token(token), Interest::READABLE)
                .unwrap();
            if token % 4 == 0 {
                wait_until_asleep(poller.thread.number);
            }
            poller.registry.deregister(&mut here).unwrap();
            // It was never ready while it was registered.
            there.write_all(b"x").unwrap();
            assert_eq!(poller.until_woken(), []);
            here.read_exact(&mut [0]).unwrap();
        }
        poller.stop();
    });
}

/// The number of a closed descriptor is given to the next one, which is opened at once.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn what_is_dropped_is_not_reported_under_its_token_afterwards() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        for token in 0..300 {
            let (mut here, mut there) = pipe::pair().unwrap();
            poller
                .registry
                .register(&mut here, Token(2 * token), Interest::READABLE)
                .unwrap();
            if token % 4 == 0 {
                wait_until_asleep(poller.thread.number);
            }
            drop(here);
            let _ = there.write_all(b"nobody reads this");
            drop(there);
            let (mut here, mut there) = pipe::pair().unwrap();
            // What was seen before the drop may still be under way; nothing is after this.
            let before = poller.until_woken();
            assert!(before.iter().all(|&other| other == 2 * token));

            poller
                .registry
                .register(&mut here, Token(2 * token + 1), Interest::READABLE)
                .unwrap();
            there.write_all(b"x").unwrap();
            assert_eq!(poller.next(), [2 * token + 1]);
            assert_eq!(poller.until_woken(), []);
            // Before its peer, whose end it would report.
            drop(here);
        }
        poller.stop();
    });
}

/// Threads that use sources of one poll at once, each its own: reading arms, and the poller waits.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn connections_are_served_by_others_than_the_poller() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 300;

    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        poll.registry()
            .register(&mut listener, Token(CLIENTS), Interest::READABLE)
            .unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                thread::spawn(move || {
                    let mut stream = std::net::TcpStream::connect(address).unwrap();
                    stream.set_nodelay(true).unwrap();
                    for round in 0..ROUNDS {
                        let sent = (round as u64).to_le_bytes();
                        stream.write_all(&sent).unwrap();
                        let mut echo = [0; 8];
                        stream.read_exact(&mut echo).unwrap();
                        assert_eq!(echo, sent);
                    }
                })
            })
            .collect();

        let served = Arc::new(AtomicUsize::new(0));
        let done = Waker::new(poll.registry(), Token(WAKE)).unwrap();
        let done = Arc::new(done);
        let mut servers: Vec<mpsc::Sender<()>> = Vec::new();
        let mut events = Events::with_capacity(4);
        while served.load(Ordering::Relaxed) < CLIENTS {
            poll_some(&mut poll, &mut events);
            for token in tokens(&events) {
                if token == CLIENTS {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let token = Token(servers.len());
                        poll.registry()
                            .register(&mut stream, token, Interest::READABLE)
                            .unwrap();
                        let (sender, events) = mpsc::channel();
                        servers.push(sender);
                        let (served, done) = (Arc::clone(&served), Arc::clone(&done));
                        thread::spawn(move || {
                            echo(stream, &events);
                            served.fetch_add(1, Ordering::Relaxed);
                            done.wake().unwrap();
                        });
                    }
                } else if token < CLIENTS {
                    let _ = servers[token].send(());
                }
            }
        }
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    });
}

/// Reads until it would block at each event, and answers; ends with the peer.
fn echo(mut stream: TcpStream, events: &mpsc::Receiver<()>) {
    let mut room = [0; 64];
    while events.recv().is_ok() {
        loop {
            match stream.read(&mut room) {
                Ok(0) => return,
                Ok(n) => stream.write_all(&room[..n]).unwrap(),
                Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
    }
}

/// Everything at once, for as long as a few thousand operations take.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn churn_brings_no_event_of_what_is_gone() {
    const THREADS: usize = 3;

    on_each_backend(|backend| {
        let mut poll: Poll = poll_of(backend);
        // Tokens below this are of sources that were gone before the current poll began.
        let gone: Arc<[AtomicUsize; THREADS]> = Arc::default();
        let running = Arc::new(AtomicUsize::new(THREADS));
        let waker = Arc::new(Waker::new(poll.registry(), Token(WAKE)).unwrap());
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let registry = poll.registry().try_clone().unwrap();
                let (gone, running) = (Arc::clone(&gone), Arc::clone(&running));
                let waker = Arc::clone(&waker);
                thread::spawn(move || {
                    let mut dice = Dice::new(number as u64 + 1);
                    for round in 0..700 {
                        let token = Token(round * THREADS + number);
                        let (mut here, mut there) = pipe::pair().unwrap();
                        let interest = match dice.below(3) {
                            0 => Interest::READABLE,
                            1 => Interest::WRITABLE,
                            _ => Interest::READABLE | Interest::WRITABLE,
                        };
                        registry.register(&mut here, token, interest).unwrap();
                        there.write_all(b"x").unwrap();
                        dice.dawdle();
                        if dice.below(2) == 0 {
                            registry.reregister(&mut here, token, interest).unwrap();
                            dice.dawdle();
                        }
                        match dice.below(3) {
                            0 => drop(here),
                            1 => registry.deregister(&mut here).unwrap(),
                            _ => {
                                drop(there);
                                dice.dawdle();
                                drop(here);
                            }
                        }
                        gone[number].store(round + 1, Ordering::Release);
                    }
                    running.fetch_sub(1, Ordering::Release);
                    waker.wake().unwrap();
                })
            })
            .collect();

        let mut events = Events::with_capacity(3);
        while running.load(Ordering::Acquire) > 0 {
            let gone: [usize; THREADS] =
                std::array::from_fn(|number| gone[number].load(Ordering::Acquire));
            poll_some(&mut poll, &mut events);
            for token in tokens(&events) {
                if token != WAKE {
                    let (round, number) = (token / THREADS, token % THREADS);
                    assert!(round >= gone[number], "{token} was gone before this poll");
                }
            }
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn registries_and_sources_outlive_their_poll() {
    on_each_backend(|backend| {
        let poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let mut socket = udp();
        registry
            .register(&mut socket, Token(0), Interest::WRITABLE)
            .unwrap();
        drop(poll);

        // The registration lives on with the registry, and ends with it.
        registry.deregister(&mut socket).unwrap();
        registry
            .register(&mut socket, Token(0), Interest::WRITABLE)
            .unwrap();
        drop(registry);

        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        poll.registry()
            .register(&mut socket, Token(1), Interest::WRITABLE)
            .unwrap();
        poll_some(&mut poll, &mut events);
        assert_eq!(tokens(&events), [1]);
    });
}
