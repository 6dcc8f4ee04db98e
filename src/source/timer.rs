//! Timers: sources that become ready when their time has come.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::interest::Interest;
use crate::base::token::Token;
use crate::reactor::membership::Membership;
use crate::reactor::ready::Ready;
use crate::reactor::ready_list::{Entry, Owner};
use crate::reactor::registry::{Registry, Source};
use crate::reactor::report::Report;
use crate::reactor::timers::{Schedule, TimerKey};
use crate::source::user::require_shareable;

/// A source that becomes readable at its deadline, once or in a beat.
///
/// Timers belong to the poll they are registered with and cost the system nothing: arming, moving
/// and cancelling one is an operation on a heap in memory. The poll sleeps exactly until the next
/// deadline, and reports the timers that are due in the order of their deadlines.
///
/// An event says that the timer has expired; [`expirations`](Timer::expirations) says how often. A
/// timer never expires early. It is late by what the system takes to wake a thread, some tens of
/// microseconds on an idle Linux machine (timer slack is allowed for, see
/// [`Poll::poll`](crate::Poll::poll)), and by what the loop is doing at the time.
///
/// Time is that of [`Instant`], which stands still while the system is suspended on Linux.
///
/// # Threads
///
/// All methods take `&self`: share a timer in an `Arc` to move it from another
/// thread. A deadline that becomes the soonest wakes the poll if it sleeps.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use std::time::{Duration, Instant};
/// use wakeful::time::Timer;
/// use wakeful::{Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let start = Instant::now();
/// let mut timer = Timer::after(Duration::from_millis(2));
/// poll.registry().register(&mut timer, Token(1), Interest::READABLE)?;
///
/// poll.poll(&mut events, None)?;
/// assert_eq!(events.iter().next().unwrap().token(), Token(1));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// assert_eq!(timer.expirations(), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[doc(alias = "timerfd")]
pub struct Timer {
    membership: Membership,
    state: State,
}

/// Changes from one to the other need the timer for themselves, so that a registered timer is set
/// under one lock, that of its poll's timers.
enum State {
    Unregistered(Mutex<Idle>),
    Registered {
        ready: Arc<Ready>,
        entry: Owner,
        key: TimerKey,
    },
}

