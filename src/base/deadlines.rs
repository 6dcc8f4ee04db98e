//! A heap of deadlines, soonest first.
//!
//! Four children to a node: the heap is half as deep as a binary one, and a node's children stand
//! side by side in memory. For every timer its place in the heap is kept, so that one can be moved
//! or removed without a search. At a million timers what costs time is the memory that is touched:
//! a random deadline rises less than one level on average when it is inserted, and most of a heap
//! being leaves, a removal moves little.
//!
//! A heap is exact: timers expire in the order of their deadlines, and the next deadline, which a
//! poller needs in order to sleep just so long, is always at hand. `docs/benchmarks.md` has it
//! beside a tree and a hierarchical wheel.
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
    /// Of each number its place in the heap.
    places: Vec<u32>,
}

#[derive(Copy, Clone, Debug)]
struct Node {
    deadline: u64,
    number: u32,
}

const CHILDREN: usize = 4;
/// The place of a number that is not in the heap.
const NOWHERE: u32 = u32::MAX;

impl Deadlines {
    /// Sets or moves the deadline of `number`; returns whether it is the soonest now.
    pub(crate) fn set(&mut self, number: u32, deadline: u64) -> bool {
        let node = Node { deadline, number };
        match self.place(number) {
            Some(place) => {
                let before = std::mem::replace(&mut self.heap[place], node);
                if deadline < before.deadline {
                    self.rise(place);
                } else {
                    self.sink(place);
                }
            }
            None => {
                if self.places.len() <= number as usize {
                    self.places.resize(number as usize + 1, NOWHERE);
                }
                self.heap.push(node);
                self.rise(self.heap.len() - 1);
            }
        }
        self.heap[0].number == number
    }

    /// Removes `number`; returns its deadline, if it had one.
    pub(crate) fn remove(&mut self, number: u32) -> Option<u64> {
        let place = self.place(number)?;
        let removed = self.heap.swap_remove(place);
        self.places[number as usize] = NOWHERE;
        if let Some(last) = self.heap.get(place) {
            if last.deadline < removed.deadline {
                self.rise(place);
            } else {
                self.sink(place);
            }
        }
        Some(removed.deadline)
    }

    /// The soonest deadline, and whose it is.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        let first = self.heap.first()?;
        Some((first.deadline, first.number))
    }

    /// The deadline of `number`, if it has one.
    pub(crate) fn get(&self, number: u32) -> Option<u64> {
        Some(self.heap[self.place(number)?].deadline)
    }

    fn place(&self, number: u32) -> Option<usize> {
        let place = *self.places.get(number as usize)?;
        (place != NOWHERE).then_some(place as usize)
    }

    fn rise(&mut self, mut place: usize) {
        let node = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent].deadline <= node.deadline {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, node);
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
            self.put(place, self.heap[soonest]);
            place = soonest;
        }
        self.put(place, node);
    }

    fn put(&mut self, place: usize, node: Node) {
        self.heap[place] = node;
        // Numbers are 32 bits wide, so places are too.
        self.places[node.number as usize] = place as u32;
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

    proptest! {
        /// The same as a sorted map, whatever is done.
        #[test]
        fn it_agrees_with_a_map(
            steps in proptest::collection::vec((0u32..40, proptest::option::of(0u64..50)), 0..300),
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
            while let Some((deadline, number)) = deadlines.first() {
                prop_assert_eq!(deadlines.remove(number), Some(deadline));
                order.push(deadline);
            }
            let mut sorted: Vec<_> = model.into_values().collect();
            sorted.sort_unstable();
            prop_assert_eq!(order, sorted);
        }
    }
}
