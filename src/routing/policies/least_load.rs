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
    /// How equally loaded targets are told apart: `random` or `first`.
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
        Needs { load: true, index: None }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(pick::least(fleet.eligible, self.params.tie, rng, |target| self.score(fleet, target)))
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
