//! Whether the ranking of policies survives what a profile's numbers are off by: a table and a verdict for each measure. Knows
//! summaries of the same policies under changed plans; must not know how they were changed.

use super::grid;
use super::summary::PolicySummary;
use serde::Serialize;
use std::fmt::Write;

/// The measures that a ranking is about, and whether less is better.
pub const RANKED: [(&str, &str, bool); 4] = [
    ("ttft.p99", "TTFT p99", true),
    ("e2e.p50", "E2E p50", true),
    ("e2e.p99", "E2E p99", true),
    ("throughput.requests", "requests/s", false),
];

/// How far two policies must lie apart for their order to count: 1 %, as for the stars of the table.
pub const APART: f64 = 0.01;

/// One measure under all changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The measure.
    pub measure: &'static str,
    /// The best policy without a change, and under each: the one without a change where it is not clearly beaten, none where
    /// no policy is clearly better than another.
    pub best: Vec<Option<String>>,
    /// Pairs of policies that change places, the better one first, and under which change.
    pub flips: Vec<(String, String, String)>,
    /// Pairs that lie apart without a change.
    pub pairs: u32,
    /// Whether another policy than without a change is clearly better than that one under some change.
    pub best_changes: bool,
}

/// What `run --uncertainty` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Uncertainty {
    /// The changes, in words; the first is none.
    pub changes: Vec<String>,
    /// By measure.
    pub rankings: Vec<Ranking>,
}

impl Uncertainty {
    /// Of the policies without a change, which comes first, and under each.
    pub fn of(cases: &[(String, Vec<PolicySummary>)]) -> Uncertainty {
        let rankings = RANKED.iter().map(|&(name, _, less)| ranking(name, less, cases)).collect();
        Uncertainty { changes: cases.iter().map(|case| case.0.clone()).collect(), rankings }
    }

    /// For a terminal.
    pub fn render(&self) -> String {
        let head: Vec<&str> = ["best by"].into_iter().chain(RANKED.iter().map(|ranked| ranked.1)).collect();
        let rows: Vec<Vec<String>> = self
            .changes
            .iter()
            .enumerate()
            .map(|(at, change)| {
                let best =
                    |ranking: &Ranking| ranking.best[at].clone().unwrap_or_else(|| "all alike".to_owned());
                [change.clone()].into_iter().chain(self.rankings.iter().map(best)).collect()
            })
            .collect();
        let mut out = grid::render(&head, &rows) + "\n";
        for (ranking, (_, shown, _)) in self.rankings.iter().zip(RANKED) {
            let best = match (ranking.best_changes, ranking.best.first()) {
                (true, _) => "the best policy changes",
                (false, Some(Some(_))) => "the best policy stays",
                _ => "all alike",
            };
            let _ = write!(out, "{shown}: {best}; ");
            if ranking.flips.is_empty() {
                let _ = writeln!(out, "all {} pairs keep their order", ranking.pairs);
                continue;
            }
            let mut pairs: Vec<(&str, &str, Vec<&str>)> = Vec::new();
            for (better, worse, change) in &ranking.flips {
                match pairs.iter_mut().find(|pair| (pair.0, pair.1) == (better, worse)) {
                    Some(pair) => pair.2.push(change),
                    None => pairs.push((better, worse, vec![change])),
                }
            }
            let _ = writeln!(out, "{} of {} pairs change places:", pairs.len(), ranking.pairs);
            for (better, worse, changes) in pairs {
                let _ = writeln!(out, "  {better} before {worse}, but not with {}", changes.join(", "));
            }
        }
        out
    }
}

fn mean(policy: &PolicySummary, name: &str) -> Option<f64> {
    policy.measures.iter().find(|measure| measure.name == name)?.mean
}

/// Whether `one` is clearly better than `other`.
fn better(one: f64, other: f64, less: bool) -> bool {
    let (small, large) = if less { (one, other) } else { (other, one) };
    large - small >= APART * large.abs() && large > small
}

/// A policy and its mean.
type Value = (String, f64);

