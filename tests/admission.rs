//! Whom gateways let in, by closed forms: loss and patience of a bounded line, the order in it, what a saturated gate lets
//! through, whom a curve sheds, and what clients hold back when they were refused.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::fleet::AdmissionParams;
use regionsim::fleet::admission::{
    Discipline, GateParams, Over, QueueParams, SaturationParams, ShedParams, Signal, ThrottleParams,
};
use regionsim::id::{ClassId, PoolId, RegionId};
use regionsim::observe::{Leg, Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::{LoadView, OnStale, PolicySpec, Poll, Views};
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, SyntheticParams};
use regionsim::world::params::{ClassParams, PolicyParams, RegionParams, SloParams, WorldParams};
use world::{one_region, poisson, policy, queue, run, workload};

const SECOND_US: f64 = 1e6;
const REPLICATIONS: u64 = 16;
/// Student's t at 99.99 % two-sided for 15 degrees of freedom, from tables.
const T_15: f64 = 5.239;

/// The mean of `measure` over replications lies within its Student interval around `expected`, which is narrow.
fn agrees(expected: f64, resolution: f64, what: &str, measure: impl Fn(u64) -> f64) {
    let values: Vec<f64> = (1..=REPLICATIONS).map(measure).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = T_15 * (variance / n).sqrt();
    assert!(half < resolution * expected, "{what}: {mean} ± {half} is too wide to tell {expected}");
    assert!((mean - expected).abs() <= half, "{what}: {mean} ± {half}, theory says {expected}");
}

fn share(rows: &[RequestRow], outcome: Outcome) -> f64 {
    let rows = &rows[rows.len() / 10..];
    rows.iter().filter(|row| row.outcome == outcome).count() as f64 / rows.len() as f64
}

/// So many own requests under way to each replica, and no more.
fn concurrent(requests: u32) -> SaturationParams {
    SaturationParams { signal: Signal::Concurrency { requests }, over: Over::Allowed }
}

fn gated(requests: u32, queue: Option<QueueParams>) -> PolicyParams {
    let gate = Some(GateParams::default());
    let admission = AdmissionParams { saturation: concurrent(requests), gate, queue, ..Default::default() };
    PolicyParams { admission: Some(admission), ..policy("round_robin") }
}

fn single(per_s: f64, requests: u64, service: Dist) -> WorldParams {
    let mut params = one_region(1, ServerParams::Fifo(queue(1, None)));
    params.workloads.push(workload("load", poisson(per_s, requests, service)));
    params
}

fn exponential() -> Dist {
    Dist::Exponential { mean: SECOND_US }
}

#[test]
fn a_gate_of_one_and_a_line_of_four_lose_as_mm1_5() {
    // One at the replica, four in the gateway's line: M/M/1/5. At ρ 0.8: (1 − ρ) ρ⁵ / (1 − ρ⁶) = 0.2 · 0.32768 / 0.737856 =
    // 0.088820.
    let world = single(0.8, 15_000, exponential());
    let line = QueueParams { capacity: Some(4), ..QueueParams::default() };
    agrees(0.088_820, 0.13, "M/M/1/5", |seed| {
        share(&run(&world, &gated(1, Some(line)), seed).1.rows, Outcome::Rejected)
    });
    // Nothing waits at the replica: the wait is the gateway's.
    let rows = run(&world, &gated(1, Some(line)), 1).1.rows;
    assert!(rows.iter().all(|row| row.legs.get(Leg::Queue) == Span::ZERO));
    assert!(rows.iter().any(|row| row.legs.get(Leg::Hold) > Span::ZERO));
}

#[test]
fn a_gate_without_a_line_loses_as_erlang_b() {
    // Four at once and no line: M/M/4/4 at 3.2 Erlang loses 0.228145.
    let mut world = single(3.2, 15_000, exponential());
    world.pools[PoolId(0)].server = ServerParams::Fifo(queue(4, None));
    agrees(0.228_145, 0.07, "Erlang B", |seed| {
        share(&run(&world, &gated(4, None), seed).1.rows, Outcome::Rejected)
    });
    // The same by what the replica tells: none waits, so the gate is never closed, and nobody is lost.
    let mut open = gated(4, None);
    open.admission.as_mut().unwrap().saturation.signal = Signal::default();
    world.pools[PoolId(0)].server = ServerParams::Fifo(queue(1_000, None));
    assert_eq!(share(&run(&world, &open, 1).1.rows, Outcome::Completed), 1.0);
}

