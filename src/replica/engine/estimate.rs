//! How long a prompt would wait for its first token: the rest of the step under way, then the prefill that is owed to
//! those before it, then its own, in steps filled to the token budget beside everybody who decodes (beside nobody, where
//! prompts go first). Knows the engine at this instant; nobody ends and nobody comes, and a step composed ahead is not
//! waited for. It does not wait for a place in the batch or for blocks, so at an engine
//! that is full it is too short.

use super::{Engine, visible};
use crate::kvcache::KvCache;
use crate::replica::params::Batching;
use crate::time::{PS_PER_NS, SimTime, Span};
use crate::timing::BatchShape;

impl<C: KvCache> Engine<C> {
    /// The time before the prompt's own prefill, and that prefill.
    pub fn estimate(&self, now: SimTime, prompt: u32, cached: u32) -> (Span, Span) {
        let step_under_way = self.step_end_ps.map_or(Span::ZERO, |end| visible(end).since(now));
        let block_tokens = self.params.block_tokens;
        let (mut owed, mut decoding) = (0u64, self.lockstep.count() as u32);
        for &slot in self.running.range(self.lockstep.count()..) {
            let sequence = &self.sequences[slot as usize];
            match sequence.outstanding() {
                0 | 1 => decoding += 1,
                tokens => owed += u64::from(tokens),
            }
        }
        for &slot in &self.waiting {
            let sequence = &self.sequences[slot as usize];
            let limit = (sequence.known() - 1) / block_tokens;
            let held = self.holds(&sequence.chain, limit) * block_tokens;
            owed += u64::from(sequence.known() - held);
        }
        let mut context_tokens = self.context_tokens;
        if self.params.batching == Batching::PrefillFirst {
            (decoding, context_tokens) = (0, 0);
        }
        let room = u64::from(self.params.max_num_batched_tokens.saturating_sub(decoding).max(1));
        // A step with these chunks, each of so many tokens on so much context, beside those who decode.
        let step = |chunks: &[(u64, u64)]| {
            let mut shape =
                BatchShape { tokens: decoding, sequences: decoding, context_tokens, ..BatchShape::default() };
            for &(tokens, context) in chunks.iter().filter(|(tokens, _)| *tokens > 0) {
                shape.tokens += tokens as u32;
                shape.sequences += 1;
                shape.context_tokens += context;
                if tokens > 1 {
                    shape.prefills += 1;
                    shape.prefill_pairs2 += tokens * (2 * context + tokens + 1);
                }
            }
            self.timing.step(&shape).0
        };
        let (full, rest) = (owed / room, owed % room);
        let queue_ps = if full > 0 { step(&[(room, 0)]).saturating_mul(full) } else { 0 };
        let (mut left, mut context) = (u64::from(prompt - cached.min(prompt)).max(1), u64::from(cached));
        let mut beside = rest;
        let mut own_ps = 0u64;
        while left > 0 {
            let chunk = left.min(room - beside);
            own_ps = own_ps.saturating_add(step(&[(beside, 0), (chunk, context)]));
            (left, context, beside) = (left - chunk, context + chunk, 0);
        }
        let ns = |ps: u64| Span(ps.div_ceil(PS_PER_NS));
        (step_under_way + ns(queue_ps), ns(own_ps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kvcache::ExtentCache;
    use crate::replica::{Admission, Batching, EngineParams, Job, JobId, Scheduler, Stepping};
    use crate::timing::{IngressParams, LinearParams, TimingParams};
    use crate::workload::{Chain, Run};
    use std::sync::Arc;

    fn engine() -> Engine<ExtentCache> {
        // 1 ms a step, 10 µs a prompt token.
        let timing = TimingParams::Linear(LinearParams {
            base_us: 1_000.0,
            per_prefill_token_us: 10.0,
            per_prefill_seq_us: 0.0,
            per_decode_seq_us: 0.0,
            per_context_token_ns: 0.0,
            captured_seqs: 0,
            eager_us: 0.0,
            ingress: IngressParams::NONE,
        });
        let params = EngineParams {
            kv_blocks: 1_000,
            block_tokens: 16,
            max_num_batched_tokens: 100,
            max_num_seqs: 8,
            long_prefill_token_threshold: 0,
            max_model_len: 10_000,
            scheduler: Scheduler::Fcfs,
            admission: Admission::FullIsl,
            watermark_blocks: 0,
            prefix_cache: true,
            checkpoint_blocks: 1,
            chunked_prefill: true,
            batching: Batching::Mixed,
            async_scheduling: false,
        };
        Engine::new(params, Arc::from(timing.build().unwrap()), Stepping::Fast)
    }
    fn job(id: u32, prompt_tokens: u32) -> Job {
        let mut chain = Chain::new();
        chain.push(Run { key: u64::from(id), start: 0, len: (prompt_tokens + 1) / 16 });
        Job { id: JobId(id), prompt_tokens, output_tokens: 1, priority: 0, chain }
    }

    #[test]
    fn an_idle_engine_takes_its_own_prefill_and_is_right() {
        let mut engine = engine();
        // 250 tokens in steps of 100, 100 and 50: 2 + 2 + 1.5 ms. With 200 of them here: 1.5 ms.
        let ms = |ms: f64| Span((ms * 1e6) as u64);
        assert_eq!(engine.estimate(SimTime(0), 250, 0), (Span::ZERO, ms(5.5)));
        assert_eq!(engine.estimate(SimTime(0), 250, 200), (Span::ZERO, ms(1.5)));
        let mut out = Vec::new();
        engine.deliver(SimTime(0), &job(1, 250), &mut out);
        // It waits: 250 are owed; two full steps, and 50 beside the first 50 of another 120, whose last 70 follow:
        // 2 + 2, then 2 + 1.7 ms.
        assert_eq!(engine.estimate(SimTime(0), 120, 0), (ms(4.0), ms(3.7)));
        engine.deliver(SimTime(0), &job(2, 120), &mut out);
        while let Some(at) = engine.wake_at() {
            engine.wake(at, &mut out);
        }
        let first = |id: u32| {
            let found = out.iter().find_map(|output| match output {
                crate::replica::Output::FirstToken { job, at, .. } if job.0 == id => Some(*at),
                _ => None,
            });
            found.expect("a first token")
        };
        assert_eq!(
            (first(1), first(2)),
            (SimTime(6_000_000), SimTime(7_700_000)),
            "the first shares its last step"
        );
    }

    #[test]
    fn a_step_under_way_is_waited_for_and_what_it_took_is_not_owed_twice() {
        let (mut engine, mut out) = (engine(), Vec::new());
        engine.deliver(SimTime(0), &job(1, 150), &mut out);
        engine.wake(SimTime(0), &mut out);
        // Until 2 ms the first 100 tokens are computed; 50 are owed, beside which 50 of 90 fit, then 40.
        let at = SimTime(500_000);
        engine.advance_to(at);
        assert_eq!(engine.estimate(at, 90, 0), (Span::from_us(1_500), Span::from_us(2_000 + 1_400)));
    }
}
