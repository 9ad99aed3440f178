//! Power of two choices: sample a few, take the one with fewer requests.

use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of power of two choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Distinct targets sampled for each request, at least 1; 1 is `random`.
    pub choices: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { choices: 2 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("choices", self.choices, self.choices >= 1, "1 or more");
    }
}

/// The policy.
#[derive(Debug)]
pub struct P2c {
    choices: usize,
    left: Vec<TargetId>,
}

impl P2c {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        P2c { choices: params.choices as usize, left: Vec::new() }
    }
}

impl Policy for P2c {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        // Sampling without replacement: the first steps of a Fisher-Yates shuffle.
        self.left.clear();
        self.left.extend_from_slice(fleet.eligible);
        let mut best: Option<(u32, TargetId)> = None;
        for drawn in 0..self.choices.clamp(1, self.left.len()) {
            let at = drawn + rng.below((self.left.len() - drawn) as u32) as usize;
            self.left.swap(drawn, at);
            let target = self.left[drawn];
            let requests = fleet.own(target).requests;
            if best.is_none_or(|(fewest, _)| requests < fewest) {
                best = Some((requests, target));
            }
        }
        Decision::To(best.map_or(fleet.eligible[0], |(_, target)| target))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let drawn = self.left.iter().take(self.choices).any(|&drawn| drawn == target);
        vec![("sampled", drawn as u8 as f64), ("requests", fleet.own(target).requests as f64)]
    }
}
