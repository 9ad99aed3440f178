//! `regionsim score` as a user types it: a tiny suite that passes and misses, its exit codes, the mistakes of expectation files, and
//! measured requests. The published benchmarks themselves: one fast one here, all of them in `.ci/nightly`.

use assert_cmd::Command;
use regionsim::score;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn regionsim(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("regionsim").expect("the program is built");
    command.current_dir(folder);
    command
}

/// One queue with a constant service of 100 ms and arrivals far apart, so that a request takes just that.
const SCENARIO: &str = r#"
name = "tiny"
[regions.home]
location = "aws:us-east-1"
pools.main = { server.fifo = { slots = 1000, per_request = "100ms" } }
[network]
jitter = "none"
[network.rtt]
"home" = "0ms"
[origins.here]
near = "home"
last_mile = "none"
[workloads.main.synthetic]
stages = [{ rate = 5, for = "20s" }, { rate = 10, for = "20s" }]
[policies.a]
replica.random = {}
decision_time = "0ms"
[policies.b]
replica.round_robin = {}
decision_time = "50ms"
"#;

const SUITE: &str = r#"
title = "a queue"
trust = "A"
sources = [{ what = "nobody", url = "https://example.org" }]
[[expect]]
what = "service"
kind = "absolute"
value = "a.e2e.p50"
published = 100
within = "1%"
gate = true
[[expect]]
what = "decisions"
kind = "ratio"
value = "b@10.e2e.mean / a@10.e2e.mean"
published = 1.5
plus_minus = 0.01
gate = true
[[expect]]
what = "order"
kind = "ordering"
order = ["a.e2e.mean", "b.e2e.mean"]
gate = true
[[expect]]
what = "knee"
kind = "knee"
value = "a@each.requests"
above = 150
published = 10
within = "25%"
gate = true
[[expect]]
what = "no knee"
kind = "knee"
value = "a@each.e2e.mean"
above = 150
never = true
gate = true
[[expect]]
what = "not so"
kind = "absolute"
value = "b.e2e.p50"
published = 100
within = "1%"
gate = false
note = "decisions take 50 ms"
"#;

fn tiny(suite: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("tiny.toml"), SCENARIO).expect("a file");
    fs::write(folder.path().join("tiny.expect.toml"), suite).expect("a file");
    folder
}

fn stdout(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn a_suite_whose_gates_hold_exits_0_and_shows_its_misses() {
    let folder = tiny(SUITE);
    let out = stdout(&regionsim(folder.path()).args(["score", "."]).assert().success());
    assert!(out.contains("5 of 6 expectations hold; of 5 that gate, 0 missed"), "{out}");
    assert!(out.contains("(miss)  not so"), "{out}");
    let json = stdout(&regionsim(folder.path()).args(["score", ".", "--json"]).assert().success());
    let card: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let lines = card["benchmarks"][0]["lines"].as_array().expect("lines");
    // 150 ms instead of 100.
    let error = lines[5]["error"].as_f64().expect("an error");
    assert!((error - 0.5).abs() < 0.001, "{error}");
    assert_eq!(lines[3]["simulated"], "10.0", "five a second for 20 s are some 100, ten some 200");
}

#[test]
fn a_gate_that_misses_exits_1_and_the_page_says_so() {
    let folder = tiny(&SUITE.replace("gate = false", "gate = true"));
    let assert = regionsim(folder.path()).args(["score", ".", "--markdown", "page.md"]).assert().code(1);
    assert!(stdout(&assert).contains("MISS"), "{}", stdout(&assert));
    let page = fs::read_to_string(folder.path().join("page.md")).expect("the page");
    assert!(
        page.contains("| **MISS** | not so |") && page.contains("*not so*: decisions take 50 ms"),
        "{page}"
    );
    // Whatever the number of threads.
    regionsim(folder.path()).args(["score", ".", "--markdown", "one.md", "--threads", "1"]).assert().code(1);
    assert_eq!(fs::read_to_string(folder.path().join("one.md")).expect("the page"), page);
}

/// Every mistake has a place, a rule and a next step; the messages are snapshots.
#[test]
fn mistakes_of_expectation_files_are_told_in_one_go() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("score");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/score"))
        .expect("tests/score")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".expect.toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{} files", files.len());
    for path in files {
        let folder = tiny("");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let there = folder.path().join(&name);
        fs::copy(&path, &there).expect("a copy");
        let found = score::load(&there).expect_err(&name);
        let mut shown = String::new();
        for mut diagnostics in found {
            for item in &diagnostics.items {
                assert!(!item.help.is_empty(), "{name}: no next step for {}", item.title);
            }
            let file =
                Path::new(&diagnostics.file).file_name().expect("a name").to_string_lossy().into_owned();
            diagnostics.file = file;
            shown += &(diagnostics.render(false) + "\n");
        }
        let shown = shown.replace(&folder.path().display().to_string(), "FOLDER");
        settings.bind(|| insta::assert_snapshot!(name.trim_end_matches(".expect.toml"), shown));
    }
}

