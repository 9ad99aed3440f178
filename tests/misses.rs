//! Why prompts miss, by hand: each reason alone, in a world of one or two replicas in which nothing else can be the
//! reason. `tests/conservation.rs` has random worlds.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regions::{engine, linear, pool};
use regionsim::dist::Dist;
use regionsim::fleet::{Effect, Incident, Place};
use regionsim::id::{DataClassId, PoolId, RegionId};
use regionsim::observe::{Miss, RequestRow};
use regionsim::replica::ServerParams;
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, GlobalPrefix, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{Isolation, OriginParams, RegionParams, ResidencyParams, WorldParams};
use regionsim::world::{Look, PolicyParams, World};
use world::{Keep, one_region, policy, unrestricted, workload};

/// One region with so many engines of so many blocks, one of which an engine keeps for itself.
fn engines(replicas: u32, kv_blocks: u32) -> WorldParams {
    let mut world = one_region(replicas, ServerParams::Engine(engine(kv_blocks)));
    world.pools[PoolId(0)].timing = Some(linear(1));
    world
}

/// One session: a prompt of 160 tokens, an answer of 16, half a minute, a message of 32 more.
fn two_turns() -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Poisson,
        sessions_per_s: 1.0,
        until: Until::Requests(2),
        message: Tokens::fixed(160),
        later_message: Tokens::fixed(32),
        output: Tokens::fixed(16),
        turns: Dist::Constant { value: 2.0 },
        think_s: Dist::Constant { value: 30.0 },
        max_context_tokens: 4_000,
        ..SyntheticParams::default()
    }
}

/// A system prompt of 160 tokens and a message of 32 that nobody else sends, one every ten seconds or so.
fn one_system(requests: u64) -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Gamma { cv: 0.01 },
        sessions_per_s: 0.1,
        until: Until::Requests(requests),
        system: Some(SharedPrefix {
            count: 1,
            tokens: Tokens::fixed(160),
            zipf: 0.0,
            shared_as: Some("all".into()),
        }),
        message: Tokens::fixed(32),
        turns: Dist::Constant { value: 1.0 },
        ..two_turns()
    }
}

fn rows(world: &WorldParams, policy: &PolicyParams) -> Vec<RequestRow> {
    let look = Look { misses: true, check_misses: true, ..Look::default() };
    let world = World::new(world, policy, 1, Keep::default()).expect("a sound world");
    let mut rows = world.looking(&look).run(|_, _| true).1.rows;
    rows.sort_by_key(|row| row.id);
    rows
}

/// Cached tokens, and those of each reason that there is.
fn split(row: &RequestRow) -> (u32, Vec<(Miss, u32)>) {
    let misses = row.misses.expect("asked for, and completed");
    let some = Miss::ALL.into_iter().map(|miss| (miss, misses.get(miss))).filter(|(_, tokens)| *tokens > 0);
    (row.cached_tokens, some.collect())
}

/// The first turn computes 160 + 15 tokens (the last one of an answer never is): ten full blocks. Of the second
/// turn's 160 + 16 + 32 = 208 those ten can be found: 160 tokens, and 48 are new.
const NEW: (Miss, u32) = (Miss::Compulsory, 48);

#[test]
fn a_first_prompt_and_what_a_turn_adds_are_compulsory() {
    let mut world = engines(1, 100);
    world.workloads.push(workload("chat", two_turns()));
    let rows = rows(&world, &policy("round_robin"));
    assert_eq!(split(&rows[0]), (0, vec![(Miss::Compulsory, 160)]));
    assert_eq!(split(&rows[1]), (160, vec![NEW]));
}

#[test]
fn what_another_replica_holds_is_the_policys() {
    let mut world = engines(2, 100);
    world.workloads.push(workload("chat", two_turns()));
    let rows = rows(&world, &policy("round_robin"));
    assert_ne!(rows[0].replica, rows[1].replica);
    assert_eq!(split(&rows[1]), (0, vec![NEW, (Miss::Policy, 160)]));
}

