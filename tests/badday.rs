//! A first bad day, by closed forms: how much is lost until it is noticed, what retries and spill may take, what a
//! drained replica still does, and what is left of a cache.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::fleet::{Effect, HealthParams, Incident, OperationsParams, Place, RetryParams, SpillParams};
use regionsim::id::{Id, PoolId, RegionId, ReplicaId};
use regionsim::network::LastMileParams;
use regionsim::observe::{Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::PolicySpec;
use regionsim::routing::policies::nearest_within_budget::{self, Hop, Otherwise};
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, SharedPrefix, SyntheticParams, Tokens};
use regionsim::world::params::{PolicyParams, RegionParams, WorldParams};
use world::{one_region, poisson, policy, queue, run, workload};

const fn s(seconds: u64) -> SimTime {
    SimTime(seconds * 1_000_000_000)
}

/// Clients beside `home`, whose replica and that of `away` serve a request in 1 ms each, without limit; 80 ms apart.
/// 100 requests a second in even steps, for a minute.
fn two_regions() -> WorldParams {
    let mut world = one_region(1, ServerParams::Fifo(queue(1_000, None)));
    world.regions.push(RegionParams { name: "away".into() });
    let mut away = world.pools[PoolId(0)].clone();
    (away.name, away.region) = ("away/main".into(), RegionId(1));
    world.pools.push(away);
    let ms = Span::from_ms;
    world.network.rtt = vec![vec![ms(0), ms(80)], vec![ms(80), ms(0)]];
    world.workloads.push(workload("even", even(100.0, 6_000, 1_000)));
    world
}

/// Gaps that are equal to within a hundredth.
fn even(per_s: f64, requests: u64, service_us: u64) -> SyntheticParams {
    let service = Dist::Constant { value: service_us as f64 };
    SyntheticParams { arrivals: Arrivals::Gamma { cv: 0.01 }, ..poisson(per_s, requests, service) }
}

fn nearest() -> PolicyParams {
    PolicyParams { global: PolicySpec::from_name("nearest"), ..policy("round_robin") }
}

fn hit(place: Place, effect: Effect, at: SimTime, until: Option<SimTime>) -> OperationsParams {
    let health = HealthParams { interval: Span::from_secs(10), failures: 3, successes: 1 };
    OperationsParams {
        incidents: vec![Incident { at, until, place, effect }],
        health,
        ..OperationsParams::default()
    }
}

const HOME: Place = Place::Region(RegionId(0));

fn count(rows: &[RequestRow], outcome: Outcome) -> usize {
    rows.iter().filter(|row| row.outcome == outcome).count()
}

#[test]
fn what_fails_is_the_rate_times_the_detection_time() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Down, s(21), None);
    let (_, keep) = run(&world, &nearest(), 3);
    // Probes at 30, 40 and 50 s: down from 21 s, known at 50 s. Services of 1 ms that began before 21 s are lost too.
    for row in &keep.rows {
        let hit = row.sent_at.0 + 1_000_000 > s(21).0 && row.sent_at < s(50);
        assert_eq!(row.outcome, if hit { Outcome::Failed } else { Outcome::Completed }, "{row:?}");
        assert_eq!(row.region, Some(RegionId(u32::from(row.sent_at >= s(50)))));
        assert_eq!(row.first_token_at.is_some(), !hit);
    }
    // 100 a second × 29 s, give or take the one in service and the uneven gaps.
    let failed = count(&keep.rows, Outcome::Failed) as i64;
    assert!((failed - 2_900).abs() <= 3, "{failed}");
}

#[test]
fn what_comes_back_is_used_again_when_a_probe_has_told() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Down, s(10), Some(s(33)));
    let (_, keep) = run(&world, &nearest(), 3);
    // Down at 10 s, known at 30 s (probes at 10, 20, 30); up at 33 s, known at 40 s.
    for row in keep.rows.iter().filter(|row| row.sent_at > s(11)) {
        let away = (s(30)..s(40)).contains(&row.sent_at);
        assert_eq!(row.region, Some(RegionId(u32::from(away))));
        assert_eq!(row.outcome == Outcome::Failed, row.sent_at < s(30));
    }
    // A fault that is over before it is noticed is never noticed.
    world.operations = hit(HOME, Effect::Down, s(11), Some(s(39)));
    let (_, keep) = run(&world, &nearest(), 3);
    assert!(keep.rows.iter().all(|row| row.region == Some(RegionId(0))));
}

