//! The policies once more, by their definitions: every decision scans all targets and remembers nothing it could count
//! again. The twin that the fast ones are compared with, decision by decision and draw by draw.

use super::params::Tie;
use super::policies::chwbl::{AllFull, Bound, Count, Limit, Overflow, Params as ChwblParams, RingKey};
use super::{Decision, FleetView, Needs, Policy, PolicySpec, RequestView, Target, TargetId, affinity};
use crate::rng::{Stream, hash_name, mix2};
use std::cmp::Reverse;

/// A policy that scans.
pub struct Scanning {
    spec: PolicySpec,
    needs: Needs,
    /// Where the next turn begins: of round robin, and of each region of nearest.
    next: Vec<u32>,
    points: Vec<(u64, TargetId)>,
}

impl Scanning {
    /// The twin of `spec`, whose policy declares `needs`.
    pub fn new(spec: &PolicySpec, needs: Needs, targets: &[Target]) -> Scanning {
        let vnodes = if let PolicySpec::Chwbl(params) = spec { params.vnodes } else { 0 };
        let ids = (0..targets.len() as u32).map(TargetId);
        let mut points: Vec<(u64, TargetId)> = (ids.zip(targets))
            .flat_map(|(id, target)| {
                (0..vnodes).map(move |vnode| (mix2(hash_name(&target.name), u64::from(vnode)), id))
            })
            .collect();
        points.sort_unstable();
        Scanning { spec: spec.clone(), needs: Needs { fewest: false, ..needs }, next: vec![0; 128], points }
    }
    /// Whether `spec` has a twin. One that scans its targets anew for each decision, and remembers nothing that it could
    /// count again, needs none.
    pub fn has_twin(spec: &PolicySpec) -> bool {
        use PolicySpec as P;
        matches!(
            spec,
            P::RoundRobin(_)
                | P::Random(_)
                | P::LeastRequest(_)
                | P::LeastLoad(_)
                | P::P2c(_)
                | P::Session(_)
                | P::Prefix(_)
                | P::Chwbl(_)
                | P::Gorgo(_)
                | P::Nearest(_)
                | P::CacheAware(_)
        )
    }
    fn ring(&self, key: u64, fleet: &FleetView<'_>) -> Vec<TargetId> {
        let start = self.points.partition_point(|point| point.0 < key);
        let mut order: Vec<TargetId> = Vec::new();
        for (_, target) in self.points[start..].iter().chain(&self.points[..start]) {
            if fleet.eligible.list().contains(target) && !order.contains(target) {
                order.push(*target);
            }
        }
        order
    }
    fn chwbl(&self, params: &ChwblParams, request: &RequestView<'_>, fleet: &FleetView<'_>) -> TargetId {
        let prefix = || affinity::of_prefix(request, params.prefix_tokens);
        let key = match params.key {
            RingKey::Prefix => prefix(),
            RingKey::Session => affinity::of_session(request).unwrap_or_else(prefix),
            RingKey::Tenant => affinity::of_tenant(request),
        };
        let list = fleet.eligible.list();
        let load = |target: &TargetId| fleet.own(*target).requests;
        let (total, n) = match params.count {
            Count::Eligible => (list.iter().map(|target| u64::from(load(target))).sum(), list.len()),
            Count::All => (fleet.own.iter().map(|own| u64::from(own.requests)).sum(), fleet.own.len()),
        };
        let bound: Bound = params.bound;
        let limit = Limit::new(bound, params.load_factor, total, n);
        let order = self.ring(key, fleet);
        let room = |target: &&TargetId| limit.admits(load(target));
        let name = |target: &TargetId| hash_name(&fleet.targets[target.0 as usize].name);
        let with_room = match params.overflow {
            _ if room(&&order[0]) => Some(order[0]),
            Overflow::Clockwise => order.iter().find(room).copied(),
            Overflow::SeededShuffle => {
                list.iter().filter(room).min_by_key(|target| mix2(key, name(target))).copied()
            }
            Overflow::LeastLoaded => list.iter().filter(room).min_by_key(|target| load(target)).copied(),
        };
        with_room.unwrap_or_else(|| match params.all_full {
            AllFull::First => order[0],
            AllFull::LeastLoaded => *list.iter().min_by_key(|target| load(target)).unwrap(),
        })
    }
}

/// The target with the lowest score: the first, or a random one of several.
fn least(
    list: &[TargetId],
    fleet: &FleetView<'_>,
    tie: Tie,
    rng: &mut Stream,
    score: impl Fn(TargetId) -> f64,
) -> TargetId {
    let requests = |target: &&TargetId| fleet.own(**target).requests;
    let lowest = list.iter().map(|&target| score(target)).min_by(f64::total_cmp).unwrap();
    let equals: Vec<TargetId> = list.iter().copied().filter(|&target| score(target) == lowest).collect();
    match (tie, equals.len()) {
        (Tie::First, _) | (_, 1) => equals[0],
        (Tie::Last, count) => equals[count - 1],
        (Tie::Random, count) => equals[rng.below(count as u32) as usize],
        (Tie::LowestInflight, _) => *equals.iter().min_by_key(|target| requests(target)).unwrap(),
    }
}

