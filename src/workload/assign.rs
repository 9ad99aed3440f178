//! Where a request's client is. Knows origins' weights and keys; must not know regions. A draw belongs to a
//! session (or to a request without one), never to a place in the file or an order of events.

use super::params::{OriginAssignment, OriginTable};
use crate::id::{Id, OriginId, TenantId};
use crate::rng::Key;

/// Draws origins.
pub(super) struct Assigner {
    assignment: OriginAssignment,
    /// Running sums of the weights.
    cumulative: Vec<f64>,
    keys: Keys,
}

/// What draws are for, found once.
struct Keys {
    affinity: Key,
    tenant: Key,
    session: Key,
}

impl Assigner {
    pub(super) fn new(assignment: OriginAssignment, table: &OriginTable, key: Key) -> Assigner {
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
        Assigner { assignment, cumulative: cumulative.collect(), keys }
    }
    /// The origin of a row that names `named`; `identity` is its session, or the request's key without one.
    pub(super) fn origin(&self, named: Option<OriginId>, identity: u64, tenant: TenantId) -> OriginId {
        let affinity = match self.assignment {
            OriginAssignment::Single(origin) => return origin,
            OriginAssignment::Weighted { tenant_affinity } => tenant_affinity,
        };
        if let Some(named) = named {
            return named;
        }
        if self.cumulative.len() == 1 {
            return OriginId::new(0);
        }
        if affinity > 0.0 && self.keys.affinity.at(identity).unit() < affinity {
            return self.pick(self.keys.tenant.at(tenant.0 as u64).unit());
        }
        self.pick(self.keys.session.at(identity).unit())
    }
    fn pick(&self, unit: f64) -> OriginId {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let index = self.cumulative.partition_point(|&sum| sum <= unit * total);
        OriginId::new(index.min(self.cumulative.len().saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DataClassId;
    use crate::workload::params::OriginRow;

    fn table(weights: &[f64]) -> OriginTable {
        let row = |&weight: &f64| OriginRow { name: String::new(), weight, data_class: DataClassId(0) };
        OriginTable { origins: weights.iter().map(row).collect(), ..OriginTable::default() }
    }

    #[test]
    fn shares_follow_the_weights() {
        let assigner =
            Assigner::new(OriginAssignment::default(), &table(&[4.5, 0.0, 3.5, 2.0]), Key::root(1));
        let mut counts = [0f64; 4];
        (0..20_000).for_each(|id| counts[assigner.origin(None, id, TenantId(0)).index()] += 1.0);
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
        let weighted = |tenant_affinity| {
            Assigner::new(OriginAssignment::Weighted { tenant_affinity }, &table(&[1.0, 1.0]), Key::root(1))
        };
        let at_home = |assigner: &Assigner| {
            let home = assigner.pick(assigner.keys.tenant.at(7).unit());
            (0..10_000).filter(|&id| assigner.origin(None, id, TenantId(7)) == home).count() as f64
        };
        assert_eq!(at_home(&weighted(1.0)), 10_000.0);
        // a + (1-a)/2 of the sessions; 5 standard deviations of a binomial are at most 250
        assert!((at_home(&weighted(0.5)) - 7_500.0).abs() < 250.0);
        assert!((at_home(&weighted(0.0)) - 5_000.0).abs() < 250.0);
    }

    #[test]
    fn what_a_row_names_stays_unless_all_come_from_one() {
        let assigner = Assigner::new(OriginAssignment::default(), &table(&[1.0, 1.0]), Key::root(1));
        assert!((0..50).all(|id| assigner.origin(Some(OriginId(1)), id, TenantId(0)) == OriginId(1)));
        let single = Assigner::new(OriginAssignment::Single(OriginId(0)), &table(&[1.0, 1.0]), Key::root(1));
        assert!((0..50).all(|id| single.origin(Some(OriginId(1)), id, TenantId(0)) == OriginId(0)));
    }
}
