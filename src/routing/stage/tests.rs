use super::*;
use crate::id::{ClassId, OriginId, ReplicaId, TenantId};
use crate::routing::scanning::Scanning;
use crate::routing::{PromptBlocks, REGISTRY, pick};
use crate::workload::Chain;
use proptest::prelude::*;

fn targets(count: u32, replicas: u32) -> Vec<Target> {
    (0..count)
        .map(|number| Target {
            name: format!("target {number}"),
            replica: (replicas == 1).then_some(ReplicaId(number)),
            region: RegionId(number % 3),
            rtt: Span::from_ms(40 * (number as u64 % 3)),
            replicas,
        })
        .collect()
}
fn stage(spec: &str, count: u32) -> Stage {
    let spec: PolicySpec = toml::from_str(spec).unwrap();
    Stage::new(&spec, targets(count, 1), Key::root(5))
}
fn chain(key: u64, blocks: u32) -> Chain {
    let mut chain = Chain::new();
    chain.push(Run { key, start: 0, len: blocks });
    chain
}
fn request(id: u32, chain: &Chain) -> RequestView<'_> {
    let prompt_tokens = chain.blocks() * 16 + 5;
    RequestView {
        id: RequestId(id),
        session: 0,
        tenant: TenantId(0),
        origin: OriginId(0),
        class: ClassId(0),
        prompt_tokens,
        prompt: PromptBlocks::new(chain, prompt_tokens, 16),
    }
}
const BOTH: [TargetId; 2] = [TargetId(0), TargetId(1)];
fn decide(stage: &mut Stage, request: &RequestView<'_>, eligible: &[TargetId]) -> Decision {
    let eligible = stage.eligible(eligible);
    stage.decide(request, eligible)
}

#[test]
fn a_ticket_releases_what_its_request_took() {
    let mut stage = stage("round_robin = {}", 2);
    let (long, short) = (chain(1, 6), chain(2, 1));
    let one = stage.sent(&request(0, &long), TargetId(1));
    let other = stage.sent(&request(1, &short), TargetId(1));
    // Prompts of 6·16 + 5 = 101 and 16 + 5 = 21 tokens.
    let own = |requests, prompt_tokens, queued_requests, queued_tokens| Own {
        requests,
        prompt_tokens,
        queued_requests,
        queued_tokens,
        queued_uncached_tokens: queued_tokens,
        sent: 2,
    };
    assert_eq!(*stage.own(TargetId(1)), own(2, 122, 2, 122));
    stage.first_token(&one, None);
    assert_eq!(*stage.own(TargetId(1)), own(2, 122, 1, 21));
    stage.finished(&other, false, None);
    assert_eq!(*stage.own(TargetId(1)), own(1, 101, 0, 0));
    stage.finished(&one, true, None);
    assert_eq!(*stage.own(TargetId(1)), own(0, 0, 0, 0));
    assert_eq!(*stage.own(TargetId(0)), Own::default());
}

#[test]
fn an_early_release_counts_a_request_until_its_first_token() {
    let mut stage = stage("least_request = {}", 2);
    stage.set_release(Release::FirstToken);
    let (long, short) = (chain(1, 6), chain(2, 1));
    let one = stage.sent(&request(0, &long), TargetId(1));
    let other = stage.sent(&request(1, &short), TargetId(1));
    // 101 and 21 tokens as above; the second is lost before its first token.
    stage.first_token(&one, None);
    assert_eq!((stage.own(TargetId(1)).requests, stage.own(TargetId(1)).prompt_tokens), (1, 21));
    stage.finished(&one, true, None);
    assert_eq!((stage.own(TargetId(1)).requests, stage.own(TargetId(1)).prompt_tokens), (1, 21));
    stage.finished(&other, false, None);
    assert_eq!(*stage.own(TargetId(1)), Own { sent: 2, ..Own::default() });
}

