//! Stretches: steps that differ in nothing but the context they read, because all who run are in lockstep, none ends
//! and none can be admitted. Their times are a straight line over the step number, so the end of the stretch is
//! known when it begins, and the engine is woken there and not before. Whoever looks in between first brings it up
//! to date: the number of steps that have ended by then is found by bisection, and only steps in which somebody takes
//! or publishes a block are visited.

use super::{Engine, visible};
use crate::kvcache::KvCache;
use crate::replica::params::{Admission, Batching};
use crate::time::SimTime;
use crate::timing::BatchShape;

/// The steps to come after the one under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// How many.
    left: u64,
    /// When the last of them ends, in picoseconds.
    pub(super) end_ps: u64,
    /// Their line: picoseconds at no context, and for each context token.
    base_ps: i64,
    slope_ps: i64,
}

impl<C: KvCache> Engine<C> {
    /// Picoseconds that the next `steps` steps take: `steps · base + slope · (steps · context + n · steps (steps − 1) / 2)`.
    fn stretch_ps(&self, base_ps: i64, slope_ps: i64, steps: u64) -> u64 {
        let (steps, count) = (i128::from(steps), self.lockstep.count() as i128);
        let context = i128::from(self.lockstep.context);
        let read = steps * context + count * (steps * (steps - 1) / 2);
        (steps * i128::from(base_ps) + i128::from(slope_ps) * read) as u64
    }

    /// A step of all in lockstep and nobody else.
    fn decode_shape(&self, context_tokens: u64) -> BatchShape {
        let count = self.lockstep.count() as u32;
        BatchShape { tokens: count, sequences: count, context_tokens, ..BatchShape::default() }
    }

    /// Begins a stretch after the step under way, if one is possible.
    pub(super) fn begin_stretch(&mut self) {
        debug_assert!(self.stretch.is_none());
        let count = self.lockstep.count();
        let (Some(end_ps), true) = (self.step_end_ps, self.batch.is_empty() && count > 0) else { return };
        if self.running.len() > count || !self.admission_is_closed() {
            return;
        }
        let next_end = self.lockstep.next_end().expect("everybody in lockstep ends");
        // In any `block_tokens` steps everybody takes exactly one block.
        let rounds = u64::from(self.cache.free_blocks()) / count as u64;
        let with_blocks = rounds * u64::from(self.params.block_tokens);
        let context = self.lockstep.context;
        let shape = self.decode_shape(context);
        let line = self.timing.line(&shape);
        let on_line = (line.until_context - context) / count as u64 + 1;
        let left = (next_end - self.lockstep.step).min(with_blocks).min(on_line);
        // A line is held to at least a picosecond a step: one that falls that low is walked step by step.
        let bent =
            |context: u64| i128::from(line.base_ps) + i128::from(line.slope_ps) * i128::from(context) < 1;
        if left == 0 || bent(context) || bent(context + (left - 1) * count as u64) {
            return;
        }
        let (base_ps, slope_ps) = (line.base_ps, line.slope_ps);
        let end_ps = end_ps + self.stretch_ps(base_ps, slope_ps, left);
        self.stretch = Some(Stretch { left, end_ps, base_ps, slope_ps });
    }

    /// Whether nobody who waits can be admitted before somebody who runs ends.
    fn admission_is_closed(&mut self) -> bool {
        let Some(&head) = self.waiting.front() else { return true };
        if self.running.len() >= self.params.max_num_seqs as usize {
            return true;
        }
        // Who came while this step was composed may get in with the next.
        if self.params.async_scheduling {
            return false;
        }
        // The budget left may be what keeps the head out; then it gets in with the next step.
        let sequence = &self.sequences[head as usize];
        let beside = match self.params.batching {
            Batching::Mixed => self.lockstep.count() as u32,
            Batching::PrefillFirst => 0,
        };
        let budget = self.params.max_num_batched_tokens - beside;
        if budget == 0 || !self.params.chunked_prefill {
            return false;
        }
        let limit = (sequence.known() - 1) / self.params.block_tokens;
        let (matched, _) = self.matched(head, limit);
        let sequence = &self.sequences[head as usize];
        // None of what it found may count as idle: an idle block may be evicted whose twin somebody holds, and then
        // the head finds the twin and needs a free block less.
        let shrinks = matches!(self.params.admission, Admission::FirstChunk | Admission::EstimatedOsl);
        if shrinks || self.fits(head, matched, 0, budget) {
            return false;
        }
        // Blocks only get fewer until somebody ends, and what the head finds can only grow by what those who run
        // publish: none of them may be about to publish a block of the head's.
        let publishes_for_head = |&slot: &u32| {
            let other = &self.sequences[slot as usize];
            let next = (other.lag + self.lockstep.step as i64) as u32 / self.params.block_tokens;
            next < limit && next < other.chain.blocks() && other.chain.id(next) == sequence.chain.id(next)
        };
        !self.running.iter().any(publishes_for_head)
    }

