//! Rows that wait for several others: sub-agents beside a waiting parent.

use super::{drive, read, table, workload};
use crate::id::OriginId;
use crate::observe::Outcome;
use crate::rng::Key;
use crate::time::Span;
use crate::workload::write::write_native;
use crate::workload::{CompiledTrace, Request, TraceParams, WorkloadKind, open, workload_key};
use proptest::prelude::*;
use std::sync::Arc;

/// A parent's turn, two sub-agents of which one has two turns, and the parent's next turn.
const AGENTS: &str = r#"{"regionsim_trace":1,"block_tokens":16,"utc_start":"2024-05-10T00:00:00"}
{"id":10,"t_ns":1000,"in":32,"out":16,"session":1,"turn":0}
{"id":11,"think_ns":10,"after":[10],"in":33,"out":16,"session":2,"turn":0,"parent":1}
{"id":12,"think_ns":20,"in":34,"out":16,"session":2,"turn":1,"parent":1}
{"id":13,"think_ns":30,"after":[10],"in":35,"out":16,"session":3,"turn":0,"parent":1,"ttft_ns":7,"e2e_ns":9}
{"think_ns":5,"after":[10,12,13],"in":36,"out":16,"session":1,"turn":1}"#;

fn compiled(text: &str) -> Arc<CompiledTrace> {
    Arc::new(CompiledTrace::compile(&read(text.as_bytes()).unwrap(), 16).unwrap())
}

fn send(
    trace: &Arc<CompiledTrace>,
    limit: Option<u64>,
    serve: impl Fn(&Request) -> (Span, Outcome),
) -> Vec<Request> {
    let params = TraceParams { limit, ..TraceParams::new(trace.clone()) };
    let params = workload("w", WorkloadKind::Trace(params));
    let origins = table(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]);
    drive(open(&params, &origins, 16, workload_key(3, "w")).as_mut(), serve)
}

fn times(sent: &[Request]) -> Vec<(u64, u32)> {
    sent.iter().map(|request| (request.at.0, request.prompt_tokens)).collect()
}

#[test]
fn a_parent_waits_for_its_sub_agents() {
    let trace = compiled(AGENTS);
    let done = |span: u64| move |_: &Request| (Span(span), Outcome::Completed);
    // Turn 0 ends at 1100; the agents start at 1110 and 1130; the first's second turn at 1110 + 100 + 20 = 1230, until
    // 1330, when the other (1230) has long ended; the parent goes on 5 later.
    let sent = send(&trace, None, done(100));
    assert_eq!(times(&sent), [(1000, 32), (1110, 33), (1130, 35), (1230, 34), (1335, 36)]);
    assert!(sent.iter().all(|request| request.origin == sent[0].origin), "agents sit with their parent");
    assert_ne!(sent[0].session, sent[1].session);
    // The other agent takes longest: 1130 + 900 + 5.
    let slow =
        |request: &Request| (Span(if request.prompt_tokens == 35 { 900 } else { 100 }), Outcome::Completed);
    assert_eq!(times(&send(&trace, None, slow)).last(), Some(&(2035, 36)));
    // An agent that fails ends what waits for it: its own next turn and its parent's.
    for (fails, left) in [(33, vec![32, 33, 35]), (35, vec![32, 33, 35, 34]), (32, vec![32])] {
        let serve = |request: &Request| {
            let failed = request.prompt_tokens == fails;
            (Span(100), if failed { Outcome::Failed } else { Outcome::Completed })
        };
        let sent: Vec<u32> = send(&trace, None, serve).iter().map(|request| request.prompt_tokens).collect();
        assert_eq!(sent, left, "{fails} fails");
    }
    assert_eq!(times(&send(&trace, Some(4), done(100))).len(), 4);
    assert_eq!(times(&send(&trace, Some(2), done(100))), [(1000, 32), (1110, 33)]);
}

