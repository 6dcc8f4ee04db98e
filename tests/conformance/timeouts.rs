//! T: how long a poll waits.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

use wakeful::event::Readiness;
use wakeful::time::Timer;
use wakeful::{user, Backend, Builder, Events, Interest, Poll, Token, Waker};

use crate::common::expect_event;
use crate::stress::{
    on_each_backend, poll_now, poll_of, poll_some, spawn_numbered, tokens, wait_until_asleep, Dice,
    PATIENCE,
};
use crate::subjects::tcp_pair;
use crate::{pipe, FIRST as WAKE, SECOND as PIPE};

const MILLISECOND: Duration = Duration::from_millis(1);

fn builder(backend: Backend) -> Builder {
    Poll::builder().backend(backend)
}

/// Waits with nothing to wait for; never early.
#[track_caller]
fn expect_full_wait(poll: &mut Poll, events: &mut Events, time: Duration) {
    let start = Instant::now();
    poll.poll(events, Some(time)).unwrap();
    let waited = start.elapsed();
    assert!(events.is_empty());
    assert!(waited >= time, "{waited:?} instead of {time:?}");
}

/// Silent sources do not end it, and each wait is few in the kernel: it does not spin.
#[test]
fn t1_a_poll_without_timeout_waits_for_its_event() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut stream, _peer) = tcp_pair();
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut source, _readiness) = user::source();
        let registry = poll.registry().try_clone().unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, PIPE, both).unwrap();
        registry
            .register(&mut receiver, PIPE, Interest::READABLE.level())
            .unwrap();
        registry
            .register(&mut source, PIPE, Interest::READABLE)
            .unwrap();
        expect_event(&mut poll, &mut events, PIPE, |event| event.is_writable());
        let mut timer = Timer::new();
        registry
            .register(&mut timer, WAKE, Interest::READABLE)
            .unwrap();
        for _ in 0..5 {
            let waits = poll.metrics().waits;
            timer.set_after(3 * MILLISECOND);
            let deadline = timer.deadline().unwrap();
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
            assert!(Instant::now() >= deadline);
            let waits = poll.metrics().waits - waits;
            assert!(waits <= 5, "{waits} waits in the kernel");
        }
        sender.write_all(b"x").unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [PIPE.0]);
    });
}

#[test]
fn t2_a_timeout_is_never_cut_short() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let nanos = [
            0, 1, 999, 1_000, 50_000, 999_999, 1_000_000, 1_000_001, 1_999_999, 3_000_000,
        ];
        for nanos in nanos {
            for _ in 0..20 {
                expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
            }
        }
        let mut dice = Dice::new(1);
        for _ in 0..200 {
            let nanos = dice.below(4_000_000);
            expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
        }
    });
}

/// With a clock alone it cannot be told from a slow machine: there is a short wait among many, however
/// busy the machine is. Where milliseconds are counted there is none.
#[test]
fn t3_microseconds_are_not_rounded_to_milliseconds() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let time = Duration::from_micros(50);
        let mut took = || {
            let start = Instant::now();
            poll.poll(&mut events, Some(time)).unwrap();
            start.elapsed()
        };
        let mut quickest = (0..200).map(|_| took()).min().unwrap();
        if counts_nanoseconds(backend) {
            let end = Instant::now() + PATIENCE;
            while quickest >= MILLISECOND {
                assert!(Instant::now() < end, "50 us take {quickest:?} at best");
                quickest = quickest.min(took());
            }
        }
        eprintln!("50 us take {quickest:?} at best");
    });
}

/// Whether the system does. Elsewhere milliseconds are all that some systems count.
#[cfg(target_os = "linux")]
fn counts_nanoseconds(backend: Backend) -> bool {
    backend != Backend::Epoll || has_epoll_pwait2()
}

#[cfg(not(target_os = "linux"))]
fn counts_nanoseconds(_backend: Backend) -> bool {
    cfg!(windows)
}

/// Linux before 5.11 lacks it, as does qemu 7, and some filters of system calls refuse it. Miri stops at it.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // syscall
fn has_epoll_pwait2() -> bool {
    if cfg!(miri) {
        return false;
    }
    // SAFETY: there is no such descriptor, so the call is refused before it looks at anything.
    let refused = unsafe { libc::syscall(libc::SYS_epoll_pwait2, -1, 0, 0, 0, 0, 0) };
    assert_eq!(refused, -1);
    let err = std::io::Error::last_os_error();
    !matches!(err.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

#[test]
fn t5_zero_only_looks() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        // A million years would be noticed.
        for _ in 0..1000 {
            assert_eq!(poll_now(&mut poll, &mut events), []);
        }
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        waker.wake().unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), [WAKE.0]);
    });
}

