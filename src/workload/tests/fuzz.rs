//! Readers on anything at all: an answer or an error, never a panic.

use super::read_with;
use crate::workload::trace::CompiledTrace;
use crate::workload::write::write_native;
use crate::workload::{OnBadLine, READERS, ReadOptions, TraceData, TraceFormat, TraceRow};
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

/// One good file of each format, as its lines.
const FILES: [&[&str]; 11] = [
    &[
        r#"{"regionsim_trace":1,"block_tokens":16}"#,
        r#"{"id":1,"t_ns":5,"in":40,"out":8,"prompt_runs":[[1,0,2]],"session":1,"turn":0,"ttft_ns":4}"#,
        r#"{"think_ns":5,"after":[1],"in":80,"out":8,"session":2,"turn":0,"parent":1}"#,
    ],
    &[
        r#"{"timestamp":1.5,"session_id":"a","input_length":600,"output_length":5,"hash_ids":[1,2]}"#,
        r#"{"session_id":"a","delay":15,"input_length":1100,"output_length":5,"hash_ids":[1,2,3]}"#,
    ],
    &[
        r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":0.5,"input_length":20,"output_length":3,"hash_ids":[4,5]}"#,
        r#"{"chat_id":3,"parent_chat_id":1,"timestamp":2,"input_length":40,"output_length":3,"hash_ids":[4,6]}"#,
    ],
    &[
        "TIMESTAMP,ContextTokens,GeneratedTokens\r",
        "2023-11-16 18:15:46.6805900,374,44\r",
        "2023-11-16 18:15:47.5,7,4\r",
    ],
    &[
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type",
        "5.5,s1,2.5,ChatGPT,472,18,490,Conversation log",
        "6,,,GPT-4,10,1,11,API log",
    ],
    &[
        r#"{"block_size":64,"tool_tokens":64,"requests":[{"t":0.0,"model":"m","in":200,"out":10,"hash_ids":[1,2,3],"api_time":7.0},{"t":30.0,"type":"subagent","duration_ms":20000,"tool_tokens":64,"requests":[{"t":0.0,"in":130,"out":4,"hash_ids":[50,51],"api_time":3.0}]},{"t":40.0,"in":300,"out":10,"hash_ids":[1,2,3,4],"think_time":33.0}]}"#,
    ],
    &[
        r#"{"session_id":"t0","turn":1,"input_length":32,"output_length":2,"next":"user","hash_ids":[0,1]}"#,
        r#"{"session_id":"t0","turn":2,"input_length":64,"output_length":2,"next":"tool","hash_ids":[0,1,3,4]}"#,
    ],
    &[
        "ts,prompt_tokens,completion_tokens,session,tenant,region,priority,ttft_ms,latency_ms",
        "2024-05-10T00:00:00Z,10,5,a,x,eu,1,20,200",
        "2024-05-10T00:00:09.5+02:00,10,5,a,\"x,y\",eu,1,20,200",
    ],
    &[
        r#"{"ts":1715299200.25,"prompt_tokens":10,"completion_tokens":5,"region":"eu","session":7}"#,
        r#"{"ts":1715299201,"prompt_tokens":10,"completion_tokens":5,"region":"eu","session":7}"#,
    ],
    &[
        r#"{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"spans":[{"startTimeUnixNano":"1715299201000000000","endTimeUnixNano":"1715299203000000000","attributes":[{"key":"gen_ai.conversation.id","value":{"stringValue":"c1"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"100"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":7}}]}]}]}]}"#,
    ],
    &[
        r#"{"input_lens":[10,20],"output_lens":[3,2],"ttfts":[0.5,0.25],"itls":[[0.1,0.2],[0.5]],"errors":["",""],"start_times":[100.5,102.0]}"#,
    ],
];

