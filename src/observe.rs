//! What the world tells its observers: plain records, no I/O. Knows ids, times and counts; must not know who
//! looks. Row sinks, time lines, histograms and the checkers of conservation laws are all observers, and none can
//! change what happens.

mod admission;
mod decision;
mod misses;

pub use admission::{AdmissionRecord, Barrier, Client, Waiting};
pub use decision::{DecisionRecord, Filter, Sight, StageRecord, Truth};
pub use misses::{Miss, Misses};

use crate::id::{
    ClassId, DataClassId, GatewayId, OriginId, PoolId, RegionId, RegionSet, ReplicaId, RequestId, SourceId,
    TenantId,
};
use crate::time::{SimTime, Span};
use serde::{Deserialize, Serialize};

/// How a request ended. Every arrival has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All output tokens were produced.
    Completed,
    /// Its prompt, or prompt plus output, can never fit the KV pool or the model's context: refused on arrival
    /// at the replica.
    TooLarge,
    /// The replica's bounded queue was full.
    QueueFull,
    /// No region may and can serve it (residency, or nothing alive).
    NoRegion,
    /// The router refused it to protect the rest.
    Shed,
    /// Its client gave up.
    TimedOut,
    /// Lost to a fault and not retried with success.
    Failed,
    /// Still under way when the simulation ended.
    #[default]
    InFlight,
    /// Its gateway was saturated and had no place in its line.
    Rejected,
    /// Its client held it back, because others had been refused.
    Throttled,
    /// It waited too long in its gateway's line.
    QueueTimeout,
}

impl Outcome {
    /// All outcomes, in the order of reports.
    pub const ALL: [Outcome; 11] = [
        Outcome::Completed,
        Outcome::TooLarge,
        Outcome::QueueFull,
        Outcome::NoRegion,
        Outcome::Shed,
        Outcome::TimedOut,
        Outcome::Failed,
        Outcome::InFlight,
        Outcome::Rejected,
        Outcome::Throttled,
        Outcome::QueueTimeout,
    ];
    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::TooLarge => "too_large",
            Outcome::QueueFull => "queue_full",
            Outcome::NoRegion => "no_region",
            Outcome::Shed => "shed",
            Outcome::TimedOut => "timed_out",
            Outcome::Failed => "failed",
            Outcome::InFlight => "in_flight",
            Outcome::Rejected => "rejected",
            Outcome::Throttled => "throttled",
            Outcome::QueueTimeout => "queue_timeout",
        }
    }
}

/// The named parts of TTFT, in the order in which a request lives through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// From the client to its gateway: access network, and the way to a gateway that is elsewhere.
    LastMile,
    /// TCP and TLS set-up of a cold connection.
    Connect,
    /// Waiting for and being decided by the gateway.
    Route,
    /// Held back at the gateway on purpose.
    Hold,
    /// From the gateway to the replica's region.
    Hop,
    /// The engine's front end: HTTP, tokenisation.
    Ingress,
    /// Waiting for the first step that schedules it.
    Queue,
    /// Fetching cached blocks from a lower tier.
    KvFetch,
    /// From the first step that schedules it to its first token.
    Prefill,
    /// The first token's way back to the client.
    Return,
}

impl Leg {
    /// All legs in order.
    pub const ALL: [Leg; 10] = [
        Leg::LastMile,
        Leg::Connect,
        Leg::Route,
        Leg::Hold,
        Leg::Hop,
        Leg::Ingress,
        Leg::Queue,
        Leg::KvFetch,
        Leg::Prefill,
        Leg::Return,
    ];
    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        ["last_mile", "connect", "route", "hold", "hop", "ingress", "queue", "kv_fetch", "prefill", "return"]
            [self as usize]
    }
}

/// The legs of one request's TTFT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Legs([Span; 10]);

impl Legs {
    /// Adds time to a leg.
    #[inline]
    pub fn add(&mut self, leg: Leg, span: Span) {
        self.0[leg as usize] += span;
    }
    /// The time spent in a leg.
    #[inline]
    pub fn get(&self, leg: Leg) -> Span {
        self.0[leg as usize]
    }
    /// All legs together.
    #[inline]
    pub fn total(&self) -> Span {
        self.0.iter().copied().sum()
    }
}

