//! What waitable objects promise: an event when they are signaled, each signal taken once, and no
//! call of the system after the end of a registration.

#![cfg(all(windows, feature = "os-ext"))]
#![allow(unsafe_code)]

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle,
};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{ptr, thread};

use wakeful::event::Event;
use wakeful::windows::SourceHandle;
use wakeful::{Events, Interest, Poll, Token};

use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateSemaphoreW, CreateWaitableTimerExW, GetCurrentProcess,
    GetProcessHandleCount, ReleaseSemaphore, ResetEvent, SetEvent, SetWaitableTimer,
    TIMER_ALL_ACCESS,
};

#[path = "common/patience.rs"]
mod patience;

use patience::PATIENCE;

const OBJECT: Token = Token(7);

/// An event, or another object, and what can be done with it.
#[derive(Clone, Debug)]
struct Object(Arc<OwnedHandle>);

impl AsHandle for Object {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl Object {
    #[track_caller]
    fn new(handle: RawHandle) -> Self {
        assert!(!handle.is_null(), "{}", io::Error::last_os_error());
        // SAFETY: the handle is new, so nobody else owns it.
        Self(Arc::new(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    fn auto_reset() -> Self {
        // SAFETY: no attributes and no name are given.
        Self::new(unsafe { CreateEventW(ptr::null(), 0, 0, ptr::null()) })
    }

    fn manual_reset() -> Self {
        // SAFETY: as above.
        Self::new(unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) })
    }

    fn semaphore() -> Self {
        // SAFETY: as above.
        Self::new(unsafe { CreateSemaphoreW(ptr::null(), 0, 1000, ptr::null()) })
    }

    #[track_caller]
    fn set(&self) {
        // SAFETY: the handle is open.
        assert_ne!(unsafe { SetEvent(self.0.as_raw_handle()) }, 0);
    }

    #[track_caller]
    fn reset(&self) {
        // SAFETY: the handle is open.
        assert_ne!(unsafe { ResetEvent(self.0.as_raw_handle()) }, 0);
    }

    #[track_caller]
    fn release(&self, count: i32) {
        // SAFETY: the handle is open; the count before is not asked for.
        let released = unsafe { ReleaseSemaphore(self.0.as_raw_handle(), count, ptr::null_mut()) };
        assert_ne!(released, 0);
    }
}

struct World {
    poll: Poll,
    events: Events,
}

impl World {
    fn new() -> Self {
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(16),
        }
    }

    #[track_caller]
    fn watch(&self, object: &Object, interest: Interest) -> SourceHandle<Object> {
        let mut source = SourceHandle::new(object.clone());
        self.poll
            .registry()
            .register(&mut source, OBJECT, interest)
            .unwrap();
        source
    }

    /// Polls until there is an event for the object.
    #[track_caller]
    fn expect(&mut self) -> Event {
        self.expect_token(OBJECT)
    }

    #[track_caller]
    fn expect_token(&mut self, token: Token) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the event did not come");
            self.poll.poll_until(&mut self.events, deadline).unwrap();
            if let Some(event) = self.events.iter().find(|event| event.token() == token) {
                assert!(event.is_readable());
                return event.clone();
            }
        }
    }

    /// How many events there are at this moment.
    #[track_caller]
    fn look(&mut self) -> usize {
        self.poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .unwrap();
        self.events.iter().count()
    }
}

