//! `--set path=value`: changes a scenario's text before it is read. Knows TOML text and the schema's keys; must not
//! know what a value means: it is checked where every value is.

use super::diagnostic::Diagnostic;
use super::nearest::{nearest, suggest};
use super::schema::scenario_schema;
use serde_json::Value;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike};

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
    let (last, before) = path.split_last().ok_or_else(|| ("an empty path".to_owned(), example.to_owned()))?;
    let mut here = Place::Table(document.as_table_mut());
    for (depth, part) in before.iter().enumerate() {
        here = here.enter(part, depth).ok_or_else(|| {
            let whole = path[..=depth].join(".");
            (format!("`{whole}` is a value, not a table"), "shorten the path".to_owned())
        })?;
    }
    match here {
        Place::Table(table) => match table.get_mut(last) {
            // The comment behind a value stays.
            Some(Item::Value(old)) => replace(old, value),
            _ => {
                table.insert(last, Item::Value(value));
            }
        },
        Place::Array(array) => {
            if let Some(old) = index(last).and_then(|index| array.get_mut(index)) {
                replace(old, value);
            }
        }
        Place::Tables(_) => {
            return Err((
                format!("`{}` is a whole table", path.join(".")),
                "name one of its keys behind it".to_owned(),
            ));
        }
    }
    Ok(())
}

fn replace(old: &mut toml_edit::Value, new: toml_edit::Value) {
    let decor = old.decor().clone();
    *old = new;
    *old.decor_mut() = decor;
}

/// The place of an entry in a list, counted from 0.
fn index(part: &str) -> Option<usize> {
    part.parse().ok()
}

