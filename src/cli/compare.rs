//! `compare`: two sides on the same worlds, seed by seed, with intervals and a verdict.

mod price_of;
mod uncertainty;

use super::cells::{self, Cell};
use super::exit::{Exit, Failure};
use super::load::{plan, tell};
use super::one_file::folder;
use super::paired::{self, Paired};
use super::{Outcome, no_such, print, terminal};
use crate::gate::compare::seeds_for_width;
use crate::gate::{Comparison, Intervals, Margin, Metric, Rules, Sample, Tolerance, compare, table};
use crate::report::Summary;
use crate::report::experiment::compared;
use crate::run::{Prepared, Provenance};
use crate::scenario::nearest::suggest;
use crate::stats::Verdict;
use anyhow::{Context, anyhow};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The loss that does not matter where none is named: our choice, about what a reader of a table calls equal.
const DEFAULT_MARGIN: Margin = Margin::Relative(0.01);
/// Seeds where none are named: with ten, Student's 97.5 % point is 2.26 and no longer 4.3.
const SEEDS: u32 = 10;
/// Pairs before a first look at the width of an interval: with fewer, its spread is a guess.
const FIRST_LOOK: u32 = 5;

/// Compare two sides on the same worlds: is the change better, the same, or worse?
///
/// A side is a scenario, or the folder of a run. Pairs of runs share their seed, so requests, lengths and jitter are
/// the same on both sides, and their differences have far narrower intervals than either side has.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim compare scenarios/three-regions.toml --set regions.eu.pools.main.replicas=5
  regionsim compare scenarios/three-regions.toml --before nearest_chwbl --after gorgo
  regionsim compare old.toml new.toml --policy gorgo --tolerance ttft.p99=3% --tolerance throughput.output_tokens=1%
  regionsim compare reports/monday reports/tuesday --out reports/week --plots
  regionsim compare scenarios/residency-eu.toml --price-of residency --policy gorgo
  regionsim compare scenarios/three-regions.toml --set regions.eu.pools.main.replicas=5 --policy gorgo --until ttft.p99=2%

Exit codes: 1 where a measure named by --tolerance is worse, 4 where the sides have no seed or policy in common, and
with --strict where nothing can be told.")]
pub struct Args {
    /// A scenario file, or the folder of a run.
    before: String,
    /// The other side; where it is not given, the first with what `--set` or `--after` change.
    after: Option<String>,
    /// Override a value of the second side; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Compare the scenario without its residency rules (before) with itself (after): the change is what the rules cost.
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with_all = ["after", "set", "before_policy"])]
    price_of: Option<price_of::What>,
    /// Override a value of both sides; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set_both: Vec<String>,
    /// Compare only this policy, on both sides; may be repeated. All that both have where none is named.
    #[arg(long, short, value_name = "NAME", conflicts_with_all = ["before_policy", "after_policy"])]
    policy: Vec<String>,
    /// The first side's policy, to compare it with another.
    #[arg(long = "before", value_name = "NAME", requires = "after_policy")]
    before_policy: Option<String>,
    /// The second side's policy.
    #[arg(long = "after", value_name = "NAME", requires = "before_policy")]
    after_policy: Option<String>,
    /// The first seed; the first scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds, counting up from the first; with `--until`, before the first look. Default: 10, with `--until` 5.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: Option<u32>,
    /// Go on with more seeds until this measure's interval is at most so wide to either side; may be repeated.
    #[arg(long, value_name = "METRIC=WIDTH", value_parser = tolerance)]
    until: Vec<Tolerance>,
    /// The most seeds that `--until` may take.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000), requires = "until")]
    max_seeds: u32,
    /// What decides, and the loss that does not matter: `ttft.p99=3%`, `ttft.p99{origin="eu"}=5ms`,
    /// `slo.attainment=0.5pp`; may be repeated. Where none is given, seven headline measures with 1 % each.
    #[arg(long, value_name = "METRIC=MARGIN", value_parser = tolerance)]
    tolerance: Vec<Tolerance>,
    /// Of intervals and verdicts.
    #[arg(long, default_value_t = 0.95, value_parser = confidence)]
    confidence: f64,
    /// How intervals are made: `student`, or `bootstrap` where few pairs differ far more than the others. Verdicts are Student's in any case.
    #[arg(long, value_name = "HOW", value_parser = intervals, default_value = "student")]
    interval: Intervals,
    /// End with code 4 where a verdict is inconclusive.
    #[arg(long)]
    strict: bool,
    /// Also compare with step time, KV capacity and TTFT off by what the timing profiles are known to be off, and say whether
    /// verdicts turn into their opposite. Takes seven times as long.
    #[arg(long, conflicts_with = "json")]
    uncertainty: bool,
    /// Also write compare.json (what `--json` prints) and pairs.csv (each pair's values) to this folder.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Also draw the figures of `regionsim plot DIR`, as SVG, into its folder `plots`.
    #[arg(long, requires = "out")]
    plots: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    Tolerance::parse(text, |name, known| suggest(name, "known", known.iter().copied()))
        .map_err(|error| error.to_string())
}

