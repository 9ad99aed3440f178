//! The worlds that candidates are run on, and their runs: every candidate on the same seeds and the same parts of a trace.

use super::asked::Asked;
use super::journal::{Evaluated, Journal};
use super::wanted::Wanted;
use crate::cli::exit::Failure;
use crate::cli::progress::Progress;
use crate::gate::Sample;
use crate::report::summarise_cell;
use crate::run::{Prepared, run_cell};
use crate::scenario::Plan;
use crate::stats::Moments;
use crate::time::Span;
use crate::tune::{self, Cut, Knob, Means, Measured};
use crate::workload::WorkloadKind;
use crate::world::PolicyParams;
use anyhow::anyhow;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// In how many parts a trace's second half is judged where nothing is said: our choice, the fewest whose interval is no guess.
const PARTS: u32 = 5;
/// Seeds of a candidate, and to judge on: our choice; ten pairs bring Student's 97.5 % point to 2.26.
const SEEDS: (u32, u32) = (4, 10);

/// Worlds that are the same for every candidate.
pub(super) struct Set {
    /// What the journal calls them.
    name: &'static str,
    /// A plan for each part of the trace; one where there are no parts.
    pub prepared: Vec<Prepared>,
    /// The seeds of each.
    pub seeds: Vec<u64>,
    /// Which part.
    pub cut: Option<Cut>,
}

/// What is searched on, and what is judged on.
pub(super) struct Worlds {
    pub train: Set,
    pub judge: Set,
}

impl Set {
    fn of(name: &'static str, plan: &Plan, cut: Option<Cut>, seeds: Vec<u64>) -> Result<Set, Failure> {
        let prepared = match &cut {
            None => vec![Prepared::of(plan.clone())],
            Some(cut) => {
                let part = |window| tune::part(plan, window).map(Prepared::of);
                cut.windows().into_iter().map(part).collect::<Result<_, _>>().map_err(Failure::usage)?
            }
        };
        Ok(Set { name, prepared, seeds, cut })
    }
    /// Runs that a candidate takes.
    pub(super) fn cells_each(&self) -> u32 {
        (self.prepared.len() * self.seeds.len()) as u32
    }
    /// Whether pairs are parts of the trace, and no seeds: runs of one part under several seeds are hardly independent.
    pub(super) fn pairs_are_parts(&self) -> bool {
        self.prepared.len() > 1
    }
    /// In words.
    pub(super) fn words(&self) -> String {
        let seeds = match self.seeds.as_slice() {
            [one] => format!("seed {one}"),
            [first, .., last] => format!("seeds {first} to {last}"),
            [] => String::new(),
        };
        self.cut.map_or_else(|| seeds.clone(), |cut| format!("{cut} of the trace, {seeds}"))
    }
}

impl Worlds {
    pub(super) fn of(wanted: &Wanted<'_>, plan: &Plan) -> Result<Worlds, Failure> {
        let cuts = wanted.cuts.or_else(|| {
            let lasts = tune::span(plan)?;
            let first = plan.world.workloads.iter().find_map(|workload| match &workload.kind {
                WorkloadKind::Trace(trace) => trace.window.map(|window| window.from),
                _ => None,
            });
            let at = |share: u64| Span(first.unwrap_or_default().0 + lasts.0 / 2 * share);
            let train = Cut { from: at(0), to: at(1), parts: 1 };
            Some((train, Cut { from: at(1), to: at(2), parts: PARTS })).filter(|_| lasts.0 > 1_000)
        });
        if let Some((train, judge)) = cuts.filter(|(train, judge)| train.overlaps(judge)) {
            return Err(Failure::usage(anyhow!(
                "--train ({train}) and --judge ({judge}) have time in common: what was searched on says nothing about the rest"
            )));
        }
        for window in cuts.iter().flat_map(|(train, judge)| [train, judge]).flat_map(Cut::windows) {
            if window.lasts <= plan.warmup {
                return Err(Failure::usage(anyhow!(
                    "each part of a trace begins with a warm-up of its own, and a part of {} s is not longer than that of \
                     {} s; take longer or fewer parts, or --set warmup=…",
                    window.lasts.as_secs_f64(),
                    plan.warmup.as_secs_f64()
                )));
            }
        }
        let many =
            |cut: Option<&Cut>, default| if cut.is_some_and(|cut| cut.parts > 1) { 1 } else { default };
        let train_seeds = wanted.seeds.unwrap_or(if cuts.is_some() { 1 } else { SEEDS.0 });
        let judge_seeds = wanted.judge_seeds.unwrap_or(many(cuts.as_ref().map(|cuts| &cuts.1), SEEDS.1));
        let first = wanted.seed;
        let from = |from: u32, count: u32| {
            (from..from + count).map(|i| first.wrapping_add(u64::from(i))).collect::<Vec<u64>>()
        };
        Ok(Worlds {
            train: Set::of("search", plan, cuts.map(|cuts| cuts.0), from(0, train_seeds))?,
            judge: Set::of("judge", plan, cuts.map(|cuts| cuts.1), from(train_seeds, judge_seeds))?,
        })
    }
}