#[test]
fn an_index_of_decisions_knows_at_once_and_one_of_answers_at_the_first_token() {
    let chain = chain(1, 6);
    let (first, second) = (request(0, &chain), request(1, &chain));
    for (source, knows_when_sent) in [("sent", true), ("first_token", false)] {
        let mut stage = stage(&format!("prefix = {{ index = \"{source}\" }}"), 2);
        assert_eq!(decide(&mut stage, &first, &BOTH), Decision::To(TargetId(0)));
        // Sent against the policy's choice, as a retry may be: what counts is where it went.
        let ticket = stage.sent(&first, TargetId(1));
        assert_eq!(ticket.matched_blocks, 0);
        let knows = |stage: &mut Stage| decide(stage, &second, &BOTH) == Decision::To(TargetId(1));
        assert_eq!(knows(&mut stage), knows_when_sent);
        stage.first_token(&ticket, Some(&first));
        assert!(knows(&mut stage));
        assert_eq!(stage.sent(&second, TargetId(1)).matched_blocks, 6);
    }
}

#[test]
fn a_ticket_of_a_request_that_was_not_the_last_decided_looks_again() {
    let mut stage = stage("prefix = {}", 2);
    let (one, other) = (chain(1, 6), chain(2, 3));
    stage.sent(&request(0, &one), TargetId(0));
    decide(&mut stage, &request(1, &one), &BOTH);
    decide(&mut stage, &request(2, &other), &BOTH);
    assert_eq!(stage.sent(&request(1, &one), TargetId(0)).matched_blocks, 6);
    assert_eq!(stage.sent(&request(2, &other), TargetId(0)).matched_blocks, 0);
}

#[test]
fn an_oracle_index_follows_the_caches_and_counts_the_copies_of_a_region() {
    let spec: PolicySpec = toml::from_str("prefix = { index = \"oracle\" }").unwrap();
    let mut stage = Stage::new(&spec, targets(2, 3), Key::root(5));
    let chain = chain(1, 2);
    let request = request(0, &chain);
    let [head, tail] = [0, 1].map(|start| Run { key: 1, start, len: 1 });
    let home = |stage: &mut Stage| decide(stage, &request, &BOTH);
    // Its own decisions teach it nothing.
    stage.sent(&request, TargetId(1));
    stage.own[1] = Own::default();
    assert_eq!(home(&mut stage), Decision::To(TargetId(0)));
    // Two replicas of region 1 hold the head; when one lets go the region still holds it, when both do no more.
    stage.cache_added(TargetId(1), head);
    stage.cache_added(TargetId(1), head);
    assert_eq!(home(&mut stage), Decision::To(TargetId(1)));
    stage.cache_removed(TargetId(1), head);
    assert_eq!(home(&mut stage), Decision::To(TargetId(1)));
    stage.cache_removed(TargetId(1), head);
    assert_eq!(home(&mut stage), Decision::To(TargetId(0)));
    // A tail without its head is no prefix.
    stage.cache_added(TargetId(1), tail);
    assert_eq!(home(&mut stage), Decision::To(TargetId(0)));
}

#[test]
fn measured_round_trips_decide_who_is_nearest() {
    // Regions 0, 1, 2 at 0, 40 and 80 ms; then region 2 is measured at 30 ms and region 0 at 35.
    let mut stage = stage("nearest = {}", 3);
    let all: Vec<TargetId> = (0..3).map(TargetId).collect();
    let chain = chain(1, 1);
    assert_eq!(decide(&mut stage, &request(0, &chain), &all), Decision::To(TargetId(0)));
    stage.set_rtts(|region| match region.0 {
        0 => Some(Span::from_ms(35)),
        2 => Some(Span::from_ms(30)),
        _ => None,
    });
    let rtts: Vec<Span> = stage.targets().iter().map(|target| target.rtt).collect();
    assert_eq!(rtts, [35, 40, 30].map(Span::from_ms));
    assert_eq!(decide(&mut stage, &request(1, &chain), &all), Decision::To(TargetId(2)));
}

