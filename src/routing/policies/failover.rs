//! Priority failover: the first region of an order that is in health, in shares while it is only partly so.

use crate::rng::Stream;
use crate::routing::levels::{health, priority_shares};
use crate::routing::params::{Problems, Validate};
use crate::routing::places::{Place, Places};
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of failover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Regions, the preferred one first; those not named follow, nearest first.
    pub order: Vec<String>,
    /// In percent: a region takes all requests while this percentage of its healthy share is 100 or more.
    pub overprovisioning: u32,
}

/// Envoy's overprovisioning factor is 1.4.
impl Default for Params {
    fn default() -> Self {
        Params { order: Vec::new(), overprovisioning: 140 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        let twice = |(at, name): &(usize, &String)| self.order[..*at].contains(name);
        if let Some((_, name)) = self.order.iter().enumerate().find(twice) {
            problems.require("order", name, false, "a list that names no region twice");
        }
        let percent = self.overprovisioning;
        problems.require("overprovisioning", percent, (100..=10_000).contains(&percent), "from 100 to 10000");
    }
    fn regions(&self) -> Vec<(&'static str, String)> {
        self.order.iter().map(|name| ("order", name.clone())).collect()
    }
}

/// The policy.
#[derive(Debug)]
pub struct Failover {
    params: Params,
    places: Places,
    /// The places of this decision, the preferred one first.
    order: Vec<(usize, usize)>,
    health: Vec<u32>,
    shares: Vec<u32>,
}

impl Failover {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        Failover {
            params: params.clone(),
            places: Places::default(),
            order: Vec::new(),
            health: Vec::new(),
            shares: Vec::new(),
        }
    }
}

/// Where a region stands in the order, the unnamed behind all named.
fn rank(params: &Params, fleet: &FleetView<'_>, target: TargetId) -> usize {
    let name = fleet.target(target).region_name();
    params.order.iter().position(|other| other == name).unwrap_or(params.order.len())
}

fn health_of(params: &Params, fleet: &FleetView<'_>, place: &Place) -> u32 {
    health(place.healthy(fleet), place.replicas(fleet), params.overprovisioning)
}

impl Policy for Failover {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let params = &self.params;
        let places = self.places.of(fleet);
        self.order.clear();
        self.order.extend((0..places.len()).map(|nth| (rank(params, fleet, places[nth].targets[0]), nth)));
        self.order.sort_unstable();
        self.health.clear();
        self.health.extend(self.order.iter().map(|&(_, nth)| health_of(params, fleet, &places[nth])));
        priority_shares(&self.health, &mut self.shares);
        let level = match self.shares.iter().position(|&share| share > 0) {
            // Nobody is in health: all hope lies with the first.
            None => 0,
            Some(level) if self.shares[level] == 100 => level,
            Some(_) => {
                let mut left = rng.below(100);
                let taken = |share: &u32| {
                    let here = left < *share;
                    left = left.saturating_sub(*share);
                    here
                };
                self.shares.iter().position(taken).unwrap_or(0)
            }
        };
        Decision::To(self.places.take_turn(fleet, self.order[level].1))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let there = fleet.target(target);
        vec![
            ("rank", rank(&self.params, fleet, target) as f64),
            ("rtt_ms", there.rtt.as_ms_f64()),
            ("healthy", f64::from(fleet.healthy(target))),
            ("replicas", f64::from(there.replicas)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn policy(order: &[&str]) -> Failover {
        let order = order.iter().map(|name| (*name).to_owned()).collect();
        Failover::new(&Params { order, ..Params::default() })
    }
    /// Regions a, b, c with a hundred replicas each, a nearest, and so many of them in health.
    fn scene(healthy: [u32; 3]) -> Scene {
        let mut scene = Scene::new(3).places([(0, 1), (1, 20), (2, 30)]);
        for (index, target) in scene.targets.iter_mut().enumerate() {
            (target.name, target.replica, target.replicas) = (["a", "b", "c"][index].to_owned(), None, 100);
        }
        scene.healthy = healthy.to_vec();
        scene
    }

    #[test]
    fn the_first_in_order_takes_all_and_the_unnamed_follow_by_distance() {
        assert_eq!(scene([100; 3]).ask(&mut policy(&[])), 0);
        assert_eq!(scene([100; 3]).ask(&mut policy(&["c"])), 2);
        assert_eq!(scene([100, 100, 0]).ask(&mut policy(&["c"])), 0);
        assert_eq!(scene([0, 100, 0]).ask(&mut policy(&["c", "a"])), 1);
        assert_eq!(scene([100; 3]).ask_among(&mut policy(&["c"]), &[0, 1]), 0);
        // 72 of 100: 1.4 · 72 % is more than all. Nobody in health: the first.
        assert_eq!(scene([72, 100, 100]).ask(&mut policy(&[])), 0);
        assert_eq!(scene([0; 3]).ask(&mut policy(&["b"])), 1);
    }

    #[test]
    fn levels_partly_in_health_share_as_envoy_documents() {
        for (healthy, shares) in [
            ([71, 71, 100], [0.99, 0.01, 0.0]),
            ([50, 50, 0], [0.7, 0.3, 0.0]),
            ([25, 25, 20], [0.36, 0.36, 0.28]),
            ([25, 100, 100], [0.35, 0.65, 0.0]),
        ] {
            let (mut scene, mut policy, mut counts) = (scene(healthy), policy(&[]), [0; 3]);
            (0..20_000).for_each(|_| counts[scene.ask(&mut policy) as usize] += 1);
            assert_shares(&counts, &shares, 18.4);
        }
    }

    #[test]
    fn in_health_nothing_is_drawn() {
        let mut scene = scene([100; 3]);
        let before = scene.rng().next_u64();
        scene.ask(&mut policy(&[]));
        assert_eq!(scene.rng().next_u64(), before);
        scene.healthy[0] = 50;
        scene.ask(&mut policy(&[]));
        assert_ne!(scene.rng().next_u64(), before);
    }
}
