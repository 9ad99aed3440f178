//! An index of the gateway's own traffic that forgets heads before tails, as an LRU does into which a prompt's blocks are
//! put from the first to the last: the least recently inserted beyond a capacity, or what is older than its time to live.
//! Knows runs of blocks, targets and times; must not know why its owner forgets.
//!
//! What a target holds of a run are parts with gaps between them: the newest begins where the run does, unless its own head
//! is forgotten, older ones lie further out. Forgetting takes blocks off the inner end of the oldest part.

use super::IndexOptions;
use super::parts::{NONE, Part, Parts};
use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};
use crate::time::SimTime;
use crate::workload::Run;

/// Runs, what each target is believed to hold of them, and when that was learnt.
#[derive(Clone, Debug)]
pub struct HeadsIndex {
    options: IndexOptions,
    rows: Rows<Holder>,
    parts: Parts,
    next_sweep: SimTime,
    /// Memory used again: first and last block numbers that targets hold of a run.
    pieces: Vec<(u32, u32)>,
}

/// What a target holds of a run.
#[derive(Clone, Copy, Debug)]
struct Holder {
    target: u32,
    /// The blocks of its newest part.
    begin: u32,
    end: u32,
    /// That part, and whether there is another.
    newest: u32,
    alone: bool,
}

impl Spread for Holder {
    fn target(&self) -> u32 {
        self.target
    }
}

