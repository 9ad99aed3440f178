//! A suite: scenarios, what of them decides, and what they must hold. Knows the file and its mistakes; must not know
//! how scenarios are run.

use super::metric::Metric;
use super::threshold::Threshold;
use super::tolerance::{Margin, Tolerance};
use crate::scenario::check;
use crate::scenario::diagnostic::{Diagnostic, Diagnostics};
use crate::scenario::document::{At, Document};
use crate::scenario::nearest::suggest;
use crate::scenario::schema::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Seeds of a scenario where the suite names none: with ten, Student's 97.5 % point is 2.26 and no longer 4.3.
const SEEDS: u32 = 10;

/// A list of scenarios with what each is held to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Suite", extend("required" = ["scenarios"]))]
struct RawSuite {
    /// How many seeds each scenario runs, counting up from its own. Default: 10.
    #[schemars(range(min = 1, max = 1000))]
    seeds: Option<u32>,
    /// Of intervals and verdicts. Default: 0.95.
    #[schemars(range(min = 0.5, max = 0.9999))]
    confidence: Option<f64>,
    /// What decides, and the loss against the baseline that does not matter: "ttft.p99" = "3%". Default: seven headline measures with 2 % each.
    tolerance: BTreeMap<String, String>,
    /// The scenarios, by a name of your choice.
    scenarios: BTreeMap<String, RawEntry>,
}

/// A scenario of a suite.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SuiteScenario", extend("required" = ["file"]))]
struct RawEntry {
    /// The scenario file, by its path from this file's folder.
    file: String,
    /// Overrides, a list of what `--set` takes: "workloads.main.synthetic.requests=2000".
    set: Vec<String>,
    /// The policies that are held. Default: all of the scenario.
    policies: Vec<String>,
    /// The first seed. Default: the scenario's.
    seed: Option<u64>,
    /// How many seeds. Default: the suite's.
    #[schemars(range(min = 1, max = 1000))]
    seeds: Option<u32>,
    /// Whether outcomes must be those of the baseline to the last nanosecond. Default: false.
    exact: bool,
    /// What decides here, in place of the suite's: "ttft.p99" = "3%".
    tolerance: BTreeMap<String, String>,
    /// Bounds that hold whatever was before, by the mean over the seeds: "ttft.p99" = "< 800ms".
    thresholds: BTreeMap<String, String>,
}

/// A suite, read.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its file's name without the ending.
    pub name: String,
    /// Its scenarios, in file order.
    pub entries: Vec<Entry>,
}

/// A scenario of a suite, read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name in the suite.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Its overrides.
    pub set: Vec<String>,
    /// Its policies; all where empty.
    pub policies: Vec<String>,
    /// Its first seed; the scenario's where `None`.
    pub seed: Option<u64>,
    /// How many.
    pub seeds: u32,
    /// Whether outcomes must be equal.
    pub exact: bool,
    /// Of intervals and verdicts.
    pub confidence: f64,
    /// What decides.
    pub tolerance: Vec<Tolerance>,
    /// What must hold.
    pub thresholds: Vec<Threshold>,
}

impl Suite {
    /// Of one scenario, which is held to its own gates.
    pub fn of_scenario(file: &Path) -> Suite {
        let name =
            file.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned());
        let confidence = 0.95;
        let entry = Entry {
            name: name.clone(),
            file: file.to_owned(),
            set: Vec::new(),
            policies: Vec::new(),
            seed: None,
            seeds: SEEDS,
            exact: false,
            confidence,
            tolerance: super::Rules::headline(confidence, Margin::Relative(0.02)).gated,
            thresholds: Vec::new(),
        };
        Suite { name, entries: vec![entry] }
    }
}

/// Whether a file is a scenario and no suite: it has what only a scenario has.
pub fn is_scenario(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Document::parse(text).is_ok_and(|document| {
        !document.has(&["scenarios"]) && (document.has(&["regions"]) || document.has(&["workloads"]))
    })
}

/// The schema of a suite.
pub fn suite_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(schema_of::<RawSuite>)
}

