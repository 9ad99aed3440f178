//! Gates: whether their measures, groups and bounds are any. What they are held against is not known here.

use super::Resolver;
use crate::measure::{Bound, By, Selector};
use crate::scenario::document::At;
use crate::scenario::nearest::suggest;
use crate::scenario::plan::Gate;

/// The names that a gate may select by.
pub(super) struct Names<'n> {
    pub origins: Vec<&'n str>,
    pub classes: Vec<&'n str>,
    pub regions: Vec<&'n str>,
    pub policies: Vec<&'n str>,
}

impl Resolver<'_> {
    /// The gates, in file order.
    pub(super) fn gates(&mut self, names: &Names<'_>) -> Vec<Gate> {
        let mut gates = Vec::new();
        for key in self.names(&["gates"]) {
            let Some(text) = self.raw.gates.get(&key) else { continue };
            let path = ["gates", key.as_str()];
            let hint = |name: &str, known: &[&str]| suggest(name, "known", known.iter().copied());
            let selector = match Selector::parse(&key, hint) {
                Ok(selector) => selector,
                Err(error) => {
                    let place = self.document.place(&path, At::Key);
                    let item = crate::scenario::Diagnostic::error(place, "a gate begins with a measure")
                        .label(error.0)
                        .help(
                            "write, for example, \"ttft.p99\" = \"< 800ms\"; docs/GATES.md has the measures",
                        );
                    self.push(item);
                    continue;
                }
            };
            let group = selector.group.as_ref().map(|(by, name)| {
                let known = match by {
                    By::Origin => &names.origins,
                    By::Class => &names.classes,
                    By::Region => &names.regions,
                };
                (by.name(), name, known)
            });
            let policy = selector.policy.as_ref().map(|name| ("policy", name, &names.policies));
            for (what, name, known) in group.into_iter().chain(policy) {
                if known.contains(&name.as_str()) {
                    continue;
                }
                let article = if what == "origin" { "an" } else { "a" };
                let item = self
                    .error_at_key(&path, format!("`{what}` of a gate is {article} {what} of this scenario"))
                    .label(format!("there is no {what} `{name}`"))
                    .help(suggest(name, "known", known.iter().copied()));
                self.push(item);
            }
            match Bound::parse(selector.known.unit, text) {
                Ok(bound) => gates.push(Gate { selector, bound }),
                Err(error) => {
                    let item = self
                        .error(&path, "a gate ends with a bound in its measure's unit")
                        .label(error.0)
                        .help("the relations are <, <=, > and >=");
                    self.push(item);
                }
            }
        }
        gates
    }
}
