//! What must not change when something that cannot matter does, and what must change by exactly so much. None of
//! these needs to know a right answer: each compares runs with each other.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regions::{all_policies, chat, engine, exact, linear, moved, pool, replica_names, three, tiers};
use regionsim::dist::Dist;
use regionsim::id::{DataClassId, Id, OriginId, PoolId, RegionId, ReplicaId, SourceId};
use regionsim::network::{Connection, LastMileParams, RegionSet};
use regionsim::observe::{Leg, Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::{PolicySpec, REGISTRY};
use regionsim::time::Span;
use regionsim::workload::params::{
    OriginAssignment, SharedPrefix, SyntheticParams, Tokens, TraceParams, WorkloadKind,
};
use regionsim::workload::{ReadOptions, load_trace};
use regionsim::world::params::{GatewayPlacement, Isolation, PolicyParams, RegionParams, WorldParams};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use world::{run, workload};

const PER_REGION: GatewayPlacement = GatewayPlacement::PerRegion;

fn synthetic(world: &mut WorldParams) -> &mut SyntheticParams {
    match &mut world.workloads[SourceId(0)].kind {
        WorkloadKind::Synthetic(synthetic) => synthetic,
        WorkloadKind::Trace(_) | WorkloadKind::Pool(_) => panic!("it is generated"),
    }
}

/// Row by row, so that a failure shows the first that differs and not all.
fn same(what: &str, left: &[RequestRow], right: &[RequestRow]) {
    assert_eq!(left.len(), right.len(), "{what}: number of rows");
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right, "{what}");
    }
}

fn rows(world: &WorldParams, policy: &PolicyParams, seed: u64) -> Vec<RequestRow> {
    let rows = run(world, policy, seed).1.rows;
    assert!(!rows.is_empty());
    rows
}

#[test]
fn equal_seeds_are_equal_and_different_ones_differ_under_every_policy() {
    let world = three(250);
    let (mut preempted, mut cached) = (0, 0);
    for policy in all_policies() {
        let (summary, keep) = run(&world, &policy, 7);
        let (again, kept) = run(&world, &policy, 7);
        same(&policy.name, &keep.rows, &kept.rows);
        assert_eq!(
            (summary.outcome_digest, summary.events, summary.end),
            (again.outcome_digest, again.events, again.end),
            "{}",
            policy.name
        );
        let (other, _) = run(&world, &policy, 8);
        assert_ne!(summary.outcome_digest, other.outcome_digest, "{}", policy.name);
        preempted += keep.rows.iter().map(|row| row.preemptions).sum::<u32>();
        cached += keep.rows.iter().filter(|row| row.cached_tokens > 0).count();
    }
    assert!(preempted > 0 && cached > 1_000, "the world has it all: {preempted} {cached}");
}

/// Puts a region at `place`, with `replicas`, that no request may go to.
fn with_far_region(world: &WorldParams, place: u32, replicas: u32) -> WorldParams {
    let shift = |region: RegionId| RegionId(region.0 + u32::from(region.0 >= place));
    let set = |old: RegionSet| -> RegionSet {
        (0..world.regions.len() as u32).map(RegionId).filter(|&id| old.contains(id)).map(shift).collect()
    };
    let mut wider = world.clone();
    let mut names: Vec<RegionParams> = world.regions.iter().cloned().collect();
    names.insert(place as usize, RegionParams { name: "far".into() });
    wider.regions = names.into();
    wider.pools.iter_mut().for_each(|pool| pool.region = shift(pool.region));
    wider.origins.iter_mut().for_each(|origin| origin.near = shift(origin.near));
    let mut pools: Vec<_> = wider.pools.iter().cloned().collect();
    let before = pools.iter().filter(|pool| pool.region.0 < place).count();
    pools.insert(before, pool("far/main", place, replicas));
    wider.pools = pools.into();
    let known = &mut wider.data_classes[DataClassId(1)];
    known.process_in = set(known.process_in);
    let far = Span::from_ms(2);
    for row in &mut wider.network.rtt {
        row.insert(place as usize, far);
    }
    wider.network.rtt.insert(place as usize, vec![far; wider.regions.len()]);
    wider
}

