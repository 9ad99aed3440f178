//! Least request: the target with the fewest requests of this gateway under way (Envoy's `LEAST_REQUEST` over all
//! hosts, NGINX's `least_conn`).

use crate::rng::Stream;
use crate::routing::params::{Tie, Validate};
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of least request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How targets with equally few requests are told apart: `random` or `first`.
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
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(pick::least(fleet.eligible, self.tie, rng, |target| fleet.own(target).requests))
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
