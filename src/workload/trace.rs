//! A trace compiled for one engine block size: rows and one arena of runs, shared by every cell of a sweep. Knows
//! blocks of both sizes; must not know origins' ids, seeds or when the run starts.

use super::clock::UtcStart;
use super::data::{Blocks, Measured, Measurements, Start, TraceData, TraceNames, TraceRow};
use super::error::{TraceErrors, TraceFinding};
use super::{Chain, Run, spread};
use crate::rng::{hash_name, mix2};
use crate::time::Span;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::path::Path;

/// The rows of a trace, ready to replay.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledTrace {
    summary: TraceSummary,
    names: TraceNames,
    rows: Vec<CompiledRow>,
    runs: Vec<Run>,
    /// The key of each row's request, where sessions, keys and blocks are those of a run; else empty.
    keys: Vec<u64>,
    /// Per row, where its followers begin in `followers`; one more at the end.
    followers_from: Vec<u32>,
    /// Rows that wait for a row to end, ascending within it.
    followers: Vec<u32>,
    /// Per row, how many rows it waits for.
    waits: Vec<u32>,
    measured: Measurements,
    origin_label: String,
    /// Its block ids have a declared scope.
    scoped: bool,
    utc_start: Option<UtcStart>,
    /// Indices of the rows that are sent at a time of their own, in order of time, then of the file.
    arrivals: Vec<u32>,
    notices: Vec<String>,
}

/// A row with its chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CompiledRow {
    pub row: TraceRow,
    pub runs_from: usize,
    pub runs_to: usize,
    /// The last run stands for blocks that the file does not tell.
    pub tail: bool,
}

/// What a plan and a manifest show of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct TraceSummary {
    /// Where it was read from.
    pub path: String,
    /// The name of its format.
    pub format: String,
    /// 64-bit hash of the canonical rows.
    pub content_hash: u64,
    /// Rows.
    pub requests: u64,
    /// Rows that wait for answers.
    pub closed_loop: u64,
    /// Sessions.
    pub sessions: u64,
    /// Prompt tokens of all rows.
    pub prompt_tokens: u64,
    /// Output tokens of all rows.
    pub output_tokens: u64,
    /// Block references of all rows, in the file's blocks.
    pub block_refs: u64,
    /// Different blocks among them.
    pub distinct_blocks: u64,
    /// From the first to the last time in the file, in nanoseconds.
    pub span_ns: u64,
    /// Tokens of one of the file's blocks.
    pub trace_block_tokens: u32,
    /// Tokens of one of the engine's blocks, for which it is compiled.
    pub block_tokens: u32,
    /// The clock grid that timestamps sit on, in nanoseconds, if there is one.
    pub grid_ns: Option<u64>,
    /// Sessions that other sessions have started.
    #[serde(skip_serializing_if = "is_zero")]
    pub sub_agents: u64,
    /// Rows of which a time was measured where they were recorded.
    #[serde(skip_serializing_if = "is_zero")]
    pub measured: u64,
    /// When it begins by the clock of the wall; without `Z` the file says no zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_start: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Salts, so that the parts of a key cannot meet.
const CONTENT_SCOPE: u64 = hash_name("trace/content-scope");
const TAIL: u64 = hash_name("trace/tail");
const PHASE: u64 = hash_name("trace/phase");

/// The salt of a named scope of block ids: equal ids of one scope are equal blocks, also across workloads.
pub(super) fn scope_of(name: &str) -> u64 {
    hash_name(name)
}

