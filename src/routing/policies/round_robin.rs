//! Round robin: each target in turn.

use crate::rng::Stream;
use crate::routing::params::Validate;
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId};
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
        let chosen = next_from(fleet.eligible, self.next);
        self.next = chosen.0 + 1;
        Decision::To(chosen)
    }
}

/// The first of `eligible` (in id order, not empty) at or after `start`, around the end.
pub(super) fn next_from(eligible: &[TargetId], start: u32) -> TargetId {
    let at = eligible.partition_point(|target| target.0 < start);
    eligible[if at == eligible.len() { 0 } else { at }]
}
