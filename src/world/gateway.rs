//! Gateways: where clients' requests are read and decided about. A gateway is a finite server with its own stages,
//! counters and random streams; it shares nothing with the next one.

use super::params::{GatewayPlacement, PolicyParams, ResidencyParams, WorldParams};
use super::{Site, entry_index};
use crate::fleet::{AdmissionParams, Meter};
use crate::id::{DataClassId, GatewayId, Id, IdVec, OriginId, RegionId, ReplicaId, RequestId};
use crate::network::{Network, RegionSet};
use crate::rng::Key;
use crate::routing::{CacheView, EligibleId, IndexSource, LoadView, Needs, Stage, Target, TargetId};
use crate::time::{SimTime, Span};
use std::collections::VecDeque;

/// A place in a gateway's line: the smallest goes first. The second part tells any two apart.
pub(super) type Turn = (u8, u64);

/// Deadlines of the requests that a gateway holds, in the order in which it took them: all have the same time.
pub(super) type HeldDue = VecDeque<(SimTime, u32, RequestId, u64)>;

/// A gateway.
pub(super) struct Gateway {
    pub(super) region: RegionId,
    /// Chooses a region, if the policy has two tiers.
    pub(super) global: Option<Stage>,
    /// Choose a replica: one stage for each region, or one over all replicas.
    pub(super) stages: Vec<Stage>,
    /// By data class: what its requests may be sent to.
    pub(super) eligible: IdVec<DataClassId, Reach>,
    /// The same under further limits, as they are met.
    pub(super) narrowed: Vec<((DataClassId, Limits), Reach)>,
    /// Whether it keeps an index of prompts.
    pub(super) indexes: bool,
    /// Whether a stage reads loads as they are.
    pub(super) reads_loads: bool,
    /// The loads that have reached it, where a stage reads those.
    pub(super) loads: Option<super::loads::Loads>,
    /// The round-trip times it has measured, where it does.
    pub(super) rtts: Option<super::rtt::Rtts>,
    /// The root of its own randomness.
    pub(super) key: Key,
    /// Whether a stage's index follows the replicas' caches.
    pub(super) reads_caches: bool,
    /// Requests that wait for a worker.
    pub(super) line: VecDeque<u32>,
    /// Workers that are deciding.
    pub(super) busy: u32,
    /// Requests that the gate or the policy holds, by data class, in the order of their turns.
    pub(super) held: IdVec<DataClassId, VecDeque<(Turn, u32)>>,
    /// The number of the next one.
    pub(super) next_held: u64,
    /// When those that wait have waited long enough.
    pub(super) held_due: HeldDue,
    /// Attempts under way, by region too, and retries that count against the budget.
    pub(super) under_way: u32,
    pub(super) sent_to: Vec<u32>,
    pub(super) retries: u32,
    /// By region: what has been sent there away from home.
    pub(super) spills: Vec<Meter>,
    /// Regions with replicas, the nearest first.
    pub(super) near: Vec<(Span, RegionId)>,
    /// Incidents that hold it down.
    pub(super) down: u32,
}

/// What narrows a data class's targets for one request at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// It may go to these alone, all of which its data class allows.
    pub(super) regions: RegionSet,
    /// It may not go there.
    pub(super) without: Option<ReplicaId>,
}

/// Where a gateway may send requests of a data class; `None` where it may send them nowhere.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// Regions, of the first tier.
    pub(super) global: Option<EligibleId>,
    /// Replicas, by stage.
    pub(super) stages: Vec<Option<EligibleId>>,
}

impl Gateway {
    /// Regions to which it may send requests under this rule, out of `own`; `up` has somebody to serve them. A rule that
    /// is only preferred gives way where it leaves nobody.
    pub(super) fn allowed(&self, rule: &ResidencyParams, own: RegionSet, up: RegionSet) -> RegionSet {
        let inside = rule.sent_from(self.region, self.indexes).and(own);
        if rule.preferred && inside.and(up).is_empty() { own } else { inside }
    }
    /// It is `now` for all stages that keep an index: that forgets by it.
    #[inline]
    pub(super) fn set_now(&mut self, now: SimTime) {
        if self.indexes {
            self.tell_time(now);
        }
    }
    #[inline(never)]
    fn tell_time(&mut self, now: SimTime) {
        self.global.iter_mut().chain(&mut self.stages).for_each(|stage| stage.set_now(now));
    }
    /// Makes the sets of targets that each data class may reach, anew. To be called whenever that changes.
    pub(super) fn refresh_eligible(
        &mut self,
        data_classes: &IdVec<DataClassId, ResidencyParams>,
        up: RegionSet,
    ) {
        self.global.iter_mut().chain(&mut self.stages).for_each(Stage::forget_eligible);
        self.narrowed.clear();
        let own = |rule| self.allowed(rule, RegionSet::ALL, up);
        let allowed: Vec<RegionSet> = data_classes.iter().map(own).collect();
        self.eligible = allowed.into_iter().map(|allowed| self.reach(allowed, None)).collect();
    }

