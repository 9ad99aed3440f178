//! The world against queueing theory. Statistical oracles compare the mean over independent replications with the
//! formula, within the Student interval of the replications at 99.99 % (a false alarm in ten thousand, for a fixed
//! seed none at all); exact ones compare to the nanosecond.

mod common;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::id::ClassId;
use regionsim::observe::{Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Until, WorkloadKind};
use regionsim::world::{ClassParams, SloParams, WorldParams};
use world::{one_region, poisson, policy, queue, run, workload};

const REPLICATIONS: u64 = 16;
/// Student's t at 99.99 % two-sided for 15 degrees of freedom, from tables.
const T_15: f64 = 5.239;
const SECOND_US: f64 = 1e6;

fn exponential() -> Dist {
    Dist::Exponential { mean: SECOND_US }
}

/// The mean of `measure` over replications lies within its interval around `expected`; the interval itself must be
/// narrow, under `resolution` of the expected value, or the test says nothing.
fn agrees(expected: f64, resolution: f64, what: &str, measure: impl Fn(u64) -> f64) {
    let (mean, half) = interval(&(1..=REPLICATIONS).map(measure).collect::<Vec<_>>());
    assert!(half < resolution * expected, "{what}: {mean} ± {half} is too wide to tell {expected}");
    assert!((mean - expected).abs() <= half, "{what}: {mean} ± {half}, theory says {expected}");
}

/// The mean over replications and the half width of its interval.
fn interval(values: &[f64]) -> (f64, f64) {
    assert_eq!(values.len() as u64, REPLICATIONS);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, T_15 * (variance / n).sqrt())
}

/// Mean time in system over the rows past the first tenth, in seconds.
fn mean_sojourn(rows: &[RequestRow]) -> f64 {
    let rows = &rows[rows.len() / 10..];
    rows.iter().map(|row| row.e2e().unwrap().as_secs_f64()).sum::<f64>() / rows.len() as f64
}

fn single(slots: u32, capacity: Option<u32>, per_s: f64, requests: u64, service: Dist) -> WorldParams {
    let mut params = one_region(1, ServerParams::Fifo(queue(slots, capacity)));
    params.workloads.push(workload("load", poisson(per_s, requests, service)));
    params
}

#[test]
fn mm1_mean_and_tail() {
    // Service 1 s, arrivals 0.8/s: T = 1/(1 - 0.8) = 5 s; P(T > t) = exp(-0.2 t); p99 = ln(100)/0.2 = 23.03 s.
    let params = single(1, None, 0.8, 60_000, exponential());
    agrees(5.0, 0.12, "M/M/1 at 0.8", |seed| {
        mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows)
    });
    agrees(23.026, 0.2, "M/M/1 p99 at 0.8", |seed| {
        let rows = run(&params, &policy("round_robin"), seed).1.rows;
        let mut sojourns: Vec<u64> = rows[6_000..].iter().map(|row| row.e2e().unwrap().0).collect();
        sojourns.sort_unstable();
        sojourns[sojourns.len() * 99 / 100] as f64 / 1e9
    });
    // At 0.5: T = 2 s.
    let params = single(1, None, 0.5, 30_000, exponential());
    agrees(2.0, 0.06, "M/M/1 at 0.5", |seed| {
        mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows)
    });
}

#[test]
fn md1_and_mg1_mean() {
    // Pollaczek-Khinchine: T = E[S] + λ E[S²] / (2 (1 - ρ)). Fixed service at 0.8: 1 + 0.8/(2 · 0.2) = 3 s.
    let params = single(1, None, 0.8, 40_000, Dist::Constant { value: SECOND_US });
    agrees(3.0, 0.08, "M/D/1 at 0.8", |seed| {
        mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows)
    });
    // Uniform on 0.5 to 1.5 s: E[S²] = 1 + 1/12; at 0.8: 1 + 0.8 · 1.08333/0.4 = 3.16667 s.
    let uniform = Dist::Uniform { min: 0.5 * SECOND_US, max: 1.5 * SECOND_US };
    let params = single(1, None, 0.8, 40_000, uniform);
    agrees(3.166_67, 0.08, "M/G/1 at 0.8", |seed| {
        mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows)
    });
    // Gamma with cv 2: E[S²] = 5; at 0.5: 1 + 0.5 · 5/1 = 3.5 s.
    let params = single(1, None, 0.5, 60_000, Dist::Gamma { mean: SECOND_US, cv: 2.0 });
    agrees(3.5, 0.12, "M/G/1, cv 2, at 0.5", |seed| {
        mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows)
    });
}

