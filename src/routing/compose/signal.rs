//! Signals: what a composition may read of a target, each with its unit. Knows what has reached the gateway; must not
//! know what a number is used for. A signal of a region is the sum over its replicas, or their mean where a block says
//! `per_replica`; shares are shares of the whole.

use crate::routing::{FleetView, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeUnit")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
    /// KV blocks.
    Blocks,
    /// Milliseconds.
    Ms,
    /// Replicas.
    Replicas,
    /// Requests a second.
    RequestsPerS,
    /// Money for an hour of a GPU, in whatever the table of prices is.
    Price,
    /// Grams of CO₂ for a kilowatt-hour.
    GramsPerKwh,
    /// Nothing: shares, and sums whose weights are all that makes their terms comparable.
    Score,
}

impl Unit {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Requests => "requests",
            Unit::Tokens => "tokens",
            Unit::Blocks => "blocks",
            Unit::Ms => "ms",
            Unit::Replicas => "replicas",
            Unit::RequestsPerS => "requests_per_s",
            Unit::Price => "price",
            Unit::GramsPerKwh => "grams_per_kwh",
            Unit::Score => "score",
        }
    }
}

/// Where a signal comes from: what a stage has to gather for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The gateway's own counters, or what never changes.
    Own,
    /// The replicas' loads, as old as the policy's `views.load` makes them.
    Load,
    /// The prefix index.
    Index,
    /// The account of blocks under way.
    Active,
    /// What answers have taught.
    Learned,
    /// The prefix histogram.
    Histogram,
    /// The composition's own table of prices.
    Price,
    /// The composition's own table of carbon.
    Carbon,
}

macro_rules! signals {
    ($($(#[$doc:meta])* $variant:ident $name:literal $unit:ident $reads:ident;)*) => {
        /// What can be read of a target.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[schemars(rename = "ComposeSignal")]
        pub enum Signal {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Signal {
            /// All of them, in the order of listings.
            pub const ALL: &[Signal] = &[$(Signal::$variant),*];
            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Signal::$variant => $name,)* }
            }
            /// What it counts.
            pub const fn unit(self) -> Unit {
                match self { $(Signal::$variant => Unit::$unit,)* }
            }
            /// Where it comes from.
            pub const fn reads(self) -> Reads {
                match self { $(Signal::$variant => Reads::$reads,)* }
            }
        }
    };
}

signals! {
    /// This gateway's requests under way, until `views.own` releases them.
    InflightReqs "inflight_reqs" Requests Own;
    /// The prompt tokens of those requests.
    InflightPromptTokens "inflight_prompt_tokens" Tokens Own;
    /// This gateway's requests of which no first token is back.
    QueuedReqs "queued_reqs" Requests Own;
    /// The prompt tokens of those requests.
    QueuedPromptTokens "queued_prompt_tokens" Tokens Own;
    /// Of those tokens, the ones that the target was believed not to hold when they were sent: prefill it owes.
    QueuedUncachedTokens "queued_uncached_tokens" Tokens Index;
    /// Requests in the running batch, of all gateways.
    Running "running" Requests Load;
    /// Requests that wait for the batch.
    Waiting "waiting" Requests Load;
    /// The prompt tokens of those.
    WaitingTokens "waiting_tokens" Tokens Load;
    /// Context tokens of the running batch.
    ContextTokens "context_tokens" Tokens Load;
    /// Share of KV blocks in use, 0 to 1.
    KvUsage "kv_usage" Score Load;
    /// Leading blocks of the prompt that the target is believed to hold.
    MatchedBlocks "matched_blocks" Blocks Index;
    /// Share of the prompt's tokens that it is believed to hold, 0 to 1; 0 of an empty prompt.
    MatchRatio "match_ratio" Score Index;
    /// The same share of the prompt's full blocks, of those that the index looks at.
    BlockMatchRatio "block_match_ratio" Score Index;
    /// The prompt's tokens that it is believed not to hold.
    UncachedTokens "uncached_tokens" Tokens Index;
    /// Blocks that a replica there would have to prefill: those it owes (`queued_uncached_tokens`, the mean of a region)
    /// and the prompt's, less those it holds.
    PrefillBlocks "prefill_blocks" Blocks Index;
    /// Distinct prompt blocks of this gateway's requests that would be under way there with this request.
    ActiveBlocks "active_blocks" Blocks Active;
    /// Base round-trip time to its region.
    RttMs "rtt_ms" Ms Own;
    /// Replicas behind it: 1 of a replica.
    Replicas "replicas" Replicas Own;
    /// Of those, the ones in health, as far as this gateway has been told.
    HealthyReplicas "healthy_replicas" Replicas Own;
    /// The moving mean of this gateway's times to first token there, from sending on; 0 while none is back.
    TtftMs "ttft_ms" Ms Learned;
    /// The time to first token that is predicted there for this request, from sending on: a target's own intercept, and
    /// what uncached and queued tokens have cost so far.
    TtftPredMs "ttft_pred_ms" Ms Learned;
    /// This gateway's requests that it has finished in a second, of late.
    DrainRate "drain_rate" RequestsPerS Learned;
    /// Requests with this prompt's head that this gateway sent there within the histogram's window.
    PrefixRequests "prefix_requests" Requests Histogram;
    /// Prompt tokens that it was believed to lack, of all that this gateway sent there within that window.
    WindowUncachedTokens "window_uncached_tokens" Tokens Histogram;
    /// The price of its region, from `price`.
    PriceOfRegion "price" Price Price;
    /// The carbon of its region's power, from `carbon`.
    Carbon "carbon" GramsPerKwh Carbon;
}