#[track_caller]
fn assert_kind<T: Debug>(outcome: io::Result<T>, kind: ErrorKind) {
    match outcome {
        Err(err) if err.kind() == kind => {}
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}

#[track_caller]
fn assert_would_block<T: Debug>(outcome: io::Result<T>) {
    assert_kind(outcome, ErrorKind::WouldBlock);
}

/// How many handles the process has; other tests open and close theirs meanwhile.
fn handles() -> u32 {
    let mut count = 0;
    // SAFETY: takes nothing, and cannot fail.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is the process's own; the number is written by the call.
    let counted = unsafe { GetProcessHandleCount(process, &mut count) };
    assert_ne!(counted, 0);
    count
}

#[test]
fn each_signal_of_an_auto_reset_event_is_an_event_and_is_taken_once() {
    let mut world = World::new();
    let object = Object::auto_reset();
    let source = world.watch(&object, Interest::READABLE);
    assert_would_block(source.try_wait());
    for _ in 0..5 {
        object.set();
        world.expect();
        source.try_wait().unwrap();
        assert_would_block(source.try_wait());
        assert_eq!(world.look(), 0);
    }
}

#[test]
fn what_is_signaled_before_it_is_registered_is_an_event() {
    let mut world = World::new();
    for object in [Object::auto_reset(), Object::manual_reset()] {
        object.set();
        let source = world.watch(&object, Interest::READABLE);
        world.expect();
        source.try_wait().unwrap();
    }
}

#[test]
fn after_its_event_an_object_is_not_watched_before_it_would_block() {
    let mut world = World::new();
    let object = Object::auto_reset();
    let source = world.watch(&object, Interest::READABLE);
    object.set();
    world.expect();
    object.set();
    assert_eq!(world.look(), 0);
    source.try_wait().unwrap();
    source.try_wait().unwrap();
    assert_would_block(source.try_wait());
    object.set();
    world.expect();
}

#[test]
fn a_manual_reset_event_is_ready_until_it_is_reset() {
    let mut world = World::new();
    let object = Object::manual_reset();
    let source = world.watch(&object, Interest::READABLE);
    object.set();
    world.expect();
    for _ in 0..5 {
        source.try_wait().unwrap();
    }
    assert_eq!(world.look(), 0);
    object.reset();
    assert_would_block(source.try_wait());
    object.set();
    world.expect();
}

#[test]
fn a_semaphore_is_counted_down_exactly() {
    let mut world = World::new();
    let object = Object::semaphore();
    let source = world.watch(&object, Interest::READABLE);
    for count in [1, 7, 3] {
        object.release(count);
        world.expect();
        let mut taken = 0;
        // The first may still be the system's; all of them are ours in the end.
        while taken < count {
            match source.try_wait() {
                Ok(()) => taken += 1,
                Err(err) => {
                    assert_eq!(err.kind(), ErrorKind::WouldBlock);
                    world.expect();
                }
            }
        }
        assert_would_block(source.try_wait());
    }
}

#[test]
fn the_end_of_a_process_is_an_event() {
    let mut world = World::new();
    let child = Command::new("cmd")
        .args(["/c", "exit 7"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut source = SourceHandle::new(child);
    world
        .poll
        .registry()
        .register(&mut source, OBJECT, Interest::READABLE)
        .unwrap();
    world.expect();
    source.try_wait().unwrap();
    assert_eq!(source.into_inner().wait().unwrap().code(), Some(7));
}

#[test]
fn the_end_of_a_thread_is_an_event() {
    let mut world = World::new();
    let thread = thread::spawn(|| 42);
    let mut source = SourceHandle::new(&thread);
    world
        .poll
        .registry()
        .register(&mut source, OBJECT, Interest::READABLE)
        .unwrap();
    world.expect();
    drop(source);
    assert_eq!(thread.join().unwrap(), 42);
}

#[test]
fn a_waitable_timer_is_an_event() {
    let mut world = World::new();
    // SAFETY: takes numbers only.
    let timer = unsafe { CreateWaitableTimerExW(ptr::null(), ptr::null(), 0, TIMER_ALL_ACCESS) };
    let timer = Object::new(timer);
    let source = world.watch(&timer, Interest::READABLE);
    // A millisecond, in 100 ns.
    let due = -10_000;
    // SAFETY: `due` outlives the call.
    let set = unsafe { SetWaitableTimer(timer.0.as_raw_handle(), &due, 0, None, ptr::null(), 0) };
    assert_ne!(set, 0);
    world.expect();
    source.try_wait().unwrap();
    assert_would_block(source.try_wait());
}

#[test]
fn a_level_is_reported_until_it_would_block() {
    let mut world = World::new();
    let object = Object::manual_reset();
    let source = world.watch(&object, Interest::READABLE.level());
    object.set();
    for _ in 0..3 {
        world.expect();
    }
    source.try_wait().unwrap();
    world.expect();
    object.reset();
    assert_would_block(source.try_wait());
    assert_eq!(world.look(), 0);
    object.set();
    world.expect();
}

#[test]
fn a_one_shot_reports_once() {
    let mut world = World::new();
    let object = Object::auto_reset();
    let mut source = world.watch(&object, Interest::READABLE.oneshot());
    object.set();
    world.expect();
    source.try_wait().unwrap();
    assert_would_block(source.try_wait());
    object.set();
    assert_eq!(world.look(), 0);
    world
        .poll
        .registry()
        .reregister(&mut source, Token(8), Interest::READABLE.oneshot())
        .unwrap();
    world.expect_token(Token(8));
    source.try_wait().unwrap();
}

#[test]
fn no_event_comes_after_it_was_deregistered() {
    let mut world = World::new();
    let object = Object::auto_reset();
    for _ in 0..50 {
        let mut source = world.watch(&object, Interest::READABLE);
        let setter = {
            let object = object.clone();
            thread::spawn(move || object.set())
        };
        world.poll.registry().deregister(&mut source).unwrap();
        assert_kind(
            world.poll.registry().deregister(&mut source),
            ErrorKind::NotFound,
        );
        setter.join().unwrap();
        assert_eq!(world.look(), 0);
        // A signal that came at the same time may be lost, and does not come twice.
        let _ = source.try_wait();
        assert_would_block(source.try_wait());
        object.set();
        source.try_wait().unwrap();
    }
}

#[test]
fn a_signal_that_was_taken_is_reported_by_the_next_registration() {
    let mut world = World::new();
    let object = Object::auto_reset();
    let mut source = world.watch(&object, Interest::READABLE);
    object.set();
    world.expect();
    let registry = world.poll.registry().try_clone().unwrap();
    registry.deregister(&mut source).unwrap();
    registry
        .register(&mut source, Token(9), Interest::READABLE)
        .unwrap();
    world.expect_token(Token(9));
    source.try_wait().unwrap();
    assert_would_block(source.try_wait());
    registry.deregister(&mut source).unwrap();
    registry
        .register(&mut source, Token(10), Interest::READABLE)
        .unwrap();
    assert_eq!(world.look(), 0);
}

#[test]
fn a_signal_that_was_taken_between_two_registrations_is_not_reported_by_the_second() {
    let mut world = World::new();
    let registry = world.poll.registry().try_clone().unwrap();
    for interest in [Interest::READABLE, Interest::READABLE.level()] {
        let object = Object::auto_reset();
        let mut source = world.watch(&object, interest);
        object.set();
        world.expect();
        registry.deregister(&mut source).unwrap();
        source.try_wait().unwrap();
        assert_would_block(source.try_wait());

        registry.register(&mut source, OBJECT, interest).unwrap();
        for _ in 0..3 {
            assert_eq!(world.look(), 0, "{interest:?}");
        }
        object.set();
        world.expect();
        source.try_wait().unwrap();
        assert_would_block(source.try_wait());
        assert_eq!(world.look(), 0, "{interest:?}");
    }
}

/// Whatever the threads do at the same time: no call of the system comes for a source that is gone.
#[test]
fn objects_come_and_go_on_many_threads_while_one_polls() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 100;
    let mut world = World::new();
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let registry = world.poll.registry().try_clone().unwrap();
            thread::spawn(move || {
                let token = Token(index);
                let kept = Object::semaphore();
                let mut lasting = SourceHandle::new(kept.clone());
                for round in 0..ROUNDS {
                    let interest = match round % 3 {
                        0 => Interest::READABLE,
                        1 => Interest::READABLE.level(),
                        _ => Interest::READABLE.oneshot(),
                    };
                    registry.register(&mut lasting, token, interest).unwrap();
                    let object = Object::auto_reset();
                    let mut source = SourceHandle::new(object.clone());
                    registry.register(&mut source, token, interest).unwrap();
                    let setter = {
                        let (object, kept) = (object.clone(), kept.clone());
                        thread::spawn(move || {
                            object.set();
                            kept.release(1);
                        })
                    };
                    match round % 4 {
                        0 => registry.deregister(&mut source).unwrap(),
                        1 => registry.reregister(&mut source, token, interest).unwrap(),
                        2 => drop(source.try_wait()),
                        _ => {}
                    }
                    drop(source);
                    registry.deregister(&mut lasting).unwrap();
                    while lasting.try_wait().is_ok() {}
                    setter.join().unwrap();
                }
                // What is left of the signals can be taken; then it is as new.
                while lasting.try_wait().is_ok() {}
                let token = Token(THREADS + index);
                registry
                    .register(&mut lasting, token, Interest::READABLE)
                    .unwrap();
                kept.release(1);
                lasting
            })
        })
        .collect();
    let mut last = [false; THREADS];
    let deadline = Instant::now() + PATIENCE;
    while last.contains(&false) {
        assert!(Instant::now() < deadline, "{last:?}");
        world.poll.poll_until(&mut world.events, deadline).unwrap();
        for event in &world.events {
            if let Some(index) = event.token().0.checked_sub(THREADS) {
                last[index] = true;
            }
        }
    }
    for thread in threads {
        thread.join().unwrap().try_wait().unwrap();
    }
    // All sources are gone, and so is what they had to report.
    assert_eq!(world.look(), 0);
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let other = Poll::new().unwrap();
    let object = Object::auto_reset();
    let mut source = world.watch(&object, Interest::READABLE);
    for poll in [&world.poll, &other] {
        let again = poll
            .registry()
            .register(&mut source, Token(1), Interest::READABLE);
        assert_kind(again, ErrorKind::AlreadyExists);
    }
    assert_kind(
        other.registry().deregister(&mut source),
        ErrorKind::AlreadyExists,
    );
    let exclusive = Interest::READABLE.exclusive();
    let registry = world.poll.registry().try_clone().unwrap();
    assert_kind(
        registry.reregister(&mut source, Token(1), exclusive),
        ErrorKind::Unsupported,
    );
    object.set();
    world.expect();

    let mut fresh = SourceHandle::new(object);
    assert_kind(
        registry.reregister(&mut fresh, OBJECT, Interest::READABLE),
        ErrorKind::NotFound,
    );
}

