//! Figures of made-up runs: the usual and the ugly.

use super::super::draw::labels::{boxes, overlap};
use super::super::loaded::{CellSeries, EventMark, LoadedRun, SeriesPoint};
use super::super::sample;
use super::super::summary::{CellSummary, Flows, LegBand, NamedGroup, Percentile, PolicySummary, Summary};
use super::*;
use crate::report::figure::Drawing;
use std::path::PathBuf;

fn run(summary: Summary, series: Vec<CellSeries>) -> LoadedRun {
    LoadedRun {
        folder: PathBuf::new(),
        name: "here".to_owned(),
        summary,
        manifest: None,
        scenario: None,
        series,
        events: vec![EventMark {
            at_s: 20.0,
            until_s: None,
            kind: "brown_out".to_owned(),
            region: Some("region-1".to_owned()),
            target: "region-1".to_owned(),
        }],
        setup: None,
        evidence: None,
    }
}

/// A run of a few policies with hand-made rows.
fn usual() -> LoadedRun {
    let policies: Vec<(&str, Vec<crate::run::RunResult>)> =
        [("nearest", 1), ("spread", 3)].map(|(name, ms)| (name, vec![sample::cell(name, 1, ms)])).to_vec();
    run(sample::summary(&policies), Vec::new())
}

/// What a made-up run has.
struct Made {
    policies: usize,
    regions: usize,
    /// The time to first token at share `s` under policy `p`, ms.
    ttft_ms: fn(usize, f64) -> f64,
    requests: u64,
    windows: u64,
    name: fn(usize) -> String,
}

fn made(made: &Made) -> LoadedRun {
    let mut summary = sample::summary(&[("a", vec![sample::cell("a", 1, 1)])]);
    let first = summary.policies[0].clone();
    summary.policies = (0..made.policies).map(|p| policy(made, &first, p)).collect();
    let regions: Vec<String> = (0..made.regions).map(|r| format!("region-{r}")).collect();
    let points = |p: usize| {
        let at = move |i: u64| SeriesPoint {
            start_s: (i / made.regions as u64) as f64 * 5.0,
            region: (i % made.regions as u64) as usize,
            sent: (i * 7 + p as u64) % 23,
            completed: i % 5,
            hit_rate: (!i.is_multiple_of(5)).then_some((i % 10) as f64 / 10.0),
            ttft_p50_ms: (!i.is_multiple_of(5)).then_some((made.ttft_ms)(p, 0.5)),
            ttft_p99_ms: (!i.is_multiple_of(5)).then_some((made.ttft_ms)(p, 0.99)),
            running: i % 9,
            waiting: i % 3,
            kv_use: Some(0.001 * (i % 900) as f64),
            replicas: Some(2),
            ..SeriesPoint::default()
        };
        (0..made.windows * made.regions as u64).map(at).collect::<Vec<_>>()
    };
    let cells = (0..made.policies).map(|p| CellSeries {
        policy: (made.name)(p),
        seed: 1,
        window_s: if made.windows > 1 { 5.0 } else { 0.0 },
        regions: regions.clone(),
        points: points(p),
    });
    run(summary, cells.collect())
}

fn policy(made: &Made, first: &PolicySummary, p: usize) -> PolicySummary {
    let mut policy = first.clone();
    policy.policy = (made.name)(p);
    for measure in &mut policy.measures {
        let share = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];
        if let Some((_, share)) = share.iter().find(|(name, _)| measure.name == format!("ttft.{name}")) {
            measure.mean = (made.requests > 0).then(|| (made.ttft_ms)(p, *share));
        }
    }
    let cell: &mut CellSummary = &mut policy.cells[0];
    let n = made.requests;
    cell.all.ttft.n = n;
    cell.all.ttft.percentiles = vec![Percentile { p: 50.0, ms: (made.ttft_ms)(p, 0.5), n, reliable: n > 20 }];
    cell.ttft_curve_ms =
        super::super::curves::shares(n).iter().map(|&share| (made.ttft_ms)(p, share)).collect();
    let legs: Vec<f64> =
        (0..10).map(|leg| (made.ttft_ms)(p, 0.5) * f64::from((leg * 3 + p as u32) % 7) / 25.0).collect();
    cell.ttft_bands = [(0.0, 50.0), (50.0, 90.0), (90.0, 99.0), (99.0, 100.0)]
        .iter()
        .filter(|_| n > 0)
        .map(|&(from, to)| LegBand {
            from,
            to,
            requests: n.div_ceil(4),
            network_bound: n / 9,
            legs_ms: legs.clone(),
        })
        .collect();
    let names = |what: &str| {
        let one = |r: usize| NamedGroup { name: format!("{what}-{r}"), group: cell.all.clone() };
        (0..made.regions).map(one).collect::<Vec<_>>()
    };
    let (origins, regions) = (names("origin-with-a-long-name"), names("region"));
    (cell.origins, cell.regions) = (origins, regions);
    let count = |o: usize, r: usize| if n == 0 { 0 } else { ((o * 5 + r * 3 + p) % 4) as u64 * n / 10 };
    let all = 0..made.regions;
    cell.flows = Flows {
        requests: all.clone().map(|o| all.clone().map(|r| count(o, r)).collect()).collect(),
        ttft_mean_ms: all
            .clone()
            .map(|o| all.clone().map(|r| (count(o, r) > 0).then(|| (made.ttft_ms)(p, 0.5))).collect())
            .collect(),
    };
    policy
}

