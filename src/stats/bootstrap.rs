//! Intervals without a formula: the bias-corrected and accelerated bootstrap, for ratios and whatever else is no
//! mean. Draws come from the caller's generator, so an interval is as reproducible as its seed.
//!
//! B. Efron, "Better Bootstrap Confidence Intervals", JASA 82(397), 1987.

use super::sorted_quantile;
use crate::rng::Stream;
use statrs::distribution::{ContinuousCDF, Normal};

/// The interval of `statistic` of `n` independent observations, which it is given by index (with repeats), by
/// `draws` resamples. `None` with fewer than three observations, or where the statistic is not a number.
pub fn bca(
    n: usize,
    statistic: impl Fn(&[usize]) -> f64,
    confidence: f64,
    draws: usize,
    rng: &mut Stream,
) -> Option<(f64, f64)> {
    (n >= 3 && draws > 0).then_some(())?;
    let all: Vec<usize> = (0..n).collect();
    let whole = statistic(&all);
    let mut sample = all.clone();
    let mut drawn: Vec<f64> = (0..draws)
        .map(|_| {
            sample.iter_mut().for_each(|index| *index = rng.below(n as u32) as usize);
            statistic(&sample)
        })
        .collect();
    if !whole.is_finite() || drawn.iter().any(|value| !value.is_finite()) {
        return None;
    }
    drawn.sort_unstable_by(f64::total_cmp);
    let (first, last) = (drawn[0], drawn[draws - 1]);
    if first == last {
        return Some((first, last));
    }
    let normal = Normal::new(0.0, 1.0).ok()?;
    // Ties with the whole count half, so that a discrete statistic is not called biased.
    let below = drawn.iter().filter(|&&value| value < whole).count() as f64;
    let equal = drawn.iter().filter(|&&value| value == whole).count() as f64;
    let share = (below + equal / 2.0) / draws as f64;
    let bias = normal.inverse_cdf(share.clamp(0.5 / draws as f64, 1.0 - 0.5 / draws as f64));
    // The acceleration, from leaving out one observation at a time.
    let without: Vec<f64> = (0..n)
        .map(|left| {
            let rest: Vec<usize> = all.iter().copied().filter(|&index| index != left).collect();
            statistic(&rest)
        })
        .collect();
    let mean = without.iter().sum::<f64>() / n as f64;
    let (cubes, squares) = without.iter().fold((0.0, 0.0), |(cubes, squares), value| {
        let off = mean - value;
        (cubes + off * off * off, squares + off * off)
    });
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares * squares.sqrt()) } else { 0.0 };
    let end = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        let p = normal.cdf(bias + z / (1.0 - acceleration * z));
        sorted_quantile(&drawn, p)
    };
    let tail = (1.0 - confidence) / 2.0;
    Some((end(tail)?, end(1.0 - tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn of_a_symmetric_mean_it_is_close_to_students() {
        // 0, 1, … 99: mean 49.5, s = 29.01, 1.96 · s / 10 = 5.69.
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let mean = |sample: &[usize]| sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64;
        let (low, high) = bca(100, mean, 0.95, 4_000, &mut Key(7).stream()).unwrap();
        assert!((low - 43.81).abs() < 0.5 && (high - 55.19).abs() < 0.5, "{low} {high}");
    }

    #[test]
    fn a_skewed_statistic_gets_a_skewed_interval() {
        // The mean of a few large and many small values: the plain percentile interval lies too low.
        let values: Vec<f64> = (0..40).map(|i| if i % 10 == 0 { 100.0 } else { 1.0 }).collect();
        let mean = |sample: &[usize]| sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64;
        let (low, high) = bca(40, mean, 0.95, 4_000, &mut Key(1).stream()).unwrap();
        let middle = 10.9;
        assert!(low < middle && high - middle > middle - low, "{low} {middle} {high}");
    }

    #[test]
    fn what_does_not_vary_has_no_width_and_two_are_too_few() {
        let mut rng = Key(1).stream();
        assert_eq!(bca(5, |_| 3.0, 0.95, 100, &mut rng), Some((3.0, 3.0)));
        assert_eq!(bca(2, |_| 3.0, 0.95, 100, &mut rng), None);
        assert_eq!(bca(5, |_| f64::NAN, 0.95, 100, &mut rng), None);
    }
}
