//! An index of what caches report: runs of blocks that appear and go. Knows runs and targets; must not know what evicts
//! them. The plain twin, block by block, is [`super::BlockIndex`].
//!
//! A cache mostly holds the first blocks of a run, so what a target holds of it is mostly one stretch; it is as many as
//! it takes where reports are lost or blocks go from the middle.

use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};
use crate::workload::Run;

/// Runs and the stretches of each that targets hold.
#[derive(Clone, Debug, Default)]
pub struct HeldIndex {
    rows: Rows<Stretch>,
}

/// Blocks of one run that one target holds. Stretches of one target neither overlap nor touch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    target: u32,
    begin: u32,
    end: u32,
}

impl Spread for Stretch {
    fn target(&self) -> u32 {
        self.target
    }
}

impl HeldIndex {
    /// An empty index.
    pub fn new() -> HeldIndex {
        HeldIndex::default()
    }
    /// How many runs are known to be held by some target.
    pub fn runs(&self) -> usize {
        self.rows.len()
    }
    /// `target` holds these blocks.
    pub fn add(&mut self, run: Run, target: TargetId) {
        if run.len == 0 {
            return;
        }
        let row = self.rows.row_or_new((run.key, 0));
        let mut new = Stretch { target: target.0, begin: run.start, end: run.start + run.len };
        let entries = self.rows.entries(row);
        let (mut at, mut joined) = (0, None);
        while let Some(&old) = entries.get(at) {
            if old.target != new.target || old.begin > new.end || new.begin > old.end {
                at += 1;
                continue;
            }
            (new.begin, new.end) = (new.begin.min(old.begin), new.end.max(old.end));
            if joined.is_none() {
                joined = Some(at);
                at += 1;
            } else {
                entries.swap_remove(at);
            }
        }
        match joined {
            Some(at) => entries[at] = new,
            None => entries.push(new),
        }
    }
    /// `target` no longer holds these blocks; nothing happens to those it did not.
    pub fn remove(&mut self, run: Run, target: TargetId) {
        let Some(row) = self.rows.row((run.key, 0)) else { return };
        let (begin, end) = (run.start, run.start + run.len);
        let entries = self.rows.entries(row);
        let mut at = 0;
        while let Some(&old) = entries.get(at) {
            if old.target != target.0 || old.begin >= end || begin >= old.end {
                at += 1;
                continue;
            }
            let (head, tail) = (Stretch { end: begin, ..old }, Stretch { begin: end, ..old });
            match (old.begin < begin, end < old.end) {
                (true, true) => {
                    entries[at] = head;
                    entries.push(tail);
                }
                (true, false) => entries[at] = head,
                (false, true) => entries[at] = tail,
                (false, false) => {
                    entries.swap_remove(at);
                    continue;
                }
            }
            at += 1;
        }
        self.rows.settle(row);
    }
    /// `target` holds the prompt.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, target: TargetId) {
        prompt.runs().for_each(|run| self.add(run, target));
    }
    /// Writes, for every target, how many of the prompt's leading blocks it holds: one look-up for a run, until nobody
    /// holds more.
    pub fn match_all(&self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            if !self.reach(&run, depth, out) {
                return;
            }
            depth += run.len;
        }
    }
    /// Carries on, where `out` has reached `depth` blocks before `run` or more within it, as far into the run as the target
    /// holds it without a gap; whether somebody holds it to its end.
    pub fn reach(&self, run: &Run, depth: u32, out: &mut [u32]) -> bool {
        let Some(row) = self.rows.row((run.key, 0)) else { return false };
        let mut somebody = false;
        for held in self.rows.at(row) {
            let matched = &mut out[held.target as usize];
            // Stretches of one target do not touch: no other begins where this one ends.
            if *matched >= depth {
                let at = run.start + (*matched - depth);
                if held.begin <= at && at < held.end {
                    *matched = depth + (held.end - run.start).min(run.len);
                    somebody |= *matched == depth + run.len;
                }
            }
        }
        somebody
    }
}
