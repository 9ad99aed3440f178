//! A run read back from its folder: summary, manifest, scenario, time lines, and the events that the scenario planned.
//! Knows the files that `run` writes; must not know what is made of them. What an older version did not write is absent,
//! what another shape wrote is refused.

use super::evidence::{self, Evidence};
use super::manifest::Manifest;
use super::setup::Setup;
use super::summary::{SCHEMA_VERSION, Summary};
use crate::scenario::overrides;
use crate::units::parse_duration;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The file with a run's summary.
const SUMMARY: &str = "summary.json";
/// The file that lists a run's files.
const MANIFEST: &str = "manifest.json";
/// The file with a run's scenario, as it was read.
const SCENARIO: &str = "scenario-as-run.toml";

/// The file with what a run was played on.
pub const SETUP: &str = "setup.json";

/// A run's folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such folder.
    #[error("`{0}` is no folder; give the folder that `regionsim run … --out DIR` wrote")]
    NoFolder(String),
    /// It lacks what every run writes.
    #[error(
        "`{0}` is not a run's folder: it has no {SUMMARY}; give the folder that `regionsim run … --out DIR` wrote"
    )]
    NotARun(String),
    /// A file that the manifest lists is gone.
    #[error("`{file}` is missing, which {MANIFEST} lists; run the scenario again")]
    Missing {
        /// The file.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{file}`: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{file}` is not as `regionsim run` writes it: {reason}; run the scenario again")]
    Broken {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The summary has another shape.
    #[error(
        "`{file}` has schema version {found}, this regionsim reads {SCHEMA_VERSION}; run the scenario again, or use the \
         version that wrote it"
    )]
    OtherVersion {
        /// The file.
        file: String,
        /// Its version.
        found: u64,
    },
}

/// One region in one window of a time line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPoint {
    /// When the window starts, seconds.
    pub start_s: f64,
    /// The region, by its place in `CellSeries::regions`.
    pub region: usize,
    /// Requests sent to the region.
    pub sent: u64,
    /// Requests that ended completed, having been served by it.
    pub completed: u64,
    /// Requests that ended otherwise, having been sent to it.
    pub not_completed: u64,
    /// Median TTFT of those completed, milliseconds.
    pub ttft_p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub ttft_p99_ms: Option<f64>,
    /// Cached prompt tokens over prompt tokens of those completed.
    pub hit_rate: Option<f64>,
    /// Output tokens of those completed.
    pub output_tokens: u64,
    /// Requests in running batches when the window closed.
    pub running: u64,
    /// Requests waiting for a batch when the window closed.
    pub waiting: u64,
    /// Share of KV blocks in use when the window closed.
    pub kv_use: Option<f64>,
    /// Share of the window in engine steps.
    pub busy: Option<f64>,
    /// Replicas that were up when the window closed; absent in files of older versions.
    pub replicas: Option<u64>,
}

/// The time line of one policy under one seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellSeries {
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// The length of a window, seconds; 0 with a single window.
    pub window_s: f64,
    /// The regions, in the order of the scenario.
    pub regions: Vec<String>,
    /// By window, then region.
    pub points: Vec<SeriesPoint>,
}

/// Something that the scenario planned to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct EventMark {
    /// When it begins, seconds.
    pub at_s: f64,
    /// When it ends, seconds; none where it lasts to the end.
    pub until_s: Option<f64>,
    /// What: `down`, `brown_out` and so on, as the scenario writes it.
    pub kind: String,
    /// The region it happens to, or the region of the pool; none where it is everywhere.
    pub region: Option<String>,
    /// What it happens to, in words: `frankfurt`, `us/main`, `us/main/0`.
    pub target: String,
}

/// A run.
#[derive(Clone, Debug)]
pub struct LoadedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's own name, by which runs of a report are told apart.
    pub name: String,
    /// What came out.
    pub summary: Summary,
    /// What made it; absent where the folder lost it.
    pub manifest: Option<Manifest>,
    /// The scenario's text, as it was read; overrides stand in the manifest.
    pub scenario: Option<String>,
    /// One a policy and seed, in the order of the summary; those without a file are left out.
    pub series: Vec<CellSeries>,
    /// Planned events, by their begin.
    pub events: Vec<EventMark>,
    /// What it was played on; older versions did not write it.
    pub setup: Option<Setup>,
    /// The evidence of residency, where the run wrote it into its folder.
    pub evidence: Option<Evidence>,
}