fn ranking(name: &'static str, less: bool, cases: &[(String, Vec<PolicySummary>)]) -> Ranking {
    let values = |policies: &[PolicySummary]| {
        let value = |policy: &PolicySummary| Some((policy.policy.clone(), mean(policy, name)?));
        policies.iter().filter_map(value).collect::<Vec<Value>>()
    };
    let all: Vec<Vec<Value>> = cases.iter().map(|case| values(&case.1)).collect();
    let best = |values: &Vec<Value>| {
        let best = values
            .iter()
            .min_by(|one, other| if less { one.1.total_cmp(&other.1) } else { other.1.total_cmp(&one.1) });
        best.cloned()
    };
    let bests: Vec<Option<Value>> = all.iter().map(best).collect();
    let (mut flips, mut pairs) = (Vec::new(), 0);
    let Some(base) = all.first() else {
        return Ranking { measure: name, best: Vec::new(), flips, pairs, best_changes: false };
    };
    for (at, one) in base.iter().enumerate() {
        for other in &base[..at] {
            let (good, bad) = match (better(one.1, other.1, less), better(other.1, one.1, less)) {
                (true, _) => (one, other),
                (_, true) => (other, one),
                _ => continue,
            };
            pairs += 1;
            for (values, (change, _)) in all.iter().zip(cases).skip(1) {
                let value = |name: &str| values.iter().find(|value| value.0 == name).map(|value| value.1);
                if let (Some(was_good), Some(was_bad)) = (value(&good.0), value(&bad.0))
                    && better(was_bad, was_good, less)
                {
                    flips.push((good.0.clone(), bad.0.clone(), change.clone()));
                }
            }
        }
    }
    let clear = |(values, best): (&Vec<Value>, Option<Value>)| {
        let best = best.filter(|best| values.iter().any(|value| better(best.1, value.1, less)))?;
        let usual = values.iter().find(|value| bests[0].as_ref().is_some_and(|usual| usual.0 == value.0));
        Some(usual.filter(|usual| !better(best.1, usual.1, less)).unwrap_or(&best).0.clone())
    };
    let best: Vec<Option<String>> = all.iter().zip(bests.clone()).map(clear).collect();
    let best_changes = best[0].is_some() && best.iter().flatten().any(|one| best[0].as_ref() != Some(one));
    Ranking { measure: name, best, flips, pairs, best_changes }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::*;

    /// Policies whose latencies are in proportion to these numbers.
    fn case(change: &str, speeds: [(&str, u64); 3]) -> (String, Vec<PolicySummary>) {
        let policies: Vec<_> =
            speeds.iter().map(|&(name, speed)| (name, vec![cell(name, 1, speed)])).collect();
        (change.to_owned(), summary(&policies).policies)
    }

    #[test]
    fn pairs_that_change_places_are_named_with_the_change() {
        let cases = [
            case("as it is", [("a", 1), ("b", 2), ("c", 3)]),
            case("step time +12 %", [("a", 1), ("b", 3), ("c", 2)]),
            case("step time -12 %", [("a", 2), ("b", 1), ("c", 3)]),
        ];
        let found = Uncertainty::of(&cases);
        let ttft = &found.rankings[0];
        assert_eq!((ttft.pairs, ttft.best_changes), (3, true));
        assert_eq!(ttft.best, [Some("a".to_owned()), Some("a".to_owned()), Some("b".to_owned())]);
        let flip = |good: &str, bad: &str, change: &str| (good.to_owned(), bad.to_owned(), change.to_owned());
        assert_eq!(ttft.flips, [flip("a", "b", "step time -12 %"), flip("b", "c", "step time +12 %")]);
        let shown = found.render();
        assert!(shown.contains("TTFT p99: the best policy changes; 2 of 3 pairs change places:"), "{shown}");
        assert!(shown.contains("  a before b, but not with step time -12 %"), "{shown}");
        let calm = Uncertainty::of(&cases[..1]);
        assert!(calm.render().contains("all 3 pairs keep their order"), "{}", calm.render());
    }
}
