//! Decisions as they are told: what filters took out, how old signals were, what was true, what would have been better;
//! and the command that shows it.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use assert_cmd::Command;
use regions::{three, tiers};
use regionsim::dist::Dist;
use regionsim::fleet::admission::{
    GateParams, Over, QueueParams, SaturationParams, ShedParams, Signal, ThrottleBy, ThrottleParams,
};
use regionsim::fleet::{
    AdmissionParams, Effect, HealthParams, Incident, OperationsParams, Place, RetryParams,
};
use regionsim::id::{DataClassId, Id, OriginId, RegionId, ReplicaId, RequestId, SourceId};
use regionsim::observe::{
    AdmissionRecord, Barrier, Client, DecisionRecord, Filter, Observation, Observer, Outcome, RequestRow,
    Waiting,
};
use regionsim::replica::ServerParams;
use regionsim::routing::{Feed, LoadView, OnStale, PolicySpec, Poll, Probe, RttView, Views};
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::WorkloadKind;
use regionsim::world::params::{PolicyParams, ResidencyParams, WorldParams};
use regionsim::world::{Decisions, GatewayPlacement, Look, World};
use std::collections::{BTreeMap, BTreeSet};
use world::{Keep, one_region, poisson, policy, queue, workload};

#[derive(Default)]
struct Told(Vec<DecisionRecord>);

impl Observer for Told {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        if let Observation::Decided(record) = observation {
            assert_eq!(record.at, now);
            self.0.push((*record).clone());
        }
    }
}

fn told(
    world: &WorldParams,
    policy: &PolicyParams,
    decisions: Decisions,
) -> (Vec<DecisionRecord>, Vec<RequestRow>) {
    let look = Look { decisions, ..Look::default() };
    let world = World::new(world, policy, 7, (Told::default(), Keep::default())).expect("a sound world");
    let (told, keep) = world.looking(&look).run(|_, _| true).1;
    let mut rows = keep.rows;
    rows.sort_by_key(|row| row.id);
    (told.0, rows)
}

fn all(world: &WorldParams, policy: &PolicyParams) -> (Vec<DecisionRecord>, Vec<RequestRow>) {
    told(world, policy, Decisions::Share(1.0))
}

#[test]
fn a_share_of_requests_is_the_same_one_under_every_policy() {
    let world = three(400);
    let keys = |policy: &PolicyParams| -> BTreeSet<u64> {
        told(&world, policy, Decisions::Share(0.25)).0.into_iter().map(|record| record.key).collect()
    };
    let (one, other) = (keys(&policy("round_robin")), keys(&policy("gorgo")));
    assert_eq!(one, other);
    // 400 draws at 0.25: 100, σ = 8.7; six of them.
    assert!(one.len().abs_diff(100) < 53, "{}", one.len());
    assert_eq!(told(&world, &policy("gorgo"), Decisions::Of(RequestId(7))).0.len(), 1);
}

#[test]
fn what_is_told_is_what_was_done_and_the_best_is_the_lowest_of_the_truth() {
    let world = three(300);
    for policy in [policy("gorgo"), tiers(Some("nearest"), "least_load", GatewayPlacement::PerRegion)] {
        let (records, rows) = all(&world, &policy);
        assert_eq!(records.len(), rows.len());
        for record in &records {
            let row = &rows[record.id.index()];
            assert_eq!(record.chosen.ok(), row.replica);
            let taken = record.taken().expect("it could be chosen");
            assert_eq!(taken.region, row.region.expect("it was served"));
            let best = record.best().expect("somebody was up");
            assert!(record.truths.iter().all(|truth| best.estimate() <= truth.estimate()));
            assert_eq!(record.regret(), Some(taken.estimate() - best.estimate()));
            // The region's own stages: everybody that residency leaves.
            assert_eq!(record.truths.len(), 7);
            assert_eq!(record.stages.len(), if policy.global.is_some() { 2 } else { 1 });
            for stage in &record.stages {
                let chosen = &stage.sights[stage.chosen.expect("it chose")];
                assert_eq!(chosen.removed_by, None);
                assert_eq!(chosen.region, taken.region);
            }
        }
        assert!(records.iter().any(|record| record.regret() > Some(Span::ZERO)));
    }
}

