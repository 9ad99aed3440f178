//! GORGO, first generation, distributed: each region's balancer keeps its requests while it has room, and then compares
//! its own cost with that of its peers. Peers here are the targets of other regions: a forwarded request goes to them at
//! once and is not queued a second time at a balancer of theirs.

use crate::id::RegionId;
use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::{Decision, FleetView, IndexSource, Needs, Policy, RequestView, TargetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the first GORGO's distributed balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Prefill time of a token, in milliseconds.
    pub prefill_ms_per_token: f64,
    /// What a prompt token of a request under way costs at home, relative to one to compute.
    pub running: f64,
    /// Requests running at a replica from which it has no room; 0 is the rule "nobody waits in the engine".
    pub max_running: u32,
    /// Share of KV blocks in use from which a target has no room.
    pub max_kv: f64,
    /// Whether a request may be sent to another region at all.
    pub forward: bool,
}

/// The constants of the published code.
impl Default for Params {
    fn default() -> Self {
        Params { prefill_ms_per_token: 0.094, running: 1.0, max_running: 5, max_kv: 0.95, forward: true }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("prefill_ms_per_token", self.prefill_ms_per_token);
        problems.weight("running", self.running);
        problems.positive("max_kv", self.max_kv);
    }
}

/// The policy.
#[derive(Debug)]
pub struct GorgoDistributed {
    params: Params,
}

impl GorgoDistributed {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        GorgoDistributed { params: params.clone() }
    }
    fn has_room(&self, fleet: &FleetView<'_>, target: TargetId) -> bool {
        let (load, replicas) = (fleet.load(target), fleet.target(target).replicas.max(1));
        let most = u64::from(self.params.max_running) * u64::from(replicas);
        // Fewer waiting than replicas: at one of them nobody waits.
        let free = if most == 0 { load.waiting < replicas } else { u64::from(load.running) < most };
        free && load.kv_usage() < self.params.max_kv
    }
    /// Milliseconds at home: own prompts under way, and what of this one is not held.
    fn home_cost(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        let running = self.params.running * fleet.own(target).prompt_tokens as f64
            / f64::from(fleet.target(target).replicas.max(1));
        self.params.prefill_ms_per_token * (running + f64::from(fleet.uncached_tokens(request, target)))
    }
    /// Milliseconds at a peer: the way, and what is not held. What is queued there is not in it.
    fn peer_cost(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        let uncached = f64::from(fleet.uncached_tokens(request, target));
        fleet.target(target).rtt.as_ms_f64() + self.params.prefill_ms_per_token * uncached
    }
}

fn home(fleet: &FleetView<'_>) -> RegionId {
    fleet.target(fleet.eligible.nearest()[0]).region
}

/// The first with the lowest cost.
fn cheapest(
    targets: impl Iterator<Item = TargetId>,
    cost: impl Fn(TargetId) -> f64,
) -> Option<(f64, TargetId)> {
    let mut best: Option<(f64, TargetId)> = None;
    for target in targets {
        let found = cost(target);
        if best.is_none_or(|(lowest, _)| found < lowest) {
            best = Some((found, target));
        }
    }
    best
}

