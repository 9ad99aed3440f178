//! From a finished cell to its summary. Only arithmetic on rows: what is counted, over what, is said in `summary`.

use super::curves;
use super::followed;
use super::groups::{self, Sizes};
use super::measures;
use super::money;
use super::numbers::{ratio, rounded};
use super::routing;
use super::summary::{
    Basis, CellSummary, ConservationSummary, Cost, Group, NamedGroup, OutcomeCounts, PolicySummary, PoolCost,
    RegionCost, ReplicaSummary, SCHEMA_VERSION, Saturation, Summary,
};
use super::warnings;
use crate::id::Id;
use crate::observe::Outcome;
use crate::run::conservation::Counts;
use crate::run::{CapacityLine, Entry, Provenance, RunResult};
use crate::stats;
use crate::time::{PS_PER_NS, SimTime};
use std::collections::BTreeMap;

fn outcome_counts(name: &str, counts: &Counts) -> OutcomeCounts {
    OutcomeCounts {
        name: name.to_string(),
        arrivals: counts.arrived,
        completed: counts.of(Outcome::Completed),
        too_large: counts.of(Outcome::TooLarge),
        queue_full: counts.of(Outcome::QueueFull),
        no_region: counts.of(Outcome::NoRegion),
        shed: counts.of(Outcome::Shed),
        timed_out: counts.of(Outcome::TimedOut),
        failed: counts.of(Outcome::Failed),
        in_flight: counts.of(Outcome::InFlight),
        rejected: counts.of(Outcome::Rejected),
        throttled: counts.of(Outcome::Throttled),
        queue_timeout: counts.of(Outcome::QueueTimeout),
    }
}

fn conservation(result: &RunResult) -> ConservationSummary {
    let report = &result.conservation;
    let section = |groups: &BTreeMap<u32, Counts>, names: &[String]| {
        let named = groups
            .iter()
            .map(|(&id, counts)| outcome_counts(&crate::run::result::name_of(names, id as usize), counts));
        named.collect::<Vec<_>>()
    };
    let [prompt_tokens, cached_tokens, fetched_tokens, computed_tokens, recomputed_tokens] =
        report.prompt_tokens;
    ConservationSummary {
        holds: report.violations == 0,
        violations: report.first.iter().map(ToString::to_string).collect(),
        total: outcome_counts("all", &report.total),
        origins: section(&report.origins, result.labels.origins.as_slice()),
        regions: section(&report.regions, result.labels.regions.as_slice()),
        classes: section(&report.classes, result.labels.classes.as_slice()),
        tenants: report.tenants.len() as u64,
        prompt_tokens,
        cached_tokens,
        fetched_tokens,
        computed_tokens,
        recomputed_tokens,
    }
}

fn replicas(result: &RunResult) -> Vec<ReplicaSummary> {
    let each = result.replicas.enumerate().map(|(id, totals)| {
        let work = &totals.whole;
        let busy_ps = work.busy_ps - totals.at_warmup.busy_ps;
        let time = result.ended_at.since(totals.warmup_sample_at);
        ReplicaSummary {
            replica: result.labels.replica(id),
            completed: work.completed,
            steps: work.steps,
            mean_batch: ratio(work.sequence_steps, work.steps),
            busy: ratio(busy_ps / PS_PER_NS, time.0),
            prompt_tokens: work.prompt_tokens,
            cached_tokens: work.cached_tokens,
            hit_rate: ratio(work.cached_tokens, work.prompt_tokens),
            output_tokens: work.output_tokens,
            preemptions: work.preemptions,
            evicted_blocks: work.evicted_blocks,
            kv_peak: ratio(u64::from(work.kv_peak_blocks), u64::from(totals.kv_total_blocks)),
        }
    });
    each.collect()
}

fn saturation(result: &RunResult, replicas: &[ReplicaSummary]) -> Saturation {
    let busy = || replicas.iter().filter_map(|replica| replica.busy);
    let largest = |values: &mut dyn Iterator<Item = f64>| values.max_by(f64::total_cmp);
    Saturation {
        busy_mean: stats::Moments::of(busy()).mean().map(rounded),
        busy_max: largest(&mut busy()),
        batch_mean: {
            let work = || result.replicas.iter().map(|totals| &totals.whole);
            ratio(work().map(|work| work.sequence_steps).sum(), work().map(|work| work.steps).sum())
        },
        kv_peak: largest(&mut replicas.iter().filter_map(|replica| replica.kv_peak)),
        waiting_mean: stats::Moments::of(warnings::waiting(result, None)).mean().map(rounded),
    }
}

