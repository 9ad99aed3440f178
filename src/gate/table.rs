//! A comparison as text. Knows comparisons; must not know how they are made.

use super::compare::{Change, Comparison, Intervals};
use crate::stats::Verdict;
use std::fmt::Write;

/// The change with its sign, as a share of the value before, in per cent: `None` where there is nothing to compare with.
fn percent(of: f64, before: f64) -> Option<f64> {
    (before != 0.0).then(|| 100.0 * of / before.abs())
}

fn value(change: &Change, value: f64) -> String {
    let value = if change.unit == "share" { value * 100.0 } else { value };
    let decimals = match value.abs() {
        x if x >= 1000.0 => 0,
        x if x >= 100.0 => 1,
        x if x >= 1.0 => 2,
        x if x >= 0.1 || x == 0.0 => 3,
        _ => 5,
    };
    format!("{value:.decimals$}")
}

/// A share's own difference is in percentage points: a share of a share misleads.
pub(super) fn differences(change: &Change) -> (String, String) {
    let points = change.unit == "share";
    let scaled = |difference: f64| {
        if points { Some(difference * 100.0) } else { percent(difference, change.before) }
    };
    let unit = if points { "pp" } else { "%" };
    let signed = |x: f64| format!("{x:+.2}");
    let mean = scaled(change.difference).map_or("-".to_string(), |x| format!("{} {unit}", signed(x)));
    let ends = change.interval.and_then(|(low, high)| Some((scaled(low)?, scaled(high)?)));
    let interval = ends.map_or("-".to_string(), |(low, high)| format!("{} … {}", signed(low), signed(high)));
    (mean, interval)
}

/// What a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Two runs with the same seed.
    Seeds,
    /// Two runs of the same part of a trace.
    Parts,
}

/// The table as text: what decides first, the rest under a line of its own. Pairs are runs with equal seeds.
pub fn render(comparison: &Comparison, colour: bool) -> String {
    render_pairs(comparison, colour, Pairs::Seeds)
}

/// The same of pairs that are something else.
pub fn render_pairs(comparison: &Comparison, colour: bool, pairs: Pairs) -> String {
    let head = ["", "before", "after", "change", "interval", "verdict"];
    let row = |change: &Change| {
        let (mean, interval) = differences(change);
        let verdict = change.verdict.map_or(String::new(), |verdict| verdict.to_string());
        let unit = if change.unit == "share" { "%" } else { change.unit.as_str() };
        let mark = if change.reliable { "" } else { " ~" };
        [
            format!("{} {unit}{mark}", change.metric),
            value(change, change.before),
            value(change, change.after),
            mean,
            interval,
            verdict,
        ]
    };
    let rows: Vec<[String; 6]> = comparison.changes.iter().map(row).collect();
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[&str], verdict: Option<Verdict>| {
        let mut out = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let gap = if column == 0 { "" } else { "  " };
            let (on, off) = match verdict {
                Some(Verdict::Worse) if colour && column == 5 => ("\x1b[31m", "\x1b[0m"),
                Some(Verdict::Better) if colour && column == 5 => ("\x1b[32m", "\x1b[0m"),
                _ => ("", ""),
            };
            let _ = if matches!(column, 0 | 5) {
                write!(out, "{gap}{on}{cell}{off}{pad}")
            } else {
                write!(out, "{gap}{pad}{cell}")
            };
        }
        out.trim_end().to_string() + "\n"
    };
    let mut out = line(&head, None);
    let mut parted = false;
    for (change, row) in comparison.changes.iter().zip(&rows) {
        if change.margin.is_none() && !parted {
            parted = true;
            out.push('\n');
        }
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        out.push_str(&line(&cells, change.verdict));
    }
    out.push('\n');
    notes(comparison, pairs, &mut out);
    out
}

