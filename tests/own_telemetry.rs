//! A gateway's log and a coding agent's sessions as workloads of a scenario, from the file to the plan and to the run.

mod common;

use regionsim::observe::Outcome;
use regionsim::report::{summarise, summarise_cell, table};
use regionsim::run::{Prepared, run_cell};
use regionsim::scenario::{Plan, parse};
use regionsim::time::Span;
use regionsim::workload::WorkloadKind;
use std::path::Path;

const HEAD: &str = r#"
name = "own"

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { gpu = "h100-sxm", replicas = 1 }

[origins.eu]
near = "us"

[origins.us]
near = "us"
"#;

/// A log whose third line is broken. 10 May 2024 was a Friday.
const LOG: &str = "ts,prompt_tokens,completion_tokens,zone,conv,ttft_ms,lat_s\n\
                   2024-05-10T08:00:00Z,100,5,eu,c1,40,2\n\
                   2024-05-10T08:00:01Z,many,5,us,,,\n\
                   2024-05-10T08:00:07Z,200,5,eu,c1,50,1\n";

fn plan(keys: &str) -> Result<Plan, String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("log.csv"), LOG).expect("written");
    let text = format!("{HEAD}\n[workloads.main]\n{keys}\n");
    parse("own.toml", &text, folder.path(), "own", &[]).map_err(|found| found.to_string())
}

const COLUMNS: &str = r#"trace.path = "log.csv"
trace.columns = { origin = "zone", session = "conv", e2e = "lat_s" }
"#;

#[test]
fn a_log_becomes_a_workload() {
    let refused = plan(COLUMNS).unwrap_err();
    assert!(refused.contains("log.csv:3: `prompt_tokens` is \"many\""), "{refused}");
    let plan = plan(&format!("{COLUMNS}trace.on_bad_line = \"skip\"\n")).unwrap();
    let workload = plan.world.workloads.iter().next().expect("one");
    let WorkloadKind::Trace(params) = &workload.kind else { panic!("a trace") };
    let summary = params.trace.summary();
    assert_eq!((summary.requests, summary.sessions, summary.closed_loop), (2, 1, 1));
    assert_eq!(summary.utc_start.as_deref(), Some("2024-05-10T08:00:00Z"));
    // Friday is the fifth day: four days and eight hours after Monday.
    assert_eq!(workload.setting.utc_start_s, 4 * 86_400 + 8 * 3_600);
    assert_eq!(params.trace.measured(1).ttft, Some(Span::from_ms(50)));
    assert_eq!(params.trace.measured(1).e2e, Some(Span::from_secs(1)));
    let notices: Vec<&str> = plan.notices.items.iter().map(|item| item.title.as_str()).collect();
    assert!(notices.iter().any(|title| title.starts_with("1 bad line was left out (line 3)")), "{notices:?}");
}

#[test]
fn a_day_begins_with_the_trace_unless_the_scenario_says() {
    let start = |keys: &str| {
        let plan = plan(&format!("{COLUMNS}trace.on_bad_line = \"skip\"\n{keys}")).unwrap();
        plan.world.workloads.iter().next().expect("one").setting.utc_start_s
    };
    let friday = 4 * 86_400 + 8 * 3_600;
    assert_eq!(start("utc_start = \"Tue 14:00\""), 86_400 + 14 * 3_600);
    assert_eq!(start(""), friday);
    // The trace begins an hour into the run.
    assert_eq!(start("shift = \"1h\""), friday - 3_600);
}

#[test]
fn measured_times_are_held_against_a_run_by_key() {
    let plan = plan(&format!("{COLUMNS}trace.on_bad_line = \"skip\"\n")).unwrap();
    let WorkloadKind::Trace(params) = &plan.world.workloads.iter().next().expect("one").kind else {
        panic!("a trace")
    };
    let mut keys: Vec<u64> = params.trace.request_keys("main").collect();
    assert_eq!(keys.len(), 2);
    keys.dedup();
    assert_eq!(keys.len(), 2, "each row has a key of its own");
}