impl CompiledTrace {
    /// Compiles `data` for an engine with blocks of `block_tokens`: one size must be a multiple of the other.
    pub fn compile(data: &TraceData, block_tokens: u32) -> Result<CompiledTrace, TraceErrors> {
        // Without blocks there is nothing to split or to join.
        let blockless = data.ids.is_empty() && data.runs.is_empty();
        let (file, engine) = (if blockless { block_tokens } else { data.block_tokens }, block_tokens);
        let refuse = |rule: String| {
            let next = "Set the engine's block size to a divisor or a multiple of the trace's";
            let finding = TraceFinding::new(0, "block_tokens", file, rule, next);
            Err(TraceErrors::one(Path::new(&data.path), finding))
        };
        if file == 0 || engine == 0 || (!file.is_multiple_of(engine) && !engine.is_multiple_of(file)) {
            return refuse(format!(
                "the engine's blocks have {engine} tokens, and neither size divides the other"
            ));
        }
        if data.rows.len() >= u32::MAX as usize {
            return refuse("a trace may have at most 4,294,967,294 rows".to_owned());
        }
        let content_hash = data.content_hash();
        let scope = match data.id_scope.as_str() {
            "" => mix2(CONTENT_SCOPE, content_hash),
            name => scope_of(name),
        };
        // Traces of one scope share what they tell; what they do not tell is each one's own.
        let tails = match data.id_scope.as_str() {
            "" => mix2(scope, TAIL),
            _ => mix2(mix2(scope, TAIL), content_hash),
        };
        let mut blocks = Compiler { data, engine, scope, tails, rest: 0, chain: Chain::new() };
        let (mut rows, mut runs) = (Vec::with_capacity(data.rows.len()), Vec::new());
        for (index, row) in data.rows.iter().enumerate() {
            let runs_from = runs.len();
            runs.extend_from_slice(blocks.chain(index, row));
            let tail = blocks.rest > 0;
            rows.push(CompiledRow { row: *row, runs_from, runs_to: runs.len(), tail });
        }
        let (followers_from, followers, waits) = links(data);
        let at = |index: u32| match rows[index as usize].row.start {
            Start::At(ns) => ns,
            Start::After(_) => u64::MAX,
        };
        let mut arrivals: Vec<u32> = (0..rows.len() as u32).filter(|&index| at(index) != u64::MAX).collect();
        let mut notices = data.notices.clone();
        if let Some(pair) = arrivals.windows(2).find(|pair| at(pair[0]) > at(pair[1])) {
            notices.push(format!(
                "rows are not in order of time (first at request {}): they are replayed in order of time, equal \
                 times in order of the file",
                pair[1] + 1
            ));
        }
        arrivals.sort_by_key(|&index| at(index));
        let times: Vec<u64> = arrivals.iter().map(|&index| at(index)).collect();
        let grid_ns = if data.as_run { None } else { spread::grid(&times) };
        if let Some(grid) = grid_ns {
            notices.push(format!(
                "timestamps sit on a {} clock grid: requests of one cell are spread over it (set raw times to \
                 keep them; they then arrive in bursts that the recorded service never saw)",
                Span(grid)
            ));
        }
        if file > engine {
            notices.push(format!(
                "the trace tells sharing in blocks of {file} tokens: prefix hits come in steps of {file}, not {engine}"
            ));
        }
        if engine > file {
            notices.push(format!(
                "trace blocks of {file} tokens are joined to engine blocks of {engine}: what fills no whole \
                 engine block is not shared"
            ));
        }
        let mut summary = summary(data, &rows);
        summary.content_hash = content_hash;
        summary.block_tokens = engine;
        summary.grid_ns = grid_ns;
        summary.span_ns = times.last().map_or(0, |last| last - times[0]);
        Ok(CompiledTrace {
            summary,
            names: data.names.clone(),
            rows,
            runs,
            keys: data.keys.clone(),
            followers_from,
            followers,
            waits,
            measured: data.measured.clone(),
            scoped: !data.id_scope.is_empty(),
            origin_label: data.origin_label.clone(),
            utc_start: data.utc_start,
            arrivals,
            notices,
        })
    }
    /// How the origins were made up that its rows name; empty where they were recorded.
    pub fn origin_label(&self) -> &str {
        &self.origin_label
    }
    /// Whether its file or its reader's options declare a scope of block ids, which other traces may share.
    pub fn has_id_scope(&self) -> bool {
        self.scoped
    }
    /// What was measured of row `row` of the file where it was recorded.
    pub fn measured(&self, row: u32) -> Measured {
        self.measured.get(row as usize)
    }
    /// Whether anything was measured.
    pub fn has_measured(&self) -> bool {
        !self.measured.is_empty()
    }
    /// When the trace begins by the clock of the wall, if its file says.
    pub fn utc_start(&self) -> Option<UtcStart> {
        self.utc_start
    }
    /// The `key` of each row's request in a workload called `name`, in order of rows: what a run's records are held
    /// against [`CompiledTrace::measured`] by.
    pub fn request_keys<'t>(&'t self, name: &str) -> impl Iterator<Item = u64> + 't {
        let name_hash = hash_name(name);
        self.rows.iter().enumerate().map(move |(index, row)| {
            let as_run = self.key_as_run(index as u32);
            as_run.unwrap_or_else(|| request_key(name_hash, &row.row, index as u32))
        })
    }
    /// The rows that wait for row `index`.
    pub(super) fn followers(&self, index: u32) -> &[u32] {
        let (from, to) = (self.followers_from[index as usize], self.followers_from[index as usize + 1]);
        &self.followers[from as usize..to as usize]
    }
    /// Per row, how many rows it waits for.
    pub(super) fn waits(&self) -> &[u32] {
        &self.waits
    }
    /// What it is.
    pub fn summary(&self) -> &TraceSummary {
        &self.summary
    }
    /// Hash of the canonical rows, for manifests.
    pub fn content_hash(&self) -> u64 {
        self.summary.content_hash
    }
    /// What the user should know: spread timestamps, split or joined blocks, rows out of order.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
    /// The names that its rows use.
    pub fn names(&self) -> &TraceNames {
        &self.names
    }
    /// The rows, in file order.
    pub fn rows(&self) -> impl Iterator<Item = &TraceRow> {
        self.rows.iter().map(|compiled| &compiled.row)
    }
    /// Whether its keys are those of a run.
    pub(super) fn is_as_run(&self) -> bool {
        !self.keys.is_empty()
    }
    /// The key that a row's request had in the run that the trace is of.
    pub(super) fn key_as_run(&self, index: u32) -> Option<u64> {
        self.keys.get(index as usize).copied()
    }
    pub(super) fn row(&self, index: u32) -> &CompiledRow {
        &self.rows[index as usize]
    }
    pub(super) fn runs_of(&self, row: &CompiledRow) -> &[Run] {
        &self.runs[row.runs_from..row.runs_to]
    }
    pub(super) fn arrivals(&self) -> &[u32] {
        &self.arrivals
    }
    pub(super) fn last_time(&self) -> u64 {
        match self.arrivals.last().map(|&index| self.row(index).row.start) {
            Some(Start::At(ns)) => ns,
            _ => 0,
        }
    }
}

