//! Who in lockstep wants a block in which step: one short list in order of (bucket, running order), so that the
//! buckets of steps that follow each other lie side by side in memory. A seat also holds what its sequence publishes
//! next, so that a step neither reads the sequence nor the cache's memory of it.

use std::ops::Range;

/// A sequence in its bucket. Two fill a line of the processor's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// If its table is open in the cache: the run that it publishes, the number of its next block there, and how many
    /// blocks are left.
    pub key: u64,
    pub next: u32,
    pub left: u32,
    /// Blocks it holds, if its table is open; else 0.
    pub held: u32,
    /// Its `lag` modulo the tokens of a block.
    pub bucket: u32,
    /// Its number in running order.
    pub order: u32,
    /// Its slot.
    pub slot: u32,
}

impl Seat {
    /// Whether its table is open in the cache.
    #[inline]
    pub(super) fn open(&self) -> bool {
        self.held > 0
    }
    fn place(&self) -> (u32, u32) {
        (self.bucket, self.order)
    }
}

/// Places of seats: who wants and who publishes a block in one step.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub wanting: Range<usize>,
    pub publishing: Range<usize>,
}

/// The seats of all in lockstep.
#[derive(Debug)]
pub(super) struct Buckets {
    block_tokens: u32,
    seats: Vec<Seat>,
}

impl Buckets {
    pub(super) fn new(block_tokens: u32) -> Buckets {
        Buckets { block_tokens, seats: Vec::new() }
    }
    /// The bucket of a sequence that lags so far.
    #[inline]
    pub(super) fn of(&self, lag: i64) -> u32 {
        lag.rem_euclid(i64::from(self.block_tokens)) as u32
    }
    /// The bucket of those that want a block in the step after `step`.
    #[inline]
    fn wanting_bucket(&self, step: u64) -> u32 {
        self.of(-(step as i64))
    }
    /// Those who want and those who publish a block in the step after `step`.
    #[inline]
    pub(super) fn due(&self, step: u64) -> Due {
        let bucket = self.wanting_bucket(step);
        let end = self.seats.partition_point(|seat| seat.bucket <= bucket);
        let wanting = self.ending_at(end, bucket);
        // They want one in the step after this: theirs is the bucket below, and below the lowest is the highest.
        let publishing = match bucket.checked_sub(1) {
            Some(below) => self.ending_at(wanting.start, below),
            None => self.ending_at(self.seats.len(), self.block_tokens - 1),
        };
        Due { wanting, publishing }
    }
    /// The seats of a bucket, which end before place `end`.
    #[inline]
    fn ending_at(&self, end: usize, bucket: u32) -> Range<usize> {
        let count = self.seats[..end].iter().rev().take_while(|seat| seat.bucket == bucket).count();
        end - count..end
    }
    /// How many steps go by before the first in which somebody publishes or wants a block, from the step after
    /// `step` on. Somebody must be here.
    #[inline]
    pub(super) fn quiet_steps(&self, step: u64) -> u32 {
        let wanting = self.wanting_bucket(step);
        // Buckets have their turn from high to low, and publish one step before they want.
        let below = self.seats.partition_point(|seat| seat.bucket <= wanting);
        let next = match below.checked_sub(1) {
            Some(last) => wanting - self.seats[last].bucket,
            None => wanting + self.block_tokens - self.seats[self.seats.len() - 1].bucket,
        };
        next.saturating_sub(1)
    }
    #[inline]
    pub(super) fn get(&self, place: usize) -> Seat {
        self.seats[place]
    }
    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> &mut Seat {
        &mut self.seats[place]
    }
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }
    /// The place of the open seat that publishes under this key.
    pub(super) fn open_under(&self, key: u64) -> Option<usize> {
        self.seats.iter().position(|seat| seat.open() && seat.key == key)
    }
    pub(super) fn insert(&mut self, seat: Seat) {
        let place = self.seats.partition_point(|other| other.place() < seat.place());
        self.seats.insert(place, seat);
    }
    pub(super) fn remove(&mut self, bucket: u32, order: u32) -> Seat {
        let place = self.seats.binary_search_by_key(&(bucket, order), Seat::place);
        self.seats.remove(place.expect("it is in its bucket"))
    }
    pub(super) fn clear(&mut self) {
        self.seats.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_round_as_counting_says() {
        for block_tokens in [1, 2, 3, 16] {
            let mut buckets = Buckets::new(block_tokens);
            let lags = [5i64, -7, 40, 5, 12];
            for (order, &lag) in lags.iter().enumerate() {
                let bucket = buckets.of(lag);
                let (order, slot) = (order as u32, 100 + order as u32);
                buckets.insert(Seat { key: 0, next: 0, left: 0, held: 0, bucket, order, slot });
            }
            let orders = |buckets: &Buckets, range: Range<usize>| {
                range.map(|place| buckets.get(place).order).collect::<Vec<_>>()
            };
            // In the step after `step`, a sequence computes token `lag + step + 1`: it wants a block where the tokens
            // before fill blocks, and publishes one where that token fills its block.
            let due = |step: u64, more: i64| -> Vec<u32> {
                let full = |lag: i64| (lag + step as i64 + more).rem_euclid(i64::from(block_tokens)) == 0;
                (0..lags.len() as u32).filter(|&order| full(lags[order as usize])).collect()
            };
            for step in 0..50 {
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
            let bucket = buckets.of(-7);
            assert_eq!(buckets.remove(bucket, 1).slot, 101);
            assert_eq!(buckets.seats.len(), 4);
        }
    }
}
