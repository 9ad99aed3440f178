//! Which rows of a trace share a prompt: the groups that affinity gives a home. Knows compiled rows; must not know origins.

use super::trace::CompiledTrace;
use crate::rng::{hash_name, mix2};
use rustc_hash::FxHashMap;

/// How deep a prompt is looked into, in runs of blocks (our choice: beyond a tool list, a system prompt and documents
/// lies a session's own history).
const DEPTH: usize = 8;
/// Rows whose prompt has nothing that others share, keyed by session or row under this salt.
const ALONE: u64 = hash_name("workload/alone");

/// The group of each row: the key of the first run of blocks in its session's first prompt that at most half of the
/// requests begin with (our choice: what more begin with tells nothing about who asks); its session where there is none.
pub(super) fn of_rows(trace: &CompiledTrace) -> Vec<u64> {
    let rows = || (0..trace.summary().requests as u32).map(|index| trace.row(index));
    let mut counts: FxHashMap<u64, u64> = FxHashMap::default();
    for row in rows() {
        for run in trace.runs_of(row).iter().take(DEPTH) {
            *counts.entry(run.key).or_default() += 1;
        }
    }
    let total = trace.summary().requests;
    let mut of_session: FxHashMap<u64, (u32, u64)> = FxHashMap::default();
    let mut groups = Vec::with_capacity(total as usize);
    for (index, row) in rows().enumerate() {
        let shared = |key: &u64| 2 * counts[key] <= total;
        let first = trace.runs_of(row).iter().take(DEPTH).map(|run| run.key).find(shared);
        let alone = match row.row.session {
            0 => mix2(ALONE, index as u64),
            session => mix2(ALONE, !session),
        };
        let group = first.unwrap_or(alone);
        groups.push(group);
        if row.row.session != 0 {
            let known = of_session.entry(row.row.session).or_insert((row.row.turn, group));
            if row.row.turn < known.0 {
                *known = (row.row.turn, group);
            }
        }
    }
    for (group, row) in groups.iter_mut().zip(rows()) {
        if let Some(first) = of_session.get(&row.row.session) {
            *group = first.1;
        }
    }
    groups
}
