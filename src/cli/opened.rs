//! Folders of results as `plot` and `report` take them: runs side by side, or one of anything else.

use super::exit::Failure;
use super::sweep;
use crate::report::experiment::{Experiment, Kind};
use crate::report::loaded::LoadedRun;
use anyhow::anyhow;
use std::path::PathBuf;

/// What folders hold.
#[derive(Debug)]
pub(super) enum Opened {
    /// Runs.
    Runs(Vec<LoadedRun>),
    /// One experiment of another kind.
    One(Box<Experiment>),
}

impl Opened {
    /// Why nothing is drawn, where nothing is.
    pub(super) fn nothing(&self) -> &'static str {
        match self {
            Opened::Runs(_) => "no figure: nothing was measured",
            Opened::One(experiment) => match experiment.kind() {
                Kind::Sweep => {
                    "no figure: no setting that varies is a number of one unit; rows.csv has every cell"
                }
                Kind::Check => "no figure: there are no bounds, and every outcome is that of the baseline",
                Kind::Plan => "no figure: there is no plan, and no fleet was played to its end",
                _ => "no figure: nothing was measured",
            },
        }
    }
}

/// Reads folders; `objective` is of a sweep alone.
pub(super) fn open(folders: &[PathBuf], objective: Option<&str>) -> Result<Opened, Failure> {
    let kinds = folders.iter().map(|folder| Kind::of(folder)).collect::<Result<Vec<_>, _>>();
    let kinds = kinds.map_err(Failure::usage)?;
    if objective.is_some() && kinds != [Kind::Sweep] {
        return Err(Failure::usage(anyhow!(
            "--objective is of a sweep, and these are other results; leave it out"
        )));
    }
    let other = folders.iter().zip(&kinds).find(|(_, kind)| **kind != Kind::Run);
    let Some((folder, kind)) = other else {
        let runs = folders.iter().map(|folder| LoadedRun::read(folder)).collect::<Result<_, _>>();
        return Ok(Opened::Runs(runs.map_err(Failure::usage)?));
    };
    if folders.len() > 1 {
        return Err(Failure::usage(anyhow!(
            "`{}` was written by `{}`, and only runs stand side by side; give it alone",
            folder.display(),
            kind.command()
        )));
    }
    let mut experiment = Experiment::read(folder, *kind)
        .map_err(Failure::usage)?
        .ok_or_else(|| anyhow!("`{}` is read as a run", folder.display()))?;
    if let (Experiment::Sweep(sweep), Some(_)) = (&mut experiment, objective) {
        sweep.objective = sweep::objective(objective)?;
    }
    Ok(Opened::One(Box::new(experiment)))
}
