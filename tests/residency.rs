//! No policy, retry, spill, line or server of names moves a request where its data class or its own rule forbids: random small
//! worlds with outages of replicas and gateways, judged by the audit, which shares no code with the dispatch.

#[path = "common/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::sample::Index;
use regionsim::dist::Dist;
use regionsim::fleet::admission::{
    AdmissionParams, GateParams, Over, QueueParams, SaturationParams, ShedParams, Signal, ThrottleParams,
};
use regionsim::fleet::{
    DnsParams, Effect, HealthParams, Incident, OperationsParams, Place, RetryParams, SpillParams,
};
use regionsim::id::{DataClassId, Id, IdVec, PoolId, RegionId, ReplicaId};
use regionsim::network::RegionSet;
use regionsim::observe::{Leg, Observation, Observer, Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::{
    CacheView, Feed, LoadView, OnStale, PolicySpec, Poll, Probe, REGISTRY, RttView, Store, Views,
};
use regionsim::run::Audit;
use regionsim::time::{SimTime, Span};
use regionsim::world::params::{
    GatewayPlacement, OriginParams, PolicyParams, RegionParams, ResidencyParams, WorldParams,
};
use regionsim::world::{World, gateway_regions};
use std::collections::BTreeSet;
use world::{one_region, poisson, policy, queue, workload};

/// A bit for each of three regions; the fourth stands for all.
fn mask(bits: u8) -> RegionSet {
    if bits & 8 != 0 {
        RegionSet::ALL
    } else {
        (0..3).filter(|bit| bits >> bit & 1 == 1).map(RegionId).collect()
    }
}

/// Process, decrypt and transit; cache, store and index; a closed path by 3 from + to; preferred.
type Rule = (u8, u8, u8, [Option<u8>; 3], Option<u8>, bool);
/// Own requests a replica at which the gate closes; capacity and time of the line, none for no line; a shedding scale; K.
type Admit = (u32, Option<(Option<u32>, Option<u64>)>, Option<f64>, Option<f64>);
type Hit = (u64, Option<u64>, u32, bool, bool);

/// A gate, a line, shedding and throttling.
fn admit((requests, queue, shed, throttle): Admit) -> AdmissionParams {
    let bounds = |(capacity, timeout): (Option<u32>, Option<u64>)| QueueParams {
        capacity,
        timeout: timeout.map(Span::from_ms),
        ..QueueParams::default()
    };
    AdmissionParams {
        saturation: SaturationParams { signal: Signal::Concurrency { requests }, over: Over::default() },
        gate: Some(GateParams::default()),
        shed: shed.map(|scale| ShedParams { scale, power: 1.0, from_priority: 0 }),
        queue: queue.map(bounds),
        throttle: throttle.map(|k| ThrottleParams {
            k,
            window: Span::from_secs(1),
            ..ThrottleParams::default()
        }),
    }
}

/// What a composition is put together from: a filter, a guard, two scorers, a pick, each by number; a limit; whether the
/// caches tell its index, and what happens where the filter leaves nobody.
type Blocks = ([Index; 5], u32, bool, Index);

const FILTERS: [&str; 10] = [
    "below = { signal = 'inflight_reqs', limit = LIMIT, on_empty = 'EMPTY' }",
    "at_most = { signal = 'running', limit = LIMIT, on_empty = 'EMPTY' }",
    "within_of_min = { signal = 'rtt_ms', abs = LIMIT, on_empty = 'EMPTY' }",
    "mean_plus_sigma = { signal = 'window_uncached_tokens', k = 0, on_empty = 'EMPTY' }",
    "below = { signal = 'ttft_pred_ms', limit = LIMIT, on_empty = 'EMPTY' }",
    "at_least = { signal = 'drain_rate', limit = LIMIT, on_empty = 'EMPTY' }",
    "at_most = { signal = 'price', limit = LIMIT, on_empty = 'EMPTY' }",
    "match_best = { on_empty = 'EMPTY' }",
    "home = { vnodes = 16, on_empty = 'EMPTY' }",
    "nearest = { on_empty = 'EMPTY' }",
];
const GUARDS: [&str; 4] = [
    "imbalance = { signal = 'inflight_reqs', abs = LIMIT }",
    "match_above = { ratio = 0.5 }",
    "all_above = { signal = 'prefix_requests', limit = LIMIT }",
    "chance = { ratio = 0.5 }",
];
const SIGNALS: [&str; 13] = [
    "inflight_reqs",
    "running",
    "waiting",
    "uncached_tokens",
    "active_blocks",
    "rtt_ms",
    "healthy_replicas",
    "ttft_ms",
    "ttft_pred_ms",
    "drain_rate",
    "prefix_requests",
    "price",
    "carbon",
];
const PICKS: [&str; 12] = [
    "{ best = { tie = 'first' } }",
    "{ best = { tie = 'least_recent' } }",
    "{ p2c = { choices = 2, tie = 'drawn' } }",
    "{ softmax = { temperature = 0.5 } }",
    "'weighted_random'",
    "'smooth_wrr'",
    "{ maglev = { slots = 101 } }",
    "{ ring = { vnodes = 8 } }",
    "'rendezvous'",
    "'round_robin'",
    "'random'",
    "'queue'",
];
const ON_EMPTY: [&str; 4] = ["keep_all", "next", "reject", "queue"];

/// A composition of these blocks.
fn compose(([filter, guard, one, other, pick], limit, caches, on_empty): &Blocks) -> PolicySpec {
    let take = |list: &[&'static str], index: &Index| list[index.index(list.len())];
    let pick = take(&PICKS, pick);
    let on_empty = take(&ON_EMPTY, on_empty);
    let scored = ["best", "p2c", "softmax", "weighted", "smooth"].iter().any(|name| pick.contains(name));
    let term = |index| {
        format!("{{ signal = '{}', direction = 'max', transform = 'max_min' }}", take(&SIGNALS, index))
    };
    let score = if scored { format!("score = [{}, {}], ", term(one), term(other)) } else { String::new() };
    let leaf = format!("{score}pick = {pick}");
    let otherwise = if on_empty == "next" { ", otherwise = { pick = 'random' }" } else { "" };
    let body = format!(
        "filters = [{{ {} }}], if = {{ {} }}, then = {{ {leaf} }}, else = {{ pick = 'round_robin' }}{otherwise}",
        take(&FILTERS, filter),
        take(&GUARDS, guard),
    );
    let body = body.replace("LIMIT", &limit.to_string()).replace("EMPTY", on_empty);
    let reads = |names: &[&str]| names.iter().any(|name| body.contains(name));
    let mut keys = String::new();
    if reads(&["match_", "'uncached_tokens"]) {
        keys += if *caches { "index = { insert = 'oracle' }, " } else { "index = { insert = 'sent' }, " };
    }
    let tables = [
        ("price", "price = { a = 1.0, b = 2.0, c = 0.5 }, "),
        ("carbon", "carbon = { a = 30, b = 380, c = 9 }, "),
    ];
    tables.iter().filter(|(name, _)| reads(&[name])).for_each(|(_, table)| keys += table);
    let text = format!("compose = {{ {keys}{body} }}");
    let spec: PolicySpec = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(spec.validate().is_empty(), "{text}: {:?}", spec.validate());
    spec
}

/// What gateways see: as it is, polled, reported or from a store, so many milliseconds late.
fn views((which, ms): (u8, u64)) -> Views {
    let (late, every) = (Span::from_ms(ms), Span::from_ms(20 + ms));
    let feed = Feed { delay: late, loss: 0.1 };
    let load = match which % 4 {
        0 => LoadView::Oracle,
        1 => LoadView::Poll(Poll {
            every,
            jitter: Span::ZERO,
            delay: late,
            loss: 0.1,
            ewma: 0.5,
            stale_after: Some(every),
            on_stale: OnStale::Worst,
        }),
        2 => LoadView::Event(feed),
        _ => LoadView::Store(Store {
            at: RegionId(u32::from(which) % 3),
            write_every: every,
            write_delay: late,
            read_every: every,
            stale_after: None,
            on_stale: OnStale::Ignore,
        }),
    };
    let cache = if which < 8 { CacheView::Oracle } else { CacheView::Event(feed) };
    let rtt = if which % 3 == 0 { RttView::Configured } else { RttView::Probe(Probe { every, ewma: 0.3 }) };
    Views { load, cache, rtt, ..Views::default() }
}

#[derive(Clone, Debug)]
struct Recipe {
    replicas: [u32; 3],
    rtt_ms: Vec<u64>,
    rules: Vec<Rule>,
    classes: [Index; 3],
    policy: (Index, Option<Index>, Option<u32>),
    /// Compositions in place of the policies: of the replica tier and of the first.
    composed: [Option<Blocks>; 2],
    /// What gateways see, and how late.
    views: (u8, u64),
    /// By origin, the regions whose gateways are open to it.
    doors: [Option<u8>; 3],
    incidents: Vec<Hit>,
    retry: Option<(u32, u64)>,
    spill: Option<(u64, u32, Option<u64>)>,
    /// Time to live, share of misplaced clients.
    dns: Option<(u64, f64)>,
    admission: Option<Admit>,
    /// Regions that the workload's requests allow themselves.
    own: Option<u8>,
    gateways: u32,
    service_us: u32,
    seed: u64,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let any_set = || proptest::option::weighted(0.3, 0u8..16);
    let closed = proptest::option::weighted(0.3, 0u8..9);
    let rule = (1u8..16, 1u8..16, 1u8..16, [any_set(), any_set(), any_set()], closed, any::<bool>());
    let world = (
        [0u32..3, 0u32..3, 1u32..3],
        proptest::collection::vec(0u64..200, 9),
        proptest::collection::vec(rule, 1..4),
        any::<[Index; 3]>(),
        (any::<Index>(), proptest::option::of(any::<Index>()), proptest::option::weighted(0.3, 0u32..3)),
    );
    let hit = (0u64..1_000, proptest::option::of(1u64..800), 0u32..12, any::<bool>(), any::<bool>());
    let trouble = (
        proptest::collection::vec(hit, 0..6),
        proptest::option::weighted(0.7, (1u32..5, 0u64..50)),
        proptest::option::of((1u64..200, 0u32..4, proptest::option::of(0u64..200))),
        1u32..200_000,
        any::<u64>(),
    );
    use proptest::option::{of, weighted};
    let line = of((of(0u32..8), of(1u64..500)));
    let doors = (
        of((0u64..400, 0.0f64..0.6)),
        weighted(0.5, (1u32..4, line, of(0.0f64..2.0), of(1.0f64..3.0))),
        weighted(0.4, 1u8..8),
        1u32..3,
        [weighted(0.3, 1u8..8), weighted(0.3, 1u8..8), weighted(0.3, 1u8..8)],
    );
    let blocks = || weighted(0.4, (any::<[Index; 5]>(), 0u32..6, any::<bool>(), any::<Index>()));
    let seen = ([blocks(), blocks()], (0u8..16, 0u64..200));
    (world, trouble, doors, seen).prop_map(|(world, trouble, doors, (composed, views))| {
        let (replicas, rtt_ms, rules, classes, policy) = world;
        let (incidents, retry, spill, service_us, seed) = trouble;
        let (dns, admission, own, gateways, doors) = doors;
        Recipe {
            replicas,
            rtt_ms,
            rules,
            classes,
            policy,
            composed,
            views,
            doors,
            incidents,
            retry,
            spill,
            dns,
            admission,
            own,
            gateways,
            service_us,
            seed,
        }
    })
}

fn build(recipe: &Recipe) -> (WorldParams, PolicyParams) {
    let mut world = one_region(0, ServerParams::Fifo(queue(2, Some(8))));
    world.regions = ["a", "b", "c"].map(|name| RegionParams { name: name.into() }).into_iter().collect();
    let pool = world.pools[PoolId(0)].clone();
    world.pools = IdVec::new();
    for (region, &replicas) in recipe.replicas.iter().enumerate() {
        let mut pool = pool.clone();
        (pool.name, pool.region, pool.replicas) =
            (format!("pool/{region}"), RegionId(region as u32), replicas);
        world.pools.push(pool);
    }
    for (number, &(process, decrypt, transit, [cache, store, index], path, preferred)) in
        recipe.rules.iter().enumerate()
    {
        world.data_classes.push(ResidencyParams {
            name: format!("rule {number}"),
            process_in: mask(process),
            decrypt_in: mask(decrypt),
            transit_via: mask(transit),
            cache_in: cache.map(mask),
            store_in: store.map(mask),
            index_in: index.map(mask),
            closed: path
                .map(|path| {
                    (RegionId(u32::from(path / 3)), [RegionId(u32::from(path % 3))].into_iter().collect())
                })
                .into_iter()
                .collect(),
            preferred,
        });
    }
    let count = world.data_classes.len();
    let origin = world.origins[regionsim::id::OriginId(0)].clone();
    let beside = |(region, class): (usize, &Index)| OriginParams {
        name: format!("origin {region}"),
        near: RegionId(region as u32),
        data_class: DataClassId(class.index(count) as u32),
        doors: recipe.doors[region].map(mask),
        ..origin.clone()
    };
    world.origins = recipe.classes.iter().enumerate().map(beside).collect();
    world.network.rtt =
        (0..3).map(|from| (0..3).map(|to| Span::from_ms(recipe.rtt_ms[from * 3 + to])).collect()).collect();
    let service = Dist::Constant { value: f64::from(recipe.service_us) };
    let mut all = workload("all", poisson(40.0, 40, service));
    all.setting.allowed = recipe.own.map(mask);
    world.workloads = vec![all].into();
    let replicas: u32 = recipe.replicas.iter().sum();
    let incident = |&(at, length, place, region, lost): &Hit| {
        let at = SimTime(at * 1_000_000);
        let place = if place >= 9 {
            Place::Gateways(RegionId(place % 3))
        } else if region {
            Place::Region(RegionId(place % 3))
        } else {
            Place::Replica(ReplicaId(place % replicas))
        };
        let gateways = matches!(place, Place::Gateways(_));
        let effect = if lost || gateways { Effect::Down } else { Effect::Drain };
        Incident { at, until: length.map(|ms| at + Span::from_ms(ms)), place, effect }
    };
    world.operations = OperationsParams {
        incidents: recipe.incidents.iter().map(incident).collect(),
        health: HealthParams { interval: Span::from_ms(50), failures: 2, successes: 1 },
        retry: recipe.retry.map(|(attempts, backoff)| RetryParams {
            attempts,
            backoff: Span::from_ms(backoff),
            ..RetryParams::default()
        }),
        spill: recipe.spill.map(|(every, burst, added)| SpillParams {
            every: Span::from_ms(every),
            burst,
            most_added_rtt: added.map(Span::from_ms),
        }),
        dns: recipe.dns.map(|(ttl, misplaced)| DnsParams {
            ttl: Span::from_ms(ttl),
            misplaced,
            health: HealthParams { interval: Span::from_ms(50), failures: 2, successes: 1 },
        }),
    };
    let (replica, global, central) = &recipe.policy;
    let name = |index: &Index| REGISTRY[index.index(REGISTRY.len())].name;
    let gateways = central.map_or(GatewayPlacement::PerRegion, |at| GatewayPlacement::Central(RegionId(at)));
    let mut global = global.as_ref().and_then(|index| PolicySpec::from_name(name(index)));
    let [own, first] = &recipe.composed;
    if let (Some(global), Some(blocks)) = (&mut global, first) {
        *global = compose(blocks);
    }
    let replica = own.as_ref().map_or_else(|| policy(name(replica)).replica, compose);
    let (gateways_per_region, admission) = (recipe.gateways, recipe.admission.map(admit));
    let views = views(recipe.views);
    let usual = policy("random");
    (world, PolicyParams { gateways, global, replica, views, gateways_per_region, admission, ..usual })
}

/// Counts what the test must have met to be worth anything.
#[derive(Default)]
struct Met {
    retried: u64,
    failed: u64,
    no_region: u64,
    shed: u64,
    completed: u64,
    held: u64,
    turned_away: u64,
    cut: u64,
}

impl Observer for Met {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        let Observation::Ended(RequestRow { outcome, attempts, legs, .. }) = observation else { return };
        self.held += u64::from(legs.get(Leg::Hold) > Span::ZERO);
        self.cut += u64::from(*outcome == Outcome::Failed && *attempts == 0);
        self.retried += u64::from(*attempts > 1);
        match outcome {
            Outcome::Failed => self.failed += 1,
            Outcome::NoRegion => self.no_region += 1,
            Outcome::Shed => self.shed += 1,
            Outcome::Completed => self.completed += 1,
            Outcome::Rejected | Outcome::Throttled | Outcome::QueueTimeout => self.turned_away += 1,
            _ => {}
        }
    }
}

/// Panics where somebody comes in through a door that is closed to its origin.
struct Doors<'w> {
    world: &'w WorldParams,
    places: Vec<RegionId>,
}

