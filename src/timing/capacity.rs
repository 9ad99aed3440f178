//! How many KV blocks fit beside a model's weights. Knows memory sizes and a model's dimensions; must not know the
//! pool that hands blocks out. The formula and its constants are those of the llm-d capacity planner as used by the
//! BLIS simulator (`kv_capacity.go`); docs/model/timing.md has its known error.

use crate::catalog::{Dtype, ModelDims};
use serde::Serialize;

/// Bytes in a GiB.
pub const GIB: u64 = 1 << 30;

/// The KV cache that fits, and what takes the rest of the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KvCapacity {
    /// Blocks, the pool's reserved null block included.
    pub blocks: u64,
    /// Tokens that fit: `blocks × block_tokens`.
    pub tokens: u64,
    /// Bytes of a token's KV, one copy.
    pub kv_bytes_per_token: u64,
    /// Copies of it over the GPUs: above one when `tp` is more than the KV heads, and for MLA.
    pub kv_copies: u32,
    /// Bytes left for KV over all GPUs.
    pub kv_bytes: u64,
    /// Bytes of weights over all GPUs.
    pub weights_bytes: u64,
    /// Bytes set aside for activations.
    pub activation_bytes: u64,
    /// Bytes outside the framework's pool, over all GPUs.
    pub non_torch_bytes: u64,
    /// Bytes the engine may use over all GPUs: `utilisation × memory × tp`.
    pub usable_bytes: u64,
}

/// Why no KV cache fits.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KvCapacityError {
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
    /// The weights and overheads leave no room for one block beside the null block.
    #[error(
        "no room for KV: {usable_gib:.1} GiB usable on {tp} GPUs, weights take {weights_gib:.1} GiB, activations \
         {activation_gib:.1} GiB, the rest {non_torch_gib:.1} GiB; use more GPUs, larger ones or smaller weights"
    )]
    NoRoom {
        /// GPUs.
        tp: u32,
        /// Usable memory, GiB.
        usable_gib: f64,
        /// Weights, GiB.
        weights_gib: f64,
        /// Activations, GiB.
        activation_gib: f64,
        /// Outside the framework's pool, GiB.
        non_torch_gib: f64,
    },
}

/// The most GPUs of one replica, and the most tokens of one block: far beyond any, so that nothing overflows.
const MAX_TP: u32 = 1_024;
const MAX_BLOCK_TOKENS: u32 = 65_536;
/// The token budget of a step at which activations are as large as the planner's constants say.
const FULL_BUDGET: u32 = 8_192;

/// Bytes to set aside for activations: 5.5 GiB for dense models and 8 GiB for mixtures of experts at a budget of 8,192
/// tokens a step or more, in proportion below, because the engine sizes them by a trial run of one full step. The
/// proportion is our inference from one measured engine; docs/model/timing.md has it.
pub fn activation_bytes(model: &ModelDims, max_num_batched_tokens: u32) -> u64 {
    let full = if model.moe.is_some() { 8 * GIB } else { 5 * GIB + GIB / 2 };
    full * u64::from(max_num_batched_tokens.min(FULL_BUDGET)) / u64::from(FULL_BUDGET)
}

/// The KV blocks of a replica of `tp` GPUs with `gpu_memory_bytes` each. Activations come from
/// [`activation_bytes`], or as the engine's log tells.
pub fn derive_kv_blocks(
    model: &ModelDims,
    gpu_memory_bytes: u64,
    tp: u32,
    weight_dtype: Dtype,
    kv_dtype: Dtype,
    utilisation: f64,
    block_tokens: u32,
    activation_bytes: u64,
) -> Result<KvCapacity, KvCapacityError> {
    let out_of_range = |field, value: u32, least: u32, most: u32| KvCapacityError::OutOfRange {
        field,
        value: value.to_string(),
        rule: format!("{least} to {most}"),
    };
    model.check().map_err(|bad| out_of_range(bad.field, bad.value, bad.least, bad.most))?;
    for (field, value, most) in [("tp", tp, MAX_TP), ("block_tokens", block_tokens, MAX_BLOCK_TOKENS)] {
        if !(1..=most).contains(&value) {
            return Err(out_of_range(field, value, 1, most));
        }
    }
    if !(utilisation > 0.0 && utilisation <= 1.0) {
        return Err(KvCapacityError::OutOfRange {
            field: "gpu_memory_utilization",
            value: utilisation.to_string(),
            rule: "above 0 and at most 1".to_owned(),
        });
    }
    let usable_bytes = (gpu_memory_bytes as f64 * tp as f64 * utilisation) as u64;
    let weights_bytes = model.weight_bytes(weight_dtype);
    let non_torch_bytes = if tp == 1 { GIB * 15 / 100 } else { GIB * 6 / 10 * tp as u64 };
    let kv_bytes = usable_bytes
        .saturating_sub(weights_bytes)
        .saturating_sub(activation_bytes)
        .saturating_sub(non_torch_bytes);
    let kv_bytes_per_token = model.kv_bytes_per_token(kv_dtype);
    let kv_copies = tp.div_ceil(model.kv_shards(tp));
    let block_bytes = kv_bytes_per_token * kv_copies as u64 * block_tokens as u64;
    let blocks = kv_bytes / block_bytes;
    if blocks < 2 {
        let gib = |bytes: u64| bytes as f64 / GIB as f64;
        return Err(KvCapacityError::NoRoom {
            tp,
            usable_gib: gib(usable_bytes),
            weights_gib: gib(weights_bytes),
            activation_gib: gib(activation_bytes),
            non_torch_gib: gib(non_torch_bytes),
        });
    }
    Ok(KvCapacity {
        blocks,
        tokens: blocks * block_tokens as u64,
        kv_bytes_per_token,
        kv_copies,
        kv_bytes,
        weights_bytes,
        activation_bytes,
        non_torch_bytes,
        usable_bytes,
    })
}

#[cfg(test)]
#[path = "capacity/tests.rs"]
mod tests;
