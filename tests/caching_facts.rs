//! What is said of caches behind routers, in the form in which it is true: what blind and sticky routing find, what a small
//! region finds, what users of unequal weight do to their replicas, and that a region which never saw a prompt finds nothing.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::fleet::{Effect, Incident, Place, SpillParams};
use regionsim::id::{DataClassId, OriginId, RegionId};
use regionsim::network::{Connection, LastMileParams};
use regionsim::observe::{Outcome, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::routing::PolicySpec;
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{PolicyParams, RegionParams, ResidencyParams, WorldParams};
use std::collections::BTreeMap;
use world::{one_region, policy, run, workload};

/// Blocks of a shared prompt, and its tokens.
const PREFIX: u32 = 40;
const TOKENS: u32 = PREFIX * 16;

fn spec(text: &str) -> PolicySpec {
    toml::from_str(text).expect("a policy")
}

fn with(global: Option<&str>, replica: &str) -> PolicyParams {
    PolicyParams { global: global.map(spec), replica: spec(replica), ..policy("random") }
}

/// `prompts` equally popular prompts of forty blocks; requests add five tokens, so that nothing else is ever a whole block.
fn equal_prompts(prompts: u32, per_s: f64, requests: u64) -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Gamma { cv: 0.01 },
        sessions_per_s: per_s,
        until: Until::Requests(requests),
        system: Some(SharedPrefix {
            count: prompts,
            tokens: Tokens::fixed(TOKENS),
            zipf: 0.0,
            shared_as: None,
        }),
        message: Tokens::fixed(5),
        output: Tokens::fixed(2),
        turns: Dist::Constant { value: 1.0 },
        max_context_tokens: 4_000,
        ..SyntheticParams::default()
    }
}

/// A pool of engines, each with room for `prompts` such prompts, a last block of a request, and one that engines keep.
fn pool(name: &str, region: u32, replicas: u32, prompts: u32) -> regionsim::world::params::PoolParams {
    let mut pool = regions::pool(name, region, replicas);
    pool.server = ServerParams::Engine(regions::engine(prompts * PREFIX + 2));
    pool
}

/// The share of shared tokens that is found, past the first fifth.
fn hits<'r>(rows: impl Iterator<Item = &'r RequestRow>) -> f64 {
    let (mut cached, mut all) = (0u64, 0u64);
    for row in rows {
        assert_eq!(row.outcome, Outcome::Completed);
        cached += u64::from(row.cached_tokens);
        all += u64::from(TOKENS);
    }
    cached as f64 / all as f64
}

fn settled(rows: &[RequestRow]) -> impl Iterator<Item = &RequestRow> {
    rows[rows.len() / 5..].iter()
}

#[test]
fn blind_routing_finds_c_of_p_and_affinity_n_times_as_much() {
    // N = 4 replicas, each with room for C = 8 of P equally popular prompts: blind routing finds min(1, C/P), one that keeps a prompt
    // at a replica min(1, N·C/P). So blind is 1/N of affinity only where N·C ≤ P, and 1/N as such only where N·C = P.
    // One request at a time. ± 4·sqrt(h(1 − h)/4000) = 0.032 at most; the last block of each request takes one of
    // the oldest prompt's: up to a prompt of eight is not whole (0.0125 at h = 0.5).
    let tolerance = 0.045;
    for prompts in [16_u32, 32, 64, 128] {
        let mut world = one_region(0, ServerParams::Engine(regions::engine(2)));
        world.pools = vec![pool("home/main", 0, 4, 8)].into();
        world.workloads.push(workload("prompts", equal_prompts(prompts, 5.0, 5_000)));
        let found = |replica: &str| hits(settled(&run(&world, &with(None, replica), 3).1.rows));
        let share = 8.0 / f64::from(prompts);
        let blind = found("random = {}");
        assert!((blind - share).abs() < tolerance, "blind over {prompts}: {blind}, theory says {share}");
        // A hash does not deal prompts out evenly: at 32 some replicas have more than eight, others fewer.
        if prompts != 32 {
            let sticky = found("chwbl = { load_factor = 1000, prefix_tokens = 640, vnodes = 4096 }");
            let share = (4.0 * share).min(1.0);
            assert!(
                (sticky - share).abs() < tolerance,
                "sticky over {prompts}: {sticky}, theory says {share}"
            );
        }
    }
}

