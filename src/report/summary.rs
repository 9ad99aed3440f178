//! summary.json: the shape of a run's summary, versioned, with a JSON Schema made from these types. Times are in
//! milliseconds, shares between 0 and 1. A field that cannot be known is null, never 0.

use crate::observe::Outcome;
use crate::run::{CapacityLine, Provenance, Warning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of this shape: raised when a field changes its meaning or goes away, not when one is added.
pub const SCHEMA_VERSION: u32 = 2;

/// A run: every policy of a scenario on the same world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The version of this shape.
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seeds, in the order of the cells.
    pub seeds: Vec<u64>,
    /// Where the result came from.
    pub provenance: Provenance,
    /// What is modelled and what is assumed, for whoever quotes a number.
    pub basis: Basis,
    /// KV capacity by pool.
    pub capacity: Vec<CapacityLine>,
    /// One entry a policy, in the order of the scenario.
    pub policies: Vec<PolicySummary>,
    /// What the scenario's gates say, by gate and then policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateSummary>,
    /// What to act on: the warnings of all cells, each once.
    #[serde(default)]
    pub warnings: Vec<WarningSummary>,
}

/// A gate of the scenario, and one policy held to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateSummary {
    /// The policy.
    pub policy: String,
    /// The measure and its bound, such as `ttft.p99 < 800ms`.
    pub gate: String,
    /// The mean over the seeds; null where no run has a value, and then the gate is breached.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Whether the bound holds.
    pub holds: bool,
    /// Whether every seed's value stands on enough samples.
    pub reliable: bool,
}

/// What kind of numbers these are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Basis {
    /// What the simulator computes.
    pub modelled: Vec<String>,
    /// What it takes as given.
    pub assumed: Vec<String>,
}

impl Default for Basis {
    fn default() -> Self {
        let words = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Basis {
            modelled: words(&[
                "batching, preemption and the KV cache of every engine, step by step",
                "routing on what each router can see",
                "queueing, network legs and the way back",
            ]),
            assumed: words(&[
                "step times from the profiles under `provenance`",
                "round-trip times from the tables under `provenance`",
                "the workload as given",
            ]),
        }
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySummary {
    /// Its name in the scenario.
    pub policy: String,
    /// The headline measures over all seeds.
    pub measures: Vec<MeasureSummary>,
    /// One entry a seed.
    pub cells: Vec<CellSummary>,
}

/// One headline measure over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureSummary {
    /// Its name, such as `ttft.p99`.
    pub name: String,
    /// Its unit: `ms`, `share`, `1/s`, `GPU-h`.
    pub unit: String,
    /// The mean of the seeds' values; with one seed its value.
    pub mean: Option<f64>,
    /// Half the width of Student's 95 % interval for that mean; null with fewer than two seeds.
    pub half_width_95: Option<f64>,
    /// How many seeds have a value.
    pub seeds: u64,
    /// Whether every seed had at least ten samples beyond it (always true of what is no percentile).
    pub reliable: bool,
}

/// One policy under one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSummary {
    /// The seed.
    pub seed: u64,
    /// The outcome digest, in hexadecimal: equal digests mean equal outcomes of every request.
    pub outcome_digest: String,
    /// Events simulated.
    pub events: u64,
    /// The end of the warm-up, seconds: requests sent before it are counted but not measured.
    pub warmup_s: f64,
    /// The end of the run, seconds.
    pub end_s: f64,
    /// Whether the run was cut at its horizon with work left.
    pub cut_at_horizon: bool,
    /// Everything measured.
    pub all: Group,
    /// By SLO class.
    pub classes: Vec<NamedGroup>,
    /// By the region that served.
    pub regions: Vec<NamedGroup>,
    /// By origin.
    pub origins: Vec<NamedGroup>,
    /// By tenant, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<NamedGroup>,
    /// The parts of TTFT.
    pub ttft_legs: Vec<LegSummary>,
    /// Requests completed per second, from the end of the warm-up to the end of the run.
    pub throughput_requests_s: Option<f64>,
    /// Output tokens of these, per second.
    pub throughput_output_tokens_s: Option<f64>,
    /// Share of served requests that another region than their origin's home served.
    pub cross_region_share: Option<f64>,
    /// How requests were routed.
    #[serde(default)]
    pub routing: RoutingSummary,
    /// Why prompt tokens of completed measured requests were not cached, where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<MissSummary>,
    /// How near the fleet is to its limits.
    pub saturation: Saturation,
    /// Provisioned GPU-hours.
    pub cost: Cost,
    /// Every arrival accounted for, warm-up included.
    pub conservation: ConservationSummary,
    /// The rungs of ladders of rates, by workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<RungSummary>,
    /// What traces tell was measured, beside what this run says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<MeasuredSummary>,
    /// What each replica did.
    pub replicas: Vec<ReplicaSummary>,
    /// What to know.
    pub notices: Vec<String>,
    /// What to act on.
    pub warnings: Vec<WarningSummary>,
    /// The TTFT distribution of completed measured requests, ascending, milliseconds: exact percentiles 0, 1, … 99; then
    /// those beyond which a share of 10^(-2 - k/10) lies, k = 1, 2, …, as long as one request does; last the largest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ttft_curve_ms: Vec<f64>,
    /// The legs of TTFT by rank.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ttft_bands: Vec<LegBand>,
    /// Which regions served which origins.
    #[serde(default)]
    pub flows: Flows,
}