/// Where a path leads, on its way.
enum Place<'d> {
    Table(&'d mut dyn TableLike),
    Array(&'d mut Array),
    /// `[[events]]`.
    Tables(&'d mut ArrayOfTables),
}

impl<'d> Place<'d> {
    fn of(item: &'d mut Item) -> Option<Place<'d>> {
        match item {
            Item::Table(table) => Some(Place::Table(table)),
            Item::ArrayOfTables(tables) => Some(Place::Tables(tables)),
            Item::Value(value) => Place::of_value(value),
            Item::None => None,
        }
    }
    fn of_value(value: &'d mut toml_edit::Value) -> Option<Place<'d>> {
        match value {
            toml_edit::Value::InlineTable(table) => Some(Place::Table(table)),
            toml_edit::Value::Array(array) => Some(Place::Array(array)),
            _ => None,
        }
    }
    /// The next part of a path; a table that is not there is made.
    fn enter(self, part: &str, depth: usize) -> Option<Place<'d>> {
        match self {
            Place::Table(table) => {
                let inline = table.get(part).is_none() && depth > 1;
                Place::of(table.entry(part).or_insert_with(|| {
                    if inline {
                        return Item::Value(toml_edit::InlineTable::new().into());
                    }
                    let mut new = Table::new();
                    new.set_implicit(true);
                    Item::Table(new)
                }))
            }
            Place::Array(array) => Place::of_value(array.get_mut(index(part)?)?),
            Place::Tables(tables) => Some(Place::Table(tables.get_mut(index(part)?)?)),
        }
    }
}

/// The same, to look at.
#[derive(Clone, Copy)]
enum Seen<'d> {
    Table(&'d dyn TableLike),
    Array(&'d Array),
    Tables(&'d ArrayOfTables),
    /// With nothing in it.
    Plain,
}

impl<'d> Seen<'d> {
    fn of(item: &'d Item) -> Option<Seen<'d>> {
        match item {
            Item::Table(table) => Some(Seen::Table(table)),
            Item::ArrayOfTables(tables) => Some(Seen::Tables(tables)),
            Item::Value(value) => Some(Seen::of_value(value)),
            Item::None => None,
        }
    }
    fn of_value(value: &'d toml_edit::Value) -> Seen<'d> {
        match value {
            toml_edit::Value::InlineTable(table) => Seen::Table(table),
            toml_edit::Value::Array(array) => Seen::Array(array),
            _ => Seen::Plain,
        }
    }
    /// What is at this part.
    fn enter(self, part: &str) -> Option<Seen<'d>> {
        match self {
            Seen::Table(table) => table.get(part).and_then(Seen::of),
            Seen::Array(array) => array.get(index(part)?).map(Seen::of_value),
            Seen::Tables(tables) => Some(Seen::Table(tables.get(index(part)?)?)),
            Seen::Plain => None,
        }
    }
    /// How many entries, of a list.
    fn entries(self) -> Option<usize> {
        match self {
            Seen::Table(_) | Seen::Plain => None,
            Seen::Array(array) => Some(array.len()),
            Seen::Tables(tables) => Some(tables.len()),
        }
    }
    fn names(self) -> Vec<&'d str> {
        match self {
            Seen::Table(table) => table.iter().map(|entry| entry.0).collect(),
            _ => Vec::new(),
        }
    }
}

/// The parts of `a.b."c.d"`.
/// A table of the text with every override in it, on one line, with these keys changed; `None` where there is none.
pub fn table_with(
    text: &str,
    overrides: &[String],
    path: &[&str],
    changes: &[(&str, toml_edit::Value)],
) -> Option<String> {
    let (text, found) = apply(text, overrides);
    let document: DocumentMut = text.parse().ok().filter(|_| found.is_empty())?;
    let mut item = document.as_item();
    for part in path {
        item = item.get(part)?;
    }
    let mut table = match item {
        Item::Table(table) => table.clone().into_inline_table(),
        Item::Value(toml_edit::Value::InlineTable(table)) => table.clone(),
        _ => return None,
    };
    for (key, value) in changes {
        table.insert(*key, value.clone());
    }
    let mut value = toml_edit::Value::InlineTable(table);
    plain(&mut value);
    Some(value.to_string())
}

/// Without comments and line ends, as overrides are written.
fn plain(value: &mut toml_edit::Value) {
    value.decor_mut().clear();
    match value {
        toml_edit::Value::InlineTable(table) => {
            for (mut key, value) in table.iter_mut() {
                key.leaf_decor_mut().clear();
                key.dotted_decor_mut().clear();
                plain(value);
            }
        }
        toml_edit::Value::Array(array) => {
            array.set_trailing("");
            array.iter_mut().for_each(plain);
        }
        _ => {}
    }
}

/// A path as overrides and scenarios write it: names that are no bare keys of TOML stand in quotes.
pub fn dotted(parts: &[&str]) -> String {
    parts.iter().map(|part| key(part)).collect::<Vec<_>>().join(".")
}

/// A name as a key of TOML.
pub fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    toml_edit::Value::from(name).to_string()
}

fn split(path: &str) -> Option<Vec<String>> {
    let keys = toml_edit::Key::parse(path.trim()).ok()?;
    (!keys.is_empty()).then(|| keys.iter().map(|key| key.get().to_owned()).collect())
}

/// Whether the schema has the path; named entries that the scenario lacks are refused when they look misspelt.
fn check_path(root: &Table, path: &[String]) -> Result<(), Refused> {
    let schema = scenario_schema();
    let mut nodes = vec![schema];
    let mut seen = Some(Seen::Table(root));
    for (depth, part) in path.iter().enumerate() {
        let nodes_here: Vec<&Value> = nodes.iter().flat_map(|node| alternatives(schema, node)).collect();
        let before = path[..depth].join(".");
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
        let items: Vec<&Value> = nodes_here.iter().filter_map(|node| items(node, part)).collect();
        // A list, by what is written; by the schema alone where nothing is.
        let entries = seen.and_then(Seen::entries);
        if entries.is_some() || !items.is_empty() && next.is_empty() && open.is_empty() {
            entry(&before, part, entries.unwrap_or(0))?;
            nodes = items;
            seen = seen.and_then(|seen| seen.enter(part));
            continue;
        }
        let inside = if before.is_empty() { "the scenario".to_owned() } else { format!("`{before}`") };
        if next.is_empty() && open.is_empty() {
            let known = fixed.iter().map(|key| key.0.as_str());
            return Err((
                format!("there is no key `{part}` in {inside}"),
                suggest(part, "the keys here are", known),
            ));
        }
        let child = seen.and_then(|seen| seen.enter(part));
        if next.is_empty() && child.is_none() {
            let entries: Vec<&str> = seen.map(Seen::names).unwrap_or_default();
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
        seen = child;
    }
    Ok(())
}

/// What the schema says of an entry of a list.
fn items<'s>(node: &'s Value, part: &str) -> Option<&'s Value> {
    let by_place = node.get("prefixItems").and_then(|items| items.get(index(part)?));
    by_place.or_else(|| node.get("items").filter(|items| items.is_object()))
}

/// Whether a list of `entries` has the entry `part`.
fn entry(list: &str, part: &str, entries: usize) -> Result<(), Refused> {
    if index(part).is_some_and(|index| index < entries) {
        return Ok(());
    }
    let help = match entries {
        0 => "an override changes what is there; write the entry in the scenario".to_owned(),
        1 => format!("its one entry is `{list}.0`"),
        _ => format!("its {entries} entries are `{list}.0` to `{list}.{}`", entries - 1),
    };
    Err((format!("there is no entry `{part}` in the list `{list}`"), help))
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

#[cfg(test)]
mod tests {
    use super::table_with;

    #[test]
    fn a_table_stands_on_one_line_with_its_changes() {
        let text = "[regions.us.pools.main] # here\ngpu = \"l4\" # small\nprice.gpu_hour = 0.8\nengine = { kv_blocks = 9 }\n";
        let path = ["regions", "us", "pools", "main"];
        let table = table_with(text, &[], &path, &[("gpu", "l40s".into()), ("replicas", 2.into())]).unwrap();
        let read: toml_edit::Value = table.parse().unwrap();
        let read = read.as_inline_table().unwrap();
        assert!(!table.contains('\n') && !table.contains('#'), "{table}");
        assert_eq!(read.get("gpu").and_then(toml_edit::Value::as_str), Some("l40s"));
        assert_eq!(read.get("replicas").and_then(toml_edit::Value::as_integer), Some(2));
        assert!(table.contains("gpu_hour") && table.contains("kv_blocks"), "{table}");
        assert_eq!(table_with(text, &[], &["regions", "eu"], &[]), None);
    }
}
