//! A scenario as it is written. Knows keys, their types, their ranges and what they mean: the documentation here is
//! the help in messages, the JSON Schema's and docs/SCENARIO.md's. Must not know whether names exist or numbers fit
//! together: that is `resolve`'s. Positions are not carried: the document finds a caret by path.

pub mod admission;
pub mod demand;
pub mod operations;
pub mod planning;
pub mod prices;
pub mod tuning;
pub mod views;
pub mod workload;

use crate::catalog::Dtype;
use crate::replica::{Admission, Batching, Scheduler};
use crate::routing::PolicySpec;
use crate::units::{Bandwidth, Duration, Ratio};
use crate::world::Isolation;
use admission::{RawAdmission, RawDns};
pub use demand::{CurvePreset, GeographyPreset, RawCurve, RawOwnCurve, RawStage};
use operations::{RawEvent, RawHealth, RawRetry, RawSpill};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
pub use views::RawViews;
pub use workload::{RawSynthetic, RawTokens, RawTrace, RawWorkload};

/// Tables by name.
pub type Named<T> = BTreeMap<String, T>;

/// A regionsim scenario: a fleet, a workload, policies, and what users are promised.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Scenario", extend("required" = ["regions", "workloads"]))]
pub struct RawScenario {
    /// The scenario's name in reports. Default: the file's name.
    pub name: Option<String>,
    /// What the scenario is about, for people.
    pub description: Option<String>,
    /// Where all randomness comes from. Default: 1.
    pub seed: Option<u64>,
    /// Requests that arrive before this time are simulated but not counted in statistics: caches are still cold. Default: "0s".
    pub warmup: Option<Duration>,
    /// The simulation ends here; requests then under way end as `in_flight`. Default: when everything is done.
    pub horizon: Option<Duration>,
    /// How often loads are sampled for time lines, and their window. Default: a hundredth of the expected length, rounded to a handy step.
    pub sample_every: Option<Duration>,
    /// Whether equal prompts of different tenants share cached blocks: "none" (they do) or "tenant". Default: "none".
    pub isolation: Option<Isolation>,
    /// Request classes and what each is promised; the first is the default class. Default: one class `default` without promises.
    pub slo: Named<RawSlo>,
    /// Models that pools serve.
    pub models: Named<RawModel>,
    /// Engine settings for all pools; a pool's own `engine` overrides them key by key.
    pub engine: RawEngine,
    /// Regions, in the order of tables. At least one has a pool.
    pub regions: Named<RawRegion>,
    /// Where clients are. Default: one origin of equal weight beside each region that has a pool.
    pub origins: Named<RawOrigin>,
    /// Ready-made origins in place of `[origins]`: "single", "us-eu-ap" (a third each) or "us-heavy" (.80 US, .10 Japan, .05 Australia, .05 Brazil), each beside the nearest region. Default: none.
    pub geography: Option<GeographyPreset>,
    /// Where requests of a data class may be processed, read and sent through.
    pub residency: Named<RawResidency>,
    /// Round trips, jitter and bandwidth between regions.
    pub network: RawNetwork,
    /// What GPUs cost. Default: reports have GPU-hours alone.
    pub prices: prices::RawPrices,
    /// What happens to regions and replicas, as `[[events]]`. Default: nothing.
    pub events: Vec<RawEvent>,
    /// How gateways find out that a replica is down or up again.
    pub health: RawHealth,
    /// Another try for requests that were lost. Default: none, the client is told.
    pub retry: Option<RawRetry>,
    /// A limit on what gateways send away from home. Default: none.
    pub spill: Option<RawSpill>,
    /// How clients find a gateway. Default: each knows the nearest and never asks.
    pub dns: Option<RawDns>,
    /// Whom gateways let in and how clients hold back, for all policies that state none of their own. Default: everybody.
    pub admission: Option<RawAdmission>,
    /// What is sent: traces and generated requests. At least one.
    pub workloads: Named<RawWorkload>,
    /// Routing policies to compare, each on the same world. Default: a set of six usual ones.
    pub policies: Named<RawPolicy>,
    /// What policies must hold, by the mean over the seeds of a run: a measure and its bound, such as "ttft.p99" = "< 1200ms". Default: nothing.
    pub gates: Named<String>,
    /// What `regionsim plan` looks for. Default: the fewest replicas of all pools.
    pub plan: planning::RawPlanning,
    /// What `regionsim tune` looks for. Default: nothing; its flags say.
    pub tune: tuning::RawTuning,
}

