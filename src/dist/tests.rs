//! Samples against closed forms and against `rand_distr`, at significance 0.001 with fixed seeds.

use super::*;
use crate::rng::Key;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::Distribution;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use statrs::function::erf::erf;
use statrs::function::gamma::gamma_lr;

const N: usize = 20_000;
/// Kolmogorov's 99.9 % point: P(sqrt(n)·D > 1.9495) = 0.001.
const KS_999: f64 = 1.9495;

fn draw(dist: &Dist, seed: u64) -> Vec<f64> {
    dist.validate().expect("sound parameters");
    let mut stream = Key::root(seed).named("dist-test").stream();
    (0..N).map(|_| dist.sample(&mut stream)).collect()
}

/// sup |F_n - F|, scaled by sqrt(n).
fn ks_one(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let gap = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).abs().max(((i + 1) as f64 / n - cdf(x)).abs());
    sample.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

/// sup |F_n - G_m|, scaled by sqrt(nm/(n+m)).
fn ks_two(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let share = |sorted: &[f64], x: f64| sorted.partition_point(|&y| y <= x) as f64 / sorted.len() as f64;
    a.iter().chain(&b).map(|&x| (share(&a, x) - share(&b, x)).abs()).fold(0.0, f64::max)
        * (n * m / (n + m)).sqrt()
}

fn reference(dist: impl Distribution<f64>, seed: u64) -> Vec<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..N).map(|_| dist.sample(&mut rng)).collect()
}

/// P(X <= x) of the continuous ones, from the textbook.
fn cdf(dist: &Dist, x: f64) -> f64 {
    match *dist {
        Dist::Uniform { min, max } => ((x - min) / (max - min)).clamp(0.0, 1.0),
        Dist::Exponential { mean } => 1.0 - libm::exp(-x / mean),
        Dist::Lognormal { median, sigma } => 0.5 * (1.0 + erf(libm::log(x / median) / (sigma * 2f64.sqrt()))),
        Dist::LognormalMean { mean, sigma } => {
            cdf(&Dist::Lognormal { median: mean * libm::exp(-0.5 * sigma * sigma), sigma }, x)
        }
        Dist::Gamma { mean, cv } => gamma_lr(1.0 / (cv * cv), (x / (mean * cv * cv)).max(1e-300)),
        Dist::Weibull { shape, scale } => 1.0 - libm::exp(-libm::pow(x / scale, shape)),
        Dist::Pareto { min, alpha } => 1.0 - libm::pow(min / x, alpha),
        _ => panic!("not continuous"),
    }
}

#[test]
fn continuous_samples_follow_their_closed_form() {
    let dists = [
        Dist::Uniform { min: 3.0, max: 11.0 },
        Dist::Exponential { mean: 2.5 },
        Dist::Lognormal { median: 180.0, sigma: 0.8 },
        Dist::LognormalMean { mean: 180.0, sigma: 1.2 },
        Dist::Gamma { mean: 2.0, cv: 3.5 },
        Dist::Gamma { mean: 2.0, cv: 1.0 },
        Dist::Gamma { mean: 2.0, cv: 0.25 },
        Dist::Weibull { shape: 0.6, scale: 4.0 },
        Dist::Weibull { shape: 2.0, scale: 4.0 },
        Dist::Pareto { min: 1.5, alpha: 1.1 },
    ];
    for (seed, dist) in dists.iter().enumerate() {
        let d = ks_one(draw(dist, seed as u64), |x| cdf(dist, x));
        assert!(d < KS_999, "{dist:?}: {d}");
    }
}

#[test]
fn the_test_itself_sees_a_parameter_five_percent_off() {
    for (right, wrong) in [
        (Dist::Exponential { mean: 2.0 }, Dist::Exponential { mean: 2.1 }),
        (Dist::Lognormal { median: 100.0, sigma: 0.8 }, Dist::Lognormal { median: 100.0, sigma: 0.86 }),
        (Dist::Gamma { mean: 2.0, cv: 2.0 }, Dist::Gamma { mean: 2.0, cv: 2.2 }),
    ] {
        let d = ks_one(draw(&wrong, 5), |x| cdf(&right, x));
        assert!(d > KS_999, "{wrong:?} passed for {right:?}: {d}");
    }
}

