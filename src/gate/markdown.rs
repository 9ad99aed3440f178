//! What became of a suite for a pull request: a table in Markdown, what needs a look first.

use super::judge::{Judged, Standing};
use std::fmt::Write;

/// The words of a standing.
pub fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Pass => "pass",
        Standing::Inconclusive => "inconclusive",
        Standing::NotComparable => "not comparable",
        Standing::Fail => "fail",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The page.
pub fn render(suite: &str, judged: &[Judged]) -> String {
    let count = |standing| judged.iter().filter(|judged| judged.standing == standing).count();
    let mut out = format!("### Policy quality: {}\n\n", cell(suite));
    let counts = [Standing::Fail, Standing::NotComparable, Standing::Inconclusive, Standing::Pass]
        .into_iter()
        .filter(|&standing| count(standing) > 0)
        .map(|standing| format!("{} {}", count(standing), word(standing)));
    let _ = writeln!(out, "{}\n", counts.collect::<Vec<_>>().join(", "));
    out.push_str(
        "| scenario | policy | result | TTFT p99 | output tok/s | why |\n|---|---|---|---|---|---|\n",
    );
    let mut order: Vec<&Judged> = judged.iter().collect();
    order.sort_by_key(|judged| std::cmp::Reverse(judged.standing));
    for judged in order {
        let change = |metric: &str| {
            let changes = judged.comparison.iter().flat_map(|comparison| &comparison.changes);
            let change = changes.into_iter().find(|change| change.metric == metric)?;
            (change.before != 0.0)
                .then(|| format!("{:+.2} %", 100.0 * change.difference / change.before.abs()))
        };
        let change = |metric| change(metric).unwrap_or_else(|| "–".to_string());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            cell(&judged.scenario),
            cell(&judged.policy),
            word(judged.standing),
            change("ttft.p99"),
            change("throughput.output_tokens"),
            cell(&judged.reasons.join("; ")),
        );
    }
    out
}
