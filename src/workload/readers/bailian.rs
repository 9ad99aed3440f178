//! Reader of Qwen-Bailian's JSON lines (alibaba-edu/qwen-bailian-usagetraces-anon, README at 03a51e31): `chat_id`,
//! `parent_chat_id` (-1 at a root), `timestamp` in seconds, `input_length`, `output_length`, `type`, `turn`,
//! `hash_ids` of 16 tokens. A child's prompt need not extend its parent's answer (thinking is stripped from it), so
//! sharing is told by ids alone.

use super::{Beginning, Reader};
use crate::workload::chains::{ChainCheck, Spans, coverage, runs_of};
use crate::workload::data::{Blocks, Start, TraceData, TraceRow};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, decimal_ns, diagnose, tokens};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use rustc_hash::FxHashMap;
use serde::Deserialize;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Bailian,
    name: "bailian",
    about: "Qwen-Bailian JSON lines",
    looks_for: "JSON lines with `chat_id` and `parent_chat_id`",
    page: "docs/formats/bailian.md",
    detect: |begin: &Beginning| begin.has(&["chat_id", "parent_chat_id"]),
    read,
};

/// Tokens of a block in the published traces (their README and their names).
const BLOCK_TOKENS: u32 = 16;

#[derive(Deserialize)]
struct Line {
    chat_id: i64,
    parent_chat_id: i64,
    timestamp: f64,
    input_length: u64,
    output_length: u64,
    hash_ids: Option<Spans>,
}

const FIELDS: [Field; 8] = [
    Field::must("chat_id", Kind::Integer(i64::MAX as u64)),
    Field::must("parent_chat_id", Kind::Signed),
    Field::must("timestamp", Kind::Number),
    Field::must("input_length", Kind::Integer(u64::MAX)),
    Field::must("output_length", Kind::Integer(u64::MAX)),
    Field::may("hash_ids", Kind::Ids),
    Field::may("type", Kind::Any),
    Field::may("turn", Kind::Any),
];

/// A session: its number, and how many turns it has so far.
struct Session {
    number: u64,
    turns: u32,
}

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let block = options.trace_block_tokens.unwrap_or(BLOCK_TOKENS);
    let mut data = TraceData { format: "bailian", block_tokens: block, ..TraceData::default() };
    let mut chains = ChainCheck::default();
    // Which session a chat belongs to: that of the root of its parents.
    let mut session_of: FxHashMap<i64, usize> = FxHashMap::default();
    let mut sessions: Vec<Session> = Vec::new();
    let (mut orphans, mut later, mut without_ids) = (0u64, 0u64, 0u64);
    each_line(lines, options, errors, |number, text| {
        let line: Line =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        let input = tokens(number, "input_length", line.input_length)?;
        let output = tokens(number, "output_length", line.output_length)?;
        let start = Start::At(decimal_ns(number, "timestamp", line.timestamp, 1_000_000_000)?);
        let wrong = |field, value: i64, rule: &str, next: &str| {
            Err(TraceFinding::new(number, field, value, rule, next))
        };
        if line.chat_id < 0 {
            return wrong("chat_id", line.chat_id, "must not be negative", "Correct or drop the line");
        }
        if line.parent_chat_id < -1 {
            let next = "Give the chat before it, or -1 at a root";
            return wrong("parent_chat_id", line.parent_chat_id, "must be -1 or a chat", next);
        }
        if session_of.contains_key(&line.chat_id) {
            let next = "Give each request a chat_id of its own";
            return wrong("chat_id", line.chat_id, "an earlier line has it", next);
        }
        if line.parent_chat_id == line.chat_id {
            return wrong(
                "parent_chat_id",
                line.chat_id,
                "a chat is not its own parent",
                "Give -1 at a root",
            );
        }
        let blocks = match &line.hash_ids {
            None => {
                without_ids += 1;
                Blocks::Unknown
            }
            Some(ids) => {
                if ids.count != (input / block) as usize && ids.count != input.div_ceil(block) as usize {
                    let next = "Say the file's block size as `trace_block_tokens`, or correct the line";
                    return Err(coverage(number, "hash_ids", input, ids.count, block, next));
                }
                chains.check_spans(number, "hash_ids", &ids.spans)?;
                let from = data.runs.len();
                runs_of(&ids.spans, 0, block, &mut data.runs);
                Blocks::Prompt { from, to: data.runs.len() }
            }
        };
        let known = session_of.get(&line.parent_chat_id).copied();
        let index = known.unwrap_or_else(|| {
            orphans += u64::from(line.parent_chat_id >= 0);
            sessions.push(Session { number: sessions.len() as u64 + 1, turns: 0 });
            sessions.len() - 1
        });
        session_of.insert(line.chat_id, index);
        let session = &mut sessions[index];
        let turn = session.turns;
        session.turns += 1;
        later += u64::from(turn > 0);
        data.rows.push(TraceRow {
            start,
            input,
            output,
            blocks,
            session: session.number,
            turn,
            ..TraceRow::EMPTY
        });
        Ok(())
    });
    if orphans > 0 {
        data.notices.push(format!(
            "{orphans} chats name a parent that no earlier line has (the recording began after it): they begin \
             sessions"
        ));
    }
    if later > 0 {
        data.notices.push(format!(
            "{later} later turns are sent at their recorded time, whether the answer before has come or not: the \
             file does not say when answers came"
        ));
    }
    if without_ids > 0 {
        data.notices.push(format!("{without_ids} requests have no `hash_ids`: they share no prefix"));
    }
    data
}
