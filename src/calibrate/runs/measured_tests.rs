//! `vllm-async-h100` against all twenty published runs, of which it was fitted to three.

use super::*;
use crate::calibrate::errors;
use crate::catalog::{Dtype, gpu, model};
use crate::timing::profile;

#[test]
fn published_runs_are_met() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/published/peer-runs.csv");
    let table = Table::parse(&std::fs::read_to_string(path).expect("the runs")).unwrap();
    let hardware = |line: u64, cells: &[String], _: &mut Findings| {
        let tp = table.text(cells, "tp").parse().ok()?;
        let (model, gpu) = (model(table.text(cells, "model"))?, gpu(table.text(cells, "gpu"))?);
        assert!(line > 0);
        Some(Hardware { model, gpu, tp, weights: Dtype::Bf16, kv: Dtype::Bf16 })
    };
    let samples = read(&table, hardware, "runs").unwrap();
    assert_eq!(samples.len(), 20);
    let pairs = errors::pairs(&samples, &profile("vllm-async-h100").unwrap().constants).unwrap();
    let lines = errors::lines(&pairs, |_| "all".to_owned());
    for (quantity, median) in [("e2e", 6.0), ("ttft", 15.0), ("ttft_p99", 25.0)] {
        let line = lines.iter().find(|line| line.quantity == quantity).expect("it was measured");
        assert!(line.n == 20 && line.median <= median, "{line:?}");
    }
}
