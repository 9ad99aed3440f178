//! A policy as a scenario names it. Knows every policy's name and parameters, and how to build it; must not know
//! how a scenario is read.

use super::params::{ParamProblem, Problems, Validate};
use super::policies::{
    cache_aware, chwbl, dynamo_kv, epp, epp_precise, failover, gorgo, gorgo_digest, gorgo_distributed,
    gorgo_v1, least_load, least_request, nearest, nearest_within_budget, p2c, prefix, proportional, random,
    round_robin, session, skywalker, sticky_until_saturated, waterfall,
};
use super::{Policy, Target};
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
    ($($(#[$doc:meta])* $variant:ident $name:literal $module:ident;)*) => {
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
            /// The regions that its parameters name, each with its parameter.
            pub fn regions(&self) -> Vec<(&'static str, String)> {
                match self { $(PolicySpec::$variant(params) => params.regions(),)* }
            }
        }
    };
}

policies! {
    /// Each target in turn.
    RoundRobin "round_robin" round_robin;
    /// A uniformly random target.
    Random "random" random;
    /// The fewest requests under way.
    LeastRequest "least_request" least_request;
    /// The least work in it.
    LeastLoad "least_load" least_load;
    /// The better of two at random.
    P2c "p2c" p2c;
    /// The session's own target.
    Session "session" session;
    /// The longest prefix match.
    Prefix "prefix" prefix;
    /// Consistent hashing with bounded loads.
    Chwbl "chwbl" chwbl;
    /// Network, prefill and queue in one sum.
    Gorgo "gorgo" gorgo;
    /// The lowest round-trip time.
    Nearest "nearest" nearest;
    /// Even load and the longest match.
    CacheAware "cache_aware" cache_aware;
    /// Weighted scores of queue, cache and prefix.
    Epp "epp" epp;
    /// The same over a precise index.
    EppPrecise "epp_precise" epp_precise;
    /// Blocks to prefill and to carry.
    DynamoKv "dynamo_kv" dynamo_kv;
    /// The warm ones until they owe too much.
    StickyUntilSaturated "sticky_until_saturated" sticky_until_saturated;
    /// GORGO of the first generation, central.
    GorgoV1 "gorgo_v1" gorgo_v1;
    /// GORGO of the first generation, a balancer a region.
    GorgoDistributed "gorgo_distributed" gorgo_distributed;
    /// The reciprocal cost of a digest.
    GorgoDigest "gorgo_digest" gorgo_digest;
    /// Pushed only where there is room.
    Skywalker "skywalker" skywalker;
    /// The nearest in time.
    NearestWithinBudget "nearest_within_budget" nearest_within_budget;
    /// The nearest up to its capacity.
    Waterfall "waterfall" waterfall;
    /// Regions by weight.
    Proportional "proportional" proportional;
    /// The first region in health.
    Failover "failover" failover;
}

impl PolicySpec {
    /// The policy, ready to route for one stage of one gateway.
    pub fn build(&self, context: &BuildContext<'_>) -> Box<dyn Policy> {
        let targets = context.targets;
        match self {
            PolicySpec::RoundRobin(_) => Box::new(round_robin::RoundRobin::default()),
            PolicySpec::Random(_) => Box::new(random::Random),
            PolicySpec::LeastRequest(params) => Box::new(least_request::LeastRequest::new(params)),
            PolicySpec::LeastLoad(params) => Box::new(least_load::LeastLoad::new(params)),
            PolicySpec::P2c(params) => Box::new(p2c::P2c::new(params)),
            PolicySpec::Session(params) => Box::new(session::Session::new(params, targets)),
            PolicySpec::Prefix(params) => Box::new(prefix::Prefix::new(params)),
            PolicySpec::Chwbl(params) => Box::new(chwbl::Chwbl::new(params, targets)),
            PolicySpec::Gorgo(params) => Box::new(gorgo::Gorgo::new(params)),
            PolicySpec::Nearest(_) => Box::new(nearest::Nearest::new(targets)),
            PolicySpec::CacheAware(params) => Box::new(cache_aware::CacheAware::new(params)),
            PolicySpec::Epp(params) => Box::new(epp::Epp::new(params)),
            PolicySpec::EppPrecise(params) => Box::new(epp_precise::EppPrecise::new(params)),
            PolicySpec::DynamoKv(params) => Box::new(dynamo_kv::DynamoKv::new(params)),
            PolicySpec::StickyUntilSaturated(params) => {
                Box::new(sticky_until_saturated::StickyUntilSaturated::new(params))
            }
            PolicySpec::GorgoV1(params) => Box::new(gorgo_v1::GorgoV1::new(params)),
            PolicySpec::GorgoDistributed(params) => {
                Box::new(gorgo_distributed::GorgoDistributed::new(params))
            }
            PolicySpec::GorgoDigest(params) => Box::new(gorgo_digest::GorgoDigest::new(params)),
            PolicySpec::Skywalker(params) => Box::new(skywalker::Skywalker::new(params, targets)),
            PolicySpec::NearestWithinBudget(params) => {
                Box::new(nearest_within_budget::NearestWithinBudget::new(params))
            }
            PolicySpec::Waterfall(params) => Box::new(waterfall::Waterfall::new(params)),
            PolicySpec::Proportional(params) => Box::new(proportional::Proportional::new(params)),
            PolicySpec::Failover(params) => Box::new(failover::Failover::new(params)),
        }
    }
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
