//! Waits end on time whatever slack the kernel takes: less than a poll has allowed for here, so that the kernel ends each
//! wait too early, and the rest has to be waited for.

#![cfg(all(target_os = "linux", not(miri), feature = "os-poll"))]
#![allow(unsafe_code)] // prctl

#[path = "common/stress.rs"]
mod stress;

use std::thread;
use std::time::{Duration, Instant};

use wakeful::time::Timer;
use wakeful::{Events, Interest, Poll, Token};

use stress::{on_each_backend, poll_of};

/// Of this thread.
fn set_slack(slack: Duration) {
    let nanos = libc::c_ulong::try_from(slack.as_nanos()).unwrap();
    // SAFETY: takes numbers only.
    let outcome = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos) };
    assert_eq!(outcome, 0);
}

/// Runs a test on each backend with a poll that allows for more slack than the kernel takes.
fn with_unused_slack(test: fn(Poll, Events)) {
    // The slack stays with its thread.
    let run = move || {
        on_each_backend(|backend| {
            set_slack(Duration::from_millis(2));
            let poll = poll_of(backend);
            set_slack(Duration::from_nanos(1));
            test(poll, Events::with_capacity(8));
        });
    };
    thread::spawn(run).join().unwrap();
}

#[test]
fn a_wait_that_the_kernel_ends_early_is_waited_out() {
    with_unused_slack(|mut poll, mut events| {
        for (n, micros) in [1, 100, 2_000, 5_000].into_iter().enumerate() {
            let time = Duration::from_micros(micros);
            let start = Instant::now();
            poll.poll(&mut events, Some(time)).unwrap();
            assert!(start.elapsed() >= time && events.is_empty());
            let metrics = poll.metrics();
            assert_eq!((metrics.waits, metrics.empty_wakes), (n as u64 + 1, 0));
        }
    });
}

#[test]
fn a_deadline_that_the_kernel_does_not_wait_for_is_waited_out() {
    with_unused_slack(|mut poll, mut events| {
        let deadline = Instant::now() + Duration::from_millis(5);
        poll.poll_until(&mut events, deadline).unwrap();
        assert!(Instant::now() >= deadline && events.is_empty());
    });
}

#[test]
fn a_timer_is_not_early() {
    with_unused_slack(|mut poll, mut events| {
        let deadline = Instant::now() + Duration::from_millis(5);
        let mut timer = Timer::at(deadline);
        poll.registry()
            .register(&mut timer, Token(4), Interest::READABLE)
            .unwrap();
        poll.poll(&mut events, None).unwrap();
        assert!(Instant::now() >= deadline);
        let tokens: Vec<_> = events.iter().map(|event| event.token()).collect();
        assert_eq!(tokens, [Token(4)]);
    });
}
