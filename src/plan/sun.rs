//! What demand by the clock gives: how far the regions' peaks are apart. Knows curves and weights; must not know fleets.
//! The ratio of the sum of peaks to the peak of the sum bounds what one pool for all saves of pools for each, without round
//! trips, residency or lost cache hits (SkyWalker, arXiv 2505.24095, reserves for the peak of the sum).

use super::answer::Sun;
use super::scene::clock;
use crate::cost::PoolPrice;
use crate::id::Id;
use crate::scenario::{Plan, Planning};
use crate::workload::curve::{Curve, Local, WEEK_S};
use crate::workload::params::OriginAssignment;
use crate::workload::{WorkloadKind, WorkloadParams};
use crate::world::{OriginParams, WorldParams};

/// Looks are this far apart: as fine as the finest usual curve.
const STEP_S: u32 = 900;

/// Of a scenario whose demand is generated; `None` where it is the same at all times, or comes from traces.
pub fn sun(plan: &Plan, planning: &Planning) -> Option<Sun> {
    let mut sun = of_world(&plan.world)?;
    sun.no_bound = no_bound(plan, planning, &sun);
    Some(sun)
}

/// Why 1 − 1/ratio does not bound what one pool saves: the premises that do not hold.
fn no_bound(plan: &Plan, planning: &Planning, sun: &Sun) -> Vec<String> {
    let world = &plan.world;
    let mut broken = Vec::new();
    if sun.regions.len() < 2 {
        broken.push("one region alone has demand".to_string());
        return broken;
    }
    let with_pools = world.pools.iter().map(|pool| pool.region);
    let restricted = |origin: &OriginParams| {
        let serve = world.data_classes[origin.data_class].serve_in();
        with_pools.clone().any(|region| !serve.contains(region))
    };
    if world.origins.iter().any(restricted) {
        broken.push("rules keep requests from some regions".to_string());
    }
    // What a replica does, and what it costs.
    let kind = |at: usize| {
        let pool = &world.pools.as_slice()[at];
        let price = plan.facts.prices.iter().find(|price| price.pool == pool.name).map(PoolPrice::gpu_hour);
        (&pool.server, &pool.timing, pool.gpus_per_replica, price)
    };
    if (1..world.pools.len()).any(|at| kind(at) != kind(0))
        || planning.pools.iter().any(|pool| pool.gpus.len() > 1)
    {
        broken.push("replicas differ in what they do or cost".to_string());
    }
    let of_one = |workload: &WorkloadParams| matches!(workload.origins, OriginAssignment::Single(_));
    if world.workloads.len() > 1 && world.workloads.iter().any(of_one) {
        broken.push("regions ask for different work".to_string());
    }
    if planning.times_s.len() < 2 {
        broken.push("the plan stands at one time".to_string());
    }
    broken
}

fn of_world(world: &WorldParams) -> Option<Sun> {
    let flat = Curve::flat();
    let steps = (WEEK_S / STEP_S) as usize;
    // Sessions a second by region and time.
    let mut demand = vec![vec![0.0; steps]; world.regions.len()];
    for workload in &world.workloads {
        let WorkloadKind::Synthetic(params) = &workload.kind else { return None };
        if params.clients.is_some() || !params.stages.is_empty() {
            return None;
        }
        let single = match workload.origins {
            OriginAssignment::Single(origin) => Some(origin),
            OriginAssignment::Weighted { .. } => None,
        };
        let origins =
            || world.origins.enumerate().filter(|(id, _)| single.is_none_or(|single| single == *id));
        let weight = |weight: f64| if single.is_some() { 1.0 } else { weight };
        let total: f64 = origins().map(|(_, origin)| weight(origin.weight)).sum();
        for (_, origin) in origins() {
            let curve = origin.geography.day_curve.as_ref().or(workload.setting.rate_curve.as_ref());
            let local = Local {
                curve: curve.unwrap_or(&flat),
                utc_offset_min: origin.geography.utc_offset_min,
                weight: weight(origin.weight),
            };
            for (step, sum) in demand[origin.near.index()].iter_mut().enumerate() {
                *sum += params.sessions_per_s * local.weight / total * local.at(step as u32 * STEP_S);
            }
        }
    }
    let peak = |series: &[f64]| {
        let mut best = (0, f64::MIN);
        for (at, &value) in series.iter().enumerate() {
            // Equal but for rounding is the first.
            if value > best.1 * (1.0 + 1e-12) {
                best = (at, value);
            }
        }
        best
    };
    let whole: Vec<f64> = (0..steps).map(|step| demand.iter().map(|series| series[step]).sum()).collect();
    if demand.iter().all(|series| series.iter().all(|value| *value == series[0])) {
        return None;
    }
    let all: f64 = whole.iter().sum();
    let when = |at: usize| clock(at as u32 * STEP_S);
    let mut regions = Vec::new();
    let mut peaks = 0.0;
    for (id, region) in world.regions.enumerate() {
        let series = &demand[id.index()];
        let sum: f64 = series.iter().sum();
        if sum > 0.0 {
            let (at, value) = peak(series);
            peaks += value;
            regions.push((region.name.clone(), sum / all, value / (sum / steps as f64), when(at)));
        }
    }
    let (at, of_sum) = peak(&whole);
    let ratio = peaks / of_sum;
    Some(Sun { regions, ratio, saved: 1.0 - 1.0 / ratio, no_bound: Vec::new(), peak: when(at) })
}
