//! Pickers: who of the candidates it is. Knows ways to choose and ties; must not know what a score means.

use crate::routing::maglev;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The best score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeBest")]
pub struct Best {
    /// How equals are told apart.
    pub tie: Tie,
}

/// The best of a few at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeP2c")]
pub struct P2c {
    /// Distinct candidates that are drawn, 1 or more.
    pub choices: u32,
    /// How equals are told apart.
    pub tie: Tie,
}

/// A draw by scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeSoftmax")]
pub struct Softmax {
    /// How even the draw is, above 0, in units of the range of scores: weight exp(−distance from the best / (temperature · range)).
    pub temperature: f64,
}

/// A hash ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeRing")]
pub struct OnRing {
    /// Points of each target, 1 to 65536. Default: 256.
    #[serde(default = "vnodes")]
    pub vnodes: u32,
}

/// A Maglev table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeMaglev")]
pub struct OnMaglev {
    /// Slots, a prime up to 5000011; a hundred or more for each target keeps shares even. Default: 65537.
    #[serde(default = "slots")]
    pub slots: u32,
}

fn slots() -> u32 {
    maglev::SIZE
}

fn vnodes() -> u32 {
    256
}

/// How equals are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeTie")]
pub enum Tie {
    /// The first in target order.
    First,
    /// The last in target order.
    Last,
    /// Uniformly at random; one number is drawn where there are several.
    Random,
    /// The one with the fewest requests of this gateway under way, the first of those.
    LowestInflight,
    /// The one that this stage sent to longest ago or never, the first of those.
    LeastRecent,
    /// By the rendezvous hash of the request's key.
    Hash,
    /// The first drawn, in `p2c`; elsewhere as `first`.
    Drawn,
}

impl Tie {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Tie::First => "first",
            Tie::Last => "last",
            Tie::Random => "random",
            Tie::LowestInflight => "lowest_inflight",
            Tie::LeastRecent => "least_recent",
            Tie::Hash => "hash",
            Tie::Drawn => "drawn",
        }
    }
}

/// A picker: who of the candidates is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposePick")]
pub enum Pick {
    /// Uniformly at random.
    Random,
    /// The next in turn, by target order.
    RoundRobin,
    /// The first by the rendezvous hash of the request's key.
    Rendezvous,
    /// At random, in proportion to the score; uniformly where all are 0.
    WeightedRandom,
    /// Smooth weighted round robin, in proportion to the score: everyone gains its score, the richest is chosen, the
    /// first of equals, and pays the sum.
    SmoothWrr,
    /// Nobody yet: the request waits at the gateway. With nothing of its own under way, as `random`.
    Queue,
    /// Nobody: the request is refused.
    Reject,
    /// The best score.
    Best(Best),
    /// The best score of a few drawn at random without replacement.
    P2c(P2c),
    /// At random, by a softmax over scores that their range scales.
    Softmax(Softmax),
    /// The first from the request's key on around a consistent hash ring.
    Ring(OnRing),
    /// Whose slot of a Maglev table the request's key falls on; slots of those who are no candidates are stepped over.
    Maglev(OnMaglev),
}

impl Pick {
    /// As it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Pick::Random => "random",
            Pick::RoundRobin => "round_robin",
            Pick::Rendezvous => "rendezvous",
            Pick::WeightedRandom => "weighted_random",
            Pick::SmoothWrr => "smooth_wrr",
            Pick::Queue => "queue",
            Pick::Reject => "reject",
            Pick::Best(_) => "best",
            Pick::P2c(_) => "p2c",
            Pick::Softmax(_) => "softmax",
            Pick::Ring(_) => "ring",
            Pick::Maglev(_) => "maglev",
        }
    }
    /// Whether it looks at scores.
    pub const fn scores(&self) -> bool {
        matches!(
            self,
            Pick::Best(_) | Pick::P2c(_) | Pick::Softmax(_) | Pick::WeightedRandom | Pick::SmoothWrr
        )
    }
    /// How it tells equals apart.
    pub const fn tie(&self) -> Option<Tie> {
        match self {
            Pick::Best(block) => Some(block.tie),
            Pick::P2c(block) => Some(block.tie),
            _ => None,
        }
    }
    /// What chooses among equals where neither a `tie` nor a draw does, in words.
    pub const fn rule(&self) -> Option<&'static str> {
        match self {
            Pick::RoundRobin | Pick::SmoothWrr => Some("whose turn it is"),
            Pick::Rendezvous => Some("the key's rendezvous hash"),
            Pick::Ring(_) => Some("the key's place on the ring"),
            Pick::Maglev(_) => Some("the key's slot"),
            _ => None,
        }
    }
    /// Whether it looks at the request's key.
    pub fn keyed(&self) -> bool {
        matches!(self, Pick::Rendezvous | Pick::Ring(_) | Pick::Maglev(_)) || self.tie() == Some(Tie::Hash)
    }
}