#[test]
fn a_retry_goes_elsewhere_and_its_way_is_in_its_first_token() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Down, s(21), None);
    let backoff = Span::from_ms(25);
    world.operations.retry = Some(RetryParams { attempts: 2, budget: 1.0, least: 1_000, backoff });
    let (_, keep) = run(&world, &nearest(), 3);
    assert_eq!(count(&keep.rows, Outcome::Completed), 6_000);
    for row in &keep.rows {
        let told = row.sent_at >= s(21) && row.sent_at < s(50);
        if told {
            // Refused at once at home, 25 ms of backoff, 80 ms there and back, 1 ms of service.
            assert_eq!((row.attempts, row.region), (2, Some(RegionId(1))));
            assert_eq!(row.ttft(), Some(Span::from_ms(25 + 80 + 1)));
        }
        assert_eq!(row.ttft(), Some(row.legs.total()));
    }
}

#[test]
fn retries_under_way_stay_within_their_budget() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Down, s(21), None);
    let retry = RetryParams { attempts: 3, budget: 0.2, least: 3, backoff: Span::from_ms(25) };
    world.operations.retry = Some(retry);
    let (_, keep) = run(&world, &nearest(), 3);
    // Nothing else is under way: the floor of 3 holds. Each takes 106 ms, and the next arrival takes its place.
    let window = |row: &&RequestRow| row.sent_at > s(22) && row.sent_at < s(50);
    let retried: Vec<_> = keep.rows.iter().filter(window).filter(|row| row.attempts == 2).collect();
    let mut changes: Vec<(SimTime, i32)> = retried.iter().map(|row| (row.sent_at, 1)).collect();
    changes.extend(retried.iter().map(|row| (row.ended_at, -1)));
    changes.sort();
    let mut now = 0;
    let most = changes.iter().map(|change| {
        now += change.1;
        now
    });
    assert_eq!(most.max(), Some(3));
    // 28 s / 110 ms (arrivals are 10 ms apart) × 3 = 763; the rest fails.
    assert!(retried.len().abs_diff(763) <= 3, "{}", retried.len());
    let failed = keep.rows.iter().filter(window).filter(|row| row.outcome == Outcome::Failed).count();
    assert_eq!(failed + retried.len(), keep.rows.iter().filter(window).count());
}

#[test]
fn spill_is_bounded_and_the_rest_is_shed() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Drain, s(10), None);
    let every = Span::from_ms(50);
    world.operations.spill = Some(SpillParams { every, burst: 5, most_added_rtt: None });
    let (_, keep) = run(&world, &nearest(), 3);
    let after: Vec<RequestRow> = keep.rows.iter().copied().filter(|row| row.sent_at >= s(10)).collect();
    let admitted: Vec<SimTime> =
        after.iter().filter(|row| row.region == Some(RegionId(1))).map(|row| row.sent_at).collect();
    // 5 at once, then 20 a second: in no stretch more than 5 + time / 50 ms.
    // For all i ≤ j: j − i + 1 ≤ 5 + (t_j − t_i) / every. With g_i = t_i − i · every that is
    // g_i − g_j ≤ 4 · every, so the greatest g before each j tells for all of them.
    let mut greatest = i128::MIN;
    for (number, at) in admitted.iter().enumerate() {
        let gain = i128::from(at.0) - number as i128 * i128::from(every.0);
        greatest = greatest.max(gain);
        assert!(greatest - gain <= 4 * i128::from(every.0), "request {number} at {at:?}");
    }
    let seconds = admitted[admitted.len() - 1].since(admitted[0]).as_secs_f64();
    assert!((admitted.len() as f64 - (5.0 + 20.0 * seconds)).abs() <= 1.0, "{} {seconds}", admitted.len());
    // Shed is demand less capacity, and nothing failed: a drain is announced.
    assert_eq!(count(&after, Outcome::Shed), after.len() - admitted.len());
    // 100 a second are sent from 10 s to 60 s, 20 a second and 5 admitted: 50 · 80 − 5 = 3,995 are shed. Sends are the
    // only thing that is drawn; were they Poisson, 5,000 of them would have a standard deviation of √5,000 = 71.
    let shed = count(&after, Outcome::Shed) as f64;
    assert!((shed - 3_995.0).abs() <= 3.0, "{shed}");
    assert_eq!(count(&keep.rows, Outcome::Failed), 0);
    assert!(after.iter().all(|row| row.outcome != Outcome::Shed || row.attempts == 0));
}

