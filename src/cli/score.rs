//! `score`: published benchmarks, or a user's own measurements, beside what a simulation says of them.

use super::exit::{Exit, Failure, Invalid};
use super::load::load;
use super::one_file::{OneFile, stdout_of};
use super::progress::Progress;
use super::{Outcome, print, terminal};
use crate::report::scorecard::{Scorecard, render_measured};
use crate::scenario::nearest::suggest;
use crate::score::{self, MeasuredTimes, Observed, Suite, compare, judge, play, read_measured};
use anyhow::anyhow;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hold simulations against published benchmarks, or against your own measurements.
///
/// Runs the scenarios of expectation files (*.expect.toml) and prints what was published, what the simulation says, and whether
/// that is near enough. With --measured, runs one scenario and compares it with a CSV of measured requests, policy by
/// policy. docs/SCORE.md describes both.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim score
  regionsim score scenarios/published/kubeai-chwbl.expect.toml
  regionsim score --markdown docs/VALIDATION.md
  regionsim score last-week.toml --measured last-week.csv

Exit codes:
  0  every expectation that gates holds
  1  one that gates missed")]
pub struct Args {
    /// Expectation files, or folders of them; with --measured, one scenario.
    #[arg(default_value = "scenarios/published")]
    paths: Vec<PathBuf>,
    /// Compare with these measured requests: a CSV with some of ttft_ms, e2e_ms, tpot_ms and, of several policies, the column policy.
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
    /// With --measured: override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "measured")]
    set: Vec<String>,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Also write the scorecard as a page.
    #[arg(long, value_name = "FILE", conflicts_with = "measured")]
    markdown: Option<PathBuf>,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs `score`.
pub fn run(args: &Args) -> Outcome {
    let mut threads = rayon::ThreadPoolBuilder::new();
    if let Some(count) = args.threads {
        threads = threads.num_threads(count as usize);
    }
    let threads = threads.build()?;
    match &args.measured {
        Some(measured) => threads.install(|| against(args, measured)),
        None => threads.install(|| suites(args)),
    }
}

/// All expectation files, those of a folder by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            let scenario = path.extension().is_some_and(|ending| ending == "toml") && !is_suite(path);
            if scenario {
                return Err(Failure::usage(anyhow!(
                    "{}: an expectation file ends in .expect.toml; for a scenario and your own measurements add --measured FILE",
                    path.display()
                )));
            }
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(Failure::usage)?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut found = entries.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
        found.retain(|path| is_suite(path));
        found.sort();
        if found.is_empty() {
            return Err(Failure::usage(anyhow!(
                "{}: there is no *.expect.toml in this folder",
                path.display()
            )));
        }
        files.extend(found);
    }
    Ok(files)
}

fn is_suite(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".expect.toml"))
}

fn suites(args: &Args) -> Outcome {
    // Opened before the work: a bad path fails now.
    let stdout = stdout_of(&[("--markdown", args.markdown.as_deref())], args.json)?;
    let page = args.markdown.as_deref().map(OneFile::open).transpose()?;
    let (mut suites, mut wrong): (Vec<Suite>, Vec<_>) = (Vec::new(), Vec::new());
    let read: Vec<_> = files(&args.paths)?.par_iter().map(|path| score::load(path)).collect();
    for found in read {
        match found {
            Ok(suite) => suites.push(suite),
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if let Some(last) = wrong.pop() {
        for diagnostics in wrong {
            terminal::plain(&diagnostics.render(terminal::stderr_colour()));
        }
        return Err(Failure { exit: Exit::Usage, error: Invalid(last).into() });
    }
    let cells: usize = suites
        .iter()
        .map(|suite| suite.seeds as usize * suite.runs.iter().map(|run| run.policies.len()).sum::<usize>())
        .sum();
    let (progress, left) = (Progress::new(cells, args.quiet), AtomicUsize::new(cells));
    let played = play(&suites, || progress.left(left.fetch_sub(1, Ordering::Relaxed) - 1));
    progress.finish();
    let played = played.map_err(|error| anyhow!(error))?;
    let scored: Vec<_> =
        suites.iter().zip(&played).map(|(suite, played)| (suite, judge(suite, played))).collect();
    let card = Scorecard::of(&scored);
    if let Some(page) = page {
        page.write(card.markdown())?;
    }
    if stdout.is_none() {
        print(&if args.json { serde_json::to_string_pretty(&card)? + "\n" } else { card.render() })?;
    }
    Ok(if card.failed > 0 { Exit::GateBreached } else { Exit::Ok })
}

fn against(args: &Args, measured: &Path) -> Outcome {
    let [scenario] = args.paths.as_slice() else {
        return Err(Failure::usage(anyhow!(
            "--measured goes with one scenario; there are {}",
            args.paths.len()
        )));
    };
    if scenario.is_dir() {
        return Err(Failure::usage(anyhow!(
            "--measured goes with a scenario file: name it before --measured"
        )));
    }
    let shown = measured.display();
    let file = std::fs::File::open(measured).map_err(|error| Failure::usage(anyhow!("{shown}: {error}")))?;
    let loaded = load(&scenario.to_string_lossy(), &args.set, args.quiet)?;
    let policies = &loaded.plan.policies;
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let times = read_measured(std::io::BufReader::new(file), &names)
        .map_err(|error| Failure::usage(anyhow!("{shown}: {error}")))?;
    for name in times.keys() {
        if !names.contains(&name.as_str()) {
            let hint = suggest(name, "its policies are", names.iter().copied());
            return Err(Failure::usage(anyhow!("{shown}: the scenario has no policy `{name}`; {hint}")));
        }
    }
    if times.is_empty() {
        return Err(Failure::usage(anyhow!("{shown}: there is no request in it")));
    }
    if times.values().all(MeasuredTimes::is_empty) {
        return Err(Failure::usage(anyhow!(
            "{shown}: no request in it has a time; fill ttft_ms, e2e_ms or tpot_ms, in milliseconds"
        )));
    }
    let wanted: Vec<_> = policies.iter().filter(|policy| times.contains_key(&policy.name)).collect();
    let run = |policy: &&crate::world::PolicyParams| Observed::run(&loaded.cell(policy, loaded.plan.seed));
    let observed: Vec<Observed> = wanted.par_iter().map(run).collect::<Result<_, _>>()?;
    let pairs: Vec<_> = wanted
        .iter()
        .zip(&observed)
        .map(|(policy, observed)| (policy.name.clone(), &times[&policy.name], observed))
        .collect();
    let (policies, orders) = compare(&pairs);
    let text = if args.json {
        let all = serde_json::json!({ "scenario": loaded.plan.name, "provenance": *loaded.provenance, "policies": policies, "orders": orders });
        serde_json::to_string_pretty(&all)? + "\n"
    } else {
        render_measured(&policies, &orders)
    };
    print(&text)?;
    Ok(Exit::Ok)
}
