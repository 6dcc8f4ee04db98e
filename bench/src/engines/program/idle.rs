//! Many registrations of which nothing is heard.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd};

use anyhow::{ensure, Context, Result};

use super::api::net::TcpStream;
use super::api::unix::SourceFd;
use super::api::{Events, Interest, Poll, Token};
use super::BATCHES;

use crate::allocations;
use crate::parked::Parked;
use crate::stats::median;
use crate::system::{thread_time, Usage};
use crate::workloads::idle::Idle;
use crate::workloads::{values, Values};

pub fn idle(job: &Idle) -> Result<Values> {
    let few = job.sources.min(Idle::FEW);
    let step = job.sources / HEARD;
    // Empty where a source is parked.
    let mut sources = Vec::with_capacity(job.sources);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut parked = Parked::default();

    let mut heap = add(&poll, &mut sources, few)?;
    let among_few = each(job, &mut poll, &mut events, &mut sources)?;
    while sources.len() < job.sources {
        let block = sources.len()..job.sources.min(sources.len() + Idle::BLOCK);
        heap += add(&poll, &mut sources, block.len())?;
        if sources.len() < job.sources {
            let silent = block.filter(|number| number % step != 0);
            parked.keep(silent.map(|number| sources[number].take()).collect())?;
        }
    }

    each(job, &mut poll, &mut events, &mut sources)?;
    Usage::now();
    let among_all = each(job, &mut poll, &mut events, &mut sources)?;
    Usage::now();
    let heap = heap as f64 / job.sources as f64;
    Ok(values([
        ("heap", heap),
        ("bytes", heap + size_of::<TcpStream>() as f64),
        ("time", among_all),
        ("growth", among_all / among_few),
        ("operations", done(job)),
    ]))
}

/// Adds so many sources, each under its place. What the allocator has given for the registrations, in bytes.
fn add(poll: &Poll, sources: &mut Vec<Option<File>>, more: usize) -> Result<i64> {
    let first = sources.len();
    for _ in 0..more {
        sources.push(Some(eventfd()?));
    }
    let before = allocations::in_use();
    for (number, source) in sources.iter().enumerate().skip(first) {
        let fd = source.as_ref().context("just made")?.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(number), Interest::READABLE)?;
    }
    Ok(allocations::in_use() - before)
}

fn eventfd() -> Result<File> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    ensure!(fd >= 0, "eventfd: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// How many of the sources are heard of, once all are there.
const HEARD: usize = 16;

/// What an event takes: write, poll, read. The median over batches, in nanoseconds of CPU, as nothing of this waits.
fn each(
    job: &Idle,
    poll: &mut Poll,
    events: &mut Events,
    sources: &mut [Option<File>],
) -> Result<f64> {
    let step = sources.len() / HEARD;
    let size = (job.events / BATCHES).max(1);
    let mut nanos = Vec::with_capacity(BATCHES as usize);
    for _ in 0..BATCHES {
        let start = thread_time();
        for number in 0..size as usize {
            let place = number % HEARD * step;
            let source = sources[place].as_mut().context("it is parked")?;
            source.write_all(&1_u64.to_ne_bytes())?;
            super::poll(poll, events, None)?;
            let mut tokens = events.iter().map(|event| event.token());
            ensure!(
                tokens.next() == Some(Token(place)) && tokens.next().is_none(),
                "not the one event"
            );
            source.read_exact(&mut [0; 8])?;
        }
        nanos.push((thread_time() - start).as_nanos() as f64 / size as f64);
    }
    Ok(median(&nanos))
}

/// How many events [`each`] waits for.
fn done(job: &Idle) -> f64 {
    ((job.events / BATCHES).max(1) * BATCHES) as f64
}
