//! Reader of your own telemetry: CSV (comma, semicolon or tab) or JSON lines, by a mapping of columns. A JSON column
//! may be a path, as `usage.prompt_tokens`. Time may be a date (RFC 3339, or without a zone) or a number of seconds,
//! milliseconds, microseconds or nanoseconds, from 1970 or from the trace's start.

use super::{Beginning, Reader};
use crate::workload::clock::UtcStart;
use crate::workload::columns::{KEYS, TimeUnit, usual};
use crate::workload::data::TraceData;
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{decimal_ns, tokens};
use crate::workload::names::Numbers;
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::recorded::{Recorded, finish, name};
use crate::workload::table::Table;
use serde_json::Value;
use std::borrow::Cow;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Telemetry,
    name: "telemetry",
    about: "your own CSV or JSON lines, by a mapping of columns",
    looks_for: "CSV or JSON lines whose columns are mapped, or named as time, input_tokens and output_tokens usually are",
    page: "docs/formats/telemetry.md",
    detect: |begin: &Beginning| {
        let known = |name: &str| match &begin.keys {
            Some(keys) => keys.iter().any(|key| key.eq_ignore_ascii_case(name)),
            None => begin.columns.iter().any(|column| column == name),
        };
        begin.mapped
            || ["time", "input", "output"].iter().all(|key| usual(key).iter().any(|name| known(name)))
    },
    read,
};

/// What a table of lengths must have.
const NEEDED: [&str; 3] = ["time", "input", "output"];

/// Where each of [`KEYS`] is found.
pub(in crate::workload) struct Mapping {
    /// The column's name as it is written, and its place in a table.
    columns: [Option<(String, usize)>; KEYS.len()],
}

/// One line's values.
pub(in crate::workload) enum Values<'a> {
    Table(&'a Table),
    Object(Value),
}

impl Values<'_> {
    /// What stands in a column; empty where nothing does.
    fn text(&self, column: &(String, usize)) -> Cow<'_, str> {
        match self {
            Values::Table(table) => Cow::Borrowed(table.text(column.1)),
            Values::Object(object) => match at_path(object, &column.0) {
                None | Some(Value::Null) => Cow::Borrowed(""),
                Some(Value::String(text)) => Cow::Borrowed(text.trim()),
                Some(other) => Cow::Owned(other.to_string()),
            },
        }
    }
}

/// A key of the object, or a path of keys with points.
pub(in crate::workload) fn at_path<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    object.get(path).or_else(|| path.split('.').try_fold(object, |value, key| value.get(key)))
}

impl Mapping {
    /// Finds the columns; what is missing is a finding each.
    pub(in crate::workload) fn find(
        options: &ReadOptions,
        needed: &[&str],
        known: &str,
        number: u64,
        place: impl Fn(&str) -> Option<(String, usize)>,
        errors: &mut TraceErrors,
    ) -> Option<Mapping> {
        let mut columns: [Option<(String, usize)>; KEYS.len()] = Default::default();
        let mut whole = true;
        for (slot, key) in columns.iter_mut().zip(KEYS) {
            if let Some(column) = options.columns.get(key) {
                *slot = place(column);
                if slot.is_none() {
                    whole = false;
                    let (value, rule) = (format!("\"{column}\""), format!("the first line has {known}"));
                    let next = "Correct the mapping";
                    errors.push(TraceFinding::new(number, &format!("columns.{key}"), value, rule, next));
                }
                continue;
            }
            *slot = usual(key).iter().find_map(|name| place(name));
            if slot.is_none() && needed.contains(&key) {
                whole = false;
                let rule = format!("telemetry needs it, and the first line has {known}");
                let next = format!("Map it: `columns = {{ {key} = \"…\" }}`");
                errors.push(TraceFinding::new(number, &format!("columns.{key}"), "absent", rule, next));
            }
        }
        whole.then_some(Mapping { columns })
    }
    fn column(&self, key: &str) -> Option<&(String, usize)> {
        KEYS.iter().position(|known| *known == key).and_then(|index| self.columns[index].as_ref())
    }
}

/// A decimal number of units as nanoseconds, exact to the nanosecond; `None` where it is no such number.
fn exact_ns(text: &str, unit_ns: u64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        let ns = value * unit_ns as f64;
        return (ns.abs() < 9.2e18).then_some(ns.round() as i64);
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(unit_ns as i64)?;
    let kept = &fraction[..fraction.len().min(18)];
    let part = match kept {
        "" => 0,
        kept => kept.parse::<i128>().ok()? * unit_ns as i128 / 10i128.pow(kept.len() as u32),
    };
    whole.checked_add(part as i64)
}

