//! The fit: frees terms, searches, says what the data cannot tell, and what the errors are on strata it did not see.
//! Knows samples and terms; must not know files.

use super::errors::{self, Pair};
use super::sample::{Sample, What};
use super::solve::{Options, Solution, eigen, solve};
use super::terms::TERMS;
use crate::timing::{Constants, ErrorLine, Range, TimingError};
use std::collections::{BTreeMap, BTreeSet};

/// What to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Where the search begins; terms that are not free stay there.
    pub start: Constants,
    /// Free terms, by place in [`TERMS`].
    pub free: Vec<usize>,
    /// Whether to fit again without each stratum.
    pub leave_out: bool,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The constants.
    pub constants: Constants,
    /// Standard errors of the free terms, in the term's unit, by place in [`TERMS`].
    pub standard_errors: BTreeMap<usize, f64>,
    /// Terms that the data does not determine, and why.
    pub not_identified: Vec<String>,
    /// Measured and modelled.
    pub pairs: Vec<Pair>,
    /// Errors by group, of rows that were fitted.
    pub groups: Vec<ErrorLine>,
    /// Errors of strata that were left out, each by a fit that did not see it.
    pub left_out: Vec<ErrorLine>,
    /// What the data spans.
    pub range: Range,
}

/// A relative error from which a term counts as not identified: our choice, a value known to a fifth is a guess.
const LOOSE: f64 = 0.2;
/// A relative error is taken on this share of the bounds at least, so that a term near zero can be known.
const LEAST_SHARE: f64 = 0.02;
/// A term moves no residual by more than this over its whole range: the data does not contain it.
const BLIND: f64 = 1e-6;
/// Ratio of the least to the largest eigenvalue of the correlation below which terms cannot be told apart.
const SINGULAR: f64 = 1e-4;

/// The free terms when the user names none: all for steps and logs, those that serving points can tell otherwise; a
/// dtype or a second GPU that no row has is left out.
pub fn default_free(samples: &[Sample]) -> Vec<usize> {
    let steps = samples.iter().any(|sample| matches!(sample.what, What::Step(_)));
    let names: BTreeSet<&str> = samples
        .iter()
        .map(|sample| match sample.hardware.weights {
            crate::catalog::Dtype::Bf16 => "fp8",
            crate::catalog::Dtype::Fp8 => "bf16",
        })
        .collect();
    let absent = if names.len() == 1 { names.first().copied() } else { None };
    let any = |holds: fn(&Sample) -> bool| samples.iter().any(holds);
    let (parallel, front) =
        (any(|sample| sample.hardware.tp > 1), any(|sample| matches!(sample.what, What::Point(_))));
    let fits = |at: &usize| {
        let term = &TERMS[*at];
        (steps || term.from_points)
            && absent
                .is_none_or(|dtype| !term.name.ends_with(dtype) || dtype == "bf16" && term.name == "e_m_bf16")
            && (parallel || term.name != "all_reduce_share")
            && (front || !term.name.starts_with("ingress"))
    };
    (0..TERMS.len()).filter(fits).collect()
}

/// Fits.
pub fn fit(samples: &[Sample], options: &FitOptions) -> Result<Fit, TimingError> {
    let (constants, solution) = search(samples, options, 30)?;
    let pairs = errors::pairs(samples, &constants)?;
    let groups = errors::lines(&pairs, |pair| samples[pair.sample].group());
    let (standard_errors, not_identified) = identify(&solution, &options.free, &constants);
    let mut left_out = Vec::new();
    if options.leave_out {
        let strata: BTreeSet<String> = samples.iter().flat_map(Sample::strata).collect();
        for stratum in &strata {
            let (out, kept): (Vec<Sample>, Vec<Sample>) =
                samples.iter().cloned().partition(|sample| sample.strata().contains(stratum));
            if kept.is_empty() {
                continue;
            }
            let from = FitOptions { start: constants, ..options.clone() };
            let (without, _) = search(&kept, &from, 6)?;
            left_out.extend(errors::lines(&errors::pairs(&out, &without)?, |_| stratum.clone()));
        }
    }
    Ok(Fit { constants, standard_errors, not_identified, pairs, groups, left_out, range: range(samples) })
}

