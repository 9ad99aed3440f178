//! An index of the gateway's own traffic that forgets: the least recently inserted beyond a capacity, or what is older
//! than its time to live. Knows block ids, targets and times; must not know why its owner forgets.
//!
//! Each target has a queue of its insertions. A block that is inserted again is queued again, and its older entry is
//! void: the map says which entry counts. So an insertion is one look-up and one entry at the end of a queue.

use super::{BlockIndex, IndexOptions};
use crate::routing::{PromptBlocks, TargetId};
use crate::time::SimTime;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Block ids, the targets that are believed to hold each, and when that was learnt.
#[derive(Clone, Debug)]
pub struct BoundedIndex {
    options: IndexOptions,
    blocks: BlockIndex,
    /// By target and block: the number of the entry that counts.
    current: FxHashMap<(u32, u64), u64>,
    queues: Vec<Queue>,
    /// No entry is over its time before this.
    next_expiry: SimTime,
    next_sweep: SimTime,
    /// The units of the prompt at hand.
    units: Vec<u64>,
}

/// A target's insertions, the oldest first.
#[derive(Clone, Debug, Default)]
struct Queue {
    entries: VecDeque<(u64, SimTime)>,
    /// The number of the first entry.
    first: u64,
    /// Entries that count.
    live: u32,
}