    /// What lies in these regions.
    fn reach(&mut self, allowed: RegionSet, without: Option<ReplicaId>) -> Reach {
        let set = |stage: &mut Stage| {
            let mut list = Vec::new();
            for (index, target) in stage.targets().iter().enumerate() {
                let id = TargetId(index as u32);
                let spared = without.is_none() || target.replica != without;
                if stage.healthy(id) > 0 && allowed.contains(target.region) && spared {
                    list.push(id);
                }
            }
            (!list.is_empty()).then(|| stage.eligible(&list))
        };
        Reach {
            global: self.global.as_mut().and_then(set),
            stages: self.stages.iter_mut().map(set).collect(),
        }
    }

    /// The index in `narrowed` of requests of this class under these limits.
    pub(super) fn narrow(&mut self, class: DataClassId, limits: Limits) -> usize {
        let known = self.narrowed.iter().position(|(of, _)| *of == (class, limits));
        known.unwrap_or_else(|| {
            let reach = self.reach(limits.regions, limits.without);
            self.narrowed.push(((class, limits), reach));
            self.narrowed.len() - 1
        })
    }
}

/// The region of each gateway under this policy, by gateway.
pub fn gateway_regions(params: &WorldParams, policy: &PolicyParams) -> Vec<RegionId> {
    let places: Vec<RegionId> = match policy.gateways {
        GatewayPlacement::Central(region) => vec![region],
        GatewayPlacement::PerRegion => params.regions.ids().collect(),
    };
    let several = |&region: &RegionId| (0..policy.gateways_per_region).map(move |_| region);
    places.iter().flat_map(several).collect()
}

pub(super) fn build(
    params: &WorldParams,
    policy: &PolicyParams,
    network: &Network,
    sites: &IdVec<ReplicaId, Site>,
    key: Key,
) -> IdVec<GatewayId, Gateway> {
    let mut numbers = vec![0u64; params.regions.len()];
    let places = gateway_regions(params, policy).into_iter().map(|region| {
        numbers[region.index()] += 1;
        (region, numbers[region.index()] - 1)
    });
    places
        .map(|(region, number)| {
            let key = key.named("gateway").named(&params.regions[region].name);
            // The first one is what it is where it is alone.
            let key = if number == 0 { key } else { key.at(number) };
            gateway(params, policy, network, sites, key, region)
        })
        .collect()
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
    let mut global = global;
    let mut stages = if global.is_some() {
        let stage = |id| {
            let targets: Vec<Target> = in_region(id).map(target).collect();
            Stage::new(&policy.replica, targets, key.named("replica").named(name(id)))
        };
        params.regions.ids().map(stage).collect()
    } else {
        vec![Stage::new(&policy.replica, sites.enumerate().map(target).collect(), key.named("replica"))]
    };
    global.iter_mut().chain(&mut stages).for_each(|stage| {
        stage.set_release(policy.views.own);
        policy.views.speculative_ttl.into_iter().for_each(|ttl| stage.set_speculation(ttl));
    });
    let admits = policy.admission.as_ref().is_some_and(AdmissionParams::reads_loads);
    let loads = super::loads::Loads::new(&policy.views.load, sites, global.as_ref(), &stages, admits);
    let needs = || stages.iter().chain(&global).map(Stage::needs);
    let mut gateway = Gateway {
        indexes: needs().any(|needs| needs.index.is_some() || needs.active),
        reads_loads: loads.is_none() && (admits || needs().any(|needs| needs.load)),
        loads,
        rtts: super::rtt::Rtts::new(&policy.views.rtt, params.regions.len()),
        key,
        reads_caches: needs().any(|needs| needs.source() == Some(IndexSource::Oracle)),
        region,
        global,
        stages,
        eligible: IdVec::new(),
        narrowed: Vec::new(),
        line: VecDeque::new(),
        busy: 0,
        held: params.data_classes.iter().map(|_| VecDeque::new()).collect(),
        next_held: 0,
        held_due: VecDeque::new(),
        under_way: 0,
        sent_to: vec![0; params.regions.len()],
        retries: 0,
        spills: vec![Meter::default(); params.regions.len()],
        near: {
            let with_replicas = params.regions.ids().filter(|&id| in_region(id).next().is_some());
            let mut near: Vec<_> = with_replicas.map(|id| (network.rtt(region, id), id)).collect();
            near.sort();
            near
        },
        down: 0,
    };
    let up = gateway.near.iter().map(|&(_, region)| region).collect();
    gateway.refresh_eligible(&params.data_classes, up);
    gateway
}

