//! What `run --audit` wrote, read back: as much of it as a report shows. Knows the file's shape; must not judge it.

use serde::Deserialize;

/// The file's name in a run's folder, if the run wrote it there.
pub const FILE: &str = "audit.json";

/// The evidence of residency of a run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Evidence {
    /// Tries and reads on paths that a required rule forbids, over all cells.
    pub violations: u64,
    /// By policy and seed.
    pub cells: Vec<CellEvidence>,
}

/// Of one policy under one seed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct CellEvidence {
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// By data class.
    pub classes: Vec<ClassEvidence>,
}

/// Of one data class.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ClassEvidence {
    /// Its name.
    pub class: String,
    /// `required` or `preferred`.
    pub mode: String,
    /// Requests that ended.
    pub requests: u64,
    /// Of those, refused because no region may and can serve them.
    pub no_region: u64,
    /// On forbidden paths of a required rule.
    pub violations: u64,
    /// Outside of a preferred rule.
    pub outside: u64,
    /// Where they went.
    pub paths: Vec<PathEvidence>,
}

/// Of one path.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PathEvidence {
    /// Which try: `read`, `first`, `retry`.
    pub way: String,
    /// The region next to the client.
    pub from: String,
    /// The region of the gateway that read it.
    pub gateway: String,
    /// The region that served it, where one did.
    pub served_in: Option<String>,
    /// How many.
    pub count: u64,
    /// The sets of the rule that forbid it.
    pub forbidden_by: Vec<String>,
}
