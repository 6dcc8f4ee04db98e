//! `echo`: a server that sends back what it gets.
//!
//! Canonical and edge-triggered: the server reads until `WouldBlock`. In the cases called `short read` it stops when a
//! read has not filled the buffer, unless the event says that the other side has closed: that spares a system call,
//! and is all that a stream needs.
//!
//! Server and client are two processes on two cores. The client, the same program for all engines, keeps one
//! message (or so many as the case is deep) under way on each connection and compares every byte. The server's CPU time is the system's accounting
//! of its process, over a fixed number of requests after a warm-up; the client sends some more than that,
//! so that all connections are busy to the last measured request.
//!
//! In the run that counts system calls the client sends in bursts instead: to all connections, then it waits for all
//! answers, then until the server must be asleep. Otherwise the next request could overtake the read that is to find
//! nothing, the more often the slower the server is traced, and the counts would tell of luck.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use super::{values, Case, Goal, Job, Metric, Values, Workload, SYSCALLS};
use crate::engines::bare::{Events, Interest, Poll, Token};
use crate::engines::window::Window;
use crate::engines::Engine;
use crate::report::thousands;

pub const WORKLOAD: Workload = Workload {
    name: "echo",
    about: "an echo server; each connection has a message under way, or 16",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Echo {
    pub connections: usize,
    /// Bytes in a message.
    pub message: usize,
    /// Messages under way on each connection.
    pub depth: usize,
    /// The server takes a short read for the last.
    pub stop_short: bool,
    /// Requests before the measured ones.
    pub warm_up: u64,
    /// Requests that are measured.
    pub requests: u64,
    /// Send in bursts, with a pause of that many microseconds before each.
    pub bursts: Option<u64>,
}

impl Echo {
    /// All requests, with those after the measured ones.
    pub fn total(&self) -> u64 {
        self.warm_up + self.requests + 2 * (self.connections * self.depth) as u64
    }

    /// How large the buffers of a server are: what may be under way on a connection never fills one.
    pub fn buffer(&self) -> usize {
        (2 * self.message * self.depth).max(4096)
    }

    /// For a server to count bytes.
    pub fn window(&self) -> Window {
        let size = self.message as u64;
        Window::new(
            self.warm_up * size,
            self.requests * size,
            self.total() * size,
        )
    }
}

const CPU: &str = "ns of server CPU/request";

const fn cpu(goal: Goal) -> Metric {
    Metric {
        key: "cpu",
        unit: CPU,
        goal: Some(goal),
    }
}

const CALLS: Metric = Metric {
    key: SYSCALLS,
    unit: "system calls/request",
    // Not judged: how many are ready when the burst has only begun is a matter of timing.
    goal: None,
};

const TIME: Metric = Metric {
    key: "time",
    unit: "ns/request",
    goal: None,
};

const DRAIN: &[Metric] = &[
    cpu(Goal::TimesEach(&[
        (1.0, Engine::Mio),
        (0.85, Engine::Tokio),
        (0.85, Engine::Libuv),
        (0.85, Engine::Libevent),
        (0.85, Engine::Monoio),
        (0.85, Engine::Compio),
    ])),
    CALLS,
    TIME,
];

const SHORT_READ: &[Metric] = &[
    cpu(Goal::TimesEach(&[
        (1.02, Engine::Epoll),
        (1.0, Engine::IoUring),
    ])),
    CALLS,
    TIME,
];

/// Longer than a traced server takes to find that there is nothing more.
const PAUSE_MICROS: u64 = 2_000;

const KIB: usize = 1024;

fn cases(quick: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |connections, message, depth, stop_short| {
        cases.push(case(quick, connections, message, depth, stop_short));
    };
    if quick {
        add(1, 64, 1, false);
        add(64, 64, 1, false);
        add(8, 64 * KIB, 1, false);
        add(1_000, 64, 1, false);
        add(64, 64, 16, false);
        add(8, 4 * KIB, 16, false);
        add(64, 64, 1, true);
        return cases;
    }
    for message in [64, 4 * KIB, 64 * KIB] {
        for connections in [1, 64, 1_000, 8_000] {
            add(connections, message, 1, false);
        }
    }
    for (message, connections) in DEEP {
        for &connections in *connections {
            add(connections, *message, 16, false);
        }
    }
    for message in [64, 4 * KIB, 64 * KIB] {
        for connections in [1, 64, 1_000, 8_000] {
            add(connections, message, 1, true);
        }
    }
    cases
}

/// The sizes and connections of messages that go 16 at a time. More than that is left out: a server with a buffer for each
/// connection, as tasks have it, would need gigabytes (32 times the message for each), and so would the kernel.
const DEEP: &[(usize, &[usize])] = &[
    (64, &[1, 64, 1_000, 8_000]),
    (4 * KIB, &[1, 64, 1_000]),
    (64 * KIB, &[1, 64]),
];

fn case(quick: bool, connections: usize, message: usize, depth: usize, stop_short: bool) -> Case {
    let requests = match (message, connections) {
        (..=4096, 1) => 10_000,
        (..=4096, _) => 50_000,
        (_, 1) => 2_000,
        _ => 20_000,
    };
    // Small ones go much faster.
    let requests = requests * if depth > 1 && message <= 64 { 4 } else { 1 };
    let requests = if quick { requests / 40 } else { requests };
    let job = |connections: usize, requests: u64, bursts| {
        let under_way = (connections * depth) as u64;
        // Fewer would not be a warm-up, nor a measurement: every connection takes part.
        let at_least = if quick { under_way } else { 2 * under_way };
        Job::Echo(Echo {
            connections,
            message,
            depth,
            stop_short,
            warm_up: (requests / 10).max(at_least),
            requests: requests.max(at_least),
            bursts,
        })
    };
    let size = match message {
        size if size >= KIB => format!("{} KiB", size / KIB),
        size => format!("{size} B"),
    };
    let more = match (depth, stop_short) {
        (1, false) => String::new(),
        (1, true) => ", short read".to_owned(),
        (depth, _) => format!(", {depth} deep"),
    };
    Case {
        name: format!("{} conn, {size}{more}", thousands(connections as i64)),
        about: "",
        job: job(connections, requests, None),
        // Tracing how thousands connect takes longer than anything else, and the calls are the same.
        traced: job(connections.min(1_000), 200, Some(PAUSE_MICROS)),
        metrics: if stop_short { SHORT_READ } else { DRAIN },
        fits: match (stop_short, connections) {
            (true, ..=1_000) => Engine::stops_short,
            (true, _) => |engine| engine.stops_short() && !engine.scans(),
            (false, ..=1_000) => Engine::echoes,
            (false, _) => |engine| engine.echoes() && !engine.scans(),
        },
    }
}

/// How many connections wait to be accepted at most: any server has room for so many.
const BACKLOG: usize = 64;

/// The client: sends, waits, compares; returns how long a request took.
pub fn client(job: &Echo, server: SocketAddr) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let pattern = Pattern::new();
    // A message that is larger may have to wait for room.
    let interest = if job.message * job.depth > 4 * KIB {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    };
    let mut buffer = vec![0; job.buffer()];
    let mut clients = Vec::with_capacity(job.connections);
    let mut to_send = job.total();
    for key in 0..job.connections {
        let mut stream = TcpStream::connect(server).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        poll.registry()
            .register(&mut stream, Token(key), interest)?;
        let mut client = Client::new(key, stream);
        // A server that has answered has accepted all before: else its backlog may overflow, which costs a second.
        if key % BACKLOG == BACKLOG - 1 {
            let size = job.message as u64;
            client.send(size, &pattern)?;
            while client.received < size {
                wait(&mut poll, &mut events, None)?;
                client.receive(&mut buffer, &pattern)?;
                client.send(0, &pattern)?;
            }
            to_send -= 1;
        }
        clients.push(client);
    }

    let mut to_come = to_send;
    let start = Instant::now();
    while to_come > 0 {
        // Nothing is under way: at the start, and before each burst.
        if to_come == to_send {
            thread::sleep(Duration::from_micros(job.bursts.unwrap_or(0)));
            for client in &mut clients {
                let messages = to_send.min(job.depth as u64);
                client.send(messages * job.message as u64, &pattern)?;
                to_send -= messages;
            }
        }
        wait(&mut poll, &mut events, None)?;
        for event in events.iter() {
            let client = &mut clients[event.token().0];
            let before = client.received / job.message as u64;
            client.receive(&mut buffer, &pattern)?;
            let answers = client.received / job.message as u64 - before;
            to_come -= answers;
            let messages = match job.bursts {
                None => answers.min(to_send),
                Some(_) => 0,
            };
            to_send -= messages;
            // Also what there was no room for.
            client.send(messages * job.message as u64, &pattern)?;
        }
    }
    let elapsed = start.elapsed();
    for client in &mut clients {
        client.finish()?;
    }
    Ok(values([(
        "time",
        elapsed.as_nanos() as f64 / job.total() as f64,
    )]))
}