#[test]
fn erlang_c_waiting() {
    // M/M/c: Wq/S at ρ 0.8 is 1.777778 for 2 servers and 0.745541 for 4; P(wait) is .711111 and .596432.
    for (servers, waiting, probability) in [(2u32, 1.777_778, 0.711_111), (4, 0.745_541, 0.596_432)] {
        let params = single(servers, None, 0.8 * f64::from(servers), 60_000, exponential());
        let queued = |seed| -> Vec<f64> {
            let rows = run(&params, &policy("round_robin"), seed).1.rows;
            let queue = regionsim::observe::Leg::Queue;
            rows[6_000..].iter().map(|row| row.legs.get(queue).as_secs_f64()).collect()
        };
        agrees(waiting, 0.2, "Erlang C wait", |seed| {
            let waits = queued(seed);
            waits.iter().sum::<f64>() / waits.len() as f64
        });
        agrees(probability, 0.03, "Erlang C probability", |seed| {
            let waits = queued(seed);
            waits.iter().filter(|&&wait| wait > 0.0).count() as f64 / waits.len() as f64
        });
    }
}

#[test]
fn erlang_b_loss_whatever_the_service_law() {
    // M/G/c/c at load 0.8 c: 0.228145 for 4 servers, 0.144394 for 8; the service law does not matter.
    let laws = [exponential(), Dist::Constant { value: SECOND_US }, Dist::Gamma { mean: SECOND_US, cv: 2.0 }];
    for (servers, loss) in [(4u32, 0.228_145), (8, 0.144_394)] {
        for law in &laws {
            let params = single(servers, Some(servers), 0.8 * f64::from(servers), 40_000, law.clone());
            agrees(loss, 0.08, "Erlang B", |seed| {
                let rows = run(&params, &policy("round_robin"), seed).1.rows;
                let rows = &rows[4_000..];
                rows.iter().filter(|row| row.outcome == Outcome::QueueFull).count() as f64 / rows.len() as f64
            });
        }
    }
}

#[test]
fn mm1k_loss() {
    // M/M/1/5 at ρ 0.8: (1 - ρ) ρ⁵ / (1 - ρ⁶) = 0.2 · 0.32768 / 0.737856 = 0.088820.
    let params = single(1, Some(5), 0.8, 40_000, exponential());
    agrees(0.088_820, 0.08, "M/M/1/5", |seed| {
        let rows = run(&params, &policy("round_robin"), seed).1.rows;
        let rows = &rows[4_000..];
        rows.iter().filter(|row| row.outcome == Outcome::QueueFull).count() as f64 / rows.len() as f64
    });
}

#[test]
fn cobham_priorities() {
    // Two classes, each 0.4/s, exponential service 1 s: W0 = 0.8 · 2/2 = 0.8. High: W0/(1 - 0.4) = 1.33333 s;
    // low: W0/((1 - 0.4)(1 - 0.8)) = 6.66667 s.
    let mut params = one_region(1, ServerParams::Fifo(queue(1, None)));
    params.classes.push(ClassParams { name: "low".into(), slo: SloParams::default(), priority: 1 });
    for (name, class, priority) in [("high", 0, 0), ("low", 1, 1)] {
        let mut load = workload(name, poisson(0.4, 30_000, exponential()));
        load.class = ClassId(class);
        load.priority = priority;
        params.workloads.push(load);
    }
    for (class, expected, resolution) in [(0, 1.333_33, 0.05), (1, 6.666_67, 0.25)] {
        agrees(expected, resolution, "Cobham", |seed| {
            let rows = run(&params, &policy("round_robin"), seed).1.rows;
            let queue = regionsim::observe::Leg::Queue;
            let waits: Vec<f64> = (rows[6_000..].iter())
                .filter(|row| row.class == ClassId(class))
                .map(|row| row.legs.get(queue).as_secs_f64())
                .collect();
            waits.iter().sum::<f64>() / waits.len() as f64
        });
    }
}

