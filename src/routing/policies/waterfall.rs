//! Waterfall by region: the nearest region up to its capacity, what is beyond to the next.

use crate::id::RegionId;
use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::places::{Place, Places};
use crate::routing::{Decision, FleetView, Needs, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Parameters of the waterfall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Requests that a replica has capacity for.
    pub capacity: u32,
    /// The share of its capacity, above 0, from which a region takes no more.
    pub fill: f64,
    /// The share below which it takes some again, at most `fill`; `fill` itself unless given.
    pub resume: Option<f64>,
    /// Whose requests count: `replicas` (all that the replicas have) or `own` (those of this gateway alone).
    pub signal: Signal,
}

/// Whose requests fill a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// All that the replicas say they have.
    #[default]
    Replicas,
    /// Those of this gateway.
    Own,
}

/// Our choice: 64 requests, a mid-sized continuous batch; Google's load balancer fills to 80 % by default.
impl Default for Params {
    fn default() -> Self {
        Params { capacity: 64, fill: 0.8, resume: None, signal: Signal::default() }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("capacity", self.capacity, self.capacity >= 1, "1 request or more");
        problems.positive("fill", self.fill);
        if let Some(resume) = self.resume {
            let holds = resume > 0.0 && resume <= self.fill;
            problems.require("resume", resume, holds, "above 0, and `fill` at most");
        }
    }
}

/// The policy.
#[derive(Debug)]
pub struct Waterfall {
    params: Params,
    places: Places,
    /// Regions that have been full and not below `resume` since.
    full: BTreeSet<RegionId>,
}

impl Waterfall {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        Waterfall { params: params.clone(), places: Places::default(), full: BTreeSet::new() }
    }
}

fn requests(params: &Params, fleet: &FleetView<'_>, target: TargetId) -> u64 {
    u64::from(match params.signal {
        Signal::Replicas => fleet.load(target).requests(),
        Signal::Own => fleet.own(target).requests,
    })
}

/// The share of a region's capacity in use; without healthy replicas it is full.
fn utilization(params: &Params, fleet: &FleetView<'_>, place: &Place) -> f64 {
    let capacity = u64::from(params.capacity) * place.healthy(fleet);
    let requests = place.sum(|target| requests(params, fleet, target));
    if capacity == 0 { f64::INFINITY } else { requests as f64 / capacity as f64 }
}

impl Policy for Waterfall {
    fn needs(&self) -> Needs {
        Needs { load: self.params.signal == Signal::Replicas, ..Needs::default() }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let (params, full) = (&self.params, &mut self.full);
        let resume = params.resume.unwrap_or(params.fill);
        let (mut first, mut least) = (None, (f64::INFINITY, 0));
        for (nth, place) in self.places.of(fleet).iter().enumerate() {
            let used = utilization(params, fleet, place);
            if used < least.0 {
                least = (used, nth);
            }
            if used >= params.fill {
                full.insert(place.region);
            } else if used < resume {
                full.remove(&place.region);
            }
            if !full.contains(&place.region) {
                first = Some(nth);
                break;
            }
        }
        // All are full: the least full, the nearer of equals.
        Decision::To(self.places.take_turn(fleet, first.unwrap_or(least.1)))
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let there = fleet.target(target);
        vec![
            ("rtt_ms", there.rtt.as_ms_f64()),
            ("requests", requests(&self.params, fleet, target) as f64),
            ("capacity", f64::from(self.params.capacity) * f64::from(there.replicas)),
            ("full", f64::from(u8::from(self.full.contains(&there.region)))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Load;
    use crate::routing::scene::Scene;

    fn policy(change: impl Fn(&mut Params)) -> Waterfall {
        let mut params = Params { capacity: 10, ..Params::default() };
        change(&mut params);
        Waterfall::new(&params)
    }
    /// Three regions, 0, 80 and 160 ms away; so many requests in each.
    fn scene(running: [u32; 3]) -> Scene {
        let mut scene = Scene::new(3).places([(0, 0), (1, 80), (2, 160)]);
        scene.load = running.map(|running| Load { running, ..Load::default() }).to_vec();
        scene
    }

    #[test]
    fn the_nearest_fills_up_then_the_next() {
        // 80 % of 10: at 7 there is room, at 8 none.
        let mut policy = policy(|_| {});
        for (running, expected) in
            [([7, 0, 0], 0), ([8, 0, 0], 1), ([8, 7, 0], 1), ([9, 8, 0], 2), ([7, 8, 8], 0)]
        {
            assert_eq!(scene(running).ask(&mut policy), expected, "{running:?}");
        }
    }

    #[test]
    fn when_all_are_full_the_least_full_takes_it_and_the_nearer_of_equals() {
        let mut policy = policy(|_| {});
        assert_eq!(scene([9, 8, 10]).ask(&mut policy), 1);
        assert_eq!(scene([9, 9, 9]).ask(&mut policy), 0);
        // A region of four replicas with 36 is at 90 %, one of one with 9 too; with 35 at 87.5 %.
        let mut big = scene([9, 35, 10]);
        big.targets[1].replicas = 4;
        big.healthy[1] = 4;
        assert_eq!(big.ask(&mut policy), 1);
        // Half of its replicas in health: 35 of 20.
        big.healthy[1] = 2;
        assert_eq!(big.ask(&mut policy), 0);
    }

    #[test]
    fn a_region_that_was_full_takes_no_more_until_it_is_below_resume() {
        // Full at 8, again open below 5.
        let mut policy = policy(|params| params.resume = Some(0.5));
        for (running, expected) in [(7, 0), (8, 1), (7, 1), (5, 1), (4, 0), (7, 0), (8, 1)] {
            assert_eq!(scene([running, 0, 0]).ask(&mut policy), expected, "{running}");
        }
    }

    #[test]
    fn own_requests_count_where_they_are_asked_for() {
        let mut policy = policy(|params| params.signal = Signal::Own);
        assert!(!policy.needs().load);
        assert_eq!(scene([50, 0, 0]).requests([7, 0, 0]).ask(&mut policy), 0);
        assert_eq!(scene([0, 0, 0]).requests([8, 0, 0]).ask(&mut policy), 1);
        let mut policy = self::policy(|params| params.signal = Signal::Own);
        // Two replicas of one region: 8 of 20 is 40 %, and they take turns.
        let mut two = scene([0; 3]).places([(0, 0), (0, 0), (2, 160)]).requests([8, 0, 0]);
        assert_eq!([two.ask(&mut policy), two.ask(&mut policy), two.ask(&mut policy)], [0, 1, 0]);
    }
}
