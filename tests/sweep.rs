//! `regionsim sweep` as a user meets it: the same bytes for any number of threads and shards and after any interruption, cells
//! that fail, mistakes of every point at once.

#![allow(clippy::format_push_string)] // Text of tests: clear before quick.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};

const SCENARIO: &str = r#"
name = "small"
seed = 5

[slo.interactive]
ttft = "300ms"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 1 }

[regions.eu]
location = "aws:eu-central-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 1 }

[origins.america]
near = "us"
[origins.europe]
near = "eu"

[workloads.main.synthetic]
sessions_per_s = 5.0
requests = 40

[[events]]
kind = "down"
region = "us"
at = "2s"
for = "1s"

[policies.nearest]
global.nearest = {}
replica.least_request = {}

[policies.rr]
replica.round_robin = {}
"#;

/// 3 × 2 points, 2 policies, 2 seeds.
const ASKED: [&str; 6] = [
    "--over",
    "regions.us.pools.main.replicas=1,2,3",
    "--over",
    "workloads.main.synthetic.sessions_per_s=4..8:4",
    "--seeds",
    "2",
];
const CELLS: usize = 24;
const MERGED: [&str; 5] = ["sweep.json", "points.jsonl", "rows.csv", "groups.csv", "histograms.jsonl"];

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::write(desk.path().join("small.toml"), SCENARIO).unwrap();
        desk
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } =
            Command::cargo_bin("regionsim").unwrap().current_dir(self.path()).args(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
    fn sweep(&self, more: &[&str]) -> (i32, String, String) {
        self.run(&[&["sweep", "small.toml", "-q"], &ASKED[..], more].concat())
    }
    fn merged(&self, folder: &str) -> BTreeMap<&'static str, String> {
        let read =
            |name: &'static str| (name, fs::read_to_string(self.path().join(folder).join(name)).unwrap());
        MERGED.into_iter().map(read).collect()
    }
    fn shard(&self, folder: &str, name: &str) -> std::path::PathBuf {
        self.path().join(folder).join("shards").join(name)
    }
}

#[test]
fn threads_shards_and_kills_change_no_byte() {
    let desk = Desk::new();
    assert_eq!(desk.sweep(&["--out", "one", "--threads", "1"]).0, 0);
    let one = desk.merged("one");
    assert_eq!(one["rows.csv"].lines().count(), CELLS + 1);
    assert_eq!(desk.sweep(&["--out", "two", "--threads", "2"]).0, 0);
    assert!(desk.merged("two") == one, "two threads");

    // Seven shards in a mixed order, in two folders, the third by what a Slurm array tells.
    for (index, folder) in [(6, "a"), (2, "b"), (4, "a"), (0, "a"), (1, "b"), (5, "b")] {
        assert_eq!(desk.sweep(&["--out", folder, "--shard", &format!("{index}/7")]).0, 0);
    }
    let (code, _, told) = desk.run(&["sweep", "merge", "a", "b", "--out", "together"]);
    assert_eq!(code, 3);
    assert!(told.contains("--shard 3/7 with --resume"), "{told}");
    let mut array = Command::cargo_bin("regionsim").unwrap();
    array
        .current_dir(desk.path())
        .args(["sweep", "small.toml", "-q", "--out", "a", "--shard", "auto"])
        .args(ASKED);
    array.env("SLURM_ARRAY_TASK_ID", "3").env("SLURM_ARRAY_TASK_COUNT", "7").env("SLURM_ARRAY_TASK_MAX", "6");
    assert!(array.output().unwrap().status.success());
    assert_eq!(desk.run(&["sweep", "merge", "a", "b", "--out", "together"]).0, 0);
    assert!(desk.merged("together") == one, "seven shards");

    // Killed while it runs: whatever is left is taken up.
    let journal = desk.shard("killed", "shard-000-of-001.jsonl.part");
    let mut child = Process::new(env!("CARGO_BIN_EXE_regionsim"))
        .current_dir(desk.path())
        .args(["sweep", "small.toml", "-q", "--out", "killed", "--threads", "1"])
        .args(ASKED)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    while child.try_wait().unwrap().is_none() && lines() < 5 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if journal.exists() {
        let (code, _, told) = desk.sweep(&["--out", "killed"]);
        assert!(code == 2 && told.contains("--resume") && told.contains("--restart"), "{told}");
        // A kill in the middle of a line leaves its beginning.
        let mut torn = fs::OpenOptions::new().append(true).open(&journal).unwrap();
        torn.write_all(b"{\"cell\":3,\"id\":\"0").unwrap();
    }
    assert_eq!(desk.sweep(&["--out", "killed", "--resume"]).0, 0);
    assert!(desk.merged("killed") == one, "killed and resumed");
    assert!(!journal.exists());
}