/// Runs candidates.
pub(super) struct Runner<'r> {
    policy: &'r PolicyParams,
    asked: &'r Asked,
    pool: rayon::ThreadPool,
    progress: &'r Progress,
    journal: &'r Journal,
}

/// A point whose runs are coming in.
struct Pending {
    left: usize,
    ran: Vec<Option<Result<Sample, String>>>,
}

impl<'r> Runner<'r> {
    pub(super) fn new(
        policy: &'r PolicyParams,
        asked: &'r Asked,
        threads: Option<u32>,
        progress: &'r Progress,
        journal: &'r Journal,
    ) -> Result<Runner<'r>, Failure> {
        let mut pool = rayon::ThreadPoolBuilder::new();
        if let Some(count) = threads {
            pool = pool.num_threads(count as usize);
        }
        Ok(Runner { policy, asked, pool: pool.build()?, progress, journal })
    }
    /// The runs of each point, part by part and seed by seed; what went wrong where one could not be run. What the journal
    /// knows is not run again, and what is run is written there as soon as a point has all of its runs.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn samples(&self, worlds: &Set, points: &[Vec<f64>]) -> Result<Vec<Evaluated>, Failure> {
        let turned =
            |point: &Vec<f64>| Knob::turn_all(&self.asked.knobs, self.policy, point).map_err(|error| error.0);
        let policies: Vec<Result<PolicyParams, String>> = points.iter().map(turned).collect();
        let mut found: Vec<Option<Evaluated>> =
            points.iter().map(|point| self.journal.get(worlds.name, point).cloned()).collect();
        let each = worlds.cells_each() as usize;
        let pending: Vec<Mutex<Pending>> =
            points.iter().map(|_| Mutex::new(Pending { left: each, ran: vec![None; each] })).collect();
        let of_point = |point: usize| {
            let parts = worlds.prepared.iter();
            let cells = parts.flat_map(|prepared| worlds.seeds.iter().map(move |&seed| (prepared, seed)));
            cells.enumerate().map(move |(at, (prepared, seed))| (point, at, prepared, seed))
        };
        let new = (0..points.len()).filter(|&point| found[point].is_none());
        let cells: Vec<(usize, usize, &Prepared, u64)> = new.flat_map(of_point).collect();
        let metrics = self.asked.metrics();
        let run = |point: usize, prepared: &Prepared, seed: u64| {
            let policy = policies[point].as_ref().map_err(Clone::clone)?;
            let input = prepared.cell(policy, seed);
            let result =
                run_cell(&input, None, self.progress.watcher()).map_err(|error| error.to_string())?;
            let cell = summarise_cell(&result);
            if !cell.conservation.holds {
                let first = cell.conservation.violations.first().cloned().unwrap_or_default();
                return Err(format!("seed {seed}: a law of conservation was broken: {first}"));
            }
            Ok(Sample::of(&cell, metrics.iter().copied()))
        };
        let one = |&(point, at, prepared, seed): &(usize, usize, &Prepared, u64)| {
            let ran = run(point, prepared, seed);
            let mut pending = pending[point].lock().unwrap_or_else(PoisonError::into_inner);
            pending.ran[at] = Some(ran);
            pending.left -= 1;
            if pending.left > 0 {
                return Ok(None);
            }
            let evaluated: Evaluated = std::mem::take(&mut pending.ran).into_iter().flatten().collect();
            self.journal.add(worlds.name, &points[point], &evaluated)?;
            Ok(Some((point, evaluated)))
        };
        let ran: Result<Vec<_>, anyhow::Error> =
            self.pool.install(|| cells.par_iter().with_max_len(1).map(one).collect());
        for (point, evaluated) in ran?.into_iter().flatten() {
            found[point] = Some(evaluated);
        }
        Ok(found.into_iter().map(|found| found.unwrap_or_else(|| Ok(Vec::new()))).collect())
    }
    /// The means of each point over its runs.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn means(&self, worlds: &Set, points: &[Vec<f64>]) -> Result<Vec<Measured>, Failure> {
        let samples = self.samples(worlds, points)?;
        Ok(samples.into_iter().map(|samples| samples.map(|samples| means(&samples))).collect())
    }
}

/// Of the measures that every sample has.
pub(super) fn means(samples: &[Sample]) -> Means {
    let Some((first, others)) = samples.split_first() else { return Means::new() };
    let everywhere = |name: &&String| others.iter().all(|sample| sample.values.contains_key(*name));
    let mean = |name: &String| {
        Moments::of(samples.iter().filter_map(|sample| sample.value(name)))
            .mean()
            .map(|mean| (name.clone(), mean))
    };
    first.values.keys().filter(everywhere).filter_map(mean).collect()
}