/// The whole story of one request, told once, at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request, numbered by arrival.
    pub id: RequestId,
    /// Its identity in the workload: the same under every policy.
    pub key: u64,
    /// Which workload it came from.
    pub source: SourceId,
    /// Where its client is.
    pub origin: OriginId,
    /// Its SLO class.
    pub class: ClassId,
    /// Its residency class; 0 is unrestricted.
    pub data_class: DataClassId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its session, 0 where there is none.
    pub session: u64,
    /// Its turn within the session, from 0.
    pub turn: u32,
    /// The gateway that decided, if one did.
    pub gateway: Option<GatewayId>,
    /// The region that served it, if one did.
    pub region: Option<RegionId>,
    /// The replica that served it, if one did.
    pub replica: Option<ReplicaId>,
    /// When the client sent it.
    pub sent_at: SimTime,
    /// How it ended.
    pub outcome: Outcome,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// Output tokens produced.
    pub output_tokens: u32,
    /// Prompt tokens found in the replica's cache when first scheduled.
    pub cached_tokens: u32,
    /// Prompt tokens fetched from a lower tier.
    pub fetched_tokens: u32,
    /// Prompt tokens computed the first time: `prompt = cached + fetched + computed` for a completed request.
    pub computed_tokens: u32,
    /// Tokens computed again after preemption, net of what survived in the cache.
    pub recomputed_tokens: u32,
    /// Of a completed request, why the prompt tokens that were neither cached nor fetched were not, where that was asked
    /// for.
    pub misses: Option<Misses>,
    /// How often it was preempted.
    pub preemptions: u32,
    /// The parts of TTFT.
    pub legs: Legs,
    /// When the first token reached the client; TTFT is this less `sent_at`, and the sum of the legs.
    pub first_token_at: Option<SimTime>,
    /// When the last token reached the client, or the refusal did.
    pub ended_at: SimTime,
    /// From arrival at the gateway to the first token leaving the replica's region.
    pub server_ttft: Option<Span>,
    /// How many tries it took.
    pub attempts: u32,
}

impl RequestRow {
    /// Time to first token at the client.
    pub fn ttft(&self) -> Option<Span> {
        self.first_token_at.map(|at| at - self.sent_at)
    }
    /// End-to-end latency at the client, of a completed request.
    pub fn e2e(&self) -> Option<Span> {
        (self.outcome == Outcome::Completed).then(|| self.ended_at - self.sent_at)
    }
    /// Mean time between output tokens (TPOT), of a completed request with at least two.
    pub fn tpot(&self) -> Option<Span> {
        let first = self.first_token_at?;
        (self.outcome == Outcome::Completed && self.output_tokens > 1)
            .then(|| Span((self.ended_at - first).0 / (self.output_tokens as u64 - 1)))
    }
}

/// The load of a replica, as it could tell it itself. All counts are exact at the instant they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Requests in the running batch.
    pub running: u32,
    /// Requests waiting for the batch.
    pub waiting: u32,
    /// Prompt tokens of the waiting requests.
    pub waiting_tokens: u64,
    /// KV blocks that running requests hold.
    pub kv_used_blocks: u32,
    /// KV blocks there are.
    pub kv_total_blocks: u32,
    /// Context tokens of the running requests (computed so far).
    pub context_tokens: u64,
}

impl Load {
    /// Requests in the replica.
    pub fn requests(&self) -> u32 {
        self.running + self.waiting
    }
    /// Adds another replica's: what a region has.
    pub fn add(&mut self, other: &Load) {
        self.running += other.running;
        self.waiting += other.waiting;
        self.waiting_tokens += other.waiting_tokens;
        self.kv_used_blocks += other.kv_used_blocks;
        self.kv_total_blocks += other.kv_total_blocks;
        self.context_tokens += other.context_tokens;
    }
    /// The share of KV blocks in use.
    pub fn kv_usage(&self) -> f64 {
        if self.kv_total_blocks == 0 { 0.0 } else { self.kv_used_blocks as f64 / self.kv_total_blocks as f64 }
    }
}

