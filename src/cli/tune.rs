//! `tune`: the weights of a policy that serve best, and whether they still do where nobody looked for them.

mod asked;
mod found;
mod journal;
mod judged;
mod show;
mod wanted;
mod worlds;

use super::exit::{Exit, Failure};
use super::load::{plan, tell};
use super::one_file::folder;
use super::progress::Progress;
use super::{Outcome, interrupt, print, terminal};
use crate::report::atomic::AtomicFile;
use crate::report::drawn;
use crate::report::landscape;
use crate::report::loaded::folder_name;
use crate::rng::Key;
use crate::scenario::Plan;
use crate::stats::Verdict;
use crate::tune::{Knob, Phase, Search, Space, Strategy};
use anyhow::anyhow;
use asked::Asked;
use found::Found;
use journal::Journal;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use wanted::Wanted;
use worlds::{Runner, Worlds};

/// A row for each evaluation of the search.
const EVALUATIONS: &str = "evaluations.csv";

/// Find the weights of a policy that serve best.
///
/// Searches the ranges of the scenario's `[tune]` and of --over for the values that lower a measure (ttft.p95) while none of the others gets worse by more
/// than 2 %, on some worlds; then judges what it found on worlds it has not seen: other seeds, or a later part of the trace.
/// docs/TUNING.md has the formula of the score.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim tune scenarios/routing/tune-gorgo.toml
  regionsim tune mine.toml --policy chwbl --over load_factor=1.05..3 --method lhs --budget 100
  regionsim tune mine.toml --over queue=0.01..1 --objective e2e.p95 --keep ttft.p95=5% --keep slo.attainment=1pp
  regionsim tune trace.toml --over rtt=0.05..2 --train 0..10m --judge 10m..30m/5
  regionsim tune mine.toml --over rtt=0.05..2 --over queue=0.05..0.5 --against rtt=2,queue=0.104

Exit codes: with --strict 1 where what was found is worse than the start on the worlds it is judged on, and 4 where nothing
can be told.")]
pub struct Args {
    /// The scenario file; `-` is stdin.
    scenario: String,
    /// The policy; needed where the scenario has several and its `[tune]` names none.
    #[arg(long, short, value_name = "NAME")]
    policy: Option<String>,
    /// A parameter of the policy and its range, such as rtt=0.05..2; one that the scenario's `[tune]` has
    /// takes this range. Walked by factors where it lies above 0, unless :linear
    /// stands behind it. May be repeated.
    #[arg(long, value_name = "PATH=LOW..HIGH")]
    over: Vec<String>,
    /// How to search: es is the (1+1) evolution strategy with the one-fifth rule, lhs a Latin hypercube. Default: es.
    #[arg(long, value_parser = strategy)]
    method: Option<Strategy>,
    /// What is made better. Default: ttft.p95. Where it is given without --keep, nothing else is looked at.
    #[arg(long, value_name = "METRIC")]
    objective: Option<String>,
    /// What must not get worse than at the start by more than this, such as e2e.p95=2%; `default` is ttft.p95, e2e.p95,
    /// tpot.p95, throughput.output_tokens and slo.attainment with 2 % each. May be repeated.
    #[arg(long, value_name = "METRIC=MARGIN")]
    keep: Vec<String>,
    /// The most runs that the search may take. Default: 200.
    #[arg(long, value_name = "RUNS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    budget: Option<u32>,
    /// The first seed; the scenario's where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds each candidate is run with. Default: 4; 1 on parts of a trace.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: Option<u32>,
    /// How many other seeds it is judged on. Default: 10; 1 on several parts of a trace.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    judge_seeds: Option<u32>,
    /// The part of a trace to search on. Default: its first half.
    #[arg(long, value_name = "FROM..TO[/PARTS]")]
    train: Option<String>,
    /// The part of a trace to judge on; several parts are the pairs of the interval. Default: its second half in 5 parts.
    #[arg(long, value_name = "FROM..TO[/PARTS]")]
    judge: Option<String>,
    /// Also judge these weights, such as rtt=2,queue=0.104; may be repeated. The policy's own defaults are always judged.
    #[arg(long, value_name = "PATH=VALUE,…")]
    against: Vec<String>,
    /// Candidates that are run on the judged worlds to see what could have been had there; 0 is none. Default: 24.
    #[arg(long, value_name = "CANDIDATES", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    oracle: Option<u32>,
    /// Of intervals and verdicts. Default: 0.95.
    #[arg(long, value_parser = super::compare::confidence)]
    confidence: Option<f64>,
    /// Override a value of the scenario; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The folder for files; reports/<scenario name>-tune where it is not given.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Also draw the figures of `regionsim plot DIR`, as SVG, into its folder `plots`.
    #[arg(long, conflicts_with = "no_files")]
    plots: bool,
    /// Write no files.
    #[arg(long, conflicts_with = "out")]
    no_files: bool,
    /// Go on where an earlier search was interrupted; what it has run is not run again.
    #[arg(long, conflicts_with = "no_files")]
    resume: bool,
    /// Begin anew where an earlier search was interrupted.
    #[arg(long, conflicts_with_all = ["resume", "no_files"])]
    restart: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// End with code 1 where what was found is worse than the start on the judged worlds, with 4 where nothing can be told.
    #[arg(long)]
    strict: bool,
    /// Threads; all cores where it is not given. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// No progress, no notes; warnings stay.
    #[arg(long, short)]
    quiet: bool,
}

