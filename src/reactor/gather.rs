//! One turn of the loop: gathers what is ready from the kernel and from user space, and sleeps if
//! that is nothing.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::wait::{Limit, Wait};
use crate::reactor::events::Events;
use crate::reactor::metrics::Metrics;
use crate::reactor::ready_list::{queue, Pending};
use crate::reactor::registry::Shared;
use crate::reactor::report::Kind;
use crate::reactor::spin::Spin;
use crate::sys;

/// What a user chose when the poll was built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) spin: Duration,
    pub(crate) retry_interrupted: bool,
    pub(crate) measure_sleep: bool,
}

/// What the polling thread has to itself.
pub(crate) struct Gatherer {
    buffer: sys::Buffer,
    /// User-space sources that are ready and not reported yet.
    pub(crate) pending: Pending,
    /// Whose turn it is when there is room for one event and two to report.
    kernel_is_next: bool,
    pub(crate) metrics: Metrics,
    spin: Spin,
    options: Options,
    /// By how much the kernel may end a wait late: of the thread that built the poll.
    slack: Duration,
    /// Whether the last sleep of this poll was to end earlier, by the slack.
    was_early: bool,
    /// Whether nothing but a timeout can be asked for: no spinning, no measuring, no diagnostics.
    is_plain: bool,
}

impl Gatherer {
    pub(crate) fn new(options: Options, is_observed: bool) -> Self {
        let spin = Spin::new(options.spin);
        Self {
            buffer: sys::Buffer::default(),
            pending: Pending::new(),
            kernel_is_next: false,
            metrics: Metrics::default(),
            is_plain: !spin.is_wanted() && !options.measure_sleep && !is_observed,
            spin,
            options,
            slack: sys::timer_slack(),
            was_early: false,
        }
    }

    /// The way of nearly every poll: a sleep that ends with events of the kernel and nothing else. `gather` does
    /// the rest.
    #[inline(always)]
    pub(crate) fn gather_plainly(
        &mut self,
        shared: &Shared,
        events: &mut Events,
        wait: Wait,
    ) -> Plainly {
        let can_sleep = self.is_plain
            && !wait.is_none()
            && self.pending.is_empty()
            && !shared.ready.has_timers()
            && shared.ready.go_to_sleep();
        if !can_sleep {
            return Plainly::NotTried;
        }
        self.metrics.waits += 1;
        let asked = wait.allowing_for(self.slack);
        let outcome = self.ask(shared, events, events.capacity(), asked);
        self.was_early = asked != wait;
        // As at the end of every sleep.
        shared.ready.take(&mut self.pending);
        if outcome.is_ok() && self.pending.is_empty() && !events.is_empty() {
            Plainly::Found
        } else {
            Plainly::Slept(outcome)
        }
    }

    /// Looks, and waits, until there is an event or the limit has passed: mostly, one turn. Goes on from there after
    /// a sleep that [`gather_plainly`](Self::gather_plainly) has done.
    #[inline(never)]
    pub(crate) fn gather(
        &mut self,
        shared: &Arc<Shared>,
        events: &mut Events,
        limit: &mut Limit,
        slept: Option<io::Result<()>>,
    ) -> io::Result<()> {
        let mut waits = self.metrics.waits;
        let mut outcome = match slept {
            None => {
                self.was_early = false;
                self.turn(shared, events, limit.left())
            }
            Some(outcome) => {
                // It is counted already.
                waits -= 1;
                outcome.map(|()| self.deliver(shared, events, 0))
            }
        };
        loop {
            match outcome {
                Ok(()) if !events.is_empty() => return Ok(()),
                // Nothing: the time is over, or the doorbell rang for what an earlier turn has taken
                // already, a timer was set, or the backend had to look after itself.
                Ok(()) => {
                    limit.look_at_clock();
                    if limit.left().is_none() {
                        return Ok(());
                    }
                    if self.metrics.waits != waits && !self.is_rest(limit.left()) {
                        self.metrics.empty_wakes += 1;
                    }
                }
                // Also if the time is over: nothing has been looked at yet.
                Err(err)
                    if err.kind() == io::ErrorKind::Interrupted
                        && self.options.retry_interrupted =>
                {
                    limit.look_at_clock();
                }
                Err(err) => return Err(err),
            }
            waits = self.metrics.waits;
            outcome = self.turn(shared, events, limit.left());
        }
    }

