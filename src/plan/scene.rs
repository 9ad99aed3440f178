//! A case that a plan must stand: the scenario at a time of the week, with regions gone, with more traffic, with overrides.
//! Knows how to make the world of a plan in it; must not know whether that is enough.

use super::market::{Counts, Market, typed_plan};
use super::traffic;
use crate::digest::Digest;
use crate::fleet::{Incident, Place};
use crate::id::{Id, IdVec, PoolId, RegionId, ReplicaId};
use crate::scenario::{Plan, Planning};
use crate::world::{ClassParams, PolicyParams, PoolParams, WorldParams};

/// Who asks for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskedBy {
    /// Everybody: a usual day.
    Usual,
    /// `n_plus_1`.
    Spare,
    /// The contingency of this place in the scenario.
    Contingency(usize),
}

/// A case.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its name: `as is`, a time, a contingency, or both.
    pub name: String,
    /// Who asks for it.
    pub asked_by: AskedBy,
    /// Whether nothing is wrong in it: a usual day.
    pub usual: bool,
    /// The scenario, its pools one for each offer.
    pub plan: Plan,
    /// Regions without replicas.
    pub down: Vec<RegionId>,
    /// By class, the share of all arrivals that must be within their SLO.
    pub targets: Vec<f64>,
    /// A hash of all that, without counts: what results are remembered by.
    pub hash: u64,
}

/// One scenario and, where pools are offered several GPU types, the same with those.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Made of the GPU types that are written.
    pub plan: Plan,
    /// With every offering pool made of a type.
    pub typed: Vec<(String, Plan)>,
}

/// All cases of a planning: each contingency at each time. `variant` gives the scenario of a contingency.
pub fn scenes(
    planning: &Planning,
    market: &Market,
    policy: &PolicyParams,
    base: &Variant,
    by_set: &[Variant],
) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let times: Vec<Option<u32>> = match planning.times_s.as_slice() {
        [] => vec![None],
        times => times.iter().map(|&time| Some(time)).collect(),
    };
    let mut add = |name: &str,
                   by: AskedBy,
                   variant: &Variant,
                   down: &[RegionId],
                   traffic: f64,
                   attainment: Option<f64>| {
        // Events that a contingency states itself are what it asks for.
        let incidents = |plan: &Plan| plan.world.operations.incidents.clone();
        let own = by != AskedBy::Usual && incidents(&variant.plan) != incidents(&base.plan);
        for &time in &times {
            let mut plan = expanded(variant, market);
            if !planning.events && !own {
                plan.world.operations.incidents.clear();
            }
            traffic::scale(&mut plan.world, traffic);
            if let Some(span) = planning.span {
                traffic::shorten(&mut plan.world, span);
            }
            if let Some(time) = time {
                plan.world.workloads.iter_mut().for_each(|workload| workload.setting.utc_start_s = time);
            }
            plan.policies = vec![policy.clone()];
            let lower = |target: f64| attainment.map_or(target, |least| target.min(least));
            let at = time.map(|time| format!("at {}", clock(time)));
            let name = match (name, at) {
                ("", Some(at)) => at,
                ("", None) => "as is".to_string(),
                (name, Some(at)) => format!("{name}, {at}"),
                (name, None) => name.to_string(),
            };
            let mut digest = Digest::new();
            digest.word(plan.content_hash());
            down.iter().for_each(|region| digest.word(u64::from(region.0)));
            digest.text(env!("CARGO_PKG_VERSION"));
            scenes.push(Scene {
                asked_by: by,
                usual: by == AskedBy::Usual,
                name,
                hash: digest.value(),
                plan,
                down: down.to_vec(),
                targets: planning.targets.iter().map(|&target| lower(target)).collect(),
            });
        }
    };
    add("", AskedBy::Usual, base, &[], 1.0, None);
    if let Some(least) = planning.n_plus_1 {
        for region in regions_of(market) {
            let name = format!("{} gone", base.plan.world.regions[region].name);
            add(&name, AskedBy::Spare, base, &[region], 1.0, Some(least));
        }
    }
    let mut with_set = by_set.iter();
    for (at, contingency) in planning.contingencies.iter().enumerate() {
        let by = AskedBy::Contingency(at);
        let variant = if contingency.set.is_empty() { base } else { with_set.next().unwrap_or(base) };
        add(&contingency.name, by, variant, &contingency.down, contingency.traffic, contingency.attainment);
    }
    scenes
}

/// Regions with offers, in order.
pub fn regions_of(market: &Market) -> Vec<RegionId> {
    let mut regions: Vec<RegionId> = market.offers.iter().map(|offer| offer.region).collect();
    regions.sort_unstable();
    regions.dedup();
    regions
}

