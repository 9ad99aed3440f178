//! Random small worlds, and every law of conservation in each: by the checker that runs in every cell, and by a slow
//! one that keeps all that was ever told and adds it up again in another way.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::sample::Index;
use regions::{chat, engine, linear, origin, pool, tiers};
use regionsim::dist::Dist;
use regionsim::engine::Ended;
use regionsim::fleet::admission::{
    AdmissionParams, Discipline, GateParams, Over, QueueParams as QueueBounds, SaturationParams, ShedParams,
    Signal, ThrottleBy, ThrottleParams,
};
use regionsim::fleet::{
    DnsParams, Effect, HealthParams, Incident, OperationsParams, Place, RetryParams, SpillParams,
};
use regionsim::id::{ClassId, DataClassId, Id, OriginId, PoolId, RegionId, ReplicaId, SourceId};
use regionsim::network::{Connection, JitterParams, LastMileParams, RegionSet};
use regionsim::observe::{Leg, Miss, Observation, Observer, Outcome, ReplicaSample, RequestRow};
use regionsim::replica::{
    Admission, CacheMethod, EngineParams, Method, QueueParams, Scheduler, ServerParams, Stepping,
};
use regionsim::routing::{IndexSource, PolicySpec, REGISTRY};
use regionsim::run::{Audit, Conservation};
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, GlobalPrefix, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{
    ClassParams, GatewayPlacement, Isolation, PolicyParams, RegionParams, ResidencyParams, SloParams,
    WorldParams,
};
use regionsim::world::{Decisions, Look, Summary, World};
use std::collections::{BTreeMap, BTreeSet};
use world::{one_region, queue, workload};

/// All that was told, in order.
#[derive(Default)]
struct Diary {
    told: Vec<SimTime>,
    arrived: Vec<(SimTime, u32, OriginId, ClassId, u32, u32)>,
    sent: BTreeMap<u32, Vec<(u32, ReplicaId, RegionId)>>,
    ended: Vec<(SimTime, RequestRow)>,
    samples: Vec<ReplicaSample>,
    steps: Vec<(ReplicaId, [u32; 4])>,
}

impl Observer for Diary {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        self.told.push(now);
        match *observation {
            Observation::Arrived { id, origin, class, tenant, prompt_tokens } => {
                self.arrived.push((now, id.0, origin, class, tenant.0, prompt_tokens));
            }
            Observation::Restricted { .. } => {}
            Observation::Sent { id, gateway, replica, region } => {
                self.sent.entry(id.0).or_default().push((gateway.0, replica, region));
            }
            Observation::Ended(row) => self.ended.push((now, *row)),
            Observation::Sampled(sample) => self.samples.push(*sample),
            Observation::Stepped { replica, tokens, sequences, free_blocks, used_blocks } => {
                self.steps.push((replica, [tokens, sequences, free_blocks, used_blocks]));
            }
            Observation::Decided(_) | Observation::TurnedAway(_) => {}
        }
    }
}

/// What a world is made from: small numbers, each of which means something.
#[derive(Clone, Debug)]
struct Recipe {
    regions: usize,
    pools: Vec<(Index, u32, Server)>,
    origins: Vec<(Index, Index, bool)>,
    /// Masks of process, decrypt and transit.
    classes: Vec<(u8, u8, u8)>,
    class_of_workload: Option<Index>,
    rtt_ms: Vec<u32>,
    jitter: bool,
    policy: (Index, Option<Index>, Option<Index>),
    oracle: bool,
    workers: u32,
    decision_us: u64,
    isolation: bool,
    load: Load,
    horizon_ms: Option<u64>,
    trouble: Option<Trouble>,
    admission: Option<Admit>,
    sample_ms: u64,
    seed: u64,
}

/// A signal (concurrent requests, or depth), over home alone; then gate, shedding, line and throttling.
#[derive(Clone, Debug)]
struct Admit {
    signal: (bool, u32, bool),
    gate: Option<(f64, u8)>,
    shed: Option<f64>,
    queue: Option<(Option<u32>, Option<u64>, u32)>,
    throttle: Option<(f64, bool)>,
}

fn admit() -> impl Strategy<Value = Admit> {
    use proptest::option::of;
    use proptest::option::weighted;
    let queue = (of(0u32..20), of(1u64..1_000), 0u32..3);
    (
        (any::<bool>(), 1u32..6, any::<bool>()),
        weighted(0.8, (0.1f64..2.0, 0u8..2)),
        of(0.0f64..5.0),
        weighted(0.8, queue),
        of((1.0f64..3.0, any::<bool>())),
    )
        .prop_map(|(signal, gate, shed, queue, throttle)| Admit { signal, gate, shed, queue, throttle })
}

