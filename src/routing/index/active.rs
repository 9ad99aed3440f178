//! Which prompt blocks are under way where: distinct blocks of a gateway's unfinished requests. Knows runs of blocks and
//! targets; must not know tokens. Requests that share a prefix at one target share its blocks, which count once
//! (as in Dynamo's account of active sequences).

use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};

/// Runs under way and, for each, how far at which target.
#[derive(Clone, Debug, Default)]
pub struct ActiveIndex {
    rows: Rows<Reach>,
    /// By target: distinct blocks under way.
    blocks: Vec<u64>,
}

/// Requests at one target that reach equally far into a run.
#[derive(Clone, Copy, Debug)]
struct Reach {
    target: u32,
    end: u32,
    count: u32,
}

impl Spread for Reach {
    fn target(&self) -> u32 {
        self.target
    }
}

/// Where the requests at `target` that reach to `end` stand, and how far the others there reach, from `start` on.
fn others(row: &[Reach], target: TargetId, end: u32, start: u32) -> (Option<usize>, u32) {
    let (mut same, mut furthest) = (None, start);
    for (place, reach) in row.iter().enumerate().filter(|(_, reach)| reach.target == target.0) {
        if reach.end == end {
            same = Some(place);
        } else {
            furthest = furthest.max(reach.end);
        }
    }
    (same, furthest)
}

impl ActiveIndex {
    /// An empty index over `targets` targets.
    pub fn new(targets: usize) -> ActiveIndex {
        ActiveIndex { blocks: vec![0; targets], ..ActiveIndex::default() }
    }
    /// Distinct blocks under way, by target.
    pub fn blocks(&self) -> &[u64] {
        &self.blocks
    }
    /// A request with this prompt went to `target`.
    pub fn add(&mut self, prompt: &PromptBlocks<'_>, target: TargetId) {
        for run in prompt.runs() {
            let end = run.start + run.len;
            let row = self.rows.row_or_new((run.key, 0));
            let (same, furthest) = others(self.rows.at(row), target, end, run.start);
            if let Some(place) = same {
                self.rows.at_mut(row)[place].count += 1;
            } else {
                self.blocks[target.0 as usize] += u64::from(end.saturating_sub(furthest));
                self.rows.push(row, Reach { target: target.0, end, count: 1 });
            }
        }
    }
    /// A request with this prompt, once added, is over.
    pub fn remove(&mut self, prompt: &PromptBlocks<'_>, target: TargetId) {
        for run in prompt.runs() {
            let end = run.start + run.len;
            let Some(row) = self.rows.row((run.key, 0)) else { continue };
            let (same, furthest) = others(self.rows.at(row), target, end, run.start);
            debug_assert!(same.is_some(), "what ends was under way");
            let Some(place) = same else { continue };
            let reach = &mut self.rows.at_mut(row)[place];
            reach.count -= 1;
            if reach.count == 0 {
                self.blocks[target.0 as usize] -= u64::from(end.saturating_sub(furthest));
                self.rows.remove(row, place);
            }
        }
    }
    /// Writes, for every target, how many of the prompt's leading blocks are under way there.
    pub fn match_all(&self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            let Some(row) = self.rows.row((run.key, 0)) else { return };
            let mut somebody = false;
            for reach in self.rows.at(row) {
                let matched = &mut out[reach.target as usize];
                if *matched >= depth {
                    let held = reach.end.saturating_sub(run.start).min(run.len);
                    *matched = (*matched).max(depth + held);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Chain, Run};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A head that is shared, then a session's own run.
    fn chain(head: u64, session: u64, blocks: u32) -> Chain {
        let mut chain = Chain::new();
        chain.push(Run { key: head, start: 0, len: 3 });
        chain.push(Run { key: 1_000 + 100 * head + session, start: 3, len: blocks });
        chain
    }
    fn prompt(chain: &Chain) -> PromptBlocks<'_> {
        PromptBlocks::new(chain, chain.blocks() * 16, 16)
    }

    #[test]
    fn a_shared_head_counts_once_and_stays_until_the_last_has_ended() {
        // Heads of 3 blocks; tails of 4 and 2: 3 + 4 + 2 = 9 distinct blocks.
        let (one, other) = (chain(1, 1, 4), chain(1, 2, 2));
        let mut index = ActiveIndex::new(2);
        index.add(&prompt(&one), TargetId(1));
        index.add(&prompt(&other), TargetId(1));
        assert_eq!(index.blocks(), [0, 9]);
        index.remove(&prompt(&one), TargetId(1));
        assert_eq!(index.blocks(), [0, 5]);
        let mut out = [9; 2];
        index.match_all(&prompt(&one), &mut out);
        assert_eq!(out, [0, 3]);
        index.remove(&prompt(&other), TargetId(1));
        assert_eq!(index.blocks(), [0, 0]);
    }

    proptest! {
        #[test]
        fn it_counts_as_a_list_of_all_blocks_does(
            steps in prop::collection::vec((any::<bool>(), 0u64..2, 0u64..3, 0u32..6, 0u32..3), 1..120),
        ) {
            let mut index = ActiveIndex::new(3);
            let mut under_way: Vec<(Chain, u32)> = Vec::new();
            for (ends, head, session, blocks, target) in steps {
                if ends && !under_way.is_empty() {
                    let (chain, target) = under_way.swap_remove(blocks as usize % under_way.len());
                    index.remove(&prompt(&chain), TargetId(target));
                } else {
                    let chain = chain(head, session, blocks);
                    index.add(&prompt(&chain), TargetId(target));
                    under_way.push((chain, target));
                }
                let mut held: BTreeMap<u32, std::collections::BTreeSet<u64>> = BTreeMap::new();
                for (chain, target) in &under_way {
                    held.entry(*target).or_default().extend(prompt(chain).ids());
                }
                let probe = self::chain(head, session, blocks);
                let mut out = [7; 3];
                index.match_all(&prompt(&probe), &mut out);
                for target in 0..3 {
                    let held = held.get(&target).cloned().unwrap_or_default();
                    prop_assert_eq!(index.blocks()[target as usize] as usize, held.len());
                    let leading = prompt(&probe).ids().take_while(|id| held.contains(id)).count();
                    prop_assert_eq!(out[target as usize] as usize, leading);
                }
            }
            let all_over = under_way.is_empty();
            prop_assert_eq!(index.rows.is_empty(), all_over);
        }
    }
}
