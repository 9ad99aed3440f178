//! The terminal table: one row a policy, in two blocks. The best value of a column is marked `*`, a percentile with
//! fewer than ten samples beyond it `~`. Plain text, so that it pastes; bold only where colour is wanted.

use super::followed;
use super::measures::{self, Better, Measure};
use super::summary::{MeasureSummary, PolicySummary, Summary};
use std::fmt::Write;

/// The table as text.
pub fn render(summary: &Summary, colour: bool) -> String {
    render_more(summary, colour, false)
}

/// The table as text, with a block on how requests were routed if `routing` asks for it or decisions were told, and one
/// on why prompts missed where that was asked for.
pub fn render_more(summary: &Summary, colour: bool, routing: bool) -> String {
    let mut out = String::new();
    let mut marks = Marks::default();
    let has = |name: &str| {
        summary.policies.iter().any(|policy| policy.measures.iter().any(|measure| measure.name == name))
    };
    let regret = has("regret.mean");
    let more = if routing || regret { measures::ROUTING } else { &[] };
    let more: Vec<Measure> =
        more.iter().chain(if regret { measures::REGRET } else { &[] }).copied().collect();
    let misses = if has("miss.policy") { measures::MISSES } else { &[] };
    let money = if has("cost.usd") { measures::MONEY } else { &[] };
    let blocks = [measures::LATENCY, measures::SERVICE, money, &more, misses];
    for (index, block) in blocks.into_iter().filter(|block| !block.is_empty()).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        self::block(&mut out, block, &summary.policies, colour, &mut marks);
    }
    let mut notes = String::new();
    if marks.best {
        notes.push_str("* best of its column, where values differ by 1 % or more\n");
    }
    if marks.unreliable {
        notes.push_str("~ fewer than ten samples lie beyond this percentile\n");
    }
    if summary.seeds.len() > 1 {
        let _ = writeln!(notes, "± 95 % interval (Student) over {} seeds", summary.seeds.len());
    }
    for (workload, label) in &summary.provenance.origins {
        let _ = writeln!(notes, "! origin of {workload}: {label}; the trace does not tell it");
    }
    super::routing::notes(summary, &mut notes);
    if !notes.is_empty() {
        out.push('\n');
        out.push_str(&notes);
    }
    followed::render(summary, &mut out);
    out
}

#[derive(Default)]
struct Marks {
    best: bool,
    unreliable: bool,
}

