//! What others have measured about routing, found again in `scenarios/routing`: which policy wins, by what, and what old
//! news costs. Each fact is a range around the published one, and would fail were views as they are.

use regionsim::observe::{Outcome, RequestRow};
use regionsim::run::{Prepared, run_cell};
use regionsim::scenario::load;
use regionsim::time::{SimTime, Span};
use std::collections::BTreeMap;
use std::path::Path;

/// What a policy comes to, past the warm-up.
#[derive(Clone, Debug)]
struct Found {
    ttft_ms: [f64; 3],
    e2e_ms: [f64; 3],
    /// Completed requests in a second.
    throughput: f64,
    /// Share of the region that got most.
    most: f64,
}

/// p50, p95, p99 by nearest rank, in milliseconds.
fn quantiles(spans: impl Iterator<Item = Span>) -> [f64; 3] {
    let mut all: Vec<Span> = spans.collect();
    all.sort_unstable();
    [50, 95, 99].map(|percent| all[(all.len() * percent).div_ceil(100) - 1].as_ms_f64())
}

/// All policies of a scenario.
fn run(name: &str, overrides: &[&str]) -> BTreeMap<String, Found> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/routing/{name}.toml"));
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let prepared = Prepared::of(load(&path, &overrides).unwrap_or_else(|found| panic!("{found}")));
    assert_eq!(prepared.plan.name, name);
    let mut all = BTreeMap::new();
    for policy in &prepared.plan.policies {
        let mut rows: Vec<RequestRow> = Vec::new();
        let cell = prepared.cell(policy, prepared.plan.seed);
        run_cell(&cell, Some(&mut rows), ()).expect("the policy is sound");
        rows.retain(|row| row.sent_at >= SimTime::ZERO + prepared.plan.warmup);
        let done: Vec<&RequestRow> = rows.iter().filter(|row| row.outcome == Outcome::Completed).collect();
        let mut regions = BTreeMap::new();
        done.iter().for_each(|row| *regions.entry(row.region).or_insert(0usize) += 1);
        let from = done.iter().map(|row| row.sent_at).min().unwrap();
        let to = done.iter().map(|row| row.ended_at).max().unwrap();
        let found = Found {
            ttft_ms: quantiles(done.iter().filter_map(|row| row.ttft())),
            e2e_ms: quantiles(done.iter().filter_map(|row| row.e2e())),
            throughput: done.len() as f64 / (to - from).as_secs_f64(),
            most: *regions.values().max().unwrap() as f64 / done.len() as f64,
        };
        all.insert(policy.name.clone(), found);
    }
    all
}

fn least(all: &BTreeMap<String, Found>, measure: impl Fn(&Found) -> f64) -> (&str, f64) {
    let values = all.iter().map(|(name, found)| (name.as_str(), measure(found)));
    values.min_by(|a, b| a.1.total_cmp(&b.1)).expect("a policy")
}

#[test]
fn without_a_weight_for_queues_gorgo_wins_ttft_and_loses_everything_else() {
    let all = run("nearest-only", &[]);
    let greedy = &all["gorgo_no_queue"];
    assert!(greedy.most > 0.95, "{greedy:?}");
    for quantile in 0..3 {
        assert_eq!(least(&all, |found| found.ttft_ms[quantile]).0, "gorgo_no_queue", "{all:?}");
    }
    let (winner, best) = least(&all, |found| found.e2e_ms[1]);
    // The replica next door is saturated: TTFT and E2E name different winners.
    assert_ne!(winner, "gorgo_no_queue");
    assert!(greedy.e2e_ms[1] >= 3.0 * best, "{} against {best}", greedy.e2e_ms[1]);
    assert!(all["gorgo"].most < 0.5, "{all:?}");
}

#[test]
fn hashing_a_growing_prefix_serves_half_as_many_again() {
    let all = run("growing-prefix", &[]);
    let against = |name: &str| all[name].throughput / all["round_robin"].throughput;
    assert!((1.33..1.65).contains(&against("chwbl")), "{}", against("chwbl"));
    assert!((0.95..1.05).contains(&against("least_load")), "{}", against("least_load"));
}

#[test]
fn rare_polls_cost_a_policy_that_reads_signals_and_none_that_counts_itself() {
    let all = run("poll-interval", &[]);
    let p99 = |name: &str| all[name].ttft_ms[2];
    let signals = ["signals_50ms", "signals_1s", "signals_5s", "signals_30s"].map(p99);
    assert!(signals.is_sorted(), "{signals:?}");
    assert!(signals[3] >= 1.5 * signals[0], "{signals:?}");
    assert!(p99("counters_30s") <= 1.05 * p99("counters_50ms"), "{all:?}");
}

#[test]
fn old_loads_and_the_index_first_are_fine_at_half_load_and_the_worst_at_full_load() {
    let ratios = |overrides: &[&str]| {
        let mut all = run("old-load", overrides);
        let found = all.remove("index_first").expect("in the scenario");
        let measures = |found: &Found| [found.ttft_ms, found.e2e_ms].concat();
        let worst = (0..6).map(|i| all.values().map(|other| measures(other)[i]).fold(0.0, f64::max));
        worst.zip(measures(&found)).map(|(worst, own)| own / worst).collect::<Vec<f64>>()
    };
    let full = ratios(&[]);
    assert!(full.iter().all(|&ratio| ratio > 1.0), "{full:?}");
    let half = ratios(&["workloads.main.scale=0.5"]);
    assert!(half.iter().all(|&ratio| ratio < 1.15), "{half:?}");
}
