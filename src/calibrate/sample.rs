//! One measurement and what the model says of it. Knows hardware, shapes and the engine; must not know files.

use super::closed_loop::{self, Point};
use super::log::Log;
use super::measured::{Hardware, Measured, Quantity};
use super::runs::Run;
use crate::timing::{BatchShape, Constants, EngineKind, TimingError};
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
    /// Requests at a constant rate.
    Run(Run),
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
                        _ => played.e2e_ms,
                    })
                    .collect()
            }
            What::Log(log) => log.play(timing),
            What::Run(run) => run.play(&self.hardware, timing, constants),
        })
    }
    /// The longest context of one sequence, where it is known.
    pub fn longest_context(&self) -> Option<u32> {
        match &self.what {
            What::Step(_) => None,
            What::Point(point) => Some(point.input_tokens.saturating_add(point.output_tokens)),
            What::Log(log) => log.longest_context(),
            What::Run(run) => Some(run.prompt_tokens.saturating_add(run.output_tokens)),
        }
    }
    /// Whose scheduler it was measured with; `None` for single steps.
    pub fn engine(&self) -> Option<EngineKind> {
        match &self.what {
            What::Step(_) => None,
            What::Point(point) => Some(point.engine),
            What::Log(log) => Some(log.engine),
            What::Run(run) => Some(run.engine),
        }
    }
    /// Takes it as measured with this engine.
    pub fn set_engine(&mut self, kind: EngineKind) {
        match &mut self.what {
            What::Step(_) => {}
            What::Point(point) => point.engine = kind,
            What::Log(log) => Arc::make_mut(log).engine = kind,
            What::Run(run) => run.engine = kind,
        }
    }
    /// The group whose errors it belongs to.
    pub fn group(&self) -> String {
        format!("{}, {}", self.hardware.name(), self.source)
    }
    /// The strata that it is left out with: tensor parallelism and input length, and concurrency (by powers of four), each
    /// within model and GPU.
    pub fn strata(&self) -> [String; 2] {
        let name = self.hardware.name();
        let class = self.concurrency.max(1).ilog2() / 2 * 2;
        let (least, most) = (1u64 << class, (4u64 << class) - 1);
        [
            format!("{name}, tp {}, input {}", self.hardware.tp, self.input_tokens),
            format!("{name}, concurrency {least} to {most}"),
        ]
    }
}