/// A warning: its code, its numbers and its words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WarningSummary {
    /// Its code, and its numbers.
    #[serde(flatten)]
    pub warning: Warning,
    /// The policy it is of, in the list over all; left out where it is of all of them, and in a policy's own lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The region it is of, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What was seen.
    pub message: String,
    /// What to do next.
    pub advice: String,
}

/// Measures of a group of requests: those sent after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Requests in the group.
    pub arrivals: u64,
    /// Those completed.
    pub completed: u64,
    /// Those that met their class's SLO; one that did not complete did not.
    pub met_slo: u64,
    /// `met_slo / arrivals`.
    pub attainment: Option<f64>,
    /// Time to first token at the client, of completed requests.
    pub ttft: Distribution,
    /// The same without the way from the client to the gateway and the way back to the client.
    pub server_ttft: Distribution,
    /// Mean time between output tokens of a completed request with at least two.
    pub tpot: Distribution,
    /// End-to-end latency at the client, of completed requests.
    pub e2e: Distribution,
    /// Prompt tokens of completed requests.
    pub prompt_tokens: u64,
    /// Of these, found in the cache.
    pub cached_tokens: u64,
    /// `cached_tokens / prompt_tokens`.
    pub hit_rate: Option<f64>,
    /// Output tokens of completed requests.
    pub output_tokens: u64,
}

/// A group with its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NamedGroup {
    /// Its name in the scenario.
    pub name: String,
    /// Its measures.
    pub group: Group,
}

/// A distribution in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// How many samples.
    pub n: u64,
    /// Their mean.
    pub mean_ms: Option<f64>,
    /// Their largest.
    pub max_ms: Option<f64>,
    /// Exact percentiles (type 7: linear between order statistics).
    pub percentiles: Vec<Percentile>,
}

impl Distribution {
    /// The percentile, such as 99.0.
    pub fn at(&self, p: f64) -> Option<&Percentile> {
        self.percentiles.iter().find(|percentile| percentile.p == p)
    }
}

/// One percentile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// Which, such as 99.
    pub p: f64,
    /// Its value.
    pub ms: f64,
    /// Samples it stands on.
    pub n: u64,
    /// Whether at least ten samples lie beyond it.
    pub reliable: bool,
}

/// A part of TTFT, of completed requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LegSummary {
    /// Its name; the legs of a request add up to its TTFT.
    pub leg: String,
    /// Its mean over all requests.
    pub mean_ms: f64,
    /// Its mean over the requests whose TTFT ranks within half a per cent of the median.
    pub near_p50_ms: f64,
    /// Its mean over the requests whose TTFT ranks within half a per cent of the 99th percentile.
    pub near_p99_ms: f64,
}

/// Completed measured requests whose TTFT ranks between two percentiles; of equal TTFTs all are in the lower band.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LegBand {
    /// The percentile it begins at.
    pub from: f64,
    /// The percentile it ends at.
    pub to: f64,
    /// Its requests.
    pub requests: u64,
    /// Of these, those whose way over the network (last mile, connection set-up, hop, way back) was more than half of
    /// TTFT.
    pub network_bound: u64,
    /// The mean of each leg, in the order of `ttft_legs`.
    pub legs_ms: Vec<f64>,
}

