//! `regionsim run` as a user meets it: the same bytes for any number of threads, files that are whole, codes and
//! messages.

use assert_cmd::Command;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

const SCENARIO: &str = r#"
name = "small"
seed = 5
warmup = "10s"

[slo.interactive]
ttft = "800ms"
itl = "60ms"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }

[regions.eu]
location = "aws:eu-central-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 1 }

[origins.america]
near = "us"
[origins.europe]
near = "eu"

[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 400

[policies.nearest]
global.nearest = {}
replica.least_request = {}

[policies.chwbl]
replica.chwbl = {}
"#;

#[test]
fn an_audit_is_written_and_a_planted_violation_ends_with_5() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "[residency.eu]\nprocess_in = [\"region:eu\"]\n\n[workloads.main";
    let text = SCENARIO.replacen("[workloads.main", rule, 1);
    let text = text.replacen("near = \"eu\"", "near = \"eu\"\ndata_class = \"eu\"", 1);
    fs::write(folder.path().join("ruled.toml"), text).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::cargo_bin("regionsim").unwrap();
        command.current_dir(folder.path()).args([
            "run",
            "ruled.toml",
            "--no-files",
            "-q",
            "--audit",
            "audit.json",
        ]);
        let output = command.args(more).output().unwrap();
        let text = fs::read_to_string(folder.path().join("audit.json")).unwrap();
        (output.status.code(), serde_json::from_str::<serde_json::Value>(&text).unwrap())
    };
    let (code, audit) = run(&[]);
    assert_eq!((code, &audit["violations"]), (Some(0), &0.into()));
    let eu = &audit["cells"][1]["classes"][1];
    assert_eq!((&eu["class"], &eu["mode"]), (&"eu".into(), &"required".into()));
    // `chwbl` with a gateway in each region: read and served in eu, nowhere else.
    let paths = eu["paths"].as_array().unwrap();
    assert_eq!(paths.len(), 1, "{paths:?}");
    assert_eq!((&paths[0]["gateway"], &paths[0]["served_in"]), (&"eu".into(), &"eu".into()));
    assert_eq!(paths[0]["count"], eu["requests"]);
    let (code, audit) = run(&["--plant-violation"]);
    // One in the record of each of the two policies.
    assert_eq!((code, &audit["violations"]), (Some(5), &2.into()));
}

#[test]
fn a_violation_is_not_planted_where_no_rule_forbids_anything() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--no-files", "--audit", "audit.json", "--plant-violation"]);
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(
        words.contains("no violation can be planted") && words.contains("add `[residency.X]`"),
        "{words}"
    );
    assert!(!folder.path().join("audit.json").exists(), "nothing was run");
}

/// With the only fault an outage, the warning does not send people to rules that are not there.
#[test]
fn a_warning_of_no_region_speaks_of_rules_only_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let down = |region: &str| format!("{{ at = \"0s\", region = \"{region}\", kind = \"down\" }}");
    let events = format!("events=[{}, {}]", down("us"), down("eu"));
    let output = run(folder.path(), &["--no-files", "--set", &events]);
    let words = text(&output.stderr);
    assert!(
        words.contains("found no region") && words.contains("no residency rule keeps them out"),
        "{words}"
    );
    let ruled = ["--no-files", "--set", &events, "--set", "residency.x.process_in=[\"any\"]"];
    let words = text(&run(folder.path(), &ruled).stderr);
    assert!(words.contains("found no region") && words.contains("check the residency rules"), "{words}");
}

/// Hand-set shares are those of dense kernels: what a mixture of experts makes of them is a guess, and its summary says so.
#[test]
fn a_mixture_of_experts_under_a_profile_of_no_models_is_extrapolated() {
    let folder = tempfile::tempdir().unwrap();
    let status = |preset: &str| {
        let text = SCENARIO
            .replace("preset = \"llama-3.1-8b\"", &format!("preset = \"{preset}\""))
            .replace("replicas", "tensor_parallel = 2, replicas");
        fs::write(folder.path().join("moe.toml"), text).unwrap();
        let mut command = Command::cargo_bin("regionsim").unwrap();
        let output = command
            .current_dir(folder.path())
            .args(["run", "moe.toml", "--no-files", "--json"])
            .output()
            .unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
        let told =
            summary["warnings"].as_array().unwrap().iter().any(|one| one["code"] == "extrapolated-profile");
        (summary["provenance"]["profile_status"].as_str().unwrap().to_owned(), told)
    };
    assert_eq!(status("llama-3.1-8b"), ("hand-set".to_owned(), false));
    assert_eq!(status("mixtral-8x7b"), ("extrapolated".to_owned(), true));
}

