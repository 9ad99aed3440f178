//! Tests of `roofline`.

use super::*;
use crate::catalog::{gpu, model};
use crate::timing::params::ProfileParams;
use crate::timing::profile;
use proptest::prelude::*;

fn p0() -> ProfileParams {
    profile("p0").unwrap().params()
}
fn build(model_name: &str, gpu_name: &str, tp: u32, weights: Dtype, kv: Dtype) -> Roofline {
    let (model, gpu) = (model(model_name).unwrap(), gpu(gpu_name).unwrap());
    Roofline::new(&RooflineParams::resolve(model, gpu, tp, weights, kv, p0()).unwrap()).unwrap()
}
fn decode(sequences: u32, context: u64) -> BatchShape {
    BatchShape {
        tokens: sequences,
        sequences,
        prefills: 0,
        prefill_pairs2: 0,
        context_tokens: sequences as u64 * context,
    }
}

#[test]
fn a_decode_step_by_hand() {
    // Llama-3.1-8B, BF16, one H100 SXM, p0: 8 decodes at a context of 1,000 tokens each.
    //   layers  read   2 · 6,979,321,856 B / (3.35e12 · 0.80) = 5,208.4491 µs
    //           compute 2 · 6,979,321,856 · 8 / (989e12 · 0.70) = 161.3022 µs
    //           4-norm  5,208.4491 · (1 + 0.030969323⁴)^¼ = 5,208.4491 · (1 + 2.30e-7) = 5,208.4503 µs
    //   head    read   2 · 525,336,576 / 2.68e12 = 392.0422 µs; compute 2 · 525,336,576 · 8 / 692.3e12 = 12.1413 µs
    //           4-norm  392.0422 · (1 + 2.30e-7) = 392.0423 µs
    //   fixed   1,000 + 32 · 40 + 8 · 6 = 2,328 µs
    //   KV      8,000 · 131,072 B / (3.35e12 · 0.80) = 391.2597 µs
    //   step    8,319.7523 µs
    let step = build("llama-3.1-8b", "h100-sxm", 1, Dtype::Bf16, Dtype::Bf16).step(&decode(8, 1_000));
    let us = step.0 as f64 / 1e6;
    assert!((us - 8_319.752_3).abs() < 0.005, "{us} µs");
}

#[test]
fn a_prefill_step_on_two_gpus_by_hand() {
    // Llama-3.1-70B, FP8 weights and BF16 KV, two H100 SXM, p0: one chunk of 2,048 tokens over 4,096 in the cache.
    //   a layer has 855,638,016 parameters; 80 have 68,451,041,280.
    //   layers  read   68,451,041,280 / (2 · 3.35e12 · 0.74) = 13,806.1802 µs
    //           compute 2 · 68,451,041,280 · 2,048 / (2 · 1,978e12 · 0.58) = 122,195.646 µs
    //           ratio 0.1129844, ⁴ = 1.62957e-4, ¼ of it 4.0739e-5 less 1.5·that² ≈ 2.5e-9: · 1.0000407366 = 122,200.6236 µs
    //   head    read   2 · 1,050,673,152 / (2 · 3.35e12 · 0.80) = 392.0422 µs; one row: 4-norm 392.0422 µs
    //   attention pairs2 = 2,048 · (8,192 + 2,048 + 1) = 20,973,568; 2 · 80 · 64 · 128 · pairs2 / (2 · 989e12 · 0.55)
    //           = 1,310,720 · 20,973,568 / 1.0879e15 = 25,269.303 µs
    //   KV      4,096 · 327,680 / (2 · 3.35e12 · 0.80) = 250.4062 µs
    //   exchange 160 · (4.5 + 2,048 · 8,192 · 2 / 120e3 µs = 279.62027) = 45,459.2427 µs
    //   fixed   1,000 + 80 · 40 + 80 · 30 + 6 = 6,606 µs
    //   step    200,177.618 µs; the slope's rounding to whole picoseconds is worth 4,096 · 0.5 ps = 0.002 µs at most
    let shape = BatchShape {
        tokens: 2_048,
        sequences: 1,
        prefills: 1,
        prefill_pairs2: 2_048 * 10_241,
        context_tokens: 4_096,
    };
    let us = build("llama-3.1-70b", "h100-sxm", 2, Dtype::Fp8, Dtype::Bf16).step(&shape).0 as f64 / 1e6;
    assert!((us - 200_177.618).abs() < 0.003, "{us} µs");
}

#[test]
fn the_line_is_the_step() {
    let roofline = build("qwen3-32b", "h200-sxm", 2, Dtype::Bf16, Dtype::Fp8);
    let shape = decode(64, 2_000);
    let line = roofline.line(&shape);
    assert_eq!(line.at(shape.context_tokens), roofline.step(&shape));
    assert_eq!(
        line,
        roofline.line(&BatchShape { context_tokens: 0, ..shape }),
        "the line holds at every context"
    );
    let step = |context_tokens| roofline.step(&BatchShape { context_tokens, ..shape }).0 as i64;
    assert_eq!(step(128_001) - step(128_000), line.slope_ps);
}

