//! Scorers: signals turned, weighted and combined. Knows transforms and units; must not know who is chosen. A sum has
//! one unit: a weight that converts says into what.

use super::filter::{no, one};
use super::signal::{Reading, Signal, Unit};
use crate::routing::score;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scorer: one signal, turned and weighted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeTerm")]
pub struct Term {
    /// What is read.
    pub signal: Signal,
    /// Which is better, the least (`min`) or the most (`max`) of what comes out of `transform`.
    pub direction: Direction,
    /// What it is multiplied by, after `transform`, 0 or more; 0 is not read. Default: 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// What is made of it: `raw`, `min_max`, `max_min`, `one_minus`, `ratio_to_max`, `{ inverse = { floor } }` or
    /// `{ cap_linear = { limit } }`. Default: "raw".
    #[serde(default)]
    pub transform: Transform,
    /// For each replica behind a target instead of their sum. Default: false.
    #[serde(default = "no")]
    pub per_replica: bool,
    /// What the weighted term counts, where the weight converts: `ms` of tokens at so many milliseconds each, or `score`
    /// in a sum whose weights alone make the terms comparable. Default: the signal's own unit.
    #[serde(default)]
    pub unit: Option<Unit>,
}

/// Which is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeDirection")]
pub enum Direction {
    /// The least.
    Min,
    /// The most.
    Max,
}

/// What is made of a signal before it is weighted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeTransform")]
pub enum Transform {
    /// Itself.
    #[default]
    Raw,
    /// 1 for the least among the candidates, 0 for the most: (high − x) / (high − low), 1 where all are equal.
    MinMax,
    /// 1 for the most, 0 for the least: (x − low) / (high − low), 1 where all are equal.
    MaxMin,
    /// 1 − x, of a share.
    OneMinus,
    /// x / most among the candidates; 0 where that is 0.
    RatioToMax,
    /// 1 / max(x, floor).
    Inverse(Floor),
    /// 1 − min(x, limit) / limit: 1 at nothing, 0 from the limit on.
    CapLinear(Cap),
}

/// Below this a denominator does not go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeFloor")]
pub struct Floor {
    /// The least denominator, in the signal's unit, 1e-9 or more.
    pub floor: f64,
}

/// Where a line ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeCap")]
pub struct Cap {
    /// The value that counts as 0, in the signal's unit, above 0.
    pub limit: f64,
}

/// How terms become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeCombine")]
pub enum Combine {
    /// Their sum, in the direction of the first: terms of the other direction are subtracted. They have one unit.
    #[default]
    Sum,
    /// The first decides, the second among those equal by the first, and so on. Nothing is weighted.
    Lexicographic,
    /// Their product. All have one direction.
    Product,
    /// The largest of them. They have one unit and one direction.
    Max,
}

impl Transform {
    /// Whether it needs to know the candidates' least and most.
    pub const fn is_relative(&self) -> bool {
        matches!(self, Transform::MinMax | Transform::MaxMin | Transform::RatioToMax)
    }
    /// The value made of `value`, where the candidates lie within `range`.
    pub fn of(&self, value: f64, range: (f64, f64)) -> f64 {
        match self {
            Transform::Raw => value,
            Transform::MinMax => score::min_max(value, range),
            Transform::MaxMin => score::max_min(value, range),
            Transform::OneMinus => 1.0 - value,
            Transform::RatioToMax => {
                if range.1 > 0.0 {
                    value / range.1
                } else {
                    0.0
                }
            }
            Transform::Inverse(block) => 1.0 / value.max(block.floor),
            Transform::CapLinear(block) => score::capped(value, block.limit),
        }
    }
}

impl Term {
    /// What it reads.
    pub const fn reading(&self) -> Reading {
        Reading { signal: self.signal, per_replica: self.per_replica }
    }
    /// What it counts.
    pub const fn unit(&self) -> Unit {
        match (self.unit, &self.transform) {
            (Some(unit), _) => unit,
            (None, Transform::Raw) => self.signal.unit(),
            (None, _) => Unit::Score,
        }
    }
}
