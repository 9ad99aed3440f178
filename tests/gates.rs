//! `regionsim compare` and `regionsim check` as users and CI meet them: verdicts, exit codes, files, mistakes.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

/// Two regions, sessions that come back with growing prompts, and a cache that holds some of them.
const SCENARIO: &str = r#"
name = "small"
seed = 5

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 3, engine.kv_blocks = 2000 }

[origins.america]
near = "us"

[workloads.main.synthetic]
sessions_per_s = 3.0
requests = 300
turns.constant.value = 5
think_s.constant.value = 5




[policies.chwbl]
replica.chwbl = { load_factor = 1.25 }

[policies.rr]
replica.round_robin = {}
"#;

const SUITE: &str = r#"
seeds = 10

[tolerance]
"ttft.p50" = "2%"
"cache.hit_rate" = "1pp"

[scenarios.small]
file = "small.toml"
[scenarios.small.thresholds]
"ttft.p50" = "< 60s"
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.write("small.toml", SCENARIO);
        desk.write("suite.toml", SUITE);
        desk
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }
    fn run(&self, line: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::cargo_bin("regionsim")
            .unwrap()
            .current_dir(self.path())
            .args(line.split(' '))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
    fn json(&self, line: &str) -> (i32, Value) {
        let (code, stdout, stderr) = self.run(line);
        (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
    }
}

fn change<'v>(comparison: &'v Value, metric: &str) -> &'v Value {
    comparison["changes"].as_array().unwrap().iter().find(|change| change["metric"] == metric).unwrap()
}

#[test]
fn a_what_if_is_compared_on_the_same_worlds() {
    let desk = Desk::new();
    let line = "compare small.toml --set regions.us.pools.main.replicas=1 --seeds 4 --json -q";
    let (code, found) = desk.json(line);
    assert_eq!(code, 0, "without --tolerance a verdict is told and gates nothing");
    let comparisons = found["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 2, "a comparison for each policy");
    for comparison in comparisons {
        assert_eq!(comparison["seeds"], serde_json::json!([5, 6, 7, 8]));
        assert_eq!(comparison["verdict"], "worse", "{comparison}");
        let cost = change(comparison, "cost.gpu_hours");
        assert!(cost["difference"].as_f64().unwrap() < 0.0, "a third of the GPUs costs less");
        assert!(cost["verdict"].is_null(), "and does not decide");
    }
    // The same bytes on any number of threads.
    assert_eq!(desk.run(line).1, desk.run(&format!("{line} --threads 1")).1);
}

#[test]
fn two_policies_are_compared_and_a_named_tolerance_gates() {
    let desk = Desk::new();
    let line = "compare small.toml --before chwbl --after rr --seeds 4 --tolerance cache.hit_rate=1pp -q";
    let (code, found) = desk.json(&format!("{line} --json"));
    let hits = change(&found["comparisons"][0], "cache.hit_rate");
    // Five turns over three replicas in turn find their last turn's blocks a third of the time at most.
    assert!(hits["after"].as_f64().unwrap() < hits["before"].as_f64().unwrap(), "{hits}");
    assert_eq!((code, &hits["verdict"]), (1, &Value::from("worse")));
    let (code, found) = desk
        .json(&format!("{line} --json").replace("--before chwbl --after rr", "--before rr --after chwbl"));
    assert_eq!((code, &found["comparisons"][0]["verdict"]), (0, &Value::from("better")));
    let (_, table, _) = desk.run(line);
    assert!(table.starts_with("before  small chwbl\nafter   small rr\nseeds   4 from 5\n"), "{table}");
    assert!(table.ends_with("verdict: worse\n"), "{table}");
}

#[test]
fn no_change_is_the_same_and_says_that_outcomes_are_equal() {
    let desk = Desk::new();
    let (code, table, _) = desk.run("compare small.toml small.toml --policy rr --seeds 2 -q --strict");
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("every request has the same outcome on both sides, in all 2 pairs"), "{table}");
    assert!(table.ends_with("verdict: same\n"), "{table}");
    let (code, table, _) =
        desk.run("compare small.toml --set warmup=1s --seed 3 --policy rr --seeds 1 -q --strict");
    assert_eq!(code, 4, "one pair says nothing:\n{table}");
}

