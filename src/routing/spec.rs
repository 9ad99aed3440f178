//! A policy as a scenario names it. Knows every policy's name and parameters, and how to build it; must not know
//! how a scenario is read.

use super::params::{ParamProblem, Problems, Validate};
use super::policies::{
    chwbl, gorgo, least_load, least_request, nearest, p2c, prefix, random, round_robin, session,
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
}

impl PolicySpec {
    /// The policy, ready to route for one stage of one gateway.
    pub fn build(&self, context: &BuildContext<'_>) -> Box<dyn Policy> {
        let _ = context;
        match self {
            PolicySpec::Random(_) => Box::new(random::Random),
            _ => Box::new(round_robin::RoundRobin::default()),
        }
    }
}
