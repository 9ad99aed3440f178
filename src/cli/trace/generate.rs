//! `trace generate`: a generated workload as a trace.

use super::super::exit::{Exit, Failure};
use super::output::Output;
use super::{Outcome, load, terminal};
use crate::scenario::Plan;
use crate::workload::generate::{generate_pool, generate_workload};
use crate::workload::{WorkloadKind, WorkloadParams};
use anyhow::anyhow;

/// Write a generated workload of a scenario, or a pool of clients, as a trace.
///
/// A replay of it, in a workload of the same name and under the same seed, sends the same requests.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace generate scenarios/single-replica.toml --out chat.jsonl.zst
  regionsim trace generate scenarios/single-replica.toml | head -3")]
pub struct Args {
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
    /// The file, compressed if its name ends in .zst or .gz; `-` is stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: String,
}

/// Such a file is written once and shipped.
const LEVEL: i32 = 19;

/// Runs `trace generate`.
pub fn run(args: &Args) -> Outcome {
    let plan = load::plan(&args.scenario, &args.set)?;
    let workload = generated(&plan, args.workload.as_deref())?;
    if matches!(&workload.kind, WorkloadKind::Synthetic(params) if params.clients.is_some()) {
        return Err(Failure::usage(anyhow!(
            "the clients of `{}` send when they are answered, so only a run knows their times: \
             `regionsim run --policy NAME --export-trace FILE` writes them",
            workload.name
        )));
    }
    let seed = args.seed.unwrap_or(plan.seed);
    let (table, block_tokens) = (plan.world.origin_table(), plan.world.block_tokens);
    let mut out = Output::open(&args.out, LEVEL)?;
    let written = match &workload.kind {
        WorkloadKind::Synthetic(params) => {
            generate_workload(workload, params, &table, block_tokens, seed, &mut out)?
        }
        WorkloadKind::Pool(_) | WorkloadKind::Trace(_) => {
            generate_pool(workload, &table, block_tokens, seed, &mut out)?
        }
    };
    out.finish()?;
    terminal::note(&format!("{} requests in {} sessions, seed {seed}", written.requests, written.sessions));
    Ok(Exit::Ok)
}

/// The generated workload that is meant.
fn generated<'p>(plan: &'p Plan, name: Option<&str>) -> Result<&'p WorkloadParams, Failure> {
    let drawn = |workload: &&WorkloadParams| !matches!(workload.kind, WorkloadKind::Trace(_));
    let all: Vec<&WorkloadParams> = plan.world.workloads.iter().filter(drawn).collect();
    let names = || all.iter().map(|workload| workload.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, all.as_slice()) {
        (_, []) => Err(Failure::usage(anyhow!("the scenario generates no workload: it only replays traces"))),
        (None, [one]) => Ok(*one),
        (None, _) => {
            Err(Failure::usage(anyhow!("name one with --workload: the scenario generates {}", names())))
        }
        (Some(name), _) => {
            let found = all.iter().find(|workload| workload.name == name).copied();
            found.ok_or_else(|| {
                Failure::usage(anyhow!("it generates no workload `{name}`; it has {}", names()))
            })
        }
    }
}
