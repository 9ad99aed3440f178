//! Distributions of one number: lengths in tokens, times in seconds, popularities. Knows formulas; must not know
//! what the numbers are for. Samples are made from `rng::Stream` with `libm` alone, because the platform's math
//! library differs between machines; callers round a sample once, to whole tokens or nanoseconds.

use crate::rng::Stream;
pub use coupled::{normal_cdf, standard_normal};
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

/// Why a distribution cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{field}` is {value}: {rule}")]
pub struct DistError {
    /// The parameter, or `table[3]`.
    pub field: String,
    /// What it is.
    pub value: f64,
    /// What it must be.
    pub rule: &'static str,
}

/// The largest value a sample can have: beyond any length or time here, and exact in a `f64`. Heavy tails are cut
/// to it (our choice, so that no sample is infinite).
pub const MAX_SAMPLE: f64 = 1e15;
/// The largest parameter that is a size (mean, median, scale, bound).
pub const MAX_SIZE: f64 = 1e12;

fn need(ok: bool, field: &str, value: f64, rule: &'static str) -> Result<(), DistError> {
    if ok { Ok(()) } else { Err(DistError { field: field.to_owned(), value, rule }) }
}
fn size(field: &str, value: f64) -> Result<(), DistError> {
    need((0.0..=MAX_SIZE).contains(&value), field, value, "must lie in 0..=1e12")
}
fn positive(field: &str, value: f64) -> Result<(), DistError> {
    need(value > 0.0 && value <= MAX_SIZE, field, value, "must be above 0 and at most 1e12")
}

impl Dist {
    /// Draws one value: finite, from 0 to [`MAX_SAMPLE`]. Only for parameters that `validate` accepts.
    #[inline]
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        let value = match *self {
            Dist::Constant { value } => value,
            Dist::Uniform { min, max } => min + (max - min) * stream.unit(),
            Dist::Exponential { mean } => mean * sample::exponential(stream),
            Dist::Lognormal { median, sigma } => median * libm::exp(sigma * sample::normal(stream)),
            Dist::LognormalMean { mean, sigma } => {
                mean * libm::exp(sigma * sample::normal(stream) - 0.5 * sigma * sigma)
            }
            Dist::Gamma { mean, cv } => sample::gamma(stream, mean, cv),
            Dist::Weibull { shape, scale } => scale * libm::pow(sample::exponential(stream), 1.0 / shape),
            Dist::Pareto { min, alpha } => min * libm::pow(stream.unit_open(), -1.0 / alpha),
            Dist::Zipf { n, exponent } => sample::zipf(stream, n, exponent) as f64,
            Dist::Geometric { mean } => sample::geometric(stream, mean),
            Dist::Quantiles { ref table } => sample::quantile(table, stream.unit()),
        };
        value.clamp(0.0, MAX_SAMPLE)
    }
    /// The mean of the distribution, before the cut at [`MAX_SAMPLE`]; infinite for a Pareto with `alpha` up to 1.
    pub fn mean(&self) -> f64 {
        match *self {
            Dist::Constant { value } => value,
            Dist::Uniform { min, max } => 0.5 * (min + max),
            Dist::Exponential { mean }
            | Dist::LognormalMean { mean, .. }
            | Dist::Gamma { mean, .. }
            | Dist::Geometric { mean } => mean,
            Dist::Lognormal { median, sigma } => median * libm::exp(0.5 * sigma * sigma),
            Dist::Weibull { shape, scale } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Dist::Pareto { alpha, .. } if alpha <= 1.0 => f64::INFINITY,
            Dist::Pareto { min, alpha } => alpha * min / (alpha - 1.0),
            Dist::Zipf { n, exponent } => {
                let (mut weighted, mut total) = (0.0, 0.0);
                for rank in (1..=n).rev() {
                    let weight = libm::pow(rank as f64, -exponent);
                    weighted += weight * rank as f64;
                    total += weight;
                }
                weighted / total
            }
            Dist::Quantiles { ref table } => {
                table.windows(2).map(|pair| (pair[1].0 - pair[0].0) * 0.5 * (pair[0].1 + pair[1].1)).sum()
            }
        }
    }
    /// Whether the parameters make sense; the first that does not.
    pub fn validate(&self) -> Result<(), DistError> {
        let sigma_rule =
            |sigma: f64| need((0.0..=10.0).contains(&sigma), "sigma", sigma, "must lie in 0..=10");
        let shape_rule =
            |field, shape: f64| need((0.05..=100.0).contains(&shape), field, shape, "must lie in 0.05..=100");
        match *self {
            Dist::Constant { value } => size("value", value),
            Dist::Uniform { min, max } => {
                size("min", min)?;
                size("max", max)?;
                need(min <= max, "max", max, "must not be less than `min`")
            }
            Dist::Exponential { mean } => positive("mean", mean),
            Dist::Lognormal { median, sigma } => positive("median", median).and(sigma_rule(sigma)),
            Dist::LognormalMean { mean, sigma } => positive("mean", mean).and(sigma_rule(sigma)),
            Dist::Gamma { mean, cv } => {
                positive("mean", mean)?;
                need((0.0..=100.0).contains(&cv), "cv", cv, "must lie in 0..=100")
            }
            Dist::Weibull { shape, scale } => shape_rule("shape", shape).and(positive("scale", scale)),
            Dist::Pareto { min, alpha } => positive("min", min).and(shape_rule("alpha", alpha)),
            Dist::Zipf { n, exponent } => {
                need(n >= 1, "n", n as f64, "must be at least 1")?;
                need((0.0..=20.0).contains(&exponent), "exponent", exponent, "must lie in 0..=20")
            }
            Dist::Geometric { mean } => need(
                (1.0..=MAX_SIZE).contains(&mean),
                "mean",
                mean,
                "must lie in 1..=1e12: the least value is 1",
            ),
            Dist::Quantiles { ref table } => quantiles_are_sound(table),
        }
    }
}

fn quantiles_are_sound(table: &[(f64, f64)]) -> Result<(), DistError> {
    need(table.len() >= 2, "table", table.len() as f64, "must have at least two points")?;
    let (first, last) = (table[0].0, table[table.len() - 1].0);
    need(first == 0.0, "table[0]", first, "must be the quantile of probability 0")?;
    need(last == 1.0, "table[last]", last, "must be the quantile of probability 1")?;
    for (index, pair) in table.windows(2).enumerate() {
        let at = format!("table[{}]", index + 1);
        size(&at, pair[1].1)?;
        need(pair[0].0 < pair[1].0, &at, pair[1].0, "must have a higher probability than the point before")?;
        need(pair[0].1 <= pair[1].1, &at, pair[1].1, "must not be less than the value before")?;
    }
    size("table[0]", table[0].1)
}

mod coupled;
mod sample;
#[cfg(test)]
mod tests;
