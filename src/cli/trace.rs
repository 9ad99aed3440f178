//! `trace`: work with traces.

use super::Outcome;

/// Work with traces.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TraceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TraceCommand {
    /// Write a scenario's generated workload as a trace.
    Generate {
        /// The scenario.
        scenario: String,
    },
}

/// Runs `trace`.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        TraceCommand::Generate { scenario } => Err(anyhow::anyhow!("{scenario}: not there yet").into()),
    }
}
