//! The lock-free list of sources that are ready without the kernel, and the protocol that tells
//! when a sleeping poller has to be woken.
//!
//! # One word
//!
//! The list is a Treiber stack (R. K. Treiber, *Systems Programming: Coping with Parallelism*,
//! 1986), and its head also says whether the poller sleeps:
//!
//! | head | means | whoever pushes |
//! |---|---|---|
//! | null | the poller is awake, nothing is ready | pushes |
//! | an entry | something is ready; the doorbell was rung if it had to be | pushes |
//! | [`asleep`] | the poller sleeps, or is about to | pushes and rings the doorbell |
//!
//! The poller goes to sleep by exchanging null for [`asleep`], which fails if anything was pushed.
//! A push exchanges whatever it finds for its entry, and so learns in the same step whether it
//! has to ring. Both act on one word, so there is no moment between "look at the list" and "say
//! that we sleep" in which a wake could be lost, and no fence is needed.
//!
//! While the poller is awake a notification is two atomic operations, or one if the entry is
//! pending already. Neither takes a lock or allocates, so a signal handler may notify; the push is
//! a loop, but each round that fails means that another push succeeded.
//!
//! # Orderings
//!
//! - A push releases; [`ReadyList::take`] acquires. All pushes are read-modify-writes of one word,
//!   so the taker sees what every pusher wrote before its push, not only the last one's.
//! - `Entry::wakes`, which is not zero while the entry is queued, is counted up and cleared by
//!   operations that acquire and release: a notifier that finds it queued has published what it
//!   wrote before to the poller's later clear.
//! - `ReadyList::flags`: see [`ReadyList::watch`].
//!
//! # Polls that nobody notifies
//!
//! Many programs have sockets and nothing else. Until somebody says that he will push
//! ([`ReadyList::expect_pushes`]) the head stays at [`asleep`] once the poller has slept, and neither going to
//! sleep nor waking up writes to it. The price is a ring in vain, once: if the first source of user space is made
//! after the poll has slept, and notified before the poll is called again.
//!
//! # Descriptors that others watch
//!
//! Someone who watches the poll's descriptor in a loop of his own never calls us before he
//! sleeps. Once the descriptor was handed out ([`ReadyList::watch`]) the head rests at [`asleep`]
//! instead of null, so that every first push rings.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use crate::base::sync::{Arc, AtomicPtr, AtomicU8, AtomicUsize};
use crate::reactor::report::Report;

/// A user-space source, as the list and the poller see it.
#[derive(Debug)]
pub(crate) struct Entry {
    // The entry pushed before; owned by the list while the entry is queued.
    next: AtomicPtr<Entry>,
    /// How often it was notified since it was delivered; not zero while it is queued.
    wakes: AtomicUsize,
    report: Report,
}

/// Counting stops here, so that the number can never come round to "not queued".
const MANY: usize = usize::MAX / 2;

