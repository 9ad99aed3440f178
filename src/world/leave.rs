//! Clients that leave: a request that takes too long is given up at the client, which is told to its source at once;
//! the news travels after the request and takes it out of a line, a policy's hands or an engine. Until it arrives
//! there the request goes on costing what it costs.

use super::World;
use super::event::Event;
use super::slots::{Awaited, Place};
use crate::engine::Schedule;
use crate::id::{RequestId, SourceId};
use crate::observe::{Observation, Observer, Outcome, RequestRow};
use crate::replica::JobId;
use crate::time::{SimTime, Span};
use std::collections::VecDeque;

/// Deadlines of one workload's requests. All have the same time, so they are due in the order in which they were
/// sent, and one event stands for all.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    pub(super) limit: Option<Span>,
    due: VecDeque<(SimTime, u32, RequestId)>,
}

impl Deadlines {
    pub(super) fn new(limit: Option<Span>) -> Deadlines {
        Deadlines { limit, due: VecDeque::new() }
    }
}

impl<O: Observer> World<'_, O> {
    /// A request was sent now: its clocks run.
    pub(super) fn start_clocks(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let (id, source) = (self.slots.get(slot).row.id, self.slots.get(slot).row.source);
        for awaited in Awaited::ALL {
            let deadlines = &mut self.inflows[source].deadlines[awaited as usize];
            let Some(limit) = deadlines.limit else { continue };
            if deadlines.due.is_empty() {
                schedule.at(now + limit, Event::Due { source, awaited });
            }
            deadlines.due.push_back((now + limit, slot, id));
        }
    }

    /// The first deadlines of a workload have come.
    pub(super) fn due(
        &mut self,
        now: SimTime,
        source: SourceId,
        awaited: Awaited,
        schedule: &mut Schedule<Event>,
    ) {
        loop {
            let due = &mut self.inflows[source].deadlines[awaited as usize].due;
            let Some(&(at, slot, id)) = due.front() else { return };
            let waits = self.slots.waits(slot, id);
            if waits && at > now {
                schedule.at(at, Event::Due { source, awaited });
                return;
            }
            due.pop_front();
            let has_it = || self.slots.get(slot).row.first_token_at.is_some_and(|at| at <= now);
            if waits && !(awaited == Awaited::FirstToken && has_it()) {
                self.leave(now, slot, schedule);
            }
        }
    }

    /// The client gives the request up.
    fn leave(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.left_at = Some(now);
        state.left_as = Outcome::TimedOut;
        let row = RequestRow { outcome: Outcome::TimedOut, ..state.row };
        self.tell_throttle(now, &row);
        let state = self.slots.get(slot);
        let (id, source, client_out) = (state.row.id, state.row.source, state.client_out);
        schedule.at(now + client_out, Event::LeftSeen { slot, id });
        if self.inflows[source].source.ended(&state.request, now, Outcome::TimedOut) {
            self.announce(source, now, schedule);
        }
    }

    /// The news has come to the gateway.
    pub(super) fn left_seen(
        &mut self,
        now: SimTime,
        slot: u32,
        id: RequestId,
        schedule: &mut Schedule<Event>,
    ) {
        if !self.slots.is(slot, id) {
            return;
        }
        let state = self.slots.get_mut(slot);
        let (gateway, class) = (state.gateway, state.row.data_class);
        match state.place {
            Place::ToGateway | Place::Deciding => state.dropped = true,
            Place::InLine => {
                self.gateways[gateway].line.retain(|&other| other != slot);
                self.tell_undecided(now, slot);
                self.end_of_left(now, slot);
            }
            Place::Held => {
                self.gateways[gateway].held[class].retain(|&(_, other)| other != slot);
                self.tell_undecided(now, slot);
                self.end_of_left(now, slot);
                self.retry_held(now, gateway, schedule);
            }
            Place::ToReplica | Place::InReplica => {
                schedule.at(now + state.attempt.hop_out, Event::LeftAtReplica { slot, id });
            }
            Place::Returning | Place::ToClient => {}
        }
    }

    /// The news has come to the replica.
    pub(super) fn left_at_replica(
        &mut self,
        now: SimTime,
        slot: u32,
        id: RequestId,
        schedule: &mut Schedule<Event>,
    ) {
        if !self.slots.is(slot, id) {
            return;
        }
        let state = self.slots.get_mut(slot);
        match state.place {
            Place::ToReplica => state.dropped = true,
            Place::InReplica => {
                let replica = state.row.replica.expect("it is in one");
                let site = &mut self.sites[replica].replica;
                site.advance_to(now);
                site.cancel(now, JobId(slot), &mut self.outputs);
                self.after_replica(now, replica, schedule);
            }
            _ => {}
        }
    }

    /// Nothing is under way any more of a request whose client left.
    pub(super) fn end_of_left(&mut self, now: SimTime, slot: u32) {
        self.release_retry(slot);
        self.slots.get_mut(slot).mark_left();
        let row = self.slots.get(slot).row;
        self.digest.row(&row);
        self.observer.observe(now, &Observation::Ended(&row));
        self.slots.free(slot);
    }
}
