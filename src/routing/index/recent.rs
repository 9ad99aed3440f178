//! An index of the gateway's own traffic that forgets, by runs of blocks: the least recently inserted beyond a capacity,
//! or what is older than its time to live. Knows runs, targets and times; must not know why its owner forgets. The
//! plain twin, block by block, is [`super::BoundedIndex`].
//!
//! Of a prompt the tail is forgotten first, and who is sent a prompt again has its head renewed. So what a target holds
//! of a run is always its first blocks, in parts of falling age: the part that was inserted last, then what an
//! earlier and longer prompt left beyond it, and so on. A part is one entry in its target's queue, however many
//! blocks it has, and forgetting takes blocks off the outer end of the oldest part.

use super::IndexOptions;
use super::parts::{NONE, Part, Parts};
use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};
use crate::time::SimTime;
use crate::workload::Run;

/// Runs, how far each target is believed to hold them, and when that was learnt.
#[derive(Clone, Debug)]
pub struct RecentIndex {
    options: IndexOptions,
    rows: Rows<Holder>,
    parts: Parts,
    next_sweep: SimTime,
}

/// How far a target holds a run.
#[derive(Clone, Copy, Debug)]
struct Holder {
    target: u32,
    /// The first block number that it does not hold.
    end: u32,
    /// The part that was inserted last, which has the run's first blocks.
    newest: u32,
}

impl Spread for Holder {
    fn target(&self) -> u32 {
        self.target
    }
}

