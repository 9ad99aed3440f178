//! `run`: every policy of a scenario on the same world.

mod exports;
mod files;
mod uncertainty;

use super::exit::{Exit, Failure};
use super::load::{Source, prepare};
use super::one_file::{OneFile, folder, stdout_of};
use super::progress::Progress;
use super::{Outcome, interrupt, no_such, print, terminal};
use crate::gate::held;
use crate::id::TenantId;
use crate::observe::{Observer, RequestRow};
use crate::replica::{Method, Stepping};
use crate::report::atomic::AtomicFile;
use crate::report::by::By;
use crate::report::decisions::DecisionsJsonl;
use crate::report::loaded::{cell_folder, folder_name};
use crate::report::requests_csv::RequestsCsv;
use crate::report::setup::Setup;
use crate::report::{
    CellSummary, Summary, gates, markdown, parquet, series_csv, summarise, summarise_cell, table,
};
use crate::run::{
    Audit, AuditReport, CapacityLine, CellInput, Prepared, Provenance, RowWriter, SentRows, labels, run_cell,
    run_cell_twice,
};
use crate::units::parse_percent;
use crate::world::{Decisions, Look, PolicyParams, SloParams};
use anyhow::anyhow;
use exports::Exports;
use files::{RunFiles, Wanted};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Run a scenario: every policy on the same world, one table.
///
/// Prints the table and writes summary.json, manifest.json, the scenario as it was read and, for every policy,
/// requests.csv and series.csv. Equal scenario, seed and version give equal bytes, whatever the number of threads.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim run scenarios/three-regions.toml
  regionsim run scenarios/three-regions.toml --policy gorgo --policy nearest_chwbl --seeds 10
  regionsim run scenarios/three-regions.toml --set regions.eu.pools.main.replicas=5 --no-files
  regionsim run scenarios/three-regions.toml --json | jq '.policies[].measures[0]'
  regionsim run scenarios/three-regions.toml --policy gorgo --export-trace sent.jsonl.zst
  regionsim run scenarios/three-regions.toml --misses --decisions sample=1%
  regionsim run scenarios/three-regions.toml --uncertainty --seeds 3
  regionsim run scenarios/three-regions.toml --twice")]
pub struct Args {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// Run only this policy of the scenario; may be repeated.
    #[arg(long, short, value_name = "NAME")]
    policy: Vec<String>,
    /// The seed; the scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run, counting up from the first; results are means with 95 % intervals.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: u32,
    /// Override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The folder for files; reports/<scenario name> where it is not given.
    #[arg(long, value_name = "DIR", conflicts_with = "no_files", value_parser = folder())]
    out: Option<PathBuf>,
    /// Write no files.
    #[arg(long)]
    no_files: bool,
    /// Print summary.json instead of the table.
    #[arg(long)]
    json: bool,
    /// Run every cell twice in lock-step and stop at the first event that differs.
    #[arg(long)]
    twice: bool,
    /// Also draw the figures of `regionsim plot`, as SVG, into the folder `plots`.
    #[arg(long, conflicts_with = "no_files")]
    plots: bool,
    /// Also write requests.parquet and series.parquet (needs the feature `frames`).
    #[arg(long, conflicts_with = "no_files")]
    parquet: bool,
    /// Also write the headline table, gates, warnings and provenance as Markdown, for a pull request; `-` prints it in
    /// place of the table.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also write the requests as they were sent, as a native trace (of one policy and seed); `-` is stdout. A replay of
    /// it in this scenario gives the same outcomes. With several workloads, a file each: FILE-<workload>.
    #[arg(long, value_name = "FILE")]
    export_trace: Option<PathBuf>,
    /// Also write the evidence of residency (JSON; `-` is stdout): by data class and path, what was read, sent and served where. Exit code
    /// 5 where a required rule was broken.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Adds a forbidden try to the audit's record, to see that the audit sees.
    #[arg(long, hide = true, requires = "audit")]
    plant_violation: bool,
    /// Also tell why prompt tokens were not cached: by reason in the table, summary.json and requests.csv. Takes longer;
    /// outcomes are the same.
    #[arg(long)]
    misses: bool,
    /// Also write decisions.jsonl for a share of the requests, drawn by their keys, such as `sample=1%`; and tell how
    /// far decisions lie from the best ones.
    #[arg(long, value_name = "sample=SHARE", value_parser = sample)]
    decisions: Option<f64>,
    /// Also show the differences against this policy, with intervals where there are several seeds; then the first one's
    /// where none is named.
    #[arg(long, value_name = "POLICY")]
    baseline: Option<String>,
    /// Also show these groups of requests; may be repeated.
    #[arg(long, value_enum, value_name = "GROUP")]
    by: Vec<GroupBy>,
    /// Also show how requests were routed.
    #[arg(long, short)]
    verbose: bool,
    /// Also run every policy with step time, KV capacity and TTFT off by what the timing profile is known to be off, and
    /// say whether the ranking of the policies stays. Takes seven times as long.
    #[arg(long, conflicts_with_all = ["json", "export_trace"])]
    uncertainty: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// How engines compute. Results do not depend on it: `stepwise` takes one event a step and keeps single cache
    /// blocks, and is there to prove `fast`.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// End with 0 also where a gate of the scenario is breached.
    #[arg(long)]
    exit_zero: bool,
    /// Print the plan, every default explicit, and run nothing.
    #[arg(long)]
    show_plan: bool,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
}

