//! A program written for mio 1.2, with mio's names only: an echo server and its clients in one loop.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use downstream::{assert_polls_are_ours, run, step, Pattern};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use mio::unix::{pipe, SourceFd};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

const CLIENTS: usize = 100;
const LENGTH: usize = 200_000;

fn main() {
    run("plain", || {
        step("tcp echo: 100 clients, 200 kB each");
        tcp_echo().unwrap();
        step("udp: 1000 datagrams there and back");
        udp_ping_pong().unwrap();
        step("waker: 10000 wakes from a thread");
        wakes_from_a_thread().unwrap();
        step("pipe: 1 MB through a child");
        pipe_through_a_child().unwrap();
        step("SourceFd: 500 words, each after the last was read");
        foreign_descriptor(500, Writer::OtherThread).unwrap();
        step("SourceFd: 20 words, each before the poll");
        foreign_descriptor(20, Writer::ThisThread).unwrap();
        step("poll: the timeout ends an idle wait");
        idle_wait().unwrap();
    });
}

/// One side of a connection that sends `LENGTH` bytes and wants them back.
struct Client {
    stream: TcpStream,
    pattern: Pattern,
    sent: usize,
    received: usize,
}

/// The other: sends back what it gets, in order.
struct Echo {
    stream: TcpStream,
    backlog: Vec<u8>,
    ended: bool,
}

fn tcp_echo() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(64);
    assert_polls_are_ours();

    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    let address = listener.local_addr()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;

    let both = Interest::READABLE | Interest::WRITABLE;
    let mut clients = HashMap::new();
    for number in 0..CLIENTS {
        let mut stream = TcpStream::connect(address)?;
        poll.registry().register(&mut stream, Token(number), both)?;
        let pattern = Pattern::new(number as u64);
        clients.insert(
            Token(number),
            Client {
                stream,
                pattern,
                sent: 0,
                received: 0,
            },
        );
    }

    let mut echoes = HashMap::new();
    let mut next = CLIENTS;
    while !clients.is_empty() || !echoes.is_empty() {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => {
                    while let Some((mut stream, _)) = not_yet(listener.accept())? {
                        poll.registry().register(&mut stream, Token(next), both)?;
                        let backlog = Vec::new();
                        echoes.insert(
                            Token(next),
                            Echo {
                                stream,
                                backlog,
                                ended: false,
                            },
                        );
                        next += 1;
                    }
                }
                token if token.0 < CLIENTS => {
                    let Some(client) = clients.get_mut(&token) else {
                        continue;
                    };
                    if client.on(event)? {
                        let mut done = clients.remove(&token).unwrap();
                        poll.registry().deregister(&mut done.stream)?;
                    }
                }
                token => {
                    let Some(echo) = echoes.get_mut(&token) else {
                        continue;
                    };
                    if echo.on(event)? {
                        echoes.remove(&token);
                    }
                }
            }
        }
    }
    assert_eq!(next, 2 * CLIENTS, "one accepted stream per client");
    Ok(())
}

impl Client {
    /// Whether all came back and the other side has ended.
    fn on(&mut self, event: &Event) -> io::Result<bool> {
        if event.is_error() {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
        }
        if event.is_writable() {
            while self.sent < LENGTH {
                let room = (LENGTH - self.sent).min(5_000);
                match not_yet(self.stream.write(self.pattern.at(self.sent, room)))? {
                    Some(n) => self.sent += n,
                    None => break,
                }
                if self.sent == LENGTH {
                    self.stream.shutdown(Shutdown::Write)?;
                }
            }
        }
        if event.is_readable() {
            let mut chunk = [0; 4096];
            while let Some(n) = not_yet(self.stream.read(&mut chunk))? {
                if n == 0 {
                    assert_eq!(self.received, LENGTH);
                    return Ok(true);
                }
                self.pattern.check(self.received, &chunk[..n]);
                self.received += n;
            }
        }
        Ok(false)
    }
}

impl Echo {
    /// Whether the client has ended and has got all back.
    fn on(&mut self, event: &Event) -> io::Result<bool> {
        if event.is_readable() {
            let mut chunk = [0; 3000];
            while let Some(n) = not_yet(self.stream.read(&mut chunk))? {
                if n == 0 {
                    self.ended = true;
                    break;
                }
                self.backlog.extend_from_slice(&chunk[..n]);
            }
        }
        while !self.backlog.is_empty() {
            match not_yet(self.stream.write(&self.backlog))? {
                Some(n) => drop(self.backlog.drain(..n)),
                None => return Ok(false),
            }
        }
        Ok(self.ended)
    }
}