/// A time of the week in words.
pub fn clock(second: u32) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = DAYS[(second / 86_400 % 7) as usize];
    format!("{day} {:02}:{:02}", second % 86_400 / 3600, second % 3600 / 60)
}

/// The scenario with a pool for each offer, of one replica each: counts are not part of what it is.
fn expanded(variant: &Variant, market: &Market) -> Plan {
    let mut plan = variant.plan.clone();
    let (mut pools, mut facts) = (IdVec::new(), Vec::new());
    for offer in &market.offers {
        let own = variant.plan.facts.pools[offer.pool.index()].gpu.as_deref().unwrap_or_default();
        let source = if own == offer.gpu { None } else { typed_plan(&variant.typed, &offer.gpu) };
        let source = source.unwrap_or(&variant.plan);
        let name = offer.name.replace(" on ", "@");
        pools.push(PoolParams { name, replicas: 1, ..source.world.pools[offer.pool].clone() });
        facts.push(source.facts.pools[offer.pool.index()].clone());
    }
    plan.world.pools = pools;
    plan.facts.pools = facts;
    plan
}

impl Scene {
    /// The classes.
    pub fn classes(&self) -> &[ClassParams] {
        self.plan.world.classes.as_slice()
    }
    /// The policy.
    pub fn policy(&self) -> &PolicyParams {
        &self.plan.policies[0]
    }
    /// Replicas of each offer that are there in this case.
    pub fn present(&self, market: &Market, counts: &[u32]) -> Counts {
        let there = |(offer, &n): (&super::market::Offer, &u32)| {
            if self.down.contains(&offer.region) { 0 } else { n }
        };
        market.offers.iter().zip(counts).map(there).collect()
    }
    /// The world of a plan in this case; `None` where not one replica is left.
    pub fn world(&self, market: &Market, counts: &[u32]) -> Option<WorldParams> {
        let present = self.present(market, counts);
        (present.iter().any(|&n| n > 0)).then_some(())?;
        let mut world = self.plan.world.clone();
        let mut first = 0;
        // By pool of the scenario: where its replicas begin, as they are written and as they are now.
        let mut moved: Vec<(u32, u32)> = Vec::new();
        let mut pools: IdVec<PoolId, PoolParams> = IdVec::new();
        for (pool, &n) in self.plan.world.pools.iter().zip(&present) {
            moved.push((first, n));
            first += n;
            pools.push(PoolParams { replicas: n, ..pool.clone() });
        }
        world.pools = pools;
        world.operations.incidents = renumbered(&self.plan, market, &moved);
        Some(world)
    }
    /// The same with a factor on all traffic.
    pub fn at_traffic(&self, factor: f64) -> Scene {
        let mut scene = self.clone();
        traffic::scale(&mut scene.plan.world, factor);
        let mut digest = Digest::new();
        digest.word(self.hash);
        digest.word(factor.to_bits());
        scene.hash = digest.value();
        scene
    }
    /// The same with one region more gone.
    pub fn without(&self, region: RegionId) -> Scene {
        let mut scene = self.clone();
        scene.down.push(region);
        scene.down.sort_unstable();
        scene.down.dedup();
        let mut digest = Digest::new();
        digest.word(self.hash);
        digest.text("without");
        digest.word(u64::from(region.0));
        scene.hash = digest.value();
        scene
    }
    /// The same without any residency rule.
    pub fn unrestricted(&self) -> Scene {
        let mut scene = self.clone();
        for rule in &mut scene.plan.world.data_classes {
            *rule = crate::world::ResidencyParams::unrestricted(rule.name.clone());
        }
        let mut digest = Digest::new();
        digest.word(self.hash);
        digest.text("unrestricted");
        scene.hash = digest.value();
        scene
    }
}

/// Events of single replicas follow their pool and number; those of replicas that the plan does not have do not happen.
/// `moved` has, by offer, where its replicas begin and how many there are.
fn renumbered(plan: &Plan, market: &Market, moved: &[(u32, u32)]) -> Vec<Incident> {
    let place_of = |replica: ReplicaId| {
        // The scenario numbers replicas by pool, as many as are written.
        let mut number = replica.0;
        let (pool, _) = market.written.iter().find(|&&(_, written)| {
            let here = number < written;
            number -= if here { 0 } else { written };
            here
        })?;
        let of_pool = market.offers.iter().zip(moved).filter(|(offer, _)| offer.pool == *pool);
        for (_, &(from, n)) in of_pool {
            if number < n {
                return Some(ReplicaId::new((from + number) as usize));
            }
            number -= n;
        }
        None
    };
    let kept = plan.world.operations.incidents.iter().filter_map(|incident| match incident.place {
        Place::Replica(replica) => {
            place_of(replica).map(|replica| Incident { place: Place::Replica(replica), ..*incident })
        }
        _ => Some(*incident),
    });
    kept.collect()
}
