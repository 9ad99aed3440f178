//! A stage: one tier of one gateway. Knows its targets, its own counters, the loads and the index its policy asked
//! for; must not know what is behind a target or when a message arrives: the world calls it when something does.

use super::freshness::Release;
use super::index::{ActiveIndex, SpeculativeIndex};
use super::spec::{BuildContext, PolicySpec};
use super::{
    Columns, Decision, Eligible, FleetView, Histogram, IndexSource, Learner, Needs, Own, Policy, PrefixIndex,
    RequestView, Tally, Target, TargetId,
};
use crate::id::{RegionId, RequestId};
use crate::observe::Load;
use crate::rng::{Key, Stream};
use crate::time::{SimTime, Span};
use crate::workload::Run;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// What is kept with an attempt to release exactly what its sending took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where it was sent.
    pub target: TargetId,
    /// Its prompt.
    pub prompt_tokens: u32,
    /// Leading blocks of the prompt that the stage believed the target to hold when it sent; 0 without an index.
    pub matched_blocks: u32,
    /// Prompt tokens that the stage believed the target not to hold when it sent; all without an index.
    pub uncached_tokens: u32,
    /// Its number with the stage's learner; nothing without one.
    pub learned: u32,
}

/// A set of targets that a stage was told of: an index into its sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EligibleId(u32);

/// One tier of one gateway: targets, counters, views, and the policy that chooses.
pub struct Stage {
    targets: Vec<Target>,
    policy: Box<dyn Policy>,
    needs: Needs,
    own: Vec<Own>,
    /// Requests under way at all targets.
    total: u64,
    /// The sets that requests may be bound to, and how this gateway's requests are spread over each.
    sets: Vec<(Eligible, Tally)>,
    /// The number of the next set: none is given twice.
    next_set: u32,
    load: Vec<Load>,
    /// The same in columns.
    columns: Columns,
    /// Whether each target is one replica.
    single: bool,
    index: Option<PrefixIndex>,
    /// Replicas of a region that hold a block, where there are several. Looked up, never iterated.
    copies: FxHashMap<(TargetId, u64), u32>,
    matched: Vec<u32>,
    matched_for: Option<RequestId>,
    active: Option<ActiveIndex>,
    active_shared: Vec<u32>,
    /// By target: its replicas in health.
    healthy: Vec<u32>,
    learner: Option<Box<Learner>>,
    histogram: Option<Box<Histogram>>,
    now: SimTime,
    rng: Stream,
    /// Whether to tell draws, and whether the last decision made one.
    tells_draws: bool,
    drew: bool,
    /// Requests stop counting as under way at their first token.
    early_release: bool,
    /// The index takes in what is sent, until the caches tell.
    speculates: bool,
}

/// What the policy may see of the stage's fields, while the policy itself is borrowed.
macro_rules! fleet_view {
    ($stage:expr, $eligible:expr, $tally:expr) => {
        FleetView {
            targets: &$stage.targets,
            eligible: $eligible,
            own: &$stage.own,
            tally: $tally,
            total: $stage.total,
            load: &$stage.load,
            columns: &$stage.columns,
            single: $stage.single,
            matched: &$stage.matched,
            active_blocks: $stage.active.as_ref().map_or(&[], ActiveIndex::blocks),
            active_shared: &$stage.active_shared,
            healthy: &$stage.healthy,
            now: $stage.now,
            learned: $stage.learner.as_deref(),
            histogram: $stage.histogram.as_deref(),
        }
    };
}

