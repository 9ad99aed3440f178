//! Dollars: parts that add up to their total, prices that change only what they should, and mistakes.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeSet;
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

/// In millionths, of which sums are exact.
fn micro(value: &Value) -> i64 {
    let millionths = value.as_f64().unwrap() * 1e6;
    assert!((millionths - millionths.round()).abs() < 1e-3, "{value} is not in whole millionths");
    millionths.round() as i64
}

fn micros(values: &Value) -> i64 {
    values.as_array().unwrap().iter().map(micro).sum()
}

/// Where two values differ, as paths with the numbers of entries left out.
fn differences(before: &Value, after: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()) {
                let none = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                differences(a, b, &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let (mut a, mut b) = (a.clone(), b.clone());
            // The largest bills stand first: who has them may change places.
            if path.ends_with(".tenants") {
                [&mut a, &mut b]
                    .into_iter()
                    .for_each(|list| list.sort_by_key(|part| part["name"].to_string()));
            }
            a.iter().zip(&b).for_each(|(a, b)| differences(a, b, path, found));
        }
        _ if before != after => {
            found.insert(path.trim_start_matches('.').to_string());
        }
        _ => {}
    }
}

#[test]
fn parts_add_up_and_hours_times_prices_are_the_bill() {
    let cell = cell(SCENARIO, &["--misses"]);
    let (cost, usd) = (&cell["cost"], &cell["cost"]["usd"]);
    let total = usd["total"].as_f64().unwrap();
    let gpus = micro(&usd["gpus"]);
    assert_eq!((micros(&usd["pools"]), micros(&usd["regions"])), (gpus, gpus), "{usd}");
    assert_eq!(gpus + micro(&usd["egress"]), micro(&usd["total"]), "{usd}");
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
    assert!(usd["busy"].as_f64().unwrap() < usd["gpus"].as_f64().unwrap());
    // By region and GPU: Germany's H100, Virginia's and its L4; an hour is an hour whatever it costs.
    let line = |region: &str, gpu: &str| {
        let lines = usd["fleet"].as_array().unwrap();
        lines.iter().find(|line| line["region"] == region && line["gpu"] == gpu).unwrap()
    };
    assert_eq!(micro(&line("us", "h100-sxm")["usd"]), micro(&usd["pools"][0]));
    assert_eq!(micro(&line("us", "l4")["usd"]), micro(&usd["pools"][1]));
    assert_eq!(line("eu", "h100-sxm")["gpu_hours"], cost["pools"][2]["gpu_hours"]);
    let fleet =
        |key: &str| usd["fleet"].as_array().unwrap().iter().map(|line| micro(&line[key])).sum::<i64>();
    assert_eq!((fleet("usd"), fleet("busy_usd"), fleet("spare_gpu_hours")), (gpus, micro(&usd["busy"]), 0));

    // Misses: as many tokens as are told without dollars, and engine time of them at what the GPUs cost.
    for (told, paid) in cell["misses"].as_array().unwrap().iter().zip(usd["misses"].as_array().unwrap()) {
        assert_eq!((&told["reason"], &told["tokens"]), (&paid["reason"], &paid["tokens"]));
        let (gpu_s, usd) = (paid["gpu_s"].as_f64().unwrap(), paid["usd"].as_f64().unwrap());
        // Between the cheapest and the dearest GPU of the fleet, 0.978 and 6.88 an hour.
        assert!(usd <= gpu_s / 3600.0 * 6.88 + 1e-6 && usd >= gpu_s / 3600.0 * 0.978 - 3e-6, "{paid}");
    }

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
    // Bytes are no GPUs.
    assert_eq!(before["cost"]["egress"], after["cost"]["egress"]);
    assert_eq!(before["cost"]["usd"]["egress"], after["cost"]["usd"]["egress"]);
    assert!((paid(&after) - 2.0 * paid(&before)).abs() < 2e-6);
    assert_eq!(before["cost"]["usd"]["pools"][0], after["cost"]["usd"]["pools"][0]);
    after["cost"]["usd"] = before["cost"]["usd"].clone();
    assert_eq!(before, after, "outcome digest and all");
    // Without prices there are no dollars, and nothing else is different.
    let (unpriced, _) = SCENARIO.split_once("[prices.api]").unwrap();
    let (_, rest) = SCENARIO.split_once("output = 15.0").unwrap();
    let unpriced = format!("{unpriced}{rest}").replace(", price.gpu_hour = 3.5", "");
    let none = cell(&unpriced, &[]);
    for part in ["usd", "api", "egress"] {
        assert_eq!(none["cost"].get(part), None);
    }
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

#[test]
fn one_price_changes_what_it_pays_and_what_that_is_part_of() {
    let scenario = SCENARIO.replace(
        "[prices.api]",
        "[prices.egress]\ninternet = 0.09\nbetween = 0.02\nper_gb = { \"eu->internet\" = 0.05 }\n\n[prices.api]",
    );
    let scenario = scenario.replace("requests = 200", "requests = 200\ntenants = 3");
    let before = cell(&scenario, &[]);
    let changed = |from: &str, to: &str| {
        assert!(scenario.contains(from), "{from}");
        let mut found = BTreeSet::new();
        differences(&before, &cell(&scenario.replace(from, to), &[]), "", &mut found);
        found
    };
    let of = |paths: &[&str]| paths.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    // What depends on the whole bill, and on whose it is.
    let whole = [
        "cost.usd.total",
        "cost.usd.per_1m_input_tokens",
        "cost.usd.per_1m_output_tokens",
        "cost.usd.per_request",
        "cost.usd.per_good_request",
        "cost.usd.classes.total",
        "cost.usd.tenants.total",
    ];
    let gpus = [
        "cost.usd.gpus",
        "cost.usd.fleet_per_hour",
        "cost.usd.pools",
        "cost.usd.regions",
        "cost.usd.busy",
        "cost.usd.fleet.usd",
        "cost.usd.fleet.busy_usd",
        "cost.usd.classes.gpus",
        "cost.usd.tenants.gpus",
    ];
    assert_eq!(changed("price.gpu_hour = 3.5", "price.gpu_hour = 350.0"), of(&[&whole[..], &gpus].concat()));
    let bytes = [
        "cost.usd.egress",
        "cost.egress.usd",
        "cost.egress.links.usd",
        "cost.usd.classes.egress",
        "cost.usd.tenants.egress",
    ];
    let dearer = changed("\"eu->internet\" = 0.05", "\"eu->internet\" = 500.0");
    assert_eq!(dearer, of(&[&whole[..], &bytes].concat()));
    assert_eq!(changed("output = 15.0", "output = 16.0"), of(&["cost.api.total", "cost.api.without_cache"]));
    // How long a token is on the wire is bytes and what they cost.
    let longer = changed("internet = 0.09", "internet = 0.09\nframing_bytes_per_token = 10000");
    assert_eq!(longer, of(&[&whole[..], &bytes, &["cost.egress.bytes", "cost.egress.links.bytes"]].concat()));
}

#[test]
fn bytes_and_their_dollars_by_hand() {
    // All prompts and answers go through gateways next to clients, 4 bytes a token and 257 around each streamed one.
    let cell = cell(SCENARIO, &[]);
    let egress = &cell["cost"]["egress"];
    let link = |from: &str, to: &str| {
        let links = egress["links"].as_array().unwrap();
        links.iter().find(|link| link["from"] == from && link["to"] == to).unwrap().clone()
    };
    let bytes = |link: &Value| link["bytes"].as_u64().unwrap();
    let [us_in, eu_in] = ["us", "eu"].map(|region| bytes(&link("internet", region)));
    let [us_out, eu_out] = ["us", "eu"].map(|region| bytes(&link(region, "internet")));
    let all = &cell["all"];
    assert_eq!(us_in + eu_in, 4 * all["prompt_tokens"].as_u64().unwrap());
    assert_eq!(us_out + eu_out, 261 * all["output_tokens"].as_u64().unwrap());
    // Virginia and Frankfurt: 9 cents a GB out, 2 between; in is free.
    for (from, to, per_gb) in
        [("us", "internet", 0.09), ("eu", "internet", 0.09), ("us", "eu", 0.02), ("internet", "us", 0.0)]
    {
        let link = link(from, to);
        let by_hand = (bytes(&link) as f64 * per_gb / 1e3).round() as i64;
        assert_eq!(micro(&link["usd"]), by_hand, "{link}");
        assert!(bytes(&link) > 0);
    }
    let links = egress["links"].as_array().unwrap();
    assert_eq!(links.iter().map(|link| micro(&link["usd"])).sum::<i64>(), micro(&egress["usd"]));
    assert_eq!(links.iter().map(bytes).sum::<u64>(), egress["bytes"].as_u64().unwrap());
}

#[test]
fn free_things_cost_nothing_and_unknown_ones_are_not_summed() {
    let free = SCENARIO
        .replace(", price.gpu_hour = 3.5", "")
        .replace("[prices.api]", "[prices]\ngpu_hour = { \"h100-sxm\" = 0, l4 = 0 }\negress = { internet = 0, between = 0 }\n[prices.api]");
    let nothing = cell(&free, &[]);
    let usd = &nothing["cost"]["usd"];
    for key in ["total", "gpus", "egress", "busy", "unshared", "per_request", "fleet_per_hour"] {
        assert_eq!(usd[key].as_f64(), Some(0.0), "{key}");
    }
    assert!(nothing["cost"]["egress"]["bytes"].as_u64().unwrap() > 0);
    // A place of one's own has no list price.
    let unknown = SCENARIO.replace("location = \"aws:eu-central-1\"", "location = { lat = 50.1, lon = 8.7 }");
    let (code, stdout, stderr) = {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("priced.toml"), &unknown).unwrap();
        let mut command = Command::cargo_bin("regionsim").unwrap();
        command.current_dir(folder.path()).args(["run", "priced.toml", "--no-files", "--json"]);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("what bytes cost is not known on eu->internet"), "{stderr}");
    assert!(stderr.contains("`egress` are more than two years old"), "{stderr}");
    let run: Value = serde_json::from_str(&stdout).unwrap();
    let cost = &run["policies"][0]["cells"][0]["cost"];
    assert_eq!((&cost["usd"]["egress"], &cost["egress"]["usd"]), (&Value::Null, &Value::Null));
    assert_eq!(cost["usd"]["total"], cost["usd"]["gpus"]);
    let tables: Vec<&str> = run["provenance"]["data_tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert!(tables.contains(&"prices") && tables.contains(&"egress"), "{tables:?}");
}

#[test]
fn whole_instances_are_paid_whole() {
    let usual = cell(SCENARIO, &[]);
    let whole =
        SCENARIO.replace("[prices.api]", "[prices]\ninstance_gpus = { \"h100-sxm\" = 8 }\n[prices.api]");
    let whole = cell(&whole, &[]);
    let pool = |cell: &Value, index: usize| micro(&cell["cost"]["usd"]["pools"][index]) as f64;
    // Two replicas of two fill half an instance of eight, the one of Germany an eighth; L4s come one by one.
    assert!((pool(&whole, 0) - 2.0 * pool(&usual, 0)).abs() <= 4.0);
    assert_eq!(pool(&whole, 1), pool(&usual, 1));
    assert!((pool(&whole, 2) - 8.0 * pool(&usual, 2)).abs() <= 8.0);
    let usd = &whole["cost"]["usd"];
    let spare = micro(&usd["spare"]);
    assert_eq!(micro(&usd["gpus"]) - spare, micro(&usual["cost"]["usd"]["gpus"]));
    assert_eq!(micro(&usd["fleet_per_hour"]), 8 * 6_880_000 + 3 * 978_000 + 8 * 3_500_000);
    assert_eq!(whole["cost"]["gpu_hours"], usual["cost"]["gpu_hours"], "what replicas have");
}

#[test]
fn what_a_rule_costs_is_the_scenario_with_it_less_without() {
    let scenario = format!(
        "{}\n[origins.europe]\nnear = \"eu\"\ndata_class = \"strict\"\n[origins.america]\nnear = \"us\"\n\
         [residency.strict]\nprocess_in = [\"eea\"]\n",
        SCENARIO.replace("[prices.api]", "[slo.default]\nttft = \"150ms\"\n[prices.api]")
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("priced.toml"), scenario).unwrap();
    let compare = |more: &[&str]| {
        let mut command = Command::cargo_bin("regionsim").unwrap();
        command.current_dir(folder.path()).args(["compare", "priced.toml", "--seeds", "2", "-q"]).args(more);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let priced: Value = serde_json::from_str(&compare(&["--price-of", "residency", "--json"])).unwrap();
    let lifted: Value =
        serde_json::from_str(&compare(&["--set", "origins.europe.data_class=unrestricted", "--json"]))
            .unwrap();
    let value = |run: &Value, metric: &str, side: &str| {
        let changes = run["comparisons"][0]["changes"].as_array().unwrap();
        changes.iter().find(|change| change["metric"] == metric).unwrap()[side].clone()
    };
    for metric in
        ["ttft.p99", "cost.usd_egress", "cross_region", "cost.usd_per_good_request", "slo.attainment"]
    {
        assert_eq!(
            value(&priced, metric, "before"),
            value(&lifted, metric, "after"),
            "{metric}, without the rule"
        );
        assert_eq!(value(&priced, metric, "after"), value(&lifted, metric, "before"), "{metric}, with it");
    }
    // The rule binds: fewer of its requests are served abroad, and its own tail is among what decides.
    let share = |side: &str| value(&priced, "cross_region", side).as_f64().unwrap();
    assert!(share("after") < share("before"), "{} {}", share("after"), share("before"));
    let text = compare(&["--price-of", "residency"]);
    assert!(
        text.contains("rr, without [residency]") && text.contains("ttft.p99{origin=\"europe\"}"),
        "{text}"
    );

    // A scenario without rules has nothing to price.
    fs::write(folder.path().join("free.toml"), SCENARIO).unwrap();
    let mut command = Command::cargo_bin("regionsim").unwrap();
    command.current_dir(folder.path()).args(["compare", "free.toml", "--price-of", "residency"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no residency rule"));
}
