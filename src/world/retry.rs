//! What a gateway does with a lost attempt, and where it may send at this moment: another try within its budget,
//! elsewhere if there is an elsewhere, and no more to other regions than it may spill. Only narrows what the data class
//! allows; the sending itself is `dispatch`'s.

use super::World;
use super::event::Event;
use super::gateway::Limits;
use super::state::{Mark, Place};
use crate::engine::Schedule;
use crate::id::{Id, RegionId};
use crate::network::RegionSet;
use crate::observe::{Observer, Outcome};
use crate::replica::Tokens;
use crate::time::SimTime;

impl<O: Observer> World<'_, O> {
    /// What narrows the targets of a request beyond its data class now; an outcome where it leaves none of those that
    /// are up.
    #[inline]
    pub(super) fn limits(&self, now: SimTime, slot: u32) -> Result<Option<Limits>, Outcome> {
        let state = self.slots.get(slot);
        let narrowed = state.has(Mark::Failed) || state.has(Mark::Restricted);
        if narrowed || self.params.operations.spill.is_some() {
            return self.narrow_limits(now, slot);
        }
        Ok(None)
    }

    #[inline(never)]
    fn narrow_limits(&self, now: SimTime, slot: u32) -> Result<Option<Limits>, Outcome> {
        let state = self.slots.get(slot);
        let operations = &self.params.operations;
        let spill = operations.spill.as_ref();
        if spill.is_none() && !state.has(Mark::Failed) {
            let own = |own| Limits { regions: self.allowed(slot).and(own), without: None };
            return Ok(self.slots.restricted_to(slot).map(own));
        }
        let gateway = &self.gateways[state.gateway];
        let mut regions = self.allowed(slot);
        let up = self.health.regions_up();
        if let Some(limit) = spill {
            let near = || gateway.near.iter().filter(|(_, region)| regions.contains(*region));
            let Some(&(home_rtt, home)) = near().next() else { return Err(Outcome::NoRegion) };
            let within = |&&(rtt, region): &&(_, RegionId)| {
                let close = limit.most_added_rtt.is_none_or(|most| rtt <= home_rtt + most);
                region == home || close && gateway.spills[region.index()].open(limit, now)
            };
            let open: RegionSet = near().filter(within).map(|&(_, region)| region).collect();
            if open.and(up).is_empty() && !regions.and(up).is_empty() {
                return Err(Outcome::Shed);
            }
            regions = open;
        }
        let Some((failed_by, failed_in)) = self.slots.failure(slot) else {
            return Ok(Some(Limits { regions, without: None }));
        };
        let elsewhere = regions.without(failed_in);
        if !elsewhere.and(up).is_empty() {
            return Ok(Some(Limits { regions: elsewhere, without: None }));
        }
        let others = self.health.known_up(self.sites[failed_by].region) > 1;
        Ok(Some(Limits { regions, without: others.then_some(failed_by) }))
    }

    /// An attempt has ended, and its gateway knows.
    pub(super) fn attempt_over(&mut self, slot: u32) {
        let state = self.slots.get(slot);
        let gateway = &mut self.gateways[state.gateway];
        gateway.under_way -= 1;
        if let Some(region) = state.region() {
            gateway.sent_to[region.index()] -= 1;
        }
        self.release_retry(slot);
    }

    /// A request no longer counts as a retry.
    pub(super) fn release_retry(&mut self, slot: u32) {
        let state = self.slots.get_mut(slot);
        if state.has(Mark::Retrying) {
            state.marks.set(Mark::Retrying, false);
            self.gateways[state.gateway].retries -= 1;
        }
    }

    /// The gateway hears that an attempt was lost: it tries again, or tells the client. An answer that has begun is not
    /// begun again.
    pub(super) fn retry_or_tell(&mut self, now: SimTime, slot: u32, schedule: &mut Schedule<Event>) {
        let state = self.slots.get_mut(slot);
        let gateway = &mut self.gateways[state.gateway];
        let retry = self.params.operations.retry.as_ref().filter(|retry| {
            !state.has(Mark::TokenSeen)
                && state.attempts < retry.attempts
                && gateway.retries < retry.most(gateway.under_way)
        });
        let id = state.id;
        let Some(retry) = retry else {
            schedule.at(now + state.client_back, Event::ClientEnd { slot, id });
            return;
        };
        gateway.retries += 1;
        state.place = Place::ToGateway;
        state.take_tokens(Tokens::default());
        state.outcome = Outcome::InFlight;
        state.marks.set(Mark::Retrying, true);
        let again = now + retry.backoff;
        self.slots.again(slot, again);
        schedule.at(again, Event::AtGateway { slot, id });
    }
}
