//! A prompt as a chain of KV blocks. Knows which blocks are equal; must not know tokens: none is ever
//! materialised. A block id stands for the whole prefix up to and including its block (chained hashing, as in
//! vLLM's prefix cache), so equal ids mean equal prefixes.
//!
//! The chain is a list of runs. Block `j` of a run has the id `mix2(key, start + j)`: a run says "these blocks
//! follow each other wherever they appear". A 512-token trace block is a run of 32 engine blocks of 16 tokens; a
//! system prompt is one run; the growing history of a session is one run that each turn reaches further into.

use crate::rng::mix2;
use serde::{Deserialize, Serialize};

/// Blocks that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// What the run is part of: a trace block, a system prompt, a session.
    pub key: u64,
    /// The first block's number within `key`.
    pub start: u32,
    /// How many blocks.
    pub len: u32,
}

impl Run {
    /// The id of the run's block `j`.
    #[inline]
    pub fn id(&self, j: u32) -> u64 {
        mix2(self.key, (self.start + j) as u64)
    }
}

/// Runs, of which one needs no memory of its own: most chains have no more, and thousands of them are under way. Where
/// there were ever two, their memory is kept.
#[derive(Clone, Debug)]
enum Runs {
    One(Run),
    Many(Vec<Run>),
}

impl Runs {
    #[inline]
    fn get(&self) -> &[Run] {
        match self {
            Runs::One(run) => std::slice::from_ref(run),
            Runs::Many(runs) => runs,
        }
    }
    fn get_mut(&mut self) -> &mut [Run] {
        match self {
            Runs::One(run) => std::slice::from_mut(run),
            Runs::Many(runs) => runs,
        }
    }
    #[inline]
    fn push(&mut self, run: Run) {
        match self {
            Runs::Many(runs) if runs.capacity() == 0 => *self = Runs::One(run),
            Runs::Many(runs) => runs.push(run),
            Runs::One(first) => {
                let mut runs = Vec::with_capacity(4);
                runs.extend([*first, run]);
                *self = Runs::Many(runs);
            }
        }
    }
    #[inline]
    fn truncate(&mut self, count: usize) {
        match self {
            Runs::Many(runs) => runs.truncate(count),
            Runs::One(_) if count == 0 => *self = Runs::default(),
            Runs::One(_) => {}
        }
    }
}

impl Default for Runs {
    fn default() -> Runs {
        Runs::Many(Vec::new())
    }
}

impl PartialEq for Runs {
    fn eq(&self, other: &Runs) -> bool {
        self.get() == other.get()
    }
}
impl Eq for Runs {}

/// The full blocks of a request, from the head of its prompt to the end of its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    runs: Runs,
    blocks: u32,
}

