//! Kinds against the figures they are made from. Kolmogorov and Smirnov at 0.1 %: 1.949/√n against a law.

use super::{completes_after, drive, table, workload};
use crate::dist::normal_cdf;
use crate::time::Span;
use crate::workload::kinds::Kind;
use crate::workload::{Request, SyntheticParams, Tenancy, Until, WorkloadKind, check, open, workload_key};
use std::collections::BTreeMap;

fn send(params: SyntheticParams, requests: u64) -> Vec<Request> {
    let params = SyntheticParams { sessions_per_s: 5.0, until: Until::Requests(requests), ..params };
    let params = workload("gen", WorkloadKind::Synthetic(params));
    let names = table(&[("a", 1.0)]);
    assert_eq!(check(&params, &names, 16), vec![]);
    drive(open(&params, &names, 16, workload_key(3, "gen")).as_mut(), completes_after(Span::from_ms(200)))
}

/// The largest distance between the values' distribution and `law`, and what it may be. Values are whole numbers, rounded
/// to the nearest: the law is asked half a unit above.
fn kolmogorov(mut values: Vec<f64>, law: impl Fn(f64) -> f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mut worst = 0.0f64;
    let mut from = 0;
    while from < values.len() {
        let to = values.partition_point(|&value| value <= values[from]);
        worst = worst.max((law(values[from] + 0.5) - to as f64 / n).abs());
        from = to;
    }
    (worst, 1.949 / n.sqrt())
}

fn lognormal(median: f64, sigma: f64) -> impl Fn(f64) -> f64 {
    move |x| normal_cdf(libm::log(x / median) / sigma)
}

/// Linear between the points of a quantile table.
fn quantiles(table: Vec<(f64, f64)>) -> impl Fn(f64) -> f64 {
    move |x| {
        let right = table.partition_point(|point| point.1 <= x);
        if right == 0 || right == table.len() {
            return if right == 0 { 0.0 } else { 1.0 };
        }
        let ((p0, v0), (p1, v1)) = (table[right - 1], table[right]);
        p0 + (p1 - p0) * (x - v0) / (v1 - v0)
    }
}

fn follows(what: &str, values: Vec<f64>, law: impl Fn(f64) -> f64) {
    let (distance, most) = kolmogorov(values, law);
    assert!(distance < most, "{what}: {distance}, at most {most}");
}

fn by_session(sent: &[Request]) -> BTreeMap<u64, Vec<&Request>> {
    let mut sessions: BTreeMap<u64, Vec<&Request>> = BTreeMap::new();
    sent.iter().for_each(|request| sessions.entry(request.session).or_default().push(request));
    sessions
}

fn outputs(sent: &[Request]) -> Vec<f64> {
    sent.iter().map(|request| request.output_tokens as f64).collect()
}

#[test]
fn coding_agents_live_as_long_as_recorded() {
    // The generator is asked for its sessions' turns alone: a replay of 4,000 whole sessions would be 260,000 requests.
    let sessions =
        crate::workload::sessions::Sessions::new(&Kind::CodingAgent.params(), workload_key(1, "gen"));
    let n = 4_000;
    let turns: Vec<u32> = (0..n).map(|session| sessions.turns(session)).collect();
    for (least, share) in [(5, 0.95f64), (10, 0.85), (20, 0.73), (50, 0.47), (100, 0.21), (200, 0.06)] {
        let seen = turns.iter().filter(|&&turns| turns >= least).count() as f64 / n as f64;
        // Five standard errors of a share, half of the published last digit.
        let error = 5.0 * (share * (1.0 - share) / n as f64).sqrt() + 0.005;
        assert!((seen - share).abs() < error, "survival to {least}: {seen}, published {share}");
    }
}

#[test]
fn coding_agents_grow_and_wait_as_recorded() {
    let sent = send(Kind::CodingAgent.params(), 20_000);
    let sessions = by_session(&sent);
    let first: Vec<f64> = sessions.values().map(|turns| turns[0].prompt_tokens as f64).collect();
    let table = vec![
        (0.0, 15_300.0),
        (0.1, 15_500.0),
        (0.5, 24_300.0),
        (0.75, 105_000.0),
        (0.9, 260_000.0),
        (1.0, 500_000.0),
    ];
    follows("first prompts", first, quantiles(table));
    let pairs = || sessions.values().flat_map(|turns| turns.windows(2));
    let grown = |pair: &&[&Request]| pair[1].prompt_tokens > pair[0].prompt_tokens + pair[0].output_tokens;
    // A turn after a compaction may be longer than the one before by chance; those whose blocks are not those of
    // the turn before are left out.
    let same = |pair: &&[&Request]| {
        let blocks = pair[0].chain.blocks();
        blocks <= pair[1].chain.blocks() && pair[0].chain.id(blocks - 1) == pair[1].chain.id(blocks - 1)
    };
    let kept: Vec<&[&Request]> = pairs().filter(same).collect();
    assert!(kept.iter().all(grown), "a prompt holds the answer before it");
    let growth: Vec<f64> =
        kept.iter().map(|pair| (pair[1].prompt_tokens - pair[0].prompt_tokens) as f64).collect();
    let (distance, most) = kolmogorov(growth, lognormal(663.0, 1.4));
    // Growth that would exceed the context is not among them: at 524,288 tokens a share of a percent.
    assert!(distance < most + 0.003, "growth: {distance}, at most {most} + 0.003");
    follows("answers", outputs(&sent), lognormal(217.0, 1.187));
    let all = pairs().count() as f64;
    let compacted = all - kept.len() as f64;
    // 0.7 % of turns, and what hits the limit: at most another 0.5 %.
    let share = compacted / all;
    assert!(
        share > 0.007 - 5.0 * (0.007 / all).sqrt() && share < 0.012 + 5.0 * (0.012 / all).sqrt(),
        "{share}"
    );
    // Waits: 86 % exp(2.53) s, 14 % exp(4.87) s in the median; the answer took 0.2 s.
    let waits: Vec<f64> = pairs().map(|pair| (pair[1].at - pair[0].at).as_secs_f64() - 0.2).collect();
    let law = |x: f64| {
        let x = x - 0.5;
        0.86 * normal_cdf((libm::log(x.max(1e-9)) - 2.53) / 1.27)
            + 0.14 * normal_cdf((libm::log(x.max(1e-9)) - 4.87) / 1.72)
    };
    follows("waits", waits, law);
    // All begin with the same tools: 775 blocks of 16 tokens.
    assert!(sent.iter().all(|request| request.chain.id(774) == sent[0].chain.id(774)));
}

