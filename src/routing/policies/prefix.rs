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
    /// Where the prefix index learns what a target holds: `sent`, `first_token` or `oracle`.
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
        Needs { load: false, index: Some(self.params.index) }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let requests = |target| fleet.own(target).requests;
        let (fewest, most) = pick::spread(fleet);
        if self.params.guard.as_ref().is_some_and(|guard| guard.holds_back(fewest, most)) {
            return Decision::To(pick::least_first(fleet.eligible, requests));
        }
        let best = pick::least_first(fleet.eligible, |target| {
            (Reverse(fleet.matched_blocks(target)), requests(target))
        });
        if share(request, fleet, best) < self.params.min_match {
            return Decision::To(pick::least_first(fleet.eligible, requests));
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
