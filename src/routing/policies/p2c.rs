//! Power of two choices: sample a few, take the one with fewer requests.

use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::{Decision, FleetView, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of power of two choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Distinct targets sampled for each request, at least 1; 1 is `random`.
    pub choices: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { choices: 2 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("choices", self.choices, self.choices >= 1, "1 or more");
    }
}

/// The policy.
#[derive(Debug)]
pub struct P2c {
    choices: usize,
    /// The places of the eligible targets, each at its own number between decisions.
    order: Vec<u32>,
    /// The swaps of this decision, to be undone.
    swaps: Vec<(usize, usize)>,
    drawn: Vec<TargetId>,
}

impl P2c {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        P2c { choices: params.choices as usize, order: Vec::new(), swaps: Vec::new(), drawn: Vec::new() }
    }
}

impl Policy for P2c {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        // Sampling without replacement: the first steps of a Fisher-Yates shuffle, undone afterwards instead of begun
        // with a copy of all.
        let eligible = fleet.eligible.list();
        while self.order.len() < eligible.len() {
            self.order.push(self.order.len() as u32);
        }
        self.drawn.clear();
        let mut best: Option<(u32, TargetId)> = None;
        for drawn in 0..self.choices.clamp(1, eligible.len()) {
            let at = drawn + rng.below((eligible.len() - drawn) as u32) as usize;
            self.order.swap(drawn, at);
            self.swaps.push((drawn, at));
            let target = eligible[self.order[drawn] as usize];
            self.drawn.push(target);
            let requests = fleet.own(target).requests;
            if best.is_none_or(|(fewest, _)| requests < fewest) {
                best = Some((requests, target));
            }
        }
        for (drawn, at) in self.swaps.drain(..).rev() {
            self.order.swap(drawn, at);
        }
        Decision::To(best.map_or(eligible[0], |(_, target)| target))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let drawn = self.drawn.contains(&target);
        vec![("sampled", drawn as u8 as f64), ("requests", fleet.own(target).requests as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn shares(scene: &mut Scene, choices: u32, eligible: &[u32]) -> Vec<u32> {
        let mut policy = P2c::new(&Params { choices });
        let mut counts = vec![0; scene.targets.len()];
        (0..30_000).for_each(|_| counts[scene.ask_among(&mut policy, eligible) as usize] += 1);
        counts
    }

    #[test]
    fn the_target_of_rank_k_wins_the_pairs_with_busier_ones() {
        // Of the 6 pairs out of 4 targets with 0, 1, 2, 3 requests, the k-th best wins 3 − k. The busiest never wins.
        // Chi-square with 2 degrees of freedom: 99.99 % point 18.4.
        let mut scene = Scene::new(4).requests([2, 0, 3, 1]);
        let counts = shares(&mut scene, 2, &[0, 1, 2, 3]);
        assert_shares(&counts, &[1.0 / 6.0, 3.0 / 6.0, 0.0, 2.0 / 6.0], 18.4);
        // Among {0, 2, 3}: 3 has fewest and wins both its pairs of three, 0 wins against 2.
        assert_shares(&shares(&mut scene, 2, &[0, 2, 3]), &[1.0 / 3.0, 0.0, 0.0, 2.0 / 3.0], 18.4);
    }

    #[test]
    fn one_choice_is_random_and_as_many_as_targets_is_least_request() {
        let mut scene = Scene::new(3).requests([9, 4, 7]);
        assert_shares(&shares(&mut scene, 1, &[0, 1, 2]), &[1.0 / 3.0; 3], 18.4);
        assert_eq!(shares(&mut scene, 3, &[0, 1, 2]), [0, 30_000, 0]);
        assert_eq!(shares(&mut scene, 50, &[0, 2]), [0, 0, 30_000]);
    }

    #[test]
    fn the_first_sampled_wins_a_tie() {
        // The scene's stream, drawn from here too: which of the three comes first, and which of the other two next.
        let (mut scene, mut policy) = (Scene::new(3).requests([4; 3]), P2c::new(&Params::default()));
        let mut twin = scene.rng();
        for _ in 0..50 {
            let first = twin.below(3);
            twin.below(2);
            assert_eq!(scene.ask(&mut policy), first);
        }
    }

    #[test]
    fn equals_share_evenly() {
        // Two targets, both always sampled, in either order: one degree of freedom, 99.99 % point 15.1.
        let mut scene = Scene::new(2).requests([4, 4]);
        assert_shares(&shares(&mut scene, 2, &[0, 1]), &[0.5, 0.5], 15.1);
    }
}
