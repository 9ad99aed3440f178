//! A request as its workload means it, and where requests come from.

use super::Chain;
use crate::id::{ClassId, DataClassId, OriginId, RegionSet, TenantId};
use crate::observe::Outcome;
use crate::time::SimTime;

/// A request: the truth about it, of which a policy sees only a part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Its identity in the workload, the same under every policy: what its random numbers are keyed by.
    pub key: u64,
    /// When its client sends it.
    pub at: SimTime,
    /// Where its client is.
    pub origin: OriginId,
    /// Its SLO class.
    pub class: ClassId,
    /// Its residency class; 0 is unrestricted.
    pub data_class: DataClassId,
    /// Regions whose replicas may serve it, within what its data class allows; `None` adds no rule.
    pub allowed: Option<RegionSet>,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its session, 0 where there is none.
    pub session: u64,
    /// Its turn within the session, from 0.
    pub turn: u32,
    /// Scheduling priority: lower goes first, 0 is the default (vLLM's convention).
    pub priority: u8,
    /// Prompt length, at least 1.
    pub prompt_tokens: u32,
    /// Output length, at least 1. A policy never sees it.
    pub output_tokens: u32,
    /// Its blocks: the full blocks of prompt and output together, `(prompt + output) / block_tokens` of them.
    pub chain: Chain,
}

/// Where requests come from: a trace or a generator. The world holds one pending arrival per source, and tells the
/// source of every request's end, so that the next turn of a session can wait for the answer to the last.
pub trait Source: Send {
    /// When the next request is sent, as far as is known now; `None` when none is known.
    fn peek(&mut self) -> Option<SimTime>;
    /// Writes the next request over `request`. Only called after `peek` gave a time, which is then `request.at`.
    fn pull(&mut self, request: &mut Request);
    /// The request of this source with this key has ended, as its client sees it. Returns whether `peek` may have changed.
    fn ended(&mut self, key: u64, at: SimTime, outcome: Outcome) -> bool;
}