/// What a request class is promised. A limit that is left out is not promised.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Slo")]
pub struct RawSlo {
    /// Most time to the first token, measured at the client.
    pub ttft: Option<Duration>,
    /// Most mean time between a request's output tokens.
    pub itl: Option<Duration>,
    /// Most time to the last token, measured at the client.
    pub e2e: Option<Duration>,
    /// Scheduling priority of the class under `scheduler = "priority"`; lower goes first. Default: 0.
    pub priority: Option<u8>,
}

/// A model: a row of the catalogue, or its dimensions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Model")]
pub struct RawModel {
    /// A model of the catalogue, such as "llama-3.1-70b" (`regionsim catalog models`).
    pub preset: Option<String>,
    /// The dimensions of a dense model that is not in the catalogue.
    pub dims: Option<RawDims>,
    /// Type of the weights: "bf16" or "fp8". Default: "bf16".
    pub weights: Option<Dtype>,
    /// Type of KV cache entries: "bf16" or "fp8". Default: "bf16".
    pub kv_dtype: Option<Dtype>,
    /// Longest context, prompt and output together, in tokens. Default: 131072, or what the KV cache holds if that is less.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub max_model_len: Option<u32>,
}

/// Dimensions of a dense transformer with grouped-query attention.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dims")]
pub struct RawDims {
    /// Layers.
    #[schemars(range(min = 1, max = 1000))]
    pub layers: u32,
    /// Width of the residual stream.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub hidden: u32,
    /// Attention heads.
    #[schemars(range(min = 1, max = 10_000))]
    pub heads: u32,
    /// KV heads.
    #[schemars(range(min = 1, max = 10_000))]
    pub kv_heads: u32,
    /// Width of a head.
    #[schemars(range(min = 1, max = 100_000))]
    pub head_dim: u32,
    /// Width of the feed-forward layer.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub ff: u32,
    /// Entries of the vocabulary.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub vocab: u32,
    /// Whether the output head shares the embedding's weights. Default: false.
    #[serde(default)]
    pub tied: bool,
}

/// A place with gateways, replicas or both.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Region")]
pub struct RawRegion {
    /// A cloud region of the catalogue ("aws:us-east-1"), or coordinates. Left out, `network.rtt` must state every pair.
    pub location: Option<RawLocation>,
    /// Legal areas the region lies in, such as `["eu", "eea"]`. Default: the catalogue's for its location.
    pub jurisdiction: Option<Vec<String>>,
    /// Legal areas whose law binds the provider wherever it works, such as `["us"]`. Default: `["us"]` for aws, azure and gcp regions of the catalogue, else none.
    pub provider_jurisdiction: Option<Vec<String>>,
    /// Pools of equal replicas. A region without pools has a gateway alone.
    pub pools: Named<RawPool>,
}

/// Where a region is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Location")]
pub enum RawLocation {
    /// A cloud region of the catalogue, such as "aws:us-east-1".
    Catalogue(String),
    /// Coordinates.
    Coordinates(RawCoordinates),
}

/// A point on the earth.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Coordinates")]
pub struct RawCoordinates {
    /// Latitude in degrees, north positive.
    #[schemars(range(min = -90, max = 90))]
    pub lat: f64,
    /// Longitude in degrees, east positive.
    #[schemars(range(min = -180, max = 180))]
    pub lon: f64,
}

