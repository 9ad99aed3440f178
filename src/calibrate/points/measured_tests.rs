//! `vllm-h100` against every fifth of the published rows it was fitted on. The file is not bundled; without it this is skipped.

use super::*;
use crate::calibrate::errors;
use crate::timing::profile;
use std::path::PathBuf;

#[test]
fn published_points_are_met() {
    let shared = std::env::var_os("REGIONSIM_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(shared.join("ground-truth/serving-measurements/silicon_open.csv"))
    else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: no serving points; set REGIONSIM_SHARED");
        }
        return;
    };
    let read = read_published(&Table::parse(&text).unwrap()).unwrap();
    let vllm = |sample: &Sample| {
        let hardware = &sample.hardware;
        sample.source == "vllm" && hardware.gpu.name == "h100-sxm" && !hardware.model.experimental
    };
    let all: Vec<Sample> = read.samples.into_iter().filter(vllm).collect();
    assert_eq!(all.len(), 135, "90 rows of Qwen3-32B and 45 of Llama-70B");
    // Saturated rows are long to play in an unoptimised build: they are the errors table's matter.
    let short = |sample: &&Sample| sample.measured.iter().all(|measured| measured.ms < WAITING_MS);
    let some: Vec<Sample> = all.iter().filter(short).step_by(5).cloned().collect();
    let pairs = errors::pairs(&some, &profile("vllm-h100").unwrap().constants).unwrap();
    let lines = errors::lines(&pairs, |_| "all".to_owned());
    for (line, median, p90) in [(&lines[0], 20.0, 40.0), (&lines[1], 4.0, 10.0)] {
        assert!(line.n >= 25 && line.median <= median && line.p90 <= p90, "{line:?}");
    }
    assert_eq!((lines[0].quantity.as_str(), lines[1].quantity.as_str()), ("ttft", "tpot"));
}
