//! The statistics of comparisons keep their promises: intervals cover, false alarms are rare, real changes are found, and
//! equal seeds make differences narrow. The full trials take minutes and are run by `.ci/nightly`; smaller ones here.

use regionsim::rng::{Key, Stream};
use regionsim::stats::{Evidence, Moments, Paired, Verdict, bca, mser5, quantile_ranks};

/// A standard normal draw: the sum of twelve uniforms less six is close enough in its tails for intervals at 95 %.
fn normal(rng: &mut Stream) -> f64 {
    (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0
}

fn exponential(rng: &mut Stream) -> f64 {
    -libm::log(rng.unit_open())
}

/// How often, of 2,000 experiments, what should hold does.
fn share(mut experiment: impl FnMut(&mut Stream) -> bool) -> f64 {
    let mut rng = Key(2026).stream();
    (0..2_000).filter(|_| experiment(&mut rng)).count() as f64 / 2_000.0
}

// The standard error of a coverage of 95 % over 2,000 experiments is 0.49 %: 93 to 97 % are four of them.
fn covers(coverage: f64) {
    assert!((0.93..=0.97).contains(&coverage), "{coverage}");
}

#[test]
fn students_interval_covers_the_mean() {
    covers(share(|rng| {
        let moments = Moments::of((0..10).map(|_| 5.0 + 2.0 * normal(rng)));
        (moments.mean().unwrap() - 5.0).abs() <= moments.half_width(0.95).unwrap()
    }));
}

#[test]
fn the_interval_of_a_paired_difference_covers_it() {
    // What both sides share is ten times as wide as what they do not.
    covers(share(|rng| {
        let shared: Vec<f64> = (0..10).map(|_| 100.0 + 10.0 * normal(rng)).collect();
        let after: Vec<f64> = shared.iter().map(|value| value + 3.0 + normal(rng)).collect();
        let (low, high) = Paired::of(&shared, &after).unwrap().interval(0.95).unwrap();
        low <= 3.0 && 3.0 <= high && high - low < 4.0
    }));
}

#[test]
fn ranks_cover_a_quantile_of_a_skewed_law() {
    // The median of the exponential law is ln 2, its 0.9-quantile ln 10. Ranks are whole, so coverage lies a little above.
    for (p, truth) in [(0.5, libm::log(2.0)), (0.9, libm::log(10.0))] {
        let (low, high) = quantile_ranks(400, p, 0.95);
        let (low, high) = (low.unwrap() as usize, high.unwrap() as usize);
        covers(share(|rng| {
            let mut values: Vec<f64> = (0..400).map(|_| exponential(rng)).collect();
            values.sort_by(f64::total_cmp);
            values[low - 1] <= truth && truth <= values[high - 1]
        }));
    }
}

#[test]
fn the_bootstrap_covers_a_ratio() {
    // Cost over good requests, both random: the ratio of their means is 2.
    let mut draws = Key(7).stream();
    covers(share(|rng| {
        let pairs: Vec<(f64, f64)> = (0..60)
            .map(|_| {
                let good = 10.0 + 2.0 * normal(rng);
                (2.0 * good + normal(rng), good)
            })
            .collect();
        let ratio = |sample: &[usize]| {
            let (cost, good) =
                sample.iter().fold((0.0, 0.0), |sum, &i| (sum.0 + pairs[i].0, sum.1 + pairs[i].1));
            cost / good
        };
        let (low, high) = bca(60, ratio, 0.95, 400, &mut draws).unwrap();
        low <= 2.0 && 2.0 <= high
    }));
}

#[test]
fn no_difference_is_seldom_called_one_and_a_real_one_seldom_missed() {
    let verdict = |rng: &mut Stream, shift: f64| {
        let before: Vec<f64> = (0..20).map(|_| 100.0 + normal(rng)).collect();
        let after: Vec<f64> = (0..20).map(|_| 100.0 + shift + normal(rng)).collect();
        Evidence::of(&Paired::of(&before, &after).unwrap(), 0.0).unwrap().verdict(0.95)
    };
    // Without a margin either alarm has 2.5 %: five in a hundred, 3 to 7 being four standard errors.
    let alarms = share(|rng| matches!(verdict(rng, 0.0), Verdict::Worse | Verdict::Better));
    assert!((0.03..=0.07).contains(&alarms), "{alarms}");
    // A loss of 1.2 is 2.7 standard errors of the mean difference (sqrt(2/20) = 0.316 each): 3.8. Student's power at
    // 19 degrees of freedom and a non-centrality of 3.8 is 0.95.
    let found = share(|rng| verdict(rng, 1.2) == Verdict::Worse);
    assert!((0.93..=0.98).contains(&found), "{found}");
}

#[test]
fn warm_up_is_cut_near_its_end() {
    // An exponential decay of time constant 20 from 10 above, noise of 1: by 60 to 140 it is lost in the noise.
    let late = share(|rng| {
        let values: Vec<f64> =
            (0..500).map(|t| 10.0 * libm::exp(-f64::from(t) / 20.0) + normal(rng)).collect();
        mser5(&values).is_some_and(|cut| (30..=140).contains(&cut))
    });
    assert!(late > 0.9, "{late}");
}
