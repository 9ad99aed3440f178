//! Statistics of results: exact quantiles, means, intervals. Knows samples; must not know what they measure.
//! Nothing is binned and nothing depends on the order in which threads deliver.
//!
//! Quantiles are type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
//! 50(4), 1996 (R's and NumPy's default): at position `h = (n - 1) p`, linear between the order statistics.

mod bootstrap;
mod histogram;
mod holm;
mod paired;
mod verdict;
mod warmup;

pub use bootstrap::bca;
pub use histogram::{Histogram, NoHistogram, RELATIVE_ERROR};
pub use holm::holm;
pub use paired::Paired;
pub use verdict::{Evidence, Verdict};
pub use warmup::mser5;

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

/// How many samples must lie beyond a quantile for it to be called reliable: our choice, the usual rule of thumb
/// for tail percentiles, at which the relative error of the tail count is about 1/sqrt(10).
pub const RELIABLE_BEYOND: u64 = 10;

/// The `p`-quantile of `samples`, which are reordered; `None` without samples. NaN counts as largest.
pub fn quantile(samples: &mut [f64], p: f64) -> Option<f64> {
    let last = samples.len().checked_sub(1)?;
    let h = last as f64 * p.clamp(0.0, 1.0);
    let below = (h.floor() as usize).min(last);
    let (_, &mut low, above) = samples.select_nth_unstable_by(below, f64::total_cmp);
    let rest = h - below as f64;
    if rest == 0.0 {
        return Some(low);
    }
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Some(low + rest * (high - low))
}

/// Several quantiles of the same samples, in the order asked; sorts once.
pub fn quantiles(samples: &mut [f64], ps: &[f64]) -> Vec<Option<f64>> {
    samples.sort_unstable_by(f64::total_cmp);
    ps.iter().map(|&p| sorted_quantile(samples, p)).collect()
}

/// The `p`-quantile of samples already in ascending order.
pub fn sorted_quantile(sorted: &[f64], p: f64) -> Option<f64> {
    linear(sorted.len(), p, |rank| sorted[rank])
}

/// The same of whole numbers.
pub fn sorted_quantile_of(sorted: &[u64], p: f64) -> Option<f64> {
    linear(sorted.len(), p, |rank| sorted[rank] as f64)
}

/// The quantiles of whole numbers at rising `ps`, by selection instead of sorting: each narrows what is left for the
/// next. The samples are reordered.
pub fn ascending_quantiles<const N: usize>(samples: &mut [u64], ps: [f64; N]) -> [Option<f64>; N] {
    debug_assert!(ps.is_sorted());
    // All before `from` are at most as large as all after it.
    let mut from = 0;
    ps.map(|p| {
        linear(samples.len(), p, |rank| {
            from = from.min(rank);
            let (_, &mut value, _) = samples[from..].select_nth_unstable(rank - from);
            from = rank;
            value as f64
        })
    })
}

/// The value at position `(n - 1) p` of `n` samples, `at` being asked for one or two ranks, the lower first.
fn linear(n: usize, p: f64, mut at: impl FnMut(usize) -> f64) -> Option<f64> {
    let last = n.checked_sub(1)?;
    let h = last as f64 * p.clamp(0.0, 1.0);
    let below = (h.floor() as usize).min(last);
    let rest = h - below as f64;
    let low = at(below);
    Some(if rest == 0.0 { low } else { low + rest * (at((below + 1).min(last)) - low) })
}

/// Whether enough of `n` samples lie beyond the `p`-quantile, on its thinner side.
pub fn reliable(n: u64, p: f64) -> bool {
    // A count of samples: a hair above, so that 1,000 × (1 − 0.99) is ten and not 9.999…
    n as f64 * p.min(1.0 - p) + 1e-6 >= RELIABLE_BEYOND as f64
}

/// Mean and spread, gathered one value at a time (Welford, "Note on a Method for Calculating Corrected Sums of
/// Squares and Products", Technometrics 4(3), 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of these values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Moments {
        let mut moments = Moments::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
    /// Takes a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }
    /// The moments of the negated values.
    pub fn mirrored(&self) -> Moments {
        Moments { mean: -self.mean, ..*self }
    }
    /// How many values.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Their mean, `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }
    /// Their standard deviation with `n - 1`, `None` with fewer than two.
    pub fn sd(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
    /// Half the width of Student's interval for the mean: `t · s / √n` with `n - 1` degrees of freedom. `None` with
    /// fewer than two values.
    pub fn half_width(&self, confidence: f64) -> Option<f64> {
        let sd = self.sd()?;
        Some(student_t(self.count - 1, confidence)? * sd / (self.count as f64).sqrt())
    }
}

/// Student's two-sided critical value for `confidence` (0.95) at these degrees of freedom.
pub fn student_t(degrees: u64, confidence: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, degrees as f64).ok()?;
    (0.0 < confidence && confidence < 1.0).then(|| t.inverse_cdf(f64::midpoint(1.0, confidence)))
}

