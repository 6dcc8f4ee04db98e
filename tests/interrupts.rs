//! Signals that arrive a thousand times a second: a wait is interrupted, and nothing else.
//!
//! Each test has a timer that signals its own thread, so tests beside it are left alone.

#![cfg(all(
    target_os = "linux",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

#[path = "common/stress.rs"]
mod stress;

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wakeful::net::UnixStream;
use wakeful::{Events, Interest, Poll, Token, Waker};

use stress::{handle, on_each_backend, poll_of, raise, tokens, Dice, Storm, PATIENCE};

const MILLISECOND: Duration = Duration::from_millis(1);
const WAKE: Token = Token(1);
const STREAM: Token = Token(2);

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// A thousand signals a second for this thread, until it is dropped.
fn storm() -> Storm {
    storm_of(MILLISECOND)
}

/// A signal for this thread at each interval, until it is dropped.
fn storm_of(interval: Duration) -> Storm {
    handle(libc::SIGUSR2, do_nothing);
    Storm::here(libc::SIGUSR2, interval)
}

/// Polls until there are events; counts the interruptions.
#[track_caller]
fn poll_through(poll: &mut Poll, events: &mut Events, interruptions: &mut usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match poll.poll_until(events, deadline) {
            Err(err) if err.kind() == ErrorKind::Interrupted => {
                assert!(events.is_empty(), "events came with an error");
                *interruptions += 1;
            }
            outcome => {
                outcome.unwrap();
                assert!(!events.is_empty(), "no event came");
                return;
            }
        }
    }
}

#[test]
fn an_interrupted_wait_says_so() {
    let _storm = storm();
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        for _ in 0..20 {
            for timeout in [None, Some(PATIENCE), Some(Duration::MAX)] {
                let err = poll.poll(&mut events, timeout).unwrap_err();
                assert_eq!(err.kind(), ErrorKind::Interrupted);
                assert!(events.is_empty());
            }
            let deadline = Instant::now() + PATIENCE;
            let err = poll.poll_until(&mut events, deadline).unwrap_err();
            assert_eq!(err.kind(), ErrorKind::Interrupted);
        }
    });
}

#[test]
fn a_signal_before_the_wait_does_not_interrupt_it() {
    handle(libc::SIGURG, do_nothing);
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        raise(libc::SIGURG);
        poll.poll(&mut events, Some(MILLISECOND)).unwrap();
        waker.wake().unwrap();
        raise(libc::SIGURG);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [WAKE.0]);
    });
}

/// poll(2) looks for signals even if it does not wait.
#[test]
fn a_look_that_is_interrupted_loses_nothing() {
    let _storm = storm();
    on_each_backend(|backend| {
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let mut look = |poll: &mut Poll| loop {
            match poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.unwrap(),
            }
            return tokens(&events);
        };
        let end = Instant::now() + 20 * MILLISECOND;
        while Instant::now() < end {
            waker.wake().unwrap();
            assert_eq!(look(&mut poll), [WAKE.0]);
            assert_eq!(look(&mut poll), []);
        }
    });
}

