//! Two sides, seed by seed: each measure's change with its interval, and the verdict. Knows cells' summaries; must
//! not know how they came to be.

use super::metric::Metric;
use super::sample::Sample;
use super::tolerance::{Margin, Tolerance};
use crate::report::measures::{self, Better};
use crate::rng::Key;
use crate::stats::{Evidence, Paired, Verdict, bca, holm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What decides where the user names nothing: both ends of TTFT, the pace of output, the whole request, and what the
/// fleet gets done. Our choice: TTFT alone can look well while everything else collapses.
pub const HEADLINE: [&str; 7] =
    ["ttft.p50", "ttft.p99", "tpot.p50", "e2e.p50", "e2e.p99", "slo.attainment", "throughput.output_tokens"];

/// How verdicts are given.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Of intervals and verdicts, two-sided, such as 0.95.
    pub confidence: f64,
    /// What decides, each with its margin.
    pub gated: Vec<Tolerance>,
    /// How intervals are made; verdicts are Student's in any case.
    pub intervals: Intervals,
}

/// How the interval of a mean difference is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intervals {
    /// Student's: exact where differences are normal, and good where they are many.
    #[default]
    Student,
    /// The bias-corrected and accelerated bootstrap: where a few pairs differ far more than the others. It needs three
    /// pairs, and is too narrow with fewer than some ten.
    Bootstrap,
}

impl Intervals {
    /// Resamples of the bootstrap: our choice, so that an end at 2.5 % has 250 beyond it.
    pub const RESAMPLES: usize = 10_000;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_student(&self) -> bool {
        *self == Intervals::Student
    }

    /// Of the mean of these differences. Resamples are drawn by `key`, so the same differences have the same interval.
    fn of(self, paired: &Paired, differences: &[f64], confidence: f64, key: Key) -> Option<(f64, f64)> {
        match self {
            Intervals::Student => paired.interval(confidence),
            Intervals::Bootstrap => {
                let mean = |pairs: &[usize]| {
                    pairs.iter().map(|&pair| differences[pair]).sum::<f64>() / pairs.len() as f64
                };
                bca(differences.len(), mean, confidence, Intervals::RESAMPLES, &mut key.stream())
            }
        }
    }
}

impl Rules {
    /// These measures, with Student's intervals.
    pub fn of(confidence: f64, gated: Vec<Tolerance>) -> Rules {
        Rules { confidence, gated, intervals: Intervals::default() }
    }
    /// The headline measures, each with this margin.
    pub fn headline(confidence: f64, margin: Margin) -> Rules {
        let all = || [measures::LATENCY, measures::SERVICE].into_iter().flatten();
        let metrics = HEADLINE.iter().filter_map(|name| all().find(|measure| measure.name == *name));
        let gated = metrics.map(|measure| Tolerance { metric: Metric::of(measure), margin });
        Rules::of(confidence, gated.collect())
    }
}

/// Two sides compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The first side.
    pub before: String,
    /// The second.
    pub after: String,
    /// The seeds of the pairs.
    pub seeds: Vec<u64>,
    /// How many pairs have equal outcomes of every request.
    pub equal_outcomes: u64,
    /// Of the intervals, such as 0.95.
    pub confidence: f64,
    /// How they were made; Student's where nothing is said.
    #[serde(default, skip_serializing_if = "Intervals::is_student")]
    pub intervals: Intervals,
    /// The measures: first those that decide.
    pub changes: Vec<Change>,
    /// What decides and has a value on one side alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Of all that decide: `worse` if any is, else `inconclusive` if any is, else `better` if any is, else `same`.
    /// Null with one seed.
    pub verdict: Option<Verdict>,
}

/// A measure that decides, in pairs of which one side has no value: nothing was completed, or nothing asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Its name.
    pub metric: String,
    /// Pairs with a value before and none after: a loss, whatever the other pairs say.
    pub only_before: u64,
    /// Pairs with a value after and none before.
    pub only_after: u64,
}

/// One measure on both sides. Values in the measure's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Its name, such as `ttft.p99{origin="eu"}`.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better: `lower`, `higher` or `neither`.
    pub better: Direction,
    /// Pairs that have a value on both sides.
    pub pairs: u64,
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
    /// Mean of after less before.
    pub difference: f64,
    /// Student's interval for it; null with one pair.
    pub interval: Option<(f64, f64)>,
    /// The loss that does not matter; null where the measure does not decide.
    pub margin: Option<f64>,
    /// The probability of such a loss or a larger one if the true loss were the margin, corrected for all that decide (Holm).
    pub p_worse: Option<f64>,
    /// What the pairs say; null with one pair, or where the measure does not decide.
    pub verdict: Option<Verdict>,
    /// Whether every value stands on at least ten samples beyond it.
    pub reliable: bool,
    /// How many seeds would bring the interval clear of the margin, if mean and spread stayed; null where it is, or where
    /// nothing would.
    pub seeds_wanted: Option<u64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Less.
    Lower,
    /// More.
    Higher,
    /// Neither: a fact.
    Neither,
}

