//! The page as a whole: well-formed, escaped, without a load, with units, for every kind of run.

use super::*;
use crate::report::figure::Figure;
use crate::report::sample;
use crate::report::setup::{Setup, SetupPool, SetupRegion};
use crate::run::RunResult;
use std::path::PathBuf;

/// A run that was never written.
pub(super) fn run(policies: &[(&str, Vec<RunResult>)]) -> LoadedRun {
    LoadedRun {
        folder: PathBuf::from("reports/sample"),
        name: "sample".to_owned(),
        summary: sample::summary(policies),
        manifest: None,
        scenario: Some("name = \"sample\"\n".to_owned()),
        series: Vec::new(),
        events: Vec::new(),
        setup: None,
        evidence: None,
    }
}

fn two() -> LoadedRun {
    run(&[("fast", vec![sample::cell("fast", 1, 1)]), ("slow", vec![sample::cell("slow", 1, 2)])])
}

fn with_setup(mut run: LoadedRun) -> LoadedRun {
    let region = |name: &str, coordinates| SetupRegion {
        name: name.to_owned(),
        coordinates: Some(coordinates),
        rtt_ms: vec![1.0, 90.0],
        rtt_from: vec!["inside".to_owned(), "rtt/aws".to_owned()],
        ..SetupRegion::default()
    };
    run.setup = Some(Setup {
        description: "A sample".to_owned(),
        regions: vec![region("us", (38.9, -77.5)), region("eu", (50.1, 8.7))],
        pools: vec![SetupPool {
            name: "us/main".to_owned(),
            region: "us".to_owned(),
            replicas: 1,
            gpus_per_replica: 4,
            ..SetupPool::default()
        }],
        ..Setup::default()
    });
    run
}

fn html(runs: &[LoadedRun]) -> String {
    let figure = Figure {
        id: "sample".to_owned(),
        title: "A figure".to_owned(),
        caption: "How to read it.".to_owned(),
        svg: "<svg viewBox=\"0 0 10 10\"><text>x</text></svg>".to_owned(),
    };
    page(runs, &[figure], None).unwrap()
}

/// The page as XML: HTML that closes what it opens, with the few elements that need not be closed, closed.
fn xml(html: &str) -> String {
    let mut text = html.replace("<!doctype html>", "");
    for (tag, attribute) in [("style", "style"), ("script", "script")] {
        let (from, to) = (format!("<{tag}>"), format!("</{attribute}>"));
        while let Some(start) = text.find(&from) {
            let end = start + text[start..].find(&to).expect("it is closed") + to.len();
            text.replace_range(start..end, "");
        }
    }
    let mut out = String::new();
    for (at, part) in text.split('<').enumerate() {
        if at == 0 {
            out.push_str(part);
            continue;
        }
        let void = ["meta ", "input "].iter().any(|tag| part.starts_with(tag));
        let part = if void { part.replacen('>', "/>", 1) } else { part.to_owned() };
        let part = part.replacen(" checked ", " checked=\"\" ", 1);
        let part = part.replacen(" hidden>", " hidden=\"\">", 1);
        out.push('<');
        out.push_str(&part);
    }
    out
}

fn parsed(html: &str, look: impl Fn(&roxmltree::Document<'_>)) {
    let text = xml(html);
    let document = roxmltree::Document::parse(&text);
    look(&document.unwrap_or_else(|error| panic!("{error}\n{text}")));
}

fn words(node: roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.is_text().then(|| node.text()).flatten()).collect()
}

#[test]
fn a_page_is_well_formed_and_its_contents_lead_to_its_sections() {
    for runs in [vec![two()], vec![with_setup(two())], vec![with_setup(two()), two()]] {
        parsed(&html(&runs), |document| {
            let mut ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all, "each id once");
            for link in document.descendants().filter(|node| node.has_tag_name("a")) {
                let to = link.attribute("href").unwrap().strip_prefix('#').expect("no way out");
                assert!(ids.binary_search(&to).is_ok(), "{to}");
            }
            for section in document.descendants().filter(|node| node.has_tag_name("section")) {
                assert!(words(section).trim().len() > 20, "an empty section");
            }
        });
    }
}

