//! The terminal table: one row a policy, in two blocks. The best value of a column is marked `*`, a percentile with
//! fewer than ten samples beyond it `~`. Plain text, so that it pastes; bold only where colour is wanted.

use super::by::{self, By};
use super::differences;
use super::followed;
use super::measures::{self, Better, Measure};
use super::summary::{MeasureSummary, PolicySummary, Summary};
use std::fmt::Write;

/// What is shown, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'s> {
    /// Bold for the best, colours for verdicts.
    pub colour: bool,
    /// Also how requests were routed.
    pub routing: bool,
    /// The characters of a line: blocks that are wider are parted by columns. `None` is without limit.
    pub width: Option<usize>,
    /// Also the differences against this policy.
    pub against: Option<&'s str>,
    /// Also these groups of requests.
    pub by: &'s [By],
}

/// The table as text.
pub fn render(summary: &Summary, colour: bool) -> String {
    render_with(summary, &Shown { colour, ..Shown::default() })
}

/// The table as text, with a block on how requests were routed if that is asked for or decisions were told, and one
/// on why prompts missed where that was asked for.
pub fn render_with(summary: &Summary, shown: &Shown<'_>) -> String {
    let mut out = String::new();
    let mut marks = Marks::default();
    let has = |name: &str| {
        summary.policies.iter().any(|policy| policy.measures.iter().any(|measure| measure.name == name))
    };
    let regret = has("regret.mean");
    let more = if shown.routing || regret { measures::ROUTING } else { &[] };
    let more: Vec<Measure> =
        more.iter().chain(if regret { measures::REGRET } else { &[] }).copied().collect();
    let misses = if has("miss.policy") { measures::MISSES } else { &[] };
    let money = if has("cost.usd") { measures::MONEY } else { &[] };
    let blocks = [measures::LATENCY, measures::SERVICE, money, &more, misses];
    let names: Vec<String> = summary.policies.iter().map(|policy| policy.policy.clone()).collect();
    for (index, block) in blocks.into_iter().filter(|block| !block.is_empty()).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let columns: Vec<Column> =
            block.iter().map(|measure| Column::of(measure, &summary.policies, &mut marks)).collect();
        lay(&mut out, "policy", &names, &columns, shown);
    }
    if let Some(against) = shown.against {
        out.push_str(&differences::render(summary, against, shown));
    }
    for &by in shown.by {
        out.push_str(&by::render(summary, by, shown, &mut marks.unreliable));
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

/// Which marks were made, to be told of below.
#[derive(Default)]
pub(super) struct Marks {
    best: bool,
    unreliable: bool,
}

impl Marks {
    pub(super) fn any_unreliable(&self) -> bool {
        self.unreliable
    }
}

/// Lays columns behind a first one of names; where a line has not enough room, in several blocks below each other.
pub(super) fn lay(out: &mut String, first: &str, names: &[String], columns: &[Column], shown: &Shown<'_>) {
    let length = |text: &str| text.chars().count();
    let name_width = names.iter().map(|name| length(name)).chain([length(first)]).max().unwrap_or(0);
    let room = shown.width.unwrap_or(usize::MAX);
    let mut rest = columns;
    while !rest.is_empty() {
        let mut used = name_width;
        let fits = rest.iter().take_while(|column| {
            used += 2 + column.width;
            used <= room
        });
        let (part, after) = rest.split_at(fits.count().max(1));
        if rest.len() < columns.len() {
            out.push('\n');
        }
        rest = after;
        let mut top = " ".repeat(name_width);
        let mut last = "";
        for column in part {
            // A head that spans columns is written over its first.
            let head = if column.head[0] == last { "" } else { &column.head[0] };
            last = &column.head[0];
            let _ = write!(top, "  {head:>width$}", width = column.width);
        }
        let mut bottom = format!("{first:name_width$}");
        for column in part {
            let _ = write!(bottom, "  {:>width$}", column.head[1], width = column.width);
        }
        let _ = writeln!(out, "{}\n{}", top.trim_end(), bottom.trim_end());
        for (row, name) in names.iter().enumerate() {
            let mut line = format!("{name:name_width$}");
            for column in part {
                let cell = &column.cells[row];
                let pad = " ".repeat(2 + column.width - length(&cell.text));
                let (on, off) = if shown.colour && cell.best { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
                let _ = write!(line, "{pad}{on}{}{off}", cell.text);
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// How much of the largest value a column must spread over for its best to be marked: our choice, because a star on
/// the last digit says nothing.
const WORTH_MARKING: f64 = 0.01;

/// A column: its head in two lines, and a cell for each row.
pub(super) struct Column {
    pub(super) head: [String; 2],
    width: usize,
    pub(super) cells: Vec<Cell>,
}

/// A cell with its marks.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) best: bool,
}

impl Column {
    /// Of these cells.
    pub(super) fn new(head: [&str; 2], cells: Vec<Cell>) -> Column {
        let widest = cells.iter().map(|cell| cell.text.chars().count()).max().unwrap_or(0);
        // Heads stand over the digits, so their columns are a mark wider.
        let heads = head.iter().map(|head| head.chars().count()).max().unwrap_or(0);
        Column { head: head.map(String::from), width: widest.max(heads), cells }
    }
    /// Of a measure, a cell for each policy.
    pub(super) fn of(measure: &Measure, policies: &[PolicySummary], marks: &mut Marks) -> Column {
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
        Column::new(measure.head, cells.collect())
    }
}

/// As many as show three digits.
fn small_decimals(largest: f64) -> usize {
    (3..12).find(|&decimals| largest * 10f64.powi(decimals) >= 100.0).unwrap_or(12) as usize
}

/// Decimals for a column, by its largest value: three or four digits that mean something.
pub(super) fn decimals(largest: f64) -> usize {
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
    fn a_narrow_terminal_gets_more_blocks_and_no_line_that_is_wider() {
        let long = ("slow_but_long_named", vec![cell("slow_but_long_named", 1, 12)]);
        let summary = summary(&[("fast", vec![cell("fast", 1, 1)]), long]);
        let within = |width| render_with(&summary, &Shown { width: Some(width), ..Shown::default() });
        let rows = |text: &str| text.lines().filter(|line| line.starts_with("fast")).count();
        assert_eq!((rows(&within(200)), within(200)), (2, render(&summary, false)));
        for width in [80, 60, 40] {
            let text = within(width);
            let table = text.lines().take_while(|line| !line.starts_with('*'));
            let widest = table.map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= width && rows(&text) > 2, "{width}: {widest}\n{text}");
            // Every column is still there, once.
            let words = |text: &str| {
                let mut words: Vec<String> = text.split_whitespace().map(String::from).collect();
                words.retain(|word| {
                    !["policy", "fast", "slow_but_long_named", "TTFT", "TPOT", "E2E", "ms"]
                        .contains(&word.as_str())
                });
                words.sort();
                words
            };
            assert_eq!(words(&text), words(&render(&summary, false)), "{width}");
        }
        // Not even a column fits: one a block.
        assert_eq!(rows(&within(1)), 18);
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
