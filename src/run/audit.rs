//! The evidence of residency: what was read, sent and served where, counted from what observers are told, and judged
//! by the rules as the scenario states them. Shares no code with the dispatch that enforces them, so that a mistake
//! there is seen here. Knows the record; must not know how it came about.

use crate::id::{DataClassId, GatewayId, Id, OriginId, RegionId, RequestId};
use crate::network::RegionSet;
use crate::observe::{Observation, Observer, Outcome, RequestRow};
use crate::time::SimTime;
use crate::world::{PolicyParams, ResidencyParams, WorldParams, gateway_regions, keeps_index};
use serde::Serialize;
use std::collections::BTreeMap;

/// How a request came to where it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It was read by a gateway and sent nowhere.
    Read,
    /// The first try.
    First,
    /// A later try.
    Retry,
}

/// What tells one path from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    class: DataClassId,
    way: Way,
    origin: OriginId,
    gateway: GatewayId,
    served: Option<RegionId>,
    /// The regions that the request itself allows.
    own: Option<RegionSet>,
}

/// Counts paths as it watches.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The tries of requests under way.
    tries: BTreeMap<RequestId, Vec<(GatewayId, RegionId)>>,
    /// The rules of their own that some of them have.
    own: BTreeMap<RequestId, RegionSet>,
    paths: BTreeMap<Path, u64>,
    requests: BTreeMap<DataClassId, (u64, u64)>,
}

/// What was found of one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// By data class, in the scenario's order.
    pub classes: Vec<ClassAudit>,
    /// Requests or tries on paths that a `required` rule forbids.
    pub violations: u64,
}

/// What was found of one data class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassAudit {
    /// Its name.
    pub class: String,
    /// "required" or "preferred".
    pub mode: &'static str,
    /// Requests that ended.
    pub requests: u64,
    /// Of those, refused because no region may and can serve them.
    pub no_region: u64,
    /// Where they went.
    pub paths: Vec<PathAudit>,
    /// On forbidden paths of a required rule.
    pub violations: u64,
    /// Outside of a preferred rule.
    pub outside: u64,
}

/// What was found of one path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathAudit {
    /// Which try.
    pub way: Way,
    /// The region next to the client.
    pub from: String,
    /// The region of the gateway that read the request.
    pub gateway: String,
    /// The region that served it, where one did.
    pub served_in: Option<String>,
    /// The nearest region with replicas that the rules allow from there; where `served_in` is another, it was sent away from
    /// home: by choice, by spill or because home was down.
    pub home: Option<String>,
    /// The regions that the request itself allows, where it brought a rule of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Where an index of its prompt was kept, if one was.
    pub index_in: Option<String>,
    /// How many tries, or requests that were only read.
    pub count: u64,
    /// The sets of the rule that forbid it: none where it is allowed.
    pub forbidden_by: Vec<&'static str>,
}

impl Audit {
    fn ended(&mut self, row: &RequestRow) {
        let class = row.data_class;
        let requests = self.requests.entry(class).or_default();
        requests.0 += 1;
        requests.1 += u64::from(row.outcome == Outcome::NoRegion);
        let own = self.own.remove(&row.id);
        let path = |way, gateway, served| Path { class, way, origin: row.origin, gateway, served, own };
        let tries = self.tries.remove(&row.id).unwrap_or_default();
        if tries.is_empty()
            && let Some(gateway) = row.gateway
        {
            *self.paths.entry(path(Way::Read, gateway, None)).or_default() += 1;
        }
        for (number, (gateway, region)) in tries.into_iter().enumerate() {
            let way = if number == 0 { Way::First } else { Way::Retry };
            *self.paths.entry(path(way, gateway, Some(region))).or_default() += 1;
        }
    }

    /// Whether a `required` rule forbids anything, so that something can be planted.
    pub fn can_plant(world: &WorldParams) -> bool {
        forbidden(world).is_some()
    }

    /// Adds to the record a try that was never made: one that the first `required` rule forbids. To see that the
    /// audit sees.
    pub fn plant(&mut self, world: &WorldParams) {
        let forbidden = forbidden(world);
        if let Some((class, region)) = forbidden {
            let (way, origin, gateway) = (Way::First, OriginId(0), GatewayId(0));
            let path = Path { class, way, origin, gateway, served: Some(region), own: None };
            *self.paths.entry(path).or_default() += 1;
        }
    }

    /// Judges the record.
    pub fn finish(&self, world: &WorldParams, policy: &PolicyParams, seed: u64) -> AuditReport {
        let name = |region: RegionId| world.regions[region].name.clone();
        let indexed = keeps_index(policy);
        let gateways = gateway_regions(world, policy);
        let gateway_region = |gateway: GatewayId| gateways[gateway.index()];
        let mut classes = Vec::new();
        for (class, rule) in world.data_classes.enumerate() {
            let mut paths = Vec::new();
            let (mut violations, mut outside) = (0, 0);
            for (path, &count) in self.paths.iter().filter(|(path, _)| path.class == class) {
                let near = world.origins[path.origin].near;
                let gateway = gateway_region(path.gateway);
                let mut forbidden_by = judge(rule, near, gateway, path.served, indexed);
                let by_rule = !forbidden_by.is_empty();
                let by_own = path.own.zip(path.served).is_some_and(|(own, region)| !own.contains(region));
                if by_own {
                    forbidden_by.push("allowed_regions");
                }
                // A rule of the request's own is never only preferred.
                violations += if by_own || by_rule && !rule.preferred { count } else { 0 };
                outside += if by_rule && rule.preferred { count } else { 0 };
                paths.push(PathAudit {
                    way: path.way,
                    from: name(near),
                    gateway: name(gateway),
                    served_in: path.served.map(name),
                    home: home(world, rule, gateway, path.own).map(name),
                    allowed: path.own.map(|own| {
                        world.regions.ids().filter(|&region| own.contains(region)).map(name).collect()
                    }),
                    index_in: indexed.then(|| name(gateway)),
                    count,
                    forbidden_by,
                });
            }
            let (requests, no_region) = self.requests.get(&class).copied().unwrap_or_default();
            classes.push(ClassAudit {
                class: rule.name.clone(),
                mode: if rule.preferred { "preferred" } else { "required" },
                requests,
                no_region,
                paths,
                violations,
                outside,
            });
        }
        let violations = classes.iter().map(|class| class.violations).sum();
        AuditReport { policy: policy.name.clone(), seed, classes, violations }
    }
}

