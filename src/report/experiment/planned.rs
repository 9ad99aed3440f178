//! A capacity plan, from its folder: plan.json, and the points that were played from pareto.csv.

use super::{Kind, ReadError, Source};
use serde::Deserialize;
use std::path::Path;

/// The points that were played.
const POINTS: &str = "pareto.csv";

/// A time that is `null` where no request had a first token.
fn or_zero<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(0.0))
}

/// Changes that help, in words: those of a plan have more to them.
fn changes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Change {
        Words(String),
        Whole { change: String },
    }
    let all = Vec::<Change>::deserialize(from)?;
    Ok(all.into_iter().map(|(Change::Words(change) | Change::Whole { change })| change).collect())
}

/// Replicas of an offer.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Lot {
    /// The pool, and the GPU where it is offered several.
    pub offer: String,
    /// Its region.
    pub region: String,
    /// The GPU; empty for plain queues.
    #[serde(default)]
    pub gpu: String,
    /// Replicas.
    pub replicas: u32,
    /// GPUs of all of them.
    pub gpus: u32,
    /// What they cost an hour, in the plan's unit.
    pub cost: f64,
}

/// A case and a class, confirmed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Line {
    /// The case.
    pub scene: String,
    /// The class.
    pub group: String,
    /// The share that must be within its SLO.
    pub target: f64,
    /// The share that is.
    pub attainment: f64,
    /// Its interval.
    pub interval: (f64, f64),
    /// p99 TTFT, milliseconds.
    #[serde(deserialize_with = "or_zero")]
    pub ttft_p99_ms: f64,
    /// How many seeds.
    pub seeds: u32,
    /// `holds`, `fails` or `open`.
    pub verdict: String,
}

/// What holds a plan up.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Confirmation {
    /// By case and class.
    pub lines: Vec<Line>,
}

/// A plan with one replica more or less.
#[derive(Clone, Debug, Deserialize)]
pub struct Neighbour {
    /// What is different.
    pub change: String,
    /// What it costs an hour.
    pub cost: f64,
    /// `holds`, `fails` or `open`.
    pub verdict: String,
    /// Case and class nearest to the target.
    pub tightest: String,
    /// Attainment there, with its interval.
    pub attainment: (f64, f64, f64),
}

/// What keeps a region from one replica less.
#[derive(Clone, Debug, Deserialize)]
pub struct Binding {
    /// The region.
    pub region: String,
    /// What.
    pub constraint: String,
    /// The numbers that show it.
    pub shown_by: String,
}

/// The plan without a region.
#[derive(Clone, Debug, Deserialize)]
pub struct Lost {
    /// The region.
    pub region: String,
    /// The least attainment, with its interval.
    pub attainment: (f64, f64, f64),
    /// The highest p99 TTFT, milliseconds.
    #[serde(deserialize_with = "or_zero")]
    pub ttft_p99_ms: f64,
    /// The share served away from home.
    pub served_elsewhere: f64,
    /// The share that nobody served.
    pub unserved: f64,
    /// What is asked in this case; none where it is only shown.
    pub asked: Option<f64>,
}

/// How much more traffic a plan stands.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Headroom {
    /// The largest factor at which it was seen to stand.
    pub stands: f64,
    /// The smallest at which it was seen to fall.
    pub falls: Option<f64>,
}

/// The same without residency rules.
#[derive(Clone, Debug, Deserialize)]
pub struct Residency {
    /// What the cheapest plan without them costs.
    pub cost_without: Option<f64>,
    /// What the rules cost.
    pub price: Option<f64>,
}

/// A plan.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Found {
    /// What it has of each offer.
    pub lots: Vec<Lot>,
    /// What it costs an hour.
    pub cost: f64,
    /// What holds it up.
    pub confirmation: Confirmation,
    /// Plans with one replica more or less.
    #[serde(default)]
    pub neighbours: Vec<Neighbour>,
    /// How much more traffic it stands.
    #[serde(default)]
    pub headroom: Option<Headroom>,
    /// What keeps each region from one replica less.
    #[serde(default)]
    pub binding: Vec<Binding>,
    /// With each region gone.
    #[serde(default)]
    pub lost: Vec<Lost>,
    /// What residency rules cost.
    #[serde(default)]
    pub residency: Option<Residency>,
}

