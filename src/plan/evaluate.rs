//! Many cells: a plan against all cases and seeds, each cell once. Knows which cells decide soonest and what is remembered;
//! must not know where plans come from. Cells go out in batches of set sizes, so that what is played does not depend on the
//! number of threads; those that failed the last plan go first.

use super::cell::{CellError, Outcome, play};
use super::market::{Counts, Market};
use super::scene::Scene;
use crate::digest::Digest;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cells of the first batches of a plan: a plan that fails does so mostly at once. Our choice.
const BATCHES: [usize; 3] = [2, 4, 8];

/// Where results outlive the program.
pub trait Store: Sync {
    /// What was remembered under a key.
    fn recall(&self, key: u64) -> Option<Outcome>;
    /// Remembers it.
    fn keep(&self, key: u64, outcome: &Outcome);
}

/// A case, a plan, a seed, and the misses by group at which there is nothing left to see.
type Job<'j> = (&'j Scene, &'j [u32], u64, Option<Vec<u64>>);
/// A plan, a case by its hash, and a seed.
type Key = (u64, Counts, u64);

/// How one plan fared in one case: pooled over seeds, by group.
#[derive(Clone, Debug, PartialEq)]
pub struct Fared {
    /// Arrivals and those within their SLO over all seeds, by group.
    pub groups: Vec<super::cell::Tally>,
    /// Whether every group reached its target.
    pub passes: bool,
}

/// Plays cells and remembers them.
pub struct Evaluator<'s> {
    /// The cases.
    pub scenes: &'s [Scene],
    /// What counts mean.
    pub market: &'s Market,
    /// Whether each origin must reach the targets.
    pub by_origin: bool,
    /// The most generous plan: its arrivals are those of a seed.
    pub top: Counts,
    store: Option<&'s dyn Store>,
    memo: BTreeMap<Key, Arc<Outcome>>,
    /// Plans that are known to fail; what has no more of anything fails too, as far as a search is concerned.
    failed: Vec<Counts>,
    /// Which cells failed last, soonest first.
    killers: Vec<(usize, u64)>,
    /// Cells that were played.
    pub played: u64,
    /// Cells that were found in the store.
    pub recalled: u64,
    tick: &'s (dyn Fn() + Sync),
}

