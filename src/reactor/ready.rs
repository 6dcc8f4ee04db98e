//! User-space readiness: everything that a poll reports without having asked the kernel.
//!
//! Wakers, user sources and channels push an [`Entry`] on the list; timers are due by the clock.
//! Both end in the poller's queue of entries to deliver.
//!
//! Arming a timer makes no system call. If its deadline is the soonest, a sleeping poller would
//! sleep too long, so a *nudge* is pushed: an entry that reports nothing, and wakes the poller by
//! the same protocol as any other. The deadline is set before the nudge is pushed, and the poller
//! reads it after it has taken the list, so it cannot miss both.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::sync::Arc;
use crate::reactor::ready_list::{Entry, MustRing, Owner, Pending, Queued, ReadyList};
use crate::reactor::report::{Kind, Report};
use crate::reactor::timers::{Change, Schedule, TimerKey, Timers};
use crate::sys::Doorbell;

/// The user-space side of a poll, shared with everything that notifies it.
pub(crate) struct Ready {
    list: ReadyList,
    doorbell: Doorbell,
    /// How often the doorbell was rung.
    rings: AtomicUsize,
    nudge: Owner,
    timers: Mutex<Timers>,
    /// Whether there ever was a timer: without one the clock is left alone.
    has_timers: AtomicBool,
}

impl Ready {
    pub(crate) fn new(doorbell: Doorbell) -> Self {
        Self {
            list: ReadyList::new(),
            doorbell,
            rings: AtomicUsize::new(0),
            nudge: Entry::new(Report::nudge()),
            timers: Mutex::new(Timers::new()),
            has_timers: AtomicBool::new(false),
        }
    }

    /// To be said by whoever will notify, before he does: from now on a poller that is awake is not rung for.
    pub(crate) fn expect_notifications(&self) {
        self.list.expect_pushes();
    }

    /// Makes `entry` ready; the poller reports it once, however often this is called before.
    ///
    /// Async-signal-safe: atomics, and at most one system call.
    pub(crate) fn notify(&self, entry: &Arc<Entry>) -> io::Result<()> {
        self.ring_if(self.list.push(entry))
    }

    /// As `notify`, by the poller itself while it asks the kernel: it takes the list before it
    /// sleeps again, so nobody has to wake it.
    // Only where readiness comes from completions.
    #[cfg_attr(not(all(handle = "windows", feature = "os-ext")), allow(dead_code))]
    pub(crate) fn notify_by_poller(&self, entry: &Arc<Entry>) {
        let MustRing(_) = self.list.push(entry);
    }

    /// From now on the poll's descriptor becomes readable on every notification.
    #[cfg_attr(not(handle = "fd"), allow(dead_code))] // there is no descriptor
    pub(crate) fn watch(&self) -> io::Result<()> {
        self.ring_if(self.list.watch())
    }

    /// Queues everything that is ready behind `pending`: what was notified, oldest first, then the
    /// timers that are due, soonest first. Says how long the next timer is off.
    #[inline]
    pub(crate) fn take(&self, pending: &mut Pending) -> Option<Duration> {
        let old = pending.len();
        self.list.take(pending);
        if !self.has_timers() {
            return None;
        }
        self.take_timers(old, pending)
    }

    /// Whether there ever was a timer.
    #[inline]
    pub(crate) fn has_timers(&self) -> bool {
        // Relaxed: whoever sets it nudges afterwards, and a poller that takes the nudge has acquired it.
        self.has_timers.load(Relaxed)
    }

    /// As `take`, of which `old` entries were there before.
    #[inline(never)]
    fn take_timers(&self, old: usize, pending: &mut Pending) -> Option<Duration> {
        // It is among the new ones, once at most.
        let nudge = pending.iter().skip(old).position(is_nudge);
        if let Some(nudge) = nudge.and_then(|index| pending.remove(old + index)) {
            nudge.clear();
        }
        self.timers().expire(pending)
    }

    /// Announces that the poller is about to sleep; `false` if something is ready.
    pub(crate) fn go_to_sleep(&self) -> bool {
        self.list.go_to_sleep()
    }

    /// Notes at the end of a poll whether entries stay behind for the next one.
    pub(crate) fn leave_behind(&self, some: bool) -> io::Result<()> {
        self.ring_if(self.list.leave_behind(some))
    }

    /// The table of timers.
    pub(crate) fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a timer, with what it is set to and how often it has expired already.
    pub(crate) fn insert_timer(
        &self,
        entry: &Arc<Entry>,
        schedule: Option<Schedule>,
        expirations: u64,
    ) -> io::Result<TimerKey> {
        self.expect_notifications();
        let key = self.timers().insert(Arc::clone(entry));
        self.set_timer(key, schedule);
        if expirations > 0 {
            self.timers().add_expirations(key, expirations);
            self.notify(entry)?;
        }
        Ok(key)
    }

    /// Sets or disarms a timer; whether it was armed. Makes no system call unless the poller sleeps
    /// and would sleep too long.
    pub(crate) fn set_timer(&self, key: TimerKey, schedule: Option<Schedule>) -> bool {
        let Change {
            was_armed,
            is_soonest,
        } = self.timers().set(key, schedule);
        if is_soonest {
            self.has_timers.store(true, Relaxed);
            // A doorbell that cannot be rung is one that has been.
            let _ = self.notify(&self.nudge);
        }
        was_armed
    }

    /// How often the doorbell was rung.
    pub(crate) fn rings(&self) -> usize {
        self.rings.load(Relaxed)
    }

    fn ring_if(&self, must_ring: MustRing) -> io::Result<()> {
        if must_ring.0 {
            self.rings.fetch_add(1, Relaxed);
            self.doorbell.ring()
        } else {
            Ok(())
        }
    }
}

fn is_nudge(queued: &Queued) -> bool {
    queued.report().kind() == Kind::Nudge
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
