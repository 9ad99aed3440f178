//! What was measured: on which hardware, which quantity, how much of it. Knows models and GPUs; must not know how a
//! measurement is modelled.

use crate::catalog::{Dtype, Gpu, Model};
use crate::timing::roofline::Roofline;
use crate::timing::{Constants, RooflineParams, StepTime, TimingError};
use std::sync::Arc;

/// What was measured on.
#[derive(Clone, Copy, Debug)]
pub struct Hardware {
    /// The model.
    pub model: &'static Model,
    /// The GPU.
    pub gpu: &'static Gpu,
    /// Tensor parallelism.
    pub tp: u32,
    /// Type of the weights.
    pub weights: Dtype,
    /// Type of KV entries.
    pub kv: Dtype,
}

impl Hardware {
    /// The step time there under `constants`.
    pub fn step_time(&self, constants: &Constants) -> Result<Arc<dyn StepTime>, TimingError> {
        let profile = (*constants).into();
        let params = RooflineParams::resolve(self.model, self.gpu, self.tp, self.weights, self.kv, profile)?;
        Ok(Arc::new(Roofline::new(&params)?))
    }
    /// Model, GPU and weights in words.
    pub fn name(&self) -> String {
        let weights = match self.weights {
            Dtype::Bf16 => "bf16",
            Dtype::Fp8 => "fp8",
        };
        format!("{} {weights} on {}", self.model.name, self.gpu.name)
    }
}

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// One engine step.
    Step,
    /// Time to first token.
    Ttft,
    /// Time per output token after the first.
    Tpot,
    /// From request to last token.
    E2e,
    /// Median, 90th and 99th percentile of the time to first token.
    TtftP50,
    /// See above.
    TtftP90,
    /// See above.
    TtftP99,
    /// 90th and 99th percentile of the time from request to last token.
    E2eP90,
    /// See above.
    E2eP99,
}

impl Quantity {
    /// Its name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Step => "step",
            Quantity::Ttft => "ttft",
            Quantity::Tpot => "tpot",
            Quantity::E2e => "e2e",
            Quantity::TtftP50 => "ttft_p50",
            Quantity::TtftP90 => "ttft_p90",
            Quantity::TtftP99 => "ttft_p99",
            Quantity::E2eP90 => "e2e_p90",
            Quantity::E2eP99 => "e2e_p99",
        }
    }
}

/// A measured number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// What it is of.
    pub quantity: Quantity,
    /// Milliseconds.
    pub ms: f64,
    /// How much its relative error counts in a fit.
    pub weight: f64,
}