#[test]
fn a_region_that_nothing_can_reach_changes_no_other_number() {
    // It is close to everybody, so that every policy that could would go there.
    let world = three(200);
    let in_front: BTreeMap<u32, u32> = [(0, 0), (1, 2), (3, 7)].into();
    for (place, replicas) in [(3, 2), (3, 0), (0, 2), (1, 1), (0, 0)] {
        let wider = with_far_region(&world, place, replicas);
        for plain in all_policies() {
            let mut policy = plain.clone();
            if let GatewayPlacement::Central(region) = &mut policy.gateways {
                region.0 += u32::from(region.0 >= place);
            }
            let map_region = |region: RegionId| RegionId(region.0 + u32::from(region.0 >= place));
            let pushed =
                |id: ReplicaId| ReplicaId(id.0 + if id.0 >= in_front[&place] { replicas } else { 0 });
            let per_region = policy.gateways == PER_REGION;
            let alone: Vec<RequestRow> = (rows(&world, &plain, 3).iter())
                .map(|row| moved(row, per_region, map_region, pushed))
                .collect();
            let (summary, keep) = run(&wider, &policy, 3);
            same(&format!("{} with a region at {place}", policy.name), &alone, &keep.rows);
            let idle = summary.replicas.iter().filter(|sample| sample.region == RegionId(place));
            assert_eq!(idle.clone().count() as u32, replicas);
            assert!(
                idle.clone().all(|sample| sample.work == regionsim::observe::Work::default()),
                "{}",
                policy.name
            );
        }
    }
}

#[test]
fn a_region_without_replicas_changes_nothing_even_for_those_who_might_go_there() {
    let mut world = three(200);
    world.origins.iter_mut().for_each(|origin| origin.data_class = DataClassId(0));
    let wider = with_far_region(&world, 3, 0);
    for policy in all_policies() {
        let (summary, keep) = run(&wider, &policy, 3);
        let (alone, kept) = run(&world, &policy, 3);
        same(&policy.name, &kept.rows, &keep.rows);
        assert_eq!(alone.outcome_digest, summary.outcome_digest, "{}", policy.name);
    }
}

/// The same world with its regions in another order: region `i` becomes region `order[i]`.
fn relabelled(world: &WorldParams, order: [u32; 3]) -> WorldParams {
    let new = |region: RegionId| RegionId(order[region.index()]);
    let old: Vec<RegionId> =
        (0..3).map(|to| RegionId(order.iter().position(|&at| at == to).unwrap() as u32)).collect();
    let mut other = world.clone();
    other.regions = old.iter().map(|&region| world.regions[region].clone()).collect();
    other.pools.iter_mut().for_each(|pool| pool.region = new(pool.region));
    let mut pools: Vec<_> = other.pools.iter().cloned().collect();
    pools.sort_by_key(|pool| pool.region);
    other.pools = pools.into();
    other.origins.iter_mut().for_each(|origin| origin.near = new(origin.near));
    other.network.rtt = (old.iter())
        .map(|from| old.iter().map(|to| world.network.rtt[from.index()][to.index()]).collect())
        .collect();
    other
}

/// How `world`'s replicas are numbered in `other`, by name.
fn renumbering(world: &WorldParams, other: &WorldParams) -> Vec<ReplicaId> {
    let theirs: BTreeMap<String, ReplicaId> =
        replica_names(other).enumerate().map(|(id, name)| (name.clone(), id)).collect();
    replica_names(world).iter().map(|name| theirs[name]).collect()
}

#[test]
fn regions_in_another_order_permute_results_where_no_tie_goes_by_number() {
    // Symmetric: whatever chooses a region by distance or by its name's hash, and then anything within the region,
    // whose replicas keep their order; and what hashes the names of all replicas.
    let world = three(200);
    let mut policies: Vec<PolicyParams> = vec![];
    for gateways in [PER_REGION, GatewayPlacement::Central(RegionId(1))] {
        for global in ["nearest", "session", "chwbl"] {
            policies.extend(REGISTRY.iter().map(|entry| tiers(Some(global), entry.name, gateways)));
            policies.push(tiers(None, global, gateways));
        }
    }
    let order = [2, 0, 1];
    let other = relabelled(&world, order);
    let renumbered = renumbering(&world, &other);
    assert_ne!(renumbered[0], ReplicaId(0));
    for plain in policies {
        let mut policy = plain.clone();
        if let GatewayPlacement::Central(region) = &mut policy.gateways {
            *region = RegionId(order[region.index()]);
        }
        let expected: Vec<RequestRow> = (rows(&world, &plain, 5).iter())
            .map(|row| {
                let region = |id: RegionId| RegionId(order[id.index()]);
                moved(row, plain.gateways == PER_REGION, region, |id| renumbered[id.index()])
            })
            .collect();
        same(&plain.name, &expected, &rows(&other, &policy, 5));
    }
}

