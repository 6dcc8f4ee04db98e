//! The measured programs, over whatever crate the engine calls `api`.

use super::api;

mod active;
mod churn;
mod echo;
mod idle;
mod overshoot;
mod register;
mod rtt;
mod wait;
mod wake;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Result};

use api::{Events, Poll, Token};

use crate::stats::median;
use crate::workloads::{Job, Values};

/// Does the job, and says how it went.
pub fn run(job: &Job) -> Result<Values> {
    match job {
        Job::Echo(job) => echo::serve(job),
        Job::Active(job) => active::active(job),
        Job::Churn(job) => churn::serve(job),
        Job::Idle(job) => idle::idle(job),
        Job::Awake(job) => wake::awake(job),
        Job::Harvest(job) => wake::harvest(job),
        Job::Many(job) => wake::many(job),
        Job::Producers(job) => wake::producers(job),
        Job::PingPong(job) => wake::ping_pong(job),
        Job::Wait(job) => wait::wait(job),
        Job::Register(job) => register::register(job),
        Job::Overshoot(job) => overshoot::overshoot(job),
        Job::Rtt(job) => rtt::serve(job),
        Job::RttClient(job, server) => rtt::client(job, *server),
        Job::Timers(_) | Job::Channel(_) | Job::Http(_) | Job::HttpServer | Job::Startup(_) => {
            bail!("not over the API that the engines share")
        }
    }
}

/// Waits once more if a signal came.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    loop {
        match poll.poll(events, timeout) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Looks without waiting, and expects just that.
fn expect(found: &mut Poll, events: &mut Events, tokens: &[Token]) -> Result<()> {
    poll(found, events, Some(Duration::ZERO))?;
    let found: Vec<Token> = events.iter().map(|event| event.token()).collect();
    ensure!(found == tokens, "expected {tokens:?}, found {found:?}");
    Ok(())
}

/// How often a short operation is timed, to take the median.
const BATCHES: u64 = 21;

/// Does an operation `number` times. How long one took, in nanoseconds: the median over batches.
fn time_each(number: u64, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let size = (number / BATCHES).max(1);
    let mut nanos = Vec::with_capacity(BATCHES as usize);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..size {
            operation()?;
        }
        nanos.push(start.elapsed().as_nanos() as f64 / size as f64);
    }
    Ok(median(&nanos))
}

/// How many operations [`time_each`] does when asked for `number`.
fn done_of(number: u64) -> f64 {
    ((number / BATCHES).max(1) * BATCHES) as f64
}
