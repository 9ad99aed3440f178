//! What lies between regions: paths that a data class may not take. Knows areas, and from the catalogue which of them lies
//! within another; must not know how a run goes.

use super::Resolver;
use crate::catalog;
use crate::id::{DataClassId, Id, IdVec, OriginId, RegionId, RegionSet, SourceId};
use crate::scenario::nearest::suggest;
use crate::scenario::raw::RawResidency;
use crate::time::Span;
use crate::workload::WorkloadParams;
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
        let entries = raw.transit_via.as_ref().or(raw.process_in.as_ref());
        let entries: Vec<&str> = entries.into_iter().flatten().map(String::as_str).collect();
        let any = entries.contains(&"any");
        let areas: Vec<&str> =
            entries.iter().map(|entry| entry.strip_prefix("jurisdiction:").unwrap_or(entry)).collect();
        let laws = raw.not_under.as_deref().unwrap_or_default();
        let mut closed = BTreeMap::<RegionId, RegionSet>::new();
        for (key, path) in &self.raw.network.paths {
            let open = (any || path.through.iter().all(|tag| within(tag, &areas)))
                && !path.under.iter().any(|tag| laws.contains(tag));
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
                let own = [origin.data_class].into_iter();
                let classes = own.chain(workloads.iter().filter_map(|workload| workload.data_class));
                for class in classes {
                    let Some(rule) = fleet.data_classes.get(class).filter(|rule| !rule.preferred) else {
                        continue;
                    };
                    let open = rule.open_from(origin.near);
                    let may =
                        |&region: &RegionId| rule.read_in(indexes).contains(region) && open.contains(region);
                    let rtt = |region: RegionId| fleet.rtt.get(origin.near.index())?.get(region.index());
                    let door = match policy.gateways {
                        GatewayPlacement::Central(at) => Some(at).filter(may),
                        GatewayPlacement::PerRegion => (0..fleet.regions.len())
                            .map(RegionId::new)
                            .filter(may)
                            .min_by_key(|&region| (region != origin.near, rtt(region), region)),
                    };
                    let served = door.is_some_and(|door| {
                        let reach = rule.sent_from(door, indexes);
                        (0..fleet.regions.len())
                            .any(|index| fleet.with_pools[index] && reach.contains(RegionId::new(index)))
                    });
                    if served || !told.insert((class, origin.name.clone())) {
                        continue;
                    }
                    let place = ["residency", rule.name.as_str(), "process_in"];
                    let item = self
                        .error(&place, format!("`{}` data must have a way to a region with a pool that may process it", rule.name))
                        .label(match door {
                            Some(door) => format!(
                                "from origin `{}` it comes in through `{}`, and may be sent on to no such region under policy `{}`",
                                origin.name, fleet.regions[door.index()], policy.name
                            ),
                            None => format!(
                                "from origin `{}` it can come to no gateway that may read it under policy `{}`",
                                origin.name, policy.name
                            ),
                        })
                        .help(format!(
                            "allow the regions on the way in `transit_via`, or the areas of `[network.paths]`, or put origin `{}` near an allowed region",
                            origin.name
                        ));
                    self.push(item);
                }
            }
        }
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