impl RecentIndex {
    /// Whether an index with these options is one: units of one block, tails forgotten first, no block without those before it.
    pub fn suits(options: &IndexOptions) -> bool {
        options.unit_blocks == 1 && !options.heads_first && !options.count_any
    }
    /// An empty index over `targets` targets; the options suit it.
    pub fn new(options: &IndexOptions, targets: usize) -> RecentIndex {
        debug_assert!(RecentIndex::suits(options));
        RecentIndex {
            options: *options,
            rows: Rows::default(),
            parts: Parts::new(targets, options.ttl.is_some()),
            next_sweep: SimTime::ZERO,
        }
    }
    /// How many blocks the target is believed to hold.
    pub fn held(&self, target: TargetId) -> u32 {
        self.parts.blocks(target.0)
    }
    /// `target` holds the prompt from `now` on.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, target: TargetId) {
        self.forget(now);
        // The last run first: of what is inserted together the tail is forgotten first.
        let mut before = prompt.len();
        let most = self.options.prompt_blocks.unwrap_or(u32::MAX);
        for run in prompt.runs_from_last() {
            before -= run.len;
            let len = run.len.min(most.saturating_sub(before));
            if len > 0 {
                self.renew((run.key, run.start), run.start + len, now, target.0);
            }
        }
        if self.options.sweep.is_none() {
            self.shrink(target.0);
        }
    }
    /// The target holds the run that `key` names up to `end`, from `now` on.
    fn renew(&mut self, key: (u64, u32), end: u32, now: SimTime, target: u32) {
        let row = self.rows.row_or_new(key);
        let holder = match self.rows.place(row, target) {
            Some(holder) => holder,
            None => self.rows.push(row, Holder { target, end: key.1, newest: NONE }),
        };
        let Holder { end: held, newest: mut outer, .. } = self.rows.at(row)[holder];
        // What the new part covers is no longer of its old age.
        while outer != NONE {
            let part = self.parts.at_mut(outer);
            let (next, covered) = (part.outer, part.end.min(end).saturating_sub(part.begin));
            let reaches_on = part.end > end;
            if reaches_on {
                part.begin += covered;
            }
            self.parts.less(target, covered);
            if reaches_on {
                break;
            }
            self.parts.drop(outer);
            outer = next;
        }
        let id = self.parts.add(Part::new(target, row, (key.1, end), now, outer));
        let holder = &mut self.rows.at_mut(row)[holder];
        (holder.end, holder.newest) = (held.max(end), id);
    }
    /// Forgets the last `blocks` blocks of a part, which is the outermost of its run.
    fn cut(&mut self, id: u32, blocks: u32) {
        let part = self.parts.at_mut(id);
        debug_assert!(part.outer == NONE, "what lies further out is older");
        part.end -= blocks;
        let Part { target, row, begin, end, .. } = *part;
        self.parts.less(target, blocks);
        let holder = self.rows.place(row, target).expect("a part has a holder");
        if begin < end {
            self.rows.at_mut(row)[holder].end = end;
            return;
        }
        self.parts.drop(id);
        let newest = self.rows.at(row)[holder].newest;
        if newest == id {
            self.rows.remove(row, holder);
            return;
        }
        // The one before it is the outermost now.
        let outermost = self.parts.unhook(newest, id);
        self.rows.at_mut(row)[holder].end = self.parts.at(outermost).end;
    }
    /// Writes, for every target, how many of the prompt's leading blocks it is believed to hold at `now`.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, out: &mut [u32]) {
        self.forget(now);
        out.fill(0);
        let most = self.options.prompt_blocks.unwrap_or(u32::MAX);
        let mut depth = 0;
        for run in prompt.runs() {
            let len = run.len.min(most - depth);
            if len == 0 || !self.reach(&Run { len, ..run }, depth, out) {
                return;
            }
            depth += len;
        }
    }
    /// Carries on, where `out` has reached `depth` blocks before `run`, as far into the run as the target holds it; whether
    /// somebody holds it to its end.
    pub fn reach(&self, run: &Run, depth: u32, out: &mut [u32]) -> bool {
        let Some(row) = self.rows.row((run.key, run.start)) else { return false };
        let mut somebody = false;
        for holder in self.rows.at(row) {
            let matched = &mut out[holder.target as usize];
            if *matched == depth {
                let held = (holder.end - run.start).min(run.len);
                *matched = depth + held;
                somebody |= held == run.len;
            }
        }
        somebody
    }
    /// Forgets what `target` holds of a run, unless that goes beyond its block number `end`.
    pub fn forget_up_to(&mut self, key: (u64, u32), end: u32, target: TargetId) {
        let Some(row) = self.rows.row(key) else { return };
        let Some(place) = self.rows.place(row, target.0) else { return };
        let holder = self.rows.at(row)[place];
        if holder.end > end {
            return;
        }
        let mut part = holder.newest;
        while part != NONE {
            let Part { begin, end, outer, .. } = *self.parts.at(part);
            self.parts.less(target.0, end - begin);
            self.parts.drop(part);
            part = outer;
        }
        self.rows.remove(row, place);
    }
    fn shrink(&mut self, target: u32) {
        let Some(capacity) = self.options.capacity_blocks else { return };
        while let Some((part, blocks)) = self.parts.surplus(target, capacity) {
            self.cut(part, blocks);
        }
    }
    /// Forgets what is due at `now`.
    pub fn forget(&mut self, now: SimTime) {
        if let Some(sweep) = self.options.sweep
            && now >= self.next_sweep
        {
            (0..self.parts.targets()).for_each(|target| self.shrink(target));
            self.next_sweep = now + sweep;
        }
        let Some(ttl) = self.options.ttl else { return };
        while let Some((part, blocks)) = self.parts.outlived(ttl, now) {
            self.cut(part, blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::IndexSource;
    use crate::routing::index::BoundedIndex;
    use crate::time::Span;
    use crate::workload::Chain;
    use proptest::prelude::*;

    fn at(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }
    fn prompt(chain: &Chain) -> PromptBlocks<'_> {
        PromptBlocks::new(chain, chain.blocks() * 16, 16)
    }
    /// A head that two share, and a session's own run after it, which begins at its block 2.
    fn chain(head: u64, head_blocks: u32, session: u64, blocks: u32) -> Chain {
        let mut chain = Chain::new();
        chain.push(Run { key: head, start: 0, len: head_blocks });
        if head_blocks == 4 {
            chain.push(Run { key: 100 + 10 * head + session, start: 2, len: blocks });
        }
        chain
    }

    #[test]
    fn a_long_prompt_outlives_its_head_only_as_far_as_it_was_renewed() {
        // Room for 8 blocks. At 0 s a prompt of 4 + 4; at 1 s its first 4 + 1 again; then 3 others: the oldest 3 of the
        // first are those that were not renewed.
        let mut options = IndexOptions::new(IndexSource::Sent);
        options.capacity_blocks = Some(8);
        let mut index = RecentIndex::new(&options, 1);
        let (long, short, other) = (chain(0, 4, 1, 4), chain(0, 4, 1, 1), chain(1, 3, 0, 0));
        let held = |index: &mut RecentIndex, chain: &Chain| {
            let mut out = [9];
            index.match_all(&prompt(chain), at(9), &mut out);
            out[0]
        };
        index.insert(&prompt(&long), at(0), TargetId(0));
        index.insert(&prompt(&short), at(1), TargetId(0));
        assert_eq!((held(&mut index, &long), index.held(TargetId(0))), (8, 8));
        index.insert(&prompt(&other), at(2), TargetId(0));
        assert_eq!((held(&mut index, &long), held(&mut index, &other)), (5, 3));
        // One more block goes from the renewed tail, then from the head, tail first.
        index.insert(&prompt(&chain(2, 2, 0, 0)), at(3), TargetId(0));
        assert_eq!((held(&mut index, &long), index.held(TargetId(0))), (3, 8));
    }

    proptest! {
        #[test]
        fn it_knows_and_forgets_as_the_index_of_blocks_does(
            capacity in prop::option::of(1u32..30),
            ttl in prop::option::of(1u64..20),
            sweep in prop::option::of(1u64..20),
            prompt_blocks in prop::option::of(1u32..9),
            steps in prop::collection::vec(
                (0u64..3, 1u32..7, 0u64..3, 1u32..7, 0u32..3, 0u64..4, any::<bool>()), 1..200),
        ) {
            let mut options = IndexOptions::new(IndexSource::Sent);
            (options.capacity_blocks, options.prompt_blocks) = (capacity, prompt_blocks);
            (options.ttl, options.sweep) = (ttl.map(Span::from_secs), sweep.map(Span::from_secs));
            let mut runs = RecentIndex::new(&options, 3);
            let mut blocks = BoundedIndex::new(&options, 3);
            let mut now = 0;
            for (head, head_blocks, session, len, target, pause, sends) in steps {
                now += pause;
                let chain = chain(head, head_blocks.min(4), session, len);
                let (prompt, target) = (prompt(&chain), TargetId(target));
                if sends {
                    runs.insert(&prompt, at(now), target);
                    blocks.insert(&prompt, at(now), target);
                }
                let (mut by_run, mut by_block) = ([7; 3], [8; 3]);
                runs.match_all(&prompt, at(now), &mut by_run);
                blocks.match_all(&prompt, at(now), &mut by_block);
                prop_assert_eq!(by_run, by_block);
                for target in (0..3).map(TargetId) {
                    prop_assert_eq!(runs.held(target), blocks.held(target));
                }
            }
            // Nothing is left behind: as many parts as the queues have.
            let in_queues: u32 = (0..3).map(|target| runs.held(TargetId(target))).sum();
            prop_assert_eq!(runs.parts.in_use(), in_queues);
        }
    }
}
