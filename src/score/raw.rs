//! An expectation file as it is written: what was published, where, and how near a simulation must come. Knows keys, their
//! types and what they mean: the documentation here is the help in messages. Must not know whether names exist or formulas
//! can be read: that is `suite`'s.

use crate::scenario::schema::schema_of;
use crate::units::Ratio;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The schema of an expectation file.
pub fn suite_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(schema_of::<RawSuite>)
}

/// A published benchmark: where it is from, the scenario that stands for it, and what is expected of that.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Benchmark", extend("required" = ["title", "trust", "sources", "expect"]))]
pub struct RawSuite {
    /// What was measured, in one line.
    pub title: String,
    /// How far to trust what was published: "A" (setup and raw numbers), "B" (gaps or known defects), "C" (a vendor's claim) or "D" (not verified: nothing of it may gate).
    pub trust: Trust,
    /// Where it was published.
    #[schemars(length(min = 1))]
    pub sources: Vec<RawSource>,
    /// The scenario file, from this file's folder. Default: this file's name with ".toml" in place of ".expect.toml".
    pub scenario: Option<String>,
    /// What was not published and had to be assumed, a sentence each.
    pub assumed: Vec<String>,
    /// How many seeds to run; measures are means over them. Default: 1.
    #[schemars(range(min = 1, max = 100))]
    pub seeds: Option<u32>,
    /// Variants of the scenario, each with overrides; formulas name them first. Default: the scenario as it is.
    pub runs: BTreeMap<String, RawRun>,
    /// What is expected.
    #[schemars(length(min = 1))]
    pub expect: Vec<RawExpect>,
}

/// How far to trust what was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Trust {
    /// Setup and raw numbers are published.
    A,
    /// With gaps or known defects.
    B,
    /// A vendor's claim.
    C,
    /// Not verified: nothing of it may gate.
    #[default]
    D,
}

impl Trust {
    /// The letter.
    pub fn name(self) -> &'static str {
        match self {
            Trust::A => "A",
            Trust::B => "B",
            Trust::C => "C",
            Trust::D => "D",
        }
    }
}

/// A source.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Source", extend("required" = ["what", "url"]))]
pub struct RawSource {
    /// What it is: a report, a paper, a file.
    pub what: String,
    /// Where it is.
    pub url: String,
    /// Its commit, where it lies in a repository.
    pub commit: Option<String>,
    /// When it was published, as "2025-09-24" or less exactly.
    pub date: Option<String>,
}

/// A variant of the scenario.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Run")]
pub struct RawRun {
    /// Overrides, as for `--set`, such as "workloads.main.synthetic.clients.count=800".
    pub set: Vec<String>,
    /// Its place on a ladder of variants, such as the number of clients: what a knee is found in.
    pub level: Option<f64>,
}

/// What kind of expectation it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawKind {
    /// How two results compare.
    #[default]
    Ratio,
    /// Which of several is least, next, and so on.
    Ordering,
    /// From which load on something goes wrong.
    Knee,
    /// A number as it is.
    Absolute,
}

/// One expectation.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Expect", extend("required" = ["what", "kind", "gate"]))]
pub struct RawExpect {
    /// What is expected, in one line.
    pub what: String,
    /// "ratio", "ordering", "knee" or "absolute".
    pub kind: RawKind,
    /// Whether a miss makes `score` fail.
    pub gate: bool,
    /// A formula over measures, `policy.measure`, with variants `run.policy.measure`, of a rung `policy@rate.measure`; of a knee with `each` for the run or the rate.
    pub value: Option<String>,
    /// Of an ordering: formulas, the least first.
    pub order: Vec<String>,
    /// The published number; of a knee the load.
    pub published: Option<f64>,
    /// Of an ordering: the published numbers, as in `order`; only pairs that lie at least 10 % apart are held against it. Default: each formula must exceed the one before it.
    pub published_values: Vec<f64>,
    /// Of a knee: that there was none on the ladder.
    pub never: bool,
    /// Of a knee: it is the first load at which the formula is above this. One of `above` and `below`.
    pub above: Option<f64>,
    /// Of a knee: it is the first load at which the formula is below this. One of `above` and `below`.
    pub below: Option<f64>,
    /// Accepted: within this share of the published number. One of `within`, `plus_minus`, and `at_least` with `at_most`.
    pub within: Option<Ratio>,
    /// Accepted: the published number, more or less by this. One of `within`, `plus_minus`, and `at_least` with `at_most`.
    pub plus_minus: Option<f64>,
    /// Accepted: from here on.
    pub at_least: Option<f64>,
    /// Accepted: up to here.
    pub at_most: Option<f64>,
    /// How far to trust this number, where it differs from the rest. Default: the benchmark's.
    pub trust: Option<Trust>,
    /// Why it misses, or why it does not gate, as far as is known.
    pub note: Option<String>,
}
