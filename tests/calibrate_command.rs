//! `regionsim calibrate` as a user types it.

use assert_cmd::Command;
use std::fmt::Write;

fn regionsim(folder: &std::path::Path) -> Command {
    let mut command = Command::cargo_bin("regionsim").expect("the program is built");
    command.current_dir(folder);
    command
}

/// Decode steps of Llama-3.1-8B on one H100 that take 9 ms (reading the weights alone takes 5.6), 30 µs a sequence and 60 ns a token of context.
fn steps() -> String {
    let mut text = String::from("tokens,sequences,context_tokens,step_us\n");
    for sequences in [1u32, 8, 32, 64, 128] {
        for context in [1_000u32, 20_000, 200_000] {
            let us = 9_000.0 + 30.0 * f64::from(sequences) + 0.06 * f64::from(context);
            writeln!(text, "{sequences},{sequences},{context},{us}").expect("a string takes it");
        }
    }
    text
}

#[test]
fn a_profile_is_fitted_written_and_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("steps.csv"), steps()).expect("a file");
    let hardware = ["--model", "llama-3.1-8b", "--gpu", "h100-sxm"];
    let fitted = regionsim(folder.path())
        .args([
            "calibrate",
            "steps.csv",
            "--free",
            "t0_us,t_sequence_us,e_kv",
            "--out",
            "mine.toml",
            "--plot",
            "mine.svg",
        ])
        .args(hardware)
        .assert()
        .success();
    let out = String::from_utf8_lossy(&fitted.get_output().stdout).into_owned();
    assert!(out.contains("t_sequence_us") && out.contains("held"), "{out}");
    let profile = std::fs::read_to_string(folder.path().join("mine.toml")).expect("the profile");
    assert!(profile.contains("status = \"fitted\"") && profile.contains("name = \"mine\""), "{profile}");
    assert!(
        std::fs::read_to_string(folder.path().join("mine.svg")).expect("the plot").contains("Engine steps")
    );
    // 131,072 bytes in 60 ns are 2,184.5 GB/s: 0.652 of 3,350.
    let e_kv = profile.lines().find_map(|line| line.strip_prefix("e_kv = ")).expect("the constant");
    assert!((e_kv.parse::<f64>().expect("a number") - 0.652).abs() < 0.01, "{e_kv}");
    let checked = regionsim(folder.path())
        .args(["calibrate", "steps.csv", "--check", "mine.toml", "--tp", "2"])
        .args(hardware)
        .assert()
        .success();
    let err = String::from_utf8_lossy(&checked.get_output().stderr).into_owned();
    assert!(err.contains("tensor parallelism 2: extrapolated"), "{err}");
}

#[test]
fn mistakes_are_told_at_once_with_a_next_step() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("steps.csv"),
        "tokens,sequences,context_tokens,step_us\n1,2,0,5\nx,1,0,-5\n",
    )
    .expect("a file");
    let run = |more: &[&str], told: &[&str]| {
        let assert = regionsim(folder.path()).args(["calibrate", "steps.csv"]).args(more).assert().code(2);
        let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        for text in told {
            assert!(err.contains(text), "{text}: {err}");
        }
    };
    let hardware = ["--model", "llama-3.1-8b", "--gpu", "h100-sxm"];
    run(&hardware, &["line 2: 1 tokens in 2 sequences", "line 3: tokens is `x`", "step_us is `-5`"]);
    run(&["--model", "llama-3.1-8b"], &["add the column `gpu` or `--gpu`"]);
    run(&["--model", "llama-9", "--gpu", "h100-sxm"], &["the catalogue has no model `llama-9`"]);
    run(&["--where", "colour=red"], &["names no column"]);
    std::fs::write(folder.path().join("steps.csv"), steps()).expect("a file");
    run(&[&hardware[..], &["--hold", "e_a=7"]].concat(), &["e_a must be a number from 0.1 to 0.95"]);
    run(&[&hardware[..], &["--free", "e_b"]].concat(), &["there is no term `e_b`"]);
    run(&[&hardware[..], &["--check", "nothing"]].concat(), &["there is no profile `nothing`"]);
    run(&[&hardware[..], &["--engine", "vlm"]].concat(), &["there is no engine `vlm`"]);
    // Rows of two engines, and one of none that is known.
    let head = "input_tokens,output_tokens,concurrency,tpot_ms,engine\n";
    std::fs::write(folder.path().join("steps.csv"), format!("{head}100,10,1,9,vllm\n100,10,1,9,sglang\n"))
        .expect("a file");
    run(&hardware, &["of different engines (sglang, vllm)"]);
    // SGLang's two are one engine with a switch.
    let both = format!("{head}100,10,1,9,sglang\n100,10,1,9,sglang-mixed\n");
    std::fs::write(folder.path().join("both.csv"), both).expect("a file");
    let check = ["calibrate", "both.csv", "--check", "sglang-h100"];
    regionsim(folder.path()).args(check).args(hardware).assert().success();
    std::fs::write(folder.path().join("steps.csv"), format!("{head}100,10,1,9,tgi\n")).expect("a file");
    run(&hardware, &["line 2: engine is `tgi`"]);
    // A log of which nothing says what served it, and an empty one.
    std::fs::write(folder.path().join("log.jsonl"), "").expect("a file");
    for (more, told) in [(&[][..], "say it with `--model`"), (&hardware, "there are no requests")] {
        let log = regionsim(folder.path()).args(["calibrate", "log.jsonl"]).args(more).assert().code(2);
        let err = String::from_utf8_lossy(&log.get_output().stderr).into_owned();
        assert!(err.contains("log.jsonl cannot be used") && err.contains(told), "{told}: {err}");
    }
}
