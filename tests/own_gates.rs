//! Gates in a scenario's own file: `run` holds them, `check` takes the scenario as it is; and what else a run can be asked
//! to print.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::process::Output;

const SCENARIO: &str = r#"
name = "gated"
warmup = "5s"

[slo.interactive]
ttft = "800ms"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }

[origins.america]
near = "us"

[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 300
tenants = 3

[policies.a]
replica.round_robin = {}
[policies.b]
replica.chwbl = {}

[gates]
GATES
"#;

fn regionsim(folder: &Path, gates: &str, args: &[&str]) -> Output {
    fs::write(folder.join("gated.toml"), SCENARIO.replace("GATES", gates)).unwrap();
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder).env("NO_COLOR", "1").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const RUN: [&str; 4] = ["run", "gated.toml", "--no-files", "-q"];

#[test]
fn a_gate_that_holds_is_shown_and_one_that_is_breached_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let held = "\"ttft.p50\" = \"< 1h\"\n'slo.attainment{origin=\"america\", policy=\"b\"}' = \">= 1%\"";
    let output = regionsim(folder.path(), held, &RUN);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", text(&output.stderr));
    let lines: Vec<&str> = table.lines().filter(|line| line.starts_with("gate holds")).collect();
    assert_eq!(lines.len(), 3, "two policies, then one: {table}");
    assert!(lines[0].contains(" a ") && lines[2].contains("{origin=\"america\"} >= 1%"), "{table}");

    let broken = "\"ttft.p50\" = \"< 1us\"";
    let output = regionsim(folder.path(), broken, &RUN);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).matches("gate BREACHED").count(), 2);
    assert!(text(&output.stderr).contains("2 of 2 gates are breached"));
    let output = regionsim(folder.path(), broken, &[&RUN[..], &["--exit-zero"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let output = regionsim(folder.path(), broken, &[&RUN[..], &["--json", "--policy", "b"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let gates = summary["gates"].as_array().unwrap();
    assert_eq!((gates.len(), &gates[0]["policy"], &gates[0]["holds"]), (1, &"b".into(), &false.into()));
    assert_eq!(gates[0]["value"], summary["policies"][0]["measures"][0]["mean"]);
}

#[test]
fn a_gate_changes_no_result_and_no_hash() {
    let folder = tempfile::tempdir().unwrap();
    let json = |gates: &str| {
        let output = regionsim(folder.path(), gates, &[&RUN[..], &["--json"]].concat());
        let mut summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        summary.as_object_mut().unwrap().remove("gates");
        summary
    };
    assert_eq!(json(""), json("\"ttft.p50\" = \"< 1us\""));
}

#[test]
fn check_takes_a_scenario_with_gates() {
    let folder = tempfile::tempdir().unwrap();
    let check = ["check", "gated.toml", "-q"];
    let output = regionsim(folder.path(), "\"ttft.p50\" = \"< 1h\"", &check);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("2 of 2 policies pass"));
    // Of one policy alone.
    let output = regionsim(folder.path(), "'ttft.p50{policy=\"b\"}' = \"< 1us\"", &check);
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stdout);
    assert!(words.contains("1 of 2 policies pass") && words.contains("ttft.p50 < 1us is broken"), "{words}");
    let output = regionsim(folder.path(), "", &check);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing to hold gated.toml to"), "{}", text(&output.stderr));
}

#[test]
fn stdout_carries_one_thing_and_a_dash_is_it() {
    let folder = tempfile::tempdir().unwrap();
    let gates = "\"ttft.p50\" = \"< 1h\"";
    let page = text(&regionsim(folder.path(), gates, &[&RUN[..], &["--markdown", "-"]].concat()).stdout);
    assert!(page.starts_with("### gated\n") && page.contains("| `ttft.p50 < 1h` | a |"), "{page}");
    assert!(!page.contains("gate holds"), "no table beside it: {page}");
    let audit = regionsim(folder.path(), gates, &[&RUN[..], &["--audit", "-"]].concat());
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit["violations"], 0);
    let trace = [&RUN[..], &["--policy", "a", "--export-trace", "-"]].concat();
    let trace = text(&regionsim(folder.path(), gates, &trace).stdout);
    assert_eq!(trace.lines().count(), 301, "a head and 300 requests");
    let both = [&RUN[..], &["--audit", "-", "--markdown", "-"]].concat();
    let output = regionsim(folder.path(), gates, &both);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("stdout carries one thing"), "{}", text(&output.stderr));
    // A file is the same page.
    regionsim(folder.path(), gates, &[&RUN[..], &["--markdown", "deep/er/page.md"]].concat());
    assert_eq!(fs::read_to_string(folder.path().join("deep/er/page.md")).unwrap(), page);
}

#[test]
fn groups_and_differences_are_shown_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |more: &[&str]| text(&regionsim(folder.path(), "", &[&RUN[..], more].concat()).stdout);
    assert!(!shown(&[]).contains("change against"));
    let table = shown(&["--by", "tenant", "--by", "origin", "--baseline", "b"]);
    assert!(table.contains("change against b") && table.contains("one seed: no interval"), "{table}");
    let tenants: Vec<&str> = table.lines().skip_while(|line| !line.starts_with("tenant")).collect();
    // Three tenants of 300 requests, each under two policies.
    let rows = tenants.iter().skip(1).take_while(|line| !line.is_empty()).count();
    assert_eq!(rows, 6, "{table}");
    let seeds = shown(&["--seeds", "3"]);
    assert!(seeds.contains("change against a") && seeds.contains("of 3 pairs of equal seeds"), "{seeds}");
    let output = regionsim(folder.path(), "", &[&RUN[..], &["--baseline", "c"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("this run has no policy `c`"), "{}", text(&output.stderr));
}