impl LoadedRun {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// When it is not one, when a file is missing or not as a run writes it, when its summary has another shape.
    pub fn read(folder: &Path) -> Result<LoadedRun, LoadError> {
        let shown = folder.display().to_string();
        if !folder.is_dir() {
            return Err(LoadError::NoFolder(shown));
        }
        let path = folder.join(SUMMARY);
        let text = text(&path)?.ok_or(LoadError::NotARun(shown))?;
        let summary = summary(&path, &text)?;
        let path = folder.join(MANIFEST);
        let manifest: Option<Manifest> = self::text(&path)?.map(|text| json(&path, &text)).transpose()?;
        let scenario = self::text(&folder.join(SCENARIO))?;
        LoadedRun::of(folder, summary, manifest, scenario)
    }

    /// A run of which all but the time lines is known already.
    ///
    /// # Errors
    /// When a time line is missing or not as a run writes it.
    pub fn of(
        folder: &Path,
        summary: Summary,
        manifest: Option<Manifest>,
        scenario: Option<String>,
    ) -> Result<LoadedRun, LoadError> {
        let set = manifest.as_ref().map_or(&[][..], |manifest| &manifest.overrides);
        let events = scenario.as_deref().map(|text| events(text, set)).unwrap_or_default();
        let optional = |name: &str| {
            let path = folder.join(name);
            self::text(&path).map(|text| text.map(|text| (path, text)))
        };
        let setup = optional(SETUP)?.map(|(path, text)| json(&path, &text)).transpose()?;
        let evidence = optional(evidence::FILE)?.map(|(path, text)| json(&path, &text)).transpose()?;
        let mut series = Vec::new();
        for policy in &summary.policies {
            for &seed in &summary.seeds {
                if let Some(cell) = cell_series(folder, manifest.as_ref(), &summary, &policy.policy, seed)? {
                    series.push(cell);
                }
            }
        }
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let name =
            real.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(LoadedRun {
            folder: folder.to_path_buf(),
            name,
            summary,
            manifest,
            scenario,
            series,
            events,
            setup,
            evidence,
        })
    }

    /// The time line of a policy, of its first seed that has one.
    pub fn series_of(&self, policy: &str) -> Option<&CellSeries> {
        self.series.iter().find(|cell| cell.policy == policy)
    }
}

fn text(path: &Path) -> Result<Option<String>, LoadError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LoadError::Unreadable { file: path.display().to_string(), error }),
    }
}

fn broken(path: &Path, reason: impl ToString) -> LoadError {
    LoadError::Broken { file: path.display().to_string(), reason: reason.to_string() }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, LoadError> {
    serde_json::from_str(text).map_err(|error| broken(path, error))
}

/// The version is looked at first: another shape would only give riddles.
fn summary(path: &Path, text: &str) -> Result<Summary, LoadError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u64,
    }
    let Version { schema_version: found } = json(path, text)?;
    if found != u64::from(SCHEMA_VERSION) {
        return Err(LoadError::OtherVersion { file: path.display().to_string(), found });
    }
    json(path, text)
}

/// A name that is one folder on every system.
pub fn folder_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(safe).collect();
    if name.trim_matches('.').is_empty() { "unnamed".to_string() } else { name }
}

/// Where a cell's files lie in a run's folder.
pub fn cell_folder(policy: &str, seed: u64, seeds: usize) -> String {
    let folder = folder_name(policy);
    if seeds > 1 { format!("{folder}/seed-{seed}") } else { folder }
}

fn cell_series(
    folder: &Path,
    manifest: Option<&Manifest>,
    summary: &Summary,
    policy: &str,
    seed: u64,
) -> Result<Option<CellSeries>, LoadError> {
    let file = format!("{}/series.csv", cell_folder(policy, seed, summary.seeds.len()));
    let path = folder.join(&file);
    let Some(text) = text(&path)? else {
        return match manifest {
            Some(manifest) if manifest.files.contains(&file) => {
                Err(LoadError::Missing { file: path.display().to_string() })
            }
            _ => Ok(None),
        };
    };
    let mut cell = CellSeries { policy: policy.to_owned(), seed, ..CellSeries::default() };
    points(&text, &mut cell).map_err(|reason| broken(&path, reason))?;
    Ok(Some(cell))
}