#[test]
fn a_run_shows_what_was_measured_beside_what_it_says() {
    let policies = "[policies]\np2c = { replica = { p2c = {} } }";
    let text = format!(
        "trace.path = \"log.csv\"\ntrace.columns = {{ origin = \"zone\", e2e = \"lat_s\" }}\n\
                        trace.on_bad_line = \"skip\"\n{policies}"
    );
    let prepared = Prepared::of(plan(&text).unwrap());
    let result = run_cell(&prepared.cell(&prepared.plan.policies[0], 1), None, ()).unwrap();
    let cell = summarise_cell(&result);
    let measures: Vec<(&str, u64, f64)> =
        cell.measured.iter().map(|one| (one.measure.as_str(), one.n, one.measured.p50_ms)).collect();
    // The log has TTFTs of 40 and 50 ms, and answers after 2 and 1 s.
    assert_eq!(measures, [("ttft", 2, 45.0), ("e2e", 2, 1_500.0)]);
    // With two requests, the median error is the mean of both, and so are the medians.
    for one in &cell.measured {
        let want = one.modelled.p50_ms - one.measured.p50_ms;
        assert!((one.median_error_ms - want).abs() < 2e-6, "{one:?}");
    }
    let cells = vec![("p2c".to_owned(), vec![cell])];
    let summary = summarise("own", &prepared.provenance, &prepared.capacity, &[1], cells);
    assert!(table::render(&summary, false).contains("median error"));
}

#[test]
fn a_trace_replayed_twice_has_blocks_of_its_own_unless_a_scope_is_declared() {
    let apart = |keys: &str| {
        let again = format!("[workloads.again]\n{COLUMNS}trace.on_bad_line = \"skip\"\n{keys}");
        let plan = plan(&format!("{COLUMNS}trace.on_bad_line = \"skip\"\n{keys}{again}")).unwrap();
        let told = plan.notices.items.iter().any(|item| item.title.contains("replay the same trace"));
        let apart: Vec<Option<bool>> = plan
            .world
            .workloads
            .iter()
            .map(|workload| {
                let WorkloadKind::Trace(params) = &workload.kind else { panic!("a trace") };
                params.apart.map(|apart| apart.shares)
            })
            .collect();
        (apart, told)
    };
    assert_eq!(apart(""), (vec![None, Some(false)], true));
    assert_eq!(apart("trace.id_scope = \"bank\"\n"), (vec![None, Some(true)], false));
}

#[test]
fn copies_are_announced() {
    let plan = plan(&format!("{COLUMNS}trace.on_bad_line = \"skip\"\nscale = 4.0\n")).unwrap();
    let notices: Vec<&str> = plan.notices.items.iter().map(|item| item.title.as_str()).collect();
    assert!(
        notices.iter().any(|title| title.starts_with("about 75 % of the requests of `main`")),
        "{notices:?}"
    );
}

/// The published clients of a small model, on a Thursday at noon: 1,310, 1,327 requests a second, of which 0.5 %.
#[test]
fn recorded_clients_make_a_scenario() {
    let tables = ["m-small_client_rates_week1", "m-small_length_quantiles_week1"];
    let found = tables.map(|name| common::shared(&format!("traces/servegen/{name}.csv.zst")));
    let [Some(rates), Some(lengths)] = found else { return };
    let path = |file: &Path| std::fs::canonicalize(file).unwrap().display().to_string();
    let keys = format!(
        "scale = 0.005\npool.rates = {:?}\npool.lengths = {:?}\npool.from = \"84h\"\npool.for = \"2m\"\n\
         [policies]\np2c = {{ replica = {{ p2c = {{}} }} }}",
        path(&rates),
        path(&lengths)
    );
    let prepared = Prepared::of(plan(&keys).unwrap());
    let result = run_cell(&prepared.cell(&prepared.plan.policies[0], 1), None, ()).unwrap();
    let total = &result.conservation.total;
    assert_eq!((result.conservation.violations, total.arrived), (0, total.of(Outcome::Completed)));
    // 1,310.18/s · 0.005 · 120 s = 786; counts vary at most as those of the burstiest clients (cv 3.6): 5·3.6·√786.
    assert!(total.arrived.abs_diff(786) < 505, "{}", total.arrived);
}

#[test]
fn readers_have_their_pages() {
    for reader in regionsim::workload::READERS {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(reader.page);
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", reader.page));
        assert!(text.starts_with(&format!("# {}\n", reader.name)), "{}", reader.page);
        assert!(text.len() > 600, "{} says what the format is", reader.page);
    }
    let list = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats/README.md"))
        .unwrap();
    for reader in regionsim::workload::READERS {
        assert!(list.contains(&format!("[{}]({}.md)", reader.name, reader.name)), "{}", reader.name);
    }
}
