//! Reader of regionsim's own JSON lines: a header object, then one request a line. docs/formats/native.md has the
//! schema.

use super::{Beginning, Reader};
use crate::workload::Run;
use crate::workload::chains::{ChainCheck, coverage};
use crate::workload::clock::UtcStart;
use crate::workload::data::{Blocks, Bound, MAX_NAMES, Start, TraceData, TraceRow};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, diagnose, nanoseconds, tokens};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Native,
    name: "native",
    about: "regionsim's own JSON lines",
    looks_for: "a header line with `regionsim_trace`",
    page: "docs/formats/native.md",
    detect: |begin: &Beginning| begin.has(&[MARK]),
    read,
};

/// The header's field that tells a native trace; its value is the format's version.
pub const MARK: &str = "regionsim_trace";
/// The version that is written and the newest that is read.
pub const VERSION: u64 = 1;

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// When it begins by the clock of the wall, RFC 3339; without a zone it is naive.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub utc_start: String,
    /// How origins were made up that rows name, where they were not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Whether sessions, keys and blocks are those of a run, to be taken as they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub as_run: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

const HEADER: [Field; 7] = [
    Field::must(MARK, Kind::Integer(u64::MAX)),
    Field::must("block_tokens", Kind::Integer(u32::MAX as u64)),
    Field::may("id_scope", Kind::Text),
    Field::may("source", Kind::Text),
    Field::may("utc_start", Kind::Text),
    Field::may("origin", Kind::Text),
    Field::may("as_run", Kind::Flag),
];

/// One request; absent fields are left out.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::workload) struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
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
    pub prompt_runs: Option<Vec<(u64, u32, u32)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<u64>>,
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
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub allowed_regions: Option<Vec<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ns: Option<u64>,
}

const FIELDS: [Field; 21] = [
    Field::may("id", Kind::Integer(u64::MAX)),
    Field::may("t_ns", Kind::Integer(u64::MAX)),
    Field::must("in", Kind::Integer(u64::MAX)),
    Field::must("out", Kind::Integer(u64::MAX)),
    Field::may("ids", Kind::Ids),
    Field::may("runs", Kind::Runs),
    Field::may("prompt_runs", Kind::Runs),
    Field::may("key", Kind::Integer(u64::MAX)),
    Field::may("session", Kind::Integer(u64::MAX)),
    Field::may("turn", Kind::Integer(u32::MAX as u64)),
    Field::may("parent", Kind::Integer(u64::MAX)),
    Field::may("think_ns", Kind::Integer(u64::MAX)),
    Field::may("after", Kind::Ids),
    Field::may("origin", Kind::Text),
    Field::may("tenant", Kind::Integer(u32::MAX as u64)),
    Field::may("class", Kind::Text),
    Field::may("data_class", Kind::Text),
    Field::may("priority", Kind::Integer(u8::MAX as u64)),
    Field::may("allowed_regions", Kind::Texts),
    Field::may("ttft_ns", Kind::Integer(u64::MAX)),
    Field::may("e2e_ns", Kind::Integer(u64::MAX)),
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
fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
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
    data.origin_label = header.origin;
    if !header.utc_start.is_empty() {
        data.utc_start = UtcStart::parse(&header.utc_start);
        if data.utc_start.is_none() {
            let (value, rule) = (header.utc_start, "must be a date and time, as 2023-11-16T18:15:46Z");
            errors.push(TraceFinding::new(number, "utc_start", value, rule, "Correct it, or leave it out"));
            return data;
        }
    }
    let mut rows = Rows::default();
    each_line(
        lines,
        options,
        errors,
        |line, text| if line == number { Ok(()) } else { rows.take(line, text, &mut data) },
    );
    data
}

fn key(number: u64, as_run: bool, key: Option<u64>) -> Result<Option<u64>, TraceFinding> {
    let (value, rule, next) = match (as_run, key) {
        (true, None) => (
            "absent".to_owned(),
            "the header says `as_run`: every request has its key",
            "Export the run again",
        ),
        (false, Some(key)) => {
            (key.to_string(), "only a trace whose header says `as_run` has keys", "Drop it")
        }
        (_, key) => return Ok(key),
    };
    Err(TraceFinding::new(number, "key", value, rule, next))
}

#[derive(Default)]
struct Rows {
    chains: ChainCheck,
    /// Per session, its last turn.
    last_turn: FxHashMap<u64, u32>,
    /// Per `id`, its row.
    by_id: FxHashMap<u64, u32>,
}