#[test]
fn paths_that_are_no_suites_are_told() {
    let folder = tiny(SUITE);
    let told = |args: &[&str]| {
        let assert = regionsim(folder.path()).arg("score").args(args).assert().code(2);
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    };
    assert!(told(&["tiny.toml"]).contains("add --measured FILE"));
    assert!(told(&["nowhere.expect.toml"]).contains("check the path"));
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    assert!(told(&["empty"]).contains("no *.expect.toml"));
    fs::write(folder.path().join("m.csv"), "policy,ttft_ms\nc,1\n").expect("a file");
    assert!(told(&["tiny.toml", "--measured", "m.csv"]).contains("no policy `c`"));
    assert!(told(&["tiny.toml", "--measured", "none.csv"]).contains("none.csv"));
}

#[test]
fn measured_requests_stand_beside_simulated_ones() {
    let folder = tiny(SUITE);
    // Policy a answers in 100 ms and b in 150; measured it was the other way round.
    let rows: String = (0..50).map(|_| "a,200\nb,120\n").collect();
    fs::write(folder.path().join("m.csv"), format!("policy,e2e_ms\n{rows}")).expect("a file");
    let command = ["score", "tiny.toml", "--measured", "m.csv"];
    let out = stdout(&regionsim(folder.path()).args(command).assert().success());
    assert!(out.contains("200 / 100 (-50%)"), "{out}");
    assert!(out.contains("b < a") && out.contains("a < b") && out.contains("1 of 1 pairs differ"), "{out}");
}

#[test]
fn a_policy_that_one_side_has_nothing_of_is_named() {
    let folder = tiny(SUITE);
    let score = |csv: &str, more: &[&str]| {
        fs::write(folder.path().join("m.csv"), csv).expect("a file");
        let command = ["score", "tiny.toml", "--measured", "m.csv", "-q"];
        regionsim(folder.path()).args(command).args(more).assert()
    };
    // b was measured without a time, and a has no output token that TPOT could be of.
    let csv = "policy,e2e_ms,tpot_ms\na,200,5\nb,,\n";
    let out = stdout(&score(csv, &["--set", "workloads.main.synthetic.output.constant.value=1"]).success());
    assert!(out.contains("200 / 100 (-50%)"), "{out}");
    assert!(out.contains("a is not compared by TPOT: no simulated request has one\n"), "{out}");
    assert!(out.contains("b is not compared by TTFT, E2E, TPOT: no measured request has one\n"), "{out}");
    let out = score("policy,e2e_ms\na,\nb,\n", &[]).code(2).get_output().stderr.clone();
    let out = String::from_utf8_lossy(&out);
    assert!(out.contains("m.csv: no request in it has a time"), "{out}");
}

