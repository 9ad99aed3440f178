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
use crate::kvcache::KvCache;
use crate::replica::Output;
use crate::time::SimTime;
use crate::timing::BatchShape;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A sequence in its bucket: its place in running order, and its slot.
type Entry = (u64, u32);

/// Who is in lockstep, and when each has something to do.
#[derive(Debug)]
pub(super) struct Lockstep {
    /// Whether anybody may enter.
    enabled: bool,
    /// Steps built since the engine was made.
    pub(super) step: u64,
    /// By `lag mod block_tokens`, each in running order.
    buckets: Vec<Vec<Entry>>,
    /// By (the step that produces the last token, running order).
    ends: BinaryHeap<Reverse<(u64, u64, u32)>>,
    count: usize,
    /// Computed tokens of all in lockstep.
    pub(super) context: u64,
}

impl Lockstep {
    pub(super) fn new(enabled: bool, block_tokens: u32) -> Lockstep {
        Lockstep {
            enabled,
            step: 0,
            buckets: vec![Vec::new(); block_tokens as usize],
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
    /// The bucket of those that want a block in the step after `step`.
    #[inline]
    pub(super) fn wanting(&self, step: u64) -> usize {
        let modulus = self.buckets.len() as u64;
        ((modulus - step % modulus) % modulus) as usize
    }
    /// The bucket of those that publish a block in the step after `step`.
    #[inline]
    pub(super) fn publishing(&self, step: u64) -> usize {
        self.wanting(step + 1)
    }
    pub(super) fn bucket(&self, bucket: usize) -> &[Entry] {
        &self.buckets[bucket]
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
        let mut wanted = self.lockstep.bucket(self.lockstep.wanting(self.lockstep.step)).len() as u32;
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
            self.turn_blocks(now);
            self.lockstep.context += u64::from(count);
            self.context_tokens += u64::from(count);
        }
        self.lockstep.step += 1;
    }

    /// Takes and publishes the blocks of the next step of those in lockstep, in running order.
    pub(super) fn turn_blocks(&mut self, now: SimTime) {
        let step = self.lockstep.step;
        let block_tokens = self.params.block_tokens;
        let wanting = self.lockstep.wanting(step);
        let publishing = self.lockstep.publishing(step);
        let (mut w, mut p) = (0, 0);
        loop {
            let want = self.lockstep.buckets[wanting].get(w).copied();
            let publish = self.lockstep.buckets[publishing].get(p).copied();
            let wants_first = match (want, publish) {
                (None, None) => break,
                (Some(want), Some(publish)) => want.0 <= publish.0,
                (want, None) => want.is_some(),
                (None, Some(_)) => false,
            };
            // With blocks of one token a sequence is in both buckets: it takes its block, then publishes it.
            let slot = if wants_first {
                w += 1;
                want.expect("it comes first").1
            } else {
                p += 1;
                publish.expect("it comes first").1
            };
            let sequence = &mut self.sequences[slot as usize];
            let computed = (sequence.lag + step as i64) as u32 + 1;
            if wants_first {
                let taken = self.cache.grow(now, &mut sequence.table, computed.div_ceil(block_tokens));
                assert!(taken, "what was counted as free can be had");
            } else {
                let full = computed / block_tokens;
                self.cache.publish(now, &mut sequence.table, &sequence.chain, full);
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
            let bucket = sequence.lag.rem_euclid(lockstep.buckets.len() as i64) as usize;
            lockstep.buckets[bucket].push((sequence.order, slot));
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
            let bucket = sequence.lag.rem_euclid(self.lockstep.buckets.len() as i64) as usize;
            let bucket = &mut self.lockstep.buckets[bucket];
            let place = bucket.binary_search_by_key(&order, |entry| entry.0).expect("it is in its bucket");
            bucket.remove(place);
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
        self.lockstep.buckets.iter_mut().for_each(Vec::clear);
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
