//! A scenario's own gates, held against a run. Knows summaries; must not know files or exit codes.

use super::metric::MetricError;
use super::sample::Sample;
use super::threshold::Threshold;
use crate::report::Summary;
use crate::report::summary::GateSummary;
use crate::scenario::Gate;

/// The gates as thresholds.
///
/// # Errors
/// Never, while the names of measures are those of the table.
pub fn thresholds(gates: &[Gate]) -> Result<Vec<Threshold>, MetricError> {
    gates.iter().map(|gate| Threshold::of_gate(&gate.selector, &gate.bound)).collect()
}

/// Each gate against each policy of the run that it is of. A gate of a policy that was not run is left out.
///
/// # Errors
/// As [`thresholds`].
pub fn hold(gates: &[Gate], summary: &Summary) -> Result<Vec<GateSummary>, MetricError> {
    let mut held = Vec::new();
    for threshold in thresholds(gates)? {
        for policy in summary.policies.iter().filter(|policy| threshold.is_of(&policy.policy)) {
            let sample = |cell| Sample::of(cell, [&threshold.metric]);
            let samples: Vec<Sample> = policy.cells.iter().map(sample).collect();
            let found = threshold.hold(&samples);
            let name = threshold.metric.to_string();
            held.push(GateSummary {
                policy: policy.policy.clone(),
                gate: threshold.to_string(),
                value: found.map(|found| found.0),
                unit: threshold.metric.measure.unit.to_string(),
                holds: found.is_some_and(|found| found.1),
                reliable: samples.iter().all(|sample| sample.reliable(&name)),
            });
        }
    }
    Ok(held)
}
