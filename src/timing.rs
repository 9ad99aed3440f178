//! How long one engine step takes. Knows a batch's shape, a model's dimensions and a GPU's rates; must not know
//! requests, caches or the clock. Formulas, constants and their errors: docs/model/timing.md.

pub mod capacity;
pub mod linear;
pub mod params;
pub mod profile;
pub mod roofline;
pub mod slowed;
pub mod table;

pub use capacity::{KvCapacity, KvCapacityError, activation_bytes, derive_kv_blocks};
pub use params::{
    FittedOn, GpuRates, IngressParams, LinearParams, ProfileParams, RooflineParams, TableParams, TableRow,
    TimingError, TimingParams,
};
pub use profile::{Constants, EngineKind, ErrorLine, Profile, Range, Status, profile, profiles};
pub use slowed::Slowed;

use crate::time::Picos;

/// What goes through the model in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchShape {
    /// Tokens computed: the prefill chunks and one for each decode.
    pub tokens: u32,
    /// Sequences, prefilling and decoding.
    pub sequences: u32,
    /// Sequences that prefill.
    pub prefills: u32,
    /// Sum over the prefill chunks of `chunk × (2 × context + chunk + 1)`: twice the query-key pairs.
    pub prefill_pairs2: u64,
    /// Tokens already in the cache, over all sequences: what attention reads.
    pub context_tokens: u64,
}

/// The step time as a line over `context_tokens`, the rest of the shape held: decode steps of an equal batch differ
/// in nothing else, so a stretch of them adds up in closed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Picoseconds at no context.
    pub base_ps: i64,
    /// Picoseconds for each context token.
    pub slope_ps: i64,
    /// The line holds up to and including this context; beyond it another one does (the knots of a table).
    pub until_context: u64,
}

impl Line {
    /// The step time at `context_tokens`, at least one picosecond.
    #[inline]
    pub fn at(&self, context_tokens: u64) -> Picos {
        Picos((self.base_ps + self.slope_ps * context_tokens as i64).max(1) as u64)
    }
}

/// A step-time model. Pure: equal shapes take equal time.
pub trait StepTime: Send + Sync + std::fmt::Debug {
    /// The line that holds at `shape`.
    fn line(&self, shape: &BatchShape) -> Line;
    /// The time of one step.
    #[inline]
    fn step(&self, shape: &BatchShape) -> Picos {
        self.line(shape).at(shape.context_tokens)
    }
    /// Whether `shape` lies outside what the model was measured on: worth a warning in the report.
    fn extrapolates(&self, _shape: &BatchShape) -> bool {
        false
    }
}

impl TimingParams {
    /// The step-time model these numbers make.
    pub fn build(&self) -> Result<Box<dyn StepTime>, TimingError> {
        Ok(match self {
            TimingParams::Roofline(params) => Box::new(roofline::Roofline::new(params)?),
            TimingParams::Linear(params) => Box::new(linear::Linear::new(params)?),
            TimingParams::Table(params) => Box::new(table::Table::new(params)?),
        })
    }
}
