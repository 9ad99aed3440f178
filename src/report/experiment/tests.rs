//! Folders of experiments, made up: the usual and the ugly.

#![allow(clippy::format_push_string)] // Text of tests: clear before quick.

use super::*;
use crate::report::figures::tests::{no_words_overlap, sound};
use crate::report::page::experiment_page;
use serde_json::{Value, json};
use std::path::Path;

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn opened(folder: &Path) -> Experiment {
    Experiment::read(folder, Kind::of(folder).unwrap()).unwrap().expect("no run")
}

/// Its figures, each sound, and its page, well-formed enough that every `<section` has its end.
fn drawn(files: &[(&str, String)]) -> (Vec<Drawing>, String) {
    let folder = folder(files);
    let experiment = opened(folder.path());
    let drawings = experiment.drawings().unwrap();
    for drawing in &drawings {
        sound(drawing);
        no_words_overlap(drawing);
        let id = &drawing.figure.id;
        assert!(kinds().any(|kind| id == kind || id.starts_with(&format!("{kind}-"))), "{id} is of no kind");
    }
    let page = experiment_page(&experiment, &experiment.figures().unwrap(), None).unwrap();
    assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
    assert!(page.contains("<section id=\"result\">") && page.contains("<section id=\"reproduce\">"));
    assert!(drawings.iter().all(|one| page.contains(&format!("<figure id=\"{}\"", one.figure.id))));
    (drawings, page)
}

fn ids(drawings: &[Drawing]) -> Vec<&str> {
    drawings.iter().map(|drawing| drawing.figure.id.as_str()).collect()
}

fn svg<'d>(drawings: &'d [Drawing], id: &str) -> &'d str {
    &drawings.iter().find(|drawing| drawing.figure.id == id).unwrap_or_else(|| panic!("no {id}")).figure.svg
}

fn change(
    metric: &str,
    unit: &str,
    before: f64,
    difference: f64,
    half: Option<f64>,
    verdict: Option<&str>,
) -> Value {
    json!({
        "metric": metric, "unit": unit, "better": "lower", "pairs": 3, "before": before, "after": before + difference,
        "difference": difference, "interval": half.map(|half| (difference - half, difference + half)),
        "margin": verdict.map(|_| before * 0.01), "p_worse": null, "verdict": verdict, "reliable": true,
        "seeds_wanted": null
    })
}

fn comparison(before: &str, after: &str, changes: Vec<Value>) -> Value {
    json!({
        "before": before, "after": after, "seeds": [1, 2, 3], "equal_outcomes": 0, "confidence": 0.95,
        "changes": changes, "verdict": "worse"
    })
}

fn made() -> Value {
    json!({ "tool_version": "0.1.0", "scenario_hash": "00ff", "workload_hashes": [["main", "12ab"]] })
}

/// Four verdicts, a fact, a measure that was 0, one whose change is a thousand times that of the others.
fn usual() -> Value {
    comparison(
        "here slow",
        "here fast",
        vec![
            change("ttft.p99", "ms", 1000.0, -250.0, Some(20.0), Some("better")),
            change("e2e.p99", "ms", 2000.0, 4.0, Some(10.0), Some("same")),
            change("slo.attainment", "share", 0.9, -0.03, Some(0.01), Some("worse")),
            change(
                "ttft.p50{origin=\"a very long name of an origin\"}",
                "ms",
                100.0,
                3.0,
                Some(4.0),
                Some("inconclusive"),
            ),
            change("waiting.mean", "requests", 0.01, 10.0, Some(5.0), None),
            change("routing.forwards", "1/request", 0.0, 1.0, Some(0.1), None),
            change("cross_region", "share", 0.0, 0.0, Some(0.0), None),
        ],
    )
}

fn compare(comparisons: Vec<Value>) -> String {
    json!({
        "schema_version": 1, "before": made(), "after": made(), "differs": [], "set_both": [],
        "set": ["regions.eu.pools.main.replicas=5"], "comparisons": comparisons
    })
    .to_string()
}

