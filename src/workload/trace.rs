//! A trace compiled for one engine block size: columns and one arena of runs, shared by every cell of a sweep.

use serde::Serialize;

/// The rows of a trace, ready to replay.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct CompiledTrace {
    /// What it is.
    pub summary: TraceSummary,
}

/// What a plan and a manifest show of a trace.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct TraceSummary {
    /// Where it was read from.
    pub path: String,
    /// `mooncake` or `native`.
    pub format: String,
    /// 64-bit hash of the canonical rows.
    pub content_hash: u64,
    /// Rows.
    pub requests: u64,
}

impl CompiledTrace {
    /// What it is.
    pub fn summary(&self) -> &TraceSummary {
        &self.summary
    }
}
