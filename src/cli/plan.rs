//! `plan`: the cheapest replicas in each region that keep the SLOs.

use super::exit::{Exit, Failure};
use super::load::{Source, tell};
use super::one_file::folder;
use super::progress::Progress;
use super::{Outcome, interrupt, no_such, print, terminal};
use crate::plan::{self, Answer, Asked, AskedError, Outcome as Played, Question, Store, Written};
use crate::report::atomic::AtomicFile;
use crate::report::drawn;
use crate::report::planned;
use crate::scenario::overrides::table_with;
use crate::scenario::{Plan, Planning};
use crate::sweep::emit::quoted;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

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
struct Folder {
    folder: PathBuf,
    /// Whether one could not be, and it was said.
    broken: AtomicBool,
}

impl Folder {
    fn open(path: &Path) -> Result<Folder, Failure> {
        // Opened before the work: a bad path fails now.
        let probe = || -> std::io::Result<()> {
            std::fs::create_dir_all(path)?;
            let probe = path.join(".probe");
            std::fs::write(&probe, "")?;
            std::fs::remove_file(&probe)
        };
        probe().with_context(|| {
            format!("{}: cells are kept in a folder that can be written to", path.display())
        })?;
        Ok(Folder { folder: path.to_owned(), broken: AtomicBool::new(false) })
    }
    fn file(&self, key: u64) -> PathBuf {
        self.folder.join(format!("{key:016x}.json"))
    }
    fn write(&self, key: u64, outcome: &Played) -> std::io::Result<()> {
        let text = serde_json::to_string(outcome)?;
        let mut file = AtomicFile::create(&self.file(key))?;
        file.write_all(text.as_bytes())?;
        file.commit()
    }
}

impl Store for Folder {
    fn recall(&self, key: u64) -> Option<Played> {
        let text = std::fs::read_to_string(self.file(key)).ok()?;
        serde_json::from_str(&text).ok()
    }
    fn keep(&self, key: u64, outcome: &Played) {
        match self.write(key, outcome) {
            Ok(()) => interrupt::one_kept(),
            // A cell that cannot be kept is played again next time.
            Err(error) if !self.broken.swap(true, Ordering::Relaxed) => {
                terminal::clear_line();
                terminal::warning(&format!(
                    "{error}; the plan does not depend on it, but cells that are not kept are played again next time"
                ));
            }
            Err(_) => {}
        }
    }
}

/// The scenario's text, and how it is asked.
struct Text<'t> {
    source: &'t Source,
    args: &'t Args,
}

impl Written for Text<'_> {
    fn again(&self, set: &[String]) -> Option<Asked> {
        let set = [self.args.set.as_slice(), set].concat();
        let base = self.source.plan(&set).ok()?;
        let planning = asked(&base, self.args).ok()?;
        Asked::of(&base, planning, |more| self.source.plan(&[set.as_slice(), more].concat())).ok()
    }
    fn pool_of(&self, region: &str, pool: &str, gpu: &str, replicas: u32) -> Option<String> {
        let changes = [("gpu", gpu.into()), ("replicas", i64::from(replicas).into())];
        table_with(&self.source.text, &self.args.set, &["regions", region, "pools", pool], &changes)
    }
}

/// Runs `plan`.
pub fn run(args: &Args) -> Outcome {
    let source = Source::read(&args.scenario)?;
    let base = source.plan(&args.set)?;
    tell(&base, args.quiet);
    let planning = asked(&base, args)?;
    let set = args.set.as_slice();
    let with = |more: &[String]| source.plan(&[set, more].concat());
    let question = Asked::of(&base, planning, with).map_err(|error| match error {
        AskedError::Scenario(failure) => failure,
        AskedError::Differs(name) => Failure::usage(anyhow::anyhow!(
            "plan.contingencies.{name}: it adds or removes regions or pools; a plan has the same in every case, so state them in \
             the scenario, and use `down` for a region's loss"
        )),
    })?;
    for class in &base.world.classes {
        let slo = &class.slo;
        if slo.ttft.is_none() && slo.itl.is_none() && slo.e2e.is_none() {
            terminal::warning(&format!(
                "class `{}` is promised nothing: whatever completes counts as good, however late; give it limits under \
                 `[slo.{}]`",
                class.name, class.name
            ));
        }
    }
    let store = args.cache.as_deref().map(Folder::open).transpose()?;
    let progress = Progress::of_search(args.quiet);
    let tick = || {
        interrupt::one_done();
        progress.cell();
    };
    interrupt::begin_search(store.as_ref().map(|store| store.folder.display().to_string()));
    let written = Text { source: &source, args };
    let question = Question {
        asked: &question,
        written: &written,
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
    let command = std::iter::once(quoted(&args.scenario))
        .chain(set.iter().map(|one| format!("--set {}", quoted(one))))
        .collect::<Vec<_>>();
    let text = planned::render(&answer, &command.join(" "));
    let json = serde_json::to_string_pretty(&answer)? + "\n";
    if let Some(folder) = &args.out {
        write(folder, &answer, &text, &json)?;
        if args.plots {
            super::plot::into(folder)?;
        }
    }
    interrupt::end();
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
