//! What the trace readers share: choosing the format, walking the lines, and turning a line that does not parse
//! into a finding that names the field.

use super::data::TraceData;
use super::error::{TraceErrors, TraceFinding};
use super::open_file::{LineError, Lines, MAX_LINE_BYTES};
use super::{mooncake, native};
use crate::time::MAX_TIME;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::Path;

/// The format of a trace file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// Native if the first line has `regionsim_trace`, else Mooncake.
    #[default]
    Auto,
    /// Mooncake JSONL.
    Mooncake,
    /// regionsim's own JSONL.
    Native,
}

/// How a trace file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format.
    pub format: TraceFormat,
    /// Tokens of one of the file's blocks, for formats that do not say (Mooncake; default 512).
    pub trace_block_tokens: Option<u32>,
}

/// Reads a trace file: JSON lines, plain, gzip or zstd.
pub fn read_trace(path: &Path, options: &ReadOptions) -> Result<TraceData, TraceErrors> {
    let lines = Lines::open(path).map_err(|error| {
        let next = "Give the path of a trace file, from where regionsim runs";
        TraceErrors::one(path, TraceFinding::new(0, "file", error, "it must be a readable file", next))
    })?;
    read_lines(lines, path, options)
}

/// Reads a trace from lines; `path` is for its name alone.
pub fn read_lines(mut lines: Lines, path: &Path, options: &ReadOptions) -> Result<TraceData, TraceErrors> {
    match lines.advance() {
        Err(error) => return Err(TraceErrors::one(path, line_finding(&lines, &error))),
        Ok(false) => return Err(TraceErrors::one(path, nothing("empty"))),
        Ok(true) => {}
    }
    let first: Option<Value> = serde_json::from_slice(lines.line()).ok();
    if first.as_ref().is_none_or(|value| !value.is_object()) {
        let shown = String::from_utf8_lossy(lines.line()).into_owned();
        let (rule, next) = (
            "every line must be a JSON object",
            "Check that it is a trace in JSON lines: CSV and other formats are not read",
        );
        return Err(TraceErrors::one(path, TraceFinding::new(lines.number(), "line", shown, rule, next)));
    }
    let is_native = first.is_some_and(|value| value.get(native::MARK).is_some());
    let mut errors = TraceErrors::new(path);
    let mut data = match (options.format, is_native) {
        (TraceFormat::Native, _) | (TraceFormat::Auto, true) => {
            native::read(&mut lines, options, &mut errors)
        }
        (TraceFormat::Mooncake, _) | (TraceFormat::Auto, false) => {
            mooncake::read(&mut lines, options, &mut errors)
        }
    };
    data.path = path.display().to_string();
    if errors.is_empty() && data.rows.is_empty() {
        errors.push(nothing("a header without rows"));
    }
    if errors.is_empty() { Ok(data) } else { Err(errors) }
}

fn nothing(what: &str) -> TraceFinding {
    TraceFinding::new(0, "file", what, "a trace must have at least one request", "Check how it was written")
}

fn line_finding(lines: &Lines, error: &LineError) -> TraceFinding {
    match error {
        LineError::TooLong => TraceFinding::new(
            lines.number(),
            "line",
            format!("longer than {} MiB", MAX_LINE_BYTES >> 20),
            "one request must stand on one line",
            "Write the trace as JSON lines, not as one array",
        ),
        LineError::Io(error) => TraceFinding::new(
            lines.number() + 1,
            "file",
            format!("unreadable from here on ({error})"),
            format!("it must be whole ({} by its first bytes)", lines.compression()),
            "Fetch or compress it again: it may have been cut off",
        ),
    }
}

/// Calls `row` for the current line and all that follow.
pub(super) fn each_line(
    lines: &mut Lines,
    errors: &mut TraceErrors,
    mut row: impl FnMut(u64, &[u8]) -> Result<(), TraceFinding>,
) {
    loop {
        if let Err(finding) = row(lines.number(), lines.line()) {
            errors.push(finding);
        }
        match lines.advance() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return errors.push(line_finding(lines, &error)),
        }
    }
}

/// A field a format knows.
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// What stands in a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// An integer from 0 to this.
    Integer(u64),
    Text,
    /// `true` or `false`.
    Flag,
    /// A list of integers.
    Ids,
    /// A list of `[key, start, length]`.
    Runs,
    /// Anything: the field is known and not used.
    Any,
}

