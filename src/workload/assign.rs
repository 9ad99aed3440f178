//! Where a request's client is. Knows origins' weights, day curves and keys; must not know regions. A draw belongs to a
//! session (or to a request without one), never to a place in the file or an order of events.

use super::curve::{Curve, Local, WEEK_S};
use super::params::{OriginAssignment, OriginTable, WorkloadParams};
use crate::id::{Id, OriginId};
use crate::rng::Key;
use crate::time::{NS_PER_SEC, SimTime};
use std::sync::LazyLock;

/// Draws origins.
pub(super) struct Assigner {
    assignment: OriginAssignment,
    /// Running sums of the weights.
    cumulative: Vec<f64>,
    /// Where sessions are drawn with the weights of their moment.
    moment: Option<Moments>,
    keys: Keys,
}

/// Who asks for an origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    /// Its session, or the request's key without one.
    pub identity: u64,
    /// What shares a home under affinity: its tenant, or its shared prompt.
    pub group: u64,
    /// When its session begins.
    pub begins: SimTime,
}

/// What draws are for, found once.
struct Keys {
    affinity: Key,
    tenant: Key,
    session: Key,
}

/// Running sums of the origins' weights by the time of the week.
struct Moments {
    /// Seconds since the start at which each begins, rising, from 0.
    from_s: Vec<u32>,
    /// Per step, as many as there are origins.
    cumulative: Vec<f64>,
    origins: usize,
}

static FLAT: LazyLock<Curve> = LazyLock::new(Curve::flat);

/// The origins a workload's sessions may come from, each with its curve.
pub(super) fn locals<'p>(workload: &'p WorkloadParams, table: &'p OriginTable) -> Vec<Local<'p>> {
    let single = match workload.origins {
        OriginAssignment::Single(origin) => Some(origin.index()),
        OriginAssignment::Weighted { .. } => None,
    };
    let rows = table.origins.iter().enumerate();
    rows.filter(|&(index, _)| single.is_none_or(|single| single == index))
        .map(|(_, row)| Local {
            curve: row.geography.day_curve.as_ref().or(workload.setting.rate_curve.as_ref()).unwrap_or(&FLAT),
            utc_offset_min: row.geography.utc_offset_min,
            weight: if single.is_some() { 1.0 } else { row.weight },
        })
        .collect()
}

impl Moments {
    fn new(workload: &WorkloadParams, table: &OriginTable) -> Option<Moments> {
        let locals = locals(workload, table);
        if locals.len() < 2 || locals.iter().all(|local| local.curve.is_flat()) {
            return None;
        }
        // Each alone, so that a step begins wherever one of them changes, even where their sum does not.
        let start = (u64::from(workload.setting.utc_start_s) + workload.setting.shift.0 / NS_PER_SEC)
            % u64::from(WEEK_S);
        let mut from_s: Vec<u32> = locals
            .iter()
            .flat_map(|local| super::curve::together(&[Local { weight: 1.0, ..*local }], start as u32))
            .map(|(from, _)| from)
            .collect();
        from_s.sort_unstable();
        from_s.dedup();
        let mut cumulative = Vec::with_capacity(from_s.len() * locals.len());
        for from in &from_s {
            let utc = ((u64::from(*from) + start) % u64::from(WEEK_S)) as u32;
            let mut sum = 0.0;
            for local in &locals {
                sum += local.weight * local.at(utc);
                cumulative.push(sum);
            }
        }
        Some(Moments { from_s, cumulative, origins: locals.len() })
    }
    fn at(&self, time: SimTime) -> &[f64] {
        let second = (time.0 / NS_PER_SEC % u64::from(WEEK_S)) as u32;
        let step = self.from_s.partition_point(|&from| from <= second) - 1;
        &self.cumulative[step * self.origins..(step + 1) * self.origins]
    }
}

fn pick(cumulative: &[f64], unit: f64) -> OriginId {
    let total = cumulative.last().copied().unwrap_or(0.0);
    let index = cumulative.partition_point(|&sum| sum <= unit * total);
    OriginId::new(index.min(cumulative.len().saturating_sub(1)))
}

