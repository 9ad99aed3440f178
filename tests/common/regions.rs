//! Three regions with real engines, conversations, shared heads, jitter and access networks: small, and with
//! everything in it that a law could break on.
#![allow(dead_code)]

use super::world::{one_region, policy, workload};
use regionsim::dist::Dist;
use regionsim::id::{DataClassId, Id, IdVec, RegionId, ReplicaId};
use regionsim::network::{Connection, JitterParams, LastMileParams, RegionSet};
use regionsim::observe::RequestRow;
use regionsim::replica::{Admission, Batching, EngineParams, Scheduler, ServerParams};
use regionsim::routing::{PolicySpec, REGISTRY};
use regionsim::time::Span;
use regionsim::timing::params::LinearParams;
use regionsim::timing::{IngressParams, TimingParams};
use regionsim::workload::params::{Arrivals, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{
    GatewayPlacement, OriginParams, PolicyParams, PoolParams, RegionParams, ResidencyParams, WorldParams,
};

/// An engine small enough that some requests are preempted.
pub fn engine(kv_blocks: u32) -> EngineParams {
    EngineParams {
        kv_blocks,
        block_tokens: 16,
        max_num_batched_tokens: 512,
        max_num_seqs: 16,
        long_prefill_token_threshold: 0,
        max_model_len: 4_096,
        scheduler: Scheduler::Fcfs,
        admission: Admission::FullIsl,
        watermark_blocks: 0,
        prefix_cache: true,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching: Batching::Mixed,
        async_scheduling: false,
    }
}

/// Step times in whole nanoseconds, `k` times as long as at 1: then a step's end is never rounded.
pub fn linear(k: u32) -> TimingParams {
    let k = f64::from(k);
    TimingParams::Linear(LinearParams {
        base_us: 8_000.0 * k,
        per_prefill_token_us: 60.0 * k,
        per_prefill_seq_us: 100.0 * k,
        per_decode_seq_us: 50.0 * k,
        per_context_token_ns: 40.0 * k,
        captured_seqs: 0,
        eager_us: 0.0,
        ingress: IngressParams::NONE,
    })
}

pub fn pool(name: &str, region: u32, replicas: u32) -> PoolParams {
    PoolParams {
        name: name.into(),
        region: RegionId(region),
        replicas,
        gpus_per_replica: 1,
        server: ServerParams::Engine(engine(300)),
        timing: Some(linear(1)),
        ingress: IngressParams { base: Span::from_us(300), per_token: Span(200) },
    }
}

pub fn origin(name: &str, near: u32, weight: f64) -> OriginParams {
    OriginParams {
        name: name.into(),
        near: RegionId(near),
        weight,
        data_class: DataClassId(1),
        last_mile: LastMileParams { median_rtt: Span::from_ms(20), sigma: 0.4 },
        connection: Connection::Cold { setup_round_trips: 2 },
        geography: Default::default(),
        doors: None,
    }
}

/// All regions whose number is below `count`.
pub fn first(count: u32) -> RegionSet {
    (0..count).map(RegionId).collect()
}

/// Chat with system prompts and several turns.
pub fn chat(requests: u64) -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Gamma { cv: 2.0 },
        sessions_per_s: 6.0,
        until: Until::Requests(requests),
        tenants: 3,
        system: Some(SharedPrefix { count: 4, tokens: Tokens::fixed(250), zipf: 1.0, shared_as: None }),
        documents: None,
        message: Tokens::new(Dist::Lognormal { median: 200.0, sigma: 1.0 }, 2_000),
        later_message: Tokens::new(Dist::Lognormal { median: 80.0, sigma: 1.0 }, 2_000),
        output: Tokens::new(Dist::Lognormal { median: 60.0, sigma: 0.8 }, 400),
        turns: Dist::Constant { value: 3.0 },
        think_s: Dist::Lognormal { median: 2.0, sigma: 1.0 },
        max_context_tokens: 4_000,
        ..SyntheticParams::default()
    }
}

