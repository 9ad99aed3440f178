//! `report`: results as one page, for reviews.

use super::exit::Exit;
use super::opened::{Opened, open};
use super::{Outcome, print};
use crate::report::atomic::AtomicFile;
use crate::report::drawn::PAGE;
use crate::report::figures::figures;
use crate::report::page::{experiment_page, page};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Make a page of results: tables, plots, fleet, cost, assumptions, and how to reproduce it all.
///
/// One HTML file that needs no network and no other file: send it, attach it, print it. It is made from the folders that
/// `run`, `sweep`, `compare --out`, `check --out`, `plan --out` or `tune` has written, and nothing is run again. Several runs
/// stand side by side, with a column that says what tells them apart. Equal folders give equal bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim report reports/three-regions
  regionsim report reports/before reports/after --out review.html --title \"One replica more in Tokyo\"
  regionsim report reports/three-regions --out - | gzip > page.html.gz
  regionsim report reports/plan")]
pub struct Args {
    /// A folder of results; of runs, several stand side by side.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The file to write, `-` for stdout; report.html in the first folder where it is not given.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The heading; the scenario's name where it is not given.
    #[arg(long)]
    title: Option<String>,
    /// Of a sweep: the measure; the one that it was looked for where it is not given.
    #[arg(long, value_name = "MEASURE")]
    objective: Option<String>,
}

/// Runs `report`.
pub fn run(args: &Args) -> Outcome {
    let opened = open(&args.folders, args.objective.as_deref())?;
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    let file = match &args.out {
        _ if to_stdout => None,
        Some(path) => Some(AtomicFile::create(path)?),
        None => Some(AtomicFile::create(&args.folders[0].join(PAGE))?),
    };
    let title = args.title.as_deref();
    let html = match &opened {
        Opened::Runs(runs) => page(runs, &figures(runs)?, title)?,
        Opened::One(experiment) => experiment_page(experiment, &experiment.figures()?, title)?,
    };
    let Some(mut file) = file else {
        print(&html)?;
        return Ok(Exit::Ok);
    };
    file.write_all(html.as_bytes())?;
    let target = file.target().display().to_string();
    file.commit()?;
    print(&format!("{target}: {} kB\n", html.len().div_ceil(1000)))?;
    Ok(Exit::Ok)
}
