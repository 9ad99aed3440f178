//! Sticky until saturated: whoever holds most of the prompt keeps it, until those targets owe so much prefill that
//! a cold one would answer sooner by more than a penalty.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::{
    Decision, FleetView, IndexOptions, IndexSource, Needs, Policy, RequestView, TargetId, pick,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of sticky until saturated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The share of the prompt's blocks, 0 to 1, from which a target that holds them is warm.
    pub affinity_threshold: f64,
    /// Prompt tokens a second that a replica computes: what makes a time of a backlog. To be measured for the fleet.
    pub peak_prefill_tokens_per_s: f64,
    /// How much later, in milliseconds, the warm targets may answer than the cold ones before they lose the request;
    /// 0 is never.
    pub max_ttft_penalty_ms: f64,
    /// Where the prefix index learns what a target holds: `sent`, `first_token`, `completion` or `oracle`.
    pub index: IndexSource,
    /// Blocks that the index keeps for each target; not for `oracle`.
    pub capacity_blocks: u32,
    /// How equal costs are told apart: `random`, `first`, `last` or `lowest_inflight`.
    pub tie: Tie,
}

/// The published defaults.
impl Default for Params {
    fn default() -> Self {
        Params {
            affinity_threshold: 0.8,
            peak_prefill_tokens_per_s: 15_928.0,
            max_ttft_penalty_ms: 18_000.0,
            index: IndexSource::Sent,
            capacity_blocks: 31_250,
            tie: Tie::Random,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.share("affinity_threshold", self.affinity_threshold);
        problems.positive("peak_prefill_tokens_per_s", self.peak_prefill_tokens_per_s);
        problems.weight("max_ttft_penalty_ms", self.max_ttft_penalty_ms);
        problems.require(
            "capacity_blocks",
            self.capacity_blocks,
            self.capacity_blocks >= 1,
            "1 block or more",
        );
    }
}

/// The policy.
#[derive(Debug)]
pub struct StickyUntilSaturated {
    params: Params,
    warm: Vec<TargetId>,
    costs: Vec<f64>,
}

/// The prefill this gateway is owed by a replica of the target, in tokens.
fn backlog(fleet: &FleetView<'_>, target: TargetId) -> f64 {
    let owed = fleet.own(target).queued_uncached_tokens as f64;
    if fleet.single { owed } else { owed / f64::from(fleet.target(target).replicas.max(1)) }
}

impl StickyUntilSaturated {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        StickyUntilSaturated { params: params.clone(), warm: Vec::new(), costs: Vec::new() }
    }
    fn is_warm(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> bool {
        let blocks = request.prompt.len();
        blocks > 0
            && f64::from(fleet.matched_blocks(target)) >= self.params.affinity_threshold * f64::from(blocks)
    }
    /// Tokens of backlog that the penalty stands for.
    fn tolerance(&self) -> f64 {
        self.params.peak_prefill_tokens_per_s * self.params.max_ttft_penalty_ms / 1_000.0
    }
}

/// Backlog and what the request would add to it.
fn cost(request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
    backlog(fleet, target) + f64::from(fleet.uncached_tokens(request, target))
}

impl Policy for StickyUntilSaturated {
    fn needs(&self) -> Needs {
        let capacity = (self.params.index != IndexSource::Oracle).then_some(self.params.capacity_blocks);
        let index = IndexOptions { capacity_blocks: capacity, ..IndexOptions::new(self.params.index) };
        Needs { index: Some(index), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let list = fleet.eligible.list();
        let mut warm = std::mem::take(&mut self.warm);
        warm.clear();
        let [mut least_warm, mut least_cold] = [f64::INFINITY; 2];
        for &target in list {
            let backlog = backlog(fleet, target);
            if self.is_warm(request, fleet, target) {
                least_warm = least_warm.min(backlog);
                warm.push(target);
            } else if backlog < least_cold {
                least_cold = backlog;
            }
        }
        let tolerance = self.tolerance();
        let loses = tolerance > 0.0 && least_warm - least_cold > tolerance;
        let among = if warm.is_empty() || loses { list } else { &warm };
        let mut costs = std::mem::take(&mut self.costs);
        costs.clear();
        costs.extend(among.iter().map(|&target| cost(request, fleet, target)));
        let chosen = pick::least_scored(among, &costs, self.params.tie, fleet, rng);
        (self.warm, self.costs) = (warm, costs);
        Decision::To(chosen)
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
        vec![
            ("warm", f64::from(u8::from(self.is_warm(request, fleet, target)))),
            ("backlog_tokens", backlog(fleet, target)),
            ("tolerance_tokens", self.tolerance()),
            ("cost", cost(request, fleet, target)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn policy(change: impl Fn(&mut Params)) -> StickyUntilSaturated {
        let mut params = Params { tie: Tie::First, ..Params::default() };
        change(&mut params);
        StickyUntilSaturated::new(&params)
    }
    /// A prompt of 160 tokens in 10 blocks.
    fn scene<const N: usize>(owed: [u64; N], matched: [u32; N]) -> Scene {
        let mut scene = Scene::new(N as u32).matched(matched);
        scene.prompt_tokens = 160;
        scene.prompt(1);
        for (own, owed) in scene.own.iter_mut().zip(owed) {
            own.queued_uncached_tokens = owed;
        }
        scene
    }

    #[test]
    fn the_warm_keep_it_until_their_backlog_exceeds_the_published_tolerance() {
        // 15,928 tokens/s · 18 s = 286,704 tokens. Exactly that much more than the cold one: still sticky; one token
        // more: all compete, 286,705 + 0 against 0 + 160.
        let mut policy = policy(|_| {});
        assert_eq!(scene([0, 0], [10, 0]).term(&policy, 0, "tolerance_tokens"), 286_704.0);
        assert_eq!(scene([286_704, 0], [10, 0]).ask(&mut policy), 0);
        assert_eq!(scene([286_705, 0], [10, 0]).ask(&mut policy), 1);
        // The difference counts, not the backlog.
        assert_eq!(scene([500_000, 300_000], [10, 0]).ask(&mut policy), 0);
    }

    #[test]
    fn eight_tenths_of_the_blocks_are_warm_and_seven_are_not() {
        // 8 of 10: warm, chosen in spite of 5,000 owed. 7 of 10: nobody is warm, so 5,000 + 48 against 0 + 160.
        assert_eq!(scene([5_000, 0], [8, 0]).ask(&mut policy(|_| {})), 0);
        assert_eq!(scene([5_000, 0], [7, 0]).ask(&mut policy(|_| {})), 1);
        // A prompt without a full block is warm nowhere.
        let mut short = scene([10, 0], [0, 0]);
        short.prompt_tokens = 15;
        short.prompt(1);
        assert_eq!(short.ask(&mut policy(|params| params.affinity_threshold = 0.0)), 1);
    }

    #[test]
    fn among_the_warm_the_lowest_projected_backlog_wins() {
        // 8 blocks: 32 tokens to compute; 10 blocks: none. 100 + 32 = 132 against 131 + 0.
        assert_eq!(scene([100, 131, 0], [8, 10, 0]).ask(&mut policy(|_| {})), 1);
        assert_eq!(scene([100, 133, 0], [8, 10, 0]).ask(&mut policy(|_| {})), 0);
        // When they lose, all compete: 20 ms at 1,000 tokens/s are 20 tokens; 100 − 0 > 20: 0 + 160 is not less than
        // 132, so a warm one is chosen all the same; at 200 and 231 the cold one.
        let quick = |params: &mut Params| {
            (params.peak_prefill_tokens_per_s, params.max_ttft_penalty_ms) = (1_000.0, 20.0);
        };
        assert_eq!(scene([100, 133, 0], [8, 10, 0]).ask(&mut policy(quick)), 0);
        assert_eq!(scene([200, 231, 0], [8, 10, 0]).ask(&mut policy(quick)), 2);
    }

    #[test]
    fn without_a_penalty_the_warm_never_lose() {
        let mut policy = policy(|params| params.max_ttft_penalty_ms = 0.0);
        assert_eq!(scene([u64::from(u32::MAX), 0], [10, 0]).ask(&mut policy), 0);
        // A region of four replicas owes a quarter each: 400,000 / 4 is within the tolerance.
        let mut policy = self::policy(|_| {});
        let mut scene = scene([400_000, 0], [10, 0]);
        assert_eq!(scene.ask(&mut policy), 1);
        scene.targets[0].replicas = 4;
        assert_eq!(scene.ask(&mut policy), 0);
    }
}
