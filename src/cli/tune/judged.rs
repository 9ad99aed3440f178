//! The judgement: start, tuned, published and given weights on worlds that the search has not seen, paired world by world;
//! and how far the tuned ones lie from the best that could have been had there.

use super::asked::Asked;
use super::wanted::Wanted;
use super::worlds::{Runner, Set, Worlds, means};
use crate::cli::exit::Failure;
use crate::gate::{Comparison, Rules, Sample, compare};
use crate::rng::Key;
use crate::stats::Verdict;
use crate::tune::{Means, Score, Search, Space, latin_hypercube};
use anyhow::anyhow;
use serde::Serialize;
use std::collections::BTreeMap;

/// Pairs that are parts of a trace.
pub(super) const PARTS: &str = "parts";

/// Weights on the judged worlds.
#[derive(Debug, Serialize)]
pub(super) struct Contender {
    /// `start`, `tuned`, `published`, or the text they were given by.
    pub name: String,
    /// The values.
    pub point: Vec<f64>,
    /// Their score against the start there.
    pub score: Score,
    /// By how much that is above the oracle's; null where there is none.
    pub regret: Option<f64>,
    /// What was measured there.
    pub means: Means,
    /// The tuned ones against these; null for the tuned ones themselves, and where the two are the same.
    pub tuned_against: Option<Comparison>,
}

/// The best that could have been had on the judged worlds, of those that were tried there.
#[derive(Debug, Serialize)]
pub(super) struct Oracle {
    /// How many different weights were tried there.
    pub tried: usize,
    /// The best ones.
    pub point: Vec<f64>,
    /// Their score against the start there.
    pub score: Score,
    /// By how much the tuned ones' score is above it.
    pub tuned_regret: Option<f64>,
    /// By how much the start's is.
    pub start_regret: Option<f64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    /// Which worlds, in words.
    pub on: String,
    /// What a pair is: `seeds` or `parts`.
    pub pairs: &'static str,
    /// Start first, then tuned.
    pub contenders: Vec<Contender>,
    /// Null where it was not asked for.
    pub oracle: Option<Oracle>,
}

impl Judged {
    /// Of the tuned weights against the start.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.contenders.first()?.tuned_against.as_ref()?.verdict
    }
    /// Whether nothing better than the start was found.
    pub(super) fn is_unchanged(&self) -> bool {
        self.contenders.len() > 1 && self.contenders[0].point == self.contenders[1].point
    }
}