#[test]
fn a_ranking_is_repeated_across_the_errors_of_its_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = r#"
name = "unsure"
[models.chat]
preset = "llama-3.1-8b"
[regions.home]
location = "aws:us-east-1"
pools.main = { gpu = "l4", replicas = 2 }
[workloads.main.synthetic]
sessions_per_s = 2
requests = 200
[policies.one]
replica.round_robin = {}
[policies.other]
replica.least_request = {}
"#;
    fs::write(folder.path().join("unsure.toml"), engine).expect("a file");
    let command = ["run", "unsure.toml", "--uncertainty", "--out", "out", "--quiet"];
    let out = stdout(&regionsim(folder.path()).args(command).assert().success());
    // The default profile states no errors by group, so the program's own sizes are taken.
    for change in ["as it is", "step time -12.0 %", "KV capacity +10.0 %", "TTFT +30.0 %", "TTFT p99: "] {
        assert!(out.contains(change), "{change}: {out}");
    }
    let json = fs::read_to_string(folder.path().join("out/uncertainty.json")).expect("uncertainty.json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(7));
    // The manifest lists it, so that the next run does not leave it beside other results.
    let again = ["run", "unsure.toml", "--out", "out", "--quiet", "--policy", "one"];
    regionsim(folder.path()).args(again).assert().success();
    assert!(
        !folder.path().join("out/uncertainty.json").exists() && !folder.path().join("out/other").exists()
    );
    regionsim(folder.path()).args(["run", "unsure.toml", "--out", "out", "--quiet"]).assert().success();
    regionsim(folder.path()).args(["run", "unsure.toml", "--uncertainty", "--json"]).assert().code(2);
    // Twice the replicas answer sooner, whatever the profile misses.
    let command =
        ["compare", "unsure.toml", "--set", "regions.home.pools.main.replicas=4", "--policy", "other"];
    let out = stdout(
        &regionsim(folder.path())
            .args(command)
            .args(["--seeds", "3", "-q", "--uncertainty"])
            .assert()
            .success(),
    );
    assert!(
        out.contains("KV capacity -10.0 %") && out.contains("no verdict turns into its opposite"),
        "{out}"
    );
    let folders = ["compare", "out", "unsure.toml", "--policy", "other", "-q", "--uncertainty"];
    regionsim(folder.path()).args(folders).assert().code(2);
}

/// The fastest of the published benchmarks, and that all of them can be read.
#[test]
fn the_published_benchmarks_can_be_read_and_a_fast_one_holds() {
    let folder = root().join("scenarios/published");
    let mut suites = 0;
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with(".expect.toml") {
            suites += 1;
            let suite = score::load(&path).unwrap_or_else(|found| panic!("{}", found[0]));
            assert!(
                suite.expect.iter().all(|one| !one.gate || one.trust < score::Trust::D),
                "{}",
                suite.name
            );
        }
    }
    assert!(suites >= 8, "{suites}");
    let path = folder.join("prefix-hot-spot.expect.toml");
    regionsim(root()).args(["score", &path.to_string_lossy()]).assert().success();
}

#[test]
fn the_manual_has_every_measure() {
    let page = fs::read_to_string(root().join("docs/SCORE.md")).expect("docs/SCORE.md");
    for measure in score::MEASURES.iter() {
        assert!(page.contains(&format!("`{}`", measure.name)), "docs/SCORE.md lacks {}", measure.name);
    }
}

/// docs/VALIDATION.md is what the program writes. Takes minutes without optimisation: `.ci/nightly` runs it.
#[test]
#[ignore = "runs every published benchmark"]
fn the_page_is_what_the_program_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.md");
    let assert = regionsim(root()).args(["score", "--quiet", "--markdown", &page.to_string_lossy()]).assert();
    let written = fs::read_to_string(&page).expect("the page");
    let kept = fs::read_to_string(root().join("docs/VALIDATION.md")).expect("docs/VALIDATION.md");
    assert!(written == kept, "regionsim score --markdown docs/VALIDATION.md\n{}", stdout(&assert));
}
