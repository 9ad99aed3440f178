//! A sweep, from its folder: what it is, its rows, and what was looked for. Knows sweep.json, points.jsonl, rows.csv and best.json.

use super::{Kind, ReadError, Source};
use crate::report::measures::{self, Measure};
use crate::sweep::{Manifest, Row, Status};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One row a cell.
pub const ROWS: &str = "rows.csv";
/// The answer: what `sweep --json` prints.
pub const BEST: &str = "best.json";
/// What each point sets, a line each.
const POINTS: &str = "points.jsonl";
/// The measure where none was named, as `sweep` has it.
const OBJECTIVE: &str = "ttft.p99";

/// A sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What it is.
    pub manifest: Manifest,
    /// Its cells, in their order.
    pub rows: Vec<Row>,
    /// The measure that says which point is best.
    pub objective: &'static Measure,
}

#[derive(Deserialize)]
struct Point {
    settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Best {
    objective: String,
}

fn measure(name: &str) -> Option<&'static Measure> {
    let lists = [measures::LATENCY, measures::SERVICE, measures::MONEY, measures::ROUTING];
    lists.into_iter().flatten().find(|measure| measure.name == name)
}

/// Reads it.
pub(super) fn read(folder: &Path) -> Result<Sweep, ReadError> {
    let source = |name: &str| Source::of(folder, name, Kind::Sweep);
    let manifest: Manifest = source(Kind::Sweep.file()).json()?;
    if !folder.join(ROWS).exists() {
        return Err(ReadError::NotMerged(folder.display().to_string()));
    }
    let points = source(POINTS);
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for line in points.text()?.lines() {
        let point: Point = serde_json::from_str(line).map_err(|error| points.broken(error))?;
        paths.extend(point.settings.into_keys());
    }
    let best = source(BEST);
    let named = match best.text_if_any()? {
        Some(_) => best.json::<Best>()?.objective,
        None => OBJECTIVE.to_owned(),
    };
    let objective = measure(&named).ok_or_else(|| best.broken(format!("there is no measure `{named}`")))?;
    Ok(Sweep { manifest, rows: rows(&source(ROWS), &paths)?, objective })
}

/// The rows: columns are found by name, and what is none of the fixed ones and no setting is a measure.
fn rows(source: &Source, paths: &BTreeSet<String>) -> Result<Vec<Row>, ReadError> {
    let (head, records) = source.csv(&source.text()?)?;
    let column = |name: &str| head.iter().position(|known| known == name);
    let need =
        |name: &str| column(name).ok_or_else(|| source.broken(format!("the column `{name}` is missing")));
    let [cell, point, id, policy, seed, status, reason, digest, unreliable] =
        ["cell", "point", "id", "policy", "seed", "status", "reason", "outcome_digest", "unreliable"]
            .map(need);
    let (cell, point, id, policy, seed, status) = (cell?, point?, id?, policy?, seed?, status?);
    let (reason, digest, unreliable) = (reason?, digest?, unreliable?);
    let fixed = [cell, point, id, policy, seed, status, reason, digest, unreliable];
    // A setting whose path is also another column has `set.` before it.
    let settings: Vec<(&String, usize)> = paths
        .iter()
        .filter_map(|path| Some((path, column(&format!("set.{path}")).or_else(|| column(path))?)))
        .collect();
    let taken = |at: &usize| !fixed.contains(at) && settings.iter().all(|(_, other)| other != at);
    let measured: Vec<usize> = (0..head.len()).filter(taken).collect();
    let one = |record: &csv::StringRecord| {
        let text = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let line = record.position().map_or(0, csv::Position::line);
        let whole = |at: usize| {
            let found = text(at);
            found
                .parse::<u64>()
                .map_err(|_| source.broken(format!("line {line}: `{found}` is no whole number")))
        };
        let mut values = Vec::new();
        for &at in &measured {
            values.extend(source.number(record, at)?.map(|value| (head[at].clone(), value)));
        }
        let failed = text(status) == Status::Failed.name();
        Ok(Row {
            cell: whole(cell)?,
            id: text(id),
            point: whole(point)?,
            settings: settings.iter().map(|(path, at)| ((*path).clone(), text(*at))).collect(),
            policy: text(policy),
            seed: whole(seed)?,
            status: if failed { Status::Failed } else { Status::Ok },
            reason: Some(text(reason)).filter(|reason| !reason.is_empty()),
            outcome_digest: text(digest),
            measures: values,
            unreliable: text(unreliable).split_whitespace().map(str::to_owned).collect(),
            ..Row::default()
        })
    };
    records.iter().map(one).collect()
}
