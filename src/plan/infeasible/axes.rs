//! What could be changed, and how far: GPUs of a lot, replicas of a pool, a class's limit, a region for a data class. Knows the keys
//! that say so; must not know which changes help.

use super::trial::Trials;
use crate::id::{DataClassId, PoolId, RegionId};
use crate::plan::confirm::{Confirmation, Verdict};
use crate::plan::market::Market;
use crate::plan::scene::regions_of;
use crate::scenario::overrides::{dotted, key};
use crate::time::Span;
use crate::world::SloParams;

/// No more GPUs than this times the supply, plus [`ROOM`], are tried: our choice.
const MORE: u32 = 2;
/// So many replicas more are tried at least: our choice.
const ROOM: u32 = 8;
/// How far limits are tried, by what most misses show. All our choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// Up to eight times what they are.
    Usual,
    /// Up to twice: requests wait, and later limits would call a queue that grows a good one.
    Queue,
    /// As usual, and a TTFT that the network alone exceeds up to ten seconds: longer than any round trip.
    Floor,
}

impl Later {
    fn most(self, limit: Limit, now: Span) -> Span {
        let times = if self == Later::Queue { 2 } else { 8 };
        let floor =
            if self == Later::Floor && limit == Limit::Ttft { Span::from_secs(10) } else { Span::ZERO };
        Span(now.0.saturating_mul(times)).max(floor)
    }
}

/// A limit of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Ttft,
    Itl,
    E2e,
}

impl Limit {
    const ALL: [Limit; 3] = [Limit::Ttft, Limit::Itl, Limit::E2e];
    fn of(self, slo: &SloParams) -> Option<Span> {
        match self {
            Limit::Ttft => slo.ttft,
            Limit::Itl => slo.itl,
            Limit::E2e => slo.e2e,
        }
    }
    fn name(self) -> &'static str {
        match self {
            Limit::Ttft => "TTFT",
            Limit::Itl => "ITL",
            Limit::E2e => "E2E",
        }
    }
    fn key(self) -> &'static str {
        match self {
            Limit::Ttft => "ttft",
            Limit::Itl => "itl",
            Limit::E2e => "e2e",
        }
    }
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Replicas' worth of GPUs more of a lot of supply.
    Lot(usize),
    /// Replicas more that a pool may have.
    Pool(PoolId),
    /// A later limit of a class.
    Limit(usize, Limit),
    /// A region more where a data class may be processed.
    Open(DataClassId, RegionId),
}

/// What changes, in levels from 1; 0 is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub kind: Kind,
    pub most: u32,
}

/// All there are, by kind: what there is to have, later limits, more regions.
pub(super) fn all(trials: &Trials<'_, '_>, base: &Confirmation) -> Vec<Vec<Axis>> {
    let market = trials.market();
    let mut capacity = Vec::new();
    for (at, lot) in market.supply.iter().enumerate() {
        if let Some(step) = step(market, at) {
            capacity.push(Axis {
                kind: Kind::Lot(at),
                most: (lot.gpus.saturating_mul(MORE) / step).saturating_add(ROOM),
            });
        }
    }
    for planned in &trials.asked().planning.pools {
        let most = planned.max.saturating_mul(3).max(ROOM);
        let axis = Axis { kind: Kind::Pool(planned.pool), most };
        if larger(market, &[axis], &[most]).top() != market.top() {
            capacity.push(axis);
        }
    }
    let world = &trials.asked().base.plan.world;
    let mut limits = Vec::new();
    for (at, class) in world.classes.iter().enumerate() {
        let of = format!("{} of ", class.name);
        let short = |name: &str| name == class.name || name.starts_with(&of);
        let missed = base.lines.iter().any(|line| line.verdict != Verdict::Holds && short(&line.group));
        for limit in Limit::ALL.into_iter().filter(|_| missed) {
            let steps =
                limit.of(&class.slo).map_or(0, |now| later(now, trials.later.most(limit, now)).len() as u32);
            if steps > 0 {
                limits.push(Axis { kind: Kind::Limit(at, limit), most: steps });
            }
        }
    }
    let mut open = Vec::new();
    for (id, rule) in world.data_classes.enumerate().filter(|(_, rule)| !rule.preferred) {
        for region in regions_of(market).into_iter().filter(|&region| !rule.serve_in().contains(region)) {
            open.push(Axis { kind: Kind::Open(id, region), most: 1 });
        }
    }
    [capacity, limits, open].into_iter().filter(|group| !group.is_empty()).collect()
}

