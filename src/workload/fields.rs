//! What the trace readers share for single values: which fields a line may have, and turning a line that does not
//! parse into a finding that names the field. Knows JSON values and ranges; must not know any format.

use super::data::MAX_TOKENS;
use super::error::TraceFinding;
use crate::time::MAX_TIME;
use serde_json::Value;

/// A field a format knows.
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

impl Field {
    pub(super) const fn must(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, required: true }
    }
    pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, required: false }
    }
}

/// What stands in a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// An integer from 0 to this.
    Integer(u64),
    /// Any integer.
    Signed,
    /// A number from 0 on, with or without decimals.
    Number,
    Text,
    /// `true` or `false`.
    Flag,
    /// A name or an integer.
    Name,
    /// A list of names in quotes.
    Texts,
    /// A list of integers.
    Ids,
    /// A list of numbers from 0 on.
    Numbers,
    /// A list of `[key, start, length]`.
    Runs,
    /// Anything: the field is known and not used.
    Any,
}

fn integer(value: &Value, max: u64) -> Option<String> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|n| n <= max) => None,
        Value::Number(number) if number.as_i64().is_some_and(|n| n < 0) => {
            Some("must not be negative".to_owned())
        }
        _ if max == u64::MAX => Some("must be an integer, without quotes, point or exponent".to_owned()),
        _ => Some(format!("must be an integer from 0 to {max}, without quotes, point or exponent")),
    }
}

fn wrong(value: &Value, kind: Kind) -> Option<String> {
    match kind {
        Kind::Any => None,
        Kind::Integer(max) => integer(value, max),
        Kind::Signed if value.as_i64().is_some() => None,
        Kind::Signed => Some("must be an integer, without quotes, point or exponent".to_owned()),
        Kind::Number => match value.as_f64() {
            Some(number) if number >= 0.0 => None,
            Some(_) => Some("must not be negative".to_owned()),
            None => Some("must be a number, without quotes".to_owned()),
        },
        Kind::Text if value.is_string() => None,
        Kind::Text => Some("must be a name in quotes".to_owned()),
        Kind::Flag if value.is_boolean() => None,
        Kind::Flag => Some("must be true or false".to_owned()),
        Kind::Name if value.is_string() || value.as_i64().is_some() || value.as_u64().is_some() => None,
        Kind::Name => Some("must be a name in quotes or an integer".to_owned()),
        Kind::Texts => match value.as_array() {
            Some(list) if list.iter().all(Value::is_string) => None,
            _ => Some("must be a list of names in quotes".to_owned()),
        },
        Kind::Ids => match value.as_array() {
            None => Some("must be a list of integers".to_owned()),
            Some(ids) => ids.iter().enumerate().find_map(|(index, id)| {
                integer(id, u64::MAX).map(|rule| format!("entry {index} is {id}: it {rule}"))
            }),
        },
        Kind::Numbers => match value.as_array() {
            None => Some("must be a list of numbers".to_owned()),
            Some(list) => list.iter().enumerate().find_map(|(index, entry)| {
                wrong(entry, Kind::Number).map(|rule| format!("entry {index} is {entry}: it {rule}"))
            }),
        },
        Kind::Runs => {
            let sound = |run: &Value| {
                run.as_array().is_some_and(|run| {
                    run.len() == 3
                        && integer(&run[0], u64::MAX).is_none()
                        && run[1..].iter().all(|part| integer(part, u32::MAX as u64).is_none())
                })
            };
            match value.as_array() {
                Some(runs) if runs.iter().all(sound) => None,
                _ => Some("must be a list of [key, start, length], all integers".to_owned()),
            }
        }
    }
}

/// Why a line did not parse, by looking at it field by field. Only for lines that failed: it is slow.
pub(super) fn diagnose(
    number: u64,
    line: &[u8],
    fields: &[Field],
    strict: bool,
    error: &serde_json::Error,
) -> TraceFinding {
    let Ok(object) = serde_json::from_slice::<Value>(line) else {
        let reason = format!("not valid JSON ({})", without_line(error));
        let next = "Correct or drop the line";
        return TraceFinding::new(number, "line", reason, "every line must be a JSON object", next);
    };
    if let Some(finding) = look(number, "", &object, fields, strict) {
        return finding;
    }
    let reason = without_line(error);
    TraceFinding::new(number, "line", reason, "every field must stand once, in its own form", "Correct it")
}

