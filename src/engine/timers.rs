//! Timers: of each of a number of entities at most one event to come, which can be put off or taken back. Knows numbers
//! that order events; must not know what an event means. A tournament: the winner of each pair of entities, of each
//! pair of pairs and so on is kept, so that a change costs one comparison a round, and nothing superseded is left.

use super::Event;
use crate::time::SimTime;

/// In the place of a timer's number where it is not set: later than any event.
pub(super) const UNSET: u128 = u128::MAX;

#[derive(Debug)]
pub(super) struct Timers<E> {
    /// By timer: what its event is ordered by. As many as a power of two, or none.
    numbers: Vec<u128>,
    events: Vec<Option<E>>,
    /// The earliest timer under each node: 1 is the root, `n` has the children `2n` and `2n + 1`, and those of the last
    /// half are pairs of timers.
    winners: Vec<u32>,
    set: usize,
    /// A timer that has gone off while its nodes still name it: mostly it is set anew before anybody looks.
    gone_off: Option<u32>,
}

impl<E: Event> Timers<E> {
    pub(super) fn new() -> Timers<E> {
        Timers { numbers: Vec::new(), events: Vec::new(), winners: Vec::new(), set: 0, gone_off: None }
    }
    /// How many are set.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.set
    }
    /// Sets a timer, or takes it back; what it was set to before is forgotten.
    #[inline]
    pub(super) fn set(&mut self, timer: u32, event: Option<(SimTime, E)>) {
        if self.numbers.len() <= timer as usize {
            self.grow(timer as usize + 1);
        }
        if self.gone_off == Some(timer) {
            self.gone_off = None;
        }
        let number = event.map_or(UNSET, |(time, event)| super::queue::number(time, event));
        let before = std::mem::replace(&mut self.numbers[timer as usize], number);
        self.set = self.set + usize::from(number != UNSET) - usize::from(before != UNSET);
        self.events[timer as usize] = event.map(|(_, event)| event);
        self.play(timer);
    }
    /// The number of the earliest.
    #[inline]
    pub(super) fn first(&mut self) -> u128 {
        if let Some(timer) = self.gone_off.take() {
            self.play(timer);
        }
        self.winners.get(1).map_or(UNSET, |&timer| self.numbers[timer as usize])
    }
    /// The event of the earliest, of which [`Timers::first`] has told.
    #[inline]
    pub(super) fn event(&self) -> Option<E> {
        self.events[*self.winners.get(1)? as usize]
    }
    /// The earliest one goes off: it is no longer set.
    #[inline]
    pub(super) fn go_off(&mut self) {
        if let Some(timer) = self.gone_off.take() {
            self.play(timer);
        }
        if self.set > 0 {
            let timer = self.winners[1];
            (self.numbers[timer as usize], self.events[timer as usize]) = (UNSET, None);
            self.set -= 1;
            self.gone_off = Some(timer);
        }
    }
    /// Plays the rounds of a timer that has changed.
    #[inline]
    fn play(&mut self, timer: u32) {
        let mut node = self.numbers.len() / 2 + timer as usize / 2;
        let pair = (timer & !1) as usize;
        let mut winner = if self.numbers[pair + 1] < self.numbers[pair] { pair + 1 } else { pair } as u32;
        loop {
            let before = std::mem::replace(&mut self.winners[node], winner);
            // Above, nothing has changed where another won before and still does.
            if node == 1 || before == winner && winner != timer {
                return;
            }
            let other = self.winners[node ^ 1];
            if self.numbers[other as usize] < self.numbers[winner as usize] {
                winner = other;
            }
            node /= 2;
        }
    }
    #[cold]
    fn grow(&mut self, timers: usize) {
        let timers = timers.next_power_of_two().max(2);
        self.numbers.resize(timers, UNSET);
        self.events.resize(timers, None);
        self.winners = vec![0; timers];
        for node in (1..timers).rev() {
            let of =
                |child: usize| if child < timers { self.winners[child] } else { (child - timers) as u32 };
            let (left, right) = (of(2 * node), of(2 * node + 1));
            let right_wins = self.numbers[right as usize] < self.numbers[left as usize];
            self.winners[node] = if right_wins { right } else { left };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::Ring;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_earliest_goes_off_whatever_was_set_put_off_and_taken_back(
            changes in prop::collection::vec((0..40u32, prop::option::of(0..30u64), any::<bool>()), 0..200),
        ) {
            let (mut timers, mut plain) = (Timers::new(), BTreeMap::new());
            for (timer, at, looks) in changes {
                timers.set(timer, at.map(|at| (SimTime(at), Ring(timer))));
                plain.remove(&timer);
                plain.extend(at.map(|at| (timer, at)));
                prop_assert_eq!(timers.len(), plain.len());
                // Ties go to the smaller rank, which here is the smaller timer.
                let first = plain.iter().map(|(&timer, &at)| (at, timer)).min();
                if looks {
                    prop_assert_eq!(timers.first() == UNSET, first.is_none());
                    prop_assert_eq!(timers.event(), first.map(|(_, timer)| Ring(timer)));
                }
                if timer % 3 == 0 {
                    timers.go_off();
                    plain.retain(|&timer, _| Some(timer) != first.map(|(_, timer)| timer));
                }
            }
            while let Some((at, timer)) = plain.iter().map(|(&timer, &at)| (at, timer)).min() {
                let number = crate::engine::queue::number(SimTime(at), Ring(timer));
                prop_assert_eq!((timers.first(), timers.event()), (number, Some(Ring(timer))));
                timers.go_off();
                plain.remove(&timer);
            }
            prop_assert_eq!((timers.first(), timers.len()), (UNSET, 0));
        }
    }
}
