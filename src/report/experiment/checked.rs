//! A checked suite, from its folder: what `check --json` prints, and each pair's values.

use super::compared::{Comparison, Pair, pairs};
use super::{Kind, ReadError, Source};
use serde::Deserialize;
use std::path::Path;

/// What `check --json` prints.
pub const FILE: &str = "check.json";

/// How a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All is well.
    Pass,
    /// Nobody can tell.
    Inconclusive,
    /// There is nothing to compare with.
    NotComparable,
    /// A bound is broken, or a measure is worse.
    Fail,
}

/// A bound and what was held against it.
#[derive(Clone, Debug, Deserialize)]
pub struct Held {
    /// The bound, such as `ttft.p99 < 800ms`.
    pub bound: String,
    /// The mean over the runs.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Whether it holds.
    pub holds: bool,
}

/// One policy of one scenario.
#[derive(Clone, Debug, Deserialize)]
pub struct Judged {
    /// The scenario's name in the suite.
    pub scenario: String,
    /// The policy.
    pub policy: String,
    /// How it stands.
    pub standing: Standing,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// Its bounds.
    pub thresholds: Vec<Held>,
    /// Against the baseline.
    pub comparison: Option<Comparison>,
}

/// What `check` left.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The suite's name.
    pub suite: String,
    /// The tool's version.
    pub tool_version: String,
    /// Every policy of every scenario.
    pub policies: Vec<Judged>,
    /// Every pair's values, by the policy's place; none where the folder lost them.
    pub pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Document {
    suite: String,
    #[serde(default)]
    tool_version: String,
    policies: Vec<Judged>,
}

/// Reads it.
pub(super) fn read(folder: &Path) -> Result<Checked, ReadError> {
    let Document { suite, tool_version, policies } = Source::of(folder, FILE, Kind::Check).json()?;
    Ok(Checked { suite, tool_version, policies, pairs: pairs(folder, Kind::Check)? })
}
