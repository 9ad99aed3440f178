//! Longest prefix match: the target believed to hold most of the prompt.

use crate::routing::IndexSource;
use crate::routing::params::{Problems, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