    fn turn(&mut self, shared: &Arc<Shared>, events: &mut Events, left: Wait) -> io::Result<()> {
        let next_timer = shared.ready.take(&mut self.pending);
        if !self.pending.is_empty() {
            return self.report_both(shared, events);
        }
        let wait = match next_timer {
            Some(time) => left.no_longer_than(time),
            None => left,
        };
        self.wait(shared, events, wait)?;
        self.deliver(shared, events, 0);
        Ok(())
    }

    /// Something of user space is ready: adds what the kernel has, without waiting.
    #[inline(never)]
    fn report_both(&mut self, shared: &Arc<Shared>, events: &mut Events) -> io::Result<()> {
        let capacity = events.capacity();
        let room = kernel_room(capacity, self.pending.len(), &mut self.kernel_is_next);
        self.look(shared, events, room)?;
        let kernel_has_more = events.len() == room;
        self.deliver(shared, events, 0);
        // What was ready may have been called back, and its room is the kernel's after all.
        let delivered = events.len();
        if kernel_has_more && delivered < capacity {
            let outcome = self.look(shared, events, capacity - delivered);
            self.deliver(shared, events, delivered);
            // An interruption must not cost what is there.
            if events.is_empty() {
                outcome?;
            }
        }
        Ok(())
    }

    /// Waits for the kernel, by spinning or asleep.
    #[inline]
    fn wait(&mut self, shared: &Arc<Shared>, events: &mut Events, wait: Wait) -> io::Result<()> {
        if wait.is_none() {
            return self.look(shared, events, events.capacity());
        }
        if !self.spin.is_wanted() {
            return self.sleep(shared, events, wait);
        }
        self.spin_or_sleep(shared, events, wait)
    }

    #[inline(never)]
    fn spin_or_sleep(
        &mut self,
        shared: &Arc<Shared>,
        events: &mut Events,
        wait: Wait,
    ) -> io::Result<()> {
        let left = match self.spin(shared, events, wait)? {
            Spun::Found => return Ok(()),
            Spun::InVain(time) => wait.less(time),
            Spun::NotAtAll => wait,
        };
        if left.is_none() {
            return Ok(());
        }
        self.sleep(shared, events, left)
    }

    /// Asks the kernel, without waiting.
    #[inline(never)]
    fn look(&mut self, shared: &Arc<Shared>, events: &mut Events, room: usize) -> io::Result<()> {
        if room == 0 {
            return Ok(());
        }
        self.metrics.waits += 1;
        let outcome = self.ask_apart(shared, events, room, Wait::NONE);
        // The look may have silenced the doorbell: what it rang for must not stay in the list,
        // where whoever watches the descriptor would not hear of it.
        shared.ready.take(&mut self.pending);
        outcome
    }

    /// Looks again and again instead of sleeping, if that is wanted.
    fn spin(&mut self, shared: &Arc<Shared>, events: &mut Events, wait: Wait) -> io::Result<Spun> {
        let Some(time) = self.spin.time(wait) else {
            return Ok(Spun::NotAtAll);
        };
        let start = Instant::now();
        loop {
            self.look(shared, events, events.capacity())?;
            if !events.is_empty() || !self.pending.is_empty() {
                self.metrics.spin_hits += 1;
                self.spin.has_paid();
                return Ok(Spun::Found);
            }
            let spun = start.elapsed();
            if spun >= time {
                self.metrics.spin_misses += 1;
                self.spin.was_in_vain();
                return Ok(Spun::InVain(spun));
            }
            std::hint::spin_loop();
        }
    }

    fn sleep(&mut self, shared: &Arc<Shared>, events: &mut Events, wait: Wait) -> io::Result<()> {
        // Nothing may sleep before it has said so; whoever notifies after that rings.
        if !shared.ready.go_to_sleep() {
            return Ok(());
        }
        let outcome = self.sleep_watched(shared, events, wait);
        // Awake again, and whatever the outcome, what was notified is kept.
        shared.ready.take(&mut self.pending);
        outcome
    }

