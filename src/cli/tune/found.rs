//! What a search has found, as it is written and shown.

use super::asked::Asked;
use super::beside;
use super::judged::Judged;
use super::wanted::Wanted;
use super::worlds::Worlds;
use crate::run::Provenance;
use crate::scenario::Plan;
use crate::tune::{Axis, Candidate, Objective, Search};
use serde::Serialize;

/// The version of tune.json: raised when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// A parameter.
#[derive(Debug, Serialize)]
pub(super) struct Turned {
    pub name: String,
    pub path: String,
    #[serde(flatten)]
    pub axis: Axis,
    pub start: f64,
    pub published: Option<f64>,
    pub tuned: f64,
}

/// Scores beside the best of the search along one parameter.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    pub name: String,
    /// The value below it and the score there; null at the end of the range.
    pub less: Option<(f64, Option<f64>)>,
    /// The value above it and the score there.
    pub more: Option<(f64, Option<f64>)>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub schema_version: u32,
    pub scenario: String,
    pub policy: String,
    pub provenance: Provenance,
    pub method: &'static str,
    /// As it is judged; the search allows half of each margin.
    pub objective: Objective,
    /// What is searched on, in words.
    pub on: String,
    /// Runs of the search.
    pub runs: u64,
    /// How often a candidate was asked for that had been run.
    pub known_already: u32,
    pub parameters: Vec<Turned>,
    /// What `run` and others take to have the tuned weights.
    pub set: Vec<String>,
    /// The number of the best candidate.
    pub best: u32,
    /// Around which the scores beside it were taken; null where the budget left no room.
    pub around: Option<u32>,
    pub beside: Vec<Beside>,
    pub candidates: Vec<Candidate>,
    pub judged: Judged,
}

impl Found {
    pub(super) fn of(
        wanted: &Wanted<'_>,
        plan: &Plan,
        asked: &Asked,
        worlds: &Worlds,
        search: &Search<'_>,
        judged: Judged,
    ) -> Found {
        let (candidates, best) = (search.candidates(), search.best());
        let searched = candidates.iter().filter(|other| other.phase != crate::tune::Phase::Around);
        let centre = searched.min_by(|a, b| a.score.key().total_cmp(&b.score.key()));
        let known = |point: &[f64]| candidates.iter().find(|other| other.point == point);
        let beside: Vec<Beside> = centre.map_or_else(Vec::new, |centre| {
            let points = beside(&asked.knobs, &centre.point);
            let at = |index: usize, more: bool| {
                let (_, _, point) = points.iter().find(|(i, m, _)| (*i, *m) == (index, more))?;
                let candidate = known(point).filter(|other| other.number != centre.number)?;
                Some((point[index], candidate.score.value))
            };
            let each = asked.knobs.iter().enumerate();
            each.map(|(i, knob)| Beside { name: knob.name.clone(), less: at(i, false), more: at(i, true) })
                .collect()
        });
        let any = beside.iter().any(|beside| beside.less.is_some() || beside.more.is_some());
        let parameters = asked.knobs.iter().zip(&best.point).map(|(knob, &tuned)| Turned {
            name: knob.name.clone(),
            path: knob.path.clone(),
            axis: knob.axis,
            start: knob.start,
            published: knob.default,
            tuned,
        });
        Found {
            schema_version: SCHEMA_VERSION,
            scenario: plan.name.clone(),
            policy: wanted.policy.name.clone(),
            provenance: (*worlds.train.prepared[0].provenance).clone(),
            method: wanted.method.name(),
            objective: asked.judging.clone(),
            on: worlds.train.words(),
            runs: candidates.len() as u64 * u64::from(worlds.train.cells_each()),
            known_already: search.asked_again(),
            parameters: parameters.collect(),
            set: asked.knobs.iter().zip(&best.point).map(|(knob, &value)| knob.set(value)).collect(),
            best: best.number,
            around: centre.filter(|_| any).map(|centre| centre.number),
            beside: if any { beside } else { Vec::new() },
            candidates: candidates.to_vec(),
            judged,
        }
    }
}
