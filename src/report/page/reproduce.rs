//! How to get the same bytes again: command, scenario, seeds, digests, versions.

use super::model::{Block, Cell, Row, Section, Table, cell, name, number, text, words};
use super::sides::{Runs, seeds};
use super::values::count;
use crate::report::loaded::LoadedRun;

pub(super) fn section(runs: &Runs<'_>) -> Section {
    let mut blocks = vec![Block::Table { table: versions(runs) }];
    for (at, run) in runs.runs.iter().enumerate() {
        if runs.several() {
            blocks.push(Block::Heading { text: runs.labels[at].clone() });
        }
        let traces = run.summary.provenance.workload_hashes.iter().any(|(_, hash)| hash != "generated");
        let paths = if traces { " Its paths start from its folder: put it beside the original." } else { "" };
        blocks.push(text(format!("The same version of regionsim gives the same digests.{paths}")));
        blocks.push(Block::Command { text: command(run) });
        if let Some(text) = &run.scenario {
            let title = "The scenario as it was run".to_owned();
            blocks.push(Block::Code { title, text: text.clone() });
        }
    }
    let digests = Block::Table { table: digests(runs) };
    blocks.push(Block::Fold { title: "Outcome digests".to_owned(), blocks: vec![digests] });
    Section { id: "reproduce", title: "How to reproduce".to_owned(), blocks }
}

/// The command line that gives the same summary.
fn command(run: &LoadedRun) -> String {
    let mut words = vec!["regionsim".to_owned(), "run".to_owned(), "scenario-as-run.toml".to_owned()];
    let summary = &run.summary;
    if let Some(first) = summary.seeds.first() {
        words.extend(["--seed".to_owned(), first.to_string()]);
    }
    if summary.seeds.len() > 1 {
        words.extend(["--seeds".to_owned(), summary.seeds.len().to_string()]);
    }
    let all = run.setup.as_ref().map(|setup| setup.policies.len());
    if all.is_some_and(|all| all > summary.policies.len()) {
        for policy in &summary.policies {
            words.extend(["--policy".to_owned(), quoted(&policy.policy)]);
        }
    }
    for set in run.manifest.iter().flat_map(|made| &made.overrides) {
        words.extend(["--set".to_owned(), quoted(set)]);
    }
    if summary.policies.iter().flat_map(|policy| &policy.cells).any(|cell| !cell.misses.is_empty()) {
        words.push("--misses".to_owned());
    }
    words.join(" ")
}

/// As a POSIX shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_=./:,%+@".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn versions(runs: &Runs<'_>) -> Table {
    let run = runs.several().then(|| words("run"));
    let columns = run
        .into_iter()
        .chain(["scenario", "seeds", "regionsim", "scenario hash", "workload hashes"].map(words));
    let rows = runs.runs.iter().enumerate().map(|(at, run)| {
        let from = &run.summary.provenance;
        let label = runs.several().then(|| Cell { head: true, ..cell(&runs.labels[at]) });
        let hashes = from.workload_hashes.iter().map(|(name, hash)| format!("{name} {hash}"));
        let cells = [
            Cell { head: !runs.several(), ..name(&run.summary.scenario) },
            cell(seeds(&run.summary.seeds)),
            cell(&from.tool_version),
            name(&from.scenario_hash),
            name(hashes.collect::<Vec<_>>().join(", ")),
        ];
        Row { cells: label.into_iter().chain(cells).collect(), ..Row::default() }
    });
    Table {
        caption: "What was run".to_owned(),
        columns: columns.collect(),
        rows: rows.collect(),
        notes: Vec::new(),
        sortable: false,
    }
}

fn digests(runs: &Runs<'_>) -> Table {
    let mut columns = runs.who();
    columns.extend([
        words("seed"),
        words("outcome digest"),
        number("simulated", "events", "events that were simulated"),
    ]);
    let mut rows = Vec::new();
    for side in &runs.sides {
        for cell_summary in &side.policy.cells {
            let mut row = runs.row(side);
            let simulated = count(cell_summary.events);
            row.cells.extend([
                cell(cell_summary.seed.to_string()),
                name(&cell_summary.outcome_digest),
                cell(simulated),
            ]);
            rows.push(row);
        }
    }
    let caption = "Outcome digests: equal digests mean equal outcomes of every request".to_owned();
    Table { caption, columns, rows, notes: Vec::new(), sortable: true }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("regions.eu.pools.main.replicas=5"), "regions.eu.pools.main.replicas=5");
        assert_eq!(quoted("it's a name"), "'it'\\''s a name'");
        assert_eq!(quoted(""), "''");
    }
}
