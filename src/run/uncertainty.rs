//! A plan as it would be if its numbers were off by what they are known to be off: the same world with slower or faster steps, more
//! or fewer KV blocks, slower or faster prefills. Knows a plan's numbers and a profile's stated errors; must not know what is
//! made of the results.

use crate::replica::ServerParams;
use crate::scenario::Plan;
use crate::time::Span;
use crate::timing::{IngressParams, TimingParams, profile};

/// The error of step times where a profile states none, as a share: what the default profile misses on measured serving points
/// (its `known_error` says 7 to 9 % on one engine, 11 to 17 % on another).
pub const STEP_ERROR: f64 = 0.12;
/// The error of times to first token where a profile states none: half of what the default profile misses without
/// saturation, 17 to 50 % low.
pub const TTFT_ERROR: f64 = 0.30;
/// The error of a derived KV capacity: our choice. Engines of one model and GPU differ by as much in what they set aside for
/// activations and graphs (docs/model/timing.md).
pub const KV_ERROR: f64 = 0.10;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Every step takes so much longer.
    StepTime,
    /// There are so many more KV blocks.
    KvCapacity,
    /// Prefill and the front end take so much longer, and decoding what it took.
    Ttft,
}

impl What {
    /// All, in order.
    pub const ALL: [What; 3] = [What::StepTime, What::KvCapacity, What::Ttft];
    /// The name.
    pub fn name(self) -> &'static str {
        ["step time", "KV capacity", "TTFT"][self as usize]
    }
}

/// One change, of all pools by their own errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What is changed.
    pub what: What,
    /// Whether to more.
    pub more: bool,
    /// By how much: the largest of the pools' errors, as a share.
    pub by: f64,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.more { '+' } else { '-' };
        write!(f, "{} {sign}{:.1} %", self.what.name(), 100.0 * self.by)
    }
}

/// The errors of a pool's profile: step time and TTFT, as shares. Of several groups the one with the largest median error.
fn errors(timing: Option<&str>) -> (f64, f64) {
    // A pool's facts have `name vN`.
    let name = timing.and_then(|timing| timing.split(' ').next()).unwrap_or_default();
    let lines = profile::profile(name).map(|profile| profile.errors.as_slice()).unwrap_or_default();
    let largest = |quantities: &[&str]| {
        let found = lines.iter().filter(|line| quantities.contains(&line.quantity.as_str()));
        found.map(|line| line.median / 100.0).reduce(f64::max)
    };
    (largest(&["step", "tpot"]).unwrap_or(STEP_ERROR), largest(&["ttft"]).unwrap_or(TTFT_ERROR))
}

/// The error of a pool in what a change is about; 0 where the scenario states the number.
fn error_of(plan: &Plan, pool: usize, what: What) -> f64 {
    let facts = &plan.facts.pools[pool];
    let (step, ttft) = errors(facts.timing.as_deref());
    match what {
        What::StepTime => step,
        What::Ttft => ttft,
        What::KvCapacity if facts.kv.is_some() => KV_ERROR,
        What::KvCapacity => 0.0,
    }
}

/// The plan under each change that changes something.
pub fn changes(plan: &Plan) -> Vec<(Change, Plan)> {
    let mut found = Vec::new();
    for what in What::ALL {
        for more in [false, true] {
            let mut changed = plan.clone();
            let mut by = 0.0f64;
            for index in 0..plan.facts.pools.len() {
                let error = error_of(plan, index, what);
                let factor = if more { 1.0 + error } else { 1.0 - error };
                if error > 0.0 && apply(&mut changed, index, what, factor) {
                    by = by.max(error);
                }
            }
            if by > 0.0 {
                found.push((Change { what, more, by }, changed));
            }
        }
    }
    found
}

/// Changes a pool by a factor; whether it has what the change is about.
fn apply(plan: &mut Plan, index: usize, what: What, factor: f64) -> bool {
    let Some(pool) = plan.world.pools.iter_mut().nth(index) else { return false };
    match what {
        What::KvCapacity => {
            let ServerParams::Engine(engine) = &mut pool.server else { return false };
            engine.kv_blocks = ((f64::from(engine.kv_blocks) * factor).round() as u32).max(2);
            true
        }
        What::StepTime => pool.timing.as_mut().is_some_and(|timing| {
            steps(timing, factor);
            true
        }),
        What::Ttft => {
            pool.ingress = scaled(pool.ingress, factor);
            pool.timing.as_mut().is_some_and(|timing| {
                prefills(timing, factor);
                true
            })
        }
    }
}

fn scaled(ingress: IngressParams, factor: f64) -> IngressParams {
    let of = |span: Span| Span((span.0 as f64 * factor).round() as u64);
    IngressParams { base: of(ingress.base), per_token: of(ingress.per_token) }
}