fn strategy(text: &str) -> Result<Strategy, String> {
    let found = Strategy::ALL.iter().find(|(name, _)| *name == text);
    found.map(|(_, strategy)| *strategy).ok_or_else(|| {
        let names = Strategy::ALL.map(|(name, _)| name);
        crate::scenario::nearest::suggest(text, "there are", names)
    })
}

/// Runs `tune`.
pub fn run(args: &Args) -> Outcome {
    interrupt::told(tune(args))
}

fn tune(args: &Args) -> Outcome {
    let plan = plan(&args.scenario, &args.set)?;
    tell(&plan, args.quiet);
    let mut wrong = Vec::new();
    let wanted = Wanted::of(args, &plan, &mut wrong)?;
    let asked = Asked::read(&wanted, wrong)?;
    asked.check_groups(&plan.world)?;
    if asked.is_alone() {
        terminal::warning(&format!(
            "{} is all that is looked at: weights that pile requests onto one replica can look best; add --keep default",
            asked.objective.aim.measure
        ));
    }
    if Knob::own_tuner(wanted.policy) {
        terminal::warning(&format!(
            "policy `{}` tunes itself while it runs: what is searched is where it begins; leave its `tune` out to search \
             what it keeps",
            wanted.policy.name
        ));
    }
    let worlds = Worlds::of(&wanted, &plan)?;
    let each = worlds.train.cells_each();
    if wanted.budget / each < 2 {
        return Err(Failure::usage(anyhow!(
            "--budget {} has no room for a search: the start and each candidate take {each} runs; raise it, or lower --seeds",
            wanted.budget
        )));
    }
    let top = (!args.no_files).then(|| {
        let own = Path::new("reports").join(folder_name(&plan.name) + "-tune");
        args.out.clone().unwrap_or(own)
    });
    // Opened before the work: a bad path fails now.
    let open = |name: &str| top.as_ref().map(|top| AtomicFile::create(&top.join(name))).transpose();
    let (rows, file) = (open(EVALUATIONS)?, open("tune.json")?);
    let journal = match &top {
        Some(top) => {
            Journal::open(top, &question(&wanted, &plan, &asked, &worlds), args.resume, args.restart)?
        }
        None => Journal::none(),
    };
    let answered = answer(args, &plan, &wanted, &asked, &worlds, &journal);
    let (found, search) = match answered {
        // What cannot be asked leaves nothing to go on with.
        Err(failure) if failure.exit == Exit::Usage => {
            journal.finish();
            return Err(failure);
        }
        answered => answered?,
    };
    if let Some((mut rows, mut file)) = rows.zip(file) {
        let names: Vec<String> = asked.knobs.iter().map(|knob| knob.name.clone()).collect();
        landscape::write(&mut rows, &names, &asked.measures(), search.candidates())?;
        file.write_all(serde_json::to_string_pretty(&found)?.as_bytes())?;
        file.write_all(b"\n")?;
        if let Some(top) = &top {
            drawn::remove(top, |_| false)?;
        }
        rows.commit()?;
        file.commit()?;
    }
    journal.finish();
    if let (Some(top), true) = (&top, args.plots) {
        super::plot::into(top)?;
    }
    if args.json {
        print(&(serde_json::to_string_pretty(&found)? + "\n"))?;
    } else {
        let mut text = show::render(&found, terminal::stdout_colour());
        if let Some(top) = top {
            let _ = writeln!(text, "\nall evaluations: {}", top.join(EVALUATIONS).display());
        }
        print(&text)?;
    }
    Ok(match found.judged.verdict() {
        Some(Verdict::Worse) if args.strict => Exit::GateBreached,
        None | Some(Verdict::Inconclusive) if args.strict && !found.judged.is_unchanged() => {
            Exit::NotComparable
        }
        _ => Exit::Ok,
    })
}

