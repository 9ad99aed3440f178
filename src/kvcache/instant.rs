//! A cache alone: each prompt is looked up and stored in one instant, nothing is ever in use. This is how reuse in
//! a trace is measured, apart from any engine, and what closed forms of caching speak of.

use super::eviction::{Eviction, Lru};
use hashbrown::HashTable;

/// In which order a prompt's blocks are touched. It decides which end of a chain is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchOrder {
    /// Head first: the head becomes the oldest of its chain. Plain LRU over the block stream.
    HeadFirst,
    /// Tail first, as serving engines free their blocks: the head becomes the youngest of its chain.
    TailFirst,
}

/// An LRU cache of block ids.
#[derive(Debug)]
pub struct InstantCache {
    ids: Vec<u64>,
    index: HashTable<u32>,
    order: Lru,
    used: u32,
    touch: TouchOrder,
}

impl InstantCache {
    /// An empty cache of `blocks` blocks. Ids must be mixed already: they are their own hash.
    pub fn new(blocks: u32, touch: TouchOrder) -> Self {
        InstantCache {
            ids: vec![0; blocks as usize],
            index: HashTable::new(),
            order: Lru::with_blocks(blocks),
            used: 0,
            touch,
        }
    }
    fn find(&self, id: u64) -> Option<u32> {
        self.index.find(id, |&slot| self.ids[slot as usize] == id).copied()
    }
    /// Touches one block; returns whether it was there.
    pub fn touch(&mut self, id: u64) -> bool {
        if let Some(slot) = self.find(id) {
            self.order.remove(slot);
            self.order.push(slot);
            return true;
        }
        let slot = if (self.used as usize) < self.ids.len() {
            self.used += 1;
            self.used - 1
        } else {
            let Some(victim) = self.order.pop() else { return false };
            let old = self.ids[victim as usize];
            let entry = self.index.find_entry(old, |&slot| slot == victim);
            entry.expect("every stored id is in the index").remove();
            victim
        };
        self.ids[slot as usize] = id;
        let ids = &self.ids;
        self.index.insert_unique(id, slot, |&other| ids[other as usize]);
        self.order.push(slot);
        false
    }
    /// Looks a prompt up and stores it; returns how many of its blocks were there: those touched and found for
    /// head first, the unbroken run from the head for tail first.
    pub fn prompt(&mut self, ids: &[u64]) -> u32 {
        match self.touch {
            TouchOrder::HeadFirst => ids.iter().map(|&id| u32::from(self.touch(id))).sum(),
            TouchOrder::TailFirst => {
                let found = ids.iter().take_while(|&&id| self.find(id).is_some()).count() as u32;
                ids.iter().rev().for_each(|&id| {
                    self.touch(id);
                });
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_touching_decides_which_end_survives() {
        // Capacity 3, prompts of 2 blocks: after [1 2] and [3 4] one block of the first prompt is gone. Head
        // first that is its head, 1, and the chain is lost; tail first it is its tail, 2.
        let survivors = |order| {
            let mut cache = InstantCache::new(3, order);
            cache.prompt(&[1, 2]);
            cache.prompt(&[3, 4]);
            [1, 2, 3, 4].map(|id| cache.find(id).is_some())
        };
        assert_eq!(survivors(TouchOrder::HeadFirst), [false, true, true, true]);
        assert_eq!(survivors(TouchOrder::TailFirst), [true, false, true, true]);
    }
}
