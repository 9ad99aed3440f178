//! Requests that may go to some regions alone: read, held against the scenario, written again.

use super::{completes_after, drive, read, table, workload};
use crate::id::{DataClassId, Id, OriginId, RegionId, RegionSet};
use crate::time::Span;
use crate::workload::as_sent::{Sent, record};
use crate::workload::geography::origin_label;
use crate::workload::subset::{Part, subset};
use crate::workload::to_mooncake::mooncake_losses;
use crate::workload::write::write_native;
use crate::workload::{
    CompiledTrace, OriginAssignment, OriginTable, TraceParams, WorkloadKind, WorkloadParams, check, nowhere,
    open, unknown_names, unserved, workload_key,
};
use std::sync::Arc;

const TEXT: &str = r#"{"regionsim_trace":1,"block_tokens":16}
{"t_ns":0,"in":9,"out":9,"allowed_regions":["us","eu"]}
{"t_ns":10,"in":9,"out":9}
{"t_ns":20,"in":9,"out":9,"allowed_regions":["eu","us","eu"]}
{"t_ns":30,"in":9,"out":9,"allowed_regions":["ap"],"origin":"b"}
"#;

fn set(regions: &[usize]) -> RegionSet {
    regions.iter().map(|&region| RegionId::new(region)).collect()
}

/// Regions us, eu, ap and one without a pool; data class `eu` may be processed in eu alone; origin a has class none,
/// origin b has class eu.
fn world() -> OriginTable {
    OriginTable {
        regions: ["us", "eu", "ap", "empty"].map(str::to_owned).to_vec(),
        served_in: vec![set(&[0, 1, 2]), set(&[1])],
        ..table(&[("a", 1.0), ("b", 1.0)])
    }
}

fn replayed(text: &str) -> WorkloadParams {
    let data = read(text.as_bytes()).unwrap();
    let trace = Arc::new(CompiledTrace::compile(&data, 16).unwrap());
    workload("w", WorkloadKind::Trace(TraceParams::new(trace)))
}

#[test]
fn a_request_brings_its_regions_and_the_workload_narrows_them() {
    let mut params = replayed(TEXT);
    let sent = |params: &WorkloadParams| -> Vec<Option<RegionSet>> {
        let mut source = open(params, &world(), 16, workload_key(1, "w"));
        drive(source.as_mut(), completes_after(Span(1))).iter().map(|request| request.allowed).collect()
    };
    let both = Some(set(&[0, 1]));
    assert_eq!(sent(&params), [both, None, both, Some(set(&[2]))]);
    params.setting.allowed = Some(set(&[1, 2]));
    assert_eq!(sent(&params), [Some(set(&[1])), Some(set(&[1, 2])), Some(set(&[1])), Some(set(&[2]))]);
}

fn served(_: OriginId, class: DataClassId) -> RegionSet {
    world().served_in[class.index()]
}

#[test]
fn what_no_region_may_serve_is_told_with_its_line() {
    // The request from b has its origin's class, eu; ap is not for it. Lines 2 and 4 may have class none.
    let found = nowhere(&replayed(TEXT), &world(), served);
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [5]);
    let said = found[0].to_string();
    for word in ["allowed_regions", "[ap]", "`eu`"] {
        assert!(said.contains(word), "{said}");
    }
    // A class of the row's own goes before the origin's.
    let own = TEXT.replace(r#""origin":"b""#, r#""origin":"b","data_class":"none""#);
    assert_eq!(nowhere(&replayed(&own), &world(), served), vec![]);
    // Within what the workload allows, [us, eu] is nothing: told once, for the first line of it.
    let mut narrow = replayed(&own);
    narrow.setting.allowed = Some(set(&[2]));
    assert_eq!(
        nowhere(&narrow, &world(), served).iter().map(|finding| finding.line).collect::<Vec<_>>(),
        [2]
    );
    // No pool, no service.
    let empty = TEXT.replace("ap", "empty");
    assert_eq!(nowhere(&replayed(&empty), &world(), served).len(), 1);
}