/// The two ways in which engines compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub enum Engine {
    /// Stretches of steps and runs of blocks in closed form.
    #[default]
    Fast,
    /// Step by step, block by block.
    Stepwise,
}

impl Engine {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Fast => "fast",
            Engine::Stepwise => "stepwise",
        }
    }
    /// What it is made of.
    pub fn method(self) -> Method {
        Method::from(match self {
            Engine::Fast => Stepping::Fast,
            Engine::Stepwise => Stepping::Stepwise,
        })
    }
}

/// What `--by` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GroupBy {
    /// The region that served.
    Region,
    /// The SLO class.
    Class,
    /// Where clients are.
    Origin,
    /// Whose requests they are.
    Tenant,
}

impl From<GroupBy> for By {
    fn from(by: GroupBy) -> By {
        match by {
            GroupBy::Region => By::Region,
            GroupBy::Class => By::Class,
            GroupBy::Origin => By::Origin,
            GroupBy::Tenant => By::Tenant,
        }
    }
}

/// The tenant of each request by its id.
#[derive(Debug, Default)]
struct Tenants(Vec<TenantId>);

impl RowWriter for Tenants {
    fn row(&mut self, row: &RequestRow) {
        let at = row.id.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, TenantId(0));
        }
        self.0[at] = row.tenant;
    }
}

/// One policy under one seed.
pub(super) struct Place<'p> {
    pub policy: &'p PolicyParams,
    pub seed: u64,
    /// Where its files go.
    pub folder: Option<PathBuf>,
}

/// How a cell is run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub engine: Engine,
    pub twice: bool,
    pub parquet: bool,
    pub tenants: bool,
    pub look: Look,
}

/// What `--decisions` is given: a share above 0, up to 1.
fn sample(text: &str) -> Result<f64, String> {
    let share = text.strip_prefix("sample=").ok_or("write `sample=` and a share, such as sample=1%")?;
    let share = share.parse().or_else(|_| parse_percent(share)).map_err(|error| error.to_string())?;
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err("the share must be above 0 and at most 100%".into())
    }
}

/// Runs `run`; where it fails half-way, says what is missing.
pub fn run(args: &Args) -> Outcome {
    let outcome = run_all(args);
    if let (Err(failure), Some(missing)) = (&outcome, interrupt::missing())
        && !failure.is_broken_pipe()
    {
        terminal::warning(&missing);
    }
    outcome
}