fn udp_ping_pong() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let any = "127.0.0.1:0".parse().unwrap();
    let (mut left, mut right) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
    left.connect(right.local_addr()?)?;
    right.connect(left.local_addr()?)?;
    poll.registry()
        .register(&mut left, Token(0), Interest::READABLE)?;
    poll.registry()
        .register(&mut right, Token(1), Interest::READABLE)?;

    let mut rounds = 0_u32;
    left.send(&rounds.to_ne_bytes())?;
    while rounds < 1000 {
        poll.poll(&mut events, None)?;
        for event in &events {
            let mut number = [0; 4];
            if event.token() == Token(1) {
                while let Some(n) = not_yet(right.recv(&mut number))? {
                    right.send(&number[..n])?;
                }
            } else {
                while let Some(n) = not_yet(left.recv(&mut number))? {
                    assert_eq!(&number[..n], rounds.to_ne_bytes());
                    rounds += 1;
                    left.send(&rounds.to_ne_bytes())?;
                }
            }
        }
    }
    Ok(())
}

fn wakes_from_a_thread() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1);
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let (to_waker, rounds) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        for () in rounds {
            waker.wake().expect("a wake");
        }
    });
    for _ in 0..10_000 {
        to_waker.send(()).expect("the thread lives");
        loop {
            poll.poll(&mut events, None)?;
            if events.iter().any(|event| event.token() == WAKER) {
                break;
            }
        }
    }
    drop(to_waker);
    thread.join().expect("no panic in the thread");
    Ok(())
}

fn pipe_through_a_child() -> io::Result<()> {
    use std::process::{Command, Stdio};
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let sender = pipe::Sender::from(child.stdin.take().expect("a pipe"));
    let mut receiver = pipe::Receiver::from(child.stdout.take().expect("a pipe"));
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut sender = Some(sender);
    poll.registry()
        .register(sender.as_mut().unwrap(), Token(0), Interest::WRITABLE)?;
    poll.registry()
        .register(&mut receiver, Token(1), Interest::READABLE)?;

    let pattern = Pattern::new(7);
    let (mut sent, mut received) = (0, 0);
    'all: loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == Token(0) {
                while let Some(pipe) = &mut sender {
                    match not_yet(pipe.write(pattern.at(sent, 10_000)))? {
                        Some(n) => sent += n,
                        None => break,
                    }
                    if sent >= 1_000_000 {
                        // Closes the pipe: the child sees the end.
                        sender = None;
                    }
                }
            } else {
                let mut chunk = [0; 8192];
                while let Some(n) = not_yet(receiver.read(&mut chunk))? {
                    if n == 0 {
                        break 'all;
                    }
                    pattern.check(received, &chunk[..n]);
                    received += n;
                }
            }
        }
    }
    assert_eq!(received, sent);
    assert!(child.wait()?.success());
    Ok(())
}

/// A source that hides its input and output from the library, as those of other crates do.
struct Foreign(std::os::unix::net::UnixStream);

impl Source for Foreign {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

/// Who writes, and so whether the poll finds the source drained or ready again.
enum Writer {
    ThisThread,
    OtherThread,
}

fn foreign_descriptor(rounds: u32, writer: Writer) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let (theirs, mut ours) = UnixStream::pair()?;
    let mut foreign = Foreign(std::os::unix::net::UnixStream::from(theirs));
    poll.registry()
        .register(&mut foreign, Token(0), Interest::READABLE)?;

    let (to_thread, requests) = mpsc::channel::<[u8; 4]>();
    let mut write = move |bytes: [u8; 4]| ours.write_all(&bytes).expect("room for 4 bytes");
    let mut here = None;
    match writer {
        Writer::ThisThread => here = Some(write),
        Writer::OtherThread => {
            thread::spawn(move || requests.into_iter().for_each(&mut write));
        }
    }

    for round in 0..rounds {
        // Nothing is there: an event, if one comes, is a spurious one.
        assert!(not_yet(foreign.0.read(&mut [0; 8]))?.is_none());
        match &mut here {
            Some(write) => write(round.to_ne_bytes()),
            None => to_thread
                .send(round.to_ne_bytes())
                .expect("the thread lives"),
        }
        let mut bytes = [0; 8];
        let n = loop {
            poll.poll(&mut events, None)?;
            if events.iter().any(Event::is_readable) {
                if let Some(n) = not_yet(foreign.0.read(&mut bytes))? {
                    break n;
                }
            }
        };
        assert_eq!(bytes[..n], round.to_ne_bytes());
    }
    poll.registry().deregister(&mut foreign)
}

fn idle_wait() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let start = std::time::Instant::now();
    poll.poll(&mut events, Some(Duration::from_millis(20)))?;
    assert!(events.is_empty());
    assert!(start.elapsed() >= Duration::from_millis(20));
    Ok(())
}

/// `None` where the call would have blocked.
fn not_yet<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