    /// Brings the engine up to `now`: builds the steps whose predecessor ended before. A step that ends at `now` has
    /// not ended yet.
    pub fn advance_to(&mut self, now: SimTime) {
        let (Some(stretch), Some(end_ps)) = (self.stretch, self.step_end_ps) else { return };
        if visible(end_ps) >= now {
            return;
        }
        // The k-th step to come is built when the k - 1 before it, and the one under way, have ended.
        let ended = |steps| visible(end_ps + self.stretch_ps(stretch.base_ps, stretch.slope_ps, steps)) < now;
        let (mut low, mut high) = (1, stretch.left);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if ended(middle - 1) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        self.build_stretch(low);
    }

    /// Builds all steps of the stretch: the last of them is then under way.
    pub(super) fn finish_stretch(&mut self) {
        if let Some(stretch) = self.stretch {
            self.build_stretch(stretch.left);
            self.stretch = None;
        }
    }

    /// Somebody new may be admitted: the stretch ends with the step under way, which [`Engine::advance_to`] has
    /// brought up to date.
    pub(super) fn cut_stretch(&mut self) {
        self.stretch = None;
    }

    /// Builds the next `steps` steps of the stretch, at once but for those in which a block is taken or published.
    fn build_stretch(&mut self, steps: u64) {
        let (Some(stretch), Some(end_ps)) = (self.stretch, self.step_end_ps) else { return };
        debug_assert!(steps <= stretch.left);
        let count = self.lockstep.count() as u64;
        let all_ps = self.stretch_ps(stretch.base_ps, stretch.slope_ps, steps);
        let first = self.lockstep.step;
        let mut step = 0;
        while step < steps {
            let buckets = &self.lockstep.buckets;
            let due = buckets.due(first + step);
            if buckets.count(due.wanting) + buckets.count(due.publishing) == 0 {
                step += u64::from(buckets.quiet_steps(first + step));
                continue;
            }
            let before_ps = self.stretch_ps(stretch.base_ps, stretch.slope_ps, step);
            self.lockstep.step = first + step;
            self.turn_blocks(visible(end_ps + before_ps), due);
            step += 1;
        }
        if steps > 0 {
            // In between the context only grows: what lies outside is the first of these steps or the last.
            let (low, high) = (self.lockstep.context, self.lockstep.context + (steps - 1) * count);
            self.work.extrapolated |= self.timing.extrapolates(&self.decode_shape(low))
                || self.timing.extrapolates(&self.decode_shape(high));
        }
        self.lockstep.step = first + steps;
        self.lockstep.context += steps * count;
        self.context_tokens += steps * count;
        self.step_end_ps = Some(end_ps + all_ps);
        self.work.steps += steps;
        self.work.sequence_steps += steps * count;
        self.work.output_tokens += steps * count;
        self.work.busy_ps += all_ps;
        let used_blocks = self.cache.total_blocks() - self.cache.free_blocks();
        self.work.kv_peak_blocks = self.work.kv_peak_blocks.max(used_blocks);
        if steps > 0 {
            // Whoever came before this instant came before the last of these steps was built.
            self.seen = self.arrivals;
        }
        let left = stretch.left - steps;
        self.stretch = (left > 0).then_some(Stretch { left, ..stretch });
    }
}