    /// Sleeps, with an eye on the clock, and for diagnostics.
    fn sleep_watched(
        &mut self,
        shared: &Arc<Shared>,
        events: &mut Events,
        wait: Wait,
    ) -> io::Result<()> {
        if let (Some(observer), Wait::Forever) = (&shared.observer, wait) {
            if is_alone(shared) {
                observer.sleeps_alone();
            }
        }
        let asked = if self.is_rest(wait) {
            wait
        } else {
            self.metrics.waits += 1;
            wait.allowing_for(self.slack)
        };
        let start = self.options.measure_sleep.then(Instant::now);
        let outcome = self.ask_apart(shared, events, events.capacity(), asked);
        self.was_early = asked != wait;
        if let Some(start) = start {
            self.metrics.asleep += start.elapsed();
        }
        outcome
    }

    /// As `ask`, which is large, in a place of its own.
    #[inline(never)]
    fn ask_apart(
        &mut self,
        shared: &Shared,
        events: &mut Events,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        self.ask(shared, events, room, wait)
    }

    #[inline(always)]
    fn ask(
        &mut self,
        shared: &Shared,
        events: &mut Events,
        room: usize,
        wait: Wait,
    ) -> io::Result<()> {
        let found = events.list();
        shared.selector.select(&mut self.buffer, found, room, wait)
    }

    /// Whether a wait of this poll ended early, by the slack that was allowed for and that the kernel did
    /// not use, and this is what it left over: to be waited for as it is.
    fn is_rest(&self, wait: Wait) -> bool {
        self.was_early && wait.ends_within(self.slack)
    }

    /// Reports user-space sources as far as there is room; the kernel's events begin at `first`.
    #[inline]
    fn deliver(&mut self, shared: &Shared, events: &mut Events, first: usize) {
        if !self.pending.is_empty() || shared.observer.is_some() {
            self.deliver_to_all(shared, events, first);
        }
    }

    #[inline(never)]
    fn deliver_to_all(&mut self, shared: &Shared, events: &mut Events, first: usize) {
        if let Some(observer) = &shared.observer {
            observer.reported(events.iter().skip(first));
        }
        // What is to be reported again comes after these, and in the next poll.
        for _ in 0..self.pending.len() {
            if events.is_saturated() {
                break;
            }
            let Some(queued) = self.pending.pop_front() else {
                break;
            };
            if let Some(event) = queued.report().of_waker() {
                self.count_wakes(queued.clear() as u64);
                events.push(event);
                continue;
            }
            let (times_queued, entry) = queued.clear_and_keep();
            let delivery = entry.report().deliver();
            if entry.report().kind() == Kind::User {
                let again = u64::from(delivery.was_again);
                self.count_wakes((times_queued as u64).saturating_sub(again));
            }
            if let Some(event) = delivery.event {
                events.push(event);
            }
            if delivery.again {
                queue(&entry, &mut self.pending);
            }
        }
    }

    fn count_wakes(&mut self, wakes: u64) {
        self.metrics.wakes += wakes;
        self.metrics.coalesced += wakes.saturating_sub(1);
    }
}

/// What became of a poll that nothing but the kernel has to do with.
pub(crate) enum Plainly {
    /// There are events of the kernel, and there is nothing else to do.
    Found,
    /// It ended otherwise.
    Slept(io::Result<()>),
    /// There was something to do before.
    NotTried,
}

/// What became of spinning.
enum Spun {
    NotAtAll,
    Found,
    InVain(Duration),
}

/// Whether nobody but the poll could register a source, wake it, or set a timer.
fn is_alone(shared: &Arc<Shared>) -> bool {
    Arc::strong_count(shared) == 1 && Arc::strong_count(&shared.ready) == 1
}

/// How many events the kernel may report while user-space sources are ready too: at least half,
/// and every second one if there is room for one only.
fn kernel_room(capacity: usize, pending: usize, kernel_is_next: &mut bool) -> usize {
    if capacity > 1 {
        return capacity - pending.min(capacity / 2);
    }
    *kernel_is_next = !*kernel_is_next;
    usize::from(*kernel_is_next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_at_least_half_of_the_room() {
        let mut turn = false;
        assert_eq!(kernel_room(8, 1, &mut turn), 7);
        assert_eq!(kernel_room(8, 100, &mut turn), 4);
        assert_eq!(kernel_room(3, 100, &mut turn), 2);
    }

    #[test]
    fn with_room_for_one_they_take_turns() {
        let mut turn = false;
        let rooms: Vec<_> = (0..4).map(|_| kernel_room(1, 5, &mut turn)).collect();
        assert_eq!(rooms, [1, 0, 1, 0]);
    }
}
