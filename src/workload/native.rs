//! Reader of regionsim's own JSON lines: a header object, then one request a line. docs/formats.md has the schema.

use super::Run;
use super::data::{Blocks, MAX_NAMES, Start, TraceData, TraceRow};
use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use super::read::{ChainCheck, Field, Kind, ReadOptions, coverage, diagnose, each_line, nanoseconds, tokens};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The header's field that tells a native trace; its value is the format's version.
pub const MARK: &str = "regionsim_trace";
/// The version that is written and the newest that is read.
pub const VERSION: u64 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format's version, 1.
    pub regionsim_trace: u64,
    /// Tokens of a block.
    pub block_tokens: u32,
    /// Traces with the same scope mean the same blocks by the same ids; absent: this content alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id_scope: String,
    /// Where it comes from, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Whether sessions, keys and blocks are those of a run, to be taken as they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub as_run: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

const HEADER: [Field; 5] = [
    Field { name: MARK, kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "block_tokens", kind: Kind::Integer(u32::MAX as u64), required: true },
    Field { name: "id_scope", kind: Kind::Text, required: false },
    Field { name: "source", kind: Kind::Text, required: false },
    Field { name: "as_run", kind: Kind::Flag, required: false },
];

/// One request; absent fields are left out.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t_ns: Option<u64>,
    #[serde(rename = "in")]
    pub input: u64,
    #[serde(rename = "out")]
    pub output: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Vec<(u64, u32, u32)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_ns: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<u32>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub class: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

const FIELDS: [Field; 14] = [
    Field { name: "t_ns", kind: Kind::Integer(u64::MAX), required: false },
    Field { name: "in", kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "out", kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "ids", kind: Kind::Ids, required: false },
    Field { name: "runs", kind: Kind::Runs, required: false },
    Field { name: "key", kind: Kind::Integer(u64::MAX), required: false },
    Field { name: "session", kind: Kind::Integer(u64::MAX), required: false },
    Field { name: "turn", kind: Kind::Integer(u32::MAX as u64), required: false },
    Field { name: "think_ns", kind: Kind::Integer(u64::MAX), required: false },
    Field { name: "origin", kind: Kind::Text, required: false },
    Field { name: "tenant", kind: Kind::Integer(u32::MAX as u64), required: false },
    Field { name: "class", kind: Kind::Text, required: false },
    Field { name: "data_class", kind: Kind::Text, required: false },
    Field { name: "priority", kind: Kind::Integer(u8::MAX as u64), required: false },
];

fn header(number: u64, text: &[u8]) -> Result<Header, TraceFinding> {
    let loose: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let version = loose.as_ref().and_then(|value| value.get(MARK)).cloned();
    match version.as_ref().map(serde_json::Value::as_u64) {
        Some(Some(VERSION)) => {}
        None => {
            let next = format!("Begin the file with {{\"{MARK}\":1,\"block_tokens\":16}}");
            return Err(TraceFinding::new(
                number,
                MARK,
                "absent",
                "a native trace must begin with its header",
                next,
            ));
        }
        Some(_) => {
            let rule = format!("this regionsim reads version {VERSION}");
            let next = "Use the regionsim that wrote it, or newer";
            return Err(TraceFinding::new(number, MARK, version.unwrap_or_default(), rule, next));
        }
    }
    let header: Header =
        serde_json::from_slice(text).map_err(|error| diagnose(number, text, &HEADER, true, &error))?;
    if header.block_tokens == 0 || header.block_tokens > 65_536 {
        let (value, next) = (header.block_tokens, "Say how many tokens one block of `ids` and `runs` has");
        return Err(TraceFinding::new(number, "block_tokens", value, "must lie in 1..=65536", next));
    }
    Ok(header)
}

/// Reads from the header, the current line, on.
pub(super) fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "native", ..TraceData::default() };
    let number = lines.number();
    let header = match header(number, lines.line()) {
        Ok(header) => header,
        Err(finding) => {
            errors.push(finding);
            return data;
        }
    };
    if let Some(told) = options.trace_block_tokens
        && told != header.block_tokens
    {
        let rule = format!("the scenario says {told}");
        let next = "Leave it out of the scenario: a native trace says its block size itself";
        errors.push(TraceFinding::new(number, "block_tokens", header.block_tokens, rule, next));
        return data;
    }
    data.block_tokens = header.block_tokens;
    data.id_scope = header.id_scope;
    data.as_run = header.as_run;
    let mut rows = Rows { chains: ChainCheck::default(), last_turn: FxHashMap::default() };
    each_line(
        lines,
        errors,
        |line, text| if line == number { Ok(()) } else { rows.take(line, text, &mut data) },
    );
    data
}

struct Rows {
    chains: ChainCheck,
    /// Per session, its last turn.
    last_turn: FxHashMap<u64, u32>,
}

