//! The serving engine, step by step, after vLLM V1's scheduler: one token budget a step; running sequences first,
//! in order, then waiting ones; a prompt in chunks; shortage preempts the last one admitted, which starts over
//! (its blocks may survive in the cache); nothing is admitted in a step that preempted. Blocks are visible as soon
//! as they are scheduled. Or, after SGLang's: steps of prompts alone before steps of outputs alone. Every step costs
//! O(batch): this is the plain engine that a faster one is compared with.

mod buckets;
mod cancel;
mod estimate;
mod lockstep;
mod reserve;
mod schedule;
mod stretch;

use super::params::{Batching, EngineParams, Scheduler, Stepping};
use super::sequence::Sequence;
use super::{Job, JobId, Output, StepRecord, Tokens};
use crate::kvcache::{ChangeLog, KvCache};
use crate::observe::{Load, Outcome, Work};
use crate::time::{PS_PER_NS, SimTime};
use crate::timing::{BatchShape, StepTime};
use crate::workload::{Chain, Run};
use lockstep::Lockstep;
use reserve::Reserve;
use std::collections::VecDeque;
use std::sync::Arc;
use stretch::Stretch;

/// A continuous-batching engine with its KV cache. The order of fields is that of memory: what every step reads comes
/// first, because of many engines each is out of the processor's near cache when its turn comes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Engine<C: KvCache> {
    /// The end of the step under way, in picoseconds; none while idle.
    step_end_ps: Option<u64>,
    stretch: Option<Stretch>,
    lockstep: Lockstep,
    timing: Arc<dyn StepTime>,
    /// An idle engine with something waiting starts its next step at this time.
    start_at: Option<SimTime>,
    arrivals: u64,
    /// Arrivals when the step under way was built: who came later is not seen by the next, if it is composed ahead.
    seen: u64,
    context_tokens: u64,
    waiting_tokens: u64,
    /// Those admitted, in the order of admission.
    running: VecDeque<u32>,
    /// Sequences of the step under way, in the order they were scheduled.
    batch: Vec<u32>,
    waiting: VecDeque<u32>,
    params: EngineParams,
    admissions: u32,
    work: Work,
    cache: C,
    sequences: Vec<Sequence<C::Table>>,
    vacant: Vec<u32>,
    /// Those who are to go before the next step.
    leaving: Vec<JobId>,
    reserve: Reserve,
}

/// Sequences that an engine has room for from the start (our choice): what it keeps of them then lies together in memory,
/// beside the engine, instead of wherever there was room when it grew.
const ROOM: usize = 64;

impl<C: KvCache> Engine<C> {
    /// An empty engine.
    pub fn new(params: EngineParams, timing: Arc<dyn StepTime>, stepping: Stepping) -> Self {
        let room = (params.max_num_seqs as usize).min(ROOM);
        let lockstep = Lockstep::new(stepping == Stepping::Fast, params.block_tokens, room);
        Engine {
            cache: C::new(params.usable_blocks(), params.prefix_cache),
            params,
            timing,
            running: VecDeque::with_capacity(room),
            batch: Vec::with_capacity(room),
            waiting: VecDeque::with_capacity(room),
            vacant: Vec::with_capacity(room),
            sequences: Vec::with_capacity(room),
            leaving: Vec::new(),
            step_end_ps: None,
            start_at: None,
            arrivals: 0,
            seen: 0,
            admissions: 0,
            lockstep,
            reserve: Reserve::default(),
            stretch: None,
            waiting_tokens: 0,
            context_tokens: 0,
            work: Work::default(),
        }
    }

    /// Steps from the next one on take `timing`, after [`Engine::advance_to`] this instant.
    pub fn set_timing(&mut self, timing: Arc<dyn StepTime>) {
        self.timing = timing;
        self.cut_stretch();
    }