pub(super) fn confidence(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| 0.5 <= *value && *value < 1.0);
    value.ok_or_else(|| "write a number from 0.5 to below 1, such as 0.95".to_string())
}

fn intervals(text: &str) -> Result<Intervals, String> {
    match text {
        "student" => Ok(Intervals::Student),
        "bootstrap" => Ok(Intervals::Bootstrap),
        _ => Err("write `student` or `bootstrap`".to_owned()),
    }
}

/// One side.
enum Side {
    /// A plan, whose cells are run as needed.
    Plan(Box<Prepared>),
    /// What a run has left.
    Done(Box<Summary>),
}

impl Side {
    fn open(path: &str, set: &[String], quiet: bool) -> Result<Side, Failure> {
        let folder = Path::new(path);
        if !folder.is_dir() {
            let plan = plan(path, set)?;
            tell(&plan, quiet);
            return Ok(Side::Plan(Box::new(Prepared::of(plan))));
        }
        if !set.is_empty() {
            return Err(Failure::usage(anyhow!(
                "{path} is the folder of a run that is over, in which nothing can be set; give its scenario instead"
            )));
        }
        let file = folder.join("summary.json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{}: the folder of a run holds summary.json", file.display()))
            .map_err(Failure::usage)?;
        let summary = serde_json::from_str(&text)
            .with_context(|| format!("{} is no summary that this version can read", file.display()))
            .map_err(Failure::usage)?;
        Ok(Side::Done(Box::new(summary)))
    }
    fn policies(&self) -> Vec<&str> {
        match self {
            Side::Plan(prepared) => {
                prepared.plan.policies.iter().map(|policy| policy.name.as_str()).collect()
            }
            Side::Done(summary) => summary.policies.iter().map(|policy| policy.policy.as_str()).collect(),
        }
    }
    fn name(&self) -> &str {
        match self {
            Side::Plan(prepared) => &prepared.plan.name,
            Side::Done(summary) => &summary.scenario,
        }
    }
    fn provenance(&self) -> &Provenance {
        match self {
            Side::Plan(prepared) => &prepared.provenance,
            Side::Done(summary) => &summary.provenance,
        }
    }
    /// Its cells under these seeds, as far as it has them.
    fn samples(
        &self,
        policy: &str,
        seeds: &[u64],
        asked: &[&Metric],
        args: &Args,
    ) -> Result<Vec<Sample>, Failure> {
        let cells = match self {
            Side::Plan(prepared) => {
                let policy = prepared.plan.policies.iter().find(|known| known.name == policy);
                let cells = |policy| seeds.iter().map(move |&seed| Cell { prepared, policy, seed });
                let all: Vec<Cell> = policy.into_iter().flat_map(cells).collect();
                cells::run("compare", &all, args.threads, args.quiet)?
            }
            Side::Done(summary) => {
                let policy = summary.policies.iter().find(|known| known.policy == policy);
                let cells = policy.map(|policy| policy.cells.clone()).unwrap_or_default();
                cells.into_iter().filter(|cell| seeds.contains(&cell.seed)).collect()
            }
        };
        cells::sample(&cells, asked)
    }
    fn seeds(&self) -> Option<&[u64]> {
        match self {
            Side::Plan(_) => None,
            Side::Done(summary) => Some(&summary.seeds),
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    schema_version: u32,
    before: &'a Provenance,
    after: &'a Provenance,
    differs: &'a [String],
    /// Overrides of both sides, then of the second alone.
    set_both: &'a [String],
    set: &'a [String],
    comparisons: &'a [Comparison],
}

/// Runs `compare`.
pub fn run(args: &Args) -> Outcome {
    let changed = [&args.set_both[..], &args.set[..]].concat();
    let nothing = args.after.is_none() && args.set.is_empty() && args.before_policy.is_none();
    let same = nothing && args.price_of.is_none();
    if same {
        return Err(Failure::usage(anyhow!(
            "there is nothing to compare {} with; give a second scenario or folder, `--set path=value`, or two of its \
             policies with `--before` and `--after`",
            args.before
        )));
    }
    let seed = |set: &String| set.split('=').next().is_some_and(|path| path.trim() == "seed");
    if args.set.iter().chain(&args.set_both).any(seed) {
        return Err(Failure::usage(anyhow!(
            "both sides of a pair have its seed, so `seed` cannot be set; choose the first with `--seed`, or compare two \
             policies or scenarios"
        )));
    }
    let (first, second) = if args.price_of.is_some() {
        price_of::sides(args)?
    } else {
        let first = Side::open(&args.before, &args.set_both, args.quiet)?;
        let second = match &args.after {
            Some(after) => Side::open(after, &changed, args.quiet)?,
            // Its notices are those of the first.
            None => Side::open(&args.before, &changed, true)?,
        };
        (first, second)
    };
    let over = first.seeds().is_some() || second.seeds().is_some();
    if over && (args.seed.is_some() || args.seeds.is_some() || !args.until.is_empty()) {
        return Err(Failure::usage(anyhow!(
            "a run that is over has the seeds it has: leave out `--seed`, `--seeds` and `--until`, or give its scenario"
        )));
    }
    let pairs = policies(&first, &second, args)?;
    let differs = differences(&first, &second);
    // Of runs that are over nobody asked for a change, so what is not the same is a warning.
    match (first.seeds().and(second.seeds()), args.quiet) {
        (Some(_), _) => differs.iter().for_each(|what| terminal::warning(what)),
        (None, false) => differs.iter().for_each(|what| terminal::note(what)),
        (None, true) => {}
    }
    let rules = if let (Some(_), Side::Plan(with), true) = (args.price_of, &second, args.tolerance.is_empty())
    {
        price_of::rules(&with.plan, args.confidence, DEFAULT_MARGIN)
    } else if args.tolerance.is_empty() {
        Rules::headline(args.confidence, DEFAULT_MARGIN)
    } else {
        Rules::of(args.confidence, args.tolerance.clone())
    };
    let rules = Rules { intervals: args.interval, ..rules };
    // Opened before the work: a bad path fails now.
    let folder = args.out.as_deref().map(|out| Paired::open(out, compared::FILE)).transpose()?;
    let mut comparisons = Vec::new();
    let mut values = Vec::new();
    for &(a, b) in &pairs {
        let path = |side: &Side, path: &str| match side {
            Side::Plan(_) => side.name().to_string(),
            Side::Done(_) => format!("{} ({path})", side.name()),
        };
        let after = args.after.as_deref().unwrap_or(&args.before);
        let without = if args.price_of.is_some() { ", without [residency]" } else { "" };
        let names =
            (format!("{} {a}{without}", path(&first, &args.before)), format!("{} {b}", path(&second, after)));
        let (found, left, right) = pair((&first, a, &names.0), (&second, b, &names.1), &rules, args)?;
        values.extend(paired::values(comparisons.len() + 1, &found, &left, &right));
        comparisons.push(found);
    }
    let printed = Printed {
        schema_version: 1,
        before: first.provenance(),
        after: second.provenance(),
        differs: &differs,
        set_both: &args.set_both,
        set: &args.set,
        comparisons: &comparisons,
    };
    if let Some(folder) = folder {
        folder.write(&(serde_json::to_string_pretty(&printed)? + "\n"), &values, args.plots)?;
    }
    if args.json {
        print(&(serde_json::to_string_pretty(&printed)? + "\n"))?;
    } else {
        let shown = comparisons.iter().map(|comparison| {
            let seeds = &comparison.seeds;
            let head = format!(
                "before  {}\nafter   {}{}\nseeds   {} from {}\n\n",
                comparison.before,
                comparison.after,
                if args.set.is_empty() { String::new() } else { format!(", {}", args.set.join(", ")) },
                seeds.len(),
                seeds.first().copied().unwrap_or_default(),
            );
            head + &table::render(comparison, terminal::stdout_colour())
        });
        print(&shown.collect::<Vec<_>>().join("\n\n"))?;
        if args.uncertainty {
            print(&uncertainty::told((&first, &second), &pairs, &comparisons, &rules, args)?)?;
        }
    }
    let any = |wanted: Verdict| comparisons.iter().any(|comparison| comparison.verdict == Some(wanted));
    Ok(if any(Verdict::Worse) && !args.tolerance.is_empty() {
        Exit::GateBreached
    } else if args.strict && (any(Verdict::Inconclusive) || comparisons.iter().any(|c| c.verdict.is_none())) {
        Exit::NotComparable
    } else {
        Exit::Ok
    })
}

fn not_comparable(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::NotComparable, error }
}

