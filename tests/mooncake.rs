//! The whole engine on a real trace: Llama-3.1-8B on eight H100 replicas with 26,312 blocks each, the Mooncake
//! conversation trace at its own timestamps. Where the trace is absent the tests say so and pass.
#![allow(clippy::print_stderr)]

mod common;
#[path = "common/world.rs"]
mod world;

use regionsim::catalog::{self, Dtype};
use regionsim::observe::{Outcome, RequestRow};
use regionsim::replica::{Admission, Batching, EngineParams, Scheduler, ServerParams};
use regionsim::routing::PolicySpec;
use regionsim::timing::{RooflineParams, TimingParams, profile};
use regionsim::workload::params::{TraceParams, WorkloadKind, WorkloadParams};
use regionsim::workload::{ReadOptions, load_trace};
use regionsim::world::{PolicyParams, Summary, WorldParams};
use std::sync::Arc;
use world::{Keep, one_region, policy, run};

const REPLICAS: u32 = 8;

fn fleet() -> Option<WorldParams> {
    let path = common::shared("traces/mooncake/conversation_trace.jsonl.zst")?;
    let trace = load_trace(&path, &ReadOptions::default(), 16).expect("the trace is sound");
    let engine = EngineParams {
        kv_blocks: 26_312,
        block_tokens: 16,
        max_num_batched_tokens: 2_048,
        max_num_seqs: 256,
        long_prefill_token_threshold: 0,
        max_model_len: 131_072,
        scheduler: Scheduler::Fcfs,
        admission: Admission::FullIsl,
        watermark_blocks: 0,
        prefix_cache: true,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching: Batching::Mixed,
        async_scheduling: false,
    };
    let mut params = one_region(REPLICAS, ServerParams::Engine(engine));
    let (model, gpu) = (catalog::model("llama-3.1-8b").unwrap(), catalog::gpu("h100-sxm").unwrap());
    let p0 = profile("p0").unwrap().params();
    let roofline = RooflineParams::resolve(model, gpu, 1, Dtype::Bf16, Dtype::Bf16, p0).unwrap();
    for pool in params.pools.iter_mut() {
        pool.timing = Some(TimingParams::Roofline(roofline.clone()));
    }
    let trace = TraceParams { raw_times: true, ..TraceParams::new(Arc::new(trace)) };
    params.workloads.push(WorkloadParams::new("mooncake", WorkloadKind::Trace(trace)));
    Some(params)
}

fn reuse(rows: &[RequestRow]) -> f64 {
    let sum = |of: fn(&RequestRow) -> u32| rows.iter().map(|row| u64::from(of(row))).sum::<u64>() as f64;
    sum(|row| row.cached_tokens) / sum(|row| row.prompt_tokens)
}

fn per_replica(rows: &[RequestRow]) -> Vec<usize> {
    let mut counts = vec![0; REPLICAS as usize];
    rows.iter().for_each(|row| counts[row.replica.unwrap().0 as usize] += 1);
    counts
}

fn replay(params: &WorldParams, policy: &PolicyParams) -> (Summary, Keep) {
    let (summary, keep) = run(params, policy, 1);
    assert_eq!(keep.rows.len(), 12_031);
    assert!(keep.rows.iter().all(|row| row.outcome == Outcome::Completed));
    (summary, keep)
}

#[test]
fn round_robin_reuses_what_other_simulators_find() {
    // Three independent codes find 5.6 to 5.9 % of prompt tokens reused at this capacity.
    let Some(params) = fleet() else { return };
    let (summary, keep) = replay(&params, &policy("round_robin"));
    let share = reuse(&keep.rows);
    assert!((0.056..=0.059).contains(&share), "reuse {share}");
    assert!(summary.replicas.iter().all(|replica| replica.work.kv_peak_blocks <= 26_311));
    let steps: u64 = summary.replicas.iter().map(|replica| replica.work.steps).sum();
    let sequences: u64 = summary.replicas.iter().map(|replica| replica.work.sequence_steps).sum();
    eprintln!("reuse {share:.4}, {steps} steps, mean batch {:.2}", sequences as f64 / steps as f64);
}

#[test]
fn unguarded_prefix_routing_sends_everything_to_one_replica_and_guarded_does_not() {
    // Every prompt of this trace begins with the same block.
    let Some(params) = fleet() else { return };
    let (_, keep) = replay(&params, &policy("prefix"));
    let counts = per_replica(&keep.rows);
    assert_eq!(counts.iter().filter(|&&count| count > 0).count(), 1, "{counts:?}");

    let mut guarded = policy("prefix");
    guarded.replica = toml::from_str::<PolicySpec>("prefix = { min_match = 0.5, guard = {} }").unwrap();
    let (_, keep) = replay(&params, &guarded);
    let counts = per_replica(&keep.rows);
    assert!(counts.iter().all(|&count| count > 600), "{counts:?}");
    assert!(reuse(&keep.rows) > 0.10, "reuse {}", reuse(&keep.rows));
}
