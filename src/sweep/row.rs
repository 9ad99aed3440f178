//! What a cell leaves: a row with what it was made from, its measures and its histograms. Knows the shape; must not
//! know what a measure means. No wall time and no machine: equal cells leave equal rows.

use crate::run::RunResult;
use crate::stats::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a cell ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran to its end.
    #[default]
    Ok,
    /// It did not; the row's `reason` says why.
    Failed,
}

impl Status {
    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Failed => "failed",
        }
    }
}

/// Measures of a group of a cell's requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// What requests are grouped by: `region`, `origin` or `class`.
    pub by: String,
    /// The group's name in the scenario.
    pub name: String,
    /// Its measures, in their order.
    pub measures: Vec<(String, f64)>,
}

/// One cell's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The cell's number, from 0.
    pub cell: u64,
    /// The hash of what it was made from, in hexadecimal.
    pub id: String,
    /// Its point's number, from 0.
    pub point: u64,
    /// What the point sets.
    pub settings: BTreeMap<String, String>,
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest of its outcomes, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome_digest: String,
    /// Its headline measures, in their order, in their units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<(String, f64)>,
    /// Those of them that stand on too few samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreliable: Vec<String>,
    /// The same of groups of requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRow>,
    /// `ttft`, `itl` and `e2e` of completed requests that count, in nanoseconds, as [`Histogram`] writes itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, String>,
}

impl Row {
    /// Its value of a measure.
    pub fn value(&self, measure: &str) -> Option<f64> {
        self.measures.iter().find(|(name, _)| name == measure).map(|(_, value)| *value)
    }
    /// What must be equal where the same was run twice.
    pub fn outcome(&self) -> impl PartialEq + '_ {
        (self.status, &self.outcome_digest, &self.measures, &self.unreliable, &self.groups, &self.histograms)
    }
}

/// The histograms of a result. `itl` is, as everywhere, of each request the mean time between its tokens.
pub fn histograms(result: &RunResult) -> BTreeMap<String, String> {
    let mut all =
        [("ttft", Histogram::default()), ("itl", Histogram::default()), ("e2e", Histogram::default())];
    for entry in result.measured().filter(crate::run::Entry::completed) {
        let values = [entry.ttft, entry.tpot(), entry.e2e()];
        for ((_, histogram), value) in all.iter_mut().zip(values) {
            if let Some(span) = value {
                histogram.add(span.0);
            }
        }
    }
    all.into_iter().map(|(name, histogram)| (name.to_string(), histogram.to_string())).collect()
}