#[test]
fn equal_seeds_make_differences_narrow() {
    // The variance of a difference of independent runs is the sum of theirs; on equal worlds it is a fifth of that or less.
    let desk = Desk::new();
    let values = |set: &str, first: u64| {
        let line = format!(
            "run small.toml --set {set} --seed {first} --seeds 12 --policy chwbl --json --no-files -q"
        );
        let (_, found) = desk.json(&line);
        let cells = found["policies"][0]["cells"].as_array().unwrap().clone();
        cells.iter().map(|cell| cell["all"]["e2e"]["mean_ms"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
    };
    let (before, after) =
        (values("regions.us.pools.main.replicas=3", 1), values("regions.us.pools.main.replicas=4", 1));
    let difference: Vec<f64> = before.iter().zip(&after).map(|(a, b)| b - a).collect();
    let gain = (variance(&before) + variance(&after)) / variance(&difference);
    assert!(gain >= 5.0, "{gain}");
}

#[test]
fn more_seeds_are_run_until_the_interval_is_as_narrow_as_asked() {
    let desk = Desk::new();
    let line = "compare small.toml --before chwbl --after rr --until e2e.p50=2% --max-seeds 40 --json -q";
    let (_, found) = desk.json(line);
    let comparison = &found["comparisons"][0];
    let e2e = change(comparison, "e2e.p50");
    let (low, high) = (e2e["interval"][0].as_f64().unwrap(), e2e["interval"][1].as_f64().unwrap());
    let seeds = comparison["seeds"].as_array().unwrap().len();
    assert!(
        (high - low) / 2.0 <= 0.02 * e2e["before"].as_f64().unwrap() || seeds == 40,
        "{low} {high} after {seeds}"
    );
    assert!(seeds >= 5, "{seeds}");
}

#[test]
fn the_folders_of_two_runs_are_compared() {
    let desk = Desk::new();
    assert_eq!(desk.run("run small.toml --seeds 3 --out a -q").0, 0);
    assert_eq!(desk.run("run small.toml --seeds 3 --out b -q --set regions.us.pools.main.replicas=2").0, 0);
    assert_eq!(desk.run("run small.toml --seed 90 --out c -q").0, 0);
    let (code, found) = desk.json("compare a b --json -q");
    assert_eq!((code, &found["comparisons"][0]["verdict"]), (0, &Value::from("worse")));
    assert_eq!(found["comparisons"][0]["seeds"], serde_json::json!([5, 6, 7]));
    let (code, _, stderr) = desk.run("compare a c");
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("no seed in common"), "{stderr}");
    let (code, out, stderr) = desk.run("compare a b --policy rr");
    assert_eq!(code, 0);
    assert!(out.starts_with("before  small (a) rr\nafter   small (b) rr\n"), "{out}");
    assert!(stderr.contains("the runs are of different scenarios"), "{stderr}");
    let (code, _, stderr) = desk.run("compare a b --seeds 2");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("has the seeds it has"), "{stderr}");
    let (code, _, stderr) = desk.run("compare a b --set warmup=1s");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("in which nothing can be set"), "{stderr}");
}

#[test]
fn mistakes_of_compare_are_told() {
    let desk = Desk::new();
    desk.write(
        "other.toml",
        &SCENARIO.replace("[policies.chwbl]", "[policies.a]").replace("[policies.rr]", "[policies.b]"),
    );
    for (line, code, words) in [
        ("compare small.toml", 2, "there is nothing to compare small.toml with"),
        (
            "compare small.toml --before rr --after chwbll",
            2,
            "the second side has no policy `chwbll`; did you mean `chwbl`?",
        ),
        ("compare small.toml --set warmup=1s --tolerance ttft.p98=3%", 2, "there is no measure `ttft.p98`"),
        ("compare small.toml --set warmup=1s --tolerance ttft.p99=3", 2, "`3` is no margin"),
        ("compare small.toml --set seed=1", 2, "both sides of a pair have its seed"),
        ("compare small.toml other.toml", 4, "the sides have no policy in common: chwbl, rr and a, b"),
        ("compare small.toml nowhere.toml", 2, "a scenario is a file that can be read"),
        ("compare small.toml .", 2, "the folder of a run holds summary.json"),
        (
            "compare small.toml --set warmup=1s --seeds 2 -q --tolerance ttft.p99{origin=\"asia\"}=3%",
            2,
            "there is no `asia`; there are america",
        ),
    ] {
        let (found, stdout, stderr) = desk.run(line);
        assert_eq!(found, code, "{line}\n{stdout}{stderr}");
        assert!(stderr.contains(words), "{line}\n{stderr}");
    }
}

const CHECK: &str = "check suite.toml --baseline baseline.json -q";

