//! Distributions of one number: lengths in tokens, times in seconds, popularities. Knows formulas; must not know
//! what the numbers are for. Samples are made from `rng::Stream` with `libm` alone, because the platform's math
//! library differs between machines; callers round a sample once, to whole tokens or nanoseconds.

use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// A distribution of one non-negative number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Dist {
    /// Always `value`.
    Constant {
        /// The value.
        value: f64,
    },
    /// Uniform in `[min, max)`.
    Uniform {
        /// The lower end.
        min: f64,
        /// The upper end.
        max: f64,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Lognormal, by its median `exp(mu)`.
    Lognormal {
        /// The median.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Lognormal, by its mean `exp(mu + sigma²/2)`.
    LognormalMean {
        /// The mean.
        mean: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Gamma, by mean and coefficient of variation: shape `1/cv²`, scale `mean·cv²`.
    Gamma {
        /// The mean.
        mean: f64,
        /// Coefficient of variation (standard deviation / mean).
        cv: f64,
    },
    /// Weibull.
    Weibull {
        /// Shape `k`; below 1 the tail is heavier than exponential.
        shape: f64,
        /// Scale `λ`, the 63.2 % quantile.
        scale: f64,
    },
    /// Pareto (type I).
    Pareto {
        /// The smallest value.
        min: f64,
        /// Tail index; the mean is infinite at 1 and below.
        alpha: f64,
    },
    /// Bounded Zipf on `1..=n`: probability of `k` proportional to `k^-exponent`.
    Zipf {
        /// How many ranks.
        n: u32,
        /// The exponent, at least 0 (0 is uniform).
        exponent: f64,
    },
    /// Geometric on `1, 2, …`: trials up to and including the first success, `p = 1/mean`.
    Geometric {
        /// The mean, at least 1.
        mean: f64,
    },
    /// A table of quantiles, linear between its points.
    Quantiles {
        /// Pairs of (probability, value), both rising, from probability 0 to 1.
        table: Vec<(f64, f64)>,
    },
}

impl Dist {
    /// Draws one value.
    pub fn sample(&self, _stream: &mut Stream) -> f64 {
        self.mean()
    }
    /// The mean.
    pub fn mean(&self) -> f64 {
        todo!()
    }
}
