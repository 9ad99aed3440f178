//! The warnings that a run's own numbers give rise to, each by a rule that is said here, and those of all policies
//! gathered. Knows finished cells; must not know the world.

use super::numbers::{PERCENTILES, ms};
use super::summary::{Group, PolicySummary, Saturation, WarningSummary};
use crate::id::{Id, RegionId};
use crate::observe::Outcome;
use crate::run::{Entry, RunResult, Runs, Warning};
use crate::stats;
use crate::time::SimTime;
use std::collections::BTreeMap;

/// Slices of a run in which its settling is looked for: with batches of five, a fortieth of it is told apart.
const SLICES: usize = 200;
/// The last slice that a run may settle in: three eighths of it. Our choice: MSER-5 cuts up to a half, and a cut next to its
/// limit is what a few bursts in the first half give, not a beginning.
const LATEST: usize = SLICES * 3 / 8;
/// How far the mean of what is measured may be from that of what has settled: our choice, what a reader of a table would
/// call another number. Of TTFT a share of the settled mean, of the hit rate points.
const TTFT_OFF: f64 = 0.05;
const HITS_OFF: f64 = 0.02;
/// How much longer runs of decisions for one replica must be than in random order to be called herds: our choice; what
/// balances well has runs below those of random order.
const HERD: f64 = 1.5;

/// What was completed of the requests sent in one slice of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    completed: u64,
    ttft_ns: u128,
    cached: u64,
    prompt: u64,
}

/// The course of a run, by when requests were sent.
#[derive(Debug)]
pub(super) struct Course {
    slices: Vec<Slice>,
    width_ns: u64,
}

impl Course {
    /// Of a run whose last request is sent at this time.
    pub(super) fn new(last_sent: SimTime) -> Course {
        Course { slices: vec![Slice::default(); SLICES], width_ns: last_sent.0 / SLICES as u64 + 1 }
    }
    pub(super) fn add(&mut self, entry: &Entry) {
        let at = (entry.sent_at.0 / self.width_ns) as usize;
        if let (true, Some(slice), Some(ttft)) = (entry.completed(), self.slices.get_mut(at), entry.ttft) {
            slice.completed += 1;
            slice.ttft_ns += u128::from(ttft.0);
            slice.cached += u64::from(entry.cached_tokens);
            slice.prompt += u64::from(entry.prompt_tokens);
        }
    }
    /// Where MSER-5 sees the run settle later than measuring begins, and the mean of what was measured is another than
    /// that of what came after. First the hit rate, which can only begin too low; then TTFT. A run that does not
    /// settle in its first half has no such time; whether it keeps up is another warning's matter.
    fn unsettled(&self, warmup: SimTime) -> Option<Warning> {
        let part = |slice: &Slice, what: &str| match what {
            "TTFT" => (slice.ttft_ns as f64 / 1e6, slice.completed as f64),
            _ => (slice.cached as f64, slice.prompt as f64),
        };
        ["hit rate", "TTFT"].into_iter().find_map(|what| {
            let known: Vec<(usize, f64)> = (self.slices.iter().enumerate())
                .filter(|(_, slice)| slice.completed > 0)
                .map(|(at, slice)| (at, part(slice, what)))
                .filter(|(_, (_, whole))| *whole > 0.0)
                .map(|(at, (sum, whole))| (at, sum / whole))
                .collect();
            let values: Vec<f64> = known.iter().map(|&(_, value)| value).collect();
            let cut = known.get(stats::mser5(&values)?)?.0;
            (cut <= LATEST).then_some(())?;
            let settles = SimTime(cut as u64 * self.width_ns);
            let mean_from = |from: SimTime| {
                let counted = self.slices.iter().skip(from.0.div_ceil(self.width_ns) as usize);
                let (sum, whole) = counted
                    .map(|slice| part(slice, what))
                    .fold((0.0, 0.0), |(sum, whole), (more, of)| (sum + more, whole + of));
                (whole > 0.0).then(|| sum / whole)
            };
            let (measured, settled) = (mean_from(warmup)?, mean_from(settles)?);
            let off = match what {
                "TTFT" => (measured - settled).abs() > TTFT_OFF * settled,
                _ => settled - measured > HITS_OFF,
            };
            (settles > warmup && off).then(|| Warning::WarmupNotOver {
                what: what.to_string(),
                warmup_s: SimTime(warmup.0).as_secs_f64(),
                settles_s: settles.as_secs_f64(),
                measured: (measured * 1e6).round() / 1e6,
                settled: (settled * 1e6).round() / 1e6,
            })
        })
    }
}

