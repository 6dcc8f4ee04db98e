//! No edge is lost: a million messages over every kind of source, each one checked.
//!
//! A message is a number of eight bytes, one more than the one before. A reader that misses an edge
//! waits for a message that is there already, for ever.

#![cfg(all(
    any(unix, windows),
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

#[path = "common/stress.rs"]
mod stress;

use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(windows)]
use std::os::windows::io::AsSocket;
use std::thread::{self, JoinHandle};
use std::{mem, net};

use wakeful::event::Source;
#[cfg(unix)]
use wakeful::net::UnixDatagram;
use wakeful::net::{TcpStream, UdpSocket, UnixStream};
#[cfg(unix)]
use wakeful::unix::pipe;
#[cfg(windows)]
use wakeful::windows::NamedPipe;
use wakeful::{Backend, Events, Interest, Token};

use stress::{on_each_backend, poll_of, poll_some, Dice};

const SIZE: usize = mem::size_of::<u64>();
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// How a reader decides that there is nothing more.
#[derive(Copy, Clone, Debug)]
enum Drain {
    /// When a read would block.
    UntilWouldBlock,
    /// A read that does not fill its buffer is taken for the last one, as tokio does on streams.
    UntilShort,
    /// Reads through `try_io`, until that would block.
    TryIo,
}

/// A source that can also be used behind its own back.
trait Endpoint: Source + Send + 'static {
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize>;
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Receives under `try_io`, unseen.
    fn receive_guarded(&self, room: &mut [u8]) -> io::Result<usize>;
    /// Sends under `try_io`, unseen.
    fn send_guarded(&self, bytes: &[u8]) -> io::Result<usize>;
}

macro_rules! stream_endpoint {
    ($($stream:ty),*) => {$(
        impl Endpoint for $stream {
            fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
                self.read(room)
            }

            fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.write(bytes)
            }

            fn receive_guarded(&self, room: &mut [u8]) -> io::Result<usize> {
                self.try_io(|| read_behind(self, room))
            }

            fn send_guarded(&self, bytes: &[u8]) -> io::Result<usize> {
                self.try_io(|| write_behind(self, bytes))
            }
        }
    )*};
}

macro_rules! datagram_endpoint {
    ($($socket:ty),*) => {$(
        impl Endpoint for $socket {
            fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
                self.recv(room)
            }

            fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
                <$socket>::send(self, bytes)
            }

            fn receive_guarded(&self, room: &mut [u8]) -> io::Result<usize> {
                self.try_io(|| read_behind(self, room))
            }

            fn send_guarded(&self, bytes: &[u8]) -> io::Result<usize> {
                self.try_io(|| write_behind(self, bytes))
            }
        }
    )*};
}

stream_endpoint!(TcpStream, UnixStream);
datagram_endpoint!(UdpSocket);
#[cfg(unix)]
datagram_endpoint!(UnixDatagram);

#[cfg(unix)]
impl Endpoint for pipe::Receiver {
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.read(room)
    }

    fn send(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        unreachable!("receivers send nothing")
    }

    fn receive_guarded(&self, room: &mut [u8]) -> io::Result<usize> {
        self.try_io(|| read_behind(self, room))
    }

    fn send_guarded(&self, _bytes: &[u8]) -> io::Result<usize> {
        unreachable!("receivers send nothing")
    }
}

#[cfg(unix)]
impl Endpoint for pipe::Sender {
    fn receive(&mut self, _room: &mut [u8]) -> io::Result<usize> {
        unreachable!("senders receive nothing")
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn receive_guarded(&self, _room: &mut [u8]) -> io::Result<usize> {
        unreachable!("senders receive nothing")
    }

    fn send_guarded(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(|| write_behind(self, bytes))
    }
}

#[cfg(windows)]
impl Endpoint for NamedPipe {
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.read(room)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn receive_guarded(&self, _room: &mut [u8]) -> io::Result<usize> {
        unreachable!("named pipes have no `try_io`")
    }