/// Completed measured requests by origin and serving region: a row an origin, a column a region, in the order of `origins`
/// and `regions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flows {
    /// How many.
    pub requests: Vec<Vec<u64>>,
    /// Their mean TTFT; null where there was none.
    pub ttft_mean_ms: Vec<Vec<Option<f64>>>,
}

/// How requests were routed, over the whole run, warm-up included. A run is decisions of one gateway for one replica
/// that follow each other, with no other of that gateway in between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingSummary {
    /// Tries per request that was sent at all.
    pub sends_per_request: Option<f64>,
    /// Of these, to another region than the gateway's.
    pub forwards_per_request: Option<f64>,
    /// Tries after the first.
    pub retries: u64,
    /// The longest run.
    pub longest_run: u64,
    /// The mean run.
    pub mean_run: Option<f64>,
    /// The mean run if each gateway had made the same decisions in random order: what is more is herding, not a share.
    pub shuffled_run: Option<f64>,
    /// The mean run of draws among all N replicas, N / (N - 1); null with one.
    pub random_run: Option<f64>,
    /// The same by gateway, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<GatewayRouting>,
    /// What the policy read as it was at the decision, which no system can: `loads`, `caches`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oracles: Vec<String>,
    /// How far the decisions that were told lie from the best ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regret: Option<RegretSummary>,
}

/// The decisions of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayRouting {
    /// Its name.
    pub gateway: String,
    /// Tries it sent.
    pub sends: u64,
    /// Its longest run.
    pub longest_run: u64,
    /// Its mean run.
    pub mean_run: Option<f64>,
    /// Its mean run if it had made the same decisions in random order.
    pub shuffled_run: Option<f64>,
}

/// Regret: the estimated time to first token at the chosen replica less that at the best one that could have been chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegretSummary {
    /// Decisions that were told.
    pub decisions: u64,
    /// Share of those with a regret for which it is 0.
    pub best: Option<f64>,
    /// The regret of those sent to a replica that was up.
    pub regret: Distribution,
}

/// A reason why prompt tokens were not cached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissSummary {
    /// Which: `compulsory`, `capacity`, `policy`, `residency`, `isolation`, `rollout`, `outage`.
    pub reason: String,
    /// The tokens.
    pub tokens: u64,
    /// Their share of all prompt tokens; with the hit rate, the shares of all reasons add up to 1.
    pub share: Option<f64>,
}

/// How near the fleet is to its limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saturation {
    /// Mean over replicas of the share of time in engine steps, after the warm-up.
    pub busy_mean: Option<f64>,
    /// The busiest replica's.
    pub busy_max: Option<f64>,
    /// Mean sequences in an engine step, over all replicas and the whole run: an engine is busy with one sequence as
    /// with a hundred, so this says what `busy_mean` cannot.
    pub batch_mean: Option<f64>,
    /// The largest share of its KV blocks any replica ever had in use.
    pub kv_peak: Option<f64>,
    /// Requests waiting for a batch, the mean over windows before the last arrival, all replicas together.
    pub waiting_mean: Option<f64>,
}

/// Provisioned GPU-hours: what is paid for, not what is busy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// All of them.
    pub gpu_hours: f64,
    /// By pool.
    pub pools: Vec<PoolCost>,
    /// By region.
    pub regions: Vec<RegionCost>,
    /// Output tokens per GPU-hour.
    pub output_tokens_per_gpu_hour: Option<f64>,
    /// In US dollars, where the scenario has prices (`provenance.prices`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<UsdCost>,
    /// Bytes between regions and to and from the internet, where the scenario has prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressCost>,
    /// What the same tokens would cost at an API, where the scenario has its prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiCost>,
}

