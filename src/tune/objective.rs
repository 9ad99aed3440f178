//! What better means: one measure to make small, and others that must not be lost on the way. Knows measures by name and
//! which way is better; must not know how they are taken.
//!
//! With r the aim's mean over the mean at the start (its inverse where more is better), and e the sum over all limits of what
//! is lost beyond the allowance, as a share of the value at the start: the score is r where e = 0, and max(1, r) + e
//! elsewhere. The start scores 1; what breaks a limit scores more than 1 however well the aim looks, so it is never chosen
//! over the start; of two such points the one that breaks less leads, and so the way back. Our choice; rules by which what is
//! feasible goes first are Deb's, "An Efficient Constraint Handling Method for Genetic Algorithms", CMAME 186, 2000.

use serde::Serialize;
use std::collections::BTreeMap;

/// Means of measures over the worlds of a point, by name; those that every world has.
pub type Means = BTreeMap<String, f64>;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sense {
    /// Less.
    Lower,
    /// More.
    Higher,
}

/// What is made better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aim {
    /// The measure.
    pub measure: String,
    /// Which way it gets better.
    pub better: Sense,
}

/// A loss that is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowance {
    /// As a share of the value at the start.
    Relative(f64),
    /// In the measure's unit.
    Absolute(f64),
}

/// What must not be lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The measure.
    pub measure: String,
    /// Which way it gets better.
    pub better: Sense,
    /// How much worse than at the start it may be.
    pub allowance: Allowance,
}

/// Aim and limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Objective {
    /// What is made better.
    pub aim: Aim,
    /// What must not be lost.
    pub limits: Vec<Limit>,
}

/// How good a point is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Less is better, the start has 1; `None` where the aim has no value: nothing was completed. That is worst.
    pub value: Option<f64>,
    /// The limits that are broken.
    pub broken: Vec<String>,
}

impl Score {
    /// Of a point where something failed.
    pub fn failed() -> Score {
        Score { value: None, broken: Vec::new() }
    }
    /// For comparing: what has no value is worst.
    pub fn key(&self) -> f64 {
        self.value.unwrap_or(f64::INFINITY)
    }
    /// Whether every limit holds.
    pub fn is_feasible(&self) -> bool {
        self.value.is_some() && self.broken.is_empty()
    }
}

impl Limit {
    /// What is lost beyond the allowance, as a share of the value at the start. What has a value at the start and none here
    /// is lost whole.
    fn excess(&self, start: &Means, here: &Means) -> f64 {
        let Some(&before) = start.get(&self.measure) else { return 0.0 };
        let Some(&after) = here.get(&self.measure) else { return 1.0 };
        let loss = match self.better {
            Sense::Lower => after - before,
            Sense::Higher => before - after,
        };
        let allowed = match self.allowance {
            Allowance::Relative(share) => share * before.abs(),
            Allowance::Absolute(amount) => amount,
        };
        let beyond = loss - allowed;
        // What the subtraction rounds is no loss.
        if beyond <= 1e-9 * before.abs() {
            0.0
        } else if before == 0.0 {
            1.0
        } else {
            beyond / before.abs()
        }
    }
}

impl Objective {
    /// The names of all its measures, the aim first.
    pub fn measures(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.aim.measure.as_str())
            .chain(self.limits.iter().map(|limit| limit.measure.as_str()))
    }
    /// How good a point is against the start.
    pub fn score(&self, start: &Means, here: &Means) -> Score {
        let ends = start.get(&self.aim.measure).zip(here.get(&self.aim.measure));
        let Some((&before, &after)) = ends else { return Score::failed() };
        let (least, most) = match self.aim.better {
            Sense::Lower => (after, before),
            Sense::Higher => (before, after),
        };
        let ratio = if least == most { 1.0 } else { least / most };
        let (mut excess, mut broken) = (0.0, Vec::new());
        for limit in &self.limits {
            let beyond = limit.excess(start, here);
            if beyond > 0.0 {
                excess += beyond;
                broken.push(limit.measure.clone());
            }
        }
        let value = if broken.is_empty() { ratio } else { ratio.max(1.0) + excess };
        Score { value: value.is_finite().then_some(value), broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective() -> Objective {
        let limit = |measure: &str, better, allowance| Limit { measure: measure.into(), better, allowance };
        Objective {
            aim: Aim { measure: "ttft.p95".into(), better: Sense::Lower },
            limits: vec![
                limit("e2e.p95", Sense::Lower, Allowance::Relative(0.02)),
                limit("slo.attainment", Sense::Higher, Allowance::Absolute(0.01)),
            ],
        }
    }

    fn means(ttft: f64, e2e: f64, attainment: f64) -> Means {
        let all = [("ttft.p95", ttft), ("e2e.p95", e2e), ("slo.attainment", attainment)];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn a_hand_worked_score() {
        let start = means(800.0, 5000.0, 0.9);
        let score = |here: Means| objective().score(&start, &here);
        assert_eq!(score(start.clone()), Score { value: Some(1.0), broken: vec![] });
        // A fifth less; 2 % and one point are let pass.
        assert_eq!(score(means(640.0, 5100.0, 0.89)), Score { value: Some(0.8), broken: vec![] });
        // A quarter of the TTFT, for three times the E2E: (15000 − 5000 − 100) / 5000 = 1.98 beyond what is allowed.
        let hacked = score(means(200.0, 15_000.0, 0.9));
        assert_eq!((hacked.value, hacked.broken), (Some(2.98), vec!["e2e.p95".to_owned()]));
        // Twice the TTFT and 0.09 too few within SLO: 2 + 0.09 / 0.9.
        let worse = score(means(1600.0, 5000.0, 0.8)).value.unwrap();
        assert!((worse - 2.1).abs() < 1e-12, "{worse}");
    }

    #[test]
    fn what_breaks_a_limit_is_never_chosen_over_the_start() {
        let start = means(800.0, 5000.0, 0.9);
        for ttft in [1.0, 400.0, 799.0, 801.0] {
            let score = objective().score(&start, &means(ttft, 5101.0, 0.9));
            assert!(score.key() > 1.0 && !score.is_feasible(), "{score:?}");
        }
        // Nothing completed: no percentile, and worst of all.
        assert_eq!(objective().score(&start, &Means::new()).key(), f64::INFINITY);
        let mut lost = means(1.0, 0.0, 0.9);
        lost.remove("e2e.p95");
        assert_eq!(objective().score(&start, &lost).value, Some(2.0));
    }

    #[test]
    fn of_throughput_more_is_better() {
        let aim = Aim { measure: "throughput".into(), better: Sense::Higher };
        let objective = Objective { aim, limits: Vec::new() };
        let of = |value: f64| Means::from([("throughput".to_owned(), value)]);
        assert_eq!(objective.score(&of(100.0), &of(125.0)).value, Some(0.8));
        assert_eq!(objective.score(&of(100.0), &of(0.0)).value, None);
    }
}
