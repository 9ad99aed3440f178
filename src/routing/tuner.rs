//! A (1+1) evolution strategy that moves weights by what they bring: GORGO's online tuner. Knows weights, their ranges and
//! times to first token; must not know what a weight multiplies.
//!
//! Every `hop` answers, once there are `window` of them, the candidate is judged by −p95 of the last `window` times to first
//! token. Better than the best by the tolerance, it is the best. The next candidate is the best times exp(σ · N(0, 1)), weight by
//! weight, within its range; σ grows while more than a fifth of the last eight were better and shrinks while fewer were
//! (Rechenberg's rule). Numbers: atoniolo76/GORGO at f624302, gorgo/tuner.py, as its online driver sets them. As there, the best
//! score is below 0, so that best · (1 + tolerance) lies below it and a candidate that is up to so much worse is taken too; and a
//! window still has answers of the candidates before. Ours: p95 by nearest rank, and the first weights are the first best.

use crate::routing::params::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Outcomes that σ goes by.
const REMEMBERED: usize = 8;
/// What σ is multiplied or divided by.
const STEP: f64 = 0.817;

/// How weights are tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "GorgoTune")]
pub struct Tune {
    /// Answers that a candidate is judged by.
    pub window: u32,
    /// Answers from one judgement to the next.
    pub hop: u32,
    /// How far candidates lie from the best at first: the standard deviation of the logarithm of a weight.
    pub sigma: f64,
    /// Below this it stops and keeps the best.
    pub sigma_min: f64,
    /// After so many judgements it stops too.
    pub max_steps: u32,
    /// By which share a candidate must be better.
    pub tolerance: f64,
    /// Least and most of `rtt`.
    pub rtt: [f64; 2],
    /// Least and most of `queue`.
    pub queue: [f64; 2],
}

impl Default for Tune {
    fn default() -> Tune {
        Tune {
            window: 128,
            hop: 32,
            sigma: 0.5,
            sigma_min: 0.05,
            max_steps: 10_000,
            tolerance: 0.005,
            rtt: [0.05, 2.0],
            queue: [0.05, 0.5],
        }
    }
}

impl Tune {
    /// Adds every problem of these.
    pub fn check(&self, problems: &mut Problems) {
        let counts =
            [("tune.window", self.window), ("tune.hop", self.hop), ("tune.max_steps", self.max_steps)];
        for (field, count) in counts {
            problems.require(field, count, (1..=1_000_000).contains(&count), "from 1 to 1000000");
        }
        problems.positive("tune.sigma", self.sigma);
        problems.positive("tune.sigma_min", self.sigma_min);
        problems.share("tune.tolerance", self.tolerance);
        for (field, [least, most]) in [("tune.rtt", self.rtt), ("tune.queue", self.queue)] {
            let holds = least > 0.0 && least <= most && most <= 1e9;
            let rule = "a least above 0 and a most from it to 1e9";
            problems.require(field, format!("[{least}, {most}]"), holds, rule);
        }
    }
}

/// The strategy at work.
#[derive(Clone, Debug)]
pub struct Tuner {
    tune: Tune,
    best: [f64; 2],
    best_score: Option<f64>,
    candidate: [f64; 2],
    sigma: f64,
    outcomes: VecDeque<bool>,
    /// The last times to first token, in milliseconds.
    times: VecDeque<f64>,
    since: u32,
    steps: u32,
    done: bool,
    sorted: Vec<f64>,
}

