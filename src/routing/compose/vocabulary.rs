//! The vocabulary in print: every block with its keys, read off the schema, and every signal with its unit. Knows
//! schemas; must not know what a block does.

use super::filter::Filter;
use super::guard::Condition;
use super::key::KeyPart;
use super::learn::{HistogramBlock, LearnBlock};
use super::pick::{Pick, Tie};
use super::score::{Combine, Term, Transform};
use super::signal::Signal;
use super::{Params, index::IndexBlock};
use crate::routing::params::{ParamInfo, describe};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// The parameters of a composition and all that can be written in them.
pub fn params() -> Vec<ParamInfo> {
    let mut all = describe::<Params>();
    all.extend(keys::<IndexBlock>("index"));
    all.extend(choices::<KeyPart>("key"));
    all.extend(keys::<LearnBlock>("learn"));
    all.extend(keys::<HistogramBlock>("histogram"));
    all.extend(choices::<Filter>("filters"));
    all.extend(choices::<Condition>("if"));
    all.extend(keys::<Term>("score"));
    all.extend(choices::<Transform>("score.transform"));
    all.extend(choices::<Combine>("combine"));
    all.extend(choices::<Pick>("pick"));
    all.extend(choices::<Tie>("tie"));
    let units = Signal::ALL.iter().map(|signal| (signal.name(), signal.unit().name()));
    let units: Vec<_> = units.collect();
    all.extend(choices::<Signal>("signal").into_iter().map(|info| {
        let unit = units.iter().find(|(name, _)| info.name.strip_prefix("signal.") == Some(name));
        ParamInfo { default: unit.map_or_else(String::new, |(_, unit)| (*unit).to_owned()), ..info }
    }));
    all
}

fn text(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The definition behind a reference.
fn behind<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

/// The keys of a table, each with what stands for it where it is left out.
fn keys<T: JsonSchema>(under: &str) -> Vec<ParamInfo> {
    let root = schema_for!(T).to_value();
    let needed = |name: &str| needs(&root, name);
    let Some(keys) = root.get("properties").and_then(Value::as_object) else { return Vec::new() };
    keys.iter()
        .map(|(name, schema)| {
            let (doc, default) = split(&text(schema));
            let default =
                if needed(name) { "needed".to_owned() } else { default.unwrap_or_else(|| "none".into()) };
            ParamInfo { name: format!("{under}.{name}"), default, doc }
        })
        .collect()
}

fn needs(schema: &Value, name: &str) -> bool {
    let needed = schema.get("required").and_then(Value::as_array);
    needed.is_some_and(|needed| needed.iter().any(|key| key == name))
}

/// A text and the default it ends in.
fn split(text: &str) -> (String, Option<String>) {
    match text.split_once(" Default: ") {
        Some((doc, default)) => (doc.to_owned(), Some(default.trim_end_matches('.').to_owned())),
        None => (text.to_owned(), None),
    }
}

/// The alternatives of a choice, each with its keys; those that may be left out with their defaults.
fn choices<T: JsonSchema>(under: &str) -> Vec<ParamInfo> {
    let root = schema_for!(T).to_value();
    let Some(choices) = root.get("oneOf").and_then(Value::as_array) else { return Vec::new() };
    let mut found = Vec::new();
    for choice in choices {
        let doc = text(choice);
        if let Some(word) = choice.get("const").and_then(Value::as_str) {
            found.push(ParamInfo { name: format!("{under}.{word}"), default: format!("\"{word}\""), doc });
            continue;
        }
        let Some((name, table)) =
            choice.get("properties").and_then(Value::as_object).and_then(|table| table.iter().next())
        else {
            continue;
        };
        let table = behind(&root, table);
        let default = match table.get("properties").and_then(Value::as_object) {
            None if table.get("type").is_some_and(|kind| kind == "object") => "{}".to_owned(),
            None => "N".to_owned(),
            Some(keys) => {
                let key = |(name, schema): (&String, &Value)| match split(&text(schema)).1 {
                    Some(default) if !needs(table, name) => format!("{name} = {default}"),
                    _ => name.clone(),
                };
                format!("{{ {} }}", keys.iter().map(key).collect::<Vec<_>>().join(", "))
            }
        };
        let default = if default == "{  }" { "{}".to_owned() } else { default };
        found.push(ParamInfo { name: format!("{under}.{name}"), default, doc });
    }
    found
}