#[test]
fn equal_replicas_in_another_order_permute_results_under_hashes_and_change_nothing_otherwise() {
    let world = three(250);
    // The two pools of one replica in eu change places; in all else they are equal.
    let mut swapped = world.clone();
    let (a, b) = (world.pools[PoolId(0)].clone(), world.pools[PoolId(1)].clone());
    (swapped.pools[PoolId(0)], swapped.pools[PoolId(1)]) = (b, a);
    let renumbered = renumbering(&world, &swapped);
    assert_eq!(renumbered[..2], [ReplicaId(1), ReplicaId(0)]);
    for entry in REGISTRY {
        for policy in [tiers(None, entry.name, PER_REGION), tiers(Some("nearest"), entry.name, PER_REGION)] {
            // A policy that hashes names follows the name; any other never sees it.
            let by_name = ["session", "chwbl"].contains(&entry.name);
            let expected: Vec<RequestRow> = (rows(&world, &policy, 5).iter())
                .map(|row| moved(row, false, |id| id, |id| if by_name { renumbered[id.index()] } else { id }))
                .collect();
            let found = rows(&swapped, &policy, 5);
            same(&policy.name, &expected, &found);
            let total = |rows: &[RequestRow], of: fn(&RequestRow) -> u64| rows.iter().map(of).sum::<u64>();
            for of in [(|row| u64::from(row.cached_tokens)) as fn(&RequestRow) -> u64, |row| {
                row.ended_at.0 - row.sent_at.0
            }] {
                assert_eq!(total(&expected, of), total(&found, of));
            }
        }
    }
}

/// Policies that look at nothing that a delay could change.
fn deaf() -> Vec<PolicyParams> {
    let mut bounded = tiers(None, "chwbl", PER_REGION);
    bounded.name = "chwbl without a bound".into();
    bounded.replica = toml::from_str::<PolicySpec>("chwbl = { load_factor = 1e6 }").unwrap();
    let mut all: Vec<PolicyParams> =
        ["round_robin", "random", "session", "nearest"].map(|name| tiers(None, name, PER_REGION)).into();
    all.push(tiers(Some("nearest"), "round_robin", PER_REGION));
    all.push(tiers(Some("session"), "random", PER_REGION));
    all.push(bounded);
    all
}

#[test]
fn a_longer_round_trip_adds_itself_to_every_latency() {
    let mut world = exact(three(400));
    synthetic(&mut world).turns = Dist::Constant { value: 1.0 };
    let later = |d: Span| {
        let mut world = world.clone();
        world.network.rtt.iter_mut().flatten().for_each(|rtt| *rtt += d);
        world
    };
    let compare = |world: &WorldParams, far: &WorldParams, policy: &PolicyParams, by: Span| {
        let (near, far) = (rows(world, policy, 11), rows(far, policy, 11));
        assert_eq!(near.len(), far.len());
        for (near, far) in near.iter().zip(&far) {
            assert_eq!(near.outcome, Outcome::Completed);
            assert_eq!((near.id, near.replica, near.sent_at), (far.id, far.replica, far.sent_at));
            assert_eq!(near.ttft().unwrap() + by, far.ttft().unwrap(), "{}: TTFT", policy.name);
            assert_eq!(near.e2e().unwrap() + by, far.e2e().unwrap(), "{}: E2E", policy.name);
            assert_eq!(near.cached_tokens, far.cached_tokens);
        }
    };
    let d = Span(37_000_002);
    for policy in deaf() {
        compare(&world, &later(d), &policy, d);
    }
    // One gateway far from every client: a message goes there and on, so d counts twice; and once more for each
    // round trip of connecting.
    world.origins.iter_mut().for_each(|origin| origin.near = RegionId(0));
    for setup in [0, 2] {
        let mut cold = world.clone();
        cold.origins.iter_mut().for_each(|o| o.connection = Connection::Cold { setup_round_trips: setup });
        let mut far = cold.clone();
        far.network.rtt.iter_mut().flatten().for_each(|rtt| *rtt += d);
        for mut policy in deaf() {
            policy.gateways = GatewayPlacement::Central(RegionId(1));
            compare(&cold, &far, &policy, Span(d.0 * (2 + u64::from(setup))));
        }
    }
}

