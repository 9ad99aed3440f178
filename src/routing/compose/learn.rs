//! What a composition keeps of its own answers and of what it sent, as it is written. Knows options; must not know what
//! reads them.

use crate::routing::{HistogramOptions, LearnOptions};
use crate::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a composition learns from its answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeLearn")]
pub struct LearnBlock {
    /// The weight of a new time to first token against the mean so far, above 0, up to 1. Default: 0.3.
    #[serde(default = "alpha")]
    pub alpha: f64,
    /// The time in which the weight of a finished request in `drain_rate` falls by e. Default: "10s".
    #[serde(default = "memory")]
    pub memory: Duration,
}

fn alpha() -> f64 {
    LearnOptions::default().alpha
}

fn memory() -> Duration {
    Duration(LearnOptions::default().memory)
}

impl Default for LearnBlock {
    fn default() -> Self {
        LearnBlock { alpha: alpha(), memory: memory() }
    }
}

impl LearnBlock {
    /// As the stage takes it.
    pub fn options(self) -> LearnOptions {
        LearnOptions { alpha: self.alpha, memory: self.memory.0 }
    }
}

/// What a prefix histogram counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeHistogram")]
pub struct HistogramBlock {
    /// How long a request counts after it was sent. Default: "3m".
    #[serde(default = "window")]
    pub window: Duration,
    /// The first tokens of a prompt that are its head: the last full block among them stands for all. Default: 256.
    #[serde(default = "tokens")]
    pub tokens: u32,
}

fn window() -> Duration {
    Duration(HistogramOptions::default().window)
}

fn tokens() -> u32 {
    HistogramOptions::default().tokens
}

impl Default for HistogramBlock {
    fn default() -> Self {
        HistogramBlock { window: window(), tokens: tokens() }
    }
}

impl HistogramBlock {
    /// As the stage takes it.
    pub fn options(self) -> HistogramOptions {
        HistogramOptions { window: self.window.0, tokens: self.tokens }
    }
}
