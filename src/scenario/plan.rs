//! What a scenario means: ids, nanoseconds and tokens, every default explicit. Knows how to print and to hash itself;
//! must not know the file it came from, and nothing may change it.

use super::diagnostic::Diagnostics;
use super::planning::Planning;
use super::tuning::Tuning;
use crate::catalog::Dtype;
use crate::cost::{ApiPrices, EgressRates, PoolPrice};
use crate::digest::Digest;
use crate::measure::{Bound, Selector};
use crate::network::matrix::PairSource;
use crate::time::Span;
use crate::timing::{KvCapacity, Status};
use crate::world::{PolicyParams, ResidencyParams, WorldParams};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// A resolved scenario. Lengths of time are nanoseconds, sizes bytes, bandwidths bytes per second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Requests that arrive before this are simulated and not counted in statistics, in nanoseconds.
    pub warmup: Span,
    /// The world, without a policy.
    pub world: WorldParams,
    /// The policies to compare, in file order.
    pub policies: Vec<PolicyParams>,
    /// What the policies must hold. No part of any hash: a gate changes no result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What a capacity plan is asked for, where the scenario says; runs do not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planning: Option<Planning>,
    /// What `tune` is asked for, where the scenario says; runs do not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// What was looked up or derived on the way, for reports.
    pub facts: Facts,
    /// What the user should know, with the places in the file.
    #[serde(skip)]
    pub notices: Diagnostics,
}

/// A measure and its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The measure, of which requests and which policy.
    pub selector: Selector,
    /// What it must keep to.
    pub bound: Bound,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.selector, self.bound.text)
    }
}

impl Serialize for Gate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was looked up or derived.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Facts {
    /// By region.
    pub regions: Vec<RegionFacts>,
    /// By pool.
    pub pools: Vec<PoolFacts>,
    /// Where each round trip came from, by `[from][to]`.
    pub rtt_sources: Vec<Vec<PairSource>>,
    /// Where the user's own round trips come from, in their words.
    pub rtt_source: Option<String>,
    /// What each pool's GPUs cost; empty where the scenario does not ask.
    pub prices: Vec<PoolPrice>,
    /// What an API asks for tokens.
    pub api_prices: Option<ApiPrices>,
    /// What bytes cost; `None` where the scenario has no prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_prices: Option<EgressRates>,
}

/// A region, as far as the simulation does not care.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionFacts {
    /// Its region of the catalogue.
    pub catalogue: Option<String>,
    /// Legal areas it lies in.
    pub jurisdiction: Vec<String>,
    /// Legal areas whose law binds its provider.
    pub provider_jurisdiction: Vec<String>,
}

/// What a pool's numbers were made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolFacts {
    /// The model's name in the catalogue or the scenario.
    pub model: Option<String>,
    /// The GPU's name in the catalogue.
    pub gpu: Option<String>,
    /// Type of the weights.
    pub weights: Option<Dtype>,
    /// Type of KV entries.
    pub kv_dtype: Option<Dtype>,
    /// The timing profile and its version, `p0 v1`, or the kind of timing.
    pub timing: Option<String>,
    /// The profile's status, provenance and known error, in words.
    pub timing_trust: Option<String>,
    /// How far the profile can be trusted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing_status: Option<Status>,
    /// The profile's known error, in words.
    pub timing_error: Option<String>,
    /// How the KV cache's size came about; `None` where it was stated.
    pub kv: Option<KvCapacity>,
}

impl Plan {
    /// The plan with every default, as JSON: what `--show-plan` prints.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan is plain data, which JSON can hold")
    }

    /// Whether a data class of it is kept from any region.
    pub fn has_residency(&self) -> bool {
        self.world.data_classes.iter().any(|rule| *rule != ResidencyParams::unrestricted(&rule.name))
    }

    /// The same with every data class allowed everywhere. What single requests of a trace allow stays.
    pub fn without_residency(&self) -> Plan {
        let mut plan = self.clone();
        for rule in plan.world.data_classes.iter_mut() {
            *rule = ResidencyParams::unrestricted(std::mem::take(&mut rule.name));
        }
        plan
    }

    /// A hash of what the plan means. Comments, formatting, the order of keys, names of files, the scenario's name and
    /// description do not change it. The order of regions, policies, classes and so on does: ties go by it.
    pub fn content_hash(&self) -> u64 {
        let whole = self.hash_without(&["name", "description", "facts", "gates", "planning", "tuning"]);
        self.prices_hash().map_or(whole, |prices| {
            let mut digest = Digest::new();
            [whole, prices].into_iter().for_each(|word| digest.word(word));
            digest.value()
        })
    }

    /// A hash of what pools, bytes and tokens cost; `None` where the scenario does not ask.
    pub fn prices_hash(&self) -> Option<u64> {
        let (prices, api, egress) = (&self.facts.prices, &self.facts.api_prices, &self.facts.egress_prices);
        (!prices.is_empty() || api.is_some()).then(|| {
            let value = serde_json::to_value((prices, api, egress))
                .expect("prices are plain data, which JSON can hold");
            let mut digest = Digest::new();
            hash(&value, &mut digest);
            digest.value()
        })
    }

    /// The same of what all policies and seeds share: two plans of equal worlds pose the same question, whatever routes.
    pub fn world_hash(&self) -> u64 {
        self.hash_without(&[
            "name",
            "description",
            "facts",
            "gates",
            "planning",
            "tuning",
            "seed",
            "policies",
        ])
    }

    /// A hash of one policy, whatever others stand beside it.
    pub fn policy_hash(&self, policy: &PolicyParams) -> u64 {
        let value = serde_json::to_value(policy).expect("a policy is plain data, which JSON can hold");
        let mut digest = Digest::new();
        hash(&value, &mut digest);
        digest.value()
    }

    fn hash_without(&self, parts: &[&str]) -> u64 {
        let mut value = serde_json::to_value(self).expect("a plan is plain data, which JSON can hold");
        if let Value::Object(plan) = &mut value {
            for part in parts {
                plan.remove(*part);
            }
        }
        let mut digest = Digest::new();
        hash(&value, &mut digest);
        digest.value()
    }
}

/// Canonical: keys sorted, every kind of value marked, paths left out (a trace is known by its rows' hash).
fn hash(value: &Value, digest: &mut Digest) {
    match value {
        Value::Null => digest.word(0),
        Value::Bool(on) => digest.word(1 + u64::from(*on)),
        Value::Number(number) => {
            digest.word(3);
            digest.text(&number.to_string());
        }
        Value::String(text) => {
            digest.word(4);
            digest.text(text);
        }
        Value::Array(items) => {
            digest.word(5);
            digest.word(items.len() as u64);
            for item in items {
                hash(item, digest);
            }
        }
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().filter(|key| *key != "path").collect();
            keys.sort();
            digest.word(6);
            digest.word(keys.len() as u64);
            for key in keys {
                digest.text(key);
                hash(&entries[key], digest);
            }
        }
    }
}
