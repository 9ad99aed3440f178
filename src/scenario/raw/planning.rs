//! What a capacity plan is asked for, as it is written. Knows keys; must not know whether names exist.

use super::Named;
use crate::units::{Duration, Ratio};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `regionsim plan` looks for: the cheapest replicas in each region that keep the SLOs. Runs do not read it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Planning")]
pub struct RawPlanning {
    /// Policies to plan for, each on its own. Default: the first.
    pub policies: Option<Vec<String>>,
    /// The share of all arrivals of each class that must be within their SLO. Default: "95%".
    pub attainment: Option<Ratio>,
    /// The same of single classes: `targets = { batch = "90%" }`. Default: `attainment`.
    pub targets: BTreeMap<String, Ratio>,
    /// Whether each origin must reach it, and not only all together. Default: false.
    pub by_origin: Option<bool>,
    /// What must be reached with any one region's replicas gone. Default: not asked.
    pub n_plus_1: Option<Ratio>,
    /// Times of the week in UTC at which the plan must stand, such as `["Tue 02:00", "Tue 14:00"]`: all workloads then begin there. Default: the workloads' own.
    pub times: Vec<String>,
    /// Only arrivals of the first so much time, the warm-up with it. Default: the workloads' own length.
    pub span: Option<Duration>,
    /// Whether the scenario's `[[events]]` happen in every case too, at their times of a run. Default: false, a plan is of the long run; one that a contingency's `set` states happens in that contingency.
    pub events: Option<bool>,
    /// Seeds that a plan must stand under while it is searched for. Default: 2.
    #[schemars(range(min = 1, max = 1000))]
    pub seeds: Option<u32>,
    /// The most seeds that confirm a plan, none of them among those of the search. Default: 16.
    #[schemars(range(min = 4, max = 10_000))]
    pub max_seeds: Option<u32>,
    /// How sure the intervals of the confirmation are. Default: "95%".
    pub confidence: Option<Ratio>,
    /// Pools that may change, by "region/pool". Default: all; with entries, the others stay as they are.
    pub pools: Named<RawPlannedPool>,
    /// GPUs there are, by region and type: `supply.ap = { "l40s" = 4 }`. Default: no limit.
    pub supply: Named<BTreeMap<String, u32>>,
    /// What else the plan must stand.
    pub contingencies: Named<RawContingency>,
}

/// A pool that may change.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PlannedPool")]
pub struct RawPlannedPool {
    /// The fewest replicas. Default: 0.
    #[schemars(range(min = 0, max = 10_000))]
    pub min: Option<u32>,
    /// The most replicas, of each GPU type. Default: four times `replicas`, at least 8.
    #[schemars(range(min = 1, max = 10_000))]
    pub max: Option<u32>,
    /// GPU types that it may be made of, also side by side. Default: the pool's own.
    pub gpus: Option<Vec<String>>,
}

/// Something that a plan must stand.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Contingency")]
pub struct RawContingency {
    /// Regions whose replicas are gone, for good: their gateways go on.
    pub down: Option<Vec<String>>,
    /// A factor on all traffic. Default: 1.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub traffic: Option<f64>,
    /// Overrides of the scenario, as after `--set`: a rule added, a round trip doubled.
    pub set: Option<Vec<String>>,
    /// What must be reached in it. Default: what must be reached otherwise.
    pub attainment: Option<Ratio>,
}