impl Entry {
    pub(crate) fn new(report: Report) -> Arc<Self> {
        Arc::new(Self {
            next: AtomicPtr::new(ptr::null_mut()),
            wakes: AtomicUsize::new(0),
            report,
        })
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Notes a notification; `true` if the entry was not queued, and has to be now.
    fn count(&self) -> bool {
        // AcqRel: see `clear`.
        let before = self.wakes.fetch_add(1, AcqRel);
        if before >= MANY {
            self.wakes.fetch_sub(1, AcqRel);
        }
        before == 0
    }

    /// Ends the queueing, and says how many notifications it stood for.
    ///
    /// `next` is not ours any more afterwards.
    pub(crate) fn clear(&self) -> usize {
        // AcqRel: acquires what notifiers released that found it queued.
        self.wakes.swap(0, AcqRel)
    }
}

/// Queues an entry for the poller itself: no notification, and no doorbell.
pub(crate) fn queue(entry: &Arc<Entry>, pending: &mut Pending) {
    if entry.count() {
        pending.push_back(Arc::clone(entry));
    }
}

/// Entries that were taken from the list and not reported yet, oldest first.
pub(crate) type Pending = std::collections::VecDeque<Arc<Entry>>;

/// Whether the doorbell has to be rung.
#[must_use]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct MustRing(pub(crate) bool);

/// The list of one poll.
#[derive(Debug)]
pub(crate) struct ReadyList {
    head: AtomicPtr<Entry>,
    flags: AtomicU8,
}

/// The descriptor was handed out: rest asleep.
const WATCHED: u8 = 1;
/// The poller holds entries that did not fit into the last batch of events.
const LEFT_BEHIND: u8 = 2;
/// There never was anybody to push: rest asleep.
const QUIET: u8 = 4;

/// The head while the poller sleeps: the address of no entry.
fn asleep() -> *mut Entry {
    NonNull::dangling().as_ptr()
}

impl ReadyList {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            flags: AtomicU8::new(QUIET),
        }
    }

    /// From now on there is somebody to push, and who finds the poller awake shall not ring.
    ///
    /// Relaxed: a poller that does not see it yet rests asleep, and is rung for.
    pub(crate) fn expect_pushes(&self) {
        if self.flags.load(Relaxed) & QUIET != 0 {
            self.flags.fetch_and(!QUIET, Relaxed);
        }
    }

    /// Makes `entry` ready, once, however often this is called before it is delivered.
    ///
    /// Async-signal-safe.
    pub(crate) fn push(&self, entry: &Arc<Entry>) -> MustRing {
        if !entry.count() {
            return MustRing(false);
        }
        // The list holds a count of its own, so the entry outlives its owner's handle.
        let new = Arc::into_raw(Arc::clone(entry)).cast_mut();
        let mut head = self.head.load(Relaxed);
        loop {
            let below = if head == asleep() {
                ptr::null_mut()
            } else {
                head
            };
            entry.next.store(below, Relaxed);
            // Release: pairs with the acquire in `take`, for `next` and for whatever the notifier
            // wants the poller to see.
            match self.head.compare_exchange_weak(head, new, Release, Relaxed) {
                Ok(_) => return MustRing(head == asleep()),
                Err(found) => head = found,
            }
        }
    }

    /// Moves everything that is ready behind `pending`, oldest first. The poller is awake.
    #[inline]
    pub(crate) fn take(&self, pending: &mut Pending) {
        // Relaxed: what is missed here is found before the poller sleeps.
        let head = self.head.load(Relaxed);
        // Null is the rest of a list that is neither watched nor quiet; whoever begins to watch it replaces null himself.
        if !head.is_null() && (head != asleep() || self.rest() != asleep()) {
            self.take_all(pending);
        }
    }

    #[inline]
    fn take_all(&self, pending: &mut Pending) {
        loop {
            let rest = self.rest();
            // Acquire: pairs with every push, and with `watch`.
            let chain = self.head.swap(rest, AcqRel);
            if chain != asleep() {
                append(chain, pending);
            }
            // A watcher that came between the two lines above saw the entries we took and left
            // the head alone. It came before the swap then, so its flag is visible now. The end of the quiet need
            // not be: at worst the head rests asleep once more.
            if rest == self.rest() {
                return;
            }
        }
    }

    /// Announces that the poller is about to sleep; `false` if something is ready.
    #[inline]
    pub(crate) fn go_to_sleep(&self) -> bool {
        // Relaxed: whoever has pushed since then found it asleep, and has rung.
        if self.head.load(Relaxed) == asleep() {
            return true;
        }
        // Release: a push that rings because of this happens after it. Acquire on failure is not
        // needed: `take` looks again.
        let outcome = self
            .head
            .compare_exchange(ptr::null_mut(), asleep(), AcqRel, Relaxed);
        match outcome {
            Ok(_) => true,
            Err(found) => found == asleep(),
        }
    }

    /// Where the head is when the poller is awake and nothing is ready.
    #[inline]
    fn rest(&self) -> *mut Entry {
        if self.flags.load(Relaxed) & (WATCHED | QUIET) == 0 {
            ptr::null_mut()
        } else {
            asleep()
        }
    }

    /// Makes the head rest at [`asleep`] for good.
    ///
    /// The flag is set before the head is exchanged. Either the poller's next swap of the head
    /// comes after that exchange and so sees the flag, or it came before and the exchange finds
    /// null and replaces it.
    #[cfg_attr(not(handle = "fd"), allow(dead_code))] // there is no descriptor
    pub(crate) fn watch(&self) -> MustRing {
        // AcqRel: pairs with `leave_behind`; of two that meet here, the later one rings.
        let before = self.flags.fetch_or(WATCHED, AcqRel);
        let mut head = self.head.load(Relaxed);
        loop {
            let rest = if head.is_null() { asleep() } else { head };
            match self.head.compare_exchange_weak(head, rest, AcqRel, Relaxed) {
                Ok(_) => break,
                Err(found) => head = found,
            }
        }
        let is_ready = !head.is_null() && head != asleep();
        MustRing(is_ready || before & LEFT_BEHIND != 0)
    }

    /// Notes at the end of a poll whether entries stay behind for the next one.
    pub(crate) fn leave_behind(&self, some: bool) -> MustRing {
        if some {
            let before = self.flags.fetch_or(LEFT_BEHIND, AcqRel);
            MustRing(before & WATCHED != 0)
        } else {
            if self.flags.load(Relaxed) & LEFT_BEHIND != 0 {
                self.flags.fetch_and(!LEFT_BEHIND, AcqRel);
            }
            MustRing(false)
        }
    }
}

