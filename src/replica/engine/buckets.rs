//! Who in lockstep wants a block in which step: a list for each bucket, in running order, linked by slot. A step looks at
//! two lists, and mostly at their heads alone: those say how many want a block, and what all who publish one add to the
//! digest of the cache's changes. What is looked at lies in tables side by side in memory, so that a step neither reads
//! the sequence nor the cache's memory of it.

use crate::kvcache::{Tail, Turn};

/// A sequence in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    /// If its table is open in the cache: the run that it publishes, and the number of its next block there less the turns
    /// of its bucket, as numbers that wrap.
    key: u64,
    next_less_turns: u32,
    /// Its number in running order; [`OPEN`].
    order: u32,
    /// The slot of the next one in its bucket.
    after: u32,
}

/// In `order`: its table is open in the cache.
const OPEN: u32 = 1 << 31;

/// In the place of a slot: nobody.
const NONE: u32 = u32::MAX;

impl Seat {
    const EMPTY: Seat = Seat { key: 0, next_less_turns: 0, order: 0, after: NONE };

    #[inline]
    fn open(&self) -> bool {
        self.order & OPEN != 0
    }
}

/// Some buckets; in each all whose lag is the same modulo `block_tokens`. A step reads the counts of two and the turn of one:
/// each of these stands in lines of the processor's cache beside what the next steps read.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Group {
    /// How many are in it; [`KNOWN`].
    counts: [u32; Group::EACH],
    /// How often all in it have published at once.
    turns: [u32; Group::EACH],
    /// The slots of the first and the last in running order.
    firsts: [u32; Group::EACH],
    lasts: [u32; Group::EACH],
    /// What all in it publish next, where that is known.
    next: [Turn; Group::EACH],
}

/// In `counts`: what they publish next is known, and all are open.
const KNOWN: u32 = 1 << 31;

impl Group {
    const EACH: usize = 16;
    const EMPTY: Group = Group {
        counts: [KNOWN; Group::EACH],
        turns: [0; Group::EACH],
        firsts: [NONE; Group::EACH],
        lasts: [NONE; Group::EACH],
        next: [Turn::NONE; Group::EACH],
    };
}

/// The buckets of those who want and of those who publish a block in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub wanting: u32,
    pub publishing: u32,
}

/// The seats of all in lockstep.
#[derive(Debug)]
pub(super) struct Buckets {
    block_tokens: u32,
    groups: Vec<Group>,
    /// By the slot of the sequence; those of others mean nothing.
    seats: Vec<Seat>,
    /// A bit for each bucket in which anybody is: the lowest 64, and the others.
    taken: u64,
    taken_above: Vec<u64>,
}