/// Requests waiting in each window before the last arrival, of all regions together or of one.
pub(super) fn waiting(result: &RunResult, of: Option<RegionId>) -> Vec<f64> {
    let last = result.book.last_sent();
    let mut windows: BTreeMap<SimTime, u64> = BTreeMap::new();
    let counted = result.series.iter().filter(|row| row.start + result.series_window <= last);
    for row in counted.filter(|row| of.is_none_or(|region| row.region == region)) {
        *windows.entry(row.start).or_default() += row.waiting;
    }
    windows.into_values().map(|waiting| waiting as f64).collect()
}

/// Whether the queue is still growing when arrivals end: in the last quarter of the windows more than twice what
/// waited in the second quarter, and more than one request a replica. Our choice: a queue in balance has no trend.
fn queue_grows(waiting: &[f64], replicas: usize) -> bool {
    let quarter = waiting.len() / 4;
    if quarter == 0 {
        return false;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (early, late) = (mean(&waiting[quarter..2 * quarter]), mean(&waiting[waiting.len() - quarter..]));
    late > 2.0 * early && late > replicas as f64
}

/// The fleet does not keep up where more than a hundredth of all arrivals never began, or its queue grows; a region,
/// where the fleet does and its own queue grows.
fn saturated(result: &RunResult, unstarted: u64, saturation: &Saturation) -> Vec<Warning> {
    let total = &result.conservation.total;
    let warning = |region: Option<String>| Warning::Saturated {
        in_flight: if region.is_none() { total.of(Outcome::InFlight) } else { 0 },
        arrivals: total.arrived,
        busy: saturation.busy_max.unwrap_or_default(),
        region,
    };
    if unstarted * 100 > total.arrived || queue_grows(&waiting(result, None), result.replicas.len()) {
        return vec![warning(None)];
    }
    let labels = &result.labels;
    let grows = |id: &RegionId| {
        let replicas = labels.replicas.iter().filter(|replica| replica.region == *id).count();
        replicas > 0 && queue_grows(&waiting(result, Some(*id)), replicas)
    };
    let regions = (0..labels.regions.len()).map(RegionId::new).filter(grows);
    regions.map(|id| warning(Some(labels.region(id)))).collect()
}

/// A view is stale where one reading serves more decisions of a gateway than it has replicas to choose from, and these
/// go out in herds. M. Mitzenmacher, "How Useful Is Old Information?", IEEE TPDS 11(1), 2000: whoever looks least
/// loaded gets everything until the next reading. The worst gateway is named.
fn stale(result: &RunResult) -> Option<Warning> {
    let age = result.load_age?;
    let seconds = result.ended_at.as_secs_f64();
    let one = |(index, runs): (usize, &Runs)| {
        let replicas = runs.by_replica.iter().filter(|&&sends| sends > 0).count() as u64;
        let decisions = runs.sends as f64 * age.as_secs_f64() / seconds;
        let in_a_row = runs.sends as f64 / runs.runs.max(1) as f64;
        let shuffled = runs.sends as f64 / runs.shuffled();
        let herds = replicas > 1 && decisions > replicas as f64 && in_a_row > HERD * shuffled;
        herds.then(|| Warning::StaleView {
            gateway: crate::run::result::name_of(&result.labels.gateways, index),
            age_ms: ms(age.0 as f64),
            decisions: (decisions * 10.0).round() / 10.0,
            replicas,
            in_a_row: (in_a_row * 100.0).round() / 100.0,
            shuffled: (shuffled * 100.0).round() / 100.0,
        })
    };
    let worst = |warning: &Warning| match warning {
        Warning::StaleView { in_a_row, shuffled, .. } => in_a_row / shuffled,
        _ => 0.0,
    };
    let all = result.routed.gateways.iter().enumerate().filter_map(one);
    all.max_by(|a, b| worst(a).total_cmp(&worst(b)))
}

/// All warnings of a cell.
pub(super) fn of_cell(
    result: &RunResult,
    all: &Group,
    unstarted: u64,
    saturation: &Saturation,
    course: &Course,
) -> Vec<Warning> {
    let mut warnings = result.warnings.clone();
    let total = &result.conservation.total;
    let arrivals = total.arrived;
    if all.arrivals == 0 && arrivals > 0 {
        let (warmup_s, last_arrival_s) = (result.warmup.as_secs_f64(), result.book.last_sent().as_secs_f64());
        warnings.push(Warning::WarmupTooLong { warmup_s, last_arrival_s });
    } else if !stats::reliable(all.ttft.n, 0.99) {
        let reliable = PERCENTILES.iter().rev().find(|&&p| stats::reliable(all.ttft.n, p / 100.0));
        warnings.push(Warning::FewSamples { reliable_up_to: reliable.copied(), samples: all.ttft.n });
    }
    if result.conservation.violations > 0 {
        let first = result.conservation.first.first().map(ToString::to_string).unwrap_or_default();
        warnings.push(Warning::Inconsistent { violations: result.conservation.violations, first });
    }
    let too_large = total.of(Outcome::TooLarge);
    if too_large > 0 {
        warnings.push(Warning::PoolTooSmall { refused: too_large, arrivals });
    }
    let labels = &result.labels;
    let outside = result.replicas.enumerate().filter(|(_, totals)| totals.whole.extrapolated);
    let mut pools: Vec<String> = outside
        .filter_map(|(id, _)| labels.pools.get(labels.replicas.get(id)?.pool))
        .map(|pool| pool.name.clone())
        .collect();
    pools.dedup();
    if !pools.is_empty() {
        warnings.push(Warning::Extrapolated { pools, profile: false });
    }
    let no_region = total.of(Outcome::NoRegion);
    if no_region > 0 {
        // The first is the class of data without a rule.
        let rules = labels.data_classes.len() > 1;
        warnings.push(Warning::NoRegion { requests: no_region, arrivals, rules });
    }
    let late = saturated(result, unstarted, saturation);
    // What never settles is not told when it would.
    if late.is_empty() && result.steady && all.arrivals > 0 {
        warnings.extend(course.unsettled(SimTime(result.warmup.0)));
    }
    warnings.extend(stale(result));
    warnings.extend(late);
    warnings
}

/// A warning with its words.
pub(super) fn told(warning: Warning) -> WarningSummary {
    WarningSummary {
        policy: None,
        region: warning.region().map(String::from),
        message: warning.seen(),
        advice: warning.advice(),
        warning,
    }
}

/// The warnings of all cells: of a policy's seeds each once, and what all policies share without a policy.
pub(super) fn gathered(policies: &[PolicySummary]) -> Vec<WarningSummary> {
    let mut found: Vec<(WarningSummary, Vec<&str>)> = Vec::new();
    for policy in policies {
        let mut seen = Vec::new();
        for told in policy.cells.iter().flat_map(|cell| &cell.warnings) {
            let kind = (told.warning.code(), told.warning.about());
            if seen.contains(&kind) {
                continue;
            }
            seen.push(kind);
            match found.iter_mut().find(|(other, _)| other.warning == told.warning) {
                Some((_, policies)) => policies.push(&policy.policy),
                None => found.push((told.clone(), vec![&policy.policy])),
            }
        }
    }
    let each = found.into_iter().flat_map(|(told, of)| {
        let whose: Vec<Option<String>> = if of.len() == policies.len() {
            vec![None]
        } else {
            of.into_iter().map(|policy| Some(policy.to_string())).collect()
        };
        whose.into_iter().map(move |policy| WarningSummary { policy, ..told.clone() }).collect::<Vec<_>>()
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::time::Span;

    #[test]
    fn a_queue_that_grows_is_told_from_one_in_balance() {
        assert!(queue_grows(&[0.0, 5.0, 10.0, 20.0], 2));
        assert!(!queue_grows(&[9.0, 10.0, 11.0, 10.0], 2));
        assert!(!queue_grows(&[0.0, 0.1, 0.2, 0.9], 2), "fewer than one a replica");
    }

    /// A request in each of 200 slices; those before `cold` have this TTFT and share of the prompt cached, the rest
    /// 100 ± 10 ms and half.
    fn course(cold: u64, ttft_ms: u64, cached: u32) -> Course {
        let mut course = Course::new(SimTime(199 * 1_000_000_000));
        for i in 0..200u64 {
            let wave = if i % 2 == 0 { 90 } else { 110 };
            let (ttft_ms, cached) = if i < cold { (ttft_ms, cached) } else { (wave, 50) };
            let ttft = Span::from_ms(ttft_ms);
            let mut legs = crate::observe::Legs::default();
            legs.add(crate::observe::Leg::Queue, ttft);
            course.add(&Entry {
                sent_at: SimTime(i * 1_000_000_000),
                ttft: Some(ttft),
                legs,
                outcome: Outcome::Completed,
                prompt_tokens: 100,
                cached_tokens: cached,
                ..Entry::default()
            });
        }
        course
    }

    #[test]
    fn a_run_that_settles_after_the_warm_up_is_told_and_one_that_has_settled_is_not() {
        let seen = |course: &Course, warmup_s: u64| course.unsettled(SimTime(warmup_s * 1_000_000_000));
        // Forty slices of 200 with nothing cached: 160 / 200 · 0.5 = 40 % as measured, 50 % later.
        let cold = course(40, 100, 0);
        match seen(&cold, 0) {
            Some(Warning::WarmupNotOver { what, settles_s, measured, settled, .. }) => {
                assert_eq!((what.as_str(), measured, settled), ("hit rate", 0.4, 0.5));
                // Slices are a five-millionth wider than a second.
                assert!((settles_s - 40.0).abs() < 1.0, "{settles_s}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(seen(&cold, 45), None);
        assert_eq!(seen(&course(0, 0, 0), 0), None, "level from the start");
        // Caches that begin too full are not cold; a cold start of two slices moves the hit rate by half a point.
        assert_eq!(seen(&course(40, 100, 60), 0), None);
        assert_eq!(seen(&course(2, 100, 0), 0), None);
        // Twenty slices with a queue: (20 · 300 + 180 · 100) / 200 = 120 ms as measured.
        match seen(&course(20, 300, 50), 5) {
            Some(Warning::WarmupNotOver { what, settled, .. }) => {
                assert_eq!((what.as_str(), settled), ("TTFT", 100.0));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_view_is_stale_where_herds_go_by_it() {
        let mut result = sample::cell("a", 1, 1);
        // 20 s; 400 decisions in 10 runs for two replicas: 40 in a row; in random order about 2.
        let mut herds = Runs::default();
        (herds.sends, herds.runs, herds.by_replica) = (400, 10, vec![200, 200]);
        result.routed.gateways = vec![herds];
        let stale = |result: &RunResult| stale(result).map(|warning| warning.seen());
        assert_eq!(stale(&result), None, "loads are not read, or as they are");
        // A second of age is 20 decisions.
        result.load_age = Some(Span::from_secs(1));
        let words = stale(&result).expect("herds");
        assert!(
            words.contains("1000 ms old and makes 20 decisions") && words.contains("40.0 in a row"),
            "{words}"
        );
        result.load_age = Some(Span::from_ms(50));
        assert_eq!(stale(&result), None, "one decision a reading is as good as it gets");
        result.load_age = Some(Span::from_secs(1));
        result.routed.gateways[0].runs = 250;
        assert_eq!(stale(&result), None, "no herds: runs are shorter than at random");
    }

    #[test]
    fn too_few_samples_and_requests_that_never_fit_are_told() {
        let codes = |result: &RunResult| -> Vec<&str> {
            super::super::summarise_cell(result).warnings.iter().map(|told| told.warning.code()).collect()
        };
        // 90 completed requests: one in ten beyond p90, nine of them.
        let mut result = sample::cell("a", 1, 1);
        assert_eq!(codes(&result), ["too-few-samples"]);
        result.conservation.total = sample::cell("a", 1, 1).conservation.total;
        let rows: Vec<_> = (0..20).flat_map(|_| sample::rows(1)).collect();
        result.book = rows.iter().collect();
        assert!(codes(&result).is_empty(), "1,800 requests carry p99");
    }

    #[test]
    fn what_all_policies_share_is_told_once_and_without_a_policy() {
        let cells = |name: &str| (0..2).map(|seed| sample::cell(name, seed, 1)).collect::<Vec<_>>();
        let mut odd = cells("odd");
        odd[1].warnings = vec![Warning::AsymmetricRtt { from: "a".into(), to: "b".into() }];
        let summary = sample::summary(&[("even", cells("even")), ("odd", odd)]);
        let told: Vec<(&str, Option<&str>)> =
            summary.warnings.iter().map(|told| (told.warning.code(), told.policy.as_deref())).collect();
        assert_eq!(told, [("too-few-samples", None), ("asymmetric-rtt", Some("odd"))]);
    }
}
