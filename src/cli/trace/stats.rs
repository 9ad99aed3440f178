//! `trace stats`: what traces are like.

use super::super::exit::{Exit, Failure};
use super::super::one_file::{OneFile, stdout_of};
use super::super::print;
use super::Outcome;
use super::reading::Reading;
use crate::report::{trace_plots, trace_table};
use crate::workload::stats::{StatsOptions, TraceStats, trace_stats};
use anyhow::anyhow;
use std::path::PathBuf;

/// Describe traces: rates, bursts, lengths, sessions, and what caches could find again.
///
/// All figures are exact. Requests that wait for an answer have no time of their own: rates leave them out, and for
/// caches they are put in order as if answers took no time. docs/model/traces.md defines every figure.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace stats traces/chat-3-regions.jsonl.zst
  regionsim trace stats monday.jsonl tuesday.jsonl --svg week.svg
  regionsim trace stats conversation_trace.jsonl --cache-tokens 1M --cache-tokens 3M
  regionsim trace stats traces/chat-3-regions.jsonl.zst --json | jq '.[0].blocks.hit_bound'")]
pub struct Args {
    /// The traces; `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Also draw rate, lengths and LRU curve.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// A cache size for the LRU curve, as 500000, 500k or 3M tokens; may be repeated.
    #[arg(long, value_name = "TOKENS", value_parser = tokens)]
    cache_tokens: Vec<u64>,
    #[command(flatten)]
    reading: Reading,
}

fn tokens(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        Some((at, 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let value = digits.parse::<u64>().ok().and_then(|value| value.checked_mul(unit));
    value
        .filter(|&value| value > 0)
        .ok_or_else(|| "a whole number above 0, with k, M or G or without".to_owned())
}

/// Runs `trace stats`.
pub fn run(args: &Args) -> Outcome {
    if args.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::usage(anyhow!("stdin (`-`) can be read once only")));
    }
    // Opened before the work: a bad path fails now.
    let stdout = stdout_of(&[("--svg", args.svg.as_deref())], args.json)?;
    let svg = args.svg.as_deref().map(OneFile::open).transpose()?;
    let options = StatsOptions { cache_tokens: args.cache_tokens.clone() };
    let mut all: Vec<TraceStats> = Vec::new();
    for file in &args.files {
        // One at a time: only the figures of the last trace are kept beside the next.
        all.push(trace_stats(&args.reading.read(file)?, &options));
    }
    if let Some(file) = svg {
        file.write(trace_plots::draw(&all)?)?;
    }
    if stdout.is_none() {
        print(&if args.json {
            serde_json::to_string_pretty(&all)? + "\n"
        } else {
            trace_table::render(&all)
        })?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn sizes_have_units() {
        assert_eq!([tokens("512"), tokens("3M"), tokens("20k")], [Ok(512), Ok(3_000_000), Ok(20_000)]);
        for wrong in ["", "M", "0", "-3", "1.5M", "3MB", "99999999999999999999", "99999999999999G"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }
}
