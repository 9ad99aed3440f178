//! What a suite gave before: kept in a repository beside it. Values are by seed, so that pairs can be made later.

use super::sample::Sample;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this shape.
pub const SCHEMA_VERSION: u32 = 1;

/// All that a suite gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// The version of this shape.
    pub schema_version: u32,
    /// The version of regionsim that gave it.
    pub tool_version: String,
    /// By the scenario's name in the suite.
    pub scenarios: BTreeMap<String, Recorded>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// A hash of its world: everything but policies and seeds.
    pub world_hash: String,
    /// Hashes of its workloads, by name.
    pub workload_hashes: Vec<(String, String)>,
    /// A hash of its prices; empty without any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prices_hash: String,
    /// Its runs, by policy.
    pub policies: BTreeMap<String, Vec<Sample>>,
}

impl Baseline {
    /// Without any scenario.
    pub fn new() -> Baseline {
        Baseline {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_string(),
            scenarios: BTreeMap::new(),
        }
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline::new()
    }
}

impl Recorded {
    /// Why `now` cannot be compared with this, if it cannot; by dollars only where prices are the same.
    pub fn differs(&self, now: &Recorded, priced: bool) -> Option<String> {
        if priced && self.prices_hash != now.prices_hash {
            return Some("dollars decide, and its prices are not those of the baseline".to_string());
        }
        if self.workload_hashes != now.workload_hashes {
            return Some("its workload is another one than the baseline's".to_string());
        }
        (self.world_hash != now.world_hash).then(|| {
            "its fleet, network, workload, classes or warm-up are not those of the baseline".to_string()
        })
    }
}
