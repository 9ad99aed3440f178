//! `regionsim trace` as a user meets it: what comes out, what is said, codes.

use assert_cmd::Command;
use regionsim::dist::Dist;
use regionsim::rng::Key;
use regionsim::workload::UtcStart;
use std::fs;
use std::path::Path;
use std::process::Output;

const MOONCAKE: &str = r#"{"timestamp":0,"input_length":1000,"output_length":20,"hash_ids":[0,1]}
{"timestamp":2000,"input_length":1300,"output_length":30,"hash_ids":[0,1,2]}
{"timestamp":2500,"input_length":600,"output_length":5,"hash_ids":[0,7]}
{"timestamp":9000,"input_length":80,"output_length":9}
"#;

const DIALOGUE: &str = r#"{"regionsim_trace":1,"block_tokens":16,"id_scope":"chat"}
{"t_ns":1000000,"in":40,"out":8,"runs":[[3,0,3]],"session":1,"turn":0,"tenant":2,"origin":"eu"}
{"think_ns":500000000,"in":70,"out":10,"runs":[[3,0,5]],"session":1,"turn":1,"tenant":2,"origin":"eu"}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.jsonl"), MOONCAKE).unwrap();
    fs::write(folder.path().join("d.jsonl"), DIALOGUE).unwrap();
    folder
}

fn run(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder).env("NO_COLOR", "1").args(args).write_stdin(stdin).output().unwrap()
}

/// Stdout and stderr of a command that must end in `code`.
fn told(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = run(folder, args, b"");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}{err}");
    (out, err)
}

fn stats(folder: &Path, file: &str) -> serde_json::Value {
    let (out, _) = told(folder, &["trace", "stats", file, "--json"], 0);
    serde_json::from_str::<serde_json::Value>(&out).unwrap()[0].clone()
}

#[test]
fn there_and_back_is_the_same_trace_however_it_is_packed() {
    let folder = folder();
    let at = folder.path();
    let hash = |file: &str| stats(at, file)["content_hash"].clone();
    for native in ["n.jsonl", "n.jsonl.zst", "n.jsonl.gz"] {
        let (out, notes) = told(at, &["trace", "convert", "m.jsonl", native], 0);
        assert_eq!(out, "");
        assert!(notes.contains("4 requests written"), "{notes}");
        assert_eq!(hash(native), hash("m.jsonl"), "{native}");
        told(at, &["trace", "convert", native, "back.jsonl", "--to", "mooncake"], 0);
        assert_eq!(fs::read_to_string(at.join("back.jsonl")).unwrap(), MOONCAKE, "{native}");
    }
    assert!(fs::read(at.join("n.jsonl.zst")).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    assert!(fs::read(at.join("n.jsonl.gz")).unwrap().starts_with(&[0x1f, 0x8b]));
}

#[test]
fn what_would_make_other_requests_is_refused_and_leaves_no_file() {
    let folder = folder();
    let at = folder.path();
    let (_, errors) = told(at, &["trace", "convert", "d.jsonl", "x.jsonl", "--to", "mooncake"], 2);
    for loss in ["2 of 2 requests name a tenant", "2 of 2 requests name an origin", "--lossy"] {
        assert!(errors.contains(loss), "{errors}");
    }
    assert!(!errors.contains("session"), "sessions and waits are AIPerf's fields: {errors}");
    assert_eq!(fs::read_dir(at).unwrap().count(), 2);
    let (lines, said) = told(at, &["trace", "convert", "d.jsonl", "-", "--to", "mooncake", "--lossy"], 0);
    assert_eq!(
        lines,
        "{\"timestamp\":1,\"input_length\":40,\"output_length\":8,\"hash_ids\":[0,1,2],\"session_id\":1}\n\
         {\"input_length\":70,\"output_length\":10,\"hash_ids\":[0,1,3,4,5],\"session_id\":1,\"delay\":500}\n"
    );
    for note in ["warning: lost: 2 of 2 requests name a tenant", "scope `chat`", "16 tokens"] {
        assert!(said.contains(note), "{said}");
    }
}

#[test]
fn a_line_through_pipes() {
    let folder = folder();
    let head = run(folder.path(), &["trace", "head", "-n", "2", "-"], MOONCAKE.as_bytes());
    assert!(head.status.success());
    assert_eq!(String::from_utf8_lossy(&head.stdout).lines().count(), 3, "a header and two requests");
    let table = run(folder.path(), &["trace", "stats", "-"], &head.stdout);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("requests                               2\n"), "{table}");
}