#[test]
fn every_table_has_a_caption_units_and_rows_of_its_width() {
    parsed(&html(&[with_setup(two())]), |document| {
        let tables: Vec<_> = document.descendants().filter(|node| node.has_tag_name("table")).collect();
        assert!(tables.len() > 8, "{}", tables.len());
        for table in tables {
            let child = |name| table.children().find(|node| node.has_tag_name(name)).unwrap();
            let caption = words(child("caption"));
            assert!(!caption.trim().is_empty());
            let heads: Vec<_> = child("thead").descendants().filter(|node| node.has_tag_name("th")).collect();
            for head in &heads {
                let number = head.attribute("class") == Some("n");
                let unit = head.children().any(|node| node.has_tag_name("small"));
                assert_eq!(number, unit, "{caption}: {}", words(*head));
            }
            for row in child("tbody").children().filter(|node| node.has_tag_name("tr")) {
                assert_eq!(
                    row.children().filter(roxmltree::Node::is_element).count(),
                    heads.len(),
                    "{caption}"
                );
            }
        }
    });
}

#[test]
fn names_are_text_wherever_they_stand() {
    let nasty = "<script>alert(1)</script>\"'&";
    let mut loaded = with_setup(run(&[(nasty, vec![sample::cell(nasty, 1, 1)])]));
    loaded.summary.scenario = nasty.to_owned();
    loaded.scenario = Some(format!("# {nasty}</code></pre>"));
    let setup = loaded.setup.as_mut().unwrap();
    setup.description = nasty.to_owned();
    setup.regions[0].name = nasty.to_owned();
    let html = html(&[loaded]);
    assert_eq!(html.matches("<script>").count(), 1, "the page's own");
    parsed(&html, |document| assert!(words(document.root()).contains(nasty)));
}

#[test]
fn nothing_is_loaded() {
    let html = html(&[with_setup(two())]);
    for load in ["http://", "https://", "//", "src=", "url(", "@import", "<link", "<img", "<iframe", "fetch("]
    {
        // The script's comments begin with two slashes.
        let rest = html.split("<script>").next().unwrap();
        assert!(!rest.contains(load), "{load}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn equal_runs_give_equal_bytes() {
    assert_eq!(html(&[with_setup(two())]), html(&[with_setup(two())]));
}

#[test]
fn what_a_run_did_not_write_has_no_section() {
    let html = html(&[two()]);
    for absent in ["id=\"fleet\"", "id=\"residency\"", "id=\"events\"", "id=\"classes\""] {
        assert!(!html.contains(absent), "{absent}");
    }
    let with = self::html(&[with_setup(two())]);
    assert!(with.contains("id=\"fleet\"") && with.contains("class=\"map\""));
}

#[test]
fn a_run_with_nothing_measured_has_a_page() {
    let mut nothing = sample::cell("none", 1, 1);
    nothing.book = crate::run::Book::default();
    let html = html(&[run(&[("none", vec![nothing])])]);
    // The script may speak of it.
    let shown = html.split("<script>").next().unwrap();
    assert!(!shown.contains("NaN") && !shown.contains(">inf"));
    parsed(&html, |_| {});
}

#[test]
fn several_runs_are_told_apart() {
    let (mut first, mut second) = (two(), two());
    second.summary.seeds = vec![2];
    let both = html(&[first.clone(), second.clone()]);
    for label in ["seed 1", "seed 2", "with different seeds"] {
        assert!(both.contains(label), "{label}");
    }
    // The same seed: by folder.
    let slower = [("fast", vec![sample::cell("fast", 1, 3)]), ("slow", vec![sample::cell("slow", 1, 4)])];
    let mut second = run(&slower);
    first.name = "before".to_owned();
    second.name = "after".to_owned();
    let both = html(&[first, second]);
    assert!(both.contains("<td>before</td>") && both.contains("<td>after</td>"));
    // The sentence compares all of them.
    assert!(both.contains("fast</code> (before)"), "equal worlds are one comparison");
}

#[test]
fn twelve_regions_and_eight_policies_stay_small() {
    let mut runs = run(&(0..8).map(|_| ("p", vec![sample::cell("p", 1, 1)])).collect::<Vec<_>>());
    for (at, policy) in runs.summary.policies.iter_mut().enumerate() {
        policy.policy = format!("a_policy_with_quite_a_long_name_{at}");
        let cell = &mut policy.cells[0];
        let group = cell.regions[0].clone();
        let cost = cell.cost.regions[0].clone();
        for region in 1..12 {
            cell.regions.push(crate::report::summary::NamedGroup {
                name: format!("region-{region}"),
                ..group.clone()
            });
            cell.cost.regions.push(crate::report::summary::RegionCost {
                region: format!("region-{region}"),
                ..cost.clone()
            });
        }
    }
    let size = html(&[runs]).len();
    assert!(size < 600_000, "without its plots the page has {size} bytes");
}
