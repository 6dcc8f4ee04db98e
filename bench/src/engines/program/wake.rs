//! Wakers: of a poller that is awake, and of one that sleeps.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Result};

use super::api::{Events, Poll, Token, Waker};
use super::{done_of, expect, time_each};

use crate::stats::median;
use crate::system::{pin, Side, Usage};
use crate::workloads::wake::{Many, Producers, Wakes};
use crate::workloads::{values, Values};

const WAKE: Token = Token(7);

/// One thread wakes its own poll, again and again.
pub fn awake(job: &Wakes) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let waker = Waker::new(poll.registry(), WAKE)?;
    expect(&mut poll, &mut events, &[])?;

    Usage::now();
    let nanos = time_each(job.wakes, || Ok(black_box(&waker).wake()?))?;
    Usage::now();

    expect(&mut poll, &mut events, &[WAKE])?;
    expect(&mut poll, &mut events, &[])?;
    Ok(values([
        ("time", nanos),
        ("operations", done_of(job.wakes)),
    ]))
}

/// One thread wakes its own poll and gathers the event, in turn: no wake finds another pending.
pub fn harvest(job: &Wakes) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let waker = Waker::new(poll.registry(), WAKE)?;

    Usage::now();
    let nanos = time_each(job.wakes, || {
        black_box(&waker).wake()?;
        super::poll(&mut poll, &mut events, Some(Duration::ZERO))?;
        let mut tokens = events.iter().map(|event| event.token());
        ensure!(
            tokens.next() == Some(WAKE) && tokens.next().is_none(),
            "a wake was lost"
        );
        Ok(())
    })?;
    Usage::now();

    expect(&mut poll, &mut events, &[])?;
    Ok(values([
        ("time", nanos),
        ("operations", done_of(job.wakes)),
    ]))
}

/// Many wakers of one poll, each woken once before the events are gathered. Only the wakes are timed.
pub fn many(job: &Many) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(2 * job.wakers);
    let wakers: Vec<Waker> = (0..job.wakers)
        .map(|number| Waker::new(poll.registry(), Token(number)))
        .collect::<Result<_, _>>()?;
    expect(&mut poll, &mut events, &[])?;

    let mut nanos = Vec::new();
    Usage::now();
    for _ in 0..job.rounds {
        let start = Instant::now();
        for waker in &wakers {
            waker.wake()?;
        }
        nanos.push(start.elapsed().as_nanos() as f64 / job.wakers as f64);

        super::poll(&mut poll, &mut events, Some(Duration::ZERO))?;
        let mut found: Vec<usize> = events.iter().map(|event| event.token().0).collect();
        found.sort_unstable();
        ensure!(
            found.iter().copied().eq(0..job.wakers),
            "wakes were lost or repeated"
        );
    }
    Usage::now();
    let operations = (job.wakers * job.rounds) as f64;
    Ok(values([
        ("time", median(&nanos)),
        ("operations", operations),
    ]))
}

/// Threads that wake one poll as fast as they can, while it sleeps whenever there is nothing.
pub fn producers(job: &Producers) -> Result<Values> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    let start = Arc::new(Barrier::new(job.producers + 1));
    // What each has announced, on a cache line of its own.
    let announced: Arc<[Line]> = (0..job.producers).map(|_| Line::default()).collect();

    let threads: Vec<_> = (0..job.producers)
        .map(|number| {
            let (waker, start) = (Arc::clone(&waker), Arc::clone(&start));
            let (announced, wakes) = (Arc::clone(&announced), job.wakes);
            thread::spawn(move || -> Result<()> {
                pin(Side::Client)?;
                start.wait();
                start.wait();
                for wake in 1..=wakes {
                    // Release: pairs with the consumer's load, so that who sees the wake sees the number.
                    announced[number].0.store(wake, Ordering::Release);
                    waker.wake()?;
                }
                Ok(())
            })
        })
        .collect();

    // Twice: all are there, then the clock runs, then they begin. With one barrier they could be done before.
    start.wait();
    let before = Usage::now();
    let clock = Instant::now();
    start.wait();
    let mut polls = 0_u64;
    // The wake after the last number must arrive, or this waits until the process is ended.
    while !announced
        .iter()
        // Acquire: pairs with the producers' stores.
        .all(|line| line.0.load(Ordering::Acquire) == job.wakes)
    {
        super::poll(&mut poll, &mut events, None)?;
        ensure!(!events.is_empty(), "the poll returned without an event");
        polls += 1;
    }
    let elapsed = clock.elapsed();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a producer panicked"))??;
    }
    let cpu = Usage::now().nanos_since(before);

    let wakes = job.producers as f64 * job.wakes as f64;
    Ok(values([
        ("time", elapsed.as_nanos() as f64 / wakes),
        ("cpu", cpu / wakes),
        ("polls", polls as f64 / wakes),
        ("operations", wakes),
    ]))
}

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// Two threads, each asleep until the other wakes it: the time there and back.
pub fn ping_pong(job: &Wakes) -> Result<Values> {
    let mut ping = Poll::new()?;
    let mut pong = Poll::new()?;
    let to_ping = Waker::new(ping.registry(), WAKE)?;
    let to_pong = Waker::new(pong.registry(), WAKE)?;
    let turns = done_of(job.wakes) as u64;

    let thread = thread::spawn(move || -> Result<Waker> {
        pin(Side::Client)?;
        let mut events = Events::with_capacity(8);
        for _ in 0..turns {
            wait_for_wake(&mut pong, &mut events)?;
            to_ping.wake()?;
        }
        // Handed back, to live until its last wake has arrived: where a waker is a descriptor, dropping
        // it takes back what was not gathered yet.
        Ok(to_ping)
    });
    let mut events = Events::with_capacity(8);
    let before = Usage::now();
    let nanos = time_each(job.wakes, || {
        to_pong.wake()?;
        wait_for_wake(&mut ping, &mut events)
    })?;
    let cpu = Usage::now().nanos_since(before);
    // Kept until now: it may wake the one that is measured.
    let _to_ping = thread
        .join()
        .map_err(|_| anyhow!("the other side panicked"))??;
    Ok(values([
        ("time", nanos),
        ("cpu", cpu / turns as f64),
        ("operations", turns as f64),
    ]))
}

fn wait_for_wake(poll: &mut Poll, events: &mut Events) -> Result<()> {
    super::poll(poll, events, None)?;
    let mut tokens = events.iter().map(|event| event.token());
    ensure!(
        tokens.next() == Some(WAKE) && tokens.next().is_none(),
        "not the one wake"
    );
    Ok(())
}