/// Why there is none.
#[derive(Clone, Debug, Deserialize)]
pub struct Infeasible {
    /// What stands in the way.
    pub reason: String,
    /// The numbers that show it.
    pub shown_by: String,
    /// The smallest changes that were seen to help.
    #[serde(default, deserialize_with = "changes")]
    pub relaxations: Vec<String>,
}

/// A policy's plan.
#[derive(Clone, Debug, Deserialize)]
pub struct Planned {
    /// The policy.
    pub policy: String,
    /// The plan.
    pub found: Option<Found>,
    /// Why there is none.
    #[serde(default)]
    pub infeasible: Option<Infeasible>,
}

/// A plan that was played.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The policy.
    pub policy: String,
    /// Replicas of each offer.
    pub counts: Vec<u32>,
    /// What it costs an hour.
    pub cost: f64,
    /// p99 TTFT, milliseconds.
    pub ttft_p99_ms: f64,
    /// The least attainment over usual cases and classes.
    pub attainment: f64,
    /// Whether no other is as good in all three and better in one.
    pub frontier: bool,
}

/// What `plan` left.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The answer.
    pub answer: Answer,
    /// Points that were played; none where the folder lost them.
    pub points: Vec<Point>,
}

/// plan.json.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Answer {
    /// The scenario's name.
    pub scenario: String,
    /// The tool's version.
    pub tool_version: String,
    /// The scenario's hash.
    pub scenario_hash: String,
    /// What the answer is of.
    pub kind: String,
    /// What costs are counted in: `$/h`, `GPUs` or `replicas`.
    pub unit: String,
    /// What counts are of.
    pub offers: Vec<String>,
    /// The cases.
    pub cases: Vec<String>,
    /// The first seed of the search, and how many.
    pub search_seeds: (u64, u32),
    /// The first seed of the confirmation, and how many at most.
    pub confirm_seeds: (u64, u32),
    /// How sure intervals are.
    pub confidence: f64,
    /// By policy.
    pub plans: Vec<Planned>,
    /// What the user should know.
    #[serde(default)]
    pub notices: Vec<String>,
}

impl Answer {
    /// What costs are counted in, as axes and tables write it.
    pub fn cost_unit(&self) -> String {
        if self.unit == "$/h" { "US$ an hour".to_owned() } else { self.unit.clone() }
    }
    /// A cost.
    pub fn money(&self, cost: f64) -> String {
        if self.unit == "$/h" { format!("{cost:.2}") } else { format!("{cost:.0}") }
    }
}

/// Reads it.
pub(super) fn read(folder: &Path) -> Result<Plan, ReadError> {
    let answer: Answer = Source::of(folder, Kind::Plan.file(), Kind::Plan).json()?;
    let source = Source::of(folder, POINTS, Kind::Plan);
    let points = match source.text_if_any()? {
        Some(text) => points(&source, &text, &answer)?,
        None => Vec::new(),
    };
    Ok(Plan { answer, points })
}

fn points(source: &Source, text: &str, answer: &Answer) -> Result<Vec<Point>, ReadError> {
    let (head, rows) = source.csv(text)?;
    let column = |name: &str| {
        let missing = || source.broken(format!("the column `{name}` is missing"));
        head.iter().position(|known| known == name).ok_or_else(missing)
    };
    let cost = if answer.unit == "$/h" { "usd_per_hour" } else { answer.unit.as_str() };
    // An offer may have the name of the unit: counts stand first.
    let cost = head.iter().rposition(|known| known == cost).map_or_else(|| column(cost), Ok)?;
    let (policy, p99, attainment, frontier) =
        (column("policy")?, column("ttft_p99_ms")?, column("attainment")?, column("frontier")?);
    let offers = answer.offers.iter().map(|offer| column(offer)).collect::<Result<Vec<_>, _>>()?;
    let mut points = Vec::new();
    for row in &rows {
        let number = |at: usize| source.number(row, at);
        let (Some(cost), Some(ttft_p99_ms), Some(attainment)) =
            (number(cost)?, number(p99)?, number(attainment)?)
        else {
            continue;
        };
        let counts = offers.iter().map(|&at| Ok(number(at)?.unwrap_or(0.0) as u32));
        points.push(Point {
            policy: row.get(policy).unwrap_or_default().to_owned(),
            counts: counts.collect::<Result<_, ReadError>>()?,
            cost,
            ttft_p99_ms,
            attainment,
            frontier: row.get(frontier) == Some("true"),
        });
    }
    Ok(points)
}