fn build_admission(admit: &Admit) -> AdmissionParams {
    let (concurrent, limit, home) = admit.signal;
    let signal = if concurrent {
        Signal::Concurrency { requests: limit }
    } else {
        Signal::Utilization { queue_depth: f64::from(limit), kv_usage: 0.5 }
    };
    let queue = |(capacity, timeout, discipline): (Option<u32>, Option<u64>, u32)| QueueBounds {
        capacity,
        timeout: timeout.map(Span::from_ms),
        discipline: [Discipline::Fifo, Discipline::Lifo, Discipline::Priority][discipline as usize],
    };
    AdmissionParams {
        saturation: SaturationParams { signal, over: if home { Over::Home } else { Over::Allowed } },
        gate: admit.gate.map(|(closes_at, from_priority)| GateParams { closes_at, from_priority }),
        shed: admit.shed.map(|scale| ShedParams { scale, power: 2.0, from_priority: 0 }),
        queue: admit.queue.map(queue),
        throttle: admit.throttle.map(|(k, tenant)| ThrottleParams {
            k,
            window: Span::from_secs(5),
            by: if tenant { ThrottleBy::Tenant } else { ThrottleBy::Origin },
        }),
    }
}

/// Incidents: begin and length in milliseconds, a place and what happens there; then health, retries and spill.
#[derive(Clone, Debug)]
struct Trouble {
    incidents: Vec<(u64, Option<u64>, Index, bool, u32)>,
    health: (u64, u32, u32),
    retry: Option<(u32, f64, u32, u64)>,
    spill: Option<(u64, u32, Option<u64>)>,
    dns: Option<(u64, f64)>,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let incident =
        (0u64..6_000, proptest::option::weighted(0.8, 0u64..3_000), any::<Index>(), any::<bool>(), 0u32..12);
    let retry = (1u32..5, 0.0f64..1.0, 0u32..4, 0u64..300);
    let spill = (1u64..500, 0u32..5, proptest::option::of(0u64..300));
    (
        proptest::collection::vec(incident, 0..6),
        (1u64..1_000, 1u32..4, 1u32..3),
        proptest::option::of(retry),
        proptest::option::weighted(0.3, spill),
        proptest::option::of((0u64..2_000, 0.0f64..0.5)),
    )
        .prop_map(|(incidents, health, retry, spill, dns)| Trouble {
            incidents,
            health,
            retry,
            spill,
            dns,
        })
}

fn build_trouble(trouble: &Trouble, world: &WorldParams) -> OperationsParams {
    let replicas = sites(world).len();
    let incident = |&(at, length, ref place, region, effect): &(u64, Option<u64>, Index, bool, u32)| {
        let at = SimTime(at * 1_000_000);
        Incident {
            at,
            until: length.map(|ms| at + Span::from_ms(ms)),
            place: if effect >= 10 {
                Place::Gateways(RegionId(place.index(world.regions.len()) as u32))
            } else if region || replicas == 0 {
                Place::Region(RegionId(place.index(world.regions.len()) as u32))
            } else {
                Place::Replica(ReplicaId(place.index(replicas) as u32))
            },
            effect: match effect {
                0..5 | 10.. => Effect::Down,
                5..8 => Effect::Drain,
                slow => Effect::Slow([1700, 400][slow as usize - 8]),
            },
        }
    };
    let (interval, failures, successes) = trouble.health;
    OperationsParams {
        incidents: trouble.incidents.iter().map(incident).collect(),
        health: HealthParams { interval: Span::from_ms(interval), failures, successes },
        retry: trouble.retry.map(|(attempts, budget, least, backoff)| RetryParams {
            attempts,
            budget,
            least,
            backoff: Span::from_ms(backoff),
        }),
        spill: trouble.spill.map(|(every, burst, added)| SpillParams {
            every: Span::from_ms(every),
            burst,
            most_added_rtt: added.map(Span::from_ms),
        }),
        dns: trouble.dns.map(|(ttl, misplaced)| DnsParams {
            ttl: Span::from_ms(ttl),
            misplaced,
            health: HealthParams { interval: Span::from_ms(interval), failures, successes },
        }),
    }
}

#[derive(Clone, Debug)]
struct Load {
    per_s: u32,
    requests: u64,
    tenants: u32,
    turns: u32,
    think_ms: u32,
    message: f64,
    output: f64,
    shared: bool,
    bursty: bool,
    priorities: bool,
    /// How long clients wait for the first token and for the last, in milliseconds.
    patience_ms: (Option<u32>, Option<u32>),
}

#[derive(Clone, Debug)]
enum Server {
    Engine {
        kv_blocks: u32,
        budget: u32,
        seqs: u32,
        threshold: u32,
        model_len: u32,
        how: u32,
        watermark: u32,
    },
    Fifo {
        slots: u32,
        capacity: Option<u32>,
    },
    Ps,
}

fn server() -> impl Strategy<Value = Server> {
    let engine = (20u32..500, 16u32..600, 1u32..20, 0u32..200, 200u32..5_000, 0u32..24, 0u32..10);
    prop_oneof![
        6 => engine.prop_map(|(kv_blocks, budget, seqs, threshold, model_len, how, watermark)| {
            Server::Engine { kv_blocks, budget, seqs, threshold, model_len, how, watermark }
        }),
        1 => (1u32..4, proptest::option::of(1u32..6)).prop_map(|(slots, capacity)| Server::Fifo { slots, capacity }),
        1 => Just(Server::Ps),
    ]
}

