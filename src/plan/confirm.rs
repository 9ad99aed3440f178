//! Is it so? A plan under seeds that the search has not seen, more of them until every case is clear of its target or
//! there are no more; and its neighbours under the same seeds. Knows attainments by seed; must not know how the plan was
//! found. A search picks what looked best, so its own seeds flatter it: they are not used here.

use super::cell::{CellError, Outcome};
use super::evaluate::Evaluator;
use super::scene::Scene;
use crate::stats::Moments;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Seeds of the first look: the fewest from which an interval says anything. Each look doubles them.
const FIRST: u32 = 4;

/// What a confirmation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every interval lies at or above its target.
    Holds,
    /// Some interval lies below its target.
    Fails,
    /// After the last look some interval still holds its target inside: not good enough for a plan.
    Open,
}

/// A case and a group of it, as it was confirmed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The case.
    pub scene: String,
    /// The class, and the origin where each counts.
    pub group: String,
    /// What must be reached.
    pub target: f64,
    /// Requests of all seeds that count: where there are none, nothing is missed.
    pub arrivals: u64,
    /// The mean of the seeds' attainments.
    pub attainment: f64,
    /// Its interval.
    pub interval: (f64, f64),
    /// The mean of the seeds' 99th percentiles of TTFT, in milliseconds; `None` where no request had a first token.
    pub ttft_p99_ms: Option<f64>,
    /// How many seeds.
    pub seeds: u32,
    /// What that says.
    pub verdict: Verdict,
    /// Attainment by seed.
    #[serde(skip)]
    pub by_seed: Vec<f64>,
}

/// All of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confirmation {
    /// By case and group.
    pub lines: Vec<Line>,
    /// What they say together.
    pub verdict: Verdict,
}

impl Confirmation {
    /// The line that is nearest to its target, or furthest below it; one that does not hold before those that do.
    pub fn tightest(&self) -> Option<&Line> {
        let key = |line: &Line| (line.verdict == Verdict::Holds, line.attainment - line.target);
        self.lines.iter().min_by(|a, b| {
            let (a, b) = (key(a), key(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })
    }
}

/// How a confirmation is done.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The first of the seeds; the others count up.
    pub first_seed: u64,
    /// The most seeds.
    pub max_seeds: u32,
    /// How sure all looks are together: each has its share of what is left (Bonferroni).
    pub confidence: f64,
}

impl Rules {
    fn looks(&self) -> Vec<u32> {
        let mut looks = vec![FIRST.min(self.max_seeds.max(2))];
        while let Some(&last) = looks.last().filter(|&&last| last < self.max_seeds) {
            looks.push((2 * last).min(self.max_seeds));
        }
        looks
    }
    /// How sure one look is.
    pub fn each(&self) -> f64 {
        1.0 - (1.0 - self.confidence) / self.looks().len() as f64
    }
}

/// Confirms or rejects a plan.
///
/// # Errors
/// When a cell cannot be played.
pub fn confirm(
    evaluator: &mut Evaluator<'_>,
    counts: &[u32],
    rules: &Rules,
) -> Result<Confirmation, CellError> {
    confirm_in(evaluator, evaluator.scenes, counts, rules)
}

/// The same in these cases.
///
/// # Errors
/// When a cell cannot be played.
pub fn confirm_in(
    evaluator: &mut Evaluator<'_>,
    scenes: &[Scene],
    counts: &[u32],
    rules: &Rules,
) -> Result<Confirmation, CellError> {
    let mut outcomes: Vec<Vec<Arc<Outcome>>> = vec![Vec::new(); scenes.len()];
    let mut lines: Vec<Vec<Line>> = vec![Vec::new(); scenes.len()];
    let looks = rules.looks();
    for &look in &looks {
        let open: Vec<usize> = (0..scenes.len())
            .filter(|&at| lines[at].is_empty() || lines[at].iter().any(|line| line.verdict == Verdict::Open))
            .collect();
        let mut cells: Vec<(&Scene, &[u32], u64)> = Vec::new();
        for &at in &open {
            let from = outcomes[at].len() as u32;
            cells.extend(
                (from..look).map(|i| (&scenes[at], counts, rules.first_seed.wrapping_add(u64::from(i)))),
            );
        }
        let mut played = evaluator.whole(&cells)?.into_iter();
        for &at in &open {
            let more = look as usize - outcomes[at].len();
            outcomes[at].extend(played.by_ref().take(more));
            lines[at] = judge(evaluator, &scenes[at], &outcomes[at], rules.each());
        }
        let verdicts = || lines.iter().flatten().map(|line| line.verdict);
        if verdicts().any(|verdict| verdict == Verdict::Fails)
            || verdicts().all(|verdict| verdict == Verdict::Holds)
        {
            break;
        }
    }
    let lines: Vec<Line> = lines.into_iter().flatten().collect();
    let has = |wanted: Verdict| lines.iter().any(|line| line.verdict == wanted);
    let verdict = if has(Verdict::Fails) {
        Verdict::Fails
    } else if has(Verdict::Open) {
        Verdict::Open
    } else {
        Verdict::Holds
    };
    Ok(Confirmation { lines, verdict })
}

fn judge(evaluator: &Evaluator<'_>, scene: &Scene, outcomes: &[Arc<Outcome>], confidence: f64) -> Vec<Line> {
    let p99 = Moments::of(outcomes.iter().filter_map(|outcome| outcome.ttft_p99_ms)).mean();
    let groups = outcomes.first().map_or(0, |outcome| outcome.groups.len());
    let line = |group: usize| {
        let by_seed: Vec<f64> = outcomes.iter().map(|outcome| outcome.groups[group].attainment()).collect();
        let moments = Moments::of(by_seed.iter().copied());
        let (mean, half) = (moments.mean().unwrap_or(0.0), moments.half_width(confidence).unwrap_or(1.0));
        let target = evaluator.target(scene, group);
        let (low, high) = (mean - half, mean + half);
        // A mean that should be whole is off by rounding.
        let verdict = if low >= target - 1e-12 {
            Verdict::Holds
        } else if high < target {
            Verdict::Fails
        } else {
            Verdict::Open
        };
        Line {
            scene: scene.name.clone(),
            group: evaluator.group_name(scene, group),
            target,
            arrivals: outcomes.iter().map(|outcome| outcome.groups[group].arrivals).sum(),
            attainment: mean,
            interval: (low.max(0.0), high.min(1.0)),
            ttft_p99_ms: p99,
            seeds: outcomes.len() as u32,
            verdict,
            by_seed,
        }
    };
    (0..groups).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_double_and_share_the_doubt() {
        let rules = Rules { first_seed: 0, max_seeds: 16, confidence: 0.94 };
        assert_eq!(rules.looks(), [4, 8, 16]);
        assert!((rules.each() - 0.98).abs() < 1e-12, "6 % over three looks");
        assert_eq!(Rules { max_seeds: 10, ..rules }.looks(), [4, 8, 10]);
        assert_eq!(Rules { max_seeds: 4, ..rules }.looks(), [4]);
    }
}
