//! `--set path=value`: changes a scenario's text before it is read. Knows TOML text and the schema's keys; must not
//! know what a value means: it is checked where every value is.

use super::diagnostic::Diagnostic;
use super::nearest::{nearest, suggest};
use super::schema::scenario_schema;
use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// The text with every override in it, and what was wrong with those that could not be applied.
pub fn apply(text: &str, overrides: &[String]) -> (String, Vec<Diagnostic>) {
    if overrides.is_empty() {
        return (text.to_owned(), Vec::new());
    }
    let mut found = Vec::new();
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        return (text.to_owned(), vec![Diagnostic::error_of_file("`--set` needs a scenario that is TOML")]);
    };
    for assignment in overrides {
        if let Err((title, help)) = set(&mut document, assignment) {
            found.push(Diagnostic::error_of_file(format!("--set {assignment}: {title}")).help(help));
        }
    }
    (document.to_string(), found)
}

type Refused = (String, String);

fn set(document: &mut DocumentMut, assignment: &str) -> Result<(), Refused> {
    let example = "write, for example, --set regions.us.pools.main.replicas=8";
    let (path, value) = assignment
        .split_once('=')
        .ok_or_else(|| ("a path and a value are needed".to_owned(), example.to_owned()))?;
    let path = split(path).ok_or_else(|| ("the path is not one".to_owned(), example.to_owned()))?;
    check_path(document.as_table(), &path)?;
    let value = value.trim();
    // What is no TOML value is text: `--set slo.chat.ttft=900ms` needs no quotes.
    let value: toml_edit::Value = value.parse().unwrap_or_else(|_| value.into());
    let (last, tables) = path.split_last().ok_or_else(|| ("an empty path".to_owned(), example.to_owned()))?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, part) in tables.iter().enumerate() {
        let inline = table.get(part).is_none() && depth > 1;
        let next = table.entry(part).or_insert_with(|| {
            if inline {
                return Item::Value(toml_edit::InlineTable::new().into());
            }
            let mut new = Table::new();
            new.set_implicit(true);
            Item::Table(new)
        });
        table = next.as_table_like_mut().ok_or_else(|| {
            (
                format!("`{}` is a value, not a table", tables[..=depth].join(".")),
                "shorten the path".to_owned(),
            )
        })?;
    }
    match table.get_mut(last) {
        // The comment behind a value stays.
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        _ => {
            table.insert(last, Item::Value(value));
        }
    }
    Ok(())
}

/// The parts of `a.b."c.d"`.
fn split(path: &str) -> Option<Vec<String>> {
    let keys = toml_edit::Key::parse(path.trim()).ok()?;
    (!keys.is_empty()).then(|| keys.iter().map(|key| key.get().to_owned()).collect())
}

/// Whether the schema has the path; named entries that the scenario lacks are refused when they look misspelt.
fn check_path(root: &Table, path: &[String]) -> Result<(), Refused> {
    let schema = scenario_schema();
    let mut nodes = vec![schema];
    let mut item: Option<&dyn TableLike> = Some(root);
    for (depth, part) in path.iter().enumerate() {
        let nodes_here: Vec<&Value> = nodes.iter().flat_map(|node| alternatives(schema, node)).collect();
        let fixed: Vec<(&String, &Value)> = nodes_here
            .iter()
            .filter_map(|node| node.get("properties").and_then(Value::as_object))
            .flatten()
            .collect();
        let next: Vec<&Value> = fixed.iter().filter(|key| key.0 == part).map(|key| key.1).collect();
        let open: Vec<&Value> = nodes_here
            .iter()
            .filter_map(|node| node.get("additionalProperties"))
            .filter(|more| more.is_object())
            .collect();
        let before = path[..depth].join(".");
        let inside = if before.is_empty() { "the scenario".to_owned() } else { format!("`{before}`") };
        if next.is_empty() && open.is_empty() {
            let known = fixed.iter().map(|key| key.0.as_str());
            return Err((
                format!("there is no key `{part}` in {inside}"),
                suggest(part, "the keys here are", known),
            ));
        }
        let child = item.and_then(|table| table.get(part));
        if next.is_empty() && child.is_none() {
            let entries: Vec<&str> =
                item.map(|table| table.iter().map(|entry| entry.0).collect()).unwrap_or_default();
            if let Some(close) = nearest(part, entries.iter().copied()) {
                return Err((
                    format!("there is no `{part}` in {inside}"),
                    format!("did you mean `{close}`?"),
                ));
            }
            if depth + 1 < path.len() && depth > 0 && !entries.is_empty() && before != "policies" {
                return Err((
                    format!("there is no `{part}` in {inside}"),
                    suggest(part, "the names are", entries),
                ));
            }
        }
        nodes = if next.is_empty() { open } else { next };
        item = child.and_then(Item::as_table_like);
    }
    Ok(())
}

/// A schema node, references followed and choices opened.
fn alternatives<'s>(root: &'s Value, node: &'s Value) -> Vec<&'s Value> {
    let mut node = node;
    for _ in 0..16 {
        let Some(name) =
            node.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"))
        else {
            break;
        };
        match root.get("$defs").and_then(|defs| defs.get(name)) {
            Some(next) => node = next,
            None => break,
        }
    }
    match node.get("oneOf").or_else(|| node.get("anyOf")).and_then(Value::as_array) {
        Some(choices) => choices.iter().flat_map(|choice| alternatives(root, choice)).collect(),
        None => vec![node],
    }
}
