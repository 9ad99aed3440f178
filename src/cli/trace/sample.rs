//! `trace sample`: a part of a trace that is like the whole.

use super::super::exit::{Exit, Failure};
use super::output::{LEVEL, Output};
use super::reading::Reading;
use super::{Outcome, terminal};
use crate::time::Span;
use crate::units::parse_duration;
use crate::workload::subset::{Part, subset};
use crate::workload::write::write_native;
use anyhow::anyhow;

/// Write a part of a trace, in the native format: a share of its sessions, so many requests, or a window of time.
///
/// Sessions stay whole. Where a trace names none, requests that continue each other's prompts stay together, so that
/// a sample reuses as much of its prompts as they do. Each session is drawn for itself, by its number or by what its
/// first request says: the order of lines does not matter, and a larger share holds a smaller one of the same seed.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("part").required(true).args(["share", "requests", "window"]),
    after_long_help = "Examples:
  regionsim trace sample chat.jsonl.zst --share 0.1 --out tenth.jsonl.zst
  regionsim trace sample chat.jsonl.zst --requests 2000 --seed 7 --out small.jsonl.zst
  regionsim trace sample chat.jsonl.zst --window 10m..20m | regionsim trace stats -"
)]
pub struct Args {
    /// The trace; `-` is stdin.
    input: String,
    /// This share of the sessions, 0 to 1.
    #[arg(long, value_parser = share)]
    share: Option<f64>,
    /// As many sessions as fit into so many requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Sessions that begin in this window, as 10m..20m; times then count from its beginning.
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    window: Option<(u64, u64)>,
    /// The seed of the draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file, compressed if its name ends in .zst or .gz; `-` is stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: String,
    #[command(flatten)]
    reading: Reading,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "a share lies above 0 and is at most 1".to_owned())
}

fn window(text: &str) -> Result<(u64, u64), String> {
    let rule = || "a window is FROM..TO, as 90s..5m, and does not end before it begins".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(rule)?;
    let part = |text: &str| parse_duration(text).map(|span| span.0).map_err(|error| format!("{error}"));
    let (from, to) = (part(from)?, part(to)?);
    if from < to { Ok((from, to)) } else { Err(rule()) }
}

/// Runs `trace sample`.
pub fn run(args: &Args) -> Outcome {
    let mut out = Output::open(&args.out, LEVEL)?;
    let data = args.reading.read(&args.input)?;
    let seed = args.seed;
    let (part, words) = match (args.share, args.requests, args.window) {
        (Some(share), ..) => (Part::Share { share, seed }, format!("--share {share} --seed {seed}")),
        (_, Some(count), _) => (Part::Requests { count, seed }, format!("--requests {count} --seed {seed}")),
        (.., Some((from, to))) => {
            (Part::Window { from, to }, format!("--window {}..{}", Span(from), Span(to)))
        }
        (None, None, None) => {
            return Err(Failure::usage(anyhow!("say which part: --share, --requests or --window")));
        }
    };
    let sample = subset(&data, part);
    if sample.rows.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no request of {} falls into this part: take a larger one",
            data.path
        )));
    }
    write_native(&sample, &format!("regionsim trace sample {words}"), &mut out)?;
    out.finish()?;
    terminal::note(&format!("{} of {} requests", sample.rows.len(), data.rows.len()));
    Ok(Exit::Ok)
}
