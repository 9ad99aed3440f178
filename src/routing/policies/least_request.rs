//! Least request: the target with the fewest requests of this gateway under way (Envoy's `LEAST_REQUEST` over all
//! hosts, NGINX's `least_conn`).

use crate::rng::Stream;
use crate::routing::params::{Tie, Validate};
use crate::routing::{Decision, FleetView, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of least request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How targets with equally few requests are told apart: `random`, `first` or `last`.
    pub tie: Tie,
}

impl Validate for Params {}

/// The policy.
#[derive(Debug)]
pub struct LeastRequest {
    tie: Tie,
}

impl LeastRequest {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        LeastRequest { tie: params.tie }
    }
}

impl Policy for LeastRequest {
    fn needs(&self) -> Needs {
        Needs { fewest: true, ..Needs::default() }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(pick::idlest(fleet, self.tie, rng))
    }
    fn tie(&self) -> Option<&'static str> {
        Some(self.tie.name())
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        vec![("requests", fleet.own(target).requests as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    #[test]
    fn the_fewest_own_requests_win_among_the_eligible() {
        let mut policy = LeastRequest::new(&Params::default());
        let mut scene = Scene::new(3).requests([3, 1, 2]);
        assert_eq!(scene.ask(&mut policy), 1);
        assert_eq!(scene.ask_among(&mut policy, &[0, 2]), 2);
        assert_eq!(scene.ask_among(&mut policy, &[0]), 0);
        // What replicas say of themselves is not read.
        scene.load[1].waiting = 1_000;
        assert_eq!(scene.ask(&mut policy), 1);
    }

    #[test]
    fn ties_are_broken_as_asked() {
        let mut scene = Scene::new(4).requests([5, 2, 2, 5]);
        assert_eq!(scene.ask(&mut LeastRequest::new(&Params { tie: Tie::First })), 1);
        assert_eq!(scene.ask(&mut LeastRequest::new(&Params { tie: Tie::Last })), 2);
        assert_eq!(scene.ask_among(&mut LeastRequest::new(&Params { tie: Tie::Last }), &[0, 3]), 3);
        let (mut random, mut counts) = (LeastRequest::new(&Params { tie: Tie::Random }), [0; 4]);
        (0..20_000).for_each(|_| counts[scene.ask(&mut random) as usize] += 1);
        // One degree of freedom: 99.99 % point 15.1.
        assert_shares(&counts, &[0.0, 0.5, 0.5, 0.0], 15.1);
    }

    #[test]
    fn requests_are_counted_whatever_their_size_and_wherever_they_stand() {
        // One prompt of 100,000 tokens is one request, less than two of one token; of two with one each the first. A
        // region of ten replicas with three requests has more than one replica with two.
        let mut policy = LeastRequest::new(&Params { tie: Tie::First });
        let mut scene = Scene::new(2).requests([1, 2]);
        (scene.own[0].prompt_tokens, scene.own[1].prompt_tokens) = (100_000, 2);
        assert_eq!(scene.ask(&mut policy), 0);
        assert_eq!(Scene::new(3).requests([2, 1, 1]).ask(&mut policy), 1);
        let mut region = Scene::new(2).requests([3, 2]);
        region.targets[0].replicas = 10;
        assert_eq!(region.ask(&mut policy), 1);
    }
}
