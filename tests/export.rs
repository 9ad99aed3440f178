//! What a run sent, written as a trace, read and replayed in the same scenario, gives the same outcomes.

mod common;

use regionsim::run::{Prepared, SentRows, export, run_cell};
use regionsim::scenario::load;
use regionsim::workload::params::{TraceParams, WorkloadKind};
use regionsim::workload::write::write_native;
use regionsim::workload::{ReadOptions, load_trace};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"))
}

fn prepared(path: &Path, overrides: &[&str]) -> Prepared {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    Prepared::of(load(path, &overrides).unwrap_or_else(|found| panic!("{found}")))
}

/// Exports a cell, replays it, and returns the requests that were exported.
fn comes_back(path: &Path, overrides: &[&str], policy: &str, seed: u64) -> u64 {
    let prepared = prepared(path, overrides);
    let plan = &prepared.plan;
    let policy =
        plan.policies.iter().find(|other| other.name == policy).expect("the policy is in the scenario");
    let input = prepared.cell(policy, seed);
    let mut sent = SentRows::default();
    let original = run_cell(&input, Some(&mut sent), ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut replayed = plan.world.clone();
    let mut requests = 0;
    for ((workload, trace), params) in export(&input, &sent).into_iter().zip(replayed.workloads.iter_mut()) {
        let path = folder.path().join(format!("{workload}.jsonl"));
        write_native(&trace, "a test", &mut File::create(&path).unwrap()).unwrap();
        let read = load_trace(&path, &ReadOptions::default(), plan.world.block_tokens).unwrap();
        assert_eq!(read.content_hash(), trace.content_hash());
        assert_eq!(read.notices(), [""; 0], "a clock grid in the times of a run is no grid");
        requests += read.summary().requests;
        params.kind = WorkloadKind::Trace(TraceParams::new(Arc::new(read)));
    }
    let mut input = input;
    input.world = &replayed;
    let again = run_cell(&input, None, ()).unwrap();
    assert_eq!(again.outcome_digest, original.outcome_digest, "{}, {}", plan.name, policy.name);
    assert_eq!(original.conservation.total.arrived, requests);
    requests
}

#[test]
fn a_generated_closed_loop() {
    let short = ["workloads.main.synthetic.duration=60s", "warmup=1s"];
    for policy in ["p2c", "central_least_load"] {
        let requests = comes_back(&scenario("saturated-apac"), &short, policy, 3);
        assert!(requests > 100, "{requests}");
    }
}

#[test]
fn a_recorded_closed_loop_cut_at_its_horizon() {
    let short = ["workloads.main.trace.limit=1500", "horizon=3m"];
    for policy in ["nearest_chwbl", "gorgo_central"] {
        let requests = comes_back(&scenario("three-regions"), &short, policy, 7);
        assert!(requests < 1_500, "{requests}: the horizon cuts it");
    }
}

#[test]
fn residency_and_data_classes() {
    comes_back(
        &scenario("residency-eu"),
        &["workloads.main.synthetic.duration=60s", "warmup=1s"],
        "chwbl",
        1,
    );
}

#[test]
fn two_workloads_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.toml");
    let other = "[workloads.other.synthetic]\nsessions_per_s = 2.0\nduration = \"30s\"\nturns = { constant = { value = 3.0 } }\n";
    let text = fs::read_to_string(scenario("saturated-apac")).unwrap();
    fs::write(&path, format!("{text}\n{other}")).unwrap();
    comes_back(&path, &["workloads.main.synthetic.duration=40s", "warmup=1s"], "gorgo", 1);
}

/// Rows without sessions are keyed by row, and its clock ticks: both must come back.
#[test]
fn the_conversation_trace() {
    let Some(trace) = common::shared("traces/mooncake/conversation_head2000.jsonl.zst") else { return };
    let path = format!("workloads.main.trace.path={}", fs::canonicalize(trace).unwrap().display());
    for raw in ["true", "false"] {
        let dejitter = format!("workloads.main.trace.dejitter={raw}");
        comes_back(
            &scenario("mooncake"),
            &[&path, &dejitter, "workloads.main.trace.limit=600"],
            "prefix_guarded",
            1,
        );
    }
}
