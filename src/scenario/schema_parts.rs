//! Schemas of parts, put together by hand where a type is read by hand. Knows JSON Schema; must not know scenarios.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// The schema of `T`, written out rather than referred to, so that it can be changed.
pub(super) fn inlined<T: JsonSchema>(_: &mut SchemaGenerator) -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    // What refers to itself is defined where it stands without changes.
    schema.remove("$defs");
    schema
}

/// The schema of `T`, a choice of named tables, with each alternative's table written out, so that it can be changed; what
/// stands within those is referred to.
pub(super) fn expanded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let choice = generator.subschema_for::<T>();
    let definitions = generator.definitions();
    let mut schema = behind(definitions, choice.as_value()).unwrap_or_default();
    let choices = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for alternative in choices.into_iter().flatten() {
        let tables = alternative.get_mut("properties").and_then(Value::as_object_mut);
        for table in tables.into_iter().flat_map(|tables| tables.values_mut()) {
            if let Some(whole) = behind(definitions, table) {
                *table = whole;
            }
        }
    }
    Schema::try_from(schema).unwrap_or_default()
}

/// What a schema refers to, with the words that stand beside the reference.
fn behind(definitions: &serde_json::Map<String, Value>, schema: &Value) -> Option<Value> {
    let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
    let mut whole = definitions.get(name)?.clone();
    if let (Some(whole), Some(beside)) = (whole.as_object_mut(), schema.as_object()) {
        for (key, value) in beside.iter().filter(|(key, _)| *key != "$ref") {
            whole.insert(key.clone(), value.clone());
        }
    }
    Some(whole)
}

/// Every alternative of a choice.
pub(super) fn each_alternative(schema: &mut Schema, mut change: impl FnMut(&mut Value)) {
    if let Some(Value::Array(choices)) = schema.get_mut("oneOf") {
        choices.iter_mut().filter(|choice| choice.get("properties").is_some()).for_each(&mut change);
    }
}

/// The table behind the telling key of every alternative.
pub(super) fn each_variant(schema: &mut Schema, mut change: impl FnMut(&mut Value)) {
    each_alternative(schema, |choice| {
        if let Some(Value::Object(properties)) = choice.get_mut("properties") {
            properties.values_mut().for_each(&mut change);
        }
    });
}

/// Adds a key to a table's schema.
pub(super) fn add(table: &mut Value, name: &str, key: Value, required: bool) {
    let Value::Object(table) = table else { return };
    if let Value::Object(properties) =
        table.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()))
    {
        properties.insert(name.into(), key);
    }
    if required
        && let Value::Array(names) = table.entry("required").or_insert_with(|| Value::Array(Vec::new()))
    {
        names.push(name.into());
    }
}