#[test]
fn where_nobody_else_is_the_estimate_is_what_happens() {
    // One request at a time in a queue: 80 ms there and back, no wait, 500 µs of service.
    let mut world = one_region(2, ServerParams::Fifo(queue(1, None)));
    world.network.rtt = vec![vec![Span::from_ms(80)]];
    let load = poisson(0.01, 20, regionsim::dist::Dist::Constant { value: 500.0 });
    world.workloads.push(workload("load", load));
    let (records, rows) = all(&world, &policy("round_robin"));
    for record in records {
        let taken = record.taken().unwrap();
        assert_eq!(
            (taken.network, taken.queue, taken.prefill),
            (Span::from_ms(80), Span::ZERO, Span::from_us(500))
        );
        assert_eq!(taken.estimate(), rows[record.id.index()].ttft().unwrap());
        assert_eq!(record.regret(), Some(Span::ZERO));
    }
}

#[test]
fn each_filter_takes_out_what_it_is_for_and_comes_in_its_order() {
    let mut world = three(200);
    world.data_classes[DataClassId(1)] = ResidencyParams {
        process_in: [RegionId(0), RegionId(1)].into_iter().collect(),
        ..world.data_classes[DataClassId(1)].clone()
    };
    world.data_classes[DataClassId(1)].decrypt_in = regions::first(3);
    world.data_classes[DataClassId(1)].transit_via = regions::first(3);
    // eu/a goes down for good at 5 s; probes every second, the first tells. What is lost is tried again.
    let at = SimTime::from_secs_f64(5.0);
    world.operations = OperationsParams {
        incidents: vec![Incident {
            at,
            until: None,
            place: Place::Replica(ReplicaId(0)),
            effect: Effect::Down,
        }],
        health: HealthParams { interval: Span::from_secs(4), failures: 1, successes: 1 },
        retry: Some(RetryParams { attempts: 3, budget: 1.0, least: 100, backoff: Span::from_ms(1) }),
        ..OperationsParams::default()
    };
    let (records, _) = all(&world, &policy("round_robin"));
    let mut seen: BTreeMap<Filter, u32> = BTreeMap::new();
    for record in &records {
        for sight in &record.stages[0].sights {
            let Some(filter) = sight.removed_by else { continue };
            *seen.entry(filter).or_default() += 1;
            assert!(sight.terms.is_empty());
            // ap (replicas 5 and 6) is out by residency, always; eu/a when it is known that it is down.
            match filter {
                Filter::Residency => assert_eq!(sight.region, RegionId(2)),
                Filter::Health => {
                    assert_eq!(sight.replica, Some(ReplicaId(0)));
                    assert!(record.at >= SimTime::from_secs_f64(8.0));
                }
                Filter::FailedBefore => {
                    assert!(record.attempt > 1 && sight.region == RegionId(0), "{sight:?}");
                }
                other => panic!("{other:?}"),
            }
        }
        let down = |truth: &regionsim::observe::Truth| truth.down;
        assert!(
            record
                .truths
                .iter()
                .all(|truth| down(truth) == (truth.replica == ReplicaId(0) && record.at >= at))
        );
    }
    let kinds: Vec<Filter> = seen.into_keys().collect();
    assert_eq!(kinds, [Filter::Residency, Filter::Health, Filter::FailedBefore]);
    // Sent to a replica that was gone: there is no regret to tell, only a best.
    let lost: Vec<_> =
        records.iter().filter(|record| record.taken().is_some_and(|truth| truth.down)).collect();
    assert!(!lost.is_empty());
    assert!(lost.iter().all(|record| record.regret().is_none() && record.best().is_some()));
}