impl Stage {
    /// A stage over `targets`, whose names differ. `key` is the gateway's and tier's own; decisions draw from its branch `decide`.
    pub fn new(spec: &PolicySpec, targets: Vec<Target>, key: Key) -> Stage {
        let policy = spec.build(&BuildContext { targets: &targets, key });
        Stage::of(policy, targets, key)
    }
    /// As [`Stage::new`], with a policy of one's own.
    pub fn of(policy: Box<dyn Policy>, targets: Vec<Target>, key: Key) -> Stage {
        let names: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names.len(), targets.len(), "targets of one name would share their points on a hash ring");
        let needs = policy.needs();
        let count = targets.len();
        Stage {
            policy,
            needs,
            own: vec![Own::default(); count],
            total: 0,
            sets: Vec::new(),
            next_set: 0,
            load: if needs.load { vec![Load::default(); count] } else { Vec::new() },
            columns: Columns::of(&vec![Load::default(); if needs.load { count } else { 0 }]),
            single: targets.iter().all(|target| target.replicas == 1),
            index: needs.index.map(|options| PrefixIndex::new(&options, count)),
            active: needs.active.then(|| ActiveIndex::new(count)),
            active_shared: if needs.active { vec![0; count] } else { Vec::new() },
            healthy: targets.iter().map(|target| target.replicas).collect(),
            learner: needs.learned.map(|options| Box::new(Learner::new(options, count))),
            histogram: needs.histogram.map(|options| Box::new(Histogram::new(options, count))),
            now: SimTime::ZERO,
            copies: FxHashMap::default(),
            matched_for: None,
            matched: if needs.index.is_some() { vec![0; count] } else { Vec::new() },
            rng: key.named("decide").stream(),
            tells_draws: false,
            drew: false,
            early_release: false,
            speculates: false,
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
    /// The load of `target` that it was told last; nothing where the policy reads none.
    pub fn load(&self, target: TargetId) -> Load {
        self.load.get(target.0 as usize).copied().unwrap_or_default()
    }
    /// Leading blocks of the prompt looked up last that `target` was believed to hold; nothing without an index.
    pub fn believed_blocks(&self, target: TargetId) -> Option<u32> {
        self.matched.get(target.0 as usize).copied()
    }
    /// It is `now`: an index forgets by it. To be said before each of the calls below; time does not go back.
    pub fn set_now(&mut self, now: SimTime) {
        self.now = now;
    }
    /// When requests stop counting as under way: at their end, unless this says otherwise. Before the first is sent.
    pub fn set_release(&mut self, release: Release) {
        self.early_release = release == Release::FirstToken;
    }
    /// Prompts that are sent count as cached at their targets for this long, until the caches tell. For an index that
    /// follows caches, before the first is sent.
    pub fn set_speculation(&mut self, ttl: Span) {
        if self.index.as_ref().is_some_and(PrefixIndex::follows) {
            self.index = Some(PrefixIndex::Speculative(SpeculativeIndex::new(ttl, self.targets.len())));
            self.speculates = true;
        }
    }
    /// The round-trip times to regions are now these, where they are given.
    pub fn set_rtts(&mut self, rtt: impl Fn(RegionId) -> Option<Span>) {
        let mut changed = false;
        for target in &mut self.targets {
            if let Some(rtt) = rtt(target.region).filter(|&rtt| rtt != target.rtt) {
                target.rtt = rtt;
                changed = true;
            }
        }
        if changed {
            // Which of a set are the nearest is said in advance: that is another set now.
            for (set, _) in &mut self.sets {
                *set = Eligible::new(self.next_set, set.list().to_vec(), &self.targets);
                self.next_set += 1;
            }
        }
    }
    /// This gateway has learnt that `replicas` of those behind `target` are in health.
    pub fn set_healthy(&mut self, target: TargetId, replicas: u32) {
        self.healthy[target.0 as usize] = replicas;
    }
    /// Of the replicas behind `target`, those this gateway believes to be in health.
    pub fn healthy(&self, target: TargetId) -> u32 {
        self.healthy[target.0 as usize]
    }
    /// A target's load has reached this gateway. Ignored unless the policy reads loads.
    pub fn set_load(&mut self, target: TargetId, load: Load) {
        if self.needs.load && self.load[target.0 as usize] != load {
            self.load[target.0 as usize] = load;
            self.columns.set(target, &load);
        }
    }
    /// Makes a set of targets known, in id order and not empty, that requests may be bound to. A list that is known is
    /// not stored again.
    pub fn eligible(&mut self, list: &[TargetId]) -> EligibleId {
        let known = self.sets.iter().position(|(set, _)| set.list() == list);
        EligibleId(known.unwrap_or_else(|| {
            let set = Eligible::new(self.next_set, list.to_vec(), &self.targets);
            self.next_set += 1;
            let tally = Tally::new(&set, &self.own, self.needs.fewest);
            self.sets.push((set, tally));
            self.sets.len() - 1
        }) as u32)
    }
    /// Forgets all sets of targets: their ids are void.
    pub fn forget_eligible(&mut self) {
        self.sets.clear();
    }
    /// The targets of a set, in id order.
    pub fn among(&self, eligible: EligibleId) -> &[TargetId] {
        self.sets[eligible.0 as usize].0.list()
    }
    /// Chooses among `eligible`.
    pub fn decide(&mut self, request: &RequestView<'_>, eligible: EligibleId) -> Decision {
        self.look_up(request);
        let (eligible, tally) = &self.sets[eligible.0 as usize];
        let fleet = fleet_view!(self, eligible, tally);
        let before = self.tells_draws.then(|| self.rng.clone());
        let decision = self.policy.route(request, &fleet, &mut self.rng);
        self.drew = before.is_some_and(|before| before != self.rng);
        if let Decision::To(target) = decision {
            assert!(eligible.contains(target), "the policy chose {target:?}, which is not eligible");
        }
        decision
    }
    /// The request goes to `target`: counts it. The ticket goes with the attempt.
    pub fn sent(&mut self, request: &RequestView<'_>, target: TargetId) -> Ticket {
        // The match of the decision, unless another request was decided since: then it is looked up again.
        if self.matched_for != Some(request.id) {
            self.look_up(request);
        }
        let matched_blocks = self.matched.get(target.0 as usize).copied().unwrap_or(0);
        let held = (matched_blocks * request.prompt.block_tokens()).min(request.prompt_tokens);
        let uncached_tokens = request.prompt_tokens - held;
        let learns = self.speculates || self.needs.source() == Some(IndexSource::Sent);
        if let Some(index) = self.index.as_mut().filter(|_| learns) {
            index.insert(&request.prompt, matched_blocks, self.now, target);
        }
        if let Some(active) = &mut self.active {
            active.add(&request.prompt, target);
        }
        self.matched_for = None;
        if let Some(histogram) = &mut self.histogram {
            histogram.sent(request, self.now, target, uncached_tokens);
        }
        let queued = self.own[target.0 as usize].queued_tokens;
        let learned =
            self.learner.as_mut().map_or(0, |learner| learner.sent(self.now, uncached_tokens, queued));
        self.count(target, |requests| requests + 1);
        let own = &mut self.own[target.0 as usize];
        own.prompt_tokens += request.prompt_tokens as u64;
        own.queued_requests += 1;
        own.queued_tokens += request.prompt_tokens as u64;
        own.queued_uncached_tokens += uncached_tokens as u64;
        own.sent += 1;
        self.policy.sent(request, target);
        Ticket { target, prompt_tokens: request.prompt_tokens, matched_blocks, uncached_tokens, learned }
    }
    /// The first token came back. `request` is needed where [`Needs::index`] is [`IndexSource::FirstToken`].
    pub fn first_token(&mut self, ticket: &Ticket, request: Option<&RequestView<'_>>) {
        if let (Some(index), Some(IndexSource::FirstToken)) = (&mut self.index, self.needs.source()) {
            debug_assert!(request.is_some(), "this stage's index needs the request at its first token");
            if let Some(request) = request {
                index.insert(&request.prompt, ticket.matched_blocks, self.now, ticket.target);
            }
        }
        if let Some(learner) = &mut self.learner {
            let ttft = learner.first_token(self.now, ticket.target, ticket.learned);
            self.policy.answered(ticket.target, ttft);
        }
        self.release_queued(ticket);
        if self.early_release {
            self.release(ticket);
        }
        self.policy.first_token(ticket.target);
    }
    /// The attempt is over, whether it was answered, refused or lost. `request` is needed where [`Needs::active`] is
    /// declared or [`Needs::index`] is [`IndexSource::Completion`].
    pub fn finished(&mut self, ticket: &Ticket, had_first_token: bool, request: Option<&RequestView<'_>>) {
        if let Some(request) = request {
            if let Some(active) = &mut self.active {
                active.remove(&request.prompt, ticket.target);
            }
            if let (Some(index), Some(IndexSource::Completion)) = (&mut self.index, self.needs.source())
                && had_first_token
            {
                index.insert(&request.prompt, ticket.matched_blocks, self.now, ticket.target);
            }
        }
        match &mut self.learner {
            Some(learner) if had_first_token => learner.finished(self.now, ticket.target),
            Some(learner) => learner.lost(ticket.learned),
            None => {}
        }
        if !had_first_token {
            self.release_queued(ticket);
        }
        if !(had_first_token && self.early_release) {
            self.release(ticket);
        }
        self.policy.finished(ticket.target);
    }
    fn release(&mut self, ticket: &Ticket) {
        self.count(ticket.target, |requests| requests - 1);
        let own = &mut self.own[ticket.target.0 as usize];
        own.prompt_tokens -= ticket.prompt_tokens as u64;
    }
    /// The target's cache now holds these blocks. For the oracle index.
    pub fn cache_added(&mut self, target: TargetId, run: Run) {
        let Some(index) = self.index.as_mut().filter(|index| index.follows()) else { return };
        if self.targets[target.0 as usize].replicas > 1 {
            (0..run.len).for_each(|j| *self.copies.entry((target, run.id(j))).or_insert(0) += 1);
        }
        index.add(run, target);
    }
    /// The target's cache no longer holds these blocks. For the oracle index.
    pub fn cache_removed(&mut self, target: TargetId, run: Run) {
        let Some(index) = self.index.as_mut().filter(|index| index.follows()) else { return };
        if self.targets[target.0 as usize].replicas <= 1 {
            return index.remove(run, target);
        }
        for j in 0..run.len {
            let block = (target, run.id(j));
            if let Some(copies) = self.copies.get_mut(&block) {
                *copies -= 1;
                if *copies > 0 {
                    continue;
                }
                self.copies.remove(&block);
            }
            index.remove(Run { key: run.key, start: run.start + j, len: 1 }, target);
        }
    }
    /// Writes what every target holds of the prompt.
    fn look_up(&mut self, request: &RequestView<'_>) {
        if let Some(index) = &mut self.index {
            index.match_all(&request.prompt, self.now, &mut self.matched);
            self.matched_for = Some(request.id);
        }
        if let Some(active) = &self.active {
            active.match_all(&request.prompt, &mut self.active_shared);
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.look_up(request, self.now);
        }
    }
    /// Changes the requests under way at `target`, here and in every set that it is in.
    fn count(&mut self, target: TargetId, change: impl Fn(u32) -> u32) {
        let requests = &mut self.own[target.0 as usize].requests;
        let before = *requests;
        *requests = change(before);
        self.total = self.total + u64::from(*requests) - u64::from(before);
        for (set, tally) in &mut self.sets {
            if let Some(place) = set.place(target) {
                tally.change(place, before, *requests);
            }
        }
    }
    fn release_queued(&mut self, ticket: &Ticket) {
        let own = &mut self.own[ticket.target.0 as usize];
        own.queued_requests -= 1;
        own.queued_tokens -= ticket.prompt_tokens as u64;
        own.queued_uncached_tokens -= ticket.uncached_tokens as u64;
    }
    /// Tells from now on whether decisions draw.
    pub fn tell_draws(&mut self) {
        self.tells_draws = true;
    }
    /// Whether the last decision drew a random number, where that is to be told.
    pub fn drew(&self) -> bool {
        self.drew
    }
    /// The policy's rule for equals, as it is written; none where it has none that always holds.
    pub fn tie(&self) -> Option<&'static str> {
        self.policy.tie()
    }
    /// What chooses among equals where there is no such rule, in words.
    pub fn rule(&self) -> Option<&'static str> {
        self.policy.rule()
    }
    /// The terms behind the last decision for `target`, by name. To be called right after [`Stage::decide`].
    pub fn explain(
        &self,
        request: &RequestView<'_>,
        eligible: EligibleId,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let (eligible, tally) = &self.sets[eligible.0 as usize];
        let fleet = fleet_view!(self, eligible, tally);
        self.policy.explain(request, &fleet, target)
    }
}

#[cfg(test)]
mod tests;
