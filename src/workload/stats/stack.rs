//! Stack distances of segments: how many blocks were touched since a segment was. One pass serves caches of all sizes
//! (Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970). Knows segments
//! by number and weight; must not know prompts.
//!
//! A Fenwick tree over the order of touches holds the weights; what no longer counts is squeezed out now and then,
//! so the tree grows with the segments there are, not with the touches.

/// No touch yet.
const NEVER: u32 = u32::MAX;

/// The order in which segments were last touched.
pub(super) struct Stack {
    /// Fenwick tree: the weight of the segment last touched at each place.
    tree: Vec<u64>,
    /// The segment at each place, or [`NEVER`].
    segment_at: Vec<u32>,
    /// The place of each segment, or [`NEVER`].
    place: Vec<u32>,
    next: usize,
    total: u64,
}

impl Stack {
    /// Of this many segments, none touched.
    pub(super) fn new(segments: usize) -> Stack {
        let places = 2 * segments + 1_024;
        Stack {
            tree: vec![0; places + 1],
            segment_at: vec![NEVER; places],
            place: vec![NEVER; segments],
            next: 0,
            total: 0,
        }
    }
    /// The weight of all that was touched after `segment`; `None` if it never was.
    pub(super) fn since(&self, segment: u32) -> Option<u64> {
        let place = self.place[segment as usize];
        (place != NEVER).then(|| self.total - self.sum_through(place as usize))
    }
    /// Touches a segment; its weight must always be the same.
    pub(super) fn touch(&mut self, segment: u32, weight: u64) {
        let before = self.place[segment as usize];
        if before != NEVER {
            self.subtract(before as usize, weight);
            self.segment_at[before as usize] = NEVER;
            self.total -= weight;
        }
        if self.next == self.segment_at.len() {
            self.squeeze();
        }
        self.place[segment as usize] = self.next as u32;
        self.segment_at[self.next] = segment;
        self.add(self.next, weight);
        self.total += weight;
        self.next += 1;
    }
    fn sum_through(&self, place: usize) -> u64 {
        let (mut end, mut sum) = (place + 1, 0);
        while end > 0 {
            sum += self.tree[end];
            end &= end - 1;
        }
        sum
    }
    fn add(&mut self, place: usize, weight: u64) {
        let mut at = place + 1;
        while at < self.tree.len() {
            self.tree[at] += weight;
            at += at & at.wrapping_neg();
        }
    }
    fn subtract(&mut self, place: usize, weight: u64) {
        let mut at = place + 1;
        while at < self.tree.len() {
            self.tree[at] -= weight;
            at += at & at.wrapping_neg();
        }
    }
    /// Closes the gaps that segments touched again have left: at most half of the places are taken.
    fn squeeze(&mut self) {
        let mut weights = Vec::with_capacity(self.place.len());
        let mut before = 0;
        for place in 0..self.next {
            let segment = self.segment_at[place];
            if segment == NEVER {
                continue;
            }
            let through = self.sum_through(place);
            self.segment_at[weights.len()] = segment;
            self.place[segment as usize] = weights.len() as u32;
            weights.push(through - before);
            before = through;
        }
        self.segment_at[weights.len()..].fill(NEVER);
        self.next = weights.len();
        self.tree.fill(0);
        weights.into_iter().enumerate().for_each(|(place, weight)| self.add(place, weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn distances_are_those_of_a_list_that_is_searched() {
        let weights = [1u64, 5, 2, 1, 9, 3, 1];
        let mut stack = Stack::new(weights.len());
        let mut list: Vec<u32> = Vec::new();
        let mut stream = Key::root(3).stream();
        // 5,000 touches are more than the places of seven segments: the squeeze is met.
        for _ in 0..5_000 {
            let segment = stream.below(7);
            let at = list.iter().position(|&other| other == segment);
            let since = at.map(|at| list[at + 1..].iter().map(|&other| weights[other as usize]).sum::<u64>());
            assert_eq!(stack.since(segment), since);
            list.retain(|&other| other != segment);
            list.push(segment);
            stack.touch(segment, weights[segment as usize]);
        }
    }
}
