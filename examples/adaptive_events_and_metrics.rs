//! A batch that grows with the load, and what a poll counts of its own work.
//!
//! A thousand wakers are woken before anybody polls. [`Events::adaptive`] begins with room for 16
//! and doubles whenever a poll has filled it, so a few polls report them all, and the room is there
//! for the next burst.
//!
//! Then another thread wakes one of them a hundred times, and waits each time until that was
//! seen. [`Poll::metrics`] tells the two loads apart: the burst needed no system call, since the
//! polling thread was awake; of the hundred, most found it asleep and rang its doorbell.
//!
//! ```text
//! cargo run --release --example adaptive_events_and_metrics
//! ```

use std::io::{self, ErrorKind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wakeful::{Events, Metrics, Poll, Token, Waker};

const WAKERS: usize = 1000;
const SINGLES: usize = 100;

fn main() -> io::Result<()> {
    // Measuring sleep reads the clock, so it has to be asked for.
    let mut poll = Poll::builder().measure_sleep(true).build()?;
    let mut events = Events::adaptive(16..=512);
    let mut wakers = (0..WAKERS)
        .map(|token| Waker::new(poll.registry(), Token(token)))
        .collect::<io::Result<Vec<_>>>()?;

    for waker in &wakers {
        waker.wake()?;
        waker.wake()?; // part of the same event
    }
    println!("poll  room  events");
    let mut seen = 0;
    for number in 1.. {
        poll.poll(&mut events, Some(Duration::ZERO))?;
        let count = events.iter().count();
        seen += count;
        let more = if events.is_saturated() { "  full" } else { "" };
        println!("{number:4}  {:4}  {count:6}{more}", events.capacity());
        if seen == WAKERS {
            break;
        }
    }
    let burst = poll.metrics();

    let waker = wakers.swap_remove(0);
    let (answer, answers) = mpsc::channel();
    let waking = thread::spawn(move || -> io::Result<()> {
        for _ in 0..SINGLES {
            waker.wake()?;
            if answers.recv().is_err() {
                break; // The poll has failed.
            }
        }
        Ok(())
    });
    for _ in 0..SINGLES {
        wait_for_event(&mut poll, &mut events)?;
        answer.send(()).expect("the waking thread waits for it");
    }
    waking.join().expect("waking does not panic")?;
    let all = poll.metrics();

    println!("\n                burst  {SINGLES} singly");
    row("waits", burst, all, |metrics| metrics.waits);
    row("events", burst, all, |metrics| metrics.events);
    row("wakes", burst, all, |metrics| metrics.wakes);
    row("coalesced", burst, all, |metrics| metrics.coalesced);
    row("doorbells", burst, all, |metrics| metrics.doorbells);
    row("empty wakes", burst, all, |metrics| metrics.empty_wakes);
    row("us asleep", burst, all, |metrics| {
        metrics.asleep.as_micros() as u64
    });
    Ok(())
}

fn wait_for_event(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    loop {
        match poll.poll(events, None) {
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Metrics only grow; what happened in between is a difference.
fn row(name: &str, burst: Metrics, all: Metrics, count: fn(&Metrics) -> u64) {
    let (first, both) = (count(&burst), count(&all));
    println!("{name:12}  {first:7}  {:10}", both - first);
}
