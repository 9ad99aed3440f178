//! `trace`: work with traces. One file a subcommand.

mod convert;
mod generate;
mod head;
pub(super) mod output;
mod reading;
mod sample;
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
    Convert(convert::Args),
    Sample(sample::Args),
    Head(head::Args),
    Generate(generate::Args),
}

/// Runs `trace`.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        TraceCommand::Stats(args) => stats::run(args),
        TraceCommand::Convert(args) => convert::run(args),
        TraceCommand::Sample(args) => sample::run(args),
        TraceCommand::Head(args) => head::run(args),
        TraceCommand::Generate(args) => generate::run(args),
    }
}
