//! `report`: runs as one page, for reviews.

use super::exit::{Exit, Failure};
use super::{Outcome, print};
use crate::report::atomic::AtomicFile;
use crate::report::figures::figures;
use crate::report::loaded::LoadedRun;
use crate::report::page::page;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The page's name in a run's folder.
const NAME: &str = "report.html";

/// Make a page of runs: tables, plots, fleet, cost, assumptions, and how to reproduce it all.
///
/// One HTML file that needs no network and no other file: send it, attach it, print it. It is made from the folders that
/// `run` has written, and nothing is run again. Several runs stand side by side, with a column that says what tells them
/// apart. Equal folders give equal bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim report reports/three-regions
  regionsim report reports/before reports/after --out review.html --title \"One replica more in Tokyo\"
  regionsim report reports/three-regions --out - | gzip > page.html.gz")]
pub struct Args {
    /// The folder of a run; several stand side by side.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The file to write, `-` for stdout; report.html in the first folder where it is not given.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The heading; the scenario's name where it is not given.
    #[arg(long)]
    title: Option<String>,
}

/// Runs `report`.
pub fn run(args: &Args) -> Outcome {
    let runs = args.folders.iter().map(|folder| LoadedRun::read(folder));
    let runs = runs.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    let file = match &args.out {
        _ if to_stdout => None,
        Some(path) => Some(AtomicFile::create(path).map_err(Failure::usage)?),
        None => Some(AtomicFile::create(&args.folders[0].join(NAME))?),
    };
    let html = page(&runs, &figures(&runs)?, args.title.as_deref())?;
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
