//! A trace as its file tells it, before it is compiled for an engine. Knows rows, names and the file's own blocks;
//! must not know engine blocks or origins' ids.

use super::Run;
use super::clock::UtcStart;
use crate::digest::Digest;
use crate::rng::hash_name;
use crate::time::Span;
use std::collections::BTreeMap;

/// The longest prompt or output that is believed, in tokens (our choice: 16 times the longest context on the
/// market; larger numbers are mistakes).
pub const MAX_TOKENS: u64 = 16_777_216;

/// The most origins, classes or data classes that a trace may name (our choice: more are mistaken for names).
pub const MAX_NAMES: usize = 1_024;

/// The block size that is written for a trace without blocks: nothing follows from it (vLLM's own, so that a converted
/// file can be added to).
pub const UNUSED_BLOCK: u32 = 16;

/// The rows of a trace in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceData {
    /// Where it was read from.
    pub path: String,
    /// The name of its format.
    pub format: &'static str,
    /// Tokens of one of its blocks.
    pub block_tokens: u32,
    /// Traces of one scope share block ids; empty means that the scope is this content alone.
    pub id_scope: String,
    /// The rows.
    pub rows: Vec<TraceRow>,
    /// The block ids of all rows.
    pub ids: Vec<u64>,
    /// The runs of all rows.
    pub runs: Vec<Run>,
    /// Its sessions, keys and blocks are those of a run, not numbers of its own: a replay takes them as they are.
    pub as_run: bool,
    /// The key of each row's request, of a trace that is `as_run`; else empty.
    pub keys: Vec<u64>,
    /// What rows wait for that do not simply wait for the turn before: `(row, the row it waits for)`, in order of
    /// rows. A row of [`Start::After`] that stands here waits for all of these to end, and for nothing else.
    pub after: Vec<(u32, u32)>,
    /// Names of origins, classes and data classes in order of appearance.
    pub names: TraceNames,
    /// What was measured where the trace was recorded.
    pub measured: Measurements,
    /// When the trace begins on the clock of the wall, if it says.
    pub utc_start: Option<UtcStart>,
    /// How origins were made up that its rows name, where a run drew them: `synthetic(method, seed, affinity)`.
    pub origin_label: String,
    /// What the user should know about the file.
    pub notices: Vec<String>,
}

/// The names that rows use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceNames {
    /// Origins.
    pub origins: Vec<String>,
    /// SLO classes.
    pub classes: Vec<String>,
    /// Residency classes.
    pub data_classes: Vec<String>,
    /// Regions that rows may go to alone.
    pub regions: Vec<String>,
    /// The different lists of them that rows have: indices into `regions`, ascending.
    pub allowed: Vec<Vec<u32>>,
    /// The line in which each origin, class, data class and region is first named; empty where lines are not known.
    pub lines: [Vec<u64>; 4],
    /// The first line of each combination of allowed regions with what else says where a request may go.
    pub bound: BTreeMap<Bound, u64>,
}

/// What a row that may go to some regions alone says of where it may go, as indices into the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// Its list of allowed regions.
    pub allowed: u32,
    /// Its data class, if it names one.
    pub data_class: Option<u32>,
    /// Its origin, if it names one.
    pub origin: Option<u32>,
}

impl TraceNames {
    /// The line in which name number `index` of kind 0 (origins), 1 (classes), 2 (data classes) or 3 (regions) first
    /// stands.
    pub fn line(&self, kind: usize, index: usize) -> Option<u64> {
        self.lines[kind].get(index).copied().filter(|&line| line > 0)
    }
}

/// Times that a recorded service took, by row. A column is stored only when some row has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measurements {
    /// Time to first token in nanoseconds, [`Measurements::NONE`] where there is none; empty or one a row.
    pub ttft_ns: Vec<u64>,
    /// Time to the last token in nanoseconds, as `ttft_ns`.
    pub e2e_ns: Vec<u64>,
}