#[test]
fn an_unchanged_suite_passes_and_a_worse_policy_fails() {
    let desk = Desk::new();
    let (code, _, stderr) = desk.run(CHECK);
    assert_eq!(code, 4, "no baseline is never a pass: {stderr}");
    assert!(stderr.contains("`--update` writes it"), "{stderr}");
    assert_eq!(desk.run(&format!("{CHECK} --update")).0, 0);
    let first = desk.read("baseline.json");
    let (code, out, _) = desk.run(&format!("{CHECK} --strict"));
    assert_eq!(code, 0, "{out}");
    assert_eq!(out.matches("outcomes are those of the baseline").count(), 2, "{out}");
    assert!(out.ends_with("2 of 2 policies pass\n"), "{out}");

    // A load factor of one sends every request away from its own replica as soon as that has more than its share.
    desk.write("small.toml", &SCENARIO.replace("load_factor = 1.25", "load_factor = 1.0"));
    let line = format!("{CHECK} --junit junit.xml --markdown summary.md --annotate -v");
    desk.write("summary.md", "# Before\n\n");
    let (code, out, _) = desk.run(&line);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("cache.hit_rate is worse: "), "{out}");
    assert!(out.contains("1 of 2 policies pass"), "{out}");
    assert!(out.contains("\n::error file=suite.toml,title=small chwbl::"), "{out}");

    let junit = desk.read("junit.xml");
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    // Two policies of a verdict, a bound and two measures.
    assert_eq!(cases.len(), 8, "{junit}");
    let failures: Vec<_> = document.descendants().filter(|node| node.has_tag_name("failure")).collect();
    let suites = document.root_element();
    assert_eq!(suites.attribute("tests"), Some("8"));
    assert_eq!(suites.attribute("failures"), Some(failures.len().to_string().as_str()));
    let failed = |name: &str| {
        cases.iter().any(|case| {
            case.attribute("classname") == Some("small.chwbl")
                && case.attribute("name") == Some(name)
                && case.children().any(|child| child.has_tag_name("failure"))
        })
    };
    assert!(failed("cache.hit_rate") && failed("verdict"), "{junit}");
    let page = desk.read("summary.md");
    assert!(page.starts_with("# Before\n\n### Policy quality: suite\n\n1 fail"), "{page}");
    assert!(page.contains("| small | chwbl | fail |"), "{page}");
    assert_eq!(desk.read("baseline.json"), first, "a check does not touch its baseline");
}

#[test]
fn what_is_not_the_same_question_is_not_compared() {
    let desk = Desk::new();
    assert_eq!(desk.run(&format!("{CHECK} --update")).0, 0);
    let baseline = desk.read("baseline.json");
    let old = baseline.replacen("\"tool_version\": \"", "\"tool_version\": \"0.0.0-", 1);
    for (what, scenario, suite, baseline, words) in [
        (
            "another fleet",
            SCENARIO.replace("replicas = 3", "replicas = 4"),
            SUITE.to_string(),
            &baseline,
            "its fleet, network, workload, classes or warm-up",
        ),
        (
            "another version",
            SCENARIO.to_string(),
            SUITE.to_string(),
            &old,
            "the baseline is of regionsim 0.0.0-",
        ),
        (
            "a policy that is gone",
            SCENARIO.split("[policies.rr]").next().unwrap().to_string(),
            SUITE.to_string(),
            &baseline,
            "the scenario no longer has this policy",
        ),
        (
            "more seeds",
            SCENARIO.to_string(),
            SUITE.replace("seeds = 10", "seeds = 11"),
            &baseline,
            "the baseline has 10 of the 11 seeds",
        ),
        (
            "another measure",
            SCENARIO.to_string(),
            SUITE.replace(
                "[scenarios.small]\n",
                "'ttft.p99{origin=\"america\"}' = \"5%\"\n[scenarios.small]\n",
            ),
            &baseline,
            "the baseline has no value of ttft.p99",
        ),
        (
            "other seeds",
            SCENARIO.to_string(),
            SUITE.replace("file = ", "seed = 70\nfile = "),
            &baseline,
            "does not have any of these seeds",
        ),
        (
            "another name",
            SCENARIO.to_string(),
            SUITE.replace("scenarios.small", "scenarios.large"),
            &baseline,
            "does not have this scenario",
        ),
        (
            "a new policy",
            SCENARIO.replace("[policies.rr]", "[policies.new]"),
            SUITE.to_string(),
            &baseline,
            "does not have this policy",
        ),
    ] {
        desk.write("small.toml", &scenario);
        desk.write("suite.toml", &suite);
        desk.write("baseline.json", baseline);
        let (code, out, stderr) = desk.run(CHECK);
        assert_eq!(code, 4, "{what}: {out}{stderr}");
        assert!(out.contains("not comparable") && out.contains(words), "{what}: {out}");
    }
}

