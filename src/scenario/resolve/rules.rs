//! Residency classes as they were written, to say which key leaves a class nowhere and what would let it in. Knows the sets
//! before `not_under` and whom that takes out; must not know how a run goes.

use super::{At, Resolver};
use crate::id::{Id, RegionId};
use crate::network::RegionSet;
use crate::world::ResidencyParams;

/// A residency class as written.
#[derive(Clone)]
pub(super) struct Written {
    /// Its sets, before `not_under`.
    pub rule: ResidencyParams,
    /// By region, the areas of `not_under` whose law binds its provider.
    pub bound: Vec<Vec<String>>,
    /// By region, the entry that means it alone: `region:eu` where `eu` is also an area with other regions.
    pub entries: Vec<String>,
}

/// "`a`, `b`".
pub(super) fn quoted<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

/// The names of a set's regions.
fn shown(set: RegionSet, regions: &[String]) -> String {
    quoted(
        regions.iter().enumerate().filter(|(id, _)| set.contains(RegionId::new(*id))).map(|(_, name)| name),
    )
}

impl Written {
    /// The regions of a key, as written.
    pub fn set(&self, key: &str) -> RegionSet {
        let rule = &self.rule;
        match key {
            "decrypt_in" => rule.decrypt_in,
            "transit_via" => rule.transit_via,
            "cache_in" => rule.cache_in.unwrap_or(rule.process_in),
            "store_in" => rule.store_in.unwrap_or(rule.process_in),
            "index_in" => rule.index_in.unwrap_or(rule.process_in),
            _ => rule.process_in,
        }
    }
    /// The areas of `not_under` whose law binds the provider of `region`.
    pub fn laws(&self, region: RegionId) -> &[String] {
        self.bound.get(region.index()).map_or(&[], Vec::as_slice)
    }
    /// What puts `region` into all of `keys`: all that is needed, so that it works when it is followed.
    pub fn allow(&self, keys: &[&str], region: RegionId, regions: &[String]) -> String {
        let name = &regions[region.index()];
        let entry = self.entries.get(region.index()).unwrap_or(name);
        let missing = keys.iter().filter(|key| !self.set(key).contains(region));
        let missing: Vec<String> = missing.map(|key| format!("`{key} = […, \"{entry}\"]`")).collect();
        let mut steps = Vec::new();
        if !missing.is_empty() {
            steps.push(format!("`[residency.{}]` {}", self.rule.name, missing.join(" and ")));
        }
        let laws = self.laws(region);
        if !laws.is_empty() {
            steps.push(format!(
                "leave {} out of `not_under`, or give `[regions.{name}]` a `provider_jurisdiction` without it",
                quoted(laws)
            ));
        }
        steps.join("; and ")
    }
}

impl Resolver<'_> {
    /// Tells of a class that no region with a pool may serve, at the key that took out the last one.
    pub(super) fn check_can_serve(&mut self, written: &Written, regions: &[String], with_pools: &[bool]) {
        let every = || (0..regions.len()).map(RegionId::new);
        let rule = &written.rule;
        let name = rule.name.as_str();
        let free: RegionSet = every().filter(|&region| written.laws(region).is_empty()).collect();
        let pools: RegionSet =
            every().filter(|id| with_pools.get(id.index()).is_some_and(|&pools| pools)).collect();
        let sets = [
            ("process_in", Some(rule.process_in)),
            ("cache_in", rule.cache_in),
            ("store_in", rule.store_in),
            ("not_under", Some(free)),
        ];
        let mut left = pools;
        for (number, &(key, set)) in sets.iter().enumerate() {
            let Some(set) = set else { continue };
            let before = left;
            left = left.and(set);
            if !left.is_empty() || before.is_empty() {
                continue;
            }
            let later = sets[number + 1..].iter().filter_map(|(_, set)| *set);
            let fit = later.fold(before, RegionSet::and);
            // Without one that this key alone keeps out, one that most others allow.
            let best = if fit.is_empty() { before } else { fit };
            let Some(region) = every().find(|&region| best.contains(region)) else { return };
            let place = ["residency", name, key];
            let keys: Vec<&str> =
                sets[..3].iter().filter(|(_, set)| set.is_some()).map(|(key, _)| *key).collect();
            let allow = written.allow(&keys, region, regions);
            let title = format!("a region with a pool must be allowed to process `{name}`");
            let item = match key {
                "process_in" => {
                    let item = self.error(&place, title).label("no region with a pool is in this set");
                    if best == pools && fit == pools {
                        let have: Vec<&str> = every()
                            .filter(|&id| pools.contains(id))
                            .map(|id| regions[id.index()].as_str())
                            .collect();
                        item.help(format!("regions with pools: {}", have.join(", ")))
                            .help("add one of them or its jurisdiction, or give an allowed region a pool")
                    } else {
                        item.help(format!("allow one with a pool: {allow}"))
                    }
                }
                "not_under" => {
                    let mut laws: Vec<&String> =
                        every().filter(|&id| before.contains(id)).flat_map(|id| written.laws(id)).collect();
                    laws.sort();
                    laws.dedup();
                    self.error(&place, title)
                        .label(format!(
                            "it takes out {}: the law of {} binds the provider",
                            shown(before, regions),
                            quoted(laws)
                        ))
                        .context(
                            self.place(&["residency", name, "process_in"], At::Value),
                            "what may process it without that",
                        )
                        .help(allow)
                }
                _ => {
                    let (verb, why) = if key == "cache_in" {
                        ("cache", "an engine caches what it processes")
                    } else {
                        ("log", "a region logs what it serves")
                    };
                    self.error(
                        &place,
                        format!(
                            "a region with a pool must be allowed to process and to {verb} `{name}`: {why}"
                        ),
                    )
                    .label(format!(
                        "{} may process it, and none of them is in this set",
                        shown(before, regions)
                    ))
                    .context(
                        self.place(&["residency", name, "process_in"], At::Value),
                        "where it may be processed",
                    )
                    .help(if fit.is_empty() {
                        allow
                    } else {
                        format!("{allow}; or leave `{key}` out: it is then as `process_in`")
                    })
                }
            };
            self.push(item);
            return;
        }
    }
}
