//! What a world is built from: ids, nanoseconds and tokens, every default explicit.

use crate::fleet::{AdmissionParams, OperationsParams};
use crate::id::{ClassId, DataClassId, IdVec, OriginId, PoolId, RegionId, SourceId};
use crate::network::{Connection, LastMileParams, NetworkParams, RegionSet};
use crate::replica::ServerParams;
use crate::routing::{PolicySpec, Views};
use crate::time::{SimTime, Span};
use crate::timing::{IngressParams, TimingParams};
use crate::workload::{Geography, OriginRow, OriginTable, WorkloadParams};
use serde::Serialize;

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionParams {
    /// Its name in the scenario.
    pub name: String,
}

/// Equal replicas in one region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolParams {
    /// Its name in the scenario, `region/pool`.
    pub name: String,
    /// Where it is.
    pub region: RegionId,
    /// How many replicas.
    pub replicas: u32,
    /// GPUs of one replica.
    pub gpus_per_replica: u32,
    /// What serves.
    pub server: ServerParams,
    /// How long a step takes; `None` for plain queues.
    pub timing: Option<TimingParams>,
    /// The front end.
    pub ingress: IngressParams,
}

/// Where clients are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginParams {
    /// Its name in the scenario.
    pub name: String,
    /// The region its clients are next to.
    pub near: RegionId,
    /// Its share of the requests that name no origin, relative to the other origins.
    pub weight: f64,
    /// The residency class of its requests, unless they bring their own.
    pub data_class: DataClassId,
    /// The access network.
    pub last_mile: LastMileParams,
    /// Whether a request finds a connection open.
    pub connection: Connection,
    /// Its clock, its day and its countries.
    pub geography: Geography,
    /// The regions whose gateways its clients may come in through; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doors: Option<RegionSet>,
}

impl OriginParams {
    /// Whether its clients may come in through the gateways of this region.
    pub fn may_enter(&self, region: RegionId) -> bool {
        self.doors.is_none_or(|doors| doors.contains(region))
    }
}

/// What a class of requests is promised. A limit that is `None` is not promised.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SloParams {
    /// Time to first token at the client.
    pub ttft: Option<Span>,
    /// Mean time between output tokens of a request.
    pub itl: Option<Span>,
    /// End-to-end latency at the client.
    pub e2e: Option<Span>,
}

/// A class of requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassParams {
    /// Its name in the scenario.
    pub name: String,
    /// What it is promised.
    pub slo: SloParams,
    /// Its scheduling priority, lower first, where a request brings none.
    pub priority: u8,
}

/// Where requests of a data class may go. Class 0 is "unrestricted": every region, everything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResidencyParams {
    /// Its name in the scenario.
    pub name: String,
    /// Regions whose replicas may process it.
    pub process_in: RegionSet,
    /// Regions whose gateways may read it.
    pub decrypt_in: RegionSet,
    /// Regions it may be sent through.
    pub transit_via: RegionSet,
    /// Regions where what was computed from it may stay in a KV cache; `None` is as `process_in`. An engine keeps what
    /// it processes, so a region must be in both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_in: Option<RegionSet>,
    /// Regions where it may be logged; `None` is as `process_in`. Serving regions log requests, gateways do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_in: Option<RegionSet>,
    /// Regions where a gateway may keep an index of its prompts; `None` is as `process_in`: hashes of prompts are
    /// processed data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_in: Option<RegionSet>,
    /// By region, where that closes any: regions that it may not be sent on to from there, because of what lies between.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<(RegionId, RegionSet)>,
    /// The rule holds while it can; what goes outside is counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preferred: bool,
}

