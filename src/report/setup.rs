//! setup.json: the fleet, the network and the rules that a run was played on, as its scenario resolved them. Knows the plan;
//! must not know results. Coordinates and places are those of the catalogue; nothing here is read back by a run.

use crate::catalog;
use crate::id::{Id, RegionId, RegionSet};
use crate::network::matrix::PairSource;
use crate::scenario::Plan;
use crate::time::Span;
use crate::world::{GatewayPlacement, PolicyParams, WorldParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a run was played on. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// What the scenario says it is about.
    pub description: String,
    /// Regions, in the scenario's order.
    pub regions: Vec<SetupRegion>,
    /// Pools of equal replicas.
    pub pools: Vec<SetupPool>,
    /// Where clients are.
    pub origins: Vec<SetupOrigin>,
    /// What each class of requests is promised.
    pub classes: Vec<SetupClass>,
    /// Residency rules; without the one that forbids nothing.
    pub rules: Vec<SetupRule>,
    /// Every policy of the scenario, whether it was run or not.
    pub policies: Vec<SetupPolicy>,
}

/// A region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupRegion {
    /// Its name in the scenario.
    pub name: String,
    /// Its region of the catalogue, such as `aws:us-east-1`.
    pub catalogue: Option<String>,
    /// What the cloud calls the place.
    pub place: Option<String>,
    /// Degrees north and east, of the metropolitan area.
    pub coordinates: Option<(f64, f64)>,
    /// Legal areas it lies in.
    pub jurisdiction: Vec<String>,
    /// Legal areas whose law binds its provider.
    pub provider_jurisdiction: Vec<String>,
    /// Round trips from here to each region, in their order; to itself, inside of it.
    pub rtt_ms: Vec<f64>,
    /// Where each came from: a table of the catalogue, `stated`, `distance` or `inside`.
    pub rtt_from: Vec<String>,
}

/// A pool of equal replicas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupPool {
    /// Its name, `region/pool`.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Replicas at the start.
    pub replicas: u32,
    /// GPUs of one replica.
    pub gpus_per_replica: u32,
    /// The GPU in the catalogue.
    pub gpu: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The timing profile with its version, or the kind of timing.
    pub timing: Option<String>,
    /// Its known error, in words.
    pub timing_error: Option<String>,
}

/// Where clients are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupOrigin {
    /// Its name.
    pub name: String,
    /// The region next to it.
    pub near: String,
    /// Its share of the requests that name no origin, relative to the others.
    pub weight: f64,
    /// The residency class of its requests; absent where it is none.
    pub data_class: Option<String>,
}

/// What a class of requests is promised, at the client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupClass {
    /// Its name.
    pub name: String,
    /// Time to first token.
    pub ttft_ms: Option<f64>,
    /// Mean time between tokens.
    pub itl_ms: Option<f64>,
    /// End-to-end latency.
    pub e2e_ms: Option<f64>,
}

/// A residency rule. A set that is absent is every region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupRule {
    /// The data class.
    pub name: String,
    /// Whether it holds in any case, or while it can.
    pub required: bool,
    /// Where replicas may process it.
    pub process_in: Option<Vec<String>>,
    /// Where gateways may read it.
    pub decrypt_in: Option<Vec<String>>,
    /// What it may be sent through.
    pub transit_via: Option<Vec<String>>,
    /// Where caches may keep it.
    pub cache_in: Option<Vec<String>>,
    /// Where an index of prompts may know it.
    pub index_in: Option<Vec<String>>,
    /// Where it may be logged.
    pub store_in: Option<Vec<String>>,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupPolicy {
    /// Its name in the scenario.
    pub name: String,
    /// Where its gateways stand, in words.
    pub gateways: String,
    /// Its stages with all parameters, in words.
    pub stages: String,
}

impl Setup {
    /// What this plan is played on.
    pub fn of(plan: &Plan) -> Setup {
        let world = &plan.world;
        let name = |region: RegionId| region_name(world, region);
        let classes = world.classes.iter().map(|class| SetupClass {
            name: class.name.clone(),
            ttft_ms: class.slo.ttft.map(Span::as_ms_f64),
            itl_ms: class.slo.itl.map(Span::as_ms_f64),
            e2e_ms: class.slo.e2e.map(Span::as_ms_f64),
        });
        let pools = world.pools.iter().zip(&plan.facts.pools).map(|(pool, facts)| SetupPool {
            name: pool.name.clone(),
            region: name(pool.region),
            replicas: pool.replicas,
            gpus_per_replica: pool.gpus_per_replica,
            gpu: facts.gpu.clone(),
            model: facts.model.clone(),
            timing: facts.timing.clone(),
            timing_error: facts.timing_error.clone(),
        });
        let origins = world.origins.iter().map(|origin| SetupOrigin {
            name: origin.name.clone(),
            near: name(origin.near),
            weight: origin.weight,
            data_class: (origin.data_class.index() > 0)
                .then(|| world.data_classes.get(origin.data_class).map(|class| class.name.clone()))
                .flatten(),
        });
        Setup {
            description: plan.description.clone(),
            regions: regions(plan),
            pools: pools.collect(),
            origins: origins.collect(),
            classes: classes.collect(),
            rules: rules(world),
            policies: plan.policies.iter().map(|policy| self::policy(world, policy)).collect(),
        }
    }
}

