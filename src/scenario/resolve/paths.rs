//! What lies between regions: paths that a data class may not take. Knows areas, and from the catalogue which of them lies
//! within another; must not know how a run goes.

use super::Resolver;
use super::rules::quoted;
use crate::catalog;
use crate::id::{DataClassId, Id, IdVec, OriginId, RegionId, RegionSet, SourceId};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::nearest::suggest;
use crate::scenario::raw::{RawPath, RawResidency};
use crate::time::Span;
use crate::workload::WorkloadParams;
use crate::workload::params::{OriginTable, WorkloadKind};
use crate::world::{GatewayPlacement, OriginParams, PolicyParams, ResidencyParams, keeps_index};
use std::collections::{BTreeMap, BTreeSet};

/// Whether area `tag` is one of `allowed` or lies within one: all regions of the catalogue in the one are in the other.
fn within(tag: &str, allowed: &[&str]) -> bool {
    if allowed.contains(&tag) {
        return true;
    }
    let mut inside =
        catalog::regions().iter().filter(|region| region.jurisdictions.contains(&tag)).peekable();
    inside.peek().is_some()
        && inside.all(|region| region.jurisdictions.iter().any(|other| allowed.contains(other)))
}

/// The regions of a key: from, to, and whether it is both ways.
fn ends(key: &str) -> Option<(&str, &str, bool)> {
    let both = key.split_once("<->").map(|(from, to)| (from.trim(), to.trim(), true));
    both.or_else(|| key.split_once("->").map(|(from, to)| (from.trim(), to.trim(), false)))
}

/// What closes a path to a class: the areas that its `transit_via` does not allow, and those of `not_under` whose law
/// binds the operator.
fn obstacles(raw: &RawResidency, path: &RawPath) -> (Vec<String>, Vec<String>) {
    let entries = raw.transit_via.as_ref().or(raw.process_in.as_ref());
    let entries: Vec<&str> = entries.into_iter().flatten().map(String::as_str).collect();
    let any = entries.contains(&"any");
    let allowed: Vec<&str> =
        entries.iter().map(|entry| entry.strip_prefix("jurisdiction:").unwrap_or(entry)).collect();
    let laws = raw.not_under.as_deref().unwrap_or_default();
    let areas = path.through.iter().filter(|tag| !any && !within(tag, &allowed));
    let laws = path.under.iter().filter(|tag| laws.contains(tag));
    (areas.cloned().collect(), laws.cloned().collect())
}

impl Resolver<'_> {
    /// Tells what is wrong with `[network.paths]`.
    pub(super) fn check_paths(&mut self, regions: &[String], areas: &BTreeSet<String>) {
        for (key, path) in self.raw.network.paths.clone() {
            let place = ["network", "paths", key.as_str()];
            let Some((from, to, _)) = ends(&key).filter(|(from, to, _)| from != to) else {
                let item = self
                    .error_at_key(&place, "a path lies between two regions")
                    .label("this key does not name two")
                    .help(
                        "write \"us->eu\" for what is sent from `us` to `eu`, or \"us<->eu\" for both ways",
                    );
                self.push(item);
                continue;
            };
            for end in [from, to] {
                if !regions.iter().any(|region| region == end) {
                    let item = self
                        .error_at_key(&place, "a path lies between regions of this scenario")
                        .label(format!("there is no region `{end}`"))
                        .help(suggest(
                            end,
                            "the names in `[regions]` are",
                            regions.iter().map(String::as_str),
                        ));
                    self.push(item);
                }
            }
            for (list, tags) in [("through", &path.through), ("under", &path.under)] {
                for (index, tag) in tags.iter().enumerate() {
                    if !areas.contains(tag) {
                        let index = index.to_string();
                        let item = self
                            .error(&["network", "paths", &key, list, &index], "a path names legal areas")
                            .label(format!("there is no area `{tag}`"))
                            .help(suggest(tag, "the areas are", areas.iter().map(String::as_str)));
                        self.push(item);
                    }
                }
            }
        }
    }

    /// The paths that a data class may not take.
    pub(super) fn closed_paths(&self, raw: &RawResidency, regions: &[String]) -> Vec<(RegionId, RegionSet)> {
        let mut closed = BTreeMap::<RegionId, RegionSet>::new();
        for (key, path) in &self.raw.network.paths {
            let (areas, laws) = obstacles(raw, path);
            let open = areas.is_empty() && laws.is_empty();
            let Some((from, to, both)) = ends(key).filter(|_| !open) else { continue };
            let id = |name: &str| regions.iter().position(|region| region == name).map(RegionId::new);
            let (Some(from), Some(to)) = (id(from), id(to)) else { continue };
            closed.entry(from).or_default().insert(to);
            if both {
                closed.entry(to).or_default().insert(from);
            }
        }
        closed.into_iter().collect()
    }
}

