//! A closed-loop benchmark against one replica: so many clients, each sending its next request when its last has ended.
//! Knows the serving engine and lengths; must not know scenarios or regions.

use super::measured::Hardware;
use crate::observe::Outcome;
use crate::replica::{
    CacheMethod, EngineParams, Habits, Job, JobId, Method, Output, Replica, Scheduler, ServerParams, Stepping,
};
use crate::rng::Key;
use crate::time::SimTime;
use crate::timing::{Constants, EngineKind, ProfileParams, StepTime, activation_bytes, derive_kv_blocks};
use crate::workload::Chain;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Tokens of a KV block: vLLM's default.
pub const BLOCK_TOKENS: u32 = 16;

/// How a benchmark was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Longest prompt, tokens.
    pub input_tokens: u32,
    /// Longest output, tokens.
    pub output_tokens: u32,
    /// Clients.
    pub concurrency: u32,
    /// Lengths are even between this share of the longest and the longest; 1 makes all equal.
    pub shortest: f64,
    /// Requests a client sends; all count, those of the first burst too.
    pub requests_per_client: u32,
    /// Token budget of a step.
    pub max_num_batched_tokens: u32,
    /// KV blocks, where the engine's log told them.
    pub kv_blocks: Option<u32>,
    /// Whose scheduler.
    pub engine: EngineKind,
    /// Tokens that the server puts into one piece of its stream: the client sees its first token with so many others.
    /// 1 sends each by itself.
    pub stream_interval: u32,
}

/// Means over all requests of a benchmark, milliseconds; not a number when none completed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Played {
    /// Time to first token.
    pub ttft_ms: f64,
    /// Time per output token after the first.
    pub tpot_ms: f64,
    /// From request to last token.
    pub e2e_ms: f64,
}

/// The KV blocks of `hardware` at vLLM's default of 0.9 of the memory; `None` when the weights leave no room.
pub fn kv_blocks(hardware: &Hardware, budget: u32) -> Option<u32> {
    let Hardware { model, gpu, tp, weights, kv } = hardware;
    let activations = activation_bytes(&model.dims, budget);
    let fits =
        derive_kv_blocks(&model.dims, gpu.memory_bytes, *tp, *weights, *kv, 0.9, BLOCK_TOKENS, activations)
            .ok()?;
    u32::try_from(fits.blocks).ok()
}

/// One replica of `hardware`.
pub(super) fn replica(params: EngineParams, timing: Arc<dyn StepTime>) -> Replica {
    let method = Method { stepping: Stepping::Fast, cache: CacheMethod::Extents };
    Replica::new(&ServerParams::Engine(params), Some(timing), method)
}

/// An engine with vLLM's defaults but for what engines of its kind do; prompts that share nothing.
pub(super) fn engine(kind: EngineKind, kv_blocks: u32, budget: u32, max_num_seqs: u32) -> EngineParams {
    let Habits { batching, admission, async_scheduling } = Habits::of(kind);
    EngineParams {
        kv_blocks,
        block_tokens: BLOCK_TOKENS,
        max_num_batched_tokens: budget,
        max_num_seqs,
        long_prefill_token_threshold: 0,
        max_model_len: u32::MAX / 2,
        scheduler: Scheduler::Fcfs,
        admission,
        watermark_blocks: 0,
        prefix_cache: false,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching,
        async_scheduling,
    }
}