fn load() -> impl Strategy<Value = Load> {
    let sizes = (1u32..60, 1u64..150, 1u32..5, 1u32..5, 0u32..3_000);
    let patience =
        (proptest::option::weighted(0.2, 1u32..2_000), proptest::option::weighted(0.2, 1u32..4_000));
    (sizes, 1.0f64..600.0, 1.0f64..150.0, any::<[bool; 3]>(), patience).prop_map(
        |(
            (per_s, requests, tenants, turns, think_ms),
            message,
            output,
            [shared, bursty, priorities],
            patience_ms,
        )| Load {
            per_s,
            requests,
            tenants,
            turns,
            think_ms,
            message,
            output,
            shared,
            bursty,
            priorities,
            patience_ms,
        },
    )
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let places = (
        1usize..4,
        proptest::collection::vec((any::<Index>(), 0u32..4, server()), 1..5),
        proptest::collection::vec((any::<Index>(), any::<Index>(), any::<bool>()), 1..4),
        proptest::collection::vec((0u8..16, 0u8..16, 0u8..16), 0..3),
        proptest::option::of(any::<Index>()),
        proptest::collection::vec(0u32..300, 9),
        any::<bool>(),
    );
    let policy = (
        any::<Index>(),
        proptest::option::of(any::<Index>()),
        proptest::option::weighted(0.3, any::<Index>()),
    );
    let rest = (
        policy,
        (any::<bool>(), 0u32..3),
        0u64..2_000,
        any::<bool>(),
        load(),
        (
            proptest::option::weighted(0.3, 1u64..20_000),
            proptest::option::of(trouble()),
            proptest::option::weighted(0.4, admit()),
        ),
        prop_oneof![Just(0u64), 50u64..5_000],
        any::<u64>(),
    );
    (places, rest).prop_map(|(places, rest)| {
        let (regions, pools, origins, classes, class_of_workload, rtt_ms, jitter) = places;
        let (
            policy,
            (oracle, workers),
            decision_us,
            isolation,
            load,
            (horizon_ms, trouble, admission),
            sample_ms,
            seed,
        ) = rest;
        Recipe {
            regions,
            pools,
            origins,
            classes,
            class_of_workload,
            rtt_ms,
            jitter,
            policy,
            oracle,
            workers,
            decision_us,
            isolation,
            load,
            horizon_ms,
            trouble,
            admission,
            sample_ms,
            seed,
        }
    })
}

fn build_server(server: &Server) -> ServerParams {
    match *server {
        Server::Fifo { slots, capacity } => {
            ServerParams::Fifo(QueueParams { per_request: Span::from_ms(100), ..queue(slots, capacity) })
        }
        Server::Ps => ServerParams::Ps(queue(1, None)),
        Server::Engine { kv_blocks, budget, seqs, threshold, model_len, how, watermark } => {
            ServerParams::Engine(EngineParams {
                max_num_batched_tokens: budget,
                max_num_seqs: seqs,
                long_prefill_token_threshold: threshold,
                max_model_len: model_len,
                watermark_blocks: watermark,
                scheduler: if how % 2 == 0 { Scheduler::Fcfs } else { Scheduler::Priority },
                admission: [Admission::FullIsl, Admission::FirstChunk, Admission::IslPlusOsl]
                    [how as usize / 2 % 3],
                prefix_cache: how / 6 % 2 == 0,
                chunked_prefill: how / 12 % 2 == 0,
                ..engine(kv_blocks)
            })
        }
    }
}

fn mask(bits: u8) -> RegionSet {
    // The highest bit stands for everything.
    if bits & 8 != 0 {
        RegionSet::ALL
    } else {
        (0..3).filter(|bit| bits >> bit & 1 == 1).map(RegionId).collect()
    }
}

