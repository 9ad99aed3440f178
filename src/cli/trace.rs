//! `trace`: work with traces.

use super::exit::{Exit, Failure};
use super::{Outcome, load, terminal};
use crate::report::atomic::AtomicFile;
use crate::scenario::Plan;
use crate::workload::generate::generate_trace;
use crate::workload::{OriginAssignment, SyntheticParams, WorkloadKind, WorkloadParams};
use anyhow::anyhow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Work with traces.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TraceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TraceCommand {
    Generate(Generate),
}

/// Write a generated workload of a scenario as a trace.
///
/// A replay of it, in a workload of the same name and under the same seed, sends the same requests.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace generate scenarios/single-replica.toml --out chat.jsonl.zst
  regionsim trace generate scenarios/single-replica.toml | head -3")]
struct Generate {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// The workload; needed where the scenario generates several.
    #[arg(long)]
    workload: Option<String>,
    /// The seed; the scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The file, compressed if its name ends in .zst; `-` is stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: PathBuf,
}

/// Runs `trace`.
pub fn run(args: &Args) -> Outcome {
    let TraceCommand::Generate(args) = &args.command;
    generate(args)
}

fn generate(args: &Generate) -> Outcome {
    let plan = load::plan(&args.scenario, &args.set)?;
    let (workload, params) = generated(&plan, args.workload.as_deref())?;
    let origins: Vec<(&str, f64)> = match workload.origins {
        OriginAssignment::Single(origin) => vec![(&plan.world.origins[origin].name, 1.0)],
        OriginAssignment::Weighted { .. } => {
            plan.world.origins.iter().map(|origin| (origin.name.as_str(), origin.weight)).collect()
        }
    };
    let seed = args.seed.unwrap_or(plan.seed);
    let block_tokens = plan.world.block_tokens;
    let write = |to: &mut dyn Write| generate_trace(params, &workload.name, &origins, block_tokens, seed, to);
    let written = if args.out == Path::new("-") {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = write(&mut out)?;
        out.flush()?;
        written
    } else {
        let mut file = AtomicFile::create(&args.out)?;
        let written = if args.out.extension().is_some_and(|extension| extension == "zst") {
            // Level 19: such a file is written once and shipped.
            let mut encoder = zstd::Encoder::new(&mut file, 19)?;
            let written = write(&mut encoder)?;
            encoder.finish()?;
            written
        } else {
            write(&mut file)?
        };
        file.commit()?;
        written
    };
    terminal::note(&format!("{} requests in {} sessions, seed {seed}", written.requests, written.sessions));
    Ok(Exit::Ok)
}

/// The generated workload that is meant.
fn generated<'p>(
    plan: &'p Plan,
    name: Option<&str>,
) -> Result<(&'p WorkloadParams, &'p SyntheticParams), Failure> {
    let all = plan.world.workloads.iter().filter_map(|workload| match &workload.kind {
        WorkloadKind::Synthetic(params) => Some((workload, params)),
        WorkloadKind::Trace(_) | WorkloadKind::Pool(_) => None,
    });
    let all: Vec<_> = all.collect();
    let names = || all.iter().map(|(workload, _)| workload.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, all.as_slice()) {
        (_, []) => Err(Failure::usage(anyhow!("the scenario generates no workload: it only replays traces"))),
        (None, [one]) => Ok(*one),
        (None, _) => {
            Err(Failure::usage(anyhow!("name one with --workload: the scenario generates {}", names())))
        }
        (Some(name), _) => {
            let found = all.iter().find(|(workload, _)| workload.name == name).copied();
            found.ok_or_else(|| {
                Failure::usage(anyhow!("it generates no workload `{name}`; it has {}", names()))
            })
        }
    }
}
