//! Nearest within budget: the nearest region from which an answer is still in time, by adding up the parts of a latency
//! budget.

use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::places::{Place, Places};
use crate::routing::{Decision, FleetView, Needs, Policy, Refusal, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of nearest within budget. A region is in budget when way + queue + inference + margin ≤ budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What an answer may take, in milliseconds.
    pub budget_ms: f64,
    /// What inference takes of it, in milliseconds.
    pub inference_ms: f64,
    /// What is kept in reserve, in milliseconds.
    pub margin_ms: f64,
    /// The way to the nearest region and back, in milliseconds.
    pub network_ms: f64,
    /// The way to another region: `replaces` (its round trip instead of `network_ms`) or `adds` (its round trip on top).
    pub hop: Hop,
    /// Queue: milliseconds for each prompt token that waits at a replica of the region.
    pub queue_ms_per_token: f64,
    /// Where a request goes that no region can answer in time: `nearest`, or `shed`.
    pub otherwise: Otherwise,
}

/// What the round trip to another region means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// The client is sent to the other region: its round trip instead of the local one.
    #[default]
    Replaces,
    /// The gateway forwards the request: its round trip and the local one.
    Adds,
}

/// What happens to a request that no region can answer in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The nearest region takes it, late.
    #[default]
    Nearest,
    /// It is refused.
    Shed,
}

/// A budget of 800 ms, 40 of them network, 600 inference and 60 margin; prefill at 0.07 ms a token, between GORGO's
/// measurements on two L40S and on H100.
impl Default for Params {
    fn default() -> Self {
        Params {
            budget_ms: 800.0,
            inference_ms: 600.0,
            margin_ms: 60.0,
            network_ms: 40.0,
            hop: Hop::default(),
            queue_ms_per_token: 0.07,
            otherwise: Otherwise::default(),
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.positive("budget_ms", self.budget_ms);
        problems.weight("inference_ms", self.inference_ms);
        problems.weight("margin_ms", self.margin_ms);
        problems.weight("network_ms", self.network_ms);
        problems.weight("queue_ms_per_token", self.queue_ms_per_token);
    }
}

/// The policy.
#[derive(Debug)]
pub struct NearestWithinBudget {
    params: Params,
    places: Places,
}

/// Milliseconds of the way to a region `rtt_ms` away, and of its queue.
fn parts(
    params: &Params,
    fleet: &FleetView<'_>,
    targets: &[TargetId],
    rtt_ms: f64,
    is_nearest: bool,
) -> [f64; 2] {
    let way = match params.hop {
        _ if is_nearest => params.network_ms,
        Hop::Replaces => rtt_ms,
        Hop::Adds => params.network_ms + rtt_ms,
    };
    let waiting: u64 = targets.iter().map(|&target| fleet.load(target).waiting_tokens).sum();
    let replicas: u64 = targets.iter().map(|&target| u64::from(fleet.target(target).replicas)).sum();
    [way, params.queue_ms_per_token * waiting as f64 / replicas.max(1) as f64]
}

impl NearestWithinBudget {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        NearestWithinBudget { params: params.clone(), places: Places::default() }
    }
}

