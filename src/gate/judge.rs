//! What became of a suite: each policy of each scenario against its bounds and against what was before. Never a silent
//! pass: what cannot be compared is said and has its own exit code.

use super::baseline::{Baseline, Recorded};
use super::compare::{Comparison, Rules, compare};
use super::sample::Sample;
use super::suite::Entry;
use super::table;
pub use crate::report::gates::shown;
use crate::stats::Verdict;
use schemars::JsonSchema;
use serde::Serialize;

/// How a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All is well.
    Pass,
    /// Nobody can tell.
    Inconclusive,
    /// There is nothing to compare with.
    NotComparable,
    /// A bound is broken, or a measure is worse.
    Fail,
}

/// One policy of one scenario.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Judged {
    /// The scenario's name in the suite.
    pub scenario: String,
    /// The policy.
    pub policy: String,
    /// How it stands.
    pub standing: Standing,
    /// Why, a sentence each; empty for a pass.
    pub reasons: Vec<String>,
    /// Its bounds.
    pub thresholds: Vec<Held>,
    /// Against the baseline; null where there is nothing to compare with.
    pub comparison: Option<Comparison>,
}

/// A bound and the value held against it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Held {
    /// The bound, such as `ttft.p99 < 800ms`.
    pub bound: String,
    /// The mean over the runs; null where no run has a value.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Whether it holds.
    pub holds: bool,
}

/// Judges one policy of an entry: `now` is what its runs gave. Without a baseline (`None`) bounds alone are judged.
pub fn judge(
    entry: &Entry,
    policy: &str,
    samples: &[Sample],
    now: &Recorded,
    baseline: Option<&Baseline>,
) -> Judged {
    let mut judged = Judged {
        scenario: entry.name.clone(),
        policy: policy.to_string(),
        standing: Standing::Pass,
        reasons: Vec::new(),
        thresholds: Vec::new(),
        comparison: None,
    };
    for threshold in entry.thresholds.iter().filter(|threshold| threshold.is_of(policy)) {
        let held = threshold.hold(samples);
        let unit = threshold.metric.measure.unit;
        judged.thresholds.push(Held {
            bound: threshold.to_string(),
            value: held.map(|held| held.0),
            unit: unit.to_string(),
            holds: held.is_some_and(|held| held.1),
        });
        match held {
            Some((_, true)) => {}
            Some((value, false)) => {
                judged.fall(Standing::Fail, format!("{threshold} is broken: {}", shown(value, unit)));
            }
            None => judged.fall(Standing::Fail, format!("{threshold} is broken: no request has a value")),
        }
    }
    let Some(baseline) = baseline else { return judged };
    let before = baseline.scenarios.get(&entry.name);
    let version = env!("CARGO_PKG_VERSION");
    let problem = if baseline.tool_version != version {
        let old = &baseline.tool_version;
        Some(format!(
            "the baseline is of regionsim {old} and this is {version}; run the old side again, or --update"
        ))
    } else if let Some(before) = before {
        let priced = entry.tolerance.iter().any(|gate| gate.metric.measure.name.starts_with("cost.usd"));
        before.differs(now, priced).map(|why| format!("{why}; --update after a look at what changed"))
    } else {
        Some("the baseline does not have this scenario; --update adds it".to_string())
    };
    if let Some(problem) = problem {
        judged.fall(Standing::NotComparable, problem);
        return judged;
    }
    let recorded = before.and_then(|before| before.policies.get(policy));
    let rules = Rules::of(entry.confidence, entry.tolerance.clone());
    let names = (format!("{} {policy}, baseline", entry.name), format!("{} {policy}", entry.name));
    let found = recorded.and_then(|old| compare((&names.0, old), (&names.1, samples), &rules));
    let Some(found) = found else {
        let what = if recorded.is_none() { "this policy" } else { "any of these seeds" };
        judged.fall(Standing::NotComparable, format!("the baseline does not have {what}; --update adds it"));
        return judged;
    };
    let equal = found.equal_outcomes == found.seeds.len() as u64;
    if entry.exact && !equal {
        let changed = found.seeds.len() as u64 - found.equal_outcomes;
        judged.fall(
            Standing::Fail,
            format!(
                "outcomes differ from the baseline's in {changed} of {} runs, and this scenario is exact",
                found.seeds.len()
            ),
        );
    }
    for change in &found.changes {
        match change.verdict {
            Some(Verdict::Worse) => {
                let (before, after) = (shown(change.before, &change.unit), shown(change.after, &change.unit));
                judged.fall(
                    Standing::Fail,
                    format!("{} is worse: {before} before, {after} now", change.metric),
                );
            }
            Some(Verdict::Inconclusive) => {
                let seeds =
                    change.seeds_wanted.map_or(String::new(), |n| format!("; about {n} seeds would tell"));
                let (mean, interval) = table::differences(change);
                judged.fall(
                    Standing::Inconclusive,
                    format!("{} is inconclusive: {mean} ({interval}){seeds}", change.metric),
                );
            }
            _ => {}
        }
    }
    for missing in &found.missing {
        let (metric, all) = (&missing.metric, found.seeds.len());
        if missing.only_before > 0 {
            let runs = missing.only_before;
            judged.fall(Standing::Fail, format!("{metric} has no value any more in {runs} of {all} runs"));
        }
        if missing.only_after > 0 {
            let runs = missing.only_after;
            let why =
                format!("the baseline has no value of {metric} in {runs} of {all} runs; --update adds it");
            judged.fall(Standing::NotComparable, why);
        }
    }
    if found.seeds.len() < samples.len() {
        let (has, all) = (found.seeds.len(), samples.len());
        let why = format!("the baseline has {has} of the {all} seeds; --update adds the rest");
        judged.fall(Standing::NotComparable, why);
    }
    if found.verdict.is_none() && !equal {
        judged.fall(
            Standing::Inconclusive,
            "one pair of runs has no spread; give two seeds or more".to_string(),
        );
    }
    judged.comparison = Some(found);
    judged
}

/// What the baseline has and this run has not: a policy that is gone is no pass. `entries` and `now` are of a whole suite.
pub fn gone(entries: &[Entry], now: &Baseline, baseline: &Baseline) -> Vec<Judged> {
    let mut gone = Vec::new();
    for (scenario, recorded) in &baseline.scenarios {
        let listed = entries.iter().any(|entry| entry.name == *scenario);
        let kept = now.scenarios.get(scenario);
        let lost = |policy: &&String| kept.is_none_or(|kept| !kept.policies.contains_key(*policy));
        for policy in recorded.policies.keys().filter(lost) {
            let what = if listed {
                "the scenario no longer has this policy, or the suite leaves it out"
            } else {
                "the suite no longer has this scenario"
            };
            gone.push(Judged {
                scenario: scenario.clone(),
                policy: policy.clone(),
                standing: Standing::NotComparable,
                reasons: vec![format!("{what}; --update takes it out of the baseline")],
                thresholds: Vec::new(),
                comparison: None,
            });
        }
    }
    gone
}

impl Judged {
    fn fall(&mut self, to: Standing, why: String) {
        self.standing = self.standing.max(to);
        self.reasons.push(why);
    }
}
