//! Sequences in lockstep: those that decode, each one token a step, none of which needs to be touched until it
//! ends or wants a block. They are the first in the running list, so that what a step does to them it does before
//! it does anything else; a sequence's computed tokens are its constant `lag` plus the step count.
//!
//! A sequence wants a block every `block_tokens` steps, when the block it writes to is full, and publishes one the
//! step before. Which step that is depends on `lag` modulo `block_tokens` alone: hence the buckets, each in running
//! order. Where a step cannot go so smoothly (blocks or budget run short) all leave lockstep, the step is built
//! the plain way, and they come back.
//!
//! The plain, stepwise engine is this one with nobody ever in lockstep.

use super::Engine;
use super::buckets::{Buckets, Due, Seat};
use crate::kvcache::KvCache;
use crate::replica::Output;
use crate::replica::sequence::Sequence;
use crate::time::SimTime;
use crate::timing::BatchShape;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who is in lockstep, and when each has something to do.
#[derive(Debug)]
pub(super) struct Lockstep {
    /// Whether anybody may enter.
    enabled: bool,
    /// Steps built since the engine was made.
    pub(super) step: u64,
    /// By `lag mod block_tokens`, each in running order.
    pub(super) buckets: Buckets,
    /// By (the step that produces the last token, running order).
    ends: BinaryHeap<Reverse<(u64, u32, u32)>>,
    count: usize,
    /// Computed tokens of all in lockstep.
    pub(super) context: u64,
}

impl Lockstep {
    pub(super) fn new(enabled: bool, block_tokens: u32) -> Lockstep {
        Lockstep {
            enabled,
            step: 0,
            buckets: Buckets::new(block_tokens),
            ends: BinaryHeap::new(),
            count: 0,
            context: 0,
        }
    }
    /// How many are in lockstep.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }
    /// The step that ends the first of them.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.ends.peek().map(|Reverse((step, ..))| *step)
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
        let mut wanted = self.lockstep.buckets.due(self.lockstep.step).wanting.len() as u32;
        for &slot in &self.running[count..] {
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
    }

    /// Takes and publishes the blocks of the next step of those in lockstep, in running order.
    pub(super) fn turn_blocks(&mut self, now: SimTime, due: Due) {
        let Due { mut wanting, mut publishing } = due;
        loop {
            let seat = |place: Option<usize>| place.map(|place| self.lockstep.buckets.get(place));
            let want = seat(wanting.clone().next());
            let publish = seat(publishing.clone().next());
            let wants_first = match (want, publish) {
                (None, None) => break,
                (Some(want), Some(publish)) => want.order <= publish.order,
                (want, None) => want.is_some(),
                (None, Some(_)) => false,
            };
            // With blocks of one token a sequence is in both buckets: it takes its block, then publishes it.
            let slot = if wants_first {
                wanting.next();
                want.expect("it comes first").slot
            } else {
                publishing.next();
                publish.expect("it comes first").slot
            };
            // One who wants a block has filled all it holds, and one who publishes fills its last: neither how far it
            // has come nor anything else of it need be read.
            let Sequence { table, chain, .. } = &mut self.sequences[slot as usize];
            let held = C::held(table);
            if wants_first {
                let taken = self.cache.grow(now, table, held + 1);
                assert!(taken, "what was counted as free can be had");
            } else {
                self.cache.publish(now, table, chain, held);
            }
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
            lockstep.ends.push(Reverse((lockstep.step + left, sequence.order, slot)));
            let bucket = lockstep.buckets.of(sequence.lag);
            lockstep.buckets.insert(Seat { bucket, order: sequence.order, slot });
            lockstep.context += u64::from(sequence.computed);
            lockstep.count += 1;
        }
    }

    /// Commits the step's tokens of those in lockstep and ends those that have all.
    pub(super) fn finish_locked(&mut self, now: SimTime, out: &mut Vec<Output>) {
        self.work.output_tokens += self.lockstep.count as u64;
        while let Some(&Reverse((step, order, slot))) = self.lockstep.ends.peek() {
            if step > self.lockstep.step {
                break;
            }
            self.lockstep.ends.pop();
            self.settle(slot);
            let sequence = &self.sequences[slot as usize];
            debug_assert_eq!(sequence.generated, sequence.output);
            self.lockstep.context -= u64::from(sequence.computed);
            self.lockstep.count -= 1;
            let bucket = self.lockstep.buckets.of(sequence.lag);
            self.lockstep.buckets.remove(Seat { bucket, order, slot });
            self.end(slot, now, out);
        }
    }

    /// Writes down what a sequence in lockstep has computed and produced by the end of the step under way.
    fn settle(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.computed = (sequence.lag + self.lockstep.step as i64) as u32;
        sequence.generated = sequence.computed + 1 - sequence.prompt;
        sequence.tokens.output = sequence.generated;
        sequence.account_decoded();
    }

    /// Takes everybody out of lockstep. No step is under way.
    pub(super) fn unlock_all(&mut self) {
        for place in 0..self.lockstep.count {
            self.settle(self.running[place]);
        }
        self.lockstep.buckets.clear();
        self.lockstep.ends.clear();
        self.lockstep.count = 0;
        self.lockstep.context = 0;
    }

    /// Output tokens that a running sequence in lockstep has while a step is under way.
    pub(super) fn locked_output(&self, slot: u32) -> u32 {
        let sequence = &self.sequences[slot as usize];
        (sequence.lag + self.lockstep.step as i64) as u32 - sequence.prompt
    }
}
