//! What things cost, as it is written.

use crate::catalog::Term;
use crate::units::Ratio;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What GPUs cost, in US dollars. With this table, reports have dollars beside GPU-hours.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Prices")]
pub struct RawPrices {
    /// How GPUs are rented where the catalogue's price is taken (`regionsim catalog prices`): "on_demand" or "spot". Default: "on_demand".
    pub term: Option<Term>,
    /// Dollars for a GPU and an hour, by the GPU's name: `gpu_hour = { "h100-sxm" = 2.9 }`. Default: the catalogue's at the region's location.
    pub gpu_hour: BTreeMap<String, f64>,
    /// A share of every pool that is bought ahead, and what that takes off the catalogue's price; stated prices stay as they are.
    pub reserved: Option<RawReserved>,
    /// GPUs of an instance by the GPU's name, where GPUs are paid for by whole instances: `instance_gpus = { "h100-sxm" = 8 }`. A pool's replicas fill instances of their own. Default: by the GPU, which takes it that what a pool leaves of an instance is of use elsewhere.
    pub instance_gpus: BTreeMap<String, u32>,
    /// What bytes between regions and to the internet cost. Default: the catalogue's prices (`regionsim catalog egress`).
    pub egress: Option<RawEgress>,
    /// What an API asks for a million tokens: what the same traffic would cost there, and what misses cost.
    pub api: Option<RawApiPrices>,
}

/// What bytes cost that leave a region, in US dollars for 10⁹ bytes. What comes in from the internet is free.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Egress")]
pub struct RawEgress {
    /// From every region to the internet: answers to clients. Default: the catalogue's at the region's location.
    #[schemars(range(min = 0, max = 1000))]
    pub internet: Option<f64>,
    /// From every region to every other one: prompts that a gateway sends on, and their answers. Default: the catalogue's.
    #[schemars(range(min = 0, max = 1000))]
    pub between: Option<f64>,
    /// Single links, over the two above: `per_gb = { "us->eu" = 0.02, "eu->internet" = 0.05 }`.
    pub per_gb: BTreeMap<String, f64>,
    /// Bytes of a token's text. Default: 4.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub text_bytes_per_token: Option<u32>,
    /// Bytes around the text of each streamed token of an answer: 0 where answers are sent whole. Default: 257, an event of vLLM's chat completions.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub framing_bytes_per_token: Option<u32>,
}

/// Capacity bought ahead.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reserved")]
pub struct RawReserved {
    /// How much of every pool.
    pub share: Ratio,
    /// How much cheaper it is.
    pub discount: Ratio,
}

/// Dollars for a million tokens.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApiPrices")]
pub struct RawApiPrices {
    /// Prompt tokens that were not cached.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub input: f64,
    /// Prompt tokens that were.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub cached_input: f64,
    /// Output tokens.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub output: f64,
}

/// What the GPUs of a pool cost: dollars an hour, or what they were bought for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PoolPrice")]
pub enum RawPoolPrice {
    /// Dollars for a GPU and an hour.
    GpuHour(#[schemars(range(min = 0, max = 100_000))] f64),
    /// Owned: bought, written off, and supplied with power.
    Owned(RawOwned),
}

/// Owned GPUs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Owned")]
pub struct RawOwned {
    /// Dollars for a GPU with its share of host, network and building.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub purchase: f64,
    /// Years it is written off over.
    #[schemars(range(min = 0.1, max = 100))]
    pub years: f64,
    /// Watts it draws on the mean, with its share of the host. Default: the GPU's board power.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub power_w: Option<f64>,
    /// What the building draws for each watt of that. Default: 1.2.
    #[schemars(range(min = 1, max = 10))]
    pub pue: Option<f64>,
    /// Dollars for a kilowatt-hour. Default: 0.08.
    #[schemars(range(min = 0, max = 1000))]
    pub kwh: Option<f64>,
}
