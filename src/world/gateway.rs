//! Gateways: where clients' requests are read and decided about. A gateway is a finite server with its own stages,
//! counters and random streams; it shares nothing with the next one.

use super::params::{GatewayPlacement, PolicyParams, WorldParams};
use super::{Site, entry_index};
use crate::id::{DataClassId, GatewayId, Id, IdVec, OriginId, RegionId, ReplicaId};
use crate::network::Network;
use crate::rng::Key;
use crate::routing::{Stage, Target};
use std::collections::VecDeque;

/// A gateway.
pub(super) struct Gateway {
    pub(super) region: RegionId,
    /// Chooses a region, if the policy has two tiers.
    pub(super) global: Option<Stage>,
    /// Choose a replica: one stage for each region, or one over all replicas.
    pub(super) stages: Vec<Stage>,
    /// Requests that wait for a worker.
    pub(super) line: VecDeque<u32>,
    /// Workers that are deciding.
    pub(super) busy: u32,
    /// Requests that a policy holds, in the order they came.
    pub(super) held: VecDeque<u32>,
}

pub(super) fn build(
    params: &WorldParams,
    policy: &PolicyParams,
    network: &Network,
    sites: &IdVec<ReplicaId, Site>,
    key: Key,
) -> IdVec<GatewayId, Gateway> {
    let regions: Vec<RegionId> = match policy.gateways {
        GatewayPlacement::Central(region) => vec![region],
        GatewayPlacement::PerRegion => params.regions.ids().collect(),
    };
    regions.iter().map(|&region| gateway(params, policy, network, sites, key, region)).collect()
}

fn gateway(
    params: &WorldParams,
    policy: &PolicyParams,
    network: &Network,
    sites: &IdVec<ReplicaId, Site>,
    key: Key,
    region: RegionId,
) -> Gateway {
    let name = |region: RegionId| params.regions[region].name.as_str();
    let key = key.named("gateway").named(name(region));
    let in_region = |region: RegionId| sites.enumerate().filter(move |(_, site)| site.region == region);
    let mut numbers = vec![0u32; params.pools.len()];
    let names: IdVec<ReplicaId, String> = (sites.iter())
        .map(|site| {
            let number = &mut numbers[site.pool.index()];
            *number += 1;
            format!("{}/{}", params.pools[site.pool].name, *number - 1)
        })
        .collect();
    let target = |(id, site): (ReplicaId, &Site)| Target {
        name: names[id].clone(),
        replica: Some(id),
        region: site.region,
        rtt: network.rtt(region, site.region),
        replicas: 1,
    };
    let global = policy.global.as_ref().map(|spec| {
        let targets = params.regions.enumerate().map(|(id, place)| Target {
            name: place.name.clone(),
            replica: None,
            region: id,
            rtt: network.rtt(region, id),
            replicas: in_region(id).count() as u32,
        });
        Stage::new(spec, targets.collect(), key.named("global"))
    });
    let stages = if global.is_some() {
        let stage = |id| {
            let targets: Vec<Target> = in_region(id).map(target).collect();
            Stage::new(&policy.replica, targets, key.named("replica").named(name(id)))
        };
        params.regions.ids().map(stage).collect()
    } else {
        vec![Stage::new(&policy.replica, sites.enumerate().map(target).collect(), key.named("replica"))]
    };
    Gateway { region, global, stages, line: VecDeque::new(), busy: 0, held: VecDeque::new() }
}

/// The gateway of each origin's requests of each data class: the central one, or the one in the region nearest to
/// the origin that may read the class. `None` where no gateway may.
pub(super) fn entries(
    params: &WorldParams,
    policy: &PolicyParams,
    network: &Network,
    gateways: &IdVec<GatewayId, Gateway>,
) -> Vec<Option<GatewayId>> {
    let mut entries = vec![None; params.origins.len() * params.data_classes.len()];
    for (origin, origin_params) in params.origins.enumerate() {
        for (class, rule) in params.data_classes.enumerate() {
            let allowed = |(_, gateway): &(GatewayId, &Gateway)| rule.decrypt_in.contains(gateway.region);
            let distance = |(id, gateway): &(GatewayId, &Gateway)| {
                let own = gateway.region == origin_params.near;
                (!own, network.rtt(origin_params.near, gateway.region), *id)
            };
            let nearest = gateways.enumerate().filter(allowed).min_by_key(distance);
            let origin: OriginId = origin;
            let class: DataClassId = class;
            entries[entry_index(params, origin, class)] = nearest.map(|(id, _)| id);
        }
    }
    debug_assert!(matches!(policy.gateways, GatewayPlacement::PerRegion) || gateways.len() == 1);
    entries
}
