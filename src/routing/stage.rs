//! A stage: one tier of one gateway. Knows its targets, its own counters, the loads and the index its policy asked
//! for; must not know what is behind a target or when a message arrives: the world calls it when something does.

use super::spec::{BuildContext, PolicySpec};
use super::{Decision, FleetView, IndexSource, Needs, Own, Policy, RequestView, Target, TargetId};
use crate::observe::Load;
use crate::rng::{Key, Stream};

/// What is kept with an attempt to release exactly what its sending took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where it was sent.
    pub target: TargetId,
    /// Its prompt.
    pub prompt_tokens: u32,
    /// Leading blocks of the prompt that the stage believed the target to hold when it sent; 0 without an index.
    pub matched_blocks: u32,
}

/// One tier of one gateway: targets, counters, views, and the policy that chooses.
pub struct Stage {
    targets: Vec<Target>,
    policy: Box<dyn Policy>,
    needs: Needs,
    own: Vec<Own>,
    load: Vec<Load>,
    matched: Vec<u32>,
    rng: Stream,
}

impl Stage {
    /// A stage over `targets`. `key` is the gateway's and tier's own; decisions draw from its branch `decide`.
    pub fn new(spec: &PolicySpec, targets: Vec<Target>, key: Key) -> Stage {
        let policy = spec.build(&BuildContext { targets: &targets, key });
        let needs = policy.needs();
        let count = targets.len();
        Stage {
            policy,
            needs,
            own: vec![Own::default(); count],
            load: if needs.load { vec![Load::default(); count] } else { Vec::new() },
            matched: if needs.index.is_some() { vec![0; count] } else { Vec::new() },
            rng: key.named("decide").stream(),
            targets,
        }
    }
    /// What the policy reads: what the world must feed.
    pub fn needs(&self) -> Needs {
        self.needs
    }
    /// The targets, by id.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
    /// The gateway's own counters for `target`.
    pub fn own(&self, target: TargetId) -> &Own {
        &self.own[target.0 as usize]
    }
    /// A target's load has reached this gateway. Ignored unless the policy reads loads.
    pub fn set_load(&mut self, target: TargetId, load: Load) {
        if self.needs.load {
            self.load[target.0 as usize] = load;
        }
    }
    /// Chooses among `eligible`, which is in id order and not empty.
    pub fn decide(&mut self, request: &RequestView<'_>, eligible: &[TargetId]) -> Decision {
        assert!(!eligible.is_empty(), "a stage is asked only when some target is eligible");
        let fleet = FleetView {
            targets: &self.targets,
            eligible,
            own: &self.own,
            load: &self.load,
            matched: &self.matched,
        };
        let decision = self.policy.route(request, &fleet, &mut self.rng);
        if let Decision::To(target) = decision {
            assert!(
                eligible.binary_search(&target).is_ok(),
                "the policy chose {target:?}, which is not eligible"
            );
        }
        decision
    }
    /// The request goes to `target`: counts it. The ticket goes with the attempt.
    pub fn sent(&mut self, request: &RequestView<'_>, target: TargetId) -> Ticket {
        let own = &mut self.own[target.0 as usize];
        own.requests += 1;
        own.prompt_tokens += request.prompt_tokens as u64;
        own.queued_requests += 1;
        own.queued_tokens += request.prompt_tokens as u64;
        own.sent += 1;
        self.policy.sent(request, target);
        Ticket { target, prompt_tokens: request.prompt_tokens, matched_blocks: 0 }
    }
    /// The first token came back. `request` is needed where [`Needs::index`] is [`IndexSource::FirstToken`].
    pub fn first_token(&mut self, ticket: &Ticket, request: Option<&RequestView<'_>>) {
        let _ = (request, IndexSource::FirstToken);
        self.release_queued(ticket);
        self.policy.first_token(ticket.target);
    }
    /// The attempt is over, whether it was answered, refused or lost.
    pub fn finished(&mut self, ticket: &Ticket, had_first_token: bool) {
        if !had_first_token {
            self.release_queued(ticket);
        }
        let own = &mut self.own[ticket.target.0 as usize];
        own.requests -= 1;
        own.prompt_tokens -= ticket.prompt_tokens as u64;
        self.policy.finished(ticket.target);
    }
    /// The target's cache now holds block `id`. For the oracle index.
    pub fn cache_added(&mut self, target: TargetId, id: u64) {
        let _ = (target, id);
    }
    /// The target's cache no longer holds block `id`. For the oracle index.
    pub fn cache_removed(&mut self, target: TargetId, id: u64) {
        let _ = (target, id);
    }
    fn release_queued(&mut self, ticket: &Ticket) {
        let own = &mut self.own[ticket.target.0 as usize];
        own.queued_requests -= 1;
        own.queued_tokens -= ticket.prompt_tokens as u64;
    }
    /// The terms behind the last decision for `target`, by name. To be called right after [`Stage::decide`].
    pub fn explain(
        &self,
        request: &RequestView<'_>,
        eligible: &[TargetId],
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let fleet = FleetView {
            targets: &self.targets,
            eligible,
            own: &self.own,
            load: &self.load,
            matched: &self.matched,
        };
        self.policy.explain(request, &fleet, target)
    }
}