impl Buckets {
    /// With room for so many sequences.
    pub(super) fn new(block_tokens: u32, room: usize) -> Buckets {
        Buckets {
            block_tokens,
            groups: vec![Group::EMPTY; (block_tokens as usize).div_ceil(Group::EACH)],
            seats: Vec::with_capacity(room),
            taken: 0,
            taken_above: vec![0; block_tokens.div_ceil(64) as usize - 1],
        }
    }
    #[inline]
    fn taken(&self, word: usize) -> u64 {
        if word == 0 { self.taken } else { self.taken_above[word - 1] }
    }
    #[inline]
    fn taken_mut(&mut self, bucket: u32) -> (&mut u64, u64) {
        let word = match bucket as usize / 64 {
            0 => &mut self.taken,
            above => &mut self.taken_above[above - 1],
        };
        (word, 1 << (bucket % 64))
    }
    /// The bucket of a sequence that lags so far.
    #[inline]
    pub(super) fn of(&self, lag: i64) -> u32 {
        if self.block_tokens.is_power_of_two() {
            // Blocks mostly are, and a division takes long.
            return lag as u32 & (self.block_tokens - 1);
        }
        lag.rem_euclid(i64::from(self.block_tokens)) as u32
    }
    /// Those who want and those who publish a block in the step after `step`.
    #[inline]
    pub(super) fn due(&self, step: u64) -> Due {
        let wanting = self.of(-(step as i64));
        // They want one in the step after this: theirs is the bucket below, and below the lowest is the highest.
        Due { wanting, publishing: wanting.checked_sub(1).unwrap_or(self.block_tokens - 1) }
    }
    /// The group of a bucket, and its place there.
    #[inline]
    fn group(&self, bucket: u32) -> (&Group, usize) {
        (&self.groups[bucket as usize / Group::EACH], bucket as usize % Group::EACH)
    }
    #[inline]
    fn group_mut(&mut self, bucket: u32) -> (&mut Group, usize) {
        (&mut self.groups[bucket as usize / Group::EACH], bucket as usize % Group::EACH)
    }
    /// How many are in a bucket.
    #[inline]
    pub(super) fn count(&self, bucket: u32) -> u32 {
        let (group, at) = self.group(bucket);
        group.counts[at] & !KNOWN
    }
    /// The slot of the first in a bucket.
    #[inline]
    pub(super) fn first(&self, bucket: u32) -> Option<u32> {
        let (group, at) = self.group(bucket);
        Some(group.firsts[at]).filter(|&slot| slot != NONE)
    }
    /// The slot of the one behind this one in its bucket.
    #[inline]
    pub(super) fn after(&self, slot: u32) -> Option<u32> {
        Some(self.seats[slot as usize].after).filter(|&slot| slot != NONE)
    }
    /// The slots of those in a bucket, in running order.
    #[inline]
    pub(super) fn slots(&self, bucket: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first(bucket), |&slot| self.after(slot))
    }
    /// How many steps go by before the first in which somebody publishes or wants a block, from the step after
    /// `step` on. Somebody must be here.
    #[inline]
    pub(super) fn quiet_steps(&self, step: u64) -> u32 {
        let wanting = self.of(-(step as i64));
        // Buckets have their turn from high to low, and publish one step before they want.
        let next = if let Some(below) = self.highest_until(wanting) {
            wanting - below
        } else {
            let highest = self.highest_until(self.block_tokens - 1);
            wanting + self.block_tokens - highest.expect("somebody is here")
        };
        next.saturating_sub(1)
    }
    /// The highest bucket in which anybody is, up to this one.
    #[inline]
    fn highest_until(&self, bucket: u32) -> Option<u32> {
        let mut word = bucket as usize / 64;
        let mut bits = self.taken(word) & (u64::MAX >> (63 - bucket % 64));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.taken(word);
        }
        Some(word as u32 * 64 + bits.ilog2())
    }
    /// The number in running order of the sequence in this slot.
    #[inline]
    pub(super) fn order(&self, slot: u32) -> u32 {
        self.seats[slot as usize].order & !OPEN
    }
    /// Whether its table is open in the cache.
    #[inline]
    pub(super) fn is_open(&self, slot: u32) -> bool {
        self.seats[slot as usize].open()
    }
    /// The key of the run that it publishes, and the number of its next block there. It is open, and in this bucket.
    #[inline]
    pub(super) fn next(&self, slot: u32, bucket: u32) -> (u64, u32) {
        let (seat, (group, at)) = (&self.seats[slot as usize], self.group(bucket));
        (seat.key, seat.next_less_turns.wrapping_add(group.turns[at]))
    }
    /// All whose tables are open in the cache, with their buckets.
    pub(super) fn all_open(&self) -> impl Iterator<Item = (u32, u32)> {
        let all =
            (0..self.block_tokens).flat_map(|bucket| self.slots(bucket).map(move |slot| (slot, bucket)));
        all.filter(|&(slot, _)| self.is_open(slot))
    }
    /// The open one that publishes under this key, and its bucket.
    pub(super) fn open_under(&self, key: u64) -> Option<(u32, u32)> {
        self.all_open().find(|&(slot, _)| self.seats[slot as usize].key == key)
    }
    /// What all in a bucket publish next has to be found out anew.
    #[inline]
    fn forget(&mut self, bucket: u32) {
        let (group, at) = self.group_mut(bucket);
        group.counts[at] &= !KNOWN;
    }
    /// The sequence in this slot takes its seat; `order` is less than 2³¹. If its table is open, it publishes next as `tail`
    /// says.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32, bucket: u32, order: u32, tail: Option<Tail>) {
        if self.seats.len() <= slot as usize {
            self.seats.resize(slot as usize + 1, Seat::EMPTY);
        }
        let (group, at) = self.group(bucket);
        let (first, last) = (group.firsts[at], group.lasts[at]);
        // Who comes last runs last, but for those who come back.
        let (before, after) = if last == NONE || self.order(last) < order {
            (last, NONE)
        } else {
            let (mut before, mut after) = (NONE, first);
            while self.order(after) < order {
                (before, after) = (after, self.seats[after as usize].after);
            }
            (before, after)
        };
        self.seats[slot as usize] = Seat { order, after, ..Seat::EMPTY };
        if let Some(tail) = tail {
            self.open(slot, bucket, tail);
        }
        if before != NONE {
            self.seats[before as usize].after = slot;
        }
        let (group, at) = self.group_mut(bucket);
        group.counts[at] += 1;
        if before == NONE {
            group.firsts[at] = slot;
        }
        if after == NONE {
            group.lasts[at] = slot;
        }
        match tail {
            Some(Tail { key, next }) if after == NONE => group.next[at].push(key, next),
            _ => self.forget(bucket),
        }
        let (word, bit) = self.taken_mut(bucket);
        *word |= bit;
    }
    /// Its table is open from now on. As long as it was not, nobody knew what its bucket publishes next.
    #[inline]
    pub(super) fn open(&mut self, slot: u32, bucket: u32, Tail { key, next }: Tail) {
        let (group, at) = self.group(bucket);
        let next_less_turns = next.wrapping_sub(group.turns[at]);
        let seat = &mut self.seats[slot as usize];
        *seat = Seat { key, next_less_turns, order: seat.order | OPEN, ..*seat };
    }
    /// Its table is closed from now on.
    pub(super) fn close(&mut self, slot: u32, bucket: u32) {
        self.seats[slot as usize].order &= !OPEN;
        self.forget(bucket);
    }
    /// It leaves its seat in this bucket. If it was open, what it would have published next.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32, bucket: u32) -> Option<u32> {
        let seat = self.seats[slot as usize];
        let (group, at) = self.group(bucket);
        let mut before = NONE;
        let mut here = group.firsts[at];
        while here != slot {
            (before, here) = (here, self.seats[here as usize].after);
        }
        if before != NONE {
            self.seats[before as usize].after = seat.after;
        }
        let (group, at) = self.group_mut(bucket);
        let next = seat.next_less_turns.wrapping_add(group.turns[at]);
        group.counts[at] -= 1;
        if before == NONE {
            group.firsts[at] = seat.after;
        }
        if seat.after == NONE {
            group.lasts[at] = before;
        }
        let left = group.counts[at] & !KNOWN;
        if left == 0 {
            (group.counts[at], group.next[at]) = (KNOWN, Turn::NONE);
            let (word, bit) = self.taken_mut(bucket);
            *word &= !bit;
        } else if before != NONE {
            self.forget(bucket);
        } else if group.counts[at] & KNOWN != 0 {
            group.next[at].drop_first(seat.key, next, left);
        }
        seat.open().then_some(next)
    }
    /// Whether all in a bucket are open: then what they publish next is known.
    #[inline]
    pub(super) fn find_turn(&mut self, bucket: u32) -> bool {
        let (group, at) = self.group(bucket);
        if group.counts[at] & KNOWN != 0 {
            return true;
        }
        let mut turn = Turn::NONE;
        for slot in self.slots(bucket) {
            if !self.is_open(slot) {
                return false;
            }
            let (key, next) = self.next(slot, bucket);
            turn.push(key, next);
        }
        let (group, at) = self.group_mut(bucket);
        group.next[at] = turn;
        group.counts[at] |= KNOWN;
        true
    }
    /// What all in a bucket publish next, which is known.
    #[inline]
    pub(super) fn turn(&self, bucket: u32) -> &Turn {
        let (group, at) = self.group(bucket);
        &group.next[at]
    }
    /// All in a bucket have published, which was known.
    #[inline]
    pub(super) fn advance(&mut self, bucket: u32) {
        let (group, at) = self.group_mut(bucket);
        group.turns[at] = group.turns[at].wrapping_add(1);
        group.next[at].advance();
    }
    /// One in a bucket, who is open, has published.
    #[inline]
    pub(super) fn advance_one(&mut self, slot: u32, bucket: u32) {
        let seat = &mut self.seats[slot as usize];
        seat.next_less_turns = seat.next_less_turns.wrapping_add(1);
        self.forget(bucket);
    }
    pub(super) fn clear(&mut self) {
        self.groups.fill(Group::EMPTY);
        self.taken = 0;
        self.taken_above.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn turns_come_round_as_counting_says() {
        for block_tokens in [1, 2, 3, 16, 64, 65, 200] {
            let mut buckets = Buckets::new(block_tokens, 0);
            let lags = [5i64, -7, 40, 5, 12];
            for order in 0..lags.len() {
                let bucket = buckets.of(lags[(order + 2) % 5]);
                // Whoever is asked first, each list is in running order.
                let order = (order as u32 + 2) % 5;
                buckets.insert(100 + order, bucket, order, None);
            }
            let orders = |buckets: &Buckets, bucket: u32| {
                buckets.slots(bucket).map(|slot| buckets.order(slot)).collect::<Vec<_>>()
            };
            // In the step after `step`, a sequence computes token `lag + step + 1`: it wants a block where the tokens
            // before fill blocks, and publishes one where that token fills its block.
            let due = |step: u64, more: i64| -> Vec<u32> {
                let full = |lag: i64| (lag + step as i64 + more).rem_euclid(i64::from(block_tokens)) == 0;
                (0..lags.len() as u32).filter(|&order| full(lags[order as usize])).collect()
            };
            for step in 0..450 {
                assert_eq!(
                    orders(&buckets, buckets.due(step).wanting),
                    due(step, 0),
                    "{block_tokens} {step}"
                );
                assert_eq!(
                    orders(&buckets, buckets.due(step).publishing),
                    due(step, 1),
                    "{block_tokens} {step}"
                );
                let quiet = (step..).take_while(|&step| due(step, 0).is_empty() && due(step, 1).is_empty());
                assert_eq!(buckets.quiet_steps(step) as usize, quiet.count(), "{block_tokens} {step}");
            }
            for (left, order) in [1, 0, 3, 4, 2].into_iter().enumerate() {
                let all = |buckets: &Buckets| {
                    (0..block_tokens).flat_map(|bucket| buckets.slots(bucket)).collect::<Vec<_>>()
                };
                assert_eq!(all(&buckets).len(), 5 - left);
                let bucket = buckets.of(lags[order as usize]);
                assert_eq!(buckets.remove(100 + order, bucket), None);
                assert!(!all(&buckets).contains(&(100 + order)));
            }
            assert!((0..block_tokens).all(|bucket| buckets.count(bucket) == 0));
            assert_eq!(buckets.highest_until(block_tokens - 1), None);
        }
    }

    /// One who sits in a bucket: slot, number in running order, and what it publishes next if it is open.
    type Plain = (u32, u32, Option<(u64, u32)>);

    proptest! {
        /// What a bucket publishes next is what those in it do, whoever came, went, opened, closed or published before.
        #[test]
        fn turns_are_those_of_who_is_there(
            events in prop::collection::vec((0u8..9, 0usize..6, 0u64..5, prop::bool::ANY), 1..80),
        ) {
            let mut buckets = Buckets::new(16, 0);
            let mut plain: Vec<Plain> = Vec::new();
            for (number, (kind, place, key, back)) in events.into_iter().enumerate() {
                let bucket = 7;
                let seat = if plain.is_empty() { None } else { let place = place % plain.len(); plain.get_mut(place) };
                match (kind, seat) {
                    (0..3, _) => {
                        // Odd numbers are those of who comes for the first time, even ones of who comes back.
                        let order = if back { 2 * number as u32 / 3 * 2 } else { 2 * number as u32 + 1 };
                        let open = (kind > 0).then_some((key, 10 * number as u32));
                        if plain.iter().all(|other| other.1 != order) {
                            let tail = open.map(|(key, next)| Tail { key, next });
                            buckets.insert(number as u32, bucket, order, tail);
                            plain.push((number as u32, order, open));
                            plain.sort_unstable_by_key(|&(_, order, _)| order);
                        }
                    }
                    (3, Some(&mut (slot, _, open))) => {
                        prop_assert_eq!(buckets.remove(slot, bucket), open.map(|(_, next)| next));
                        plain.retain(|&(other, ..)| other != slot);
                    }
                    (4, Some((slot, _, open @ None))) => {
                        *open = Some((key, 3));
                        buckets.open(*slot, bucket, Tail { key, next: 3 });
                    }
                    (5, Some((slot, _, open @ Some(_)))) => {
                        *open = None;
                        buckets.close(*slot, bucket);
                    }
                    (6, Some((slot, _, Some((_, next))))) => {
                        *next += 1;
                        buckets.advance_one(*slot, bucket);
                    }
                    (7.., Some(_)) if buckets.find_turn(bucket) => {
                        buckets.advance(bucket);
                        plain.iter_mut().for_each(|(.., open)| open.as_mut().expect("all are open").1 += 1);
                    }
                    _ => {}
                }
                let slots: Vec<u32> = plain.iter().map(|&(slot, ..)| slot).collect();
                prop_assert_eq!(buckets.slots(bucket).collect::<Vec<_>>(), slots);
                prop_assert_eq!(buckets.count(bucket) as usize, plain.len());
                for &(slot, order, open) in &plain {
                    prop_assert_eq!(buckets.order(slot), order);
                    prop_assert_eq!(buckets.is_open(slot).then(|| buckets.next(slot, bucket)), open);
                }
                // Sometimes nobody looks for a while.
                if back {
                    let all: Option<Vec<(u64, u32)>> = plain.iter().map(|&(.., open)| open).collect();
                    prop_assert_eq!(buckets.find_turn(bucket), all.is_some());
                    if let Some(all) = all {
                        let mut turn = Turn::NONE;
                        all.into_iter().for_each(|(key, next)| turn.push(key, next));
                        prop_assert_eq!(buckets.turn(bucket), &turn);
                    }
                }
            }
        }
    }
}
