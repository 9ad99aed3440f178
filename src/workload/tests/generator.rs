//! Generated workloads against theory. Tolerances are five standard errors, whose formulas stand beside them.

use super::{completes_after, drive, table, workload};
use crate::dist::Dist;
use crate::time::Span;
use crate::workload::{
    Arrivals, Request, SharedPrefix, SyntheticParams, Tokens, Until, WorkloadKind, check, open, workload_key,
};
use std::collections::BTreeMap;

fn send(params: SyntheticParams, seed: u64) -> Vec<Request> {
    let params = workload("gen", WorkloadKind::Synthetic(params));
    let names = table(&[("a", 0.45), ("b", 0.35), ("c", 0.2)]);
    assert_eq!(check(&params, &names, 16), vec![]);
    let mut source = open(&params, &names, 16, workload_key(seed, "gen"));
    drive(source.as_mut(), completes_after(Span::from_ms(200)))
}

fn gaps(sent: &[Request]) -> (f64, f64) {
    let gaps: Vec<f64> = sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / (n - 1.0);
    (mean, variance.sqrt() / mean)
}

#[test]
fn poisson_arrivals_have_their_rate() {
    let until = Until::Duration(Span::from_secs(1000));
    let sent = send(SyntheticParams { sessions_per_s: 20.0, until, ..SyntheticParams::default() }, 1);
    // 20,000 ± 5·sqrt(20,000)
    assert!((sent.len() as f64 - 20_000.0).abs() < 707.0, "{}", sent.len());
    let (mean, cv) = gaps(&sent);
    assert!((mean - 0.05).abs() < 5.0 * 0.05 / 20_000f64.sqrt(), "{mean}");
    // Standard error of the CV of gamma gaps: cv·sqrt((cv² + 1)/2n), by the delta method.
    assert!((cv - 1.0).abs() < 5.0 * (1.0 / 20_000f64).sqrt(), "{cv}");
}

#[test]
fn gamma_arrivals_have_their_burstiness() {
    for (seed, cv) in [(1, 3.0f64), (2, 0.5), (3, 0.0)] {
        let params = SyntheticParams {
            arrivals: Arrivals::Gamma { cv },
            sessions_per_s: 10.0,
            until: Until::Requests(20_000),
            ..SyntheticParams::default()
        };
        let sent = send(params, seed);
        assert_eq!(sent.len(), 20_000);
        let (mean, seen) = gaps(&sent);
        assert!((mean - 0.1).abs() <= 5.0 * 0.1 * cv / 20_000f64.sqrt() + 1e-9, "mean gap {mean}");
        let error = 5.0 * cv * ((cv * cv + 1.0) / 40_000.0).sqrt() + 1e-4;
        assert!((seen - cv).abs() < error, "cv {seen}, meant {cv}");
    }
}

#[test]
fn sessions_prompts_and_origins_have_their_shares() {
    let params = SyntheticParams {
        sessions_per_s: 50.0,
        until: Until::Requests(30_000),
        tenants: 4,
        system: Some(SharedPrefix { count: 8, tokens: Tokens::fixed(160), zipf: 1.0, shared_as: None }),
        turns: Dist::Geometric { mean: 2.5 },
        message: Tokens::fixed(32),
        later_message: Tokens::fixed(16),
        output: Tokens::new(Dist::Exponential { mean: 100.0 }, 4000),
        think_s: Dist::Constant { value: 1.0 },
        ..SyntheticParams::default()
    };
    let sent = send(params, 7);
    let first: Vec<&Request> = sent.iter().filter(|request| request.turn == 0).collect();
    let n = first.len() as f64;
    // Geometric with p = 0.4: variance 0.6/0.16 = 3.75
    let turns = sent.len() as f64 / n;
    assert!((turns - 2.5).abs() < 5.0 * (3.75 / n).sqrt(), "{turns} turns");
    let share = |count: usize, p: f64| {
        let seen = count as f64 / n;
        assert!((seen - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt(), "share {seen}, meant {p}");
    };
    for (origin, weight) in [0.45, 0.35, 0.2].into_iter().enumerate() {
        share(first.iter().filter(|request| request.origin.0 as usize == origin).count(), weight);
    }
    // Zipf 1 over eight prompts: H8 = 761/280; prompt k has 1/(k·H8). Each is ten blocks of 16 tokens.
    let mut by_prompt: BTreeMap<u64, usize> = BTreeMap::new();
    for request in &first {
        *by_prompt.entry(request.chain.id(9)).or_default() += 1;
    }
    let mut counts: Vec<usize> = by_prompt.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(counts.len(), 8);
    let h8 = 761.0 / 280.0;
    share(counts[0], 1.0 / h8);
    share(counts[1], 0.5 / h8);
    // Tenant 0 owns prompts 1 and 5.
    share(first.iter().filter(|request| request.tenant.0 == 0).count(), (1.0 + 0.2) / h8);
    // Rounding an exponential with mean 100 to at least 1 moves its mean by under 0.01.
    let outputs = sent.iter().map(|request| request.output_tokens as f64).sum::<f64>() / sent.len() as f64;
    assert!((outputs - 100.0).abs() < 5.0 * 100.0 / (sent.len() as f64).sqrt() + 0.01, "{outputs}");
}

#[test]
fn parameters_out_of_range_are_all_named() {
    let fields = |params: SyntheticParams| -> Vec<String> {
        let params = workload("gen", WorkloadKind::Synthetic(params));
        check(&params, &table(&[("a", 1.0)]), 16).into_iter().map(|error| error.field).collect()
    };
    let usual = SyntheticParams::default;
    assert_eq!(fields(usual()), Vec::<String>::new());
    let broken = SyntheticParams {
        sessions_per_s: 0.0,
        arrivals: Arrivals::Gamma { cv: f64::NAN },
        until: Until::Requests(0),
        tenants: 0,
        system: Some(SharedPrefix { count: 0, tokens: Tokens::fixed(0), zipf: -1.0, shared_as: None }),
        turns: Dist::Geometric { mean: 0.2 },
        ..usual()
    };
    let want = [
        "synthetic.sessions_per_s",
        "synthetic.arrivals.cv",
        "synthetic.requests",
        "synthetic.tenants",
        "synthetic.system.count",
        "synthetic.system.zipf",
        "synthetic.system.tokens.max",
        "synthetic.system.tokens.min",
        "synthetic.turns.mean",
    ];
    assert_eq!(fields(broken), want);
    let tight = SyntheticParams {
        system: Some(SharedPrefix { count: 1, tokens: Tokens::fixed(4000), zipf: 0.0, shared_as: None }),
        max_context_tokens: 4001,
        ..usual()
    };
    assert_eq!(fields(tight), ["synthetic.max_context_tokens"]);
}
