//! A trace as its file tells it, before it is compiled for an engine. Knows rows, names and the file's own blocks;
//! must not know engine blocks or origins' ids.

use super::Run;
use crate::digest::Digest;
use crate::rng::hash_name;

/// The longest prompt or output that is believed, in tokens (our choice: 16 times the longest context on the
/// market; larger numbers are mistakes).
pub const MAX_TOKENS: u64 = 16_777_216;

/// The most origins, classes or data classes that a trace may name (our choice: more are mistaken for names).
pub const MAX_NAMES: usize = 1_024;

/// The rows of a trace in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceData {
    /// Where it was read from.
    pub path: String,
    /// `mooncake` or `native`.
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
    /// Names of origins, classes and data classes in order of appearance.
    pub names: TraceNames,
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
        tenant: 0,
        origin: None,
        class: None,
        data_class: None,
        priority: None,
    };
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time, in nanoseconds.
    At(u64),
    /// This long after the answer to the turn before reached the client, in nanoseconds.
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
    /// Runs over the full blocks of prompt and output, `runs[from..to]`.
    Runs {
        /// First.
        from: usize,
        /// One past the last.
        to: usize,
    },
}

impl TraceData {
    /// The index of `name` in `names`, added if new; `None` when there are [`MAX_NAMES`] others.
    pub(super) fn intern(names: &mut Vec<String>, name: &str) -> Option<u32> {
        if let Some(index) = names.iter().position(|known| known == name) {
            return Some(index as u32);
        }
        if names.len() >= MAX_NAMES {
            return None;
        }
        names.push(name.to_owned());
        Some(names.len() as u32 - 1)
    }
    /// Hash of the canonical rows: what they mean, not how the file spells it. Path, format, compression and
    /// the spelling of JSON do not count.
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
                Blocks::Runs { from, to } => {
                    digest.word(u64::MAX - (to - from) as u64);
                    for run in &self.runs[from..to] {
                        digest.word(run.key);
                        digest.word((run.start as u64) << 32 | run.len as u64);
                    }
                }
            }
        }
        if self.as_run {
            digest.word(AS_RUN);
            self.keys.iter().for_each(|&key| digest.word(key));
        }
        digest.value()
    }
}

const AS_RUN: u64 = hash_name("trace/as-run");