#[test]
fn samples_agree_with_rand_distr() {
    let pairs = [
        (Dist::Exponential { mean: 2.5 }, reference(rand_distr::Exp::new(0.4).unwrap(), 1)),
        (
            Dist::Lognormal { median: libm::exp(5.0), sigma: 0.8 },
            reference(rand_distr::LogNormal::new(5.0, 0.8).unwrap(), 2),
        ),
        // cv 2 and mean 3: shape 1/4, scale 12
        (Dist::Gamma { mean: 3.0, cv: 2.0 }, reference(rand_distr::Gamma::new(0.25, 12.0).unwrap(), 3)),
        (Dist::Gamma { mean: 3.0, cv: 0.5 }, reference(rand_distr::Gamma::new(4.0, 0.75).unwrap(), 4)),
        (Dist::Weibull { shape: 0.7, scale: 3.0 }, reference(rand_distr::Weibull::new(3.0, 0.7).unwrap(), 5)),
        (Dist::Pareto { min: 2.0, alpha: 1.5 }, reference(rand_distr::Pareto::new(2.0, 1.5).unwrap(), 6)),
    ];
    for (dist, other) in pairs {
        let d = ks_two(draw(&dist, 77), other);
        assert!(d < KS_999, "{dist:?}: {d}");
    }
}

/// Pearson's chi² over ranks 1..=cells (the last cell is the tail): the p-value.
fn chi_square(sample: &[f64], probabilities: &[f64]) -> f64 {
    let mut seen = vec![0.0; probabilities.len()];
    for &x in sample {
        seen[(x as usize - 1).min(probabilities.len() - 1)] += 1.0;
    }
    let n = sample.len() as f64;
    let statistic: f64 =
        seen.iter().zip(probabilities).map(|(o, p)| (o - n * p) * (o - n * p) / (n * p)).sum();
    1.0 - ChiSquared::new((probabilities.len() - 1) as f64).unwrap().cdf(statistic)
}

#[test]
fn zipf_and_geometric_have_their_probabilities() {
    for exponent in [0.0, 0.5, 1.0, 1.0 + 1e-9, 1.7, 3.0] {
        let total: f64 = (1..=40).map(|k| libm::pow(k as f64, -exponent)).sum();
        let cells = if exponent > 2.0 { 12 } else { 40 };
        let mut p: Vec<f64> = (1..=40).map(|k| libm::pow(k as f64, -exponent) / total).collect();
        let tail: f64 = p[cells - 1..].iter().sum();
        p.truncate(cells);
        p[cells - 1] = tail;
        let chance = chi_square(&draw(&Dist::Zipf { n: 40, exponent }, 9), &p);
        assert!(chance > 0.001, "exponent {exponent}: p = {chance}");
        if exponent > 0.0 && exponent < 2.0 {
            let mine = draw(&Dist::Zipf { n: 40, exponent }, 10);
            let theirs = reference(rand_distr::Zipf::new(40.0, exponent).unwrap(), 11);
            assert!(ks_two(mine, theirs) < KS_999, "exponent {exponent}");
        }
    }
    // p = 0.4: P(k) = 0.4·0.6^(k-1), tail from 12 on is 0.6^11
    let mut p: Vec<f64> = (0..12).map(|k| 0.4 * libm::pow(0.6, k as f64)).collect();
    p[11] = libm::pow(0.6, 11.0);
    assert!(chi_square(&draw(&Dist::Geometric { mean: 2.5 }, 12), &p) > 0.001);
    assert!(draw(&Dist::Geometric { mean: 1.0 }, 13).iter().all(|&x| x == 1.0));
}

#[test]
fn means_are_the_ones_worked_by_hand() {
    let close = |dist: Dist, by_hand: f64| {
        assert!((dist.mean() - by_hand).abs() < 1e-9 * by_hand, "{dist:?}: {} not {by_hand}", dist.mean());
    };
    close(Dist::Weibull { shape: 0.5, scale: 3.0 }, 6.0); // 3·Γ(3) = 3·2
    close(Dist::Pareto { min: 2.0, alpha: 3.0 }, 3.0); // 3·2/2
    close(Dist::Zipf { n: 3, exponent: 1.0 }, 18.0 / 11.0); // 3 / (1 + 1/2 + 1/3)
    close(Dist::Zipf { n: 9, exponent: 0.0 }, 5.0);
    close(Dist::Lognormal { median: 1.0, sigma: 2f64.sqrt() }, std::f64::consts::E);
    // 0.5·(0+10)/2 + 0.5·(10+30)/2 = 2.5 + 10
    close(Dist::Quantiles { table: vec![(0.0, 0.0), (0.5, 10.0), (1.0, 30.0)] }, 12.5);
    assert_eq!(Dist::Pareto { min: 1.0, alpha: 1.0 }.mean(), f64::INFINITY);
}

