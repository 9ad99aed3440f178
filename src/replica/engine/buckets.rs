//! Who in lockstep wants a block in which step: a list for each bucket, in running order, linked by slot. A step looks at
//! two lists. What is looked at lies in two tables side by side in memory, one seat and one link for each sequence, so
//! that a step neither reads the sequence nor the cache's memory of it.

/// A sequence in its bucket. Four fill a line of the processor's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// If its table is open in the cache: the run that it publishes, and the number of its next block there.
    pub key: u64,
    pub next: u32,
    /// Its number in running order.
    pub order: u32,
}

/// In the place of a slot: nobody. In that of the next block: its table is closed.
const NONE: u32 = u32::MAX;

impl Seat {
    fn closed(order: u32) -> Seat {
        Seat { key: 0, next: NONE, order }
    }
    /// Whether its table is open in the cache.
    #[inline]
    pub(super) fn open(&self) -> bool {
        self.next != NONE
    }
    /// Its table is closed.
    pub(super) fn close(&mut self) {
        self.next = NONE;
    }
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
    /// By the slot of the sequence; those of others mean nothing.
    seats: Vec<Seat>,
    /// By bucket: the slot of the first; then by slot: the slot of the next one in its bucket.
    links: Vec<Links>,
    /// A bit for each bucket in which anybody is: the lowest 64, and the others.
    taken: u64,
    taken_above: Vec<u64>,
}

/// Slots that fill a line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Links([u32; Links::EACH]);

impl Links {
    const EACH: usize = 16;
    const NONE: Links = Links([NONE; Links::EACH]);
}

impl Buckets {
    /// With room for so many sequences.
    pub(super) fn new(block_tokens: u32, room: usize) -> Buckets {
        let firsts = (block_tokens as usize).div_ceil(Links::EACH);
        let mut links = Vec::with_capacity(firsts + room.div_ceil(Links::EACH));
        links.resize(firsts, Links::NONE);
        let taken_above = vec![0; block_tokens.div_ceil(64) as usize - 1];
        Buckets { block_tokens, seats: Vec::with_capacity(room), links, taken: 0, taken_above }
    }
    #[inline]
    fn link(&mut self, number: usize) -> &mut u32 {
        &mut self.links[number / Links::EACH].0[number % Links::EACH]
    }
    #[inline]
    fn linked(&self, number: usize) -> u32 {
        self.links[number / Links::EACH].0[number % Links::EACH]
    }
    /// The number of the link from the sequence in this slot.
    #[inline]
    fn from(&self, slot: u32) -> usize {
        (self.block_tokens as usize).next_multiple_of(Links::EACH) + slot as usize
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
    /// Whether nobody is in a bucket.
    #[inline]
    pub(super) fn is_empty(&self, bucket: u32) -> bool {
        self.linked(bucket as usize) == NONE
    }
    /// The slot of the first in a bucket.
    #[inline]
    pub(super) fn first(&self, bucket: u32) -> Option<u32> {
        Some(self.linked(bucket as usize)).filter(|&slot| slot != NONE)
    }
    /// The slot of the one behind this one in its bucket.
    #[inline]
    pub(super) fn after(&self, slot: u32) -> Option<u32> {
        Some(self.linked(self.from(slot))).filter(|&slot| slot != NONE)
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
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Seat {
        &self.seats[slot as usize]
    }
    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Seat {
        &mut self.seats[slot as usize]
    }
    /// All who are here.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        (0..self.block_tokens).flat_map(|bucket| self.slots(bucket))
    }
    /// All whose tables are open in the cache.
    pub(super) fn all_open(&self) -> impl Iterator<Item = u32> {
        self.all().filter(|&slot| self.get(slot).open())
    }
    /// The slot of the open seat that publishes under this key.
    pub(super) fn open_under(&self, key: u64) -> Option<u32> {
        self.all_open().find(|&slot| self.get(slot).key == key)
    }
    /// The sequence in this slot takes its seat, with its table closed.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32, bucket: u32, order: u32) {
        if self.seats.len() <= slot as usize {
            self.seats.resize(slot as usize + 1, Seat::closed(0));
            self.links.resize(self.from(slot) / Links::EACH + 1, Links::NONE);
        }
        let mut before = bucket as usize;
        let mut after = self.linked(before);
        while after != NONE && self.seats[after as usize].order < order {
            before = self.from(after);
            after = self.linked(before);
        }
        *self.link(before) = slot;
        let from = self.from(slot);
        *self.link(from) = after;
        let (word, bit) = self.taken_mut(bucket);
        *word |= bit;
        self.seats[slot as usize] = Seat::closed(order);
    }
    /// It leaves its seat in this bucket.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32, bucket: u32) -> Seat {
        let after = self.linked(self.from(slot));
        let mut before = bucket as usize;
        while self.linked(before) != slot {
            before = self.from(self.linked(before));
        }
        *self.link(before) = after;
        if self.is_empty(bucket) {
            let (word, bit) = self.taken_mut(bucket);
            *word &= !bit;
        }
        self.seats[slot as usize]
    }
    pub(super) fn clear(&mut self) {
        self.links.fill(Links::NONE);
        self.taken = 0;
        self.taken_above.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_round_as_counting_says() {
        for block_tokens in [1, 2, 3, 16, 64, 65, 200] {
            let mut buckets = Buckets::new(block_tokens, 0);
            let lags = [5i64, -7, 40, 5, 12];
            for order in 0..lags.len() {
                let bucket = buckets.of(lags[(order + 2) % 5]);
                // Whoever is asked first, each list is in running order.
                let order = (order as u32 + 2) % 5;
                buckets.insert(100 + order, bucket, order);
            }
            let orders = |buckets: &Buckets, bucket: u32| {
                buckets.slots(bucket).map(|slot| buckets.get(slot).order).collect::<Vec<_>>()
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
                assert_eq!(buckets.all().count(), 5 - left);
                let bucket = buckets.of(lags[order as usize]);
                assert_eq!(buckets.remove(100 + order, bucket).order, order);
                assert!(buckets.all().all(|slot| buckets.get(slot).order != order));
            }
            assert!((0..block_tokens).all(|bucket| buckets.is_empty(bucket)));
            assert_eq!(buckets.highest_until(block_tokens - 1), None);
        }
    }
}
