//! Admission with an estimate of output to come, after SGLang's `PrefillAdder` (`managers/schedule_policy.py`) and
//! `new_token_ratio` (`managers/scheduler.py`): a share of what running sequences may still produce is kept free. The share
//! begins at 0.7, falls in 600 decode steps to 0.098, is set anew by a preemption and begins again when the engine is
//! idle. SGLang estimates from `max_tokens`, which is taken as the true output here, as benchmarks set it.

use super::Engine;
use crate::kvcache::KvCache;
use crate::replica::sequence::Sequence;

/// The share that is kept at first, millionths: SGLang's `SGLANG_INIT_NEW_TOKEN_RATIO` with conservativeness 1.
const FIRST_SHARE: u64 = 700_000;
/// The least, millionths: 0.14 of the first (`SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR`).
const LEAST_SHARE: u64 = 98_000;
/// Decode steps from the first to the least (`SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS`).
const DECAY_STEPS: u64 = 600;
/// No estimate is larger, tokens (`SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION`).
const MOST_TOKENS: u32 = 4_096;
/// Steps that every survivor of a preemption is given (`SGLANG_RETRACT_DECODE_STEPS`).
const STEPS_AFTER_PREEMPTION: u64 = 20;
const MILLION: u64 = 1_000_000;

/// The share of output to come that is kept free: where it began, and at which step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserve {
    share: u64,
    since: u64,
}

impl Default for Reserve {
    fn default() -> Self {
        Reserve { share: FIRST_SHARE, since: 0 }
    }
}

impl Reserve {
    /// The engine has nothing to do.
    pub(super) fn forget(&mut self, step: u64) {
        *self = Reserve { share: FIRST_SHARE, since: step };
    }
    /// Millionths, after `step` steps.
    fn at(self, step: u64) -> u64 {
        let fallen = (step - self.since) * (FIRST_SHARE - LEAST_SHARE) / DECAY_STEPS;
        self.share.saturating_sub(fallen).max(LEAST_SHARE)
    }
}

/// Tokens that a waiting sequence needs: all it knows, and what it may produce. The last is never computed.
pub(super) fn with_estimate<T>(sequence: &Sequence<T>) -> u32 {
    let to_come = sequence.output - sequence.generated;
    sequence.known() + to_come.min(MOST_TOKENS) - 1
}

impl<C: KvCache> Engine<C> {
    /// Output tokens that the running sequence at this place of the running list has, and all it will have.
    fn output(&self, place: usize, slot: u32) -> (u32, u32) {
        let sequence = &self.sequences[slot as usize];
        let generated =
            if place < self.lockstep.count() { self.locked_output(slot) } else { sequence.generated };
        (generated, sequence.output)
    }

    /// Blocks to be left for running sequences: those scheduled in this step count in full, the others by the share.
    pub(super) fn reserved_blocks(&self) -> u32 {
        let (mut new, mut old) = (0u64, 0u64);
        for (place, &slot) in self.running.iter().enumerate() {
            let (generated, output) = self.output(place, slot);
            let to_come = u64::from((output - generated).min(MOST_TOKENS));
            if generated == 0 { new += to_come } else { old += to_come }
        }
        let tokens = new + (old * self.reserve.at(self.lockstep.step)).div_ceil(MILLION);
        u32::try_from(tokens.div_ceil(u64::from(self.params.block_tokens))).unwrap_or(u32::MAX)
    }

    /// A sequence was preempted: the share becomes what those who run have shown, and room for some steps more.
    pub(super) fn reserve_more(&mut self) {
        let (mut have, mut all) = (0u64, 1u64);
        for (place, &slot) in self.running.iter().enumerate() {
            let (generated, output) = self.output(place, slot);
            have += u64::from(generated) + STEPS_AFTER_PREEMPTION;
            all += u64::from(output);
        }
        self.reserve = Reserve { share: (have * MILLION / all).min(MILLION), since: self.lockstep.step };
    }
}