#[test]
fn a_handle_that_is_none_is_refused() {
    struct Wrong;
    impl AsHandle for Wrong {
        fn as_handle(&self) -> BorrowedHandle<'_> {
            // SAFETY: a value that no handle of ours has; it is given to the system only.
            unsafe { BorrowedHandle::borrow_raw(0x7fff_fff0 as RawHandle) }
        }
    }
    let world = World::new();
    let mut source = SourceHandle::new(Wrong);
    assert!(source.try_wait().is_err());
    let registry = world.poll.registry();
    assert!(registry
        .register(&mut source, OBJECT, Interest::READABLE)
        .is_err());
    assert_kind(registry.deregister(&mut source), ErrorKind::NotFound);
}

/// The system may be taking the signal while the source is registered anew.
#[test]
fn the_poll_may_go_first_and_another_one_take_over() {
    for _ in 0..50 {
        let object = Object::auto_reset();
        let world = World::new();
        let mut source = world.watch(&object, Interest::READABLE);
        drop(world);
        object.set();

        let mut world = World::new();
        world
            .poll
            .registry()
            .register(&mut source, OBJECT, Interest::READABLE)
            .unwrap();
        world.expect();
        source.try_wait().unwrap();
        assert_would_block(source.try_wait());
        // What began with the first poll goes on.
        object.set();
        world.expect();
        source.try_wait().unwrap();
    }
}