/// What the stages of gateways under this policy read: who asks need not build a world.
fn needs(policy: &PolicyParams) -> impl Iterator<Item = Needs> {
    let target = Target {
        name: String::new(),
        replica: Some(ReplicaId(0)),
        region: RegionId(0),
        rtt: Span::ZERO,
        replicas: 1,
    };
    let specs = [Some(&policy.replica), policy.global.as_ref()].into_iter().flatten();
    specs.map(move |spec| Stage::new(spec, vec![target.clone()], Key::root(0)).needs())
}

/// Whether gateways under this policy keep an index of prompts.
pub fn keeps_index(policy: &PolicyParams) -> bool {
    needs(policy).any(|needs| needs.index.is_some() || needs.active)
}

/// What this policy reads as it is at the decision, which no system can: `loads`, `caches`.
pub fn oracles(policy: &PolicyParams) -> Vec<&'static str> {
    let any = |reads: fn(&Needs) -> bool| needs(policy).any(|needs| reads(&needs));
    let mut found = Vec::new();
    if policy.views.load == LoadView::Oracle && any(|needs| needs.load) {
        found.push("loads");
    }
    if policy.views.cache == CacheView::Oracle && any(|needs| needs.source() == Some(IndexSource::Oracle)) {
        found.push("caches");
    }
    found
}

/// How old a reading of loads gets that this policy decides by, at most: from one to the next, with the way. `None` where it
/// reads none, where it is told of every change or reads loads as they are.
pub fn load_age(policy: &PolicyParams) -> Option<Span> {
    let age = match &policy.views.load {
        LoadView::Oracle | LoadView::Event(_) => return None,
        LoadView::Poll(poll) => poll.every + poll.delay,
        LoadView::Store(store) => store.write_every + store.write_delay + store.read_every,
    };
    needs(policy).any(|needs| needs.load).then_some(age)
}

/// The doors of each origin's requests of each data class, by `origin × classes + class`: the first gateway of each region
/// that is open to the origin and whose gateways may read the class, the one next to the origin first, then by distance.
/// None where no gateway may.
pub(super) fn doors(
    params: &WorldParams,
    policy: &PolicyParams,
    network: &Network,
    gateways: &IdVec<GatewayId, Gateway>,
) -> Vec<Vec<GatewayId>> {
    let mut all = vec![Vec::new(); params.origins.len() * params.data_classes.len()];
    let first_of_region = |id: GatewayId| id.0.is_multiple_of(policy.gateways_per_region);
    for (origin, origin_params) in params.origins.enumerate() {
        for (class, rule) in params.data_classes.enumerate() {
            let open = rule.open_from(origin_params.near);
            let enters = |gateway: &Gateway| origin_params.may_enter(gateway.region);
            let may = |gateway: &Gateway| {
                rule.read_in(gateway.indexes).contains(gateway.region) && open.contains(gateway.region)
            };
            let any = rule.preferred && !gateways.iter().any(|gateway| enters(gateway) && may(gateway));
            let mut doors: Vec<_> = (gateways.enumerate())
                .filter(|(id, gateway)| first_of_region(*id) && enters(gateway) && (any || may(gateway)))
                .map(|(id, gateway)| {
                    let own = gateway.region == origin_params.near;
                    (!own, network.rtt(origin_params.near, gateway.region), id)
                })
                .collect();
            doors.sort_unstable();
            let origin: OriginId = origin;
            let class: DataClassId = class;
            all[entry_index(params, origin, class)] = doors.into_iter().map(|(.., id)| id).collect();
        }
    }
    all
}
