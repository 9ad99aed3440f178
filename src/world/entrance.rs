//! Where a client's requests come in, and what becomes of them when that place is lost. Knows doors (the gateways that may
//! read a data class, by origin), names that are looked up, and gateways that are gone; must not know what a gateway does
//! with a request. A gateway that is lost is cut off: its clients and its replicas find out each at their own end.

use super::event::Event;
use super::slots::Place;
use super::{World, entry_index, views};
use crate::engine::Schedule;
use crate::id::{GatewayId, RegionId, RequestId};
use crate::observe::{Observer, Outcome, RequestRow};
use crate::rng::hash_name;
use crate::time::SimTime;

const CLIENT: u64 = hash_name("dns_client");

impl<O: Observer> World<'_, O> {
    /// The gateway that a request's client sends it to; `None` where none may read it.
    pub(super) fn door(&self, now: SimTime, slot: u32) -> Option<GatewayId> {
        let row = &self.slots.get(slot).row;
        let index = entry_index(self.params, row.origin, row.data_class);
        let doors = &self.doors[index];
        let first = match &self.names {
            None => *doors.first()?,
            Some(names) => {
                let client = self.key.branch(CLIENT).at(views::client(row));
                let region = |door: usize| self.gateways[doors[door]].region;
                doors[names.answer(now, client, doors.len(), region)?]
            }
        };
        Some(views::one_of(first, self.policy.gateways_per_region, self.key, row))
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
            if state.gateway != gateway || state.left_at.is_some() {
                continue;
            }
            let class = state.row.data_class;
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
                    state.cut_at = Some(now);
                    schedule.at(now + state.client_back, Event::Cut { slot, id: state.row.id });
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
        let Some(cut_at) = state.cut_at else { return };
        let row = &mut state.row;
        if row.first_token_at.is_some_and(|at| at > now) {
            (row.first_token_at, row.server_ttft) = (None, None);
        }
        if state.place == Place::ToClient {
            (row.outcome, row.ended_at) = (Outcome::Failed, now);
            return self.client_end(now, slot, schedule);
        }
        (state.left_at, state.left_as) = (Some(now), Outcome::Failed);
        // The replica finds that the connection is gone, as it would if the client had gone.
        let heard = now.max(cut_at + state.attempt.hop_out);
        schedule.at(heard, Event::LeftAtReplica { slot, id });
        let row = RequestRow { outcome: Outcome::Failed, ..state.row };
        self.tell_throttle(now, &row);
        let state = self.slots.get(slot);
        if self.inflows[row.source].source.ended(&state.request, now, Outcome::Failed) {
            self.announce(row.source, now, schedule);
        }
    }
}
