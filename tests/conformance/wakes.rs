//! W: wakers, and the descriptor of a poll.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use wakeful::net::UdpSocket;
use wakeful::{Events, Interest, Poll, Token, Waker};

use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep, Dice,
    PATIENCE,
};
use crate::subjects::loopback;
use crate::{FIRST as WAKE, SECOND};

fn wakers(poll: &Poll, tokens: impl IntoIterator<Item = usize>) -> Vec<Waker> {
    let tokens = tokens.into_iter();
    tokens
        .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
        .collect()
}

/// The poll gets up for its own affairs all the time: sources come, change and go. After each event the
/// waker waits for it before it wakes again, so a wake that were taken for such an interrupt would be the last.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w1_no_wake_is_swallowed_by_registrations_of_other_threads() {
    const WAKES: usize = 500;

    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let registry = poll.registry().try_clone().unwrap();
                let is_over = Arc::clone(&is_over);
                thread::spawn(move || {
                    // Never readable.
                    let mut socket = UdpSocket::bind(loopback()).unwrap();
                    let interest = Interest::READABLE;
                    while !is_over.load(Ordering::Relaxed) {
                        registry.register(&mut socket, SECOND, interest).unwrap();
                        registry
                            .reregister(&mut socket, SECOND, interest.level())
                            .unwrap();
                        registry.deregister(&mut socket).unwrap();
                    }
                })
            })
            .collect();
        let (report, reports) = mpsc::channel();
        let waking = thread::spawn(move || {
            let mut dice = Dice::new(8);
            for _ in 0..WAKES {
                dice.dawdle();
                waker.wake().unwrap();
                reports.recv_timeout(PATIENCE).expect("a wake was lost");
            }
        });
        for _ in 0..WAKES {
            let outcome = poll.poll(&mut events, Some(PATIENCE));
            if outcome.is_err() || tokens(&events) != [WAKE.0] {
                is_over.store(true, Ordering::Relaxed);
                panic!("a wake was lost: {outcome:?}, {events:?}");
            }
            report.send(()).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        waking.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn w1_wake_before_poll_is_not_lost() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        waker.wake().unwrap();
        poll.poll(&mut events, None).unwrap();

        assert_eq!(tokens(&events), [WAKE.0]);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w1_wake_ends_a_wait() {
    on_each_backend(|backend| {
        for _ in 0..100 {
            let mut poll = poll_of(backend);
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                tokens(&events)
            });

            wait_until_asleep(poller.number);
            waker.wake().unwrap();

            assert_eq!(poller.join(), [WAKE.0]);
        }
    });
}

#[test]
fn w2_wakes_before_a_poll_are_one_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let wakers = wakers(&poll, [3, 1, 2]);

        for _ in 0..1000 {
            wakers.iter().for_each(|waker| waker.wake().unwrap());
        }

        assert_eq!(poll_now(&mut poll, &mut events), [3, 1, 2]);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

#[test]
fn w2_wake_after_its_event_is_a_new_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        for _ in 0..1000 {
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
        }
    });
}

#[test]
fn w4_wakers_are_reported_in_the_order_of_their_wakes() {
    on_each_backend(|backend| {
        for capacity in [1, 2, 7, 100, 1000] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            // 37 and 100 have no common divisor: a permutation.
            let order: Vec<usize> = (0..100).map(|n| n * 37 % 100).collect();
            let wakers = wakers(&poll, 0..100);

            for &number in &order {
                wakers[number].wake().unwrap();
            }
            let mut reported = Vec::new();
            while reported.len() < order.len() {
                poll_some(&mut poll, &mut events);
                reported.extend(tokens(&events));
            }

            assert_eq!(reported, order, "at capacity {capacity}");
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w4_thousands_of_wakers_each_report_once() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(64));
        let wakers = wakers(&poll, 0..5000);

        let waking = thread::spawn(move || {
            // Dropped at the end, woken and not yet polled.
            wakers.iter().for_each(|waker| waker.wake().unwrap());
        });
        let mut reported = Vec::new();
        while reported.len() < 5000 {
            poll_some(&mut poll, &mut events);
            reported.extend(tokens(&events));
        }
        waking.join().unwrap();

        let expected: Vec<usize> = (0..5000).collect();
        assert_eq!(reported, expected);
        assert_eq!(poll_now(&mut poll, &mut events), []);
    });
}