/// Dollars, of the whole run, warm-up included: provisioned time is paid for, busy or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsdCost {
    /// All of it: GPUs, and egress where its price is known; to the millionth.
    pub total: f64,
    /// GPUs: the sum of the pools.
    #[serde(default)]
    pub gpus: f64,
    /// Bytes: the sum of the links; null where one was used whose price is not known.
    #[serde(default)]
    pub egress: Option<f64>,
    /// The fleet for an hour.
    pub fleet_per_hour: f64,
    /// By pool, in the order of `pools`.
    pub pools: Vec<f64>,
    /// By region, in the order of `regions`.
    pub regions: Vec<f64>,
    /// What was paid for GPUs in engine steps, as if time outside of them were free.
    pub busy: f64,
    /// What was paid for GPUs of whole instances that no replica has; part of the pools.
    #[serde(default)]
    pub spare: f64,
    /// By region and GPU: they add up to `gpus`.
    #[serde(default)]
    pub fleet: Vec<FleetCost>,
    /// By class: with `unshared` they add up to `total`.
    #[serde(default)]
    pub classes: Vec<ShareCost>,
    /// By tenant, the twenty largest bills and the others in one: they too. Nothing where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<ShareCost>,
    /// What was paid for pools in which no token was computed.
    #[serde(default)]
    pub unshared: f64,
    /// What prompt tokens came to that were computed because they were not cached, by reason, where misses were asked for:
    /// of completed measured requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<MissCost>,
    /// For a million prompt tokens of completed requests, cached ones with them.
    pub per_1m_input_tokens: Option<f64>,
    /// For a million output tokens.
    pub per_1m_output_tokens: Option<f64>,
    /// For a completed request.
    pub per_request: Option<f64>,
    /// For a request that met its SLO, in proportion to the measured part of the run.
    pub per_good_request: Option<f64>,
}

/// Provisioned against busy GPUs of one kind in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetCost {
    /// The region.
    pub region: String,
    /// The GPU.
    pub gpu: String,
    /// GPU-hours of replicas, busy or not.
    pub gpu_hours: f64,
    /// Of these, in engine steps.
    pub busy_gpu_hours: f64,
    /// Beside them, of GPUs of whole instances that no replica has.
    pub spare_gpu_hours: f64,
    /// What was paid for replicas and spare GPUs.
    pub usd: f64,
    /// What the busy hours come to.
    pub busy_usd: f64,
}

/// Somebody's part of the bill, of the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareCost {
    /// The class, the tenant's number, or `others`.
    pub name: String,
    /// How many are in it: 1, or how many others.
    pub of: u64,
    /// Requests that ended, however they did.
    pub requests: u64,
    /// Tokens of prompts that were computed for them.
    pub computed_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Their part of the pools' bills, by engine time; idle time in proportion.
    pub gpus: f64,
    /// Their bytes; null where egress has no price.
    pub egress: Option<f64>,
    /// Both.
    pub total: f64,
}

/// What misses of one reason came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissCost {
    /// The reason.
    pub reason: String,
    /// Prompt tokens.
    pub tokens: u64,
    /// GPU-seconds of computing them, in full steps.
    pub gpu_s: f64,
    /// What these are paid with.
    pub usd: f64,
}

/// Bytes that were moved, over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EgressCost {
    /// All of them.
    pub bytes: u64,
    /// What they cost; null where a link was used whose price is not known.
    pub usd: Option<f64>,
    /// By link, in the order of regions, the internet last.
    pub links: Vec<EgressLink>,
}

/// Bytes over one link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EgressLink {
    /// The region they left, or `internet`.
    pub from: String,
    /// Where they went.
    pub to: String,
    /// How many.
    pub bytes: u64,
    /// What they cost; null where that is not known.
    pub usd: Option<f64>,
}

/// Dollars at an API for completed, measured requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiCost {
    /// With the cache as it was.
    pub total: f64,
    /// If nothing had been cached.
    pub without_cache: f64,
    /// What prompt tokens that were not cached cost more than cached ones.
    pub missed: f64,
    /// The same by reason, where misses were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed_by_reason: Vec<(String, f64)>,
}

/// A pool's GPU-hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolCost {
    /// The pool.
    pub pool: String,
    /// Its GPU.
    pub gpu: String,
    /// Its GPU-hours.
    pub gpu_hours: f64,
}

/// A region's GPU-hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegionCost {
    /// The region.
    pub region: String,
    /// Its GPU-hours.
    pub gpu_hours: f64,
}