/// Conversations with times that are multiples of `k`, as a trace: everything in it is an integer.
fn conversations(k: u64, folder: &std::path::Path) -> TraceParams {
    let mut text = String::from("{\"regionsim_trace\":1,\"block_tokens\":16,\"id_scope\":\"chat\"}\n");
    let mut stream = regionsim::rng::Key::root(99).stream();
    let mut at = 0u64;
    for session in 1..=120u64 {
        at += u64::from(stream.below(250_000_000)) & !1;
        let (system, mut history) = (1 + u64::from(stream.below(3)), 256u32);
        for turn in 0..3 {
            let (input, output) = (history + 1 + stream.below(400), 1 + stream.below(120));
            let when = match turn {
                0 => format!("\"t_ns\":{}", at * k),
                _ => format!("\"think_ns\":{}", (1_000_000_000 + u64::from(stream.below(1_000_000_000))) * k),
            };
            let own = (input + output) / 16 - 16;
            let _ = writeln!(
                text,
                "{{{when},\"in\":{input},\"out\":{output},\"session\":{session},\"turn\":{turn},\"runs\":\
                 [[{system},0,16],[{},0,{own}]]}}",
                100 + session
            );
            history = input + output;
        }
    }
    let path = folder.join(format!("times-{k}.jsonl"));
    std::fs::write(&path, text).unwrap();
    let trace = load_trace(&path, &ReadOptions::default(), 16).unwrap_or_else(|error| panic!("{error}"));
    TraceParams { raw_times: true, ..TraceParams::new(Arc::new(trace)) }
}

fn slowed(k: u64, folder: &std::path::Path) -> WorldParams {
    let mut world = exact(three(1));
    let kind = WorkloadKind::Trace(conversations(k, folder));
    world.workloads[SourceId(0)].kind = kind;
    world.network.bandwidth_bytes_per_s = None;
    world.network.rtt.iter_mut().flatten().for_each(|rtt| rtt.0 *= k);
    world.origins.iter_mut().for_each(|origin| origin.last_mile.median_rtt.0 *= k);
    for pool in world.pools.iter_mut() {
        pool.timing = Some(linear(k as u32));
        pool.ingress.base.0 *= k;
        pool.ingress.per_token.0 *= k;
    }
    world
}

#[test]
fn time_that_runs_slower_by_a_factor_makes_every_latency_longer_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = slowed(1, folder.path());
    for k in [3, 4] {
        let slow = slowed(k, folder.path());
        for policy in all_policies() {
            let mut later = policy.clone();
            later.decision_time.0 *= k;
            // What a policy knows of time is slowed too: times grow, rates fall, and a power of two is exact.
            let times = k as f64;
            for spec in [Some(&mut later.replica), later.global.as_mut()].into_iter().flatten() {
                match spec {
                    PolicySpec::Gorgo(params) => params.rtt /= times,
                    PolicySpec::GorgoV1(params) => params.prefill_ms_per_token *= times,
                    PolicySpec::GorgoDistributed(params) => params.prefill_ms_per_token *= times,
                    PolicySpec::GorgoDigest(params) => params.latency /= times,
                    PolicySpec::CacheAware(params) => params.eviction_interval.0.0 *= k,
                    PolicySpec::NearestWithinBudget(params) => {
                        params.budget_ms *= times;
                        params.inference_ms *= times;
                        params.margin_ms *= times;
                        params.network_ms *= times;
                        params.queue_ms_per_token *= times;
                    }
                    _ => {}
                }
            }
            if k == 3 && (policy.name.contains("gorgo") || policy.name.contains("budget")) {
                continue;
            }
            let (fast, slow) = (rows(&plain, &policy, 2), rows(&slow, &later, 2));
            assert_eq!(fast.len(), 360);
            let expected: Vec<RequestRow> = fast
                .iter()
                .map(|row| {
                    let mut row = *row;
                    let legs = row.legs;
                    for leg in Leg::ALL {
                        row.legs.add(leg, Span(legs.get(leg).0 * (k - 1)));
                    }
                    row.sent_at.0 *= k;
                    row.ended_at.0 *= k;
                    row.first_token_at.iter_mut().for_each(|at| at.0 *= k);
                    row.server_ttft.iter_mut().for_each(|span| span.0 *= k);
                    row
                })
                .collect();
            same(&format!("{} at {k}", policy.name), &expected, &slow);
        }
    }
}

