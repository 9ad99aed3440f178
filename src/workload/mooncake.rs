//! Reader of Mooncake's JSON lines (kvcache-ai/Mooncake, `FAST25-release/traces`): `timestamp` in milliseconds,
//! `input_length`, `output_length`, `hash_ids` (prefix-chain ids of the prompt's blocks, the last may be partial).
//! The block size is not in the file: 512 unless told.

use super::data::{Blocks, Start, TraceData, TraceRow};
use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use super::read::{ChainCheck, Field, Kind, ReadOptions, coverage, diagnose, each_line, nanoseconds, tokens};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Tokens of a block in Mooncake's published traces (FAST'25, artefact README).
pub const BLOCK_TOKENS: u32 = 512;

#[derive(Deserialize)]
struct Line {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
    hash_ids: Option<Vec<u64>>,
    chat_id: Option<IgnoredAny>,
    session_id: Option<IgnoredAny>,
    delay: Option<IgnoredAny>,
}

const FIELDS: [Field; 7] = [
    Field { name: "timestamp", kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "input_length", kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "output_length", kind: Kind::Integer(u64::MAX), required: true },
    Field { name: "hash_ids", kind: Kind::Ids, required: false },
    Field { name: "chat_id", kind: Kind::Any, required: false },
    Field { name: "session_id", kind: Kind::Any, required: false },
    Field { name: "delay", kind: Kind::Any, required: false },
];

/// Reads from the current line on.
pub(super) fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let block = options.trace_block_tokens.unwrap_or(BLOCK_TOKENS);
    let mut data = TraceData { format: "mooncake", block_tokens: block, ..TraceData::default() };
    if block == 0 {
        let next = "Mooncake's own traces have 512";
        errors.push(TraceFinding::new(0, "block_tokens", 0, "must be at least 1", next));
        return data;
    }
    let mut chains = ChainCheck::default();
    let mut without_ids = 0u64;
    each_line(lines, errors, |number, text| {
        let line: Line =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        let foreign = [("chat_id", line.chat_id), ("session_id", line.session_id), ("delay", line.delay)];
        if let Some((name, _)) = foreign.iter().find(|(_, value)| value.is_some()) {
            return Err(TraceFinding::new(
                number,
                name,
                "present",
                "Mooncake's format has no sessions; to replay it in an open loop would falsify a dialogue's timing",
                "Convert it to the native format, whose `session`, `turn` and `think_ns` say this",
            ));
        }
        let start = Start::At(nanoseconds(number, "timestamp", line.timestamp, 1_000_000)?);
        let input = tokens(number, "input_length", line.input_length)?;
        let output = tokens(number, "output_length", line.output_length)?;
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
        data.rows.push(TraceRow { start, input, output, blocks, ..TraceRow::EMPTY });
        Ok(())
    });
    if without_ids > 0 {
        data.notices.push(format!("{without_ids} requests have no `hash_ids`: they share no prefix"));
    }
    data
}
