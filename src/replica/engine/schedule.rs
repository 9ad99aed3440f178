//! Which sequences a step takes, and what shortage does.

use super::Engine;
use super::reserve::with_estimate;
use crate::kvcache::KvCache;
use crate::replica::params::{Admission, Batching, Scheduler};
use crate::time::SimTime;
use crate::timing::BatchShape;

impl<C: KvCache> Engine<C> {
    /// A step of running sequences, whatever they compute, then of waiting ones. Returns whether any was preempted.
    pub(super) fn compose_mixed(&mut self, now: SimTime, shape: &mut BatchShape) -> bool {
        let mut budget = self.params.max_num_batched_tokens;
        if !self.locked_fit(budget) {
            self.unlock_all();
        }
        self.schedule_locked(now, &mut budget, shape);
        let preempted = self.schedule_running(now, &mut budget);
        if !preempted {
            self.schedule_waiting(now, &mut budget);
        }
        preempted
    }

    /// A step of prompts alone, if there is one to compute; else of outputs alone. Returns whether any was preempted.
    pub(super) fn compose_prefill_first(&mut self, now: SimTime, shape: &mut BatchShape) -> bool {
        self.lockstep.stepping = false;
        let mut budget = self.params.max_num_batched_tokens;
        if !self.prefills_fit() {
            self.unlock_all();
        }
        let mut preempted = self.schedule_running(now, &mut budget);
        if !preempted {
            self.schedule_waiting(now, &mut budget);
        }
        if self.batch.is_empty() {
            let mut budget = u32::MAX;
            if !self.locked_fit(budget) {
                self.unlock_all();
            }
            self.schedule_locked(now, &mut budget, shape);
            preempted |= self.schedule_running(now, &mut budget);
        }
        preempted
    }

    /// Whether a running sequence has no place in the step being built: its phase is the other.
    fn pauses(&self, slot: u32) -> bool {
        let sequence = &self.sequences[slot as usize];
        let decodes = sequence.generated > 0 && sequence.outstanding() == 1;
        self.params.batching == Batching::PrefillFirst && decodes != self.lockstep.stepping
    }

    /// Whether the prompts under way find the blocks for their next chunks.
    fn prefills_fit(&self) -> bool {
        let (mut left, mut wanted) = (self.params.max_num_batched_tokens, 0);
        for &slot in self.running.range(self.lockstep.count()..).filter(|&&slot| !self.pauses(slot)) {
            let chunk = self.chunk(slot, left);
            left -= chunk;
            let sequence = &self.sequences[slot as usize];
            let blocks = (sequence.computed + chunk).div_ceil(self.params.block_tokens);
            wanted += blocks.saturating_sub(C::held(&sequence.table));
        }
        wanted <= self.cache.free_blocks()
    }

    /// Schedules running sequences in order; returns whether any was preempted.
    pub(super) fn schedule_running(&mut self, now: SimTime, budget: &mut u32) -> bool {
        let mut preempted = false;
        let mut position = self.lockstep.count();
        while position < self.running.len() && *budget > 0 {
            let slot = self.running[position];
            let chunk = if self.pauses(slot) { 0 } else { self.chunk(slot, *budget) };
            if chunk == 0 {
                position += 1;
                continue;
            }
            let mut scheduled = true;
            while !self.take_blocks(now, slot, chunk) {
                preempted = true;
                let (victim, was_scheduled) = self.preempt();
                if let Some(chunk) = was_scheduled {
                    *budget += chunk;
                    position -= 1;
                }
                if victim == slot {
                    scheduled = false;
                    break;
                }
            }
            if !scheduled {
                break;
            }
            self.schedule(now, slot, chunk);
            *budget -= chunk;
            position += 1;
        }
        preempted
    }

    /// How many tokens of a sequence the next step may take.
    #[inline]
    pub(super) fn chunk(&self, slot: u32, budget: u32) -> u32 {
        let outstanding = self.sequences[slot as usize].outstanding();
        let threshold = self.params.long_prefill_token_threshold;
        let capped = if threshold > 0 { outstanding.min(threshold) } else { outstanding };
        capped.min(budget)
    }

    #[inline]
    fn take_blocks(&mut self, now: SimTime, slot: u32, chunk: u32) -> bool {
        let sequence = &mut self.sequences[slot as usize];
        let blocks = (sequence.computed + chunk).div_ceil(self.params.block_tokens);
        self.cache.grow(now, &mut sequence.table, blocks)
    }

    /// Takes `chunk` tokens of a sequence into the step; its blocks are there.
    fn schedule(&mut self, now: SimTime, slot: u32, chunk: u32) {
        let sequence = &mut self.sequences[slot as usize];
        sequence.chunk = chunk;
        sequence.computed += chunk;
        self.context_tokens += u64::from(chunk);
        let full = sequence.computed / self.params.block_tokens;
        self.publish(now, slot, full);
        self.batch.push(slot);
    }