/// Which policies are compared with which.
fn policies<'s>(
    first: &'s Side,
    second: &'s Side,
    args: &'s Args,
) -> Result<Vec<(&'s str, &'s str)>, Failure> {
    let has = |side: &'s Side, which: &str, name: &'s str| {
        let known = side.policies();
        if known.contains(&name) {
            return Ok(name);
        }
        Err(no_such(&format!("the {which} side has no policy"), name, known.into_iter()))
    };
    if let (Some(a), Some(b)) = (&args.before_policy, &args.after_policy) {
        return Ok(vec![(has(first, "first", a)?, has(second, "second", b)?)]);
    }
    if !args.policy.is_empty() {
        let both = |name: &'s String| Ok((has(first, "first", name)?, has(second, "second", name)?));
        return args.policy.iter().map(both).collect();
    }
    let other = second.policies();
    let shared: Vec<_> = first.policies().into_iter().filter(|name| other.contains(name)).collect();
    if shared.is_empty() {
        return Err(not_comparable(anyhow!(
            "the sides have no policy in common: {} and {}; name one of each with `--before` and `--after`",
            first.policies().join(", "),
            other.join(", ")
        )));
    }
    Ok(shared.into_iter().map(|name| (name, name)).collect())
}

/// What is not the same on both sides beside what was asked for.
fn differences(first: &Side, second: &Side) -> Vec<String> {
    let (a, b) = (first.provenance(), second.provenance());
    let mut differs = Vec::new();
    if a.tool_version != b.tool_version {
        differs.push(format!(
            "the sides were made by different versions of regionsim, {} and {}: a change may be the simulator's own",
            a.tool_version, b.tool_version
        ));
    }
    if a.workload_hashes != b.workload_hashes {
        let names = |hashes: &[(String, String)]| {
            hashes.iter().map(|(name, hash)| format!("{name} {hash}")).collect::<Vec<_>>().join(", ")
        };
        differs.push(format!(
            "the sides have different workloads ({}; {}): their requests are not the same",
            names(&a.workload_hashes),
            names(&b.workload_hashes)
        ));
    }
    if first.seeds().is_some() && second.seeds().is_some() && a.scenario_hash != b.scenario_hash {
        differs.push(format!(
            "the runs are of different scenarios ({} and {}): fleet, models, workload, classes, warm-up or policies are not \
             the same",
            a.scenario_hash, b.scenario_hash
        ));
    }
    if a.profiles != b.profiles || a.data_tables != b.data_tables {
        differs.push("the sides stand on different profiles or data tables".to_string());
    }
    differs
}

