//! What `tune` is asked for: names looked up, ranges and margins checked. What is searched is not known here.

use super::Resolver;
use super::gates::Names;
use crate::id::{IdVec, SourceId};
use crate::measure::{By, Margin, Selector};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::nearest::suggest;
use crate::scenario::tuning::{CONFIDENCE, Cut, DEFAULT, Knob, Tuning, Wrong, directed};
use crate::workload::{WorkloadKind, WorkloadParams};
use crate::world::PolicyParams;

impl Resolver<'_> {
    /// What is asked, where the scenario says.
    pub(super) fn tuning(
        &mut self,
        names: &Names<'_>,
        policies: &[PolicyParams],
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> Option<Tuning> {
        if !self.document.has(&["tune"]) {
            return None;
        }
        let raw = self.raw.tune.clone();
        let mut tuning = Tuning { seeds: raw.seeds, judge_seeds: raw.judge_seeds, ..Tuning::default() };
        tuning.method = raw.method.unwrap_or(tuning.method);
        tuning.budget = raw.budget.unwrap_or(tuning.budget);
        tuning.oracle = raw.oracle.unwrap_or(tuning.oracle);
        let policy = self.tuned_policy(raw.policy.as_deref(), policies);
        tuning.policy = policy.map(|policy| policy.name.clone());
        let knobs = policy.map_or_else(Vec::new, |policy| self.knobs(policy));
        tuning.over = self.written(&["tune", "over"], &raw.over);
        if let Some(text) = raw.objective {
            match directed(&text) {
                Ok(selector) => self.tuned_group(names, &selector, &["tune", "objective"], false),
                Err(why) => self.refuse(&["tune", "objective"], "`objective` is a measure", why),
            }
            tuning.objective = Some(text);
        }
        tuning.keep = self.written(&["tune", "keep"], &raw.keep);
        for (key, text) in tuning.keep.clone() {
            let path = ["tune", "keep", key.as_str()];
            let unit = if key == DEFAULT {
                ""
            } else {
                match directed(&key) {
                    Ok(selector) => {
                        self.tuned_group(names, &selector, &path, true);
                        selector.known.unit
                    }
                    Err(why) => {
                        let item = self.error_at_key(&path, "what is kept is a measure").label(why);
                        self.push(item.help(
                            "write, for example, \"e2e.p95\" = \"2%\"; docs/TUNING.md has the measures",
                        ));
                        continue;
                    }
                }
            };
            match Margin::parse(&text, unit) {
                Ok(Margin::Relative(_)) => {}
                _ if key == DEFAULT => {
                    let why = format!("`{text}` is no share, and the measures have different units");
                    self.refuse(&path, "`default` is one margin for several measures", why);
                }
                Ok(_) => {}
                Err(error) => self.refuse(&path, "what is kept has a margin in its measure's unit", error.0),
            }
        }
        (tuning.train, tuning.judge) = self.cuts(raw.train, raw.judge, workloads);
        for (index, text) in raw.against.iter().enumerate() {
            let index = index.to_string();
            let found = policy.map(|policy| Knob::weights(text, policy, &knobs));
            // A parameter whose range is wrong is missing here, and that is told there.
            if let Some(Err(error)) = found.filter(|_| knobs.len() == tuning.over.len()) {
                self.refuse(&["tune", "against", &index], "`against` are weights of what is tuned", error.0);
            }
        }
        tuning.against = raw.against;
        tuning.confidence = raw.confidence.map_or(CONFIDENCE, |ratio| ratio.0);
        if !(0.5..1.0).contains(&tuning.confidence) {
            let why = format!("{} % is not", tuning.confidence * 100.0);
            self.refuse(&["tune", "confidence"], "`confidence` is at least 50% and below 100%", why);
        }
        Some(tuning)
    }

    /// The entries of a table of texts, in file order.
    fn written(&self, path: &[&str], table: &super::super::raw::Named<String>) -> Vec<(String, String)> {
        let entry = |key: String| table.get(&key).map(|text| (key.clone(), text.clone()));
        self.names(path).into_iter().filter_map(entry).collect()
    }

    fn refuse(&mut self, path: &[&str], title: &str, why: String) {
        let next = match path.get(1) {
            Some(&"objective") => "the default is \"ttft.p95\"; docs/TUNING.md has the measures",
            Some(&"over") => "write, for example, rtt = \"0.05..2\"",
            Some(&"keep") => "write a share of the value at the start, such as \"2%\"",
            Some(&"train" | &"judge") => "write, for example, train = \"0..10m\" and judge = \"10m..30m/4\"",
            Some(&"against") => "write, for example, \"rtt=2,queue=0.104\"",
            _ => "write \"95%\"",
        };
        let item = self.error(path, title).label(why).help(next);
        self.push(item);
    }

    fn tuned_policy<'p>(
        &mut self,
        name: Option<&str>,
        policies: &'p [PolicyParams],
    ) -> Option<&'p PolicyParams> {
        let names: Vec<String> = policies.iter().map(|policy| policy.name.clone()).collect();
        if let Some(name) = name {
            let index = self.find(&names, name, "policy", "policies", &["tune", "policy"])?;
            return policies.get(index);
        }
        if let [only] = policies {
            return Some(only);
        }
        if self.document.has(&["tune", "over"]) {
            let item = self
                .error_at_key(&["tune"], "`tune` needs `policy` where the scenario has several")
                .label("`policy` is missing")
                .help(format!("add `policy` with one of {}", names.join(", ")));
            self.push(item);
        }
        None
    }

    /// The parameters under `over`, those that are wrong left out.
    fn knobs(&mut self, policy: &PolicyParams) -> Vec<Knob> {
        let mut knobs: Vec<Knob> = Vec::new();
        for (key, range) in self.written(&["tune", "over"], &self.raw.tune.over) {
            let path = ["tune", "over", key.as_str()];
            match Knob::ranged(&key, &range, policy) {
                Err(Wrong::Path(why)) => {
                    let item = self
                        .error_at_key(&path, "what is tuned is a number among the policy's parameters")
                        .label(why)
                        .help(format!("`regionsim validate --show-plan` shows those of `{}`", policy.name));
                    self.push(item);
                }
                Err(Wrong::Range(why)) => self.refuse(&path, "a parameter is tuned within a range", why),
                Ok(knob) if knobs.iter().any(|known| known.path == knob.path) => {
                    let item = self
                        .error_at_key(&path, "each parameter is tuned once")
                        .label(format!("this is `{}` again", knob.path))
                        .help("leave one of them out");
                    self.push(item);
                }
                Ok(knob) => knobs.push(knob),
            }
        }
        knobs
    }

    /// Whether the group that a measure names is there.
    fn tuned_group(&mut self, names: &Names<'_>, selector: &Selector, path: &[&str], at_key: bool) {
        let Some((by, name)) = &selector.group else { return };
        let known = match by {
            By::Origin => &names.origins,
            By::Class => &names.classes,
            By::Region => &names.regions,
        };
        if known.contains(&name.as_str()) {
            return;
        }
        let (what, title) = (by.name(), format!("`{}` names a group of this scenario", path[1]));
        let item = if at_key { self.error_at_key(path, title) } else { self.error(path, title) };
        let item: Diagnostic = item.label(format!("there is no {what} `{name}`")).help(suggest(
            name,
            "known",
            known.iter().copied(),
        ));
        self.push(item);
    }

    /// What is searched on and what is judged on.
    fn cuts(
        &mut self,
        train: Option<String>,
        judge: Option<String>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> (Option<String>, Option<String>) {
        let ends = [("train", &train), ("judge", &judge)];
        let mut cuts = Vec::new();
        for (key, text) in ends {
            let Some(text) = text else { continue };
            match Cut::parse(text) {
                Ok(cut) => cuts.push(cut),
                Err(error) => self.refuse(&["tune", key], &format!("`{key}` is a part of a trace"), error.0),
            }
            let other = workloads.iter().find(|workload| !matches!(workload.kind, WorkloadKind::Trace(_)));
            if let Some(other) = other {
                let item = self
                    .error(&["tune", key], format!("`{key}` is for workloads that are traces"))
                    .label(format!("`{}` is none and has no parts", other.name))
                    .help(format!("leave `{key}` out: it is judged on other seeds"));
                self.push(item);
            }
        }
        match (&train, &judge, cuts.as_slice()) {
            (Some(_), Some(_), [train, judge]) if train.overlaps(judge) => {
                let item = self
                    .error(&["tune", "judge"], "`train` and `judge` have no time in common")
                    .label(format!("{judge}, and the search has {train}"))
                    .help("what was searched on says nothing about the rest: let one end where the other begins");
                self.push(item);
            }
            (Some(_), None, _) | (None, Some(_), _) => {
                let (given, missing) = if train.is_some() { ("train", "judge") } else { ("judge", "train") };
                let item = self
                    .error(&["tune", given], format!("`{given}` needs `{missing}`"))
                    .label(format!("`{missing}` is missing"))
                    .help(format!("add `{missing}`, or leave both out for halves of the trace"));
                self.push(item);
            }
            _ => {}
        }
        (train, judge)
    }
}
