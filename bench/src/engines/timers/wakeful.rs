//! wakeful's timers: sources of a poll.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Token};

use super::{Lateness, Timers};
use crate::workloads::timers::Overshoot;
use crate::workloads::Values;

pub struct Wakeful {
    poll: Poll,
    events: Events,
    timers: Vec<Timer>,
}

impl Timers for Wakeful {
    type Deadline = Instant;
    const IN_ORDER: bool = true;

    fn new(timers: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut timers: Vec<_> = (0..timers).map(|_| Timer::new()).collect();
        for (number, timer) in timers.iter_mut().enumerate() {
            poll.registry()
                .register(timer, Token(number), Interest::READABLE)?;
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1_024),
            timers,
        })
    }

    fn deadline(&self, time: Instant) -> Instant {
        time
    }

    fn insert(&mut self, timer: usize, deadline: Instant) -> Result<()> {
        self.timers[timer].set_at(deadline);
        Ok(())
    }

    fn reset(&mut self, timer: usize, deadline: Instant) -> Result<()> {
        self.timers[timer].set_at(deadline);
        Ok(())
    }

    fn cancel(&mut self, timer: usize) -> Result<()> {
        ensure!(self.timers[timer].cancel(), "it was not armed");
        Ok(())
    }

    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()> {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        expired.extend(self.events.iter().map(|event| event.token().0));
        Ok(())
    }
}

pub fn overshoot(job: &Overshoot) -> Result<Values> {
    let mut poll = Poll::builder().retry_interrupted(true).build()?;
    let mut events = Events::with_capacity(8);
    let mut timer = Timer::new();
    poll.registry()
        .register(&mut timer, Token(3), Interest::READABLE)?;
    Lateness::of_each(job, |time| {
        let deadline = Instant::now() + time;
        timer.set_at(deadline);
        poll.poll(&mut events, None)?;
        let mut tokens = events.iter().map(|event| event.token());
        ensure!(
            tokens.next() == Some(Token(3)) && tokens.next().is_none(),
            "not the one timer"
        );
        ensure!(Instant::now() >= deadline, "a timer expired early");
        Ok(deadline)
    })
}