impl ResidencyParams {
    /// Everything everywhere, under this name.
    pub fn unrestricted(name: impl Into<String>) -> ResidencyParams {
        let all = RegionSet::ALL;
        ResidencyParams {
            name: name.into(),
            process_in: all,
            decrypt_in: all,
            transit_via: all,
            cache_in: None,
            store_in: None,
            index_in: None,
            closed: Vec::new(),
            preferred: false,
        }
    }
    /// Regions whose replicas may serve it: they process, keep and log it.
    pub fn serve_in(&self) -> RegionSet {
        let set = |set: Option<RegionSet>| set.unwrap_or(self.process_in);
        self.process_in.and(set(self.cache_in)).and(set(self.store_in))
    }
    /// Regions whose replicas may serve it when no other can: everywhere, where the rule gives way.
    pub fn ever_served_in(&self) -> RegionSet {
        if self.preferred { RegionSet::ALL } else { self.serve_in() }
    }
    /// Regions that it may be sent on to from `region`, as far as what lies between is concerned.
    pub fn open_from(&self, region: RegionId) -> RegionSet {
        let closed = self.closed.iter().filter(|(from, _)| *from == region);
        closed.fold(RegionSet::ALL, |open, (_, closed)| open.without(*closed))
    }
    /// Regions to which a gateway in region `gateway` may send it; with `indexes`, one that keeps an index of prompts.
    pub fn sent_from(&self, gateway: RegionId, indexes: bool) -> RegionSet {
        if !self.read_in(indexes).contains(gateway) {
            return RegionSet::NONE;
        }
        if self.transit_via.contains(gateway) {
            return self.serve_in().and(self.open_from(gateway));
        }
        // What may not pass through here may still be served here.
        std::iter::once(gateway).collect::<RegionSet>().and(self.serve_in())
    }
    /// Regions whose gateways may read it; with `indexes`, of gateways that keep an index of prompts.
    pub fn read_in(&self, indexes: bool) -> RegionSet {
        let index_in = self.index_in.unwrap_or(self.process_in);
        if indexes { self.decrypt_in.and(index_in) } else { self.decrypt_in }
    }
}

/// Whether equal prompts of different tenants share cached blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// They do.
    #[default]
    None,
    /// They do not: the tenant is a salt in the first block.
    Tenant,
}

/// Where gateways stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayPlacement {
    /// One for all, in this region.
    Central(RegionId),
    /// One in each region that is near an origin, for that origin's clients.
    PerRegion,
}

/// A way to route: the gateways and what each decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyParams {
    /// Its name in the scenario.
    pub name: String,
    /// Where the gateways are.
    pub gateways: GatewayPlacement,
    /// Chooses a region first; without it `replica` chooses among all replicas.
    pub global: Option<PolicySpec>,
    /// Chooses a replica.
    pub replica: PolicySpec,
    /// Time for one decision.
    pub decision_time: Span,
    /// Decisions at once in a gateway; the rest wait in line. 0 is without limit.
    pub workers: u32,
    /// Gateways in each place that has any; clients are spread over them. Each has counters of its own.
    #[serde(skip_serializing_if = "is_one")]
    pub gateways_per_region: u32,
    /// What its gateways see, and how late.
    #[serde(skip_serializing_if = "Views::is_default")]
    pub views: Views,
    /// Whom its gateways let in, and how clients hold back; `None` lets everybody in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<AdmissionParams>,
}

/// Left out where it says nothing, so that plans without it are written as ever.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(count: &u32) -> bool {
    *count == 1
}

/// A whole world, without the policy it is run under.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorldParams {
    /// Regions, in the scenario's order.
    pub regions: IdVec<RegionId, RegionParams>,
    /// Pools, by region, in the scenario's order.
    pub pools: IdVec<PoolId, PoolParams>,
    /// Origins, in the scenario's order.
    pub origins: IdVec<OriginId, OriginParams>,
    /// Classes; the first is the default.
    pub classes: IdVec<ClassId, ClassParams>,
    /// Data classes; the first is "unrestricted".
    pub data_classes: IdVec<DataClassId, ResidencyParams>,
    /// Workloads, in the scenario's order.
    pub workloads: IdVec<SourceId, WorkloadParams>,
    /// The network between regions.
    pub network: NetworkParams,
    /// Tokens in a KV block: the unit of all chains.
    pub block_tokens: u32,
    /// Who shares cached blocks.
    pub isolation: Isolation,
    /// What happens to the fleet, and what gateways do about it.
    #[serde(skip_serializing_if = "is_default")]
    pub operations: OperationsParams,
    /// Arrivals after this are not looked at; requests then under way end as `in_flight` at this time.
    pub horizon: SimTime,
    /// How often loads are sampled for time lines.
    pub sample_every: Span,
}

fn is_default(operations: &OperationsParams) -> bool {
    *operations == OperationsParams::default()
}

impl WorldParams {
    /// What workloads need to know of this world.
    pub fn origin_table(&self) -> OriginTable {
        let origins = self.origins.iter().map(|origin| OriginRow {
            name: origin.name.clone(),
            weight: origin.weight,
            data_class: origin.data_class,
            geography: origin.geography.clone(),
        });
        let with_pools: RegionSet = self.pools.iter().map(|pool| pool.region).collect();
        OriginTable {
            origins: origins.collect(),
            regions: self.regions.iter().map(|region| region.name.clone()).collect(),
            served_in: self.data_classes.iter().map(|rule| rule.ever_served_in().and(with_pools)).collect(),
            classes: self.classes.iter().map(|class| class.name.clone()).collect(),
            data_classes: self.data_classes.iter().map(|class| class.name.clone()).collect(),
        }
    }
}
