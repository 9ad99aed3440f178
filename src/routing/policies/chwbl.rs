//! Consistent hashing with bounded loads: a prefix keeps its target until that target has more than its share.

use crate::routing::params::{Problems, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of consistent hashing with bounded loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What is hashed: `prefix`, `session` or `tenant`. A request without a session is hashed by its prefix.
    pub key: RingKey,
    /// Prompt tokens that make the key when it is `prefix`: the last full block among them stands for all.
    pub prefix_tokens: u32,
    /// Points of each target on the ring, 1 to 65536.
    pub vnodes: u32,
    /// How much more than the mean load a target may have: a factor, 1 or more, counted in millionths.
    pub load_factor: f64,
    /// The load test: `kubeai` (load ≤ f·(total+1)/n), `envoy` (load ≤ ⌈⌈f·(total+1)⌉/n⌉) or `strict`
    /// (load + 1 ≤ ⌈f·(total+1)/n⌉, the bound of the theory); load and total without the new request.
    pub bound: Bound,
    /// Which targets make up total and n: those `eligible` for the request, or `all` of the stage.
    pub count: Count,
    /// Where a request goes whose target is full: `clockwise`, `seeded_shuffle` or `least_loaded`.
    pub overflow: Overflow,
    /// Where it goes when all eligible targets are full, which only `count = "all"` can bring about: to the
    /// `first` on the ring, or the `least_loaded`.
    pub all_full: AllFull,
}

/// What the ring hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingKey {
    /// The prompt's first tokens.
    #[default]
    Prefix,
    /// The session.
    Session,
    /// The tenant.
    Tenant,
}

/// The load test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// KubeAI's: load ≤ f·(total+1)/n.
    #[default]
    Kubeai,
    /// Envoy's: load ≤ slots, slots = max(1, ⌈⌈f·(total+1)⌉/n⌉).
    Envoy,
    /// Mirrokni, Thorup and Zadimoghaddam's: load + 1 ≤ ⌈f·(total+1)/n⌉.
    Strict,
}

/// Which targets are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Those the request may go to.
    #[default]
    Eligible,
    /// All of the stage.
    All,
}

/// Where a request goes whose target is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// To the next on the ring with room (KubeAI; the theory's rule).
    #[default]
    Clockwise,
    /// To the first with room in a random order of the targets that the key seeds (Envoy).
    SeededShuffle,
    /// To the least loaded (SGLang's `prefix_hash`).
    LeastLoaded,
}

/// Where a request goes when all are full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AllFull {
    /// To its first target on the ring.
    #[default]
    First,
    /// To the least loaded.
    LeastLoaded,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            key: RingKey::default(),
            prefix_tokens: 256,
            vnodes: 256,
            load_factor: 1.25,
            bound: Bound::default(),
            count: Count::default(),
            overflow: Overflow::default(),
            all_full: AllFull::default(),
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("prefix_tokens", self.prefix_tokens, self.prefix_tokens >= 1, "1 token or more");
        problems.require("vnodes", self.vnodes, (1..=65_536).contains(&self.vnodes), "from 1 to 65536");
        let factor = (1.0..=1e6).contains(&self.load_factor);
        problems.require("load_factor", self.load_factor, factor, "a number from 1 to 1000000");
    }
}
