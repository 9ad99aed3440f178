//! Round robin: each target in turn.

use crate::rng::Stream;
use crate::routing::params::Validate;
use crate::routing::{Decision, FleetView, Policy, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Round robin has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

impl Validate for Params {}

/// The policy.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: u32,
}

impl Policy for RoundRobin {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let chosen = fleet.eligible.next_from(self.next);
        self.next = chosen.0 + 1;
        Decision::To(chosen)
    }
    fn rule(&self) -> Option<&'static str> {
        Some("whose turn it is")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    #[test]
    fn every_target_gets_every_nth_request() {
        let (mut scene, mut policy) = (Scene::new(3), RoundRobin::default());
        let order: Vec<u32> = (0..7).map(|_| scene.ask(&mut policy)).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn a_target_that_is_not_eligible_is_passed_over_and_the_cycle_goes_on() {
        let (mut scene, mut policy) = (Scene::new(4), RoundRobin::default());
        // The turn is at 0, 1 (not eligible: 2), 3, 0 (not eligible: 1), 2, 3 (not eligible: around to 0).
        let calls: [(&[u32], u32); 6] =
            [(&[0, 1, 2, 3], 0), (&[0, 2], 2), (&[0, 3], 3), (&[1, 3], 1), (&[0, 1, 2, 3], 2), (&[0, 1], 0)];
        for (eligible, expected) in calls {
            assert_eq!(scene.ask_among(&mut policy, eligible), expected);
        }
    }

    #[test]
    fn a_request_that_may_go_to_one_target_alone_moves_the_turn_on_past_it() {
        // Alternating requests, one bound to {1}, one free over {0, 1}: the free ones go on from where the bound one
        // stopped, at 0.
        let (mut scene, mut policy) = (Scene::new(2), RoundRobin::default());
        let order: Vec<u32> =
            (0..6).map(|i| scene.ask_among(&mut policy, if i % 2 == 0 { &[1] } else { &[0, 1] })).collect();
        assert_eq!(order, [1, 0, 1, 0, 1, 0]);
    }
}
