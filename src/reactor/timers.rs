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
    /// Deadlines count from `BEFORE` nanoseconds before this.
    made: Instant,
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
            made: Instant::now(),
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

    /// Forgets a timer; what it was set to, and how often it has expired.
    pub(crate) fn remove(&mut self, key: TimerKey) -> (Option<Schedule>, u64) {
        let schedule = self.schedule(key);
        let expirations = self.take_expirations(key);
        self.deadlines.remove(key.0);
        self.slots[key.0 as usize].entry = None;
        self.vacant.push(key.0);
        (schedule, expirations)
    }

    /// Sets, moves or disarms a timer; expirations that nobody asked for are forgotten.
    pub(crate) fn set(&mut self, key: TimerKey, schedule: Option<Schedule>) -> Change {
        self.take_expirations(key);
        let Some(schedule) = schedule else {
            return Change {
                was_armed: self.deadlines.remove(key.0).is_some(),
                is_soonest: false,
            };
        };
        let deadline = self.nanos_of(schedule.first);
        self.slots[key.0 as usize].period = schedule.period.map_or(0, nanos);
        Change {
            was_armed: self.deadlines.get(key.0).is_some(),
            is_soonest: self.deadlines.set(key.0, deadline),
        }
    }

    /// What a timer is set to, from its next expiration on.
    pub(crate) fn schedule(&self, key: TimerKey) -> Option<Schedule> {
        let deadline = self.deadlines.get(key.0)?;
        let period = self.slots[key.0 as usize].period;
        Some(Schedule {
            first: self.instant_of(deadline)?,
            period: (period != 0).then_some(Duration::from_nanos(period)),
        })
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let (deadline, _) = self.deadlines.first()?;
        self.instant_of(deadline)
    }

    /// How often a timer has expired since this was asked last.
    pub(crate) fn take_expirations(&mut self, key: TimerKey) -> u64 {
        if !self.deadlines.take_expired(key.0) {
            return 0;
        }
        let slot = &mut self.slots[key.0 as usize];
        if let Some(entry) = &slot.entry {
            entry.report().clear(Readiness::READABLE);
        }
        std::mem::take(&mut slot.expirations)
    }

    /// A timer has expired; whether there is something to report.
    pub(crate) fn add_expirations(&mut self, key: TimerKey, expirations: u64) -> bool {
        self.deadlines.note_expired(key.0);
        let slot = &mut self.slots[key.0 as usize];
        slot.expirations = slot.expirations.saturating_add(expirations);
        (slot.entry.as_ref()).is_some_and(|entry| entry.report().set(Readiness::READABLE))
    }

    /// Queues what is due in `pending`, in the order of deadlines; says how long the rest is off.
    pub(crate) fn expire(&mut self, pending: &mut Pending) -> Option<Duration> {
        self.deadlines.first()?;
        let now = self.nanos_of(Instant::now());
        while let Some((deadline, number)) = self.deadlines.expire(now) {
            let period = self.slots[number as usize].period;
            let expirations = match (now - deadline).checked_div(period) {
                // It has no period.
                None => 1,
                // Those that were missed are made up for by number, and the beat is kept.
                Some(missed) => {
                    let expirations = missed.saturating_add(1);
                    let next = deadline.saturating_add(expirations.saturating_mul(period));
                    self.deadlines.set(number, next);
                    expirations
                }
            };
            if self.add_expirations(TimerKey(number), expirations) {
                if let Some(entry) = &self.slots[number as usize].entry {
                    queue(entry, pending);
                }
            }
        }
        let (next, _) = self.deadlines.first()?;
        Some(Duration::from_nanos(next - now))
    }

    /// Deadlines as numbers: exact for some 146 years before the poll was made and 438 after, and
    /// saturated beyond.
    fn nanos_of(&self, time: Instant) -> u64 {
        match time.checked_duration_since(self.made) {
            Some(after) => BEFORE.saturating_add(nanos(after)),
            None => BEFORE.saturating_sub(nanos(self.made.saturating_duration_since(time))),
        }
    }

    fn instant_of(&self, number: u64) -> Option<Instant> {
        match number.checked_sub(BEFORE) {
            Some(after) => self.made.checked_add(Duration::from_nanos(after)),
            None => self.made.checked_sub(Duration::from_nanos(BEFORE - number)),
        }
    }
}

/// Room for deadlines that had passed when the poll was made.
const BEFORE: u64 = 1 << 62;

/// Saturates after 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
