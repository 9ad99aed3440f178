//! Random worlds: what a recipe draws, and the world and the policy that it makes.

use super::*;

/// What a world is made from: small numbers, each of which means something.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) regions: usize,
    pub(super) pools: Vec<(Index, u32, Server)>,
    pub(super) origins: Vec<(Index, Index, bool)>,
    /// Masks of process, decrypt and transit.
    pub(super) classes: Vec<(u8, u8, u8)>,
    pub(super) class_of_workload: Option<Index>,
    pub(super) rtt_ms: Vec<u32>,
    pub(super) jitter: bool,
    pub(super) policy: (Index, Option<Index>, Option<Index>),
    pub(super) oracle: bool,
    pub(super) workers: u32,
    pub(super) decision_us: u64,
    pub(super) isolation: bool,
    pub(super) load: Load,
    pub(super) horizon_ms: Option<u64>,
    pub(super) trouble: Option<Trouble>,
    pub(super) admission: Option<Admit>,
    pub(super) sample_ms: u64,
    pub(super) seed: u64,
}

/// A signal (concurrent requests, or depth), over home alone; then gate, shedding, line and throttling.
#[derive(Clone, Debug)]
pub(super) struct Admit {
    pub(super) signal: (bool, u32, bool),
    pub(super) gate: Option<(f64, u8)>,
    pub(super) shed: Option<f64>,
    pub(super) queue: Option<(Option<u32>, Option<u64>, u32)>,
    pub(super) throttle: Option<(f64, bool)>,
}

pub(super) fn admit() -> impl Strategy<Value = Admit> {
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

pub(super) fn build_admission(admit: &Admit) -> AdmissionParams {
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
pub(super) struct Trouble {
    pub(super) incidents: Vec<(u64, Option<u64>, Index, bool, u32)>,
    pub(super) health: (u64, u32, u32),
    pub(super) retry: Option<(u32, f64, u32, u64)>,
    pub(super) spill: Option<(u64, u32, Option<u64>)>,
    pub(super) dns: Option<(u64, f64)>,
}

pub(super) fn trouble() -> impl Strategy<Value = Trouble> {
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

pub(super) fn build_trouble(trouble: &Trouble, world: &WorldParams) -> OperationsParams {
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
pub(super) struct Load {
    pub(super) per_s: u32,
    pub(super) requests: u64,
    pub(super) tenants: u32,
    pub(super) turns: u32,
    pub(super) think_ms: u32,
    pub(super) message: f64,
    pub(super) output: f64,
    pub(super) shared: bool,
    pub(super) bursty: bool,
    pub(super) priorities: bool,
    /// How long clients wait for the first token and for the last, in milliseconds.
    pub(super) patience_ms: (Option<u32>, Option<u32>),
}

#[derive(Clone, Debug)]
pub(super) enum Server {
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

pub(super) fn server() -> impl Strategy<Value = Server> {
    let engine = (20u32..500, 16u32..600, 1u32..20, 0u32..200, 200u32..5_000, 0u32..72, 0u32..10);
    prop_oneof![
        6 => engine.prop_map(|(kv_blocks, budget, seqs, threshold, model_len, how, watermark)| {
            Server::Engine { kv_blocks, budget, seqs, threshold, model_len, how, watermark }
        }),
        1 => (1u32..4, proptest::option::of(1u32..6)).prop_map(|(slots, capacity)| Server::Fifo { slots, capacity }),
        1 => Just(Server::Ps),
    ]
}

pub(super) fn load() -> impl Strategy<Value = Load> {
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

pub(super) fn recipe() -> impl Strategy<Value = Recipe> {
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

pub(super) fn build_server(server: &Server) -> ServerParams {
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
                checkpoint_blocks: 1,
                chunked_prefill: how / 12 % 2 == 0,
                batching: if how / 24 % 3 == 1 { Batching::PrefillFirst } else { Batching::Mixed },
                async_scheduling: how / 24 % 3 == 2,
                ..engine(kv_blocks)
            })
        }
    }
}

pub(super) fn mask(bits: u8) -> RegionSet {
    // The highest bit stands for everything.
    if bits & 8 != 0 {
        RegionSet::ALL
    } else {
        (0..3).filter(|bit| bits >> bit & 1 == 1).map(RegionId).collect()
    }
}

pub(super) fn build(recipe: &Recipe) -> (WorldParams, PolicyParams) {
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