fn wait(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> Result<()> {
    match poll.poll(events, timeout) {
        Err(err) if err.kind() != ErrorKind::Interrupted => Err(err.into()),
        _ => Ok(()),
    }
}

/// Bytes without a structure, of a length that no message shares: what a connection sends, again and again.
struct Pattern(Vec<u8>);

impl Pattern {
    /// A prime.
    const PERIOD: usize = 65_521;

    fn new() -> Self {
        let mut state = 1_u64;
        let mut next = || {
            // Knuth's linear congruential generator; its high bits are the good ones.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let once: Vec<u8> = (0..Self::PERIOD).map(|_| next()).collect();
        Self([&once[..], &once[..]].concat())
    }

    /// What stands at a place of the stream of a connection, and for at least a period after it.
    fn at(&self, key: usize, place: u64) -> &[u8] {
        // Neighbours send different bytes.
        let place = (place + 4_099 * key as u64) % Self::PERIOD as u64;
        &self.0[place as usize..]
    }
}

struct Client {
    key: usize,
    stream: TcpStream,
    /// Bytes that were to be sent so far, that were, and that came back.
    due: u64,
    sent: u64,
    received: u64,
}

impl Client {
    fn new(key: usize, stream: TcpStream) -> Self {
        Self {
            key,
            stream,
            due: 0,
            sent: 0,
            received: 0,
        }
    }

    /// Sends so much more, as far as there is room.
    fn send(&mut self, bytes: u64, pattern: &Pattern) -> Result<()> {
        self.due += bytes;
        while self.sent < self.due {
            let rest = pattern.at(self.key, self.sent);
            let length = rest.len().min((self.due - self.sent) as usize);
            match (&self.stream).write(&rest[..length]) {
                Ok(length) => self.sent += length as u64,
                Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err).context("sending"),
            }
        }
        Ok(())
    }

    /// Takes all that is there, and compares it.
    fn receive(&mut self, buffer: &mut [u8], pattern: &Pattern) -> Result<()> {
        loop {
            let length = match (&self.stream).read(buffer) {
                Ok(0) => bail!("connection {}: closed, an answer is lost", self.key),
                Ok(length) => length,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(err) => return Err(err).context("receiving"),
            };
            ensure!(
                self.received + length as u64 <= self.sent,
                "connection {}: bytes that were not sent",
                self.key
            );
            for part in buffer[..length].chunks(Pattern::PERIOD) {
                let expected = pattern.at(self.key, self.received);
                let matches = expected.starts_with(part);
                ensure!(matches, "connection {}: wrong bytes came back", self.key);
                self.received += part.len() as u64;
            }
            if length < buffer.len() {
                // What comes later is another edge.
                return Ok(());
            }
        }
    }

    /// Expects nothing but the end.
    fn finish(&mut self) -> Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.shutdown(std::net::Shutdown::Write)?;
        let rest = self.stream.read(&mut [0; 1])?;
        ensure!(rest == 0, "connection {}: bytes too many", self.key);
        Ok(())
    }
}