impl Observer for Doors<'_> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        let Observation::Ended(row) = observation else { return };
        let Some(gateway) = row.gateway else { return };
        let (at, origin) = (self.places[gateway.index()], &self.world.origins[row.origin]);
        assert!(origin.doors.is_none_or(|doors| doors.contains(at)), "{row:?} came in through {at:?}");
    }
}

fn audited(recipe: &Recipe) -> (regionsim::run::AuditReport, Met) {
    let (world, policy) = build(recipe);
    let places = gateway_regions(&world, &policy);
    let doors = Doors { world: &world, places };
    let run = World::new(&world, &policy, recipe.seed, (Audit::default(), (Met::default(), doors)));
    let (audit, (met, _)) = run.expect("a sound world").run(|_, _| true).1;
    (audit.finish(&world, &policy, recipe.seed), met)
}

fn holds(recipe: &Recipe) -> Result<(), TestCaseError> {
    let (report, _) = audited(recipe);
    prop_assert_eq!(report.violations, 0, "{:?}", report);
    prop_assert_eq!(report.classes.iter().map(|class| class.requests).sum::<u64>(), 40);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_request_goes_where_its_class_forbids(recipe in recipe()) {
        holds(&recipe)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    #[ignore = "a hundred thousand worlds: for the nightly run"]
    fn no_request_ever_goes_where_its_class_forbids(recipe in recipe()) {
        holds(&recipe)?;
    }
}

#[test]
fn the_random_worlds_are_bad_enough() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut all, mut outside, mut seen) = (Met::default(), 0, 0);
    let (mut own, mut away, mut used) = (0, 0, BTreeSet::new());
    let mut composed = String::new();
    for _ in 0..400 {
        let recipe = recipe().new_tree(&mut runner).unwrap().current();
        let (report, met) = audited(&recipe);
        all.retried += met.retried;
        all.failed += met.failed;
        all.no_region += met.no_region;
        all.shed += met.shed;
        all.completed += met.completed;
        all.held += met.held;
        all.turned_away += met.turned_away;
        all.cut += met.cut;
        let paths = || report.classes.iter().flat_map(|class| &class.paths);
        own += paths().filter(|path| path.allowed.is_some()).map(|path| path.count).sum::<u64>();
        let sent = paths().filter(|path| path.served_in.is_some());
        away += sent.filter(|path| path.served_in != path.home).map(|path| path.count).sum::<u64>();
        let (_, policy) = build(&recipe);
        composed += &toml::to_string(&policy.replica).expect("a policy");
        used.extend(
            [Some(&policy.replica), policy.global.as_ref()].into_iter().flatten().map(PolicySpec::name),
        );
        outside += report.classes.iter().map(|class| class.outside).sum::<u64>();
        // What is planted is seen, wherever a rule forbids anything.
        let (world, policy) = build(&recipe);
        let mut audit = Audit::default();
        audit.plant(&world);
        let planted = audit.finish(&world, &policy, 1).violations;
        let required = |rule: &&ResidencyParams| !rule.preferred;
        let forbids = |rule: &ResidencyParams| world.regions.ids().any(|id| !rule.process_in.contains(id));
        assert_eq!(planted, u64::from(world.data_classes.iter().filter(required).any(forbids)));
        seen += planted;
    }
    assert!(all.retried > 100 && all.failed > 100 && all.no_region > 100, "{} {}", all.retried, all.failed);
    assert!(all.shed > 20 && all.completed > 1_000, "{} {}", all.shed, all.completed);
    assert!(outside > 20 && seen > 100, "{outside} {seen}");
    assert!(
        all.held > 100 && all.turned_away > 100 && all.cut > 100,
        "{} {} {}",
        all.held,
        all.turned_away,
        all.cut
    );
    assert!(own > 1_000 && away > 1_000, "{own} {away}");
    assert_eq!(used.len(), REGISTRY.len(), "every policy");
    for part in SIGNALS.into_iter().chain(["maglev", "softmax", "queue", "[compose.otherwise]", "imbalance"])
    {
        assert!(composed.contains(part), "{part}");
    }
}
