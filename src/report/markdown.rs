//! A run as Markdown, for a pull request or a job's summary: the headline table, gates, warnings, where it came from.
//! Knows a summary; its numbers are those of the terminal table.

use super::gates;
use super::measures::{self, Measure};
use super::summary::Summary;
use super::table::{Column, Marks};
use std::fmt::Write;

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The page.
pub fn render(summary: &Summary) -> String {
    let mut out = format!("### {}\n\n", cell(&summary.scenario));
    if let Some(first) = summary.policies.first().and_then(|policy| policy.cells.first()) {
        let total = first.conservation.total.arrivals;
        let seeds: Vec<String> = summary.seeds.iter().map(ToString::to_string).collect();
        let some = if seeds.len() > 10 {
            format!("{} … {}", seeds[0], seeds[seeds.len() - 1])
        } else {
            seeds.join(", ")
        };
        let _ = writeln!(
            out,
            "{total} requests, {} measured after a warm-up of {:.0} s; {} {some}\n",
            first.all.arrivals,
            first.warmup_s,
            if seeds.len() == 1 { "seed" } else { "seeds" },
        );
    }
    let has = |name: &str| {
        summary.policies.iter().any(|policy| policy.measures.iter().any(|measure| measure.name == name))
    };
    let all = [measures::LATENCY, measures::SERVICE, measures::MONEY].into_iter().flatten();
    let shown: Vec<&Measure> =
        all.filter(|measure| measures::REVIEWED.contains(&measure.name) && has(measure.name)).collect();
    let mut marks = Marks::default();
    let columns: Vec<Column> =
        shown.iter().map(|measure| Column::of(measure, &summary.policies, &mut marks)).collect();
    out.push_str("| policy |");
    for column in &columns {
        let _ = write!(out, " {} |", cell(&column.head.join(" ")));
    }
    let _ = writeln!(out, "\n|---|{}", "--:|".repeat(columns.len()));
    for (row, policy) in summary.policies.iter().enumerate() {
        let _ = write!(out, "| {} |", cell(&policy.policy));
        for column in &columns {
            let found = &column.cells[row];
            let text = found.text.trim().trim_end_matches('*');
            let _ = if found.best { write!(out, " **{text}** |") } else { write!(out, " {text} |") };
        }
        out.push('\n');
    }
    out.push_str("\nBold: best of its column, where values differ by 1 % or more.");
    if summary.seeds.len() > 1 {
        out.push_str(" ±: 95 % interval (Student) over the seeds.");
    }
    if marks.any_unreliable() {
        out.push_str(" ~: fewer than ten samples lie beyond this percentile.");
    }
    out.push('\n');
    if !summary.gates.is_empty() {
        out.push_str("\n| gate | policy | value | |\n|---|---|--:|---|\n");
        for gate in &summary.gates {
            let word = if gate.holds { "holds" } else { "**breached**" };
            let (bound, policy) = (cell(&gate.gate), cell(&gate.policy));
            let _ = writeln!(out, "| `{bound}` | {policy} | {} | {word} |", gates::value(gate));
        }
    }
    if !summary.warnings.is_empty() {
        out.push_str("\nWarnings:\n\n");
        for told in &summary.warnings {
            let whose = told.policy.as_ref().map_or(String::new(), |policy| format!("{policy}: "));
            let _ = writeln!(out, "- `{}` {whose}{}; {}", told.warning.code(), told.message, told.advice);
        }
    }
    let from = &summary.provenance;
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| format!("{name} ({value})")).collect::<Vec<_>>().join(", ")
    };
    let tables: Vec<String> =
        from.data_tables.iter().map(|table| format!("{} ({})", table.name, table.date)).collect();
    let _ = write!(
        out,
        "\n<sub>regionsim {}, scenario `{}`; workloads {}; step times {}; data {}</sub>\n",
        from.tool_version,
        from.scenario_hash,
        pairs(&from.workload_hashes),
        pairs(&from.profiles),
        tables.join(", "),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::super::summary::GateSummary;
    use super::*;

    #[test]
    fn a_page_has_table_gates_warnings_and_provenance() {
        let mut all = summary(&[("fast", vec![cell("fast", 1, 1)]), ("a|b", vec![cell("a|b", 1, 2)])]);
        all.gates.push(GateSummary {
            policy: "fast".into(),
            gate: "ttft.p99 < 80ms".into(),
            value: Some(89.11),
            unit: "ms".into(),
            holds: false,
            reliable: false,
        });
        insta::assert_snapshot!(render(&all));
        // Every line of a table has as many fields.
        let fields = |line: &str| line.replace("\\|", "").matches('|').count();
        let page = render(&all);
        let table: Vec<usize> =
            page.lines().filter(|line| line.starts_with('|')).take(4).map(fields).collect();
        assert!(table.iter().all(|count| *count == table[0]), "{table:?}");
    }
}
