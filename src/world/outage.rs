//! Faults as they happen, and as they become known. What a gateway believes of a replica changes when a probe has told
//! it, not when the replica fails; what is sent to a failed replica in between comes back as an error. Owns the state
//! of health of every replica; must not decide what becomes of a lost request: that is `retry`'s.

use super::World;
use super::event::Event;
use super::state::{Place, State};
use crate::digest::Digest;
use crate::engine::Schedule;
use crate::fleet::{self, Effect};
use crate::id::{Id, IdVec, RegionId, ReplicaId};
use crate::network::RegionSet;
use crate::observe::{Observer, Outcome, Work};
use crate::replica::{JobId, Replica, Tokens};
use crate::routing::TargetId;
use crate::time::SimTime;
use crate::workload::Run;

/// The health of all replicas.
#[derive(Debug)]
pub(super) struct Health {
    status: IdVec<ReplicaId, Status>,
    /// By region: replicas that gateways believe to be up.
    known_up: Vec<u32>,
    regions_up: RegionSet,
    /// Events of this module that are still to come.
    pending: usize,
}

#[derive(Clone, Debug)]
struct Status {
    /// Incidents that hold it down, and that drain it.
    down: u32,
    draining: u32,
    /// Incidents that slow it, in thousandths.
    slow: Vec<u32>,
    /// What gateways believe.
    known_up: bool,
    /// Which change is the latest.
    turn: u32,
}

impl Health {
    /// All are well. `regions` has the region of each replica.
    pub(super) fn new(regions: impl Iterator<Item = RegionId>, count: usize) -> Health {
        let mut known_up = vec![0; count];
        let well = Status { down: 0, draining: 0, slow: Vec::new(), known_up: true, turn: 0 };
        let status = regions.map(|region| {
            known_up[region.index()] += 1;
            well.clone()
        });
        let status = status.collect();
        let regions_up = with_any(&known_up);
        Health { status, known_up, regions_up, pending: 0 }
    }
    /// Whether it is gone, known or not.
    pub(super) fn is_down(&self, replica: ReplicaId) -> bool {
        self.status[replica].down > 0
    }
    /// Whether it takes new requests: neither gone nor drained.
    pub(super) fn is_well(&self, replica: ReplicaId) -> bool {
        self.status[replica].well()
    }
    /// Whether gateways believe that it is up.
    pub(super) fn believed_up(&self, replica: ReplicaId) -> bool {
        self.status[replica].known_up
    }
    /// Replicas of a region that gateways believe to be up.
    pub(super) fn known_up(&self, region: RegionId) -> u32 {
        self.known_up[region.index()]
    }
    /// Regions with a replica that gateways believe to be up.
    pub(super) fn regions_up(&self) -> RegionSet {
        self.regions_up
    }
    /// Events that do not keep a world alive.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }
}

/// The regions whose count is not 0.
fn with_any(counts: &[u32]) -> RegionSet {
    let some = |&(_, &count): &(usize, &u32)| count > 0;
    counts.iter().enumerate().filter(some).map(|(index, _)| RegionId::new(index)).collect()
}

impl Status {
    fn well(&self) -> bool {
        self.down == 0 && self.draining == 0
    }
    /// Thousandths of the usual time; those of all incidents multiply. At least 1, at most a million.
    fn slow_per_mille(&self) -> u32 {
        let scaled = |so_far: u64, &next: &u32| (so_far * u64::from(next) / 1000).clamp(1, 1_000_000);
        self.slow.iter().fold(1000, scaled) as u32
    }
}

