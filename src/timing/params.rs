//! The numbers of a step-time model, every name resolved. Knows model dimensions, GPU rates and profile constants;
//! must not know where a scenario names them.

use super::profile::Range;
use crate::catalog::{Dtype, Gpu, ModelDims};
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// A step-time model with all its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TimingParams {
    /// From a model's dimensions and a GPU's rates.
    Roofline(RooflineParams),
    /// From coefficients.
    Linear(LinearParams),
    /// From measured steps.
    Table(TableParams),
}

impl TimingParams {
    /// What a request costs before the engine sees it.
    pub fn ingress(&self) -> IngressParams {
        match self {
            TimingParams::Roofline(params) => params.profile.ingress,
            TimingParams::Linear(params) => params.ingress,
            TimingParams::Table(params) => params.ingress,
        }
    }
}

/// What a request costs between its arrival at the replica and the scheduler: HTTP, tokenisation, hand-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressParams {
    /// For every request.
    pub base: Span,
    /// For each prompt token.
    pub per_token: Span,
}

impl IngressParams {
    /// No cost.
    pub const NONE: IngressParams = IngressParams { base: Span::ZERO, per_token: Span::ZERO };
    /// The time a prompt of so many tokens needs.
    pub fn of(&self, prompt_tokens: u32) -> Span {
        Span(self.base.0.saturating_add(self.per_token.0.saturating_mul(u64::from(prompt_tokens))))
    }
}

/// The roofline: one model on one set of GPUs under one profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RooflineParams {
    /// The model.
    pub model: ModelDims,
    /// The GPU.
    pub gpu: GpuRates,
    /// GPUs that share each layer (tensor parallelism), at least one.
    pub tp: u32,
    /// Bytes of a weight inside the layers.
    pub weight_dtype: Dtype,
    /// Bytes of a KV cache entry.
    pub kv_dtype: Dtype,
    /// Efficiencies and overheads.
    pub profile: ProfileParams,
    /// The largest shapes that the profile was fitted on; `None` where nothing is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted_on: Option<FittedOn>,
}

/// The largest shapes that a profile was fitted on: steps beyond them are worth a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedOn {
    /// Sequences in a step.
    pub sequences: u32,
    /// Context of one sequence, tokens: no step reads more for each of its sequences.
    pub context_tokens: u32,
}

impl FittedOn {
    /// What a profile's range says; `None` when it says nothing.
    pub fn of(range: &Range) -> Option<FittedOn> {
        let sequences = range.concurrency.map(|[_, most]| most);
        let context_tokens = range.context_tokens;
        (sequences.is_some() || context_tokens.is_some()).then(|| FittedOn {
            sequences: sequences.unwrap_or(u32::MAX),
            context_tokens: context_tokens.unwrap_or(u32::MAX),
        })
    }
}

/// A GPU's peak rates, and its link at one `tp`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuRates {
    /// Dense BF16 rate, TFLOP/s.
    pub bf16_tflops: f64,
    /// Dense FP8 rate, TFLOP/s; `None` when the GPU has no FP8 units.
    pub fp8_tflops: Option<f64>,
    /// Memory bandwidth, GB/s (10⁹ bytes).
    pub memory_gb_per_s: f64,
    /// All-reduce rate, GB/s of payload, at this `tp`.
    pub all_reduce_gb_per_s: f64,
    /// All-reduce floor, µs for each call.
    pub all_reduce_floor_us: f64,
}

impl GpuRates {
    /// A catalogue GPU's rates with so many GPUs in a replica.
    pub fn of(gpu: &Gpu, tp: u32) -> GpuRates {
        GpuRates {
            bf16_tflops: gpu.bf16_tflops,
            fp8_tflops: gpu.fp8_tflops,
            memory_gb_per_s: gpu.memory_gb_per_s,
            all_reduce_gb_per_s: gpu.all_reduce_gb_per_s(tp),
            all_reduce_floor_us: gpu.all_reduce_floor_us,
        }
    }
}

/// Constants of an engine: which share of a peak it reaches, and what it spends besides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileParams {
    /// Share of the BF16 peak that matrix products reach.
    pub e_c_bf16: f64,
    /// Share of the FP8 peak that matrix products reach.
    pub e_c_fp8: f64,
    /// Share of memory bandwidth that BF16 weight reads reach.
    pub e_m_bf16: f64,
    /// Share of memory bandwidth that FP8 weight reads reach.
    pub e_m_fp8: f64,
    /// Share of memory bandwidth that decode attention's KV reads reach.
    pub e_kv: f64,
    /// Share of the BF16 peak that prefill attention reaches.
    pub e_a: f64,
    /// Overhead of a step, µs.
    pub t0_us: f64,
    /// Overhead of a layer in every step, µs.
    pub t_layer_us: f64,
    /// Overhead of a layer in a step with a prefill, µs.
    pub t_prefill_layer_us: f64,
    /// Overhead of a sequence in a step, µs.
    pub t_sequence_us: f64,
    /// Share of the catalogue's all-reduce rate that the engine's kernels reach; above one they beat the table.
    pub all_reduce_share: f64,
    /// How often a layer reads or writes a token's hidden state on every GPU alike (residual, norms): work that tensor
    /// parallelism does not divide. Two fused norms, each reading and writing both, make eight.
    pub hidden_passes: f64,
    /// What a request costs before the scheduler.
    pub ingress: IngressParams,
}

