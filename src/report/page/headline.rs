//! The sentence at the top: which policy is best at what, by how much, and whether that is sure. Over several seeds a
//! difference is sure where Student's 95 % interval of the paired difference leaves out 0; one seed tells nothing of
//! chance. Means within 1 % of each other are called equal, as in the tables.

use super::model::{Span, code, plain, strong};
use super::sides::{Runs, Side};
use super::values::{WORTH_MARKING, fixed, told};
use crate::report::measures::{self, Better, Measure};
use crate::stats::Paired;

/// The measure, the words for its best value, and for any.
type Axis = (&'static str, &'static str, &'static str);

/// What a policy can be best at.
const AXES: [Axis; 3] = [
    ("ttft.p99", "the lowest p99 TTFT", "p99 TTFT"),
    ("slo.attainment", "the most requests within SLO", "requests within SLO"),
    ("cost.usd_per_good_request", "the lowest cost of a request within SLO", "cost of a request within SLO"),
];
/// Taken where a 99th percentile stands on too few requests to be quoted.
const MEDIAN: Axis = ("ttft.p50", "the lowest median TTFT", "median TTFT");
/// Taken where the scenario has no prices.
const WITHOUT_PRICES: Axis = ("cost.gpu_hours", "the fewest GPU-hours", "GPU-hours");

/// How sure a lead is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    /// The interval leaves out 0.
    Yes,
    /// It does not.
    No,
    /// There is none.
    Unknown,
}

/// Who leads on an axis.
struct Lead<'r> {
    side: Side<'r>,
    words: &'static str,
    value: String,
    ahead: String,
    next: Side<'r>,
    sure: Sure,
}

/// One sentence where all runs are of the same requests; else one a run.
pub(super) fn sentences(runs: &Runs<'_>) -> Vec<Vec<Span>> {
    let world = |run: usize| {
        let summary = &runs.runs[run].summary;
        (&summary.provenance.workload_hashes, &summary.seeds)
    };
    let comparable = (0..runs.runs.len()).all(|run| world(run) == world(0));
    if comparable {
        return vec![sentence(runs, &runs.sides, runs.several())];
    }
    let each = (0..runs.runs.len()).map(|run| {
        let sides: Vec<Side<'_>> = runs.sides.iter().filter(|side| side.run == run).copied().collect();
        let mut spans = vec![strong(format!("{}: ", runs.labels[run]))];
        spans.extend(sentence(runs, &sides, false));
        spans
    });
    each.collect()
}

fn measure(name: &str) -> Option<&'static Measure> {
    [measures::LATENCY, measures::SERVICE, measures::MONEY]
        .into_iter()
        .flatten()
        .find(|measure| measure.name == name)
}

fn mean(side: &Side<'_>, name: &str) -> Option<f64> {
    side.policy.measures.iter().find(|measure| measure.name == name)?.mean
}

fn sentence(runs: &Runs<'_>, sides: &[Side<'_>], label: bool) -> Vec<Span> {
    let priced = sides.iter().any(|side| mean(side, AXES[2].0).is_some());
    let quotable = |side: &Side<'_>| {
        side.policy.measures.iter().all(|measure| measure.name != AXES[0].0 || measure.reliable)
    };
    let latency = if sides.iter().all(quotable) { AXES[0] } else { MEDIAN };
    let axes = [latency, AXES[1], if priced { AXES[2] } else { WITHOUT_PRICES }];
    let named = |side: &Side<'_>| {
        let run = label.then(|| plain(format!(" ({})", runs.labels[side.run])));
        [code(&side.policy.policy)].into_iter().chain(run).collect::<Vec<_>>()
    };
    let [alone] = sides else {
        let (mut leads, mut level): (Vec<Lead<'_>>, Vec<&str>) = (Vec::new(), Vec::new());
        for (name, words, any) in axes {
            match measure(name).and_then(|measure| lead(sides, measure, words)) {
                Some(lead) => leads.push(lead),
                None if sides.iter().any(|side| mean(side, name).is_some()) => level.push(any),
                None => {}
            }
        }
        return told_leads(&leads, &level, named);
    };
    let mut spans = named(alone);
    let values = axes.iter().filter_map(|&(name, ..)| {
        let (measure, value) = (measure(name)?, mean(alone, name)?);
        let what = match name {
            "ttft.p99" => "p99 TTFT",
            "ttft.p50" => "median TTFT",
            "slo.attainment" => "within SLO",
            "cost.gpu_hours" => "",
            _ => "for a request within SLO",
        };
        Some(match name {
            "ttft.p99" | "ttft.p50" => format!("{what} {}", told(value, measure.unit)),
            _ => format!("{} {what}", told(value, measure.unit)).trim_end().to_owned(),
        })
    });
    spans.push(plain(format!(": {}.", values.collect::<Vec<_>>().join(", "))));
    spans
}