#[test]
fn a_policy_that_stops_serving_fails_and_an_unknown_shape_is_no_baseline() {
    let desk = Desk::new();
    assert_eq!(desk.run(&format!("{CHECK} --update")).0, 0);
    // Everybody is turned away: nobody is served, and no measure of latency has a value.
    let nobody = "replica.compose = { pick = \"reject\" }\n";
    desk.write("small.toml", &SCENARIO.replace("replica.round_robin = {}\n", nobody));
    let (code, out, stderr) = desk.run(&format!("{CHECK} --junit junit.xml"));
    assert_eq!(code, 1, "{out}{stderr}");
    assert!(out.contains("ttft.p50 has no value any more in 10 of 10 runs"), "{out}");
    assert!(desk.read("junit.xml").contains("has no value any more"));
    desk.write("small.toml", SCENARIO);
    desk.write(
        "baseline.json",
        &desk.read("baseline.json").replace("\"schema_version\": 1", "\"schema_version\": 99"),
    );
    let (code, _, stderr) = desk.run(CHECK);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("its schema_version is 99"), "{stderr}");
    let (code, _, stderr) = desk.run(&format!("{CHECK} --junit -"));
    assert_eq!((code, stderr.contains("stdout carries")), (4, false), "the baseline comes first: {stderr}");
    let (code, _, stderr) = desk.run("check suite.toml --junit - --markdown -");
    assert_eq!((code, stderr.contains("--junit and --markdown ask for it")), (2, true), "{stderr}");
    let (code, out, stderr) = desk.run("check suite.toml -q --junit -");
    assert_eq!(code, 0, "{stderr}");
    assert!(out.starts_with("<?xml") && out.trim_end().ends_with('>'), "the list is left out: {out}");
    // What is no UTF-8 was there before, and stays.
    fs::write(desk.path().join("summary.md"), b"caf\xe9\n").unwrap();
    assert_eq!(desk.run("check suite.toml -q --markdown summary.md").0, 0);
    assert!(fs::read(desk.path().join("summary.md")).unwrap().starts_with(b"caf\xe9\n###"));
}

#[test]
fn a_bound_is_held_without_a_baseline_and_exact_means_exact() {
    let desk = Desk::new();
    desk.write("suite.toml", &SUITE.replace("< 60s", "< 1ms"));
    let (code, out, _) = desk.run("check suite.toml -q");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("ttft.p50 < 1ms is broken: "), "{out}");

    let exact = SUITE.replace("file = ", "exact = true\nfile = ");
    desk.write("suite.toml", &exact);
    assert_eq!(desk.run(&format!("{CHECK} --update")).0, 0);
    assert_eq!(desk.run(CHECK).0, 0);
    // A replica later in the ring moves some requests, whatever the averages say.
    desk.write("small.toml", &SCENARIO.replace("load_factor = 1.25", "load_factor = 1.3"));
    let (code, out, _) = desk.run(&format!("{CHECK} --junit junit.xml"));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("and this scenario is exact"), "{out}");
    assert!(desk.read("junit.xml").contains("and this scenario is exact"));
}

#[test]
fn mistakes_of_a_suite_are_told_all_at_once() {
    let desk = Desk::new();
    desk.write(
        "suite.toml",
        "seedz = 3\n[tolerance]\n\"ttft.p98\" = \"3%\"\n\"ttft.p99\" = \"3\"\n[scenarios.a]\nfile = \"nowhere.toml\"\n\
         [scenarios.a.thresholds]\n\"ttft.p99\" = \"800ms\"\n",
    );
    let (code, _, stderr) = desk.run("check suite.toml");
    assert_eq!(code, 2, "{stderr}");
    insta::assert_snapshot!(stderr);
    desk.write("suite.toml", "");
    let (code, _, stderr) = desk.run("check suite.toml");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("needs `scenarios`"), "{stderr}");
    desk.write("suite.toml", &SUITE.replace("file = ", "policies = [\"rrr\"]\nfile = "));
    let (code, _, stderr) = desk.run("check suite.toml");
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("scenario `small` of the suite has no policy `rrr`; did you mean `rr`?"),
        "{stderr}"
    );
    assert_eq!(desk.run("check suite.toml --scenario smal").0, 2);
}

#[test]
fn the_sample_suite_is_what_its_baseline_says() {
    // Ten scenarios × ten seeds take half a minute optimised: all of it where that is asked for, else the smallest.
    let all = std::env::var_os("REGIONSIM_WHOLE_SUITE").is_some();
    let suite = "scenarios/suites/policy-quality.toml";
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["check", suite, "-q", "--baseline"]);
    command.arg("scenarios/suites/policy-quality.baseline.json");
    if std::env::var_os("REGIONSIM_WRITE_GOLDEN").is_some() {
        command.arg("--update");
    } else if !all {
        command.args(["--scenario", "single-replica", "--scenario", "region-down"]);
    }
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&output.stderr));
    if std::env::var_os("REGIONSIM_WRITE_GOLDEN").is_none() {
        let policies = out.lines().filter(|line| line.starts_with("pass")).count();
        assert!(policies >= 4, "{out}");
        assert_eq!(out.matches("outcomes are those of the baseline").count(), policies, "{out}");
    }
}
