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

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::sync::{Arc, AtomicBool, Mutex, MutexGuard};

/// How many messages an emptied buffer has room for, at most: a burst does not keep its memory.
const KEPT: usize = 1024;

/// What lies between the senders and the receiver.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    heard: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
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

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                has_senders: true,
                has_receiver: true,
            }),
            heard: Arc::new(AtomicBool::new(true)),
        }
    }

    /// To be set when an event is delivered that tells of messages.
    pub(crate) fn heard(&self) -> &Arc<AtomicBool> {
        &self.heard
    }

    /// Puts a message in. Whether the receiver has to be told, after this; or the message, if there is no receiver.
    pub(crate) fn put(&self, message: T) -> Result<bool, T> {
        let mut state = self.state();
        if !state.has_receiver {
            drop(state);
            return Err(message);
        }
        state.messages.push_back(message);
        // Relaxed: ordered by the lock, see above.
        let has_heard = self.heard.load(Relaxed);
        if has_heard {
            self.heard.store(false, Relaxed);
        }
        Ok(has_heard)
    }

    /// Exchanges `emptied` for all that is there. If that is nothing, calls `if_nothing` before the next message can
    /// come, so that what it takes back is not what the sender of that message has told.
    pub(crate) fn take(&self, emptied: &mut VecDeque<T>, if_nothing: impl FnOnce()) -> Taken {
        debug_assert!(emptied.is_empty());
        emptied.shrink_to(KEPT);
        let mut state = self.state();
        std::mem::swap(&mut state.messages, emptied);
        if !emptied.is_empty() {
            Taken::Messages
        } else if state.has_senders {
            if_nothing();
            self.heard.store(true, Relaxed);
            Taken::Nothing
        } else {
            Taken::TheEnd
        }
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
        std::mem::take(&mut state.messages)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under the lock but that of `if_nothing`, which changes nothing here.
        self.state
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

#[cfg(all(test, not(wakeful_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_told_until_the_receiver_has_heard_of_it() {
        let inbox = Inbox::new();
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
        let inbox = Inbox::new();
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
        let inbox = Inbox::new();
        inbox.put(1).unwrap();
        inbox.close();
        let mut messages = VecDeque::new();
        assert_eq!(inbox.take(&mut messages, || ()), Taken::Messages);
        messages.clear();
        assert_eq!(inbox.take(&mut messages, || unreachable!()), Taken::TheEnd);
    }

    #[test]
    fn nobody_takes_what_comes_after_the_receiver_has_gone() {
        let inbox = Inbox::new();
        inbox.put(1).unwrap();
        assert_eq!(inbox.abandon(), [1]);
        assert_eq!(inbox.put(2), Err(2));
    }

    #[test]
    fn a_burst_does_not_keep_its_memory() {
        let inbox = Inbox::new();
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
    use super::*;
    use crate::base::sync::AtomicUsize;
    use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
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
                inbox: Inbox::new(),
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

    #[test]
    fn loom_a_message_is_received_or_has_an_event() {
        model(|model, messages| model.poll(messages));
    }

    #[test]
    fn loom_a_receiver_that_looks_without_an_event_misses_nothing() {
        model(|model, messages| model.drain(messages));
    }
}
