//! One cell from its parameters to its summary: every law of conservation holds in a run with everything in it,
//! the result does not depend on who watches, and two runs agree event by event.

mod common;
#[path = "common/world.rs"]
mod world;

use regionsim::dist::Dist;
use regionsim::id::{DataClassId, RegionId};
use regionsim::network::{Connection, JitterParams, LastMileParams};
use regionsim::observe::{Leg, Outcome};
use regionsim::replica::{Admission, Batching, EngineParams, Method, Scheduler, ServerParams};
use regionsim::report::{CellSummary, summarise_cell};
use regionsim::run::{CellInput, run_cell, run_cell_twice};
use regionsim::time::{SimTime, Span};
use regionsim::timing::{IngressParams, params::LinearParams, params::TimingParams};
use regionsim::workload::params::{Arrivals, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{OriginParams, PolicyParams, RegionParams, WorldParams};

/// Two regions 80 ms apart, two engines each with a pool small enough to preempt, conversations with a shared
/// system prompt, jitter and cold connections.
fn two_regions() -> WorldParams {
    let engine = ServerParams::Engine(EngineParams {
        kv_blocks: 400,
        block_tokens: 16,
        max_num_batched_tokens: 2_048,
        max_num_seqs: 64,
        long_prefill_token_threshold: 0,
        max_model_len: 8_192,
        scheduler: Scheduler::Fcfs,
        admission: Admission::FullIsl,
        watermark_blocks: 0,
        prefix_cache: true,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching: Batching::Mixed,
        async_scheduling: false,
    });
    let mut params = world::one_region(2, engine);
    let mut there = params.pools[regionsim::id::PoolId(0)].clone();
    there.name = "away/main".into();
    there.region = RegionId(1);
    params.pools.push(there);
    for pool in params.pools.iter_mut() {
        pool.timing = Some(TimingParams::Linear(LinearParams {
            base_us: 8_000.0,
            per_prefill_token_us: 60.0,
            per_prefill_seq_us: 0.0,
            per_decode_seq_us: 50.0,
            per_context_token_ns: 40.0,
            captured_seqs: 0,
            eager_us: 0.0,
            ingress: IngressParams::NONE,
        }));
        pool.gpus_per_replica = 4;
    }
    params.regions.push(RegionParams { name: "away".into() });
    params.origins.push(OriginParams {
        name: "there".into(),
        near: RegionId(1),
        weight: 1.0,
        data_class: DataClassId(0),
        last_mile: LastMileParams { median_rtt: Span::from_ms(20), sigma: 0.3 },
        connection: Connection::Cold { setup_round_trips: 2 },
        geography: Default::default(),
        doors: None,
    });
    let far = Span::from_ms(80);
    params.network.rtt = vec![vec![Span::ZERO, far], vec![far, Span::ZERO]];
    params.network.jitter =
        JitterParams { sigma: 0.1, spike_probability: 0.01, spike_mean: Span::from_ms(50) };
    params.workloads.push(world::workload(
        "chat",
        SyntheticParams {
            arrivals: Arrivals::Gamma { cv: 2.0 },
            sessions_per_s: 6.0,
            until: Until::Requests(1_500),
            tenants: 5,
            system: Some(SharedPrefix { count: 5, tokens: Tokens::fixed(256), zipf: 1.0, shared_as: None }),
            turns: Dist::Constant { value: 3.0 },
            ..SyntheticParams::default()
        },
    ));
    params.sample_every = Span::from_secs(5);
    params
}

fn input<'p>(world: &'p WorldParams, policy: &'p PolicyParams, seed: u64) -> CellInput<'p> {
    CellInput {
        scenario: "test",
        world,
        policy,
        seed,
        warmup: Span::from_secs(20),
        gpus: &[],
        capacity: &[],
        provenance: std::sync::Arc::default(),
        method: Method::default(),
        look: Default::default(),
        notices: &[],
        warnings: &[],
    }
}

#[test]
fn every_law_holds_under_every_policy_with_everything_in_the_world() {
    let world = two_regions();
    let (mut preemptions, mut too_large, mut cached) = (0, 0, 0);
    for name in ["round_robin", "random", "least_request", "p2c", "session", "prefix", "chwbl", "gorgo"] {
        let policy = world::policy(name);
        let result = run_cell(&input(&world, &policy, 3), None, ()).unwrap();
        assert_eq!(result.conservation.first, [], "{name}");
        assert!(result.conservation.total.arrived >= 1_000, "{name}: {:?}", result.conservation.total);
        let mut ids: Vec<u32> = result.book.entries().map(|row| row.id.0).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..result.book.len() as u32), "{name}: every request has one row");
        for row in result.book.entries().filter(|row| row.outcome == Outcome::Completed) {
            let sum: u64 = Leg::ALL.iter().map(|&leg| row.legs.get(leg).0).sum();
            assert_eq!(row.ttft, Some(Span(sum)), "{name}: {row:?}");
        }
        preemptions += result.replicas.iter().map(|replica| replica.whole.preemptions).sum::<u64>();
        too_large += result.conservation.total.of(Outcome::TooLarge);
        cached += result.conservation.prompt_tokens[1];
        // What the time line counts is what ended served, no more and no less.
        let line: u64 = result.series.iter().map(|row| row.completed).sum();
        assert_eq!(line, result.conservation.total.of(Outcome::Completed), "{name}");
        let tokens: u64 = result.series.iter().map(|row| row.output_tokens).sum();
        assert_eq!(tokens, result.conservation.output_tokens, "{name}");
    }
    assert!(
        preemptions > 0 && cached > 0,
        "the interesting cases were hit: {preemptions} {too_large} {cached}"
    );
}

#[test]
fn the_warm_up_is_cut_from_what_is_measured_and_from_nothing_else() {
    let world = two_regions();
    let policy = world::policy("chwbl");
    let result = run_cell(&input(&world, &policy, 3), None, ()).unwrap();
    let cell = summarise_cell(&result);
    let early = result.book.entries().filter(|row| row.sent_at < SimTime::from_secs_f64(20.0)).count() as u64;
    assert!(early > 50);
    assert_eq!(cell.all.arrivals + early, cell.conservation.total.arrivals);
    let parts = |groups: &[regionsim::report::summary::NamedGroup]| {
        groups.iter().map(|g| g.group.arrivals).sum::<u64>()
    };
    assert_eq!(parts(&cell.origins), cell.all.arrivals);
    assert_eq!(parts(&cell.classes), cell.all.arrivals);
    // Four replicas of four GPUs for the whole run.
    assert!((cell.cost.gpu_hours - 16.0 * cell.end_s / 3600.0).abs() < 1e-5);
    let regions: f64 = cell.cost.regions.iter().map(|region| region.gpu_hours).sum();
    assert!((regions - cell.cost.gpu_hours).abs() < 1e-5);
}

#[test]
fn a_cell_run_twice_in_lock_step_does_not_differ_and_equals_a_plain_run() {
    let world = two_regions();
    let policy = world::policy("p2c");
    let plain = run_cell(&input(&world, &policy, 3), None, ()).unwrap();
    let (twice, difference) = run_cell_twice(&input(&world, &policy, 3), None, ()).unwrap();
    assert_eq!(difference, None);
    let bytes = |cell: CellSummary| serde_json::to_string(&cell).unwrap();
    assert_eq!(bytes(summarise_cell(&plain)), bytes(summarise_cell(&twice)));
    let other = run_cell(&input(&world, &policy, 4), None, ()).unwrap();
    assert_ne!(plain.outcome_digest, other.outcome_digest);
}
