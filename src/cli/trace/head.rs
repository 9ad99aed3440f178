//! `trace head`: the first requests of a trace.

use super::super::exit::Exit;
use super::Outcome;
use super::output::{LEVEL, Output};
use super::reading::Reading;
use crate::workload::write::write_native;

/// Write the first requests of a trace, in the native format.
///
/// Requests count in order of the file, and no more of it is read than they need. Sessions that go on behind them lose
/// their later turns.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace head -n 5 traces/chat-3-regions.jsonl.zst
  regionsim trace head -n 2000 conversation_trace.jsonl --out head.jsonl.zst")]
pub struct Args {
    /// The trace; `-` is stdin.
    input: String,
    /// How many requests.
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// The file, compressed if its name ends in .zst or .gz; `-` is stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: String,
    #[command(flatten)]
    reading: Reading,
}

/// Runs `trace head`.
pub fn run(args: &Args) -> Outcome {
    let mut out = Output::open(&args.out, LEVEL)?;
    let part = args.reading.head(&args.input, args.requests)?;
    write_native(&part, &format!("regionsim trace head -n {}", args.requests), &mut out)?;
    out.finish()?;
    Ok(Exit::Ok)
}
