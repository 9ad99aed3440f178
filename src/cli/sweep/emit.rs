//! `sweep emit`: job files for an engine that is there already.

use super::super::exit::{Exit, Failure};
use super::super::one_file::folder;
use super::super::{Outcome, print};
use super::ask::{Asked, Question};
use crate::sweep::emit::{Cluster, Engine, Job};
use crate::sweep::shard::MOST_SHARDS;
use anyhow::{Context, anyhow};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// Write job files that run a sweep on an engine: a Slurm array, GNU parallel, a Kubernetes Indexed Job.
///
/// Every point is checked first. Each job runs one shard with `--resume`, so that it may be started again; the last puts them
/// together.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim sweep emit grid.toml --engine slurm --shards 20 --out /shared/sweep --jobs jobs
  regionsim sweep emit grid.toml --engine parallel --shards 8 --out sweep --jobs jobs
  regionsim sweep emit grid.toml --engine kubernetes --shards 20 --out sweep --jobs jobs --image regionsim:0.1 --claim data")]
pub(super) struct Args {
    #[command(flatten)]
    question: Question,
    /// The engine.
    #[arg(long, value_enum)]
    engine: Which,
    /// How many shards.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    shards: u32,
    /// The sweep's folder, which all jobs write to.
    #[arg(long, value_name = "DIR")]
    out: String,
    /// Where the job files go.
    #[arg(long, value_name = "DIR", default_value = "jobs", value_parser = folder())]
    jobs: PathBuf,
    /// How the engine's machines call the program.
    #[arg(long, default_value = "regionsim")]
    program: String,
    /// Threads of one job.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// The image that has the program (Kubernetes).
    #[arg(long, required_if_eq("engine", "kubernetes"))]
    image: Option<String>,
    /// The claim of the volume with the scenario, which the sweep's folder lies on (Kubernetes).
    #[arg(long, required_if_eq("engine", "kubernetes"))]
    claim: Option<String>,
    /// Where pods have that volume (Kubernetes).
    #[arg(long, default_value = "/data")]
    mount: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// A job array of Slurm.
    Slurm,
    /// GNU parallel.
    Parallel,
    /// An Indexed Job of Kubernetes (1.33 or later).
    Kubernetes,
}

/// Runs `sweep emit`.
pub(super) fn run(args: &Args) -> Outcome {
    let mut asked = Asked::of(&args.question)?;
    super::ask::objective(asked.objective.as_deref())?;
    let (_, cells) = asked.cells()?;
    if cells.len() < args.shards as usize {
        return Err(Failure::usage(anyhow!(
            "{} cells have no work for {} shards; take fewer",
            cells.len(),
            args.shards
        )));
    }
    let engine = match args.engine {
        Which::Slurm => Engine::Slurm,
        Which::Parallel => Engine::Parallel,
        Which::Kubernetes => Engine::Kubernetes(Cluster {
            image: args.image.clone().unwrap_or_default(),
            claim: args.claim.clone().unwrap_or_default(),
            mount: args.mount.clone(),
        }),
    };
    let job = Job {
        program: args.program.clone(),
        arguments: arguments(args),
        out: args.out.clone(),
        shards: args.shards,
        threads: args.threads,
    };
    let (files, next) = engine.files(&job);
    let cannot = || format!("cannot write in `{}`", args.jobs.display());
    fs::create_dir_all(&args.jobs).with_context(cannot)?;
    let mut text = format!("{} cells in {} shards\n", cells.len(), args.shards);
    for (name, content) in files {
        let path = args.jobs.join(name);
        fs::write(&path, content).with_context(cannot)?;
        let _ = writeln!(text, "{}", path.display());
    }
    print(&format!("{text}next, in {}: {next}\n", args.jobs.display()))?;
    Ok(Exit::Ok)
}

/// The same question, as a job asks it.
fn arguments(args: &Args) -> Vec<String> {
    let question = &args.question;
    let mut words = vec!["sweep".to_owned()];
    words.extend(question.file.clone());
    let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
    question.over.iter().for_each(|text| add("--over", text));
    question.set.iter().for_each(|text| add("--set", text));
    question.policy.iter().for_each(|text| add("--policy", text));
    for (flag, value) in
        [("--random", question.random), ("--seeds", question.seeds), ("--threads", Some(args.threads))]
    {
        if let Some(value) = value {
            add(flag, &value.to_string());
        }
    }
    if let Some(seed) = question.seed {
        add("--seed", &seed.to_string());
    }
    add("--out", &args.out);
    words
}
