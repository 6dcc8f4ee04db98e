//! What wakers promise, on every backend: no wake is lost, none is reported twice, and the doorbell
//! behind them is never seen.

#![cfg(all(unix, feature = "os-poll", feature = "os-ext"))]
#![allow(unsafe_code)]

#[path = "common/stress.rs"]
mod stress;

use std::collections::HashSet;
use std::io::Write;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;
use std::time::Duration;

use wakeful::unix::pipe;
use wakeful::{Backend, Events, Interest, Poll, Token, Waker};

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
fn wake_before_poll_is_not_lost() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        waker.wake().unwrap();
        poll.poll(&mut events, None).unwrap();

        assert_eq!(tokens(&events), [WAKE.0]);
    });
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
fn wake_ends_a_wait() {
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
fn wakes_before_a_poll_are_one_event() {
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
fn wake_after_its_event_is_a_new_event() {
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
fn wakers_are_reported_in_the_order_of_their_wakes() {
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
fn thousands_of_wakers_each_report_once() {
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
fn no_wake_of_many_threads_is_lost_and_each_shows_what_was_written_before() {
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
fn two_polls_wake_each_other_in_turn() {
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
fn wake_of_a_dropped_waker_is_delivered() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();

        waker.wake().unwrap();
        drop(waker);

        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
    });
}

#[test]
fn waker_outlives_its_poll() {
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

/// Nothing to assert but that no memory is touched after its end: for sanitizers and Miri's kin.
#[test]
fn polls_and_wakers_may_be_dropped_while_others_use_them() {
    on_each_backend(|backend| {
        for round in 0..300 {
            let mut poll = poll_of(backend);
            let barrier = Arc::new(Barrier::new(4));
            let threads: Vec<_> = wakers(&poll, 0..3)
                .into_iter()
                .map(|waker| {
                    let barrier = Arc::clone(&barrier);
                    thread::spawn(move || {
                        barrier.wait();
                        for _ in 0..20 {
                            waker.wake().unwrap();
                        }
                    })
                })
                .collect();

            barrier.wait();
            if round % 2 == 0 {
                poll_now(&mut poll, &mut Events::with_capacity(1));
            }
            drop(poll);

            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
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
#[cfg(target_os = "linux")]
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

/// A pipe whose sender has room, watched: registering it anew reports it anew.
fn always_ready(poll: &Poll, token: usize) -> (pipe::Sender, pipe::Receiver) {
    let (mut sender, receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut sender, Token(token), Interest::WRITABLE)
        .unwrap();
    (sender, receiver)
}

#[test]
fn neither_wakers_nor_sources_starve() {
    const POLLS: usize = 600;

    on_each_backend(|backend| {
        for capacity in [1, 2, 3] {
            for (number_of_wakers, number_of_sources) in [(1, 1), (4, 1), (1, 4), (4, 4)] {
                let mut poll = poll_of(backend);
                let mut events = Events::with_capacity(capacity);
                let wakers = wakers(&poll, 0..number_of_wakers);
                let mut sources: Vec<_> = (0..number_of_sources)
                    .map(|n| always_ready(&poll, number_of_wakers + n))
                    .collect();
                wakers.iter().for_each(|waker| waker.wake().unwrap());

                // Whatever was reported is ready again at once.
                let mut reported = vec![0; number_of_wakers + number_of_sources];
                for _ in 0..POLLS {
                    poll_some(&mut poll, &mut events);
                    assert!(tokens(&events).len() <= capacity);
                    for token in tokens(&events) {
                        reported[token] += 1;
                        match token.checked_sub(number_of_wakers) {
                            None => wakers[token].wake().unwrap(),
                            Some(n) => poll
                                .registry()
                                .reregister(&mut sources[n].0, Token(token), Interest::WRITABLE)
                                .unwrap(),
                        }
                    }
                }

                // A quarter of the even share leaves room for any reasonable order.
                let share = POLLS / (number_of_wakers + number_of_sources) / 4;
                assert!(
                    reported.iter().all(|&n| n >= share),
                    "{reported:?} of {number_of_wakers} wakers and {number_of_sources} sources"
                );
            }
        }
    });
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
            assert_eq!(poll_now(&mut poll, &mut events), [token]);
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
            let short = Some(Duration::from_micros(10));
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
            let is_kept = backend == Backend::Epoll;
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
