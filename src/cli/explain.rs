//! `explain`: why one request went where it went.

use super::exit::{Exit, Failure};
use super::load::load;
use super::{Outcome, no_such, print};
use crate::id::RequestId;
use crate::report::explain;
use crate::run::{explain_cell, labels};
use anyhow::anyhow;

/// Explain where a request was sent: what the router saw, what was true, and what would have been better.
///
/// Runs the scenario until the request has ended. Each try is shown with the targets that filters took out, what the
/// policy weighed for each of the rest and how old that was, the load and cache that each replica really had, and an
/// estimate of the time to first token there. Numbers of requests are those of requests.csv.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim explain scenarios/three-regions.toml 812 --policy gorgo
  regionsim explain scenarios/three-regions.toml 812 --policy gorgo --json | jq '.decisions[0].regret_ns'")]
pub struct Args {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// The request's number, `id` in requests.csv.
    #[arg(value_parser = number)]
    request: u32,
    /// The policy; the scenario's first where it is not given.
    #[arg(long, short, value_name = "NAME")]
    policy: Option<String>,
    /// The seed; the scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// As JSON, times in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// The number of a request.
fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        format!("requests are numbered from 0 to {}: write `id` of requests.csv, such as 812", u32::MAX)
    })
}

/// Runs `explain`.
pub fn run(args: &Args) -> Outcome {
    let loaded = load(&args.scenario, &args.set, true)?;
    let policies = &loaded.plan.policies;
    let policy = match &args.policy {
        None => policies.first(),
        Some(name) => policies.iter().find(|policy| policy.name == *name),
    };
    let Some(policy) = policy else {
        let known = policies.iter().map(|policy| policy.name.as_str());
        return Err(no_such("the scenario has no policy", args.policy.as_deref().unwrap_or_default(), known));
    };
    let seed = args.seed.unwrap_or(loaded.plan.seed);
    let input = loaded.cell(policy, seed);
    let found = explain_cell(&input, RequestId(args.request))?;
    if found.row.is_none() {
        let range = match found.arrived {
            0 => "no request arrives".to_string(),
            1 => "the only one is 0".to_string(),
            arrived => format!("they are numbered from 0 to {}", arrived - 1),
        };
        return Err(Failure::usage(anyhow!(
            "there is no request {} under `{}`, seed {seed}: {range}",
            args.request,
            policy.name,
        )));
    }
    let labels = labels(input.world, input.policy, input.gpus);
    if args.json {
        let value = explain::json(&policy.name, seed, &found, &labels);
        print(&(serde_json::to_string_pretty(&value)? + "\n"))?;
    } else {
        print(&explain::render(&policy.name, seed, &found, &labels))?;
    }
    Ok(Exit::Ok)
}