/// Refuses what is about the table where something else is printed in its place.
fn of_the_table(args: &Args, stdout: Option<&str>) -> Result<(), Failure> {
    let Some(taken) = stdout.or(args.json.then_some("--json")) else { return Ok(()) };
    let about =
        [("--by", !args.by.is_empty()), ("--baseline", args.baseline.is_some()), ("--verbose", args.verbose)];
    match about.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            let file = if taken == "--json" { "" } else { "give that a file, or " };
            let rule = format!(
                "{flag} adds to the table, and {taken} is printed in its place: {file}leave one of them out"
            );
            Err(Failure::usage(anyhow!(rule)))
        }
    }
}

fn run_all(args: &Args) -> Outcome {
    let source = Source::read(&args.scenario)?;
    let loaded = prepare(source.plan(&args.set)?, args.quiet);
    if args.show_plan {
        print(&(loaded.plan.to_json() + "\n"))?;
        return Ok(Exit::Ok);
    }
    if args.parquet {
        parquet::available().map_err(Failure::usage)?;
    }
    if args.plant_violation && !Audit::can_plant(&loaded.plan.world) {
        return Err(Failure::usage(anyhow!(
            "--plant-violation: no required residency rule of this scenario forbids any region, so no violation can be \
             planted; add `[residency.X]` with a `process_in` that leaves out a region, or leave `--plant-violation` out"
        )));
    }
    let policies = chosen(&loaded.plan.policies, &args.policy)?;
    if let Some(name) =
        args.baseline.as_ref().filter(|name| policies.iter().all(|policy| policy.name != **name))
    {
        let known = policies.iter().map(|policy| policy.name.as_str());
        return Err(no_such("--baseline: this run has no policy", name, known));
    }
    let first_seed = args.seed.unwrap_or(loaded.plan.seed);
    let seeds: Vec<u64> = (0..u64::from(args.seeds)).map(|i| first_seed.wrapping_add(i)).collect();
    let top = (!args.no_files).then(|| {
        args.out.clone().unwrap_or_else(|| Path::new("reports").join(folder_name(&loaded.plan.name)))
    });
    let pairs: Vec<(&PolicyParams, u64)> =
        policies.iter().flat_map(|policy| seeds.iter().map(move |&seed| (*policy, seed))).collect();
    let folder = |&(policy, seed): &(&PolicyParams, u64)| cell_folder(&policy.name, seed, seeds.len());
    let folders: Vec<String> = pairs.iter().map(folder).collect();
    let wanted = Wanted {
        plots: args.plots,
        parquet: args.parquet,
        decisions: args.decisions.is_some(),
        uncertainty: args.uncertainty,
    };
    let stdout = stdout_of(
        &[
            ("--audit", args.audit.as_deref()),
            ("--export-trace", args.export_trace.as_deref()),
            ("--markdown", args.markdown.as_deref()),
        ],
        args.json,
    )?;
    of_the_table(args, stdout)?;
    // Opened before the work: a bad path fails now.
    let files = top.as_deref().map(|top| RunFiles::open(top, &folders, wanted)).transpose()?;
    let markdown = args.markdown.as_deref().map(OneFile::open).transpose()?;
    let cells: Vec<Place> = pairs
        .iter()
        .zip(&folders)
        .map(|(&(policy, seed), folder)| Place {
            policy,
            seed,
            folder: files.as_ref().map(|files| files.folder(folder)),
        })
        .collect();

    let mut exports = match &args.export_trace {
        Some(path) => Some(Exports::open(path, &loaded, cells.len())?),
        None => None,
    };
    let evidence = args.audit.as_deref().map(OneFile::open).transpose()?;
    interrupt::begin(
        top.as_ref().map(|top| top.display().to_string()),
        policies.iter().map(|policy| (policy.name.clone(), seeds.len())),
    );
    let progress = Progress::new(cells.len(), args.quiet);
    let mut threads = rayon::ThreadPoolBuilder::new();
    if let Some(count) = args.threads {
        threads = threads.num_threads(count as usize);
    }
    let decisions = args.decisions.map_or(Decisions::None, Decisions::Share);
    let look = Look { misses: args.misses, decisions, ..Look::default() };
    let tenants = args.by.contains(&GroupBy::Tenant);
    let how = How { engine: args.engine, twice: args.twice, parquet: args.parquet, tenants, look };
    let left = AtomicUsize::new(cells.len());
    type Ran = (CellSummary, Option<SentRows>, Option<AuditReport>);
    let threads = threads.build()?;
    let results: Vec<Result<Ran, Failure>> = threads.install(|| {
        let each = cells.par_iter().map(|cell| {
            let mut sent = args.export_trace.is_some().then(SentRows::default);
            let mut audit = args.audit.is_some().then(Audit::default);
            let watcher = (progress.watcher(), audit.as_mut());
            let summary = one(cell, &loaded, how, sent.as_mut(), watcher);
            let world = &loaded.plan.world;
            let audit = audit.map(|mut audit| {
                if args.plant_violation {
                    audit.plant(world);
                }
                audit.finish(world, cell.policy, cell.seed)
            });
            let summary = summary.map(|summary| (summary, sent, audit));
            if summary.is_ok() {
                interrupt::finished(&cell.policy.name);
            }
            progress.left(left.fetch_sub(1, Ordering::Relaxed) - 1);
            summary
        });
        each.collect()
    });
    progress.finish();
    let results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let (Some(exports), [cell], [(_, Some(sent), _)]) =
        (exports.take(), cells.as_slice(), results.as_slice())
    {
        exports.write(&loaded.cell(cell.policy, cell.seed), sent)?;
        if !args.quiet {
            terminal::note(
                "the exported requests have the times at which this run sent them: under another policy, a turn will \
                 not wait for its own answer",
            );
        }
    }
    let audits: Vec<&AuditReport> = results.iter().filter_map(|(.., audit)| audit.as_ref()).collect();
    let violations: u64 = audits.iter().map(|audit| audit.violations).sum();
    if let Some(file) = evidence {
        file.write(json(&Evidence::of(&loaded, &audits))?)?;
    }
    let mut results = results.into_iter().map(|(summary, ..)| summary);
    let by_policy = policies
        .iter()
        .map(|policy| (policy.name.clone(), results.by_ref().take(seeds.len()).collect::<Vec<_>>()));
    let by_policy = by_policy.collect();
    let mut summary = summarise(&loaded.plan.name, &loaded.provenance, &loaded.capacity, &seeds, by_policy);
    summary.gates = held::hold(&loaded.plan.gates, &summary)?;

    let ranked = (args.uncertainty)
        .then(|| threads.install(|| uncertainty::ranked(&loaded, &policies, &seeds, how, &summary)))
        .transpose()?;
    if let Some(files) = files {
        files.publish(&summary, ranked.as_ref(), (&source.text, &Setup::of(&loaded.plan)), &args.set)?;
    }
    interrupt::end();
    if let Some(file) = markdown {
        file.write(markdown::render(&summary))?;
    }
    if args.json {
        print(&json(&summary)?)?;
    } else if stdout.is_none() {
        let mut out = head(&loaded, &summary);
        let by: Vec<By> = args.by.iter().map(|&by| by.into()).collect();
        let first =
            || summary.policies.first().filter(|_| seeds.len() > 1).map(|policy| policy.policy.as_str());
        let shown = table::Shown {
            colour: terminal::stdout_colour(),
            routing: args.verbose,
            width: terminal::stdout_width(),
            against: args.baseline.as_deref().or_else(first),
            by: &by,
        };
        out.push_str(&table::render_with(&summary, &shown));
        if !summary.gates.is_empty() {
            let _ = write!(out, "\n{}", gates::render(&summary.gates, terminal::stdout_colour()));
        }
        if let Some(ranked) = &ranked {
            out.push_str(&("\n".to_owned() + &ranked.render()));
        }
        if let Some(top) = &top {
            let _ = writeln!(out, "\nsummary, time lines and every request: {}", top.display());
        }
        print(&out)?;
    }
    tell(&summary);
    let sound = summary.policies.iter().all(|policy| policy.cells.iter().all(|cell| cell.conservation.holds));
    if violations > 0 {
        terminal::warning(&format!("residency: {violations} on paths that a required rule forbids"));
    }
    let breached = summary.gates.iter().filter(|gate| !gate.holds).count();
    if breached > 0 {
        terminal::warning(&format!("{breached} of {} gates are breached", summary.gates.len()));
    }
    Ok(match (sound, violations, breached) {
        (false, ..) => Exit::Failed,
        (true, 1.., _) => Exit::Residency,
        (true, 0, 1..) if !args.exit_zero => Exit::GateBreached,
        (true, 0, _) => Exit::Ok,
    })
}