/// Reads the suite `text`, called `file` in messages, with paths from `folder`. With any mistake, all of them.
pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Suite, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fail = |items| Diagnostics { file: file.to_owned(), text: text.to_owned(), items };
    let document = Document::parse(text).map_err(fail)?;
    let mut found = Vec::new();
    let mut pruned = document.clone();
    check::check(suite_schema(), pruned.root_mut(), &mut found);
    let raw: RawSuite = match pruned.read() {
        Ok(raw) => raw,
        Err(item) => {
            if found.is_empty() {
                found.push(item.help("docs/GATES.md describes the file"));
            }
            return Err(fail(found));
        }
    };
    let mut reader = Reader { document: &document, found };
    let entries = reader.entries(raw, folder);
    let mut found = reader.found;
    if entries.is_empty() && found.is_empty() {
        found.push(
            Diagnostic::error_of_file("a suite has at least one scenario")
                .help("add `[scenarios.NAME]` with `file = \"…\"`"),
        );
    }
    if !found.is_empty() {
        found.sort_by_key(|item| item.place.as_ref().map_or(0, |place| place.start));
        return Err(fail(found));
    }
    let stem = Path::new(file)
        .file_stem()
        .map_or_else(|| "suite".into(), |stem| stem.to_string_lossy().into_owned());
    Ok(Suite { name: stem, entries })
}

struct Reader<'t> {
    document: &'t Document<'t>,
    found: Vec<Diagnostic>,
}

fn hint(name: &str, known: &[&str]) -> String {
    suggest(name, "known", known.iter().copied())
}

impl Reader<'_> {
    fn entries(&mut self, raw: RawSuite, folder: &Path) -> Vec<Entry> {
        let confidence = raw.confidence.unwrap_or(0.95);
        let suites = self.tolerances(&["tolerance"], &raw.tolerance);
        let mut entries = Vec::new();
        let mut left = raw.scenarios;
        for name in self.document.names(&["scenarios"]) {
            let Some(entry) = left.remove(&name) else { continue };
            let at = ["scenarios", name.as_str()];
            let file = folder.join(&entry.file);
            if !file.is_file() {
                let place = self.document.place(&[at[0], at[1], "file"], At::Value);
                self.found.push(
                    Diagnostic::error(place, format!("`file` is a scenario; {} is no file", file.display()))
                        .label("no such file")
                        .help("write its path, from this file's folder"),
                );
            }
            let own = self.tolerances(&[at[0], at[1], "tolerance"], &entry.tolerance);
            let tolerance = match (own.is_empty(), suites.is_empty()) {
                (false, _) => own,
                (true, false) => suites.clone(),
                (true, true) => super::Rules::headline(confidence, Margin::Relative(0.02)).gated,
            };
            let thresholds = self.thresholds(&[at[0], at[1], "thresholds"], &entry.thresholds);
            entries.push(Entry {
                file,
                set: entry.set,
                policies: entry.policies,
                seed: entry.seed,
                seeds: entry.seeds.or(raw.seeds).unwrap_or(SEEDS),
                exact: entry.exact,
                confidence,
                tolerance,
                thresholds,
                name,
            });
        }
        entries
    }

    fn metric(&mut self, path: &[&str], name: &str) -> Option<Metric> {
        let place = self.document.place(&[path, &[name]].concat(), At::Key);
        Metric::parse(name, hint)
            .map_err(|error| self.found.push(Diagnostic::error(place, error.0).label("not a measure")))
            .ok()
    }

    fn tolerances(&mut self, path: &[&str], given: &BTreeMap<String, String>) -> Vec<Tolerance> {
        let mut all = Vec::new();
        for (name, text) in given {
            let Some(metric) = self.metric(path, name) else { continue };
            let place = self.document.place(&[path, &[name.as_str()]].concat(), At::Value);
            match Margin::parse(text, metric.measure.unit) {
                Ok(margin) => all.push(Tolerance { metric, margin }),
                Err(error) => self.found.push(Diagnostic::error(place, error.0).label("not a margin")),
            }
        }
        all
    }

    fn thresholds(&mut self, path: &[&str], given: &BTreeMap<String, String>) -> Vec<Threshold> {
        let mut all = Vec::new();
        for (name, text) in given {
            let Some(metric) = self.metric(path, name) else { continue };
            let place = self.document.place(&[path, &[name.as_str()]].concat(), At::Value);
            match Threshold::parse(metric, text) {
                Ok(threshold) => all.push(threshold),
                Err(error) => self.found.push(Diagnostic::error(place, error.0).label("not a bound")),
            }
        }
        all
    }
}
