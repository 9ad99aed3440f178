//! What a planning comes to: plain data for tables and JSON. Knows numbers and names; must not know how they came about.

use super::confirm::{Confirmation, Verdict};
use super::fluid::Rates;
use serde::Serialize;

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Grows when a field changes its meaning.
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The tool's version.
    pub tool_version: String,
    /// The scenario's hash, in hexadecimal.
    pub scenario_hash: String,
    /// What the answer is of: long-run traffic, without what changes on the way.
    pub kind: String,
    /// Whether the scenario's events happen in the cases; `None` where it has none.
    pub events: Option<bool>,
    /// What costs are counted in: `$/h`, `GPUs` or `replicas`.
    pub unit: String,
    /// What counts are of: pools, and the GPU where a pool is offered several.
    pub offers: Vec<String>,
    /// The cases.
    pub cases: Vec<String>,
    /// The first seed of the search, and how many.
    pub search_seeds: (u64, u32),
    /// The first seed of the confirmation, and how many at most.
    pub confirm_seeds: (u64, u32),
    /// How sure intervals are.
    pub confidence: f64,
    /// Requests of one cell that count, on the mean over usual cells of the most generous plan.
    pub requests_per_cell: f64,
    /// By policy.
    pub plans: Vec<Planned>,
    /// What demand by the clock gives; `None` where demand is the same at all times or nobody says how it moves.
    pub sun: Option<Sun>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Cells that were played, and those that were recalled from the cache.
    pub cells: (u64, u64),
}

/// A policy's plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The policy.
    pub policy: String,
    /// The plan, where there is one.
    pub found: Option<Found>,
    /// Why there is none.
    pub infeasible: Option<Infeasible>,
    /// Plans that were played to their ends in usual cases, by cost.
    #[serde(skip)]
    pub pareto: Vec<Point>,
}

/// Replicas of an offer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lot {
    /// The pool, and the GPU where it is offered several.
    pub offer: String,
    /// Its region.
    pub region: String,
    /// The GPU; empty for plain queues.
    pub gpu: String,
    /// Replicas.
    pub replicas: u32,
    /// GPUs of all of them.
    pub gpus: u32,
    /// What they cost an hour, in the answer's unit.
    pub cost: f64,
    /// What rates alone take for the region's own demand, in replicas.
    pub fluid: f64,
    /// What one replica can do at best.
    pub rates: Option<Rates>,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// What it has of each offer.
    pub lots: Vec<Lot>,
    /// What it costs an hour.
    pub cost: f64,
    /// What the search proposed, where confirmation moved on from it.
    pub proposed: Option<Vec<u32>>,
    /// What a run of it takes, as after `--set`.
    pub set: Vec<String>,
    /// What holds it up.
    pub confirmation: Confirmation,
    /// Plans with one replica more or less.
    pub neighbours: Vec<Neighbour>,
    /// How much more traffic it stands.
    pub headroom: Option<Headroom>,
    /// What keeps each region from one replica less.
    pub binding: Vec<Binding>,
    /// With each region gone.
    pub lost: Vec<Lost>,
    /// What residency rules cost.
    pub residency: Option<Residency>,
}

/// A plan with one replica more or less.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// What is different, such as `us/main -1`.
    pub change: String,
    /// What it costs an hour.
    pub cost: f64,
    /// What its confirmation says.
    pub verdict: Verdict,
    /// The case and group nearest to its target.
    pub tightest: String,
    /// Its attainment there, and the interval.
    pub attainment: (f64, f64, f64),
    /// How many seeds.
    pub seeds: u32,
    /// Its attainment less the plan's there, over the same seeds, with the interval.
    pub difference: Option<(f64, f64, f64)>,
}

/// How much more traffic a plan stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headroom {
    /// The largest factor at which it was seen to stand in all usual cases, under the search's seeds.
    pub stands: f64,
    /// The smallest at which it was seen to fall; `None` where none was tried.
    pub falls: Option<f64>,
}

/// What keeps a region from one replica less.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// The region.
    pub region: String,
    /// Its replicas.
    pub replicas: u32,
    /// `prefill`, `decode slots`, `KV`, `ITL`, `server`, `RTT floor`, `supply`, `residency`, `spare`, `min` or
    /// `none`.
    pub constraint: String,
    /// The numbers that show it.
    pub shown_by: String,
}

/// A plan without a region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lost {
    /// The region.
    pub region: String,
    /// The least attainment over cases and classes, with its interval over seeds: that of the confirmation.
    pub attainment: (f64, f64, f64),
    /// The highest 99th percentile of TTFT over cases, in milliseconds; `None` where no request had a first token.
    pub ttft_p99_ms: Option<f64>,
    /// How many seeds that is of.
    pub seeds: u32,
    /// Whether anything at all is served.
    pub serves: bool,
    /// The share of requests served away from home.
    pub served_elsewhere: f64,
    /// The share that nobody served.
    pub unserved: f64,
    /// What is asked in this case; `None` where it is only shown.
    pub asked: Option<f64>,
}

/// The same without residency rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Residency {
    /// What the cheapest plan without them costs; `None` where there is none.
    pub cost_without: Option<f64>,
    /// What the rules cost.
    pub price: Option<f64>,
    /// Its replicas, in the order of lots.
    pub replicas_without: Vec<u32>,
}

/// No plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Infeasible {
    /// What stands in the way: `supply`, `max`, `RTT floor`, `residency`, `confirmation`, `load`, or `several` where no
    /// change of one kind helps.
    pub reason: String,
    /// The numbers that show it.
    pub shown_by: String,
    /// The smallest changes that were seen to help, each by itself: with it there is a plan that its confirmation holds up.
    pub relaxations: Vec<Relaxation>,
    /// How far the search for changes went, in words.
    pub tried: Vec<String>,
}

/// A change with which there is a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relaxation {
    /// In words.
    pub change: String,
    /// The same as after `--set`.
    pub set: Vec<String>,
    /// The case and class that is then nearest to its target, with all that may be had.
    pub tightest: String,
    /// What that one must reach.
    pub target: f64,
    /// What it reaches in the confirmation, with its interval.
    pub attainment: (f64, f64, f64),
    /// Over so many seeds.
    pub seeds: u32,
}

/// Demand by the clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sun {
    /// By region: its name, its share of the demand, its peak over its mean, when that is.
    pub regions: Vec<(String, f64, f64, String)>,
    /// The sum of the regions' peaks over the peak of their sum.
    pub ratio: f64,
    /// What one pool for all saves of pools for each at most: 1 − 1/ratio. It knows no round trip and no cache.
    pub saved: f64,
    /// Why that is no bound here; empty where it is one.
    pub no_bound: Vec<String>,
    /// When the sum has its peak.
    pub peak: String,
}

/// A plan that was played.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Replicas of each offer.
    pub counts: Vec<u32>,
    /// What it costs an hour.
    pub cost: f64,
    /// The highest 99th percentile of TTFT over usual cases, a mean over seeds, in milliseconds; `None` where no request had
    /// a first token.
    pub ttft_p99_ms: Option<f64>,
    /// The least attainment over usual cases and groups, pooled over seeds.
    pub attainment: f64,
    /// Whether it holds: what its confirmation says, where it was confirmed, in all cases.
    pub confirmed: Option<Verdict>,
    /// Whether its confirmation upholds it and no other point that is upheld is as good in all three and better in one.
    pub frontier: bool,
}
