//! Filters: which targets stay in the choice, in the order they are written. Knows limits; must not know why a limit
//! is what it is. Residency and liveness are no filters: they hold before any policy is asked.

use super::signal::{Reading, Signal};
use crate::routing::policies::chwbl::{Bound, Count};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when a filter leaves nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeOnEmpty")]
pub enum OnEmpty {
    /// All that were there stay, as if the filter were not.
    #[default]
    KeepAll,
    /// `otherwise` decides, over what this body began with.
    Next,
    /// The request is refused.
    Reject,
    /// The request waits at the gateway; with nothing of its own under way it would wait for ever, and all stay.
    Queue,
}

macro_rules! blocks {
    ($($(#[$doc:meta])* $name:ident $schema:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty $(= $default:literal)?,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            #[schemars(rename = $schema)]
            pub struct $name {
                $($(#[$field_doc])* $(#[serde(default = $default)])? pub $field: $type,)*
                /// What happens when it leaves nobody: `keep_all`, `next` (`otherwise` decides), `reject` or `queue`. Default: "keep_all".
                #[serde(default)]
                pub on_empty: OnEmpty,
            }
        )*
    };
}

pub(super) fn zero() -> f64 {
    0.0
}
pub(super) fn one() -> f64 {
    1.0
}
pub(super) fn no() -> bool {
    false
}
fn two() -> u32 {
    2
}
fn load_factor() -> f64 {
    1.25
}
fn kubeai() -> Bound {
    Bound::Kubeai
}
fn eligible() -> Count {
    Count::Eligible
}

blocks! {
    /// A signal against a limit.
    Limited "ComposeLimited" {
        /// What is read.
        signal: Signal,
        /// The limit, in the signal's unit.
        limit: f64,
        /// For each replica behind a target instead of their sum. Default: false.
        per_replica: bool = "no",
    }
    /// A signal against the least or the most of it among the candidates.
    Within "ComposeWithin" {
        /// What is read.
        signal: Signal,
        /// How far off it may be, in the signal's unit. Default: 0.
        abs: f64 = "zero",
        /// By which factor it may be off. Default: 1.
        rel: f64 = "one",
        /// For each replica behind a target instead of their sum. Default: false.
        per_replica: bool = "no",
    }
    /// A signal against its mean and standard deviation (of the candidates, who are all there are).
    Sigma "ComposeSigma" {
        /// What is read.
        signal: Signal,
        /// Standard deviations above the mean that are allowed.
        k: f64,
        /// For each replica behind a target instead of their sum. Default: false.
        per_replica: bool = "no",
    }
    /// A share of the prompt's tokens.
    Ratio "ComposeRatio" {
        /// The share, 0 to 1.
        ratio: f64,
    }
    /// A distance from the longest match.
    Tau "ComposeTau" {
        /// How much shorter a match may be, as a share of the prompt's tokens, 0 to 1.
        tau: f64,
    }
    /// A filter without parameters of its own.
    Plain "ComposePlain" {}
    /// The load test of consistent hashing with bounded loads, over this gateway's requests under way.
    Bounded "ComposeBounded" {
        /// How much more than the mean a target may have: a factor, 1 or more. Default: 1.25.
        load_factor: f64 = "load_factor",
        /// The test: `kubeai`, `envoy`, `strict` or `sglang`, as in `chwbl`. Default: "kubeai".
        bound: Bound = "kubeai",
        /// Who makes up the mean: the `eligible` targets or `all` of the stage. Default: "eligible".
        count: Count = "eligible",
    }
    /// The home of the request's key.
    Home "ComposeHome" {
        /// Points of each target on the hash ring that says who is home, 1 to 65536. Default: no ring but a rendezvous hash.
        vnodes: Option<u32>,
    }
    /// Candidates drawn at random.
    Sample "ComposeSample" {
        /// How many, 1 or more. Default: 2.
        choices: u32 = "two",
    }
}

/// A filter: which candidates stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeFilter")]
pub enum Filter {
    /// Those whose signal is below the limit.
    Below(Limited),
    /// Those whose signal is at most the limit.
    AtMost(Limited),
    /// Those whose signal is above the limit.
    Above(Limited),
    /// Those whose signal is at least the limit.
    AtLeast(Limited),
    /// Those whose signal is at most rel · least + abs.
    WithinOfMin(Within),
    /// Those whose signal is at least rel · most − abs.
    WithinOfMax(Within),
    /// Those whose signal is at most mean + k · σ.
    MeanPlusSigma(Sigma),
    /// Those that hold at least this share of the prompt's tokens.
    MatchAtLeast(Ratio),
    /// Those that hold more than this share of the prompt's tokens.
    MatchAbove(Ratio),
    /// Those with the longest match.
    MatchBest(Plain),
    /// Those whose match is nearly as long as the longest.
    MatchWithin(Tau),
    /// Those of which some replica is in health, as far as this gateway has been told.
    Healthy(Plain),
    /// Those in the region with the lowest round-trip time, the first of equals.
    Nearest(Plain),
    /// Those with room under the bound.
    Bounded(Bounded),
    /// The home of the request's key among the targets that this body began with, if it is still a candidate.
    Home(Home),
    /// So many, drawn at random without replacement.
    Sample(Sample),
}

/// What a filter compares with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Test {
    /// Value below the limit; or at most it.
    Below(f64),
    /// Value at most the limit.
    AtMost(f64),
    /// Value above the limit.
    Above(f64),
    /// Value at least the limit.
    AtLeast(f64),
    /// Value at most factor · least + slack.
    NearMin(f64, f64),
    /// Value at least factor · most − slack.
    NearMax(f64, f64),
    /// Value at most mean + k · σ.
    MeanPlus(f64),
}

impl Filter {
    /// As it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Filter::Below(_) => "below",
            Filter::AtMost(_) => "at_most",
            Filter::Above(_) => "above",
            Filter::AtLeast(_) => "at_least",
            Filter::WithinOfMin(_) => "within_of_min",
            Filter::WithinOfMax(_) => "within_of_max",
            Filter::MeanPlusSigma(_) => "mean_plus_sigma",
            Filter::MatchAtLeast(_) => "match_at_least",
            Filter::MatchAbove(_) => "match_above",
            Filter::MatchBest(_) => "match_best",
            Filter::MatchWithin(_) => "match_within",
            Filter::Healthy(_) => "healthy",
            Filter::Nearest(_) => "nearest",
            Filter::Bounded(_) => "bounded",
            Filter::Home(_) => "home",
            Filter::Sample(_) => "sample",
        }
    }
    /// What happens when it leaves nobody.
    pub const fn on_empty(&self) -> OnEmpty {
        match self {
            Filter::Below(block) | Filter::AtMost(block) | Filter::Above(block) | Filter::AtLeast(block) => {
                block.on_empty
            }
            Filter::WithinOfMin(block) | Filter::WithinOfMax(block) => block.on_empty,
            Filter::MeanPlusSigma(block) => block.on_empty,
            Filter::MatchAtLeast(block) | Filter::MatchAbove(block) => block.on_empty,
            Filter::MatchWithin(block) => block.on_empty,
            Filter::MatchBest(block) | Filter::Healthy(block) | Filter::Nearest(block) => block.on_empty,
            Filter::Bounded(block) => block.on_empty,
            Filter::Home(block) => block.on_empty,
            Filter::Sample(block) => block.on_empty,
        }
    }
    /// The signal it reads and what it asks of it, of a filter that does so.
    pub const fn test(&self) -> Option<(Reading, Test)> {
        let (signal, per_replica, test) = match self {
            Filter::Below(block) => (block.signal, block.per_replica, Test::Below(block.limit)),
            Filter::AtMost(block) => (block.signal, block.per_replica, Test::AtMost(block.limit)),
            Filter::Above(block) => (block.signal, block.per_replica, Test::Above(block.limit)),
            Filter::AtLeast(block) => (block.signal, block.per_replica, Test::AtLeast(block.limit)),
            Filter::WithinOfMin(block) => {
                (block.signal, block.per_replica, Test::NearMin(block.rel, block.abs))
            }
            Filter::WithinOfMax(block) => {
                (block.signal, block.per_replica, Test::NearMax(block.rel, block.abs))
            }
            Filter::MeanPlusSigma(block) => (block.signal, block.per_replica, Test::MeanPlus(block.k)),
            Filter::MatchAtLeast(block) => (Signal::MatchRatio, false, Test::AtLeast(block.ratio)),
            Filter::MatchAbove(block) => (Signal::MatchRatio, false, Test::Above(block.ratio)),
            Filter::MatchBest(_) => (Signal::MatchedBlocks, false, Test::NearMax(1.0, 0.0)),
            Filter::MatchWithin(block) => (Signal::MatchRatio, false, Test::NearMax(1.0, block.tau)),
            Filter::Healthy(_) => (Signal::HealthyReplicas, false, Test::Above(0.0)),
            Filter::Nearest(_) | Filter::Bounded(_) | Filter::Home(_) | Filter::Sample(_) => return None,
        };
        Some((Reading { signal, per_replica }, test))
    }
}