#[test]
fn processor_sharing_is_insensitive_and_linear_in_the_work() {
    // M/G/1-PS at ρ 0.8: E[T] = 5 s for any law of mean 1 s; E[T | x] = x/(1 - ρ) = 5 x.
    for law in [exponential(), Dist::Constant { value: SECOND_US }] {
        let mut params = one_region(1, ServerParams::Ps(queue(1, None)));
        params.workloads.push(workload("load", poisson(0.8, 40_000, law)));
        agrees(5.0, 0.15, "PS", |seed| mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows));
    }
    let mut params = one_region(1, ServerParams::Ps(queue(1, None)));
    params.workloads.push(workload("load", poisson(0.8, 40_000, exponential())));
    agrees(5.0, 0.15, "PS slope for work of 2 s and more", |seed| {
        let rows = run(&params, &policy("round_robin"), seed).1.rows;
        let large: Vec<&RequestRow> =
            rows[4_000..].iter().filter(|row| row.output_tokens >= 2_000_000).collect();
        let time: f64 = large.iter().map(|row| row.e2e().unwrap().as_secs_f64()).sum();
        let work: f64 = large.iter().map(|row| f64::from(row.output_tokens) / 1e6).sum();
        time / work
    });
}

#[test]
fn processor_sharing_by_hand() {
    // Jobs of 3, 1 and 2 s at 0, 1 and 2 s. From 0 alone: 1 s of the first done. From 1 two share: the second would
    // end at 3; from 2 three share, the second has 0.5 s left, the first 1.5, the third 2. At 3.5 the second ends;
    // the first has 1, the third 1.5. Two share: the first ends at 5.5. The third has 0.5 left and ends at 6.
    use regionsim::replica::{Job, JobId, Output, ProcessorSharing};
    let mut server = ProcessorSharing::new(queue(1, None));
    let mut out = Vec::new();
    for (id, (at, work)) in [(0.0, 3_000_000), (1.0, 1_000_000), (2.0, 2_000_000)].into_iter().enumerate() {
        let job = Job { id: JobId(id as u32), prompt_tokens: 1, output_tokens: work, ..Job::default() };
        server.deliver(SimTime::from_secs_f64(at), &job, &mut out);
    }
    while let Some(at) = server.wake_at() {
        server.wake(at, &mut out);
    }
    let ends: Vec<(u32, f64)> = (out.iter())
        .filter_map(|output| match output {
            Output::Ended { job, at, .. } => Some((job.0, (at.0 as f64 / 1e6).round() / 1e3)),
            Output::FirstToken { .. } => None,
        })
        .collect();
    assert_eq!(ends, [(1, 3.5), (0, 5.5), (2, 6.0)]);
}

#[test]
fn two_choices_give_the_supermarket_tail() {
    // 200 servers at ρ 0.9, one gateway that counts for itself: the share of servers with k or more requests is
    // 0.9^(2^k - 1): .9, .729, .478, .206; under random choice 0.9^k: .9, .81, .729, .656. A finite fleet deviates
    // by O(1/n), for which half a percentage point is allowed beside the interval.
    let mut params = one_region(200, ServerParams::Fifo(queue(1, None)));
    params.workloads.push(workload("load", poisson(180.0, 36_000, exponential())));
    params.sample_every = Span::from_secs(2);
    let tails = |name: &str, seed| -> [f64; 5] {
        let (_, keep) = run(&params, &policy(name), seed);
        let window = keep.samples.iter().filter(|(at, _)| (60.0..195.0).contains(&at.as_secs_f64()));
        let loads: Vec<u32> = window.map(|(_, sample)| sample.load.requests()).collect();
        assert!(loads.len() > 10_000);
        [0, 1, 2, 3, 4].map(|k| loads.iter().filter(|&&load| load >= k).count() as f64 / loads.len() as f64)
    };
    let p2c: Vec<[f64; 5]> = (1..=REPLICATIONS).map(|seed| tails("p2c", seed)).collect();
    for (k, expected) in [(1, 0.9), (2, 0.729), (3, 0.478_297), (4, 0.205_891)] {
        let (mean, half) = interval(&p2c.iter().map(|tail| tail[k]).collect::<Vec<_>>());
        assert!(half < 0.06, "p2c, {k} or more: ± {half} tells nothing");
        let off = (mean - expected).abs();
        assert!(off <= half + 0.005, "p2c, {k} or more: {mean} ± {half} against {expected}");
    }
    let random = tails("random", 1);
    assert!(random[4] > p2c[0][4] + 0.3, "two choices cut the tail: {} against {}", random[4], p2c[0][4]);
}

