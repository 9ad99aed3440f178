//! Reader of tool-calling sessions without times, JSON lines as they are derived from tau-bench's trajectories
//! (sierra-research/tau-bench, `historical_trajectories`, 59a200c6): `session_id`, `turn` from 1, `input_length`,
//! `output_length`, `next` (what the answer leads to: "tool" or "user"), `hash_ids` of 16 tokens. Who waits how long
//! is not recorded, so waits are stated here.

use super::{Beginning, Reader};
use crate::workload::chains::{ChainCheck, Spans, coverage, runs_of};
use crate::workload::data::{Blocks, Start, TraceData, TraceRow};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, diagnose, tokens};
use crate::workload::names::{Name, Numbers};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::starts::Starts;
use serde::Deserialize;
use std::borrow::Cow;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::AgentTurns,
    name: "agent_turns",
    about: "turns of tool-calling sessions without times, JSON lines",
    looks_for: "JSON lines with `session_id`, `turn`, `next` and `input_length`",
    page: "docs/formats/agent_turns.md",
    detect: |begin: &Beginning| begin.has(&["session_id", "turn", "next", "input_length"]),
    read,
};

/// Tokens of a block in the derived file.
const BLOCK_TOKENS: u32 = 16;
/// From an answer that calls a tool to the next request, in nanoseconds: the median wait after a tool result in the
/// published coding-agent sessions (callanjfox/kv-cache-tester, 94f6046d), 9 s.
const TOOL_WAIT_NS: u64 = 9_000_000_000;
/// From an answer to the user's next words, in nanoseconds: the median wait after a human turn there, 118 s.
const USER_WAIT_NS: u64 = 118_000_000_000;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    session_id: Name<'a>,
    turn: u64,
    input_length: u64,
    output_length: u64,
    #[serde(borrow)]
    next: Cow<'a, str>,
    hash_ids: Option<Spans>,
}

const FIELDS: [Field; 6] = [
    Field::must("session_id", Kind::Name),
    Field::must("turn", Kind::Integer(u32::MAX as u64)),
    Field::must("input_length", Kind::Integer(u64::MAX)),
    Field::must("output_length", Kind::Integer(u64::MAX)),
    Field::must("next", Kind::Text),
    Field::may("hash_ids", Kind::Ids),
];

/// How far a session has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    turns: u32,
    wait_ns: u64,
}

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let block = options.trace_block_tokens.unwrap_or(BLOCK_TOKENS);
    let mut data = TraceData { format: "agent_turns", block_tokens: block, ..TraceData::default() };
    let (mut chains, mut sessions) = (ChainCheck::default(), Numbers::default());
    let mut progress: Vec<Progress> = Vec::new();
    let mut starts = Starts::new(options.session_rate);
    let mut waits = 0u64;
    each_line(lines, options, errors, |number, text| {
        let line: Line<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        let input = tokens(number, "input_length", line.input_length)?;
        let output = tokens(number, "output_length", line.output_length)?;
        let wait_ns = match line.next.as_ref() {
            "tool" => TOOL_WAIT_NS,
            "user" => USER_WAIT_NS,
            other => {
                let (value, rule) = (format!("\"{other}\""), "must be \"tool\" or \"user\"");
                return Err(TraceFinding::new(number, "next", value, rule, "Correct or drop the line"));
            }
        };
        let known = sessions.get(line.session_id.as_str());
        let before = known.map_or(Progress::default(), |session| progress[session as usize - 1]);
        if line.turn != before.turns as u64 + 1 {
            let rule =
                format!("the next turn of session {} is {}", line.session_id.as_str(), before.turns + 1);
            let next = "Write a session's turns in order, from 1, each once";
            return Err(TraceFinding::new(number, "turn", line.turn, rule, next));
        }
        let blocks = match &line.hash_ids {
            None => Blocks::Unknown,
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
        let session = sessions.number(line.session_id.as_str());
        let start = match before.turns {
            0 => Start::At(starts.draw()),
            _ => Start::After(before.wait_ns),
        };
        waits += u64::from(before.turns > 0);
        progress.resize(progress.len().max(session as usize), Progress::default());
        progress[session as usize - 1] = Progress { turns: before.turns + 1, wait_ns };
        let turn = before.turns;
        data.rows.push(TraceRow { start, input, output, blocks, session, turn, ..TraceRow::EMPTY });
        Ok(())
    });
    data.notices.extend(starts.notice());
    if waits > 0 {
        data.notices.push(format!(
            "the trace does not say how long its {waits} later turns wait: {} s after a tool call, {} s for the user",
            TOOL_WAIT_NS / 1_000_000_000,
            USER_WAIT_NS / 1_000_000_000
        ));
    }
    data
}
