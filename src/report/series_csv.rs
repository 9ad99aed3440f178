//! series.csv: the time line, one row a window and region. A field that cannot be known is empty.

use crate::run::{Labels, SeriesRow};
use std::io::{self, Write};

/// Writes the time line.
pub fn write(out: impl Write, labels: &Labels, rows: &[SeriesRow]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "start_ns",
        "region",
        "sent",
        "completed",
        "not_completed",
        "ttft_p50_ms",
        "ttft_p99_ms",
        "hit_rate",
        "output_tokens",
        "running",
        "waiting",
        "kv_use",
        "busy",
        "replicas",
    ])?;
    let optional = |value: Option<f64>| value.map(|value| format!("{value:.6}")).unwrap_or_default();
    for row in rows {
        writer.write_record([
            row.start.0.to_string(),
            labels.region(row.region),
            row.sent.to_string(),
            row.completed.to_string(),
            row.not_completed.to_string(),
            optional(row.ttft_p50_ns.map(|ns| ns / 1e6)),
            optional(row.ttft_p99_ns.map(|ns| ns / 1e6)),
            optional(row.hit_rate),
            row.output_tokens.to_string(),
            row.running.to_string(),
            row.waiting.to_string(),
            optional(row.kv_use),
            optional(row.busy),
            row.replicas.map(|up| up.to_string()).unwrap_or_default(),
        ])?;
    }
    writer.flush()
}
