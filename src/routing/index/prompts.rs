//! An index of whole prompts: what a gateway's own traffic teaches it. Knows runs of blocks and targets; forgets
//! nothing.
//!
//! Who is sent a prompt holds all of its blocks, so who holds a block of a run holds the run's blocks before it: one
//! number for a run and target says all. An index entry then stands for a trace block, a system prompt or a whole
//! session, however many KV blocks that is.

use crate::routing::{PromptBlocks, TargetId};
use rustc_hash::FxHashMap;

/// Runs and, for each, how far every target holds it.
#[derive(Clone, Debug, Default)]
pub struct PromptIndex {
    /// By run: the first of its holders.
    heads: FxHashMap<u64, u32>,
    holders: Vec<Holder>,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    target: TargetId,
    /// The first block number of the run's key that it does not hold.
    end: u32,
    /// The run's next holder.
    next: u32,
}

const NONE: u32 = u32::MAX;

impl PromptIndex {
    /// An empty index.
    pub fn new() -> PromptIndex {
        PromptIndex::default()
    }
    /// How many pairs of run and target are known.
    pub fn entries(&self) -> usize {
        self.holders.len()
    }
    /// `target` holds the prompt, of which it was known to hold `known` leading blocks.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, known: u32, target: TargetId) {
        let mut depth = 0;
        for run in prompt.runs() {
            depth += run.len;
            if depth > known {
                self.reach(run.key, run.start + run.len, target);
            }
        }
    }
    fn reach(&mut self, key: u64, end: u32, target: TargetId) {
        let head = self.heads.entry(key).or_insert(NONE);
        let mut at = *head;
        while at != NONE {
            let holder = &mut self.holders[at as usize];
            if holder.target == target {
                holder.end = holder.end.max(end);
                return;
            }
            at = holder.next;
        }
        self.holders.push(Holder { target, end, next: *head });
        *head = (self.holders.len() - 1) as u32;
    }
    /// Writes, for every target, how many of the prompt's leading blocks it holds: one look-up for a run, until
    /// nobody holds more.
    pub fn match_all(&self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            let mut at = self.heads.get(&run.key).copied().unwrap_or(NONE);
            let mut somebody = false;
            while at != NONE {
                let holder = self.holders[at as usize];
                let matched = &mut out[holder.target.0 as usize];
                if *matched == depth {
                    let held = holder.end.saturating_sub(run.start).min(run.len);
                    *matched += held;
                    somebody |= held == run.len;
                }
                at = holder.next;
            }
            if !somebody {
                return;
            }
            depth += run.len;
        }
    }
}
