//! Tests of `fit`: known constants come back from rows that were made with them, noise added.

use super::*;
use crate::calibrate::measured::{Hardware, Measured, Quantity};
use crate::calibrate::terms::find;
use crate::catalog::{Dtype, gpu, model};
use crate::rng::Key;
use crate::timing::{BatchShape, profile};

/// Constants that no shipped profile has.
fn truth() -> Constants {
    Constants {
        e_c_bf16: 0.62,
        e_c_fp8: 0.51,
        e_m_bf16: 0.84,
        e_m_fp8: 0.77,
        e_kv: 0.71,
        e_a: 0.47,
        t0_us: 2_400.0,
        t_layer_us: 31.0,
        t_prefill_layer_us: 55.0,
        t_sequence_us: 27.0,
        all_reduce_share: 1.3,
        hidden_passes: 9.0,
        ..profile("p0").unwrap().constants
    }
}

/// Steps of many shapes on `models` with TP 1 to 8, times off by a normal 3 %.
fn rows(models: &[(&str, Dtype)], tps: &[u32], noise: f64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for &(name, weights) in models {
        for &tp in tps {
            let hardware = Hardware {
                model: model(name).unwrap(),
                gpu: gpu("h100-sxm").unwrap(),
                tp,
                weights,
                kv: Dtype::Bf16,
            };
            let decode = [1, 4, 16, 64, 128, 256].into_iter().flat_map(|q| {
                [64u64, 1_000, 8_000].map(|context| BatchShape {
                    tokens: q,
                    sequences: q,
                    context_tokens: u64::from(q) * context,
                    ..BatchShape::default()
                })
            });
            let prefill = [64u32, 256, 512, 2_048, 8_192].into_iter().flat_map(|chunk| {
                [0u64, 4_000, 30_000].map(|context| BatchShape {
                    tokens: chunk,
                    sequences: 1,
                    prefills: 1,
                    prefill_pairs2: u64::from(chunk) * (2 * context + u64::from(chunk) + 1),
                    context_tokens: context,
                })
            });
            for (number, shape) in decode.chain(prefill).enumerate().flat_map(|row| [row; 12]).enumerate() {
                let ms = hardware.step_time(&truth()).unwrap().step(&shape.1).0 as f64 / 1e9;
                let key = Key::root(7).named(name).at(u64::from(tp)).at(number as u64);
                // Twelve even draws less six: near enough a normal one.
                let normal: f64 = (0..12).map(|draw| key.at(draw).unit()).sum::<f64>() - 6.0;
                let measured =
                    Measured { quantity: Quantity::Step, ms: ms * (1.0 + noise * normal), weight: 1.0 };
                samples.push(Sample {
                    hardware,
                    source: "made".into(),
                    input_tokens: if shape.1.prefills > 0 { shape.1.tokens } else { 0 },
                    concurrency: shape.1.sequences,
                    what: What::Step(shape.1),
                    measured: vec![measured],
                });
            }
        }
    }
    samples
}

fn fitted(samples: &[Sample], leave_out: bool) -> Fit {
    let start = profile("p0").unwrap().constants;
    fit(samples, &FitOptions { start, free: default_free(samples), leave_out }).unwrap()
}

#[test]
fn known_constants_come_back_within_two_percent() {
    let models =
        [("llama-3.1-8b", Dtype::Bf16), ("llama-3.1-70b", Dtype::Bf16), ("llama-3.1-70b", Dtype::Fp8)];
    let found = fitted(&rows(&models, &[2, 4, 8], 0.03), false);
    let mut checked = 0;
    for (&at, error) in &found.standard_errors {
        let term = &TERMS[at];
        if found.not_identified.iter().any(|line| line.starts_with(term.name)) {
            continue;
        }
        let (is, was) = (term.get(found.constants), term.get(truth()));
        // Two percent; or, where three percent of noise leaves more, what the fit itself admits.
        assert!(
            (is / was - 1.0).abs() < 0.02 || (is - was).abs() < 3.0 * error,
            "{}: {is} for {was} ± {error}",
            term.name
        );
        checked += usize::from((is / was - 1.0).abs() < 0.02);
    }
    assert!(checked >= 8, "within two percent: {checked}; {found:?}");
}

#[test]
fn what_the_data_cannot_tell_is_named() {
    // One model: a step's overhead is t0 + 32 · t_layer, whatever the two are. One GPU: nothing about the exchange.
    let samples = rows(&[("llama-3.1-8b", Dtype::Bf16)], &[1], 0.0);
    let mut free = default_free(&samples);
    free.push(find("all_reduce_share").unwrap());
    let start = profile("p0").unwrap().constants;
    let found = fit(&samples, &FitOptions { start, free, leave_out: false }).unwrap();
    let line = |name: &str| found.not_identified.iter().find(|line| line.starts_with(name)).cloned();
    assert!(line("t0_us").is_some_and(|line| line.contains("t_layer_us")), "{:?}", found.not_identified);
    assert!(line("t_layer_us").is_some_and(|line| line.contains("t0_us")), "{:?}", found.not_identified);
    assert!(
        line("all_reduce_share").is_some_and(|line| line.contains("no row")),
        "{:?}",
        found.not_identified
    );
    assert!(line("e_kv").is_none(), "{:?}", found.not_identified);
    // Their sum is found all the same: 2,400 + 32 · 31 = 3,392 µs.
    let sum = found.constants.t0_us + 32.0 * found.constants.t_layer_us;
    assert!((sum / 3_392.0 - 1.0).abs() < 0.01, "{sum}");
}

#[test]
fn a_stratum_is_judged_by_a_fit_that_did_not_see_it() {
    let mut samples = rows(&[("llama-3.1-8b", Dtype::Bf16)], &[1, 2], 0.0);
    // The rows of one stratum are a fifth slower than the model can be: left out, they are told as such.
    for sample in samples.iter_mut().filter(|sample| sample.hardware.tp == 2 && sample.input_tokens == 8_192)
    {
        sample.measured[0].ms *= 1.25;
    }
    let found = fitted(&samples, true);
    let stratum = found.left_out.iter().find(|line| line.rows.ends_with("tp 2, input 8192")).unwrap();
    assert!((stratum.bias + 20.0).abs() < 2.0, "{stratum:?}");
    let other = found.left_out.iter().find(|line| line.rows.ends_with("tp 1, input 8192")).unwrap();
    assert!(other.median < 3.0, "{other:?}");
}
