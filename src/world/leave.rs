//! Clients that leave: a request that takes too long is given up at the client, which is told to its source at once;
//! the news travels after the request and takes it out of a line, a policy's hands or an engine. Until it arrives
//! there the request goes on costing what it costs.

use super::World;
use super::event::Event;
use super::slots::Awaited;
use super::state::{Mark, Place};
use crate::engine::Schedule;
use crate::id::{RequestId, SourceId};
use crate::observe::{Observation, Observer, Outcome};
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
    #[inline]
    pub(super) fn start_clocks(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let source = self.slots.get(slot).source;
        if self.inflows[source].deadlines.iter().any(|deadlines| deadlines.limit.is_some()) {
            self.run_clocks(now, slot, schedule);
        }
    }

    #[inline(never)]
    fn run_clocks(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let (id, source) = (self.slots.get(slot).id, self.slots.get(slot).source);
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
            let has_it = || self.slots.get(slot).first_token_at_client().is_some_and(|at| at <= now);
            if waits && !(awaited == Awaited::FirstToken && has_it()) {
                self.leave(now, slot, schedule);
            }
        }
    }

    /// The client gives the request up.
    fn leave(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let rare = self.slots.mark_rare(slot, Mark::Left);
        (rare.left_at, rare.left_as) = (now, Outcome::TimedOut);
        self.tell_throttle(now, slot, Outcome::TimedOut);
        let state = self.slots.get(slot);
        let (id, source, key) = (state.id, state.source, state.key);
        schedule.at(now + state.client_out, Event::LeftSeen { slot, id });
        if self.inflows[source].source.ended(key, now, Outcome::TimedOut) {
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
        let (gateway, class) = (state.gateway, state.data_class);
        match state.place {
            Place::ToGateway | Place::Deciding => state.marks.set(Mark::Dropped, true),
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
                schedule.at(now + state.hop_out, Event::LeftAtReplica { slot, id });
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
            Place::ToReplica => state.marks.set(Mark::Dropped, true),
            Place::InReplica => {
                let replica = state.replica().expect("it is in one");
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
        let rare = self.slots.rare(slot);
        let row = self.slots.row(slot, rare.left_as, rare.left_at);
        self.digest.row(&row);
        self.observer.observe(now, &Observation::Ended(&row));
        self.slots.free(slot);
    }
}