#[test]
fn prompts_that_share_nothing_do_not_feel_the_prefix_cache() {
    let mut world = three(300);
    let params = synthetic(&mut world);
    params.system = None;
    params.turns = Dist::Constant { value: 1.0 };
    params.sessions_per_s = 60.0;
    let mut without = world.clone();
    for pool in without.pools.iter_mut() {
        let ServerParams::Engine(engine) = &mut pool.server else { unreachable!() };
        engine.prefix_cache = false;
    }
    let mut preempted = 0;
    for policy in all_policies() {
        // What a preempted request finds again are its own blocks: with the cache, that is all there is to find.
        let (with, without) = (rows(&world, &policy, 4), rows(&without, &policy, 4));
        preempted += without.iter().map(|row| row.preemptions).sum::<u32>();
        assert!(with.iter().all(|row| row.cached_tokens == 0));
        if with.iter().all(|row| row.preemptions == 0) {
            same(&policy.name, &with, &without);
        }
    }
    // And with room for all, nothing is preempted and all are equal.
    for world in [&mut world, &mut without] {
        for pool in world.pools.iter_mut() {
            let ServerParams::Engine(engine) = &mut pool.server else { unreachable!() };
            engine.kv_blocks = 5_000;
        }
    }
    for policy in all_policies() {
        same(&policy.name, &rows(&world, &policy, 4), &rows(&without, &policy, 4));
    }
    assert!(preempted > 0, "some pools were too small");
}

#[test]
fn more_room_never_lowers_the_hits_of_one_replica_that_serves_one_at_a_time() {
    // Equal requests in equal order, one at a time: least-recently-used has the inclusion property (Mattson et al.,
    // 1970), so every single request finds at least as much.
    let mut world = three(1);
    world.regions = vec![RegionParams { name: "eu".into() }].into();
    world.pools = vec![pool("eu/main", 0, 1)].into();
    world.origins.iter_mut().for_each(|origin| origin.near = RegionId(0));
    world.network.rtt = vec![vec![Span::ZERO]];
    world.workloads = vec![workload(
        "documents",
        SyntheticParams {
            turns: Dist::Constant { value: 1.0 },
            documents: Some(SharedPrefix {
                count: 40,
                tokens: Tokens::new(Dist::Lognormal { median: 600.0, sigma: 0.6 }, 1_500),
                zipf: 0.8,
                shared_as: None,
            }),
            ..chat(600)
        },
    )]
    .into();
    let mut before: Option<Vec<RequestRow>> = None;
    let mut totals = BTreeSet::new();
    for kv_blocks in [260, 300, 400, 600, 1_000, 2_000, 4_000] {
        world.pools[PoolId(0)].server =
            ServerParams::Engine(regionsim::replica::EngineParams { max_num_seqs: 1, ..engine(kv_blocks) });
        let now = rows(&world, &world::policy("round_robin"), 6);
        assert!(now.iter().all(|row| row.outcome == Outcome::Completed), "all fit the smallest");
        for (less, more) in before.iter().flatten().zip(&now) {
            assert!(less.cached_tokens <= more.cached_tokens, "{kv_blocks}: {less:?} {more:?}");
        }
        totals.insert(now.iter().map(|row| u64::from(row.cached_tokens)).sum::<u64>());
        before = Some(now);
    }
    assert!(totals.len() >= 5, "the capacities differ in what they hold: {totals:?}");
}

/// What a client brings along, whatever becomes of it.
type Brought = (OriginId, u32, u32, u32, u32, u64, u32);

fn brought(row: &RequestRow) -> Brought {
    (row.origin, row.class.0, row.data_class.0, row.tenant.0, row.prompt_tokens, row.session, row.turn)
}

