//! Who is compared: every policy of every run, and what tells the runs apart. Knows loaded runs; must not know tables.

use crate::report::loaded::LoadedRun;
use crate::report::page::model::{Cell, Column, Row, name, words};
use crate::report::summary::PolicySummary;

/// One policy of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'r> {
    /// Its run.
    pub run: usize,
    /// The policy.
    pub policy: &'r PolicySummary,
    /// Its place in the filter, which is that of its colour.
    pub place: usize,
}

/// Everything that sections are made from.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the runs of a page are its runs")]
pub(super) struct Runs<'r> {
    /// The runs.
    pub runs: &'r [LoadedRun],
    /// What tells each run apart; empty for a single one.
    pub labels: Vec<String>,
    /// The names of all policies, each once, in order of first sight.
    pub policies: Vec<String>,
    /// The names of all regions, likewise.
    pub regions: Vec<String>,
    /// All policies of all runs.
    pub sides: Vec<Side<'r>>,
}

impl<'r> Runs<'r> {
    /// Of these runs.
    pub fn of(runs: &'r [LoadedRun]) -> Runs<'r> {
        let mut policies: Vec<String> = Vec::new();
        let mut sides = Vec::new();
        for (run, loaded) in runs.iter().enumerate() {
            for policy in &loaded.summary.policies {
                let place = place(&mut policies, &policy.policy);
                sides.push(Side { run, policy, place });
            }
        }
        let mut regions: Vec<String> = Vec::new();
        for cell in sides.iter().flat_map(|side| &side.policy.cells) {
            let served = cell.regions.iter().map(|region| &region.name);
            let paid = cell.cost.regions.iter().map(|region| &region.region);
            paid.chain(served).for_each(|name| {
                place(&mut regions, name);
            });
        }
        for region in runs.iter().filter_map(|run| run.setup.as_ref()).flat_map(|setup| &setup.regions) {
            place(&mut regions, &region.name);
        }
        Runs { runs, labels: labels(runs), policies, regions, sides }
    }

    /// Whether there are several.
    pub fn several(&self) -> bool {
        self.runs.len() > 1
    }

    /// The place of a region in the filter.
    pub fn region(&self, name: &str) -> Option<usize> {
        self.regions.iter().position(|known| known == name)
    }

    /// The columns that say who a row is about.
    pub fn who(&self) -> Vec<Column> {
        let run = self.several().then(|| words("run"));
        run.into_iter().chain([words("policy")]).collect()
    }

    /// A row about a side, with the cells that say so.
    pub fn row(&self, side: &Side<'_>) -> Row {
        let run = self.several().then(|| Cell { text: self.labels[side.run].clone(), ..Cell::default() });
        let policy =
            Cell { swatch: Some(super::colour(side.place)), head: true, ..name(&side.policy.policy) };
        Row { policy: Some(side.place), region: None, cells: run.into_iter().chain([policy]).collect() }
    }
}

fn place(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

/// Seeds in few words.
pub(super) fn seeds(seeds: &[u64]) -> String {
    match seeds {
        [] => "no seed".to_owned(),
        [seed] => format!("seed {seed}"),
        [first, .., last] => format!("{} seeds, {first} to {last}", seeds.len()),
    }
}

/// What tells each run apart: scenario, overrides, seeds, version; its folder where none of these does.
fn labels(runs: &[LoadedRun]) -> Vec<String> {
    if runs.len() < 2 {
        return vec![String::new(); runs.len()];
    }
    let overrides =
        |run: &LoadedRun| run.manifest.as_ref().map(|made| made.overrides.clone()).unwrap_or_default();
    let shared: Vec<String> = overrides(&runs[0])
        .into_iter()
        .filter(|set| runs.iter().all(|run| overrides(run).contains(set)))
        .collect();
    let parts: [Vec<String>; 4] = [
        runs.iter().map(|run| run.summary.scenario.clone()).collect(),
        runs.iter()
            .map(|run| {
                let own: Vec<String> =
                    overrides(run).into_iter().filter(|set| !shared.contains(set)).collect();
                if own.is_empty() { "as written".to_owned() } else { own.join(", ") }
            })
            .collect(),
        runs.iter().map(|run| seeds(&run.summary.seeds)).collect(),
        runs.iter().map(|run| format!("version {}", run.summary.provenance.tool_version)).collect(),
    ];
    let telling: Vec<&Vec<String>> =
        parts.iter().filter(|part| part.iter().any(|value| *value != part[0])).collect();
    let mut labels: Vec<String> = (0..runs.len())
        .map(|run| telling.iter().map(|part| part[run].as_str()).collect::<Vec<_>>().join(", "))
        .collect();
    let equal =
        |labels: &[String], at: usize| labels.iter().filter(|label| **label == labels[at]).count() > 1;
    let twice: Vec<bool> = (0..labels.len()).map(|at| equal(&labels, at)).collect();
    for (at, run) in runs.iter().enumerate().filter(|(at, _)| twice[*at]) {
        let between = if labels[at].is_empty() { "" } else { ", " };
        labels[at] = format!("{}{between}{}", labels[at], run.name);
    }
    // The same folder, or two of the same name.
    let twice: Vec<bool> = (0..labels.len()).map(|at| equal(&labels, at)).collect();
    for at in (0..labels.len()).filter(|at| twice[*at]) {
        labels[at] = format!("{} ({})", labels[at], at + 1);
    }
    labels
}
