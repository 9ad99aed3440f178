//! GPUs and their data-sheet peaks. Numbers: `data/gpus.csv`; dense rates, never the sparse figures.

use super::Provenance;
use std::sync::LazyLock;

/// A GPU as its maker describes it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Gpu {
    /// Its name in scenarios, such as `h100-sxm`.
    pub name: &'static str,
    /// Its maker.
    pub vendor: &'static str,
    /// Dense BF16 rate, TFLOP/s.
    pub bf16_tflops: f64,
    /// Dense FP8 rate, TFLOP/s; `None` without FP8 units.
    pub fp8_tflops: Option<f64>,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Memory bandwidth, GB/s (10⁹ bytes).
    pub memory_gb_per_s: f64,
    /// What joins the GPUs of a host.
    pub link: &'static str,
    /// Rate of that link, one way per GPU, GB/s.
    pub link_gb_per_s: f64,
    /// Board power, W.
    pub power_w: u32,
    /// All-reduce rate with two, four and eight GPUs, GB/s of payload.
    pub all_reduce: [f64; 3],
    /// All-reduce floor, µs for each call.
    pub all_reduce_floor_us: f64,
    /// Whether the all-reduce numbers were measured on this GPU; if not, they are a neighbour's.
    pub all_reduce_measured: bool,
    /// Where the row comes from.
    pub source: &'static str,
}

impl Gpu {
    /// The all-reduce rate with `tp` GPUs, GB/s of payload.
    pub fn all_reduce_gb_per_s(&self, tp: u32) -> f64 {
        self.all_reduce[match tp {
            0..=2 => 0,
            3..=4 => 1,
            _ => 2,
        }]
    }
}

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "makers' data sheets, dense rates as collected in the NVIDIA aiconfigurator system files",
    date: "2025",
    statistic: "peak rates; all-reduce measured",
    licence: "facts; aiconfigurator is Apache-2.0",
};

static GPUS: LazyLock<Vec<Gpu>> = LazyLock::new(|| {
    super::rows(include_str!("data/gpus.csv"))
        .map(|row| Gpu {
            name: row.text("name"),
            vendor: row.text("vendor"),
            bf16_tflops: row.number("bf16_tflops"),
            fp8_tflops: row.optional("fp8_tflops"),
            memory_bytes: row.number("memory_bytes"),
            memory_gb_per_s: row.number("memory_gb_per_s"),
            link: row.text("link"),
            link_gb_per_s: row.number("link_gb_per_s"),
            power_w: row.number("power_w"),
            all_reduce: [row.number("ar_tp2"), row.number("ar_tp4"), row.number("ar_tp8")],
            all_reduce_floor_us: row.number("ar_floor_us"),
            all_reduce_measured: row.text("ar_measured") == "yes",
            source: row.text("source"),
        })
        .collect()
});

/// All GPUs.
pub fn gpus() -> &'static [Gpu] {
    &GPUS
}

/// The GPU called `name`.
pub fn gpu(name: &str) -> Option<&'static Gpu> {
    GPUS.iter().find(|gpu| gpu.name == name)
}
