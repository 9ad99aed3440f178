//! From a scenario file to what commands need of it, with its mistakes shown as they are.

use super::exit::{Exit, Failure, Invalid};
use super::terminal;
use crate::run::Prepared;
use crate::scenario::{self, Diagnostics, Plan};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of the copy of its scenario in a run's folder.
pub const COPY: &str = "scenario-as-run.toml";

/// A scenario as it is written.
pub struct Source {
    /// How messages call it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Where its paths start.
    pub folder: PathBuf,
    /// Its name where it states none.
    pub stem: String,
}

impl Source {
    /// Reads it; `-` is stdin.
    pub fn read(file: &str) -> Result<Source, Failure> {
        if file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(Failure::usage)?;
            return Ok(Source { file: "<stdin>".into(), text, folder: ".".into(), stem: "stdin".into() });
        }
        let path = Path::new(file);
        let stem =
            path.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned());
        let text = scenario::read(path).map_err(invalid)?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Source { file: file.to_owned(), text, folder, stem })
    }
    /// Its plan with overrides.
    pub fn plan(&self, set: &[String]) -> Result<Plan, Failure> {
        scenario::parse(&self.file, &self.text, &self.folder, &self.stem, set).map_err(invalid)
    }
}

fn invalid(diagnostics: Diagnostics) -> Failure {
    Failure { exit: Exit::Usage, error: Invalid(diagnostics).into() }
}

/// Reads a scenario with overrides; `-` is stdin.
pub fn plan(file: &str, set: &[String]) -> Result<Plan, Failure> {
    Source::read(file)?.plan(set)
}

/// Reads a scenario and makes it ready for its cells; tells what to know about it.
pub fn load(file: &str, set: &[String], quiet: bool) -> Result<Prepared, Failure> {
    Ok(prepare(plan(file, set)?, quiet))
}

/// Makes a plan ready for its cells; tells what to know about it.
pub fn prepare(plan: Plan, quiet: bool) -> Prepared {
    tell(&plan, quiet);
    Prepared::of(plan)
}

/// Shows a plan's notices.
pub fn tell(plan: &Plan, quiet: bool) {
    if !quiet && !plan.notices.items.is_empty() {
        terminal::plain(&plan.notices.render(terminal::stderr_colour()));
    }
}