impl Assigner {
    pub(super) fn new(workload: &WorkloadParams, table: &OriginTable, key: Key) -> Assigner {
        let keys = Keys {
            affinity: key.named("affinity"),
            tenant: key.named("tenant"),
            session: key.named("session"),
        };
        let mut sum = 0.0;
        let cumulative = table.origins.iter().map(|origin| {
            sum += origin.weight;
            sum
        });
        let moment = match workload.origins {
            OriginAssignment::Weighted { diurnal: true, .. } => Moments::new(workload, table),
            _ => None,
        };
        Assigner { assignment: workload.origins, cumulative: cumulative.collect(), moment, keys }
    }
    /// Whether a draw needs to know when its session began.
    pub(super) fn reads_time(&self) -> bool {
        self.moment.is_some()
    }
    /// The origin of a row that names `named`.
    pub(super) fn origin(&self, named: Option<OriginId>, asks: Asks) -> OriginId {
        let affinity = match self.assignment {
            OriginAssignment::Single(origin) => return origin,
            OriginAssignment::Weighted { affinity, .. } => affinity,
        };
        if let Some(named) = named {
            return named;
        }
        if self.cumulative.len() == 1 {
            return OriginId::new(0);
        }
        if affinity > 0.0 && self.keys.affinity.at(asks.identity).unit() < affinity {
            return pick(&self.cumulative, self.keys.tenant.at(asks.group).unit());
        }
        let unit = self.keys.session.at(asks.identity).unit();
        match &self.moment {
            Some(moments) => {
                let sums = moments.at(asks.begins);
                // At a moment without demand anywhere, the day's weights stand in.
                if sums.last().is_some_and(|&sum| sum > 0.0) {
                    return pick(sums, unit);
                }
                pick(&self.cumulative, unit)
            }
            None => pick(&self.cumulative, unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::params::{AffinityBy, Geography, OriginRow, SyntheticParams, WorkloadKind};

    fn assigner(assignment: OriginAssignment, table: &OriginTable) -> Assigner {
        let mut workload = WorkloadParams::new("w", WorkloadKind::Synthetic(SyntheticParams::default()));
        workload.origins = assignment;
        Assigner::new(&workload, table, Key::root(1))
    }

    fn asks(identity: u64, group: u64) -> Asks {
        Asks { identity, group, begins: SimTime::ZERO }
    }

    fn table(weights: &[f64]) -> OriginTable {
        let row = |&weight: &f64| OriginRow { weight, ..OriginRow::default() };
        OriginTable { origins: weights.iter().map(row).collect(), ..OriginTable::default() }
    }

    #[test]
    fn shares_follow_the_weights() {
        let assigner = assigner(OriginAssignment::default(), &table(&[4.5, 0.0, 3.5, 2.0]));
        let mut counts = [0f64; 4];
        (0..20_000).for_each(|id| counts[assigner.origin(None, asks(id, 0)).index()] += 1.0);
        assert_eq!(counts[1], 0.0);
        // chi² with 2 degrees of freedom exceeds 13.8 once in a thousand
        let chi: f64 = [(0, 9000.0), (2, 7000.0), (3, 4000.0)]
            .iter()
            .map(|&(i, want)| (counts[i] - want) * (counts[i] - want) / want)
            .sum();
        assert!(chi < 13.8, "{counts:?}");
    }

    #[test]
    fn a_tenant_has_a_home_to_the_degree_asked() {
        let weighted = |affinity| {
            let by = AffinityBy::Tenant;
            assigner(OriginAssignment::Weighted { affinity, by, diurnal: true }, &table(&[1.0, 1.0]))
        };
        let at_home = |assigner: &Assigner| {
            let home = pick(&assigner.cumulative, assigner.keys.tenant.at(7).unit());
            (0..10_000).filter(|&id| assigner.origin(None, asks(id, 7)) == home).count() as f64
        };
        assert_eq!(at_home(&weighted(1.0)), 10_000.0);
        // a + (1-a)/2 of the sessions; 5 standard deviations of a binomial are at most 250
        assert!((at_home(&weighted(0.5)) - 7_500.0).abs() < 250.0);
        assert!((at_home(&weighted(0.0)) - 5_000.0).abs() < 250.0);
    }

    #[test]
    fn what_a_row_names_stays_unless_all_come_from_one() {
        let named = assigner(OriginAssignment::default(), &table(&[1.0, 1.0]));
        assert!((0..50).all(|id| named.origin(Some(OriginId(1)), asks(id, 0)) == OriginId(1)));
        let single = assigner(OriginAssignment::Single(OriginId(0)), &table(&[1.0, 1.0]));
        assert!((0..50).all(|id| single.origin(Some(OriginId(1)), asks(id, 0)) == OriginId(0)));
    }

    #[test]
    fn shares_follow_the_sun() {
        let mut table = table(&[1.0, 1.0]);
        for (row, utc_offset_min) in table.origins.iter_mut().zip([0, 720]) {
            row.geography = Geography {
                utc_offset_min,
                // By day four times what it is by night.
                day_curve: Some(Curve::table(&[1.0, 4.0, 4.0, 1.0], [1.0; 7])),
                ..Geography::default()
            };
        }
        let count = |hour: u64, diurnal| {
            let weighted = OriginAssignment::Weighted { affinity: 0.0, by: AffinityBy::Tenant, diurnal };
            let assigner = assigner(weighted, &table);
            let begins = SimTime(hour * 3600 * NS_PER_SEC);
            (0..10_000)
                .filter(|&identity| assigner.origin(None, Asks { identity, group: 0, begins }) == OriginId(0))
                .count() as f64
        };
        // 4/5 at noon and 1/5 at midnight, every day; 5 standard deviations of a binomial with 0.8 are 200
        for day in [0, 24, 24 * 9] {
            assert!((count(day + 12, true) - 8_000.0).abs() < 200.0);
            assert!((count(day, true) - 2_000.0).abs() < 200.0);
        }
        assert!((count(12, false) - 5_000.0).abs() < 250.0, "the day's weights, whatever the hour");
    }
}