/// Runs in `folder`, where `small.toml` is.
fn run(folder: &Path, args: &[&str]) -> Output {
    fs::write(folder.join("small.toml"), SCENARIO).unwrap();
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder).env("NO_COLOR", "1").args(["run", "small.toml"]).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every file below `folder` with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn files_and_output_are_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let one = run(folder.path(), &["--threads", "1", "--seeds", "2", "--plots"]);
    let written = files(&folder.path().join("reports/small"));
    fs::remove_dir_all(folder.path().join("reports")).unwrap();
    let two = run(folder.path(), &["--threads", "2", "--seeds", "2", "--plots"]);
    assert_eq!(one.status.code(), Some(0), "{}", text(&one.stderr));
    assert_eq!(text(&one.stdout), text(&two.stdout));
    assert_eq!(text(&one.stderr), text(&two.stderr));
    assert!(written == files(&folder.path().join("reports/small")), "every file has the same bytes");
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "chwbl/seed-5/requests.csv",
            "chwbl/seed-5/series.csv",
            "chwbl/seed-6/requests.csv",
            "chwbl/seed-6/series.csv",
            "manifest.json",
            "nearest/seed-5/requests.csv",
            "nearest/seed-5/series.csv",
            "nearest/seed-6/requests.csv",
            "nearest/seed-6/series.csv",
            "plots/cache.svg",
            "plots/cost-p99.svg",
            "plots/flows-chwbl.svg",
            "plots/flows-nearest.svg",
            "plots/timeline-chwbl.svg",
            "plots/timeline-nearest.svg",
            "plots/ttft-cdf.svg",
            "plots/ttft-legs-by-rank.svg",
            "plots/ttft-legs.svg",
            "plots/ttft-percentiles.svg",
            "plots/ttft-tail.svg",
            "scenario-as-run.toml",
            "setup.json",
            "summary.json",
        ]
    );
    let manifest: serde_json::Value = serde_json::from_slice(&written["manifest.json"]).unwrap();
    let listed: Vec<&str> =
        manifest["files"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(listed, names.into_iter().filter(|name| *name != "manifest.json").collect::<Vec<_>>());
    let requests = text(&written["nearest/seed-5/requests.csv"]);
    assert_eq!(requests.lines().count(), 401, "a head and a row for every request");
}

/// What a command of the program says, in `folder`.
fn program(folder: &Path, args: &[&str]) -> std::process::Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_regionsim"));
    command.current_dir(folder).args(args).output().unwrap()
}

#[test]
fn a_folder_alone_gives_the_figures_of_its_run() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["--out", "one", "--plots", "-q"]).status.code(), Some(0));
    let drawn = program(folder.path(), &["plot", "one", "--out", "again"]);
    assert_eq!(drawn.status.code(), Some(0), "{}", text(&drawn.stderr));
    let (first, again) = (files(&folder.path().join("one/plots")), files(&folder.path().join("again")));
    assert!(first == again && first.len() == 11, "{:?}", again.keys());
    let listed = text(&program(folder.path(), &["plot", "one", "--list", "--only", "flows,ttft-cdf"]).stdout);
    let ids: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ids, ["ttft-cdf", "flows-nearest", "flows-chwbl"]);
    for (args, words) in [
        (vec!["plot", "nowhere"], "`nowhere` is no folder; give one that `run`"),
        (
            vec!["plot", "one/nearest"],
            "is not a folder of results: it has none of summary.json (`run`), sweep.json",
        ),
        (vec!["plot", "one", "--out", "-"], "these are several files, and stdout carries one; name a folder"),
        (vec!["plot", "one", "--objective", "ttft.p99"], "--objective is of a sweep"),
        (vec!["plot", "one", "--only", "ttft-cfd"], "did you mean `ttft-cdf`?"),
        (vec!["plot", "one", "one"], "2 folders are drawn together: say where to with --out DIR"),
    ] {
        let output = program(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

#[test]
fn the_table_has_a_row_for_every_policy_and_json_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let table = text(&run(folder.path(), &["--no-files", "-q"]).stdout);
    assert!(table.starts_with("small: 400 requests in "), "{table}");
    for policy in ["nearest ", "chwbl "] {
        assert_eq!(table.lines().filter(|line| line.starts_with(policy)).count(), 2, "{table}");
    }
    assert!(!folder.path().join("reports").exists());

    let json = run(folder.path(), &["--no-files", "--json", "--policy", "chwbl"]);
    let summary: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(summary["schema_version"], 2);
    assert_eq!(summary["policies"].as_array().unwrap().len(), 1);
    let cell = &summary["policies"][0]["cells"][0];
    assert_eq!(cell["conservation"]["holds"], true);
    assert_eq!(cell["conservation"]["total"]["arrivals"], 400);
}

#[test]
fn twice_agrees_and_gives_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let (once, twice) = (run(folder.path(), &["--no-files"]), run(folder.path(), &["--no-files", "--twice"]));
    assert_eq!(twice.status.code(), Some(0), "{}", text(&twice.stderr));
    assert_eq!(text(&once.stdout), text(&twice.stdout));
}

