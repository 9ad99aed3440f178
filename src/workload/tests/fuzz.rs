//! Readers on anything at all: an answer or an error, never a panic.

use super::read_with;
use crate::workload::trace::CompiledTrace;
use crate::workload::{ReadOptions, TraceFormat};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::io::Write;

const SEEDS: [&str; 5] = [
    r#"{"timestamp": 27482, "input_length": 600, "output_length": 52, "hash_ids": [0, 47]}"#,
    r#"{"regionsim_trace":1,"block_tokens":16,"id_scope":"x","source":"y"}"#,
    r#"{"t_ns":5,"in":40,"out":8,"ids":[1,2,3],"session":1,"turn":0,"origin":"eu","tenant":3}"#,
    r#"{"think_ns":5,"in":80,"out":8,"runs":[[1,0,2],[2,7,3]],"session":1,"turn":1,"class":"a","priority":2}"#,
    r#"{"t_ns":9,"in":1,"out":1,"data_class":"b"}"#,
];

const PIECES: [&str; 16] = [
    "-1",
    "0",
    "1e400",
    "1.5",
    "null",
    "\"\"",
    "[]",
    "{}",
    "18446744073709551616",
    "4294967295",
    "16777216",
    "\u{0}",
    "\n",
    "[[",
    "\"in\":",
    "\u{fffd}",
];

/// Whether any format made sense of it.
fn try_all(bytes: &[u8]) -> bool {
    let mut sensible = false;
    for format in [TraceFormat::Auto, TraceFormat::Mooncake, TraceFormat::Native] {
        match read_with(bytes, &ReadOptions { format, ..ReadOptions::default() }) {
            Err(errors) => assert!(!errors.is_empty() && !errors.to_string().is_empty()),
            Ok(data) => {
                sensible = true;
                assert!(!data.rows.is_empty());
                for engine in [1, 16, 512, 24] {
                    if let Ok(trace) = CompiledTrace::compile(&data, engine) {
                        assert_eq!(trace.summary().requests as usize, data.rows.len());
                    }
                }
            }
        }
    }
    sensible
}

/// A good file of either format with up to three pieces cut out and put in anywhere.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0usize..9, 0usize..PIECES.len());
    (any::<bool>(), 1usize..4, proptest::collection::vec(edit, 0..4)).prop_map(|(native, rows, edits)| {
        let text = if native { SEEDS[1..=rows + 1].join("\n") } else { vec![SEEDS[0]; rows].join("\n") };
        let mut bytes = text.into_bytes();
        for (place, cut, piece) in edits {
            let at = place.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        bytes
    })
}

fn packed(bytes: Vec<u8>, how: u8, flip: usize) -> Vec<u8> {
    let mut packed = match how {
        0 => bytes,
        1 => zstd::encode_all(&bytes[..], 1).expect("in memory"),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&bytes).expect("in memory");
            gzip.finish().expect("in memory")
        }
    };
    if flip > 0 && how > 0 {
        let at = flip % packed.len();
        packed[at] ^= 1 << (flip % 8);
    }
    packed
}

fn run(cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let bytes = prop_oneof![
        3 => mutated(),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => "\\PC{0,200}".prop_map(String::into_bytes),
    ];
    let (good, bad) = (Cell::new(0), Cell::new(0));
    runner
        .run(&(bytes, 0u8..3, prop_oneof![Just(0), 0usize..400]), |(bytes, how, flip)| {
            let side = if try_all(&packed(bytes, how, flip)) { &good } else { &bad };
            side.set(side.get() + 1);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // Both ends must be reached, or the test sees nothing.
    assert!(good.get() > cases / 50 && bad.get() > cases / 4, "{} good, {} bad", good.get(), bad.get());
}

#[test]
fn anything_is_an_answer_or_an_error() {
    run(400);
}

#[test]
#[ignore = "minutes: for the nightly run"]
fn anything_is_an_answer_or_an_error_at_length() {
    run(2_000_000);
}

#[test]
fn the_seeds_are_good() {
    let native: String = SEEDS[1..].join("\n");
    read_with(native.as_bytes(), &ReadOptions::default()).expect("good lines");
    read_with(SEEDS[0].as_bytes(), &ReadOptions::default()).expect("good line");
}