impl From<Better> for Direction {
    fn from(better: Better) -> Direction {
        match better {
            Better::Lower => Direction::Lower,
            Better::Higher => Direction::Higher,
            Better::Neither => Direction::Neither,
        }
    }
}

/// The values of a metric on both sides, by pair, and whether all are reliable.
fn values(pairs: &[(&Sample, &Sample)], metric: &str) -> (Vec<f64>, Vec<f64>, bool) {
    let (mut before, mut after, mut reliable) = (Vec::new(), Vec::new(), true);
    for (first, second) in pairs {
        if let (Some(a), Some(b)) = (first.value(metric), second.value(metric)) {
            before.push(a);
            after.push(b);
            reliable &= first.reliable(metric) && second.reliable(metric);
        }
    }
    (before, after, reliable)
}

/// Compares two sides, paired by seed: `before` and `after` are their names. `None` where no seed is on both sides.
/// What decides stands first; then come all other headline measures, without a verdict.
pub fn compare(
    (before, first): (&str, &[Sample]),
    (after, second): (&str, &[Sample]),
    rules: &Rules,
) -> Option<Comparison> {
    let mut pairs: Vec<(&Sample, &Sample)> = Vec::new();
    for a in first {
        pairs.extend(second.iter().find(|b| b.seed == a.seed).map(|b| (a, b)));
    }
    (!pairs.is_empty()).then_some(())?;
    let decides: Vec<String> = rules.gated.iter().map(|gate| gate.metric.to_string()).collect();
    let others = Metric::all().filter(|metric| !decides.contains(&metric.to_string()));
    let asked = rules.gated.iter().map(|gate| (gate.metric.clone(), Some(gate.margin)));
    let mut evidence: Vec<(usize, Evidence)> = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    for gate in &rules.gated {
        let metric = gate.metric.to_string();
        let count = |one: fn(bool, bool) -> bool| {
            let has = |sample: &Sample| sample.value(&metric).is_some();
            pairs.iter().filter(|(a, b)| one(has(a), has(b))).count() as u64
        };
        let (only_before, only_after) = (count(|a, b| a && !b), count(|a, b| b && !a));
        if only_before + only_after > 0 {
            missing.push(Missing { metric, only_before, only_after });
        }
    }
    for (metric, margin) in asked.chain(others.map(|metric| (metric, None))) {
        let name = metric.to_string();
        let (a, b, reliable) = values(&pairs, &name);
        let Some(paired) = Paired::of(&a, &b) else { continue };
        let loss = if metric.better() == Better::Higher { paired.mirrored() } else { paired };
        let margin = margin.map(|margin| margin.of(paired.before));
        let found = margin.and_then(|margin| Evidence::of(&loss, margin));
        evidence.extend(found.map(|found| (changes.len(), found)));
        // As many as bring the interval clear of the margin, if mean and spread stay.
        let wanted =
            margin.and_then(|margin| paired.pairs_for((loss.mean() - margin).abs(), rules.confidence));
        let differences: Vec<f64> = b.iter().zip(&a).map(|(after, before)| after - before).collect();
        let key = Key::root(0).named("bootstrap").named(&name);
        changes.push(Change {
            metric: name,
            unit: metric.measure.unit.to_string(),
            better: metric.better().into(),
            pairs: paired.pairs(),
            before: paired.before,
            after: paired.after,
            difference: paired.mean(),
            interval: rules.intervals.of(&paired, &differences, rules.confidence, key),
            margin,
            p_worse: None,
            verdict: None,
            reliable,
            // Nobody runs more than that.
            seeds_wanted: wanted.filter(|wanted| (paired.pairs() + 1..1_000_000).contains(wanted)),
        });
    }
    // Alarms of either kind: that any of many measures looks worse, or better, is likely by chance alone.
    let family =
        |of: fn(&Evidence) -> f64| holm(&evidence.iter().map(|(_, found)| of(found)).collect::<Vec<_>>());
    let corrected = family(|found| found.worse).into_iter().zip(family(|found| found.better));
    for ((index, found), (worse, better)) in evidence.iter().zip(corrected) {
        let change = &mut changes[*index];
        change.p_worse = Some(worse);
        change.verdict = Some(Evidence { worse, better, ..*found }.verdict(rules.confidence));
    }
    let verdicts: Vec<Verdict> = changes.iter().filter_map(|change| change.verdict).collect();
    let any = |wanted: Verdict| verdicts.contains(&wanted).then_some(wanted);
    let lost = missing.iter().any(|missing| missing.only_before > 0).then_some(Verdict::Worse);
    let unknown = (!missing.is_empty()).then_some(Verdict::Inconclusive);
    let verdict = any(Verdict::Worse)
        .or(lost)
        .or_else(|| any(Verdict::Inconclusive))
        .or(unknown)
        .or_else(|| any(Verdict::Better))
        .or_else(|| any(Verdict::Same));
    let equal = pairs.iter().filter(|(a, b)| a.outcome_digest == b.outcome_digest).count();
    Some(Comparison {
        before: before.to_string(),
        after: after.to_string(),
        seeds: pairs.iter().map(|(cell, _)| cell.seed).collect(),
        equal_outcomes: equal as u64,
        confidence: rules.confidence,
        intervals: rules.intervals,
        changes,
        missing,
        verdict,
    })
}

