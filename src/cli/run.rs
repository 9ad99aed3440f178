//! `run`: every policy of a scenario on the same world.

use super::Outcome;
use std::path::PathBuf;

/// Run a scenario: every policy on the same world, one table.
///
/// Prints the table and writes summary.json, manifest.json and, for every policy, requests.csv and series.csv. Equal
/// scenario, seed and version give equal bytes, whatever the number of threads.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim run scenarios/three-regions.toml
  regionsim run scenarios/three-regions.toml --policy gorgo --policy nearest_chwbl --seeds 10
  regionsim run scenarios/three-regions.toml --set regions.eu.pools.main.replicas=5 --no-files
  regionsim run scenarios/three-regions.toml --json | jq '.policies[].measures[0]'
  regionsim run scenarios/three-regions.toml --twice")]
pub struct Args {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// Run only this policy of the scenario; may be repeated.
    #[arg(long, short, value_name = "NAME")]
    policy: Vec<String>,
    /// The seed; the scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run, counting up from the first; results are means with 95 % intervals.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: u32,
    /// Override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The folder for files; reports/<scenario name> where it is not given.
    #[arg(long, value_name = "DIR", conflicts_with = "no_files")]
    out: Option<PathBuf>,
    /// Write no files.
    #[arg(long)]
    no_files: bool,
    /// Print summary.json instead of the table.
    #[arg(long)]
    json: bool,
    /// Run every cell twice in lock-step and stop at the first event that differs.
    #[arg(long)]
    twice: bool,
    /// Also draw plots (SVG).
    #[arg(long, conflicts_with = "no_files")]
    plots: bool,
    /// Also write requests.parquet (needs the feature `frames`).
    #[arg(long, conflicts_with = "no_files")]
    parquet: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Print the plan, every default explicit, and run nothing.
    #[arg(long)]
    show_plan: bool,
    /// No progress, no notes.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs `run`.
pub fn run(args: &Args) -> Outcome {
    Err(anyhow::anyhow!("{}: not there yet", args.scenario).into())
}
