//! What can be had: offers of replicas, each a pool made of one GPU type, with its price and its bounds; and how many GPUs
//! of each type there are in each region. Knows counts and money; must not know whether any count is enough.

use crate::cost::{MicroUsd, PoolPrice};
use crate::id::{Id, PoolId, RegionId};
use crate::scenario::{Plan, Planning, Supply};
use crate::world::PoolParams;

/// Replicas of each offer, in the order of offers: a plan.
pub type Counts = Vec<u32>;

/// A pool made of one GPU type.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its name, `region/pool`, with ` on GPU` where the pool is offered several types.
    pub name: String,
    /// The pool of the scenario.
    pub pool: PoolId,
    /// Where.
    pub region: RegionId,
    /// The GPU's name in the catalogue; empty for plain queues.
    pub gpu: String,
    /// GPUs of one replica; 0 for plain queues.
    pub gpus_per_replica: u32,
    /// What one replica costs an hour; GPUs (for plain queues, replicas) in millionths where nothing has a price.
    pub price: MicroUsd,
    /// The fewest replicas.
    pub min: u32,
    /// The most, as stated.
    pub max: u32,
}

/// All offers and what they share.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// The offers, by pool.
    pub offers: Vec<Offer>,
    /// The most GPUs by region and type.
    pub supply: Vec<Supply>,
    /// Replicas of each pool of the scenario as they are written.
    pub written: Vec<(PoolId, u32)>,
    /// Whether costs are dollars.
    pub priced: bool,
}

impl Market {
    /// The offers of a scenario. `typed` gives the scenario with every offering pool made of a GPU type.
    pub fn of(base: &Plan, planning: &Planning, typed: &[(String, Plan)]) -> Market {
        let priced = !base.facts.prices.is_empty();
        let mut offers = Vec::new();
        for (pool, params) in base.world.pools.enumerate() {
            let planned = planning.pool(pool);
            let own = base.facts.pools[pool.index()].gpu.clone().unwrap_or_default();
            let several = planned.map(|planned| planned.gpus.clone()).unwrap_or_default();
            let gpus = if several.is_empty() { vec![own.clone()] } else { several };
            for gpu in &gpus {
                let plan = if *gpu == own { base } else { typed_plan(typed, gpu).unwrap_or(base) };
                let bounds = planned.map_or((params.replicas, params.replicas), |p| (p.min, p.max));
                offers.push(Offer {
                    name: if gpus.len() > 1 {
                        format!("{} on {gpu}", params.name)
                    } else {
                        params.name.clone()
                    },
                    pool,
                    region: params.region,
                    gpu: gpu.clone(),
                    gpus_per_replica: params.gpus_per_replica,
                    price: price(plan, params, priced),
                    min: bounds.0,
                    max: bounds.1,
                });
            }
        }
        let written = base.world.pools.enumerate().map(|(pool, params)| (pool, params.replicas)).collect();
        Market { offers, supply: planning.supply.clone(), written, priced }
    }

    /// What a plan costs an hour.
    pub fn cost(&self, counts: &[u32]) -> MicroUsd {
        self.offers.iter().zip(counts).map(|(offer, &n)| MicroUsd(offer.price.0 * u64::from(n))).sum()
    }
    /// GPUs of a lot that a plan takes.
    pub fn taken(&self, supply: &Supply, counts: &[u32]) -> u64 {
        let of_lot = self.offers.iter().zip(counts).filter(|(offer, _)| Market::is_of(supply, offer));
        of_lot.map(|(offer, &n)| u64::from(offer.gpus_per_replica) * u64::from(n)).sum()
    }
    /// Whether an offer takes GPUs of a lot.
    pub fn is_of(supply: &Supply, offer: &Offer) -> bool {
        supply.region == offer.region && supply.gpu == offer.gpu
    }
    /// Whether a plan is within all bounds, supply and what each pool may be.
    pub fn fits(&self, counts: &[u32]) -> bool {
        self.offers.iter().zip(counts).all(|(offer, n)| (offer.min..=offer.max).contains(n))
            && self.supply.iter().all(|lot| self.taken(lot, counts) <= u64::from(lot.gpus))
    }
    /// The fewest of everything.
    pub fn bottom(&self) -> Counts {
        self.offers.iter().map(|offer| offer.min).collect()
    }
    /// The most of everything; offers that share a lot take turns until it is used up.
    pub fn top(&self) -> Counts {
        let mut counts = self.bottom();
        loop {
            let mut grew = false;
            for at in 0..counts.len() {
                counts[at] += 1;
                if self.fits(&counts) {
                    grew = true;
                } else {
                    counts[at] -= 1;
                }
            }
            if !grew {
                return counts;
            }
        }
    }
    /// The market with `more` GPUs of a lot.
    pub fn with_more(&self, lot: usize, more: u32) -> Market {
        let mut market = self.clone();
        market.supply[lot].gpus = market.supply[lot].gpus.saturating_add(more);
        market
    }
    /// The offers that may change.
    pub fn free(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.offers.len()).filter(|&at| self.offers[at].min < self.offers[at].max)
    }
    /// A cost in words.
    pub fn money(&self, cost: MicroUsd) -> String {
        if self.priced { format!("{:.2} $/h", cost.usd()) } else { format!("{} {}", cost.usd(), self.unit()) }
    }
    /// What costs are counted in.
    pub fn unit(&self) -> &'static str {
        if self.priced {
            "$/h"
        } else if self.offers.iter().all(|offer| offer.gpus_per_replica == 0) {
            "replicas"
        } else {
            "GPUs"
        }
    }
}

/// The scenario whose offering pools are made of `gpu`.
pub fn typed_plan<'p>(typed: &'p [(String, Plan)], gpu: &str) -> Option<&'p Plan> {
    typed.iter().find(|(name, _)| name == gpu).map(|(_, plan)| plan)
}

fn price(plan: &Plan, pool: &PoolParams, priced: bool) -> MicroUsd {
    let gpus = u64::from(pool.gpus_per_replica);
    if !priced {
        return MicroUsd(1_000_000 * gpus.max(1));
    }
    let hour = plan.facts.prices.iter().find(|price| price.pool == pool.name).map(PoolPrice::gpu_hour);
    MicroUsd(hour.unwrap_or_default().0 * gpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(region: u32, gpu: &str, price: u64, max: u32) -> Offer {
        Offer {
            name: String::new(),
            pool: PoolId(region),
            region: RegionId(region),
            gpu: gpu.into(),
            gpus_per_replica: 2,
            price: MicroUsd(price),
            min: 0,
            max,
        }
    }

    #[test]
    fn supply_is_shared_and_never_exceeded() {
        // Two pools of l4 pairs in region 0 share 7 GPUs: three pairs, taken in turns, so 2 and 1. The l40s has no lot.
        let market = Market {
            offers: vec![offer(0, "l4", 5, 9), offer(0, "l4", 5, 9), offer(0, "l40s", 9, 4)],
            supply: vec![Supply { region: RegionId(0), gpu: "l4".into(), gpus: 7 }],
            written: Vec::new(),
            priced: false,
        };
        assert_eq!(market.top(), [2, 1, 4]);
        assert_eq!(market.taken(&market.supply[0], &[2, 1, 4]), 6);
        assert!(!market.fits(&[2, 2, 0]) && !market.fits(&[0, 0, 5]));
        assert_eq!(market.with_more(0, 1).top(), [2, 2, 4]);
        assert_eq!(market.cost(&[2, 1, 4]), MicroUsd(3 * 5 + 4 * 9));
    }
}
