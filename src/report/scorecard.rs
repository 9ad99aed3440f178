//! How a scorecard looks: for terminals, as JSON, and as the page docs/VALIDATION.md. Knows what was expected and what came of
//! it; must not know how either is found. Misses are shown as prominently as passes.

use super::grid;
use crate::score::{
    Accept, Expectation, Kind, MeasuredPolicy, Ordering, Scored, Simulated, Suite, Trust, Verdict,
};
use serde::Serialize;
use std::fmt::Write;

/// A scorecard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scorecard {
    /// The tool's version.
    pub tool_version: String,
    /// Expectations that came out near enough.
    pub passed: usize,
    /// All expectations.
    pub expectations: usize,
    /// Expectations that gate and missed.
    pub failed: usize,
    /// Expectations that gate.
    pub gates: usize,
    /// By benchmark.
    pub benchmarks: Vec<Benchmark>,
}

/// One benchmark.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Benchmark {
    /// Its file's name.
    pub name: String,
    /// In one line.
    pub title: String,
    /// How far to trust what was published.
    pub trust: Trust,
    /// Where it was published.
    pub sources: Vec<crate::score::Source>,
    /// What was assumed.
    pub assumed: Vec<String>,
    /// Seeds of its runs.
    pub seeds: u32,
    /// Each variant with the fingerprint of its plan.
    pub runs: Vec<(String, String)>,
    /// KV tokens of a replica of each pool, and how they came about.
    pub kv: Vec<String>,
    /// The timing profiles, and how far to trust them.
    pub profiles: Vec<(String, String)>,
    /// What was expected, and what came of it.
    pub lines: Vec<Line>,
}

/// One expectation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// In one line.
    pub what: String,
    /// `ratio`, `ordering`, `knee` or `absolute`.
    pub kind: &'static str,
    /// How far to trust what was published.
    pub trust: Trust,
    /// Whether a miss fails.
    pub gate: bool,
    /// What was published.
    pub published: String,
    /// What the simulation says.
    pub simulated: String,
    /// Simulated over published, less one.
    pub error: Option<f64>,
    /// What is accepted.
    pub accepted: String,
    /// Whether it came out near enough.
    pub pass: bool,
    /// Why it misses or does not gate.
    pub note: Option<String>,
}

/// Three digits that mean something, at most three behind the point; whole numbers from a thousand on.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn published(expectation: &Expectation) -> String {
    let several = |values: &[f64]| values.iter().copied().map(number).collect::<Vec<_>>().join(" < ");
    match &expectation.kind {
        Kind::Number { published, .. } => published.map_or_else(|| "-".to_owned(), number),
        Kind::Knee { published, .. } => published.map_or_else(|| "none".to_owned(), number),
        Kind::Ordering { published, .. } if published.is_empty() => "the order".to_owned(),
        Kind::Ordering { published, .. } => several(published),
    }
}

fn simulated(simulated: &Simulated) -> String {
    match simulated {
        Simulated::Number(value) | Simulated::Knee(Some(value)) => number(*value),
        Simulated::Knee(None) => "none".to_owned(),
        Simulated::Order { values, .. } => values.iter().copied().map(number).collect::<Vec<_>>().join(", "),
        Simulated::Nothing => "nothing measured".to_owned(),
    }
}

fn accepted(scored: &Scored<'_>) -> String {
    match (scored.expectation.accept, &scored.simulated) {
        (Accept::Band(Some(low), Some(high)), _) => format!("{} to {}", number(low), number(high)),
        (Accept::Band(Some(low), None), _) => format!("from {}", number(low)),
        (Accept::Band(None, Some(high)), _) => format!("up to {}", number(high)),
        (Accept::Holds, Simulated::Order { inverted, pairs, .. }) => {
            format!("{} of {pairs} pairs", pairs - inverted)
        }
        _ => "none".to_owned(),
    }
}

