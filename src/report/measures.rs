//! The headline measures: what the table shows, what seeds are averaged over, what gates will name. One line each.

use super::numbers::{ratio, rounded};
use super::summary::{CellSummary, Distribution, MeasureSummary};
use crate::stats::Moments;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: a fact.
    Neither,
}

/// A headline measure.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name in files and gates.
    pub name: &'static str,
    /// The head of its column, its group and then itself.
    pub head: [&'static str; 2],
    /// Its unit.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Its value in a cell, and whether it stands on enough samples.
    pub value: fn(&CellSummary) -> Option<(f64, bool)>,
}

/// What a reviewer asks for first: both ends of TTFT, the pace of output, the whole request, what was promised, and what it takes.
pub const REVIEWED: [&str; 9] = [
    "ttft.p50",
    "ttft.p99",
    "tpot.p50",
    "e2e.p99",
    "slo.attainment",
    "cache.hit_rate",
    "throughput.output_tokens",
    "cost.gpu_hours",
    "cost.usd",
];

fn percentile(distribution: &Distribution, p: f64) -> Option<(f64, bool)> {
    distribution.at(p).map(|percentile| (percentile.ms, percentile.reliable))
}

fn sure(value: Option<f64>) -> Option<(f64, bool)> {
    value.map(|value| (value, true))
}

macro_rules! latency {
    ($name:literal, $group:literal, $p:literal, $head:literal, $of:ident) => {
        Measure {
            name: $name,
            head: [$group, $head],
            unit: "ms",
            better: Better::Lower,
            value: |cell| percentile(&cell.all.$of, $p),
        }
    };
}

/// Latencies: the first block of the table.
pub const LATENCY: &[Measure] = &[
    latency!("ttft.p50", "TTFT ms", 50.0, "p50", ttft),
    latency!("ttft.p90", "TTFT ms", 90.0, "p90", ttft),
    latency!("ttft.p95", "TTFT ms", 95.0, "p95", ttft),
    latency!("ttft.p99", "TTFT ms", 99.0, "p99", ttft),
    latency!("tpot.p50", "TPOT ms", 50.0, "p50", tpot),
    latency!("tpot.p99", "TPOT ms", 99.0, "p99", tpot),
    latency!("e2e.p50", "E2E ms", 50.0, "p50", e2e),
    latency!("e2e.p99", "E2E ms", 99.0, "p99", e2e),
];

/// Service and load: the second block of the table.
pub const SERVICE: &[Measure] = &[
    Measure {
        name: "slo.attainment",
        head: ["in SLO", "%"],
        unit: "share",
        better: Better::Higher,
        value: |cell| sure(cell.all.attainment),
    },
    Measure {
        name: "cache.hit_rate",
        head: ["cache", "hit %"],
        unit: "share",
        better: Better::Higher,
        value: |cell| sure(cell.all.hit_rate),
    },
    Measure {
        name: "throughput.requests",
        head: ["done", "req/s"],
        unit: "1/s",
        better: Better::Higher,
        value: |cell| sure(cell.throughput_requests_s),
    },
    Measure {
        name: "throughput.output_tokens",
        head: ["output", "tok/s"],
        unit: "1/s",
        better: Better::Higher,
        value: |cell| sure(cell.throughput_output_tokens_s),
    },
    Measure {
        name: "cross_region",
        head: ["other", "region %"],
        unit: "share",
        better: Better::Neither,
        value: |cell| sure(cell.cross_region_share),
    },
    Measure {
        name: "busy.mean",
        head: ["busy %", "mean"],
        unit: "share",
        better: Better::Neither,
        value: |cell| sure(cell.saturation.busy_mean),
    },
    Measure {
        name: "batch.mean",
        head: ["batch", "mean"],
        unit: "sequences",
        better: Better::Neither,
        value: |cell| sure(cell.saturation.batch_mean),
    },
    Measure {
        name: "waiting.mean",
        head: ["queue", "mean"],
        unit: "requests",
        better: Better::Neither,
        value: |cell| sure(cell.saturation.waiting_mean),
    },
    Measure {
        name: "kv.peak",
        head: ["KV %", "peak"],
        unit: "share",
        better: Better::Neither,
        value: |cell| sure(cell.saturation.kv_peak),
    },
    Measure {
        name: "cost.gpu_hours",
        head: ["cost", "GPU-h"],
        unit: "GPU-h",
        better: Better::Lower,
        value: |cell| sure(Some(cell.cost.gpu_hours)),
    },
];

macro_rules! usd {
    ($name:literal, $head:literal, $unit:literal, $value:expr) => {
        Measure {
            name: $name,
            head: ["cost $", $head],
            unit: $unit,
            better: Better::Lower,
            value: |cell| sure(cell.cost.usd.as_ref().and_then($value)),
        }
    };
}

/// Measures that verdicts may name and no table shows: between the median and the far tail, and how much one replica or one
/// region takes.
pub const MORE: &[Measure] = &[
    Measure {
        name: "ttft.mean",
        head: ["TTFT ms", "mean"],
        unit: "ms",
        better: Better::Lower,
        value: |cell| sure(cell.all.ttft.mean_ms),
    },
    latency!("tpot.p95", "TPOT ms", 95.0, "p95", tpot),
    latency!("e2e.p95", "E2E ms", 95.0, "p95", e2e),
    Measure {
        name: "load.top_replica",
        head: ["busiest", "replica %"],
        unit: "share",
        better: Better::Neither,
        value: |cell| sure(top(cell.replicas.iter().map(|replica| replica.completed))),
    },
    Measure {
        name: "load.top_region",
        head: ["busiest", "region %"],
        unit: "share",
        better: Better::Neither,
        value: |cell| sure(top(cell.regions.iter().map(|region| region.group.completed))),
    },
];

