//! Clients in a closed loop against the laws of closed queueing networks.

mod common;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::observe::{Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::rng::{hash_name, mix2};
use regionsim::time::Span;
use regionsim::workload::closed_loop::AFTER_FAILURE;
use regionsim::workload::params::{Clients, SyntheticParams, Until};
use regionsim::world::WorldParams;
use std::collections::BTreeMap;
use world::{one_region, poisson, policy, queue, run, workload};

const SECOND_US: f64 = 1e6;

fn closed(server: ServerParams, count: u32, pause_s: Dist, requests: u64, service: Dist) -> WorldParams {
    let mut params = one_region(1, server);
    let synthetic = poisson(1.0, requests, service);
    let clients = Some(Clients { count, pause_s, ramp: Span::ZERO });
    let synthetic = SyntheticParams { clients, ..synthetic };
    params.workloads.push(workload("load", synthetic));
    params
}

/// The rows of each client, in the order in which it sent them.
fn by_client(rows: &[RequestRow], count: u64) -> BTreeMap<u64, Vec<RequestRow>> {
    // What a session's identity is made from: its number, of which the client is the remainder.
    let identity = |number: u64| mix2(hash_name("load"), number + 1).max(1);
    let numbers: BTreeMap<u64, u64> =
        (0..count * rows.len() as u64).map(|number| (identity(number), number)).collect();
    let mut clients: BTreeMap<u64, Vec<RequestRow>> = BTreeMap::new();
    for row in rows {
        clients.entry(numbers[&row.session] % count).or_default().push(*row);
    }
    clients.values_mut().for_each(|rows| rows.sort_by_key(|row| row.sent_at));
    clients
}

#[test]
fn the_interactive_response_time_law_holds_to_the_nanosecond() {
    // X = N/(Z + R) over the record: a client's time from its first to its last request is exactly so many answers
    // and pauses, so the sum over clients is n·(R + Z), and X, n over their mean time, is N/(Z + R).
    let pause = Span::from_ms(700);
    for (server, n) in [
        (ServerParams::Fifo(queue(1, None)), 7u64),
        (ServerParams::Ps(queue(1, None)), 7),
        (ServerParams::Fifo(queue(3, None)), 20),
    ] {
        let service = Dist::Exponential { mean: 0.4 * SECOND_US };
        let fixed = Dist::Constant { value: pause.as_secs_f64() };
        let params = closed(server, n as u32, fixed, 400, service);
        let rows = run(&params, &policy("round_robin"), 3).1.rows;
        assert_eq!(rows.len(), 400);
        let (mut cycles, mut answers, mut spans) = (0u64, 0u64, 0u64);
        for rows in by_client(&rows, n).values() {
            let last = rows.last().unwrap();
            spans += (last.sent_at - rows[0].sent_at).0;
            for row in &rows[..rows.len() - 1] {
                assert_eq!(row.outcome, Outcome::Completed);
                cycles += 1;
                answers += row.e2e().unwrap().0;
            }
            // Never two at once, and never a moment longer than the pause between them.
            assert!(rows.windows(2).all(|pair| pair[1].sent_at == pair[0].ended_at + pause));
        }
        assert_eq!(spans, answers + cycles * pause.0);
        assert!(cycles + n >= 400 - n, "each client's last is not closed");
    }
}

/// Mean value analysis (Reiser and Lavenberg, 1980) of one queueing station and think time: throughput and response.
fn mva(n: u32, service_s: f64, think_s: f64) -> (f64, f64) {
    let (mut queue, mut answer, mut throughput) = (0.0, 0.0, 0.0);
    for clients in 1..=n {
        answer = service_s * (1.0 + queue);
        throughput = clients as f64 / (think_s + answer);
        queue = throughput * answer;
    }
    (throughput, answer)
}

#[test]
fn mean_value_analysis_is_met_by_fifo_and_ps() {
    // By hand, N = 2, S = 1, Z = 2: R1 = 1, X1 = 1/3, Q1 = 1/3; R2 = 4/3, X2 = 2/(10/3) = 0.6.
    let (x, r) = mva(2, 1.0, 2.0);
    assert!((x - 0.6).abs() < 1e-12 && (r - 4.0 / 3.0).abs() < 1e-12);
    const REPLICATIONS: usize = 8;
    /// Student's t at 99.99 % two-sided for 7 degrees of freedom, from tables.
    const T_7: f64 = 7.885;
    for server in [ServerParams::Fifo(queue(1, None)), ServerParams::Ps(queue(1, None))] {
        for (n, think_s) in [(3u32, 2.0), (10, 6.0)] {
            let pause = Dist::Exponential { mean: think_s };
            let service = Dist::Exponential { mean: SECOND_US };
            let params = closed(server.clone(), n, pause, 12_000, service);
            let (x, r) = mva(n, 1.0, think_s);
            let mut found = [Vec::new(), Vec::new()];
            for seed in 1..=REPLICATIONS as u64 {
                let rows = run(&params, &policy("round_robin"), seed).1.rows;
                let rows = &rows[1_000..];
                let lasted = (rows.last().unwrap().sent_at - rows[0].sent_at).as_secs_f64();
                found[0].push((rows.len() - 1) as f64 / lasted);
                let answers = rows.iter().map(|row| row.e2e().unwrap().as_secs_f64());
                found[1].push(answers.sum::<f64>() / rows.len() as f64);
            }
            for (values, theory) in found.iter().zip([x, r]) {
                let mean = values.iter().sum::<f64>() / REPLICATIONS as f64;
                let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                let half = T_7 * (variance / (REPLICATIONS - 1) as f64 / REPLICATIONS as f64).sqrt();
                assert!(half < 0.06 * theory, "{mean} ± {half} is too wide to tell {theory}");
                assert!((mean - theory).abs() < half, "N {n}: {mean} ± {half}, theory says {theory}");
            }
        }
    }
}

#[test]
fn clients_hold_whole_sessions_and_begin_over_the_ramp() {
    let mut params = one_region(1, ServerParams::Fifo(queue(4, None)));
    let synthetic = SyntheticParams {
        clients: Some(Clients {
            count: 5,
            pause_s: Dist::Constant { value: 3.0 },
            ramp: Span::from_secs(10),
        }),
        turns: Dist::Constant { value: 3.0 },
        think_s: Dist::Constant { value: 1.0 },
        until: Until::Duration(Span::from_secs(60)),
        ..poisson(1.0, 1, Dist::Constant { value: 0.5 * SECOND_US })
    };
    params.workloads.push(workload("load", synthetic));
    let rows = run(&params, &policy("round_robin"), 1).1.rows;
    let clients = by_client(&rows, 5);
    assert_eq!(clients.len(), 5);
    for (client, rows) in clients {
        assert_eq!(rows[0].sent_at.0, client * 2_000_000_000);
        // Three turns of half a second, one second between them, three after them: 6.5 s a session.
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row.turn as usize, index % 3);
            let within = index as u64 / 3 * 6_500 + index as u64 % 3 * 1_500;
            assert_eq!(row.sent_at.0, (client * 2_000 + within) * 1_000_000);
        }
        assert!(rows.len().is_multiple_of(3), "no session begins after the end, and those under way finish");
    }
}