/// Turns the file's blocks into the engine's.
struct Compiler<'a> {
    data: &'a TraceData,
    engine: u32,
    scope: u64,
    /// The salt of blocks that the file does not tell.
    tails: u64,
    /// How many such blocks the last chain ends with.
    rest: u32,
    chain: Chain,
}

impl Compiler<'_> {
    fn chain(&mut self, index: usize, row: &TraceRow) -> &[Run] {
        let (file, engine, scope) = (self.data.block_tokens, self.engine, self.scope);
        self.chain.clear();
        match row.blocks {
            Blocks::Unknown => {}
            Blocks::Runs { from, to } if self.data.as_run && file == engine => {
                self.data.runs[from..to].iter().for_each(|&run| self.chain.push(run));
            }
            Blocks::Ids { from, to } if file >= engine => {
                // Only engine blocks that lie within the prompt: the last file block may be partial.
                let mut left = row.input / engine;
                for &id in &self.data.ids[from..to] {
                    let len = left.min(file / engine);
                    self.chain.push(Run { key: mix2(scope, id), start: 0, len });
                    left -= len;
                }
            }
            Blocks::Ids { from, to } => {
                let group = (engine / file) as usize;
                let last_of_group = self.data.ids[from..to].chunks_exact(group).map(|ids| ids[group - 1]);
                for id in last_of_group.take((row.input / engine) as usize) {
                    self.chain.push(Run { key: mix2(scope, id), start: 0, len: 1 });
                }
            }
            Blocks::Prompt { from, to } if file >= engine => {
                // The partial last block of the file may hold whole blocks of the engine.
                let (split, mut left) = (file / engine, row.input / engine);
                for run in &self.data.runs[from..to] {
                    let len = left.min(run.len * split);
                    self.chain.push(Run { key: mix2(scope, run.key), start: run.start * split, len });
                    left -= len;
                }
            }
            Blocks::Prompt { from, to } => {
                self.join(from, to, (engine / file) as u64);
                self.chain.truncate(row.input / engine);
            }
            Blocks::Runs { from, to } if file >= engine => {
                let split = file / engine;
                for run in &self.data.runs[from..to] {
                    let (key, start, len) = (mix2(scope, run.key), run.start * split, run.len * split);
                    self.chain.push(Run { key, start, len });
                }
            }
            Blocks::Runs { from, to } => self.join(from, to, (engine / file) as u64),
        }
        let rest = (row.input + row.output) / engine - self.chain.blocks();
        self.rest = rest;
        self.chain.push(Run { key: mix2(self.tails, index as u64), start: 0, len: rest });
        self.chain.runs()
    }
    /// Every `group` file blocks become one engine block, named by the last of them. Block `i` of a run goes to
    /// block `i / group` of a run keyed by `i % group`: one to one, so that what was shared stays so, and groups
    /// that follow each other stay one run.
    fn join(&mut self, from: usize, to: usize, group: u64) {
        let mut before = 0u64;
        for run in &self.data.runs[from..to] {
            let (begin, end) = (before, before + run.len as u64);
            before = end;
            let last = (begin / group + 1) * group - 1;
            if last >= end {
                continue;
            }
            let index = run.start as u64 + (last - begin);
            let key = mix2(mix2(mix2(self.scope, run.key), PHASE), index % group);
            let len = ((end - 1 - last) / group + 1) as u32;
            self.chain.push(Run { key, start: (index / group) as u32, len });
        }
    }
}

