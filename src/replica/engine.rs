//! The serving engine, step by step, after vLLM V1's scheduler: one token budget a step; running sequences first,
//! in order, then waiting ones; a prompt in chunks; shortage preempts the last one admitted, which starts over
//! (its blocks may survive in the cache); nothing is admitted in a step that preempted. Blocks are visible as soon
//! as they are scheduled. Every step costs O(batch): this is the plain engine that a faster one is compared with.

use super::params::{Admission, EngineParams, Scheduler};
use super::sequence::Sequence;
use super::{Job, JobId, Output, StepRecord, Tokens};
use crate::kvcache::{ChangeLog, KvCache};
use crate::observe::{Load, Outcome, Work};
use crate::time::{PS_PER_NS, SimTime};
use crate::timing::{BatchShape, StepTime};
use std::collections::VecDeque;

/// A continuous-batching engine with its KV cache.
#[derive(Debug)]
pub struct Engine<C: KvCache> {
    params: EngineParams,
    timing: Box<dyn StepTime>,
    cache: C,
    sequences: Vec<Sequence<C::Table>>,
    vacant: Vec<u32>,
    waiting: VecDeque<u32>,
    running: Vec<u32>,
    /// Sequences of the step under way, in the order they were scheduled.
    batch: Vec<u32>,
    /// The end of the step under way, in picoseconds; none while idle.
    step_end_ps: Option<u64>,
    /// An idle engine with something waiting starts its next step at this time.
    start_at: Option<SimTime>,
    arrivals: u64,
    waiting_tokens: u64,
    context_tokens: u64,
    work: Work,
}

impl<C: KvCache> Engine<C> {
    /// An empty engine.
    pub fn new(params: EngineParams, timing: Box<dyn StepTime>) -> Self {
        Engine {
            cache: C::new(params.usable_blocks(), params.prefix_cache),
            params,
            timing,
            sequences: Vec::new(),
            vacant: Vec::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            batch: Vec::new(),
            step_end_ps: None,
            start_at: None,
            arrivals: 0,
            waiting_tokens: 0,
            context_tokens: 0,
            work: Work::default(),
        }
    }

