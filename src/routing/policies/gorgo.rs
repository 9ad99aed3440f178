//! GORGO, third generation: network, uncached prefill and queued work in one weighted sum.

use crate::dist::standard_normal;
use crate::rng::{Key, Stream};
use crate::routing::params::{Problems, Release, Tie, Validate};
use crate::routing::tuner::{Tune, Tuner};
use crate::routing::{
    Decision, FleetView, IndexSource, LearnOptions, Needs, Policy, RequestView, TargetId, pick,
};
use crate::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of GORGO. The score has no unit: its weights say what a millisecond is worth in tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Score for each millisecond of round-trip time.
    pub rtt: f64,
    /// Score for each prompt token that the target is believed not to hold.
    pub prefill: f64,
    /// Score for each prompt token queued at the target by this gateway.
    pub queue: f64,
    /// When a prompt stops counting as queued: `completion` or `first_token`.
    pub release: Release,
    /// How equal scores are told apart: `first`, `last`, `random` or `lowest_inflight`.
    pub tie: Tie,
    /// Moves `rtt` and `queue` from where they begin by the TTFT they bring, as the authors' online tuner. Off unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
}

/// The weights that the authors' tuner learned on their main workload; 1 for a token to compute.
impl Default for Params {
    fn default() -> Self {
        Params {
            rtt: 0.276,
            prefill: 1.0,
            queue: 0.5,
            release: Release::Completion,
            tie: Tie::First,
            tune: None,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.weight("rtt", self.rtt);
        problems.weight("prefill", self.prefill);
        problems.weight("queue", self.queue);
        if let Some(tune) = &self.tune {
            tune.check(problems);
        }
    }
}

/// The policy.
#[derive(Debug)]
pub struct Gorgo {
    params: Params,
    tuner: Option<Box<Tuner>>,
    /// The tuner's own draws.
    draws: Option<Stream>,
}

impl Gorgo {
    /// With these parameters.
    pub fn new(params: &Params) -> Self {
        let mut params = params.clone();
        let tuner = params.tune.as_ref().map(|tune| Box::new(Tuner::new(tune, [params.rtt, params.queue])));
        if let Some(tuner) = &tuner {
            [params.rtt, params.queue] = tuner.weights();
        }
        Gorgo { params, tuner, draws: None }
    }
    /// Judges the weights, where it is time, and goes on with the next ones.
    fn tune(&mut self, rng: &mut Stream) {
        let Some(tuner) = self.tuner.as_mut().filter(|tuner| tuner.is_due()) else { return };
        // One draw of the decisions' own stream begins a stream of the tuner's.
        let draws = self.draws.get_or_insert_with(|| Key::root(rng.next_u64()).named("gorgo_tuner").stream());
        tuner.step(|| standard_normal(draws));
        [self.params.rtt, self.params.queue] = tuner.weights();
    }
    /// The three weighted terms: network, prefill, queue.
    fn terms(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> [f64; 3] {
        [
            self.params.rtt * fleet.target(target).rtt.as_ms_f64(),
            self.params.prefill * fleet.uncached_tokens(request, target) as f64,
            self.params.queue * self.params.release.tokens(fleet.own(target)) as f64,
        ]
    }
    fn score(&self, request: &RequestView<'_>, fleet: &FleetView<'_>, target: TargetId) -> f64 {
        let [network, prefill, queue] = self.terms(request, fleet, target);
        network + prefill + queue
    }
}

impl Policy for Gorgo {
    fn needs(&self) -> Needs {
        Needs {
            index: Some(IndexSource::FirstToken.into()),
            learned: self.tuner.as_ref().map(|_| LearnOptions::default()),
            ..Needs::default()
        }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        self.tune(rng);
        let score = |target| self.score(request, fleet, target);
        Decision::To(pick::least(fleet, self.params.tie, rng, score))
    }
    fn answered(&mut self, _: TargetId, ttft: Span) {
        if let Some(tuner) = &mut self.tuner {
            tuner.answered(ttft.as_ms_f64());
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
        let [network, prefill, queue] = self.terms(request, fleet, target);
        vec![
            ("rtt", network),
            ("prefill", prefill),
            ("queue", queue),
            ("score", self.score(request, fleet, target)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    /// A prompt of 840 tokens in 7 blocks of 120.
    fn scene(count: u32) -> Scene {
        let mut scene = Scene::new(count);
        (scene.prompt_tokens, scene.block_tokens) = (840, 120);
        scene.prompt(1);
        scene
    }

    #[test]
    fn learned_weights_can_prefer_what_is_physically_slower() {
        // The authors' example. A: 2.0·55 + 840 = 950. B: 2.0·245 + 0 = 490. B is chosen, although at 0.07 ms a
        // token A would answer after 55 + 58.8 = 113.8 ms and B after 245.
        let mut policy = Gorgo::new(&Params { rtt: 2.0, queue: 0.104, ..Params::default() });
        let mut scene = scene(2).places([(0, 55), (1, 245)]).matched([0, 7]);
        assert_eq!(scene.ask(&mut policy), 1);
        assert_eq!([0, 1].map(|target| scene.term(&policy, target, "score")), [950.0, 490.0]);
        assert_eq!(scene.ask_among(&mut policy, &[0]), 0);
        // With 4,423 tokens queued at B it costs 490 + 0.104·4423 = 949.992, with 4,424 it costs 950.096.
        scene.own[1].prompt_tokens = 4_423;
        assert_eq!(scene.ask(&mut policy), 1);
        scene.own[1].prompt_tokens = 4_424;
        assert_eq!(scene.ask(&mut policy), 0);
    }

    #[test]
    fn default_weights_trade_round_trip_for_queue() {
        // 100 ms are worth 27.6: 55 queued tokens (27.5) do not send a request away, 56 (28.0) do.
        let mut policy = Gorgo::new(&Params::default());
        let mut scene = scene(2).places([(0, 0), (1, 100)]);
        scene.own[0].prompt_tokens = 55;
        assert_eq!(scene.ask(&mut policy), 0);
        scene.own[0].prompt_tokens = 56;
        assert_eq!(scene.ask(&mut policy), 1);
        // One cached block of 120 tokens, 120 against 28.0 − 27.6: back again.
        assert_eq!(scene.matched([1, 0]).ask(&mut policy), 0);
    }

    #[test]
    fn without_a_queue_weight_the_nearest_cold_target_takes_everything() {
        let mut policy = Gorgo::new(&Params { queue: 0.0, ..Params::default() });
        let mut scene = scene(3).places([(0, 37), (1, 292), (2, 464)]);
        scene.own[0].prompt_tokens = 10_000_000;
        assert_eq!(scene.ask(&mut policy), 0);
    }

    #[test]
    fn tuned_weights_move_with_what_they_bring() {
        let tune = Tune { window: 4, hop: 4, ..Tune::default() };
        let mut policy = Gorgo::new(&Params { rtt: 0.5, queue: 0.1, tune: Some(tune), ..Params::default() });
        assert!(policy.needs().learned.is_some() && Gorgo::new(&Params::default()).needs().learned.is_none());
        // 10 ms of round trip are 5, until there are four answers; then from 0.5 to 20, as its range is.
        let mut scene = scene(2).places([(0, 10), (1, 20)]);
        assert_eq!(scene.ask(&mut policy), 0);
        assert_eq!(scene.term(&policy, 0, "rtt"), 5.0);
        (0..4).for_each(|_| policy.answered(TargetId(0), Span::from_ms(50)));
        scene.ask(&mut policy);
        let moved = scene.term(&policy, 0, "rtt");
        assert!(moved != 5.0 && (0.5..=20.0).contains(&moved), "{moved}");
        // Far worse, again and again: it ends where it began.
        for _ in 0..40 {
            (0..4).for_each(|_| policy.answered(TargetId(0), Span::from_ms(500)));
            scene.ask(&mut policy);
        }
        assert_eq!(scene.term(&policy, 0, "rtt"), 5.0);
    }

    #[test]
    fn a_prompt_is_queued_until_its_release_and_ties_go_to_the_first() {
        let mut scene = scene(2);
        (scene.own[0].prompt_tokens, scene.own[0].queued_tokens) = (500, 0);
        for (release, expected) in [(Release::Completion, 1), (Release::FirstToken, 0)] {
            assert_eq!(scene.ask(&mut Gorgo::new(&Params { release, ..Params::default() })), expected);
        }
    }

    #[test]
    fn a_block_more_than_the_prompt_has_counts_no_tokens() {
        // 7 blocks of 16 are 112 tokens, more than a prompt of 100: uncached is 0, not negative.
        let policy = Gorgo::new(&Params::default());
        assert_eq!(Scene::new(1).matched([7]).term(&policy, 0, "prefill"), 0.0);
        assert_eq!(Scene::new(1).matched([2]).term(&policy, 0, "prefill"), 68.0);
    }
}
