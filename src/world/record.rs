//! The record of one decision: what each stage of the router saw, and what was true of every replica that could have
//! been chosen. Made right after the decision and before the request is sent, so that counters are those it was made
//! on. Reads everything, changes nothing.

use super::World;
use super::dispatch::{HOP, REQUEST};
use super::gateway::{Limits, Reach};
use super::loads::behind;
use crate::id::ReplicaId;
use crate::network::RegionSet;
use crate::observe::{DecisionRecord, Filter, Observer, Outcome, Sight, StageRecord, Truth};
use crate::replica::Job;
use crate::routing::{CacheView, EligibleId, IndexSource, LoadView, Stage, TargetId};
use crate::time::{SimTime, Span};

/// What takes targets out, as it stands for one request at one moment.
struct Cut {
    residency: RegionSet,
    request: RegionSet,
    failed_in: RegionSet,
    limits: Result<Option<Limits>, Outcome>,
}

impl Cut {
    /// What takes this target out, if anything does.
    fn of(&self, stage: &Stage, target: TargetId) -> Option<Filter> {
        let it = &stage.targets()[target.0 as usize];
        if !self.residency.contains(it.region) {
            return Some(Filter::Residency);
        }
        if !self.request.contains(it.region) {
            return Some(Filter::Request);
        }
        if stage.healthy(target) == 0 {
            return Some(Filter::Health);
        }
        match &self.limits {
            Err(_) => Some(Filter::Spill),
            Ok(None) => None,
            Ok(Some(limits)) if !limits.regions.contains(it.region) => {
                let failed = self.failed_in.contains(it.region);
                Some(if failed { Filter::FailedBefore } else { Filter::Spill })
            }
            Ok(Some(limits)) => {
                (limits.without.is_some() && limits.without == it.replica).then_some(Filter::FailedBefore)
            }
        }
    }
}