#[test]
fn who_has_waited_too_long_leaves_the_line_as_often_as_barrer_says() {
    // M/M/1 with a deterministic longest wait τ (D. Y. Barrer, Operations Research 5, 1957): the share that gives up is
    // (1 − ρ) ρ e / (1 − ρ² e), e = exp(−μ (1 − ρ) τ). At ρ 0.9, τ = 3 services: e = 0.740818; 0.1 · 0.9 · 0.740818 /
    // (1 − 0.81 · 0.740818) = 0.0666736 / 0.399937 = 0.166710.
    let world = single(0.9, 15_000, exponential());
    let timeout = Span::from_secs(3);
    let line = QueueParams { timeout: Some(timeout), ..QueueParams::default() };
    agrees(0.166_710, 0.09, "M/M/1+D", |seed| {
        share(&run(&world, &gated(1, Some(line)), seed).1.rows, Outcome::QueueTimeout)
    });
    for row in run(&world, &gated(1, Some(line)), 1).1.rows {
        match row.outcome {
            Outcome::QueueTimeout => assert_eq!(row.ended_at.since(row.sent_at), timeout),
            _ => assert!(row.legs.get(Leg::Hold) <= timeout, "{row:?}"),
        }
    }
}

/// Requests 100 ms apart, each of which takes a second: one workload of each priority in turn.
fn rush(priorities: &[u8], requests: u64) -> WorldParams {
    let mut world = one_region(1, ServerParams::Fifo(queue(1, None)));
    for (number, &priority) in priorities.iter().enumerate() {
        let even = SyntheticParams {
            arrivals: Arrivals::Gamma { cv: 0.01 },
            ..poisson(10.0 / priorities.len() as f64, requests, Dist::Constant { value: SECOND_US })
        };
        let mut load = workload(&format!("load {number}"), even);
        load.priority = priority;
        world.classes.push(ClassParams { name: number.to_string(), slo: SloParams::default(), priority });
        load.class = ClassId(number as u32 + 1);
        world.workloads.push(load);
    }
    world
}

/// The numbers of the requests in the order in which they were served.
fn served(rows: &[RequestRow]) -> Vec<u32> {
    let mut rows: Vec<&RequestRow> = rows.iter().filter(|row| row.outcome == Outcome::Completed).collect();
    rows.sort_by_key(|row| row.ended_at);
    rows.iter().map(|row| row.id.0).collect()
}