fn build(recipe: &Recipe) -> (WorldParams, PolicyParams) {
    let mut world = one_region(0, ServerParams::Engine(engine(100)));
    let count = recipe.regions;
    world.regions = ["a", "b", "c"][..count].iter().map(|&name| RegionParams { name: name.into() }).collect();
    let mut pools = Vec::new();
    for (number, (place, replicas, server)) in recipe.pools.iter().enumerate() {
        let mut pool = pool(&format!("pool/{number}"), place.index(count) as u32, *replicas);
        pool.server = build_server(server);
        pool.timing = matches!(pool.server, ServerParams::Engine(_)).then(|| linear(1));
        pools.push(pool);
    }
    pools.sort_by_key(|pool| pool.region);
    world.pools = pools.into();
    for (number, &(process, decrypt, transit)) in recipe.classes.iter().enumerate() {
        world.data_classes.push(ResidencyParams {
            process_in: mask(process),
            decrypt_in: mask(decrypt),
            transit_via: mask(transit),
            index_in: Some(RegionSet::ALL),
            ..ResidencyParams::unrestricted(format!("rule {number}"))
        });
    }
    let class = |index: &Index| DataClassId(index.index(world.data_classes.len()) as u32);
    let mut origins = Vec::new();
    for (number, (near, data_class, cold)) in recipe.origins.iter().enumerate() {
        let mut origin = origin(&format!("origin {number}"), near.index(count) as u32, 1.0 + number as f64);
        origin.data_class = class(data_class);
        origin.connection = if *cold { Connection::COLD_TLS13 } else { Connection::Warm };
        if !recipe.jitter {
            origin.last_mile = LastMileParams::NONE;
        }
        origins.push(origin);
    }
    let class_of_workload = recipe.class_of_workload.as_ref().map(class);
    world.origins = origins.into();
    let ms = |from: usize, to: usize| Span::from_ms(u64::from(recipe.rtt_ms[from * 3 + to]));
    world.network.rtt = (0..count).map(|from| (0..count).map(|to| ms(from, to)).collect()).collect();
    if recipe.jitter {
        let spike_mean = Span::from_ms(100);
        world.network.jitter = JitterParams { sigma: 0.3, spike_probability: 0.05, spike_mean };
        world.network.bandwidth_bytes_per_s = Some(1_000_000);
    }
    let load = &recipe.load;
    let synthetic = SyntheticParams {
        arrivals: if load.bursty { Arrivals::Gamma { cv: 4.0 } } else { Arrivals::Poisson },
        sessions_per_s: f64::from(load.per_s),
        until: Until::Requests(load.requests),
        tenants: load.tenants,
        system: load.shared.then(|| SharedPrefix {
            count: 3,
            tokens: Tokens::fixed(100),
            zipf: 1.0,
            shared_as: None,
        }),
        // The same for everybody, whoever they may share it with.
        global: load.shared.then(|| GlobalPrefix { tokens: 70, shared_as: Some("all".into()) }),
        message: Tokens::new(Dist::Exponential { mean: load.message }, 4_000),
        output: Tokens::new(Dist::Exponential { mean: load.output }, 1_000),
        turns: Dist::Constant { value: f64::from(load.turns) },
        think_s: Dist::Constant { value: f64::from(load.think_ms) / 1e3 },
        ..chat(1)
    };
    world.classes.push(ClassParams { name: "second".into(), slo: SloParams::default(), priority: 1 });
    let mut first = workload("first", synthetic.clone());
    first.data_class = class_of_workload;
    let span = |ms: Option<u32>| ms.map(|ms| Span::from_ms(u64::from(ms)));
    first.setting.first_token_timeout = span(load.patience_ms.0);
    first.setting.timeout = span(load.patience_ms.1);
    let mut second = workload("second", SyntheticParams { until: Until::Requests(20), ..synthetic });
    (second.class, second.priority) = (ClassId(1), u8::from(load.priorities));
    world.workloads = vec![first, second].into();
    world.isolation = if recipe.isolation { Isolation::Tenant } else { Isolation::None };
    world.horizon = recipe.horizon_ms.map_or(SimTime::from_secs_f64(1e6), |ms| SimTime(ms * 1_000_000));
    world.sample_every = Span::from_ms(recipe.sample_ms);
    if let Some(trouble) = &recipe.trouble {
        world.operations = build_trouble(trouble, &world);
    }
    let (replica, global, central) = &recipe.policy;
    let name = |index: &Index| REGISTRY[index.index(REGISTRY.len())].name;
    let gateways = central.as_ref().map_or(GatewayPlacement::PerRegion, |at| {
        GatewayPlacement::Central(RegionId(at.index(count) as u32))
    });
    let mut policy = tiers(global.as_ref().map(name), name(replica), gateways);
    for spec in [Some(&mut policy.replica), policy.global.as_mut()].into_iter().flatten() {
        if let (PolicySpec::Prefix(params), true) = (spec, recipe.oracle) {
            params.index = IndexSource::Oracle;
        }
    }
    policy.admission = recipe.admission.as_ref().map(build_admission);
    (policy.workers, policy.decision_time) = (recipe.workers, Span::from_us(recipe.decision_us));
    (world, policy)
}

/// The place of each replica.
fn sites(world: &WorldParams) -> Vec<(PoolId, RegionId)> {
    let pools = world.pools.enumerate();
    pools.flat_map(|(id, pool)| (0..pool.replicas).map(move |_| (id, pool.region))).collect()
}

fn gateway_region(policy: &PolicyParams, gateway: u32) -> RegionId {
    match policy.gateways {
        GatewayPlacement::Central(region) => region,
        GatewayPlacement::PerRegion => RegionId(gateway),
    }
}

