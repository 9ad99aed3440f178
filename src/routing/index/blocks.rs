//! An index of single blocks, which come and go: what caches report. Knows block ids and targets; must not know what
//! a block is part of.

use crate::routing::{PromptBlocks, TargetId};
use rustc_hash::FxHashMap;

/// Block ids and the set of targets that hold each.
#[derive(Clone, Debug)]
pub struct BlockIndex {
    targets: usize,
    words: usize,
    rows: FxHashMap<u64, u32>,
    bits: Vec<u64>,
    free: Vec<u32>,
    alive: Vec<u64>,
}

impl BlockIndex {
    /// An empty index over `targets` targets.
    pub fn new(targets: usize) -> BlockIndex {
        let words = targets.div_ceil(64).max(1);
        BlockIndex {
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
    /// Writes, for every target, how many of the prompt's leading blocks it holds.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        self.match_ids(prompt.ids(), out);
    }
    /// Writes, for every target, how many of the first `ids` it holds without a gap.
    pub fn match_ids(&mut self, ids: impl Iterator<Item = u64>, out: &mut [u32]) {
        self.start(out);
        let mut depth = 0;
        for id in ids {
            if !self.narrow(id, depth, out) {
                return;
            }
            depth += 1;
        }
        self.settle(depth, out);
    }
    /// Writes, for every target, how many of `ids` it holds, up to the first that nobody holds.
    pub fn count_all(&self, ids: impl Iterator<Item = u64>, out: &mut [u32]) {
        out.fill(0);
        for id in ids {
            let Some(&row) = self.rows.get(&id) else { return };
            let at = row as usize * self.words;
            for (index, &word) in self.bits[at..at + self.words].iter().enumerate() {
                let mut bits = word;
                while bits != 0 {
                    out[index * 64 + bits.trailing_zeros() as usize] += 1;
                    bits &= bits - 1;
                }
            }
        }
    }

    fn start(&mut self, out: &mut [u32]) {
        debug_assert_eq!(out.len(), self.targets);
        out.fill(0);
        for (index, word) in self.alive.iter_mut().enumerate() {
            let left = self.targets - index * 64;
            *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        }
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