/// The leader on an axis; `None` where nobody is ahead by 1 %.
fn lead<'r>(sides: &[Side<'r>], measure: &'static Measure, words: &'static str) -> Option<Lead<'r>> {
    let mut values: Vec<(Side<'r>, f64)> =
        sides.iter().filter_map(|side| Some((*side, mean(side, measure.name)?))).collect();
    // Stable: of equal values the first in the scenario comes first.
    values.sort_by(|a, b| match measure.better {
        Better::Higher => b.1.total_cmp(&a.1),
        _ => a.1.total_cmp(&b.1),
    });
    let [(first, best), (second, next), ..] = values[..] else { return None };
    let largest = best.abs().max(next.abs());
    if (best - next).abs() < WORTH_MARKING * largest || largest == 0.0 {
        return None;
    }
    let apart = if measure.unit == "share" {
        format!("{} points above ", fixed((best - next) * 100.0, 1))
    } else {
        format!("{} % below ", fixed((next - best) / next * 100.0, 0))
    };
    Some(Lead {
        side: first,
        words,
        value: told(best, measure.unit),
        ahead: apart,
        next: second,
        sure: sure(&first, &second, measure),
    })
}

/// Whether the paired difference over the seeds is more than chance.
fn sure(first: &Side<'_>, second: &Side<'_>, measure: &Measure) -> Sure {
    let pairs: Vec<(f64, f64)> = (first.policy.cells.iter())
        .filter_map(|cell| {
            let other = second.policy.cells.iter().find(|other| other.seed == cell.seed)?;
            Some(((measure.value)(cell)?.0, (measure.value)(other)?.0))
        })
        .collect();
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    match Paired::of(&a, &b).and_then(|paired| paired.interval(0.95)) {
        None => Sure::Unknown,
        Some((low, high)) if low > 0.0 || high < 0.0 => Sure::Yes,
        Some(_) => Sure::No,
    }
}

fn told_leads(leads: &[Lead<'_>], level: &[&str], named: impl Fn(&Side<'_>) -> Vec<Span>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut done: Vec<(usize, &str)> = Vec::new();
    for lead in leads {
        let who = (lead.side.run, lead.side.policy.policy.as_str());
        if done.contains(&who) {
            continue;
        }
        done.push(who);
        if !spans.is_empty() {
            spans.push(plain("; "));
        }
        let same = |other: &&Lead<'_>| (other.side.run, other.side.policy.policy.as_str()) == who;
        spans.extend(named(&lead.side));
        spans.push(plain(" has "));
        let own: Vec<&Lead<'_>> = leads.iter().filter(same).collect();
        for (at, lead) in own.iter().enumerate() {
            if at > 0 {
                spans.push(plain(if at + 1 == own.len() { " and " } else { ", " }));
            }
            spans.push(strong(lead.words));
            spans.push(plain(format!(" ({}, {}", lead.value, lead.ahead)));
            spans.extend(named(&lead.next));
            spans.push(plain(")"));
        }
    }
    if leads.is_empty() {
        spans.push(plain("No policy is ahead of the next best by 1 % or more: not in p99 TTFT, not within SLO, not in cost."));
        return spans;
    }
    let level: Vec<&str> =
        level.iter().map(|words| words.split_once(' ').map_or(*words, |(_, rest)| rest)).collect();
    if !level.is_empty() {
        spans.push(plain(format!("; in {} nobody is ahead by 1 %", level.join(" and "))));
    }
    spans.push(plain(". "));
    spans.push(plain(certainty(leads)));
    spans
}