#[test]
fn no_wake_is_lost_to_signals() {
    const THREADS: usize = 3;
    const WAKES: usize = 4_000;

    on_each_backend(|backend| {
        let _storm = storm();
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
        let published: Arc<[AtomicUsize; THREADS]> = Arc::default();
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let waker = Waker::new(poll.registry(), Token(number)).unwrap();
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
        let mut interruptions = 0;
        while seen.iter().any(|&n| n < WAKES) {
            poll_through(&mut poll, &mut events, &mut interruptions);
            for number in tokens(&events) {
                seen[number] = published[number].load(Ordering::Relaxed);
            }
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        eprintln!("{interruptions} interruptions");
    });
}

/// The writer rests between messages for longer than signals are apart, so that waits are
/// interrupted; it goes on until one was.
#[test]
fn no_message_is_lost_to_signals() {
    const MESSAGES: usize = 60;

    on_each_backend(|backend| {
        let _storm = storm();
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(1));
        let (mut here, mut there) = UnixStream::pair().unwrap();
        poll.registry()
            .register(&mut here, STREAM, Interest::READABLE)
            .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let writer = thread::spawn(move || {
            let mut pace = Poll::new().unwrap();
            for n in 0_usize.. {
                there.write_all(&[(n % 251) as u8]).unwrap();
                pace.poll(&mut Events::with_capacity(1), Some(2 * MILLISECOND))
                    .unwrap();
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });

        let mut received = 0;
        let mut interruptions = 0;
        while received < MESSAGES || interruptions == 0 {
            poll_through(&mut poll, &mut events, &mut interruptions);
            let mut room = [0; 16];
            while let Ok(n) = here.read(&mut room) {
                for &byte in &room[..n] {
                    assert_eq!(usize::from(byte), received % 251);
                    received += 1;
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

/// Interrupted again and again, a wait with a deadline ends when it is there; with the timeout begun
/// anew each time it would never end.
#[test]
fn a_deadline_is_kept_through_signals() {
    on_each_backend(|backend| {
        let _storm = storm();
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        for time in [3, 10, 50].map(Duration::from_millis) {
            let mut interruptions = 0;
            // A thread that has to wait for the processor gets its signals before it waits for events.
            while interruptions == 0 {
                let deadline = Instant::now() + time;
                while let Err(err) = poll.poll_until(&mut events, deadline) {
                    assert_eq!(err.kind(), ErrorKind::Interrupted);
                    interruptions += 1;
                }
                assert!(events.is_empty());
                assert!(Instant::now() >= deadline);
            }
        }
    });
}

/// Signals are far enough apart for a wait between two of them, also where the kernel waits in whole
/// milliseconds and a signal takes its time.
#[test]
fn a_short_timeout_is_not_cut_by_signals_unless_it_says_so() {
    on_each_backend(|backend| {
        let _storm = storm_of(10 * MILLISECOND);
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(8));
        let mut dice = Dice::new(1);
        let (mut whole, mut cut) = (0, 0);
        let end = Instant::now() + PATIENCE;
        while whole + cut < 100 || whole == 0 || cut == 0 {
            let time = Duration::from_nanos(dice.below(8_000_000));
            let start = Instant::now();
            match poll.poll(&mut events, Some(time)) {
                Err(err) => {
                    assert_eq!(err.kind(), ErrorKind::Interrupted);
                    cut += 1;
                }
                Ok(()) => {
                    assert!(events.is_empty() && start.elapsed() >= time);
                    whole += 1;
                }
            }
            assert!(start < end, "{whole} waits were whole and {cut} were cut");
        }
    });
}

/// Registrations that change make the poller of an emulating backend get up and lie down again: its
/// deadline stays.
#[test]
fn signals_and_registrations_together_lose_nothing() {
    on_each_backend(|backend| {
        let _storm = storm();
        let (mut poll, mut events) = (poll_of(backend), Events::with_capacity(2));
        let registry = poll.registry().try_clone().unwrap();
        let done = Waker::new(poll.registry(), WAKE).unwrap();
        let other = thread::spawn(move || {
            let mut dice = Dice::new(1);
            for token in 0..500 {
                let (mut here, mut there) = UnixStream::pair().unwrap();
                registry
                    .register(&mut here, Token(1000 + token), Interest::READABLE)
                    .unwrap();
                dice.dawdle();
                there.write_all(b"x").unwrap();
                dice.dawdle();
                registry.deregister(&mut here).unwrap();
            }
            done.wake().unwrap();
        });
        let mut interruptions = 0;
        loop {
            poll_through(&mut poll, &mut events, &mut interruptions);
            if tokens(&events).contains(&WAKE.0) {
                break;
            }
        }
        other.join().unwrap();
    });
}
