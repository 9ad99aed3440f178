//! What a user should act on, as a closed list: each has a code that stays, what was seen, and what to do next. Knows the
//! words; the rules by which warnings are given stand where the numbers are (`run::prepared` for what the scenario
//! alone tells, `report::warnings` for what a run shows). docs/WARNINGS.md has a paragraph on each.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A warning about a result. As JSON: its `code`, and its `numbers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "code", content = "numbers")]
pub enum Warning {
    /// Fewer than ten samples lie beyond a percentile.
    #[serde(rename = "too-few-samples")]
    FewSamples {
        /// The highest percentile that is reliable, if any.
        reliable_up_to: Option<f64>,
        /// Requests measured.
        samples: u64,
    },
    /// The fleet, or a region of it, could not keep up.
    #[serde(rename = "saturated")]
    Saturated {
        /// Requests still under way at the end.
        in_flight: u64,
        /// Arrivals.
        arrivals: u64,
        /// The busiest replica's share of time in engine steps.
        busy: f64,
        /// The region whose queue grew, where it was not that of the whole fleet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
    },
    /// The warm-up leaves nothing to measure.
    #[serde(rename = "warm-up-too-long")]
    WarmupTooLong {
        /// The warm-up, seconds.
        warmup_s: f64,
        /// The last arrival, seconds.
        last_arrival_s: f64,
    },
    /// The run settles later than measuring begins.
    #[serde(rename = "warm-up-not-over")]
    WarmupNotOver {
        /// What settles: `hit rate` or `TTFT`.
        what: String,
        /// The warm-up, seconds.
        warmup_s: f64,
        /// When it has settled by MSER-5, seconds.
        settles_s: f64,
        /// The mean as it was measured: a share, or milliseconds.
        measured: f64,
        /// The mean of what comes after it has settled.
        settled: f64,
    },
    /// Some requests can never fit the KV pool.
    #[serde(rename = "kv-pool-too-small")]
    PoolTooSmall {
        /// Requests refused for it.
        refused: u64,
        /// Arrivals.
        arrivals: u64,
    },
    /// A policy decides many times on one reading of loads, and sends herds by it.
    #[serde(rename = "stale-view")]
    StaleView {
        /// The gateway where it is worst.
        gateway: String,
        /// How old a reading gets, milliseconds.
        age_ms: f64,
        /// Decisions the gateway makes in that time.
        decisions: f64,
        /// Replicas it sends to.
        replicas: u64,
        /// Decisions in a row that go to one replica, the mean.
        in_a_row: f64,
        /// The same if its decisions came in random order.
        shuffled: f64,
    },
    /// Steps lay outside what a pool's step times were measured on.
    #[serde(rename = "extrapolated-profile")]
    Extrapolated {
        /// The pools.
        pools: Vec<String>,
        /// Whether the profile was made for another model, GPU or degree of parallelism; else only some steps lay outside.
        #[serde(default)]
        profile: bool,
    },
    /// A data table is older than two years.
    #[serde(rename = "old-data-table")]
    OldTable {
        /// Which.
        table: String,
        /// Its date.
        date: String,
    },
    /// A round-trip time differs by direction.
    #[serde(rename = "asymmetric-rtt")]
    AsymmetricRtt {
        /// From here.
        from: String,
        /// To there.
        to: String,
    },
    /// Requests no region may or can serve.
    #[serde(rename = "no-region")]
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
    #[serde(rename = "inconsistent")]
    Inconsistent {
        /// How often.
        violations: u64,
        /// The first.
        first: String,
    },
}

/// Every code there is, in the order of docs/WARNINGS.md.
pub const CODES: [&str; 11] = [
    "too-few-samples",
    "saturated",
    "warm-up-too-long",
    "warm-up-not-over",
    "kv-pool-too-small",
    "stale-view",
    "extrapolated-profile",
    "old-data-table",
    "asymmetric-rtt",
    "no-region",
    "inconsistent",
];