#[test]
fn chat_and_support_follow_their_laws() {
    let chat = send(Kind::Chat.params(), 20_000);
    follows("chat answers", outputs(&chat), lognormal(129.0, 0.93));
    let turns: Vec<f64> = by_session(&chat).values().map(|turns| turns.len() as f64).collect();
    let n = turns.len() as f64;
    // Geometric with p = 1/2.52: standard deviation √(1 - p)/p = 1.957
    assert!((turns.iter().sum::<f64>() / n - 2.52).abs() < 5.0 * 1.957 / n.sqrt());
    let support = send(Kind::SupportAgent.params(), 20_000);
    follows("support answers", outputs(&support), lognormal(63.0, 0.6));
    let sessions = by_session(&support);
    let growth = sessions
        .values()
        .flat_map(|turns| turns.windows(2))
        .map(|pair| (pair[1].prompt_tokens - pair[0].prompt_tokens) as f64);
    follows("support growth", growth.collect(), lognormal(160.0, 0.62));
    let turns: Vec<f64> = sessions.values().map(|turns| turns.len() as f64).collect();
    follows(
        "support turns",
        turns,
        quantiles(vec![(0.0, 2.5), (0.5, 10.5), (0.9, 19.5), (0.99, 29.5), (1.0, 40.5)]),
    );
}

#[test]
fn summaries_have_the_lengths_of_the_recording() {
    let sent = send(Kind::Summarisation.params(), 20_000);
    let share = |found: usize| found as f64 / sent.len() as f64;
    for (p, prompt, output) in [(0.1, 1_242, 78), (0.5, 2_730, 167), (0.9, 3_702, 372), (0.99, 3_934, 3_273)]
    {
        let error = 5.0 * (p * (1.0 - p) / sent.len() as f64).sqrt() + 0.001;
        let prompts = share(sent.iter().filter(|request| request.prompt_tokens <= prompt).count());
        let outputs = share(sent.iter().filter(|request| request.output_tokens <= output).count());
        assert!((prompts - p).abs() < error && (outputs - p).abs() < error, "{p}: {prompts} {outputs}");
    }
}

#[test]
fn tenants_have_their_shares() {
    // Ten tenants, Zipf 1: H10 = 7381/2520. Two heavy ones have 40 % of all, half each, and Zipf's of the rest.
    let h10 = 7381.0 / 2520.0;
    let params = SyntheticParams {
        tenants: 10,
        tenancy: Some(Tenancy { zipf: 1.0, heavy: 2, heavy_share: 0.4 }),
        ..SyntheticParams::default()
    };
    let sent = send(params, 20_000);
    for tenant in 0..10u32 {
        let zipf = 1.0 / ((tenant + 1) as f64 * h10);
        let p = 0.6 * zipf + if tenant < 2 { 0.2 } else { 0.0 };
        let seen = sent.iter().filter(|request| request.tenant.0 == tenant).count() as f64 / 20_000.0;
        assert!((seen - p).abs() < 5.0 * (p * (1.0 - p) / 20_000.0).sqrt(), "{tenant}: {seen}, meant {p}");
    }
    // The batch kind: half to three, and (1 + 1/2 + … + 1/10)/H40 of the other half to ten: .5 + .5·2.929/4.279 = .842.
    let batch = send(Kind::Batch.params(), 20_000);
    let ten = batch.iter().filter(|request| request.tenant.0 < 10).count() as f64 / 20_000.0;
    assert!((ten - 0.842).abs() < 5.0 * (0.842 * 0.158f64 / 20_000.0).sqrt() + 0.0005, "{ten}");
}

#[test]
fn every_kind_can_be_sent() {
    for kind in Kind::ALL {
        let sent = send(kind.params(), 300);
        assert_eq!(sent.len(), 300, "{}", kind.name());
        for request in &sent {
            assert_eq!(request.chain.blocks(), (request.prompt_tokens + request.output_tokens) / 16);
            assert!(request.prompt_tokens + request.output_tokens <= kind.params().max_context_tokens);
        }
    }
}
