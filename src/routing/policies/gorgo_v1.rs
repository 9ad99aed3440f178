//! GORGO, first generation, as a central proxy: milliseconds of prefill and round trip in one sum, behind a capacity gate.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{Decision, FleetView, IndexSource, Needs, Policy, RequestView, TargetId, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the first GORGO's proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Prefill time of a token, in milliseconds.
    pub prefill_ms_per_token: f64,
    /// What a prompt token of a request under way costs, relative to one to compute.
    pub running: f64,
    /// Whether a target has room only below `max_running`, and requests wait at the proxy while nobody has.
    pub gating: bool,
    /// Requests of this gateway under way at a replica from which it has no room.
    pub max_running: u32,
    /// Share of KV blocks in use from which a target has no room.
    pub max_kv: f64,
    /// How equal costs are told apart: `first`, `last`, `random` or `lowest_inflight`.
    pub tie: Tie,
}

/// The defaults of the proxy; the prefill time is the authors' for Mistral-7B on eight A100.
impl Default for Params {
    fn default() -> Self {
        Params {
            prefill_ms_per_token: 0.094,
            running: 1.0,
            gating: true,
            max_running: 10,
            max_kv: 0.95,
            tie: Tie::First,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("prefill_ms_per_token", self.prefill_ms_per_token);
        problems.weight("running", self.running);
        problems.require("max_running", self.max_running, self.max_running >= 1, "1 request or more");
        problems.positive("max_kv", self.max_kv);
    }
}

/// The policy.
#[derive(Debug)]
pub struct GorgoV1 {
    params: Params,
    with_room: Vec<TargetId>,
}

/// Tokens that a waiting request is taken to have where nothing runs to take a mean of.
const UNKNOWN_TOKENS: f64 = 500.0;

impl GorgoV1 {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        GorgoV1 { params: params.clone(), with_room: Vec::new() }
    }
    fn has_room(&self, fleet: &FleetView<'_>, target: TargetId) -> bool {
        let most = u64::from(self.params.max_running) * u64::from(fleet.target(target).replicas.max(1));
        fleet.load(target).kv_usage() < self.params.max_kv
            && (!self.params.gating || u64::from(fleet.own(target).requests) < most)
    }
    /// Milliseconds: running, queued, uncached, round trip.
    fn terms(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> [f64; 4] {
        let (own, ms) = (fleet.own(target), self.params.prefill_ms_per_token);
        let queued = if self.params.gating {
            0.0
        } else {
            let mean = match own.requests {
                0 => UNKNOWN_TOKENS,
                requests => own.prompt_tokens as f64 / f64::from(requests),
            };
            f64::from(fleet.load(target).waiting) * mean
        };
        let replicas = f64::from(fleet.target(target).replicas.max(1));
        [
            self.params.running * ms * own.prompt_tokens as f64 / replicas,
            ms * queued / replicas,
            ms * f64::from(fleet.uncached_tokens(request, target)),
            fleet.target(target).rtt.as_ms_f64(),
        ]
    }
    fn cost(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        self.terms(request, fleet, target).iter().sum()
    }
}

impl Policy for GorgoV1 {
    fn needs(&self) -> Needs {
        Needs { load: true, index: Some(IndexSource::Completion.into()), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let list = fleet.eligible.list();
        let mut with_room = std::mem::take(&mut self.with_room);
        with_room.clear();
        with_room.extend(list.iter().copied().filter(|&target| self.has_room(fleet, target)));
        let decision = if with_room.is_empty() && fleet.total > 0 {
            Decision::Hold
        } else {
            // Full of others' requests alone, nothing would ever wake a held one: then all compete.
            let among = if with_room.is_empty() { list } else { &with_room };
            let cost = |target| self.cost(request, fleet, target);
            Decision::To(pick::least_of(among, fleet, self.params.tie, rng, cost))
        };
        self.with_room = with_room;
        decision
    }
    fn tie(&self) -> Option<&'static str> {
        Some(self.params.tie.name())
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let [running, queued, uncached, rtt] = self.terms(request, fleet, target);
        vec![
            ("has_room", f64::from(u8::from(self.has_room(fleet, target)))),
            ("running_ms", running),
            ("queued_ms", queued),
            ("prefill_ms", uncached),
            ("rtt_ms", rtt),
            ("cost_ms", self.cost(request, fleet, target)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn policy(change: impl Fn(&mut Params)) -> GorgoV1 {
        let mut params = Params::default();
        change(&mut params);
        GorgoV1::new(&params)
    }
    /// A prompt of 1,000 tokens in 10 blocks.
    fn scene(count: u32) -> Scene {
        let mut scene = Scene::new(count);
        (scene.prompt_tokens, scene.block_tokens) = (1_000, 100);
        scene.prompt(1);
        scene
    }
    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn running_prefill_and_round_trip_are_added_in_milliseconds() {
        // A: 3,000 tokens running, 282 ms; 400 of 1,000 cached, 56.4 ms; 30 ms away: 368.4. B: idle, cold, 94 ms, 280 ms
        // away: 374. A. With running at 0.5, A: 227.4.
        let mut scene = scene(2).places([(0, 30), (1, 280)]).matched([4, 0]).requests([2, 0]);
        scene.own[0].prompt_tokens = 3_000;
        let mut policy = policy(|_| {});
        assert!(near(scene.term(&policy, 0, "cost_ms"), 368.4));
        assert!(near(scene.term(&policy, 1, "cost_ms"), 374.0));
        assert_eq!(scene.ask(&mut policy), 0);
        let half = self::policy(|params| params.running = 0.5);
        assert!(near(scene.term(&half, 0, "cost_ms"), 227.4));
        // 100 tokens more under way, 9.4 ms: B.
        scene.own[0].prompt_tokens = 3_100;
        assert_eq!(scene.ask(&mut policy), 1);
    }

    #[test]
    fn who_has_ten_under_way_or_a_full_cache_has_no_room() {
        let mut policy = policy(|_| {});
        let far = [(0, 0), (1, 400)];
        assert_eq!(scene(2).places(far).requests([9, 0]).ask(&mut policy), 0);
        assert_eq!(scene(2).places(far).requests([10, 0]).ask(&mut policy), 1);
        assert_eq!(scene(2).places(far).loads([(0, 94), (0, 0)]).ask(&mut policy), 0);
        assert_eq!(scene(2).places(far).loads([(0, 95), (0, 0)]).ask(&mut policy), 1);
        // A region of three replicas has room for thirty.
        let mut region = scene(2).places(far).requests([29, 0]);
        region.targets[0].replicas = 3;
        assert_eq!(region.ask(&mut policy), 0);
    }

    #[test]
    fn with_no_room_anywhere_it_waits_if_something_of_its_own_can_wake_it() {
        let mut policy = policy(|_| {});
        assert_eq!(scene(2).requests([10, 10]).decide(&mut policy), Decision::Hold);
        assert_eq!(scene(2).loads([(0, 99), (0, 97)]).decide(&mut policy), Decision::To(TargetId(0)));
        // Without the gate a number of requests is no limit.
        assert_eq!(scene(2).requests([10, 10]).ask(&mut self::policy(|params| params.gating = false)), 0);
    }

    #[test]
    fn without_the_gate_waiting_requests_count_the_mean_of_those_running() {
        // 3 waiting, mean (600 + 1,000)/2 = 800: 2,400 tokens, 225.6 ms. Nothing of its own there: 3 · 500, 141 ms.
        let policy = policy(|params| params.gating = false);
        let mut scene = scene(2).requests([2, 0]).loads([(3, 0), (3, 0)]);
        scene.own[0].prompt_tokens = 1_600;
        assert!(near(scene.term(&policy, 0, "queued_ms"), 225.6));
        assert!(near(scene.term(&policy, 1, "queued_ms"), 141.0));
        assert_eq!(scene.term(&self::policy(|_| {}), 0, "queued_ms"), 0.0);
        // A region of two replicas has half of it at each.
        scene.targets[0].replicas = 2;
        assert!(near(scene.term(&policy, 0, "queued_ms"), 112.8));
        assert!(near(scene.term(&policy, 0, "running_ms"), 75.2));
    }
}
