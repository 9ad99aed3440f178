//! What a finished cell is. Plain data, filled by the cell's runner and its sinks, read by reports and gates.

use super::{Book, ConservationReport, Entry, Followed, Routed, SeriesRow, Spent, Warning};
use crate::cost::{ApiPrices, EgressRates, PoolPrice};
use crate::id::{ClassId, Id, IdVec, OriginId, PoolId, RegionId, ReplicaId, TenantId};
use crate::observe::Work;
use crate::time::{SimTime, Span};
use crate::timing::Status;
use crate::world::SloParams;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whether a request got what its class was promised. Only a completed request can have; one with a single output
/// token has no time between tokens and meets that part.
#[inline]
pub fn met(slo: &SloParams, entry: &Entry) -> bool {
    let within =
        |limit: Option<Span>, value: Option<Span>| limit.is_none_or(|limit| value.is_none_or(|v| v <= limit));
    entry.completed()
        && entry.ttft.is_some()
        && within(slo.ttft, entry.ttft)
        && within(slo.itl, entry.tpot())
        && within(slo.e2e, entry.e2e())
}

/// A pool, as reports name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLabel {
    /// Its name, `region/pool`.
    pub name: String,
    /// Its region.
    pub region: RegionId,
    /// The GPU's catalogue name; empty for a plain queueing server.
    pub gpu: String,
    /// GPUs of one replica; 0 for a plain queueing server.
    pub gpus_per_replica: u32,
}

/// A replica, as reports name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaLabel {
    /// Its name, `region/pool/0`.
    pub name: String,
    /// Its pool.
    pub pool: PoolId,
    /// Its region.
    pub region: RegionId,
}

/// The names behind the ids of one scenario: shared by all its cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Regions.
    pub regions: IdVec<RegionId, String>,
    /// Origins.
    pub origins: IdVec<OriginId, String>,
    /// Each origin's home region, the one it is near; served anywhere else counts as cross-region.
    pub homes: IdVec<OriginId, Option<RegionId>>,
    /// Request classes.
    pub classes: IdVec<ClassId, String>,
    /// Residency classes, `unrestricted` first.
    pub data_classes: Vec<String>,
    /// Gateways under this cell's policy.
    pub gateways: Vec<String>,
    /// Workloads.
    pub sources: Vec<String>,
    /// Pools.
    pub pools: IdVec<PoolId, PoolLabel>,
    /// Replicas.
    pub replicas: IdVec<ReplicaId, ReplicaLabel>,
}

/// The name at `index`, or the number itself where the table has none.
pub fn name_of(names: &[String], index: usize) -> String {
    names.get(index).cloned().unwrap_or_else(|| format!("#{index}"))
}

impl Labels {
    /// A region's name.
    pub fn region(&self, id: RegionId) -> String {
        name_of(self.regions.as_slice(), id.index())
    }
    /// An origin's name.
    pub fn origin(&self, id: OriginId) -> String {
        name_of(self.origins.as_slice(), id.index())
    }
    /// A class's name.
    pub fn class(&self, id: ClassId) -> String {
        name_of(self.classes.as_slice(), id.index())
    }
    /// A replica's name.
    pub fn replica(&self, id: ReplicaId) -> String {
        self.replicas.get(id).map_or_else(|| format!("#{}", id.0), |replica| replica.name.clone())
    }
}

/// How many KV blocks a pool's replicas have and why: a first-order term, so always shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CapacityLine {
    /// The pool, `region/pool`.
    pub pool: String,
    /// KV blocks of one replica.
    pub kv_blocks: u64,
    /// Tokens of one block.
    pub block_tokens: u32,
    /// Whether the count was given in the scenario; otherwise it was derived from GPU memory.
    pub given: bool,
    /// The derivation in words, or where the number was given.
    pub note: String,
}

/// A dated data table a result stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataTable {
    /// Its name, such as `aws-rtt`.
    pub name: String,
    /// When it was taken, as far as is known.
    pub date: String,
    /// What its numbers are: mean, median, P95, list price.
    pub statistic: String,
    /// Where it is from.
    pub source: String,
}

/// Where a result came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Provenance {
    /// The tool's version.
    pub tool_version: String,
    /// The canonical hash of the resolved scenario, in hexadecimal.
    pub scenario_hash: String,
    /// Each workload's name and the hash of its trace or generator, in hexadecimal.
    pub workload_hashes: Vec<(String, String)>,
    /// Workloads whose trace does not tell where clients are, and how their origins were made up: `synthetic(method,
    /// seed, affinity)`. A ranking on such origins is about this choice as much as about the trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<(String, String)>,
    /// The timing profiles in use with their status, such as `roofline-v1 (hand-set, not fitted)`.
    pub profiles: Vec<(String, String)>,
    /// How far the least trusted of them can be trusted here: `validated`, `fitted`, `hand-set` or `extrapolated`. `None`
    /// where step times are given in the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_status: Option<Status>,
    /// The data tables in use.
    pub data_tables: Vec<DataTable>,
    /// What each pool's GPUs cost, where the scenario says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PoolPrice>,
    /// What an API asks for tokens, where the scenario says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_prices: Option<ApiPrices>,
    /// What bytes cost, where the scenario has prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_prices: Option<EgressRates>,
}

