//! What happens to a fleet: faults that are planned, how they are noticed, and what gateways do about them. Knows
//! names of places, times and limits; must not know requests, gateways or how a replica computes. The numbers are
//! written defaults of the systems named beside them.

pub mod admission;
pub mod names;

pub use admission::AdmissionParams;
pub use names::{DnsParams, Names};

use crate::id::{RegionId, ReplicaId};
use crate::time::{SimTime, Span};
use serde::Serialize;

/// Everything about a fleet's bad days. The default is that nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OperationsParams {
    /// What happens, in the scenario's order.
    pub incidents: Vec<Incident>,
    /// How gateways learn of it.
    pub health: HealthParams,
    /// What a gateway does with an attempt that was lost; `None` tells the client.
    pub retry: Option<RetryParams>,
    /// How much a gateway sends away from home; `None` is without limit.
    pub spill: Option<SpillParams>,
    /// How clients find a gateway; `None` is that they know the nearest and never ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsParams>,
}

impl OperationsParams {
    /// Whether this is a fleet to which nothing happens and that limits nothing.
    pub fn is_quiet(&self) -> bool {
        self.incidents.is_empty() && self.retry.is_none() && self.spill.is_none() && self.dns.is_none()
    }
}

/// Something that happens to a part of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// When it begins.
    pub at: SimTime,
    /// When it is over; `None` is never.
    pub until: Option<SimTime>,
    /// To what.
    pub place: Place,
    /// What.
    pub effect: Effect,
}

/// A part of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// All replicas of a region.
    Region(RegionId),
    /// One replica.
    Replica(ReplicaId),
    /// The gateways that stand in a region.
    Gateways(RegionId),
}

/// What happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is gone at once: what it was serving is lost, and so is its cache. Whoever sends to it gets an error.
    Down,
    /// It is taken out on purpose: every gateway knows at once, what it was sent it serves to the end. It comes back
    /// with an empty cache if it had come to rest, else as it is.
    Drain,
    /// Its steps take this many thousandths of their usual time, from the next one built on; over 1000 is slower.
    Slow(u32),
}

/// Probes of replicas by gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HealthParams {
    /// Time between two probes; they go out at its multiples.
    pub interval: Span,
    /// After so many failed probes in a row a replica is known to be down.
    pub failures: u32,
    /// After so many answered probes in a row it is known to be up.
    pub successes: u32,
}

impl Default for HealthParams {
    /// Kubernetes' readiness probes: `periodSeconds` 10, `failureThreshold` 3, `successThreshold` 1.
    fn default() -> HealthParams {
        HealthParams { interval: Span::from_secs(10), failures: 3, successes: 1 }
    }
}

impl HealthParams {
    /// When a change at `at` is known: with the last of so many probes, the first of which is the first at or after
    /// `at`.
    pub fn known_at(&self, at: SimTime, up: bool) -> SimTime {
        let probes = u64::from(if up { self.successes } else { self.failures }).max(1);
        if self.interval == Span::ZERO {
            return at;
        }
        let first = at.0.div_ceil(self.interval.0);
        SimTime(first.saturating_add(probes - 1).saturating_mul(self.interval.0))
    }
}

/// A retry budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RetryParams {
    /// The most tries of one request, the first with them.
    pub attempts: u32,
    /// Retries under way at a gateway are at most this share of its attempts under way …
    pub budget: f64,
    /// … or so many, if that is more.
    pub least: u32,
    /// The time from hearing of a loss to the next try.
    pub backoff: Span,
}

impl Default for RetryParams {
    /// Envoy's `retry_budget`: 20 % of active requests, `min_retry_concurrency` 3. Three tries are the most in
    /// Google's SRE book ("Handling Overload"). Envoy's base interval is 25 ms.
    fn default() -> RetryParams {
        RetryParams { attempts: 3, budget: 0.2, least: 3, backoff: Span::from_ms(25) }
    }
}

impl RetryParams {
    /// The most retries under way beside `active` attempts: max(least, ⌊budget × active⌋).
    pub fn most(&self, active: u32) -> u32 {
        self.least.max((self.budget * f64::from(active)) as u32)
    }
}

/// What one gateway may send to each region that is not home to it: the nearest that a request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SpillParams {
    /// Time between two requests at the full rate.
    pub every: Span,
    /// So many may go at once after a rest.
    pub burst: u32,
    /// Regions are out of reach whose round trip is longer than home's by more than this.
    pub most_added_rtt: Option<Span>,
}

/// A rate limit, as the generic cell rate algorithm (ITU-T I.371) keeps it: at most `burst + time / every` pass in
/// any stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// When all that has passed would have passed at the full rate.
    due: u64,
}

impl Meter {
    /// Whether one more may pass now.
    pub fn open(&self, limit: &SpillParams, now: SimTime) -> bool {
        let slack = limit.every.0.saturating_mul(u64::from(limit.burst.max(1)) - 1);
        limit.burst > 0 && self.due <= now.0.saturating_add(slack)
    }
    /// One passes.
    pub fn pass(&mut self, limit: &SpillParams, now: SimTime) {
        self.due = self.due.max(now.0).saturating_add(limit.every.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_known_with_the_last_of_its_probes() {
        let health = HealthParams { interval: Span::from_secs(10), failures: 3, successes: 2 };
        let known = |s: u64, up| health.known_at(SimTime(s * 1_000_000_000), up).0 / 1_000_000_000;
        // Probes at 10, 20, 30, …: one at the very moment fails already.
        assert_eq!(known(10, false), 30);
        assert_eq!(known(11, false), 40);
        assert_eq!(known(19, false), 40);
        assert_eq!(known(11, true), 30);
    }

    #[test]
    fn a_retry_budget_is_a_share_with_a_floor() {
        let retry = RetryParams::default();
        // max(3, ⌊0.2 n⌋)
        for (active, most) in [(0, 3), (15, 3), (19, 3), (20, 4), (104, 20), (105, 21)] {
            assert_eq!(retry.most(active), most, "{active}");
        }
    }

    #[test]
    fn a_meter_passes_its_burst_and_then_its_rate() {
        let limit = SpillParams { every: Span(100), burst: 4, most_added_rtt: None };
        let mut meter = Meter::default();
        let mut passed = 0;
        // Asked every nanosecond from 1000 to 2000: 4 at once, then one at each of 1100, …, 2000.
        for now in 1000..=2000 {
            if meter.open(&limit, SimTime(now)) {
                meter.pass(&limit, SimTime(now));
                passed += 1;
            }
        }
        assert_eq!(passed, 4 + 10);
        assert!(!Meter::default().open(&SpillParams { burst: 0, ..limit }, SimTime(0)));
    }
}