#[test]
fn clients_that_are_refused_come_back_later() {
    // Room for one request, two clients without pauses: one is served all the time, the other refused about once a
    // second.
    let service = Dist::Constant { value: 0.9 * SECOND_US };
    let none = Dist::Constant { value: 0.0 };
    let params = closed(ServerParams::Fifo(queue(1, Some(1))), 2, none, 60, service);
    let rows = run(&params, &policy("round_robin"), 1).1.rows;
    let refused: Vec<&RequestRow> = rows.iter().filter(|row| row.outcome == Outcome::QueueFull).collect();
    assert!(!refused.is_empty() && refused.len() < 60);
    for rows in by_client(&rows, 2).values() {
        for pair in rows.windows(2).filter(|pair| pair[0].outcome == Outcome::QueueFull) {
            assert_eq!(pair[1].sent_at, pair[0].ended_at + AFTER_FAILURE);
        }
    }
}

#[test]
fn clients_ask_the_same_whatever_the_service() {
    let asked = |slots| {
        let service = Dist::Exponential { mean: SECOND_US };
        let pause = Dist::Exponential { mean: 1.0 };
        let params = closed(ServerParams::Fifo(queue(slots, None)), 4, pause, 300, service);
        let rows = run(&params, &policy("round_robin"), 3).1.rows;
        rows.iter().map(|row| (row.key, row.output_tokens)).collect::<BTreeMap<_, _>>()
    };
    let (slow, fast) = (asked(1), asked(4));
    let both: Vec<_> = slow.iter().filter(|(key, _)| fast.contains_key(key)).collect();
    assert!(both.len() > 200, "the same sessions come, up to the last few of each client");
    assert!(both.iter().all(|(key, tokens)| fast[key] == **tokens));
}