/// GPUs of the smallest replica that may be added to a lot.
fn step(market: &Market, lot: usize) -> Option<u32> {
    let lot = &market.supply[lot];
    let offers = market.offers.iter().filter(|offer| Market::is_of(lot, offer) && offer.min < offer.max);
    offers.map(|offer| offer.gpus_per_replica).filter(|&size| size > 0).min()
}

/// The market at these levels: supply, and what pools may have, no larger than what is then taken.
fn larger(market: &Market, axes: &[Axis], levels: &[u32]) -> Market {
    let mut more = market.clone();
    for (axis, &level) in axes.iter().zip(levels).filter(|(_, level)| **level > 0) {
        match axis.kind {
            Kind::Lot(at) => {
                let gpus = step(market, at).unwrap_or(0).saturating_mul(level);
                more.supply[at].gpus = more.supply[at].gpus.saturating_add(gpus);
                let lot = more.supply[at].clone();
                let offers = more.offers.iter_mut();
                let free = offers.filter(|offer| Market::is_of(&lot, offer) && offer.min < offer.max);
                free.for_each(|offer| offer.max = offer.max.saturating_add(level));
            }
            Kind::Pool(pool) => {
                let own = more.offers.iter_mut().filter(|offer| offer.pool == pool);
                own.for_each(|offer| offer.max = offer.max.saturating_add(level));
            }
            Kind::Limit(..) | Kind::Open(..) => {}
        }
    }
    let top = more.top();
    let taken: Vec<u64> = more.supply.iter().map(|lot| more.taken(lot, &top)).collect();
    for ((lot, was), taken) in more.supply.iter_mut().zip(&market.supply).zip(taken) {
        lot.gpus = was.gpus.max(u32::try_from(taken).unwrap_or(u32::MAX));
    }
    for ((offer, was), n) in more.offers.iter_mut().zip(&market.offers).zip(top) {
        offer.max = was.max.max(n);
    }
    more
}

/// Limits beyond this one, in steps of two digits.
fn later(now: Span, most: Span) -> Vec<Span> {
    let mut steps = Vec::new();
    let mut at = now.0;
    loop {
        let mut step = 1;
        while at / step >= 100 {
            step *= 10;
        }
        at = at / step * step + step;
        if at > most.0 {
            return steps;
        }
        steps.push(Span(at));
    }
}

/// A limit at a level.
fn limit_at(trials: &Trials<'_, '_>, class: usize, limit: Limit, level: u32) -> Option<Span> {
    let class = &trials.asked().base.plan.world.classes.as_slice()[class];
    let now = limit.of(&class.slo)?;
    later(now, trials.later.most(limit, now)).get(level.checked_sub(1)? as usize).copied()
}

/// A span as scenarios write it.
fn span(span: Span) -> String {
    match span.0 {
        ns if ns % 1_000_000_000 == 0 => format!("{}s", ns / 1_000_000_000),
        ns if ns % 1_000_000 == 0 => format!("{}ms", ns / 1_000_000),
        ns => format!("{}us", ns.div_ceil(1000)),
    }
}

/// The most of a pool, over its GPU types.
fn most_of(market: &Market, pool: PoolId) -> u32 {
    market.offers.iter().filter(|offer| offer.pool == pool).map(|offer| offer.max).max().unwrap_or(0)
}

