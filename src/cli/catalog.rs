//! `catalog`: what the embedded tables hold, with dates and sources.

use super::Outcome;

/// List the GPUs, models, regions, round-trip tables and profiles that scenarios can name.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim catalog gpus
  regionsim catalog rtt")]
pub struct Args {
    /// Which table.
    #[arg(value_enum)]
    which: Which,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// GPUs.
    Gpus,
    /// Models.
    Models,
    /// Cloud regions.
    Regions,
    /// Round-trip time tables.
    Rtt,
    /// Timing profiles.
    Profiles,
}

/// Runs `catalog`.
pub fn run(args: &Args) -> Outcome {
    Err(anyhow::anyhow!("the catalogue of {:?} is not there yet", args.which).into())
}
