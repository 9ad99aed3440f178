//! Where clients come in, by closed forms: edge sites without replicas, names that are kept for their time to live, clients that
//! are taken to be elsewhere, and gateways that are lost with their region.

#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::fleet::{DnsParams, Effect, HealthParams, Incident, OperationsParams, Place};
use regionsim::id::{DataClassId, Id, OriginId, PoolId, RegionId};
use regionsim::network::LastMileParams;
use regionsim::observe::{Leg, Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::PolicySpec;
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, SyntheticParams};
use regionsim::world::params::{GatewayPlacement, PolicyParams, RegionParams, ResidencyParams, WorldParams};
use world::{one_region, poisson, policy, queue, run, workload};

const fn s(seconds: u64) -> SimTime {
    SimTime(seconds * 1_000_000_000)
}

const EDGE: RegionId = RegionId(0);
const NEAR: RegionId = RegionId(1);

/// An edge site without replicas, next to all clients; 20 ms from `near` and 90 ms from `far`, which have replicas and
/// are 80 ms apart. A service takes `service_us`; 100 requests a second in even steps, each a client of its own.
fn edge(requests: u64, service_us: f64) -> WorldParams {
    let mut world = one_region(0, ServerParams::Fifo(queue(100_000, None)));
    world.regions =
        ["edge", "near", "far"].map(|name| RegionParams { name: name.into() }).into_iter().collect();
    let pool = world.pools[PoolId(0)].clone();
    world.pools = [1u32, 2]
        .map(|region| {
            let mut pool = pool.clone();
            (pool.name, pool.region, pool.replicas) = (format!("{region}/main"), RegionId(region), 1);
            pool
        })
        .into_iter()
        .collect();
    let ms = Span::from_ms;
    world.network.rtt =
        vec![vec![ms(0), ms(20), ms(90)], vec![ms(20), ms(0), ms(80)], vec![ms(90), ms(80), ms(0)]];
    world.origins[OriginId(0)].last_mile = LastMileParams { median_rtt: ms(10), sigma: 0.0 };
    let load = poisson(100.0, requests, Dist::Constant { value: service_us });
    world
        .workloads
        .push(workload("even", SyntheticParams { arrivals: Arrivals::Gamma { cv: 0.01 }, ..load }));
    world
}

fn nearest() -> PolicyParams {
    PolicyParams { global: PolicySpec::from_name("nearest"), ..policy("round_robin") }
}

fn probes(interval_s: u64) -> HealthParams {
    HealthParams { interval: Span::from_secs(interval_s), failures: 3, successes: 3 }
}

fn dns(ttl_s: u64, misplaced: f64) -> DnsParams {
    DnsParams { ttl: Span::from_secs(ttl_s), misplaced, health: probes(10) }
}

fn lost(region: RegionId, at: SimTime, until: Option<SimTime>) -> Incident {
    Incident { at, until, place: Place::Gateways(region), effect: Effect::Down }
}

fn gateway(row: &RequestRow) -> RegionId {
    RegionId(row.gateway.expect("somebody read it").0)
}

#[test]
fn an_edge_site_takes_requests_and_serves_none() {
    // 10 ms to the edge, 20 ms on to the nearest replicas, 1 ms of service; both ways.
    let rows = run(&edge(200, 1_000.0), &nearest(), 1).1.rows;
    for row in &rows {
        assert_eq!((gateway(row), row.region), (EDGE, Some(NEAR)));
        assert_eq!(row.legs.get(Leg::LastMile), Span::from_ms(5));
        assert_eq!(row.legs.get(Leg::Hop), Span::from_ms(10));
        assert_eq!(row.ttft(), Some(Span::from_ms(10 + 20 + 1)));
    }
    // Without the edge site the same clients would enter through `near`, 20 ms away, and be served where they are read.
    let mut world = edge(200, 1_000.0);
    world.data_classes.push(ResidencyParams {
        decrypt_in: [NEAR].into_iter().collect(),
        ..ResidencyParams::unrestricted("read inside")
    });
    world.origins[OriginId(0)].data_class = DataClassId(1);
    for row in run(&world, &nearest(), 1).1.rows {
        assert_eq!((gateway(&row), row.legs.get(Leg::Hop)), (NEAR, Span::ZERO));
        assert_eq!(row.ttft(), Some(Span::from_ms(10 + 20 + 1)));
    }
}

