//! What an experiment was made from: versions, hashes, seeds.

use crate::report::experiment::compared::Made;
use crate::report::page::model::{Block, Cell, Row, Section, Table, cell, name, text, words};

/// A table of what and its value, and a line on what equal ones mean.
pub(super) fn section(facts: Vec<(&str, String)>, more: Vec<Block>) -> Section {
    let row = |(what, value): (&str, String)| Row {
        cells: vec![Cell { head: true, ..cell(what) }, name(value)],
        ..Row::default()
    };
    let rows = facts.into_iter().filter(|(_, value)| !value.is_empty()).map(row).collect();
    let columns = vec![words("what"), words("")];
    let table =
        Table { caption: "What was run".to_owned(), columns, rows, notes: Vec::new(), sortable: false };
    let mut blocks = vec![
        text("The same version of regionsim, scenario and seeds give the same numbers."),
        Block::Table { table },
    ];
    blocks.extend(more);
    Section { id: "reproduce", title: "How to reproduce".to_owned(), blocks }
}

/// Workloads and their hashes.
pub(super) fn workloads(made: &Made) -> String {
    made.workload_hashes.iter().map(|(name, hash)| format!("{name} {hash}")).collect::<Vec<_>>().join(", ")
}

/// Seeds in few words.
pub(super) fn seeds(seeds: &[u64]) -> String {
    crate::report::page::sides::seeds(seeds)
}