/// Equal replicas of one model in one region.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Pool")]
pub struct RawPool {
    /// The model, a name of `[models]`. Not needed when the scenario has one model alone.
    pub model: Option<String>,
    /// The GPU, a name of the catalogue such as "h100-sxm" (`regionsim catalog gpus`).
    pub gpu: Option<String>,
    /// GPUs that share each layer. Default: 1.
    #[schemars(range(min = 1, max = 1024))]
    pub tensor_parallel: Option<u32>,
    /// How many replicas. Default: 1.
    #[schemars(range(min = 1, max = 10_000))]
    pub replicas: Option<u32>,
    /// The serving engine's settings.
    pub engine: RawEngine,
    /// A plain queue instead of an engine, for queueing formulas.
    pub server: Option<RawServer>,
    /// How long an engine step takes. Default: the roofline of model and GPU with profile "p0".
    pub timing: RawTiming,
    /// The front end before the engine: a pure delay. Default: the timing profile's.
    pub ingress: Option<RawIngress>,
    /// What its GPUs cost: `price.gpu_hour = 2.5`, or `price.owned = { purchase = 35000, years = 4 }`. Default: see `[prices]`.
    pub price: Option<prices::RawPoolPrice>,
}

/// A serving engine shaped like vLLM V1.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Engine")]
pub struct RawEngine {
    /// Tokens in a KV block, equal in all pools. Default: 16.
    #[schemars(range(min = 1, max = 65_536))]
    pub block_tokens: Option<u32>,
    /// KV blocks on the GPUs, one of which the engine keeps for itself. Default: as many as fit beside the weights.
    #[schemars(range(min = 2, max = 1_000_000_000))]
    pub kv_blocks: Option<u32>,
    /// Share of GPU memory the engine may use, when `kv_blocks` is left out. Default: 0.9.
    pub gpu_memory_utilization: Option<Ratio>,
    /// Token budget of one step. Default: 8192 on GPUs with 70 GiB or more (except A100), else 2048.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub max_num_batched_tokens: Option<u32>,
    /// Most sequences in the running batch. Default: 1024 on GPUs with 70 GiB or more (except A100), else 256.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_num_seqs: Option<u32>,
    /// Most tokens of one prompt in one step; 0 is no limit. Default: 0.
    pub long_prefill_token_threshold: Option<u32>,
    /// Order of admission: "fcfs" or "priority". Default: "fcfs".
    pub scheduler: Option<Scheduler>,
    /// What must fit before a request is admitted: "full_isl" (the prompt), "first_chunk", "isl_plus_osl" (prompt and output), or "estimated_osl" (both, beside a share of the output to come). Default: the timing profile's engine's, "full_isl".
    pub admission: Option<Admission>,
    /// Share of the KV blocks that admission leaves free while anything runs. Default: 0.
    pub watermark: Option<Ratio>,
    /// Whether full blocks are shared between requests. Default: true.
    pub prefix_cache: Option<bool>,
    /// A cached prefix can be used up to a multiple of so many tokens alone, as by models with linear attention, whose state is kept at checkpoints; a multiple of `block_tokens`. Default: `block_tokens`, every block.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub prefix_checkpoint_tokens: Option<u32>,
    /// Whether a prompt may be spread over several steps. Default: true.
    pub chunked_prefill: Option<bool>,
    /// How prompts and outputs share the steps: "mixed", or "prefill_first" (decoding pauses while a prompt is computed). Default: the timing profile's engine's, "mixed".
    pub batching: Option<Batching>,
    /// Whether a step is composed while the one before it runs, so that who arrives meanwhile waits for one more. Default: the timing profile's engine's, false.
    pub async_scheduling: Option<bool>,
}

/// A plain queue in a replica's place.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Server")]
pub enum RawServer {
    /// First in, first out over a number of slots.
    Fifo(RawQueue),
    /// Processor sharing: all at once, each at an equal share.
    Ps(RawQueue),
}