/// A rung of a ladder of rates. Its requests are those sent within it, warm-up included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RungSummary {
    /// The workload.
    pub workload: String,
    /// The rung, from 0.
    pub rung: u32,
    /// When it begins, seconds.
    pub from_s: f64,
    /// When it ends, seconds.
    pub to_s: f64,
    /// New sessions per second that the scenario states, at its beginning and its end.
    pub sessions_per_s: (f64, f64),
    /// Requests sent.
    pub sent: u64,
    /// Requests sent per second.
    pub offered_per_s: Option<f64>,
    /// Requests completed within it, whenever they were sent, per second.
    pub window_per_s: Option<f64>,
    /// Its own requests completed, per second until the last of them was; at least the rung's length.
    pub drained_per_s: Option<f64>,
    /// Median time to first token of its completed requests.
    pub ttft_p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub ttft_p99_ms: Option<f64>,
}

/// A time that a trace tells was measured, beside what the run says of the same requests: completed ones sent after the
/// warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredSummary {
    /// The workload.
    pub workload: String,
    /// `ttft` or `e2e`.
    pub measure: String,
    /// Requests that have both.
    pub n: u64,
    /// Where it was recorded.
    pub measured: MeasuredPercentiles,
    /// In this run.
    pub modelled: MeasuredPercentiles,
    /// Median over requests of modelled minus measured.
    pub median_error_ms: f64,
    /// Median over requests of its amount.
    pub median_absolute_error_ms: f64,
}

/// Percentiles of a time, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredPercentiles {
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Every arrival accounted for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConservationSummary {
    /// Whether every law held.
    pub holds: bool,
    /// What did not, the first twenty.
    pub violations: Vec<String>,
    /// All requests.
    pub total: OutcomeCounts,
    /// By origin.
    pub origins: Vec<OutcomeCounts>,
    /// By the region of the last try.
    pub regions: Vec<OutcomeCounts>,
    /// By class.
    pub classes: Vec<OutcomeCounts>,
    /// How many tenants were checked as well.
    pub tenants: u64,
    /// Prompt tokens of completed requests.
    pub prompt_tokens: u64,
    /// Of these, found in the cache.
    pub cached_tokens: u64,
    /// Of these, fetched from a lower tier.
    pub fetched_tokens: u64,
    /// Of these, computed.
    pub computed_tokens: u64,
    /// Computed again after preemption, beside the prompt.
    pub recomputed_tokens: u64,
}

/// Arrivals and how they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeCounts {
    /// The group.
    pub name: String,
    /// Arrivals.
    pub arrivals: u64,
    /// All output tokens were produced.
    pub completed: u64,
    /// Could never fit.
    pub too_large: u64,
    /// A bounded queue was full.
    pub queue_full: u64,
    /// No region may and can serve it.
    pub no_region: u64,
    /// Refused by the router to protect the rest.
    pub shed: u64,
    /// The client gave up.
    pub timed_out: u64,
    /// Lost to a fault.
    pub failed: u64,
    /// Still under way at the end.
    pub in_flight: u64,
    /// Refused by a saturated gateway whose line had no place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// Held back by the client.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Waited too long in a gateway's line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queue_timeout: u64,
}

impl OutcomeCounts {
    /// How many ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Completed => self.completed,
            Outcome::TooLarge => self.too_large,
            Outcome::QueueFull => self.queue_full,
            Outcome::NoRegion => self.no_region,
            Outcome::Shed => self.shed,
            Outcome::TimedOut => self.timed_out,
            Outcome::Failed => self.failed,
            Outcome::InFlight => self.in_flight,
            Outcome::Rejected => self.rejected,
            Outcome::Throttled => self.throttled,
            Outcome::QueueTimeout => self.queue_timeout,
        }
    }
}

/// Left out where it says nothing, so that summaries without it are written as ever.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What one replica did over the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaSummary {
    /// Its name.
    pub replica: String,
    /// Requests completed.
    pub completed: u64,
    /// Engine steps.
    pub steps: u64,
    /// Mean sequences in a step.
    pub mean_batch: Option<f64>,
    /// Share of the time after the warm-up in steps.
    pub busy: Option<f64>,
    /// Prompt tokens looked up.
    pub prompt_tokens: u64,
    /// Of these, found in its cache.
    pub cached_tokens: u64,
    /// `cached_tokens / prompt_tokens`.
    pub hit_rate: Option<f64>,
    /// Output tokens produced.
    pub output_tokens: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Cached blocks given up for others.
    pub evicted_blocks: u64,
    /// The largest share of its KV blocks in use.
    pub kv_peak: Option<f64>,
}

/// The JSON Schema of summary.json.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Summary).to_value()
}
