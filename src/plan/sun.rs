//! What demand by the clock gives: how far the regions' peaks are apart. Knows curves and weights; must not know fleets.
//! The ratio of the sum of peaks to the peak of the sum bounds what one pool for all saves of pools for each, without round
//! trips, residency or lost cache hits (SkyWalker, arXiv 2505.24095, reserves for the peak of the sum).

use super::answer::Sun;
use super::scene::clock;
use crate::id::Id;
use crate::workload::WorkloadKind;
use crate::workload::curve::{Curve, Local, WEEK_S};
use crate::workload::params::OriginAssignment;
use crate::world::WorldParams;

/// Looks are this far apart: as fine as the finest usual curve.
const STEP_S: u32 = 900;

/// Of a world whose demand is generated; `None` where it is the same at all times, or comes from traces.
pub fn sun(world: &WorldParams) -> Option<Sun> {
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
    Some(Sun { regions, ratio, saved: 1.0 - 1.0 / ratio, peak: when(at) })
}
