//! What an experiment left in its folder, read back: sweeps, comparisons, checked suites, plans, tuned weights. Knows the files
//! that those commands write; must not run anything. Which kind a folder is of is decided here and nowhere else. Documents
//! are read by the fields that are drawn, so a version that adds others is read as well.

pub mod checked;
pub mod compared;
mod figures;
pub mod planned;
pub mod swept;
pub mod tuned;

use super::figure::{Drawing, Figure};
use super::plots::PlotError;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub use figures::kinds;

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A run: `loaded` reads it.
    Run,
    /// A sweep.
    Sweep,
    /// A comparison.
    Compare,
    /// A checked suite.
    Check,
    /// A capacity plan.
    Plan,
    /// Tuned weights.
    Tune,
}

impl Kind {
    /// Every kind, with the file that tells it and the command that writes it.
    pub const ALL: [(Kind, &'static str, &'static str); 6] = [
        (Kind::Run, "summary.json", "run"),
        (Kind::Sweep, "sweep.json", "sweep"),
        (Kind::Compare, compared::FILE, "compare --out"),
        (Kind::Check, checked::FILE, "check --out"),
        (Kind::Plan, "plan.json", "plan --out"),
        (Kind::Tune, "tune.json", "tune"),
    ];
    /// The file that tells it.
    pub fn file(self) -> &'static str {
        Kind::ALL[self as usize].1
    }
    /// The command that writes it.
    pub fn command(self) -> &'static str {
        Kind::ALL[self as usize].2
    }
    /// What the folder holds.
    ///
    /// # Errors
    /// When it is no folder, or holds none of them, or several.
    pub fn of(folder: &Path) -> Result<Kind, ReadError> {
        let shown = folder.display().to_string();
        if !folder.is_dir() {
            return Err(ReadError::NoFolder(shown));
        }
        let there: Vec<_> = Kind::ALL.iter().filter(|(_, file, _)| folder.join(file).is_file()).collect();
        match there.as_slice() {
            [(kind, ..)] => Ok(*kind),
            [] => Err(ReadError::Nothing(shown, told(Kind::ALL.iter()))),
            several => Err(ReadError::Several(shown, told(several.iter().copied()))),
        }
    }
}

fn told<'k>(kinds: impl Iterator<Item = &'k (Kind, &'static str, &'static str)>) -> String {
    kinds.map(|(_, file, command)| format!("{file} (`{command}`)")).collect::<Vec<_>>().join(", ")
}

/// A folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error(
        "`{0}` is no folder; give one that `run`, `sweep`, `compare --out`, `check --out`, `plan --out` or `tune` wrote"
    )]
    NoFolder(String),
    /// Nothing in it is known.
    #[error(
        "`{0}` is not a folder of results: it has none of {1}; give the folder that one of these commands wrote"
    )]
    Nothing(String, String),
    /// Two commands have written into it.
    #[error("`{0}` holds results of several kinds: {1}; keep each in a folder of its own")]
    Several(String, String),
    /// A file cannot be read.
    #[error("cannot read `{file}`: {error}; `{command}` writes it")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
        /// The command that writes it.
        command: &'static str,
    },
    /// A file is not what it should be.
    #[error("`{file}` is not as `{command}` of this version writes it: {reason}; run it again")]
    Broken {
        /// The file.
        file: String,
        /// Why.
        reason: String,
        /// The command that writes it.
        command: &'static str,
    },
    /// Shards lie there, and nothing else.
    #[error("`{0}` has shards and no {rows}: put them together with `regionsim sweep merge {0}`", rows = swept::ROWS)]
    NotMerged(String),
}

/// A file of a folder, with who wrote it.
struct Source {
    path: PathBuf,
    kind: Kind,
}

impl Source {
    fn of(folder: &Path, name: &str, kind: Kind) -> Source {
        Source { path: folder.join(name), kind }
    }
    fn text(&self) -> Result<String, ReadError> {
        fs::read_to_string(&self.path).map_err(|error| ReadError::Unreadable {
            file: self.path.display().to_string(),
            error,
            command: self.kind.command(),
        })
    }
    /// Where it is there at all.
    fn text_if_any(&self) -> Result<Option<String>, ReadError> {
        if self.path.exists() { self.text().map(Some) } else { Ok(None) }
    }
    fn broken(&self, reason: impl ToString) -> ReadError {
        ReadError::Broken {
            file: self.path.display().to_string(),
            reason: reason.to_string(),
            command: self.kind.command(),
        }
    }
    fn json<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        serde_json::from_str(&self.text()?).map_err(|error| self.broken(error))
    }
    /// The columns and rows of a CSV file.
    fn csv(&self, text: &str) -> Result<(Vec<String>, Vec<csv::StringRecord>), ReadError> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers().map_err(|error| self.broken(error))?.iter().map(str::to_owned).collect();
        let rows = reader.records().collect::<Result<_, _>>().map_err(|error| self.broken(error))?;
        Ok((head, rows))
    }
    /// A number in a row; none where the field is empty.
    fn number(&self, row: &csv::StringRecord, column: usize) -> Result<Option<f64>, ReadError> {
        let found = row.get(column).unwrap_or_default();
        let line = row.position().map_or(0, csv::Position::line);
        match found.parse::<f64>() {
            _ if found.is_empty() => Ok(None),
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.broken(format!("line {line}: `{found}` is no number"))),
        }
    }
}

/// An experiment.
#[derive(Clone, Debug)]
pub enum Experiment {
    /// A sweep.
    Sweep(swept::Sweep),
    /// A comparison.
    Compare(compared::Compared),
    /// A checked suite.
    Check(checked::Checked),
    /// A capacity plan.
    Plan(planned::Plan),
    /// Tuned weights.
    Tune(tuned::Tuned),
}

impl Experiment {
    /// Reads a folder of this kind; `None` where it is a run's.
    ///
    /// # Errors
    /// When a file is missing or not as the command writes it.
    pub fn read(folder: &Path, kind: Kind) -> Result<Option<Experiment>, ReadError> {
        Ok(Some(match kind {
            Kind::Run => return Ok(None),
            Kind::Sweep => Experiment::Sweep(swept::read(folder)?),
            Kind::Compare => Experiment::Compare(compared::read(folder)?),
            Kind::Check => Experiment::Check(checked::read(folder)?),
            Kind::Plan => Experiment::Plan(planned::read(folder)?),
            Kind::Tune => Experiment::Tune(tuned::read(folder)?),
        }))
    }
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Experiment::Sweep(_) => Kind::Sweep,
            Experiment::Compare(_) => Kind::Compare,
            Experiment::Check(_) => Kind::Check,
            Experiment::Plan(_) => Kind::Plan,
            Experiment::Tune(_) => Kind::Tune,
        }
    }
    /// Its figures, with what other pictures can be made of; none where nothing that was measured can be drawn.
    ///
    /// # Errors
    /// When a drawing fails, which is a fault of this program.
    pub fn drawings(&self) -> Result<Vec<Drawing>, PlotError> {
        figures::drawings(self)
    }
    /// Its figures.
    ///
    /// # Errors
    /// As `drawings`.
    pub fn figures(&self) -> Result<Vec<Figure>, PlotError> {
        Ok(self.drawings()?.into_iter().map(|drawing| drawing.figure).collect())
    }
}

#[cfg(test)]
mod tests;
