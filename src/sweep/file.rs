//! A sweep file: a scenario and what of it is varied. Knows the file and its mistakes; must not know what a path means.

use super::axis::Axis;
use crate::scenario::check;
use crate::scenario::diagnostic::{Diagnostic, Diagnostics};
use crate::scenario::document::{At, Document};
use crate::scenario::schema::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The most seeds of a point: as `run` has it.
pub const MOST_SEEDS: u32 = 10_000;

/// A scenario and what of it is varied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Sweep", extend("required" = ["scenario", "over"]))]
struct RawSweep {
    /// The scenario file, by its path from this file's folder.
    scenario: String,
    /// Overrides of every point, a list of what `--set` takes.
    set: Vec<String>,
    /// The policies. Default: all of the scenario.
    policies: Vec<String>,
    /// The first seed. Default: the scenario's.
    seed: Option<u64>,
    /// How many seeds a point has. Default: 1.
    #[schemars(range(min = 1, max = 10_000))]
    seeds: Option<u32>,
    /// So many random points instead of the grid.
    #[schemars(range(min = 1, max = 100_000))]
    random: Option<u32>,
    /// The measure that says which point is best. Default: "ttft.p99".
    objective: Option<String>,
    /// What is varied: a path and its values, written as behind `--over`: "regions.us.pools.main.replicas" = "2,4,8".
    over: BTreeMap<String, String>,
}

/// A sweep file, read.
#[derive(Clone, Debug, Default)]
pub struct SweepFile {
    /// The scenario.
    pub scenario: PathBuf,
    /// Overrides of every point.
    pub set: Vec<String>,
    /// Its policies; all where empty.
    pub policies: Vec<String>,
    /// Its first seed; the scenario's where `None`.
    pub seed: Option<u64>,
    /// How many.
    pub seeds: Option<u32>,
    /// How many random points; a grid where `None`.
    pub random: Option<u32>,
    /// What says which point is best.
    pub objective: Option<String>,
    /// What is varied, in file order.
    pub over: Vec<Axis>,
}

/// The schema of a sweep file.
pub fn sweep_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(schema_of::<RawSweep>)
}

/// Whether a text is a sweep file and no scenario: it has `[over]`, which no scenario has.
pub fn is_sweep_file(text: &str) -> bool {
    Document::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
        .is_ok_and(|document| document.has(&["over"]))
}

impl SweepFile {
    /// Reads the sweep file `text`, called `file` in messages, with paths from `folder`. With any mistake, all of them.
    pub fn parse(file: &str, text: &str, folder: &Path) -> Result<SweepFile, Diagnostics> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let fail = |items| Diagnostics { file: file.to_owned(), text: text.to_owned(), items };
        let document = Document::parse(text).map_err(fail)?;
        let mut found = Vec::new();
        let mut pruned = document.clone();
        check::check(sweep_schema(), pruned.root_mut(), &mut found);
        let mut raw: RawSweep = match pruned.read() {
            Ok(raw) => raw,
            Err(item) => {
                if found.is_empty() {
                    found.push(item.help("docs/SWEEPS.md describes the file"));
                }
                return Err(fail(found));
            }
        };
        let mut over = Vec::new();
        for path in document.names(&["over"]) {
            let Some(values) = raw.over.remove(&path) else { continue };
            match Axis::of(&path, &values) {
                Ok(axis) if raw.random.is_none() => match axis.listed() {
                    Ok(_) => over.push(axis),
                    Err(error) => found.push(mistake(&document, &path, &error.rule, &error.next)),
                },
                Ok(axis) => over.push(axis),
                Err(error) => found.push(mistake(&document, &path, &error.rule, &error.next)),
            }
        }
        let scenario = folder.join(&raw.scenario);
        if document.has(&["scenario"]) && !raw.scenario.is_empty() && !scenario.is_file() {
            found.push(
                Diagnostic::error(
                    document.place(&["scenario"], At::Value),
                    format!("`scenario` is a file; {} is none", scenario.display()),
                )
                .label("no such file")
                .help("write its path, from this file's folder"),
            );
        }
        if !found.is_empty() {
            found.sort_by_key(|item| item.place.as_ref().map_or(0, |place| place.start));
            return Err(fail(found));
        }
        Ok(SweepFile {
            scenario,
            set: raw.set,
            policies: raw.policies,
            seed: raw.seed,
            seeds: raw.seeds,
            random: raw.random,
            objective: raw.objective,
            over,
        })
    }
}

fn mistake(document: &Document<'_>, path: &str, rule: &str, next: &str) -> Diagnostic {
    Diagnostic::error(document.place(&["over", path], At::Value), format!("`{path}` cannot be varied so"))
        .label(rule.to_owned())
        .help(next.to_owned())
}
