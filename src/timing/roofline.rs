//! Step time from first principles: the time of each class of kernel at the share of the GPU's peak that such kernels
//! reach, plus what an engine spends besides. Knows a model's dimensions, a GPU's rates and a profile's constants;
//! must not know their names. Formulas, constants and errors: docs/model/timing.md.

use super::params::{FittedOn, GpuRates, MAX_SLOPE_PS, ProfileParams, RooflineParams, TimingError};
use super::{BatchShape, Line, StepTime};
use crate::catalog::{Dtype, Gpu, Model};

/// Picoseconds in a second, and in a microsecond.
const PS_PER_S: f64 = 1e12;
const PS_PER_US: f64 = 1e6;

/// The roofline with everything that does not depend on the batch worked out, in picoseconds.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// Reading the weights that every step reads.
    common_read: f64,
    /// Reading one expert of every expert layer.
    expert_read: f64,
    experts: f64,
    /// Probability that one token leaves one expert untouched.
    expert_missed: f64,
    /// Multiplying one token through the layers.
    token_compute: f64,
    /// Reading the output head.
    head_read: f64,
    /// Multiplying one sampled row by it.
    head_compute: f64,
    /// Prefill attention over one half query-key pair.
    pair2_compute: f64,
    /// What tensor parallelism does not divide, for one token: the exchange between GPUs, norms and residuals.
    token_undivided: f64,
    sequence: f64,
    prefill: f64,
    fixed: f64,
    slope_ps: i64,
    fitted_on: Option<FittedOn>,
}

impl Roofline {
    /// Works the constants out.
    pub fn new(params: &RooflineParams) -> Result<Roofline, TimingError> {
        check(params)?;
        let RooflineParams { model, gpu, profile, .. } = params;
        let tp = f64::from(params.tp);
        let (e_c, e_m, tflops) = match params.weight_dtype {
            Dtype::Bf16 => (profile.e_c_bf16, profile.e_m_bf16, gpu.bf16_tflops),
            Dtype::Fp8 => (profile.e_c_fp8, profile.e_m_fp8, gpu.fp8_tflops.ok_or(TimingError::NoFp8)?),
        };
        let bytes_per_s = gpu.memory_gb_per_s * 1e9;
        let weight_read = |params: u64, dtype: Dtype, share: f64| {
            (params * dtype.bytes()) as f64 / (tp * bytes_per_s * share) * PS_PER_S
        };
        let compute = |flop: f64, tflops: f64, share: f64| flop / (tp * tflops * 1e12 * share) * PS_PER_S;

        let layers = f64::from(model.layers);
        let (experts, top_k) =
            model.moe.map_or((0.0, 0.0), |moe| (f64::from(moe.experts), f64::from(moe.top_k)));
        let expert_params = model.expert_params() * u64::from(model.moe_layers());
        let active_params = model.common_layer_params() as f64 + top_k * expert_params as f64;
        let head_dims = match model.mla {
            None => 2 * model.head_dim,
            Some(mla) => mla.nope + mla.rope + mla.v,
        };
        let pair_flop = 2.0 * layers * f64::from(model.heads) * f64::from(head_dims);
        let (exchange_base, token_exchange) = if params.tp > 1 {
            let bytes_per_us = gpu.all_reduce_gb_per_s * profile.all_reduce_share * 1e3;
            let per_token_us = f64::from(model.hidden) * 2.0 / bytes_per_us;
            (2.0 * layers * gpu.all_reduce_floor_us, 2.0 * layers * per_token_us)
        } else {
            (0.0, 0.0)
        };
        // Plain streaming reaches what the weight reads reach; BF16 whatever the weights are.
        let hidden_bytes = layers * f64::from(model.hidden) * 2.0 * profile.hidden_passes;
        let token_hidden = hidden_bytes / (bytes_per_s * profile.e_m_bf16) * PS_PER_S;
        let kv_shards = f64::from(model.kv_shards(params.tp));
        let kv_bytes = model.kv_bytes_per_token(params.kv_dtype) as f64;
        let slope_ps = (kv_bytes / (kv_shards * bytes_per_s * profile.e_kv) * PS_PER_S).round();
        if slope_ps > MAX_SLOPE_PS as f64 {
            return Err(TimingError::OutOfRange {
                field: "memory_gb_per_s",
                value: gpu.memory_gb_per_s.to_string(),
                rule: format!("enough to read a token's KV, {kv_bytes} bytes, in 100 us"),
            });
        }
        Ok(Roofline {
            common_read: weight_read(model.common_layer_params(), params.weight_dtype, e_m),
            expert_read: weight_read(expert_params, params.weight_dtype, e_m),
            experts,
            expert_missed: if experts > 0.0 { 1.0 - top_k / experts } else { 0.0 },
            token_compute: compute(2.0 * active_params, tflops, e_c),
            head_read: weight_read(model.embedding_params(), Dtype::Bf16, profile.e_m_bf16),
            head_compute: compute(2.0 * model.embedding_params() as f64, gpu.bf16_tflops, profile.e_c_bf16),
            pair2_compute: compute(pair_flop / 2.0, gpu.bf16_tflops, profile.e_a),
            token_undivided: token_exchange * PS_PER_US + token_hidden,
            sequence: profile.t_sequence_us * PS_PER_US,
            prefill: layers * profile.t_prefill_layer_us * PS_PER_US,
            fixed: (profile.t0_us + layers * profile.t_layer_us + exchange_base) * PS_PER_US,
            slope_ps: slope_ps as i64,
            fitted_on: params.fitted_on,
        })
    }