/// What one replica did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaTotals {
    /// From the start to the end of the run.
    pub whole: Work,
    /// Up to the end of the warm-up, as the last sample at or before it said.
    pub at_warmup: Work,
    /// When that sample was taken; zero when there was none.
    pub warmup_sample_at: SimTime,
    /// KV blocks it has.
    pub kv_total_blocks: u32,
    /// The time it was provisioned for.
    pub provisioned: Span,
}

/// One finished cell.
#[derive(Clone, Debug, Default)]
pub struct RunResult {
    /// The scenario's name.
    pub scenario: String,
    /// The policy's name in the scenario.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// The names behind the ids.
    pub labels: Arc<Labels>,
    /// What each class was promised.
    pub slos: IdVec<ClassId, SloParams>,
    /// Requests sent before this time count in no percentile and no attainment.
    pub warmup: Span,
    /// The last instant of the run: when nothing was left to do, or the horizon.
    pub ended_at: SimTime,
    /// Whether the run was cut at its horizon with work left.
    pub cut_at_horizon: bool,
    /// Of every request what percentiles need.
    pub book: Book,
    /// The tenant of each request by its id, where groups by tenant were asked for.
    pub tenants: Vec<TenantId>,
    /// Requests of ladders, and of traces that tell what was measured.
    pub followed: Vec<Followed>,
    /// How requests were routed.
    pub routed: Routed,
    /// What a bill is made of; nothing where the scenario has no prices.
    pub spent: Option<Spent>,
    /// What the policy read as it is, which no system can: `loads`, `caches`.
    pub oracles: Vec<&'static str>,
    /// How old a reading of loads gets that the policy decides by; `None` where it reads none, or reads them as they are.
    pub load_age: Option<Span>,
    /// Whether what is sent has the same law from the first request to the last, and nothing happens to the fleet: only
    /// then there is a state to settle in.
    pub steady: bool,
    /// The time line by region.
    pub series: Vec<SeriesRow>,
    /// The length of its windows.
    pub series_window: Span,
    /// What each replica did.
    pub replicas: IdVec<ReplicaId, ReplicaTotals>,
    /// KV capacity by pool.
    pub capacity: Vec<CapacityLine>,
    /// The conservation laws, counted and checked.
    pub conservation: ConservationReport,
    /// Events that happened.
    pub events: u64,
    /// The digest of canonical per-request outcomes and of the cache change log.
    pub outcome_digest: u64,
    /// Where the result came from.
    pub provenance: Arc<Provenance>,
    /// What the user should know, and need not act on.
    pub notices: Vec<String>,
    /// What the user should act on.
    pub warnings: Vec<Warning>,
}

impl RunResult {
    /// Whether a request counts: sent at or after the end of the warm-up.
    pub fn counts(&self, entry: &Entry) -> bool {
        entry.sent_at.0 >= self.warmup.0
    }
    /// The requests that count.
    pub fn measured(&self) -> impl Iterator<Item = Entry> + Clone + '_ {
        self.book.entries().filter(|entry| self.counts(entry))
    }
    /// The time that counts: from the end of the warm-up to the end of the run.
    pub fn measured_span(&self) -> Span {
        self.ended_at.since(SimTime(self.warmup.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Outcome;

    #[test]
    fn only_a_completed_request_can_meet_its_slo_and_a_single_token_has_no_itl() {
        let slo = SloParams { ttft: Some(Span(100)), itl: Some(Span(10)), e2e: None };
        let row = Entry {
            outcome: Outcome::Completed,
            output_tokens: 3,
            ttft: Some(Span(100)),
            ended_at: SimTime(120),
            ..Default::default()
        };
        assert!(met(&slo, &row), "TTFT 100 of 100, TPOT (120 - 100) / 2 = 10 of 10");
        assert!(!met(&slo, &Entry { ended_at: SimTime(122), ..row }), "TPOT 11");
        assert!(met(&slo, &Entry { ended_at: SimTime(500), output_tokens: 1, ..row }));
        assert!(!met(&slo, &Entry { outcome: Outcome::InFlight, ..row }));
        assert!(!met(&slo, &Entry { ttft: Some(Span(101)), ..row }));
    }
}
