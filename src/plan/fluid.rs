//! A fluid estimate of what a region's own demand takes: prefill tokens and output tokens a second against what one replica
//! can do at best. Knows rates and step times; must not know queues, so that it lies below what a plan takes where work is
//! spread evenly and runs are long. It is where a search looks first, and never what it trusts.

use super::cell::Demand;
use crate::replica::ServerParams;
use crate::timing::BatchShape;
use crate::world::{PoolParams, SloParams};
use serde::Serialize;

/// What one replica can do at best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Prompt tokens a second, nothing else done.
    pub prefill_tokens_per_s: f64,
    /// Output tokens a second, nothing else done.
    pub output_tokens_per_s: f64,
    /// Sequences that decode at once at that rate.
    pub batch: u32,
    /// What holds that number: `slots`, `kv` or `itl`; `server` for plain queues.
    pub held_by: &'static str,
}

/// Of an engine: whole steps of prompt, and steps of the largest batch that slots, KV blocks and the ITL limit allow.
pub fn rates(pool: &PoolParams, mean_prompt: f64, mean_output: f64, slo: &SloParams) -> Option<Rates> {
    let engine = match &pool.server {
        ServerParams::Engine(engine) => engine,
        ServerParams::Fifo(queue) | ServerParams::Ps(queue) => {
            let service = queue.per_request.as_secs_f64()
                + queue.per_prompt_token.as_secs_f64() * mean_prompt
                + queue.per_output_token.as_secs_f64() * mean_output;
            let slots = if matches!(pool.server, ServerParams::Fifo(_)) { queue.slots } else { 1 };
            let per_s = f64::from(slots) / service.max(1e-9);
            // All of its time goes by requests: told as if by output alone.
            return Some(Rates {
                prefill_tokens_per_s: f64::INFINITY,
                output_tokens_per_s: per_s * mean_output.max(1.0),
                batch: slots,
                held_by: "server",
            });
        }
    };
    let timing = pool.timing.as_ref()?.build().ok()?;
    let chunk = engine.max_num_batched_tokens.max(1);
    // A chunk of a prompt of mean length has half of it behind it on the mean.
    let context = (mean_prompt / 2.0) as u64;
    let shape = BatchShape {
        tokens: chunk,
        sequences: 1,
        prefills: 1,
        prefill_pairs2: u64::from(chunk)
            * (2 * context + u64::from(chunk) + 1).min(2 * mean_prompt as u64 + 1),
        context_tokens: context,
    };
    let prefill = f64::from(chunk) / (timing.step(&shape).0 as f64 / 1e12);
    let context = mean_prompt + mean_output / 2.0;
    let kv_tokens = f64::from(engine.usable_blocks()) * f64::from(engine.block_tokens);
    let by_kv = ((kv_tokens / (mean_prompt + mean_output).max(1.0)) as u32).max(1);
    let step_s = |batch: u32| {
        let shape = BatchShape {
            tokens: batch,
            sequences: batch,
            context_tokens: (f64::from(batch) * context) as u64,
            ..BatchShape::default()
        };
        timing.step(&shape).0 as f64 / 1e12
    };
    let (mut batch, mut held_by) =
        if by_kv < engine.max_num_seqs { (by_kv, "kv") } else { (engine.max_num_seqs, "slots") };
    if let Some(itl) = slo.itl {
        let within = |batch: u32| step_s(batch) <= itl.as_secs_f64();
        if !within(batch) {
            let (mut low, mut high) = (1, batch);
            while low + 1 < high {
                let middle = u32::midpoint(low, high);
                *(if within(middle) { &mut low } else { &mut high }) = middle;
            }
            (batch, held_by) = (low, "itl");
        }
    }
    Some(Rates {
        prefill_tokens_per_s: prefill,
        output_tokens_per_s: f64::from(batch) / step_s(batch),
        batch,
        held_by,
    })
}

/// Replicas that a demand takes at least, as far as rates go: the sum of the shares of a replica's time.
pub fn replicas(rates: &Rates, demand: &Demand, span_s: f64) -> f64 {
    let per_s = |tokens: u64| tokens as f64 / span_s.max(1e-9);
    per_s(demand.computed_tokens) / rates.prefill_tokens_per_s
        + per_s(demand.output_tokens) / rates.output_tokens_per_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RegionId;
    use crate::replica::QueueParams;
    use crate::time::Span;
    use crate::timing::IngressParams;

    #[test]
    fn a_queue_of_four_slots_by_hand() {
        // 100 ms a request and 10 ms an output token: 50 tokens take 600 ms; four slots do 6.67 requests, 333.3 tokens, a
        // second. 1,000 requests in 100 s are 500 tokens a second: 1.5 replicas.
        let queue = QueueParams {
            slots: 4,
            capacity: None,
            per_request: Span::from_ms(100),
            per_prompt_token: Span::ZERO,
            per_output_token: Span::from_ms(10),
        };
        let pool = PoolParams {
            name: "a/b".into(),
            region: RegionId(0),
            replicas: 1,
            gpus_per_replica: 0,
            server: ServerParams::Fifo(queue),
            timing: None,
            ingress: IngressParams::NONE,
        };
        let rates = rates(&pool, 10.0, 50.0, &SloParams::default()).unwrap();
        assert!((rates.output_tokens_per_s - 333.333_333).abs() < 1e-3);
        let demand = Demand { requests: 1_000, output_tokens: 50_000, ..Demand::default() };
        assert!((replicas(&rates, &demand, 100.0) - 1.5).abs() < 1e-9);
    }
}