/// A plain queue: service takes `per_request + prompt × per_prompt_token + output × per_output_token`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Queue")]
pub struct RawQueue {
    /// Requests served at once (fifo alone). Default: 1.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub slots: Option<u32>,
    /// Most requests that wait; more are refused. Default: no limit.
    pub queue_limit: Option<u32>,
    /// Time for each request. Default: "0s".
    pub per_request: Option<Duration>,
    /// Time for each prompt token. Default: "0s".
    pub per_prompt_token: Option<Duration>,
    /// Time for each output token. Default: "0s".
    pub per_output_token: Option<Duration>,
}

/// How long an engine step takes: at most one of `profile`, `linear` and `table`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Timing")]
pub struct RawTiming {
    /// The roofline of model and GPU with the constants of this profile: a name of `regionsim catalog profiles`, or a
    /// file of `regionsim calibrate` (`….toml`, from the scenario's folder). Default: "p0".
    pub profile: Option<String>,
    /// A sum of coefficients.
    pub linear: Option<RawLinear>,
    /// Measured steps from a CSV file.
    pub table: Option<RawTable>,
}

/// `base + prefill tokens × a + prefilling sequences × b + decoding sequences × c + context tokens × d`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Linear")]
pub struct RawLinear {
    /// Every step, in microseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub base_us: f64,
    /// Each prefill token computed, in microseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub per_prefill_token_us: f64,
    /// Each sequence that prefills, in microseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub per_prefill_seq_us: f64,
    /// Each sequence that decodes, in microseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub per_decode_seq_us: f64,
    /// Each token of context that attention reads, in nanoseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub per_context_token_ns: f64,
    /// Most decoding sequences that a captured CUDA graph holds (SGLang's `cuda-graph-max-bs`); 0 is any number. Default: 0.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub captured_seqs: u32,
    /// What the host needs to launch a step that no captured graph holds, with prompts or with more sequences: such a step takes at least that, in microseconds. Default: 0.
    #[schemars(range(min = 0, max = 1e9))]
    pub eager_us: f64,
}

/// Measured steps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StepTable")]
pub struct RawTable {
    /// A CSV file with the columns tokens, context_tokens and step_us; relative to the scenario.
    pub path: String,
}

/// The engine's front end: HTTP and tokenisation.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Ingress")]
pub struct RawIngress {
    /// For each request. Default: "0s".
    pub base: Duration,
    /// For each prompt token. Default: "0s".
    pub per_token: Duration,
}

/// Where clients are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Origin", extend("required" = ["near"]))]
pub struct RawOrigin {
    /// The region its clients are next to.
    pub near: Option<String>,
    /// Its share of the requests that name no origin, relative to the other origins. Default: 1.
    #[schemars(range(min = 0, max = 1e9))]
    pub weight: Option<f64>,
    /// The residency class of its requests, a name of `[residency]`. Default: unrestricted.
    pub data_class: Option<String>,
    /// The access network: "wired", "mobile", "none", or its median round trip and spread. Default: "wired".
    pub last_mile: Option<RawLastMile>,
    /// Whether a request finds a connection open: "warm", or "cold" (TCP and TLS 1.3 first), "cold_tls12", "cold_quic". Default: "warm".
    pub connection: Option<RawConnection>,
    /// Regions whose gateways its clients may come in through, the nearest first. Default: all.
    pub doors: Option<Vec<String>>,
    /// Local time minus UTC, in hours (5.5 for India). Default: 0.
    #[schemars(range(min = -18, max = 18))]
    pub utc_offset: Option<f64>,
    /// Its demand by local time: "chat", "office", "flat", a table or a sinusoid. Default: the workload's `rate_curve`.
    pub day_curve: Option<RawCurve>,
    /// Countries (two-letter codes) and continents ("europe", "north-america") whose requests come from here, where a trace names countries in place of origins. Default: none.
    pub countries: Option<Vec<String>>,
}

