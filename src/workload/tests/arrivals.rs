//! Arrival processes against theory: rates that change, bursts, ladders. Tolerances are five standard errors, whose
//! formulas stand beside them.

use super::{completes_after, drive, table, workload};
use crate::time::Span;
use crate::workload::params::RateStage;
use crate::workload::{
    Arrivals, Curve, Geography, OriginTable, SyntheticParams, Until, WorkloadKind, check, open, workload_key,
};

fn times(params: SyntheticParams, curve: Option<Curve>, names: &OriginTable, seed: u64) -> Vec<f64> {
    let mut params = workload("gen", WorkloadKind::Synthetic(params));
    params.setting.rate_curve = curve;
    assert_eq!(check(&params, names, 16), vec![]);
    let mut source = open(&params, names, 16, workload_key(seed, "gen"));
    let sent = drive(source.as_mut(), completes_after(Span::from_ms(1)));
    sent.iter().map(|request| request.at.as_secs_f64()).collect()
}

fn one() -> OriginTable {
    table(&[("a", 1.0)])
}

fn lasting(rate: f64, seconds: u64, arrivals: Arrivals) -> SyntheticParams {
    let until = Until::Duration(Span::from_secs(seconds));
    SyntheticParams { arrivals, sessions_per_s: rate, until, ..SyntheticParams::default() }
}

/// Variance over mean of the counts in windows of `window_s`.
fn dispersion(times: &[f64], window_s: f64, windows: usize) -> f64 {
    let mut counts = vec![0f64; windows];
    for time in times {
        if let Some(count) = counts.get_mut((time / window_s) as usize) {
            *count += 1.0;
        }
    }
    let n = windows as f64;
    let mean = counts.iter().sum::<f64>() / n;
    counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / (n - 1.0) / mean
}

#[test]
fn weibull_gaps_follow_their_law() {
    // Kolmogorov and Smirnov at 0.1 %: 1.949/√n.
    for (seed, shape) in [(1, 0.5), (2, 1.0), (3, 2.0)] {
        let params = SyntheticParams {
            arrivals: Arrivals::Weibull { shape },
            sessions_per_s: 10.0,
            until: Until::Requests(20_000),
            ..SyntheticParams::default()
        };
        let times = times(params, None, &one(), seed);
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_by(f64::total_cmp);
        // Γ(1 + 1/shape): 2, 1, √π/2.
        let gamma = [2.0, 1.0, std::f64::consts::PI.sqrt() / 2.0][seed as usize - 1];
        let scale = 0.1 / gamma;
        let law = |x: f64| 1.0 - libm::exp(-libm::pow(x / scale, shape));
        let n = gaps.len() as f64;
        let distance = gaps
            .iter()
            .enumerate()
            .map(|(i, &gap)| (law(gap) - i as f64 / n).abs().max((law(gap) - (i as f64 + 1.0) / n).abs()))
            .fold(0.0, f64::max);
        assert!(distance < 1.949 / n.sqrt(), "shape {shape}: {distance}");
    }
}

#[test]
fn bursts_have_the_dispersion_of_their_formula() {
    // Two-state Poisson: with f the share on, a = on rate, b = off rate (over the mean), τ = mean_on·(1 - f):
    // I(t) = 1 + 2·λ·f(1-f)(a-b)²·τ·(1 - (1 - e^(-t/τ))·τ/t).
    let (rate, f, a, mean_on) = (2.57, 0.28, 3.5, 26.0);
    let b = (1.0 - f * a) / (1.0 - f);
    let tau = mean_on * (1.0 - f);
    let formula = |t: f64| {
        1.0 + 2.0
            * rate
            * f
            * (1.0 - f)
            * (a - b)
            * (a - b)
            * tau
            * (1.0 - (1.0 - libm::exp(-t / tau)) * tau / t)
    };
    // What the trace that it imitates has over minutes.
    assert!((formula(60.0) - 164.0).abs() < 5.0, "{}", formula(60.0));
    let seconds = 200_000;
    let times = times(lasting(rate, seconds, Arrivals::ON_OFF), None, &one(), 5);
    // Standard error of the rate: √(I(∞)·n)/T with I(∞) the formula's limit.
    let n = rate * seconds as f64;
    assert!((times.len() as f64 - n).abs() < 5.0 * (formula(1e9) * n).sqrt(), "{} of {n}", times.len());
    for window in [1.0, 10.0, 60.0] {
        let found = dispersion(&times, window, (seconds as f64 / window) as usize);
        // Counts are correlated over τ: about T/(window + 2τ) independent ones, each with a variance of 2 and more.
        let independent = seconds as f64 / (window + 2.0 * tau);
        let tolerance = 5.0 * formula(window) * (2.0 / independent).sqrt();
        assert!(tolerance < 0.3 * formula(window), "the test can tell");
        assert!(
            (found - formula(window)).abs() < tolerance,
            "{window} s: {found}, meant {}",
            formula(window)
        );
    }
}

