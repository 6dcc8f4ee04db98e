//! `churn`: short connections. Connect, accept, register, one exchange, close.
//!
//! The server accepts all there are, registers each, sends back one message, deregisters and closes. The client, a
//! second process on another core, connects and sends, 16 at a time; then it reads until each is closed, and compares.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use serde::{Deserialize, Serialize};

use super::{values, Case, Goal, Job, Metric, Values, Workload, SYSCALLS};
use crate::engines::window::Window;
use crate::engines::Engine;

pub const WORKLOAD: Workload = Workload {
    name: "churn",
    about: "connect, accept, register, one exchange of 64 bytes, close",
    cases,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Churn {
    pub warm_up: u64,
    /// Connections that are measured.
    pub connections: u64,
}

impl Churn {
    pub const MESSAGE: usize = 64;
    /// Connections at a time.
    const AT_ONCE: u64 = 16;

    /// Some more than are measured, so that the server is busy to the last of those.
    pub fn total(&self) -> u64 {
        self.warm_up + self.connections + 2 * Self::AT_ONCE
    }

    /// For a server to count connections.
    pub fn window(&self) -> Window {
        Window::new(self.warm_up, self.connections, self.total())
    }
}

const METRICS: &[Metric] = &[
    Metric {
        key: "cpu",
        unit: "ns of server CPU/connection",
        goal: Some(Goal::TimesMio(1.0)),
    },
    Metric {
        key: SYSCALLS,
        unit: "system calls/connection",
        // Not judged: how many are ready at once is a matter of timing.
        goal: None,
    },
    Metric {
        key: "time",
        unit: "ns/connection",
        goal: None,
    },
    Metric {
        key: "rate",
        unit: "connections/s (more is better)",
        goal: None,
    },
];

fn cases(quick: bool) -> Vec<Case> {
    let job = |connections: u64| {
        Job::Churn(Churn {
            warm_up: connections / 10,
            connections,
        })
    };
    vec![Case {
        name: "16 at a time".to_owned(),
        about: "",
        job: job(if quick { 1_000 } else { 10_000 }),
        traced: job(320),
        metrics: METRICS,
        fits: Engine::serves,
    }]
}

pub fn client(job: &Churn, server: SocketAddr) -> Result<Values> {
    let mut streams = Vec::new();
    let mut buffer = Vec::new();
    let start = Instant::now();
    let mut number = 0;
    while number < job.total() {
        let numbers = number..(number + Churn::AT_ONCE).min(job.total());
        for number in numbers.clone() {
            let mut stream = TcpStream::connect(server).context("connecting")?;
            stream.set_nodelay(true)?;
            stream.write_all(&message(number)).context("sending")?;
            streams.push(stream);
        }
        for (number, mut stream) in numbers.clone().zip(streams.drain(..)) {
            buffer.clear();
            stream.read_to_end(&mut buffer).context("receiving")?;
            ensure!(
                buffer == message(number),
                "connection {number}: wrong bytes came back"
            );
        }
        number = numbers.end;
    }
    let nanos = start.elapsed().as_nanos() as f64 / job.total() as f64;
    Ok(values([("time", nanos), ("rate", 1e9 / nanos)]))
}

fn message(number: u64) -> [u8; Churn::MESSAGE] {
    let mut message = [0; Churn::MESSAGE];
    for (place, word) in message.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&(number * 8 + place as u64).to_le_bytes());
    }
    message
}
