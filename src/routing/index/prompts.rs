//! An index of whole prompts: what a gateway's own traffic teaches it. Knows runs of blocks and targets; forgets
//! nothing.
//!
//! Who is sent a prompt holds all of its blocks, so who holds a block of a run holds the run's blocks before it: one
//! number for a run and target says all. An index entry then stands for a trace block, a system prompt or a whole
//! session, however many KV blocks that is.

use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};

/// Runs and, for each, how far every target holds it.
#[derive(Clone, Debug, Default)]
pub struct PromptIndex {
    rows: Rows<Holder>,
    entries: usize,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    target: u32,
    /// The first block number of the run's key that it does not hold.
    end: u32,
}

impl Spread for Holder {
    fn target(&self) -> u32 {
        self.target
    }
}

impl PromptIndex {
    /// An empty index.
    pub fn new() -> PromptIndex {
        PromptIndex::default()
    }
    /// How many pairs of run and target are known.
    pub fn entries(&self) -> usize {
        self.entries
    }
    /// `target` holds the prompt, of which it was known to hold `known` leading blocks.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, known: u32, target: TargetId) {
        let mut depth = 0;
        for run in prompt.runs() {
            depth += run.len;
            if depth > known {
                self.reach(run.key, run.start + run.len, target.0);
            }
        }
    }
    fn reach(&mut self, key: u64, end: u32, target: u32) {
        let row = self.rows.row_or_new((key, 0));
        if let Some(place) = self.rows.place(row, target) {
            let holder = &mut self.rows.at_mut(row)[place];
            holder.end = holder.end.max(end);
        } else {
            self.rows.push(row, Holder { target, end });
            self.entries += 1;
        }
    }
    /// Writes, for every target, how many of the prompt's leading blocks it holds: one look-up for a run, until
    /// nobody holds more.
    pub fn match_all(&self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            let Some(row) = self.rows.row((run.key, 0)) else { return };
            let mut somebody = false;
            for holder in self.rows.at(row) {
                let matched = &mut out[holder.target as usize];
                if *matched == depth {
                    let held = holder.end.saturating_sub(run.start).min(run.len);
                    *matched += held;
                    somebody |= held == run.len;
                }
            }
            if !somebody {
                return;
            }
            depth += run.len;
        }
    }
}