#[test]
fn a_comparison_is_a_forest_with_every_verdict_by_its_mark() {
    let pairs = "comparison,seed,metric,before,after\n1,1,ttft.p99,1000,700\n1,2,ttft.p99,1000,760\n1,3,ttft.p99,1000,790\n";
    let (drawings, page) =
        drawn(&[("compare.json", compare(vec![usual()])), ("pairs.csv", pairs.to_owned())]);
    assert_eq!(ids(&drawings), ["change", "pairs"]);
    let forest = svg(&drawings, "change");
    // 250 of 1000 ms, with 20 to either side; attainment in points.
    for words in ["−25.00 % (−27.00 … −23.00)", "−3.00 pp (−4.00 … −2.00)", "+0.20 % (−0.30 … +0.70)"]
    {
        assert!(forest.contains(words), "{words}");
    }
    for verdict in [">better<", ">same<", ">worse<", ">inconclusive<", ">does not decide<"] {
        assert!(forest.contains(verdict), "{verdict}");
    }
    assert!(!forest.contains("routing.forwards"), "a share of nothing is none");
    assert!(forest.contains('→'), "what goes beyond the edge is told");
    // By hand: −30, −24 and −21 %, their mean −25.
    let by_seed = svg(&drawings, "pairs");
    for words in ["seed 1: −30.00 %", "seed 2: −24.00 %", "seed 3: −21.00 %", ">−25.00 %<"] {
        assert!(by_seed.contains(words), "{words}");
    }
    assert!(page.contains("here: fast with regions.eu.pools.main.replicas=5 against slow"), "said once");
    assert!(page.contains("■ worse") && page.contains("▲ better") && page.contains("00ff"));
}

#[test]
fn several_comparisons_and_single_pairs_are_drawn() {
    let mut single = usual();
    single["seeds"] = json!([1]);
    single["verdict"] = Value::Null;
    for change in single["changes"].as_array_mut().unwrap() {
        (change["interval"], change["verdict"]) = (Value::Null, Value::Null);
    }
    let (drawings, page) = drawn(&[("compare.json", compare(vec![usual(), single]))]);
    assert_eq!(ids(&drawings), ["change-1", "change-2"]);
    assert!(page.contains("Verdicts") && page.contains("no verdict"));
    let nothing = comparison("a b", "a b", vec![]);
    let (drawings, _) = drawn(&[("compare.json", compare(vec![nothing]))]);
    assert!(drawings.is_empty());
}

