//! What sources send, and when.

use super::{completes_after, drive, read, table, workload};
use crate::dist::Dist;
use crate::id::{ClassId, DataClassId, OriginId};
use crate::observe::Outcome;
use crate::rng::Key;
use crate::time::{SimTime, Span};
use crate::workload::write::write_native;
use crate::workload::{
    CompiledTrace, OriginAssignment, Request, SharedPrefix, SyntheticParams, Tokens, TraceParams, Until,
    WorkloadKind, check, generate_trace, open, workload_key,
};
use std::sync::Arc;

fn trace(text: &str) -> TraceParams {
    TraceParams::new(Arc::new(CompiledTrace::compile(&read(text.as_bytes()).unwrap(), 16).unwrap()))
}

const DIALOGUE: &str = r#"{"regionsim_trace":1,"block_tokens":16}
{"t_ns":1000,"in":32,"out":16,"session":4,"turn":0,"runs":[[9,0,3]]}
{"think_ns":500,"in":64,"out":16,"session":4,"turn":1,"runs":[[9,0,5]],"class":"batch"}
{"think_ns":0,"in":96,"out":16,"session":4,"turn":2,"runs":[[9,0,7]]}
{"t_ns":3000,"in":10,"out":10,"origin":"b","data_class":"eu","priority":3}"#;

fn times(serve: impl Fn(&Request) -> (Span, Outcome), params: TraceParams) -> Vec<(u64, u32)> {
    let params = workload("w", WorkloadKind::Trace(params));
    let mut source = open(&params, &table(&[("a", 1.0), ("b", 0.0)]), 16, Key::root(1));
    drive(source.as_mut(), serve).iter().map(|request| (request.at.0, request.turn)).collect()
}

#[test]
fn a_turn_waits_for_the_answer_and_for_the_user() {
    // Turn 0 at 1000 ends 1700; turn 1 500 later at 2200, ends 2900; turn 2 at once; the other request at 3000.
    let want = vec![(1000, 0), (2200, 1), (2900, 2), (3000, 0)];
    assert_eq!(times(completes_after(Span(700)), trace(DIALOGUE)), want);
    // Twice as slow: 1000 → 2400, 2900 → 4300, 4300.
    assert_eq!(
        times(completes_after(Span(1400)), trace(DIALOGUE)),
        vec![(1000, 0), (2900, 1), (3000, 0), (4300, 2)]
    );
    let fails_at_turn_1 = |request: &Request| {
        (Span(700), if request.turn == 1 { Outcome::TimedOut } else { Outcome::Completed })
    };
    assert_eq!(times(fails_at_turn_1, trace(DIALOGUE)), vec![(1000, 0), (2200, 1), (3000, 0)]);
    let limited = TraceParams { limit: Some(2), ..trace(DIALOGUE) };
    assert_eq!(times(completes_after(Span(700)), limited), vec![(1000, 0), (2200, 1)]);
    // Arrivals come twice as fast, users think as long as before.
    let faster = TraceParams { speed: 2.0, ..trace(DIALOGUE) };
    assert_eq!(times(completes_after(Span(700)), faster), vec![(500, 0), (1500, 0), (1700, 1), (2400, 2)]);
}

#[test]
fn rows_keep_what_they_name_and_take_the_rest_from_the_workload() {
    let params = workload("w", WorkloadKind::Trace(trace(DIALOGUE)));
    let names = table(&[("a", 1.0), ("b", 0.0)]);
    assert_eq!(check(&params, &names, 16), vec![]);
    let mut source = open(&params, &names, 16, Key::root(1));
    let sent = drive(source.as_mut(), completes_after(Span(700)));
    let (turn_1, other) = (&sent[1], &sent[3]);
    assert_eq!((turn_1.class, turn_1.origin, turn_1.data_class), (ClassId(1), OriginId(0), DataClassId(0)));
    assert_eq!((other.class, other.origin, other.data_class), (ClassId(0), OriginId(1), DataClassId(1)));
    assert_eq!((other.priority, other.session), (3, 0));
    assert!(sent[..3].iter().all(|request| request.session == sent[0].session && request.session != 0));
    assert_eq!(sent[2].chain.runs().len(), 1, "a growing history is one run");
    assert!(sent[0].chain.ids(3).eq(sent[2].chain.ids(3)));
    let mut keys: Vec<u64> = sent.iter().map(|request| request.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn names_that_nobody_knows_are_refused() {
    let params = workload("w", WorkloadKind::Trace(trace(DIALOGUE)));
    let mut names = table(&[("a", 1.0)]);
    names.classes.pop();
    let errors: Vec<String> = check(&params, &names, 16).iter().map(ToString::to_string).collect();
    let want = "trace.origin is \"b\": bad.jsonl:5 names it, and the scenario knows a. Name one so in the scenario, or \
                rename it in the trace";
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(errors[0], want);
    assert!(errors[1].starts_with("trace.class is \"batch\""));
    assert!(check(&params, &names, 32).iter().any(|error| error.field == "block_tokens"));
    let odd = |speed| workload("w", WorkloadKind::Trace(TraceParams { speed, ..trace(DIALOGUE) }));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            check(&odd(speed), &table(&[("a", 1.0), ("b", 1.0)]), 16)
                .iter()
                .any(|e| e.field == "trace.speed")
        );
    }
}

