//! Reader of coding-agent sessions, one JSON object a line (callanjfox/kv-cache-tester, `traces/`, 94f6046d):
//! `id`, `block_size`, `tool_tokens`, `system_tokens`, `requests` in order. A request has `t` (seconds since the
//! session's start), `model`, `in`, `out`, `hash_ids` (ids of its full blocks, local to the session), `think_time`
//! (seconds from the answer before to it) and, where measured, `api_time` and `ttft`. A request of type `subagent` holds
//! requests of its own, which run while the parent waits; its `t` is when it *ended*, `duration_ms` before which it
//! began (seen in the data: its first requests then follow the parent's answer by a second).
//!
//! Sessions have no time of the wall: their starts are drawn. A later turn waits for the one before and for the
//! sub-agents between, then for what is left of its think time.

use super::{Beginning, Reader};
use crate::digest::Digest;
use crate::rng::{hash_name, mix2};
use crate::workload::chains::{ChainCheck, Spans, coverage, runs_of};
use crate::workload::data::{Blocks, Start, TraceData, TraceRow};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, decimal_ns, diagnose, look, tokens};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::starts::Starts;
use rustc_hash::FxHashSet;
use serde::Deserialize;
use std::borrow::Cow;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::AgentSessions,
    name: "agent_sessions",
    about: "coding-agent sessions, one JSON object each",
    looks_for: "JSON objects with `requests` and `block_size`",
    page: "docs/formats/agent_sessions.md",
    detect: |begin: &Beginning| begin.has(&["requests", "block_size"]),
    read,
};

/// Salts of run keys, so that a session's own blocks and restored prefixes cannot meet.
const SESSION: u64 = hash_name("agent-sessions/session");
const PREFIX: u64 = hash_name("agent-sessions/prefix");

#[derive(Deserialize)]
struct Session<'a> {
    block_size: u32,
    #[serde(default)]
    tool_tokens: u64,
    #[serde(default)]
    system_tokens: u64,
    #[serde(borrow)]
    requests: Vec<Item<'a>>,
}

/// A request, or a sub-agent with its own.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    t: f64,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(rename = "in")]
    input: Option<u64>,
    #[serde(rename = "out")]
    output: Option<u64>,
    hash_ids: Option<Spans>,
    think_time: Option<f64>,
    api_time: Option<f64>,
    ttft: Option<f64>,
    duration_ms: Option<f64>,
    #[serde(default)]
    tool_tokens: u64,
    #[serde(default)]
    system_tokens: u64,
    #[serde(borrow)]
    requests: Option<Vec<Item<'a>>>,
}

const SESSION_FIELDS: [Field; 4] = [
    Field::must("block_size", Kind::Integer(u32::MAX as u64)),
    Field::may("tool_tokens", Kind::Integer(u64::MAX)),
    Field::may("system_tokens", Kind::Integer(u64::MAX)),
    Field::must("requests", Kind::Any),
];

const REQUEST_FIELDS: [Field; 12] = [
    Field::may("t", Kind::Number),
    Field::may("type", Kind::Text),
    Field::may("model", Kind::Text),
    Field::may("in", Kind::Integer(u64::MAX)),
    Field::may("out", Kind::Integer(u64::MAX)),
    Field::may("hash_ids", Kind::Ids),
    Field::may("think_time", Kind::Number),
    Field::may("api_time", Kind::Number),
    Field::may("ttft", Kind::Number),
    Field::may("duration_ms", Kind::Number),
    Field::may("tool_tokens", Kind::Integer(u64::MAX)),
    Field::may("system_tokens", Kind::Integer(u64::MAX)),
];