#[test]
fn parts_of_a_trace() {
    let folder = folder();
    let at = folder.path();
    let (out, said) = told(at, &["trace", "sample", "m.jsonl", "--window", "2s..3s"], 0);
    assert!(
        out.contains(r#"{"t_ns":0,"in":1300,"#) && out.contains(r#"{"t_ns":500000000,"in":600,"#),
        "{out}"
    );
    assert!(said.contains("2 of 4 requests"), "{said}");
    let (out, _) = told(at, &["trace", "sample", "m.jsonl", "--requests", "3"], 0);
    assert_eq!(out.lines().count(), 4);
    assert_eq!(out, told(at, &["trace", "sample", "m.jsonl", "--requests", "3"], 0).0);
    told(at, &["trace", "sample", "d.jsonl", "--share", "1", "--out", "whole.jsonl"], 0);
    assert_eq!(stats(at, "whole.jsonl")["content_hash"], stats(at, "d.jsonl")["content_hash"]);
}

#[test]
fn mistakes_say_what_would_do() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("bad.jsonl"), MOONCAKE.replace("\"input_length\":600", "\"input_length\":-600"))
        .unwrap();
    fs::write(at.join("salt"), "\n").unwrap();
    let cases: [(&[&str], &str); 14] = [
        (&["stats"], "<FILE>..."),
        (&["stats", "absent.jsonl"], "absent.jsonl: `file` is No such file"),
        (&["stats", "-", "-"], "stdin (`-`) can be read once only"),
        (&["stats", "m.jsonl", "--cache-tokens", "1.5M"], "a whole number above 0, with k, M or G"),
        (&["stats", "m.jsonl", "--format", "moonshine"], "unknown variant `moonshine`"),
        (&["stats", "m.jsonl", "--block-tokens", "16"], "it fits blocks of 512"),
        (&["stats", "m.jsonl", "--columns", "when=ts"], "when"),
        (&["stats", "bad.jsonl"], "bad.jsonl:3: `input_length` is -600: must not be negative"),
        (&["sample", "m.jsonl"], "--share <SHARE>|--requests <N>|--window <FROM..TO>"),
        (&["sample", "m.jsonl", "--share", "30"], "above 0 and is at most 1"),
        (&["sample", "m.jsonl", "--window", "5m..1m"], "does not end before it begins"),
        (&["sample", "m.jsonl", "--window", "1h..2h"], "no request of m.jsonl falls into this part"),
        (&["head", "m.jsonl", "-n", "0"], "0 is not in 1.."),
        (&["hash", "m.jsonl", "--salt-file", "salt"], "the salt's file is empty"),
    ];
    for (args, what) in cases {
        let args: Vec<&str> = ["trace"].iter().chain(args).copied().collect();
        let (out, errors) = told(at, &args, 2);
        assert!(out.is_empty() && errors.contains(what), "{args:?}: {errors}");
    }
    let (_, notes) = told(at, &["trace", "stats", "bad.jsonl", "--on-bad-line", "skip"], 0);
    assert!(notes.contains('3') && notes.contains("input_length"), "{notes}");
}

#[test]
fn no_text_leaves_with_a_hashed_trace() {
    let folder = folder();
    let at = folder.path();
    let line = |second: u32, secret: &str| {
        let system = "You are a helpful assistant of the Example Bank. ".repeat(8);
        format!("{{\"time\":{second},\"prompt\":\"{system}{secret}\",\"completion_tokens\":12}}\n")
    };
    let text = line(100, "My PIN is 4711 and my cat is Mitzi") + &line(107, "Wire 5000 to Mallory, please");
    fs::write(at.join("prompts.jsonl"), text).unwrap();
    let (out, said) = told(at, &["trace", "hash", "prompts.jsonl"], 0);
    for word in ["helpful", "PIN", "4711", "Mitzi", "Mallory", "Bank"] {
        assert!(!out.contains(word) && !said.contains(word), "{word}: {out}{said}");
    }
    fs::write(at.join("hashed.jsonl"), &out).unwrap();
    let stats = stats(at, "hashed.jsonl");
    // 392 bytes of system prompt: six blocks of 64 are shared, 96 tokens.
    assert_eq!(stats["requests"], 2);
    let found = stats["blocks"]["hit_bound"].as_f64().unwrap() * stats["prompt_tokens"].as_f64().unwrap();
    assert!((found - 96.0).abs() < 1e-6, "{found}");
}