impl Scorecard {
    /// Of suites and what came of each.
    pub fn of(scored: &[(&Suite, Vec<Scored<'_>>)]) -> Scorecard {
        let all = || scored.iter().flat_map(|(_, scored)| scored);
        let gates = || all().filter(|scored| scored.expectation.gate);
        Scorecard {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            passed: all().filter(|scored| scored.verdict == Verdict::Pass).count(),
            expectations: all().count(),
            failed: gates().filter(|scored| scored.fails()).count(),
            gates: gates().count(),
            benchmarks: scored.iter().map(|(suite, scored)| benchmark(suite, scored)).collect(),
        }
    }

    /// For a terminal.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for benchmark in &self.benchmarks {
            let _ =
                writeln!(out, "{}, trust {}: {}", benchmark.name, benchmark.trust.name(), benchmark.title);
            let row = |line: &Line| {
                vec![
                    verdict(line).to_owned(),
                    line.what.clone(),
                    line.kind.to_owned(),
                    line.published.clone(),
                    line.simulated.clone(),
                    error(line),
                    line.accepted.clone(),
                ]
            };
            let rows: Vec<Vec<String>> = benchmark.lines.iter().map(row).collect();
            out += &grid::render(&["", "what", "kind", "published", "simulated", "error", "accepted"], &rows);
            out.push('\n');
        }
        out + &self.totals() + "\n"
    }

    fn totals(&self) -> String {
        let Scorecard { passed, expectations, failed, gates, .. } = self;
        format!("{passed} of {expectations} expectations hold; of {gates} that gate, {failed} missed")
    }

    /// The page docs/VALIDATION.md.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Validation\n\n<!-- Written by `regionsim score --markdown docs/VALIDATION.md`; do not edit. -->\n\nPublished benchmarks of \
             routing across replicas, simulated: what was published, what regionsim {} says, and how far apart they are. Misses \
             stand here like everything else. [SCORE.md](SCORE.md) says how to read it and how to score your own \
             measurements.\n\n**{}.**\n\n| benchmark | trust | hold | gates missed |\n|---|---|---|---|\n",
            self.tool_version,
            self.totals()
        );
        for benchmark in &self.benchmarks {
            let holds = benchmark.lines.iter().filter(|line| line.pass).count();
            let missed = benchmark.lines.iter().filter(|line| line.gate && !line.pass).count();
            let Benchmark { name, title, trust, lines, .. } = benchmark;
            let _ = writeln!(
                out,
                "| [{title}](#{name}) | {} | {holds} of {} | {missed} |",
                trust.name(),
                lines.len()
            );
        }
        self.benchmarks.iter().for_each(|benchmark| section(benchmark, &mut out));
        out
    }
}

fn benchmark(suite: &Suite, scored: &[Scored<'_>]) -> Benchmark {
    let line = |scored: &Scored<'_>| Line {
        what: scored.expectation.what.clone(),
        kind: scored.expectation.kind.name(),
        trust: scored.expectation.trust,
        gate: scored.expectation.gate,
        published: published(scored.expectation),
        simulated: simulated(&scored.simulated),
        error: scored.error(),
        accepted: accepted(scored),
        pass: scored.verdict == Verdict::Pass,
        note: scored.expectation.note.clone(),
    };
    let mut kv: Vec<String> = Vec::new();
    let mut profiles: Vec<(String, String)> = Vec::new();
    for run in &suite.runs {
        for line in &run.prepared.capacity {
            let tokens = line.kv_blocks * u64::from(line.block_tokens);
            let told = format!(
                "{} tokens of KV a replica, {}",
                tokens,
                if line.given { "stated" } else { "derived" }
            );
            if !kv.contains(&told) {
                kv.push(told);
            }
        }
        for profile in &run.prepared.provenance.profiles {
            if !profiles.contains(profile) {
                profiles.push(profile.clone());
            }
        }
    }
    let runs = suite.runs.iter().map(|run| (run.name.clone(), run.prepared.provenance.scenario_hash.clone()));
    Benchmark {
        name: suite.name.clone(),
        title: suite.title.clone(),
        trust: suite.trust,
        sources: suite.sources.clone(),
        assumed: suite.assumed.clone(),
        seeds: suite.seeds,
        runs: runs.collect(),
        kv,
        profiles,
        lines: scored.iter().map(line).collect(),
    }
}

/// `pass` and `MISS` where it gates, in brackets where it does not.
fn verdict(line: &Line) -> &'static str {
    match (line.pass, line.gate) {
        (true, true) => "pass",
        (true, false) => "(pass)",
        (false, true) => "MISS",
        (false, false) => "(miss)",
    }
}

fn error(line: &Line) -> String {
    line.error.map_or_else(|| "-".to_owned(), |error| format!("{:+.0}%", 100.0 * error))
}

