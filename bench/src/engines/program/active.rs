//! Pairs of sockets, few of them active.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use super::api::net::UnixStream;
use super::api::{Events, Interest, Poll, Token};

use crate::system::{thread_time, Usage};
use crate::workloads::active::Active;
use crate::workloads::{values, Values};

pub fn active(job: &Active) -> Result<Values> {
    let (&most, fewer) = job.pairs.split_last().context("no number of pairs")?;
    let mut ring = Ring::new()?;
    // What is touched first is slow for reasons of its own, so all of this also warms up.
    let mut first = None;
    for &pairs in fewer {
        ring.grow(pairs)?;
        ring.pass(job.active, job.events / 10)?;
        first.get_or_insert(ring.pass(job.active, job.events)?.cpu);
    }
    ring.grow(most)?;
    ring.pass(job.active, (job.events / 10).max(most as u64))?;
    Usage::now();
    let each = ring.pass(job.active, job.events)?;
    Usage::now();
    Ok(values([
        ("time", each.time),
        ("cpu", each.cpu),
        ("growth", each.cpu / first.unwrap_or(each.cpu)),
        ("operations", job.events as f64),
    ]))
}

/// Of one event, in nanoseconds.
struct Each {
    time: f64,
    cpu: f64,
}

struct Ring {
    poll: Poll,
    events: Events,
    /// The end that is written to, and the one that is registered.
    pairs: Vec<(UnixStream, UnixStream)>,
}

impl Ring {
    fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            pairs: Vec::new(),
        })
    }

    fn grow(&mut self, pairs: usize) -> Result<()> {
        while self.pairs.len() < pairs {
            let (one, mut other) = UnixStream::pair()?;
            let token = Token(self.pairs.len());
            let registry = self.poll.registry();
            registry.register(&mut other, token, Interest::READABLE)?;
            self.pairs.push((one, other));
        }
        Ok(())
    }

    /// Passes bytes around until so many events have come. What each took.
    fn pass(&mut self, active: usize, events: u64) -> Result<Each> {
        let number = self.pairs.len();
        let active = active.min(number);
        // A prime, so that a pair's turn comes after all the others: it is not known to the caches, as in life.
        let stride = 7_919 % number;
        for place in 0..active {
            self.send(place * (number / active))?;
        }
        let mut to_send = events.saturating_sub(active as u64);
        let mut to_come = to_send + active as u64;
        let start = Instant::now();
        let cpu = thread_time();
        while to_come > 0 {
            super::poll(&mut self.poll, &mut self.events, None)?;
            for event in self.events.iter() {
                let Token(place) = event.token();
                let came = take(&mut self.pairs[place].1)?;
                ensure!(came <= to_come, "a byte too many");
                to_come -= came;
                for _ in 0..came.min(to_send) {
                    to_send -= 1;
                    let (one, _) = &mut self.pairs[(place + stride) % number];
                    ensure!(one.write(&[1])? == 1, "no room for a byte");
                }
            }
        }
        let elapsed = start.elapsed();
        let cpu = thread_time() - cpu;
        let number = events.max(active as u64) as f64;
        Ok(Each {
            time: elapsed.as_nanos() as f64 / number,
            cpu: cpu.as_nanos() as f64 / number,
        })
    }

    fn send(&mut self, place: usize) -> Result<()> {
        let written = self.pairs[place].0.write(&[1])?;
        ensure!(written == 1, "no room for a byte");
        Ok(())
    }
}

/// Takes what is there, until it would block.
fn take(stream: &mut UnixStream) -> Result<u64> {
    let mut buffer = [0; 64];
    let mut came = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(length) => {
                ensure!(length > 0, "closed");
                came += length as u64;
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(came),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err.into()),
        }
    }
}
