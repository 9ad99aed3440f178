//! Pages of experiments: one file a kind, the layout that of runs. Knows what was read back and its figures; must not judge
//! anything: every number is one of the folder's files.

mod check;
mod compare;
mod plan;
mod provenance;
mod sweep;
mod tune;

use super::model::{Block, Cell, Row, Section, Span, Table, cell, marked, name, words};
use super::values::{decimals, fixed, shown_unit};
use super::{Fact, Page, PageError, colour, render};
use crate::report::experiment::Experiment;
use crate::report::experiment::compared::{Change, Comparison};
use crate::report::figure::Figure;
use crate::stats::Verdict;

/// What a kind of experiment has to tell.
struct Told {
    title: String,
    about: Option<String>,
    headline: Vec<Vec<Span>>,
    facts: Vec<Fact>,
    sections: Vec<Section>,
    /// For the filter: in the order of their colours in the figures.
    policies: Vec<String>,
    source: &'static str,
}

/// The page of an experiment with its figures. `title` is the heading; its own where there is none.
///
/// # Errors
/// When a template is broken.
pub fn experiment_page(
    experiment: &Experiment,
    figures: &[Figure],
    title: Option<&str>,
) -> Result<String, PageError> {
    let told = match experiment {
        Experiment::Sweep(sweep) => sweep::page(sweep, figures),
        Experiment::Compare(compared) => compare::page(compared, figures),
        Experiment::Check(checked) => check::page(checked, figures),
        Experiment::Plan(plan) => plan::page(plan, figures),
        Experiment::Tune(tuned) => tune::page(tuned, figures),
    };
    render(Page {
        title: title.map_or(told.title, ToOwned::to_owned),
        about: told.about,
        headline: told.headline,
        facts: told.facts,
        sections: told.sections,
        policies: told.policies.into_iter().enumerate().map(|(at, name)| (name, colour(at))).collect(),
        regions: Vec::new(),
        source: format!("{} in its folder", told.source),
        version: env!("CARGO_PKG_VERSION"),
        style: include_str!("style.css"),
        script: include_str!("script.js"),
    })
}

fn fact(label: &'static str, value: impl Into<String>, note: impl Into<String>) -> Fact {
    Fact { label, value: value.into(), note: note.into() }
}

/// `1 seed`, `5 seeds`.
fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", super::values::count(count), if count == 1 { "" } else { "s" })
}

fn figure(figure: &Figure, policy: Option<usize>, series: bool) -> Block {
    Block::Figure {
        id: figure.id.clone(),
        title: figure.title.clone(),
        caption: marked(&figure.caption),
        svg: figure.svg.clone(),
        policy,
        series,
    }
}

/// All figures of these, as they are.
fn plots(blocks: Vec<Block>) -> Option<Section> {
    (!blocks.is_empty()).then(|| Section { id: "plots", title: "Plots".to_owned(), blocks })
}

/// A policy with the colour of its place.
fn policy(place: usize, of: &str) -> Cell {
    Cell { swatch: Some(colour(place)), head: true, ..name(of) }
}

/// A number that has so many digits that mean something, and its unit's scale.
fn number(value: f64, unit: &str) -> String {
    let value = value * super::values::scale(unit);
    fixed(value, decimals(value.abs(), unit))
}

/// A difference with its sign, as the figures have it.
fn signed(value: f64) -> String {
    let text = fixed(value, 2);
    if text.starts_with('−') { text } else { format!("+{text}") }
}

/// A verdict with a mark of its own.
fn verdict(of: Option<Verdict>) -> &'static str {
    match of {
        Some(Verdict::Better) => "▲ better",
        Some(Verdict::Same) => "● same",
        Some(Verdict::Inconclusive) => "○ inconclusive",
        Some(Verdict::Worse) => "■ worse",
        None => "no verdict",
    }
}

fn change_cell(change: &Change) -> Cell {
    let text = change.shown(change.difference).map_or("–".to_owned(), signed);
    Cell { text, best: change.verdict == Some(Verdict::Better), ..Cell::default() }
}

/// The measures of a comparison: those that decide, or the others.
fn changes(caption: String, of: &Comparison, decides: bool) -> Table {
    let head = |head: &str, unit: &str, about: &str| super::model::number(head, unit, about);
    let mut columns = vec![
        words("measure"),
        words("unit"),
        head("before", "", "mean over the pairs"),
        head("after", "", "mean over the pairs"),
        head(
            "change",
            "%, pp",
            "mean of the differences, in % of the value before; of shares in percentage points",
        ),
        words("interval"),
    ];
    if decides {
        columns.push(head("margin", "%, pp", "the loss that does not matter"));
        columns.push(words("verdict"));
        columns.push(head("seeds wanted", "", "about as many would tell, if mean and spread stayed"));
    }
    let mut unsure = false;
    let row = |change: &Change| {
        unsure |= !change.reliable;
        let ends = change.interval.and_then(|(low, high)| Some((change.shown(low)?, change.shown(high)?)));
        let interval =
            ends.map_or("–".to_owned(), |(low, high)| format!("{} … {}", signed(low), signed(high)));
        let unsure = !change.reliable;
        let mut cells = vec![
            Cell { head: true, ..name(&change.metric) },
            cell(shown_unit(&change.unit)),
            Cell { unsure, ..cell(number(change.before, &change.unit)) },
            Cell { unsure, ..cell(number(change.after, &change.unit)) },
            change_cell(change),
            cell(interval),
        ];
        if decides {
            let margin = change.margin.and_then(|margin| change.shown(margin));
            cells.push(cell(margin.map_or("–".to_owned(), |margin| fixed(margin, 2))));
            cells.push(cell(verdict(change.verdict)));
            cells.push(cell(change.seeds_wanted.map_or("–".to_owned(), super::values::count)));
        }
        Row { cells, ..Row::default() }
    };
    let rows: Vec<Row> = of.changes.iter().filter(|change| change.decides() == decides).map(row).collect();
    let mut notes = Vec::new();
    if of.seeds.len() > 1 {
        notes.push(format!(
            "Intervals: {} % (Student), {} pairs of runs with equal seeds.",
            of.confidence * 100.0,
            of.seeds.len()
        ));
    }
    if unsure {
        notes.push("~ fewer than ten samples lie beyond this percentile.".to_owned());
    }
    if decides {
        notes.push(
            "Worse: more than the margin is lost; corrected for the number of measures that decide (Holm)."
                .to_owned(),
        );
        notes.extend(of.missing.iter().map(|missing| {
            format!(
                "{} has a value before and none after in {} pairs, after and none before in {}.",
                missing.metric, missing.only_before, missing.only_after
            )
        }));
    }
    Table { caption, columns, rows, notes, sortable: true }
}

/// What decides, and the rest folded.
fn comparison(caption: &str, of: &Comparison) -> Vec<Block> {
    let facts = changes("Measures that do not decide".to_owned(), of, false);
    let mut blocks = vec![Block::Table { table: changes(caption.to_owned(), of, true) }];
    if !facts.rows.is_empty() {
        let title = "All other measures".to_owned();
        blocks.push(Block::Fold { title, blocks: vec![Block::Table { table: facts }] });
    }
    blocks
}

/// The change of a measure, where the comparison has it.
fn change<'c>(of: &'c Comparison, metric: &str) -> Option<&'c Change> {
    of.changes.iter().find(|change| change.metric == metric)
}