fn search(
    samples: &[Sample],
    options: &FitOptions,
    iterations: u32,
) -> Result<(Constants, Solution), TimingError> {
    errors::pairs(samples, &options.start)?;
    let constants_at = |x: &[f64]| {
        let mut constants = options.start;
        for (&at, &unit) in options.free.iter().zip(x) {
            TERMS[at].set(&mut constants, TERMS[at].at(unit));
        }
        constants
    };
    let weights: Vec<f64> =
        samples.iter().flat_map(|sample| sample.measured.iter().map(|measured| measured.weight)).collect();
    let residuals = |x: &[f64]| -> Vec<f64> {
        let pairs = errors::pairs(samples, &constants_at(x)).unwrap_or_default();
        let one = |(pair, weight): (&Pair, &f64)| {
            let ratio = pair.modelled / pair.measured;
            // Logarithms, so that half and double weigh the same; what cannot be served is no matter of the constants.
            if ratio.is_finite() && ratio > 0.0 { weight * libm::log(ratio) } else { 0.0 }
        };
        pairs.iter().zip(&weights).map(one).collect()
    };
    let start: Vec<f64> =
        options.free.iter().map(|&at| TERMS[at].unit(TERMS[at].get(options.start))).collect();
    let steps_only = samples.iter().all(|sample| matches!(sample.what, What::Step(_)));
    let solution = solve(
        &residuals,
        &start,
        Options {
            iterations,
            // A step's slope is whole picoseconds: a finer difference would see their rounding.
            difference: if steps_only { 2e-3 } else { 0.01 },
            // Our choice: an error of 5 % is usual, one of 20 % is an outlier.
            scale: 0.05,
        },
    );
    let constants = constants_at(&solution.x);
    Ok((constants, solution))
}

/// Standard errors, and what is wrong with terms whose value the data does not fix.
fn identify(
    solution: &Solution,
    free: &[usize],
    constants: &Constants,
) -> (BTreeMap<usize, f64>, Vec<String>) {
    let normal = &solution.normal;
    let n = free.len();
    let mut told: BTreeMap<usize, String> = BTreeMap::new();
    let seen: Vec<usize> = (0..n).filter(|&i| normal[i][i] > BLIND * BLIND).collect();
    for i in (0..n).filter(|i| !seen.contains(i)) {
        told.insert(i, "no row depends on it".to_owned());
    }
    // Correlation form: eigenvalues then do not depend on the terms' units.
    let scale = |i: usize| normal[i][i].sqrt();
    let correlation: Vec<Vec<f64>> =
        seen.iter().map(|&i| seen.iter().map(|&j| normal[i][j] / (scale(i) * scale(j))).collect()).collect();
    let (values, vectors) = eigen(&correlation);
    let largest = values.iter().copied().fold(0.0f64, f64::max);
    for (value, vector) in values.iter().zip(&vectors) {
        if *value < SINGULAR * largest {
            let mixed: Vec<usize> = (0..seen.len()).filter(|&k| vector[k].abs() > 0.3).collect();
            let names: Vec<&str> = mixed.iter().map(|&k| TERMS[free[seen[k]]].name).collect();
            for &k in &mixed {
                told.entry(seen[k]).or_insert_with(|| format!("cannot be told apart: {}", names.join(", ")));
            }
        }
    }
    let mut standard_errors = BTreeMap::new();
    for (k, &i) in seen.iter().enumerate() {
        let inverse: f64 =
            values.iter().zip(&vectors).map(|(value, vector)| vector[k] * vector[k] / value.max(1e-12)).sum();
        let unit_error = (inverse * solution.variance).sqrt() / scale(i);
        let term = &TERMS[free[i]];
        let error = unit_error * (term.most - term.least);
        standard_errors.insert(free[i], error);
        let size = term.get(*constants).abs().max(LEAST_SHARE * (term.most - term.least));
        if error > LOOSE * size {
            told.entry(i)
                .or_insert_with(|| format!("its standard error is {:.0} % of it", 100.0 * error / size));
        }
        let unit = solution.x[i];
        if unit <= 1e-6 || unit >= 1.0 - 1e-6 {
            told.entry(i).or_insert_with(|| "ended on its bound".to_owned());
        }
    }
    let lines = told.into_iter().map(|(i, why)| format!("{}: {why}", TERMS[free[i]].name)).collect();
    (standard_errors, lines)
}

/// What the samples span.
pub fn range(samples: &[Sample]) -> Range {
    let names = |name: fn(&Sample) -> &'static str| -> Vec<String> {
        let all: BTreeSet<&str> = samples.iter().map(name).collect();
        all.into_iter().map(str::to_owned).collect()
    };
    let span = |value: fn(&Sample) -> u32| {
        let values = || samples.iter().map(value);
        values().min().zip(values().max()).map(|(least, most)| [least, most])
    };
    let tp: BTreeSet<u32> = samples.iter().map(|sample| sample.hardware.tp).collect();
    Range {
        models: names(|sample| sample.hardware.model.name),
        gpus: names(|sample| sample.hardware.gpu.name),
        tp: tp.into_iter().collect(),
        input_tokens: span(|sample| sample.input_tokens),
        concurrency: span(|sample| sample.concurrency),
        context_tokens: samples.iter().filter_map(Sample::longest_context).max(),
    }
}

#[cfg(test)]
#[path = "fit/tests.rs"]
mod tests;
