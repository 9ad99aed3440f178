//! Power of two choices: sample a few, take the one with fewer requests.

use crate::routing::params::{Problems, Validate};
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