fn block(out: &mut String, block: &[Measure], policies: &[PolicySummary], colour: bool, marks: &mut Marks) {
    let name_width = policies.iter().map(|p| p.policy.chars().count()).max().unwrap_or(0).max("policy".len());
    let columns: Vec<Column> = block.iter().map(|measure| Column::of(measure, policies, marks)).collect();

    let mut top = " ".repeat(name_width);
    let mut last = "";
    for (measure, column) in block.iter().zip(&columns) {
        // A head that spans columns is written over its first.
        let head = if measure.head[0] == last { "" } else { measure.head[0] };
        last = measure.head[0];
        let _ = write!(top, "  {head:>width$}", width = column.width);
    }
    let mut bottom = format!("{:name_width$}", "policy");
    for (measure, column) in block.iter().zip(&columns) {
        let _ = write!(bottom, "  {:>width$}", measure.head[1], width = column.width);
    }
    let _ = writeln!(out, "{}\n{}", top.trim_end(), bottom.trim_end());
    for (row, policy) in policies.iter().enumerate() {
        let mut line = format!("{:name_width$}", policy.policy);
        for column in &columns {
            let cell = &column.cells[row];
            let pad = " ".repeat(2 + column.width - cell.text.chars().count());
            let (on, off) = if colour && cell.best { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            let _ = write!(line, "{pad}{on}{}{off}", cell.text);
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// How much of the largest value a column must spread over for its best to be marked: our choice, because a star on
/// the last digit says nothing.
const WORTH_MARKING: f64 = 0.01;

struct Column {
    width: usize,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    best: bool,
}

impl Column {
    fn of(measure: &Measure, policies: &[PolicySummary], marks: &mut Marks) -> Column {
        let find = |policy: &PolicySummary| policy.measures.iter().find(|m| m.name == measure.name).cloned();
        let values: Vec<Option<MeasureSummary>> = policies.iter().map(find).collect();
        let scale = if measure.unit == "share" { 100.0 } else { 1.0 };
        let means = || values.iter().flatten().filter_map(|value| value.mean).map(|mean| mean * scale);
        let largest = means().fold(0.0, |largest: f64, mean| largest.max(mean.abs()));
        // Dollars for one request are thousandths: three digits of them.
        let money = measure.unit == "USD" && 0.0 < largest && largest < 0.1;
        let decimals = if money { small_decimals(largest) } else { decimals(largest) };
        let shown = |value: f64| format!("{value:.decimals$}");
        let best = match measure.better {
            Better::Lower => means().min_by(f64::total_cmp),
            Better::Higher => means().max_by(f64::total_cmp),
            Better::Neither => None,
        };
        let (low, high) =
            means().fold((f64::MAX, f64::MIN), |(low, high), mean| (low.min(mean), high.max(mean)));
        let best = best.map(shown).filter(|_| high > low && high - low >= WORTH_MARKING * high.abs());

        let cells = values.iter().map(|value| {
            let Some(mean) = value.as_ref().and_then(|value| value.mean) else {
                return Cell { text: "- ".to_string(), best: false };
            };
            let value = value.as_ref().expect("a mean has its measure");
            let text = shown(mean * scale);
            let is_best = best.as_ref() == Some(&text);
            marks.best |= is_best;
            marks.unreliable |= !value.reliable;
            let half = value.half_width_95.map(|half| format!(" ±{}", shown(half * scale)));
            let text = format!(
                "{}{text}{}{}",
                if value.reliable { "" } else { "~" },
                half.unwrap_or_default(),
                if is_best { "*" } else { " " },
            );
            Cell { text, best: is_best }
        });
        let cells: Vec<Cell> = cells.collect();
        let widest = cells.iter().map(|cell| cell.text.chars().count()).max().unwrap_or(0);
        // Heads stand over the digits, so their columns are a mark wider.
        let heads = measure.head.iter().map(|head| head.chars().count()).max().unwrap_or(0);
        Column { width: widest.max(heads), cells }
    }
}

/// Decimals for a column, by its largest value: three or four digits that mean something.
/// As many as show three digits.
fn small_decimals(largest: f64) -> usize {
    (3..12).find(|&decimals| largest * 10f64.powi(decimals) >= 100.0).unwrap_or(12) as usize
}

fn decimals(largest: f64) -> usize {
    match largest {
        _ if largest < 10.0 => 2,
        _ if largest < 1_000.0 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::*;

    #[test]
    fn one_seed() {
        let fast = ("fast", vec![cell("fast", 1, 1)]);
        let slow = ("slow_but_long_named", vec![cell("slow_but_long_named", 1, 12)]);
        insta::assert_snapshot!(render(&summary(&[fast, slow]), false));
    }

    #[test]
    fn several_seeds() {
        let summary = summary(&[("fast", (1..=3).map(|seed| cell("fast", seed, seed)).collect())]);
        // TTFT p50: 45.5, 91, 136.5: mean 91, s = 45.5, t = 4.303 for 2 degrees: 4.303 * 45.5 / sqrt(3) = 113.0.
        let p50 = &summary.policies[0].measures[0];
        assert_eq!((p50.name.as_str(), p50.mean), ("ttft.p50", Some(91.0)));
        assert!((p50.half_width_95.unwrap() - 113.03).abs() < 0.02, "{p50:?}");
        insta::assert_snapshot!(render(&summary, false));
    }
}