#[test]
fn the_second_use_of_a_prompt_is_found_by_chance_one_in_n() {
    // Prompts that are used over and over with room for all: at random, use n of a prompt finds it with probability
    // 1 − (1 − 1/N)^(n − 1): 0, 1/4, 7/16, 37/64 … for N = 4. 400 prompts: ± 4·sqrt(0.25/400) = 0.1.
    let mut world = one_region(0, ServerParams::Engine(regions::engine(2)));
    world.pools = vec![pool("home/main", 0, 4, 500)].into();
    let mut sessions = equal_prompts(400, 10.0, 1_600);
    // A session is a prompt: the same first message, said again by nobody else.
    sessions.system = None;
    (sessions.message, sessions.later_message) = (Tokens::fixed(TOKENS + 5), Tokens::fixed(1));
    (sessions.turns, sessions.think_s) = (Dist::Constant { value: 4.0 }, Dist::Constant { value: 60.0 });
    world.workloads.push(workload("sessions", sessions));
    let rows = run(&world, &with(None, "random = {}"), 3).1.rows;
    let found = |turn: u32| {
        let of: Vec<_> = rows.iter().filter(|row| row.turn == turn).collect();
        of.iter().filter(|row| row.cached_tokens >= TOKENS).count() as f64 / of.len() as f64
    };
    for (turn, expected) in [(0, 0.0), (1, 0.25), (2, 7.0 / 16.0), (3, 37.0 / 64.0)] {
        assert!((found(turn) - expected).abs() < 0.1, "use {turn}: {}, theory says {expected}", found(turn));
    }
    // Kept at a replica, every use but the first finds it.
    let rows = run(&world, &with(None, "session = {}"), 3).1.rows;
    assert!(rows.iter().all(|row| (row.cached_tokens >= TOKENS) == (row.turn > 0)));
}

/// Regions `us` and `eu`, 80 ms apart, with engines in a ratio of four to one and traffic in the same ratio; European
/// requests must be served in Europe.
fn four_to_one(us: u32, eu: u32, room: u32) -> WorldParams {
    let mut world = one_region(0, ServerParams::Engine(regions::engine(2)));
    world.regions = ["us", "eu"].map(|name| RegionParams { name: name.into() }).into_iter().collect();
    world.pools = vec![pool("us/main", 0, us, room), pool("eu/main", 1, eu, room)].into();
    let ms = Span::from_ms;
    world.network.rtt = vec![vec![ms(1), ms(80)], vec![ms(80), ms(1)]];
    world.data_classes.push(ResidencyParams {
        process_in: [RegionId(1)].into_iter().collect(),
        decrypt_in: [RegionId(1)].into_iter().collect(),
        transit_via: [RegionId(1)].into_iter().collect(),
        ..ResidencyParams::unrestricted("european")
    });
    let place = |name, near, weight, class| {
        let mut origin = regions::origin(name, near, weight);
        (origin.data_class, origin.connection) = (DataClassId(class), Connection::Warm);
        origin.last_mile = LastMileParams::NONE;
        origin
    };
    world.origins = vec![place("america", 0, 0.8, 0), place("europe", 1, 0.2, 1)].into();
    world
}

fn by_origin(rows: &[RequestRow], origin: u32) -> f64 {
    hits(settled(rows).filter(|row| row.origin == OriginId(origin)))
}

#[test]
fn a_small_region_finds_as_much_of_private_prompts_and_less_of_shared_ones() {
    let sticky = "chwbl = { load_factor = 1000, prefix_tokens = 640, vnodes = 4096 }";
    // Templates that all use: eight American replicas hold 8·4 of 40, two European ones 2·4: 0.8 against 0.2.
    // ± 4·sqrt(0.16/800) = 0.057 for Europe's 800; half for America.
    let mut world = four_to_one(8, 2, 4);
    world.workloads.push(workload("templates", equal_prompts(40, 10.0, 5_000)));
    let rows = run(&world, &with(Some("nearest = {}"), sticky), 3).1.rows;
    assert!(rows.iter().all(|row| row.origin == OriginId(0) || row.region == Some(RegionId(1))));
    let (us, eu) = (by_origin(&rows, 0), by_origin(&rows, 1));
    assert!((eu - 0.2).abs() < 0.07, "Europe finds {eu}");
    // A hash deals five prompts to each American replica on the mean and not evenly: at most 0.8.
    assert!(us > 0.6 && us < 0.84, "America finds {us}");
    // Private histories, users and replicas in proportion: the same within two points. Sessions of six turns, each with the
    // whole history before it, all of which fits.
    let mut world = four_to_one(8, 2, 200);
    let mut private = equal_prompts(1, 8.0, 12_000);
    private.system = None;
    (private.message, private.later_message) = (Tokens::fixed(200), Tokens::fixed(40));
    (private.turns, private.think_s) = (Dist::Constant { value: 6.0 }, Dist::Constant { value: 20.0 });
    world.workloads.push(workload("private", private));
    let rows = run(&world, &with(Some("nearest = {}"), "session = {}"), 3).1.rows;
    let rate = |origin: u32| {
        let of: Vec<_> = settled(&rows).filter(|row| row.origin == OriginId(origin)).collect();
        let sum =
            |of_row: fn(&RequestRow) -> u32| of.iter().map(|row| u64::from(of_row(row))).sum::<u64>() as f64;
        sum(|row| row.cached_tokens) / sum(|row| row.prompt_tokens)
    };
    assert!((rate(0) - rate(1)).abs() < 0.02, "{} against {}", rate(0), rate(1));
    assert!(rate(0) > 0.5, "histories are found: {}", rate(0));
}

