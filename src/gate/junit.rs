//! What became of a suite as JUnit XML: a suite a scenario, a case a policy and measure or bound. The dialect is the one
//! that Jenkins, GitLab and GitHub actions read (testsuites, testsuite, testcase, failure, skipped).

use super::judge::{Judged, Standing, shown};
use crate::stats::Verdict;
use std::fmt::Write;

/// Text inside XML. Characters that XML 1.0 has no way to hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if (c as u32) < 0x20 || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

enum Case {
    Pass,
    Fail(String),
    Skip(String),
}

/// The cases of one policy: its bounds, what decides, and whether it could be compared at all.
fn cases(judged: &Judged, strict: bool) -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    // One case says what the exit code says, whatever the measures do.
    let reasons = judged.reasons.join("; ");
    let standing = match judged.standing {
        Standing::Pass => Case::Pass,
        Standing::Inconclusive if !strict => Case::Skip(reasons),
        Standing::Inconclusive | Standing::NotComparable | Standing::Fail => Case::Fail(reasons),
    };
    cases.push(("verdict".to_string(), standing));
    for held in &judged.thresholds {
        let value = held.value.map_or("no value".to_string(), |value| shown(value, &held.unit));
        let case =
            if held.holds { Case::Pass } else { Case::Fail(format!("{value}; wanted {}", held.bound)) };
        cases.push((held.bound.clone(), case));
    }
    let Some(comparison) = &judged.comparison else { return cases };
    for change in comparison.changes.iter().filter(|change| change.margin.is_some()) {
        let interval = change.interval.map_or(String::new(), |(low, high)| {
            format!(
                ", {:.0} % interval of the change {low:.4} to {high:.4} {}",
                comparison.confidence * 100.0,
                change.unit
            )
        });
        let words = format!(
            "{} before, {} now{interval}, margin {:.4} {}",
            shown(change.before, &change.unit),
            shown(change.after, &change.unit),
            change.margin.unwrap_or_default(),
            change.unit
        );
        let case = match change.verdict {
            Some(Verdict::Worse) => Case::Fail(format!("worse: {words}")),
            Some(Verdict::Inconclusive) if strict => Case::Fail(format!("inconclusive: {words}")),
            Some(Verdict::Inconclusive) => Case::Skip(format!("inconclusive: {words}")),
            None if comparison.equal_outcomes < comparison.seeds.len() as u64 => {
                Case::Skip("one pair has no spread".into())
            }
            _ => Case::Pass,
        };
        cases.push((change.metric.clone(), case));
    }
    cases
}

/// The document. With `strict`, what is inconclusive fails; else it is skipped.
pub fn render(suite: &str, judged: &[Judged], strict: bool) -> String {
    let mut body = String::new();
    let (mut tests, mut failures, mut skipped) = (0, 0, 0);
    let mut scenarios: Vec<&str> = judged.iter().map(|judged| judged.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let mut inner = String::new();
        let (mut n, mut failed, mut left) = (0, 0, 0);
        for judged in judged.iter().filter(|judged| judged.scenario == scenario) {
            for (name, case) in cases(judged, strict) {
                n += 1;
                let class = escaped(&format!("{scenario}.{}", judged.policy));
                let _ = write!(inner, "    <testcase classname=\"{class}\" name=\"{}\"", escaped(&name));
                match case {
                    Case::Pass => inner.push_str("/>\n"),
                    Case::Fail(why) => {
                        failed += 1;
                        let why = escaped(&why);
                        let _ = writeln!(
                            inner,
                            ">\n      <failure message=\"{why}\">{why}</failure>\n    </testcase>"
                        );
                    }
                    Case::Skip(why) => {
                        left += 1;
                        let _ = writeln!(
                            inner,
                            ">\n      <skipped message=\"{}\"/>\n    </testcase>",
                            escaped(&why)
                        );
                    }
                }
            }
        }
        let name = escaped(scenario);
        let _ = writeln!(
            body,
            "  <testsuite name=\"{name}\" tests=\"{n}\" failures=\"{failed}\" errors=\"0\" skipped=\"{left}\">\n{inner}  </testsuite>"
        );
        tests += n;
        failures += failed;
        skipped += left;
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{skipped}\">\n{body}</testsuites>\n",
        escaped(suite)
    )
}