/// Columns are found by name, so that a later version may add some.
fn points(text: &str, cell: &mut CellSeries) -> Result<(), String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| head.iter().position(|column| column == name);
    let need = |name: &str| column(name).ok_or_else(|| format!("the column `{name}` is missing"));
    let (start, region) = (need("start_ns")?, need("region")?);
    let counts =
        ["sent", "completed", "not_completed", "output_tokens", "running", "waiting", "replicas"].map(column);
    let values = ["ttft_p50_ms", "ttft_p99_ms", "hit_rate", "kv_use", "busy"].map(column);
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let bad = |what: &str, found: &str| format!("line {line}: `{found}` is no {what}");
        let start = row.get(start).unwrap_or_default();
        let start_ns: u64 = start.parse().map_err(|_| bad("time in nanoseconds", start))?;
        let name = row.get(region).unwrap_or_default();
        let region = cell.regions.iter().position(|known| known == name).unwrap_or_else(|| {
            cell.regions.push(name.to_owned());
            cell.regions.len() - 1
        });
        let count = |at: Option<usize>| match at.and_then(|at| row.get(at)).unwrap_or_default() {
            "" => Ok(None),
            found => found.parse::<u64>().map(Some).map_err(|_| bad("count", found)),
        };
        let value = |at: Option<usize>| match at.and_then(|at| row.get(at)).unwrap_or_default() {
            "" => Ok(None),
            found => match found.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(bad("number", found)),
            },
        };
        cell.points.push(SeriesPoint {
            start_s: start_ns as f64 / 1e9,
            region,
            sent: count(counts[0])?.unwrap_or(0),
            completed: count(counts[1])?.unwrap_or(0),
            not_completed: count(counts[2])?.unwrap_or(0),
            output_tokens: count(counts[3])?.unwrap_or(0),
            running: count(counts[4])?.unwrap_or(0),
            waiting: count(counts[5])?.unwrap_or(0),
            replicas: count(counts[6])?,
            ttft_p50_ms: value(values[0])?,
            ttft_p99_ms: value(values[1])?,
            hit_rate: value(values[2])?,
            kv_use: value(values[3])?,
            busy: value(values[4])?,
        });
    }
    let first = cell.points.first().map_or(0.0, |point| point.start_s);
    let second = cell.points.iter().find(|point| point.start_s > first);
    cell.window_s = second.map_or(0.0, |point| point.start_s - first);
    Ok(())
}

/// The planned events of a scenario's text with its overrides. What is no event is left out: the run has read it before.
fn events(text: &str, set: &[String]) -> Vec<EventMark> {
    let (text, _) = overrides::apply(text, set);
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let listed = table.get("events").and_then(toml::Value::as_array);
    let mut marks: Vec<EventMark> = listed.into_iter().flatten().filter_map(mark).collect();
    marks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    marks
}