#[test]
fn a_drained_replica_gets_nothing_new_and_finishes_what_it_has() {
    let mut world = two_regions();
    world.workloads[Id::new(0)] = workload("long", even(10.0, 600, 5_000_000));
    world.operations = hit(HOME, Effect::Drain, s(20), Some(s(40)));
    let (_, keep) = run(&world, &nearest(), 3);
    assert_eq!(count(&keep.rows, Outcome::Completed), 600);
    for row in &keep.rows {
        let drained = (s(20)..s(40)).contains(&row.sent_at);
        assert_eq!(row.region, Some(RegionId(u32::from(drained))), "{row:?}");
        let hop = if drained { Span::from_ms(80) } else { Span::ZERO };
        assert_eq!(row.ttft(), Some(Span::from_secs(5) + hop), "served without a break");
    }
}

#[test]
fn a_brown_out_stretches_what_begins_in_it() {
    let mut world = two_regions();
    world.operations = hit(Place::Replica(ReplicaId(0)), Effect::Slow(2_500), s(20), Some(s(30)));
    let (_, keep) = run(&world, &nearest(), 3);
    for row in &keep.rows {
        let slow = (s(20)..s(30)).contains(&row.sent_at);
        assert_eq!(row.ttft(), Some(Span::from_us(if slow { 2_500 } else { 1_000 })), "{row:?}");
    }
}

#[test]
fn with_nowhere_to_go_a_request_has_a_counted_outcome() {
    let mut world = two_regions();
    world.operations = hit(HOME, Effect::Down, s(21), None);
    world.operations.incidents.push(Incident {
        at: s(40),
        until: None,
        place: Place::Region(RegionId(1)),
        effect: Effect::Drain,
    });
    let (_, keep) = run(&world, &nearest(), 3);
    for row in keep.rows.iter().filter(|row| row.sent_at >= s(50)) {
        assert_eq!((row.outcome, row.attempts), (Outcome::NoRegion, 0));
    }
    assert_eq!(keep.rows.len(), 6_000);
}

#[test]
fn a_lost_cache_is_filled_again_by_the_first_request_that_needs_it() {
    let mut world = one_region(0, ServerParams::Engine(regions::engine(1_000)));
    world.pools = vec![regions::pool("home/main", 0, 1)].into();
    // A shared prompt of 20 blocks of 16, 40 tokens of one's own: 360 tokens, of which 320 are found again.
    let system = SharedPrefix { count: 1, tokens: Tokens::fixed(320), zipf: 1.0, shared_as: None };
    let mut prompts = even(1.0, 40, 4);
    (prompts.system, prompts.message) = (Some(system), Tokens::fixed(40));
    world.workloads.push(workload("shared", prompts));
    world.operations = hit(HOME, Effect::Down, SimTime(s(20).0 + 500_000_000), Some(s(21)));
    let (_, keep) = run(&world, &nearest(), 3);
    let cached: Vec<u32> = keep
        .rows
        .iter()
        .filter(|row| row.outcome == Outcome::Completed)
        .map(|row| row.cached_tokens)
        .collect();
    let after =
        keep.rows.iter().filter(|row| row.outcome == Outcome::Completed && row.sent_at < s(21)).count();
    for (number, &cached) in cached.iter().enumerate() {
        assert_eq!(cached, if number == 0 || number == after { 0 } else { 320 }, "request {number}");
    }
    assert!(after > 10 && cached.len() > after + 10);
}

