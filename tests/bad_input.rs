//! Bad input at the command line, end to end: the exit code, what is on stderr, that stdout and the disk are left
//! alone. The words of each message are snapshots in `tests/mistakes`.

use assert_cmd::Command;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};

const SCENARIO: &str = r#"name = "small"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }

[origins.america]
near = "us"

[workloads.main.trace]
path = "t.jsonl"

[policies.mine]
replica.chwbl = {}
"#;

const ROW: &str = r#"{"timestamp": 0, "input_length": 600, "output_length": 52, "hash_ids": [0, 47]}"#;
const HEADER: &str = r#"{"regionsim_trace":1,"block_tokens":16}"#;

fn regionsim(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder).env("NO_COLOR", "1").args(args).output().unwrap()
}

fn in_folder(scenario: &str, trace: Option<&[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), scenario).unwrap();
    if let Some(bytes) = trace {
        fs::write(folder.path().join("t.jsonl"), bytes).unwrap();
    }
    folder
}

/// Both commands that read a scenario refuse it alike: code 2, nothing on stdout, no file; gives what was said.
fn refused(folder: &Path, args: &[&str]) -> String {
    let before = fs::read_dir(folder).unwrap().count();
    let said = ["validate", "run"].map(|command| {
        let output = regionsim(folder, &[&[command, "s.toml"], args].concat());
        let said = String::from_utf8(output.stderr).expect("messages are text");
        assert_eq!(output.status.code(), Some(2), "{command} {args:?}: {said}");
        assert!(output.stdout.is_empty(), "{command} {args:?}: a mistake leaves stdout alone");
        // What was in the file must not steer the terminal.
        let odd = said.chars().find(|&c| c.is_control() && c != '\n' && c != '\t');
        assert!(odd.is_none(), "{command}: {odd:?} in {said:?}");
        assert!(said.len() < 20_000, "{command}: {} bytes of message", said.len());
        said
    });
    assert_eq!(said[0], said[1], "both say the same");
    assert_eq!(fs::read_dir(folder).unwrap().count(), before, "nothing was written");
    said[0].clone()
}

fn holds(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
}