fn cost(result: &RunResult, output_tokens: u64) -> Cost {
    let labels = &result.labels;
    let mut pools = vec![0.0; labels.pools.len()];
    let mut regions = vec![0.0; labels.regions.len()];
    for (id, totals) in result.replicas.enumerate() {
        let Some(label) = labels.replicas.get(id) else { continue };
        let gpus = labels.pools.get(label.pool).map_or(0, |pool| pool.gpus_per_replica);
        let hours = f64::from(gpus) * totals.provisioned.as_secs_f64() / 3600.0;
        pools[label.pool.index()] += hours;
        regions[label.region.index()] += hours;
    }
    let gpu_hours: f64 = pools.iter().sum();
    Cost {
        gpu_hours: rounded(gpu_hours),
        pools: (labels.pools.iter().zip(&pools))
            .map(|(pool, &hours)| PoolCost {
                pool: pool.name.clone(),
                gpu: pool.gpu.clone(),
                gpu_hours: rounded(hours),
            })
            .collect(),
        regions: (labels.regions.iter().zip(&regions))
            .map(|(region, &hours)| RegionCost { region: region.clone(), gpu_hours: rounded(hours) })
            .collect(),
        output_tokens_per_gpu_hour: (gpu_hours > 0.0).then(|| rounded(output_tokens as f64 / gpu_hours)),
        usd: None,
        egress: None,
        api: None,
    }
}

/// Groups by tenant, of those that sent anything; nothing where nobody asked.
fn tenants(result: &RunResult, all: &Group) -> Vec<NamedGroup> {
    let Some(last) = result.tenants.iter().max() else { return Vec::new() };
    let names: Vec<String> = (0..=last.0).map(|tenant| tenant.to_string()).collect();
    let key = |entry: &Entry| result.tenants.get(entry.id.index()).map(|tenant| tenant.index());
    let mut sizes = Sizes::of(&names);
    result.measured().for_each(|entry| sizes.add(key(&entry)));
    let groups = sizes.groups(result, all, &names, key);
    groups.into_iter().filter(|group| group.group.arrivals > 0).collect()
}

/// Summarises a finished cell.
pub fn summarise_cell(result: &RunResult) -> CellSummary {
    let labels = &result.labels;
    let from = SimTime(result.warmup.0);
    let home = |entry: &Entry| labels.homes.get(entry.origin).copied().flatten();
    let (classes, regions, origins) =
        (labels.classes.as_slice(), labels.regions.as_slice(), labels.origins.as_slice());
    let class = |entry: &Entry| Some(entry.class.index());
    let region = |entry: &Entry| entry.region.map(Id::index);
    let origin = |entry: &Entry| Some(entry.origin.index());
    let mut sizes = [Sizes::of(classes), Sizes::of(regions), Sizes::of(origins)];
    let (mut served, mut abroad) = (0, 0);
    // Of all requests, also those sent during the warm-up: ended after it, their tokens; never begun.
    let (mut ended, mut received, mut unstarted) = (0, 0, 0);
    let mut course = warnings::Course::new(result.book.last_sent());
    let mut tally = groups::all(result, |entry, counts| {
        if entry.completed() && entry.ended_at >= from {
            ended += 1;
            received += u64::from(entry.output_tokens);
        }
        unstarted += u64::from(entry.outcome == Outcome::InFlight && entry.ttft.is_none());
        course.add(entry);
        if !counts {
            return;
        }
        for (sizes, key) in sizes.iter_mut().zip([class(entry), region(entry), origin(entry)]) {
            sizes.add(key);
        }
        if let (Some(region), Some(home)) = (entry.region, home(entry)) {
            served += 1;
            abroad += u64::from(region != home);
        }
    });
    let all = tally.group();
    let mut ttfts = std::mem::take(&mut tally.ttft);
    drop(tally);
    ttfts.sort_unstable();
    let seconds = result.measured_span().as_secs_f64();
    let rate = |count: u64| (seconds > 0.0).then(|| rounded(count as f64 / seconds));

    let replicas = replicas(result);
    let saturation = saturation(result, &replicas);
    let produced = result.replicas.iter().map(|totals| totals.whole.output_tokens).sum();
    let misses = routing::misses(result, all.prompt_tokens);
    let api = money::api(result, &all, &misses);
    let usd = money::usd(result, &all, result.conservation.total.of(Outcome::Completed));
    let (usd, egress) = usd.map_or((None, None), |(usd, egress)| (Some(usd), egress));
    let mut curves = curves::Curves::new(result, &ttfts);
    let ttft_legs = groups::legs(result, &ttfts, |ttft, entry| curves.add(ttft, entry));
    let (ttft_bands, flows) = curves.finish();
    let warnings = warnings::of_cell(result, &all, unstarted, &saturation, &course).into_iter();

    CellSummary {
        seed: result.seed,
        outcome_digest: format!("{:016x}", result.outcome_digest),
        events: result.events,
        warmup_s: result.warmup.as_secs_f64(),
        end_s: result.ended_at.as_secs_f64(),
        cut_at_horizon: result.cut_at_horizon,
        classes: sizes[0].groups(result, &all, classes, class),
        regions: sizes[1].groups(result, &all, regions, region),
        origins: sizes[2].groups(result, &all, origins, origin),
        tenants: tenants(result, &all),
        rungs: followed::rungs(result),
        measured: followed::measured(result),
        ttft_legs,
        ttft_curve_ms: curves::ttft(&ttfts),
        ttft_bands,
        flows,
        routing: routing::routing(result),
        misses,
        throughput_requests_s: rate(ended),
        throughput_output_tokens_s: rate(received),
        cross_region_share: ratio(abroad, served),
        cost: Cost { usd, egress, api, ..cost(result, produced) },
        conservation: conservation(result),
        notices: result.notices.clone(),
        warnings: warnings.map(warnings::told).collect(),
        all,
        saturation,
        replicas,
    }
}