fn check_row(
    world: &WorldParams,
    policy: &PolicyParams,
    end: SimTime,
    row: &RequestRow,
) -> Result<(), TestCaseError> {
    let legs: u64 = Leg::ALL.iter().map(|&leg| row.legs.get(leg).0).sum();
    if let Some(first) = row.first_token_at {
        prop_assert_eq!(first.0 - row.sent_at.0, legs, "legs of {:?}", row);
        let outside = row.server_ttft.expect("told with the first token").0;
        let (out, connect) = (row.legs.get(Leg::LastMile).0, row.legs.get(Leg::Connect).0);
        prop_assert_eq!(outside, legs - out - connect - row.legs.get(Leg::Return).0);
        prop_assert!(first <= row.ended_at);
    } else {
        prop_assert_ne!(row.outcome, Outcome::Completed);
        prop_assert_eq!(row.server_ttft, None);
    }
    prop_assert!(row.sent_at <= row.ended_at);
    prop_assert_eq!(row.attempts > 0, row.replica.is_some());
    let most = world.operations.retry.as_ref().map_or(1, |retry| retry.attempts.max(1));
    prop_assert!(row.attempts <= most, "{:?}", row);
    let quiet = world.operations.is_quiet();
    prop_assert_eq!(row.fetched_tokens, 0, "there are no tiers");
    match row.outcome {
        Outcome::Completed => {
            prop_assert_eq!(row.cached_tokens + row.computed_tokens, row.prompt_tokens, "{:?}", row);
            prop_assert!(row.output_tokens >= 1 && row.cached_tokens < row.prompt_tokens);
            prop_assert!(row.preemptions > 0 || row.recomputed_tokens == 0, "{:?}", row);
        }
        Outcome::InFlight => {
            prop_assert_eq!(row.ended_at, end);
            prop_assert!(row.cached_tokens + row.computed_tokens <= row.prompt_tokens, "{:?}", row);
        }
        Outcome::TimedOut => {
            let setting = &world.workloads[row.source].setting;
            let stayed = row.ended_at.since(row.sent_at);
            let too_late = setting.timeout == Some(stayed);
            let no_token = setting.first_token_timeout == Some(stayed) && row.first_token_at.is_none();
            prop_assert!(too_late || no_token, "{:?}", row);
            prop_assert!(row.cached_tokens + row.computed_tokens <= row.prompt_tokens, "{:?}", row);
        }
        Outcome::TooLarge | Outcome::QueueFull | Outcome::NoRegion => {
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Shed => {
            let sheds = policy.admission.as_ref().is_some_and(|admission| admission.shed.is_some());
            prop_assert!(world.operations.spill.is_some() || sheds);
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Rejected | Outcome::QueueTimeout | Outcome::Throttled => {
            let admission = policy.admission.as_ref().expect("nobody is turned away for nothing");
            let declared = match row.outcome {
                Outcome::Throttled => admission.throttle.is_some() && row.ended_at == row.sent_at,
                Outcome::QueueTimeout => admission.queue.is_some_and(|queue| queue.timeout.is_some()),
                _ => {
                    admission.gate.is_some() || admission.queue.is_some_and(|queue| queue.capacity.is_some())
                }
            };
            prop_assert!(declared, "{:?}", row);
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Failed => {
            prop_assert!(world.operations.incidents.iter().any(|incident| incident.effect == Effect::Down));
            let gateways = |incident: &Incident| matches!(incident.place, Place::Gateways(_));
            prop_assert!(row.attempts > 0 || world.operations.incidents.iter().any(gateways));
        }
    }
    if row.outcome == Outcome::Throttled {
        prop_assert_eq!(row.gateway, None);
        return Ok(());
    }
    // Residency: read by a gateway that may, served in a region that may, and passed on only where that is allowed.
    let rule = &world.data_classes[row.data_class];
    let gateways: Vec<RegionId> = match policy.gateways {
        GatewayPlacement::Central(region) => vec![region],
        GatewayPlacement::PerRegion => world.regions.ids().collect(),
    };
    let Some(gateway) = row.gateway.map(|id| gateway_region(policy, id.0)) else {
        prop_assert!(gateways.iter().all(|&region| !rule.decrypt_in.contains(region)));
        prop_assert!(matches!(row.outcome, Outcome::NoRegion | Outcome::TimedOut | Outcome::InFlight));
        return Ok(());
    };
    prop_assert!(rule.decrypt_in.contains(gateway), "read where it must not be: {:?}", row);
    let may = |region: RegionId| {
        rule.process_in.contains(region) && (region == gateway || rule.transit_via.contains(gateway))
    };
    if let Some(region) = row.region {
        prop_assert!(may(region), "served where it must not be: {:?} {:?}", row, rule);
    }
    let somewhere = sites(world).iter().any(|&(_, region)| may(region));
    prop_assert!(
        row.outcome != Outcome::NoRegion || !somewhere || !quiet,
        "refused though it could go: {:?}",
        row
    );
    prop_assert!(
        somewhere
            || matches!(row.outcome, Outcome::NoRegion | Outcome::TimedOut | Outcome::InFlight)
            || row.outcome == Outcome::Failed && row.attempts == 0
    );
    // Nobody waits longer than their patience.
    let setting = &world.workloads[row.source].setting;
    if row.outcome == Outcome::Completed {
        prop_assert!(setting.timeout.is_none_or(|limit| row.ended_at <= row.sent_at + limit), "{:?}", row);
        let limit = setting.first_token_timeout;
        let first = row.first_token_at.expect("completed");
        prop_assert!(limit.is_none_or(|limit| first <= row.sent_at + limit), "{:?}", row);
    }
    // What was served fits where it was served.
    if let (Outcome::Completed, Some(replica)) = (row.outcome, row.replica) {
        let (pool, region) = sites(world)[replica.index()];
        prop_assert_eq!(Some(region), row.region);
        if let ServerParams::Engine(engine) = &world.pools[pool].server {
            let total = row.prompt_tokens + row.output_tokens;
            prop_assert!(total <= engine.max_model_len);
            prop_assert!((total - 1).div_ceil(16) < engine.kv_blocks);
        }
    }
    Ok(())
}

/// How many there are of each.
fn tally<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    counts
}

fn check_all(
    world: &WorldParams,
    policy: &PolicyParams,
    summary: &Summary,
    diary: &Diary,
) -> Result<(), TestCaseError> {
    prop_assert!(diary.told.windows(2).all(|pair| pair[0] <= pair[1]), "time went back");
    // Every arrival ends once, by every group.
    let ended = || diary.ended.iter().map(|(_, row)| row);
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.1)), tally(ended().map(|row| row.id.0)));
    prop_assert!(tally(ended().map(|row| row.id.0)).values().all(|&count| count == 1));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.2)), tally(ended().map(|row| row.origin)));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.3)), tally(ended().map(|row| row.class)));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.4)), tally(ended().map(|row| row.tenant.0)));
    let keys: BTreeSet<u64> = ended().map(|row| row.key).collect();
    prop_assert_eq!(keys.len(), diary.ended.len(), "a key names one request");
    let rows: BTreeMap<u32, &RequestRow> = ended().map(|row| (row.id.0, row)).collect();
    for (at, id, _, _, _, prompt) in &diary.arrived {
        prop_assert_eq!((*at, *prompt), (rows[id].sent_at, rows[id].prompt_tokens));
    }
    for (id, row) in &rows {
        let place = diary.sent.get(id).map(|sent| (sent.len(), sent[sent.len() - 1]));
        let attempts = row.attempts as usize;
        let expected =
            row.replica.map(|replica| (attempts, (row.gateway.unwrap().0, replica, row.region.unwrap())));
        prop_assert_eq!(place, expected);
        check_row(world, policy, summary.end, row)?;
    }
    for (at, row) in &diary.ended {
        // A client that leaves, or whose gateway is lost, has ended before the news of it has reached the engine.
        let early = matches!(row.outcome, Outcome::InFlight | Outcome::TimedOut | Outcome::Failed);
        let later = early && *at >= row.ended_at;
        prop_assert!(*at == row.ended_at || later);
    }
    let cut = summary.ended == Ended::Horizon;
    prop_assert!(cut || ended().all(|row| row.outcome != Outcome::InFlight));
    prop_assert!(
        diary.ended.iter().all(|(_, row)| row.ended_at <= world.horizon),
        "nothing after the horizon"
    );

    // Little: the integral of the number of requests between clients and service is the sum of their times.
    let mut changes: Vec<(u64, i64)> = diary.arrived.iter().map(|a| (a.0.0, 1)).collect();
    changes.extend(diary.ended.iter().map(|(_, row)| (row.ended_at.0, -1)));
    changes.sort_unstable_by_key(|&(at, change)| (at, -change));
    let (mut number, mut integral, mut last) = (0i64, 0u128, 0);
    for (at, change) in changes {
        integral += number as u128 * u128::from(at - last);
        (number, last) = (number + change, at);
        prop_assert!(number >= 0);
    }
    let times: u128 = ended().map(|row| u128::from(row.ended_at.0 - row.sent_at.0)).sum();
    prop_assert_eq!((number, integral), (0, times));

    // Engines: bounds of every step, and what replicas did is what requests got.
    let sites = sites(world);
    for (replica, [tokens, sequences, free, used]) in &diary.steps {
        let ServerParams::Engine(engine) = &world.pools[sites[replica.index()].0].server else {
            return Err(TestCaseError::fail("a step of a queue"));
        };
        prop_assert!((1..=engine.max_num_batched_tokens).contains(tokens));
        prop_assert!((1..=engine.max_num_seqs).contains(sequences) && sequences <= tokens);
        prop_assert_eq!(free + used, engine.kv_blocks - 1);
    }
    let quiet = world.operations.is_quiet();
    for sample in &summary.replicas {
        let (pool, region) = sites[sample.replica.index()];
        prop_assert_eq!((sample.pool, sample.region), (pool, region));
        let here: Vec<&RequestRow> = ended().filter(|row| row.replica == Some(sample.replica)).collect();
        let completed = here.iter().filter(|row| row.outcome == Outcome::Completed).count();
        let (load, work) = (&sample.load, &sample.work);
        let sum = |of: fn(&RequestRow) -> u32| here.iter().map(|row| u64::from(of(row))).sum::<u64>();
        if !cut {
            prop_assert_eq!(load.running + load.waiting, 0);
            prop_assert_eq!((load.waiting_tokens, load.context_tokens, load.kv_used_blocks), (0, 0, 0));
            // An engine may complete what nobody waits for any more.
            let left = here.iter().filter(|row| row.outcome == Outcome::TimedOut).count();
            prop_assert!(!quiet || (completed..=completed + left).contains(&(work.completed as usize)));
            // What was lost was computed and belongs to nobody.
            let adds_up = |done: u64, told: u64| if quiet { done == told } else { done >= told };
            prop_assert!(adds_up(work.output_tokens, sum(|row| row.output_tokens)));
            prop_assert!(adds_up(work.computed_tokens, sum(|row| row.computed_tokens)));
            prop_assert!(adds_up(work.preemptions, sum(|row| row.preemptions)));
        }
        if let ServerParams::Engine(engine) = &world.pools[pool].server {
            prop_assert_eq!(load.kv_total_blocks, engine.kv_blocks - 1);
            prop_assert!(work.kv_peak_blocks < engine.kv_blocks);
            let adds_up = |done: u64, told: u64| if quiet { done == told } else { done >= told };
            prop_assert!(
                adds_up(work.cached_tokens, sum(|row| row.cached_tokens)),
                "cached at {:?}",
                sample.replica
            );
            prop_assert!(adds_up(work.recomputed_tokens, sum(|row| row.recomputed_tokens)));
            if !cut && quiet {
                let whole = here.iter().all(|row| row.outcome != Outcome::TimedOut);
                let done = work.cached_tokens + work.computed_tokens;
                prop_assert!(done == work.prompt_tokens || !whole && done < work.prompt_tokens);
            }
        }
        // What a replica has done only grows.
        let mut before = (0, 0, 0, 0);
        for earlier in diary.samples.iter().filter(|other| other.replica == sample.replica) {
            let work = &earlier.work;
            let now = (work.steps, work.busy_ps, work.computed_tokens, work.output_tokens);
            prop_assert!(before.0 <= now.0 && before.1 <= now.1 && before.2 <= now.2 && before.3 <= now.3);
            before = now;
        }
    }
    Ok(())
}

