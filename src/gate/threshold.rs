//! Bounds that hold whatever was before: `"ttft.p99" = "< 800ms"`. Knows how they are written and when they are
//! broken; must not know where the values come from.

use super::metric::{Metric, MetricError};
use super::sample::Sample;
use crate::measure::{Bound, Selector};
use crate::stats::Moments;
use std::fmt;

/// A metric and its bound.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// What.
    pub metric: Metric,
    /// The policy that is held to it; each where `None`.
    pub policy: Option<String>,
    /// What it must keep to.
    pub bound: Bound,
}

impl Threshold {
    /// Reads the bound of a metric.
    ///
    /// # Errors
    /// When it does not begin with a relation, or what follows is no quantity of the metric's unit.
    pub fn parse(metric: Metric, text: &str) -> Result<Threshold, MetricError> {
        let bound = Bound::parse(metric.measure.unit, text)?;
        Ok(Threshold { metric, policy: None, bound })
    }

    /// The gate of a scenario.
    ///
    /// # Errors
    /// Never, while the names of measures are those of the table.
    pub fn of_gate(selector: &Selector, bound: &Bound) -> Result<Threshold, MetricError> {
        let metric = Metric::selected(selector)?;
        Ok(Threshold { metric, policy: selector.policy.clone(), bound: bound.clone() })
    }

    /// Whether this policy is held to it.
    pub fn is_of(&self, policy: &str) -> bool {
        self.policy.as_ref().is_none_or(|own| own == policy)
    }

    /// The mean over the runs and whether the bound holds for it; `None` where no run has a value.
    pub fn hold(&self, samples: &[Sample]) -> Option<(f64, bool)> {
        let name = self.metric.to_string();
        let mean = Moments::of(samples.iter().filter_map(|sample| sample.value(&name))).mean()?;
        Some((mean, self.bound.holds(mean)))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric, self.bound.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(metric: &str, text: &str) -> Result<Threshold, MetricError> {
        Threshold::parse(Metric::parse(metric, |_, _| String::new()).unwrap(), text)
    }

    #[test]
    fn a_bound_is_held_by_the_mean_of_the_seeds() {
        let sample = |seed, value| Sample {
            seed,
            outcome_digest: String::new(),
            values: [("ttft.p99".to_string(), value)].into(),
            unreliable: Vec::new(),
        };
        // 700 and 900: the mean is the bound itself.
        let samples = [sample(1, 700.0), sample(2, 900.0)];
        assert_eq!(parse("ttft.p99", "< 800ms").unwrap().hold(&samples), Some((800.0, false)));
        assert_eq!(parse("ttft.p99", "<= 800ms").unwrap().hold(&samples), Some((800.0, true)));
        assert_eq!(parse("ttft.p99", ">= 800ms").unwrap().hold(&samples), Some((800.0, true)));
        assert_eq!(parse("ttft.p99", "> 800ms").unwrap().hold(&samples), Some((800.0, false)));
        assert_eq!(parse("ttft.p50", "> 800ms").unwrap().hold(&samples), None);
    }
}
