//! The one way from a gateway to a replica. Whatever sends a request — the first try and every later one — comes
//! through here: targets are cut to those the request's data class allows before any policy sees them, and what
//! was chosen is checked again before it is sent.

use super::World;
use super::event::Event;
use crate::engine::Schedule;
use crate::id::{GatewayId, Id, RegionId};
use crate::network::RegionSet;
use crate::observe::{Leg, Load, Observation, Observer, Outcome};
use crate::routing::{Decision, IndexSource, PromptBlocks, RequestView, TargetId};
use crate::time::SimTime;

/// What came of asking for a place.
enum Place {
    /// This stage, this target; and this target of the first tier.
    Found(Option<TargetId>, usize, TargetId),
    /// Ask again later.
    Later,
    /// Nowhere.
    Refused(Outcome),
}

impl<O: Observer> World<'_, O> {
    /// Regions to which this gateway may send a request of this data class.
    fn allowed(&self, slot: u32) -> RegionSet {
        let state = self.slots.get(slot);
        let rule = &self.params.data_classes[state.row.data_class];
        let gateway = self.gateways[state.gateway].region;
        if !rule.decrypt_in.contains(gateway) {
            return RegionSet::NONE;
        }
        if rule.transit_via.contains(gateway) {
            return rule.process_in;
        }
        // What may not pass through here may still be served here.
        std::iter::once(gateway).collect::<RegionSet>().and(rule.process_in)
    }

    /// Brings replicas up to date whose load or cache the request's gateway reads. Nothing where it reads neither.
    fn bring_up_to_date(&mut self, now: SimTime, slot: u32) {
        let gateway = &self.gateways[self.slots.get(slot).gateway];
        let stages = || gateway.stages.iter().chain(&gateway.global);
        let follows = stages().any(|stage| stage.needs().index == Some(IndexSource::Oracle));
        if !follows && !stages().any(|stage| stage.needs().load) {
            return;
        }
        for replica in self.sites.ids() {
            self.sites[replica].replica.advance_to(now);
            if follows {
                self.follow_cache(replica);
            }
        }
    }

    /// Decides about a request and sends it, holds it, or ends it.
    pub(super) fn dispatch(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let allowed = self.allowed(slot);
        self.bring_up_to_date(now, slot);
        match self.choose(slot, allowed) {
            Place::Found(global, stage, target) => {
                self.send(now, slot, global, stage, target, allowed, schedule)
            }
            Place::Later => {
                let gateway = self.slots.get(slot).gateway;
                self.gateways[gateway].held.push_back(slot);
            }
            Place::Refused(outcome) => self.refuse(now, slot, outcome, schedule),
        }
    }

    fn choose(&mut self, slot: u32, allowed: RegionSet) -> Place {
        let state = self.slots.get(slot);
        let view = request_view(state, self.params.block_tokens);
        let gateway = &mut self.gateways[state.gateway];
        let mut eligible = std::mem::take(&mut self.eligible);
        let mut chosen = None;
        let mut stage_index = 0;
        if let Some(stage) = &mut gateway.global {
            eligible.clear();
            for (index, target) in stage.targets().iter().enumerate() {
                if target.replicas > 0 && allowed.contains(target.region) {
                    eligible.push(TargetId(index as u32));
                }
            }
            if eligible.is_empty() {
                self.eligible = eligible;
                return Place::Refused(Outcome::NoRegion);
            }
            if stage.needs().load {
                for &target in &eligible {
                    let region = stage.targets()[target.0 as usize].region;
                    let mut sum = Load::default();
                    for site in self.sites.iter().filter(|site| site.region == region) {
                        let load = site.replica.load();
                        sum.running += load.running;
                        sum.waiting += load.waiting;
                        sum.waiting_tokens += load.waiting_tokens;
                        sum.kv_used_blocks += load.kv_used_blocks;
                        sum.kv_total_blocks += load.kv_total_blocks;
                        sum.context_tokens += load.context_tokens;
                    }
                    stage.set_load(target, sum);
                }
            }
            match stage.decide(&view, &eligible) {
                Decision::To(target) => {
                    chosen = Some(target);
                    stage_index = stage.targets()[target.0 as usize].region.index();
                }
                Decision::Hold => {
                    self.eligible = eligible;
                    return Place::Later;
                }
                Decision::Refuse(_) => {
                    self.eligible = eligible;
                    return Place::Refused(Outcome::Shed);
                }
            }
        }
        let stage = &mut gateway.stages[stage_index];
        eligible.clear();
        for (index, target) in stage.targets().iter().enumerate() {
            if allowed.contains(target.region) {
                eligible.push(TargetId(index as u32));
            }
        }
        let place = if eligible.is_empty() {
            Place::Refused(Outcome::NoRegion)
        } else {
            if stage.needs().load {
                for &target in &eligible {
                    let replica = stage.targets()[target.0 as usize].replica.expect("a replica");
                    let site = &self.sites[replica];
                    stage.set_load(target, site.replica.load());
                }
            }
            match stage.decide(&view, &eligible) {
                Decision::To(target) => Place::Found(chosen, stage_index, target),
                Decision::Hold => Place::Later,
                Decision::Refuse(_) => Place::Refused(Outcome::Shed),
            }
        };
        self.eligible = eligible;
        place
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
        let state = self.slots.get_mut(slot);
        let gateway_id: GatewayId = state.gateway;
        let gateway = &mut self.gateways[gateway_id];
        let from: RegionId = gateway.region;
        let stage = &mut gateway.stages[stage_index];
        let replica = stage.targets()[target.0 as usize].replica.expect("a replica");
        let site = &self.sites[replica];
        let region = site.region;
        assert!(allowed.contains(region), "a request was about to be sent where its data class forbids");

        let view = request_view(state, self.params.block_tokens);
        let ticket = stage.sent(&view, target);
        let global_ticket =
            global.and_then(|target| gateway.global.as_mut().map(|stage| stage.sent(&view, target)));
        let key = self.key.named("request").at(state.request.key);
        let hop = self.network.forward(
            from,
            region,
            self.network.bytes(u64::from(state.request.prompt_tokens)),
            key.named("hop"),
        );
        let hop_back = self.network.back(from, region, self.network.bytes(1), key.named("hop"));
        let ingress = site.ingress.of(state.request.prompt_tokens);
        state.attempt.global = global_ticket;
        state.attempt.replica = Some((stage_index, ticket));
        state.attempt.hop_back = hop_back;
        state.attempt.delivered_at = now + hop + ingress;
        state.attempt.first_token_seen = false;
        let row = &mut state.row;
        row.legs.add(Leg::Hold, now - state.decided_at);
        row.legs.add(Leg::Hop, hop);
        row.legs.add(Leg::Ingress, ingress);
        (row.replica, row.region) = (Some(replica), Some(region));
        row.attempts += 1;
        let id = row.id;
        schedule.at(now + hop + ingress, Event::Deliver { slot, id });
        self.observer.observe(now, &Observation::Sent { id, gateway: gateway_id, replica, region });
    }

    /// Ends a request at its gateway.
    pub(super) fn refuse(
        &mut self,
        now: SimTime,
        slot: u32,
        outcome: Outcome,
        schedule: &mut Schedule<Event>,
    ) {
        let state = self.slots.get_mut(slot);
        state.row.outcome = outcome;
        let at = now + state.client_back;
        state.row.ended_at = at;
        schedule.at(at, Event::ClientEnd { slot, id: state.row.id });
    }
}

/// A request as a router may see it.
pub(super) fn request_view(state: &super::slots::State, block_tokens: u32) -> RequestView<'_> {
    let request = &state.request;
    RequestView {
        id: state.row.id,
        session: request.session,
        tenant: request.tenant,
        origin: request.origin,
        class: request.class,
        prompt_tokens: request.prompt_tokens,
        prompt: PromptBlocks::new(&request.chain, request.prompt_tokens, block_tokens),
    }
}