impl Tuner {
    /// From these weights on.
    pub fn new(tune: &Tune, weights: [f64; 2]) -> Tuner {
        let weights = within(tune, weights);
        Tuner {
            tune: tune.clone(),
            best: weights,
            best_score: None,
            candidate: weights,
            sigma: tune.sigma,
            outcomes: VecDeque::with_capacity(REMEMBERED + 1),
            times: VecDeque::with_capacity(tune.window as usize + 1),
            since: 0,
            steps: 0,
            done: false,
            sorted: Vec::with_capacity(tune.window as usize),
        }
    }
    /// The weights to go by now.
    pub fn weights(&self) -> [f64; 2] {
        self.candidate
    }
    /// An answer's first token came after so long.
    pub fn answered(&mut self, ttft_ms: f64) {
        if self.done {
            return;
        }
        self.times.push_back(ttft_ms);
        if self.times.len() > self.tune.window as usize {
            self.times.pop_front();
        }
        self.since += 1;
    }
    /// Whether it is time for a judgement.
    pub fn is_due(&self) -> bool {
        !self.done && self.since >= self.tune.hop && self.times.len() == self.tune.window as usize
    }
    /// Judges the candidate and makes the next one; `normal` draws from N(0, 1).
    pub fn step(&mut self, mut normal: impl FnMut() -> f64) {
        self.since = 0;
        self.steps += 1;
        let score = -self.p95();
        match self.best_score {
            None => self.best_score = Some(score),
            Some(best) => {
                let accepted = score > best * (1.0 + self.tune.tolerance);
                if accepted {
                    (self.best, self.best_score) = (self.candidate, Some(score));
                }
                self.adapt(accepted);
            }
        }
        if self.sigma < self.tune.sigma_min || self.steps >= self.tune.max_steps {
            (self.done, self.candidate) = (true, self.best);
            return;
        }
        let sigma = self.sigma;
        let moved = self.best.map(|weight| libm::exp(libm::log(weight) + sigma * normal()));
        self.candidate = within(&self.tune, moved);
    }
    fn adapt(&mut self, accepted: bool) {
        self.outcomes.push_back(accepted);
        if self.outcomes.len() > REMEMBERED {
            self.outcomes.pop_front();
        }
        let accepted = self.outcomes.iter().filter(|&&accepted| accepted).count() as f64;
        let rate = accepted / self.outcomes.len() as f64;
        if rate > 0.2 {
            self.sigma /= STEP;
        } else if rate < 0.2 {
            self.sigma *= STEP;
        }
    }
    fn p95(&mut self) -> f64 {
        self.sorted.clear();
        self.sorted.extend(&self.times);
        self.sorted.sort_unstable_by(f64::total_cmp);
        self.sorted[(self.sorted.len() * 95).div_ceil(100) - 1]
    }
}

fn within(tune: &Tune, [rtt, queue]: [f64; 2]) -> [f64; 2] {
    [rtt.clamp(tune.rtt[0], tune.rtt[1]), queue.clamp(tune.queue[0], tune.queue[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tune() -> Tune {
        Tune { window: 20, hop: 5, ..Tune::default() }
    }
    fn near(found: [f64; 2], expected: [f64; 2]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12)
    }

    #[test]
    fn weights_are_judged_by_the_p95_of_a_window_and_move_by_e_to_sigma() {
        let mut tuner = Tuner::new(&tune(), [0.5, 0.1]);
        // 20 answers of 1 … 20 ms: due when there are 20, and their p95 is the 19th.
        for ttft in 1..=20 {
            assert!(!tuner.is_due());
            tuner.answered(f64::from(ttft));
        }
        assert!(tuner.is_due());
        tuner.step(|| 1.0);
        assert_eq!(tuner.best_score, Some(-19.0));
        // e^0.5 of each; 0.1 · 1.6487 = 0.16487.
        let e = libm::exp(0.5);
        assert!(near(tuner.weights(), [0.5 * e, 0.1 * e]));
        // 5 answers of 1 ms: of 6 … 20 and five of 1 the p95 is still 19. −19 is above −19 · 1.005, so the candidate is taken,
        // though nothing has become better.
        (0..5).for_each(|_| tuner.answered(1.0));
        tuner.step(|| 0.0);
        assert!(near(tuner.best, [0.5 * e, 0.1 * e]));
        // One of one was better: σ = 0.5 / 0.817.
        assert_eq!(tuner.sigma, 0.5 / 0.817);
        // 5 of 100 ms: 11 … 20, five of 1, five of 100: p95 100. Refused: one of two, 0.5 > 0.2.
        (0..5).for_each(|_| tuner.answered(100.0));
        tuner.step(|| 9.0);
        assert_eq!((tuner.best_score, tuner.sigma), (Some(-19.0), 0.5 / 0.817 / 0.817));
        // Far out, each weight stays within its range.
        assert_eq!(tuner.weights(), [2.0, 0.5]);
    }

    #[test]
    fn what_never_becomes_better_ends_with_the_first_weights() {
        let mut tuner = Tuner::new(&tune(), [0.5, 0.1]);
        (0..20).for_each(|_| tuner.answered(1.0));
        tuner.step(|| 0.5);
        // Refused from now on: σ shrinks by 0.817 each time, 0.5 · 0.817^12 = 0.0442 is below 0.05.
        let mut judged = 0;
        while !tuner.done {
            (0..20).for_each(|_| tuner.answered(50.0));
            tuner.step(|| -0.5);
            judged += 1;
        }
        assert_eq!((judged, tuner.weights()), (12, [0.5, 0.1]));
        tuner.answered(1.0);
        assert!(!tuner.is_due());
        // Or after so many steps.
        let mut short = Tuner::new(&Tune { max_steps: 1, ..tune() }, [9.0, 0.1]);
        (0..20).for_each(|_| short.answered(1.0));
        short.step(|| 0.5);
        assert_eq!((short.done, short.weights()), (true, [2.0, 0.1]));
    }
}
