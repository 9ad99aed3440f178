//! How loads and cache changes reach gateways: polls and reports as events at their own instants, cache changes from
//! the change log after a delay. Knows when replicas are read and when the news arrives; must not know what a policy
//! makes of it. A stale view is a message on its way, never a copy of the fleet.

use super::event::Event;
use super::gateway::Gateway;
use super::loads::behind;
use super::rtt::PROBE;
use super::state::State;
use super::{Site, World};
use crate::engine::Schedule;
use crate::id::{GatewayId, IdVec, ReplicaId};
use crate::network::Network;
use crate::observe::Observer;
use crate::rng::{Key, hash_name, mix2};
use crate::routing::{CacheView, Feed, LoadView, Stage, TargetId};
use crate::time::{SimTime, Span};
use crate::workload::Run;
use std::collections::VecDeque;

const SPREAD: u64 = hash_name("gateway_of_client");
const POLL: u64 = hash_name("poll");
const REPORT: u64 = hash_name("report");
const CACHE: u64 = hash_name("cache_event");

/// Polls in a row that a world lives through while nothing but polls is to come and requests wait: enough for a mean
/// to settle, and an end where a policy waits for what will never be.
const QUIET_POLLS: u32 = 1_000;

impl Gateway {
    /// Tells its stages the loads that have arrived by now.
    #[inline]
    pub(super) fn tell_loads(&mut self, now: SimTime) {
        if let Some(loads) = &mut self.loads {
            loads.tell(now, &mut self.stages, &mut self.global);
        }
    }
    /// Takes in the answers to its probes that have come by now.
    #[inline]
    pub(super) fn measure_rtts(&mut self, now: SimTime, network: &Network) {
        if self.rtts.is_some() {
            self.take_answers(now, network);
        }
    }
    #[inline(never)]
    fn take_answers(&mut self, now: SimTime, network: &Network) {
        let Some(rtts) = &mut self.rtts else { return };
        let from = self.region;
        if rtts.catch_up(now, self.key.branch(PROBE), |to, key| network.round_trip(from, to, key)) {
            let stages = self.stages.iter_mut().chain(&mut self.global);
            stages.for_each(|stage| stage.set_rtts(|region| rtts.measured(region)));
        }
    }
}

/// A stage whose prefix index follows a replica's cache.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) gateway: GatewayId,
    /// Its stage; none is its first tier.
    pub(super) tier: Option<usize>,
    /// The target that the replica is, or belongs to, there.
    pub(super) target: TargetId,
    /// How changes travel; none is at once.
    pub(super) feed: Option<Feed>,
    /// Changes on their way: when they arrive, the blocks, whether they appeared.
    pub(super) coming: VecDeque<(SimTime, Run, bool)>,
    /// The root of its draws, and how many there were.
    key: Key,
    draws: u64,
}

/// Lets a stage's index follow the caches of all replicas behind its targets.
pub(super) fn follow(
    sites: &mut IdVec<ReplicaId, Site>,
    id: GatewayId,
    tier: Option<usize>,
    gateway: &Gateway,
    stage: &Stage,
    view: &CacheView,
) {
    let feed = match view {
        CacheView::Oracle => None,
        CacheView::Event(feed) => Some(*feed),
    };
    for index in 0..stage.targets().len() {
        for replica in behind(sites, stage, index) {
            let site = &mut sites[replica];
            let Some(log) = site.replica.cache_log() else { continue };
            log.subscribe();
            let tier_key = tier.map_or(0, |tier| tier as u64 + 1);
            let key = gateway.key.branch(CACHE).at(tier_key).at(u64::from(replica.0));
            let target = TargetId(index as u32);
            let coming = VecDeque::new();
            site.followers.push(Follower { gateway: id, tier, target, feed, coming, key, draws: 0 });
        }
    }
}

/// The client of a request: the same for all of a session, one of its own for a request without.
pub(super) fn client(state: &State) -> u64 {
    if state.session == 0 { state.key } else { mix2(u64::from(state.source.0), state.session) }
}

