//! Compositions against the policies they put together, decision by decision; and what each block does, worked by
//! hand.

use super::{Compose, Params};
use crate::id::{ClassId, OriginId, RegionId, ReplicaId, RequestId, TenantId};
use crate::observe::Load;
use crate::rng::Key;
use crate::routing::scene::{Scene, assert_shares};
use crate::routing::{
    Decision, Needs, Policy, PolicySpec, PromptBlocks, Refusal, RequestView, Stage, Target, TargetId, Ticket,
};
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
        if = { uneven = { signal = "inflight_reqs", abs = 2, rel = 1.5 } }
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

fn spec(text: &str) -> PolicySpec {
    let spec: PolicySpec = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let problems = spec.validate();
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    spec
}

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

fn targets(count: u32, replicas: u32) -> Vec<Target> {
    let target = |number| Target {
        name: format!("target {number}"),
        replica: (replicas == 1).then_some(ReplicaId(number)),
        region: RegionId(number % 3),
        rtt: Span::from_ms(40 * u64::from(number % 3)),
        replicas,
    };
    (0..count).map(target).collect()
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
                            stage.cache_added(some, chain.id(0));
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
                    prop_assert!(terms[0] == ("candidate", 1.0), "{terms:?}");
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

fn params(text: &str) -> Params {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
fn policy(scene: &Scene, text: &str) -> Compose {
    let PolicySpec::Compose(params) = spec(&format!("compose = {{ {} }}", text.replace('\n', " "))) else {
        unreachable!()
    };
    Compose::new(&params, &scene.targets)
}
const FIRST: &str = r#"pick = { best = { tie = "first" } }"#;
const FEWEST: &str = r#"score = [{ signal = "inflight_reqs", direction = "min" }]"#;

#[test]
fn what_a_composition_does_not_read_is_not_gathered() {
    let needs = |text: &str| policy(&Scene::new(2), text).needs();
    assert_eq!(needs(""), Needs::default());
    assert_eq!(needs(&format!("{FEWEST}, {FIRST}")), Needs::default());
    // A weight of 0 is not read; a load is, in a filter, a guard or a term, however far in.
    let zero = r#"score = [{ signal = "waiting", direction = "min", weight = 0 }]"#;
    assert_eq!(needs(&format!("{zero}, {FIRST}")), Needs::default());
    for text in [
        r#"filters = [{ below = { signal = "waiting", limit = 1 } }]"#,
        r#"if = { saturated = {} }, then = { pick = "reject" }, else = { pick = "random" }"#,
        r#"filters = [{ sample = { on_empty = "next" } }], otherwise = { filters = [{ at_most = { signal = "kv_usage", limit = 1 } }] }"#,
    ] {
        assert_eq!(needs(text), Needs { load: true, ..Needs::default() }, "{text}");
    }
    let active = needs(&format!(r#"score = [{{ signal = "active_blocks", direction = "min" }}], {FIRST}"#));
    assert_eq!(active, Needs { active: true, ..Needs::default() });
    let index = needs(r#"index = { insert = "sent", capacity_blocks = 7 }, filters = [{ match_best = {} }]"#);
    assert!(index.index.is_some_and(|index| index.capacity_blocks == Some(7)) && !index.load);
}

#[test]
fn filters_keep_what_they_say() {
    // Requests 4, 0, 2, 9; waiting 5, 1, 0, 7; KV 10, 20, 80, 90 %; match 1, 6, 5, 0 of 6 blocks: 16, 96, 80, 0 % of
    // 100 tokens.
    let kept = |filter: &str| {
        let scene = Scene::new(4)
            .requests([4, 0, 2, 9])
            .loads([(5, 10), (1, 20), (0, 80), (7, 90)])
            .matched([1, 6, 5, 0])
            .places([(0, 50), (1, 10), (2, 10), (1, 10)]);
        let index = if filter.contains("match") { r#"index = { insert = "sent" },"# } else { "" };
        let mut policy =
            policy(&scene, &format!(r#"{index} filters = [{{ {filter} }}], pick = "round_robin""#));
        // Each of those left in turn, until the first comes round again.
        let mut scene = scene;
        let mut found: Vec<u32> = Vec::new();
        loop {
            let next = scene.ask(&mut policy);
            if found.contains(&next) {
                return found;
            }
            found.push(next);
        }
    };
    for (filter, expected) in [
        (r#"below = { signal = "waiting", limit = 5 }"#, &[1, 2][..]),
        (r#"at_most = { signal = "waiting", limit = 5 }"#, &[0, 1, 2]),
        (r#"above = { signal = "kv_usage", limit = 0.8 }"#, &[3]),
        (r#"at_least = { signal = "kv_usage", limit = 0.8 }"#, &[2, 3]),
        // Least 0: up to 0 · 2 + 2. Most 9: from 9 · 0.5 − 0.5 = 4.
        (r#"within_of_min = { signal = "inflight_reqs", abs = 2, rel = 2 }"#, &[1, 2]),
        (r#"within_of_max = { signal = "inflight_reqs", abs = 0.5, rel = 0.5 }"#, &[0, 3]),
        // Mean 15/4 = 3.75; variance (0.0625 + 14.0625 + 3.0625 + 27.5625)/4 = 11.1875, σ 3.345: limits 3.75, 7.09.
        (r#"mean_plus_sigma = { signal = "inflight_reqs", k = 0 }"#, &[1, 2]),
        (r#"mean_plus_sigma = { signal = "inflight_reqs", k = 1 }"#, &[0, 1, 2]),
        ("match_at_least = { ratio = 0.8 }", &[1, 2]),
        ("match_above = { ratio = 0.8 }", &[1]),
        ("match_best = {}", &[1]),
        ("match_within = { tau = 0.2 }", &[1, 2]),
        // 10 ms to regions 1 and 2: the first of them.
        ("nearest = {}", &[1, 3]),
        // 1.25 · (15 + 1) / 4 = 5; strict: below ⌈5⌉.
        ("bounded = {}", &[0, 1, 2]),
        // Nobody is above 100: all stay.
        (r#"above = { signal = "inflight_reqs", limit = 100 }"#, &[0, 1, 2, 3]),
        ("sample = { choices = 9 }", &[0, 1, 2, 3]),
    ] {
        assert_eq!(kept(filter), expected, "{filter}");
    }
}

#[test]
fn a_filter_that_leaves_nobody_says_what_happens() {
    let text = |on_empty: &str| {
        format!(
            r#"filters = [{{ below = {{ signal = "waiting", limit = 1, on_empty = "{on_empty}" }} }}], pick = "round_robin""#
        )
    };
    let next = format!("{}, otherwise = {{ {FEWEST}, {FIRST} }}", text("next"));
    let mut scene = Scene::new(2).loads([(1, 0), (2, 0)]).requests([3, 2]);
    let mut decide = |text: &str| {
        let mut policy = policy(&scene, text);
        scene.decide(&mut policy)
    };
    assert_eq!(decide(&text("keep_all")), Decision::To(TargetId(0)));
    assert_eq!(decide(&next), Decision::To(TargetId(1)));
    assert_eq!(decide(&text("reject")), Decision::Refuse(Refusal::Shed));
    assert_eq!(decide(&text("queue")), Decision::Hold);
    // With nothing of its own under way it would wait for ever.
    let mut idle = Scene::new(2).loads([(1, 0), (2, 0)]);
    let mut policy = policy(&idle, &text("queue"));
    assert_eq!(idle.decide(&mut policy), Decision::To(TargetId(0)));
}

#[test]
fn conditions_hold_as_they_say() {
    let holds = |condition: &str, scene: Scene| {
        let index = if condition.contains("match") { r#"index = { insert = "sent" },"# } else { "" };
        let fewest = format!("{FEWEST}, {FIRST}");
        let text =
            format!(r#"{index} if = {{ {condition} }}, then = {{ pick = "reject" }}, else = {{ {fewest} }}"#);
        let mut policy = policy(&scene, &text);
        let mut scene = scene;
        scene.decide(&mut policy) == Decision::Refuse(Refusal::Shed)
    };
    let requests = |requests: [u32; 3]| Scene::new(3).requests(requests);
    // As SGLang's guard, 32 and 1.1: 35 > 32 and 40 > 5.5; 33 > 32 and 33 > 0; 32 is not more than 32; 353 > 352.
    let uneven = r#"uneven = { signal = "inflight_reqs", abs = 32, rel = 1.1 }"#;
    for (found, expected) in [
        ([40, 5, 5], true),
        ([33, 0, 0], true),
        ([32, 0, 0], false),
        ([353, 320, 330], true),
        ([355, 323, 330], false),
    ] {
        assert_eq!(holds(uneven, requests(found)), expected, "{found:?}");
    }
    let above = r#"all_above = { signal = "inflight_reqs", limit = 2 }"#;
    assert!(holds(above, requests([3, 4, 5])) && !holds(above, requests([2, 4, 5])));
    // Six blocks are 96 of 100 tokens, three 48: not more than half.
    let matched = |matched: [u32; 3]| Scene::new(3).matched(matched);
    assert!(holds("match_above = { ratio = 0.95 }", matched([0, 6, 0])));
    assert!(!holds("match_above = { ratio = 0.96 }", matched([0, 6, 0])));
    assert!(holds("uncached_below_matched = {}", matched([0, 4, 0])));
    assert!(!holds("uncached_below_matched = {}", matched([0, 3, 0])));
    // Waiting 5 of 5 at KV .4 of .8 is 1; nobody at .8 is 1; 2 of 5 at .4 is .5: means 1 and 2.5/3 = .833.
    let loads = |last| Scene::new(3).loads([(5, 40), (0, 80), last]);
    assert!(holds("saturated = {}", loads((0, 80))) && !holds("saturated = {}", loads((2, 40))));
    assert!(holds("saturated = { limit = 0.83 }", loads((2, 40))));
    assert!(!holds("saturated = { limit = 0.84 }", loads((2, 40))));
    // 300 · 1⁵ > 1: always. Nobody waits and nothing is in use: never.
    assert!(holds("sheds = {}", loads((0, 80))) && !holds("sheds = {}", Scene::new(3)));
    assert!(
        holds("chance = { ratio = 1 }", requests([0; 3]))
            && !holds("chance = { ratio = 0 }", requests([0; 3]))
    );
}

#[test]
fn terms_are_turned_weighted_and_combined() {
    // Waiting 0, 5, 10 and KV 20, 50, 90 %; match 0, 3, 6 of 6 blocks. Published weights 2, 2, 3:
    // 2·1 + 2·.8 + 0 = 3.6; 2·.5 + 2·.5 + 3·.5 = 3.5; 0 + 2·.1 + 3 = 3.2.
    let scene = || Scene::new(3).loads([(0, 20), (5, 50), (10, 90)]).matched([0, 3, 6]);
    let epp = r#"index = { insert = "sent" }, score = [
        { signal = "waiting", direction = "max", weight = 2, transform = "min_max" },
        { signal = "kv_usage", direction = "max", weight = 2, transform = "one_minus" },
        { signal = "block_match_ratio", direction = "max", weight = 3 }], pick = { best = { tie = "first" } }"#;
    let mut composed = policy(&scene(), epp);
    assert_eq!(scene().ask(&mut composed), 0);
    for (target, expected) in [(0, 3.6), (1, 3.5), (2, 3.2)] {
        let found = scene().term(&composed, target, "score");
        assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
    }
    // One term each: value for targets 0, 1, 2.
    for (signal, transform, expected) in [
        ("waiting", r#""raw""#, [0.0, 5.0, 10.0]),
        ("waiting", r#""min_max""#, [1.0, 0.5, 0.0]),
        ("waiting", r#""max_min""#, [0.0, 0.5, 1.0]),
        ("waiting", r#""ratio_to_max""#, [0.0, 0.5, 1.0]),
        ("waiting", "{ inverse = { floor = 2 } }", [0.5, 0.2, 0.1]),
        ("waiting", "{ cap_linear = { limit = 8 } }", [1.0, 0.375, 0.0]),
        ("kv_usage", r#""one_minus""#, [0.8, 0.5, 0.1]),
    ] {
        let text = format!(
            r#"score = [{{ signal = "{signal}", direction = "max", weight = 3, transform = {transform} }}], {FIRST}"#
        );
        let mut composed = policy(&scene(), &text);
        scene().ask(&mut composed);
        for (target, expected) in (0..).zip(expected) {
            let found = scene().term(&composed, target, signal);
            assert!((found - 3.0 * expected).abs() < 1e-12, "{signal} {transform} {target}: {found}");
        }
    }
    // A sum goes the way of its first term: 10 · waiting − 7 · 16 · blocks held: 0, 50 − 336, 100 − 672.
    let mixed = r#"index = { insert = "sent" }, score = [
        { signal = "waiting", direction = "min", weight = 10, unit = "score" },
        { signal = "matched_blocks", direction = "max", weight = 112, unit = "score" }], pick = { best = { tie = "first" } }"#;
    let mut composed = policy(&scene(), mixed);
    assert_eq!(scene().ask(&mut composed), 2);
    assert_eq!([0, 1, 2].map(|target| scene().term(&composed, target, "score")), [0.0, -286.0, -572.0]);
    // A product of 1/(1..) and what is free: 1/1 · .8, 1/5 · .5, 1/10 · .1.
    let product = r#"combine = "product", score = [
        { signal = "waiting", direction = "max", transform = { inverse = { floor = 1 } } },
        { signal = "kv_usage", direction = "max", transform = "one_minus" }], pick = { best = { tie = "first" } }"#;
    let mut composed = policy(&scene(), product);
    assert_eq!(scene().ask(&mut composed), 0);
    let found = [0, 1, 2].map(|target| scene().term(&composed, target, "score"));
    assert!(found.iter().zip([0.8, 0.1, 0.01]).all(|(found, expected)| (found - expected).abs() < 1e-12));
    // In order: fewest waiting are targets 0 and 1, of whom 1 holds more.
    let ordered = r#"index = { insert = "sent" }, combine = "lexicographic", score = [
        { signal = "waiting", direction = "min" }, { signal = "matched_blocks", direction = "max" }],
        pick = { best = { tie = "first" } }"#;
    let mut equal = Scene::new(3).loads([(1, 0), (1, 0), (2, 0)]).matched([2, 3, 6]);
    let mut composed = policy(&equal, ordered);
    assert_eq!(equal.ask(&mut composed), 1);
}

#[test]
fn ties_are_told_apart_as_written() {
    // Equal scores at 1, 2 and 3; 0 is worse. Requests 0, 5, 4, 5.
    let scene = || Scene::new(4).loads([(9, 0), (1, 0), (1, 0), (1, 0)]).requests([0, 5, 4, 5]);
    let text = |tie: &str| {
        format!(
            r#"score = [{{ signal = "waiting", direction = "min" }}], pick = {{ best = {{ tie = "{tie}" }} }}"#
        )
    };
    for (tie, expected) in [("first", 1), ("last", 3), ("lowest_inflight", 2), ("drawn", 1)] {
        let mut composed = policy(&scene(), &text(tie));
        assert_eq!(scene().ask(&mut composed), expected, "{tie}");
    }
    let (mut random, mut shown) = (policy(&scene(), &text("random")), scene());
    let mut counts = [0; 4];
    (0..20_000).for_each(|_| counts[shown.ask(&mut random) as usize] += 1);
    assert_shares(&counts, &[0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0], 18.4);
    // Longest ago: never used are 1, 2, 3, in order; then 1 again, whom the others have overtaken.
    let (mut recent, mut shown) = (policy(&scene(), &text("least_recent")), scene());
    let order: Vec<u32> = (0..5)
        .map(|_| {
            let chosen = shown.ask(&mut recent);
            shown.sent(&mut recent, chosen);
            chosen
        })
        .collect();
    assert_eq!(order, [1, 2, 3, 1, 2]);
    // By hash: as the rendezvous among those three.
    let mut hash = policy(&scene(), &text("hash"));
    for session in 1..50 {
        let mut shown = scene();
        shown.session = session;
        let mut rendezvous = policy(&shown, r#"pick = "rendezvous""#);
        assert_eq!(shown.ask(&mut hash), shown.ask_among(&mut rendezvous, &[1, 2, 3]));
    }
}

#[test]
fn draws_and_turns_have_the_shares_of_their_scores() {
    // Replicas 5, 1, 1: shares 5/7, 1/7, 1/7. Chi-square with 2 degrees of freedom: 99.99 % point 18.4.
    let mut scene = Scene::new(3);
    for (target, replicas) in scene.targets.iter_mut().zip([5, 1, 1]) {
        target.replicas = replicas;
    }
    let text =
        |pick: &str| format!(r#"score = [{{ signal = "replicas", direction = "max" }}], pick = {pick}"#);
    let mut drawn = policy(&scene, &text(r#""weighted_random""#));
    let mut counts = [0; 3];
    (0..20_000).for_each(|_| counts[scene.ask(&mut drawn) as usize] += 1);
    assert_shares(&counts, &[5.0 / 7.0, 1.0 / 7.0, 1.0 / 7.0], 18.4);
    // Smooth weighted round robin of 5, 1, 1: a a b a c a a (the example of NGINX, which chooses the first of equals).
    let mut smooth = policy(&scene, &text(r#""smooth_wrr""#));
    let order: Vec<u32> = (0..14).map(|_| scene.ask(&mut smooth)).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0].repeat(2));
    // Softmax at temperature 1 of scores 5, 1, 1: e^0, e^−1, e^−1 of 1.7358: .576, .212, .212.
    let mut soft = policy(&scene, &text("{ softmax = { temperature = 1 } }"));
    let mut counts = [0; 3];
    (0..20_000).for_each(|_| counts[scene.ask(&mut soft) as usize] += 1);
    assert_shares(&counts, &[0.576_117, 0.211_942, 0.211_942], 18.4);
    // Two of three drawn: 5 wins both its pairs of three; of 1 and 1 the first drawn.
    let mut two = policy(&scene, &text(r#"{ p2c = { choices = 2, tie = "drawn" } }"#));
    let mut counts = [0; 3];
    (0..20_000).for_each(|_| counts[scene.ask(&mut two) as usize] += 1);
    assert_shares(&counts, &[2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0], 18.4);
}

#[test]
fn signals_of_a_region_are_sums_or_means() {
    // Region 0 of four replicas with 8 requests and 12 waiting, region 1 of one replica with 3 and 2.
    let mut scene = Scene::new(2).requests([8, 3]).loads([(12, 0), (2, 0)]);
    scene.targets[0].replicas = 4;
    for (signal, whole, each) in [("inflight_reqs", 1, 0), ("waiting", 1, 1)] {
        for (per_replica, expected) in [(false, whole), (true, each)] {
            let text = format!(
                r#"score = [{{ signal = "{signal}", direction = "min", per_replica = {per_replica} }}], {FIRST}"#
            );
            let mut composed = policy(&scene, &text);
            assert_eq!(scene.ask(&mut composed), expected, "{signal} {per_replica}");
        }
    }
}

#[test]
fn a_hold_does_not_last_where_nothing_is_under_way() {
    let mut busy = Scene::new(2).requests([1, 0]);
    let mut waits = policy(&busy, r#"pick = "queue""#);
    assert_eq!(busy.decide(&mut waits), Decision::Hold);
    assert!(matches!(Scene::new(2).decide(&mut waits), Decision::To(_)));
}

#[test]
fn what_does_not_go_together_is_named() {
    let problems = |text: &str| -> Vec<String> {
        let problems = PolicySpec::Compose(params(text)).validate();
        problems.iter().map(|problem| format!("{}: {}", problem.field, problem.value)).collect()
    };
    let best = r#"pick = { best = { tie = "first" } }"#;
    let rtt = r#"{ signal = "rtt_ms", direction = "min" }"#;
    let tokens = r#"{ signal = "queued_prompt_tokens", direction = "min" }"#;
    // Milliseconds and tokens: refused, unless a weight converts or the sum has no unit.
    assert_eq!(
        problems(&format!("score = [{rtt}, {tokens}]\n{best}")),
        ["score.1: `queued_prompt_tokens` in tokens"]
    );
    let converted = r#"{ signal = "queued_prompt_tokens", direction = "min", weight = 0.06, unit = "ms" }"#;
    assert_eq!(problems(&format!("score = [{rtt}, {converted}]\n{best}")), [""; 0]);
    let free = |signal: &str| format!(r#"{{ signal = "{signal}", direction = "min", unit = "score" }}"#);
    let sum = format!("score = [{}, {}]\n{best}", free("rtt_ms"), free("queued_prompt_tokens"));
    assert_eq!(problems(&sum), [""; 0]);
    assert_eq!(problems(&format!("combine = \"lexicographic\"\nscore = [{rtt}, {tokens}]\n{best}")), [""; 0]);
    assert_eq!(problems(&format!("combine = \"product\"\nscore = [{rtt}, {tokens}]\n{best}")), [""; 0]);
    for (text, expected) in [
        ("pick = { best = { tie = \"first\" } }", "pick: `best` without a scorer"),
        ("score = [{ signal = \"rtt_ms\", direction = \"min\" }]", "score: `random`"),
        ("then = {}", "then: a way without a condition"),
        ("if = { chance = { ratio = 0.5 } }\nthen = {}", "if: a condition alone"),
        (
            "if = { chance = { ratio = 0.5 } }\nthen = {}\nelse = {}\npick = \"random\"",
            "pick: one beside `if`",
        ),
        ("otherwise = {}", "otherwise: a way nobody takes"),
        ("filters = [{ nearest = { on_empty = \"next\" } }]", "filters.0.nearest.on_empty: `next`"),
        ("filters = [{ match_best = {} }]", "filters.0.match_best: `matched_blocks`"),
        ("index = { insert = \"sent\" }", "index: an index that no signal reads"),
        ("key = [\"session\"]", "key: a key that nothing hashes"),
        ("key = []\npick = \"rendezvous\"", "key: an empty list"),
        ("key = [{ prefix_tokens = 0 }]\npick = \"rendezvous\"", "key.0: 0"),
        ("key = [{ prefix_tokens = 9 }, \"tenant\"]\npick = \"rendezvous\"", "key.0: a prefix before others"),
        ("filters = [{ sample = { choices = 0 } }]", "filters.0.sample.choices: 0"),
        ("filters = [{ home = { vnodes = 0 } }]", "filters.0.home.vnodes: 0"),
        ("filters = [{ bounded = { load_factor = 0.5 } }]", "filters.0.bounded.load_factor: 0.5"),
        ("filters = [{ below = { signal = \"waiting\", limit = nan } }]", "filters.0.below.limit: NaN"),
        ("pick = { ring = { vnodes = 70000 } }", "pick.ring.vnodes: 70000"),
        ("combine = \"sum\"", "combine: nothing to combine"),
        (
            "filters = [{ below = { signal = \"kv_usage\", limit = 1, per_replica = true } }]",
            "filters.0.below.per_replica: `kv_usage`, which is no sum over replicas",
        ),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let scored = |term: &str, rest: &str| problems(&format!("score = [{{ {term} }}]\n{rest}"));
    let least = "signal = \"inflight_reqs\", direction = \"min\"";
    assert_eq!(scored(&format!("{least}, weight = -1"), best), ["score.0.weight: -1"]);
    assert_eq!(
        scored(&format!("{least}, transform = \"one_minus\""), best),
        ["score.0.transform: `inflight_reqs` in requests"]
    );
    assert_eq!(
        scored(&format!("{least}, weight = 2"), &format!("combine = \"lexicographic\"\n{best}")),
        ["score.0.weight: 2"]
    );
    assert_eq!(
        scored(&format!("{least}, weight = 0"), &format!("combine = \"product\"\n{best}")),
        ["score.0.weight: 0"]
    );
    assert_eq!(scored(least, "pick = \"smooth_wrr\""), ["score.0.direction: `min`"]);
    assert_eq!(scored(least, "pick = { softmax = { temperature = 0 } }"), ["pick.softmax.temperature: 0"]);
    assert_eq!(
        scored(least, "combine = \"lexicographic\"\npick = { softmax = { temperature = 1 } }"),
        ["combine: `lexicographic`"]
    );
    let two = "score = [{ signal = \"inflight_reqs\", direction = \"min\" }, { signal = \"waiting\", direction = \"max\" }]";
    assert_eq!(problems(&format!("{two}\ncombine = \"product\"\n{best}")), ["score.1.direction: this one"]);
    // All at once, and further in.
    let inner = "if = { match_above = { ratio = 2 } }\nthen = { filters = [{ sample = { choices = 0 } }] }\nelse = { pick = { p2c = { choices = 0, tie = \"drawn\" } } }";
    assert_eq!(
        problems(inner),
        [
            "if.match_above: `match_ratio`",
            "if.match_above.ratio: 2",
            "then.filters.0.sample.choices: 0",
            "else.pick: `p2c` without a scorer",
            "else.pick.p2c.choices: 0",
        ]
    );
    let oracle =
        "index = { insert = \"oracle\", ttl = \"5s\", sweep = \"0s\" }\nfilters = [{ match_best = {} }]";
    let found = problems(oracle);
    assert_eq!(found.len(), 4, "{found:?}");
    // Nine deep.
    let deep = (0..9).fold(String::from("{}"), |inner, _| {
        format!("{{ if = {{ chance = {{ ratio = 0.5 }} }}, then = {{}}, else = {inner} }}")
    });
    let PolicySpec::Compose(deep) = toml::from_str(&format!("compose = {deep}")).unwrap() else {
        unreachable!()
    };
    let deep = PolicySpec::Compose(deep).validate();
    assert_eq!(deep.len(), 2, "{deep:?}");
    assert!(deep.iter().all(|problem| problem.rule == "at most 8 bodies deep"), "{deep:?}");
}