/// Class none is served in us, eu and ap, class eu in eu alone.
#[test]
fn classes_that_the_workload_lets_nobody_serve_are_told() {
    let (none, eu) = (DataClassId::new(0), DataClassId::new(1));
    let world = world();
    let narrow = |mut params: WorkloadParams, allowed: &[usize]| {
        params.setting.allowed = Some(set(allowed));
        params
    };
    let without = |word: &str| replayed(&TEXT.replace(word, ""));
    // Origins are drawn, a and b: both classes come.
    let drawn = without(r#","origin":"b""#);
    assert_eq!(unserved(&drawn, &world), []);
    assert_eq!(unserved(&narrow(drawn.clone(), &[0, 2]), &world), [eu]);
    assert_eq!(unserved(&narrow(drawn.clone(), &[0, 1]), &world), []);
    assert_eq!(unserved(&narrow(drawn.clone(), &[3]), &world), [none, eu]);
    // One origin, or a class of the workload's own, goes before that.
    let mut single = narrow(drawn, &[0]);
    single.origins = OriginAssignment::Single(OriginId::new(0));
    assert_eq!(unserved(&single, &world), []);
    single.data_class = Some(eu);
    assert_eq!(unserved(&single, &world), [eu]);
    // Of a trace that names origins, what they bring; of one that names classes, those.
    assert_eq!(unserved(&narrow(replayed(TEXT), &[2]), &world), [eu]);
    let own = TEXT.replace(r#""origin":"b""#, r#""data_class":"none""#);
    assert_eq!(unserved(&narrow(replayed(&own), &[2]), &world), []);
    assert_eq!(unserved(&narrow(replayed(&own), &[3]), &world), [none]);
}

#[test]
fn regions_that_the_scenario_has_not_are_told_with_their_line() {
    let params = replayed(&TEXT.replace(r#""us""#, r#""mars""#));
    let WorkloadKind::Trace(trace) = &params.kind else { panic!("a trace") };
    let unknown = unknown_names(&trace.trace, &world());
    assert_eq!((unknown.len(), unknown[0].line, unknown[0].field.as_str()), (1, 2, "allowed_regions"));
    assert!(unknown[0].to_string().contains("us, eu, ap, empty"), "{}", unknown[0]);
    assert_eq!(check(&params, &world(), 16).len(), 1);
}

#[test]
fn writing_and_reading_keeps_them_and_mooncake_cannot() {
    let data = read(TEXT.as_bytes()).unwrap();
    let mut text = Vec::new();
    write_native(&data, "a test", &mut text).unwrap();
    let again = read(&text).unwrap();
    assert_eq!(again.content_hash(), data.content_hash());
    assert!(String::from_utf8(text).unwrap().contains(r#""allowed_regions":["us","eu"]"#));
    // The order of names means nothing, a name does.
    let same = read(TEXT.replace(r#""us","eu""#, r#""eu","us""#).as_bytes()).unwrap();
    assert_eq!(same.content_hash(), data.content_hash());
    let other = read(TEXT.replace(r#"["ap"]"#, r#"["eu"]"#).as_bytes()).unwrap();
    assert_ne!(other.content_hash(), data.content_hash());
    let lost = mooncake_losses(&data).meaning;
    assert!(lost.iter().any(|loss| loss == "3 of 4 requests may go to some regions alone"), "{lost:?}");
}

#[test]
fn an_export_has_what_the_workload_does_not_say() {
    for setting in [None, Some(set(&[1, 2]))] {
        let mut params = replayed(TEXT);
        params.setting.allowed = setting;
        let key = workload_key(1, "w");
        let sent = drive(open(&params, &world(), 16, key).as_mut(), completes_after(Span(1)));
        let (mut told, mut place) = (Vec::new(), 0..);
        for request in &sent {
            told.push(Sent {
                place: place.next().unwrap(),
                key: request.key,
                at: request.at,
                ended_at: request.at + Span(1),
                outcome: crate::observe::Outcome::Completed,
            });
        }
        let mut text = Vec::new();
        write_native(&record(&params, &world(), 16, key, 1, &told), "a test", &mut text).unwrap();
        let mut again = replayed(&String::from_utf8(text).unwrap());
        again.setting = params.setting.clone();
        let resent = drive(open(&again, &world(), 16, key).as_mut(), completes_after(Span(1)));
        assert_eq!(resent, sent, "{setting:?}");
    }
}

#[test]
fn lists_that_say_nothing_are_refused() {
    let wrong = |list: &str, word: &str| {
        let row = format!(r#"{{"t_ns":0,"in":9,"out":9,"allowed_regions":{list}}}"#);
        super::malformed::wrong(&format!("{}\n{row}\n", &TEXT[..39]), 2, "allowed_regions", &[word]);
    };
    wrong("[]", "at least one region");
    wrong("[3]", "list of names in quotes");
    wrong(r#""us""#, "list of names in quotes");
}

#[test]
fn an_export_says_that_its_origins_were_drawn() {
    let params = replayed(&TEXT.replace(r#","origin":"b""#, ""));
    let key = workload_key(7, "w");
    let sent = drive(open(&params, &world(), 16, key).as_mut(), completes_after(Span(1)));
    let told: Vec<Sent> = (0..)
        .zip(&sent)
        .map(|(place, request)| Sent {
            place,
            key: request.key,
            at: request.at,
            ended_at: request.at + Span(1),
            outcome: crate::observe::Outcome::Completed,
        })
        .collect();
    let mut text = Vec::new();
    write_native(&record(&params, &world(), 16, key, 7, &told), "a test", &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let label = "synthetic(static, seed 7, affinity 0)";
    assert!(text.lines().next().unwrap().contains(&format!(r#""origin":"{label}""#)), "{text}");
    // A replay under another seed draws nothing, and says what was drawn; so does a part of it.
    let again = replayed(&text);
    assert_eq!(origin_label(&again, &world(), "9").as_deref(), Some(label));
    let part = subset(&read(text.as_bytes()).unwrap(), Part::Head(2));
    assert_eq!(part.origin_label, label);
    // Put in one place, they are drawn anew.
    let mut single = again;
    single.origins = OriginAssignment::Single(OriginId(1));
    let anew = origin_label(&single, &world(), "9").unwrap();
    assert_eq!(anew, "synthetic(single b, seed 9, affinity 0)");
    // Recorded origins have no label.
    let recorded = replayed(&format!("{}\n{}", &TEXT[..39], r#"{"t_ns":0,"in":9,"out":9,"origin":"a"}"#));
    assert_eq!(origin_label(&recorded, &world(), "9"), None);
}
