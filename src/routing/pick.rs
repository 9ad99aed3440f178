//! Choosing the least of several. Knows scores and ties; must not know what a score means.

use super::params::Tie;
use super::{FleetView, TargetId};
use crate::rng::{Stream, mix2};

/// The eligible target with the lowest score; one random number is drawn only where a random tie is to be broken.
/// Scores are compared exactly.
pub fn least<S: PartialOrd + Copy>(
    fleet: &FleetView<'_>,
    tie: Tie,
    rng: &mut Stream,
    score: impl Fn(TargetId) -> S,
) -> TargetId {
    least_of(fleet.eligible.list(), fleet, tie, rng, score)
}

/// As [`least`], among `list`, which is in id order and not empty.
pub fn least_of<S: PartialOrd + Copy>(
    list: &[TargetId],
    fleet: &FleetView<'_>,
    tie: Tie,
    rng: &mut Stream,
    score: impl Fn(TargetId) -> S,
) -> TargetId {
    let mut best = (list[0], score(list[0]));
    let mut equals = 1;
    for &target in &list[1..] {
        let found = score(target);
        if found < best.1 {
            (best, equals) = ((target, found), 1);
        } else if found == best.1 {
            equals += 1;
        }
    }
    if tie == Tie::First || equals == 1 {
        return best.0;
    }
    let mut lowest = list.iter().copied().filter(|&target| score(target) == best.1);
    match tie {
        Tie::First => Some(best.0),
        Tie::Random => lowest.nth(rng.below(equals) as usize),
        Tie::Last => lowest.next_back(),
        Tie::LowestInflight => lowest.min_by_key(|&target| fleet.own(target).requests),
    }
    .unwrap_or(best.0)
}

/// As [`least_of`], from scores that have been computed, one for each of `list`.
pub fn least_scored(
    list: &[TargetId],
    scores: &[f64],
    tie: Tie,
    fleet: &FleetView<'_>,
    rng: &mut Stream,
) -> TargetId {
    let lowest = lowest(scores);
    let mut equals =
        (list.iter().zip(scores)).filter(|(_, score)| **score == lowest).map(|(&target, _)| target);
    let chosen = match tie {
        Tie::First => equals.next(),
        Tie::Last => equals.next_back(),
        Tie::LowestInflight => equals.min_by_key(|&target| fleet.own(target).requests),
        Tie::Random => match equals.clone().count() {
            0 | 1 => equals.next(),
            count => equals.nth(rng.below(count as u32) as usize),
        },
    };
    chosen.unwrap_or(list[0])
}

/// The lowest of `scores`, none of which is a NaN; infinity of none. Eight at a time, since each comparison would wait
/// for the one before it.
pub fn lowest(scores: &[f64]) -> f64 {
    let lower = |a: f64, b: f64| if b < a { b } else { a };
    let (eights, rest) = scores.as_chunks::<8>();
    let mut lanes = [f64::INFINITY; 8];
    for eight in eights {
        for (lane, &score) in lanes.iter_mut().zip(eight) {
            *lane = lower(*lane, score);
        }
    }
    lanes.iter().chain(rest).copied().fold(f64::INFINITY, lower)
}

/// Adds `term` of each of `list`'s values to its score. `values` are by target, and `all` says that `list` is all of them.
pub fn add_terms<T: Copy>(
    scores: &mut [f64],
    list: &[TargetId],
    all: bool,
    values: &[T],
    term: impl Fn(T) -> f64,
) {
    if all {
        scores.iter_mut().zip(values).for_each(|(score, &value)| *score += term(value));
    } else {
        scores.iter_mut().zip(list).for_each(|(score, target)| *score += term(values[target.0 as usize]));
    }
}

/// The least and the greatest of `list`'s values; as in [`add_terms`]. `list` is not empty.
pub fn span(list: &[TargetId], all: bool, values: &[u32]) -> (u32, u32) {
    let widen = |(low, high): (u32, u32), value: u32| (low.min(value), high.max(value));
    if all {
        values.iter().copied().fold((u32::MAX, 0), widen)
    } else {
        list.iter().map(|target| values[target.0 as usize]).fold((u32::MAX, 0), widen)
    }
}

/// One of `list` at random, with probabilities in proportion to exp(−cost / (temperature · (highest − lowest cost))):
/// scaled by the range, so that the temperature has no unit (as in Dynamo). Uniform where all costs are equal; the
/// lowest, by `tie`, where the temperature is 0. `weights` is scratch.
pub fn softmax(
    fleet: &FleetView<'_>,
    temperature: f64,
    tie: Tie,
    rng: &mut Stream,
    weights: &mut Vec<f64>,
    cost: impl Fn(TargetId) -> f64,
) -> TargetId {
    let list = fleet.eligible.list();
    weights.clear();
    weights.extend(list.iter().map(|&target| cost(target)));
    if temperature <= 0.0 {
        return least_scored(list, weights, tie, fleet, rng);
    }
    let lowest = lowest(weights);
    let highest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    softmax_weights(weights, lowest, (highest - lowest) * temperature);
    list[weighted(weights, rng)]
}

/// Turns costs into weights exp(−(cost − lowest) / scale); all 1 where the scale is 0.
pub fn softmax_weights(costs: &mut [f64], lowest: f64, scale: f64) {
    for cost in costs {
        *cost = if scale > 0.0 { libm::exp(-(*cost - lowest) / scale) } else { 1.0 };
    }
}

