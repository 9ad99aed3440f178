//! What a policy's parameters have in common. Knows names, defaults, rules; must not know any one policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A parameter value that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamProblem {
    /// The parameter, as it is spelled in a scenario; `a.b` within a table, `a.0` in a list.
    pub field: Cow<'static, str>,
    /// The value found.
    pub value: String,
    /// The rule it breaks, to be read after "must be".
    pub rule: Cow<'static, str>,
    /// What to do about it, where there is more to say than to keep the rule.
    pub help: Option<&'static str>,
    /// Whether it is one only because something else is not there: no news where that was written, and is broken.
    pub follows: bool,
}

/// A parameter, for listings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParamInfo {
    /// Its name in a scenario.
    pub name: String,
    /// Its default as it would be written; `none` where it is off unless given.
    pub default: String,
    /// What it means, with its unit.
    pub doc: String,
}

/// Whether `params` are within their rules; collects what is not.
pub trait Validate {
    /// Adds a problem for every value that breaks its rule.
    fn check(&self, problems: &mut Problems) {
        let _ = problems;
    }
    /// The regions that are named in them, each with its parameter: whether they exist is the scenario's to say.
    fn regions(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// The tables in them that say something of every region with a pool, each with the regions it has.
    fn tables(&self) -> Vec<(&'static str, Vec<String>)> {
        Vec::new()
    }
}

/// Problems found so far.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<ParamProblem>);

impl Problems {
    /// Notes a problem unless `holds`.
    pub fn require(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        value: impl std::fmt::Display,
        holds: bool,
        rule: impl Into<Cow<'static, str>>,
    ) {
        if !holds {
            let (field, rule) = (field.into(), rule.into());
            self.0.push(ParamProblem { field, value: value.to_string(), rule, help: None, follows: false });
        }
    }
    /// As [`Problems::require`], of what is one only because something else is not there.
    pub fn require_beside(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        value: impl std::fmt::Display,
        holds: bool,
        rule: impl Into<Cow<'static, str>>,
    ) {
        self.require(field, value, holds, rule);
        if let Some(problem) = self.0.last_mut().filter(|_| !holds) {
            problem.follows = true;
        }
    }
    /// Says what to do about the problem noted last.
    pub fn help(&mut self, help: &'static str) {
        if let Some(problem) = self.0.last_mut() {
            problem.help = Some(help);
        }
    }
    /// A share.
    pub fn share(&mut self, field: impl Into<Cow<'static, str>>, value: f64) {
        self.require(field, value, (0.0..=1.0).contains(&value), "a share from 0 to 1");
    }
    /// A finite number above 0.
    pub fn positive(&mut self, field: impl Into<Cow<'static, str>>, value: f64) {
        self.require(field, value, value.is_finite() && value > 0.0, "a finite number above 0");
    }
    /// A weight: finite and not negative.
    pub fn weight(&mut self, field: impl Into<Cow<'static, str>>, value: f64) {
        self.require(field, value, value.is_finite() && value >= 0.0, "a finite number, 0 or more");
    }
}

/// Names, defaults and documentation of a parameter struct, read off its schema and its `Default`.
pub fn describe<P: JsonSchema + Serialize + Default>() -> Vec<ParamInfo> {
    let schema = schemars::schema_for!(P).to_value();
    let defaults = serde_json::to_value(P::default()).unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(|properties| properties.as_object()) else {
        return Vec::new();
    };
    properties
        .iter()
        .map(|(name, property)| ParamInfo {
            name: name.clone(),
            default: match defaults.get(name) {
                None | Some(serde_json::Value::Null) => "none".to_owned(),
                Some(value) => value.to_string(),
            },
            doc: property
                .get("description")
                .and_then(|text| text.as_str())
                .unwrap_or_default()
                .replace('\n', " "),
        })
        .collect()
}

/// How equals are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// Uniformly at random among the equals.
    #[default]
    Random,
    /// The first in target order.
    First,
    /// The last in target order.
    Last,
    /// The one with the fewest requests of this gateway under way, the first among those.
    LowestInflight,
}

impl Tie {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Tie::Random => "random",
            Tie::First => "first",
            Tie::Last => "last",
            Tie::LowestInflight => "lowest_inflight",
        }
    }
}

/// When a prompt stops counting as queued at its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// When the request ends.
    #[default]
    Completion,
    /// When its first token comes back.
    FirstToken,
}

impl Release {
    /// The prompt tokens that count as queued.
    pub fn tokens(self, own: &super::Own) -> u64 {
        match self {
            Release::Completion => own.prompt_tokens,
            Release::FirstToken => own.queued_tokens,
        }
    }
}