#[test]
fn a_polled_load_has_the_age_of_its_reading_and_an_oracles_is_none() {
    let mut world = three(200);
    let WorkloadKind::Synthetic(params) = &mut world.workloads[SourceId(0)].kind else { panic!("generated") };
    params.sessions_per_s = 20.0;
    assert_eq!(world.origins[OriginId(0)].near, RegionId(0));
    let poll = Poll {
        every: Span::from_secs(2),
        jitter: Span::ZERO,
        delay: Span::from_ms(50),
        loss: 0.0,
        ewma: 1.0,
        stale_after: None,
        on_stale: OnStale::Ignore,
    };
    let replica: PolicySpec = toml::from_str("least_load = {}").unwrap();
    let with = |load| PolicyParams {
        replica: replica.clone(),
        views: Views { load, ..Views::default() },
        ..policy("random")
    };
    let ages = |load| -> Vec<Span> {
        let (records, _) = all(&world, &with(load));
        let sights = records.into_iter().flat_map(|mut record| std::mem::take(&mut record.stages[0].sights));
        sights.map(|sight| sight.load.expect("it reads loads").1).collect()
    };
    assert!(ages(LoadView::Oracle).iter().all(|&age| age == Span::ZERO));
    assert!(ages(LoadView::Event(Feed { delay: Span::ZERO, loss: 0.0 })).iter().any(|&age| age > Span::ZERO));
    // Evenly from the delay to the period and the delay: at most 2.05 s, 1.05 s at the median.
    let mut ages = ages(LoadView::Poll(poll));
    ages.sort_unstable();
    assert!(ages[ages.len() - 1] <= Span::from_ms(2_050), "{}", ages[ages.len() - 1]);
    let middle = ages[ages.len() / 2];
    assert!((Span::from_ms(700)..Span::from_ms(1_400)).contains(&middle), "{middle}");
}

/// A replica that is gone answers no scrape and reports nothing: what is known of it is what it said last, ever older.
#[test]
fn the_dead_are_not_read_as_idle() {
    // Two queues, 1 s of service each, 1.8 requests a second; the second replica is gone from 60 to 120 s, and no probe tells.
    let mut world = one_region(2, ServerParams::Fifo(queue(1, None)));
    world.workloads.push(workload("load", poisson(1.8, 300, Dist::Constant { value: 1e6 })));
    let at = SimTime::from_secs_f64;
    world.operations = OperationsParams {
        incidents: vec![Incident {
            at: at(60.0),
            until: Some(at(120.0)),
            place: Place::Replica(ReplicaId(1)),
            effect: Effect::Down,
        }],
        health: HealthParams { interval: Span::from_secs(100_000), failures: 1, successes: 1 },
        ..OperationsParams::default()
    };
    let poll = Poll {
        every: Span::from_secs(1),
        jitter: Span::ZERO,
        delay: Span::ZERO,
        loss: 0.0,
        ewma: 1.0,
        stale_after: None,
        on_stale: OnStale::Ignore,
    };
    let told = LoadView::Event(Feed { delay: Span::ZERO, loss: 0.0 });
    for (load, polled) in [(LoadView::Poll(poll), true), (told, false)] {
        let replica: PolicySpec = toml::from_str("least_load = {}").unwrap();
        let views = Views { load, ..Views::default() };
        let records = all(&world, &PolicyParams { replica, views, ..policy("random") }).0;
        let of = |replica: usize, from: f64, to: f64| {
            let within = records.iter().filter(move |record| record.at > at(from) && record.at < at(to));
            let known = within.map(move |record| {
                let (load, age) = record.stages[0].sights[replica].load.expect("it reads loads");
                (record.at, load, age)
            });
            known.collect::<Vec<_>>()
        };
        let dead = of(1, 60.0, 120.0);
        assert!(dead.len() > 60);
        let said_last = dead[0].1;
        assert!(said_last.requests() > 0, "it was at work when it was read");
        for (now, load, age) in dead {
            assert_eq!((load, now.0 - age.0 <= at(60.0).0), (said_last, true), "at {now:?}");
        }
        // Back, it says that it is empty: at the next poll, or at once.
        let back = of(1, 121.0, 1_000.0);
        assert!(back.iter().all(|&(now, _, age)| now.0 - age.0 >= at(120.0).0));
        if polled {
            let alive = of(0, 60.0, 120.0);
            assert!(alive.iter().all(|&(_, _, age)| age <= Span::from_secs(1)));
        }
    }
}