/// The ranks (from 1) of the order statistics that enclose the `p`-quantile of `n` independent samples with at
/// least `confidence`: the lower is the largest `r` with `P(Binomial(n, p) < r) <= tail`, the upper the smallest
/// with `P(Binomial(n, p) >= r) <= tail`, each tail being half of what is left. `None` where no such rank exists:
/// there are too few samples for that side. Only valid for independent samples; those of one queueing run are not.
pub fn quantile_ranks(n: u64, p: f64, confidence: f64) -> (Option<u64>, Option<u64>) {
    let Ok(binomial) = Binomial::new(p, n) else { return (None, None) };
    let tail = (1.0 - confidence) / 2.0;
    // The smallest k with P(X <= k) > tail, and with P(X <= k) >= 1 - tail: cdf is monotone.
    let first = |holds: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (0, n);
        while low < high {
            let middle = u64::midpoint(low, high);
            if holds(binomial.cdf(middle)) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let lower = first(&|cdf| cdf > tail);
    let upper = first(&|cdf| cdf >= 1.0 - tail) + 1;
    ((lower >= 1).then_some(lower), (upper <= n).then_some(upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        // h = (n - 1) p. Of 1, 2, 3, 4: the median at 1.5 is 2.5, the 0.9-quantile at 2.7 is 3.7.
        let mut samples = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&mut samples, 0.5), Some(2.5));
        assert!((quantile(&mut samples, 0.9).unwrap() - 3.7).abs() < 1e-12);
        assert_eq!(quantile(&mut samples, 0.0), Some(1.0));
        assert_eq!(quantile(&mut samples, 1.0), Some(4.0));
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [7.0], 0.99), Some(7.0));
    }

    proptest! {
        #[test]
        fn selecting_equals_sorting(mut samples in prop::collection::vec(-1e6..1e6f64, 1..200), p in 0.0..=1.0f64) {
            let selected = quantile(&mut samples, p);
            prop_assert_eq!(quantiles(&mut samples, &[p])[0], selected);
        }
    }

    proptest! {
        #[test]
        fn selecting_one_after_the_other_equals_sorting(mut samples in prop::collection::vec(0..50u64, 0..200)) {
            let ps = [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0];
            let mut sorted = samples.clone();
            sorted.sort_unstable();
            let expected = ps.map(|p| sorted_quantile_of(&sorted, p));
            prop_assert_eq!(ascending_quantiles(&mut samples, ps), expected);
        }
    }

    #[test]
    fn ten_samples_beyond_make_a_percentile_reliable() {
        assert!(reliable(1_000, 0.99));
        assert!(!reliable(999, 0.99));
        assert!(reliable(20, 0.5) && !reliable(19, 0.5));
        assert!(reliable(10_000, 0.999) && !reliable(10_000, 0.9999));
    }

    #[test]
    fn mean_and_spread_of_a_hand_worked_sample() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squared deviations 9+1+1+1+0+0+4+16 = 32, variance 32/7.
        let moments = Moments::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(moments.mean(), Some(5.0));
        assert!((moments.sd().unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(Moments::of([3.0]).half_width(0.95), None);
    }

    #[test]
    fn students_table() {
        // Two-sided 95 %: 1, 4, 9, 30 degrees; 99 %: 9 degrees (any printed table).
        for (degrees, confidence, expected) in
            [(1, 0.95, 12.706), (4, 0.95, 2.776), (9, 0.95, 2.262), (30, 0.95, 2.042), (9, 0.99, 3.250)]
        {
            let t = student_t(degrees, confidence).unwrap();
            assert!((t - expected).abs() < 6e-4, "{degrees} degrees: {t}, the table has {expected}");
        }
        // 1, 2, 3, 4, 5: mean 3, s = sqrt(2.5); half-width 2.776 sqrt(2.5) / sqrt(5) = 1.963.
        let half = Moments::of([1.0, 2.0, 3.0, 4.0, 5.0]).half_width(0.95).unwrap();
        assert!((half - 1.963).abs() < 6e-4);
    }

    #[test]
    fn ranks_that_enclose_a_quantile() {
        // Normal approximation of the binomial: 9,900 ± 1.96 sqrt(99) = 9,880.5 and 9,919.5.
        let (low, high) = quantile_ranks(10_000, 0.99, 0.95);
        assert!((9_879..=9_881).contains(&low.unwrap()), "{low:?}");
        assert!((9_919..=9_921).contains(&high.unwrap()), "{high:?}");
        // 0.999^1000 = 0.368 > 0.025: even the largest of a thousand is often below the 0.999-quantile.
        assert_eq!(quantile_ranks(1_000, 0.999, 0.95).1, None);
        // n = 6, p = 1/2: P(X = 0) = 1/64 = 0.0156 <= 0.025, so the extremes enclose the median; with 5, 1/32 does not.
        assert_eq!(quantile_ranks(6, 0.5, 0.95), (Some(1), Some(6)));
        assert_eq!(quantile_ranks(5, 0.5, 0.95), (None, None));
    }

    #[test]
    fn the_ranks_are_the_tightest_that_keep_their_promise() {
        for (n, p) in [(100, 0.5), (1_000, 0.99), (10_000, 0.99)] {
            let binomial = Binomial::new(p, n).unwrap();
            let (low, high) = quantile_ranks(n, p, 0.95);
            let (low, high) = (low.unwrap(), high.unwrap());
            assert!(binomial.cdf(low - 1) <= 0.025 && binomial.cdf(low) > 0.025, "lower {low} of {n}");
            assert!(
                1.0 - binomial.cdf(high - 1) <= 0.025 && 1.0 - binomial.cdf(high - 2) > 0.025,
                "upper {high}"
            );
        }
    }
}