/// Whether any format made sense of it.
fn try_all(bytes: &[u8]) -> bool {
    let mut sensible = false;
    let formats = READERS.iter().map(|reader| reader.format).chain([TraceFormat::Auto]);
    for (index, format) in formats.enumerate() {
        let on_bad_line = if index % 2 == 0 { OnBadLine::Fail } else { OnBadLine::Skip };
        let restore_shared_prefix = index % 3 == 0;
        let options = ReadOptions { format, on_bad_line, restore_shared_prefix, ..ReadOptions::default() };
        match read_with(bytes, &options) {
            Err(errors) => assert!(!errors.is_empty() && !errors.to_string().is_empty()),
            Ok(data) => {
                sensible = true;
                sound(&data);
            }
        }
    }
    sensible
}

/// What every reader promises of what it has read.
fn sound(data: &TraceData) {
    assert!(!data.rows.is_empty());
    assert!(data.after.iter().all(|&(row, on)| on < row && (row as usize) < data.rows.len()));
    assert!(data.rows.iter().all(|row| row.input > 0 && row.output > 0));
    for engine in [1, 16, 512, 24] {
        if let Ok(trace) = CompiledTrace::compile(data, engine) {
            assert_eq!(trace.summary().requests as usize, data.rows.len());
            for (index, row) in data.rows.iter().enumerate() {
                let compiled = trace.row(index as u32);
                let blocks: u64 = trace.runs_of(compiled).iter().map(|run| u64::from(run.len)).sum();
                assert_eq!(blocks, u64::from((row.input + row.output) / engine));
            }
        }
    }
    let mut text = Vec::new();
    write_native(data, "fuzzed", &mut text).expect("memory");
    let again = read_with(&text, &ReadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((meant(&again), &again.after), (meant(data), &data.after));
}

/// The rows, and what the names are that each uses: those are numbered as they appear in a file, and what is written is in
/// order of time.
fn meant(data: &TraceData) -> Vec<(TraceRow, [Vec<&str>; 4])> {
    let names = &data.names;
    let of = |row: &TraceRow| {
        let mut allowed: Vec<&str> = row.allowed.map_or_else(Vec::new, |list| {
            names.allowed[list as usize]
                .iter()
                .map(|&region| names.regions[region as usize].as_str())
                .collect()
        });
        allowed.sort_unstable();
        let origin = named(row.origin, &names.origins);
        let class = named(row.class, &names.classes);
        let data_class = named(row.data_class, &names.data_classes);
        let plain = TraceRow { origin: None, class: None, data_class: None, allowed: None, ..*row };
        (plain, [origin, class, data_class, allowed])
    };
    data.rows.iter().map(of).collect()
}

fn named(number: Option<u32>, list: &[String]) -> Vec<&str> {
    number.map(|number| list[number as usize].as_str()).into_iter().collect()
}

/// A good file of any format with up to three pieces cut out and put in anywhere.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0usize..9, 0usize..PIECES.len());
    (0..FILES.len() + 2, 1usize..4, proptest::collection::vec(edit, 0..4)).prop_map(|(file, rows, edits)| {
        let text = match file {
            0 => SEEDS[1..=rows + 1].join("\n"),
            1 => vec![SEEDS[0]; rows].join("\n"),
            file => FILES[file - 2].join("\n"),
        };
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

/// Names that appear in another order than that of time.
#[test]
fn names_are_kept_whatever_their_numbers() {
    let lines = [
        "ts,prompt_tokens,completion_tokens,region",
        "2024-05-10T00:00:09Z,10,5,eu",
        "2024-05-10T00:00:00Z,10,5,us",
    ];
    let data = read_with(lines.join("\n").as_bytes(), &ReadOptions::default()).expect("good lines");
    assert_eq!(data.names.origins, ["eu", "us"]);
    assert_eq!(meant(&data)[0].1[0], ["us"]);
    sound(&data);
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
    for file in FILES {
        let data = read_with(file.join("\n").as_bytes(), &ReadOptions::default()).expect("good lines");
        assert!(data.rows.len() >= 2 || data.format == "otlp", "{}", data.format);
        sound(&data);
    }
}