/// What a poll has to know of the timer when it is registered.
#[derive(Copy, Clone)]
struct Idle {
    schedule: Option<Schedule>,
    /// Those of a registration that has ended.
    expirations: u64,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Examples
    ///
    /// ```
    /// use wakeful::time::Timer;
    ///
    /// assert_eq!(Timer::new().deadline(), None);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self::with(None)
    }

    /// A timer that expires at `deadline`; at once, if that has passed.
    ///
    /// ```
    /// use std::time::Instant;
    /// use wakeful::time::Timer;
    ///
    /// let deadline = Instant::now();
    /// assert_eq!(Timer::at(deadline).deadline(), Some(deadline));
    /// ```
    #[must_use]
    pub const fn at(deadline: Instant) -> Self {
        Self::with(Some(Schedule {
            first: deadline,
            period: None,
        }))
    }

    /// A timer that expires after `time`, counted from now.
    ///
    /// A time beyond what the clock can tell arms nothing: it never comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use wakeful::time::Timer;
    ///
    /// let minute = Duration::from_secs(60);
    /// let now = Instant::now();
    /// assert!(Timer::after(minute).deadline().unwrap() >= now + minute);
    /// assert_eq!(Timer::after(Duration::MAX).deadline(), None);
    /// ```
    #[must_use]
    pub fn after(time: Duration) -> Self {
        let timer = Self::new();
        timer.set_after(time);
        timer
    }

    /// A timer that expires every `period`, the first time after one from now.
    ///
    /// The beat is kept: the n-th expiration is due n periods from now, however late the others
    /// were reported. Expirations that the loop missed are made up for by
    /// [number](Timer::expirations), in one event. A period of zero counts as one nanosecond.
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::time::Timer;
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let mut beat = Timer::every(Duration::from_millis(1));
    /// poll.registry().register(&mut beat, Token(1), Interest::READABLE)?;
    ///
    /// let mut beats = 0;
    /// while beats < 3 {
    ///     poll.poll(&mut events, None)?;
    ///     beats += beat.expirations();
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn every(period: Duration) -> Self {
        let timer = Self::new();
        timer.set_every(period);
        timer
    }

    const fn with(schedule: Option<Schedule>) -> Self {
        Self {
            membership: Membership::none(),
            state: State::Unregistered(Mutex::new(Idle {
                schedule,
                expirations: 0,
            })),
        }
    }

    /// Sets the one deadline, in place of what was set before.
    ///
    /// Expirations that were not asked for yet are forgotten, and so is their event if it is not
    /// delivered.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use wakeful::time::Timer;
    ///
    /// let timer = Timer::after(Duration::from_secs(60));
    /// let now = Instant::now();
    /// timer.set_at(now);
    /// assert_eq!(timer.deadline(), Some(now));
    /// ```
    pub fn set_at(&self, deadline: Instant) {
        self.set(Some(Schedule {
            first: deadline,
            period: None,
        }));
    }

    /// Sets the one deadline `time` from now; see [`set_at`](Timer::set_at).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wakeful::time::Timer;
    ///
    /// let patience = Duration::from_secs(60);
    /// let timer = Timer::after(patience);
    /// let before = timer.deadline();
    /// // At every sign of life.
    /// timer.set_after(patience);
    /// assert!(timer.deadline() >= before);
    /// ```
    pub fn set_after(&self, time: Duration) {
        let deadline = Instant::now().checked_add(time);
        self.set(deadline.map(|first| Schedule {
            first,
            period: None,
        }));
    }

    /// Sets a beat that begins one `period` from now; see [`every`](Timer::every) and
    /// [`set_at`](Timer::set_at).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::time::Timer;
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let mut timer = Timer::new();
    /// poll.registry().register(&mut timer, Token(1), Interest::READABLE)?;
    ///
    /// timer.set_every(Duration::from_millis(1));
    /// poll.poll(&mut events, None)?;
    /// assert!(timer.expirations() > 0);
    /// assert!(timer.deadline().is_some()); // the next one
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn set_every(&self, period: Duration) {
        let period = period.max(Duration::from_nanos(1));
        let first = Instant::now().checked_add(period);
        self.set(first.map(|first| Schedule {
            first,
            period: Some(period),
        }));
    }

    /// Disarms the timer; returns whether it was armed.
    ///
    /// An expiration that was not delivered yet is called back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wakeful::time::Timer;
    ///
    /// let timer = Timer::after(Duration::from_secs(60));
    /// assert!(timer.cancel());
    /// assert!(!timer.cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.set(None)
    }

    /// How often the timer has expired since this was asked or the timer was set; 0 or 1 without a
    /// period.
    ///
    /// In level mode the timer reports in every poll until this is asked.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "os-poll")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::time::Duration;
    /// use wakeful::time::Timer;
    /// use wakeful::{Events, Interest, Poll, Token};
    ///
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    /// let mut timer = Timer::after(Duration::from_millis(1));
    /// poll.registry().register(&mut timer, Token(1), Interest::READABLE)?;
    ///
    /// poll.poll(&mut events, None)?;
    /// assert_eq!(timer.expirations(), 1);
    /// assert_eq!(timer.expirations(), 0);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "os-poll"))]
    /// # fn main() {}
    /// ```
    pub fn expirations(&self) -> u64 {
        match &self.state {
            State::Unregistered(idle) => std::mem::take(&mut lock(idle).expirations),
            State::Registered { ready, key, .. } => ready.timers().take_expirations(*key),
        }
    }

    /// When the timer expires next; `None` if it is not armed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Unregistered(idle) => lock(idle).schedule.map(|schedule| schedule.first),
            State::Registered { ready, key, .. } => Some(ready.timers().schedule(*key)?.first),
        }
    }

    /// Whether the timer was armed before.
    fn set(&self, schedule: Option<Schedule>) -> bool {
        match &self.state {
            State::Unregistered(idle) => {
                let expirations = 0;
                let new = Idle {
                    schedule,
                    expirations,
                };
                std::mem::replace(&mut *lock(idle), new).schedule.is_some()
            }
            State::Registered { ready, key, .. } => ready.set_timer(*key, schedule),
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Ends the registration, if there is one; what the timer was set to stays, and what it has to
    /// report.
    fn leave(&mut self) -> Idle {
        match self {
            Self::Unregistered(idle) => *lock(idle),
            Self::Registered {
                ready, entry, key, ..
            } => {
                entry.report().deregister();
                let (schedule, expirations) = ready.timers().remove(*key);
                let idle = Idle {
                    schedule,
                    expirations,
                };
                *self = Self::Unregistered(Mutex::new(idle));
                idle
            }
        }
    }
}

/// Arms the timer in the poll; its time has been running since it was set.
impl Source for Timer {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require_none()?;
        require_shareable(interest)?;
        // A poll that is gone took nothing along.
        let Idle {
            schedule,
            expirations,
        } = self.state.leave();
        let ready = Arc::clone(&registry.shared().ready);
        let entry = Entry::new(Report::timer(token, interest));
        let key = ready.insert_timer(&entry, schedule, expirations)?;
        self.state = State::Registered { ready, entry, key };
        self.membership.enter(registry);
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require(registry)?;
        require_shareable(interest)?;
        match &self.state {
            State::Registered { ready, entry, .. }
                if entry.report().reregister(token, interest) =>
            {
                ready.notify(entry)
            }
            _ => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.membership.require(registry)?;
        self.membership.leave();
        self.state.leave();
        Ok(())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.state.leave();
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("deadline", &self.deadline())
            .field("membership", &self.membership)
            .finish()
    }
}