/// The overrides of these levels.
pub(super) fn overrides(trials: &Trials<'_, '_>, axes: &[Axis], levels: &[u32]) -> Vec<String> {
    let asked = trials.asked();
    let world = &asked.base.plan.world;
    let market = trials.market();
    let more = larger(market, axes, levels);
    let mut set = Vec::new();
    for (lot, was) in more.supply.iter().zip(&market.supply).filter(|(lot, was)| lot.gpus != was.gpus) {
        let path = dotted(&["plan", "supply", &world.regions[was.region].name, &lot.gpu]);
        set.push(format!("{path}={}", lot.gpus));
    }
    let planned = &asked.planning.pools;
    let grown = |pool: PoolId| most_of(&more, pool) != most_of(market, pool);
    if asked.planning.pools_named {
        for planned in planned.iter().filter(|planned| grown(planned.pool)) {
            let path = dotted(&["plan", "pools", &world.pools[planned.pool].name, "max"]);
            set.push(format!("{path}={}", most_of(&more, planned.pool)));
        }
    } else if planned.iter().any(|planned| grown(planned.pool)) {
        // With one entry, all that may change must have one.
        let each = planned.iter().map(|planned| {
            let name = key(&world.pools[planned.pool].name);
            format!("{name}={{max={}}}", most_of(&more, planned.pool))
        });
        set.push(format!("plan.pools={{{}}}", each.collect::<Vec<_>>().join(",")));
    }
    let raised = axes.iter().zip(levels).filter(|(_, level)| **level > 0);
    let mut open: Vec<(DataClassId, Vec<RegionId>)> = Vec::new();
    for (axis, &level) in raised {
        match axis.kind {
            Kind::Limit(class, limit) => {
                if let Some(later) = limit_at(trials, class, limit, level) {
                    let name = &world.classes.as_slice()[class].name;
                    set.push(format!("{}={}", dotted(&["slo", name, limit.key()]), span(later)));
                }
            }
            Kind::Open(class, region) => match open.iter_mut().find(|(of, _)| *of == class) {
                Some((_, regions)) => regions.push(region),
                None => open.push((class, vec![region])),
            },
            Kind::Lot(_) | Kind::Pool(_) => {}
        }
    }
    for (class, more) in open {
        let rule = &world.data_classes[class];
        let may = |id: &RegionId| rule.process_in.contains(*id) || more.contains(id);
        let names = world.regions.enumerate().filter(|(id, _)| may(id));
        let names: Vec<String> = names.map(|(_, region)| format!("\"{}\"", region.name)).collect();
        set.push(format!("{}=[{}]", dotted(&["residency", &rule.name, "process_in"]), names.join(",")));
    }
    set
}

/// The same in words, each change by itself.
pub(super) fn words(trials: &Trials<'_, '_>, axes: &[Axis], levels: &[u32]) -> Vec<String> {
    let world = &trials.asked().base.plan.world;
    let market = trials.market();
    let more = larger(market, axes, levels);
    let mut words = Vec::new();
    for (lot, was) in more.supply.iter().zip(&market.supply).filter(|(lot, was)| lot.gpus != was.gpus) {
        let region = &world.regions[was.region].name;
        words.push(format!("+{} {} of supply in {region}", lot.gpus - was.gpus, lot.gpu));
    }
    for (pool, params) in world.pools.enumerate() {
        let (now, then) = (most_of(market, pool), most_of(&more, pool));
        if now != then {
            words.push(format!("{then} replicas of {} at most, not {now}", params.name));
        }
    }
    for (axis, &level) in axes.iter().zip(levels).filter(|(_, level)| **level > 0) {
        match axis.kind {
            Kind::Limit(class, limit) => {
                let class_name = &world.classes.as_slice()[class].name;
                let then = limit_at(trials, class, limit, level).map(span).unwrap_or_default();
                words.push(format!("{} of {class_name} {then}", limit.name()));
            }
            Kind::Open(class, region) => {
                let rule = &world.data_classes[class].name;
                words.push(format!("{rule} processed in {} too", world.regions[region].name));
            }
            Kind::Lot(_) | Kind::Pool(_) => {}
        }
    }
    words
}

impl Axis {
    /// How far it is tried, in words.
    pub(super) fn reach(&self, trials: &Trials<'_, '_>) -> String {
        let world = &trials.asked().base.plan.world;
        let words = words(trials, std::slice::from_ref(self), &[self.most]).join(", ");
        match self.kind {
            Kind::Lot(_) => format!("up to {words}"),
            Kind::Pool(pool) => {
                let more = larger(trials.market(), std::slice::from_ref(self), &[self.most]);
                format!("up to {} replicas of {}", most_of(&more, pool), world.pools[pool].name)
            }
            Kind::Limit(class, limit) => {
                let then = limit_at(trials, class, limit, self.most).map(span).unwrap_or_default();
                format!("{} of {} up to {then}", limit.name(), world.classes.as_slice()[class].name)
            }
            Kind::Open(..) => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_in_steps_of_two_digits() {
        let ms = |ms: u64| Span(ms * 1_000_000);
        // From 95 ms, by 1 ms to 100 and by 10 ms from there to 760.
        let steps = later(ms(95), Later::Usual.most(Limit::Itl, ms(95)));
        assert_eq!(steps[..7], [96, 97, 98, 99, 100, 110, 120].map(ms));
        assert_eq!(*steps.last().unwrap(), ms(760));
        assert_eq!(later(ms(1_234), ms(2_000))[0], ms(1_300), "onto the grid");
        assert_eq!(Later::Floor.most(Limit::Ttft, ms(1)), ms(10_000));
        assert_eq!(Later::Queue.most(Limit::Ttft, ms(100)), ms(200));
        assert_eq!([ms(96), ms(2_000), Span(1_500_000)].map(span), ["96ms", "2s", "1500us"]);
    }
}
