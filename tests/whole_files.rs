//! What a run leaves on the disk when it is killed, interrupted, or finds the disk full: all files of the run before, or
//! all of the new one; nothing hidden beside them; and words on what is missing.

use assert_cmd::cargo::cargo_bin;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SCENARIO: &str = r#"
name = "whole"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 2 }

[workloads.main.synthetic]
sessions_per_s = 4.0
requests = 1500

[policies.first]
replica.round_robin = {}
[policies.second]
replica.least_request = {}
[policies.third]
replica.chwbl = {}
"#;

/// The signal's own thread answers, so a signal is by the `kill` of the system.
#[cfg(unix)]
fn signal(name: &str, id: u32) {
    // The process may be over already.
    let _ = Command::new("kill").args([format!("-{name}"), id.to_string()]).stderr(Stdio::null()).status();
}

fn command(folder: &Path, args: &[&str]) -> Command {
    fs::write(folder.join("whole.toml"), SCENARIO).unwrap();
    let mut command = Command::new(cargo_bin("regionsim"));
    command
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .args(["run", "whole.toml", "-q", "--threads", "2"])
        .args(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

/// Every file below `folder` with its bytes; hidden ones have their names.
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

fn hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

struct Desk {
    folder: tempfile::TempDir,
    old: BTreeMap<String, Vec<u8>>,
    new: BTreeMap<String, Vec<u8>>,
    /// How long a whole run takes here.
    takes: Duration,
}

/// A folder `out` with the files of seed 1, and what those of seed 2 would be: with other policies, so that the sets of
/// files differ as well.
const OLD: [&str; 6] = ["--out", "out", "--seed", "1", "--policy", "first"];
const NEW: [&str; 8] = ["--out", "out", "--seed", "2", "--policy", "second", "--policy", "third"];

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    // Only to choose moments for the signals.
    #[expect(clippy::disallowed_methods)]
    let begin = Instant::now();
    assert!(run(folder.path(), &NEW).status.success());
    let takes = begin.elapsed();
    let new = files(&folder.path().join("out"));
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    assert!(run(folder.path(), &OLD).status.success());
    let old = files(&folder.path().join("out"));
    assert!(old != new && !old.keys().chain(new.keys()).any(|name| hidden(name)));
    Desk { folder, old, new, takes }
}

#[test]
#[cfg(unix)]
fn killed_at_any_moment_a_folder_with_a_manifest_has_the_files_of_one_run() {
    let desk = desk();
    let out = desk.folder.path().join("out");
    let mut killed = 0;
    for attempt in 0..12u32 {
        let mut child = command(desk.folder.path(), &NEW).spawn().unwrap();
        std::thread::sleep(desk.takes * attempt / 10);
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        let seen: BTreeMap<_, _> = files(&out).into_iter().filter(|(name, _)| !hidden(name)).collect();
        if seen.contains_key("manifest.json") {
            assert!(seen == desk.old || seen == desk.new, "attempt {attempt}: {:?}", seen.keys());
        } else {
            assert!(out.join(".regionsim-complete").is_dir(), "attempt {attempt}");
        }
        // The next run leaves its own files and nothing else.
        assert!(run(desk.folder.path(), &OLD).status.success());
        assert!(files(&out) == desk.old, "attempt {attempt}: {:?}", files(&out).keys());
    }
    assert!(killed > 0, "no run was killed");
}

#[test]
#[cfg(unix)]
fn interrupted_at_any_moment_a_folder_is_as_it_was_or_new_and_the_code_is_130() {
    let desk = desk();
    let out = desk.folder.path().join("out");
    let mut interrupted = 0;
    for (attempt, (name, code)) in [("INT", 130), ("TERM", 143)].into_iter().cycle().take(10).enumerate() {
        let child = command(desk.folder.path(), &NEW).spawn().unwrap();
        // The signals are listened to after a moment.
        std::thread::sleep(desk.takes * (attempt as u32 + 1) / 11);
        signal(name, child.id());
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        let seen = files(&out);
        match output.status.code() {
            Some(0) => assert!(seen == desk.new, "attempt {attempt}: {:?}", seen.keys()),
            Some(other) if other == code => {
                interrupted += 1;
                assert!(words.contains("interrupted"), "{words}");
                // A run whose files are all there may still have been about to print its table.
                assert!(seen == desk.old || seen == desk.new, "attempt {attempt}: {:?}", seen.keys());
                if words.contains("no file of this run was kept") {
                    assert!(words.contains("finished") && seen == desk.old, "{words}");
                }
            }
            // Before the signal had somebody to hear it.
            None => assert!(seen == desk.old, "attempt {attempt}: {:?}", seen.keys()),
            other => panic!("{name}: {other:?}: {words}"),
        }
        assert!(run(desk.folder.path(), &OLD).status.success());
        assert!(files(&out) == desk.old);
    }
    assert!(interrupted > 0, "no run was interrupted");
}

/// A device that is always full stands for a disk: the write fails in the middle of the work.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_changes_nothing_and_says_what_is_missing() {
    let desk = desk();
    let output = run(desk.folder.path(), &[&NEW[..], &["--audit", "/dev/full"]].concat());
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{words}");
    assert!(words.contains("cannot write `/dev/full`") && words.contains("No space left"), "{words}");
    assert!(words.contains("finished: second, third") && words.contains("out is as it was"), "{words}");
    assert!(files(&desk.folder.path().join("out")) == desk.old);
    // Where there was no folder, there is none.
    let elsewhere = run(desk.folder.path(), &["--out", "new/folder", "--audit", "/dev/full"]);
    assert_eq!(elsewhere.status.code(), Some(3));
    assert!(!desk.folder.path().join("new").exists());
}
