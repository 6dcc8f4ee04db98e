//! What the tests of the sources share: a poll of each backend, and ways to wait for events.
//!
//! Events may be spurious, so a test says which one it waits for and takes no offence at others.

// Every test is a crate of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

use std::fmt::Debug;
use std::io;
use std::time::{Duration, Instant};

use wakeful::event::Event;
use wakeful::{Backend, Events, Poll, Token};

// `stress` has it too, and some tests have both.
#[allow(clippy::duplicate_mod)]
#[path = "patience.rs"]
mod patience;
pub(crate) use patience::PATIENCE;
#[cfg(unix)]
#[path = "descriptors.rs"]
mod descriptors;
#[cfg(unix)]
pub(crate) use descriptors::*;
#[cfg(windows)]
#[path = "handles.rs"]
mod handles;
#[cfg(windows)]
pub(crate) use handles::*;

/// Sockets tell neither there, and nobody could inherit them.
#[cfg(not(any(unix, windows)))]
pub(crate) fn assert_nonblocking_and_cloexec(_source: &impl Debug) {}

/// A poll of each backend that the system has, to run a test on all of them.
///
/// Each is named on standard error, where the output of a failing test shows it.
pub(crate) fn polls() -> impl Iterator<Item = (Poll, Events)> {
    // Miri does not know poll(2).
    let known = |backend: &&Backend| !cfg!(miri) || **backend != Backend::Poll;
    Backend::available().iter().filter(known).map(|&backend| {
        eprintln!("backend: {backend}");
        let poll = Poll::builder().backend(backend).build().unwrap();
        (poll, Events::with_capacity(64))
    })
}

/// What tells that a peer has shut down its writing half, on a backend: without `POLLRDHUP` poll(2) and its kin
/// say only that there is an end to be read.
pub(crate) fn tells_of_the_end(backend: Backend) -> impl Fn(&Event) -> bool + Copy {
    let asks_poll = matches!(backend, Backend::Poll | Backend::EventPorts);
    let is_only_readable = asks_poll && !cfg!(capability = "rdhup");
    move |event| event.is_read_closed() || (is_only_readable && event.is_readable())
}

/// Polls until there is an event under `token` for which `wanted` holds.
#[track_caller]
pub(crate) fn expect_event(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    wanted: impl Fn(&Event) -> bool,
) -> Event {
    let deadline = Instant::now() + PATIENCE;
    let mut others = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(
            !left.is_zero(),
            "the event for {token:?} did not come; there were {others:?}"
        );
        poll_once(poll, events, left);
        for event in &*events {
            if event.token() == token && wanted(event) {
                return event.clone();
            }
            others.push(event.clone());
        }
    }
}

/// One poll that is not interrupted.
#[track_caller]
pub(crate) fn poll_once(poll: &mut Poll, events: &mut Events, timeout: Duration) {
    while let Err(err) = poll.poll(events, Some(timeout)) {
        assert_eq!(err.kind(), io::ErrorKind::Interrupted, "{err}");
    }
}

/// How many events there are for a source that nobody drains, in `window`.
#[track_caller]
pub(crate) fn count_events(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    window: Duration,
) -> usize {
    let end = Instant::now() + window;
    let mut count = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return count;
        }
        poll_once(poll, events, left);
        count += events.iter().filter(|e| e.token() == token).count();
    }
}

/// Repeats `attempt` at every event for which `wanted` holds, until it does not block.
#[track_caller]
pub(crate) fn when_ready<T>(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    wanted: impl Fn(&Event) -> bool,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt() {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {
                expect_event(poll, events, token, &wanted);
            }
            outcome => return outcome,
        }
    }
}

#[track_caller]
pub(crate) fn assert_would_block<T: Debug>(outcome: io::Result<T>) {
    assert_kind(outcome, io::ErrorKind::WouldBlock);
}

#[track_caller]
pub(crate) fn assert_kind<T: Debug>(outcome: io::Result<T>, kind: io::ErrorKind) {
    match outcome {
        Err(err) if err.kind() == kind => {}
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}