#[test]
fn a_suite_lists_its_gates_and_draws_what_changed() {
    let held = |bound: &str, value: f64, unit: &str, holds: bool| json!({ "bound": bound, "value": value, "unit": unit, "holds": holds });
    let judged = |policy: &str,
                  standing: &str,
                  reasons: &[&str],
                  thresholds: Vec<Value>,
                  comparison: Value| {
        json!({ "scenario": "here", "policy": policy, "standing": standing, "reasons": reasons, "thresholds": thresholds,
                "comparison": comparison })
    };
    let mut equal = comparison("b", "a", vec![change("ttft.p99", "ms", 5.0, 0.0, Some(0.0), Some("same"))]);
    equal["equal_outcomes"] = json!(3);
    let bounds = vec![
        held("ttft.p99{origin=\"eu\"} < 800ms", 600.0, "ms", true),
        held("slo.attainment >= 95%", 0.9, "share", false),
    ];
    let document = json!({ "schema_version": 1, "suite": "quality", "tool_version": "0.1.0", "policies": [
        judged("fast", "fail", &["ttft.p99 is worse"], bounds, usual()),
        judged("slow", "pass", &[], vec![], equal),
        judged("new", "not_comparable", &["the baseline does not have this policy"], vec![], Value::Null),
    ]});
    let (drawings, page) = drawn(&[("check.json", document.to_string())]);
    assert_eq!(ids(&drawings), ["bounds", "change-here-fast"]);
    let bounds = svg(&drawings, "bounds");
    // 600 of 800 ms are 75 %; 0.9 of 0.95 are 94.7 %.
    assert!(bounds.contains("600.00 ms, 75 % of the bound"), "{bounds}");
    assert!(bounds.contains("90.00 %, 94.7 % of the bound") && bounds.contains(">broken<"));
    for words in [
        "✗ fail",
        "✓ pass",
        "? not comparable",
        "outcomes are those of the baseline",
        "1 of 3 policies fail.",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

fn plan(policies: usize, pools: usize) -> [(&'static str, String); 2] {
    let offers: Vec<String> = (0..pools).map(|pool| format!("region-{pool}/main")).collect();
    let found = |at: usize| {
        let lots: Vec<Value> = offers
            .iter()
            .map(|offer| {
                let region = offer.split('/').next();
                json!({ "offer": offer, "region": region, "gpu": "l4", "replicas": at + 2, "gpus": at + 2, "cost": 1.5 })
            })
            .collect();
        let lost: Vec<Value> = (0..pools)
            .map(|pool| {
                json!({ "region": format!("region-{pool}"), "attainment": [0.8, 0.75, 0.85], "ttft_p99_ms": 900.0,
                        "served_elsewhere": 0.3, "unserved": 0.1, "asked": (pool == 0).then_some(0.9) })
            })
            .collect();
        json!({
            "lots": lots, "cost": 1.5 * pools as f64, "proposed": null,
            "confirmation": { "verdict": "holds", "lines": [
                { "scene": "as is", "group": "chat", "target": 0.95, "attainment": 0.97, "interval": [0.96, 0.98],
                  "ttft_p99_ms": 512.0, "seeds": 8, "verdict": "holds" }
            ] },
            "neighbours": [], "binding": [], "lost": lost, "residency": null,
            "headroom": { "stands": 1.25 + at as f64, "falls": 1.5 + at as f64 }
        })
    };
    let mut plans: Vec<Value> = (0..policies)
        .map(|at| json!({ "policy": format!("policy-{at}"), "found": found(at), "infeasible": null }))
        .collect();
    let why =
        json!({ "reason": "supply", "shown_by": "80 % of 95 %", "relaxations": ["2 more in region-0"] });
    plans.push(json!({ "policy": "never", "found": null, "infeasible": why }));
    let answer = json!({
        "schema_version": 1, "scenario": "here", "tool_version": "0.1.0", "scenario_hash": "abcd", "kind": "steady state",
        "unit": "$/h", "offers": offers, "cases": ["as is"], "search_seeds": [1, 2], "confirm_seeds": [100, 16],
        "confidence": 0.95, "requests_per_cell": 700.0, "plans": plans, "sun": null, "notices": [], "cells": [3, 0]
    });
    let mut points = format!("policy,{},usd_per_hour,ttft_p99_ms,attainment,frontier\n", offers.join(","));
    for at in 0..policies {
        for more in 0..4 {
            let counts = vec![(at + 2 + more).to_string(); pools].join(",");
            let cost = 1.5 * pools as f64 + more as f64;
            points += &format!(
                "policy-{at},{counts},{cost},{},{},true\n",
                600 - 90 * more,
                0.96 + 0.01 * more as f64
            );
        }
    }
    [("plan.json", answer.to_string()), ("pareto.csv", points)]
}

#[test]
fn a_plan_is_drawn_with_its_rivals_its_fleet_and_what_it_loses() {
    let (drawings, page) = drawn(&plan(1, 2));
    assert_eq!(
        ids(&drawings),
        ["pareto-p99", "pareto-attainment", "fleet", "attainment", "region-gone", "headroom"]
    );
    // Two pools at 1.5: the plan is the point that costs 3.
    assert!(svg(&drawings, "pareto-p99").contains("the plan of policy-0, 3.00"));
    assert!(svg(&drawings, "attainment").contains("97.00 of 95.00 % asked, p99 512 ms"));
    assert!(svg(&drawings, "region-gone").contains("80.0 %, p99 900 ms, unserved 10.0 %"));
    assert!(svg(&drawings, "headroom").contains("stands 1.25, falls at 1.50"));
    for words in ["There is no plan: supply.", "2 more in region-0", "3.00 US$ an hour", "abcd"] {
        assert!(page.contains(words), "{words}");
    }
    for (policies, pools) in [(3, 1), (5, 8), (2, 12)] {
        drawn(&plan(policies, pools));
    }
    // What no policy has a plan for, and what lost its points, has no figure, and a page all the same.
    let [answer, _] = plan(0, 2);
    let (drawings, page) = drawn(&[answer]);
    assert!(drawings.is_empty() && page.contains("There is no plan: supply."));
}

fn tune(parameters: usize, candidates: u32) -> [(&'static str, String); 1] {
    let point =
        |number: u32| (0..parameters).map(|at| 0.05 * f64::from(number + 1) + at as f64).collect::<Vec<_>>();
    let all: Vec<Value> = (0..candidates)
        .map(|number| {
            let broken: &[&str] = if number % 3 == 2 { &["e2e.p95"] } else { &[] };
            // The third could not be measured.
            let value = (number != 3)
                .then_some(1.0 - 0.01 * f64::from(number) + if number == 5 { 40.0 } else { 0.0 });
            json!({ "number": number, "phase": "search", "point": point(number),
                    "score": { "value": value, "broken": broken }, "means": {} })
        })
        .collect();
    let names: Vec<Value> = (0..parameters)
        .map(|at| {
            let (scale, low) = if at % 2 == 0 { ("log", 0.01) } else { ("linear", 0.0) };
            json!({ "name": format!("weight-{at}"), "path": format!("policies.gorgo.weight-{at}"), "low": low, "high": 3.0,
                    "scale": scale, "whole": false, "start": 0.05 + at as f64, "published": null, "tuned": 0.2 + at as f64 })
        })
        .collect();
    let contender =
        |name: &str, against: Value| json!({ "name": name, "point": point(0), "tuned_against": against });
    let document = json!({
        "schema_version": 1, "scenario": "here", "policy": "gorgo", "provenance": made(), "method": "es",
        "objective": { "aim": { "measure": "ttft.p99", "better": "lower" }, "limits": [] }, "on": "seeds 1 to 3", "runs": 60,
        "parameters": names, "set": ["policies.gorgo.weight-0=0.2"], "best": candidates - 1, "around": null, "beside": [],
        "candidates": all,
        "judged": { "on": "seeds 4 to 6", "pairs": "seeds", "oracle": null, "contenders": [
            contender("start", usual()), contender("tuned", Value::Null), contender("weight-0=2", usual())
        ] }
    });
    [("tune.json", document.to_string())]
}

#[test]
fn tuned_weights_show_search_landscape_and_what_was_held_out() {
    let (drawings, page) = drawn(&tune(2, 10));
    assert_eq!(
        ids(&drawings),
        [
            "search",
            "landscape-weight-0-weight-1",
            "landscape-weight-0",
            "landscape-weight-1",
            "held-out-start",
            "held-out-weight-0-2"
        ]
    );
    // Nine of ten have a score; each is told where it is pointed at.
    assert_eq!(svg(&drawings, "search").matches("<title>candidate ").count(), 9);
    assert!(svg(&drawings, "search").contains("breaks e2e.p95"));
    assert!(svg(&drawings, "held-out-start").contains("−25.00 % (−27.00 … −23.00)"));
    assert!(page.contains("--set policies.gorgo.weight-0=0.2") && page.contains("Judged on seeds 4 to 6"));
    for (parameters, candidates) in [(1, 1), (1, 40), (4, 200)] {
        drawn(&tune(parameters, candidates));
    }
}

/// Two settings, two policies, two seeds; the last cell failed.
fn sweep(points: u64) -> Vec<(&'static str, String)> {
    let manifest = json!({
        "schema_version": 1, "tool": "regionsim 0.1.0", "sweep": "beef", "scenario": "here", "overrides": [],
        "over": ["a.b.replicas=1,2", "c.d.scale=1,2"], "points": points, "policies": ["near", "far"], "seeds": 2, "cells": 4 * points
    });
    let mut lines = String::new();
    let mut rows = "cell,point,id,policy,seed,status,reason,outcome_digest,a.b.replicas,c.d.scale,set.seed,ttft.p99,slo.attainment,\
                    unreliable\n"
        .to_owned();
    let mut cell = 0;
    for point in 0..points {
        let (replicas, scale) = (point / 2 + 1, point % 2 + 1);
        let settings =
            json!({ "a.b.replicas": replicas.to_string(), "c.d.scale": scale.to_string(), "seed": "9" });
        lines += &(json!({ "point": point, "settings": settings }).to_string() + "\n");
        for (at, policy) in ["near", "far"].iter().enumerate() {
            for seed in 1..=2 {
                let last = cell == 4 * points - 1;
                let p99 = 100 * replicas * (at as u64 + 1) + 10 * seed;
                rows += &if last {
                    format!(
                        "{cell},{point},id,{policy},{seed},failed,it fell over,,{replicas},{scale},9,,,\n"
                    )
                } else {
                    format!(
                        "{cell},{point},id,{policy},{seed},ok,,d1,{replicas},{scale},9,{p99},0.95,ttft.p99\n"
                    )
                };
                cell += 1;
            }
        }
    }
    vec![("sweep.json", manifest.to_string()), ("points.jsonl", lines), ("rows.csv", rows)]
}

#[test]
fn a_sweep_is_read_back_from_its_rows() {
    let mut files = sweep(4);
    let (drawings, page) = drawn(&files);
    assert_eq!(
        ids(&drawings),
        [
            "sweep-ttft-p99-a-b-replicas",
            "sweep-ttft-p99-c-d-scale",
            "sweep-ttft-p99-map-near",
            "sweep-ttft-p99-map-far"
        ]
    );
    // One replica, the near policy, 110 and 120 ms: the mean is 115.
    assert!(page.contains("<strong>115.0 ms</strong>"), "the best of all");
    for words in ["it fell over", "replicas", "1 cell did not run", "beef", "--over a.b.replicas=1,2"] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("fewer than ten samples lie beyond").count(), 8, "of the last, one seed is left");
    files.push(("best.json", json!({ "objective": "slo.attainment" }).to_string()));
    let (drawings, _) = drawn(&files);
    assert!(ids(&drawings).iter().all(|id| id.starts_with("sweep-slo-attainment-")), "{:?}", ids(&drawings));
    let (_, page) = drawn(&sweep(300));
    assert!(page.contains("The 400 best of 600"));
}

#[test]
fn what_is_no_experiment_is_said_with_a_next_step() {
    let told = |files: &[(&str, &str)]| {
        let files: Vec<(&str, String)> =
            files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let folder = folder(&files);
        let read = Kind::of(folder.path()).and_then(|kind| Experiment::read(folder.path(), kind));
        read.map(|_| ()).unwrap_err().to_string()
    };
    let nothing = told(&[("notes.txt", "x")]);
    for (_, file, command) in Kind::ALL {
        assert!(nothing.contains(file) && nothing.contains(command), "{nothing}");
    }
    let both = told(&[("summary.json", "{}"), ("plan.json", "{}")]);
    assert!(
        both.contains("summary.json (`run`), plan.json (`plan --out`); keep each in a folder of its own"),
        "{both}"
    );
    let broken = told(&[("tune.json", "{")]);
    assert!(broken.contains("tune.json` is not as `tune` of this version writes it"), "{broken}");
    let manifest = sweep(1).remove(0).1;
    let shards = told(&[("sweep.json", &manifest)]);
    assert!(shards.contains("no rows.csv: put them together with `regionsim sweep merge"), "{shards}");
    let rows = told(&[("sweep.json", &manifest), ("points.jsonl", ""), ("rows.csv", "cell\n1\n")]);
    assert!(rows.contains("the column `point` is missing"), "{rows}");
    let document = compare(vec![usual()]);
    let pairs = told(&[
        ("compare.json", &document),
        ("pairs.csv", "comparison,seed,metric,before,after\n1,1,x,many,2\n"),
    ]);
    assert!(pairs.contains("line 2: `many` is no number"), "{pairs}");
    let gone = Kind::of(Path::new("nowhere")).unwrap_err().to_string();
    assert!(gone.contains("is no folder; give one"), "{gone}");
}

#[test]
fn pairs_are_read_as_they_are_written() {
    let pair = |seed, after| compared::Pair {
        comparison: 1,
        seed,
        metric: "ttft.p99{origin=\"a,b\"}".into(),
        before: 0.1,
        after,
    };
    let pairs = vec![pair(1, 1.0 / 3.0), pair(u64::MAX, -2.5e-9)];
    let mut text = Vec::new();
    compared::pairs_csv(&pairs, &mut text).unwrap();
    let folder = folder(&[("pairs.csv", String::from_utf8(text).unwrap())]);
    assert_eq!(compared::pairs(folder.path(), Kind::Compare).unwrap(), pairs);
}