    /// Reading the weights that a step of so many tokens touches: experts are chosen evenly and independently, an
    /// upper bound on how many differ.
    #[inline]
    fn weight_read(&self, tokens: u32) -> f64 {
        if self.experts == 0.0 {
            return self.common_read;
        }
        self.common_read + self.expert_read * self.experts * (1.0 - power(self.expert_missed, tokens))
    }
}

impl StepTime for Roofline {
    #[inline]
    fn line(&self, shape: &BatchShape) -> Line {
        let (tokens, sequences) = (f64::from(shape.tokens), f64::from(shape.sequences));
        let layers = pnorm(self.weight_read(shape.tokens), self.token_compute * tokens);
        let head = pnorm(self.head_read, self.head_compute * sequences);
        let mut ps = layers + head + self.fixed + self.sequence * sequences + self.token_undivided * tokens;
        if shape.prefills > 0 {
            ps += self.prefill + self.pair2_compute * shape.prefill_pairs2 as f64;
        }
        Line { base_ps: ps.round() as i64, slope_ps: self.slope_ps, until_context: u64::MAX }
    }
    fn extrapolates(&self, shape: &BatchShape) -> bool {
        self.fitted_on.is_some_and(|most| {
            let context = u64::from(most.context_tokens) * u64::from(shape.sequences);
            shape.sequences > most.sequences || shape.context_tokens > context
        })
    }
}

/// The 4-norm of two times that overlap: near the ridge, where both are equal, kernels miss both limits by a fifth.
/// Scaled by the larger, so that no fourth power overflows.
#[inline]
fn pnorm(x: f64, y: f64) -> f64 {
    let (large, small) = if x > y { (x, y) } else { (y, x) };
    if large <= 0.0 {
        return 0.0;
    }
    let ratio = small / large;
    let square = ratio * ratio;
    large * (1.0 + square * square).sqrt().sqrt()
}

/// `base^exponent` by squaring: the same bits on every platform.
#[inline]
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

fn check(params: &RooflineParams) -> Result<(), TimingError> {
    let RooflineParams { model, gpu, profile, tp, .. } = params;
    let out_of_range = |field, value: String, rule: &str| {
        Err(TimingError::OutOfRange { field, value, rule: rule.to_owned() })
    };
    if !(1..=1_024).contains(tp) {
        return out_of_range("tp", tp.to_string(), "1 to 1024");
    }
    if let Err(bad) = model.check() {
        return out_of_range(bad.field, bad.value.to_string(), &format!("{} to {}", bad.least, bad.most));
    }
    if !model.heads.is_multiple_of(*tp) {
        return Err(TimingError::HeadsDoNotDivide { tp: *tp, heads: model.heads });
    }
    profile.check()?;
    let rates = [
        ("bf16_tflops", gpu.bf16_tflops),
        ("fp8_tflops", gpu.fp8_tflops.unwrap_or(1.0)),
        ("memory_gb_per_s", gpu.memory_gb_per_s),
        ("all_reduce_gb_per_s", gpu.all_reduce_gb_per_s),
    ];
    for (field, value) in rates {
        if !(0.001..=1e9).contains(&value) {
            return out_of_range(field, value.to_string(), "0.001 to 1e9");
        }
    }
    super::params::check_overheads(&[("all_reduce_floor_us", gpu.all_reduce_floor_us)])
}

impl RooflineParams {
    /// From catalogue rows. Weights in FP8 on a GPU without FP8 units are an error; so is a `tp` that the
    /// attention heads do not divide into.
    pub fn resolve(
        model: &Model,
        gpu: &Gpu,
        tp: u32,
        weight_dtype: Dtype,
        kv_dtype: Dtype,
        profile: ProfileParams,
    ) -> Result<RooflineParams, TimingError> {
        let params = RooflineParams {
            model: model.dims,
            gpu: GpuRates::of(gpu, tp),
            tp,
            weight_dtype,
            kv_dtype,
            profile,
            fitted_on: None,
        };
        Roofline::new(&params)?;
        Ok(params)
    }
}

#[cfg(test)]
#[path = "roofline/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "roofline/measured_tests.rs"]
mod measured_tests;