impl<O: Observer> World<'_, O> {
    /// Announces what is to happen.
    pub(super) fn schedule_incidents(&mut self, schedule: &mut Schedule<Event>) {
        for (index, incident) in self.params.operations.incidents.iter().enumerate() {
            let index = index as u32;
            schedule.at(incident.at, Event::Incident { index, over: false });
            self.health.pending += 1;
            if let Some(until) = incident.until {
                schedule.at(until, Event::Incident { index, over: true });
                self.health.pending += 1;
            }
        }
    }

    /// An incident begins or is over.
    pub(super) fn incident(&mut self, now: SimTime, index: u32, over: bool, schedule: &mut Schedule<Event>) {
        self.health.pending -= 1;
        let incident = self.params.operations.incidents[index as usize];
        let hit: Vec<ReplicaId> = (self.sites.enumerate())
            .filter(|(id, site)| match incident.place {
                fleet::Place::Region(region) => site.region == region,
                fleet::Place::Replica(replica) => *id == replica,
                fleet::Place::Gateways(_) => false,
            })
            .map(|(id, _)| id)
            .collect();
        if let fleet::Place::Gateways(region) = incident.place {
            return self.gateways_down(now, region, over, schedule);
        }
        for &replica in &hit {
            match incident.effect {
                Effect::Down => self.go_down(now, replica, over, schedule),
                Effect::Drain => self.drain(now, replica, over, schedule),
                Effect::Slow(per_mille) => self.slow_down(now, replica, per_mille, over, schedule),
            }
        }
        if incident.effect == Effect::Drain {
            self.refresh(now, schedule);
        }
        // What was lost waits no more.
        self.loads_changed(now, schedule);
    }

    fn go_down(&mut self, now: SimTime, replica: ReplicaId, over: bool, schedule: &mut Schedule<Event>) {
        let status = &mut self.health.status[replica];
        status.down = if over { status.down - 1 } else { status.down + 1 };
        if status.down != u32::from(!over) {
            return;
        }
        status.turn = status.turn.wrapping_add(1);
        let turn = status.turn;
        if over {
            // It starts empty, and says so.
            self.report_load(now, replica, schedule);
        } else {
            self.lose_all(now, replica, schedule);
        }
        let at = self.params.operations.health.known_at(now, over);
        self.health.pending += 1;
        schedule.at(at, Event::Known { replica, turn });
    }

    fn drain(&mut self, now: SimTime, replica: ReplicaId, over: bool, schedule: &mut Schedule<Event>) {
        let status = &mut self.health.status[replica];
        status.draining = if over { status.draining - 1 } else { status.draining + 1 };
        if status.draining != u32::from(!over) {
            return;
        }
        let well = status.well();
        if over && well {
            self.sites[replica].replica.advance_to(now);
            if self.sites[replica].replica.load().requests() == 0 {
                self.lose_all(now, replica, schedule);
            }
        }
        // It was announced: nobody has to find out.
        self.believe(replica, well);
    }

    fn slow_down(
        &mut self,
        now: SimTime,
        replica: ReplicaId,
        per_mille: u32,
        over: bool,
        schedule: &mut Schedule<Event>,
    ) {
        let slow = &mut self.health.status[replica].slow;
        if over {
            let place = slow.iter().position(|&other| other == per_mille);
            slow.remove(place.expect("what is over has begun"));
        } else {
            slow.push(per_mille);
        }
        let site = &mut self.sites[replica];
        site.replica.advance_to(now);
        let per_mille = self.health.status[replica].slow_per_mille();
        site.replica.set_slow(now, per_mille, site.timing.as_ref());
        self.after_replica(now, replica, schedule);
    }

    /// The replica starts over: requests in it are lost, and so is its cache.
    fn lose_all(&mut self, now: SimTime, replica: ReplicaId, schedule: &mut Schedule<Event>) {
        self.sites[replica].replica.advance_to(now);
        self.follow_cache(now, replica);
        for slot in self.slots.live() {
            let state = self.slots.get(slot);
            if state.replica() != Some(replica) {
                continue;
            }
            match state.place {
                Place::InReplica => {
                    let tokens = self.sites[replica].replica.tokens(JobId(slot));
                    self.slots.get_mut(slot).take_tokens(tokens);
                    self.lose(now, slot, schedule);
                }
                // A plain queue tells the end of a service when it begins.
                Place::Returning if self.slots.ends_after(slot, now) => {
                    let state = self.slots.get_mut(slot);
                    state.epoch = state.epoch.wrapping_add(1);
                    state.take_tokens(Tokens::default());
                    self.lose(now, slot, schedule);
                }
                _ => {}
            }
        }
        let site = &mut self.sites[replica];
        let fresh = Replica::new(&self.params.pools[site.pool].server, site.timing.clone(), self.method);
        let mut old = std::mem::replace(&mut site.replica, fresh);
        if let (Some(misses), Some(log)) = (&mut self.misses, site.replica.cache_log()) {
            misses.lost(replica, site.region, &old.cached());
            misses.follow(log);
        }
        site.past = sum(site.past, old.work());
        let mut digest = Digest::new();
        digest.word(site.past_cache);
        digest.word(old.cache_log().map_or(0, |log| log.digest()));
        site.past_cache = digest.value();
        site.wake_at = None;
        schedule.set_timer(replica.0, None);
        if let Some(present) = &mut site.present {
            site.replica.cache_log().expect("it had one").subscribe();
            for (key, start) in std::mem::take(present) {
                let block = Run { key, start, len: 1 };
                for follower in &mut site.followers {
                    if let Some(feed) = follower.feed {
                        // News as late as any other; what is on its way comes first.
                        follower.coming.push_back((now + feed.delay, block, false));
                        continue;
                    }
                    let gateway = &mut self.gateways[follower.gateway];
                    let stage = match follower.tier {
                        Some(index) => Some(&mut gateway.stages[index]),
                        None => gateway.global.as_mut(),
                    };
                    stage
                        .expect("a follower of the first tier has one")
                        .cache_removed(follower.target, block);
                }
            }
        }
        let slow = self.health.status[replica].slow_per_mille();
        if slow != 1000 {
            site.replica.set_slow(now, slow, site.timing.as_ref());
        }
        self.report_load(now, replica, schedule);
    }

    /// A request's attempt comes to nothing at its replica now.
    pub(super) fn lose(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        state.place = Place::Returning;
        state.outcome = Outcome::Failed;
        if state.first_token_at > now {
            state.unsend();
        }
        schedule.at(now + state.hop_back, end_seen(state, slot));
        self.slots.failed(slot);
    }

    /// Probes have told how a replica is, unless it has changed since.
    pub(super) fn known(
        &mut self,
        now: SimTime,
        replica: ReplicaId,
        turn: u32,
        schedule: &mut Schedule<Event>,
    ) {
        self.health.pending -= 1;
        let status = &self.health.status[replica];
        if status.turn == turn {
            let well = status.well();
            self.believe(replica, well);
            self.refresh(now, schedule);
        }
    }

    /// All gateways believe that a replica is up, or that it is not. Their sets of targets are to be made anew.
    fn believe(&mut self, replica: ReplicaId, up: bool) {
        let status = &mut self.health.status[replica];
        if status.known_up == up {
            return;
        }
        status.known_up = up;
        let region = self.sites[replica].region;
        let count = &mut self.health.known_up[region.index()];
        *count = if up { *count + 1 } else { *count - 1 };
        let count = *count;
        self.health.regions_up = with_any(&self.health.known_up);
        for gateway in &mut self.gateways {
            for stage in gateway.global.iter_mut().chain(&mut gateway.stages) {
                for index in 0..stage.targets().len() {
                    let target = &stage.targets()[index];
                    let healthy = match target.replica {
                        Some(other) if other == replica => u32::from(up),
                        None if target.region == region => count,
                        _ => continue,
                    };
                    stage.set_healthy(TargetId(index as u32), healthy);
                }
            }
        }
    }

    /// Makes all sets of targets anew, and asks again for what is held.
    fn refresh(&mut self, now: SimTime, schedule: &mut Schedule<Event>) {
        let ids: Vec<_> = self.gateways.ids().collect();
        let up = self.health.regions_up();
        for &id in &ids {
            self.gateways[id].refresh_eligible(&self.params.data_classes, up);
        }
        for id in ids {
            self.retry_held(now, id, schedule);
        }
    }
}

/// The news that an attempt has ended.
pub(super) fn end_seen(state: &State, slot: u32) -> Event {
    Event::EndSeen { slot, id: state.id, epoch: u32::from(state.epoch) }
}

/// What a replica did before it started over, and since.
pub(super) fn sum(past: Work, now: Work) -> Work {
    Work {
        steps: past.steps + now.steps,
        sequence_steps: past.sequence_steps + now.sequence_steps,
        busy_ps: past.busy_ps + now.busy_ps,
        prompt_tokens: past.prompt_tokens + now.prompt_tokens,
        cached_tokens: past.cached_tokens + now.cached_tokens,
        computed_tokens: past.computed_tokens + now.computed_tokens,
        recomputed_tokens: past.recomputed_tokens + now.recomputed_tokens,
        output_tokens: past.output_tokens + now.output_tokens,
        preemptions: past.preemptions + now.preemptions,
        evicted_blocks: past.evicted_blocks + now.evicted_blocks,
        completed: past.completed + now.completed,
        kv_peak_blocks: past.kv_peak_blocks.max(now.kv_peak_blocks),
        extrapolated: past.extrapolated || now.extrapolated,
    }
}