    fn send_guarded(&self, _bytes: &[u8]) -> io::Result<usize> {
        unreachable!("named pipes have no `try_io`")
    }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let one = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nodelay(true).unwrap();
    other.set_nodelay(true).unwrap();
    (one.try_into().unwrap(), other.try_into().unwrap())
}

fn udp_pair() -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (one, other) = (bind(), bind());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

/// Nothing only where a system may lack them.
fn unix_pair() -> Option<(UnixStream, UnixStream)> {
    match UnixStream::pair() {
        Err(err) if cfg!(windows) && err.kind() == ErrorKind::Unsupported => None,
        pair => Some(pair.unwrap()),
    }
}

/// A server and its client.
#[cfg(windows)]
fn named_pipe_pair() -> (NamedPipe, NamedPipe) {
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::OwnedHandle;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!(r"\\.\pipe\wakeful-edges-{}-{count}", std::process::id());
    let server = NamedPipe::new(&name).unwrap();
    let client = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .open(&name)
        .unwrap();
    (server, OwnedHandle::from(client).into())
}

fn receive(endpoint: &mut impl Endpoint, drain: Drain, room: &mut [u8]) -> io::Result<usize> {
    match drain {
        Drain::UntilWouldBlock | Drain::UntilShort => endpoint.receive(room),
        Drain::TryIo => endpoint.receive_guarded(room),
    }
}

/// read(2), with nobody to notice.
#[cfg(unix)]
#[allow(unsafe_code)]
fn read_behind(source: &impl AsRawFd, room: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `room` is writable for its length.
    let n = unsafe { libc::read(source.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// write(2), with nobody to notice.
#[cfg(unix)]
#[allow(unsafe_code)]
fn write_behind(source: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is readable for its length.
    let n = unsafe { libc::write(source.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// recv, with nobody to notice.
#[cfg(windows)]
fn read_behind(source: &impl AsSocket, room: &mut [u8]) -> io::Result<usize> {
    (&*socket2::SockRef::from(source)).read(room)
}

/// send, with nobody to notice.
#[cfg(windows)]
fn write_behind(source: &impl AsSocket, bytes: &[u8]) -> io::Result<usize> {
    socket2::SockRef::from(source).send(bytes)
}

/// The bytes of messages, in the order of their numbers, from any place on.
#[derive(Clone, Copy, Debug, Default)]
struct Sequence {
    bytes: u64,
}

impl Sequence {
    fn byte(position: u64) -> u8 {
        (position / SIZE as u64).to_le_bytes()[(position % SIZE as u64) as usize]
    }

    fn fill(&self, room: &mut [u8]) {
        for (position, byte) in (self.bytes..).zip(room) {
            *byte = Self::byte(position);
        }
    }

    #[track_caller]
    fn check(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(byte, Self::byte(self.bytes), "at byte {}", self.bytes);
            self.bytes += 1;
        }
    }

    fn messages(&self) -> u64 {
        self.bytes / SIZE as u64
    }
}

/// Reads until the source is drained or all messages are here.
fn read_some(
    endpoint: &mut impl Endpoint,
    drain: Drain,
    sequence: &mut Sequence,
    messages: u64,
    dice: &mut Dice,
) {
    let mut room = [0; 512];
    while sequence.messages() < messages {
        // Room that is full now and then, also by chance exactly.
        let length = SIZE * (1 + dice.below(64) as usize);
        match receive(endpoint, drain, &mut room[..length]) {
            Ok(0) => panic!("the end came after {sequence:?}"),
            Ok(n) => {
                sequence.check(&room[..n]);
                if matches!(drain, Drain::UntilShort) && n < length {
                    return;
                }
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return,
            Err(err) => panic!("{err}"),
        }
    }
}

/// A thread that polls for all of these endpoints until each has read its messages.
fn reader<E: Endpoint>(
    backend: Backend,
    mut endpoints: Vec<(E, Drain)>,
    messages: u64,
    capacity: usize,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
        let mut dice = Dice::new(capacity as u64);
        for (token, (endpoint, _)) in endpoints.iter_mut().enumerate() {
            poll.registry()
                .register(endpoint, Token(token), Interest::READABLE)
                .unwrap();
        }
        let mut sequences = vec![Sequence::default(); endpoints.len()];
        let mut unfinished = endpoints.len();
        while unfinished > 0 {
            poll_some(&mut poll, &mut events);
            for event in &events {
                let token = event.token().0;
                let (endpoint, drain) = &mut endpoints[token];
                let sequence = &mut sequences[token];
                if sequence.messages() < messages {
                    read_some(endpoint, *drain, sequence, messages, &mut dice);
                    unfinished -= usize::from(sequence.messages() == messages);
                }
            }
            dice.dawdle();
        }
    })
}

/// A thread that writes all messages to all of these, a random number at a time, with pauses; when
/// there is no room it polls for it.
fn writer<E: Endpoint>(
    backend: Backend,
    mut endpoints: Vec<E>,
    messages: u64,
    at_once: u64,
) -> JoinHandle<Vec<E>> {
    thread::spawn(move || {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(4));
        let mut dice = Dice::new(at_once);
        for (token, endpoint) in endpoints.iter_mut().enumerate() {
            poll.registry()
                .register(endpoint, Token(token), Interest::WRITABLE)
                .unwrap();
        }
        let mut sequences = vec![Sequence::default(); endpoints.len()];
        let mut has_room = vec![true; endpoints.len()];
        let mut bytes = vec![0; SIZE * at_once as usize];
        loop {
            let mut goes_on = false;
            let mut is_stuck = true;
            for (token, endpoint) in endpoints.iter_mut().enumerate() {
                let sequence = &mut sequences[token];
                let left = messages - sequence.messages();
                if left == 0 {
                    continue;
                }
                goes_on = true;
                if !has_room[token] {
                    continue;
                }
                is_stuck = false;
                // What was cut in the middle is completed by the rest of its message.
                let cut = sequence.bytes as usize % SIZE;
                let number = (1 + dice.below(at_once)).min(left) as usize;
                let bytes = &mut bytes[..SIZE * number - cut];
                sequence.fill(bytes);
                match endpoint.send(bytes) {
                    Ok(n) => {
                        sequence.bytes += n as u64;
                        has_room[token] = n == bytes.len();
                    }
                    Err(err) if err.kind() == ErrorKind::WouldBlock => has_room[token] = false,
                    Err(err) => panic!("{err}"),
                }
                dice.dawdle();
            }
            if !goes_on {
                // Not dropped before the last message was read.
                return endpoints;
            }
            if is_stuck {
                poll_some(&mut poll, &mut events);
                for event in &events {
                    has_room[event.token().0] |= event.is_writable();
                }
            }
        }
    })
}

/// Two pollers, each with its sources, written to by one thread for each poller.
fn flood<R: Endpoint, W: Endpoint>(
    pair: impl Fn() -> (W, R),
    drains: &[Drain],
    messages: u64,
    at_once: u64,
) {
    const SOURCES: usize = 4;

    on_each_backend(|backend| {
        let threads: Vec<_> = [1, 16]
            .into_iter()
            .map(|capacity| {
                let (mut near, mut far) = (Vec::new(), Vec::new());
                for n in 0..SOURCES {
                    let (sending, receiving) = pair();
                    near.push((receiving, drains[n % drains.len()]));
                    far.push(sending);
                }
                (
                    reader(backend, near, messages, capacity),
                    writer(backend, far, messages, at_once),
                )
            })
            .collect();
        for (reader, writer) in threads {
            let _far = writer.join().unwrap();
            reader.join().unwrap();
        }
    });
}

// Times 2 backends, 2 pollers, 4 sources each: a million in all.
const STREAM_MESSAGES: u64 = 20_000;
// Slower: ten of them fill a queue.
const DATAGRAMS: u64 = 3_000;
const UDP_DATAGRAMS: u64 = 150;

const ALL: &[Drain] = &[Drain::UntilWouldBlock, Drain::UntilShort, Drain::TryIo];
/// A datagram that is shorter than its buffer says nothing of the next one.
const OF_DATAGRAMS: &[Drain] = &[Drain::UntilWouldBlock, Drain::TryIo];

#[test]
fn no_message_over_tcp_is_lost() {
    flood(tcp_pair, ALL, STREAM_MESSAGES, 24);
}

#[test]
fn no_message_over_unix_streams_is_lost() {
    if unix_pair().is_some() {
        flood(|| unix_pair().unwrap(), ALL, STREAM_MESSAGES, 24);
    }
}

#[cfg(unix)]
#[test]
fn no_message_over_pipes_is_lost() {
    flood(|| pipe::new().unwrap(), ALL, STREAM_MESSAGES, 24);
}

#[cfg(windows)]
#[test]
fn no_message_over_pipes_is_lost() {
    const DRAINS: &[Drain] = &[Drain::UntilWouldBlock, Drain::UntilShort];

    flood(named_pipe_pair, DRAINS, STREAM_MESSAGES, 24);
    let swapped = || {
        let (server, client) = named_pipe_pair();
        (client, server)
    };
    flood(swapped, DRAINS, STREAM_MESSAGES, 24);
}

#[test]
fn no_datagram_is_lost() {
    #[cfg(unix)]
    flood(|| UnixDatagram::pair().unwrap(), OF_DATAGRAMS, DATAGRAMS, 1);
    // What finds no room is lost by UDP itself. That many find room.
    for _ in 0..DATAGRAMS / UDP_DATAGRAMS {
        flood(udp_pair, OF_DATAGRAMS, UDP_DATAGRAMS, 1);
    }
}

/// Two endpoints that answer each message with the next: every one of them needs an edge.
fn ping_pong<A: Endpoint, B: Endpoint>(
    here: A,
    there: B,
    drain: Drain,
    rounds: u64,
    backend: Backend,
) {
    fn play(
        backend: Backend,
        mut endpoint: impl Endpoint,
        drain: Drain,
        rounds: u64,
        begins: bool,
    ) {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
        poll.registry()
            .register(&mut endpoint, Token(0), BOTH)
            .unwrap();
        let mut room = [0; 2 * SIZE];
        let mut dice = Dice::new(u64::from(begins));
        for round in 0..rounds {
            if begins {
                assert_eq!(endpoint.send(&round.to_le_bytes()).unwrap(), SIZE);
                dice.dawdle();
            }
            let n = loop {
                match receive(&mut endpoint, drain, &mut room) {
                    Ok(n) => break n,
                    Err(err) if err.kind() == ErrorKind::WouldBlock => {
                        wait_for(&mut poll, &mut events, |event| event.is_readable());
                    }
                    Err(err) => panic!("{err}"),
                }
            };
            assert_eq!(room[..n], round.to_le_bytes());
            if !begins {
                dice.dawdle();
                assert_eq!(endpoint.send(&round.to_le_bytes()).unwrap(), SIZE);
            }
        }
    }

    let partner = thread::spawn(move || play(backend, there, drain, rounds, false));
    play(backend, here, drain, rounds, true);
    partner.join().unwrap();
}

#[track_caller]
fn wait_for(
    poll: &mut wakeful::Poll,
    events: &mut Events,
    wanted: impl Fn(&wakeful::event::Event) -> bool,
) {
    loop {
        poll_some(poll, events);
        if events.iter().any(&wanted) {
            return;
        }
    }
}

#[test]
fn each_answer_has_its_edge_on_tcp() {
    on_each_backend(|backend| {
        let (here, there) = tcp_pair();
        ping_pong(here, there, Drain::UntilWouldBlock, 2_000, backend);
    });
}

#[test]
fn each_answer_has_its_edge_on_unix_streams() {
    on_each_backend(|backend| {
        if let Some((here, there)) = unix_pair() {
            ping_pong(here, there, Drain::UntilWouldBlock, 2_000, backend);
        }
    });
}

#[test]
fn each_answer_has_its_edge_on_datagrams() {
    on_each_backend(|backend| {
        #[cfg(unix)]
        {
            let (here, there) = UnixDatagram::pair().unwrap();
            ping_pong(here, there, Drain::UntilWouldBlock, 2_000, backend);
        }
        let (here, there) = udp_pair();
        ping_pong(here, there, Drain::UntilWouldBlock, 2_000, backend);
    });
}

#[test]
fn each_answer_has_its_edge_under_try_io() {
    on_each_backend(|backend| match unix_pair() {
        Some((here, there)) => ping_pong(here, there, Drain::TryIo, 3_000, backend),
        None => {
            let (here, there) = tcp_pair();
            ping_pong(here, there, Drain::TryIo, 3_000, backend);
        }
    });
}

/// Reads once an event, into room that is never filled: nobody is ever told `WouldBlock`.
#[test]
fn a_short_read_alone_brings_the_next_edge() {
    fn answer(backend: Backend, mut endpoint: impl Endpoint, rounds: u64, begins: bool) {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
        poll.registry()
            .register(&mut endpoint, Token(0), Interest::READABLE)
            .unwrap();
        let mut room = [0; 2 * SIZE];
        let mut round = 0;
        if begins {
            assert_eq!(endpoint.send(&0_u64.to_le_bytes()).unwrap(), SIZE);
        }
        while round < rounds {
            wait_for(&mut poll, &mut events, |event| event.is_readable());
            match endpoint.receive(&mut room) {
                Ok(n) => assert_eq!(room[..n], round.to_le_bytes()),
                // An event may be spurious.
                Err(err) if err.kind() == ErrorKind::WouldBlock => continue,
                Err(err) => panic!("{err}"),
            }
            round += 1;
            let next = if begins { round } else { round - 1 };
            if !(begins && round == rounds) {
                assert_eq!(endpoint.send(&next.to_le_bytes()).unwrap(), SIZE);
            }
        }
    }

    fn both(backend: Backend, here: impl Endpoint, there: impl Endpoint) {
        const ROUNDS: u64 = 3_000;
        let partner = thread::spawn(move || answer(backend, there, ROUNDS, false));
        answer(backend, here, ROUNDS, true);
        partner.join().unwrap();
    }

    on_each_backend(|backend| {
        let (here, there) = tcp_pair();
        both(backend, here, there);
        if let Some((here, there)) = unix_pair() {
            both(backend, here, there);
        }
    });
}

/// Sends and receives at the same time, as much as there is room for: both directions block and go on
/// again and again, independently.
fn exchange(backend: Backend, mut endpoint: impl Endpoint, bytes: u64, drain: Drain) {
    let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
    poll.registry()
        .register(&mut endpoint, Token(0), BOTH)
        .unwrap();
    let (mut sent, mut received) = (Sequence::default(), Sequence::default());
    let (mut may_send, mut may_receive) = (false, false);
    let mut dice = Dice::new(bytes);
    let mut buffer = vec![0; 16 * 1024];
    while sent.bytes < bytes || received.bytes < bytes {
        let is_busy = may_send && sent.bytes < bytes || may_receive && received.bytes < bytes;
        if !is_busy {
            poll_some(&mut poll, &mut events);
            for event in &events {
                may_send |= event.is_writable();
                may_receive |= event.is_readable();
            }
        }
        while may_send && sent.bytes < bytes {
            let length = (1 + dice.below(16 * 1024)).min(bytes - sent.bytes) as usize;
            let part = &mut buffer[..length];
            sent.fill(part);
            let outcome = match drain {
                Drain::TryIo => endpoint.send_guarded(part),
                _ => endpoint.send(part),
            };
            match outcome {
                Ok(n) => {
                    sent.bytes += n as u64;
                    may_send = n == length || !matches!(drain, Drain::UntilShort);
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => may_send = false,
                Err(err) => panic!("{err}"),
            }
            if dice.below(8) == 0 {
                break;
            }
        }
        while may_receive && received.bytes < bytes {
            let length = 1 + dice.below(16 * 1024) as usize;
            match receive(&mut endpoint, drain, &mut buffer[..length]) {
                Ok(0) => panic!("the end came after {received:?}"),
                Ok(n) => {
                    received.check(&buffer[..n]);
                    may_receive = n == length || !matches!(drain, Drain::UntilShort);
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => may_receive = false,
                Err(err) => panic!("{err}"),
            }
            if dice.below(8) == 0 {
                break;
            }
        }
    }
}

fn exchange_both_ways<E: Endpoint>(pair: impl Fn() -> (E, E), bytes: u64, drain: Drain) {
    on_each_backend(|backend| {
        let (here, there) = pair();
        let partner = thread::spawn(move || exchange(backend, there, bytes, drain));
        exchange(backend, here, bytes, drain);
        partner.join().unwrap();
    });
}

#[test]
fn full_buffers_stop_neither_direction() {
    for drain in [Drain::UntilWouldBlock, Drain::UntilShort] {
        exchange_both_ways(tcp_pair, 1_500_000, drain);
        if unix_pair().is_some() {
            exchange_both_ways(|| unix_pair().unwrap(), 1_500_000, drain);
        }
    }
}

#[test]
fn full_buffers_stop_neither_direction_under_try_io() {
    exchange_both_ways(tcp_pair, 400_000, Drain::TryIo);
    if unix_pair().is_some() {
        exchange_both_ways(|| unix_pair().unwrap(), 400_000, Drain::TryIo);
    }
}

#[cfg(windows)]
#[test]
fn full_buffers_stop_neither_direction_of_named_pipes() {
    for drain in [Drain::UntilWouldBlock, Drain::UntilShort] {
        exchange_both_ways(named_pipe_pair, 1_500_000, drain);
    }
}

/// With room for one event and everything always ready, everybody has a turn.
#[test]
fn no_source_starves_among_busy_ones() {
    const SOURCES: usize = 64;

    #[cfg(unix)]
    let pair = || UnixStream::pair().unwrap();
    #[cfg(not(unix))]
    let pair = tcp_pair;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let mut pairs: Vec<_> = (0..SOURCES).map(|_| pair()).collect();
        for (token, (here, _)) in pairs.iter_mut().enumerate() {
            poll.registry()
                .register(here, Token(token), Interest::READABLE)
                .unwrap();
        }
        let mut turns = vec![0; SOURCES];
        for pair in &mut pairs {
            pair.1.write_all(b"x").unwrap();
        }
        for _ in 0..SOURCES * 10 {
            poll_some(&mut poll, &mut events);
            let token = events.iter().next().unwrap().token().0;
            turns[token] += 1;
            let (here, there) = &mut pairs[token];
            // Drained, and ready again at once.
            while let Ok(n) = here.read(&mut [0; 8]) {
                assert_eq!(n, 1);
            }
            there.write_all(b"x").unwrap();
        }
        assert!(turns.iter().all(|&n| (5..=20).contains(&n)), "{turns:?}");
    });
}