/// What the composition's own tables say, by target; empty without a table.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Prices.
    pub price: Vec<f64>,
    /// Carbon.
    pub carbon: Vec<f64>,
}

/// What one decision sees.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The request.
    pub request: &'a RequestView<'a>,
    /// The targets.
    pub fleet: &'a FleetView<'a>,
    /// The request's key; 0 where nothing uses it.
    pub key: u64,
    /// Leading blocks of a prompt that the index looks at.
    pub looks_at: u32,
    /// The composition's own tables.
    pub tables: &'a Tables,
}

/// A signal, whole or for each replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The signal.
    pub signal: Signal,
    /// Whether it is divided by the replicas behind the target.
    pub per_replica: bool,
}

impl Reading {
    /// Its value for `target`.
    pub fn of(self, seen: &Seen<'_>, target: TargetId) -> f64 {
        let value = self.signal.of(seen, target);
        if self.per_replica { value / replicas(seen, target) } else { value }
    }
}

fn replicas(seen: &Seen<'_>, target: TargetId) -> f64 {
    f64::from(seen.fleet.target(target).replicas.max(1))
}

fn at(table: &[f64], target: TargetId) -> f64 {
    table.get(target.0 as usize).copied().unwrap_or(0.0)
}

impl Signal {
    /// Whether a prefix index moves it: those that need one, and those that count all of a prompt as uncached without.
    pub fn uses_index(self) -> bool {
        self.reads() == Reads::Index || matches!(self, Signal::TtftPredMs | Signal::WindowUncachedTokens)
    }
    /// Whether a region's is the sum over its replicas, so that it has a mean.
    pub const fn is_sum(self) -> bool {
        matches!(
            self,
            Signal::InflightReqs
                | Signal::InflightPromptTokens
                | Signal::QueuedReqs
                | Signal::QueuedPromptTokens
                | Signal::QueuedUncachedTokens
                | Signal::Running
                | Signal::Waiting
                | Signal::WaitingTokens
                | Signal::ContextTokens
                | Signal::ActiveBlocks
                | Signal::DrainRate
                | Signal::PrefixRequests
                | Signal::WindowUncachedTokens
        )
    }
    fn of(self, seen: &Seen<'_>, target: TargetId) -> f64 {
        let (request, fleet) = (seen.request, seen.fleet);
        let own = || fleet.own(target);
        let load = || fleet.load(target);
        match self {
            Signal::InflightReqs => f64::from(own().requests),
            Signal::InflightPromptTokens => own().prompt_tokens as f64,
            Signal::QueuedReqs => f64::from(own().queued_requests),
            Signal::QueuedPromptTokens => own().queued_tokens as f64,
            Signal::QueuedUncachedTokens => own().queued_uncached_tokens as f64,
            Signal::Running => f64::from(load().running),
            Signal::Waiting => f64::from(load().waiting),
            Signal::WaitingTokens => load().waiting_tokens as f64,
            Signal::ContextTokens => load().context_tokens as f64,
            Signal::KvUsage => load().kv_usage(),
            Signal::MatchedBlocks => f64::from(fleet.matched_blocks(target)),
            Signal::MatchRatio => fleet.matched_share(request, target),
            Signal::BlockMatchRatio => {
                let blocks = request.prompt.len().min(seen.looks_at);
                (f64::from(fleet.matched_blocks(target)) / f64::from(blocks.max(1))).min(1.0)
            }
            Signal::UncachedTokens => f64::from(fleet.uncached_tokens(request, target)),
            Signal::PrefillBlocks => {
                let owed = own().queued_uncached_tokens as f64 / replicas(seen, target);
                let blocks =
                    (owed + f64::from(request.prompt_tokens)) / f64::from(request.prompt.block_tokens());
                (blocks - f64::from(fleet.matched_blocks(target))).max(0.0)
            }
            Signal::ActiveBlocks => fleet.active_blocks_with(request, target) as f64,
            Signal::RttMs => fleet.target(target).rtt.as_ms_f64(),
            Signal::Replicas => f64::from(fleet.target(target).replicas),
            Signal::HealthyReplicas => f64::from(fleet.healthy(target)),
            Signal::TtftMs => fleet.learned.map_or(0.0, |learner| learner.ttft_ms(target)),
            Signal::TtftPredMs => fleet.learned.map_or(0.0, |learner| {
                let uncached = match fleet.matched {
                    [] => request.prompt_tokens,
                    _ => fleet.uncached_tokens(request, target),
                };
                learner.predicted_ms(target, uncached, own().queued_tokens)
            }),
            Signal::DrainRate => {
                fleet.learned.map_or(0.0, |learner| learner.finished_per_s(fleet.now, target))
            }
            Signal::PrefixRequests => {
                fleet.histogram.map_or(0.0, |histogram| f64::from(histogram.alike(target)))
            }
            Signal::WindowUncachedTokens => {
                fleet.histogram.map_or(0.0, |histogram| histogram.uncached(target) as f64)
            }
            Signal::PriceOfRegion => at(&seen.tables.price, target),
            Signal::Carbon => at(&seen.tables.carbon, target),
        }
    }
}
