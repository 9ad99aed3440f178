//! The one way from a gateway to a replica. Whatever sends a request — the first try and every later one — comes
//! through here: targets are cut to those the request's data class allows before any policy sees them, and what
//! was chosen is checked again before it is sent.

use super::World;
use super::event::Event;
use super::state::{Mark, Place};
use crate::engine::Schedule;
use crate::id::{GatewayId, Id, RegionId};
use crate::network::RegionSet;
use crate::observe::{Load, Observation, Observer, Outcome};
use crate::rng::hash_name;
use crate::routing::{Decision, TargetId};
use crate::time::SimTime;

/// The branch of random keys under which each request has its own.
pub(super) const REQUEST: u64 = hash_name("request");
pub(super) const HOP: u64 = hash_name("hop");

/// What came of asking for a place.
enum Choice {
    /// This stage, this target; and this target of the first tier.
    Found(Option<TargetId>, usize, TargetId),
    /// Ask again later.
    Later,
    /// Nowhere.
    Refused(Outcome),
}

impl<O: Observer> World<'_, O> {
    /// Regions to which this gateway may send this request: what its data class allows, and it itself.
    pub(super) fn allowed(&self, slot: u32) -> RegionSet {
        let state = self.slots.get(slot);
        let rule = &self.params.data_classes[state.data_class];
        let own = self.slots.restricted_to(slot).unwrap_or(RegionSet::ALL);
        self.gateways[state.gateway].allowed(rule, own, self.health.regions_up())
    }

    /// Brings replicas up to date whose load or cache the request's gateway reads. Nothing where it reads neither.
    pub(super) fn bring_up_to_date(&mut self, now: SimTime, slot: u32) {
        let gateway = &mut self.gateways[self.slots.get(slot).gateway];
        gateway.tell_loads(now);
        gateway.measure_rtts(now, &self.network);
        let follows = gateway.reads_caches;
        if !follows && !gateway.reads_loads {
            return;
        }
        for replica in self.sites.ids() {
            self.sites[replica].replica.advance_to(now);
            if follows {
                self.follow_cache(now, replica);
            }
        }
    }

    /// Decides about a request and sends it or ends it; false where the policy holds it.
    pub(super) fn try_dispatch(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) -> bool {
        let allowed = self.allowed(slot);
        self.bring_up_to_date(now, slot);
        let gateway = self.slots.get(slot).gateway;
        self.gateways[gateway].set_now(now);
        match self.choose(now, slot) {
            Choice::Found(global, stage, target) => {
                if self.looks(slot) {
                    self.look(now, slot, Ok((global, stage, target)), allowed);
                }
                self.send(now, slot, global, stage, target, allowed, schedule);
                true
            }
            Choice::Later => false,
            Choice::Refused(outcome) => {
                if self.looks(slot) {
                    self.look(now, slot, Err(outcome), allowed);
                }
                self.refuse(now, slot, outcome, schedule);
                true
            }
        }
    }

    fn choose(&mut self, now: SimTime, slot: u32) -> Choice {
        let limits = match self.limits(now, slot) {
            Ok(limits) => limits,
            Err(outcome) => return Choice::Refused(outcome),
        };
        let state = self.slots.get(slot);
        let view = self.slots.view(slot, self.params.block_tokens);
        let gateway = &mut self.gateways[state.gateway];
        let class = state.data_class;
        let narrowed = limits.map(|limits| gateway.narrow(class, limits));
        let eligible = match narrowed {
            None => &gateway.eligible[class],
            Some(index) => &gateway.narrowed[index].1,
        };
        let mut chosen = None;
        let mut stage_index = 0;
        if let Some(stage) = &mut gateway.global {
            let Some(set) = eligible.global else { return Choice::Refused(Outcome::NoRegion) };
            if stage.needs().load && gateway.reads_loads {
                for index in 0..stage.among(set).len() {
                    let target = stage.among(set)[index];
                    let region = stage.targets()[target.0 as usize].region;
                    let mut sum = Load::default();
                    for target in gateway.stages[region.index()].targets() {
                        let load = self.sites[target.replica.expect("a replica")].replica.load();
                        sum.add(&load);
                    }
                    stage.set_load(target, sum);
                }
            }
            match stage.decide(&view, set) {
                Decision::To(target) => {
                    chosen = Some(target);
                    stage_index = stage.targets()[target.0 as usize].region.index();
                }
                Decision::Hold => return Choice::Later,
                Decision::Refuse(_) => return Choice::Refused(Outcome::Shed),
            }
        }
        let Some(set) = eligible.stages[stage_index] else { return Choice::Refused(Outcome::NoRegion) };
        let stage = &mut gateway.stages[stage_index];
        if stage.needs().load && gateway.reads_loads {
            for index in 0..stage.among(set).len() {
                let target = stage.among(set)[index];
                let replica = stage.targets()[target.0 as usize].replica.expect("a replica");
                stage.set_load(target, self.sites[replica].replica.load());
            }
        }
        match stage.decide(&view, set) {
            Decision::To(target) => Choice::Found(chosen, stage_index, target),
            Decision::Hold => Choice::Later,
            Decision::Refuse(_) => Choice::Refused(Outcome::Shed),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn send(
        &mut self,
        now: SimTime,
        slot: u32,
        global: Option<TargetId>,
        stage_index: usize,
        target: TargetId,
        allowed: RegionSet,
        schedule: &mut Schedule<Event>,
    ) {
        let gateway_id: GatewayId = self.slots.get(slot).gateway;
        let gateway = &mut self.gateways[gateway_id];
        let from: RegionId = gateway.region;
        let stage = &mut gateway.stages[stage_index];
        let replica = stage.targets()[target.0 as usize].replica.expect("a replica");
        let site = &self.sites[replica];
        let region = site.region;
        assert!(allowed.contains(region), "a request was about to be sent where its data class forbids");

        let view = self.slots.view(slot, self.params.block_tokens);
        let ticket = stage.sent(&view, target);
        let global_ticket =
            global.and_then(|target| gateway.global.as_mut().map(|stage| stage.sent(&view, target)));
        let state = self.slots.get_mut(slot);
        let key = self.key.branch(REQUEST).at(state.key).branch(HOP);
        let bytes = self.network.bytes(u64::from(state.prompt_tokens));
        let (hop, hop_back) = self.network.both_ways(from, region, bytes, self.network.bytes(1), key);
        let ingress = site.ingress.of(state.prompt_tokens);
        state.send(stage_index, &ticket, replica, region);
        (state.hop_out, state.hop_back, state.ingress) = (hop, hop_back, ingress);
        state.delivered_at = now + hop + ingress;
        let id = state.id;
        let (class, tenant, prompt_tokens) = (state.class, state.tenant, state.prompt_tokens);
        if global_ticket.is_some() {
            self.slots.mark_rare(slot, Mark::Global).global = global_ticket;
        }
        gateway.under_way += 1;
        gateway.sent_to[region.index()] += 1;
        if let Some(limit) = &self.params.operations.spill
            && gateway.near.iter().find(|near| allowed.contains(near.1)).is_some_and(|home| home.1 != region)
        {
            gateway.spills[region.index()].pass(limit, now);
        }
        schedule.at(now + hop + ingress, Event::Deliver { slot, id });
        let gateway = gateway_id;
        self.observer
            .observe(now, &Observation::Sent { id, gateway, replica, region, class, tenant, prompt_tokens });
    }

    /// Ends a request at its gateway.
    pub(super) fn refuse(
        &mut self,
        now: SimTime,
        slot: u32,
        outcome: Outcome,
        schedule: &mut Schedule<Event>,
    ) {
        self.release_retry(slot);
        let state = self.slots.get_mut(slot);
        state.outcome = outcome;
        state.place = Place::ToClient;
        schedule.at(now + state.client_back, Event::ClientEnd { slot, id: state.id });
    }
}
