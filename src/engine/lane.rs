//! A lane: what is added to one end of a line in order and taken from the other. Knows nothing of what stands in it. The
//! standard library's queue does the same and is not inlined, which at seven events a request is felt.

/// A ring, empty or of as many places as a power of two.
#[derive(Debug)]
pub(super) struct Lane<T> {
    ring: Vec<T>,
    head: usize,
    len: usize,
}

/// Places of a ring that is not empty, at least (our choice).
const LEAST: usize = 16;

impl<T: Copy> Lane<T> {
    pub(super) fn new() -> Lane<T> {
        Lane { ring: Vec::new(), head: 0, len: 0 }
    }
    pub(super) fn len(&self) -> usize {
        self.len
    }
    #[inline]
    fn place(&self, number: usize) -> usize {
        self.head.wrapping_add(number) & self.ring.len().wrapping_sub(1)
    }
    #[inline]
    pub(super) fn first(&self) -> Option<&T> {
        if self.len == 0 { None } else { self.ring.get(self.head) }
    }
    /// Adds a last one.
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if self.len == self.ring.len() {
            self.grow(item);
        }
        let place = self.place(self.len);
        self.ring[place] = item;
        self.len += 1;
    }
    /// Takes the first one away.
    #[inline]
    pub(super) fn drop_first(&mut self) {
        self.head = self.place(1);
        self.len -= 1;
    }
    /// Twice the room; `item` stands in all new places.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, item: T) {
        self.ring.rotate_left(self.head);
        self.head = 0;
        self.ring.resize((2 * self.len).max(LEAST), item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn a_lane_is_first_in_first_out(steps in prop::collection::vec(0..3u8, 0..400), adds in 1..3u8) {
            let (mut lane, mut plain) = (Lane::new(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                if step < adds {
                    lane.push(number);
                    plain.push_back(number);
                } else if plain.pop_front().is_some() {
                    lane.drop_first();
                }
                prop_assert_eq!(lane.first(), plain.front());
                prop_assert_eq!(lane.len(), plain.len());
            }
        }
    }
}
