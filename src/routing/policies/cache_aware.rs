//! Cache-aware routing of the SGLang gateway: the longest match while load is even, the least busy otherwise.

use super::prefix::Guard;
use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::{
    Decision, FleetView, IndexOptions, IndexSource, Needs, Policy, RequestView, TargetId, pick,
};
use crate::time::Span;
use crate::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Parameters of cache-aware routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The share of the prompt's tokens, 0 to 1, that the longest match must exceed to be followed.
    pub threshold: f64,
    /// Load is uneven when the busiest target has more than this many requests more than the idlest, and …
    pub abs: u32,
    /// … more than this many times as many.
    pub rel: f64,
    /// Blocks that the index keeps for each target.
    pub max_blocks: u32,
    /// How often the index is cut to `max_blocks`.
    pub eviction_interval: Duration,
    /// As published: the busiest and the idlest, and the longest match, are sought among all targets of the stage, and
    /// a match that is not eligible sends the request to the first that is.
    pub faithful: bool,
}

/// The defaults of the policy's own code; `max_blocks` is the command line's 67,108,864 characters at 4 a token.
impl Default for Params {
    fn default() -> Self {
        let Guard { abs, rel } = Guard::default();
        Params {
            threshold: 0.5,
            abs,
            rel,
            max_blocks: 1_048_576,
            eviction_interval: Duration(Span::from_secs(30)),
            faithful: false,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.share("threshold", self.threshold);
        problems.weight("rel", self.rel);
        problems.require("max_blocks", self.max_blocks, self.max_blocks >= 1, "1 block or more");
        let interval = self.eviction_interval;
        problems.require("eviction_interval", interval, interval.0 > Span::ZERO, "longer than 0");
    }
}

/// The policy.
#[derive(Debug)]
pub struct CacheAware {
    params: Params,
    guard: Guard,
}

impl CacheAware {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        CacheAware { params: params.clone(), guard: Guard { abs: params.abs, rel: params.rel } }
    }
    fn uneven(&self, fleet: &FleetView<'_>) -> bool {
        if !self.params.faithful {
            return self.guard.holds_back(fleet.tally.fewest(), fleet.tally.most());
        }
        let requests = || fleet.own.iter().map(|own| own.requests);
        self.guard.holds_back(requests().min().unwrap_or(0), requests().max().unwrap_or(0))
    }
}

impl Policy for CacheAware {
    fn needs(&self) -> Needs {
        let index = IndexOptions {
            capacity_blocks: Some(self.params.max_blocks),
            sweep: Some(self.params.eviction_interval.0),
            ..IndexOptions::new(IndexSource::Sent)
        };
        Needs { fewest: true, index: Some(index), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let idlest = || fleet.tally.idlest(fleet.eligible);
        if self.uneven(fleet) {
            return Decision::To(idlest());
        }
        let list = fleet.eligible.list();
        // Nobody holds anything: whoever is best, its share is 0 and no more than the threshold.
        let (_, longest) = pick::span(list, fleet.all_eligible() || self.params.faithful, fleet.matched);
        if longest == 0 {
            return Decision::To(idlest());
        }
        let best = if self.params.faithful {
            let all = (0..fleet.targets.len() as u32).map(TargetId);
            all.min_by_key(|&target| Reverse(fleet.matched_blocks(target))).unwrap_or(list[0])
        } else {
            let mut best = (list[0], u32::MAX);
            for &target in list.iter().filter(|target| fleet.matched_blocks(**target) == longest) {
                let requests = fleet.own(target).requests;
                if requests < best.1 {
                    best = (target, requests);
                }
            }
            best.0
        };
        Decision::To(if fleet.matched_share(request, best) <= self.params.threshold {
            idlest()
        } else if fleet.eligible.contains(best) {
            best
        } else {
            list[0]
        })
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        vec![
            ("uneven", f64::from(u8::from(self.uneven(fleet)))),
            ("match", fleet.matched_share(request, target)),
            ("requests", f64::from(fleet.own(target).requests)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn policy(faithful: bool) -> CacheAware {
        CacheAware::new(&Params { faithful, ..Params::default() })
    }

    #[test]
    fn load_is_uneven_as_published() {
        // 32 and 1.1; target 0 holds all 6 blocks, 96 of 100 tokens.
        // [40, 5, 5]: 35 > 32 and 40 > 5.5: uneven, the fewest, first of equals: 1. [33, 0, 0]: 33 > 32 and 33 > 0: 1.
        // [32, 0, 0]: 32 > 32 fails: even, so the match: 0. [350, 317, 320]: 33 > 32 and 350 > 348.7: uneven: 1.
        // [353, 320, 330]: 33 > 32, 353 > 352: uneven: 1. [354, 322, 330]: 32 > 32 fails: 0.
        for faithful in [false, true] {
            for (requests, expected) in [
                ([40, 5, 5], 1),
                ([33, 0, 0], 1),
                ([32, 0, 0], 0),
                ([350, 317, 320], 1),
                ([353, 320, 330], 1),
                ([354, 322, 330], 0),
            ] {
                let mut scene = Scene::new(3).requests(requests).matched([6, 0, 0]);
                assert_eq!(scene.ask(&mut policy(faithful)), expected, "{requests:?}");
            }
        }
    }

    #[test]
    fn a_match_must_exceed_the_threshold() {
        // 100 tokens in blocks of 16: 4 blocks are 64 %. At 0.64 exactly it is not followed, at 0.63 it is.
        let share = |threshold| CacheAware::new(&Params { threshold, ..Params::default() });
        for (threshold, expected) in [(0.63, 0), (0.64, 1), (0.5, 0)] {
            let mut scene = Scene::new(2).requests([1, 0]).matched([4, 0]);
            assert_eq!(scene.ask(&mut share(threshold)), expected);
        }
        // 3 blocks are 48 %, too little by default.
        assert_eq!(Scene::new(2).requests([1, 0]).matched([3, 0]).ask(&mut policy(false)), 1);
        // An empty prompt matches nothing: the fewest.
        let mut empty = Scene::new(2).requests([1, 0]);
        empty.prompt_tokens = 0;
        empty.prompt(1);
        assert_eq!(empty.ask(&mut policy(false)), 1);
    }

    #[test]
    fn what_is_not_eligible_counts_only_where_it_did_in_the_original() {
        // Target 2 is not eligible. It holds the most; 0 and 1 hold nothing.
        let mut scene = Scene::new(3).requests([1, 0, 0]).matched([0, 0, 6]);
        assert_eq!(scene.ask_among(&mut policy(false), &[0, 1]), 1);
        assert_eq!(scene.ask_among(&mut policy(true), &[0, 1]), 0, "the first that is in health");
        // It is idle and 0 has 33: uneven over all three, even over the two that are left.
        let mut scene = Scene::new(3).requests([33, 10, 0]).matched([6, 0, 0]);
        assert_eq!(scene.ask_among(&mut policy(false), &[0, 1]), 0);
        assert_eq!(scene.ask_among(&mut policy(true), &[0, 1]), 1);
    }

    #[test]
    fn of_equal_matches_the_idler_is_taken() {
        assert_eq!(Scene::new(3).requests([2, 1, 1]).matched([6, 6, 5]).ask(&mut policy(false)), 1);
        assert_eq!(Scene::new(3).requests([2, 1, 1]).matched([6, 6, 5]).ask(&mut policy(true)), 0);
    }
}
