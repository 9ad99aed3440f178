//! Longest prefix match: the target believed to hold most of the prompt.

use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::{Decision, FleetView, IndexSource, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Parameters of longest prefix match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Where the prefix index learns what a target holds: `sent`, `first_token`, `completion` or `oracle`.
    pub index: IndexSource,
    /// The least share of the prompt's tokens, 0 to 1, that the best match must cover to be followed; below it the
    /// target with the fewest requests is taken.
    pub min_match: f64,
    /// Load guard: when requests are this unevenly spread the target with the fewest is taken. Off unless given.
    pub guard: Option<Guard>,
}

/// A load guard: in force when max − min > `abs` and max > `rel` · min, over this gateway's requests under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Requests by which the busiest target must exceed the idlest.
    pub abs: u32,
    /// Factor by which the busiest target must exceed the idlest.
    pub rel: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params { index: IndexSource::Sent, min_match: 0.0, guard: None }
    }
}

/// The defaults of the SGLang gateway's `cache_aware` policy.
impl Default for Guard {
    fn default() -> Self {
        Guard { abs: 32, rel: 1.1 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        let share = (0.0..=1.0).contains(&self.min_match);
        problems.require("min_match", self.min_match, share, "a share from 0 to 1");
        if let Some(guard) = &self.guard {
            problems.weight("guard.rel", guard.rel);
        }
    }
}

impl Guard {
    /// Whether the spread from `fewest` to `most` requests is too wide.
    pub fn holds_back(&self, fewest: u32, most: u32) -> bool {
        most - fewest > self.abs && most as f64 > self.rel * fewest as f64
    }
}

/// The policy.
#[derive(Debug)]
pub struct Prefix {
    params: Params,
}

impl Prefix {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        Prefix { params: params.clone() }
    }
}

/// The share of the prompt's tokens that `target` is believed to hold.
fn share(request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
    let uncached = fleet.uncached_tokens(request, target);
    (request.prompt_tokens - uncached) as f64 / request.prompt_tokens.max(1) as f64
}

impl Policy for Prefix {
    fn needs(&self) -> Needs {
        Needs {
            fewest: self.params.guard.is_some() || self.params.min_match > 0.0,
            index: Some(self.params.index.into()),
            ..Needs::default()
        }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let requests = |target| fleet.own(target).requests;
        let too_wide = |guard: &Guard| guard.holds_back(fleet.tally.fewest(), fleet.tally.most());
        if self.params.guard.as_ref().is_some_and(too_wide) {
            return Decision::To(fleet.tally.idlest(fleet.eligible));
        }
        let best = pick::least_first(fleet.eligible.list(), |target| {
            (Reverse(fleet.matched_blocks(target)), requests(target))
        });
        if share(request, fleet, best) < self.params.min_match {
            return Decision::To(fleet.tally.idlest(fleet.eligible));
        }
        Decision::To(best)
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        vec![
            ("matched_blocks", fleet.matched_blocks(target) as f64),
            ("match", share(request, fleet, target)),
            ("requests", fleet.own(target).requests as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn policy(min_match: f64, guard: Option<Guard>) -> Prefix {
        Prefix::new(&Params { min_match, guard, ..Params::default() })
    }

    #[test]
    fn the_longest_match_wins_whatever_the_load_and_ties_go_to_the_idler_then_the_first() {
        let mut policy = policy(0.0, None);
        assert_eq!(Scene::new(3).requests([0, 90, 0]).matched([1, 6, 5]).ask(&mut policy), 1);
        assert_eq!(Scene::new(3).requests([2, 7, 1]).matched([4, 4, 4]).ask(&mut policy), 2);
        assert_eq!(Scene::new(3).requests([2, 1, 1]).matched([4, 4, 4]).ask(&mut policy), 1);
        assert_eq!(Scene::new(3).requests([2, 7, 5]).matched([0, 0, 0]).ask(&mut policy), 0);
        let mut scene = Scene::new(3).requests([0, 90, 4]).matched([1, 6, 5]);
        assert_eq!(scene.ask_among(&mut policy, &[0, 2]), 2);
    }

    #[test]
    fn the_guard_is_sglangs_imbalance_test() {
        // Defaults 32 and 1.1; target 0 holds the whole prompt.
        // [40, 5, 5]: 40 − 5 = 35 > 32 and 40 > 5.5: uneven, the fewest, first of equals: 1.
        // [33, 0, 0]: 33 > 32 and 33 > 0: uneven: 1.
        // [32, 0, 0]: 32 > 32 fails: even, the match: 0.
        // [400, 367, 390]: 33 > 32 but 400 > 403.7 fails: even: 0.
        let mut policy = policy(0.0, Some(Guard::default()));
        for (requests, expected) in
            [([40, 5, 5], 1), ([33, 0, 0], 1), ([32, 0, 0], 0), ([400, 367, 390], 0), ([1_000, 500, 400], 2)]
        {
            let mut scene = Scene::new(3).requests(requests).matched([6, 0, 0]);
            assert_eq!(scene.ask(&mut policy), expected, "{requests:?}");
        }
        // Among {0, 1} of [33, 5, 0] the spread is 28: even.
        let mut scene = Scene::new(3).requests([33, 5, 0]).matched([6, 0, 0]);
        assert_eq!(scene.ask_among(&mut policy, &[0, 1]), 0);
    }

    #[test]
    fn a_match_below_the_least_share_is_not_followed() {
        // 100 tokens in blocks of 16: three blocks are 48 % and too little for 0.5, four are 64 %.
        let mut policy = policy(0.5, None);
        assert_eq!(Scene::new(2).requests([1, 0]).matched([3, 0]).ask(&mut policy), 1);
        assert_eq!(Scene::new(2).requests([1, 0]).matched([4, 0]).ask(&mut policy), 0);
        assert_eq!(Scene::new(2).matched([3, 0]).term(&policy, 0, "match"), 0.48);
        // Exactly the least share is enough.
        let mut exact = Prefix::new(&Params { min_match: 0.48, ..Params::default() });
        assert_eq!(Scene::new(2).requests([1, 0]).matched([3, 0]).ask(&mut exact), 0);
    }
}
