//! The published Mooncake conversation trace (kvcache-ai/Mooncake, FAST'25 artefact): known counts.

use super::{completes_after, drive, table, workload};
use crate::rng::Key;
use crate::time::Span;
use crate::workload::{CompiledTrace, ReadOptions, TraceParams, WorkloadKind, open, read_trace};
use std::path::PathBuf;
use std::sync::Arc;

fn published(name: &str) -> Option<PathBuf> {
    shared(&format!("mooncake/{name}"))
}

/// A published trace, where it is here.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(super) fn shared(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let places = [std::env::var_os("REGIONSIM_SHARED").map(PathBuf::from), Some(beside)];
    let found =
        places.into_iter().flatten().map(|place| place.join("traces").join(name)).find(|p| p.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not here (set REGIONSIM_SHARED)");
    }
    found
}

#[test]
fn the_conversation_trace_has_its_published_counts() {
    let Some(path) = published("conversation_trace.jsonl.zst") else { return };
    let data = read_trace(&path, &ReadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let trace = CompiledTrace::compile(&data, 512).unwrap();
    let summary = trace.summary();
    assert_eq!(summary.requests, 12_031);
    assert_eq!(summary.block_refs, 288_500);
    assert_eq!(summary.distinct_blocks, 182_790);
    assert_eq!(summary.prompt_tokens / 100_000, 1_447, "144.8 million to four figures, cut");
    assert_eq!(summary.span_ns / 1_000_000_000, 3_536, "3,537 s, rounded up");
    assert_eq!(summary.grid_ns, Some(3_000_000_000));
    // Infinite cache, token-weighted, in file order: 0.3736. A hit is a whole block or the partial last one.
    let (mut seen, mut hit_tokens) = (std::collections::BTreeSet::new(), 0u64);
    for row in &data.rows {
        let crate::workload::data::Blocks::Ids { from, to } = row.blocks else { panic!("ids on every line") };
        for (index, &id) in data.ids[from..to].iter().enumerate() {
            let size = (row.input - index as u32 * 512).min(512);
            if !seen.insert(id) {
                hit_tokens += size as u64;
            }
        }
    }
    let share = hit_tokens as f64 / summary.prompt_tokens as f64;
    assert!((share - 0.3736).abs() < 0.00005, "{share}");
}

#[test]
fn blocks_split_for_the_engine_share_what_the_trace_shares() {
    let Some(path) = published("conversation_head2000.jsonl.zst") else { return };
    let data = read_trace(&path, &ReadOptions::default()).unwrap();
    for block in [16, 64, 512, 1024] {
        let trace = Arc::new(CompiledTrace::compile(&data, block).unwrap());
        let params = workload("m", WorkloadKind::Trace(TraceParams::new(trace)));
        let mut source = open(&params, &table(&[("one", 1.0)]), block, Key::root(1));
        let sent = drive(source.as_mut(), completes_after(Span::from_ms(1)));
        assert_eq!(sent.len(), 2000);
        assert!(sent.iter().all(|r| r.chain.blocks() == (r.prompt_tokens + r.output_tokens) / block));
        let runs: usize = sent.iter().map(|r| r.chain.runs().len()).sum();
        assert!(runs <= data.ids.len() + 2000, "a run per trace block and one for the tail");
    }
}