#[test]
fn poisson_through_a_curve_is_poisson_at_every_hour() {
    // Three days of chat in New York: counts by local hour follow the curve (chi² with 23 degrees of freedom exceeds
    // 49.7 once in a thousand), and peak over trough is the published 2.21.
    let mut names = one();
    names.origins[0].geography = Geography { utc_offset_min: -300, ..Geography::default() };
    let days = 3;
    let times = times(lasting(2.0, days * 86_400, Arrivals::Poisson), Some(Curve::chat()), &names, 8);
    let mut counts = [0f64; 24];
    for time in &times {
        counts[((time / 3600.0) as usize + 19) % 24] += 1.0;
    }
    let curve = Curve::chat();
    let expected = |hour: usize| curve.at(hour as u32 * 3600) * 7200.0 * days as f64;
    let chi: f64 = (0..24).map(|hour| (counts[hour] - expected(hour)).powi(2) / expected(hour)).sum();
    assert!(chi < 49.7, "chi² {chi}");
    // Relative error of a ratio of two counts: √(1/46,000 + 1/20,000), five of them 4.3 %.
    let ratio = counts[20] / counts[5];
    assert!((ratio / (1.46 / 0.66) - 1.0).abs() < 0.043, "{ratio}");
    // Within an hour nothing is bunched: dispersion over seconds of hours 0 to 1 is 1 ± 5·√(2/n).
    let hour: Vec<f64> = times.iter().copied().filter(|&time| time < 3600.0).collect();
    assert!((dispersion(&hour, 1.0, 3600) - 1.0).abs() < 5.0 * (2.0f64 / 3600.0).sqrt());
}

#[test]
fn regular_arrivals_through_a_curve_fall_where_the_integral_says() {
    // A metronome in operational time: session n begins when the integral of the rate is n.
    let curve = Curve::table(&[1.0, 3.0], [1.0; 7]);
    let found = times(lasting(1.0 / 60.0, 86_400, Arrivals::Gamma { cv: 0.0 }), Some(curve), &one(), 1);
    // Mornings half a session a minute, afternoons one and a half: 360 by noon, 1440 in all; the last falls on
    // midnight itself.
    for (index, time) in found.iter().enumerate() {
        let n = index as f64 + 1.0;
        let want = if n <= 360.0 { n * 120.0 } else { 43_200.0 + (n - 360.0) * 40.0 };
        assert!((time - want).abs() < 1e-5, "{n}: {time}, meant {want}");
    }
    assert!((1439..=1440).contains(&found.len()), "{}", found.len());
}

#[test]
fn a_ladder_sends_each_rungs_rate_and_ends() {
    let stage = |from, to| RateStage { from, to, lasts: Span::from_secs(500) };
    let stages = vec![stage(10.0, 10.0), stage(10.0, 30.0), stage(0.0, 0.0), stage(30.0, 30.0)];
    let until = Until::Duration(Span::from_secs(2000));
    let params = SyntheticParams { stages, until, ..SyntheticParams::default() };
    let times = times(params, None, &one(), 4);
    let count = |from: f64| times.iter().filter(|&&time| (from..from + 500.0).contains(&time)).count() as f64;
    for (from, want) in [(0.0, 5_000.0f64), (500.0, 10_000.0), (1_000.0, 0.0), (1_500.0, 15_000.0)] {
        assert!((count(from) - want).abs() <= 5.0 * want.sqrt(), "{from}: {}", count(from));
    }
    // On the ramp the second half has (20·250 + 2500) of (10·500 + 5000): 62.5 %.
    let second_half = times.iter().filter(|&&time| (750.0..1000.0).contains(&time)).count() as f64;
    assert!((second_half - 6_250.0).abs() < 5.0 * 6_250f64.sqrt(), "{second_half}");
    assert!(times.iter().all(|&time| time <= 2000.0));
}

#[test]
fn what_no_process_can_do_is_refused() {
    let fields = |params: SyntheticParams| -> Vec<String> {
        let params = workload("gen", WorkloadKind::Synthetic(params));
        check(&params, &one(), 16).into_iter().map(|error| error.field).collect()
    };
    let bursts = |on_fraction, on_rate, mean_on_s| {
        lasting(1.0, 10, Arrivals::OnOff { on_fraction, on_rate, mean_on_s })
    };
    assert_eq!(fields(bursts(0.28, 3.5, 26.0)), Vec::<String>::new());
    assert_eq!(fields(bursts(0.0, 3.5, 26.0)), ["synthetic.arrivals.on_fraction"]);
    assert_eq!(fields(bursts(0.5, 2.5, 26.0)), ["synthetic.arrivals.on_rate"]);
    assert_eq!(fields(bursts(0.5, 2.0, 0.0)), ["synthetic.arrivals.mean_on_s"]);
    assert_eq!(fields(lasting(1.0, 10, Arrivals::Weibull { shape: 0.0 })), ["synthetic.arrivals.shape"]);
    let stage = |from, to, s| RateStage { from, to, lasts: Span::from_secs(s) };
    let ladder = |stages| SyntheticParams { stages, ..SyntheticParams::default() };
    assert_eq!(
        fields(ladder(vec![stage(1.0, -1.0, 5), stage(f64::NAN, 1.0, 0)])),
        ["synthetic.stages.0.to", "synthetic.stages.1.rate", "synthetic.stages.1.for",]
    );
    assert_eq!(fields(ladder(vec![stage(0.0, 0.0, 5)])), ["synthetic.stages"]);
}
