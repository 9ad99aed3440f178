//! `validate`: everything that is wrong with a scenario, and nothing run.

use super::exit::Exit;
use super::load;
use super::{Outcome, print};
use std::fmt::Write;

/// Check scenarios without running them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim validate my-scenario.toml
  regionsim validate my-scenario.toml --set regions.us.pools.main.replicas=4 --show-plan")]
pub struct Args {
    /// The scenario files; `-` reads stdin.
    #[arg(required = true)]
    scenarios: Vec<String>,
    /// Override a value, as often as needed.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Print the plan: every default explicit.
    #[arg(long)]
    show_plan: bool,
}

/// Runs `validate`.
pub fn run(args: &Args) -> Outcome {
    let (mut out, mut failed) = (String::new(), None);
    for file in &args.scenarios {
        let plan = match load::plan(file, &args.set) {
            Ok(plan) => plan,
            // The mistakes of all files, and the code of the last.
            Err(failure) => {
                if let Some(before) = failed.replace(failure) {
                    super::terminal::error(&before.error);
                }
                continue;
            }
        };
        load::tell(&plan, false);
        if args.show_plan {
            let _ = writeln!(out, "{}", plan.to_json());
        } else {
            let replicas: u32 = plan.world.pools.iter().map(|pool| pool.replicas).sum();
            let _ = writeln!(
                out,
                "{file}: fine: {}, {}, {}, {}; scenario {:016x}",
                count(plan.world.regions.len(), "region", "regions"),
                count(replicas as usize, "replica", "replicas"),
                count(plan.world.workloads.len(), "workload", "workloads"),
                count(plan.policies.len(), "policy", "policies"),
                plan.content_hash(),
            );
        }
    }
    print(&out)?;
    failed.map_or(Ok(Exit::Ok), Err)
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
