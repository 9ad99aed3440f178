//! Random: each eligible target with the same probability.

use crate::rng::Stream;
use crate::routing::params::Validate;
use crate::routing::{Decision, FleetView, Policy, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

impl Validate for Params {}

/// The policy.
#[derive(Debug, Default)]
pub struct Random;

impl Policy for Random {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(fleet.eligible[rng.below(fleet.eligible.len() as u32) as usize])
    }
}