#[test]
fn sample_means_are_within_five_standard_errors() {
    // (distribution, variance by its textbook formula)
    let cases = [
        (Dist::Exponential { mean: 2.5 }, 6.25),
        (Dist::Gamma { mean: 2.0, cv: 3.0 }, 36.0),
        (Dist::Geometric { mean: 2.5 }, 3.75), // (1-p)/p² = 0.6/0.16
        (Dist::Uniform { min: 0.0, max: 12.0 }, 12.0),
        // mean² (e^σ² - 1) = 100² · 0.6487
        (Dist::LognormalMean { mean: 100.0, sigma: 0.5f64.sqrt() }, 6487.2),
        // piecewise uniform: E[x²] = 0.5·100/3 + 0.5·(100+300+900)/3 = 233.33, less 12.5²
        (Dist::Quantiles { table: vec![(0.0, 0.0), (0.5, 10.0), (1.0, 30.0)] }, 77.083),
    ];
    for (dist, variance) in cases {
        let mean = draw(&dist, 21).iter().sum::<f64>() / N as f64;
        let error = 5.0 * (variance / N as f64).sqrt();
        assert!((mean - dist.mean()).abs() < error, "{dist:?}: {mean}, mean {}", dist.mean());
    }
}

#[test]
fn extremes_stay_finite() {
    for dist in [
        Dist::Lognormal { median: 1e12, sigma: 10.0 },
        Dist::LognormalMean { mean: 1e12, sigma: 10.0 },
        Dist::Gamma { mean: 1e12, cv: 100.0 },
        Dist::Gamma { mean: 1e-12, cv: 1e-6 },
        Dist::Weibull { shape: 0.05, scale: 1e12 },
        Dist::Pareto { min: 1e12, alpha: 0.05 },
        Dist::Zipf { n: u32::MAX, exponent: 0.0 },
        Dist::Zipf { n: u32::MAX, exponent: 20.0 },
        Dist::Zipf { n: 1, exponent: 1.0 },
        Dist::Geometric { mean: 1e12 },
        Dist::Constant { value: 0.0 },
        Dist::Uniform { min: 1e12, max: 1e12 },
    ] {
        assert!(draw(&dist, 31).iter().all(|x| (0.0..=MAX_SAMPLE).contains(x)), "{dist:?}");
    }
    assert_eq!(sample::quantile(&[(0.0, 1.0), (0.5, 2.0), (1.0, 9.0)], 0.0), 1.0);
    assert_eq!(sample::quantile(&[(0.0, 1.0), (0.5, 2.0), (1.0, 9.0)], 0.75), 5.5);
}

#[test]
fn unsound_parameters_are_named() {
    let field = |dist: Dist| dist.validate().expect_err("unsound").field;
    assert_eq!(field(Dist::Exponential { mean: 0.0 }), "mean");
    assert_eq!(field(Dist::Exponential { mean: f64::NAN }), "mean");
    assert_eq!(field(Dist::Lognormal { median: 5.0, sigma: -1.0 }), "sigma");
    assert_eq!(field(Dist::Uniform { min: 5.0, max: 1.0 }), "max");
    assert_eq!(field(Dist::Gamma { mean: 5.0, cv: f64::INFINITY }), "cv");
    assert_eq!(field(Dist::Zipf { n: 0, exponent: 1.0 }), "n");
    assert_eq!(field(Dist::Geometric { mean: 0.5 }), "mean");
    assert_eq!(field(Dist::Pareto { min: 1.0, alpha: 0.0 }), "alpha");
    assert_eq!(field(Dist::Weibull { shape: 0.0, scale: 1.0 }), "shape");
    assert_eq!(field(Dist::Constant { value: -1.0 }), "value");
    assert_eq!(field(Dist::Quantiles { table: vec![(0.0, 1.0)] }), "table");
    assert_eq!(field(Dist::Quantiles { table: vec![(0.1, 1.0), (1.0, 2.0)] }), "table[0]");
    assert_eq!(field(Dist::Quantiles { table: vec![(0.0, 3.0), (1.0, 2.0)] }), "table[1]");
    let text = Dist::Exponential { mean: -2.0 }.validate().unwrap_err().to_string();
    assert_eq!(text, "`mean` is -2: must be above 0 and at most 1e12");
}

#[test]
fn the_file_form_is_externally_tagged() {
    let dist: Dist = serde_json::from_str(r#"{"lognormal":{"median":80,"sigma":1}}"#).unwrap();
    assert_eq!(dist, Dist::Lognormal { median: 80.0, sigma: 1.0 });
    assert!(serde_json::from_str::<Dist>(r#"{"lognormal":{"median":80,"sigma":1,"x":2}}"#).is_err());
}
