//! `sweep`: a scenario at many points, under its policies and seeds.

mod ask;
mod emit;
mod folder;
mod work;

use super::exit::{Exit, Failure};
use super::load::tell;
use super::one_file;
use super::{Outcome, interrupt, print, terminal};
use crate::report::atomic::AtomicFile;
use crate::report::experiment::swept::BEST;
use crate::report::measures::{Better, Measure};
use crate::report::{parquet, sweep_table};
use crate::sweep::row::Row;
use crate::sweep::{Best, Effect, Goal, Manifest, Shard, Status, best, effects, manifest};
use anyhow::anyhow;
pub(super) use ask::objective;
use ask::{Asked, Question};
use folder::Folder;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Run a scenario at many points: lists and ranges over any path that `--set` reaches, under every policy and seed.
///
/// All points are checked before the first runs. Cells run side by side; one that fails is recorded and the rest go on. The
/// folder has rows.csv (a row a cell), groups.csv (by region, origin and class), histograms.jsonl and points.jsonl: the
/// same bytes for any number of threads and shards and after any interruption.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_long_help = "Values:
  a,b,c              these
  1..8:1             from 1 to 8 in steps of 1; ends may have a unit (10ms..50ms:10ms)
  0..1 x 5           five from 0 to 1
  log 0.1..10 x 5    five, each by the same factor from the one before
  0.1..10            anything between, for --random

Examples:
  regionsim sweep scenarios/three-regions.toml --over regions.eu.pools.main.replicas=2..6:1 --policy nearest_chwbl
  regionsim sweep scenarios/three-regions.toml --over workloads.main.scale=0.5,1,2 --over warmup=1m,3m --seeds 5
  regionsim sweep scenarios/three-regions.toml --random 50 --over 'policies.gorgo.replica.gorgo.rtt=log 0.01..1'
  regionsim sweep grid.toml --shard 0/7 --out /shared/sweep
  regionsim sweep merge /shared/sweep
  regionsim sweep emit grid.toml --engine slurm --shards 7 --out /shared/sweep --jobs jobs

Exit codes:
  0  every cell ran
  2  wrong usage, or a point that is no scenario
  3  cells failed, or shards are missing"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    Merge(MergeArgs),
    Emit(Box<emit::Args>),
}

#[derive(Debug, clap::Args)]
struct How {
    /// The folder for files; reports/<scenario name>-sweep where it is not given.
    #[arg(long, value_name = "DIR", value_parser = one_file::folder())]
    out: Option<PathBuf>,
    /// Run only a share of the cells, such as 0/7; `auto` and `auto/7` ask Slurm's array or Kubernetes' job which.
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Go on where an earlier run of the same sweep was interrupted.
    #[arg(long)]
    resume: bool,
    /// Begin anew where an earlier run was interrupted, or where the folder holds another sweep.
    #[arg(long, conflicts_with = "resume")]
    restart: bool,
    /// Also write rows.parquet (needs the feature `frames`).
    #[arg(long)]
    parquet: bool,
    /// Also draw the objective over each setting that is a number, and as a map over the first two (SVG, folder `plots`).
    #[arg(long)]
    plots: bool,
    /// Print JSON instead of the tables.
    #[arg(long)]
    json: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
    /// Panics in this cell, to see that the others go on.
    #[arg(long, hide = true, value_name = "CELL")]
    plant_panic: Option<u64>,
}

/// Put the shards of a sweep together, from one folder or several.
///
/// All cells must be there. Cells that were run twice must be equal; where they are not, that is told, because it must not be.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim sweep merge /shared/sweep
  regionsim sweep merge from-host-a from-host-b --out together")]
struct MergeArgs {
    /// Folders of shards.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Where the files go; the first folder where it is not given.
    #[arg(long, value_name = "DIR", value_parser = one_file::folder())]
    out: Option<PathBuf>,
    /// The measure that says which point is best.
    #[arg(long, value_name = "MEASURE", default_value = ask::OBJECTIVE)]
    objective: String,
    /// Also write rows.parquet (needs the feature `frames`).
    #[arg(long)]
    parquet: bool,
    /// Also draw the objective over each setting that is a number, and as a map over the first two (SVG, folder `plots`).
    #[arg(long)]
    plots: bool,
    /// Print JSON instead of the tables.
    #[arg(long)]
    json: bool,
}

/// Runs `sweep`.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        None => interrupt::told(sweep(&args.question, &args.how)),
        Some(Sub::Merge(merge)) => together(merge),
        Some(Sub::Emit(emit)) => emit::run(emit),
    }
}