/// Why a session did not parse.
fn diagnose_session(number: u64, text: &[u8], error: &serde_json::Error) -> TraceFinding {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) else {
        return diagnose(number, text, &SESSION_FIELDS, false, error);
    };
    if let Some(finding) = look(number, "", &value, &SESSION_FIELDS, false) {
        return finding;
    }
    let list = |number, path: String, value: &serde_json::Value| {
        let rule = "must be a list of requests";
        TraceFinding::new(number, &path, value, rule, "Correct or drop the line")
    };
    let requests = &value["requests"];
    let Some(items) = requests.as_array() else { return list(number, "requests".to_owned(), requests) };
    for (index, item) in items.iter().enumerate() {
        let path = format!("requests[{index}].");
        if let Some(finding) = look(number, &path, item, &REQUEST_FIELDS, false) {
            return finding;
        }
        match item.get("requests") {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::Array(inner)) => {
                for (inner_index, item) in inner.iter().enumerate() {
                    let path = format!("{path}requests[{inner_index}].");
                    if let Some(finding) = look(number, &path, item, &REQUEST_FIELDS, false) {
                        return finding;
                    }
                }
            }
            Some(other) => return list(number, format!("{path}requests"), other),
        }
    }
    diagnose(number, text, &SESSION_FIELDS, false, error)
}

/// What is read so far.
struct State<'a> {
    options: &'a ReadOptions,
    data: TraceData,
    chains: ChainCheck,
    starts: Starts,
    /// Digests of sessions, to leave copies out.
    seen: FxHashSet<u64>,
    sessions: u64,
    without_output: u64,
    sub_agents: u64,
    restored: u64,
    /// The ids at the head of the first prompt of the session, and of the sub-agent, that are read now.
    heads: [Vec<(u64, u32)>; 2],
}

/// What a session's requests share.
#[derive(Clone, Copy)]
struct Shared {
    line: u64,
    block: u32,
    /// The run key of the session's ids.
    space: u64,
    session: u64,
    parent: u64,
    /// How many ids at the head are the prefix that other sessions share, and its key.
    prefix: (u64, u64),
}

/// When a request was recorded to end, in nanoseconds since the session's start, and its row.
#[derive(Clone, Copy)]
struct Ended {
    ns: u64,
    row: u32,
}

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut state = State {
        options,
        data: TraceData { format: "agent_sessions", ..TraceData::default() },
        chains: ChainCheck::default(),
        starts: Starts::new(options.session_rate),
        seen: FxHashSet::default(),
        sessions: 0,
        without_output: 0,
        sub_agents: 0,
        restored: 0,
        heads: [Vec::new(), Vec::new()],
    };
    let mut copies = 0u64;
    each_line(lines, options, errors, |number, text| {
        let session: Session<'_> =
            serde_json::from_slice(text).map_err(|error| diagnose_session(number, text, &error))?;
        if !state.seen.insert(digest(&session)) {
            copies += 1;
            return Ok(());
        }
        state.take(number, &session)
    });
    let State { mut data, starts, without_output, sub_agents, restored, .. } = state;
    if data.block_tokens == 0 {
        data.block_tokens = BLOCK_TOKENS;
    }
    data.notices.extend(starts.notice());
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            data.notices.push(format!("{count} {what}"));
        }
    };
    note(copies, "sessions are exact copies of earlier ones: left out");
    note(without_output, "requests without output are failures of the recorded service: left out");
    note(sub_agents, "sub-agents run beside their waiting parents, as sessions of their own");
    note(
        restored,
        "sessions share the blocks of their tools and system prompt with others of the same model and lengths \
         (restore_shared_prefix): the file tells them apart",
    );
    data
}

/// Tokens of a block where no session says.
const BLOCK_TOKENS: u32 = 64;