impl Warning {
    /// The code, which stays the same from version to version.
    pub fn code(&self) -> &'static str {
        CODES[match self {
            Warning::FewSamples { .. } => 0,
            Warning::Saturated { .. } => 1,
            Warning::WarmupTooLong { .. } => 2,
            Warning::WarmupNotOver { .. } => 3,
            Warning::PoolTooSmall { .. } => 4,
            Warning::StaleView { .. } => 5,
            Warning::Extrapolated { .. } => 6,
            Warning::OldTable { .. } => 7,
            Warning::AsymmetricRtt { .. } => 8,
            Warning::NoRegion { .. } => 9,
            Warning::Inconsistent { .. } => 10,
        }]
    }
    /// The region it is about, where it is about one.
    pub fn region(&self) -> Option<&str> {
        match self {
            Warning::Saturated { region, .. } => region.as_deref(),
            _ => None,
        }
    }
    /// What tells two warnings of one code apart: those of a scenario are about several things.
    pub fn about(&self) -> (&str, &str) {
        match self {
            Warning::OldTable { table, .. } => (table, ""),
            Warning::AsymmetricRtt { from, to } => (from, to),
            Warning::Saturated { region: Some(region), .. } => (region, ""),
            Warning::Extrapolated { profile: true, .. } => ("profile", ""),
            _ => ("", ""),
        }
    }
    /// What was seen.
    pub fn seen(&self) -> String {
        match self {
            Warning::FewSamples { reliable_up_to: Some(p), samples } => format!(
                "{samples} measured requests carry percentiles up to p{p}: those marked ~ have fewer than ten samples \
                 beyond them"
            ),
            Warning::FewSamples { reliable_up_to: None, samples } => format!(
                "{samples} measured requests carry no percentile at all (fewer than ten samples beyond the median)"
            ),
            Warning::Saturated { in_flight, arrivals, busy, region } => {
                let who = match region {
                    Some(region) => format!("region `{region}` does not keep up"),
                    None => "the fleet does not keep up".to_string(),
                };
                let what = if *in_flight > 0 {
                    format!("{in_flight} of {arrivals} requests were unfinished at the end")
                } else {
                    "its queue was still growing when arrivals ended".to_string()
                };
                format!(
                    "{who}: {what}, and the busiest replica spent {:.0} % of the time in steps",
                    busy * 100.0
                )
            }
            Warning::WarmupTooLong { warmup_s, last_arrival_s } => format!(
                "the warm-up of {warmup_s} s leaves nothing to measure: the last request is sent at {last_arrival_s:.3} s"
            ),
            Warning::WarmupNotOver { what, warmup_s, settles_s, measured, settled } => {
                let value = |value: f64| {
                    if what == "TTFT" { format!("{value:.1} ms") } else { format!("{:.1} %", value * 100.0) }
                };
                format!(
                    "the {what} settles only at {settles_s:.0} s (MSER-5), after the warm-up of {warmup_s} s: its mean is \
                     {} as measured and {} from there on",
                    value(*measured),
                    value(*settled)
                )
            }
            Warning::PoolTooSmall { refused, arrivals } => format!(
                "{refused} of {arrivals} requests can never fit a replica's KV pool or the model's context and were refused"
            ),
            Warning::StaleView { gateway, age_ms, decisions, replicas, in_a_row, shuffled } => format!(
                "gateway `{gateway}` reads loads that get {age_ms:.0} ms old and makes {decisions:.0} decisions in that time \
                 for {replicas} replicas: {in_a_row:.1} in a row go to one, where the same in random order were {shuffled:.1}"
            ),
            Warning::Extrapolated { pools, profile: false } => format!(
                "engine steps of {} lay outside what their step times were measured on (a table's grid, a profile's most \
                 sequences or longest context), and were extrapolated",
                pools.join(", ")
            ),
            Warning::Extrapolated { pools, profile: true } => format!(
                "the timing profile of {} was made for another model, GPU or degree of parallelism",
                pools.join(", ")
            ),
            Warning::OldTable { table, date } => {
                format!("the numbers of `{table}` are more than two years old (date: {date})")
            }
            Warning::AsymmetricRtt { from, to } => {
                format!("the round-trip time from `{from}` to `{to}` differs from the way back")
            }
            Warning::NoRegion { requests, arrivals, .. } => {
                format!("{requests} of {arrivals} requests found no region that may and can serve them")
            }
            Warning::Inconsistent { violations, first } => {
                format!("{violations} conservation checks failed, the first: {first}")
            }
        }
    }
    /// What to do next.
    pub fn advice(&self) -> String {
        match self {
            Warning::FewSamples { .. } => "measure longer, or run several seeds".to_string(),
            Warning::Saturated { .. } => {
                "latencies then grow with the length of the run, so add replicas or lower the load \
                                          before comparing them"
                    .to_string()
            }
            Warning::WarmupTooLong { .. } => "shorten `warmup` or lengthen the workload".to_string(),
            Warning::WarmupNotOver { settles_s, .. } => {
                format!(
                    "set `warmup = \"{:.0}s\"` or more, and send requests for some times as long",
                    settles_s.ceil()
                )
            }
            Warning::PoolTooSmall { .. } => {
                "use more GPU memory, a smaller model, or a workload within its limits".to_string()
            }
            Warning::StaleView { .. } => {
                "read loads more often, count a gateway's own requests, or choose among two at \
                                          random (p2c)"
                    .to_string()
            }
            Warning::Extrapolated { profile: false, .. } => {
                "measure larger ones, or limit `max_num_batched_tokens`, \
                                                             `max_num_seqs` and the model's length"
                    .to_string()
            }
            Warning::Extrapolated { profile: true, .. } => {
                "fit one to your own measurements (`regionsim calibrate`) before trusting its times"
                    .to_string()
            }
            Warning::OldTable { .. } => "give your own where they matter".to_string(),
            Warning::AsymmetricRtt { .. } => {
                "a round trip is the same both ways unless the routes differ: check the matrix".to_string()
            }
            Warning::NoRegion { rules: true, .. } => {
                "check the residency rules and `allowed_regions` against the regions \
                                                      that have replicas, and when those are up"
                    .to_string()
            }
            Warning::NoRegion { rules: false, .. } => {
                "no residency rule keeps them out: check when the regions with \
                                                       replicas are up (`[[events]]`), and `allowed_regions`"
                    .to_string()
            }
            Warning::Inconsistent { .. } => {
                "this is a fault in regionsim, the numbers are not to be trusted: please report \
                                             it with the scenario"
                    .to_string()
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.seen(), self.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each.
    fn all() -> Vec<Warning> {
        let word = String::new;
        vec![
            Warning::FewSamples { reliable_up_to: None, samples: 1 },
            Warning::Saturated { in_flight: 1, arrivals: 2, busy: 1.0, region: None },
            Warning::WarmupTooLong { warmup_s: 2.0, last_arrival_s: 1.0 },
            Warning::WarmupNotOver {
                what: "TTFT".into(),
                warmup_s: 0.0,
                settles_s: 9.5,
                measured: 2.0,
                settled: 1.0,
            },
            Warning::PoolTooSmall { refused: 1, arrivals: 2 },
            Warning::StaleView {
                gateway: word(),
                age_ms: 1.0,
                decisions: 9.0,
                replicas: 2,
                in_a_row: 8.0,
                shuffled: 2.0,
            },
            Warning::Extrapolated { pools: vec![word()], profile: false },
            Warning::OldTable { table: word(), date: word() },
            Warning::AsymmetricRtt { from: word(), to: word() },
            Warning::NoRegion { requests: 1, arrivals: 2, rules: true },
            Warning::Inconsistent { violations: 1, first: word() },
        ]
    }

    #[test]
    fn a_code_is_what_json_has_and_what_the_page_tells_of() {
        let page = include_str!("../../docs/WARNINGS.md");
        let told: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`')).collect();
        assert_eq!(told, CODES, "docs/WARNINGS.md has one section for each, in this order");
        let codes: Vec<&str> = all().iter().map(Warning::code).collect();
        assert_eq!(codes, CODES);
        for warning in all() {
            let json = serde_json::to_value(&warning).unwrap();
            assert_eq!(json["code"], warning.code());
            assert!(json["numbers"].is_object(), "{json}");
            assert_eq!(serde_json::from_value::<Warning>(json).unwrap(), warning);
            assert!(!warning.seen().is_empty() && !warning.advice().is_empty());
        }
    }
}
