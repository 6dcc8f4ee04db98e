//! A value that no user has claimed, though any value may be claimed at any time.
//!
//! An epoll instance hands back 64 bits with each event. Users get all of them for their tokens,
//! so the doorbell, which travels the same way, must be known by a value that no user has
//! registered. We keep an interval of values that nobody claimed so far, and a value inside of it:
//!
//! - values of the lower half (indexes, pointers of user space) are never ours and cost one
//!   comparison;
//! - a claim inside the interval cuts it, and the part with our value stays;
//! - when our value itself is claimed, the larger part stays, and it moves into the middle of that.
//!
//! It moves only when it is claimed: what is said under an old value, and heard late, is then heard
//! by somebody who has that value, and never under one that nobody has.
//!
//! Only someone who keeps guessing our value or its neighbours exhausts the interval. Then the value
//! is shared, and what is said under it counts for both.

/// The interval nobody claimed a value of, and the one value we use.
#[derive(Debug)]
pub(crate) struct Unclaimed {
    lowest: u64,
    highest: u64,
    ours: u64,
    shared: bool,
}

/// What a claim means for whoever uses our value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Our value stays what it was.
    Unaffected,
    /// Our value is this one from now on.
    MoveTo(u64),
}

/// Smaller values are never ours.
pub(crate) const FLOOR: u64 = 1 << 63;

impl Unclaimed {
    pub(crate) const fn new() -> Self {
        // Away from the ends and from the middle, which people like to use.
        const START: u64 = FLOOR + (FLOOR / 3) * 2;
        Self {
            lowest: FLOOR,
            highest: u64::MAX,
            ours: START,
            shared: false,
        }
    }

    /// Our value.
    pub(crate) fn ours(&self) -> u64 {
        self.ours
    }

    /// Whether a user has our value, and there was no other to move to.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Notes that a user is about to use `value`.
    pub(crate) fn claim(&mut self, value: u64) -> Claim {
        if value < self.lowest || value > self.highest {
            return Claim::Unaffected;
        }
        if value < self.ours {
            self.lowest = value + 1;
            return Claim::Unaffected;
        }
        if value > self.ours {
            self.highest = value - 1;
            return Claim::Unaffected;
        }
        if self.lowest == self.highest {
            self.shared = true;
            return Claim::Unaffected;
        }
        if value - self.lowest > self.highest - value {
            self.highest = value - 1;
        } else {
            self.lowest = value + 1;
        }
        self.ours = self.lowest + (self.highest - self.lowest) / 2;
        Claim::MoveTo(self.ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_and_the_middle_do_not_move_it() {
        let mut values = Unclaimed::new();
        for value in [0, 1, FLOOR - 1, FLOOR, u64::MAX - 1, u64::MAX] {
            assert_eq!(values.claim(value), Claim::Unaffected);
        }
    }

    #[test]
    fn it_moves_away_from_whoever_claims_it() {
        let mut values = Unclaimed::new();
        let claimed = values.ours();
        let Claim::MoveTo(ours) = values.claim(claimed) else {
            panic!("our value was claimed");
        };
        assert_ne!(ours, claimed);
        assert_eq!(ours, values.ours());
    }

    #[test]
    fn a_neighbour_does_not_move_it() {
        let mut values = Unclaimed::new();
        for distance in (1..1000).rev() {
            assert_eq!(values.claim(values.ours() - distance), Claim::Unaffected);
            assert_eq!(values.claim(values.ours() + distance), Claim::Unaffected);
        }
    }

    #[test]
    fn a_mind_reader_makes_it_shared_at_last() {
        let mut values = Unclaimed::new();
        let guesses = (0..100).take_while(|_| {
            let _ = values.claim(values.ours());
            !values.is_shared()
        });
        assert!(guesses.count() >= 60);
        assert!(values.is_shared());
    }

    proptest! {
        #[test]
        fn it_is_never_a_value_that_was_claimed(
            claims in proptest::collection::vec(
                prop_oneof![any::<u64>(), FLOOR..FLOOR + 9, u64::MAX - 9..=u64::MAX], 0..99),
            mind_read_every in 1usize..9,
        ) {
            let mut values = Unclaimed::new();
            let mut claimed = Vec::new();
            for (n, claim) in claims.into_iter().enumerate() {
                let claim = if n % mind_read_every == 0 { values.ours() } else { claim };
                claimed.push(claim);
                let _ = values.claim(claim);
                prop_assert!(values.is_shared() || !claimed.contains(&values.ours()));
            }
        }
    }
}
