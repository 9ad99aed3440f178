//! The endpoint picker of llm-d and of the Gateway API inference extension: weighted scores of queue, KV usage and prefix
//! match, the highest wins.

use crate::rng::Stream;
use crate::routing::params::{Problems, Tie, Validate};
use crate::routing::score::{self, ColdTurns};
use crate::routing::{
    Decision, FleetView, IndexOptions, IndexSource, Needs, Own, Policy, RequestView, TargetId, pick,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the endpoint picker. Scores are 0 to 1; only the ratios of weights matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Weight of the queue scorer: requests waiting, from the most (0) to the fewest (1).
    pub queue: f64,
    /// Weight of the KV scorer: the share of KV blocks that is free.
    pub kv: f64,
    /// Weight of the prefix scorer: the share of the prompt's blocks that is held.
    pub prefix: f64,
    /// Weight of the running-requests scorer, as the queue scorer.
    pub running: f64,
    /// Weight of the active-request scorer: this gateway's requests under way, from the most (0) to none (1).
    pub active: f64,
    /// Weight of the token-load scorer: this gateway's prompt tokens under way, out of 4,194,304.
    pub token_load: f64,
    /// Weight of the no-hit-lru scorer: a prompt that nobody holds goes where none went for longest.
    pub no_hit_lru: f64,
    /// Leaves out targets whose replicas have `queue` or more waiting or `kv` or more of their blocks in use, unless
    /// that leaves nobody. Scores are relative to those it leaves. Off unless given.
    pub unsaturated: Option<Unsaturated>,
    /// Blocks that the index keeps for each target.
    pub capacity_blocks: u32,
    /// Leading blocks of a prompt that the index looks at.
    pub prompt_blocks: u32,
    /// How equal scores are told apart: `random`, `first`, `last` or `lowest_inflight`.
    pub tie: Tie,
    /// The index as it was published: blocks count for a target that lacks earlier ones, and heads of prompts are
    /// forgotten before their tails.
    pub faithful: bool,
}

/// The saturation filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unsaturated {
    /// Waiting requests of a replica from which it is left out.
    pub queue: f64,
    /// Share of its KV blocks in use from which it is left out.
    pub kv: f64,
    /// Share by which both limits are raised.
    pub headroom: f64,
}

impl Default for Unsaturated {
    fn default() -> Self {
        Unsaturated { queue: 5.0, kv: 0.8, headroom: 0.0 }
    }
}

/// The configuration that is used where none is given.
impl Default for Params {
    fn default() -> Self {
        Params {
            queue: 2.0,
            kv: 2.0,
            prefix: 3.0,
            running: 0.0,
            active: 0.0,
            token_load: 0.0,
            no_hit_lru: 0.0,
            unsaturated: None,
            capacity_blocks: 31_250,
            prompt_blocks: 256,
            tie: Tie::Random,
            faithful: false,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        let weights = [
            ("queue", self.queue),
            ("kv", self.kv),
            ("prefix", self.prefix),
            ("running", self.running),
            ("active", self.active),
            ("token_load", self.token_load),
            ("no_hit_lru", self.no_hit_lru),
        ];
        for (field, weight) in weights {
            problems.weight(field, weight);
        }
        if let Some(limits) = &self.unsaturated {
            problems.positive("unsaturated.queue", limits.queue);
            problems.positive("unsaturated.kv", limits.kv);
            problems.weight("unsaturated.headroom", limits.headroom);
        }
        problems.require(
            "capacity_blocks",
            self.capacity_blocks,
            self.capacity_blocks >= 1,
            "1 block or more",
        );
        problems.require("prompt_blocks", self.prompt_blocks, self.prompt_blocks >= 1, "1 block or more");
    }
}

/// How the prefix scorer makes a score of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixScore {
    /// Held blocks over the prompt's blocks.
    Share,
    /// From the shortest match (0) to the longest (1); 1 where all are equal.
    Range,
}

