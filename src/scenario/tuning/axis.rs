//! The range of a parameter that is tuned. Knows ranges and scales; must not know which policy a parameter belongs to.

use serde::Serialize;

/// Digits of a candidate's values: our choice. Weights are not known better, a value that is printed is the value that was
/// run, and what is near enough to be the same is tried once.
const DIGITS: i32 = 4;

/// How a range is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// By factors: the least must lie above 0.
    Log,
    /// By differences.
    Linear,
}

/// The range of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// How it is walked.
    pub scale: Scale,
    /// Whether it takes whole numbers alone.
    pub whole: bool,
}

impl Axis {
    /// The value at `unit` of the way from least to most.
    pub fn value(&self, unit: f64) -> f64 {
        let unit = unit.clamp(0.0, 1.0);
        self.settle(match self.scale {
            Scale::Log => libm::exp(libm::log(self.low) + unit * libm::log(self.high / self.low)),
            Scale::Linear => self.low + unit * (self.high - self.low),
        })
    }
    /// Which part of the way `value` lies at.
    pub fn unit(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.low == self.high {
            return 0.0;
        }
        match self.scale {
            Scale::Log => libm::log(value / self.low) / libm::log(self.high / self.low),
            Scale::Linear => (value - self.low) / (self.high - self.low),
        }
    }
    /// Its length in the coordinates of the evolution strategy: natural logarithms, as GORGO's tuner has them; 2 for what is
    /// walked by differences, so that its first step of 0.5 is a quarter of the range (our choice).
    pub fn length(&self) -> f64 {
        match self.scale {
            Scale::Log => libm::log(self.high / self.low),
            Scale::Linear => 2.0,
        }
    }
    /// Within the range, with as many digits as a candidate has.
    pub fn settle(&self, value: f64) -> f64 {
        let value = if self.whole { value.round() } else { significant(value) };
        value.clamp(self.low, self.high)
    }
}

/// Rounded to [`DIGITS`] digits, by way of decimal text, which is exact on every machine.
fn significant(value: f64) -> f64 {
    let digits = (DIGITS - 1) as usize;
    format!("{value:.digits$e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_log_range_is_the_geometric_mean() {
        let axis = Axis { low: 0.01, high: 1.0, scale: Scale::Log, whole: false };
        assert_eq!([axis.value(0.0), axis.value(0.5), axis.value(1.0)], [0.01, 0.1, 1.0]);
        assert!((axis.unit(0.1) - 0.5).abs() < 1e-12);
        // ln 100.
        assert!((axis.length() - 4.605_170_186).abs() < 1e-9);
        assert_eq!([axis.unit(7.0), axis.unit(0.0)], [1.0, 0.0], "beyond the range is its end");
        let axis = Axis { low: 0.0, high: 8.0, scale: Scale::Linear, whole: true };
        assert_eq!([axis.value(0.3), axis.value(0.5)], [2.0, 4.0], "2.4 is no whole number");
    }

    #[test]
    fn a_candidate_is_what_is_printed() {
        let axis = Axis { low: 0.05, high: 2.0, scale: Scale::Log, whole: false };
        assert_eq!(axis.settle(0.123_449), 0.1234);
        assert_eq!(axis.settle(1.234_51), 1.235);
        assert_eq!(axis.settle(17.0), 2.0);
        for unit in [0.0, 0.123, 0.77, 1.0] {
            let value = axis.value(unit);
            assert_eq!(value.to_string().parse::<f64>().unwrap(), value);
            assert_eq!(axis.settle(value), value);
        }
    }
}
