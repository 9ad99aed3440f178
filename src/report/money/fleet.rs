//! GPU-hours at their prices: what is provisioned, what of it is busy, and what whole instances add.

use super::super::numbers::rounded;
use super::super::summary::FleetCost;
use crate::cost::MicroUsd;
use crate::id::{Id, PoolId, RegionId};
use crate::run::RunResult;
use crate::time::{PS_PER_NS, Span};
use std::collections::BTreeMap;

/// What was paid for GPUs.
pub(super) struct Paid {
    /// By pool and by region, spare GPUs with them.
    pub(super) pools: Vec<MicroUsd>,
    pub(super) regions: Vec<MicroUsd>,
    /// For time in engine steps.
    pub(super) busy: MicroUsd,
    /// For GPUs of instances that no replica has.
    pub(super) spare: MicroUsd,
    /// All of it for an hour.
    pub(super) hour: MicroUsd,
    pub(super) lines: Vec<FleetCost>,
}

#[derive(Default)]
struct Line {
    gpu_ns: u128,
    busy_gpu_ns: u128,
    spare_gpu_ns: u128,
    usd: MicroUsd,
    busy_usd: MicroUsd,
}

const HOUR: Span = Span::from_secs(3600);

pub(super) fn paid(result: &RunResult) -> Paid {
    let (labels, prices) = (&result.labels, &result.provenance.prices);
    let mut paid = Paid {
        pools: vec![MicroUsd(0); labels.pools.len()],
        regions: vec![MicroUsd(0); labels.regions.len()],
        busy: MicroUsd(0),
        spare: MicroUsd(0),
        hour: MicroUsd(0),
        lines: Vec::new(),
    };
    let mut lines: BTreeMap<(RegionId, &str), Line> = BTreeMap::new();
    for (id, pool) in labels.pools.enumerate() {
        let Some(price) = prices.iter().find(|price| price.pool == pool.name) else { continue };
        let (hour, gpus) = (price.gpu_hour(), u64::from(pool.gpus_per_replica));
        let line = lines.entry((pool.region, &pool.gpu)).or_default();
        let mut sum = MicroUsd(0);
        let mut spans = spans(result, id);
        for &(provisioned, busy) in &spans {
            let (cost, at_work) = (hour.for_hours(gpus, provisioned), hour.for_hours(gpus, busy));
            line.gpu_ns += u128::from(gpus) * u128::from(provisioned.0);
            line.busy_gpu_ns += u128::from(gpus) * u128::from(busy.0);
            line.busy_usd = line.busy_usd + at_work;
            (sum, paid.busy) = (sum + cost, paid.busy + at_work);
        }
        // Replicas are there from the start on: the shorter spans lie within the longer ones.
        spans.sort_unstable();
        let (mut before, mut left) = (Span::ZERO, spans.len() as u64);
        for &(provisioned, _) in &spans {
            let spare = price.paid_gpus(left, gpus) - left * gpus;
            let time = provisioned - before;
            let cost = hour.for_hours(spare, time);
            line.spare_gpu_ns += u128::from(spare) * u128::from(time.0);
            (sum, paid.spare) = (sum + cost, paid.spare + cost);
            (before, left) = (provisioned, left - 1);
        }
        line.usd = line.usd + sum;
        paid.pools[id.index()] = sum;
        paid.regions[pool.region.index()] = paid.regions[pool.region.index()] + sum;
        paid.hour = paid.hour + hour.for_hours(price.paid_gpus(spans.len() as u64, gpus), HOUR);
    }
    let hours = |gpu_ns: u128| rounded(gpu_ns as f64 / HOUR.0 as f64);
    let told = |((region, gpu), line): ((RegionId, &str), Line)| FleetCost {
        region: labels.region(region),
        gpu: gpu.to_string(),
        gpu_hours: hours(line.gpu_ns),
        busy_gpu_hours: hours(line.busy_gpu_ns),
        spare_gpu_hours: hours(line.spare_gpu_ns),
        usd: line.usd.usd(),
        busy_usd: line.busy_usd.usd(),
    };
    paid.lines = lines.into_iter().map(told).collect();
    paid
}

/// Of each replica of a pool, how long it was provisioned and how long in engine steps.
fn spans(result: &RunResult, pool: PoolId) -> Vec<(Span, Span)> {
    let of = |id| result.labels.replicas.get(id).is_some_and(|label| label.pool == pool);
    let each = result.replicas.enumerate().filter(|(id, _)| of(*id));
    each.map(|(_, totals)| (totals.provisioned, Span(totals.whole.busy_ps / PS_PER_NS))).collect()
}