/// All of a step takes `factor` times as long: rates divided, overheads multiplied.
fn steps(timing: &mut TimingParams, factor: f64) {
    match timing {
        TimingParams::Roofline(params) => {
            let (gpu, profile) = (&mut params.gpu, &mut params.profile);
            gpu.bf16_tflops /= factor;
            gpu.fp8_tflops = gpu.fp8_tflops.map(|tflops| tflops / factor);
            gpu.memory_gb_per_s /= factor;
            gpu.all_reduce_gb_per_s /= factor;
            gpu.all_reduce_floor_us *= factor;
            profile.t0_us *= factor;
            profile.t_layer_us *= factor;
            profile.t_prefill_layer_us *= factor;
            profile.t_sequence_us *= factor;
        }
        TimingParams::Linear(params) => {
            params.base_us *= factor;
            params.per_prefill_token_us *= factor;
            params.per_prefill_seq_us *= factor;
            params.per_decode_seq_us *= factor;
            params.per_context_token_ns *= factor;
        }
        TimingParams::Table(params) => params.rows.iter_mut().for_each(|row| row.step_us *= factor),
    }
}

/// What prefill alone pays takes `factor` times as long: multiplication, which decoding of moderate batches does not wait for.
fn prefills(timing: &mut TimingParams, factor: f64) {
    match timing {
        TimingParams::Roofline(params) => {
            params.gpu.bf16_tflops /= factor;
            params.gpu.fp8_tflops = params.gpu.fp8_tflops.map(|tflops| tflops / factor);
            params.profile.t_prefill_layer_us *= factor;
        }
        TimingParams::Linear(params) => {
            params.per_prefill_token_us *= factor;
            params.per_prefill_seq_us *= factor;
        }
        // A table does not tell prefill from decoding; its front end is scaled.
        TimingParams::Table(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::BatchShape;
    use std::path::Path;

    fn plan(timing: &str) -> Plan {
        let text = format!(
            "[models.chat]\npreset = \"llama-3.1-8b\"\n[regions.us]\nlocation = \"aws:us-east-1\"\npools.main = {{ gpu = \"h100-sxm\"{timing} }}\n\
             [workloads.main.synthetic]\nsessions_per_s = 1\nrequests = 10\n"
        );
        crate::scenario::parse("x", &text, Path::new("."), "x", &[]).unwrap_or_else(|found| panic!("{found}"))
    }

    fn step(plan: &Plan, shape: BatchShape) -> f64 {
        let timing = plan.world.pools.as_slice()[0].timing.as_ref().expect("an engine");
        timing.build().expect("a step time").line(&shape).base_ps as f64
    }

    #[test]
    fn steps_scale_and_prefills_leave_decoding_alone() {
        let plan = plan("");
        let decode = BatchShape { tokens: 8, sequences: 8, context_tokens: 8_000, ..BatchShape::default() };
        let prefill =
            BatchShape { tokens: 8_192, sequences: 1, prefills: 1, prefill_pairs2: 8_192 * 8_193, ..decode };
        let of = |what: What, more: bool| {
            let found =
                changes(&plan).into_iter().find(|(change, _)| (change.what, change.more) == (what, more));
            found.expect("the change")
        };
        let (change, slower) = of(What::StepTime, true);
        // The default profile states no errors by group.
        assert_eq!(change.by, STEP_ERROR);
        for shape in [decode, prefill] {
            assert!((step(&slower, shape) / step(&plan, shape) - 1.12).abs() < 1e-9);
        }
        let (_, later) = of(What::Ttft, true);
        let (longer, same) =
            (step(&later, prefill) / step(&plan, prefill), step(&later, decode) / step(&plan, decode));
        assert!((1.2..1.31).contains(&longer), "{longer}: nearly all of a full prefill is multiplication");
        assert!((1.0..1.01).contains(&same), "{same}");
        let (_, fewer) = of(What::KvCapacity, false);
        let blocks = |plan: &Plan| match &plan.world.pools.as_slice()[0].server {
            ServerParams::Engine(engine) => engine.kv_blocks,
            _ => 0,
        };
        assert_eq!(blocks(&fewer), (f64::from(blocks(&plan)) * 0.9).round() as u32);
        assert_eq!(changes(&plan).len(), 6);
    }

    #[test]
    fn a_profile_that_states_errors_is_believed_and_given_blocks_are_certain() {
        let plan = plan(", engine = { kv_blocks = 1000 }, timing = { profile = \"vllm-h100\" }");
        let found = changes(&plan);
        assert!(found.iter().all(|(change, _)| change.what != What::KvCapacity));
        // The medians of its groups: TPOT at most 2.6 %, TTFT at most 17 % on strata that were left out.
        let by = |what: What| found.iter().find(|(change, _)| change.what == what).expect("the change").0.by;
        let stated = |quantity: &str| {
            let lines = &profile::profile("vllm-h100").expect("shipped").errors;
            lines.iter().filter(|line| line.quantity == quantity).map(|line| line.median).fold(0.0, f64::max)
                / 100.0
        };
        assert_eq!((by(What::StepTime), by(What::Ttft)), (stated("tpot"), stated("ttft")));
        assert!(by(What::StepTime) < STEP_ERROR);
    }
}