#[test]
fn what_made_room_since_is_capacity() {
    // 14 blocks for use. The first turn takes 11, the last of them never full. Then a prompt of the same size takes the
    // three blanks, that last one, and seven more, tail first: blocks 4 to 10. Three are left: 48 tokens.
    let mut world = engines(1, 15);
    world.workloads.push(workload("chat", two_turns()));
    let mut other = workload("other", SyntheticParams { until: Until::Requests(1), ..two_turns() });
    other.setting.shift = Span::from_secs(15);
    world.workloads.push(other);
    let rows = rows(&world, &policy("round_robin"));
    assert_eq!(rows.len(), 3);
    assert!(
        rows[0].source != rows[1].source && rows[0].source == rows[2].source,
        "one between the two turns"
    );
    assert_eq!(split(&rows[2]), (48, vec![NEW, (Miss::Capacity, 112)]));
}

#[test]
fn what_went_with_a_replica_is_the_outages_until_it_is_computed_again() {
    let mut world = engines(1, 100);
    world.workloads.push(workload(
        "chat",
        SyntheticParams { until: Until::Requests(3), turns: Dist::Constant { value: 3.0 }, ..two_turns() },
    ));
    // Down for a moment between the first two turns, too short to be noticed.
    let at = SimTime::from_secs_f64(15.0);
    world.operations.incidents = vec![Incident {
        at,
        until: Some(at + Span::from_secs(1)),
        place: Place::Region(RegionId(0)),
        effect: Effect::Down,
    }];
    let rows = rows(&world, &policy("round_robin"));
    assert_eq!(split(&rows[1]), (0, vec![NEW, (Miss::Outage, 160)]));
    // 208 + 15 = 223 tokens: 13 blocks; of 208 + 16 + 32 = 256 tokens 48 are new.
    assert_eq!(split(&rows[2]), (208, vec![NEW]));
}

#[test]
fn what_is_held_only_where_a_request_must_not_go_is_residencys() {
    let mut world = engines(1, 100);
    world.regions.push(RegionParams { name: "away".into() });
    world.pools.push(pool("away/main", 1, 1));
    let ms = Span::from_ms;
    world.network.rtt = vec![vec![ms(1), ms(80)], vec![ms(80), ms(1)]];
    world.data_classes.push(ResidencyParams {
        process_in: [RegionId(0)].into_iter().collect(),
        ..ResidencyParams::unrestricted("home only")
    });
    let away = OriginParams {
        name: "there".into(),
        near: RegionId(1),
        data_class: DataClassId(0),
        ..world.origins[regionsim::id::OriginId(0)].clone()
    };
    world.origins[regionsim::id::OriginId(0)].data_class = DataClassId(1);
    world.origins.push(away);
    assert_eq!(world.data_classes[DataClassId(0)], unrestricted());
    world.workloads.push(workload("chat", one_system(20)));
    let rows = rows(&world, &policy("nearest"));
    // 160 + 32 = 192 tokens, of which the last block of 16 can never be found; the message is new each time.
    let (cached, first) = ((160, vec![(Miss::Compulsory, 32)]), (0, vec![(Miss::Compulsory, 192)]));
    let regulated = |row: &&RequestRow| row.data_class == DataClassId(1);
    assert_eq!(split(&rows[0]), first);
    for free in [true, false] {
        let mut its = rows.iter().filter(|row| regulated(row) != free);
        let (one, rest) = (its.next().expect("of both kinds"), its);
        assert!(rest.map(split).all(|split| split == cached));
        if one.id != rows[0].id {
            // The system prompt was in the other region: out of reach of the one, a choice for the other.
            let reason = if free { Miss::Policy } else { Miss::Residency };
            assert_eq!(split(one), (0, vec![(Miss::Compulsory, 32), (reason, 160)]));
        }
    }
}

#[test]
fn what_another_tenant_computed_is_isolations() {
    let mut world = engines(1, 1_000);
    world.isolation = Isolation::Tenant;
    let global = Some(GlobalPrefix { tokens: 160, shared_as: None });
    world
        .workloads
        .push(workload("chat", SyntheticParams { tenants: 4, global, system: None, ..one_system(12) }));
    let (mut shared, mut tenants) = (0, std::collections::BTreeSet::new());
    for row in rows(&world, &policy("round_robin")) {
        let first = tenants.insert(row.tenant);
        let (cached, reasons) = split(&row);
        assert_eq!(cached, if first { 0 } else { 160 });
        shared += u32::from(reasons.contains(&(Miss::Isolation, 160)));
    }
    assert!(tenants.len() > 1);
    assert_eq!(shared as usize, tenants.len() - 1);
}