impl Rows {
    fn take(&mut self, number: u64, text: &[u8], data: &mut TraceData) -> Result<(), TraceFinding> {
        let line: Line<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, true, &error))?;
        let input = tokens(number, "in", line.input)?;
        let output = tokens(number, "out", line.output)?;
        let (session, turn) = self.turn(number, &line)?;
        let start = start(number, &line, turn)?;
        let parent = parent(number, &line)?;
        for (field, value) in [("ttft_ns", line.ttft_ns), ("e2e_ns", line.e2e_ns)] {
            if let Some(value) = value {
                nanoseconds(number, field, value, 1)?;
            }
        }
        let after = self.after(number, &line)?;
        let origin = name(number, "origin", 0, data, line.origin.as_deref())?;
        let class = name(number, "class", 1, data, line.class.as_deref())?;
        let data_class = name(number, "data_class", 2, data, line.data_class.as_deref())?;
        let allowed = allowed(number, &line, data)?;
        let row = data.rows.len();
        if let Some(id) = line.id
            && self.by_id.contains_key(&id)
        {
            let rule = "an earlier line has this id";
            return Err(TraceFinding::new(
                number,
                "id",
                id,
                rule,
                "Give each line an id of its own, or none",
            ));
        }
        let key = key(number, data.as_run, line.key)?;
        let blocks = self.blocks(number, &line, input, output, data)?;
        data.keys.extend(key);
        if let Some(id) = line.id {
            self.by_id.insert(id, row as u32);
        }
        if session != 0 {
            self.last_turn.insert(session, turn);
        }
        data.after.extend(after.iter().map(|&waits_for| (row as u32, waits_for)));
        if let Some(allowed) = allowed {
            data.names.bound.entry(Bound { allowed, data_class, origin }).or_insert(number);
        }
        data.measured.set(row, line.ttft_ns, line.e2e_ns);
        let (tenant, priority) = (line.tenant.unwrap_or(0), line.priority);
        data.rows.push(TraceRow {
            start,
            input,
            output,
            blocks,
            session,
            turn,
            parent,
            tenant,
            origin,
            class,
            data_class,
            priority,
            allowed,
        });
        Ok(())
    }
    fn blocks(
        &mut self,
        number: u64,
        line: &Line<'_>,
        input: u32,
        output: u32,
        data: &mut TraceData,
    ) -> Result<Blocks, TraceFinding> {
        let block = data.block_tokens;
        let (full, all) = (input / block, input.div_ceil(block));
        let given = [line.ids.is_some(), line.runs.is_some(), line.prompt_runs.is_some()];
        if given.iter().filter(|&&given| given).count() > 1 {
            let field = if given[2] { "prompt_runs" } else { "runs" };
            let rule = "a request has one of `ids` and `prompt_runs` (of its prompt) and `runs` (of prompt and \
                        output), not both";
            return Err(TraceFinding::new(number, field, "present beside another", rule, "Drop one"));
        }
        if let Some(ids) = &line.ids {
            if ids.len() != full as usize && ids.len() != all as usize {
                let next = "Correct the header's `block_tokens`, or the line";
                return Err(coverage(number, "ids", input, ids.len(), block, next));
            }
            self.chains.check(number, "ids", ids)?;
            let from = data.ids.len();
            data.ids.extend_from_slice(ids);
            return Ok(Blocks::Ids { from, to: data.ids.len() });
        }
        let from = data.runs.len();
        let add = |runs: &[(u64, u32, u32)], data: &mut TraceData| {
            data.runs.extend(runs.iter().map(|&(key, start, len)| Run { key, start, len }));
            data.runs.len()
        };
        if let Some(runs) = &line.runs {
            let blocks = (input + output) / block;
            let told = run_blocks(number, "runs", runs, block)?;
            if told != blocks as u64 {
                let rule = format!("`in` and `out` together have {blocks} full blocks of {block} tokens");
                let next = "Cover the full blocks of prompt and output, and leave the partial last one out";
                return Err(TraceFinding::new(number, "runs", format!("{told} blocks"), rule, next));
            }
            return Ok(Blocks::Runs { from, to: add(runs, data) });
        }
        if let Some(runs) = &line.prompt_runs {
            let told = run_blocks(number, "prompt_runs", runs, block)?;
            if told != full as u64 && told != all as u64 {
                let rule = format!("`in` has {full} full blocks of {block} tokens");
                let next = "Cover the prompt's blocks, with or without the partial last one";
                return Err(TraceFinding::new(number, "prompt_runs", format!("{told} blocks"), rule, next));
            }
            return Ok(Blocks::Prompt { from, to: add(runs, data) });
        }
        Ok(Blocks::Unknown)
    }
    /// The rows that `after` names.
    fn after(&self, number: u64, line: &Line<'_>) -> Result<Vec<u32>, TraceFinding> {
        let Some(ids) = &line.after else { return Ok(Vec::new()) };
        let wrong = |value: String, rule: &str, next: &str| {
            Err(TraceFinding::new(number, "after", value, rule, next))
        };
        if ids.is_empty() {
            return wrong("[]".to_owned(), "must name at least one line", "Leave it out");
        }
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            if Some(*id) == line.id {
                return wrong(id.to_string(), "a line cannot wait for itself", "Name earlier lines");
            }
            let Some(&row) = self.by_id.get(id) else {
                let rule = "no earlier line has this id";
                let next = "Write lines after those they wait for, each with an `id` of its own";
                return wrong(id.to_string(), rule, next);
            };
            rows.push(row);
        }
        rows.sort_unstable();
        if let Some(row) = rows.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0])) {
            let twice = ids.iter().find(|id| self.by_id.get(id) == Some(&row)).copied().unwrap_or(0);
            return wrong(twice.to_string(), "is named twice", "Name each line once");
        }
        Ok(rows)
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

