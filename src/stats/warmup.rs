//! Where the warm-up of a series ends: MSER-5, which cuts where the standard error of what is left is least.
//!
//! K. P. White, M. J. Cobb, S. C. Spratt, "A Comparison of Five Steady-State Truncation Heuristics for Simulation",
//! Winter Simulation Conference 2000: batches of five, the statistic `Σ(x - mean)² / (n - d)²`, and no cut beyond
//! the first half.

/// Values in a batch.
const BATCH: usize = 5;

/// How many of the first `values` to leave out; `None` where the least error lies at the limit of half the series
/// (the series is too short, or has no steady state) or where there are fewer than four batches.
pub fn mser5(values: &[f64]) -> Option<usize> {
    let batches: Vec<f64> =
        values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    let n = batches.len();
    (n >= 4).then_some(())?;
    let half = n / 2;
    let mut best = (f64::INFINITY, 0);
    // From the back, so that sums grow by one batch a step: Welford's recurrence.
    let (mut mean, mut squares) = (0.0, 0.0);
    for cut in (0..n).rev() {
        let kept = (n - cut) as f64;
        let off = batches[cut] - mean;
        mean += off / kept;
        squares += off * (batches[cut] - mean);
        let error = squares / (kept * kept);
        // On equal errors the earlier cut keeps more.
        if cut <= half && error <= best.0 {
            best = (error, cut);
        }
    }
    (best.1 < half).then_some(best.1 * BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_cut_where_it_ends() {
        // Two batches at 100, then eighteen alternating 1 and 3 (mean 2, each off by 1). With nothing cut the two
        // batches dominate; at two cut the statistic is 18/18² = 0.0556; at three, with 17 left, 16.94/289 = 0.0586.
        let mut values = vec![100.0; 10];
        for batch in 0..18 {
            values.extend([if batch % 2 == 0 { 1.0 } else { 3.0 }; 5]);
        }
        assert_eq!(mser5(&values), Some(10));
    }

    #[test]
    fn a_level_series_keeps_all_and_a_trend_has_no_steady_state() {
        assert_eq!(mser5(&[4.0; 100]), Some(0));
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(mser5(&rising), None);
        assert_eq!(mser5(&[1.0; 19]), None, "three batches");
    }

    proptest! {
        /// The recurrence against the definition.
        #[test]
        fn it_is_the_least_of_the_statistic(values in prop::collection::vec(0..50u32, 20..200)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let batches: Vec<f64> = values.chunks_exact(5).map(|batch| batch.iter().sum::<f64>() / 5.0).collect();
            let statistic = |cut: usize| {
                let rest = &batches[cut..];
                let mean = rest.iter().sum::<f64>() / rest.len() as f64;
                rest.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (rest.len() as f64).powi(2)
            };
            let least = (0..=batches.len() / 2).map(statistic).fold(f64::INFINITY, f64::min);
            let found = mser5(&values);
            if let Some(cut) = found {
                prop_assert!((statistic(cut / 5) - least).abs() <= 1e-9 * (1.0 + least));
            } else {
                prop_assert!((statistic(batches.len() / 2) - least).abs() <= 1e-9 * (1.0 + least));
            }
        }
    }
}
