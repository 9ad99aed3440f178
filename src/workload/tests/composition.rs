//! Workloads beside each other: later, thinner, in part, with ids of their own or shared.

use super::{completes_after, drive, read, table, workload};
use crate::dist::Dist;
use crate::time::Span;
use crate::workload::geography::{geography_notice, geography_of, origin_label};
use crate::workload::{
    AffinityBy, CompiledTrace, Curve, GlobalPrefix, OriginAssignment, Request, SharedPrefix, SyntheticParams,
    Tokens, TraceParams, Until, Window, WorkloadKind, WorkloadParams, check, open, workload_key,
};
use std::collections::BTreeSet;
use std::sync::Arc;

fn trace(text: &str) -> TraceParams {
    TraceParams::new(Arc::new(CompiledTrace::compile(&read(text.as_bytes()).unwrap(), 16).unwrap()))
}

const HEAD: &str = r#"{"regionsim_trace":1,"block_tokens":16}"#;

/// Two hundred sessions of two turns a second apart, and two hundred rows without a session between them.
fn rows() -> Vec<String> {
    let session = |s: u64| {
        let t = s * 1_000_000_000;
        [
            format!(r#"{{"t_ns":{t},"in":9,"out":9,"session":{s},"turn":0}}"#),
            format!(r#"{{"think_ns":5000,"in":30,"out":9,"session":{s},"turn":1}}"#),
            format!(r#"{{"t_ns":{},"in":{},"out":9}}"#, t + 500, 10 + s),
        ]
    };
    (1..=200).flat_map(session).collect()
}

fn replay(rows: &[String], change: impl Fn(&mut TraceParams), origins: &[(&str, f64)]) -> Vec<Request> {
    let mut params = trace(&format!("{HEAD}\n{}", rows.join("\n")));
    change(&mut params);
    let params = workload("w", WorkloadKind::Trace(params));
    let names = table(origins);
    assert_eq!(check(&params, &names, 16), vec![]);
    drive(open(&params, &names, 16, workload_key(1, "w")).as_mut(), completes_after(Span(7)))
}

const ONE: [(&str, f64); 1] = [("a", 1.0)];

#[test]
fn a_sample_keeps_whole_sessions_whatever_the_order_of_lines() {
    let thin = |rows: &[String]| replay(rows, |params| params.sample = 0.3, &ONE);
    let sent = thin(&rows());
    let kept: BTreeSet<u64> = sent.iter().map(|request| request.session).filter(|&id| id != 0).collect();
    let turns = sent.iter().filter(|request| request.session != 0).count();
    assert_eq!(turns, 2 * kept.len(), "both turns or none");
    let alone = sent.len() - turns;
    // Binomial(200, 0.3): 60 ± 5·√42.
    assert!(kept.len().abs_diff(60) < 33 && alone.abs_diff(60) < 33, "{} {alone}", kept.len());
    // Sorted by session so that turns stay in order within theirs.
    let mut other = rows();
    other.reverse();
    other.sort_by_key(|row| row.contains("think_ns"));
    let what = |sent: Vec<Request>| -> BTreeSet<(u64, u64, u32, u32)> {
        sent.iter().map(|r| (r.at.0, r.session, r.turn, r.prompt_tokens)).collect()
    };
    assert_eq!(what(sent), what(thin(&other)));
}

#[test]
fn rows_without_a_session_have_an_origin_whatever_the_order_of_lines() {
    let two = [("a", 1.0), ("b", 1.0)];
    let origins = |rows: &[String]| -> BTreeSet<(u64, u32, u32)> {
        let sent = replay(rows, |_| {}, &two);
        sent.iter().filter(|r| r.session == 0).map(|r| (r.at.0, r.prompt_tokens, r.origin.0)).collect()
    };
    let mut other = rows();
    other.reverse();
    other.sort_by_key(|row| row.contains("think_ns"));
    let forward = origins(&rows());
    assert_eq!(forward, origins(&other));
    let first = forward.iter().filter(|row| row.2 == 0).count();
    assert!(first.abs_diff(100) < 36, "100 ± 5·√50: {first}");
}

#[test]
fn a_window_takes_sessions_that_begin_in_it_and_counts_from_it() {
    let window = Window { from: Span::from_secs(50), lasts: Span::from_secs(10) };
    let sent = replay(&rows(), |params| params.window = Some(window), &ONE);
    // Sessions 50 to 59, and the rows half a microsecond after each.
    assert_eq!(sent.len(), 30);
    assert_eq!((sent[0].at.0, sent[0].turn), (0, 0));
    assert!(sent.iter().all(|request| request.at < crate::time::SimTime(10_000_000_000)));
    let late =
        replay(&rows(), |params| params.window = Some(Window { from: Span::from_secs(195), ..window }), &ONE);
    assert_eq!(late.len(), 18, "195 to 200");
}

#[test]
fn a_shifted_workload_is_the_same_later() {
    let send = |shift| {
        let synthetic = SyntheticParams {
            sessions_per_s: 5.0,
            until: Until::Requests(200),
            turns: Dist::Geometric { mean: 2.0 },
            ..SyntheticParams::default()
        };
        let mut params = workload("w", WorkloadKind::Synthetic(synthetic));
        params.setting.shift = shift;
        drive(open(&params, &table(&ONE), 16, workload_key(1, "w")).as_mut(), completes_after(Span(7)))
    };
    let (now, later) = (send(Span::ZERO), send(Span::from_secs(90)));
    assert_eq!(now.len(), 200);
    for (a, b) in now.iter().zip(&later) {
        assert_eq!(b, &Request { at: a.at + Span::from_secs(90), ..a.clone() });
    }
}

fn layered(name: &str, global: Option<&str>, system: Option<&str>) -> Vec<Request> {
    let synthetic = SyntheticParams {
        until: Until::Requests(50),
        global: Some(GlobalPrefix { tokens: 160, shared_as: global.map(str::to_owned) }),
        system: Some(SharedPrefix {
            count: 1,
            tokens: Tokens::fixed(320),
            zipf: 0.0,
            shared_as: system.map(str::to_owned),
        }),
        message: Tokens::fixed(64),
        ..SyntheticParams::default()
    };
    let params = workload(name, WorkloadKind::Synthetic(synthetic));
    drive(open(&params, &table(&ONE), 16, workload_key(1, name)).as_mut(), completes_after(Span(7)))
}

#[test]
fn ids_are_apart_unless_a_layer_is_shared() {
    // How many blocks the first requests of two workloads share: 10 of the global layer, 20 of the system prompt.
    let shared = |a: (Option<&str>, Option<&str>), b: (Option<&str>, Option<&str>)| {
        let (a, b) = (layered("a", a.0, a.1), layered("b", b.0, b.1));
        let common = a[0].chain.ids(34).zip(b[0].chain.ids(34)).take_while(|(a, b)| a == b).count();
        let (x, y): (BTreeSet<u64>, BTreeSet<u64>) =
            (a[0].chain.ids(34).collect(), b[0].chain.ids(34).collect());
        assert_eq!(x.intersection(&y).count(), common, "what is shared is a prefix");
        common
    };
    assert_eq!(shared((None, None), (None, None)), 0);
    assert_eq!(shared((Some("tools"), None), (Some("tools"), None)), 10);
    assert_eq!(shared((Some("tools"), Some("bank")), (Some("tools"), Some("bank"))), 30);
    assert_eq!(shared((Some("tools"), Some("bank")), (Some("tools"), Some("shop"))), 10);
    assert_eq!(shared((None, Some("bank")), (None, Some("bank"))), 0, "what comes before it is not shared");
    assert_eq!(shared((Some("x"), Some("bank")), (Some("y"), Some("bank"))), 0);
}

#[test]
fn prompts_have_a_home_to_the_degree_asked() {
    // Three prompts of two blocks after a block that all have; every session is alone with the rest.
    let rows: Vec<String> = (0..3000u64)
        .map(|i| {
            format!(r#"{{"t_ns":{i},"in":64,"out":1,"ids":[1,{},{},{}]}}"#, 2 + i % 3, 10 + i % 3, 100 + i)
        })
        .collect();
    let text = format!("{HEAD}\n{}", rows.join("\n"));
    let send = |affinity| {
        let mut params = workload("w", WorkloadKind::Trace(trace(&text)));
        params.origins = OriginAssignment::Weighted { affinity, by: AffinityBy::Prefix, diurnal: true };
        let names = table(&[("a", 1.0), ("b", 1.0)]);
        assert_eq!(check(&params, &names, 16), vec![]);
        let mut source = open(&params, &names, 16, workload_key(1, "w"));
        drive(source.as_mut(), completes_after(Span(7)))
    };
    let homes = |sent: &[Request]| -> BTreeSet<(u64, u32)> {
        sent.iter().map(|request| (request.chain.id(1), request.origin.0)).collect()
    };
    assert_eq!(homes(&send(1.0)).len(), 3, "one origin a prompt");
    assert_eq!(homes(&send(0.0)).len(), 6, "every prompt everywhere");
}

#[test]
fn countries_become_origins_and_what_is_left_is_counted() {
    // By code, by name, by continent; Antarctica is nobody's, and a row may name an origin or nothing.
    let says = [("DE", 40), ("france", 30), ("JP", 20), ("AQ", 7), ("asia-pacific", 2)];
    let mut rows: Vec<String> = Vec::new();
    for (name, count) in says {
        for _ in 0..count {
            let t = rows.len();
            rows.push(format!(r#"{{"t_ns":{t},"in":9,"out":9,"origin":"{name}"}}"#));
        }
    }
    rows.push(r#"{"t_ns":500,"in":9,"out":9}"#.to_owned());
    let mut params = workload("w", WorkloadKind::Trace(trace(&format!("{HEAD}\n{}", rows.join("\n")))));
    let mut names = table(&[("germany", 1.0), ("europe", 1.0), ("asia-pacific", 1.0)]);
    assert_eq!(check(&params, &names, 16).len(), 4, "no origin lists countries: names are mistakes");
    for (row, places) in names.origins.iter_mut().zip([&["DE"][..], &["europe"], &["asia", "oceania"]]) {
        row.geography.countries = places.iter().map(|&place| place.to_owned()).collect();
    }
    assert_eq!(check(&params, &names, 16), vec![]);
    let mut source = open(&params, &names, 16, workload_key(1, "w"));
    let sent = drive(source.as_mut(), completes_after(Span(7)));
    let from = |at: std::ops::Range<u64>, origin: u32| {
        sent.iter().filter(|r| at.contains(&r.at.0)).all(|r| r.origin.0 == origin)
    };
    assert!(from(0..40, 0) && from(40..70, 1) && from(70..90, 2) && from(97..99, 2));
    let report = geography_of(&params, &names).unwrap();
    assert_eq!((report.requests, report.drawn, report.unmapped.get("AQ")), (100, 8, Some(&7)));
    let notice = geography_notice(&params, &names).unwrap();
    assert!(
        notice.starts_with("7 of 100 requests come from countries that no origin lists (AQ 7)"),
        "{notice}"
    );
    let label = |params: &WorkloadParams| origin_label(params, &names, "3");
    assert_eq!(label(&params).as_deref(), Some("synthetic(static, seed 3, affinity 0)"));
    params.setting.rate_curve = Some(Curve::chat());
    assert_eq!(label(&params).as_deref(), Some("synthetic(diurnal, seed 3, affinity 0)"));
    params.origins = OriginAssignment::Single(crate::id::OriginId(1));
    assert_eq!(label(&params).as_deref(), Some("synthetic(single europe, seed 3, affinity 0)"));
}