fn section(benchmark: &Benchmark, out: &mut String) {
    let Benchmark { name, title, trust, .. } = benchmark;
    let trust = trust.name();
    let _ = write!(
        out,
        "\n## {name}\n\n{title}. [Scenario](../scenarios/published/{name}.toml), trust {trust}. "
    );
    let sources: Vec<String> = benchmark
        .sources
        .iter()
        .map(|source| {
            let commit = source.commit.as_ref().map(|commit| format!(" at {commit}")).unwrap_or_default();
            let date = source.date.as_ref().map(|date| format!(", {date}")).unwrap_or_default();
            format!("[{}]({}){commit}{date}", source.what, source.url)
        })
        .collect();
    let _ = writeln!(out, "Published: {}.\n", sources.join("; "));
    let profiles: Vec<String> = benchmark.profiles.iter().map(|(name, _)| name.clone()).collect();
    let _ = writeln!(out, "Simulated with timing {} and {}.\n", profiles.join(", "), benchmark.kv.join("; "));
    for assumed in &benchmark.assumed {
        let _ = writeln!(out, "- {assumed}");
    }
    out.push_str(
        "\n| | what | kind | published | simulated | error | accepted |\n|---|---|---|---|---|---|---|\n",
    );
    for line in &benchmark.lines {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            if line.pass { verdict(line).to_owned() } else { format!("**{}**", verdict(line)) },
            line.what.replace('|', "\\|"),
            line.kind,
            line.published,
            line.simulated,
            error(line),
            line.accepted,
        );
    }
    let noted: Vec<&Line> = benchmark.lines.iter().filter(|line| line.note.is_some()).collect();
    if !noted.is_empty() {
        out.push('\n');
    }
    for line in noted {
        let _ = writeln!(out, "- *{}*: {}", line.what, line.note.as_deref().unwrap_or_default());
    }
}

/// Measured requests beside simulated ones, for a terminal.
pub fn render_measured(policies: &[MeasuredPolicy], orders: &[Ordering]) -> String {
    let mut rows = Vec::new();
    for policy in policies {
        for agreement in &policy.agreement {
            let pair = |[measured, simulated]: [f64; 2]| {
                let error = if measured > 0.0 {
                    format!(" ({:+.0}%)", 100.0 * (simulated / measured - 1.0))
                } else {
                    String::new()
                };
                format!("{} / {}{error}", number(measured), number(simulated))
            };
            rows.push(vec![
                policy.policy.clone(),
                format!("{} ms", agreement.quantity.name()),
                format!("{} / {}", agreement.requests[0], agreement.requests[1]),
                pair(agreement.mean_ms),
                pair(agreement.p50_ms),
                pair(agreement.p90_ms),
                pair(agreement.p99_ms),
                format!("{:.3}", agreement.ks),
            ]);
        }
    }
    let mut out = "measured / simulated (error)\n".to_owned();
    out += &grid::render(&["policy", "", "requests", "mean", "p50", "p90", "p99", "KS"], &rows);
    for policy in policies {
        out += &missing(policy);
    }
    if orders.is_empty() {
        return out;
    }
    out.push_str("\norder of the policies, the best first\n");
    let row = |order: &Ordering| {
        let judged = match (order.pairs, order.inverted) {
            (0, _) => "measured too near one another".to_owned(),
            (_, 0) => "agree".to_owned(),
            (pairs, inverted) => format!("{inverted} of {pairs} pairs differ"),
        };
        let name = format!("{} {}", order.quantity.name(), order.statistic);
        vec![name, order.measured.join(" < "), order.simulated.join(" < "), judged]
    };
    out + &grid::render(&["", "measured", "simulated", ""], &orders.iter().map(row).collect::<Vec<_>>())
}

/// The lines for what cannot be compared: who had nothing, on which side.
fn missing(policy: &MeasuredPolicy) -> String {
    let mut out = String::new();
    for (side, had) in [("measured", 0), ("simulated", 1)] {
        let none: Vec<&str> = (policy.missing.iter().filter(|missing| missing.requests[had] == 0))
            .map(|missing| missing.quantity.name())
            .collect();
        if !none.is_empty() {
            let (name, none) = (&policy.policy, none.join(", "));
            let _ = writeln!(out, "{name} is not compared by {none}: no {side} request has one");
        }
    }
    out
}