impl Rows {
    fn take(&mut self, number: u64, text: &[u8], data: &mut TraceData) -> Result<(), TraceFinding> {
        let line: Line<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, true, &error))?;
        let input = tokens(number, "in", line.input)?;
        let output = tokens(number, "out", line.output)?;
        let (session, turn) = self.turn(number, &line)?;
        let start = start(number, &line, turn)?;
        match (data.as_run, line.key) {
            (true, Some(key)) => data.keys.push(key),
            (false, None) => {}
            (true, None) => {
                let rule = "the header says `as_run`: every request has its key";
                return Err(TraceFinding::new(number, "key", "absent", rule, "Export the run again"));
            }
            (false, Some(key)) => {
                let rule = "only a trace whose header says `as_run` has keys";
                return Err(TraceFinding::new(number, "key", key, rule, "Drop it"));
            }
        }
        let blocks = match (line.ids, line.runs) {
            (None, None) => Blocks::Unknown,
            (Some(_), Some(_)) => {
                let rule = "a request has `ids` (of its prompt) or `runs` (of prompt and output), not both";
                return Err(TraceFinding::new(number, "runs", "present beside `ids`", rule, "Drop one"));
            }
            (Some(ids), None) => {
                let (full, all) = (input / data.block_tokens, input.div_ceil(data.block_tokens));
                if ids.len() != full as usize && ids.len() != all as usize {
                    let next = "Correct the header's `block_tokens`, or the line";
                    return Err(coverage(number, "ids", input, ids.len(), data.block_tokens, next));
                }
                self.chains.check(number, "ids", &ids)?;
                let from = data.ids.len();
                data.ids.extend_from_slice(&ids);
                Blocks::Ids { from, to: data.ids.len() }
            }
            (None, Some(runs)) => {
                let from = data.runs.len();
                check_runs(number, &runs, (input + output) / data.block_tokens, data.block_tokens)?;
                data.runs.extend(runs.iter().map(|&(key, start, len)| Run { key, start, len }));
                Blocks::Runs { from, to: data.runs.len() }
            }
        };
        if session != 0 {
            self.last_turn.insert(session, turn);
        }
        data.rows.push(TraceRow {
            start,
            input,
            output,
            blocks,
            session,
            turn,
            tenant: line.tenant.unwrap_or(0),
            origin: name(number, "origin", &mut data.names.origins, line.origin.as_deref())?,
            class: name(number, "class", &mut data.names.classes, line.class.as_deref())?,
            data_class: name(number, "data_class", &mut data.names.data_classes, line.data_class.as_deref())?,
            priority: line.priority,
        });
        Ok(())
    }
    fn turn(&self, number: u64, line: &Line<'_>) -> Result<(u64, u32), TraceFinding> {
        let Some(session) = line.session else {
            return match line.turn {
                None | Some(0) => Ok((0, 0)),
                Some(turn) => Err(TraceFinding::new(
                    number,
                    "turn",
                    turn,
                    "a turn must belong to a session",
                    "Add `session`, an integer from 1",
                )),
            };
        };
        if session == 0 {
            let next = "Number sessions from 1, or leave `session` out";
            return Err(TraceFinding::new(number, "session", 0, "0 means no session", next));
        }
        let expected = self.last_turn.get(&session).map_or(0, |turn| turn + 1);
        match line.turn.unwrap_or(0) {
            turn if turn == expected => Ok((session, turn)),
            turn => Err(TraceFinding::new(
                number,
                "turn",
                turn,
                format!("the next turn of session {session} in the file is {expected}"),
                "Write a session's turns in order, from 0, each once",
            )),
        }
    }
}

fn name(
    number: u64,
    field: &str,
    names: &mut Vec<String>,
    name: Option<&str>,
) -> Result<Option<u32>, TraceFinding> {
    let Some(name) = name else { return Ok(None) };
    TraceData::intern(names, name).map(Some).ok_or_else(|| {
        let rule = format!("a trace may name at most {MAX_NAMES} different ones");
        TraceFinding::new(
            number,
            field,
            format!("\"{name}\""),
            rule,
            "Use `tenant` or `session` for what is many",
        )
    })
}

fn start(number: u64, line: &Line<'_>, turn: u32) -> Result<Start, TraceFinding> {
    match (line.t_ns, line.think_ns) {
        (Some(t), None) => Ok(Start::At(nanoseconds(number, "t_ns", t, 1)?)),
        (None, Some(think)) if turn > 0 => Ok(Start::After(nanoseconds(number, "think_ns", think, 1)?)),
        (None, Some(think)) => Err(TraceFinding::new(
            number,
            "think_ns",
            think,
            "only a turn after the first waits for an answer",
            "Give the first turn of a session a `t_ns`",
        )),
        (Some(t), Some(_)) => Err(TraceFinding::new(
            number,
            "t_ns",
            t,
            "a turn is sent at `t_ns` or `think_ns` after the answer before it, not both",
            "Drop `t_ns` for a closed loop (as sessions are), `think_ns` for an open one",
        )),
        (None, None) => Err(TraceFinding::new(
            number,
            "t_ns",
            "absent",
            "a request must say when it is sent",
            "Give `t_ns`, or `think_ns` for a later turn of a session",
        )),
    }
}

fn check_runs(number: u64, runs: &[(u64, u32, u32)], blocks: u32, size: u32) -> Result<(), TraceFinding> {
    let reaches = |run: &&(u64, u32, u32)| (run.1 as u64 + run.2 as u64) * size as u64 > u32::MAX as u64;
    if let Some(run) = runs.iter().find(reaches) {
        let value = format!("[{},{},{}]", run.0, run.1, run.2);
        let rule = "a run must end within its first 4,294,967,295 tokens";
        return Err(TraceFinding::new(number, "runs", value, rule, "Correct the line"));
    }
    let told: u64 = runs.iter().map(|run| run.2 as u64).sum();
    if told == blocks as u64 {
        return Ok(());
    }
    Err(TraceFinding::new(
        number,
        "runs",
        format!("{told} blocks"),
        format!("`in` and `out` together have {blocks} full blocks of {size} tokens"),
        "Cover the full blocks of prompt and output, and leave the partial last one out",
    ))
}
