//! The tables of docs/SCENARIO.md, made from the schema, so that they cannot tell of keys that do not exist. Knows
//! the schema; must not know values.

use super::check::describe;
use super::schema::scenario_schema;
use serde_json::Value;
use std::fmt::Write as _;

/// Heading and definition of each table, in reading order.
const TABLES: [(&str, &str); 63] = [
    ("The file", ""),
    ("`[slo.CLASS]`", "Slo"),
    ("`[models.NAME]`", "Model"),
    ("`[models.NAME.dims]`", "Dims"),
    ("`[regions.NAME]`", "Region"),
    ("`location = { … }`", "Coordinates"),
    ("`pools.NAME = { … }` in a region", "Pool"),
    ("`[engine]`, and `engine = { … }` in a pool", "Engine"),
    ("`server.fifo` and `server.ps` in a pool", "Queue"),
    ("`timing = { … }` in a pool", "Timing"),
    ("`timing.linear`", "Linear"),
    ("`timing.table`", "StepTable"),
    ("`ingress = { … }` in a pool", "Ingress"),
    ("`[origins.NAME]`", "Origin"),
    ("`last_mile = { … }`", "LogNormal"),
    ("Day curves: `day_curve`, `rate_curve`", "Curve"),
    ("A day curve of one's own", "CurveTable"),
    ("`[residency.CLASS]`", "Residency"),
    ("`[[events]]`", "Event"),
    ("`[health]`", "Health"),
    ("`[retry]`", "Retry"),
    ("`[spill]`", "Spill"),
    ("`[prices]`", "Prices"),
    ("`[prices.reserved]`", "Reserved"),
    ("`[prices.egress]`", "Egress"),
    ("`[prices.api]`", "ApiPrices"),
    ("`price.owned = { … }` in a pool", "Owned"),
    ("`[dns]`", "Dns"),
    ("`[admission]`, and `admission = { … }` in a policy", "Admission"),
    ("`saturation` of admission", "Saturation"),
    ("`gate` of admission", "Gate"),
    ("`shed` of admission", "Shed"),
    ("`queue` of admission", "QueueBounds"),
    ("`throttle` of admission", "Throttle"),
    ("`[network]`", "Network"),
    ("`jitter = { … }`", "Spikes"),
    ("`paths.\"A->B\" = { … }`", "Path"),
    ("`[workloads.NAME]`", "Workload"),
    ("`[workloads.NAME.trace]`", "Trace"),
    ("`window = { … }` of a trace", "Window"),
    ("`[workloads.NAME.pool]`", "ClientPool"),
    ("`[workloads.NAME.synthetic]`", "Synthetic"),
    ("`system` and `documents`", "Shared"),
    ("`clients = { … }`", "Clients"),
    ("`stages = [{ … }]`", "Stage"),
    ("Lengths in tokens", "Tokens"),
    ("Numbers that may vary", "Number"),
    ("Distributions", "Dist"),
    ("`arrivals`", "Arrivals"),
    ("`[policies.NAME]`", "Policy"),
    ("`views = { … }` of a policy", "Views"),
    ("`views.load`", "LoadView"),
    ("`views.load.poll`", "Poll"),
    ("`views.load.event`", "Feed"),
    ("`views.load.store`", "Store"),
    ("`views.cache`", "CacheView"),
    ("`views.cache.event`", "CacheFeed"),
    ("`views.rtt`", "RttView"),
    ("`views.rtt.probe`", "Probe"),
    ("`[plan]`", "Planning"),
    ("`[plan.pools.\"region/pool\"]`", "PlannedPool"),
    ("`[plan.contingencies.NAME]`", "Contingency"),
    ("`[tune]`", "Tuning"),
];

/// The tables as Markdown.
pub fn reference() -> String {
    let root = scenario_schema();
    let mut text = String::new();
    for (heading, name) in TABLES {
        let schema = if name.is_empty() { root } else { &root["$defs"][name] };
        let _ = write!(text, "\n## {heading}\n\n{}\n", prose(schema));
        match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => {
                text.push_str("\n| key | value | meaning | default |\n|---|---|---|---|\n");
                let required: Vec<&str> = schema["required"]
                    .as_array()
                    .map(|names| names.iter().filter_map(Value::as_str).collect())
                    .unwrap_or_default();
                for (key, property) in properties {
                    let (meaning, default) = split(&prose(property));
                    let default = default.unwrap_or_else(|| {
                        if required.contains(&key.as_str()) { "needed".into() } else { "none".to_owned() }
                    });
                    let _ = writeln!(text, "| `{key}` | {} | {meaning} | {default} |", kind(root, property));
                }
            }
            None => variants(&mut text, root, schema),
        }
    }
    text
}

