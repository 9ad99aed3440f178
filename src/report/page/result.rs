//! The first tables: the headline with bars, then every measure.

use super::model::{Block, Row, Section, Table, number, text};
use super::sides::{Runs, Side};
use super::values::{Value, bars, column, shown_unit};
use crate::report::measures::{self, Better, Measure};

/// The measures of the first table, those there are.
const HEADLINE: [&str; 10] = [
    "ttft.p50",
    "ttft.p99",
    "tpot.p50",
    "e2e.p99",
    "slo.attainment",
    "cache.hit_rate",
    "throughput.requests",
    "cross_region",
    "cost.gpu_hours",
    "cost.usd_per_good_request",
];

/// The blocks of the rest, as in the terminal.
const REST: [(&str, &[Measure]); 6] = [
    ("Latency at the client", measures::LATENCY),
    ("Service and load", measures::SERVICE),
    ("Cost in US dollars", measures::MONEY),
    ("How requests were routed", measures::ROUTING),
    ("What decisions cost against the best ones", measures::REGRET),
    ("Why prompt tokens were not cached", measures::MISSES),
];

pub(super) fn section(runs: &Runs<'_>) -> Section {
    let find =
        |name: &&str| REST.iter().flat_map(|(_, list)| list.iter()).find(|measure| measure.name == *name);
    let headline: Vec<&Measure> = HEADLINE.iter().filter_map(find).collect();
    let mut blocks = Vec::new();
    if runs.several() {
        blocks.extend(differences(runs));
    }
    blocks.push(Block::Table { table: table(runs, "Headline measures by policy", &headline, true) });
    let rest = REST.iter().map(|(title, list)| table(runs, title, &list.iter().collect::<Vec<_>>(), false));
    let rest = rest.filter(|table| table.columns.iter().any(|column| column.number));
    blocks.push(Block::Fold {
        title: "All measures".to_owned(),
        blocks: rest.map(|table| Block::Table { table }).collect(),
    });
    Section { id: "result", title: "Result".to_owned(), blocks }
}

/// What is not the same in all runs beside the label, as far as it matters to a comparison.
fn differences(runs: &Runs<'_>) -> Option<Block> {
    let from = |run: usize| &runs.runs[run].summary;
    let (first, rest) = (from(0), 1..runs.runs.len());
    let differ = |of: &dyn Fn(&crate::report::Summary) -> bool| rest.clone().any(|run| of(from(run)));
    let mut told = Vec::new();
    if differ(&|other| other.provenance.tool_version != first.provenance.tool_version) {
        told.push("by different versions of regionsim: a change may be the simulator's own");
    }
    if differ(&|other| other.provenance.workload_hashes != first.provenance.workload_hashes) {
        told.push("of different requests");
    }
    if differ(&|other| other.seeds != first.seeds) {
        told.push("with different seeds");
    }
    let profiles = |other: &crate::report::Summary| {
        other.provenance.profiles != first.provenance.profiles
            || other.provenance.data_tables != first.provenance.data_tables
    };
    if differ(&profiles) {
        told.push("on different profiles or data tables");
    }
    (!told.is_empty()).then(|| text(format!("These runs were made {}.", told.join("; "))))
}

fn values(sides: &[Side<'_>], measure: &Measure) -> Vec<Option<Value>> {
    let one = |side: &Side<'_>| {
        let found = side.policy.measures.iter().find(|known| known.name == measure.name)?;
        Some(Value { mean: found.mean?, half: found.half_width_95, reliable: found.reliable })
    };
    sides.iter().map(one).collect()
}

/// A table of these measures, those that anybody has.
fn table(runs: &Runs<'_>, caption: &str, measures: &[&Measure], with_bars: bool) -> Table {
    let mut columns = runs.who();
    let mut rows: Vec<Row> = runs.sides.iter().map(|side| runs.row(side)).collect();
    let (mut best, mut unsure, mut half) = (false, false, false);
    for measure in measures {
        let values = values(&runs.sides, measure);
        if values.iter().all(Option::is_none) {
            continue;
        }
        let mut cells = column(&values, measure.unit, measure.better);
        if with_bars && measure.better != Better::Neither {
            bars(&mut cells, &values);
        }
        best |= cells.iter().any(|cell| cell.best);
        unsure |= cells.iter().any(|cell| cell.unsure);
        half |= cells.iter().any(|cell| cell.half.is_some());
        columns.push(number(&head(measure), shown_unit(measure.unit), measure.name));
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.cells.push(cell));
    }
    let mut notes = Vec::new();
    if best {
        notes.push("Best of its column in bold, where values differ by 1 % or more.".to_owned());
    }
    if unsure {
        notes.push("~ fewer than ten samples lie beyond this percentile.".to_owned());
    }
    if half {
        notes.push("± half of Student's 95 % interval over the seeds.".to_owned());
    }
    Table { caption: caption.to_owned(), columns, rows, notes, sortable: true }
}

/// The head of a column that stands alone.
pub(super) fn head(measure: &Measure) -> String {
    match measure.name {
        "slo.attainment" => return "in SLO".to_owned(),
        "cache.hit_rate" => return "cache hits".to_owned(),
        "throughput.requests" => return "requests".to_owned(),
        "throughput.output_tokens" => return "output tokens".to_owned(),
        "cross_region" => return "other region".to_owned(),
        "busy.mean" => return "busy, mean".to_owned(),
        "batch.mean" => return "batch, mean".to_owned(),
        "waiting.mean" => return "queue, mean".to_owned(),
        "kv.peak" => return "KV use, peak".to_owned(),
        "cost.gpu_hours" => return "GPU time".to_owned(),
        "cost.usd_per_good_request" => return "cost / request in SLO".to_owned(),
        "cost.usd" => return "whole run".to_owned(),
        "cost.usd_per_hour" => return "fleet".to_owned(),
        _ => {}
    }
    let [group, own] = measure.head;
    let group = [" ms", " %", " $"].iter().fold(group, |group, unit| group.trim_end_matches(unit));
    match measure.unit {
        "USD" => format!("{group}, {}", own.trim_start_matches('/')),
        _ => format!("{group} {own}"),
    }
}
