//! Which target holds which blocks, as far as a gateway knows. Knows block ids and targets; must not know where the
//! knowledge came from: decisions, answers or the caches themselves.
//!
//! A block id stands for the whole prefix up to its block, so the blocks of a prompt that a target holds without a
//! gap are its leading blocks. An index that is only ever fed whole prompts is *closed*: who holds a block holds all
//! before it. There a run of blocks is compared by its last block alone; [`PrefixIndex::match_walk`] is the plain
//! twin, and the only right one where blocks come and go singly.

use super::{PromptBlocks, TargetId};
use crate::workload::Run;
use rustc_hash::FxHashMap;

/// Block ids and the set of targets that hold each.
#[derive(Clone, Debug)]
pub struct PrefixIndex {
    targets: usize,
    words: usize,
    rows: FxHashMap<u64, u32>,
    bits: Vec<u64>,
    free: Vec<u32>,
    alive: Vec<u64>,
}

impl PrefixIndex {
    /// An empty index over `targets` targets.
    pub fn new(targets: usize) -> PrefixIndex {
        let words = targets.div_ceil(64).max(1);
        PrefixIndex {
            targets,
            words,
            rows: FxHashMap::default(),
            bits: Vec::new(),
            free: Vec::new(),
            alive: vec![0; words],
        }
    }
    /// How many blocks are known to be held by some target.
    pub fn blocks(&self) -> usize {
        self.rows.len()
    }
    /// `target` holds block `id`.
    pub fn add(&mut self, id: u64, target: TargetId) {
        let (row, words) = (self.rows.get(&id).copied(), self.words);
        let row = row.unwrap_or_else(|| {
            let row = self.free.pop().unwrap_or_else(|| {
                self.bits.resize(self.bits.len() + words, 0);
                (self.bits.len() / words - 1) as u32
            });
            self.rows.insert(id, row);
            row
        });
        self.bits[row as usize * words + target.0 as usize / 64] |= 1 << (target.0 % 64);
    }
    /// `target` no longer holds block `id`; nothing happens where it did not.
    pub fn remove(&mut self, id: u64, target: TargetId) {
        let Some(&row) = self.rows.get(&id) else { return };
        let at = row as usize * self.words;
        let holders = &mut self.bits[at..at + self.words];
        holders[target.0 as usize / 64] &= !(1 << (target.0 % 64));
        if holders.iter().all(|&word| word == 0) {
            self.rows.remove(&id);
            self.free.push(row);
        }
    }
    /// `target` holds the prompt's blocks from number `from` on; it is known to hold those before.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, from: u32, target: TargetId) {
        let mut begin = 0;
        for run in prompt.runs() {
            for j in from.saturating_sub(begin)..run.len {
                self.add(run.id(j), target);
            }
            begin += run.len;
        }
    }
    /// Writes, for every target, how many of the prompt's leading blocks it holds: block by block.
    pub fn match_walk(&mut self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        self.start(out);
        let mut depth = 0;
        for id in prompt.ids() {
            if !self.narrow(id, depth, out) {
                return;
            }
            depth += 1;
        }
        self.settle(depth, out);
    }
    /// The same where the index is closed: a look-up per run, and a bisection for every target that drops out.
    pub fn match_closed(&mut self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        self.start(out);
        let mut depth = 0;
        for run in prompt.runs() {
            let mut held = 0;
            while held < run.len {
                if self.all_hold(run.id(run.len - 1)) {
                    break;
                }
                held += self.common(run, held);
                if !self.narrow(run.id(held), depth + held, out) {
                    return;
                }
                held += 1;
            }
            depth += run.len;
        }
        self.settle(depth, out);
    }

    fn holders(&self, id: u64) -> Option<&[u64]> {
        let at = *self.rows.get(&id)? as usize * self.words;
        Some(&self.bits[at..at + self.words])
    }
    fn start(&mut self, out: &mut [u32]) {
        debug_assert_eq!(out.len(), self.targets);
        out.fill(0);
        for (index, word) in self.alive.iter_mut().enumerate() {
            let left = self.targets - index * 64;
            *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        }
    }
    /// Whether every target still in the race holds block `id`.
    fn all_hold(&self, id: u64) -> bool {
        self.holders(id)
            .is_some_and(|held| held.iter().zip(&self.alive).all(|(held, alive)| alive & !held == 0))
    }
    /// How many of the run's blocks from `from` on all targets still in the race hold; the last is known not to be.
    fn common(&self, run: Run, from: u32) -> u32 {
        let (mut low, mut high) = (from, run.len - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.all_hold(run.id(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - from
    }
    /// Drops the targets that do not hold block `id`, number `depth`, from the race; whether some are left.
    fn narrow(&mut self, id: u64, depth: u32, out: &mut [u32]) -> bool {
        let Some(&row) = self.rows.get(&id) else {
            self.settle(depth, out);
            return false;
        };
        let at = row as usize * self.words;
        let mut left = 0;
        for (index, alive) in self.alive.iter_mut().enumerate() {
            let kept = *alive & self.bits[at + index];
            note(*alive & !kept, index, depth, out);
            *alive = kept;
            left |= kept;
        }
        left != 0
    }
    /// All targets still in the race hold `depth` blocks.
    fn settle(&self, depth: u32, out: &mut [u32]) {
        for (index, &alive) in self.alive.iter().enumerate() {
            note(alive, index, depth, out);
        }
    }
}

fn note(mut bits: u64, word: usize, depth: u32, out: &mut [u32]) {
    while bits != 0 {
        out[word * 64 + bits.trailing_zeros() as usize] = depth;
        bits &= bits - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::mix2;
    use crate::workload::Chain;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A prompt as a path in a tree: the key of a run depends on all before it, so equal ids are equal prefixes.
    fn path(steps: &[(u8, u8)]) -> Chain {
        let mut chain = Chain::new();
        let mut key = 1;
        for &(branch, len) in steps {
            key = mix2(key, branch as u64);
            let full = 9;
            chain.push(Run { key, start: 0, len: (len as u32).min(full) });
            if (len as u32) < full {
                break;
            }
        }
        chain
    }

    fn whole(chain: &Chain) -> PromptBlocks<'_> {
        PromptBlocks::new(chain, chain.blocks() * 16, 16)
    }

    /// The definition: count leading ids that are in the target's set.
    fn naive(held: &[BTreeSet<u64>], prompt: &PromptBlocks<'_>) -> Vec<u32> {
        held.iter().map(|set| prompt.ids().take_while(|id| set.contains(id)).count() as u32).collect()
    }

    fn paths() -> impl Strategy<Value = Vec<(Vec<(u8, u8)>, u32)>> {
        prop::collection::vec((prop::collection::vec((0u8..3, 0u8..12), 1..5), 0u32..130), 1..60)
    }

    proptest! {
        #[test]
        fn a_closed_index_matches_as_the_definition_does(steps in paths(), targets in 1usize..130) {
            let mut index = PrefixIndex::new(targets);
            let mut held = vec![BTreeSet::new(); targets];
            let (mut walked, mut closed) = (vec![7; targets], vec![7; targets]);
            for (path_steps, target) in steps {
                let chain = path(&path_steps);
                let prompt = whole(&chain);
                let target = TargetId(target % targets as u32);
                index.match_walk(&prompt, &mut walked);
                index.match_closed(&prompt, &mut closed);
                prop_assert_eq!(&walked, &naive(&held, &prompt));
                prop_assert_eq!(&closed, &walked);
                index.insert(&prompt, closed[target.0 as usize], target);
                held[target.0 as usize].extend(prompt.ids());
                index.match_closed(&prompt, &mut closed);
                prop_assert_eq!(closed[target.0 as usize], prompt.len());
            }
        }

        #[test]
        fn an_index_of_single_blocks_matches_as_the_definition_does(
            changes in prop::collection::vec((any::<bool>(), 0u32..20, 0u32..70), 1..400),
            targets in 1usize..70,
        ) {
            let mut chain = Chain::new();
            chain.push(Run { key: 5, start: 0, len: 12 });
            chain.push(Run { key: 6, start: 0, len: 8 });
            let prompt = whole(&chain);
            let mut index = PrefixIndex::new(targets);
            let mut held = vec![BTreeSet::new(); targets];
            let mut out = vec![0; targets];
            for (add, block, target) in changes {
                let (id, target) = (chain.id(block), TargetId(target % targets as u32));
                if add {
                    index.add(id, target);
                    held[target.0 as usize].insert(id);
                } else {
                    index.remove(id, target);
                    held[target.0 as usize].remove(&id);
                }
                index.match_walk(&prompt, &mut out);
                prop_assert_eq!(&out, &naive(&held, &prompt));
            }
            let distinct: BTreeSet<u64> = held.iter().flatten().copied().collect();
            prop_assert_eq!(index.blocks(), distinct.len());
        }
    }

    #[test]
    fn an_empty_prompt_matches_nowhere_and_a_gap_ends_the_match() {
        let mut index = PrefixIndex::new(2);
        let mut out = [9; 2];
        index.match_closed(&whole(&Chain::new()), &mut out);
        assert_eq!(out, [0, 0]);
        let chain = path(&[(0, 4)]);
        // Target 0 holds blocks 0, 1 and 3, target 1 holds 1, 2 and 3: two leading blocks, and none.
        for (block, target) in [(0, 0), (1, 0), (3, 0), (1, 1), (2, 1), (3, 1)] {
            index.add(chain.id(block), TargetId(target));
        }
        index.match_walk(&whole(&chain), &mut out);
        assert_eq!(out, [2, 0]);
    }
}