impl Chain {
    /// An empty chain.
    pub fn new() -> Self {
        Chain::default()
    }
    /// Forgets all runs and keeps the memory.
    pub fn clear(&mut self) {
        self.runs.truncate(0);
        self.blocks = 0;
    }
    /// Adds a run at the end; one that continues the last run is merged into it, an empty one is dropped.
    #[inline]
    pub fn push(&mut self, run: Run) {
        if run.len == 0 {
            return;
        }
        self.blocks += run.len;
        if let Some(last) = self.runs.get_mut().last_mut()
            && last.key == run.key
            && last.start + last.len == run.start
        {
            last.len += run.len;
            return;
        }
        self.runs.push(run);
    }
    /// How many blocks the chain has.
    #[inline]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }
    /// The runs in order.
    #[inline]
    pub fn runs(&self) -> &[Run] {
        self.runs.get()
    }
    /// The ids of the first `blocks` blocks, in order.
    pub fn ids(&self, blocks: u32) -> impl Iterator<Item = u64> + '_ {
        self.runs().iter().flat_map(|run| (0..run.len).map(|j| run.id(j))).take(blocks as usize)
    }
    /// The ids of blocks `from..to`, in order; runs before `from` cost one comparison each.
    pub fn ids_range(&self, from: u32, to: u32) -> impl Iterator<Item = u64> + '_ {
        self.runs_range(from, to).flat_map(|run| (0..run.len).map(move |j| run.id(j)))
    }
    /// The runs of blocks `from..to`, cut to them; runs before `from` cost one comparison each.
    pub fn runs_range(&self, from: u32, to: u32) -> impl Iterator<Item = Run> + '_ {
        let mut first = 0;
        self.runs().iter().filter_map(move |run| {
            let begin = from.saturating_sub(first).min(run.len);
            let end = to.saturating_sub(first).min(run.len);
            first += run.len;
            (begin < end).then(|| Run { key: run.key, start: run.start + begin, len: end - begin })
        })
    }
    /// The id of block `index`, O(runs).
    pub fn id(&self, index: u32) -> u64 {
        let mut left = index;
        for run in self.runs() {
            if left < run.len {
                return run.id(left);
            }
            left -= run.len;
        }
        panic!("block {index} of a chain of {}", self.blocks)
    }
    /// Cuts the chain to its first `blocks` blocks.
    pub fn truncate(&mut self, blocks: u32) {
        let mut kept = 0;
        for (index, run) in self.runs.get_mut().iter_mut().enumerate() {
            if kept + run.len >= blocks {
                run.len = blocks - kept;
                self.blocks = blocks;
                let keep_runs = if run.len == 0 { index } else { index + 1 };
                self.runs.truncate(keep_runs);
                return;
            }
            kept += run.len;
        }
    }
    /// Makes every block differ from that of the same prompt under another salt, as a salt in the first parent of
    /// chained hashing does.
    pub fn salt(&mut self, salt: u64) {
        self.runs.get_mut().iter_mut().for_each(|run| run.key = mix2(run.key, salt));
    }
    /// Copies another chain's runs into this one's memory.
    #[inline]
    pub fn copy_from(&mut self, other: &Chain) {
        self.runs.truncate(0);
        other.runs().iter().for_each(|&run| self.runs.push(run));
        self.blocks = other.blocks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_knows_its_blocks_however_its_runs_were_cut() {
        let mut whole = Chain::new();
        whole.push(Run { key: 1, start: 0, len: 3 });
        whole.push(Run { key: 2, start: 7, len: 4 });
        let mut pieces = Chain::new();
        for run in [(1, 0, 1), (1, 1, 2), (9, 0, 0), (2, 7, 2), (2, 9, 2)] {
            pieces.push(Run { key: run.0, start: run.1, len: run.2 });
        }
        assert_eq!(whole, pieces);
        let ids: Vec<u64> = whole.ids(7).collect();
        assert_eq!(ids, (0..7).map(|i| whole.id(i)).collect::<Vec<_>>());
        assert_eq!(whole.ids(2).collect::<Vec<_>>(), ids[..2]);
        for (from, to) in [(0, 7), (2, 5), (3, 3), (5, 7), (6, 2)] {
            let range: Vec<u64> = whole.ids_range(from, to).collect();
            assert_eq!(range, ids.get(from as usize..to as usize).unwrap_or(&[]), "{from}..{to}");
        }
        whole.truncate(3);
        assert_eq!((whole.blocks(), whole.runs().len()), (3, 1));
        whole.truncate(5);
        assert_eq!(whole.blocks(), 3);
    }

    #[test]
    fn a_chain_is_what_was_pushed_whatever_memory_it_had_before() {
        let run = |key: u64| Run { key, start: 0, len: 2 };
        let mut chain = Chain::new();
        for count in [0, 1, 3, 1, 0, 2, 5, 1] {
            let runs: Vec<Run> = (0..count).map(run).collect();
            let mut fresh = Chain::new();
            runs.iter().for_each(|&run| fresh.push(run));
            chain.copy_from(&fresh);
            assert_eq!((chain.runs(), chain.blocks()), (runs.as_slice(), 2 * runs.len() as u32));
            assert_eq!(chain, fresh);
            chain.clear();
            assert_eq!(chain, Chain::new());
        }
        assert!(size_of::<Chain>() <= 32, "half a line of the processor's cache");
    }
}
