//! Whatever is given as a scenario is answered: no panic, no hang. The long runs are `--ignored`, for the nightly job.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use regionsim::scenario::parse;
use std::path::Path;

/// A scenario with most of what there is.
const SEED: &str = r#"name = "x"
seed = 7
warmup = "1s"
horizon = "10m"
isolation = "tenant"
[slo.chat]
ttft = "1s"
priority = 2
[models.chat]
preset = "llama-3.1-8b"
kv_dtype = "fp8"
[models.own]
dims = { layers = 2, hidden = 64, heads = 8, kv_heads = 2, head_dim = 8, ff = 128, vocab = 1000 }
[engine]
max_num_seqs = 64
watermark = "1%"
[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2, engine = { kv_blocks = 1000 } }
[regions.eu]
location = { lat = 50.1, lon = 8.7 }
jurisdiction = ["eu", "eea"]
pools.main = { model = "own", gpu = "l4", timing = { linear = { base_us = 100.0 } } }
pools.queue = { server = { fifo = { slots = 2, per_request = "1s", queue_limit = 3 } } }
[origins.a]
near = "us"
last_mile = { median = "10ms", sigma = 0.5 }
[origins.b]
near = "eu"
data_class = "strict"
connection = "cold"
[residency.strict]
process_in = ["eea"]
decrypt_in = ["any"]
transit_via = ["any"]
index_in = ["any"]
[network]
jitter = { sigma = 0.1, spike_probability = 0.001, spike_mean = "20ms" }
rtt = { "us<->eu" = "95ms" }
bandwidth = "10Gbps"
paths = { "us->eu" = { through = ["gb"], under = ["us"] } }
[[events]]
kind = "down"
at = "1m"
for = "2m"
region = "eu"
gateways = "lost"
[dns]
ttl = "30s"
misplaced = "5%"
failures = 2
[admission]
saturation = { queue_depth = 4, kv_usage = "70%", over = "home" }
gate = { closes_at = 1.5, from_priority = 1 }
shed = { scale = 300, power = 5, from_priority = 2 }
queue = { capacity = 20, timeout = "10s", discipline = "priority" }
throttle = { k = 2, window = "1m", by = "tenant" }
[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 50
arrivals = { gamma = { cv = 2.0 } }
message = { lognormal = { median = 200, sigma = 1 }, max = 4096 }
system = { count = 3, tokens = 100, zipf = 1.0 }
[policies.one]
global.nearest = {}
replica.chwbl = { load_factor = 1.5 }
[policies.two]
central.gorgo = { at = "us", rtt = 0.3 }
"#;

fn answered(text: &str) {
    match parse("x.toml", text, Path::new("."), "x", &[]) {
        Ok(plan) => {
            plan.content_hash();
            plan.to_json();
        }
        Err(found) => {
            assert!(found.errors() > 0);
            assert!(!found.render(false).is_empty());
            assert!(!found.render(true).is_empty());
        }
    }
}

/// Values that have broken readers before.
const NASTY: [&str; 24] = [
    "99999999999",
    "-1",
    "0",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999999",
    "\"\"",
    "\"30s\"",
    "30",
    "[]",
    "{}",
    "[[]]",
    "true",
    "1979-05-27",
    "\"any\"",
    "\"\\u0000\"",
    "\"🦀🦀\"",
    "{ a = { b = { c = {} } } }",
    "0x7fffffffffffffff",
    "\"99999999999999d\"",
];

fn mutation() -> impl Strategy<Value = String> {
    let lines = SEED.lines().count();
    let change = (0..6u8, 0..lines, 0..lines, any::<prop::sample::Index>(), "\\PC{0,12}");
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut lines: Vec<String> = SEED.lines().map(str::to_owned).collect();
        for (kind, at, other, index, noise) in changes {
            let (at, other) = (at % lines.len(), other % lines.len());
            let nasty = NASTY[index.index(NASTY.len())];
            match kind {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, other),
                2 => lines.insert(at, lines[other].clone()),
                3 => {
                    if let Some((key, _)) = lines[at].split_once('=') {
                        lines[at] = format!("{key}= {nasty}");
                    }
                }
                4 => {
                    // Inside an inline table: the last value.
                    if let Some(equals) = lines[at].rfind('=') {
                        let close = if lines[at].ends_with('}') { " }" } else { "" };
                        lines[at] = format!("{}= {nasty}{close}", &lines[at][..equals]);
                    }
                }
                _ => {
                    let cut = lines[at]
                        .char_indices()
                        .map(|c| c.0)
                        .nth(index.index(lines[at].chars().count().max(1)));
                    lines[at].insert_str(cut.unwrap_or(0), &noise);
                }
            }
            if lines.is_empty() {
                break;
            }
        }
        lines.join("\n")
    })
}

fn run(cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner
        .run(&mutation(), |text| {
            answered(&text);
            Ok(())
        })
        .expect("mutated scenarios are answered");
    runner
        .run(&prop::collection::vec(any::<u8>(), 0..400), |bytes| {
            answered(&String::from_utf8_lossy(&bytes));
            Ok(())
        })
        .expect("random bytes are answered");
    runner
        .run(&"[\\[\\]{}=.\"'#a-c0-9\n ]{0,120}", |text| {
            answered(&text);
            Ok(())
        })
        .expect("almost TOML is answered");
}

#[test]
fn the_unchanged_scenario_resolves() {
    parse("x.toml", SEED, Path::new("."), "x", &[]).unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn whatever_is_given_is_answered() {
    run(300);
}

#[test]
#[ignore = "minutes: for the nightly job"]
fn whatever_is_given_is_answered_for_long() {
    run(std::env::var("REGIONSIM_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100_000));
}

#[test]
fn every_value_replaced_by_every_nasty_one_is_answered() {
    for (at, line) in SEED.lines().enumerate() {
        let Some((key, _)) = line.split_once('=') else { continue };
        for nasty in NASTY {
            let text: Vec<String> = SEED
                .lines()
                .enumerate()
                .map(|(index, line)| if index == at { format!("{key}= {nasty}") } else { line.to_owned() })
                .collect();
            answered(&text.join("\n"));
        }
    }
}

#[test]
fn odd_overrides_are_answered() {
    for set in [
        "",
        "=",
        "a",
        "a=",
        ".=1",
        "a..b=1",
        "\"=1",
        "regions=5",
        "regions.us=5",
        "name.x=1",
        "policies.one.replica.chwbl.load_factor=2",
        "regions.us.pools.main.engine.kv_blocks=99",
        "slo.chat=[",
        "workloads.main.synthetic={}",
        "network.rtt.\"us<->eu\"=90ms",
        "policies.three.replica.random={}",
        "models.x.y.z.w=1",
    ] {
        if let Err(found) = parse("x.toml", SEED, Path::new("."), "x", &[set.to_owned()]) {
            assert!(!found.render(false).is_empty(), "{set}");
        }
    }
}

#[test]
fn a_file_of_many_mistakes_is_answered_soon() {
    let lines: Vec<String> = (0..20_000).map(|number| format!("key{number} = {number}")).collect();
    answered(&lines.join("\n"));
    let regions: Vec<String> =
        (0..5_000).map(|number| format!("[regions.r{number}]\nlocation = \"aws:x\"")).collect();
    answered(&regions.join("\n"));
}
