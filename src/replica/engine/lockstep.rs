//! Sequences in lockstep: those that decode, each one token a step, none of which needs to be touched until it
//! ends or wants a block. They are the first in the running list, so that what a step does to them it does before
//! it does anything else; a sequence's computed tokens are its constant `lag` plus the step count.
//!
//! A sequence wants a block every `block_tokens` steps, when the block it writes to is full, and publishes one the
//! step before. Which step that is depends on `lag` modulo `block_tokens` alone: hence the buckets, each in running
//! order. Where a step cannot go so smoothly (blocks or budget run short) all leave lockstep, the step is built
//! the plain way, and they come back.
//!
//! Where the cache allows it, a sequence in lockstep is open there: what it publishes is written down in its seat alone,
//! what it takes follows from the step count, and its table learns of both when it leaves or when somebody else asks for
//! the same run.
//!
//! The plain, stepwise engine is this one with nobody ever in lockstep.

use super::Engine;
use super::buckets::{Buckets, Due};
use crate::kvcache::{KvCache, Open, Tail};
use crate::replica::Output;
use crate::replica::sequence::Sequence;
use crate::time::SimTime;
use crate::timing::BatchShape;
use std::collections::VecDeque;

/// Who is in lockstep, and when each has something to do. The order of fields is that of memory.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Lockstep {
    /// Steps built since the engine was made in which they took part.
    pub(super) step: u64,
    count: usize,
    /// Computed tokens of all in lockstep.
    pub(super) context: u64,
    /// While they take the blocks of the step after `step`: those before this running order have theirs. Else 0.
    turned: u32,
    /// Whether they take part in the step under way or being built.
    pub(super) stepping: bool,
    /// Whether anybody may enter.
    enabled: bool,
    /// By `lag mod block_tokens`, each in running order.
    pub(super) buckets: Buckets,
    /// The step that produces each one's last token, its running order and slot, in that order. Mostly who came last
    /// ends last: then nothing is moved.
    ends: VecDeque<(u64, u32, u32)>,
    /// How often a run was closed because somebody else asked for it.
    #[cfg(test)]
    pub(super) closed_for_others: u64,
    /// How often several published at once.
    #[cfg(test)]
    pub(super) turns_at_once: u64,
}

impl Lockstep {
    /// With room for so many sequences.
    pub(super) fn new(enabled: bool, block_tokens: u32, room: usize) -> Lockstep {
        Lockstep {
            enabled,
            step: 0,
            stepping: true,
            turned: 0,
            buckets: Buckets::new(block_tokens, room),
            ends: VecDeque::with_capacity(room),
            count: 0,
            context: 0,
            #[cfg(test)]
            closed_for_others: 0,
            #[cfg(test)]
            turns_at_once: 0,
        }
    }
    /// How many are in lockstep.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }
    #[inline]
    fn ends_at(&mut self, end: (u64, u32, u32)) {
        if self.ends.back().is_none_or(|last| *last < end) {
            return self.ends.push_back(end);
        }
        let place = self.ends.partition_point(|other| *other < end);
        self.ends.insert(place, end);
    }
    /// The step that ends the first of them.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.ends.front().map(|&(step, ..)| step)
    }
}

impl<C: KvCache> Engine<C> {
    /// Whether the next step has the budget and the blocks for all in lockstep and for the running ones behind them.
    pub(super) fn locked_fit(&self, budget: u32) -> bool {
        let count = self.lockstep.count();
        if count == 0 {
            return true;
        }
        if count as u64 > u64::from(budget) {
            return false;
        }
        let mut left = budget - count as u32;
        let buckets = &self.lockstep.buckets;
        let mut wanted = buckets.count(buckets.due(self.lockstep.step).wanting);
        for place in count..self.running.len() {
            let slot = self.running[place];
            // A step of outputs alone is built only where no prompt is under way.
            let chunk = self.chunk(slot, left);
            left -= chunk;
            let sequence = &self.sequences[slot as usize];
            let blocks = (sequence.computed + chunk).div_ceil(self.params.block_tokens);
            wanted += blocks.saturating_sub(C::held(&sequence.table));
        }
        wanted <= self.cache.free_blocks()
    }

    /// Takes one token of each in lockstep into the step.
    pub(super) fn schedule_locked(&mut self, now: SimTime, budget: &mut u32, shape: &mut BatchShape) {
        let count = self.lockstep.count() as u32;
        if count > 0 {
            shape.tokens = count;
            shape.sequences = count;
            shape.context_tokens = self.lockstep.context;
            *budget -= count;
            let due = self.lockstep.buckets.due(self.lockstep.step);
            self.turn_blocks(now, due);
            self.lockstep.context += u64::from(count);
            self.context_tokens += u64::from(count);
        }
        self.lockstep.step += 1;
        self.lockstep.stepping = true;
    }

