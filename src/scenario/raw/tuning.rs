//! What `tune` is asked for, as it is written. Knows keys; must not know whether names exist.

use super::Named;
use crate::scenario::tuning::Strategy;
use crate::units::Ratio;
use schemars::JsonSchema;
use serde::Deserialize;

/// What `regionsim tune` looks for: weights of a policy that serve better. Its flags go before these; runs do not read it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tuning")]
pub struct RawTuning {
    /// The policy whose weights are tuned. Default: the only one.
    pub policy: Option<String>,
    /// Its parameters and their ranges: `over = { rtt = "0.05..2", queue = "0.001..2" }`; a range above 0 is walked by factors unless `:linear` stands behind it.
    pub over: Named<String>,
    /// How to search: "es" (a (1+1) evolution strategy with the one-fifth rule), "nelder-mead", "lhs" (a Latin hypercube) or "random". Default: "es".
    pub method: Option<Strategy>,
    /// What is made better, such as "e2e.p95". Where it is given without `keep`, nothing else is looked at. Default: "ttft.p95".
    pub objective: Option<String>,
    /// What must not get worse than at the start, and by how much it may: `keep = { "e2e.p95" = "2%" }`; `default = "2%"` is ttft.p95, e2e.p95, tpot.p95, throughput.output_tokens and slo.attainment. Default: these with 2 % each.
    pub keep: Named<String>,
    /// The most runs that the search may take. Default: 200.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub budget: Option<u32>,
    /// Seeds that each candidate is run with. Default: 4, or 1 on parts of a trace.
    #[schemars(range(min = 1, max = 10_000))]
    pub seeds: Option<u32>,
    /// Other seeds that it is judged on. Default: 10, or 1 on several parts of a trace.
    #[schemars(range(min = 1, max = 10_000))]
    pub judge_seeds: Option<u32>,
    /// The part of a trace to search on: "0..10m", or "0..10m/2" for two parts of it. Default: its first half.
    pub train: Option<String>,
    /// The part of a trace to judge on; several parts are the pairs of the interval. Default: its second half in 5 parts.
    pub judge: Option<String>,
    /// Other weights to judge, such as "rtt=2,queue=0.104". The policy's published ones always are.
    pub against: Vec<String>,
    /// Candidates that are run on the judged worlds to see what could have been had there; 0 is none. Default: 24.
    #[schemars(range(min = 0, max = 100_000))]
    pub oracle: Option<u32>,
    /// How sure intervals and verdicts are. Default: "95%".
    pub confidence: Option<Ratio>,
}
