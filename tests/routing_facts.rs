//! What others have measured about routing, found again in `scenarios/routing`: which policy wins, by what, and what old
//! news costs. Each fact is a range around the published one, and would fail were views as they are.

use regionsim::id::RegionId;
use regionsim::observe::{Outcome, RequestRow};
use regionsim::run::{Prepared, run_cell};
use regionsim::scenario::load;
use regionsim::time::{SimTime, Span};
use std::collections::BTreeMap;
use std::path::Path;

/// What a policy comes to, past the warm-up: over several seeds, the mean of each.
#[derive(Clone, Debug)]
struct Found {
    ttft_ms: [f64; 3],
    e2e_ms: [f64; 3],
    tpot_ms: [f64; 3],
    /// Completed requests in a second, until the last is done.
    throughput: f64,
    /// Share of the region that got most.
    most: f64,
    /// Share of the first region of the scenario.
    first: f64,
    /// Requests sent in a second.
    arrivals: f64,
    /// Requests completed in a second while requests arrive.
    served: f64,
    /// Requests under way, sent after the warm-up, when arrivals are half done and when they end.
    under_way: [f64; 2],
}

/// p50, p95, p99 by nearest rank, in milliseconds.
fn quantiles(spans: impl Iterator<Item = Span>) -> [f64; 3] {
    let mut all: Vec<Span> = spans.collect();
    all.sort_unstable();
    [50, 95, 99].map(|percent| all[(all.len() * percent).div_ceil(100) - 1].as_ms_f64())
}

/// One policy on one seed.
fn run_one(prepared: &Prepared, policy: &str, seed: u64) -> Found {
    let policy = prepared.plan.policies.iter().find(|known| known.name == policy).expect("in the scenario");
    let mut rows: Vec<RequestRow> = Vec::new();
    run_cell(&prepared.cell(policy, seed), Some(&mut rows), ()).expect("the policy is sound");
    let warm = SimTime::ZERO + prepared.plan.warmup;
    let last = rows.iter().map(|row| row.sent_at).max().unwrap();
    let middle = warm + Span(last.since(warm).0 / 2);
    let seconds = last.since(warm).as_secs_f64();
    let served = rows.iter().filter(|row| row.outcome == Outcome::Completed);
    let served = served.filter(|row| row.ended_at >= warm && row.ended_at <= last).count();
    rows.retain(|row| row.sent_at >= warm);
    let under_way = [middle, last]
        .map(|at| rows.iter().filter(|row| row.sent_at <= at && row.ended_at > at).count() as f64);
    let done: Vec<&RequestRow> = rows.iter().filter(|row| row.outcome == Outcome::Completed).collect();
    let mut regions = BTreeMap::new();
    done.iter().for_each(|row| *regions.entry(row.region).or_insert(0usize) += 1);
    let share = |count: usize| count as f64 / done.len() as f64;
    let to = done.iter().map(|row| row.ended_at).max().unwrap();
    Found {
        ttft_ms: quantiles(done.iter().filter_map(|row| row.ttft())),
        e2e_ms: quantiles(done.iter().filter_map(|row| row.e2e())),
        tpot_ms: quantiles(done.iter().filter_map(|row| row.tpot())),
        throughput: done.len() as f64 / to.since(warm).as_secs_f64(),
        most: share(*regions.values().max().unwrap()),
        first: share(regions.get(&Some(RegionId(0))).copied().unwrap_or(0)),
        arrivals: rows.len() as f64 / seconds,
        served: served as f64 / seconds,
        under_way,
    }
}

/// All policies of a scenario, on so many seeds from 1: by policy, what each seed came to.
fn run_seeds(name: &str, overrides: &[&str], seeds: u64) -> BTreeMap<String, Vec<Found>> {
    let prepared = prepare(name, overrides);
    let policies = prepared.plan.policies.iter();
    policies
        .map(|policy| {
            let found = (1..=seeds).map(|seed| run_one(&prepared, &policy.name, seed));
            (policy.name.clone(), found.collect())
        })
        .collect()
}

fn prepare(name: &str, overrides: &[&str]) -> Prepared {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/routing/{name}.toml"));
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let prepared = Prepared::of(load(&path, &overrides).unwrap_or_else(|found| panic!("{found}")));
    assert_eq!((prepared.plan.name.as_str(), prepared.plan.seed), (name, 1));
    prepared
}

/// The mean of each measure.
fn mean(all: &[Found]) -> Found {
    let of = |measure: &dyn Fn(&Found) -> f64| all.iter().map(measure).sum::<f64>() / all.len() as f64;
    Found {
        ttft_ms: [0, 1, 2].map(|i| of(&|found| found.ttft_ms[i])),
        e2e_ms: [0, 1, 2].map(|i| of(&|found| found.e2e_ms[i])),
        tpot_ms: [0, 1, 2].map(|i| of(&|found| found.tpot_ms[i])),
        throughput: of(&|found| found.throughput),
        most: of(&|found| found.most),
        first: of(&|found| found.first),
        arrivals: of(&|found| found.arrivals),
        served: of(&|found| found.served),
        under_way: [0, 1].map(|i| of(&|found| found.under_way[i])),
    }
}

/// All policies of a scenario: means over so many seeds.
fn run(name: &str, overrides: &[&str], seeds: u64) -> BTreeMap<String, Found> {
    means(run_seeds(name, overrides, seeds))
}

