//! Nearest: the region with the lowest round-trip time; its replicas in turn.

use crate::rng::Stream;
use crate::routing::params::Validate;
use crate::routing::{Decision, FleetView, Policy, RequestView, Target, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nearest has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

impl Validate for Params {}

/// The policy.
#[derive(Debug)]
pub struct Nearest {
    /// By region: where its next turn begins.
    next: Vec<u32>,
}

impl Nearest {
    /// Over `targets`.
    pub fn new(targets: &[Target]) -> Self {
        let regions = targets.iter().map(|target| target.region.0 + 1).max().unwrap_or(0);
        Nearest { next: vec![0; regions as usize] }
    }
}

impl Policy for Nearest {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let region = fleet.target(fleet.eligible.nearest()[0]).region;
        let next = &mut self.next[region.0 as usize];
        let chosen = fleet.eligible.nearest_from(*next);
        *next = chosen.0 + 1;
        Decision::To(chosen)
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        vec![("rtt_ms", fleet.target(target).rtt.as_ms_f64())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    #[test]
    fn the_lowest_round_trip_wins_whatever_the_load() {
        let mut scene = Scene::new(3).places([(0, 90), (1, 12), (2, 140)]).requests([0, 500, 0]);
        let mut policy = Nearest::new(&scene.targets);
        assert_eq!((0..3).map(|_| scene.ask(&mut policy)).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(scene.ask_among(&mut policy, &[0, 2]), 0);
        assert_eq!(scene.ask_among(&mut policy, &[2]), 2);
    }

    #[test]
    fn equally_near_regions_go_by_region_order() {
        let mut scene = Scene::new(3).places([(2, 20), (1, 20), (0, 21)]);
        let mut policy = Nearest::new(&scene.targets);
        assert_eq!(scene.ask(&mut policy), 1);
        assert_eq!(scene.ask_among(&mut policy, &[0, 2]), 0);
    }

    #[test]
    fn the_replicas_of_a_region_take_turns_and_each_region_keeps_its_own_turn() {
        let mut scene = Scene::new(5).places([(0, 5), (1, 80), (0, 5), (1, 80), (0, 5)]);
        let mut policy = Nearest::new(&scene.targets);
        let all: &[u32] = &[0, 1, 2, 3, 4];
        let calls = [(all, 0), (&[1, 3], 1), (all, 2), (&[0, 4], 4), (&[1, 3], 3), (all, 0), (&[1, 3], 1)];
        for (eligible, expected) in calls {
            assert_eq!(scene.ask_among(&mut policy, eligible), expected);
        }
    }
}
