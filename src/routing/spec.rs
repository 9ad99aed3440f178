//! A policy as a scenario names it. Knows every policy's name and parameters, and how to build it; must not know
//! how a scenario is read.

use super::params::{ParamProblem, Problems, Validate};
#[allow(clippy::wildcard_imports, reason = "a policy is one line here")]
use super::policies::*;
use super::{Policy, Target, compose};
use crate::rng::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a policy is built from, beside its parameters.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The targets of its stage, by id.
    pub targets: &'a [Target],
    /// The stage's key, for streams of the policy's own.
    pub key: Key,
}

macro_rules! policies {
    ($($(#[$doc:meta])* $variant:ident $name:literal $module:ident $build:expr;)*) => {
        /// A routing policy with its parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum PolicySpec {
            $($(#[$doc])* $variant($module::Params),)*
        }

        impl PolicySpec {
            /// The name in scenarios and reports.
            pub fn name(&self) -> &'static str {
                match self { $(PolicySpec::$variant(_) => $name,)* }
            }
            /// The policy of this name with its published defaults.
            pub fn from_name(name: &str) -> Option<PolicySpec> {
                match name {
                    $($name => Some(PolicySpec::$variant($module::Params::default())),)*
                    _ => None,
                }
            }
            /// The parameters that break their rules.
            pub fn validate(&self) -> Vec<ParamProblem> {
                let mut problems = Problems::default();
                match self { $(PolicySpec::$variant(params) => params.check(&mut problems),)* }
                problems.0
            }
            /// The policy, ready to route for one stage of one gateway.
            pub fn build(&self, context: &BuildContext<'_>) -> Box<dyn Policy> {
                match self {
                    $(PolicySpec::$variant(params) => {
                        let build: fn(&$module::Params, &[Target]) -> _ = $build;
                        Box::new(build(params, context.targets))
                    })*
                }
            }
            /// The regions that its parameters name, each with its parameter.
            pub fn regions(&self) -> Vec<(&'static str, String)> {
                match self { $(PolicySpec::$variant(params) => params.regions(),)* }
            }
            /// The tables in its parameters that must have every region with a pool, each with the regions it has.
            pub fn tables(&self) -> Vec<(&'static str, Vec<String>)> {
                match self { $(PolicySpec::$variant(params) => params.tables(),)* }
            }
        }
    };
}

policies! {
    /// Each target in turn.
    RoundRobin "round_robin" round_robin |_, _| round_robin::RoundRobin::default();
    /// A uniformly random target.
    Random "random" random |_, _| random::Random;
    /// The fewest requests under way.
    LeastRequest "least_request" least_request |params, _| least_request::LeastRequest::new(params);
    /// The least work in it.
    LeastLoad "least_load" least_load |params, _| least_load::LeastLoad::new(params);
    /// The better of two at random.
    P2c "p2c" p2c |params, _| p2c::P2c::new(params);
    /// The session's own target.
    Session "session" session |params, targets| session::Session::new(params, targets);
    /// The longest prefix match.
    Prefix "prefix" prefix |params, _| prefix::Prefix::new(params);
    /// Consistent hashing with bounded loads.
    Chwbl "chwbl" chwbl |params, targets| chwbl::Chwbl::new(params, targets);
    /// Network, prefill and queue in one sum.
    Gorgo "gorgo" gorgo |params, _| gorgo::Gorgo::new(params);
    /// The lowest round-trip time.
    Nearest "nearest" nearest |_, targets| nearest::Nearest::new(targets);
    /// Even load and the longest match.
    CacheAware "cache_aware" cache_aware |params, _| cache_aware::CacheAware::new(params);
    /// Weighted scores of queue, cache and prefix.
    Epp "epp" epp |params, _| epp::Epp::new(params);
    /// The same over a precise index.
    EppPrecise "epp_precise" epp_precise |params, _| epp_precise::EppPrecise::new(params);
    /// Blocks to prefill and to carry.
    DynamoKv "dynamo_kv" dynamo_kv |params, _| dynamo_kv::DynamoKv::new(params);
    /// The warm ones until they owe too much.
    StickyUntilSaturated "sticky_until_saturated" sticky_until_saturated |params, _| sticky_until_saturated::StickyUntilSaturated::new(params);
    /// GORGO of the first generation, central.
    GorgoV1 "gorgo_v1" gorgo_v1 |params, _| gorgo_v1::GorgoV1::new(params);
    /// GORGO of the first generation, a balancer a region.
    GorgoDistributed "gorgo_distributed" gorgo_distributed |params, _| gorgo_distributed::GorgoDistributed::new(params);
    /// The reciprocal cost of a digest.
    GorgoDigest "gorgo_digest" gorgo_digest |params, _| gorgo_digest::GorgoDigest::new(params);
    /// Pushed only where there is room.
    Skywalker "skywalker" skywalker |params, targets| skywalker::Skywalker::new(params, targets);
    /// The nearest in time.
    NearestWithinBudget "nearest_within_budget" nearest_within_budget |params, _| nearest_within_budget::NearestWithinBudget::new(params);
    /// The nearest up to its capacity.
    Waterfall "waterfall" waterfall |params, _| waterfall::Waterfall::new(params);
    /// Regions by weight.
    Proportional "proportional" proportional |params, _| proportional::Proportional::new(params);
    /// The first region in health.
    Failover "failover" failover |params, _| failover::Failover::new(params);
    /// Put together from blocks.
    Compose "compose" compose |params, targets| compose::Compose::new(params, targets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::REGISTRY;

    fn parse(text: &str) -> Result<PolicySpec, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn every_registered_policy_parses_by_its_name_and_keeps_its_defaults() {
        for entry in REGISTRY {
            let defaults = PolicySpec::from_name(entry.name).unwrap();
            assert_eq!(defaults.name(), entry.name);
            assert_eq!(parse(&format!("{} = {{}}", entry.name)).unwrap(), defaults);
            assert!(defaults.validate().is_empty());
            let written = toml::to_string(&defaults).unwrap();
            assert_eq!(parse(&written).unwrap(), defaults, "{written}");
            assert!(parse(&format!("{} = {{ no_such_key = 1 }}", entry.name)).is_err());
        }
        let names: std::collections::BTreeSet<&str> = REGISTRY.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
        assert_eq!(PolicySpec::from_name("p3c"), None);
        // A policy that is not in the registry would be in the schema.
        let schema = schemars::schema_for!(PolicySpec).to_value();
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), REGISTRY.len());
    }

    #[test]
    fn published_defaults() {
        // KubeAI's CHWBL, the weights of GORGO's tuner, SGLang's guard, Envoy's choice count.
        assert_eq!(
            parse("chwbl = {}").unwrap(),
            parse("chwbl = { load_factor = 1.25, vnodes = 256 }").unwrap()
        );
        assert_eq!(
            parse("gorgo = {}").unwrap(),
            parse("gorgo = { rtt = 0.276, prefill = 1, queue = 0.5 }").unwrap()
        );
        assert_eq!(parse("p2c = {}").unwrap(), parse("p2c = { choices = 2 }").unwrap());
        assert_eq!(
            parse("prefix = { guard = {} }").unwrap(),
            parse("prefix = { guard = { abs = 32, rel = 1.1 }, min_match = 0.0, index = \"sent\" }").unwrap(),
        );
        assert_ne!(parse("prefix = {}").unwrap(), parse("prefix = { guard = {} }").unwrap());
    }

    #[test]
    fn a_value_beyond_its_rule_is_named() {
        let fields = |text: &str| -> Vec<String> {
            let problems = parse(text).unwrap().validate();
            problems.iter().map(|problem| format!("{} = {}", problem.field, problem.value)).collect()
        };
        assert_eq!(
            fields("chwbl = { vnodes = 0, load_factor = 0.99, prefix_tokens = 0 }"),
            ["prefix_tokens = 0", "vnodes = 0", "load_factor = 0.99"]
        );
        assert_eq!(
            fields("chwbl = { vnodes = 65537, load_factor = nan }"),
            ["vnodes = 65537", "load_factor = NaN"]
        );
        assert_eq!(fields("chwbl = { vnodes = 65536, load_factor = 1.0 }"), [""; 0]);
        assert_eq!(
            fields("gorgo = { rtt = -0.1, prefill = inf, queue = nan }"),
            ["rtt = -0.1", "prefill = inf", "queue = NaN"]
        );
        assert_eq!(fields("gorgo = { rtt = 0.0, queue = 0.0 }"), [""; 0]);
        assert_eq!(
            fields("prefix = { min_match = 1.01, guard = { rel = -1.0 } }"),
            ["min_match = 1.01", "guard.rel = -1"]
        );
        assert_eq!(fields("p2c = { choices = 0 }"), ["choices = 0"]);
        assert_eq!(fields("session = { prefix_tokens = 0, soft = 0 }"), ["prefix_tokens = 0"]);
    }
}
