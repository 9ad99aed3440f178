//! The command line as a user meets it: status, stdout, stderr.

use assert_cmd::Command;
use std::io::Read;
use std::process::{Command as Process, Stdio};

fn regionsim(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("regionsim").unwrap().args(args).env("NO_COLOR", "1").assert()
}

fn stdout(args: &[&str]) -> String {
    let output = regionsim(args).code(0).get_output().clone();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr_of_code_2(args: &[&str]) -> String {
    let output = regionsim(args).code(2).get_output().clone();
    assert!(output.stdout.is_empty(), "a mistake leaves stdout alone");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn short_help_is_short_and_long_help_ends_in_examples() {
    let (short, long) = (stdout(&["run", "-h"]), stdout(&["run", "--help"]));
    assert!(short.lines().count() < long.lines().count());
    assert!(!short.contains("Examples:") && long.contains("Examples:\n  regionsim run "));
    for command in ["run", "validate", "schema", "policies", "catalog", "trace", "completions"] {
        assert!(stdout(&["--help"]).contains(&format!("\n  {command} ")), "{command} is listed");
    }
    assert!(!stdout(&["--help"]).contains("\n  man "), "the manual page's command is hidden");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(stdout(&["--version"]), format!("regionsim {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistakes_on_the_command_line_end_in_code_2_and_say_what_would_do() {
    assert!(stderr_of_code_2(&[]).contains("Usage:"));
    assert!(stderr_of_code_2(&["rnu"]).contains("rnu"));
    assert!(
        stderr_of_code_2(&["run", "x.toml", "--sedes", "3"]).contains("--seed"),
        "the nearest flag is named"
    );
    assert!(stderr_of_code_2(&["run", "x.toml", "--seeds", "0"]).contains("1..=10000"));
    assert!(stderr_of_code_2(&["run", "x.toml", "--no-files", "--out", "y"]).contains("cannot be used with"));
    assert!(stderr_of_code_2(&["policies", "chwlb"]).contains("chwbl"));
    assert!(stderr_of_code_2(&["catalog", "gpu"]).contains("gpus"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let binary = assert_cmd::cargo::cargo_bin("regionsim");
    for args in [["schema", "summary"], ["catalog", "regions"], ["completions", "bash"]] {
        let mut child =
            Process::new(&binary).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_closed_stderr_changes_no_exit_code() {
    let binary = assert_cmd::cargo::cargo_bin("regionsim");
    // A mistake, whose message has nowhere to go.
    for (args, code) in [(["catalog", "gpu"], 2), (["validate", "no-such-file.toml"], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Process::new(&binary).args(args).stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn completions_and_manual_pages_know_the_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&["completions", shell]).contains("seeds"), "{shell}");
    }
    assert!(stdout(&["man"]).starts_with(".ie"), "roff");
    assert!(stdout(&["man", "run"]).contains("twice"));
    assert!(stderr_of_code_2(&["man", "rnu"]).contains("no command"));
}

#[test]
fn listings_have_what_scenarios_name() {
    assert!(stdout(&["policies"]).lines().any(|line| line.starts_with("chwbl ")));
    assert!(stdout(&["policies", "chwbl"]).contains("load_factor = 1.25"));
    assert!(stdout(&["catalog", "gpus"]).lines().any(|line| line.starts_with("h100-sxm ")));
    assert!(stdout(&["catalog", "models"]).lines().any(|line| line.starts_with("llama-3.1-70b ")));
    assert!(stdout(&["catalog", "regions"]).lines().any(|line| line.starts_with("aws:us-east-1 ")));
    assert!(stdout(&["catalog", "profiles"]).lines().any(|line| line.starts_with("p0 ")));
    assert!(stdout(&["catalog", "rtt"]).lines().any(|line| line.starts_with("aws ")));
    for table in ["gpus", "models", "regions", "profiles", "rtt"] {
        serde_json::from_str::<serde_json::Value>(&stdout(&["catalog", table, "--json"])).unwrap();
    }
    serde_json::from_str::<serde_json::Value>(&stdout(&["policies", "--json"])).unwrap();
}

#[test]
fn the_schema_of_the_summary_is_a_json_schema() {
    let schema: serde_json::Value = serde_json::from_str(&stdout(&["schema", "summary"])).unwrap();
    assert_eq!(schema["properties"]["schema_version"]["type"], "integer");
    assert!(schema["properties"]["policies"]["description"].is_string());
}

#[test]
fn colour_is_for_terminals() {
    let output = Command::cargo_bin("regionsim").unwrap().args(["policies", "x"]).output().unwrap();
    assert!(!output.stderr.contains(&0x1b), "a pipe gets no escape codes");
}
