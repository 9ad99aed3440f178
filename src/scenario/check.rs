//! Structural checks: unknown keys, wrong types, missing keys, numbers out of range, all of them in one go. Knows JSON
//! Schema as `schema` writes it and TOML values; must not know what a key means. What is broken is cut out of the
//! document, so that the rest can still be read and checked for what it means.

use super::diagnostic::{Diagnostic, Place};
use super::nearest::{nearest, suggest};
use crate::units;
use serde_json::Value;
use std::sync::LazyLock;
use toml::Spanned;
use toml::de::DeValue;

/// Checks `value` against `schema`, whose `$ref`s point into `root`. Returns whether `value` may stay.
pub fn check(root: &Value, value: &mut Spanned<DeValue<'_>>, found: &mut Vec<Diagnostic>) -> bool {
    let place = value.span();
    Checker { root, found }.value(root, value, &mut Vec::new(), &place)
}

struct Checker<'s, 'd> {
    root: &'s Value,
    found: &'d mut Vec<Diagnostic>,
}

/// The keys from the document's root to a value. The parser refuses documents too deep to walk.
type Path = Vec<String>;

impl<'s> Checker<'s, '_> {
    /// How messages call the table at `path`: the whole file by its schema's title.
    fn table_name(&self, path: &[String]) -> String {
        let title = || self.root.get("title").and_then(Value::as_str).unwrap_or("file").to_lowercase();
        if path.is_empty() { format!("the {}", title()) } else { format!("`{}`", path.join(".")) }
    }

    fn deref(&self, mut schema: &'s Value) -> &'s Value {
        // Schemas here are shallow; the bound is against a loop of references.
        for _ in 0..16 {
            let Some(name) = schema.get("$ref").and_then(Value::as_str) else { break };
            let name = name.strip_prefix("#/$defs/").unwrap_or(name);
            match self.root.get("$defs").and_then(|defs| defs.get(name)) {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    /// Choices within choices become one list.
    fn flatten(&self, choices: &'s [Value], flat: &mut Vec<&'s Value>) {
        for choice in choices {
            let choice = self.deref(choice);
            match choice.get("oneOf").or_else(|| choice.get("anyOf")).and_then(Value::as_array) {
                Some(inner) => self.flatten(inner, flat),
                None => flat.push(choice),
            }
        }
    }

    fn value(
        &mut self,
        schema: &'s Value,
        value: &mut Spanned<DeValue<'_>>,
        path: &mut Path,
        key: &Place,
    ) -> bool {
        let schema = self.deref(schema);
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            let mut flat = Vec::new();
            self.flatten(choices, &mut flat);
            return self.choice(&flat, value, path, key);
        }
        if let Some(words) = words_of(schema) {
            return self.word(&words, &[], value, path);
        }
        if !types_of(schema).iter().any(|wanted| is_a(wanted, value.get_ref())) {
            return self.wrong_type(&describe(schema), value, path);
        }
        match value.get_ref() {
            DeValue::Table(_) => self.table(schema, value, path, key),
            DeValue::Array(_) => self.array(schema, value, path),
            DeValue::Integer(_) | DeValue::Float(_) => self.number(schema, value, path),
            DeValue::String(_) => self.text(schema, value, path),
            _ => true,
        }
    }

    fn table(
        &mut self,
        schema: &'s Value,
        value: &mut Spanned<DeValue<'_>>,
        path: &mut Path,
        place: &Place,
    ) -> bool {
        let DeValue::Table(table) = value.get_mut() else { return true };
        static NONE: LazyLock<serde_json::Map<String, Value>> = LazyLock::new(serde_json::Map::new);
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&NONE);
        let additional = schema.get("additionalProperties");
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let missing: Vec<&str> =
            required.iter().filter_map(Value::as_str).filter(|name| !table.contains_key(*name)).collect();
        let mut unknown = Vec::new();
        let mut broken = Vec::new();
        let mut keys: Vec<_> = table.keys().cloned().collect();
        keys.sort_by_key(|key| key.span().start);
        for key in keys {
            let name: &str = key.get_ref();
            path.push(name.to_owned());
            let inner = match properties.get(name) {
                Some(inner) => Some(inner),
                None => additional.filter(|additional| additional.is_object()),
            };
            match (inner, table.get_mut(name)) {
                (Some(inner), Some(entry)) => {
                    let unquoted =
                        !properties.contains_key(name) && self.unquoted(inner, entry, path, &key.span());
                    if unquoted || !self.value(inner, entry, path, &key.span()) {
                        broken.push(name.to_owned());
                    }
                }
                _ => unknown.push((name.to_owned(), key.span())),
            }
            path.pop();
        }
        for (name, at) in &unknown {
            let known = properties.keys().map(String::as_str);
            let item =
                Diagnostic::error(at.clone(), format!("unknown key `{name}` in {}", self.table_name(path)))
                    .label("no such key")
                    .help(suggest(name, "the keys here are", known));
            let item = match nearest(name, properties.keys().map(String::as_str)) {
                Some(close) => match summary(self.deref(&properties[close])) {
                    Some(summary) => item.help(format!("`{close}`: {summary}")),
                    None => item,
                },
                None => item,
            };
            self.found.push(item);
            broken.push(name.clone());
        }
        for name in missing {
            // A misspelt required key is one mistake, and it has been reported.
            if unknown.iter().any(|(other, _)| nearest(other, [name]).is_some()) {
                continue;
            }
            let what = properties.get(name).map(|inner| self.deref(inner));
            let mut item =
                Diagnostic::error(place.clone(), format!("{} needs `{name}`", self.table_name(path)))
                    .label(format!("`{name}` is missing"));
            if let Some(summary) = properties.get(name).and_then(summary).or_else(|| what.and_then(summary)) {
                item = item.help(format!("add `{name}`: {summary}"));
            } else {
                item = item.help(format!("add `{name} = …`"));
            }
            self.found.push(item);
        }
        for name in &broken {
            table.remove(name.as_str());
        }
        // Without what it needs, a table cannot be read at all.
        required.iter().filter_map(Value::as_str).all(|name| table.contains_key(name))
    }

    /// A free name with a dot and no quotes, such as `ttft.p99 = "< 1s"`, which TOML reads as a table `ttft`. Whether it is
    /// one; then it is told.
    fn unquoted(
        &mut self,
        schema: &'s Value,
        entry: &Spanned<DeValue<'_>>,
        path: &Path,
        key: &Place,
    ) -> bool {
        if types_of(self.deref(schema)) != ["string"] {
            return false;
        }
        let mut whole = path.last().cloned().unwrap_or_default();
        let mut value = entry.get_ref();
        while let DeValue::Table(table) = value {
            let Some((name, inner)) = table.iter().next() else { return false };
            whole = format!("{whole}.{}", name.get_ref());
            value = inner.get_ref();
        }
        let DeValue::String(text) = value else { return false };
        if !entry.get_ref().is_table() {
            return false;
        }
        let table = path[..path.len() - 1].join(".");
        let item = Diagnostic::error(key.clone(), format!("a name with dots in `{table}` stands in quotes"))
            .label("without them this is a table within a table")
            .help(format!("write \"{whole}\" = {text:?}"));
        self.found.push(item);
        true
    }

    fn array(&mut self, schema: &'s Value, value: &mut Spanned<DeValue<'_>>, path: &mut Path) -> bool {
        let place = value.span();
        let DeValue::Array(array) = value.get_mut() else { return true };
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (array.len() as u64) < least {
            let title = format!(
                "`{}` needs at least {least} {}",
                path.join("."),
                if least == 1 { "entry" } else { "entries" }
            );
            self.found.push(Diagnostic::error(place, title).label("this has fewer").help(help_of(schema)));
            return false;
        }
        let Some(items) = schema.get("items") else { return true };
        let mut fine = true;
        for (index, entry) in array.iter_mut().enumerate() {
            path.push(index.to_string());
            let place = entry.span();
            fine &= self.value(items, entry, path, &place);
            path.pop();
        }
        fine
    }

    fn number(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>, path: &Path) -> bool {
        let (text, number) = match value.get_ref() {
            DeValue::Integer(integer) => {
                let Ok(number) = i128::from_str_radix(integer.as_str(), integer.radix()) else {
                    return self.out_of_range(schema, integer.to_string(), value, path);
                };
                let format = schema.get("format").and_then(Value::as_str).unwrap_or("");
                let (low, high): (i128, i128) = match format {
                    "uint8" => (0, u8::MAX.into()),
                    "uint16" => (0, u16::MAX.into()),
                    "uint32" => (0, u32::MAX.into()),
                    "uint64" | "uint" => (0, u64::MAX.into()),
                    "int32" => (i32::MIN.into(), i32::MAX.into()),
                    _ => (i64::MIN.into(), i64::MAX.into()),
                };
                if !(low..=high).contains(&number) {
                    return self.out_of_range(schema, integer.to_string(), value, path);
                }
                (integer.to_string(), number as f64)
            }
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => (float.to_string(), number),
                _ => return self.out_of_range(schema, float.to_string(), value, path),
            },
            _ => return true,
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let holds = bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
            && bound("exclusiveMinimum").is_none_or(|floor| number > floor);
        holds || self.out_of_range(schema, text, value, path)
    }

    fn out_of_range(
        &mut self,
        schema: &Value,
        shown: String,
        value: &Spanned<DeValue<'_>>,
        path: &Path,
    ) -> bool {
        let title = format!("`{}` must be {}", path.join("."), range_of(schema));
        self.found.push(
            Diagnostic::error(value.span(), title).label(format!("{shown} is not")).help(help_of(schema)),
        );
        false
    }

    fn text(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>, path: &Path) -> bool {
        let DeValue::String(text) = value.get_ref() else { return true };
        let problem = match schema.get("format").and_then(Value::as_str) {
            Some("duration") => units::parse_duration(text).err(),
            Some("size") => units::parse_bytes(text).err(),
            Some("bandwidth") => units::parse_bandwidth(text).err(),
            Some("share") => units::parse_percent(text).err(),
            _ => None,
        };
        let Some(problem) = problem else { return true };
        let title = format!("`{}` must be {}", path.join("."), describe(schema));
        self.found.push(Diagnostic::error(value.span(), title).label(problem.problem).help(problem.help));
        false
    }

    /// One of some words; `tables` are the keys of tables that may stand in their place.
    fn word(&mut self, words: &[&str], tables: &[&str], value: &Spanned<DeValue<'_>>, path: &Path) -> bool {
        let or_tables = match tables {
            [] => String::new(),
            [one] => format!(", or a table with `{one}`"),
            several => format!(", or a table with one of {}", quoted(several)),
        };
        let wanted = match words {
            [one] if !tables.is_empty() => format!("`{one}`{or_tables}"),
            several => format!("one of {}{or_tables}", quoted(several)),
        };
        let DeValue::String(text) = value.get_ref() else {
            return self.wrong_type(&wanted, value, path);
        };
        if words.contains(&text.as_ref()) {
            return true;
        }
        let title = format!("`{}` must be {wanted}", path.join("."));
        let all = words.iter().chain(tables).copied();
        let (label, help) = match nearest(text, all.clone()) {
            Some(name) if tables.contains(&name) && name == text => {
                (format!("`{name}` is a table"), format!("write `{}.{name} = {{ … }}`", path.join(".")))
            }
            close => {
                let help = match close {
                    Some(name) if tables.contains(&name) => {
                        format!("did you mean the table `{}.{name} = {{ … }}`?", path.join("."))
                    }
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => {
                        let quoted = words.iter().map(|word| format!("\"{word}\""));
                        let tables = tables.iter().map(|name| format!("`{{ {name} = {{ … }} }}`"));
                        format!("write {}", quoted.chain(tables).collect::<Vec<_>>().join(" or "))
                    }
                };
                ("not one of them".to_owned(), help)
            }
        };
        self.found.push(Diagnostic::error(value.span(), title).label(label).help(help));
        false
    }

    fn wrong_type(&mut self, wanted: &str, value: &Spanned<DeValue<'_>>, path: &Path) -> bool {
        let title = format!("`{}` must be {wanted}", path.join("."));
        let mut item =
            Diagnostic::error(value.span(), title).label(format!("this is {}", kind(value.get_ref())));
        if let DeValue::Integer(_) | DeValue::Float(_) = value.get_ref() {
            let number = match value.get_ref() {
                DeValue::Integer(integer) => integer.to_string(),
                DeValue::Float(float) => float.to_string(),
                _ => String::new(),
            };
            let problem = if wanted.starts_with("a duration") {
                units::parse_duration(&number).err()
            } else if wanted.starts_with("a bandwidth") {
                units::parse_bandwidth(&number).err()
            } else if wanted.starts_with("a size") {
                units::parse_bytes(&number).err()
            } else {
                None
            };
            if let Some(problem) = problem {
                item = item.help(problem.help);
            }
        } else if let DeValue::String(text) = value.get_ref()
            && wanted.contains("number")
            && text.trim().parse::<f64>().is_ok()
        {
            item = item.help(format!("write it without quotes: {}", text.trim()));
        }
        if item.help.is_empty() {
            item = item.help(format!("write {wanted}"));
        }
        self.found.push(item);
        false
    }

    /// One of several shapes: words, tables with one telling key, or values of different types.
    fn choice(
        &mut self,
        choices: &[&'s Value],
        value: &mut Spanned<DeValue<'_>>,
        path: &mut Path,
        key: &Place,
    ) -> bool {
        let words: Vec<&str> = choices.iter().filter_map(|choice| words_of(choice)).flatten().collect();
        let tagged: Vec<(&str, &'s Value)> =
            choices.iter().filter_map(|choice| Some((tag_of(choice)?, *choice))).collect();
        match value.get_ref() {
            DeValue::Table(table) if !tagged.is_empty() => {
                let tags: Vec<&str> = tagged.iter().map(|choice| choice.0).collect();
                let given: Vec<_> =
                    table.keys().filter(|key| tags.contains(&key.get_ref().as_ref())).collect();
                match given.len() {
                    1 => {
                        let name = given[0].get_ref().to_string();
                        let chosen = tagged.iter().find(|choice| choice.0 == name).map(|choice| choice.1);
                        chosen.is_none_or(|chosen| self.table(chosen, value, path, key))
                    }
                    0 => {
                        let shared = tagged.first().map_or(&Value::Null, |choice| choice.1);
                        let other = table.keys().find(|key| {
                            shared
                                .get("properties")
                                .is_none_or(|known| known.get(key.get_ref().as_ref()).is_none())
                        });
                        let title =
                            format!("{} needs exactly one of {}", self.table_name(path), quoted(&tags));
                        let item = match other {
                            Some(key) => Diagnostic::error(key.span(), title)
                                .label("not one of them")
                                .help(suggest(key.get_ref(), "choose one", tags.iter().copied())),
                            None => Diagnostic::error(key.clone(), title)
                                .label("none is given")
                                .help(format!("write, for example, `{}.{} = {{}}`", path.join("."), tags[0])),
                        };
                        self.found.push(item);
                        false
                    }
                    _ => {
                        let mut spans: Vec<_> = given.iter().map(|key| key.span()).collect();
                        spans.sort_by_key(|span| span.start);
                        let title =
                            format!("{} takes exactly one of {}", self.table_name(path), quoted(&tags));
                        let item = Diagnostic::error(spans[1].clone(), title)
                            .label("a second one")
                            .context(spans[0].clone(), "the first")
                            .help("keep one; for two variants write two entries with different names");
                        self.found.push(item);
                        false
                    }
                }
            }
            DeValue::String(text) if !words.is_empty() && !tagged.is_empty() => {
                let tables: Vec<&str> = tagged.iter().map(|choice| choice.0).collect();
                words.contains(&text.as_ref()) || self.word(&words, &tables, value, path)
            }
            _ => {
                let fitting = choices.iter().find(|choice| {
                    words_of(choice).is_some() && value.get_ref().is_str()
                        || types_of(choice).iter().any(|wanted| is_a(wanted, value.get_ref()))
                });
                match fitting {
                    Some(choice) if words_of(choice).is_some() => self.word(&words, &[], value, path),
                    Some(choice) => self.value(choice, value, path, key),
                    None => {
                        let all: Vec<String> = if words.len() == choices.len() {
                            vec![format!("one of {}", quoted(&words))]
                        } else {
                            choices.iter().map(|choice| describe(choice)).collect()
                        };
                        self.wrong_type(&all.join(" or "), value, path)
                    }
                }
            }
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The words of an enumeration.
fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    let words = schema.get("enum")?.as_array()?;
    Some(words.iter().filter_map(Value::as_str).collect())
}

/// The key that tells an externally tagged variant.
fn tag_of(schema: &Value) -> Option<&str> {
    let required = schema.get("required")?.as_array()?;
    let properties = schema.get("properties")?.as_object()?;
    let tag = required.first()?.as_str()?;
    (required.len() == 1 && properties.contains_key(tag)).then_some(tag)
}

fn types_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => vec!["any"],
    }
}

fn is_a(wanted: &str, value: &DeValue<'_>) -> bool {
    match wanted {
        "object" => value.is_table(),
        "array" => value.is_array(),
        "string" => value.is_str(),
        "integer" => value.is_integer(),
        "number" => value.is_integer() || value.is_float(),
        "boolean" => value.is_bool(),
        "any" => true,
        _ => false,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Table(_) => "a table",
        DeValue::Array(_) => "an array",
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
    }
}

/// A schema in words.
pub(super) fn describe(schema: &Value) -> String {
    if let Some(words) = words_of(schema) {
        return words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("duration") => return "a duration such as \"30s\" or \"800ms\"".into(),
        Some("size") => return "a size such as \"80GB\" or \"80GiB\"".into(),
        Some("bandwidth") => return "a bandwidth such as \"10Gbps\" or \"1.2GB/s\"".into(),
        Some("share") => return "a share such as 0.25 or \"25%\"".into(),
        _ => {}
    }
    let one = |name: &str| match name {
        "object" => match schema.get("properties").and_then(Value::as_object) {
            Some(keys) => {
                let keys: Vec<_> = keys.keys().map(String::as_str).collect();
                format!("a table with {}", quoted(&keys))
            }
            None => "a table".into(),
        },
        "array" => match schema.get("items").map(|items| types_of(items)).as_deref() {
            Some(["number"]) => "an array of numbers".into(),
            Some(["object"] | []) => "an array of tables".into(),
            _ => "an array, such as [\"a\", \"b\"]".into(),
        },
        "string" => "text in quotes".into(),
        "integer" => range_of(schema),
        "number" => "a number".into(),
        "boolean" => "true or false".into(),
        _ => "a value".to_owned(),
    };
    types_of(schema).iter().map(|name| one(name)).collect::<Vec<_>>().join(" or ")
}

/// A number's rule in words.
fn range_of(schema: &Value) -> String {
    let whole = types_of(schema).contains(&"integer");
    let noun = if whole { "a whole number" } else { "a finite number" };
    let show = |value: &Value| value.as_f64().map_or(String::new(), |number| format!("{number}"));
    let least = schema.get("minimum").map(show);
    let most = schema.get("maximum").map(show).or_else(|| {
        Some(match schema.get("format").and_then(Value::as_str)? {
            "uint8" => u8::MAX.to_string(),
            "uint16" => u16::MAX.to_string(),
            "uint32" => u32::MAX.to_string(),
            "uint64" | "uint" => u64::MAX.to_string(),
            _ => return None,
        })
    });
    match (least, most, schema.get("exclusiveMinimum").map(show)) {
        (_, Some(most), Some(floor)) => format!("{noun} above {floor}, at most {most}"),
        (_, None, Some(floor)) => format!("{noun} above {floor}"),
        (Some(least), Some(most), _) => format!("{noun} from {least} to {most}"),
        (Some(least), None, _) => format!("{noun}, {least} or more"),
        (None, Some(most), _) => format!("{noun}, at most {most}"),
        (None, None, _) => noun.to_owned(),
    }
}

/// The first sentence of a schema's documentation.
fn summary(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?.replace('\n', " ");
    Some(text.split_inclusive(". ").next().unwrap_or(&text).trim_end().to_owned())
}

fn help_of(schema: &Value) -> String {
    summary(schema).unwrap_or_else(|| format!("write {}", describe(schema)))
}