#[test]
fn misplaced_clients_are_a_share_and_pay_for_the_way() {
    // 20 % of 10,000 clients, half of these at each other site, ± 4·sqrt(0.1·0.9/10000) = 0.012.
    let mut world = edge(10_000, 1_000.0);
    world.operations.dns = Some(dns(60, 0.2));
    let rows = run(&world, &nearest(), 1).1.rows;
    let mut shares = [0.0_f64; 3];
    for row in &rows {
        shares[gateway(row).index()] += 1.0 / rows.len() as f64;
        // To the site that was named and to the replicas nearest to it, and back: 0 + 20, 20 + 0, 90 + 0 ms beside 11.
        let way = [20, 20, 90][gateway(row).index()];
        assert_eq!(row.ttft(), Some(Span::from_ms(11 + way)));
    }
    assert!((shares[1] - 0.1).abs() < 0.012 && (shares[2] - 0.1).abs() < 0.012, "{shares:?}");
    // The server of names knows no loads: the shares are the same when `near` is all but stopped.
    let mut world = edge(10_000, 1_000.0);
    world.operations.dns = Some(dns(60, 0.2));
    let place = Place::Region(NEAR);
    world.operations.incidents.push(Incident { at: s(0), until: None, place, effect: Effect::Slow(100_000) });
    let slow = run(&world, &nearest(), 1).1.rows;
    assert!(rows.iter().zip(&slow).all(|(row, slow)| row.gateway == slow.gateway));
}

#[test]
fn a_session_comes_in_through_one_door_until_its_answer_expires() {
    let mut world = edge(3_000, 1_000.0);
    let mut sessions = SyntheticParams {
        turns: Dist::Constant { value: 20.0 },
        ..poisson(5.0, 3_000, Dist::Constant { value: 1.0 })
    };
    sessions.think_s = Dist::Constant { value: 7.0 };
    world.workloads = vec![workload("talk", sessions)].into();
    world.operations.dns = Some(dns(60, 0.3));
    let (_, keep) = run(&world, &nearest(), 1);
    let mut doors = std::collections::BTreeMap::new();
    for row in &keep.rows {
        assert_eq!(
            *doors.entry(row.session).or_insert(row.gateway),
            row.gateway,
            "nothing has happened to it"
        );
    }
    // Each is one client: 0.3 of the sessions are misplaced, not of the requests alone.
    let elsewhere =
        doors.values().filter(|gateway| gateway.unwrap().0 != 0).count() as f64 / doors.len() as f64;
    let error = 4.0 * (0.3_f64 * 0.7 / doors.len() as f64).sqrt();
    assert!((elsewhere - 0.3).abs() < error, "{elsewhere} of {}", doors.len());
}

#[test]
fn after_a_loss_the_share_that_fails_falls_to_nothing_over_the_time_to_live() {
    // The edge is lost at 21 s; probes at 30, 40 and 50 s fail: from 50 s on the next site is named. Answers are kept for 40 s
    // from moments spread evenly, so at 50 + x s the share that still goes to the edge is 1 − x/40, and none at 90 s.
    let mut world = edge(12_000, 1_000.0);
    world.operations = OperationsParams {
        incidents: vec![lost(EDGE, s(21), None)],
        dns: Some(dns(40, 0.0)),
        ..Default::default()
    };
    let rows = run(&world, &nearest(), 1).1.rows;
    let share = |from: u64, to: u64| {
        let of: Vec<_> = rows.iter().filter(|row| (s(from)..s(to)).contains(&row.sent_at)).collect();
        of.iter().filter(|row| row.outcome == Outcome::Failed).count() as f64 / of.len() as f64
    };
    assert_eq!((share(0, 20), share(22, 50), share(90, 120)), (0.0, 1.0, 0.0));
    for x in [0, 10, 20, 30] {
        // Over ten seconds the mean is that of their middle; 1,000 requests: ± 4·sqrt(0.25/1000) = 0.063.
        let expected = 1.0 - (x + 5) as f64 / 40.0;
        assert!((share(50 + x, 60 + x) - expected).abs() < 0.063, "{x}: {}", share(50 + x, 60 + x));
    }
    // In all: rate × (detection + half the time to live) = 100 × (29 + 20) = 4,900, ± 4·sqrt(Σ p(1 − p)) over the 4,000 of the
    // last 40 s, 4·sqrt(4000/6) = 103.
    let failed = rows.iter().filter(|row| row.outcome == Outcome::Failed).count() as i64;
    assert!((failed - 4_900).abs() < 103, "{failed}");
    // They come in elsewhere, at the cost of the way there.
    for row in rows.iter().filter(|row| row.sent_at > s(90)) {
        assert_eq!((gateway(row), row.ttft()), (NEAR, Some(Span::from_ms(10 + 20 + 1))));
    }
}

