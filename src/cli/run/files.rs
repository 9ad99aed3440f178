//! The folder of a run: which files there are and what they are called. They appear together at the end.

use super::super::exit::Failure;
use super::super::interrupt;
use super::super::load::COPY;
use super::super::plot;
use super::json;
use crate::report::Summary;
use crate::report::atomic::AtomicFile;
use crate::report::figures::drawings;
use crate::report::loaded::{LoadedRun, SETUP};
use crate::report::manifest::Manifest;
use crate::report::setup::Setup;
use crate::report::staging::Staging;
use crate::report::uncertainty::Uncertainty;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Which files there are beside those that always are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub plots: bool,
    pub parquet: bool,
    pub decisions: bool,
    pub uncertainty: bool,
}

/// The files of a run.
#[derive(Debug)]
pub(super) struct RunFiles {
    staging: Staging,
    wanted: Wanted,
    /// Of the cells.
    names: Vec<String>,
}

impl RunFiles {
    /// Opens the folder `top` for cells in these folders of it. Before the work: a bad path fails now.
    pub(super) fn open(top: &Path, cells: &[String], wanted: Wanted) -> io::Result<RunFiles> {
        let each = [
            ("requests.csv", true),
            ("series.csv", true),
            ("requests.parquet", wanted.parquet),
            ("series.parquet", wanted.parquet),
            ("decisions.jsonl", wanted.decisions),
        ];
        let each: Vec<&str> = each.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| *name).collect();
        let names: Vec<String> =
            cells.iter().flat_map(|folder| each.iter().map(move |name| format!("{folder}/{name}"))).collect();
        let top_names = [COPY, "summary.json", SETUP, "manifest.json", "uncertainty.json"];
        let staging = Staging::open(top, names.iter().map(String::as_str).chain(top_names))?;
        Ok(RunFiles { staging, wanted, names })
    }
    /// Where a cell writes.
    pub(super) fn folder(&self, cell: &str) -> PathBuf {
        self.staging.path(cell)
    }
    /// Writes the files at the top and puts all in their places.
    pub(super) fn publish(
        self,
        summary: &Summary,
        ranked: Option<&Uncertainty>,
        (scenario, setup): (&str, &Setup),
        overrides: &[String],
    ) -> Result<(), Failure> {
        let mut names = self.names.clone();
        let mut write = |name: &str, text: &str| -> io::Result<()> {
            let mut file = AtomicFile::create(&self.staging.path(name))?;
            file.write_all(text.as_bytes())?;
            file.commit()?;
            names.push(name.to_string());
            Ok(())
        };
        // As it was read: overrides stand in the manifest.
        write(COPY, scenario)?;
        write("summary.json", &json(summary)?)?;
        write(SETUP, &json(setup)?)?;
        if let (true, Some(ranked)) = (self.wanted.uncertainty, ranked) {
            write("uncertainty.json", &json(ranked)?)?;
        }
        if self.wanted.plots {
            let manifest = Manifest::of(summary, overrides, names.clone());
            let here = self.staging.path("");
            let run = LoadedRun::of(&here, summary.clone(), Some(manifest), Some(scenario.to_owned()))?;
            let drawn = plot::write(&drawings(&[run])?, &self.staging.path(plot::FOLDER))?;
            names.extend(drawn.into_iter().map(|name| format!("{}/{name}", plot::FOLDER)));
        }
        let manifest = json(&Manifest::of(summary, overrides, std::mem::take(&mut names)))?;
        let mut file = AtomicFile::create(&self.staging.path("manifest.json"))?;
        file.write_all(manifest.as_bytes())?;
        file.commit()?;
        Ok(self.staging.publish(interrupt::end)?)
    }
}