/// Waits that no test can wait for, each ended by a wake and by a source.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t4_huge_timeouts_are_waited_for_and_end_with_an_event() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let times = [
        DAY * 24,
        Duration::from_millis(i32::MAX as u64),
        Duration::from_millis(i32::MAX as u64 + 1),
        Duration::from_millis(u64::from(u32::MAX) + 7),
        DAY * 25,
        DAY * 400_000,
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    on_each_backend(|backend| {
        for time in times {
            let mut poll = poll_of(backend);
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let (mut sender, mut receiver) = pipe::new().unwrap();
            poll.registry()
                .register(&mut receiver, Token(2), Interest::READABLE)
                .unwrap();
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(8);
                let mut seen = Vec::new();
                // Both at once if the thread was slow to lie down again.
                while seen.len() < 2 {
                    poll.poll(&mut events, Some(time)).unwrap();
                    assert!(!events.is_empty(), "{time:?} was cut short");
                    seen.extend(tokens(&events));
                }
                (seen, receiver)
            });
            wait_until_asleep(poller.number);
            waker.wake().unwrap();
            wait_until_asleep(poller.number);
            sender.write_all(b"x").unwrap();
            let (mut seen, _receiver) = poller.join();
            seen.sort_unstable_by_key(|&token| token != WAKE.0);
            assert_eq!(seen, [WAKE.0, 2], "{time:?}");
        }
    });
}

#[test]
fn t5_a_deadline_that_has_passed_only_looks() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let now = Instant::now();
        let past = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        for deadline in [past, now] {
            poll.poll_until(&mut events, deadline).unwrap();
            assert!(events.is_empty());
            waker.wake().unwrap();
            poll.poll_until(&mut events, deadline).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
        }
    });
}

#[test]
fn t2_a_deadline_is_never_missed_on_the_early_side() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut dice = Dice::new(2);
        for _ in 0..200 {
            let deadline = Instant::now() + Duration::from_nanos(dice.below(3_000_000));
            poll.poll_until(&mut events, deadline).unwrap();
            assert!(events.is_empty() && Instant::now() >= deadline);
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t4_a_far_deadline_ends_with_an_event() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            let deadline = Instant::now() + Duration::from_secs(60 * 60 * 24 * 25);
            poll.poll_until(&mut events, deadline).unwrap();
            tokens(&events)
        });
        wait_until_asleep(poller.number);
        waker.wake().unwrap();
        assert_eq!(poller.join(), [WAKE.0]);
    });
}

/// Everything that makes the poller get up for nothing: registrations that change under it, and
/// rings of the doorbell for wakes that it has found already.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t1_a_poll_without_timeout_never_ends_without_events() {
    on_each_backend(|backend| {
        for capacity in [1, 16] {
            let mut poll = poll_of(backend);
            let registry = poll.registry().try_clone().unwrap();
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let over = Arc::clone(&is_over);
            let poller = spawn_numbered(move || {
                let mut events = Events::with_capacity(capacity);
                while !over.load(Ordering::Relaxed) {
                    poll.poll(&mut events, None).unwrap();
                    assert!(!events.is_empty(), "a poll without timeout found nothing");
                    assert!(tokens(&events).iter().all(|&token| token == WAKE.0));
                }
            });

            let mut dice = Dice::new(capacity as u64);
            let (_sender, mut receiver) = pipe::new().unwrap();
            for _ in 0..1_500 {
                // Never readable.
                registry
                    .register(&mut receiver, Token(5), Interest::READABLE)
                    .unwrap();
                dice.dawdle();
                registry
                    .reregister(&mut receiver, Token(6), Interest::READABLE)
                    .unwrap();
                if dice.below(2) == 0 {
                    waker.wake().unwrap();
                }
                dice.dawdle();
                registry.deregister(&mut receiver).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            waker.wake().unwrap();
            poller.join();
        }
    });
}

/// The same with a deadline: what makes the poller get up does not shorten its wait.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t2_registrations_that_change_neither_shorten_a_wait_nor_lengthen_it_for_ever() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let registry = poll.registry().try_clone().unwrap();
        let time = Duration::from_millis(100);
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            expect_full_wait(&mut poll, &mut events, time);
        });
        let (_sender, mut receiver) = pipe::new().unwrap();
        while !poller.thread.is_finished() {
            registry
                .register(&mut receiver, Token(5), Interest::READABLE)
                .unwrap();
            registry.deregister(&mut receiver).unwrap();
        }
        poller.join();
    });
}