fn parent(number: u64, line: &Line<'_>) -> Result<u64, TraceFinding> {
    let wrong = |rule: &str, next: &str| {
        Err(TraceFinding::new(number, "parent", line.parent.unwrap_or(0), rule, next))
    };
    match (line.parent, line.session) {
        (None, _) => Ok(0),
        (Some(0), _) => {
            wrong("0 means no session", "Name the session that started this one, or leave it out")
        }
        (Some(_), None) => wrong("only a session has a parent", "Add `session`"),
        (Some(parent), Some(session)) if parent == session => {
            wrong("a session cannot start itself", "Give a sub-agent a session of its own")
        }
        (Some(parent), Some(_)) => Ok(parent),
    }
}

fn name(
    number: u64,
    field: &str,
    kind: usize,
    data: &mut TraceData,
    name: Option<&str>,
) -> Result<Option<u32>, TraceFinding> {
    let Some(name) = name else { return Ok(None) };
    data.intern(kind, name, number).map(Some).ok_or_else(|| {
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

/// The list of regions to which a line may go alone.
fn allowed(number: u64, line: &Line<'_>, data: &mut TraceData) -> Result<Option<u32>, TraceFinding> {
    const FIELD: &str = "allowed_regions";
    let Some(regions) = &line.allowed_regions else { return Ok(None) };
    if regions.is_empty() {
        let next = "Name regions of the scenario, or leave it out for all";
        return Err(TraceFinding::new(number, FIELD, "[]", "must name at least one region", next));
    }
    let mut list = Vec::with_capacity(regions.len());
    for region in regions {
        list.extend(name(number, FIELD, 3, data, Some(region))?);
    }
    data.intern_allowed(list).map(Some).ok_or_else(|| {
        let rule = format!("a trace may have at most {MAX_NAMES} different lists");
        TraceFinding::new(number, FIELD, "one more", rule, "Allow the same regions to more requests")
    })
}

fn start(number: u64, line: &Line<'_>, turn: u32) -> Result<Start, TraceFinding> {
    match (line.t_ns, line.think_ns) {
        (Some(_), None) if line.after.is_some() => Err(TraceFinding::new(
            number,
            "after",
            "present beside `t_ns`",
            "a line that waits is sent `think_ns` after what it waits for",
            "Drop `t_ns` or `after`",
        )),
        (None, None) if line.after.is_some() => Ok(Start::After(0)),
        (Some(t), None) => Ok(Start::At(nanoseconds(number, "t_ns", t, 1)?)),
        (None, Some(think)) if turn > 0 || line.after.is_some() => {
            Ok(Start::After(nanoseconds(number, "think_ns", think, 1)?))
        }
        (None, Some(think)) => Err(TraceFinding::new(
            number,
            "think_ns",
            think,
            "only a turn after the first, or a line with `after`, waits for an answer",
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

/// How many blocks the runs have, if their numbers can be split into tokens.
fn run_blocks(number: u64, field: &str, runs: &[(u64, u32, u32)], size: u32) -> Result<u64, TraceFinding> {
    let reaches = |run: &&(u64, u32, u32)| (run.1 as u64 + run.2 as u64) * size as u64 > u32::MAX as u64;
    if let Some(run) = runs.iter().find(reaches) {
        let value = format!("[{},{},{}]", run.0, run.1, run.2);
        let rule = "a run must end within its first 4,294,967,295 tokens";
        return Err(TraceFinding::new(number, field, value, rule, "Correct the line"));
    }
    Ok(runs.iter().map(|run| run.2 as u64).sum())
}
