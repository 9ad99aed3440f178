//! `trace convert`: a trace in another format.

use super::super::exit::{Exit, Failure};
use super::output::{LEVEL, Output};
use super::reading::Reading;
use super::{Outcome, terminal};
use crate::workload::to_mooncake::{mooncake_losses, write_mooncake};
use crate::workload::write::write_native;
use anyhow::anyhow;

/// Write a trace in another format. Prompts are never in a trace: only lengths and block ids are written.
///
/// What the target cannot hold is said. Where a replay would send other requests than before, nothing is written unless
/// --lossy is given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace convert conversation_trace.jsonl conversation.jsonl.zst
  regionsim trace convert chat.jsonl.zst chat-mooncake.jsonl --to mooncake --lossy
  zstdcat log.zst | regionsim trace convert - - --to native | head -3")]
pub struct Args {
    /// The trace; `-` is stdin.
    input: String,
    /// The file, compressed if its name ends in .zst or .gz; `-` is stdout.
    output: String,
    /// The format to write.
    #[arg(long, value_enum, default_value_t)]
    to: Target,
    /// Write even if the target cannot hold what makes the requests what they are.
    #[arg(long)]
    lossy: bool,
    #[command(flatten)]
    reading: Reading,
}

/// What can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// regionsim's own JSON lines: hold everything.
    #[default]
    Native,
    /// Mooncake's JSON lines: times, lengths, block ids of prompts, sessions.
    Mooncake,
}

/// Runs `trace convert`.
pub fn run(args: &Args) -> Outcome {
    let mut out = Output::open(&args.output, LEVEL)?;
    let data = args.reading.read(&args.input)?;
    match args.to {
        Target::Native => {
            write_native(&data, &format!("regionsim trace convert, from {}", data.format), &mut out)?
        }
        Target::Mooncake => {
            let losses = mooncake_losses(&data);
            if !losses.meaning.is_empty() && !args.lossy {
                let list = losses.meaning.iter().map(|loss| format!("\n  {loss}")).collect::<String>();
                return Err(Failure::usage(anyhow!(
                    "Mooncake's format cannot hold what makes these requests what they are:{list}\n\
                     give --lossy to write the rest, or convert to native"
                )));
            }
            losses.meaning.iter().for_each(|loss| terminal::warning(&format!("lost: {loss}")));
            losses.harmless.iter().for_each(|loss| terminal::note(loss));
            write_mooncake(&data, &mut out)?;
        }
    }
    out.finish()?;
    terminal::note(&format!("{} requests written", data.rows.len()));
    Ok(Exit::Ok)
}
