//! Who asks for what, when. Knows requests, sessions, arrival processes, trace formats; must not know regions'
//! hardware, routing or time to serve. One reader or generator a file.

pub mod chain;
pub mod params;
pub mod request;
pub mod trace;

pub use chain::{Chain, Run};
pub use params::{
    Arrivals, OriginAssignment, OriginRow, OriginTable, SharedPrefix, SyntheticParams, Tokens, TraceParams,
    Until, WorkloadKind, WorkloadParams,
};
pub use request::{Request, Source};
pub use trace::{CompiledTrace, TraceSummary};

use crate::rng::Key;
use std::path::{Path, PathBuf};

/// Starts a workload. `key` is the run's key for this workload (`Key::root(seed).named("workload/<name>")`).
/// `check` has been asked before: names it would refuse are treated as absent here.
pub fn open(params: &WorkloadParams, origins: &OriginTable, block_tokens: u32, key: Key) -> Box<dyn Source> {
    let _ = (params, origins, block_tokens, key);
    todo!()
}

/// Every reason why `open` could not do what `params` mean: values out of range, origins, classes and data
/// classes that a trace names and the table has not. Empty when all is well.
pub fn check(params: &WorkloadParams, origins: &OriginTable, block_tokens: u32) -> Vec<WorkloadError> {
    let _ = (params, origins, block_tokens);
    Vec::new()
}

/// A value of a workload that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}: {rule}. {next}")]
pub struct WorkloadError {
    /// The parameter, as `synthetic.output.max` or `trace.speed`.
    pub field: String,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub rule: String,
    /// What to do.
    pub next: String,
}

/// The format of a trace file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// Native if the first line has `regionsim_trace`, else Mooncake.
    #[default]
    Auto,
    /// Mooncake JSONL.
    Mooncake,
    /// regionsim's own JSONL.
    Native,
}

/// How a trace file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format.
    pub format: TraceFormat,
    /// Tokens of one of the file's blocks, for formats that do not say (Mooncake; default 512).
    pub trace_block_tokens: Option<u32>,
}

/// Reads and compiles a trace for an engine with blocks of `block_tokens`. What the user should know (grids spread,
/// blocks split) is in the trace's `notices`.
pub fn load_trace(
    path: &Path,
    options: &ReadOptions,
    block_tokens: u32,
) -> Result<CompiledTrace, TraceErrors> {
    let _ = (options, block_tokens);
    Err(TraceErrors { path: path.to_path_buf(), errors: Vec::new(), more: 0 })
}

/// What is wrong with a trace file: the first twenty findings.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceErrors {
    /// The file.
    pub path: PathBuf,
    /// The findings, in file order.
    pub errors: Vec<String>,
    /// How many more there are.
    pub more: u64,
}