/// Who was turned away, and every row, over ten seconds of service times of a second at 2 requests a second.
#[derive(Default)]
struct Away(Vec<AdmissionRecord>);

impl Observer for Away {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        if let Observation::TurnedAway(record) = observation {
            assert_eq!(record.at, now);
            self.0.push(**record);
        }
    }
}

fn away(admission: AdmissionParams) -> (Vec<AdmissionRecord>, Vec<RequestRow>) {
    let mut world = one_region(1, ServerParams::Fifo(queue(1, None)));
    world.workloads.push(workload("load", poisson(2.0, 200, Dist::Constant { value: 1e6 })));
    let policy = PolicyParams { admission: Some(admission), ..policy("round_robin") };
    let run = |decisions| {
        let look = Look { decisions, ..Look::default() };
        let world =
            World::new(&world, &policy, 7, (Away::default(), Keep::default())).expect("a sound world");
        let (away, keep) = world.looking(&look).run(|_, _| true).1;
        let mut rows = keep.rows;
        rows.sort_by_key(|row| row.id);
        (away.0, rows)
    };
    let (plain, looked) = (run(Decisions::None), run(Decisions::Share(1.0)));
    assert!(plain.0.is_empty() && plain.1 == looked.1, "looking changes nothing");
    looked
}

/// Each of these was turned away once, at its gateway, as it says.
fn each_has_one(records: &[AdmissionRecord], rows: &[RequestRow], outcome: Outcome) {
    let ended: Vec<RequestId> = rows.iter().filter(|row| row.outcome == outcome).map(|row| row.id).collect();
    let mut told: Vec<RequestId> = records
        .iter()
        .filter(|record| record.barrier.outcome() == outcome)
        .inspect(|record| assert_eq!(record.gateway.is_some(), outcome != Outcome::Throttled))
        .map(|record| record.id)
        .collect();
    told.sort_unstable();
    assert_eq!(told, ended, "{outcome:?}");
    assert!(!told.is_empty(), "{outcome:?}");
}

#[test]
fn what_kept_a_request_out_is_told_with_the_saturation_that_was_read() {
    // One request under way of one allowed: saturation is 0 or 1, and the gate is closed at 1.
    let saturation = SaturationParams { signal: Signal::Concurrency { requests: 1 }, over: Over::Allowed };
    let gated = AdmissionParams { saturation, gate: Some(GateParams::default()), ..Default::default() };
    let (records, rows) = away(gated.clone());
    each_has_one(&records, &rows, Outcome::Rejected);
    for record in &records {
        assert_eq!(record.barrier, Barrier::Gate { closes_at: 1.0 });
        assert_eq!((record.saturation, record.signal), (Some(1.0), Some("concurrency")));
    }
    // Two wait at most, for at most 1.5 s, while the server takes a second each and twice as many come.
    let timeout = Span::from_ms(1_500);
    let line = QueueParams { capacity: Some(2), timeout: Some(timeout), ..QueueParams::default() };
    let (records, rows) = away(AdmissionParams { queue: Some(line), ..gated });
    each_has_one(&records, &rows, Outcome::Rejected);
    each_has_one(&records, &rows, Outcome::QueueTimeout);
    for record in &records {
        let closes_at = Some(1.0);
        let expected = match record.barrier.outcome() {
            Outcome::Rejected => Barrier::Line { capacity: 2, closes_at },
            _ => Barrier::Timeout { timeout, closes_at },
        };
        assert_eq!((record.barrier, record.saturation), (expected, Some(1.0)));
    }
    // A curve of 0.5 at saturation 1 and 0 at 0.
    let shed = ShedParams { scale: 0.5, power: 1.0, from_priority: 0 };
    let (records, rows) = away(AdmissionParams { saturation, shed: Some(shed), ..Default::default() });
    each_has_one(&records, &rows, Outcome::Shed);
    for record in &records {
        let Barrier::Shed { probability } = record.barrier else { panic!("{record:?}") };
        assert_eq!(probability, (0.5 * record.saturation.unwrap()).min(1.0));
        assert!(probability > 0.0);
    }
}

