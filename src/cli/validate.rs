//! `validate`: everything that is wrong with a scenario, and nothing run.

use super::Outcome;

/// Check scenarios without running them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim validate my-scenario.toml
  regionsim validate my-scenario.toml --set regions.us.pools.main.replicas=4 --show-plan")]
pub struct Args {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// Override a value, as often as needed.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Print the plan: every default explicit.
    #[arg(long)]
    show_plan: bool,
}

/// Runs `validate`.
pub fn run(args: &Args) -> Outcome {
    let _ = (&args.set, args.show_plan);
    Err(anyhow::anyhow!("{}: not there yet", args.scenario).into())
}