/// How many seeds would bring an interval to at most its margin to either side, if their spread stayed; `None` where it is
/// so narrow, or where nothing is known of it.
pub fn seeds_for_width(
    first: &[Sample],
    second: &[Sample],
    width: &Tolerance,
    confidence: f64,
) -> Option<u64> {
    let pairs: Vec<(&Sample, &Sample)> = first.iter().zip(second).collect();
    let (before, after, _) = values(&pairs, &width.metric.to_string());
    let paired = Paired::of(&before, &after)?;
    let wanted = width.margin.of(paired.before);
    let half = paired.difference.half_width(confidence)?;
    (half > wanted).then(|| paired.pairs_for(wanted, confidence).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    fn cell(seed: u64, ttft_ms: f64, throughput: f64) -> Sample {
        let values = [("ttft.p50", ttft_ms), ("ttft.p99", ttft_ms), ("throughput.output_tokens", throughput)];
        Sample {
            seed,
            outcome_digest: format!("{ttft_ms}-{throughput}"),
            values: values.map(|(name, value)| (name.to_string(), value)).into(),
            unreliable: Vec::new(),
        }
    }

    /// Differences 0, 0, 0, 0, 10: mean 2, sd √20. Student's interval has 2.776 · √20 / √5 = 5.55 to either side, so from
    /// −3.55, which no mean of these can be; the bootstrap's lies within what they can be, further out where the tail is.
    #[test]
    fn the_bootstrap_knows_which_side_the_tail_is_on() {
        let side = |last: f64| {
            (0..5).map(|seed| cell(seed, if seed == 4 { last } else { 100.0 }, 1.0)).collect::<Vec<_>>()
        };
        let (before, after) = (side(100.0), side(110.0));
        let interval = |intervals: Intervals| {
            let rules = Rules { intervals, ..Rules::headline(0.95, Margin::Relative(0.01)) };
            let found = compare(("a", &before), ("b", &after), &rules).unwrap();
            (found.changes[0].interval.unwrap(), found.changes[0].verdict)
        };
        let ((low, high), verdict) = interval(Intervals::Student);
        assert!((low + 3.55).abs() < 0.01 && (high - 7.55).abs() < 0.01, "{low} {high}");
        let ((low, high), same_verdict) = interval(Intervals::Bootstrap);
        assert!((0.0..2.0).contains(&low) && (4.0..=10.0).contains(&high), "{low} {high}");
        assert_eq!(verdict, same_verdict);
        assert_eq!(interval(Intervals::Bootstrap).0, (low, high), "the same every time");
    }

    fn side(values: [(f64, f64); 5]) -> Vec<Sample> {
        values
            .iter()
            .enumerate()
            .map(|(seed, &(ttft, throughput))| cell(seed as u64, ttft, throughput))
            .collect()
    }

    const BASE: [(f64, f64); 5] = [(100.0, 50.0), (110.0, 55.0), (90.0, 45.0), (105.0, 52.0), (95.0, 48.0)];

    fn change<'c>(comparison: &'c Comparison, metric: &str) -> &'c Change {
        comparison.changes.iter().find(|change| change.metric == metric).unwrap()
    }

    #[test]
    fn a_shift_that_all_seeds_share_is_seen_through_their_spread() {
        // Seeds differ by 20 ms, the change by 5 ± 0.2 in each: the mean 5.0, s = 0.158, half 2.776 · 0.0707 = 0.196.
        let after = [(105.0, 50.0), (115.2, 55.0), (94.8, 45.0), (110.1, 52.0), (99.9, 48.0)];
        let found =
            compare(("a", &side(BASE)), ("b", &side(after)), &Rules::headline(0.95, Margin::Relative(0.01)))
                .unwrap();
        let ttft = change(&found, "ttft.p99");
        assert!((ttft.difference - 5.0).abs() < 1e-9, "{}", ttft.difference);
        let (low, high) = ttft.interval.unwrap();
        assert!((low - 4.804).abs() < 1e-3 && (high - 5.196).abs() < 1e-3, "{low} {high}");
        assert_eq!((ttft.margin, ttft.verdict), (Some(1.0), Some(Verdict::Worse)));
        assert_eq!(change(&found, "throughput.output_tokens").verdict, Some(Verdict::Same));
        assert_eq!((found.verdict, found.seeds.len(), found.equal_outcomes), (Some(Verdict::Worse), 5, 0));
    }

    #[test]
    fn of_throughput_less_is_worse() {
        let after = BASE.map(|(ttft, throughput)| (ttft, throughput - 5.0));
        let found =
            compare(("a", &side(BASE)), ("b", &side(after)), &Rules::headline(0.95, Margin::Relative(0.01)))
                .unwrap();
        assert_eq!(change(&found, "throughput.output_tokens").verdict, Some(Verdict::Worse));
        let found =
            compare(("b", &side(after)), ("a", &side(BASE)), &Rules::headline(0.95, Margin::Relative(0.01)))
                .unwrap();
        assert_eq!(change(&found, "throughput.output_tokens").verdict, Some(Verdict::Better));
        assert_eq!(found.verdict, Some(Verdict::Better));
    }

    #[test]
    fn an_unchanged_side_is_the_same_to_the_last_bit() {
        let found =
            compare(("a", &side(BASE)), ("a", &side(BASE)), &Rules::headline(0.95, Margin::Relative(0.0)))
                .unwrap();
        assert!(found.changes.iter().all(|change| change.difference == 0.0));
        assert_eq!((found.verdict, found.equal_outcomes), (Some(Verdict::Same), 5));
    }

    #[test]
    fn noise_wider_than_the_margin_says_how_many_seeds_it_takes() {
        // Differences 10, -10, 10, -10, 0: mean 0, s = 10; 1 ms wants (1.97 · 10)² seeds, about 388.
        let after = [(110.0, 50.0), (100.0, 55.0), (100.0, 45.0), (95.0, 52.0), (95.0, 48.0)];
        let found =
            compare(("a", &side(BASE)), ("b", &side(after)), &Rules::headline(0.95, Margin::Absolute(1.0)))
                .unwrap();
        let ttft = change(&found, "ttft.p99");
        assert_eq!(ttft.verdict, Some(Verdict::Inconclusive));
        assert!((380..400).contains(&ttft.seeds_wanted.unwrap()), "{:?}", ttft.seeds_wanted);
        let metric = Metric::all().find(|metric| metric.to_string() == "ttft.p99").unwrap();
        let width = Tolerance { metric, margin: Margin::Absolute(5.0) };
        // Half of 5 wants (2.1 · 2)² = 18 or so.
        let seeds = seeds_for_width(&side(BASE), &side(after), &width, 0.95).unwrap();
        assert!((16..=20).contains(&seeds), "{seeds}");
    }

    #[test]
    fn one_seed_has_no_verdict_and_none_no_comparison() {
        let rules = Rules::headline(0.95, Margin::Relative(0.01));
        let found = compare(("a", &[cell(1, 1.0, 1.0)]), ("b", &[cell(1, 2.0, 1.0)]), &rules).unwrap();
        assert_eq!((found.verdict, change(&found, "ttft.p50").interval), (None, None));
        assert_eq!(compare(("a", &[cell(1, 1.0, 1.0)]), ("b", &[cell(2, 2.0, 1.0)]), &rules), None);
    }

    #[test]
    fn a_measure_that_is_gone_is_a_loss_and_one_that_is_new_is_no_pass() {
        let rules = Rules::headline(0.95, Margin::Relative(0.01));
        let mut gone = side(BASE);
        gone[2].values.remove("ttft.p99");
        let found = compare(("a", &side(BASE)), ("b", &gone), &rules).unwrap();
        assert_eq!((found.missing[0].only_before, found.missing[0].only_after), (1, 0));
        assert_eq!(found.verdict, Some(Verdict::Worse));
        let found = compare(("b", &gone), ("a", &side(BASE)), &rules).unwrap();
        assert_eq!((found.missing[0].only_after, found.verdict), (1, Some(Verdict::Inconclusive)));
        // Nobody is served any more: not one measure has a value.
        gone.iter_mut().for_each(|sample| sample.values.clear());
        assert_eq!(compare(("a", &side(BASE)), ("b", &gone), &rules).unwrap().verdict, Some(Verdict::Worse));
    }

    #[test]
    fn a_gain_in_one_does_not_hide_a_loss_in_another() {
        let after = BASE.map(|(ttft, throughput)| (ttft - 20.0, throughput - 5.0));
        let rules = Rules::headline(0.95, Margin::Relative(0.01));
        let found = compare(("a", &side(BASE)), ("b", &side(after)), &rules).unwrap();
        assert_eq!(change(&found, "ttft.p99").verdict, Some(Verdict::Better));
        assert_eq!(found.verdict, Some(Verdict::Worse));
    }
}