/// One policy against one policy.
fn pair(
    (first, a, before): (&Side, &str, &str),
    (second, b, after): (&Side, &str, &str),
    rules: &Rules,
    args: &Args,
) -> Result<(Comparison, Vec<Sample>, Vec<Sample>), Failure> {
    let start = args.seed.unwrap_or_else(|| match (first, second) {
        (Side::Plan(prepared), _) => prepared.plan.seed,
        (Side::Done(done), _) => done.seeds.first().copied().unwrap_or_default(),
    });
    let from = |from: u32, to: u32| (from..to).map(|i| start.wrapping_add(u64::from(i))).collect::<Vec<_>>();
    // Of a run that is over, all seeds it has in common with the other.
    let given = first.seeds().or(second.seeds());
    let target = match (args.seeds, args.until.is_empty()) {
        (Some(seeds), true) => seeds,
        (None, true) => SEEDS,
        (seeds, false) => seeds.unwrap_or(FIRST_LOOK).min(args.max_seeds),
    };
    let seeds = given.map_or_else(|| from(0, target), <[u64]>::to_vec);
    let shown: Vec<Metric> = Metric::all().collect();
    let asked: Vec<&Metric> =
        rules.gated.iter().chain(&args.until).map(|gate| &gate.metric).chain(&shown).collect();
    let mut left = first.samples(a, &seeds, &asked, args)?;
    let mut right = second.samples(b, &seeds, &asked, args)?;
    let judge = |left: &[Sample], right: &[Sample]| {
        compare((before, left), (after, right), rules).ok_or_else(|| {
            not_comparable(anyhow!(
                "the sides have no seed in common; run one again with the other's `--seed` and `--seeds`"
            ))
        })
    };
    let mut found = judge(&left, &right)?;
    let extends = matches!((first, second), (Side::Plan(_), Side::Plan(_)));
    while extends && !args.until.is_empty() {
        let done = left.len() as u32;
        let wide = wanted(&left, &right, args);
        let Some(wanted) = wide.filter(|_| done < args.max_seeds) else {
            if wide.is_some() {
                terminal::warning(&format!(
                    "after {done} seeds the interval is still wider than --until asks for"
                ));
            }
            break;
        };
        // An estimate from few pairs is a guess: at most twice as many before the next look.
        let next = wanted.clamp(done + 1, (2 * done).min(args.max_seeds).max(done + 1));
        let more = from(done, next);
        left.extend(first.samples(a, &more, &asked, args)?);
        right.extend(second.samples(b, &more, &asked, args)?);
        found = judge(&left, &right)?;
    }
    Ok((found, left, right))
}

/// How many seeds the widths of `--until` take by what is known now; `None` where all are met.
fn wanted(left: &[Sample], right: &[Sample], args: &Args) -> Option<u32> {
    let each = args.until.iter().filter_map(|width| seeds_for_width(left, right, width, args.confidence));
    each.max().map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX))
}