fn in_turn(list: &[TargetId], next: &mut u32) -> TargetId {
    let chosen = list.iter().copied().find(|target| target.0 >= *next).unwrap_or(list[0]);
    *next = chosen.0 + 1;
    chosen
}

impl Policy for Scanning {
    fn needs(&self) -> Needs {
        self.needs
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let list = fleet.eligible.list();
        let requests = |target: &TargetId| fleet.own(*target).requests;
        let idlest = || *list.iter().min_by_key(|target| requests(target)).unwrap();
        let fewest = || requests(&idlest());
        Decision::To(match &self.spec {
            PolicySpec::RoundRobin(_) => in_turn(list, &mut self.next[0]),
            PolicySpec::Random(_) => list[rng.below(list.len() as u32) as usize],
            PolicySpec::LeastRequest(params) => {
                least(list, fleet, params.tie, rng, |target| f64::from(requests(&target)))
            }
            PolicySpec::LeastLoad(params) => least(list, fleet, params.tie, rng, |target| {
                let load = fleet.load(target);
                let queued = params.release.tokens(fleet.own(target));
                (u64::from(load.running + load.waiting) + load.context_tokens + queued) as f64
            }),
            PolicySpec::P2c(params) => {
                let mut left = list.to_vec();
                let mut drawn = Vec::new();
                while drawn.len() < (params.choices as usize).min(list.len()) {
                    let (at, count) = (rng.below((left.len() - drawn.len()) as u32) as usize, drawn.len());
                    left.swap(count, count + at);
                    drawn.push(left[count]);
                }
                *drawn.iter().min_by_key(|target| requests(target)).unwrap()
            }
            PolicySpec::Session(params) => {
                let key = affinity::of_session(request).unwrap_or_else(|| match request.tenant.0 {
                    0 => affinity::of_prefix(request, params.prefix_tokens),
                    _ => affinity::of_tenant(request),
                });
                let rank = |target: &TargetId| mix2(key, hash_name(&fleet.targets[target.0 as usize].name));
                let home = *list.iter().min_by_key(|target| rank(target)).unwrap();
                match params.soft {
                    Some(slack) if requests(&home) > fewest() + slack => {
                        *list.iter().min_by_key(|target| (requests(target), rank(target))).unwrap()
                    }
                    _ => home,
                }
            }
            PolicySpec::Prefix(params) => {
                let most = list.iter().map(requests).max().unwrap();
                let too_wide =
                    |abs, rel| most - fewest() > abs && f64::from(most) > rel * f64::from(fewest());
                let best = *list
                    .iter()
                    .min_by_key(|target| (Reverse(fleet.matched_blocks(**target)), requests(target)))
                    .unwrap();
                let held = request.prompt_tokens - fleet.uncached_tokens(request, best);
                let share = f64::from(held) / f64::from(request.prompt_tokens);
                match &params.guard {
                    Some(guard) if too_wide(guard.abs, guard.rel) => idlest(),
                    _ if share < params.min_match => idlest(),
                    _ => best,
                }
            }
            PolicySpec::Chwbl(params) => self.chwbl(params, request, fleet),
            PolicySpec::Gorgo(params) => least(list, fleet, params.tie, rng, |target| {
                params.rtt * fleet.target(target).rtt.as_ms_f64()
                    + params.prefill * f64::from(fleet.uncached_tokens(request, target))
                    + params.queue * params.release.tokens(fleet.own(target)) as f64
            }),
            PolicySpec::Nearest(_) => {
                let distance = |target: &TargetId| (fleet.target(*target).rtt, fleet.target(*target).region);
                let near = list.iter().map(distance).min().unwrap();
                let there: Vec<TargetId> =
                    list.iter().copied().filter(|target| distance(target).1 == near.1).collect();
                in_turn(&there, &mut self.next[near.1.0 as usize])
            }
            PolicySpec::CacheAware(params) => {
                let among: Vec<TargetId> = if params.faithful {
                    (0..fleet.targets.len() as u32).map(TargetId).collect()
                } else {
                    list.to_vec()
                };
                let most = among.iter().map(requests).max().unwrap();
                let least = among.iter().map(requests).min().unwrap();
                let uneven = most - least > params.abs && f64::from(most) > params.rel * f64::from(least);
                let best = *among
                    .iter()
                    .min_by_key(|target| {
                        let ties = if params.faithful { 0 } else { requests(target) };
                        (Reverse(fleet.matched_blocks(**target)), ties)
                    })
                    .unwrap();
                let held = request.prompt_tokens - fleet.uncached_tokens(request, best);
                let follows = f64::from(held) / f64::from(request.prompt_tokens.max(1)) > params.threshold;
                match (uneven || !follows, list.contains(&best)) {
                    (true, _) => idlest(),
                    (false, true) => best,
                    (false, false) => list[0],
                }
            }
            other => unreachable!("{} has no twin: it scans already", other.name()),
        })
    }
}
