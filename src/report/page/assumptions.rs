//! What a number stands on: what is modelled, what is calibrated and how well, what is assumed, and how old the tables are.

use super::model::{Block, Cell, Row, Section, Span, Table, cell, code, name, number, plain, strong, words};
use super::sides::Runs;
use super::values::count;
use crate::run::Provenance;

pub(super) fn section(runs: &Runs<'_>) -> Section {
    let mut blocks = Vec::new();
    let first = &runs.runs[0].summary;
    // What to look up is on this page.
    let joined = |list: &[String]| list.join("; ").replace(" under `provenance`", " below");
    let mut items: Vec<Vec<Span>> = Vec::new();
    let mut add =
        |kind: &str, what: String| items.push(vec![strong(format!("{kind}: ")), plain(format!("{what}."))]);
    add("Modelled", joined(&first.basis.modelled));
    let status = runs.runs.iter().filter_map(|run| run.summary.provenance.profile_status).max();
    if let Some(status) = status {
        add("Calibrated", format!("step times, as far as their profiles are; the least trusted is {status}"));
    }
    add("Assumed", joined(&first.basis.assumed));
    blocks.push(Block::List { items });
    let each = || runs.runs.iter().map(|run| &run.summary.provenance);
    blocks.push(Block::Table { table: profiles(each()) });
    blocks.push(Block::Table { table: tables(each()) });
    let mut origins: Vec<Vec<Span>> = Vec::new();
    for (workload, label) in each().flat_map(|from| &from.origins) {
        let item = vec![
            plain("Origins of "),
            code(workload),
            plain(format!(
                ": {label}. The trace does not tell them, so a ranking is about this choice as well."
            )),
        ];
        if !origins.contains(&item) {
            origins.push(item);
        }
    }
    if !origins.is_empty() {
        blocks.push(Block::Heading { text: "Origins that were made up".to_owned() });
        blocks.push(Block::List { items: origins });
    }
    blocks.extend(capacity(runs).map(|table| Block::Table { table }));
    blocks.extend(policies(runs).map(|table| Block::Table { table }));
    Section { id: "assumptions", title: "Assumptions".to_owned(), blocks }
}

fn table(caption: &str, heads: &[&str], rows: Vec<Row>) -> Table {
    Table {
        caption: caption.to_owned(),
        columns: heads.iter().map(|head| words(head)).collect(),
        rows,
        notes: Vec::new(),
        sortable: false,
    }
}

fn once(rows: Vec<Vec<Cell>>) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::new();
    for cells in rows {
        if !out.iter().any(|row| row.cells == cells) {
            out.push(Row { cells, ..Row::default() });
        }
    }
    out
}

fn profiles<'p>(each: impl Iterator<Item = &'p Provenance>) -> Table {
    let rows = each.flat_map(|from| &from.profiles);
    let rows = rows.map(|(profile, trust)| vec![Cell { head: true, ..name(profile) }, cell(trust)]);
    table(
        "Timing profiles: how far their step times can be trusted",
        &["profile", "status and known error"],
        once(rows.collect()),
    )
}

fn tables<'p>(each: impl Iterator<Item = &'p Provenance>) -> Table {
    let rows = each.flat_map(|from| &from.data_tables).map(|known| {
        let head = Cell { head: true, ..name(&known.name) };
        vec![head, cell(&known.date), cell(&known.statistic), cell(&known.source)]
    });
    table("Data tables", &["table", "date", "statistic", "source"], once(rows.collect()))
}

fn capacity(runs: &Runs<'_>) -> Option<Table> {
    let lines = runs.runs.iter().flat_map(|run| &run.summary.capacity).map(|line| {
        let tokens = count(line.kv_blocks * u64::from(line.block_tokens));
        vec![
            Cell { head: true, ..name(&line.pool) },
            cell(tokens),
            cell(if line.given { "stated" } else { "derived" }),
            cell(&line.note),
        ]
    });
    let rows = once(lines.collect());
    (!rows.is_empty()).then(|| {
        let mut table = table("KV capacity of one replica", &["pool", "", "how", "from"], rows);
        table.columns[1] = number("capacity", "tokens", "tokens that fit at once");
        table
    })
}

fn policies(runs: &Runs<'_>) -> Option<Table> {
    let mut rows = Vec::new();
    for setup in runs.runs.iter().filter_map(|run| run.setup.as_ref()) {
        for policy in &setup.policies {
            // Of the scenario's policies those that were run.
            if !runs.policies.contains(&policy.name) {
                continue;
            }
            rows.push(vec![
                Cell { head: true, ..name(&policy.name) },
                cell(&policy.gateways),
                cell(&policy.stages),
            ]);
        }
    }
    let rows = once(rows);
    (!rows.is_empty())
        .then(|| table("Policies with all parameters", &["policy", "gateways", "how it chooses"], rows))
}
