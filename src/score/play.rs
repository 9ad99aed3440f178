//! Runs the cells that formulas ask for, and no others, in parallel. Knows plans and cells; must not know what is expected.
//! The number of threads changes nothing.

use super::observed::Observed;
use super::suite::Suite;
use rayon::prelude::*;

/// A finished cell.
#[derive(Clone, Debug)]
pub struct Played {
    /// The variant, by index in the suite.
    pub run: usize,
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// What is kept of it.
    pub observed: Observed,
}

/// Runs all cells of all suites; `done` is told of each one that ends.
///
/// # Errors
/// When a world cannot be built from its parameters, or a law of conservation was broken, in words.
pub fn play(suites: &[Suite], done: impl Fn() + Sync) -> Result<Vec<Vec<Played>>, String> {
    let mut jobs = Vec::new();
    for (at, suite) in suites.iter().enumerate() {
        for (index, run) in suite.runs.iter().enumerate() {
            let plan = &run.prepared.plan;
            for policy in plan.policies.iter().filter(|policy| run.policies.contains(&policy.name)) {
                jobs.extend(
                    (0..u64::from(suite.seeds)).map(|i| (at, index, run, policy, plan.seed.wrapping_add(i))),
                );
            }
        }
    }
    let one = |(at, index, run, policy, seed): &(
        usize,
        usize,
        &super::suite::Run,
        &crate::world::PolicyParams,
        u64,
    )| {
        let name = || format!("{} {} {}, seed {seed}", suites[*at].name, run.name, policy.name);
        let observed = Observed::run(&run.prepared.cell(policy, *seed))
            .map_err(|error| format!("{}: {error}", name()))?;
        done();
        Ok((*at, Played { run: *index, policy: policy.name.clone(), seed: *seed, observed }))
    };
    // Cells differ a hundredfold in length, so each is handed out alone.
    let ended: Vec<Result<(usize, Played), String>> = jobs.par_iter().with_max_len(1).map(one).collect();
    let mut by_suite: Vec<Vec<Played>> = suites.iter().map(|_| Vec::new()).collect();
    for cell in ended {
        let (at, played) = cell?;
        by_suite[at].push(played);
    }
    Ok(by_suite)
}