    /// A job arrives, after [`Engine::advance_to`] this instant: it waits, or is refused because it could never run.
    pub fn deliver(&mut self, now: SimTime, job: &Job, out: &mut Vec<Output>) {
        if !self.can_ever_run(job) {
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
        if self.running.len() < self.params.max_num_seqs as usize
            && (self.waiting.is_empty() || self.params.scheduler == Scheduler::Priority)
        {
            self.cut_stretch();
        }
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

    /// When the replica next changes of its own accord: the end of the step under way or of the stretch it begins, or
    /// the start of an idle engine with something to do.
    pub fn wake_at(&self) -> Option<SimTime> {
        self.stretch
            .as_ref()
            .map(|stretch| stretch.end_ps)
            .or(self.step_end_ps)
            .map(visible)
            .or(self.start_at)
    }

    /// Ends the step under way and starts the next.
    pub fn wake(&mut self, now: SimTime, out: &mut Vec<Output>) -> Option<StepRecord> {
        self.finish_stretch();
        let start_ps = match self.step_end_ps.take() {
            Some(end_ps) => {
                debug_assert_eq!(visible(end_ps), now);
                self.finish_step(now, out);
                self.let_go(now, out);
                end_ps
            }
            None => now.0 * PS_PER_NS,
        };
        if self.start_at.take().is_some() || !self.params.async_scheduling {
            self.seen = self.arrivals;
        }
        let record = self.build_step(now, start_ps);
        self.seen = self.arrivals;
        self.begin_stretch();
        record
    }

    /// Commits the tokens of the step that ends at `now`: first those in lockstep, which stand first in the batch.
    fn finish_step(&mut self, now: SimTime, out: &mut Vec<Output>) {
        self.finish_locked(now, out);
        let batch = std::mem::take(&mut self.batch);
        for &slot in &batch {
            let sequence = &mut self.sequences[slot as usize];
            sequence.chunk = 0;
            if sequence.outstanding() > 0 {
                continue;
            }
            sequence.generated += 1;
            self.work.output_tokens += 1;
            if sequence.generated == 1 {
                let scheduled_at = sequence.scheduled_at;
                out.push(Output::FirstToken { job: sequence.job, scheduled_at, at: now });
            }
            if sequence.generated == sequence.output {
                self.end(slot, now, out);
            }
        }
        self.batch = batch;
        self.batch.clear();
        self.lock_ready();
    }

    /// Ends a sequence that has all its output.
    fn end(&mut self, slot: u32, now: SimTime, out: &mut Vec<Output>) {
        let sequence = &mut self.sequences[slot as usize];
        self.work.completed += 1;
        self.context_tokens -= u64::from(sequence.computed);
        self.cache.release(&mut sequence.table);
        let tokens = sequence.tokens();
        out.push(Output::Ended { job: sequence.job, at: now, outcome: Outcome::Completed, tokens });
        // Mostly the oldest, who stands in front: then nobody is moved.
        if self.running.front() == Some(&slot) {
            self.running.pop_front();
        } else {
            let found = self.running.iter().position(|&other| other == slot);
            self.running.remove(found.expect("a running sequence stands in the running list"));
        }
        self.vacant.push(slot);
    }

    /// Builds and starts the next step; none when there is nothing to compute.
    fn build_step(&mut self, now: SimTime, start_ps: u64) -> Option<StepRecord> {
        let mut shape = BatchShape::default();
        let preempted = match self.params.batching {
            Batching::Mixed => self.compose_mixed(now, &mut shape),
            Batching::PrefillFirst => self.compose_prefill_first(now, &mut shape),
        };
        if shape.tokens == 0 && self.batch.is_empty() {
            if preempted {
                // Under priorities the first in line may have preempted itself. vLLM then returns an empty step
                // and is called again at once.
                return self.build_step(now, start_ps);
            }
            self.reserve.forget(self.lockstep.step);
            if !self.waiting.is_empty() && self.seen < self.arrivals {
                // All that ran have ended, and the step after them was composed before these came: an idle engine
                // composes the next at once.
                self.seen = self.arrivals;
                return self.build_step(now, start_ps);
            }
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
            sequence.scheduled_at = sequence.scheduled_at.min(now);
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
        let free_of_budget = self.params.batching == Batching::PrefillFirst && shape.prefills == 0;
        assert!(free_of_budget || shape.tokens <= self.params.max_num_batched_tokens, "token budget");
        assert!(self.running.len() <= self.params.max_num_seqs as usize, "max_num_seqs");
        let step_ps = self.timing.step(&shape).0;
        self.work.extrapolated |= self.timing.extrapolates(&shape);
        self.step_end_ps = Some(start_ps + step_ps);
        let free_blocks = self.cache.free_blocks();
        let used_blocks = self.cache.total_blocks() - free_blocks;
        self.work.steps += 1;
        self.work.sequence_steps += u64::from(shape.sequences);
        self.work.busy_ps += step_ps;
        self.work.kv_peak_blocks = self.work.kv_peak_blocks.max(used_blocks);
        Some(StepRecord { tokens: shape.tokens, sequences: shape.sequences, free_blocks, used_blocks })
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
        let is_it = |&slot: &u32| self.sequences[slot as usize].job == job;
        if let Some(place) = self.running.iter().position(is_it) {
            let slot = self.running[place];
            let tokens = self.sequences[slot as usize].tokens();
            let locked = place < self.lockstep.count();
            return if locked { Tokens { output: self.locked_output(slot), ..tokens } } else { tokens };
        }
        let waiting = self.waiting.iter().copied().find(|slot| is_it(slot));
        waiting.map_or_else(Tokens::default, |slot| self.sequences[slot as usize].tokens())
    }
    /// How many of the chain's first `limit` blocks it would find if the request were scheduled now.
    pub fn holds(&self, chain: &Chain, limit: u32) -> u32 {
        let open = &self.lockstep.buckets;
        let open_end = |key| open.open_under(key).map_or(0, |(slot, bucket)| open.next(slot, bucket).1);
        self.params.up_to_checkpoint(self.cache.found(chain, limit, &open_end))
    }
    /// All blocks that its cache would find.
    pub fn cached(&mut self) -> Vec<Run> {
        self.settle_tables();
        self.cache.runs()
    }
    /// The change log of its cache.
    pub fn cache_log(&mut self) -> &mut ChangeLog {
        self.cache.log_mut()
    }

    /// Checks every invariant the slow way.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check(&mut self) {
        self.settle_tables();
        let mut tables = self.running.iter().map(|&slot| &self.sequences[slot as usize].table);
        self.cache.check(&mut tables);
        let waiting = |slot: &u32| u64::from(self.sequences[*slot as usize].prompt);
        assert_eq!(self.waiting.iter().map(waiting).sum::<u64>(), self.waiting_tokens);
        let computed = |(place, &slot): (usize, &u32)| {
            let sequence = &self.sequences[slot as usize];
            let locked = place < self.lockstep.count();
            if locked {
                (sequence.lag + self.lockstep.step as i64) as u64
            } else {
                u64::from(sequence.computed)
            }
        };
        assert_eq!(self.running.iter().enumerate().map(computed).sum::<u64>(), self.context_tokens);
        let locked = self.running.iter().enumerate().take(self.lockstep.count()).map(computed);
        assert_eq!(locked.sum::<u64>(), self.lockstep.context);
    }
}

/// The instant at which something that happens at `ps` is seen from outside.
fn visible(ps: u64) -> SimTime {
    SimTime(ps.div_ceil(PS_PER_NS))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twins;
