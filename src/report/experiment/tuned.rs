//! Tuned weights, from their folder: tune.json.

use super::compared::{Comparison, Made};
use super::{Kind, ReadError, Source};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A parameter.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The least of its range.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// `log` or `linear`.
    pub scale: String,
    /// The scenario's value.
    pub start: f64,
    /// The value that was found.
    pub tuned: f64,
}

impl Parameter {
    /// Whether its axis is logarithmic.
    pub fn is_log(&self) -> bool {
        self.scale == "log" && self.low > 0.0
    }
}

/// How good a point is: less is better, the start has 1.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Score {
    /// None where nothing could be measured.
    pub value: Option<f64>,
    /// The limits that are broken.
    #[serde(default)]
    pub broken: Vec<String>,
}

/// A point that was run.
#[derive(Clone, Debug, Deserialize)]
pub struct Candidate {
    /// Numbered from 0, the start.
    pub number: u32,
    /// `start`, `search` or `around`.
    pub phase: String,
    /// The values, in the order of the parameters.
    pub point: Vec<f64>,
    /// How good it is.
    pub score: Score,
    /// What was measured.
    #[serde(default)]
    pub means: BTreeMap<String, f64>,
}

/// Weights on the judged worlds.
#[derive(Clone, Debug, Deserialize)]
pub struct Contender {
    /// `start`, `tuned`, `published`, or the text they were given by.
    pub name: String,
    /// The values.
    pub point: Vec<f64>,
    /// How good they are there.
    #[serde(default)]
    pub score: Score,
    /// The tuned ones against these.
    pub tuned_against: Option<Comparison>,
}

/// The best that could have been had on the judged worlds.
#[derive(Clone, Debug, Deserialize)]
pub struct Oracle {
    /// How many were tried there.
    pub tried: u64,
    /// The best ones.
    pub point: Vec<f64>,
    /// By how much the tuned ones' score is above it.
    pub tuned_regret: Option<f64>,
    /// By how much the start's is.
    pub start_regret: Option<f64>,
}

/// The judgement.
#[derive(Clone, Debug, Deserialize)]
pub struct Judged {
    /// Which worlds, in words.
    pub on: String,
    /// Start first, then tuned.
    pub contenders: Vec<Contender>,
    /// Where it was asked for.
    #[serde(default)]
    pub oracle: Option<Oracle>,
}

/// What is made better.
#[derive(Clone, Debug, Deserialize)]
pub struct Aim {
    /// The measure.
    pub measure: String,
}

/// What must not be lost.
#[derive(Clone, Debug, Deserialize)]
pub struct Limit {
    /// The measure.
    pub measure: String,
}

/// Aim and limits.
#[derive(Clone, Debug, Deserialize)]
pub struct Objective {
    /// What is made better.
    pub aim: Aim,
    /// What must not be lost.
    #[serde(default)]
    pub limits: Vec<Limit>,
}

/// tune.json.
#[derive(Clone, Debug, Deserialize)]
pub struct Tuned {
    /// The scenario's name.
    pub scenario: String,
    /// The policy.
    pub policy: String,
    /// What made it.
    pub provenance: Made,
    /// How it was searched.
    pub method: String,
    /// Aim and limits.
    pub objective: Objective,
    /// What was searched on, in words.
    pub on: String,
    /// Runs of the search.
    #[serde(default)]
    pub runs: u64,
    /// What was turned.
    pub parameters: Vec<Parameter>,
    /// What `run` and others take to have the tuned weights.
    pub set: Vec<String>,
    /// The number of the best candidate.
    pub best: u32,
    /// Everything that was run.
    pub candidates: Vec<Candidate>,
    /// The judgement.
    pub judged: Judged,
}

/// Reads it.
pub(super) fn read(folder: &Path) -> Result<Tuned, ReadError> {
    let source = Source::of(folder, Kind::Tune.file(), Kind::Tune);
    let tuned: Tuned = source.json()?;
    let wide = |point: &[f64]| point.len() == tuned.parameters.len();
    let all = tuned
        .candidates
        .iter()
        .map(|one| &one.point)
        .chain(tuned.judged.contenders.iter().map(|one| &one.point));
    if !all.into_iter().all(|point| wide(point)) {
        return Err(source.broken("a candidate has not one value for each parameter"));
    }
    Ok(tuned)
}
