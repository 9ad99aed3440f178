//! What a policy's gateways see, as it is written.

use crate::routing::OnStale;
use crate::routing::params::Release;
use crate::units::{Duration, Ratio};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a policy's gateways see, and how late. Without it loads and caches are seen as they are: an oracle.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Views")]
pub struct RawViews {
    /// The replicas' loads: "oracle", `{ poll = { every = "5s" } }` or `{ event = { delay = "5ms" } }`. Default: "oracle".
    pub load: Option<RawLoadView>,
    /// The replicas' caches, where a prefix index follows them: "oracle" or `{ event = { delay = "5ms" } }`. Default: "oracle".
    pub cache: Option<RawCacheView>,
    /// When a request stops counting among its gateway's own: at "completion" or at its "first_token". Default: "completion".
    pub own: Option<Release>,
}

/// The replicas' loads.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "LoadView")]
pub enum RawLoadView {
    /// As they are at the decision.
    Oracle,
    /// Read in turns.
    Poll(RawPoll),
    /// Sent by a replica when a request enters it, gives its first token or leaves.
    Event(RawFeed),
}

/// How a gateway polls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Poll")]
pub struct RawPoll {
    /// From one reading to the next.
    pub every: Duration,
    /// Each reading is late by up to this, uniformly. Default: "0s".
    pub jitter: Option<Duration>,
    /// From the reading to the gateway. Default: "0s".
    pub delay: Option<Duration>,
    /// Share of readings, replica by replica, that fail. Default: 0.
    pub loss: Option<Ratio>,
    /// Weight of a new reading against the mean of those before. Default: 1, readings as they are.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub ewma: Option<f64>,
    /// From this age on a reading is stale. Default: never.
    pub stale_after: Option<Duration>,
    /// What a stale reading counts as: "ignore" its age, or "worst", as much as the busiest's, with a full cache. Default: "ignore".
    pub on_stale: Option<OnStale>,
}

/// How changes are sent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Feed")]
pub struct RawFeed {
    /// From the change to the gateway. Default: "0s".
    pub delay: Option<Duration>,
    /// Share of messages that are lost. Default: 0.
    pub loss: Option<Ratio>,
}

/// The replicas' caches.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "CacheView")]
pub enum RawCacheView {
    /// As they are at the decision.
    Oracle,
    /// As messages about blocks that appear and go.
    Event(RawFeed),
}
