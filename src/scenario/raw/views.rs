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
    /// The replicas' loads: "oracle", `{ poll = { every = "5s" } }`, `{ event = { delay = "5ms" } }` or
    /// `{ store = { at = "us", write_every = "1s" } }`. Default: "oracle".
    pub load: Option<RawLoadView>,
    /// The replicas' caches, where a prefix index follows them: "oracle" or `{ event = { delay = "5ms" } }`. Default: "oracle".
    pub cache: Option<RawCacheView>,
    /// When a request stops counting among its gateway's own: at "completion" or at its "first_token". Default: "completion".
    pub own: Option<Release>,
    /// The round-trip times to regions: "configured", the network's without jitter, or `{ probe = { every = "30s" } }`. Default: "configured".
    pub rtt: Option<RawRttView>,
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
    /// Written to a store in one place, and read there by all gateways.
    Store(RawStore),
}

/// A store of loads that all gateways share: what a gateway knows is as old as the ways to it and back are long.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct RawStore {
    /// The region it stands in.
    pub at: String,
    /// From one write of a region, of all its replicas' loads, to its next.
    pub write_every: Duration,
    /// From a write's arrival to its being there for readers. Default: "0s".
    pub write_delay: Option<Duration>,
    /// From one reading of a gateway to its next. Default: `write_every`.
    pub read_every: Option<Duration>,
    /// From this age on, counted from the write, a reading is stale. Default: never.
    pub stale_after: Option<Duration>,
    /// What a stale reading counts as: "ignore" its age, or "worst", as much as the busiest's, with a full cache. Default: "ignore".
    pub on_stale: Option<OnStale>,
}

/// The round-trip times to regions, for policies that go by distance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "RttView")]
pub enum RawRttView {
    /// The network's, without jitter.
    Configured,
    /// Measured by each gateway.
    Probe(RawProbe),
}

/// How a gateway measures round-trip times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Probe")]
pub struct RawProbe {
    /// From one probe of all regions to the next.
    pub every: Duration,
    /// Weight of a new answer against the mean of those before. Default: 1, answers as they are.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub ewma: Option<f64>,
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
    Event(RawCacheFeed),
}

/// How changes of caches are sent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CacheFeed")]
pub struct RawCacheFeed {
    /// From the change to the gateway. Default: "0s".
    pub delay: Option<Duration>,
    /// Share of messages that are lost. Default: 0.
    pub loss: Option<Ratio>,
    /// How long a prompt that was sent counts as cached at its target before a message says so. Default: not at all.
    pub speculative_ttl: Option<Duration>,
}
