//! What wakers promise, on every backend: no wake is lost, none is reported twice, and the doorbell
//! behind them is never seen.

#![cfg(all(feature = "os-poll", feature = "net", feature = "os-ext"))]
#![allow(unsafe_code)]

#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/stress.rs"]
mod stress;

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;

use wakeful::{Events, Interest, Poll, Token, Waker};

use stress::{
    on_each_backend, poll_now, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep, Dice,
    PATIENCE,
};

const WAKE: Token = Token(7);

fn wakers(poll: &Poll, tokens: impl IntoIterator<Item = usize>) -> Vec<Waker> {
    let tokens = tokens.into_iter();
    tokens
        .map(|token| Waker::new(poll.registry(), Token(token)).unwrap())
        .collect()
}

#[test]
fn wake_is_a_readable_event_and_nothing_else() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        waker.wake().unwrap();
        poll_some(&mut poll, &mut events);

        let event = events.iter().next().unwrap();
        assert!(event.is_readable());
        assert!(!event.is_writable() && !event.is_error() && !event.is_priority());
        assert!(!event.is_read_closed() && !event.is_write_closed());
    });
}

#[test]
fn wakers_that_share_a_token_all_wake() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let wakers = wakers(&poll, [WAKE.0, WAKE.0]);

        for waker in &wakers {
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn one_waker_serves_many_threads() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).unwrap());
        let sum = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (waker, sum) = (Arc::clone(&waker), Arc::clone(&sum));
                thread::spawn(move || {
                    let mut dice = Dice::new(number);
                    for _ in 0..5_000 {
                        sum.fetch_add(1, Ordering::Relaxed);
                        waker.wake().unwrap();
                        dice.dawdle();
                    }
                })
            })
            .collect();

        while sum.load(Ordering::Relaxed) < 20_000 {
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [WAKE.0]);
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn waker_of_a_registry_that_is_gone_still_wakes() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, WAKE).unwrap();
        drop(registry);

        waker.wake().unwrap();

        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn wakers_come_and_go_while_the_poll_waits() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(4));
        let registry = poll.registry().try_clone().unwrap();
        let making = thread::spawn(move || {
            let mut dice = Dice::new(3);
            for token in 0..3_000 {
                let waker = Waker::new(&registry, Token(token)).unwrap();
                waker.wake().unwrap();
                dice.dawdle();
            }
        });

        let mut next = 0;
        while next < 3_000 {
            poll_some(&mut poll, &mut events);
            for token in tokens(&events) {
                assert_eq!(token, next);
                next += 1;
            }
        }
        making.join().unwrap();
    });
}

/// Where a thread can be sent signals by a clock.
#[cfg(target_os = "linux")]
mod of_signal_handlers {
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, AtomicU64};
    use std::time::Duration;

    use super::*;

    static OF_HANDLER: AtomicPtr<Waker> = AtomicPtr::new(ptr::null_mut());
    static HANDLED: AtomicU64 = AtomicU64::new(0);

    extern "C" fn wake_from_handler(_signal: libc::c_int) {
        HANDLED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: null, or a waker that lives until the pointer is null again and the thread that
        // gets the signals, which is the only one that runs this, has seen it.
        if let Some(waker) = unsafe { OF_HANDLER.load(Ordering::Acquire).as_ref() } {
            waker.wake().unwrap();
        }
    }

    /// The handler interrupts the thread in the midst of its own polls and wakes, also of the same waker.
    #[test]
    fn signal_handlers_may_wake() {
        stress::handle(libc::SIGUSR1, wake_from_handler);
        on_each_backend(|backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
            let waker = Box::new(Waker::new(poll.registry(), WAKE).unwrap());
            let others = wakers(&poll, 100..103);
            OF_HANDLER.store(ptr::addr_of!(*waker).cast_mut(), Ordering::Release);

            stress::raise(libc::SIGUSR1);
            assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);

            let storm = stress::Storm::here(libc::SIGUSR1, Duration::from_micros(100));
            let start = HANDLED.load(Ordering::Relaxed);
            let mut reported = 0;
            let mut from_others = 0;
            while HANDLED.load(Ordering::Relaxed) < start + 2_000 {
                // Awake and asleep by turns, with pushes that the handler interrupts.
                if reported % 2 == 0 {
                    others.iter().for_each(|other| other.wake().unwrap());
                    waker.wake().unwrap();
                }
                poll_some(&mut poll, &mut events);
                for token in tokens(&events) {
                    match token {
                        7 => reported += 1,
                        100..=102 => from_others += 1,
                        other => panic!("nobody has the token {other}"),
                    }
                }
            }
            drop(storm);
            OF_HANDLER.store(ptr::null_mut(), Ordering::Release);
            assert!(reported > 0 && from_others > 0);
            // Nothing is stuck after all that.
            while !poll_now(&mut poll, &mut events).is_empty() {}
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
        });
    }
}

