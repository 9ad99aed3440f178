//! How much worse does not matter: `ttft.p99=3%`, `ttft.p99=5ms`, `slo.attainment=0.5pp`. Knows how margins are
//! written; must not know verdicts.

use super::metric::{Metric, MetricError};
use crate::units::{parse_duration, parse_percent};
use std::fmt;

/// A loss that does not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// A share of the value before.
    Relative(f64),
    /// In the measure's unit: milliseconds, a share, requests a second.
    Absolute(f64),
}

/// A metric and its margin.
#[derive(Clone, Debug)]
pub struct Tolerance {
    /// What.
    pub metric: Metric,
    /// How much.
    pub margin: Margin,
}

impl Margin {
    /// In the measure's unit, given the mean before.
    pub fn of(self, before: f64) -> f64 {
        match self {
            Margin::Relative(share) => share * before.abs(),
            Margin::Absolute(amount) => amount,
        }
    }

    /// Reads a margin for a measure of this unit: a percentage, a length of time where the unit is `ms`, percentage
    /// points (`0.5pp`) where it is a share, else a number.
    ///
    /// # Errors
    /// When it is none of these, or negative.
    pub fn parse(text: &str, unit: &str) -> Result<Margin, MetricError> {
        let text = text.trim();
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
        let found = if text.ends_with('%') {
            parse_percent(text).ok().filter(|share| *share >= 0.0).map(Margin::Relative)
        } else if let Some(points) = text.strip_suffix("pp") {
            number(points).filter(|_| unit == "share").map(|points| Margin::Absolute(points / 100.0))
        } else if unit == "ms" {
            parse_duration(text).ok().map(|span| Margin::Absolute(span.as_ms_f64()))
        } else {
            number(text).filter(|_| unit != "share").map(Margin::Absolute)
        };
        found.ok_or_else(|| {
            let absolute = match unit {
                "ms" => "a length of time such as 5ms",
                "share" => "percentage points such as 0.5pp",
                _ => "a number in its unit",
            };
            MetricError(format!(
                "`{text}` is no margin; write a share of the value before such as 3%, or {absolute}"
            ))
        })
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Margin::Relative(share) => write!(f, "{} %", share * 100.0),
            Margin::Absolute(amount) => write!(f, "{amount}"),
        }
    }
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
    fn margins_by_unit() {
        assert_eq!(Margin::parse("3%", "ms"), Ok(Margin::Relative(0.03)));
        assert_eq!(Margin::parse("5ms", "ms"), Ok(Margin::Absolute(5.0)));
        assert_eq!(Margin::parse("1s", "ms"), Ok(Margin::Absolute(1000.0)));
        assert_eq!(Margin::parse("0.5pp", "share"), Ok(Margin::Absolute(0.005)));
        assert_eq!(Margin::parse("2", "1/s"), Ok(Margin::Absolute(2.0)));
        for (text, unit) in
            [("5", "ms"), ("0.5", "share"), ("5ms", "share"), ("-1", "1/s"), ("-3%", "ms"), ("x", "1/s")]
        {
            assert!(Margin::parse(text, unit).is_err(), "{text} of {unit}");
        }
        assert_eq!(Margin::Relative(0.03).of(-200.0), 6.0);
    }

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