/// Each thread publishes a number and wakes; if the last wake of any of them were lost, the poller
/// would wait for ever. It also looks at the number with no other synchronisation.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w3_no_wake_of_many_threads_is_lost_and_each_shows_what_was_written_before() {
    const THREADS: usize = 6;
    const WAKES: usize = 5_000;

    on_each_backend(|backend| {
        for capacity in [1, 4, 64] {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(capacity));
            let published: Arc<Vec<AtomicUsize>> =
                Arc::new((0..THREADS).map(|_| AtomicUsize::new(0)).collect());
            let threads: Vec<_> = wakers(&poll, 0..THREADS)
                .into_iter()
                .enumerate()
                .map(|(number, waker)| {
                    let published = Arc::clone(&published);
                    thread::spawn(move || {
                        let mut dice = Dice::new(number as u64);
                        for n in 1..=WAKES {
                            published[number].store(n, Ordering::Relaxed);
                            waker.wake().unwrap();
                            dice.dawdle();
                        }
                    })
                })
                .collect();

            let mut seen = [0; THREADS];
            while seen.iter().any(|&n| n < WAKES) {
                poll_some(&mut poll, &mut events);
                for number in tokens(&events) {
                    let now = published[number].load(Ordering::Relaxed);
                    // Each event follows a wake; a wake between the delivery of the last event
                    // and our look at the number may bring one that shows nothing new.
                    assert!(now >= seen[number] && now > 0);
                    seen[number] = now;
                }
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

/// The strictest form: after each event the poller waits for the next wake, which comes only then.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w1_two_polls_wake_each_other_in_turn() {
    const ROUNDS: usize = 5_000;

    on_each_backend(|backend| {
        let (mut here, mut there) = (poll_of(backend), poll_of(backend));
        let to_here = Waker::new(here.registry(), Token(1)).unwrap();
        let to_there = Waker::new(there.registry(), Token(2)).unwrap();
        let partner = thread::spawn(move || {
            let mut events = Events::with_capacity(1);
            let mut dice = Dice::new(1);
            for _ in 0..ROUNDS {
                poll_some(&mut there, &mut events);
                assert_eq!(tokens(&events), [2]);
                dice.dawdle();
                to_here.wake().unwrap();
            }
        });

        let mut events = Events::with_capacity(1);
        let mut dice = Dice::new(2);
        for _ in 0..ROUNDS {
            to_there.wake().unwrap();
            dice.dawdle();
            poll_some(&mut here, &mut events);
            assert_eq!(tokens(&events), [1]);
        }
        partner.join().unwrap();
    });
}

#[test]
fn w7_wake_of_a_dropped_waker_is_delivered() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        waker.wake().unwrap();
        drop(waker);

        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
    });
}

#[test]
fn w7_waker_outlives_its_poll() {
    on_each_backend(|backend| {
        let poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        waker.wake().unwrap();

        drop(poll);

        for _ in 0..10 {
            waker.wake().unwrap();
        }
    });
}

/// A doorbell is the system call of a wake.
#[test]
fn w5_wakes_of_an_awake_poll_ring_no_doorbell() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let wakers = wakers(&poll, 0..4);
        for _ in 0..100 {
            for waker in wakers.iter().chain(&wakers) {
                waker.wake().unwrap();
            }
            assert_eq!(poll_now(&mut poll, &mut events), [0, 1, 2, 3]);
        }
        assert_eq!(poll.metrics().doorbells, 0);
    });
}

/// A poll without wakers need not say when it is awake.
#[test]
fn w5_a_first_waker_after_a_sleep_rings_in_vain_once_at_most() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        for round in 0..100 {
            poll.poll(&mut events, Some(Duration::from_micros(10)))
                .unwrap();
            assert_eq!(tokens(&events), []);
            let waker = Waker::new(poll.registry(), Token(round)).unwrap();
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [round]);
        }
        assert!(poll.metrics().doorbells <= 1);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn w5_only_the_first_wake_of_a_sleeping_poll_rings() {
    const ROUNDS: u64 = 20;

    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let wakers = wakers(&poll, 0..10);
        let (report, reports) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(16);
            for _ in 0..ROUNDS {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                report.send(()).unwrap();
                wait.recv().unwrap();
                poll_now(&mut poll, &mut events); // those that came later
                report.send(()).unwrap();
            }
            poll.metrics().doorbells
        });
        for _ in 0..ROUNDS {
            wait_until_asleep(poller.number);
            wakers.iter().for_each(|waker| waker.wake().unwrap());
            reports.recv_timeout(PATIENCE).unwrap();
            go_on.send(()).unwrap();
            reports.recv_timeout(PATIENCE).unwrap();
        }
        // Fewer if it had not gone to sleep yet.
        let doorbells = poller.join();
        assert!(doorbells <= ROUNDS, "{doorbells} doorbells");
    });
}

/// Where there are signals.
#[cfg(unix)]
mod of_signal_handlers {
    use std::ptr;
    use std::sync::atomic::AtomicPtr;

    use super::*;
    use crate::stress::{handle, raise};

    static OF_HANDLER: AtomicPtr<Waker> = AtomicPtr::new(ptr::null_mut());

    #[allow(unsafe_code)]
    extern "C" fn wake_from_handler(_signal: libc::c_int) {
        // SAFETY: null, or a waker that lives until the pointer is null again; only the thread that
        // changes it gets the signal.
        if let Some(waker) = unsafe { OF_HANDLER.load(Ordering::Acquire).as_ref() } {
            waker.wake().unwrap();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no signals")]
    fn w6_a_signal_handler_may_wake() {
        handle(libc::SIGUSR1, wake_from_handler);
        on_each_backend(|backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let waker = Box::new(Waker::new(poll.registry(), WAKE).unwrap());
            OF_HANDLER.store(ptr::addr_of!(*waker).cast_mut(), Ordering::Release);
            for _ in 0..100 {
                raise(libc::SIGUSR1);
                raise(libc::SIGUSR1);
                assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
            }
            OF_HANDLER.store(ptr::null_mut(), Ordering::Release);
        });
    }
}

/// Where a poll has a descriptor.
#[cfg(unix)]
mod of_descriptors {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::stress::{becomes_readable, is_readable};

    #[test]
    fn w8_the_descriptor_becomes_readable_on_every_wake() {
        on_each_backend(|backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let descriptor = poll.as_raw_fd();
            for _ in 0..20 {
                assert!(!is_readable(descriptor));
                waker.wake().unwrap();
                assert!(becomes_readable(descriptor, PATIENCE));
                while !poll_now(&mut poll, &mut events).is_empty() {}
            }
        });
    }
}
