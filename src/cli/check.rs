//! `check`: a suite of scenarios against bounds and against a baseline, for CI.

use super::cells::{self, Cell};
use super::exit::{Exit, Failure, Invalid};
use super::load::plan;
use super::one_file::{OneFile, folder, stdout_of};
use super::paired::{self, Paired};
use super::{Outcome, no_such, print, terminal};
use crate::gate::baseline::SCHEMA_VERSION;
use crate::gate::judge::{Judged, Standing, gone, judge};
use crate::gate::{Baseline, Entry, Recorded, Suite, held, junit, markdown, suite, table};
use crate::report::CellSummary;
use crate::report::experiment::checked;
use crate::run::Prepared;
use anyhow::{Context, anyhow};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Hold a suite of scenarios against bounds and against what they gave before, for CI.
///
/// Runs every scenario of the suite under several seeds. A policy fails where a bound is broken, where a measure is worse
/// than the baseline's by more than its margin, or where a scenario is exact and an outcome differs. Where scenario, trace
/// or version are not those of the baseline, that is said, and never a pass.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim check scenarios/suites/policy-quality.toml --baseline scenarios/suites/policy-quality.baseline.json
  regionsim check suite.toml --baseline baseline.json --junit report.xml --markdown summary.md
  regionsim check suite.toml --baseline baseline.json --update
  regionsim check suite.toml

Exit codes:
  0  every policy passes
  1  a bound is broken, a measure worse, or an exact outcome changed
  2  the suite, a scenario or the command line is wrong
  4  a policy cannot be compared with the baseline; with --strict also where nothing can be told")]
pub struct Args {
    /// The suite, or a scenario with `[gates]`.
    suite: String,
    /// What it gave before; without it bounds alone are held.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the baseline anew from this run. Bounds are still held.
    #[arg(long, requires = "baseline")]
    update: bool,
    /// Only these scenarios of the suite; may be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "update")]
    scenario: Vec<String>,
    /// Also write JUnit XML; `-` prints it in place of the list.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also append a table in Markdown, as for a job's summary; `-` prints it in place of the list.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also print a line for each failure that GitHub shows beside the change.
    #[arg(long)]
    annotate: bool,
    /// Also write check.json (what `--json` prints) and pairs.csv (each pair's values) to this folder.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Also draw the figures of `regionsim plot DIR`, as SVG, into its folder `plots`.
    #[arg(long, requires = "out")]
    plots: bool,
    /// End with code 4 where a verdict is inconclusive.
    #[arg(long)]
    strict: bool,
    /// Print JSON instead of the list.
    #[arg(long, conflicts_with = "annotate")]
    json: bool,
    /// Also print the comparison of every policy that does not pass.
    #[arg(long, short)]
    verbose: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    schema_version: u32,
    suite: &'a str,
    tool_version: &'static str,
    policies: &'a [Judged],
}

/// Files that are written at the end, opened before the work.
struct Files {
    baseline: Option<OneFile>,
    junit: Option<OneFile>,
    markdown: Option<OneFile>,
    /// What other steps of a job have written where the Markdown goes: it stays.
    before: Vec<u8>,
}

/// Refuses outputs that would meet each other; reads what `--markdown` is appended to.
fn outputs(args: &Args) -> Result<Vec<u8>, Failure> {
    if args.junit.is_some() && args.junit == args.markdown {
        return Err(Failure::usage(anyhow!("--junit and --markdown are two files")));
    }
    let file = |path: &&PathBuf| !path.starts_with("/dev") && path.as_path() != Path::new("-");
    let Some(path) = args.markdown.as_ref().filter(file) else {
        return Ok(Vec::new());
    };
    match std::fs::read(path) {
        Ok(before) => Ok(before),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::usage(anyhow!("{}: {error}", path.display()))),
    }
}

