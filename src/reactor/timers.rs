//! The timers of one poll: who they are, and when they are due.

use std::time::{Duration, Instant};

use crate::base::deadlines::Deadlines;
use crate::base::readiness::Readiness;
use crate::base::sync::Arc;
use crate::reactor::ready_list::{queue, Entry, Pending};

/// When a timer expires, and how often.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) first: Instant,
    /// From one expiration to the next; not zero.
    pub(crate) period: Option<Duration>,
}

/// A registered timer, in the table of its poll.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey(u32);

/// What setting a timer has changed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) was_armed: bool,
    /// The poller may have to sleep less long now.
    pub(crate) is_soonest: bool,
}

#[derive(Debug)]
pub(crate) struct Timers {
    /// Deadlines count from here.
    epoch: Instant,
    deadlines: Deadlines,
    slots: Vec<Slot>,
    vacant: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    /// None when vacant.
    entry: Option<Arc<Entry>>,
    /// Nanoseconds; zero for a timer that expires once.
    period: u64,
    expirations: u64,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            deadlines: Deadlines::default(),
            slots: Vec::new(),
            vacant: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, entry: Arc<Entry>) -> TimerKey {
        let slot = Slot {
            entry: Some(entry),
            period: 0,
            expirations: 0,
        };
        match self.vacant.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                TimerKey(number)
            }
            None => {
                self.slots.push(slot);
                // More would need a hundred gigabytes before.
                TimerKey(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 timers"))
            }
        }
    }

    /// Forgets a timer; what it was set to.
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<Schedule> {
        let schedule = self.schedule(key);
        self.deadlines.remove(key.0);
        self.slots[key.0 as usize].entry = None;
        self.vacant.push(key.0);
        schedule
    }

    /// Sets, moves or disarms a timer; expirations that nobody asked for are forgotten.
    pub(crate) fn set(&mut self, key: TimerKey, schedule: Option<Schedule>) -> Change {
        if self.slots[key.0 as usize].expirations != 0 {
            self.take_expirations(key);
        }
        let Some(schedule) = schedule else {
            return Change {
                was_armed: self.deadlines.remove(key.0).is_some(),
                is_soonest: false,
            };
        };
        let deadline = self.since_epoch(schedule.first);
        self.slots[key.0 as usize].period = schedule.period.map_or(0, nanos);
        Change {
            was_armed: self.deadlines.get(key.0).is_some(),
            is_soonest: self.deadlines.set(key.0, deadline),
        }
    }

    /// What a timer is set to, from its next expiration on.
    pub(crate) fn schedule(&self, key: TimerKey) -> Option<Schedule> {
        let nanos = self.deadlines.get(key.0)?;
        let period = self.slots[key.0 as usize].period;
        Some(Schedule {
            first: self.epoch + Duration::from_nanos(nanos),
            period: (period != 0).then_some(Duration::from_nanos(period)),
        })
    }

    /// How often a timer has expired since this was asked last.
    pub(crate) fn take_expirations(&mut self, key: TimerKey) -> u64 {
        let slot = &mut self.slots[key.0 as usize];
        if let Some(entry) = &slot.entry {
            entry.report().clear(Readiness::READABLE);
        }
        std::mem::take(&mut slot.expirations)
    }

    /// Queues what is due in `pending`, in the order of deadlines; says how long the rest is off.
    pub(crate) fn expire(&mut self, pending: &mut Pending) -> Option<Duration> {
        self.deadlines.first()?;
        let now = self.since_epoch(Instant::now());
        loop {
            let (deadline, number) = self.deadlines.first()?;
            if deadline > now {
                return Some(Duration::from_nanos(deadline - now));
            }
            let slot = &mut self.slots[number as usize];
            let expirations = match (now - deadline).checked_div(slot.period) {
                // It has no period.
                None => {
                    self.deadlines.remove(number);
                    1
                }
                // Those that were missed are made up for by number, and the beat is kept.
                Some(missed) => {
                    let expirations = missed.saturating_add(1);
                    let next = deadline.saturating_add(expirations.saturating_mul(slot.period));
                    self.deadlines.set(number, next);
                    expirations
                }
            };
            slot.expirations = slot.expirations.saturating_add(expirations);
            if let Some(entry) = &slot.entry {
                if entry.report().set(Readiness::READABLE) {
                    queue(entry, pending);
                }
            }
        }
    }

    fn since_epoch(&self, time: Instant) -> u64 {
        nanos(time.saturating_duration_since(self.epoch))
    }
}

/// Saturates after 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