#[test]
fn a_reference_will_do_and_the_object_may_be_closed() {
    let mut world = World::new();
    let object = Object::auto_reset();
    let mut source = SourceHandle::new(&object);
    world
        .poll
        .registry()
        .register(&mut source, OBJECT, Interest::READABLE)
        .unwrap();
    object.set();
    world.expect();
    // Nobody ends the registration; the system's wait has a handle of its own.
    std::mem::forget(source);
    drop(object);
    assert_eq!(world.look(), 0);
}

#[test]
fn every_signal_of_many_threads_is_taken_once() {
    const THREADS: usize = 4;
    const SIGNALS: usize = 200;
    let mut world = World::new();
    let object = Object::semaphore();
    let source = Arc::new(world.watch(&object, Interest::READABLE));
    let done = Arc::new(AtomicBool::new(false));
    let taken = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..THREADS)
        .map(|_| {
            let object = object.clone();
            thread::spawn(move || (0..SIGNALS).for_each(|_| object.release(1)))
        })
        .collect();
    // Another thread takes signals too.
    let taker = {
        let (source, done, taken) = (source.clone(), done.clone(), taken.clone());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                if source.try_wait().is_ok() {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                thread::yield_now();
            }
        })
    };
    let deadline = Instant::now() + PATIENCE;
    while taken.load(Ordering::Relaxed) < THREADS * SIGNALS {
        assert!(Instant::now() < deadline, "{taken:?} were taken");
        world
            .poll
            .poll(&mut world.events, Some(Duration::from_millis(10)))
            .unwrap();
        while source.try_wait().is_ok() {
            taken.fetch_add(1, Ordering::Relaxed);
        }
    }
    done.store(true, Ordering::Relaxed);
    taker.join().unwrap();
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(taken.load(Ordering::Relaxed), THREADS * SIGNALS);
    assert_would_block(source.try_wait());
}

#[test]
fn no_handle_is_left_behind() {
    let mut world = World::new();
    let mut attempt = || {
        let object = Object::auto_reset();
        let mut source = world.watch(&object, Interest::READABLE);
        object.set();
        world.expect();
        source.try_wait().unwrap();
        assert_would_block(source.try_wait());
        world.poll.registry().deregister(&mut source).unwrap();
        drop(world.watch(&object, Interest::READABLE));
    };
    for _ in 0..10 {
        attempt();
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = handles();
        for _ in 0..40 {
            attempt();
        }
        let now = handles();
        if now < before + 40 {
            return;
        }
        assert!(Instant::now() < deadline, "{before} handles, then {now}");
    }
}