/// A dozen regions, sixteen policies with long names.
fn many() -> LoadedRun {
    made(&Made {
        policies: 16,
        regions: 12,
        ttft_ms: |p, share| 50.0 + 8.0 * p as f64 + 400.0 * share * share / (1.02 - share),
        requests: 100_000,
        windows: 1_000,
        name: |p| format!("nearest_then_consistent_hashing_with_bounded_loads_and_guard_number_{p}"),
    })
}

/// The SVG parses; no number is none; words stand inside the drawing.
pub(in crate::report) fn sound(drawing: &Drawing) {
    let figure = &drawing.figure;
    let text = &figure.svg;
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{}: {error}", figure.id));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{}: {value}", figure.id);
        }
    }
    let (wide, high) = drawing.scene.size;
    for (words, ((left, top), (right, bottom))) in boxes(&drawing.scene) {
        let inside = left >= -1.0 && right <= wide + 1.0 && top >= -1.0 && bottom <= high + 1.0;
        assert!(
            inside,
            "{}: `{words}` ends outside: {left} {top} {right} {bottom} of {wide} {high}",
            figure.id
        );
    }
    assert!(!figure.title.is_empty() && figure.caption.ends_with('.'), "{}", figure.id);
    assert!(
        figure.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
        "{}",
        figure.id
    );
}

pub(in crate::report) fn no_words_overlap(drawing: &Drawing) {
    let all = boxes(&drawing.scene);
    for (i, (words, own)) in all.iter().enumerate() {
        for (others, other) in &all[i + 1..] {
            // A pixel of an ascender may touch.
            let shrunk = ((own.0.0 + 1.0, own.0.1 + 2.5), (own.1.0 - 1.0, own.1.1 - 2.5));
            assert!(!overlap(shrunk, *other), "{}: `{words}` lies on `{others}`", drawing.figure.id);
        }
    }
}

fn checked(runs: &[LoadedRun]) -> Vec<Drawing> {
    let all = drawings(runs).unwrap();
    for drawing in &all {
        sound(drawing);
        no_words_overlap(drawing);
    }
    let mut ids: Vec<&str> = all.iter().map(|drawing| drawing.figure.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "ids are unique");
    all
}

#[test]
fn figures_name_their_axes_with_units_and_their_policies() {
    let all = checked(&[usual()]);
    let of = |id: &str| &all.iter().find(|drawing| drawing.figure.id == id).expect(id).figure.svg;
    for id in
        ["ttft-cdf", "ttft-tail", "ttft-percentiles", "ttft-legs", "ttft-legs-by-rank", "cache", "cost-p99"]
    {
        assert!(of(id).contains("nearest") && of(id).contains("spread"), "{id}");
    }
    assert!(of("ttft-cdf").contains("TTFT at the client, ms (logarithmic)"));
    assert!(of("ttft-legs").contains(">queue<") && of("ttft-legs").contains(">prefill<"));
    // 90 requests of 1 … 90 ms: the mean is 45.5, and no network at all.
    assert!(of("ttft-legs").contains("45.5 ms") && of("ttft-legs").contains(">0 %<"));
    assert!(of("cache").contains(">25 %<"), "2,250 of 9,000 prompt tokens");
    // All of both origins was served in `us`: 45 requests each.
    assert!(of("flows-nearest").contains(">100 %<") && of("flows-nearest").contains(">45 ms<"));
    assert!(!of("ttft-percentiles").contains('±'), "one seed has no interval");
}

