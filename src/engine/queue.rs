//! The event queue: lanes, in each of which every event is later than the one before; a binary heap of those that fit
//! into none; and timers for what is put off again and again. What happens after a delay that does not change, as a
//! message without jitter arrives, is always later than the last that waits for the same delay: such events stand in
//! line, and adding one and taking one costs the same however many wait. Arrivals are pulled one at a time, so that
//! the queue holds what is on its way and never a whole trace.

use super::Event;
use super::lane::Lane;
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

/// Lanes (our choice: a delay that does not change needs one, and looking at one more costs less than a heap saves).
const LANES: usize = 5;
/// Events that wait longer than so many nanoseconds, half a second, are in the heap (our choice): they are few, and while
/// one of them stood in a lane nothing earlier could stand behind it.
const LONG: u64 = 1 << 29;

/// Events in the order in which they will happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// The number of the first of all but the timers, and where it stands: in which lane, or behind them in the heap.
    next: (u128, usize),
    /// The number of the first of each lane, then that of the heap's; `UNSET` where there is none.
    firsts: [u128; LANES + 1],
    /// The number of the last that each lane was given; it may be gone. Each is later than that of the next lane.
    lasts: [u128; LANES],
    lanes: [Lane<Entry<E>>; LANES],
    /// Those that were earlier than the last of each lane when they were added, and those that wait long.
    heap: BinaryHeap<Entry<E>>,
    timers: Timers<E>,
}

impl<E: Event> EventQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        EventQueue {
            next: (UNSET, 0),
            firsts: [UNSET; LANES + 1],
            lasts: [0; LANES],
            lanes: std::array::from_fn(|_| Lane::new()),
            heap: BinaryHeap::new(),
            timers: Timers::new(),
        }
    }
    /// Adds an event, which must not lie before `now`: to the first lane whose last one is earlier, where there is one. O(1),
    /// or O(log n).
    #[inline]
    pub fn push(&mut self, now: SimTime, time: SimTime, event: E) {
        let entry = Entry { key: (time.0, event.rank().packed()), event };
        let number = entry.number();
        let lane =
            if time.0 - now.0 > LONG { None } else { self.lasts.iter().position(|&last| last < number) };
        let lane = lane.unwrap_or(LANES);
        if number < self.firsts[lane] {
            self.firsts[lane] = number;
            self.next = self.next.min((number, lane));
        }
        if lane == LANES {
            return self.heap.push(entry);
        }
        self.lasts[lane] = number;
        self.lanes[lane].push(entry);
    }
    /// Sets a timer, by its number among all timers, or takes it back: of each there is one event to come at most.
    #[inline]
    pub fn set(&mut self, timer: u32, event: Option<(SimTime, E)>) {
        self.timers.set(timer, event);
    }
    /// Takes the next event where `wanted` says so of it and its time; otherwise leaves it. O(1), or O(log n).
    #[inline]
    pub fn pop_if(&mut self, wanted: impl FnOnce(SimTime, &E) -> bool) -> Option<(SimTime, E)> {
        let (number, lane) = self.next;
        let timer = self.timers.first();
        if timer < number {
            let (time, event) = (SimTime((timer >> 64) as u64), self.timers.event()?);
            return wanted(time, &event).then(|| {
                self.timers.go_off();
                (time, event)
            });
        }
        let first = if lane < LANES { self.lanes[lane].first() } else { self.heap.peek() };
        let (time, event) = (SimTime((number >> 64) as u64), first?.event);
        wanted(time, &event).then(|| {
            self.drop_next(lane);
            (time, event)
        })
    }
    /// Takes the next event, which stands in this lane or behind them in the heap, away.
    #[inline]
    fn drop_next(&mut self, lane: usize) {
        let first = if lane < LANES {
            self.lanes[lane].drop_first();
            self.lanes[lane].first()
        } else {
            self.heap.pop();
            self.heap.peek()
        };
        self.firsts[lane] = first.map_or(UNSET, Entry::number);
        let mut next = (self.firsts[0], 0);
        for lane in 1..=LANES {
            let number = self.firsts[lane];
            next = if number < next.0 { (number, lane) } else { next };
        }
        self.next = next;
    }
    /// Takes the next event, O(1) or O(log n).
    #[inline]
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.pop_if(|_, _| true)
    }
    /// How many events wait.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum::<usize>() + self.heap.len() + self.timers.len()
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
            // Few at a time find a lane each; of many, or where they wait long, the rest is in the heap.
            steps in prop::collection::vec((0..20u64, 0..3u8), 0..300),
            adds in 1..3u8,
            unit in prop::sample::select(vec![1, LONG / 15]),
        ) {
            let (mut queue, mut plain) = (EventQueue::new(), Vec::new());
            for (number, (time, takes)) in steps.into_iter().enumerate() {
                let time = time * unit;
                if takes >= adds {
                    let first = plain.iter().enumerate().min_by_key(|&(_, event)| event).map(|(place, _)| place);
                    let first = first.map(|place| plain.swap_remove(place));
                    prop_assert_eq!(queue.pop(), first.map(|(time, event)| (SimTime(time), Ring(event))));
                } else {
                    queue.push(SimTime::ZERO, SimTime(time), Ring(number as u32));
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
