//! What a routing policy is.

use super::index::{HistogramOptions, IndexOptions};
use super::learn::LearnOptions;
use super::view::{FleetView, RequestView, TargetId};
use crate::rng::Stream;
use crate::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a policy sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To this target, one of the eligible ones.
    To(TargetId),
    /// Nowhere yet: ask again when something comes back from a target of this stage (a first token or an end).
    Hold,
    /// Nowhere.
    Refuse(Refusal),
}

/// Why a policy refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// To protect the rest.
    Shed,
}

/// Where a prefix index learns what a target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexSource {
    /// From the gateway's own decisions, when it sends. Nothing is ever forgotten.
    Sent,
    /// From the gateway's own traffic, when the first token comes back. Nothing is ever forgotten.
    FirstToken,
    /// From the gateway's own traffic, when an answered request ends. Nothing is ever forgotten.
    Completion,
    /// From the replicas' caches themselves: at once, an oracle, unless the policy's `views.cache` says how late.
    Oracle,
}

/// What a policy reads beside its gateway's own counters. What is not declared is not gathered and costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// The loads of all targets.
    pub load: bool,
    /// Which eligible targets have the fewest requests of this gateway under way, and how many have the most.
    pub fewest: bool,
    /// A prefix index.
    pub index: Option<IndexOptions>,
    /// The distinct prompt blocks of this gateway's requests under way, by target.
    pub active: bool,
    /// What its answers teach.
    pub learned: Option<LearnOptions>,
    /// How often prompt heads were sent to each target of late.
    pub histogram: Option<HistogramOptions>,
}

impl Needs {
    /// What feeds the prefix index, where there is one.
    pub fn source(&self) -> Option<IndexSource> {
        self.index.map(|index| index.source)
    }
}

/// A routing policy: one stage of one gateway. Each gateway has its own instance.
pub trait Policy: Send {
    /// What it reads. Asked once, before the run.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    /// Chooses a target for `request`. `rng` belongs to this gateway and stage, and to this purpose alone.
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision;
    /// The request was sent to `target`.
    fn sent(&mut self, request: &RequestView<'_>, target: TargetId) {
        let _ = (request, target);
    }
    /// A first token came back from `target`.
    fn first_token(&mut self, target: TargetId) {
        let _ = target;
    }
    /// That first token came so long after it was sent. Only where [`Needs::learned`] is declared.
    fn answered(&mut self, target: TargetId, ttft: Span) {
        let _ = (target, ttft);
    }
    /// A request ended at `target`.
    fn finished(&mut self, target: TargetId) {
        let _ = target;
    }
    /// The rule by which it tells equals apart, as it is written, where it has one that always holds: for the decision
    /// record.
    fn tie(&self) -> Option<&'static str> {
        None
    }
    /// What chooses among equals where it has no such rule and draws nothing, in words: for the decision record.
    fn rule(&self) -> Option<&'static str> {
        None
    }
    /// The terms behind the last decision for `target`, by name: for the decision record.
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let _ = (request, fleet, target);
        Vec::new()
    }
}
