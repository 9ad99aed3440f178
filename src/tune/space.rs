//! From parameters to coordinates and back. Knows ranges; must not know which policy the parameters belong to.

use crate::scenario::tuning::Axis;
use serde::Serialize;

/// The ranges of all parameters, in their order. A point is a value of each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Space(pub Vec<Axis>);

impl Space {
    /// How many parameters.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }
    /// The point at these units.
    pub fn point(&self, units: &[f64]) -> Vec<f64> {
        self.0.iter().zip(units).map(|(axis, &unit)| axis.value(unit)).collect()
    }
    /// The units of a point.
    pub fn units(&self, point: &[f64]) -> Vec<f64> {
        self.0.iter().zip(point).map(|(axis, &value)| axis.unit(value)).collect()
    }
    /// The point brought within the ranges.
    pub fn settle(&self, point: &[f64]) -> Vec<f64> {
        self.0.iter().zip(point).map(|(axis, &value)| axis.settle(value)).collect()
    }
}
