//! Where a client's requests come in, and what becomes of them when that place is lost. Knows doors (the gateways that may
//! read a data class, by origin), names that are looked up, and gateways that are gone; must not know what a gateway does
//! with a request. A gateway that is lost is cut off: its clients and its replicas find out each at their own end.

use super::event::Event;
use super::state::{Mark, Place};
use super::{World, entry_index, views};
use crate::engine::Schedule;
use crate::id::{GatewayId, RegionId, RequestId};
use crate::observe::{Observer, Outcome};
use crate::rng::hash_name;
use crate::time::SimTime;

const CLIENT: u64 = hash_name("dns_client");

impl<O: Observer> World<'_, O> {
    /// The gateway that a request's client sends it to; `None` where none may read it.
    pub(super) fn door(&self, now: SimTime, slot: u32) -> Option<GatewayId> {
        let state = self.slots.get(slot);
        let index = entry_index(self.params, state.origin, state.data_class);
        let doors = &self.doors[index];
        let first = match &self.names {
            None => *doors.first()?,
            Some(names) => {
                let client = self.key.branch(CLIENT).at(views::client(state));
                let region = |door: usize| self.gateways[doors[door]].region;
                doors[names.answer(now, client, doors.len(), region)?]
            }
        };
        Some(views::one_of(first, self.policy.gateways_per_region, self.key, state))
    }

    /// The gateways of a region are gone, or back.
    pub(super) fn gateways_down(
        &mut self,
        now: SimTime,
        region: RegionId,
        over: bool,
        schedule: &mut Schedule<Event>,
    ) {
        let ids: Vec<GatewayId> =
            self.gateways.ids().filter(|&id| self.gateways[id].region == region).collect();
        for id in ids {
            let down = &mut self.gateways[id].down;
            *down = if over { *down - 1 } else { *down + 1 };
            if !over && *down == 1 {
                self.lose_gateway(now, id, schedule);
            }
        }
    }

    fn lose_gateway(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        for slot in self.slots.live() {
            let state = self.slots.get_mut(slot);
            if state.gateway != gateway || state.left() {
                continue;
            }
            let class = state.data_class;
            match state.place {
                Place::InLine => {
                    self.gateways[gateway].line.retain(|&other| other != slot);
                    self.tell_undecided(now, slot);
                    self.refuse(now, slot, Outcome::Failed, schedule);
                }
                Place::Held => {
                    self.gateways[gateway].held[class].retain(|&(_, other)| other != slot);
                    self.tell_undecided(now, slot);
                    self.refuse(now, slot, Outcome::Failed, schedule);
                }
                Place::ToReplica | Place::InReplica | Place::Returning => {
                    schedule.at(now + state.client_back, Event::Cut { slot, id: state.id });
                    self.slots.mark_rare(slot, Mark::Cut).cut_at = now;
                }
                // Found out where it comes to next, or past it already.
                Place::ToGateway | Place::Deciding | Place::ToClient => {}
            }
        }
    }

    /// A client finds that the gateway is gone that its request went through.
    pub(super) fn cut(&mut self, now: SimTime, slot: u32, id: RequestId, schedule: &mut Schedule<Event>) {
        if !self.slots.waits(slot, id) {
            return;
        }
        let state = self.slots.get_mut(slot);
        if !state.has(Mark::Cut) {
            return;
        }
        if state.place == Place::ToClient {
            state.outcome = Outcome::Failed;
            return self.client_end(now, slot, schedule);
        }
        let (source, key, hop_out) = (state.source, state.key, state.hop_out);
        let rare = self.slots.mark_rare(slot, Mark::Left);
        (rare.left_at, rare.left_as) = (now, Outcome::Failed);
        // The replica finds that the connection is gone, as it would if the client had gone.
        let heard = now.max(rare.cut_at + hop_out);
        schedule.at(heard, Event::LeftAtReplica { slot, id });
        self.tell_throttle(now, slot, Outcome::Failed);
        if self.inflows[source].source.ended(key, now, Outcome::Failed) {
            self.announce(source, now, schedule);
        }
    }
}
