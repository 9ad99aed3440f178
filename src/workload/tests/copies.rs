//! More of a trace than was recorded, and the same trace twice in one scenario.

use super::{completes_after, drive, read, table, workload};
use crate::time::Span;
use crate::workload::as_sent::{Sent, record};
use crate::workload::copies::universal_heads;
use crate::workload::write::write_native;
use crate::workload::{
    Apart, CompiledTrace, CopiesShare, Request, TraceParams, WorkloadKind, check, open, workload_key,
};
use std::collections::BTreeSet;
use std::sync::Arc;

const HEAD: &str = r#"{"regionsim_trace":1,"block_tokens":16}"#;

fn trace(rows: &[String]) -> TraceParams {
    let text = format!("{HEAD}\n{}", rows.join("\n"));
    TraceParams::new(Arc::new(CompiledTrace::compile(&read(text.as_bytes()).unwrap(), 16).unwrap()))
}

fn send(name: &str, params: TraceParams) -> Vec<Request> {
    let params = workload(name, WorkloadKind::Trace(params));
    let names = table(&[("a", 1.0)]);
    assert_eq!(check(&params, &names, 16), vec![]);
    drive(open(&params, &names, 16, workload_key(1, name)).as_mut(), completes_after(Span(7)))
}

fn scaled(rows: &[String], sample: f64) -> Vec<Request> {
    send("w", TraceParams { sample, ..trace(rows) })
}