/// What was measured of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Time to first token.
    pub ttft: Option<Span>,
    /// Time to the last token.
    pub e2e: Option<Span>,
}

impl Measurements {
    /// Nothing was measured.
    pub const NONE: u64 = u64::MAX;

    /// Notes what was measured of row `row`; rows may come in any order.
    pub(super) fn set(&mut self, row: usize, ttft_ns: Option<u64>, e2e_ns: Option<u64>) {
        for (column, value) in [(&mut self.ttft_ns, ttft_ns), (&mut self.e2e_ns, e2e_ns)] {
            if let Some(value) = value {
                if column.len() <= row {
                    column.resize(row + 1, Self::NONE);
                }
                column[row] = value;
            }
        }
    }
    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.ttft_ns.is_empty() && self.e2e_ns.is_empty()
    }
    /// What was measured of row `row`.
    pub fn get(&self, row: usize) -> Measured {
        let value = |column: &[u64]| column.get(row).filter(|&&ns| ns != Self::NONE).map(|&ns| Span(ns));
        Measured { ttft: value(&self.ttft_ns), e2e: value(&self.e2e_ns) }
    }
}

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceRow {
    /// When it is sent.
    pub start: Start,
    /// Prompt tokens, at least 1.
    pub input: u32,
    /// Output tokens, at least 1.
    pub output: u32,
    /// Its blocks.
    pub blocks: Blocks,
    /// Its session, 0 where there is none.
    pub session: u64,
    /// Its turn within the session.
    pub turn: u32,
    /// The session that started this one, 0 where there is none: a sub-agent's session belongs to its parent's
    /// client and shares its origin.
    pub parent: u64,
    /// Its tenant.
    pub tenant: u32,
    /// Index into the names, if it names one.
    pub origin: Option<u32>,
    /// Index into the names, if it names one.
    pub class: Option<u32>,
    /// Index into the names, if it names one.
    pub data_class: Option<u32>,
    /// Its priority, if it has one.
    pub priority: Option<u8>,
    /// Index into the names' lists of allowed regions, if it may go to some regions alone.
    pub allowed: Option<u32>,
}

impl TraceRow {
    /// A row of nothing, to fill in.
    pub const EMPTY: TraceRow = TraceRow {
        start: Start::At(0),
        input: 1,
        output: 1,
        blocks: Blocks::Unknown,
        session: 0,
        turn: 0,
        parent: 0,
        tenant: 0,
        origin: None,
        class: None,
        data_class: None,
        priority: None,
        allowed: None,
    };
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time, in nanoseconds.
    At(u64),
    /// This long after the answers to what it waits for have reached the client, in nanoseconds: the turn before in
    /// its session, unless [`TraceData::after`] says other rows.
    After(u64),
}

/// What a row tells of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Nothing: it shares no prefix.
    Unknown,
    /// Chain ids of the prompt's blocks, `ids[from..to]`; the last one may be partial.
    Ids {
        /// First.
        from: usize,
        /// One past the last.
        to: usize,
    },
    /// Runs over the prompt's blocks, `runs[from..to]`; they may leave the partial last block out or end with it.
    /// What the output adds is the row's own.
    Prompt {
        /// First.
        from: usize,
        /// One past the last.
        to: usize,
    },
    /// Runs over the full blocks of prompt and output, `runs[from..to]`.
    Runs {
        /// First.
        from: usize,
        /// One past the last.
        to: usize,
    },
}

