//! Published traces, held against the counts that are known of them from elsewhere.

use super::mooncake_facts::shared;
use super::{completes_after, drive, table, workload};
use crate::rng::Key;
use crate::time::Span;
use crate::workload::data::{Blocks, TraceData};
use crate::workload::stats::{StatsOptions, trace_stats};
use crate::workload::{CompiledTrace, ReadOptions, TraceParams, WorkloadKind, open, read_trace};
use std::collections::BTreeSet;
use std::sync::Arc;

fn published(name: &str) -> Option<TraceData> {
    let path = shared(name)?;
    Some(read_trace(&path, &ReadOptions::default()).unwrap_or_else(|errors| panic!("{errors}")))
}

#[test]
fn azure_conversations() {
    let Some(data) = published("azure-llm-2023/AzureLLMInferenceTrace_conv.csv.zst") else { return };
    let summary = CompiledTrace::compile(&data, 16).unwrap().summary().clone();
    // 19,366 rows over 3,502 s, 16 November 2023 from 18:15; mean input 1,155 and output 211.
    assert_eq!((summary.format.as_str(), summary.requests), ("azure", 19_366));
    assert_eq!(summary.span_ns / 1_000_000_000, 3_501, "3,502 s, rounded up");
    assert_eq!((summary.prompt_tokens as f64 / 19_366.0).round(), 1_155.0);
    assert_eq!((summary.output_tokens as f64 / 19_366.0).round(), 211.0);
    assert_eq!(summary.utc_start.as_deref(), Some("2023-11-16T18:15:46.68059"));
    let max = data.rows.iter().map(|row| row.input).max();
    assert_eq!(max, Some(14_050));
}

#[test]
fn azure_code() {
    let Some(data) = published("azure-llm-2023/AzureLLMInferenceTrace_code_first30min.csv.zst") else {
        return;
    };
    // Counted by a separate program: sums, gaps over n, whole windows from the first request on, type 7 quantiles.
    let stats = trace_stats(&data, &StatsOptions::default());
    let arrivals = stats.arrivals.unwrap();
    assert_eq!((stats.requests, arrivals.timed), (5_740, 5_740));
    let near = |value: f64, want: f64| assert!((value - want).abs() <= 1e-9 * want, "{value}, not {want}");
    near(arrivals.span_s, 1_788.410_675);
    near(arrivals.mean_rate_per_s, 3.209_553_644_606_823_6);
    near(arrivals.gap_cv.unwrap(), 13.516_698_314_752_865);
    let dispersion: Vec<f64> = arrivals.dispersion.iter().map(|window| window.index.unwrap()).collect();
    for (value, want) in
        dispersion.into_iter().zip([13.896_080_135_125_269, 75.344_281_390_152_23, 185.268_697_471_097_37])
    {
        near(value, want);
    }
    near(arrivals.peak_to_mean_minute.unwrap(), 3.328_732_292_045_042);
    near(stats.input.mean, 11_638_599.0 / 5_740.0);
    near(stats.output.mean, 157_030.0 / 5_740.0);
    for (value, want) in [
        (stats.input.p50, 1_459.5),
        (stats.input.p90, 5_012.4),
        (stats.input.p99, 7_436.0),
        (stats.output.p50, 13.0),
        (stats.output.p90, 53.0),
        (stats.output.p99, 247.22),
    ] {
        near(value, want);
    }
    assert_eq!((stats.input.max, stats.output.max), (7_437, 1_899));
}

/// Share of prompt tokens in full blocks that some earlier prompt had, in order of the file.
fn reuse(data: &TraceData) -> f64 {
    let (mut seen, mut hit, mut all) = (BTreeSet::new(), 0u64, 0u64);
    for row in &data.rows {
        let Blocks::Prompt { from, to } = row.blocks else { panic!("runs of prompts") };
        all += row.input as u64;
        let mut left = row.input;
        for run in &data.runs[from..to] {
            for start in run.start..run.start + run.len {
                let tokens = left.min(data.block_tokens);
                left -= tokens;
                hit += if seen.insert((run.key, start)) { 0 } else { tokens as u64 };
            }
        }
    }
    hit as f64 / all as f64
}

#[test]
fn support_agents() {
    let Some(data) = published("taubench-airline/airline_sessions.jsonl.zst") else { return };
    let summary = CompiledTrace::compile(&data, 16).unwrap().summary().clone();
    assert_eq!((summary.requests, summary.sessions, summary.closed_loop), (1_808, 150, 1_658));
    // 0.936 over all 200 sessions; here are 150 of them.
    assert!((reuse(&data) - 0.936).abs() < 0.005, "{}", reuse(&data));
}

#[test]
fn coding_agents() {
    let Some(data) = published("agentic-coding-weka/sessions_small.jsonl.zst") else { return };
    let trace = Arc::new(CompiledTrace::compile(&data, 16).unwrap());
    let summary = trace.summary();
    assert_eq!(summary.sessions - summary.sub_agents, 25);
    let dropped: u64 = data
        .notices
        .iter()
        .filter_map(|notice| {
            notice.strip_suffix(" requests without output are failures of the recorded service: left out")
        })
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(summary.requests + dropped, 636);
    // Growing prompts: a run or two a request, though each has hundreds of blocks.
    assert!((data.runs.len() as u64) < 6 * summary.requests && summary.block_refs > 100 * summary.requests);
    let params = workload("w", WorkloadKind::Trace(TraceParams::new(trace.clone())));
    let mut source = open(&params, &table(&[("a", 1.0)]), 16, Key::root(1));
    let sent = drive(source.as_mut(), completes_after(Span::from_secs(5)));
    assert_eq!(sent.len() as u64, summary.requests, "every request is reached");
}

#[test]
fn equal_blocks_stay_equal_whatever_the_engine() {
    let Some(data) = published("agentic-coding-weka/sessions_small.jsonl.zst") else { return };
    // One session: what two of its prompts share in engine blocks follows from the ids that they share.
    let rows: Vec<usize> = (0..data.rows.len()).filter(|&row| data.rows[row].session == 1).collect();
    let ids = |row: usize| {
        let Blocks::Prompt { from, to } = data.rows[row].blocks else { panic!("runs of prompts") };
        let numbers = |run: &crate::workload::Run| (run.start..run.start + run.len).collect::<Vec<_>>();
        data.runs[from..to].iter().flat_map(numbers).collect::<Vec<u32>>()
    };
    for engine in [16u32, 64, 128, 256] {
        let trace = CompiledTrace::compile(&data, engine).unwrap();
        let chain = |row: usize| {
            let mut chain = crate::workload::Chain::new();
            trace.runs_of(trace.row(row as u32)).iter().for_each(|&run| chain.push(run));
            assert_eq!(chain.blocks(), (data.rows[row].input + data.rows[row].output) / engine);
            chain.ids(chain.blocks()).collect::<Vec<_>>()
        };
        for pair in rows.windows(2) {
            let common = |a: &[u64], b: &[u64]| a.iter().zip(b).take_while(|(x, y)| x == y).count() as u32;
            let told = ids(pair[0]).iter().zip(ids(pair[1])).take_while(|(x, y)| **x == *y).count() as u32;
            assert_eq!(common(&chain(pair[0]), &chain(pair[1])), told * 64 / engine, "{pair:?} in {engine}");
        }
    }
}
