//! The program of `channel`, and the channels.

mod mio;
mod tokio;
mod wakeful;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use anyhow::{anyhow, bail, ensure, Result};

use super::Engine;
use crate::system::{pin, Side, Usage};
use crate::workloads::channel::Channel;
use crate::workloads::{values, Values};

/// Who sent it, and its number, from 0.
type Message = (u64, u64);

pub fn run(engine: Engine, job: &Channel) -> Result<Values> {
    match engine {
        Engine::Wakeful | Engine::WakefulPoll => wakeful::run(job),
        Engine::Mio => mio::run(job),
        Engine::Tokio => tokio::run(job),
        _ => bail!("{} has no channels", engine.name()),
    }
}

/// Producers send, each with a clone of `send`, while `receive` takes all there is until the ledger is full.
fn measure<S>(
    job: &Channel,
    send: S,
    receive: impl FnOnce(&mut Ledger) -> Result<()>,
) -> Result<Values>
where
    S: Fn(Message) -> Result<()> + Clone + Send + 'static,
{
    let start = Arc::new(Barrier::new(job.producers as usize + 1));
    let threads: Vec<_> = (0..job.producers)
        .map(|producer| {
            let (send, start, messages) = (send.clone(), Arc::clone(&start), job.messages);
            thread::spawn(move || -> Result<()> {
                pin(Side::Client)?;
                start.wait();
                (0..messages).try_for_each(|number| send((producer, number)))
            })
        })
        .collect();
    // The channel is to close behind the last of them.
    drop(send);

    let mut ledger = Ledger {
        next: vec![0; job.producers as usize],
        missing: job.producers * job.messages,
    };
    // Before the barrier: behind it this thread may come last.
    let before = Usage::now();
    let clock = Instant::now();
    start.wait();
    // A message that is lost is waited for until the process is ended.
    receive(&mut ledger)?;
    let elapsed = clock.elapsed();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a producer panicked"))??;
    }
    let cpu = Usage::now().nanos_since(before);
    ensure!(ledger.missing == 0, "{} messages lost", ledger.missing);

    let messages = (job.producers * job.messages) as f64;
    Ok(values([
        ("time", elapsed.as_nanos() as f64 / messages),
        ("cpu", cpu / messages),
        ("operations", messages),
    ]))
}

/// What has come.
struct Ledger {
    /// The number that comes next, of each producer.
    next: Vec<u64>,
    missing: u64,
}

impl Ledger {
    fn enter(&mut self, (producer, number): Message) -> Result<()> {
        let next = &mut self.next[producer as usize];
        ensure!(
            number == *next,
            "message {number} of producer {producer} came instead of {next}"
        );
        *next += 1;
        self.missing -= 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.missing == 0
    }
}