/// The summary of a run from its cells' summaries, by policy and then seed.
pub fn summarise(
    scenario: &str,
    provenance: &Provenance,
    capacity: &[CapacityLine],
    seeds: &[u64],
    policies: Vec<(String, Vec<CellSummary>)>,
) -> Summary {
    let policies: Vec<PolicySummary> = policies
        .into_iter()
        .map(|(policy, cells)| PolicySummary {
            policy,
            measures: measures::of(&cells).map(|measure| measures::over_seeds(measure, &cells)).collect(),
            cells,
        })
        .collect();
    let mut provenance = provenance.clone();
    let drawn_by: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    for (_, label) in &mut provenance.origins {
        *label = label.replace("seed of the cell", &format!("seed {}", drawn_by.join(" ")));
    }
    Summary {
        schema_version: SCHEMA_VERSION,
        scenario: scenario.to_string(),
        seeds: seeds.to_vec(),
        provenance,
        basis: Basis::default(),
        capacity: capacity.to_vec(),
        gates: Vec::new(),
        warnings: warnings::gathered(&policies),
        policies,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::time::Span;

    #[test]
    fn the_sample_adds_up_by_hand() {
        let cell = summarise_cell(&sample::cell("a", 1, 1));
        // TTFTs 1 … 90 ms: the median at h = 44.5 is 45.5, p99 at 88.11 is 89.11; half of 90 beyond the median, 0.9
        // beyond p99.
        let ttft = &cell.all.ttft;
        assert_eq!((ttft.n, ttft.mean_ms, ttft.max_ms), (90, Some(45.5), Some(90.0)));
        assert_eq!(ttft.at(50.0).map(|p| (p.ms, p.reliable)), Some((45.5, true)));
        assert_eq!(ttft.at(99.0).map(|p| (p.ms, p.reliable)), Some((89.11, false)));
        assert_eq!(cell.all.tpot.at(50.0).unwrap().ms, 10.0);
        // 50 of 100 arrivals had a TTFT of at most 50 ms; the shed ones count as missed.
        assert_eq!((cell.all.met_slo, cell.all.attainment), (50, Some(0.5)));
        assert_eq!(cell.all.hit_rate, Some(0.25));
        assert_eq!((cell.throughput_requests_s, cell.throughput_output_tokens_s), (Some(4.5), Some(13.5)));
        // 45 of 90 served requests are from Europe, whose home is `eu`.
        assert_eq!(cell.cross_region_share, Some(0.5));
        // 5 s of 20 s in steps; 300 of 1,000 blocks; 4 GPUs for 20 s.
        assert_eq!((cell.saturation.busy_mean, cell.saturation.kv_peak), (Some(0.25), Some(0.3)));
        assert_eq!(cell.saturation.batch_mean, Some(2.0), "360 sequences in 180 steps");
        assert_eq!(cell.cost.gpu_hours, rounded(80.0 / 3600.0));
        assert!(cell.conservation.holds, "{:?}", cell.conservation.violations);
        assert_eq!((cell.conservation.total.completed, cell.conservation.total.shed), (90, 10));
        let leg = |name: &str| cell.ttft_legs.iter().find(|leg| leg.leg == name).unwrap();
        assert_eq!((leg("queue").mean_ms, leg("prefill").mean_ms, leg("hop").mean_ms), (22.75, 22.75, 0.0));
        let sum: f64 = cell.ttft_legs.iter().map(|leg| leg.mean_ms).sum();
        assert_eq!(sum, 45.5, "the means of the legs add up to the mean");
    }

    #[test]
    fn the_warm_up_cuts_percentiles_and_attainment_but_no_count() {
        let mut result = sample::cell("a", 1, 1);
        result.warmup = Span::from_secs(5);
        let cell = summarise_cell(&result);
        assert_eq!((cell.all.arrivals, cell.all.ttft.n, cell.conservation.total.arrivals), (50, 40, 100));
        // Requests 50 … 99: none has 50 ms or less.
        assert_eq!(cell.all.attainment, Some(0.0));
        result.warmup = Span::from_secs(60);
        let warnings = summarise_cell(&result).warnings;
        assert!(warnings.iter().any(|w| w.warning.code() == "warm-up-too-long"), "{warnings:?}");
    }

    #[test]
    fn summary_json_keeps_its_shape() {
        let result = sample::cell("nearest", 1, 1);
        let summary = sample::summary(&[("nearest", vec![result])]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap());
        let back: Summary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&summary).unwrap());
    }
}
