//! Jobs for threads, and their results as events of the loop.
//!
//! Four workers look for the longest Collatz chain (n becomes n/2 if it is even, else 3n + 1, until
//! it is 1). What they find comes through a [`channel`] whose receiver is a source, as a socket is:
//!
//! - A burst of results is *one* event, so take all there is.
//! - There is no waker to remember: a send wakes the poll, and so does the end of the last sender.
//! - Each result makes room for another job. So no more jobs wait than the workers can use, and the
//!   loop never waits to hand one out.
//!
//! ```text
//! cargo run --release --example worker_pool_with_channel
//! ```

use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use wakeful::channel::{self, Sender};
use wakeful::{Events, Interest, Poll, Token};

const RESULTS: Token = Token(0);

const WORKERS: usize = 4;
const NUMBERS: u64 = 300_000;
const NUMBERS_EACH: u64 = 5_000;

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let (sender, mut results) = channel::channel();
    poll.registry()
        .register(&mut results, RESULTS, Interest::READABLE)?;

    let (jobs, job_queue) = mpsc::channel();
    let job_queue = Arc::new(Mutex::new(job_queue));
    for worker in 0..WORKERS {
        let (job_queue, sender) = (Arc::clone(&job_queue), sender.clone());
        thread::spawn(move || work(worker, &job_queue, &sender));
    }
    // The channel ends with the last worker.
    drop(sender);

    let mut to_do = (1..NUMBERS)
        .step_by(NUMBERS_EACH as usize)
        .map(|first| first..(first + NUMBERS_EACH).min(NUMBERS));
    // One job that a worker is at, and one for when it is done.
    for job in to_do.by_ref().take(2 * WORKERS) {
        jobs.send(job).expect("the workers wait for jobs");
    }
    // Dropped when there is no more to do: the workers end then.
    let mut jobs = Some(jobs);

    let mut done = [0; WORKERS];
    let mut longest = Chain::default();
    let mut batches = 0;
    'results: loop {
        match poll.poll(&mut events, None) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        // There is one source, so there is one event. It may be spurious: then nothing is received.
        batches += 1;
        loop {
            match results.try_recv() {
                Ok((worker, chain)) => {
                    done[worker] += 1;
                    longest = longest.max(chain);
                    match to_do.next() {
                        Some(job) => drop(jobs.as_ref().map(|jobs| jobs.send(job))),
                        None => jobs = None,
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => break 'results,
            }
        }
    }

    println!("worker  jobs");
    for (worker, jobs) in done.iter().enumerate() {
        println!("{worker:6}  {jobs:4}");
    }
    let metrics = poll.metrics();
    println!(
        "\n{} jobs, {batches} events, {} of them woke the poll from its sleep",
        done.iter().sum::<usize>(),
        metrics.doorbells
    );
    println!(
        "the longest chain below {NUMBERS} has {} steps and begins with {}",
        longest.steps, longest.start
    );
    Ok(())
}

/// Runs in its own thread, until there are no more jobs.
fn work(worker: usize, jobs: &Mutex<mpsc::Receiver<Range<u64>>>, results: &Sender<(usize, Chain)>) {
    loop {
        // The lock is held while one worker waits; the others wait for the lock instead.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else {
            return; // Nothing left to do.
        };
        let longest = job.map(Chain::from).max().unwrap_or_default();
        if results.send((worker, longest)).is_err() {
            return; // Nobody wants to know any more.
        }
    }
}

/// Ordered by length.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Chain {
    steps: u32,
    start: u64,
}

impl Chain {
    fn from(start: u64) -> Self {
        let mut steps = 0;
        let mut n = start;
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        Self { steps, start }
    }
}
