//! What a sweep tells at a glance: each policy's best point, and what moves the objective most.

use super::grid;
use super::measures::Measure;
use crate::sweep::{Best, Effect, Manifest};
use std::fmt::Write;

/// Effects shown: the first ones.
const EFFECTS: usize = 8;

/// The tables as text.
pub fn render(manifest: &Manifest, objective: &Measure, best: &[Best], effects: &[Effect]) -> String {
    let scale = if objective.unit == "share" { 100.0 } else { 1.0 };
    let unit = if objective.unit == "share" { "%" } else { objective.unit };
    let shown = |value: f64| number(value * scale);
    let mut out = String::new();
    let plural = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let policies = match manifest.policies.len() as u64 {
        1 => "1 policy".to_owned(),
        count => format!("{count} policies"),
    };
    let _ = writeln!(
        out,
        "{}: {} × {policies} × {} = {}; {} in {unit}",
        manifest.scenario,
        plural(manifest.points, "point"),
        plural(u64::from(manifest.seeds), "seed"),
        plural(manifest.cells, "cell"),
        objective.name,
    );
    if best.is_empty() {
        let _ = writeln!(out, "\nno cell has a value of {}", objective.name);
        return out;
    }
    let rows = best.iter().map(|best| {
        let half = best.value.half_width(0.95).map_or_else(|| "-".to_owned(), shown);
        let settings: Vec<String> =
            best.settings.iter().map(|(path, value)| format!("{path}={value}")).collect();
        let value = best.value.mean().map_or_else(|| "-".to_owned(), shown);
        vec![best.policy.clone(), value, half, shown(best.worst), best.point.to_string(), settings.join(" ")]
    });
    let head = ["policy", "best", "± 95 %", "worst point", "point", "at"];
    let _ = write!(out, "\n{}", grid::render(&head, &rows.collect::<Vec<_>>()));
    if effects.iter().any(|effect| effect.by() > 0.0) {
        let rows = effects.iter().take(EFFECTS).map(|effect| {
            let Effect { setting, low, high } = effect;
            vec![
                setting.clone(),
                shown(effect.by()),
                shown(low.1),
                low.0.clone(),
                shown(high.1),
                high.0.clone(),
            ]
        });
        let head = ["what moves it", "by", "lowest", "at", "highest", "at"];
        let _ = write!(out, "\n{}", grid::render(&head, &rows.collect::<Vec<_>>()));
        out.push_str("means over everything else that is varied\n");
    }
    out
}

/// Four digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
