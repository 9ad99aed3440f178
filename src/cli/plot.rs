//! `plot`: the figures of results, from their folders alone.

use super::exit::{Exit, Failure};
use super::one_file::folder;
use super::opened::{Opened, open};
use super::{Outcome, no_such, print, terminal};
use crate::report::atomic::AtomicFile;
pub(super) use crate::report::drawn::FIGURES as FOLDER;
use crate::report::experiment;
use crate::report::figure::{Drawing, PNG};
use crate::report::figures;
use crate::report::grid;
use anyhow::anyhow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Draw the figures of results, from their folders.
///
/// Reads what `run`, `sweep`, `compare --out`, `check --out`, `plan --out` or `tune` has written and simulates nothing. Several
/// folders of runs are drawn into the same figures, a policy in the same colour in all of them. docs/PLOTS.md says how to read
/// each.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim plot reports/three-regions
  regionsim plot reports/three-regions --png --only ttft-cdf,timeline
  regionsim plot reports/before reports/after --out reports/both
  regionsim plot reports/saturated-apac-sweep --objective slo.attainment
  regionsim plot reports/three-regions --list")]
pub struct Args {
    /// A folder of results; of runs, several.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The folder for figures; DIR/plots where it is not given and there is one DIR.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Also write PNG, twice the pixels (needs the feature `png`).
    #[arg(long)]
    png: bool,
    /// Only these figures: ids, or kinds such as `timeline` for all of a kind.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Of a sweep: the measure; the one that it was looked for where it is not given.
    #[arg(long, value_name = "MEASURE")]
    objective: Option<String>,
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
    let opened = open(&args.folders, args.objective.as_deref())?;
    let (all, kinds): (_, Vec<&str>) = match &opened {
        Opened::Runs(runs) => (figures::drawings(runs)?, figures::kinds().collect()),
        Opened::One(experiment) => (experiment.drawings()?, experiment::kinds().collect()),
    };
    if all.is_empty() {
        terminal::warning(opened.nothing());
    }
    let all = chosen(all, &args.only, &kinds)?;
    if args.list {
        let rows: Vec<Vec<String>> =
            all.iter().map(|drawing| vec![drawing.figure.id.clone(), drawing.figure.title.clone()]).collect();
        print(&grid::render(&["id", "title"], &rows))?;
        return Ok(Exit::Ok);
    }
    let out = match (&args.out, args.folders.as_slice()) {
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

/// What `--plots` of an experiment does: the same as `plot DIR` afterwards.
pub(super) fn into(folder: &Path) -> Result<(), Failure> {
    let opened = open(&[folder.to_path_buf()], None)?;
    let Opened::One(experiment) = &opened else { return Ok(()) };
    let all = experiment.drawings()?;
    if all.is_empty() {
        terminal::warning(opened.nothing());
    }
    write(&all, &folder.join(FOLDER)).map(|_| ())
}

/// Those that `only` names, in their own order.
fn chosen(all: Vec<Drawing>, only: &[String], kinds: &[&str]) -> Result<Vec<Drawing>, Failure> {
    let of_kind = |id: &str, kind: &str| {
        id == kind
            || kinds.contains(&kind)
                && id.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'))
                && !kinds.contains(&id)
    };
    if let Some(unknown) =
        only.iter().find(|name| !all.iter().any(|drawing| of_kind(&drawing.figure.id, name)))
    {
        let ids: Vec<String> = all.iter().map(|drawing| drawing.figure.id.clone()).collect();
        let others: Vec<&str> =
            kinds.iter().copied().filter(|kind| !ids.iter().any(|id| id == kind)).collect();
        let known = ids.iter().map(String::as_str).chain(others);
        return Err(no_such("there is no figure", unknown, known));
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