impl BoundedIndex {
    /// An empty index over `targets` targets.
    pub fn new(options: &IndexOptions, targets: usize) -> BoundedIndex {
        BoundedIndex {
            options: *options,
            blocks: BlockIndex::new(targets),
            current: FxHashMap::default(),
            queues: vec![Queue::default(); targets],
            next_expiry: SimTime::NEVER,
            next_sweep: SimTime::ZERO,
            units: Vec::new(),
        }
    }
    /// How many units the target is believed to hold.
    pub fn held(&self, target: TargetId) -> u32 {
        self.queues[target.0 as usize].live
    }
    /// `target` holds the prompt from `now` on.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, target: TargetId) {
        self.forget(now);
        self.read(prompt);
        let units = std::mem::take(&mut self.units);
        if self.options.heads_first {
            units.iter().for_each(|&id| self.touch(id, now, target));
        } else {
            units.iter().rev().for_each(|&id| self.touch(id, now, target));
        }
        self.units = units;
        if let Some(ttl) = self.options.ttl {
            self.next_expiry = self.next_expiry.min(now + ttl);
        }
        if self.options.sweep.is_none() {
            self.shrink(target.0);
        }
        self.compact(target.0);
    }
    /// Writes, for every target, how many of the prompt's leading blocks it is believed to hold at `now`.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, out: &mut [u32]) {
        self.forget(now);
        self.read(prompt);
        if self.options.count_any {
            self.blocks.count_all(self.units.iter().copied(), out);
        } else {
            self.blocks.match_ids(self.units.iter().copied(), out);
        }
        if self.options.unit_blocks > 1 {
            out.iter_mut().for_each(|matched| *matched *= self.options.unit_blocks);
        }
    }
    /// The ids at the ends of the prompt's units.
    fn read(&mut self, prompt: &PromptBlocks<'_>) {
        let (unit, most) =
            (self.options.unit_blocks as usize, self.options.prompt_blocks.unwrap_or(u32::MAX));
        self.units.clear();
        self.units.extend(prompt.ids().take(most as usize).skip(unit - 1).step_by(unit));
    }
    fn touch(&mut self, id: u64, now: SimTime, target: TargetId) {
        let queue = &mut self.queues[target.0 as usize];
        let number = queue.first + queue.entries.len() as u64;
        queue.entries.push_back((id, now));
        if self.current.insert((target.0, id), number).is_none() {
            queue.live += 1;
            self.blocks.add(id, target);
        }
    }
    /// Takes the oldest entry off a queue and forgets its block, unless it was inserted again since.
    fn pop(&mut self, target: u32) {
        let queue = &mut self.queues[target as usize];
        let Some((id, _)) = queue.entries.pop_front() else { return };
        let number = queue.first;
        queue.first += 1;
        if self.current.get(&(target, id)) == Some(&number) {
            self.current.remove(&(target, id));
            queue.live -= 1;
            self.blocks.remove(id, TargetId(target));
        }
    }
    fn shrink(&mut self, target: u32) {
        let Some(capacity) = self.options.capacity_blocks else { return };
        while self.queues[target as usize].live > capacity / self.options.unit_blocks {
            self.pop(target);
        }
    }
    /// Drops void entries once they are the larger part, so that a queue is never much longer than what it holds.
    fn compact(&mut self, target: u32) {
        let queue = &mut self.queues[target as usize];
        if queue.entries.len() <= 2 * queue.live as usize + 64 {
            return;
        }
        let (mut number, mut kept) = (queue.first, queue.first);
        queue.entries.retain(|&(id, _)| {
            let current = self.current.get_mut(&(target, id)).filter(|current| **current == number);
            number += 1;
            let Some(current) = current else { return false };
            *current = kept;
            kept += 1;
            true
        });
    }
    /// Forgets what is due at `now`.
    fn forget(&mut self, now: SimTime) {
        if let Some(sweep) = self.options.sweep
            && now >= self.next_sweep
        {
            (0..self.queues.len() as u32).for_each(|target| self.shrink(target));
            self.next_sweep = now + sweep;
        }
        let Some(ttl) = self.options.ttl.filter(|_| now >= self.next_expiry) else { return };
        self.next_expiry = SimTime::NEVER;
        for target in 0..self.queues.len() as u32 {
            while let Some(&(_, at)) = self.queues[target as usize].entries.front() {
                if at + ttl > now {
                    self.next_expiry = self.next_expiry.min(at + ttl);
                    break;
                }
                self.pop(target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::IndexSource;
    use crate::time::Span;
    use crate::workload::{Chain, Run};
    use proptest::prelude::*;

    const ONE: TargetId = TargetId(1);
    fn at(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }
    fn chain(key: u64, blocks: u32) -> Chain {
        let mut chain = Chain::new();
        chain.push(Run { key, start: 0, len: blocks });
        chain
    }
    fn prompt(chain: &Chain) -> PromptBlocks<'_> {
        PromptBlocks::new(chain, chain.blocks() * 16, 16)
    }
    fn index(change: impl Fn(&mut IndexOptions)) -> BoundedIndex {
        let mut options = IndexOptions::new(IndexSource::Sent);
        change(&mut options);
        BoundedIndex::new(&options, 2)
    }
    fn matched(index: &mut BoundedIndex, chain: &Chain, now: SimTime) -> [u32; 2] {
        let mut out = [9; 2];
        index.match_all(&prompt(chain), now, &mut out);
        out
    }

    #[test]
    fn beyond_its_capacity_the_oldest_prompt_loses_its_tail_or_its_head() {
        // Room for 6 blocks; prompts of 4 and 4: of the first 2 are left, its head, or its tail with heads first, and
        // a tail without its head matches nothing.
        let (old, new) = (chain(1, 4), chain(2, 4));
        for (heads_first, left) in [(false, 2), (true, 0)] {
            let mut index = index(|options| {
                options.capacity_blocks = Some(6);
                options.heads_first = heads_first;
            });
            index.insert(&prompt(&old), at(0), ONE);
            index.insert(&prompt(&new), at(1), ONE);
            assert_eq!(
                (matched(&mut index, &old, at(1)), matched(&mut index, &new, at(1))),
                ([0, left], [0, 4])
            );
            assert_eq!(index.held(ONE), 6);
        }
        // Used again in between, the old one is the newer one: 4 of it and 2 of the other.
        let mut index = index(|options| options.capacity_blocks = Some(6));
        for chain in [&old, &new, &old] {
            index.insert(&prompt(chain), at(0), ONE);
        }
        assert_eq!((matched(&mut index, &old, at(1)), matched(&mut index, &new, at(1))), ([0, 4], [0, 2]));
    }

    #[test]
    fn with_counting_of_any_block_a_tail_counts_too() {
        // Heads first, room for 6: target 1 has lost blocks 0 and 1 of the old prompt and holds 2 and 3. As long as
        // target 0 holds block 0 and 1, the count goes on and target 1 has 2.
        let (old, new) = (chain(1, 4), chain(2, 4));
        let mut index = index(|options| {
            (options.capacity_blocks, options.heads_first, options.count_any) = (Some(6), true, true);
        });
        index.insert(&prompt(&old), at(0), ONE);
        index.insert(&prompt(&new), at(0), ONE);
        assert_eq!(matched(&mut index, &old, at(0)), [0, 0], "nobody holds the head");
        index.insert(&prompt(&old), at(0), TargetId(0));
        assert_eq!(matched(&mut index, &old, at(0)), [4, 2]);
    }

    #[test]
    fn a_block_lives_for_its_time_after_the_last_insertion() {
        let chain = chain(1, 3);
        let mut index = index(|options| options.ttl = Some(Span::from_secs(10)));
        index.insert(&prompt(&chain), at(0), ONE);
        index.insert(&prompt(&chain), at(4), ONE);
        assert_eq!(matched(&mut index, &chain, at(13)), [0, 3]);
        assert_eq!(matched(&mut index, &chain, at(14)), [0, 0], "10 s after 4 s it is gone");
        assert_eq!(index.held(ONE), 0);
    }

    #[test]
    fn a_sweep_enforces_the_capacity_at_its_times_alone() {
        let chain = chain(1, 5);
        let mut index = index(|options| {
            (options.capacity_blocks, options.sweep) = (Some(2), Some(Span::from_secs(30)));
        });
        // The first look sweeps; the next is due 30 s later.
        index.insert(&prompt(&chain), at(1), ONE);
        assert_eq!(matched(&mut index, &chain, at(30)), [0, 5]);
        assert_eq!(matched(&mut index, &chain, at(31)), [0, 2]);
    }

    #[test]
    fn units_round_a_match_down_and_long_prompts_look_alike() {
        // Units of 2 blocks: a prompt of 5 has 2 units, 4 blocks.
        let mut by_two = index(|options| options.unit_blocks = 2);
        by_two.insert(&prompt(&chain(1, 5)), at(0), ONE);
        assert_eq!(matched(&mut by_two, &chain(1, 9), at(0)), [0, 4]);
        // Of prompts only 3 blocks are looked at: one that differs in its fourth is the same.
        let mut short = index(|options| options.prompt_blocks = Some(3));
        let mut other = chain(1, 3);
        other.push(Run { key: 7, start: 0, len: 4 });
        short.insert(&prompt(&chain(1, 5)), at(0), ONE);
        assert_eq!(matched(&mut short, &other, at(0)), [0, 3]);
    }

    proptest! {
        /// The definition: a list of (block, time) for each target, the newest last.
        #[test]
        fn it_forgets_as_a_plain_list_does(
            capacity in prop::option::of(1u32..12),
            ttl in prop::option::of(1u64..9),
            heads_first in any::<bool>(),
            steps in prop::collection::vec((0u64..4, 1u32..7, 0u32..2, 0u64..4), 1..120),
        ) {
            let mut options = IndexOptions::new(IndexSource::Sent);
            (options.capacity_blocks, options.heads_first) = (capacity, heads_first);
            options.ttl = ttl.map(Span::from_secs);
            let mut index = BoundedIndex::new(&options, 2);
            let mut lists: [Vec<(u64, u64)>; 2] = Default::default();
            let mut now = 0;
            for (key, blocks, target, pause) in steps {
                now += pause;
                let chain = chain(key, blocks);
                let mut ids: Vec<u64> = prompt(&chain).ids().collect();
                if !heads_first {
                    ids.reverse();
                }
                for list in &mut lists {
                    list.retain(|&(_, at)| ttl.is_none_or(|ttl| at + ttl > now));
                }
                let list = &mut lists[target as usize];
                for id in ids {
                    list.retain(|&(other, _)| other != id);
                    list.push((id, now));
                }
                let surplus = list.len().saturating_sub(capacity.map_or(usize::MAX, |capacity| capacity as usize));
                list.drain(..surplus);
                index.insert(&prompt(&chain), at(now), TargetId(target));
                let mut out = [0; 2];
                index.match_all(&prompt(&chain), at(now), &mut out);
                for (list, &matched) in lists.iter().zip(&out) {
                    let held = |id: &u64| list.iter().any(|(other, _)| other == id);
                    prop_assert_eq!(prompt(&chain).ids().take_while(held).count() as u32, matched);
                }
                prop_assert_eq!(index.held(TargetId(target)) as usize, lists[target as usize].len());
            }
        }
    }
}
