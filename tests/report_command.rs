//! `regionsim report` as a user meets it: one file, the same bytes, stdout, several runs, messages.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::process::Output;

const SCENARIO: &str = r#"
name = "small"
description = "A few chats"
seed = 5

[slo.interactive]
ttft = "800ms"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }

[regions.eu]
location = "aws:eu-central-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 1 }

[residency.eu]
process_in = ["region:eu"]

[origins.america]
near = "us"
[origins.europe]
near = "eu"
data_class = "eu"

[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 200

[[events]]
kind = "down"
region = "us"
at = "20s"
for = "10s"

[policies.nearest]
global.nearest = {}
replica.least_request = {}

[policies.chwbl]
replica.chwbl = {}
"#;

fn regionsim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A folder with a run in `one` and another in `two`.
fn two_runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), SCENARIO).unwrap();
    let more = ["--set", "regions.eu.pools.main.replicas=2"];
    for (out, more) in [("one", &[][..]), ("two", &more[..])] {
        let audit = format!("{out}/audit.json");
        let run = [&["run", "small.toml", "-q", "--out", out, "--audit", &audit], more].concat();
        let run = regionsim(folder.path(), &run);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    }
    folder
}

#[test]
fn a_run_becomes_one_page_with_the_same_bytes_each_time() {
    let folder = two_runs();
    let told = regionsim(folder.path(), &["report", "one"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert!(text(&told.stdout).starts_with("one/report.html: "), "{}", text(&told.stdout));
    let page = fs::read(folder.path().join("one/report.html")).unwrap();
    let printed = regionsim(folder.path(), &["report", "one", "--out", "-"]);
    assert!(printed.stdout == page, "stdout and file are the same");
    let page = text(&page);
    for section in [
        "result",
        "plots",
        "fleet",
        "regions",
        "classes",
        "origins",
        "cost",
        "residency",
        "events",
        "assumptions",
        "reproduce",
    ] {
        // Plots only where figures are drawn at all.
        assert!(section == "plots" || page.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    assert!(page.contains("Nothing was read, sent or served where a required rule forbids it."));
    assert!(page.contains("regionsim run scenario-as-run.toml --seed 5"));
    assert!(page.contains("A few chats") && page.contains("<code>down</code>"));
}

#[test]
fn several_runs_stand_side_by_side() {
    let folder = two_runs();
    let told =
        regionsim(folder.path(), &["report", "one", "two", "-o", "both.html", "--title", "More in <Europe>"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let page = fs::read_to_string(folder.path().join("both.html")).unwrap();
    for part in ["<h1>More in &lt;Europe&gt;</h1>", "as written", "regions.eu.pools.main.replicas=2"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_is_no_run_is_refused_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (arguments, part) in [
        (
            &["report", "empty"][..],
            "`empty` is not a folder of results: it has none of summary.json (`run`), sweep.json (`sweep`)",
        ),
        (&["report", "nowhere"], "`nowhere` is no folder"),
        (&["report"], "<DIR>"),
    ] {
        let told = regionsim(folder.path(), arguments);
        assert_eq!(told.status.code(), Some(2), "{arguments:?}");
        assert!(text(&told.stderr).contains(part), "{}", text(&told.stderr));
        assert!(told.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(folder.path().join("empty")).unwrap().count(), 0, "nothing was written");
}

#[test]
fn a_page_that_cannot_be_written_is_told() {
    let folder = two_runs();
    let told = regionsim(folder.path(), &["report", "one", "--out", "two"]);
    assert_eq!(told.status.code(), Some(3), "it fails at run time, as any file that cannot be written");
    assert!(text(&told.stderr).contains("cannot write `two`"), "{}", text(&told.stderr));
}

#[test]
fn what_was_drawn_of_an_earlier_run_goes_with_it() {
    let folder = two_runs();
    let at = |name: &str| folder.path().join(name);
    for command in ["report", "plot"] {
        assert_eq!(regionsim(folder.path(), &[command, "one"]).status.code(), Some(0));
    }
    fs::write(at("one/plots/notes.svg"), "<svg>mine</svg>").unwrap();
    assert!(at("one/report.html").exists() && at("one/plots/timeline-chwbl.svg").exists());
    let again = regionsim(folder.path(), &["run", "small.toml", "-q", "--out", "one", "--seed", "6"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(!at("one/report.html").exists() && !at("one/plots/timeline-chwbl.svg").exists());
    assert!(at("one/plots/notes.svg").exists(), "what others wrote stays");
    let again =
        regionsim(folder.path(), &["run", "small.toml", "-q", "--out", "one", "--seed", "7", "--plots"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(at("one/plots/timeline-chwbl.svg").exists(), "what the run itself draws is there");
}
