//! Reader of Mooncake's JSON lines (kvcache-ai/Mooncake, `FAST25-release/traces`): `timestamp` in milliseconds,
//! `input_length`, `output_length`, `hash_ids` (prefix-chain ids of the prompt's blocks, the last may be partial).
//! The block size is not in the file: 512 unless told. With AIPerf's additions (ai-dynamo/aiperf,
//! `dataset/loader/models.py`, db4f6397): `session_id`, and `delay`, the milliseconds from the answer to the turn
//! before to this one.

use super::{Beginning, Reader};
use crate::workload::chains::{ChainCheck, coverage};
use crate::workload::data::{Blocks, Start, TraceData, TraceRow};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, diagnose, milliseconds, tokens};
use crate::workload::names::{Name, Numbers};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::starts::Starts;
use serde::Deserialize;
use serde::de::IgnoredAny;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Mooncake,
    name: "mooncake",
    about: "Mooncake JSON lines, with AIPerf's sessions",
    looks_for: "JSON lines with `input_length` and `timestamp` or `session_id`",
    page: "docs/formats/mooncake.md",
    detect: |begin: &Beginning| {
        begin.has(&["timestamp", "input_length"])
            || begin.has(&["timestamp", "output_length"])
            || begin.has(&["session_id", "input_length"])
    },
    read,
};

/// Tokens of a block in Mooncake's published traces (FAST'25, artefact README).
pub const BLOCK_TOKENS: u32 = 512;

#[derive(Deserialize)]
struct Line<'a> {
    timestamp: Option<f64>,
    input_length: u64,
    output_length: u64,
    hash_ids: Option<Vec<u64>>,
    chat_id: Option<IgnoredAny>,
    #[serde(borrow)]
    session_id: Option<Name<'a>>,
    delay: Option<f64>,
}

const FIELDS: [Field; 7] = [
    Field::may("timestamp", Kind::Number),
    Field::must("input_length", Kind::Integer(u64::MAX)),
    Field::must("output_length", Kind::Integer(u64::MAX)),
    Field::may("hash_ids", Kind::Ids),
    Field::may("chat_id", Kind::Any),
    Field::may("session_id", Kind::Name),
    Field::may("delay", Kind::Number),
];

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let block = options.trace_block_tokens.unwrap_or(BLOCK_TOKENS);
    let mut data = TraceData { format: "mooncake", block_tokens: block, ..TraceData::default() };
    let (mut chains, mut sessions) = (ChainCheck::default(), Numbers::default());
    let mut turns: Vec<u32> = Vec::new();
    let mut starts = Starts::new(options.session_rate);
    let (mut without_ids, mut timed_turns) = (0u64, 0u64);
    each_line(lines, options, errors, |number, text| {
        let line: Line<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        if line.chat_id.is_some() {
            return Err(TraceFinding::new(
                number,
                "chat_id",
                "present",
                "Mooncake's format has no chats; to replay it in an open loop would falsify a dialogue's timing",
                "Read it as `bailian` if it has `parent_chat_id` too, or rename the field to `session_id`",
            ));
        }
        let input = tokens(number, "input_length", line.input_length)?;
        let output = tokens(number, "output_length", line.output_length)?;
        let session = line.session_id.as_ref().map_or(0, |name| sessions.number(name.as_str()));
        let turn = match session {
            0 => 0,
            session => turns.get(session as usize - 1).copied().unwrap_or(0),
        };
        if session == 0
            && let Some(delay) = line.delay
        {
            let rule = "only a turn of a session waits for the one before";
            return Err(TraceFinding::new(number, "delay", delay, rule, "Add `session_id`, or drop `delay`"));
        }
        let delay = line.delay.map(|delay| milliseconds(number, "delay", delay)).transpose()?;
        let start = match (line.timestamp, delay) {
            (_, Some(delay)) if turn > 0 => Start::After(delay),
            (Some(at), _) => {
                timed_turns += u64::from(turn > 0);
                Start::At(milliseconds(number, "timestamp", at)?)
            }
            (None, _) if turn > 0 => Start::After(0),
            (None, _) if session > 0 => Start::At(starts.draw()),
            (None, _) => {
                let next = "Give `timestamp` in milliseconds, or `session_id` for sessions without a time";
                let rule = "every request must have it";
                return Err(TraceFinding::new(number, "timestamp", "absent", rule, next));
            }
        };
        let blocks = match line.hash_ids {
            None => {
                without_ids += 1;
                Blocks::Unknown
            }
            Some(ids) => {
                if ids.len() != input.div_ceil(block) as usize {
                    let next = "Say the file's block size as `block_tokens`, or correct the line";
                    return Err(coverage(number, "hash_ids", input, ids.len(), block, next));
                }
                chains.check(number, "hash_ids", &ids)?;
                let from = data.ids.len();
                data.ids.extend_from_slice(&ids);
                Blocks::Ids { from, to: data.ids.len() }
            }
        };
        if session > 0 {
            turns.resize(turns.len().max(session as usize), 0);
            turns[session as usize - 1] = turn + 1;
        }
        data.rows.push(TraceRow { start, input, output, blocks, session, turn, ..TraceRow::EMPTY });
        Ok(())
    });
    if without_ids > 0 {
        data.notices.push(format!("{without_ids} requests have no `hash_ids`: they share no prefix"));
    }
    if timed_turns > 0 {
        data.notices.push(format!(
            "{timed_turns} later turns have a `timestamp` and no `delay`: they are sent at that time, whether the \
             answer before has come or not"
        ));
    }
    data.notices.extend(starts.notice());
    data
}
