//! What the scenario planned to happen.

use super::model::{Block, Row, Section, Table, cell, name, number, words};
use super::sides::Runs;
use super::values::fixed;

pub(super) fn section(runs: &Runs<'_>) -> Option<Section> {
    let mut columns = if runs.several() { vec![words("run")] } else { Vec::new() };
    columns.extend([words("what"), words("where"), number("from", "s", ""), number("to", "s", "")]);
    let mut rows = Vec::new();
    for (at, run) in runs.runs.iter().enumerate() {
        for event in &run.events {
            let label = runs.several().then(|| cell(&runs.labels[at]));
            let time = |seconds: f64| fixed(seconds, usize::from(seconds.fract() != 0.0));
            let until = event.until_s.map_or_else(|| "end".to_owned(), time);
            let cells = [name(&event.kind), name(&event.target), cell(time(event.at_s)), cell(until)];
            rows.push(Row {
                policy: None,
                region: event.region.as_deref().and_then(|region| runs.region(region)),
                cells: label.into_iter().chain(cells).collect(),
            });
        }
    }
    (!rows.is_empty()).then(|| {
        let caption = "Events that the scenario plans".to_owned();
        let table = Table { caption, columns, rows, notes: Vec::new(), sortable: true };
        Section { id: "events", title: "Events".to_owned(), blocks: vec![Block::Table { table }] }
    })
}