impl<O: Observer> World<'_, O> {
    /// The record; `candidates` are the replicas that could have been chosen, all up to date.
    pub(super) fn record(
        &mut self,
        now: SimTime,
        slot: u32,
        choice: Option<(Option<TargetId>, usize, TargetId)>,
        chosen: Result<ReplicaId, Outcome>,
        candidates: &[ReplicaId],
    ) -> DecisionRecord {
        let reach = self.reach(now, slot);
        let state = self.slots.get(slot);
        let gateway = &self.gateways[state.gateway];
        let rule = &self.params.data_classes[state.data_class];
        let up = self.health.regions_up();
        let cut = Cut {
            residency: gateway.allowed(rule, RegionSet::ALL, up),
            request: self.slots.restricted_to(slot).unwrap_or(RegionSet::ALL),
            failed_in: self.slots.failure(slot).map_or(RegionSet::NONE, |(_, regions)| regions),
            limits: self.limits(now, slot),
        };
        let set = |reach: Option<&Reach>, stage: Option<usize>| {
            let reach = reach?;
            stage.map_or(reach.global, |stage| reach.stages[stage])
        };
        let mut stages = Vec::new();
        let (global, place) = match choice {
            Some((global, stage, target)) => (global, Some((stage, target))),
            None => (None, None),
        };
        if let Some(stage) = &gateway.global {
            let eligible = set(reach.as_ref(), None);
            stages.push(self.stage_record(now, slot, stage, None, eligible, global, &cut));
        }
        let asked = place.map(|(stage, _)| stage).or(gateway.global.is_none().then_some(0));
        if let Some(index) = asked {
            let eligible = set(reach.as_ref(), Some(index));
            let target = place.map(|(_, target)| target);
            let stage = &gateway.stages[index];
            stages.push(self.stage_record(now, slot, stage, Some(index), eligible, target, &cut));
        }
        let truths = candidates.iter().map(|&replica| self.truth(now, slot, replica));
        DecisionRecord {
            id: state.id,
            key: state.key,
            attempt: state.attempts + 1,
            at: now,
            gateway: state.gateway,
            gateway_region: gateway.region,
            prompt_tokens: state.prompt_tokens,
            held: now - state.decided_at,
            stages,
            truths: truths.collect(),
            chosen,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn stage_record(
        &self,
        now: SimTime,
        slot: u32,
        stage: &Stage,
        index: Option<usize>,
        eligible: Option<EligibleId>,
        chosen: Option<TargetId>,
        cut: &Cut,
    ) -> StageRecord {
        let state = self.slots.get(slot);
        let gateway = &self.gateways[state.gateway];
        let view = self.slots.view(slot, self.params.block_tokens);
        let needs = stage.needs();
        let among = eligible.map_or(&[][..], |set| stage.among(set));
        let sights = stage.targets().iter().enumerate().map(|(number, target)| {
            let id = TargetId(number as u32);
            let removed_by = cut.of(stage, id);
            debug_assert_eq!(removed_by.is_none(), among.contains(&id), "{}", target.name);
            let age = || match (&self.policy.views.load, &gateway.loads) {
                (LoadView::Oracle, _) | (_, None) => Span::ZERO,
                (_, Some(loads)) => loads.age(now, &behind(&self.sites, stage, number)),
            };
            let terms = eligible.filter(|_| removed_by.is_none());
            Sight {
                target: target.name.clone(),
                region: target.region,
                replica: target.replica,
                rtt: target.rtt,
                rtt_age: gateway.rtts.as_ref().and_then(|rtts| rtts.age(now, target.region)),
                removed_by,
                own_requests: stage.own(id).requests,
                load: needs.load.then(|| (stage.load(id), age())),
                believed_tokens: (eligible.and_then(|_| stage.believed_blocks(id)))
                    .map(|blocks| blocks * self.params.block_tokens),
                terms: terms.map_or_else(Vec::new, |set| stage.explain(&view, set, id)),
            }
        });
        let sights: Vec<Sight> = sights.collect();
        let chosen = chosen.map(|target| target.0 as usize);
        let tied = chosen.map_or(0, |chosen| {
            let equal = |(number, sight): (usize, &Sight)| {
                number != chosen && sight.removed_by.is_none() && sight.terms == sights[chosen].terms
            };
            sights.iter().enumerate().filter(|&entry| equal(entry)).count() as u32
        });
        let spec = index.map_or(self.policy.global.as_ref(), |_| Some(&self.policy.replica));
        StageRecord {
            tier: if index.is_none() { "region" } else { "replica" },
            policy: spec.map_or("", |spec| spec.name()),
            index: needs.source().map(|source| match source {
                IndexSource::Sent => "sent",
                IndexSource::FirstToken => "first_token",
                IndexSource::Completion => "completion",
                IndexSource::Oracle => "caches",
            }),
            cache_delay: (needs.source() == Some(IndexSource::Oracle)).then_some(
                match &self.policy.views.cache {
                    CacheView::Oracle => Span::ZERO,
                    CacheView::Event(feed) => feed.delay,
                },
            ),
            sights,
            chosen,
            tied,
            tie: stage.tie(),
            rule: stage.rule(),
            drew: stage.drew(),
            measures_rtt: gateway.rtts.is_some(),
        }
    }

    /// What is true of a replica, for this request.
    fn truth(&self, now: SimTime, slot: u32, replica: ReplicaId) -> Truth {
        let state = self.slots.get(slot);
        let site = &self.sites[replica];
        let asked = self.slots.asked(slot);
        let prompt_tokens = state.prompt_tokens;
        let findable = (prompt_tokens.saturating_sub(1) / self.params.block_tokens).min(asked.chain.blocks());
        let cached_tokens = site.replica.holds(&asked.chain, findable) * self.params.block_tokens;
        let from = self.gateways[state.gateway].region;
        let key = self.key.branch(REQUEST).at(state.key).branch(HOP);
        let bytes = self.network.bytes(u64::from(prompt_tokens));
        let (out, back) = self.network.both_ways(from, site.region, bytes, self.network.bytes(1), key);
        let job = Job { prompt_tokens, output_tokens: asked.output_tokens, ..Job::default() };
        let (queue, prefill) = site.replica.estimate(now, &job, cached_tokens);
        Truth {
            replica,
            region: site.region,
            down: self.health.is_down(replica),
            load: site.replica.load(),
            cached_tokens,
            network: out + back,
            ingress: site.ingress.of(prompt_tokens),
            queue,
            prefill,
        }
    }
}