#[test]
fn equal_runs_give_equal_bytes() {
    assert_eq!(figures(&[many()]).unwrap(), figures(&[many()]).unwrap());
}

#[test]
fn a_dozen_regions_and_sixteen_policies_with_long_names_fit() {
    let all = checked(&[many()]);
    assert_eq!(all.len(), 7 + 16 + 16);
    let size = |drawing: &Drawing| drawing.figure.svg.len();
    let (largest, whole) = (all.iter().map(size).max().unwrap(), all.iter().map(size).sum::<usize>());
    assert!(largest < 100_000 && whole < 2_500_000, "{largest} of {whole} bytes");
    let timeline = &all.iter().find(|drawing| drawing.figure.id.starts_with("timeline")).unwrap().figure;
    assert!(timeline.svg.contains("brown out") && timeline.caption.contains("region-1 brown out from 20 s"));
}

#[test]
fn sixteen_looks_are_told_apart_with_colour_and_without() {
    use super::super::draw::Style;
    let looks: Vec<Style> = (0..16).map(Style::of).collect();
    for (i, a) in looks.iter().enumerate() {
        for b in &looks[i + 1..] {
            assert_ne!((a.colour, a.dash), (b.colour, b.dash));
            assert_ne!((a.dash, a.marker), (b.dash, b.marker));
        }
    }
}

#[test]
fn a_policy_keeps_its_look_over_runs() {
    let (first, mut second) = (usual(), usual());
    second.name = "there".to_owned();
    second.summary.policies.reverse();
    let runs = [first, second];
    let looks = cast::members(&runs);
    let names: Vec<String> = looks.iter().map(cast::Member::name).collect();
    assert_eq!(names, ["here · nearest", "here · spread", "there · spread", "there · nearest"]);
    assert_eq!(
        (looks[0].style.colour, looks[1].style.colour),
        (looks[3].style.colour, looks[2].style.colour)
    );
    assert_ne!(looks[0].style.dash, looks[3].style.dash);
    checked(&runs);
}

#[test]
fn the_ugly_cases_are_drawn_too() {
    let usual = Made {
        policies: 1,
        regions: 1,
        ttft_ms: |_, share| 10.0 + 100.0 * share,
        requests: 1_000,
        windows: 20,
        name: |_| "a".to_owned(),
    };
    // One request; none; all equal; six decades; zeros; names that are markup, or nothing an id could hold.
    checked(&[made(&Made { requests: 1, windows: 1, ..usual })]);
    checked(&[made(&Made { requests: 0, windows: 0, ..usual })]);
    checked(&[made(&Made { policies: 3, ttft_ms: |_, _| 42.0, name: |p| format!("p{p}"), ..usual })]);
    checked(&[made(&Made { ttft_ms: |_, share| 0.1 * libm::pow(10.0, share * 6.0), ..usual })]);
    checked(&[made(&Made { ttft_ms: |_, _| 0.0, ..usual })]);
    checked(&[made(&Made { policies: 2, name: |p| format!("<&\"{p}\u{1}>"), ..usual })]);
    checked(&[made(&Made { policies: 2, name: |p| ["東京", "大阪"][p].to_owned(), ..usual })]);
    checked(&[]);
    let mut empty = made(&usual);
    empty.summary.policies.clear();
    checked(&[empty]);
    let mut bare = made(&usual);
    bare.summary.policies[0].cells.clear();
    checked(&[bare]);
    let mut broken = made(&usual);
    broken.summary.policies[0].cells[0].ttft_curve_ms[3] = f64::NAN;
    broken.summary.policies[0].measures.iter_mut().for_each(|measure| measure.mean = Some(f64::INFINITY));
    checked(&[broken]);
}

#[cfg(feature = "png")]
#[test]
fn pictures_are_png_and_the_same_every_time() {
    let all = drawings(&[usual()]).unwrap();
    for drawing in &all {
        let png = drawing.png().unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n"), "{}", drawing.figure.id);
        assert_eq!(png, drawing.png().unwrap());
        // The header has width and height: two pixels for one.
        let wide = u32::from_be_bytes([png[16], png[17], png[18], png[19]]);
        assert_eq!(f64::from(wide), (drawing.scene.size.0 * 2.0).ceil());
    }
}