    /// Sends one running sequence back to the head of the queue. Returns it, and its chunk if it was already part
    /// of the step being built.
    fn preempt(&mut self) -> (u32, Option<u32>) {
        let position = match self.params.scheduler {
            Scheduler::Fcfs => self.running.len() - 1,
            Scheduler::Priority => {
                let worst = |&position: &usize| {
                    let sequence = &self.sequences[self.running[position] as usize];
                    (sequence.priority, sequence.arrival)
                };
                (0..self.running.len()).max_by_key(worst).expect("the one that asks is running")
            }
        };
        let slot = self.running.remove(position).expect("a position in the running list");
        let was_scheduled = self.batch.iter().position(|&other| other == slot).map(|place| {
            self.batch.remove(place);
            self.sequences[slot as usize].chunk
        });
        let sequence = &mut self.sequences[slot as usize];
        self.cache.release(&mut sequence.table);
        self.context_tokens -= u64::from(sequence.computed);
        sequence.computed = 0;
        sequence.chunk = 0;
        sequence.preemptions += 1;
        self.work.preemptions += 1;
        self.waiting_tokens += u64::from(sequence.prompt);
        self.reserve_more();
        match self.params.scheduler {
            Scheduler::Fcfs => self.waiting.push_front(slot),
            Scheduler::Priority => self.enqueue(slot),
        }
        (slot, was_scheduled)
    }

    /// The place of the first in line that the step being built knows of.
    #[inline]
    fn first_seen(&self) -> Option<usize> {
        // Nobody waits, mostly.
        self.waiting.front()?;
        self.waiting.iter().position(|&slot| self.sequences[slot as usize].arrival < self.seen)
    }

    /// Admits waiting sequences in order until one does not fit.
    pub(super) fn schedule_waiting(&mut self, now: SimTime, budget: &mut u32) {
        while *budget > 0 && self.running.len() < self.params.max_num_seqs as usize {
            let Some(place) = self.first_seen() else { break };
            let slot = self.waiting[place];
            let sequence = &self.sequences[slot as usize];
            let block_tokens = self.params.block_tokens;
            // The last token is always computed: its logits are wanted.
            let limit = (sequence.known() - 1) / block_tokens;
            let (matched, idle) = self.matched(slot, limit);
            let sequence = &self.sequences[slot as usize];
            let found = matched * block_tokens;
            let wanted = sequence.known() - found;
            let threshold = self.params.long_prefill_token_threshold;
            let capped = if threshold > 0 { wanted.min(threshold) } else { wanted };
            if !self.params.chunked_prefill && capped > *budget {
                break;
            }
            let chunk = capped.min(*budget);
            if !self.fits(slot, matched, idle, chunk) {
                break;
            }
            self.waiting.remove(place);
            let sequence = &mut self.sequences[slot as usize];
            self.waiting_tokens -= u64::from(sequence.prompt);
            self.cache.attach(&mut sequence.table, &sequence.chain, matched);
            if sequence.preemptions == 0 {
                self.work.prompt_tokens += u64::from(sequence.prompt);
            }
            self.work.cached_tokens += u64::from(sequence.account_found(found));
            sequence.computed = found;
            sequence.order = self.admissions;
            self.admissions += 1;
            assert!(self.admissions < 1 << 31, "fewer than 2^31 admissions");
            self.context_tokens += u64::from(found);
            self.running.push_back(slot);
            let taken = self.take_blocks(now, slot, chunk);
            assert!(taken, "what was counted as free can be had");
            self.schedule(now, slot, chunk);
            *budget -= chunk;
        }
    }

    /// Whether what `admission` asks of a waiting sequence fits the free blocks. `matched` of its blocks are here,
    /// `idle` of them held by nobody; its first chunk has `chunk` tokens.
    pub(super) fn fits(&self, slot: u32, matched: u32, idle: u32, chunk: u32) -> bool {
        let sequence = &self.sequences[slot as usize];
        let block_tokens = self.params.block_tokens;
        let must_fit = match self.params.admission {
            Admission::FullIsl => sequence.known(),
            Admission::FirstChunk => matched * block_tokens + chunk,
            Admission::IslPlusOsl => sequence.prompt + sequence.output - 1,
            Admission::EstimatedOsl => with_estimate(sequence),
        };
        let spare = if self.running.is_empty() { 0 } else { self.params.watermark_blocks };
        let promised = match self.params.admission {
            Admission::IslPlusOsl => self.promised_blocks(),
            Admission::EstimatedOsl => self.reserved_blocks(),
            Admission::FullIsl | Admission::FirstChunk => 0,
        };
        let needed = must_fit.div_ceil(block_tokens) - matched + idle + spare + promised;
        needed <= self.cache.free_blocks()
    }

    /// Blocks that running sequences will still take until their end.
    fn promised_blocks(&self) -> u32 {
        let still_to_take = |(place, &slot): (usize, &u32)| {
            let sequence = &self.sequences[slot as usize];
            let total = (sequence.prompt + sequence.output - 1).div_ceil(self.params.block_tokens);
            total.saturating_sub(self.held(place, slot))
        };
        self.running.iter().enumerate().map(still_to_take).sum()
    }
}