#[test]
fn at_the_ridge_both_limits_are_missed_by_a_fifth() {
    // Equal parts: 2^¼ = 1.189207. One part alone: itself. No overflow where a fourth power would.
    assert!((pnorm(5.0, 5.0) / 5.0 - 1.189_207_115_002_721).abs() < 1e-15);
    assert_eq!(pnorm(7.0, 0.0), 7.0);
    assert_eq!(pnorm(0.0, 0.0), 0.0);
    assert_eq!(pnorm(1e200, 1e-200), 1e200);
    // 3, 4: (81 + 256)^¼ = 337^¼ = 4.284572.
    assert!((pnorm(3.0, 4.0) - 4.284_572_294_953_817).abs() < 1e-14);
}

#[test]
fn experts_touched_follow_the_even_choice() {
    // Mixtral, 8 experts of which 2: one token touches 2, two tokens 8·(1 - 0.75²) = 3.5, many all 8. The read of one
    // step over another gives the share: common + touched · expert.
    let roofline = build("mixtral-8x7b", "h100-sxm", 2, Dtype::Bf16, Dtype::Bf16);
    let touched = |tokens| (roofline.weight_read(tokens) - roofline.common_read) / roofline.expert_read;
    assert!((touched(1) - 2.0).abs() < 1e-9);
    assert!((touched(2) - 3.5).abs() < 1e-9);
    assert!((touched(4_096) - 8.0).abs() < 1e-9);
    assert_eq!(power(0.75, 0), 1.0);
    assert_eq!(power(0.5, 10), 1.0 / 1024.0);
}

#[test]
fn latent_attention_is_read_whole_by_every_gpu() {
    // DeepSeek-V3, FP8 KV: 61 · 576 = 35,136 bytes a token whatever the number of GPUs, / (4.8e12 · 0.80) = 9.15 ns.
    for tp in [8, 16] {
        let slope = build("deepseek-v3", "h200-sxm", tp, Dtype::Fp8, Dtype::Fp8).line(&decode(1, 0)).slope_ps;
        assert_eq!(slope, 9_150);
    }
    // Qwen2.5-7B has 4 KV heads and 28 heads: 57,344 bytes over 4 GPUs, / (3.35e12 · 0.8) = 5.349 ns.
    assert_eq!(
        build("qwen2.5-7b", "h100-sxm", 4, Dtype::Bf16, Dtype::Bf16).line(&decode(1, 0)).slope_ps,
        5_349
    );
}

#[test]
fn what_cannot_run_is_refused() {
    let resolve = |gpu_name: &str, tp, weights, profile| {
        RooflineParams::resolve(
            model("qwen2.5-7b").unwrap(),
            gpu(gpu_name).unwrap(),
            tp,
            weights,
            Dtype::Bf16,
            profile,
        )
    };
    assert_eq!(resolve("a100-80-sxm", 1, Dtype::Fp8, p0()), Err(TimingError::NoFp8));
    assert_eq!(
        resolve("h100-sxm", 8, Dtype::Bf16, p0()),
        Err(TimingError::HeadsDoNotDivide { tp: 8, heads: 28 })
    );
    for (profile, field) in [
        (ProfileParams { e_kv: 0.0, ..p0() }, "e_kv"),
        (ProfileParams { e_a: f64::NAN, ..p0() }, "e_a"),
        (ProfileParams { t0_us: -1.0, ..p0() }, "t0_us"),
    ] {
        let error = resolve("h100-sxm", 1, Dtype::Bf16, profile).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    assert!(resolve("h100-sxm", 0, Dtype::Bf16, p0()).unwrap_err().to_string().contains("tp"));
}

#[test]
fn every_profile_runs_every_model_that_divides() {
    for profile in crate::timing::profiles() {
        for model in crate::catalog::models() {
            let params = RooflineParams::resolve(
                model,
                gpu("h100-sxm").unwrap(),
                4,
                Dtype::Fp8,
                Dtype::Bf16,
                profile.params(),
            );
            let step = Roofline::new(&params.unwrap()).unwrap().step(&decode(16, 500));
            // No model here decodes sixteen sequences in under a millisecond or over a second on four H100.
            assert!(
                (1_000_000_000..1_000_000_000_000).contains(&step.0),
                "{} {}: {step:?}",
                profile.name,
                model.name
            );
        }
    }
}

proptest! {
    #[test]
    fn more_of_anything_never_takes_less(
        moe: bool,
        tokens in 1u32..16_384,
        sequences in 1u32..1_024,
        pairs in 0u64..1_000_000_000_000,
        context in 0u64..2_000_000_000,
        more in 1u32..5_000,
    ) {
        let name = if moe { "mixtral-8x7b" } else { "llama-3.1-8b" };
        let roofline = build(name, "h100-sxm", 2, Dtype::Bf16, Dtype::Bf16);
        let shape = BatchShape { tokens, sequences, prefills: 1, prefill_pairs2: pairs, context_tokens: context };
        let step = roofline.step(&shape);
        let (more_u64, fewer) = (u64::from(more), BatchShape { prefills: 0, prefill_pairs2: 0, ..shape });
        let more_tokens = roofline.step(&BatchShape { tokens: tokens + more, ..shape });
        let more_sequences = roofline.step(&BatchShape { sequences: sequences + more, ..shape });
        let more_pairs = roofline.step(&BatchShape { prefill_pairs2: pairs + 1_000 * more_u64, ..shape });
        let more_context = roofline.step(&BatchShape { context_tokens: context + more_u64, ..shape });
        prop_assert!(more_tokens > step && more_sequences > step && more_pairs > step && more_context > step);
        prop_assert!(roofline.step(&fewer) < step);
        prop_assert_eq!(roofline.line(&shape).at(context), step);
    }
}
