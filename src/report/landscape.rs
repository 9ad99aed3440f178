//! candidates.csv: what a tuner tried, a row each, as it goes. Knows candidates; decides nothing. Columns: `candidate`
//! (numbered from 0, the start), `phase`, the parameters by name, `score` (empty where nothing could be measured),
//! `feasible`, `broken` (limits, with `;` between), the measures by name (means over the worlds, empty where one has none),
//! `error`. Shares are between 0 and 1, times in milliseconds.

use crate::tune::{Candidate, Phase};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The columns.
pub fn head(knobs: &[String], measures: &[String]) -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    [
        fixed(&["candidate", "phase"]),
        knobs.to_vec(),
        fixed(&["score", "feasible", "broken"]),
        measures.to_vec(),
    ]
    .into_iter()
    .flatten()
    .chain(["error".to_string()])
    .collect()
}

/// A candidate's row.
pub fn row(candidate: &Candidate, measures: &[String]) -> Vec<String> {
    let phase = match candidate.phase {
        Phase::Start => "start",
        Phase::Search => "search",
        Phase::Around => "around",
    };
    let value = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
    let mut row = vec![candidate.number.to_string(), phase.to_string()];
    row.extend(candidate.point.iter().map(ToString::to_string));
    row.extend([
        value(candidate.score.value),
        candidate.score.is_feasible().to_string(),
        candidate.score.broken.join(";"),
    ]);
    row.extend(measures.iter().map(|name| value(candidate.means.get(name).copied())));
    row.push(candidate.error.clone().unwrap_or_default());
    row
}

/// The file as it grows: `NAME.part`, each row on disk before the next is run, and under its own name when all is done. What
/// an interrupted search has found is in the part.
#[derive(Debug)]
pub struct Rows {
    target: PathBuf,
    part: PathBuf,
    writer: csv::Writer<File>,
    measures: Vec<String>,
}

impl Rows {
    /// Opens it, with its head; makes its folder.
    pub fn create(target: &Path, knobs: &[String], measures: &[String]) -> io::Result<Rows> {
        let context = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write `{}`: {error}", target.display()))
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(context)?;
        }
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(context)?;
        let mut rows = Rows {
            target: target.to_path_buf(),
            part,
            writer: csv::Writer::from_writer(file),
            measures: measures.to_vec(),
        };
        rows.put(&head(knobs, measures))?;
        Ok(rows)
    }
    /// Writes a candidate.
    pub fn add(&mut self, candidate: &Candidate) -> io::Result<()> {
        let row = row(candidate, &self.measures);
        self.put(&row)
    }
    fn put(&mut self, row: &[String]) -> io::Result<()> {
        self.writer.write_record(row).map_err(io::Error::other)?;
        self.writer.flush()
    }
    /// Puts it under its name.
    pub fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        fs::rename(&self.part, &self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{Means, Score};

    #[test]
    fn rows_are_there_as_they_come_and_the_file_when_all_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/candidates.csv");
        let (knobs, measures) = (["rtt".to_string()], ["ttft.p95".to_string(), "e2e.p95".to_string()]);
        let mut rows = Rows::create(&target, &knobs, &measures).unwrap();
        let candidate = Candidate {
            number: 3,
            phase: Phase::Search,
            point: vec![0.276],
            score: Score { value: Some(1.25), broken: vec!["e2e.p95".into()] },
            means: Means::from([("ttft.p95".to_string(), 812.5)]),
            error: None,
        };
        rows.add(&candidate).unwrap();
        let expected = "candidate,phase,rtt,score,feasible,broken,ttft.p95,e2e.p95,error\n\
                        3,search,0.276,1.250000,false,e2e.p95,812.500000,,\n";
        let part = folder.path().join("deep/candidates.csv.part");
        assert_eq!(fs::read_to_string(&part).unwrap(), expected);
        assert!(!target.exists());
        rows.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), expected);
        assert!(!part.exists());
    }
}