/// The policy.
#[derive(Debug)]
pub struct Epp {
    params: Params,
    index: IndexOptions,
    prefix: PrefixScore,
    cold: ColdTurns,
    cold_scores: Vec<f64>,
    was_cold: bool,
    unsaturated: Vec<TargetId>,
    scores: Vec<f64>,
}

/// What the scores of one decision are relative to.
#[derive(Clone, Copy, Debug)]
struct Frame {
    waiting: (f64, f64),
    running: (f64, f64),
    matched: (f64, f64),
    most_active: u32,
}

const TOKEN_LOAD: f64 = 4_194_304.0;

impl Epp {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        let index = IndexOptions {
            capacity_blocks: Some(params.capacity_blocks),
            prompt_blocks: Some(params.prompt_blocks),
            heads_first: params.faithful,
            count_any: params.faithful,
            ..IndexOptions::new(IndexSource::Sent)
        };
        Epp::over(params, index, PrefixScore::Share)
    }
    /// Over another index.
    pub fn over(params: &Params, index: IndexOptions, prefix: PrefixScore) -> Self {
        Epp {
            params: params.clone(),
            index,
            prefix,
            cold: ColdTurns::default(),
            cold_scores: Vec::new(),
            was_cold: false,
            unsaturated: Vec::new(),
            scores: Vec::new(),
        }
    }
    /// What the scores of `list` are relative to: scorers come after filters.
    fn frame(&self, fleet: &FleetView<'_>, list: &[TargetId]) -> Frame {
        let all = list.len() == fleet.targets.len();
        let over = |on: bool, values: &[u32]| {
            let (low, high) = if on { pick::span(list, all, values) } else { (0, 0) };
            (f64::from(low), f64::from(high))
        };
        let requests = || list.iter().map(|&target| fleet.own(target).requests).max();
        Frame {
            waiting: over(self.params.queue > 0.0, &fleet.columns.waiting),
            running: over(self.params.running > 0.0, &fleet.columns.running),
            matched: over(self.prefix == PrefixScore::Range, fleet.matched),
            most_active: if self.params.active > 0.0 { requests().unwrap_or(0) } else { 0 },
        }
    }
    /// Adds up the weighted scores of all of `among`, term by term and so in the order of [`Epp::terms`], and turns the
    /// sign: the highest is the least then.
    fn add_up(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        frame: &Frame,
        among: &[TargetId],
        scores: &mut [f64],
    ) {
        let params = &self.params;
        let all = among.len() == fleet.targets.len();
        if params.queue > 0.0 {
            let term = |waiting| params.queue * score::min_max(f64::from(waiting), frame.waiting);
            pick::add_terms(scores, among, all, &fleet.columns.waiting, term);
        }
        if params.kv > 0.0 {
            pick::add_terms(scores, among, all, &fleet.columns.kv_usage, |usage| params.kv * (1.0 - usage));
        }
        if params.prefix > 0.0 {
            let blocks = self.blocks(request);
            let term = |matched| params.prefix * self.prefix_score(matched, blocks, frame);
            pick::add_terms(scores, among, all, fleet.matched, term);
        }
        if params.running > 0.0 {
            let term = |running| params.running * score::min_max(f64::from(running), frame.running);
            pick::add_terms(scores, among, all, &fleet.columns.running, term);
        }
        if params.active > 0.0 || params.token_load > 0.0 {
            for (score, &target) in scores.iter_mut().zip(among) {
                let own = fleet.own(target);
                *score += self.active_term(own, frame);
                *score += self.token_term(own);
            }
        }
        scores.iter_mut().for_each(|score| *score = -*score);
    }
    /// Blocks of the prompt that a match can have.
    fn blocks(&self, request: &RequestView<'_>) -> f64 {
        f64::from(request.prompt.len().min(self.index.prompt_blocks.unwrap_or(u32::MAX)).max(1))
    }
    fn prefix_score(&self, matched: u32, blocks: f64, frame: &Frame) -> f64 {
        match self.prefix {
            PrefixScore::Share => (f64::from(matched) / blocks).min(1.0),
            PrefixScore::Range => score::max_min(f64::from(matched), frame.matched),
        }
    }
    fn active_term(&self, own: &Own, frame: &Frame) -> f64 {
        if self.params.active > 0.0 {
            self.params.active * score::active_requests(own.requests, frame.most_active, 0, 1.0)
        } else {
            0.0
        }
    }
    fn token_term(&self, own: &Own) -> f64 {
        if self.params.token_load > 0.0 {
            self.params.token_load * score::capped(own.prompt_tokens as f64, TOKEN_LOAD)
        } else {
            0.0
        }
    }
    /// The weighted scores: queue, KV, prefix, running, active, tokens.
    fn terms(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        frame: &Frame,
        target: TargetId,
    ) -> [f64; 6] {
        let (params, own) = (&self.params, fleet.own(target));
        let mut terms = [0.0; 6];
        if params.queue > 0.0 {
            terms[0] = params.queue * score::min_max(f64::from(fleet.load(target).waiting), frame.waiting);
        }
        if params.kv > 0.0 {
            terms[1] = params.kv * (1.0 - fleet.load(target).kv_usage());
        }
        if params.prefix > 0.0 {
            let (matched, blocks) = (fleet.matched_blocks(target), self.blocks(request));
            terms[2] = params.prefix * self.prefix_score(matched, blocks, frame);
        }
        if params.running > 0.0 {
            terms[3] = params.running * score::min_max(f64::from(fleet.load(target).running), frame.running);
        }
        terms[4] = self.active_term(own, frame);
        terms[5] = self.token_term(own);
        terms
    }
}

