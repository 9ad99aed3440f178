//! An index of the gateway's own traffic that forgets, by runs of blocks: the least recently inserted beyond a capacity,
//! or what is older than its time to live. Knows runs, targets and times; must not know why its owner forgets. The
//! plain twin, block by block, is [`super::BoundedIndex`].
//!
//! Of a prompt the tail is forgotten first, and who is sent a prompt again has its head renewed. So what a target holds
//! of a run is always its first blocks, in parts of falling age: the part that was inserted last, then what an
//! earlier and longer prompt left beyond it, and so on. A part is one entry in its target's queue, however many
//! blocks it has, and forgetting takes blocks off the outer end of the oldest part.

use super::IndexOptions;
use super::rows::{Rows, Spread};
use crate::routing::{PromptBlocks, TargetId};
use crate::time::SimTime;
use crate::workload::Run;

/// Runs, how far each target is believed to hold them, and when that was learnt.
#[derive(Clone, Debug)]
pub struct RecentIndex {
    options: IndexOptions,
    rows: Rows<Holder>,
    parts: Vec<Part>,
    free: Vec<u32>,
    /// Parts by age: of each target, and of all.
    queues: Vec<Queue>,
    all: Queue,
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

/// Blocks of a run at a target that were inserted together and not since.
#[derive(Clone, Copy, Debug)]
struct Part {
    target: u32,
    row: u32,
    begin: u32,
    end: u32,
    at: SimTime,
    /// The next older part of the same run and target, which begins where this one ends.
    outer: u32,
    /// Neighbours in its target's queue and among all, older and newer.
    there: Links,
    anywhere: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    older: u32,
    newer: u32,
}

/// The ends of a list of parts, and how many blocks they have.
#[derive(Clone, Copy, Debug)]
struct Queue {
    oldest: u32,
    newest: u32,
    blocks: u32,
}

const NONE: u32 = u32::MAX;
const EMPTY: Queue = Queue { oldest: NONE, newest: NONE, blocks: 0 };
const LOOSE: Links = Links { older: NONE, newer: NONE };

impl Queue {
    /// Adds a part at the new end.
    fn push(&mut self, parts: &mut [Part], id: u32, links: fn(&mut Part) -> &mut Links) {
        *links(&mut parts[id as usize]) = Links { older: self.newest, newer: NONE };
        match self.newest {
            NONE => self.oldest = id,
            newest => links(&mut parts[newest as usize]).newer = id,
        }
        self.newest = id;
    }
    /// Takes a part out, wherever it stands.
    fn take(&mut self, parts: &mut [Part], id: u32, links: fn(&mut Part) -> &mut Links) {
        let Links { older, newer } = *links(&mut parts[id as usize]);
        match older {
            NONE => self.oldest = newer,
            older => links(&mut parts[older as usize]).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => links(&mut parts[newer as usize]).older = older,
        }
    }
}

fn there(part: &mut Part) -> &mut Links {
    &mut part.there
}

fn anywhere(part: &mut Part) -> &mut Links {
    &mut part.anywhere
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
            parts: Vec::new(),
            free: Vec::new(),
            queues: vec![EMPTY; targets],
            all: EMPTY,
            next_sweep: SimTime::ZERO,
        }
    }
    /// How many blocks the target is believed to hold.
    pub fn held(&self, target: TargetId) -> u32 {
        self.queues[target.0 as usize].blocks
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
            let part = &mut self.parts[outer as usize];
            let (next, covered) = (part.outer, part.end.min(end).saturating_sub(part.begin));
            self.queues[target as usize].blocks -= covered;
            if part.end > end {
                part.begin += covered;
                break;
            }
            self.drop_part(outer);
            outer = next;
        }
        let part = Part { target, row, begin: key.1, end, at: now, outer, there: LOOSE, anywhere: LOOSE };
        let id = if let Some(id) = self.free.pop() {
            self.parts[id as usize] = part;
            id
        } else {
            self.parts.push(part);
            (self.parts.len() - 1) as u32
        };
        let queue = &mut self.queues[target as usize];
        queue.push(&mut self.parts, id, there);
        queue.blocks += end - key.1;
        if self.options.ttl.is_some() {
            self.all.push(&mut self.parts, id, anywhere);
        }
        let holder = &mut self.rows.at_mut(row)[holder];
        (holder.end, holder.newest) = (held.max(end), id);
    }
    /// Takes a part out of the queues.
    fn drop_part(&mut self, id: u32) {
        let target = self.parts[id as usize].target;
        self.queues[target as usize].take(&mut self.parts, id, there);
        if self.options.ttl.is_some() {
            self.all.take(&mut self.parts, id, anywhere);
        }
        self.free.push(id);
    }
    /// Forgets the last `blocks` blocks of a part, which is the outermost of its run.
    fn cut(&mut self, id: u32, blocks: u32) {
        let part = &mut self.parts[id as usize];
        debug_assert!(part.outer == NONE, "what lies further out is older");
        part.end -= blocks;
        let Part { target, row, begin, end, .. } = *part;
        self.queues[target as usize].blocks -= blocks;
        let holder = self.rows.place(row, target).expect("a part has a holder");
        if begin < end {
            self.rows.at_mut(row)[holder].end = end;
            return;
        }
        self.drop_part(id);
        let mut at = self.rows.at(row)[holder].newest;
        if at == id {
            self.rows.remove(row, holder);
            return;
        }
        // The one before it is the outermost now.
        while self.parts[at as usize].outer != id {
            at = self.parts[at as usize].outer;
        }
        self.parts[at as usize].outer = NONE;
        self.rows.at_mut(row)[holder].end = self.parts[at as usize].end;
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
            let Part { begin, end, outer, .. } = self.parts[part as usize];
            self.queues[target.0 as usize].blocks -= end - begin;
            self.drop_part(part);
            part = outer;
        }
        self.rows.remove(row, place);
    }
    fn shrink(&mut self, target: u32) {
        let Some(capacity) = self.options.capacity_blocks else { return };
        while self.queues[target as usize].blocks > capacity {
            let surplus = self.queues[target as usize].blocks - capacity;
            let oldest = self.queues[target as usize].oldest;
            let part = &self.parts[oldest as usize];
            self.cut(oldest, surplus.min(part.end - part.begin));
        }
    }
    /// Forgets what is due at `now`.
    pub fn forget(&mut self, now: SimTime) {
        if let Some(sweep) = self.options.sweep
            && now >= self.next_sweep
        {
            (0..self.queues.len() as u32).for_each(|target| self.shrink(target));
            self.next_sweep = now + sweep;
        }
        let Some(ttl) = self.options.ttl else { return };
        while self.all.oldest != NONE {
            let part = &self.parts[self.all.oldest as usize];
            if part.at + ttl > now {
                return;
            }
            self.cut(self.all.oldest, part.end - part.begin);
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
            let free: std::collections::BTreeSet<u32> = runs.free.iter().copied().collect();
            let in_use = (0..runs.parts.len() as u32).filter(|id| !free.contains(id));
            let parts: u32 = in_use.map(|id| runs.parts[id as usize].end - runs.parts[id as usize].begin).sum();
            prop_assert_eq!(parts, in_queues);
        }
    }
}
