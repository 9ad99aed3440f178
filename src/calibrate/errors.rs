//! Errors of a model against measurements, by group and by stratum. Knows relative errors; must not know how they arose.

use super::measured::Quantity;
use super::sample::Sample;
use crate::stats::sorted_quantile;
use crate::timing::{Constants, ErrorLine, TimingError};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A measured and a modelled number.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Which sample.
    pub sample: usize,
    /// What it is of.
    pub quantity: Quantity,
    /// Measured, ms.
    pub measured: f64,
    /// Modelled, ms; not a number where the model could not serve the point.
    pub modelled: f64,
}

impl Pair {
    /// Modelled over measured, less one.
    pub fn error(&self) -> f64 {
        self.modelled / self.measured - 1.0
    }
}

/// What the model says of every sample.
pub fn pairs(samples: &[Sample], constants: &Constants) -> Result<Vec<Pair>, TimingError> {
    let all: Result<Vec<Vec<f64>>, TimingError> =
        samples.par_iter().map(|sample| sample.predict(constants)).collect();
    let mut pairs = Vec::new();
    for (at, (sample, modelled)) in samples.iter().zip(all?).enumerate() {
        for (measured, modelled) in sample.measured.iter().zip(modelled) {
            pairs.push(Pair { sample: at, quantity: measured.quantity, measured: measured.ms, modelled });
        }
    }
    Ok(pairs)
}

/// Median, 90th percentile and bias of the pairs, one line a name and quantity.
pub fn lines(pairs: &[Pair], name: impl Fn(&Pair) -> String) -> Vec<ErrorLine> {
    let mut groups: BTreeMap<(String, Quantity), Vec<f64>> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.modelled.is_finite()) {
        groups.entry((name(pair), pair.quantity)).or_default().push(pair.error());
    }
    let percent = |sorted: &[f64], p| {
        let share = sorted_quantile(sorted, p).unwrap_or(f64::NAN);
        (share * 1_000.0).round() / 10.0
    };
    groups
        .into_iter()
        .map(|((rows, quantity), mut errors)| {
            errors.sort_by(f64::total_cmp);
            let bias = percent(&errors, 0.5);
            let n = errors.len() as u32;
            let mut sizes: Vec<f64> = errors.into_iter().map(f64::abs).collect();
            sizes.sort_by(f64::total_cmp);
            let quantity = quantity.name().to_owned();
            ErrorLine { rows, n, quantity, median: percent(&sizes, 0.5), p90: percent(&sizes, 0.9), bias }
        })
        .collect()
}