/// Whether a target is below the limits; a target of several replicas by its mean.
fn below(limits: &Unsaturated, fleet: &FleetView<'_>, target: TargetId) -> bool {
    let load = fleet.load(target);
    let waiting = f64::from(load.waiting) / f64::from(fleet.target(target).replicas.max(1));
    let raised = 1.0 + limits.headroom;
    waiting < limits.queue * raised && load.kv_usage() < limits.kv * raised
}

impl Policy for Epp {
    fn needs(&self) -> Needs {
        let params = &self.params;
        Needs {
            load: params.queue > 0.0
                || params.kv > 0.0
                || params.running > 0.0
                || params.unsaturated.is_some(),
            index: (params.prefix > 0.0 || params.no_hit_lru > 0.0).then_some(self.index),
            ..Needs::default()
        }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        let list = fleet.eligible.list();
        let mut kept = std::mem::take(&mut self.unsaturated);
        kept.clear();
        if let Some(limits) = &self.params.unsaturated {
            kept.extend(list.iter().copied().filter(|&target| below(limits, fleet, target)));
        }
        let among = if kept.is_empty() { list } else { &kept };
        if self.params.no_hit_lru > 0.0 {
            // A prompt is cold of which nobody holds anything, whoever the filter leaves.
            self.was_cold = list.iter().all(|&target| fleet.matched_blocks(target) == 0);
            if self.was_cold {
                self.cold.scores(among, &mut self.cold_scores);
            }
        }
        let frame = self.frame(fleet, among);
        let mut scores = std::mem::take(&mut self.scores);
        scores.clear();
        scores.resize(among.len(), 0.0);
        self.add_up(request, fleet, &frame, among, &mut scores);
        if self.was_cold {
            for (score, &cold) in scores.iter_mut().zip(&self.cold_scores) {
                *score -= self.params.no_hit_lru * cold;
            }
        }
        let chosen = pick::least_scored(among, &scores, self.params.tie, fleet, rng);
        self.scores = scores;
        self.unsaturated = kept;
        Decision::To(chosen)
    }
    fn sent(&mut self, _: &RequestView<'_>, target: TargetId) {
        if self.params.no_hit_lru > 0.0 && self.was_cold {
            self.cold.used(target);
        }
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
        let names = ["queue", "kv", "prefix", "running", "active", "token_load"];
        let mut found = Vec::with_capacity(names.len() + 2);
        let mut among = fleet.eligible.list();
        let kept: Vec<TargetId>;
        if let Some(limits) = &self.params.unsaturated {
            kept = among.iter().copied().filter(|&target| below(limits, fleet, target)).collect();
            if !kept.is_empty() {
                among = &kept;
            }
            found.push(("unsaturated", f64::from(u8::from(among.contains(&target)))));
            if !among.contains(&target) {
                // The filter took it out: it has no score.
                return found;
            }
        }
        let terms = self.terms(request, fleet, &self.frame(fleet, among), target);
        let score = terms.iter().sum();
        found.extend(names.into_iter().zip(terms).chain([("score", score)]));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn policy(change: impl Fn(&mut Params)) -> Epp {
        let mut params = Params::default();
        change(&mut params);
        Epp::new(&params)
    }
    /// A prompt of 10 blocks of 16.
    fn scene(count: u32) -> Scene {
        let mut scene = Scene::new(count);
        scene.prompt_tokens = 160;
        scene.prompt(1);
        scene
    }
    fn score(scene: &Scene, policy: &Epp, target: u32) -> f64 {
        scene.term(policy, target, "score")
    }
    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-12
    }

