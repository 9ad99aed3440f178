//! Which target holds which blocks, as far as a gateway knows. Knows blocks and targets; must not know what a policy
//! makes of it. A block id stands for the whole prefix up to its block, so what a target holds of a prompt is
//! a number of leading blocks.

pub mod active;
pub mod blocks;
pub mod bounded;
pub mod heads;
pub mod held;
pub mod histogram;
pub mod options;
pub mod parts;
pub mod prompts;
pub mod recent;
pub mod rows;
pub mod speculative;

use super::{IndexSource, PromptBlocks, TargetId};
use crate::time::SimTime;
use crate::workload::Run;
pub use active::ActiveIndex;
pub use blocks::BlockIndex;
pub use bounded::BoundedIndex;
pub use heads::HeadsIndex;
pub use held::HeldIndex;
pub use histogram::{Histogram, HistogramOptions};
pub use options::IndexOptions;
pub use prompts::PromptIndex;
pub use recent::RecentIndex;
pub use speculative::SpeculativeIndex;

/// A prefix index, by what feeds it and what it forgets.
#[derive(Clone, Debug)]
pub enum PrefixIndex {
    /// Fed with whole prompts, by the gateway's own traffic; forgets nothing.
    Prompts(PromptIndex),
    /// Fed by the gateway's own traffic; forgets as its options say, tails before heads.
    Recent(RecentIndex),
    /// The same, heads before tails.
    Heads(HeadsIndex),
    /// The same block by block, for all other options.
    Bounded(BoundedIndex),
    /// Fed by the caches.
    Held(HeldIndex),
    /// Fed by the caches, and by the gateway's own traffic until they report.
    Speculative(SpeculativeIndex),
}

