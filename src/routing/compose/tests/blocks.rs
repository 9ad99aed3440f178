//! What each block does, worked by hand.

use super::policy;
use crate::routing::scene::{Scene, assert_shares};
use crate::routing::{
    Decision, Histogram, HistogramOptions, LearnOptions, Learner, Needs, Policy, Refusal, TargetId,
};
use crate::time::{SimTime, Span};

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
    let uneven = r#"imbalance = { signal = "inflight_reqs", abs = 32, rel = 1.1 }"#;
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
    // The larger of waiting (0, 5, 10) and own requests (4, 1, 1), doubled: 8, 5, 10.
    let larger = r#"combine = "max", score = [
        { signal = "waiting", direction = "min" },
        { signal = "inflight_reqs", direction = "min", weight = 2 }], pick = { best = { tie = "first" } }"#;
    let scene_of_both = || Scene::new(3).loads([(0, 0), (5, 0), (10, 0)]).requests([4, 1, 1]);
    let mut composed = policy(&scene_of_both(), larger);
    assert_eq!(scene_of_both().ask(&mut composed), 1);
    assert_eq!([0, 1, 2].map(|target| scene_of_both().term(&composed, target, "score")), [8.0, 5.0, 10.0]);
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
fn a_decision_is_explained_step_by_step() {
    // Waiting 5, 1, 0: the first is left out. Requests 0, 3, 2: uneven by more than 2. Of the two left the fewer requests.
    let mut scene = Scene::new(3).loads([(5, 0), (1, 0), (0, 0)]).requests([0, 3, 2]);
    let text = format!(
        r#"filters = [{{ below = {{ signal = "waiting", limit = 5 }} }}, {{ nearest = {{}} }}],
        if = {{ imbalance = {{ signal = "inflight_reqs", abs = 2 }} }}, then = {{ pick = "reject" }}, else = {{ {FEWEST}, {FIRST} }}"#
    );
    let mut composed = policy(&scene, &text);
    assert_eq!(scene.ask(&mut composed), 2);
    let terms =
        |target| scene.with(&[0, 1, 2], |request, fleet| composed.explain(request, fleet, TargetId(target)));
    let expected = |stays, requests| {
        let steps = [("below", stays), ("nearest", stays), ("imbalance", 0.0), ("candidate", stays)];
        [&steps[..], &[("inflight_reqs", requests), ("score", requests)]].concat()
    };
    assert_eq!(terms(0), expected(0.0, 0.0));
    assert_eq!(terms(1), expected(1.0, 3.0));
    assert_eq!(terms(2), expected(1.0, 2.0));
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
fn what_was_learnt_and_what_was_sent_are_read_by_target() {
    let at = |ms: u64| SimTime::ZERO + Span::from_ms(ms);
    let mut scene = Scene::new(3).matched([5, 0, 0]);
    let mut learner = Learner::new(LearnOptions::default(), 3);
    // Target 0: 20 + 0.1 u + 0.05 q; target 1: 50 more. The third has not answered: 32.5 (see `learn`).
    for (target, uncached, queued, ttft) in
        [(0, 0, 0, 20), (0, 1_000, 0, 120), (0, 0, 2_000, 120), (1, 500, 400, 140)]
    {
        let number = learner.sent(at(0), uncached, queued);
        learner.first_token(at(ttft), TargetId(target), number);
    }
    learner.finished(at(500), TargetId(1));
    (scene.learned, scene.now) = (Some(learner), at(500));
    scene.own[1].queued_tokens = 200;
    let mut histogram = Histogram::new(HistogramOptions::default(), 3);
    for (target, uncached) in [(2, 100), (2, 20), (0, 7)] {
        scene.with(&[0], |request, _| histogram.sent(request, at(0), TargetId(target), uncached));
    }
    scene.with(&[0], |request, _| histogram.look_up(request, at(500)));
    scene.histogram = Some(histogram);
    scene.targets[1].name = "us/main/1".into();
    // Of 100 prompt tokens target 0 holds 5 blocks of 16: 20 are to be computed there.
    for (signal, expected) in [
        ("ttft_ms", [71.0, 140.0, 0.0]),
        ("ttft_pred_ms", [22.0, 90.0, 42.5]),
        ("drain_rate", [0.0, 0.1, 0.0]),
        ("prefix_requests", [1.0, 0.0, 2.0]),
        ("window_uncached_tokens", [7.0, 0.0, 120.0]),
        ("price", [2.6, 2.1, 2.6]),
        ("carbon", [30.0, 380.0, 30.0]),
    ] {
        let table = match signal {
            "price" => "price = { eu = 2.6, us = 2.1 },",
            "carbon" => "carbon = { eu = 30, us = 380 },",
            "ttft_pred_ms" => r#"index = { insert = "sent" }, "#,
            _ => "",
        };
        let text = format!(r#"{table} score = [{{ signal = "{signal}", direction = "max" }}], {FIRST}"#);
        assert_eq!(policy(&scene, &text).needs().index.is_some(), signal == "ttft_pred_ms");
        let mut composed = policy(&scene, &text.replace(r#"index = { insert = "sent" }, "#, ""));
        let best = scene.ask(&mut composed);
        for (target, expected) in expected.into_iter().enumerate() {
            let found = scene.term(&composed, target as u32, signal);
            assert!((found - expected).abs() < 1e-9, "{signal} of {target}: {found}");
            assert!(expected <= scene.term(&composed, best, signal) + 1e-9);
        }
    }
    // 20; 20 + 0.3 · 100 = 50; 50 + 0.3 · 70 = 71. Nothing is kept that nobody reads.
    let needs = |signal: &str| {
        let text = format!(r#"score = [{{ signal = "{signal}", direction = "max" }}], {FIRST}"#);
        let needs = policy(&scene, &text).needs();
        (needs.learned.is_some(), needs.histogram.is_some())
    };
    assert_eq!(
        (needs("drain_rate"), needs("prefix_requests"), needs("running")),
        ((true, false), (false, true), (false, false))
    );
}

#[test]
fn a_maglev_table_keeps_a_session_where_it_is_while_others_come_and_go() {
    let mut scene = Scene::new(5);
    let mut maglev = policy(&scene, "pick = { maglev = { slots = 1009 } }");
    let (mut counts, mut moved) = ([0; 5], 0);
    for session in 1..=3_000 {
        scene.session = session;
        let home = scene.ask(&mut maglev);
        assert_eq!(scene.ask(&mut maglev), home);
        counts[home as usize] += 1;
        // Without target 3 its own sessions move and no others.
        let other = scene.ask_among(&mut maglev, &[0, 1, 2, 4]);
        assert_eq!(other != home, home == 3);
        moved += u32::from(other != home);
    }
    // Slots 202 and 201 of 1,009.
    assert_shares(&counts, &[0.2; 5], 25.0);
    assert_eq!(moved, counts[3]);
}
