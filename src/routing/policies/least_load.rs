//! Least load: the target with the least work in it, requests and tokens added up.

use crate::rng::Stream;
use crate::routing::params::{Release, Tie, Validate};
use crate::routing::{Decision, FleetView, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of least load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// When a prompt of this gateway stops counting as queued: `completion` or `first_token`.
    pub release: Release,
    /// How equally loaded targets are told apart: `random`, `first`, `last` or `lowest_inflight`.
    pub tie: Tie,
}

impl Validate for Params {}

/// The policy.
#[derive(Debug)]
pub struct LeastLoad {
    params: Params,
}

impl LeastLoad {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        LeastLoad { params: params.clone() }
    }
    /// Requests in the replica, context tokens of those running, and prompt tokens this gateway has queued there.
    fn score(&self, fleet: &FleetView<'_>, target: TargetId) -> u64 {
        let load = fleet.load(target);
        load.requests() as u64 + load.context_tokens + self.params.release.tokens(fleet.own(target))
    }
}

impl Policy for LeastLoad {
    fn needs(&self) -> Needs {
        Needs { load: true, ..Needs::default() }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(pick::least(fleet, self.params.tie, rng, |target| self.score(fleet, target)))
    }
    fn tie(&self) -> Option<&'static str> {
        Some(self.params.tie.name())
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let load = fleet.load(target);
        vec![
            ("running", load.running as f64),
            ("waiting", load.waiting as f64),
            ("context_tokens", load.context_tokens as f64),
            ("queued_tokens", self.params.release.tokens(fleet.own(target)) as f64),
            ("score", self.score(fleet, target) as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Load;
    use crate::routing::scene::Scene;

    fn load(running: u32, waiting: u32, context_tokens: u64) -> Load {
        Load { running, waiting, context_tokens, ..Load::default() }
    }

    #[test]
    fn requests_and_tokens_are_added_up() {
        let mut policy = LeastLoad::new(&Params { tie: Tie::First, ..Params::default() });
        let mut scene = Scene::new(2);
        // 2 + 1 + 1000 + 500 = 1503 against 1 + 0 + 1501 + 0 = 1502.
        scene.load = vec![load(2, 1, 1_000), load(1, 0, 1_501)];
        scene.own[0].prompt_tokens = 500;
        assert_eq!(scene.ask(&mut policy), 1);
        assert_eq!([0, 1].map(|target| scene.term(&policy, target, "score")), [1_503.0, 1_502.0]);
        // One more waiting request makes it a tie, two turn it.
        scene.load[1].waiting = 1;
        assert_eq!(scene.ask(&mut policy), 0);
        scene.load[1].waiting = 2;
        assert_eq!(scene.ask(&mut policy), 0);
        assert_eq!(scene.ask_among(&mut policy, &[1]), 1);
    }

    #[test]
    fn tokens_dominate_requests() {
        // A hundred requests without context, 100, weigh less than one with 100 tokens, 101.
        let mut policy = LeastLoad::new(&Params::default());
        let mut scene = Scene::new(2);
        scene.load = vec![load(1, 0, 100), load(60, 40, 0)];
        assert_eq!(scene.ask(&mut policy), 1);
    }

    #[test]
    fn a_prompt_is_queued_until_its_release() {
        // 800 prompt tokens under way at 0, 300 of them without a first token; 500 context tokens at 1:
        // to completion 800 > 500, to the first token 300 < 500.
        let mut scene = Scene::new(2);
        (scene.own[0].prompt_tokens, scene.own[0].queued_tokens) = (800, 300);
        scene.load[1].context_tokens = 500;
        for (release, expected) in [(Release::Completion, 1), (Release::FirstToken, 0)] {
            assert_eq!(scene.ask(&mut LeastLoad::new(&Params { release, ..Params::default() })), expected);
        }
    }
}