/// Values that somebody might want to reserve, and many that nobody thought of.
fn extreme_tokens() -> Vec<usize> {
    const TOP: usize = 1 << (usize::BITS - 1);
    let mut tokens = vec![0, 1, usize::MAX, usize::MAX - 1, TOP, TOP - 1, TOP + 1];
    tokens.extend([
        TOP / 3 * 2 + TOP,
        TOP / 3 + TOP,
        usize::MAX / 3,
        TOP / 2,
        TOP / 2 * 3,
    ]);
    tokens.extend((0..usize::BITS).map(|bit| 1 << bit));
    tokens.extend((0..usize::BITS).map(|bit| !(1 << bit)));
    let mut dice = Dice::new(5);
    tokens.extend((0..300).map(|_| dice.next() as usize));
    let mut known = HashSet::new();
    tokens.retain(|&token| known.insert(token));
    tokens
}

#[test]
fn no_token_is_reserved() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(16));
        for token in extreme_tokens() {
            let waker = Waker::new(poll.registry(), Token(token)).unwrap();
            let (mut sender, mut receiver) = pipe::new().unwrap();
            poll.registry()
                .register(&mut receiver, Token(token), Interest::READABLE)
                .unwrap();

            sender.write_all(b"x").unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [token]);
            waker.wake().unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [token]);
            let next = token.wrapping_add(1);
            poll.registry()
                .reregister(&mut receiver, Token(next), Interest::READABLE)
                .unwrap();
            assert_eq!(poll_now(&mut poll, &mut events), [next]);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn the_doorbell_is_never_seen_whatever_the_tokens() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let used = extreme_tokens();
        let waker = Waker::new(poll.registry(), Token(used[0])).unwrap();
        // All of them at once, ready never.
        let mut pipes: Vec<_> = used.iter().map(|_| pipe::new().unwrap()).collect();
        for ((_, receiver), &token) in pipes.iter_mut().zip(&used) {
            poll.registry()
                .register(receiver, Token(token), Interest::READABLE)
                .unwrap();
        }

        let (sender, polled) = mpsc::channel();
        let expected = used[0];
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(1);
            for _ in 0..100 {
                poll.poll(&mut events, Some(PATIENCE)).unwrap();
                assert_eq!(tokens(&events), [expected]);
                sender.send(()).unwrap();
            }
        });
        for _ in 0..100 {
            wait_until_asleep(poller.number);
            waker.wake().unwrap();
            polled.recv().unwrap();
        }
        poller.join();
    });
}

