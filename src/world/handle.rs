//! What each event does.

use super::World;
use super::dispatch::REQUEST;
use super::event::Event;
use super::outage::end_seen;
use super::params::Isolation;
use super::state::{Mark, Place};
use crate::engine::{Model, Schedule};
use crate::id::{GatewayId, ReplicaId, SourceId};
use crate::network::{last_mile, set_up, split};
use crate::observe::{Barrier, Observation, Observer, Outcome};
use crate::replica::{JobId, Output, Replica};
use crate::rng::{hash_name, mix2};
use crate::time::{SimTime, Span};
use crate::workload::Request;

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
            Event::Wake { replica } => self.wake(now, replica, schedule),
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
        let request = &mut self.pulled;
        self.inflows[source].source.pull(request);
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
        let slot = self.slots.take(now, source, request);
        let Request { key, origin, class, tenant, prompt_tokens, allowed, .. } = *request;
        let state = self.slots.get_mut(slot);
        let id = state.id;
        self.observer.observe(now, &Observation::Arrived { id, origin, class, tenant, prompt_tokens });
        if let Some(allowed) = allowed {
            self.observer.observe(now, &Observation::Restricted { id, allowed });
        }

        let origin = &self.params.origins[origin];
        let key = self.key.branch(REQUEST).at(key);
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
        state.gateway = gateway;
        (state.client_out, state.client_back) = (out, back);
        state.at_gateway = now + connect + out;
        schedule.at(state.at_gateway, Event::AtGateway { slot, id });
        self.start_clocks(now, slot, schedule);
        self.announce(source, now, schedule);
    }

    fn at_gateway(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        if state.has(Mark::Dropped) {
            self.tell_undecided(now, slot);
            return self.end_of_left(now, slot);
        }
        state.at_gateway = now;
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
        schedule.at(now + self.policy.decision_time, Event::Decide { slot, id: state.id });
    }

    fn decide(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.decided_at = now;
        let gateway = &mut self.gateways[state.gateway];
        gateway.busy -= 1;
        if let Some(next) = gateway.line.pop_front() {
            gateway.busy += 1;
            let next_state = self.slots.get_mut(next);
            next_state.place = Place::Deciding;
            let id = next_state.id;
            schedule.at(now + self.policy.decision_time, Event::Decide { slot: next, id });
        }
        if self.slots.get(slot).has(Mark::Dropped) {
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
        if state.has(Mark::Dropped) {
            // Turned away at the door: it was never queued.
            state.place = Place::Returning;
            schedule.at(now + state.hop_back, end_seen(state, slot));
            return;
        }
        let replica = state.replica().expect("a request that is delivered was sent somewhere");
        if self.health.is_down(replica) {
            return self.lose(now, slot, schedule);
        }
        state.place = Place::InReplica;
        let job = &mut self.job;
        job.id = JobId(slot);
        job.prompt_tokens = state.prompt_tokens;
        job.priority = state.priority;
        let asked = self.slots.asked(slot);
        job.output_tokens = asked.output_tokens;
        job.chain.copy_from(&asked.chain);
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
            site.wake_at = wake_at;
            schedule.set_timer(replica.0, wake_at.map(|at| (at.max(now), Event::Wake { replica })));
        }
        if self.follows_caches {
            self.follow_cache(now, replica);
        }
        if !self.outputs.is_empty() {
            let mut outputs = std::mem::take(&mut self.outputs);
            for &output in &outputs {
                self.output(output, schedule);
            }
            outputs.clear();
            self.outputs = outputs;
        }
        self.loads_changed(now, schedule);
    }

    fn output(&mut self, output: Output, schedule: &mut Schedule<Event>) {
        match output {
            Output::FirstToken { job, scheduled_at, at } => {
                let state = self.slots.get_mut(job.0);
                (state.scheduled_at, state.first_token_at) = (scheduled_at, at);
                let epoch = u32::from(state.epoch);
                schedule.at(at + state.hop_back, Event::FirstTokenSeen { slot: job.0, id: state.id, epoch });
            }
            Output::Ended { job, at, outcome, tokens } => {
                let state = self.slots.get_mut(job.0);
                state.take_tokens(tokens);
                state.place = Place::Returning;
                state.outcome = outcome;
                schedule.at(at + state.hop_back, end_seen(state, job.0));
                if self.losses {
                    self.slots.mark_rare(job.0, Mark::Ends).end_at = at;
                }
            }
        }
    }

    fn first_token_seen(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.marks.set(Mark::TokenSeen, true);
        let (stage, ticket) = state.ticket().expect("a token came from where it was sent");
        let gateway_id = state.gateway;
        let gateway = &mut self.gateways[gateway_id];
        gateway.set_now(now);
        let view = gateway.indexes.then(|| self.slots.view(slot, self.params.block_tokens));
        gateway.stages[stage].first_token(&ticket, view.as_ref());
        if let (Some(stage), Some(ticket)) = (&mut gateway.global, self.slots.global_ticket(slot)) {
            stage.first_token(&ticket, view.as_ref());
        }
        self.retry_held(now, gateway_id, schedule);
    }

    fn end_seen(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        let first_token_seen = state.has(Mark::TokenSeen);
        let gateway_id = state.gateway;
        let left = state.left();
        state.place = Place::ToClient;
        let failed = state.outcome == Outcome::Failed;
        // Its gateway was lost meanwhile: nobody passes it on, and its client finds out by itself.
        let cut = state.has(Mark::Cut) && !left;
        if !left && !failed && !cut {
            schedule.at(now + state.client_back, Event::ClientEnd { slot, id: state.id });
        }
        let sent = state.ticket();
        let gateway = &mut self.gateways[gateway_id];
        gateway.set_now(now);
        let view = gateway.indexes.then(|| self.slots.view(slot, self.params.block_tokens));
        if let Some((stage, ticket)) = sent {
            gateway.stages[stage].finished(&ticket, first_token_seen, view.as_ref());
        }
        if let (Some(stage), Some(ticket)) = (&mut gateway.global, self.slots.global_ticket(slot)) {
            stage.finished(&ticket, first_token_seen, view.as_ref());
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
    #[inline]
    pub(super) fn retry_held(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        if self.gateways[gateway].holds() {
            self.ask_held(now, gateway, schedule);
        }
    }

    #[inline(never)]
    fn ask_held(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
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
            self.slots.get_mut(slot).marks.set(Mark::Gated, !open);
            if open && self.try_dispatch(now, slot, schedule) {
                self.gateways[gateway].held[class].pop_front();
            }
        }
    }

    pub(super) fn client_end(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get(slot);
        if state.left() {
            return self.end_of_left(now, slot);
        }
        let outcome = state.outcome;
        self.tell_throttle(now, slot, outcome);
        let mut row = self.slots.row(slot, outcome, now);
        if let Some(misses) = self.misses.as_ref().filter(|_| outcome == Outcome::Completed) {
            row.misses = Some(misses.of(slot, &row, self.params.block_tokens));
        }
        self.digest.row(&row);
        self.observer.observe(now, &Observation::Ended(&row));
        let changed = self.inflows[row.source].source.ended(row.key, now, outcome);
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