/// A place drawn with probabilities in proportion to `weights`, which are not negative; uniform where all are 0. One
/// number is drawn. `weights` is not empty.
pub fn weighted(weights: &[f64], rng: &mut Stream) -> usize {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return rng.below(weights.len() as u32) as usize;
    }
    let mut left = rng.unit() * total;
    let mut last = 0;
    for (place, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = place;
        if left < weight {
            return place;
        }
        left -= weight;
    }
    last
}

/// The first preference of `key` in `list`: rendezvous hashing over the hashes of names, by target.
pub fn rendezvous(list: &[TargetId], key: u64, names: &[u64]) -> TargetId {
    least_first(list, |target| mix2(key, names[target.0 as usize]))
}

/// The first eligible target with the lowest score.
pub fn least_first<S: PartialOrd + Copy>(eligible: &[TargetId], score: impl Fn(TargetId) -> S) -> TargetId {
    let mut best = (eligible[0], score(eligible[0]));
    for &target in &eligible[1..] {
        let found = score(target);
        if found < best.1 {
            best = (target, found);
        }
    }
    best.0
}

/// The eligible target with the fewest requests of this gateway under way, as [`least`] would find it, but from the
/// tally.
pub fn idlest(fleet: &FleetView<'_>, tie: Tie, rng: &mut Stream) -> TargetId {
    match fleet.tally.equals() {
        equals @ 2.. if tie == Tie::Random => {
            fleet.eligible.list()[fleet.tally.nth_fewest(rng.below(equals)) as usize]
        }
        equals if tie == Tie::Last => fleet.eligible.list()[fleet.tally.nth_fewest(equals - 1) as usize],
        _ => fleet.tally.idlest(fleet.eligible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;
    use crate::routing::scene::{Scene, assert_shares};

    #[test]
    fn ties_go_to_the_first_the_last_the_idlest_or_evenly_to_all() {
        let scene = Scene::new(7).requests([0, 0, 5, 0, 4, 0, 4]);
        let scores = [0, 5, 3, 0, 3, 0, 3];
        let score = |target: TargetId| scores[target.0 as usize];
        let mut rng = Key::root(3).stream();
        scene.with(&[1, 2, 4, 6], |_, fleet| {
            assert_eq!(least(fleet, Tie::First, &mut rng, score), TargetId(2));
            assert_eq!(least(fleet, Tie::Last, &mut rng, score), TargetId(6));
            assert_eq!(least(fleet, Tie::LowestInflight, &mut rng, score), TargetId(4));
            let mut counts = [0u32; 7];
            for _ in 0..30_000 {
                counts[least(fleet, Tie::Random, &mut rng, score).0 as usize] += 1;
            }
            // Three equals: chi-square with 2 degrees of freedom stays under its 99.99 % point, 18.4.
            let third = 1.0 / 3.0;
            assert_shares(&counts, &[0.0, 0.0, third, 0.0, third, 0.0, third], 18.4);
        });
    }

    #[test]
    fn a_softmax_is_scaled_by_the_range_of_costs() {
        // Costs 10 and 20 at temperature 1: weights e^0 and e^−1, 1 : 0.3679, shares 0.7311 and 0.2689. For 100 and
        // 200 the same. At 0.5 it is e^−2: 0.8808 and 0.1192.
        let mut costs = [10.0, 20.0];
        softmax_weights(&mut costs, 10.0, 10.0);
        assert_eq!(costs[0], 1.0);
        assert!((costs[1] / (1.0 + costs[1]) - 0.268_941).abs() < 1e-6);
        let scene = Scene::new(2);
        let mut rng = Key::root(4).stream();
        let mut weights = Vec::new();
        for (scale, temperature, shares) in [
            (10.0, 1.0, [0.731_059, 0.268_941]),
            (100.0, 1.0, [0.731_059, 0.268_941]),
            (10.0, 0.5, [0.880_797, 0.119_203]),
            (0.0, 1.0, [0.5, 0.5]),
            (10.0, 0.0, [1.0, 0.0]),
        ] {
            let mut counts = [0; 2];
            scene.with(&[0, 1], |_, fleet| {
                for _ in 0..20_000 {
                    let cost = |target: TargetId| f64::from(target.0 + 1) * scale;
                    let chosen = softmax(fleet, temperature, Tie::First, &mut rng, &mut weights, cost);
                    counts[chosen.0 as usize] += 1;
                }
            });
            // One degree of freedom: 99.99 % point 15.1.
            assert_shares(&counts, &shares, 15.1);
        }
    }

    #[test]
    fn weights_are_shares_and_a_weight_of_zero_is_never_drawn() {
        let mut rng = Key::root(5).stream();
        let mut counts = [0; 4];
        (0..20_000).for_each(|_| counts[weighted(&[1.0, 0.0, 3.0, 0.0], &mut rng)] += 1);
        assert_shares(&counts, &[0.25, 0.0, 0.75, 0.0], 15.1);
        let mut counts = [0; 2];
        (0..20_000).for_each(|_| counts[weighted(&[0.0, 0.0], &mut rng)] += 1);
        assert_shares(&counts, &[0.5, 0.5], 15.1);
    }
}