/// What `--audit` writes.
#[derive(Serialize)]
struct Evidence<'a> {
    scenario: &'a str,
    provenance: &'a Provenance,
    violations: u64,
    cells: &'a [&'a AuditReport],
}

impl<'a> Evidence<'a> {
    fn of(loaded: &'a Prepared, cells: &'a [&'a AuditReport]) -> Evidence<'a> {
        let violations = cells.iter().map(|cell| cell.violations).sum();
        Evidence { scenario: &loaded.plan.name, provenance: &loaded.provenance, violations, cells }
    }
}

/// The policies to run, in the order of the scenario.
fn chosen<'p>(all: &'p [PolicyParams], names: &[String]) -> Result<Vec<&'p PolicyParams>, Failure> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|policy| policy.name != **name)) {
        let known = all.iter().map(|policy| policy.name.as_str());
        return Err(no_such("the scenario has no policy", unknown, known));
    }
    Ok(all.iter().filter(|policy| names.is_empty() || names.contains(&policy.name)).collect())
}

/// Runs one cell, writes its files and summarises it: its rows are not kept.
pub(super) fn one(
    cell: &Place<'_>,
    loaded: &Prepared,
    how: How,
    sent: Option<&mut SentRows>,
    watcher: impl Observer,
) -> Result<CellSummary, Failure> {
    let input =
        CellInput { method: how.engine.method(), look: how.look, ..loaded.cell(cell.policy, cell.seed) };
    let open =
        |name: &str| cell.folder.as_ref().map(|folder| AtomicFile::create(&folder.join(name))).transpose();
    let (requests, series) = (open("requests.csv")?, open("series.csv")?);
    let frames = if how.parquet { open("requests.parquet")?.zip(open("series.parquet")?) } else { None };
    let labels = labels(input.world, input.policy, input.gpus);
    let slos: Vec<SloParams> = input.world.classes.iter().map(|class| class.slo.clone()).collect();
    let misses = how.look.misses;
    let csv = |file| RequestsCsv::with_misses(file, &labels, slos.clone(), misses);
    let requests = requests.map(csv).transpose()?;
    let decisions = if how.look.decisions == Decisions::None { None } else { open("decisions.jsonl")? };
    let mut decisions = decisions.map(|file| DecisionsJsonl::new(file, &labels));
    let watcher = (watcher, decisions.as_mut());
    // A Parquet file is by columns: only for it every row is kept to the end.
    type Kept<'s> = (Option<Vec<RequestRow>>, (Option<&'s mut SentRows>, Option<Tenants>));
    let mut writers: (Option<RequestsCsv<AtomicFile>>, Kept<'_>) =
        (requests, (frames.is_some().then(Vec::new), (sent, how.tenants.then(Tenants::default))));
    let (requests, (rows, (sent, tenants))) = &writers;
    let any = requests.is_some() || rows.is_some() || sent.is_some() || tenants.is_some();
    let writer = any.then_some(&mut writers as &mut dyn RowWriter);
    let mut result = if how.twice {
        let (result, difference) = run_cell_twice(&input, writer, watcher)?;
        if let Some(difference) = difference {
            let name = format!("policy `{}`, seed {}", cell.policy.name, cell.seed);
            return Err(
                anyhow!("{name}: {difference}\nthis is a fault in regionsim: please report it").into()
            );
        }
        result
    } else {
        run_cell(&input, writer, watcher)?
    };
    let (requests, (rows, (_, tenants))) = writers;
    result.tenants = tenants.map(|tenants| tenants.0).unwrap_or_default();
    if let Some(csv) = requests {
        csv.finish()?.commit()?;
    }
    if let Some(decisions) = decisions {
        decisions.finish()?.commit()?;
    }
    if let Some(mut file) = series {
        series_csv::write(&mut file, &result.labels, &result.series)?;
        file.commit()?;
    }
    if let (Some((mut requests, mut series)), Some(rows)) = (frames, rows) {
        parquet::write(&mut requests, rows, &labels, &slos, misses)?;
        requests.commit()?;
        parquet::write_series(&mut series, &labels, &result.series)?;
        series.commit()?;
    }
    Ok(summarise_cell(&result))
}

fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The lines above the table: what was run, and the capacity that everything hangs on.
fn head(loaded: &Prepared, summary: &Summary) -> String {
    let mut out = String::new();
    let cell = summary.policies.first().and_then(|policy| policy.cells.first());
    let _ = write!(out, "{}", loaded.plan.name);
    if let Some(cell) = cell {
        let total = &cell.conservation.total;
        let _ = write!(out, ": {} requests in {}", total.arrivals, seconds(cell.end_s));
        if cell.warmup_s > 0.0 {
            let _ =
                write!(out, ", {} measured after a warm-up of {}", cell.all.arrivals, seconds(cell.warmup_s));
        }
    }
    let _ = match summary.seeds.as_slice() {
        [seed] => writeln!(out, ", seed {seed}"),
        seeds => writeln!(out, ", {} seeds from {}", seeds.len(), seeds[0]),
    };
    // Pools of equal capacity share a line.
    let mut lines: Vec<(Vec<&str>, &CapacityLine)> = Vec::new();
    for line in &summary.capacity {
        let equal = |other: &CapacityLine| (other.kv_blocks, other.given) == (line.kv_blocks, line.given);
        match lines.iter_mut().find(|(_, other)| equal(other)) {
            Some((pools, _)) => pools.push(&line.pool),
            None => lines.push((vec![&line.pool], line)),
        }
    }
    for (pools, line) in lines {
        let tokens = line.kv_blocks * u64::from(line.block_tokens);
        let _ = writeln!(
            out,
            "KV cache of a replica in {}: {} blocks of {} = {tokens} tokens ({})",
            pools.join(", "),
            line.kv_blocks,
            line.block_tokens,
            if line.given { "given" } else { "derived from GPU memory" },
        );
    }
    out.push('\n');
    out
}

fn seconds(seconds: f64) -> String {
    if seconds < 600.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

/// The warnings of all cells, with the policies each is of.
fn tell(summary: &Summary) {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for warning in &summary.warnings {
        let text = warning.warning.to_string();
        let policy = warning.policy.as_deref();
        match told.iter_mut().find(|(other, _)| *other == text) {
            Some((_, policies)) => policies.extend(policy),
            None => told.push((text, policy.into_iter().collect())),
        }
    }
    for (text, policies) in told {
        if policies.is_empty() {
            terminal::warning(&text);
        } else {
            terminal::warning(&format!("{}: {text}", policies.join(", ")));
        }
    }
}
