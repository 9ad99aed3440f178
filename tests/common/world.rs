//! Small worlds, built by hand, and a sink for what comes out of them.
#![allow(dead_code)]

use regionsim::dist::Dist;
use regionsim::id::{DataClassId, IdVec, RegionId};
use regionsim::network::{Connection, JitterParams, LastMileParams, NetworkParams};
use regionsim::observe::{Observation, Observer, ReplicaSample, RequestRow};
use regionsim::replica::{QueueParams, ServerParams};
use regionsim::routing::PolicySpec;
use regionsim::time::{SimTime, Span};
use regionsim::timing::IngressParams;
use regionsim::workload::params::{Arrivals, SyntheticParams, Tokens, Until, WorkloadKind, WorkloadParams};
use regionsim::world::params::{
    ClassParams, GatewayPlacement, Isolation, OriginParams, PolicyParams, PoolParams, RegionParams,
    ResidencyParams, SloParams, WorldParams,
};
use regionsim::world::{Summary, World};

/// Keeps every row and every sample.
#[derive(Default)]
pub struct Keep {
    pub rows: Vec<RequestRow>,
    pub samples: Vec<(SimTime, ReplicaSample)>,
}

impl Observer for Keep {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        match observation {
            Observation::Ended(row) => self.rows.push(**row),
            Observation::Sampled(sample) => self.samples.push((now, **sample)),
            _ => {}
        }
    }
}

/// One region without distance, one origin beside it, one pool of plain queues, no workload yet.
pub fn one_region(replicas: u32, server: ServerParams) -> WorldParams {
    WorldParams {
        regions: vec![RegionParams { name: "home".into() }].into(),
        pools: vec![PoolParams {
            name: "home/main".into(),
            region: RegionId(0),
            replicas,
            gpus_per_replica: 1,
            server,
            timing: None,
            ingress: IngressParams::NONE,
        }]
        .into(),
        origins: vec![OriginParams {
            name: "here".into(),
            near: RegionId(0),
            weight: 1.0,
            data_class: DataClassId(0),
            last_mile: LastMileParams::NONE,
            connection: Connection::Warm,
            geography: Default::default(),
            doors: None,
        }]
        .into(),
        classes: vec![ClassParams { name: "default".into(), slo: SloParams::default(), priority: 0 }].into(),
        data_classes: vec![unrestricted()].into(),
        workloads: IdVec::new(),
        network: NetworkParams {
            rtt: vec![vec![Span::ZERO]],
            jitter: JitterParams::NONE,
            bandwidth_bytes_per_s: None,
            bytes_per_token: 6,
            initial_window_bytes: None,
        },
        block_tokens: 16,
        isolation: Isolation::None,
        operations: Default::default(),
        horizon: SimTime::from_secs_f64(1e6),
        sample_every: Span::ZERO,
    }
}

pub fn unrestricted() -> ResidencyParams {
    ResidencyParams::unrestricted("unrestricted")
}

/// A plain queue whose service takes a microsecond for each output token.
pub fn queue(slots: u32, capacity: Option<u32>) -> QueueParams {
    QueueParams {
        slots,
        capacity,
        per_request: Span::ZERO,
        per_prompt_token: Span::ZERO,
        per_output_token: Span::from_us(1),
    }
}

/// Requests with a one-token prompt, Poisson, whose output length is `service_us` (so many microseconds of service
/// in a [`queue`]).
pub fn poisson(per_s: f64, requests: u64, service_us: Dist) -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Poisson,
        sessions_per_s: per_s,
        until: Until::Requests(requests),
        message: Tokens::fixed(1),
        output: Tokens::new(service_us, 1_000_000_000),
        turns: Dist::Constant { value: 1.0 },
        max_context_tokens: u32::MAX,
        ..SyntheticParams::default()
    }
}

pub fn workload(name: &str, synthetic: SyntheticParams) -> WorkloadParams {
    WorkloadParams::new(name, WorkloadKind::Synthetic(synthetic))
}

/// One gateway per region that decides at once.
pub fn policy(name: &str) -> PolicyParams {
    PolicyParams {
        name: name.into(),
        gateways: GatewayPlacement::PerRegion,
        global: None,
        replica: PolicySpec::from_name(name).expect("a policy of this name"),
        decision_time: Span::ZERO,
        workers: 0,
        gateways_per_region: 1,
        views: Default::default(),
        admission: None,
    }
}

/// Runs it, and gives rows in order of their number.
pub fn run(params: &WorldParams, policy: &PolicyParams, seed: u64) -> (Summary, Keep) {
    let world = World::new(params, policy, seed, Keep::default()).expect("a sound world");
    let (summary, mut keep) = world.run(|_, _| true);
    keep.rows.sort_by_key(|row| row.id);
    (summary, keep)
}
