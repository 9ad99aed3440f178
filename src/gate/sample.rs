//! What a verdict needs of one run: its seed, whether its outcomes are those of another, and its measures. Small
//! enough to be kept in a repository.

use super::metric::Metric;
use crate::report::CellSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Its seed.
    pub seed: u64,
    /// Equal digests mean equal outcomes of every request.
    pub outcome_digest: String,
    /// Its measures by name, in their units; those that it has.
    pub values: BTreeMap<String, f64>,
    /// Those of them that stand on too few samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreliable: Vec<String>,
}

impl Sample {
    /// Of a finished cell: these measures, as far as it has them.
    pub fn of<'m>(cell: &CellSummary, metrics: impl IntoIterator<Item = &'m Metric>) -> Sample {
        let mut sample = Sample {
            seed: cell.seed,
            outcome_digest: cell.outcome_digest.clone(),
            values: BTreeMap::new(),
            unreliable: Vec::new(),
        };
        for metric in metrics {
            let name = metric.to_string();
            let Some((value, reliable)) = metric.value(cell) else { continue };
            if sample.values.insert(name.clone(), value).is_none() && !reliable {
                sample.unreliable.push(name);
            }
        }
        sample
    }
    /// Its value of this measure.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.values.get(metric).copied()
    }
    /// Whether that stands on enough samples.
    pub fn reliable(&self, metric: &str) -> bool {
        !self.unreliable.iter().any(|name| name == metric)
    }
}