/// The samples as pairs take them: one for each part of the trace where there are several, else one for each seed.
fn units(worlds: &Set, samples: Vec<Sample>) -> Vec<Sample> {
    if !worlds.pairs_are_parts() {
        return samples;
    }
    let seeds = worlds.seeds.len();
    let part = |(number, of_part): (usize, &[Sample])| Sample {
        // Pairs are told apart by it.
        seed: number as u64,
        outcome_digest: of_part
            .iter()
            .map(|sample| sample.outcome_digest.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        values: means(of_part),
        unreliable: (of_part.first())
            .map(|first| first.values.keys())
            .into_iter()
            .flatten()
            .filter(|name| of_part.iter().any(|sample| !sample.reliable(name)))
            .cloned()
            .collect(),
    };
    samples.chunks(seeds).enumerate().map(part).collect()
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Judges.
pub(super) fn judge(
    wanted: &Wanted<'_>,
    asked: &Asked,
    worlds: &Worlds,
    runner: &Runner<'_>,
    search: &Search<'_>,
) -> Result<Judged, Failure> {
    let (start, tuned) = (search.candidates()[0].point.clone(), search.best().point.clone());
    let mut named: Vec<(String, Vec<f64>)> =
        vec![("start".into(), start.clone()), ("tuned".into(), tuned.clone())];
    let published: Option<Vec<f64>> = asked.knobs.iter().map(|knob| knob.default).collect();
    if let Some(published) = published.filter(|published| !same(published, &start)) {
        named.push(("published".into(), published));
    }
    named.extend(asked.against.iter().cloned());
    let points: Vec<Vec<f64>> = named.iter().map(|(_, point)| point.clone()).collect();
    let mut ran = Vec::new();
    for samples in runner.samples(&worlds.judge, &points)? {
        ran.push(units(&worlds.judge, samples.map_err(|error| anyhow!(error))?));
    }
    let all: Vec<Means> = ran.iter().map(|samples| means(samples)).collect();
    if !all[0].contains_key(&asked.objective.aim.measure) {
        return Err(Failure::usage(anyhow!(
            "{} has no value at the start on what is judged on ({}); is the warm-up longer than its parts?",
            asked.objective.aim.measure,
            worlds.judge.words()
        )));
    }
    let rules = Rules::of(wanted.confidence, asked.gated.clone());
    let shown: Vec<String> = asked.measures();
    let mut contenders = Vec::new();
    for (index, (name, point)) in named.iter().enumerate() {
        let other = index != 1 && !same(point, &tuned);
        let tuned_against = other.then(|| compare((name, &ran[index]), ("tuned", &ran[1]), &rules)).flatten();
        let tuned_against = tuned_against.map(|mut comparison| {
            comparison.changes.retain(|change| shown.contains(&change.metric));
            comparison
        });
        contenders.push(Contender {
            name: name.clone(),
            point: point.clone(),
            score: asked.judging.score(&all[0], &all[index]),
            regret: None,
            means: all[index].clone(),
            tuned_against,
        });
    }
    let oracle = match wanted.oracle {
        0 => None,
        _ => Some(oracle(wanted, asked, worlds, runner, search, &contenders)?),
    };
    if let Some(least) = oracle.as_ref().and_then(|oracle| oracle.score.value) {
        for contender in &mut contenders {
            contender.regret = contender.score.value.map(|score| score - least);
        }
    }
    Ok(Judged {
        on: worlds.judge.words(),
        pairs: if worlds.judge.pairs_are_parts() { PARTS } else { "seeds" },
        contenders,
        oracle,
    })
}

/// Half of what is tried are the search's best, half a Latin hypercube over the ranges; the contenders count as well.
fn oracle(
    wanted: &Wanted<'_>,
    asked: &Asked,
    worlds: &Worlds,
    runner: &Runner<'_>,
    search: &Search<'_>,
    contenders: &[Contender],
) -> Result<Oracle, Failure> {
    let bits = |point: &[f64]| point.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    let mut scores: BTreeMap<Vec<u64>, (Vec<f64>, Score)> = BTreeMap::new();
    for contender in contenders {
        scores.insert(bits(&contender.point), (contender.point.clone(), contender.score.clone()));
    }
    let mut best: Vec<_> = search.candidates().iter().collect();
    best.sort_by(|a, b| a.score.key().total_cmp(&b.score.key()));
    let space = Space(asked.knobs.iter().map(|knob| knob.axis).collect());
    let key = Key::root(worlds.train.seeds[0]).named("oracle");
    let half = wanted.oracle.div_ceil(2);
    let points = (best.into_iter().take(half as usize).map(|candidate| candidate.point.clone()))
        .chain(latin_hypercube(&space, wanted.oracle - half, key));
    let mut new: Vec<Vec<f64>> = Vec::new();
    for point in points {
        let known = |other: &Vec<f64>| same(other, &point);
        if !scores.contains_key(&bits(&point)) && !new.iter().any(known) {
            new.push(point);
        }
    }
    for (point, measured) in new.iter().zip(runner.means(&worlds.judge, &new)?) {
        let score = measured
            .map_or_else(|_| Score::failed(), |here| asked.judging.score(&contenders[0].means, &here));
        scores.insert(bits(point), (point.clone(), score));
    }
    let tried = scores.len();
    let least = scores.into_values().min_by(|a, b| a.1.key().total_cmp(&b.1.key()));
    let (point, score) = least.unwrap_or_else(|| (Vec::new(), Score::failed()));
    let regret = |of: &Contender| Some(of.score.value? - score.value?);
    let (tuned_regret, start_regret) = (regret(&contenders[1]), regret(&contenders[0]));
    Ok(Oracle { tried, point, score, tuned_regret, start_regret })
}
