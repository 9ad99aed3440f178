//! `scenarios/routing/compositions.toml`: a policy by its name and the same put together from blocks give equal
//! outcomes, digest for digest; and a block that is changed gives others.

use rayon::prelude::*;
use regionsim::observe::{Leg, Outcome, RequestRow};
use regionsim::run::{Prepared, run_cell};
use regionsim::scenario::parse;
use regionsim::time::Span;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const POLICIES: [&str; 8] =
    ["round_robin", "p2c", "session", "chwbl", "cache_aware", "epp", "dynamo_kv", "gorgo"];
const AS_BLOCKS: &str = "_as_blocks";

/// What makes each composition another policy: a block of it, which comes up once in the file, and another.
const CHANGES: [(&str, &str, &str); 8] = [
    ("round_robin", r#"{ pick = "round_robin" }"#, r#"{ pick = "random" }"#),
    ("p2c", r#"tie = "drawn""#, r#"tie = "last""#),
    ("session", r#"tie = "hash""#, r#"tie = "first""#),
    ("chwbl", "vnodes = 256", "vnodes = 16"),
    ("cache_aware", "{ ratio = 0.5,", "{ ratio = 0.1,"),
    ("epp", "weight = 3 }", "weight = 1 }"),
    ("dynamo_kv", "limit = 300,", "limit = 600,"),
    ("gorgo", r#"insert = "first_token""#, r#"insert = "sent""#),
];

fn text() -> String {
    std::fs::read_to_string(folder().join("compositions.toml")).expect("the scenario")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/routing")
}

fn prepared(text: &str) -> Prepared {
    let plan = parse("compositions.toml", text, &folder(), "compositions", &[]);
    Prepared::of(plan.unwrap_or_else(|found| panic!("{found}")))
}
/// Digest and rows of the policies that `wanted` names.
fn run(
    prepared: &Prepared,
    wanted: impl Fn(&str) -> bool + Sync,
) -> BTreeMap<String, (String, Vec<RequestRow>)> {
    let policies = prepared.plan.policies.par_iter().filter(|policy| wanted(&policy.name));
    let results = policies.map(|policy| {
        let mut rows = Vec::new();
        let cell = prepared.cell(policy, prepared.plan.seed);
        let result = run_cell(&cell, Some(&mut rows), ()).expect("the policy is sound");
        (policy.name.clone(), (result.outcome_digest.to_string(), rows))
    });
    results.collect()
}

#[test]
fn a_policy_and_its_composition_have_equal_outcomes() {
    let found = run(&prepared(&text()), |_| true);
    assert_eq!(found.len(), 2 * POLICIES.len());
    let mut digests: Vec<&str> = Vec::new();
    for name in POLICIES {
        let (named, composed) = (&found[name].0, &found[&format!("{name}{AS_BLOCKS}")].0);
        assert_eq!(named, composed, "{name}");
        digests.push(named);
    }
    // Otherwise the pairs would say nothing.
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), POLICIES.len());
    let held = |row: &&RequestRow| row.legs.get(Leg::Hold) > Span::ZERO;
    assert!(found["dynamo_kv"].1.iter().filter(held).count() > 10, "dynamo_kv holds nobody");
}

#[test]
fn a_block_that_is_changed_makes_another_policy() {
    let mut changed = text();
    for (name, from, to) in CHANGES {
        assert_eq!(changed.matches(from).count(), 1, "{name}");
        changed = changed.replace(from, to);
    }
    let composed = |name: &str| name.ends_with(AS_BLOCKS);
    let (before, after) = (run(&prepared(&text()), composed), run(&prepared(&changed), composed));
    for (name, from, to) in CHANGES {
        let name = format!("{name}{AS_BLOCKS}");
        assert_ne!(before[&name].0, after[&name].0, "{name}: {to} gives what {from} gave");
    }
}

#[test]
fn the_example_of_the_page_resolves() {
    let page = std::fs::read_to_string(folder().join("../../docs/policies/compose.md")).expect("the page");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let prepared = prepared(&format!("{}\n{example}", text()));
    let found = run(&prepared, |name| name == "mine");
    assert!(found["mine"].1.iter().all(|row| row.outcome == Outcome::Completed));
}