/// Runs `check`.
pub fn run(args: &Args) -> Outcome {
    let suite = read(args)?;
    let old = args.baseline.as_deref().filter(|_| !args.update).map(baseline).transpose()?;
    let flags = [("--junit", args.junit.as_deref()), ("--markdown", args.markdown.as_deref())];
    let stdout = stdout_of(&flags, args.json || args.annotate)?;
    let before = outputs(args)?;
    let ready = suite.entries.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    let held = ready.iter().any(|(entry, _)| !entry.thresholds.is_empty());
    if args.baseline.is_none() && !held {
        return Err(Failure::usage(anyhow!(
            "there is nothing to hold {} to; give `--baseline FILE`, or write bounds: `[gates]` in a scenario, \
             `thresholds` in a suite",
            args.suite
        )));
    }
    let open = |path: Option<&PathBuf>| path.map(|path| OneFile::open(path)).transpose();
    let files = Files {
        baseline: open(args.baseline.as_ref().filter(|_| args.update))?,
        junit: open(args.junit.as_ref())?,
        markdown: open(args.markdown.as_ref())?,
        before,
    };
    let folder = args.out.as_deref().map(|out| Paired::open(out, checked::FILE)).transpose()?;
    let all: Vec<Cell> = ready.iter().flat_map(|(entry, prepared)| cells_of(entry, prepared)).collect();
    let summaries = cells::run("check", &all, args.threads, args.quiet)?;
    let mut summaries = summaries.as_slice();
    let mut now = Baseline::new();
    let mut judged = Vec::new();
    let mut values = Vec::new();
    for (entry, prepared) in &ready {
        let (own, rest) = summaries.split_at(cells_of(entry, prepared).len());
        summaries = rest;
        let recorded = record(entry, prepared, own)?;
        for policy in policies(entry, prepared) {
            let samples = recorded.policies.get(policy).map_or(&[][..], Vec::as_slice);
            let found = judge(entry, policy, samples, &recorded, old.as_ref());
            let before = old.as_ref().and_then(|old| old.scenarios.get(&entry.name)?.policies.get(policy));
            if let (Some(comparison), Some(before)) = (&found.comparison, before) {
                values.extend(paired::values(judged.len() + 1, comparison, before, samples));
            }
            judged.push(found);
        }
        now.scenarios.insert(entry.name.clone(), recorded);
    }
    if let Some(old) = old.as_ref().filter(|_| args.scenario.is_empty()) {
        judged.extend(gone(&suite.entries, &now, old));
    }
    write(files, args, &suite.name, &judged, &now)?;
    if let Some(folder) = folder {
        folder.write(&document(&suite.name, &judged)?, &values, args.plots)?;
    }
    if stdout.is_none() {
        show(args, &suite.name, &judged)?;
    }
    let worst = judged.iter().map(|judged| judged.standing).max().unwrap_or(Standing::Pass);
    Ok(match worst {
        Standing::Fail => Exit::GateBreached,
        Standing::NotComparable => Exit::NotComparable,
        Standing::Inconclusive if args.strict => Exit::NotComparable,
        Standing::Inconclusive | Standing::Pass => Exit::Ok,
    })
}

fn read(args: &Args) -> Result<Suite, Failure> {
    let path = Path::new(&args.suite);
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: a suite is a file that can be read", args.suite))
        .map_err(Failure::usage)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut suite = if suite::is_scenario(&text) {
        Suite::of_scenario(path)
    } else {
        suite::parse(&args.suite, &text, folder)
            .map_err(|diagnostics| Failure { exit: Exit::Usage, error: Invalid(diagnostics).into() })?
    };
    if let Some(unknown) =
        args.scenario.iter().find(|name| suite.entries.iter().all(|entry| entry.name != **name))
    {
        let known = suite.entries.iter().map(|entry| entry.name.as_str());
        return Err(no_such("the suite has no scenario", unknown, known));
    }
    suite.entries.retain(|entry| args.scenario.is_empty() || args.scenario.contains(&entry.name));
    Ok(suite)
}

fn baseline(path: &Path) -> Result<Baseline, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{shown}: the baseline cannot be read; `--update` writes it"))
        .map_err(|error| Failure { exit: Exit::NotComparable, error })?;
    let read = serde_json::from_str::<Baseline>(&text).map_err(anyhow::Error::new).and_then(|baseline| {
        let version = baseline.schema_version;
        anyhow::ensure!(
            version == SCHEMA_VERSION,
            "its schema_version is {version}, and this version reads {SCHEMA_VERSION}"
        );
        Ok(baseline)
    });
    read.with_context(|| {
        format!("{shown} is no baseline that this version can read; `--update` writes it anew")
    })
    .map_err(|error| Failure { exit: Exit::NotComparable, error })
}

/// An entry with the gates of its scenario among its bounds.
fn prepare(entry: &Entry) -> Result<(Entry, Prepared), Failure> {
    let mut entry = entry.clone();
    let prepared = Prepared::of(plan(&entry.file.to_string_lossy(), &entry.set)?);
    let known = || prepared.plan.policies.iter().map(|policy| policy.name.as_str());
    if let Some(unknown) = entry.policies.iter().find(|name| known().all(|other| other != **name)) {
        let rule = format!("scenario `{}` of the suite has no policy", entry.name);
        return Err(no_such(&rule, unknown, known()));
    }
    entry.thresholds.extend(held::thresholds(&prepared.plan.gates)?);
    Ok((entry, prepared))
}

/// The policies of an entry, in the order of its scenario.
fn policies<'p>(entry: &'p Entry, prepared: &'p Prepared) -> impl Iterator<Item = &'p str> {
    let all = prepared.plan.policies.iter().map(|policy| policy.name.as_str());
    all.filter(|name| entry.policies.is_empty() || entry.policies.iter().any(|chosen| chosen == name))
}

fn cells_of<'p>(entry: &'p Entry, prepared: &'p Prepared) -> Vec<Cell<'p>> {
    let first = entry.seed.unwrap_or(prepared.plan.seed);
    let seeds = (0..entry.seeds).map(move |i| first.wrapping_add(u64::from(i)));
    let chosen = policies(entry, prepared);
    let chosen = chosen.filter_map(|name| prepared.plan.policies.iter().find(|policy| policy.name == name));
    chosen.flat_map(|policy| seeds.clone().map(move |seed| Cell { prepared, policy, seed })).collect()
}

