//! A question as a scenario puts it: the scenario itself, that of each contingency with overrides, and what is asked. Knows
//! overrides; must not know how a plan is searched for. `parse` reads the scenario with overrides: whoever holds its text.

use super::scene::Variant;
use crate::scenario::overrides::dotted;
use crate::scenario::{Plan, Planning};
use std::collections::BTreeSet;

/// A question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The scenario.
    pub base: Variant,
    /// The scenario of each contingency that has overrides, in their order.
    pub by_set: Vec<Variant>,
    /// What is asked.
    pub planning: Planning,
}

/// Why there is no question.
#[derive(Debug)]
pub enum AskedError<E> {
    /// A scenario with overrides cannot be read.
    Scenario(E),
    /// This contingency has other regions or pools than the scenario.
    Differs(String),
}

impl Asked {
    /// The question of a scenario.
    ///
    /// # Errors
    /// As `parse`, and where a contingency adds or removes regions or pools.
    pub fn of<E>(
        plan: &Plan,
        planning: Planning,
        mut parse: impl FnMut(&[String]) -> Result<Plan, E>,
    ) -> Result<Asked, AskedError<E>> {
        let base = variant(plan, &planning, &[], &mut parse).map_err(AskedError::Scenario)?;
        let mut by_set = Vec::new();
        for contingency in planning.contingencies.iter().filter(|contingency| !contingency.set.is_empty()) {
            let changed =
                variant(plan, &planning, &contingency.set, &mut parse).map_err(AskedError::Scenario)?;
            let differ = pools(&changed.plan) != pools(plan) || regions(&changed.plan) != regions(plan);
            if differ {
                return Err(AskedError::Differs(contingency.name.clone()));
            }
            by_set.push(changed);
        }
        Ok(Asked { base, by_set, planning })
    }
}

fn pools(plan: &Plan) -> Vec<&str> {
    plan.world.pools.iter().map(|pool| pool.name.as_str()).collect()
}

fn regions(plan: &Plan) -> Vec<&str> {
    plan.world.regions.iter().map(|region| region.name.as_str()).collect()
}

/// The scenario of overrides, with every pool that is offered GPU types made of each of them.
fn variant<E>(
    base: &Plan,
    planning: &Planning,
    set: &[String],
    parse: &mut impl FnMut(&[String]) -> Result<Plan, E>,
) -> Result<Variant, E> {
    let plan = parse(set)?;
    let mut gpus: BTreeSet<&String> = BTreeSet::new();
    gpus.extend(planning.pools.iter().flat_map(|pool| &pool.gpus));
    let mut typed = Vec::new();
    for gpu in gpus {
        let mut with = set.to_vec();
        for pool in planning.pools.iter().filter(|pool| pool.gpus.contains(gpu)) {
            let Some((region, name)) = base.world.pools[pool.pool].name.split_once('/') else { continue };
            with.push(format!("{}={gpu}", dotted(&["regions", region, "pools", name, "gpu"])));
        }
        typed.push((gpu.clone(), parse(&with)?));
    }
    Ok(Variant { plan, typed })
}