/// A disk that is full, as a limit on the size of files, which the shell sets.
#[test]
#[cfg(unix)]
fn a_full_disk_and_an_interrupt_say_what_is_kept() {
    let desk = Desk::new();
    let begin = |limit: &str, out: &str, seeds: &str| {
        let line = format!(
            "{} sweep small.toml -q --threads 1 --out {out} --seeds {seeds}",
            env!("CARGO_BIN_EXE_regionsim")
        );
        Process::new("sh")
            .args([
                "-c",
                &format!("trap '' XFSZ; {limit}; exec {line} --over regions.us.pools.main.replicas=1,2,3"),
            ])
            .current_dir(desk.path())
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let told = |child: std::process::Child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let rows = |out: &str| {
        let text = fs::read_to_string(desk.shard(out, "shard-000-of-001.jsonl.part")).unwrap_or_default();
        text.matches('\n').count().saturating_sub(1)
    };
    // Blocks of 512 bytes, or of 1024: a few rows.
    let (code, words) = told(begin("ulimit -f 60", "full", "4"));
    let kept = rows("full");
    assert!(code == Some(3) && (1..24).contains(&kept), "{kept} rows: {words}");
    assert!(words.contains("cannot write `full/shards/shard-000-of-001.jsonl.part`: "), "{words}");
    let resume = "the same command with --resume goes on";
    assert!(
        words.contains(&format!("{kept} of 24 cells are kept in full")) && words.contains(resume),
        "{words}"
    );

    let child = begin("true", "stopped", "900");
    while rows("stopped") < 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let (code, words) = told(child);
    assert_eq!(code, Some(130), "{words}");
    assert!(words.contains(" of 5400 cells are kept in stopped") && words.contains(resume), "{words}");
    // Of a comparison nothing is kept. A signal before it listens ends it without a word.
    let (code, words) = [1, 4, 16]
        .into_iter()
        .map(|seconds| {
            let child = Process::new(env!("CARGO_BIN_EXE_regionsim"))
                .current_dir(desk.path())
                .args([
                    "compare",
                    "small.toml",
                    "--before",
                    "nearest",
                    "--after",
                    "rr",
                    "--seeds",
                    "10000",
                    "-q",
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_secs(seconds));
            assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            told(child)
        })
        .find(|(code, _)| code.is_some())
        .unwrap();
    assert_eq!(code, Some(130), "{words}");
    assert!(words.contains("runs were done; compare keeps none of them and has written nothing"), "{words}");
}

#[test]
fn what_is_there_is_not_run_again_and_a_torn_line_is() {
    let desk = Desk::new();
    assert_eq!(desk.sweep(&["--out", "x"]).0, 0);
    let whole = desk.merged("x");
    let done = desk.shard("x", "shard-000-of-001.jsonl");
    // The first ten rows and half of the eleventh, with one digest changed: a row that is there is taken over as it is.
    let text = fs::read_to_string(&done).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let kept = lines[..11].join("\n") + "\n" + &lines[11][..40];
    let digest =
        serde_json::from_str::<Value>(lines[4]).unwrap()["outcome_digest"].as_str().unwrap().to_owned();
    fs::remove_file(&done).unwrap();
    fs::write(desk.shard("x", "shard-000-of-001.jsonl.part"), kept.replacen(&digest, "feedfeedfeedfeed", 1))
        .unwrap();
    assert_eq!(desk.sweep(&["--out", "x", "--resume"]).0, 0);
    let resumed = desk.merged("x");
    assert!(resumed["rows.csv"].contains("feedfeedfeedfeed"));
    assert_eq!(resumed["rows.csv"].replace("feedfeedfeedfeed", &digest), whole["rows.csv"]);
    // The same cell run elsewhere with another result must not be: it is told.
    assert_eq!(desk.sweep(&["--out", "x", "--shard", "0/3"]).0, 0);
    let (code, _, told) = desk.run(&["sweep", "merge", "x"]);
    assert!(
        code == 3 && told.contains("run twice with different results") && told.contains("cell 3"),
        "{told}"
    );
}

#[test]
fn a_cell_that_panics_is_a_row_and_the_others_go_on() {
    let desk = Desk::new();
    let (code, out, told) = desk.sweep(&["--out", "x", "--plant-panic", "5"]);
    assert_eq!(code, 3);
    assert!(
        out.contains("nearest") && told.contains("cell 5 (point 1,") && told.contains("planted"),
        "{out}{told}"
    );
    let rows = fs::read_to_string(desk.path().join("x/rows.csv")).unwrap();
    assert_eq!(rows.lines().count(), CELLS + 1);
    assert_eq!(rows.lines().filter(|line| line.contains(",ok,")).count(), CELLS - 1);
    assert!(rows.lines().nth(6).unwrap().contains("failed,\"panicked: planted, at "), "{rows}");
}

#[test]
fn every_point_is_checked_before_the_first_runs() {
    let desk = Desk::new();
    let mistakes = |over: &[&str]| {
        let words: Vec<&str> = over.iter().flat_map(|text| ["--over", text]).collect();
        let (code, _, told) = desk.run(&[&["sweep", "small.toml", "--out", "none"], &words[..]].concat());
        assert_eq!(code, 2, "{told}");
        told
    };
    let mut told = String::new();
    for over in [
        &["regions.us.pools.main.replicas=1,20000,many", "workloads.main.synthetic.requests=10,20"][..],
        &["regions.us.pools.main.replcas=1,2"],
        &["events.0.at=1s,x", "events.1.at=1s,2s"],
        &["seed=1..5", "seed=1,2", "warmup=5..1:1", "horizon"],
    ] {
        told.push_str(&format!("$ --over {}\n{}\n", over.join(" --over "), mistakes(over)));
    }
    assert!(!desk.path().join("none").exists(), "nothing was run");
    insta::assert_snapshot!(told);
}

#[test]
fn figures_are_drawn_of_settings_that_are_numbers() {
    let desk = Desk::new();
    assert_eq!(desk.sweep(&["--out", "drawn", "--plots", "--objective", "e2e.p50"]).0, 0);
    let folder = desk.path().join("drawn").join("plots");
    let drawn = || {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        };
        fs::read_dir(&folder).unwrap().map(read).collect::<BTreeMap<_, _>>()
    };
    let before = drawn();
    assert!(!before.is_empty());
    for (name, svg) in &before {
        assert!(name.starts_with("sweep-e2e-p50-"), "{name}");
        assert!(svg.contains("e2e.p50, ms"), "{svg}");
    }
    // Merging draws the same.
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(desk.run(&["sweep", "merge", "drawn", "--plots", "--objective", "e2e.p50"]).0, 0);
    assert_eq!(drawn(), before);
    // A word has no axis.
    let words = ["sweep", "small.toml", "-q", "--over", "name=one,two", "--out", "words", "--plots"];
    let (code, _, told) = desk.run(&words);
    assert!(code == 0 && told.contains("no setting that varies is a number"), "{code} {told}");
}

#[test]
fn entries_of_lists_are_reached() {
    let desk = Desk::new();
    let (code, _, told) = desk.run(&[
        "sweep",
        "small.toml",
        "-q",
        "--over",
        "events.0.at=1s,3s",
        "--over",
        "events.0.for=1s,4s",
        "--policy",
        "rr",
        "--out",
        "x",
    ]);
    assert_eq!(code, 0, "{told}");
    let rows = fs::read_to_string(desk.path().join("x/rows.csv")).unwrap();
    let mut digests: Vec<&str> = rows.lines().skip(1).map(|line| line.split(',').nth(7).unwrap()).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 4, "four outages, four outcomes: {rows}");
}