fn mark(event: &toml::Value) -> Option<EventMark> {
    let word = |key: &str| event.get(key).and_then(toml::Value::as_str).map(ToOwned::to_owned);
    let seconds = |key: &str| Some(parse_duration(&word(key)?).ok()?.as_secs_f64());
    let at_s = seconds("at")?;
    let pool = word("pool");
    let region = word("region").or_else(|| {
        Some(pool.as_deref()?.split_once('/').map_or(pool.as_deref()?, |(region, _)| region).to_owned())
    });
    let replica = event.get("replica").and_then(toml::Value::as_integer);
    let target = match (&pool, replica) {
        (Some(pool), Some(replica)) => format!("{pool}/{replica}"),
        (Some(pool), None) => pool.clone(),
        _ => region.clone().unwrap_or_default(),
    };
    Some(EventMark {
        at_s,
        until_s: seconds("for").map(|lasts| at_s + lasts),
        kind: word("kind")?,
        region,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::series_csv;
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let cell = sample::cell("a b", 1, 1);
        let mut rows = Vec::new();
        series_csv::write(&mut rows, &cell.labels, &cell.series).unwrap();
        let summary = sample::summary(&[("a b", vec![cell])]);
        let manifest = Manifest::of(&summary, &["events=[]".to_owned()], vec!["a-b/series.csv".to_owned()]);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        fs::create_dir(folder.path().join("a-b")).unwrap();
        write("a-b/series.csv", &rows);
        write(SUMMARY, &serde_json::to_vec(&summary).unwrap());
        write(MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        write(SCENARIO, b"[[events]]\nkind = \"down\"\nregion = \"us\"\nat = \"3m\"\n");
        folder
    }

    #[test]
    fn a_run_comes_back_from_its_folder() {
        let folder = folder();
        let run = LoadedRun::read(folder.path()).unwrap();
        let cell = run.series_of("a b").unwrap();
        assert_eq!((cell.window_s, cell.regions.as_slice()), (10.0, &["us".to_owned(), "eu".to_owned()][..]));
        // Requests 0 … 89 were sent to `us` in the first ten seconds, one every 100 ms; ten were shed.
        assert_eq!((cell.points[0].sent, cell.points[0].region, cell.points[0].start_s), (90, 0, 0.0));
        assert_eq!((cell.points[0].ttft_p50_ms, cell.points[1].ttft_p50_ms), (Some(45.0), None));
        assert_eq!(cell.points[0].replicas, None, "nothing was sampled");
        assert!(run.events.is_empty(), "overrides count");
        assert_eq!(run.summary.policies.len(), 1);
    }

    #[test]
    fn events_are_read_with_what_they_happen_to() {
        let text = "[[events]]\nkind = \"down\"\nregion = \"frankfurt\"\nat = \"3m\"\nfor = \"90s\"\n\
                    [[events]]\nkind = \"brown_out\"\npool = \"us/main\"\nreplica = 1\nat = \"1m\"\nspeed = 0.5\n";
        let marks = events(text, &[]);
        let told: Vec<_> =
            marks.iter().map(|m| (m.at_s, m.until_s, m.kind.as_str(), m.target.as_str())).collect();
        assert_eq!(told, [(60.0, None, "brown_out", "us/main/1"), (180.0, Some(270.0), "down", "frankfurt")]);
        assert_eq!(marks[0].region.as_deref(), Some("us"));
        assert!(events("no = toml = at all", &[]).is_empty() && events("events = 3", &[]).is_empty());
    }

    #[test]
    fn what_is_no_run_is_said_with_a_next_step() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let said = || LoadedRun::read(folder.path()).unwrap_err().to_string();
        let no = LoadedRun::read(&at("nowhere")).unwrap_err().to_string();
        assert!(no.contains("is no folder; give the folder"), "{no}");
        fs::write(at("a-b/series.csv"), "start_ns,region,sent\n0,us,many\n").unwrap();
        assert!(said().contains("line 2: `many` is no count; run the scenario again"), "{}", said());
        fs::write(at("a-b/series.csv"), "region\n").unwrap();
        assert!(said().contains("the column `start_ns` is missing"), "{}", said());
        fs::remove_file(at("a-b/series.csv")).unwrap();
        assert!(said().contains("a-b/series.csv` is missing, which manifest.json lists"), "{}", said());
        fs::write(at(SUMMARY), "{\"schema_version\": 99}").unwrap();
        assert!(said().contains("has schema version 99, this regionsim reads 1"), "{}", said());
        fs::write(at(SUMMARY), "{").unwrap();
        assert!(said().contains("is not as `regionsim run` writes it"), "{}", said());
        fs::remove_file(at(SUMMARY)).unwrap();
        assert!(said().contains("is not a run's folder: it has no summary.json"), "{}", said());
    }

    #[test]
    fn a_name_becomes_one_folder() {
        assert_eq!(folder_name("three-regions"), "three-regions");
        assert_eq!(folder_name("../../etc/x y"), "..-..-etc-x-y");
        assert_eq!(folder_name(".."), "unnamed");
        assert_eq!(folder_name(""), "unnamed");
    }
}
