//! One thread polls while others register, change, deregister and drop.

#![cfg(all(unix, feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/stress.rs"]
mod stress;

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;

use wakeful::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use wakeful::unix::{pipe, SourceFd};
use wakeful::{Backend, Events, Interest, Poll, Registry, Token, Waker};

use stress::{
    on_each_backend, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep, Dice, Numbered,
};

/// A token that no source has: the waker's.
const WAKE: usize = usize::MAX;

/// A thread that polls without timeout and tells of each event, until it is dropped.
struct Poller {
    registry: Registry,
    waker: Waker,
    batches: mpsc::Receiver<Vec<usize>>,
    thread: Numbered<()>,
}

impl Poller {
    fn start(backend: Backend, capacity: usize) -> Self {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, Token(WAKE)).unwrap();
        let (sender, batches) = mpsc::channel();
        let thread = spawn_numbered(move || {
            let mut events = Events::with_capacity(capacity);
            loop {
                poll.poll(&mut events, None).unwrap();
                assert!(!events.is_empty());
                if sender.send(tokens(&events)).is_err() {
                    return;
                }
            }
        });
        Self {
            registry,
            waker,
            batches,
            thread,
        }
    }

    /// The next batch with an event of a source.
    #[track_caller]
    fn next(&self) -> Vec<usize> {
        loop {
            let mut batch = self.batches.recv_timeout(stress::PATIENCE).unwrap();
            batch.retain(|&token| token != WAKE);
            if !batch.is_empty() {
                return batch;
            }
        }
    }

    /// What is reported until a wake that is sent now has come back.
    ///
    /// A poll that begins after that call knows of everything that was done before it, and so does
    /// the one that was under way: its rest is among what is returned.
    #[track_caller]
    fn until_woken(&self) -> Vec<usize> {
        self.waker.wake().unwrap();
        let mut all = Vec::new();
        loop {
            let batch = self.batches.recv_timeout(stress::PATIENCE).unwrap();
            let is_last = batch.contains(&WAKE);
            all.extend(batch.into_iter().filter(|&token| token != WAKE));
            if is_last {
                return all;
            }
        }
    }

    fn stop(self) {
        drop(self.batches);
        self.waker.wake().unwrap();
        self.thread.join();
    }
}

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[test]
fn what_is_registered_during_a_wait_is_reported() {
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
fn raw_descriptors_registered_during_a_wait_are_reported() {
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

#[test]
fn new_token_and_interest_hold_during_a_wait() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = UnixStream::pair().unwrap();
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
fn what_is_ready_at_reregistration_is_reported_anew() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = UnixStream::pair().unwrap();
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
fn what_is_deregistered_is_not_reported_afterwards() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        let (mut here, mut there) = UnixStream::pair().unwrap();
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
fn what_is_dropped_is_not_reported_under_its_token_afterwards() {
    on_each_backend(|backend| {
        let poller = Poller::start(backend, 8);
        for token in 0..300 {
            let (mut here, mut there) = UnixStream::pair().unwrap();
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
            let (mut here, mut there) = UnixStream::pair().unwrap();
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

#[test]
fn sources_may_be_dropped_while_they_are_being_reported() {
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
fn many_threads_register_with_registries_of_their_own() {
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

/// Threads that use sources of one poll at once, each its own: reading arms, and the poller waits.
#[test]
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
                        let sent = round.to_le_bytes();
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
                        let (mut here, mut there) = UnixStream::pair().unwrap();
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
