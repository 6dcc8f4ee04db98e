//! Messages on their way to one receiver: what the senders have put in, taken out all at once.
//!
//! One lock, held for a push or for an exchange of two buffers: the receiver comes back to it only
//! when it has handled what it took. The senders tell it of a message only if it has *heard* all they have
//! told before; until then the next event stands for this message too. So a message costs one lock that is
//! mostly free, and nothing else.
//!
//! # Why no message is missed
//!
//! `heard` is set by who delivers the event, before the receiver looks into the box, and read under the
//! lock by who has put a message in. If the receiver looked before that, its unlocking happens before the
//! sender's locking, so the sender sees `heard` and tells. If it looks after that, it finds the message. A
//! receiver that finds nothing takes back what it was told, and sets `heard` under the lock: the next
//! sender tells anew. Who unsets `heard` tells afterwards, so a delivery that sets it again always follows.
//!
//! # Bounds
//!
//! What is taken counts until it is received, so that the bound is that of the channel, not of the box. The
//! receiver counts down without the lock; the senders remember the last number that they have seen, which
//! is never too small, and look at the number itself only if that leaves no room: mostly they leave it alone.
//!
//! # Why nobody waits beside free room
//!
//! Whoever finds no room says that he waits by a bit of the same word, and learns in that step how many
//! there were: the receiver's step down comes after it, and finds the bit, or before it, and the room is
//! seen. Waiting begins, and the bit is set, under the lock, which the receiver takes to wake somebody: so
//! who has set the bit sleeps by then.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::PoisonError;

use crate::base::sync::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard};

/// How many messages an emptied buffer has room for, at most: a burst does not keep its memory.
const KEPT: usize = 1024;

/// The bound of an inbox that is never full.
pub(crate) const NO_BOUND: usize = usize::MAX;

/// What lies between the senders and the receiver.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    /// Somebody may put a message in who has waited.
    room: Condvar,
    bound: usize,
    /// How many messages are taken and not received, in units of [`ONE`], and [`WAITED_FOR`].
    unreceived: AtomicUsize,
    heard: Arc<AtomicBool>,
}

/// Somebody waits for room, and nobody has woken him.
const WAITED_FOR: usize = 1;
const ONE: usize = 2;

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    /// What is taken and not received, or was a while ago: not more than this.
    unreceived_at_most: usize,
    /// How many senders wait for room and were not woken.
    waiting: usize,
    /// How many were woken and have not come back yet.
    woken: usize,
    has_senders: bool,
    has_receiver: bool,
}

/// What the receiver found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Messages,
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will come.
    TheEnd,
}

/// Why a message was not put in, and the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    Full(T),
    /// There is no receiver.
    Closed(T),
}

