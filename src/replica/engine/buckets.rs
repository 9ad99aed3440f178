//! Who in lockstep wants a block in which step: a short list for each bucket, in running order. A step looks at the
//! lists of two buckets, and whoever comes or goes moves nobody but in its own. A seat also holds what its sequence
//! publishes next, so that a step neither reads the sequence nor the cache's memory of it.

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
    /// By bucket, each in running order.
    seats: Vec<Vec<Seat>>,
    /// A bit for each bucket in which anybody is, from the lowest on.
    taken: Vec<u64>,
}

impl Buckets {
    pub(super) fn new(block_tokens: u32) -> Buckets {
        let words = block_tokens.div_ceil(64) as usize;
        Buckets { block_tokens, seats: vec![Vec::new(); block_tokens as usize], taken: vec![0; words] }
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
    /// How many are in a bucket.
    #[inline]
    pub(super) fn count(&self, bucket: u32) -> usize {
        self.seats[bucket as usize].len()
    }
    /// How many steps go by before the first in which somebody publishes or wants a block, from the step after
    /// `step` on. Somebody must be here.
    #[inline]
    pub(super) fn quiet_steps(&self, step: u64) -> u32 {
        let wanting = self.of(-(step as i64));
        // Buckets have their turn from high to low, and publish one step before they want.
        let next = match self.highest_until(wanting) {
            Some(below) => wanting - below,
            None => {
                let highest = self.highest_until(self.block_tokens - 1);
                wanting + self.block_tokens - highest.expect("somebody is here")
            }
        };
        next.saturating_sub(1)
    }
    /// The highest bucket in which anybody is, up to this one.
    #[inline]
    fn highest_until(&self, bucket: u32) -> Option<u32> {
        let mut word = bucket as usize / 64;
        let mut bits = self.taken[word] & (u64::MAX >> (63 - bucket % 64));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.taken[word];
        }
        Some(word as u32 * 64 + bits.ilog2())
    }
    /// The seats of a bucket.
    #[inline]
    pub(super) fn get(&self, bucket: u32) -> &[Seat] {
        &self.seats[bucket as usize]
    }
    #[inline]
    pub(super) fn seat_mut(&mut self, bucket: u32, place: usize) -> &mut Seat {
        &mut self.seats[bucket as usize][place]
    }
    /// All seats.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().flatten()
    }
    /// The bucket and place of the open seat that publishes under this key.
    pub(super) fn open_under(&self, key: u64) -> Option<(u32, usize)> {
        let place = |seats: &[Seat]| seats.iter().position(|seat| seat.open() && seat.key == key);
        (0..).zip(&self.seats).find_map(|(bucket, seats)| Some((bucket, place(seats)?)))
    }
    #[inline]
    pub(super) fn insert(&mut self, seat: Seat) {
        self.taken[seat.bucket as usize / 64] |= 1 << (seat.bucket % 64);
        let seats = &mut self.seats[seat.bucket as usize];
        let place = seats.partition_point(|other| other.order < seat.order);
        seats.insert(place, seat);
    }
    #[inline]
    pub(super) fn remove(&mut self, bucket: u32, order: u32) -> Seat {
        let seats = &mut self.seats[bucket as usize];
        let place = seats.iter().position(|seat| seat.order == order);
        let seat = seats.remove(place.expect("it is in its bucket"));
        if seats.is_empty() {
            self.taken[bucket as usize / 64] &= !(1 << (bucket % 64));
        }
        seat
    }
    pub(super) fn clear(&mut self) {
        self.seats.iter_mut().for_each(Vec::clear);
        self.taken.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_round_as_counting_says() {
        for block_tokens in [1, 2, 3, 16, 64, 65, 200] {
            let mut buckets = Buckets::new(block_tokens);
            let lags = [5i64, -7, 40, 5, 12];
            for (order, &lag) in lags.iter().enumerate() {
                let bucket = buckets.of(lag);
                let (order, slot) = (order as u32, 100 + order as u32);
                buckets.insert(Seat { key: 0, next: 0, left: 0, held: 0, bucket, order, slot });
            }
            let orders = |buckets: &Buckets, bucket: u32| {
                buckets.get(bucket).iter().map(|seat| seat.order).collect::<Vec<_>>()
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
            let bucket = buckets.of(-7);
            assert_eq!(buckets.remove(bucket, 1).slot, 101);
            assert_eq!(buckets.seats().count(), 4);
        }
    }
}