fn certainty(leads: &[Lead<'_>]) -> String {
    if leads.iter().any(|lead| lead.sure == Sure::Unknown) {
        return "Seen with one seed, which tells nothing of chance: small leads may be luck.".to_owned();
    }
    let unsure: Vec<&str> =
        leads.iter().filter(|lead| lead.sure == Sure::No).map(|lead| lead.words).collect();
    match unsure.len() {
        0 => "Each lead is larger than chance (95 % interval of the paired difference over the seeds)."
            .to_owned(),
        all if all == leads.len() => {
            "None of these leads is sure: the 95 % interval of the paired difference over the seeds holds 0."
                .to_owned()
        }
        _ => format!(
            "Not sure: {} (the 95 % interval of the paired difference over the seeds holds 0); the rest is.",
            unsure.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sides::Runs;
    use super::*;
    use crate::report::page::tests::run;
    use crate::report::sample::cell;

    /// As if 90 requests could carry a 99th percentile.
    fn told(policies: &[(&str, Vec<crate::run::RunResult>)]) -> String {
        told_of(policies, true)
    }
    fn told_of(policies: &[(&str, Vec<crate::run::RunResult>)], reliable: bool) -> String {
        let mut run = run(policies);
        let measures = run.summary.policies.iter_mut().flat_map(|policy| &mut policy.measures);
        measures.for_each(|measure| measure.reliable |= reliable);
        let runs = [run];
        let spans = sentences(&Runs::of(&runs)).remove(0);
        spans.into_iter().map(|span| span.text).collect()
    }

    #[test]
    fn the_best_is_named_with_its_lead_and_how_sure_it_is() {
        // TTFT is 1 to 90 steps of 1 and 2 ms: p99 is at rank 88.11, 89.11 and 178.22 ms, half of it. SLO: 50 ms.
        let told = told(&[("fast", vec![cell("fast", 1, 1)]), ("slow", vec![cell("slow", 1, 2)])]);
        assert!(told.starts_with("fast has the lowest p99 TTFT (89.1 ms, 50 % below slow)"), "{told}");
        // 50 and 25 of 100.
        assert!(
            told.contains(" and the most requests within SLO (50.0 %, 25.0 points above slow)"),
            "{told}"
        );
        assert!(told.contains("; in GPU-hours nobody is ahead by 1 %. Seen with one seed"), "{told}");
        // The median of 1 to 90 steps.
        let few = told_of(&[("fast", vec![cell("fast", 1, 1)]), ("slow", vec![cell("slow", 1, 2)])], false);
        assert!(few.starts_with("fast has the lowest median TTFT (45.5 ms, 50 % below slow)"), "{few}");
    }

    #[test]
    fn over_seeds_a_lead_is_sure_or_not() {
        // Differences of p99, slow − fast: 1 and 2 steps less 1 each, always the same sign and nearly the same size.
        let fast = (1..=4).map(|seed| cell("fast", seed, 10 + seed)).collect();
        let slow = (1..=4).map(|seed| cell("slow", seed, 20 + seed)).collect();
        let sure = told(&[("fast", fast), ("slow", slow)]);
        assert!(sure.contains("Each lead is larger than chance"), "{sure}");
        let steps = [[1, 9, 2, 8], [9, 2, 8, 3]];
        let cells = |name: &str, steps: [u64; 4]| {
            steps.iter().zip(1..).map(|(&step, seed)| cell(name, seed, step)).collect::<Vec<_>>()
        };
        let luck = told(&[("a", cells("a", steps[0])), ("b", cells("b", steps[1]))]);
        assert!(luck.contains("None of these leads is sure"), "{luck}");
    }

    #[test]
    fn one_policy_is_told_without_a_comparison() {
        let told = told(&[("only", vec![cell("only", 1, 1)])]);
        // 20 s on 4 GPUs: 0.02 GPU-hours.
        assert_eq!(told, "only: p99 TTFT 89.1 ms, 50.0 % within SLO, 0.02 GPU-h.");
    }

    #[test]
    fn equal_policies_have_no_best() {
        let told = told(&[("a", vec![cell("a", 1, 1)]), ("b", vec![cell("b", 1, 1)])]);
        assert!(told.starts_with("No policy is ahead"), "{told}");
    }
}