/// Moves a chain, newest first, behind `pending`, oldest first.
#[inline(never)]
fn append(chain: *mut Entry, pending: &mut Pending) {
    let mut oldest_first = ptr::null_mut();
    let mut rest = chain;
    while let Some(entry) = NonNull::new(rest) {
        // SAFETY: the chain was taken out of the list, whose count keeps each entry alive.
        let entry = unsafe { entry.as_ref() };
        let below = entry.next.load(Relaxed);
        entry.next.store(oldest_first, Relaxed);
        oldest_first = rest;
        rest = below;
    }
    while !oldest_first.is_null() {
        // SAFETY: the pointer came from `Arc::into_raw` in `push`, and leaves the chain here: its
        // count is taken over once.
        let entry = unsafe { Arc::from_raw(oldest_first.cast_const()) };
        oldest_first = entry.next.load(Relaxed);
        pending.push_back(entry);
    }
}

impl Drop for ReadyList {
    fn drop(&mut self) {
        // What was notified and never polled; the counts are given back.
        self.take_all(&mut Pending::new());
    }
}

/// Models of the protocol, run by `ci/loom.sh`: every interleaving, and every value that the memory
/// model allows a load to return.
#[cfg(all(test, wakeful_loom))]
mod loom_tests {
    use std::sync::atomic::Ordering::Acquire;

    use super::*;
    use crate::base::token::Token;
    use loom::sync::Notify;
    use loom::thread;

