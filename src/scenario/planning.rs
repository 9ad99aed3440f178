//! What a capacity plan is asked for: which pools may change, what there is to have, what must be reached, and in which
//! cases. Knows ids, counts and shares; must not know how a plan is searched for.

use crate::id::{Id, PoolId, RegionId};
use crate::time::Span;
use crate::world::WorldParams;
use serde::Serialize;

/// The share of all arrivals that must be within their SLO, where nothing is stated: our choice, as P95 targets are the
/// most usual ones.
pub const ATTAINMENT: f64 = 0.95;
/// Seeds that a plan must stand under while it is searched for: our choice, the least that tells luck from fit.
pub const SEEDS: u32 = 2;
/// The most seeds that confirm a plan: our choice.
pub const MAX_SEEDS: u32 = 16;
/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;

/// What a capacity plan is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planning {
    /// Policies to plan for, each on its own.
    pub policies: Vec<String>,
    /// By class, the share of all arrivals that must be within their SLO.
    pub targets: Vec<f64>,
    /// Whether any class has a target of its own.
    pub targets_by_class: bool,
    /// Whether each origin must reach it, and not only all together.
    pub by_origin: bool,
    /// What must be reached with any one region gone; `None` is not asked.
    pub n_plus_1: Option<f64>,
    /// Times of the week at which the plan must stand, in seconds since Monday 0 h UTC; none takes the workloads' own.
    pub times_s: Vec<u32>,
    /// Only arrivals of the first so much time; `None` takes the scenario's.
    pub span: Option<Span>,
    /// Whether the scenario's events happen in every case.
    pub events: bool,
    /// Seeds that a plan must stand under while it is searched for.
    pub seeds: u32,
    /// The most seeds that confirm it.
    pub max_seeds: u32,
    /// How sure the intervals of confirmation are, 0 to 1.
    pub confidence: f64,
    /// Whether those pools are named; otherwise they are all there are.
    pub pools_named: bool,
    /// Pools that may change.
    pub pools: Vec<PlannedPool>,
    /// The GPUs there are.
    pub supply: Vec<Supply>,
    /// What else the plan must stand.
    pub contingencies: Vec<Contingency>,
}

/// A pool that may change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedPool {
    /// Which.
    pub pool: PoolId,
    /// The fewest replicas of each GPU type.
    pub min: u32,
    /// The most of each.
    pub max: u32,
    /// GPU types of the catalogue that it may be made of; none is the pool's own.
    pub gpus: Vec<String>,
}

/// The most GPUs of a type in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Supply {
    /// The region.
    pub region: RegionId,
    /// The GPU's name in the catalogue.
    pub gpu: String,
    /// How many, over all pools.
    pub gpus: u32,
}

/// Something that a plan must stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contingency {
    /// Its name.
    pub name: String,
    /// Regions without replicas.
    pub down: Vec<RegionId>,
    /// A factor on all traffic.
    pub traffic: f64,
    /// Overrides of the scenario.
    pub set: Vec<String>,
    /// What must be reached in it, where that is less than otherwise.
    pub attainment: Option<f64>,
}

/// The most replicas of a pool that states no `max`: four times those it has, and at least eight (our choice).
pub fn usual_max(replicas: u32) -> u32 {
    replicas.saturating_mul(4).max(8)
}

impl Planning {
    /// What is asked where the scenario says nothing: every pool may change, for the first policy, against the usual
    /// targets.
    pub fn usual(world: &WorldParams, policies: &[String]) -> Planning {
        let pools = world.pools.enumerate().map(|(pool, params)| PlannedPool {
            pool,
            min: 0,
            max: usual_max(params.replicas),
            gpus: Vec::new(),
        });
        Planning {
            policies: policies.first().cloned().into_iter().collect(),
            targets: vec![ATTAINMENT; world.classes.len()],
            targets_by_class: false,
            by_origin: false,
            n_plus_1: None,
            times_s: Vec::new(),
            span: None,
            events: false,
            seeds: SEEDS,
            max_seeds: MAX_SEEDS,
            confidence: CONFIDENCE,
            pools_named: false,
            pools: pools.collect(),
            supply: Vec::new(),
            contingencies: Vec::new(),
        }
    }
    /// The GPUs of a type there are in a region; `None` is without limit.
    pub fn supply_of(&self, region: RegionId, gpu: &str) -> Option<u32> {
        self.supply
            .iter()
            .find(|supply| supply.region == region && supply.gpu == gpu)
            .map(|supply| supply.gpus)
    }
    /// What is planned of a pool.
    pub fn pool(&self, pool: PoolId) -> Option<&PlannedPool> {
        self.pools.iter().find(|planned| planned.pool.index() == pool.index())
    }
}
