//! Tests of the workload as a whole: readers on bad files, compiled sharing, sources against each other.

mod allowed;
mod arrivals;
mod chat_trace;
mod compile;
mod composition;
mod copies;
mod depend;
mod formats;
mod fuzz;
mod generator;
mod kinds;
mod malformed;
mod malformed_readers;
mod mooncake_facts;
mod pool;
mod public;
mod sources;

use super::data::TraceData;
use super::error::TraceErrors;
use super::open_file::Lines;
use super::options::ReadOptions;
use super::read::read_lines;
use super::{OriginRow, OriginTable, Request, Source, WorkloadKind, WorkloadParams};
use crate::id::DataClassId;
use crate::observe::Outcome;
use crate::time::{SimTime, Span};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

fn read(bytes: &[u8]) -> Result<TraceData, TraceErrors> {
    read_with(bytes, &ReadOptions::default())
}

fn read_with(bytes: &[u8], options: &ReadOptions) -> Result<TraceData, TraceErrors> {
    let path = Path::new("bad.jsonl");
    match Lines::from_reader(Cursor::new(bytes.to_vec())) {
        Ok(lines) => read_lines(lines, path, options),
        Err(error) => panic!("bytes in memory are readable: {error}"),
    }
}

fn table(origins: &[(&str, f64)]) -> OriginTable {
    let row = |(index, &(name, weight)): (usize, &(&str, f64))| OriginRow {
        name: name.to_owned(),
        weight,
        data_class: DataClassId(index as u32),
        ..OriginRow::default()
    };
    OriginTable {
        origins: origins.iter().enumerate().map(row).collect(),
        classes: vec!["interactive".to_owned(), "batch".to_owned()],
        data_classes: vec!["none".to_owned(), "eu".to_owned()],
        ..OriginTable::default()
    }
}

fn workload(name: &str, kind: WorkloadKind) -> WorkloadParams {
    WorkloadParams::new(name, kind)
}

/// A world in which request `r` ends `serve(r)` after it was sent. Returns the requests as sent.
fn drive(source: &mut dyn Source, serve: impl Fn(&Request) -> (Span, Outcome)) -> Vec<Request> {
    let (mut sent, mut under_way) = (Vec::new(), BTreeMap::<(SimTime, u64), (Request, Outcome)>::new());
    loop {
        let arrival = source.peek();
        let end = under_way.keys().next().copied();
        match (arrival, end) {
            (None, None) => return sent,
            (Some(at), end) if end.is_none_or(|(end, _)| at <= end) => {
                let mut request = Request::default();
                source.pull(&mut request);
                assert_eq!(request.at, at);
                let (lasts, outcome) = serve(&request);
                under_way.insert((at + lasts, request.key), (request.clone(), outcome));
                sent.push(request);
            }
            (_, Some(end)) => {
                let (request, outcome) = under_way.remove(&end).expect("just seen");
                let before = source.peek();
                let changed = source.ended(request.key, end.0, outcome);
                assert!(changed || source.peek() == before, "a change that was not told");
            }
            (Some(_), None) => panic!("the first arm takes it"),
        }
    }
}

fn completes_after(span: Span) -> impl Fn(&Request) -> (Span, Outcome) {
    move |_| (span, Outcome::Completed)
}