#[test]
fn a_region_that_never_saw_a_prompt_finds_nothing_of_it() {
    // Everybody uses one prompt. Home is drained at 30 s; what overflows is cold, the first time, and only then.
    let mut world = four_to_one(1, 1, 8);
    world.origins = vec![world.origins[OriginId(0)].clone()].into();
    world.workloads.push(workload("one", equal_prompts(1, 2.0, 120)));
    let place = Place::Region(RegionId(0));
    world.operations.incidents.push(Incident {
        at: SimTime(30_000_000_000),
        until: None,
        place,
        effect: Effect::Drain,
    });
    world.operations.spill = Some(SpillParams { every: Span(1), burst: 1_000, most_added_rtt: None });
    let rows = run(&world, &with(Some("nearest = {}"), "least_request = {}"), 3).1.rows;
    for region in [0, 1] {
        let cached: Vec<u32> = rows
            .iter()
            .filter(|row| row.region == Some(RegionId(region)))
            .map(|row| row.cached_tokens)
            .collect();
        assert!(cached.len() > 40, "{cached:?}");
        assert_eq!(cached[0], 0, "never seen in region {region}");
        assert!(cached[1..].iter().all(|&cached| cached == TOKENS), "{cached:?}");
    }
}

#[test]
fn users_of_unequal_weight_unbalance_replicas_that_they_stick_to() {
    // Eight replicas; a tenth of 40 users sends ten times what the others do. Stuck to a replica by user, the fullest has over 1.5
    // times the mean.
    let mut world = one_region(0, ServerParams::Engine(regions::engine(400)));
    world.pools = vec![pool("home/main", 0, 8, 40)].into();
    let users = |count: u64, per_s: f64, tenants| {
        let mut users = equal_prompts(1, per_s, count);
        users.system = None;
        users.arrivals = Arrivals::Poisson;
        (users.message, users.output, users.tenants) = (Tokens::fixed(100), Tokens::fixed(100), tenants);
        users
    };
    // Tenants of both workloads are the same numbers; all that matters is that four send ten times as much.
    world.workloads.push(workload("heavy", users(4_000, 10.0, 4)));
    world.workloads.push(workload("light", users(4_000, 9.0, 36)));
    let rows = |replica: &str| run(&world, &with(None, replica), 3).1.rows;
    let skew = |rows: &[RequestRow]| {
        let mut counts = BTreeMap::new();
        rows.iter().for_each(|row| *counts.entry(row.replica).or_insert(0usize) += 1);
        *counts.values().max().unwrap() as f64 * 8.0 / rows.len() as f64
    };
    let hard = rows("chwbl = { key = \"tenant\", load_factor = 1000 }");
    assert!(skew(&hard) > 1.5, "{}", skew(&hard));
    // With bounded loads no choice makes anybody's requests under way more than ⌈1.25·m/8⌉, of m with the new one.
    let bounded = rows("chwbl = { key = \"tenant\", load_factor = 1.25, bound = \"strict\" }");
    assert!(skew(&bounded) < skew(&hard) - 0.2, "{} {}", skew(&bounded), skew(&hard));
    let mut under_way: Vec<(SimTime, Option<regionsim::id::ReplicaId>)> = Vec::new();
    for row in &bounded {
        under_way.retain(|&(ends, _)| ends > row.sent_at);
        under_way.push((row.ended_at, row.replica));
        let here = under_way.iter().filter(|(_, replica)| *replica == row.replica).count();
        assert!(here as f64 <= (1.25 * under_way.len() as f64 / 8.0).ceil(), "{here} of {}", under_way.len());
    }
}

#[test]
fn affinity_over_all_regions_adds_little_to_affinity_in_each() {
    // Sessions of six turns within minutes: whether a session is kept at one replica of the fleet or at one of its own
    // region, its history is found; what differs is the way. Answers take seconds, the way at most 80 ms: under 5 %.
    let mut world = four_to_one(4, 4, 400);
    for origin in world.origins.iter_mut() {
        (origin.weight, origin.data_class) = (0.5, DataClassId(0));
    }
    let mut talk = equal_prompts(1, 3.0, 6_000);
    talk.system = None;
    (talk.message, talk.later_message, talk.output) =
        (Tokens::fixed(400), Tokens::fixed(60), Tokens::fixed(200));
    (talk.turns, talk.think_s) = (Dist::Constant { value: 6.0 }, Dist::Constant { value: 30.0 });
    world.workloads.push(workload("talk", talk));
    let measure = |global: Option<&str>| {
        let rows = run(&world, &with(global, "session = {}"), 3).1.rows;
        let rows: Vec<_> = settled(&rows).collect();
        let e2e = rows.iter().map(|row| row.e2e().unwrap().as_secs_f64()).sum::<f64>() / rows.len() as f64;
        let sum = |of_row: fn(&RequestRow) -> u32| {
            rows.iter().map(|row| u64::from(of_row(row))).sum::<u64>() as f64
        };
        (e2e, sum(|row| row.cached_tokens) / sum(|row| row.prompt_tokens))
    };
    let (everywhere, at_home) = (measure(None), measure(Some("nearest = {}")));
    assert!((everywhere.0 / at_home.0 - 1.0).abs() < 0.05, "{everywhere:?} {at_home:?}");
    assert!((everywhere.1 - at_home.1).abs() < 0.02, "{everywhere:?} {at_home:?}");
}