    /// Takes and publishes the blocks of the next step of those in lockstep, in running order.
    pub(super) fn turn_blocks(&mut self, now: SimTime, due: Due) {
        let Due { wanting, publishing } = due;
        if self.turn_at_once(now, due) {
            return;
        }
        let buckets = &self.lockstep.buckets;
        let (mut want, mut publish) = (buckets.first(wanting), buckets.first(publishing));
        // One who wants a block has filled all it holds, and one who publishes fills its last: how far it has come
        // need not be read.
        loop {
            let buckets = &self.lockstep.buckets;
            match (want, publish) {
                (None, None) => break,
                (Some(slot), None) => {
                    want = buckets.after(slot);
                    self.take_block(now, slot);
                }
                // With blocks of one token a sequence is in both buckets: it takes its block, then publishes it.
                (Some(slot), Some(other)) if buckets.order(slot) <= buckets.order(other) => {
                    want = buckets.after(slot);
                    self.take_block(now, slot);
                }
                (_, Some(slot)) => {
                    publish = buckets.after(slot);
                    self.publish_block(now, slot, publishing);
                }
            }
        }
        self.lockstep.turned = 0;
    }

    /// The same for all at once, if that is possible: all are open in the cache, and that allows it.
    #[inline]
    fn turn_at_once(&mut self, now: SimTime, Due { wanting, publishing }: Due) -> bool {
        let buckets = &mut self.lockstep.buckets;
        let taken = buckets.count(wanting);
        if !self.cache.turns_at_once(taken) || !buckets.find_turn(wanting) || !buckets.find_turn(publishing) {
            return false;
        }
        let published = buckets.count(publishing);
        #[cfg(test)]
        {
            self.lockstep.turns_at_once += u64::from(published > 1);
        }
        self.cache.turn(now, taken, published, buckets.turn(publishing));
        buckets.advance(publishing);
        true
    }

    #[inline]
    fn take_block(&mut self, now: SimTime, slot: u32) {
        let buckets = &self.lockstep.buckets;
        self.lockstep.turned = buckets.order(slot) + 1;
        if buckets.is_open(slot) {
            return self.cache.take(now);
        }
        let table = &mut self.sequences[slot as usize].table;
        let taken = self.cache.grow(now, table, C::held(table) + 1);
        assert!(taken, "what was counted as free can be had");
    }

    #[inline]
    fn publish_block(&mut self, now: SimTime, slot: u32, bucket: u32) {
        let buckets = &mut self.lockstep.buckets;
        if buckets.is_open(slot) {
            let (key, next) = buckets.next(slot, bucket);
            self.cache.publish_open(now, key, next);
            buckets.advance_one(slot, bucket);
            return;
        }
        // It begins a run, or cannot be open.
        let held = C::held(&self.sequences[slot as usize].table);
        self.publish(now, slot, held);
        if let Some(tail) = self.open(slot, held) {
            self.lockstep.buckets.open(slot, bucket, tail);
        }
    }

    /// Opens a sequence that has published so many blocks in the cache, if it can be.
    #[inline]
    fn open(&mut self, slot: u32, published: u32) -> Option<Tail> {
        let sequence = &self.sequences[slot as usize];
        let blocks = sequence.to_publish(published, self.params.block_tokens);
        self.cache.open(&sequence.table, blocks)
    }

    /// Blocks that a sequence in lockstep holds. Its table may not know.
    fn locked_blocks(&self, slot: u32) -> u32 {
        let Lockstep { step, turned, ref buckets, .. } = self.lockstep;
        let lag = self.sequences[slot as usize].lag;
        let has_turned = buckets.order(slot) < turned && buckets.of(lag) == buckets.due(step).wanting;
        ((lag + step as i64) as u32).div_ceil(self.params.block_tokens) + u32::from(has_turned)
    }

    /// Closes a sequence in lockstep, in this bucket, that is open in the cache.
    fn close(&mut self, slot: u32, bucket: u32) {
        self.settle_table(slot, bucket);
        self.cache.close(&self.sequences[slot as usize].table);
        self.lockstep.buckets.close(slot, bucket);
    }

    /// Tells a table that is open what it holds.
    fn settle_table(&mut self, slot: u32, bucket: u32) {
        let (held, (_, next)) = (self.locked_blocks(slot), self.lockstep.buckets.next(slot, bucket));
        self.cache.settle(&mut self.sequences[slot as usize].table, held, next);
    }

    /// Tells all tables that are open what they hold.
    pub(super) fn settle_tables(&mut self) {
        let open: Vec<(u32, u32)> = self.lockstep.buckets.all_open().collect();
        open.into_iter().for_each(|(slot, bucket)| self.settle_table(slot, bucket));
    }

    fn close_under(&mut self, Open(key): Open) {
        #[cfg(test)]
        {
            self.lockstep.closed_for_others += 1;
        }
        let open = self.lockstep.buckets.open_under(key);
        let (slot, bucket) = open.expect("who keeps a run open is in lockstep");
        self.close(slot, bucket);
    }