#[test]
fn a_sweep_file_says_the_same_as_the_command_line() {
    let desk = Desk::new();
    fs::create_dir(desk.path().join("grids")).unwrap();
    let file = r#"
scenario = "../small.toml"
seeds = 2

[over]
"regions.us.pools.main.replicas" = "1,2,3"
"workloads.main.synthetic.sessions_per_s" = "4..8:4"
"#;
    fs::write(desk.path().join("grids/grid.toml"), file).unwrap();
    assert_eq!(desk.run(&["sweep", "grids/grid.toml", "-q", "--out", "file"]).0, 0);
    assert_eq!(desk.sweep(&["--out", "line"]).0, 0);
    assert!(desk.merged("file") == desk.merged("line"));
    let wrong = file
        .replace("4..8:4", "8..4:4")
        .replace("seeds = 2", "seeds = 0\nseed_s = 1")
        .replace("small.toml", "none.toml");
    fs::write(desk.path().join("grids/wrong.toml"), wrong).unwrap();
    let (code, _, told) = desk.run(&["sweep", "grids/wrong.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(told);
}

#[test]
fn random_points_are_the_same_however_many_there_are() {
    let desk = Desk::new();
    let points = |count: &str, out: &str| {
        let words =
            ["sweep", "small.toml", "-q", "--over", "workloads.main.synthetic.sessions_per_s=log 1..10"];
        let more = ["--random", count, "--policy", "rr", "--out", out];
        assert_eq!(desk.run(&[&words[..], &more[..]].concat()).0, 0);
        let rows = fs::read_to_string(desk.path().join(out).join("rows.csv")).unwrap();
        rows.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let (few, many) = (points("3", "few"), points("6", "many"));
    assert_eq!(few, many[..4]);
}

#[test]
fn another_sweep_in_the_folder_is_not_mixed_in() {
    let desk = Desk::new();
    assert_eq!(desk.sweep(&["--out", "x", "--shard", "0/2"]).0, 0);
    let other = ["sweep", "small.toml", "-q", "--over", "seed=1,2", "--out", "x"];
    let (code, _, told) = desk.run(&[&other[..], &["--shard", "0/2"]].concat());
    assert!(code == 2 && told.contains("holds another sweep"), "{told}");
    // Neither does it take its place alone, unless it is told to.
    let before = desk.shard("x", "shard-000-of-002.jsonl");
    let (code, _, told) = desk.run(&other);
    assert!(
        code == 2 && told.contains("x holds another sweep (small of 24 cells); name another folder"),
        "{told}"
    );
    assert!(told.contains("replace it with --restart") && before.exists(), "{told}");
    assert_eq!(desk.run(&[&other[..], &["--restart"]].concat()).0, 0);
    assert_eq!(
        fs::read_dir(desk.path().join("x/shards"))
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("shard-") })
            .count(),
        1
    );
}

#[test]
fn json_says_what_the_tables_say() {
    let desk = Desk::new();
    let (code, out, _) = desk.sweep(&["--out", "x", "--json", "--objective", "slo.attainment"]);
    assert_eq!(code, 0);
    let printed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(printed["manifest"]["cells"], CELLS);
    assert_eq!(printed["objective"], "slo.attainment");
    let best = &printed["best"][0];
    assert_eq!((&best["policy"], &best["seeds"]), (&"nearest".into(), &2.into()));
    // By hand from rows.csv: the largest mean over the two seeds.
    let mut reader = csv::Reader::from_path(desk.path().join("x/rows.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for row in reader.records().map(Result::unwrap).filter(|row| &row[at("policy")] == "nearest") {
        *sums.entry(row[at("point")].to_owned()).or_default() +=
            row[at("slo.attainment")].parse::<f64>().unwrap() / 2.0;
    }
    let largest = sums.values().copied().fold(0.0, f64::max);
    assert!((best["mean"].as_f64().unwrap() - largest).abs() < 1e-12);
}

#[test]
fn job_files_ask_the_same_question() {
    let desk = Desk::new();
    let emit = |engine: &str, more: &[&str]| {
        let words = [
            "sweep",
            "emit",
            "small.toml",
            "--engine",
            engine,
            "--shards",
            "4",
            "--out",
            "out",
            "--jobs",
            engine,
        ];
        desk.run(&[&words[..], &ASKED[..], more].concat())
    };
    assert_eq!(emit("parallel", &["--program", env!("CARGO_BIN_EXE_regionsim")]).0, 0);
    assert_eq!(emit("slurm", &[]).0, 0);
    let (code, out, _) = emit("kubernetes", &["--image", "i", "--claim", "c"]);
    assert!(code == 0 && out.starts_with("24 cells in 4 shards\n"), "{out}");
    assert_eq!(emit("kubernetes", &[]).0, 2, "an image is needed");
    assert_eq!(emit("slurm", &["--over", "seed=1,2", "--policy", "none"]).0, 2, "points are checked");
    // The array's own command line, run by a shell as the job would.
    assert_eq!(desk.sweep(&["--out", "one"]).0, 0);
    let script = fs::read_to_string(desk.path().join("slurm/sweep.sbatch")).unwrap();
    let script = script.replace("exec regionsim", &format!("exec {}", env!("CARGO_BIN_EXE_regionsim")));
    for shard in 0..4 {
        let mut job = Process::new("sh");
        job.current_dir(desk.path()).args(["-c", &script]).env("SLURM_ARRAY_TASK_ID", shard.to_string());
        assert!(job.output().unwrap().status.success());
    }
    assert_eq!(desk.run(&["sweep", "merge", "out"]).0, 0);
    assert!(desk.merged("out") == desk.merged("one"));
}

#[cfg(not(feature = "frames"))]
#[test]
fn a_build_without_frames_says_what_it_cannot() {
    let desk = Desk::new();
    for words in [&["query", "x"][..], &["sweep", "small.toml", "--over", "seed=1,2", "--parquet"]] {
        let (code, _, told) = desk.run(words);
        assert!(code == 2 && told.contains("--features frames"), "{told}");
    }
}

#[cfg(feature = "frames")]
#[test]
fn cells_of_runs_and_sweeps_are_grouped() {
    let desk = Desk::new();
    assert_eq!(desk.sweep(&["--out", "all/sweep", "--parquet"]).0, 0);
    assert!(fs::read(desk.path().join("all/sweep/rows.parquet")).unwrap().starts_with(b"PAR1"));
    assert_eq!(desk.run(&["run", "small.toml", "-q", "--out", "all/run", "--seeds", "3"]).0, 0);
    let query = |words: &[&str]| {
        let (code, out, told) = desk.run(&[&["query", "all", "--csv"], words].concat());
        assert_eq!(code, 0, "{told}");
        out.lines().map(|line| line.split(',').map(ToOwned::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    // 24 cells of the sweep and 6 of the run.
    let groups = query(&["--group-by", "policy", "--agg", "ttft_p99,max:ttft_p99,cost"]);
    assert_eq!(groups[0], ["policy", "rows", "ttft.p99", "max:ttft.p99", "cost.gpu_hours"]);
    assert_eq!(
        (&groups[1][0], &groups[1][1], &groups[2][0], &groups[2][1]),
        (&"nearest".into(), &"15".into(), &"rr".into(), &"15".into())
    );
    let regions = query(&["--group-by", "policy,region", "--where", "policy=rr", "--agg", "sum:requests"]);
    assert_eq!(regions.len(), 3, "eu and us: {regions:?}");
    let replicas = query(&["--group-by", "regions.us.pools.main.replicas", "--where", "run=all/sweep"]);
    let keys: Vec<&str> = replicas[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(keys, ["1", "2", "3"]);
    // One group by hand.
    let mut reader = csv::Reader::from_path(desk.path().join("all/sweep/rows.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let values: Vec<f64> = rows
        .iter()
        .filter(|row| &row[at("regions.us.pools.main.replicas")] == "2")
        .map(|row| row[at("ttft.p50")].parse().unwrap())
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert_eq!((values.len(), replicas[2][1].as_str()), (8, "8"));
    assert!((replicas[2][2].parse::<f64>().unwrap() - mean).abs() < 1e-9);
    for wrong in [
        &["query", "nowhere"][..],
        &["query", "all", "--group-by", "polcy"],
        &["query", "all", "--agg", "mode:cost"],
        &["query", "all", "--agg", "policy"],
        &["query", "all", "--group-by", "region,class"],
        &["query", "all", "--where", "x"],
    ] {
        assert_eq!(desk.run(wrong).0, 2, "{wrong:?}");
    }
}
