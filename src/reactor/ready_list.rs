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
//! # Shares
//!
//! What is queued must outlive its owner, so the list has a count of it. But to count up at each push and down at
//! each delivery would be two atomic operations more. So that count, the entry's *share*, is made with the
//! entry: it lies there while the entry is not queued, goes with it through the list and the poller's queue
//! ([`Queued`]), and is put back when the queueing ends. An owner that goes ([`Owner`]) says so in the word that counts
//! notifications, `Entry::wakes`, and in the same step learns where the share is:
//!
//! | wakes | share | means |
//! |---|---|---|
//! | 0 | with the entry | not queued |
//! | n | queued | notified n times |
//! | `GONE` | given back | the owner is gone |
//! | `GONE` and n | queued | and whoever ends the queueing gives it back |
//!
//! Ending the queueing exchanges the word for 0, which puts the share back; if that finds `GONE`, it says so again, as the
//! owner has. In between the entry is as if it had an owner: that cannot harm it, as its share is given back only by
//! who sets `GONE`. A notification that finds `GONE` and nothing else (another than the owner knows the
//! entry) makes a new share.
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

use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use crate::base::sync::{Arc, AtomicPtr, AtomicU8, AtomicUsize};
use crate::reactor::report::Report;

/// A user-space source, as the list and the poller see it.
// In this order, so that what a notification touches is in one line of the cache.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry {
    // The entry pushed before; owned by the list while the entry is queued.
    next: AtomicPtr<Entry>,
    /// How often it was notified since it was delivered, and whether its owner is gone.
    wakes: AtomicUsize,
    report: Report,
}

/// The owner is gone.
const GONE: usize = 1 << (usize::BITS - 1);
/// Counting stops here, so that the number can never come round to "not queued".
const MANY: usize = GONE / 2;

impl Entry {
    /// An entry, its share, and who owns it.
    #[allow(clippy::new_ret_no_self)]
    pub(crate) fn new(report: Report) -> Owner {
        let entry = Arc::new(Self {
            next: AtomicPtr::new(ptr::null_mut()),
            wakes: AtomicUsize::new(0),
            report,
        });
        mem::forget(Arc::clone(&entry));
        Owner(entry)
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Notes a notification; `Some` if the entry was not queued, and has to be now.
    fn notify(this: &Arc<Self>) -> Option<Queued> {
        // AcqRel: see `put_back`.
        let before = this.wakes.fetch_add(1, AcqRel);
        if before & !GONE >= MANY {
            this.wakes.fetch_sub(1, AcqRel);
        }
        if before & !GONE != 0 {
            return None;
        }
        if before == GONE {
            // The share was given back: here is another.
            mem::forget(Arc::clone(this));
        }
        Some(Queued(NonNull::new(Arc::as_ptr(this).cast_mut())?))
    }

    /// Says that the owner is gone, and gives the share back if it is with the entry.
    ///
    /// # Safety
    ///
    /// The pointer is that of an [`Arc`], of which there is a count until the word is changed.
    unsafe fn give_up(entry: *const Self) {
        // AcqRel: as in `put_back`.
        // SAFETY: as the caller promises.
        if unsafe { &(*entry).wakes }.fetch_or(GONE, AcqRel) == 0 {
            // SAFETY: the share was with the entry, and nobody gets it there any more.
            drop(unsafe { Arc::from_raw(entry) });
        }
    }
}

/// Who made an entry. When it goes, the entry goes as soon as it is not queued and nobody else has it.
#[derive(Debug)]
pub(crate) struct Owner(Arc<Entry>);

impl Deref for Owner {
    type Target = Arc<Entry>;

    fn deref(&self) -> &Arc<Entry> {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: our own count lasts until after this.
        unsafe { Entry::give_up(Arc::as_ptr(&self.0)) };
    }
}

/// An entry that is queued, with its share.
#[derive(Debug)]
pub(crate) struct Queued(NonNull<Entry>);

// SAFETY: it is a count of an entry, as an `Arc` is, and an entry may be used and dropped by any thread.
unsafe impl Send for Queued {}
// SAFETY: as above; a shared reference leads to the entry, which is shared anyway.
unsafe impl Sync for Queued {}

impl Queued {
    /// Ends the queueing, and says how many notifications it stood for.
    pub(crate) fn clear(self) -> usize {
        let entry = self.into_raw();
        // SAFETY: the share is handed over.
        unsafe { put_back(entry) }
    }

    /// The same, for who has more to ask of the entry.
    pub(crate) fn clear_and_keep(self) -> (usize, Arc<Entry>) {
        let entry = self.0.as_ptr().cast_const();
        // SAFETY: the pointer is that of an `Arc`, and the share is one count of it.
        unsafe { Arc::increment_strong_count(entry) };
        // SAFETY: this takes over the count that was added.
        let entry = unsafe { Arc::from_raw(entry) };
        (self.clear(), entry)
    }

    fn into_raw(self) -> *mut Entry {
        let entry = self.0.as_ptr();
        mem::forget(self);
        entry
    }
}

impl Deref for Queued {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        // SAFETY: the share keeps the entry.
        unsafe { self.0.as_ref() }
    }
}

/// What was notified and never delivered.
impl Drop for Queued {
    fn drop(&mut self) {
        // SAFETY: the share is handed over, and not used any more.
        unsafe { put_back(self.0.as_ptr()) };
    }
}

