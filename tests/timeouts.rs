//! How long a poll waits: never less than it was told, and for ever only if nothing comes.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]

#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/stress.rs"]
mod stress;

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use wakeful::{Events, Interest, Poll, Token, Waker};

use stress::{on_each_backend, poll_now, poll_of, PATIENCE};

const WAKE: Token = Token(1);

/// Waits with nothing to wait for; never early.
#[track_caller]
fn expect_full_wait(poll: &mut Poll, events: &mut Events, time: Duration) {
    let start = Instant::now();
    poll.poll(events, Some(time)).unwrap();
    let waited = start.elapsed();
    assert!(events.is_empty());
    assert!(waited >= time, "{waited:?} instead of {time:?}");
}

#[test]
fn a_timeout_is_never_cut_short_by_registrations() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut quiet: Vec<_> = (0..20).map(|_| pipe::new().unwrap()).collect();
        for (n, (_, receiver)) in quiet.iter_mut().enumerate() {
            poll.registry()
                .register(receiver, Token(n), Interest::READABLE)
                .unwrap();
        }
        for nanos in [1, 50_000, 1_000_001, 2_500_000] {
            expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
        }
    });
}

#[test]
fn zero_finds_what_is_ready() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, Token(3), Interest::READABLE)
            .unwrap();
        sender.write_all(b"x").unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [3]);
    });
}

#[test]
fn room_for_no_event_is_an_error_at_once() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let mut none = Events::with_capacity(0);
        waker.wake().unwrap();

        let past = Instant::now();
        let outcomes = [
            poll.poll(&mut none, None),
            poll.poll(&mut none, Some(Duration::ZERO)),
            poll.poll(&mut none, Some(PATIENCE)),
            poll.poll_until(&mut none, past),
        ];

        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        // And nothing was lost by it.
        assert_eq!(poll_now(&mut poll, &mut Events::with_capacity(1)), [WAKE.0]);
    });
}
