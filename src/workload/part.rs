//! Which part of a trace is replayed: a sample of its sessions, those that begin in a window. Knows rows and keys; must
//! not know origins.

use super::data::{Start, TraceRow};
use super::params::{TraceParams, Window};
use super::trace::CompiledTrace;
use crate::rng::{Key, hash_name, mix2};
use rustc_hash::FxHashMap;

/// Rows without a session are known under this salt.
const ROWS: u64 = hash_name("workload/row");

/// What a row without a session is known by, wherever it stands in the file: what it says. Equal rows are one.
pub(super) fn identity_of(row: &TraceRow) -> u64 {
    let at = match row.start {
        Start::At(ns) => ns,
        Start::After(ns) => !ns,
    };
    let lengths = u64::from(row.input) << 32 | u64::from(row.output);
    mix2(mix2(mix2(ROWS, at), lengths), u64::from(row.tenant))
}

/// What a row's fate is drawn by: its session, its parent's where it is a sub-agent's; what it says where it has none.
pub(super) fn root_of(row: &TraceRow) -> u64 {
    match (row.parent, row.session) {
        (0, 0) => identity_of(row),
        (0, session) => session,
        (parent, _) => parent,
    }
}

/// Which part of a trace is replayed: whole sessions.
pub(super) struct Part {
    sample: Option<(f64, Key)>,
    window: Option<Window>,
    /// When each session begins in the file's time; empty where nobody asks.
    begins: FxHashMap<u64, u64>,
}

impl Part {
    pub(super) fn new(params: &TraceParams, trace: &CompiledTrace, times: &[u64], key: Key) -> Part {
        let mut begins: FxHashMap<u64, u64> = FxHashMap::default();
        if params.window.is_some() {
            for (&ns, &row) in times.iter().zip(trace.arrivals()) {
                let first = begins.entry(trace.row(row).row.session).or_insert(ns);
                *first = ns.min(*first);
            }
        }
        Part { sample: (params.sample < 1.0).then_some((params.sample, key)), window: params.window, begins }
    }
    pub(super) fn keeps(&self, ns: u64, row: &TraceRow) -> bool {
        let within = |window: &Window| {
            let begins = match if row.parent == 0 { row.session } else { row.parent } {
                0 => ns,
                session => self.begins.get(&session).copied().unwrap_or(ns),
            };
            (window.from.0..window.from.0.saturating_add(window.lasts.0)).contains(&begins)
        };
        self.window.as_ref().is_none_or(within)
            && self.sample.is_none_or(|(share, key)| key.at(root_of(row)).unit() < share)
    }
}