impl Policy for GorgoDistributed {
    fn needs(&self) -> Needs {
        Needs { load: true, index: Some(IndexSource::Completion.into()), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let local = || fleet.eligible.nearest().iter().copied();
        let home_cost = |target| self.home_cost(request, fleet, target);
        if let Some((_, target)) = cheapest(local().filter(|&target| self.has_room(fleet, target)), home_cost)
        {
            return Decision::To(target);
        }
        let Some((cost_here, here)) = cheapest(local(), home_cost) else { return Decision::Hold };
        if self.params.forward {
            let region = home(fleet);
            let peers = || {
                let list = fleet.eligible.list().iter().copied();
                list.filter(|&target| fleet.target(target).region != region && self.has_room(fleet, target))
            };
            let peer_cost = |target| self.peer_cost(request, fleet, target);
            // Those that hold something; all of them where nobody does, which then cost the full prefill.
            let best = cheapest(peers().filter(|&peer| fleet.matched_blocks(peer) > 0), peer_cost)
                .or_else(|| cheapest(peers(), peer_cost));
            if let Some((cost_there, peer)) = best
                && cost_there < cost_here
            {
                return Decision::To(peer);
            }
        }
        // It waits at the balancer, if something of its own will come back and ask again.
        if fleet.total > 0 { Decision::Hold } else { Decision::To(here) }
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let is_home = fleet.target(target).region == home(fleet);
        let cost = if is_home {
            self.home_cost(request, fleet, target)
        } else {
            self.peer_cost(request, fleet, target)
        };
        vec![
            ("home", f64::from(u8::from(is_home))),
            ("has_room", f64::from(u8::from(self.has_room(fleet, target)))),
            ("cost_ms", cost),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Load;
    use crate::routing::scene::Scene;

    fn policy(change: impl Fn(&mut Params)) -> GorgoDistributed {
        let mut params = Params::default();
        change(&mut params);
        GorgoDistributed::new(&params)
    }
    /// A prompt of 1,000 tokens in 10 blocks; target 0 at home, 1 and 2 with peers 60 and 150 ms away; by target, how
    /// many run there.
    fn scene(running: [u32; 3]) -> Scene {
        let mut scene = Scene::new(3).places([(0, 0), (1, 60), (2, 150)]);
        (scene.prompt_tokens, scene.block_tokens) = (1_000, 100);
        scene.prompt(1);
        scene.load = running.map(|running| Load { running, ..Load::default() }).to_vec();
        scene
    }
    fn own(scene: &mut Scene, prompt_tokens: u64) {
        (scene.own[0].requests, scene.own[0].prompt_tokens) = (1, prompt_tokens);
    }

    #[test]
    fn with_room_at_home_no_cost_is_looked_at() {
        // 4 of 5 run at home, 10,000 tokens of them: 940 ms; a peer that holds all is 60 ms away. Home all the same.
        let mut scene = scene([4, 0, 0]).matched([0, 10, 10]);
        own(&mut scene, 10_000);
        assert_eq!(scene.ask(&mut policy(|_| {})), 0);
        scene.load[0].running = 5;
        assert_eq!(scene.ask(&mut policy(|_| {})), 1);
        // KV 95 % is no room either.
        scene.load[0] = Load { kv_used_blocks: 95, kv_total_blocks: 100, ..Load::default() };
        assert_eq!(scene.ask(&mut policy(|_| {})), 1);
    }

    #[test]
    fn a_peer_is_chosen_only_if_it_is_cheaper() {
        // Home is full: r·0.094·tokens under way + 94 ms of prefill. Peer 1, half held: 60 + 47 = 107 ms. With
        // 1,000 tokens under way home costs 188: the peer; with 100, 103.4: it waits at home.
        let mut policy = policy(|_| {});
        let mut scene = scene([5, 0, 0]).matched([0, 5, 0]);
        own(&mut scene, 1_000);
        assert!((scene.term(&policy, 0, "cost_ms") - 188.0).abs() < 1e-9);
        assert!((scene.term(&policy, 1, "cost_ms") - 107.0).abs() < 1e-9);
        assert_eq!(scene.decide(&mut policy), Decision::To(TargetId(1)));
        own(&mut scene, 100);
        assert_eq!(scene.decide(&mut policy), Decision::Hold);
        // At running 0.5 and 1,000 tokens home costs 141, at 0.1 103.4.
        own(&mut scene, 1_000);
        assert_eq!(scene.decide(&mut self::policy(|params| params.running = 0.5)), Decision::To(TargetId(1)));
        assert_eq!(scene.decide(&mut self::policy(|params| params.running = 0.1)), Decision::Hold);
    }

    #[test]
    fn an_equal_cost_stays_at_home() {
        // No prefill cost: home costs nothing and the peer 0 ms away as much.
        let mut scene = scene([5, 0, 0]).places([(0, 0), (1, 0), (2, 0)]);
        own(&mut scene, 1_000);
        let mut policy = policy(|params| params.prefill_ms_per_token = 0.0);
        assert_eq!(scene.decide(&mut policy), Decision::Hold);
    }

    #[test]
    fn peers_that_hold_something_come_before_all_others_and_full_ones_not_at_all() {
        // Peer 2 holds a block: 150 + 84.6 = 234.6 ms; peer 1 holds nothing and would cost 154. Home 1,034 ms.
        let mut policy = policy(|_| {});
        let mut scene = scene([5, 0, 0]).matched([0, 0, 1]);
        own(&mut scene, 10_000);
        assert_eq!(scene.decide(&mut policy), Decision::To(TargetId(2)));
        scene.load[2].running = 5;
        assert_eq!(scene.decide(&mut policy), Decision::To(TargetId(1)));
        // The queue of a peer is not in its cost.
        (scene.own[1].requests, scene.own[1].prompt_tokens) = (90, 900_000);
        assert_eq!(scene.decide(&mut policy), Decision::To(TargetId(1)));
        scene.load[1].running = 5;
        assert_eq!(scene.decide(&mut policy), Decision::Hold);
        assert_eq!(scene.decide(&mut self::policy(|params| params.forward = false)), Decision::Hold);
    }

    #[test]
    fn with_nothing_of_its_own_to_wait_for_it_stays_at_home() {
        assert_eq!(scene([5, 5, 5]).decide(&mut policy(|_| {})), Decision::To(TargetId(0)));
        // By the other gate it is who waits that counts.
        let mut gate = policy(|params| params.max_running = 0);
        let mut scene = scene([50, 0, 0]);
        own(&mut scene, 100_000);
        assert_eq!(scene.decide(&mut gate), Decision::To(TargetId(0)));
        scene.load[0].waiting = 1;
        assert_eq!(scene.decide(&mut gate), Decision::To(TargetId(1)));
    }
}
