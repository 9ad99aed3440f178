//! `run --uncertainty`: the same policies and seeds under each change of the plan.

use super::{Failure, How, Place, one};
use crate::report::uncertainty::Uncertainty;
use crate::report::{CellSummary, Summary, summarise};
use crate::run::Prepared;
use crate::run::uncertainty::changes;
use crate::world::PolicyParams;
use rayon::prelude::*;

/// Runs the changes; `summary` is of the plan as it is.
pub(super) fn ranked(
    loaded: &Prepared,
    policies: &[&PolicyParams],
    seeds: &[u64],
    how: How,
    summary: &Summary,
) -> Result<Uncertainty, Failure> {
    let mut cases = vec![("as it is".to_owned(), summary.policies.clone())];
    // A comparison of rankings needs no files, no records and no second run.
    let how = How { engine: how.engine, ..How::default() };
    for (change, plan) in changes(&loaded.plan) {
        let changed = Prepared::of(plan);
        let places: Vec<Place<'_>> = policies
            .iter()
            .flat_map(|policy| seeds.iter().map(move |&seed| Place { policy, seed, folder: None }))
            .collect();
        let cells: Vec<CellSummary> = places
            .par_iter()
            .with_max_len(1)
            .map(|place| one(place, &changed, how, None, ()))
            .collect::<Result<_, _>>()?;
        let mut cells = cells.into_iter();
        let by_policy = policies
            .iter()
            .map(|policy| (policy.name.clone(), cells.by_ref().take(seeds.len()).collect::<Vec<_>>()))
            .collect();
        let found = summarise(&changed.plan.name, &changed.provenance, &changed.capacity, seeds, by_policy);
        cases.push((change.to_string(), found.policies));
    }
    Ok(Uncertainty::of(&cases))
}
