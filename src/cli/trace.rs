//! `trace`: work with traces. One file a subcommand.

mod generate;
mod output;
mod reading;
mod stats;

use super::{Outcome, load, terminal};

/// Work with traces.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TraceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TraceCommand {
    Stats(stats::Args),
    Generate(generate::Args),
}

/// Runs `trace`.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        TraceCommand::Stats(args) => stats::run(args),
        TraceCommand::Generate(args) => generate::run(args),
    }
}