/// Rings for what is called back before the poll can report it.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t2_rings_for_nothing_neither_shorten_a_wait_nor_lengthen_it_for_ever() {
    on_each_backend(|backend| {
        let mut poll = poll_of(backend);
        let (mut source, readiness) = user::source();
        poll.registry()
            .register(&mut source, WAKE, Interest::READABLE)
            .unwrap();
        let time = Duration::from_millis(100);
        let poller = spawn_numbered(move || {
            let mut events = Events::with_capacity(8);
            let deadline = Instant::now() + time;
            loop {
                poll.poll_until(&mut events, deadline).unwrap();
                if events.is_empty() {
                    assert!(Instant::now() >= deadline);
                    return source;
                }
                // It was quicker than who calls back.
                assert_eq!(tokens(&events), [WAKE.0]);
            }
        });
        let mut dice = Dice::new(7);
        while !poller.thread.is_finished() {
            readiness.set(Readiness::READABLE).unwrap();
            readiness.clear(Readiness::READABLE);
            dice.dawdle();
        }
        poller.join();
    });
}

/// Hours and ages, which no system counts in its own words.
#[test]
fn t4_every_timeout_is_allowed() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut timer = Timer::new();
        poll.registry()
            .register(&mut timer, WAKE, Interest::READABLE)
            .unwrap();
        for time in [
            Duration::from_millis(i32::MAX as u64),
            Duration::from_millis(i32::MAX as u64 + 1),
            Duration::from_millis(u64::from(u32::MAX) + 7),
            Duration::from_secs(i64::MAX as u64),
            Duration::MAX,
        ] {
            timer.set_after(MILLISECOND);
            poll.poll(&mut events, Some(time)).unwrap();
            assert_eq!(tokens(&events), [WAKE.0], "{time:?}");
        }
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t5_a_look_finds_what_is_ready() {
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, PIPE, Interest::READABLE.level())
            .unwrap();
        assert_eq!(poll_now(&mut poll, &mut events), []);
        sender.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, PIPE, |event| event.is_readable());
        assert_eq!(poll_now(&mut poll, &mut events), [PIPE.0]);
    });
}

/// Where a thread can be sent signals by a clock.
#[cfg(target_os = "linux")]
mod of_signals {
    use std::io::ErrorKind;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::stress::{handle, Storm};

    static SIGNALS: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn count(_signal: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the test in a thread that gets a thousand signals a second. If it never ends, it fails.
    #[track_caller]
    fn under_signals(test: impl FnOnce() + Send + 'static) {
        handle(libc::SIGUSR2, count);
        let (sender, end) = mpsc::channel();
        let thread = thread::spawn(move || {
            let storm = Storm::here(libc::SIGUSR2, MILLISECOND);
            test();
            drop(storm);
            sender.send(()).unwrap();
        });
        // Disconnected: it has panicked.
        if end.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Timeout) {
            thread.join().unwrap();
            return;
        }
        panic!("the wait does not end");
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no signals")]
    fn t6_a_signal_interrupts_a_wait_and_costs_no_event() {
        on_each_backend(|backend| {
            under_signals(move || {
                let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
                let waker = Waker::new(poll.registry(), WAKE).unwrap();
                let mut interruptions = 0;
                while interruptions < 20 {
                    match poll.poll(&mut events, Some(PATIENCE)) {
                        Err(err) => assert_eq!(err.kind(), ErrorKind::Interrupted),
                        Ok(()) => panic!("nothing else could end it"),
                    }
                    assert!(events.is_empty());
                    interruptions += 1;
                    waker.wake().unwrap();
                    poll_some(&mut poll, &mut events);
                    assert_eq!(tokens(&events), [WAKE.0]);
                }
            });
        });
    }

    #[test]
    #[cfg_attr(miri, ignore = "there are no signals")]
    fn t7_a_wait_that_is_retried_is_neither_interrupted_nor_early_and_ends() {
        on_each_backend(|backend| {
            under_signals(move || {
                let retrying = builder(backend).retry_interrupted(true);
                let (mut poll, mut events) = (retrying.build().unwrap(), Events::with_capacity(8));
                let before = SIGNALS.load(Ordering::Relaxed);
                while SIGNALS.load(Ordering::Relaxed) < before + 50 {
                    expect_full_wait(&mut poll, &mut events, 20 * MILLISECOND);
                }
            });
        });
    }
}

#[test]
fn t7_a_poll_that_retries_waits_as_others_do() {
    on_each_backend(|backend| {
        let retrying = builder(backend).retry_interrupted(true);
        let (mut poll, mut events) = (retrying.build().unwrap(), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        for nanos in [0, 50_000, 2_000_001] {
            expect_full_wait(&mut poll, &mut events, Duration::from_nanos(nanos));
            waker.wake().unwrap();
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
        }
    });
}

/// Both sides look for longer than any wait lasts, so nobody sleeps, and no wake is a system call.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t8_whoever_spins_is_found_awake() {
    const ROUNDS: usize = 200;

    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE).measure_sleep(true);
        let (mut here, mut there) = (spinning.clone().build().unwrap(), spinning.build().unwrap());
        let to_here = Waker::new(here.registry(), WAKE).unwrap();
        let to_there = Waker::new(there.registry(), WAKE).unwrap();
        let partner = thread::spawn(move || {
            let mut events = Events::with_capacity(8);
            for _ in 0..ROUNDS {
                poll_some(&mut there, &mut events);
                assert_eq!(tokens(&events), [WAKE.0]);
                to_here.wake().unwrap();
            }
            there.metrics()
        });
        let mut events = Events::with_capacity(8);
        for _ in 0..ROUNDS {
            to_there.wake().unwrap();
            poll_some(&mut here, &mut events);
            assert_eq!(tokens(&events), [WAKE.0]);
        }
        let both = [here.metrics(), partner.join().unwrap()];
        for metrics in both {
            assert_eq!(metrics.spin_misses, 0);
            assert_eq!(metrics.doorbells, 0);
            assert_eq!(metrics.asleep, Duration::ZERO);
            assert_eq!(metrics.wakes, ROUNDS as u64);
        }
        assert!(both[0].spin_hits + both[1].spin_hits > 0);
    });
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn t8_a_spin_finds_what_the_kernel_has() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE).measure_sleep(true);
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        let (mut sender, mut receiver) = pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, PIPE, Interest::READABLE)
            .unwrap();
        let (go, ready) = mpsc::channel::<()>();
        let writer = thread::spawn(move || {
            for () in ready {
                sender.write_all(b"x").unwrap();
            }
        });
        for _ in 0..100 {
            go.send(()).unwrap();
            poll_some(&mut poll, &mut events);
            assert_eq!(tokens(&events), [PIPE.0]);
            while receiver.read(&mut [0; 8]).is_ok() {}
        }
        drop(go);
        writer.join().unwrap();
        let metrics = poll.metrics();
        assert_eq!(metrics.asleep, Duration::ZERO);
        assert_eq!(metrics.spin_misses, 0);
    });
}

