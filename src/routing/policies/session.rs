//! Session affinity: a session keeps its target, by rendezvous hashing.

use crate::rng::{Stream, hash_name, mix2};
use crate::routing::params::{Problems, Validate};
use crate::routing::{Decision, FleetView, Policy, RequestView, Target, TargetId, affinity, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of session affinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Soft affinity: the session's target is kept while it has at most this many more requests of this gateway
    /// under way than the target with the fewest. Off unless given: affinity is then hard.
    pub soft: Option<u32>,
    /// Prompt tokens whose hash is the key of a request that has neither session nor tenant.
    pub prefix_tokens: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { soft: None, prefix_tokens: 256 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("prefix_tokens", self.prefix_tokens, self.prefix_tokens >= 1, "1 token or more");
    }
}

/// The policy.
#[derive(Debug)]
pub struct Session {
    params: Params,
    names: Vec<u64>,
}

impl Session {
    /// With these parameters, over `targets`.
    pub fn new(params: &Params, targets: &[Target]) -> Self {
        let names = targets.iter().map(|target| hash_name(&target.name)).collect();
        Session { params: params.clone(), names }
    }
    /// The session, else the tenant (tenant 0 is nobody in particular), else the prefix.
    fn key(&self, request: &RequestView<'_>) -> u64 {
        affinity::of_session(request).unwrap_or_else(|| match request.tenant.0 {
            0 => affinity::of_prefix(request, self.params.prefix_tokens),
            _ => affinity::of_tenant(request),
        })
    }
    /// A target's place in the key's order of preference: lowest first.
    fn rank(&self, key: u64, target: TargetId) -> u64 {
        mix2(key, self.names[target.0 as usize])
    }
}

impl Policy for Session {
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let key = self.key(request);
        let home = pick::least_first(fleet.eligible, |target| self.rank(key, target));
        let Some(slack) = self.params.soft else { return Decision::To(home) };
        let fewest = pick::spread(fleet).0;
        if fleet.own(home).requests <= fewest.saturating_add(slack) {
            return Decision::To(home);
        }
        Decision::To(pick::least_first(fleet.eligible, |target| {
            (fleet.own(target).requests, self.rank(key, target))
        }))
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let key = self.key(request);
        let before = fleet.eligible.iter().filter(|&&other| self.rank(key, other) < self.rank(key, target));
        vec![("preference", before.count() as f64), ("requests", fleet.own(target).requests as f64)]
    }
}