fn digest(session: &Session<'_>) -> u64 {
    fn items(digest: &mut Digest, list: &[Item<'_>]) {
        digest.word(list.len() as u64);
        for item in list {
            for time in [Some(item.t), item.think_time, item.api_time] {
                digest.word(time.map_or(u64::MAX, f64::to_bits));
            }
            digest.word(item.input.unwrap_or(u64::MAX));
            digest.word(item.output.unwrap_or(u64::MAX));
            digest.text(item.model.as_deref().unwrap_or(""));
            for &(first, len) in item.hash_ids.as_ref().map_or(&[][..], |ids| &ids.spans) {
                digest.word(first);
                digest.word(len as u64);
            }
            if let Some(inner) = &item.requests {
                items(digest, inner);
            }
        }
    }
    let mut digest = Digest::new();
    items(&mut digest, &session.requests);
    digest.value()
}

impl State<'_> {
    fn take(&mut self, line: u64, session: &Session<'_>) -> Result<(), TraceFinding> {
        let block = session.block_size;
        if block == 0 || block > 65_536 {
            let next = "Say how many tokens one of `hash_ids` stands for";
            return Err(TraceFinding::new(line, "block_size", block, "must lie in 1..=65536", next));
        }
        let told = if self.data.block_tokens > 0 {
            Some(self.data.block_tokens)
        } else {
            self.options.trace_block_tokens
        };
        if let Some(told) = told.filter(|&told| told != block) {
            let rule = format!("all sessions of a trace have one block size, and it is {told} so far");
            return Err(TraceFinding::new(line, "block_size", block, rule, "Split the file by block size"));
        }
        // A session is taken whole or not at all.
        let (rows, runs, after) = (self.data.rows.len(), self.data.runs.len(), self.data.after.len());
        let counts = (self.without_output, self.sub_agents, self.restored, self.sessions);
        self.chains.clear();
        let taken = self.session(line, session);
        match taken {
            Ok(()) => self.data.block_tokens = block,
            Err(_) => {
                self.data.rows.truncate(rows);
                self.data.runs.truncate(runs);
                self.data.after.truncate(after);
                self.data.measured.ttft_ns.truncate(rows);
                self.data.measured.e2e_ns.truncate(rows);
                (self.without_output, self.sub_agents, self.restored, self.sessions) = counts;
            }
        }
        taken
    }

    fn session(&mut self, line: u64, session: &Session<'_>) -> Result<(), TraceFinding> {
        self.sessions += 1;
        let number = self.sessions;
        let space = mix2(SESSION, line);
        let model = session.requests.iter().find_map(|item| item.model.as_deref()).unwrap_or("");
        let mut shared =
            Shared { line, block: session.block_size, space, session: number, parent: 0, prefix: (0, 0) };
        shared.prefix = self.prefix(shared.block, session.tool_tokens, session.system_tokens, model);
        let mut start_ns = None;
        let mut turn = 0;
        // The parent's requests so far, by when each ended; the sub-agents since the last.
        let mut parents: Vec<(f64, Ended)> = Vec::new();
        let mut agents: Vec<Ended> = Vec::new();
        for (index, item) in session.requests.iter().enumerate() {
            let path = format!("requests[{index}].");
            let at_ns = decimal_ns(line, &format!("{path}t"), item.t, 1_000_000_000)?;
            if item.kind.as_deref() == Some("subagent") || item.requests.is_some() {
                let duration = item.duration_ms.unwrap_or(0.0);
                let duration_ns = decimal_ns(line, &format!("{path}duration_ms"), duration, 1_000_000)?;
                let begun_ns = at_ns.saturating_sub(duration_ns);
                // It was started by the last of the parent's requests that had been sent by then.
                let begun_s = begun_ns as f64 / 1e9;
                let owner = parents.iter().rev().find(|(t, _)| *t <= begun_s).map(|&(_, ended)| ended);
                if let Some(ended) = self.agent(shared, &path, item, begun_ns, owner, &mut start_ns)? {
                    agents.push(ended);
                }
                continue;
            }
            let before = parents.last().map(|&(_, ended)| ended);
            let think_ns = self.think_ns(line, &path, item, at_ns, before)?;
            let Some(row) = self.request(shared, &path, item, turn)? else { continue };
            let waits_for = agents.iter().copied().chain(before);
            let last_ns = waits_for.clone().map(|ended| ended.ns).max();
            let start = match (before, last_ns) {
                (Some(before), Some(last)) => Start::After((before.ns + think_ns).saturating_sub(last)),
                (None, Some(last)) => Start::After(at_ns.saturating_sub(last)),
                _ => Start::At(*start_ns.get_or_insert_with(|| self.starts.draw())),
            };
            if !agents.is_empty() {
                let mut on: Vec<u32> = waits_for.map(|ended| ended.row).collect();
                on.sort_unstable();
                self.data.after.extend(on.iter().map(|&on| (row, on)));
                agents.clear();
            }
            self.data.rows[row as usize].start = start;
            let took =
                decimal_ns(line, &format!("{path}api_time"), item.api_time.unwrap_or(0.0), 1_000_000_000)?;
            parents.push((item.t, Ended { ns: at_ns + took, row }));
            turn += 1;
        }
        Ok(())
    }

    /// How many ids at the head of its prompts a session shares with others, and the key of that prefix.
    fn prefix(&mut self, block: u32, tools: u64, system: u64, model: &str) -> (u64, u64) {
        let blocks = tools.saturating_add(system) / block as u64;
        if !self.options.restore_shared_prefix || blocks == 0 {
            return (0, 0);
        }
        self.restored += 1;
        (blocks, mix2(mix2(mix2(PREFIX, hash_name(model)), tools), system))
    }

    /// From the answer before (or the sub-agent's start) to this request.
    fn think_ns(
        &self,
        line: u64,
        path: &str,
        item: &Item<'_>,
        at_ns: u64,
        before: Option<Ended>,
    ) -> Result<u64, TraceFinding> {
        match (item.think_time, before) {
            (Some(think), _) => decimal_ns(line, &format!("{path}think_time"), think, 1_000_000_000),
            (None, Some(before)) => Ok(at_ns.saturating_sub(before.ns)),
            (None, None) => Ok(0),
        }
    }

    /// A sub-agent's requests; the last to end.
    fn agent(
        &mut self,
        parent: Shared,
        path: &str,
        item: &Item<'_>,
        begun_ns: u64,
        owner: Option<Ended>,
        session_start: &mut Option<u64>,
    ) -> Result<Option<Ended>, TraceFinding> {
        let Some(requests) = &item.requests else { return Ok(None) };
        let number = self.sessions + 1;
        let mut shared = Shared { session: number, parent: parent.session, ..parent };
        let model = requests.iter().find_map(|item| item.model.as_deref()).unwrap_or("");
        shared.prefix = self.prefix(parent.block, item.tool_tokens, item.system_tokens, model);
        let (mut turn, mut before) = (0, None::<Ended>);
        for (index, item) in requests.iter().enumerate() {
            let path = format!("{path}requests[{index}].");
            if item.requests.is_some() {
                let rule = "a sub-agent has no sub-agents";
                let next = "Put it beside the other";
                return Err(TraceFinding::new(
                    parent.line,
                    &format!("{path}requests"),
                    "present",
                    rule,
                    next,
                ));
            }
            let at_ns = begun_ns + decimal_ns(parent.line, &format!("{path}t"), item.t, 1_000_000_000)?;
            let think_ns = self.think_ns(parent.line, &path, item, at_ns, before)?;
            let Some(row) = self.request(shared, &path, item, turn)? else { continue };
            self.data.rows[row as usize].start = match (before, owner) {
                (Some(_), _) => Start::After(think_ns),
                (None, Some(owner)) => {
                    self.data.after.push((row, owner.row));
                    Start::After(at_ns.saturating_sub(owner.ns))
                }
                (None, None) => {
                    Start::At(session_start.get_or_insert_with(|| self.starts.draw()).saturating_add(at_ns))
                }
            };
            let took = item.api_time.unwrap_or(0.0);
            let took = decimal_ns(parent.line, &format!("{path}api_time"), took, 1_000_000_000)?;
            before = Some(Ended { ns: at_ns + took, row });
            turn += 1;
        }
        if turn > 0 {
            self.sessions += 1;
            self.sub_agents += 1;
        }
        Ok(before)
    }

    /// Adds a request's row, without its start; `None` where it failed.
    fn request(
        &mut self,
        shared: Shared,
        path: &str,
        item: &Item<'_>,
        turn: u32,
    ) -> Result<Option<u32>, TraceFinding> {
        let (line, block) = (shared.line, shared.block);
        let field = |name: &str| format!("{path}{name}");
        let need = |name: &str, value: Option<u64>| {
            value.ok_or_else(|| {
                let next = "Known fields: in, out, hash_ids, think_time, api_time, ttft";
                TraceFinding::new(line, &field(name), "absent", "every request must have it", next)
            })
        };
        let input = tokens(line, &field("in"), need("in", item.input)?)?;
        let output = need("out", item.output)?;
        if output == 0 {
            self.without_output += 1;
            return Ok(None);
        }
        let output = tokens(line, &field("out"), output)?;
        let blocks = match &item.hash_ids {
            None => Blocks::Unknown,
            Some(ids) => {
                if ids.count != (input / block) as usize {
                    let next = "Give the ids of the full blocks alone, or correct `block_size`";
                    return Err(coverage(
                        line,
                        &field("hash_ids"),
                        input / block * block,
                        ids.count,
                        block,
                        next,
                    ));
                }
                self.chains.check_spans(line, &field("hash_ids"), &ids.spans)?;
                let from = self.data.runs.len();
                let (shared_ids, key) = shared.prefix;
                if shared_ids == 0 {
                    runs_of(&ids.spans, shared.space, block, &mut self.data.runs);
                } else {
                    let head = &mut self.heads[usize::from(shared.parent != 0)];
                    if turn == 0 {
                        *head = split(&ids.spans, shared_ids).0;
                    }
                    // A prompt that begins otherwise, after its context was compacted, shares less.
                    let same = common(&ids.spans, head);
                    let own = split(&ids.spans, same).1;
                    runs_of(&[(0, same as u32)], key, block, &mut self.data.runs);
                    runs_of(&own, shared.space, block, &mut self.data.runs);
                }
                Blocks::Prompt { from, to: self.data.runs.len() }
            }
        };
        let row = self.data.rows.len();
        let time = |name: &str, value: Option<f64>| {
            value.map(|value| decimal_ns(line, &field(name), value, 1_000_000_000)).transpose()
        };
        self.data.measured.set(row, time("ttft", item.ttft)?, time("api_time", item.api_time)?);
        let (session, parent) = (shared.session, shared.parent);
        self.data.rows.push(TraceRow { input, output, blocks, session, turn, parent, ..TraceRow::EMPTY });
        Ok(Some(row as u32))
    }
}

/// The first `count` ids, and those after them.
#[expect(clippy::type_complexity, reason = "spans twice")]
fn split(spans: &[(u64, u32)], count: u64) -> (Vec<(u64, u32)>, Vec<(u64, u32)>) {
    let (mut left, mut head, mut rest) = (count, Vec::new(), Vec::with_capacity(spans.len()));
    for &(first, len) in spans {
        let taken = left.min(len as u64);
        left -= taken;
        if taken > 0 {
            head.push((first, taken as u32));
        }
        if taken < len as u64 {
            rest.push((first + taken, len - taken as u32));
        }
    }
    (head, rest)
}

/// How many ids both begin with.
fn common(a: &[(u64, u32)], b: &[(u64, u32)]) -> u64 {
    let mut same = 0;
    for (a, b) in a.iter().zip(b) {
        if a.0 != b.0 {
            break;
        }
        same += a.1.min(b.1) as u64;
        if a.1 != b.1 {
            break;
        }
    }
    same
}
