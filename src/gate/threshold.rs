//! Bounds that hold whatever was before: `"ttft.p99" = "< 800ms"`. Knows how they are written and when they are
//! broken; must not know where the values come from.

use super::metric::{Metric, MetricError};
use super::sample::Sample;
use crate::stats::Moments;
use crate::time::Span;
use crate::units::{parse_duration, parse_percent};
use std::fmt;

/// How a value must stand to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Below.
    Below,
    /// At most.
    AtMost,
    /// Above.
    Above,
    /// At least.
    AtLeast,
}

const RELATIONS: [(&str, Relation); 4] =
    [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Below), (">", Relation::Above)];

/// A metric and its bound, in the measure's unit.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// What.
    pub metric: Metric,
    /// How it must stand.
    pub relation: Relation,
    /// To what.
    pub bound: f64,
    /// As it was written: `< 800ms`.
    pub text: String,
}

impl Threshold {
    /// Reads the bound of a metric.
    ///
    /// # Errors
    /// When it does not begin with a relation, or what follows is no quantity of the metric's unit.
    pub fn parse(metric: Metric, text: &str) -> Result<Threshold, MetricError> {
        let text = text.trim();
        let example = match metric.measure.unit {
            "ms" => "< 800ms",
            "share" => ">= 95%",
            _ => "> 100",
        };
        let wrong = || {
            MetricError(format!(
                "`{text}` is no bound; write a relation and a quantity, such as \"{example}\""
            ))
        };
        let (sign, relation) =
            RELATIONS.into_iter().find(|(sign, _)| text.starts_with(sign)).ok_or_else(wrong)?;
        let quantity = text[sign.len()..].trim();
        let number = || quantity.parse::<f64>().ok().filter(|value| value.is_finite());
        let bound = match metric.measure.unit {
            "ms" => parse_duration(quantity).ok().map(Span::as_ms_f64),
            "share" => {
                parse_percent(quantity).ok().or_else(number).filter(|share| (0.0..=1.0).contains(share))
            }
            _ => number(),
        };
        let bound = bound.ok_or_else(wrong)?;
        Ok(Threshold { metric, relation, bound, text: format!("{sign} {quantity}") })
    }

    /// The mean over the runs and whether the bound holds for it; `None` where no run has a value.
    pub fn hold(&self, samples: &[Sample]) -> Option<(f64, bool)> {
        let name = self.metric.to_string();
        let mean = Moments::of(samples.iter().filter_map(|sample| sample.value(&name))).mean()?;
        Some((mean, self.holds(mean)))
    }

    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Below => value < self.bound,
            Relation::AtMost => value <= self.bound,
            Relation::Above => value > self.bound,
            Relation::AtLeast => value >= self.bound,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(metric: &str, text: &str) -> Result<Threshold, MetricError> {
        Threshold::parse(Metric::parse(metric, |_, _| String::new()).unwrap(), text)
    }

    #[test]
    fn bounds_by_unit() {
        for (metric, text, bound) in [
            ("ttft.p99", "< 800ms", 800.0),
            ("ttft.p99", "<=1s", 1000.0),
            ("slo.attainment", ">= 95%", 0.95),
            ("slo.attainment", ">0.5", 0.5),
            ("throughput.requests", "> 12", 12.0),
        ] {
            assert_eq!(parse(metric, text).unwrap().bound, bound, "{metric} {text}");
        }
        for (metric, text) in [
            ("ttft.p99", "800ms"),
            ("ttft.p99", "< 800"),
            ("slo.attainment", "> x"),
            ("slo.attainment", "<= 95"),
            ("ttft.p99", "= 1s"),
        ] {
            assert!(parse(metric, text).is_err(), "{metric} {text}");
        }
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
