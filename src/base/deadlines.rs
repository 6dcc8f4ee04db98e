//! A heap of deadlines, soonest first.
//!
//! Four children to a node: the heap is half as deep as a binary one, and a node's children stand
//! side by side in memory. A heap is exact: timers expire in the order of their deadlines, and the
//! next deadline, which a poller needs in order to sleep just so long, is always at hand.
//!
//! At a million timers what costs time is the memory that is touched, in random places. So nothing
//! is ever searched for or taken out of the middle: each timer has a *generation*, which moves on
//! whenever it is set or removed, and a node of an earlier generation is stale. Stale nodes are
//! dropped when they come up, or all at once when they are more than the others and a timer is set or
//! one of them comes up. To set a timer is to push a node, which rises less than one level on
//! average; to remove it touches one entry of a table.
//!
//! `docs/benchmarks.md` has it beside a tree, a binary heap and hierarchical wheels.
//!
//! Deadlines are nanoseconds since a moment that the owner keeps; 64 bits are 584 years.
//!
//! D. B. Johnson, *Priority queues with update and finding minimum spanning trees*, 1975.

/// Timers, by their numbers, in the order of their deadlines.
///
/// Numbers are the owner's, small and dense. Timers with the same deadline come in any order.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: Vec<Node>,
    timers: Vec<Timer>,
    /// Nodes that are not stale: timers that have a deadline.
    armed: usize,
}

#[derive(Copy, Clone, Debug)]
struct Node {
    deadline: u64,
    number: u32,
    generation: u32,
}

/// What is known of a number.
#[derive(Copy, Clone, Debug, Default)]
struct Timer {
    deadline: u64,
    /// Wraps, which no stale node lives to see: they are dropped before they are as many as
    /// the others and [`FEW`].
    generation: u32,
    is_armed: bool,
    /// A note of the owner's, kept here so that a change touches one place in memory.
    has_expired: bool,
}

impl Node {
    /// Whether its timer still has this deadline.
    fn is_live(&self, timers: &[Timer]) -> bool {
        let timer = &timers[self.number as usize];
        timer.is_armed & (timer.generation == self.generation)
    }
}

const CHILDREN: usize = 4;
/// So many stale nodes are not worth a clean-up.
const FEW: usize = 64;

impl Deadlines {
    /// Sets or moves the deadline of `number`; returns whether it is the soonest now.
    ///
    /// A node that is stale may still stand before it. Whoever sleeps until the soonest deadline
    /// has taken that one into account, wakes no later, and looks again.
    pub(crate) fn set(&mut self, number: u32, deadline: u64) -> bool {
        let timer = self.timer(number);
        let was_armed = std::mem::replace(&mut timer.is_armed, true);
        timer.deadline = deadline;
        timer.generation = timer.generation.wrapping_add(1);
        let generation = timer.generation;
        self.armed += usize::from(!was_armed);
        self.heap.push(Node {
            deadline,
            number,
            generation,
        });
        let place = self.rise(self.heap.len() - 1);
        self.clean_up();
        place == 0
    }

    /// Removes the deadline of `number`; returns it, if there was one.
    pub(crate) fn remove(&mut self, number: u32) -> Option<u64> {
        let timer = self.timers.get_mut(number as usize)?;
        if !timer.is_armed {
            return None;
        }
        timer.is_armed = false;
        timer.generation = timer.generation.wrapping_add(1);
        let deadline = timer.deadline;
        self.armed -= 1;
        if self.armed == 0 {
            self.heap.clear();
        }
        Some(deadline)
    }

    /// The soonest deadline, and whose it is.
    pub(crate) fn first(&mut self) -> Option<(u64, u32)> {
        loop {
            let first = *self.heap.first()?;
            if first.is_live(&self.timers) {
                return Some((first.deadline, first.number));
            }
            self.drop_first();
            self.clean_up();
        }
    }

    /// Takes the soonest deadline, if it is no later than `now`.
    pub(crate) fn expire(&mut self, now: u64) -> Option<(u64, u32)> {
        let (deadline, number) = self.first()?;
        if deadline > now {
            return None;
        }
        self.drop_first();
        let timer = &mut self.timers[number as usize];
        timer.is_armed = false;
        self.armed -= 1;
        Some((deadline, number))
    }

    /// Notes that there is something to ask `number` for.
    pub(crate) fn note_expired(&mut self, number: u32) {
        self.timer(number).has_expired = true;
    }

    /// Whether that was noted since this was asked last.
    pub(crate) fn take_expired(&mut self, number: u32) -> bool {
        let timer = self.timers.get_mut(number as usize);
        timer.is_some_and(|timer| std::mem::take(&mut timer.has_expired))
    }

    /// The deadline of `number`, if it has one.
    pub(crate) fn get(&self, number: u32) -> Option<u64> {
        let timer = self.timers.get(number as usize)?;
        timer.is_armed.then_some(timer.deadline)
    }

    fn timer(&mut self, number: u32) -> &mut Timer {
        let index = number as usize;
        if self.timers.len() <= index {
            self.timers.resize(index + 1, Timer::default());
        }
        &mut self.timers[index]
    }

    fn drop_first(&mut self) {
        self.heap.swap_remove(0);
        if !self.heap.is_empty() {
            self.sink(0);
        }
    }

