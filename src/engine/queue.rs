//! The event queue: a binary heap of `(time, rank)` integers with the event beside them. Arrivals are pulled one
//! at a time, so that it holds some events per replica and never a whole trace: at that size a binary heap is
//! within a factor of two of anything else.

use super::Event;
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

/// Events in the order in which they will happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
}

impl<E: Event> EventQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        EventQueue { heap: BinaryHeap::new() }
    }
    /// Adds an event, O(log n).
    #[inline]
    pub fn push(&mut self, time: SimTime, event: E) {
        let key = (time.0, event.rank().packed());
        self.heap.push(Entry { key, event });
    }
    /// The next event, left in place.
    #[inline]
    pub fn peek(&self) -> Option<(SimTime, E)> {
        self.heap.peek().map(|entry| (SimTime(entry.key.0), entry.event))
    }
    /// Takes the next event, O(log n).
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.heap.pop().map(|entry| (SimTime(entry.key.0), entry.event))
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
