//! The page of a comparison.

use super::{Told, change, change_cell, comparison, fact, figure, plots, provenance, verdict};
use crate::report::experiment::compared::{Compared, Comparison};
use crate::report::figure::Figure;
use crate::report::page::model::{
    Block, Cell, Row, Section, Span, Table, cell, code, name, number, plain, strong, text, words,
};

/// Sentences at the top: more would be a wall.
const SENTENCES: usize = 4;

pub(super) fn page(compared: &Compared, figures: &[Figure]) -> Told {
    let all = &compared.comparisons;
    let mut blocks: Vec<Block> =
        compared.differs.iter().map(|what| text(format!("Beside what was asked for, {what}."))).collect();
    if all.len() > 1 {
        blocks.push(Block::Table { table: overview(all) });
    }
    for one in all {
        if all.len() > 1 {
            blocks.push(Block::Heading { text: one.title(&compared.set) });
        }
        if one.equal_outcomes == one.seeds.len() as u64 {
            blocks.push(text("Every request has the same outcome on both sides, in all pairs."));
        }
        blocks.extend(comparison("What decides", one));
    }
    let mut sections = vec![Section { id: "result", title: "Result".to_owned(), blocks }];
    sections.extend(plots(figures.iter().map(|one| figure(one, None, false)).collect()));
    let versions = [&compared.before.tool_version, &compared.after.tool_version];
    let seeds = all.first().map(|one| provenance::seeds(&one.seeds)).unwrap_or_default();
    sections.push(provenance::section(
        vec![
            ("before", all.first().map(|one| one.before.clone()).unwrap_or_default()),
            ("after", all.first().map(|one| one.after.clone()).unwrap_or_default()),
            ("set on both sides", compared.set_both.join(", ")),
            ("set after", compared.set.join(", ")),
            ("seeds", seeds.clone()),
            ("regionsim before", versions[0].clone()),
            ("regionsim after", versions[1].clone()),
            ("scenario hash before", compared.before.scenario_hash.clone()),
            ("scenario hash after", compared.after.scenario_hash.clone()),
            ("workload hashes before", provenance::workloads(&compared.before)),
            ("workload hashes after", provenance::workloads(&compared.after)),
        ],
        Vec::new(),
    ));
    let first = all.first();
    let facts = vec![
        fact("pairs", first.map_or(0, |one| one.seeds.len()).to_string(), seeds),
        fact(
            "intervals",
            format!("{} %", first.map_or(0.95, |one| one.confidence) * 100.0),
            "of paired differences",
        ),
        fact(
            "equal outcomes",
            first.map_or(0, |one| one.equal_outcomes).to_string(),
            "pairs in which nothing changed",
        ),
        fact("numbers", "modelled", ""),
    ];
    let title = match all.as_slice() {
        [one] => one.title(&compared.set),
        _ => format!("{} comparisons", all.len()),
    };
    Told {
        title,
        about: None,
        headline: all.iter().take(SENTENCES).map(|one| sentence(one, &compared.set)).collect(),
        facts,
        sections,
        policies: Vec::new(),
        source: "compare.json",
    }
}

/// What came out, in a sentence: the verdict, and the measure that says most of it.
fn sentence(of: &Comparison, set: &[String]) -> Vec<Span> {
    let mut spans = vec![code(of.title(set)), plain(": ")];
    spans.push(strong(of.verdict.map_or("no verdict".to_owned(), |verdict| verdict.to_string())));
    let told = change(of, "ttft.p99").filter(|change| change.decides());
    if let Some(told) = told.or(of.changes.first())
        && let Some(value) = told.shown(told.difference)
    {
        let ends = told.interval.and_then(|(low, high)| Some((told.shown(low)?, told.shown(high)?)));
        let ends = ends.map_or(String::new(), |(low, high)| {
            format!(" ({} … {})", super::signed(low), super::signed(high))
        });
        let unit = told.shown_unit();
        spans.push(plain("; "));
        spans.push(code(&told.metric));
        spans.push(plain(format!(" {} {unit}{ends}", super::signed(value))));
    }
    spans.push(plain("."));
    spans
}

fn overview(all: &[Comparison]) -> Table {
    let row = |of: &Comparison| {
        let shown = |metric| change(of, metric).map_or(cell("–"), change_cell);
        Row {
            cells: vec![
                Cell { head: true, ..name(&of.after) },
                name(&of.before),
                cell(verdict(of.verdict)),
                shown("ttft.p99"),
                shown("throughput.output_tokens"),
                shown("slo.attainment"),
            ],
            ..Row::default()
        }
    };
    Table {
        caption: "Verdicts".to_owned(),
        columns: vec![
            words("after"),
            words("before"),
            words("verdict"),
            number("TTFT p99", "%", "change of ttft.p99"),
            number("output tokens", "%", "change of throughput.output_tokens"),
            number("in SLO", "pp", "change of slo.attainment"),
        ],
        rows: all.iter().map(row).collect(),
        notes: Vec::new(),
        sortable: true,
    }
}
