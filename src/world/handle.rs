//! What each event does.

use super::World;
use super::dispatch::{REQUEST, request_view};
use super::event::Event;
use super::outage::end_seen;
use super::params::Isolation;
use super::slots::{Attempt, Place};
use crate::engine::{Model, Schedule};
use crate::id::{GatewayId, ReplicaId, SourceId};
use crate::network::{last_mile, set_up, split};
use crate::observe::{Barrier, Leg, Observation, Observer, Outcome};
use crate::replica::{JobId, Output, Replica};
use crate::rng::{hash_name, mix2};
use crate::time::{SimTime, Span};

const LAST_MILE: u64 = hash_name("last_mile");
const TO_GATEWAY: u64 = hash_name("to_gateway");

impl<O: Observer> Model for World<'_, O> {
    type Event = Event;

    fn handle(&mut self, now: SimTime, event: Event, schedule: &mut Schedule<Event>) {
        let void = self.is_void(&event);
        self.last = if void { self.last } else { now };
        match event {
            // They tell observers nothing.
            Event::Incident { .. } | Event::Known { .. } => {}
            Event::Wake { .. } if void => {
                self.stale -= 1;
                return;
            }
            // Promised by a replica that was lost before it came to it.
            Event::FirstTokenSeen { .. } | Event::EndSeen { .. } if void => return,
            _ => self.clock = now,
        }
        match event {
            Event::FirstTokenSeen { slot, .. } => self.first_token_seen(now, slot, schedule),
            Event::EndSeen { slot, .. } => self.end_seen(now, slot, schedule),
            Event::ClientEnd { slot, .. } => self.client_end(now, slot, schedule),
            Event::Heard { gateway } => self.heard(now, gateway, schedule),
            Event::Due { source, awaited } => self.due(now, source, awaited, schedule),
            Event::HeldDue { gateway } => self.held_due(now, gateway, schedule),
            Event::Cut { slot, id } => self.cut(now, slot, id, schedule),
            Event::LeftSeen { slot, id } => self.left_seen(now, slot, id, schedule),
            Event::LeftAtReplica { slot, id } => self.left_at_replica(now, slot, id, schedule),
            Event::Incident { index, over } => self.incident(now, index, over, schedule),
            Event::Known { replica, turn } => self.known(now, replica, turn, schedule),
            Event::Arrive { source, turn } => self.arrive(now, source, turn, schedule),
            Event::AtGateway { slot, .. } => self.at_gateway(now, slot, schedule),
            Event::Decide { slot, .. } => self.decide(now, slot, schedule),
            Event::Deliver { slot, .. } => self.deliver(now, slot, schedule),
            Event::Poll { gateway, number } => self.poll(now, gateway, number, schedule),
            Event::Write { region, number } => self.write(now, region, number, schedule),
            Event::Read { gateway, number } => self.read(now, gateway, number, schedule),
            Event::Sample { number } => self.take_samples(now, number, schedule),
            Event::Wake { replica, .. } => self.wake(now, replica, schedule),
        }
    }
}