/// The alternatives of a choice.
fn variants(text: &mut String, root: &Value, schema: &Value) {
    let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) else {
        return;
    };
    text.push('\n');
    for choice in choices {
        if choice.get("oneOf").is_some() {
            text.push_str("- a table with one of the distributions below, and optionally `min` (default 1) and `max` (default: the distribution's own end, else 32768)\n");
        } else if let Some(word) = choice.get("const").and_then(Value::as_str) {
            let _ = writeln!(text, "- `\"{word}\"`: {}", prose(choice));
        } else if let Some(words) = choice.get("enum").and_then(Value::as_array) {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let _ = writeln!(text, "- {}", words.join(", "));
        } else if let Some(name) = choice["required"][0].as_str() {
            let table = &choice["properties"][name];
            if referred(table).is_some() {
                let _ = writeln!(text, "- `{name}`: {} A table, {}.", prose(choice), kind(root, table));
                continue;
            }
            let inner: Vec<String> = table["properties"]
                .as_object()
                .map(|keys| {
                    keys.iter()
                        .map(|(key, value)| {
                            format!("`{key}` ({})", prose(value).trim_end_matches('.').to_lowercase())
                        })
                        .collect()
                })
                .unwrap_or_default();
            let _ = writeln!(text, "- `{name}`: {} Keys: {}.", prose(choice), inner.join(", "));
        } else {
            let what = if referred(choice).is_some() { kind(root, choice) } else { describe(choice) };
            let _ = writeln!(text, "- {what}: {}", prose(choice));
        }
    }
}

/// The definition that a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)?.strip_prefix("#/$defs/")
}

fn prose(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or("").replace('\n', " ").replace('|', "\\|")
}

/// Meaning and default of a documentation text.
fn split(prose: &str) -> (String, Option<String>) {
    match prose.split_once("Default: ") {
        Some((meaning, default)) => {
            (meaning.trim().to_owned(), Some(default.trim_end_matches('.').replace('"', "`")))
        }
        None => (prose.to_owned(), None),
    }
}

/// A value's kind in a word or two, with a link where it is a table of its own.
fn kind(root: &Value, property: &Value) -> String {
    if let Some(name) = referred(property) {
        let target = &root["$defs"][name];
        return match TABLES.iter().find(|table| table.1 == name) {
            Some((heading, _)) => format!("see {heading}"),
            None if name == "PolicySpec" || name == "Central" => "see docs/policies".into(),
            None => choice_words(root, target),
        };
    }
    if let Some(entries) = property.get("additionalProperties").filter(|entries| entries.is_object()) {
        return match entries.get("$ref") {
            Some(_) => "tables by name".into(),
            None => format!("{} by name", short(&describe(entries))),
        };
    }
    short(&describe(property))
}

/// A description without its examples: those stand once, at the head of the page.
fn short(words: &str) -> String {
    let words = words.replace('|', "\\|");
    for (long, brief) in [
        ("a duration", "duration"),
        ("a bandwidth", "bandwidth"),
        ("a share", "share"),
        ("a size", "size"),
        ("an array", "array of text"),
        ("text in quotes", "text"),
    ] {
        if let Some(rest) = words.strip_prefix(long) {
            let after = if rest.contains(" or a table") {
                rest.find(" or a table").map(|at| &rest[at..])
            } else {
                None
            };
            return format!("{brief}{}", after.unwrap_or(""));
        }
    }
    words
        .replace(" from 0 to 18446744073709551615", "")
        .replace(" from 0 to 4294967295", "")
        .replace("from 1 to 18446744073709551615", "from 1")
}

fn choice_words(root: &Value, target: &Value) -> String {
    let Some(choices) = target.get("oneOf").or_else(|| target.get("anyOf")).and_then(Value::as_array) else {
        return describe(target);
    };
    let words: Vec<String> = choices
        .iter()
        .map(|choice| match choice.get("$ref").and_then(Value::as_str) {
            Some(name) => choice_words(root, &root["$defs"][name.trim_start_matches("#/$defs/")]),
            None => match choice["required"][0].as_str() {
                Some(name) if choice["required"].as_array().is_some_and(|names| names.len() == 1) => {
                    format!("`{name}`")
                }
                _ => describe(choice),
            },
        })
        .collect();
    words.join(" or ")
}