/// The first thing that is wrong with the object `value`, whose place within the line is `path`.
pub(super) fn look(
    number: u64,
    path: &str,
    value: &Value,
    fields: &[Field],
    strict: bool,
) -> Option<TraceFinding> {
    let next = "Correct or drop the line";
    let Some(object) = value.as_object() else {
        let (field, rule) = match path {
            "" => ("line", "every line must be a JSON object"),
            path => (path.trim_end_matches('.'), "it must be a JSON object"),
        };
        return Some(TraceFinding::new(number, field, value, rule, next));
    };
    let known = || fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
    for field in fields {
        let name = format!("{path}{}", field.name);
        match object.get(field.name) {
            None | Some(Value::Null) if field.required => {
                let rule = "every request must have it";
                let next = format!("Known fields: {}", known());
                return Some(TraceFinding::new(number, &name, "absent", rule, next));
            }
            None | Some(Value::Null) => {}
            Some(value) => {
                if let Some(rule) = wrong(value, field.kind) {
                    return Some(TraceFinding::new(number, &name, value, rule, next));
                }
            }
        }
    }
    if strict && let Some(name) = object.keys().find(|name| fields.iter().all(|field| field.name != *name)) {
        let (rule, next) =
            ("only known fields may stand in a native trace", format!("Known fields: {}", known()));
        return Some(TraceFinding::new(number, name, "unknown", rule, next));
    }
    None
}

/// serde_json's message speaks of line 1 always: each line is a document of its own.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    format!("{message}, column {}", error.column())
}

/// A length in tokens, or why not.
pub(super) fn tokens(number: u64, field: &str, value: u64) -> Result<u32, TraceFinding> {
    if (1..=MAX_TOKENS).contains(&value) {
        return Ok(value as u32);
    }
    let next = match value {
        0 => "Drop requests that failed where the trace was recorded, or count their first token",
        _ => "Check the unit",
    };
    Err(TraceFinding::new(number, field, value, format!("must lie in 1..={MAX_TOKENS} tokens"), next))
}

/// A time in nanoseconds from a count of units, or why not.
pub(super) fn nanoseconds(number: u64, field: &str, value: u64, unit_ns: u64) -> Result<u64, TraceFinding> {
    match value.checked_mul(unit_ns) {
        Some(ns) if ns <= MAX_TIME.0 => Ok(ns),
        _ => Err(too_late(number, field, &value.to_string(), unit_ns)),
    }
}

/// A time in nanoseconds from a number of units that may have decimals, rounded to the nearest, or why not.
pub(super) fn decimal_ns(number: u64, field: &str, value: f64, unit_ns: u64) -> Result<u64, TraceFinding> {
    let ns = (value * unit_ns as f64).round();
    if ns >= 0.0 && ns <= MAX_TIME.0 as f64 {
        return Ok(ns as u64);
    }
    if ns < 0.0 {
        let next = "Count time forwards, from the trace's own start";
        return Err(TraceFinding::new(number, field, value, "must not be negative", next));
    }
    Err(too_late(number, field, &value.to_string(), unit_ns))
}

fn too_late(number: u64, field: &str, value: &str, unit_ns: u64) -> TraceFinding {
    TraceFinding::new(
        number,
        field,
        value,
        format!("must be at most {} (200 days) after the start", MAX_TIME.0 / unit_ns),
        "Count time from the trace's own start, in the format's unit, not from 1970",
    )
}

/// A time in nanoseconds from milliseconds, whole or with decimals, or why not.
pub(super) fn milliseconds(number: u64, field: &str, value: f64) -> Result<u64, TraceFinding> {
    // Whole numbers are exact.
    if (0.0..9e15).contains(&value) && value.fract() == 0.0 {
        return nanoseconds(number, field, value as u64, 1_000_000);
    }
    decimal_ns(number, field, value, 1_000_000)
}