/// The budget of a p99 of 800 ms: 40 network + 100 queue + 600 inference + 60 margin. `rtt` is the overflow hop.
fn overflow(last_mile: Span, rtt: Span, most_added: Span) -> (Outcome, Option<Span>) {
    let mut world = two_regions();
    world.origins[Id::new(0)].last_mile = LastMileParams { median_rtt: last_mile, sigma: 0.0 };
    world.network.rtt = vec![vec![Span::ZERO, rtt], vec![rtt, Span::ZERO]];
    world.workloads[Id::new(0)] = workload("one", even(1.0, 1, 600_000));
    world.operations = hit(HOME, Effect::Drain, SimTime(0), None);
    let most_added_rtt = Some(most_added);
    world.operations.spill = Some(SpillParams { every: Span(1), burst: 1, most_added_rtt });
    let row = run(&world, &nearest(), 1).1.rows[0];
    (row.outcome, row.e2e())
}

#[test]
fn an_overflow_hop_fits_the_budget_up_to_its_exact_round_trip() {
    let ms = Span::from_ms;
    let (network, waiting, inference, margin) = (ms(40), ms(100), ms(600), ms(60));
    let promised = network + waiting + inference + margin;
    assert_eq!(promised, ms(800));
    // On top of the 40 ms to the own region, with an empty queue: 800 − 600 − 60 − 40 = 100 ms.
    let on_top = promised - inference - margin - network;
    assert_eq!(on_top, ms(100));
    // In place of them: 800 − 600 − 60 = 140 ms.
    let instead = promised - inference - margin;
    assert_eq!(instead, ms(140));
    for (last_mile, most) in [(network, on_top), (Span::ZERO, instead)] {
        assert_eq!(overflow(last_mile, most, most), (Outcome::Completed, Some(promised - margin)));
        assert_eq!(overflow(last_mile, most + Span(1), most), (Outcome::Shed, None));
        // Without the limit it would miss by that nanosecond.
        let (_, late) = overflow(last_mile, most + Span(1), ms(1_000));
        assert_eq!(late, Some(promised - margin + Span(1)));
    }
    // A hop of 120 ms in place of the 40 leaves 20 ms for the queue; on top of them it does not fit at all.
    assert_eq!(instead - ms(120), ms(20));
    assert!(ms(120) > on_top);
}

/// Three requests of `tokens` within a few milliseconds at a home that serves one in 600 ms: the first is served, the
/// second waits, the third sees it wait. Where the third goes, with the other region `rtt` away.
fn third(hop: Hop, tokens: u32, rtt: Span) -> (Outcome, Option<RegionId>) {
    let mut world = two_regions();
    world.network.rtt = vec![vec![Span::ZERO, rtt], vec![rtt, Span::ZERO]];
    let one_at_once = ServerParams::Fifo(queue(1, None));
    world.pools.iter_mut().for_each(|pool| pool.server = one_at_once.clone());
    let burst = SyntheticParams { message: Tokens::fixed(tokens), ..even(1_000.0, 3, 600_000) };
    world.workloads[Id::new(0)] = workload("burst", burst);
    let params = nearest_within_budget::Params {
        hop,
        queue_ms_per_token: 0.1,
        otherwise: Otherwise::Shed,
        ..nearest_within_budget::Params::default()
    };
    let global = Some(PolicySpec::NearestWithinBudget(params));
    let mut rows = run(&world, &PolicyParams { global, ..policy("round_robin") }, 1).1.rows;
    rows.sort_by_key(|row| row.sent_at);
    assert!(rows[..2].iter().all(|row| row.region == Some(RegionId(0))), "{rows:?}");
    (rows[2].outcome, rows[2].region)
}

#[test]
fn a_router_within_its_budget_overflows_up_to_the_exact_round_trip_in_both_readings() {
    let ms = Span::from_ms;
    // 800 = 40 network + 100 queue + 600 inference + 60 margin: 1,000 tokens at 0.1 ms are 100 ms of queue, in time.
    assert_eq!(third(Hop::Replaces, 1_000, ms(10)), (Outcome::Completed, Some(RegionId(0))));
    // With 1,001 home is late. The other region is empty: in place of the 40 ms its round trip may be 800 − 660 = 140 ms,
    // on top of them 100 ms, and not a nanosecond more.
    for (hop, most) in [(Hop::Replaces, ms(140)), (Hop::Adds, ms(100))] {
        assert_eq!(third(hop, 1_001, most), (Outcome::Completed, Some(RegionId(1))), "{hop:?}");
        assert_eq!(third(hop, 1_001, most + Span(1)).0, Outcome::Shed, "{hop:?}");
    }
}
