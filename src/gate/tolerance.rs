//! How much worse does not matter: `ttft.p99=3%`, `ttft.p99=5ms`, `slo.attainment=0.5pp`. Knows how margins are
//! written; must not know verdicts.

use super::metric::{Metric, MetricError};
pub use crate::measure::Margin;

/// A metric and its margin.
#[derive(Clone, Debug)]
pub struct Tolerance {
    /// What.
    pub metric: Metric,
    /// How much.
    pub margin: Margin,
}

impl Tolerance {
    /// Reads `METRIC=MARGIN`. The metric may hold a `=` of its own in braces.
    ///
    /// # Errors
    /// When either part is not well formed.
    pub fn parse(text: &str, suggest: impl Fn(&str, &[&str]) -> String) -> Result<Tolerance, MetricError> {
        let end = text.rfind('}').map_or(0, |at| at + 1);
        let (metric, margin) = text[end..]
            .split_once('=')
            .map(|(rest, margin)| (format!("{}{rest}", &text[..end]), margin))
            .ok_or_else(|| MetricError(format!("`{text}` has no margin; write ttft.p99=3%")))?;
        let metric = Metric::parse(&metric, suggest)?;
        let margin = Margin::parse(margin, metric.measure.unit)?;
        Ok(Tolerance { metric, margin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_stands_behind_the_braces() {
        let parse = |text: &str| Tolerance::parse(text, |_, _| String::new());
        let tolerance = parse("ttft.p99{origin=\"eu\"}=3%").unwrap();
        assert_eq!(
            (tolerance.metric.to_string().as_str(), tolerance.margin),
            ("ttft.p99{origin=\"eu\"}", Margin::Relative(0.03))
        );
        assert_eq!(parse("slo.attainment=1pp").unwrap().margin, Margin::Absolute(0.01));
        assert!(parse("ttft.p99").unwrap_err().0.contains("no margin"));
    }
}
