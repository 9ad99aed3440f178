//! The event queue: a binary heap of `(time, rank)` integers with the event beside them, and timers for what is put off
//! again and again. Arrivals are pulled one at a time, so that it holds what is on its way and never a whole trace: at
//! that size a binary heap is within a factor of two of anything else.

use super::Event;
use super::timers::Timers;
use crate::time::SimTime;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, Debug)]
struct Entry<E> {
    /// Time and rank. Two words, not one of twice the size, whose alignment would waste a quarter of an entry.
    key: (u64, u64),
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl<E> Eq for Entry<E> {}
impl<E> Entry<E> {
    /// Both words as one number, which is compared without a branch: which of two is earlier is anybody's guess.
    #[inline]
    fn number(&self) -> u128 {
        u128::from(self.key.0) << 64 | u128::from(self.key.1)
    }
}
/// Reversed: the heap gives its largest first and the earliest event is wanted. The heap asks for these.
impl<E> PartialOrd for Entry<E> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
    #[inline]
    fn lt(&self, other: &Self) -> bool {
        other.number() < self.number()
    }
    #[inline]
    fn le(&self, other: &Self) -> bool {
        other.number() <= self.number()
    }
    #[inline]
    fn gt(&self, other: &Self) -> bool {
        other.number() > self.number()
    }
    #[inline]
    fn ge(&self, other: &Self) -> bool {
        other.number() >= self.number()
    }
}
impl<E> Ord for Entry<E> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.number().cmp(&self.number())
    }
}

/// What an event is ordered by: its time, then its rank.
#[inline]
pub(super) fn number(time: SimTime, event: impl Event) -> u128 {
    u128::from(time.0) << 64 | u128::from(event.rank().packed())
}

/// Events in the order in which they will happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// One that is before all in the heap: most lead to another that is the very next, and never get into it.
    next: Option<Entry<E>>,
    heap: BinaryHeap<Entry<E>>,
    timers: Timers<E>,
}

impl<E: Event> EventQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        EventQueue { next: None, heap: BinaryHeap::new(), timers: Timers::new() }
    }
    /// Adds an event, O(log n).
    #[inline]
    pub fn push(&mut self, time: SimTime, event: E) {
        let entry = Entry { key: (time.0, event.rank().packed()), event };
        // The heap's order is reversed.
        if self.first().is_none_or(|first| entry > *first) {
            if let Some(first) = self.next.replace(entry) {
                self.heap.push(first);
            }
        } else {
            self.heap.push(entry);
        }
    }
    /// The earliest that is not a timer.
    #[inline]
    fn first(&self) -> Option<&Entry<E>> {
        self.next.as_ref().or_else(|| self.heap.peek())
    }
    /// Sets a timer, by its number among all timers, or takes it back: of each there is one event to come at most.
    #[inline]
    pub fn set(&mut self, timer: u32, event: Option<(SimTime, E)>) {
        self.timers.set(timer, event);
    }
    /// Takes the next event where `wanted` says so of it and its time; otherwise leaves it. O(log n).
    #[inline]
    pub fn pop_if(&mut self, wanted: impl FnOnce(SimTime, &E) -> bool) -> Option<(SimTime, E)> {
        let timer = self.timers.first();
        let heap = self.first().map(|entry| (entry.number(), entry.event));
        let (is_timer, (number, event)) = match (timer, heap) {
            (Some(timer), Some(heap)) if timer.0 < heap.0 => (true, timer),
            (_, Some(heap)) => (false, heap),
            (Some(timer), None) => (true, timer),
            (None, None) => return None,
        };
        let time = SimTime((number >> 64) as u64);
        if !wanted(time, &event) {
            return None;
        }
        if is_timer {
            self.timers.go_off();
        } else if self.next.take().is_none() {
            self.heap.pop();
        }
        Some((time, event))
    }
    /// Takes the next event, O(log n).
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.pop_if(|_, _| true)
    }
    /// How many events wait.
    pub fn len(&self) -> usize {
        usize::from(self.next.is_some()) + self.heap.len() + self.timers.len()
    }
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    use crate::engine::tests::Ring;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_come_in_order_whenever_they_were_added(
            steps in prop::collection::vec((0..20u64, any::<bool>()), 0..300),
        ) {
            let (mut queue, mut plain) = (EventQueue::new(), Vec::new());
            for (number, (time, takes)) in steps.into_iter().enumerate() {
                if takes {
                    let first = plain.iter().enumerate().min_by_key(|&(_, event)| event).map(|(place, _)| place);
                    let first = first.map(|place| plain.swap_remove(place));
                    prop_assert_eq!(queue.pop(), first.map(|(time, event)| (SimTime(time), Ring(event))));
                } else {
                    queue.push(SimTime(time), Ring(number as u32));
                    plain.push((time, number as u32));
                }
                prop_assert_eq!(queue.len(), plain.len());
            }
        }
    }
}
