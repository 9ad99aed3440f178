//! Guards: which of two ways a decision takes. Knows conditions on the candidates; must not know what the ways do.

use super::filter::{no, one, zero};
use super::signal::{Reading, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a signal is unevenly spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeImbalance")]
pub struct Imbalance {
    /// What is read.
    pub signal: Signal,
    /// By how much the most must exceed the least, in the signal's unit. Default: 0.
    #[serde(default = "zero")]
    pub abs: f64,
    /// By which factor it must exceed it, too. Default: 1.
    #[serde(default = "one")]
    pub rel: f64,
    /// For each replica behind a target instead of their sum. Default: false.
    #[serde(default = "no")]
    pub per_replica: bool,
}

/// A signal of all candidates against a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeAll")]
pub struct All {
    /// What is read.
    pub signal: Signal,
    /// The limit, in the signal's unit.
    pub limit: f64,
    /// For each replica behind a target instead of their sum. Default: false.
    #[serde(default = "no")]
    pub per_replica: bool,
}

/// A share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeShare")]
pub struct Share {
    /// The share, 0 to 1.
    pub ratio: f64,
}

/// Nothing to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeNothing")]
pub struct Nothing {}

/// How full the candidates are: the mean of max(waiting / `queue`, KV usage / `kv`), both for each replica.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeSaturation")]
pub struct Saturation {
    /// Waiting requests of a replica that count as full. Default: 5.
    #[serde(default = "five")]
    pub queue: f64,
    /// Share of its KV blocks in use that counts as full. Default: 0.8.
    #[serde(default = "eight_tenths")]
    pub kv: f64,
    /// The saturation from which the condition holds. Default: 1.
    #[serde(default = "one")]
    pub limit: f64,
}

fn five() -> f64 {
    5.0
}
fn eight_tenths() -> f64 {
    0.8
}

/// A condition on the candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeCondition")]
pub enum Condition {
    /// Most − least > abs and most > rel · least.
    Imbalance(Imbalance),
    /// The signal of every candidate is above the limit.
    AllAbove(All),
    /// The longest match is more than this share of the prompt's tokens.
    MatchAbove(Share),
    /// Somebody holds more of the prompt's tokens than it lacks.
    UncachedBelowMatched(Nothing),
    /// The candidates' saturation is at the limit or above (llm-d's utilisation detector).
    Saturated(Saturation),
    /// Drawn, with probability min(300 · saturation⁵, 1) (llm-d's probabilistic admitter); `limit` does not matter.
    Sheds(Saturation),
    /// Drawn, with this probability.
    Chance(Share),
}

impl Condition {
    /// As it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Condition::Imbalance(_) => "imbalance",
            Condition::AllAbove(_) => "all_above",
            Condition::MatchAbove(_) => "match_above",
            Condition::UncachedBelowMatched(_) => "uncached_below_matched",
            Condition::Saturated(_) => "saturated",
            Condition::Sheds(_) => "sheds",
            Condition::Chance(_) => "chance",
        }
    }
    /// What it reads.
    pub const fn reading(&self) -> Option<Reading> {
        let (signal, per_replica) = match self {
            Condition::Imbalance(block) => (block.signal, block.per_replica),
            Condition::AllAbove(block) => (block.signal, block.per_replica),
            Condition::MatchAbove(_) | Condition::UncachedBelowMatched(_) => (Signal::MatchRatio, false),
            Condition::Saturated(_) | Condition::Sheds(_) => (Signal::Waiting, true),
            Condition::Chance(_) => return None,
        };
        Some(Reading { signal, per_replica })
    }
}
