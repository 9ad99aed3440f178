//! What surrounds the simulation, per request: the book of rows, requests.csv, reading and compiling a trace, and a
//! small W1 as a whole. To repeat: `cargo bench --no-default-features --bench run`. Whole processes are measured by
//! `regionsim bench`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use regionsim::id::{IdVec, OriginId, RegionId, ReplicaId, RequestId};
use regionsim::observe::{Leg, Legs, Observation, Observer, Outcome, RequestRow};
use regionsim::report::requests_csv::RequestsCsv;
use regionsim::report::summarise_cell;
use regionsim::rng::Key;
use regionsim::run::{Labels, Prepared, RowSink, RowWriter, run_cell};
use regionsim::scenario;
use regionsim::time::{SimTime, Span};
use regionsim::workload::{CompiledTrace, ReadOptions, read_trace};
use std::fmt::Write as _;
use std::path::Path;

const ROWS: u64 = 10_000;

fn main() {
    divan::main();
}

fn rows() -> Vec<RequestRow> {
    let mut stream = Key::root(1).stream();
    let mut row = |id: u64| {
        let mut legs = Legs::default();
        for (leg, most) in [(Leg::Hop, 90_000_000), (Leg::Queue, 40_000_000), (Leg::Prefill, 200_000_000)] {
            legs.add(leg, Span(u64::from(stream.below(most))));
        }
        let sent_at = SimTime(id * 5_000_000);
        let first_token_at = sent_at + legs.total();
        RequestRow {
            id: RequestId(id as u32),
            key: stream.next_u64(),
            session: stream.next_u64(),
            gateway: None,
            region: Some(RegionId(0)),
            replica: Some(ReplicaId(0)),
            origin: OriginId(0),
            sent_at,
            outcome: Outcome::Completed,
            prompt_tokens: 512,
            computed_tokens: 512,
            output_tokens: 128,
            legs,
            first_token_at: Some(first_token_at),
            ended_at: first_token_at + Span::from_ms(1_300),
            server_ttft: Some(legs.total()),
            attempts: 1,
            ..RequestRow::default()
        }
    };
    (0..ROWS).map(&mut row).collect()
}

/// Rows into the book.
#[divan::bench]
fn row_sink(bencher: Bencher) {
    let rows = rows();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let mut sink = RowSink::new();
        rows.iter().for_each(|row| sink.observe(row.ended_at, &Observation::Ended(row)));
        sink.finish()
    });
}

/// Rows out of the book again.
#[divan::bench]
fn book_read(bencher: Bencher) {
    let mut sink = RowSink::new();
    rows().iter().for_each(|row| sink.observe(row.ended_at, &Observation::Ended(row)));
    let book = sink.finish();
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench(|| book.entries().map(|entry| black_box(entry).ended_at.0).max());
}

/// Rows of requests.csv.
#[divan::bench]
fn requests_csv(bencher: Bencher) {
    let rows = rows();
    let labels = Labels {
        regions: IdVec::from(vec!["here".to_string()]),
        origins: IdVec::from(vec!["all".to_string()]),
        sources: vec!["main".to_string()],
        data_classes: vec!["unrestricted".to_string()],
        ..Labels::default()
    };
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let mut csv = RequestsCsv::new(Vec::with_capacity(1 << 22), &labels, Vec::new()).expect("the head");
        rows.iter().for_each(|row| csv.row(row));
        csv.finish().expect("a buffer takes all")
    });
}

/// A trace in Mooncake's format, 24 blocks a line as in the published one: read and compiled.
#[divan::bench]
fn trace_read_and_compile(bencher: Bencher) {
    let mut text = String::new();
    for line in 0..ROWS {
        let ids: Vec<String> = (0..24).map(|block| (block + line * 15).to_string()).collect();
        let _ = writeln!(
            text,
            "{{\"timestamp\": {}, \"input_length\": 12000, \"output_length\": 340, \"hash_ids\": [{}]}}",
            line * 300,
            ids.join(", ")
        );
    }
    let folder = tempfile::tempdir().expect("a folder for the trace");
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, text).expect("the trace is written");
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let data = read_trace(&path, &ReadOptions::default()).expect("it is a trace");
        CompiledTrace::compile(&data, 16).expect("512 is a multiple of 16")
    });
}

/// W1 with 2,000 requests, summarised, no files.
#[divan::bench]
fn w1_small(bencher: Bencher) {
    let set = ["workloads.main.synthetic.requests=2000".to_string()];
    let Ok(plan) = scenario::parse("w1", include_str!("w1.toml"), Path::new("."), "w1", &set) else {
        panic!("w1.toml is a scenario")
    };
    let loaded = Prepared::of(plan);
    bencher.counter(ItemsCount::new(2_000u64)).bench(|| {
        let result = run_cell(&loaded.cell(&loaded.plan.policies[0], 42), None, ()).expect("w1 is a world");
        summarise_cell(&result)
    });
}
