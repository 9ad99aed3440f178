//! Numbers as reports write them. Knows rounding and the percentiles shown; must not know what they measure.

/// The percentiles of every distribution.
pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

/// Six decimals: a nanosecond where the unit is the millisecond.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
}

pub(super) fn ms(ns: f64) -> f64 {
    rounded(ns / 1e6)
}
