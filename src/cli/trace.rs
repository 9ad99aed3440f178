//! `trace`: work with traces. One file a subcommand.

mod convert;
mod generate;
mod hash;
mod head;
pub(super) mod output;
mod reading;
mod sample;
mod stats;

use super::{Outcome, load, terminal};

/// Work with traces: describe, convert, cut, hash and generate them.
///
/// Traces of all known formats are read, plain or packed; what they are is told by their beginning. docs/formats has a
/// page for each.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace stats traces/chat-3-regions.jsonl.zst
  regionsim trace convert gateway.csv gateway.jsonl.zst --columns time=ts,session=conversation
  regionsim trace sample gateway.jsonl.zst --share 0.1 --out tenth.jsonl.zst")]
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
    Hash(hash::Args),
    Generate(generate::Args),
}

/// Runs `trace`.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        TraceCommand::Stats(args) => stats::run(args),
        TraceCommand::Convert(args) => convert::run(args),
        TraceCommand::Sample(args) => sample::run(args),
        TraceCommand::Head(args) => head::run(args),
        TraceCommand::Hash(args) => hash::run(args),
        TraceCommand::Generate(args) => generate::run(args),
    }
}