/// What there is to be served by.
pub(super) struct Fleet<'p> {
    pub regions: &'p [String],
    pub with_pools: &'p [bool],
    pub rtt: &'p [Vec<Span>],
    pub data_classes: &'p IdVec<DataClassId, ResidencyParams>,
}

impl Fleet<'_> {
    /// Where data of a class comes in from an origin, and the regions with a pool that it can be sent to from there.
    fn reach(
        &self,
        policy: &PolicyParams,
        indexes: bool,
        origin: &OriginParams,
        rule: &ResidencyParams,
    ) -> (Option<RegionId>, RegionSet) {
        let open = rule.open_from(origin.near);
        let may = |&region: &RegionId| {
            rule.read_in(indexes).contains(region) && open.contains(region) && origin.may_enter(region)
        };
        let rtt = |region: RegionId| self.rtt.get(origin.near.index())?.get(region.index());
        let regions = || (0..self.regions.len()).map(RegionId::new);
        let door = match policy.gateways {
            GatewayPlacement::Central(at) => Some(at).filter(may),
            GatewayPlacement::PerRegion => {
                regions().filter(may).min_by_key(|&region| (region != origin.near, rtt(region), region))
            }
        };
        let sent = door.map_or(RegionSet::NONE, |door| rule.sent_from(door, indexes));
        let pools = regions().filter(|region| self.with_pools[region.index()]);
        (door, pools.filter(|&region| sent.contains(region)).collect())
    }
}

impl Resolver<'_> {
    /// Tells of data classes that arrive and that the gateway they come in through can send nowhere.
    pub(super) fn check_served(
        &mut self,
        fleet: &Fleet<'_>,
        origins: &IdVec<OriginId, OriginParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
        policies: &[PolicyParams],
    ) {
        let mut told = BTreeSet::new();
        for policy in policies {
            let indexes = keeps_index(policy);
            for origin in origins.iter().filter(|origin| origin.weight > 0.0) {
                if let GatewayPlacement::Central(at) = policy.gateways
                    && !origin.may_enter(at)
                {
                    if told.insert((DataClassId(0), format!("{} {}", origin.name, policy.name))) {
                        let at = &fleet.regions[at.index()];
                        let item = self
                            .error(
                                &["origins", &origin.name, "doors"],
                                "an origin's `doors` have the gateway of a policy that has only one",
                            )
                            .label(format!("under policy `{}` all come in through `{at}`", policy.name))
                            .help(format!(
                                "add \"{at}\", leave `doors` out, or use `replica.…` (a gateway in each region)"
                            ));
                        self.push(item);
                    }
                    continue;
                }
                let own = [origin.data_class].into_iter();
                let classes = own.chain(workloads.iter().filter_map(|workload| workload.data_class));
                for class in classes {
                    let Some(rule) = fleet.data_classes.get(class).filter(|rule| !rule.preferred) else {
                        continue;
                    };
                    let (door, reach) = fleet.reach(policy, indexes, origin, rule);
                    let served = !reach.is_empty();
                    if served || !told.insert((class, origin.name.clone())) {
                        continue;
                    }
                    let way = NoWay { class, origin, policy, door, indexes };
                    let item = self.no_way(fleet, &way);
                    self.push(item);
                }
            }
        }
    }
}

