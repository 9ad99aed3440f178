//! One measurement and what the model says of it. Knows hardware, shapes and the engine; must not know files.

use super::closed_loop::{self, Point};
use super::log::Log;
use super::measured::{Hardware, Measured, Quantity};
use crate::timing::{BatchShape, Constants, TimingError};
use std::sync::Arc;

/// How a measurement is modelled.
#[derive(Clone, Debug)]
pub enum What {
    /// A step of this shape.
    Step(BatchShape),
    /// A closed-loop benchmark.
    Point(Point),
    /// A served log, replayed.
    Log(Arc<Log>),
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it was measured on.
    pub hardware: Hardware,
    /// Engine and version or file, for groups of errors.
    pub source: String,
    /// Prompt tokens, for strata; of a step, those of the mean chunk.
    pub input_tokens: u32,
    /// Requests at once.
    pub concurrency: u32,
    /// What to model.
    pub what: What,
    /// What was measured.
    pub measured: Vec<Measured>,
}

impl Sample {
    /// What the model says, in the order of `measured`, milliseconds.
    pub fn predict(&self, constants: &Constants) -> Result<Vec<f64>, TimingError> {
        let timing = self.hardware.step_time(constants)?;
        Ok(match &self.what {
            What::Step(shape) => vec![timing.step(shape).0 as f64 / 1e9],
            What::Point(point) => {
                let played = closed_loop::play(point, &self.hardware, timing, constants);
                self.measured
                    .iter()
                    .map(|measured| match measured.quantity {
                        Quantity::Ttft => played.ttft_ms,
                        Quantity::Tpot => played.tpot_ms,
                        Quantity::E2e | Quantity::Step => played.e2e_ms,
                    })
                    .collect()
            }
            What::Log(log) => log.play(timing),
        })
    }
    /// The group whose errors it belongs to.
    pub fn group(&self) -> String {
        format!("{}, {}", self.hardware.name(), self.source)
    }
    /// The stratum that is left out together: tensor parallelism and input length, within the group.
    pub fn stratum(&self) -> String {
        format!("{}, tp {}, input {}", self.hardware.name(), self.hardware.tp, self.input_tokens)
    }
}