#[test]
fn plots_are_drawn_into_a_file_that_is_whole() {
    let folder = folder();
    let at = folder.path();
    told(at, &["trace", "stats", "m.jsonl", "d.jsonl", "--svg", "plots/two.svg"], 0);
    let svg = fs::read_to_string(at.join("plots/two.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let (_, errors) = told(at, &["trace", "stats", "m.jsonl", "--svg", "plots"], 3);
    assert!(errors.contains("it is a folder"), "{errors}");
}

#[test]
fn the_requests_of_a_run_come_back() {
    let folder = folder();
    let at = folder.path();
    let scenario = r#"
name = "small"
[slo.interactive]
ttft = "1s"
[models.chat]
preset = "llama-3.1-8b"
[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }
[origins.america]
near = "us"
[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 200
turns = { geometric = { mean = 3.0 } }
[policies.one]
replica.p2c = {}
[policies.other]
replica.chwbl = {}
"#;
    let cut = scenario.find("[workloads.main").unwrap()..scenario.find("[policies").unwrap();
    let mut replay = scenario.to_owned();
    replay.replace_range(cut, "[workloads.main.trace]\npath = \"sent.jsonl.zst\"\n");
    fs::write(at.join("small.toml"), scenario).unwrap();
    fs::write(at.join("replay.toml"), replay).unwrap();
    let digest = |args: &[&str]| {
        let (out, _) = told(at, args, 0);
        let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
        summary["policies"][0]["cells"][0]["outcome_digest"].clone()
    };
    let common = ["--policy", "one", "--no-files", "--json"];
    let export = [&["run", "small.toml", "--export-trace", "sent.jsonl.zst"][..], &common].concat();
    let original = digest(&export);
    assert!(original.is_string());
    assert_eq!(digest(&[&["run", "replay.toml"][..], &common].concat()), original);

    fs::write(at.join("clients.toml"), scenario.replace("sessions_per_s = 2.0", "clients = { count = 4 }"))
        .unwrap();
    let (_, errors) = told(at, &["trace", "generate", "clients.toml"], 2);
    assert!(errors.contains("--export-trace"), "{errors}");
    let (_, errors) = told(at, &["run", "small.toml", "--export-trace", "x.jsonl", "--no-files"], 2);
    assert!(errors.contains("there are 2; choose with --policy"), "{errors}");
    // A dash is stdout, in place of the table.
    let (sent, _) =
        told(at, &["run", "small.toml", "--policy", "one", "--no-files", "--export-trace", "-"], 0);
    assert!(sent.starts_with("{\"regionsim_trace\":1,"), "{sent}");
    told(at, &["run", "small.toml", "--policy", "one", "--no-files", "--export-trace", "again.jsonl"], 0);
    assert_eq!(fs::read_to_string(at.join("again.jsonl")).unwrap(), sent);
    assert!(!at.join("x.jsonl").exists());
}

/// The log of an imaginary gateway, for the documentation: 180 conversations in twenty minutes, from three zones.
fn gateway_log() -> String {
    let key = Key::root(2026).named("gateway log");
    let mut rows: Vec<(u64, String)> = Vec::new();
    for conversation in 0..180u64 {
        let mut stream = key.at(conversation).stream();
        let mut at_ms = stream.below(1_200_000) as u64;
        let zone = ["us-east", "eu-west", "ap-south"][[0, 0, 0, 1, 1, 2][stream.below(6) as usize]];
        let org = Dist::Zipf { n: 12, exponent: 1.0 }.sample(&mut stream) as u64;
        let mut draw = |median: f64, sigma: f64| Dist::Lognormal { median, sigma }.sample(&mut stream);
        let mut history = 600 * (1 + org % 3);
        let turns = draw(2.0, 0.7).round().clamp(1.0, 9.0) as u64;
        for _ in 0..turns {
            let prompt = history + draw(90.0, 0.9).ceil() as u64;
            let answer = draw(180.0, 0.7).ceil() as u64;
            let ttft_ms = draw(140.0 + prompt as f64 / 12.0, 0.35).ceil() as u64;
            let total_ms = ttft_ms + answer * 24;
            // One in fifty fails, and ends the conversation.
            let failed = draw(1.0, 1.0) > 7.8;
            let at = UtcStart { unix_ns: (1_790_668_800_000 + at_ms as i64) * 1_000_000, naive: false };
            let told = if failed { String::from(",,") } else { format!("{answer},{ttft_ms},{total_ms}") };
            rows.push((at_ms, format!("{at},c{conversation:03},org-{org},{zone},{prompt},{told}\n")));
            if failed {
                break;
            }
            at_ms += total_ms + (draw(14.0, 0.9) * 1_000.0) as u64;
            history = prompt + answer;
        }
    }
    rows.sort();
    let head = "ts,conversation,org,zone,prompt_tokens,completion_tokens,ttft_ms,total_ms\n";
    head.to_owned() + &rows.into_iter().map(|(_, row)| row).collect::<String>()
}

/// `REGIONSIM_WRITE_GOLDEN=1 cargo test --test trace_command` writes it anew.
#[test]
fn the_checked_in_log_is_what_its_generator_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/gateway-log.csv");
    if std::env::var_os("REGIONSIM_WRITE_GOLDEN").is_some() {
        fs::write(&path, gateway_log()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), gateway_log());
}
