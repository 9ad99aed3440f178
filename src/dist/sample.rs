//! The samplers that are more than one line.

use crate::rng::Stream;

/// Exponential with mean 1, by inversion.
#[inline]
pub(super) fn exponential(stream: &mut Stream) -> f64 {
    -libm::log(stream.unit_open())
}

/// Standard normal (Box and Muller, 1958). The second value of the pair is dropped, so that a sample does not
/// depend on how many came before it.
#[inline]
pub(super) fn normal(stream: &mut Stream) -> f64 {
    let radius = (2.0 * exponential(stream)).sqrt();
    radius * libm::cos(std::f64::consts::TAU * stream.unit())
}

/// Gamma by mean and coefficient of variation (Marsaglia and Tsang, 2000). Shapes below 1 are drawn one higher and
/// multiplied by `U^(1/shape)`, as that paper says.
pub(super) fn gamma(stream: &mut Stream, mean: f64, cv: f64) -> f64 {
    if cv == 0.0 {
        return mean;
    }
    let shape = 1.0 / (cv * cv);
    let scale = mean * cv * cv;
    let boost = if shape < 1.0 { libm::pow(stream.unit_open(), 1.0 / shape) } else { 1.0 };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(stream);
        let t = 1.0 + c * x;
        if t <= 0.0 {
            continue;
        }
        let v = t * t * t;
        if libm::log(stream.unit_open()) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
            return d * v * boost * scale;
        }
    }
}

/// Bounded Zipf by rejection from the inverse of the integral of `x^-s` (Hörmann and Derflinger, 1996): constant
/// time and no table, for any exponent from 0.
pub(super) fn zipf(stream: &mut Stream, n: u32, exponent: f64) -> u32 {
    if n == 1 {
        return 1;
    }
    let height = |x: f64| libm::exp(-exponent * libm::log(x));
    let low = integral(1.5, exponent) - 1.0;
    let high = integral(n as f64 + 0.5, exponent);
    let safe = 2.0 - inverse(integral(2.5, exponent) - height(2.0), exponent);
    loop {
        let u = high + stream.unit() * (low - high);
        let x = inverse(u, exponent);
        let rank = x.round().clamp(1.0, n as f64);
        if rank - x <= safe || u >= integral(rank + 0.5, exponent) - height(rank) {
            return rank as u32;
        }
    }
}

/// `(x^(1-s) - 1) / (1-s)`, and `log x` at `s = 1`, without cancellation between.
fn integral(x: f64, exponent: f64) -> f64 {
    let log = libm::log(x);
    let t = (1.0 - exponent) * log;
    log * if t.abs() > 1e-8 { libm::expm1(t) / t } else { 1.0 + 0.5 * t }
}

/// The inverse of `integral`.
fn inverse(value: f64, exponent: f64) -> f64 {
    let t = ((1.0 - exponent) * value).max(-1.0);
    libm::exp(value * if t.abs() > 1e-8 { libm::log1p(t) / t } else { 1.0 - 0.5 * t })
}

/// Geometric on 1, 2, …, by inversion.
pub(super) fn geometric(stream: &mut Stream, mean: f64) -> f64 {
    let log_miss = libm::log1p(-1.0 / mean);
    if log_miss == f64::NEG_INFINITY {
        return 1.0;
    }
    (libm::log(stream.unit_open()) / log_miss).floor() + 1.0
}

/// The value at probability `u`, linear between the points of `table`.
pub(super) fn quantile(table: &[(f64, f64)], u: f64) -> f64 {
    let right = table.partition_point(|point| point.0 <= u).clamp(1, table.len() - 1);
    let ((p0, v0), (p1, v1)) = (table[right - 1], table[right]);
    v0 + (v1 - v0) * ((u - p0) / (p1 - p0))
}
