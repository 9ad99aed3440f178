//! Figures and pages of every kind of experiment, as users meet them: from the folder alone, the same as with `--plots`, with the
//! numbers of the folder's document.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Two regions of plain queues: quick to simulate, slow enough to tell policies and fleets apart.
const SCENARIO: &str = r#"
name = "small"
seed = 3
warmup = "2s"

[slo.chat]
ttft = "900ms"
e2e = "2s"

[regions.us]
pools.main = { server.fifo = { slots = 2, per_request = "300ms" }, replicas = 2 }
[regions.eu]
pools.main = { server.fifo = { slots = 2, per_request = "300ms" }, replicas = 2 }

[network.rtt]
"us<->eu" = "90ms"

[origins.america]
near = "us"
weight = 0.7
[origins.europe]
near = "eu"
weight = 0.3

[workloads.main.synthetic]
sessions_per_s = 12.0
duration = "20s"
message.constant.value = 100
output.constant.value = 4

[policies.home]
global.nearest = {}
replica.least_request = {}
[policies.spill]
global.waterfall = { capacity = 4 }
replica.least_request = {}

[gates]
"ttft.p99" = "< 60s"

[plan]
policies = ["spill"]
attainment = 0.9
max_seeds = 6
pools."us/main".max = 3
pools."eu/main".max = 3
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::write(desk.at("small.toml"), SCENARIO).unwrap();
        desk
    }
    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
    fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::cargo_bin("regionsim").unwrap();
        let output = command
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .args(line.split_whitespace())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
    fn done(&self, line: &str) -> String {
        let (code, stdout, stderr) = self.run(line);
        assert_eq!(code, 0, "{line}: {stdout}{stderr}");
        stdout
    }
    fn figures(&self, folder: &str) -> BTreeMap<String, String> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let files = fs::read_dir(self.at(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
    }
    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.at(file)).unwrap()).unwrap()
    }
    /// The folder that `line --out x --plots` wrote: its figures are those that `plot x` draws, and it has a page.
    fn drawn(&self, line: &str) -> (BTreeMap<String, String>, String) {
        self.done(&format!("{line} --out x --plots -q"));
        let with = self.figures("x/plots");
        self.done("plot x --out again");
        assert!(!with.is_empty() && with == self.figures("again"), "{line}: {:?}", with.keys());
        for (name, svg) in &with {
            roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        self.done("report x");
        let page = fs::read_to_string(self.at("x/report.html")).unwrap();
        assert_eq!(self.done("report x --out -"), page);
        // Whoever writes there again takes away what was drawn of what is no more.
        self.done(&format!("{line} --out x -q"));
        assert!(
            !self.at("x/report.html").exists() || line.starts_with("sweep"),
            "the same sweep has the same rows"
        );
        (with, page)
    }
}

/// A number as figures and pages write changes: signed, two decimals.
fn signed(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    format!("{}{text}", if value < 0.0 && text != "0.00" { '−' } else { '+' })
}

#[test]
fn a_comparison_plots_and_reports() {
    let desk = Desk::new();
    let (figures, page) = desk.drawn("compare small.toml --before home --after spill --seeds 4");
    assert_eq!(figures.keys().map(String::as_str).collect::<Vec<_>>(), ["change.svg", "pairs.svg"]);
    let document = desk.json("x/compare.json");
    let p99 = &document["comparisons"][0]["changes"][1];
    assert_eq!(p99["metric"], "ttft.p99");
    let (before, change) = (p99["before"].as_f64().unwrap(), p99["difference"].as_f64().unwrap());
    let told = signed(100.0 * change / before);
    assert!(figures["change.svg"].contains(&format!("{told} %")) && page.contains(&told), "{told}");
    // The pairs' mean is the change.
    let rows = fs::read_to_string(desk.at("x/pairs.csv")).unwrap();
    let pairs: Vec<(f64, f64)> = rows
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row[2] == "ttft.p99")
        .map(|row| (row[3].parse().unwrap(), row[4].parse().unwrap()))
        .collect();
    let mean = pairs.iter().map(|(before, after)| after - before).sum::<f64>() / pairs.len() as f64;
    assert!(pairs.len() == 4 && (mean - change).abs() < 1e-9 * before, "{mean} {change}");
    let printed: Value = serde_json::from_str(
        &desk.done("compare small.toml --before home --after spill --seeds 4 --json -q"),
    )
    .unwrap();
    assert_eq!(printed, document, "the folder has what --json prints");
}

