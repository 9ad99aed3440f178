//! Random: each eligible target with the same probability.

use crate::rng::Stream;
use crate::routing::params::Validate;
use crate::routing::{Decision, FleetView, Policy, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

impl Validate for Params {}

/// The policy.
#[derive(Debug, Default)]
pub struct Random;

impl Policy for Random {
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        Decision::To(fleet.eligible.list()[rng.below(fleet.eligible.len() as u32) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    #[test]
    fn every_eligible_target_is_as_likely_and_no_other_is_chosen() {
        // Chi-square with 2 degrees of freedom stays under its 99.99 % point, 18.4; with 4 under 23.5.
        let mut scene = Scene::new(5);
        for (eligible, limit) in [(vec![0, 1, 2, 3, 4], 23.5), (vec![1, 2, 4], 18.4), (vec![3], 1e-9)] {
            let mut counts = [0; 5];
            (0..30_000).for_each(|_| counts[scene.ask_among(&mut Random, &eligible) as usize] += 1);
            let share = |i| if eligible.contains(&i) { 1.0 / eligible.len() as f64 } else { 0.0 };
            assert_shares(&counts, &[0, 1, 2, 3, 4].map(share), limit);
        }
    }

    #[test]
    fn one_number_is_drawn_and_it_is_the_place_among_the_eligible() {
        // The scene's own stream, drawn from here too: below(3) is the place in {1, 2, 4}.
        let mut scene = Scene::new(5);
        let mut twin = scene.rng();
        for _ in 0..50 {
            let place = twin.below(3) as usize;
            assert_eq!(scene.ask_among(&mut Random, &[1, 2, 4]), [1, 2, 4][place]);
        }
    }

    #[test]
    fn nothing_about_a_target_matters() {
        // Two scenes that differ in everything but their targets draw the same.
        let mut idle = Scene::new(4);
        let mut busy = Scene::new(4).requests([9, 0, 0, 90]).matched([6, 0, 3, 0]).loads([(4, 90); 4]);
        for _ in 0..50 {
            assert_eq!(idle.ask(&mut Random), busy.ask(&mut Random));
        }
    }
}