/// An access network.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "LastMile")]
pub enum RawLastMile {
    /// A usual one.
    Preset(LastMilePreset),
    /// A lognormal round trip.
    Own(RawLogNormal),
}

/// A usual access network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastMilePreset {
    /// Fixed line: median 12 ms, σ 0.5.
    Wired,
    /// Mobile network: median 35 ms, σ 0.6.
    Mobile,
    /// Clients sit in the region.
    None,
}

/// A lognormal round trip.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LogNormal")]
pub struct RawLogNormal {
    /// The median round trip.
    pub median: Duration,
    /// Standard deviation of the logarithm.
    #[schemars(range(min = 0, max = 5))]
    pub sigma: f64,
}

/// Whether a request finds a connection open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Connection")]
pub enum RawConnection {
    /// Pooled or kept alive.
    Warm,
    /// TCP and TLS 1.3: two round trips first.
    Cold,
    /// TCP and TLS 1.2: three round trips first.
    ColdTls12,
    /// QUIC: one round trip first.
    ColdQuic,
}

/// Where requests of a data class may go. Entries are region names, jurisdiction tags (write `region:NAME` or `jurisdiction:TAG` where a word is both), or "any".
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Residency", extend("required" = ["process_in"]))]
pub struct RawResidency {
    /// Where replicas may process it.
    #[schemars(length(min = 1))]
    pub process_in: Option<Vec<String>>,
    /// Where gateways may read it. Default: as `process_in`.
    #[schemars(length(min = 1))]
    pub decrypt_in: Option<Vec<String>>,
    /// Through which regions it may be sent. Default: as `process_in`.
    #[schemars(length(min = 1))]
    pub transit_via: Option<Vec<String>>,
    /// Where what was computed from it may stay in KV caches. Engines keep what they process, so a region serves it only if it is in both sets. Default: as `process_in`.
    #[schemars(length(min = 1))]
    pub cache_in: Option<Vec<String>>,
    /// Where requests may be logged, which serving regions do. Default: as `process_in`.
    #[schemars(length(min = 1))]
    pub store_in: Option<Vec<String>>,
    /// Where a gateway may keep an index of its prompts: hashes of prompts are processed data. Default: as `process_in`.
    #[schemars(length(min = 1))]
    pub index_in: Option<Vec<String>>,
    /// Areas under whose law no provider of a region in these sets may be, such as `["us"]`. Default: none.
    pub not_under: Option<Vec<String>>,
    /// "required" is never broken; "preferred" gives way when nobody allowed is up, and is counted by `--audit`. Default: "required".
    pub mode: Option<RawResidencyMode>,
}

/// How strictly a residency class is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ResidencyMode")]
pub enum RawResidencyMode {
    /// Never broken.
    Required,
    /// Gives way when nobody allowed is up.
    Preferred,
}

/// The network between regions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Network")]
pub struct RawNetwork {
    /// How round trips vary: "inter_cloud", "none", or a lognormal factor with rare spikes. Default: "inter_cloud".
    pub jitter: Option<RawJitter>,
    /// Bandwidth of one flow, such as "10Gbps" (bits) or "1.2GB/s" (bytes). Default: no limit.
    pub bandwidth: Option<Bandwidth>,
    /// Bytes on the wire for one token; it matters under a bandwidth limit and with `initial_window_bytes` alone. Default: 6.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub bytes_per_token: Option<u32>,
    /// Bytes that a connection between regions may send before it waits a round trip for the first acknowledgement, doubled with each: TCP's slow start, which idle connections begin again; 14600 is usual. Default: no limit.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub initial_window_bytes: Option<u32>,
    /// Round trips of pairs, over the catalogue's: "us->eu" one way, "us<->eu" both ways, "us" within a region.
    pub rtt: Named<Duration>,
    /// A CSV file of round trips with the columns from, to and rtt_ms; relative to the scenario.
    pub rtt_csv: Option<String>,
    /// What lies between regions, by the keys of `rtt`: data that may not pass there is not sent that way, nor into such a gateway. Default: nothing but the two regions themselves.
    pub paths: Named<RawPath>,
    /// Where your own round trips come from, and which statistic they are; shown in reports.
    pub rtt_source: Option<String>,
}

