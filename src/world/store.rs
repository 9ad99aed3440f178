//! A store of loads that gateways share: each region writes its replicas' loads to it, gateways read it, both over the
//! network. Knows what has been written and when it got there; must not know what a policy makes of it. What a gateway
//! knows is as old as its write was on its way, lay in the store, and was on its way back.

use super::event::Event;
use super::views::phase;
use super::{Site, World};
use crate::engine::Schedule;
use crate::id::{GatewayId, IdVec, RegionId, ReplicaId};
use crate::network::split;
use crate::observe::{Load, Observer};
use crate::rng::hash_name;
use crate::routing::{LoadView, Store};
use crate::time::{SimTime, Span};
use std::collections::VecDeque;

const WRITE: u64 = hash_name("store_write");
const READ: u64 = hash_name("store_read");

/// What stands in the store, and what is on its way into it.
#[derive(Debug)]
pub(super) struct Shared {
    /// By replica: its load and when that was.
    written: IdVec<ReplicaId, (Load, SimTime)>,
    /// By region, whose writes keep their order: when it can be read, of which replica, what, and when that was.
    coming: IdVec<RegionId, VecDeque<(SimTime, ReplicaId, Load, SimTime)>>,
}

impl Shared {
    /// With the loads at the start in it; `None` where there is no store.
    pub(super) fn new(view: &LoadView, sites: &IdVec<ReplicaId, Site>, regions: usize) -> Option<Shared> {
        matches!(view, LoadView::Store(_)).then(|| Shared {
            written: sites.iter().map(|site| (site.replica.load(), SimTime::ZERO)).collect(),
            coming: (0..regions).map(|_| VecDeque::new()).collect(),
        })
    }
    /// A region's write of `now` gets to readers at `at`, not before those it wrote earlier.
    fn write(&mut self, now: SimTime, at: SimTime, region: RegionId, replica: ReplicaId, load: Load) {
        self.coming[region].push_back((at, replica, load, now));
    }
    /// What can be read at `now`.
    fn read(&mut self, now: SimTime) -> &IdVec<ReplicaId, (Load, SimTime)> {
        for coming in self.coming.iter_mut() {
            while let Some(&(at, replica, load, of)) = coming.front()
                && at <= now
            {
                coming.pop_front();
                self.written[replica] = (load, of);
            }
        }
        &self.written
    }
}

