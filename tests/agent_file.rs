//! The published coding-agent sessions (callanjfox/kv-cache-tester; 283 MB of JSON, 58 million block references) are
//! read, compiled and replayed in little memory. Nightly, alone in its process: the peak of memory is the process's.

#![allow(clippy::print_stderr)]

mod common;

use regionsim::observe::Outcome;
use regionsim::rng::Key;
use regionsim::time::{SimTime, Span};
use regionsim::workload::{
    OriginRow, OriginTable, ReadOptions, Request, TraceParams, WorkloadKind, WorkloadParams, load_trace, open,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// The most memory that the process has held, in MB, where the system says.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1_024 / 1_000_000)
}

#[test]
#[ignore = "half a minute: for the nightly run"]
fn the_agent_file_is_replayed_in_300_mb() {
    let Some(path) = common::shared("traces/agentic-coding-weka/sessions.jsonl.zst") else { return };
    let trace =
        Arc::new(load_trace(&path, &ReadOptions::default(), 16).unwrap_or_else(|errors| panic!("{errors}")));
    let summary = trace.summary().clone();
    eprintln!("{summary:?}");
    trace.notices().iter().for_each(|notice| eprintln!("{notice}"));
    // 476 sessions with 31,759 requests, of which 18 have no output; 50 sub-agents; 58,399,593 ids.
    assert_eq!((summary.sessions - summary.sub_agents, summary.sub_agents), (476, 50));
    assert_eq!(summary.requests, 31_759 - 18);
    assert!(summary.block_refs <= 58_399_593 && summary.block_refs > 58_300_000, "{}", summary.block_refs);
    let params = WorkloadParams::new("agents", WorkloadKind::Trace(TraceParams::new(trace)));
    let origin = OriginRow { name: "a".to_owned(), weight: 1.0, ..OriginRow::default() };
    let table = OriginTable { origins: vec![origin], ..OriginTable::default() };
    let mut source = open(&params, &table, 16, Key::root(1));
    // Every request takes as long as it has output, 20 ms a token.
    let mut ends: BinaryHeap<Reverse<(SimTime, u64)>> = BinaryHeap::new();
    let mut under_way: BTreeMap<u64, Request> = BTreeMap::new();
    let mut sent = 0;
    loop {
        let (arrival, end) = (source.peek(), ends.peek().map(|Reverse((at, _))| *at));
        match (arrival, end) {
            (None, None) => break,
            (Some(at), end) if end.is_none_or(|end| at <= end) => {
                let mut request = Request::default();
                source.pull(&mut request);
                sent += 1;
                ends.push(Reverse((at + Span::from_ms(20 * u64::from(request.output_tokens)), request.key)));
                under_way.insert(request.key, request);
            }
            _ => {
                let Reverse((at, key)) = ends.pop().expect("just seen");
                let request = under_way.remove(&key).expect("it was sent");
                source.ended(request.key, at, Outcome::Completed);
            }
        }
    }
    assert_eq!(sent, summary.requests, "every request is reached");
    if let Some(peak) = peak_mb() {
        eprintln!("peak: {peak} MB");
        assert!(peak < 300, "{peak} MB");
    }
}