#[test]
fn t8_a_spin_is_part_of_the_wait() {
    on_each_backend(|backend| {
        for spin in [PATIENCE, Duration::MAX] {
            let spinning = builder(backend).spin(spin).measure_sleep(true);
            let mut events = Events::with_capacity(8);
            let mut poll = spinning.clone().build().unwrap();
            let start = Instant::now();
            poll.poll(&mut events, Some(5 * MILLISECOND)).unwrap();
            assert!(events.is_empty() && start.elapsed() >= 5 * MILLISECOND);
            assert_eq!(poll.metrics().asleep, Duration::ZERO);

            // Another poll: the spin was in vain, and the next one would have to wait.
            let mut poll = spinning.build().unwrap();
            let mut timer = Timer::after(5 * MILLISECOND);
            let deadline = timer.deadline().unwrap();
            poll.registry()
                .register(&mut timer, WAKE, Interest::READABLE)
                .unwrap();
            poll.poll(&mut events, None).unwrap();
            assert_eq!(tokens(&events), [WAKE.0]);
            assert!(Instant::now() >= deadline);
            // The spin lasted as long as the wait: there was nothing left to sleep.
            assert_eq!(poll.metrics().asleep, Duration::ZERO);
        }
    });
}

#[test]
fn t9_spins_that_find_nothing_become_rare() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(Duration::from_micros(20));
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        for _ in 0..300 {
            let time = Duration::from_micros(300);
            poll.poll(&mut events, Some(time)).unwrap();
            assert!(events.is_empty());
        }
        // After 1, 2, 4, .. 64, 64, .. sleeps without one.
        let metrics = poll.metrics();
        assert!((1..=12).contains(&metrics.spin_misses), "{metrics:?}");
        assert_eq!(metrics.spin_hits, 0);
    });
}

#[test]
fn t9_nobody_spins_unasked() {
    on_each_backend(|backend| {
        for builder in [builder(backend), builder(backend).spin(Duration::ZERO)] {
            let (mut poll, mut events) = (builder.build().unwrap(), Events::with_capacity(8));
            for _ in 0..10 {
                let short = Some(Duration::from_micros(100));
                poll.poll(&mut events, short).unwrap();
            }
            let metrics = poll.metrics();
            assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
        }
    });
}

/// What is there, or was asked to look only, is no occasion to spin.
#[test]
fn t9_nobody_spins_who_need_not_wait() {
    on_each_backend(|backend| {
        let spinning = builder(backend).spin(PATIENCE);
        let (mut poll, mut events) = (spinning.build().unwrap(), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        waker.wake().unwrap();
        poll_some(&mut poll, &mut events);
        let metrics = poll.metrics();
        assert_eq!((metrics.spin_hits, metrics.spin_misses), (0, 0));
        assert_eq!(metrics.waits, 2);
    });
}