impl Resolver<'_> {
    /// Tells of workloads, and of rows of traces, whose own regions cannot be reached from where they come in. Every class
    /// has some region that it reaches, and may be served in one of these: what lies between was left to check.
    pub(super) fn check_allowed(
        &mut self,
        fleet: &Fleet<'_>,
        origins: &IdVec<OriginId, OriginParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
        policies: &[PolicyParams],
        table: &OriginTable,
    ) {
        let (mut told, mut lines) = (BTreeSet::new(), BTreeSet::new());
        for policy in policies {
            let indexes = keeps_index(policy);
            let reach = |origin: OriginId, class: DataClassId| match (
                origins.get(origin),
                fleet.data_classes.get(class),
            ) {
                (Some(origin), Some(rule)) if !rule.preferred => fleet.reach(policy, indexes, origin, rule),
                _ => (None, RegionSet::ALL),
            };
            for workload in workloads.iter() {
                let own = workload.setting.allowed.unwrap_or(RegionSet::ALL);
                let mut stuck = false;
                for (origin, class) in crate::workload::brings(workload, table) {
                    let (door, reached) = reach(origin, class);
                    // Nobody comes from an origin without weight that no row names.
                    let (Some(door), false) = (door, reached.is_empty()) else { continue };
                    if !reached.and(own).is_empty() {
                        continue;
                    }
                    stuck = true;
                    if told.insert((workload.name.clone(), class, origin)) {
                        let (rule, at) = (&table.data_classes[class.index()], &fleet.regions[door.index()]);
                        let open = (0..fleet.regions.len()).filter(|&id| reached.contains(RegionId::new(id)));
                        let open = quoted(open.map(|id| &fleet.regions[id]));
                        let item = self
                            .error(
                                &["workloads", &workload.name, "allowed_regions"],
                                format!("a workload's `{rule}` data must have a way to a region that it allows"),
                            )
                            .label(format!(
                                "from origin `{}` it comes in through `{at}` under policy `{}`, which may send it to none \
                                 of these",
                                origins[origin].name, policy.name,
                            ))
                            .help(format!(
                                "allow one that it may send it to: {open}; or change `transit_via` of `{rule}`, or \
                                 `[network.paths]`"
                            ));
                        self.push(item);
                    }
                }
                if let (false, WorkloadKind::Trace(_)) = (stuck, &workload.kind) {
                    let lost =
                        crate::workload::nowhere(workload, table, |origin, class| reach(origin, class).1);
                    let raw = self.raw.workloads.get(&workload.name).and_then(|raw| raw.trace.as_ref());
                    let path = raw.map(|raw| raw.path.clone());
                    if let (Some(path), false) = (path, lost.is_empty() || lines.contains(&workload.name)) {
                        lines.insert(workload.name.clone());
                        self.requests_that_go_nowhere(&workload.name, &path, &lost, Some(&policy.name));
                    }
                }
            }
        }
    }
}

/// A class that comes in and may be sent nowhere.
struct NoWay<'p> {
    class: DataClassId,
    origin: &'p OriginParams,
    policy: &'p PolicyParams,
    door: Option<RegionId>,
    indexes: bool,
}

