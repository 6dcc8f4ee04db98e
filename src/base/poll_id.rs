//! The numbers of polls, by which a source knows where it is registered.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of a poll, given back when it is dropped.
///
/// It comes again after 2^31 others, if the poll is not alive then: a source that has kept it for that
/// long would be taken for the later poll's.
#[derive(Debug)]
pub(crate) struct PollId(NonZeroU32);

/// The polls there are.
static POLLS: Mutex<Polls> = Mutex::new(Polls {
    newest: 0,
    living: Vec::new(),
});

struct Polls {
    newest: u32,
    /// In order. There are few, and the newest number is mostly the largest.
    living: Vec<u32>,
}

impl PollId {
    /// Any number is less than this: a source has use for the bit.
    pub(crate) const END: u32 = 1 << 31;

    /// One that no other poll has.
    pub(crate) fn new() -> Self {
        let mut polls = polls();
        loop {
            polls.newest = (polls.newest + 1) % Self::END;
            let newest = polls.newest;
            if let Some(id) = NonZeroU32::new(newest) {
                if let Err(place) = polls.living.binary_search(&newest) {
                    polls.living.insert(place, newest);
                    return Self(id);
                }
            }
        }
    }

    /// Never zero.
    pub(crate) fn get(&self) -> u32 {
        self.0.get()
    }

    /// Whether there is a poll of this number.
    pub(crate) fn is_alive(id: u32) -> bool {
        polls().living.binary_search(&id).is_ok()
    }
}

impl Drop for PollId {
    fn drop(&mut self) {
        let mut polls = polls();
        if let Ok(place) = polls.living.binary_search(&self.get()) {
            polls.living.remove(place);
        }
    }
}

fn polls() -> MutexGuard<'static, Polls> {
    // Each change is one step, so a panic leaves nothing half done.
    POLLS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_live_as_long_as_their_poll() {
        let (one, other) = (PollId::new(), PollId::new());
        assert_ne!(one.get(), other.get());
        assert!(one.get() < PollId::END && PollId::is_alive(one.get()));
        let gone = other.get();
        drop(other);
        assert!(PollId::is_alive(one.get()) && !PollId::is_alive(gone));
        assert!(!PollId::is_alive(0));
    }

    #[test]
    fn the_numbers_begin_anew_and_pass_over_the_living() {
        let early = PollId::new();
        // Back to where it began; the numbers of other tests are passed over too.
        polls().newest = PollId::END - 1;
        let late = PollId::new();
        assert!(late.get() != 0 && late.get() != early.get());
        assert!(PollId::is_alive(early.get()) && PollId::is_alive(late.get()));
    }
}
