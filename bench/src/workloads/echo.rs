//! `echo`: a server that sends back what it gets, canonical and edge-triggered: read until `WouldBlock`.
//!
//! Server and client are two processes on two cores. The client, the same program for all engines, keeps one
//! message under way on each connection and compares every byte. The server's CPU time is the system's accounting
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

use super::{all, values, Case, Goal, Job, Metric, Values, Workload, SYSCALLS};
use crate::engines::bare::{Events, Interest, Poll, Token};

pub const WORKLOAD: Workload = Workload {
    name: "echo",
    about: "an echo server, messages of 64 bytes, one under way per connection",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Echo {
    pub connections: usize,
    /// Requests before the measured ones.
    pub warm_up: u64,
    /// Requests that are measured.
    pub requests: u64,
    /// Send in bursts, with a pause of that many microseconds before each.
    pub bursts: Option<u64>,
}

impl Echo {
    /// Bytes in a message.
    pub const MESSAGE: usize = 64;

    /// All requests, with those after the measured ones.
    pub fn total(&self) -> u64 {
        self.warm_up + self.requests + 2 * self.connections as u64
    }
}

const METRICS: &[Metric] = &[
    Metric {
        key: "cpu",
        unit: "ns of server CPU/request",
        goal: Some(Goal::TimesMio(1.0, 0.03)),
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/request",
        // How many are ready when the burst has only begun is a matter of timing.
        goal: Some(Goal::TimesMio(1.0, 0.02)),
    },
    Metric {
        key: "time",
        unit: "ns/request",
        goal: None,
    },
];

/// Longer than a traced server takes to find that there is nothing more.
const PAUSE_MICROS: u64 = 2_000;

fn cases(quick: bool) -> Vec<Case> {
    [(1, 10_000), (64, 100_000), (1_000, 100_000)]
        .map(|(connections, requests)| {
            let requests = if quick { requests / 5 } else { requests };
            let at_least = 2 * connections as u64;
            let job = |requests: u64, bursts| Echo {
                connections,
                warm_up: (requests / 10).max(at_least),
                requests: requests.max(at_least),
                bursts,
            };
            Case {
                name: format!("{connections} conn"),
                about: "",
                job: Job::Echo(job(requests, None)),
                traced: Job::Echo(job(200, Some(PAUSE_MICROS))),
                metrics: METRICS,
                fits: all,
            }
        })
        .into()
}

/// The client: sends, waits, compares; returns how long a request took.
pub fn client(job: &Echo, server: SocketAddr) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Vec::with_capacity(job.connections);
    for key in 0..job.connections {
        let mut stream = TcpStream::connect(server).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        poll.registry()
            .register(&mut stream, Token(key), Interest::READABLE)?;
        clients.push(Client::new(key, stream));
    }

    let mut to_send = job.total();
    let mut to_come = to_send;
    let start = Instant::now();
    while to_come > 0 {
        // Nothing is under way: at the start, and before each burst.
        if to_come == to_send {
            thread::sleep(Duration::from_micros(job.bursts.unwrap_or(0)));
            for client in clients.iter_mut().take(to_send as usize) {
                client.send()?;
                to_send -= 1;
            }
        }
        wait(&mut poll, &mut events, None)?;
        for event in events.iter() {
            let client = &mut clients[event.token().0];
            while client.receive()? {
                to_come -= 1;
                if to_send > 0 && job.bursts.is_none() {
                    client.send()?;
                    to_send -= 1;
                }
            }
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

struct Client {
    key: usize,
    stream: TcpStream,
    /// What was sent last: never twice the same, on no two connections the same.
    sent: [u8; Echo::MESSAGE],
    number: u64,
    received: usize,
    is_waiting: bool,
}

impl Client {
    fn new(key: usize, stream: TcpStream) -> Self {
        Self {
            key,
            stream,
            sent: [0; Echo::MESSAGE],
            number: 0,
            received: 0,
            is_waiting: false,
        }
    }

    fn send(&mut self) -> Result<()> {
        self.number += 1;
        let seed = self.number << 16 | self.key as u64;
        for (place, word) in self.sent.chunks_exact_mut(8).enumerate() {
            let value = seed
                .wrapping_add(place as u64)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&value.to_le_bytes());
        }
        let length = (&self.stream).write(&self.sent).context("sending")?;
        ensure!(length == Echo::MESSAGE, "no room to send a message");
        self.is_waiting = true;
        Ok(())
    }

    /// Whether the answer is there, whole and right.
    fn receive(&mut self) -> Result<bool> {
        // One byte more than is expected, to see what should not be there.
        let mut buffer = [0; Echo::MESSAGE + 1];
        match (&self.stream).read(&mut buffer) {
            Ok(0) => bail!("connection {}: closed, an answer is lost", self.key),
            Ok(length) => {
                ensure!(
                    self.is_waiting,
                    "connection {}: bytes that were not sent",
                    self.key
                );
                let expected = &self.sent[self.received..];
                let matches = expected.starts_with(&buffer[..length]);
                ensure!(matches, "connection {}: wrong bytes came back", self.key);
                self.received += length;
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err).context("receiving"),
        }
        if self.received < Echo::MESSAGE {
            return self.receive();
        }
        self.received = 0;
        self.is_waiting = false;
        Ok(true)
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