impl Policy for NearestWithinBudget {
    fn needs(&self) -> Needs {
        Needs { load: self.params.queue_ms_per_token > 0.0, ..Needs::default() }
    }
    fn route(&mut self, _: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let params = &self.params;
        let in_budget = |(nth, place): (usize, &Place)| {
            let [way, queue] = if params.queue_ms_per_token > 0.0 {
                parts(params, fleet, &place.targets, place.rtt.as_ms_f64(), nth == 0)
            } else {
                parts(params, fleet, &[], place.rtt.as_ms_f64(), nth == 0)
            };
            way + queue + params.inference_ms + params.margin_ms <= params.budget_ms
        };
        let found = self.places.of(fleet).iter().enumerate().position(in_budget);
        match (found, params.otherwise) {
            (Some(nth), _) => Decision::To(self.places.take_turn(fleet, nth)),
            (None, Otherwise::Nearest) => Decision::To(self.places.take_turn(fleet, 0)),
            (None, Otherwise::Shed) => Decision::Refuse(Refusal::Shed),
        }
    }
    fn explain(
        &self,
        _: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let region = fleet.target(target).region;
        let is_nearest = fleet.target(fleet.eligible.nearest()[0]).region == region;
        let all = || fleet.eligible.list().iter().copied();
        let there: Vec<TargetId> = all().filter(|&other| fleet.target(other).region == region).collect();
        let targets: &[TargetId] = if self.needs().load { &there } else { &[] };
        let [way, queue] =
            parts(&self.params, fleet, targets, fleet.target(target).rtt.as_ms_f64(), is_nearest);
        vec![
            ("way_ms", way),
            ("queue_ms", queue),
            ("sum_ms", way + queue + self.params.inference_ms + self.params.margin_ms),
            ("budget_ms", self.params.budget_ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Load;
    use crate::routing::scene::Scene;

    fn policy(change: impl Fn(&mut Params)) -> NearestWithinBudget {
        let mut params = Params { queue_ms_per_token: 0.1, ..Params::default() };
        change(&mut params);
        NearestWithinBudget::new(&params)
    }
    /// Three regions, one replica each, so far away and with so many tokens waiting; 0.1 ms a token.
    fn scene(places: [u64; 3], waiting_tokens: [u64; 3]) -> Scene {
        let mut scene = Scene::new(3).places([0, 1, 2].map(|region| (region, places[region as usize])));
        scene.load = waiting_tokens.map(|waiting_tokens| Load { waiting_tokens, ..Load::default() }).to_vec();
        scene
    }

    #[test]
    fn the_budget_adds_up_and_home_is_kept_to_its_last_millisecond() {
        // 800 = 40 + 100 + 600 + 60: 1,000 waiting tokens are 100 ms, in time; 1,001 are not: 70 ms away, nobody waiting,
        // 70 + 660 = 730.
        let mut policy = policy(|_| {});
        assert_eq!(scene([0, 70, 150], [1_000, 0, 0]).term(&policy, 0, "sum_ms"), 800.0);
        assert_eq!(scene([0, 70, 150], [1_000, 0, 0]).ask(&mut policy), 0);
        assert_eq!(scene([0, 70, 150], [1_001, 0, 0]).ask(&mut policy), 1);
    }

    #[test]
    fn overflow_ends_at_its_round_trip_in_both_readings() {
        // Replaces: rtt + queue ≤ 800 − 660 = 140. At 120 ms a queue of 20 is the most; at 140 none; at 141 never.
        let mut replaces = policy(|params| params.otherwise = Otherwise::Shed);
        let shed = Decision::Refuse(Refusal::Shed);
        for (rtt, waiting, expected) in [
            (120, 200, Decision::To(TargetId(1))),
            (120, 201, shed),
            (140, 0, Decision::To(TargetId(1))),
            (140, 1, shed),
            (141, 0, shed),
        ] {
            assert_eq!(
                scene([0, rtt, 900], [5_000, waiting, 0]).decide(&mut replaces),
                expected,
                "{rtt} {waiting}"
            );
        }
        // Adds: 40 + rtt + queue ≤ 140: 120 ms is 20 too much; 100 the most.
        let mut adds = policy(|params| (params.hop, params.otherwise) = (Hop::Adds, Otherwise::Shed));
        for (rtt, expected) in [(100, Decision::To(TargetId(1))), (101, shed), (120, shed)] {
            assert_eq!(scene([0, rtt, 900], [5_000, 0, 0]).decide(&mut adds), expected, "{rtt}");
        }
    }

    #[test]
    fn what_nobody_can_answer_in_time_stays_near() {
        assert_eq!(scene([0, 200, 300], [5_000, 0, 0]).ask(&mut policy(|_| {})), 0);
        // A budget of 1,200 ms: 1,200 − 660 = 540: the first region in time is the second.
        let mut long = policy(|params| params.budget_ms = 1_200.0);
        assert_eq!(scene([0, 200, 300], [6_000, 3_401, 0]).ask(&mut long), 2);
        assert_eq!(scene([0, 200, 300], [6_000, 3_400, 0]).ask(&mut long), 1);
    }

    #[test]
    fn a_queue_is_shared_by_the_replicas_of_a_region_and_not_read_where_it_costs_nothing() {
        let mut scene = scene([0, 70, 150], [3_000, 0, 0]);
        scene.targets[0].replicas = 3;
        assert_eq!(scene.ask(&mut policy(|_| {})), 0);
        let mut blind = policy(|params| params.queue_ms_per_token = 0.0);
        assert!(!blind.needs().load);
        scene.load.clear();
        assert_eq!(scene.ask(&mut blind), 0);
    }
}
