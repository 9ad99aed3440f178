//! The trace in `traces/` is what the generator makes, byte for byte once unpacked.

use crate::workload::presets::{Preset, presets};
use crate::workload::{CompiledTrace, ReadOptions, read_trace};
use std::path::PathBuf;

fn file(preset: &Preset) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/traces")).join(format!("{}.jsonl.zst", preset.name))
}

fn made(preset: &Preset) -> Vec<u8> {
    let mut bytes = Vec::new();
    preset.write(&mut bytes).expect("writes to memory");
    bytes
}

#[test]
fn checked_in_traces_are_what_their_presets_make() {
    for preset in presets() {
        let packed = std::fs::read(file(&preset)).expect("traces/ holds every preset");
        let most = if preset.name == "chat-3-regions" { 2_000_000 } else { 1_000_000 };
        assert!(packed.len() <= most, "{} is {} bytes", preset.name, packed.len());
        let unpacked = zstd::decode_all(&packed[..]).expect("a whole zstd file");
        assert!(unpacked == made(&preset), "{} differs from what its preset makes", preset.name);
    }
}

/// Hashes of what the traces say, whatever their spelling: a change here is a change of results.
const CONTENT: [(&str, &str); 6] = [
    ("chat-3-regions", "b68cdd270ea43536"),
    ("coding-agent", "62c70b7096b518f5"),
    ("support-agent", "f19b639edff9ae38"),
    ("rag", "f7bf9f2a536ba541"),
    ("summarisation", "9e7478a3def4641e"),
    ("batch", "21fb4863c5647e85"),
];

#[test]
fn generated_traces_keep_their_content() {
    let hash = |preset: &Preset| {
        let data = super::read(&made(preset)).unwrap_or_else(|errors| panic!("{errors}"));
        (preset.name, format!("{:016x}", data.content_hash()))
    };
    let found: Vec<(&str, String)> = presets().iter().map(hash).collect();
    let kept: Vec<(&str, String)> = CONTENT.iter().map(|&(name, hash)| (name, hash.to_owned())).collect();
    assert_eq!(found, kept);
}

#[test]
fn the_chat_trace_is_as_described() {
    let preset = &presets()[0];
    let data = read_trace(&file(preset), &ReadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let trace = CompiledTrace::compile(&data, 16).expect("its own block size");
    let summary = trace.summary();
    // 5.3/s · 1,500 s = 7,950 sessions of 2.5 turns: ±5 standard errors, sqrt(7950) and sqrt(7950·(3.75 + 2.5²))
    assert!(summary.sessions.abs_diff(7_950) < 446, "{summary:?}");
    assert!(summary.requests.abs_diff(19_875) < 1_410, "{summary:?}");
    assert_eq!(summary.closed_loop, summary.requests - summary.sessions);
    assert_eq!(summary.grid_ns, None);
    assert_eq!(trace.names().origins.len(), 3);
    assert!(trace.notices().is_empty(), "{:?}", trace.notices());
}

#[test]
#[ignore = "writes traces/: run it after a preset has changed"]
fn write_the_checked_in_traces() {
    for preset in presets() {
        let packed = zstd::encode_all(&made(&preset)[..], 19).expect("packs in memory");
        std::fs::create_dir_all(file(&preset).parent().expect("in traces/")).expect("traces/ can be made");
        std::fs::write(file(&preset), packed).expect("traces/ is writable");
    }
}
