//! What a run of a plan takes: the overrides that make the scenario's pools those of the plan. Knows pools and offers; must not
//! know the scenario's text, which answers for itself.

use super::market::{Market, Offer};
use crate::id::Id;
use crate::scenario::Plan;
use crate::scenario::overrides::dotted;

/// The scenario's text.
pub trait Written: Sync {
    /// The question of the scenario with overrides more; `None` where they make no scenario.
    fn again(&self, set: &[String]) -> Option<super::Asked>;
    /// A pool as it is written, but of another GPU type and with so many replicas, as a value of TOML.
    fn pool_of(&self, region: &str, pool: &str, gpu: &str, replicas: u32) -> Option<String>;
}

/// The overrides of a plan. A pool that is made of several GPU types becomes as many pools.
pub fn set(market: &Market, base: &Plan, written: &dyn Written, counts: &[u32]) -> Vec<String> {
    let mut set = Vec::new();
    for (pool, params) in base.world.pools.enumerate() {
        let Some((region, name)) = params.name.split_once('/') else { continue };
        let offers = market.offers.iter().zip(counts).filter(|(offer, _)| offer.pool == pool);
        let taken: Vec<(&Offer, u32)> =
            offers.map(|(offer, &n)| (offer, n)).filter(|&(_, n)| n > 0).collect();
        let own = base.facts.pools[pool.index()].gpu.clone().unwrap_or_default();
        // The pool keeps its own type where it has replicas of it.
        let first = taken.iter().position(|(offer, _)| offer.gpu == own).unwrap_or(0);
        let replicas = taken.get(first).map_or(0, |&(_, n)| n);
        if let Some((offer, _)) = taken.get(first).filter(|(offer, _)| offer.gpu != own) {
            set.push(format!("{}={}", dotted(&["regions", region, "pools", name, "gpu"]), offer.gpu));
        }
        if replicas != params.replicas {
            set.push(format!("{}={replicas}", dotted(&["regions", region, "pools", name, "replicas"])));
        }
        for &(offer, n) in taken.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, lot)| lot) {
            let Some(table) = written.pool_of(region, name, &offer.gpu, n) else { continue };
            // Called after its type, unless a pool is already.
            let full = format!("{region}/{}", offer.gpu);
            let path = dotted(&["regions", region, "pools", &offer.gpu]);
            let free = base.world.pools.iter().all(|other| other.name != full)
                && !set.iter().any(|one| one.starts_with(&path));
            let name = if free { offer.gpu.clone() } else { format!("{}-of-{name}", offer.gpu) };
            set.push(format!("{}={table}", dotted(&["regions", region, "pools", &name])));
        }
    }
    set
}
