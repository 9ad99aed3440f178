//! Which column of a table means what. Knows the names people write; must not know files.

use serde::{Deserialize, Serialize};

/// The columns of telemetry; names are compared without regard to case. Absent ones are looked for under the usual
/// names ([`usual`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// When the request was sent.
    pub time: Option<String>,
    /// Prompt tokens.
    pub input: Option<String>,
    /// Output tokens.
    pub output: Option<String>,
    /// Session or conversation.
    pub session: Option<String>,
    /// Tenant, customer or key.
    pub tenant: Option<String>,
    /// The scenario's origin: where the client was.
    #[serde(alias = "region")]
    pub origin: Option<String>,
    /// The scenario's class (`[slo]`).
    pub class: Option<String>,
    /// The scenario's residency class.
    pub data_class: Option<String>,
    /// Priority; lower goes first.
    pub priority: Option<String>,
    /// Measured time to first token, in milliseconds unless its name ends in `_s`, `_us` or `_ns`.
    pub ttft: Option<String>,
    /// Measured time to the last token, as `ttft`.
    pub e2e: Option<String>,
}

/// The keys of [`Columns`], in order.
pub const KEYS: [&str; 11] = [
    "time",
    "input",
    "output",
    "session",
    "tenant",
    "origin",
    "class",
    "data_class",
    "priority",
    "ttft",
    "e2e",
];

/// Names under which a column is looked for that nobody has named, lower case (our choice: the words of gateways'
/// logs, of OpenTelemetry and of common trace files).
pub fn usual(key: &str) -> &'static [&'static str] {
    match key {
        "time" => {
            &["time", "timestamp", "ts", "start_time", "starttime", "created", "created_at", "arrival_time"]
        }
        "input" => &["input", "input_tokens", "prompt_tokens", "in", "input_length", "request_tokens"],
        "output" => {
            &["output", "output_tokens", "completion_tokens", "out", "output_length", "response_tokens"]
        }
        "session" => &["session", "session_id", "conversation_id", "conversation", "chat_id"],
        "tenant" => &["tenant", "tenant_id", "customer", "organization", "user_id"],
        "origin" => &["origin", "region"],
        "class" => &["class", "slo_class"],
        "data_class" => &["data_class"],
        "priority" => &["priority"],
        "ttft" => &["ttft", "ttft_ms", "ttft_s"],
        "e2e" => &["e2e", "e2e_ms", "e2e_s", "latency_ms", "latency_s", "duration_ms", "duration_s"],
        _ => &[],
    }
}

impl Columns {
    /// The column that `key` is mapped to.
    pub fn get(&self, key: &str) -> Option<&str> {
        match key {
            "time" => &self.time,
            "input" => &self.input,
            "output" => &self.output,
            "session" => &self.session,
            "tenant" => &self.tenant,
            "origin" => &self.origin,
            "class" => &self.class,
            "data_class" => &self.data_class,
            "priority" => &self.priority,
            "ttft" => &self.ttft,
            "e2e" => &self.e2e,
            _ => &None,
        }
        .as_deref()
    }
    fn slot(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "time" => &mut self.time,
            "input" => &mut self.input,
            "output" => &mut self.output,
            "session" => &mut self.session,
            "tenant" => &mut self.tenant,
            "origin" | "region" => &mut self.origin,
            "class" => &mut self.class,
            "data_class" => &mut self.data_class,
            "priority" => &mut self.priority,
            "ttft" => &mut self.ttft,
            "e2e" => &mut self.e2e,
            _ => return None,
        })
    }
    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        *self == Columns::default()
    }
    /// Parses `time=ts,input=prompt_tokens,…`, as a command line gives it; every mistake is reported.
    pub fn parse(text: &str) -> Result<Columns, Vec<String>> {
        let (mut columns, mut wrong) = (Columns::default(), Vec::new());
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, column)) = part.split_once('=').map(|(key, column)| (key.trim(), column.trim()))
            else {
                wrong.push(format!("`{part}` must be KEY=COLUMN, as in `time=ts`"));
                continue;
            };
            match columns.slot(key) {
                None => {
                    wrong.push(format!(
                        "`{key}` is no key of columns: use {} (or region for origin)",
                        KEYS.join(", ")
                    ));
                }
                Some(_) if column.is_empty() => wrong.push(format!("`{key}` must name a column")),
                Some(Some(first)) => {
                    wrong.push(format!("`{key}` is given twice, as `{first}` and as `{column}`"))
                }
                Some(slot) => *slot = Some(column.to_owned()),
            }
        }
        if wrong.is_empty() { Ok(columns) } else { Err(wrong) }
    }
}

/// The unit of a column of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanos,
    /// RFC 3339 date and time, or the same without a zone.
    #[serde(rename = "rfc3339")]
    Rfc3339,
}

impl TimeUnit {
    /// Parses `s`, `ms`, `us`, `ns` or `rfc3339`.
    pub fn parse(text: &str) -> Option<TimeUnit> {
        match text {
            "s" => Some(TimeUnit::Seconds),
            "ms" => Some(TimeUnit::Millis),
            "us" => Some(TimeUnit::Micros),
            "ns" => Some(TimeUnit::Nanos),
            "rfc3339" => Some(TimeUnit::Rfc3339),
            _ => None,
        }
    }
    /// Nanoseconds in one; 1 for dates, which are counted in nanoseconds.
    pub fn ns(self) -> u64 {
        match self {
            TimeUnit::Seconds => 1_000_000_000,
            TimeUnit::Millis => 1_000_000,
            TimeUnit::Micros => 1_000,
            TimeUnit::Nanos | TimeUnit::Rfc3339 => 1,
        }
    }
    /// The unit that a column's name ends with: `_s`, `_ms`, `_us`, `_ns`.
    pub fn of_name(name: &str) -> Option<TimeUnit> {
        name.rsplit_once('_')
            .and_then(|(_, unit)| TimeUnit::parse(&unit.to_lowercase()))
            .filter(|unit| *unit != TimeUnit::Rfc3339)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_parsed_with_all_its_mistakes() {
        let columns = Columns::parse("time=ts, input=prompt_tokens,output=n,region=zone").unwrap();
        assert_eq!((columns.get("time"), columns.get("origin")), (Some("ts"), Some("zone")));
        assert_eq!((columns.get("session"), columns.get("nonsense")), (None, None));
        let wrong = Columns::parse("time=a,time=b,colour=c,input=,x").unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong[1].contains("data_class"), "{}", wrong[1]);
        assert!(Columns::parse("").unwrap().is_empty());
        let mut slots = Columns::default();
        for key in KEYS {
            assert!(!usual(key).is_empty() && slots.slot(key).is_some(), "{key}");
        }
    }

    #[test]
    fn units_are_found_in_names() {
        assert_eq!(TimeUnit::of_name("ttft_MS"), Some(TimeUnit::Millis));
        assert_eq!(TimeUnit::of_name("e2e_s"), Some(TimeUnit::Seconds));
        assert_eq!(TimeUnit::of_name("first_rfc3339"), None);
        assert_eq!(TimeUnit::of_name("ttft"), None);
    }
}
