//! What is asked: from the command line and a sweep file to points, every one of them checked before the first runs.

use super::super::exit::{Exit, Failure, Invalid};
use super::super::load::Source;
use super::super::no_such;
use super::super::terminal;
use crate::report::measures::{self, Measure};
use crate::scenario::nearest::suggest;
use crate::scenario::{self, Plan};
use crate::sweep::cells::{Cell, cells_of};
use crate::sweep::file::MOST_SEEDS;
use crate::sweep::point::MOST_POINTS;
use crate::sweep::{Axis, Point, SweepFile, grid, is_sweep_file, random};
use crate::workload::Shelf;
use anyhow::anyhow;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What says which point is best where nothing else is named.
pub(super) const OBJECTIVE: &str = "ttft.p99";
/// Different mistakes that are shown, each with the first point that has it.
const SHOWN: usize = 6;
/// The most cells of one sweep: our choice, ten thousand hours of short runs.
const MOST_CELLS: usize = 1_000_000;

/// What is swept.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Question {
    /// The scenario, or a sweep file: one with `scenario` and `[over]`.
    #[arg(value_name = "SCENARIO")]
    pub file: Option<String>,
    /// Vary a path; may be repeated, and lists multiply. Over a sweep file's path it takes its place.
    #[arg(long, value_name = "PATH=VALUES")]
    pub over: Vec<String>,
    /// So many random points instead of every combination.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_POINTS as i64))]
    pub random: Option<u32>,
    /// Run only this policy of the scenario; may be repeated.
    #[arg(long, short, value_name = "NAME")]
    pub policy: Vec<String>,
    /// The first seed; the scenario's where it is not given. It also draws random points.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many seeds each point runs, counting up from the first.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SEEDS)))]
    pub seeds: Option<u32>,
    /// Override a value at every point; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The measure that says which point is best. Default: ttft.p99.
    #[arg(long, value_name = "MEASURE")]
    pub objective: Option<String>,
}

/// A question, understood.
pub(super) struct Asked {
    source: Source,
    shelf: Shelf,
    pub axes: Vec<Axis>,
    pub points: Vec<Point>,
    pub set: Vec<String>,
    policies: Vec<String>,
    seed: Option<u64>,
    seeds: u32,
    pub random: Option<u32>,
    pub objective: Option<String>,
}

/// The folder where none is named.
pub(super) fn folder(scenario: &str) -> PathBuf {
    Path::new("reports").join(crate::report::loaded::folder_name(scenario) + "-sweep")
}

/// A measure by its name.
pub(in crate::cli) fn objective(name: Option<&str>) -> Result<&'static Measure, Failure> {
    let name = name.unwrap_or(OBJECTIVE);
    let lists = [measures::LATENCY, measures::SERVICE, measures::MONEY, measures::ROUTING];
    let mut all = lists.into_iter().flatten();
    let known = lists.into_iter().flatten().map(|measure| measure.name);
    all.find(|measure| measure.name == name)
        .ok_or_else(|| no_such("--objective: there is no measure", name, known))
}

impl Asked {
    /// Reads what is asked; all mistakes of `--over` at once.
    pub fn of(question: &Question) -> Result<Asked, Failure> {
        let Some(file) = &question.file else {
            return Err(Failure::usage(anyhow!(
                "a scenario or a sweep file is needed; `regionsim sweep --help` has examples"
            )));
        };
        let source = Source::read(file)?;
        let (source, swept) = if is_sweep_file(&source.text) {
            let swept = SweepFile::parse(&source.file, &source.text, &source.folder)
                .map_err(|found| Failure { exit: Exit::Usage, error: Invalid(found).into() })?;
            (Source::read(&swept.scenario.to_string_lossy())?, swept)
        } else {
            (source, SweepFile::default())
        };
        let random_points = question.random.or(swept.random);
        let mut axes = swept.over;
        let (mut wrong, mut typed) = (Vec::new(), Vec::new());
        for text in &question.over {
            match Axis::parse(text) {
                Ok(axis) => {
                    if typed.contains(&axis.path) {
                        wrong.push(format!(
                            "--over {text}: `{}` is varied twice; put all its values in one list",
                            axis.path
                        ));
                        continue;
                    }
                    typed.push(axis.path.clone());
                    if let (None, Err(error)) = (random_points, axis.listed()) {
                        wrong.push(format!("--over {error}"));
                    }
                    match axes.iter_mut().find(|other| other.path == axis.path) {
                        Some(old) => *old = axis,
                        None => axes.push(axis),
                    }
                }
                Err(error) => wrong.push(format!("--over {error}")),
            }
        }
        if axes.is_empty() && wrong.is_empty() {
            wrong.push(
                "nothing is varied: write --over PATH=VALUES, such as --over regions.us.pools.main.replicas=2,4,8".to_owned(),
            );
        }
        if !wrong.is_empty() {
            return Err(Failure::usage(anyhow!("{}", wrong.join("\nerror: "))));
        }
        let mut set = swept.set;
        set.extend(question.set.iter().cloned());
        let seed = question.seed.or(swept.seed);
        let points = match random_points {
            Some(count) => random(&axes, count as usize, seed.unwrap_or(0)),
            None => grid(&axes).map_err(|error| Failure::usage(anyhow!("--over {error}")))?,
        };
        Ok(Asked {
            source,
            shelf: Shelf::default(),
            axes,
            points,
            set,
            policies: if question.policy.is_empty() { swept.policies } else { question.policy.clone() },
            seed,
            seeds: question.seeds.or(swept.seeds).unwrap_or(1),
            random: random_points,
            objective: question.objective.clone().or(swept.objective),
        })
    }

