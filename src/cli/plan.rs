//! `plan`: the cheapest replicas in each region that keep the SLOs.

use super::exit::{Exit, Failure};
use super::load::{Source, tell};
use super::one_file::folder;
use super::progress::Progress;
use super::{Outcome, no_such, print, terminal};
use crate::plan::{self, Answer, Outcome as Played, Question, Store, Variant, variant};
use crate::report::atomic::AtomicFile;
use crate::report::drawn;
use crate::report::planned;
use crate::scenario::{Plan, Planning};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Plan capacity: the cheapest replicas in each region that keep the SLOs, confirmed under fresh seeds.
///
/// What may change, what there is to have and what must be reached stands in the scenario's `[plan]`; without it, every pool
/// may change, and 95 % of all arrivals must be within their SLO. Prints the plan, its cost, how sure it is, what binds in each
/// region, what a region's loss does, headroom, and what residency rules cost. Exit code 1 where there is no plan.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim plan scenarios/planning/two-regions.toml
  regionsim plan scenarios/planning/two-regions.toml --set plan.n_plus_1=0.9
  regionsim plan scenarios/planning/plan-002.toml --policy replicated --policy shared
  regionsim plan my-fleet.toml --out reports/plan --cache .cells")]
pub struct Args {
    /// The scenario file; `-` reads stdin.
    scenario: String,
    /// Plan for this policy in place of the scenario's `plan.policies`; may be repeated.
    #[arg(long, short, value_name = "NAME")]
    policy: Vec<String>,
    /// Override a value of the scenario; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Seeds that a plan must stand under while it is searched for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
    /// The most seeds that confirm a plan.
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    max_seeds: Option<u32>,
    /// Leave out headroom and the price of residency.
    #[arg(long)]
    quick: bool,
    /// Also write plan.json, plan.txt and pareto.csv to this folder.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Also draw the figures of `regionsim plot DIR`, as SVG, into its folder `plots`.
    #[arg(long, requires = "out")]
    plots: bool,
    /// Remember cells in this folder, and recall them from there.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    cache: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
}

/// Cells in a folder, a file each.
struct Folder(PathBuf);

impl Folder {
    fn open(path: &Path) -> Result<Folder, Failure> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("{}: cells are kept in a folder", path.display()))
            .map_err(Failure::usage)?;
        Ok(Folder(path.to_owned()))
    }
    fn file(&self, key: u64) -> PathBuf {
        self.0.join(format!("{key:016x}.json"))
    }
}

impl Store for Folder {
    fn recall(&self, key: u64) -> Option<Played> {
        let text = std::fs::read_to_string(self.file(key)).ok()?;
        serde_json::from_str(&text).ok()
    }
    fn keep(&self, key: u64, outcome: &Played) {
        // A cell that cannot be kept is played again next time.
        let Ok(text) = serde_json::to_string(outcome) else { return };
        let Ok(mut file) = AtomicFile::create(&self.file(key)) else { return };
        if file.write_all(text.as_bytes()).is_ok() {
            let _ = file.commit();
        }
    }
}

/// Runs `plan`.
pub fn run(args: &Args) -> Outcome {
    let source = Source::read(&args.scenario)?;
    let base = source.plan(&args.set)?;
    tell(&base, args.quiet);
    let planning = asked(&base, args)?;
    let with = |more: &[String]| source.plan(&[args.set.as_slice(), more].concat());
    let whole = variant(&base, &planning, &[], with)?;
    let mut by_set: Vec<Variant> = Vec::new();
    for contingency in planning.contingencies.iter().filter(|contingency| !contingency.set.is_empty()) {
        let changed = variant(&base, &planning, &contingency.set, with)?;
        let pools = |plan: &Plan| plan.world.pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>();
        let regions = |plan: &Plan| plan.world.regions.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
        if pools(&changed.plan) != pools(&base) || regions(&changed.plan) != regions(&base) {
            return Err(Failure::usage(anyhow::anyhow!(
                "plan.contingencies.{}: it adds or removes regions or pools; a plan has the same in every case, so state them in \
                 the scenario, and use `down` for a region's loss",
                contingency.name
            )));
        }
        by_set.push(changed);
    }
    for class in &base.world.classes {
        let slo = &class.slo;
        if slo.ttft.is_none() && slo.itl.is_none() && slo.e2e.is_none() {
            terminal::warning(&format!(
                "class `{}` is promised nothing: whatever completes counts as good, however late; give it limits under                  `[slo.{}]`",
                class.name, class.name
            ));
        }
    }
    let store = args.cache.as_deref().map(Folder::open).transpose()?;
    let progress = Progress::of_search(args.quiet);
    let tick = || progress.cell();
    let question = Question {
        base: &whole,
        by_set: &by_set,
        planning: &planning,
        quick: args.quick,
        store: store.as_ref().map(|store| store as &dyn Store),
        tick: &tick,
    };
    let mut threads = rayon::ThreadPoolBuilder::new();
    if let Some(count) = args.threads {
        threads = threads.num_threads(count as usize);
    }
    let answer = threads.build()?.install(|| plan::solve(&question));
    progress.finish();
    let answer = answer?;
    let text = planned::render(&answer);
    let json = serde_json::to_string_pretty(&answer)? + "\n";
    if let Some(folder) = &args.out {
        write(folder, &answer, &text, &json)?;
        if args.plots {
            super::plot::into(folder)?;
        }
    }
    print(if args.json { &json } else { &text })?;
    if !args.quiet {
        answer.notices.iter().for_each(|notice| terminal::note(notice));
    }
    let all = answer.plans.iter().all(|planned| planned.found.is_some());
    Ok(if all { Exit::Ok } else { Exit::GateBreached })
}

/// What is asked: by the scenario, by the command line.
fn asked(base: &Plan, args: &Args) -> Result<Planning, Failure> {
    let names: Vec<String> = base.policies.iter().map(|policy| policy.name.clone()).collect();
    let usual = || Planning::usual(&base.world, &names);
    let mut planning = base.planning.clone().unwrap_or_else(usual);
    if let Some(name) = args.policy.iter().find(|name| !names.contains(name)) {
        return Err(no_such("the scenario has no policy", name, names.iter().map(String::as_str)));
    }
    if !args.policy.is_empty() {
        planning.policies.clone_from(&args.policy);
    }
    planning.seeds = args.seeds.unwrap_or(planning.seeds);
    planning.max_seeds = args.max_seeds.unwrap_or(planning.max_seeds);
    Ok(planning)
}

fn write(folder: &Path, answer: &Answer, text: &str, json: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: files go to a folder", folder.display()))?;
    drawn::remove(folder, |_| false)?;
    let file = |name: &str, bytes: &[u8]| -> Result<(), Failure> {
        let mut file = AtomicFile::create(&folder.join(name))?;
        file.write_all(bytes)?;
        file.commit()?;
        Ok(())
    };
    file("plan.txt", text.as_bytes())?;
    file("plan.json", json.as_bytes())?;
    let mut csv = Vec::new();
    planned::pareto_csv(answer, &mut csv)?;
    file("pareto.csv", &csv)
}
