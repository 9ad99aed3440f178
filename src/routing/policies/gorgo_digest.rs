//! GORGO as a digest of its paper tells it: round trip, the reciprocal of a cache hit, the reciprocal of free compute.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{Decision, FleetView, IndexSource, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the digest's cost. The digest gives no values: all defaults are our choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// α: cost of each millisecond of round-trip time.
    pub latency: f64,
    /// β: cost of a full cache hit; a hit of a tenth costs ten times as much.
    pub hit: f64,
    /// γ: cost of an idle target; one with a tenth free costs ten times as much.
    pub availability: f64,
    /// Requests of a replica, running and waiting, at which none of it is free.
    pub slots: u32,
    /// The least that a hit counts as: a miss costs `hit` / `hit_floor`.
    pub hit_floor: f64,
    /// The least that availability counts as.
    pub availability_floor: f64,
    /// How equal costs are told apart: `first`, `last`, `random` or `lowest_inflight`.
    pub tie: Tie,
}

/// Our choice: a full hit and an idle target are worth 10 ms each, a miss and a full target 100 ms.
impl Default for Params {
    fn default() -> Self {
        Params {
            latency: 1.0,
            hit: 10.0,
            availability: 10.0,
            slots: 64,
            hit_floor: 0.1,
            availability_floor: 0.1,
            tie: Tie::First,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("latency", self.latency);
        problems.weight("hit", self.hit);
        problems.weight("availability", self.availability);
        problems.require("slots", self.slots, self.slots >= 1, "1 request or more");
        for (field, floor) in [("hit_floor", self.hit_floor), ("availability_floor", self.availability_floor)]
        {
            problems.require(field, floor, floor > 0.0 && floor <= 1.0, "above 0, and 1 at most");
        }
    }
}

/// The policy.
#[derive(Debug)]
pub struct GorgoDigest {
    params: Params,
}

impl GorgoDigest {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        GorgoDigest { params: params.clone() }
    }
    /// Latency, hit, availability.
    fn terms(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> [f64; 3] {
        let params = &self.params;
        let slots = f64::from(params.slots) * f64::from(fleet.target(target).replicas.max(1));
        let free = 1.0 - f64::from(fleet.load(target).requests()) / slots;
        [
            params.latency * fleet.target(target).rtt.as_ms_f64(),
            params.hit / fleet.matched_share(request, target).max(params.hit_floor),
            params.availability / free.max(params.availability_floor),
        ]
    }
    fn cost(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        self.terms(request, fleet, target).iter().sum()
    }
}

impl Policy for GorgoDigest {
    fn needs(&self) -> Needs {
        Needs { load: true, index: Some(IndexSource::Completion.into()), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let cost = |target| self.cost(request, fleet, target);
        Decision::To(pick::least(fleet, self.params.tie, rng, cost))
    }
    fn tie(&self) -> Option<&'static str> {
        Some(self.params.tie.name())
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let [latency, hit, availability] = self.terms(request, fleet, target);
        vec![
            ("latency", latency),
            ("hit", hit),
            ("availability", availability),
            ("cost", self.cost(request, fleet, target)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Load;
    use crate::routing::scene::Scene;

    /// A prompt of 160 tokens in 10 blocks.
    fn scene(count: u32) -> Scene {
        let mut scene = Scene::new(count);
        scene.prompt_tokens = 160;
        scene.prompt(1);
        scene
    }
    fn busy(running: u32, waiting: u32) -> Load {
        Load { running, waiting, ..Load::default() }
    }

    #[test]
    fn a_hit_far_away_against_a_miss_at_home() {
        // Home: 0 ms, no hit: 10/0.1 = 100; idle: 10: 110. Far: 80 ms, half: 10/0.5 = 20; idle: 10: 110. Equal: the first.
        // A block more, 10/0.6 = 16.7: far.
        let mut policy = GorgoDigest::new(&Params::default());
        let mut scene = scene(2).places([(0, 0), (1, 80)]).matched([0, 5]);
        assert_eq!([0, 1].map(|target| scene.term(&policy, target, "cost")), [110.0, 110.0]);
        assert_eq!(scene.ask(&mut policy), 0);
        assert_eq!(scene.matched([0, 6]).ask(&mut policy), 1);
    }

    #[test]
    fn availability_is_what_is_free_of_the_slots() {
        // 40 running and 8 waiting of 64: a quarter free: 40. 16: three quarters: 13.3. 64 and 90: the floor: 100.
        let policy = GorgoDigest::new(&Params::default());
        let mut scene = scene(4);
        scene.load = vec![busy(40, 8), busy(64, 0), busy(64, 26), busy(48, 48)];
        scene.targets[3].replicas = 3;
        let found = [0, 1, 2, 3].map(|target| scene.term(&policy, target, "availability"));
        // Three replicas with 96 of 192: half free.
        assert_eq!(found, [40.0, 100.0, 100.0, 20.0]);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        // No hit and nothing free: 10/0.1 + 10/0.1 = 200, wherever; with floors of 0.01, 2,000. An empty prompt is
        // a miss.
        let mut scene = scene(1);
        scene.load = vec![busy(500, 500)];
        assert_eq!(scene.term(&GorgoDigest::new(&Params::default()), 0, "cost"), 200.0);
        let low = Params { hit_floor: 0.01, availability_floor: 0.01, ..Params::default() };
        assert_eq!(scene.term(&GorgoDigest::new(&low), 0, "cost"), 2_000.0);
        scene.prompt_tokens = 0;
        scene.prompt(1);
        assert_eq!(scene.term(&GorgoDigest::new(&Params::default()), 0, "hit"), 100.0);
    }

    #[test]
    fn a_weight_of_zero_drops_its_term() {
        let blind = GorgoDigest::new(&Params { latency: 0.0, availability: 0.0, ..Params::default() });
        let mut scene = scene(2).places([(0, 0), (1, 900)]).matched([9, 10]);
        scene.load = vec![busy(0, 0), busy(64, 64)];
        let mut policy = blind;
        assert_eq!(scene.ask(&mut policy), 1);
    }
}
