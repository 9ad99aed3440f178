//! Choosing a trace's reader. Knows how files begin; must not know what lines mean.

use super::data::TraceData;
use super::each_line::line_finding;
use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use super::options::{ReadOptions, TraceFormat};
use super::readers::{Beginning, READERS, Reader};
use super::table::Separator;
use std::path::Path;

/// Reads a trace file, plain, gzip or zstd.
pub fn read_trace(path: &Path, options: &ReadOptions) -> Result<TraceData, TraceErrors> {
    let lines = Lines::open(path).map_err(|error| {
        let next = "Give the path of a trace file, from where regionsim runs";
        TraceErrors::one(path, TraceFinding::new(0, "file", error, "it must be a readable file", next))
    })?;
    read_lines(lines, path, options)
}

/// Reads a trace from lines; `path` is for its name alone.
pub fn read_lines(mut lines: Lines, path: &Path, options: &ReadOptions) -> Result<TraceData, TraceErrors> {
    read_from(&mut lines, path, options)
}

/// The same from lines that are looked at afterwards.
pub(super) fn read_from(
    lines: &mut Lines,
    path: &Path,
    options: &ReadOptions,
) -> Result<TraceData, TraceErrors> {
    match lines.advance() {
        Err(error) => return Err(TraceErrors::one(path, line_finding(lines, &error))),
        Ok(false) => return Err(TraceErrors::one(path, nothing("empty"))),
        Ok(true) => {}
    }
    let begin = match beginning(lines, options) {
        Ok(begin) => begin,
        Err(finding) if options.format == TraceFormat::Auto => return Err(TraceErrors::one(path, finding)),
        // The format is known, so this is a bad line like others.
        Err(_) => Beginning::default(),
    };
    let reader = match options.format {
        TraceFormat::Auto => READERS.iter().find(|reader| (reader.detect)(&begin)),
        format => READERS.iter().find(|reader| reader.format == format),
    };
    let Some(reader) = reader else { return Err(TraceErrors::one(path, unknown(lines, &begin))) };
    let mut errors = TraceErrors::new(path);
    if options.trace_block_tokens == Some(0) {
        let next = "Leave it out for the format's own";
        errors.push(TraceFinding::new(0, "block_tokens", 0, "must be at least 1", next));
        return Err(errors);
    }
    let mut data = (reader.read)(lines, options, &mut errors);
    data.path = path.display().to_string();
    if let Some(scope) = &options.id_scope {
        data.id_scope.clone_from(scope);
    }
    if errors.is_empty() && data.rows.is_empty() {
        let skipped = std::mem::take(&mut errors.skipped);
        match skipped.1.into_iter().next() {
            Some(first) => errors.push(first),
            None => errors.push(nothing("a header without rows")),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    data.notices.extend(errors.skipped_notice());
    Ok(data)
}

/// Looks at the first line. A JSON object over several lines becomes one line.
fn beginning(lines: &mut Lines, options: &ReadOptions) -> Result<Beginning, TraceFinding> {
    let mapped = !options.columns.is_empty();
    if !matches!(lines.line().first(), Some(b'{' | b'[')) {
        let columns = Separator::of(lines.line()).names(lines.line());
        return Ok(Beginning { keys: None, columns, mapped });
    }
    let mut keys = serde_json::from_slice::<Keys>(lines.line());
    // Only these write one document over several lines.
    let document = matches!(options.format, TraceFormat::Auto | TraceFormat::Otlp | TraceFormat::VllmBench);
    let cut = keys.as_ref().is_err_and(serde_json::Error::is_eof);
    if document && cut && lines.line().first() == Some(&b'{') {
        let whole = lines.gather().map_err(|error| line_finding(lines, &error))?;
        if whole {
            keys = serde_json::from_slice(lines.line());
        }
    }
    let Ok(Keys(keys)) = keys else {
        let shown = String::from_utf8_lossy(lines.line()).into_owned();
        let rule = "every line must be a JSON object";
        return Err(TraceFinding::new(lines.number(), "line", shown, rule, "Correct or drop the line"));
    };
    Ok(Beginning { keys: Some(keys), columns: Vec::new(), mapped })
}

/// The keys of an object.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Keys;
            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Visitor)
    }
}

fn nothing(what: &str) -> TraceFinding {
    TraceFinding::new(0, "file", what, "a trace must have at least one request", "Check how it was written")
}

fn unknown(lines: &Lines, begin: &Beginning) -> TraceFinding {
    let shown = match &begin.keys {
        Some(keys) => format!("a JSON object with {}", keys.join(", ")),
        None => String::from_utf8_lossy(lines.line()).into_owned(),
    };
    let looked_for = |reader: &Reader| format!("{} ({})", reader.looks_for, reader.name);
    let kinds: Vec<String> = READERS.iter().map(looked_for).collect();
    TraceFinding::new(
        lines.number(),
        "line",
        shown,
        format!("a trace begins with one of: {}", kinds.join("; ")),
        "Name its `format`, or map its `columns`",
    )
}
