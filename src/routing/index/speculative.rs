//! An index of what caches report, late, and of what must be on its way into them: a prompt counts as held where it was
//! sent, until the cache has told so or some time has passed. Knows runs, targets and times; must not know how late
//! reports are.
//!
//! Without it a burst of equal prompts is spread over targets that all compute it, because the first report comes too
//! late (the "predict on route" of Dynamo's router, the speculative entries of vLLM's).

use super::{HeldIndex, IndexOptions, RecentIndex};
use crate::routing::{IndexSource, PromptBlocks, TargetId};
use crate::time::{SimTime, Span};
use crate::workload::Run;

/// Reported blocks, and speculative ones.
#[derive(Clone, Debug)]
pub struct SpeculativeIndex {
    held: HeldIndex,
    sent: RecentIndex,
    /// By key of a run: the number of its first block in prompts that were sent.
    starts: rustc_hash::FxHashMap<u64, u32>,
}

impl SpeculativeIndex {
    /// An empty index over `targets` targets, in which what is not reported lasts for `ttl`.
    pub fn new(ttl: Span, targets: usize) -> SpeculativeIndex {
        let options = IndexOptions { ttl: Some(ttl), ..IndexOptions::new(IndexSource::Sent) };
        SpeculativeIndex {
            held: HeldIndex::new(),
            sent: RecentIndex::new(&options, targets),
            starts: rustc_hash::FxHashMap::default(),
        }
    }
    /// The prompt goes to `target` now.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, target: TargetId) {
        self.sent.insert(prompt, now, target);
        for run in prompt.runs().filter(|run| run.start > 0) {
            self.starts.insert(run.key, run.start);
        }
    }
    /// The cache of `target` has told that it holds these blocks. What was believed of their run is known then, if it goes
    /// no further.
    pub fn add(&mut self, run: Run, target: TargetId) {
        self.held.add(run, target);
        let start = self.starts.get(&run.key).copied().unwrap_or(0);
        self.sent.forget_up_to((run.key, start), run.start + run.len, target);
    }
    /// The cache of `target` has told that it no longer holds these blocks.
    pub fn remove(&mut self, run: Run, target: TargetId) {
        self.held.remove(run, target);
    }
    /// Writes, for every target, how many of the prompt's leading blocks it is known or believed to hold at `now`.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, out: &mut [u32]) {
        self.sent.forget(now);
        out.fill(0);
        let mut depth = 0;
        for run in prompt.runs() {
            // What is believed reaches from the run's first block on; what is known may carry on from there.
            let believed = self.sent.reach(&run, depth, out);
            let known = self.held.reach(&run, depth, out);
            if !believed && !known {
                return;
            }
            depth += run.len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Chain;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const ONE: TargetId = TargetId(1);
    fn at(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }
    /// A head of up to 4 blocks that all share, and after all of it a session's own run.
    fn chain(head: u32, session: u64, blocks: u32) -> Chain {
        let mut chain = Chain::new();
        chain.push(Run { key: 1, start: 0, len: head });
        if head == 4 {
            chain.push(Run { key: 10 + session, start: 2, len: blocks });
        }
        chain
    }
    fn prompt(chain: &Chain) -> PromptBlocks<'_> {
        PromptBlocks::new(chain, chain.blocks() * 16, 16)
    }
    fn matched(index: &mut SpeculativeIndex, chain: &Chain, now: u64) -> [u32; 2] {
        let mut out = [9; 2];
        index.match_all(&prompt(chain), at(now), &mut out);
        out
    }

    #[test]
    fn what_was_sent_counts_until_it_is_told_or_its_time_is_over() {
        // 4 + 3 blocks sent at 0 s; they last for 2 s.
        let chain = chain(4, 0, 3);
        let mut index = SpeculativeIndex::new(Span::from_secs(2), 2);
        index.insert(&prompt(&chain), at(0), ONE);
        assert_eq!(matched(&mut index, &chain, 1), [0, 7]);
        assert_eq!(matched(&mut index, &chain, 2), [0, 0], "never told");
        // Sent again at 3 s; the head is told, and 2 of the 3 others: the third is still believed, and gone at 5 s.
        index.insert(&prompt(&chain), at(3), ONE);
        index.add(Run { key: 1, start: 0, len: 4 }, ONE);
        index.add(Run { key: 10, start: 2, len: 2 }, ONE);
        assert_eq!(matched(&mut index, &chain, 4), [0, 7]);
        assert_eq!(matched(&mut index, &chain, 5), [0, 6]);
    }

    #[test]
    fn what_was_told_is_believed_when_it_is_told_to_be_gone() {
        // Sent at 0 s, all told, then the tail is evicted before its time is over: 4 + 1 blocks are left.
        let chain = chain(4, 0, 3);
        let mut index = SpeculativeIndex::new(Span::from_secs(9), 2);
        index.insert(&prompt(&chain), at(0), ONE);
        index.add(Run { key: 1, start: 0, len: 4 }, ONE);
        index.add(Run { key: 10, start: 2, len: 3 }, ONE);
        index.remove(Run { key: 10, start: 3, len: 2 }, ONE);
        assert_eq!(matched(&mut index, &chain, 1), [0, 5]);
    }

    #[test]
    fn what_is_known_carries_on_where_belief_ends() {
        // Known: 2..4 of the head and the tail. Sent: the first 2 blocks of the head alone.
        let mut index = SpeculativeIndex::new(Span::from_secs(9), 2);
        index.add(Run { key: 1, start: 2, len: 2 }, ONE);
        index.add(Run { key: 10, start: 2, len: 3 }, ONE);
        let whole = chain(4, 0, 3);
        assert_eq!(matched(&mut index, &whole, 0), [0, 0]);
        index.insert(&prompt(&chain(2, 0, 0)), at(0), ONE);
        assert_eq!(matched(&mut index, &whole, 0), [0, 7]);
    }

    proptest! {
        /// The definition: a block counts if it is known, or sent less than `ttl` ago and not told since to the end of what
        /// was sent of its run.
        #[test]
        fn it_matches_as_sets_of_blocks_do(
            ttl in 1u64..6,
            steps in prop::collection::vec((0u8..4, 1u32..5, 0u64..2, 1u32..5, 0u32..2, 0u64..3), 1..120),
        ) {
            let mut index = SpeculativeIndex::new(Span::from_secs(ttl), 2);
            // By target, run and number: known; and until when believed.
            let mut known: BTreeSet<(u32, u64, u32)> = BTreeSet::new();
            let mut believed: BTreeMap<(u32, u64, u32), u64> = BTreeMap::new();
            let mut now = 0;
            for (what, head, session, blocks, target, pause) in steps {
                now += pause;
                let chain = chain(head, session, blocks);
                let id = TargetId(target);
                believed.retain(|_, until| *until > now);
                let runs: Vec<Run> = prompt(&chain).runs().collect();
                match what {
                    0 | 1 => {
                        index.insert(&prompt(&chain), at(now), id);
                        for run in &runs {
                            (run.start..run.start + run.len)
                                .for_each(|number| _ = believed.insert((target, run.key, number), now + ttl));
                        }
                    }
                    2 => {
                        let run = *runs.last().expect("a head at least");
                        // Reports of what has been over for long come after a look at the time, as in a stage.
                        matched(&mut index, &chain, now);
                        index.add(run, id);
                        let end = run.start + run.len;
                        (run.start..end).for_each(|number| _ = known.insert((target, run.key, number)));
                        let of_run = (target, run.key, 0)..=(target, run.key, u32::MAX);
                        if believed.range(of_run.clone()).all(|(block, _)| block.2 < end) {
                            believed.retain(|block, _| !of_run.contains(block));
                        }
                    }
                    _ => {
                        let run = *runs.last().expect("a head at least");
                        let tail = Run { start: run.start + run.len / 2, len: run.len - run.len / 2, ..run };
                        index.remove(tail, id);
                        (tail.start..tail.start + tail.len).for_each(|number| _ = known.remove(&(target, run.key, number)));
                    }
                }
                let count = |target: u32| {
                    let blocks = runs.iter().flat_map(|run| (run.start..run.start + run.len).map(move |n| (target, run.key, n)));
                    blocks.take_while(|block| known.contains(block) || believed.contains_key(block)).count() as u32
                };
                prop_assert_eq!(matched(&mut index, &chain, now), [count(0), count(1)]);
            }
        }
    }
}