    /// The plan of a point.
    pub fn plan(&self, point: &Point) -> Result<Plan, scenario::Diagnostics> {
        let Source { file, text, folder, stem } = &self.source;
        let set: Vec<String> = self.set.iter().cloned().chain(point.overrides()).collect();
        scenario::parse_with(file, text, folder, stem, &set, &self.shelf)
    }

    /// The cells of all points, in their order, and the first point's plan: every point is read here, and everything that is
    /// wrong with any of them is told.
    pub fn cells(&mut self) -> Result<(Plan, Vec<Cell>), Failure> {
        let Some(first) = self.points.first() else {
            return Err(Failure::usage(anyhow!("there is no point")));
        };
        if self.points.len().saturating_mul(self.seeds as usize) > MOST_CELLS {
            return Err(Failure::usage(anyhow!(
                "{} points × {} seeds are more than {MOST_CELLS} cells; take fewer seeds or larger steps",
                self.points.len(),
                self.seeds
            )));
        }
        // One at first, so that what all share is read once; mistakes are told with those of the others.
        let plan = self.plan(first);
        let check = |point: &Point| match self.plan(point) {
            Ok(plan) => self.check(point, &plan),
            Err(found) => {
                let mut text = found.render(terminal::stderr_colour());
                // The same mistake at several values is one.
                for (path, value) in &point.settings {
                    text = text.replace(&format!("--set {path}={value}:"), &format!("--over {path}:"));
                }
                Err(text)
            }
        };
        let checked: Vec<Result<Vec<Cell>, String>> = self.points.par_iter().map(check).collect();
        let mut wrong: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
        for (point, result) in self.points.iter().zip(&checked) {
            if let Err(text) = result {
                wrong.entry(text).or_default().push(point);
            }
        }
        if !wrong.is_empty() {
            return Err(Failure::usage(anyhow!("{}", told(wrong, self.points.len()))));
        }
        let mut cells: Vec<Cell> = checked.into_iter().flatten().flatten().collect();
        for (number, cell) in cells.iter_mut().enumerate() {
            cell.number = number as u64;
        }
        let plan = plan.map_err(|found| Failure { exit: Exit::Usage, error: Invalid(found).into() })?;
        Ok((plan, cells))
    }

    fn check(&self, point: &Point, plan: &Plan) -> Result<Vec<Cell>, String> {
        let known = || plan.policies.iter().map(|policy| policy.name.as_str());
        if let Some(unknown) = self.policies.iter().find(|name| known().all(|other| other != **name)) {
            return Err(format!(
                "error: the scenario has no policy `{unknown}`; {}",
                suggest(unknown, "known", known())
            ));
        }
        Ok(cells_of(point, plan, &self.policies, self.seed, self.seeds))
    }
}

fn told(wrong: BTreeMap<&str, Vec<&Point>>, points: usize) -> String {
    let mut found: Vec<(&str, Vec<&Point>)> = wrong.into_iter().collect();
    found.sort_by_key(|(_, points)| points[0].number);
    let bad: usize = found.iter().map(|(_, points)| points.len()).sum();
    let mut text = format!("{bad} of {points} points cannot be run; nothing was");
    for (mistake, points) in found.iter().take(SHOWN) {
        let others = match points.len() - 1 {
            0 => String::new(),
            1 => " and 1 other".to_owned(),
            more => format!(" and {more} others"),
        };
        let _ = write!(text, "\n\n{}{others}:\n{mistake}", points[0].name());
    }
    if found.len() > SHOWN {
        let _ = write!(text, "\n\nand {} more mistakes", found.len() - SHOWN);
    }
    text
}