impl<T> Inbox<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                unreceived_at_most: 0,
                waiting: 0,
                woken: 0,
                has_senders: true,
                has_receiver: true,
            }),
            room: Condvar::new(),
            bound,
            unreceived: AtomicUsize::new(0),
            heard: Arc::new(AtomicBool::new(true)),
        }
    }

    /// To be set when an event is delivered that tells of messages.
    pub(crate) fn heard(&self) -> &Arc<AtomicBool> {
        &self.heard
    }

    /// Puts a message in, after waiting for room if there is none. Whether the receiver has to be told, after this; or
    /// the message, if there is no receiver.
    pub(crate) fn put(&self, message: T) -> Result<bool, T> {
        let mut state = self.state();
        while state.has_receiver && !self.has_room(&mut state) {
            state = self.wait(state);
        }
        if !state.has_receiver {
            drop(state);
            return Err(message);
        }
        Ok(self.push(state, message))
    }

    /// Puts a message in if there is room. Whether the receiver has to be told, after this.
    pub(crate) fn try_put(&self, message: T) -> Result<bool, Refused<T>> {
        let mut state = self.state();
        if !state.has_receiver {
            drop(state);
            return Err(Refused::Closed(message));
        }
        if !self.has_room(&mut state) {
            drop(state);
            return Err(Refused::Full(message));
        }
        Ok(self.push(state, message))
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, message: T) -> bool {
        state.messages.push_back(message);
        // Relaxed: ordered by the lock, see above.
        let has_heard = self.heard.load(Relaxed);
        if has_heard {
            self.heard.store(false, Relaxed);
        }
        has_heard
    }

    fn has_room(&self, state: &mut State<T>) -> bool {
        if state.unreceived_at_most < self.bound - state.messages.len() {
            return true;
        }
        // Relaxed: a number that is too old is too large, and `wait` asks for the last one.
        self.note_unreceived(state, self.unreceived.load(Relaxed))
    }

    /// Notes what is not received; whether there is room.
    fn note_unreceived(&self, state: &mut State<T>, word: usize) -> bool {
        state.unreceived_at_most = word / ONE;
        state.unreceived_at_most < self.bound - state.messages.len()
    }

    /// Waits until the receiver makes room, or is gone, or for no reason.
    #[cold]
    fn wait<'a>(&self, mut state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        state.waiting += 1;
        // Relaxed, here and in `received`: both are read-modify-writes of one word, of which one sees the other.
        let word = self.unreceived.fetch_or(WAITED_FOR, Relaxed);
        if self.note_unreceived(&mut state, word) {
            self.one_waits_no_more(&mut state);
            return state;
        }
        let mut state = self
            .room
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
        if state.woken > 0 {
            state.woken -= 1;
        } else {
            // For no reason, or by what was meant for another, who finds himself here then.
            self.one_waits_no_more(&mut state);
        }
        state
    }

    fn one_waits_no_more(&self, state: &mut State<T>) {
        state.waiting -= 1;
        if state.waiting == 0 {
            self.unreceived.fetch_and(!WAITED_FOR, Relaxed);
        }
    }

    /// Exchanges `emptied` for all that is there. If that is nothing, calls `if_nothing` before the next message can
    /// come, so that what it takes back is not what the sender of that message has told.
    pub(crate) fn take(&self, emptied: &mut VecDeque<T>, if_nothing: impl FnOnce()) -> Taken {
        debug_assert!(emptied.is_empty());
        emptied.shrink_to(KEPT);
        let mut state = self.state();
        std::mem::swap(&mut state.messages, emptied);
        if !emptied.is_empty() {
            if self.is_bounded() {
                state.unreceived_at_most = emptied.len();
                self.unreceived.fetch_add(emptied.len() * ONE, Relaxed);
            }
            Taken::Messages
        } else if state.has_senders {
            if_nothing();
            self.heard.store(true, Relaxed);
            Taken::Nothing
        } else {
            Taken::TheEnd
        }
    }

    /// A message that was taken is received: there is room for another.
    #[inline]
    pub(crate) fn received(&self) {
        if !self.is_bounded() {
            return;
        }
        let word = self.unreceived.fetch_sub(ONE, Relaxed);
        if word & WAITED_FOR != 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let mut state = self.state();
        if state.waiting > 0 {
            state.woken += 1;
            self.one_waits_no_more(&mut state);
            drop(state);
            self.room.notify_one();
        }
    }

    fn is_bounded(&self) -> bool {
        self.bound != NO_BOUND
    }

    /// There are no senders any more.
    pub(crate) fn close(&self) {
        self.state().has_senders = false;
    }

    /// There is no receiver any more. What was on its way is the caller's to drop, with nobody kept out.
    #[must_use]
    pub(crate) fn abandon(&self) -> VecDeque<T> {
        let mut state = self.state();
        state.has_receiver = false;
        let left = std::mem::take(&mut state.messages);
        drop(state);
        self.room.notify_all();
        left
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under the lock but that of `if_nothing`, which changes nothing here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(wakeful_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_told_until_the_receiver_has_heard_of_it() {
        let inbox = Inbox::new(NO_BOUND);
        let put = |messages: [u8; 3]| messages.map(|n| inbox.put(n).unwrap());
        assert_eq!(put([1, 2, 3]), [true, false, false]);
        let mut messages = VecDeque::new();
        let taken = inbox.take(&mut messages, || unreachable!());
        assert_eq!((taken, &messages), (Taken::Messages, &[1, 2, 3].into()));
        // Taken without having been told of it: the event is still to come.
        assert_eq!(put([4, 5, 6]), [false; 3]);
        inbox.heard().store(true, Relaxed);
        assert_eq!(put([7, 8, 9]), [true, false, false]);
    }

    #[test]
    fn what_was_told_and_taken_back_is_told_again() {
        let inbox = Inbox::new(NO_BOUND);
        assert_eq!(inbox.put(1), Ok(true));
        let mut messages = VecDeque::new();
        inbox.take(&mut messages, || unreachable!());
        messages.clear();
        let mut is_taken_back = false;
        assert_eq!(
            inbox.take(&mut messages, || is_taken_back = true),
            Taken::Nothing
        );
        assert!(is_taken_back);
        assert_eq!(inbox.put(2), Ok(true));
    }

    #[test]
    fn the_end_comes_after_the_last_message() {
        let inbox = Inbox::new(NO_BOUND);
        inbox.put(1).unwrap();
        inbox.close();
        let mut messages = VecDeque::new();
        assert_eq!(inbox.take(&mut messages, || ()), Taken::Messages);
        messages.clear();
        assert_eq!(inbox.take(&mut messages, || unreachable!()), Taken::TheEnd);
    }

    #[test]
    fn nobody_takes_what_comes_after_the_receiver_has_gone() {
        let inbox = Inbox::new(NO_BOUND);
        inbox.put(1).unwrap();
        assert_eq!(inbox.abandon(), [1]);
        assert_eq!(inbox.put(2), Err(2));
    }

    #[test]
    fn what_is_taken_counts_until_it_is_received() {
        let inbox = Inbox::new(2);
        assert_eq!((inbox.try_put(1), inbox.try_put(2)), (Ok(true), Ok(false)));
        let mut messages = VecDeque::new();
        inbox.take(&mut messages, || ());
        for n in 3..10 {
            assert_eq!(inbox.try_put(n), Err(Refused::Full(n)));
            messages.pop_front().unwrap();
            inbox.received();
            assert_eq!(inbox.try_put(n), Ok(false));
            if messages.is_empty() {
                inbox.take(&mut messages, || ());
            }
        }
        let _ = inbox.abandon();
        assert_eq!(inbox.try_put(10), Err(Refused::Closed(10)));
    }

    #[test]
    fn a_burst_does_not_keep_its_memory() {
        let inbox = Inbox::new(NO_BOUND);
        for n in 0..100 * KEPT {
            inbox.put(n).unwrap();
        }
        let mut messages = VecDeque::new();
        inbox.take(&mut messages, || ());
        messages.clear();
        for _ in 0..2 {
            inbox.take(&mut messages, || ());
        }
        let capacity = inbox.state().messages.capacity().max(messages.capacity());
        assert!(capacity < 2 * KEPT, "{capacity}");
    }
}

/// Run by `ci/loom.sh`.
#[cfg(all(test, wakeful_loom))]
mod loom_tests {
    use std::ops::Range;

    use super::*;
    use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
    use loom::sync::Notify;
    use loom::thread;

    /// A channel and its poll: what a sender tells is an event that is queued until it is delivered.
    struct Model {
        inbox: Inbox<u8>,
        is_readable: AtomicUsize,
        is_queued: AtomicUsize,
    }

    impl Model {
        fn send(&self, message: u8) {
            if self.inbox.put(message).unwrap() {
                self.is_readable.store(1, Release);
                self.is_queued.swap(1, AcqRel);
            }
        }

        /// Drains after an event, if there is one; how many messages.
        fn poll(&self, messages: &mut VecDeque<u8>) -> usize {
            if self.is_queued.swap(0, AcqRel) == 0 || self.is_readable.load(Acquire) == 0 {
                return 0;
            }
            self.inbox.heard().store(true, Relaxed);
            self.drain(messages)
        }

        fn drain(&self, messages: &mut VecDeque<u8>) -> usize {
            let mut received = 0;
            let take_back = || self.is_readable.store(0, Release);
            while self.inbox.take(messages, take_back) == Taken::Messages {
                received += messages.drain(..).count();
            }
            received
        }
    }

    fn model(receive: impl Fn(&Model, &mut VecDeque<u8>) -> usize + Sync + Send + 'static) {
        loom::model(move || {
            let model = Arc::new(Model {
                inbox: Inbox::new(NO_BOUND),
                is_readable: AtomicUsize::new(0),
                is_queued: AtomicUsize::new(0),
            });
            let sender = {
                let model = Arc::clone(&model);
                thread::spawn(move || (0..2).for_each(|n| model.send(n)))
            };
            let other = {
                let model = Arc::clone(&model);
                thread::spawn(move || model.send(2))
            };
            let mut messages = VecDeque::new();
            let mut received = receive(&model, &mut messages);
            sender.join().unwrap();
            other.join().unwrap();
            // Nobody sends any more: what is not received has an event.
            received += model.poll(&mut messages);
            assert_eq!(received, 3, "a message has no event");
        });
    }

    /// A channel with a bound of 1, and a receiver that sleeps until it is told; loom reports whoever
    /// waits for ever as a deadlock.
    struct Bounded {
        inbox: Inbox<u8>,
        bell: Notify,
    }

    impl Bounded {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                inbox: Inbox::new(1),
                bell: Notify::new(),
            })
        }

        fn sends(model: &Arc<Self>, messages: Range<u8>) -> thread::JoinHandle<()> {
            let model = Arc::clone(model);
            thread::spawn(move || {
                for message in messages {
                    if model.inbox.put(message).unwrap() {
                        model.bell.notify();
                    }
                }
            })
        }

        /// The next message, as soon as it is there.
        fn receive(&self) -> u8 {
            let mut messages = VecDeque::new();
            while self.inbox.take(&mut messages, || ()) == Taken::Nothing {
                self.bell.wait();
                self.inbox.heard().store(true, Relaxed);
            }
            let message = messages.pop_front().unwrap();
            self.inbox.received();
            message
        }
    }

    #[test]
    fn loom_whoever_waits_for_room_gets_it() {
        loom::model(|| {
            let model = Bounded::new();
            // So that both may have to wait.
            assert_eq!(model.inbox.put(0), Ok(true));
            let senders = [Bounded::sends(&model, 1..2), Bounded::sends(&model, 2..3)];
            let mut received = [(); 3].map(|()| model.receive());
            received.sort_unstable();
            assert_eq!(received, [0, 1, 2]);
            for sender in senders {
                sender.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_room_is_told_before_the_next_receive() {
        loom::model(|| {
            let model = Bounded::new();
            let sender = Bounded::sends(&model, 0..2);
            assert_eq!(model.receive(), 0);
            // Nobody receives any more, and there is room for the other message.
            sender.join().unwrap();
            assert_eq!(model.receive(), 1);
        });
    }

    #[test]
    fn loom_nobody_waits_for_a_receiver_that_is_gone() {
        loom::model(|| {
            let model = Bounded::new();
            let senders: Vec<_> = (0..2)
                .map(|n| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.inbox.put(n).is_ok())
                })
                .collect();
            let _ = model.inbox.abandon();
            let put = senders.into_iter().map(|sender| sender.join().unwrap());
            assert!(put.filter(|put| *put).count() <= 1);
        });
    }

    #[test]
    fn loom_a_message_is_received_or_has_an_event() {
        model(|model, messages| model.poll(messages));
    }

    #[test]
    fn loom_a_receiver_that_looks_without_an_event_misses_nothing() {
        model(|model, messages| model.drain(messages));
    }
}