/// The nearest region with replicas that rules allow to a request that was read in `gateway`.
fn home(
    world: &WorldParams,
    rule: &ResidencyParams,
    gateway: RegionId,
    own: Option<RegionSet>,
) -> Option<RegionId> {
    let may = |&region: &RegionId| {
        world.pools.iter().any(|pool| pool.region == region && pool.replicas > 0)
            && own.is_none_or(|own| own.contains(region))
            && judge(rule, gateway, gateway, Some(region), false).iter().all(|&set| set == "decrypt_in")
    };
    let distance = |&region: &RegionId| (world.network.rtt[gateway.index()][region.index()], region);
    world.regions.ids().filter(may).min_by_key(distance)
}

/// The sets that forbid this path: from a client next to `near` to the gateway, and on to where it was served.
fn judge(
    rule: &ResidencyParams,
    near: RegionId,
    gateway: RegionId,
    served: Option<RegionId>,
    indexed: bool,
) -> Vec<&'static str> {
    let mut forbidden = Vec::new();
    let mut need = |name, set: Option<RegionSet>, region| {
        if !set.unwrap_or(rule.process_in).contains(region) {
            forbidden.push(name);
        }
    };
    need("decrypt_in", Some(rule.decrypt_in), gateway);
    if indexed {
        need("index_in", rule.index_in, gateway);
    }
    if let Some(region) = served {
        need("process_in", Some(rule.process_in), region);
        need("cache_in", rule.cache_in, region);
        need("store_in", rule.store_in, region);
        if region != gateway {
            need("transit_via", Some(rule.transit_via), gateway);
        }
    }
    let closed = |from: RegionId, to: RegionId| {
        from != to && rule.closed.iter().any(|(at, to_any)| *at == from && to_any.contains(to))
    };
    if closed(near, gateway) || served.is_some_and(|region| closed(gateway, region)) {
        forbidden.push("paths");
    }
    forbidden
}

impl Observer for Audit {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        match observation {
            Observation::Sent { id, gateway, region, .. } => {
                self.tries.entry(*id).or_default().push((*gateway, *region));
            }
            Observation::Restricted { id, allowed } => {
                self.own.insert(*id, *allowed);
            }
            Observation::Ended(row) => self.ended(row),
            Observation::Arrived { .. }
            | Observation::Decided(_)
            | Observation::Sampled(_)
            | Observation::TurnedAway(_)
            | Observation::Stepped { .. } => {}
        }
    }
}

/// What the first `required` rule that forbids any region forbids.
fn forbidden(world: &WorldParams) -> Option<(DataClassId, RegionId)> {
    world.data_classes.enumerate().filter(|(_, rule)| !rule.preferred).find_map(|(class, rule)| {
        Some((class, world.regions.ids().find(|&region| !rule.process_in.contains(region))?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(regions: &[u32]) -> RegionSet {
        regions.iter().map(|&region| RegionId(region)).collect()
    }

    #[test]
    fn every_set_forbids_what_it_is_for() {
        // Work in 0 and 1, read in 0, 1 and 2; the rest is inherited.
        let rule = ResidencyParams {
            process_in: set(&[0, 1]),
            decrypt_in: set(&[0, 1, 2]),
            transit_via: set(&[0]),
            ..ResidencyParams::unrestricted("rule")
        };
        let judged = |gateway, served: Option<u32>, indexed| {
            judge(&rule, RegionId(gateway), RegionId(gateway), served.map(RegionId), indexed)
        };
        assert_eq!(judged(0, Some(1), true), [""; 0]);
        assert_eq!(judged(1, Some(1), true), [""; 0], "served where it was read: it passes through nothing");
        assert_eq!(judged(1, Some(0), true), ["transit_via"]);
        assert_eq!(judged(2, None, false), [""; 0]);
        assert_eq!(judged(2, None, true), ["index_in"]);
        assert_eq!(judged(3, None, false), ["decrypt_in"]);
        assert_eq!(judged(0, Some(2), false), ["process_in", "cache_in", "store_in"]);
        let rule = ResidencyParams { cache_in: Some(set(&[0])), ..rule };
        assert_eq!(judge(&rule, RegionId(0), RegionId(0), Some(RegionId(1)), false), ["cache_in"]);
        // What lies between 2 and 0 is closed, to clients and to gateways; not what lies between 0 and 2.
        let rule = ResidencyParams {
            closed: vec![(RegionId(2), set(&[0]))],
            ..ResidencyParams::unrestricted("rule")
        };
        let judged = |near, gateway, served| {
            judge(&rule, RegionId(near), RegionId(gateway), Some(RegionId(served)), false)
        };
        assert_eq!(judged(2, 0, 0), ["paths"]);
        assert_eq!(judged(2, 2, 0), ["paths"]);
        assert_eq!(judged(0, 2, 2), [""; 0]);
        assert_eq!(judged(2, 1, 0), [""; 0]);
    }
}