    /// A job arrives: it waits, or is refused because it could never run.
    pub fn deliver(&mut self, now: SimTime, job: Job, out: &mut Vec<Output>) {
        if !self.can_ever_run(&job) {
            out.push(Output::Ended {
                job: job.id,
                at: now,
                outcome: Outcome::TooLarge,
                tokens: Tokens::default(),
            });
            return;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.sequences.push(Sequence::default());
            self.sequences.len() as u32 - 1
        });
        self.waiting_tokens += u64::from(job.prompt_tokens);
        self.sequences[slot as usize].fill(job, self.arrivals);
        self.arrivals += 1;
        self.enqueue(slot);
        if self.step_end_ps.is_none() && self.start_at.is_none() {
            self.start_at = Some(now);
        }
    }

    /// Whether the job fits an empty engine. The last output token's keys and values are never computed.
    fn can_ever_run(&self, job: &Job) -> bool {
        let total = u64::from(job.prompt_tokens) + u64::from(job.output_tokens);
        let blocks = (total - 1).div_ceil(u64::from(self.params.block_tokens));
        let one_step =
            self.params.chunked_prefill || total - 1 <= u64::from(self.params.max_num_batched_tokens);
        job.prompt_tokens > 0
            && job.output_tokens > 0
            && total <= u64::from(self.params.max_model_len)
            && blocks <= u64::from(self.cache.total_blocks())
            && one_step
    }

    /// Adds a sequence to the queue: at the end, or in priority order behind its equals.
    fn enqueue(&mut self, slot: u32) {
        match self.params.scheduler {
            Scheduler::Fcfs => self.waiting.push_back(slot),
            Scheduler::Priority => {
                let key = |slot: u32| {
                    let sequence = &self.sequences[slot as usize];
                    (sequence.priority, sequence.arrival)
                };
                let place = self.waiting.partition_point(|&other| key(other) < key(slot));
                self.waiting.insert(place, slot);
            }
        }
    }

    /// When the step under way ends, or an idle engine wants to start.
    pub fn wake_at(&self) -> Option<SimTime> {
        self.step_end_ps.map(|ps| SimTime(ps.div_ceil(PS_PER_NS))).or(self.start_at)
    }

    /// Ends the step under way and starts the next.
    pub fn wake(&mut self, now: SimTime, out: &mut Vec<Output>) -> Option<StepRecord> {
        let start_ps = match self.step_end_ps.take() {
            Some(end_ps) => {
                debug_assert_eq!(end_ps.div_ceil(PS_PER_NS), now.0);
                self.finish_step(now, out);
                end_ps
            }
            None => now.0 * PS_PER_NS,
        };
        self.start_at = None;
        self.build_step(now, start_ps)
    }

    /// Commits the tokens of the step that ends at `now`.
    fn finish_step(&mut self, now: SimTime, out: &mut Vec<Output>) {
        let mut ended = false;
        for &slot in &self.batch {
            let sequence = &mut self.sequences[slot as usize];
            sequence.chunk = 0;
            if sequence.outstanding() > 0 {
                continue;
            }
            sequence.generated += 1;
            sequence.tokens.output += 1;
            self.work.output_tokens += 1;
            if sequence.generated == 1 {
                let scheduled_at = sequence.scheduled_at.expect("a sequence in a step was scheduled");
                out.push(Output::FirstToken { job: sequence.job, scheduled_at, at: now });
            }
            if sequence.generated == sequence.output {
                ended = true;
                self.work.completed += 1;
                self.context_tokens -= u64::from(sequence.computed);
                self.cache.release(&mut sequence.table);
                out.push(Output::Ended {
                    job: sequence.job,
                    at: now,
                    outcome: Outcome::Completed,
                    tokens: sequence.tokens,
                });
                self.vacant.push(slot);
            }
        }
        if ended {
            let sequences = &self.sequences;
            self.running.retain(|&slot| {
                let sequence = &sequences[slot as usize];
                sequence.generated < sequence.output
            });
        }
        self.batch.clear();
    }

    /// Builds and starts the next step; none when there is nothing to compute.
    fn build_step(&mut self, now: SimTime, start_ps: u64) -> Option<StepRecord> {
        let mut budget = self.params.max_num_batched_tokens;
        let mut shape = BatchShape::default();
        let preempted = self.schedule_running(now, &mut budget);
        if !preempted {
            self.schedule_waiting(now, &mut budget);
        }
        if preempted && self.batch.is_empty() {
            // Under priorities the first in line may have preempted itself. vLLM then returns an empty step and is
            // called again at once.
            return self.build_step(now, start_ps);
        }
        if self.batch.is_empty() {
            assert!(
                self.waiting.is_empty() && self.running.is_empty(),
                "work is left and none can be scheduled"
            );
            return None;
        }
        for &slot in &self.batch {
            let sequence = &mut self.sequences[slot as usize];
            let chunk = sequence.chunk;
            let context = u64::from(sequence.computed - chunk);
            sequence.scheduled_at.get_or_insert(now);
            let (first, again) = sequence.account_chunk();
            self.work.computed_tokens += u64::from(first);
            self.work.recomputed_tokens += u64::from(again);
            shape.tokens += chunk;
            shape.sequences += 1;
            shape.context_tokens += context;
            if chunk > 1 {
                shape.prefills += 1;
                shape.prefill_pairs2 += u64::from(chunk) * (2 * context + u64::from(chunk) + 1);
            }
        }
        assert!(shape.tokens <= self.params.max_num_batched_tokens, "token budget");
        assert!(self.running.len() <= self.params.max_num_seqs as usize, "max_num_seqs");
        let step_ps = self.timing.step(&shape).0;
        self.step_end_ps = Some(start_ps + step_ps);
        let free_blocks = self.cache.free_blocks();
        let used_blocks = self.cache.total_blocks() - free_blocks;
        self.work.steps += 1;
        self.work.sequence_steps += u64::from(shape.sequences);
        self.work.busy_ps += step_ps;
        self.work.kv_peak_blocks = self.work.kv_peak_blocks.max(used_blocks);
        Some(StepRecord { tokens: shape.tokens, sequences: shape.sequences, free_blocks, used_blocks })
    }

    /// Schedules running sequences in order; returns whether any was preempted.
    fn schedule_running(&mut self, now: SimTime, budget: &mut u32) -> bool {
        let mut preempted = false;
        let mut position = 0;
        while position < self.running.len() && *budget > 0 {
            let slot = self.running[position];
            let chunk = self.chunk(slot, *budget);
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
    fn chunk(&self, slot: u32, budget: u32) -> u32 {
        let outstanding = self.sequences[slot as usize].outstanding();
        let threshold = self.params.long_prefill_token_threshold;
        let capped = if threshold > 0 { outstanding.min(threshold) } else { outstanding };
        capped.min(budget)
    }

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
        self.cache.publish(now, &mut sequence.table, &sequence.chain, full);
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
        let slot = self.running.remove(position);
        let was_scheduled = self.batch.iter().position(|&other| other == slot).map(|place| {
            self.batch.remove(place);
            self.sequences[slot as usize].chunk
        });
        let sequence = &mut self.sequences[slot as usize];
        self.cache.release(&mut sequence.table);
        self.context_tokens -= u64::from(sequence.computed);
        sequence.computed = 0;
        sequence.chunk = 0;
        sequence.tokens.preemptions += 1;
        self.work.preemptions += 1;
        self.waiting_tokens += u64::from(sequence.prompt);
        match self.params.scheduler {
            Scheduler::Fcfs => self.waiting.push_front(slot),
            Scheduler::Priority => self.enqueue(slot),
        }
        (slot, was_scheduled)
    }

    /// Admits waiting sequences in order until one does not fit.
    fn schedule_waiting(&mut self, now: SimTime, budget: &mut u32) {
        while *budget > 0 && self.running.len() < self.params.max_num_seqs as usize {
            let Some(&slot) = self.waiting.front() else { break };
            let sequence = &self.sequences[slot as usize];
            let block_tokens = self.params.block_tokens;
            // The last token is always computed: its logits are wanted.
            let limit = (sequence.known() - 1) / block_tokens;
            let (matched, idle) = self.cache.matched(&sequence.chain, limit);
            let found = matched * block_tokens;
            let wanted = sequence.known() - found;
            let threshold = self.params.long_prefill_token_threshold;
            let capped = if threshold > 0 { wanted.min(threshold) } else { wanted };
            if !self.params.chunked_prefill && capped > *budget {
                break;
            }
            let chunk = capped.min(*budget);
            let must_fit = match self.params.admission {
                Admission::FullIsl => sequence.known(),
                Admission::FirstChunk => found + chunk,
                Admission::IslPlusOsl => sequence.prompt + sequence.output - 1,
            };
            let spare = if self.running.is_empty() { 0 } else { self.params.watermark_blocks };
            let promised =
                if self.params.admission == Admission::IslPlusOsl { self.promised_blocks() } else { 0 };
            let needed = must_fit.div_ceil(block_tokens) - matched + idle + spare + promised;
            if needed > self.cache.free_blocks() {
                break;
            }
            self.waiting.pop_front();
            let sequence = &mut self.sequences[slot as usize];
            self.waiting_tokens -= u64::from(sequence.prompt);
            self.cache.attach(&mut sequence.table, &sequence.chain, matched);
            if sequence.tokens.preemptions == 0 {
                self.work.prompt_tokens += u64::from(sequence.prompt);
            }
            self.work.cached_tokens += u64::from(sequence.account_found(found));
            sequence.computed = found;
            self.context_tokens += u64::from(found);
            self.running.push(slot);
            let taken = self.take_blocks(now, slot, chunk);
            assert!(taken, "what was counted as free can be had");
            self.schedule(now, slot, chunk);
            *budget -= chunk;
        }
    }

    /// Blocks that running sequences will still take until their end.
    fn promised_blocks(&self) -> u32 {
        let still_to_take = |&slot: &u32| {
            let sequence = &self.sequences[slot as usize];
            let total = (sequence.prompt + sequence.output - 1).div_ceil(self.params.block_tokens);
            total.saturating_sub(C::held(&sequence.table))
        };
        self.running.iter().map(still_to_take).sum()
    }

    /// Its load now.
    pub fn load(&self) -> Load {
        Load {
            running: self.running.len() as u32,
            waiting: self.waiting.len() as u32,
            waiting_tokens: self.waiting_tokens,
            kv_used_blocks: self.cache.total_blocks() - self.cache.free_blocks(),
            kv_total_blocks: self.cache.total_blocks(),
            context_tokens: self.context_tokens,
        }
    }
    /// Its work so far.
    pub fn work(&self) -> Work {
        Work { evicted_blocks: self.cache.evicted(), ..self.work }
    }
    /// The tokens of a job that is still here; nothing for one that is not.
    pub fn tokens(&self, job: JobId) -> Tokens {
        let mut here = self.running.iter().chain(&self.waiting);
        let slot = here.find(|&&slot| self.sequences[slot as usize].job == job);
        slot.map_or_else(Tokens::default, |&slot| self.sequences[slot as usize].tokens)
    }
    /// The change log of its cache.
    pub fn cache_log(&mut self) -> &mut ChangeLog {
        self.cache.log_mut()
    }

    /// Checks every invariant the slow way.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check(&self) {
        let tables = self.running.iter().map(|&slot| &self.sequences[slot as usize].table);
        let mut tables = tables;
        self.cache.check(&mut tables);
        let sum = |slots: &mut dyn Iterator<Item = &u32>, of: fn(&Sequence<C::Table>) -> u32| -> u64 {
            slots.map(|&slot| u64::from(of(&self.sequences[slot as usize]))).sum()
        };
        assert_eq!(sum(&mut self.waiting.iter(), |sequence| sequence.prompt), self.waiting_tokens);
        assert_eq!(sum(&mut self.running.iter(), |sequence| sequence.computed), self.context_tokens);
    }
}

#[cfg(test)]
mod tests;
