//! Draws that go together: values of two distributions at the same rank.

use super::{Dist, MAX_SAMPLE, sample};
use crate::rng::Stream;

/// A standard normal draw, to be the rank of several values.
pub fn standard_normal(stream: &mut Stream) -> f64 {
    sample::normal(stream)
}

/// The distribution function of the standard normal.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

impl Dist {
    /// The value whose rank is that of `z` among standard normals: the quantile at `Φ(z)`. `None` for distributions
    /// whose quantile has no closed form here (gamma, zipf).
    pub fn at_normal(&self, z: f64) -> Option<f64> {
        let below = || normal_cdf(z);
        let above = || normal_cdf(-z);
        let value = match *self {
            Dist::Constant { value } => value,
            Dist::Uniform { min, max } => min + (max - min) * below(),
            Dist::Exponential { mean } => -mean * libm::log(above()),
            Dist::Lognormal { median, sigma } => median * libm::exp(sigma * z),
            Dist::LognormalMean { mean, sigma } => mean * libm::exp(sigma * z - 0.5 * sigma * sigma),
            Dist::Weibull { shape, scale } => scale * libm::pow(-libm::log(above()), 1.0 / shape),
            Dist::Pareto { min, alpha } => min * libm::pow(above(), -1.0 / alpha),
            Dist::Geometric { mean } if mean <= 1.0 => 1.0,
            Dist::Geometric { mean } => (libm::log(above()) / libm::log1p(-1.0 / mean)).ceil().max(1.0),
            Dist::Quantiles { ref table } => sample::quantile(table, below()),
            Dist::Gamma { .. } | Dist::Zipf { .. } => return None,
        };
        Some(value.clamp(0.0, MAX_SAMPLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn values_at_normal_ranks_follow_the_distribution() {
        // Φ(1) = 0.841344746…, from tables; quantiles by hand.
        let upper = 0.841_344_746_068_543;
        assert!((normal_cdf(1.0) - upper).abs() < 1e-14);
        let at = |dist: Dist| dist.at_normal(1.0).unwrap();
        assert!((at(Dist::Uniform { min: 2.0, max: 4.0 }) - (2.0 + 2.0 * upper)).abs() < 1e-12);
        assert!((at(Dist::Lognormal { median: 3.0, sigma: 0.5 }) - 3.0 * libm::exp(0.5)).abs() < 1e-12);
        assert!((at(Dist::Exponential { mean: 2.0 }) + 2.0 * libm::log(1.0 - upper)).abs() < 1e-12);
        assert!((at(Dist::Pareto { min: 1.0, alpha: 2.0 }) - libm::pow(1.0 - upper, -0.5)).abs() < 1e-12);
        assert!((at(Dist::Quantiles { table: vec![(0.0, 0.0), (1.0, 10.0)] }) - 10.0 * upper).abs() < 1e-12);
        assert_eq!(Dist::Gamma { mean: 1.0, cv: 1.0 }.at_normal(0.0), None);
        // The median of a geometric with p = 0.4 is ⌈ln 0.5 / ln 0.6⌉ = 2.
        assert_eq!(Dist::Geometric { mean: 2.5 }.at_normal(0.0), Some(2.0));
    }

    #[test]
    fn both_ways_of_sampling_agree() {
        // Kolmogorov and Smirnov for two samples of 20,000 at 0.1 %: 1.949·√(2/20,000) = 0.0195.
        for (seed, dist) in [
            (1, Dist::Weibull { shape: 0.7, scale: 3.0 }),
            (2, Dist::Lognormal { median: 9.0, sigma: 1.2 }),
            (3, Dist::Exponential { mean: 4.0 }),
        ] {
            let mut stream = Key::root(seed).stream();
            let mut one: Vec<f64> = (0..20_000).map(|_| dist.sample(&mut stream)).collect();
            let mut other: Vec<f64> =
                (0..20_000).map(|_| dist.at_normal(standard_normal(&mut stream)).unwrap()).collect();
            one.sort_by(f64::total_cmp);
            other.sort_by(f64::total_cmp);
            let below =
                |sorted: &[f64], x: f64| sorted.partition_point(|&value| value <= x) as f64 / 20_000.0;
            let distance = one.iter().map(|&x| (below(&one, x) - below(&other, x)).abs()).fold(0.0, f64::max);
            assert!(distance < 0.0195, "{dist:?}: {distance}");
        }
    }
}