impl PrefixIndex {
    /// An empty index over `targets` targets.
    pub fn new(options: &IndexOptions, targets: usize) -> PrefixIndex {
        match options.source {
            IndexSource::Oracle => PrefixIndex::Held(HeldIndex::new()),
            _ if options.forgets_nothing() => PrefixIndex::Prompts(PromptIndex::new()),
            _ if RecentIndex::suits(options) => PrefixIndex::Recent(RecentIndex::new(options, targets)),
            _ if HeadsIndex::suits(options) => PrefixIndex::Heads(HeadsIndex::new(options, targets)),
            _ => PrefixIndex::Bounded(BoundedIndex::new(options, targets)),
        }
    }
    /// Writes, for every target, how many of the prompt's leading blocks it holds at `now`.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, out: &mut [u32]) {
        match self {
            PrefixIndex::Prompts(index) => index.match_all(prompt, out),
            PrefixIndex::Recent(index) => index.match_all(prompt, now, out),
            PrefixIndex::Heads(index) => index.match_all(prompt, now, out),
            PrefixIndex::Bounded(index) => index.match_all(prompt, now, out),
            PrefixIndex::Held(index) => index.match_all(prompt, out),
            PrefixIndex::Speculative(index) => index.match_all(prompt, now, out),
        }
    }
    /// `target` holds the prompt, of which it was known to hold `known` leading blocks.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, known: u32, now: SimTime, target: TargetId) {
        match self {
            PrefixIndex::Prompts(index) => index.insert(prompt, known, target),
            PrefixIndex::Recent(index) => index.insert(prompt, now, target),
            PrefixIndex::Heads(index) => index.insert(prompt, now, target),
            PrefixIndex::Bounded(index) => index.insert(prompt, now, target),
            PrefixIndex::Held(index) => index.insert(prompt, target),
            PrefixIndex::Speculative(index) => index.insert(prompt, now, target),
        }
    }
    /// Whether it follows caches.
    pub fn follows(&self) -> bool {
        matches!(self, PrefixIndex::Held(_) | PrefixIndex::Speculative(_))
    }
    /// A cache has told that it holds these blocks. For an index that follows caches.
    pub fn add(&mut self, run: Run, target: TargetId) {
        match self {
            PrefixIndex::Held(index) => index.add(run, target),
            PrefixIndex::Speculative(index) => index.add(run, target),
            _ => {}
        }
    }
    /// A cache has told that it no longer holds these blocks. For an index that follows caches.
    pub fn remove(&mut self, run: Run, target: TargetId) {
        match self {
            PrefixIndex::Held(index) => index.remove(run, target),
            PrefixIndex::Speculative(index) => index.remove(run, target),
            _ => {}
        }
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
        fn an_index_of_prompts_matches_as_the_definition_does(steps in paths(), targets in 1usize..130, lag in 0u32..5) {
            let mut prompts = PromptIndex::new();
            let mut blocks = BlockIndex::new(targets);
            let mut held = vec![BTreeSet::new(); targets];
            let (mut by_run, mut by_block) = (vec![7; targets], vec![7; targets]);
            for (path_steps, target) in steps {
                let chain = path(&path_steps);
                let prompt = whole(&chain);
                let target = TargetId(target % targets as u32);
                prompts.match_all(&prompt, &mut by_run);
                blocks.match_all(&prompt, &mut by_block);
                prop_assert_eq!(&by_block, &naive(&held, &prompt));
                prop_assert_eq!(&by_run, &by_block);
                // What was known when the prompt was sent: now or earlier, when it was less.
                let known = by_run[target.0 as usize] * lag / 4;
                prompts.insert(&prompt, known, target);
                blocks.insert(&prompt, known, target);
                held[target.0 as usize].extend(prompt.ids());
                prompts.match_all(&prompt, &mut by_run);
                prop_assert_eq!(by_run[target.0 as usize], prompt.len());
            }
            let distinct: BTreeSet<u64> = held.iter().flatten().copied().collect();
            prop_assert_eq!(blocks.blocks(), distinct.len());
        }

        #[test]
        fn an_index_of_single_blocks_matches_as_the_definition_does(
            changes in prop::collection::vec((any::<bool>(), 0u32..20, 1u32..20, 0u32..70), 1..200),
            targets in 1usize..70,
        ) {
            let mut chain = Chain::new();
            chain.push(Run { key: 5, start: 0, len: 12 });
            chain.push(Run { key: 6, start: 0, len: 8 });
            let prompt = whole(&chain);
            let mut index = BlockIndex::new(targets);
            let mut by_runs = HeldIndex::new();
            let mut held = vec![BTreeSet::new(); targets];
            let (mut out, mut out_by_runs) = (vec![0; targets], vec![9; targets]);
            for (add, block, len, target) in changes {
                let target = TargetId(target % targets as u32);
                let to = (block + len).min(20);
                for id in chain.ids_range(block, to) {
                    if add {
                        index.add(id, target);
                        held[target.0 as usize].insert(id);
                    } else {
                        index.remove(id, target);
                        held[target.0 as usize].remove(&id);
                    }
                }
                for run in chain.runs_range(block, to) {
                    if add { by_runs.add(run, target) } else { by_runs.remove(run, target) }
                }
                index.match_all(&prompt, &mut out);
                by_runs.match_all(&prompt, &mut out_by_runs);
                prop_assert_eq!(&out, &naive(&held, &prompt));
                prop_assert_eq!(&out, &out_by_runs);
            }
            let distinct: BTreeSet<u64> = held.iter().flatten().copied().collect();
            prop_assert_eq!(index.blocks(), distinct.len());
            let some_of = |from: u32, to: u32| usize::from(chain.ids_range(from, to).any(|id| distinct.contains(&id)));
            prop_assert_eq!(by_runs.runs(), some_of(0, 12) + some_of(12, 20));
        }
    }

    #[test]
    fn an_empty_prompt_matches_nowhere_and_a_gap_ends_the_match() {
        let mut index = BlockIndex::new(2);
        let mut by_runs = HeldIndex::new();
        let mut out = [9; 2];
        let mut both = |index: &mut BlockIndex, by_runs: &HeldIndex, chain: &Chain, expected: [u32; 2]| {
            index.match_all(&whole(chain), &mut out);
            assert_eq!(out, expected);
            by_runs.match_all(&whole(chain), &mut out);
            assert_eq!(out, expected);
        };
        both(&mut index, &by_runs, &Chain::new(), [0, 0]);
        let chain = path(&[(0, 4)]);
        // Target 0 holds blocks 0, 1 and 3, target 1 holds 1, 2 and 3: two leading blocks, and none.
        for (block, target) in [(0, 0), (1, 0), (3, 0), (1, 1), (2, 1), (3, 1)] {
            index.add(chain.id(block), TargetId(target));
            let run = chain.runs()[0];
            by_runs.add(Run { start: block, len: 1, ..run }, TargetId(target));
        }
        both(&mut index, &by_runs, &chain, [2, 0]);
    }

    #[test]
    fn a_session_is_one_entry_a_target_however_far_it_grows() {
        let mut index = PromptIndex::new();
        let mut out = [0; 2];
        for turn in 1..50u32 {
            let mut chain = Chain::new();
            chain.push(Run { key: 1, start: 0, len: 8 });
            chain.push(Run { key: 2, start: 3, len: 20 * turn });
            index.match_all(&whole(&chain), &mut out);
            assert_eq!(out, if turn == 1 { [0, 0] } else { [0, 8 + 20 * (turn - 1)] });
            index.insert(&whole(&chain), out[1], TargetId(1));
        }
        assert_eq!(index.entries(), 2);
    }
}
