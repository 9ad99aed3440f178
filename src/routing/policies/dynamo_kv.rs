//! The KV router of NVIDIA Dynamo: blocks of prefill that a target would owe, less what it holds, and blocks of decode that
//! it would carry.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{
    Decision, FleetView, IndexOptions, IndexSource, Needs, Policy, RequestView, TargetId, pick,
};
use crate::time::Span;
use crate::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the KV router. Costs are counted in KV blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What a held block is worth, 0 to 1.
    pub overlap: f64,
    /// How fast a held block loses worth with prefill that the target owes beyond the least of all.
    pub decay: f64,
    /// Weight of blocks to prefill.
    pub prefill: f64,
    /// Cost of each request under way, in blocks.
    pub active: f64,
    /// 0 takes the lowest cost; above, a random target, by a softmax over costs that their range scales.
    pub temperature: f64,
    /// Prompt tokens owed by every eligible target beyond which a request waits at the router; 0 is never.
    pub queue_tokens: u64,
    /// Where the prefix index learns what a target holds: `oracle` (its events), `sent`, `first_token` or `completion`.
    pub index: IndexSource,
    /// How long the index keeps a block without news of it; not for `oracle`.
    pub ttl: Duration,
    /// How equal costs are told apart at temperature 0: `first`, `last`, `random` or `lowest_inflight`.
    pub tie: Tie,
}

/// The published defaults; `queue_tokens` is 16 times a budget of 8,192 tokens a step.
impl Default for Params {
    fn default() -> Self {
        Params {
            overlap: 1.0,
            decay: 0.0,
            prefill: 1.0,
            active: 0.0,
            temperature: 0.0,
            queue_tokens: 131_072,
            index: IndexSource::Oracle,
            ttl: Duration(Span::from_secs(120)),
            tie: Tie::First,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.share("overlap", self.overlap);
        problems.weight("decay", self.decay);
        problems.weight("prefill", self.prefill);
        problems.weight("active", self.active);
        problems.weight("temperature", self.temperature);
        problems.require("ttl", self.ttl, self.ttl.0 > Span::ZERO, "longer than 0");
    }
}

/// The policy.
#[derive(Debug)]
pub struct DynamoKv {
    params: Params,
    weights: Vec<f64>,
}

/// Prefill this gateway is owed by a replica of the target, in tokens.
fn owed(fleet: &FleetView<'_>, target: TargetId) -> f64 {
    each(fleet, target, fleet.own(target).queued_uncached_tokens as f64)
}

/// A target's `total`, for each of its replicas.
fn each(fleet: &FleetView<'_>, target: TargetId, total: f64) -> f64 {
    if fleet.single { total } else { total / f64::from(fleet.target(target).replicas.max(1)) }
}

impl DynamoKv {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        DynamoKv { params: params.clone(), weights: Vec::new() }
    }
    fn least_owed(fleet: &FleetView<'_>) -> f64 {
        let owed = fleet.eligible.list().iter().map(|&target| owed(fleet, target));
        owed.fold(f64::INFINITY, |least, owed| if owed < least { owed } else { least })
    }
    /// Blocks to prefill, weighted; blocks to decode; requests, weighted.
    fn terms(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        least_owed: f64,
        target: TargetId,
    ) -> [f64; 3] {
        let params = &self.params;
        let block = f64::from(request.prompt.block_tokens());
        let owed = owed(fleet, target);
        let raw = (owed + f64::from(request.prompt_tokens)) / block;
        let decay = if params.decay == 0.0 {
            1.0
        } else {
            let blocks = f64::from(request.prompt.len().max(1));
            1.0 / (1.0 + params.decay * ((owed - least_owed) / block / blocks))
        };
        let credit = params.overlap * decay * f64::from(fleet.matched_blocks(target));
        let decode = each(fleet, target, fleet.active_blocks_with(request, target) as f64);
        let requests = each(fleet, target, f64::from(fleet.own(target).requests));
        [params.prefill * (raw - credit).max(0.0), decode, params.active * requests]
    }
}

