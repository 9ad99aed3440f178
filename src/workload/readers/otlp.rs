//! Reader of OpenTelemetry GenAI spans as OTLP JSON: one export request a line, as the collector's file exporter
//! writes, or one document. Names of attributes: the GenAI semantic conventions (open-telemetry, status Development,
//! schema 1.42), their predecessors up to 1.26 (`prompt_tokens`, `completion_tokens`) and those of vLLM's own tracing
//! (`gen_ai.latency.*`). Spans without token counts (tools, agents, HTTP) are passed over.

use super::{Beginning, Reader};
use crate::time::MAX_TIME;
use crate::workload::data::TraceData;
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, decimal_ns, diagnose, tokens};
use crate::workload::names::Numbers;
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::recorded::{Recorded, finish, name};
use serde::Deserialize;
use std::borrow::Cow;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Otlp,
    name: "otlp",
    about: "OpenTelemetry GenAI spans as OTLP JSON",
    looks_for: "OTLP JSON with `resourceSpans`",
    page: "docs/formats/otlp.md",
    detect: |begin: &Beginning| begin.has(&["resourceSpans"]),
    read,
};

const INPUT: [&str; 2] = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
const OUTPUT: [&str; 2] = ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"];
const SESSION: [&str; 2] = ["gen_ai.conversation.id", "session.id"];
/// Seconds to the first token or chunk.
const TTFT: [&str; 2] = ["gen_ai.response.time_to_first_chunk", "gen_ai.latency.time_to_first_token"];
/// Seconds to the end, where the span's own ends elsewhere.
const E2E: [&str; 1] = ["gen_ai.latency.e2e"];
const OPERATION: &str = "gen_ai.operation.name";
/// Operations of a model; spans of agents add up what their calls used and would count it twice.
const CALLS: [&str; 4] = ["chat", "text_completion", "generate_content", "completion"];

#[derive(Deserialize)]
struct Export<'a> {
    #[serde(borrow, rename = "resourceSpans")]
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Deserialize)]
struct ResourceSpans<'a> {
    #[serde(borrow, default)]
    resource: Resource<'a>,
    #[serde(borrow, default, rename = "scopeSpans", alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans<'a>>,
}

#[derive(Default, Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow, default)]
    spans: Vec<Span<'a>>,
}

#[derive(Deserialize)]
struct Span<'a> {
    #[serde(borrow, default, rename = "startTimeUnixNano")]
    start: Option<Text<'a>>,
    #[serde(borrow, default, rename = "endTimeUnixNano")]
    end: Option<Text<'a>>,
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'a>>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<AnyValue<'a>>,
}

#[derive(Default, Deserialize)]
struct AnyValue<'a> {
    #[serde(borrow, default, rename = "stringValue")]
    string: Option<Text<'a>>,
    #[serde(borrow, default, rename = "intValue")]
    int: Option<Text<'a>>,
    #[serde(borrow, default, rename = "doubleValue")]
    double: Option<Text<'a>>,
}

/// A string or a number, as text: OTLP writes 64-bit integers as strings, some exporters as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Words(#[serde(borrow)] Cow<'a, str>),
    Integer(i64),
    Large(u64),
    Double(f64),
}

impl Text<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Text::Words(text) => Cow::Borrowed(text.as_ref()),
            Text::Integer(number) => Cow::Owned(number.to_string()),
            Text::Large(number) => Cow::Owned(number.to_string()),
            Text::Double(number) => Cow::Owned(number.to_string()),
        }
    }
}

const FIELDS: [Field; 1] = [Field::must("resourceSpans", Kind::Any)];

/// The first of `keys` among a span's attributes, then its resource's.
fn find<'a>(
    span: &'a [Attribute<'_>],
    resource: &'a [Attribute<'_>],
    keys: &[&'a str],
) -> Option<(&'a str, Cow<'a, str>)> {
    keys.iter().find_map(|key| {
        let attribute = span.iter().chain(resource).find(|attribute| attribute.key == *key)?;
        let value = attribute.value.as_ref()?;
        let text = value.int.as_ref().or(value.double.as_ref()).or(value.string.as_ref())?;
        Some((*key, text.text()))
    })
}