impl Resolver<'_> {
    /// The message, at the key that closes the way.
    fn no_way(&self, fleet: &Fleet<'_>, way: &NoWay<'_>) -> Diagnostic {
        let NoWay { class, origin, policy, door, indexes } = *way;
        let (rule, written) = (&fleet.data_classes[class], &self.written[class.index()]);
        let regions = fleet.regions;
        let class = rule.name.as_str();
        let title = format!("`{class}` data must have a way to a region with a pool that may process it");
        let key_of = |key| if self.document.has(&["residency", class, key]) { key } else { "process_in" };
        let inherits = |key| match key_of(key) {
            "process_in" => format!(" (`{key}` is left out and inherits this)"),
            _ => String::new(),
        };
        let error = |key: &str| self.error(&["residency", class, key], title.clone());
        let near = &regions[origin.near.index()];
        let (who, under) = (&origin.name, &policy.name);
        let serving: RegionSet = (0..regions.len())
            .filter(|&index| fleet.with_pools[index])
            .map(RegionId::new)
            .filter(|&region| rule.serve_in().contains(region))
            .collect();
        let central = matches!(policy.gateways, GatewayPlacement::Central(_));
        if door.is_none() && origin.doors.is_some() {
            let open = rule.open_from(origin.near);
            let others = (0..regions.len()).map(RegionId::new);
            let others =
                others.filter(|&region| open.contains(region) && rule.read_in(indexes).contains(region));
            let others: Vec<&String> = others.map(|region| &regions[region.index()]).collect();
            if !others.is_empty() {
                return self
                    .error(&["origins", who, "doors"], title)
                    .label(format!("under policy `{under}` no gateway of these may read `{class}`"))
                    .help(format!("add a region whose gateway may: {}", quoted(others)));
            }
        }
        if door.is_none() && !central && !rule.read_in(indexes).contains(origin.near) {
            // Where it comes in it may be read: that was checked before.
            let mut keys = vec!["index_in"];
            if !serving.contains(origin.near) {
                keys.push("transit_via");
            }
            return error(key_of("index_in"))
                .label(format!(
                    "origin `{who}` is near `{near}`, where policy `{under}` may keep no index of it, nor anywhere else that may read it{}",
                    inherits("index_in")
                ))
                .help(format!(
                    "allow it: {}; or use a policy that keeps no index of prompts",
                    written.allow(&keys, origin.near, regions)
                ));
        }
        if let Some(door) = door.filter(|&door| !rule.transit_via.contains(door)) {
            let at = &regions[door.index()];
            return error(key_of("transit_via"))
                .label(format!(
                    "from origin `{who}` it comes in through `{at}` under policy `{under}`, which may not send it on{}",
                    inherits("transit_via")
                ))
                .help(format!("allow it: {}", written.allow(&["transit_via"], door, regions)));
        }
        // Paths from where it is to where it must go are closed.
        let (from, to) = match (door, policy.gateways) {
            (Some(door), _) => (door, serving),
            (None, GatewayPlacement::Central(at)) => (origin.near, [at].into_iter().collect()),
            (None, GatewayPlacement::PerRegion) => (origin.near, rule.read_in(indexes)),
        };
        let id = |name: &str| regions.iter().position(|region| region == name).map(RegionId::new);
        let raw = self.raw.residency.get(class).cloned().unwrap_or_default();
        let closed = self.raw.network.paths.iter().find_map(|(key, path)| {
            let (a, b, both) = ends(key)?;
            let (a, b) = (id(a)?, id(b)?);
            let here = (a == from && to.contains(b)) || (both && b == from && to.contains(a));
            let (areas, laws) = obstacles(&raw, path);
            (here && !(areas.is_empty() && laws.is_empty())).then_some((key, areas, laws))
        });
        let at = &regions[from.index()];
        let Some((path, areas, laws)) = closed else {
            return error("process_in")
                .label(format!(
                    "from origin `{who}` it comes to `{at}` and no further under policy `{under}`"
                ))
                .help(format!("put origin `{who}` near an allowed region"));
        };
        let mut steps = Vec::new();
        if !areas.is_empty() {
            let more: Vec<String> = areas.iter().map(|area| format!("\"{area}\"")).collect();
            steps.push(format!("allow it: `[residency.{class}]` `transit_via = […, {}]`", more.join(", ")));
        }
        if !laws.is_empty() {
            steps.push(format!("leave {} out of `not_under`", quoted(&laws)));
        }
        let key = if areas.is_empty() { "not_under" } else { key_of("transit_via") };
        let what = if areas.is_empty() {
            format!("is under the law of {}", quoted(&laws))
        } else {
            format!("goes through {}{}", quoted(&areas), inherits("transit_via"))
        };
        error(key)
            .label(format!(
                "from origin `{who}` it comes to `{at}` under policy `{under}`, and the path on `{path}` {what}"
            ))
            .help(format!("{}; or put origin `{who}` near another region", steps.join("; and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_lies_within_those_around_it() {
        assert!(within("eea", &["eea"]));
        assert!(within("de", &["eea"]), "Germany lies in the EEA");
        assert!(!within("eea", &["de"]));
        assert!(!within("gb", &["eea"]), "Britain does not");
        assert!(!within("nowhere", &["eea"]), "of what nobody knows nothing is known");
    }

    #[test]
    fn keys_name_two_ends() {
        assert_eq!(ends("us->eu"), Some(("us", "eu", false)));
        assert_eq!(ends("us <-> eu"), Some(("us", "eu", true)));
        assert_eq!(ends("us"), None);
    }
}
