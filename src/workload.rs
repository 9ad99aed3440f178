//! Who asks for what, when. Knows requests, sessions, arrival processes, trace formats; must not know regions'
//! hardware, routing or time to serve. One reader or generator a file.

mod arrivals;
pub mod as_sent;
mod assign;
pub mod chain;
mod chains;
mod check;
pub mod clock;
pub mod columns;
pub mod data;
mod each_line;
pub mod error;
mod fields;
pub mod generate;
pub mod hash_prompts;
mod names;
pub mod open_file;
pub mod options;
pub mod params;
pub mod presets;
pub mod read;
pub mod readers;
mod recorded;
mod replay;
pub mod request;
mod sessions;
mod siphash;
pub mod spread;
mod starts;
pub mod stats;
pub mod subset;
mod synthetic;
mod table;
pub mod to_mooncake;
pub mod trace;
pub mod write;

pub use chain::{Chain, Run};
pub use check::{check, unknown_names};
pub use clock::UtcStart;
pub use columns::{Columns, TimeUnit};
pub use data::{Measured, TraceData, TraceRow};
pub use error::{TraceErrors, TraceFinding, WorkloadError};
pub use generate::{Generated, generate_trace, workload_key};
pub use options::{OnBadLine, ReadOptions, TraceFormat};
pub use params::{
    Arrivals, OriginAssignment, OriginRow, OriginTable, SharedPrefix, SyntheticParams, Tokens, TraceParams,
    Until, WorkloadKind, WorkloadParams,
};
pub use read::read_trace;
pub use readers::READERS;
pub use request::{Request, Source};
pub use trace::{CompiledTrace, TraceSummary};

use crate::rng::Key;
use std::path::Path;

/// Starts a workload. `key` is the run's key for it: [`workload_key`]. [`check`] has been asked before: names that
/// it refuses are treated as absent here.
pub fn open(params: &WorkloadParams, origins: &OriginTable, block_tokens: u32, key: Key) -> Box<dyn Source> {
    match &params.kind {
        WorkloadKind::Trace(trace) => Box::new(replay::Replay::new(params, trace, origins, key)),
        WorkloadKind::Synthetic(synthetic) => {
            Box::new(synthetic::Synthetic::new(params, synthetic, origins, block_tokens, key))
        }
    }
}

/// Reads a trace and compiles it for an engine with blocks of `block_tokens`. What the user should know (grids
/// spread, blocks split) is in the trace's `notices`.
pub fn load_trace(
    path: &Path,
    options: &ReadOptions,
    block_tokens: u32,
) -> Result<CompiledTrace, TraceErrors> {
    CompiledTrace::compile(&read_trace(path, options)?, block_tokens)
}

#[cfg(test)]
mod tests;