#[test]
fn a_throttled_request_is_told_with_its_client_and_what_that_had_seen() {
    let saturation = SaturationParams { signal: Signal::Concurrency { requests: 1 }, over: Over::Allowed };
    // No window ends within the run: what is counted only grows.
    let throttle = ThrottleParams { k: 1.2, window: Span::from_secs(10_000), by: ThrottleBy::Origin };
    let admission = AdmissionParams {
        saturation,
        gate: Some(GateParams::default()),
        throttle: Some(throttle),
        ..Default::default()
    };
    let (records, rows) = away(admission);
    each_has_one(&records, &rows, Outcome::Throttled);
    let mut held_back: Vec<_> = records.iter().filter(|record| record.gateway.is_none()).collect();
    held_back.sort_by_key(|record| record.id);
    for (before, record) in held_back.into_iter().enumerate() {
        let Barrier::Throttle { client, window, requests, accepts, probability } = record.barrier else {
            panic!("{record:?}")
        };
        assert_eq!((client, window, record.saturation), (Client::Origin(OriginId(0)), throttle.window, None));
        // What was held back counts as a request, and so does every end that the client has seen by then.
        let seen = |row: &&RequestRow| row.outcome != Outcome::Throttled && row.ended_at <= record.at;
        let seen: Vec<&RequestRow> = rows.iter().filter(seen).collect();
        let taken = seen.iter().filter(|row| row.outcome == Outcome::Completed).count() as u64;
        assert_eq!((requests, accepts), ((seen.len() + before) as u64, taken));
        assert_eq!(probability, (requests as f64 - 1.2 * accepts as f64) / (requests as f64 + 1.0));
    }
}

/// Every try that ended before a gateway had decided, of a world.
fn undecided(world: &WorldParams, policy: &PolicyParams) -> (Vec<AdmissionRecord>, Vec<RequestRow>) {
    let look = Look { decisions: Decisions::Share(1.0), ..Look::default() };
    let world = World::new(world, policy, 7, (Away::default(), Keep::default())).expect("a sound world");
    let (away, keep) = world.looking(&look).run(|_, _| true).1;
    let mut rows = keep.rows;
    rows.sort_by_key(|row| row.id);
    (away.0, rows)
}

#[test]
fn a_client_that_left_a_line_is_told_of_with_the_place_where_the_news_found_its_request() {
    // One server, a second each, two requests a second, clients wait 1.5 s in all: who is third in line leaves.
    let limit = Span::from_ms(1_500);
    let mut world = one_region(1, ServerParams::Fifo(queue(1, None)));
    let mut load = workload("load", poisson(2.0, 200, Dist::Constant { value: 1e6 }));
    load.setting.timeout = Some(limit);
    world.workloads.push(load);
    let saturation = SaturationParams { signal: Signal::Concurrency { requests: 1 }, over: Over::Allowed };
    let gate = AdmissionParams {
        saturation,
        gate: Some(GateParams::default()),
        queue: Some(QueueParams::default()),
        ..AdmissionParams::default()
    };
    // The gate holds them; or a policy does; or they wait for the one worker, which takes 600 ms.
    let gated = PolicyParams { admission: Some(gate), ..policy("round_robin") };
    let held =
        "compose = { filters = [{ below = { signal = 'inflight_reqs', limit = 1, on_empty = 'queue' } }] }";
    let held = PolicyParams { replica: toml::from_str(held).unwrap(), ..policy("random") };
    let slow = PolicyParams { workers: 1, decision_time: Span::from_ms(600), ..policy("round_robin") };
    for (policy, expected) in [(gated, Waiting::Gate), (held, Waiting::Held), (slow, Waiting::Worker)] {
        let (records, rows) = undecided(&world, &policy);
        let mut count = 0;
        for row in rows.iter().filter(|row| row.outcome == Outcome::TimedOut) {
            let of: Vec<_> = records.iter().filter(|record| record.id == row.id).collect();
            // Those that were sent have a decision.
            assert_eq!(of.len(), usize::from(row.replica.is_none()), "{row:?}");
            let [record] = of[..] else { continue };
            let Barrier::Left { left_at, place, waited } = record.barrier else { panic!("{record:?}") };
            assert_eq!((left_at, left_at), (row.ended_at, row.sent_at + limit));
            // No distance: it was there at once, and so is the news.
            if place == expected {
                assert_eq!((record.at, waited, record.gateway.is_some()), (left_at, limit, true));
                count += 1;
            } else {
                assert_eq!((expected, place), (Waiting::Worker, Waiting::Deciding), "{record:?}");
            }
        }
        assert!(count > 10, "{expected:?}: {count}");
    }
}

