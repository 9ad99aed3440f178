//! Distributions of whole numbers, exactly. Quantiles are those of [`crate::stats`].

use super::super::data::TraceData;
use crate::stats::{ascending_quantiles, sorted_quantile_of};
use serde::Serialize;

/// Lengths in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LengthStats {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: u64,
}

impl LengthStats {
    /// The figures, and the quantiles at 0, 0.5, 1, … 100 %.
    pub(super) fn with_curve(lengths: impl Iterator<Item = u32>) -> (LengthStats, Vec<f64>) {
        let mut sorted: Vec<u64> = lengths.map(u64::from).collect();
        sorted.sort_unstable();
        let at = |p: f64| sorted_quantile_of(&sorted, p).unwrap_or(0.0);
        let stats = LengthStats {
            mean: sorted.iter().sum::<u64>() as f64 / sorted.len().max(1) as f64,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: sorted.last().copied().unwrap_or(0),
        };
        (stats, (0..=200).map(|step| at(step as f64 / 200.0)).collect())
    }
}

/// A distribution by four percentiles; the unit is the holder's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// 10th percentile.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Mean.
    pub mean: f64,
}

impl Spread {
    /// Of these, which are reordered; absent without any.
    pub(super) fn of(samples: &mut [u64]) -> Option<Spread> {
        let sum: u128 = samples.iter().map(|&sample| sample as u128).sum();
        let [p10, p50, p90, p99] = ascending_quantiles(samples, [0.1, 0.5, 0.9, 0.99]);
        let mean = sum as f64 / samples.len() as f64;
        Some(Spread { p10: p10?, p50: p50?, p90: p90?, p99: p99?, mean })
    }
    /// The same times a factor: nanoseconds to seconds.
    pub(super) fn times(self, factor: f64) -> Spread {
        let Spread { p10, p50, p90, p99, mean } = self;
        let [p10, p50, p90, p99, mean] = [p10, p50, p90, p99, mean].map(|value| value * factor);
        Spread { p10, p50, p90, p99, mean }
    }
    /// Of samples with weights: `(sample, how often)`, which are sorted.
    pub(super) fn weighted(samples: &mut [(u64, u64)]) -> Option<Spread> {
        samples.sort_unstable();
        let count: u64 = samples.iter().map(|&(_, weight)| weight).sum();
        let sum: u128 = samples.iter().map(|&(sample, weight)| sample as u128 * weight as u128).sum();
        if count == 0 {
            return None;
        }
        let through: Vec<u64> = samples
            .iter()
            .scan(0, |sum, &(_, weight)| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let ranked = |rank: u64| samples[through.partition_point(|&sum| sum <= rank)].0 as f64;
        let at = |p: f64| {
            let h = (count - 1) as f64 * p;
            let below = h.floor() as u64;
            let (low, high) = (ranked(below), ranked((below + 1).min(count - 1)));
            low + (h - below as f64) * (high - low)
        };
        Some(Spread {
            p10: at(0.1),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            mean: sum as f64 / count as f64,
        })
    }
}

/// Pearson's correlation of prompt and output lengths, from whole sums: nothing is rounded before the end.
pub(super) fn correlation(data: &TraceData) -> Option<f64> {
    let n = data.rows.len() as i128;
    let (mut x, mut y, mut xx, mut yy, mut xy) = (0i128, 0i128, 0i128, 0i128, 0i128);
    for row in &data.rows {
        let (input, output) = (row.input as i128, row.output as i128);
        x += input;
        y += output;
        xx += input * input;
        yy += output * output;
        xy += input * output;
    }
    let (covariance, of_x, of_y) = (n * xy - x * y, n * xx - x * x, n * yy - y * y);
    (of_x > 0 && of_y > 0).then(|| covariance as f64 / ((of_x as f64).sqrt() * (of_y as f64).sqrt()))
}
