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
fn negative_and_absurd_coefficients_are_refused_by_name() {
    let bad = [
        (LinearParams { base_us: -1.0, ..params() }, "base_us"),
        (LinearParams { per_prefill_token_us: f64::NAN, ..params() }, "per_prefill_token_us"),
        (LinearParams { per_context_token_ns: f64::INFINITY, ..params() }, "per_context_token_ns"),
    ];
    for (params, field) in bad {
        let error = Linear::new(&params).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}
