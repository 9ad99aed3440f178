//! Proportional: regions by weight, whatever the distance.

use crate::rng::Stream;
use crate::routing::levels::locality_weight;
use crate::routing::params::{Problems, Validate};
use crate::routing::pick;
use crate::routing::places::{Place, Places};
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters of proportional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Weights by region. Left out, a region weighs as much as it has replicas; given, one that is not in it weighs nothing.
    pub weights: BTreeMap<String, f64>,
    /// How shares are made of weights: `smooth` (each in turn, as often as it weighs) or `random` (drawn).
    pub spread: Spread,
    /// In percent: a region weighs all of its weight while this percentage of its healthy share is 100 or more.
    pub overprovisioning: u32,
}

/// How shares are made of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Smooth weighted round robin (NGINX).
    #[default]
    Smooth,
    /// An independent draw for each request.
    Random,
}

impl Default for Params {
    fn default() -> Self {
        Params { weights: BTreeMap::new(), spread: Spread::default(), overprovisioning: 140 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        for weight in self.weights.values() {
            problems.weight("weights", *weight);
        }
        let some = self.weights.is_empty() || self.weights.values().any(|&weight| weight > 0.0);
        problems.require("weights", "every weight", some, "above 0 for some region");
        let percent = self.overprovisioning;
        problems.require("overprovisioning", percent, (100..=10_000).contains(&percent), "from 100 to 10000");
    }
    fn regions(&self) -> Vec<(&'static str, String)> {
        self.weights.keys().map(|name| ("weights", name.clone())).collect()
    }
}

/// The policy.
#[derive(Debug)]
pub struct Proportional {
    params: Params,
    places: Places,
    weights: Vec<f64>,
    /// By set of targets: what each region is owed.
    owed: BTreeMap<u32, Vec<f64>>,
}

impl Proportional {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        Proportional {
            params: params.clone(),
            places: Places::default(),
            weights: Vec::new(),
            owed: BTreeMap::new(),
        }
    }
}

fn weight(params: &Params, fleet: &FleetView<'_>, place: &Place) -> f64 {
    let (healthy, replicas) = (place.healthy(fleet), place.replicas(fleet));
    let weight = match params.weights.get(fleet.target(place.targets[0]).region_name()) {
        Some(weight) => *weight,
        None if params.weights.is_empty() => replicas as f64,
        None => 0.0,
    };
    locality_weight(weight, healthy, replicas, params.overprovisioning)
}

impl Policy for Proportional {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        self.weights.clear();
        self.weights.extend(self.places.of(fleet).iter().map(|place| weight(&self.params, fleet, place)));
        let total: f64 = self.weights.iter().sum();
        let nth = if total <= 0.0 {
            // None of them weighs anything: the nearest.
            0
        } else if self.params.spread == Spread::Random {
            pick::weighted(&self.weights, rng)
        } else {
            let owed = self.owed.entry(fleet.eligible.id()).or_default();
            owed.resize(self.weights.len(), 0.0);
            let mut most = 0;
            for (nth, weight) in self.weights.iter().enumerate() {
                owed[nth] += weight;
                if owed[nth] > owed[most] || self.weights[most] <= 0.0 {
                    most = nth;
                }
            }
            owed[most] -= total;
            most
        };
        Decision::To(self.places.take_turn(fleet, nth))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let there = fleet.target(target);
        let given = self.params.weights.get(there.region_name()).copied();
        let own = if self.params.weights.is_empty() { f64::from(there.replicas) } else { 0.0 };
        vec![
            ("weight", given.unwrap_or(own)),
            ("healthy", f64::from(fleet.healthy(target))),
            ("replicas", f64::from(there.replicas)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn policy(weights: &[(&str, f64)], spread: Spread) -> Proportional {
        let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        Proportional::new(&Params { weights, spread, ..Params::default() })
    }
    /// Regions a, b, c, as targets of the global tier, with so many replicas, nearest first.
    fn scene(replicas: [u32; 3]) -> Scene {
        let mut scene = Scene::new(3).places([(0, 1), (1, 2), (2, 3)]);
        for (index, target) in scene.targets.iter_mut().enumerate() {
            (target.name, target.replica) = (["a", "b", "c"][index].to_owned(), None);
            target.replicas = replicas[index];
        }
        scene.healthy = replicas.to_vec();
        scene
    }
    fn take(scene: &mut Scene, policy: &mut Proportional, count: usize) -> Vec<u32> {
        (0..count).map(|_| scene.ask(policy)).collect()
    }

    #[test]
    fn smooth_weighted_round_robin_as_published() {
        // Weights 5, 1, 1, NGINX's example: a a b a c a a, and again.
        let mut policy = policy(&[("a", 5.0), ("b", 1.0), ("c", 1.0)], Spread::Smooth);
        let mut scene = scene([1, 1, 1]);
        let turns = [0, 0, 1, 0, 2, 0, 0];
        let mut rng = crate::rng::Key::root(0).stream();
        let all = [0, 1, 2];
        let mut found = Vec::new();
        scene.with(&all, |request, fleet| {
            for _ in 0..14 {
                let Decision::To(target) = policy.route(request, fleet, &mut rng) else { panic!("a target") };
                found.push(target.0);
            }
        });
        assert_eq!(found, [turns, turns].concat());
        // A region that is not named gets nothing; all alone it takes what there is.
        let mut one = self::policy(&[("b", 1.0)], Spread::Smooth);
        assert_eq!(take(&mut scene, &mut one, 3), [1, 1, 1]);
        assert_eq!(scene.ask_among(&mut one, &[0, 2]), 0);
    }

    #[test]
    fn by_default_a_region_weighs_its_replicas() {
        let mut scene = scene([6, 3, 1]);
        let mut policy = policy(&[], Spread::Random);
        let mut counts = [0; 3];
        take(&mut scene, &mut policy, 20_000).into_iter().for_each(|target| counts[target as usize] += 1);
        // Two degrees of freedom: 99.99 % point 18.4.
        assert_shares(&counts, &[0.6, 0.3, 0.1], 18.4);
    }

    #[test]
    fn a_region_loses_weight_when_too_few_of_its_replicas_are_in_health() {
        // Envoy's example: weights 1 and 2, half of the first in health: 0.7 and 2, 26 % and 74 %.
        let mut scene = scene([10, 10, 1]);
        scene.healthy = vec![5, 10, 1];
        let mut policy = policy(&[("a", 1.0), ("b", 2.0)], Spread::Random);
        let mut counts = [0; 3];
        take(&mut scene, &mut policy, 20_000).into_iter().for_each(|target| counts[target as usize] += 1);
        assert_shares(&counts, &[0.7 / 2.7, 2.0 / 2.7, 0.0], 15.1);
        // 8 of 10: 1.4 · 80 % is more than all: 1 : 2.
        scene.healthy[0] = 8;
        let mut counts = [0; 3];
        take(&mut scene, &mut policy, 20_000).into_iter().for_each(|target| counts[target as usize] += 1);
        assert_shares(&counts, &[1.0 / 3.0, 2.0 / 3.0, 0.0], 15.1);
        scene.healthy = vec![0, 0, 0];
        assert_eq!(scene.ask(&mut policy), 0);
    }
}