fn integer(value: &Value, max: u64) -> Option<String> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|n| n <= max) => None,
        _ => Some(format!("must be an integer from 0 to {max}, without quotes, point or exponent")),
    }
}

fn wrong(value: &Value, kind: Kind) -> Option<String> {
    match kind {
        Kind::Any => None,
        Kind::Integer(max) => integer(value, max),
        Kind::Flag if value.is_boolean() => None,
        Kind::Flag => Some("must be true or false".to_owned()),
        Kind::Text if value.is_string() => None,
        Kind::Text => Some("must be a name in quotes".to_owned()),
        Kind::Ids => match value.as_array() {
            None => Some("must be a list of integers".to_owned()),
            Some(ids) => ids.iter().enumerate().find_map(|(index, id)| {
                integer(id, u64::MAX).map(|rule| format!("entry {index} is {id}: it {rule}"))
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
    let Some(object) = object.as_object() else {
        let next = "Correct or drop the line";
        return TraceFinding::new(number, "line", object, "every line must be a JSON object", next);
    };
    let known = || fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
    for field in fields {
        match object.get(field.name) {
            None | Some(Value::Null) if field.required => {
                let rule = "every request must have it";
                return TraceFinding::new(
                    number,
                    field.name,
                    "absent",
                    rule,
                    format!("Known fields: {}", known()),
                );
            }
            None | Some(Value::Null) => {}
            Some(value) => {
                if let Some(rule) = wrong(value, field.kind) {
                    return TraceFinding::new(number, field.name, value, rule, "Correct or drop the line");
                }
            }
        }
    }
    if strict && let Some(name) = object.keys().find(|name| fields.iter().all(|field| field.name != *name)) {
        let next = format!("Known fields: {}", known());
        return TraceFinding::new(
            number,
            name,
            "unknown",
            "only known fields may stand in a native trace",
            next,
        );
    }
    let reason = without_line(error);
    TraceFinding::new(number, "line", reason, "every field must stand once, in its own form", "Correct it")
}

/// serde_json's message speaks of line 1 always: each line is a document of its own.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    format!("{message}, column {}", error.column())
}

/// A length in tokens, or why not.
pub(super) fn tokens(number: u64, field: &str, value: u64) -> Result<u32, TraceFinding> {
    use super::data::MAX_TOKENS;
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
        _ => Err(TraceFinding::new(
            number,
            field,
            value,
            format!("must be at most {} (200 days) after the start", MAX_TIME.0 / unit_ns),
            "Count time from the trace's own start, in the format's unit, not from 1970",
        )),
    }
}

/// Holds every block id to one parent: equal ids must mean equal whole prefixes.
#[derive(Default)]
pub(super) struct ChainCheck {
    /// Per id, its parent and where it was first seen.
    parents: FxHashMap<u64, (Option<u64>, u64)>,
}

impl ChainCheck {
    pub(super) fn check(&mut self, number: u64, field: &str, ids: &[u64]) -> Result<(), TraceFinding> {
        let mut parent = None;
        for &id in ids {
            let (known, line) = *self.parents.entry(id).or_insert((parent, number));
            if known != parent {
                let name = |id: Option<u64>| id.map_or("the start".to_owned(), |id| id.to_string());
                let value = format!("{id} after {}, but after {} in line {line}", name(parent), name(known));
                return Err(TraceFinding::new(
                    number,
                    field,
                    value,
                    "ids must be prefix-chain ids: equal ids mean equal whole prefixes",
                    "Give each block an id that is made of its parent's id and its content",
                ));
            }
            parent = Some(id);
        }
        Ok(())
    }
}

/// How many ids a prompt needs, said so that a wrong block size is found.
pub(super) fn coverage(
    number: u64,
    field: &str,
    input: u32,
    ids: usize,
    block: u32,
    next: &str,
) -> TraceFinding {
    let fits: Vec<String> = [16u32, 32, 64, 128, 256, 512, 1024]
        .into_iter()
        .filter(|&size| size != block && input.div_ceil(size) as usize == ids)
        .map(|size| size.to_string())
        .collect();
    let hint =
        if fits.is_empty() { String::new() } else { format!("; it fits blocks of {}", fits.join(" or ")) };
    let rule = format!(
        "a prompt of {input} tokens in blocks of {block} has {} (a wrong block size silently shrinks or grows every \
         prompt{hint})",
        input.div_ceil(block)
    );
    TraceFinding::new(number, field, format!("{ids} ids"), rule, next)
}