fn notes(comparison: &Comparison, pairs: Pairs, out: &mut String) {
    let seeds = comparison.seeds.len();
    let (of, word) = match pairs {
        Pairs::Seeds => ("runs with equal seeds", "seeds"),
        Pairs::Parts => ("equal parts of the trace", "parts as long as these"),
    };
    if comparison.equal_outcomes == seeds as u64 {
        let _ = writeln!(out, "every request has the same outcome on both sides, in all {seeds} pairs");
    } else if seeds > 1 {
        let confidence = comparison.confidence * 100.0;
        let made = match comparison.intervals {
            Intervals::Student => "Student",
            Intervals::Bootstrap => "bootstrap, bias-corrected and accelerated; verdicts by Student",
        };
        let _ = writeln!(out, "intervals: {confidence} % ({made}), {seeds} pairs of {of}");
    }
    if comparison.changes.iter().any(|change| !change.reliable) {
        out.push_str("~ in some run fewer than ten samples lie beyond this percentile\n");
    }
    if comparison.verdict.is_some() {
        out.push_str(
            "worse: more than the margin is lost; corrected for the number of measures that decide (Holm)\n",
        );
    }
    for missing in &comparison.missing {
        let (metric, only_before, only_after) = (&missing.metric, missing.only_before, missing.only_after);
        if only_before > 0 {
            let why = "nothing was completed, or nothing asked for it";
            let _ = writeln!(out, "{metric} has no value any more in {only_before} of {seeds} pairs: {why}");
        }
        if only_after > 0 {
            let _ = writeln!(out, "{metric} has no value before in {only_after} of {seeds} pairs");
        }
    }
    let wanted = comparison.changes.iter().filter(|change| change.verdict == Some(Verdict::Inconclusive));
    if let Some(most) = wanted.filter_map(|change| change.seeds_wanted).max() {
        let _ =
            writeln!(out, "about {most} {word} would tell what is inconclusive, if means and spreads stayed");
    }
    match comparison.verdict {
        None => out.push_str("no verdict: one pair has no spread; give two seeds or more\n"),
        Some(verdict) => {
            let _ = writeln!(out, "verdict: {verdict}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::Direction;
    use super::*;

    fn change(metric: &str, unit: &str, before: f64, difference: f64, verdict: Option<Verdict>) -> Change {
        Change {
            metric: metric.into(),
            unit: unit.into(),
            better: Direction::Lower,
            pairs: 5,
            before,
            after: before + difference,
            difference,
            interval: Some((difference - 1.0, difference + 1.0)),
            margin: verdict.map(|_| 1.0),
            p_worse: verdict.map(|_| 0.5),
            verdict,
            reliable: unit != "ms",
            seeds_wanted: Some(40),
        }
    }

    #[test]
    fn a_table_with_its_notes() {
        let parts = |text: &str| {
            text.contains("5 pairs of equal parts of the trace") && text.contains("about 40 parts")
        };
        let comparison = Comparison {
            before: "a".into(),
            after: "b".into(),
            seeds: vec![1, 2, 3, 4, 5],
            equal_outcomes: 0,
            confidence: 0.95,
            intervals: Intervals::Student,
            changes: vec![
                change("ttft.p99", "ms", 100.0, 5.0, Some(Verdict::Inconclusive)),
                change("slo.attainment", "share", 0.5, 0.01, Some(Verdict::Same)),
                change("cost.gpu_hours", "GPU-h", 0.0, 2.0, None),
            ],
            missing: Vec::new(),
            verdict: Some(Verdict::Inconclusive),
        };
        assert!(parts(&render_pairs(&comparison, false, Pairs::Parts)));
        insta::assert_snapshot!(render(&comparison, false), @r"
                      before  after    change          interval  verdict
ttft.p99 ms ~          100.0  105.0   +5.00 %     +4.00 … +6.00  inconclusive
slo.attainment %       50.00  51.00  +1.00 pp  -99.00 … +101.00  same

cost.gpu_hours GPU-h   0.000   2.00         -                 -

intervals: 95 % (Student), 5 pairs of runs with equal seeds
~ in some run fewer than ten samples lie beyond this percentile
worse: more than the margin is lost; corrected for the number of measures that decide (Holm)
about 40 seeds would tell what is inconclusive, if means and spreads stayed
verdict: inconclusive
");
    }
}