#[test]
fn a_converted_trace_keeps_who_waits_for_whom_and_what_was_measured() {
    let data = read(AGENTS.as_bytes()).unwrap();
    let mut text = Vec::new();
    write_native(&data, "a test", &mut text).unwrap();
    let again = read(&text).unwrap();
    assert_eq!((&again.rows, &again.after, &again.measured), (&data.rows, &data.after, &data.measured));
    assert_eq!(again.content_hash(), data.content_hash());
    assert_eq!(again.utc_start.map(|start| start.to_string()).as_deref(), Some("2024-05-10T00:00:00"));
    let trace = compiled(AGENTS);
    assert_eq!(trace.measured(3).ttft, Some(Span(7)));
    assert_eq!(trace.measured(3).e2e, Some(Span(9)));
    assert_eq!(trace.measured(4).ttft, None);
    assert_eq!((trace.summary().measured, trace.summary().sub_agents, trace.summary().sessions), (1, 2, 3));
    // Keys lead from a run's records back to rows.
    let keys: Vec<u64> = trace.request_keys("w").collect();
    let sent = send(&trace, None, |_| (Span(100), Outcome::Completed));
    for request in &sent {
        let row = keys.iter().position(|&key| key == request.key).expect("a row's key");
        assert_eq!(data.rows[row].input, request.prompt_tokens);
    }
    for other in [AGENTS.replace("[10,12,13]", "[10,13]"), AGENTS.replace("\"parent\":1", "\"parent\":9")] {
        assert_ne!(read(other.as_bytes()).unwrap().content_hash(), data.content_hash());
    }
}

/// Rows of any forest of waits: each either has a time or waits for up to four earlier rows.
fn forest() -> impl Strategy<Value = Vec<(u64, Vec<prop::sample::Index>, u64)>> {
    let row = (0u64..5_000, proptest::collection::vec(any::<prop::sample::Index>(), 0..5), 0u64..900);
    proptest::collection::vec(row, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_row_is_sent_once_when_the_last_it_waits_for_has_ended(rows in forest()) {
        let mut text = String::from("{\"regionsim_trace\":1,\"block_tokens\":16}\n");
        let mut waits: Vec<Vec<usize>> = Vec::new();
        for (index, (number, on, _)) in rows.iter().enumerate() {
            let mut on: Vec<usize> = match index { 0 => vec![], _ => on.iter().map(|i| i.index(index)).collect() };
            on.sort_unstable();
            on.dedup();
            let input = index + 1;
            text += &match on.as_slice() {
                [] => format!("{{\"id\":{index},\"t_ns\":{number},\"in\":{input},\"out\":1}}\n"),
                on => format!("{{\"id\":{index},\"think_ns\":{number},\"after\":{on:?},\"in\":{input},\"out\":1}}\n"),
            };
            waits.push(on);
        }
        let lasts = |index: usize| Span(rows[index].2);
        // By hand: a row begins its number after the latest end of those it waits for. One in nine fails.
        let fails = |index: usize| index % 9 == 4;
        let mut want: Vec<Option<u64>> = Vec::new();
        for (index, (number, _, _)) in rows.iter().enumerate() {
            let mut ends = waits[index].iter().map(|&on| want[on].filter(|_| !fails(on)).map(|at| at + lasts(on).0));
            let last = ends.try_fold(0, |last: u64, end| end.map(|end| last.max(end)));
            want.push(last.map(|last| last + number));
        }
        let sent = send(&compiled(&text), None, |request| {
            let index = request.prompt_tokens as usize - 1;
            (lasts(index), if fails(index) { Outcome::TimedOut } else { Outcome::Completed })
        });
        let mut got: Vec<Option<u64>> = vec![None; rows.len()];
        for request in &sent {
            let slot = &mut got[request.prompt_tokens as usize - 1];
            prop_assert!(slot.is_none(), "sent twice");
            *slot = Some(request.at.0);
        }
        prop_assert_eq!(got, want);
    }
}

#[test]
fn a_row_without_a_session_may_wait() {
    let text = r#"{"regionsim_trace":1,"block_tokens":16}
{"id":1,"t_ns":7,"in":1,"out":1,"origin":"b"}
{"after":[1],"in":2,"out":1}"#;
    let params = workload("w", WorkloadKind::Trace(TraceParams::new(compiled(text))));
    let mut source = open(&params, &table(&[("a", 1.0), ("b", 0.0)]), 16, Key::root(1));
    let sent = drive(source.as_mut(), |_| (Span(5), Outcome::Completed));
    assert_eq!(times(&sent), [(7, 1), (12, 2)]);
    assert_eq!(sent[0].origin, OriginId(1));
}