impl<O: Observer> World<'_, O> {
    /// Announces each region's first write and each gateway's first reading.
    pub(super) fn start_store(&mut self, schedule: &mut Schedule<Event>) {
        let readers: Vec<GatewayId> = self
            .gateways
            .enumerate()
            .filter(|(_, gateway)| gateway.loads.is_some())
            .map(|(id, _)| id)
            .collect();
        if self.store.is_none() || readers.is_empty() {
            return;
        }
        for region in self.params.regions.ids() {
            if self.sites.iter().any(|site| site.region == region) {
                self.announce_write(region, 1, schedule);
            }
        }
        readers.into_iter().for_each(|gateway| self.announce_read(gateway, 1, schedule));
    }

    fn announce_write(&mut self, region: RegionId, number: u32, schedule: &mut Schedule<Event>) {
        let LoadView::Store(store) = &self.policy.views.load else { return };
        let key = self.key.branch(WRITE).named(&self.params.regions[region].name);
        let at = phase(store.write_every, key) + store.write_every.0 * u64::from(number - 1);
        self.background += 1;
        schedule.at(SimTime(at), Event::Write { region, number });
    }

    /// A region reads its replicas and sends what it found to the store. Who is down writes nothing: what it wrote last stays.
    pub(super) fn write(
        &mut self,
        now: SimTime,
        region: RegionId,
        number: u32,
        schedule: &mut Schedule<Event>,
    ) {
        let goes_on = self.background_goes_on(schedule);
        let (LoadView::Store(view), Some(store)) = (&self.policy.views.load, &mut self.store) else { return };
        let at = readable_at(now, self.network.rtt(region, view.at), view);
        for replica in self.sites.ids() {
            let site = &mut self.sites[replica];
            if site.region == region && !self.health.is_down(replica) {
                site.replica.advance_to(now);
                store.write(now, at, region, replica, site.replica.load());
            }
        }
        if goes_on {
            self.announce_write(region, number + 1, schedule);
        }
    }

    /// A gateway's question reaches the store.
    fn announce_read(&mut self, gateway: GatewayId, number: u32, schedule: &mut Schedule<Event>) {
        let LoadView::Store(store) = &self.policy.views.load else { return };
        let (out, _) = split(self.network.rtt(self.gateways[gateway].region, store.at));
        let asks = phase(store.read_every, self.gateways[gateway].key.branch(READ));
        let at = SimTime(asks + store.read_every.0 * u64::from(number - 1)) + out;
        self.background += 1;
        schedule.at(at, Event::Read { gateway, number });
    }

    /// The store answers a gateway.
    pub(super) fn read(
        &mut self,
        now: SimTime,
        gateway: GatewayId,
        number: u32,
        schedule: &mut Schedule<Event>,
    ) {
        let goes_on = self.background_goes_on(schedule);
        let (LoadView::Store(view), Some(store)) = (&self.policy.views.load, &mut self.store) else { return };
        let reader = &mut self.gateways[gateway];
        let (_, back) = split(self.network.rtt(reader.region, view.at));
        let first = reader.next_load().is_none();
        for (replica, &(load, of)) in store.read(now).enumerate() {
            reader.send_load(now + back, replica, load, of);
        }
        if first {
            self.announce_heard(now + back, gateway, schedule);
        }
        if goes_on {
            self.announce_read(gateway, number + 1, schedule);
        }
    }
}

/// When a write of `now` can be read: the way there, and the delay.
fn readable_at(now: SimTime, rtt: Span, view: &Store) -> SimTime {
    now + split(rtt).0 + view.write_delay
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::OnStale;

    #[test]
    fn a_write_is_read_after_its_way_and_its_delay_and_regions_do_not_wait_for_each_other() {
        // Region 0 is 81 ms from the store, region 1 is 1 ms; 5 ms until a write can be read. Written at 1 s by region 0:
        // ⌊81/2⌋ = 40.5 ms on its way, there at 1.0455 s. Written at 1.01 s by region 1: there at 1.0155 s, before it.
        let view = Store {
            at: RegionId(1),
            write_every: Span::from_secs(1),
            write_delay: Span::from_ms(5),
            read_every: Span::from_secs(1),
            stale_after: None,
            on_stale: OnStale::Ignore,
        };
        let idle = (Load::default(), SimTime::ZERO);
        let mut store =
            Shared { written: vec![idle; 2].into(), coming: vec![VecDeque::new(), VecDeque::new()].into() };
        let us = |us: u64| SimTime::ZERO + Span::from_us(us);
        let load = |running| Load { running, ..Load::default() };
        let (far, near) = (us(1_000_000), us(1_010_000));
        let far_there = readable_at(far, Span::from_ms(81), &view);
        let near_there = readable_at(near, Span::from_ms(1), &view);
        assert_eq!((far_there, near_there), (us(1_045_500), us(1_015_500)));
        store.write(far, far_there, RegionId(0), ReplicaId(0), load(7));
        store.write(near, near_there, RegionId(1), ReplicaId(1), load(9));
        let seen = |store: &mut Shared, at: u64| store.read(us(at)).iter().copied().collect::<Vec<_>>();
        assert_eq!(seen(&mut store, 1_015_499), [idle, idle]);
        assert_eq!(seen(&mut store, 1_015_500), [idle, (load(9), near)]);
        assert_eq!(seen(&mut store, 1_045_499), [idle, (load(9), near)]);
        assert_eq!(seen(&mut store, 1_045_500), [(load(7), far), (load(9), near)]);
    }
}
