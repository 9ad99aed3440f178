//! `compare --uncertainty`: the same pairs with both sides' plans changed in the same way, and whether verdicts stay.

use super::{Args, Comparison, Failure, Rules, Side, pair};
use crate::report::grid;
use crate::run::Prepared;
use crate::run::uncertainty::{Change, What, changes};
use crate::scenario::Plan;
use crate::stats::Verdict;
use anyhow::anyhow;
use std::fmt::Write;

/// The plan that a side runs.
fn plan(side: &Side) -> Result<&Plan, Failure> {
    match side {
        Side::Plan(prepared) => Ok(&prepared.plan),
        Side::Done(_) => Err(Failure::usage(anyhow!(
            "--uncertainty runs both sides again under other numbers; give scenarios in place of folders of runs"
        ))),
    }
}

/// Runs the pairs under each change and says what becomes of the verdicts; `usual` is without a change.
pub(super) fn told(
    (first, second): (&Side, &Side),
    pairs: &[(&str, &str)],
    usual: &[Comparison],
    rules: &Rules,
    args: &Args,
) -> Result<String, Failure> {
    let (before, after) = (plan(first)?, plan(second)?);
    let sides = [changes(before), changes(after)];
    let of = |side: usize, plan: &Plan, what: What, more: bool| {
        let found = sides[side].iter().find(|(change, _)| (change.what, change.more) == (what, more));
        found.map_or((plan.clone(), 0.0), |(change, plan)| (plan.clone(), change.by))
    };
    let mut cases: Vec<(String, Vec<Comparison>)> = vec![("as it is".to_owned(), usual.to_vec())];
    for what in What::ALL {
        for more in [false, true] {
            let ((one, by), (other, also)) = (of(0, before, what, more), of(1, after, what, more));
            let by = by.max(also);
            if by == 0.0 {
                continue;
            }
            let side = |plan| Side::Plan(Box::new(Prepared::of(plan)));
            let (one, other) = (side(one), side(other));
            let again = |(at, (a, b)): (usize, &(&str, &str))| {
                pair((&one, a, &usual[at].before), (&other, b, &usual[at].after), rules, args)
                    .map(|found| found.0)
            };
            let found = pairs.iter().enumerate().map(again).collect::<Result<_, _>>()?;
            cases.push((Change { what, more, by }.to_string(), found));
        }
    }
    Ok(render(&cases))
}

fn render(cases: &[(String, Vec<Comparison>)]) -> String {
    let mut out = String::new();
    let shown =
        |verdict: Option<Verdict>| verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
    for (at, usual) in cases[0].1.iter().enumerate() {
        let deciding: Vec<&str> = usual
            .changes
            .iter()
            .filter(|change| change.verdict.is_some())
            .map(|change| change.metric.as_str())
            .collect();
        let verdict = |comparison: &Comparison, metric: &str| {
            comparison.changes.iter().find(|change| change.metric == metric).and_then(|change| change.verdict)
        };
        let row = |(change, comparisons): &(String, Vec<Comparison>)| {
            let each = deciding.iter().map(|metric| shown(verdict(&comparisons[at], metric)));
            [change.clone()].into_iter().chain(each).chain([shown(comparisons[at].verdict)]).collect()
        };
        let rows: Vec<Vec<String>> = cases.iter().map(row).collect();
        let head: Vec<&str> = ["with"].into_iter().chain(deciding.iter().copied()).chain(["all"]).collect();
        let _ = write!(out, "\n{} against {}\n{}", usual.after, usual.before, grid::render(&head, &rows));
        // Better becoming worse is a flip; what can no longer be told is none.
        let opposite = |verdict: Option<Verdict>| match verdict {
            Some(Verdict::Better) => Some(Verdict::Worse),
            Some(Verdict::Worse) => Some(Verdict::Better),
            _ => None,
        };
        let mut flips = Vec::new();
        for (change, comparisons) in &cases[1..] {
            for metric in &deciding {
                let was = opposite(verdict(usual, metric));
                if was.is_some() && verdict(&comparisons[at], metric) == was {
                    flips.push(format!("{metric} with {change}"));
                }
            }
        }
        let _ = match flips.as_slice() {
            [] => writeln!(out, "no verdict turns into its opposite"),
            flips => writeln!(out, "turn into their opposite: {}", flips.join(", ")),
        };
    }
    out
}