fn sweep(question: &Question, how: &How) -> Outcome {
    if how.parquet {
        parquet::available().map_err(Failure::usage)?;
    }
    let shard = how.shard.as_deref().map(|text| Shard::parse(text, |name| std::env::var(name).ok()));
    let shard = shard.transpose().map_err(|error| Failure::usage(anyhow!("--shard: {error}")))?;
    let mut asked = Asked::of(question)?;
    let objective = ask::objective(asked.objective.as_deref())?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(how.threads.map_or(0, |count| count as usize));
    let threads = threads.build()?;
    let (first, cells) = threads.install(|| asked.cells())?;
    tell(&first, how.quiet);
    let sweep = Manifest {
        random: asked.random,
        ..manifest(&first.name, &asked.set, &asked.axes, &asked.points, &cells)
    };
    drop(first);
    let out = how.out.clone().unwrap_or_else(|| ask::folder(&sweep.scenario));
    let folder = Folder::open(&out, &sweep, &asked.points, shard.is_none(), (how.resume, how.restart))?;
    let part = shard.unwrap_or_default();
    let mut journal = folder.journal(&sweep, part, how.resume, how.restart)?;
    threads.install(|| work::run(&asked, &cells, &mut journal, part, how, &out))?;
    let failed = journal.finish()?;
    if let Some(shard) = shard {
        if !how.quiet {
            let merge = format!("when all {} are done: regionsim sweep merge {}", shard.of, out.display());
            terminal::note(&format!("shard {shard} is written; {merge}"));
        }
        return Ok(ended(failed));
    }
    let rows = folder.merge(&sweep, &[])?;
    folder.write(&rows, how.parquet)?;
    interrupt::end();
    finish(&sweep, objective, &rows, (how.plots, how.json), &out)?;
    Ok(ended(failed))
}

fn ended(failed: u64) -> Exit {
    if failed > 0 { Exit::Failed } else { Exit::Ok }
}

fn together(args: &MergeArgs) -> Outcome {
    if args.parquet {
        parquet::available().map_err(Failure::usage)?;
    }
    let objective = ask::objective(Some(&args.objective))?;
    let (first, others) = args.folders.split_first().ok_or_else(|| anyhow!("no folder"))?;
    let sweep = folder::manifest(first)?;
    let out = args.out.as_ref().unwrap_or(first);
    let folder = Folder::at(first);
    let rows = folder.merge(&sweep, others)?;
    let target = Folder::at(out);
    if out != first {
        folder.copy_head(&target)?;
    }
    target.write(&rows, args.parquet)?;
    finish(&sweep, objective, &rows, (args.plots, args.json), out)?;
    Ok(ended(rows.iter().filter(|row| row.status == Status::Failed).count() as u64))
}

/// What `--json` prints, and best.json has.
#[derive(Serialize)]
struct Printed<'a> {
    manifest: &'a Manifest,
    objective: &'a str,
    best: Vec<PrintedBest>,
    effects: Vec<PrintedEffect>,
    failed: Vec<&'a Row>,
}

#[derive(Serialize)]
struct PrintedBest {
    policy: String,
    point: u64,
    settings: std::collections::BTreeMap<String, String>,
    mean: Option<f64>,
    half_width_95: Option<f64>,
    seeds: u64,
    worst: f64,
}

#[derive(Serialize)]
struct PrintedEffect {
    setting: String,
    by: f64,
    lowest: (String, f64),
    highest: (String, f64),
}

impl PrintedBest {
    fn of(best: &Best) -> PrintedBest {
        PrintedBest {
            mean: best.value.mean(),
            half_width_95: best.value.half_width(0.95),
            seeds: best.value.count(),
            policy: best.policy.clone(),
            point: best.point,
            settings: best.settings.clone(),
            worst: best.worst,
        }
    }
}

impl PrintedEffect {
    fn of(effect: &Effect) -> PrintedEffect {
        PrintedEffect {
            by: effect.by(),
            setting: effect.setting.clone(),
            lowest: effect.low.clone(),
            highest: effect.high.clone(),
        }
    }
}

/// Writes the answer, draws and prints it.
fn finish(
    sweep: &Manifest,
    objective: &Measure,
    rows: &[Row],
    (plots, json): (bool, bool),
    out: &Path,
) -> Result<(), Failure> {
    let goal = Goal { measure: objective.name.to_string(), lower: objective.better != Better::Higher };
    let (best, effects) = (best(rows, &goal), effects(rows, &goal));
    let failed: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Failed).collect();
    let printed = Printed {
        manifest: sweep,
        objective: objective.name,
        best: best.iter().map(PrintedBest::of).collect(),
        effects: effects.iter().map(PrintedEffect::of).collect(),
        failed: failed.clone(),
    };
    let document = serde_json::to_string_pretty(&printed)? + "\n";
    let mut file = AtomicFile::create(&out.join(BEST))?;
    file.write_all(document.as_bytes())?;
    file.commit()?;
    if plots {
        super::plot::into(out)?;
    }
    if json {
        return Ok(print(&document)?);
    }
    let mut text = sweep_table::render(sweep, objective, &best, &effects);
    let _ = writeln!(text, "\nevery cell: {}", out.join(folder::ROWS).display());
    print(&text)?;
    for row in failed.iter().take(5) {
        let reason = row.reason.as_deref().unwrap_or_default();
        let place = format!("cell {} (point {}, {}, seed {})", row.cell, row.point, row.policy, row.seed);
        terminal::warning(&format!("{place} failed: {reason}"));
    }
    if failed.len() > 5 {
        terminal::warning(&format!("and {} more cells failed; rows.csv has them all", failed.len() - 5));
    }
    Ok(())
}