#[test]
fn a_speculating_stage_knows_what_it_sent_until_the_cache_tells_or_time_is_up() {
    let mut stage = stage("prefix = { index = \"oracle\" }", 2);
    stage.set_speculation(Span::from_secs(2));
    let chain = chain(1, 6);
    let ask = |stage: &mut Stage, id: u32, ms: u64| {
        stage.set_now(SimTime::ZERO + Span::from_ms(ms));
        decide(stage, &request(id, &chain), &BOTH)
    };
    assert_eq!(ask(&mut stage, 0, 0), Decision::To(TargetId(0)));
    stage.sent(&request(0, &chain), TargetId(1));
    assert_eq!(ask(&mut stage, 1, 1_999), Decision::To(TargetId(1)));
    // Nothing was told: after 2 s the idlest again, and that is the other.
    assert_eq!(ask(&mut stage, 2, 2_000), Decision::To(TargetId(0)));
    stage.cache_added(TargetId(1), Run { key: 1, start: 0, len: 6 });
    assert_eq!(ask(&mut stage, 3, 9_000), Decision::To(TargetId(1)));
}

#[test]
fn loads_are_kept_only_where_the_policy_reads_them() {
    let load = Load { running: 9, ..Load::default() };
    let chain = chain(1, 1);
    let mut reads = stage("least_load = {}", 2);
    assert!(reads.needs().load);
    reads.set_load(TargetId(0), load);
    assert_eq!(decide(&mut reads, &request(0, &chain), &BOTH), Decision::To(TargetId(1)));
    let mut does_not = stage("least_request = { tie = \"first\" }", 2);
    assert!(!does_not.needs().load);
    does_not.set_load(TargetId(0), load);
    assert_eq!(decide(&mut does_not, &request(0, &chain), &BOTH), Decision::To(TargetId(0)));
}

#[test]
#[should_panic(expected = "which is not eligible")]
fn a_choice_that_is_not_eligible_is_refused() {
    struct Stubborn;
    impl Policy for Stubborn {
        fn route(&mut self, _: &RequestView<'_>, _: &FleetView<'_>, _: &mut Stream) -> Decision {
            Decision::To(TargetId(0))
        }
    }
    let mut stage = stage("random = {}", 2);
    stage.policy = Box::new(Stubborn);
    decide(&mut stage, &request(0, &chain(1, 1)), &[TargetId(1)]);
}

/// A policy of any name, with parameters that reach its branches.
fn specs() -> impl Strategy<Value = PolicySpec> {
    let variants: Vec<PolicySpec> = [
        "session = { soft = 1 }",
        "p2c = { choices = 3 }",
        "prefix = { index = \"oracle\" }",
        "prefix = { index = \"first_token\", min_match = 0.5, guard = { abs = 2 } }",
        "chwbl = { overflow = \"seeded_shuffle\", bound = \"envoy\" }",
        "chwbl = { overflow = \"least_loaded\", bound = \"strict\", key = \"session\", vnodes = 3 }",
        "chwbl = { count = \"all\", all_full = \"least_loaded\", key = \"tenant\" }",
        "gorgo = { release = \"first_token\", tie = \"random\" }",
        "gorgo = { tie = \"last\" }",
        "least_load = { tie = \"lowest_inflight\" }",
        "least_request = { tie = \"last\" }",
        "prefix = { index = \"completion\" }",
        "cache_aware = { faithful = true, abs = 1, threshold = 0.1 }",
        "cache_aware = { abs = 2, max_blocks = 6, eviction_interval = \"40s\" }",
        "epp = { faithful = true, capacity_blocks = 9, prompt_blocks = 5, unsaturated = { queue = 2 } }",
        "epp = { running = 1, active = 1, token_load = 1, no_hit_lru = 2, queue = 0, kv = 0 }",
        "dynamo_kv = { temperature = 0.7, active = 1, decay = 0.5, queue_tokens = 60 }",
        "dynamo_kv = { index = \"sent\", ttl = \"30s\", tie = \"random\" }",
        "sticky_until_saturated = { peak_prefill_tokens_per_s = 10, max_ttft_penalty_ms = 3000 }",
        "gorgo_v1 = { gating = false }",
        "gorgo_v1 = { max_running = 1 }",
        "gorgo_distributed = { max_running = 0 }",
        "gorgo_distributed = { max_running = 2 }",
        "skywalker = { push = \"outstanding\", max_outstanding = 1, select = \"ring\", vnodes = 7 }",
        "skywalker = { push = \"blind\", min_match = 0.0 }",
        "nearest_within_budget = { hop = \"adds\", queue_ms_per_token = 9 }",
        "waterfall = { capacity = 2, resume = 0.4 }",
        "waterfall = { signal = \"own\", capacity = 3 }",
        "proportional = { spread = \"random\" }",
        "proportional = { weights = { \"target 0\" = 2, \"target 1\" = 1 } }",
        "failover = { order = [\"target 3\"] }",
    ]
    .into_iter()
    .map(|text| toml::from_str(text).unwrap())
    .chain(REGISTRY.iter().map(|entry| PolicySpec::from_name(entry.name).unwrap()))
    .collect();
    prop::sample::select(variants)
}
/// Of those, the ones with a twin.
fn with_twin() -> impl Strategy<Value = PolicySpec> {
    specs().prop_filter("has a twin", Scanning::has_twin)
}

