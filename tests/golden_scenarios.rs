//! Every scenario of the project under every policy it has gives the outcomes on record: `tests/golden/digests.txt`
//! holds a digest of the outcomes of all requests of each cell, `tests/golden/<scenario>.txt` what the numbers are, for
//! people. Where a change is meant to change results, write them anew, read what changed, and say why in CHANGELOG.md:
//!
//! ```text
//! REGIONSIM_WRITE_GOLDEN=1 cargo test --test golden_scenarios
//! ```
//!
//! `scripts/golden.sh` compares a binary with the same digests.

mod common;

use rayon::prelude::*;
use regionsim::report::{Summary, summarise, summarise_cell};
use regionsim::run::{Prepared, run_cell};
use regionsim::scenario::load;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What the files for people show: name of the measure, head, and by what to multiply.
const SHOWN: [(&str, &str, f64); 9] = [
    ("ttft.p50", "TTFT p50 ms", 1.0),
    ("ttft.p99", "TTFT p99 ms", 1.0),
    ("tpot.p50", "TPOT p50 ms", 1.0),
    ("e2e.p50", "E2E p50 ms", 1.0),
    ("slo.attainment", "in SLO %", 100.0),
    ("cache.hit_rate", "cache hit %", 100.0),
    ("throughput.requests", "done req/s", 1.0),
    ("cross_region", "other region %", 100.0),
    ("cost.gpu_hours", "GPU-h", 1.0),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The names of the scenarios, sorted.
fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<String> =
        scenarios.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A scenario ready to run; nothing where it needs a trace that is not here.
fn prepared(name: &str) -> Option<Prepared> {
    let mut overrides = Vec::new();
    if name == "mooncake" {
        let trace = common::shared("traces/mooncake/conversation_trace.jsonl.zst")?;
        let trace = fs::canonicalize(trace).unwrap();
        overrides.push(format!("workloads.main.trace.path={}", trace.display()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    Some(Prepared::of(load(&path, &overrides).unwrap_or_else(|found| panic!("{found}"))))
}

/// All policies of a scenario under its own seed.
fn run(prepared: &Prepared) -> Summary {
    let plan = &prepared.plan;
    let cells = plan.policies.par_iter().map(|policy| {
        let result = run_cell(&prepared.cell(policy, plan.seed), None, ()).expect("the policy is sound");
        (policy.name.clone(), vec![summarise_cell(&result)])
    });
    summarise(&plan.name, &prepared.provenance, &prepared.capacity, &[plan.seed], cells.collect())
}

fn digests(name: &str, summary: &Summary) -> String {
    let mut out = String::new();
    for policy in &summary.policies {
        for cell in &policy.cells {
            writeln!(out, "{name} {} {} {}", policy.policy, cell.seed, cell.outcome_digest).unwrap();
        }
    }
    out
}

/// Three significant digits: enough to judge by, and what a reader remembers.
fn short(value: f64) -> String {
    let scientific = format!("{value:.2e}");
    let exponent: i32 = scientific.split('e').nth(1).and_then(|text| text.parse().ok()).expect("an exponent");
    let rounded: f64 = scientific.parse().expect("a number");
    format!("{rounded:.*}", (2 - exponent).max(0) as usize)
}

/// The measures of every policy, for people.
fn page(summary: &Summary) -> String {
    let mut rows = vec![vec!["policy".to_owned()]];
    rows[0].extend(SHOWN.map(|(_, head, _)| head.to_owned()));
    for policy in &summary.policies {
        let mut row = vec![policy.policy.clone()];
        for (name, _, factor) in SHOWN {
            let measure = policy.measures.iter().find(|measure| measure.name == name);
            let measure = measure.unwrap_or_else(|| panic!("no measure {name}"));
            row.push(measure.mean.map_or_else(|| "-".to_owned(), |mean| short(mean * factor)));
        }
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap()).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, &width) in row.iter().zip(&widths).skip(1) {
            write!(line, "  {cell:>width$}").unwrap();
        }
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    out
}

#[test]
fn every_scenario_has_the_outcomes_on_record() {
    let path = golden("digests.txt");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let of = |name: &str| -> String {
        committed.split_inclusive('\n').filter(|line| line.split(' ').next() == Some(name)).collect()
    };
    let write = std::env::var_os("REGIONSIM_WRITE_GOLDEN").is_some();
    let (mut all, mut wrong) = (String::new(), Vec::new());
    for name in names() {
        let Some(prepared) = prepared(&name) else {
            all += &of(&name);
            continue;
        };
        let summary = run(&prepared);
        assert!(
            summary.policies.iter().all(|policy| policy.cells.iter().all(|cell| cell.conservation.holds))
        );
        let (digests, page) = (digests(&name, &summary), page(&summary));
        if write {
            fs::write(golden(&format!("{name}.txt")), &page).unwrap();
        } else {
            let shown = fs::read_to_string(golden(&format!("{name}.txt"))).unwrap_or_default();
            if of(&name) != digests {
                wrong.push(format!("{name}: digests were\n{}and are\n{digests}", of(&name)));
            }
            if shown != page {
                wrong.push(format!("{name}: measures were\n{shown}and are\n{page}"));
            }
        }
        all += &digests;
    }
    if write {
        fs::write(path, all).unwrap();
    } else {
        assert!(wrong.is_empty(), "{}\nif that is meant: REGIONSIM_WRITE_GOLDEN=1", wrong.join("\n"));
        assert_eq!(committed, all, "digests.txt has lines of no scenario, or out of order");
    }
}

#[test]
fn numbers_are_shown_with_three_digits() {
    for (value, text) in [
        (0.0, "0.00"),
        (0.01234, "0.0123"),
        (1.0, "1.00"),
        (9.999, "10.0"),
        (55.06, "55.1"),
        (12345.6, "12300"),
    ] {
        assert_eq!(short(value), text);
    }
}