#[test]
fn the_line_goes_by_its_discipline() {
    // Ten requests in a second; the first is served at once, and all others are in line when it has ended.
    let in_line = |discipline, priorities: &[u8]| {
        let world = rush(priorities, 10 / priorities.len() as u64);
        let line = QueueParams { discipline, ..QueueParams::default() };
        (served(&run(&world, &gated(1, Some(line)), 1).1.rows), world)
    };
    assert_eq!(in_line(Discipline::Fifo, &[0]).0, (0..10).collect::<Vec<u32>>());
    assert_eq!(in_line(Discipline::Lifo, &[0]).0, [0, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let (order, world) = in_line(Discipline::Priority, &[1, 0]);
    let line = QueueParams { discipline: Discipline::Priority, ..QueueParams::default() };
    let rows = run(&world, &gated(1, Some(line)), 1).1.rows;
    let classes: Vec<u32> = order.iter().skip(1).map(|&id| rows[id as usize].class.0).collect();
    // Class 2 is the urgent one: behind the one that was served already, all of it goes first.
    let urgent = rows.iter().skip(1).filter(|row| row.class == ClassId(2)).count();
    assert!(classes[..urgent].iter().all(|&class| class == 2), "{classes:?}");
    assert!(classes[urgent..].iter().all(|&class| class == 1), "{classes:?}");
    assert!(order[1..=urgent].is_sorted() && order[urgent + 1..].is_sorted(), "{order:?}");
}

#[test]
fn a_full_line_turns_away_who_comes_and_keeps_who_is_in_it() {
    // One served from 0, three in line; the services end at about 1, 2, … s and arrivals are at 0, 0.1, …, 1.9 s. Until the
    // first end, requests 1 to 3 have joined and 4 to 9 are refused; one place is free then, which one takes.
    let line = QueueParams { capacity: Some(3), ..QueueParams::default() };
    let rows = run(&rush(&[0], 20), &gated(1, Some(line)), 1).1.rows;
    let done = served(&rows);
    assert_eq!(done[..4], [0, 1, 2, 3]);
    assert_eq!(done.len(), 5, "one more in the second after the first end");
    assert_eq!(rows.iter().filter(|row| row.outcome == Outcome::Rejected).count(), 15);
    assert!(
        rows.iter().filter(|row| row.outcome == Outcome::Rejected).all(|row| row.ended_at == row.sent_at)
    );
}

#[test]
fn a_gate_for_the_patient_lets_the_urgent_pass() {
    // The urgent are never stopped and go to the replica's own line; the rest wait until nothing is under way.
    let world = rush(&[0, 1], 10);
    let mut policy = gated(1, Some(QueueParams::default()));
    policy.admission.as_mut().unwrap().gate = Some(GateParams { closes_at: 1.0, from_priority: 1 });
    let rows = run(&world, &policy, 1).1.rows;
    let held = |class: u32| {
        let of = rows.iter().filter(move |row| row.class == ClassId(class));
        of.map(|row| row.legs.get(Leg::Hold)).max().unwrap()
    };
    assert_eq!(held(1), Span::ZERO);
    assert!(held(2) > Span::from_secs(8), "{}", held(2));
    assert_eq!(served(&rows).len(), 20);
}

#[test]
fn utilization_is_the_mean_of_what_replicas_tell() {
    // Two replicas, queue depth 4: closed once four wait on the mean. Nobody ends in the first 100 s; requests come each
    // 100 ms. Two are served, so the gate closes with 2 + 2·4 = 10 sent: those behind are refused.
    let mut world = rush(&[0], 30);
    world.pools[PoolId(0)].replicas = 2;
    world.workloads = vec![workload(
        "long",
        SyntheticParams {
            arrivals: Arrivals::Gamma { cv: 0.01 },
            ..poisson(10.0, 30, Dist::Constant { value: 100.0 * SECOND_US })
        },
    )]
    .into();
    let signal = Signal::Utilization { queue_depth: 4.0, kv_usage: 0.8 };
    let mut policy = gated(1, None);
    policy.admission.as_mut().unwrap().saturation.signal = signal;
    let sent = |policy: &PolicyParams| {
        let rows = run(&world, policy, 1).1.rows;
        let refused = rows.iter().filter(|row| row.outcome == Outcome::Rejected).count();
        assert!(rows.iter().take(rows.len() - refused).all(|row| row.outcome == Outcome::Completed));
        rows.len() - refused
    };
    assert_eq!(sent(&policy), 10);
    // Seen each second alone, the gate closes with the reading after that: at most ten more are sent.
    let poll = |stale_after, on_stale| {
        let none = Span::ZERO;
        let every = Span::from_secs(1);
        Poll { every, jitter: none, delay: none, loss: 0.0, ewma: 1.0, stale_after, on_stale }
    };
    policy.views = Views { load: LoadView::Poll(poll(None, OnStale::Ignore)), ..Views::default() };
    assert!((11..=20).contains(&sent(&policy)), "{}", sent(&policy));
    // What is stale counts as saturated: with readings that are stale after 50 ms, at most those of 50 ms in each second pass.
    let stale = poll(Some(Span::from_ms(50)), OnStale::Worst);
    policy.views = Views { load: LoadView::Poll(stale), ..Views::default() };
    let rows = run(&world, &policy, 1).1.rows;
    let refused = rows.iter().filter(|row| row.outcome == Outcome::Rejected).count();
    assert!(refused >= 27, "{refused} of 30");
}

#[test]
fn a_gate_at_home_closes_though_others_have_room() {
    let mut world = single(2.0, 2_000, exponential());
    world.regions.push(RegionParams { name: "away".into() });
    let mut away = world.pools[PoolId(0)].clone();
    (away.name, away.region, away.replicas) = ("away/main".into(), RegionId(1), 9);
    world.pools.push(away);
    let ms = Span::from_ms;
    world.network.rtt = vec![vec![ms(0), ms(80)], vec![ms(80), ms(0)]];
    let lost = |over| {
        let mut policy = gated(1, None);
        policy.global = PolicySpec::from_name("nearest");
        policy.admission.as_mut().unwrap().saturation.over = over;
        share(&run(&world, &policy, 1).1.rows, Outcome::Rejected)
    };
    // Home alone is M/M/1/1 at 2 Erlang: 2/3 are lost (± 4·sqrt(2/9/1800) = 0.044). Over all ten replicas the gate closes at
    // ten under way, which all queue at home.
    assert!((lost(Over::Home) - 2.0 / 3.0).abs() < 0.044, "{}", lost(Over::Home));
    assert!(lost(Over::Allowed) < 0.6, "{}", lost(Over::Allowed));
}

#[test]
fn the_curve_sheds_its_share_of_those_who_can_be_shed() {
    // Two long requests hold saturation at 2/8 = 0.25 all the time: p = 300 · 0.25⁵ = 0.29297. Of 5,000, ± 4·sqrt(p(1 − p)/5000) =
    // 0.0257. Those who are not sheddable all pass.
    let mut world = one_region(1, ServerParams::Fifo(queue(1_000, None)));
    let long = SyntheticParams {
        arrivals: Arrivals::Gamma { cv: 0.01 },
        ..poisson(100.0, 2, Dist::Constant { value: 900.0 * SECOND_US })
    };
    world.workloads.push(workload("long", long));
    for (name, priority) in [("urgent", 0), ("batch", 1)] {
        let mut load = workload(name, poisson(50.0, 5_000, Dist::Constant { value: 1.0 }));
        (load.priority, load.setting.shift) = (priority, Span::from_secs(1));
        world.workloads.push(load);
    }
    let mut policy = gated(8, None);
    let admission = policy.admission.as_mut().unwrap();
    (admission.gate, admission.shed) = (None, Some(ShedParams::default()));
    let rows = run(&world, &policy, 1).1.rows;
    let shed = |source: u32| {
        let of: Vec<_> = rows.iter().filter(|row| row.source.0 == source).collect();
        of.iter().filter(|row| row.outcome == Outcome::Shed).count() as f64 / of.len() as f64
    };
    assert!((shed(2) - 0.292_97).abs() < 0.0257, "{}", shed(2));
    assert_eq!(shed(1), 0.0);
}

#[test]
fn clients_send_k_requests_for_each_that_is_accepted() {
    // A loss system of one server at 20 Erlang refuses almost all. In balance the share held back is p = (R − K A)/R, so that what
    // is sent is R (1 − p) = K A: K requests for each one accepted, whatever the load. Once the window of a minute has
    // filled, to 3 %: the sampling error of A ≈ 0.9/s over 900 s is 1/sqrt(810) = 3.5 %, but it is common to both sides.
    for k in [1.5, 2.0, 4.0] {
        let world = single(20.0, 20_000, exponential());
        let mut policy = gated(1, None);
        let window = Span::from_secs(60);
        policy.admission.as_mut().unwrap().throttle =
            Some(ThrottleParams { k, window, ..ThrottleParams::default() });
        let rows = run(&world, &policy, 1).1.rows;
        let settled: Vec<_> = rows.iter().filter(|row| row.sent_at > SimTime(120_000_000_000)).collect();
        let count = |outcome| settled.iter().filter(|row| row.outcome == outcome).count() as f64;
        let sent = settled.len() as f64 - count(Outcome::Throttled);
        assert_eq!(sent, count(Outcome::Completed) + count(Outcome::Rejected));
        let ratio = sent / count(Outcome::Completed);
        assert!((ratio / k - 1.0).abs() < 0.03, "K {k}: {ratio}");
        assert!(settled.iter().all(|row| row.outcome != Outcome::Throttled || row.gateway.is_none()));
    }
}

#[test]
fn nobody_is_held_back_where_nobody_is_refused() {
    let world = single(0.5, 2_000, exponential());
    let mut policy = gated(1_000, None);
    policy.admission.as_mut().unwrap().throttle = Some(ThrottleParams::default());
    assert_eq!(share(&run(&world, &policy, 1).1.rows, Outcome::Completed), 1.0);
    // And a policy that lets everybody in gives what it gives without.
    let plain = PolicyParams { admission: None, ..policy.clone() };
    assert_eq!(run(&world, &policy, 1).0.outcome_digest, run(&world, &plain, 1).0.outcome_digest);
}