proptest! {
    #[test]
    fn every_policy_chooses_among_the_eligible_and_every_count_comes_back(
        spec in specs(),
        count in 1u32..80,
        replicas in prop::sample::select(vec![1u32, 3]),
        steps in prop::collection::vec((any::<u128>(), 0u64..6, 0u32..9, 0u8..4, any::<u16>()), 1..80),
    ) {
        let mut stage = Stage::new(&spec, targets(count, replicas), Key::root(5));
        // The same stage again: it must decide the same.
        let mut again = Stage::new(&spec, targets(count, replicas), Key::root(5));
        let mut under_way: Vec<(Ticket, bool, Chain)> = Vec::new();
        for (number, (mask, key, blocks, what, which)) in steps.into_iter().enumerate() {
            let now = SimTime::ZERO + Span::from_secs(7 * number as u64);
            [&mut stage, &mut again].into_iter().for_each(|stage| stage.set_now(now));
            if what == 0 && !under_way.is_empty() {
                let at = which as usize % under_way.len();
                let (ticket, answered, chain) = under_way.swap_remove(at);
                let view = request(number as u32, &chain);
                let first = !answered && which % 2 == 0;
                for stage in [&mut stage, &mut again] {
                    if first {
                        stage.first_token(&ticket, Some(&view));
                    } else {
                        stage.finished(&ticket, answered, Some(&view));
                    }
                }
                if first {
                    under_way.push((ticket, true, chain));
                }
                continue;
            }
            let chain = chain(key, blocks);
            let mut view = request(number as u32, &chain);
            (view.session, view.tenant) = (key % 3, TenantId(blocks % 2));
            if which % 5 == 0 {
                // A prompt shorter than a block, or of nothing at all.
                view.prompt_tokens = u32::from(which) % 3;
                view.prompt = PromptBlocks::new(&chain, view.prompt_tokens, 16);
            }
            let load = Load {
                running: blocks,
                waiting: u32::from(which) % 4,
                kv_used_blocks: u32::from(which) % 11,
                kv_total_blocks: if which % 7 == 0 { 0 } else { 10 },
                context_tokens: which as u64,
                ..Load::default()
            };
            let mut eligible: Vec<TargetId> =
                (0..count).filter(|bit| mask >> bit & 1 == 1).map(TargetId).collect();
            if eligible.is_empty() {
                eligible.push(TargetId(which as u32 % count));
            }
            let [decision, repeated] = [&mut stage, &mut again].map(|stage| {
                stage.set_load(TargetId(which as u32 % count), load);
                let block = Run { key: u64::from(which), start: 0, len: 1 };
                stage.cache_added(TargetId(which as u32 % count), block);
                stage.set_healthy(TargetId(which as u32 % count), u32::from(which) % (replicas + 1));
                decide(stage, &view, &eligible)
            });
            prop_assert_eq!(decision, repeated);
            let set = stage.eligible(&eligible);
            let Decision::To(target) = decision else {
                prop_assert!(decision == Decision::Hold, "{decision:?}");
                prop_assert!(!under_way.is_empty(), "nothing would ever wake the request");
                continue;
            };
            prop_assert!(eligible.contains(&target));
            for (name, term) in stage.explain(&view, set, target) {
                prop_assert!(term.is_finite(), "{name} is {term}");
            }
            again.sent(&view, target);
            let mut sent = chain.clone();
            sent.truncate(view.prompt.len());
            under_way.push((stage.sent(&view, target), false, sent));
            for id in 0..count {
                let there = under_way.iter().filter(|(ticket, ..)| ticket.target == TargetId(id));
                let waiting = there.clone().filter(|(_, answered, _)| !answered);
                let own = stage.own(TargetId(id));
                prop_assert_eq!(own.requests as usize, there.clone().count());
                prop_assert_eq!(own.queued_requests as usize, waiting.clone().count());
                let tokens = |(ticket, ..): &(Ticket, bool, Chain)| ticket.prompt_tokens as u64;
                let uncached = |(ticket, ..): &(Ticket, bool, Chain)| ticket.uncached_tokens as u64;
                prop_assert_eq!(own.prompt_tokens, there.map(tokens).sum::<u64>());
                prop_assert_eq!(own.queued_tokens, waiting.clone().map(tokens).sum::<u64>());
                prop_assert_eq!(own.queued_uncached_tokens, waiting.map(uncached).sum::<u64>());
            }
        }
        for (ticket, answered, chain) in under_way {
            stage.finished(&ticket, answered, Some(&request(0, &chain)));
        }
        prop_assert!(stage.active.is_none_or(|active| active.blocks().iter().all(|&blocks| blocks == 0)));
        for own in stage.own {
            prop_assert_eq!(own, Own { sent: own.sent, ..Own::default() });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_policy_decides_and_draws_as_its_scanning_twin_does(
        spec in with_twin(),
        count in 1u32..90,
        masks in prop::collection::vec(any::<u128>(), 1..4),
        steps in prop::collection::vec((any::<u8>(), 0u64..9, 0u32..9, 0u8..7, any::<u16>()), 1..150),
    ) {
        let mut fast = Stage::new(&spec, targets(count, 1), Key::root(5));
        let mut twin = Stage::new(&spec, targets(count, 1), Key::root(5));
        twin.policy = Box::new(Scanning::new(&spec, fast.needs, &fast.targets));
        twin.needs.fewest = false;
        let sets: Vec<Vec<TargetId>> = (masks.into_iter().chain([u128::MAX]))
            .map(|mask| (0..count).filter(|bit| mask >> bit & 1 == 1).map(TargetId).collect())
            .filter(|set: &Vec<TargetId>| !set.is_empty())
            .collect();
        let mut under_way: Vec<(Ticket, bool, Chain)> = Vec::new();
        for (number, (set, key, blocks, what, which)) in steps.into_iter().enumerate() {
            let chain = chain(key, blocks);
            let mut view = request(number as u32, &chain);
            (view.session, view.tenant) = (key % 3, TenantId(blocks % 2));
            let some = TargetId(which as u32 % count);
            let at = which as usize % under_way.len().max(1);
            match what {
                // Outages change what is eligible in the middle of a run.
                0 if which % 16 == 0 => [&mut fast, &mut twin].into_iter().for_each(Stage::forget_eligible),
                0 if !under_way.is_empty() => {
                    let (ticket, answered, chain) = under_way.swap_remove(at);
                    let view = request(number as u32, &chain);
                    for stage in [&mut fast, &mut twin] {
                        stage.finished(&ticket, answered, Some(&view));
                    }
                }
                1 if !under_way.is_empty() && !under_way[at].1 => {
                    under_way[at].1 = true;
                    let (ticket, _, chain) = &under_way[at];
                    let view = request(number as u32, chain);
                    [&mut fast, &mut twin].into_iter().for_each(|stage| stage.first_token(ticket, Some(&view)));
                }
                2 => {
                    let load = Load { running: blocks, context_tokens: which as u64 % 64, ..Load::default() };
                    for stage in [&mut fast, &mut twin] {
                        stage.set_load(some, load);
                        if blocks > 0 {
                            stage.cache_added(some, Run { key, start: 0, len: 1 });
                        }
                    }
                }
                _ => {
                    let set = &sets[set as usize % sets.len()];
                    let decision = decide(&mut fast, &view, set);
                    prop_assert_eq!(decision, decide(&mut twin, &view, set));
                    prop_assert_eq!(fast.rng.clone().next_u64(), twin.rng.clone().next_u64());
                    let Decision::To(target) = decision else { panic!("none of these holds") };
                    let ticket = fast.sent(&view, target);
                    prop_assert_eq!(ticket, twin.sent(&view, target));
                    under_way.push((ticket, false, chain.clone()));
                }
            }
            prop_assert_eq!(&fast.own, &twin.own);
        }
    }
}

proptest! {
    /// What is computed for all targets at once is what the terms behind the decision say one by one.
    #[test]
    fn the_chosen_is_the_first_with_the_best_of_the_explained(
        which in 0usize..7,
        count in 1u32..40,
        steps in prop::collection::vec((any::<u64>(), 0u64..5, 0u32..7, any::<u16>()), 1..60),
    ) {
        let (text, name, sign) = [
            ("epp = { tie = \"first\" }", "score", -1.0),
            ("epp = { tie = \"first\", running = 1, active = 2, token_load = 1 }", "score", -1.0),
            ("epp = { tie = \"first\", faithful = true, capacity_blocks = 9 }", "score", -1.0),
            ("epp_precise = { tie = \"first\" }", "score", -1.0),
            ("dynamo_kv = {}", "cost", 1.0),
            ("dynamo_kv = { decay = 0.5, active = 1, index = \"sent\" }", "cost", 1.0),
            ("gorgo_digest = { tie = \"first\" }", "cost", 1.0),
        ][which];
        let mut stage = stage(text, count);
        for (number, (mask, key, blocks, random)) in steps.into_iter().enumerate() {
            let some = TargetId(u32::from(random) % count);
            let load = Load {
                running: blocks,
                waiting: u32::from(random) % 4,
                kv_used_blocks: u32::from(random) % 11,
                kv_total_blocks: 10,
                ..Load::default()
            };
            stage.set_load(some, load);
            stage.cache_added(some, Run { key, start: 0, len: blocks });
            let list: Vec<TargetId> =
                (0..count).filter(|bit| random % 3 == 0 || mask >> bit & 1 == 1).map(TargetId).collect();
            if list.is_empty() {
                continue;
            }
            let chain = chain(key, blocks);
            let view = request(number as u32, &chain);
            let Decision::To(target) = decide(&mut stage, &view, &list) else { panic!("none holds") };
            let set = stage.eligible(&list);
            let value = |target: TargetId| {
                let terms = stage.explain(&view, set, target);
                sign * terms.iter().find(|term| term.0 == name).expect("it says so").1
            };
            prop_assert_eq!(target, pick::least_first(&list, value));
            stage.sent(&view, target);
        }
    }
}

#[test]
fn every_policy_answers_where_there_is_nothing_to_tell_targets_apart() {
    // Idle targets at no distance, one or three; a prompt of six blocks, of less than one, of nothing.
    let prompt = chain(1, 6);
    for entry in REGISTRY {
        let spec = PolicySpec::from_name(entry.name).unwrap();
        for (count, replicas) in [(1, 1), (1, 4), (3, 1), (3, 4)] {
            let mut all = targets(count, replicas);
            all.iter_mut().for_each(|target| (target.rtt, target.region) = (Span::ZERO, RegionId(0)));
            let ids: Vec<TargetId> = (0..count).map(TargetId).collect();
            let mut stage = Stage::new(&spec, all, Key::root(5));
            for prompt_tokens in [101, 15, 1, 0] {
                let mut view = request(prompt_tokens, &prompt);
                (view.prompt_tokens, view.prompt) =
                    (prompt_tokens, PromptBlocks::new(&prompt, prompt_tokens, 16));
                let Decision::To(target) = decide(&mut stage, &view, &ids) else {
                    panic!("{} does not take an idle target", entry.name)
                };
                let set = stage.eligible(&ids);
                let terms = stage.explain(&view, set, target);
                assert!(terms.iter().all(|(_, term)| term.is_finite()), "{}: {terms:?}", entry.name);
                let ticket = stage.sent(&view, target);
                stage.first_token(&ticket, Some(&view));
                stage.finished(&ticket, true, Some(&view));
                assert_eq!(*stage.own(target), Own { sent: stage.own(target).sent, ..Own::default() });
            }
        }
    }
}

#[test]
fn the_same_stage_decides_the_same_and_another_key_draws_otherwise() {
    let chain = chain(1, 1);
    let all: Vec<TargetId> = (0..64).map(TargetId).collect();
    let draws = |key: Key| {
        let mut stage = Stage::new(&PolicySpec::from_name("random").unwrap(), targets(64, 1), key);
        (0..50).map(|id| decide(&mut stage, &request(id, &chain), &all)).collect::<Vec<_>>()
    };
    assert_eq!(draws(Key::root(1)), draws(Key::root(1)));
    assert_ne!(draws(Key::root(1)), draws(Key::root(2)));
}

#[test]
fn a_stage_learns_from_its_answers_and_counts_what_it_sent() {
    let at = |ms: u64| SimTime::ZERO + Span::from_ms(ms);
    let text = |signal: &str| {
        format!(
            "compose = {{ score = [{{ signal = \"{signal}\", direction = \"min\" }}], pick = {{ best = {{ tie = \"first\" }} }} }}"
        )
    };
    let chain = chain(1, 6);
    // 101 tokens to target 0, back after 300 ms; to target 1, back after 100 ms: 100 is the least from then on.
    let mut learns = stage(&text("ttft_ms"), 2);
    for (number, (sent, back, expected)) in
        [(0, 300, 0), (400, 500, 1), (600, 620, 1)].into_iter().enumerate()
    {
        let view = request(number as u32, &chain);
        learns.set_now(at(sent));
        assert_eq!(decide(&mut learns, &view, &BOTH), Decision::To(TargetId(expected)));
        let ticket = learns.sent(&view, TargetId(expected));
        learns.set_now(at(back));
        learns.first_token(&ticket, Some(&view));
        learns.finished(&ticket, true, Some(&view));
    }
    // One that is lost teaches nothing.
    let view = request(9, &chain);
    let ticket = learns.sent(&view, TargetId(0));
    learns.finished(&ticket, false, Some(&view));
    // Means 300, and 100 + 0.3 · (20 − 100) = 76.
    decide(&mut learns, &view, &BOTH);
    let set = learns.eligible(&BOTH);
    let means = BOTH.map(|target| learns.explain(&view, set, target)[1]);
    assert_eq!(means, [("ttft_ms", 300.0), ("ttft_ms", 76.0)]);
    // Heads: who was sent the fewest of them in three minutes.
    let mut counts = stage(&text("prefix_requests"), 2);
    let other = self::chain(2, 6);
    let chosen =
        [(0, &chain), (1, &chain), (2, &other), (3, &chain), (180_500, &chain)].map(|(ms, chain)| {
            let view = request(ms as u32, chain);
            counts.set_now(at(ms));
            let Decision::To(target) = decide(&mut counts, &view, &BOTH) else { panic!("it decides") };
            counts.sent(&view, target);
            target.0
        });
    assert_eq!(chosen, [0, 1, 0, 0, 0]);
}