    /// A list and a doorbell; loom reports a poller that sleeps for ever as a deadlock.
    struct Model {
        list: ReadyList,
        bell: Notify,
        rings: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                list: ReadyList::new(),
                bell: Notify::new(),
                rings: AtomicUsize::new(0),
            })
        }

        fn ring_if(&self, must_ring: MustRing) {
            if must_ring.0 {
                self.rings.fetch_add(1, Relaxed);
                self.bell.notify();
            }
        }

        fn notify(&self, entry: &Arc<Entry>) {
            self.ring_if(self.list.push(entry));
        }

        /// As `Poll::poll` without a kernel: sleeps until there is something, and delivers it.
        fn poll(&self) -> Vec<Token> {
            let mut pending = Pending::new();
            loop {
                self.list.take(&mut pending);
                if !pending.is_empty() {
                    return deliver(&mut pending);
                }
                if self.list.go_to_sleep() {
                    self.bell.wait();
                }
            }
        }

        fn look(&self) -> Vec<Token> {
            let mut pending = Pending::new();
            self.list.take(&mut pending);
            deliver(&mut pending)
        }
    }

    fn deliver(pending: &mut Pending) -> Vec<Token> {
        pending
            .drain(..)
            .map(|entry| {
                entry.clear();
                entry.report().deliver().event.expect("a waker's").token()
            })
            .collect()
    }

    fn waker(token: Token) -> Arc<Entry> {
        Entry::new(Report::waker(token))
    }

    #[test]
    fn loom_a_wake_that_races_with_going_to_sleep_is_not_lost() {
        loom::model(|| {
            let model = Model::new();
            let entry = waker(Token(1));
            let waking = thread::spawn({
                let model = Arc::clone(&model);
                move || model.notify(&entry)
            });
            assert_eq!(model.poll(), [Token(1)]);
            waking.join().unwrap();
        });
    }

    #[test]
    fn loom_two_wakers_are_both_reported() {
        loom::model(|| {
            let model = Model::new();
            let wakers: Vec<_> = [Token(1), Token(2)]
                .into_iter()
                .map(|token| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.notify(&waker(token)))
                })
                .collect();
            let mut tokens = model.poll();
            while tokens.len() < 2 {
                tokens.extend(model.poll());
            }
            tokens.sort();
            assert_eq!(tokens, [Token(1), Token(2)]);
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }

    #[test]
    fn loom_wakes_coalesce_and_publish_what_was_written_before() {
        loom::model(|| {
            let model = Model::new();
            let entry = waker(Token(1));
            let written = Arc::new(AtomicUsize::new(0));
            let wakers: Vec<_> = [1, 2]
                .into_iter()
                .map(|value| {
                    let (model, entry) = (Arc::clone(&model), Arc::clone(&entry));
                    let written = Arc::clone(&written);
                    thread::spawn(move || {
                        written.fetch_add(value, Relaxed);
                        model.notify(&entry);
                    })
                })
                .collect();
            // One event may stand for both wakes, but then both values are visible.
            let mut events = model.poll().len();
            while written.load(Relaxed) < 3 {
                events += model.poll().len();
            }
            assert!(events <= 2);
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }

    #[test]
    fn loom_an_awake_poller_costs_no_ring() {
        loom::model(|| {
            let model = Model::new();
            let entry = waker(Token(1));
            let waking = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    model.notify(&entry);
                    model.notify(&entry);
                }
            });
            let mut events = model.look().len();
            waking.join().unwrap();
            events += model.look().len();
            assert!((1..=2).contains(&events));
            assert_eq!(model.rings.load(Relaxed), 0);
        });
    }

    #[test]
    fn loom_a_waker_dropped_after_its_wake_is_still_reported() {
        loom::model(|| {
            let model = Model::new();
            let entry = waker(Token(1));
            let waking = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    model.notify(&entry);
                    drop(entry);
                }
            });
            assert_eq!(model.poll(), [Token(1)]);
            waking.join().unwrap();
        });
    }

    #[test]
    fn loom_a_poll_dropped_while_it_is_woken_leaks_nothing() {
        // Loom counts the `Arc`s.
        loom::model(|| {
            let model = Model::new();
            let waking = thread::spawn({
                let model = Arc::clone(&model);
                move || model.notify(&waker(Token(1)))
            });
            model.look();
            drop(model);
            waking.join().unwrap();
        });
    }

    #[test]
    fn loom_a_watched_descriptor_rings_for_what_is_not_reported() {
        loom::model(|| {
            let model = Model::new();
            let entry = waker(Token(1));
            let waking = thread::spawn({
                let model = Arc::clone(&model);
                move || model.notify(&entry)
            });
            let polling = thread::spawn({
                let model = Arc::clone(&model);
                move || model.look()
            });
            model.ring_if(model.list.watch());
            waking.join().unwrap();
            let reported = polling.join().unwrap();
            let rings = model.rings.load(Relaxed);
            assert!(
                !reported.is_empty() || rings > 0,
                "nobody would come to look"
            );
        });
    }

    #[test]
    fn loom_a_watched_descriptor_rings_for_what_is_left_behind() {
        loom::model(|| {
            let model = Model::new();
            let polling = thread::spawn({
                let model = Arc::clone(&model);
                move || model.ring_if(model.list.leave_behind(true))
            });
            model.ring_if(model.list.watch());
            polling.join().unwrap();
            assert!(model.rings.load(Relaxed) > 0);
        });
    }

    #[test]
    fn loom_a_look_leaves_nothing_behind_a_silent_bell() {
        loom::model(|| {
            let model = Model::new();
            model.ring_if(model.list.watch());
            let is_readable = Arc::new(AtomicU8::new(0));
            let waking = thread::spawn({
                let (model, is_readable) = (Arc::clone(&model), Arc::clone(&is_readable));
                move || {
                    if model.list.push(&waker(Token(1))).0 {
                        is_readable.swap(1, AcqRel);
                    }
                }
            });
            // A poll that only looks: takes, silences the bell as a kernel wait does, and takes.
            let mut pending = Pending::new();
            model.list.take(&mut pending);
            is_readable.swap(0, AcqRel);
            model.list.take(&mut pending);
            waking.join().unwrap();
            let is_reported = !pending.is_empty();
            assert!(is_reported || is_readable.load(Acquire) == 1);
        });
    }

    #[test]
    fn loom_the_first_push_wakes_a_poller_that_has_slept_in_quiet() {
        loom::model(|| {
            let model = Model::new();
            assert!(model.list.go_to_sleep());
            assert_eq!(model.look(), []);
            let entry = waker(Token(1));
            let waking = thread::spawn({
                let (model, entry) = (Arc::clone(&model), Arc::clone(&entry));
                move || {
                    model.list.expect_pushes();
                    model.notify(&entry);
                }
            });
            assert_eq!(model.poll(), [Token(1)]);
            waking.join().unwrap();
            // After a look at the latest it is known to be awake.
            model.look();
            let rings = model.rings.load(Relaxed);
            model.notify(&entry);
            assert_eq!(model.rings.load(Relaxed), rings);
            assert_eq!(model.look(), [Token(1)]);
        });
    }

    #[test]
    fn loom_what_is_set_during_a_delivery_is_reported() {
        use crate::base::interest::Interest;
        use crate::base::readiness::Readiness;

        loom::model(|| {
            let model = Model::new();
            let report = Report::user(Token(1), Interest::READABLE, Readiness::EMPTY);
            let entry = Entry::new(report);
            // Queued, with nothing to report: it was called back.
            model.notify(&entry);
            let setting = thread::spawn({
                let (model, entry) = (Arc::clone(&model), Arc::clone(&entry));
                move || {
                    assert!(entry.report().set(Readiness::READABLE));
                    model.notify(&entry);
                }
            });
            let mut events = 0;
            let mut look = || {
                let mut pending = Pending::new();
                model.list.take(&mut pending);
                for entry in pending {
                    entry.clear();
                    events += usize::from(entry.report().deliver().event.is_some());
                }
            };
            look();
            setting.join().unwrap();
            look();
            assert!((1..=2).contains(&events));
        });
    }
}
