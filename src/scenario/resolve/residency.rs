//! Residency classes and origins.

use super::rules::Written;
use super::{Resolver, id_or_first};
use crate::catalog;
use crate::id::{DataClassId, Id, IdVec, OriginId, RegionId};
use crate::network::{Connection, LastMileParams, RegionSet};
use crate::scenario::nearest::suggest;
use crate::scenario::plan::RegionFacts;
use crate::scenario::raw::{LastMilePreset, RawConnection, RawLastMile, RawResidencyMode};
use crate::workload::Geography;
use crate::world::{OriginParams, ResidencyParams};
use std::collections::BTreeSet;

/// The name of data class 0.
pub(super) const UNRESTRICTED: &str = "unrestricted";

impl Resolver<'_> {
    pub(super) fn residency(
        &mut self,
        regions: &[String],
        facts: &[RegionFacts],
        with_pools: &[bool],
    ) -> IdVec<DataClassId, ResidencyParams> {
        self.check_names(&["residency"]);
        let own =
            facts.iter().flat_map(|facts| facts.jurisdiction.iter().chain(&facts.provider_jurisdiction));
        let known = catalog::regions().iter().flat_map(|region| region.jurisdictions.iter());
        let areas: BTreeSet<String> = own.cloned().chain(known.map(ToString::to_string)).collect();
        self.check_paths(regions, &areas);
        let all = RegionSet::ALL;
        let entry = |(index, name): (usize, &String)| {
            let lies_in =
                |(other, facts): (usize, &RegionFacts)| facts.jurisdiction.contains(name) == (other == index);
            let alone = !areas.contains(name) || facts.iter().enumerate().all(lies_in);
            if alone { name.clone() } else { format!("region:{name}") }
        };
        let entries: Vec<String> = regions.iter().enumerate().map(entry).collect();
        let mut classes: IdVec<DataClassId, ResidencyParams> =
            vec![ResidencyParams::unrestricted(UNRESTRICTED)].into();
        self.written = vec![Written {
            rule: ResidencyParams::unrestricted(UNRESTRICTED),
            bound: Vec::new(),
            entries: Vec::new(),
        }];
        for name in self.names(&["residency"]) {
            if name == UNRESTRICTED {
                let item = self
                    .error_at_key(&["residency", &name], "`unrestricted` is the class of data without a rule")
                    .label("this name is taken")
                    .help("choose another name");
                self.push(item);
            }
            let raw = self.raw.residency.get(&name).cloned().unwrap_or_default();
            let before = self.found.len();
            let mut set = |key: &str, entries: &Option<Vec<String>>| {
                entries
                    .as_ref()
                    .map(|entries| self.region_set(&["residency", &name, key], entries, regions, facts))
            };
            let process_in = set("process_in", &raw.process_in);
            let decrypt_in = set("decrypt_in", &raw.decrypt_in);
            let transit_via = set("transit_via", &raw.transit_via);
            let cache_in = set("cache_in", &raw.cache_in);
            let store_in = set("store_in", &raw.store_in);
            let index_in = set("index_in", &raw.index_in);
            let laws = raw.not_under.clone().unwrap_or_default();
            for (index, law) in laws.iter().enumerate().filter(|(_, law)| !areas.contains(*law)) {
                let item = self
                    .error(
                        &["residency", &name, "not_under", &index.to_string()],
                        format!("`residency.{name}.not_under` names legal areas"),
                    )
                    .label(format!("there is no area `{law}`"))
                    .help(suggest(law, "the areas are", areas.iter().map(String::as_str)));
                self.push(item);
            }
            let bound: Vec<Vec<String>> = facts
                .iter()
                .map(|facts| {
                    let laws = laws.iter().filter(|law| facts.provider_jurisdiction.contains(law));
                    laws.cloned().collect()
                })
                .collect();
            let free: RegionSet = if laws.is_empty() {
                all
            } else {
                let free = (0..regions.len()).filter(|&index| bound.get(index).is_none_or(Vec::is_empty));
                free.map(RegionId::new).collect()
            };
            // Left out because it was broken, and reported: nothing can be said of it.
            let process_in = process_in.unwrap_or(all);
            let written = ResidencyParams {
                name: name.clone(),
                process_in,
                decrypt_in: decrypt_in.unwrap_or(process_in),
                transit_via: transit_via.unwrap_or(process_in),
                cache_in,
                store_in,
                index_in,
                closed: self.closed_paths(&raw, regions),
                preferred: raw.mode == Some(RawResidencyMode::Preferred),
            };
            let taken = |set: Option<RegionSet>| set.map(|set| set.and(free));
            let rule = ResidencyParams {
                process_in: process_in.and(free),
                decrypt_in: written.decrypt_in.and(free),
                transit_via: written.transit_via.and(free),
                cache_in: taken(cache_in),
                store_in: taken(store_in),
                index_in: taken(index_in),
                ..written.clone()
            };
            let written = Written { rule: written, bound, entries: entries.clone() };
            if raw.process_in.is_some() && self.found.len() == before {
                self.check_can_serve(&written, regions, with_pools);
            }
            self.written.push(written);
            classes.push(rule);
        }
        classes
    }

    fn region_set(
        &mut self,
        path: &[&str],
        entries: &[String],
        regions: &[String],
        facts: &[RegionFacts],
    ) -> RegionSet {
        let tags: BTreeSet<&str> = facts
            .iter()
            .flat_map(|facts| facts.jurisdiction.iter().map(String::as_str))
            .chain(catalog::regions().iter().flat_map(|region| region.jurisdictions.iter().copied()))
            .collect();
        let tagged = |tag: &str| -> RegionSet {
            let has = |facts: &RegionFacts| facts.jurisdiction.iter().any(|other| other == tag);
            facts
                .iter()
                .enumerate()
                .filter(|(_, facts)| has(facts))
                .map(|(index, _)| RegionId::new(index))
                .collect()
        };
        let named = |name: &str| regions.iter().position(|region| region == name).map(RegionId::new);
        let mut set = RegionSet::NONE;
        for (index, entry) in entries.iter().enumerate() {
            let index = index.to_string();
            let mut here = path.to_vec();
            here.push(&index);
            let item =
                self.error(&here, format!("`{}` names regions, jurisdictions, or \"any\"", path.join(".")));
            let (by_name, by_tag) = match entry.split_once(':') {
                _ if entry == "any" => return RegionSet::ALL,
                Some(("region", name)) => (Some(name), None),
                Some(("jurisdiction", tag)) => (None, Some(tag)),
                _ => (Some(entry.as_str()), Some(entry.as_str())),
            };
            let region = by_name.and_then(named);
            let tag = by_tag.filter(|tag| tags.contains(tag));
            let add = match (region, tag) {
                (Some(region), None) => [region].into_iter().collect(),
                (None, Some(tag)) => tagged(tag),
                (Some(region), Some(tag)) => {
                    let only: RegionSet = [region].into_iter().collect();
                    if only != tagged(tag) {
                        self.push(
                            item.label(format!("`{entry}` is a region and a jurisdiction, and they differ"))
                                .help(format!("write \"region:{entry}\" or \"jurisdiction:{entry}\"")),
                        );
                    }
                    only
                }
                (None, None) => {
                    let known = regions.iter().map(String::as_str).chain(tags.iter().copied());
                    self.push(item.label(format!("there is no `{entry}`")).help(suggest(
                        entry,
                        "the names are",
                        known,
                    )));
                    RegionSet::NONE
                }
            };
            (0..regions.len())
                .map(RegionId::new)
                .filter(|&id| add.contains(id))
                .for_each(|id| set.insert(id));
        }
        set
    }

    /// The regions whose gateways are open to an origin.
    fn doors(&mut self, name: &str, doors: Option<&[String]>, regions: &[String]) -> Option<RegionSet> {
        let doors = doors?;
        if doors.is_empty() {
            let item = self
                .error(&["origins", name, "doors"], "an origin's `doors` are one region or more")
                .label("its clients could come in nowhere")
                .help("name the regions, or leave `doors` out for all of them");
            self.push(item);
        }
        let mut set = RegionSet::NONE;
        for (index, door) in doors.iter().enumerate() {
            let place = ["origins", name, "doors", &index.to_string()];
            if let Some(region) = self.find(regions, door, "region", "regions", &place) {
                set.insert(RegionId::new(region));
            }
        }
        Some(set)
    }

    pub(super) fn origins(
        &mut self,
        regions: &[String],
        with_pools: &[bool],
        data_classes: &IdVec<DataClassId, ResidencyParams>,
    ) -> IdVec<OriginId, OriginParams> {
        self.check_names(&["origins"]);
        let names = self.names(&["origins"]);
        if let Some(preset) = self.raw.geography {
            if names.is_empty() {
                return self.preset_origins(preset, regions);
            }
            let item = self
                .error_at_key(&["geography"], "origins are ready-made or one's own")
                .label("beside `[origins]`")
                .help("leave out one of the two");
            self.push(item);
        }
        if names.is_empty() {
            return (0..regions.len())
                .filter(|&index| with_pools[index])
                .map(|index| OriginParams {
                    name: regions[index].clone(),
                    near: RegionId::new(index),
                    weight: 1.0,
                    data_class: DataClassId(0),
                    last_mile: LastMileParams::WIRED,
                    connection: Connection::Warm,
                    doors: None,
                    geography: Geography::default(),
                })
                .collect();
        }
        let classes: Vec<String> = data_classes.iter().map(|class| class.name.clone()).collect();
        let mut origins = IdVec::new();
        for name in &names {
            let raw = self.raw.origins.get(name).cloned().unwrap_or_default();
            let near = raw
                .near
                .as_ref()
                .and_then(|near| self.find(regions, near, "region", "regions", &["origins", name, "near"]));
            let data_class = raw.data_class.as_ref().and_then(|class| {
                self.find(&classes, class, "residency class", "residency", &["origins", name, "data_class"])
            });
            let last_mile = match raw.last_mile {
                None | Some(RawLastMile::Preset(LastMilePreset::Wired)) => LastMileParams::WIRED,
                Some(RawLastMile::Preset(LastMilePreset::Mobile)) => LastMileParams::MOBILE,
                Some(RawLastMile::Preset(LastMilePreset::None)) => LastMileParams::NONE,
                Some(RawLastMile::Own(own)) => LastMileParams { median_rtt: own.median.0, sigma: own.sigma },
            };
            let connection = match raw.connection {
                None | Some(RawConnection::Warm) => Connection::Warm,
                Some(RawConnection::Cold) => Connection::COLD_TLS13,
                Some(RawConnection::ColdTls12) => Connection::COLD_TLS12,
                Some(RawConnection::ColdQuic) => Connection::COLD_QUIC,
            };
            origins.push(OriginParams {
                name: name.clone(),
                near: id_or_first(near),
                weight: raw.weight.unwrap_or(1.0),
                data_class: id_or_first(data_class),
                last_mile,
                connection,
                doors: self.doors(name, raw.doors.as_deref(), regions),
                geography: self.geography(name, &raw),
            });
        }
        if origins.iter().all(|origin| origin.weight == 0.0) {
            let item = self
                .error_at_key(&["origins"], "at least one origin has a weight above 0")
                .label("all are 0")
                .help("give an origin a share, such as `weight = 0.4`");
            self.push(item);
        }
        origins
    }
}