/// The gateway of a client: one of the `count` from `first` on. A session's requests come through one, as over one
/// connection; a request without a session has a client of its own.
pub(super) fn one_of(first: GatewayId, count: u32, key: Key, state: &State) -> GatewayId {
    if count == 1 {
        return first;
    }
    let number = (key.branch(SPREAD).at(client(state)).unit() * f64::from(count)) as u32;
    GatewayId(first.0 + number)
}

/// A random part of a period: what is periodic does not go in step.
pub(super) fn phase(every: Span, key: Key) -> u64 {
    (every.0 as f64 * key.unit()) as u64
}

impl<O: Observer> World<'_, O> {
    /// Announces each gateway's first poll. Gateways do not poll in step.
    pub(super) fn start_polls(&mut self, schedule: &mut Schedule<Event>) {
        let gateways: Vec<GatewayId> = self.gateways.ids().collect();
        for gateway in gateways {
            if self.gateways[gateway].loads.is_some() {
                self.announce_poll(gateway, 1, schedule);
            }
        }
    }

    fn announce_poll(&mut self, gateway: GatewayId, number: u32, schedule: &mut Schedule<Event>) {
        let LoadView::Poll(poll) = &self.policy.views.load else { return };
        let key = self.gateways[gateway].key.branch(POLL);
        let at = phase(poll.every, key)
            + poll.every.0 * u64::from(number - 1)
            + phase(poll.jitter, key.at(u64::from(number)));
        self.background += 1;
        schedule.at(SimTime(at), Event::Poll { gateway, number });
    }

    /// A gateway reads all replicas. Who is down answers nothing: what was read last stays, and grows old.
    pub(super) fn poll(
        &mut self,
        now: SimTime,
        gateway: GatewayId,
        number: u32,
        schedule: &mut Schedule<Event>,
    ) {
        let goes_on = self.background_goes_on(schedule);
        let LoadView::Poll(poll) = &self.policy.views.load else { return };
        let (delay, loss) = (poll.delay, poll.loss);
        for replica in self.sites.ids() {
            if self.health.is_down(replica) {
                continue;
            }
            let site = &mut self.sites[replica].replica;
            site.advance_to(now);
            let gateway = &mut self.gateways[gateway];
            let draw = gateway.key.branch(POLL).at(u64::from(number)).at(u64::from(replica.0));
            if loss == 0.0 || draw.unit() >= loss {
                gateway.send_load(now + delay, replica, site.load(), now);
            }
        }
        if let Some(at) = self.gateways[gateway].next_load() {
            self.announce_heard(at, gateway, schedule);
        }
        if goes_on {
            self.announce_poll(gateway, number + 1, schedule);
        }
    }

    /// An event that changes nothing for any request by itself has come; whether the next of its kind shall: while
    /// something else is to come, and for a while where requests wait.
    pub(super) fn background_goes_on(&mut self, schedule: &Schedule<Event>) -> bool {
        self.background -= 1;
        let alive = schedule.pending() > self.aside();
        self.quiet_polls = if alive { 0 } else { self.quiet_polls + 1 };
        alive || (self.slots.count() > 0 && self.quiet_polls < QUIET_POLLS)
    }

    /// Loads come to a gateway at `at`. What is read over and over keeps no world alive on its way either; a report is
    /// made once.
    pub(super) fn announce_heard(&mut self, at: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        self.background += usize::from(self.reads_in_turns());
        schedule.at(at, Event::Heard { gateway });
    }

    fn reads_in_turns(&self) -> bool {
        matches!(self.policy.views.load, LoadView::Poll(_) | LoadView::Store(_))
    }

    /// Something happened in a replica that it reports to the gateways that listen. Who is down reports nothing.
    #[inline]
    pub(super) fn report_load(&mut self, now: SimTime, replica: ReplicaId, schedule: &mut Schedule<Event>) {
        if matches!(self.policy.views.load, LoadView::Event(_)) {
            self.send_report(now, replica, schedule);
        }
    }

    #[inline(never)]
    fn send_report(&mut self, now: SimTime, replica: ReplicaId, schedule: &mut Schedule<Event>) {
        let LoadView::Event(feed) = self.policy.views.load else { return };
        if self.health.is_down(replica) {
            return;
        }
        let load = self.sites[replica].replica.load();
        for gateway in self.gateways.ids() {
            let state = &mut self.gateways[gateway];
            let Some(loads) = &mut state.loads else { continue };
            loads.reports += 1;
            let draw = state.key.branch(REPORT).at(loads.reports);
            if feed.loss > 0.0 && draw.unit() < feed.loss {
                continue;
            }
            let first = loads.seen.next().is_none();
            state.send_load(now + feed.delay, replica, load, now);
            if first {
                schedule.at(now + feed.delay, Event::Heard { gateway });
            }
        }
    }

    /// Loads have come to a gateway: those that its policy holds may go now.
    pub(super) fn heard(&mut self, now: SimTime, gateway: GatewayId, schedule: &mut Schedule<Event>) {
        self.background -= usize::from(self.reads_in_turns());
        let state = &mut self.gateways[gateway];
        if let Some(loads) = &mut state.loads {
            loads.news |= loads.seen.receive(now);
        }
        if let Some(at) = state.next_load() {
            self.announce_heard(at, gateway, schedule);
        }
        self.retry_held(now, gateway, schedule);
    }

    /// Takes what changed in a replica's cache to the prefix indexes that follow it, each as late as it is.
    pub(super) fn follow_cache(&mut self, now: SimTime, replica: ReplicaId) {
        let site = &mut self.sites[replica];
        let Some(log) = site.replica.cache_log() else { return };
        if let Some(misses) = &mut self.misses {
            misses.take(replica, site.region, log);
        }
        if let Some(present) = &mut site.present {
            for noted in log.noted() {
                let blocks = noted.blocks().map(|block| (block.key, block.start));
                if noted.added {
                    present.extend(blocks);
                } else {
                    blocks.for_each(|block| _ = present.remove(&block));
                }
            }
        }
        for follower in &mut site.followers {
            let gateway = &mut self.gateways[follower.gateway];
            let stage = match follower.tier {
                Some(index) => &mut gateway.stages[index],
                None => gateway.global.as_mut().expect("a follower of the first tier has one"),
            };
            let target = follower.target;
            let mut tell = |run, added| {
                if added {
                    stage.cache_added(target, run);
                } else {
                    stage.cache_removed(target, run);
                }
            };
            let Some(feed) = follower.feed else {
                log.noted().iter().for_each(|noted| tell(noted.run, noted.added));
                continue;
            };
            for noted in log.noted() {
                let at = noted.at + feed.delay;
                if feed.loss == 0.0 {
                    follower.coming.push_back((at, noted.run, noted.added));
                    continue;
                }
                // Each block has a message of its own.
                for block in noted.blocks() {
                    follower.draws += 1;
                    if follower.key.at(follower.draws).unit() >= feed.loss {
                        follower.coming.push_back((at, block, noted.added));
                    }
                }
            }
            while let Some(&(at, run, added)) = follower.coming.front()
                && at <= now
            {
                follower.coming.pop_front();
                tell(run, added);
            }
        }
        log.clear();
    }
}

impl Gateway {
    pub(super) fn send_load(
        &mut self,
        at: SimTime,
        replica: ReplicaId,
        load: crate::observe::Load,
        read_at: SimTime,
    ) {
        if let Some(loads) = &mut self.loads {
            loads.seen.send(at, replica, load, read_at);
        }
    }
    pub(super) fn next_load(&self) -> Option<SimTime> {
        self.loads.as_ref().and_then(|loads| loads.seen.next())
    }
}
