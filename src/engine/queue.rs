//! The event queue: a heap of `(time, rank)` integers with the event beside them, four children to a node. Arrivals are
//! pulled one at a time, so that it holds some events per replica and never a whole trace: a few levels of neighbours
//! in memory. (Our choice, because two children take twice the levels, each with a branch that cannot be foretold; queues
//! of buckets need tuning to how events lie in time.)

use super::Event;
use crate::time::SimTime;

const CHILDREN: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry<E> {
    /// Time and rank. Two words, not one of twice the size, whose alignment would waste a quarter of an entry.
    key: (u64, u64),
    event: E,
}

impl<E> Entry<E> {
    /// The key as one number, which compares without a branch.
    #[inline]
    fn order(&self) -> u128 {
        u128::from(self.key.0) << 64 | u128::from(self.key.1)
    }
}

/// Events in the order in which they will happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// No entry comes before its parent, that of place `(place - 1) / 4`.
    heap: Vec<Entry<E>>,
}

impl<E: Event> EventQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        EventQueue { heap: Vec::new() }
    }
    /// Adds an event, O(log n).
    #[inline]
    pub fn push(&mut self, time: SimTime, event: E) {
        let entry = Entry { key: (time.0, event.rank().packed()), event };
        let mut place = self.heap.len();
        self.heap.push(entry);
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent].order() <= entry.order() {
                break;
            }
            self.heap[place] = self.heap[parent];
            place = parent;
        }
        self.heap[place] = entry;
    }
    /// The next event, left in place.
    #[inline]
    pub fn peek(&self) -> Option<(SimTime, E)> {
        self.heap.first().map(|entry| (SimTime(entry.key.0), entry.event))
    }
    /// Takes the next event, O(log n).
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else { return Some((SimTime(last.key.0), last.event)) };
        self.sink(last);
        Some((SimTime(first.key.0), first.event))
    }
    /// Puts an entry where the first one was, and then as deep as it belongs.
    #[inline]
    fn sink(&mut self, entry: Entry<E>) {
        let (heap, order) = (&mut self.heap[..], entry.order());
        let mut place = 0;
        loop {
            let from = place * CHILDREN + 1;
            let children = match heap.get(from..from + CHILDREN) {
                Some(all) => all,
                None => heap.get(from..).unwrap_or_default(),
            };
            let (mut next, mut least) = (0, order);
            for (child, entry) in children.iter().enumerate() {
                let order = entry.order();
                // Equal ranks are one event twice: it does not matter which goes first.
                next = if order < least { child + 1 } else { next };
                least = least.min(order);
            }
            if next == 0 {
                break;
            }
            heap[place] = heap[from + next - 1];
            place = from + next - 1;
        }
        heap[place] = entry;
    }
    /// How many events wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<E: Event> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Rank;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Numbered(u32);
    impl Event for Numbered {
        fn rank(&self) -> Rank {
            Rank { class: (self.0 % 3) as u8, entity: self.0, sequence: 0 }
        }
        fn word(&self) -> u64 {
            0
        }
    }

    proptest! {
        /// As a sorted map does, whatever is added and taken in between.
        #[test]
        fn events_leave_in_order(steps in prop::collection::vec(prop::option::weighted(0.6, 0u64..40), 1..400)) {
            let (mut queue, mut sorted) = (EventQueue::new(), BTreeMap::new());
            for (number, step) in steps.into_iter().enumerate() {
                if let Some(time) = step {
                    let event = Numbered(number as u32);
                    queue.push(SimTime(time), event);
                    sorted.insert((time, event.rank().packed()), event);
                } else {
                    let expected = sorted.pop_first().map(|((time, _), event)| (SimTime(time), event));
                    prop_assert_eq!(queue.peek(), expected);
                    prop_assert_eq!(queue.pop(), expected);
                }
                prop_assert_eq!((queue.len(), queue.is_empty()), (sorted.len(), sorted.is_empty()));
            }
            while let Some(((time, _), event)) = sorted.pop_first() {
                prop_assert_eq!(queue.pop(), Some((SimTime(time), event)));
            }
            prop_assert_eq!(queue.pop(), None);
        }
    }
}
