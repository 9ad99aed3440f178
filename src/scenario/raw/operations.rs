//! Bad days as they are written: events, health checks, retries, spill. Knows keys; must not know whether names exist.

use crate::units::{Duration, Ratio};
use schemars::JsonSchema;
use serde::Deserialize;

/// Something that happens to a region, to a pool or to one replica of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Event")]
pub struct RawEvent {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts. Default: to the end.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
    /// What happens: "down" or "brown_out".
    pub kind: RawEventKind,
    /// The region it happens to: all its replicas. Its gateways go on, unless `gateways` says otherwise.
    pub region: Option<String>,
    /// The pool it happens to, as "region/pool", in place of a region.
    pub pool: Option<String>,
    /// The replica of the pool, counted from 0. Default: all of them.
    pub replica: Option<u32>,
    /// What becomes of requests in a replica that goes down: "lost" (at once, gateways find out by probing) or "finished" (it is drained, which all gateways know). Default: "lost".
    pub in_flight: Option<RawInFlight>,
    /// What becomes of the gateways in a region that goes down: "kept" (they stand at the edge) or "lost" (whoever went through them has an error; clients come in elsewhere when names do, see `[dns]`). Default: "kept".
    pub gateways: Option<RawGateways>,
    /// In a brown-out, the share of its usual speed at which a replica works: 0.5 doubles step times. From 0.001 to 1000.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub speed: Option<f64>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EventKind")]
pub enum RawEventKind {
    /// Replicas are gone.
    Down,
    /// Replicas work slower, or faster.
    BrownOut,
}

/// What becomes of requests under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InFlight")]
pub enum RawInFlight {
    /// They are lost, and so is the cache.
    Lost,
    /// They are served to their end.
    Finished,
}

/// What becomes of gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Gateways")]
pub enum RawGateways {
    /// They go on.
    Kept,
    /// They are gone with the region.
    Lost,
}

/// How gateways find out that a replica is down or up again.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Health")]
pub struct RawHealth {
    /// Time between probes, which go out at its multiples. Default: "10s", as Kubernetes' `periodSeconds`.
    pub interval: Option<Duration>,
    /// Failed probes in a row after which a replica is taken out. Default: 3, as Kubernetes' `failureThreshold`.
    #[schemars(range(min = 1, max = 1000))]
    pub failures: Option<u32>,
    /// Answered probes in a row after which it is put back. Default: 1, as Kubernetes' `successThreshold`.
    #[schemars(range(min = 1, max = 1000))]
    pub successes: Option<u32>,
}

/// Another try for a request that was lost before its first token. Without this table the client is told at once.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Retry")]
pub struct RawRetry {
    /// The most tries of one request, the first with them. Default: 3.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<u32>,
    /// A gateway's retries under way are at most this share of its attempts under way. Default: "20%", as Envoy's.
    pub budget: Option<Ratio>,
    /// So many retries under way are always allowed. Default: 3, as Envoy's `min_retry_concurrency`.
    pub least: Option<u32>,
    /// From hearing of the loss to the next try. Default: "25ms", as Envoy's base interval.
    pub backoff: Option<Duration>,
}

/// What a gateway may send to each region other than the nearest that a request may go to. Without this table there is no limit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Spill", extend("required" = ["rate"]))]
pub struct RawSpill {
    /// The most requests a second from one gateway to one such region.
    #[schemars(range(min = 0.000001, max = 1_000_000_000))]
    pub rate: Option<f64>,
    /// So many at once after a rest. Default: those of one second, at least 1.
    pub burst: Option<u32>,
    /// The most round trip beyond the nearest region's; farther regions are never used. Default: any.
    pub max_added_rtt: Option<Duration>,
}
