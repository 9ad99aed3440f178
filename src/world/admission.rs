//! Whom a gateway lets in: how saturated what it sees is, who is shed, and the line of those it holds, with its bounds.
//! Knows what the policy's admission says and what has reached the gateway; must not know how a policy chooses. Where a
//! scenario declares none of it, nothing here is computed.

use super::World;
use super::dispatch::REQUEST;
use super::event::Event;
use super::gateway::Gateway;
use super::state::{Mark, Place, State};
use crate::engine::Schedule;
use crate::fleet::AdmissionParams;
use crate::fleet::admission::{Over, Signal, Throttle, ThrottleBy, utilization};
use crate::id::{GatewayId, Id};
use crate::observe::{AdmissionRecord, Barrier, Client, Observation, Observer, Outcome, Waiting};
use crate::rng::hash_name;
use crate::routing::LoadView;
use crate::time::{SimTime, Span};
use std::collections::{BTreeMap, VecDeque};

const SHED: u64 = hash_name("shed");
const THROTTLE: u64 = hash_name("throttle");

/// What stands between a request and a decision about it.
enum Answer {
    Open,
    Closed,
    Refused(Barrier),
}

/// What clients have seen of late, by origin or tenant.
pub(super) type Throttles = BTreeMap<u32, Throttle>;

impl Gateway {
    /// Whether it holds any.
    #[inline]
    pub(super) fn holds(&self) -> bool {
        self.held.iter().any(|line| !line.is_empty())
    }
    /// How many it holds.
    fn waiting(&self) -> usize {
        self.held.iter().map(VecDeque::len).sum()
    }
}

