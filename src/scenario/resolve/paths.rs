//! What lies between regions: paths that a data class may not take. Knows areas, and from the catalogue which of them lies
//! within another; must not know round trips.

use super::Resolver;
use crate::catalog;
use crate::id::{Id, RegionId, RegionSet};
use crate::scenario::nearest::suggest;
use crate::scenario::raw::RawResidency;
use std::collections::{BTreeMap, BTreeSet};

/// Whether area `tag` is one of `allowed` or lies within one: all regions of the catalogue in the one are in the other.
fn within(tag: &str, allowed: &[&str]) -> bool {
    if allowed.contains(&tag) {
        return true;
    }
    let mut inside = catalog::regions().iter().filter(|region| region.jurisdictions.contains(&tag)).peekable();
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
                    .help("write \"us->eu\" for what is sent from `us` to `eu`, or \"us<->eu\" for both ways");
                self.push(item);
                continue;
            };
            for end in [from, to] {
                if !regions.iter().any(|region| region == end) {
                    let item = self
                        .error_at_key(&place, "a path lies between regions of this scenario")
                        .label(format!("there is no region `{end}`"))
                        .help(suggest(end, "the names in `[regions]` are", regions.iter().map(String::as_str)));
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