    #[test]
    fn the_published_weights_on_the_published_example() {
        // (waiting, KV, match) = (0, .2, 0), (5, .5, .5), (10, .9, 1): queue scores 1, .5, 0.
        // 2·1 + 2·.8 + 0 = 3.6; 2·.5 + 2·.5 + 3·.5 = 3.5; 0 + 2·.1 + 3 = 3.2: the first.
        let mut policy = policy(|_| {});
        let mut scene = scene(3).loads([(0, 20), (5, 50), (10, 90)]).matched([0, 5, 10]);
        assert!(near(score(&scene, &policy, 0), 3.6));
        assert!(near(score(&scene, &policy, 1), 3.5));
        assert!(near(score(&scene, &policy, 2), 3.2));
        assert_eq!(scene.ask(&mut policy), 0);
        // Without the first, the queue scores of the others are 1 and 0: 2 + 1 + 1.5 = 4.5 and 3.2.
        assert_eq!(scene.ask_among(&mut policy, &[1, 2]), 1);
    }

    #[test]
    fn one_request_of_difference_is_worth_the_whole_queue_weight() {
        // Waits 0 and 1, equal KV, match 0 and .6: 2 against 1.8; with .7 it is 2.1.
        let mut policy = policy(|_| {});
        assert_eq!(scene(2).loads([(0, 0), (1, 0)]).matched([0, 6]).ask(&mut policy), 0);
        assert_eq!(scene(2).loads([(0, 0), (1, 0)]).matched([0, 7]).ask(&mut policy), 1);
    }

    #[test]
    fn equals_are_drawn_at_random_and_a_prompt_beyond_its_blocks_counts_its_first_ones() {
        let (mut policy, mut scene) = (policy(|_| {}), scene(3).loads([(0, 0), (0, 0), (0, 50)]));
        let mut counts = [0; 3];
        (0..20_000).for_each(|_| counts[scene.ask(&mut policy) as usize] += 1);
        assert_shares(&counts, &[0.5, 0.5, 0.0], 15.1);
        // Of 10 blocks the index looks at 4: 4 of 4 is all.
        let short = self::policy(|params| params.prompt_blocks = 4);
        assert_eq!(self::scene(1).matched([4]).term(&short, 0, "prefix"), 3.0);
        assert_eq!(self::scene(1).matched([4]).term(&policy, 0, "prefix"), 3.0 * 0.4);
    }

    #[test]
    fn saturated_targets_are_left_out_unless_all_are() {
        let mut policy = policy(|params| params.unsaturated = Some(Unsaturated::default()));
        // Target 0 holds everything, but 5 wait there; 4 are below the limit; KV 80 % is not.
        assert_eq!(scene(2).loads([(5, 0), (4, 79)]).matched([10, 0]).ask(&mut policy), 1);
        assert_eq!(scene(2).loads([(4, 0), (4, 79)]).matched([10, 0]).ask(&mut policy), 0);
        assert_eq!(scene(2).loads([(0, 80), (4, 79)]).matched([10, 0]).ask(&mut policy), 1);
        assert_eq!(scene(2).loads([(5, 0), (5, 0)]).matched([10, 0]).ask(&mut policy), 0);
    }