#[test]
fn an_override_changes_the_world_and_is_kept_in_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let set = "regions.eu.pools.main.replicas=3";
    assert_eq!(run(folder.path(), &["--set", set]).status.code(), Some(0));
    let written = files(&folder.path().join("reports/small"));
    let summary: serde_json::Value = serde_json::from_slice(&written["summary.json"]).unwrap();
    assert_eq!(summary["policies"][0]["cells"][0]["replicas"].as_array().unwrap().len(), 5);
    let manifest: serde_json::Value = serde_json::from_slice(&written["manifest.json"]).unwrap();
    assert_eq!(manifest["overrides"], serde_json::json!([set]));
}

#[test]
fn a_folder_has_the_results_of_one_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = ["--out", "out", "-q", "--decisions", "sample=100%", "--plots"];
    assert_eq!(run(folder.path(), &first).status.code(), Some(0));
    assert!(folder.path().join("out/chwbl/decisions.jsonl").exists());
    fs::write(folder.path().join("out/nearest/notes.txt"), "mine").unwrap();
    let second = ["--out", "out", "-q", "--policy", "chwbl", "--seed", "8"];
    assert_eq!(run(folder.path(), &second).status.code(), Some(0));
    let there = files(&folder.path().join("out"));
    let manifest: serde_json::Value = serde_json::from_slice(&there["manifest.json"]).unwrap();
    let listed = manifest["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    // What the manifest lists, itself, and what no run has written.
    let mut expected: Vec<&str> = listed.chain(["manifest.json", "nearest/notes.txt"]).collect();
    expected.sort_unstable();
    assert_eq!(there.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(!there.contains_key("chwbl/decisions.jsonl") && there.contains_key("chwbl/requests.csv"));
    assert_eq!(manifest["cells"][0]["seed"], 8);
}

#[test]
fn mistakes_end_in_code_2_and_leave_stdout_and_disk_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (args, words) in [
        (vec!["--policy", "nearset"], "did you mean `nearest`?"),
        (vec!["--set", "seed=\"x\""], "small.toml:3"),
        (vec!["--set", "regions.us.location=aws:us-esat-1"], "us-east-1"),
    ] {
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert!(!folder.path().join("reports").exists());
    }
}

#[test]
fn a_folder_that_cannot_be_written_fails_before_the_work_in_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--out", "small.toml/inside"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("cannot write `small.toml/inside`"), "{}", text(&output.stderr));
}

#[test]
fn a_generated_workload_replays_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    let direct = run(folder.path(), &["--no-files", "--json"]);
    let generate = ["trace", "generate", "small.toml", "--out", "main.jsonl.zst"];
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder.path()).args(generate).assert().code(0);
    let replay = SCENARIO.replace(
        "[workloads.main.synthetic]\nsessions_per_s = 2.0\nrequests = 400\n",
        "[workloads.main.trace]\npath = \"main.jsonl.zst\"\n",
    );
    fs::write(folder.path().join("replay.toml"), replay).unwrap();
    let mut command = Command::cargo_bin("regionsim").unwrap();
    let replayed = command
        .current_dir(folder.path())
        .args(["run", "replay.toml", "--no-files", "--json"])
        .output()
        .unwrap();
    let measures = |output: &Output| {
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // The queue is averaged over samples, whose default spacing follows the workload's stated length.
        let measures = summary["policies"][0]["measures"].as_array().unwrap().clone();
        measures.into_iter().filter(|measure| measure["name"] != "waiting.mean").collect::<Vec<_>>()
    };
    assert_eq!(measures(&direct), measures(&replayed));
}

#[test]
#[cfg(feature = "frames")]
fn parquet_is_written_beside_the_csv_and_is_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = Vec::new();
    for threads in ["1", "2"] {
        let output = run(folder.path(), &["--parquet", "--threads", threads]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        written.push(files(&folder.path().join("reports/small")));
        fs::remove_dir_all(folder.path().join("reports")).unwrap();
    }
    assert!(written[0] == written[1], "every file has the same bytes");
    for policy in ["nearest", "chwbl"] {
        let bytes = &written[0][&format!("{policy}/requests.parquet")];
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    }
    assert!(text(&written[0]["manifest.json"]).contains("nearest/requests.parquet"));
}

#[test]
#[cfg(not(feature = "frames"))]
fn a_lean_build_says_that_it_writes_no_parquet_before_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--parquet"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--features frames"), "{}", text(&output.stderr));
    assert!(!folder.path().join("reports").exists());
}