#[test]
fn no_policy_shifts_the_workload_or_another_draw() {
    let world = three(250);
    let mut clients: BTreeMap<u64, Brought> = BTreeMap::new();
    let mut starts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut outputs: BTreeMap<u64, u32> = BTreeMap::new();
    let mut access: BTreeMap<(u64, u32), (Span, Span)> = BTreeMap::new();
    let mut hops: BTreeMap<(u64, u32, u32), Span> = BTreeMap::new();
    let (mut met_again, mut regions) = (0, BTreeSet::new());
    for (index, policy) in all_policies().into_iter().enumerate() {
        let (_, keep) = run(&world, &policy, 21);
        assert!(index == 0 || keep.rows.len() == clients.len(), "{}", policy.name);
        for row in &keep.rows {
            let agree = |ok: bool, what: &str| {
                assert!(ok, "{}: {what} of request {:x} is another under this policy", policy.name, row.key);
            };
            agree(*clients.entry(row.key).or_insert_with(|| brought(row)) == brought(row), "what it brings");
            agree(*outputs.entry(row.key).or_insert(row.output_tokens) == row.output_tokens, "its output");
            if row.turn == 0 {
                agree(*starts.entry(row.key).or_insert(row.sent_at.0) == row.sent_at.0, "its time");
            }
            // The way to the same gateway, and from there to the same region, takes the same time.
            let gateway = match policy.gateways {
                GatewayPlacement::Central(region) => region.0,
                GatewayPlacement::PerRegion => row.gateway.unwrap().0,
            };
            let legs = (row.legs.get(Leg::LastMile), row.legs.get(Leg::Connect));
            agree(*access.entry((row.key, gateway)).or_insert(legs) == legs, "its access");
            let hop = row.legs.get(Leg::Hop);
            let region = row.region.unwrap().0;
            regions.insert((gateway, region));
            if let Some(before) = hops.insert((row.key, gateway, region), hop) {
                met_again += 1;
                agree(before == hop, "its hop");
            }
        }
    }
    assert!(met_again > 5_000 && regions.len() == 9, "{met_again} {regions:?}");
}

#[test]
fn tenants_kept_apart_share_no_block() {
    // One document for everybody and a message that fills no block of its own head: any second request of a replica
    // finds the document, unless it is another tenant's.
    let mut world = three(300);
    let params = synthetic(&mut world);
    *params = SyntheticParams {
        system: None,
        documents: Some(SharedPrefix { count: 1, tokens: Tokens::fixed(320), zipf: 0.0, shared_as: None }),
        tenants: 4,
        turns: Dist::Constant { value: 1.0 },
        ..chat(300)
    };
    let mut apart = world.clone();
    apart.isolation = Isolation::Tenant;
    for policy in all_policies() {
        let firsts = |world: &WorldParams| {
            let rows = rows(world, &policy, 9);
            let mut seen: BTreeMap<(ReplicaId, u32), RequestRow> = BTreeMap::new();
            let mut replicas: BTreeMap<ReplicaId, RequestRow> = BTreeMap::new();
            let delivered = |row: &RequestRow| {
                [Leg::LastMile, Leg::Connect, Leg::Route, Leg::Hold, Leg::Hop, Leg::Ingress, Leg::Queue]
                    .iter()
                    .fold(row.sent_at, |at, &leg| at + row.legs.get(leg))
            };
            for row in rows.iter().filter(|row| row.outcome == Outcome::Completed) {
                let replica = row.replica.unwrap();
                for earliest in [
                    seen.entry((replica, row.tenant.0)).or_insert(*row),
                    replicas.entry(replica).or_insert(*row),
                ] {
                    if delivered(row) < delivered(earliest) {
                        *earliest = *row;
                    }
                }
            }
            assert!(replicas.values().all(|row| row.cached_tokens == 0));
            let warm = seen.values().filter(|row| row.cached_tokens > 0).count();
            (warm, seen.len(), rows.iter().filter(|row| row.cached_tokens >= 320).count())
        };
        let (warm, tenants, hits) = firsts(&apart);
        assert_eq!(warm, 0, "{}: a tenant's first request found something", policy.name);
        let (shared_warm, shared_tenants, shared_hits) = firsts(&world);
        assert!(shared_warm > 0 && shared_hits > 0, "{}: without isolation it does", policy.name);
        assert!(tenants >= 4 && shared_tenants >= 4);
        assert!(hits > 0, "{}: a tenant shares with itself", policy.name);
    }
}

#[test]
fn an_access_network_adds_its_round_trips_to_ttft_exactly() {
    let world = exact(three(200));
    let mut bare = world.clone();
    for origin in bare.origins.iter_mut() {
        origin.last_mile = LastMileParams::NONE;
    }
    let mut single = world.workloads[SourceId(0)].clone();
    single.origins = OriginAssignment::Single(OriginId(0));
    for policy in deaf() {
        let (mut with, mut without) = (world.clone(), bare.clone());
        for world in [&mut with, &mut without] {
            world.workloads[SourceId(0)] = single.clone();
            synthetic(world).turns = Dist::Constant { value: 1.0 };
        }
        // 20 ms there and back, and two round trips to connect.
        for (with, without) in rows(&with, &policy, 1).iter().zip(&rows(&without, &policy, 1)) {
            assert_eq!(with.ttft().unwrap(), without.ttft().unwrap() + Span::from_ms(60), "{}", policy.name);
        }
    }
}