#[test]
fn a_random_split_is_mm1_and_taking_turns_is_better() {
    // Four servers at 0.8 each: a random split of a Poisson stream is Poisson, so each is M/M/1, T = 5 s. Turns make
    // each arrival stream Erlang-4, which waits less (E4/M/1 at 0.8: T = 1/(1 - σ) with σ = (1 + (1 - σ)/3.2)^-4,
    // solved: σ = 0.6920…, T = 3.247 s).
    let sigma = (0..200).fold(0.5f64, |sigma, _| (1.0 + (1.0 - sigma) / 3.2).powi(-4));
    let turns = 1.0 / (1.0 - sigma);
    let mut params = one_region(4, ServerParams::Fifo(queue(1, None)));
    params.workloads.push(workload("load", poisson(3.2, 120_000, exponential())));
    agrees(5.0, 0.1, "random split", |seed| mean_sojourn(&run(&params, &policy("random"), seed).1.rows));
    agrees(turns, 0.1, "turns", |seed| mean_sojourn(&run(&params, &policy("round_robin"), seed).1.rows));
}

#[test]
fn lindley_utilisation_and_littles_law_hold_to_the_nanosecond() {
    let params = single(1, None, 0.9, 5_000, exponential());
    let (summary, keep) = run(&params, &policy("round_robin"), 3);
    // Lindley: the wait of the next is max(0, this one's wait + service - gap).
    let mut wait = 0i128;
    let mut previous: Option<&RequestRow> = None;
    let mut busy = 0u64;
    for row in &keep.rows {
        let service = |row: &RequestRow| i128::from(row.output_tokens) * 1_000;
        if let Some(before) = previous {
            wait = (wait + service(before) - i128::from((row.sent_at - before.sent_at).0)).max(0);
        }
        let expected = i128::from(row.sent_at.0) + wait + service(row);
        assert_eq!(i128::from(row.ended_at.0), expected, "request {:?}", row.id);
        busy += service(row) as u64;
        previous = Some(row);
    }
    // Utilisation: busy time is the sum of services.
    assert_eq!(summary.replicas[0].work.busy_ps, busy * 1_000);
    // Little: the integral over time of the number in the system is the sum of the times in the system. The number
    // is integrated over the merged sequence of arrivals and departures.
    let mut steps: Vec<(u64, i64)> = Vec::new();
    for row in &keep.rows {
        steps.push((row.sent_at.0, 1));
        steps.push((row.ended_at.0, -1));
    }
    steps.sort_unstable();
    let (mut number, mut integral, mut last) = (0i64, 0u128, 0u64);
    for (at, change) in steps {
        integral += (number as u128) * u128::from(at - last);
        (number, last) = (number + change, at);
    }
    let sojourns: u128 = keep.rows.iter().map(|row| u128::from(row.e2e().unwrap().0)).sum();
    assert_eq!(integral, sojourns);
}

#[test]
fn a_closed_loop_keeps_within_its_bounds() {
    // Ten users, exponential think time of mean 8 s and service of mean 1 s, one server (machine repairman): MVA
    // gives X by X(n) = n / (Z + R(n)), R(n) = S (1 + Q(n-1)). Bounds: X ≤ min(N/(Z + S), 1/S).
    let (users, think, service) = (10u32, 8.0, 1.0);
    let (mut queue_length, mut throughput) = (0.0, 0.0);
    for n in 1..=users {
        let response = service * (1.0 + queue_length);
        throughput = f64::from(n) / (think + response);
        queue_length = throughput * response;
    }
    let mut params = one_region(1, ServerParams::Fifo(queue(1, None)));
    params.workloads.push({
        let mut load = poisson(1_000.0, u64::MAX, Dist::Exponential { mean: 1e6 });
        load.until = Until::Requests(u64::from(users) * 600);
        load.turns = Dist::Constant { value: 600.0 };
        load.think_s = Dist::Exponential { mean: think };
        load.later_message = regionsim::workload::params::Tokens::fixed(1);
        assert!(matches!(WorkloadKind::Synthetic(load.clone()), WorkloadKind::Synthetic(_)));
        workload("users", load)
    });
    params.horizon = SimTime::from_secs_f64(4_000.0);
    let measured = |seed| {
        let (_, keep) = run(&params, &policy("round_robin"), seed);
        let window = |row: &&RequestRow| (500.0..4_000.0).contains(&row.ended_at.as_secs_f64());
        let done = keep.rows.iter().filter(|row| row.outcome == Outcome::Completed).filter(window).count();
        let x = done as f64 / 3_500.0;
        assert!(x <= 1.0f64.min(f64::from(users) / (think + service)) * 1.05, "throughput {x}");
        x
    };
    agrees(throughput, 0.05, "closed loop", measured);
}