/// How times are read: the unit that was told, or the one found in the first line.
#[derive(Default)]
pub(in crate::workload) struct Clock {
    unit: Option<TimeUnit>,
    guessed: bool,
    pub naive: bool,
}

impl Clock {
    pub(in crate::workload) fn new(unit: Option<TimeUnit>) -> Clock {
        Clock { unit, ..Clock::default() }
    }
    fn read(&mut self, number: u64, column: &str, text: &str) -> Result<i64, TraceFinding> {
        let unit = *self.unit.get_or_insert_with(|| {
            let value: Option<f64> = text.parse().ok();
            self.guessed = value.is_some() && TimeUnit::of_name(column).is_none();
            match (TimeUnit::of_name(column), value) {
                (_, None) => TimeUnit::Rfc3339,
                (Some(unit), _) => unit,
                // Seconds since 1970 have ten digits before the point until the year 2286.
                (None, Some(value)) if value < 1e11 => TimeUnit::Seconds,
                (None, Some(value)) if value < 1e14 => TimeUnit::Millis,
                (None, Some(value)) if value < 1e17 => TimeUnit::Micros,
                (None, Some(_)) => TimeUnit::Nanos,
            }
        });
        let value = || if text.is_empty() { "absent".to_owned() } else { format!("\"{text}\"") };
        if unit == TimeUnit::Rfc3339 {
            let Some(at) = UtcStart::parse(text) else {
                let rule = "must be a date and time, as 2024-05-10T09:30:00.25Z, or a number";
                let next = "Correct or drop the line, or say `time_unit`";
                return Err(TraceFinding::new(number, column, value(), rule, next));
            };
            self.naive |= at.naive;
            return Ok(at.unix_ns);
        }
        match exact_ns(text, unit.ns()) {
            Some(ns) if ns >= 0 => Ok(ns),
            Some(_) => Err(TraceFinding::new(
                number,
                column,
                value(),
                "must not be negative",
                "Correct or drop the line",
            )),
            None => {
                let rule = "must be a number that nanoseconds can count";
                Err(TraceFinding::new(number, column, value(), rule, "Correct the line, or say `time_unit`"))
            }
        }
    }
    pub(in crate::workload) fn notice(&self) -> Option<String> {
        let unit = match self.unit.filter(|_| self.guessed)? {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Millis => "milliseconds",
            TimeUnit::Micros => "microseconds",
            _ => "nanoseconds",
        };
        Some(format!("times are read as {unit} by their size (set time_unit for another)"))
    }
}

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "telemetry", ..TraceData::default() };
    let header = lines.number();
    let mut table = (lines.line().first() != Some(&b'{')).then(|| Table::header(lines));
    let mapping = match &table {
        Some(table) => {
            let place = |name: &str| table.find(name).map(|index| (name.to_owned(), index));
            Mapping::find(options, &NEEDED, &table.names().join(", "), header, place, errors)
        }
        None => {
            let Ok(Value::Object(object)) = serde_json::from_slice(lines.line()) else {
                let rule = "every line must be a JSON object";
                let shown = String::from_utf8_lossy(lines.line());
                errors.push(TraceFinding::new(header, "line", shown, rule, "Correct or drop the line"));
                return data;
            };
            let known: Vec<&str> = object.keys().map(String::as_str).collect();
            let known = known.join(", ");
            let first = Value::Object(object.clone());
            let place = |name: &str| at_path(&first, name).map(|_| (name.to_owned(), 0));
            Mapping::find(options, &NEEDED, &known, header, place, errors)
        }
    };
    let Some(mapping) = mapping else { return data };
    let mut clock = Clock::new(options.time_unit);
    let mut people = People::default();
    let (mut recorded, mut failed) = (Vec::new(), 0u64);
    each_line(lines, options, errors, |number, text| {
        let values = match &mut table {
            Some(_) if number == header => return Ok(()),
            Some(table) => {
                table.split(number, text)?;
                Values::Table(table)
            }
            None => match serde_json::from_slice(text) {
                Ok(value @ Value::Object(_)) => Values::Object(value),
                _ => {
                    let (shown, rule) = (String::from_utf8_lossy(text), "every line must be a JSON object");
                    return Err(TraceFinding::new(number, "line", shown, rule, "Correct or drop the line"));
                }
            },
        };
        let row = row(number, &mapping, &values, &mut clock, &mut people, &mut data, Known::default())?;
        match row {
            Some(row) => recorded.push(row),
            None => failed += 1,
        }
        Ok(())
    });
    data.notices.extend(clock.notice());
    finish(recorded, clock.naive, failed, &mut data, options, errors);
    data
}