#[test]
fn a_suite_plots_and_reports() {
    let desk = Desk::new();
    let suite = "seeds = 5\n[tolerance]\n\"ttft.mean\" = \"2%\"\n[scenarios.small]\nfile = \"small.toml\"\n";
    fs::write(desk.at("suite.toml"), suite).unwrap();
    desk.done("check suite.toml --baseline base.json --update -q");
    // The same again has nothing to draw but the bounds.
    let (figures, page) = desk.drawn("check suite.toml --baseline base.json");
    assert_eq!(figures.keys().map(String::as_str).collect::<Vec<_>>(), ["bounds.svg"]);
    assert!(
        page.contains("All 2 policies pass.")
            && page.contains("✓ pass")
            && page.contains("ttft.p99 &lt; 60s")
    );
    let slower = SCENARIO.replacen(
        "global.nearest = {}\nreplica.least_request",
        "global.nearest = {}\nreplica.random",
        1,
    );
    assert_ne!(slower, SCENARIO);
    fs::write(desk.at("small.toml"), slower).unwrap();
    let (code, ..) = desk.run("check suite.toml --baseline base.json --out x --plots -q");
    assert_eq!(code, 1);
    let figures = desk.figures("x/plots");
    assert!(
        figures.contains_key("change-small-home.svg") && figures.contains_key("pairs-small-home.svg"),
        "{:?}",
        figures.keys()
    );
    assert!(!figures.contains_key("change-small-spill.svg"), "what is equal has nothing to show");
    desk.done("report x");
    let page = fs::read_to_string(desk.at("x/report.html")).unwrap();
    assert!(page.contains("✗ fail") && page.contains("outcomes are those of the baseline"));
    let document = desk.json("x/check.json");
    assert_eq!((&document["suite"], &document["policies"][0]["standing"]), (&"suite".into(), &"fail".into()));
}

#[test]
fn a_plan_plots_and_reports() {
    let desk = Desk::new();
    let (figures, page) = desk.drawn("plan small.toml --seeds 1");
    for name in ["pareto-p99", "pareto-attainment", "fleet", "attainment", "region-gone", "headroom"] {
        assert!(figures.contains_key(&format!("{name}.svg")), "{name}: {:?}", figures.keys());
    }
    let document = desk.json("x/plan.json");
    let found = &document["plans"][0]["found"];
    let replicas: u64 =
        found["lots"].as_array().unwrap().iter().map(|lot| lot["replicas"].as_u64().unwrap()).sum();
    assert!(page.contains(&format!(
        "<strong>{} {}</strong>",
        found["cost"].as_f64().unwrap(),
        document["unit"].as_str().unwrap()
    )));
    assert!(
        figures["fleet.svg"].contains(&format!("In all {replicas} replicas"))
            || page.contains(&format!("In all {replicas} replicas"))
    );
    let stands = found["headroom"]["stands"].as_f64().unwrap();
    assert!(figures["headroom.svg"].contains(&format!("stands {stands:.2}")));
    for lost in found["lost"].as_array().unwrap() {
        let reached = lost["attainment"][0].as_f64().unwrap() * 100.0;
        assert!(figures["region-gone.svg"].contains(&format!("{reached:.1} %")), "{reached}");
    }
}