impl<O: Observer> World<'_, O> {
    /// Whether an event is of no account: superseded since it was scheduled, or only a look. A run does not last until
    /// the last of them, and how many there are depends on how engines compute. (A client that leaves is told of by the
    /// news that it has.)
    fn is_void(&self, event: &Event) -> bool {
        match *event {
            Event::Sample { .. }
            | Event::Poll { .. }
            | Event::Write { .. }
            | Event::Read { .. }
            | Event::Heard { .. }
            | Event::Due { .. }
            | Event::HeldDue { .. }
            | Event::Incident { .. }
            | Event::Known { .. } => true,
            Event::FirstTokenSeen { slot, id, epoch } | Event::EndSeen { slot, id, epoch } => {
                !self.slots.holds(slot, id, epoch)
            }
            Event::Wake { replica, wake } => self.sites[replica].wake != wake,
            Event::Arrive { source, turn } => self.inflows[source].turn != turn,
            Event::LeftSeen { slot, id } | Event::LeftAtReplica { slot, id } | Event::Cut { slot, id } => {
                !self.slots.is(slot, id)
            }
            _ => false,
        }
    }

    /// Schedules a workload's next arrival, and makes any earlier announcement void.
    pub(super) fn announce(&mut self, source: SourceId, now: SimTime, schedule: &mut Schedule<Event>) {
        let inflow = &mut self.inflows[source];
        inflow.turn = inflow.turn.wrapping_add(1);
        if let Some(at) = inflow.source.peek() {
            schedule.at(at.max(now), Event::Arrive { source, turn: inflow.turn });
        }
    }

    fn arrive(&mut self, now: SimTime, source: SourceId, turn: u32, schedule: &mut Schedule<Event>) {
        if self.inflows[source].turn != turn {
            return;
        }
        let slot = self.slots.take();
        let state = self.slots.get_mut(slot);
        self.inflows[source].source.pull(&mut state.request);
        let request = &mut state.request;
        debug_assert_eq!(
            request.chain.blocks(),
            (request.prompt_tokens + request.output_tokens) / self.params.block_tokens
        );
        if self.params.isolation == Isolation::Tenant {
            let salt = mix2(0x7465_6e61_6e74, u64::from(request.tenant.0));
            if let Some(misses) = &mut self.misses {
                misses.salted(&request.chain, salt);
            }
            request.chain.salt(salt);
        }
        let origin = &self.params.origins[request.origin];
        let row = &mut state.row;
        row.key = request.key;
        row.source = source;
        row.origin = request.origin;
        row.class = request.class;
        row.data_class = request.data_class;
        row.tenant = request.tenant;
        row.session = request.session;
        row.turn = request.turn;
        row.sent_at = now;
        row.prompt_tokens = request.prompt_tokens;
        let (id, class, tenant, prompt_tokens) = (row.id, row.class, row.tenant, row.prompt_tokens);
        self.observer
            .observe(now, &Observation::Arrived { id, origin: request.origin, class, tenant, prompt_tokens });
        if let Some(allowed) = request.allowed {
            self.observer.observe(now, &Observation::Restricted { id, allowed });
        }

        let key = self.key.branch(REQUEST).at(request.key);
        let access = last_mile(&origin.last_mile, key.branch(LAST_MILE));
        let (access_out, access_back) = split(access);
        (state.client_out, state.client_back) = (access_out, access_back);
        if self.throttled(now, slot) {
            // It never left.
            self.slots.get_mut(slot).client_back = Span::ZERO;
            self.refuse(now, slot, Outcome::Throttled, schedule);
            return self.announce(source, now, schedule);
        }
        let Some(gateway) = self.door(now, slot) else {
            // No gateway may read this request: it ends at the edge of the network.
            if self.tells(slot) {
                self.tell_barrier(now, slot, Barrier::NoDoor);
            }
            let at = now + access_out;
            self.refuse(at, slot, Outcome::NoRegion, schedule);
            self.start_clocks(now, slot, schedule);
            self.announce(source, now, schedule);
            return;
        };
        let state = self.slots.get_mut(slot);
        let row = &mut state.row;
        let region = self.gateways[gateway].region;
        let (mut out, mut back, mut rtt) = (access_out, access_back, access);
        if region != origin.near {
            let (bytes, answer) = (self.network.bytes(u64::from(prompt_tokens)), self.network.bytes(1));
            let path = key.branch(TO_GATEWAY);
            let (path_out, path_back) = self.network.both_ways(origin.near, region, bytes, answer, path);
            out += path_out;
            back += path_back;
            rtt += self.network.rtt(origin.near, region);
        }
        let connect = set_up(origin.connection, rtt);
        row.gateway = Some(gateway);
        row.legs.add(Leg::LastMile, out);
        row.legs.add(Leg::Connect, connect);
        state.gateway = gateway;
        (state.client_out, state.client_back) = (out, back);
        schedule.at(now + connect + out, Event::AtGateway { slot, id });
        self.start_clocks(now, slot, schedule);
        self.announce(source, now, schedule);
    }

    fn at_gateway(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        if state.dropped {
            self.tell_undecided(now, slot);
            return self.end_of_left(now, slot);
        }
        state.at_gateway = now;
        if state.row.attempts == 0 {
            state.entered_at = now;
        }
        if self.gateways[state.gateway].down > 0 {
            self.tell_undecided(now, slot);
            return self.refuse(now, slot, Outcome::Failed, schedule);
        }
        let state = self.slots.get_mut(slot);
        state.place = Place::Deciding;
        let gateway = &mut self.gateways[state.gateway];
        if self.policy.workers > 0 && gateway.busy >= self.policy.workers {
            state.place = Place::InLine;
            gateway.line.push_back(slot);
            return;
        }
        gateway.busy += 1;
        schedule.at(now + self.policy.decision_time, Event::Decide { slot, id: state.row.id });
    }

    fn decide(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.row.legs.add(Leg::Route, now - state.at_gateway);
        state.decided_at = now;
        let gateway = &mut self.gateways[state.gateway];
        gateway.busy -= 1;
        if let Some(next) = gateway.line.pop_front() {
            gateway.busy += 1;
            let next_state = self.slots.get_mut(next);
            next_state.place = Place::Deciding;
            let id = next_state.row.id;
            schedule.at(now + self.policy.decision_time, Event::Decide { slot: next, id });
        }
        if self.slots.get(slot).dropped {
            self.tell_undecided(now, slot);
            return self.end_of_left(now, slot);
        }
        if self.gateways[self.slots.get(slot).gateway].down > 0 {
            self.tell_undecided(now, slot);
            return self.refuse(now, slot, Outcome::Failed, schedule);
        }
        self.dispatch(now, slot, schedule);
    }

    fn deliver(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        if state.dropped {
            // Turned away at the door: it was never queued.
            state.place = Place::Returning;
            schedule.at(now + state.attempt.hop_back, end_seen(state, slot));
            return;
        }
        let replica = state.row.replica.expect("a request that is delivered was sent somewhere");
        if self.health.is_down(replica) {
            return self.lose(now, slot, schedule);
        }
        state.place = Place::InReplica;
        let request = &state.request;
        let job = &mut self.job;
        job.id = JobId(slot);
        job.prompt_tokens = request.prompt_tokens;
        job.output_tokens = request.output_tokens;
        job.priority = request.priority;
        job.chain.copy_from(&request.chain);
        let site = &mut self.sites[replica].replica;
        site.advance_to(now);
        site.deliver(now, &self.job, &mut self.outputs);
        self.report_load(now, replica, schedule);
        self.after_replica(now, replica, schedule);
    }

    fn wake(&mut self, now: SimTime, replica: ReplicaId, schedule: &mut Schedule<Event>) {
        let site = &mut self.sites[replica];
        site.wake_at = None;
        if let Some(step) = site.replica.wake(now, &mut self.outputs) {
            self.observer.observe(
                now,
                &Observation::Stepped {
                    replica,
                    tokens: step.tokens,
                    sequences: step.sequences,
                    free_blocks: step.free_blocks,
                    used_blocks: step.used_blocks,
                },
            );
        }
        // At these instants alone: a run of steps that is added up has no others. A plain queue told the end when the
        // service began, and wakes when it comes.
        let queue = matches!(self.sites[replica].replica, Replica::Fifo(_) | Replica::Ps(_));
        if queue || !self.outputs.is_empty() {
            self.report_load(now, replica, schedule);
        }
        self.after_replica(now, replica, schedule);
    }

    /// Carries on what came out of a replica: outputs to requests, cache changes to indexes, its next wake.
    pub(super) fn after_replica(&mut self, now: SimTime, replica: ReplicaId, schedule: &mut Schedule<Event>) {
        let site = &mut self.sites[replica];
        let wake_at = site.replica.wake_at();
        if wake_at != site.wake_at {
            self.stale += usize::from(site.wake_at.is_some());
            site.wake = site.wake.wrapping_add(1);
            site.wake_at = wake_at;
            if let Some(at) = wake_at {
                schedule.at(at.max(now), Event::Wake { replica, wake: site.wake });
            }
        }
        self.follow_cache(now, replica);
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            self.output(output, schedule);
        }
        self.outputs = outputs;
        self.loads_changed(now, schedule);
    }

    fn output(&mut self, output: Output, schedule: &mut Schedule<Event>) {
        match output {
            Output::FirstToken { job, scheduled_at, at } => {
                let state = self.slots.get_mut(job.0);
                let back = state.attempt.hop_back + state.client_back;
                let row = &mut state.row;
                row.legs.add(Leg::Queue, scheduled_at - state.attempt.delivered_at);
                row.legs.add(Leg::Prefill, at - scheduled_at);
                row.legs.add(Leg::Return, back);
                row.first_token_at = Some(at + back);
                row.server_ttft = Some(at - state.entered_at);
                state.attempt.first_token_at = Some(at);
                let seen = Event::FirstTokenSeen { slot: job.0, id: row.id, epoch: state.epoch };
                schedule.at(at + state.attempt.hop_back, seen);
            }
            Output::Ended { job, at, outcome, tokens } => {
                let state = self.slots.get_mut(job.0);
                state.take_tokens(tokens);
                state.place = Place::Returning;
                state.row.outcome = outcome;
                state.attempt.end_at = Some(at);
                schedule.at(at + state.attempt.hop_back, end_seen(state, job.0));
            }
        }
    }

    fn first_token_seen(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.attempt.first_token_seen = true;
        let (stage, ticket) = state.attempt.replica.expect("a token came from where it was sent");
        let global = state.attempt.global;
        let state = self.slots.get(slot);
        let gateway = &mut self.gateways[state.gateway];
        gateway.set_now(now);
        let view = request_view(state, self.params.block_tokens);
        gateway.stages[stage].first_token(&ticket, Some(&view));
        if let (Some(stage), Some(ticket)) = (&mut gateway.global, global) {
            stage.first_token(&ticket, Some(&view));
        }
        self.retry_held(now, state.gateway, schedule);
    }

    fn end_seen(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        let Attempt { global, replica, first_token_seen, .. } = state.attempt;
        let gateway_id = state.gateway;
        let left = state.left_at.is_some();
        state.place = Place::ToClient;
        let failed = state.row.outcome == Outcome::Failed;
        // Its gateway was lost meanwhile: nobody passes it on, and its client finds out by itself.
        let cut = state.cut_at.is_some() && !left;
        if !left && !failed && !cut {
            let at = now + state.client_back;
            state.row.ended_at = at;
            schedule.at(at, Event::ClientEnd { slot, id: state.row.id });
        }
        let gateway = &mut self.gateways[gateway_id];
        gateway.set_now(now);
        let view = request_view(self.slots.get(slot), self.params.block_tokens);
        if let Some((stage, ticket)) = replica {
            gateway.stages[stage].finished(&ticket, first_token_seen, Some(&view));
        }
        if let (Some(stage), Some(ticket)) = (&mut gateway.global, global) {
            stage.finished(&ticket, first_token_seen, Some(&view));
        }
        self.attempt_over(slot);
        if left {
            self.end_of_left(now, slot);
        } else if failed && !cut {
            self.retry_or_tell(now, slot, schedule);
        }
        self.retry_held(now, gateway_id, schedule);
    }

    /// Asks again for the requests that a gateway holds. In each data class the first one that is held again holds up
    /// those behind it (what a policy holds waits for targets, and one class has the same ones); across classes the one
    /// that came first is asked for first.
    pub(super) fn retry_held(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        let mut asked = None;
        loop {
            let heads = self.gateways[gateway].held.enumerate();
            let heads =
                heads.filter_map(|(class, line)| line.front().map(|&(number, slot)| (number, class, slot)));
            // What was asked in vain stands before all that are still to be asked.
            let Some((number, class, slot)) =
                heads.filter(|head| asked.is_none_or(|last| head.0 > last)).min()
            else {
                return;
            };
            asked = Some(number);
            let open = self.gate_opens(now, slot);
            self.slots.get_mut(slot).gated = !open;
            if open && self.try_dispatch(now, slot, schedule) {
                self.gateways[gateway].held[class].pop_front();
            }
        }
    }

    pub(super) fn client_end(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get(slot);
        if state.left_at.is_some() {
            return self.end_of_left(now, slot);
        }
        let mut row = state.row;
        debug_assert_eq!(row.ended_at, now);
        self.tell_throttle(now, &row);
        if let Some(misses) = self.misses.as_ref().filter(|_| row.outcome == Outcome::Completed) {
            row.misses = Some(misses.of(slot, &row, self.params.block_tokens));
        }
        let state = self.slots.get(slot);
        self.digest.row(&row);
        self.observer.observe(now, &Observation::Ended(&row));
        let changed = self.inflows[row.source].source.ended(&state.request, now, row.outcome);
        self.slots.free(slot);
        if changed {
            self.announce(row.source, now, schedule);
        }
    }

    fn take_samples(&mut self, now: SimTime, number: u32, schedule: &mut Schedule<Event>) {
        let replicas: Vec<ReplicaId> = self.sites.ids().collect();
        for replica in replicas {
            self.sites[replica].replica.advance_to(now);
            let sample = self.sample(replica);
            self.observer.observe(now, &Observation::Sampled(&sample));
        }
        // The next sample only while something else is to come: sampling must not keep a world alive.
        self.background -= 1;
        if schedule.pending() > self.aside() {
            self.background += 1;
            schedule.at(now + self.params.sample_every, Event::Sample { number: number + 1 });
        }
    }
}
