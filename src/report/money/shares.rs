//! Whose a bill is. A pool's, idle time with it, goes to those it worked for by the engine's time: tokens of prompts that
//! were computed for them and tokens of answers, each at the time that one takes there. Bytes go to whose they are.

use super::super::summary::{MissCost, ShareCost};
use super::egress::Traffic;
use crate::cost::MicroUsd;
use crate::id::{Id, PoolId};
use crate::observe::Miss;
use crate::run::{Lane, Moved, RunResult, Spent};
use crate::time::{PS_PER_NS, Span};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Tenants that are told one by one, those with the largest bills: our choice, a page of them.
const TENANTS: usize = 20;

/// The bill in parts.
#[derive(Default)]
pub(super) struct Shares {
    pub(super) classes: Vec<ShareCost>,
    pub(super) tenants: Vec<ShareCost>,
    /// Pools that nobody's tokens were computed in.
    pub(super) unshared: MicroUsd,
}

#[derive(Clone, Copy, Default)]
struct Part {
    of: u64,
    requests: u64,
    computed_tokens: u64,
    output_tokens: u64,
    gpus: MicroUsd,
    egress: MicroUsd,
}

impl Part {
    fn add(&mut self, other: &Part) {
        self.of += other.of;
        self.requests += other.requests;
        self.computed_tokens += other.computed_tokens;
        self.output_tokens += other.output_tokens;
        (self.gpus, self.egress) = (self.gpus + other.gpus, self.egress + other.egress);
    }
    fn total(&self) -> MicroUsd {
        self.gpus + self.egress
    }
    fn told(self, name: String, egress: bool) -> ShareCost {
        ShareCost {
            name,
            of: self.of,
            requests: self.requests,
            computed_tokens: self.computed_tokens,
            output_tokens: self.output_tokens,
            gpus: self.gpus.usd(),
            egress: egress.then(|| self.egress.usd()),
            total: if egress { self.total().usd() } else { self.gpus.usd() },
        }
    }
}

pub(super) fn shares(result: &RunResult, pools: &[MicroUsd], traffic: Option<&Traffic>) -> Shares {
    let Some(spent) = &result.spent else { return Shares::default() };
    let priced = traffic.filter(|traffic| traffic.usd.is_some());
    let mut parts: Vec<Part> = spent.lanes.iter().map(|(_, moved)| part(moved)).collect();
    if let Some(traffic) = priced {
        parts.iter_mut().zip(&traffic.lanes).for_each(|(part, &usd)| part.egress = usd);
    }
    let mut unshared = MicroUsd(0);
    for (index, &paid) in pools.iter().enumerate() {
        let pool = PoolId::new(index);
        let here: Vec<usize> = spent
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, (lane, _))| lane.pool == Some(pool))
            .map(|(lane, _)| lane)
            .collect();
        let weights: Vec<u64> =
            here.iter().map(|&lane| engine_ns(spent, pool, &spent.lanes[lane].1)).collect();
        match paid.split(&weights) {
            Some(split) => here.iter().zip(split).for_each(|(&lane, usd)| parts[lane].gpus = usd),
            None => unshared = unshared + paid,
        }
    }
    // Whoever pays, lanes are summed: no part of the bill is rounded again.
    let by = |key: fn(&Lane) -> u32| {
        let mut sums: BTreeMap<u32, Part> = BTreeMap::new();
        for ((lane, _), part) in spent.lanes.iter().zip(&parts) {
            sums.entry(key(lane)).or_default().add(part);
        }
        sums.values_mut().for_each(|part| part.of = 1);
        sums
    };
    let classes = by(|lane| lane.class.0)
        .into_iter()
        .map(|(class, part)| part.told(result.labels.class(Id::new(class as usize)), priced.is_some()));
    Shares {
        classes: classes.collect(),
        tenants: tenants(by(|lane| lane.tenant.0), priced.is_some()),
        unshared,
    }
}

fn part(moved: &Moved) -> Part {
    Part {
        of: 0,
        requests: moved.requests,
        computed_tokens: moved.computed_tokens,
        output_tokens: moved.answer_tokens,
        ..Part::default()
    }
}

/// The largest bills first, of equals the lower number; the rest in one. Nothing where there is one tenant.
fn tenants(sums: BTreeMap<u32, Part>, egress: bool) -> Vec<ShareCost> {
    if sums.len() < 2 {
        return Vec::new();
    }
    let mut all: Vec<(u32, Part)> = sums.into_iter().collect();
    all.sort_by_key(|(tenant, part)| (Reverse(part.total()), *tenant));
    let rest = all.split_off(TENANTS.min(all.len()));
    let mut told: Vec<ShareCost> =
        all.into_iter().map(|(tenant, part)| part.told(tenant.to_string(), egress)).collect();
    if !rest.is_empty() {
        let mut others = Part::default();
        rest.iter().for_each(|(_, part)| others.add(part));
        told.push(others.told("others".to_string(), egress));
    }
    told
}

/// Nanoseconds of the pool's engine for these tokens, as if each had the time that one takes.
fn engine_ns(spent: &Spent, pool: PoolId, moved: &Moved) -> u64 {
    let Some(time) = spent.token_times.get(pool.index()).copied().flatten() else { return 0 };
    let ps = u128::from(moved.computed_tokens) * u128::from(time.prefill_ps)
        + u128::from(moved.answer_tokens) * u128::from(time.decode_ps);
    u64::try_from(ps / u128::from(PS_PER_NS)).unwrap_or(u64::MAX)
}

/// What computing came to that a hit would have saved, by reason: engine time of the tokens at the price of the pool's GPUs.
/// Nothing where nobody asked for reasons.
pub(super) fn misses(result: &RunResult) -> Vec<MissCost> {
    let Some(spent) = &result.spent else { return Vec::new() };
    let Some(by_pool) = &spent.misses else { return Vec::new() };
    let one = |(reason, miss): (usize, Miss)| {
        let (mut tokens, mut gpu_ns, mut usd) = (0, 0u128, MicroUsd(0));
        for (pool, sums) in by_pool.iter().enumerate() {
            let label = result.labels.pools.get(PoolId::new(pool));
            let time = spent.token_times.get(pool).copied().flatten();
            let (Some(label), Some(time)) = (label, time) else { continue };
            let ns = u128::from(sums[reason]) * u128::from(time.prefill_ps) / u128::from(PS_PER_NS);
            let ns = u64::try_from(ns).unwrap_or(u64::MAX);
            let gpus = u64::from(label.gpus_per_replica);
            tokens += sums[reason];
            gpu_ns += u128::from(gpus) * u128::from(ns);
            let price = result.provenance.prices.iter().find(|price| price.pool == label.name);
            usd = usd + price.map_or(MicroUsd(0), |price| price.gpu_hour().for_hours(gpus, Span(ns)));
        }
        let gpu_s = super::super::numbers::rounded(gpu_ns as f64 / 1e9);
        MissCost { reason: miss.name().to_string(), tokens, gpu_s, usd: usd.usd() }
    };
    Miss::ALL.into_iter().enumerate().map(one).collect()
}
