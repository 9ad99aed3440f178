//! How fast traces are read and compiled, in lines a second of one core: a Mooncake trace like the published one (24
//! blocks a prompt, all sharing the first), uncompressed and from memory; and what of it is reading.

use divan::{Bencher, black_box, counter::ItemsCount};
use regionsim::rng::Key;
use regionsim::workload::open_file::Lines;
use regionsim::workload::read::read_lines;
use regionsim::workload::{CompiledTrace, ReadOptions, TraceData};
use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

/// As many lines as FAST'25's conversation trace.
const LINES: u64 = 12_031;

fn main() {
    divan::main();
}

/// Every prompt begins with block 0; half go on with the blocks of an earlier prompt, as a session's turns do.
fn mooncake() -> Vec<u8> {
    let (mut text, mut next) = (String::new(), 1u64);
    let mut stream = Key::root(7).stream();
    let mut earlier: Vec<Vec<u64>> = Vec::new();
    for line in 0..LINES {
        let mut ids = match stream.below(2) {
            0 if !earlier.is_empty() => earlier[stream.below(earlier.len() as u32) as usize].clone(),
            _ => vec![0],
        };
        ids.truncate(30);
        for _ in 0..=stream.below(30) {
            ids.push(next);
            next += 1;
        }
        let (input, output) = (ids.len() as u64 * 512 - u64::from(stream.below(512)), 1 + stream.below(700));
        writeln!(
            text,
            "{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": {ids:?}}}",
            line / 10 * 3_000
        )
        .expect("memory");
        earlier.push(ids);
    }
    text.into_bytes()
}

fn read(bytes: &[u8]) -> TraceData {
    let lines = Lines::from_reader(Cursor::new(bytes.to_vec())).expect("bytes in memory");
    read_lines(lines, Path::new("bench"), &ReadOptions::default()).expect("a good trace")
}

#[divan::bench]
fn read_mooncake(bencher: Bencher<'_, '_>) {
    let bytes = mooncake();
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| black_box(read(&bytes)));
}

#[divan::bench]
fn read_and_compile_mooncake(bencher: Bencher<'_, '_>) {
    let bytes = mooncake();
    bencher
        .counter(ItemsCount::new(LINES))
        .bench_local(|| black_box(CompiledTrace::compile(&read(&bytes), 16).expect("sizes that fit")));
}

/// The published file itself, where `TRACE` names it.
#[divan::bench]
fn read_and_compile_a_file(bencher: Bencher<'_, '_>) {
    let Ok(path) = std::env::var("TRACE") else { return };
    let mut bytes = std::fs::read(path).expect("a file");
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        bytes = zstd::decode_all(&bytes[..]).expect("a whole file");
    }
    let lines = String::from_utf8_lossy(&bytes).lines().count();
    bencher
        .counter(ItemsCount::new(lines))
        .bench_local(|| black_box(CompiledTrace::compile(&read(&bytes), 16).expect("sizes that fit")));
}