impl TraceData {
    /// The index of `name` among the names of `kind` (0 origins, 1 classes, 2 data classes, 3 regions), added if new as
    /// seen in `line`; `None` when there are [`MAX_NAMES`] others.
    pub(super) fn intern(&mut self, kind: usize, name: &str, line: u64) -> Option<u32> {
        let TraceNames { origins, classes, data_classes, regions, lines, .. } = &mut self.names;
        let names = match kind {
            0 => origins,
            1 => classes,
            2 => data_classes,
            _ => regions,
        };
        if let Some(index) = names.iter().position(|known| known == name) {
            return Some(index as u32);
        }
        if names.len() >= MAX_NAMES {
            return None;
        }
        names.push(name.to_owned());
        lines[kind].push(line);
        Some(names.len() as u32 - 1)
    }
    /// The index of a list of regions among the names' lists, added if new; `None` when there are [`MAX_NAMES`] others.
    pub(super) fn intern_allowed(&mut self, mut list: Vec<u32>) -> Option<u32> {
        list.sort_unstable();
        list.dedup();
        let lists = &mut self.names.allowed;
        if let Some(index) = lists.iter().position(|known| *known == list) {
            return Some(index as u32);
        }
        if lists.len() >= MAX_NAMES {
            return None;
        }
        lists.push(list);
        Some(lists.len() as u32 - 1)
    }
    /// Hash of the canonical rows: what they mean, not how the file spells it. Path, format, compression and
    /// the spelling of JSON do not count, nor what was measured: it moves nothing in a replay.
    pub fn content_hash(&self) -> u64 {
        let mut digest = Digest::new();
        digest.word(self.block_tokens as u64);
        digest.text(&self.id_scope);
        let name = |digest: &mut Digest, names: &[String], index: Option<u32>| match index {
            Some(index) => digest.text(&names[index as usize]),
            None => digest.word(u64::MAX),
        };
        for row in &self.rows {
            let (kind, ns) = match row.start {
                Start::At(ns) => (0, ns),
                Start::After(ns) => (1, ns),
            };
            let priority = row.priority.map_or(u64::MAX, u64::from);
            for word in [
                kind,
                ns,
                row.input as u64,
                row.output as u64,
                row.session,
                row.turn as u64,
                row.tenant as u64,
                priority,
            ] {
                digest.word(word);
            }
            name(&mut digest, &self.names.origins, row.origin);
            name(&mut digest, &self.names.classes, row.class);
            name(&mut digest, &self.names.data_classes, row.data_class);
            match row.blocks {
                Blocks::Unknown => digest.word(0),
                Blocks::Ids { from, to } => {
                    digest.word(1 + (to - from) as u64);
                    self.ids[from..to].iter().for_each(|&id| digest.word(id));
                }
                Blocks::Prompt { from, to } => {
                    digest.word(u64::MAX / 2 - (to - from) as u64);
                    for run in &self.runs[from..to] {
                        digest.word(run.key);
                        digest.word((run.start as u64) << 32 | run.len as u64);
                    }
                }
                Blocks::Runs { from, to } => {
                    digest.word(u64::MAX - (to - from) as u64);
                    for run in &self.runs[from..to] {
                        digest.word(run.key);
                        digest.word((run.start as u64) << 32 | run.len as u64);
                    }
                }
            }
        }
        for (row, waits_for) in &self.after {
            digest.word(AFTER ^ ((*row as u64) << 32 | *waits_for as u64));
        }
        for (index, row) in self.rows.iter().enumerate().filter(|(_, row)| row.parent != 0) {
            digest.word(PARENT ^ index as u64);
            digest.word(row.parent);
        }
        for (index, row) in self.rows.iter().enumerate() {
            let Some(allowed) = row.allowed else { continue };
            let mut names: Vec<&str> = self.names.allowed[allowed as usize]
                .iter()
                .map(|&region| self.names.regions[region as usize].as_str())
                .collect();
            names.sort_unstable();
            digest.word(ALLOWED ^ index as u64);
            digest.word(names.len() as u64);
            names.into_iter().for_each(|name| digest.text(name));
        }
        if self.as_run {
            digest.word(AS_RUN);
            self.keys.iter().for_each(|&key| digest.word(key));
        }
        digest.value()
    }
}

/// Salts, so that optional parts cannot be mistaken for each other; absent, they leave the hash as it was.
const AFTER: u64 = hash_name("trace/after");
const AS_RUN: u64 = hash_name("trace/as-run");
const PARENT: u64 = hash_name("trace/parent");
const ALLOWED: u64 = hash_name("trace/allowed-regions");
