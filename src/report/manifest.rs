//! manifest.json: what made a folder of results and what lies in it. No wall time and no machine: equal runs give
//! equal manifests.

use super::summary::Summary;
use serde::{Deserialize, Serialize};

/// One cell in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCell {
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// The outcome digest.
    pub outcome_digest: String,
    /// Events simulated.
    pub events: u64,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The tool and its version.
    pub tool: String,
    /// The scenario's name.
    pub scenario: String,
    /// The canonical hash of the resolved scenario.
    pub scenario_hash: String,
    /// The workloads' hashes by name.
    pub workload_hashes: Vec<(String, String)>,
    /// How the origins were made up that traces do not tell, by workload, with the seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<(String, String)>,
    /// Overrides given on the command line, `path=value`.
    pub overrides: Vec<String>,
    /// The cells.
    pub cells: Vec<ManifestCell>,
    /// The files beside it, relative to it.
    pub files: Vec<String>,
}

impl Manifest {
    /// The manifest of a run.
    pub fn of(summary: &Summary, overrides: &[String], mut files: Vec<String>) -> Manifest {
        files.sort();
        let cells = summary.policies.iter().flat_map(|policy| {
            policy.cells.iter().map(|cell| ManifestCell {
                policy: policy.policy.clone(),
                seed: cell.seed,
                outcome_digest: cell.outcome_digest.clone(),
                events: cell.events,
            })
        });
        Manifest {
            tool: format!("regionsim {}", summary.provenance.tool_version),
            scenario: summary.scenario.clone(),
            scenario_hash: summary.provenance.scenario_hash.clone(),
            workload_hashes: summary.provenance.workload_hashes.clone(),
            origins: summary.provenance.origins.clone(),
            overrides: overrides.to_vec(),
            cells: cells.collect(),
            files,
        }
    }
}