impl HeadsIndex {
    /// Whether an index with these options is one: units of one block, heads forgotten first.
    pub fn suits(options: &IndexOptions) -> bool {
        options.unit_blocks == 1 && options.heads_first
    }
    /// An empty index over `targets` targets; the options suit it.
    pub fn new(options: &IndexOptions, targets: usize) -> HeadsIndex {
        debug_assert!(HeadsIndex::suits(options));
        HeadsIndex {
            options: *options,
            rows: Rows::default(),
            parts: Parts::new(targets, options.ttl.is_some()),
            next_sweep: SimTime::ZERO,
            pieces: Vec::new(),
        }
    }
    /// How many blocks the target is believed to hold.
    pub fn held(&self, target: TargetId) -> u32 {
        self.parts.blocks(target.0)
    }
    /// `target` holds the prompt from `now` on.
    pub fn insert(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, target: TargetId) {
        self.forget(now);
        let mut left = self.options.prompt_blocks.unwrap_or(u32::MAX);
        for run in prompt.runs() {
            let len = run.len.min(left);
            if len == 0 {
                break;
            }
            left -= len;
            self.renew((run.key, run.start), run.start + len, now, target.0);
        }
        if self.options.sweep.is_none() {
            self.shrink(target.0);
        }
    }
    /// The target holds the run that `key` names up to `end`, from `now` on.
    fn renew(&mut self, key: (u64, u32), end: u32, now: SimTime, target: u32) {
        let row = self.rows.row_or_new(key);
        let place = self.rows.place(row, target);
        let mut outer = place.map_or(NONE, |place| self.rows.at(row)[place].newest);
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
        let newest = self.parts.add(Part::new(target, row, (key.1, end), now, outer));
        let holder = Holder { target, begin: key.1, end, newest, alone: outer == NONE };
        match place {
            Some(place) => self.rows.at_mut(row)[place] = holder,
            None => _ = self.rows.push(row, holder),
        }
    }
    /// Forgets the first `blocks` blocks of a part that is the outermost of its run, as the oldest is.
    fn cut(&mut self, id: u32, blocks: u32) {
        let part = self.parts.at_mut(id);
        debug_assert!(part.outer == NONE, "what lies further out is older");
        part.begin += blocks;
        let Part { target, row, begin, end, .. } = *part;
        self.parts.less(target, blocks);
        let place = self.rows.place(row, target).expect("a part has a holder");
        let newest = self.rows.at(row)[place].newest;
        if begin < end {
            if newest == id {
                self.rows.at_mut(row)[place].begin = begin;
            }
            return;
        }
        self.parts.drop(id);
        if newest == id {
            return self.rows.remove(row, place);
        }
        let outermost = self.parts.unhook(newest, id);
        self.rows.at_mut(row)[place].alone = outermost == newest;
    }
    /// Writes, for every target, how many of the prompt's blocks it is believed to hold at `now`: of the leading ones, or
    /// with `count_any` of all up to the first that nobody holds.
    pub fn match_all(&mut self, prompt: &PromptBlocks<'_>, now: SimTime, out: &mut [u32]) {
        self.forget(now);
        out.fill(0);
        let most = self.options.prompt_blocks.unwrap_or(u32::MAX);
        let mut depth = 0;
        for run in prompt.runs() {
            let len = run.len.min(most - depth);
            let Some(row) = self.rows.row((run.key, run.start)).filter(|_| len > 0) else { return };
            let run = Run { len, ..run };
            let goes_on = if self.options.count_any {
                self.count(row, &run, out)
            } else {
                self.reach(row, &run, depth, out)
            };
            if !goes_on {
                return;
            }
            depth += len;
        }
    }
    /// Adds what each target holds of a run, up to the first block that nobody holds; whether somebody holds each.
    fn count(&mut self, row: u32, run: &Run, out: &mut [u32]) -> bool {
        let (begin, end) = (run.start, run.start + run.len);
        let holders = self.rows.at(row);
        let whole = holders.iter().any(|holder| holder.begin == begin && holder.end >= end);
        let stop = if whole { end } else { self.first_gap(row, begin, end) };
        for holder in self.rows.at(row) {
            let overlap = |from: u32, to: u32| to.min(stop).saturating_sub(from);
            let mut held = overlap(holder.begin, holder.end);
            if !holder.alone {
                let mut part = self.parts.at(holder.newest).outer;
                while part != NONE {
                    let Part { begin, end, outer, .. } = *self.parts.at(part);
                    held += overlap(begin, end);
                    part = outer;
                }
            }
            out[holder.target as usize] += held;
        }
        stop == end
    }
    /// The first block number from `begin` on that nobody holds, `end` if there is none before.
    fn first_gap(&mut self, row: u32, begin: u32, end: u32) -> u32 {
        self.pieces.clear();
        for holder in self.rows.at(row) {
            let mut part = holder.newest;
            while part != NONE {
                let Part { begin, end, outer, .. } = *self.parts.at(part);
                self.pieces.push((begin, end));
                part = outer;
            }
        }
        self.pieces.sort_unstable();
        let pieces = self.pieces.iter();
        let reached = pieces
            .fold(begin, |reached, &(from, to)| if from <= reached { reached.max(to) } else { reached });
        reached.min(end)
    }
    /// Carries on, where `out` has reached `depth` blocks before `run`, as far into the run as the target holds it without a
    /// gap; whether somebody holds it to its end.
    fn reach(&self, row: u32, run: &Run, depth: u32, out: &mut [u32]) -> bool {
        let mut somebody = false;
        for holder in self.rows.at(row) {
            let matched = &mut out[holder.target as usize];
            if *matched != depth || holder.begin != run.start {
                continue;
            }
            let mut reached = holder.end;
            if !holder.alone {
                let mut part = self.parts.at(holder.newest).outer;
                while part != NONE && self.parts.at(part).begin == reached {
                    (reached, part) = (self.parts.at(part).end, self.parts.at(part).outer);
                }
            }
            let held = (reached - run.start).min(run.len);
            *matched = depth + held;
            somebody |= held == run.len;
        }
        somebody
    }
    fn shrink(&mut self, target: u32) {
        let Some(capacity) = self.options.capacity_blocks else { return };
        while let Some((part, blocks)) = self.parts.surplus(target, capacity) {
            self.cut(part, blocks);
        }
    }
    /// Forgets what is due at `now`.
    fn forget(&mut self, now: SimTime) {
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
    fn options(capacity: u32, count_any: bool) -> IndexOptions {
        let mut options = IndexOptions::new(IndexSource::Sent);
        (options.capacity_blocks, options.heads_first, options.count_any) = (Some(capacity), true, count_any);
        options
    }

    #[test]
    fn heads_go_first_and_what_was_renewed_goes_last() {
        // Room for 8. At 0 s a prompt of 4 + 4; at 1 s its first 4 + 1 again, so that the oldest are its blocks 5, 6, 7; 3
        // others at 2 s take their place. Then 2 more: the renewed head loses its blocks 0 and 1.
        let chains = [chain(0, 4, 1, 4), chain(0, 4, 1, 1), chain(1, 3, 0, 0), chain(2, 2, 0, 0)];
        let held = |count_any: bool| {
            let mut index = HeadsIndex::new(&options(8, count_any), 1);
            let mut found = Vec::new();
            for (second, chain) in chains.iter().enumerate() {
                index.insert(&prompt(chain), at(second as u64), TargetId(0));
                let mut out = [9];
                index.match_all(&prompt(&chains[0]), at(second as u64), &mut out);
                found.push((out[0], index.held(TargetId(0))));
            }
            found
        };
        assert_eq!(held(false), [(8, 8), (8, 8), (5, 8), (0, 8)]);
        // Nobody holds block 0, so nothing after it counts either.
        assert_eq!(held(true), [(8, 8), (8, 8), (5, 8), (0, 8)]);
    }

    #[test]
    fn what_lies_behind_a_gap_counts_where_somebody_else_fills_it() {
        // Target 0 holds blocks 2 and 3 of 4, its head is forgotten; target 1 holds block 0 alone, then 0 to 2.
        let mut index = HeadsIndex::new(&options(4, true), 2);
        let (long, other) = (chain(0, 4, 0, 0), chain(1, 2, 0, 0));
        index.insert(&prompt(&long), at(0), TargetId(0));
        index.insert(&prompt(&other), at(1), TargetId(0));
        let mut out = [9; 2];
        for (blocks, expected) in [(1, [0, 1]), (2, [2, 2]), (3, [2, 3])] {
            index.insert(&prompt(&chain(0, blocks, 0, 0)), at(2), TargetId(1));
            index.match_all(&prompt(&long), at(2), &mut out);
            assert_eq!(out, expected, "{blocks}");
        }
    }

    proptest! {
        #[test]
        fn it_knows_and_forgets_as_the_index_of_blocks_does(
            capacity in prop::option::of(1u32..30),
            ttl in prop::option::of(1u64..20),
            sweep in prop::option::of(1u64..20),
            prompt_blocks in prop::option::of(1u32..9),
            count_any in any::<bool>(),
            steps in prop::collection::vec(
                (0u64..3, 1u32..7, 0u64..3, 1u32..7, 0u32..3, 0u64..4, any::<bool>()), 1..200),
        ) {
            let mut options = options(1, count_any);
            (options.capacity_blocks, options.prompt_blocks) = (capacity, prompt_blocks);
            (options.ttl, options.sweep) = (ttl.map(Span::from_secs), sweep.map(Span::from_secs));
            let mut runs = HeadsIndex::new(&options, 3);
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
            let in_queues: u32 = (0..3).map(|target| runs.held(TargetId(target))).sum();
            prop_assert_eq!(runs.parts.in_use(), in_queues);
        }
    }
}
