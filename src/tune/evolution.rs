//! A (1 + 1) evolution strategy with the one-fifth rule: the best so far has one child, which takes its place if it is
//! better. Constants: atoniolo76/GORGO at f624302, gorgo/tuner.py: σ begins at 0.5, the last eight outcomes count, σ is
//! divided by 0.817 where more than a fifth of them were better and multiplied where fewer were, and below 0.02 it ends
//! (Rechenberg, "Evolutionsstrategie", 1973). Ours: both are judged on the same worlds, so better is better, and there is
//! no tolerance.

use super::search::Method;
use super::space::Space;
use crate::dist::standard_normal;
use crate::rng::{Key, Stream};
use std::collections::VecDeque;

const SIGMA: f64 = 0.5;
const SIGMA_MIN: f64 = 0.02;
const STEP: f64 = 0.817;
const REMEMBERED: usize = 8;

/// The strategy.
#[derive(Debug)]
pub struct Evolution {
    space: Space,
    best: Vec<f64>,
    score: Option<f64>,
    child: Vec<f64>,
    sigma: f64,
    outcomes: VecDeque<bool>,
    draws: Stream,
}

impl Evolution {
    /// From this point on, with draws of this key's.
    pub fn new(space: &Space, start: &[f64], key: Key) -> Evolution {
        let best = space.settle(start);
        Evolution {
            space: space.clone(),
            child: best.clone(),
            best,
            score: None,
            sigma: SIGMA,
            outcomes: VecDeque::new(),
            draws: key.named("evolution").stream(),
        }
    }
}

impl Method for Evolution {
    fn ask(&mut self) -> Vec<Vec<f64>> {
        if self.sigma < SIGMA_MIN {
            return Vec::new();
        }
        if self.score.is_some() {
            let mut units = self.space.units(&self.best);
            for (unit, axis) in units.iter_mut().zip(&self.space.0) {
                let length = axis.length();
                if length > 0.0 {
                    *unit += self.sigma * standard_normal(&mut self.draws) / length;
                }
            }
            self.child = self.space.point(&units);
        }
        vec![self.child.clone()]
    }
    fn tell(&mut self, scores: &[f64]) {
        let &[score] = scores else { return };
        let Some(best) = self.score else {
            self.score = Some(score);
            return;
        };
        let better = score < best;
        if better {
            (self.best, self.score) = (self.child.clone(), Some(score));
        }
        self.outcomes.push_back(better);
        if self.outcomes.len() > REMEMBERED {
            self.outcomes.pop_front();
        }
        // Fifths without rounding: five times the successes against the number of outcomes.
        let successes = 5 * self.outcomes.iter().filter(|&&better| better).count();
        match successes.cmp(&self.outcomes.len()) {
            std::cmp::Ordering::Greater => self.sigma /= STEP,
            std::cmp::Ordering::Less => self.sigma *= STEP,
            std::cmp::Ordering::Equal => {}
        }
    }
}