/// Searches and judges.
fn answer<'o>(
    args: &Args,
    plan: &Plan,
    wanted: &Wanted<'_>,
    asked: &'o Asked,
    worlds: &Worlds,
    journal: &Journal,
) -> Result<(Found, Search<'o>), Failure> {
    let progress = Progress::new(0, args.quiet);
    let runner = Runner::new(wanted.policy, asked, args.threads, &progress, journal)?;
    let search = search(wanted, asked, worlds, &runner, &progress)?;
    progress.say("judging".to_owned());
    let judged = judged::judge(wanted, asked, worlds, &runner, &search)?;
    progress.finish();
    let found = Found::of(wanted, plan, asked, worlds, &search, judged);
    Ok((found, search))
}

/// All that an evaluation depends on: searches that agree on it share evaluations, whatever their method and budget.
fn question(wanted: &Wanted<'_>, plan: &Plan, asked: &Asked, worlds: &Worlds) -> String {
    let paths: Vec<&str> = asked.knobs.iter().map(|knob| knob.path.as_str()).collect();
    format!(
        "regionsim {}, world {:016x}, policy {:016x}, {} of {}, on {}, judged on {}",
        env!("CARGO_PKG_VERSION"),
        plan.world_hash(),
        plan.policy_hash(wanted.policy),
        asked.measures().join(" "),
        paths.join(" "),
        worlds.train.words(),
        worlds.judge.words()
    )
}

/// Runs the start, the search, and what lies beside the best.
fn search<'o>(
    wanted: &Wanted<'_>,
    asked: &'o Asked,
    worlds: &Worlds,
    runner: &Runner<'_>,
    progress: &Progress,
) -> Result<Search<'o>, Failure> {
    let start: Vec<f64> = asked.knobs.iter().map(|knob| knob.start).collect();
    let means =
        runner.means(&worlds.train, std::slice::from_ref(&start))?.remove(0).map_err(|e| anyhow!(e))?;
    if !means.contains_key(&asked.objective.aim.measure) {
        let why = "nothing was completed after the warm-up, or nothing asked for it";
        return Err(Failure::usage(anyhow!(
            "{} has no value at the start: {why}; is the warm-up longer than what is searched on?",
            asked.objective.aim.measure
        )));
    }
    let mut search = Search::new(&asked.objective, start, means);
    let space = Space(asked.knobs.iter().map(|knob| knob.axis).collect());
    let each = worlds.train.cells_each();
    let all = wanted.budget / each;
    // What lies beside the best is two candidates a parameter, where the budget has room for them and a search.
    let around = 2 * asked.knobs.len() as u32;
    let searched = if all > 2 * around { all - around } else { all };
    let key = Key::root(worlds.train.seeds[0]).named("tune");
    let mut method = wanted.method.method(&space, &search.candidates()[0].point, searched - 1, key);
    let mut done = 0;
    let mut run = |points: &[Vec<f64>]| {
        done += points.len();
        progress.say(format!("candidate {done} of at most {all}"));
        runner.means(&worlds.train, points)
    };
    search.run(method.as_mut(), searched, &mut run)?;
    if all > 2 * around {
        let points = beside(&asked.knobs, &search.best().point);
        let points: Vec<Vec<f64>> = points.into_iter().map(|(_, _, point)| point).collect();
        search.try_all(Phase::Around, &points, &mut run)?;
    }
    Ok(search)
}

/// What lies beside a point along each parameter: half and twice of it, or a tenth of a range that is walked by differences.
fn beside(knobs: &[Knob], point: &[f64]) -> Vec<(usize, bool, Vec<f64>)> {
    let one = |index: usize, more: bool| {
        let axis = knobs[index].axis;
        let mut point = point.to_vec();
        point[index] = axis.settle(match (axis.scale, more) {
            (crate::tune::Scale::Log, true) => point[index] * 2.0,
            (crate::tune::Scale::Log, false) => point[index] / 2.0,
            (crate::tune::Scale::Linear, _) => {
                let step = (0.1 * (axis.high - axis.low)).max(if axis.whole { 1.0 } else { 0.0 });
                if more { point[index] + step } else { point[index] - step }
            }
        });
        (index, more, point)
    };
    (0..knobs.len()).flat_map(|index| [one(index, false), one(index, true)]).collect()
}