/// What its runs gave, as a baseline keeps it.
fn record(entry: &Entry, prepared: &Prepared, summaries: &[CellSummary]) -> Result<Recorded, Failure> {
    let thresholds = entry.thresholds.iter().map(|threshold| &threshold.metric);
    let asked: Vec<_> = entry.tolerance.iter().map(|gate| &gate.metric).chain(thresholds).collect();
    let samples = cells::sample(summaries, &asked)?;
    let mut by_policy = samples.chunks(entry.seeds as usize);
    let policies = policies(entry, prepared)
        .map(|policy| (policy.to_string(), by_policy.next().map(<[_]>::to_vec).unwrap_or_default()));
    Ok(Recorded {
        world_hash: format!("{:016x}", prepared.plan.world_hash()),
        workload_hashes: prepared.provenance.workload_hashes.clone(),
        prices_hash: prepared.plan.prices_hash().map_or_else(String::new, |hash| format!("{hash:016x}")),
        policies: policies.collect(),
    })
}

fn write(files: Files, args: &Args, suite: &str, judged: &[Judged], now: &Baseline) -> Result<(), Failure> {
    if let Some(file) = files.baseline {
        file.write(serde_json::to_string_pretty(now)? + "\n")?;
        if !args.quiet {
            terminal::note("the baseline is written; look at what changed in it before it is committed");
        }
    }
    if let Some(file) = files.junit {
        file.write(junit::render(suite, judged, args.strict))?;
    }
    if let Some(file) = files.markdown {
        let mut page = files.before;
        page.extend_from_slice(markdown::render(suite, judged).as_bytes());
        file.write(page)?;
    }
    Ok(())
}

/// What `--json` prints.
fn document(suite: &str, policies: &[Judged]) -> Result<String, Failure> {
    let printed = Printed { schema_version: 1, suite, tool_version: env!("CARGO_PKG_VERSION"), policies };
    Ok(serde_json::to_string_pretty(&printed)? + "\n")
}

fn show(args: &Args, suite: &str, judged: &[Judged]) -> Result<(), Failure> {
    if args.json {
        return Ok(print(&document(suite, judged)?)?);
    }
    let colour = terminal::stdout_colour();
    let mut out = String::new();
    let width =
        |of: fn(&Judged) -> &str| judged.iter().map(|judged| of(judged).chars().count()).max().unwrap_or(0);
    let (scenario, policy) = (width(|judged| &judged.scenario), width(|judged| &judged.policy));
    for judged in judged {
        let (on, off) = match judged.standing {
            Standing::Fail if colour => ("\x1b[31m", "\x1b[0m"),
            Standing::Pass if colour => ("\x1b[32m", "\x1b[0m"),
            _ => ("", ""),
        };
        let word = markdown::word(judged.standing);
        let equal =
            judged.comparison.as_ref().is_some_and(|found| found.equal_outcomes == found.seeds.len() as u64);
        let note = if equal { "outcomes are those of the baseline" } else { "" };
        let line =
            format!("{on}{word:<14}{off}  {:scenario$}  {:policy$}  {note}", judged.scenario, judged.policy);
        out.push_str(line.trim_end());
        out.push('\n');
        for reason in &judged.reasons {
            let _ = writeln!(out, "                {reason}");
        }
        if let Some(found) =
            judged.comparison.as_ref().filter(|_| args.verbose && judged.standing != Standing::Pass)
        {
            out.push('\n');
            out.push_str(&table::render(found, colour));
            out.push('\n');
        }
    }
    let passed = judged.iter().filter(|judged| judged.standing == Standing::Pass).count();
    let _ = writeln!(out, "\n{passed} of {} policies pass", judged.len());
    if args.annotate {
        for judged in judged.iter().filter(|judged| judged.standing > Standing::Inconclusive) {
            let title = format!("{} {}", judged.scenario, judged.policy);
            let (file, title) = (property(&args.suite), property(&title));
            let _ =
                writeln!(out, "::error file={file},title={title}::{}", message(&judged.reasons.join("; ")));
        }
    }
    Ok(print(&out)?)
}

/// Text inside a workflow command of GitHub.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text inside a property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_reads_is_escaped() {
        assert_eq!(message("100 %\nof it"), "100 %25%0Aof it");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }

    #[test]
    fn what_is_no_baseline_is_not_comparable() -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        let failed = baseline(file.path()).map(|_| ()).map_err(|failure| failure.exit);
        assert_eq!(failed, Err(Exit::NotComparable), "an empty file is no baseline");
        let missing =
            baseline(Path::new("no/such/baseline.json")).map(|_| ()).map_err(|failure| failure.exit);
        assert_eq!(missing, Err(Exit::NotComparable));
        Ok(())
    }
}