    #[test]
    fn scores_are_relative_to_those_that_the_filter_leaves() {
        // Waits 0, 1 and 9, of which the last is left out: queue scores 1 and 0, not 1 and 8/9. Match 0, .5: 2 + 2 = 4
        // against 0 + 2 + 1.5 = 3.5. Without the filter 4 against 2·8/9 + 2 + 1.5 = 5.28.
        let loads = [(0, 0), (1, 0), (9, 0)];
        let mut filtered = policy(|params| params.unsaturated = Some(Unsaturated::default()));
        let mut scene = scene(3).loads(loads).matched([0, 5, 0]);
        assert_eq!(scene.ask(&mut filtered), 0);
        assert!(near(score(&scene, &filtered, 0), 4.0) && near(score(&scene, &filtered, 1), 3.5));
        assert_eq!(scene.term(&filtered, 2, "unsaturated"), 0.0, "no score, but why");
        let mut plain = policy(|_| {});
        assert_eq!(scene.ask(&mut plain), 1);
        assert!(near(score(&scene, &plain, 1), 16.0 / 9.0 + 3.5));
        // Where all are left out, all are left: as without the filter.
        let mut scene = self::scene(2).loads([(5, 0), (9, 0)]);
        assert_eq!(scene.ask(&mut filtered), 0);
        assert!(near(score(&scene, &filtered, 1), 2.0));
        // A cold prompt's turns are ranked among those left: of 1 and 2, 1 was last used longer ago.
        let mut turns = policy(|params| {
            (params.queue, params.kv, params.no_hit_lru) = (0.0, 0.0, 1.0);
            params.unsaturated = Some(Unsaturated::default());
        });
        let mut cold = self::scene(3).loads([(0, 0); 3]);
        for target in [1, 2] {
            assert!(cold.ask(&mut turns) < 2);
            cold.sent(&mut turns, target);
        }
        let mut cold = cold.loads([(5, 0), (0, 0), (0, 0)]);
        assert_eq!(cold.ask(&mut turns), 1);
    }

    #[test]
    fn cold_prompts_go_round_and_known_ones_do_not_count() {
        let mut policy = policy(|params| (params.queue, params.kv, params.no_hit_lru) = (0.0, 0.0, 1.0));
        let mut cold = scene(3);
        let mut order = Vec::new();
        for _ in 0..4 {
            let chosen = cold.ask(&mut policy);
            cold.sent(&mut policy, chosen);
            order.push(chosen);
        }
        assert_eq!(order, [0, 1, 2, 0]);
        // A known prompt follows its match and is nobody's cold turn.
        let mut known = scene(3).matched([0, 0, 9]);
        assert_eq!(known.ask(&mut policy), 2);
        known.sent(&mut policy, 2);
        assert_eq!(cold.ask(&mut policy), 1);
    }

    #[test]
    fn what_no_weight_asks_for_is_not_read() {
        let only = |change: fn(&mut Params)| {
            policy(|params| {
                (params.queue, params.kv, params.prefix) = (0.0, 0.0, 0.0);
                change(params);
            })
            .needs()
        };
        assert_eq!(only(|params| params.active = 1.0), Needs::default());
        assert!(only(|params| params.running = 1.0).load);
        assert!(only(|params| params.prefix = 1.0).index.is_some());
        // Own requests 2 and 8 of at most 8: 0.75 and 0; tokens 1,048,576 of 4,194,304: 0.75.
        let policy = policy(|params| (params.active, params.token_load) = (1.0, 1.0));
        let mut scene = scene(2).requests([2, 8]);
        scene.own[0].prompt_tokens = 1_048_576;
        assert_eq!([0, 1].map(|target| scene.term(&policy, target, "active")), [0.75, 0.0]);
        assert_eq!(scene.term(&policy, 0, "token_load"), 0.75);
    }
}