impl<O: Observer> World<'_, O> {
    /// How saturated the replicas are that a request may go to, as its gateway sees them; `None` where there are none: then
    /// no waiting helps.
    fn saturation(&self, now: SimTime, slot: u32, admission: &AdmissionParams) -> Option<f64> {
        let gateway = &self.gateways[self.slots.get(slot).gateway];
        let mut regions = self.allowed(slot).and(self.health.regions_up());
        if admission.saturation.over == Over::Home {
            let home = gateway.near.iter().map(|near| near.1).find(|&region| regions.contains(region));
            regions = home.into_iter().collect();
        }
        let mut replicas = 0.0;
        let mut sum = 0.0;
        match admission.saturation.signal {
            Signal::Concurrency { requests } => {
                for region in self.params.regions.ids().filter(|&region| regions.contains(region)) {
                    replicas += f64::from(self.health.known_up(region)) * f64::from(requests);
                    sum += f64::from(gateway.sent_to[region.index()]);
                }
            }
            Signal::Utilization { queue_depth, kv_usage } => {
                let sites = self.sites.enumerate().filter(|(_, site)| regions.contains(site.region));
                for (id, site) in sites.filter(|(id, _)| self.health.believed_up(*id)) {
                    let (load, stale) = match &gateway.loads {
                        Some(loads) => loads.of(now, id),
                        None => (site.replica.load(), false),
                    };
                    replicas += 1.0;
                    sum += if stale { 1.0 } else { utilization(&load, queue_depth, kv_usage) };
                }
            }
        }
        (replicas > 0.0).then(|| sum / replicas)
    }

    /// Whether a request that has just been read may be decided about.
    fn answer(&mut self, now: SimTime, slot: u32) -> Answer {
        let Some(admission) = &self.policy.admission else { return Answer::Open };
        if !admission.measures() {
            return Answer::Open;
        }
        self.bring_up_to_date(now, slot);
        let Some(saturation) = self.saturation(now, slot, admission) else { return Answer::Open };
        let state = self.slots.get(slot);
        let priority = state.priority;
        if let Some(shed) = admission.shed.filter(|shed| priority >= shed.from_priority) {
            // Each try has a draw of its own.
            let key = self.key.branch(REQUEST).at(state.key).branch(SHED).at(u64::from(state.attempts));
            let probability = shed.probability(saturation);
            if key.unit() < probability {
                return Answer::Refused(Barrier::Shed { probability });
            }
        }
        let closed =
            admission.gate.filter(|gate| priority >= gate.from_priority && saturation >= gate.closes_at);
        match (closed, admission.queue) {
            (None, _) => Answer::Open,
            (Some(_), Some(_)) => Answer::Closed,
            (Some(gate), None) => Answer::Refused(Barrier::Gate { closes_at: gate.closes_at }),
        }
    }

    /// Whether the gate lets a request through that its gateway holds.
    pub(super) fn gate_opens(&mut self, now: SimTime, slot: u32) -> bool {
        let Some(admission) = &self.policy.admission else { return true };
        // Without a line the gate was asked once, and what is held now is held by the policy.
        let (Some(gate), Some(_)) = (admission.gate, admission.queue) else { return true };
        if self.slots.get(slot).priority < gate.from_priority {
            return true;
        }
        self.bring_up_to_date(now, slot);
        self.saturation(now, slot, admission).is_none_or(|saturation| saturation < gate.closes_at)
    }

    /// Decides about a request that has just been read. One that the policy holds joins the line.
    #[inline]
    pub(super) fn dispatch(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        if self.policy.admission.is_some() || self.gateways[self.slots.get(slot).gateway].holds() {
            return self.admit(now, slot, schedule);
        }
        if !self.try_dispatch(now, slot, schedule) {
            self.slots.get_mut(slot).marks.set(Mark::Gated, false);
            self.join_line(now, slot, schedule);
        }
    }

    /// The same, where a gate may hold it too, or some are held: those of its data class have their turn first.
    #[inline(never)]
    fn admit(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get(slot);
        let (gateway, class) = (state.gateway, state.data_class);
        // Whom the gate does not stop does not wait behind those it has stopped.
        let gate = self.policy.admission.as_ref().and_then(|admission| admission.gate);
        let passes = gate.is_some_and(|gate| state.priority < gate.from_priority);
        let waits = !passes && !self.gateways[gateway].held[class].is_empty();
        let open = match self.answer(now, slot) {
            Answer::Open => true,
            Answer::Closed => false,
            Answer::Refused(barrier) => return self.turn_away(now, slot, barrier, schedule),
        };
        if open && !waits && self.try_dispatch(now, slot, schedule) {
            return;
        }
        self.slots.get_mut(slot).marks.set(Mark::Gated, !open);
        self.join_line(now, slot, schedule);
        if waits {
            self.retry_held(now, gateway, schedule);
        }
    }

    /// A request takes its place in its gateway's line, or finds none.
    fn join_line(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let queue = self.policy.admission.as_ref().and_then(|admission| admission.queue).unwrap_or_default();
        let state = self.slots.get_mut(slot);
        let (id, class, priority) = (state.id, state.data_class, state.priority);
        let gateway_id = state.gateway;
        let gateway = &mut self.gateways[gateway_id];
        if let Some(capacity) = queue.capacity.filter(|&capacity| gateway.waiting() >= capacity as usize) {
            let closes_at = self.stopped_at(slot);
            return self.turn_away(now, slot, Barrier::Line { capacity, closes_at }, schedule);
        }
        let number = gateway.next_held;
        gateway.next_held += 1;
        state.place = Place::Held;
        self.slots.rare_mut(slot).held_as = number;
        let turn = queue.discipline.place(priority, number);
        let line = &mut gateway.held[class];
        let place = line.partition_point(|other| other.0 < turn);
        line.insert(place, (turn, slot));
        if let Some(timeout) = queue.timeout {
            if gateway.held_due.is_empty() {
                schedule.at(now + timeout, Event::HeldDue { gateway: gateway_id });
            }
            gateway.held_due.push_back((now + timeout, slot, id, number));
        }
    }

    /// Where the gate closes, if it was the gate that stopped this request when it was last asked for.
    fn stopped_at(&self, slot: u32) -> Option<f64> {
        let gate = self.policy.admission.as_ref().and_then(|admission| admission.gate);
        gate.filter(|_| self.slots.get(slot).has(Mark::Gated)).map(|gate| gate.closes_at)
    }

    /// A gateway does not let a request in.
    fn turn_away(&mut self, now: SimTime, slot: u32, barrier: Barrier, schedule: &mut Schedule<Event>) {
        if self.tells(slot) {
            self.tell_barrier(now, slot, barrier);
        }
        self.refuse(now, slot, barrier.outcome(), schedule);
    }

    /// A request ends before its gateway has decided about it, because its client left or the gateway is gone: says so, if
    /// that is wanted.
    #[inline]
    pub(super) fn tell_undecided(&mut self, now: SimTime, slot: u32) {
        if self.tells(slot) {
            self.tell_end_of_wait(now, slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_end_of_wait(&mut self, now: SimTime, slot: u32) {
        let state = self.slots.get(slot);
        let place = match state.place {
            Place::InLine => Waiting::Worker,
            Place::Deciding => Waiting::Deciding,
            Place::Held if state.has(Mark::Gated) => Waiting::Gate,
            Place::Held => Waiting::Held,
            _ => Waiting::OnTheWay,
        };
        let waited = if place == Waiting::OnTheWay { Span::ZERO } else { now - state.at_gateway };
        let barrier = if state.left() {
            Barrier::Left { left_at: self.slots.rare(slot).left_at, place, waited }
        } else {
            Barrier::Lost { place, waited }
        };
        self.tell_barrier(now, slot, barrier);
    }

    /// Says what kept a request out, and the saturation that its gateway reads at this instant.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_barrier(&mut self, now: SimTime, slot: u32, barrier: Barrier) {
        let asked = barrier.is_admission();
        let nowhere = matches!(barrier, Barrier::Throttle { .. } | Barrier::NoDoor);
        let admission = self.policy.admission.as_ref().filter(|admission| asked && admission.measures());
        let saturation = admission.and_then(|admission| {
            self.bring_up_to_date(now, slot);
            self.saturation(now, slot, admission)
        });
        let state = self.slots.get(slot);
        let record = AdmissionRecord {
            id: state.id,
            key: state.key,
            attempt: state.attempts + 1,
            at: now,
            gateway: (!nowhere).then_some(state.gateway),
            barrier,
            signal: admission.map(|admission| admission.saturation.signal.name()),
            saturation,
        };
        self.observer.observe(now, &Observation::TurnedAway(&record));
    }

    /// Those in a gateway's line that have waited long enough are told.
    pub(super) fn held_due(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        let mut told = false;
        while let Some(&(at, slot, id, number)) = self.gateways[gateway].held_due.front() {
            let state = self.slots.get(slot);
            let waits = self.slots.is(slot, id)
                && state.place == Place::Held
                && self.slots.rare(slot).held_as == number;
            if waits && at > now {
                schedule.at(at, Event::HeldDue { gateway });
                break;
            }
            let class = state.data_class;
            self.gateways[gateway].held_due.pop_front();
            if waits {
                self.gateways[gateway].held[class].retain(|&(_, other)| other != slot);
                let queue = self.policy.admission.as_ref().and_then(|admission| admission.queue);
                let timeout = queue.and_then(|queue| queue.timeout).unwrap_or_default();
                let closes_at = self.stopped_at(slot);
                self.turn_away(now, slot, Barrier::Timeout { timeout, closes_at }, schedule);
                told = true;
            }
        }
        if told {
            // The first of a line holds up those behind it.
            self.retry_held(now, gateway, schedule);
        }
    }

    /// Replicas' loads have changed: where gates go by loads as they are, those that wait behind one ask again.
    #[inline]
    pub(super) fn loads_changed(&mut self, now: SimTime, schedule: &mut Schedule<Event>) {
        if self.policy.admission.is_some() {
            self.ask_again(now, schedule);
        }
    }

    #[cold]
    #[inline(never)]
    fn ask_again(&mut self, now: SimTime, schedule: &mut Schedule<Event>) {
        let Some(admission) = &self.policy.admission else { return };
        let oracle = self.policy.views.load == LoadView::Oracle;
        if !oracle || admission.gate.is_none() || admission.queue.is_none() || !admission.reads_loads() {
            return;
        }
        for id in self.gateways.ids() {
            // Only those that the gate has stopped, and only when it opens: how often a replica is looked at depends on how
            // engines compute, and whom a policy holds may go by the time.
            let opens = self.params.data_classes.ids().any(|class| {
                let head = self.gateways[id].held[class].front().map(|&(_, slot)| slot);
                head.is_some_and(|slot| self.slots.get(slot).has(Mark::Gated) && self.gate_opens(now, slot))
            });
            if opens {
                self.retry_held(now, id, schedule);
            }
        }
    }

    /// Whether the client holds its request back. One that is sent is counted when it has ended.
    #[inline]
    pub(super) fn throttled(&mut self, now: SimTime, slot: u32) -> bool {
        self.policy.admission.is_some() && self.holds_back(now, slot)
    }

    #[inline(never)]
    fn holds_back(&mut self, now: SimTime, slot: u32) -> bool {
        let Some(params) = self.policy.admission.as_ref().and_then(|admission| admission.throttle) else {
            return false;
        };
        let state = self.slots.get(slot);
        let throttle = self.throttles.entry(client(params.by, state)).or_default();
        let key = self.key.branch(REQUEST).at(state.key).branch(THROTTLE);
        let probability = throttle.probability(now, &params);
        let held_back = key.unit() < probability;
        if held_back {
            let (requests, accepts) = throttle.seen();
            throttle.count(now, &params, false);
            if self.tells(slot) {
                let state = self.slots.get(slot);
                let client = match params.by {
                    ThrottleBy::Origin => Client::Origin(state.origin),
                    ThrottleBy::Tenant => Client::Tenant(state.tenant),
                };
                let window = params.window;
                let barrier = Barrier::Throttle { client, window, requests, accepts, probability };
                self.tell_barrier(now, slot, barrier);
            }
        }
        held_back
    }

    /// A client has seen the end of a request that it sent, and how it ended.
    #[inline]
    pub(super) fn tell_throttle(&mut self, now: SimTime, slot: u32, outcome: Outcome) {
        if self.policy.admission.is_some() {
            self.count_end(now, slot, outcome);
        }
    }

    #[inline(never)]
    fn count_end(&mut self, now: SimTime, slot: u32, outcome: Outcome) {
        let Some(params) = self.policy.admission.as_ref().and_then(|admission| admission.throttle) else {
            return;
        };
        if outcome == Outcome::Throttled {
            return;
        }
        // A request that can never fit is the client's own fault: somebody took it.
        let accepted = matches!(outcome, Outcome::Completed | Outcome::TooLarge);
        let client = client(params.by, self.slots.get(slot));
        self.throttles.entry(client).or_default().count(now, &params, accepted);
    }
}

fn client(by: ThrottleBy, state: &State) -> u32 {
    match by {
        ThrottleBy::Origin => state.origin.0,
        ThrottleBy::Tenant => state.tenant.0,
    }
}