/// Claims values while the poller is being rung: the doorbell changes its value under way.
///
/// A ring from before the change may count as an event of the value's new owner, which is
/// spurious. A value that nobody has registered is never seen.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn the_doorbell_is_not_seen_while_tokens_are_claimed() {
    const ROUNDS: usize = 5;

    on_each_backend(|backend| {
        let claimed: HashSet<_> = (0..ROUNDS)
            .flat_map(|round| extreme_tokens().into_iter().map(move |token| token ^ round))
            .collect();
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let (sender, polled) = mpsc::channel();
        let poller = thread::spawn(move || {
            let mut events = Events::with_capacity(4);
            while !over.load(Ordering::Relaxed) {
                poll_some(&mut poll, &mut events);
                for token in tokens(&events) {
                    assert!(token == WAKE.0 || claimed.contains(&token), "{token}");
                }
                sender.send(()).unwrap();
            }
        });

        // A silent pipe under one value after the other.
        let (_sender, mut receiver) = pipe::new().unwrap();
        registry
            .register(&mut receiver, Token(0), Interest::READABLE)
            .unwrap();
        for round in 0..ROUNDS {
            for (n, token) in extreme_tokens().into_iter().enumerate() {
                waker.wake().unwrap();
                registry
                    .reregister(&mut receiver, Token(token ^ round), Interest::READABLE)
                    .unwrap();
                if n % 16 == 0 {
                    // The poller gets its turns.
                    polled.recv_timeout(PATIENCE).unwrap();
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        waker.wake().unwrap();
        poller.join().unwrap();
    });
}

/// How many rings the doorbell of the only poll in this process has not been read of.
#[cfg(target_os = "linux")]
fn doorbell_count() -> u64 {
    use std::fs;
    let mut counters = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
        let Ok(text) = fs::read_to_string(entry.unwrap().path()) else {
            continue; // the descriptor of the directory itself
        };
        let counter = text
            .lines()
            .find_map(|line| line.strip_prefix("eventfd-count:"));
        counters.extend(counter.map(|hex| u64::from_str_radix(hex.trim(), 16).unwrap()));
    }
    match counters[..] {
        [counter] => counter,
        _ => panic!("one doorbell was expected, not {counters:?}"),
    }
}

/// The counter of the eventfd tells whether somebody wrote to it. In a process of its own, where
/// there is no other eventfd.
#[cfg(target_os = "linux")]
#[test]
fn wakes_of_an_awake_poll_make_no_system_call() {
    stress::isolated("wakes_of_an_awake_poll_make_no_system_call", || {
        on_each_backend(|backend| {
            let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
            let wakers = wakers(&poll, 0..4);
            let start = doorbell_count();
            for _ in 0..100 {
                for waker in wakers.iter().chain(&wakers) {
                    waker.wake().unwrap();
                }
                assert_eq!(doorbell_count(), start);
                assert_eq!(poll_now(&mut poll, &mut events), [0, 1, 2, 3]);
                assert_eq!(doorbell_count(), start);
            }
            // A wait that ended by itself leaves the poll awake.
            let short = Some(std::time::Duration::from_micros(10));
            poll.poll(&mut events, short).unwrap();
            wakers[0].wake().unwrap();
            assert_eq!(doorbell_count(), start);
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn only_the_first_wake_of_a_sleeping_poll_rings() {
    stress::isolated("only_the_first_wake_of_a_sleeping_poll_rings", || {
        on_each_backend(|backend| {
            // On poll(2) the bell is read when the poll gets up.
            let is_kept = backend == wakeful::Backend::Epoll;
            let mut poll = poll_of(backend);
            let wakers = wakers(&poll, 0..10);
            let (sender, done) = mpsc::channel();
            let (go_on, wait) = mpsc::channel::<()>();
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(16);
                for _ in 0..20 {
                    poll.poll(&mut events, Some(PATIENCE)).unwrap();
                    sender.send(()).unwrap();
                    wait.recv().unwrap();
                    poll_now(&mut poll, &mut events); // those that came later
                    sender.send(()).unwrap();
                }
                poll
            });
            for _ in 0..20 {
                wait_until_asleep(poller.number);
                let before = doorbell_count();
                wakers.iter().for_each(|waker| waker.wake().unwrap());
                done.recv().unwrap();
                let rings = doorbell_count() - before;
                assert!(rings == 1 || (rings == 0 && !is_kept), "{rings} rings");
                go_on.send(()).unwrap();
                done.recv().unwrap();
            }
            drop(poller.join());
        });
    });
}