impl ProfileParams {
    /// Whether every constant is one an engine can have: the first that is not.
    pub fn check(&self) -> Result<(), TimingError> {
        let shares = [
            ("e_c_bf16", self.e_c_bf16, 1.0),
            ("e_c_fp8", self.e_c_fp8, 1.0),
            ("e_m_bf16", self.e_m_bf16, 1.0),
            ("e_m_fp8", self.e_m_fp8, 1.0),
            ("e_kv", self.e_kv, 1.0),
            ("e_a", self.e_a, 1.0),
            ("all_reduce_share", self.all_reduce_share, 100.0),
        ];
        for (field, value, most) in shares {
            if !(0.001..=most).contains(&value) {
                let rule = format!("0.001 to {most}");
                return Err(TimingError::OutOfRange { field, value: value.to_string(), rule });
            }
        }
        if !(0.0..=1_000.0).contains(&self.hidden_passes) {
            let (field, value) = ("hidden_passes", self.hidden_passes.to_string());
            return Err(TimingError::OutOfRange { field, value, rule: "0 to 1000".to_owned() });
        }
        check_overheads(&[
            ("t0_us", self.t0_us),
            ("t_layer_us", self.t_layer_us),
            ("t_prefill_layer_us", self.t_prefill_layer_us),
            ("t_sequence_us", self.t_sequence_us),
        ])
    }
}

/// Coefficients: `base + prefill tokens × a + prefilling sequences × b + decoding sequences × c + context × d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearParams {
    /// Every step, µs.
    pub base_us: f64,
    /// Each prefill token computed, µs.
    pub per_prefill_token_us: f64,
    /// Each sequence that prefills, µs.
    pub per_prefill_seq_us: f64,
    /// Each sequence that decodes, µs.
    pub per_decode_seq_us: f64,
    /// Each token of context that attention reads, ns.
    pub per_context_token_ns: f64,
    /// The most decoding sequences that a captured graph holds; 0 is any number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub captured_seqs: u32,
    /// What the host needs to launch a step that no captured graph holds, µs: such a step takes at least that.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub eager_us: f64,
    /// What a request costs before the scheduler.
    pub ingress: IngressParams,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_nothing(us: &f64) -> bool {
    *us == 0.0
}

/// Measured steps on a complete grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableParams {
    /// The rows, in any order; every number of tokens with every context.
    pub rows: Vec<TableRow>,
    /// What a request costs before the scheduler.
    pub ingress: IngressParams,
}

/// One measured step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Tokens computed in the step.
    pub tokens: u32,
    /// Tokens in the cache, over all sequences.
    pub context_tokens: u64,
    /// What the step took, µs.
    pub step_us: f64,
}

/// Why a step-time model cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TimingError {
    /// A number out of its range.
    #[error("{field} is {value}, but must be {rule}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// FP8 weights on a GPU that has no FP8 units.
    #[error("weights are fp8, but this GPU has no FP8 rate; use bf16 weights or another GPU")]
    NoFp8,
    /// Heads that do not divide.
    #[error(
        "tp is {tp}, but the model's {heads} attention heads must divide by it; use a divisor of {heads}"
    )]
    HeadsDoNotDivide {
        /// Tensor parallelism.
        tp: u32,
        /// Attention heads.
        heads: u32,
    },
    /// A table's grid has a hole.
    #[error(
        "the table has no row for {tokens} tokens with a context of {context_tokens}; every number of tokens needs \
         every context"
    )]
    MissingRow {
        /// Tokens of the missing row.
        tokens: u32,
        /// Context of the missing row.
        context_tokens: u64,
    },
    /// A table states a point twice.
    #[error("the table has two rows for {tokens} tokens with a context of {context_tokens}; keep one")]
    DuplicateRow {
        /// Tokens of the row.
        tokens: u32,
        /// Context of the row.
        context_tokens: u64,
    },
    /// A table needs two contexts at least, to have a slope.
    #[error(
        "the table has {contexts} different contexts and {tokens} numbers of tokens; it needs two contexts and one"
    )]
    TooFewRows {
        /// Different contexts.
        contexts: usize,
        /// Different numbers of tokens.
        tokens: usize,
    },
    /// A line of a CSV table.
    #[error("line {line}: {problem}")]
    Csv {
        /// Line number, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

/// Times that may be zero, but not negative, infinite or longer than an hour.
pub(super) fn check_overheads(fields: &[(&'static str, f64)]) -> Result<(), TimingError> {
    for &(field, value) in fields {
        if !(0.0..=3.6e9).contains(&value) {
            let rule = "at least 0 and at most an hour".to_owned();
            return Err(TimingError::OutOfRange { field, value: value.to_string(), rule });
        }
    }
    Ok(())
}

/// The most picoseconds that one context token may add, 0.1 ms: far beyond any GPU, and small enough that ten thousand
/// million tokens of context fit 64 bits.
pub(super) const MAX_SLOPE_PS: i64 = 100_000_000;