fn check(recipe: &Recipe) -> Result<(), TestCaseError> {
    let (world, policy) = build(recipe);
    let observer = ((Diary::default(), Audit::default()), Conservation::new());
    let run = World::new(&world, &policy, recipe.seed, observer).expect("a sound world");
    let mut events = 0u64;
    let (summary, ((diary, audit), conservation)) = run.run(|_, _| {
        events += 1;
        assert!(events < 5_000_000, "so small a world must end");
        true
    });
    prop_assert_eq!(events, summary.events);
    check_all(&world, &policy, &summary, &diary)?;
    prop_assert_eq!(audit.finish(&world, &policy, recipe.seed).violations, 0);
    let engines = world.pools.iter().all(|pool| matches!(pool.server, ServerParams::Engine(_)));
    let works = summary.replicas.iter().filter(|_| engines).map(|sample| &sample.work);
    let report = conservation.finish(works);
    prop_assert_eq!((&report.first[..], report.violations), (&[][..], 0));
    prop_assert_eq!(report.total.arrived, diary.arrived.len() as u64);
    for outcome in Outcome::ALL {
        let count = diary.ended.iter().filter(|(_, row)| row.outcome == outcome).count() as u64;
        prop_assert_eq!(report.total.of(outcome), count);
    }
    Ok(())
}

