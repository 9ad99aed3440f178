//! Profiles against some of the published rows they were fitted on. The file is not bundled; without it this is skipped.

use super::*;
use crate::calibrate::errors;
use crate::timing::profile;
use std::path::PathBuf;

/// The published rows, or nothing where the file is absent.
fn published() -> Option<Vec<Sample>> {
    let shared = std::env::var_os("REGIONSIM_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(shared.join("ground-truth/serving-measurements/silicon_open.csv"))
    else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: no serving points; set REGIONSIM_SHARED");
        }
        return None;
    };
    Some(read_published(&Table::parse(&text).unwrap()).unwrap().samples)
}

/// Checks one in `of_so_many` of an engine's rows of dense models on a GPU, but for those that mostly wait: they are long to play in
/// an unoptimised build, and the errors table's matter. Bounds are medians and 90th percentiles of TTFT and of TPOT, percent.
fn check(engine: &str, gpu: &str, name: &str, rows: usize, of_so_many: usize, bounds: [(f64, f64); 2]) {
    let Some(samples) = published() else { return };
    let range = profile(name).unwrap().range.clone().expect("it was fitted");
    let of = |sample: &Sample| {
        let hardware = &sample.hardware;
        let known = range.beyond(hardware.model.name, hardware.gpu.name, hardware.tp).is_empty();
        sample.source == engine && hardware.gpu.name == gpu && known
    };
    let all: Vec<Sample> = samples.into_iter().filter(of).collect();
    assert_eq!(all.len(), rows, "{name}");
    let short = |sample: &&Sample| sample.measured.iter().all(|measured| measured.ms < WAITING_MS);
    let some: Vec<Sample> = all.iter().filter(short).step_by(of_so_many).cloned().collect();
    let pairs = errors::pairs(&some, &profile(name).unwrap().constants).unwrap();
    let lines = errors::lines(&pairs, |_| "all".to_owned());
    assert_eq!((lines[0].quantity.as_str(), lines[1].quantity.as_str()), ("ttft", "tpot"));
    for (line, (median, p90)) in lines.iter().zip(bounds) {
        assert!(line.n >= 9 && line.median <= median && line.p90 <= p90, "{name}: {line:?}");
    }
}

#[test]
fn published_points_of_vllm_are_met() {
    // 90 rows of Qwen3-32B and 45 of Llama-70B.
    check("vllm", "h100-sxm", "vllm-h100", 135, 5, [(20.0, 40.0), (4.0, 10.0)]);
}

#[test]
fn published_points_of_sglang_are_met() {
    check("sglang", "h100-sxm", "sglang-h100", 78, 5, [(20.0, 40.0), (4.0, 10.0)]);
    check("sglang", "h200-sxm", "sglang-h200", 46, 3, [(60.0, 90.0), (10.0, 25.0)]);
}

#[test]
fn published_points_of_deepseek_are_met() {
    check("sglang", "h200-sxm", "sglang-deepseek-h200", 30, 2, [(20.0, 50.0), (4.0, 10.0)]);
}

#[test]
fn a_profile_of_b200_meets_gb200() {
    // No row of it was fitted: another GPU, model and type of weights. Rows of several replicas are not among them.
    let Some(samples) = published() else { return };
    let of = |sample: &Sample| sample.source == "trtllm" && sample.hardware.gpu.name == "gb200";
    let rows: Vec<Sample> = samples.into_iter().filter(of).collect();
    assert_eq!(rows.len(), 2);
    let pairs = errors::pairs(&rows, &profile("trtllm-b200").unwrap().constants).unwrap();
    for pair in &pairs {
        assert!(pair.error().abs() < 0.1, "{pair:?}");
    }
}

#[test]
fn published_points_of_tensorrt_llm_are_met() {
    for (gpu, name, rows) in
        [("h100-sxm", "trtllm-h100", 353), ("h200-sxm", "trtllm-h200", 72), ("b200", "trtllm-b200", 72)]
    {
        check("trtllm", gpu, name, rows, 1 + rows / 20, [(35.0, 90.0), (10.0, 25.0)]);
    }
}
