//! `policies`: the registry, as a list or one policy with its parameters.

use super::exit::{Exit, Failure};
use super::{Outcome, no_such, print};
use crate::routing::{PolicyEntry, REGISTRY};
use std::fmt::Write;

/// List the routing policies, or show one with its parameters.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim policies
  regionsim policies chwbl")]
pub struct Args {
    /// The policy to show.
    name: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn json(entry: &PolicyEntry) -> serde_json::Value {
    serde_json::json!({
        "name": entry.name,
        "tier": entry.tier.name(),
        "summary": entry.summary,
        "source": entry.source,
        "params": (entry.params)(),
    })
}

/// Runs `policies`.
pub fn run(args: &Args) -> Outcome {
    let entries: Vec<&PolicyEntry> = match &args.name {
        None => REGISTRY.iter().collect(),
        Some(name) => {
            let found = REGISTRY.iter().find(|entry| entry.name == name);
            vec![found.ok_or_else(|| unknown(name))?]
        }
    };
    let mut out = String::new();
    if args.json {
        let list: Vec<_> = entries.iter().map(|entry| json(entry)).collect();
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(&list)?);
    } else if args.name.is_some() {
        for entry in entries {
            show(&mut out, entry);
        }
    } else {
        let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for entry in entries {
            let _ = writeln!(out, "{:width$}  {:7}  {}", entry.name, entry.tier.name(), entry.summary);
        }
        out.push_str("\nregionsim policies NAME shows parameters, defaults and sources.\n");
    }
    print(&out)?;
    Ok(Exit::Ok)
}

fn unknown(name: &str) -> Failure {
    no_such("there is no policy", name, REGISTRY.iter().map(|entry| entry.name))
}

fn show(out: &mut String, entry: &PolicyEntry) {
    let _ = writeln!(out, "{}: {}", entry.name, entry.summary);
    let _ = writeln!(out, "tier: {}\nsource: {}", entry.tier.name(), entry.source);
    let params = (entry.params)();
    if params.is_empty() {
        out.push_str("no parameters\n");
    }
    for param in params {
        let _ = writeln!(out, "\n  {} = {}\n      {}", param.name, param.default, param.doc);
    }
}
