//! Every way a file can be wrong that we thought of: each must say where, what, which rule and what next.

use super::{read, read_with};
use crate::workload::error::TraceErrors;
use crate::workload::{ReadOptions, TraceFormat};
use std::io::Write;

const HEADER: &str = r#"{"regionsim_trace":1,"block_tokens":16}"#;

/// The only finding's line and field, and its text.
fn one(errors: TraceErrors) -> (u64, String, String) {
    assert_eq!((errors.findings.len(), errors.more), (1, 0), "{errors}");
    let finding = &errors.findings[0];
    assert!(!finding.rule.is_empty() && !finding.next.is_empty());
    (finding.line, finding.field.clone(), finding.to_string())
}

/// Reads lines and holds the one finding against line, field and words of its text.
pub(super) fn wrong(text: &str, line: u64, field: &str, words: &[&str]) {
    let (at, in_field, said) = one(read(text.as_bytes()).expect_err(text));
    assert_eq!((at, in_field.as_str()), (line, field), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

fn native(row: &str, field: &str, words: &[&str]) {
    wrong(&format!("{HEADER}\n{row}\n"), 2, field, words);
}

#[test]
fn mooncake_lines() {
    let good = r#"{"timestamp":0,"input_length":600,"output_length":5,"hash_ids":[0,1]}"#;
    let bad = |row: &str, field: &str, words: &[&str]| wrong(&format!("{good}\n{row}\n"), 2, field, words);
    bad(
        r#"{"timestamp":0,"input_length":6758,"output_length":5,"hash_ids":[0,1]}"#,
        "hash_ids",
        &["2 ids", "6758 tokens in blocks of 512 has 14", "block_tokens"],
    );
    bad(
        r#"{"timestamp":-5,"input_length":1,"output_length":5,"hash_ids":[0]}"#,
        "timestamp",
        &["-5", "must not be negative"],
    );
    bad(r#"{"timestamp":0,"input_length":1.5,"output_length":5,"hash_ids":[0]}"#, "input_length", &["1.5"]);
    bad(r#"{"input_length":1,"output_length":5}"#, "timestamp", &["absent", "session_id"]);
    bad(r#"{"timestamp":0,"delay":5,"input_length":1,"output_length":5}"#, "delay", &["of a session"]);
    bad(
        r#"{"timestamp":0,"session_id":[],"input_length":1,"output_length":5}"#,
        "session_id",
        &["name in quotes"],
    );
    bad(
        r#"{"timestamp":0,"session_id":1,"delay":-1,"input_length":1,"output_length":5}"#,
        "delay",
        &["negative"],
    );
    bad(r#"{"timestamp":"1","input_length":1,"output_length":5,"hash_ids":[0]}"#, "timestamp", &["quotes"]);
    bad(
        r#"{"timestamp":1e400,"input_length":1,"output_length":5}"#,
        "line",
        &["not valid JSON", "out of range"],
    );
    bad(
        r#"{"timestamp":1732000000000,"input_length":1,"output_length":5,"hash_ids":[0]}"#,
        "timestamp",
        &["17280000000 (200 days)", "1970"],
    );
    bad(r#"{"timestamp":0,"output_length":5,"hash_ids":[0]}"#, "input_length", &["absent", "Known fields"]);
    bad(r#"{"timestamp":0,"input_length":0,"output_length":5,"hash_ids":[]}"#, "input_length", &["0"]);
    bad(r#"{"timestamp":0,"input_length":5,"output_length":0,"hash_ids":[0]}"#, "output_length", &["failed"]);
    bad(r#"{"timestamp":0,"input_length":16777217,"output_length":1}"#, "input_length", &["16777216"]);
    bad(
        r#"{"timestamp":0,"input_length":5,"output_length":1,"hash_ids":[-1]}"#,
        "hash_ids",
        &["entry 0 is -1", "negative"],
    );
    bad(r#"{"timestamp":0,"input_length":5,"output_length":1,"hash_ids":"0"}"#, "hash_ids", &["list"]);
    bad(r#"{"timestamp":0,"input_length":5,"output_length":1,"chat_id":4}"#, "chat_id", &["dialogue"]);
    bad(
        r#"{"timestamp":0,"input_length":600,"output_length":1,"hash_ids":[7,1]}"#,
        "hash_ids",
        &["1 after 7, but after 0 in line 1", "prefix-chain"],
    );
    bad(r#"{"timestamp":0,"input_length":5,"#, "line", &["not valid JSON", "EOF"]);
    bad("[1,2]", "line", &["JSON object"]);
    bad(r#"{"timestamp":0,"timestamp":0,"input_length":5,"output_length":1}"#, "line", &["duplicate field"]);
}

#[test]
fn a_wrong_block_size_is_found_and_the_right_one_guessed() {
    // 6,758 tokens are 423 blocks of 16
    let ids = (0..423).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let line = format!(r#"{{"timestamp":0,"input_length":6758,"output_length":5,"hash_ids":[{ids}]}}"#);
    wrong(&line, 1, "hash_ids", &["423 ids", "has 14", "it fits blocks of 16", "silently shrinks"]);
    let options = ReadOptions { trace_block_tokens: Some(16), ..ReadOptions::default() };
    assert_eq!(read_with(line.as_bytes(), &options).expect("right").block_tokens, 16);
    let options = ReadOptions { trace_block_tokens: Some(0), ..ReadOptions::default() };
    assert_eq!(one(read_with(line.as_bytes(), &options).unwrap_err()).1, "block_tokens");
}

#[test]
fn native_lines() {
    native(r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2,3],"colour":1}"#, "colour", &["unknown", "Known fields"]);
    native(r#"{"t_ns":0,"in":40,"out":8,"ids":[1]}"#, "ids", &["1 ids", "has 3"]);
    native(r#"{"t_ns":0,"in":40,"out":8,"runs":[[1,0,2]]}"#, "runs", &["2 blocks", "3 full blocks of 16"]);
    native(r#"{"t_ns":0,"in":40,"out":8,"runs":[[1,4294967295,3]]}"#, "runs", &["must end within"]);
    native(r#"{"t_ns":0,"in":40,"out":8,"runs":[[1,0]]}"#, "runs", &["[key, start, length]"]);
    native(r#"{"t_ns":0,"in":40,"out":8,"runs":[[1,0,3]],"ids":[1,2,3]}"#, "runs", &["not both"]);
    native(r#"{"in":40,"out":8}"#, "t_ns", &["when it is sent"]);
    native(r#"{"t_ns":null,"in":40,"out":8}"#, "t_ns", &["when it is sent"]);
    native(r#"{"think_ns":5,"in":40,"out":8,"session":1}"#, "think_ns", &["after the first"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"after":[1]}"#, "after", &["beside `t_ns`", "think_ns"]);
    native(r#"{"in":40,"out":8,"after":[]}"#, "after", &["at least one"]);
    native(r#"{"in":40,"out":8,"after":[7]}"#, "after", &["7", "no earlier line"]);
    native(r#"{"id":7,"in":40,"out":8,"after":[7]}"#, "after", &["wait for itself"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"parent":3}"#, "parent", &["only a session"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"session":3,"parent":3}"#, "parent", &["start itself"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"session":3,"parent":0}"#, "parent", &["no session"]);
    native(
        r#"{"t_ns":5,"in":40,"out":8,"prompt_runs":[[1,0,4]]}"#,
        "prompt_runs",
        &["4 blocks", "2 full blocks"],
    );
    native(r#"{"t_ns":5,"in":40,"out":8,"prompt_runs":[[1,0,2]],"ids":[1,2]}"#, "prompt_runs", &["not both"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"ttft_ns":-1}"#, "ttft_ns", &["negative"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"e2e_ns":17280000000000001}"#, "e2e_ns", &["200 days"]);
    let twice = r#"{"id":1,"t_ns":5,"in":40,"out":8}"#;
    wrong(&format!("{HEADER}\n{twice}\n{twice}"), 3, "id", &["an earlier line"]);
    let waits = r#"{"in":40,"out":8,"after":[1,1]}"#;
    wrong(&format!("{HEADER}\n{twice}\n{waits}"), 3, "after", &["named twice"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"turn":1}"#, "turn", &["belong to a session"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"session":0}"#, "session", &["means no session"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"session":9,"turn":3}"#, "turn", &["next turn of session 9", "is 0"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"priority":256}"#, "priority", &["0 to 255"]);
    native(r#"{"t_ns":5,"in":40,"out":8,"origin":3}"#, "origin", &["in quotes"]);
    native(r#"{"t_ns":17280000000000001,"in":40,"out":8}"#, "t_ns", &["200 days"]);
    native(r#"{"t_ns":5.0,"in":40,"out":8}"#, "t_ns", &["5.0"]);
    let first = r#"{"t_ns":5,"in":40,"out":8,"session":9}"#;
    let both = r#"{"t_ns":6,"think_ns":1,"in":90,"out":8,"session":9,"turn":1}"#;
    wrong(&format!("{HEADER}\n{first}\n{both}"), 3, "t_ns", &["not both"]);
}

#[test]
fn too_many_names() {
    let row = |i| format!("{{\"t_ns\":0,\"in\":1,\"out\":1,\"class\":\"c{i}\"}}\n");
    let rows: Vec<String> = (0..1025).map(row).collect();
    wrong(&format!("{HEADER}\n{}", rows.concat()), 1026, "class", &["c1024", "at most 1024"]);
}

#[test]
fn headers() {
    wrong(
        r#"{"regionsim_trace":2,"block_tokens":16,"new":1}"#,
        1,
        "regionsim_trace",
        &["2", "reads version 1", "newer"],
    );
    wrong(r#"{"regionsim_trace":1,"block_tokens":0}"#, 1, "block_tokens", &["1..=65536"]);
    wrong(r#"{"regionsim_trace":1}"#, 1, "block_tokens", &["absent"]);
    wrong(r#"{"regionsim_trace":1,"block_tokens":16,"x":0}"#, 1, "x", &["unknown"]);
    wrong(r#"{"regionsim_trace":1,"block_tokens":16,"utc_start":"now"}"#, 1, "utc_start", &["date and time"]);
    let options = ReadOptions { format: TraceFormat::Native, ..ReadOptions::default() };
    let errors = read_with(br#"{"t_ns":0,"in":1,"out":1}"#, &options).unwrap_err();
    assert_eq!(one(errors).1, "regionsim_trace");
    let told = ReadOptions { trace_block_tokens: Some(512), ..ReadOptions::default() };
    let errors = read_with(format!("{HEADER}\n").as_bytes(), &told).unwrap_err();
    assert_eq!(one(errors).1, "block_tokens");
    wrong(&format!("{HEADER}\n\n"), 0, "file", &["header without rows"]);
}

#[test]
fn files_that_are_no_trace() {
    wrong("", 0, "file", &["empty"]);
    wrong("\n \n\n", 0, "file", &["empty"]);
    wrong("when,what\n0,1\n", 1, "line", &["when,what", "ContextTokens", "columns"]);
    wrong(r#"{"when":1}"#, 1, "line", &["a JSON object with when", "regionsim_trace", "input_length"]);
    wrong("[{\"timestamp\":0}]", 1, "line", &["JSON object"]);
    let deep = "[".repeat(100_000);
    wrong(&deep, 1, "line", &["JSON object", "…"]);
    let good = r#"{"timestamp":0,"input_length":5,"output_length":1}"#;
    let nested =
        format!(r#"{{"timestamp":0,"input_length":5,"output_length":1,"extra":{}}}"#, "[".repeat(100_000));
    wrong(&format!("{good}\n{nested}"), 2, "line", &["not valid JSON"]);
    let binary: Vec<u8> = (0..=255u8).cycle().take(4096).collect();
    let (line, field, _) = one(read(&binary).unwrap_err());
    assert_eq!((line, field.as_str()), (1, "line"));
    let not_gzip = [0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert!(one(read(&not_gzip).unwrap_err()).2.contains("gzip"));
    let not_zstd = [0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(one(read(&not_zstd).unwrap_err()).2.contains("zstd"));
}

#[test]
fn a_file_cut_off_is_not_taken_for_a_short_one() {
    // Rows whose lengths differ, so that the packed form has several blocks.
    let row = |i: u64| {
        let (input, output) = (1 + i * i % 9973, 1 + i % 997);
        format!("{{\"timestamp\":{i},\"input_length\":{input},\"output_length\":{output}}}\n")
    };
    let text = (0..3000).map(row).collect::<Vec<String>>().concat();
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for (name, bytes) in [("zstd", zstd), ("gzip", gzip.finish().unwrap())] {
        assert_eq!(read(&bytes).expect("whole").rows.len(), 3000);
        let errors = read(&bytes[..bytes.len() * 2 / 3]).expect_err("cut");
        let last = errors.findings.last().unwrap();
        assert_eq!(last.field, "file", "{name}: {errors}");
        assert!(last.to_string().contains("cut off") && last.to_string().contains(name), "{last}");
    }
}

#[test]
fn twenty_findings_are_shown_and_the_rest_counted() {
    let text = "{\"timestamp\":0,\"input_length\":-1,\"output_length\":1}\n".repeat(50);
    let errors = read(text.as_bytes()).unwrap_err();
    assert_eq!((errors.findings.len(), errors.more), (20, 30));
    assert_eq!(
        errors.findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
        (1..=20).collect::<Vec<_>>()
    );
    let text = errors.to_string();
    let first = "bad.jsonl:1: `input_length` is -1: must not be negative. Correct or drop the line\n";
    assert!(text.starts_with(first), "{text}");
    assert!(text.ends_with("\nbad.jsonl: and 30 more"), "{text}");
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let missing = crate::workload::read_trace("no/such.jsonl".as_ref(), &ReadOptions::default()).unwrap_err();
    assert!(missing.to_string().starts_with("no/such.jsonl: `file` is "), "{missing}");
    let here = crate::workload::read_trace(".".as_ref(), &ReadOptions::default()).unwrap_err();
    assert!(here.to_string().contains("directory"), "{here}");
}
