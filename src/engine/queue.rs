//! The event queue: the few events that come next in order, a binary heap of all that come later, and timers for what is
//! put off again and again. Arrivals are pulled one at a time, so that it holds what is on its way and never a whole trace:
//! with few replicas that is few enough for the heap never to be used, and where it is not, a binary heap is at that size
//! within a factor of two of anything else.

use super::Event;
use super::timers::{Timers, UNSET};
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
/// Reversed: a heap gives its largest first and the earliest event is wanted. The heap asks for these.
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

/// Events that are kept in order, at most (our choice: a kilobyte of them).
const NEAR: usize = 32;

/// Events in the order in which they will happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// The earliest, in reverse: the last one is the next. Empty only if `far` is.
    near: Vec<Entry<E>>,
    /// All that are later.
    far: BinaryHeap<Entry<E>>,
    timers: Timers<E>,
}

impl<E: Event> EventQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        EventQueue { near: Vec::with_capacity(NEAR), far: BinaryHeap::new(), timers: Timers::new() }
    }
    /// Adds an event, O(log n).
    #[inline]
    pub fn push(&mut self, time: SimTime, event: E) {
        let entry = Entry { key: (time.0, event.rank().packed()), event };
        let number = entry.number();
        if self.near.len() == NEAR {
            self.spill();
        }
        if !self.far.is_empty() && self.near[0].number() < number {
            return self.far.push(entry);
        }
        let mut place = self.near.len();
        self.near.push(entry);
        while place > 0 && self.near[place - 1].number() < number {
            self.near[place] = self.near[place - 1];
            place -= 1;
        }
        self.near[place] = entry;
    }
    /// The later half of the near ones are far.
    #[inline(never)]
    fn spill(&mut self) {
        self.far.extend(self.near.drain(..NEAR / 2));
    }
    /// The first of the far ones are near. None is.
    #[inline(never)]
    fn refill(&mut self) {
        let far = &mut self.far;
        self.near.extend(std::iter::from_fn(|| far.pop()).take(NEAR / 2));
        self.near.reverse();
    }
    /// Sets a timer, by its number among all timers, or takes it back: of each there is one event to come at most.
    #[inline]
    pub fn set(&mut self, timer: u32, event: Option<(SimTime, E)>) {
        self.timers.set(timer, event);
    }
    /// Takes the next event where `wanted` says so of it and its time; otherwise leaves it. O(log n).
    #[inline]
    pub fn pop_if(&mut self, wanted: impl FnOnce(SimTime, &E) -> bool) -> Option<(SimTime, E)> {
        let number = self.near.last().map_or(UNSET, Entry::number);
        let timer = self.timers.first();
        let is_timer = timer < number;
        let (number, event) = match (is_timer, self.near.last()) {
            (true, _) => (timer, self.timers.event()?),
            (false, near) => (number, near?.event),
        };
        let time = SimTime((number >> 64) as u64);
        if !wanted(time, &event) {
            return None;
        }
        if is_timer {
            self.timers.go_off();
        } else {
            self.near.pop();
            if self.near.is_empty() && !self.far.is_empty() {
                self.refill();
            }
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
        self.near.len() + self.far.len() + self.timers.len()
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
            // Few at a time stay near; many reach far, and come back.
            steps in prop::collection::vec((0..20u64, 0..3u8), 0..300),
            adds in 1..3u8,
        ) {
            let (mut queue, mut plain) = (EventQueue::new(), Vec::new());
            for (number, (time, takes)) in steps.into_iter().enumerate() {
                if takes >= adds {
                    let first = plain.iter().enumerate().min_by_key(|&(_, event)| event).map(|(place, _)| place);
                    let first = first.map(|place| plain.swap_remove(place));
                    prop_assert_eq!(queue.pop(), first.map(|(time, event)| (SimTime(time), Ring(event))));
                } else {
                    queue.push(SimTime(time), Ring(number as u32));
                    plain.push((time, number as u32));
                }
                prop_assert_eq!(queue.len(), plain.len());
            }
            plain.sort_unstable();
            for (time, event) in plain {
                prop_assert_eq!(queue.pop(), Some((SimTime(time), Ring(event))));
            }
            prop_assert_eq!(queue.pop(), None);
        }
    }
}
