//! What does not go together is told, all of it at once.

use crate::routing::PolicySpec;
use crate::routing::compose::Params;

fn params(text: &str) -> Params {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
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
            "filters.0.below.per_replica: `kv_usage`",
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
    assert_eq!(problems(&format!("{two}\ncombine = \"max\"\n{best}")), ["score.1.direction: this one"]);
    assert_eq!(
        problems(&format!("combine = \"max\"\nscore = [{rtt}, {tokens}]\n{best}")),
        ["score.1: `queued_prompt_tokens` in tokens"]
    );
    // Signals that can do without an index use one that is there.
    for signal in ["ttft_pred_ms", "window_uncached_tokens"] {
        let term = format!("signal = \"{signal}\", direction = \"min\"");
        assert_eq!(scored(&term, best), [""; 0]);
        let indexed = format!("index = {{ insert = \"sent\" }}\nscore = [{{ {term} }}]\n{best}");
        assert_eq!(problems(&indexed), [""; 0]);
    }
    for (text, expected) in [
        ("learn = {}", "learn: one that no signal reads"),
        ("histogram = {}", "histogram: one that no signal reads"),
        ("price = { us = 1 }", "price: one that no signal reads"),
        ("filters = [{ below = { signal = \"carbon\", limit = 100 } }]", "carbon: a missing table"),
        (
            "carbon = { us = -1 }\nfilters = [{ below = { signal = \"carbon\", limit = 100 } }]",
            "carbon.us: -1",
        ),
        (
            "learn = { alpha = 0 }\nfilters = [{ below = { signal = \"ttft_ms\", limit = 100 } }]",
            "learn.alpha: 0",
        ),
        (
            "learn = { memory = \"0s\" }\nfilters = [{ below = { signal = \"drain_rate\", limit = 100 } }]",
            "learn.memory: 0s",
        ),
        (
            "histogram = { tokens = 0 }\nfilters = [{ below = { signal = \"prefix_requests\", limit = 9 } }]",
            "histogram.tokens: 0",
        ),
        (
            "histogram = { window = \"0s\" }\nfilters = [{ below = { signal = \"prefix_requests\", limit = 9 } }]",
            "histogram.window: 0s",
        ),
        ("pick = { maglev = { slots = 65536 } }", "pick.maglev.slots: 65536"),
        ("pick = { maglev = { slots = 5000077 } }", "pick.maglev.slots: 5000077"),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
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