impl Policy for DynamoKv {
    fn needs(&self) -> Needs {
        let ttl = (self.params.index != IndexSource::Oracle).then_some(self.params.ttl.0);
        let index = IndexOptions { ttl, ..IndexOptions::new(self.params.index) };
        Needs { index: Some(index), active: true, ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let least_owed = DynamoKv::least_owed(fleet);
        if self.params.queue_tokens > 0 && least_owed > self.params.queue_tokens as f64 {
            return Decision::Hold;
        }
        let mut weights = std::mem::take(&mut self.weights);
        let (temperature, tie) = (self.params.temperature, self.params.tie);
        let chosen = pick::softmax(fleet, temperature, tie, rng, &mut weights, |target| {
            let [prefill, decode, requests] = self.terms(request, fleet, least_owed, target);
            prefill + decode + requests
        });
        self.weights = weights;
        Decision::To(chosen)
    }
    fn tie(&self) -> Option<&'static str> {
        // Above that temperature equals are as likely as each other.
        (self.params.temperature <= 0.0).then(|| self.params.tie.name())
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let terms = self.terms(request, fleet, DynamoKv::least_owed(fleet), target);
        let [prefill, decode, requests] = terms;
        vec![
            ("prefill_blocks", prefill),
            ("decode_blocks", decode),
            ("requests", requests),
            ("cost", prefill + decode + requests),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn policy(change: impl Fn(&mut Params)) -> DynamoKv {
        let mut params = Params::default();
        change(&mut params);
        DynamoKv::new(&params)
    }
    /// A prompt of 160 tokens in 10 blocks.
    fn scene(count: u32) -> Scene {
        let mut scene = Scene::new(count);
        scene.prompt_tokens = 160;
        scene.prompt(1);
        scene
    }
    fn costs<const N: usize>(scene: &Scene, policy: &DynamoKv) -> [f64; N] {
        std::array::from_fn(|target| scene.term(policy, target as u32, "cost"))
    }

    #[test]
    fn prefill_owed_and_blocks_carried_are_added_up_and_held_blocks_taken_off() {
        // A owes 320 tokens, holds 6 blocks, has 12 blocks under way of which none is the prompt's:
        // (320 + 160)/16 − 6 = 24; 12 + 10 = 22; 46. B owes nothing, holds nothing, has 30 under way, 4 of the prompt
        // among them: 160/16 = 10; 30 + 6 = 36; 46. Equal: the first.
        let mut policy = policy(|_| {});
        let mut scene = scene(2).matched([6, 0]);
        scene.own[0].queued_uncached_tokens = 320;
        (scene.active_blocks, scene.active_shared) = (vec![12, 30], vec![0, 4]);
        assert_eq!(costs(&scene, &policy), [46.0, 46.0]);
        assert_eq!(scene.ask(&mut policy), 0);
        scene.active_shared[1] = 5;
        assert_eq!(scene.ask(&mut policy), 1);
        // At weight 2 prefill counts 48 and 20.
        assert_eq!(costs(&scene, &self::policy(|params| params.prefill = 2.0)), [70.0, 55.0]);
        assert_eq!(costs(&scene.requests([3, 1]), &self::policy(|params| params.active = 0.5)), [47.5, 45.5]);
    }

    #[test]
    fn what_is_held_cannot_cost_less_than_nothing_and_loses_worth_where_more_is_owed() {
        // 10 held of 10 blocks: no prefill, 10 to decode. At overlap 0.5: 5.
        let scene = scene(2).matched([10, 0]);
        assert_eq!(costs(&scene, &policy(|_| {})), [10.0, 20.0]);
        assert_eq!(costs(&scene, &policy(|params| params.overlap = 0.5)), [15.0, 20.0]);
        // Decay 1: A owes 320 tokens, 20 blocks, 2 prompts' worth, more than B: 1/(1 + 2) of 9 held blocks is 3.
        // (320 + 160)/16 − 3 = 27, + 10 = 37; B: 10 + 10.
        let mut scene = scene.matched([9, 0]);
        scene.own[0].queued_uncached_tokens = 320;
        assert_eq!(costs(&scene, &policy(|params| params.decay = 1.0)), [37.0, 20.0]);
    }

    #[test]
    fn a_temperature_draws_by_the_range_of_costs() {
        // Costs 10 and 20 (A holds all 10): e^0 : e^−1, 0.731 and 0.269.
        let mut scene = scene(2).matched([10, 0]);
        let mut policy = policy(|params| params.temperature = 1.0);
        let mut counts = [0; 2];
        (0..20_000).for_each(|_| counts[scene.ask(&mut policy) as usize] += 1);
        assert_shares(&counts, &[0.731_059, 0.268_941], 15.1);
    }

    #[test]
    fn a_request_waits_while_all_owe_more_than_sixteen_steps() {
        // 16 · 8,192 = 131,072 tokens: at that much it goes, above at one of two too, above at both it waits.
        let mut policy = policy(|_| {});
        let mut scene = scene(2);
        for (owed, expected) in [
            ([131_072, 131_073], Decision::To(TargetId(0))),
            ([131_073, 131_072], Decision::To(TargetId(1))),
            ([131_073, 131_073], Decision::Hold),
        ] {
            for (own, owed) in scene.own.iter_mut().zip(owed) {
                own.queued_uncached_tokens = owed;
            }
            assert_eq!(scene.decide(&mut policy), expected);
        }
        assert_eq!(
            scene.decide(&mut self::policy(|params| params.queue_tokens = 0)),
            Decision::To(TargetId(0))
        );
    }
}