/// Two hundred sessions of two turns, a second apart, and as many rows without a session.
fn rows() -> Vec<String> {
    let session = |s: u64| {
        let t = s * 1_000_000_000;
        [
            format!(r#"{{"t_ns":{t},"in":{},"out":9,"session":{s},"turn":0}}"#, 1_000 + s),
            format!(r#"{{"think_ns":5000,"in":{},"out":9,"session":{s},"turn":1}}"#, 2_000 + s),
            format!(r#"{{"t_ns":{},"in":{},"out":9}}"#, t + 500, 3_000 + s),
        ]
    };
    (1..=200).flat_map(session).collect()
}

fn keys(sent: &[Request]) -> BTreeSet<u64> {
    sent.iter().map(|request| request.key).collect()
}

#[test]
fn a_copy_is_the_trace_once_more_at_other_times() {
    let (once, twice) = (scaled(&rows(), 1.0), scaled(&rows(), 2.0));
    assert_eq!((once.len(), twice.len(), keys(&twice).len()), (600, 1_200, 1_200));
    // What was recorded is sent as it was.
    let of_trace = keys(&once);
    let (first, copy): (Vec<Request>, Vec<Request>) =
        twice.into_iter().partition(|request| of_trace.contains(&request.key));
    assert_eq!(first, once);
    // The copy has each length once, like the trace, and sessions of two turns of its own.
    let lengths = |sent: &[Request]| -> BTreeSet<u32> { sent.iter().map(|r| r.prompt_tokens).collect() };
    assert_eq!((copy.len(), lengths(&copy)), (600, lengths(&once)));
    let sessions = |sent: &[Request]| -> BTreeSet<u64> {
        sent.iter().map(|r| r.session).filter(|&session| session != 0).collect()
    };
    assert_eq!(sessions(&copy).len(), 200);
    assert!(sessions(&copy).is_disjoint(&sessions(&once)));
    for turn in copy.iter().filter(|request| request.session != 0 && request.turn == 1) {
        let before = copy.iter().find(|other| other.session == turn.session && other.turn == 0).unwrap();
        assert_eq!(turn.at, before.at + Span(7) + Span(5_000));
        assert_eq!(turn.prompt_tokens, before.prompt_tokens + 1_000);
    }
    // Within the recorded time, and spread evenly: 100 of 200 beginnings in each half, five deviations of 7.
    let begins: Vec<u64> = copy.iter().filter(|r| r.prompt_tokens < 2_000).map(|r| r.at.0).collect();
    assert!(begins.iter().all(|at| (1_000_000_000..=200_000_000_500).contains(at)));
    let early = begins.iter().filter(|&&at| at < 100_500_000_000).count();
    assert!(early.abs_diff(100) <= 35, "{early}");
}

#[test]
fn part_of_a_copy_is_whole_sessions_and_grows_with_the_scale() {
    let (half, more, whole) = (scaled(&rows(), 1.5), scaled(&rows(), 1.8), scaled(&rows(), 2.0));
    assert!(keys(&half).is_subset(&keys(&more)) && keys(&more).is_subset(&keys(&whole)));
    let copied = |prompt: std::ops::Range<u32>| {
        half.iter().filter(|request| prompt.contains(&request.prompt_tokens)).count() - 200
    };
    let (first, second, alone) = (copied(1_000..2_000), copied(2_000..3_000), copied(3_000..4_000));
    assert_eq!(first, second, "both turns or none");
    // Binomial(200, 1/2): 100, five deviations of 7.
    assert!(first.abs_diff(100) <= 35 && alone.abs_diff(100) <= 35, "{first} {alone}");
    assert_eq!(scaled(&rows(), 3.0).len(), 1_800);
}

#[test]
fn copies_do_not_hang_on_the_order_of_lines() {
    let mut other = rows();
    other.reverse();
    other.sort_by_key(|row| row.contains("think_ns"));
    let what = |rows: &[String]| -> BTreeSet<(u64, u64, u32, u32)> {
        scaled(rows, 2.4).iter().map(|r| (r.at.0, r.session, r.turn, r.prompt_tokens)).collect()
    };
    assert_eq!(what(&rows()), what(&other));
}

#[test]
fn a_sub_agent_moves_with_its_parent() {
    let rows = [
        r#"{"t_ns":100,"in":10,"out":9,"session":1,"turn":0}"#,
        r#"{"t_ns":150,"in":11,"out":9,"session":2,"turn":0,"parent":1}"#,
        r#"{"t_ns":180,"in":12,"out":9,"session":1,"turn":1}"#,
        r#"{"t_ns":9000,"in":13,"out":9}"#,
    ]
    .map(str::to_owned);
    let sent = scaled(&rows, 40.0);
    let times = |prompt: u32| -> BTreeSet<u64> {
        sent.iter().filter(|r| r.prompt_tokens == prompt).map(|r| r.at.0).collect()
    };
    let moved = |by: u64| -> BTreeSet<u64> { times(10).iter().map(|at| at + by).collect() };
    assert!(times(10).len() > 30, "drawn for each copy: {}", times(10).len());
    assert_eq!((times(11), times(12)), (moved(50), moved(80)));
}

#[test]
fn copies_share_no_block_but_universal_ones() {
    // Block 1 begins all of 30 prompts, 2 to 4 ten each (no more than ten), the third is each one's own.
    let rows: Vec<String> = (0..30u64)
        .map(|i| format!(r#"{{"t_ns":{i},"in":48,"out":16,"ids":[1,{},{}]}}"#, 2 + i % 3, 100 + i))
        .collect();
    let blocks = |sent: &[Request]| -> Vec<BTreeSet<u64>> {
        (0..4).map(|block| sent.iter().map(|request| request.chain.id(block)).collect()).collect()
    };
    let count = |share: CopiesShare| -> Vec<usize> {
        let sent = send("w", TraceParams { sample: 2.0, copies_share: share, ..trace(&rows) });
        blocks(&sent).iter().map(BTreeSet::len).collect()
    };
    assert_eq!(blocks(&scaled(&rows, 1.0)).iter().map(BTreeSet::len).collect::<Vec<_>>(), [1, 3, 30, 30]);
    assert_eq!(count(CopiesShare::Nothing), [2, 6, 60, 60]);
    assert_eq!(count(CopiesShare::Universal), [1, 6, 60, 60]);
}

#[test]
fn universal_blocks_end_within_a_run() {
    let heads = |long: usize, short: usize| {
        let row = |len: u64, t: usize| {
            format!(
                r#"{{"t_ns":{t},"in":{},"out":1,"prompt_runs":[[1,0,{len}],[{},0,1]]}}"#,
                16 * len + 16,
                50 + t
            )
        };
        let rows: Vec<String> =
            (0..long).map(|t| row(10, t)).chain((long..long + short).map(|t| row(4, t))).collect();
        let heads = universal_heads(&trace(&rows).trace);
        (heads[0], heads[long + short - 1])
    };
    // More than ten requests have all ten blocks of the long run; ten have not.
    assert_eq!(heads(11, 11), (10, 4));
    assert_eq!(heads(10, 11), (4, 4));
    assert_eq!(heads(5, 5), (0, 0));
    // One of a hundred: 12 of 1,300 are fewer than 13.
    assert_eq!(heads(12, 1_288), (4, 4));
    assert_eq!(heads(14, 1_286), (10, 4));
}

#[test]
fn the_same_trace_twice_is_apart_or_shares_what_it_tells() {
    let rows: Vec<String> =
        (0..5u64).map(|i| format!(r#"{{"t_ns":{i},"in":32,"out":32,"ids":[1,{}]}}"#, 10 + i)).collect();
    let ids = |name: &str, apart: Option<Apart>| -> Vec<Vec<u64>> {
        let sent = send(name, TraceParams { apart, ..trace(&rows) });
        sent.iter().map(|request| request.chain.ids(4).collect()).collect()
    };
    let common = |a: &[Vec<u64>], b: &[Vec<u64>]| -> Vec<usize> {
        (0..4)
            .map(|block| {
                let of = |side: &[Vec<u64>]| side.iter().map(|ids| ids[block]).collect::<BTreeSet<u64>>();
                of(a).intersection(&of(b)).count()
            })
            .collect()
    };
    let first = ids("a", None);
    assert_eq!(common(&first, &ids("b", Some(Apart { salt: 5, shares: false }))), [0; 4]);
    // Answers are not told by the trace: nobody shares them.
    assert_eq!(common(&first, &ids("b", Some(Apart { salt: 5, shares: true }))), [1, 5, 0, 0]);
}

#[test]
fn traces_of_one_scope_share_no_answer() {
    let compile = |text: &str| {
        let data = read(text.as_bytes()).unwrap();
        send("w", TraceParams::new(Arc::new(CompiledTrace::compile(&data, 16).unwrap())))
    };
    let head = HEAD.replace('}', r#","id_scope":"bank"}"#);
    let one = compile(&format!("{head}\n{}", r#"{"t_ns":0,"in":16,"out":16,"ids":[1]}"#));
    let other = compile(&format!("{head}\n{}", r#"{"t_ns":9,"in":16,"out":16,"ids":[1]}"#));
    assert_eq!(one[0].chain.id(0), other[0].chain.id(0));
    assert_ne!(one[0].chain.id(1), other[0].chain.id(1));
}

#[test]
fn copies_of_a_run_are_not_that_run() {
    let params = workload("w", WorkloadKind::Trace(trace(&rows()[..9])));
    let (names, key) = (table(&[("a", 1.0)]), workload_key(1, "w"));
    let sent = drive(open(&params, &names, 16, key).as_mut(), completes_after(Span(7)));
    let told: Vec<Sent> = (0..)
        .zip(&sent)
        .map(|(place, request)| Sent {
            place,
            key: request.key,
            at: request.at,
            ended_at: request.at + Span(7),
            outcome: crate::observe::Outcome::Completed,
        })
        .collect();
    let mut text = Vec::new();
    write_native(&record(&params, &names, 16, key, 1, &told), "a test", &mut text).unwrap();
    let export = TraceParams::new(Arc::new(CompiledTrace::compile(&read(&text).unwrap(), 16).unwrap()));
    let apart = Some(Apart { salt: 5, shares: false });
    let (again, twice, beside) = (
        send("other name", export.clone()),
        send("w", TraceParams { sample: 2.0, ..export.clone() }),
        send("beside", TraceParams { apart, ..export }),
    );
    assert_eq!(keys(&again), keys(&sent));
    assert_eq!((keys(&twice).len(), keys(&twice).is_superset(&keys(&sent))), (18, true));
    assert!(keys(&beside).is_disjoint(&keys(&sent)));
}