/// Requests without a session are keyed by row under this salt.
const ROWS: u64 = hash_name("workload/rows");

/// The id in a run of a workload's session `number`.
#[inline]
pub(super) fn session_id(name_hash: u64, number: u64) -> u64 {
    mix2(name_hash, number).max(1)
}

/// The key of a row's request.
pub(super) fn request_key(name_hash: u64, row: &TraceRow, index: u32) -> u64 {
    match row.session {
        0 => mix2(mix2(name_hash, ROWS), index as u64),
        session => mix2(session_id(name_hash, session), row.turn as u64),
    }
}

fn distinct_sessions<'a>(rows: impl Iterator<Item = &'a CompiledRow>) -> u64 {
    let mut sessions: Vec<u64> = rows.map(|row| row.row.session).filter(|&id| id != 0).collect();
    sessions.sort_unstable();
    sessions.dedup();
    sessions.len() as u64
}

/// Who waits for whom: where each row's followers begin, the followers, and how many rows each waits for.
fn links(data: &TraceData) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut waits = vec![0u32; data.rows.len()];
    let mut edges: Vec<(u32, u32)> = Vec::new();
    data.after.iter().for_each(|&(row, _)| waits[row as usize] += 1);
    edges.extend(data.after.iter().map(|&(row, waits_for)| (waits_for, row)));
    let mut last: FxHashMap<u64, u32> = FxHashMap::default();
    for (index, row) in data.rows.iter().enumerate().filter(|(_, row)| row.session != 0) {
        let before = last.insert(row.session, index as u32);
        if let (Start::After(_), Some(before)) = (row.start, before)
            && waits[index] == 0
        {
            waits[index] = 1;
            edges.push((before, index as u32));
        }
    }
    edges.sort_unstable();
    let mut from = vec![0u32; data.rows.len() + 1];
    edges.iter().for_each(|edge| from[edge.0 as usize + 1] += 1);
    for row in 0..data.rows.len() {
        from[row + 1] += from[row];
    }
    (from, edges.iter().map(|edge| edge.1).collect(), waits)
}

fn summary(data: &TraceData, rows: &[CompiledRow]) -> TraceSummary {
    let mut ids = data.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    let mut runs = data.runs.clone();
    runs.sort_unstable_by_key(|run| (run.key, run.start));
    let (mut distinct, mut reached) = (ids.len() as u64, (None, 0u64));
    for run in &runs {
        let (start, end) = (run.start as u64, run.start as u64 + run.len as u64);
        if reached.0 != Some(run.key) {
            reached = (Some(run.key), 0);
        }
        distinct += end.saturating_sub(start.max(reached.1));
        reached.1 = reached.1.max(end);
    }
    TraceSummary {
        path: data.path.clone(),
        format: data.format.to_owned(),
        requests: rows.len() as u64,
        closed_loop: rows.iter().filter(|row| matches!(row.row.start, Start::After(_))).count() as u64,
        sessions: distinct_sessions(rows.iter()),
        prompt_tokens: rows.iter().map(|row| row.row.input as u64).sum(),
        output_tokens: rows.iter().map(|row| row.row.output as u64).sum(),
        block_refs: data.ids.len() as u64 + data.runs.iter().map(|run| run.len as u64).sum::<u64>(),
        distinct_blocks: distinct,
        trace_block_tokens: data.block_tokens,
        sub_agents: distinct_sessions(rows.iter().filter(|row| row.row.parent != 0)),
        measured: (0..rows.len()).filter(|&row| data.measured.get(row) != Measured::default()).count() as u64,
        utc_start: data.utc_start.map(|start| start.to_string()),
        ..TraceSummary::default()
    }
}