/// The largest as a share of all.
fn top(counts: impl Iterator<Item = u64> + Clone) -> Option<f64> {
    ratio(counts.clone().max()?, counts.sum())
}

/// Dollars: only where the scenario has prices.
pub const MONEY: &[Measure] = &[
    usd!("cost.usd", "all", "USD", |usd| Some(usd.total)),
    usd!("cost.usd_egress", "egress", "USD", |usd| usd.egress),
    usd!("cost.usd_per_hour", "/hour", "USD/h", |usd| Some(usd.fleet_per_hour)),
    usd!("cost.usd_per_1m_input_tokens", "/1M in", "USD", |usd| usd.per_1m_input_tokens),
    usd!("cost.usd_per_1m_output_tokens", "/1M out", "USD", |usd| usd.per_1m_output_tokens),
    usd!("cost.usd_per_request", "/request", "USD", |usd| usd.per_request),
    usd!("cost.usd_per_good_request", "/in SLO", "USD", |usd| usd.per_good_request),
];

/// How requests were routed: shown where it is asked for.
pub const ROUTING: &[Measure] = &[
    Measure {
        name: "routing.forwards",
        head: ["forwards", "/request"],
        unit: "1/request",
        better: Better::Neither,
        value: |cell| sure(cell.routing.forwards_per_request),
    },
    Measure {
        name: "routing.run",
        head: ["in a row", "mean"],
        unit: "decisions",
        better: Better::Neither,
        value: |cell| sure(cell.routing.mean_run),
    },
    Measure {
        name: "routing.run_shuffled",
        head: ["in a row", "shuffled"],
        unit: "decisions",
        better: Better::Neither,
        value: |cell| sure(cell.routing.shuffled_run),
    },
    Measure {
        name: "routing.run_longest",
        head: ["in a row", "longest"],
        unit: "decisions",
        better: Better::Neither,
        value: |cell| sure(Some(cell.routing.longest_run as f64)),
    },
];

macro_rules! regret {
    ($name:literal, $head:literal, $value:expr) => {
        Measure {
            name: $name,
            head: ["regret ms", $head],
            unit: "ms",
            better: Better::Lower,
            value: |cell| cell.routing.regret.as_ref().and_then($value),
        }
    };
}

/// What decisions cost against the best ones: only where decisions were told.
pub const REGRET: &[Measure] = &[
    regret!("regret.mean", "mean", |regret| sure(regret.regret.mean_ms)),
    regret!("regret.p50", "p50", |regret| percentile(&regret.regret, 50.0)),
    regret!("regret.p99", "p99", |regret| percentile(&regret.regret, 99.0)),
];

macro_rules! miss {
    ($name:literal, $reason:literal) => {
        Measure {
            name: $name,
            head: ["missed %", $reason],
            unit: "share",
            better: Better::Neither,
            value: |cell| sure(cell.misses.iter().find(|miss| miss.reason == $reason)?.share),
        }
    };
}

/// Why prompt tokens were not cached: only where that was asked for.
pub const MISSES: &[Measure] = &[
    miss!("miss.compulsory", "compulsory"),
    miss!("miss.capacity", "capacity"),
    miss!("miss.policy", "policy"),
    miss!("miss.residency", "residency"),
    miss!("miss.isolation", "isolation"),
    miss!("miss.rollout", "rollout"),
    miss!("miss.outage", "outage"),
];

/// The headline measures of these cells in order: all that are always there, and of the others those with a value.
pub fn of(cells: &[CellSummary]) -> impl Iterator<Item = &'static Measure> {
    let asked_for = |list: &'static [Measure]| {
        let any = list.iter().any(|measure| cells.iter().any(|cell| (measure.value)(cell).is_some()));
        if any { list } else { &[] }
    };
    [LATENCY, SERVICE, asked_for(MONEY), ROUTING, asked_for(REGRET), asked_for(MISSES)].into_iter().flatten()
}

/// One measure over the cells of a policy.
pub fn over_seeds(measure: &Measure, cells: &[CellSummary]) -> MeasureSummary {
    let values: Vec<(f64, bool)> = cells.iter().filter_map(measure.value).collect();
    let moments = Moments::of(values.iter().map(|value| value.0));
    MeasureSummary {
        name: measure.name.to_string(),
        unit: measure.unit.to_string(),
        mean: moments.mean().map(rounded),
        half_width_95: moments.half_width(0.95).map(rounded),
        seeds: moments.count(),
        reliable: values.iter().all(|value| value.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{KNOWN, Known};

    #[test]
    fn measures_have_the_names_and_units_that_bounds_know_them_by() {
        let of_requests = |measure: &Measure| {
            LATENCY.iter().any(|other| other.name == measure.name)
                || matches!(
                    measure.name,
                    "slo.attainment" | "cache.hit_rate" | "ttft.mean" | "tpot.p95" | "e2e.p95"
                )
        };
        let fact = |measure: &Measure| measure.better == Better::Neither;
        let all = [LATENCY, SERVICE, MONEY, ROUTING, REGRET, MISSES, MORE].into_iter().flatten();
        let all: Vec<Known> = all
            .map(|m| Known { name: m.name, unit: m.unit, of_requests: of_requests(m), fact: fact(m) })
            .collect();
        assert_eq!(all, KNOWN, "a new measure has its line in src/measure.rs");
    }
}
