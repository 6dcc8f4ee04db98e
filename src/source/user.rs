//! A source whose readiness is set by the program itself.

use std::fmt;
use std::io;
use std::sync::{Arc as StdArc, Mutex, MutexGuard, PoisonError};

use crate::base::interest::Interest;
use crate::base::readiness::Readiness;
use crate::base::sync::{Arc, AtomicBool};
use crate::base::token::Token;
use crate::reactor::membership::Membership;
use crate::reactor::ready::Ready;
use crate::reactor::ready_list::{Entry, Owner};
use crate::reactor::registry::{self, Registry};
use crate::reactor::report::Report;

/// A source that is ready when the program says so, and the handle to say it with.
///
/// The primitive under [channels](crate::channel): use it to bring whatever else a program waits
/// for (a queue, a computation, a foreign library's callback) into the same loop as its sockets.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "os-poll")]
/// # fn main() -> std::io::Result<()> {
/// use wakeful::event::Readiness;
/// use wakeful::{user, Events, Interest, Poll, Token};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
///
/// let (mut source, set_readiness) = user::source();
/// poll.registry().register(&mut source, Token(5), Interest::READABLE)?;
///
/// let computation = std::thread::spawn(move || set_readiness.set(Readiness::READABLE));
///
/// poll.poll(&mut events, None)?;
/// assert_eq!(events.iter().next().unwrap().token(), Token(5));
/// # computation.join().unwrap()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "os-poll"))]
/// # fn main() {}
/// ```
#[must_use]
pub fn source() -> (Source, SetReadiness) {
    source_heard_by(None)
}

/// The same; `heard` is set whenever an event of it is delivered.
pub(crate) fn source_heard_by(heard: Option<Arc<AtomicBool>>) -> (Source, SetReadiness) {
    let state = Mutex::default();
    let shared = StdArc::new(Shared { state, heard });
    let source = Source {
        shared: StdArc::clone(&shared),
        membership: Membership::none(),
    };
    (source, SetReadiness { shared })
}

/// The end that is registered, see [`source`].
///
/// All modes of [`Interest`] but `exclusive` work: level mode reports in every poll for as long as
/// the readiness is set, edge mode each time that it is set.
///
/// Dropping it ends the registration.
pub struct Source {
    shared: StdArc<Shared>,
    membership: Membership,
}

/// The end that says what the source is ready for, see [`source`].
///
/// Clones say it of the same source, from any thread.
#[derive(Clone)]
pub struct SetReadiness {
    shared: StdArc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    heard: Option<Arc<AtomicBool>>,
}

#[derive(Default)]
struct State {
    readiness: Readiness,
    registration: Option<Registration>,
}

struct Registration {
    ready: StdArc<Ready>,
    entry: Owner,
}

impl SetReadiness {
    /// Makes the source ready for `readiness`, besides what it is ready for already, and reports
    /// that.
    ///
    /// Coalesces: until the event is delivered, others are part of it. What the source was ready
    /// for before is reported again, so a consumer that misses nothing else misses nothing here.
    /// Before the source is registered its readiness is kept, and reported when it is.
    ///
    /// Takes a lock for some nanoseconds, so it must not be called in a signal handler; a
    /// [`Waker`](crate::Waker) may.
    ///
    /// # Errors
    ///
    /// What the system says when the doorbell is rung; none is known to occur.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::event::Readiness;
    ///
    /// let (_source, set_readiness) = wakeful::user::source();
    /// set_readiness.set(Readiness::READABLE)?;
    /// assert_eq!(set_readiness.readiness(), Readiness::READABLE);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, readiness: Readiness) -> io::Result<()> {
        let mut state = self.shared.state();
        state.readiness |= readiness;
        match &state.registration {
            Some(registration) => registration.set(readiness),
            None => Ok(()),
        }
    }

    /// As `set`, by the poller itself while it asks the kernel: nothing rings.
    // Only where readiness comes from completions.
    #[cfg_attr(not(all(handle = "windows", feature = "os-ext")), allow(dead_code))]
    pub(crate) fn set_by_poller(&self, readiness: Readiness) {
        let mut state = self.shared.state();
        state.readiness |= readiness;
        if let Some(registration) = &state.registration {
            if registration.entry.report().set(readiness) {
                registration.ready.notify_by_poller(&registration.entry);
            }
        }
    }

    /// Ends the readiness for `readiness`; an event of it that is not delivered yet is called back.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use wakeful::event::Readiness;
    ///
    /// let (_source, set_readiness) = wakeful::user::source();
    /// set_readiness.set(Readiness::READABLE | Readiness::WRITABLE)?;
    /// set_readiness.clear(Readiness::READABLE);
    /// assert_eq!(set_readiness.readiness(), Readiness::WRITABLE);
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self, readiness: Readiness) {
        let mut state = self.shared.state();
        state.readiness = state.readiness - readiness;
        if let Some(registration) = &state.registration {
            registration.entry.report().clear(readiness);
        }
    }

    /// What the source is ready for.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.shared.state().readiness
    }
}

impl Registration {
    fn set(&self, readiness: Readiness) -> io::Result<()> {
        self.notify_if(self.entry.report().set(readiness))
    }

    fn notify_if(&self, has_something_to_report: bool) -> io::Result<()> {
        if has_something_to_report {
            self.ready.notify(&self.entry)
        } else {
            Ok(())
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl registry::Source for Source {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.membership.require_none()?;
        require_shareable(interest)?;
        let mut state = self.shared.state();
        let report =
            Report::user(token, interest, state.readiness).heard_by(self.shared.heard.clone());
        let registration = Registration {
            ready: StdArc::clone(&registry.shared().ready),
            entry: Entry::new(report),
        };
        registration.ready.expect_notifications();
        registration.set(state.readiness)?;
        state.registration = Some(registration);
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
        match &self.shared.state().registration {
            Some(registration) => {
                registration.notify_if(registration.entry.report().reregister(token, interest))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.membership.require(registry)?;
        self.leave();
        Ok(())
    }
}

impl Source {
    fn leave(&mut self) {
        self.membership.leave();
        if let Some(registration) = self.shared.state().registration.take() {
            registration.entry.report().deregister();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.leave();
    }
}

/// No two polls share a user-space source.
pub(crate) fn require_shareable(interest: Interest) -> io::Result<()> {
    if interest.is_exclusive() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a user-space source belongs to one poll: exclusive interest has no meaning for it",
        ));
    }
    Ok(())
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("readiness", &self.shared.state().readiness)
            .field("membership", &self.membership)
            .finish()
    }
}

impl fmt::Debug for SetReadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetReadiness")
            .field("readiness", &self.readiness())
            .finish_non_exhaustive()
    }
}
