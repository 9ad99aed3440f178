//! Who asks for what, when. Knows requests, sessions, arrival processes, trace formats; must not know regions'
//! hardware, routing or time to serve. One reader or generator a file.

mod allowed;
mod arrivals;
pub mod as_sent;
mod assign;
pub mod chain;
mod chains;
mod check;
pub mod clock;
pub mod closed_loop;
pub mod columns;
mod copies;
pub mod curve;
pub mod data;
mod each_line;
pub mod error;
mod fields;
pub mod generate;
pub mod geography;
mod groups;
pub mod hash_prompts;
pub mod head;
mod intensity;
pub mod kinds;
mod names;
pub mod open_file;
pub mod options;
pub mod params;
mod part;
pub mod pool;
pub mod presets;
pub mod read;
pub mod readers;
mod recorded;
mod replay;
pub mod request;
pub mod rungs;
mod sessions;
mod setting;
mod shelf;
mod siphash;
pub mod spread;
mod starts;
pub mod stats;
pub mod subset;
mod synthetic;
mod table;
pub mod to_mooncake;
pub mod tokenizer;
pub mod trace;
pub mod write;
mod writer;

pub use allowed::{brings, nowhere, unserved};
pub use chain::{Chain, Run};
pub use check::{check, unknown_names};
pub use clock::UtcStart;
pub use columns::{Columns, TimeUnit};
pub use curve::Curve;
pub use data::{Measured, TraceData, TraceRow};
pub use error::{TraceErrors, TraceFinding, WorkloadError};
pub use generate::{Generated, generate_pool, generate_trace, generate_workload, workload_key};
pub use options::{OnBadLine, ReadOptions, TraceFormat};
pub use params::{
    AffinityBy, Apart, Arrivals, AtLimit, Clients, CopiesShare, Geography, GlobalPrefix, OriginAssignment,
    OriginRow, OriginTable, PoolParams, RateStage, Setting, SharedPrefix, SyntheticParams, Tenancy, Tokens,
    TraceParams, Until, Window, WorkloadKind, WorkloadParams,
};
pub use read::read_trace;
pub use readers::READERS;
pub use request::{Request, Source};
pub use shelf::Shelf;
pub use trace::{CompiledTrace, TraceSummary};

use crate::rng::Key;
use std::path::Path;

/// Starts a workload. `key` is the run's key for it: [`workload_key`]. [`check`] has been asked before: names that
/// it refuses are treated as absent here.
pub fn open(params: &WorkloadParams, origins: &OriginTable, block_tokens: u32, key: Key) -> Box<dyn Source> {
    let source: Box<dyn Source> = match &params.kind {
        WorkloadKind::Trace(trace) => Box::new(replay::Replay::new(params, trace, origins, key)),
        WorkloadKind::Pool(pool) => Box::new(pool::Pool::new(params, pool, origins, block_tokens, key)),
        WorkloadKind::Synthetic(synthetic) => match &synthetic.clients {
            None => Box::new(synthetic::Synthetic::new(params, synthetic, origins, block_tokens, key)),
            Some(clients) => {
                Box::new(closed_loop::ClosedLoop::new(params, synthetic, clients, origins, block_tokens, key))
            }
        },
    };
    setting::set(source, &params.setting)
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