/// Plays the benchmark.
pub fn play(point: &Point, hardware: &Hardware, timing: Arc<dyn StepTime>, constants: &Constants) -> Played {
    let nothing = Played { ttft_ms: f64::NAN, tpot_ms: f64::NAN, e2e_ms: f64::NAN };
    let Some(blocks) = point.kv_blocks.or_else(|| kv_blocks(hardware, point.max_num_batched_tokens)) else {
        return nothing;
    };
    let ingress = ProfileParams::from(*constants).ingress;
    let mut replica = replica(engine(point.engine, blocks, point.max_num_batched_tokens, 1_024), timing);
    let total = point.concurrency.saturating_mul(point.requests_per_client);
    // The same lengths for every profile, so that two fits see the same benchmark.
    let key =
        Key::root(1).named("calibrate").at(u64::from(point.input_tokens)).at(u64::from(point.output_tokens));
    let length = |longest: u32, purpose: &str, request: u32| {
        let unit = key.named(purpose).at(u64::from(request)).unit();
        let share = point.shortest + (1.0 - point.shortest) * unit;
        ((f64::from(longest) * share).round() as u32).max(1)
    };
    let mut sent = vec![SimTime::ZERO; total as usize];
    let mut first = vec![SimTime::ZERO; total as usize];
    let mut arrivals: BinaryHeap<Reverse<(SimTime, u32)>> = BinaryHeap::new();
    let mut next = 0;
    let mut send =
        |now: SimTime, sent: &mut Vec<SimTime>, arrivals: &mut BinaryHeap<Reverse<(SimTime, u32)>>| {
            if next < total {
                sent[next as usize] = now;
                arrivals.push(Reverse((now + ingress.of(length(point.input_tokens, "input", next)), next)));
                next += 1;
            }
        };
    for _ in 0..point.concurrency {
        send(SimTime::ZERO, &mut sent, &mut arrivals);
    }
    let (mut ttft, mut tpot, mut e2e, mut done) = (0.0, 0.0, 0.0, 0u32);
    let mut out = Vec::new();
    loop {
        let arrival = arrivals.peek().map(|&Reverse(head)| head);
        match (arrival, replica.wake_at()) {
            (None, None) => break,
            (Some((at, request)), wake) if wake.is_none_or(|wake| at <= wake) => {
                arrivals.pop();
                replica.advance_to(at);
                let job = Job {
                    id: JobId(request),
                    prompt_tokens: length(point.input_tokens, "input", request),
                    output_tokens: length(point.output_tokens, "output", request),
                    priority: 0,
                    chain: Chain::new(),
                };
                replica.deliver(at, &job, &mut out);
            }
            (_, wake) => {
                let at = wake.expect("one of the two is there");
                replica.wake(at, &mut out);
            }
        }
        for output in out.drain(..) {
            match output {
                Output::FirstToken { job, at, .. } => first[job.0 as usize] = at,
                Output::Ended { job, at, outcome, tokens } => {
                    let request = job.0 as usize;
                    if outcome == Outcome::Completed {
                        done += 1;
                        let gaps = f64::from(tokens.output.max(2) - 1);
                        let decoding = at.since(first[request]).as_ms_f64();
                        // The rest of the first piece comes at the request's own pace.
                        let held = decoding * (f64::from(point.stream_interval.max(1) - 1) / gaps).min(1.0);
                        ttft += first[request].since(sent[request]).as_ms_f64() + held;
                        e2e += at.since(sent[request]).as_ms_f64();
                        tpot += (decoding - held) / gaps;
                    }
                    send(at, &mut sent, &mut arrivals);
                }
            }
        }
    }
    if done == 0 {
        return nothing;
    }
    let mean = |sum: f64| sum / f64::from(done);
    Played { ttft_ms: mean(ttft), tpot_ms: mean(tpot), e2e_ms: mean(e2e) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Dtype, gpu, model};
    use crate::timing::{BatchShape, Line, profile};

    /// A millisecond a step and a microsecond a token, whatever the shape.
    #[derive(Debug)]
    struct Plain;
    impl StepTime for Plain {
        fn line(&self, shape: &BatchShape) -> Line {
            let base_ps = 1_000_000_000 + 1_000_000 * i64::from(shape.tokens);
            Line { base_ps, slope_ps: 0, until_context: u64::MAX }
        }
    }

    #[test]
    fn two_clients_by_hand() {
        // Two clients, prompts of 100 and outputs of 11 tokens, no ingress. Both prompts in one step: 1.2 ms, the first
        // tokens; then ten steps of two tokens, 1.002 ms each. The second round is like the first.
        let hardware = Hardware {
            model: model("llama-3.1-8b").unwrap(),
            gpu: gpu("h100-sxm").unwrap(),
            tp: 1,
            weights: Dtype::Bf16,
            kv: Dtype::Bf16,
        };
        let point = Point {
            input_tokens: 100,
            output_tokens: 11,
            concurrency: 2,
            shortest: 1.0,
            requests_per_client: 2,
            max_num_batched_tokens: 8_192,
            kv_blocks: None,
            engine: EngineKind::Vllm,
            stream_interval: 1,
        };
        let mut constants = profile("p0").unwrap().constants;
        (constants.ingress_us, constants.ingress_per_token_us) = (0.0, 0.0);
        let played = play(&point, &hardware, Arc::new(Plain), &constants);
        assert!((played.ttft_ms - 1.2).abs() < 1e-6, "{played:?}");
        assert!((played.tpot_ms - 1.002).abs() < 1e-6, "{played:?}");
        assert!((played.e2e_ms - 11.22).abs() < 1e-6, "{played:?}");
        // A millisecond of ingress and one for each hundred tokens: both wait, nothing else changes.
        (constants.ingress_us, constants.ingress_per_token_us) = (1_000.0, 10.0);
        let waited = play(&point, &hardware, Arc::new(Plain), &constants);
        assert!((waited.ttft_ms - 3.2).abs() < 1e-6 && (waited.e2e_ms - 13.22).abs() < 1e-6, "{waited:?}");
        // Six tokens a piece: the first is seen five steps of 1.002 ms later, and clients divide what is left by all gaps.
        let held = play(&Point { stream_interval: 6, ..point }, &hardware, Arc::new(Plain), &constants);
        assert!((held.ttft_ms - 8.21).abs() < 1e-6 && (held.e2e_ms - 13.22).abs() < 1e-6, "{held:?}");
        assert!((held.tpot_ms - 0.501).abs() < 1e-6, "{held:?}");
    }
}
