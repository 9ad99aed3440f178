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
    let mut best = (eligible[0], score(eligible[0]));
    let mut equals = 1;
    for &target in &eligible[1..] {
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
    let mut lowest = eligible.iter().copied().filter(|&target| score(target) == best.1);
    lowest.nth(rng.below(equals) as usize).unwrap_or(best.0)
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
        _ => fleet.tally.idlest(fleet.eligible),
    }
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