#[test]
fn a_request_whose_gateway_is_lost_or_that_has_none_is_told_so() {
    let mut world = one_region(1, ServerParams::Fifo(queue(1, None)));
    world.workloads.push(workload("load", poisson(2.0, 200, Dist::Constant { value: 1e6 })));
    let at = SimTime::from_secs_f64(20.0);
    world.operations.incidents =
        vec![Incident { at, until: None, place: Place::Gateways(RegionId(0)), effect: Effect::Down }];
    let slow = PolicyParams { workers: 1, decision_time: Span::from_ms(600), ..policy("round_robin") };
    let (records, rows) = undecided(&world, &slow);
    let failed = rows.iter().filter(|row| row.outcome == Outcome::Failed && row.attempts == 0);
    assert_eq!(records.len(), failed.count());
    let places: BTreeSet<&str> = records
        .iter()
        .map(|record| match record.barrier {
            Barrier::Lost { place, waited } => {
                assert!(record.at >= at && (place == Waiting::OnTheWay) == (waited == Span::ZERO));
                place.name()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places.into_iter().collect::<Vec<_>>(), ["deciding", "on_the_way", "worker"]);
    // Nobody may read it.
    world.operations.incidents.clear();
    world.data_classes[DataClassId(0)].decrypt_in = regionsim::network::RegionSet::NONE;
    let (records, rows) = undecided(&world, &policy("round_robin"));
    assert!(rows.iter().all(|row| row.outcome == Outcome::NoRegion) && rows.len() == 200);
    assert_eq!(records.len(), 200);
    assert!(records.iter().all(|record| (record.barrier, record.gateway) == (Barrier::NoDoor, None)));
}

#[test]
fn a_draw_is_told_where_one_was_made() {
    let world = three(120);
    type Told = (Option<&'static str>, Option<&'static str>, bool);
    let tied = |spec: &str| -> Vec<Told> {
        let replica: PolicySpec = toml::from_str(spec).unwrap();
        let records = all(&world, &PolicyParams { replica, ..policy("random") }).0;
        let stages = records.into_iter().map(|mut record| record.stages.remove(0));
        stages.filter(|stage| stage.tied > 0).map(|stage| (stage.tie, stage.rule, stage.drew)).collect()
    };
    // Equals are told apart by a draw under one rule and not under the others.
    for (spec, expected) in [
        ("least_request = { tie = 'random' }", (Some("random"), None, true)),
        ("least_request = { tie = 'first' }", (Some("first"), None, false)),
        ("least_request = { tie = 'last' }", (Some("last"), None, false)),
        ("random = {}", (None, None, true)),
        ("round_robin = {}", (None, Some("whose turn it is"), false)),
        ("compose = { pick = 'round_robin' }", (None, Some("whose turn it is"), false)),
        ("compose = { pick = { maglev = {} } }", (None, Some("the key's slot"), false)),
        ("compose = { pick = 'random' }", (None, None, true)),
        (
            "compose = { score = [{ signal = 'inflight_reqs', direction = 'min' }], pick = { best = { tie = 'hash' } } }",
            (Some("hash"), None, false),
        ),
    ] {
        let told = tied(spec);
        assert!(!told.is_empty() && told.iter().all(|&one| one == expected), "{spec}: {told:?}");
    }
}

#[test]
fn a_measured_round_trip_has_the_age_of_its_last_answer() {
    let mut world = three(150);
    let WorkloadKind::Synthetic(params) = &mut world.workloads[SourceId(0)].kind else { panic!("generated") };
    params.sessions_per_s = 20.0;
    let every = Span::from_ms(500);
    let with = |rtt| {
        let records =
            all(&world, &PolicyParams { views: Views { rtt, ..Views::default() }, ..policy("gorgo") }).0;
        records.into_iter().map(|mut record| record.stages.remove(0)).collect::<Vec<_>>()
    };
    let configured = with(RttView::Configured);
    assert!(
        configured
            .iter()
            .all(|stage| !stage.measures_rtt && stage.sights.iter().all(|s| s.rtt_age.is_none()))
    );
    let measured = with(RttView::Probe(Probe { every, ewma: 1.0 }));
    let mut answered = BTreeSet::new();
    for sight in measured.iter().inspect(|stage| assert!(stage.measures_rtt)).flat_map(|stage| &stage.sights)
    {
        match sight.rtt_age {
            // An answer comes every half second, later than the last by what their round trips differ, well below a second.
            Some(age) => assert!(answered.insert(sight.region) || age < Span::from_ms(1_500), "{age}"),
            None => assert!(sight.rtt > Span::ZERO),
        }
    }
    assert_eq!(answered.len(), world.regions.len());
}

fn regionsim(args: &[&str]) -> assert_cmd::assert::Assert {
    let root = env!("CARGO_MANIFEST_DIR");
    Command::cargo_bin("regionsim").unwrap().current_dir(root).args(args).env("NO_COLOR", "1").assert()
}

#[test]
fn the_command_says_what_there_is_where_the_request_is_not() {
    let scenario = "scenarios/single-replica.toml";
    let error = |args: &[&str]| {
        let output = regionsim(args).code(2).get_output().clone();
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = error(&["explain", scenario, "4000000000"]);
    assert!(
        missing.contains("there is no request 4000000000") && missing.contains("numbered from 0 to "),
        "{missing}"
    );
    let other = "scenarios/region-down.toml";
    assert!(error(&["explain", other, "0", "--policy", "naerest"]).contains("did you mean `nearest`"));
    let word = error(&["explain", scenario, "abc"]);
    assert!(word.contains("numbered from 0 to 4294967295: write `id` of requests.csv"), "{word}");
    assert!(error(&["run", scenario, "--decisions", "1%"]).contains("write `sample=`"));
    assert!(error(&["run", scenario, "--decisions", "sample=0"]).contains("above 0"));
    assert!(error(&["run", scenario, "--decisions", "sample=lots"]).contains("25%"));
}

#[test]
fn the_same_decision_stands_in_the_command_and_in_the_file_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let scenario = "scenarios/region-down.toml";
    regionsim(&[
        "run",
        scenario,
        "-q",
        "--policy",
        "nearest",
        "--misses",
        "--decisions",
        "sample=2%",
        "--out",
        out,
    ])
    .code(0);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let lines = read("nearest/decisions.jsonl");
    let decisions: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is a decision")).collect();
    let last = decisions.last().expect("some were drawn");
    let id = last["id"].to_string();
    let output =
        regionsim(&["explain", scenario, &id, "--policy", "nearest", "--json"]).code(0).get_output().clone();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let full = found["decisions"].as_array().unwrap().last().unwrap();
    for field in ["id", "key", "at_ns", "gateway", "target", "best", "regret_ns", "candidates", "attempt"] {
        assert_eq!(full[field], last[field], "{field}");
    }
    // The folder of the run says the same: it knows scenario, policy and seed.
    let from_run = regionsim(&["explain", out, &id, "--json"]).code(0).get_output().clone();
    assert_eq!(from_run.stdout, output.stdout);
    let error =
        |args: &[&str]| String::from_utf8(regionsim(args).code(2).get_output().stderr.clone()).unwrap();
    assert!(error(&["explain", out, &id, "--policy", "gorgo"]).contains("the run has no policy `gorgo`"));
    assert!(error(&["explain", out, &id, "--seed", "9"]).contains("has no seed 9 of `nearest`; it has 3"));
    assert!(error(&["explain", out, &id, "--set", "warmup=1s"]).contains("give the scenario file"));
    assert!(
        error(&["explain", scenario, &id, "--base", "."]).contains("`--base` is for the folder of a run")
    );
    assert!(error(&["explain", "scenarios", &id]).contains("is not the folder of a run"));
    let copy = folder.path().join("scenario-as-run.toml");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), std::fs::read_to_string(scenario).unwrap());
    let changed =
        std::fs::read_to_string(&copy).unwrap().replace("warmup = ", "sample_every = \"9s\"\nwarmup = ");
    std::fs::write(&copy, changed).unwrap();
    let changed = error(&["explain", out, &id]);
    assert!(changed.contains("its scenario means something else now"), "{changed}");
    // The files of a run agree: the summary's regret is over the file's, and reasons add up row by row.
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    let cell = &summary["policies"][0]["cells"][0];
    assert_eq!(cell["routing"]["regret"]["decisions"], decisions.len());
    assert!(read("manifest.json").contains("nearest/decisions.jsonl"));
    let csv = read("nearest/requests.csv");
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let head = rows.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|head| head == name).expect(name);
    let (mut sum, mut completed) = (0, 0);
    for row in rows.records().map(Result::unwrap).filter(|row| &row[column("outcome")] == "completed") {
        let number = |name: &str| row[column(name)].parse::<u64>().unwrap();
        let reasons: u64 = (head.iter().filter(|name| name.starts_with("miss_"))).map(number).sum();
        assert_eq!(reasons, number("prompt_tokens") - number("cached_tokens") - number("fetched_tokens"));
        (sum, completed) = (sum + reasons, completed + 1);
    }
    assert!(sum > 0 && completed > 1_000);
}