#[test]
fn the_good_ones_are_good() {
    let folder = in_folder(SCENARIO, Some(ROW.as_bytes()));
    assert_eq!(regionsim(folder.path(), &["validate", "s.toml"]).status.code(), Some(0));
    let output = regionsim(folder.path(), &["run", "s.toml", "--no-files"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_mistake_in_a_scenario_is_told_with_file_and_line_and_what_to_do() {
    for (from, to, words) in [
        ("aws:us-east-1", "aws:us-eats-1", &["--> s.toml:7:", "help: did you mean `aws:us-east-1`?"][..]),
        ("h100-sxm", "h100-sxn", &["--> s.toml:8:", "help: did you mean `h100-sxm`?"]),
        ("replica.chwbl", "replica.chwlb", &["--> s.toml:17:", "help: did you mean `chwbl`?"]),
        ("near = \"us\"", "near = \"eu\"", &["--> s.toml:11:", "help"]),
        ("replicas = 2", "replicas = -2", &["--> s.toml:8:", "help"]),
        ("[policies.mine]", "[policies.mine", &["--> s.toml:16:", "help"]),
        ("name = \"small\"", "name = \"small", &["--> s.toml:1:", "help"]),
        ("preset", "prest", &["--> s.toml:4:", "help"]),
        ("replica.chwbl = {}", "replica.chwbl = { load_factor = 1e999 }", &["--> s.toml:17:", "help"]),
        ("replicas = 2", "replicas = 99999999999999999999", &["--> s.toml:8:", "help"]),
    ] {
        assert!(SCENARIO.contains(from));
        let folder = in_folder(&SCENARIO.replace(from, to), Some(ROW.as_bytes()));
        holds(&refused(folder.path(), &[]), words);
    }
}

#[test]
fn several_mistakes_are_told_at_once_also_those_of_a_trace() {
    let scenario = SCENARIO
        .replace("aws:us-east-1", "aws:us-eats-1")
        .replace("chwbl", "chwlb")
        .replace("replicas", "replicsa");
    let trace = format!("{ROW}\n{}\n{{\n", ROW.replace("600", "0"));
    let folder = in_folder(&scenario, Some(trace.as_bytes()));
    let said = refused(folder.path(), &[]);
    holds(&said, &["s.toml:7:", "s.toml:8:", "s.toml:14:", "s.toml:17:", "t.jsonl:2:", "t.jsonl:3:"]);
    holds(&said, &["4 mistakes in s.toml"]);
}

#[test]
fn a_mistake_in_a_trace_is_told_with_file_and_line() {
    let native = |row: &str| format!("{HEADER}\n{row}\n");
    let second = |from: &str, to: &str| {
        assert!(ROW.contains(from));
        format!("{ROW}\n{}\n", ROW.replace(from, to))
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".into(), "empty"),
        (b"\n \n\t\n".into(), "t.jsonl"),
        (vec![0; 5_000], "t.jsonl:1: "),
        ((0..=255u8).cycle().take(3_000).collect(), "t.jsonl:1: "),
        (b"\x1b[31mred\x1b]0;title\x07".into(), "t.jsonl:1: "),
        (b"\xff\xfe{\0}\0".into(), "t.jsonl:1: "),
        ([b"\x1f\x8b\x08", &[7; 40][..]].concat(), "t.jsonl"),
        ([b"\x28\xb5\x2f\xfd", &[7; 40][..]].concat(), "t.jsonl"),
        (b"when,what,how\n1,2,3\n".into(), "t.jsonl:1: "),
        (b"timestamp,input,output\n1,2,x\n".into(), "t.jsonl:2: "),
        (b"[1,2]".into(), "t.jsonl:1: "),
        (b"{}".into(), "t.jsonl:1: "),
        (format!("{ROW}\n{}", &ROW[..30]).into(), "t.jsonl:2: "),
        (second("\"timestamp\": 0", "\"timestamp\": 1e300").into(), "t.jsonl:2: "),
        (second("\"timestamp\": 0", "\"timestamp\": 18446744073709551615").into(), "t.jsonl:2: "),
        (second("\"timestamp\": 0", "\"timestamp\": 99999999999999999999999").into(), "t.jsonl:2: "),
        (second("600", "4294967296").into(), "t.jsonl:2: "),
        (second("52", "4294967295").into(), "t.jsonl:2: "),
        (second("52", "-1").into(), "t.jsonl:2: "),
        (second("52", "\"\\u001b[2J\"").into(), "t.jsonl:2: "),
        (second("47", "1e400").into(), "t.jsonl:2: "),
        (second("600", "60000").into(), "t.jsonl:2: "),
        (native(r#"{"t_ns":99999999999999999,"in":40,"out":8}"#).into(), "t.jsonl:2: "),
        (native(r#"{"t_ns":5,"in":40,"out":8,"runs":[[1,0,4294967295]]}"#).into(), "t.jsonl:2: "),
        (native(r#"{"t_ns":5,"in":40,"out":8,"runs":[[1,4294967295,3]]}"#).into(), "t.jsonl:2: "),
        (native(r#"{"think_ns":5,"in":40,"out":8}"#).into(), "t.jsonl:2: "),
        (HEADER.replace("16", "0").into(), "t.jsonl:1: "),
        (
            HEADER.replace("16", "7").replace('}', "}\n{\"t_ns\":5,\"in\":7,\"out\":8,\"ids\":[1]}").into(),
            "t.jsonl",
        ),
        (HEADER.into(), "t.jsonl"),
    ];
    for (trace, words) in cases {
        let folder = in_folder(SCENARIO, Some(&trace));
        let said = refused(folder.path(), &[]);
        holds(&said, &["--> s.toml:14:", "help: ", words]);
    }
    // A name is a mistake of the two files together: it is told at the trace's path, with the trace's own line.
    let folder =
        in_folder(SCENARIO, Some(native(r#"{"t_ns":5,"in":40,"out":8,"origin":"mars"}"#).as_bytes()));
    holds(&refused(folder.path(), &[]), &["--> s.toml:14:", "t.jsonl:2: ", "mars", "america", "help: "]);
}

#[test]
fn a_compressed_trace_that_was_cut_off_is_a_mistake_wherever_it_was_cut() {
    let rows: String = (0..300).map(|i| ROW.replace("600", &(513 + i).to_string()) + "\n").collect();
    let zstd = zstd::encode_all(rows.as_bytes(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(rows.as_bytes()).unwrap();
    for bytes in [zstd, gzip.finish().unwrap()] {
        let whole = in_folder(SCENARIO, Some(&bytes));
        assert_eq!(regionsim(whole.path(), &["validate", "s.toml"]).status.code(), Some(0));
        for cut in [5, bytes.len() / 3, bytes.len() - 1] {
            let folder = in_folder(SCENARIO, Some(&bytes[..cut]));
            holds(&refused(folder.path(), &[]), &["t.jsonl", "help: "]);
        }
    }
}

#[test]
fn files_that_are_not_there_or_no_files_are_told() {
    let folder = in_folder(SCENARIO, None);
    holds(&refused(folder.path(), &[]), &["--> s.toml:14:", "no such file", "help"]);
    fs::create_dir(folder.path().join("t.jsonl")).unwrap();
    holds(&refused(folder.path(), &[]), &["--> s.toml:14:", "help"]);
    for command in ["run", "validate"] {
        for (file, word) in [("nope.toml", "nope.toml"), (".", "--> .")] {
            let output = regionsim(folder.path(), &[command, file]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            holds(&said, &[word, "help: "]);
        }
    }
}

#[test]
fn a_scenario_that_is_no_text_or_no_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("name = \"{}\"", "x".repeat(3 << 20));
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bytes in [&[0xff, 0xfe, 0][..], &[0; 64], b"", b"\x1b[31m = 1", long.as_bytes(), deep.as_bytes()] {
        fs::write(folder.path().join("s.toml"), bytes).unwrap();
        holds(&refused(folder.path(), &[]), &["s.toml", "help: "]);
    }
}

#[test]
fn overrides_and_policies_that_are_not_there_are_told() {
    let folder = in_folder(SCENARIO, Some(ROW.as_bytes()));
    for (set, words) in [
        ("regions.us.pols=3", &["--set regions.us.pols=3", "help: did you mean `pools`?"][..]),
        ("foo", &["--set foo", "help: "]),
        ("=", &["--set =", "help: "]),
        ("", &["--set", "help: "]),
        ("regions.us.location", &["help: "]),
        ("regions..x=3", &["help: "]),
        ("regions.us.pools.main.replicas=-1", &["help: "]),
        ("seed=\u{1b}[2J", &["help: "]),
        ("policies.mine.replica.chwbl.load_factor=0.5", &["help: "]),
        ("workloads.main.trace.path=u.jsonl", &["no such file", "help: "]),
    ] {
        holds(&refused(folder.path(), &["--set", set]), words);
    }
    let output = regionsim(folder.path(), &["run", "s.toml", "--policy", "yours"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    holds(&String::from_utf8(output.stderr).unwrap(), &["yours", "mine"]);
}

#[test]
fn a_folder_that_cannot_be_written_ends_in_3_before_the_work() {
    // So much work that it would be noticed: the test would not end.
    let scenario = SCENARIO.replace(
        "[workloads.main.trace]\npath = \"t.jsonl\"",
        "[workloads.main.synthetic]\nsessions_per_s = 100.0\nrequests = 1_000_000_000",
    );
    let folder = in_folder(&scenario, None);
    for out in ["s.toml", "s.toml/below", "/proc/nowhere"] {
        let output = regionsim(folder.path(), &["run", "s.toml", "--out", out]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{said}");
        holds(&said, &["cannot write", out]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_a_run() {
    let folder = in_folder(SCENARIO, Some(ROW.as_bytes()));
    let binary = assert_cmd::cargo::cargo_bin("regionsim");
    let all: [&[&str]; 5] = [
        &["run", "s.toml", "--no-files", "-q"],
        &["run", "s.toml", "--no-files", "-q", "--json"],
        &["run", "s.toml", "--show-plan"],
        &["validate", "s.toml", "--show-plan"],
        &["validate", "s.toml"],
    ];
    for args in all {
        let mut command = Process::new(&binary);
        command.current_dir(folder.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{args:?}: {said}");
    }
}
