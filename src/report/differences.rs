//! The differences of policies against one of them, paired by seed: two policies see the same requests, so what both share
//! cancels, and the interval is that of the differences. Knows finished cells; verdicts are `gate`'s.

use super::measures::{self, Measure};
use super::summary::{CellSummary, PolicySummary, Summary};
use super::table::{Cell, Column, Shown, lay};
use crate::stats::Paired;
use std::fmt::Write;

/// One measure of two policies over their seeds.
fn paired(measure: &Measure, before: &[CellSummary], after: &[CellSummary]) -> Option<Paired> {
    let both = before.iter().zip(after).filter(|(a, b)| a.seed == b.seed);
    let values = both.filter_map(|(a, b)| Some(((measure.value)(a)?.0, (measure.value)(b)?.0)));
    let (a, b): (Vec<f64>, Vec<f64>) = values.unzip();
    Paired::of(&a, &b)
}

/// The change in per cent of the value before, of shares in percentage points; with half its interval where there is
/// one, and `≈` where that has zero in it.
fn cell(measure: &Measure, before: &PolicySummary, after: &PolicySummary) -> String {
    let found = paired(measure, &before.cells, &after.cells);
    let Some(found) = found else { return "-".to_string() };
    let scale = if measure.unit == "share" { 100.0 } else { 100.0 / found.before.abs() };
    if !scale.is_finite() {
        return "-".to_string();
    }
    let change = found.mean() * scale;
    match found.interval(0.95) {
        None => format!("{change:+.1}"),
        Some((low, high)) => {
            let none = if low <= 0.0 && 0.0 <= high { "≈" } else { "" };
            format!("{none}{change:+.1} ±{:.1}", (high - low) / 2.0 * scale)
        }
    }
}

/// The block, with its notes; nothing where there is no other policy.
pub(super) fn render(summary: &Summary, against: &str, shown: &Shown<'_>) -> String {
    let Some(before) = summary.policies.iter().find(|policy| policy.policy == against) else {
        return String::new();
    };
    let others: Vec<&PolicySummary> =
        summary.policies.iter().filter(|policy| policy.policy != against).collect();
    if others.is_empty() {
        return String::new();
    }
    let all = [measures::LATENCY, measures::SERVICE, measures::MONEY].into_iter().flatten();
    let has = |name: &str| before.measures.iter().any(|measure| measure.name == name);
    // Dollars say more than hours, where there are any.
    let asked = |name: &str| has(name) && !(name == "cost.gpu_hours" && has("cost.usd"));
    let columns = all
        .filter(|measure| measures::REVIEWED.contains(&measure.name) && asked(measure.name))
        .map(|measure| {
            let text = |after: &&PolicySummary| Cell { text: cell(measure, before, after), best: false };
            let unit = if measure.unit == "share" { "pp" } else { "%" };
            let head = match measure.head {
                [head @ ("TTFT ms" | "TPOT ms" | "E2E ms"), p] => {
                    [head.trim_end_matches(" ms").to_string(), format!("{p} {unit}")]
                }
                [head, _] => [head.trim_end_matches([' ', '%', '$']).to_string(), unit.to_string()],
            };
            Column::new([&head[0], &head[1]], others.iter().map(text).collect())
        });
    let columns: Vec<Column> = columns.collect();
    let names: Vec<String> = others.iter().map(|policy| policy.policy.clone()).collect();
    let mut out = format!("\nchange against {against}\n");
    lay(&mut out, "policy", &names, &columns, shown);
    let _ = match summary.seeds.len() {
        1 => writeln!(out, "one seed: no interval; --seeds 10 gives them"),
        seeds => {
            writeln!(out, "± 95 % interval (Student) of {seeds} pairs of equal seeds; ≈ zero lies within it")
        }
    };
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::*;

    #[test]
    fn differences_are_of_pairs() {
        // TTFT p50 of step k is 45.5 k: with steps 2, 3, 4 against 1, 2, 3 each pair differs by 45.5; the mean before is 91.
        let steps = |name: &'static str, from: u64| {
            (name, (0..3).map(|seed| cell(name, seed, from + seed)).collect::<Vec<_>>())
        };
        let all = summary(&[steps("a", 1), steps("b", 2)]);
        let measure = |name: &str| measures::LATENCY.iter().find(|measure| measure.name == name).unwrap();
        assert_eq!(super::cell(measure("ttft.p50"), &all.policies[0], &all.policies[1]), "+50.0 ±0.0");
        assert_eq!(super::cell(measure("ttft.p50"), &all.policies[0], &all.policies[0]), "≈+0.0 ±0.0");
        let text = render(&all, "a", &Shown::default());
        assert!(
            text.starts_with("\nchange against a\n") && text.contains("3 pairs of equal seeds"),
            "{text}"
        );
        assert!(
            text.lines().any(|line| line.starts_with("b "))
                && !text.lines().any(|line| line.starts_with("a ")),
            "{text}"
        );
        let one = summary(&[("a", vec![cell("a", 1, 1)]), ("b", vec![cell("b", 1, 2)])]);
        assert!(render(&one, "a", &Shown::default()).contains("+100.0"), "45.5 to 91");
        assert!(render(&one, "a", &Shown::default()).contains("no interval"));
        assert_eq!(render(&summary(&[("a", vec![cell("a", 1, 1)])]), "a", &Shown::default()), "");
    }
}