/// What a replica has done since the start; only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Engine steps.
    pub steps: u64,
    /// Sum over steps of sequences in the step.
    pub sequence_steps: u64,
    /// Time in steps, in picoseconds.
    pub busy_ps: u64,
    /// Prompt tokens looked up for the first time.
    pub prompt_tokens: u64,
    /// Of those, found in the cache.
    pub cached_tokens: u64,
    /// Prompt tokens computed the first time.
    pub computed_tokens: u64,
    /// Tokens computed again after preemption.
    pub recomputed_tokens: u64,
    /// Output tokens produced.
    pub output_tokens: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Cached blocks whose hash was dropped because the block was needed.
    pub evicted_blocks: u64,
    /// Requests completed.
    pub completed: u64,
    /// The most KV blocks ever in use at once.
    pub kv_peak_blocks: u32,
    /// Whether any step lay outside what its time was measured on.
    #[serde(default)]
    pub extrapolated: bool,
}

/// The state of one replica at a sampling instant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaSample {
    /// Which replica.
    pub replica: ReplicaId,
    /// Its pool.
    pub pool: PoolId,
    /// Its region.
    pub region: RegionId,
    /// Its load now.
    pub load: Load,
    /// Its work so far.
    pub work: Work,
    /// Whether it takes new requests: neither down nor drained.
    pub up: bool,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A client sent a request.
    Arrived {
        /// Which.
        id: RequestId,
        /// From where.
        origin: OriginId,
        /// Its class.
        class: ClassId,
        /// Its tenant.
        tenant: TenantId,
        /// Its prompt.
        prompt_tokens: u32,
    },
    /// The request that has just arrived brought a rule of its own.
    Restricted {
        /// Which request.
        id: RequestId,
        /// Regions whose replicas may serve it, within what its data class allows.
        allowed: RegionSet,
    },
    /// A gateway chose a replica and the request was sent to it.
    Sent {
        /// Which request.
        id: RequestId,
        /// The gateway.
        gateway: GatewayId,
        /// The chosen replica.
        replica: ReplicaId,
        /// The chosen replica's region.
        region: RegionId,
        /// The request's class.
        class: ClassId,
        /// Its tenant.
        tenant: TenantId,
        /// Its prompt.
        prompt_tokens: u32,
    },
    /// A gateway decided about a request of which that was asked to be told.
    Decided(&'a DecisionRecord),
    /// A request was not let in of which that was asked to be told.
    TurnedAway(&'a AdmissionRecord),
    /// A request reached its end; its last appearance.
    Ended(&'a RequestRow),
    /// A sampling instant passed in this replica.
    Sampled(&'a ReplicaSample),
    /// An engine step was done.
    Stepped {
        /// Where.
        replica: ReplicaId,
        /// Tokens computed in it.
        tokens: u32,
        /// Sequences in it.
        sequences: u32,
        /// Free KV blocks after it.
        free_blocks: u32,
        /// KV blocks in use after it.
        used_blocks: u32,
    },
}

/// Somebody who looks. Observers see everything and change nothing.
pub trait Observer {
    /// Something happened at `now`.
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>);
}

impl Observer for () {
    fn observe(&mut self, _: SimTime, _: &Observation<'_>) {}
}
impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline]
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        self.0.observe(now, observation);
        self.1.observe(now, observation);
    }
}
impl<A: Observer, B: Observer, C: Observer> Observer for (A, B, C) {
    #[inline]
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        self.0.observe(now, observation);
        self.1.observe(now, observation);
        self.2.observe(now, observation);
    }
}
impl<O: Observer + ?Sized> Observer for &mut O {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        (**self).observe(now, observation);
    }
}
impl<O: Observer> Observer for Option<O> {
    #[inline]
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        if let Some(observer) = self {
            observer.observe(now, observation);
        }
    }
}