fn region_name(world: &WorldParams, region: RegionId) -> String {
    world.regions.get(region).map(|region| region.name.clone()).unwrap_or_default()
}

fn regions(plan: &Plan) -> Vec<SetupRegion> {
    let each = plan.world.regions.iter().enumerate().map(|(at, region)| {
        let facts = plan.facts.regions.get(at);
        let catalogue = facts.and_then(|facts| facts.catalogue.clone());
        let known = catalogue.as_deref().and_then(catalog::region::region);
        let rtt = plan.world.network.rtt.get(at);
        let sources = plan.facts.rtt_sources.get(at);
        SetupRegion {
            name: region.name.clone(),
            place: known.map(|known| known.name.to_owned()),
            coordinates: known.map(|known| (known.lat, known.lon)),
            catalogue,
            jurisdiction: facts.map(|facts| facts.jurisdiction.clone()).unwrap_or_default(),
            provider_jurisdiction: facts.map(|facts| facts.provider_jurisdiction.clone()).unwrap_or_default(),
            rtt_ms: rtt.into_iter().flatten().map(|span| span.as_ms_f64()).collect(),
            rtt_from: sources.into_iter().flatten().map(source).collect(),
        }
    });
    each.collect()
}

fn source(source: &PairSource) -> String {
    match source {
        PairSource::Catalogue { table, .. } => format!("rtt/{table}"),
        PairSource::Override => "stated".to_owned(),
        PairSource::Distance { .. } => "distance".to_owned(),
        PairSource::Intra => "inside".to_owned(),
    }
}

/// The first class is the one that forbids nothing.
fn rules(world: &WorldParams) -> Vec<SetupRule> {
    let names = |set: RegionSet| {
        let all = (0..world.regions.len()).map(RegionId::new);
        let inside: Vec<String> =
            all.filter(|&region| set.contains(region)).map(|region| region_name(world, region)).collect();
        (inside.len() < world.regions.len()).then_some(inside)
    };
    let rules = world.data_classes.iter().skip(1).map(|rule| {
        let or = |set: Option<RegionSet>| names(set.unwrap_or(rule.process_in));
        SetupRule {
            name: rule.name.clone(),
            required: !rule.preferred,
            process_in: names(rule.process_in),
            decrypt_in: names(rule.decrypt_in),
            transit_via: names(rule.transit_via),
            cache_in: or(rule.cache_in),
            index_in: or(rule.index_in),
            store_in: or(rule.store_in),
        }
    });
    rules.collect()
}

fn policy(world: &WorldParams, policy: &PolicyParams) -> SetupPolicy {
    let each = match policy.gateways {
        GatewayPlacement::Central(region) => format!("one, in {}", region_name(world, region)),
        GatewayPlacement::PerRegion => "one in each region next to an origin".to_owned(),
    };
    let gateways = match policy.gateways_per_region {
        1 => each,
        several => format!("{each}, {several} in each place"),
    };
    let stage = |spec: &_| serde_json::to_value(spec).map(|value| words(&value)).unwrap_or_default();
    let stages = policy.global.iter().chain([&policy.replica]).map(stage);
    SetupPolicy { name: policy.name.clone(), gateways, stages: stages.collect::<Vec<_>>().join(", then ") }
}

/// `{"chwbl": {"load_factor": 1.25, "x": null}}` as `chwbl (load_factor 1.25)`.
fn words(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let set = map.iter().filter(|(_, value)| !value.is_null());
            let each = set.map(|(key, value)| match words(value) {
                inner if inner.is_empty() => key.clone(),
                inner if value.is_object() => format!("{key} ({inner})"),
                inner => format!("{key} {inner}"),
            });
            each.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => format!("[{}]", items.iter().map(words).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use std::path::Path;

    #[test]
    fn a_setup_tells_regions_round_trips_rules_and_policies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plan = scenario::load(&root.join("scenarios/residency-eu.toml"), &[]).unwrap();
        let setup = Setup::of(&plan);
        let text = serde_json::to_string(&setup).unwrap();
        assert_eq!(serde_json::from_str::<Setup>(&text).unwrap(), setup);
        assert_eq!(setup.regions.len(), plan.world.regions.len());
        for region in &setup.regions {
            assert_eq!(region.rtt_ms.len(), setup.regions.len());
            assert!(region.rtt_from.iter().all(|from| from == "inside" || from == "rtt/aws"), "{region:?}");
            assert!(region.coordinates.is_some(), "{region:?}");
        }
        let rule = &setup.rules[0];
        assert!(
            rule.required && rule.process_in.as_ref().is_some_and(|inside| !inside.is_empty()),
            "{rule:?}"
        );
        // A set that was left unset is as `process_in`.
        assert_eq!(rule.cache_in, rule.process_in);
        assert_eq!(setup.policies.len(), plan.policies.len());
        assert!(setup.policies.iter().all(|policy| !policy.stages.is_empty()));
    }

    #[test]
    fn parameters_in_words() {
        let value =
            serde_json::json!({"prefix": {"guard": {"abs": 8, "rel": 1.5}, "none": null, "by": "head"}});
        assert_eq!(words(&value), "prefix (guard (abs 8, rel 1.5), by head)");
        assert_eq!(words(&serde_json::json!({"nearest": {}})), "nearest");
    }
}
