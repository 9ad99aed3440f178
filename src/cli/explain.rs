//! `explain`: why one request went where it went.

use super::exit::{Exit, Failure};
use super::load::{COPY, Source, load, prepare};
use super::{Outcome, no_such, print, terminal};
use crate::id::RequestId;
use crate::report::explain;
use crate::report::manifest::{Manifest, ManifestCell};
use crate::run::{Prepared, explain_cell, labels};
use anyhow::anyhow;
use std::path::{Path, PathBuf};

/// Explain where a request was sent: what the router saw, what was true, and what would have been better.
///
/// Runs the scenario until the request has ended. Each try is shown with the targets that filters took out, what the
/// policy weighed for each of the rest and how old that was, the load and cache that each replica really had, and an
/// estimate of the time to first token there. Numbers of requests are those of requests.csv.
///
/// Given the folder that a run has written, it takes scenario, overrides, policy and seed from there, and makes sure that
/// they are still what was run.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim explain scenarios/three-regions.toml 812 --policy gorgo
  regionsim explain reports/three-regions 812 --policy gorgo
  regionsim explain scenarios/three-regions.toml 812 --policy gorgo --json | jq '.decisions[0].regret_ns'")]
pub struct Args {
    /// The scenario file, `-` for stdin, or the folder of a run.
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
    /// With the folder of a run: where the paths in its scenario start, if it names files; the folder itself where it is
    /// not given.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
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
    let folder = Path::new(&args.scenario);
    let run = folder.is_dir().then(|| Run::read(folder, args)).transpose()?;
    if run.is_none() && args.base.is_some() {
        return Err(Failure::usage(anyhow!(
            "`--base` is for the folder of a run; paths in a scenario file start from its own folder"
        )));
    }
    let loaded = match &run {
        Some(run) => run.load(args)?,
        None => load(&args.scenario, &args.set, true)?,
    };
    let cell = run.as_ref().map(|run| run.cell(args)).transpose()?;
    let policies = &loaded.plan.policies;
    let policy = match cell.as_ref().map(|cell| &cell.policy).or(args.policy.as_ref()) {
        None => policies.first(),
        Some(name) => policies.iter().find(|policy| policy.name == *name),
    };
    let Some(policy) = policy else {
        let known = policies.iter().map(|policy| policy.name.as_str());
        return Err(no_such("the scenario has no policy", args.policy.as_deref().unwrap_or_default(), known));
    };
    let seed = cell.map_or_else(|| args.seed.unwrap_or(loaded.plan.seed), |cell| cell.seed);
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

/// What a run has written about itself.
struct Run {
    folder: PathBuf,
    manifest: Manifest,
    text: String,
}

impl Run {
    fn read(folder: &Path, args: &Args) -> Result<Run, Failure> {
        let shown = folder.display();
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).map_err(|error| {
                Failure::usage(anyhow!(
                    "`{shown}` is not the folder of a run: it has no `{name}` that can be read ({error}); give a scenario \
                     file, or what `regionsim run --out` has written"
                ))
            })
        };
        let manifest = serde_json::from_str(&read("manifest.json")?).map_err(|error| {
            Failure::usage(anyhow!(
                "`{shown}/manifest.json` is not a manifest of this version: {error}; run again"
            ))
        })?;
        if !args.set.is_empty() {
            return Err(Failure::usage(anyhow!(
                "`--set` changes a scenario, and `{shown}` is a run of one with its own overrides: give the scenario file"
            )));
        }
        Ok(Run { folder: folder.to_owned(), manifest, text: read(COPY)? })
    }

    /// The scenario that was run; an error where it is no longer the same.
    fn load(&self, args: &Args) -> Result<Prepared, Failure> {
        let source = Source {
            file: self.folder.join(COPY).display().to_string(),
            text: self.text.clone(),
            folder: args.base.clone().unwrap_or_else(|| self.folder.clone()),
            stem: self.manifest.scenario.clone(),
        };
        let plan = source.plan(&self.manifest.overrides);
        if plan.is_err() && args.base.is_none() {
            terminal::note(
                "paths in it start from the run's folder here; `--base DIR` names the folder they are of",
            );
        }
        let loaded = prepare(plan?, true);
        let (was, is) = (&self.manifest, &loaded.provenance);
        if (&was.scenario_hash, &was.workload_hashes) != (&is.scenario_hash, &is.workload_hashes) {
            return Err(Failure::usage(anyhow!(
                "`{}` was written by {}, and its scenario means something else now: this is regionsim {}, or a file that it \
                 names has changed; run it again",
                self.folder.display(),
                was.tool,
                is.tool_version,
            )));
        }
        Ok(loaded)
    }

    /// The cell that is asked for: the first that the options leave.
    fn cell(&self, args: &Args) -> Result<ManifestCell, Failure> {
        let cells = &self.manifest.cells;
        let of = |cell: &&ManifestCell| args.policy.as_ref().is_none_or(|name| *name == cell.policy);
        let Some(first) = cells.iter().find(of) else {
            let known = cells.iter().map(|cell| cell.policy.as_str());
            return Err(no_such("the run has no policy", args.policy.as_deref().unwrap_or_default(), known));
        };
        let found = cells.iter().filter(of).find(|cell| args.seed.is_none_or(|seed| seed == cell.seed));
        found.cloned().ok_or_else(|| {
            let seeds: Vec<String> = (cells.iter().filter(|cell| cell.policy == first.policy))
                .map(|cell| cell.seed.to_string())
                .collect();
            Failure::usage(anyhow!(
                "the run has no seed {} of `{}`; it has {}",
                args.seed.unwrap_or_default(),
                first.policy,
                seeds.join(", ")
            ))
        })
    }
}
