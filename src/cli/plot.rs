//! `plot`: the figures of finished runs, from their folders alone.

use super::exit::{Exit, Failure};
use super::{Outcome, no_such, print};
use crate::report::atomic::AtomicFile;
use crate::report::figure::{Drawing, PNG};
use crate::report::figures::{drawings, kinds};
use crate::report::grid;
use crate::report::loaded::LoadedRun;
use anyhow::anyhow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where figures go in a run's folder.
pub(super) const FOLDER: &str = "plots";

/// Draw the figures of finished runs, from their folders.
///
/// Reads what `run` has written and simulates nothing. Several folders are drawn into the same figures, a policy in the
/// same colour in all of them. docs/PLOTS.md says how to read each.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim plot reports/three-regions
  regionsim plot reports/three-regions --png --only ttft-cdf,timeline
  regionsim plot reports/before reports/after --out reports/both
  regionsim plot reports/three-regions --list")]
pub struct Args {
    /// Folders that `run` wrote.
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// The folder for figures; DIR/plots where it is not given and there is one DIR.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also write PNG, twice the pixels (needs the feature `png`).
    #[arg(long)]
    png: bool,
    /// Only these figures: ids, or kinds such as `timeline` for all of a kind.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// List the figures there would be, and write none.
    #[arg(long, conflicts_with_all = ["out", "png"])]
    list: bool,
}

/// Runs `plot`.
pub fn run(args: &Args) -> Outcome {
    if args.png && !PNG {
        let rule = "this regionsim was built without the feature `png`; build it with default features, or leave out --png";
        return Err(Failure::usage(anyhow!(rule)));
    }
    let runs: Vec<LoadedRun> = args
        .runs
        .iter()
        .map(|folder| LoadedRun::read(folder))
        .collect::<Result<_, _>>()
        .map_err(Failure::usage)?;
    let all = chosen(drawings(&runs)?, &args.only)?;
    if args.list {
        let rows: Vec<Vec<String>> =
            all.iter().map(|drawing| vec![drawing.figure.id.clone(), drawing.figure.title.clone()]).collect();
        print(&grid::render(&["id", "title"], &rows))?;
        return Ok(Exit::Ok);
    }
    let out = match (&args.out, args.runs.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [one]) => one.join(FOLDER),
        (None, several) => {
            let rule = format!("{} folders are drawn together: say where to with --out DIR", several.len());
            return Err(Failure::usage(anyhow!(rule)));
        }
    };
    let mut files = write(&all, &out)?;
    if args.png {
        for drawing in &all {
            let name = format!("{}.png", drawing.figure.id);
            put(&out.join(&name), &drawing.png()?)?;
            files.push(name);
        }
    }
    let mut text = String::new();
    for drawing in &all {
        let _ = writeln!(text, "{}.svg  {}", drawing.figure.id, drawing.figure.title);
    }
    let _ = writeln!(text, "{} files: {}", files.len(), out.display());
    print(&text)?;
    Ok(Exit::Ok)
}

/// Those that `only` names, in their own order.
fn chosen(all: Vec<Drawing>, only: &[String]) -> Result<Vec<Drawing>, Failure> {
    let of_kind = |id: &str, kind: &str| {
        id == kind
            || kinds().any(|known| known == kind)
                && id.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'))
                && !kinds().any(|other| other == id)
    };
    if let Some(unknown) =
        only.iter().find(|name| !all.iter().any(|drawing| of_kind(&drawing.figure.id, name)))
    {
        let ids: Vec<String> = all.iter().map(|drawing| drawing.figure.id.clone()).collect();
        let others: Vec<&str> = kinds().filter(|kind| !ids.iter().any(|id| id == kind)).collect();
        let known = ids.iter().map(String::as_str).chain(others);
        return Err(no_such("these runs have no figure", unknown, known));
    }
    let keeps =
        |drawing: &Drawing| only.is_empty() || only.iter().any(|name| of_kind(&drawing.figure.id, name));
    Ok(all.into_iter().filter(keeps).collect())
}

/// Writes the SVG of each; the names of the files.
pub(super) fn write(all: &[Drawing], out: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for drawing in all {
        let name = format!("{}.svg", drawing.figure.id);
        put(&out.join(&name), drawing.figure.svg.as_bytes())?;
        files.push(name);
    }
    Ok(files)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()?;
    Ok(())
}