/// Regions eu, us and ap; all requests are of a data class that may go to these three and to no other.
pub fn three(requests: u64) -> WorldParams {
    let mut world = one_region(0, ServerParams::Engine(engine(300)));
    let ms = Span::from_ms;
    world.regions = ["eu", "us", "ap"].map(|name| RegionParams { name: name.into() }).into_iter().collect();
    world.pools =
        vec![pool("eu/a", 0, 1), pool("eu/b", 0, 1), pool("us/main", 1, 3), pool("ap/main", 2, 2)].into();
    world.origins = vec![origin("europe", 0, 2.0), origin("america", 1, 3.0), origin("asia", 2, 1.0)].into();
    let named = ResidencyParams {
        process_in: first(3),
        index_in: Some(RegionSet::ALL),
        ..ResidencyParams::unrestricted("known")
    };
    world.data_classes.push(named);
    world.network.rtt =
        vec![vec![ms(1), ms(80), ms(240)], vec![ms(84), ms(1), ms(160)], vec![ms(244), ms(164), ms(1)]];
    world.network.jitter = JitterParams { sigma: 0.1, spike_probability: 0.02, spike_mean: ms(50) };
    world.network.bandwidth_bytes_per_s = Some(10_000_000);
    world.workloads.push(workload("chat", chat(requests)));
    world
}

/// No randomness between client and replica, and no odd nanosecond: what is left is exact.
pub fn exact(mut world: WorldParams) -> WorldParams {
    world.network.jitter = JitterParams::NONE;
    for origin in world.origins.iter_mut() {
        origin.last_mile = LastMileParams { median_rtt: Span::from_ms(20), sigma: 0.0 };
    }
    world
}

/// `replica` under `global`, and where the gateways stand.
pub fn tiers(global: Option<&str>, replica: &str, gateways: GatewayPlacement) -> PolicyParams {
    let place = match gateways {
        GatewayPlacement::PerRegion => "",
        GatewayPlacement::Central(_) => ", central",
    };
    let name = global.map_or_else(|| replica.to_owned(), |global| format!("{global} > {replica}"));
    PolicyParams {
        name: name + place,
        gateways,
        global: global.map(|name| PolicySpec::from_name(name).expect("a policy")),
        decision_time: Span::from_us(200),
        workers: 2,
        ..policy(replica)
    }
}

/// Every policy of the registry: over all replicas, under `nearest`, and as the first tier; with a gateway in each
/// region and with one for all.
pub fn all_policies() -> Vec<PolicyParams> {
    let mut all = Vec::new();
    for gateways in [GatewayPlacement::PerRegion, GatewayPlacement::Central(RegionId(1))] {
        for entry in REGISTRY {
            all.push(tiers(None, entry.name, gateways));
            all.push(tiers(Some("nearest"), entry.name, gateways));
            all.push(tiers(Some(entry.name), "least_request", gateways));
        }
    }
    all
}

/// The names of replicas by id.
pub fn replica_names(world: &WorldParams) -> IdVec<ReplicaId, String> {
    let pools = world.pools.iter();
    pools.flat_map(|pool| (0..pool.replicas).map(move |number| format!("{}/{number}", pool.name))).collect()
}

/// A row with its places under other numbers.
pub fn moved(
    row: &RequestRow,
    gateway_moves: bool,
    region: impl Fn(RegionId) -> RegionId,
    replica: impl Fn(ReplicaId) -> ReplicaId,
) -> RequestRow {
    let gateway = |id: regionsim::id::GatewayId| {
        if gateway_moves { Id::new(region(RegionId(id.0)).index()) } else { id }
    };
    RequestRow {
        gateway: row.gateway.map(gateway),
        region: row.region.map(&region),
        replica: row.replica.map(&replica),
        ..*row
    }
}