/// Puts a share back, which ends the queueing; how many notifications there were.
///
/// # Safety
///
/// The share is the caller's, who hands it over.
unsafe fn put_back(entry: *const Entry) -> usize {
    // AcqRel: acquires what notifiers released that found the entry queued.
    // SAFETY: the share keeps the entry until then. `next` is not ours any more afterwards.
    let before = unsafe { &(*entry).wakes }.swap(0, AcqRel);
    if before & GONE != 0 {
        // SAFETY: the share is with the entry, or queued anew. Only who finds `GONE` gives it back, and that
        // is not set before we do.
        unsafe { Entry::give_up(entry) };
    }
    before & !GONE
}

/// Queues an entry for the poller itself: no notification, and no doorbell.
pub(crate) fn queue(entry: &Arc<Entry>, pending: &mut Pending) {
    pending.extend(Entry::notify(entry));
}

/// Entries that were taken from the list and not reported yet, oldest first.
pub(crate) type Pending = VecDeque<Queued>;

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
        let Some(queued) = Entry::notify(entry) else {
            return MustRing(false);
        };
        let new = queued.into_raw();
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
        // SAFETY: the chain was taken out of the list, whose shares keep each entry alive.
        let entry = unsafe { entry.as_ref() };
        let below = entry.next.load(Relaxed);
        entry.next.store(oldest_first, Relaxed);
        oldest_first = rest;
        rest = below;
    }
    while let Some(entry) = NonNull::new(oldest_first) {
        // The share that `push` has put into the chain leaves it here.
        let queued = Queued(entry);
        oldest_first = queued.next.load(Relaxed);
        pending.push_back(queued);
    }
}

impl Drop for ReadyList {
    fn drop(&mut self) {
        // What was notified and never polled; the shares are put back.
        self.take_all(&mut Pending::new());
    }
}

#[cfg(all(test, not(wakeful_loom)))]
mod tests {
    use super::*;
    use crate::base::token::Token;

    fn counts(entry: &Arc<Entry>) -> usize {
        Arc::strong_count(entry)
    }

    fn clear_all(list: &ReadyList) -> usize {
        let mut pending = Pending::new();
        list.take(&mut pending);
        pending.into_iter().map(Queued::clear).sum()
    }

    #[test]
    fn pushes_and_deliveries_count_nothing() {
        let list = ReadyList::new();
        let owner = Entry::new(Report::waker(Token(1)));
        assert_eq!(counts(&owner), 2);
        for _ in 0..3 {
            let _ = list.push(&owner);
            let _ = list.push(&owner);
            assert_eq!(counts(&owner), 2);
            assert_eq!(clear_all(&list), 2);
            assert_eq!(counts(&owner), 2);
        }
    }

    #[test]
    fn the_share_goes_with_the_owner_or_after_the_delivery() {
        let list = ReadyList::new();
        for is_queued in [false, true] {
            let owner = Entry::new(Report::waker(Token(1)));
            let other = Arc::clone(&owner);
            if is_queued {
                let _ = list.push(&owner);
            }
            drop(owner);
            assert_eq!(counts(&other), 1 + usize::from(is_queued));
            assert_eq!(clear_all(&list), usize::from(is_queued));
            assert_eq!(counts(&other), 1);
            // Whoever else knows it can still queue it.
            for _ in 0..2 {
                let _ = list.push(&other);
                assert_eq!(counts(&other), 2);
                assert_eq!(clear_all(&list), 1);
                assert_eq!(counts(&other), 1);
            }
        }
    }

    #[test]
    fn what_was_never_delivered_leaves_nothing() {
        let list = ReadyList::new();
        let owners = [1, 2, 3].map(|n| Entry::new(Report::waker(Token(n))));
        let others = [0, 1, 2].map(|n| Arc::clone(&owners[n]));
        for owner in &owners[..2] {
            let _ = list.push(owner);
        }
        let mut pending = Pending::new();
        list.take(&mut pending);
        let _ = list.push(&owners[2]);
        drop(owners);
        drop(list);
        drop(pending);
        assert!(others.iter().all(|other| counts(other) == 1));
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

        /// Delivers what there is without asking what it reports; how many notifications there were.
        fn clear_all(&self) -> usize {
            let mut pending = Pending::new();
            self.list.take(&mut pending);
            pending.into_iter().map(Queued::clear).sum()
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
            .map(|queued| {
                let event = queued.report().of_waker().expect("a waker's");
                queued.clear();
                event.token()
            })
            .collect()
    }

    fn waker(token: Token) -> Owner {
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

    /// Loom counts the `Arc`s: a share that is given back twice, or never, is an error.
    #[test]
    fn loom_an_owner_that_goes_during_a_delivery_leaves_nothing() {
        for notifies_again in [false, true] {
            loom::model(move || {
                let model = Model::new();
                let owner = waker(Token(1));
                model.notify(&owner);
                let going = thread::spawn({
                    let model = Arc::clone(&model);
                    move || {
                        if notifies_again {
                            model.notify(&owner);
                        }
                        drop(owner);
                    }
                });
                let mut wakes = model.clear_all();
                going.join().unwrap();
                wakes += model.clear_all();
                assert_eq!(wakes, 1 + usize::from(notifies_again));
            });
        }
    }

    #[test]
    fn loom_who_notifies_beside_an_owner_that_goes_brings_a_share_of_his_own() {
        loom::model(|| {
            let model = Model::new();
            let owner = waker(Token(1));
            let other = Arc::clone(&owner);
            let notifying = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    model.notify(&other);
                    model.notify(&other);
                }
            });
            let going = thread::spawn(move || drop(owner));
            let mut wakes = model.clear_all();
            notifying.join().unwrap();
            going.join().unwrap();
            wakes += model.clear_all();
            assert_eq!(wakes, 2);
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
                for queued in pending {
                    let (_, entry) = queued.clear_and_keep();
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
