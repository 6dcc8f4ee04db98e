//! What the tests of timers share.

use std::time::Duration;

use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Registry, Token};

use crate::stress::{poll_some, tokens};

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
/// Later than any test lasts.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

#[track_caller]
pub(crate) fn register(registry: &Registry, timer: &mut Timer, token: Token) {
    registry.register(timer, token, Interest::READABLE).unwrap();
}

/// Waits for events that come before a deadline that is hopelessly far off; what was reported.
#[track_caller]
pub(crate) fn next(poll: &mut Poll, events: &mut Events) -> Vec<usize> {
    poll_some(poll, events);
    tokens(events)
}
