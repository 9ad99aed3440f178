//! The endpoint picker with a precise prefix index: fed by the caches' own events.

use super::epp::{self, Epp, PrefixScore};
use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{Decision, FleetView, IndexOptions, IndexSource, Needs, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the endpoint picker with a precise prefix index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Weight of the queue scorer: requests waiting, from the most (0) to the fewest (1).
    pub queue: f64,
    /// Weight of the KV scorer: the share of KV blocks that is free.
    pub kv: f64,
    /// Weight of the prefix scorer: held blocks, from the shortest match (0) to the longest (1); 1 where all are equal.
    pub prefix: f64,
    /// How equal scores are told apart: `random`, `first`, `last` or `lowest_inflight`.
    pub tie: Tie,
}

/// The weights of llm-d's sample configuration.
impl Default for Params {
    fn default() -> Self {
        Params { queue: 1.0, kv: 1.0, prefix: 2.0, tie: Tie::Random }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("queue", self.queue);
        problems.weight("kv", self.kv);
        problems.weight("prefix", self.prefix);
    }
}

/// The policy.
#[derive(Debug)]
pub struct EppPrecise(Epp);

impl EppPrecise {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        let Params { queue, kv, prefix, tie } = *params;
        let params = epp::Params { queue, kv, prefix, tie, ..epp::Params::default() };
        EppPrecise(Epp::over(&params, IndexOptions::new(IndexSource::Oracle), PrefixScore::Range))
    }
}

impl Policy for EppPrecise {
    fn needs(&self) -> Needs {
        self.0.needs()
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        self.0.route(request, fleet, rng)
    }
    fn tie(&self) -> Option<&'static str> {
        self.0.tie()
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        self.0.explain(request, fleet, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    #[test]
    fn matches_are_scored_by_their_range() {
        // Matches 2, 3 and 4 blocks score 0, .5, 1; waits 0, 0, 4 score 1, 1, 0; KV .1, .4, .1.
        // 1 + .9 + 0 = 1.9; 1 + .6 + 2·.5 = 2.6; 0 + .9 + 2 = 2.9: the last.
        let mut policy = EppPrecise::new(&Params::default());
        let mut scene = Scene::new(3).loads([(0, 10), (0, 40), (4, 10)]).matched([2, 3, 4]);
        for (target, expected) in [(0, 1.9), (1, 2.6), (2, 2.9)] {
            assert!((scene.term(&policy, target, "score") - expected).abs() < 1e-12);
        }
        assert_eq!(scene.ask(&mut policy), 2);
    }

    #[test]
    fn equal_matches_score_one_for_all() {
        // Nobody holds anything: 2 for everyone, and KV decides: 1 + .9 + 2 = 3.9 against 1 + .8 + 2.
        let mut policy = EppPrecise::new(&Params::default());
        let mut scene = Scene::new(2).loads([(0, 20), (0, 10)]);
        assert_eq!(scene.term(&policy, 1, "prefix"), 2.0);
        assert_eq!(scene.ask(&mut policy), 1);
    }

    #[test]
    fn a_block_more_outweighs_all_other_scores_only_if_they_agree() {
        // One block more scores 2 against 0; queue 1 and KV at most 1 can only make it even: 0 + 0 + 2 = 1 + 1 + 0, a
        // tie that goes to the first. With 1 % of KV free it wins.
        let mut policy = EppPrecise::new(&Params { tie: Tie::First, ..Params::default() });
        assert_eq!(Scene::new(2).loads([(0, 0), (1, 100)]).matched([0, 1]).ask(&mut policy), 0);
        assert_eq!(Scene::new(2).loads([(0, 0), (1, 99)]).matched([0, 1]).ask(&mut policy), 1);
        assert_eq!(policy.needs().source(), Some(IndexSource::Oracle));
    }
}
