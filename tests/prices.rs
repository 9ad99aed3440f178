//! Dollars: parts that add up to their total, prices that change only what they should, and mistakes.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;

const SCENARIO: &str = r#"
name = "priced"
seed = 5

[models.chat]
preset = "llama-3.1-8b"

[regions.us]
location = "aws:us-east-1"
pools.main = { model = "chat", gpu = "h100-sxm", tensor_parallel = 2, replicas = 2 }
pools.small = { model = "chat", gpu = "l4", replicas = 3 }

[regions.eu]
location = "aws:eu-central-1"
pools.main = { model = "chat", gpu = "h100-sxm", price.gpu_hour = 3.5 }

[prices.api]
input = 3.0
cached_input = 0.3
output = 15.0

[workloads.main.synthetic]
sessions_per_s = 2.0
requests = 200

[policies.rr]
replica.round_robin = {}
"#;

fn run(scenario: &str, more: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("priced.toml"), scenario).unwrap();
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder.path()).args(["run", "priced.toml", "--no-files", "-q"]).args(more);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn cell(scenario: &str, more: &[&str]) -> Value {
    let (code, stdout, stderr) = run(scenario, &[&["--json"], more].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str::<Value>(&stdout).unwrap()["policies"][0]["cells"][0].clone()
}

fn sum(values: &Value) -> f64 {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).sum()
}

#[test]
fn parts_add_up_and_hours_times_prices_are_the_bill() {
    let cell = cell(SCENARIO, &["--misses"]);
    let (cost, usd) = (&cell["cost"], &cell["cost"]["usd"]);
    let total = usd["total"].as_f64().unwrap();
    assert!(
        (sum(&usd["pools"]) - total).abs() < 5e-7 && (sum(&usd["regions"]) - total).abs() < 5e-7,
        "{usd}"
    );
    // In the order of tables: us/main at 55.04 / 8, us/small at 0.978, eu/main as stated; 4, 3 and 1 GPUs.
    let hours = cell["end_s"].as_f64().unwrap() / 3600.0;
    for (index, (gpus, price)) in [(4.0, 6.88), (3.0, 0.978), (1.0, 3.5)].into_iter().enumerate() {
        let (expected, paid) = (gpus * price * hours, usd["pools"][index].as_f64().unwrap());
        assert!((paid - expected).abs() < 5e-6, "pool {index}: {paid}, by hand {expected}");
        let counted = cost["pools"][index]["gpu_hours"].as_f64().unwrap();
        assert!((counted - gpus * hours).abs() < 1e-6, "{counted}");
    }
    let hour = usd["fleet_per_hour"].as_f64().unwrap();
    assert!((hour - (4.0 * 6.88 + 3.0 * 0.978 + 3.5)).abs() < 1e-9, "{hour}");
    assert!(usd["busy"].as_f64().unwrap() < total);
    assert!((usd["per_request"].as_f64().unwrap() - total / 200.0).abs() < 1e-6);

    // What is missed, by reason and in all, is what the cache would have saved.
    let api = &cell["cost"]["api"];
    let by_reason: f64 =
        api["missed_by_reason"].as_array().unwrap().iter().map(|part| part[1].as_f64().unwrap()).sum();
    let missed = api["missed"].as_f64().unwrap();
    assert!((by_reason - missed).abs() < 1e-5, "{by_reason} {missed}");
    let all = &cell["all"];
    let tokens = |key: &str| all[key].as_f64().unwrap();
    let bill = (tokens("prompt_tokens") - tokens("cached_tokens")) * 3e-6
        + tokens("cached_tokens") * 0.3e-6
        + tokens("output_tokens") * 15e-6;
    assert!((api["total"].as_f64().unwrap() - bill).abs() < 5e-6, "{api}");
}

#[test]
fn a_price_changes_what_is_paid_and_nothing_else() {
    let before = cell(SCENARIO, &[]);
    let mut after = cell(&SCENARIO.replace("price.gpu_hour = 3.5", "price.gpu_hour = 7.0"), &[]);
    let paid = |cell: &Value| cell["cost"]["usd"]["pools"][2].as_f64().unwrap();
    assert!((paid(&after) - 2.0 * paid(&before)).abs() < 2e-6);
    assert_eq!(before["cost"]["usd"]["pools"][0], after["cost"]["usd"]["pools"][0]);
    after["cost"]["usd"] = before["cost"]["usd"].clone();
    assert_eq!(before, after, "outcome digest and all");
    // Without prices there are no dollars, and nothing else is different.
    let (unpriced, _) = SCENARIO.split_once("[prices.api]").unwrap();
    let (_, rest) = SCENARIO.split_once("output = 15.0").unwrap();
    let unpriced = format!("{unpriced}{rest}").replace(", price.gpu_hour = 3.5", "");
    let none = cell(&unpriced, &[]);
    assert_eq!((none["cost"].get("usd"), none["cost"].get("api")), (None, None));
    assert_eq!(none["outcome_digest"], before["outcome_digest"]);
}

#[test]
fn spot_reserved_and_owned_have_their_prices() {
    let one = |prices: &str, pool: &str| {
        let text = format!(
            "[models.chat]\npreset = \"llama-3.1-8b\"\n[regions.us]\nlocation = \"aws:us-west-2\"\n\
             pools.main = {{ gpu = \"h100-sxm\"{pool} }}\n[workloads.main.synthetic]\nsessions_per_s = 1\nrequests = 20\n\
             [policies.rr]\nreplica.round_robin = {{}}\n[prices]\n{prices}\n"
        );
        cell(&text, &[])["cost"]["usd"]["fleet_per_hour"].as_f64().unwrap()
    };
    // On demand 55.04 / 8; spot was seen between 12.7 and 16.1 for eight.
    assert_eq!(one("", ""), 6.88);
    assert_eq!(one("term = \"spot\"", ""), 1.8);
    assert_eq!(one("gpu_hour = { \"h100-sxm\" = 2.5 }", ""), 2.5);
    // Half of it 40 % off the list price; a price of one's own is what it is.
    assert_eq!(one("reserved = { share = 0.5, discount = 0.4 }", ""), 5.504);
    let both = "gpu_hour = { \"h100-sxm\" = 2.5 }\nreserved = { share = 0.5, discount = 0.4 }";
    assert_eq!(one(both, ""), 2.5);
    // 35,064 / (4 · 8,766) = 1, and 700 W at 1.2 and 8 cents: 0.0672.
    assert_eq!(one("", ", price.owned = { purchase = 35064, years = 4 }"), 1.0672);
}

#[test]
fn a_pool_without_a_price_and_other_mistakes_are_told() {
    let wrong = SCENARIO
        .replace("aws:us-east-1", "aws:sa-east-1")
        .replace("[prices.api]", "[prices]\nterm = \"spt\"\ngpu_hour = { h10 = 2 }\n[prices.api]");
    let (code, _, stderr) = run(&wrong, &[]);
    assert_eq!(code, 2, "{stderr}");
    insta::assert_snapshot!(stderr);
}