/// The four ways to compute, stepwise or fast, single blocks or runs: the same rows, samples and caches.
fn check_twins(recipe: &Recipe) -> Result<(), TestCaseError> {
    let (world, policy) = build(recipe);
    let run = |stepping, cache| {
        let method = Method { stepping, cache };
        let world = World::with_method(&world, &policy, recipe.seed, method, Diary::default());
        world.expect("a sound world").run(|_, _| true)
    };
    let (plain, other) = run(Stepping::Stepwise, CacheMethod::Blocks);
    for (stepping, cache) in [
        (Stepping::Fast, CacheMethod::Extents),
        (Stepping::Fast, CacheMethod::Blocks),
        (Stepping::Stepwise, CacheMethod::Extents),
    ] {
        let (fast, diary) = run(stepping, cache);
        prop_assert_eq!(diary.ended.len(), other.ended.len());
        for ((_, fast), (_, plain)) in diary.ended.iter().zip(&other.ended) {
            prop_assert_eq!(fast, plain);
        }
        for (fast, plain) in diary.samples.iter().zip(&other.samples) {
            prop_assert_eq!(fast, plain);
        }
        prop_assert_eq!(&fast.replicas, &plain.replicas);
        prop_assert_eq!(fast.outcome_digest, plain.outcome_digest);
        prop_assert_eq!((fast.ended, fast.end), (plain.ended, plain.end));
    }
    check_all(&world, &policy, &plain, &other)
}