impl<'s> Evaluator<'s> {
    /// For these cases. `tick` is called for each cell.
    pub fn new(
        scenes: &'s [Scene],
        market: &'s Market,
        by_origin: bool,
        store: Option<&'s dyn Store>,
        tick: &'s (dyn Fn() + Sync),
    ) -> Evaluator<'s> {
        Evaluator {
            scenes,
            market,
            by_origin,
            top: market.top(),
            store,
            memo: BTreeMap::new(),
            failed: Vec::new(),
            killers: Vec::new(),
            played: 0,
            recalled: 0,
            tick,
        }
    }

    /// Plays these cases in place of another's, and knows what that one has played; counts mean the same offers. To be
    /// given back with the same call.
    pub fn share(&mut self, other: &mut Evaluator<'_>) {
        std::mem::swap(&mut self.memo, &mut other.memo);
        other.played += std::mem::take(&mut self.played);
        other.recalled += std::mem::take(&mut self.recalled);
    }

    /// The target of a group.
    pub fn target(&self, scene: &Scene, group: usize) -> f64 {
        let origins = scene.plan.world.origins.len();
        scene.targets[if self.by_origin { group / origins.max(1) } else { group }]
    }
    /// A group's name.
    pub fn group_name(&self, scene: &Scene, group: usize) -> String {
        if !self.by_origin {
            return scene.classes()[group].name.clone();
        }
        let origins = scene.plan.world.origins.as_slice();
        format!("{} of {}", scene.classes()[group / origins.len()].name, origins[group % origins.len()].name)
    }

    /// These cells, whole; in their order.
    pub fn whole(&mut self, cells: &[(&Scene, &[u32], u64)]) -> Result<Vec<Arc<Outcome>>, CellError> {
        let jobs: Vec<_> = cells.iter().map(|&(scene, counts, seed)| (scene, counts, seed, None)).collect();
        self.batch(&jobs)
    }

    fn key(&self, scene: &Scene, counts: &[u32], seed: u64) -> Key {
        (scene.hash, scene.present(self.market, counts), seed)
    }

    /// What is not known is played, all at once. A run that was stopped does for those who would have stopped it.
    fn batch(&mut self, jobs: &[Job<'_>]) -> Result<Vec<Arc<Outcome>>, CellError> {
        let keys: Vec<Key> =
            jobs.iter().map(|(scene, counts, seed, _)| self.key(scene, counts, *seed)).collect();
        let known = |memo: &BTreeMap<Key, Arc<Outcome>>, at: usize| {
            memo.get(&keys[at]).filter(|outcome| outcome.whole || jobs[at].3.is_some()).cloned()
        };
        let mut open: Vec<usize> = (0..jobs.len()).filter(|&at| known(&self.memo, at).is_none()).collect();
        // Equal cells, such as a region's loss where the region has nothing, are played once.
        open.sort_by_key(|&at| (&keys[at], jobs[at].3.is_some()));
        open.dedup_by_key(|at| &keys[*at]);
        let (market, by_origin, store, tick) = (self.market, self.by_origin, self.store, self.tick);
        let played: Vec<Result<(usize, Outcome, bool), CellError>> = open
            .par_iter()
            .map(|&at| {
                let (scene, counts, seed, allowed) = &jobs[at];
                let name = stored(&keys[at], by_origin);
                let found = store.and_then(|store| store.recall(name));
                if let Some(outcome) = found.filter(|outcome| outcome.whole) {
                    return Ok((at, outcome, true));
                }
                let outcome = play(scene, market, counts, *seed, by_origin, allowed.as_deref())?;
                if let Some(store) = store.filter(|_| outcome.whole) {
                    store.keep(name, &outcome);
                }
                tick();
                Ok((at, outcome, false))
            })
            .collect();
        for one in played {
            let (at, outcome, recalled) = one?;
            *(if recalled { &mut self.recalled } else { &mut self.played }) += 1;
            self.memo.insert(keys[at].clone(), Arc::new(outcome));
        }
        Ok(keys.iter().map(|key| self.memo[key].clone()).collect())
    }

    /// Misses over all seeds that a group may have and pass: of as many arrivals as the most generous plan has.
    fn allowance(&mut self, scene: &Scene, seeds: &[u64]) -> Result<Vec<u64>, CellError> {
        let top = self.top.clone();
        let cells: Vec<(&Scene, &[u32], u64)> =
            seeds.iter().map(|&seed| (scene, top.as_slice(), seed)).collect();
        let outcomes = self.whole(&cells)?;
        let groups = outcomes[0].groups.len();
        let allowed = |group: usize| {
            let arrivals: u64 = outcomes.iter().map(|outcome| outcome.groups[group].arrivals).sum();
            may_miss(arrivals, self.target(scene, group))
        };
        Ok((0..groups).map(allowed).collect())
    }

    /// Whether a plan passes all cases under these seeds, pooled over the seeds. What fails is not played to its end.
    pub fn passes(&mut self, counts: &[u32], seeds: &[u64]) -> Result<bool, CellError> {
        if self.dominated(counts) {
            return Ok(false);
        }
        let scenes = self.scenes;
        let mut order = self.killers.clone();
        for (at, _) in scenes.iter().enumerate() {
            order.extend(seeds.iter().map(|&seed| (at, seed)).filter(|cell| !self.killers.contains(cell)));
        }
        order.retain(|&(at, seed)| at < scenes.len() && seeds.contains(&seed));
        let allowances: Vec<Vec<u64>> =
            scenes.iter().map(|scene| self.allowance(scene, seeds)).collect::<Result<_, _>>()?;
        let mut missed: Vec<Vec<u64>> = allowances.iter().map(|groups| vec![0; groups.len()]).collect();
        let mut arrived = missed.clone();
        let mut batches = BATCHES.into_iter().chain(std::iter::repeat(BATCHES[BATCHES.len() - 1]));
        let mut left = order.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(batches.next().unwrap_or(1).min(left.len()));
            left = later;
            let jobs: Vec<_> = now
                .iter()
                .map(|&(at, seed)| (&scenes[at], counts, seed, Some(allowances[at].clone())))
                .collect();
            let outcomes = self.batch(&jobs)?;
            for (&(at, seed), outcome) in now.iter().zip(&outcomes) {
                for (group, tally) in outcome.groups.iter().enumerate() {
                    missed[at][group] += tally.missed();
                    arrived[at][group] += tally.arrivals;
                }
                if !outcome.whole
                    || missed[at].iter().zip(&allowances[at]).any(|(sum, allowed)| sum > allowed)
                {
                    self.fail(counts, (at, seed));
                    return Ok(false);
                }
            }
        }
        // Whoever waits for answers sends less to a slow fleet: the last word is on what has arrived.
        for (at, scene) in scenes.iter().enumerate() {
            let short =
                |group: usize| missed[at][group] > may_miss(arrived[at][group], self.target(scene, group));
            if (0..missed[at].len()).any(short) {
                self.fail(counts, (at, seeds[0]));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Remembers that a plan fails, and where.
    fn fail(&mut self, counts: &[u32], cell: (usize, u64)) {
        self.killers.retain(|other| *other != cell);
        self.killers.insert(0, cell);
        self.failed.retain(|other| !other.iter().zip(counts).all(|(other, n)| other <= n));
        self.failed.push(counts.to_vec());
    }

    /// Whether a plan that is known to fail has as much of everything or more.
    pub fn dominated(&self, counts: &[u32]) -> bool {
        self.failed.iter().any(|failed| failed.iter().zip(counts).all(|(failed, n)| n <= failed))
    }

    /// Whole cells of usual cases, by plan, for those plans that have all of these seeds.
    pub fn seen(&self, seeds: &[u64]) -> Vec<(Counts, Vec<Arc<Outcome>>)> {
        let usual: Vec<&Scene> = self.scenes.iter().filter(|scene| scene.usual).collect();
        let Some(first) = usual.first() else { return Vec::new() };
        let plans = self.memo.keys().filter(|key| key.0 == first.hash && key.2 == seeds[0]).map(|key| &key.1);
        plans
            .filter_map(|counts| {
                let cells = usual
                    .iter()
                    .flat_map(|scene| seeds.iter().map(|&seed| (scene.hash, counts.clone(), seed)));
                let outcomes: Option<Vec<_>> = cells.map(|key| self.memo.get(&key).cloned()).collect();
                outcomes
                    .filter(|all| all.iter().all(|outcome| outcome.whole))
                    .map(|all| (counts.clone(), all))
            })
            .collect()
    }
}

/// The most misses of so many arrivals with which the share within the SLO is the target or more: ⌊arrivals · (1 − target)⌋,
/// with room for the rounding of a product that should be whole.
pub fn may_miss(arrivals: u64, target: f64) -> u64 {
    (arrivals as f64 * (1.0 - target) + 1e-6).floor() as u64
}

fn stored(key: &Key, by_origin: bool) -> u64 {
    let mut digest = Digest::new();
    digest.word(key.0);
    key.1.iter().for_each(|&n| digest.word(u64::from(n)));
    digest.word(key.2);
    digest.word(u64::from(by_origin));
    digest.value()
}

#[cfg(test)]
mod tests {
    use super::may_miss;

    #[test]
    fn what_may_be_missed_by_hand() {
        // 5 % of 1000 is 50, in floats 50.000000000000044 or 49.99…; of 19 it is 0.95, so none; at 100 % none at all.
        for (arrivals, target, most) in
            [(1000, 0.95, 50), (999, 0.95, 49), (19, 0.95, 0), (20, 0.95, 1), (500, 1.0, 0)]
        {
            assert_eq!(may_miss(arrivals, target), most, "{arrivals} {target}");
            let share = (arrivals - most) as f64 / arrivals as f64;
            assert!(share >= target - 1e-12);
        }
    }
}
