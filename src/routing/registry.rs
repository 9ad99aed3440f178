//! The list of policies, one line each: what `regionsim policies` prints. Knows names and sources; must not know
//! how a policy decides.

use super::compose;
use super::params::{ParamInfo, describe};
#[allow(clippy::wildcard_imports, reason = "a policy is one line here")]
use super::policies::*;

/// What a policy chooses among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Replicas: of one region, or of all.
    Replica,
    /// Regions.
    Global,
    /// Either.
    Both,
}

impl Tier {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Replica => "replica",
            Tier::Global => "global",
            Tier::Both => "both",
        }
    }
}

/// A line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct PolicyEntry {
    /// The name in scenarios.
    pub name: &'static str,
    /// What it chooses among.
    pub tier: Tier,
    /// The rule in a few words.
    pub summary: &'static str,
    /// Where the rule and its defaults come from.
    pub source: &'static str,
    /// Its parameters.
    pub params: fn() -> Vec<ParamInfo>,
}

const fn line(
    name: &'static str,
    tier: Tier,
    summary: &'static str,
    source: &'static str,
    params: fn() -> Vec<ParamInfo>,
) -> PolicyEntry {
    PolicyEntry { name, tier, summary, source, params }
}

/// All policies, in the order of listings.
#[rustfmt::skip]
pub const REGISTRY: &[PolicyEntry] = &[
    line("round_robin", Tier::Both, "each target in turn", "classic", describe::<round_robin::Params>),
    line("random", Tier::Both, "a uniformly random target", "classic", describe::<random::Params>),
    line("least_request", Tier::Both, "fewest requests under way, by own count", "Envoy, NGINX; AIBrix", describe::<least_request::Params>),
    line("least_load", Tier::Both, "least requests and tokens together, by the replicas' own count", "GORGO's baseline", describe::<least_load::Params>),
    line("p2c", Tier::Both, "the less busy of two at random", "Mitzenmacher 2001; Envoy", describe::<p2c::Params>),
    line("session", Tier::Both, "a session keeps its target (rendezvous hash)", "Thaler and Ravishankar 1998; GORGO, AIBrix", describe::<session::Params>),
    line("prefix", Tier::Both, "longest prefix match, with an optional load guard", "SGLang gateway; vLLM production-stack", describe::<prefix::Params>),
    line("chwbl", Tier::Both, "consistent hashing of the prefix with bounded loads", "Mirrokni, Thorup, Zadimoghaddam 2018; KubeAI", describe::<chwbl::Params>),
    line("gorgo", Tier::Both, "round trip, uncached prompt and queued prompts in one weighted sum", "GORGO v2, 2026", describe::<gorgo::Params>),
    line("nearest", Tier::Both, "lowest round-trip time, its replicas in turn", "latency-based DNS, anycast", describe::<nearest::Params>),
    line("cache_aware", Tier::Both, "the longest match while load is even, else the fewest requests", "SGLang gateway", describe::<cache_aware::Params>),
    line("epp", Tier::Both, "weighted scores of queue, KV usage and prefix match", "llm-d; Gateway API inference extension", describe::<epp::Params>),
    line("epp_precise", Tier::Both, "the same scores over what the caches themselves report", "llm-d", describe::<epp_precise::Params>),
    line("dynamo_kv", Tier::Both, "blocks to prefill, less those held, and blocks to carry", "NVIDIA Dynamo KV router", describe::<dynamo_kv::Params>),
    line("sticky_until_saturated", Tier::Both, "who holds the prompt keeps it until it owes too much prefill", "llm-d, 2026", describe::<sticky_until_saturated::Params>),
    line("gorgo_v1", Tier::Both, "prefill and round trip in milliseconds behind a capacity gate", "GORGO v1, 2026, central proxy", describe::<gorgo_v1::Params>),
    line("gorgo_distributed", Tier::Both, "home while it has room, then the cheaper of home and peers", "GORGO v1, 2026, a balancer a region", describe::<gorgo_distributed::Params>),
    line("gorgo_digest", Tier::Both, "round trip and reciprocals of cache hit and free compute", "a digest of GORGO v1", describe::<gorgo_digest::Params>),
    line("skywalker", Tier::Both, "pushed only to replicas with room, at home first (a reconstruction)", "SkyWalker, EuroSys 2026", describe::<skywalker::Params>),
    line("nearest_within_budget", Tier::Both, "the nearest region that a latency budget leaves time for", "latency budgets of regional serving", describe::<nearest_within_budget::Params>),
    line("waterfall", Tier::Both, "the nearest region up to its capacity, then the next", "Google Cloud load balancing", describe::<waterfall::Params>),
    line("proportional", Tier::Both, "regions by weight, in health", "Envoy locality weights; NGINX", describe::<proportional::Params>),
    line("failover", Tier::Both, "the first region in health of an order", "Envoy priority levels", describe::<failover::Params>),
    line("compose", Tier::Both, "filters, guards, scorers and a picker of your own", "the blocks of the routers above", compose::vocabulary::params),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_a_page_that_names_its_parameters_with_their_defaults() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies");
        let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
        for entry in REGISTRY {
            let page = std::fs::read_to_string(docs.join(format!("{}.md", entry.name)))
                .unwrap_or_else(|error| panic!("docs/policies/{}.md: {error}", entry.name));
            assert!(page.starts_with(&format!("# {}\n", entry.name)), "{}", entry.name);
            for param in (entry.params)() {
                let row = format!("| `{}` | `{}` |", param.name, param.default);
                assert!(page.contains(&row), "{} lacks the row {row}", entry.name);
                assert!(!param.doc.is_empty(), "{}.{} says nothing", entry.name, param.name);
            }
            assert!(index.contains(&format!("[{0}]({0}.md)", entry.name)), "the index lacks {}", entry.name);
            assert!(!entry.summary.is_empty() && !entry.source.is_empty());
        }
    }

    #[test]
    fn parameters_are_listed_as_a_scenario_spells_them() {
        let gorgo: Vec<(String, String)> =
            describe::<gorgo::Params>().into_iter().map(|param| (param.name, param.default)).collect();
        let expected = [
            ("rtt", "0.276"),
            ("prefill", "1.0"),
            ("queue", "0.5"),
            ("release", "\"completion\""),
            ("tie", "\"first\""),
            ("tune", "none"),
        ];
        assert_eq!(gorgo, expected.map(|(name, default)| (name.to_owned(), default.to_owned())));
        assert_eq!(describe::<random::Params>(), []);
    }
}