#[test]
fn origins_do_not_depend_on_the_order_of_lines() {
    let rows: Vec<String> =
        (1..=300).map(|s| format!(r#"{{"t_ns":{},"in":9,"out":9,"session":{s}}}"#, s % 7)).collect();
    let head = r#"{"regionsim_trace":1,"block_tokens":16}"#;
    let sent = |rows: Vec<String>, seed| {
        let params = workload("w", WorkloadKind::Trace(trace(&format!("{head}\n{}", rows.join("\n")))));
        let mut source = open(&params, &table(&[("a", 1.0), ("b", 1.0)]), 16, workload_key(seed, "w"));
        let sent = drive(source.as_mut(), completes_after(Span(1)));
        let mut sent: Vec<_> = sent.iter().map(|r| (r.session, r.key, r.at, r.origin)).collect();
        sent.sort_unstable();
        sent
    };
    let forward = sent(rows.clone(), 1);
    assert!(forward == sent(rows.iter().rev().cloned().collect(), 1), "the order of lines matters");
    assert!(forward != sent(rows, 2), "another seed must draw other origins");
}

#[test]
fn a_grid_is_spread_unless_raw_is_asked() {
    let rows: Vec<String> = (0..400u64)
        .map(|i| format!(r#"{{"timestamp":{},"input_length":9,"output_length":9}}"#, i / 10 * 3000))
        .collect();
    let sent = |raw_times| {
        let params = TraceParams { raw_times, ..trace(&rows.join("\n")) };
        assert!(params.trace.notices()[1].contains("3s clock grid"), "{:?}", params.trace.notices());
        times(completes_after(Span(1)), params)
    };
    let (raw, spread) = (sent(true), sent(false));
    assert!(raw.iter().enumerate().all(|(i, &(at, _))| at == i as u64 / 10 * 3_000_000_000));
    assert!(spread.iter().zip(&raw).all(|(s, r)| s.0 / 3_000_000_000 == r.0 / 3_000_000_000));
    assert!(spread.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let limited = TraceParams { limit: Some(25), ..trace(&rows.join("\n")) };
    assert_eq!(times(completes_after(Span(1)), limited), spread[..25], "a limit moves no time");
}

#[test]
fn rows_out_of_order_are_sorted_with_a_notice() {
    let text = r#"{"timestamp":5,"input_length":9,"output_length":1}
{"timestamp":3,"input_length":9,"output_length":1}
{"timestamp":5,"input_length":9,"output_length":2}"#;
    let params = trace(text);
    assert!(
        params
            .trace
            .notices()
            .iter()
            .any(|notice| notice.contains("not in order of time (first at request 2)"))
    );
    let sent: Vec<u64> = times(completes_after(Span(1)), params).iter().map(|sent| sent.0).collect();
    assert_eq!(sent, [3_000_000, 5_000_000, 5_000_000]);
}

fn busy() -> SyntheticParams {
    let shared = |count, tokens| {
        Some(SharedPrefix { count, tokens: Tokens::new(tokens, 2000), zipf: 0.9, shared_as: None })
    };
    SyntheticParams {
        sessions_per_s: 4.0,
        until: Until::Requests(1500),
        tenants: 5,
        system: shared(12, Dist::Uniform { min: 100.0, max: 2000.0 }),
        documents: shared(30, Dist::LognormalMean { mean: 500.0, sigma: 0.5 }),
        turns: Dist::Geometric { mean: 4.0 },
        think_s: Dist::Lognormal { median: 3.0, sigma: 1.0 },
        max_context_tokens: 6_000,
        ..SyntheticParams::default()
    }
}

/// Served in a time that depends on the request; one in thirty fails.
fn uneven(request: &Request) -> (Span, Outcome) {
    let failed = request.key.is_multiple_of(30);
    (Span::from_ms(100 + request.key % 5000), if failed { Outcome::Failed } else { Outcome::Completed })
}

#[test]
fn a_generated_trace_replays_as_the_generator_itself() {
    let params = busy();
    let origins = [("americas", 0.45), ("europe", 0.35), ("asia", 0.2)];
    let mut text = Vec::new();
    let written = generate_trace(&params, "chat", &origins, 16, 11, &mut text).unwrap();
    assert_eq!(written.requests, 1500);
    let trace = trace(std::str::from_utf8(&text).unwrap());
    let summary = trace.trace.summary();
    assert_eq!((summary.requests, summary.sessions), (1500, written.sessions));
    assert_eq!(summary.closed_loop, 1500 - written.sessions);
    let send = |kind| {
        let params = workload("chat", kind);
        let names = table(&origins);
        assert_eq!(check(&params, &names, 16), vec![]);
        drive(open(&params, &names, 16, workload_key(11, "chat")).as_mut(), uneven)
    };
    let (generated, replayed) = (send(WorkloadKind::Synthetic(params)), send(WorkloadKind::Trace(trace)));
    assert_eq!(generated.len(), replayed.len());
    for (a, b) in generated.iter().zip(&replayed) {
        assert_eq!(a, b);
    }
    // Where the trace names no origins, the replay draws the generator's: they belong to sessions.
    let mut nameless = Vec::new();
    generate_trace(&busy(), "chat", &[], 16, 11, &mut nameless).unwrap();
    let nameless = send(WorkloadKind::Trace(self::trace(std::str::from_utf8(&nameless).unwrap())));
    assert!(generated == nameless, "origins drawn in the replay differ from the generator's");
    assert!(generated.len() < 1500, "failed requests end their sessions");
    assert!(generated.iter().any(|request| request.turn > 3));
}

#[test]
fn a_session_grows_by_answer_and_message_within_its_context() {
    let params = workload("chat", WorkloadKind::Synthetic(busy()));
    let mut source = open(&params, &table(&[("a", 1.0)]), 16, workload_key(3, "chat"));
    let sent = drive(source.as_mut(), completes_after(Span::from_secs(1)));
    assert_eq!(sent.len(), 1500);
    let mut last = std::collections::BTreeMap::<u64, &Request>::new();
    let mut grown = 0;
    for request in &sent {
        assert!(request.prompt_tokens + request.output_tokens <= 6_000);
        assert_eq!(request.chain.blocks(), (request.prompt_tokens + request.output_tokens) / 16);
        let before = last.insert(request.session, request);
        assert_eq!(request.turn, before.map_or(0, |before| before.turn + 1));
        if let Some(before) = before {
            grown += 1;
            let history = before.prompt_tokens + before.output_tokens;
            assert!(request.prompt_tokens > history);
            assert!(request.at >= before.at + Span::from_secs(1));
            assert_eq!((request.origin, request.tenant), (before.origin, before.tenant));
            let blocks = before.chain.blocks();
            assert!(before.chain.ids(blocks).eq(request.chain.ids(blocks)), "history is only added to");
            assert!(request.chain.runs().len() <= 3, "one run a layer");
        }
    }
    assert!(grown > 500);
}

#[test]
fn one_origin_for_all_if_asked() {
    let mut params = workload("chat", WorkloadKind::Synthetic(busy()));
    params.origins = OriginAssignment::Single(OriginId(1));
    let mut source = open(&params, &table(&[("a", 1.0), ("b", 1.0)]), 16, workload_key(3, "chat"));
    let sent = drive(source.as_mut(), completes_after(Span::from_secs(1)));
    assert!(sent.iter().all(|request| request.origin == OriginId(1) && request.data_class == DataClassId(1)));
    assert!(sent.iter().all(|request| request.at > SimTime::ZERO));
}

#[test]
fn a_converted_trace_is_the_same_trace() {
    let grid: Vec<String> = (0..90u64)
        .map(|i| {
            let (t, second) = (i / 9 * 3000, 100 + i % 4);
            format!(r#"{{"timestamp":{t},"input_length":700,"output_length":9,"hash_ids":[1,{second}]}}"#)
        })
        .collect();
    for text in [DIALOGUE.to_owned(), grid.join("\n")] {
        let data = read(text.as_bytes()).unwrap();
        let mut converted = Vec::new();
        write_native(&data, "a test", &mut converted).unwrap();
        let again = read(&converted).unwrap();
        assert_eq!((again.format, again.rows.len()), ("native", data.rows.len()));
        assert_eq!(again.content_hash(), data.content_hash());
        let send = |data| {
            let trace = Arc::new(CompiledTrace::compile(data, 16).unwrap());
            let params = workload("w", WorkloadKind::Trace(TraceParams::new(trace)));
            let mut source = open(&params, &table(&[("a", 1.0), ("b", 1.0)]), 16, Key::root(1));
            drive(source.as_mut(), completes_after(Span(700)))
        };
        let sent = send(&data);
        assert_eq!(sent, send(&again));
        let keys: std::collections::BTreeSet<u64> = sent.iter().map(|request| request.key).collect();
        assert_eq!(keys.len(), sent.len(), "keys tell requests apart");
    }
}

#[test]
fn a_plan_shows_the_trace_by_hash_and_counts() {
    let params = workload("w", WorkloadKind::Trace(trace(DIALOGUE)));
    let shown = serde_json::to_value(&params).unwrap();
    let trace = &shown["kind"]["trace"]["trace"];
    // 32 + 64 + 96 + 10 prompt tokens; runs of 3, 5 and 7 blocks of one key, of which seven are different.
    assert_eq!((&trace["requests"], &trace["prompt_tokens"]), (&4.into(), &202.into()));
    assert_eq!((&trace["block_refs"], &trace["distinct_blocks"]), (&15.into(), &7.into()));
    assert!(trace["content_hash"].is_u64() && trace.get("rows").is_none());
}
