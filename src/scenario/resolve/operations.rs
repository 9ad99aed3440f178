//! Bad days: events, health checks, retries, spill.

use super::{At, Resolver};
use crate::fleet::{Effect, HealthParams, Incident, OperationsParams, Place, RetryParams, SpillParams};
use crate::id::{Id, IdVec, PoolId, RegionId, ReplicaId};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::raw::operations::{RawEvent, RawEventKind, RawGateways, RawInFlight};
use crate::time::{NS_PER_SEC, SimTime, Span};
use crate::world::PoolParams;

/// More events than this are a mistake.
const MAX_EVENTS: usize = 10_000;

impl Resolver<'_> {
    pub(super) fn operations(
        &mut self,
        regions: &[String],
        pools: &IdVec<PoolId, PoolParams>,
    ) -> OperationsParams {
        let (mut incidents, mut late) = (Vec::new(), Vec::new());
        let events = &self.raw.events;
        if events.len() > MAX_EVENTS {
            let item = self
                .error_at_key(&["events"], format!("`events` has at most {MAX_EVENTS} entries"))
                .label(format!("this one has {}", events.len()))
                .help("leave some out");
            self.push(item);
            return OperationsParams::default();
        }
        for (number, raw) in events.iter().enumerate() {
            let number = number.to_string();
            let before = self.found.len();
            let places = self.event_places(&number, raw, regions, pools);
            let effect = self.event_effect(&number, raw);
            if raw.gateways.is_some() && (raw.pool.is_some() || raw.kind == RawEventKind::BrownOut) {
                let item = self
                    .error(&["events", &number, "gateways"], "gateways go down with their region")
                    .label(if raw.pool.is_some() {
                        "this event is a pool's"
                    } else {
                        "this one slows, and takes nothing down"
                    })
                    .help("leave `gateways` out, or write `kind = \"down\"` and `region = \"…\"`");
                self.push(item);
            }
            if raw.lasts.is_some_and(|lasts| lasts.0 == Span::ZERO) {
                let item = self
                    .error(&["events", &number, "for"], "an event lasts longer than nothing")
                    .label("0s")
                    .help("leave `for` out for an event that lasts to the end");
                self.push(item);
            }
            if let Some(horizon) = self.raw.horizon.filter(|horizon| raw.at.0 >= horizon.0) {
                let place = self.place(&["events", &number, "at"], At::Value);
                let item = Diagnostic::notice(place, "this event never happens: the run ends before it")
                    .label(format!("`horizon` is {}", horizon.0))
                    .help("raise `horizon`, or give the event an earlier time");
                late.push(item);
            }
            if self.found.len() == before {
                let at = SimTime(raw.at.0.0);
                let until = raw.lasts.map(|lasts| at + lasts.0);
                let lost = raw.gateways == Some(RawGateways::Lost);
                for place in places {
                    incidents.push(Incident { at, until, place, effect });
                    if let (Place::Region(region), true) = (place, lost) {
                        incidents.push(Incident {
                            at,
                            until,
                            place: Place::Gateways(region),
                            effect: Effect::Down,
                        });
                    }
                }
            }
        }
        self.found.extend(late);
        OperationsParams {
            incidents,
            health: self.health(),
            retry: self.retry(),
            spill: self.spill(),
            dns: self.dns(),
        }
    }

    fn event_places(
        &mut self,
        number: &str,
        raw: &RawEvent,
        regions: &[String],
        pools: &IdVec<PoolId, PoolParams>,
    ) -> Vec<Place> {
        let rule = "an event happens to a region or to a pool";
        match (&raw.region, &raw.pool) {
            (None, None) => {
                let item = self
                    .error(&["events", number], rule)
                    .label("this one says neither")
                    .help("add `region = \"…\"`, or `pool = \"region/pool\"` and perhaps `replica = 0`");
                self.push(item);
                Vec::new()
            }
            (Some(_), Some(_)) => {
                let item = self
                    .error(&["events", number, "pool"], rule)
                    .label("this one says both")
                    .help("leave out one of the two");
                self.push(item);
                Vec::new()
            }
            (Some(region), None) => {
                if raw.replica.is_some() {
                    let item = self
                        .error(&["events", number, "replica"], "a replica is counted within its pool")
                        .label("there is no `pool`")
                        .help("write `pool = \"region/pool\"` in place of `region`");
                    self.push(item);
                }
                let path = ["events", number, "region"];
                let index = self.find(regions, region, "region", "regions", &path);
                index.map(|index| Place::Region(RegionId::new(index))).into_iter().collect()
            }
            (None, Some(pool)) => {
                let names: Vec<String> = pools.iter().map(|pool| pool.name.clone()).collect();
                let path = ["events", number, "pool"];
                let Some(index) = self.find(&names, pool, "pool", "regions.REGION.pools", &path) else {
                    return Vec::new();
                };
                let count = pools[PoolId::new(index)].replicas;
                let first: u32 = pools.iter().take(index).map(|pool| pool.replicas).sum();
                let place = |number: u32| Place::Replica(ReplicaId(first + number));
                match raw.replica {
                    None => (0..count).map(place).collect(),
                    Some(replica) if replica < count => vec![place(replica)],
                    Some(_) => {
                        let item = self
                            .error(&["events", number, "replica"], "replicas of a pool are counted from 0")
                            .label(format!("`{pool}` has {count}"))
                            .help(match count {
                                0 => "name a pool with replicas".to_owned(),
                                _ => format!("write 0 to {}, or leave it out for all", count - 1),
                            });
                        self.push(item);
                        Vec::new()
                    }
                }
            }
        }
    }

    fn event_effect(&mut self, number: &str, raw: &RawEvent) -> Effect {
        let down = match raw.in_flight {
            Some(RawInFlight::Finished) => Effect::Drain,
            _ => Effect::Down,
        };
        match (raw.kind, raw.speed) {
            (RawEventKind::Down, None) => down,
            (RawEventKind::Down, Some(_)) => {
                let item = self
                    .error(&["events", number, "speed"], "what is down has no speed")
                    .label("only a brown-out has")
                    .help("leave `speed` out, or write `kind = \"brown_out\"`");
                self.push(item);
                down
            }
            (RawEventKind::BrownOut, None) => {
                let item = self
                    .error(&["events", number], "a brown-out has a `speed`")
                    .label("`speed` is missing")
                    .help("add `speed = 0.5` for steps that take twice as long");
                self.push(item);
                down
            }
            (RawEventKind::BrownOut, Some(speed)) => {
                if raw.in_flight.is_some() {
                    let item = self
                        .error(&["events", number, "in_flight"], "a brown-out loses no request")
                        .label("this is for `kind = \"down\"`")
                        .help("leave `in_flight` out");
                    self.push(item);
                }
                Effect::Slow((1000.0 / speed).round() as u32)
            }
        }
    }

    fn health(&mut self) -> HealthParams {
        let (raw, usual) = (&self.raw.health, HealthParams::default());
        let params = HealthParams {
            interval: raw.interval.map_or(usual.interval, |interval| interval.0),
            failures: raw.failures.unwrap_or(usual.failures),
            successes: raw.successes.unwrap_or(usual.successes),
        };
        if params.interval < Span::from_ms(1) {
            let item = self
                .error(&["health", "interval"], "probes are at least a millisecond apart")
                .label(format!("{} is less", params.interval))
                .help("write a time such as \"10s\"");
            self.push(item);
        }
        params
    }

    fn retry(&mut self) -> Option<RetryParams> {
        let raw = self.raw.retry.as_ref()?;
        let usual = RetryParams::default();
        let params = RetryParams {
            attempts: raw.attempts.unwrap_or(usual.attempts),
            budget: raw.budget.map_or(usual.budget, |budget| budget.0),
            least: raw.least.unwrap_or(usual.least),
            backoff: raw.backoff.map_or(usual.backoff, |backoff| backoff.0),
        };
        if !(0.0..=1.0).contains(&params.budget) {
            let item = self
                .error(&["retry", "budget"], "a retry budget is a share from 0 to 1")
                .label(format!("{} is not", params.budget))
                .help("write a share such as 0.2 or \"20%\"");
            self.push(item);
        }
        Some(params)
    }

    fn spill(&mut self) -> Option<SpillParams> {
        let raw = self.raw.spill.as_ref()?;
        let rate = raw.rate.unwrap_or(1.0);
        Some(SpillParams {
            every: Span((NS_PER_SEC as f64 / rate).round().max(1.0) as u64),
            burst: raw.burst.unwrap_or_else(|| rate.ceil().max(1.0) as u32),
            most_added_rtt: raw.max_added_rtt.map(|rtt| rtt.0),
        })
    }
}
