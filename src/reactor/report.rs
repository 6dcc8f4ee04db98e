//! What a user-space source has to report when it is delivered.
//!
//! A registration is a [`Report`] of its own: a source that is registered anew gets a new
//! one, so what is still queued for the old one reports nothing.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::event::Event;
use crate::base::interest::Interest;
use crate::base::readiness::Readiness;
use crate::base::sync::{Arc, AtomicBool};
use crate::base::token::Token;

/// Token, interest and readiness of a registration.
#[derive(Debug)]
pub(crate) struct Report {
    kind: Kind,
    /// Set when an event is delivered.
    heard: Option<Arc<AtomicBool>>,
    // Never held while anything else is called.
    state: Mutex<State>,
}

/// Who is behind an entry.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ready when it is notified, and not before it is notified again.
    Waker(Token),
    /// Ready for as long as it says so.
    User,
    /// As `User`; the poller itself notifies it.
    Timer,
    /// Nobody: makes the poller look at its timers again.
    Nudge,
}

#[derive(Debug)]
struct State {
    token: Token,
    /// Nothing is reported without one: deregistered, or one-shot and reported.
    interest: Option<Interest>,
    readiness: Readiness,
    /// Queued by the last delivery, not by a notification.
    is_again: bool,
}

/// What delivering an entry comes to.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Option<Event>,
    /// Still ready, and to be reported again by the next poll.
    pub(crate) again: bool,
    /// Queued for that reason by the delivery before this one.
    pub(crate) was_again: bool,
}

impl Report {
    fn new(kind: Kind, token: Token, interest: Option<Interest>, readiness: Readiness) -> Self {
        Self {
            kind,
            heard: None,
            state: Mutex::new(State {
                token,
                interest,
                readiness,
                is_again: false,
            }),
        }
    }

    pub(crate) fn waker(token: Token) -> Self {
        Self::new(Kind::Waker(token), token, None, Readiness::EMPTY)
    }

    pub(crate) fn user(token: Token, interest: Interest, readiness: Readiness) -> Self {
        Self::new(Kind::User, token, Some(interest), readiness)
    }

    /// The same, which tells when an event is delivered.
    pub(crate) fn heard_by(self, heard: Option<Arc<AtomicBool>>) -> Self {
        Self { heard, ..self }
    }

    pub(crate) fn timer(token: Token, interest: Interest) -> Self {
        Self::new(Kind::Timer, token, Some(interest), Readiness::EMPTY)
    }

    pub(crate) fn nudge() -> Self {
        Self::new(Kind::Nudge, Token(0), None, Readiness::EMPTY)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What is reported if it is a waker's: always the same, so that it can be had without a lock, and before the
    /// delivery.
    pub(crate) fn of_waker(&self) -> Option<Event> {
        match self.kind {
            Kind::Waker(token) => Some(Event::new(token, Readiness::READABLE)),
            Kind::User | Kind::Timer | Kind::Nudge => None,
        }
    }

    /// Adds to the readiness; whether there is something to report.
    pub(crate) fn set(&self, readiness: Readiness) -> bool {
        let mut state = self.state();
        state.readiness |= readiness;
        !state.reportable().is_empty()
    }

    /// Takes from the readiness.
    pub(crate) fn clear(&self, readiness: Readiness) {
        let mut state = self.state();
        state.readiness = state.readiness - readiness;
    }

    /// Changes token and interest, and arms a one-shot anew; whether there is something to report.
    pub(crate) fn reregister(&self, token: Token, interest: Interest) -> bool {
        let mut state = self.state();
        state.token = token;
        state.interest = Some(interest);
        !state.reportable().is_empty()
    }

    /// Nothing is reported any more.
    pub(crate) fn deregister(&self) {
        self.state().interest = None;
    }

    /// What to report now.
    pub(crate) fn deliver(&self) -> Delivery {
        let mut state = self.state();
        let was_again = std::mem::take(&mut state.is_again);
        let readiness = state.reportable();
        if readiness.is_empty() {
            return Delivery {
                event: None,
                again: false,
                was_again,
            };
        }
        let is = |mode: fn(Interest) -> bool| state.interest.is_some_and(mode);
        let again = is(Interest::is_level) && !is(Interest::is_oneshot);
        let event = Some(Event::new(state.token, readiness));
        if is(Interest::is_oneshot) {
            state.interest = None;
        }
        state.is_again = again;
        if let Some(heard) = &self.heard {
            // Relaxed: whoever reads it has to see it only if the receiver has looked since, under a
            // lock of both.
            heard.store(true, Relaxed);
        }
        Delivery {
            event,
            again,
            was_again,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What was asked for, and what is told unasked.
    fn reportable(&self) -> Readiness {
        match self.interest {
            Some(interest) => {
                self.readiness & (Readiness::asked_for(interest) | Readiness::UNASKED)
            }
            None => Readiness::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token(3);

    fn readiness(delivery: &Delivery) -> Option<Readiness> {
        delivery.event.as_ref().map(Event::readiness)
    }

    #[test]
    fn what_was_not_asked_for_is_not_reported() {
        let report = Report::user(TOKEN, Interest::READABLE, Readiness::EMPTY);
        assert!(!report.set(Readiness::WRITABLE));
        assert!(report.set(Readiness::READABLE));
        assert_eq!(readiness(&report.deliver()), Some(Readiness::READABLE));
    }

    #[test]
    fn closing_is_reported_unasked() {
        let report = Report::user(TOKEN, Interest::WRITABLE, Readiness::EMPTY);
        assert!(report.set(Readiness::READ_CLOSED));
        assert_eq!(readiness(&report.deliver()), Some(Readiness::READ_CLOSED));
    }

    #[test]
    fn what_was_cleared_before_delivery_is_not_reported() {
        let report = Report::user(TOKEN, Interest::READABLE.level(), Readiness::READABLE);
        assert!(report.deliver().again);
        report.clear(Readiness::READABLE);
        let delivery = report.deliver();
        assert!(delivery.event.is_none() && !delivery.again);
    }

    #[test]
    fn one_shot_reports_once_until_it_is_registered_anew() {
        let interest = Interest::READABLE.oneshot().level();
        let report = Report::user(TOKEN, interest, Readiness::READABLE);
        let first = report.deliver();
        assert!(first.event.is_some() && !first.again);
        assert!(!report.set(Readiness::READABLE));
        assert!(report.deliver().event.is_none());
        assert!(report.reregister(TOKEN, interest));
        assert!(report.deliver().event.is_some());
    }

    #[test]
    fn nothing_is_reported_after_deregistration() {
        let report = Report::user(TOKEN, Interest::READABLE, Readiness::READABLE);
        report.deregister();
        assert!(report.deliver().event.is_none());
    }
}
