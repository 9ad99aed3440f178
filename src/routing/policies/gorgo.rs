//! GORGO, third generation: network, uncached prefill and queued work in one weighted sum.

use crate::routing::params::{Problems, Release, Tie, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of GORGO. The score has no unit: its weights say what a millisecond is worth in tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Score for each millisecond of round-trip time.
    pub rtt: f64,
    /// Score for each prompt token that the target is believed not to hold.
    pub prefill: f64,
    /// Score for each prompt token queued at the target by this gateway.
    pub queue: f64,
    /// When a prompt stops counting as queued: `completion` or `first_token`.
    pub release: Release,
    /// How equal scores are told apart: `first` or `random`.
    pub tie: Tie,
}

/// The weights that the authors' tuner learned on their main workload; 1 for a token to compute.
impl Default for Params {
    fn default() -> Self {
        Params { rtt: 0.276, prefill: 1.0, queue: 0.5, release: Release::Completion, tie: Tie::First }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("rtt", self.rtt);
        problems.weight("prefill", self.prefill);
        problems.weight("queue", self.queue);
    }
}
