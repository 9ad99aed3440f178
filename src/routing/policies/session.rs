//! Session affinity: a session keeps its target, by rendezvous hashing.

use crate::routing::params::{Problems, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of session affinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Soft affinity: the session's target is kept while it has at most this many more requests of this gateway
    /// under way than the target with the fewest. Off unless given: affinity is then hard.
    pub soft: Option<u32>,
    /// Prompt tokens whose hash is the key of a request that has neither session nor tenant.
    pub prefix_tokens: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { soft: None, prefix_tokens: 256 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("prefix_tokens", self.prefix_tokens, self.prefix_tokens >= 1, "1 token or more");
    }
}
