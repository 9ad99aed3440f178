//! Compositions against the policies they put together, decision by decision.

use super::{spec, targets};
use crate::id::{ClassId, OriginId, RequestId, TenantId};
use crate::observe::Load;
use crate::rng::Key;
use crate::routing::{Decision, PolicySpec, PromptBlocks, RequestView, Stage, TargetId, Ticket};
use crate::time::{SimTime, Span};
use crate::workload::{Chain, Run};
use proptest::prelude::*;

/// Policies and what they are made of, beside those in `scenarios/routing/compositions.toml`.
const PAIRS: &[(&str, &str)] = &[
    ("random = {}", r#"compose = { pick = "random" }"#),
    ("random = {}", "compose = {}"),
    ("session = {}", r#"compose = { pick = "rendezvous" }"#),
    (
        r#"least_request = { tie = "last" }"#,
        r#"compose = { score = [{ signal = "inflight_reqs", direction = "min" }], pick = { best = { tie = "last" } } }"#,
    ),
    (
        "least_request = {}",
        r#"compose = { score = [{ signal = "inflight_reqs", direction = "min" }], pick = { best = { tie = "random" } } }"#,
    ),
    (
        r#"chwbl = { overflow = "seeded_shuffle", bound = "strict", key = "session", vnodes = 7 }"#,
        r#"
        [compose]
        key = ["session", { prefix_tokens = 256 }]
        filters = [
            { bounded = { bound = "strict", on_empty = "next" } },
            { home = { vnodes = 7, on_empty = "next" } },
        ]
        [compose.otherwise]
        filters = [{ bounded = { bound = "strict" } }]
        pick = "rendezvous"
        "#,
    ),
    (
        r#"chwbl = { overflow = "least_loaded", load_factor = 1.5, bound = "sglang", prefix_tokens = 32 }"#,
        r#"
        [compose]
        key = [{ prefix_chars = 128 }]
        filters = [
            { bounded = { bound = "sglang", load_factor = 1.5, on_empty = "next" } },
            { home = { vnodes = 256, on_empty = "next" } },
        ]
        [compose.otherwise]
        score = [{ signal = "inflight_reqs", direction = "min" }]
        pick = { best = { tie = "first" } }
        "#,
    ),
    (
        r#"prefix = { min_match = 0.5, guard = { abs = 2, rel = 1.5 }, index = "completion" }"#,
        r#"
        [compose]
        index = { insert = "completion" }
        if = { imbalance = { signal = "inflight_reqs", abs = 2, rel = 1.5 } }
        then = { score = [{ signal = "inflight_reqs", direction = "min" }], pick = { best = { tie = "first" } } }
        [compose.else]
        filters = [{ match_at_least = { ratio = 0.5, on_empty = "next" } }, { match_best = {} }]
        score = [{ signal = "inflight_reqs", direction = "min" }]
        pick = { best = { tie = "first" } }
        otherwise = { score = [{ signal = "inflight_reqs", direction = "min" }], pick = { best = { tie = "first" } } }
        "#,
    ),
    (
        "dynamo_kv = { temperature = 0.7, active = 1, queue_tokens = 60, index = \"sent\" }",
        r#"
        [compose]
        index = { insert = "sent", ttl = "120s" }
        if = { all_above = { signal = "queued_uncached_tokens", limit = 60, per_replica = true } }
        then = { pick = "queue" }
        [compose.else]
        score = [
            { signal = "prefill_blocks", direction = "min" },
            { signal = "active_blocks", direction = "min", per_replica = true },
            { signal = "inflight_reqs", direction = "min", per_replica = true, unit = "blocks" },
        ]
        pick = { softmax = { temperature = 0.7 } }
        "#,
    ),
    (
        "epp = { unsaturated = { queue = 2, kv = 0.5 } }",
        r#"
        [compose]
        index = { insert = "sent", capacity_blocks = 31_250, prompt_blocks = 256 }
        filters = [
            { below = { signal = "waiting", limit = 2, per_replica = true, on_empty = "next" } },
            { below = { signal = "kv_usage", limit = 0.5, on_empty = "next" } },
        ]
        score = [
            { signal = "waiting", direction = "max", weight = 2, transform = "min_max" },
            { signal = "kv_usage", direction = "max", weight = 2, transform = "one_minus" },
            { signal = "block_match_ratio", direction = "max", weight = 3 },
        ]
        pick = { best = { tie = "random" } }
        [compose.otherwise]
        score = [
            { signal = "waiting", direction = "max", weight = 2, transform = "min_max" },
            { signal = "kv_usage", direction = "max", weight = 2, transform = "one_minus" },
            { signal = "block_match_ratio", direction = "max", weight = 3 },
        ]
        pick = { best = { tie = "random" } }
        "#,
    ),
    (
        r#"gorgo = { release = "first_token", tie = "lowest_inflight", queue = 0 }"#,
        r#"
        [compose]
        index = { insert = "first_token" }
        score = [
            { signal = "rtt_ms", direction = "min", weight = 0.276, unit = "score" },
            { signal = "uncached_tokens", direction = "min", unit = "score" },
            { signal = "queued_prompt_tokens", direction = "min", weight = 0, unit = "score" },
        ]
        pick = { best = { tie = "lowest_inflight" } }
        "#,
    ),
];

/// The eight pairs of the scenario.
fn published() -> Vec<(PolicySpec, PolicySpec)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/routing/compositions.toml");
    let file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let policies = file["policies"].as_table().unwrap();
    let of = |name: &str| {
        let policy = policies[name].as_table().unwrap();
        let mut tiers = policy.get("replica").or(policy.get("central")).unwrap().clone();
        tiers.as_table_mut().unwrap().iter_mut().for_each(|(_, params)| {
            params.as_table_mut().unwrap().remove("at");
        });
        let spec: PolicySpec = tiers.try_into().unwrap();
        assert!(spec.validate().is_empty(), "{name}");
        spec
    };
    let names = policies.keys().filter(|name| !name.ends_with("_as_blocks"));
    let pairs: Vec<_> = names.map(|name| (of(name), of(&format!("{name}_as_blocks")))).collect();
    assert_eq!(pairs.len(), 8);
    pairs
}

fn pairs() -> impl Strategy<Value = (PolicySpec, PolicySpec)> {
    let mut all = published();
    all.extend(PAIRS.iter().map(|(named, composed)| (spec(named), spec(composed))));
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_composition_decides_as_the_policy_it_puts_together(
        (named, composed) in pairs(),
        count in 1u32..40,
        replicas in prop::sample::select(vec![1u32, 3]),
        masks in prop::collection::vec(any::<u64>(), 1..4),
        steps in prop::collection::vec((any::<u8>(), 0u64..9, 0u32..9, 0u8..7, any::<u16>()), 1..150),
    ) {
        let of = |spec: &PolicySpec| Stage::new(spec, targets(count, replicas), Key::root(5));
        let (mut one, mut other) = (of(&named), of(&composed));
        let sets: Vec<Vec<TargetId>> = (masks.into_iter().chain([u64::MAX]))
            .map(|mask| (0..count).filter(|bit| mask >> bit & 1 == 1).map(TargetId).collect())
            .filter(|set: &Vec<TargetId>| !set.is_empty())
            .collect();
        let mut under_way: Vec<(Ticket, bool, Chain)> = Vec::new();
        for (number, (set, key, blocks, what, which)) in steps.into_iter().enumerate() {
            let mut chain = Chain::new();
            chain.push(Run { key, start: 0, len: blocks });
            let view = |id: usize, chain| RequestView {
                id: RequestId(id as u32),
                session: key % 3,
                tenant: TenantId(blocks % 2),
                origin: OriginId(0),
                class: ClassId(0),
                prompt_tokens: blocks * 16 + 5,
                prompt: PromptBlocks::new(chain, blocks * 16 + 5, 16),
            };
            let (some, at) = (TargetId(u32::from(which) % count), which as usize % under_way.len().max(1));
            let stages = [&mut one, &mut other];
            let now = SimTime::ZERO + Span::from_secs(7 * number as u64);
            match what {
                0 if !under_way.is_empty() => {
                    let (ticket, answered, chain) = under_way.swap_remove(at);
                    let tokens = ticket.prompt_tokens;
                    let view = RequestView {
                        prompt_tokens: tokens,
                        prompt: PromptBlocks::new(&chain, tokens, 16),
                        ..view(number, &chain)
                    };
                    for stage in stages {
                        stage.set_now(now);
                        stage.finished(&ticket, answered, Some(&view));
                    }
                }
                1 if !under_way.is_empty() && !under_way[at].1 => {
                    under_way[at].1 = true;
                    let (ticket, _, chain) = &under_way[at];
                    let tokens = ticket.prompt_tokens;
                    let view = RequestView {
                        prompt_tokens: tokens,
                        prompt: PromptBlocks::new(chain, tokens, 16),
                        ..view(number, chain)
                    };
                    for stage in stages {
                        stage.set_now(now);
                        stage.first_token(ticket, Some(&view));
                    }
                }
                2 => {
                    let load = Load {
                        running: blocks,
                        waiting: u32::from(which) % 7,
                        kv_used_blocks: u32::from(which) % 11,
                        kv_total_blocks: 10,
                        ..Load::default()
                    };
                    for stage in stages {
                        stage.set_load(some, load);
                        if blocks > 0 {
                            stage.cache_added(some, Run { len: 1, ..chain.runs()[0] });
                        }
                    }
                }
                _ => {
                    let [decision, same] = stages.map(|stage| {
                        stage.set_now(now);
                        let set = stage.eligible(&sets[set as usize % sets.len()]);
                        stage.decide(&view(number, &chain), set)
                    });
                    prop_assert_eq!(decision, same);
                    let Decision::To(target) = decision else { continue };
                    let set = other.eligible(&sets[set as usize % sets.len()]);
                    let terms = other.explain(&view(number, &chain), set, target);
                    prop_assert!(terms.contains(&("candidate", 1.0)), "{terms:?}");
                    prop_assert!(terms.iter().all(|(_, term)| term.is_finite()), "{terms:?}");
                    let ticket = one.sent(&view(number, &chain), target);
                    let again = other.sent(&view(number, &chain), target);
                    // What a policy without an index does not know is no difference.
                    prop_assert_eq!(ticket, again);
                    under_way.push((ticket, false, chain));
                }
            }
        }
    }
}
