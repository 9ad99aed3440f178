//! Tests of `linear`.

use super::*;
use crate::timing::IngressParams;

fn params() -> LinearParams {
    LinearParams {
        base_us: 5_000.0,
        per_prefill_token_us: 93.0,
        per_prefill_seq_us: 250.0,
        per_decode_seq_us: 20.5,
        per_context_token_ns: 48.9,
        captured_seqs: 0,
        eager_us: 0.0,
        ingress: IngressParams::NONE,
    }
}

#[test]
fn a_mixed_step_by_hand() {
    // 512 prefill tokens in one sequence, 8 decodes, context 10,000:
    // 5,000 + 512·93 + 250 + 8·20.5 + 10,000·0.0489 = 5,000 + 47,616 + 250 + 164 + 489 = 53,519 µs.
    let shape = BatchShape {
        tokens: 520,
        sequences: 9,
        prefills: 1,
        prefill_pairs2: 262_656,
        context_tokens: 10_000,
    };
    assert_eq!(Linear::new(&params()).unwrap().step(&shape).0, 53_519_000_000);
}

#[test]
fn a_step_beyond_the_largest_graph_takes_what_its_launch_takes() {
    // Up to 20 sequences in one graph, 30 ms to launch without one. 20 decodes: 5,000 + 20·20.5 = 5,410 µs; 21: 30 ms instead of
    // 5,430.5. A prompt of 100 tokens: 5,000 + 9,300 + 250 = 14,550 µs is below it, one of 1,000: 98,250 µs is not.
    let timing = Linear::new(&LinearParams { captured_seqs: 20, eager_us: 30_000.0, ..params() }).unwrap();
    let decodes = |sequences| BatchShape { tokens: sequences, sequences, ..BatchShape::default() };
    let prompt = |tokens| BatchShape { tokens, sequences: 1, prefills: 1, ..BatchShape::default() };
    let us = |shape: BatchShape| timing.step(&shape).0 / 1_000_000;
    assert_eq!((us(decodes(20)), us(decodes(21))), (5_410, 30_000));
    assert_eq!((us(prompt(100)), us(prompt(1_000))), (30_000, 98_250));
    // Of any number of sequences, where the graph's size is not said; a prompt is in none.
    let timing = Linear::new(&LinearParams { eager_us: 30_000.0, ..params() }).unwrap();
    assert_eq!(timing.step(&decodes(1_000)).0, 25_500_000_000);
    assert_eq!(timing.step(&prompt(100)).0, 30_000_000_000);
}

#[test]
fn negative_and_absurd_coefficients_are_refused_by_name() {
    let bad = [
        (LinearParams { base_us: -1.0, ..params() }, "base_us"),
        (LinearParams { eager_us: -1.0, ..params() }, "eager_us"),
        (LinearParams { per_prefill_token_us: f64::NAN, ..params() }, "per_prefill_token_us"),
        (LinearParams { per_context_token_ns: f64::INFINITY, ..params() }, "per_context_token_ns"),
    ];
    for (params, field) in bad {
        let error = Linear::new(&params).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}