/// What is read so far.
#[derive(Default)]
struct State {
    sessions: Numbers,
    tenants: Numbers,
    recorded: Vec<Recorded>,
    failed: u64,
    passed_over: u64,
}

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "otlp", ..TraceData::default() };
    let mut state = State::default();
    each_line(lines, options, errors, |number, text| {
        let export: Export<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        // A line is taken whole or not at all.
        let (rows, failed, passed) = (state.recorded.len(), state.failed, state.passed_over);
        for resource in &export.resource_spans {
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                if let Err(finding) =
                    state.take(number, span, &resource.resource.attributes, options, &mut data)
                {
                    state.recorded.truncate(rows);
                    (state.failed, state.passed_over) = (failed, passed);
                    return Err(finding);
                }
            }
        }
        Ok(())
    });
    let State { recorded, failed, passed_over, .. } = state;
    if recorded.is_empty() && failed == 0 && errors.is_empty() {
        let value = format!("{passed_over} spans without token counts");
        let rule = "a span of a model's call has gen_ai.usage.input_tokens and gen_ai.usage.output_tokens";
        let next = "Switch the instrumentation's usage attributes on";
        errors.push(TraceFinding::new(0, "file", value, rule, next));
        return data;
    }
    if passed_over > 0 {
        data.notices
            .push(format!("{passed_over} spans are no calls of a model with token counts: passed over"));
    }
    finish(recorded, false, failed, &mut data, options, errors);
    data
}

fn integer(number: u64, field: &str, text: &str) -> Result<u64, TraceFinding> {
    text.parse().map_err(|_| {
        let rule = "must be an integer from 0 on";
        TraceFinding::new(number, field, format!("\"{text}\""), rule, "Correct or drop the line")
    })
}

fn seconds(number: u64, field: &str, text: &str) -> Result<u64, TraceFinding> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => decimal_ns(number, field, value, 1_000_000_000),
        _ => {
            let rule = "must be a number of seconds";
            Err(TraceFinding::new(number, field, format!("\"{text}\""), rule, "Correct or drop the line"))
        }
    }
}

impl State {
    fn take(
        &mut self,
        number: u64,
        span: &Span<'_>,
        resource: &[Attribute<'_>],
        options: &ReadOptions,
        data: &mut TraceData,
    ) -> Result<(), TraceFinding> {
        let get = |keys: &[&'static str]| find(&span.attributes, resource, keys);
        let call = get(&[OPERATION]).is_none_or(|(_, operation)| CALLS.contains(&operation.as_ref()));
        let Some((input_key, input)) = get(&INPUT).filter(|_| call) else {
            self.passed_over += 1;
            return Ok(());
        };
        let input = integer(number, input_key, &input)?;
        let output = match get(&OUTPUT) {
            None => 0,
            Some((key, text)) => integer(number, key, &text)?,
        };
        if output == 0 {
            self.failed += 1;
            return Ok(());
        }
        let time = |field: &'static str, text: &Option<Text<'_>>| match text {
            None => {
                let next = "Correct or drop the line";
                Err(TraceFinding::new(number, field, "absent", "every span must have it", next))
            }
            Some(text) => {
                let value = integer(number, field, &text.text())?;
                i64::try_from(value).map_err(|_| {
                    let rule = "must be nanoseconds since 1970";
                    TraceFinding::new(number, field, value, rule, "Correct or drop the line")
                })
            }
        };
        let at_ns = time("startTimeUnixNano", &span.start)?;
        let end_ns = time("endTimeUnixNano", &span.end)?;
        let lasted = match u64::try_from(end_ns - at_ns) {
            Ok(lasted) if lasted <= MAX_TIME.0 => lasted,
            lasted => {
                let rule = match lasted {
                    Ok(_) => "a span must not last longer than 200 days",
                    Err(_) => "a span must not end before it starts",
                };
                let next = "Correct or drop the line";
                return Err(TraceFinding::new(number, "endTimeUnixNano", end_ns, rule, next));
            }
        };
        let e2e_ns = match get(&E2E) {
            None => lasted,
            Some((key, text)) => seconds(number, key, &text)?,
        };
        let ttft_ns = get(&TTFT).map(|(key, text)| seconds(number, key, &text)).transpose()?;
        let mapped = |key: &str, usual: &[&'static str]| match options.columns.get(key) {
            Some(column) => find(&span.attributes, resource, &[column]).map(|(_, text)| text.into_owned()),
            None => get(usual).map(|(_, text)| text.into_owned()),
        };
        let session = mapped("session", &SESSION).map_or(0, |name| self.sessions.number(&name));
        let tenant = mapped("tenant", &[]).map_or(0, |name| self.tenants.number(&name));
        let mut named = |key: &str, kind: usize| match mapped(key, &[]) {
            None => Ok(None),
            Some(text) => name(number, options.columns.get(key).unwrap_or(key), kind, data, &text),
        };
        let output_key = get(&OUTPUT).map_or(OUTPUT[0], |(key, _)| key);
        self.recorded.push(Recorded {
            line: number,
            at_ns,
            input: tokens(number, input_key, input)?,
            output: tokens(number, output_key, output)?,
            session,
            tenant: u32::try_from(tenant).unwrap_or(u32::MAX),
            origin: named("origin", 0)?,
            class: named("class", 1)?,
            data_class: named("data_class", 2)?,
            priority: None,
            ttft_ns,
            e2e_ns: Some(e2e_ns),
            ids: None,
        });
        Ok(())
    }
}
