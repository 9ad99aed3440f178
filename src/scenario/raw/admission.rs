//! Admission and names as they are written: gate, shedding, line, throttling clients, DNS. Knows keys; must not know what
//! fits together.

use crate::fleet::admission::{Discipline, Over, ThrottleBy};
use crate::units::{Duration, Ratio};
use schemars::JsonSchema;
use serde::Deserialize;

/// Whom gateways let in, and how clients hold back. A policy's own `admission` replaces the scenario's as a whole.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Admission")]
pub struct RawAdmission {
    /// What gate and shedding go by. Default: utilization, as llm-d's endpoint picker.
    pub saturation: Option<RawSaturation>,
    /// Holds requests back while the fleet is saturated: in the line if there is `queue`, else they end as `rejected`. Default: none.
    pub gate: Option<RawGate>,
    /// Refuses some requests at random before the fleet is saturated; they end as `shed`. Default: none.
    pub shed: Option<RawShed>,
    /// The line of requests that the gate or the policy holds: its bounds and its order. Default: without bounds, for the policy's alone.
    pub queue: Option<RawQueueBounds>,
    /// Clients that hold requests back when too many were refused, as in Google's SRE book; these end as `throttled`. Default: none.
    pub throttle: Option<RawThrottle>,
}

/// How full the replicas are that a request may go to; 1 is saturated. Either the mean over replicas of max(waiting / `queue_depth`, KV usage / `kv_usage`) as the policy's `views` show them, or the gateway's own requests under way over `in_flight` a replica.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Saturation")]
pub struct RawSaturation {
    /// Requests waiting in a saturated replica. Default: 5.
    #[schemars(range(min = 0.001, max = 1e9))]
    pub queue_depth: Option<f64>,
    /// Share of KV blocks in use in a saturated replica. Default: "80%".
    pub kv_usage: Option<Ratio>,
    /// Own requests under way to a saturated replica, in place of the two above. Default: none.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub in_flight: Option<u32>,
    /// The replicas it is the mean of: "allowed", all that the request may go to, or "home", those of the nearest such region. Default: "allowed".
    pub over: Option<Over>,
}

/// The gate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Gate")]
pub struct RawGate {
    /// It is closed from this saturation on. Default: 1.
    #[schemars(range(min = 0.001, max = 1e6))]
    pub closes_at: Option<f64>,
    /// Requests of this priority or a larger number wait; more urgent ones pass. Default: 0, all.
    pub from_priority: Option<u8>,
}

/// Refusal with probability min(1, `scale` × saturation ^ `power`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Shed")]
pub struct RawShed {
    /// The probability at saturation 1, before it is cut at 1. Default: 300, as llm-d's.
    #[schemars(range(min = 0, max = 1e9))]
    pub scale: Option<f64>,
    /// How steeply it rises. Default: 5, as llm-d's.
    #[schemars(range(min = 0, max = 100))]
    pub power: Option<f64>,
    /// Requests of this priority or a larger number can be shed. Default: 1, all but the most urgent.
    pub from_priority: Option<u8>,
}

/// The line of requests that a gateway holds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "QueueBounds")]
pub struct RawQueueBounds {
    /// The most that wait at one gateway; who comes then ends as `rejected`. Default: no limit.
    pub capacity: Option<u32>,
    /// The longest wait; who waits longer ends as `queue_timeout`. Default: no limit.
    pub timeout: Option<Duration>,
    /// Who goes first: "fifo", "lifo", or "priority" (the smallest number, then who came first). Default: "fifo".
    pub discipline: Option<Discipline>,
}

/// A client that has seen many refusals does not send, with probability max(0, (requests − `k` × accepted) / (requests + 1)).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Throttle")]
pub struct RawThrottle {
    /// So many requests for each that is accepted. Default: 2, as the book's.
    #[schemars(range(min = 1, max = 1e6))]
    pub k: Option<f64>,
    /// Over how much time they are counted. Default: "2m", as the book's.
    pub window: Option<Duration>,
    /// Whose requests count together: all of an "origin" or all of a "tenant". Default: "origin".
    pub by: Option<ThrottleBy>,
}

/// Clients find a gateway by name: the nearest that is believed up, whatever its load, and keep the answer. Without this table each client knows the nearest and never asks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Dns")]
pub struct RawDns {
    /// How long an answer is kept. Default: "60s", as Amazon Route 53's records.
    pub ttl: Option<Duration>,
    /// Share of clients that are sent to another gateway than the nearest, as behind a far resolver. Default: 0.
    pub misplaced: Option<Ratio>,
    /// Time between probes of gateways, which go out at its multiples. Default: "30s", as Route 53's.
    pub interval: Option<Duration>,
    /// Failed probes in a row after which a gateway is no longer named. Default: 3, as Route 53's.
    #[schemars(range(min = 1, max = 1000))]
    pub failures: Option<u32>,
    /// Answered probes in a row after which it is named again. Default: 3, as Route 53's.
    #[schemars(range(min = 1, max = 1000))]
    pub successes: Option<u32>,
}
