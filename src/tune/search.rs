//! The search: asks a method for points, has those run that nobody has run before, and tells it their scores. Knows methods
//! and budgets; must not know how a point is run. It goes the same way whatever the number of threads: points are run in
//! batches, and scores told in the batch's order.

use super::evolution::Evolution;
use super::objective::{Means, Objective, Score};
use super::sampling::{Given, latin_hypercube, uniform};
use super::simplex::Simplex;
use super::space::Space;
use crate::rng::Key;
use crate::scenario::tuning::Strategy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A way to search: it names points, and is told their scores in the same order, less being better. Without points it ends.
pub trait Method {
    /// What is to be tried next.
    fn ask(&mut self) -> Vec<Vec<f64>>;
    /// What came of it.
    fn tell(&mut self, scores: &[f64]);
}

impl Strategy {
    /// The method, from `start` on, with `candidates` points to spend.
    pub fn method(self, space: &Space, start: &[f64], candidates: u32, key: Key) -> Box<dyn Method> {
        match self {
            Strategy::Es => Box::new(Evolution::new(space, start, key)),
            Strategy::NelderMead => Box::new(Simplex::new(space, start)),
            Strategy::Random => {
                let points = (0..u64::from(candidates)).map(|index| uniform(space, index, key));
                Box::new(Given::new(points.collect()))
            }
            Strategy::Lhs => Box::new(Given::new(latin_hypercube(space, candidates, key))),
        }
    }
}

/// Why a point was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The scenario's own values, the measure of all others.
    Start,
    /// The search asked.
    Search,
    /// It lies beside the best, along one parameter.
    Around,
}

/// A point that was run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Numbered from 0, the start.
    pub number: u32,
    /// Why it was run.
    pub phase: Phase,
    /// The values, in the order of the parameters.
    pub point: Vec<f64>,
    /// How good it is.
    pub score: Score,
    /// Whether it was better than all before it, and so became the best so far.
    pub accepted: bool,
    /// What was measured.
    pub means: Means,
    /// What went wrong, where it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was tried and what came of it.
#[derive(Debug)]
pub struct Search<'o> {
    objective: &'o Objective,
    candidates: Vec<Candidate>,
    known: BTreeMap<Vec<u64>, usize>,
    asked_again: u32,
}

/// What running a point gave: means, or what went wrong.
pub type Measured = Result<Means, String>;

/// What runs points, in their order. An error ends the search.
pub type Run<'r, E> = dyn FnMut(&[Vec<f64>]) -> Result<Vec<Measured>, E> + 'r;

impl<'o> Search<'o> {
    /// From the start's values, which `means` were measured at.
    pub fn new(objective: &'o Objective, start: Vec<f64>, means: Means) -> Search<'o> {
        let score = objective.score(&means, &means);
        let known = BTreeMap::from([(bits(&start), 0)]);
        let first = Candidate {
            number: 0,
            phase: Phase::Start,
            point: start,
            score,
            accepted: true,
            means,
            error: None,
        };
        Search { objective, candidates: vec![first], known, asked_again: 0 }
    }
    /// All that was tried, in order; the start first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
    /// How often a point was asked for that was known already.
    pub fn asked_again(&self) -> u32 {
        self.asked_again
    }
    /// The best of all; the start where nothing is better.
    pub fn best(&self) -> &Candidate {
        let least = |best: usize, other: usize| {
            if self.candidates[other].score.key() < self.candidates[best].score.key() { other } else { best }
        };
        &self.candidates[(0..self.candidates.len()).fold(0, least)]
    }
    /// Tries these points: those that nobody has tried are run by `run`, all of them at once. The
    /// scores in the points' order.
    pub fn try_all<E>(
        &mut self,
        phase: Phase,
        points: &[Vec<f64>],
        run: &mut Run<'_, E>,
    ) -> Result<Vec<f64>, E> {
        let mut new: Vec<Vec<f64>> = Vec::new();
        for point in points {
            if self.known.contains_key(&bits(point)) {
                self.asked_again += 1;
                continue;
            }
            self.known.insert(bits(point), self.candidates.len() + new.len());
            new.push(point.clone());
        }
        let measured = if new.is_empty() { Vec::new() } else { run(&new)? };
        for (point, measured) in new.into_iter().zip(measured) {
            let (means, error) = match measured {
                Ok(means) => (means, None),
                Err(error) => (Means::new(), Some(error)),
            };
            let score = match error {
                None => self.objective.score(&self.candidates[0].means, &means),
                Some(_) => Score::failed(),
            };
            let number = self.candidates.len() as u32;
            let accepted = score.key() < self.best().score.key();
            self.candidates.push(Candidate { number, phase, point, score, accepted, means, error });
        }
        Ok(points.iter().map(|point| self.candidates[self.known[&bits(point)]].score.key()).collect())
    }
    /// Lets a method search until it ends or `budget` candidates were run, the start among them.
    pub fn run<E>(&mut self, method: &mut dyn Method, budget: u32, run: &mut Run<'_, E>) -> Result<(), E> {
        // A method that asks for nothing new any more has arrived.
        let mut nothing_new = 0;
        while (self.candidates.len() as u32) < budget && nothing_new < 100 {
            let mut points = method.ask();
            let left = budget as usize - self.candidates.len();
            if points.is_empty() {
                break;
            }
            // A batch beyond the budget is cut, and the method not told: it is over.
            let cut = points.len() > left;
            points.truncate(left);
            let before = self.candidates.len();
            let scores = self.try_all(Phase::Search, &points, run)?;
            nothing_new = if self.candidates.len() == before { nothing_new + 1 } else { 0 };
            if cut {
                break;
            }
            method.tell(&scores);
        }
        Ok(())
    }
}

/// A point as what it is known by; `-0.0` and `0.0` are one.
fn bits(point: &[f64]) -> Vec<u64> {
    point.iter().map(|value| (value + 0.0).to_bits()).collect()
}

#[cfg(test)]
mod tests;
