//! Registrations: of sockets that stay idle.

use std::time::Instant;

use anyhow::{ensure, Result};

use super::api::net::UnixStream;
use super::api::{Events, Interest, Poll, Token};
use super::expect;

use crate::allocations;
use crate::stats::median;
use crate::system::Usage;
use crate::workloads::register::Register;
use crate::workloads::{values, Values};

/// Registers all, changes all, deregisters all; again and again.
pub fn register(job: &Register) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut sources = Vec::with_capacity(job.sources);
    while sources.len() < job.sources {
        let (one, other) = UnixStream::pair()?;
        sources.extend([one, other]);
    }
    let registry = poll.registry();
    let [mut added, mut changed, mut removed] = [(); 3].map(|()| Vec::with_capacity(job.rounds));
    // The nanoseconds per source since `start`.
    let each = |start: Instant| start.elapsed().as_nanos() as f64 / job.sources as f64;

    let allocated_before = allocations::so_far();
    Usage::now();
    for _ in 0..job.rounds {
        let start = Instant::now();
        for (number, source) in sources.iter_mut().enumerate() {
            registry.register(source, Token(number), Interest::READABLE)?;
        }
        added.push(each(start));

        let start = Instant::now();
        for (number, source) in sources.iter_mut().enumerate() {
            registry.reregister(source, Token(number + 1), Interest::READABLE)?;
        }
        changed.push(each(start));

        let start = Instant::now();
        for source in &mut sources {
            registry.deregister(source)?;
        }
        removed.push(each(start));
    }
    Usage::now();
    let allocated = allocations::so_far() - allocated_before;
    expect(&mut poll, &mut events, &[])?;
    ensure!(sources.len() == job.sources, "an odd number of sources");

    let operations = (job.sources * job.rounds) as f64;
    Ok(values([
        ("register", median(&added)),
        ("reregister", median(&changed)),
        ("deregister", median(&removed)),
        ("allocations", allocated as f64 / operations),
        ("operations", operations),
    ]))
}
