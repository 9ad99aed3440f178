//! Policies, and whether their gateways may see what they route.

use super::rules::quoted;
use super::{Resolver, id_or_first};
use crate::fleet::AdmissionParams;
use crate::id::{DataClassId, Id, IdVec, OriginId, RegionId, SourceId};
use crate::routing::policies::prefix;
use crate::routing::{PolicySpec, Views};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::raw::RawPolicy;
use crate::time::Span;
use crate::workload::WorkloadParams;
use crate::world::{GatewayPlacement, OriginParams, PolicyParams, ResidencyParams, keeps_index};

/// The default of `decision_time`: our choice, a router's proxy and scoring work without its network.
const DECISION_TIME: Span = Span::from_ms(1);

/// What is compared when a scenario names no policies: name, global stage, replica stage.
const DEFAULTS: [(&str, Option<&str>, &str); 6] = [
    ("round_robin", None, "round_robin"),
    ("nearest_round_robin", Some("nearest"), "round_robin"),
    ("nearest_least_request", Some("nearest"), "least_request"),
    ("nearest_chwbl", Some("nearest"), "chwbl"),
    ("nearest_prefix", Some("nearest"), "prefix"),
    ("gorgo", None, "gorgo"),
];

impl Resolver<'_> {
    pub(super) fn policies(
        &mut self,
        regions: &[String],
        origins: &IdVec<OriginId, OriginParams>,
        data_classes: &IdVec<DataClassId, ResidencyParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> Vec<PolicyParams> {
        self.check_names(&["policies"]);
        let names = self.names(&["policies"]);
        let admission = self.raw.admission.clone().map(|raw| self.admission(&["admission"], &raw, workloads));
        if names.is_empty() {
            let spec = |name: &str| match PolicySpec::from_name(name)? {
                // Without its load guard, the longest match would end on one replica.
                PolicySpec::Prefix(params) => Some(PolicySpec::Prefix(prefix::Params {
                    guard: Some(prefix::Guard::default()),
                    ..params
                })),
                other => Some(other),
            };
            let policies = DEFAULTS.iter().filter_map(|(name, global, replica)| {
                Some(PolicyParams {
                    name: (*name).to_owned(),
                    gateways: GatewayPlacement::PerRegion,
                    global: global.and_then(spec),
                    replica: spec(replica)?,
                    decision_time: DECISION_TIME,
                    workers: 0,
                    gateways_per_region: 1,
                    views: Views::default(),
                    admission: admission.clone(),
                })
            });
            let policies: Vec<PolicyParams> = policies.collect();
            self.check_per_region(regions, origins, data_classes, workloads);
            return policies;
        }
        let mut policies = Vec::new();
        for name in &names {
            let Some(raw) = self.raw.policies.get(name).cloned() else { continue };
            if let Some(policy) = self.policy(name, raw, regions, admission.as_ref(), workloads) {
                if let GatewayPlacement::Central(at) = policy.gateways {
                    let indexes = keeps_index(&policy);
                    self.check_central(name, (at, indexes), regions, origins, data_classes, workloads);
                }
                policies.push(policy);
            }
        }
        if policies.iter().any(|policy| policy.gateways == GatewayPlacement::PerRegion) {
            self.check_per_region(regions, origins, data_classes, workloads);
        }
        policies
    }

    fn policy(
        &mut self,
        name: &str,
        raw: RawPolicy,
        regions: &[String],
        usual: Option<&AdmissionParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> Option<PolicyParams> {
        let has = |key: &str| self.document.has(&["policies", name, key]);
        let (central, replica, global) = (has("central"), has("replica"), has("global"));
        let at_key = |key: &str, title: &str| self.error_at_key(&["policies", name, key], title);
        let mistake = if central && (replica || global) {
            let other = if replica { "replica" } else { "global" };
            Some(
                at_key(other, "a policy has `central`, or `replica` with an optional `global`")
                    .label("beside `central`")
                    .context(self.place(&["policies", name, "central"], super::At::Key), "the central one")
                    .help(
                        "for two stages at one gateway write `global.…`, `replica.…` and `at = \"region\"`",
                    ),
            )
        } else if central && has("at") {
            Some(
                at_key("at", "a central policy states its region among its parameters")
                    .label("not here")
                    .help(format!("write `central.X = {{ at = \"…\" }}` in `[policies.{name}]`")),
            )
        } else if !central && !replica {
            Some(
                self.error_at_key(
                    &["policies", name],
                    format!("policy `{name}` needs `central` or `replica`"),
                )
                .label("neither is given")
                .help("write `replica.least_request = {}`, or `central.least_request = { at = \"region\" }`")
                .help("`regionsim policies` lists the names and parameters"),
            )
        } else {
            None
        };
        if let Some(item) = mistake {
            self.push(item);
            return None;
        }
        let (spec, tier, at) = match (raw.central, raw.replica) {
            (Some(central), _) => (central.spec, "central", central.at),
            (None, Some(spec)) => (spec, "replica", raw.at),
            // Broken, and reported.
            (None, None) => return None,
        };
        self.check_spec(name, tier, &spec, regions);
        if let Some(global) = &raw.global {
            self.check_spec(name, "global", global, regions);
        }
        let gateways = match at {
            Some(at) => {
                let path: &[&str] = if tier == "central" {
                    &["policies", name, "central", spec.name(), "at"]
                } else {
                    &["policies", name, "at"]
                };
                GatewayPlacement::Central(id_or_first(Some(
                    self.find(regions, &at, "region", "regions", path)?,
                )))
            }
            None if tier == "central" => return None,
            None => GatewayPlacement::PerRegion,
        };
        let specs: Vec<&PolicySpec> = raw.global.iter().chain([&spec]).collect();
        let own = raw.admission.as_ref();
        let own = own.map(|own| self.admission(&["policies", name, "admission"], own, workloads));
        let admission = own.or_else(|| usual.cloned());
        let admits = admission.as_ref().is_some_and(AdmissionParams::reads_loads);
        let views = self.views(name, raw.views, &specs, regions, admits);
        Some(PolicyParams {
            name: name.to_owned(),
            gateways,
            global: raw.global,
            replica: spec,
            decision_time: raw.decision_time.map_or(DECISION_TIME, |time| time.0),
            workers: raw.workers.unwrap_or(0),
            gateways_per_region: raw.gateways_per_region.unwrap_or(1),
            views,
            admission,
        })
    }

    fn check_spec(&mut self, name: &str, tier: &str, spec: &PolicySpec, regions: &[String]) {
        for (field, region) in spec.regions() {
            if !regions.contains(&region) {
                let path = ["policies", name, tier, spec.name(), field];
                self.find(regions, &region, "region", "regions", &path);
            }
        }
        for (field, has) in spec.tables() {
            let pools = |region: &&String| {
                self.raw.regions.get(region.as_str()).is_some_and(|raw| !raw.pools.is_empty())
            };
            let missing: Vec<&String> =
                regions.iter().filter(pools).filter(|region| !has.contains(region)).collect();
            if let [first, ..] = missing[..] {
                let path = ["policies", name, tier, spec.name(), field];
                let item = self
                    .error(&path, format!("`{field}` must have every region with a pool"))
                    .label(format!("it lacks {}", super::rules::quoted(&missing)))
                    .help(format!(
                        "add it, such as `{first} = 1.0`; only their differences matter to a choice"
                    ));
                self.push(item);
            }
        }
        // What is broken is not in `spec`: then nothing follows from its absence.
        let broken = self.found.iter().filter_map(|item| item.place.as_ref());
        let broken =
            broken.filter(|place| self.document.covers(&["policies", name, tier], place)).count() > 0;
        for problem in spec.validate().into_iter().filter(|problem| !(problem.follows && broken)) {
            let mut path = vec!["policies", name, tier, spec.name()];
            path.extend(problem.field.split('.'));
            let item = self
                .error(&path, format!("`{}` must be {}", problem.field, problem.rule))
                .label(format!("{} is not", problem.value));
            let item = problem.help.into_iter().fold(item, Diagnostic::help).help(format!(
                "`regionsim policies {}` shows the parameters and their defaults",
                spec.name()
            ));
            self.push(item);
        }
    }

    /// The data classes that arrive, each with the origin or workload that brings it.
    fn arriving(
        origins: &IdVec<OriginId, OriginParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> Vec<(DataClassId, Vec<String>, String)> {
        let mut found: Vec<(DataClassId, Vec<String>, String)> = Vec::new();
        let mut add = |class: DataClassId, path: Vec<String>, who: String| {
            if class != DataClassId(0) && !found.iter().any(|other| other.0 == class) {
                found.push((class, path, who));
            }
        };
        for origin in origins {
            let path = ["origins", &origin.name, "data_class"].map(str::to_owned).to_vec();
            add(origin.data_class, path, format!("origin `{}`", origin.name));
        }
        for workload in workloads {
            let path = ["workloads", &workload.name, "data_class"].map(str::to_owned).to_vec();
            add(workload.data_class.unwrap_or_default(), path, format!("workload `{}`", workload.name));
        }
        found
    }

    fn check_central(
        &mut self,
        name: &str,
        (at, indexes): (RegionId, bool),
        regions: &[String],
        origins: &IdVec<OriginId, OriginParams>,
        data_classes: &IdVec<DataClassId, ResidencyParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) {
        for (class, path, who) in Self::arriving(origins, workloads) {
            let Some(rule) = data_classes.get(class) else { continue };
            if rule.preferred {
                continue;
            }
            let Some(written) = self.written.get(class.index()) else { continue };
            let (key, verb) = if !rule.decrypt_in.contains(at) {
                ("decrypt_in", "read")
            } else if !rule.transit_via.contains(at) {
                ("transit_via", "be sent")
            } else if !rule.read_in(indexes).contains(at) {
                // Hashes of prompts are processed data.
                ("index_in", "be indexed")
            } else {
                continue;
            };
            let Some(region) = regions.get(at.index()) else { continue };
            let class_name = &rule.name;
            let mut keys = vec!["decrypt_in", "transit_via"];
            keys.extend(indexes.then_some("index_in"));
            let inherited = !self.document.has(&["residency", class_name, key]);
            let cause = if written.set(key).contains(at) {
                "not_under"
            } else if inherited {
                "process_in"
            } else {
                key
            };
            let why = match cause {
                "not_under" => {
                    format!("the provider of `{region}` is under the law of {}", quoted(written.laws(at)))
                }
                "process_in" => format!("`{key}` is left out and inherits this"),
                _ => format!("without `{region}`"),
            };
            let tier = [
                "policies",
                name,
                if self.document.has(&["policies", name, "central"]) { "central" } else { "at" },
            ];
            let place: Vec<&str> = path.iter().map(String::as_str).collect();
            let item = self
                .error_at_key(
                    &tier,
                    format!("a central gateway must be where `{class_name}` data may {verb}"),
                )
                .label(format!("it stands in `{region}`, and {who} sends `{class_name}`"))
                .context(self.place(&["residency", class_name, cause], super::At::Value), why)
                .context(self.place(&place, super::At::Value), "where the class comes in")
                .help(format!(
                    "move the gateway, use `replica.…` (a gateway in each region), or allow it: {}",
                    written.allow(&keys, at, regions)
                ));
            self.push(item);
        }
    }

    fn check_per_region(
        &mut self,
        regions: &[String],
        origins: &IdVec<OriginId, OriginParams>,
        data_classes: &IdVec<DataClassId, ResidencyParams>,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) {
        let mut items: Vec<Diagnostic> = Vec::new();
        for origin in origins {
            let own = [origin.data_class]
                .into_iter()
                .chain(workloads.iter().filter_map(|workload| workload.data_class));
            for class in own {
                let Some(rule) = data_classes.get(class) else { continue };
                // Where it may not come in it is not read; whether it may elsewhere is checked with its ways.
                let here = origin.may_enter(origin.near);
                if origin.weight == 0.0 || rule.preferred || !here || rule.decrypt_in.contains(origin.near) {
                    continue;
                }
                // A scenario without regions has its own mistake already.
                let Some(region) = regions.get(origin.near.index()) else { continue };
                let Some(written) = self.written.get(class.index()) else { continue };
                let mut keys = vec!["decrypt_in"];
                if !rule.serve_in().contains(origin.near) {
                    keys.push("transit_via");
                }
                let laws = written.laws(origin.near);
                let mut item = self
                    .error(
                        &["origins", &origin.name, "near"],
                        format!(
                            "with a gateway in each region, `{}` data enters where it may be read",
                            rule.name
                        ),
                    )
                    .label(format!("the gateway in `{region}` may not read `{}`", rule.name));
                if !laws.is_empty() {
                    item = item.context(
                        self.place(&["residency", &rule.name, "not_under"], super::At::Value),
                        format!("the provider of `{region}` is under the law of {}", quoted(laws)),
                    );
                }
                let somewhere = (0..regions.len()).any(|id| rule.decrypt_in.contains(RegionId::new(id)));
                let allow = written.allow(&keys, origin.near, regions);
                let item = item.help(if somewhere {
                    format!("put origin `{}` near an allowed region, or allow it: {allow}", origin.name)
                } else {
                    allow
                });
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        self.found.extend(items);
    }
}