    /// Drops the stale nodes, when they are more than the others: once in so many changes as there
    /// are timers, so a change pays for a few nodes. Not when timers are removed: many often go
    /// one after the other, and the last one takes all nodes along.
    fn clean_up(&mut self) {
        if self.heap.len() <= 2 * self.armed + FEW {
            return;
        }
        // Without a branch on what is found: the processor fetches many timers at once, wherever
        // they are, instead of waiting for one after the other.
        let mut kept = 0;
        for place in 0..self.heap.len() {
            let node = self.heap[place];
            self.heap[kept] = node;
            kept += usize::from(node.is_live(&self.timers));
        }
        self.heap.truncate(kept);
        // From the last node that has a child.
        for place in (0..self.heap.len() / CHILDREN + 1).rev() {
            if place < self.heap.len() {
                self.sink(place);
            }
        }
    }

    /// Moves a node up to where it belongs; returns its place.
    fn rise(&mut self, mut place: usize) -> usize {
        let node = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent].deadline <= node.deadline {
                break;
            }
            self.heap[place] = self.heap[parent];
            place = parent;
        }
        self.heap[place] = node;
        place
    }

    fn sink(&mut self, mut place: usize) {
        let node = self.heap[place];
        loop {
            let first = place * CHILDREN + 1;
            let children = first..self.heap.len().min(first + CHILDREN);
            let Some(soonest) = children.min_by_key(|&child| self.heap[child].deadline) else {
                break;
            };
            if node.deadline <= self.heap[soonest].deadline {
                break;
            }
            self.heap[place] = self.heap[soonest];
            place = soonest;
        }
        self.heap[place] = node;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_soonest_comes_first() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.set(0, 30));
        assert!(deadlines.set(1, 10));
        assert!(!deadlines.set(2, 20));
        assert_eq!(deadlines.first(), Some((10, 1)));
        assert_eq!(deadlines.remove(1), Some(10));
        assert_eq!(deadlines.first(), Some((20, 2)));
        assert_eq!(deadlines.remove(1), None);
    }

    #[test]
    fn a_deadline_can_be_moved_both_ways() {
        let mut deadlines = Deadlines::default();
        for number in 0..9 {
            deadlines.set(number, u64::from(number) + 10);
        }
        assert!(deadlines.set(8, 1));
        assert_eq!(deadlines.first(), Some((1, 8)));
        assert!(!deadlines.set(8, 100));
        assert_eq!(deadlines.first(), Some((10, 0)));
        assert_eq!(deadlines.get(8), Some(100));
    }

    #[test]
    fn nothing_expires_before_its_time() {
        let mut deadlines = Deadlines::default();
        deadlines.set(3, 10);
        assert_eq!(deadlines.expire(9), None);
        assert_eq!(deadlines.expire(10), Some((10, 3)));
        assert_eq!(deadlines.expire(10), None);
    }

    #[test]
    fn a_note_is_taken_once() {
        let mut deadlines = Deadlines::default();
        assert!(!deadlines.take_expired(3));
        deadlines.note_expired(3);
        assert!(deadlines.take_expired(3) && !deadlines.take_expired(3));
    }

    #[test]
    fn stale_nodes_never_pile_up() {
        let mut deadlines = Deadlines::default();
        for number in 0..10 {
            deadlines.set(number, 1_000);
        }
        for n in 0..10_000 {
            deadlines.set(n % 10, 2_000 + u64::from(n));
            assert!(deadlines.heap.len() <= 2 * 10 + FEW + 1);
        }
        for number in 0..10 {
            deadlines.remove(number);
        }
        assert!(deadlines.heap.len() <= FEW);
        assert_eq!(deadlines.first(), None);
    }

    #[test]
    fn a_deadline_that_is_set_again_expires_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, 5);
        deadlines.remove(0);
        deadlines.set(0, 5);
        deadlines.set(0, 5);
        assert_eq!(deadlines.expire(9), Some((5, 0)));
        assert_eq!(deadlines.expire(9), None);
    }

    proptest! {
        /// The same as a sorted map, whatever is done.
        #[test]
        fn it_agrees_with_a_map(
            steps in proptest::collection::vec((0u32..40, proptest::option::of(0u64..50)), 0..600),
        ) {
            let mut deadlines = Deadlines::default();
            let mut model = BTreeMap::new();
            for (number, step) in steps {
                match step {
                    Some(deadline) => {
                        deadlines.set(number, deadline);
                        model.insert(number, deadline);
                    }
                    None => prop_assert_eq!(deadlines.remove(number), model.remove(&number)),
                }
                let soonest = model.values().min().copied();
                prop_assert_eq!(deadlines.first().map(|first| first.0), soonest);
                prop_assert_eq!(deadlines.get(number), model.get(&number).copied());
            }
            let mut order = Vec::new();
            while let Some((deadline, number)) = deadlines.expire(u64::MAX) {
                prop_assert_eq!(deadlines.get(number), None);
                order.push(deadline);
            }
            prop_assert!(deadlines.heap.is_empty() && deadlines.armed == 0);
            let mut sorted: Vec<_> = model.into_values().collect();
            sorted.sort_unstable();
            prop_assert_eq!(order, sorted);
        }
    }
}