#[test]
fn tuned_weights_plot_and_report() {
    let desk = Desk::new();
    let line = "tune small.toml --policy spill --over capacity=1..8 --budget 12 --seeds 2 --judge-seeds 3 --oracle 2";
    let (figures, page) = desk.drawn(line);
    let document = desk.json("x/tune.json");
    let candidates = document["candidates"].as_array().unwrap().len();
    assert!(figures.contains_key("landscape-capacity.svg"), "{:?}", figures.keys());
    assert_eq!(figures["search.svg"].matches("<title>candidate ").count(), candidates);
    let tuned = document["parameters"][0]["tuned"].as_f64().unwrap();
    assert!(page.contains(&format!("capacity={tuned}")) && page.contains("On worlds it has not seen"));
}

#[test]
fn a_sweep_plots_and_reports() {
    let desk = Desk::new();
    let line = "sweep small.toml --over regions.us.pools.main.replicas=1,2 --over workloads.main.scale=0.5,1 --seeds 2";
    let (figures, page) = desk.drawn(line);
    assert_eq!(figures.len(), 4, "a line for each setting and a map for each policy: {:?}", figures.keys());
    let best = &desk.json("x/best.json");
    for one in best["best"].as_array().unwrap() {
        assert!(page.contains(one["policy"].as_str().unwrap()));
        let shown = format!("{:.1}", one["mean"].as_f64().unwrap());
        assert!(page.contains(&shown), "{shown}");
    }
    assert_eq!(
        page.matches("<tr data-p=").count(),
        2 + 8,
        "the best of each policy, and four points under both"
    );
    let other = desk.done("plot x --objective e2e.p99 --list");
    assert!(other.contains("sweep-e2e-p99-workloads-main-scale"), "{other}");
    let page = desk.done("report x --objective e2e.p99 --out -");
    assert!(
        page.contains("Each policy&#x27;s best point by e2e.p99") || page.contains("best point by e2e.p99")
    );
    // Another sweep takes the place of this one, and of what was drawn of it.
    desk.done("sweep small.toml --over workloads.main.scale=0.5 --out x -q --restart");
    assert!(!desk.at("x/plots").exists() && !desk.at("x/report.html").exists());
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let desk = Desk::new();
    desk.done("run small.toml --out run -q");
    desk.done("compare small.toml --before home --after spill --seeds 2 --out cmp -q");
    fs::create_dir(desk.at("empty")).unwrap();
    fs::create_dir(desk.at("both")).unwrap();
    for file in ["summary.json", "plan.json"] {
        fs::write(desk.at("both").join(file), "{}").unwrap();
    }
    for (line, code, words) in [
        (
            "plot empty",
            2,
            "it has none of summary.json (`run`), sweep.json (`sweep`), compare.json (`compare --out`)",
        ),
        ("report both", 2, "keep each in a folder of its own"),
        ("report run cmp", 2, "`cmp` was written by `compare --out`, and only runs stand side by side"),
        ("plot cmp --objective ttft.p99", 2, "--objective is of a sweep"),
        ("plot cmp --only chnge", 2, "did you mean `change`?"),
        ("plan small.toml --plots", 2, "--out"),
        ("run small.toml --out -", 2, "stdout carries one; name a folder"),
        ("plan small.toml --out -", 2, "stdout carries one; name a folder"),
        ("sweep small.toml --over seed=1,2 --out -", 2, "stdout carries one; name a folder"),
        ("compare small.toml --before home --after spill --out -", 2, "stdout carries one; name a folder"),
        (
            "tune small.toml --policy spill --over capacity=1..8 --out -",
            2,
            "stdout carries one; name a folder",
        ),
        (
            "run small.toml --no-files --markdown - --by region",
            2,
            "--by adds to the table, and --markdown is printed in its place",
        ),
        (
            "run small.toml --no-files --json --baseline home",
            2,
            "--baseline adds to the table, and --json is printed",
        ),
    ] {
        let (got, stdout, stderr) = desk.run(line);
        assert!(got == code && stdout.is_empty() && stderr.contains(words), "{line}: {got} {stdout}{stderr}");
    }
    assert!(!desk.at("-").exists());
}
