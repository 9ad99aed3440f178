//! One decision as it was made: what the router saw, and what was true. Plain data with ids; made only for decisions
//! that somebody asked for.

use super::{Load, Outcome};
use crate::id::{GatewayId, RegionId, ReplicaId, RequestId};
use crate::time::{SimTime, Span};
use serde::Serialize;

/// What takes a target out before a policy sees it, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The request's data class.
    Residency,
    /// The regions that the request itself, or its workload, names.
    Request,
    /// Its replicas are believed down, or drain.
    Health,
    /// It lies beyond the added round trip or the rate that may be spilled.
    Spill,
    /// It failed the request before, and there is somewhere else.
    FailedBefore,
}

impl Filter {
    /// All of them, in order.
    pub const ALL: [Filter; 5] =
        [Filter::Residency, Filter::Request, Filter::Health, Filter::Spill, Filter::FailedBefore];
    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        ["residency", "request", "health", "spill", "failed_before"][self as usize]
    }
}

/// A target as one stage of the router saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Its name: a region's, or a replica's.
    pub target: String,
    /// Its region.
    pub region: RegionId,
    /// The replica, where it is one.
    pub replica: Option<ReplicaId>,
    /// Round trip from the gateway as it believes it: as configured, or as it has measured it.
    pub rtt: Span,
    /// How long ago the last answer came that is in a measured one; none of one as configured.
    pub rtt_age: Option<Span>,
    /// What took it out, if anything did.
    pub removed_by: Option<Filter>,
    /// The gateway's own requests under way there.
    pub own_requests: u32,
    /// The load that was believed and its age, where the policy reads loads; of a region, the age of the oldest part.
    pub load: Option<(Load, Span)>,
    /// Prompt tokens that it was believed to hold, where the policy keeps an index.
    pub believed_tokens: Option<u32>,
    /// What the policy weighs, by name; nothing of targets that were taken out.
    pub terms: Vec<(&'static str, f64)>,
}

/// One stage of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct StageRecord {
    /// `region` or `replica`.
    pub tier: &'static str,
    /// The policy's name in the registry.
    pub policy: &'static str,
    /// What feeds its prefix index, where it keeps one: the gateway's own traffic when it is `sent`, at its
    /// `first_token`, at its `completion`; or the `caches` themselves.
    pub index: Option<&'static str>,
    /// How late news of caches is, where the index follows them.
    pub cache_delay: Option<Span>,
    /// All its targets.
    pub sights: Vec<Sight>,
    /// The chosen one, an index into them.
    pub chosen: Option<usize>,
    /// How many others that it could have chosen have equal terms: then a tie rule, an order or a draw chose.
    pub tied: u32,
    /// The policy's rule for equals, as it is written; none where it has none that always holds.
    pub tie: Option<&'static str>,
    /// What chooses among equals where there is no such rule to be written, in words, such as "whose turn it is".
    pub rule: Option<&'static str>,
    /// Whether the decision drew a random number.
    pub drew: bool,
    /// Whether the gateway measures round trips.
    pub measures_rtt: bool,
}

/// A replica that could have been chosen, as it was at that instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Which.
    pub replica: ReplicaId,
    /// Its region.
    pub region: RegionId,
    /// Whether it was gone, known or not.
    pub down: bool,
    /// Its load.
    pub load: Load,
    /// Prompt tokens that it held.
    pub cached_tokens: u32,
    /// From the gateway to it and back, as drawn for this request.
    pub network: Span,
    /// Its front end.
    pub ingress: Span,
    /// What is before the request there: the step under way and the prefill that is owed.
    pub queue: Span,
    /// The request's own prefill.
    pub prefill: Span,
}

impl Truth {
    /// The estimate of TTFT from the decision on, without the client's way; what decisions are judged by.
    pub fn estimate(&self) -> Span {
        self.network + self.ingress + self.queue + self.prefill
    }
}

/// One decision of one gateway about one request.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRecord {
    /// Which request.
    pub id: RequestId,
    /// Its identity in the workload.
    pub key: u64,
    /// Which try, from 1.
    pub attempt: u32,
    /// When.
    pub at: SimTime,
    /// The gateway.
    pub gateway: GatewayId,
    /// Its region.
    pub gateway_region: RegionId,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// How long the policy had held the request.
    pub held: Span,
    /// The stages that were asked, the first tier first.
    pub stages: Vec<StageRecord>,
    /// Every replica that could have been chosen.
    pub truths: Vec<Truth>,
    /// Where it was sent; else how it ended.
    pub chosen: Result<ReplicaId, Outcome>,
}

impl DecisionRecord {
    /// What was true of the chosen replica.
    pub fn taken(&self) -> Option<&Truth> {
        let chosen = self.chosen.ok()?;
        self.truths.iter().find(|truth| truth.replica == chosen)
    }
    /// The counterfactual best: of the replicas that could have been chosen and were up, the one with the lowest
    /// estimate; the chosen one where it is as good, then the first.
    pub fn best(&self) -> Option<&Truth> {
        let up = self.truths.iter().filter(|truth| !truth.down);
        up.min_by_key(|truth| (truth.estimate(), Ok(truth.replica) != self.chosen, truth.replica))
    }
    /// How much longer the chosen replica's estimate is than the best one's; nothing where it was down or nobody was
    /// chosen.
    pub fn regret(&self) -> Option<Span> {
        let taken = self.taken().filter(|truth| !truth.down)?;
        Some(Span(taken.estimate().0 - self.best()?.estimate().0))
    }
}