#[test]
fn the_command_names_what_kept_a_request_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let scenario = "scenarios/region-down.toml";
    let set = "admission={saturation={in_flight=4},gate={},queue={capacity=5,timeout=\"2s\"}}";
    let shorter = "workloads.main.synthetic.duration=\"270s\"";
    let common = ["--policy", "nearest", "--set", set, "--set", shorter];
    let with = |args: &[&str]| {
        let all: Vec<&str> = args.iter().chain(&common).copied().collect();
        String::from_utf8(regionsim(&all).code(0).get_output().stdout.clone()).unwrap()
    };
    let table = with(&["run", scenario, "-q", "--out", out, "--decisions", "sample=100%"]);
    let decisions = std::fs::read_to_string(folder.path().join("nearest/decisions.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        decisions.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert!(table.contains(" rejected") && table.contains(" queue_timeout"), "{table}");
    let csv = std::fs::read_to_string(folder.path().join("nearest/requests.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let head = rows.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|head| head == name).expect(name);
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    for (outcome, by) in [("rejected", "capacity"), ("queue_timeout", "timeout")] {
        let row = rows.iter().find(|row| &row[column("outcome")] == outcome).expect(outcome);
        let text = with(&["explain", scenario, &row[column("id")]]);
        assert!(text.contains(&format!(": not let in by admission.queue.{by}\n")), "{text}");
        assert!(text.contains("the gate, which closes at saturation 1, stopped it"), "{text}");
        assert!(text.contains("  saturation by concurrency, as the gateway saw it then: 1"), "{text}");
        assert!(!text.contains("no gateway decided"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&with(&["explain", scenario, "--json", &row[column("id")]])).unwrap();
        assert_eq!(json["turned_away"]["outcome"], outcome);
        assert!(json["turned_away"]["saturation"].as_f64().unwrap() >= 1.0);
        // The file of decisions has the same line, the run's folder the same story.
        let line = lines.iter().find(|line| line["id"] == json["turned_away"]["id"]).expect("a line");
        assert_eq!(*line, json["turned_away"]);
        let again = String::from_utf8(
            regionsim(&["explain", out, &row[column("id")]]).code(0).get_output().stdout.clone(),
        );
        assert_eq!(again.unwrap(), text);
    }
    let away = lines.iter().filter(|line| line.get("by").is_some());
    let ended = ["rejected", "queue_timeout"]
        .map(|outcome| rows.iter().filter(|row| &row[column("outcome")] == outcome).count());
    assert_eq!(away.count(), ended.iter().sum::<usize>());
}