/// Whoever looks changes nothing; each uncached token has one reason, the one that plain sets of blocks give.
fn check_looking(recipe: &Recipe) -> Result<BTreeMap<Miss, u64>, TestCaseError> {
    let (world, policy) = build(recipe);
    let look = Look { misses: true, check_misses: true, decisions: Decisions::Share(0.5) };
    let run = |look: &Look, cache| {
        let method = Method { cache, ..Method::default() };
        let world = World::with_method(&world, &policy, recipe.seed, method, Diary::default());
        world.expect("a sound world").looking(look).run(|_, _| true)
    };
    let (blind, unseen) = run(&Look::default(), CacheMethod::Extents);
    let mut sums: BTreeMap<Miss, u64> = BTreeMap::new();
    for cache in [CacheMethod::Extents, CacheMethod::Blocks] {
        let (seen, diary) = run(&look, cache);
        prop_assert_eq!((seen.outcome_digest, seen.end), (blind.outcome_digest, blind.end));
        for ((_, row), (_, plain)) in diary.ended.iter().zip(&unseen.ended) {
            prop_assert_eq!(&RequestRow { misses: None, ..*row }, plain);
            prop_assert_eq!(row.misses.is_some(), row.outcome == Outcome::Completed);
            let Some(misses) = row.misses else { continue };
            let uncached = row.prompt_tokens - row.cached_tokens - row.fetched_tokens;
            prop_assert_eq!(misses.total(), u64::from(uncached), "{:?}", row);
            for miss in Miss::ALL {
                *sums.entry(miss).or_default() += u64::from(misses.get(miss));
            }
        }
    }
    Ok(sums)
}

/// So many cases, or as many as `PROPTEST_CASES` says.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_in_any_world(recipe in recipe()) {
        check(&recipe)?;
    }
}

proptest! {
    #![proptest_config(cases(2_000))]
    #[test]
    fn the_four_ways_to_compute_are_one(recipe in recipe()) {
        check_twins(&recipe)?;
    }
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn looking_changes_nothing_and_each_miss_has_its_reason(recipe in recipe()) {
        check_looking(&recipe)?;
    }
}

#[test]
fn random_worlds_reach_every_end_that_there_is() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut ends, mut preempted, mut cached, mut elsewhere) = (BTreeSet::new(), 0, 0, 0);
    let mut retried = 0;
    let mut reasons = BTreeSet::new();
    for _ in 0..250 {
        let recipe = recipe().new_tree(&mut runner).unwrap().current();
        let sums = check_looking(&recipe).unwrap();
        reasons.extend(sums.into_iter().filter_map(|(miss, tokens)| (tokens > 0).then_some(miss)));
        let (world, policy) = build(&recipe);
        let run = World::new(&world, &policy, recipe.seed, Diary::default()).unwrap();
        for (_, row) in run.run(|_, _| true).1.ended {
            ends.insert(row.outcome);
            preempted += row.preemptions;
            retried += u32::from(row.attempts > 1 && row.outcome == Outcome::Completed);
            cached += row.cached_tokens;
            elsewhere += u32::from(row.region.is_some_and(|region| region != world.origins[row.origin].near));
        }
    }
    assert_eq!(ends, Outcome::ALL.into());
    // Residency is one world in a hundred here; `tests/misses.rs` has it by hand.
    reasons.remove(&Miss::Residency);
    assert_eq!(
        reasons,
        [Miss::Compulsory, Miss::Capacity, Miss::Policy, Miss::Isolation, Miss::Outage].into()
    );
    assert!(retried > 0, "no retry was ever completed");
    assert!(preempted > 0 && cached > 0 && elsewhere > 0, "{preempted} {cached} {elsewhere}");
}

#[test]
fn the_slow_checker_sees_what_is_planted() {
    let mut world = regions::three(60);
    world.workloads[SourceId(0)].data_class = None;
    let policy = tiers(Some("nearest"), "least_request", GatewayPlacement::PerRegion);
    let told = || World::new(&world, &policy, 1, Diary::default()).unwrap().run(|_, _| true);
    let (summary, diary) = told();
    check_all(&world, &policy, &summary, &diary).unwrap();
    type Plant = fn(&mut Diary);
    let plants: [Plant; 8] = [
        |diary| diary.told.swap(0, 50),
        |diary| diary.ended.truncate(40),
        |diary| diary.ended[7].1.legs.add(Leg::Hop, Span(1)),
        |diary| diary.ended[7].1.cached_tokens += 1,
        |diary| diary.ended[7].1.ended_at += Span(1),
        |diary| diary.ended[7].1.region = Some(RegionId(9)),
        |diary| diary.steps[3].1[2] += 1,
        |diary| diary.ended[7].1.output_tokens += 1,
    ];
    for (number, plant) in plants.into_iter().enumerate() {
        let (summary, mut diary) = told();
        plant(&mut diary);
        assert!(check_all(&world, &policy, &summary, &diary).is_err(), "plant {number} was not seen");
    }
}
