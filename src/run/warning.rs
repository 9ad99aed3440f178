//! What a user should act on, as a closed list: each says what is so, why it matters and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A warning about a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Fewer than ten samples lie beyond a percentile.
    FewSamples {
        /// The highest percentile that is reliable, if any.
        reliable_up_to: Option<f64>,
        /// Requests measured.
        samples: u64,
    },
    /// The fleet could not keep up.
    Saturated {
        /// Requests still under way at the end.
        in_flight: u64,
        /// Arrivals.
        arrivals: u64,
        /// The busiest replica's share of time in engine steps.
        busy: f64,
    },
    /// The warm-up leaves nothing to measure.
    WarmupTooLong {
        /// The warm-up, seconds.
        warmup_s: f64,
        /// The last arrival, seconds.
        last_arrival_s: f64,
    },
    /// Some requests can never fit the KV pool.
    PoolTooSmall {
        /// Requests refused for it.
        refused: u64,
        /// Arrivals.
        arrivals: u64,
    },
    /// Steps lay outside what a pool's step times were measured on.
    Extrapolated {
        /// The pools.
        pools: Vec<String>,
    },
    /// A data table is older than two years.
    OldTable {
        /// Which.
        table: String,
        /// Its date.
        date: String,
    },
    /// A round-trip time differs by direction.
    AsymmetricRtt {
        /// From here.
        from: String,
        /// To there.
        to: String,
    },
    /// Requests no region may or can serve.
    NoRegion {
        /// How many.
        requests: u64,
        /// Arrivals.
        arrivals: u64,
        /// Whether the scenario has residency rules.
        #[serde(default)]
        rules: bool,
    },
    /// A conservation law does not hold: a fault in this tool.
    Inconsistent {
        /// How often.
        violations: u64,
        /// The first.
        first: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::FewSamples { reliable_up_to: Some(p), samples } => write!(
                f,
                "{samples} measured requests carry percentiles up to p{p}: those marked ~ have fewer than ten samples \
                 beyond them; measure longer, or run several seeds"
            ),
            Warning::FewSamples { reliable_up_to: None, samples } => write!(
                f,
                "{samples} measured requests carry no percentile at all (fewer than ten samples beyond the median); \
                 measure longer, or run several seeds"
            ),
            Warning::Saturated { in_flight, arrivals, busy } => {
                f.write_str("the fleet does not keep up: ")?;
                if *in_flight > 0 {
                    write!(f, "{in_flight} of {arrivals} requests were unfinished at the end")?;
                } else {
                    f.write_str("its queue was still growing when arrivals ended")?;
                }
                write!(
                    f,
                    ", and the busiest replica spent {:.0} % of the time in steps; latencies then grow with the length \
                     of the run, so add replicas or lower the load before comparing them",
                    busy * 100.0
                )
            }
            Warning::WarmupTooLong { warmup_s, last_arrival_s } => write!(
                f,
                "the warm-up of {warmup_s} s leaves nothing to measure: the last request is sent at {last_arrival_s:.3} s; \
                 shorten `warmup` or lengthen the workload"
            ),
            Warning::PoolTooSmall { refused, arrivals } => write!(
                f,
                "{refused} of {arrivals} requests can never fit a replica's KV pool or the model's context and were \
                 refused; use more GPU memory, a smaller model, or a workload within its limits"
            ),
            Warning::Extrapolated { pools } => write!(
                f,
                "engine steps of {} lay outside what their step times were measured on (a table's grid, a profile's most \
                 sequences or longest context), and were extrapolated: measure larger ones, or limit \
                 `max_num_batched_tokens`, `max_num_seqs` and the model's length",
                pools.join(", ")
            ),
            Warning::OldTable { table, date } => write!(
                f,
                "the numbers of `{table}` are more than two years old (date: {date}); give your own where they matter"
            ),
            Warning::AsymmetricRtt { from, to } => write!(
                f,
                "the round-trip time from `{from}` to `{to}` differs from the way back; a round trip is the same both \
                 ways unless the routes differ: check the matrix"
            ),
            Warning::NoRegion { requests, arrivals, rules } => {
                write!(f, "{requests} of {arrivals} requests found no region that may and can serve them; ")?;
                f.write_str(if *rules {
                    "check the residency rules and `allowed_regions` against the regions that have replicas, and when \
                     those are up"
                } else {
                    "no residency rule keeps them out: check when the regions with replicas are up (`[[events]]`), and \
                     `allowed_regions`"
                })
            }
            Warning::Inconsistent { violations, first } => write!(
                f,
                "{violations} conservation checks failed, the first: {first}; this is a fault in regionsim, the numbers \
                 are not to be trusted: please report it with the scenario"
            ),
        }
    }
}