fn means(seeds: BTreeMap<String, Vec<Found>>) -> BTreeMap<String, Found> {
    seeds.into_iter().map(|(name, all)| (name, mean(&all))).collect()
}

fn least(all: &BTreeMap<String, Found>, measure: impl Fn(&Found) -> f64) -> (&str, f64) {
    let values = all.iter().map(|(name, found)| (name.as_str(), measure(found)));
    values.min_by(|a, b| a.1.total_cmp(&b.1)).expect("a policy")
}

#[test]
fn without_a_weight_for_queues_gorgo_wins_ttft_and_loses_everything_else() {
    let all = run("nearest-only", &[], 3);
    let greedy = &all["gorgo_no_queue"];
    // `us`, where the router and the clients are, is the first region.
    assert!(greedy.first > 0.95, "{greedy:?}");
    for quantile in 0..3 {
        assert_eq!(least(&all, |found| found.ttft_ms[quantile]).0, "gorgo_no_queue", "{all:?}");
    }
    let (winner, best) = least(&all, |found| found.e2e_ms[1]);
    assert_ne!(winner, "gorgo_no_queue");
    assert!(greedy.e2e_ms[1] >= 3.0 * best, "{} against {best}", greedy.e2e_ms[1]);
    assert!(all["gorgo"].most < 0.5, "{all:?}");
}

/// More arrivals than the replica next door serves: its batch grows for as long as they last.
#[test]
fn under_saturation_ttft_and_e2e_name_different_winners() {
    let saturated =
        ["workloads.main.scale=1.047", "warmup=\"30s\"", "workloads.main.synthetic.duration=\"4m\""];
    let seeds = run_seeds("nearest-only", &saturated, 3);
    // What it serves when twice as many arrive is all that it can serve.
    let flooded = ["workloads.main.scale=2", saturated[1], saturated[2]];
    let capacity = run_one(&prepare("nearest-only", &flooded), "gorgo_no_queue", 1).served;
    for (seed, greedy) in seeds["gorgo_no_queue"].iter().enumerate() {
        assert!(greedy.arrivals > 1.04 * capacity, "seed {seed}: {capacity} {greedy:?}");
        assert!(greedy.under_way[1] > greedy.under_way[0], "seed {seed}: {greedy:?}");
    }
    let all = means(seeds);
    for quantile in 0..2 {
        assert_eq!(least(&all, |found| found.ttft_ms[quantile]).0, "gorgo_no_queue", "{all:?}");
        let (winner, best) = least(&all, |found| found.e2e_ms[quantile]);
        assert_ne!(winner, "gorgo_no_queue");
        assert!(all["gorgo_no_queue"].e2e_ms[quantile] > 3.0 * best, "{all:?}");
    }
}

#[test]
fn hashing_a_growing_prefix_serves_half_as_many_again() {
    // Half as long as the scenario, on three seeds.
    let shorter = ["warmup=\"3m\"", "workloads.main.synthetic.duration=\"6m\""];
    let all = run("growing-prefix", &shorter, 3);
    let against = |name: &str| all[name].throughput / all["round_robin"].throughput;
    assert!((1.33..1.65).contains(&against("chwbl")), "{}", against("chwbl"));
    assert!((0.95..1.05).contains(&against("least_load")), "{}", against("least_load"));
}

#[test]
fn rare_polls_cost_a_policy_that_reads_signals_and_none_that_counts_itself() {
    let shorter = ["warmup=\"1m\"", "workloads.main.synthetic.duration=\"8m\""];
    let all = run("poll-interval", &shorter, 3);
    let p99 = |name: &str| all[name].ttft_ms[2];
    let signals = ["signals_50ms", "signals_1s", "signals_5s", "signals_30s"].map(p99);
    assert!(signals.is_sorted(), "{signals:?}");
    assert!(signals[3] >= 1.5 * signals[0], "{signals:?}");
    assert!(p99("counters_30s") <= 1.05 * p99("counters_50ms"), "{all:?}");
}

#[test]
fn old_loads_and_the_index_first_are_fine_at_half_load_and_the_worst_at_full_load() {
    let measures = |found: &Found| [found.ttft_ms, found.e2e_ms, found.tpot_ms].concat();
    let split = |overrides: &[&str]| {
        let mut all = run("old-load", overrides, 3);
        (all.remove("index_first").expect("in the scenario"), all)
    };
    let (full, others) = split(&[]);
    for (name, other) in &others {
        for (i, (own, other)) in measures(&full).iter().zip(measures(other)).enumerate() {
            assert!(*own > other, "measure {i}: {own} against {other} of {name}");
        }
        assert!(full.throughput < 0.95 * other.throughput, "{full:?} against {other:?} of {name}");
    }
    // At half load within 15 % of each of the others, the best of them too.
    let (half, others) = split(&["workloads.main.synthetic.clients.count=16"]);
    for (name, other) in &others {
        for (i, (own, other)) in measures(&half).iter().zip(measures(other)).enumerate() {
            assert!(*own <= 1.15 * other, "measure {i}: {own} against {other} of {name}");
        }
        assert!(half.throughput >= other.throughput / 1.15, "{half:?} against {other:?} of {name}");
    }
}
