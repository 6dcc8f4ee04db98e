//! tokio's timers: futures of a current-thread runtime, on a hierarchical wheel of milliseconds.
//!
//! Each has its place in memory before it is armed: what is timed is making the future there and polling it once, which puts
//! it on the wheel; resetting it; dropping it in its place.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use anyhow::{ensure, Context as _, Result};
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::time::{sleep_until, Sleep};

use super::{Lateness, Timers};
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

pub struct Tokio {
    runtime: &'static Runtime,
    /// For timers that are made outside of the runtime.
    _inside: EnterGuard<'static>,
    timers: Vec<Pin<Box<Option<Sleep>>>>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// How many timers have woken their task since this was asked.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// It lives as long as the process, which measures and ends.
pub fn runtime() -> Result<&'static Runtime> {
    Ok(Box::leak(Box::new(
        Builder::new_current_thread().enable_time().build()?,
    )))
}

impl Tokio {
    fn arm(&mut self, timer: usize) -> Result<()> {
        let mut context = Context::from_waker(&self.waker);
        let timer = self.timers[timer].as_mut().as_pin_mut();
        // Due already, if the machine was busy with other things.
        if timer
            .context("there is no timer")?
            .poll(&mut context)
            .is_ready()
        {
            self.woken.0.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}

impl Timers for Tokio {
    type Deadline = tokio::time::Instant;
    const IN_ORDER: bool = false;

    fn new(timers: usize) -> Result<Self> {
        let runtime = runtime()?;
        let woken = Arc::<Woken>::default();
        Ok(Self {
            runtime,
            _inside: runtime.enter(),
            timers: (0..timers).map(|_| Box::pin(None)).collect(),
            waker: Waker::from(Arc::clone(&woken)),
            woken,
        })
    }

    fn deadline(&self, time: Instant) -> Self::Deadline {
        time.into()
    }

    fn insert(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()> {
        self.timers[timer].set(Some(sleep_until(deadline)));
        self.arm(timer)
    }

    fn reset(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()> {
        if let Some(timer) = self.timers[timer].as_mut().as_pin_mut() {
            timer.reset(deadline);
        }
        self.arm(timer)
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        ensure!(self.timers[timer].is_some(), "it was not armed");
        self.timers[timer].set(None);
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        // One turn of its loop.
        self.runtime.block_on(tokio::task::yield_now());
        let woken = self.woken.0.swap(0, Relaxed);
        expired.resize(expired.len() + woken, 0);
        Ok(())
    }
}

pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let runtime = runtime()?;
    Lateness::of_each(job, |time| {
        runtime.block_on(async {
            let deadline = Instant::now() + time;
            sleep_until(deadline.into()).await;
            ensure!(Instant::now() >= deadline, "a timer expired early");
            Ok(deadline)
        })
    })
}
