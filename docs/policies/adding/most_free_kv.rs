//! Most free KV: the target with the most KV blocks free as it was last reported, less some for each request of this
//! gateway that may not be in the report yet. A region's blocks are those of its replicas together. Our own, as an
//! example.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{Decision, FleetView, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of most free KV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// KV blocks taken off for each request of this gateway that has no first token yet.
    pub blocks_per_request: f64,
    /// How equals are told apart: `first`, `last`, `random` or `lowest_inflight`.
    pub tie: Tie,
}

/// Our choice: 512 tokens in blocks of 16; the first of equals.
impl Default for Params {
    fn default() -> Self {
        Params { blocks_per_request: 32.0, tie: Tie::First }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("blocks_per_request", self.blocks_per_request);
    }
}

/// The policy.
#[derive(Debug)]
pub struct MostFreeKv {
    params: Params,
}

impl MostFreeKv {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        MostFreeKv { params: params.clone() }
    }
    /// Blocks believed to be free; below 0 where more is expected than there is room for.
    fn free(&self, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        let load = fleet.load(target);
        let expected = self.params.blocks_per_request * f64::from(fleet.own(target).queued_requests);
        f64::from(load.kv_total_blocks) - f64::from(load.kv_used_blocks) - expected
    }
}

impl Policy for MostFreeKv {
    fn needs(&self) -> Needs {
        Needs { load: true, ..Needs::default() }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(pick::least(fleet, self.params.tie, rng, |target| -self.free(fleet, target)))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        vec![("free_blocks", self.free(fleet, target))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    #[test]
    fn the_most_blocks_free_and_the_first_of_equals() {
        // 100 blocks each, 40, 30 and 30 in use: 60, 70 and 70 free.
        let mut scene = Scene::new(3).loads([(0, 40), (0, 30), (0, 30)]);
        assert_eq!(scene.ask(&mut MostFreeKv::new(&Params::default())), 1);
        let last = Params { tie: Tie::Last, ..Params::default() };
        assert_eq!(scene.ask(&mut MostFreeKv::new(&last)), 2);
        // Only the first is eligible.
        assert_eq!(scene.ask_among(&mut MostFreeKv::new(&last), &[0]), 0);
    }

    #[test]
    fn what_is_on_its_way_is_taken_off() {
        // One request sent to target 1: 70 − 32 = 38 against 60. At 10 blocks a request: 60 against 60, the first; at 9:
        // 61.
        let mut scene = Scene::new(2).loads([(0, 40), (0, 30)]);
        scene.own[1].queued_requests = 1;
        for (blocks_per_request, expected) in [(32.0, 0), (10.0, 0), (9.0, 1)] {
            let params = Params { blocks_per_request, ..Params::default() };
            assert_eq!(scene.ask(&mut MostFreeKv::new(&params)), expected);
        }
        let policy = MostFreeKv::new(&Params::default());
        assert_eq!(scene.term(&policy, 1, "free_blocks"), 38.0);
    }

    #[test]
    fn more_on_its_way_than_there_is_room_for_counts_below_nothing() {
        // 10 − 2 · 32 = −54 against 10 − 32 = −22.
        let mut scene = Scene::new(2).loads([(0, 90), (0, 90)]);
        (scene.own[0].queued_requests, scene.own[1].queued_requests) = (2, 1);
        assert_eq!(scene.ask(&mut MostFreeKv::new(&Params::default())), 1);
    }
}