/// What lies between two regions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Path")]
pub struct RawPath {
    /// Legal areas that it passes through, such as `["us"]`: a data class must allow each of them in `transit_via`, itself or an area around it. Default: none.
    pub through: Vec<String>,
    /// Legal areas whose law binds its operator: closed to classes that are `not_under` one of them. Default: none.
    pub under: Vec<String>,
}

/// How round trips vary.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Jitter")]
pub enum RawJitter {
    /// A usual one.
    Preset(JitterPreset),
    /// Own numbers.
    Own(RawSpikes),
}

/// A usual jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JitterPreset {
    /// Links between cloud regions: σ 0.01, one leg in a thousand with a spike of mean 20 ms.
    InterCloud,
    /// Every round trip is the base one.
    None,
}

/// `rtt × LogNormal(0, sigma)`, with rare exponential spikes on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Spikes")]
pub struct RawSpikes {
    /// Standard deviation of the logarithm. Default: 0.
    #[schemars(range(min = 0, max = 5))]
    pub sigma: f64,
    /// Probability of a spike on one leg. Default: 0.
    pub spike_probability: Ratio,
    /// Mean of a spike. Default: "0s".
    pub spike_mean: Duration,
}

/// A routing policy: `central.X` (one gateway for all), or `replica.X` (one gateway in each region that has an origin).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Policy")]
pub struct RawPolicy {
    /// One gateway, in the region `at`, chooses among all replicas.
    pub central: Option<RawCentral>,
    /// Chooses a replica: among all, or among those of the region that `global` chose.
    pub replica: Option<PolicySpec>,
    /// Chooses a region first.
    pub global: Option<PolicySpec>,
    /// With `replica` (and `global`): one gateway in this region instead of one in each.
    pub at: Option<String>,
    /// Time for one decision. Default: "1ms".
    pub decision_time: Option<Duration>,
    /// Decisions a gateway makes at once; 0 is without limit. Default: 0.
    pub workers: Option<u32>,
    /// Gateways in each place that has one; clients are spread over them. Each has its own counters and index, and sees its share of the traffic. Default: 1.
    #[schemars(range(min = 1, max = 1000))]
    pub gateways_per_region: Option<u32>,
    /// What the gateways see, and how late. Default: loads and caches as they are.
    pub views: Option<RawViews>,
    /// Whom the gateways let in, in place of the scenario's `[admission]`. Default: the scenario's.
    pub admission: Option<RawAdmission>,
}

/// A policy with the region of its gateway.
#[derive(Clone, Debug)]
pub struct RawCentral {
    /// The gateway's region.
    pub at: Option<String>,
    /// The policy.
    pub spec: PolicySpec,
}

/// One policy's table, `at` among its parameters: taken apart here, so that the policy's own type need not know of it.
impl<'de> Deserialize<'de> for RawCentral {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tables = BTreeMap::<String, toml::Table>::deserialize(deserializer)?;
        let at = tables.values_mut().find_map(|params| params.remove("at"));
        let tables: toml::Table =
            tables.into_iter().map(|(name, params)| (name, toml::Value::Table(params))).collect();
        let spec = PolicySpec::deserialize(tables).map_err(serde::de::Error::custom)?;
        Ok(RawCentral { at: at.and_then(|at| at.as_str().map(str::to_owned)), spec })
    }
}
impl JsonSchema for RawCentral {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Central".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = super::schema_parts::expanded::<PolicySpec>(generator);
        let at = serde_json::json!({ "type": "string", "description": "The gateway's region." });
        super::schema_parts::each_variant(&mut schema, |params| {
            super::schema_parts::add(params, "at", at.clone(), true);
        });
        schema
    }
}