#[test]
fn without_names_clients_wait_for_their_gateway_to_come_back() {
    let mut world = edge(6_000, 1_000.0);
    world.operations.incidents = vec![lost(EDGE, s(21), Some(s(40)))];
    for row in run(&world, &nearest(), 1).1.rows {
        // What is on its way to or behind the gateway at 21 s is lost, and so is what comes to it until 40 s. A request is with it
        // from 5 ms to 5 + 20 + 1 ms after it was sent.
        let reaches = row.sent_at + Span::from_ms(5);
        let passes = reaches + Span::from_ms(21);
        let hit = passes > s(21) && reaches < s(40);
        assert_eq!(row.outcome, if hit { Outcome::Failed } else { Outcome::Completed }, "{row:?}");
    }
    // One gateway for all is one point of failure: names have nowhere else to send them.
    world.operations.dns = Some(dns(5, 0.0));
    let central = PolicyParams { gateways: GatewayPlacement::Central(EDGE), ..nearest() };
    let rows = run(&world, &central, 1).1.rows;
    let failed = rows.iter().filter(|row| row.outcome == Outcome::Failed).count() as i64;
    assert!((failed - 1_902).abs() <= 3, "19 s and what was behind it: {failed}");
}

#[test]
fn who_is_cut_off_hears_of_it_half_a_round_trip_later_and_its_replica_stops() {
    // One request that takes 60 s, from 0 s; the edge is lost at 21 s. Its client hears at 21.005 s, its replica at 21.010 s.
    let mut world = edge(1, 60e6);
    world.operations.incidents = vec![lost(EDGE, s(21), None)];
    let (summary, keep) = run(&world, &nearest(), 1);
    let row = keep.rows[0];
    assert_eq!((row.outcome, row.attempts), (Outcome::Failed, 1));
    assert_eq!(row.ended_at, s(21) + Span::from_ms(5));
    assert_eq!(row.first_token_at, None, "a plain queue answers at the end of its service");
    // A plain queue ends what it has begun: nobody hears of it.
    assert!(summary.replicas.iter().all(|sample| sample.load.requests() == 0));
    // What has passed the gateway by then arrives: the request is sent 10 ms after the start.
    for (service_ms, outcome) in [(20_964, Outcome::Completed), (20_966, Outcome::Failed)] {
        let mut world = edge(1, service_ms as f64 * 1e3);
        world.operations.incidents = vec![lost(EDGE, s(21), None)];
        // From the client 5 ms, 10 ms to the replica, 10 ms back to the gateway: past it at sent + 25 ms + service.
        let row = run(&world, &nearest(), 1).1.rows[0];
        let passes = row.sent_at + Span::from_ms(25 + service_ms);
        assert_eq!(passes <= s(21), outcome == Outcome::Completed, "the test's own numbers: {row:?}");
        assert_eq!(row.outcome, outcome, "{row:?}");
    }
}

#[test]
fn an_origin_comes_in_through_its_own_doors_alone() {
    // The edge is next door and closed to these clients: of near and far, which are 20 and 90 ms away, the nearer one that is
    // open. The gateway's own region serves: last mile 10 ms, the way there and back, 1 ms of service.
    for (doors, at, way_ms) in [(vec![NEAR, RegionId(2)], NEAR, 20), (vec![RegionId(2)], RegionId(2), 90)] {
        let mut world = edge(200, 1_000.0);
        world.origins[OriginId(0)].doors = Some(doors.into_iter().collect());
        for row in run(&world, &nearest(), 1).1.rows {
            assert_eq!((gateway(&row), row.region), (at, Some(at)));
            assert_eq!(row.ttft(), Some(Span::from_ms(10 + way_ms + 1)), "{row:?}");
        }
        // Who is misplaced by names is misplaced among its doors.
        world.operations.dns = Some(dns(3_600, 0.5));
        let open = world.origins[OriginId(0)].doors.unwrap();
        let rows = run(&world, &nearest(), 1).1.rows;
        assert!(rows.iter().all(|row| open.contains(gateway(row))));
    }
    // Another origin comes in next door as ever.
    let mut world = edge(200, 1_000.0);
    world.origins[OriginId(0)].doors = Some([NEAR].into_iter().collect());
    let mut free = world.origins[OriginId(0)].clone();
    (free.name, free.doors) = ("free".into(), None);
    world.origins.push(free);
    let rows = run(&world, &nearest(), 1).1.rows;
    assert!(rows.iter().all(|row| gateway(row) == if row.origin == OriginId(0) { NEAR } else { EDGE }));
    assert!(rows.iter().any(|row| gateway(row) == EDGE));
}