/// Sessions and tenants by number.
#[derive(Default)]
pub(in crate::workload) struct People {
    sessions: Numbers,
    tenants: Numbers,
}

/// Lengths that are known otherwise than by a column.
#[derive(Clone, Copy, Default)]
pub(in crate::workload) struct Known {
    pub input: Option<u64>,
    pub output: Option<u64>,
}

/// One request, or `None` where it failed.
pub(in crate::workload) fn row(
    number: u64,
    mapping: &Mapping,
    values: &Values<'_>,
    clock: &mut Clock,
    people: &mut People,
    data: &mut TraceData,
    known: Known,
) -> Result<Option<Recorded>, TraceFinding> {
    let text = |key: &str| mapping.column(key).map_or(Cow::Borrowed(""), |column| values.text(column));
    let called = |key: &str| mapping.column(key).map_or("", |column| column.0.as_str());
    let count = |key: &str| {
        let text = text(key);
        // Tables of numbers write integers as 12.0.
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
            _ => text.as_ref(),
        };
        whole.parse::<u64>().map_err(|_| {
            let value = if text.is_empty() { "absent".to_owned() } else { format!("\"{text}\"") };
            let rule = "must be an integer from 0 on";
            TraceFinding::new(number, called(key), value, rule, "Correct or drop the line")
        })
    };
    let at_ns = clock.read(number, called("time"), &text("time"))?;
    let output = match known.output {
        Some(output) => output,
        None if text("output").is_empty() => 0,
        None => count("output")?,
    };
    if output == 0 {
        return Ok(None);
    }
    let input = tokens(number, called("input"), known.input.map_or_else(|| count("input"), Ok)?)?;
    let output = tokens(number, called("output"), output)?;
    let lasted = |key: &str| {
        let text = text(key);
        if text.is_empty() {
            return Ok(None);
        }
        let unit = TimeUnit::of_name(called(key)).unwrap_or(TimeUnit::Millis);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => decimal_ns(number, called(key), value, unit.ns()).map(Some),
            _ => {
                let (value, rule) = (format!("\"{text}\""), "must be a number from 0 on");
                Err(TraceFinding::new(
                    number,
                    called(key),
                    value,
                    rule,
                    "Leave it empty where nothing was measured",
                ))
            }
        }
    };
    let priority = match text("priority") {
        text if text.is_empty() => None,
        text => Some(text.parse::<u8>().map_err(|_| {
            let (value, rule) = (format!("\"{text}\""), "must be an integer from 0 to 255");
            TraceFinding::new(number, called("priority"), value, rule, "Map `class` for what is a name")
        })?),
    };
    let numbered = |numbers: &mut Numbers, text: &str| if text.is_empty() { 0 } else { numbers.number(text) };
    let (ttft_ns, e2e_ns) = (lasted("ttft")?, lasted("e2e")?);
    let tenant = numbered(&mut people.tenants, &text("tenant"));
    Ok(Some(Recorded {
        line: number,
        at_ns,
        input,
        output,
        session: numbered(&mut people.sessions, &text("session")),
        tenant: u32::try_from(tenant).unwrap_or(u32::MAX),
        origin: name(number, called("origin"), 0, data, &text("origin"))?,
        class: name(number, called("class"), 1, data, &text("class"))?,
        data_class: name(number, called("data_class"), 2, data, &text("data_class"))?,
        priority,
        ttft_ns,
        e2e_ns,
        ids: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_to_the_nanosecond() {
        assert_eq!(exact_ns("1700000000.123456789", 1_000_000_000), Some(1_700_000_000_123_456_789));
        assert_eq!(exact_ns("12.5", 1_000_000), Some(12_500_000));
        assert_eq!(exact_ns("7", 1), Some(7));
        assert_eq!(exact_ns("1e3", 1_000), Some(1_000_000));
        assert_eq!(exact_ns("-1.5", 1_000), Some(-1_500));
        for text in ["", ".", "x", "1.2.3", "nan", "1e300", "99999999999999999999"] {
            assert_eq!(exact_ns(text, 1_000_000_000), None, "{text}");
        }
    }
}
