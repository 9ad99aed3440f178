//! Choosing the least of several. Knows scores and ties; must not know what a score means.

use super::params::Tie;
use super::{FleetView, TargetId};
use crate::rng::Stream;

/// The eligible target with the lowest score; one random number is drawn only where a random tie is to be broken.
/// Scores are compared exactly. `eligible` is not empty.
pub fn least<S: PartialOrd + Copy>(
    eligible: &[TargetId],
    tie: Tie,
    rng: &mut Stream,
    score: impl Fn(TargetId) -> S,
) -> TargetId {
    let first = least_first(eligible, &score);
    if tie == Tie::First {
        return first;
    }
    let lowest = score(first);
    let equals = || eligible.iter().copied().filter(|&target| score(target) == lowest);
    match equals().count() {
        count @ 2.. => equals().nth(rng.below(count as u32) as usize).unwrap_or(first),
        _ => first,
    }
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

/// The fewest and the most requests that this gateway has under way at an eligible target.
pub fn spread(fleet: &FleetView<'_>) -> (u32, u32) {
    fleet.eligible.iter().fold((u32::MAX, 0), |(low, high), &target| {
        let requests = fleet.own(target).requests;
        (low.min(requests), high.max(requests))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn ties_go_to_the_first_or_evenly_to_all() {
        let eligible = [1, 2, 4, 6].map(TargetId);
        let scores = [0, 5, 3, 0, 3, 0, 3];
        let score = |target: TargetId| scores[target.0 as usize];
        let mut rng = Key::root(3).stream();
        assert_eq!(least(&eligible, Tie::First, &mut rng, score), TargetId(2));
        let mut counts = [0u32; 7];
        for _ in 0..30_000 {
            counts[least(&eligible, Tie::Random, &mut rng, score).0 as usize] += 1;
        }
        assert_eq!(counts.iter().sum::<u32>(), counts[2] + counts[4] + counts[6]);
        // Three equals: chi-square with 2 degrees of freedom stays under its 99.99 % point, 18.4.
        let chi2: f64 =
            [2, 4, 6].map(|i| (counts[i] as f64 - 1e4) * (counts[i] as f64 - 1e4) / 1e4).iter().sum();
        assert!(chi2 < 18.4, "{counts:?}");
    }
}
