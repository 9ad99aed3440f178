//! Which prompt blocks are under way where: distinct blocks of a gateway's unfinished requests. Knows runs of blocks and
//! targets; must not know tokens. Requests that share a prefix at one target share its blocks, which count once
//! (as in Dynamo's account of active sequences).

use crate::routing::{PromptBlocks, TargetId};
use rustc_hash::FxHashMap;

/// Runs under way and, for each, how far at which target.
#[derive(Clone, Debug, Default)]
pub struct ActiveIndex {
    heads: FxHashMap<u64, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// By target: distinct blocks under way.
    blocks: Vec<u64>,
}

/// Requests at one target that reach equally far into a run.
#[derive(Clone, Copy, Debug)]
struct Node {
    target: TargetId,
    end: u32,
    count: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

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
            let head = self.heads.entry(run.key).or_insert(NONE);
            let (mut at, mut same, mut furthest) = (*head, NONE, run.start);
            while at != NONE {
                let node = &self.nodes[at as usize];
                if node.target == target {
                    furthest = furthest.max(node.end);
                    if node.end == end {
                        same = at;
                    }
                }
                at = node.next;
            }
            self.blocks[target.0 as usize] += u64::from(end.saturating_sub(furthest));
            if same != NONE {
                self.nodes[same as usize].count += 1;
                continue;
            }
            let node = Node { target, end, count: 1, next: *head };
            *head = match self.free.pop() {
                Some(slot) => {
                    self.nodes[slot as usize] = node;
                    slot
                }
                None => {
                    self.nodes.push(node);
                    (self.nodes.len() - 1) as u32
                }
            };
        }
    }
    /// A request with this prompt, once added, is over.
    pub fn remove(&mut self, prompt: &PromptBlocks<'_>, target: TargetId) {
        for run in prompt.runs() {
            let end = run.start + run.len;
            let Some(&head) = self.heads.get(&run.key) else { continue };
            let (mut at, mut before, mut furthest) = (head, NONE, run.start);
            let (mut found, mut found_before) = (NONE, NONE);
            while at != NONE {
                let node = self.nodes[at as usize];
                if node.target == target && node.end == end {
                    (found, found_before) = (at, before);
                } else if node.target == target {
                    furthest = furthest.max(node.end);
                }
                (before, at) = (at, node.next);
            }
            debug_assert!(found != NONE, "what ends was under way");
            if found == NONE {
                continue;
            }
            let node = &mut self.nodes[found as usize];
            node.count -= 1;
            if node.count > 0 {
                continue;
            }
            let next = node.next;
            self.blocks[target.0 as usize] -= u64::from(end.saturating_sub(furthest));
            self.free.push(found);
            match (found_before, next) {
                (NONE, NONE) => _ = self.heads.remove(&run.key),
                (NONE, next) => _ = self.heads.insert(run.key, next),
                (before, next) => self.nodes[before as usize].next = next,
            }
        }
    }
    /// Writes, for every target, how many of the prompt's leading blocks are under way there.
    pub fn match_all(&self, prompt: &PromptBlocks<'_>, out: &mut [u32]) {
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            let mut at = self.heads.get(&run.key).copied().unwrap_or(NONE);
            let mut somebody = false;
            while at != NONE {
                let node = self.nodes[at as usize];
                let matched = &mut out[node.target.0 as usize];
                if *matched >= depth {
                    let held = node.end.saturating_sub(run.start).min(run.len);
                    *matched = (*matched).max(depth + held);
                    somebody |= held == run.len;
                }
                at = node.next;
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
            prop_assert!(index.nodes.len() <= 2 * 120);
        }
    }
}
