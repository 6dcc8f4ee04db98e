//! N: what a poll counts.

use std::io::Write;
use std::time::{Duration, Instant};

use wakeful::event::Readiness;
use wakeful::time::Timer;
use wakeful::{user, Events, Interest, Metrics, Poll, Token, Waker};

use crate::stress::{
    on_each_backend, poll_now, poll_of, spawn_numbered, tokens, wait_until_asleep, PATIENCE,
};
use crate::{pipe, FIRST as WAKE, SECOND as PIPE};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn n1_a_new_poll_has_done_nothing() {
    on_each_backend(|backend| {
        assert_eq!(poll_of(backend).metrics(), Metrics::default());
    });
}

/// Each thing that one thread does adds what it says, and nothing else.
#[test]
fn n1_what_one_thread_does_is_counted_exactly() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let wakers = [0, 1].map(|token| Waker::new(poll.registry(), Token(token)).unwrap());
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut source, readiness) = user::source();
        let mut timer = Timer::new();
        let registry = poll.registry().try_clone().unwrap();
        registry
            .register(&mut receiver, PIPE, Interest::READABLE)
            .unwrap();
        registry
            .register(&mut source, WAKE, Interest::READABLE)
            .unwrap();
        registry
            .register(&mut timer, Token(9), Interest::READABLE)
            .unwrap();
        let counts = |poll: &Poll| {
            let metrics = poll.metrics();
            assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
            assert_eq!((metrics.doorbells, metrics.asleep), (0, Duration::ZERO));
            assert_eq!(metrics.empty_wakes, 0);
            (
                metrics.waits,
                metrics.events,
                metrics.wakes,
                metrics.coalesced,
            )
        };

        assert_eq!(counts(&poll), (0, 0, 0, 0));
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (1, 0, 0, 0));
        for _ in 0..3 {
            wakers.iter().for_each(|waker| waker.wake().unwrap());
        }
        // They count when they are delivered.
        assert_eq!(counts(&poll), (1, 0, 0, 0));
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (2, 2, 6, 4));
        sender.write_all(b"x").unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(counts(&poll), (3, 3, 6, 4));
        readiness.set(Readiness::READABLE).unwrap();
        readiness.set(Readiness::READABLE).unwrap();
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (4, 4, 8, 5));
        // A timer is no wake.
        timer.set_after(Duration::ZERO);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(counts(&poll), (5, 5, 8, 5));
        // A set that nobody hears of is none either.
        readiness.clear(Readiness::READABLE);
        readiness.set(Readiness::WRITABLE).unwrap();
        poll_now(&mut poll, &mut events);
        assert_eq!(counts(&poll), (6, 5, 8, 5));
        // Reported again in level mode without being set again.
        readiness.set(Readiness::READABLE).unwrap();
        registry
            .reregister(&mut source, WAKE, Interest::READABLE.level())
            .unwrap();
        poll_now(&mut poll, &mut events);
        let (waits, reported, wakes, coalesced) = counts(&poll);
        for n in 1..=3 {
            poll_now(&mut poll, &mut events);
            let expected = (waits + n, reported + n, wakes, coalesced);
            assert_eq!(counts(&poll), expected);
        }
    });
}

/// Where a poll has a descriptor.
#[cfg(unix)]
mod of_descriptors {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn n2_each_ring_for_a_watched_descriptor_is_counted() {
        on_each_backend(|backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let _ = poll.as_raw_fd();
            for n in 1..=10 {
                waker.wake().unwrap();
                waker.wake().unwrap();
                assert_eq!(poll.metrics().doorbells, n);
                assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
                let metrics = poll.metrics();
                assert_eq!((metrics.wakes, metrics.coalesced), (2 * n, n));
            }
        });
    }
}

#[test]
fn n3_sleep_is_measured_if_asked_for() {
    on_each_backend(|backend| {
        for is_on in [false, true] {
            let builder = Poll::builder().backend(backend).measure_sleep(is_on);
            let (mut poll, mut events) = (builder.build().unwrap(), Events::with_capacity(8));
            let start = Instant::now();
            for _ in 0..5 {
                poll.poll(&mut events, Some(2 * MILLISECOND)).unwrap();
                // Looking is not sleeping.
                poll_now(&mut poll, &mut events);
            }
            let elapsed = start.elapsed();
            let asleep = poll.metrics().asleep;
            if is_on {
                // The wait began a moment before the sleep did.
                assert!(asleep > MILLISECOND && asleep <= elapsed, "{asleep:?}");
            } else {
                assert_eq!(asleep, Duration::ZERO);
            }
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn n2_a_wake_of_a_sleeping_poll_is_a_ring_at_most() {
    const ROUNDS: u64 = 30;

    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let (report, reports) = std::sync::mpsc::channel();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            for _ in 0..ROUNDS {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert_eq!(tokens(&events), [WAKE.0]);
                report.send(()).unwrap();
            }
            poll.metrics()
        });
        for _ in 0..ROUNDS {
            wait_until_asleep(poller.number);
            waker.wake().unwrap();
            reports.recv_timeout(PATIENCE).unwrap();
        }
        let metrics = poller.join();
        assert_eq!((metrics.wakes, metrics.coalesced), (ROUNDS, 0));
        // None if it had not gone to sleep yet.
        assert!(metrics.doorbells <= ROUNDS, "{metrics:?}");
    });
}