    /// How many of a sequence's first `limit` blocks are in the cache, and how many of those nobody holds.
    #[inline]
    pub(super) fn matched(&mut self, slot: u32, limit: u32) -> (u32, u32) {
        let found = self.look_up(slot, limit);
        let usable = self.params.up_to_checkpoint(found.0);
        if usable == found.0 { found } else { self.look_up(slot, usable) }
    }
    #[inline]
    fn look_up(&mut self, slot: u32, limit: u32) -> (u32, u32) {
        loop {
            match self.cache.matched(&self.sequences[slot as usize].chain, limit) {
                Ok(found) => return found,
                Err(open) => self.close_under(open),
            }
        }
    }

    /// Publishes a sequence's blocks up to `blocks`. It is not open.
    pub(super) fn publish(&mut self, now: SimTime, slot: u32, blocks: u32) {
        loop {
            let Sequence { table, chain, .. } = &mut self.sequences[slot as usize];
            match self.cache.publish(now, table, chain, blocks) {
                Ok(()) => return,
                Err(open) => self.close_under(open),
            }
        }
    }

    /// Blocks that the running sequence at this place of the running list holds.
    pub(super) fn held(&self, place: usize, slot: u32) -> u32 {
        if place < self.lockstep.count {
            self.locked_blocks(slot)
        } else {
            C::held(&self.sequences[slot as usize].table)
        }
    }

    /// Lets running sequences that decode enter lockstep, as long as all before them are in it.
    pub(super) fn lock_ready(&mut self) {
        if !self.lockstep.enabled {
            return;
        }
        while let Some(&slot) = self.running.get(self.lockstep.count) {
            let lockstep = &mut self.lockstep;
            let sequence = &mut self.sequences[slot as usize];
            if sequence.generated == 0 || sequence.outstanding() != 1 {
                break;
            }
            sequence.lag = i64::from(sequence.computed) - lockstep.step as i64;
            let left = u64::from(sequence.output - sequence.generated);
            lockstep.ends_at((lockstep.step + left, sequence.order, slot));
            lockstep.context += u64::from(sequence.computed);
            lockstep.count += 1;
            let (bucket, order) = (lockstep.buckets.of(sequence.lag), sequence.order);
            let published = sequence.computed / self.params.block_tokens;
            let tail = self.open(slot, published);
            self.lockstep.buckets.insert(slot, bucket, order, tail);
        }
    }

    /// Commits the step's tokens of those in lockstep and ends those that have all.
    pub(super) fn finish_locked(&mut self, now: SimTime, out: &mut Vec<Output>) {
        if !self.lockstep.stepping {
            return;
        }
        self.work.output_tokens += self.lockstep.count as u64;
        self.lockstep.stepping = false;
        while let Some(&(step, _, slot)) = self.lockstep.ends.front() {
            if step > self.lockstep.step {
                break;
            }
            self.lockstep.ends.pop_front();
            self.settle(slot);
            let sequence = &self.sequences[slot as usize];
            debug_assert_eq!(sequence.generated, sequence.output);
            self.lockstep.context -= u64::from(sequence.computed);
            self.lockstep.count -= 1;
            let (lag, computed) = (sequence.lag, sequence.computed);
            let bucket = self.lockstep.buckets.of(lag);
            if let Some(next) = self.lockstep.buckets.remove(slot, bucket) {
                let table = &mut self.sequences[slot as usize].table;
                self.cache.settle(table, computed.div_ceil(self.params.block_tokens), next);
                self.cache.close(table);
            }
            self.end(slot, now, out);
        }
    }

    /// Writes down what a sequence in lockstep has computed and produced by the end of the step under way.
    fn settle(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.computed = (sequence.lag + self.lockstep.step as i64) as u32;
        sequence.generated = sequence.computed + 1 - sequence.prompt;
        sequence.account_decoded();
    }

    /// Takes everybody out of lockstep. No step is under way.
    pub(super) fn unlock_all(&mut self) {
        for place in 0..self.lockstep.count {
            let slot = self.running[place];
            if self.lockstep.buckets.is_open(slot) {
                self.close(slot, self.lockstep.buckets.of(self.sequences[slot as usize].lag));
            }
            self.settle(slot);
        }
        self.lockstep.buckets.clear();
        self.lockstep.ends.clear();
        self.lockstep.count = 0;
        self.lockstep.context = 0;
    }

    /// Output tokens that a running sequence in lockstep has.
    pub(super) fn locked_output(&self, slot: u32) -> u32 {
        let sequence = &self.sequences[slot as usize];
        // The one that the step under way makes is not there yet.
        (sequence.lag + self.lockstep.step as i64) as u32 - sequence.prompt
            + u32::from(!self.lockstep.stepping)
    }
}
